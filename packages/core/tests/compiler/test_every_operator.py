"""Every sample of every primitive, as a program of its own, gives what the reference gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from compiler.compiling import by_reference
from program_interpreter import run_program

from cotan.compiler import compile_to_program
from cotan.compiler.elements import physical
from cotan.config import config
from cotan.ir.avals import get_aval
from cotan.ir.primitive import Primitive
from cotan.testing.operators.table import OPERATORS, Operator, load
from cotan.transforms.stage import stage_closed

load()
CASES = [
    pytest.param(operator, sample, id=f"{operator.primitive}-{n}")
    for operator in OPERATORS.values()
    for n, sample in enumerate(operator.samples)
]


@pytest.fixture(autouse=True)
def wide() -> Iterator[None]:
    with config.override(enable_x64=True):
        yield


@pytest.mark.parametrize(("operator", "sample"), CASES)
def test_sample(operator: Operator, sample: Any) -> None:
    primitive: Primitive = operator.primitive
    args = [np.asarray(a, physical(get_aval(a)).dtype) for a in sample.args]

    def call(*xs: Any) -> Any:
        out = primitive.bind(*xs, **sample.params)
        return out if primitive.multiple_results else [out]

    closed = stage_closed(call, [get_aval(a) for a in sample.args], name=primitive.name)
    program = compile_to_program(closed)
    for actual, expected in zip(run_program(program, args), by_reference(closed, args), strict=True):
        assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
        close(actual, expected, operator.kernel_tolerance)


def close(actual: np.ndarray, expected: np.ndarray, tolerance: float | None) -> None:
    """Equal, or for floats within the operator's tolerance of the largest element."""
    if actual.dtype.kind in "biu" or actual.dtype.names is not None:
        np.testing.assert_array_equal(actual, expected)
        return
    eps = float(np.finfo(actual.dtype).eps) if actual.dtype.kind in "fc" else 2.0**-7
    wide = np.complex128 if actual.dtype.kind == "c" else np.float64
    a, b = actual.astype(wide), expected.astype(wide)
    finite = np.abs(b[np.isfinite(b)])
    scale = float(finite.max()) if finite.size else 0.0
    slack = 8.0 if tolerance is None else 2.0 * tolerance
    np.testing.assert_allclose(a, b, rtol=slack * eps, atol=slack * eps * min(scale, 1e30), equal_nan=True)
