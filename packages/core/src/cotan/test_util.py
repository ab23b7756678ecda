"""cotan.test_util: derivatives checked against differences of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import api as _api
from cotan import dtypes as _dtypes
from cotan import numpy as _numpy
from cotan import tracebacks as _tracebacks
from cotan.errors import where as _where
from cotan.tree import tree_leaves as _tree_leaves
from cotan.tree import tree_map as _tree_map

Function = Callable[..., Any]
_EPS = 1e-4


def _kind(x: Any) -> Any:
    return _dtypes.dtype(x)


def _differentiable(x: Any) -> bool:
    return bool(_dtypes.issubdtype(_kind(x), np.inexact))


def _random(state: np.random.RandomState, x: Any) -> Any:
    """A random tangent of ``x``; of integers the one that there is."""
    shape = np.shape(x)
    if not _differentiable(x):
        return np.zeros(shape, _dtypes.float0)
    dtype = _dtypes.canonicalize_dtype(_kind(x))
    value = state.standard_normal(shape)
    if _dtypes.issubdtype(dtype, np.complexfloating):
        value = value + 1j * state.standard_normal(shape)
    return _numpy.asarray(np.asarray(value).astype(dtype))


def _moved(x: Any, t: Any, step: float) -> Any:
    return (
        x + _numpy.asarray(step * np.asarray(t)).astype(_dtypes.canonicalize_dtype(_kind(x)))
        if _differentiable(x)
        else x
    )


def _numerical(f: Function, args: Any, tangents: Any, eps: float) -> Any:
    """The derivative of ``f`` in a direction, by differences around the point."""

    def shifted(step: float) -> Any:
        return f(*_tree_map(lambda x, t: _moved(x, t, step), args, tangents))

    def slope(high: Any, low: Any) -> Any:
        high, low = np.asarray(high), np.asarray(low)
        if not _differentiable(high):
            return np.zeros(high.shape)
        wide = np.complex128 if _dtypes.issubdtype(high.dtype, np.complexfloating) else np.float64
        return (high.astype(wide) - low.astype(wide)) / eps

    return _tree_map(slope, shifted(eps / 2), shifted(-eps / 2))


def _tolerance(args: Any, given: float | None) -> float:
    if given is not None:
        return given
    names = {_dtypes.to_real_dtype(_kind(x)).name for x in _tree_leaves(args) if _differentiable(x)}
    return max((_TOLERANCES.get(name, 1e-1) for name in names), default=1e-5)


_TOLERANCES = {"float64": 1e-5, "float32": 2e-2, "float16": 1e-1, "bfloat16": 2e-1}


def _close(api: str, found: Any, expected: Any, atol: float, rtol: float, err_msg: str) -> None:
    for mine, theirs in zip(_tree_leaves(found), _tree_leaves(expected), strict=True):
        if np.asarray(mine).dtype == _dtypes.float0:
            continue
        mine, theirs = np.asarray(mine), np.asarray(theirs)
        mine = mine.astype(theirs.dtype)
        try:
            np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=atol)
        except AssertionError as error:
            note = f" {err_msg}" if err_msg else ""
            raise AssertionError(f"{_where()}: {api}: the derivative differs from differences.{note}{error}") from None


def check_jvp(
    f: Function,
    f_jvp: Function,
    args: Any,
    atol: float | None = None,
    rtol: float | None = None,
    eps: float = _EPS,
    err_msg: str = "",
) -> None:
    """Check a forward derivative in a random direction.

    Args:
      f: the function.
      f_jvp: as ``partial(cotan.jvp, f)``: of arguments and tangents, gives the result and its tangent.
      args: a tuple of arguments.
      atol, rtol: tolerances; by default those that suit the dtypes.
      eps: the step of the differences.
      err_msg: is said where the check fails.

    Raises:
      AssertionError: the derivative, or the value, differs.

    >>> import cotan, functools
    >>> f = lambda x: x ** 3
    >>> cotan.test_util.check_jvp(f, functools.partial(cotan.jvp, f), (0.5,), eps=1e-2)
    """
    atol, rtol = _tolerance(args, atol), _tolerance(args, rtol)
    state = np.random.RandomState(0)
    tangents = _tree_map(lambda x: _random(state, x), args)
    out, moved = f_jvp(args, tangents)
    _close("check_jvp (values)", out, f(*args), atol, rtol, err_msg)
    _close("check_jvp", moved, _numerical(f, args, tangents, eps), atol, rtol, err_msg)


def check_vjp(
    f: Function,
    f_vjp: Function,
    args: Any,
    atol: float | None = None,
    rtol: float | None = None,
    eps: float = _EPS,
    err_msg: str = "",
) -> None:
    """Check a reverse derivative along a random direction and cotangent.

    Args:
      f_vjp: as ``partial(cotan.vjp, f)``: of arguments, gives the result and the function of cotangents.

    See ``check_jvp``.

    >>> import cotan, functools
    >>> f = lambda x: x ** 3
    >>> cotan.test_util.check_vjp(f, functools.partial(cotan.vjp, f), (0.5,), eps=1e-2)
    """
    atol, rtol = _tolerance(args, atol), _tolerance(args, rtol)
    state = np.random.RandomState(0)
    out, pull = f_vjp(*args)
    _close("check_vjp (values)", out, f(*args), atol, rtol, err_msg)
    tangents = _tree_map(lambda x: _random(state, x), args)
    moved = _numerical(f, args, tangents, eps)
    cts = _tree_map(lambda y: _random(state, y), out)
    back = pull(cts)
    forward, reverse = _inner(moved, cts), _inner(tangents, back)
    _close("check_vjp", reverse, forward, atol * max(1.0, abs(forward)), rtol, err_msg)


def _inner(a: Any, b: Any) -> Any:
    """The real part of the sum of products."""
    total = 0.0
    for x, y in zip(_tree_leaves(a), _tree_leaves(b), strict=True):
        if _dtypes.float0 in (np.asarray(x).dtype, np.asarray(y).dtype):
            continue
        wide = [np.asarray(v).astype(np.complex128) for v in (x, y)]
        total += float(np.sum(wide[0] * wide[1]).real)
    return np.float64(total)


def check_grads(
    f: Function,
    args: Any,
    order: int,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Check the derivatives of ``f`` up to an order against differences, in random directions.

    Args:
      f: the function, of pytrees of arrays.
      args: a tuple of arguments.
      order: of the highest derivatives to be checked.
      modes: which: "fwd", "rev", or both.
      atol, rtol: tolerances; by default those that suit the dtypes.
      eps: the step of the differences; by default one that suits the dtypes.

    Raises:
      AssertionError: a derivative differs. ValueError: an unknown mode.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.test_util.check_grads(cnp.sin, (0.5,), order=2)
    """
    args = tuple(args)
    unknown = set(modes) - {"fwd", "rev"}
    if unknown:
        raise ValueError(f"{_where()}: check_grads: unknown mode {min(unknown)!r}; there are 'fwd' and 'rev'")
    atol, rtol = _tolerance(args, atol), _tolerance(args, rtol)
    if eps is None:
        wide = all(_dtypes.to_real_dtype(_kind(x)) == np.float64 for x in _tree_leaves(args) if _differentiable(x))
        eps = _EPS if wide else 1e-2

    def forward(g: Function, point: tuple[Any, ...], left: int) -> None:
        check_jvp(g, lambda xs, ts: _api.jvp(g, xs, ts), point, atol, rtol, eps, f"forward, order {order - left + 1};")
        if left > 1:
            state = np.random.RandomState(left)
            tangents = _tree_map(lambda x: _random(state, x), point)
            forward(lambda *xs: _api.jvp(g, xs, tangents)[1], point, left - 1)

    def reverse(g: Function, point: tuple[Any, ...], left: int) -> None:
        check_vjp(g, lambda *xs: _api.vjp(g, *xs), point, atol, rtol, eps, f"reverse, order {order - left + 1};")
        if left > 1:
            state = np.random.RandomState(left)
            cts = _tree_map(lambda y: _random(state, y), _tree_map(np.asarray, g(*point)))
            kept = [k for k, x in enumerate(point) if all(map(_differentiable, _tree_leaves(x)))]
            reverse(lambda *xs: [_api.vjp(g, *xs)[1](cts)[k] for k in kept], point, left - 1)

    if "fwd" in modes:
        forward(f, args, order)
    if "rev" in modes:
        reverse(f, args, order)


_tracebacks.guard(globals())
