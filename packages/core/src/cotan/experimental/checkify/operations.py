"""Error rules of operations: divisions, indices, checks of the user's; and which operations only move values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import lax
from cotan.experimental.checkify.errors import DivisionByZeroError, OOBError, Sites
from cotan.experimental.checkify.state import State
from cotan.experimental.checkify.transform import Checker, checks
from cotan.ir.avals import Shape, get_aval
from cotan.ir.primitive import Primitive
from cotan.primitives.arithmetic import div_p
from cotan.primitives.check import check_p
from cotan.primitives.gather import gather_p
from cotan.primitives.scatter import scatter_add_p, scatter_max_p, scatter_min_p, scatter_mul_p, scatter_p
from cotan.primitives.slice import dynamic_slice_p, dynamic_update_slice_p

# What gives NaN only where an operand has it.
_MOVES = (
    "reshape", "broadcast_in_dim", "transpose", "squeeze", "rev", "slice", "concatenate", "pad", "copy",
    "select_n", "convert_element_type", "bitcast_convert_type", "reduce_precision", "stop_gradient",
    "optimization_barrier", "name", "neg", "abs", "sign", "max", "min", "clamp", "sort", "top_k", "reduce_max",
    "reduce_min", "real", "imag", "complex", "conj", "floor", "ceil", "round", "random_wrap", "random_unwrap",
)  # fmt: skip


def _moves(primitive: Primitive) -> None:
    @checks(primitive)
    def rule(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> Any:
        return primitive.bind(*args, **params)


for _name in _MOVES:
    _moves(Primitive.catalogue[_name])


@checks(check_p)
def _check(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """The check becomes part of the state; those of categories that nobody asked for are dropped."""
    report = params["report"]
    assert isinstance(report, Sites)
    wanted = [site for site in report.sites if site.category in checker.enabled]
    failed, code, *payload = args
    if len(wanted) < len(report.sites):
        known: Any = np.bool_(False)
        for site in wanted:
            known = lax.bitwise_or(known, lax.eq(code, np.int32(site.code)))
        failed = lax.bitwise_and(failed, known)
    if wanted:
        checker.state = checker.state.then(State.from_flat(report, [failed, code, *payload]))
    return []


@checks(div_p)
def _div(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> Any:
    if DivisionByZeroError in checker.enabled:
        zero = lax.eq(args[1], np.zeros((), get_aval(args[1]).dtype))
        failed = lax.reduce_or(zero, tuple(range(len(get_aval(zero).shape))))
        checker.found(DivisionByZeroError, failed, lambda payload: "division by zero")
    result = div_p.bind(*args, **params)
    checker.nans("div", [result])
    return result


# ---- Indices


def _look_for_outside(checker: Checker, indices: Any, greatest: Sequence[int], axes: Sequence[int], of: Shape) -> None:
    """Look for index vectors (along the last axis of ``indices``) with a component below 0 or above ``greatest``.

    Args:
      axes: the axis of the indexed array, of shape ``of``, that each component speaks of.
    """
    aval = get_aval(indices)
    if not aval.size:
        return
    bounds = np.minimum(np.asarray(greatest, np.int64), np.iinfo(aval.dtype).max).astype(aval.dtype)
    upper = lax.broadcast_in_dim(bounds, aval.shape, (len(aval.shape) - 1,))
    outside = lax.bitwise_or(lax.lt(indices, aval.dtype.type(0)), lax.gt(indices, upper))
    flat = lax.reshape(outside, (aval.size,))
    first = lax.argmax(flat, 0, np.int32)
    value = lax.squeeze(lax.dynamic_slice(lax.reshape(indices, (aval.size,)), [first], (1,)), (0,))

    def describe(payload: Sequence[Any]) -> str:
        axis = axes[int(payload[1]) % len(axes)]
        return (
            f"out-of-bounds indexing for array of shape {of}: index {int(payload[0])} is out of bounds for axis {axis} "
            f"with size {of[axis]}"
        )

    checker.found(OOBError, lax.reduce_or(flat, (0,)), describe, value, first)


def _window_rule(primitive: Primitive, look: Callable[[Checker, Sequence[Any], dict[str, Any]], None]) -> None:
    @checks(primitive)
    def rule(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if OOBError in checker.enabled:
            look(checker, args, params)
        return primitive.bind(*args, **params)


def _starts(checker: Checker, x: Any, starts: Sequence[Any], sizes: Shape) -> None:
    shape = get_aval(x).shape
    if shape:
        vector = lax.concatenate([lax.reshape(s, (1,)) for s in _alike(starts)], 0)
        greatest = [n - size for n, size in zip(shape, sizes, strict=True)]
        _look_for_outside(checker, vector, greatest, range(len(shape)), shape)


def _alike(starts: Sequence[Any]) -> list[Any]:
    """Index scalars as arrays of one dtype."""
    dtype = get_aval(starts[0]).dtype
    return [np.asarray(s, dtype) if isinstance(s, int | np.generic) else s for s in starts]


_window_rule(dynamic_slice_p, lambda checker, args, params: _starts(checker, args[0], args[1:], params["slice_sizes"]))
_window_rule(
    dynamic_update_slice_p,
    lambda checker, args, params: _starts(checker, args[0], args[2:], get_aval(args[1]).shape),
)


def _look_at_gather(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> None:
    shape = get_aval(args[0]).shape
    axes, sizes = params["dimension_numbers"].start_index_map, params["slice_sizes"]
    _look_for_outside(checker, args[1], [shape[d] - sizes[d] for d in axes], axes, shape)


_window_rule(gather_p, _look_at_gather)


def _look_at_scatter(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> None:
    numbers = params["dimension_numbers"]
    shape, updates = get_aval(args[0]).shape, get_aval(args[2]).shape
    window = iter([updates[d] for d in numbers.update_window_dims])
    single = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    sizes = [1 if d in single else next(window) for d in range(len(shape))]
    axes = numbers.scatter_dims_to_operand_dims
    _look_for_outside(checker, args[1], [shape[d] - sizes[d] for d in axes], axes, shape)


for _scatter in (scatter_p, scatter_add_p, scatter_mul_p, scatter_min_p, scatter_max_p):
    _window_rule(_scatter, _look_at_scatter)
