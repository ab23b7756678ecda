"""Signs, real and imaginary parts, and of what kind numbers are: finite, infinite, NaN; elementwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.api.repeated import repeated
from cotan.numpy.elementwise import is_bool, is_complex, is_inexact, is_unsigned, strong, where_
from cotan.numpy.promotion import as_array, promote_args_inexact, refuse_out


@repeated()
def copysign(x1: Any, x2: Any, /) -> Any:
    """|x1| with the sign of x2 (also of -0.0)."""
    a, b = promote_args_inexact("copysign", x1, x2)
    if is_complex(a):
        raise TypeError("copysign is not defined on complex numbers; take .real or .imag")
    magnitude = lax.abs(a)
    return where_(signbit(b), lax.neg(magnitude), magnitude)


@repeated()
def signbit(x: Any, /) -> Any:
    """Whether the sign bit is set."""
    x = strong(as_array(x, "signbit"))
    if is_unsigned(x) or is_bool(x):
        return lax.full_like(x, False, np.bool_)
    if not is_inexact(x):
        return lax.lt(x, 0)
    if is_complex(x):
        raise ValueError("signbit is not defined on complex numbers; take .real or .imag")
    if dtypes.itemsize_bits(x.dtype) < 8:
        x = lax.convert_element_type(x, np.float32)
    width = np.dtype(x.dtype).itemsize
    return lax.lt(lax.bitcast_convert_type(x, np.dtype(f"i{width}")), 0)


def isfinite(x: Any, /) -> Any:
    """Whether neither infinite nor NaN."""
    x = as_array(x, "isfinite")
    if is_complex(x):
        return lax.bitwise_and(lax.is_finite(lax.real(x)), lax.is_finite(lax.imag(x)))
    return lax.is_finite(x) if is_inexact(x) else lax.full_like(x, True, np.bool_)


def isinf(x: Any, /) -> Any:
    """Whether infinite."""
    x = strong(as_array(x, "isinf"))
    if is_complex(x):
        return lax.bitwise_or(isinf(lax.real(x)), isinf(lax.imag(x)))
    if not is_inexact(x):
        return lax.full_like(x, False, np.bool_)
    return lax.eq(lax.abs(x), math.inf)


def _is_infinity(name: str, x: Any, infinity: float) -> Any:
    x = strong(as_array(x, name))
    if is_complex(x):
        raise ValueError(f"{name} is not defined on complex numbers; take .real or .imag, or use absolute")
    return lax.eq(x, infinity) if is_inexact(x) else lax.full_like(x, False, np.bool_)


def isposinf(x: Any, /, out: None = None) -> Any:
    """Whether positive infinity."""
    refuse_out("isposinf", out)
    return _is_infinity("isposinf", x, math.inf)


def isneginf(x: Any, /, out: None = None) -> Any:
    """Whether negative infinity."""
    refuse_out("isneginf", out)
    return _is_infinity("isneginf", x, -math.inf)


def isnan(x: Any, /) -> Any:
    """Whether NaN."""
    x = as_array(x, "isnan")
    return lax.ne(x, x)


def real(val: Any, /) -> Any:
    """The real part."""
    x = as_array(val, "real")
    return lax.real(x) if is_complex(x) else x


def imag(val: Any, /) -> Any:
    """The imaginary part."""
    x = as_array(val, "imag")
    return lax.imag(x) if is_complex(x) else lax.full_like(x, 0)


def conjugate(x: Any, /) -> Any:
    """The complex conjugate."""
    x = as_array(x, "conjugate")
    return lax.conj(x) if is_complex(x) else x
