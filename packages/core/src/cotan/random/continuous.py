"""Continuous distributions by transformation of uniform, normal and exponential numbers, with their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes
from cotan import numpy as cnp
from cotan.random.arguments import Shape, common_shape, extents, float_dtype
from cotan.random.keys import split
from cotan.random.sampling import exponential, normal, uniform

_ONE = np.float32(1)


def lognormal(
    key: Any, sigma: Any = _ONE, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None
) -> Any:
    """The exponential of a normal number of standard deviation ``sigma``; complex for complex dtypes.

    >>> import cotan
    >>> bool(cotan.random.lognormal(cotan.random.key(0)) > 0)
    True
    """
    dtype = np.dtype(dtypes.default_float() if dtype is None else dtypes.check_user_dtype(dtype, "lognormal"))
    if not dtypes.issubdtype(dtype, np.inexact):
        raise ValueError(f"lognormal: dtype must be a floating or complex dtype, got {dtype}")
    shape = common_shape(shape, "lognormal", sigma)
    return cnp.exp(normal(key, shape, dtype) * cnp.asarray(sigma, dtype))


def pareto(key: Any, b: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Pareto on (1, inf): density b x^(-b - 1).

    >>> import cotan
    >>> bool(cotan.random.pareto(cotan.random.key(0), 2.0) >= 1)
    True
    """
    dtype = float_dtype(dtype, "pareto")
    shape = common_shape(shape, "pareto", b)
    return cnp.exp(exponential(key, shape, dtype) / cnp.asarray(b, dtype))


def rayleigh(key: Any, scale: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Rayleigh: the norm of two normal numbers of standard deviation ``scale``.

    >>> import cotan
    >>> bool(cotan.random.rayleigh(cotan.random.key(0), 2.0) >= 0)
    True
    """
    dtype = float_dtype(dtype, "rayleigh")
    shape = common_shape(shape, "rayleigh", scale)
    drawn = cnp.log(uniform(key, shape, dtype))
    return cnp.asarray(scale, dtype) * cnp.sqrt(drawn * -2)


def triangular(
    key: Any,
    left: Any,
    mode: Any,
    right: Any,
    shape: Shape | None = None,
    dtype: Any = None,
    *,
    out_sharding: Any = None,
) -> Any:
    """Triangular on (left, right) with its peak at ``mode``.

    >>> import cotan
    >>> bool(cotan.random.triangular(cotan.random.key(0), 0.0, 1.0, 4.0) <= 4)
    True
    """
    dtype = float_dtype(dtype, "triangular")
    shape = common_shape(shape, "triangular", left, mode, right)
    left, mode, right = (cnp.broadcast_to(cnp.asarray(x, dtype), shape) for x in (left, mode, right))
    u = uniform(key, shape, dtype)
    width = right - left
    rising = u < (mode - left) / width
    # The root that is not taken must not be of a negative number, whose derivative would be NaN.
    up = left + cnp.sqrt(cnp.where(rising, u * width * (mode - left), 1))
    down = right - cnp.sqrt(cnp.where(rising, 1, (1 - u) * width * (right - mode)))
    return cnp.where(rising, up, down)


def wald(key: Any, mean: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Wald (inverse Gaussian) of the given mean and scale 1.

    (J. Michael, W. Schucany and R. Haas, "Generating random variates using transformations with multiple roots", 1976.)

    >>> import cotan
    >>> bool(cotan.random.wald(cotan.random.key(0), 2.0) > 0)
    True
    """
    dtype = float_dtype(dtype, "wald")
    shape = common_shape(shape, "wald", mean)
    mean = cnp.broadcast_to(cnp.asarray(mean, dtype), shape)
    for_normal, for_choice = split(key)
    y = cnp.square(normal(for_normal, shape, dtype))
    u = uniform(for_choice, shape, dtype)
    root = cnp.sqrt(4 * mean * y + cnp.square(mean) * cnp.square(y))
    small = mean + cnp.square(mean) * y / 2 - mean / 2 * root
    return cnp.where(u <= mean / (mean + small), small, cnp.square(mean) / small)


def weibull_min(key: Any, scale: Any, concentration: Any, shape: Shape = (), dtype: Any = None) -> Any:
    """Weibull: ``scale`` times a standard exponential number to the power of 1 / ``concentration``.

    >>> import cotan
    >>> cotan.random.weibull_min(cotan.random.key(0), 1.0, 2.0, (3,)).shape
    (3,)
    """
    dtype = float_dtype(dtype, "weibull_min")
    drawn = exponential(key, extents(shape, "weibull_min"), dtype)
    return drawn ** (1.0 / cnp.asarray(concentration, dtype)) * cnp.asarray(scale, dtype)
