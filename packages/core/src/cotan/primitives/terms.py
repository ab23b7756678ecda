"""Formulas over primitives in the usual notation: operators, choices and loops of a fixed number of steps.

For decompositions that are too long for calls. A ``Term`` holds an array; Python scalars take its dtype. Knows no
special function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.ir.avals import get_aval, shaped
from cotan.primitives import arithmetic, compare, transcendental
from cotan.primitives.control.scan import loop
from cotan.primitives.operands import dtype_of, shape_of
from cotan.structural import broadcast_in_dim, convert_element_type
from cotan.transforms.stage import stage_closed

_FLOAT32 = np.dtype(np.float32)


def _raw(x: Any) -> Any:
    return x.array if type(x) is Term else x


class Term:
    """An array in a formula; comparisons give arrays of bools for ``where``."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def __add__(self, other: Any) -> Term:
        return Term(arithmetic.add(self.array, _raw(other)))

    def __sub__(self, other: Any) -> Term:
        return Term(arithmetic.sub(self.array, _raw(other)))

    def __rsub__(self, other: Any) -> Term:
        return Term(arithmetic.sub(_raw(other), self.array))

    def __mul__(self, other: Any) -> Term:
        return Term(arithmetic.mul(self.array, _raw(other)))

    def __truediv__(self, other: Any) -> Term:
        return Term(arithmetic.div(self.array, _raw(other)))

    def __rtruediv__(self, other: Any) -> Term:
        return Term(arithmetic.div(_raw(other), self.array))

    def __neg__(self) -> Term:
        return Term(arithmetic.neg(self.array))

    def __lt__(self, other: Any) -> Any:
        return compare.lt(self.array, _raw(other))

    def __le__(self, other: Any) -> Any:
        return compare.le(self.array, _raw(other))

    def __gt__(self, other: Any) -> Any:
        return compare.gt(self.array, _raw(other))

    def __ge__(self, other: Any) -> Any:
        return compare.ge(self.array, _raw(other))

    def same(self, other: Any) -> Any:
        """Whether the elements are equal."""
        return compare.eq(self.array, _raw(other))

    __radd__ = __add__
    __rmul__ = __mul__


def both(*conditions: Any) -> Any:
    """Whether all conditions hold."""
    found = conditions[0]
    for condition in conditions[1:]:
        found = compare.bitwise_and(found, condition)
    return found


def either(*conditions: Any) -> Any:
    """Whether one of the conditions holds."""
    found = conditions[0]
    for condition in conditions[1:]:
        found = compare.bitwise_or(found, condition)
    return found


def negated(condition: Any) -> Any:
    """Whether a condition does not hold."""
    return compare.bitwise_not(condition)


def constant(value: float, like: Term) -> Term:
    """A number of the dtype of another term."""
    return Term(np.asarray(value, dtype_of(like.array))[()])


def where(condition: Any, x: Any, y: Any) -> Term:
    """``x`` where the condition holds, else ``y``; one of them is a term."""
    return Term(compare.select(condition, _raw(x), _raw(y)))


def of(function: Callable[..., Any]) -> Callable[..., Term]:
    """A function of arrays as one of terms."""

    def applied(*terms: Any) -> Term:
        return Term(function(*map(_raw, terms)))

    return applied


exp, expm1, log, log1p = map(of, (transcendental.exp, transcendental.expm1, transcendental.log, transcendental.log1p))
sin, cos, sqrt, absolute, floor, ceil, power = map(
    of,
    (
        transcendental.sin,
        transcendental.cos,
        arithmetic.sqrt,
        arithmetic.abs,
        arithmetic.floor,
        arithmetic.ceil,
        arithmetic.pow,
    ),
)


def polynomial(x: Term, coefficients: Sequence[float]) -> Term:
    """Horner's rule; the coefficient of power 0 comes first."""
    total = x * 0 + coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def repeat(count: int, step: Callable[..., Sequence[Term]], carry: Sequence[Term], fixed: Sequence[Term]) -> list[Term]:
    """``carry = step(n, *carry, *fixed)`` for n = 0, 1, ..., count - 1, n as a term of rank 0; derivatives follow."""
    values = [_raw(x) for x in (*carry, *fixed)]
    dtype = dtype_of(values[0])
    avals = [get_aval(x) for x in values]

    def body(*arrays: Any) -> list[Any]:
        *inner, n = map(Term, arrays)
        carries, rest = inner[len(fixed) :], inner[: len(fixed)]
        return [_raw(x) for x in step(n, *carries, *rest)]

    order = [*avals[len(carry) :], *avals[: len(carry)], shaped((), dtype)]
    closed = stage_closed(body, order, name="repeat")
    operands = [*values[len(carry) :], *values[: len(carry)], np.arange(count).astype(dtype)]
    return [Term(x) for x in loop(closed, operands, consts=len(fixed), carry=len(carry), length=count)]


def formula(function: Callable[..., Term]) -> Callable[..., Any]:
    """A formula of terms as a function of arrays: operands get one shape, narrow floats are computed in float32."""

    def applied(*arrays: Any) -> Any:
        dtype = dtype_of(arrays[0])
        wide = _FLOAT32 if dtype.itemsize < 4 else dtype
        shape = max((shape_of(x) for x in arrays), key=len)
        terms = []
        for x in arrays:
            # A conversion would make a strong type of a weak one.
            x = x if dtype_of(x) == wide else convert_element_type(x, wide)
            terms.append(Term(broadcast_in_dim(x, shape, ()) if shape_of(x) != shape else x))
        out = function(*terms).array
        return convert_element_type(out, dtype) if wide != dtype else out

    return applied
