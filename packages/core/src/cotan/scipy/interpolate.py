"""cotan.scipy.interpolate: values between the points of a regular grid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from cotan import numpy as cnp
from cotan.numpy.promotion import as_array, promote_dtypes_inexact
from cotan.tracebacks import boundary, guarded

_METHODS = ("linear", "nearest")
_NAN = float("nan")


@guarded
class RegularGridInterpolator:
    """A function known at the points of a grid, between them.

    Args:
      points: one increasing vector of at least two numbers for each axis of the grid.
      values: at the grid's points; may have further axes.
      method: 'linear' or 'nearest'.
      bounds_error: must be False: values cannot raise inside of programs.
      fill_value: outside of the grid; None: extrapolate.

    Raises:
      ValueError: another method, ``bounds_error``, or shapes that do not belong together.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.interpolate import RegularGridInterpolator
    >>> between = RegularGridInterpolator((cnp.arange(3.0),), cnp.array([0.0, 10.0, 30.0]))
    >>> between(cnp.array([[0.5], [1.5]]))
    Array([ 5., 20.], dtype=float32)
    """

    @boundary
    def __init__(
        self,
        points: Sequence[Any],
        values: Any,
        method: str = "linear",
        bounds_error: bool = False,
        fill_value: Any = _NAN,
    ) -> None:
        name = "RegularGridInterpolator"
        _check_method(method)
        if bounds_error:
            raise ValueError(f"{name}: bounds_error must be False; points outside of the grid get fill_value")
        (self.values,) = promote_dtypes_inexact(name, as_array(values, name))
        self.grid = tuple(cnp.asarray(p, self.values.dtype) for p in points)
        self.method, self.bounds_error, self.fill_value = method, bounds_error, fill_value
        if len(self.grid) > self.values.ndim:
            raise ValueError(f"{name}: {len(self.grid)} vectors of points for values of {self.values.ndim} axes")
        for axis, p in enumerate(self.grid):
            if p.shape != (self.values.shape[axis],) or p.shape[0] < 2:
                raise ValueError(
                    f"{name}: axis {axis} of values has extent {self.values.shape[axis]} and needs as many points, two "
                    f"or more, in a vector; got shape {p.shape}"
                )

    def __call__(self, xi: Any, method: str | None = None) -> Any:
        """Values at points ``(..., d)``, or at a tuple of d arrays that broadcast.

        A vector holds points one after the other, so that it may have any length if d is 1.

        Raises:
          ValueError: another method, or points of another number of dimensions.
        """
        method = self.method if method is None else method
        _check_method(method)
        d = len(self.grid)
        if isinstance(xi, tuple) and len(xi) == d:
            xi = cnp.stack(cnp.broadcast_arrays(*(cnp.asarray(x, self.values.dtype) for x in xi)), -1)
        else:
            xi = cnp.asarray(xi, self.values.dtype)
            xi = cnp.reshape(xi, (-1, d)) if xi.ndim == 1 and xi.size % d == 0 else xi
        if xi.ndim == 0 or xi.shape[-1] != d:
            raise ValueError(f"RegularGridInterpolator: points must be (..., {d}), got shape {xi.shape}")
        batch, rows = xi.shape[:-1], cnp.reshape(xi, (-1, d))
        places, shares = [], []
        for axis, p in enumerate(self.grid):
            place = cnp.clip(cnp.searchsorted(p, rows[:, axis], side="right") - 1, 0, p.shape[0] - 2)
            places.append(place)
            shares.append((rows[:, axis] - p[place]) / (p[place + 1] - p[place]))
        out = self._nearest(places, shares) if method == "nearest" else self._linear(places, shares)
        if self.fill_value is not None:
            bounds = [(p[0], p[-1]) for p in self.grid]
            inside = [(rows[:, i] >= low) & (rows[:, i] <= high) for i, (low, high) in enumerate(bounds)]
            known = cnp.all(cnp.stack(inside), 0) | cnp.any(cnp.isnan(rows), -1)
            known = cnp.reshape(known, (-1,) + (1,) * (out.ndim - 1))
            out = cnp.where(known, out, cnp.asarray(self.fill_value, out.dtype))
        return cnp.reshape(out, (*batch, *self.values.shape[d:]))

    def _nearest(self, places: Sequence[Any], shares: Sequence[Any]) -> Any:
        return self.values[tuple(cnp.where(s <= 0.5, i, i + 1) for i, s in zip(places, shares, strict=True))]

    def _linear(self, places: Sequence[Any], shares: Sequence[Any]) -> Any:
        trailing = (1,) * (self.values.ndim - len(self.grid))
        total: Any = 0
        for corner in itertools.product((0, 1), repeat=len(self.grid)):
            weight: Any = 1
            for upper, share in zip(corner, shares, strict=True):
                weight = weight * (share if upper else 1 - share)
            at = tuple(i + upper for i, upper in zip(places, corner, strict=True))
            total = total + self.values[at] * cnp.reshape(weight, (-1, *trailing))
        return total


def _check_method(method: str) -> None:
    if method not in _METHODS:
        raise ValueError(f"RegularGridInterpolator: method must be 'linear' or 'nearest', got {method!r}")
