"""cotan.numpy against NumPy: one table of calls, run eagerly and jitted; then promotion, derivatives and bad input."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.errors import ConcretizationTypeError

RNG = np.random.default_rng(0)
F = RNG.standard_normal((3, 4)).astype(np.float32)
P = np.abs(F) + np.float32(0.1)
U = np.clip(F / 3, -0.95, 0.95).astype(np.float32)
I = RNG.integers(-9, 9, (3, 4)).astype(np.int32)
J = np.where(I == 0, 3, I).astype(np.int32)
B = F > 0
C = (F + 1j * F[::-1]).astype(np.complex64)
V = np.array([3, 1, 2, 2, 5], np.float32)
W = np.array([0.5, -1.0, 2.0], np.float32)
NANS = np.array([1.0, np.nan, -np.inf, 3.0, np.inf], np.float32)
Q = RNG.standard_normal((2, 3, 4)).astype(np.float32)
EMPTY = np.zeros((0, 3), np.float32)

# name -> calls: positional arguments, then keywords. Arrays are traced under jit, all else is static.
UNARY_CALLS = [
    (F, "negative positive absolute fabs sign floor ceil trunc rint exp exp2 expm1 sin cos tan arctan sinh cosh tanh"),
    (F, "arcsinh square cbrt isfinite isinf isnan signbit deg2rad rad2deg logical_not sinc reciprocal"),
    (P, "sqrt log log2 log10 log1p"),
    (U, "arcsin arccos arctanh"),
    (I, "negative absolute sign square invert floor isfinite bitwise_count"),
    (B, "logical_not invert absolute"),
    (C, "real imag conj angle absolute exp square negative isfinite"),
    (NANS, "isnan isinf isfinite sign floor isposinf isneginf nan_to_num"),
]
BINARY_CALLS = [
    (F, P, "add subtract multiply divide maximum minimum arctan2 hypot copysign fmod remainder floor_divide logaddexp"),
    (F, P, "logaddexp2 nextafter equal not_equal less less_equal greater greater_equal fmax fmin heaviside"),
    (P, F, "power float_power"),
    (I, J, "add subtract multiply maximum minimum remainder fmod floor_divide bitwise_and bitwise_or bitwise_xor gcd"),
    (np.array([-128, -128, 14], np.int8), np.array([14, 5, -128], np.int8), "gcd"),
    (I, J, "equal less greater_equal lcm logical_and logical_or logical_xor"),
    (np.abs(I), np.abs(J) % 5, "left_shift right_shift power"),
    (B, ~B[::-1], "add multiply maximum minimum logical_and logical_or logical_xor bitwise_and not_equal"),
    (F, W[:, None], "add multiply divide less"),
    (C, C[:, ::-1], "add subtract multiply divide equal"),
]
CALLS = [
    *[(name, (x,), {}) for x, names in UNARY_CALLS for name in names.split()],
    *[(name, (x, y), {}) for x, y, names in BINARY_CALLS for name in names.split()],
    *[
        (name, (F,), {})
        for name in [
            "sum",
            "prod",
            "max",
            "min",
            "mean",
            "var",
            "std",
            "argmax",
            "argmin",
            "all",
            "any",
            "ptp",
            "median",
            "cumsum",
        ]
    ],
    *[
        (name, (F,), {"axis": 1})
        for name in [
            "sum",
            "prod",
            "max",
            "min",
            "mean",
            "var",
            "std",
            "argmax",
            "argmin",
            "ptp",
            "cumprod",
            "cumsum",
            "sort",
        ]
    ],
    *[(name, (Q,), {"axis": (0, 2), "keepdims": True}) for name in ["sum", "prod", "max", "min", "mean", "var", "std"]],
    *[(name, (F,), {"axis": -1, "keepdims": True}) for name in ["argmax", "argmin", "median", "any"]],
    *[(name, (NANS,), {}) for name in ["nansum", "max", "min", "argmax", "sort", "argsort", "nanmax", "nanmin"]],
    ("nanmean", (np.where(B, F, np.nan).astype(np.float32),), {"axis": 0}),
    ("nanvar", (np.where(B, F, np.nan).astype(np.float32),), {}),
    ("sum", (EMPTY,), {"axis": 0}),
    ("prod", (EMPTY,), {}),
    ("max", (F,), {"axis": 0, "initial": 0.5}),
    ("sum", (F,), {"where": B, "axis": 1}),
    ("sum", (I,), {"dtype": bool, "axis": 1}),
    ("sum", (I,), {"dtype": bool, "where": B, "initial": False}),
    ("prod", (I,), {"dtype": bool, "axis": 0}),
    ("cumsum", (I,), {"dtype": bool, "axis": 1}),
    ("cumprod", (I,), {"dtype": bool}),
    ("trace", (I,), {"dtype": bool}),
    ("mean", (F,), {"where": B}),
    ("max", (F,), {"where": B, "initial": -9.0}),
    ("var", (F,), {"axis": 0, "ddof": 1}),
    ("average", (F,), {"axis": 0, "weights": W}),
    ("count_nonzero", (I,), {"axis": 1}),
    ("quantile", (F, 0.3), {"axis": 1}),
    ("quantile", (F, np.array([0.1, 0.9], np.float32)), {}),
    ("percentile", (F, 40.0), {"axis": 0, "method": "lower"}),
    ("reshape", (F, (2, -1)), {}),
    ("reshape", (F, (4, 3)), {"order": "F"}),
    ("ravel", (Q,), {}),
    ("transpose", (Q,), {}),
    ("transpose", (Q, (1, 0, 2)), {}),
    ("swapaxes", (Q, 0, -1), {}),
    ("moveaxis", (Q, 0, 2), {}),
    ("rollaxis", (Q, 2), {}),
    ("expand_dims", (F, (0, 3)), {}),
    ("squeeze", (F[None, :, None],), {}),
    ("broadcast_to", (W[:, None], (3, 4)), {}),
    ("concatenate", ([F, I],), {}),
    ("concatenate", ([F, F],), {"axis": None}),
    ("stack", ([F, P],), {"axis": -1}),
    ("vstack", ([W, W],), {}),
    ("hstack", ([W, V],), {}),
    ("hstack", ([np.array([2, 3], np.uint8), -1],), {"dtype": np.float32}),
    ("dstack", ([F, P],), {}),
    ("column_stack", ([W, W],), {}),
    ("split", (Q, 2), {"axis": 2}),
    ("split", (V, [1, 3]), {}),
    ("array_split", (V, 3), {}),
    ("flip", (Q,), {"axis": (0, 2)}),
    ("flip", (F,), {}),
    ("rot90", (F,), {}),
    ("rot90", (F, 3), {}),
    ("roll", (F, 5), {}),
    ("roll", (F, 1), {"axis": 1}),
    ("tile", (F, (2, 1, 3)), {}),
    ("repeat", (F, 2), {"axis": 1}),
    ("repeat", (V, np.array([0, 1, 2, 0, 1])), {}),
    ("pad", (F, ((1, 2), (0, 3))), {}),
    ("pad", (F, 1), {"mode": "reflect"}),
    ("pad", (V, (2, 1)), {"mode": "wrap"}),
    ("pad", (V, (2, 1)), {"mode": "edge"}),
    ("append", (F, F[:1]), {"axis": 0}),
    ("diagonal", (Q, 1, 1, 2), {}),
    ("diag", (W, 1), {}),
    ("diag", (F,), {}),
    ("trace", (F,), {}),
    ("tril", (F, -1), {}),
    ("triu", (F, 1), {}),
    ("eye", (3, 4, 1), {"dtype": np.float32}),
    ("tri", (3, 4, -1), {"dtype": np.float32}),
    ("arange", (2, 11, 3), {"dtype": np.int32}),
    ("linspace", (0.0, 3.0, 7), {"dtype": np.float32}),
    ("linspace", (1.0, 2.0, 4), {"endpoint": False, "dtype": np.float32}),
    ("logspace", (0.0, 2.0, 5), {"dtype": np.float32}),
    ("geomspace", (1.0, 256.0, 9), {"dtype": np.float32}),
    ("zeros_like", (I,), {}),
    ("full_like", (I, 7), {}),
    ("full", ((2, 2), 3.5), {"dtype": np.float32}),
    ("meshgrid", (W, V), {}),
    ("meshgrid", (W, V), {"indexing": "ij", "sparse": True}),
    ("dot", (F, F.T), {}),
    ("dot", (W, F), {}),
    ("dot", (Q, F.T), {}),
    ("matmul", (Q, F.T), {}),
    ("matmul", (Q, np.swapaxes(Q, 1, 2)), {}),
    ("matmul", (W, Q[0]), {}),
    ("matmul", (W, Q), {}),
    ("matmul", (Q[0].T, W), {}),
    ("inner", (F, F), {}),
    ("outer", (W, V), {}),
    ("vdot", (C, C), {}),
    ("vecdot", (F, P), {}),
    ("kron", (F, W), {}),
    ("tensordot", (Q, Q, ([0, 1], [0, 1])), {}),
    ("tensordot", (Q, F.T), {"axes": 1}),
    ("einsum", ("ij,kj->ik", F, P), {}),
    ("einsum", ("bij,bkj->bik", Q, Q), {}),
    ("einsum", ("ii->i", F[:, :3]), {}),
    ("einsum", ("bij,j,kj->bk", Q, F[0], P), {}),
    ("einsum", ("ij->", F), {}),
    ("cross", (F[:, :3], P[:, :3]), {}),
    ("convolve", (V, W), {}),
    ("convolve", (V, W), {"mode": "same"}),
    ("convolve", (W, V), {"mode": "valid"}),
    ("correlate", (V, W), {}),
    ("correlate", (V, W), {"mode": "full"}),
    ("correlate", (V, W), {"mode": "same"}),
    ("correlate", (W, V), {"mode": "same"}),
    ("correlate", (W[:2], V[:3] * 1j), {"mode": "same"}),
    ("where", (B, F, 0.0), {}),
    ("select", ([B, I > 2], [F, P]), {"default": -1.0}),
    ("clip", (F, -0.5, 0.5), {}),
    ("take", (F, np.array([2, 0, -1])), {"axis": 1}),
    ("take", (F, np.array([-1, -9, 9])), {"axis": 1, "mode": "clip"}),
    ("take", (F, np.array([True, False, True])), {"axis": 1}),
    ("cumsum", (np.float32(2.5),), {"axis": -1}),
    ("cumprod", (2,), {"axis": 0}),
    ("take_along_axis", (F, np.argsort(F, axis=1)), {"axis": 1}),
    ("take_along_axis", (F[:0], np.argsort(F[:0], axis=0)), {"axis": 0}),
    ("take_along_axis", (F[:0], np.argsort(F[:0], axis=0)[:, :1]), {"axis": 0}),
    ("sort", (F,), {"axis": 0}),
    ("sort", (F,), {"axis": None}),
    ("argsort", (F,), {"axis": 0}),
    ("lexsort", ([np.round(F[0]), F[1]],), {}),
    ("lexsort", (np.round(F),), {}),
    ("lexsort", (V,), {}),
    ("searchsorted", (np.sort(V), np.array([0.0, 2.0, 2.5, 9.0], np.float32)), {}),
    ("searchsorted", (np.sort(V), np.array([2.0, np.nan], np.float32)), {"side": "right"}),
    ("digitize", (V, np.array([1.0, 2.0, 4.0], np.float32)), {}),
    ("digitize", (V, np.array([4.0, 2.0, 1.0], np.float32)), {"right": True}),
    ("isin", (I, np.array([1, 2, -3])), {}),
    ("isclose", (F, F + np.float32(1e-6)), {}),
    ("allclose", (F, F), {}),
    ("array_equal", (F, F), {}),
    ("diff", (V,), {}),
    ("diff", (F,), {"n": 2, "axis": 0}),
    ("diff", (F,), {"n": 4, "axis": -1}),
    ("interp", (np.array([1.0, 7, -3], np.float32), np.array([1, 2.5, 4], np.float32), W), {"period": -10}),
    ("interp", (np.array([0.0, 1.5, 9.0], np.float32), np.array([1.0, 2.0, 3.0], np.float32), W), {}),
    ("trapezoid", (F,), {"dx": 0.5}),
    ("polyval", (W, V), {}),
    ("round", (F, 1), {}),
    ("modf", (F,), {}),
    ("divmod", (F, P), {}),
    ("unravel_index", (np.array([5, 11]), (3, 4)), {}),
    ("unravel_index", (np.array([5, 1]), 6), {}),
    ("select", (np.stack([B, ~B]), np.stack([F, P])), {}),
    ("atleast_2d", (W,), {}),
    ("atleast_3d", (F,), {}),
    ("broadcast_arrays", (W[:, None], F), {}),
    ("indices", ((2, 3),), {"dtype": np.int32}),
]
KNOWN_VALUES_ONLY = [
    ("nonzero", (B,), {}),
    ("argwhere", (B,), {}),
    ("flatnonzero", (B,), {}),
    ("unique", (I,), {}),
    ("unique", (I,), {"return_counts": True, "return_inverse": True}),
    ("bincount", (np.abs(I[0]),), {}),
    ("bincount", (B[0],), {}),
    ("extract", (B, F), {}),
]


def compare(found, expected):
    if isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            compare(a, b)
        return
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    canonical = cotan.dtypes.canonicalize_dtype(expected.dtype)
    if canonical.kind == expected.dtype.kind and expected.dtype.kind in "fc":
        assert found.dtype.kind == expected.dtype.kind
    else:
        assert found.dtype.kind in ("i", "u") if expected.dtype.kind in "iu" else found.dtype == canonical
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=3e-6)


def oracle(name, args, kwargs):
    with np.errstate(all="ignore"):
        return getattr(np, name)(*args, **kwargs)


def _is_array(x):
    return isinstance(x, np.ndarray)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"), CALLS + KNOWN_VALUES_ONLY, ids=lambda x: x if isinstance(x, str) else ""
)
def test_eager_equals_numpy(name, args, kwargs):
    compare(getattr(cnp, name)(*args, **kwargs), oracle(name, args, kwargs))


STATIC_ARRAYS = {"repeat"}


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS, ids=lambda x: x if isinstance(x, str) else "")
def test_jitted_equals_numpy(name, args, kwargs):
    traced = [_is_array(x) and name not in STATIC_ARRAYS for x in args]

    def call(*arrays):
        given = iter(arrays)
        return getattr(cnp, name)(*(next(given) if t else x for x, t in zip(args, traced, strict=True)), **kwargs)

    found = cotan.jit(call)(*(x for x, t in zip(args, traced, strict=True) if t))
    compare(found, oracle(name, args, kwargs))


@pytest.mark.parametrize("counts", [[1, 2, 0], [0, 0, 3], [0, 0, 0], [2, 2, 2], 2])
@pytest.mark.parametrize("length", [0, 3, 6, 8])
@pytest.mark.parametrize("axis", [0, 1])
def test_repeats_may_be_traced(counts, length, axis):
    x = np.arange(9.0, dtype=np.float32).reshape(3, 3)
    filled = np.repeat(x, counts, axis)
    last = np.take(x, [2] * length, axis)
    expected = np.take(np.concatenate([filled, last], axis), range(length), axis)
    call = functools.partial(cnp.repeat, axis=axis, total_repeat_length=length)
    np.testing.assert_array_equal(call(x, np.array(counts)), expected)
    np.testing.assert_array_equal(cotan.jit(call)(x, np.array(counts)), expected)
    np.testing.assert_array_equal(cotan.vmap(call, (None, 0))(x, np.array([counts]))[0], expected)
    with pytest.raises(ConcretizationTypeError, match=r"test_functions.py.*: repeat: .* pass total_repeat_length"):
        cotan.jit(cnp.repeat)(x, np.array(counts))


def test_fix_is_trunc():
    """As in NumPy, which warns of it from 2.5 on."""
    assert cnp.fix is cnp.trunc


def test_half_precision_means_do_not_overflow():
    assert float(cnp.mean(cnp.full((70000,), 2.0, np.float16))) == 2.0


@pytest.mark.parametrize("total", [0, 1, 3, 6])
@pytest.mark.parametrize("repeats", [[2, 0, 1], [0, 0, 0], [0, 4, 0], [1, 1, 1], [2], 1])
@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
def test_repeats_that_are_not_known_while_tracing(repeats, total, dtype):
    x, repeats = np.arange(6.0, dtype=np.float32).reshape(2, 3), np.asarray(repeats, dtype)

    def call(x, repeats):
        return cnp.repeat(x, repeats, axis=1, total_repeat_length=total)

    oracle = np.repeat(x, repeats.astype(int), axis=1)
    oracle = np.concatenate([oracle, np.repeat(x[:, -1:], total, axis=1)], axis=1)[:, :total]
    compare(cotan.jit(call)(x, repeats), oracle)
    compare(call(x, repeats), oracle)
    compare(cotan.vmap(lambda row: call(x, row))(repeats[None])[0], oracle)
    compare(
        cotan.jit(lambda n: cnp.repeat(x[:0, 0], n, total_repeat_length=0))(repeats[:0] if repeats.ndim else repeats),
        x[0, :0],
    )
    weights = np.arange(1.0, total + 1, dtype=np.float32)
    slope = cotan.grad(lambda x, repeats: cnp.sum(call(x, repeats) * weights))
    np.testing.assert_allclose(cotan.jit(slope)(x, repeats), slope(x, repeats))


def test_narrow_repeats_do_not_wrap_around_while_tracing():
    spread = cotan.jit(lambda n: cnp.repeat(np.arange(3), n, total_repeat_length=500))
    compare(spread(np.full(3, 200, np.uint8)), np.repeat(np.arange(3, dtype=np.int32), 200)[:500])


@pytest.mark.parametrize(
    ("repeats", "total", "error", "text"),
    [
        (np.ones(3, int), None, cotan.errors.ConcretizationTypeError, "repeat: .*pass total_repeat_length"),
        (np.ones(3), 3, TypeError, "repeat: repeats must be integers, got float"),
        (np.ones(2, int), 3, ValueError, "repeat: 2 repeats for 3 elements"),
    ],
)
def test_repeats_that_are_refused_while_tracing(repeats, total, error, text):
    with pytest.raises(error, match=text):
        cotan.jit(lambda n: cnp.repeat(np.arange(3.0), n, total_repeat_length=total))(repeats)


@pytest.mark.parametrize("name", ["sum", "prod"])
@pytest.mark.parametrize(
    ("dtype", "expected"), [("int8", "int32"), ("uint8", "uint32"), ("bool", "int32"), ("float16", "float16")]
)
def test_sums_of_narrow_integers_widen(name, dtype, expected):
    assert getattr(cnp, name)(cnp.ones(3, dtype)).dtype == expected


def test_cumsum_keeps_narrow_integers():
    assert cnp.cumsum(cnp.ones(3, np.int8)).dtype == np.int8


def test_sizes_under_jit_by_size_arguments():
    found = cotan.jit(lambda x: cnp.nonzero(x, size=3, fill_value=-1))(np.array([0, 5, 0, 7]))
    np.testing.assert_array_equal(found[0], [1, 3, -1])
    np.testing.assert_array_equal(
        cotan.jit(lambda x: cnp.unique(x, size=4, fill_value=9))(np.array([3, 1, 3])), [1, 3, 9, 9]
    )
    np.testing.assert_array_equal(cotan.jit(lambda x: cnp.bincount(x, length=4))(np.array([1, 1, 3])), [0, 2, 0, 1])


@pytest.mark.parametrize("jitted", [False, True])
def test_power_of_integers_by_arrays(jitted):
    a, b = np.array([2, 3, -2, 0, 1, -1], np.int32), np.array([5, 4, 3, 0, -2, -3], np.int32)
    power = cotan.jit(cnp.power) if jitted else cnp.power
    np.testing.assert_array_equal(power(a, b), [32, 81, -8, 1, 1, -1])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cnp.sin([1.0, 2.0]), TypeError, "sin needs arrays or scalars, got list at position 0"),
        (lambda: cnp.add(np.ones(2), "a"), TypeError, "add needs arrays or scalars, got str at position 1"),
        (
            lambda: cnp.add(np.ones(2), np.ones(3)),
            TypeError,
            r"add got incompatible shapes for broadcasting: \(2,\), \(3,\)",
        ),
        (lambda: cnp.add(np.ones(2), np.ones(3)), ValueError, "add got incompatible shapes"),
        (lambda: np.ones((2, 3)) + cnp.ones(4), ValueError, "add got incompatible shapes"),
        (lambda: cnp.where(F > 0, F, V), ValueError, "where got incompatible shapes"),
        (lambda: cnp.zeros((2, -3)), TypeError, r"zeros: negative extent in shape \(2, -3\)"),
        (lambda: cnp.zeros((2, -3)), ValueError, r"zeros: negative extent in shape \(2, -3\)"),
        (lambda: cnp.transpose(F, (0,)), TypeError, "transpose: axes .* are no permutation of 2 dimensions"),
        (lambda: cnp.vecdot(F, V), ValueError, "vecdot: the vectors have different lengths: 4 and 5"),
        (lambda: cnp.bincount(I), ValueError, r"bincount needs a vector of integers, got int32 of shape \(3, 4\)"),
        (lambda: cnp.bincount(V), TypeError, "bincount needs a vector of integers, got float32"),
        (lambda: cnp.copysign(F, C), TypeError, "copysign is not defined on complex numbers"),
        (lambda: cnp.signbit(C), ValueError, "signbit is not defined on complex numbers"),
        (lambda: cnp.repeat(F, np.array([1, 2]), axis=0), ValueError, "repeat: 2 repeats for 3 elements"),
        (lambda: cnp.ravel_multi_index((I, I), (2,)), ValueError, "2 arrays of indices for 1 axes"),
        (
            lambda: cnp.sum(np.ones((2, 2)), axis=2),
            ValueError,
            "sum: axis 2 is out of range for an array of 2 dimensions",
        ),
        (lambda: cnp.sum(np.ones(2), axis=(0, 0)), ValueError, "repeated axis"),
        (lambda: cnp.sum(np.ones(2), axis="x"), TypeError, "sum: axis must be an integer"),
        (lambda: cnp.max(np.ones((0,))), ValueError, "zero-size reduction"),
        (lambda: cnp.sum(np.ones(2), out=np.ones(())), NotImplementedError, "arrays are immutable"),
        (
            lambda: cnp.reshape(np.ones(6), (4, 2)),
            TypeError,
            r"cannot reshape array of shape \(6,\) \(size 6\) into shape \(4, 2\)",
        ),
        (
            lambda: cnp.reshape(np.ones(6), (4, -1)),
            TypeError,
            r"cannot reshape array of shape \(6,\) \(size 6\) into shape \(4, -1\)",
        ),
        (lambda: cnp.reshape(np.ones(0), (0, -1)), TypeError, r"into shape \(0, -1\)"),
        (lambda: cnp.reshape(np.ones(6), (-1, -1)), TypeError, "only one extent may be -1"),
        (lambda: cnp.squeeze(np.ones((2, 1)), 0), ValueError, "squeeze: axis 0"),
        (lambda: cnp.concatenate([]), ValueError, "concatenate needs at least one array"),
        (lambda: cnp.concatenate(np.ones((0, 2))), ValueError, "concatenate needs at least one array"),
        (lambda: cnp.stack(cnp.ones((0, 2))), ValueError, "stack needs at least one array"),
        (lambda: cnp.stack([np.ones(2), np.ones(3)]), ValueError, "all arrays must have one shape"),
        (lambda: cnp.matmul(np.ones((2, 3)), np.ones((2, 3))), TypeError, "matmul: the last axis of the first operand"),
        (lambda: cnp.matmul(np.ones(3), 2.0), ValueError, "matmul does not take scalars"),
        (lambda: cnp.dot(np.ones((2, 3)), np.ones((2, 3))), TypeError, "dot: shapes"),
        (lambda: cnp.array([[1, 2], [3]]), ValueError, "ragged"),
        (lambda: cnp.array(2j, np.float32), TypeError, "complex"),
        (lambda: cnp.array([[1, 2j]], np.int32), TypeError, "complex"),
        (lambda: cnp.array(300, np.uint8), OverflowError, "300 out of bounds for uint8"),
        (lambda: cnp.asarray([1.0, np.nan], np.int32), ValueError, "cannot convert float NaN to integer"),
        (lambda: cnp.full(2, 2j, np.float32), TypeError, "has no imaginary part"),
        (lambda: cnp.full_like(np.ones(2), 2j), TypeError, "has no imaginary part"),
        (lambda: cnp.arange(1, 2j), ValueError, "arange: complex numbers have no order"),
        (lambda: cnp.arange(np.ones(2)), ValueError, "arange: start, stop and step must be scalars"),
        (lambda: cnp.array(["a"]), TypeError, "a value of type str is not a number"),
        (lambda: cnp.array(object()), TypeError, "a value of type object is not a number"),
        (lambda: cnp.zeros((2, -1)), ValueError, "negative extent"),
        (lambda: cnp.zeros((2, 1.5)), TypeError, "a shape must consist of integers"),
        (lambda: cnp.split(np.ones(5), 2), ValueError, "no division into 2 equal pieces"),
        (lambda: cnp.take(np.ones(3), np.ones(2)), TypeError, "indices must be integers"),
        (lambda: cnp.take(np.ones((2, 0)), np.array([1]), axis=1), IndexError, "take: nothing can be taken"),
        (
            lambda: cnp.take_along_axis(np.ones((0, 2)), np.array([[1, 0]]), 0),
            IndexError,
            "take_along_axis: nothing can be taken of axis 0",
        ),
        (lambda: cnp.interp(np.ones(1), W, W, left="nearest"), ValueError, "interp: left must be a number or 'extrap"),
        (lambda: cnp.broadcast_to(np.ones(3), (2, 2)), ValueError, "does not broadcast"),
        (lambda: cnp.where(np.ones(2), np.ones(2)), ValueError, "give both x and y, or neither"),
        (
            lambda: cnp.compress(np.array([1, 0, 0, 1]), np.ones(3)),
            ValueError,
            "compress: the condition holds at index 3",
        ),
        (lambda: cnp.compress(np.ones(3), np.ones((3, 2)), 1), ValueError, "beyond the end of an axis of extent 2"),
        (lambda: cnp.extract(np.ones((2, 2)), np.ones(3)), ValueError, "the condition holds at index 3"),
        (lambda: cnp.gcd(True, np.array([True])), ValueError, "gcd needs integers, got bool"),
        (lambda: cnp.lcm(2, 1.5), ValueError, "lcm needs integers, got float32"),
        (lambda: cnp.clip(np.ones(2), None, 1j), ValueError, "clip is not defined on complex numbers"),
        (
            lambda: cnp.nanstd(np.ones(2), dtype=int),
            ValueError,
            "nanstd: the dtype must be floating or complex, got int32",
        ),
        *(
            (lambda axes=axes: cnp.tensordot(Q, Q, axes), TypeError, "axes must be a number, or a pair of axes or")
            for axes in (1.0, (1,), "a", [0, 1, 2])
        ),
        (lambda: cnp.linspace(0, 1, -1), ValueError, "must not be negative"),
        (lambda: cnp.where(B, I, V, size=3), ValueError, "where: size and fill_value are of the places"),
        (lambda: cnp.pad(np.ones(3), -1), ValueError, "widths must not be negative"),
        (lambda: cnp.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((2, 3))), ValueError, "einsum"),
        (lambda: cotan.jit(lambda x: cnp.nonzero(x))(np.ones(3)), cotan.errors.ConcretizationTypeError, "size="),
        (lambda: cotan.jit(lambda n: cnp.zeros(n))(3), TypeError, "static"),
    ],
)
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_powers_of_infinities(dtype):
    bases, exponents = [np.inf, -np.inf], [0.5, -0.5, 2.5, 2.0, 3.0, -3.0, 0.0, np.inf, -np.inf, np.nan]
    expected = [[math.pow(x, y) for y in exponents] for x in bases]
    with cotan.enable_x64(True):
        x, y = (np.array(v).astype(cnp.dtype(dtype)) for v in (bases, exponents))
        for function in (cnp.power, cotan.jit(cnp.power)):
            found = np.asarray(function(x[:, None], y))
            assert found.dtype == x.dtype
            np.testing.assert_array_equal(found.astype(np.float64), expected)


@pytest.mark.parametrize("dtype", [np.float16, cotan.dtypes.bfloat16])
def test_neighbours_in_half_precision_are_those_of_half_precision(dtype):
    """Every number of the dtype in order, of which single precision has others in between."""
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    with np.errstate(invalid="ignore"):
        wide = every.astype(np.float64)
    line = every[np.argsort(wide, kind="stable")][: np.count_nonzero(~np.isnan(wide))]
    line = np.delete(line, np.flatnonzero((line == 0) & np.signbit(line.astype(np.float32))))
    for function in (cnp.nextafter, cotan.jit(cnp.nextafter)):
        up, down = function(line[:-1], line[1:]), function(line[1:], line[:-1])
        np.testing.assert_array_equal(np.asarray(up).astype(np.float64), line[1:].astype(np.float64))
        np.testing.assert_array_equal(np.asarray(down).astype(np.float64), line[:-1].astype(np.float64))
        zeros = function(np.asarray([0.0, -0.0], dtype), np.asarray([-0.0, 0.0], dtype))
        np.testing.assert_array_equal(np.signbit(np.asarray(zeros).astype(np.float32)), [True, False])
        assert np.isnan(np.asarray(function(np.asarray(np.nan, dtype), np.asarray(1, dtype))).astype(np.float32))


def test_extents_and_digits_beyond_all_numbers_end_at_once():
    assert cnp.diff(F, n=10**30).shape == (F.shape[0], 0)
    np.testing.assert_array_equal(cnp.round(np.array([1, -7]), -(10**30)), [0, 0])
