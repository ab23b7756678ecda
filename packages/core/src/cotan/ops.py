"""cotan.ops: reductions of segments: of elements that carry the same number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes as _dtypes
from cotan import lax as _lax
from cotan import numpy as _numpy
from cotan import tracebacks as _tracebacks
from cotan.errors import ConcretizationTypeError as _ConcretizationTypeError
from cotan.errors import where as _where
from cotan.ir.trace import Tracer as _Tracer
from cotan.numpy.promotion import as_array as _as_array
from cotan.numpy.reductions import highest as _highest
from cotan.numpy.reductions import lowest as _lowest


def _segment(
    name: str,
    method: str,
    neutral: Callable[[Any], Any],
    data: Any,
    segment_ids: Any,
    num_segments: int | None,
    indices_are_sorted: bool,
    unique_indices: bool,
    bucket_size: int | None,
    mode: Any,
) -> Any:
    x, ids = _as_array(data, name), _as_array(segment_ids, name)
    if not _dtypes.issubdtype(ids.dtype, np.integer):
        raise TypeError(f"{_where()}: {name}: segment_ids must be integers, got {ids.dtype}")
    if ids.ndim == 1 and x.shape[:1] in ((), (1,)):
        x = _numpy.broadcast_to(x, (*ids.shape, *x.shape[1:]))
    if ids.ndim != 1 or ids.shape[0] != x.shape[0]:
        raise ValueError(
            f"{_where()}: {name}: segment_ids must be a vector of one number for each of the {x.shape[:1]} rows of the "
            f"data, got shape {tuple(ids.shape)}"
        )
    if num_segments is None:
        known = ids.concrete() if isinstance(ids, _Tracer) else ids
        if known is None:
            raise _ConcretizationTypeError(
                f"{_where()}: {name}: how many segments there are depends on the values of segment_ids, which are "
                "traced; pass num_segments"
            )
        num_segments = int(np.asarray(known).max()) + 1 if ids.size else 0
    if num_segments < 0:
        raise ValueError(f"{_where()}: {name}: num_segments must not be negative, got {num_segments}")
    if bucket_size is not None and bucket_size <= 0:
        raise ValueError(f"{_where()}: {name}: bucket_size must be positive, got {bucket_size}")
    flags = {"indices_are_sorted": indices_are_sorted, "unique_indices": unique_indices, "mode": mode}
    flags["wrap_negative_indices"] = False  # a negative number is out of range
    start = neutral(x.dtype)
    shape = (num_segments, *x.shape[1:])
    if bucket_size is None or x.shape[0] <= bucket_size:
        return getattr(_lax.full(shape, start, x.dtype).at[ids], method)(x, **flags)
    # Sums of sums: rounding errors grow with the number of buckets, not of rows.
    buckets = -(-x.shape[0] // bucket_size)
    number = _lax.iota(np.int32, x.shape[0]) // np.int32(bucket_size)
    parts = getattr(_lax.full((buckets, *shape), start, x.dtype).at[number, ids], method)(x, **flags)
    return {"add": _numpy.sum, "multiply": _numpy.prod, "min": _numpy.min, "max": _numpy.max}[method](parts, axis=0)


def segment_sum(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
    out_sharding: Any = None,
) -> Any:
    """The sums of the rows of ``data`` that have the same number.

    Args:
      data: an array; its rows are summed. A single row, or a scalar, counts for each number.
      segment_ids: a vector of integers, for each row the number of its segment. Rows with a number out of range are
        left out.
      num_segments: how many there are, needed while tracing; by default as many as the largest number asks for.
      indices_are_sorted, unique_indices: promises about the numbers.
      bucket_size: add up so many rows at a time, for accuracy.
      mode: what to do with numbers out of range, as for ``x.at[...]``.
      out_sharding: accepted, and without meaning on one device.

    Returns:
      An array of shape ``(num_segments, *data.shape[1:])``; segments without rows are 0.

    Raises:
      ValueError: the shapes do not fit. ConcretizationTypeError: ``num_segments`` is missing while tracing.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.ops.segment_sum(cnp.array([1.0, 2.0, 4.0]), cnp.array([0, 1, 0]))
    Array([5., 2.], dtype=float32)
    """
    options = (num_segments, indices_are_sorted, unique_indices, bucket_size, mode)
    return _segment("segment_sum", "add", lambda dtype: 0, data, segment_ids, *options)


def segment_prod(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
    out_sharding: Any = None,
) -> Any:
    """The products of the rows of ``data`` that have the same number; 1 for segments without rows. See ``segment_sum``.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.ops.segment_prod(cnp.array([1.0, 2.0, 4.0]), cnp.array([0, 1, 0]))
    Array([4., 2.], dtype=float32)
    """
    options = (num_segments, indices_are_sorted, unique_indices, bucket_size, mode)
    return _segment("segment_prod", "multiply", lambda dtype: 1, data, segment_ids, *options)


def segment_max(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
    out_sharding: Any = None,
) -> Any:
    """The largest of the rows of ``data`` that have the same number, elementwise; the least number (or -inf) for
    segments without rows. See ``segment_sum``.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.ops.segment_max(cnp.array([1, 2, 4]), cnp.array([0, 1, 0]))
    Array([4, 2], dtype=int32)
    """
    options = (num_segments, indices_are_sorted, unique_indices, bucket_size, mode)
    return _segment("segment_max", "max", _lowest, data, segment_ids, *options)


def segment_min(
    data: Any,
    segment_ids: Any,
    num_segments: int | None = None,
    indices_are_sorted: bool = False,
    unique_indices: bool = False,
    bucket_size: int | None = None,
    mode: Any = None,
    out_sharding: Any = None,
) -> Any:
    """The smallest of the rows of ``data`` that have the same number, elementwise; the largest number (or inf) for
    segments without rows. See ``segment_sum``.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.ops.segment_min(cnp.array([1, 2, 4]), cnp.array([0, 1, 0]))
    Array([1, 2], dtype=int32)
    """
    options = (num_segments, indices_are_sorted, unique_indices, bucket_size, mode)
    return _segment("segment_min", "min", _highest, data, segment_ids, *options)


_tracebacks.guard(globals())
