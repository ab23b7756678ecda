"""Reductions and running reductions with NumPy's meanings and dtypes."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.api.repeated import repeated
from cotan.ir.trace import Tracer
from cotan.numpy import ufuncs
from cotan.numpy.promotion import (
    Axis,
    as_array,
    broadcast_to_shape,
    normalize_axes,
    normalize_axis,
    promote_dtypes_inexact,
    refuse_out,
    user_dtype,
)
from cotan.numpy.ufuncs import is_bool, is_complex, is_inexact, where_
from cotan.runtime.array import Array

Primitive = Callable[..., Any]


_FLOATS = frozenset(map(np.dtype, (np.float32, np.float64, np.float16)))


def accumulator(dtype: Any) -> Any:
    """The dtype in which sums and products of ``dtype`` are made: narrow integers widen."""
    if dtype == np.bool_:
        return dtypes.default_int()
    if dtypes.issubdtype(dtype, np.integer):
        default = np.dtype(dtypes.default_int())
        if np.dtype(dtype).itemsize < default.itemsize:
            unsigned = dtypes.issubdtype(dtype, np.unsignedinteger)
            return np.dtype(f"u{default.itemsize}") if unsigned else default
    return dtype


def _reduce(
    name: str,
    a: Any,
    axis: Axis,
    primitive: Primitive,
    *,
    keepdims: bool,
    identity: Any,
    dtype: Any = None,
    initial: Any = None,
    where: Any = None,
    combine: Primitive | None = None,
    widen: bool = False,
) -> Any:
    if identity is not None and dtype is None and where is None and initial is None and _is_plain(a, widen):
        axes = normalize_axes(axis, a.ndim, name)
        result = primitive(a, axes) if axes else a
        return lax.expand_dims(result, axes) if keepdims and axes else result
    x = as_array(a, name)
    if dtype is not None:
        asked = user_dtype(dtype, name)
        x = x if asked == x.dtype else x.astype(asked)
    elif widen and x.dtype not in _FLOATS and accumulator(x.dtype) != x.dtype:
        x = x.astype(accumulator(x.dtype))
    axes = normalize_axes(axis, x.ndim, name)
    neutral = identity(x.dtype) if callable(identity) else identity
    if where is not None:
        if neutral is None and initial is None:
            raise ValueError(f"{name}: `where` needs an initial value, for when it is false everywhere; give `initial`")
        fill = neutral if neutral is not None else initial
        x = where_(_mask(where, name), x, fill)
    if neutral is None and initial is None and builtins.any(x.shape[d] == 0 for d in axes):
        raise ValueError(f"{name}: zero-size reduction over axis {axis} has no identity; give `initial`")
    if initial is not None and neutral is None and builtins.any(x.shape[d] == 0 for d in axes):
        shape = tuple(extent for d, extent in enumerate(x.shape) if d not in axes)
        result = lax.full(shape, np.asarray(initial, x.dtype), x.dtype)
    else:
        result = primitive(x, axes) if axes else x
        if initial is not None and combine is not None:
            result = combine(result, as_array(initial, name).astype(x.dtype))
    if result.aval.weak_type:
        result = lax.convert_element_type(result, result.dtype, weak_type=False)
    return lax.expand_dims(result, axes) if keepdims and axes else result


def _mask(where: Any, name: str) -> Any:
    """The elements that a reduction is asked for. Numbers are refused: which of them hold is not clear."""
    mask = as_array(where, name)
    if not is_bool(mask):
        raise ValueError(f"{name}: `where` must be an array of bools, got {mask.dtype}; compare it, as in where=x != 0")
    return mask


def _of_all(primitive: Primitive, a: Any) -> Any:
    """The reduction over all axes of an array of floats that is not empty; None of anything else: the shortest way."""
    if type(a) is not Array and not isinstance(a, Tracer):
        return None
    aval = a.aval
    if aval.weak_type or aval.dtype not in _FLOATS or not aval.size or not aval.shape:
        return None
    return primitive(a, _ALL_AXES[len(aval.shape)])


_ALL_AXES = [tuple(range(ndim)) for ndim in range(65)]
"""Of an array of so many dimensions; NumPy has no more."""


def _is_plain(a: Any, widen: bool) -> bool:
    """Whether ``a`` is an array that is reduced as it is: not weak, and not of a dtype that is widened."""
    if type(a) is not Array and not isinstance(a, Tracer):
        return False
    aval = a.aval
    return not aval.weak_type and (not widen or aval.dtype in _FLOATS)


def lowest(dtype: Any) -> Any:
    if dtype == np.bool_:
        return False
    return -np.inf if is_inexact(np.zeros((), dtype)) else np.iinfo(dtype).min


def highest(dtype: Any) -> Any:
    if dtype == np.bool_:
        return True
    return np.inf if is_inexact(np.zeros((), dtype)) else np.iinfo(dtype).max


def sum(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
    promote_integers: bool = True,
) -> Any:
    """Sum over axes; narrow integers and bools widen to the default integer.

    Where ``promote_integers`` is false, integers keep their dtype, and wrap around in it; bools are counted even so.

    >>> import cotan.numpy as cnp
    >>> cnp.sum(cnp.ones((2, 3)), axis=0)
    Array([2., 2., 2.], dtype=float32)
    """
    if axis is None and dtype is None and out is None and not keepdims and initial is None and where is None:
        result = _of_all(lax.reduce_sum, a)
        if result is not None:
            return result
    refuse_out("sum", out)
    if dtype is not None and user_dtype(dtype, "sum") == np.bool_:
        return _reduce(
            "sum", a, axis, lax.reduce_or, keepdims=keepdims, identity=False, dtype=dtype, initial=initial, where=where,
            combine=ufuncs.logical_or,
        )  # fmt: skip
    return _reduce(
        "sum", a, axis, lax.reduce_sum, keepdims=keepdims, identity=0, dtype=dtype, initial=initial, where=where,
        combine=ufuncs.add, widen=promote_integers or is_bool(a),
    )  # fmt: skip


def prod(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
    promote_integers: bool = True,
) -> Any:
    """Product over axes; narrow integers and bools widen to the default integer, unless told as in ``sum``."""
    refuse_out("prod", out)
    if dtype is not None and user_dtype(dtype, "prod") == np.bool_:
        return _reduce(
            "prod", a, axis, lax.reduce_and, keepdims=keepdims, identity=True, dtype=dtype, initial=initial,
            where=where, combine=ufuncs.logical_and,
        )  # fmt: skip
    return _reduce(
        "prod", a, axis, lax.reduce_prod, keepdims=keepdims, identity=1, dtype=dtype, initial=initial, where=where,
        combine=ufuncs.multiply, widen=promote_integers or is_bool(a),
    )  # fmt: skip


def _extremum(
    name: str, on_numbers: Primitive, on_bools: Primitive, bound: Callable[[Any], Any], combine: Primitive
) -> Any:
    def function(
        a: Any, axis: Axis = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
    ) -> Any:
        if axis is None and out is None and not keepdims and initial is None and where is None:
            result = _of_all(on_numbers, a)
            if result is not None:
                return result
        refuse_out(name, out)
        x = as_array(a, name)
        primitive = on_bools if is_bool(x) else on_numbers
        identity = None if where is None or initial is None else bound
        return _reduce(
            name,
            x,
            axis,
            primitive,
            keepdims=keepdims,
            identity=identity,
            initial=initial,
            where=where,
            combine=combine,
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {'largest' if name == 'max' else 'smallest'} element over axes; NaN if one is NaN."
    return function


max = amax = _extremum("max", lax.reduce_max, lax.reduce_or, lowest, ufuncs.maximum)
min = amin = _extremum("min", lax.reduce_min, lax.reduce_and, highest, ufuncs.minimum)


def all(a: Any, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """Whether every element is true (not 0)."""
    refuse_out("all", out)
    return _reduce("all", _truth(a, "all"), axis, lax.reduce_and, keepdims=keepdims, identity=True, where=where)


def any(a: Any, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """Whether some element is true (not 0)."""
    refuse_out("any", out)
    return _reduce("any", _truth(a, "any"), axis, lax.reduce_or, keepdims=keepdims, identity=False, where=where)


def _truth(a: Any, name: str) -> Any:
    x = as_array(a, name)
    return x if is_bool(x) else lax.ne(x, 0)


@repeated()
def count_nonzero(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """How many elements are not 0."""
    x = _truth(a, "count_nonzero")
    return sum(x, axis=normalize_axes(axis, x.ndim, "count_nonzero"), keepdims=keepdims)


def _count(x: Any, axes: tuple[int, ...], keepdims: bool, mask: Any) -> Any:
    """How many elements each result is made of: a Python int, or an array if there is a ``mask``."""
    if mask is None:
        return math.prod(x.shape[d] for d in axes)
    return sum(where_(mask, lax.full_like(x, 1, np.int32), np.int32(0)), axis=axes, keepdims=keepdims)


def mean(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None
) -> Any:
    """Arithmetic mean over axes; integers give floats.

    >>> import cotan.numpy as cnp
    >>> cnp.mean(cnp.arange(4))
    Array(1.5, dtype=float32)
    """
    plain = axis is None and dtype is None and out is None and not keepdims and where is None
    if plain and (type(a) is Array or isinstance(a, Tracer)) and a.aval.dtype == dtypes.default_float():
        total = _of_all(lax.reduce_sum, a)
        if total is not None:
            return lax.div(total, float(a.aval.size))
    refuse_out("mean", out)
    return _mean("mean", a, axis, dtype, keepdims, where)


def _mean(name: str, a: Any, axis: Axis, dtype: Any, keepdims: bool, where: Any) -> Any:
    x = as_array(a, name)
    axes, mask = normalize_axes(axis, x.ndim, name), None if where is None else _mask(where, name)
    target = dtypes.to_inexact_dtype(x.dtype) if dtype is None else user_dtype(dtype, name)
    # Sums of half precision are made in single: the count alone may exceed its range.
    wide = np.float32 if target.itemsize == 2 and dtypes.issubdtype(target, np.floating) else target
    total = sum(x, axis=axes, dtype=None if wide is x.dtype else wide, keepdims=keepdims, where=mask)
    count = _count(x, axes, keepdims, mask)
    if not isinstance(count, int):
        divisor = count.astype(wide)
    elif wide == dtypes.default_float():  # numbers need not be transferred again and again
        divisor = float(count)
    else:
        divisor = np.asarray(count, wide)
    result = lax.div(total, divisor)
    return result if result.dtype == target else result.astype(target)


def _known_mean(mean: Any, x: Any, name: str) -> Any:
    """The mean a caller has of ``x``, in its dtype."""
    middle = as_array(mean, name)
    if middle.ndim not in (0, x.ndim):
        raise TypeError(
            f"{name}: `mean` of shape {middle.shape} for an array of shape {x.shape}; give it as many dimensions "
            "(keepdims=True), or none"
        )
    return middle.astype(x.dtype)


@repeated(adds_up=True)
def average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, keepdims: bool = False) -> Any:
    """Weighted mean over axes."""
    if weights is None:
        x = as_array(a, "average")
        along = normalize_axes(axis, x.ndim, "average")
        result = mean(x, axis=along, keepdims=keepdims)
        total = lax.full_like(result, _count(x, along, False, None))
    else:
        a, weights = promote_dtypes_inexact("average", a, weights)
        along = normalize_axes(axis, a.ndim, "average")
        if weights.shape != a.shape:
            if weights.shape != tuple(a.shape[d] for d in along):
                raise ValueError(
                    f"average: weights of shape {weights.shape} for an array of shape {a.shape}, axis {axis}; give one "
                    "for each element, or for each along the axes"
                )
            # Axes may be named in any order; those of a broadcast must rise.
            order = sorted(range(len(along)), key=along.__getitem__)
            rising = lax.transpose(weights, order)
            weights = lax.broadcast_in_dim(rising, a.shape, tuple(along[k] for k in order))
        total = sum(weights, axis=along, keepdims=keepdims)
        result = lax.div(sum(lax.mul(a, weights), axis=along, keepdims=keepdims), total)
    return (result, total) if returned else result


@repeated(adds_up=True)
def var(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: int = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: int | float | None = None,
) -> Any:
    """Variance over axes: the mean of squared distances from the mean, with ``ddof`` less in the divisor.

    ``mean`` is one that is there already, as ``cnp.mean(a, axis, keepdims=True)`` gives it, or a number.

    >>> import cotan.numpy as cnp
    >>> cnp.var(cnp.arange(4.), mean=1)
    Array(1.5, dtype=float32)
    """
    refuse_out("var", out)
    return _variance("var", a, axis, dtype, ddof if correction is None else correction, keepdims, where, mean)


def _variance(name: str, a: Any, axis: Axis, dtype: Any, less: float, keepdims: bool, where: Any, mean: Any) -> Any:
    x = as_array(a, name)
    axes, mask = normalize_axes(axis, x.ndim, name), None if where is None else _mask(where, name)
    target = _variance_dtype(name, x, dtype)
    wide = np.float32 if np.dtype(target).itemsize == 2 else target
    x = x.astype(wide)
    middle = _mean(name, x, axes, None, True, mask) if mean is None else _known_mean(mean, x, name)
    if mask is not None and mask.ndim > x.ndim:
        shape = np.broadcast_shapes(x.shape, mask.shape)
        x, middle = broadcast_to_shape(x, shape), broadcast_to_shape(middle, shape)
    centred = lax.sub(x, broadcast_to_shape(middle, x.shape))
    if mask is not None:
        # What is left out may be NaN, times which no slope is 0.
        centred = where_(mask, centred, np.zeros((), centred.dtype))
    squares = (
        lax.add(lax.square(lax.real(centred)), lax.square(lax.imag(centred))) if is_complex(x) else lax.square(centred)
    )
    count = _count(x, axes, keepdims, mask)
    total = sum(squares, axis=axes, keepdims=keepdims, where=mask)
    if isinstance(count, int):
        divisor = np.asarray(count - less if count > less else np.nan, squares.dtype)
        result = lax.div(total, divisor)
    else:
        divisor = count.astype(squares.dtype) - less
        enough = lax.gt(divisor, 0)
        result = where_(enough, lax.div(total, where_(enough, divisor, 1.0)), np.nan)
    return result if dtype is None and is_complex(x) else result.astype(target)


def _variance_dtype(name: str, x: Any, dtype: Any) -> Any:
    if dtype is None:
        return dtypes.to_inexact_dtype(x.dtype)
    target = user_dtype(dtype, name)
    if not dtypes.issubdtype(target, np.inexact):
        raise ValueError(
            f"{name}: the dtype must be floating or complex, got {target}; convert the result with .astype"
        )
    if is_complex(x) and not dtypes.issubdtype(target, np.complexfloating):
        raise ValueError(
            f"{name}: in {target}, of the complex numbers only real parts are left; convert the result with .astype"
        )
    return target


@repeated(adds_up=True)
def std(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: int = 0,
    keepdims: bool = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: int | float | None = None,
) -> Any:
    """Standard deviation over axes: the root of ``var``."""
    refuse_out("std", out)
    less = ddof if correction is None else correction
    return lax.sqrt(_variance("std", a, axis, dtype, less, keepdims, where, mean))


def ptp(a: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    """Largest minus smallest element over axes."""
    refuse_out("ptp", out)
    x = as_array(a, "ptp")
    axes = normalize_axes(axis, x.ndim, "ptp")
    return ufuncs.subtract(max(x, axis=axes, keepdims=keepdims), min(x, axis=axes, keepdims=keepdims))


def _argument(name: str, primitive: Primitive, a: Any, axis: int | None, keepdims: bool) -> Any:
    x = as_array(a, name)
    ndim = x.ndim
    if axis is None:
        x = lax.reshape(x, (x.size,))
        where = 0
    else:
        where = normalize_axis(axis, ndim, name)
    if x.shape[where] == 0:
        raise ValueError(f"{name}: attempt to get {name} of an empty axis, which has no elements; check the size first")
    result = primitive(x, where, dtypes.default_int())
    if not keepdims:
        return result
    return lax.reshape(result, (1,) * ndim) if axis is None else lax.expand_dims(result, (where,))


def argmax(a: Any, axis: int | None = None, out: None = None, keepdims: bool = False) -> Any:
    """Index of the largest element (the first of equals; the first NaN if there is one)."""
    refuse_out("argmax", out)
    return _argument("argmax", lax.argmax, a, axis, keepdims)


def argmin(a: Any, axis: int | None = None, out: None = None, keepdims: bool = False) -> Any:
    """Index of the smallest element (the first of equals; the first NaN if there is one)."""
    refuse_out("argmin", out)
    return _argument("argmin", lax.argmin, a, axis, keepdims)


def _without_nans(
    reduction: Primitive, fill: Callable[[Any], Any], empty: Any, a: Any, axis: Axis, keepdims: bool, initial: Any,
    where: Any, **dtype: Any,
) -> Any:  # fmt: skip
    """``reduction`` with ``fill`` in place of NaNs; ``empty`` where there is nothing but NaNs and no ``initial``."""
    name = f"nan{reduction.__name__}"
    x, mask = as_array(a, name), None if where is None else _mask(where, name)
    axes = normalize_axes(axis, x.ndim, name)
    inexact = is_inexact(x)
    missing = ufuncs.isnan(x) if inexact else None
    filled = where_(missing, fill(x.dtype), x) if inexact else x
    result = reduction(filled, axis=axes, keepdims=keepdims, initial=initial, where=mask, **dtype)
    if empty is None or initial is not None or not inexact:
        return result
    return where_(all(missing, axis=axes, keepdims=keepdims), empty, result)


@repeated(adds_up=True)
def nansum(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
    where: Any = None,
) -> Any:  # fmt: skip
    """As ``sum``, with NaNs left out."""
    refuse_out("nansum", out)
    return _without_nans(sum, lambda _: 0, None, a, axis, keepdims, initial, where, dtype=dtype)


@repeated(adds_up=True)
def nanprod(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, initial: Any = None,
    where: Any = None,
) -> Any:  # fmt: skip
    """As ``prod``, with NaNs left out."""
    refuse_out("nanprod", out)
    return _without_nans(prod, lambda _: 1, None, a, axis, keepdims, initial, where, dtype=dtype)


@repeated(adds_up=True)
def nanmax(
    a: Any, axis: Axis = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """As ``max``, with NaNs left out; NaN where there is nothing else and no ``initial``."""
    refuse_out("nanmax", out)
    return _without_nans(max, lowest, np.nan, a, axis, keepdims, initial, where)


@repeated(adds_up=True)
def nanmin(
    a: Any, axis: Axis = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Any:
    """As ``min``, with NaNs left out; NaN where there is nothing else and no ``initial``."""
    refuse_out("nanmin", out)
    return _without_nans(min, highest, np.nan, a, axis, keepdims, initial, where)


def _present(x: Any, where: Any, name: str) -> Any:
    """Where ``x`` is to be counted: it is no NaN, and ``where`` holds."""
    there = ufuncs.logical_not(ufuncs.isnan(x))
    return there if where is None else ufuncs.logical_and(there, _mask(where, name))


@repeated(adds_up=True)
def nanmean(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, where: Any = None
) -> Any:
    """As ``mean``, with NaNs left out."""
    refuse_out("nanmean", out)
    x = as_array(a, "nanmean")
    return _mean("nanmean", x, axis, dtype, keepdims, _present(x, where, "nanmean"))


@repeated(adds_up=True)
def nanvar(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: bool = False,
    where: Any = None, mean: Any = None,
) -> Any:  # fmt: skip
    """As ``var``, with NaNs left out."""
    refuse_out("nanvar", out)
    x = as_array(a, "nanvar")
    return _variance("nanvar", x, axis, dtype, ddof, keepdims, _present(x, where, "nanvar"), mean)


@repeated(adds_up=True)
def nanstd(
    a: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: bool = False,
    where: Any = None, mean: Any = None,
) -> Any:  # fmt: skip
    """As ``std``, with NaNs left out."""
    refuse_out("nanstd", out)
    x = as_array(a, "nanstd")
    return lax.sqrt(_variance("nanstd", x, axis, dtype, ddof, keepdims, _present(x, where, "nanstd"), mean))


def _cumulative(name: str, primitive: Primitive, of_bools: Primitive) -> Primitive:
    def function(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
        refuse_out(name, out)
        x = as_array(a, name)
        if axis is None or x.ndim == 0:
            x = lax.reshape(x, (x.size,))
        where = 0 if axis is None else normalize_axis(axis, x.ndim, name)
        asked = user_dtype(dtype, name)
        if asked is None and is_bool(x):
            asked = dtypes.default_int()
        if asked is not None or x.aval.weak_type:
            x = x.astype(asked or x.dtype)
        return (of_bools if is_bool(x) else primitive)(x, axis=where)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Running {'sum' if name == 'cumsum' else 'product'} along ``axis`` (of the flat array if None)."
    return function


cumsum = _cumulative("cumsum", lax.cumsum, lax.cummax)
cumprod = _cumulative("cumprod", lax.cumprod, lax.cummin)
