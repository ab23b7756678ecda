"""The gamma distribution and what is made of it: beta, chi-square, Dirichlet, F, Student's t, generalised normal.

Samples are drawn by rejection (G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", ACM
TOMS 26, 2000), each under a key of its own. Their derivatives with respect to the shape parameter are those at a fixed
probability, whatever was rejected on the way (M. Figurnov et al., "Implicit reparameterization gradients", 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.api import custom_jvp, jit, vmap
from cotan.nn.functions import softmax
from cotan.primitives.composed import composed
from cotan.random.arguments import Shape, common_shape, extents, float_dtype
from cotan.random.keys import check_one_key, split
from cotan.random.sampling import exponential, normal, rademacher, uniform

_SQUEEZE = 0.0331


def _cubes(key: Any, d: Any) -> Any:
    """The factor v of one accepted candidate d * v, for d = shape - 1/3."""
    c = 1 / 3 / cnp.sqrt(d)

    def candidate(state: Any) -> Any:
        key, sub = split(state[0])
        x = normal(sub, (), d.dtype)
        return key, x, 1 + x * c

    def rejected(state: Any) -> Any:
        _, square, cube, u = state
        # The first condition settles most candidates without a logarithm.
        return (u >= 1 - _SQUEEZE * (square * square)) & (cnp.log(u) >= square * 0.5 + d * ((1 - cube) + cnp.log(cube)))

    def again(state: Any) -> Any:
        key, for_x, for_u = split(state[0], 3)
        start = (for_x, cnp.zeros_like(d), cnp.full_like(d, -1))
        _, x, root = lax.while_loop(lambda state: state[2] <= 0, candidate, start)
        return key, x * x, root * root * root, uniform(for_u, (), d.dtype)

    start = (key, cnp.zeros_like(d), cnp.ones_like(d), cnp.full_like(d, 2))
    return lax.while_loop(rejected, again, start)[2]


def _one(key: Any, a: Any, log: bool) -> Any:
    """One number; below a shape of 1, of the shape one higher, times a power of a uniform number."""
    key, for_boost = split(key)
    high = a >= 1
    d = cnp.where(high, a, a + 1) - 1 / 3
    cube = _cubes(key, d)
    if log:
        exponent = -exponential(for_boost, (), a.dtype)
        boost = cnp.where(high | (exponent == 0), 0, exponent * (1 / a))
        return (cnp.log(d) + cnp.log(cube)) + boost
    return (d * cube) * cnp.where(high, 1, (1 - uniform(for_boost, (), a.dtype)) ** (1 / a))


def _sampler(log: bool, derivative: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The compiled function of a key and an array of shape parameters."""

    @custom_jvp
    def draw(key: Any, a: Any) -> Any:
        if not a.size:
            return a
        keys = split(key, a.size)
        return cnp.reshape(vmap(lambda key, a: _one(key, a, log))(keys, cnp.ravel(a)), a.shape)

    @draw.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        sample = draw(*primals)
        return sample, derivative(primals[1], sample) * tangents[1]

    return jit(draw)  # type: ignore[no-any-return]


def _log_slope(a: Any, log_x: Any) -> Any:
    """d(log x)/da from the logarithm of x, also where x itself underflows: there P is x^a / gamma(a + 1)."""
    x = cnp.exp(log_x)
    tiny = x < float(dtypes.finfo(a.dtype).eps) ** 2 * a
    usual = lax.random_gamma_grad(cnp.where(tiny, 1, a), cnp.where(tiny, 1, x)) / cnp.where(tiny, 1, x)
    return cnp.where(tiny, (lax.digamma(a + 1) - log_x) / a, usual)


_draw = _sampler(False, lax.random_gamma_grad)
_draw_log = _sampler(True, _log_slope)


def _samples(key: Any, a: Any, *, log_space: bool) -> Any:
    return (_draw_log if log_space else _draw)(key, a)


random_gamma_p = composed("random_gamma", _samples)


def _parameter(x: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    return cnp.broadcast_to(cnp.asarray(x, dtype), shape)


def gamma(key: Any, a: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Gamma of shape parameter ``a`` and scale 1: density x^(a - 1) exp(-x) / gamma(a).

    Args:
      a: positive; any shape that broadcasts to ``shape`` (default: that of ``a``).
      out_sharding: accepted, and without meaning on one device.

    >>> import cotan
    >>> cotan.random.gamma(cotan.random.key(0), 2.0, (3,)).shape
    (3,)
    """
    check_one_key(key, "gamma")
    dtype = float_dtype(dtype, "gamma")
    return random_gamma_p.bind(key, _parameter(a, common_shape(shape, "gamma", a), dtype), log_space=False)


def loggamma(key: Any, a: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """The logarithm of ``gamma``, which for small ``a`` stays finite where gamma underflows to 0.

    >>> import cotan
    >>> bool(cotan.random.loggamma(cotan.random.key(0), 1e-4) > -cotan.numpy.inf)
    True
    """
    check_one_key(key, "loggamma")
    dtype = float_dtype(dtype, "loggamma")
    return random_gamma_p.bind(key, _parameter(a, common_shape(shape, "loggamma", a), dtype), log_space=True)


def beta(key: Any, a: Any, b: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Beta on (0, 1): density proportional to x^(a - 1) (1 - x)^(b - 1).

    >>> import cotan
    >>> bool(0 <= cotan.random.beta(cotan.random.key(0), 2.0, 3.0) <= 1)
    True
    """
    dtype = float_dtype(dtype, "beta")
    shape = common_shape(shape, "beta", a, b)
    for_a, for_b = split(key)
    log_a, log_b = loggamma(for_a, a, shape, dtype), loggamma(for_b, b, shape, dtype)
    largest = lax.max(log_a, log_b)
    part_a, part_b = cnp.exp(log_a - largest), cnp.exp(log_b - largest)
    return part_a / (part_a + part_b)


def dirichlet(key: Any, alpha: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Dirichlet: vectors of positive numbers of sum 1, along a new last axis.

    Args:
      alpha: positive concentrations, ``(..., n)``.
      shape: of the batch; default: that of ``alpha`` without its last axis.
      out_sharding: accepted, and without meaning on one device.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.random.dirichlet(cotan.random.key(0), cnp.array([1.0, 2.0]), (4,)).shape
    (4, 2)
    """
    dtype = float_dtype(dtype, "dirichlet")
    alpha = cnp.asarray(alpha, dtype)
    if alpha.ndim == 0:
        raise ValueError("dirichlet: alpha must be a vector of concentrations, got a scalar; for two parts use beta")
    batch = common_shape(shape, "dirichlet", np.empty(alpha.shape[:-1], np.bool_))
    return softmax(loggamma(key, alpha, (*batch, alpha.shape[-1]), dtype), -1)


def chisquare(key: Any, df: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Chi-square with ``df`` degrees of freedom.

    >>> import cotan
    >>> bool(cotan.random.chisquare(cotan.random.key(0), 3.0) > 0)
    True
    """
    dtype = float_dtype(dtype, "chisquare")
    shape = common_shape(shape, "chisquare", df)
    return cnp.exp(loggamma(key, cnp.asarray(df, dtype) / 2, shape, dtype)) * 2


def f(
    key: Any, dfnum: Any, dfden: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None
) -> Any:
    """F with ``dfnum`` and ``dfden`` degrees of freedom in numerator and denominator.

    >>> import cotan
    >>> bool(cotan.random.f(cotan.random.key(0), 3.0, 5.0) > 0)
    True
    """
    dtype = float_dtype(dtype, "f")
    shape = common_shape(shape, "f", dfnum, dfden)
    dfnum, dfden = cnp.asarray(dfnum, dtype), cnp.asarray(dfden, dtype)
    for_den, for_num = split(key)
    above = chisquare(for_num, dfnum, shape, dtype) / dfnum
    return above / (chisquare(for_den, dfden, shape, dtype) / dfden)


def t(key: Any, df: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Student's t with ``df`` degrees of freedom.

    >>> import cotan
    >>> cotan.random.t(cotan.random.key(0), 4.0, (2,)).shape
    (2,)
    """
    dtype = float_dtype(dtype, "t")
    shape = common_shape(shape, "t", df)
    for_normal, for_gamma = split(key)
    half = cnp.asarray(df, dtype) / 2
    return normal(for_normal, shape, dtype) * cnp.sqrt(half / gamma(for_gamma, half, shape, dtype))


def generalized_normal(key: Any, p: Any, shape: Shape = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Generalised normal: density proportional to ``exp(-|x|^p)``.

    >>> import cotan
    >>> cotan.random.generalized_normal(cotan.random.key(0), 3.0, (2,)).shape
    (2,)
    """
    dtype = float_dtype(dtype, "generalized_normal")
    shape = extents(shape, "generalized_normal")
    for_size, for_sign = split(key)
    size = gamma(for_size, 1 / p, shape, dtype)
    return rademacher(for_sign, shape, dtype) * size ** (1 / p)


def ball(key: Any, d: int, p: Any = 2, shape: Shape = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Uniform in the unit ball of ``d`` dimensions of the p-norm, along a new last axis.

    (F. Barthe et al., "A probabilistic approach to the geometry of the l_p^n-ball", 2005.)

    >>> import cotan
    >>> cotan.random.ball(cotan.random.key(0), 3, shape=(5,)).shape
    (5, 3)
    """
    dtype = float_dtype(dtype, "ball")
    shape = extents(shape, "ball")
    (d,) = extents((d,), "ball")
    for_direction, for_radius = split(key)
    direction = generalized_normal(for_direction, p, (*shape, d), dtype)
    rest = exponential(for_radius, shape, dtype)
    return direction / ((cnp.sum(cnp.abs(direction) ** p, -1) + rest) ** (1 / p))[..., None]


def maxwell(key: Any, shape: Shape = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Standard Maxwell: the norm of three standard normal numbers.

    >>> import cotan
    >>> bool(cotan.random.maxwell(cotan.random.key(0)) > 0)
    True
    """
    dtype = float_dtype(dtype, "maxwell")
    drawn = normal(key, (*extents(shape, "maxwell"), 3), dtype)
    return cnp.sqrt(cnp.sum(drawn * drawn, -1))


def double_sided_maxwell(key: Any, loc: Any, scale: Any, shape: Shape = (), dtype: Any = None) -> Any:
    """``loc`` plus or minus ``scale`` times a standard Maxwell number, with either sign equally likely.

    Args:
      shape: prefix of the result's shape, before the parameters' common shape.

    >>> import cotan
    >>> cotan.random.double_sided_maxwell(cotan.random.key(0), 0.0, 2.0, (4,)).shape
    (4,)
    """
    dtype = float_dtype(dtype, "double_sided_maxwell")
    parameters = common_shape(None, "double_sided_maxwell", loc, scale)
    shape = (extents(shape, "double_sided_maxwell") or parameters) + parameters
    for_size, for_sign = split(key)
    size = maxwell(for_size, shape, dtype)
    return rademacher(for_sign, shape, dtype) * size * cnp.asarray(scale, dtype) + cnp.asarray(loc, dtype)
