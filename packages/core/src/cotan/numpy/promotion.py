"""What every function of cotan.numpy does first: refuse what is no array, promote dtypes, broadcast."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.config import config
from cotan.errors import ShapeError, warn
from cotan.ir.avals import get_aval, is_array_like
from cotan.ir.trace import Tracer
from cotan.primitives.shape import broadcast_in_dim_p, squeeze_p
from cotan.runtime.array import Array
from cotan.runtime.dispatch import lift as to_array

Axis = int | Sequence[int] | None
SCALARS = (bool, int, float, complex)
_AS_THEY_ARE = (Tracer, *SCALARS)
_SCALAR_TYPES = frozenset(SCALARS)
_INT32_BOUND = 1 << 31  # integers below fit whatever the default integer is
# Inexact dtypes that stay what they are under any configuration.
_NARROW_FLOATS = frozenset({np.dtype(np.float32), np.dtype(np.float16), dtypes.bfloat16})
_NARROW_INEXACT = _NARROW_FLOATS | {np.dtype(np.complex64)}
_REAL = frozenset({bool, int, float})
_INT = frozenset({int})
_INT32 = np.dtype(np.int32)


def check_arraylike(fun_name: str, *args: Any) -> None:
    """Refuse what is not an array or a scalar.

    Raises:
      TypeError: names the argument's position and type; lists and tuples are not converted silently.
    """
    for position, arg in enumerate(args):
        if is_array_like(arg) or hasattr(arg, "__array__") or stands_for_array(arg):
            continue
        hint = "; make an array of it first: cotan.numpy.array(...)" if isinstance(arg, list | tuple) else ""
        raise TypeError(f"{fun_name} needs arrays or scalars, got {type(arg).__name__} at position {position}{hint}")


def refuse_out(fun_name: str, out: Any, where: Any = None) -> None:
    """Refuse to write into an array: ``out``, and ``where`` of an elementwise function, which leaves the rest of it.

    Raises:
      NotImplementedError: one of them is given.
    """
    if out is not None:
        raise NotImplementedError(
            f"{fun_name}: arrays are immutable, so `out` is not supported; use the returned array"
        )
    if where is not None:
        raise NotImplementedError(
            f"{fun_name}: `where` leaves elements of `out` as they are, and arrays are immutable; choose with "
            "cotan.numpy.where(condition, result, other)"
        )


def stands_for_array(x: Any) -> bool:
    """Whether ``x`` says by ``__jax_array__`` which array, traced ones too, it stands for."""
    return hasattr(type(x), "__jax_array__")


def lift(x: Any) -> Any:
    """``x`` if it is an Array, a tracer or a Python scalar; else an Array, by ``__jax_array__`` or ``__array__``."""
    kind = type(x)
    if kind is Array or kind in _SCALAR_TYPES:
        return x
    if isinstance(x, _AS_THEY_ARE):
        return dtypes.plain_scalar(x)
    if stands_for_array(x):
        return lift(x.__jax_array__())
    if not is_array_like(x):
        x = np.asarray(x)
    return to_array(x)


def scalar_of(x: Any, dtype: Any, weak: bool, fun_name: str) -> Any:
    """A Python scalar as an operand of ``dtype``; ints are checked against the default int, then wrap."""
    if weak:
        if isinstance(x, int) and not isinstance(x, bool):
            x = dtypes.coerce_scalar(x, fun_name)
        return lax.convert_element_type(x, dtype, weak_type=True)
    if type(x) is int and not -_INT32_BOUND <= x < _INT32_BOUND:
        return np.asarray(dtypes.coerce_scalar(x, fun_name)).astype(dtype)
    return dtypes.constant(x, dtype)


def convert(x: Any, dtype: Any, weak: bool, fun_name: str) -> Any:
    """``x`` as an operand of the given dtype and weak type."""
    if isinstance(x, SCALARS):
        return scalar_of(x, dtype, weak, fun_name)
    aval = get_aval(x)
    if aval.dtype == dtype and aval.weak_type == weak:
        return x
    return lax.convert_element_type(x, dtype, weak_type=weak)


def _of_one_type(args: tuple[Any, ...]) -> bool:
    """Whether the arguments are Arrays or tracers of one dtype and equally weak: then nothing is to be promoted."""
    first = None
    for x in args:
        if type(x) is not Array and not isinstance(x, Tracer):
            return False
        aval = x.aval
        if first is None:
            first = aval
        elif aval is not first and (aval.dtype is not first.dtype or aval.weak_type != first.weak_type):
            return False
    return True


def _beside_number(fun_name: str, args: tuple[Any, ...]) -> list[Any] | None:
    """An array and a Python number that gets its type, in either order; None for anything else."""
    if len(args) != 2:
        return None
    x, number = args
    swapped = type(x) in _REAL
    if swapped:
        x, number = number, x
    if type(number) not in _REAL or (type(x) is not Array and not isinstance(x, Tracer)):
        return None
    aval = x.aval
    if aval.dtype not in _NARROW_FLOATS and (aval.dtype is not _INT32 or type(number) is float):
        return None
    number = scalar_of(number, aval.dtype, aval.weak_type, fun_name)
    return [number, x] if swapped else [x, number]


def promote_dtypes(fun_name: str, *args: Any) -> list[Any]:
    """All arguments in their common dtype."""
    if _of_one_type(args):
        return list(args)
    found = _beside_number(fun_name, args)
    if found is not None:
        return found
    args_list = [lift(arg) for arg in args]
    dtype, weak = dtypes.lattice_result_type(*args_list)
    return [convert(arg, dtype, weak, fun_name) for arg in args_list]


def promote_dtypes_inexact(fun_name: str, *args: Any) -> list[Any]:
    """All arguments in their common floating or complex dtype."""
    args_list = [lift(arg) for arg in args]
    dtype, weak = dtypes.lattice_result_type(*args_list)
    dtype = dtypes.to_inexact_dtype(dtype)
    return [convert(arg, dtype, weak, fun_name) for arg in args_list]


def shape_of(x: Any) -> tuple[int, ...]:
    return () if isinstance(x, SCALARS) else tuple(x.shape)


def promote_shapes(fun_name: str, *args: Any) -> list[Any]:
    """Broadcast the arguments against each other; scalars stay scalars, which elementwise primitives accept."""
    shapes = tuple([shape_of(arg) for arg in args])
    try:
        plan = _spreading_to_one(shapes)
    except ValueError:
        raise ShapeError(
            f"{fun_name} got incompatible shapes for broadcasting: {', '.join(str(s) for s in shapes)}. Extents must "
            "be equal or 1, counted from the last axis: reshape an operand, or insert an axis with x[:, None]"
        ) from None
    if plan is None:
        return list(args)
    if config.numpy_rank_promotion != "allow" and len({len(shape) for shape in shapes if shape}) > 1:
        message = f"{fun_name}: operands of different ranks {', '.join(str(s) for s in shapes)} were broadcast"
        if config.numpy_rank_promotion == "raise":
            raise ValueError(f"{message}, which numpy_rank_promotion='raise' forbids; reshape them first")
        warn(message)
    common, ways = plan
    return [arg if way is None else _spread_by(arg, common, *way) for arg, way in zip(args, ways, strict=True)]


_Way = tuple[tuple[int, ...], tuple[int, ...]]


@functools.lru_cache(maxsize=1024)
def _spreading_to_one(shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], list[_Way | None]] | None:
    """The common shape and how each argument is spread to it; None where all but scalars have it."""
    wide = {shape for shape in shapes if shape}
    if len(wide) <= 1:
        return None
    common = tuple(np.broadcast_shapes(*wide))
    return common, [None if not shape or shape == common else _spreading(shape, common) for shape in shapes]


def _spread_by(x: Any, shape: tuple[int, ...], dropped: tuple[int, ...], places: tuple[int, ...]) -> Any:
    if dropped:
        x = squeeze_p.bind(x, dimensions=dropped)
    return broadcast_in_dim_p.bind(x, shape=shape, broadcast_dimensions=places)


def broadcast_to_shape(x: Any, shape: tuple[int, ...]) -> Any:
    """``x`` at ``shape`` by NumPy's rule, which is known to hold."""
    have = shape_of(x)
    if have == shape:
        return x
    return _spread_by(x, shape, *_spreading(have, shape))


@functools.lru_cache(maxsize=1024)
def _spreading(have: tuple[int, ...], shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes of extent 1 that are to be repeated, and where in ``shape`` the others come."""
    offset = len(shape) - len(have)
    kept = [d for d, extent in enumerate(have) if extent == shape[offset + d]]
    return tuple(d for d in range(len(have)) if d not in kept), tuple(offset + d for d in kept)


def promote_args(fun_name: str, *args: Any) -> list[Any]:
    """Check, then promote dtypes and shapes."""
    if len(args) == 2:
        x, y = args
        if type(x) is Array and type(y) is Array and x.aval is y.aval:
            return [x, y]
    if _of_one_type(args):
        return promote_shapes(fun_name, *args)
    found = _beside_number(fun_name, args)
    if found is not None:
        return found
    check_arraylike(fun_name, *args)
    return promote_shapes(fun_name, *promote_dtypes(fun_name, *args))


def promote_args_inexact(fun_name: str, *args: Any) -> list[Any]:
    """As ``promote_args``, to a floating or complex dtype."""
    if len(args) == 1:
        (x,) = args
        if (type(x) is Array or isinstance(x, Tracer)) and x.aval.dtype in _NARROW_INEXACT:
            return [x]
    if _of_one_type(args) and args[0].aval.dtype in _NARROW_INEXACT:
        return promote_shapes(fun_name, *args)
    check_arraylike(fun_name, *args)
    return promote_shapes(fun_name, *promote_dtypes_inexact(fun_name, *args))


def as_array(x: Any, fun_name: str) -> Any:
    """One argument as an Array or tracer (Python scalars become weakly typed arrays)."""
    if type(x) is Array or isinstance(x, Tracer):
        return x
    check_arraylike(fun_name, x)
    x = lift(x)
    if isinstance(x, SCALARS):
        aval = get_aval(x)
        return scalar_of(x, aval.dtype, aval.weak_type, fun_name) if aval.weak_type else lax.full((), x, aval.dtype)
    return x


def spread(value: Any) -> tuple[Any, ...]:
    """The items of whatever can be iterated over, or the value as the only item: for shapes, axes and the like."""
    return tuple(value) if hasattr(value, "__iter__") and getattr(value, "ndim", 1) else (value,)


def normalize_axis(axis: Any, ndim: int, fun_name: str) -> int:
    """An axis as 0..ndim-1.

    Raises:
      TypeError: not an integer. ValueError: out of range.
    """
    try:
        value = operator.index(axis)
    except TypeError:
        raise TypeError(f"{fun_name}: axis must be an integer known while tracing, got {type(axis).__name__}") from None
    if not -ndim <= value < ndim:
        raise ValueError(
            f"{fun_name}: axis {value} is out of range for an array of {ndim} dimensions; axes are {-ndim} to "
            f"{ndim - 1}"
        )
    return value % ndim


def normalize_axes(axis: Any, ndim: int, fun_name: str) -> tuple[int, ...]:
    """An axis, several or None (all) as a tuple in 0..ndim-1, without repetition."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    axes = tuple(normalize_axis(item, ndim, fun_name) for item in spread(axis))
    if len(set(axes)) != len(axes):
        raise ValueError(f"{fun_name}: repeated axis in {axis}; name each axis once")
    return axes


def canonical_shape(shape: Any, fun_name: str, unknown: bool = False) -> tuple[int, ...]:
    """A shape of integers known while tracing, of which some may be -1 if ``unknown``.

    Raises:
      TypeError: something in it is no such integer. ShapeError: negative.
    """
    if type(shape) is tuple and set(map(type, shape)) <= _INT and (not shape or min(shape) >= 0):
        return shape
    items = spread(shape)
    try:
        found = tuple(operator.index(item) for item in items)
    except TypeError as error:
        if isinstance(error, Exception) and any(isinstance(item, Tracer) for item in items):
            raise
        raise TypeError(
            f"{fun_name}: a shape must consist of integers that are known while tracing, got {shape!r}"
        ) from None
    if any(extent < -unknown for extent in found):
        raise ShapeError(f"{fun_name}: negative extent in shape {found}; only reshape takes -1")
    return found


def user_dtype(dtype: Any, fun_name: str) -> Any:
    """A dtype that the user asked for, in its canonical form, or None."""
    return None if dtype is None else dtypes.check_user_dtype(dtype, fun_name)
