"""Attention: scaled dot products of queries and keys, softmax, weighted sums of values. Knows no layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.nn.functions import logsumexp, softmax
from cotan.numpy.promotion import as_array

_NAME = "dot_product_attention"
_IMPLEMENTATIONS = (None, "xla", "cudnn")


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    scale: Any = None,
    is_causal: bool = False,
    query_seq_lengths: Any = None,
    key_value_seq_lengths: Any = None,
    local_window_size: int | tuple[int, int] | None = None,
    implementation: str | None = None,
    return_residual: bool = False,
) -> Any:
    """softmax(query key^T scale + bias) value, for each head.

    The letters below: B batch, T queries, S keys and values, N heads of the query, K heads of key and value (N is a
    multiple of K: each serves N/K consecutive heads of the query), H the size of a head. Without a batch B is left out.

    Args:
      query: ``(B, T, N, H)``. key, value: ``(B, S, K, H)``, of the query's dtype.
      bias: added to the scaled products; broadcasts to ``(B, N, T, S)``.
      mask: booleans that broadcast to ``(B, N, T, S)``; False leaves a pair out.
      scale: of the products; default: 1 / sqrt(H).
      is_causal: query t sees the keys 0..t alone.
      query_seq_lengths, key_value_seq_lengths: int32 ``(B,)``; how many positions count, from the first on. Rows of
        queries that do not count are 0.
      local_window_size: how many keys before and after its own position a query sees; one number: on both sides.
      implementation: None, 'xla' or 'cudnn'; accepted, and without influence on results.
      return_residual: return also the logarithms of the softmax's denominators, ``(B, T, N)``, without derivative.

    Raises:
      ValueError: shapes or dtypes that do not belong together; an unknown implementation.

    >>> import cotan, cotan.numpy as cnp
    >>> x = cnp.ones((2, 5, 4, 8))
    >>> cotan.nn.dot_product_attention(x, x, x, is_causal=True).shape
    (2, 5, 4, 8)
    """
    query = as_array(query, _NAME)
    batched = query.ndim >= 4
    query, key, value = (_four(x) for x in (query, key, value))
    bias, mask = (None if x is None else _four(x) for x in (bias, mask))
    lengths = [None if x is None else as_array(x, _NAME) for x in (query_seq_lengths, key_value_seq_lengths)]
    _check(query, key, value, bias, mask, lengths, implementation)
    window = (local_window_size,) * 2 if isinstance(local_window_size, int) else local_window_size
    b, t, n, h = query.shape
    s, k = key.shape[1:3]
    scale = 1 / math.sqrt(h) if scale is None else scale
    wide = dtypes.promote_types(query.dtype, np.float32)
    grouped = cnp.reshape(query, (b, t, k, n // k, h))
    logits = cnp.einsum("btkgh,bskh->bkgts", grouped, key, preferred_element_type=wide)
    logits = logits * cnp.asarray(scale, logits.dtype)
    if bias is not None:
        logits = (logits + _of_heads(bias, k, n)).astype(logits.dtype)
    seen = _visible(mask, is_causal, lengths, window, (b, t, s, k, n))
    if seen is not None:
        logits = cnp.where(seen, logits, -0.7 * float(dtypes.finfo(logits.dtype).max))
    logits = logits.astype(wide)
    weights = softmax(logits, -1).astype(key.dtype)
    out = cnp.reshape(cnp.einsum("bkgts,bskh->btkgh", weights, value), (b, t, n, h))
    if lengths[0] is not None:
        counted = cnp.arange(t)[None, :] < lengths[0][:, None]
        out = out * counted[:, :, None, None].astype(out.dtype)
    out = out if batched else out[0]
    if not return_residual:
        return out
    residual = cnp.reshape(cnp.moveaxis(logsumexp(logits, -1).astype(key.dtype), -1, 1), (b, t, n))
    return out, lax.stop_gradient(residual if batched else residual[0])


def _four(x: Any) -> Any:
    """The array, with axes of extent 1 before its own up to four."""
    x = as_array(x, _NAME)
    return cnp.reshape(x, (1,) * (4 - x.ndim) + x.shape) if x.ndim < 4 else x


def _check(
    query: Any, key: Any, value: Any, bias: Any, mask: Any, lengths: Sequence[Any], implementation: str | None
) -> None:
    def expect(name: str, x: Any, shape: tuple[int | None, ...], dtype: Any) -> None:
        if x is None:
            return
        if len(x.shape) != len(shape) or any(want not in (None, have) for want, have in zip(shape, x.shape)):
            text = ", ".join("any" if extent is None else str(extent) for extent in shape)
            raise ValueError(f"{_NAME}: {name} must be of shape ({text}) here, got {tuple(x.shape)}")
        if dtype is not None and x.dtype != dtype:
            raise ValueError(f"{_NAME}: {name} must be of dtype {dtype} here, got {x.dtype}; convert it with .astype")

    expect("key", key, (None,) * 4, None)
    b, s, k, h = key.shape
    expect("value", value, (b, s, k, h), key.dtype)
    expect("query", query, (b, None, None, h), key.dtype)
    t, n = query.shape[1:3]
    if k == 0 or n % k:
        raise ValueError(f"{_NAME}: the query's {n} heads must be a multiple of the {k} heads of key and value")
    for name, x, dtype in (("bias", bias, None), ("mask", mask, np.dtype(np.bool_))):
        expect(name, x, (None,) * 4, dtype)
        if x is not None and any(have not in (1, want) for have, want in zip(x.shape, (b, n, t, s), strict=True)):
            raise ValueError(f"{_NAME}: {name} must broadcast to shape {(b, n, t, s)} here, got {tuple(x.shape)}")
    for name, x in zip(("query_seq_lengths", "key_value_seq_lengths"), lengths, strict=True):
        expect(name, x, (b,), np.dtype(np.int32))
    if implementation not in _IMPLEMENTATIONS:
        raise ValueError(f"{_NAME}: implementation must be None, 'xla' or 'cudnn', got {implementation!r}")


def _of_heads(x: Any, k: int, n: int) -> Any:
    """``(B, N or 1, T, S)`` with the heads in groups that share key and value: ``(B, K, N/K, T, S)``."""
    b, heads, t, s = x.shape
    return cnp.reshape(x, (b, 1, 1, t, s) if heads == 1 else (b, k, n // k, t, s))


def _visible(
    mask: Any, is_causal: bool, lengths: Sequence[Any], window: tuple[int, int] | None, extents: tuple[int, ...]
) -> Any:
    """Which pairs of query and key count, broadcasting to ``(B, K, N/K, T, S)``; None: all."""
    _, t, s, k, n = extents
    at_query, at_key = cnp.arange(t)[:, None], cnp.arange(s)[None, :]
    conditions = [] if mask is None else [_of_heads(mask, k, n)]
    if is_causal:
        conditions.append(at_key <= at_query)
    if window is not None:
        conditions += [at_query <= at_key + window[0], at_query >= at_key - window[1]]
    for positions, count in zip((at_query, at_key), lengths, strict=True):
        if count is not None:
            conditions.append((positions[None] < count[:, None, None])[:, None, None])
    if not conditions:
        return None
    seen = conditions[0]
    for condition in conditions[1:]:
        seen = cnp.logical_and(seen, condition)
    return seen
