"""Elementwise functions with NumPy's meanings: arguments are promoted, then a primitive does the work."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.api.repeated import repeated
from cotan.numpy.elementwise import (
    Ufunc,
    binary,
    logic,
    logical,
    named,
    numbers,
    ordering,
    rounding,
    settled,
    strong,
    truth,
    unary,
)
from cotan.numpy.elementwise import is_bool as is_bool
from cotan.numpy.elementwise import is_complex as is_complex
from cotan.numpy.elementwise import is_inexact as is_inexact
from cotan.numpy.elementwise import is_unsigned as is_unsigned
from cotan.numpy.elementwise import where_ as where_
from cotan.numpy.parts import conjugate as conjugate
from cotan.numpy.parts import copysign as copysign
from cotan.numpy.parts import imag as imag
from cotan.numpy.parts import isfinite as isfinite
from cotan.numpy.parts import isinf as isinf
from cotan.numpy.parts import isnan as isnan
from cotan.numpy.parts import isneginf as isneginf
from cotan.numpy.parts import isposinf as isposinf
from cotan.numpy.parts import real as real
from cotan.numpy.parts import signbit as signbit
from cotan.numpy.promotion import (
    as_array,
    broadcast_to_shape,
    check_arraylike,
    lift,
    promote_args,
    promote_args_inexact,
    promote_dtypes,
    promote_shapes,
    refuse_out,
)
from cotan.runtime.array import Array

add = logic("add", lax.add, lax.bitwise_or, "x1 + x2")
multiply = logic("multiply", lax.mul, lax.bitwise_and, "x1 * x2")
maximum = logic("maximum", lax.max, lax.bitwise_or, "The larger of x1 and x2; NaN if either is")
minimum = logic("minimum", lax.min, lax.bitwise_and, "The smaller of x1 and x2; NaN if either is")
subtract = binary("subtract", lax.sub, "x1 - x2")
arctan2 = binary("arctan2", lax.atan2, "The angle of the point (x2, x1)", inexact=True)
nextafter = binary("nextafter", lax.nextafter, "The next number after x1 towards x2", inexact=True)
true_divide = divide = binary("divide", lax.div, "x1 / x2, as a float", inexact=True)
bitwise_and = binary("bitwise_and", lax.bitwise_and, "x1 & x2")
bitwise_or = binary("bitwise_or", lax.bitwise_or, "x1 | x2")
bitwise_xor = binary("bitwise_xor", lax.bitwise_xor, "x1 ^ x2")
equal = binary("equal", lax.eq, "x1 == x2")
not_equal = binary("not_equal", lax.ne, "x1 != x2")
less = ordering("less", lax.lt, lax.lt, "x1 < x2")
less_equal = ordering("less_equal", lax.le, lax.lt, "x1 <= x2")
greater = ordering("greater", lax.gt, lax.gt, "x1 > x2")
greater_equal = ordering("greater_equal", lax.ge, lax.gt, "x1 >= x2")
negative = unary("negative", lax.neg, "-x")
sign = unary("sign", lax.sign, "-1, 0 or 1")
exp = unary("exp", lax.exp, "e ** x", inexact=True)
exp2 = unary("exp2", lax.exp2, "2 ** x", inexact=True)


def _expm1(x: Any) -> Any:
    value = lax.expm1(x)
    if not is_complex(x):
        return value
    # Where the real part is infinite or NaN, a factor of 0 prevails, which in products would make NaN.
    re, im = lax.real(x), lax.imag(x)
    infinite, unknown = isinf(re), lax.bitwise_not(isfinite(im))
    real = where_(lax.bitwise_and(infinite, unknown), lax.max(re, lax.full_like(re, -1)), lax.real(value))
    imag = where_(lax.bitwise_and(lax.bitwise_not(isfinite(re)), lax.eq(im, 0)), im, lax.imag(value))
    imag = where_(lax.bitwise_and(lax.eq(re, -math.inf), unknown), 0, imag)
    return lax.complex(real, imag)


expm1 = unary("expm1", _expm1, "exp(x) - 1, accurate near 0", inexact=True)
log = unary("log", lax.log, "Natural logarithm", inexact=True)
log1p = unary("log1p", lax.log1p, "log(1 + x), accurate near 0", inexact=True)
sqrt = unary("sqrt", lax.sqrt, "Square root", inexact=True)
cbrt = unary("cbrt", lax.cbrt, "Cube root", inexact=True)
sin = unary("sin", lax.sin, "Sine", inexact=True)
cos = unary("cos", lax.cos, "Cosine", inexact=True)
tan = unary("tan", lax.tan, "Tangent", inexact=True)
arcsin = asin = unary("arcsin", lax.asin, "Inverse sine", inexact=True)
arccos = acos = unary("arccos", lax.acos, "Inverse cosine", inexact=True)
arctan = atan = unary("arctan", lax.atan, "Inverse tangent", inexact=True)
sinh = unary("sinh", lax.sinh, "Hyperbolic sine", inexact=True)
cosh = unary("cosh", lax.cosh, "Hyperbolic cosine", inexact=True)
tanh = unary("tanh", lax.tanh, "Hyperbolic tangent", inexact=True)
arcsinh = asinh = unary("arcsinh", lax.asinh, "Inverse hyperbolic sine", inexact=True)
arccosh = acosh = unary("arccosh", lax.acosh, "Inverse hyperbolic cosine", inexact=True)
arctanh = atanh = unary("arctanh", lax.atanh, "Inverse hyperbolic tangent", inexact=True)
bitwise_not = invert = bitwise_invert = unary("invert", lax.bitwise_not, "~x")
atan2 = arctan2
floor = rounding("floor", lax.floor, "Largest integer not above x")
ceil = rounding("ceil", lax.ceil, "Smallest integer not below x")


@repeated()
def trunc(x: Any) -> Any:
    """x rounded towards 0, elementwise; integers are returned as they are."""
    x = as_array(x, "trunc")
    return lax.select(lax.lt(x, 0), lax.ceil(x), lax.floor(x)) if is_inexact(x) else x


fix = trunc


def left_shift(x1: Any, x2: Any, /) -> Any:
    """``x1 << x2``."""
    return lax.shift_left(*numbers("left_shift", x1, x2))


def right_shift(x1: Any, x2: Any, /) -> Any:
    """``x1 >> x2``: arithmetic for signed, logical for unsigned integers."""
    a, b = numbers("right_shift", x1, x2)
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
    """``x1 ** x2``; one integer that is known while tracing becomes repeated multiplication.

    >>> import cotan.numpy as cnp
    >>> cnp.power(cnp.array([1.0, 2.0, 3.0]), 2)
    Array([1., 4., 9.], dtype=float32)
    """
    check_arraylike("power", x1, x2)
    x1, x2 = lift(x1), lift(x2)
    exponent = _known_integer(x2)
    if exponent is not None:
        x1 = as_array(x1, "power")
        if is_bool(x1):
            x1 = lax.convert_element_type(x1, np.int32)
        if exponent < 0 and not is_inexact(x1):
            raise TypeError(
                f"power: integers cannot be raised to negative powers, got {exponent}; convert to a float first"
            )
        return lax.integer_pow(x1, exponent)
    if is_inexact(x1) and dtypes.issubdtype(dtypes.dtype(x2), np.integer):
        # Exponents stay integers, so that the derivative by the base exists at 0.
        return lax.pow(*promote_shapes("power", as_array(x1, "power"), as_array(x2, "power")))
    a, b = promote_dtypes("power", x1, x2)
    if is_inexact(a):
        a, b = promote_shapes("power", a, b)
        return lax.pow(a, b)
    return _integer_power(*promote_shapes("power", a, b))


def _known_integer(x: Any) -> int | None:
    """The one integer that ``x`` is, if it is known: a Python or NumPy number, or an Array without axes."""
    if isinstance(x, int):
        return int(x)
    if type(x) is Array and not x.shape and dtypes.issubdtype(x.dtype, np.integer):
        return operator.index(x)
    return None


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


pow = power
float_power = binary("float_power", lax.pow, "x1 ** x2 as a float", inexact=True)


@repeated()
def floor_divide(x1: Any, x2: Any, /) -> Any:
    """The floor of x1 / x2."""
    a, b = numbers("floor_divide", x1, x2)
    if is_inexact(a):
        # The derivative is 0, also where the quotient of a division by 0, whose remainder is NaN, has another.
        a, b = lax.stop_gradient(a), lax.stop_gradient(b)
        return where_(lax.eq(b, 0), lax.div(a, b), _float_divmod(a, where_(lax.eq(b, 0), 1, b))[0])
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
    # A quotient of 0 has the sign of a / b.
    quotient = where_(lax.eq(quotient, 0), lax.mul(copysign(0.0, a), copysign(1.0, b)), quotient)
    return where_(lax.eq(b, 0), lax.div(a, b), quotient), _like_divisor(modulo, b)


def _like_divisor(modulo: Any, b: Any) -> Any:
    """``modulo``, of floats, where a 0 gets the sign of ``b``: a sum with 0 is 0 of the positive sign."""
    sign = lax.convert_element_type(copysign(1.0, b), modulo.dtype, weak_type=modulo.aval.weak_type)
    return lax.mul(sign, lax.add(lax.mul(sign, modulo), 0))


def _rem(a: Any, b: Any) -> Any:
    """``lax.rem``, with NumPy's 0 for integers that are divided by 0."""
    return lax.rem(a, b) if is_inexact(a) else where_(lax.eq(b, 0), 0, lax.rem(a, b))


@repeated()
def remainder(x1: Any, x2: Any, /) -> Any:
    """The remainder with the divisor's sign; 0 for integers divided by 0."""
    a, b = numbers("remainder", x1, x2)
    modulo = _rem(a, b)
    if is_unsigned(a):
        return modulo
    wrong = lax.bitwise_and(lax.ne(modulo, 0), lax.ne(lax.lt(modulo, 0), lax.lt(b, 0)))
    modulo = where_(wrong, lax.add(modulo, b), modulo)
    return _like_divisor(modulo, b) if is_inexact(a) else modulo


mod = remainder


@repeated()
def divmod(x1: Any, x2: Any, /) -> tuple[Any, Any]:
    """(floor_divide(x1, x2), remainder(x1, x2))."""
    a, b = numbers("divmod", x1, x2)
    return _float_divmod(a, b) if is_inexact(a) else (floor_divide(a, b), remainder(a, b))


@repeated()
def fmod(x1: Any, x2: Any, /) -> Any:
    """The remainder with the dividend's sign; 0 for integers divided by 0."""
    return _rem(*numbers("fmod", x1, x2))


@repeated()
def modf(x: Any, /, out: None = None) -> tuple[Any, Any]:
    """(fractional part, whole part), both with the sign of x."""
    refuse_out("modf", out)
    (x,) = promote_args_inexact("modf", x)
    whole = trunc(x)
    return where_(isinf(x), copysign(0, x), lax.sub(x, whole)), whole


@repeated()
def logaddexp(x1: Any, x2: Any, /, *, out: None = None, where: None = None) -> Any:
    """log(exp(x1) + exp(x2)), without overflow.

    >>> import cotan.numpy as cnp
    >>> cnp.logaddexp(1000.0, 1000.0)
    Array(1000.69..., dtype=float32, weak_type=True)
    """
    refuse_out("logaddexp", out, where)
    a, b = promote_args_inexact("logaddexp", x1, x2)
    if is_complex(a):
        a, b = settled(a), settled(b)
    # A choice between the two, unlike a maximum and |a - b|, has the right derivatives where they are equal.
    first = greater(a, b)
    larger, smaller = where_(first, a, b), where_(first, b, a)
    difference = lax.sub(smaller, larger)
    # Equal infinities have a NaN difference; their sum is their own. What is NaN itself has no slope.
    known = lax.bitwise_and(lax.eq(a, a), lax.eq(b, b))
    unknown = lax.bitwise_and(lax.ne(difference, difference), known)
    usual = lax.add(larger, lax.log1p(lax.exp(where_(unknown, 0, difference))))
    value = where_(unknown, lax.add(a, b), usual)
    if not is_complex(value):
        return value
    turns = lax.round(lax.div(lax.imag(value), 2 * math.pi), lax.RoundingMethod.TO_NEAREST_EVEN)
    return lax.complex(lax.real(value), lax.sub(lax.imag(value), lax.mul(turns, 2 * math.pi)))


@repeated()
def logaddexp2(x1: Any, x2: Any, /, *, out: None = None, where: None = None) -> Any:
    """log2(2**x1 + 2**x2), without overflow."""
    refuse_out("logaddexp2", out, where)
    a, b = map(settled, promote_args_inexact("logaddexp2", x1, x2))
    scale = math.log(2)
    return lax.div(logaddexp(lax.mul(a, scale), lax.mul(b, scale)), scale)


def _logarithm(name: str, base: int) -> Ufunc:
    scale = math.log(base)

    def function(x: Any, /) -> Any:
        value = strong(lax.log(promote_args_inexact(name, x)[0]))
        if is_complex(value):
            # A complex quotient would make NaN of an infinite part.
            return lax.complex(lax.div(lax.real(value), scale), lax.div(lax.imag(value), scale))
        return lax.div(value, scale)

    return named(function, name, f"Logarithm to base {base}, elementwise. Integers become floats.")


log2 = _logarithm("log2", 2)
log10 = _logarithm("log10", 10)


@repeated()
def hypot(x1: Any, x2: Any, /) -> Any:
    """sqrt(x1**2 + x2**2), without overflow."""
    a, b = map(settled, promote_args_inexact("hypot", x1, x2))
    if is_complex(a):
        raise ValueError("hypot is not defined on complex numbers; take absolute values first")
    a, b = absolute(a), absolute(b)
    large, small = maximum(a, b), minimum(a, b)
    safe = where_(lax.eq(large, 0), 1, large)
    ratio = lax.div(small, safe)
    usual = lax.mul(large, lax.sqrt(lax.add(lax.square(ratio), 1)))
    return where_(logical_or(isinf(a), isinf(b)), math.inf, usual)


@repeated()
def heaviside(x1: Any, x2: Any, /) -> Any:
    """0 where x1 < 0, x2 where it is 0, 1 where x1 > 0."""
    a, b = promote_args_inexact("heaviside", x1, x2)
    a = settled(a)
    return where_(lax.lt(a, 0), 0, where_(lax.gt(a, 0), 1, where_(lax.eq(a, 0), b, a)))


@repeated()
def sinc(x: Any, /) -> Any:
    """sin(pi x) / (pi x), and 1 at 0."""
    x = settled(*promote_args_inexact("sinc", x))
    scaled = lax.mul(x, math.pi)
    zero = lax.eq(x, 0)
    safe = where_(zero, 1, scaled)
    # Near 0 the Taylor series keeps the derivatives right.
    series = lax.sub(1, lax.div(lax.square(scaled), 6))
    return where_(zero, series, lax.div(lax.sin(safe), safe))


def deg2rad(x: Any, /) -> Any:
    """Degrees to radians."""
    x = settled(*promote_args_inexact("deg2rad", x))
    return lax.mul(x, math.pi / 180)


def rad2deg(x: Any, /) -> Any:
    """Radians to degrees."""
    x = settled(*promote_args_inexact("rad2deg", x))
    return lax.mul(x, 180 / math.pi)


radians, degrees = deg2rad, rad2deg
logical_and = logical("logical_and", lax.bitwise_and, "and")
logical_or = logical("logical_or", lax.bitwise_or, "or")
logical_xor = logical("logical_xor", lax.bitwise_xor, "exclusive or")


def logical_not(x: Any, /) -> Any:
    """not, elementwise."""
    return lax.bitwise_not(truth(x, "logical_not"))


conj = conjugate


def angle(z: Any, deg: bool = False) -> Any:
    """The angle of complex numbers, in radians or degrees."""
    x = as_array(z, "angle")
    if is_complex(x):
        result = lax.atan2(lax.imag(x), lax.real(x))
    else:
        if not is_inexact(x):
            x = lax.convert_element_type(x, dtypes.default_float())
        result = lax.atan2(lax.full_like(x, 0), x)
    return rad2deg(result) if deg else result


@repeated()
def fmax(x1: Any, x2: Any) -> Any:
    """The larger of x1 and x2; where one is NaN, the other."""
    a, b = promote_args("fmax", x1, x2)
    return where_(logical_or(greater(a, b), isnan(b)), a, b)


@repeated()
def fmin(x1: Any, x2: Any) -> Any:
    """The smaller of x1 and x2; where one is NaN, the other."""
    a, b = promote_args("fmin", x1, x2)
    return where_(logical_or(less(a, b), isnan(b)), a, b)


_MOST_DIGITS = 20
"""Of an integer."""


@repeated()
def round(a: Any, decimals: int = 0, out: None = None) -> Any:
    """``a`` rounded half to even, to ``decimals`` places."""
    refuse_out("round", out)
    x = as_array(a, "round")
    decimals = operator.index(decimals)
    if not is_inexact(x):
        if decimals >= 0:
            return x
        if decimals < -_MOST_DIGITS:
            return lax.full_like(x, 0)
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
    # A power of ten that half precision does not hold would make NaN of 0 and infinities of other numbers.
    wide = lax.convert_element_type(x, np.float32) if x.dtype == np.float16 else x
    factor = 10.0**decimals
    return lax.convert_element_type(lax.div(lax.round(lax.mul(wide, factor), even), factor), x.dtype)


around = round


def rint(x: Any, /) -> Any:
    """x rounded half to even, as a float."""
    x = as_array(x, "rint")
    return round(x) if is_inexact(x) else lax.convert_element_type(x, dtypes.default_float())


@repeated()
def clip(arr: Any = None, /, min: Any = None, max: Any = None) -> Any:
    """``arr`` limited to min..max; either may be None."""
    result = as_array(arr, "clip")
    if any(x is not None and is_complex(x) for x in (result, min, max)):
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


def _magnitudes(name: str, x1: Any, x2: Any) -> list[Any]:
    a, b = promote_args(name, x1, x2)
    if not dtypes.issubdtype(dtypes.dtype(a), np.integer):
        raise ValueError(f"{name} needs integers, got {dtypes.dtype(a)}; convert them with .astype(int)")
    return [absolute(settled(a)), absolute(settled(b))]


@repeated()
def gcd(x1: Any, x2: Any, *, out: None = None, where: None = None) -> Any:
    """Greatest common divisor of integers, by Euclid's algorithm."""
    refuse_out("gcd", out, where)
    shape = np.broadcast_shapes(np.shape(x1), np.shape(x2))
    a, b = (broadcast_to_shape(x, shape) for x in _magnitudes("gcd", x1, x2))

    def some_left(pair: tuple[Any, Any]) -> Any:
        return lax.reduce_or(lax.ne(pair[1], 0), tuple(range(len(shape))))

    def divided(pair: tuple[Any, Any]) -> tuple[Any, Any]:
        larger, smaller = pair
        done = lax.eq(smaller, 0)
        rest = lax.rem(larger, where_(done, 1, smaller))
        return where_(done, larger, smaller), where_(done, 0, rest)

    # The least integer has no magnitude, and rests of it have its sign.
    return absolute(lax.while_loop(some_left, divided, (a, b))[0])


@repeated()
def lcm(x1: Any, x2: Any, *, out: None = None, where: None = None) -> Any:
    """Least common multiple of integers."""
    refuse_out("lcm", out, where)
    a, b = _magnitudes("lcm", x1, x2)
    divisor = gcd(a, b)
    return lax.mul(lax.div(a, where_(lax.eq(divisor, 0), 1, divisor)), b)
