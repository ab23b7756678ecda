"""Jet rules: derivatives of primitives along a curve, for ``define`` and the families.

Kinds of rules (linear, term by term, products, by derivative, by formula), and ``Recurrences``, with the elementary
functions by their differential equations. Terms are derivatives, not divided by factorials; coefficients are a value
followed by its terms. Knows the tables and structural operations; arithmetic is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import comb
from typing import Any

from cotan.ir import primitive as tables
from cotan.ir.avals import get_aval, tangent_dtype
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.primitives.operands import shape_of
from cotan.structural import Zero, add_any, broadcast_in_dim
from cotan.transforms.jet import instantiate_term, jet_flat, zero_series, zero_term
from cotan.transforms.partial_eval import linearize_flat
from cotan.transforms.stage import replay

Function = Callable[..., Any]
Coefficients = Sequence[Any]
BY_JVP = none("its jvp rule, followed along the curve, gives the terms")


def TERM_BY_TERM(*args: Any, **params: Any) -> Any:
    """In place of a jet function: piecewise linear, so that every term is a tangent."""
    raise TypeError("TERM_BY_TERM is a mark for definers, not a rule")


def BY_SLOPE(*args: Any, **params: Any) -> Any:
    """In place of a jet function: from the series of the jvp functions, which do not read the result."""
    raise TypeError("BY_SLOPE is a mark for definers, not a rule")


# ---- Sums of terms


def total(terms: Iterable[Any]) -> Any:
    """The sum of terms."""
    found: Any = zero_term
    for term in terms:
        if term is zero_term or type(term) is Zero:
            continue
        found = term if found is zero_term else add_any(found, term)
    return found


def moves(terms: Coefficients) -> bool:
    """Whether any of the terms does not vanish."""
    return any(t is not zero_term for t in terms)


def _product(times: Function, weigh: Function, u: Coefficients, v: Coefficients, k: int, orders: Iterable[int]) -> Any:
    """The derivative of order k of u times v, or only what comes of the given ``orders`` of u."""
    return total(
        weigh(times(u[j], v[k - j]), comb(k, j)) for j in orders if u[j] is not zero_term and v[k - j] is not zero_term
    )


# ---- Kinds of rules


def linear(primitive: Primitive, **changes: Function) -> None:
    """Linear in all operands that have derivatives, together; indices and conditions stay as they are.

    ``changes`` gives parameters with which the primitive maps terms, where they differ: functions of the old ones.
    """

    @tables.jet(primitive)
    def rule(primals: Sequence[Any], series: Sequence[Coefficients], **params: Any) -> Any:
        out = primitive.bind(*primals, **params)
        if not _differs(out[0] if primitive.multiple_results else out):
            return out, [zero_series] * len(out) if primitive.multiple_results else zero_series
        params.update({name: change(params[name]) for name, change in changes.items()})
        mapped = []
        for terms in zip(*series, strict=True):
            if not moves(terms):
                mapped.append([zero_term] * len(out) if primitive.multiple_results else zero_term)
                continue
            args = [instantiate_term(t, x) if _differs(x) else x for t, x in zip(terms, primals, strict=True)]
            mapped.append(primitive.bind(*args, **params))
        return out, [list(row) for row in zip(*mapped, strict=True)] if primitive.multiple_results else mapped


def _differs(x: Any) -> bool:
    """Whether ``x`` has derivatives."""
    dtype = get_aval(x).dtype
    return tangent_dtype(dtype) is dtype


def constant(primitive: Primitive) -> None:
    """Of zero derivative wherever there is one."""

    @tables.jet(primitive)
    def rule(primals: Sequence[Any], series: Sequence[Coefficients], **params: Any) -> Any:
        out = primitive.bind(*primals, **params)
        return out, [zero_series] * len(out) if primitive.multiple_results else zero_series


def bilinear(primitive: Primitive) -> None:
    """Linear in each of two operands: Leibniz' rule."""

    @tables.jet(primitive)
    def rule(primals: Sequence[Any], series: Sequence[Coefficients], **params: Any) -> Any:
        u, v = ([x, *terms] for x, terms in zip(primals, series, strict=True))

        def times(x: Any, y: Any) -> Any:
            return primitive.bind(x, y, **params)

        return times(u[0], v[0]), [_product(times, _by_repetition, u, v, k, range(k + 1)) for k in range(1, len(u))]


def _by_repetition(x: Any, weight: int) -> Any:
    """``weight`` times x, by sums."""
    found: Any = zero_term
    while True:
        if weight & 1:
            found = total([found, x])
        weight >>= 1
        if not weight:
            return found
        x = add_any(x, x)


def piecewise_linear(primitive: Primitive) -> None:
    """Linear around almost every point, by a jvp rule that chooses the piece: it maps every term."""

    @tables.jet(primitive)
    def rule(primals: Sequence[Any], series: Sequence[Coefficients], **params: Any) -> Any:
        varying = [k for k, terms in enumerate(series) if moves(terms)]

        def function(*values: Any) -> list[Any]:
            args = list(primals)
            for k, x in zip(varying, values, strict=True):
                args[k] = x
            out = primitive.bind(*args, **params)
            return list(out) if primitive.multiple_results else [out]

        piece = linearize_flat(function, [primals[k] for k in varying])
        found: list[list[Any]] = [[] for _ in piece.outs]
        for terms in zip(*(series[k] for k in varying), strict=True):
            mapped = iter(())
            if moves(terms):
                args = [instantiate_term(t, primals[k]) for k, t in zip(varying, terms, strict=True)]
                mapped = iter(replay(piece.jaxpr, piece.residuals, args))
            for row, still in zip(found, piece.out_zeros, strict=True):
                row.append(zero_term if still else next(mapped, zero_term))
        return (piece.outs, found) if primitive.multiple_results else (piece.outs[0], found[0])


def by_formula(primitive: Primitive, formula: Function) -> None:
    """The terms of ``formula``, which computes the same from simpler primitives."""

    @tables.jet(primitive)
    def rule(primals: Sequence[Any], series: Sequence[Coefficients], **params: Any) -> Any:
        order = len(series[0])
        _, found = jet_flat(lambda *args: [formula(*args, **params)], primals, series, order)
        return primitive.bind(*primals, **params), found[0]


def elementwise(primitive: Primitive, jet: Function | None, partials: Sequence[Function | None] | None) -> None:
    """An elementwise primitive.

    Args:
      jet: ``(*coefficients of each operand, out, **params) -> terms``, or TERM_BY_TERM, or BY_SLOPE; None: along the
        curve.
      partials: its jvp functions, see ``define``.
    """
    if jet is None:
        tables.jet[primitive] = BY_JVP
        return
    function: Function = jet
    if partials is not None and jet in (TERM_BY_TERM, BY_SLOPE):
        function = (_term_by_term if jet is TERM_BY_TERM else _by_slope)(partials)

    @tables.jet(primitive)
    def rule(primals: Sequence[Any], series: Sequence[Coefficients], **params: Any) -> Any:
        out = primitive.bind(*primals, **params)
        terms = function(*([x, *row] for x, row in zip(primals, series, strict=True)), out, **params)
        if len(primals) > 1:
            shape = shape_of(out)
            terms = [t if t is zero_term or shape_of(t) == shape else broadcast_in_dim(t, shape, ()) for t in terms]
        return out, terms


def _term_by_term(partials: Sequence[Function | None]) -> Function:
    def terms(*args: Any, **params: Any) -> list[Any]:
        *operands, out = args
        primals = [u[0] for u in operands]
        return [
            total(
                partial(t, *primals, out, **params)
                for partial, t in zip(partials, row, strict=True)
                if partial is not None and t is not zero_term
            )
            for row in zip(*(u[1:] for u in operands), strict=True)
        ]

    return terms


def _by_slope(partials: Sequence[Function | None]) -> Function:
    def terms(*args: Any, **params: Any) -> list[Any]:
        *operands, _ = args
        varying = [k for k, u in enumerate(operands) if moves(u[1:])]

        def slope(*values: Any) -> list[Any]:
            primals, tangents = values[: len(operands)], values[len(operands) :]
            parts = [
                partial(t, *primals, None, **params)
                for k, t in zip(varying, tangents, strict=True)
                if (partial := partials[k]) is not None
            ]
            return [total(parts)] if parts else []

        firsts = [instantiate_term(operands[k][1], operands[k][0]) for k in varying]
        earlier, later = [u[1:-1] for u in operands], [operands[k][2:] for k in varying]
        order = len(operands[0]) - 2
        values, found = jet_flat(slope, [*(u[0] for u in operands), *firsts], [*earlier, *later], order)
        return [values[0], *found[0]] if values else [zero_term] * (order + 1)

    return terms


# ---- Elementary functions by their differential equations


class Recurrences:
    """Terms of elementary functions, computed with ``mul`` and ``div``, which take Python scalars too.

    Each takes the coefficients of the operand and the function's value, and gives the terms.
    """

    def __init__(self, mul: Function, div: Function) -> None:
        self._mul = mul
        self._div = div

    def _weigh(self, x: Any, weight: int) -> Any:
        return x if weight == 1 else self._mul(x, weight)

    def _scale(self, x: Any, factor: Any) -> Any:
        return x if x is zero_term or (type(factor) is int and factor == 1) else self._mul(x, factor)

    def _less(self, x: Any, y: Any) -> Any:
        return total([x, self._scale(y, -1)])

    def product(self, u: Coefficients, v: Coefficients, k: int, first: int = 0, without: int = 0) -> Any:
        """The derivative of order k of u times v, leaving out the ``first`` and the ``without`` last orders of u."""
        return _product(self._mul, self._weigh, u, v, k, range(first, k + 1 - without))

    def along(self, u: Coefficients, y: Any, slope: Callable[[int, list[Any]], Any]) -> list[Any]:
        """Where v' = w u': ``slope(k, v)`` gives the derivative of order k of w, given those of v up to order k."""
        v, w = [y], []
        for k in range(len(u) - 1):
            w.append(slope(k, v))
            v.append(self.product(w, u[1:], k))
        return v[1:]

    def multiply(self, u: Coefficients, v: Coefficients) -> list[Any]:
        return [self.product(u, v, k) for k in range(1, len(u))]

    def square(self, u: Coefficients) -> list[Any]:
        found = []
        for k in range(1, len(u)):
            # Products of different orders come in pairs.
            half = self.product(u, u, k, without=k // 2 + 1)
            middle = self.product(u, u, k, k // 2, k // 2) if k % 2 == 0 else zero_term
            found.append(total([self._scale(half, 2), middle]))
        return found

    def divide(self, u: Coefficients, v: Coefficients, out: Any) -> list[Any]:
        """q with q v = u."""
        q = [out]
        for k in range(1, len(u)):
            rest = self._less(u[k], self.product(v, q, k, 1))
            q.append(rest if rest is zero_term else self._div(rest, v[0]))
        return q[1:]

    def exp(self, u: Coefficients, out: Any, rate: float = 1.0) -> list[Any]:
        """v' = rate v u'."""
        return self.along(u, out, lambda k, v: v[k] if rate == 1.0 else self._scale(v[k], rate))

    def riccati(self, u: Coefficients, out: Any, slope: Any, linear: int, quadratic: int) -> list[Any]:
        """v' = (constant + linear v + quadratic v**2) u', where the factor of u' is ``slope`` at first."""

        def derivative(k: int, v: list[Any]) -> Any:
            if k == 0:
                return slope
            bent = self._scale(self.product(v, v, k), quadratic)
            return total([bent, self._scale(v[k], linear)]) if linear else bent

        return self.along(u, out, derivative)

    def pair(self, u: Coefficients, first: Any, second: Any, sign: int) -> list[Any]:
        """The terms of v, where v' = w u' and w' = sign v u'."""
        v, w = [first], [second]
        for k in range(len(u) - 1):
            turned = self.product(v, u[1:], k) if k + 2 < len(u) else zero_term
            v.append(self.product(w, u[1:], k))
            w.append(self._scale(turned, sign))
        return v[1:]

    def root(self, u: Coefficients, out: Any) -> list[Any]:
        """v with v**2 = u."""
        v = [out]
        for k in range(1, len(u)):
            rest = self._less(u[k], self.product(v, v, k, 1, 1))
            v.append(rest if rest is zero_term else self._div(rest, self._mul(out, 2)))
        return v[1:]

    def power(self, u: Coefficients, out: Any, exponent: float) -> list[Any]:
        """v with u v' = exponent v u'."""
        v = [out]
        for k in range(len(u) - 1):
            # Of the derivative of order k of u v', all but u times that of v'.
            rest = self._less(self._scale(self.product(v, u[1:], k), exponent), self.product(u, v[1:], k, 1))
            v.append(rest if rest is zero_term else self._div(rest, u[0]))
        return v[1:]

    def compose(self, u: Coefficients, derivatives: Sequence[Any]) -> list[Any]:
        """Terms of f(u), where ``derivatives`` are those of f at u[0], of orders 1 to n.

        By Bell's polynomials: bell[k][m] is the sum over all ways to part k moves into m groups.
        """
        order = len(u) - 1
        bell: list[list[Any]] = [[1]]
        for k in range(1, order + 1):
            row = [zero_term]
            for m in range(1, k + 1):
                moved = ((j, bell[k - j][m - 1]) for j in range(1, k - m + 2) if u[j] is not zero_term)
                row.append(
                    total(self._weigh(self._scale(u[j], b), comb(k - 1, j - 1)) for j, b in moved if b is not zero_term)
                )
            bell.append(row)
        return [total(self._scale(b, d) for b, d in zip(row[1:], derivatives, strict=False)) for row in bell[1:]]
