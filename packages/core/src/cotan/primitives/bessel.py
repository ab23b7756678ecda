"""Modified Bessel functions of orders 0 and 1, scaled by exp(-|x|): Chebyshev series near and far from 0."""

from __future__ import annotations

import functools
import math
from typing import Any

from cotan.primitives import special_tables as table
from cotan.primitives.algebra import PRIMITIVES
from cotan.primitives.arithmetic import abs as absolute
from cotan.primitives.arithmetic import add, div, mul, neg, sign, square, sub
from cotan.primitives.compare import lt, select
from cotan.primitives.define import unary
from cotan.primitives.operands import FLOAT
from cotan.primitives.special import as_decomposition, as_kernel, as_reference
from cotan.primitives.transcendental import exp


@functools.cache
def _enough(coefficients: tuple[float, ...]) -> tuple[float, ...]:
    """The coefficients that matter in float32: the rest adds up to a hundredth of its eps beside values near 0.1."""
    rest, count = 0.0, len(coefficients)
    while (rest := rest + abs(coefficients[count - 1])) < 1e-10:
        count -= 1
    return coefficients[:count]


def _clenshaw(o: Any, t: Any, coefficients: tuple[float, ...]) -> Any:
    """The Chebyshev series with these coefficients at t."""
    if t.dtype.itemsize == 4:
        coefficients = _enough(coefficients)
    double = o.add(t, t)
    this, before = o.const(coefficients[-1], t), o.const(0, t)
    for coefficient in coefficients[-2:0:-1]:
        this, before = o.add(o.sub(o.mul(double, this), before), o.const(coefficient, t)), this
    return o.add(o.sub(o.mul(t, this), before), o.const(coefficients[0], t))


def _scaled(o: Any, x: Any, near: tuple[float, ...], far: tuple[float, ...]) -> tuple[Any, Any]:
    """The two series at |x|, each also where the other one holds (with a harmless argument)."""
    eight = o.const(8, x)
    size = o.abs(x)
    close = o.le(size, eight)
    one = o.const(1, x)
    inner = o.select(close, size, eight)
    outer = o.select(close, eight, size)
    first = _clenshaw(o, o.sub(o.mul(inner, o.const(0.25, x)), one), near)
    second = _clenshaw(o, o.sub(o.div(o.const(16, x), outer), one), far)
    return o.select(close, first, o.div(second, o.sqrt(outer))), close


def _i0e(o: Any, x: Any) -> Any:
    return _scaled(o, x, table.I0E, table.I0E_FAR)[0]


def _i1e(o: Any, x: Any) -> Any:
    value, close = _scaled(o, x, table.I1E, table.I1E_FAR)
    negative = o.select(o.lt(x, o.const(0, x)), o.neg(value), value)
    return o.select(close, o.mul(value, x), negative)


def _i0e_slope(t: Any, x: Any, y: Any) -> Any:
    return mul(t, sub(bessel_i1e(x), mul(sign(x), y)))


# I1(x) / x in powers of x**2 (DLMF 10.25.2), for |x| < 1.
_RATIO = tuple(0.5 / (4**k * math.factorial(k) * math.factorial(k + 1)) for k in range(9, -1, -1))


def _i1e_slope(t: Any, x: Any, y: Any) -> Any:
    # Near 0 by a series: derivatives of the quotient would be differences of large numbers.
    near = lt(absolute(x), 1)
    small = select(near, x, 0)
    series = mul(PRIMITIVES.polynomial(square(small), _RATIO), exp(neg(mul(small, sign(small)))))
    ratio = select(near, series, div(y, select(near, 1, x)))
    return mul(t, sub(bessel_i0e(x), add(mul(sign(x), y), ratio)))


bessel_i0e_p, bessel_i0e = unary(
    "bessel_i0e", FLOAT, reference=as_reference(_i0e, "i0e"), kernel=as_kernel(_i0e), jvp=_i0e_slope,
    decompose=as_decomposition(_i0e), does="exp(-|x|) I0(x), the scaled modified Bessel function of order 0.",
)  # fmt: skip
bessel_i1e_p, bessel_i1e = unary(
    "bessel_i1e", FLOAT, reference=as_reference(_i1e, "i1e"), kernel=as_kernel(_i1e), jvp=_i1e_slope,
    decompose=as_decomposition(_i1e), does="exp(-|x|) I1(x), the scaled modified Bessel function of order 1.",
)  # fmt: skip
