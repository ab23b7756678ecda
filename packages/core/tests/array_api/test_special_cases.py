"""Special values of arguments: eager, and compiled, in both precisions."""

from __future__ import annotations

import numpy as np
import pytest

import array_api.special_cases as special
import cotan
import cotan.numpy as cnp

RUNS = {"eager": lambda f: f, "jit": cotan.jit}
UNARY = {**special.UNARY, **special.PREDICATES}


@pytest.fixture(autouse=True)
def wide():
    with cotan.enable_x64():
        yield


def differs(got, expected, loose=False):
    """Whether a number is another one; signs of zeros count, and of infinities, unless they are left open."""
    got, expected = np.asarray(got), np.asarray(expected)
    if got.dtype == np.bool_ or got.dtype.kind != "f":
        return bool(got != expected)
    if np.isnan(expected) or np.isnan(got):
        return bool(np.isnan(got) != np.isnan(expected))
    if loose:
        return not np.isclose(np.abs(got), np.abs(expected), rtol=1e-6, atol=0)
    return not np.isclose(got, expected, rtol=1e-6, atol=0) or bool(np.signbit(got) != np.signbit(expected))


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_unary(name, dtype, run):
    function = RUNS[run](getattr(cnp, name))
    arguments, expected = zip(*UNARY[name], strict=True)
    got = np.asarray(function(cnp.asarray(arguments, dtype=dtype)))
    wrong = [(x, g, e) for x, g, e in zip(arguments, got, expected, strict=True) if differs(g, e)]
    assert wrong == []


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", special.BINARY)
def test_binary(name, dtype, run):
    function = RUNS[run](getattr(cnp, name))
    rows = [row for row in special.BINARY[name] if dtype == "float64" or max(map(abs, row[:2])) != 1e200]
    left, right, expected = zip(*rows, strict=True)
    got = np.asarray(function(cnp.asarray(left, dtype=dtype), cnp.asarray(right, dtype=dtype)))
    wrong = [(a, b, g, e) for a, b, g, e in zip(left, right, got, expected, strict=True) if differs(g, e)]
    assert wrong == []


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", special.COMPLEX)
def test_complex(name, dtype, run):
    function = RUNS[run](getattr(cnp, name))
    for argument, expected in special.COMPLEX[name]:
        for z, e in ((argument, expected), (argument.conjugate(), np.conjugate(expected))):
            got = np.asarray(function(cnp.asarray(z, dtype=dtype)))
            loose = repr(argument) in map(repr, special.OPEN.get(name, ()))
            assert not differs(got.real, np.real(e), loose), (z, got, e)
            assert got.dtype.kind != "c" or not differs(got.imag, np.imag(e), loose), (z, got, e)
