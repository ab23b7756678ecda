"""Functions with their closed-over values taken out: closure_convert, and custom_gradient, which is built on it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api.custom_vjp import custom_vjp
from cotan.api.flat import FlatFunction, Function, check_argument_leaves, check_callable, fun_place, subject
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, tangent_aval
from cotan.ir.evaluate import eval_jaxpr
from cotan.ir.jaxpr import Jaxpr
from cotan.ir.trace import Tracer
from cotan.transforms.stage import stage_to_jaxpr
from cotan.tree import Partial, PyTreeDef, tree_flatten, tree_map
from cotan.tree.calling import ArgNames, fun_name


def closure_convert(fun: Function, *example_args: Any) -> tuple[Callable[..., Any], list[Any]]:
    """``fun`` as a function of the traced values that it closes over, too.

    What a custom rule may not close over becomes arguments in this way: floating-point values that a derivative or
    another transform is being taken with respect to.

    Args:
      fun: a function of arrays or pytrees of them.
      example_args: arguments, of which structures, shapes and dtypes matter.

    Returns:
      ``(converted, values)`` where ``converted(*args, *values)`` does what ``fun(*args)`` does.

    Raises:
      TypeError: ``fun`` is not callable, or an argument or result is not an array; (when called) arguments are not
        like ``example_args``.

    >>> import cotan
    >>> def scaled(y):
    ...     converted, values = cotan.closure_convert(lambda x: x * y, 1.0)
    ...     return converted(2.0, *values)
    >>> float(cotan.grad(scaled)(3.0))
    2.0
    """
    check_callable("closure_convert", fun)
    leaves, tree = tree_flatten((example_args, {}))
    names = ArgNames(fun, tree)
    check_argument_leaves("closure_convert", fun, leaves, names)
    flat = FlatFunction("closure_convert", fun, tree)
    avals = [get_aval(x) for x in leaves]
    jaxpr, consts = _staged(flat, avals, fun, "closure_convert", names)
    hoisted = [isinstance(c, Tracer) and bool(dtypes.issubdtype(c.dtype, np.inexact)) for c in consts]
    kept = [None if h else c for c, h in zip(consts, hoisted, strict=True)]
    values = [c for c, h in zip(consts, hoisted, strict=True) if h]
    out_tree = flat.out_tree

    def converted(*args: Any) -> Any:
        number = len(args) - len(values)
        given, given_tree = tree_flatten((args[:number], {}))
        if number < 0 or given_tree != tree:
            raise TypeError(
                f"{subject('closure_convert', fun)}: the converted function takes arguments like the examples, "
                f"{tree.children()[0]}, and then {len(values)} values that were closed over, got "
                f"{tree_flatten(args)[1]}"
            )
        rest = iter(args[number:])
        held = [next(rest) if h else c for c, h in zip(kept, hoisted, strict=True)]
        return out_tree.unflatten(eval_jaxpr(jaxpr, held, *given))

    converted.__name__ = converted.__qualname__ = fun_name(fun)
    return converted, values


def _staged(
    flat: Function, avals: Sequence[ShapedArray], fun: Function, by: str, names: Sequence[str] = ()
) -> tuple[Jaxpr, list[Any]]:
    return stage_to_jaxpr(flat, avals, name=fun_name(fun), arg_names=tuple(names), by=by, place=fun_place(fun))


# ---- custom_gradient


class _Pullback:
    """A backward function that was given with a result, without the values it closes over."""

    def __init__(self, jaxpr: Jaxpr, ct_tree: PyTreeDef, out_tree: PyTreeDef) -> None:
        self.jaxpr, self.ct_tree, self.out_tree = jaxpr, ct_tree, out_tree

    def __call__(self, *values_and_ct: Any) -> Any:
        *values, ct = values_and_ct
        return self.out_tree.unflatten(eval_jaxpr(self.jaxpr, values, *tree_flatten(ct)[0]))


def custom_gradient(fun: Function) -> custom_vjp:
    """A function that returns its result together with its backward function, as one with that derivative.

    Args:
      fun: returns ``(out, backward)``, where ``backward(ct)`` gives a tuple with one cotangent for each argument, or
        that of the only one. It may close over values of the function.

    Returns:
      A function that returns ``out``, a ``custom_vjp``.

    Raises:
      TypeError: ``fun`` is not callable, or (when called) does not return such a pair.

    >>> import cotan, cotan.numpy as cnp
    >>> @cotan.custom_gradient
    ... def log1pexp(x):
    ...     e = cnp.exp(x)
    ...     return cnp.log(1 + e), lambda ct: ct * (1 - 1 / (1 + e))
    >>> float(cotan.grad(log1pexp)(0.0))
    0.5
    """
    check_callable("custom_gradient", fun)

    def both(args: tuple[Any, ...]) -> tuple[Any, Function]:
        pair = fun(*args)
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and callable(pair[1])):
            raise TypeError(
                f"{subject('custom_gradient', fun)}: the function must return a pair (result, its backward function)"
            )
        return pair[0], pair[1]

    @functools.wraps(fun, updated=())
    def primal(*args: Any) -> Any:
        return both(args)[0]

    def forward(*args: Any) -> tuple[Any, Any]:
        out, backward = both(args)
        leaves, ct_tree = tree_flatten(out)
        if not all(map(is_array_like, leaves)):
            return out, None  # custom_vjp says what is wrong with it
        back_tree: Any = None

        def flat(*cts: Any) -> list[Any]:
            nonlocal back_tree
            back = backward(ct_tree.unflatten(cts))
            found, back_tree = tree_flatten(back if isinstance(back, tuple | list) else (back,), is_leaf=_is_none)
            missing = [x is None for x in found]
            back_tree = (back_tree, missing)
            return [x for x, m in zip(found, missing, strict=True) if not m]

        jaxpr, values = _staged(flat, [tangent_aval(get_aval(y)) for y in leaves], backward, "custom_gradient")
        return out, Partial(_Pullback(jaxpr, ct_tree, _present(*back_tree)), *values)

    def pull(residuals: Any, ct: Any) -> Any:
        return residuals(ct)

    forward.__name__ = pull.__name__ = fun_name(fun)
    function = custom_vjp(primal)
    function.defvjp(forward, pull)
    return function


def _is_none(x: Any) -> bool:
    return x is None


def _present(tree: PyTreeDef, missing: Sequence[bool]) -> PyTreeDef:
    """``tree`` with None in the place of the leaves that are missing."""
    flags = tree.unflatten(missing)
    return tree_flatten(tree_map(lambda m: None if m else 0, flags))[1]
