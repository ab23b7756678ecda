"""Edges that a backend passes by unnoticed: signs of zeros, denormals, overflow of every width, NaN in long rows,
conversions that round once, and arrays larger than what one block, group or transfer takes.

Values are written down, or computed by Python's integers.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.structural import reduce_sum
from cotan.testing.conformance.areas.literals import INF, NAN, F, I, Row, b, f, i, to
from cotan.testing.conformance.cases import Case, both_ways, names

D = np.float64
SMALL = 1e-40
"""A denormal number in float32."""
LARGE = 100_003
"""Elements of arrays that no block, group or staging buffer holds whole; a prime number."""

_ODD = (
    lax.sin, lax.tan, lax.asin, lax.atan, lax.asinh, lax.atanh, lax.sinh, lax.cbrt, lax.erf, lax.erf_inv, lax.round,
)  # fmt: skip
ZERO = f(-0.0, 0.0)
ZEROS: list[Row] = [
    *((f"{fun.__name__}", fun, [ZERO], ZERO) for fun in _ODD),
    ("rounded to zero", lax.round, [f(-0.25, 0.25)], ZERO),
    ("cubed", lambda x: lax.integer_pow(x, 3), [ZERO], ZERO),
    ("remainder", lax.rem, [f(-0.0, 0.0, -6), f(3, 3, 3)], f(-0.0, 0.0, -0.0)),
    ("difference", lax.sub, [f(-0.0, 0.0, 0.0), f(0.0, 0.0, -0.0)], f(-0.0, 0.0, 0.0)),
    ("quotient", lax.div, [f(-0.0, 0.0, 1, -1), f(2, -2, -INF, INF)], f(-0.0, -0.0, -0.0, -0.0)),
    ("narrowed", to(np.float16), [f(-0.0, -1e-9)], np.array([-0.0, -0.0], np.float16)),
    ("widened", to(F), [np.array([-0.0, 0.0], np.float16)], ZERO),
    ("largest of row", lambda x: cnp.max(x, 1), [np.array([[-0.0, -1], [-2, -0.0]], F)], f(-0.0, -0.0)),
    ("sorted as equals", lax.sort, [f(0.0, 3, -0.0, -1, 0.0)], f(-1, 0.0, -0.0, 0.0, 3)),
    ("keys that are equal", lambda k, v: lax.sort((k, v), num_keys=1)[1], [f(0.0, -0.0, 0.0, -0.0), i(0, 1, 2, 3)],
     i(0, 1, 2, 3)),
    ("copied", lax.copy, [ZERO], ZERO),
    ("chosen", lax.select, [b(1, 0), f(-0.0, 1), f(1, -0.0)], f(-0.0, -0.0)),
    ("padded", lambda x: lax.pad(x, F(-0.0), ((1, 0, 0),)), [f(-0.0, 2)], f(-0.0, -0.0, 2)),
    ("joined", lambda x, y: lax.concatenate([x, y], 0), [f(-0.0), f(0.0, -0.0)], f(-0.0, 0.0, -0.0)),
    ("read by index", lambda x, k: x[k], [f(-0.0, 1, 0.0), i(2, 0)], f(0.0, -0.0)),
    ("written by index", lambda x, k: x.at[k].set(-0.0), [f(1, 2), i(1)], f(1, -0.0)),
    ("turned around", lambda x: lax.rev(x, (0,)), [f(-0.0, 0.0, 1)], f(1, 0.0, -0.0)),
    ("a constant", lambda x: cnp.where(x > 0, -0.0, 0.0), [f(1, -1)], f(-0.0, 0.0)),
]  # fmt: skip

DENORMALS: list[Row] = [
    ("sum", lax.add, [f(SMALL, SMALL), f(0.0, SMALL)], f(SMALL, F(SMALL) + F(SMALL))),
    ("difference", lax.sub, [f(1.5e-38), f(1.25e-38)], F([1.5e-38]) - F([1.25e-38])),
    ("product", lax.mul, [f(1e-30, SMALL), f(1e-10, 1)], F([1e-30, SMALL]) * F([1e-10, 1])),
    ("quotient", lax.div, [f(1e-30), f(1e10)], F([1e-30]) / F([1e10])),
    ("negated", lax.neg, [f(SMALL)], f(-SMALL)),
    ("absolute value", lax.abs, [f(-SMALL)], f(SMALL)),
    ("largest", lax.max, [f(SMALL, -SMALL), f(0.0, -1)], f(SMALL, -SMALL)),
    ("chosen", lax.select, [b(1), f(SMALL), f(1)], f(SMALL)),
    ("square root", lax.sqrt, [f(2.0**-140)], f(2.0**-70)),
    ("compared", lambda x, y: (lax.eq(x, y), lax.lt(y, x), lax.gt(x, y)), [f(SMALL), f(0.0)], (b(0), b(1), b(1))),
    ("truth", to(bool), [f(SMALL, 0.0)], b(1, 0)),
    ("sorted", lax.sort, [f(SMALL, -SMALL, 0.0)], f(-SMALL, 0.0, SMALL)),
    ("narrowed", to(F), [np.array([SMALL, -1e-45], D)], f(SMALL, -1e-45)),
    ("widened", to(D), [f(SMALL)], np.array([F(SMALL)], D)),
]

TIE = 1 + 2**-11 + 2**-40
"""A little more than the middle between two numbers of half precision; in float32 it is the middle."""
ONCE: list[Row] = [
    ("float64 to half precision", to(np.float16), [np.array([TIE, -TIE, 2 - TIE, 65520, -1e9, NAN], D)],
     np.array([1 + 2**-10, -1 - 2**-10, 1 - 2**-11 - 0, INF, -INF, NAN], np.float16)),
    ("float64 to float32", to(F), [np.array([1 + 2**-24 + 2**-50, 1e39], D)], f(1 + 2**-23, INF)),
    ("int32 to float32", to(F), [i(2**24 + 1, 2**24 + 3, -(2**24) - 1)], f(2**24, 2**24 + 4, -(2**24))),
    ("int64 to float32", to(F), [np.array([2**60 + 2**36 + 1], np.int64)], f(2**60 + 2**37)),
    ("uint64 to float32", to(F), [np.array([2**64 - 1, 2**63], np.uint64)], f(2.0**64, 2.0**63)),
    ("uint64 to float64", to(D), [np.array([2**64 - 1, 2**63 + 1], np.uint64)], np.array([2.0**64, 2.0**63], D)),
    ("int64 to int32 wraps", to(I), [np.array([2**31, -(2**31) - 1, 2**32 + 5], np.int64)], i(-(2**31), 2**31 - 1, 5)),
    ("high bytes are true", to(bool), [i(256, 1 << 31 >> 8, 0)], b(1, 1, 0)),
    ("imaginary numbers are true", to(bool), [np.array([1j, 0, 2], np.complex64)], b(1, 0, 1)),
    ("imaginary parts differ", lambda x, y: (lax.eq(x, y), lax.ne(x, y)),
     [np.array([1 + 1j, 1 + 2j], np.complex64), np.array([1 + 2j, 1 + 2j], np.complex64)], (b(0, 1), b(1, 0))),
]  # fmt: skip


def _row(size: int, **at: float) -> np.ndarray[Any, Any]:
    """``size`` small numbers with others at ``_k=value``."""
    found = (np.arange(size) * 37 % 101).astype(F)
    for place, value in at.items():
        found[int(place[1:])] = value
    return found


LONG: list[Row] = [
    ("maximum keeps NaN", lambda x: cnp.max(x), [_row(300, _170=NAN)], F(NAN)),
    ("minimum keeps NaN", lambda x: cnp.min(x), [_row(300, _299=NAN)], F(NAN)),
    ("argmax finds NaN", lambda x: lax.argmax(x, 0, I), [_row(300, _171=NAN, _200=NAN)], I(171)),
    ("argmin finds NaN", lambda x: lax.argmin(x, 0, I), [_row(300, _5=NAN, _6=-INF)], I(5)),
    ("argmax takes the first", lambda x: lax.argmax(x, 0, I), [_row(300, _99=500, _100=500, _250=500)], I(99)),
    ("argmin takes the first", lambda x: lax.argmin(x, 0, I), [_row(300, _130=-5, _131=-5, _290=-5)], I(130)),
    ("updates keep NaN", lambda x, k, v: x.at[k].max(v), [f(1, 2), i(0, 1), f(NAN, 3)], f(NAN, 3)),
    ("NaN with a sign comes last", lax.sort, [f(-NAN, 1, -INF, NAN)], f(-INF, 1, NAN, NAN)),
    ("argmax of no rows", lambda x: lax.argmax(x, 1, I), [np.zeros((0, 3), F)], np.zeros(0, I)),
]


def _wrapped(values: Any, dtype: Any) -> np.ndarray[Any, Any]:
    """Integers of Python, modulo what the dtype holds."""
    bits = 8 * np.dtype(dtype).itemsize
    found = np.array(values, object) % (1 << bits)
    return np.asarray(found, object).astype(np.uint64).astype(f"u{bits // 8}").view(dtype)


def _overflows(dtype: Any) -> tuple[Callable[..., Any], list[Any], list[Any]]:
    """What overflows in one integer dtype: single operations, and reductions and products on their way."""
    info = np.iinfo(dtype)
    x = [info.max, info.max, info.min, info.max // 3, 5]
    y = [1, info.max, info.max, 7, info.max]

    def fun(x: Any, y: Any) -> Any:
        return (x + y, x - y, x * y, -x, reduce_sum(x, (0,)), lax.cumsum(x), lax.cumprod(x), cnp.prod(x, dtype=dtype),
                lax.dot(x, y), lax.integer_pow(x, 3))  # fmt: skip

    def pairs(op: Callable[[int, int], int]) -> list[int]:
        return [op(p, q) for p, q in zip(x, y, strict=True)]

    running = [sum(x[: k + 1]) for k in range(len(x))]
    products = [math.prod(x[: k + 1]) for k in range(len(x))]
    wanted = [
        pairs(operator.add), pairs(operator.sub), pairs(operator.mul), [-p for p in x], sum(x), running, products,
        reduce(operator.mul, x), sum(pairs(operator.mul)), [p**3 for p in x],
    ]  # fmt: skip
    return fun, [np.array(x, dtype), np.array(y, dtype)], [_wrapped(w, dtype) for w in wanted]


def _large() -> list[Row]:
    """Operations on arrays of many elements, whose last ones count."""
    x = np.arange(LARGE, dtype=I) * 7919 % 1_000_003
    order = x.argsort(kind="stable").astype(I)
    table = np.arange(331 * 317, dtype=I).reshape(331, 317)
    return [
        ("elementwise", lambda x: x * 3 + 1, [x], x * 3 + 1),
        ("chosen", lambda x: cnp.where(x % 2 == 0, x, -x), [x], np.where(x % 2 == 0, x, -x)),
        ("sum and extrema", lambda x: (cnp.sum(x % 100), cnp.max(x), cnp.argmin(x)), [x],
         (I((x % 100).sum()), x.max(), I(x.argmin()))),
        ("running sum", lambda x: lax.cumsum(x % 10), [x], (x % 10).cumsum(dtype=I)),
        ("sorted", lambda x: lax.sort((x, x * 2), num_keys=1), [x], (x[order], x[order] * 2)),
        ("read by index", lambda x, k: x[k], [x, order], x[order]),
        ("written by index", lambda x, k: cnp.zeros_like(x).at[k].add(x), [x, order], x[np.argsort(order)]),
        ("transposed", lambda x: x.T, [table], table.T.copy()),
        ("by columns", lambda x: (cnp.sum(x, 0), cnp.sum(x, 1)), [table],
         (table.sum(0, dtype=I), table.sum(1, dtype=I))),
        ("numbered", lambda: lax.iota(I, LARGE), [], np.arange(LARGE, dtype=I)),
        ("random bits", lambda k: cotan.random.bits(cotan.random.wrap_key_data(k), (LARGE,))[-3:],
         [np.array([0, 42], np.uint32)], None),
        ("random keys", lambda k: cotan.random.key_data(cotan.random.split(cotan.random.wrap_key_data(k), 40_000)),
         [np.array([0, 42], np.uint32)], None),
    ]  # fmt: skip


def cases() -> Iterator[Case]:
    """All rows, at once and compiled."""
    tables = (("zeros", ZEROS), ("denormals", DENORMALS), ("rounded once", ONCE), ("long", LONG), ("large", _large()))
    for group, rows in tables:
        for name, fun, args, wanted in rows:
            results = None if wanted is None else list(wanted) if isinstance(wanted, tuple) else [wanted]
            used = names(map(np.asarray, [*args, *(results or [])]))
            yield from both_ways(
                f"edges/{group}/{name}", fun, args, results, tolerance="bits", dtypes=used | {"int32"},
                x64=bool(used & {"int64", "uint64", "float64"}),
            )  # fmt: skip
    for kind in "iu":
        for size in (1, 2, 4, 8):
            dtype = np.dtype(f"{kind}{size}")
            fun, args, wanted = _overflows(dtype)
            yield from both_ways(f"edges/overflow/{dtype.name}", fun, args, wanted, tolerance=None, x64=True)
