"""Special functions, elementwise: error functions and their inverse, logarithm of gamma, digamma.

The reference is SciPy where it is installed, the formulas below otherwise; erf_inv is the same approximation
everywhere, so that normally distributed samples depend on the backend by rounding alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cotan.ir import scalar
from cotan.primitives.algebra import ARRAYS, ELEMENTS, PRIMITIVES
from cotan.primitives.arithmetic import mul, neg, square
from cotan.primitives.define import BY_DECOMPOSITION, unary
from cotan.primitives.operands import FLOAT, dtype_of
from cotan.primitives.taylor import BY_SLOPE
from cotan.primitives.transcendental import exp
from cotan.structural import convert_element_type

Formula = Callable[[Any, Any], Any]
_FLOAT32 = np.dtype(np.float32)
_TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)


# ---- One formula, three readings; dtypes of fewer than 32 bits are computed in float32


def as_reference(formula: Formula, scipy_name: str = "") -> Callable[[Any], Any]:
    def reference(x: Any) -> Any:
        function = of_scipy(scipy_name) or functools.partial(formula, ARRAYS)
        if x.dtype.itemsize < 4:
            return np.asarray(function(x.astype(_FLOAT32))).astype(x.dtype)
        return function(x)

    return reference


@functools.cache
def of_scipy(name: str) -> Callable[[Any], Any] | None:
    if not name:
        return None
    try:
        from scipy import special
    except ImportError:
        return None
    found: Callable[[Any], Any] = getattr(special, name)
    return found


def as_kernel(formula: Formula) -> Callable[[Any], Any]:
    def kernel(x: Any) -> Any:
        if x.dtype.itemsize < 4:
            return scalar.cast(formula(ELEMENTS, scalar.cast(x, _FLOAT32)), x.dtype)
        return formula(ELEMENTS, x)

    return kernel


def as_decomposition(formula: Formula) -> Callable[[Any], Any]:
    def decompose(x: Any) -> Any:
        dtype = dtype_of(x)
        if dtype.itemsize < 4:
            return convert_element_type(formula(PRIMITIVES, convert_element_type(x, _FLOAT32)), dtype)
        return formula(PRIMITIVES, x)

    return decompose


def _is_double(x: Any) -> bool:
    return bool(x.dtype == np.float64)


# ---- erf, erfc

# Chebyshev coefficients in s = 2t - 1 of log(erfc(x) exp(x**2) / t), where t = 2 / (2 + x) and x >= 0.
ERFC = (
    -0.6513268598908547171, 0.6419697923564902603, 0.019476473204185836312, -0.0095615147868086316419,
    -0.0009465953444820368663, 0.00036683949785276145187, 0.000042523324806907771645, -0.000020278578112534243154,
    -1.6242900046470255135e-6, 1.3036558355805232018e-6, 1.5626441722066143171e-8, -8.5238095914926542519e-8,
    6.5290544390988514906e-9, 5.0593434955514689471e-9, -9.9136415649303309147e-10, -2.2736512229318358144e-10,
    9.6467911020155264503e-11, 2.3940380830391176275e-12, -6.8860275264975556314e-12, 8.9448792730907414282e-13,
    3.1309213993429490705e-13, -1.1270822361367229812e-13, 3.8109052551937413938e-16, 7.1060976136081120286e-15,
    -1.523028201455311416e-15, -9.4574945715363441584e-17, 1.2102371892552393135e-16,
)  # fmt: skip
# erf(x) = x * polynomial(x**2) for |x| < 1: the series of the integral of exp(-x**2).
_ERF = tuple(_TWO_OVER_ROOT_PI * (-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(21, -1, -1))


def _erfc_of_positive(o: Any, x: Any) -> Any:
    t = o.div(o.const(2, x), o.add(x, o.const(2, x)))
    s = o.sub(o.add(t, t), o.const(1, x))
    double = o.add(s, s)
    coefficients = ERFC if _is_double(x) else ERFC[:14]
    this, before = o.const(coefficients[-1], x), o.const(0, x)
    for coefficient in coefficients[-2:0:-1]:
        this, before = o.add(o.sub(o.mul(double, this), before), o.const(coefficient, x)), this
    log = o.add(o.sub(o.mul(s, this), before), o.const(coefficients[0], x))
    return o.mul(t, o.exp(o.sub(log, o.mul(x, x))))


def _erfc(o: Any, x: Any) -> Any:
    magnitude = o.abs(x)
    small = o.sub(o.const(1, x), o.mul(x, o.polynomial(o.mul(x, x), _ERF)))
    tail = _erfc_of_positive(o, magnitude)
    tail = o.select(o.lt(x, o.const(0, x)), o.sub(o.const(2, x), tail), tail)
    return o.select(o.lt(magnitude, o.const(0.5, x)), small, tail)


def _erf(o: Any, x: Any) -> Any:
    magnitude = o.abs(x)
    small = o.mul(x, o.polynomial(o.mul(x, x), _ERF))
    tail = o.sub(o.const(1, x), _erfc_of_positive(o, magnitude))
    tail = o.select(o.lt(x, o.const(0, x)), o.neg(tail), tail)
    return o.select(o.lt(magnitude, o.const(1, x)), small, tail)


def _bell(x: Any) -> Any:
    """The derivative of erf."""
    return mul(exp(neg(square(x))), _TWO_OVER_ROOT_PI)


erf_p, erf = unary(
    "erf", FLOAT, reference=as_reference(_erf, "erf"), kernel=scalar.erf, jvp=lambda t, x, y: mul(t, _bell(x)),
    jet=BY_SLOPE, decompose=as_decomposition(_erf), does="The error function.",
)  # fmt: skip
erfc_p, erfc = unary(
    "erfc", FLOAT, reference=as_reference(_erfc, "erfc"), kernel=scalar.erfc,
    jvp=lambda t, x, y: mul(t, neg(_bell(x))), jet=BY_SLOPE, decompose=as_decomposition(_erfc),
    does="1 - erf(x), exact for large x.",
)  # fmt: skip


# ---- erf_inv (M. Giles, "Approximating the erfinv function", 2010): polynomials in w = -log(1 - x**2)

_SINGLE = (
    (5.0, 2.5, False, (
        2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164,
        0.246640727, 1.50140941,
    )),
    (math.inf, 3.0, True, (
        -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
        1.00167406, 2.83297682,
    )),
)  # fmt: skip
_DOUBLE = (
    (6.25, 3.125, False, (
        -3.6444120640178196996e-21, -1.685059138182016589e-19, 1.2858480715256400167e-18, 1.115787767802518096e-17,
        -1.333171662854620906e-16, 2.0972767875968561637e-17, 6.6376381343583238325e-15, -4.0545662729752068639e-14,
        -8.1519341976054721522e-14, 2.6335093153082322977e-12, -1.2975133253453532498e-11, -5.4154120542946279317e-11,
        1.051212273321532285e-09, -4.1126339803469836976e-09, -2.9070369957882005086e-08, 4.2347877827932403518e-07,
        -1.3654692000834678645e-06, -1.3882523362786468719e-05, 0.0001867342080340571352, -0.00074070253416626697512,
        -0.0060336708714301490533, 0.24015818242558961693, 1.6536545626831027356,
    )),
    (16.0, 3.25, True, (
        2.2137376921775787049e-09, 9.0756561938885390979e-08, -2.7517406297064545428e-07, 1.8239629214389227755e-08,
        1.5027403968909827627e-06, -4.013867526981545969e-06, 2.9234449089955446044e-06, 1.2475304481671778723e-05,
        -4.7318229009055733981e-05, 6.8284851459573175448e-05, 2.4031110387097893999e-05, -0.0003550375203628474796,
        0.00095328937973738049703, -0.0016882755560235047313, 0.0024914420961078508066, -0.0037512085075692412107,
        0.005370914553590063617, 1.0052589676941592334, 3.0838856104922207635,
    )),
    (math.inf, 5.0, True, (
        -2.7109920616438573243e-11, -2.5556418169965252055e-10, 1.5076572693500548083e-09, -3.7894654401267369937e-09,
        7.6157012080783393804e-09, -1.4960026627149240478e-08, 2.9147953450901080826e-08, -6.7711997758452339498e-08,
        2.2900482228026654717e-07, -9.9298272942317002539e-07, 4.5260625972231537039e-06, -1.9681778105531670567e-05,
        7.5995277030017761139e-05, -0.00021503011930044477347, -0.00013871931833623122026, 1.0103004648645343977,
        4.8499064014085844221,
    )),
)  # fmt: skip


def _piece(o: Any, w: Any, shift: float, rooted: bool, coefficients: tuple[float, ...]) -> Any:
    return o.polynomial(o.sub(o.sqrt(w) if rooted else w, o.const(shift, w)), coefficients)


def _w(o: Any, x: Any) -> Any:
    """-log(1 - x**2). The factors of 1 - x**2 are exact near 1; float32 rounds x**2 as usual generators do."""
    if _is_double(x):
        one = o.const(1, x)
        return o.neg(o.log(o.mul(o.sub(one, x), o.add(one, x))))
    return o.neg(o.log1p(o.neg(o.mul(x, x))))


def _erf_inv(o: Any, x: Any) -> Any:
    w = _w(o, x)
    pieces = _DOUBLE if _is_double(x) else _SINGLE
    value = _piece(o, w, *pieces[-1][1:])
    for limit, *piece in reversed(pieces[:-1]):
        value = o.select(o.lt(w, o.const(limit, x)), _piece(o, w, *piece), value)
    infinite = o.mul(x, o.const(math.inf, x))
    return o.select(o.eq(o.abs(x), o.const(1, x)), infinite, o.mul(value, x))


def _erf_inv_of_arrays(x: Any) -> Any:
    """As the formula, but the rare pieces only where they are needed."""
    shape, dtype = x.shape, x.dtype
    x = np.atleast_1d(x).astype(_FLOAT32 if dtype.itemsize < 4 else dtype, copy=False)
    pieces = _DOUBLE if _is_double(x) else _SINGLE
    w = _w(ARRAYS, x)
    value = _horner(w - x.dtype.type(pieces[0][1]), pieces[0][3])
    below = pieces[0][0]
    for limit, shift, _, coefficients in pieces[1:]:
        rare = (w >= below) & (w < limit) if limit < math.inf else ~(w < below)
        if rare.any():
            value[rare] = _horner(np.sqrt(w[rare]) - x.dtype.type(shift), coefficients)
        below = limit
    np.multiply(value, x, out=value)
    edge = np.abs(x) == 1
    if edge.any():
        value[edge] = x[edge] * x.dtype.type(math.inf)
    return value.reshape(shape).astype(dtype, copy=False)


def _horner(x: Any, coefficients: tuple[float, ...]) -> Any:
    value = np.full(x.shape, coefficients[0], x.dtype)
    for coefficient in coefficients[1:]:
        np.multiply(value, x, out=value)
        np.add(value, x.dtype.type(coefficient), out=value)
    return value


erf_inv_p, erf_inv = unary(
    "erf_inv", FLOAT, reference=_erf_inv_of_arrays, kernel=as_kernel(_erf_inv),
    jvp=lambda t, x, y: mul(t, mul(exp(square(y)), 1.0 / _TWO_OVER_ROOT_PI)), decompose=as_decomposition(_erf_inv),
    does="The inverse of the error function; infinite at -1 and 1, NaN outside of them.",
)  # fmt: skip


# ---- lgamma: its Taylor series at 2, for x >= 8 Stirling's; digamma: recurrence to x >= 8, then the asymptotic series

# (-1)**k (zeta(k) - 1) / k for k from 27 down to 2, then 1 - gamma: lgamma(2 + v) / v (DLMF 5.7.3).
_AT_TWO = (
    -2.7595228851242334e-10, 5.731367241678862e-10, -1.1921401405860912e-09, 2.4836745438024785e-09,
    -5.183475041970047e-09, 1.0838659214896955e-08, -2.2711094608943164e-08, 4.7698101693639804e-08,
    -1.0043224823968099e-07, 2.1207184805554665e-07, -4.492469198764566e-07, 9.55141213040742e-07,
    -2.039215753801366e-06, 4.374866789907488e-06, -9.439488275268397e-06, 2.050721277567069e-05,
    -4.492623673813314e-05, 9.945751278180853e-05, -0.00022315475845357939, 0.0005096695247430425,
    -0.001192753911703261, 0.0028905103307415234, -0.007385551028673986, 0.020580808427784546, -0.0673523010531981,
    0.3224670334241132, 0.42278433509846713,
)  # fmt: skip
# B(2n) / (2n (2n - 1)) for n from 8 down (DLMF 5.11.1).
LOG_STIRLING = (-3617 / 122400, 1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)


def _lgamma_right(o: Any, x: Any) -> Any:
    """For x >= 0.5. The zeros at 1 and 2 are factors, so that results beside them are as accurate as others."""
    low, high = o.lt(x, o.const(1.5, x)), o.ge(x, o.const(8, x))
    one = o.const(1, x)
    z = o.select(low, o.add(x, one), o.select(high, one, x))
    product = o.const(1, x)
    for _ in range(6):
        above = o.ge(z, o.const(2.5, x))
        z = o.select(above, o.sub(z, one), z)
        product = o.select(above, o.mul(product, z), product)
    v = o.sub(o.select(low, x, z), o.select(low, one, o.const(2, x)))
    moved = o.log(o.select(low, x, product))
    near = o.add(o.mul(v, o.polynomial(v, _AT_TWO)), o.select(low, o.neg(moved), moved))
    far = o.select(high, x, o.const(8, x))
    inverse = o.div(one, far)
    series = o.mul(inverse, o.polynomial(o.mul(inverse, inverse), LOG_STIRLING))
    # The difference is formed before the product to lose fewer digits.
    growth = o.mul(o.sub(far, o.const(0.5, x)), o.sub(o.log(far), one))
    stirling = o.add(growth, o.add(series, o.const(0.5 * math.log(2 * math.pi) - 0.5, x)))
    return o.select(high, stirling, near)


def _lgamma(o: Any, x: Any) -> Any:
    left = o.lt(x, o.const(0.5, x))
    value = _lgamma_right(o, o.select(left, o.sub(o.const(1, x), x), x))
    # The distance to the next integer below keeps sin(pi x) exact.
    fraction = o.sub(o.abs(x), o.floor(o.abs(x)))
    distance = o.select(o.gt(fraction, o.const(0.5, x)), o.sub(o.const(1, x), fraction), fraction)
    sine = o.sin(o.mul(distance, o.const(math.pi, x)))
    mirrored = o.sub(o.sub(o.const(math.log(math.pi), x), o.log(sine)), value)
    value = o.select(left, mirrored, value)
    infinite = o.const(math.inf, x)
    pole = o.bit_or(o.bit_and(left, o.eq(fraction, o.const(0, x))), o.eq(o.abs(x), infinite))
    return o.select(pole, infinite, value)


def _digamma(o: Any, x: Any) -> Any:
    left = o.lt(x, o.const(0.5, x))
    z = o.select(left, o.sub(o.const(1, x), x), x)
    value = o.const(0, x)
    for _ in range(8):
        low = o.lt(z, o.const(8, x))
        step = o.select(low, o.div(o.const(1, x), z), o.const(0, x))
        value = o.sub(value, step)
        z = o.select(low, o.add(z, o.const(1, x)), z)
    inverse = o.div(o.const(1, x), o.mul(z, z))
    # Bernoulli numbers B(2n) / 2n, from n = 7 down.
    series = o.polynomial(inverse, (1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12, 0.0))
    asymptotic = o.sub(o.sub(o.log(z), o.div(o.const(0.5, x), z)), series)
    value = o.add(value, asymptotic)
    # The distance of |x| from the next integer is exact, and near 0 relatively so.
    size = o.abs(x)
    fraction = o.sub(size, o.floor(size))
    distance = o.select(o.gt(fraction, o.const(0.5, x)), o.sub(fraction, o.const(1, x)), fraction)
    angle = o.mul(distance, o.const(math.pi, x))
    pole = o.eq(fraction, o.const(0, x))
    slope = o.div(o.mul(o.cos(angle), o.const(math.pi, x)), o.sin(o.select(pole, o.const(1, x), angle)))
    mirrored = o.select(o.lt(x, o.const(0, x)), o.add(value, slope), o.sub(value, slope))
    value = o.select(left, mirrored, value)
    # A factor, so that there are no slopes at the poles either.
    return o.mul(value, o.select(o.bit_and(left, pole), o.const(math.nan, x), o.const(1, x)))


_gammaln = as_reference(_lgamma, "gammaln")
_psi = as_reference(_digamma, "psi")


def _lgamma_of_arrays(x: Any) -> Any:
    # SciPy gives minus infinity at minus infinity; the logarithm of |gamma| is nowhere that.
    return np.where(np.isneginf(x), x.dtype.type(np.inf), _gammaln(x))


def _digamma_of_arrays(x: Any) -> Any:
    # At 0 it has a different limit from each side, of which SciPy takes one.
    return np.where(x == 0, x.dtype.type(np.nan), _psi(x))


lgamma_p, lgamma = unary(
    "lgamma", FLOAT, reference=_lgamma_of_arrays, kernel=scalar.lgamma,
    jvp=lambda t, x, y: mul(t, digamma(x)), jet=BY_SLOPE, decompose=as_decomposition(_lgamma),
    does="The logarithm of the absolute value of the gamma function.",
)  # fmt: skip
digamma_p, digamma = unary(
    "digamma", FLOAT, reference=_digamma_of_arrays, kernel=scalar.digamma, jvp=BY_DECOMPOSITION,
    decompose=as_decomposition(_digamma), does="The derivative of lgamma.",
)  # fmt: skip
