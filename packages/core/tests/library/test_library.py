"""Every public function of arrays: values and types over all element types, derivatives, vmap, jit; and no gaps."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from library import checks
from library.table import ELSEWHERE, load
from surface.names import Missing, find, table

import cotan

ROWS = load()
BY_FUNCTION: dict[str, list] = {}
for _row in ROWS:
    BY_FUNCTION.setdefault(_row.id(), []).append(_row)


@pytest.fixture(autouse=True)
def double_precision():
    with cotan.enable_x64(True):
        yield


def differentiable(row):
    types = row.types()
    if row.order == 0 or not row.operands:
        return None
    return next((t for t in types if t == np.float64), next((t for t in types if t == np.complex128), None))


@pytest.mark.parametrize("name", BY_FUNCTION)
def test_values_and_types(name):
    for row in BY_FUNCTION[name]:
        for dtype in row.types():
            for what, arrays in checks.variants(row, dtype):
                checks.check_value(row, arrays, dtype, what)


@pytest.mark.parametrize("name", [n for n, rows in BY_FUNCTION.items() if any(r.jit and r.operands for r in rows)])
def test_jit_is_eager(name):
    for row in BY_FUNCTION[name]:
        if row.jit and row.operands:
            checks.check_jit(row)


@pytest.mark.parametrize("name", [n for n, rows in BY_FUNCTION.items() if any(r.vmap and r.operands for r in rows)])
def test_vmap_is_the_loop(name):
    for row in BY_FUNCTION[name]:
        if row.vmap and row.operands:
            checks.check_vmap(row)


@pytest.mark.parametrize("name", [n for n, rows in BY_FUNCTION.items() if any(differentiable(r) for r in rows)])
def test_derivatives_are_differences(name):
    for row in BY_FUNCTION[name]:
        dtype = differentiable(row)
        if dtype is not None:
            checks.check_derivatives(row, dtype)


LINEAR = ("numpy.linalg", "numpy.fft", "lax.linalg", "scipy.linalg")


def complex_rows(name):
    """Rows that have a derivative in complex numbers beside the one in real numbers."""
    return [
        replace(row, order=1)
        for row in BY_FUNCTION[name]
        if row.order and row.operands and {np.dtype(np.float64), np.dtype(np.complex128)} <= set(row.types())
    ]


@pytest.mark.parametrize("name", [n for n, rows in BY_FUNCTION.items() if rows[0].module in LINEAR and complex_rows(n)])
def test_derivatives_in_complex_numbers_are_differences(name):
    for row in complex_rows(name):
        checks.check_derivatives(row, np.complex128)


def functions(module):
    """The public functions of tiers 1 and 2 that are here."""
    found = []
    for name in table():
        if name.module == f"jax.{module}" and name.kind == "function" and name.tier < 3:
            with contextlib.suppress(Missing):
                find(name)
                found.append(name.name)
    return found


@pytest.mark.parametrize("module", sorted({row.module for row in ROWS}))
def test_no_function_is_left_out(module):
    rows = {row.name for row in ROWS if row.module == module}
    reasons = ELSEWHERE.get(module, {})
    assert not rows & set(reasons)
    assert [n for n in functions(module) if n not in rows and n not in reasons] == []
    assert all(reasons.values())
