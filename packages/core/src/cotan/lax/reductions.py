"""Reductions and prefix sums by any associative function: reduce, associative_scan.

Both are compositions: the function is applied to halves of an axis at once, so that all transforms follow.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan.api.bodies import check_leaves, differences, finish, trace_body
from cotan.api.flat import check_callable, subject
from cotan.api.programs import Program
from cotan.errors import ShapeError, where
from cotan.ir.avals import get_aval, is_array_like, same_type, shaped
from cotan.ir.primitive import Primitive
from cotan.ir.trace import Tracer
from cotan.primitives import arithmetic, compare
from cotan.primitives import reduce as reducers
from cotan.primitives.shape import concatenate, expand_dims, reshape, rev
from cotan.primitives.slice import slice as slice_of
from cotan.structural import broadcast_in_dim, convert_element_type, transpose
from cotan.tracebacks import boundary
from cotan.transforms.batch import AxisData, batch_jaxpr
from cotan.transforms.stage import replay
from cotan.tree import keystr, tree_flatten

Function = Callable[..., Any]


class _Reducer(NamedTuple):
    """What does a known computation at once, and its neutral element for a dtype."""

    reduce: Callable[[Any, Sequence[int]], Any]
    neutral: Callable[[Any], Any]


_REDUCERS = {
    arithmetic.add_p: _Reducer(reducers.reduce_sum, lambda dtype: 0),
    arithmetic.mul_p: _Reducer(reducers.reduce_prod, lambda dtype: 1),
    arithmetic.max_p: _Reducer(reducers.reduce_max, reducers.lowest),
    arithmetic.min_p: _Reducer(reducers.reduce_min, reducers.highest),
    compare.and_p: _Reducer(reducers.reduce_and, lambda dtype: True if dtype == np.bool_ else ~dtype.type(0)),
    compare.or_p: _Reducer(reducers.reduce_or, lambda dtype: 0),
    compare.xor_p: _Reducer(reducers.reduce_xor, lambda dtype: 0),
}


def is_neutral(init: Any, neutral: Callable[[Any], Any], dtype: Any) -> bool:
    """Whether an initial value is known to change nothing."""
    if isinstance(init, Tracer):
        init = init.settled()
    return not isinstance(init, Tracer) and bool(np.asarray(init) == np.asarray(neutral(dtype)).astype(dtype))


# ---- reduce


@boundary
def reduce(
    operands: Any,
    init_values: Any,
    computation: Function,
    dimensions: Sequence[int],
    out_sharding: Any = None,
) -> Any:
    """Combine all elements along ``dimensions`` by an associative and commutative function.

    Args:
      operands: a pytree of arrays of one shape.
      init_values: a pytree of scalars of the operands' dtypes: where the combination begins, and the result where there
        are no elements.
      computation: ``(a, b) -> c`` of pytrees of scalars like ``init_values``, associative and commutative. Addition,
        multiplication, max, min and the logical operations are recognised and done at once.
      dimensions: the axes that are reduced.
      out_sharding: accepted, and without meaning on one device.

    Returns:
      A pytree of arrays without these axes.

    Raises:
      TypeError: structures or dtypes of operands, initial values and results do not agree.
      ValueError: operands differ in shape, or there is no such axis.

    >>> import cotan.numpy as cnp
    >>> from cotan import lax
    >>> lax.reduce(cnp.arange(6.0).reshape(2, 3), 0.0, lambda a, b: cnp.hypot(a, b), (1,))
    Array([2.236068, 7.071068], dtype=float32)
    """
    check_callable("reduce", computation)
    arrays, tree = tree_flatten(operands)
    inits, init_tree = tree_flatten(init_values)
    if tree != init_tree:
        raise TypeError(
            f"{where()}: reduce: operands and init_values must have one structure, but they differ:\n"
            f"{differences('', tree, init_tree)}"
        )
    if not arrays:
        raise ValueError(f"{where()}: reduce needs at least one operand")
    check_leaves("reduce", computation, (tree, tree), [*arrays, *inits])
    axes = _axes(arrays, dimensions)
    inits = [_initial(x, init, keystr(path)) for x, init, path in zip(arrays, inits, tree.paths(), strict=True)]
    scalars = [shaped((), get_aval(x).dtype, get_aval(x).weak_type) for x in arrays]
    program = trace_body("reduce", computation, (tree, tree), [*scalars, *scalars])
    if program.out_tree != tree or not all(map(same_type, program.closed.out_avals, scalars)):
        shown = ", ".join(a.short() for a in program.closed.out_avals)
        raise TypeError(
            f"{subject('reduce', computation)}: it must give what it combines, "
            f"({', '.join(a.short() for a in scalars)}), got ({shown})"
        )
    known = known_operation(program)
    if known is not None:
        (x,), (init,) = arrays, inits
        reducer = _REDUCERS[known]
        result = reducer.reduce(x, axes)
        if not is_neutral(init, reducer.neutral, get_aval(x).dtype):
            (result,) = combine(program, [result], [_spread(init, x, axes)])
        return finish(tree, [result])
    return finish(tree, _by_halves(program, arrays, inits, axes))


def _axes(arrays: Sequence[Any], dimensions: Sequence[int]) -> tuple[int, ...]:
    shapes = [get_aval(x).shape for x in arrays]
    if len(set(shapes)) > 1:
        raise ValueError(f"{where()}: reduce: operands must have one shape, got {', '.join(map(str, shapes))}")
    axes = tuple(sorted(map(operator.index, dimensions)))
    rank = len(shapes[0])
    if len(set(axes)) < len(axes) or any(not 0 <= axis < rank for axis in axes):
        raise ValueError(f"{where()}: reduce: dimensions must be distinct axes of the operands, which have {rank}, "
                         f"got {tuple(dimensions)}")  # fmt: skip
    return axes


def _initial(x: Any, init: Any, path: str) -> Any:
    """An initial value as a scalar of the operand's dtype."""
    aval, wanted = get_aval(init), get_aval(x).dtype
    if aval.shape:
        raise TypeError(f"{where()}: reduce: init_values{path} must be a scalar, got {aval.short()}")
    if aval.dtype != wanted:
        raise TypeError(
            f"{where()}: reduce: init_values{path} is {aval.short()}, but the operand is {get_aval(x).short()}; their "
            "dtypes must agree"
        )
    return init


def known_operation(program: Program) -> Primitive | None:
    """The operation that a computation is, if it is one of the known ones on its two arguments."""
    jaxpr = program.closed.jaxpr
    if len(jaxpr.eqns) != 1 or len(jaxpr.outvars) != 1 or program.outer:
        return None
    (eqn,), (out,) = jaxpr.eqns, jaxpr.outvars
    if out is not eqn.outvars[0] or set(eqn.invars) != set(jaxpr.invars):
        return None
    return eqn.primitive if eqn.primitive in _REDUCERS else None


def neutral_of(operation: Primitive) -> Callable[[Any], Any]:
    """dtype -> the neutral element of a known operation."""
    return _REDUCERS[operation].neutral


def _spread(init: Any, x: Any, axes: Sequence[int]) -> Any:
    """An initial value for every element of the result."""
    kept = tuple(extent for axis, extent in enumerate(get_aval(x).shape) if axis not in axes)
    aval = get_aval(x)
    if not is_array_like(init) or get_aval(init).weak_type != aval.weak_type:
        init = convert_element_type(init, aval.dtype, weak_type=aval.weak_type)
    return broadcast_in_dim(init, kept, ())


def _by_halves(program: Program, arrays: Sequence[Any], inits: Sequence[Any], axes: tuple[int, ...]) -> list[Any]:
    """Combine the two halves of the reduced axes, made one, until one element is left; then the initial value."""
    shape = get_aval(arrays[0]).shape
    order = (*axes, *(k for k in range(len(shape)) if k not in axes))
    kept = tuple(shape[k] for k in order[len(axes) :])
    count = int(np.prod([shape[k] for k in axes], dtype=np.int64))
    whole = [_spread(init, x, axes) for init, x in zip(inits, arrays, strict=True)]
    if not count:
        return whole
    xs = [reshape(transpose(x, order), (count, *kept)) for x in arrays]
    while count > 1:
        half = count // 2
        low, high = ([_between(x, 0, start, start + half) for x in xs] for start in (0, half))
        combined = combine(program, low, high)
        if count % 2:  # the last one has no partner yet
            last = [_between(x, 0, count - 1, count) for x in xs]
            combined = [concatenate([x, y], 0) for x, y in zip(combined, last, strict=True)]
        xs, count = combined, half + count % 2
    return combine(program, whole, [reshape(x, kept) for x in xs])


def combine(program: Program, a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
    """A program's function of scalars, for all elements of arrays."""
    closed = program.closed
    for extent in reversed(get_aval(a[0]).shape):
        dims = tuple(None if k < len(program.outer) else 0 for k in range(len(closed.jaxpr.invars)))
        closed, _ = batch_jaxpr(closed, AxisData(None, extent), dims, True, front=True)
    return replay(closed.jaxpr, closed.consts, [*program.outer, *a, *b])


# ---- associative_scan


@boundary
def associative_scan(fn: Function, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All prefixes of an axis combined by an associative function, in about log2(n) steps over whole arrays.

    Args:
      fn: ``(a, b) -> c`` of pytrees like ``elems``, elementwise along ``axis``, and associative.
      elems: a pytree of arrays of one size along ``axis``.
      reverse: combine from the end: suffixes.
      axis: the axis.

    Returns:
      A pytree like ``elems``, whose element k is ``fn`` of elements 0 to k.

    Raises:
      TypeError: ``fn`` is not callable, or its results differ in structure from its arguments.
      ValueError: sizes differ, or there is no such axis.

    >>> import cotan.numpy as cnp
    >>> from cotan import lax
    >>> lax.associative_scan(cnp.multiply, cnp.arange(1, 6))
    Array([  1,   2,   6,  24, 120], dtype=int32)
    """
    check_callable("associative_scan", fn)
    leaves, tree = tree_flatten(elems)
    check_leaves("associative_scan", fn, (tree,), leaves)
    if not leaves:
        return elems
    axes = [_axis(fn, x, axis, keystr(path)) for x, path in zip(leaves, tree.paths(), strict=True)]
    sizes = {f"elems{keystr(p)}": get_aval(x).shape[a] for p, x, a in zip(tree.paths(), leaves, axes, strict=True)}
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise ValueError(f"{subject('associative_scan', fn)}: sizes along axis {axis} must agree, but {shown}")

    def combine(a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
        outs, out_tree = tree_flatten(fn(tree.unflatten(a), tree.unflatten(b)))
        if out_tree != tree:
            raise TypeError(
                f"{subject('associative_scan', fn)}: it must return the structure of its arguments, but they differ:\n"
                f"{differences('', tree, out_tree)}"
            )
        for path, given, axis, out in zip(tree.paths(), a, axes, outs, strict=True):
            _check_combined(subject("associative_scan", fn), keystr(path), get_aval(given), axis, get_aval(out))
        return outs

    xs = [rev(x, (a,)) for x, a in zip(leaves, axes, strict=True)] if reverse else leaves
    outs = _prefixes(combine, xs, axes)
    return finish(tree, [rev(x, (a,)) for x, a in zip(outs, axes, strict=True)] if reverse else outs)


def _check_combined(name: str, path: str, given: Any, axis: int, out: Any) -> None:
    if out.ndim != given.ndim or out.shape[axis] != given.shape[axis]:
        raise ShapeError(
            f"{name}: of arrays of type {given.short()} it returned {out.short()}{f' at {path}' if path else ''}; it "
            f"must combine them element by element along axis {axis}"
        )


def _axis(fn: Function, x: Any, axis: int, path: str) -> int:
    rank, axis = get_aval(x).ndim, operator.index(axis)
    if not -rank <= axis < rank:
        raise ValueError(f"{subject('associative_scan', fn)}: elems{path} has {rank} axes, so no axis {axis}")
    return axis % rank


def _prefixes(
    combine: Callable[[Sequence[Any], Sequence[Any]], list[Any]], xs: Sequence[Any], axes: Sequence[int]
) -> list[Any]:
    """Combine neighbours, take the prefixes of those, and from them make the ones in between."""
    count = get_aval(xs[0]).shape[axes[0]]
    if count < 2:
        return list(xs)

    def part(arrays: Sequence[Any], start: int, stop: int, step: int = 1) -> list[Any]:
        return [_between(x, axis, start, stop, step) for x, axis in zip(arrays, axes, strict=True)]

    pairs = combine(part(xs, 0, count - 1, 2), part(xs, 1, count, 2))
    odd = _prefixes(combine, pairs, axes)  # prefixes that end at 1, 3, 5, ...
    first = part(xs, 0, 1)
    if count == 2:
        even = first
    else:
        more = combine(part(odd, 0, (count - 1) // 2), part(xs, 2, count, 2))
        even = [concatenate([x, y], axis) for x, y, axis in zip(first, more, axes, strict=True)]
    return [_alternate(x, y, axis) for x, y, axis in zip(even, odd, axes, strict=True)]


def _alternate(even: Any, odd: Any, axis: int) -> Any:
    """Elements of two arrays in turn; ``even`` may have one more."""
    shape = get_aval(odd).shape
    count = shape[axis]
    both = concatenate(
        [expand_dims(_between(even, axis, 0, count), (axis + 1,)), expand_dims(odd, (axis + 1,))], axis + 1
    )
    merged = reshape(both, (*shape[:axis], 2 * count, *shape[axis + 1 :]))
    total = get_aval(even).shape[axis]
    return merged if total == count else concatenate([merged, _between(even, axis, count, total)], axis)


def _between(x: Any, axis: int, start: int, stop: int, step: int = 1) -> Any:
    """Elements of ``x`` from ``start`` to ``stop`` along ``axis``."""
    shape = get_aval(x).shape
    starts, stops, steps = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return x if (start, stop, step) == (0, shape[axis], 1) else slice_of(x, starts, stops, steps)
