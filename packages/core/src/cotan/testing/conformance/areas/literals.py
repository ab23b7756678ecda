"""What operations mean at the edges, in values written down here: from standards and definitions, not from NumPy.

Results are compared bit for bit (but for NaN), so that the sign of a zero counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import cotan.numpy as cnp
from cotan import dtypes, lax
from cotan.testing.conformance.cases import Case, both_ways, names

F, I, U, B8, U8 = np.float32, np.int32, np.uint32, np.int8, np.uint8
NAN, INF = float("nan"), float("inf")
LOW, HIGH = -(2**31), 2**31 - 1

Row = tuple[str, Any, list[Any], Any]


def f(*values: float) -> np.ndarray[Any, Any]:
    """A float32 vector."""
    return np.array(values, F)


def i(*values: int) -> np.ndarray[Any, Any]:
    """An int32 vector."""
    return np.array(values, I)


def u(*values: int) -> np.ndarray[Any, Any]:
    """A uint32 vector."""
    return np.array(values, U)


def b(*values: int) -> np.ndarray[Any, Any]:
    """A vector of truth values."""
    return np.array(values, bool)


def to(dtype: Any) -> Any:
    """The conversion to a dtype."""
    return lambda x: lax.convert_element_type(x, dtype)


INTEGERS: list[Row] = [
    ("division truncates", lax.div, [i(7, -7, 7, -7), i(2, 2, -2, -2)], i(3, -3, -3, 3)),
    ("division by zero", lax.div, [i(5, -5, 0), i(0, 0, 0)], i(-1, -1, -1)),
    ("unsigned division by zero", lax.div, [u(5, 0), u(0, 0)], u(2**32 - 1, 2**32 - 1)),
    ("least by minus one", lax.div, [i(LOW), i(-1)], i(LOW)),
    ("remainder has the dividend's sign", lax.rem, [i(7, -7, 7, -7), i(3, 3, -3, -3)], i(1, -1, 1, -1)),
    ("remainder by zero", lax.rem, [i(5, -5), i(0, 0)], i(5, -5)),
    ("sums wrap", lax.add, [i(HIGH, LOW), i(1, -1)], i(LOW, HIGH)),
    ("narrow sums wrap", lax.add, [np.array([127, -128], B8), np.array([1, -1], B8)], np.array([-128, 127], B8)),
    ("products wrap", lax.mul, [i(65536, 3), i(65536, -5)], i(0, -15)),
    ("unsigned compares", lax.lt, [u(2**31, 1), u(1, 2**31)], b(0, 1)),
    ("unsigned maximum", lax.max, [u(2**31, 1), u(1, 2**32 - 1)], u(2**31, 2**32 - 1)),
    ("narrow unsigned compares", lax.gt, [np.array([200, 100], U8), np.array([100, 200], U8)], b(1, 0)),
    ("shift left by the width", lax.shift_left, [i(1, 1, 3), i(31, 32, 40)], i(LOW, 0, 0)),
    ("logical shift right", lax.shift_right_logical, [i(-1, -1, 8), i(31, 32, 2)], i(1, 0, 2)),
    ("arithmetic shift right", lax.shift_right_arithmetic, [i(-8, -8, 8), i(1, 99, 99)], i(-4, -1, 0)),
    ("absolute value of the least", lax.abs, [i(LOW, -3)], i(LOW, 3)),
    ("bits that are set", lax.population_count, [i(-1, 0, 255)], i(32, 0, 8)),
    ("leading zeros", lax.clz, [i(0, 1, -1)], i(32, 31, 0)),
    ("sign", lax.sign, [i(-9, 0, 4)], i(-1, 0, 1)),
    ("integer power", lambda x: lax.integer_pow(x, 5), [i(-2, 3)], i(-32, 243)),
    ("exclusive or", lax.bitwise_xor, [i(12, -1), i(10, 1)], i(6, -2)),
    ("not", lax.bitwise_not, [i(0, -1)], i(-1, 0)),
]

FLOATS: list[Row] = [
    ("negative zero is kept", lax.neg, [f(0.0, -0.0)], f(-0.0, 0.0)),
    ("zero times minus one", lax.mul, [f(0.0, -0.0), f(-1.0, -1.0)], f(-0.0, 0.0)),
    ("minus zero plus minus zero", lax.add, [f(-0.0, -0.0), f(-0.0, 0.0)], f(-0.0, 0.0)),
    ("absolute value of minus zero", lax.abs, [f(-0.0, -INF)], f(0.0, INF)),
    ("square root of minus zero", lax.sqrt, [f(-0.0, 4.0, -1.0, INF)], f(-0.0, 2.0, NAN, INF)),
    ("half away from zero", lax.round, [f(0.5, 1.5, 2.5, -1.5)], f(1, 2, 3, -2)),
    ("half to even, asked for", lambda x: cnp.round(x), [f(0.5, 1.5, 2.5, -1.5, -0.5)], f(0, 2, 2, -2, -0.0)),
    ("floor", lax.floor, [f(-0.5, 1.5, -2.0, NAN)], f(-1, 1, -2, NAN)),
    ("ceil", lax.ceil, [f(-0.5, 1.5, -2.0, INF)], f(-0.0, 2, -2, INF)),
    ("division by zero", lax.div, [f(1, -1, 0, 1), f(0.0, 0.0, 0.0, -0.0)], f(INF, -INF, NAN, -INF)),
    ("remainder", lax.rem, [f(7, -7, 7.5, -7.5), f(3, 3, -2, -2)], f(1, -1, 1.5, -1.5)),
    ("maximum keeps NaN", lax.max, [f(NAN, 1, 2), f(1, NAN, 3)], f(NAN, NAN, 3)),
    ("minimum keeps NaN", lax.min, [f(NAN, 1, 2), f(1, NAN, 3)], f(NAN, NAN, 2)),
    ("maximum of all keeps NaN", lambda x: cnp.max(x, 1), [np.array([[1, NAN, 3], [1, 2, 3]], F)], f(NAN, 3)),
    ("minimum of all keeps NaN", lambda x: cnp.min(x, 1), [np.array([[1, NAN, 3], [1, 2, 3]], F)], f(NAN, 1)),
    ("maximum of negatives", lambda x: cnp.max(x, 0), [f(-3, -1, -2)], F(-1)),
    ("minimum of positives", lambda x: cnp.min(x, 0), [f(3, 1, 2)], F(1)),
    ("product of negatives", lambda x: cnp.prod(x), [f(-3, -1, -2)], F(-6)),
    ("NaN is not itself", lax.eq, [f(NAN, 1, 0.0), f(NAN, 1, -0.0)], b(0, 1, 1)),
    ("NaN differs from itself", lax.ne, [f(NAN, 1, 0.0), f(NAN, 1, -0.0)], b(1, 0, 0)),
    ("nothing is ordered with NaN", lax.le, [f(NAN, 1, 1), f(1, NAN, 1)], b(0, 0, 1)),
    ("finite", lax.is_finite, [f(1, NAN, INF, -INF)], b(1, 0, 0, 0)),
    ("sign of zeros and NaN", lax.sign, [f(-2, 0.0, -0.0, 3)], f(-1, 0.0, -0.0, 1)),
    ("next after", lax.nextafter, [f(1, 0.0), f(2, 1)], f(np.float32(1.0000001), np.float32(1e-45))),
    ("power", lax.pow, [f(2, 0.0, 4, -2), f(10, 0.0, -0.5, 3)], f(1024, 1, 0.5, -8)),
    ("exponential at the ends", lax.exp, [f(-INF, INF, 0.0, 1000, -1000)], f(0, INF, 1, INF, 0)),
    ("logarithm at the ends", lax.log, [f(0.0, 1, INF, -1)], f(-INF, 0, INF, NAN)),
    ("hyperbolic tangent at the ends", lax.tanh, [f(-INF, INF, 0.0, -0.0, 50)], f(-1, 1, 0.0, -0.0, 1)),
    ("angle at the axes", lax.atan2, [f(0.0, -0.0, 0.0), f(1, 1, -1)], f(0.0, -0.0, np.pi)),
    ("small logarithm", lax.log1p, [f(1e-30, 0.0, -0.0)], f(1e-30, 0.0, -0.0)),
    ("small exponential", lax.expm1, [f(1e-30, 0.0, -0.0, -INF)], f(1e-30, 0.0, -0.0, -1)),
]

# To 25 digits, by series: exp(1), ln 2, sin 1, cos 1, tan 1, atan 1, sqrt 2, cbrt 2, erf 1, lgamma(1/2).
CONSTANTS: list[Row] = [
    ("exp", lax.exp, [f(1)], f(2.718281828459045)),
    ("log", lax.log, [f(2)], f(0.6931471805599453)),
    ("sin", lax.sin, [f(1)], f(0.8414709848078965)),
    ("cos", lax.cos, [f(1)], f(0.5403023058681398)),
    ("tan", lax.tan, [f(1)], f(1.5574077246549023)),
    ("atan2", lax.atan2, [f(1), f(1)], f(0.7853981633974483)),
    ("sqrt", lax.sqrt, [f(2)], f(1.4142135623730951)),
    ("rsqrt", lax.rsqrt, [f(2)], f(0.7071067811865476)),
    ("cbrt", lax.cbrt, [f(2)], f(1.2599210498948732)),
    ("tanh", lax.tanh, [f(1)], f(0.7615941559557649)),
    ("sinh", lax.sinh, [f(1)], f(1.1752011936438014)),
    ("cosh", lax.cosh, [f(1)], f(1.5430806348152437)),
    ("erf", lax.erf, [f(1)], f(0.8427007929497149)),
    ("erfc", lax.erfc, [f(1)], f(0.15729920705028513)),
    ("erf_inv", lax.erf_inv, [f(0.5)], f(0.4769362762044699)),
    ("lgamma", lax.lgamma, [f(0.5)], f(0.5723649429247001)),
    ("digamma", lax.digamma, [f(1)], f(-0.5772156649015329)),
    ("expm1", lax.expm1, [f(1e-5)], f(1.0000050000166668e-05)),
    ("log1p", lax.log1p, [f(1e-5)], f(9.999950000333332e-06)),
    ("logistic", lax.logistic, [f(2)], f(0.8807970779778823)),
    ("pow", lax.pow, [f(3), f(2.5)], f(15.588457268119894)),
    ("asin", lax.asin, [f(0.5)], f(0.5235987755982989)),
    ("acos", lax.acos, [f(0.5)], f(1.0471975511965979)),
    ("acosh", lax.acosh, [f(2)], f(1.3169578969248166)),
    ("asinh", lax.asinh, [f(1)], f(0.881373587019543)),
    ("atanh", lax.atanh, [f(0.5)], f(0.5493061443340549)),
]

half = np.float16
brain = dtypes.bfloat16
CONVERSIONS: list[Row] = [
    ("floats to integers truncate", to(I), [f(1.9, -1.9, -0.5)], i(1, -1, 0)),
    ("large floats saturate", to(I), [f(3e9, -3e9, INF, -INF)], i(HIGH, LOW, HIGH, LOW)),
    ("NaN becomes zero", to(I), [f(NAN)], i(0)),
    ("floats to bytes saturate", to(U8), [f(300, -1, NAN, 12.7)], np.array([255, 0, 0, 12], U8)),
    ("integers to bytes wrap", to(U8), [i(300, -1, 5)], np.array([44, 255, 5], U8)),
    ("bytes to integers", to(I), [np.array([-1, 127], B8)], i(-1, 127)),
    ("unsigned to float", to(F), [u(2**32 - 1, 2**31)], f(4294967296.0, 2147483648.0)),
    ("integers to truth", to(bool), [i(0, 2, -1)], b(0, 1, 1)),
    ("floats to truth", to(bool), [f(0.0, -0.0, NAN, 0.5)], b(0, 0, 1, 1)),
    ("truth to float", to(F), [b(0, 1)], f(0, 1)),
    ("half rounds to even", to(half), [f(2049, 2051, 65519, 65520, 1e-8)],
     np.array([2048, 2052, 65504, INF, 0], half)),
    ("half denormals", to(half), [f(6e-8, 3e-5)], np.array([5.9604645e-08, 2.9981136e-05], half)),
    ("bfloat16 rounds to even", to(brain), [f(1.00390625, 1.01171875, 3.4e38)], np.array([1.0, 1.015625, INF], brain)),
    ("half to float is exact", to(F), [np.array([0.1, 65504], half)], f(0.0999755859375, 65504)),
    ("half sums round", lax.add, [np.array([2048, 1], half), np.array([1, 2**-11], half)], np.array([2048, 1], half)),
    ("bits of a float", lambda x: lax.bitcast_convert_type(x, U), [f(1, -0.0, INF)],
     u(0x3F800000, 0x80000000, 0x7F800000)),
    ("a float of bits", lambda x: lax.bitcast_convert_type(x, F), [u(0x40490FDB)], f(3.14159274101)),
]  # fmt: skip

A = np.arange(12, dtype=I).reshape(3, 4)
INDICES: list[Row] = [
    ("iota", lambda: lax.broadcasted_iota(I, (2, 3), 1), [], np.array([[0, 1, 2], [0, 1, 2]], I)),
    ("iota down", lambda: lax.broadcasted_iota(I, (2, 3), 0), [], np.array([[0, 0, 0], [1, 1, 1]], I)),
    ("slice", lambda x: lax.slice(x, (1, 0), (3, 4), (1, 3)), [A], np.array([[4, 7], [8, 11]], I)),
    ("a window is clamped", lambda x, k: lax.dynamic_slice(x, (k, k), (2, 2)), [A, I(9)],
     np.array([[6, 7], [10, 11]], I)),
    ("an update is clamped", lambda x, k: lax.dynamic_update_slice(x, -x[:2, :2], (k, k)), [A, I(2)],
     np.array([[0, 1, 2, 3], [4, 5, 0, -1], [8, 9, -4, -5]], I)),
    ("rows by index", lambda x, k: cnp.take(x, k, axis=0, mode="clip"), [A, i(2, 0, 7)],
     A[[2, 0, 2]]),
    ("rows outside are filled", lambda x, k: cnp.take(x, k, axis=0, mode="fill", fill_value=-5), [A, i(2, 3)],
     np.array([[8, 9, 10, 11], [-5] * 4], I)),
    ("updates outside are dropped", lambda x, k: x.at[k].set(1, mode="drop"), [i(0, 0, 0), i(1, 3, 9)], i(0, 1, 0)),
    ("updates add up", lambda x, k: x.at[k].add(1), [i(0, 0, 0), i(1, 1, 2)], i(0, 2, 1)),
    ("transposed", lambda x: x.T, [A], A.T.copy()),
    ("a square transposed", lambda x: x[:, :3].T, [A], np.array([[0, 4, 8], [1, 5, 9], [2, 6, 10]], I)),
    ("a cube transposed", lambda x: lax.transpose(x, (2, 0, 1)), [np.arange(8, dtype=I).reshape(2, 2, 2)],
     np.array([[[0, 2], [4, 6]], [[1, 3], [5, 7]]], I)),
    ("backwards", lambda x: lax.rev(x, (1,)), [A], A[:, ::-1].copy()),
    ("padded", lambda x: lax.pad(x, I(9), ((1, 0, 1),)), [i(1, 2)], i(9, 1, 9, 2)),
    ("cut by padding", lambda x: lax.pad(x, I(9), ((-1, 1, 0),)), [i(1, 2, 3)], i(2, 3, 9)),
    ("joined", lambda x, y: lax.concatenate([x, y, x], 0), [i(1), i(2, 3)], i(1, 2, 3, 1)),
    ("chosen", lambda c, x, y: lax.select(c, x, y), [b(1, 0), i(1, 2), i(3, 4)], i(1, 4)),
    ("sort puts NaN last", cnp.sort, [f(NAN, 3, -INF, 1, INF)], f(-INF, 1, 3, INF, NAN)),
    ("sort is stable", lambda k, v: lax.sort((k, v), num_keys=1), [i(1, 0, 1, 0, 1), i(0, 1, 2, 3, 4)],
     (i(0, 0, 1, 1, 1), i(1, 3, 0, 2, 4))),
    ("sort of many is stable", lambda k: lax.sort((k % 2, k), num_keys=1)[1], [np.arange(40, dtype=I)],
     np.r_[np.arange(0, 40, 2), np.arange(1, 40, 2)].astype(I)),
    ("argmax takes the first", lambda x: lax.argmax(x, 0, I), [f(1, 5, 5, 2)], I(1)),
    ("argmin takes the first", lambda x: lax.argmin(x, 0, I), [f(1, 0, 5, 0)], I(1)),
    ("argmax finds NaN", lambda x: lax.argmax(x, 0, I), [f(1, NAN, 5)], I(1)),
    ("top", lambda x: lax.top_k(x, 2), [i(3, 9, 9, 1)], (i(9, 9), i(1, 2))),
    ("running sum", lambda x: lax.cumsum(x), [i(1, 2, 3, 4)], i(1, 3, 6, 10)),
    ("running sum from the end", lambda x: lax.cumsum(x, reverse=True), [i(1, 2, 3, 4)], i(10, 9, 7, 4)),
    ("running maximum", lambda x: lax.cummax(x), [i(1, 3, 2, 4)], i(1, 3, 3, 4)),
    ("sum of many", lambda x: cnp.sum(x), [np.arange(1000, dtype=I)], I(499500)),
    ("sum of none", lambda x: cnp.sum(x[:0]), [f(1, 2)], F(0)),
    ("product of none", lambda x: cnp.prod(x[:0]), [f(1, 2)], F(1)),
    ("all and any of none", lambda x: (cnp.all(x[:0]), cnp.any(x[:0])), [b(1)], (np.True_, np.False_)),
    ("matrix product", lambda x, y: x @ y, [i(1, 2, 3), A.T[:3]], i(8, 32, 56)),
]  # fmt: skip


def cases() -> Iterator[Case]:
    """All rows, at once and compiled."""
    tables = (("integers", INTEGERS), ("floats", FLOATS), ("conversions", CONVERSIONS), ("indices", INDICES))
    for group, rows in tables:
        for name, fun, args, wanted in rows:
            results = list(wanted) if isinstance(wanted, tuple) else [wanted]
            needed = names(map(np.asarray, results)) | {"int32"}
            yield from both_ways(f"literals/{group}/{name}", fun, args, results, tolerance="bits", dtypes=needed)
    for name, fun, args, wanted in CONSTANTS:
        yield from both_ways(f"literals/constants/{name}", fun, args, [wanted], tolerance=8.0, dtypes=("int32",))
