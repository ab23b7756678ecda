"""Arithmetic, elementwise: sums, products, quotients, powers, rounding, extrema, and the parts of complex numbers."""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.errors import ShapeError
from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import ShapedArray, get_aval, shaped, tangent_aval
from cotan.primitives import define, taylor
from cotan.primitives.accuracy import elementary
from cotan.primitives.compare import eq, ge, gt, lt, select
from cotan.primitives.define import BY_DECOMPOSITION, NOT_LINEAR, binary, first_order, unary
from cotan.primitives.operands import (
    COMPLEX,
    FLOAT,
    INEXACT,
    INTEGER,
    NUMBER,
    ORDERED,
    PLAIN,
    Dtypes,
    complex_dtype,
    dtype_of,
    is_complex,
    lift,
    lift_all,
    real_dtype,
    repeated,
    scalar_of,
    shape_of,
)
from cotan.primitives.taylor import BY_SLOPE, TERM_BY_TERM, Recurrences
from cotan.structural import Zero, add_any_p, broadcast_in_dim, convert_element_type
from cotan.tracebacks import boundary, trim, trims
from cotan.transforms.jet import along_the_curve, jet_flat, zero_term

# ---- Sums and products

neg_p, neg = unary("neg", NUMBER, reference=np.negative, kernel=scalar.neg, transpose=lambda ct, x: neg(ct), does="-x.")
add_p, add = binary(
    "add", NUMBER, reference=np.add, kernel=scalar.add, jvp=(lambda t, *_: t, lambda t, *_: t),
    jet=TERM_BY_TERM, transpose=(lambda ct, x, y: ct, lambda ct, x, y: ct), does="x + y.",
)  # fmt: skip
sub_p, sub = binary(
    "sub", NUMBER, reference=np.subtract, kernel=scalar.sub, jvp=(lambda t, *_: t, lambda t, *_: neg(t)),
    jet=TERM_BY_TERM, transpose=(lambda ct, x, y: ct, lambda ct, x, y: neg(ct)), does="x - y.",
)  # fmt: skip
mul_p, _multiply = binary(
    "mul", NUMBER, reference=np.multiply, kernel=scalar.mul,
    jvp=(lambda t, x, y, z: mul(t, y), lambda t, x, y, z: mul(x, t)), jet=lambda u, v, z: series.multiply(u, v),
    transpose=(lambda ct, x, y: mul(ct, y), lambda ct, x, y: mul(x, ct)), does="x * y.",
)  # fmt: skip


@trims
def mul(x: Any, y: Any, *, out_dtype: Any = None) -> Any:
    try:
        if out_dtype is not None:
            dtype = dtypes.check_user_dtype(out_dtype, "mul")
            x, y = (convert_element_type(v, dtype, weak_type=get_aval(v).weak_type) for v in lift(x, y))
        return _multiply(x, y)
    except Exception as error:
        trim(error)
        raise


mul.primitive = mul_p  # type: ignore[attr-defined]
mul.__doc__ = f"{_multiply.__doc__} With ``out_dtype`` they are converted to it first, and the result is of it."
add_any_p, add_any = binary(
    add_any_p, PLAIN, reference=np.add, kernel=scalar.add, transpose=(lambda ct, x, y: ct, lambda ct, x, y: ct),
    decompose=add, does="x + y, of tangents.",
)  # fmt: skip
square_p, square = unary(
    "square", NUMBER, reference=np.square, kernel=lambda x: scalar.mul(x, x), jvp=lambda t, x, y: mul(t, mul(x, 2)),
    jet=lambda u, y: series.square(u), decompose=lambda x: mul(x, x), does="x * x.",
)  # fmt: skip


# ---- Quotients: integers truncate; by zero gives all bits set, with the dividend as remainder


def _divide(x: Any, y: Any) -> Any:
    if x.dtype not in INTEGER:
        return np.divide(x, y)
    by_zero = np.equal(y, 0)
    if by_zero.any():
        return np.where(by_zero, x.dtype.type(-1) if x.dtype.kind == "i" else ~x.dtype.type(0), _divide(x, y | by_zero))
    if x.dtype.kind == "u":
        return np.floor_divide(x, y)
    return np.floor_divide(np.subtract(x, np.fmod(x, y)), y)


def _remainder(x: Any, y: Any) -> Any:
    if x.dtype not in INTEGER:
        return np.fmod(x, y)
    by_zero = np.equal(y, 0)
    return np.where(by_zero, x, np.fmod(x, y | by_zero)) if by_zero.any() else np.fmod(x, y)


def _truncate(x: Any) -> Any:
    return mul(sign(x), floor(abs(x)))


div_p, div = binary(
    "div", NUMBER, reference=_divide, kernel=scalar.div,
    jvp=(lambda t, x, y, z: div(t, y), lambda t, x, y, z: mul(neg(t), div(z, y))),
    jet=lambda u, v, z: series.divide(u, v, z),
    transpose=(lambda ct, x, y: div(ct, y), None), does="x / y; integers truncate towards zero.",
)  # fmt: skip
rem_p, rem = binary(
    "rem", Dtypes("integers and real floating dtypes", NUMBER - COMPLEX), reference=_remainder, kernel=scalar.rem,
    jvp=(lambda t, *_: t, lambda t, x, y, z: mul(neg(t), _truncate(div(x, y)))),
    jet=BY_SLOPE, does="The remainder of x / y, with the sign of x.",
)  # fmt: skip
series = Recurrences(mul, div)


# ---- Extrema: NaN wins; at a tie each operand has half of the derivative


def _share(x: Any, y: Any, z: Any) -> Any:
    """The derivative of an extremum z of x and y by x: 1, 0, or one half at a tie."""
    aval = get_aval(z)
    one, half, nothing = (np.asarray(value, aval.dtype)[()] for value in (1, 0.5, 0))
    if aval.weak_type:
        one, half, nothing = (convert_element_type(value, aval.dtype, weak_type=True) for value in (one, half, nothing))
    return select(eq(x, z), select(eq(y, z), half, one), nothing)


max_p, max = binary(
    "max", PLAIN, reference=np.maximum, kernel=scalar.max_, jet=TERM_BY_TERM, does="The larger of x and y, or NaN.",
    jvp=(lambda t, x, y, z: mul(t, _share(x, y, z)), lambda t, x, y, z: mul(t, _share(y, x, z))),
)  # fmt: skip
min_p, min = binary(
    "min", PLAIN, reference=np.minimum, kernel=scalar.min_, jet=TERM_BY_TERM, does="The smaller of x and y, or NaN.",
    jvp=(lambda t, x, y, z: mul(t, _share(x, y, z)), lambda t, x, y, z: mul(t, _share(y, x, z))),
)  # fmt: skip


# ---- Sign, magnitude, rounding


class RoundingMethod(enum.IntEnum):
    """What ``round`` does half-way between two integers."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


def _abs_jvp(t: Any, x: Any, y: Any) -> Any:
    if is_complex(dtype_of(x)):
        return real(mul(t, div(conj(x), complex(select(eq(y, 0), 1, y), 0))))
    return select(ge(x, 0), t, neg(t))


def _abs_terms(u: Any, y: Any) -> Any:
    if is_complex(dtype_of(u[0])):
        return along_the_curve(abs_p, [u[0]], [u[1:]], {})[1]
    return [t if t is zero_term else _abs_jvp(t, u[0], y) for t in u[1:]]


def _sign(x: Any) -> Any:
    return np.copysign(np.sign(x), x) if x.dtype in FLOAT else np.sign(x)


def _round(x: Any, rounding_method: RoundingMethod) -> Any:
    if rounding_method == RoundingMethod.TO_NEAREST_EVEN:
        return np.rint(x)
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.copysign(np.ones((), x.dtype), x), whole)


def _round_element(x: Any, rounding_method: RoundingMethod) -> Any:
    if rounding_method == RoundingMethod.TO_NEAREST_EVEN:
        return scalar.round_(x)
    whole = scalar.trunc(x)
    far = scalar.ge(scalar.abs_(scalar.sub(x, whole)), scalar.const(0.5, x.dtype))
    return scalar.select(far, scalar.add(whole, scalar.sign(x)), whole)


def _neighbour(x: Any, y: Any) -> Any:
    found = np.nextafter(x, y)
    return np.where(np.equal(x, y), y, found) if x.dtype.itemsize == 2 else found  # NumPy's of float16 are x there


def _neighbour_element(x: Any, y: Any) -> Any:
    """The next number, by the bits of half precision: float32, in which that is computed, has others in between."""
    dtype, half = x.dtype, np.dtype(np.int16)
    if dtype.itemsize > half.itemsize:
        return scalar.nextafter(x, y)
    bits, zero = scalar.bitcast(x, half), scalar.const(0, dtype)
    one, least = scalar.const(1, half), scalar.const(1 - (1 << 15), half)
    grows = scalar.eq(scalar.gt(y, x), scalar.gt(x, zero))
    stepped = scalar.add(bits, scalar.select(grows, one, scalar.const(-1, half)))
    smallest = scalar.select(scalar.gt(y, zero), one, least)
    moved = scalar.bitcast(scalar.select(scalar.eq(x, zero), smallest, stepped), dtype)
    number = scalar.and_(scalar.eq(x, x), scalar.eq(y, y))
    return scalar.select(number, scalar.select(scalar.eq(x, y), y, moved), scalar.add(x, y))


sign_p, sign = unary("sign", NUMBER, reference=_sign, kernel=scalar.sign, does="-1, 0 or 1; x / abs(x) if complex.")
abs_p, abs = unary(
    "abs", NUMBER, reference=np.abs, kernel=scalar.abs_, jvp=_abs_jvp, jet=_abs_terms, result=real_dtype,
    does="The absolute value; its derivative at 0 is 1.",
)  # fmt: skip
floor_p, floor = unary("floor", FLOAT, reference=np.floor, kernel=scalar.floor, does="Round down to an integer.")
ceil_p, ceil = unary("ceil", FLOAT, reference=np.ceil, kernel=scalar.ceil, does="Round up to an integer.")
round_p, _ = unary("round", FLOAT, reference=_round, kernel=_round_element)
is_finite_p, is_finite = unary(
    "is_finite", FLOAT, reference=np.isfinite, kernel=scalar.is_finite, result=np.dtype(np.bool_), exact=True,
    does="Neither infinite nor NaN.",
)  # fmt: skip
nextafter_p, _nextafter = binary(
    "nextafter", FLOAT, reference=_neighbour, kernel=_neighbour_element,
    does="The next representable value after x1 in the direction of x2.",
)  # fmt: skip


@boundary
def nextafter(x1: Any, x2: Any) -> Any:
    return _nextafter(x1, x2)


nextafter.__doc__ = _nextafter.__doc__


def round(x: Any, rounding_method: RoundingMethod = RoundingMethod.AWAY_FROM_ZERO) -> Any:
    """Round to the nearest integer, elementwise; a floating array of any shape, of which dtype the result is.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.round(np.float32([0.5, 2.5]), lax.RoundingMethod.TO_NEAREST_EVEN)
    Array([0., 2.], dtype=float32)
    """
    return round_p.bind(x, rounding_method=RoundingMethod(rounding_method))


# ---- Powers and roots


def _power_of(x: Any, y: int, times: Callable[[Any, Any], Any]) -> Any:
    """x**y for y > 0 by repeated squaring."""
    out = None
    while True:
        if y & 1:
            out = x if out is None else times(out, x)
        y >>= 1
        if not y:
            return out
        x = times(x, x)


def _integer_power(x: Any, y: int) -> Any:
    if y == 0:
        return np.ones_like(x)
    if y == 1:
        return x.copy()
    power = _power_of(x, y if y > 0 else -y, np.multiply)
    return np.divide(np.ones((), x.dtype), power) if y < 0 else power


def _integer_power_element(x: Any, y: int) -> Any:
    one = scalar.const(1, x.dtype)
    power = _power_of(x, y if y > 0 else -y, scalar.mul) if y else one
    return scalar.div(one, power) if y < 0 else power


def _integer_power_decomposed(x: Any, y: int) -> Any:
    if y == 0:
        return broadcast_in_dim(scalar_of(1, dtype_of(x)), shape_of(x), ())
    power = _power_of(x, y if y > 0 else -y, mul)
    return div(1, power) if y < 0 else power


def _integer_power_jvp(t: Any, x: Any, out: Any, *, y: int) -> Any:
    if y == 0:
        return Zero(tangent_aval(get_aval(out)))
    if y == 1:
        return t
    return mul(t, mul(x if y == 2 else integer_pow(x, y - 1), y))


integer_pow_p, _ = unary(
    "integer_pow", NUMBER, reference=_integer_power, kernel=_integer_power_element, jvp=_integer_power_jvp,
    jet=BY_DECOMPOSITION, decompose=_integer_power_decomposed,
)  # fmt: skip


def integer_pow(x: Any, y: int) -> Any:
    """x**y for a Python integer y, by multiplications; elementwise.

    Raises:
      TypeError: ``x`` holds integers and ``y`` is negative.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.integer_pow(np.float32([2, 3]), -1)
    Array([0.5       , 0.33333334], dtype=float32)
    """
    y = operator.index(y)
    if y < 0 and dtype_of(x) not in INEXACT:
        raise TypeError(f"integer_pow: integers cannot be raised to the negative power {y}; convert them to floats")
    return integer_pow_p.bind(x, y=y)


sqrt_p, sqrt = elementary(
    "sqrt", INEXACT, reference=np.sqrt, kernel=scalar.sqrt, jvp=lambda t, x, y: mul(t, div(0.5, y)),
    jet=lambda u, y: series.root(u, y), does="The square root.",
)  # fmt: skip
rsqrt_p, rsqrt = elementary(
    "rsqrt", INEXACT, reference=lambda x: np.divide(np.ones((), x.dtype), np.sqrt(x)), kernel=scalar.rsqrt,
    jvp=lambda t, x, y: mul(t, mul(div(y, x), -0.5)), jet=lambda u, y: series.power(u, y, -0.5),
    decompose=lambda x: div(1, sqrt(x)), does="1 / sqrt(x).",
)  # fmt: skip
cbrt_p, cbrt = elementary(
    "cbrt", FLOAT, reference=np.cbrt, kernel=scalar.cbrt, jvp=lambda t, x, y: mul(t, div(1 / 3, square(y))),
    jet=lambda u, y: series.power(u, y, 1 / 3), does="The cube root.",
)  # fmt: skip

pow_p = first_order("pow", required=True)


def pow(x: Any, y: Any) -> Any:
    """x**y, elementwise.

    Args:
      x: array of numbers.
      y: array of the same shape (either may be a scalar, and extents of 1 are repeated) and dtype; or of integers.

    Raises:
      TypeError: shapes or dtypes do not agree.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.pow(np.float32([4, 9]), 0.5)
    Array([2., 3.], dtype=float32)
    """
    operands = (x, y) if type(y) is int and dtype_of(x) in INEXACT else lift(x, y)
    try:
        return pow_p.bind(*operands)
    except ShapeError:
        wide = repeated(operands)
        if wide is None:
            raise
    return pow_p.bind(*wide)


@tables.abstract(pow_p)
def _(x: ShapedArray, y: ShapedArray) -> ShapedArray:
    dtype = define.elementwise_dtype("pow", NUMBER, (x,))
    if not (y.dtype in INTEGER and dtype in INEXACT):
        define.elementwise_dtype("pow", NUMBER, (x, y))
    return shaped(define.elementwise_shape("pow", (x, y)), dtype, x.weak_type and y.weak_type)


def _pow_by_base(t: Any, x: Any, y: Any, z: Any) -> Any:
    if dtype_of(y) not in INTEGER:
        return mul(t, mul(y, pow(_strong(x), sub(y, 1))))
    none = eq(y, 0)
    slope = mul(convert_element_type(y, dtype_of(x)), pow(x, sub(select(none, 1, y), 1)))
    return mul(t, select(none, 0, slope))


def _pow_by_exponent(t: Any, x: Any, y: Any, z: Any) -> Any:
    from cotan.primitives.transcendental import log

    return _strong(mul(t, mul(log(select(eq(x, 0), 1, x)), z)))


def _strong(x: Any) -> Any:
    """``x`` without a weak type: as in JAX, a derivative of a power has none, whatever the base has."""
    return convert_element_type(x, dtype_of(x)) if get_aval(x).weak_type else x


define.elementwise_jvp(pow_p, (_pow_by_base, _pow_by_exponent))


def _pow_terms(u: Any, v: Any, out: Any) -> Any:
    """Of a constant power, through its derivatives, which exist at 0 too; otherwise x**y = exp(y log x)."""
    from cotan.primitives.transcendental import log

    order = len(u) - 1
    if taylor.moves(v[1:]):
        exponent, terms = jet_flat(lambda x, y: [mul(y, log(x))], [u[0], v[0]], [u[1:], v[1:]], order)
        return series.exp([exponent[0], *terms[0]], out)
    x, y = u[0], v[0]
    if dtype_of(y) in INTEGER:
        y = convert_element_type(y, dtype_of(x))
    slopes, factor = [], y
    for m in range(1, order + 1):
        vanishes = eq(factor, 0)
        slopes.append(mul(factor, select(vanishes, 0, pow(x, sub(y, m)))))
        factor = mul(factor, sub(y, m))
    return series.compose(u, slopes)


taylor.elementwise(pow_p, _pow_terms, None)
tables.transpose[pow_p] = NOT_LINEAR
define.elementwise_batch(pow_p)


def _integer_base(x: Any, y: Any) -> Any:
    """Powers of integers: wrapping; a negative exponent truncates 1 / x**-y, where 1 / 0 has all bits set."""
    negative = np.less(y, 0)
    power = np.power(x, np.where(negative, 0, y))
    if not negative.any():
        return power
    odd = np.bitwise_and(y, 1) != 0
    inverse = np.where(x == 1, 1, np.where(x == -1, np.where(odd, -1, 1), np.where(x == 0, -1, 0)))
    return np.where(negative, inverse, power).astype(x.dtype)


def _pow(x: Any, y: Any) -> Any:
    if x.dtype in INTEGER:
        return _integer_base(x, y)
    y = y if x.dtype == y.dtype else y.astype(x.dtype)
    result = np.power(x, y)
    if x.dtype in COMPLEX:
        return result
    # NumPy's vector code makes NaN of a fractional power of -inf.
    wrong = np.isnan(result) & (x == -np.inf) & (y == y)
    return np.where(wrong, np.power(np.asarray(np.inf, x.dtype), y), result) if wrong.any() else result


define.elementwise_reference(pow_p, _pow)


def _integer_base_element(x: Any, y: Any) -> Any:
    """Square and multiply over all bits of the exponent."""
    one, zero = scalar.const(1, x.dtype), scalar.const(0, x.dtype)
    power, square = one, x
    for bit in range(8 * x.dtype.itemsize):
        is_set = scalar.ne(scalar.and_(y, _bit(bit, y)), zero)
        power = scalar.select(is_set, scalar.mul(power, square), power)
        square = scalar.mul(square, square)
    if x.dtype.kind == "u":
        return power
    minus = scalar.const(-1, x.dtype)
    odd = scalar.ne(scalar.and_(y, one), zero)
    inverse = scalar.select(scalar.eq(x, minus), scalar.select(odd, minus, one), zero)
    inverse = scalar.select(scalar.eq(x, one), one, scalar.select(scalar.eq(x, zero), minus, inverse))
    return scalar.select(scalar.lt(y, zero), inverse, power)


def _bit(bit: int, y: Any) -> Any:
    return scalar.shl(scalar.const(1, y.dtype), scalar.const(bit, y.dtype))


def _pow_element(x: Any, y: Any) -> Any:
    return _integer_base_element(x, y) if x.dtype in INTEGER else scalar.pow_(x, scalar.cast(y, x.dtype))


define.elementwise_kernel(pow_p, _pow_element)
tables.decompose[pow_p] = define.BASIC


# ---- clamp

clamp_p = first_order("clamp")


def clamp(min: Any, x: Any, max: Any) -> Any:
    """``x`` limited to ``min`` .. ``max``, elementwise; both of the shape of ``x`` or scalars, and of its dtype.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.clamp(0., np.float32([-1, 0.5, 2]), 1.)
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    return clamp_p.bind(*lift_all(min, x, max))


@tables.abstract(clamp_p)
def _(low: ShapedArray, x: ShapedArray, high: ShapedArray) -> ShapedArray:
    dtype = define.elementwise_dtype("clamp", ORDERED, (low, x, high))
    for name, bound in (("min", low), ("max", high)):
        if bound.shape not in ((), x.shape):
            raise TypeError(f"clamp: `{name}` must be a scalar or have the shape {x.shape} of x, got {bound.shape}")
    return shaped(x.shape, dtype, low.weak_type and x.weak_type and high.weak_type)


_clamp_partials = (
    lambda t, low, x, high, y: select(gt(low, x), t, 0),
    lambda t, low, x, high, y: select(gt(x, low), select(lt(x, high), t, 0), 0),
    lambda t, low, x, high, y: select(lt(high, x), t, 0),
)
define.elementwise_jvp(clamp_p, _clamp_partials)
taylor.elementwise(clamp_p, TERM_BY_TERM, _clamp_partials)
tables.transpose[clamp_p] = NOT_LINEAR
define.elementwise_batch(clamp_p)
define.elementwise_reference(clamp_p, lambda low, x, high: np.minimum(np.maximum(x, low), high))
define.elementwise_kernel(clamp_p, lambda low, x, high: scalar.min_(scalar.max_(x, low), high))
tables.decompose[clamp_p] = lambda low, x, high: min(max(x, low), high)


# ---- Complex numbers

_PARTS = Dtypes("float32 and float64", [np.float32, np.float64])


def _join(x: Any, y: Any) -> Any:
    out = np.empty(np.broadcast_shapes(x.shape, y.shape), complex_dtype(x.dtype))
    out.real, out.imag = x, y
    return out


complex_p, complex = binary(
    "complex", _PARTS, reference=_join, kernel=scalar.complex_,
    transpose=(lambda ct, x, y: real(ct), lambda ct, x, y: neg(imag(ct))),
    result=complex_dtype, exact=True, does="x + iy.",
)  # fmt: skip
real_p, real = unary(
    "real", COMPLEX, reference=lambda x: x.real.copy(), kernel=scalar.real, transpose=lambda ct, x: complex(ct, 0.0),
    result=real_dtype, exact=True, does="The real part.",
)  # fmt: skip
imag_p, imag = unary(
    "imag", COMPLEX, reference=lambda x: x.imag.copy(), kernel=scalar.imag,
    transpose=lambda ct, x: complex(0.0, neg(ct)), result=real_dtype, exact=True, does="The imaginary part.",
)  # fmt: skip


def _conjugate(x: Any, input_dtype: Any) -> Any:
    return np.conjugate(x).astype(complex_dtype(x.dtype), copy=False)


def _conjugate_kernel(x: Any, *, input_dtype: Any) -> Any:
    return scalar.conj(x) if x.dtype in COMPLEX else scalar.complex_(x, scalar.const(0, x.dtype))


conj_p, _ = unary(
    "conj", Dtypes("float32, float64 and complex dtypes", _PARTS | COMPLEX),
    reference=_conjugate, kernel=_conjugate_kernel,
    transpose=lambda ct, x, *, input_dtype: conj(ct) if is_complex(input_dtype) else real(ct),
    decompose=lambda x, *, input_dtype: complex(real(x), neg(imag(x))) if is_complex(input_dtype) else complex(x, 0.0),
    result=complex_dtype, exact=True,
)  # fmt: skip


def conj(x: Any) -> Any:
    """The complex conjugate, elementwise; of a real array the complex array of the same values.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.conj(np.complex64(1 + 2j))
    Array(1.-2.j, dtype=complex64)
    """
    return conj_p.bind(x, input_dtype=get_aval(x).dtype)
