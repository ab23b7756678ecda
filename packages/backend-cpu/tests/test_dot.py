"""Products by BLAS: every layout of operands, every dtype, in tiles and whole, against einsum in double precision."""

from __future__ import annotations

import itertools
import random

import ml_dtypes
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import dtypes
from cotan.config import config
from cotan_cpu import native
from cotan_cpu.lower import blas, dot

TOLERANCE = {
    "bfloat16": 3e-2,
    "float16": 4e-3,
    "float32": 1e-4,
    "complex64": 1e-4,
    "float64": 1e-11,
    "complex128": 1e-11,
}


def expected(lhs, rhs, dimension_numbers):
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    left, right = [""] * lhs.ndim, [""] * rhs.ndim
    for a, b in (*zip(lhs_batch, rhs_batch, strict=True), *zip(lhs_contract, rhs_contract, strict=True)):
        left[a] = right[b] = next(letters)
    left, right = ([letter or next(letters) for letter in names] for names in (left, right))
    free = [left[d] for d in range(lhs.ndim) if d not in (*lhs_batch, *lhs_contract)]
    free += [right[d] for d in range(rhs.ndim) if d not in (*rhs_batch, *rhs_contract)]
    out = [left[d] for d in lhs_batch] + free
    wide = np.complex128 if lhs.dtype.kind == "c" else np.float64
    return np.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", lhs.astype(wide), rhs.astype(wide))


def sample(draw, dtype):
    """Random operands and dimension numbers: up to three dimensions of each kind, in any order."""
    rng = np.random.default_rng(draw.randrange(10**6))
    extents = (1, 2, 3, 17) if draw.random() < 0.6 else (1, 7, 67)
    batch = [draw.choice((1, 2, 3)) for _ in range(draw.choice((0, 0, 1, 2, 4)))]
    contracted = [draw.choice(extents) for _ in range(draw.randint(0, 2))]

    def operand():
        free = [draw.choice(extents) for _ in range(draw.randint(0, 2))]
        dims = [("b", n, e) for n, e in enumerate(batch)] + [("c", n, e) for n, e in enumerate(contracted)]
        dims += [("f", n, e) for n, e in enumerate(free)]
        if draw.random() < 0.7:
            draw.shuffle(dims)
        shape = tuple(extent for _, _, extent in dims)
        value = rng.standard_normal(shape)
        if np.dtype(dtype).kind == "c":
            value = value + 1j * rng.standard_normal(shape)
        places = {kind: [0] * sum(d[0] == kind for d in dims) for kind in "bcf"}
        for place, (kind, n, _) in enumerate(dims):
            places[kind][n] = place
        return np.asarray(value).astype(dtype), tuple(places["c"]), tuple(places["b"])

    (lhs, lhs_contract, lhs_batch), (rhs, rhs_contract, rhs_batch) = operand(), operand()
    return lhs, rhs, ((lhs_contract, rhs_contract), (lhs_batch, rhs_batch))


def check(got, lhs, rhs, dimension_numbers):
    want = expected(lhs, rhs, dimension_numbers)
    assert got.dtype == lhs.dtype
    assert got.shape == want.shape
    error = np.abs(got.astype(want.dtype) - want).max(initial=0) / (1 + np.abs(want).max(initial=0))
    assert error < TOLERANCE[lhs.dtype.name], (lhs.shape, rhs.shape, dimension_numbers)


@pytest.mark.parametrize("always_native", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "float16", ml_dtypes.bfloat16])
def test_every_layout(dtype, always_native, monkeypatch):
    draw = random.Random(str(dtype))
    dot._recipe.cache_clear()
    if always_native:
        monkeypatch.setattr(dot, "_NATIVE_FROM", -1)
        monkeypatch.setattr(dot, "_NATIVE_FROM_VECTOR", -1)
    for _ in range(60):
        lhs, rhs, dimension_numbers = sample(draw, dtype)
        if lhs.size * rhs.size < 10**7:
            got = dot.eager(lhs, rhs, dimension_numbers=dimension_numbers, preferred_element_type=None)
            check(got, lhs, rhs, dimension_numbers)


@pytest.mark.parametrize(
    ("rows", "inner", "columns"),
    [
        (500, 300, 70),
        (70, 300, 500),
        (1, 3000, 3000),
        (3000, 3000, 1),
        (257, 129, 511),
        (1, 10**6, 1),
        (64, 9000, 64),
        (30, 9001, 70),
        (20, 5 * 1801, 33),
        (3, 10**5, 2),
    ],
)
@pytest.mark.parametrize("turned", list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_ones_are_split(rows, inner, columns, turned, threads):
    rng = np.random.default_rng(0)
    lhs = rng.standard_normal((inner, rows) if turned[0] else (rows, inner)).astype(np.float32)
    rhs = rng.standard_normal((columns, inner) if turned[1] else (inner, columns)).astype(np.float32)
    numbers = (((0 if turned[0] else 1,), (1 if turned[1] else 0,)), ((), ()))
    with config.override(num_threads=threads):
        got = dot.eager(lhs, rhs, dimension_numbers=numbers, preferred_element_type=None)
    np.testing.assert_allclose(got, expected(lhs, rhs, numbers), rtol=2e-3, atol=2e-2)


def test_no_copy_where_the_layout_allows():
    attention = dot.plan((2, 5, 3, 4), (2, 6, 3, 4), (((3,), (3,)), ((0, 2), (0, 2))))
    assert attention.pack_lhs is attention.pack_rhs is None
    assert (attention.batch, attention.rows, attention.columns, attention.inner) == ((1, 2, 3), 5, 6, 4)
    assert dot.plan((5, 4, 3), (7, 5), (((0,), (1,)), ((), ()))).pack_lhs is None
    assert dot.plan((5, 4, 3), (7, 4), (((1,), (1,)), ((), ()))).pack_lhs == (0, 2, 1)


def test_a_long_contraction_is_done_in_parts():
    def parts(rows, inner, columns):
        found = dot.in_parts(dot.plan((rows, inner), (inner, columns), (((1,), (0,)), ((), ()))))
        return None if found is None else (found.products, found.inner, found.lhs.batch[0], found.rhs.batch[0])

    assert parts(128, 16384, 128) == (8, 2048, 2048, 2048 * 128)
    assert parts(20, 5 * 1801, 33) == (5, 1801, 1801, 1801 * 33)
    assert parts(30, 9001, 70) is parts(512, 4096, 512) is parts(8, 1024, 8) is parts(1, 10**6, 8) is None


def test_sums_of_parts_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    lhs, rhs = rng.standard_normal((2, 9000, 64), np.float32)
    product = cotan.jit(lambda a, b: a.T @ b)
    found = []
    for threads in (1, 2, 3):
        with config.override(num_threads=threads):
            cotan.clear_caches()
            found.append(np.asarray(product(lhs, rhs)))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_the_work_is_split_in_balance():
    wide = dot.call(dot.plan((128, 784), (784, 512), (((1,), (0,)), ((), ()))), np.dtype(np.float32), 2)
    words = dict(zip(blas.WORDS, wide.words, strict=True))
    assert (wide.units, words["tile_rows"], words["tile_columns"]) == (4, 128, 128)
    tall = dot.call(dot.plan((512, 128), (128, 784), (((1,), (0,)), ((), ()))), np.dtype(np.float32), 2)
    words = dict(zip(blas.WORDS, tall.words, strict=True))
    assert (tall.units, words["tile_rows"], words["tile_columns"]) == (4, 128, 784)
    small = dot.call(dot.plan((8, 8), (8, 8), (((1,), (0,)), ((), ()))), np.dtype(np.float32), 2)
    assert small.units == 1


def test_preferred_element_type():
    lhs, rhs = np.ones((3, 4), ml_dtypes.bfloat16), np.ones((4, 2), ml_dtypes.bfloat16)
    numbers = (((1,), (0,)), ((), ()))
    got = dot.eager(lhs, rhs, dimension_numbers=numbers, preferred_element_type=np.dtype(np.float32))
    assert got.dtype == np.float32
    assert (got == 4).all()


def test_the_text_of_the_tiles_is_complete():
    text = "".join(blas.text(element) for element in blas.ELEMENTS.values())
    assert all(f"define void @{name}(" in text for name in blas.FUNCTIONS)
    assert all(native.runtime().address(name) for name in blas.FUNCTIONS)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "complex64", "int32"])
@pytest.mark.parametrize("sides", [(1, 3, 1), (3, 3, 1), (1, 4, 4), (4, 4, 4), (5, 2, 9), (16, 16, 16), (1, 64, 1)])
def test_many_small_products(sides, dtype):
    rows, inner, columns = sides
    rng = np.random.default_rng(sides)
    wide = np.complex128 if dtype == "complex64" else np.float64

    def operands(*shape):
        values = rng.integers(-3, 4, shape).astype(wide)
        return np.asarray(values * (1 - 2j) if dtype == "complex64" else values, dtypes.as_dtype(dtype))

    for turned in (False, True):
        a = operands(37, inner, rows).swapaxes(1, 2) if turned else operands(37, rows, inner)
        b = operands(37, columns, inner).swapaxes(1, 2) if turned else operands(37, inner, columns)
        wanted = np.matmul(a.astype(wide), b.astype(wide)).astype(a.dtype)  # sums of small integers, which are exact
        with cotan.enable_x64(True):
            for found in (cotan.jit(cnp.matmul)(a, b), cnp.matmul(a, b)):
                assert found.dtype == a.dtype
                np.testing.assert_array_equal(np.asarray(found), wanted)
    assert dot.plan((37, rows, inner), (37, inner, columns), _STACKS).is_small


_STACKS = (((2,), (1,)), ((0,), (0,)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.complex64])
def test_very_many_small_products_at_once(dtype):
    with config.override(enable_x64=True):
        for shapes in (((3000, 4, 4), (3000, 4, 4)), ((2500, 3, 5), (2500, 5, 1)), ((2, 1100, 2, 3), (2, 1100, 3, 2))):
            a, b = (np.random.default_rng(7).integers(-4, 5, shape).astype(dtype) for shape in shapes)
            for _ in range(2):
                found = cnp.matmul(a, b)
                assert found.dtype == dtype
                np.testing.assert_array_equal(np.asarray(found), np.matmul(a, b))
    assert dot._recipe((3000, 4, 4), np.dtype(np.float32), (3000, 4, 4), np.dtype(np.float32), _STACKS, None).compiled


def test_one_product_and_larger_ones_are_calls_of_blas():
    assert not dot.plan((1, 4, 4), (1, 4, 4), _STACKS).is_small
    assert not dot.plan((9, 32, 32), (9, 32, 32), _STACKS).is_small
    assert not dot.plan((9, 64, 64), (9, 64, 1), _STACKS).is_small


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.float16, np.int32])
@pytest.mark.parametrize("order", ["rows", "columns", "vector"])
def test_small_products_at_once_again_and_again(dtype, order):
    # The second and later ones take the way that the first has prepared, where there is one.
    with config.override(enable_x64=True):
        for size in (1, 3, 8):
            a = np.random.default_rng(size).normal(size=(size, 4)).astype(dtype) * 4
            b = (np.random.default_rng(9).normal(size=(4,) if order == "vector" else (4, size)) * 4).astype(dtype)
            x, y = cnp.asarray(a), cnp.asarray(b)
            if order == "columns":
                x, y, a, b = y.T, x.T, b.T, a.T
            for _ in range(3):
                found = x @ y
                assert found.dtype == dtype
                np.testing.assert_allclose(np.asarray(found), a @ b, rtol=2e-3 if dtype is np.float16 else 1e-5)
