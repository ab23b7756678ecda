"""Elementwise functions with NumPy's meanings: arguments are promoted, then a primitive does the work."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.numpy.promotion import (
    SCALARS,
    as_array,
    check_arraylike,
    promote_args,
    promote_args_inexact,
    promote_dtypes,
    promote_shapes,
)
from cotan.tracebacks import trim, trims

Ufunc = Callable[..., Any]


def _named(function: Ufunc, name: str, doc: str) -> Ufunc:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _trimming(function: Ufunc, name: str, doc: str) -> Ufunc:
    """As ``_named``, of a function that trims what leaves it."""
    return _named(trims(function), name, doc)


def _unary(name: str, primitive: Ufunc, doc: str, *, inexact: bool = False) -> Ufunc:
    promote = promote_args_inexact if inexact else promote_args

    def function(x: Any, /) -> Any:
        try:
            return primitive(promote(name, x)[0])
        except Exception as error:
            trim(error)
            raise

    return _trimming(function, name, f"{doc}, elementwise.{' Integers become floats.' if inexact else ''}")


def _binary(name: str, primitive: Ufunc, doc: str, *, inexact: bool = False) -> Ufunc:
    promote = promote_args_inexact if inexact else promote_args

    def function(x1: Any, x2: Any, /) -> Any:
        try:
            a, b = promote(name, x1, x2)
            return primitive(a, b)
        except Exception as error:
            trim(error)
            raise

    return _trimming(function, name, f"{doc}, elementwise, with broadcasting and promotion.")


def is_bool(x: Any) -> bool:
    return bool(dtypes.dtype(x) == np.bool_)


def is_complex(x: Any) -> bool:
    return bool(dtypes.issubdtype(dtypes.dtype(x), np.complexfloating))


def is_inexact(x: Any) -> bool:
    return bool(dtypes.issubdtype(dtypes.dtype(x), np.inexact))


def is_unsigned(x: Any) -> bool:
    return bool(dtypes.issubdtype(dtypes.dtype(x), np.unsignedinteger))


def _logic(name: str, on_numbers: Ufunc, on_bools: Ufunc, doc: str) -> Ufunc:
    """Arithmetic that NumPy defines on bools as logic."""

    def function(x1: Any, x2: Any, /) -> Any:
        try:
            a, b = promote_args(name, x1, x2)
            return on_bools(a, b) if is_bool(a) else on_numbers(a, b)
        except Exception as error:
            trim(error)
            raise

    return _trimming(function, name, f"{doc}, elementwise, with broadcasting and promotion; on bools it is logic.")


def _ordering(name: str, primitive: Ufunc, strict: Ufunc, doc: str) -> Ufunc:
    """Comparison; complex numbers are ordered by their real, then their imaginary parts."""

    def function(x1: Any, x2: Any, /) -> Any:
        try:
            a, b = promote_args(name, x1, x2)
            if not is_complex(a):
                return primitive(a, b)
            (re1, re2), (im1, im2) = (lax.real(a), lax.real(b)), (lax.imag(a), lax.imag(b))
            return lax.bitwise_or(strict(re1, re2), lax.bitwise_and(lax.eq(re1, re2), primitive(im1, im2)))
        except Exception as error:
            trim(error)
            raise

    return _trimming(function, name, f"{doc}, elementwise, with broadcasting and promotion.")


add = _logic("add", lax.add, lax.bitwise_or, "x1 + x2")
multiply = _logic("multiply", lax.mul, lax.bitwise_and, "x1 * x2")
maximum = _logic("maximum", lax.max, lax.bitwise_or, "The larger of x1 and x2; NaN if either is")
minimum = _logic("minimum", lax.min, lax.bitwise_and, "The smaller of x1 and x2; NaN if either is")
subtract = _binary("subtract", lax.sub, "x1 - x2")
arctan2 = _binary("arctan2", lax.atan2, "The angle of the point (x2, x1)", inexact=True)
nextafter = _binary("nextafter", lax.nextafter, "The next number after x1 towards x2", inexact=True)
true_divide = divide = _binary("divide", lax.div, "x1 / x2, as a float", inexact=True)
bitwise_and = _binary("bitwise_and", lax.bitwise_and, "x1 & x2")
bitwise_or = _binary("bitwise_or", lax.bitwise_or, "x1 | x2")
bitwise_xor = _binary("bitwise_xor", lax.bitwise_xor, "x1 ^ x2")
equal = _binary("equal", lax.eq, "x1 == x2")
not_equal = _binary("not_equal", lax.ne, "x1 != x2")
less = _ordering("less", lax.lt, lax.lt, "x1 < x2")
less_equal = _ordering("less_equal", lax.le, lax.lt, "x1 <= x2")
greater = _ordering("greater", lax.gt, lax.gt, "x1 > x2")
greater_equal = _ordering("greater_equal", lax.ge, lax.gt, "x1 >= x2")

negative = _unary("negative", lax.neg, "-x")
sign = _unary("sign", lax.sign, "-1, 0 or 1")
exp = _unary("exp", lax.exp, "e ** x", inexact=True)
exp2 = _unary("exp2", lax.exp2, "2 ** x", inexact=True)
expm1 = _unary("expm1", lax.expm1, "exp(x) - 1, accurate near 0", inexact=True)
log = _unary("log", lax.log, "Natural logarithm", inexact=True)
log1p = _unary("log1p", lax.log1p, "log(1 + x), accurate near 0", inexact=True)
sqrt = _unary("sqrt", lax.sqrt, "Square root", inexact=True)
cbrt = _unary("cbrt", lax.cbrt, "Cube root", inexact=True)
sin = _unary("sin", lax.sin, "Sine", inexact=True)
cos = _unary("cos", lax.cos, "Cosine", inexact=True)
tan = _unary("tan", lax.tan, "Tangent", inexact=True)
arcsin = asin = _unary("arcsin", lax.asin, "Inverse sine", inexact=True)
arccos = acos = _unary("arccos", lax.acos, "Inverse cosine", inexact=True)
arctan = atan = _unary("arctan", lax.atan, "Inverse tangent", inexact=True)
sinh = _unary("sinh", lax.sinh, "Hyperbolic sine", inexact=True)
cosh = _unary("cosh", lax.cosh, "Hyperbolic cosine", inexact=True)
tanh = _unary("tanh", lax.tanh, "Hyperbolic tangent", inexact=True)
arcsinh = asinh = _unary("arcsinh", lax.asinh, "Inverse hyperbolic sine", inexact=True)
arccosh = acosh = _unary("arccosh", lax.acosh, "Inverse hyperbolic cosine", inexact=True)
arctanh = atanh = _unary("arctanh", lax.atanh, "Inverse hyperbolic tangent", inexact=True)
bitwise_not = invert = bitwise_invert = _unary("invert", lax.bitwise_not, "~x")
atan2 = arctan2


def _rounding(name: str, primitive: Ufunc, doc: str) -> Ufunc:
    def function(x: Any, /) -> Any:
        try:
            x = as_array(x, name)
            return primitive(x) if is_inexact(x) else x
        except Exception as error:
            trim(error)
            raise

    return _trimming(function, name, f"{doc}, elementwise; integers are returned as they are.")


floor = _rounding("floor", lax.floor, "Largest integer not above x")
ceil = _rounding("ceil", lax.ceil, "Smallest integer not below x")
trunc = fix = _rounding("trunc", lambda x: lax.select(lax.lt(x, 0), lax.ceil(x), lax.floor(x)), "x rounded towards 0")


def left_shift(x1: Any, x2: Any, /) -> Any:
    """``x1 << x2``."""
    return lax.shift_left(*_numbers("left_shift", x1, x2))


def right_shift(x1: Any, x2: Any, /) -> Any:
    """``x1 >> x2``: arithmetic for signed, logical for unsigned integers."""
    a, b = _numbers("right_shift", x1, x2)
    return (lax.shift_right_logical if is_unsigned(a) else lax.shift_right_arithmetic)(a, b)


bitwise_left_shift, bitwise_right_shift = left_shift, right_shift


def absolute(x: Any, /) -> Any:
    """|x|, elementwise; bools and unsigned integers are returned as they are."""
    x = as_array(x, "absolute")
    return x if is_bool(x) or is_unsigned(x) else lax.abs(x)


abs = absolute


def fabs(x: Any, /) -> Any:
    """|x| as a float."""
    (x,) = promote_args_inexact("fabs", x)
    if is_complex(x):
        raise TypeError("fabs is not defined on complex numbers; use absolute")
    return lax.abs(x)


def positive(x: Any, /) -> Any:
    """``x``."""
    return as_array(x, "positive")


def square(x: Any, /) -> Any:
    """x * x; bools become int32."""
    (x,) = promote_args("square", x)
    return lax.square(lax.convert_element_type(x, np.int32) if is_bool(x) else x)


def reciprocal(x: Any, /) -> Any:
    """1 / x, as a float."""
    (x,) = promote_args_inexact("reciprocal", x)
    return lax.integer_pow(x, -1)


def power(x1: Any, x2: Any, /) -> Any:
    """``x1 ** x2``; a Python int as the exponent becomes repeated multiplication.

    >>> import cotan.numpy as cnp
    >>> cnp.power(cnp.array([1.0, 2.0, 3.0]), 2)
    Array([1., 4., 9.], dtype=float32)
    """
    check_arraylike("power", x1, x2)
    if isinstance(x2, int) and not isinstance(x2, bool):
        x1 = as_array(x1, "power")
        if is_bool(x1):
            x1 = lax.convert_element_type(x1, np.int32)
        if x2 < 0 and not is_inexact(x1):
            raise TypeError(f"power: integers cannot be raised to negative powers, got {x2}; convert to a float first")
        return lax.integer_pow(x1, x2)
    a, b = promote_dtypes("power", x1, x2)
    if is_inexact(a):
        a, b = promote_shapes("power", a, b)
        return lax.pow(a, b)
    return _integer_power(*promote_shapes("power", a, b))


def _integer_power(a: Any, b: Any) -> Any:
    """By repeated squaring over the exponent's bits; negative exponents follow truncating division."""
    if is_bool(a):
        a, b = (lax.convert_element_type(x, np.int32) for x in (a, b))
    dtype = dtypes.dtype(a)
    result, base, rest = lax.full(np.broadcast_shapes(a.shape, b.shape), 1, dtype), a, b
    for _ in range(np.dtype(dtype).itemsize * 8 - (0 if is_unsigned(a) else 1)):
        odd = lax.eq(lax.bitwise_and(rest, 1), 1)
        result = lax.mul(result, where_(odd, base, 1))
        base = lax.mul(base, base)
        rest = lax.shift_right_logical(rest, 1)
    if is_unsigned(a):
        return result
    odd_sign = lax.sub(1, lax.mul(2, lax.bitwise_and(b, 1)))
    inverse = where_(lax.eq(a, 1), 1, where_(lax.eq(a, -1), odd_sign, 0))
    return where_(lax.lt(b, 0), inverse, result)


def where_(condition: Any, x: Any, y: Any) -> Any:
    """Select with broadcasting, of equal dtypes; one of ``x`` and ``y`` may be a Python number, of the other's type."""
    if isinstance(x, SCALARS):
        x = _constant_like(y, x)
    elif isinstance(y, SCALARS):
        y = _constant_like(x, y)
    c, x, y = promote_shapes("where", condition, x, y)
    shape = np.broadcast_shapes(c.shape, x.shape, y.shape)
    x, y = (v if tuple(v.shape) == shape else lax.broadcast_in_dim(v, shape, ()) for v in (x, y))
    return lax.select(c, x, y)


def _constant_like(x: Any, value: Any) -> Any:
    """A scalar of the dtype and weak type of ``x``."""
    weak = getattr(getattr(x, "aval", None), "weak_type", False)
    return lax.convert_element_type(value, x.dtype, weak_type=True) if weak else np.asarray(value, x.dtype)


pow = power
float_power = _binary("float_power", lax.pow, "x1 ** x2 as a float", inexact=True)


def _numbers(name: str, x1: Any, x2: Any) -> tuple[Any, Any]:
    """Promoted operands of arithmetic without a meaning on bools, which become int32."""
    a, b = promote_args(name, x1, x2)
    return (lax.convert_element_type(a, np.int32), lax.convert_element_type(b, np.int32)) if is_bool(a) else (a, b)


def floor_divide(x1: Any, x2: Any, /) -> Any:
    """The floor of x1 / x2."""
    a, b = _numbers("floor_divide", x1, x2)
    if is_inexact(a):
        return _float_divmod(a, b)[0]
    quotient = lax.div(a, b)
    if is_unsigned(a):
        return quotient
    remainder = lax.rem(a, b)
    wrong = lax.bitwise_and(lax.ne(lax.sign(a), lax.sign(b)), lax.ne(remainder, 0))
    return where_(wrong, lax.sub(quotient, 1), quotient)


def _float_divmod(a: Any, b: Any) -> tuple[Any, Any]:
    """(floor of the quotient, remainder with the divisor's sign), consistent with each other."""
    modulo = lax.rem(a, b)
    quotient = lax.div(lax.sub(a, modulo), b)
    wrong = lax.bitwise_and(lax.ne(modulo, 0), lax.ne(lax.lt(b, 0), lax.lt(modulo, 0)))
    modulo = where_(wrong, lax.add(modulo, b), modulo)
    quotient = where_(wrong, lax.sub(quotient, 1), quotient)
    quotient = lax.round(quotient, lax.RoundingMethod.TO_NEAREST_EVEN)
    return where_(lax.eq(b, 0), lax.div(a, b), quotient), modulo


def _rem(a: Any, b: Any) -> Any:
    """``lax.rem``, with NumPy's 0 for integers that are divided by 0."""
    return lax.rem(a, b) if is_inexact(a) else where_(lax.eq(b, 0), 0, lax.rem(a, b))


def remainder(x1: Any, x2: Any, /) -> Any:
    """The remainder with the divisor's sign; 0 for integers divided by 0."""
    a, b = _numbers("remainder", x1, x2)
    modulo = _rem(a, b)
    if is_unsigned(a):
        return modulo
    wrong = lax.bitwise_and(lax.ne(modulo, 0), lax.ne(lax.lt(modulo, 0), lax.lt(b, 0)))
    return where_(wrong, lax.add(modulo, b), modulo)


mod = remainder


def divmod(x1: Any, x2: Any, /) -> tuple[Any, Any]:
    """(floor_divide(x1, x2), remainder(x1, x2))."""
    a, b = _numbers("divmod", x1, x2)
    return _float_divmod(a, b) if is_inexact(a) else (floor_divide(a, b), remainder(a, b))


def fmod(x1: Any, x2: Any, /) -> Any:
    """The remainder with the dividend's sign; 0 for integers divided by 0."""
    return _rem(*_numbers("fmod", x1, x2))


def modf(x: Any, /) -> tuple[Any, Any]:
    """(fractional part, whole part), both with the sign of x."""
    (x,) = promote_args_inexact("modf", x)
    whole = trunc(x)
    return where_(isinf(x), copysign(0, x), lax.sub(x, whole)), whole


def logaddexp(x1: Any, x2: Any, /) -> Any:
    """log(exp(x1) + exp(x2)), without overflow.

    >>> import cotan.numpy as cnp
    >>> bool(abs(cnp.logaddexp(1000.0, 1000.0) - 1000.6931) < 1e-3)
    True
    """
    a, b = promote_args_inexact("logaddexp", x1, x2)
    # A choice between the two, unlike a maximum and |a - b|, has the right derivatives where they are equal.
    first = greater(a, b)
    larger, smaller = where_(first, a, b), where_(first, b, a)
    difference = lax.sub(smaller, larger)
    # Equal infinities have a NaN difference; their sum is their own.
    unknown = lax.ne(difference, difference)
    usual = lax.add(larger, lax.log1p(lax.exp(where_(unknown, 0, difference))))
    value = where_(unknown, lax.add(a, b), usual)
    if not is_complex(value):
        return value
    turns = lax.round(lax.div(lax.imag(value), 2 * math.pi), lax.RoundingMethod.TO_NEAREST_EVEN)
    return lax.complex(lax.real(value), lax.sub(lax.imag(value), lax.mul(turns, 2 * math.pi)))


def logaddexp2(x1: Any, x2: Any, /) -> Any:
    """log2(2**x1 + 2**x2), without overflow."""
    a, b = promote_args_inexact("logaddexp2", x1, x2)
    scale = math.log(2)
    return lax.div(logaddexp(lax.mul(a, scale), lax.mul(b, scale)), scale)


def _logarithm(name: str, base: int) -> Ufunc:
    scale = math.log(base)

    def function(x: Any, /) -> Any:
        value = lax.log(promote_args_inexact(name, x)[0])
        if is_complex(value):
            # A complex quotient would make NaN of an infinite part.
            return lax.complex(lax.div(lax.real(value), scale), lax.div(lax.imag(value), scale))
        return lax.div(value, scale)

    return _named(function, name, f"Logarithm to base {base}, elementwise. Integers become floats.")


log2 = _logarithm("log2", 2)
log10 = _logarithm("log10", 10)


def hypot(x1: Any, x2: Any, /) -> Any:
    """sqrt(x1**2 + x2**2), without overflow."""
    a, b = promote_args_inexact("hypot", x1, x2)
    if is_complex(a):
        raise ValueError("hypot is not defined on complex numbers; take absolute values first")
    a, b = absolute(a), absolute(b)
    large, small = maximum(a, b), minimum(a, b)
    safe = where_(lax.eq(large, 0), 1, large)
    ratio = lax.div(small, safe)
    usual = lax.mul(large, lax.sqrt(lax.add(lax.square(ratio), 1)))
    return where_(logical_or(isinf(a), isinf(b)), math.inf, usual)


def copysign(x1: Any, x2: Any, /) -> Any:
    """|x1| with the sign of x2 (also of -0.0)."""
    a, b = promote_args_inexact("copysign", x1, x2)
    magnitude = lax.abs(a)
    return where_(signbit(b), lax.neg(magnitude), magnitude)


def signbit(x: Any, /) -> Any:
    """Whether the sign bit is set."""
    x = as_array(x, "signbit")
    if is_unsigned(x) or is_bool(x):
        return lax.full_like(x, False, np.bool_)
    if not is_inexact(x):
        return lax.lt(x, 0)
    width = np.dtype(x.dtype).itemsize
    return lax.lt(lax.bitcast_convert_type(x, np.dtype(f"i{width}")), 0)


def heaviside(x1: Any, x2: Any, /) -> Any:
    """0 where x1 < 0, x2 where it is 0, 1 where x1 > 0."""
    a, b = promote_args_inexact("heaviside", x1, x2)
    return where_(lax.lt(a, 0), 0, where_(lax.gt(a, 0), 1, where_(lax.eq(a, 0), b, a)))


def sinc(x: Any, /) -> Any:
    """sin(pi x) / (pi x), and 1 at 0."""
    (x,) = promote_args_inexact("sinc", x)
    scaled = lax.mul(x, math.pi)
    zero = lax.eq(x, 0)
    safe = where_(zero, 1, scaled)
    # Near 0 the Taylor series keeps the derivatives right.
    series = lax.sub(1, lax.div(lax.square(scaled), 6))
    return where_(zero, series, lax.div(lax.sin(safe), safe))


def deg2rad(x: Any, /) -> Any:
    """Degrees to radians."""
    (x,) = promote_args_inexact("deg2rad", x)
    return lax.mul(x, math.pi / 180)


def rad2deg(x: Any, /) -> Any:
    """Radians to degrees."""
    (x,) = promote_args_inexact("rad2deg", x)
    return lax.mul(x, 180 / math.pi)


radians, degrees = deg2rad, rad2deg


def _truth(x: Any, name: str) -> Any:
    x = as_array(x, name)
    return x if is_bool(x) else lax.ne(x, 0)


def _logical(name: str, primitive: Ufunc, doc: str) -> Ufunc:
    def function(x1: Any, x2: Any, /) -> Any:
        return primitive(*promote_shapes(name, _truth(x1, name), _truth(x2, name)))

    return _named(function, name, f"{doc} of truth values, elementwise.")


logical_and = _logical("logical_and", lax.bitwise_and, "and")
logical_or = _logical("logical_or", lax.bitwise_or, "or")
logical_xor = _logical("logical_xor", lax.bitwise_xor, "exclusive or")


def logical_not(x: Any, /) -> Any:
    """not, elementwise."""
    return lax.bitwise_not(_truth(x, "logical_not"))


def isfinite(x: Any, /) -> Any:
    """Whether neither infinite nor NaN."""
    x = as_array(x, "isfinite")
    if is_complex(x):
        return lax.bitwise_and(lax.is_finite(lax.real(x)), lax.is_finite(lax.imag(x)))
    return lax.is_finite(x) if is_inexact(x) else lax.full_like(x, True, np.bool_)


def isinf(x: Any, /) -> Any:
    """Whether infinite."""
    x = as_array(x, "isinf")
    if is_complex(x):
        return lax.bitwise_or(isinf(lax.real(x)), isinf(lax.imag(x)))
    if not is_inexact(x):
        return lax.full_like(x, False, np.bool_)
    return lax.eq(lax.abs(x), math.inf)


def _is_infinity(name: str, x: Any, infinity: float) -> Any:
    x = as_array(x, name)
    if is_complex(x):
        raise ValueError(f"{name} is not defined on complex numbers; take .real or .imag, or use absolute")
    return lax.eq(x, infinity) if is_inexact(x) else lax.full_like(x, False, np.bool_)


def isposinf(x: Any, /) -> Any:
    """Whether positive infinity."""
    return _is_infinity("isposinf", x, math.inf)


def isneginf(x: Any, /) -> Any:
    """Whether negative infinity."""
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


conj = conjugate


def angle(z: Any, deg: bool = False) -> Any:
    """The angle of complex numbers, in radians or degrees."""
    x = as_array(z, "angle")
    if is_complex(x):
        result = lax.atan2(lax.imag(x), lax.real(x))
    else:
        (x,) = promote_args_inexact("angle", x)
        result = lax.atan2(lax.full_like(x, 0), x)
    return rad2deg(result) if deg else result


def fmax(x1: Any, x2: Any) -> Any:
    """The larger of x1 and x2; where one is NaN, the other."""
    a, b = promote_args("fmax", x1, x2)
    return where_(logical_or(greater(a, b), isnan(b)), a, b)


def fmin(x1: Any, x2: Any) -> Any:
    """The smaller of x1 and x2; where one is NaN, the other."""
    a, b = promote_args("fmin", x1, x2)
    return where_(logical_or(less(a, b), isnan(b)), a, b)


def round(a: Any, decimals: int = 0) -> Any:
    """``a`` rounded half to even, to ``decimals`` places."""
    x = as_array(a, "round")
    if not is_inexact(x):
        if decimals >= 0:
            return x
        factor = 10**-decimals
        scaled = lax.round(
            lax.div(lax.convert_element_type(x, np.float32), np.float32(factor)), lax.RoundingMethod.TO_NEAREST_EVEN
        )
        return lax.mul(lax.convert_element_type(scaled, x.dtype), factor)
    if is_complex(x):
        return lax.complex(round(lax.real(x), decimals), round(lax.imag(x), decimals))
    even = lax.RoundingMethod.TO_NEAREST_EVEN
    if decimals == 0:
        return lax.round(x, even)
    factor = 10.0**decimals
    return lax.div(lax.round(lax.mul(x, factor), even), factor)


around = round


def rint(x: Any, /) -> Any:
    """x rounded half to even, as a float."""
    return round(*promote_args_inexact("rint", x))


def clip(arr: Any = None, /, min: Any = None, max: Any = None) -> Any:
    """``arr`` limited to min..max; either may be None."""
    result = as_array(arr, "clip")
    if is_complex(result):
        raise ValueError("clip is not defined on complex numbers; clip their .real and .imag")
    if min is not None:
        result = maximum(result, min)
    if max is not None:
        result = minimum(result, max)
    return result


def bitwise_count(x: Any, /) -> Any:
    """The number of set bits of |x|, as uint8."""
    x = absolute(x)
    return lax.convert_element_type(x if is_bool(x) else lax.population_count(x), np.uint8)


def gcd(x1: Any, x2: Any) -> Any:
    """Greatest common divisor of integers, by Euclid's algorithm with a fixed number of steps."""
    a, b = (absolute(x) for x in promote_args("gcd", x1, x2))
    if is_inexact(a):
        raise ValueError(f"gcd needs integers, got {dtypes.dtype(a)}; convert them with .astype(int)")
    # Fibonacci neighbours need the most steps: 1.44 per bit.
    for _ in range(int(np.dtype(a.dtype).itemsize * 8 * 1.45) + 1):
        done = lax.eq(b, 0)
        a, b = where_(done, a, b), where_(done, 0, lax.rem(a, where_(done, 1, b)))
    return a


def lcm(x1: Any, x2: Any) -> Any:
    """Least common multiple of integers."""
    a, b = (absolute(x) for x in promote_args("lcm", x1, x2))
    divisor = gcd(a, b)
    return lax.mul(lax.div(a, where_(lax.eq(divisor, 0), 1, divisor)), b)
