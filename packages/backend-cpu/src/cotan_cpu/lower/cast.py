"""Conversions at once, where they are NumPy's own."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.ir.primitive import reference
from cotan.primitives.operands import quiet
from cotan_cpu.pool import pool


def convert_element_type(x: np.ndarray, *, new_dtype: Any, weak_type: bool) -> np.ndarray:
    """The operand in another dtype; floats to integers, and complex numbers, by the reference."""
    dtype = x.dtype
    if dtype == new_dtype:
        return x
    to_float = new_dtype.kind == "f" and new_dtype.itemsize > 1  # one of 8 bits is no kind of NumPy's own
    if dtype.kind not in "biuf" or not (to_float or (new_dtype.kind in "iu" and dtype.kind != "f")):
        return _reference()(x, new_dtype=new_dtype, weak_type=weak_type)  # type: ignore[no-any-return]
    out = pool.empty(x.shape, new_dtype, x.size * new_dtype.itemsize)
    quiet(np.copyto, out, x, "unsafe")
    return out


def stop_gradient(x: np.ndarray) -> np.ndarray:
    """The operand itself."""
    return x


@functools.cache
def _reference() -> Any:
    from cotan.primitives.cast import convert_element_type_p

    return reference[convert_element_type_p]


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.cast import convert_element_type_p, stop_gradient_p

    table.rule("eager", convert_element_type_p)(convert_element_type)
    table.rule("eager", stop_gradient_p)(stop_gradient)
