"""Samples of arithmetic."""

from __future__ import annotations

import numpy as np

from cotan.primitives import arithmetic as p
from cotan.primitives.arithmetic import RoundingMethod
from cotan.testing.operators.table import (
    FLOATS,
    INEXACT,
    SIGNED,
    UNSIGNED,
    Sample,
    binary_samples,
    edges,
    grads,
    operator,
    unary_samples,
    values,
)

NUMBERS = (*INEXACT, *SIGNED, *UNSIGNED)
X = values(2, 3, dtype=np.float64)
Y = values(2, 3, dtype=np.float64, seed=1)
C = values(2, 3, dtype=np.complex128)
D = values(2, 3, dtype=np.complex128, seed=1)
S = np.float64(0.7)
PAIRS = (grads(X, Y), grads(X, S), grads(S, X), grads(C, D))
POSITIVE = values(2, 3, dtype=np.float64, low=0.3, high=3)


def exact_integers(function):
    """An oracle over Python integers, wrapped to the operands' dtype."""

    def oracle(x, y):
        if x.dtype.kind not in "iu":
            return None
        bits = 8 * x.dtype.itemsize
        out = []
        for a, b in zip(*(np.ravel(z).tolist() for z in np.broadcast_arrays(x, y)), strict=True):
            out.append(function(a, b) & ((1 << bits) - 1))
        unsigned = np.array(out, np.dtype(f"u{x.dtype.itemsize}")).reshape(np.broadcast_shapes(x.shape, y.shape))
        return unsigned.view(x.dtype)

    return oracle


def either(integers, floats):
    exact = exact_integers(integers)
    return lambda x, y: exact(x, y) if x.dtype.kind in "iu" else floats(x, y)


def quotient(a, b):
    if b == 0:
        return -1
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def remainder(a, b):
    return a if b == 0 else abs(a) % abs(b) * (1 if a >= 0 else -1)


def integer_power(a, b):
    if b >= 0:
        return pow(a, b, 1 << 64) if a >= 0 else pow(-a, b, 1 << 64) * (-1) ** (b % 2)
    return {0: -1, 1: 1, -1: (-1) ** (b % 2)}.get(a, 0)


operator(p.neg_p, unary_samples(NUMBERS, low=0), oracle=np.negative, grads=[grads(X), grads(C)], tolerance=0)
operator(p.add_p, binary_samples(NUMBERS, 0), oracle=either(lambda a, b: a + b, np.add), grads=PAIRS, tolerance=1)
operator(p.sub_p, binary_samples(NUMBERS, 0), oracle=either(lambda a, b: a - b, np.subtract), grads=PAIRS, tolerance=1)
operator(p.mul_p, binary_samples(NUMBERS, 0), oracle=either(lambda a, b: a * b, np.multiply), grads=PAIRS, tolerance=2)
operator(p.div_p, binary_samples(NUMBERS, 1, 5), oracle=either(quotient, np.divide), grads=PAIRS, tolerance=4)
operator(
    p.rem_p,
    binary_samples((*FLOATS, *SIGNED, *UNSIGNED), 1, 9),
    oracle=either(remainder, np.fmod),
    tolerance=0,
    grads=[grads(X * 5, Y), grads(X * 5, S), grads(S, Y)],
)
operator(p.add_any_p, [Sample((X, Y)), Sample((C, D))], oracle=np.add, grads=[grads(X, Y), grads(C, D)], tolerance=1)
operator(
    p.max_p, binary_samples((*FLOATS, *SIGNED, *UNSIGNED, np.bool_), 0), oracle=np.maximum, tolerance=0, grads=PAIRS[:3]
)
operator(
    p.min_p, binary_samples((*FLOATS, *SIGNED, *UNSIGNED, np.bool_), 0), oracle=np.minimum, tolerance=0, grads=PAIRS[:3]
)
operator(p.square_p, unary_samples(NUMBERS, low=0), grads=[grads(X), grads(C)])
operator(p.sign_p, unary_samples((*FLOATS, *SIGNED, *UNSIGNED), low=0), oracle=np.sign, tolerance=0)
operator(p.abs_p, unary_samples((*INEXACT, *SIGNED, *UNSIGNED), low=0), oracle=np.abs, grads=[grads(X), grads(C)])
operator(p.floor_p, unary_samples(FLOATS), oracle=np.floor, tolerance=0, grads=[grads(X)])
operator(p.ceil_p, unary_samples(FLOATS), oracle=np.ceil, tolerance=0, grads=[grads(X)])
operator(
    p.round_p,
    [
        *unary_samples(FLOATS, rounding_method=RoundingMethod.AWAY_FROM_ZERO),
        *unary_samples(FLOATS, rounding_method=RoundingMethod.TO_NEAREST_EVEN),
    ],
    oracle=lambda x, rounding_method: np.rint(x) if rounding_method else np.copysign(np.floor(np.abs(x) + 0.5), x),
    tolerance=0,
    grads=[grads(X, rounding_method=RoundingMethod.AWAY_FROM_ZERO)],
)
operator(p.is_finite_p, unary_samples(FLOATS), oracle=np.isfinite)
operator(p.nextafter_p, binary_samples((np.float32, np.float64)), kernel_tolerance=None)
operator(
    p.integer_pow_p,
    [sample for y in (0, 1, 2, 3, 5, 8) for sample in unary_samples((*FLOATS[:2], np.complex64, np.int32), y=y)]
    + [sample for y in (-1, -2, -3) for sample in unary_samples((*FLOATS[:2], np.complex64), y=y)],
    oracle=lambda x, y: (x if x.dtype.kind in "fc" else x.astype(np.int64)) ** y,
    tolerance=8,
    grads=[grads(POSITIVE, y=y) for y in (-2, -1, 0, 1, 2, 3, 7)],
)
operator(p.sqrt_p, unary_samples(INEXACT, 0, 3), oracle=np.sqrt, grads=[grads(POSITIVE), grads(C)], tolerance=2)
operator(p.rsqrt_p, unary_samples(INEXACT, 0.2, 3), oracle=lambda x: 1 / np.sqrt(x), grads=[grads(POSITIVE)])
operator(p.cbrt_p, unary_samples(FLOATS), oracle=np.cbrt, grads=[grads(X)])
BASES = [Sample((values(3, dtype=np.float32, low=-2, high=2), np.array([0, 3, -2], np.int32)))]
operator(
    p.pow_p,
    # NumPy takes the square root for a scalar exponent of 0.5, which differs from a power at -inf: no edges.
    [
        *binary_samples((*FLOATS, np.complex64), 0.2, 3, with_edges=False),
        *binary_samples((*SIGNED, *UNSIGNED), 0, 5),
        *BASES,
    ],
    oracle=lambda x, y: exact_integers(integer_power)(x, y) if x.dtype.kind in "iu" else np.power(x, y),
    tolerance=16,
    grads=[grads(POSITIVE, Y), grads(POSITIVE, S), grads(S, Y), grads(X, np.array([[0, 1, 2], [3, -1, -2]]))],
)
operator(
    p.clamp_p,
    [
        Sample((np.float32(-1), values(2, 3), np.float32(1))),
        Sample((values(4), values(4, seed=1), values(4, seed=2))),
        Sample((np.float32(-1), edges(np.float32), np.float32(1))),
        Sample((np.int32(0), edges(np.int32), np.int32(5))),
    ],
    oracle=lambda low, x, high: np.minimum(np.maximum(x, low), high),
    tolerance=0,
    grads=[grads(np.float64(-1), X, np.float64(1)), grads(X - 1, Y, X + 1)],
)
operator(
    p.complex_p,
    binary_samples((np.float32, np.float64)),
    oracle=lambda x, y: np.stack([x, y], -1).view(complex)[..., 0] if x.shape == y.shape else x + 1j * y,
    tolerance=0,
    grads=[grads(X, Y), grads(X, S)],
)
operator(p.real_p, unary_samples((np.complex64, np.complex128)), oracle=np.real, tolerance=0, grads=[grads(C)])
operator(p.imag_p, unary_samples((np.complex64, np.complex128)), oracle=np.imag, tolerance=0, grads=[grads(C)])
operator(
    p.conj_p,
    [
        *unary_samples([np.complex64], input_dtype=np.dtype(np.complex64)),
        *unary_samples([np.float32], input_dtype=np.dtype(np.float32)),
    ],
    oracle=lambda x, input_dtype: np.conj(x),
    tolerance=0,
    grads=[grads(C, input_dtype=C.dtype), grads(X, input_dtype=X.dtype)],
)
