"""reduce_window: sliding windows combined by any associative function.

Sums and extrema are primitives; any other function is a composition, applied to halves of all windows at once, so that
all transforms follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.api.bodies import check_leaves, differences, finish, trace_body
from cotan.api.flat import check_callable, subject
from cotan.api.programs import Program
from cotan.errors import where
from cotan.ir.avals import get_aval, is_array_like, same_type, shaped
from cotan.lax import reductions
from cotan.primitives import arithmetic, compare, pooling, sliding
from cotan.primitives.compare import bitwise_and, select
from cotan.primitives.reduce import fold, full
from cotan.primitives.sliding import Slide
from cotan.structural import broadcast_in_dim, convert_element_type
from cotan.tracebacks import boundary
from cotan.tree import keystr, tree_flatten

_WINDOWS = {
    arithmetic.add_p: pooling.reduce_window_sum_p,
    arithmetic.max_p: pooling.reduce_window_max_p,
    arithmetic.min_p: pooling.reduce_window_min_p,
}


@boundary
def reduce_window(
    operand: Any,
    init_value: Any,
    computation: Callable[..., Any],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int] | None = None,
    padding: Any = "VALID",
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> Any:
    """Combine the elements of sliding windows by an associative and commutative function.

    Args:
      operand: a pytree of arrays of one shape.
      init_value: a pytree of scalars of their dtypes, which every window begins with.
      computation: ``(a, b) -> c`` of pytrees of scalars like ``init_value``, associative and commutative. Addition, max
        and min are recognised and done at once.
      window_dimensions: the window's extent along every axis.
      window_strides: how far the window moves along every axis; None: 1.
      padding: 'VALID', 'SAME', 'SAME_LOWER', or a pair (low, high) per axis; negative ones cut off. What lies in the
        padding counts as not there.
      base_dilation, window_dilation: per axis the distance of neighbours in the operand and in the window; None: 1.

    Returns:
      A pytree of arrays with one element per window.

    Raises:
      TypeError: structures, dtypes or ranks do not agree.
      ValueError: operands differ in shape, or the window does not fit them.

    >>> import cotan.numpy as cnp
    >>> from cotan import lax
    >>> lax.reduce_window(cnp.arange(5.0), -cnp.inf, lax.max, (2,), (2,), "SAME")
    Array([1., 3., 4.], dtype=float32)
    """
    name = "reduce_window"
    check_callable(name, computation)
    arrays, tree = tree_flatten(operand)
    inits, init_tree = tree_flatten(init_value)
    if tree != init_tree:
        raise TypeError(
            f"{where()}: {name}: operand and init_value must have one structure, but they differ:\n"
            f"{differences('', tree, init_tree)}"
        )
    if not arrays:
        raise ValueError(f"{where()}: {name} needs at least one operand")
    check_leaves(name, computation, (tree, tree), [*arrays, *inits])
    shapes = [get_aval(x).shape for x in arrays]
    if len(set(shapes)) > 1:
        raise ValueError(f"{where()}: {name}: operands must have one shape, got {', '.join(map(str, shapes))}")
    inits = [_initial(x, init, keystr(path)) for x, init, path in zip(arrays, inits, tree.paths(), strict=True)]
    window = pooling.window_parameters(
        name, shapes[0], window_dimensions, window_strides, padding, base_dilation, window_dilation
    )
    scalars = [shaped((), get_aval(x).dtype) for x in arrays]
    program = trace_body(name, computation, (tree, tree), [*scalars, *scalars])
    if program.out_tree != tree or not all(map(same_type, program.closed.out_avals, scalars)):
        shown = ", ".join(a.short() for a in program.closed.out_avals)
        raise TypeError(
            f"{subject(name, computation)}: it must give what it combines, ({', '.join(a.short() for a in scalars)}), "
            f"got ({shown})"
        )
    return finish(tree, _reduced(program, arrays, inits, window))


def _initial(x: Any, init: Any, path: str) -> Any:
    """An initial value as a scalar of the operand's dtype."""
    aval, wanted = get_aval(init), get_aval(x).dtype
    if aval.shape:
        raise TypeError(f"{where()}: reduce_window: init_value{path} must be a scalar, got {aval.short()}")
    if not is_array_like(init) or aval.weak_type or aval.dtype == wanted:
        return init if aval.dtype == wanted else convert_element_type(init, wanted)
    raise TypeError(
        f"{where()}: reduce_window: init_value{path} is {aval.short()}, but the operand is {get_aval(x).short()}; "
        "their dtypes must agree"
    )


def _reduced(program: Program, arrays: Sequence[Any], inits: Sequence[Any], window: pooling.Window) -> list[Any]:
    found = pooling.check_window("reduce_window", get_aval(arrays[0]).shape, window)
    known = reductions.known_operation(program)
    if known is None:
        return _by_halves(program, arrays, inits, found)
    (x,), (init,), dtype = arrays, inits, get_aval(arrays[0]).dtype
    neutral = reductions.neutral_of(known)
    primitive = _WINDOWS.get(known)
    if primitive is not None and dtype != np.bool_:
        result = primitive.bind(x, **window)
    else:
        result = _folded(program, [x], [neutral(dtype)], found)[0]
    if reductions.is_neutral(init, neutral, dtype):
        return [result]
    return reductions.combine(program, [_everywhere(init, x, found)], [result])


def _everywhere(init: Any, x: Any, found: Sequence[Slide]) -> Any:
    """An initial value for every window."""
    aval = get_aval(x)
    return broadcast_in_dim(convert_element_type(init, aval.dtype), tuple(slide.count for slide in found), ())


def _spread(x: Any, found: Sequence[Slide], fill: Any) -> Any:
    return sliding.spread(x, range(len(found)), found, np.asarray(fill, get_aval(x).dtype)[()])


def _folded(program: Program, arrays: Sequence[Any], fills: Sequence[Any], found: Sequence[Slide]) -> list[Any]:
    """All windows combined, where ``fills`` stand for what is not there and change nothing."""
    counts = tuple(slide.count for slide in found)
    if 0 in counts:
        return [full(0, get_aval(x).dtype, counts) for x in arrays]
    states = [_spread(x, found, fill) for x, fill in zip(arrays, fills, strict=True)]
    rank = len(found)
    return fold(states, range(rank, 2 * rank), fills, lambda a, b: reductions.combine(program, a, b))


def _by_halves(program: Program, arrays: Sequence[Any], inits: Sequence[Any], found: Sequence[Slide]) -> list[Any]:
    """All windows combined by a function of which nothing is known: what is not there is left out."""
    counts = tuple(slide.count for slide in found)
    begin = [_everywhere(init, x, found) for init, x in zip(inits, arrays, strict=True)]
    if 0 in counts:
        return begin
    inside = _spread(full(True, np.bool_, tuple(slide.extent for slide in found)), found, False)
    states = [inside, *(_spread(x, found, 0) for x in arrays)]

    def combine(a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
        (left, *xs), (right, *ys) = a, b
        both = reductions.combine(program, xs, ys)
        chosen = [select(bitwise_and(left, right), z, select(left, x, y)) for x, y, z in zip(xs, ys, both, strict=True)]
        return [compare.bitwise_or(left, right), *chosen]

    rank = len(found)
    some, *totals = fold(states, range(rank, 2 * rank), [False, *(0 for _ in arrays)], combine)
    return [
        select(some, whole, start)
        for whole, start in zip(reductions.combine(program, begin, totals), begin, strict=True)
    ]
