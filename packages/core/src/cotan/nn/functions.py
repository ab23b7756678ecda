"""Activations and normalisations, over cotan.numpy. Elementwise unless said otherwise; floating results."""

from __future__ import annotations

import math
import operator
from functools import partial
from typing import Any

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.api import custom_jvp
from cotan.api.repeated import repeated
from cotan.config import config
from cotan.numpy.elementwise import strong
from cotan.numpy.promotion import as_array

Axis = int | tuple[int, ...] | None


def _inexact(x: Any, fun_name: str) -> Any:
    x = as_array(x, fun_name)
    dtype = dtypes.to_inexact_dtype(x.dtype)
    return x if dtype == x.dtype else lax.convert_element_type(x, dtype, weak_type=x.weak_type)


def identity(x: Any) -> Any:
    """``x``."""
    return as_array(x, "identity")


@repeated()
def relu(x: Any) -> Any:
    """max(x, 0), with derivative 0 at 0.

    >>> import cotan.numpy as cnp, cotan.nn
    >>> cotan.nn.relu(cnp.array([-1.0, 2.0]))
    Array([0., 2.], dtype=float32)
    """
    x = as_array(x, "relu")
    # What is not above 0 has no slope: neither the kink, at which max has a half, nor NaN, which is passed on.
    return cnp.where(x > 0, x, lax.stop_gradient(cnp.maximum(x, 0)))


@repeated()
def relu6(x: Any) -> Any:
    """min(max(x, 0), 6) as a float, with derivative 0 at 0 and at 6."""
    x = as_array(x, "relu6")
    return cnp.where((x > 0) & (x < 6), x, lax.stop_gradient(cnp.minimum(cnp.maximum(x, 0), 6.0)))


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return lax.logistic(_inexact(x, "sigmoid"))


@repeated()
def log_sigmoid(x: Any) -> Any:
    """log(sigmoid(x)), without overflow."""
    return -softplus(-_inexact(x, "log_sigmoid"))


@repeated()
def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow."""
    return cnp.logaddexp(_inexact(x, "softplus"), 0.0)


@repeated()
def squareplus(x: Any, b: Any = 4) -> Any:
    """(x + sqrt(x^2 + b)) / 2."""
    x = _inexact(x, "squareplus")
    return (x + cnp.sqrt(cnp.square(x) + b)) / 2


@repeated()
def sparse_plus(x: Any) -> Any:
    """0 below -1, x above 1, (x + 1)^2 / 4 between."""
    x = as_array(x, "sparse_plus")
    return cnp.where(x <= -1.0, 0.0, cnp.where(x >= 1.0, x, (x + 1.0) ** 2 / 4))


@repeated()
def soft_sign(x: Any) -> Any:
    """x over one plus its absolute value."""
    x = _inexact(x, "soft_sign")
    return x / (cnp.abs(x) + 1)


@repeated()
def silu(x: Any) -> Any:
    """x sigmoid(x), also called swish."""
    x = _inexact(x, "silu")
    return x * sigmoid(x)


swish = silu


@repeated()
def mish(x: Any) -> Any:
    """x tanh(softplus(x))."""
    x = _inexact(x, "mish")
    return x * cnp.tanh(softplus(x))


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return cnp.tanh(x)


@repeated()
def elu(x: Any, alpha: Any = 1.0) -> Any:
    """x for x > 0, else alpha (exp(x) - 1)."""
    x = as_array(x, "elu")
    # The inner where keeps exp from overflowing on the branch that is not taken, whose derivative would be NaN.
    return cnp.where(x > 0, x, alpha * cnp.expm1(cnp.where(x > 0, 0.0, x)))


@repeated()
def celu(x: Any, alpha: Any = 1.0) -> Any:
    """x for x > 0, else alpha (exp(x / alpha) - 1)."""
    x = as_array(x, "celu")
    return cnp.maximum(x, 0.0) + alpha * cnp.expm1(cnp.minimum(x, 0.0) / alpha)


@repeated()
def selu(x: Any) -> Any:
    """Scaled elu (Klambauer et al., 2017)."""
    alpha = 1.6732632423543772848170429916717
    scale = 1.0507009873554804934193349852946
    return scale * elu(x, alpha)


@repeated()
def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """x for x >= 0, else negative_slope x."""
    x = as_array(x, "leaky_relu")
    return cnp.where(x >= 0, x, negative_slope * x)


@repeated()
def gelu(x: Any, approximate: bool = True) -> Any:
    """x times the normal distribution function of x (Hendrycks and Gimpel, 2016); by tanh if ``approximate``.

    (1 + tanh(u)) / 2 is computed as the logistic function of 2 u, which loses no digits where u is negative. No result
    is weakly typed.
    """
    x = strong(_inexact(x, "gelu"))
    if approximate:
        root = math.sqrt(8 / math.pi)
        return x * lax.logistic(x * (root + (root * 0.044715) * (x * x)))
    return 0.5 * x * lax.erfc(-x * math.sqrt(0.5))


@repeated()
def glu(x: Any, axis: int = -1) -> Any:
    """First half along ``axis`` times the sigmoid of the second."""
    x = _inexact(x, "glu")
    size = x.shape[axis]
    if size % 2:
        raise ValueError(
            f"glu: axis {axis} must have an even extent, got {size}: it is cut in halves. Pad it, or choose another"
        )
    return lax.slice_in_dim(x, 0, size // 2, axis=axis) * sigmoid(lax.slice_in_dim(x, size // 2, size, axis=axis))


@repeated()
def hard_tanh(x: Any) -> Any:
    """x clipped to -1..1."""
    x = as_array(x, "hard_tanh")
    return cnp.where(x > 1, 1, cnp.where(x < -1, -1, x))


@repeated()
def hard_sigmoid(x: Any) -> Any:
    """relu6(x + 3) / 6."""
    return relu6(as_array(x, "hard_sigmoid") + 3.0) / 6.0


@repeated()
def hard_silu(x: Any) -> Any:
    """x hard_sigmoid(x)."""
    x = as_array(x, "hard_silu")
    return x * hard_sigmoid(x)


hard_swish = hard_silu


@repeated(adds_up=True)
def logsumexp(
    a: Any, axis: Axis = None, b: Any = None, keepdims: bool = False, return_sign: bool = False, where: Any = None
) -> Any:
    """log(sum(b exp(a))) along ``axis``, without overflow.

    Returns:
      The logarithm; with ``return_sign`` also the sign of the sum.
    """
    a = _inexact(a, "logsumexp")
    if b is not None:
        b = _inexact(b, "logsumexp")
        a = cnp.where(b != 0, a, -cnp.inf)
        b = b.astype(a.dtype)
    # Elements that are left out, or of which there are none, count as exp(-inf) = 0. They are replaced before the
    # exponential, where what they were could overflow, and then make derivatives NaN.
    if where is not None:
        a = cnp.where(where, a, -cnp.inf)
    kept = {} if a.size else {"initial": -cnp.inf}
    largest = lax.stop_gradient(cnp.max(a, axis=axis, keepdims=True, **kept))
    largest = cnp.where(cnp.isfinite(largest), largest, cnp.zeros_like(largest))
    terms = cnp.exp(a - largest)
    if b is not None:
        terms = b * terms
    total = cnp.sum(terms, axis=axis, keepdims=keepdims, **({} if where is None else {"where": where}))
    shift = largest if keepdims else cnp.reshape(largest, total.shape)
    sign = cnp.sign(total)
    if return_sign:
        return cnp.log(cnp.abs(total)) + shift, sign
    out = cnp.log(total) + shift
    return cnp.where(sign < 0, cnp.nan, out) if b is not None else out


@repeated(adds_up=True)
def logmeanexp(x: Any, axis: Axis = None, where: Any = None, keepdims: bool = False) -> Any:
    """log(mean(exp(x))) along ``axis``."""
    total = logsumexp(x, axis=axis, where=where, keepdims=keepdims)
    count = cnp.sum(cnp.ones_like(_inexact(x, "logmeanexp")), axis=axis, where=where, keepdims=keepdims)
    return total - cnp.log(count)


@repeated(adds_up=True)
def softmax(x: Any, axis: Axis = -1, where: Any = None) -> Any:
    """exp(x) / sum(exp(x)) along ``axis``; elements outside of ``where`` count as absent and give 0.

    With the flag ``softmax_custom_jvp`` its derivative is computed from the result alone.
    """
    x = _inexact(x, "softmax")
    if not x.size:
        return x
    if config.softmax_custom_jvp:
        return _softmax_by_rule(x, axis if isinstance(axis, int) or axis is None else tuple(axis), where)
    return _softmax(x, axis, where)


def _softmax(x: Any, axis: Axis, where: Any) -> Any:
    kept = {} if where is None else {"where": where, "initial": -cnp.inf}
    shifted = x - cnp.max(lax.stop_gradient(x), axis=axis, keepdims=True, **kept)
    if where is not None:
        shifted = cnp.where(where, shifted, -cnp.inf)
    terms = cnp.exp(shifted)
    result = terms / cnp.sum(terms, axis=axis, keepdims=True)
    return result if where is None else cnp.where(where, result, 0)


@partial(custom_jvp, nondiff_argnums=(1,))
def _softmax_by_rule(x: Any, axis: Axis, where: Any) -> Any:
    return _softmax(x, axis, where)


@_softmax_by_rule.defjvp
def _softmax_jvp(axis: Axis, primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    y = _softmax_by_rule(primals[0], axis, primals[1])
    moved = y * tangents[0]
    return y, moved - y * cnp.sum(moved, axis=axis, keepdims=True)


@repeated(adds_up=True)
def log_softmax(x: Any, axis: Axis = -1, where: Any = None) -> Any:
    """x - logsumexp(x) along ``axis``.

    >>> import cotan.numpy as cnp, cotan.nn
    >>> float(cnp.sum(cnp.exp(cotan.nn.log_softmax(cnp.arange(3.0)))))
    1.0
    """
    x = _inexact(x, "log_softmax")
    if not x.size:
        return x
    kept = {} if where is None else {"where": where, "initial": -cnp.inf}
    shifted = x - cnp.max(lax.stop_gradient(x), axis=axis, keepdims=True, **kept)
    if where is not None:
        shifted = cnp.where(where, shifted, -cnp.inf)
    result = shifted - cnp.log(cnp.sum(cnp.exp(shifted), axis=axis, keepdims=True))
    return result if where is None else cnp.where(where, result, -cnp.inf)


@repeated(adds_up=True)
def standardize(
    x: Any,
    axis: Axis = -1,
    mean: Any = None,
    variance: Any = None,
    epsilon: Any = 1e-5,
    where: Any = None,
    *,
    algorithm: str = "fast",
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) along ``axis``; mean and variance are of the elements in ``where``.

    Args:
      algorithm: of the variance: 'fast' is the mean of squares minus the square of the mean, of which little is left
        where the mean is large; 'stable' is the mean of the squares of x - mean.

    Raises:
      ValueError: another algorithm.

    >>> import cotan.nn, cotan.numpy as cnp
    >>> cotan.nn.standardize(cnp.array([10000.0, 10001.0, 10002.0]), algorithm="stable")
    Array([-1.2247..., 0. , 1.2247...], dtype=float32)
    """
    if algorithm not in ("fast", "stable"):
        raise ValueError(f"standardize: algorithm must be 'fast' or 'stable', got {algorithm!r}")
    x = _inexact(x, "standardize")
    if mean is None:
        mean = cnp.mean(x, axis, keepdims=True, where=where)
    if variance is None and algorithm == "stable":
        variance = cnp.mean(cnp.square(x - mean), axis, keepdims=True, where=where)
    elif variance is None:
        # The mean of squares minus the square of the mean can be slightly negative by rounding.
        squares = cnp.mean(cnp.square(x), axis, keepdims=True, where=where)
        variance = cnp.maximum(squares - cnp.square(mean), 0)
    return (x - mean) * lax.rsqrt(variance + epsilon)


@repeated()
def one_hot(x: Any, num_classes: int, *, dtype: Any = None, axis: int = -1) -> Any:
    """Vectors that are 1 at position ``x`` of a new ``axis`` of extent ``num_classes``; all 0 where out of range.

    >>> import cotan.numpy as cnp, cotan.nn
    >>> cotan.nn.one_hot(cnp.array([0, 2]), 3)
    Array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    x = as_array(x, "one_hot")
    num_classes = operator.index(num_classes)
    dtype = dtypes.default_float() if dtype is None else dtypes.canonicalize_dtype(dtype)
    if not -x.ndim - 1 <= axis <= x.ndim:
        raise ValueError(
            f"one_hot: axis {axis} is out of range for a result of {x.ndim + 1} dimensions; -1 puts the classes last"
        )
    axis %= x.ndim + 1
    shape = (*x.shape[:axis], num_classes, *x.shape[axis:])
    spread = lax.broadcast_in_dim(x, shape, [d for d in range(len(shape)) if d != axis])
    return lax.convert_element_type(lax.eq(spread, lax.broadcasted_iota(x.dtype, shape, axis)), dtype)


@repeated()
def log1mexp(x: Any) -> Any:
    """log(1 - exp(-x)) for x > 0, accurate at both ends (M. Maechler, 2012, on log(1 - exp(-a))).

    >>> import cotan.nn
    >>> bool(abs(cotan.nn.log1mexp(1e-10) + 23.02585) < 1e-4)
    True
    """
    x = _inexact(x, "log1mexp")
    small = x < math.log(2)
    return cnp.where(
        small, cnp.log(-cnp.expm1(-cnp.where(small, x, 1.0))), cnp.log1p(-cnp.exp(-cnp.where(small, 1.0, x)))
    )


@repeated()
def sparse_sigmoid(x: Any) -> Any:
    """0 below -1, 1 above 1, (x + 1) / 2 between: the derivative of ``sparse_plus``."""
    return 0.5 * cnp.clip(as_array(x, "sparse_sigmoid") + 1.0, 0.0, 2.0)
