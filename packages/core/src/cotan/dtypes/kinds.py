"""The dtypes that exist, what kinds they are, and which of them are canonical now (64-bit ones only if enabled).

Knows nothing of promotion or of arrays.
"""

from __future__ import annotations

import warnings
from typing import Any

import ml_dtypes
import numpy as np

from cotan.config import config
from cotan.dtypes.extended import ExtendedDType, extended, float0
from cotan.errors import user_frame

bool_ = np.dtype(np.bool_)
bfloat16 = np.dtype(ml_dtypes.bfloat16)
float8_e3m4 = np.dtype(ml_dtypes.float8_e3m4)
float8_e4m3 = np.dtype(ml_dtypes.float8_e4m3)
float8_e4m3b11fnuz = np.dtype(ml_dtypes.float8_e4m3b11fnuz)
float8_e4m3fn = np.dtype(ml_dtypes.float8_e4m3fn)
float8_e4m3fnuz = np.dtype(ml_dtypes.float8_e4m3fnuz)
float8_e5m2 = np.dtype(ml_dtypes.float8_e5m2)
float8_e5m2fnuz = np.dtype(ml_dtypes.float8_e5m2fnuz)
float8_e8m0fnu = np.dtype(ml_dtypes.float8_e8m0fnu)
float4_e2m1fn = np.dtype(ml_dtypes.float4_e2m1fn)
int2 = np.dtype(ml_dtypes.int2)
int4 = np.dtype(ml_dtypes.int4)
uint2 = np.dtype(ml_dtypes.uint2)
uint4 = np.dtype(ml_dtypes.uint4)

small_floats = (
    float4_e2m1fn, float8_e3m4, float8_e4m3, float8_e4m3b11fnuz, float8_e4m3fn, float8_e4m3fnuz,
    float8_e5m2, float8_e5m2fnuz, float8_e8m0fnu,
)  # fmt: skip
small_ints = (int2, int4, uint2, uint4)
signed_types = tuple(map(np.dtype, (np.int8, np.int16, np.int32, np.int64)))
unsigned_types = tuple(map(np.dtype, (np.uint8, np.uint16, np.uint32, np.uint64)))
float_types = (bfloat16, *map(np.dtype, (np.float16, np.float32, np.float64)))
complex_types = tuple(map(np.dtype, (np.complex64, np.complex128)))
all_types = (bool_, *signed_types, *unsigned_types, *small_ints, *float_types, *small_floats, *complex_types)
_existing = frozenset(all_types) | {float0}

_by_name = {dtype.name: dtype for dtype in (*small_floats, *small_ints, bfloat16)}
_int32, _int64 = np.dtype(np.int32), np.dtype(np.int64)
_float32, _float64 = np.dtype(np.float32), np.dtype(np.float64)
_complex64, _complex128 = complex_types
_narrower = {_int64: _int32, np.dtype(np.uint64): np.dtype(np.uint32), _float64: _float32, _complex128: _complex64}

_parents: dict[Any, type] = {
    **dict.fromkeys((*small_floats, bfloat16), np.floating),
    **dict.fromkeys((int2, int4), np.signedinteger),
    **dict.fromkeys((uint2, uint4), np.unsignedinteger),
}


def as_dtype(like: Any) -> Any:
    """The NumPy or extended dtype that ``like`` names: a dtype, its name, a scalar type, or what has a ``dtype``.

    Raises:
      TypeError: it names none, or one that has no place here (object, str, datetime, longdouble).
    """
    if isinstance(like, ExtendedDType):
        return like
    if not isinstance(like, np.dtype):
        if like is None:
            raise TypeError("None is not a dtype")
        if isinstance(like, str):
            like = _by_name.get(like, like)
        elif not isinstance(like, type) and hasattr(like, "dtype"):
            return as_dtype(like.dtype)
        like = np.dtype(like)
    if not like.isnative:
        like = like.newbyteorder("=")
    if like not in _existing:
        raise TypeError(
            f"the dtype {like} cannot be used: cotan computes with bool, integer, floating point and complex dtypes"
        )
    return like


_canonical_wide: dict[Any, Any] = {dtype: dtype for dtype in _existing}
_canonical: dict[Any, Any] = {dtype: _narrower.get(dtype, dtype) for dtype in _existing}


def canonicalize_dtype(dtype: Any) -> Any:
    """The dtype that values of ``dtype`` have here: 64-bit ones become 32-bit unless ``config.enable_x64``.

    >>> canonicalize_dtype("float64")
    dtype('float32')
    """
    table = _canonical_wide if config.enable_x64 else _canonical
    try:
        return table[dtype]
    except (KeyError, TypeError):
        dtype = as_dtype(dtype)
        return table.get(dtype, dtype)


def default_int() -> Any:
    """The dtype of Python ints: int32, or int64 with x64."""
    return _int64 if config.enable_x64 else _int32


def default_float() -> Any:
    """The dtype of Python floats: float32, or float64 with x64."""
    return _float64 if config.enable_x64 else _float32


def default_complex() -> Any:
    """The dtype of Python complex numbers: complex64, or complex128 with x64."""
    return _complex128 if config.enable_x64 else _complex64


def check_user_dtype(dtype: Any, fun_name: str) -> Any:
    """The canonical dtype for one that a user asked for by the argument ``dtype`` of ``fun_name``.

    Where that makes a 64-bit dtype a 32-bit one, it warns, raises ValueError or gives the 64-bit one, as
    ``config.explicit_x64_dtypes`` says. Python's ``int``, ``float``, ``complex`` mean the default of their kind.

    Raises:
      TypeError: there is no such dtype.
    """
    try:
        wanted = as_dtype(dtype)
    except TypeError as error:
        raise TypeError(f"{fun_name} got dtype={dtype!r}: {error}") from None
    canonical = canonicalize_dtype(wanted)
    if canonical is wanted or dtype in (int, float, complex):
        return canonical
    mode = config.explicit_x64_dtypes
    if mode == "allow":
        return wanted
    text = (
        f"{fun_name} was asked for dtype {wanted.name}, but 64-bit dtypes are off; %s. "
        "Turn them on with cotan.config.update('enable_x64', True) or COTAN_ENABLE_X64=1."
    )
    if mode == "error":
        raise ValueError(text % f"ask for {canonical.name}")
    frame = user_frame()
    warnings.warn_explicit(
        text % f"the result has dtype {canonical.name}",
        UserWarning,
        frame.filename if frame else "<unknown>",
        (frame.lineno or 1) if frame else 1,
    )
    return canonical


_subdtypes: dict[tuple[Any, Any], bool] = {}


def issubdtype(a: Any, b: Any) -> bool:
    """Whether dtype ``a`` is of kind ``b`` (a dtype, or an abstract kind as ``numpy.floating`` or ``prng_key``).

    Unlike NumPy's, it knows bfloat16, the 8-bit floats, the 2- and 4-bit integers and extended dtypes.
    """
    try:
        return _subdtypes[a, b]
    except (KeyError, TypeError):
        answer = _issubdtype(a, b)
    try:
        if len(_subdtypes) < 4096:
            _subdtypes[a, b] = answer
    except TypeError:
        pass
    return answer


def _kind_of(like: Any) -> Any:
    """The NumPy scalar type or abstract kind, or the dtype for those without a distinct type."""
    if isinstance(like, type) and issubclass(like, np.generic) and like not in _scalar_types:
        return like
    return as_dtype(like) if not (isinstance(like, np.dtype) and like not in _existing) else like


_scalar_types = frozenset(dtype.type for dtype in all_types)


def _issubdtype(a: Any, b: Any) -> bool:
    kind_a, kind_b = _kind_of(a), _kind_of(b)
    if not isinstance(kind_b, type):
        return bool(kind_a == kind_b)
    if isinstance(kind_a, type):
        return issubclass(kind_a, kind_b)
    return issubclass(_parents.get(kind_a, kind_a.type), kind_b)


def is_extended(dtype: Any) -> bool:
    """Whether ``dtype`` is an extended dtype, such as that of random keys."""
    return isinstance(dtype, ExtendedDType)


def finfo(dtype: Any) -> Any:
    """Limits of a floating point dtype, as ``numpy.finfo`` gives them, also for bfloat16 and 8-bit floats.

    Raises:
      ValueError: the dtype is not inexact.
    """
    dtype = as_dtype(dtype)
    if not issubdtype(dtype, np.inexact):
        raise ValueError(f"finfo: {dtype} is not a floating point dtype; use iinfo for integers")
    return ml_dtypes.finfo(dtype) if dtype in _parents else np.finfo(dtype)


def iinfo(dtype: Any) -> Any:
    """Limits of an integer dtype, as ``numpy.iinfo`` gives them, also for 2- and 4-bit integers.

    Raises:
      ValueError: the dtype is not an integer one.
    """
    dtype = as_dtype(dtype)
    if not issubdtype(dtype, np.integer):
        raise ValueError(f"iinfo: {dtype} is not an integer dtype; use finfo for floating point numbers")
    return ml_dtypes.iinfo(dtype) if dtype in _parents else np.iinfo(dtype)



def _short(dtype: Any) -> str:
    if isinstance(dtype, ExtendedDType):
        return dtype.name
    if dtype == float0:
        return "float0"
    if dtype == bool_:
        return "bool"
    if dtype.kind in "iufc":
        return f"{dtype.kind}{dtype.itemsize * 8}"
    name: str = dtype.name
    for long, short in (("bfloat", "bf"), ("float", "f"), ("uint", "u"), ("int", "i")):
        name = name.replace(long, short)
    return name


def short_name(dtype: Any) -> str:
    """``f32``, ``i32``, ``u8``, ``bool``, ``bf16``, ``f8_e5m2``, ``c64``, ``key<fry>``."""
    return _short(as_dtype(dtype))


def to_inexact_dtype(dtype: Any) -> Any:
    """The floating point dtype in which functions such as ``sin`` compute for integers of ``dtype``; inexact: itself."""
    dtype = as_dtype(dtype)
    if issubdtype(dtype, np.inexact):
        return dtype
    if isinstance(dtype, ExtendedDType) or dtype == float0:
        raise TypeError(f"values of dtype {short_name(dtype)} have no floating point form")
    return canonicalize_dtype(_float64 if dtype.itemsize == 8 else _float32)


def to_real_dtype(dtype: Any) -> Any:
    """The dtype of the real part: float32 for complex64, float64 for complex128, else the dtype itself."""
    dtype = as_dtype(dtype)
    return {_complex64: _float32, _complex128: _float64}.get(dtype, dtype)


def to_complex_dtype(dtype: Any) -> Any:
    """The complex dtype that holds values of ``dtype``."""
    dtype = to_inexact_dtype(dtype)
    return dtype if dtype.kind == "c" else (_complex128 if dtype == _float64 else _complex64)


