"""Products in registers: every layout, every number of rows, columns and terms, on all targets, and in programs."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from kernel_harness import HOST, NARROW, targets

import cotan
from cotan.config import config
from cotan_cpu import native
from cotan_cpu.codegen import jit
from cotan_cpu.codegen.target import Target
from cotan_cpu.lower import blas, direct, dot

FAST = [target for target in targets() if target.fma]
RNG = np.random.default_rng(41)
_functions: dict[tuple[str, str], object] = {}


def function(target: Target, dtype: str):
    """The compiled function, and what holds its code."""
    key = (target.cpu, dtype)
    if key not in _functions:
        element = blas.ELEMENTS[dtype]
        module = jit.Engine(target).load(direct.text(target, element))
        address = module.address(f"cotan_direct_{element.letter}")
        _functions[key] = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(address), module
    return _functions[key][0]


def product(a, b, turned_a, turned_b, target, tile=None):
    """a @ b, of which either lies in memory with its columns as neighbours; nothing around C is written."""
    (batch, rows, inner), columns = a.shape, b.shape[-1]
    first = np.ascontiguousarray(a.transpose(0, 2, 1) if turned_a else a)
    second = np.ascontiguousarray(b.transpose(0, 2, 1) if turned_b else b)
    tile = tile or rows
    tiles = -(-rows // tile)
    words = np.array(
        [
            rows, columns, inner, rows if turned_a else inner, inner if turned_b else columns, columns,
            blas.TRANSPOSE if turned_a else blas.NO_TRANSPOSE, blas.TRANSPOSE if turned_b else blas.NO_TRANSPOSE,
            tile, columns, 1, tiles, 1, batch, 0, 0, rows * inner, 0, 0, inner * columns,
        ],
        np.int64,
    )  # fmt: skip
    fenced = np.full(batch * rows * columns + 64, 7.0, a.dtype)
    out = fenced[32:-32]
    table = (ctypes.c_void_p * 4)(*(array.ctypes.data for array in (first, second, out, words)))
    function(target, a.dtype.name)(table, 0, batch * tiles)
    assert (fenced[:32] == 7).all()
    assert (fenced[-32:] == 7).all()
    return out.reshape(batch, rows, columns)


def whole(*shape, dtype):
    """Small whole numbers: their products are exact, in any order."""
    return RNG.integers(-4, 5, shape).astype(dtype)


@pytest.mark.parametrize("target", FAST, ids=lambda target: target.cpu)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("turned_a", [False, True])
@pytest.mark.parametrize("turned_b", [False, True])
def test_every_shape(turned_a, turned_b, dtype, target):
    lanes = direct.lanes(target, blas.ELEMENTS[dtype])
    for rows in (1, 2, 5, 6, 7, 11, 12, 13, 50, 131):
        for vectors in (1, 2, 3, 4, 5, 9):
            for inner in (1, 2, lanes - 1, lanes, 2 * lanes + 3, 100):
                a, b = whole(2, rows, inner, dtype=dtype), whole(2, inner, vectors * lanes, dtype=dtype)
                np.testing.assert_array_equal(product(a, b, turned_a, turned_b, target), a @ b)


@pytest.mark.parametrize("target", FAST, ids=lambda target: target.cpu)
@pytest.mark.parametrize("turned_b", [False, True])
@pytest.mark.parametrize(("inner", "columns"), [(128, 256), (100, 160), (512, 128)])
def test_matrices_larger_than_the_scratch_come_in_turns(inner, columns, turned_b, target):
    a, b = whole(2, 45, inner, dtype="float32"), whole(2, inner, columns, dtype="float32")
    np.testing.assert_array_equal(product(a, b, False, turned_b, target, tile=16), a @ b)


def test_what_is_not_finite_stays_where_it_is():
    a, b = whole(1, 20, 16, dtype="float32"), whole(1, 16, 64, dtype="float32")
    a[0, 3, 2], b[0, 5, 17] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        want = a.astype(float) @ b.astype(float)
    for target in FAST:
        np.testing.assert_array_equal(product(a, b, False, False, target), want.astype(np.float32))


def test_which_products_are_done_so():
    single, double = blas.ELEMENTS["float32"], blas.ELEMENTS["float64"]
    assert direct.suits(100, 64, 64, False, single) is HOST.fma
    assert direct.suits(100, 64, 64, True, single) is HOST.fma
    assert direct.suits(100, 64, 128, False, double) is HOST.fma
    assert not direct.suits(4, 64, 64, True, single), "nothing to turn a matrix round for"
    assert not direct.suits(100, 129, 64, False, single), "more than the cache holds"
    assert not direct.suits(100, 65, 64, False, double)
    assert not direct.suits(100, 64, 257, False, single)
    assert not direct.suits(100, 64, 66, False, single), "not whole vectors"
    assert not direct.suits(100, 64, 64, False, blas.ELEMENTS["complex64"])


@pytest.mark.skipif(not HOST.fma, reason="this processor has no fused multiply-add: BLAS does these products")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("text", ["bij,bjk->bik", "bji,bjk->bik", "bij,bkj->bik", "ijb,jkb->ikb", "ij,jk->ik"])
def test_in_programs_and_at_once(text, dtype):
    extents = {"b": 9, "i": 200, "j": 48, "k": 64}
    left, right = text.split("->")[0].split(",")
    a, b = (whole(*(extents[letter] for letter in names), dtype=dtype) for names in (left, right))
    with cotan.enable_x64(dtype == "float64"):
        for threads in (1, 3):
            with config.override(num_threads=threads):
                cotan.clear_caches()
                function = lambda a, b: cotan.numpy.einsum(text, a, b)  # noqa: E731
                want = np.einsum(text, a, b)
                np.testing.assert_array_equal(cotan.jit(function)(a, b), want)
                np.testing.assert_array_equal(function(a, b), want)
    numbers = (((2,), (1,)), ((0,), (0,)))
    done = dot.call(dot.plan((9, 200, 48), (9, 48, 64), numbers), np.dtype(dtype), 2)
    assert done.function == f"cotan_direct_{blas.ELEMENTS[dtype].letter}"
    assert native.runtime().address(done.function)


def test_the_text_is_for_the_target():
    element = blas.ELEMENTS["float32"]
    assert "<8 x float>" in direct.text(NARROW["avx2"], element)
    assert "<4 x float>" not in direct.text(NARROW["avx2"], element)
