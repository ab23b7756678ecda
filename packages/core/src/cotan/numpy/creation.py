"""Making arrays: from values, from shapes, from ranges."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.api.repeated import repeated
from cotan.errors import where
from cotan.ir.avals import described_aval, get_aval, is_array_like
from cotan.ir.trace import Tracer
from cotan.numpy import manipulation, ufuncs
from cotan.numpy.promotion import (
    SCALARS,
    as_array,
    canonical_shape,
    check_arraylike,
    normalize_axis,
    promote_dtypes_inexact,
    stands_for_array,
    user_dtype,
)
from cotan.runtime.array import Array
from cotan.runtime.devices import as_device, device_put
from cotan.runtime.dispatch import lift


def _leaves(obj: Any) -> list[Any]:
    if isinstance(obj, list | tuple):
        return [leaf for item in obj for leaf in _leaves(item)]
    return [obj]


def _stack(obj: Any, dtype: Any) -> Any:
    """Nested lists with arrays or tracers in them, as one array."""
    if isinstance(obj, list | tuple):
        return manipulation.stack([_stack(item, dtype) for item in obj])
    return as_array(obj, "array").astype(dtype)


def array(
    object: Any,
    dtype: Any = None,
    copy: bool | None = True,
    order: str = "K",
    ndmin: int = 0,
    *,
    device: Any = None,
    out_sharding: Any = None,
) -> Any:
    """An array of the given values.

    Args:
      object: a scalar, an array, anything with ``__jax_array__`` or ``__array__``, nested lists of these, or another
        sequence or buffer of numbers.
      dtype: of the result; by default that of the values (64 bits become 32 unless 64-bit mode is on).
      ndmin: the least number of dimensions; new ones lead.
      out_sharding: accepted, and without meaning on one device.

    Raises:
      TypeError: a value is no number or array, or complex where ``dtype`` is real; text is taken where ``dtype`` says
        as what it is to be read.
      OverflowError: a Python number is too large for an integer ``dtype``.
      ValueError: ragged nested lists, or text that is no number.

    >>> import cotan.numpy as cnp
    >>> cnp.array([[1, 2], [3, 4]])
    Array([[1, 2],
           [3, 4]], dtype=int32)
    """
    asked = user_dtype(dtype, "array")
    result = _array(object, asked, copy)
    ndmin = operator.index(ndmin)
    if ndmin > result.ndim:
        result = lax.expand_dims(result, tuple(range(ndmin - result.ndim)))
    return result if device is None else device_put(result, device)


def _array(obj: Any, asked: Any, copy: bool | None) -> Any:
    if isinstance(obj, SCALARS):
        if asked is None or (asked == get_aval(obj).dtype and isinstance(obj, bool)):
            aval = get_aval(obj)
            if isinstance(obj, int) and not isinstance(obj, bool):
                obj = dtypes.coerce_scalar(obj, "array")
            return lax.convert_element_type(obj, aval.dtype, weak_type=aval.weak_type)
        return lift(_converted(obj, asked))
    if stands_for_array(obj):
        return _array(obj.__jax_array__(), asked, copy)
    if isinstance(obj, Tracer) or hasattr(obj, "aval"):
        return (
            obj if asked is None or (obj.dtype == asked and not obj.weak_type) else lax.convert_element_type(obj, asked)
        )
    if isinstance(obj, list | tuple):
        leaves = _leaves(obj)
        if any(map(stands_for_array, leaves)):
            return _array(_standing(obj), asked, copy)
        if any(isinstance(leaf, Tracer) or hasattr(leaf, "aval") for leaf in leaves):
            target = dtypes.lattice_result_type(*leaves)[0] if asked is None else asked
            return _stack(obj, target)
        values = _nested(obj, asked)
        if asked is None:
            _check_integers(values, leaves)
        if asked is None and _is_mixture(leaves):
            asked = dtypes.lattice_result_type(*leaves)[0]
        if asked is not None and values.dtype.kind not in "US":
            return lift(_converted(obj, asked))
        if asked is None:
            asked = (
                dtypes.lattice_result_type(*leaves)[0]
                if leaves and all(isinstance(x, SCALARS) for x in leaves)
                else None
            )
        return lift(_to_numpy(values, asked))
    if isinstance(obj, np.ndarray | np.generic) or hasattr(obj, "__array__"):
        values = np.asarray(obj)
        return lift(_to_numpy(values, asked))
    if hasattr(obj, "__dlpack__"):
        return lift(_to_numpy(np.from_dlpack(obj), asked))
    return lift(_to_numpy(_nested(obj, asked), asked))


def _check_integers(values: np.ndarray, leaves: list[Any]) -> None:
    """Raise where an integer of a list does not fit the default dtype: made narrower, it would be another number."""
    if values.dtype.kind in "iu":
        bounds = np.iinfo(dtypes.default_int())
        if not values.size or (bounds.min <= values.min() and values.max() <= bounds.max):
            return
    elif not all(isinstance(leaf, int) for leaf in leaves):  # integers of more than 64 bits are floats for NumPy
        return
    for leaf in leaves:
        if isinstance(leaf, int | np.int64):
            dtypes.coerce_scalar(int(leaf), "array")


def _is_mixture(leaves: list[Any]) -> bool:
    """Whether NumPy's values stand among numbers, or values of other dtypes: NumPy finds another dtype for these."""
    found = {getattr(x, "dtype", type(x)) for x in leaves}
    return (
        len(found) > 1
        and any(isinstance(d, np.dtype) and d.kind not in "OUSMm" for d in found)
        and (all(isinstance(x, (*SCALARS, np.ndarray, np.generic)) for x in leaves))
    )


def _standing(obj: Any) -> Any:
    """Nested lists with arrays in the places of what stands for them."""
    return [_standing(x) for x in obj] if isinstance(obj, list | tuple) else as_array(obj, "array")


def _nested(obj: Any, asked: Any) -> np.ndarray:
    try:
        values = np.array(obj)
    except ValueError as error:
        raise ValueError(f"{where()}: array: the nested lists are ragged, pad them to one length: {error}") from None
    if values.dtype == object or values.dtype.kind == "M" or (values.dtype.kind in "US" and asked is None):
        leaves = _leaves(obj)
        if leaves and all(isinstance(leaf, int) for leaf in leaves):
            dtypes.coerce_scalar(max(leaves, key=abs), "array")
        wrong = next((leaf for leaf in leaves if not (isinstance(leaf, SCALARS) or is_array_like(leaf))), obj)
        raise TypeError(
            f"{where()}: array: a value of type {type(wrong).__name__} is not a number, an array or a nested list of "
            "them"
        )
    return values


def _converted(numbers: Any, dtype: Any) -> np.ndarray:
    """Python's numbers, or lists of them, in ``dtype``: those that it cannot hold are refused by NumPy."""
    try:
        with np.errstate(all="ignore"):
            return np.array(numbers, dtype)
    except OverflowError as error:
        raise OverflowError(
            f"{where()}: array: {error}; ask for a wider dtype, or convert an array of them by astype, which wraps "
            "around"
        ) from None


def _to_numpy(values: Any, asked: Any) -> np.ndarray:
    values = np.asarray(values)
    kind = values.dtype.kind
    if kind in "US" and asked is not None:  # text is read as numbers of the type that is asked for
        floating = dtypes.issubdtype(asked, np.floating)  # NumPy itself reads no bfloat16
        return (values.astype(np.float64) if floating else values).astype(asked)
    if kind in "OUSMm":
        raise TypeError(
            f"{where()}: array: values of dtype {values.dtype} are not numbers; convert or encode them first"
        )
    target = dtypes.canonicalize_dtype(values.dtype) if asked is None else asked
    if target == values.dtype:
        return values
    with np.errstate(all="ignore"):
        return values.astype(target)


def asarray(
    a: Any,
    dtype: Any = None,
    order: str | None = None,
    *,
    copy: bool | None = None,
    device: Any = None,
    out_sharding: Any = None,
) -> Any:
    """``a`` as an array, without a copy where it is one already.

    Raises:
      ValueError: ``copy=False``, and ``a`` is no array of that dtype on that device.
    """
    if copy is False:
        asked = user_dtype(dtype, "asarray")
        ours = isinstance(a, Array | Tracer)
        if not ours or asked not in (None, a.dtype) or (device is not None and a.device != as_device(device)):
            raise ValueError(
                f"{where()}: asarray: copy=False, but an array of a value of type {type(a).__name__} can only be had "
                "by a copy; leave `copy` out"
            )
    return array(a, dtype=dtype, copy=bool(copy), device=device)


def copy(a: Any, order: str | None = None) -> Any:
    """A copy of ``a``."""
    return lax.copy(as_array(a, "copy"))


def frombuffer(buffer: Any, dtype: Any = float, count: int = -1, offset: int = 0) -> Any:
    """An array of the bytes of ``buffer``, read as ``dtype``."""
    return asarray(np.frombuffer(buffer, np.dtype(dtype), count, offset))


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """An array with the values of another library's array, through the DLPack protocol.

    The values are copied, since the other library may change its array later.

    Raises:
      TypeError: ``x`` has no ``__dlpack__``.
      BufferError: ``copy=False`` was asked for, and ``x`` is another library's or on another device.

    >>> import numpy as np, cotan.numpy as cnp
    >>> cnp.from_dlpack(np.arange(3.0, dtype=np.float32))
    Array([0., 1., 2.], dtype=float32)
    """
    if not hasattr(x, "__dlpack__"):
        raise TypeError(
            f"{where()}: from_dlpack: a value of type {type(x).__name__} has no __dlpack__ method; use "
            "cotan.numpy.asarray"
        )
    if copy is False:
        if isinstance(x, Array) and (device is None or x.device == as_device(device)):
            return x
        raise BufferError(f"{where()}: from_dlpack: values of other libraries are always copied; leave out copy=False")
    return device_put(_to_numpy(np.from_dlpack(x), None), device)


def _float_dtype(dtype: Any, name: str) -> Any:
    return dtypes.default_float() if dtype is None else user_dtype(dtype, name)


def zeros(shape: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """An array of zeros (default: floats)."""
    return _placed(lax.full(canonical_shape(shape, "zeros"), 0, _float_dtype(dtype, "zeros")), device)


def ones(shape: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """An array of ones (default: floats)."""
    return _placed(lax.full(canonical_shape(shape, "ones"), 1, _float_dtype(dtype, "ones")), device)


def _placed(x: Any, device: Any) -> Any:
    return x if device is None else device_put(x, device)


empty = zeros


def full(shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """An array filled with ``fill_value``, which may be an array that broadcasts."""
    shape = canonical_shape(shape, "full")
    check_arraylike("full", fill_value)
    if np.ndim(fill_value) == 0 if not isinstance(fill_value, Tracer) else fill_value.ndim == 0:
        return _placed(lax.full(shape, fill_value, user_dtype(dtype, "full")), device)
    return _placed(manipulation.broadcast_to(asarray(fill_value, dtype), shape), device)


def _like(name: str, a: Any, value: Any, dtype: Any, shape: Any) -> Any:
    known = described_aval(a) is not None and not isinstance(a, SCALARS)
    return lax.full_like(
        a if known else as_array(a, name),
        value,
        user_dtype(dtype, name),
        None if shape is None else canonical_shape(shape, name),
    )


def zeros_like(a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """Zeros of the shape and dtype of ``a``."""
    return _placed(_like("zeros_like", a, 0, dtype, shape), device)


def ones_like(a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None, out_sharding: Any = None) -> Any:
    """Ones of the shape and dtype of ``a``."""
    return _placed(_like("ones_like", a, 1, dtype, shape), device)


def empty_like(
    prototype: Any, dtype: Any = None, shape: Any = None, *, device: Any = None, out_sharding: Any = None
) -> Any:
    """An array of the shape and dtype of ``prototype``; its elements are 0."""
    return zeros_like(prototype, dtype, shape, device=device)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, shape: Any = None, *, device: Any = None, out_sharding: Any = None
) -> Any:
    """An array of the shape and dtype of ``a`` filled with ``fill_value``."""
    fill = fill_value if isinstance(fill_value, SCALARS) else asarray(fill_value)
    if isinstance(fill, SCALARS) or fill.ndim == 0:
        return _placed(_like("full_like", a, fill, dtype, shape), device)
    aval = described_aval(a)
    if aval is None:
        aval = get_aval(as_array(a, "full_like"))
    target = aval.dtype if dtype is None else user_dtype(dtype, "full_like")
    return full(aval.shape if shape is None else shape, fill.astype(target), target, device=device)


def arange(
    start: Any, stop: Any = None, step: Any = None, dtype: Any = None, *, device: Any = None, out_sharding: Any = None
) -> Any:
    """start, start + step, ... below stop; with one argument 0, 1, ... below it.

    Raises:
      ConcretizationTypeError: a bound is not known while tracing.
      ValueError: a bound is complex, or no scalar.
    """
    if (stop is None and step is None) or stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    target = dtypes.lattice_result_type(start, stop, step)[0] if dtype is None else user_dtype(dtype, "arange")
    values = [x if isinstance(x, SCALARS) else np.asarray(x)[()] for x in (start, stop, step)]
    if any(np.iscomplexobj(x) for x in values):
        raise ValueError("arange: complex numbers have no order to count in; give real bounds, and dtype=complex")
    if any(np.ndim(x) for x in values):
        raise ValueError(f"arange: start, stop and step must be scalars, got shapes {[np.shape(x) for x in values]}")
    if isinstance(values[0], SCALARS) and values[0] == 0 and isinstance(values[2], SCALARS) and values[2] == 1:
        size = int(np.ceil(values[1]))
        return _placed(lax.iota(target, size if size > 0 else 0), device)
    # Filled in the asked dtype, so that integers count by the difference of the first two, as NumPy's do.
    exact = target if target.kind in "iuf" else np.float64 if dtypes.issubdtype(target, np.floating) else None
    return _placed(asarray(np.arange(*values, dtype=exact).astype(target)), device)


@repeated()
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """``num`` equally spaced numbers from start to stop."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"linspace: the number of samples must not be negative, got {num}")
    check_arraylike("linspace", start, stop)
    asked = user_dtype(dtype, "linspace")
    start, stop = promote_dtypes_inexact("linspace", start, stop)
    kind = dtypes.dtype(start)
    work = np.dtype(np.float32) if kind.itemsize < 4 else kind  # half precision holds few of the counts
    start, stop = (lax.convert_element_type(x, work) for x in (start, stop)) if kind != work else (start, stop)
    divisor = num - 1 if endpoint else num
    start, stop = manipulation.broadcast_arrays(as_array(start, "linspace"), as_array(stop, "linspace"))
    span = lax.sub(stop, start)
    step = lax.div(span, np.asarray(divisor, work)) if divisor > 0 else lax.full((), np.nan, work)
    shape = (num, *start.shape)
    spread = tuple(range(1, len(shape)))
    fraction = lax.div(lax.broadcasted_iota(work, shape, 0), np.asarray(max(divisor, 1), work))
    first, last = (lax.broadcast_in_dim(x, shape, spread) for x in (start, stop))
    # Weighting both ends keeps the last sample exact.
    result = lax.add(lax.mul(first, lax.sub(np.asarray(1, work), fraction)), lax.mul(last, fraction))
    if asked is not None and dtypes.issubdtype(asked, np.integer):
        result = lax.floor(result)
    result = lax.convert_element_type(result, kind if asked is None else asked)
    axis = normalize_axis(axis, result.ndim, "linspace")
    result = _placed(manipulation.moveaxis(result, 0, axis), device)
    return (result, lax.convert_element_type(step, kind)) if retstep else result


@repeated()
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """base ** linspace(start, stop); ``start``, ``stop`` and ``base`` may be arrays that broadcast.

    >>> import cotan.numpy as cnp
    >>> cnp.logspace(0, 2, 3, base=cnp.array([2.0, 3.0]), axis=-1)
    Array([[1., 2., 4.],
           [1., 3., 9.]], dtype=float32)
    """
    if manipulation.ndim(base):
        start, stop, base = manipulation.broadcast_arrays(start, stop, base)
        base = manipulation.expand_dims(base, axis)
    result = ufuncs.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return result if dtype is None else result.astype(user_dtype(dtype, "logspace"))


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """``num`` numbers from start to stop, each a constant multiple of the one before; real ends have one sign.

    >>> import cotan.numpy as cnp
    >>> cnp.geomspace(1, 8, 4).shape
    (4,)
    """
    start, stop = promote_dtypes_inexact("geomspace", start, stop)
    start, stop = manipulation.broadcast_arrays(as_array(start, "geomspace"), as_array(stop, "geomspace"))
    sign = ufuncs.sign(start)
    exponents = linspace(_exponent(start / sign), _exponent(stop / sign), num, endpoint)
    result = ufuncs.power(10.0, exponents) * sign
    # The ends are what was asked for; rounding between them must not show in integers.
    if num:
        result = result.at[0].set(start)
    if num > 1 and endpoint:
        result = result.at[-1].set(stop)
    result = manipulation.moveaxis(result, 0, normalize_axis(axis, result.ndim, "geomspace"))
    return result if dtype is None else result.astype(user_dtype(dtype, "geomspace"))


def _exponent(x: Any) -> Any:
    """log10(x), improved by one step of Newton's, so that powers of ten have whole logarithms."""
    y = ufuncs.log10(x)
    return y - (ufuncs.power(10.0, y) - x) / (x * math.log(10))


@repeated()
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None, *, device: Any = None) -> Any:
    """Ones on diagonal ``k``, zeros elsewhere."""
    shape = canonical_shape((N, N if M is None else M), "eye")
    rows = lax.broadcasted_iota(np.int32, shape, 0)
    columns = lax.broadcasted_iota(np.int32, shape, 1)
    on_diagonal = lax.eq(lax.add(rows, np.int32(operator.index(k))), columns)
    return _placed(on_diagonal.astype(_float_dtype(dtype, "eye")), device)


def identity(n: int, dtype: Any = None) -> Any:
    """The identity matrix."""
    return eye(n, dtype=dtype)


@repeated()
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones at and below diagonal ``k``."""
    shape = canonical_shape((N, N if M is None else M), "tri")
    rows = lax.broadcasted_iota(np.int32, shape, 0)
    columns = lax.broadcasted_iota(np.int32, shape, 1)
    return lax.ge(lax.add(rows, np.int32(operator.index(k))), columns).astype(_float_dtype(dtype, "tri"))


def _triangle(m: Any, k: int, name: str, lower: bool) -> Any:
    m = as_array(m, name)
    if m.ndim < 2:
        raise ValueError(f"{name} needs at least two dimensions, got shape {m.shape}")
    mask = tri(*m.shape[-2:], k=k if lower else k - 1, dtype=np.bool_)
    zero = np.asarray(0, m.dtype)
    return ufuncs.where_(mask, m, zero) if lower else ufuncs.where_(mask, zero, m)


@repeated()
def tril(m: Any, k: int = 0) -> Any:
    """``m`` with zeros above diagonal ``k``."""
    return _triangle(m, k, "tril", True)


@repeated()
def triu(m: Any, k: int = 0) -> Any:
    """``m`` with zeros below diagonal ``k``."""
    return _triangle(m, k, "triu", False)


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> list[Any]:
    """Coordinate arrays of a grid from coordinate vectors.

    Raises:
      ValueError: ``indexing`` is neither 'xy' nor 'ij', or an input is not one-dimensional.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    vectors = [as_array(x, "meshgrid") for x in xi]
    if any(x.ndim != 1 for x in vectors):
        raise ValueError("meshgrid: every input must be one-dimensional; use ravel")
    order = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) >= 2:
        order[0], order[1] = 1, 0
    full_shape = [0] * len(vectors)
    for n, x in enumerate(vectors):
        full_shape[order[n]] = x.shape[0]
    result = []
    for n, x in enumerate(vectors):
        shape = [1] * len(vectors)
        shape[order[n]] = x.shape[0]
        result.append(lax.broadcast_in_dim(x, tuple(shape if sparse else full_shape), (order[n],)))
    return result


def fromfunction(function: Callable[..., Any], shape: Sequence[int], *, dtype: Any = float, **kwargs: Any) -> Any:
    """``function`` of the index arrays of ``shape``."""
    shape = canonical_shape(shape, "fromfunction")
    target = user_dtype(dtype, "fromfunction") if dtype is not float else dtypes.default_float()
    return function(*(lax.broadcasted_iota(target, shape, d) for d in range(len(shape))), **kwargs)


def indices(dimensions: Sequence[int], dtype: Any = None, sparse: bool = False) -> Any:
    """Index arrays of a grid, stacked (or a tuple if ``sparse``)."""
    shape = canonical_shape(dimensions, "indices")
    target = dtypes.default_int() if dtype is None else user_dtype(dtype, "indices")
    if sparse:
        return tuple(
            lax.reshape(lax.iota(target, n), (1,) * d + (n,) + (1,) * (len(shape) - d - 1)) for d, n in enumerate(shape)
        )
    if not shape:
        return zeros((0,), target)
    return manipulation.stack([lax.broadcasted_iota(target, shape, d) for d in range(len(shape))])
