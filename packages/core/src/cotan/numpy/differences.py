"""Differences of neighbours and numerical derivatives of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan import lax
from cotan.api.repeated import repeated
from cotan.errors import where
from cotan.numpy import manipulation
from cotan.numpy.promotion import as_array, normalize_axes, promote_dtypes_inexact


@repeated()
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences of neighbours in the flat array, between ``to_begin`` and ``to_end``.

    >>> import cotan.numpy as cnp
    >>> cnp.ediff1d(cnp.array([1, 4, 9]), to_end=0)
    Array([3, 5, 0], dtype=int32)
    """
    flat = manipulation.ravel(as_array(ary, "ediff1d"))
    parts = [lax.sub(flat[1:], flat[:-1])]
    if to_begin is not None:
        parts.insert(0, manipulation.ravel(as_array(to_begin, "ediff1d")).astype(flat.dtype))
    if to_end is not None:
        parts.append(manipulation.ravel(as_array(to_end, "ediff1d")).astype(flat.dtype))
    return manipulation.concatenate(parts)


@repeated()
def gradient(f: Any, *varargs: Any, axis: int | Sequence[int] | None = None, edge_order: int | None = None) -> Any:
    """The derivatives of samples along axes: second-order differences inside, one-sided ones at the ends.

    Args:
      varargs: the spacing: nothing (1), one number for all axes, or for each axis a number or the coordinates.
      axis: one axis, several, or None: all.
      edge_order: of the differences at the ends: 1 (the default) or 2.

    Returns:
      An array like ``f``, or a list of one for each axis if there are several.

    Raises:
      TypeError: too many spacings. ValueError: too few samples, or coordinates that do not fit.

    >>> import cotan.numpy as cnp
    >>> cnp.gradient(cnp.array([1.0, 4.0, 9.0, 16.0]))
    Array([3., 4., 6., 7.], dtype=float32)
    """
    if edge_order not in (None, 1, 2):
        raise ValueError(f"{where()}: gradient: edge_order must be 1 or 2, got {edge_order!r}")
    order = edge_order or 1
    x, *spacings = (
        as_array(v, "gradient") for v in promote_dtypes_inexact("gradient", as_array(f, "gradient"), *varargs)
    )
    axes = normalize_axes(axis, x.ndim, "gradient")
    if len(spacings) == 1 and spacings[0].ndim == 0:
        spacings = spacings * len(axes)
    elif not spacings:
        spacings = [lax.full_like(x, 1, shape=())] * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(
            f"{where()}: gradient: {len(spacings)} spacings for {len(axes)} axes; give one, or one for each"
        )
    for one, spacing in zip(axes, spacings, strict=True):
        if x.shape[one] < order + 1:
            raise ValueError(
                f"{where()}: gradient needs at least {order + 1} samples along an axis, and there are {x.shape[one]} "
                f"along axis {one}"
            )
        if spacing.ndim and tuple(spacing.shape) != (x.shape[one],):
            raise ValueError(
                f"{where()}: gradient: coordinates of shape {tuple(spacing.shape)} for {x.shape[one]} samples along "
                f"axis {one}; give a number, or as many coordinates"
            )
    results = [manipulation.moveaxis(_slope(manipulation.moveaxis(x, one, -1), spacing, order), -1, one)
               for one, spacing in zip(axes, spacings, strict=True)]  # fmt: skip
    return results[0] if len(results) == 1 else results


def _slope(y: Any, spacing: Any, order: int) -> Any:
    """The derivative along the last axis."""
    if spacing.ndim:
        steps = lax.sub(spacing[1:], spacing[:-1])
        before, after = steps[:-1], steps[1:]
        total = before + after
        inner = (
            y[..., :-2] * (-after / (before * total))
            + y[..., 1:-1] * ((after - before) / (before * after))
            + y[..., 2:] * (before / (after * total))
        )
        first, second, last, previous = (
            steps[0],
            steps[min(1, steps.shape[0] - 1)],
            steps[-1],
            steps[-2 if steps.shape[0] > 1 else -1],
        )
    else:
        inner = (y[..., 2:] - y[..., :-2]) / (2 * spacing)
        first = second = last = previous = spacing
    if order == 1:
        left, right = (y[..., 1:2] - y[..., :1]) / first, (y[..., -1:] - y[..., -2:-1]) / last
    else:
        left = _end(y[..., :1], y[..., 1:2], y[..., 2:3], first, second)
        right = -_end(y[..., -1:], y[..., -2:-1], y[..., -3:-2], last, previous)
    return lax.concatenate([left, inner, right], y.ndim - 1)


def _end(y0: Any, y1: Any, y2: Any, near: Any, far: Any) -> Any:
    """The second-order derivative at the first of three samples that are ``near`` and ``far`` apart."""
    total = near + far
    return y0 * (-(2 * near + far) / (near * total)) + y1 * (total / (near * far)) - y2 * (near / (far * total))
