"""Callbacks: Python functions of the user that run on the host in the middle of a program.

``pure_callback`` computes, ``io_callback`` talks to the world, ``debug_callback`` shows. Their parameter ``callback``
is a host function (see ``host_function``). Nothing here knows when or where a program runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from cotan.errors import where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.effects import DebugEffect, Effect, Effects, IOEffect, OrderedDebugEffect, OrderedIOEffect
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.primitives.host_function import HostFunction, PerExample, Where, innermost
from cotan.primitives.taylor import BY_JVP
from cotan.runtime.array import Array
from cotan.runtime.dispatch import lift
from cotan.structural import broadcast_in_dim
from cotan.transforms.batch import AxisData, moveaxis

Avals = tuple[ShapedArray, ...]

pure_callback_p = Primitive("pure_callback", multiple_results=True, higher_order=True)
io_callback_p = Primitive("io_callback", multiple_results=True, higher_order=True)
debug_callback_p = Primitive("debug_callback", multiple_results=True, higher_order=True)

VMAP_METHODS = ("sequential", "sequential_unrolled", "expand_dims", "broadcast_all", "legacy_vectorized")

debug_effect = DebugEffect()
ordered_debug_effect = OrderedDebugEffect()
io_effect = IOEffect()
ordered_io_effect = OrderedIOEffect()


def pure_callback(
    args: Sequence[Any], callback: HostFunction, result_avals: Avals, vmap_method: str | None = None
) -> list[Any]:
    """What ``callback`` returns for ``args``; not called where nobody reads that."""
    return pure_callback_p.bind(  # type: ignore[no-any-return]
        *args, callback=callback, result_avals=result_avals, vmap_method=vmap_method
    )


def io_callback(args: Sequence[Any], callback: HostFunction, result_avals: Avals, ordered: bool = False) -> list[Any]:
    """What ``callback`` returns for ``args``; called exactly where the program says so."""
    effect = ordered_io_effect if ordered else io_effect
    return io_callback_p.bind(  # type: ignore[no-any-return]
        *args, callback=callback, result_avals=result_avals, effect=effect
    )


def debug_callback(
    args: Sequence[Any], callback: HostFunction, ordered: bool = False, partitioned: bool = False
) -> None:
    """Show ``args`` to ``callback``."""
    effect = ordered_debug_effect if ordered else debug_effect
    debug_callback_p.bind(*args, callback=callback, effect=effect, partitioned=partitioned)


# ---- Rules that all of them share


def _words(x: Any) -> np.ndarray[Any, Any]:
    held: Array = lift(x)
    return held._words()


def _callback_rules(primitive: Primitive) -> None:
    @tables.abstract(primitive)
    def abstract(*avals: ShapedArray, result_avals: Avals = (), **params: Any) -> list[ShapedArray]:
        return list(result_avals)

    @tables.reference(primitive)
    def reference(*arrays: Any, callback: HostFunction, result_avals: Avals = (), **params: Any) -> list[Any]:
        return callback(arrays, result_avals)

    @tables.eager(primitive)
    def eager(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        results = params["callback"](list(map(_words, args)), params.get("result_avals", ()))
        return list(map(lift, results))

    tables.jet[primitive] = BY_JVP
    tables.partial_eval[primitive] = none("nothing in it could be split: it runs where all its operands are known")
    tables.kernel[primitive] = none("it runs on the host")
    tables.decompose[primitive] = none("it runs on the host")


def _no_derivative(what: str, hint: str) -> Callable[..., NoReturn]:
    def jvp(primals: Sequence[Any], tangents: Sequence[Any], *, callback: HostFunction, **params: Any) -> NoReturn:
        raise ValueError(
            f"{where()}: {innermost(callback).described()} cannot be differentiated: {what} has no derivative rule. "
            f"{hint}"
        )

    return jvp


def _each_example(
    primitive: Primitive, axis: AxisData, args: Sequence[Any], dims: Sequence[int | None], params: dict[str, Any]
) -> tuple[list[Any], list[int]]:
    """The callback, once for each example, in their order."""
    changed = {**params, "callback": PerExample(params["callback"], dims, axis.size)}
    if "result_avals" in params:
        changed["result_avals"] = _with_axis(params["result_avals"], axis.size)
    results = primitive.bind(*args, **changed)
    return results, [0] * len(results)


def _with_axis(avals: Avals, size: int) -> Avals:
    return tuple(shaped((size, *aval.shape), aval.dtype) for aval in avals)


# ---- pure_callback: params callback, result_avals, vmap_method

_callback_rules(pure_callback_p)
tables.jvp[pure_callback_p] = _no_derivative(
    "pure_callback", "Say what the derivative is with cotan.custom_jvp or cotan.custom_vjp around it."
)
tables.transpose[pure_callback_p] = none("it is not linear")


@tables.batch(pure_callback_p)
def _batch_pure(axis: AxisData, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> Any:
    method = params["vmap_method"]
    if method is None:
        raise NotImplementedError(
            f"{where()}: {innermost(params['callback']).described()} is under vmap, but how to call it for a whole "
            f"axis of examples was not said: give pure_callback a vmap_method, one of {', '.join(VMAP_METHODS)}"
        )
    if method in ("sequential", "sequential_unrolled"):
        return _each_example(pure_callback_p, axis, args, dims, params)
    whole = [x if d is None else moveaxis(x, d, 0) for x, d in zip(args, dims, strict=True)]
    if method != "legacy_vectorized":
        size = axis.size if method == "broadcast_all" else 1
        whole = [_repeated(x, size) if d is None else x for x, d in zip(whole, dims, strict=True)]
    avals = _with_axis(params["result_avals"], axis.size)
    results = pure_callback_p.bind(*whole, **{**params, "result_avals": avals})
    return results, [0] * len(results)


def _repeated(x: Any, size: int) -> Any:
    x = lift(x) if isinstance(x, bool | int | float | complex) else x
    return broadcast_in_dim(x, (size, *x.shape), tuple(range(1, len(x.shape) + 1)))


# ---- io_callback: params callback, result_avals, effect

_callback_rules(io_callback_p)
tables.jvp[io_callback_p] = _no_derivative(
    "io_callback", "Give it values that do not depend on what is differentiated: cotan.lax.stop_gradient(x)."
)
tables.transpose[io_callback_p] = none("it is not linear")


@tables.batch(io_callback_p)
def _batch_io(axis: AxisData, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> Any:
    if params["effect"].ordered:
        raise ValueError(
            f"{where()}: {innermost(params['callback']).described()} is ordered, and under vmap its arguments have "
            f"{axis.size} values at once, which have no order. Use ordered=False, or a loop (cotan.lax.map)"
        )
    return _each_example(io_callback_p, axis, args, dims, params)


# ---- debug_callback: params callback, effect, partitioned

_callback_rules(debug_callback_p)


@tables.jvp(debug_callback_p)
def _debug_jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
    return debug_callback_p.bind(*primals, **params), []


@tables.transpose(debug_callback_p)
def _debug_transpose(cts: Sequence[Any], *args: Any, **params: Any) -> list[None]:
    return [None] * len(args)


@tables.batch(debug_callback_p)
def _batch_debug(axis: AxisData, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> Any:
    return _each_example(debug_callback_p, axis, args, dims, params)


# ---- Effects, and callbacks under a condition


def _effect_rules(primitive: Primitive) -> None:
    @tables.effects(primitive)
    def effects(*, effect: Effect, **params: Any) -> Effects:
        return frozenset((effect,))

    @tables.predicate(primitive)
    def predicate(condition: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        changed = {**params, "callback": Where(params["callback"])}
        return primitive.bind(condition, *args, **changed)  # type: ignore[no-any-return]


_effect_rules(io_callback_p)
_effect_rules(debug_callback_p)
