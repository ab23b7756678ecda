"""The dtypes that exist, their kinds, names and canonical forms: NumPy's, those of ml_dtypes, extended ones.

Says what a dtype is, never what mixing two gives (``promotion``) nor what a value has. The set of dtypes
depends on ``config.enable_x64`` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from cotan import errors
from cotan.config import config
from cotan.dtypes.extension import ExtendedDType, float0

bfloat16 = ml_dtypes.bfloat16
float8_e3m4 = ml_dtypes.float8_e3m4
float8_e4m3 = ml_dtypes.float8_e4m3
float8_e4m3b11fnuz = ml_dtypes.float8_e4m3b11fnuz
float8_e4m3fn = ml_dtypes.float8_e4m3fn
float8_e4m3fnuz = ml_dtypes.float8_e4m3fnuz
float8_e5m2 = ml_dtypes.float8_e5m2
float8_e5m2fnuz = ml_dtypes.float8_e5m2fnuz
float8_e8m0fnu = ml_dtypes.float8_e8m0fnu
float6_e2m3fn = ml_dtypes.float6_e2m3fn
float6_e3m2fn = ml_dtypes.float6_e3m2fn
float4_e2m1fn = ml_dtypes.float4_e2m1fn
int2, int4 = ml_dtypes.int2, ml_dtypes.int4
uint2, uint4 = ml_dtypes.uint2, ml_dtypes.uint4

DType: TypeAlias = Any  # a NumPy dtype or an ExtendedDType


bool_ = np.dtype(np.bool_)
small_ints = tuple(np.dtype(t) for t in (int2, int4, uint2, uint4))
# Floats that promote with nothing but booleans, integers and Python scalars.
small_floats = tuple(
    np.dtype(t)
    for t in (
        *(float4_e2m1fn, float6_e2m3fn, float6_e3m2fn, float8_e3m4, float8_e4m3, float8_e4m3b11fnuz),
        *(float8_e4m3fn, float8_e4m3fnuz, float8_e5m2, float8_e5m2fnuz, float8_e8m0fnu),
    )
)
signed_types = tuple(np.dtype(t) for t in (np.int8, np.int16, np.int32, np.int64))
unsigned_types = tuple(np.dtype(t) for t in (np.uint8, np.uint16, np.uint32, np.uint64))
float_types = tuple(np.dtype(t) for t in (bfloat16, np.float16, np.float32, np.float64))
usual_floats = frozenset(float_types)
complex_types = (np.dtype(np.complex64), np.dtype(np.complex128))
all_types: tuple[np.dtype[Any], ...] = (
    *(bool_, *signed_types, *unsigned_types, *small_ints),
    *(*float_types, *small_floats, *complex_types),
)
_existing = frozenset(all_types)

_ABSTRACT: dict[type, type] = {
    **dict.fromkeys((int2, int4), np.signedinteger),
    **dict.fromkeys((uint2, uint4), np.unsignedinteger),
    **dict.fromkeys((bfloat16, *(d.type for d in small_floats)), np.floating),
}
_NARROWED = {np.dtype(wide): np.dtype(narrow) for wide, narrow in (
    (np.int64, np.int32), (np.uint64, np.uint32), (np.float64, np.float32), (np.complex128, np.complex64),
)}  # fmt: skip
_BY_KIND_AND_SIZE = {(d.kind, d.itemsize): d for d in all_types if d.type.__module__ == "numpy"}


def default_int() -> np.dtype[Any]:
    """The dtype of Python ints: int32, or int64 while 64-bit types are on."""
    return _INT64 if config.enable_x64 else _INT32


def default_float() -> np.dtype[Any]:
    """The dtype of Python floats: float32, or float64 while 64-bit types are on."""
    return _FLOAT64 if config.enable_x64 else _FLOAT32


def default_complex() -> np.dtype[Any]:
    """The dtype of Python complex numbers: complex64, or complex128 while 64-bit types are on."""
    return _COMPLEX128 if config.enable_x64 else _COMPLEX64


_INT32, _INT64, _FLOAT32, _FLOAT64, _COMPLEX64, _COMPLEX128 = (
    np.dtype(t) for t in (np.int32, np.int64, np.float32, np.float64, np.complex64, np.complex128)
)

SCALAR_DEFAULTS: dict[type, Callable[[], np.dtype[Any]]] = {
    bool: lambda: bool_,
    int: default_int,
    float: default_float,
    complex: default_complex,
}


def as_dtype(d: Any) -> DType:
    """``d`` (a dtype, scalar type, name, or anything with a ``dtype``) as a native dtype, at its full width.

    Raises:
      TypeError: ``d`` names no dtype, or one that arrays cannot have (object, text, dates, structures).
    """
    if isinstance(d, ExtendedDType):
        return d
    if isinstance(d, type) or not hasattr(d, "dtype"):
        try:
            dtype = np.dtype(d)
        except TypeError:
            raise TypeError(
                f"{errors.where()}: {d!r} is not a dtype; give one such as 'float32' or cotan.numpy.float32"
            ) from None
    else:
        return as_dtype(d.dtype)
    if dtype in _existing or dtype == float0:
        # `longlong` equals `int64` in NumPy without being it; there is one object of each kind here.
        return _BY_KIND_AND_SIZE.get((dtype.kind, dtype.itemsize), dtype)
    native = _BY_KIND_AND_SIZE.get((dtype.kind, dtype.itemsize))
    if native is not None:
        return native
    raise TypeError(
        f"{errors.where()}: arrays cannot have the dtype {dtype}; allowed are booleans, "
        "integers, floats and complex numbers"
    )


_canonical: tuple[dict[Any, DType], dict[Any, DType]] = ({}, {})  # without and with 64-bit types
_CANONICAL_LIMIT = 1024


def canonicalize_dtype(dtype: Any, allow_extended_dtype: bool = True) -> DType:
    """``dtype`` as that of arrays: native, and 32 bits wide instead of 64 unless 64-bit types are on.

    Args:
      allow_extended_dtype: accepted; the dtypes of keys are what they are in any case.

    Raises:
      TypeError: arrays cannot have such a dtype.

    >>> canonicalize_dtype("float64"), canonicalize_dtype(int)
    (dtype('float32'), dtype('int32'))
    """
    table = _canonical[config.enable_x64]
    try:
        return table[dtype]
    except KeyError:
        if len(table) >= _CANONICAL_LIMIT:
            table.clear()
        found = table[dtype] = _canonicalize(dtype)
        return found
    except TypeError:  # an object that names a dtype and is not hashable
        return _canonicalize(dtype)


def _canonicalize(d: Any) -> DType:
    dtype = as_dtype(d)
    return dtype if config.enable_x64 or isinstance(dtype, ExtendedDType) else _NARROWED.get(dtype, dtype)


def check_user_dtype(dtype: Any, fun_name: str) -> DType | None:
    """The canonical form of a dtype that the user asked ``fun_name`` for, with a warning where it is narrower.

    None stays None. What an explicit 64-bit dtype does while 64-bit types are off is up to
    ``config.explicit_x64_dtypes``; Python's ``int``, ``float`` and ``complex`` mean the default widths and never warn.

    Raises:
      TypeError: arrays cannot have such a dtype.
      ValueError: 64-bit types are off, and ``config.explicit_x64_dtypes`` is ``"error"``.
    """
    if dtype is None:
        return None
    try:
        canonical = canonicalize_dtype(dtype)
    except TypeError as error:
        place = f"{errors.where()}: "
        raise TypeError(f"{place}{fun_name}: {str(error).removeprefix(place)}") from None
    if config.enable_x64 or (isinstance(dtype, type) and dtype in SCALAR_DEFAULTS):
        return canonical
    wanted = as_dtype(dtype)
    if wanted == canonical or config.explicit_x64_dtypes == "allow":
        return wanted
    text = f"{fun_name}: the dtype {wanted} was asked for while 64-bit types are off"
    hint = (
        f'Ask for {canonical}, or turn them on: cotan.config.update("enable_x64", True) at the start of the program, '
        "or COTAN_ENABLE_X64=1"
    )
    if config.explicit_x64_dtypes == "error":
        raise ValueError(f"{text}. {hint}")
    errors.warn(f"{text}; it is truncated to {canonical}. {hint}")
    return canonical


def _kind_of(x: Any) -> Any:
    """The scalar type (or extended dtype) that ``issubdtype`` compares."""
    if isinstance(x, ExtendedDType):
        return x
    if isinstance(x, type) and issubclass(x, np.generic):
        return x
    dtype = getattr(x, "dtype", None)
    if dtype is not None and not isinstance(x, type):
        return _kind_of(dtype)
    return np.dtype(x).type


@lru_cache(maxsize=2048)
def issubdtype(a: Any, b: Any) -> bool:
    """Whether the dtype ``a`` is ``b`` or of the kind ``b``; knows the narrow and the extended dtypes as well.

    Args:
      a: a dtype, scalar type or name.
      b: one of those, or an abstract kind (``np.floating``, ``prng_key``...).

    >>> issubdtype(bfloat16, np.floating), issubdtype("int32", np.inexact)
    (True, False)
    """
    a, b = _kind_of(a), _kind_of(b)
    if isinstance(a, ExtendedDType):
        return a is b if isinstance(b, ExtendedDType) else issubclass(a.type, b)
    if isinstance(b, ExtendedDType):
        return False
    return issubclass(a, b) or issubclass(_ABSTRACT.get(a, a), b)


_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (np.bool_,),
    "signed integer": (np.signedinteger,),
    "unsigned integer": (np.unsignedinteger,),
    "integral": (np.integer,),
    "real floating": (np.floating,),
    "complex floating": (np.complexfloating,),
    "numeric": (np.number,),
}


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether ``dtype`` is of a kind of the array API standard, or is one of the given dtypes.

    Args:
      dtype: a dtype, scalar type or name.
      kind: a name (``"bool"``, ``"integral"``, ``"real floating"``...), a dtype, or a tuple of these.

    >>> isdtype("float32", ("integral", "real floating"))
    True
    """
    for one in kind if isinstance(kind, tuple) else (kind,):
        if isinstance(one, str) and one in _KINDS:
            if any(issubdtype(dtype, abstract) for abstract in _KINDS[one]):
                return True
            continue
        try:
            wanted = as_dtype(one)
        except TypeError:
            names = ", ".join(_KINDS)
            raise ValueError(f"isdtype: {one!r} is neither a dtype nor one of the kinds {names}") from None
        if as_dtype(dtype) == wanted:
            return True
    return False


def is_extended(dtype: Any) -> bool:
    """Whether ``dtype`` is an extended dtype, such as that of random keys."""
    return isinstance(dtype, ExtendedDType)


def finfo(dtype: Any) -> Any:
    """The limits of a floating dtype (``bits``, ``eps``, ``max``, ``nmant``...), the narrow ones included."""
    try:
        return ml_dtypes.finfo(as_dtype(dtype))  # type: ignore[no-untyped-call]
    except ValueError:
        text = f"finfo takes a dtype of floats or of complex numbers, not {as_dtype(dtype).name}; iinfo is for integers"
        raise ValueError(f"{errors.where()}: {text}") from None


def iinfo(int_type: Any) -> Any:
    """The limits of an integer dtype (``bits``, ``min``, ``max``), the narrow ones included."""
    try:
        return _iinfo(as_dtype(int_type))
    except ValueError:
        text = f"iinfo takes a dtype of integers, not {as_dtype(int_type).name}; finfo is for floats"
        raise ValueError(f"{errors.where()}: {text}") from None


_iinfo = lru_cache(ml_dtypes.iinfo)


def itemsize_bits(dtype: Any) -> int:
    """How many bits of an element of ``dtype`` carry information; 1 for bool, 4 for int4.

    >>> itemsize_bits(int4), itemsize_bits("float32")
    (4, 32)
    """
    d = as_dtype(dtype)
    if isinstance(d, ExtendedDType) or d == float0:
        return int(d.itemsize) * 8
    if d == bool_:
        return 1
    if d in complex_types:
        return int(d.itemsize) * 8
    return int(finfo(d).bits if issubdtype(d, np.floating) else iinfo(d).bits)


def _short(name: str) -> str:
    for long, short in (("bfloat", "bf"), ("float", "f"), ("complex", "c"), ("uint", "u"), ("int", "i")):
        if name.startswith(long):
            return short + name[len(long) :]
    return name


_short_names: dict[Any, str] = {d: _short(d.name) for d in all_types} | {float0: "float0"}


def short_name(dtype: Any) -> str:
    """The name as jaxprs show it.

    >>> short_name("float32"), short_name(np.uint8), short_name(bfloat16), short_name(float8_e5m2)
    ('f32', 'u8', 'bf16', 'f8_e5m2')
    """
    d = as_dtype(dtype)
    return d.name if isinstance(d, ExtendedDType) else _short_names[d]


def to_inexact_dtype(dtype: Any) -> DType:
    """The dtype in which a function of reals computes: ``dtype`` itself if inexact, else a float.

    >>> to_inexact_dtype("int8"), to_inexact_dtype("float16")
    (dtype('float32'), dtype('float16'))
    """
    d = canonicalize_dtype(dtype)
    if issubdtype(d, np.inexact):
        return d
    if isinstance(d, ExtendedDType) or d == float0:
        raise TypeError(f"there are no floating-point values of the dtype {short_name(d)}")
    return _FLOAT64 if d.itemsize == 8 else _FLOAT32


def to_real_dtype(dtype: Any) -> DType:
    """The dtype of the real part: float32 for complex64, float64 for complex128, else ``dtype`` itself."""
    d = as_dtype(dtype)
    return {_COMPLEX64: _FLOAT32, _COMPLEX128: _FLOAT64}.get(d, d)


def to_floating_dtype(dtype: Any) -> DType:
    """Like ``to_inexact_dtype``, but the dtype of the real part if complex."""
    return to_real_dtype(to_inexact_dtype(dtype))


def to_complex_dtype(dtype: Any) -> DType:
    """The complex dtype for values of ``dtype``: complex128 for 64-bit ones, else complex64."""
    d = to_inexact_dtype(dtype)
    return _COMPLEX128 if d in (_FLOAT64, _COMPLEX128) else _COMPLEX64


def to_numeric_dtype(dtype: Any) -> DType:
    """``dtype``, or the default integer for bool."""
    d = canonicalize_dtype(dtype)
    return default_int() if d == bool_ else d
