"""Initialisers: functions ``init(key, shape, dtype=float32)`` of weights.

Variance scaling after Glorot and Bengio (2010) and He et al. (2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cotan import dtypes, random
from cotan import numpy as cnp

Initializer = Callable[..., Any]


def zeros(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
    """All 0."""
    return cnp.zeros(shape, dtypes.default_float() if dtype is None else dtype)


def ones(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
    """All 1."""
    return cnp.ones(shape, dtypes.default_float() if dtype is None else dtype)


def constant(value: Any, dtype: Any = None) -> Initializer:
    """All ``value``."""
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


def uniform(scale: Any = 1e-2, dtype: Any = None) -> Initializer:
    """Uniform in [0, scale)."""
    default = dtype

    def init(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
        return random.uniform(key, shape, dtype or default) * scale

    return init


def _fans(shape: Sequence[int], in_axis: int, out_axis: int) -> tuple[float, float]:
    if len(shape) < 2:
        raise ValueError(f"variance_scaling needs a shape of at least two dimensions, got {tuple(shape)}")
    receptive = math.prod(shape) / shape[in_axis] / shape[out_axis]
    return shape[in_axis] * receptive, shape[out_axis] * receptive


def variance_scaling(
    scale: Any, mode: str, distribution: str, in_axis: int = -2, out_axis: int = -1, dtype: Any = None
) -> Initializer:
    """Variance scale / fan, of mode 'fan_in', 'fan_out' or 'fan_avg'.

    Args:
      distribution: 'normal', 'truncated_normal' or 'uniform'.
    """
    if mode not in ("fan_in", "fan_out", "fan_avg"):
        raise ValueError(f"variance_scaling: mode must be 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}")
    if distribution not in ("normal", "truncated_normal", "uniform"):
        raise ValueError(f"variance_scaling: unknown distribution {distribution!r}")
    default = dtype

    def init(key: Any, shape: Sequence[int], dtype: Any = None) -> Any:
        dtype = dtype or default or dtypes.default_float()
        fan_in, fan_out = _fans(shape, in_axis, out_axis)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
        variance = scale / fan
        if distribution == "normal":
            return random.normal(key, shape, dtype) * math.sqrt(variance)
        if distribution == "uniform":
            return random.uniform(key, shape, dtype, -1) * math.sqrt(3 * variance)
        # The standard deviation of a standard normal truncated to (-2, 2).
        stddev = math.sqrt(variance) / 0.87962566103423978
        return random.truncated_normal(key, -2, 2, shape, dtype) * stddev

    return init


def glorot_uniform(in_axis: int = -2, out_axis: int = -1, dtype: Any = None) -> Initializer:
    """variance_scaling(1, 'fan_avg', 'uniform'), also called Xavier."""
    return variance_scaling(1.0, "fan_avg", "uniform", in_axis, out_axis, dtype)


def glorot_normal(in_axis: int = -2, out_axis: int = -1, dtype: Any = None) -> Initializer:
    """variance_scaling(1, 'fan_avg', 'truncated_normal')."""
    return variance_scaling(1.0, "fan_avg", "truncated_normal", in_axis, out_axis, dtype)


def lecun_uniform(in_axis: int = -2, out_axis: int = -1, dtype: Any = None) -> Initializer:
    """variance_scaling(1, 'fan_in', 'uniform')."""
    return variance_scaling(1.0, "fan_in", "uniform", in_axis, out_axis, dtype)


def lecun_normal(in_axis: int = -2, out_axis: int = -1, dtype: Any = None) -> Initializer:
    """variance_scaling(1, 'fan_in', 'truncated_normal')."""
    return variance_scaling(1.0, "fan_in", "truncated_normal", in_axis, out_axis, dtype)


def he_uniform(in_axis: int = -2, out_axis: int = -1, dtype: Any = None) -> Initializer:
    """variance_scaling(2, 'fan_in', 'uniform'), also called Kaiming."""
    return variance_scaling(2.0, "fan_in", "uniform", in_axis, out_axis, dtype)


def he_normal(in_axis: int = -2, out_axis: int = -1, dtype: Any = None) -> Initializer:
    """variance_scaling(2, 'fan_in', 'truncated_normal')."""
    return variance_scaling(2.0, "fan_in", "truncated_normal", in_axis, out_axis, dtype)


xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal = glorot_uniform, glorot_normal, he_uniform, he_normal
