"""Operands of primitives: sets of dtypes, Python scalars, warnings, and where the mapped axis goes.

Small helpers of ``define`` and of the families; no primitive and no rule stands here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from typing import Any

import ml_dtypes
import numpy as np

from cotan import dtypes
from cotan.ir.avals import get_aval
from cotan.structural import broadcast_in_dim, transpose


class Dtypes(frozenset[Any]):
    """A set of dtypes with words for messages."""

    words: str

    def __new__(cls, words: str, members: Iterable[Any]) -> Dtypes:
        self = super().__new__(cls, map(np.dtype, members))
        self.words = words
        return self


def _all_of(*names: str) -> list[Any]:
    return [getattr(ml_dtypes, name) for name in names if hasattr(ml_dtypes, name)]


_SMALL_FLOATS = [getattr(ml_dtypes, n) for n in dir(ml_dtypes) if n.startswith(("float8_", "float6_", "float4_"))]
_SIGNED = [*_all_of("int2", "int4"), np.int8, np.int16, np.int32, np.int64]
_UNSIGNED = [*_all_of("uint2", "uint4"), np.uint8, np.uint16, np.uint32, np.uint64]
_FLOATS = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, *_SMALL_FLOATS]
_COMPLEX = [np.complex64, np.complex128]

BOOLEAN = np.dtype(np.bool_)
SIGNED = Dtypes("signed integers", _SIGNED)
INTEGER = Dtypes("integers", _SIGNED + _UNSIGNED)
BITS = Dtypes("bool and integers", [np.bool_, *_SIGNED, *_UNSIGNED])
FLOAT = Dtypes("real floating dtypes", _FLOATS)
COMPLEX = Dtypes("complex dtypes", _COMPLEX)
INEXACT = Dtypes("floating and complex dtypes", _FLOATS + _COMPLEX)
REAL = Dtypes("integers and real floating dtypes", _SIGNED + _UNSIGNED + _FLOATS)
NUMBER = Dtypes("numbers", _SIGNED + _UNSIGNED + _FLOATS + _COMPLEX)
SIGNED_NUMBER = Dtypes("signed integers, floating and complex dtypes", _SIGNED + _FLOATS + _COMPLEX)
ORDERED = Dtypes("bool, integers and real floating dtypes", [np.bool_, *_SIGNED, *_UNSIGNED, *_FLOATS])
PLAIN = Dtypes("any dtype but keys", [np.bool_, *_SIGNED, *_UNSIGNED, *_FLOATS, *_COMPLEX])
ANY = Dtypes("any dtype", PLAIN)


def is_float(dtype: Any) -> bool:
    return dtype in FLOAT


def is_complex(dtype: Any) -> bool:
    return dtype in COMPLEX


def bit_width(dtype: Any) -> int:
    """How many bits a value of an integer dtype has."""
    return 1 if dtype == BOOLEAN else int(dtypes.iinfo(dtype).bits)


def unsigned_of(dtype: Any) -> Any:
    """The unsigned dtype of the same storage."""
    return np.dtype(f"u{dtype.itemsize}")


def real_dtype(dtype: Any) -> Any:
    """The dtype of the parts of a complex dtype; any other dtype itself."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype in COMPLEX else dtype


def complex_dtype(dtype: Any) -> Any:
    """The complex dtype whose parts are ``dtype`` (complex64 for floats narrower than 32 bits)."""
    return np.dtype(np.complex128) if dtype == np.float64 or dtype == np.complex128 else np.dtype(np.complex64)


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an array, a tracer or a scalar."""
    shape = getattr(x, "shape", None)
    return get_aval(x).shape if shape is None else shape


def dtype_of(x: Any) -> Any:
    """The dtype of an array, a tracer or a scalar as the program sees it."""
    return get_aval(x).dtype


# ---- Python scalars

_RANK: dict[type, int] = {bool: 0, int: 1, float: 2, complex: 3}
PYTHON_SCALARS = frozenset(_RANK)


def lift(x: Any, y: Any) -> tuple[Any, Any]:
    """Give the Python scalars among two operands the dtype of the other one.

    A scalar of a higher kind than the array (1.5 with integers) stays as it is, for the abstract rule to refuse.
    """
    rank_x, rank_y = _RANK.get(type(x)), _RANK.get(type(y))
    if rank_x is None:
        return x, (y if rank_y is None else scalar_of(y, get_aval(x).dtype))
    if rank_y is None:
        return scalar_of(x, get_aval(y).dtype), y
    kind = type(x) if rank_x >= rank_y else type(y)
    return kind(x), kind(y)


def scalar_of(value: Any, dtype: Any) -> Any:
    """A Python scalar as a scalar of ``dtype``: itself a Python scalar (weak) where that has the dtype already.

    Raises:
      OverflowError: an integer that the default integer dtype does not hold.
    """
    key = (type(value), dtype)
    convert = _conversions.get(key)
    if convert is None:
        convert = _conversions[key] = _conversion(*key)
    return convert(value, dtype)


_conversions: dict[tuple[type, Any], Callable[[Any, Any], Any]] = {}


def _conversion(kind: type, dtype: Any) -> Callable[[Any, Any], Any]:
    rank = _RANK[kind]
    if dtype in INTEGER and rank <= 1:
        return _int_of
    if dtype in FLOAT and rank <= 2:
        return _float_of
    return _complex_of if dtype in COMPLEX else _unchanged


def _unchanged(value: Any, dtype: Any) -> Any:
    return value


def _float_of(value: Any, dtype: Any) -> Any:
    value = float(value)
    return value if dtype == dtypes.default_float() else quiet(np.asarray(value).astype, dtype)[()]


def _complex_of(value: Any, dtype: Any) -> Any:
    value = complex(value)
    return value if dtype == dtypes.default_complex() else quiet(np.asarray(value).astype, dtype)[()]


def lift_all(*operands: Any) -> tuple[Any, ...]:
    """As ``lift``, for any number of operands."""
    if not any(type(x) in PYTHON_SCALARS for x in operands):
        return operands
    for x in operands:
        if type(x) not in PYTHON_SCALARS:
            dtype = get_aval(x).dtype
            return tuple(scalar_of(y, dtype) if type(y) in PYTHON_SCALARS else y for y in operands)
    kind = max((type(x) for x in operands), key=_RANK.__getitem__)
    return tuple(kind(x) for x in operands)


def _int_of(value: Any, dtype: Any) -> Any:
    value = int(value)
    default = dtypes.default_int()
    if dtype == default:
        bound = 1 << (8 * default.itemsize - 1)
        if not -bound <= value < bound:
            raise OverflowError(
                f"the Python integer {value} does not fit in {default}; use cotan.enable_x64, or an array of a wider "
                "dtype"
            )
        return value
    if not -(2**63) <= value < 2**64:
        raise OverflowError(f"the Python integer {value} does not fit in {dtype}; use a smaller one, or a float")
    return np.asarray(value).astype(dtype)[()]


# ---- Floating-point warnings


class _Quiet(threading.local):
    """Per thread, a context in which NumPy raises no floating-point warnings."""

    def __init__(self) -> None:
        context = Context()
        context.run(np.seterr, all="ignore")
        self.run: Callable[..., Any] = context.run


_quiet = _Quiet()


def quiet(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """``function(*args)`` with NumPy's floating-point warnings off: ``errstate`` at a tenth of its cost."""
    try:
        return _quiet.run(function, *args, **kwargs)
    except RuntimeError:
        # Already inside of it: a finalizer or a signal handler computes while an operation runs.
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)


def of_own_dtype(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of arrays, whose result has their dtype: NumPy gives int8 for some operations of narrower ones."""

    def kept(x: Any, *args: Any, **kwargs: Any) -> Any:
        out = function(x, *args, **kwargs)
        return out if out.dtype == x.dtype else out.astype(x.dtype)

    return kept


# ---- Extents of one


def repeated(args: Sequence[Any]) -> list[Any] | None:
    """Operands of one rank with their extents of 1 repeated to the others' extents; None where there is nothing to do.

    Scalars stay as they are, and so does what is no array.
    """
    shapes = [getattr(x, "shape", ()) for x in args]
    wide = {shape for shape in shapes if shape}
    if len(wide) < 2 or len({len(shape) for shape in wide}) != 1:
        return None
    full = tuple(next((n for n in extents if n != 1), 1) for extents in zip(*wide, strict=True))
    if any(n not in (1, extent) for shape in wide for n, extent in zip(shape, full, strict=True)):
        return None
    axes = tuple(range(len(full)))
    return [
        broadcast_in_dim(x, full, axes) if shape not in ((), full) else x for x, shape in zip(args, shapes, strict=True)
    ]


# ---- The mapped axis


def move_axis(x: Any, source: int, target: int) -> Any:
    """``x`` with axis ``source`` at place ``target``."""
    if source == target:
        return x
    order = [axis for axis in range(len(shape_of(x))) if axis != source]
    order.insert(target, source)
    return transpose(x, tuple(order))


def align(axis: Any, args: Sequence[Any], dims: Sequence[int | None]) -> tuple[list[Any], int]:
    """Operands of an elementwise primitive with their mapped axes in one place, and that place.

    Operands that are not mapped are repeated along the axis, unless they are scalars.
    """
    if len(args) == 1 and dims[0] is not None:
        return [*args], dims[0]
    shapes = [shape_of(x) for x in args]
    first = dims[0]
    if first is not None and len(args) == 2 and shapes[0] == shapes[1] and first == dims[1]:
        return [*args], first
    rank = max(len(shape) - (dim is not None) for shape, dim in zip(shapes, dims, strict=True))
    for shape, dim in zip(shapes, dims, strict=True):
        if dim is not None and len(shape) == rank + 1:
            full, place = shape, dim
            break
    else:
        whole = next(shape for shape, dim in zip(shapes, dims, strict=True) if dim is None and len(shape) == rank)
        full, place = (axis.size, *whole), 0
    others = tuple(k for k in range(rank + 1) if k != place)
    operands: list[Any] = []
    for x, shape, dim in zip(args, shapes, dims, strict=True):
        if dim is None:
            operands.append(broadcast_in_dim(x, full, others) if shape else x)
        elif len(shape) == rank + 1:
            operands.append(x if dim == place else move_axis(x, dim, place))
        else:
            operands.append(broadcast_in_dim(x, full, (place,)))
    return operands, place
