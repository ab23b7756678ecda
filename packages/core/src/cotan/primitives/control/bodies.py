"""Bodies of loops and branches as data: arguments and results chosen, reordered, added; programs of one equation.

What is made from a program is kept with it, so that its derivatives and its compiled code are found again.
Nothing here traces a user's function, and nothing knows a primitive by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from cotan.errors import where
from cotan.ir.avals import ShapedArray, get_aval, same_type, shaped
from cotan.ir.effects import no_effects
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from cotan.ir.primitive import Primitive, abstract, effects
from cotan.primitives.random_bits import random_wrap
from cotan.runtime.array import Array
from cotan.runtime.devices import chosen_device
from cotan.structural import broadcast_in_dim, zeros_like_aval
from cotan.transforms.cache import weakly_cached
from cotan.transforms.effects import without_effects
from cotan.transforms.jet import jet_jaxpr
from cotan.transforms.prune import live_equations, prune

P = ParamSpec("P")
R = TypeVar("R")
Mask = tuple[bool, ...]
Terms = tuple[Mask, ...]
Bind = Callable[..., list[Any]]


# ---- Lists and masks


def chosen(values: Iterable[Any], mask: Iterable[bool]) -> list[Any]:
    """The values for which ``mask`` is true."""
    return [x for x, m in zip(values, mask, strict=True) if m]


def others(values: Iterable[Any], mask: Iterable[bool]) -> list[Any]:
    """The values for which ``mask`` is false."""
    return [x for x, m in zip(values, mask, strict=True) if not m]


def merged(mask: Iterable[bool], where_false: Iterable[Any], where_true: Iterable[Any]) -> list[Any]:
    """One list of two, each in its order: of ``where_true`` where ``mask`` is true, else of ``where_false``."""
    first, second = iter(where_false), iter(where_true)
    return [next(second) if m else next(first) for m in mask]


def either(a: Iterable[bool], b: Iterable[bool]) -> Mask:
    """Where one of two masks is true."""
    return tuple(x or y for x, y in zip(a, b, strict=True))


def grown(closed: ClosedJaxpr, terms: Terms, first: int, carry: int) -> tuple[ClosedJaxpr, Terms, Terms]:
    """The program of values and terms of a loop's body, where a carry has a term of an order if it ever gets one.

    Args:
      terms: for each argument of the body, and each order, whether it comes with a term.
      first, carry: number of the first argument that is a carry, and of carries; they are the first results.

    Returns:
      As ``jet_jaxpr``; and the terms of the arguments.
    """
    before, carries, after = cut(terms, first, carry)
    never = (False,) * len(terms[0])
    while True:
        given = (*before, *carries, *after)
        body, found = jet_jaxpr(closed, given, (*carries, *[never] * (len(closed.jaxpr.outvars) - carry)))
        if found[:carry] == carries:
            return body, found, given
        carries = tuple(map(either, carries, found))


def cut(values: Sequence[Any], *counts: int) -> list[Any]:
    """``values`` in consecutive parts of the given sizes, and what is left as the last one."""
    parts, start = [], 0
    for count in counts:
        parts.append(values[start : start + count])
        start += count
    return [*parts, values[start:]]


# ---- Programs


def rearranged(closed: ClosedJaxpr, arguments: Sequence[int], results: Sequence[int]) -> ClosedJaxpr:
    """``closed`` with the given ones of its arguments (the others are not read) and of its results, in that order."""
    return _rearranged(closed, tuple(arguments), tuple(results))


@weakly_cached
def _rearranged(closed: ClosedJaxpr, arguments: tuple[int, ...], results: tuple[int, ...]) -> ClosedJaxpr:
    jaxpr = closed.jaxpr
    names = jaxpr.arg_names
    changed = jaxpr.replace(
        invars=[jaxpr.invars[k] for k in arguments],
        outvars=[jaxpr.outvars[k] for k in results],
        arg_names=[names[k] for k in arguments] if names else (),
    )
    return ClosedJaxpr(changed, closed.consts)


@weakly_cached
def taking(closed: ClosedJaxpr, places: tuple[int | None, ...], avals: tuple[ShapedArray, ...]) -> ClosedJaxpr:
    """``closed`` with arguments of types ``avals``: for each the number of the old one, or None: it is not read."""
    jaxpr = closed.jaxpr
    invars = [Var(aval) if k is None else jaxpr.invars[k] for k, aval in zip(places, avals, strict=True)]
    names = jaxpr.arg_names and ["" if k is None else jaxpr.arg_names[k] for k in places]
    return ClosedJaxpr(jaxpr.replace(invars=invars, arg_names=names), closed.consts)


@weakly_cached
def pruned(closed: ClosedJaxpr) -> tuple[ClosedJaxpr, Mask]:
    """``closed`` without equations that nobody reads, and which of its arguments (which all stay) it reads."""
    jaxpr, consts = prune(closed.jaxpr, closed.consts)
    _, read = live_equations(jaxpr, jaxpr.outvars)
    return ClosedJaxpr(jaxpr, consts), tuple(v in read for v in jaxpr.invars)


def silent(closed: ClosedJaxpr) -> ClosedJaxpr:
    """``closed`` without effects that have no results, for a loop that is run once more.

    Raises:
      ValueError: there are others.
    """
    found = _silent(closed) if closed.effects else closed
    if found.effects:
        names = ", ".join(sorted(map(str, found.effects)))
        raise ValueError(
            f"{where()}: linearize (or grad, vjp) of a while_loop runs it once for the values and once for the "
            f"tangents, but its effects ({names}) have results on which it depends. Differentiate it with jvp"
        )
    return found


@weakly_cached
def _silent(closed: ClosedJaxpr) -> ClosedJaxpr:
    return ClosedJaxpr(closed.jaxpr.replace(eqns=without_effects(closed.eqns)), closed.consts)


def beside(counts: Sequence[int], extra: Sequence[int]) -> tuple[int, ...]:
    """The order that puts what belongs to a group beside it.

    Of a list of groups of the given sizes, followed by as many more elements for each place as ``extra`` says (its
    tangent, say, where it is true): positions of (first group, its extra elements, second group, ...).
    """
    order: list[int] = []
    start, position = 0, len(extra)
    for count in counts:
        order += range(start, start + count)
        more = sum(extra[start : start + count])
        order += range(position, position + more)
        start, position = start + count, position + more
    return tuple(order)


def apart(counts: Sequence[int], extra: Sequence[int], values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """What ``beside`` has put together: the values, and the extra ones."""
    whole: list[Any] = [None] * len(values)
    for position, x in zip(beside(counts, extra), values, strict=True):
        whole[position] = x
    return whole[: len(extra)], whole[len(extra) :]


def keep_first(function: Callable[Concatenate[tuple[ClosedJaxpr, ...], P], R]) -> Callable[..., R]:
    """Memoise a function of several programs (branches) with the first of them."""

    @weakly_cached
    def of_first(first: ClosedJaxpr, /, rest: tuple[ClosedJaxpr, ...], *args: P.args, **kwargs: P.kwargs) -> R:
        return function((first, *rest), *args, **kwargs)

    def cached(programs: tuple[ClosedJaxpr, ...], *args: P.args, **kwargs: P.kwargs) -> R:
        return of_first(programs[0], programs[1:], *args, **kwargs)

    return cached


def twin(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The same program as another object, for what is kept with ``closed``: holding itself would make it a cycle."""
    return ClosedJaxpr(closed.jaxpr, closed.consts)


def one_equation(primitive: Primitive, avals: Sequence[ShapedArray], params: dict[str, Any]) -> ClosedJaxpr:
    """The program that applies ``primitive`` to its arguments."""
    operands = [Var(aval) for aval in avals]
    results = [Var(aval) for aval in abstract[primitive](*avals, **params)]
    rule = effects.get(primitive)
    eqn = Eqn(primitive, operands, results, params, rule(**params) if rule else no_effects)
    return ClosedJaxpr(Jaxpr((), operands, [eqn], results, name=primitive.name))


# ---- Values


def runs_loops(args: Sequence[Any]) -> bool:
    """Whether the device where a call with these arguments runs has loops in its compiled programs."""
    device = chosen_device([x for x in args if type(x) is Array])
    capabilities = device.backend.capabilities
    return capabilities.control_flow and capabilities.door != "eager"


def blank(aval: ShapedArray) -> Any:
    """Some value of type ``aval``, for what nobody reads: zeros, or keys of zeros."""
    if isinstance(aval.dtype, np.dtype):
        return zeros_like_aval(aval)
    words = broadcast_in_dim(np.uint32(0), aval.shape + aval.dtype.trailing, ())
    return random_wrap(words, impl=aval.dtype.impl)


def along(aval: ShapedArray, length: int) -> ShapedArray:
    """The type of ``length`` values of type ``aval`` along a new first axis."""
    return shaped((length, *aval.shape), aval.dtype, aval.weak_type)


def check_operands(primitive: Primitive, expected: Sequence[ShapedArray], avals: Sequence[ShapedArray]) -> None:
    """Raise TypeError unless the operands of ``primitive`` have the types that its programs take."""
    if len(avals) != len(expected) or not all(map(same_type, avals, expected)):
        raise TypeError(
            f"{where()}: {primitive} takes operands of types ({', '.join(a.short() for a in expected)}), "
            f"got ({', '.join(a.short() for a in avals)})"
        )


def types_of(values: Iterable[Any]) -> tuple[ShapedArray, ...]:
    """The abstract values of ``values``."""
    return tuple(map(get_aval, values))
