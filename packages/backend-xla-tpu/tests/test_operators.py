"""Every primitive on every sample of the operator table against its reference; what differs is listed, with reasons."""

from __future__ import annotations

import pytest
from xla_programs import by_reference, expected_failures, one_equation, run, stored

from cotan.config import config
from cotan.errors import UnsupportedError
from cotan.ir.primitive import reference
from cotan.testing.operators.table import Operator, assert_close, load

OPERATORS = [one for one in load().values() if not one.primitive.higher_order and reference.get(one.primitive)]
FAILURES = expected_failures()


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.primitive.name)
def test_operator(operator: Operator):
    known = FAILURES.get(operator.primitive.name, {})
    with config.override(enable_x64=True, check_jaxprs=True):
        wrong = {}
        for sample in operator.samples:
            closed = one_equation(operator.primitive, sample.args, sample.params)
            arrays = stored(sample.args, closed)
            wanted = by_reference(operator.primitive, arrays, sample.params)
            try:
                found = run(closed, arrays)
                assert [x.dtype for x in found] == [y.dtype for y in wanted]
                for x, y in zip(operator.comparable(sample, found), operator.comparable(sample, wanted), strict=True):
                    assert_close(x, y, operator.kernel_tolerance, repr(sample))
            except (AssertionError, UnsupportedError) as error:
                wrong[repr(sample)] = error
    unexpected = {sample: error for sample, error in wrong.items() if sample not in known}
    assert not unexpected, next(iter(unexpected.items()))
    assert set(known) <= set(wrong), f"these agree now: {sorted(set(known) - set(wrong))}"


def test_failures_name_operators_and_reasons():
    names = {operator.primitive.name for operator in OPERATORS}
    assert set(FAILURES) <= names
    assert all(len(reason) > 20 for samples in FAILURES.values() for reason in samples.values())
