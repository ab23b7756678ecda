"""Every primitive on every sample of the operator table, on a device, against its reference."""

from __future__ import annotations

import numpy as np
import pytest
from opencl_programs import compiled, run, side_by_side, words

from cotan.config import config
from cotan.ir.avals import get_aval
from cotan.ir.primitive import reference
from cotan.testing.operators.table import Operator, assert_close, load

OPERATORS = [operator for operator in load().values() if not operator.primitive.higher_order]
AT_ONCE = 50


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.primitive.name)
def test_compiled(operator: Operator, device) -> None:
    primitive = operator.primitive
    with config.override(enable_x64=True, check_jaxprs=True):
        for start in range(0, len(operator.samples), AT_ONCE):
            samples = operator.samples[start : start + AT_ONCE]
            args = []
            for sample in samples:
                for x in sample.args:
                    dtype = get_aval(x).dtype
                    args.append(np.asarray(words(x), dtype if isinstance(dtype, np.dtype) else None))
            found = run(compiled(side_by_side(primitive, samples), device), args)
            at = 0
            for sample in samples:
                operands = args[at : at + len(sample.args)]
                at += len(sample.args)
                with np.errstate(all="ignore"):
                    wanted = reference[primitive](*operands, **sample.params)
                wanted = list(wanted) if primitive.multiple_results else [wanted]
                results, found = found[: len(wanted)], found[len(wanted) :]
                assert [x.dtype for x in results] == [np.asarray(y).dtype for y in wanted]
                pairs = zip(operator.comparable(sample, results), operator.comparable(sample, wanted), strict=True)
                for x, y in pairs:
                    assert_close(x, y, operator.kernel_tolerance, f"{primitive} {sample}")
