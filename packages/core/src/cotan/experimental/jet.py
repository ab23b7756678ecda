"""Taylor mode: derivatives of high order of a function along a curve, at the cost of one sweep.

``jet`` for users, and definers by which primitives of third parties get a rule. The machinery is
``transforms.jet``, the rules stand with the primitives. Rules of the definers speak of derivatives, whatever scaling
the caller of ``jet`` chose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan import tracebacks as _tracebacks
from cotan.api.flat import FlatFunction, check_callable, lift_leaf, subject
from cotan.errors import a_type
from cotan.ir import primitive as tables
from cotan.ir.avals import get_aval, is_array_like
from cotan.ir.primitive import Primitive
from cotan.primitives.taylor import by_formula, constant, linear
from cotan.structural import broadcast_in_dim, convert_element_type
from cotan.transforms.jet import (
    JetTrace,
    JetTracer,
    ZeroSeries,
    ZeroTerm,
    jet_flat,
    zero_series,
    zero_term,
)
from cotan.tree import tree_flatten

__all__ = [
    "JetTrace",
    "JetTracer",
    "ZeroSeries",
    "ZeroTerm",
    "def_comp",
    "def_deriv",
    "deflinear",
    "defzero",
    "deriv_prop",
    "fact",
    "jet",
    "linear_prop",
    "zero_prop",
    "zero_series",
    "zero_term",
]

Function = Callable[..., Any]


def jet(
    fun: Function,
    primals: Sequence[Any],
    series: Sequence[Sequence[Any]],
    factorial_scaled: bool = True,
    **_: Any,
) -> tuple[Any, Any]:
    """The value of ``fun`` and its derivatives of orders 1 to n along a curve.

    The curve x(t) is given by its value and derivatives at t = 0; those of ``fun(x(t))`` are computed.

    Args:
      fun: takes as many arrays as there are ``primals`` and returns a pytree of arrays.
      primals: x(0): for each argument a floating or complex array of any shape.
      series: for each argument the n derivatives of x at 0, in the order 1 to n: arrays of the argument's shape and
        dtype, or scalars. To derive by one argument, its series is ``(1.0, 0.0, 0.0, ...)``.
      factorial_scaled: whether series, given and returned, hold derivatives. If not, they hold coefficients of powers
        of t: derivatives divided by k!.

    Returns:
      ``(out, series of out)``: what ``fun`` returns, and the same with a list of n arrays in place of every array.

    Raises:
      ValueError: series are of different lengths, or there is not one for each argument; an argument is not a single
        array; a term has another shape than its argument.
      TypeError: an argument has no derivatives (integers), or a term another dtype than its argument.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental.jet import jet
    >>> y, (d1, d2, d3) = jet(lambda x: x**3, (2.0,), ((1.0, 0.0, 0.0),))
    >>> float(y), float(d1), float(d2), float(d3)
    (8.0, 12.0, 12.0, 6.0)
    """
    check_callable("jet", fun)
    primals, series = tuple(primals), tuple(map(tuple, series))
    who = subject("jet", fun)
    order = _order(who, primals, series)
    args = [_argument(who, k, x) for k, x in enumerate(primals)]
    terms = [[_term(who, k, j, t, x) for j, t in enumerate(row)] for k, (x, row) in enumerate(zip(args, series))]
    if not factorial_scaled:
        terms = [_scaled(row, lax.mul) for row in terms]
    flat = FlatFunction("jet", fun, tree_flatten((primals, {}))[1])
    outs, found = jet_flat(flat, args, terms, order)
    rows = [[cnp.zeros_like(y) if t is zero_term else t for t in row] for y, row in zip(outs, found, strict=True)]
    if not factorial_scaled:
        rows = [_scaled(row, lax.div) for row in rows]
    return flat.out_tree.unflatten(outs), flat.out_tree.unflatten(rows)


def _order(who: str, primals: Sequence[Any], series: Sequence[Sequence[Any]]) -> int:
    if len(primals) != len(series):
        raise ValueError(f"{who}: there must be one series for each primal, got {len(primals)} and {len(series)}")
    lengths = sorted({len(row) for row in series})
    if len(lengths) != 1:
        raise ValueError(
            f"{who}: all series must have the same number of terms, got {', '.join(map(str, lengths)) or 'no series'}. "
            "Fill up shorter ones with zeros."
        )
    return lengths[0]


def _argument(who: str, k: int, x: Any) -> Any:
    if not is_array_like(x):
        raise ValueError(
            f"{who}: primal value at position {k} is {a_type(x)}, not an array. Give every array of a pytree "
            "as an argument of its own, or close over it."
        )
    x = lift_leaf(float(x) if type(x) is int else x)
    dtype = get_aval(x).dtype
    if not dtypes.issubdtype(dtype, cnp.inexact):
        raise TypeError(
            f"{who}: primal value at position {k} has dtype {dtypes.short_name(dtype)}, but derivatives exist for "
            "floating-point arguments only. Convert it to float, or close over it."
        )
    return x


def _term(who: str, k: int, j: int, term: Any, x: Any) -> Any:
    """Term j of argument k, in the type of ``x``; ``zero_term`` for a Python zero."""
    if not is_array_like(term):
        raise ValueError(f"{who}: term {j} for argument {k} is {a_type(term)}, not an array")
    if isinstance(term, int | float) and term == 0:
        return zero_term
    want, have = get_aval(x), get_aval(term)
    if have.shape not in ((), want.shape):
        raise ValueError(
            f"{who}: term {j} for argument {k} has shape {have.shape}, but the argument has shape {want.shape}. Terms "
            "are arrays of the argument's shape, or scalars."
        )
    if have.dtype != want.dtype:
        if dtypes.promote_types(have.dtype, want.dtype) != want.dtype and not have.weak_type:
            raise TypeError(
                f"{who}: term {j} for argument {k} has dtype {dtypes.short_name(have.dtype)}, but the argument has "
                f"dtype {dtypes.short_name(want.dtype)}. Convert one of them with .astype."
            )
        term = convert_element_type(term, want.dtype, want.weak_type)
    term = lift_leaf(term)
    return term if have.shape == want.shape else broadcast_in_dim(term, want.shape, ())


def _scaled(row: Sequence[Any], by: Function) -> list[Any]:
    """Term k (from 1) multiplied or divided by k!."""
    if not row or all(t is zero_term for t in row):
        return list(row)
    return [
        t if t is zero_term or k < 2 or not dtypes.issubdtype(get_aval(t).dtype, cnp.inexact)
        else by(t, float(math.factorial(k)))
        for k, t in enumerate(row, 1)
    ]  # fmt: skip


def fact(n: Any) -> Any:
    """The factorial of ``n``, as a floating array; elementwise.

    >>> from cotan.experimental.jet import fact
    >>> float(fact(5))
    120.0
    """
    if type(n) is int:
        return cnp.asarray(float(math.factorial(n)))
    return lax.round(lax.exp(lax.lgamma(cnp.asarray(n) + 1.0)))


# ---- Rules for primitives of third parties


def defzero(prim: Primitive) -> None:
    """Say that the derivatives of ``prim`` are zero wherever they exist."""
    constant(prim)


def deflinear(prim: Primitive) -> None:
    """Say that ``prim`` is linear in all its floating operands together."""
    linear(prim)


def def_deriv(prim: Primitive, deriv: Function) -> None:
    """Give the rule of a primitive of one operand by its derivative, a function of the operand."""

    @tables.jet(prim)
    def rule(primals: Sequence[Any], series: Sequence[Sequence[Any]], **params: Any) -> Any:
        return _by_derivative(prim, deriv, primals[0], series[0], params)


def _by_derivative(prim: Primitive, deriv: Function, x: Any, terms: Sequence[Any], params: dict[str, Any]) -> Any:
    """The terms are those of the slope ``deriv(x) * x'``, which is of one order less."""
    first = cnp.zeros_like(x) if terms[0] is zero_term else terms[0]
    values, found = jet_flat(
        lambda u, slope: [lax.mul(deriv(u), slope)], [x, first], [terms[:-1], terms[1:]], len(terms) - 1
    )
    return prim.bind(x, **params), [values[0], *found[0]]


def def_comp(prim: Primitive, comp: Function, **kwargs: Any) -> None:
    """Give the rule of a primitive by ``comp``, a function that computes the same from other primitives."""
    by_formula(prim, partial(comp, **kwargs))


def zero_prop(prim: Primitive, primals_in: Sequence[Any], series_in: Sequence[Any], **params: Any) -> Any:
    """The rule that ``defzero`` gives: the result and ``zero_series``."""
    return prim.bind(*primals_in, **params), zero_series


def linear_prop(prim: Primitive, primals_in: Sequence[Any], series_in: Sequence[Any], **params: Any) -> Any:
    """The rule that ``deflinear`` gives: the result, and for every order the primitive of the terms."""
    mapped = [prim.bind(*terms, **params) for terms in zip(*series_in, strict=True)]
    return prim.bind(*primals_in, **params), list(zip(*mapped, strict=True)) if prim.multiple_results else mapped


def deriv_prop(prim: Primitive, deriv: Function, primals_in: Sequence[Any], series_in: Sequence[Any]) -> Any:
    """The rule that ``def_deriv`` gives, for coefficients of powers: derivatives divided by k!."""
    (x,), (coefficients,) = primals_in, series_in
    out, terms = _by_derivative(prim, deriv, x, _scaled(coefficients, lax.mul), {})
    return out, _scaled(terms, lax.div)


_tracebacks.guard(globals())
