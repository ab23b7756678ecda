"""Samplers: functions of a key, a shape and a distribution's parameters.

Each follows the documented method of ``jax.random`` so that the same key gives the same numbers. Where a method is
published, the function says which. Knows nothing of how bits are made.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.numpy.promotion import normalize_axis
from cotan.random.arguments import Shape, common_shape, extents, float_dtype
from cotan.random.bits import UINTS, random_bits
from cotan.random.keys import key_words, split


def bits(key: Any, shape: Shape = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Uniform random bits as unsigned integers.

    Args:
      key: a key.
      shape: of the result.
      dtype: an unsigned integer dtype (default uint32, or uint64 in 64-bit mode).
      out_sharding: accepted, and without meaning on one device.
    """
    dtype = np.dtype(dtypes.canonicalize_dtype(np.uint64) if dtype is None else dtypes.check_user_dtype(dtype, "bits"))
    if not np.issubdtype(dtype, np.unsignedinteger):
        raise ValueError(f"bits: dtype must be an unsigned integer dtype, got {dtype}")
    return random_bits(key_words(key, "bits"), dtype.itemsize * 8, extents(shape, "bits"))


def uniform(
    key: Any, shape: Shape = (), dtype: Any = None, minval: Any = 0.0, maxval: Any = 1.0, *, out_sharding: Any = None
) -> Any:
    """Uniform in [minval, maxval).

    >>> import cotan
    >>> cotan.random.uniform(cotan.random.key(0), (3,)).shape
    (3,)
    """
    dtype = float_dtype(dtype, "uniform")
    shape = extents(shape, "uniform")
    return _uniform(key_words(key, "uniform"), shape, dtype, minval, maxval)


def _uniform(words: Any, shape: tuple[int, ...], dtype: Any, minval: Any, maxval: Any) -> Any:
    info = dtypes.finfo(dtype)
    mantissa, width = int(info.nmant), int(info.bits)
    drawn = 8 if mantissa < 8 else width
    unsigned = UINTS[width]
    raw = random_bits(words, drawn, shape)
    if drawn != width:
        raw = lax.convert_element_type(raw, unsigned)
    mantissa_bits = lax.shift_right_logical(raw, lax.full(shape, drawn - mantissa, unsigned))
    known = _known_range(minval, maxval, dtype)
    one = np.ones((), dtype)
    # From a power of two up to the next one floats have the same leading bits. Only for ranges from 0 on: of this
    # difference and a sum with another number XLA would make one step.
    scale = known[1] if known is not None and known[0] == 0 and _is_power_of_two(known[1]) else one
    floats = lax.sub(
        lax.bitcast_convert_type(lax.bitwise_or(mantissa_bits, lax.full(shape, scale.view(unsigned), unsigned)), dtype),
        lax.full(shape, scale, dtype),
    )
    if known is None:
        low = cnp.broadcast_to(cnp.asarray(minval, dtype), shape)
        high = cnp.broadcast_to(cnp.asarray(maxval, dtype), shape)
        return lax.max(low, lax.add(lax.mul(floats, lax.sub(high, low)), low))
    least, span = known
    if scale != span:
        floats = lax.mul(floats, lax.full(shape, span, dtype))
    return floats if least == 0 else lax.add(floats, lax.full(shape, least, dtype))


def _known_range(minval: Any, maxval: Any, dtype: Any) -> tuple[Any, Any] | None:
    """The least value and the length of a range of known finite ends that has a length."""
    ends = []
    for bound in (minval, maxval):
        own = isinstance(bound, np.generic) and bound.dtype == dtype
        if not (own or isinstance(bound, int | float | np.integer | np.floating)):
            return None
        if not -1e300 < (bound if isinstance(bound, int) else float(bound)) < 1e300:
            return None
        with np.errstate(all="ignore"):
            ends.append(np.asarray(bound).astype(dtype))
    with np.errstate(all="ignore"):
        span = np.asarray(ends[1] - ends[0])
    return (ends[0], span) if 0 < span < np.inf else None


def _is_power_of_two(value: Any) -> bool:
    return math.frexp(value)[0] == 0.5 and value >= dtypes.finfo(value.dtype).smallest_normal


def normal(key: Any, shape: Shape = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Standard normal, by the inverse of the error function; complex dtypes have unit total variance."""
    dtype = np.dtype(dtypes.default_float() if dtype is None else dtypes.check_user_dtype(dtype, "normal"))
    shape = extents(shape, "normal")
    if dtypes.issubdtype(dtype, np.complexfloating):
        real_dtype = np.zeros((), dtype).real.dtype
        re, im = split(key)
        scale = lax.full(shape, math.sqrt(0.5), real_dtype)
        parts = [lax.mul(_normal(key_words(k, "normal"), shape, real_dtype), scale) for k in (re, im)]
        return lax.complex(*parts)
    return _normal(key_words(key, "normal"), shape, float_dtype(dtype, "normal"))


def _normal(words: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    low = np.nextafter(np.array(-1, dtype), np.array(0, dtype), dtype=dtype)
    drawn = _uniform(words, shape, dtype, low, 1.0)
    return lax.mul(lax.full(shape, np.array(math.sqrt(2), dtype), dtype), lax.erf_inv(drawn))


def randint(key: Any, shape: Shape, minval: Any, maxval: Any, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Integers uniform in [minval, maxval). Of bounds that are not integers the fraction is cut off.

    Raises:
      TypeError: dtype is not an integer dtype, or a bound is complex.
    """
    dtype = np.dtype(dtypes.default_int() if dtype is None else dtypes.check_user_dtype(dtype, "randint"))
    if not np.issubdtype(dtype, np.integer):
        raise TypeError(f"randint: dtype must be an integer dtype, got {dtype}")
    minval, maxval = _whole("minval", minval), _whole("maxval", maxval)
    shape = common_shape(shape, "randint", minval, maxval)
    if dtype.itemsize < 4:
        return lax.convert_element_type(_randint(key, shape, minval, maxval, np.dtype(np.int32), dtype), dtype)
    return _randint(key, shape, minval, maxval, dtype, dtype)


def _whole(name: str, bound: Any) -> Any:
    """``bound`` as integers."""
    dtype = dtypes.dtype(bound)
    if dtypes.issubdtype(dtype, np.integer):
        return bound
    if dtypes.issubdtype(dtype, np.floating) or dtype == np.bool_:
        return lax.convert_element_type(cnp.asarray(bound), dtypes.default_int())
    raise TypeError(f"randint: {name} must be a real number, got {dtype}")


def _clip_bound(bound: Any, dtype: Any) -> tuple[Any, Any]:
    """(the bound within dtype's range, whether it exceeds the maximum)."""
    info = np.iinfo(dtype)
    if isinstance(bound, int | np.integer):
        value = int(bound)
        return min(max(value, int(info.min)), int(info.max)), value > int(info.max)
    bound = cnp.asarray(bound)
    if np.iinfo(bound.dtype).max <= info.max and np.iinfo(bound.dtype).min >= info.min:
        return bound, False
    low, high = max(info.min, np.iinfo(bound.dtype).min), min(info.max, np.iinfo(bound.dtype).max)
    return cnp.clip(bound, int(low), int(high)), cnp.greater(bound, int(high))


def _randint(key: Any, shape: tuple[int, ...], minval: Any, maxval: Any, dtype: Any, final: Any) -> Any:
    minval, _ = _clip_bound(minval, final)
    maxval, over = _clip_bound(maxval, final)
    width = dtype.itemsize * 8
    unsigned = UINTS[width]
    low = cnp.broadcast_to(cnp.asarray(minval, dtype), shape)
    high = cnp.broadcast_to(cnp.asarray(maxval, dtype), shape)
    k1, k2 = split(key)
    upper, lower = (random_bits(key_words(k, "randint"), width, shape) for k in (k1, k2))
    span = lax.convert_element_type(lax.sub(high, low), unsigned)
    one = lax.full(shape, 1, unsigned)
    span = lax.select(lax.le(high, low), one, span)
    if over is not False:
        exceeds = lax.bitwise_and(cnp.broadcast_to(cnp.asarray(over), shape), lax.gt(high, low))
        span = lax.select(exceeds, lax.add(span, one), span)
    multiplier = lax.rem(lax.full(shape, 2 ** (width // 2), unsigned), span)
    multiplier = lax.rem(lax.mul(multiplier, multiplier), span)
    offset = lax.rem(lax.add(lax.mul(lax.rem(upper, span), multiplier), lax.rem(lower, span)), span)
    return lax.add(low, lax.convert_element_type(offset, dtype))


def bernoulli(
    key: Any, p: Any = 0.5, shape: Shape | None = None, mode: str = "low", *, out_sharding: Any = None
) -> Any:
    """True with probability ``p``; ``mode='high'`` draws twice the bits for very small ``p``."""
    if mode not in ("low", "high"):
        raise ValueError(f"bernoulli: mode must be 'low' or 'high', got {mode!r}")
    dtype = dtypes.to_inexact_dtype(dtypes.canonicalize_dtype(dtypes.dtype(p)))
    shape = common_shape(shape, "bernoulli", p)
    p = cnp.broadcast_to(cnp.asarray(p, dtype), shape)
    if mode == "high":
        first, second = uniform(key, (2, *shape), dtype)
        scale = 2.0 ** -int(dtypes.finfo(dtype).nmant)
        return lax.lt(lax.mul(second, lax.full(shape, scale, dtype)), lax.sub(p, first))
    return lax.lt(uniform(key, shape, dtype), p)


def rademacher(key: Any, shape: Shape = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """-1 or 1 with equal probability."""
    dtype = dtypes.default_int() if dtype is None else dtypes.check_user_dtype(dtype, "rademacher")
    signs = cnp.asarray(bernoulli(key, 0.5, extents(shape, "rademacher")), dtype)
    return 2 * signs - cnp.ones((), dtype)


def _shuffle_rounds(size: int) -> int:
    return math.ceil(3 * math.log(max(1, size)) / math.log(2**32 - 1))


def _shuffle(key: Any, x: Any, axis: int) -> Any:
    """Sort by random keys, in enough rounds that collisions of the 32-bit keys do not show."""
    for _ in range(_shuffle_rounds(x.size)):
        key, sub = split(key)
        sort_keys = random_bits(key_words(sub, "permutation"), 32, x.shape)
        _, x = lax.sort((sort_keys, x), dimension=axis, num_keys=1, is_stable=True)
    return x


def permutation(key: Any, x: Any, axis: int = 0, independent: bool = False, *, out_sharding: Any = None) -> Any:
    """A random order of ``range(x)`` (``x`` an int) or of ``x`` along ``axis``.

    Args:
      independent: shuffle every line along ``axis`` on its own.
      out_sharding: accepted, and without meaning on one device.
    """
    if not hasattr(x, "ndim"):
        if isinstance(x, int | np.integer):
            return _shuffle(key, cnp.arange(int(x)), 0)
        x = cnp.asarray(x)
    if x.ndim == 0:
        if not dtypes.issubdtype(x.dtype, np.integer):
            raise TypeError(f"permutation: x must be an integer or at least one-dimensional, got a scalar of {x.dtype}")
        return _shuffle(key, cnp.arange(int(x)), 0)
    x = cnp.asarray(x)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"permutation: axis {axis} is out of range for an array of {x.ndim} dimensions")
    axis %= x.ndim
    if independent or x.ndim == 1:
        return _shuffle(key, x, axis)
    return cnp.take(x, _shuffle(key, cnp.arange(x.shape[axis]), 0), axis=axis)


def gumbel(key: Any, shape: Shape = (), dtype: Any = None, mode: str | None = None, *, out_sharding: Any = None) -> Any:
    """Standard Gumbel: -log(-log(u)).

    Args:
      mode: 'low' (None too) draws u once, 'high' twice, which makes it finer below a half; 'highest' makes both ends as
        fine as 64 bits can tell, in float32, and is 'high' in others.

    Raises:
      ValueError: an unknown mode.
    """
    mode = "low" if mode is None else mode
    if mode not in ("low", "high", "highest"):
        raise ValueError(f"gumbel: mode must be 'low', 'high' or 'highest', got {mode!r}")
    dtype = float_dtype(dtype, "gumbel")
    shape = extents(shape, "gumbel")
    tiny = float(dtypes.finfo(dtype).tiny)
    if mode == "highest" and dtype == np.float32:
        return _fine_gumbel(bits(key, (2, *shape), np.uint32))
    if mode != "low":
        coarse, fine = uniform(key, (2, *shape), dtype)
        # From a half on, a sum could be rounded up to 1.
        drawn = cnp.where(coarse >= 0.5, coarse, coarse + fine * 2.0 ** -int(dtypes.finfo(dtype).nmant) + tiny)
        return -cnp.log(-cnp.log1p(-drawn))
    return -cnp.log(-cnp.log(uniform(key, shape, dtype, minval=tiny, maxval=1.0)))


def _fine_gumbel(words: Any) -> Any:
    """-log(-log(1 - u)) of u = words / 2**64, from u below a half and from 1 - u above."""
    high, low = words
    below = (high >> 31) == 0
    # 1 - u is the negative number of 64 bits: all are turned, and 1 is carried out of the lower word if that was 0.
    u = _fraction(cnp.where(below, high, ~high + (low == 0)), cnp.where(below, low, ~low + 1))
    return -cnp.log(-cnp.where(below, cnp.log1p(-u), cnp.log(u)))


def _fraction(high: Any, low: Any) -> Any:
    """(high, low) / 2**64 as float32, rounded towards 0; 2**-65 if both words are 0."""
    zeros = cnp.where(high == 0, 32 + lax.clz(low), lax.clz(high))
    leading = cnp.where(high == 0, low << (zeros - 32), (high << zeros) | (low >> (32 - zeros)))
    digits = (leading >> 8) & ((1 << 23) - 1)
    return lax.bitcast_convert_type(((126 - zeros) << 23) | digits, np.float32)


def categorical(
    key: Any,
    logits: Any,
    axis: int = -1,
    shape: Shape | None = None,
    replace: bool = True,
    mode: str | None = None,
    *,
    out_sharding: Any = None,
) -> Any:
    """Indices drawn with unnormalised log-probabilities ``logits`` along ``axis``, by the Gumbel trick.

    Args:
      shape: of the result; must end with logits' shape without ``axis``.
      replace: whether an index may occur again along the leading axes of ``shape``.
      out_sharding: accepted, and without meaning on one device.
    """
    logits = cnp.asarray(logits)
    if not -logits.ndim <= axis < logits.ndim:
        raise ValueError(f"categorical: axis {axis} is out of range for logits of {logits.ndim} dimensions")
    axis = axis % logits.ndim - logits.ndim
    rest = tuple(np.delete(logits.shape, axis).tolist())
    shape = rest if shape is None else extents(shape, "categorical")
    prefix = shape[: len(shape) - len(rest)]
    if np.broadcast_shapes(shape, rest) != shape:
        raise ValueError(f"categorical: shape {shape} must end with the shape of logits without axis, {rest}")
    if replace:
        full = list(shape[len(prefix) :])
        full.insert(len(full) + axis + 1, logits.shape[axis])
        noise = gumbel(key, (*prefix, *full), logits.dtype, mode or "low")
        return cnp.argmax(noise + cnp.expand_dims(logits, tuple(range(len(prefix)))), axis=axis)
    noisy = cnp.moveaxis(logits + gumbel(key, logits.shape, logits.dtype, mode or "low"), axis, -1)
    count = int(np.prod(prefix)) if prefix else 1
    if count > logits.shape[axis]:
        raise ValueError(
            f"categorical: {count} draws without replacement from {logits.shape[axis]} categories; draw fewer, or "
            "replace"
        )
    _, picked = lax.top_k(noisy, count)
    return cnp.reshape(cnp.moveaxis(picked, -1, 0), shape)


def choice(
    key: Any,
    a: Any,
    shape: Shape = (),
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    mode: str | None = None,
) -> Any:
    """Elements drawn from ``a`` (or from ``range(a)``) along ``axis``, with probabilities ``p`` (default: equal).

    ``mode`` is that of ``gumbel``, by which elements are drawn with ``p`` and without replacement.
    """
    shape = extents(shape, "choice")
    population = cnp.arange(int(a)) if isinstance(a, int | np.integer) else cnp.asarray(a)
    if population.ndim == 0:
        population = cnp.arange(int(population))
    axis = normalize_axis(axis, population.ndim, "choice")
    size, draws = population.shape[axis], int(np.prod(shape)) if shape else 1
    if size == 0 and draws:
        raise ValueError("choice: there is nothing to choose from; `a` is empty")
    if not replace and draws > size:
        raise ValueError(
            f"choice: {draws} draws without replacement from {size} elements; draw fewer, or give replace=True"
        )
    if p is None and not replace:
        drawn = permutation(key, population, axis)
        drawn = lax.slice_in_dim(drawn, 0, draws, axis=axis)
        return cnp.reshape(drawn, (*drawn.shape[:axis], *shape, *drawn.shape[axis + 1 :]))
    if p is None:
        indices = randint(key, shape, 0, size)
    else:
        p = cnp.asarray(p, dtypes.to_inexact_dtype(dtypes.dtype(p)))
        if p.shape != (size,):
            raise ValueError(
                f"choice: p has shape {p.shape}, but there are {size} elements; give a vector with one probability for "
                "each"
            )
        if replace:
            cumulative = cnp.cumsum(p)
            drawn = cumulative[-1] * (1 - uniform(key, shape, p.dtype))
            indices = cnp.searchsorted(cumulative, drawn)
        else:
            _, indices = lax.top_k(gumbel(key, (size,), p.dtype, mode or "low") + cnp.log(p), draws)
            indices = cnp.reshape(indices, shape)
    return cnp.take(population, indices, axis=axis)


def exponential(key: Any, shape: Shape = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Standard exponential: -log1p(-u)."""
    return -cnp.log1p(-uniform(key, shape, float_dtype(dtype, "exponential")))


def truncated_normal(
    key: Any, lower: Any, upper: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None
) -> Any:
    """Standard normal conditioned to lie in (lower, upper)."""
    dtype = float_dtype(dtype, "truncated_normal")
    shape = common_shape(shape, "truncated_normal", lower, upper)
    lower, upper = (cnp.asarray(bound, dtype) for bound in (lower, upper))
    root2 = np.array(math.sqrt(2), dtype)
    a, b = lax.erf(lower / root2), lax.erf(upper / root2)
    drawn = uniform(key, shape, dtype, minval=a, maxval=b)
    out = root2 * lax.erf_inv(drawn)
    inside_low = cnp.nextafter(lower, cnp.asarray(np.inf, dtype))
    inside_high = cnp.nextafter(upper, cnp.asarray(-np.inf, dtype))
    return cnp.clip(out, inside_low, inside_high)


def laplace(key: Any, shape: Shape = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Standard Laplace."""
    dtype = float_dtype(dtype, "laplace")
    u = uniform(key, shape, dtype, minval=-1.0 + float(dtypes.finfo(dtype).epsneg), maxval=1.0)
    return cnp.sign(u) * cnp.log1p(-cnp.abs(u))


def logistic(key: Any, shape: Shape = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Standard logistic: log(u / (1 - u))."""
    dtype = float_dtype(dtype, "logistic")
    u = uniform(key, shape, dtype, minval=float(dtypes.finfo(dtype).tiny), maxval=1.0)
    return cnp.log(u / (1 - u))


def cauchy(key: Any, shape: Shape = (), dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Standard Cauchy: tan(pi (u - 1/2))."""
    dtype = float_dtype(dtype, "cauchy")
    u = uniform(key, shape, dtype, minval=float(dtypes.finfo(dtype).eps), maxval=1.0)
    return cnp.tan(np.array(np.pi, dtype) * (u - 0.5))
