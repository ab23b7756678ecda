"""Arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes
from cotan.primitives.arithmetic import RoundingMethod
from cotan_xla_tpu.driver import chlo, hlo
from cotan_xla_tpu.emit import broadcast, compare, constant, convert
from cotan_xla_tpu.lower.control import loop
from cotan_xla_tpu.lower.table import elementwise, rule

for _name, _operation in {
    "add": hlo.add, "add_any": hlo.add, "sub": hlo.subtract, "mul": hlo.multiply, "div": hlo.divide,
    "rem": hlo.remainder, "neg": hlo.negate, "floor": hlo.floor, "ceil": hlo.ceil,
    "is_finite": hlo.is_finite, "nextafter": chlo.next_after, "sqrt": hlo.sqrt, "rsqrt": hlo.rsqrt,
    "complex": hlo.complex, "real": hlo.real, "imag": hlo.imag,
    "max": hlo.maximum, "min": hlo.minimum,
}.items():  # fmt: skip
    elementwise(_name, _operation)


@rule("conj")
def _conj(c: Any, x: Any, input_dtype: Any) -> Any:
    return (
        chlo.conj(x)
        if c.ins[0].dtype.kind == "c"
        else hlo.complex(x, broadcast(constant(np.zeros((), c.ins[0].dtype)), c.out.shape))
    )


@rule("square")
def _square(c: Any, x: Any) -> Any:
    return hlo.multiply(x, x)


@rule("cbrt")
def _cbrt(c: Any, x: Any) -> Any:
    # XLA's is a power of 1/3 in some of its code generators, dozens of eps off far from 1: one step of Newton's method.
    y = hlo.cbrt(x)
    third = broadcast(constant(np.array(1 / 3, c.out.dtype)), c.out.shape)
    better = hlo.subtract(y, hlo.multiply(hlo.subtract(y, hlo.divide(x, hlo.multiply(y, y))), third))
    return hlo.select(hlo.is_finite(better), better, y)


@rule("sign")
def _sign(c: Any, x: Any) -> Any:
    if c.out.dtype.kind == "u":
        zero = broadcast(constant(np.zeros((), c.out.dtype)), c.out.shape)
        return convert(compare(x, zero, "NE", c.out.dtype), c.out.dtype)
    return hlo.sign(x)


@rule("abs")
def _abs(c: Any, x: Any) -> Any:
    return x if c.out.dtype.kind == "u" else hlo.abs(x)


@rule("round")
def _round(c: Any, x: Any, rounding_method: RoundingMethod) -> Any:
    even = rounding_method is RoundingMethod.TO_NEAREST_EVEN
    return hlo.round_nearest_even(x) if even else hlo.round_nearest_afz(x)


@rule("clamp")
def _clamp(c: Any, low: Any, x: Any, high: Any) -> Any:
    return hlo.clamp(low, x, high)


@rule("pow")
def _pow(c: Any, x: Any, y: Any) -> Any:
    x, y = c.equal((x, y))
    kept = c.ins[1].dtype
    if kept != c.out.dtype:
        y = convert(y, c.out.dtype)
    dtype = c.out.dtype
    if not dtypes.issubdtype(dtype, np.integer):
        return hlo.power(x, y)

    def full(value: int) -> Any:
        return broadcast(constant(np.array(value, dtype)), c.out.shape)

    zero, one = full(0), full(1)
    found = _by_squaring(x, y, one, dtype)
    if dtype.kind == "u":
        return found
    # Negative exponents: 0 has no reciprocal, and what is not 1 or -1 rounds to 0.
    minus = full(-1)
    odd = compare(hlo.and_(y, one), one, "EQ", dtype)
    small = hlo.select(compare(x, minus, "EQ", dtype), hlo.select(odd, minus, one), zero)
    small = hlo.select(compare(x, one, "EQ", dtype), one, small)
    small = hlo.select(compare(x, zero, "EQ", dtype), minus, small)
    return hlo.select(compare(y, zero, "LT", dtype), small, found)


def _by_squaring(x: Any, y: Any, one: Any, dtype: Any) -> Any:
    """x**y for y >= 0, wrapping: XLA's own power looks at a few bits of the exponent only."""
    step = constant(np.ones((), np.int32))
    bits = constant(np.array(8 * dtype.itemsize, np.int32))

    def body(state: list[Any]) -> list[Any]:
        k, power, factor, rest = state
        taken = compare(hlo.and_(rest, one), one, "EQ", dtype)
        power = hlo.select(taken, hlo.multiply(power, factor), power)
        return [hlo.add(k, step), power, hlo.multiply(factor, factor), hlo.shift_right_logical(rest, one)]

    start = [constant(np.zeros((), np.int32)), one, x, y]
    return loop(start, lambda state: [compare(state[0], bits, "LT", np.int32)], body)[1]
