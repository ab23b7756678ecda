"""Initialisers: functions ``init(key, shape, dtype=float32)`` of weights.

Variance scaling after Glorot and Bengio (2010) and He et al. (2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax, random
from cotan import numpy as cnp
from cotan import tracebacks as _tracebacks

Initializer = Callable[..., Any]
Axes = int | Sequence[int]


def zeros(key: Any, shape: Sequence[int], dtype: Any = None, out_sharding: Any = None) -> Any:
    """All 0."""
    return cnp.zeros(shape, dtypes.default_float() if dtype is None else dtype)


def ones(key: Any, shape: Sequence[int], dtype: Any = None, out_sharding: Any = None) -> Any:
    """All 1."""
    return cnp.ones(shape, dtypes.default_float() if dtype is None else dtype)


def constant(value: Any, dtype: Any = None) -> Initializer:
    """All ``value``.

    >>> from cotan.nn import initializers
    >>> initializers.constant(7)(None, (2,))
    Array([7., 7.], dtype=float32)
    """
    default = dtype

    def init(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
        return cnp.full(shape, value, dtype or default or dtypes.default_float())

    return init


def normal(stddev: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Normal of the given standard deviation."""
    default = dtype

    def init(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
        return random.normal(key, shape, dtype or default) * stddev

    return init


def truncated_normal(stddev: Any = 1e-2, dtype: Any = None, lower: Any = -2.0, upper: Any = 2.0) -> Initializer:
    """``stddev`` times a standard normal that is cut off at ``lower`` and ``upper`` (before the scaling)."""
    default = dtype

    def init(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
        return random.truncated_normal(key, lower, upper, shape, dtype or default) * stddev

    return init


def uniform(scale: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Uniform in [0, scale)."""
    default = dtype

    def init(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
        return random.uniform(key, shape, dtype or default) * scale

    return init


def _extent(shape: Sequence[int], axes: Axes) -> int:
    return math.prod(shape[axis] for axis in ((axes,) if isinstance(axes, int) else axes))


def _fans(shape: Sequence[int], in_axis: Axes, out_axis: Axes, batch_axis: Axes) -> tuple[float, float]:
    if len(shape) < 2:
        raise ValueError(
            f"variance_scaling needs a shape of at least two dimensions (inputs, outputs), got {tuple(shape)}; use "
            "normal or zeros"
        )
    into, out, batch = (_extent(shape, axes) for axes in (in_axis, out_axis, batch_axis))
    receptive = math.prod(shape) / into / out / batch
    return into * receptive, out * receptive


def _complex(key: Any, shape: Sequence[int], dtype: Any, modulus: Callable[[Any], Any]) -> Any:
    """Complex numbers of uniform angles, whose moduli are ``modulus`` of numbers uniform in [0, 1)."""
    real = np.dtype(np.float64 if dtypes.canonicalize_dtype(dtype) == np.complex128 else np.float32)
    of_modulus, of_angle = random.split(key)
    size = modulus(random.uniform(of_modulus, shape, real))
    angle = 2 * math.pi * random.uniform(of_angle, shape, real)
    return lax.complex(size * cnp.cos(angle), size * cnp.sin(angle))


def _complex_uniform(key: Any, shape: Sequence[int], dtype: Any) -> Any:
    """Uniform on the unit disc."""
    return _complex(key, shape, dtype, cnp.sqrt)


def _complex_truncated_normal(key: Any, shape: Sequence[int], dtype: Any) -> Any:
    """Standard complex normal numbers, those whose modulus is less than 2."""
    inside = 1 - math.exp(-4)
    return _complex(key, shape, dtype, lambda u: cnp.sqrt(-cnp.log1p(-inside * u)))


_FANS: dict[str, Callable[[float, float], float]] = {
    "fan_in": lambda inputs, outputs: inputs,
    "fan_out": lambda inputs, outputs: outputs,
    "fan_avg": lambda inputs, outputs: (inputs + outputs) / 2,
    "fan_geo_avg": lambda inputs, outputs: math.sqrt(inputs * outputs),
}


def variance_scaling(
    scale: Any,
    mode: str,
    distribution: str,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: Any = None,
) -> Initializer:
    """Variance scale / fan, of mode 'fan_in', 'fan_out', 'fan_avg' or 'fan_geo_avg' (their geometric mean).

    Args:
      distribution: 'normal', 'truncated_normal' or 'uniform'. Of complex weights the angle is uniform, and the modulus
        is that of a normal, of one cut off at two standard deviations, or of points that are uniform on a disc.
      in_axis: the axis or axes of inputs; ``out_axis``: of outputs; ``batch_axis``: of independent weights.

    Raises:
      ValueError: an unknown mode or distribution; from the initialiser: fewer than two dimensions.

    >>> import cotan
    >>> init = cotan.nn.initializers.variance_scaling(2.0, "fan_in", "normal")
    >>> init(cotan.random.key(0), (3, 4)).shape
    (3, 4)
    """
    if mode not in _FANS:
        raise ValueError(f"variance_scaling: mode must be one of {', '.join(map(repr, _FANS))}, got {mode!r}")
    if distribution not in ("normal", "truncated_normal", "uniform"):
        raise ValueError(
            f"variance_scaling: unknown distribution {distribution!r}; use 'truncated_normal', 'normal' or 'uniform'"
        )
    default = dtype

    def init(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
        dtype = dtype or default or dtypes.default_float()
        variance = scale / _FANS[mode](*_fans(shape, in_axis, out_axis, batch_axis))
        if distribution == "normal":
            return random.normal(key, shape, dtype) * math.sqrt(variance)
        if dtypes.issubdtype(dtype, np.complexfloating):
            if distribution == "uniform":
                return _complex_uniform(key, shape, dtype) * math.sqrt(2 * variance)
            # The standard deviation that JAX divides by, so that weights are the same numbers; it is 0.962.
            return _complex_truncated_normal(key, shape, dtype) * (math.sqrt(variance) / 0.95311164380491208)
        if distribution == "uniform":
            return random.uniform(key, shape, dtype, -1) * math.sqrt(3 * variance)
        # The standard deviation of a standard normal truncated to (-2, 2).
        stddev = math.sqrt(variance) / 0.87962566103423978
        return random.truncated_normal(key, -2, 2, shape, dtype) * stddev

    return init


def _preset(name: str, scale: float, mode: str, distribution: str, also: str = "") -> Callable[..., Initializer]:
    def make(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = None) -> Initializer:
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"variance_scaling({scale:g}, {mode!r}, {distribution!r}){also}."
    return make


glorot_uniform = xavier_uniform = _preset("glorot_uniform", 1.0, "fan_avg", "uniform", ", also called Xavier")
glorot_normal = xavier_normal = _preset("glorot_normal", 1.0, "fan_avg", "truncated_normal", ", also called Xavier")
lecun_uniform = _preset("lecun_uniform", 1.0, "fan_in", "uniform")
lecun_normal = _preset("lecun_normal", 1.0, "fan_in", "truncated_normal")
he_uniform = kaiming_uniform = _preset("he_uniform", 2.0, "fan_in", "uniform", ", also called Kaiming")
he_normal = kaiming_normal = _preset("he_normal", 2.0, "fan_in", "truncated_normal", ", also called Kaiming")


def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """Random matrices with orthonormal rows or columns, whichever are fewer, times ``scale``.

    Args:
      column_axis: the axis of columns; all others together are rows.

    Raises:
      ValueError: from the initialiser: fewer than two dimensions.

    >>> import cotan
    >>> w = cotan.nn.initializers.orthogonal()(cotan.random.key(0), (3, 2))
    >>> bool(cotan.numpy.allclose(w.T @ w, cotan.numpy.eye(2), atol=1e-5))
    True
    """
    default = dtype

    def init(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
        if len(shape) < 2:
            raise ValueError(f"orthogonal: weights need two dimensions at least, got shape {tuple(shape)}")
        columns = shape[column_axis]
        others = [n for k, n in enumerate(shape) if k != column_axis % len(shape)]
        found = random.orthogonal(key, math.prod(others), (), dtype or default or dtypes.default_float(), m=columns)
        return scale * cnp.moveaxis(found.reshape(*others, columns), -1, column_axis)

    return init


def delta_orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """Kernels of convolution that are a random orthogonal matrix in the middle and zero elsewhere.

    See Xiao et al., Dynamical isometry and a mean field theory of CNNs, 2018. Shapes are (.., inputs, outputs).

    Raises:
      ValueError: from the initialiser: other than 3, 4 or 5 dimensions, or fewer outputs than inputs.

    >>> import cotan
    >>> cotan.nn.initializers.delta_orthogonal()(cotan.random.key(0), (3, 2, 2)).shape
    (3, 2, 2)
    """
    default = dtype

    def init(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
        if len(shape) not in (3, 4, 5):
            raise ValueError(f"delta_orthogonal: kernels have 3, 4 or 5 dimensions, got shape {tuple(shape)}")
        if shape[-1] < shape[-2]:
            raise ValueError(f"delta_orthogonal: as many outputs as inputs at least are needed, got {tuple(shape)}")
        wanted = dtype or default or dtypes.default_float()
        matrix = orthogonal(scale, column_axis, wanted)(key, shape[-2:])
        middle = tuple((n - 1) // 2 for n in shape[:-2])
        return cnp.zeros(shape, wanted).at[middle].set(matrix)

    return init


_tracebacks.guard(globals())
