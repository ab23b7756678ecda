"""Composites that take arrays apart and put them together, and small identities that programs may call."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api.flat import lift_leaf
from cotan.api.names import named_call
from cotan.errors import where
from cotan.ir.avals import get_aval
from cotan.ir.trace import Tracer
from cotan.lax.composites import full, slice_in_dim
from cotan.lax.control_flow import while_loop
from cotan.primitives.arithmetic import add, mul, neg, sub
from cotan.primitives.cast import bitcast_convert_type
from cotan.primitives.compare import bitwise_and, gt, lt, select_n, shift_right_logical
from cotan.primitives.gather import GatherDimensionNumbers, gather
from cotan.primitives.reduce import reduce_max
from cotan.primitives.scatter import ScatterDimensionNumbers, scatter_add
from cotan.primitives.shape import broadcast_in_dim, concatenate, expand_dims, reshape, squeeze, transpose
from cotan.primitives.sort import top_k
from cotan.runtime.devices import new_array_device
from cotan.structural import convert_element_type
from cotan.tree import tree_leaves


def dtype(x: Any) -> Any:
    """The dtype that ``x``, an array or a scalar, has in a program.

    >>> import cotan
    >>> cotan.lax.dtype(1.0)
    dtype('float32')
    """
    return dtypes.dtype(x)


def empty(shape: Any, dtype: Any, *, out_sharding: Any = None) -> Any:
    """An array whose values do not matter: zeros.

    >>> import cotan
    >>> cotan.lax.empty((2,), "float32").shape
    (2,)
    """
    return full(shape, 0, dtype)


def _axis(name: str, axis: Any, ndim: int) -> int:
    at = operator.index(axis)
    if not -ndim <= at < ndim:
        raise ValueError(f"{where()}: {name}: axis {at} is out of range for an array of {ndim} dimensions")
    return at % ndim


def split(operand: Any, sizes: Sequence[int], axis: int = 0) -> list[Any]:
    """Pieces of the given extents along an axis.

    Raises:
      ValueError: the extents do not add up to that of the axis.

    >>> import cotan, cotan.numpy as cnp
    >>> [x.shape for x in cotan.lax.split(cnp.arange(5), (2, 3))]
    [(2,), (3,)]
    """
    x = lift_leaf(operand)
    axis = _axis("split", axis, x.ndim)
    if sum(sizes) != x.shape[axis] or any(size < 0 for size in sizes):
        raise ValueError(
            f"{where()}: split: the sizes {tuple(sizes)} must add up to {x.shape[axis]}, the extent of axis {axis}"
        )
    pieces, start = [], 0
    for size in sizes:
        pieces.append(slice_in_dim(x, start, start + size, axis=axis))
        start += size
    return pieces


def stack(operands: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape and dtype along a new axis.

    Raises:
      ValueError: there are none. TypeError: shapes or dtypes differ.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.lax.stack([cnp.arange(2), cnp.arange(2)], axis=1)
    Array([[0, 0],
           [1, 1]], dtype=int32)
    """
    arrays = [lift_leaf(x) for x in operands]
    if not arrays:
        raise ValueError(f"{where()}: stack needs at least one array")
    axis = _axis("stack", axis, arrays[0].ndim + 1)
    return concatenate([expand_dims(x, (axis,)) for x in arrays], axis)


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The arrays along an axis, without it.

    >>> import cotan, cotan.numpy as cnp
    >>> [int(x) for x in cotan.lax.unstack(cnp.arange(2))]
    [0, 1]
    """
    x = lift_leaf(x)
    if x.ndim == 0:
        raise ValueError(f"{where()}: unstack: an array of no dimensions has no axis to take apart")
    axis = _axis("unstack", axis, x.ndim)
    return tuple(squeeze(slice_in_dim(x, n, n + 1, axis=axis), (axis,)) for n in range(x.shape[axis]))


def tile(operand: Any, reps: Sequence[int]) -> Any:
    """``operand`` repeated as a whole along each axis; ``reps`` has one number for each.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.lax.tile(cnp.arange(2), (2,))
    Array([0, 1, 0, 1], dtype=int32)
    """
    x = lift_leaf(operand)
    if len(reps) != x.ndim:
        raise ValueError(f"{where()}: tile: {len(reps)} repetitions for {x.ndim} axes; give one for each")
    spread = tuple(n for pair in zip(reps, x.shape, strict=True) for n in pair)
    wide = broadcast_in_dim(x, spread, tuple(range(1, 2 * x.ndim, 2)))
    return reshape(wide, tuple(r * n for r, n in zip(reps, x.shape, strict=True)))


def broadcast_like(arr: Any, like_arr: Any) -> Any:
    """``arr`` broadcast, by NumPy's rule, to the shape of ``like_arr``.

    Raises:
      ValueError: it does not broadcast to that shape.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.lax.broadcast_like(cnp.arange(3), cnp.zeros((2, 3))).shape
    (2, 3)
    """
    x, shape = lift_leaf(arr), tuple(get_aval(like_arr).shape)
    have = tuple(x.shape)
    offset = len(shape) - len(have)
    if offset < 0 or any(m not in (1, n) for m, n in zip(have, shape[offset:], strict=True)):
        raise ValueError(f"{where()}: broadcast_like: an array of shape {have} does not broadcast to {shape}")
    kept = [d for d, n in enumerate(have) if n == shape[offset + d]]
    dropped = tuple(d for d in range(len(have)) if d not in kept)
    return broadcast_in_dim(squeeze(x, dropped) if dropped else x, shape, tuple(offset + d for d in kept))


def index_take(src: Any, idxs: Sequence[Any], axes: Sequence[int]) -> Any:
    """The slices of ``src`` that vectors of indices along ``axes`` name; their number is the first axis of the result.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.lax.index_take(cnp.arange(6).reshape(2, 3), (cnp.array([1, 0]),), (0,))
    Array([[3, 4, 5],
           [0, 1, 2]], dtype=int32)
    """
    x = lift_leaf(src)
    places = tuple(_axis("index_take", axis, x.ndim) for axis in axes)
    indices = concatenate([reshape(lift_leaf(i), (*lift_leaf(i).shape, 1)) for i in idxs], 1)
    extents = np.asarray([x.shape[axis] for axis in places], indices.dtype)
    extents = broadcast_in_dim(extents, indices.shape, (1,))
    indices = select_n(lt(indices, 0), indices, add(indices, extents))
    numbers = GatherDimensionNumbers(
        offset_dims=tuple(range(1, x.ndim - len(places) + 1)),
        collapsed_slice_dims=tuple(sorted(places)),
        start_index_map=places,
    )
    return gather(x, indices, numbers, tuple(1 if d in places else n for d, n in enumerate(x.shape)), mode="clip")


def scatter_sub(
    operand: Any,
    scatter_indices: Any,
    updates: Any,
    dimension_numbers: ScatterDimensionNumbers,
    *,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Any = None,
) -> Any:
    """As ``scatter_add``, of the negated updates."""
    flags = {"indices_are_sorted": indices_are_sorted, "unique_indices": unique_indices, "mode": mode}
    return scatter_add(operand, scatter_indices, neg(updates), dimension_numbers, **flags)


def scatter_apply(
    operand: Any,
    scatter_indices: Any,
    func: Callable[[Any], Any],
    dimension_numbers: ScatterDimensionNumbers,
    *,
    update_shape: Sequence[int] = (),
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    mode: Any = None,
) -> Any:
    """``operand`` with ``func`` applied to the elements that the indices name, as often as they do.

    Args:
      update_shape: the shape that updates would have.
    """
    x = lift_leaf(operand)
    flags = {"indices_are_sorted": indices_are_sorted, "unique_indices": unique_indices, "mode": mode}
    ones = full(update_shape, 1, np.int32)
    return apply_times(
        func, x, scatter_add(full(x.shape, 0, np.int32), scatter_indices, ones, dimension_numbers, **flags)
    )


def apply_times(func: Callable[[Any], Any], x: Any, times: Any) -> Any:
    """``x`` with an elementwise function applied to each element as often as ``times``, integers of its shape, says.

    Numbers that are not known while tracing take a loop, which has derivatives in forward mode alone.

    >>> import cotan.numpy as cnp
    >>> from cotan.lax.assembly import apply_times
    >>> apply_times(lambda v: 2 * v, cnp.ones(3), cnp.array([0, 1, 3]))
    Array([1., 2., 8.], dtype=float32)
    """

    def again(k: Any, x: Any) -> Any:
        chosen = gt(times, k)
        # Elements that are left alone must not reach the function, whose slope there may be infinite.
        changed = func(select_n(chosen, full(x.shape, 1, x.dtype), x))
        return select_n(chosen, x, convert_element_type(changed, x.dtype))

    known = times.concrete() if isinstance(times, Tracer) else times
    if known is not None:
        for k in range(int(np.max(known, initial=0))):
            x = again(np.int32(k), x)
        return x
    last = reduce_max(times, tuple(range(times.ndim)))
    start = (full((), 0, np.int32), x)
    return while_loop(lambda s: lt(s[0], last), lambda s: (add(s[0], np.int32(1)), again(*s)), start)[1]


def shape_as_value(shape: Sequence[int]) -> Any:
    """The extents of a shape as a vector of integers.

    >>> import cotan
    >>> cotan.lax.shape_as_value((2, 3))
    Array([2, 3], dtype=int32)
    """
    return lift_leaf(np.asarray([operator.index(n) for n in shape], dtypes.default_int()))


def stage(x: Any, /) -> Any:
    """``x`` as an array.

    >>> import cotan
    >>> cotan.lax.stage(2)
    Array(2, dtype=int32, weak_type=True)
    """
    return lift_leaf(x)


def dce_sink(val: Any, *, prevent_mlir_dce: bool = False) -> None:
    """Nothing: what no result needs is left out of programs."""
    for leaf in tree_leaves(val):
        lift_leaf(leaf)


def create_token(_: Any = None) -> Any:
    """A value without meaning, for programs that order effects by tokens; here effects keep their order.

    >>> import cotan
    >>> cotan.lax.after_all(cotan.lax.create_token()).shape
    (0,)
    """
    return full((0,), False)


def after_all(*operands: Any) -> Any:
    """A token that follows others."""
    return create_token()


def mulhi(x: Any, y: Any, /) -> Any:
    """The upper half of the bits of the product of integers, elementwise.

    Raises:
      TypeError: no integers, or different dtypes.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.lax.mulhi(cnp.uint32(2**31), cnp.uint32(6))
    Array(3, dtype=uint32)
    """
    a, b = lift_leaf(x), lift_leaf(y)
    if not dtypes.issubdtype(a.dtype, np.integer) or a.dtype != b.dtype:
        raise TypeError(f"{where()}: mulhi takes integers of one dtype, got {a.dtype} and {b.dtype}")
    width = np.dtype(a.dtype).itemsize * 8
    word = np.dtype(f"u{width // 8}")
    half, mask = np.asarray(width // 2, word), np.asarray((1 << (width // 2)) - 1, word)
    u, v = (bitcast_convert_type(z, word) for z in (a, b))

    def parts(z: Any) -> tuple[Any, Any]:
        return bitwise_and(z, mask), shift_right_logical(z, half)

    (low_u, high_u), (low_v, high_v) = parts(u), parts(v)
    first = add(mul(high_u, low_v), shift_right_logical(mul(low_u, low_v), half))
    second = add(mul(low_u, high_v), bitwise_and(first, mask))
    high = add(mul(high_u, high_v), add(shift_right_logical(first, half), shift_right_logical(second, half)))
    result = bitcast_convert_type(high, a.dtype)
    if dtypes.issubdtype(a.dtype, np.unsignedinteger):
        return result
    zero = np.asarray(0, a.dtype)
    for sign, other in ((a, b), (b, a)):
        negative = lt(sign, zero)
        shape = np.broadcast_shapes(a.shape, b.shape)
        other = other if tuple(other.shape) == shape else broadcast_in_dim(other, shape, ())
        negative = negative if tuple(negative.shape) == shape else broadcast_in_dim(negative, shape, ())
        result = sub(result, select_n(negative, full(shape, 0, a.dtype), other))
    return result


def _nearest(name: str, operand: Any, k: int, axis: int) -> tuple[Any, Any]:
    x = lift_leaf(operand)
    if not dtypes.issubdtype(x.dtype, np.floating):
        raise ValueError(f"{where()}: {name} takes floats, got {x.dtype}; top_k takes others")
    axis = _axis(name, axis, x.ndim)
    order = [d for d in range(x.ndim) if d != axis] + [axis]
    back = tuple(int(n) for n in np.argsort(order))
    values, indices = top_k(transpose(x, tuple(order)), k)
    return transpose(values, back), transpose(indices, back)


def approx_max_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
) -> tuple[Any, Any]:
    """The ``k`` largest elements along an axis, and where they are. Here they are found exactly.

    Args:
      recall_target, reduction_input_size_override, aggregate_to_topk: accepted; the result is exact.

    Raises:
      ValueError: no floats.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.lax.approx_max_k(cnp.array([1.0, 3.0, 2.0]), 2)[1]
    Array([1, 2], dtype=int32)
    """
    return _nearest("approx_max_k", operand, k, reduction_dimension)


def approx_min_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
) -> tuple[Any, Any]:
    """The ``k`` smallest elements along an axis, and where they are; see ``approx_max_k``.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.lax.approx_min_k(cnp.array([1.0, 3.0, 2.0]), 2)[1]
    Array([0, 2], dtype=int32)
    """
    values, indices = _nearest("approx_min_k", neg(lift_leaf(operand)), k, reduction_dimension)
    return neg(values), indices


def platform_dependent(
    *args: Any, default: Callable[..., Any] | None = None, **per_platform: Callable[..., Any]
) -> Any:
    """The function for the platform where arrays are computed with, called with ``args``.

    Args:
      default: for platforms that are not named.
      per_platform: functions by the names of platforms, as ``cpu=...``.

    Raises:
      NotImplementedError: there is none for this platform.

    >>> import cotan
    >>> cotan.lax.platform_dependent(2.0, cpu=lambda x: x + 1, default=lambda x: x)
    3.0
    """
    platform = new_array_device().platform
    chosen = per_platform.get(platform, default)
    if chosen is None:
        raise NotImplementedError(
            f"{where()}: platform_dependent: there is no function for the platform {platform!r} among "
            f"{', '.join(per_platform) or 'none'}; give a default"
        )
    return chosen(*args)


def composite(decomposition: Callable[..., Any], name: str, version: int = 0) -> Callable[..., Any]:
    """A function under a name of its own, which programs show.

    Args:
      decomposition: what it computes.
      name, version: what it is called.

    >>> import cotan, cotan.numpy as cnp
    >>> square = cotan.lax.composite(lambda x: x * x, "mine.square")
    >>> float(square(3.0))
    9.0
    """

    @functools.wraps(decomposition)
    def called(*args: Any, **attributes: Any) -> Any:
        return named_call(functools.partial(decomposition, **attributes), name=name)(*args)

    return called
