"""cotan.test_util: derivatives checked against differences of values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from cotan import api as _api
from cotan import dtypes as _dtypes
from cotan import numpy as _numpy
from cotan import tracebacks as _tracebacks
from cotan.errors import where as _where
from cotan.tree import tree_flatten as _tree_flatten
from cotan.tree import tree_leaves as _tree_leaves
from cotan.tree import tree_map as _tree_map
from cotan.tree import tree_unflatten as _tree_unflatten

Function = Callable[..., Any]
Tolerance = float | Mapping[Any, float] | None
_EPS = 1e-4


def _kind(x: Any) -> Any:
    return _dtypes.dtype(x)


def _differentiable(x: Any) -> bool:
    return bool(_dtypes.issubdtype(_kind(x), np.inexact))


def _random(state: np.random.RandomState, x: Any) -> Any:
    """A random tangent of ``x``, a number's a number; of integers the one that there is."""
    shape = np.shape(x)
    if not _differentiable(x):
        return np.zeros(shape, _dtypes.float0)
    dtype = _dtypes.canonicalize_dtype(_kind(x))
    value = state.standard_normal(shape)
    if _dtypes.issubdtype(dtype, np.complexfloating):
        value = value + 1j * state.standard_normal(shape)
    return type(x)(value) if type(x) in (float, complex) else _numpy.asarray(np.asarray(value).astype(dtype))


def _moved(x: Any, t: Any, step: float) -> Any:
    """``x`` a step along ``t``, in its own dtype."""
    if not _differentiable(x):
        return x
    if type(x) in (float, complex):
        return x + step * t
    return x + _numpy.asarray(step * np.asarray(t)).astype(_dtypes.canonicalize_dtype(_kind(x)))


def _numerical(f: Function, args: Any, tangents: Any, eps: float) -> Any:
    """The derivative of ``f`` in a direction, by differences around the point."""

    def shifted(step: float) -> Any:
        return f(*_tree_map(lambda x, t: _moved(x, t, step), args, tangents))

    def slope(high: Any, low: Any) -> Any:
        high, low = np.asarray(high), np.asarray(low)
        if not _differentiable(high):
            return np.zeros(high.shape, _dtypes.float0)
        # Where both are one infinity there is no slope, rather than none that is known.
        difference = np.where(high == low, 0, _wide(high) - _wide(low))
        return (difference / (2 * eps)).astype(_dtypes.canonicalize_dtype(high.dtype))

    with np.errstate(invalid="ignore"):
        return _tree_map(slope, shifted(eps), shifted(-eps))


def _wide(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return x.astype(np.complex128 if _dtypes.issubdtype(x.dtype, np.complexfloating) else np.float64)


# By the dtypes of values; integers must be equal.
_TOLERANCES = {
    "float64": 1e-5,
    "complex128": 1e-5,
    "float32": 2e-3,
    "complex64": 1e-3,
    "float16": 1e-2,
    "bfloat16": 1e-1,
}
_EIGHT_BITS, _FEWER = 1e-1, 1.0


def _tolerance(dtype: Any, given: Tolerance) -> float:
    """What of ``given`` holds for values of ``dtype``."""
    if given is not None and not isinstance(given, Mapping):
        return given
    name = np.dtype(dtype).name
    asked = {np.dtype(key).name: value for key, value in (given or {}).items()}
    if name in asked:
        return asked[name]
    coarse = _FEWER if name.startswith(("float4", "float6", "float8_e8m0")) else _EIGHT_BITS
    return _TOLERANCES.get(name, coarse) if _dtypes.issubdtype(dtype, np.inexact) else 0.0


def _close(api: str, found: Any, expected: Any, atol: Tolerance, rtol: Tolerance, err_msg: str) -> None:
    """Check leaf by leaf; tolerances are for one element, and grow with the size."""
    for mine, theirs in zip(_tree_leaves(found), _tree_leaves(expected), strict=True):
        mine, theirs = np.asarray(mine), np.asarray(theirs)
        kinds = [_dtypes.canonicalize_dtype(x.dtype) for x in (mine, theirs) if x.dtype != _dtypes.float0]
        note = f" {err_msg};" if err_msg else ""
        if len(set(kinds)) > 1 or len(kinds) == 1 or mine.shape != theirs.shape:
            raise AssertionError(
                f"{_where()}: {api}:{note} got {mine.dtype}{list(mine.shape)} where {theirs.dtype}{list(theirs.shape)} "
                "is due"
            )
        if not kinds:
            continue
        absolute, relative = (_tolerance(kinds[0], given) * mine.size for given in (atol, rtol))
        try:
            np.testing.assert_allclose(_wide(mine), _wide(theirs), rtol=relative or 1e-7, atol=absolute)
        except AssertionError as error:
            raise AssertionError(f"{_where()}: {api}:{note} the derivative differs from differences.{error}") from None


def check_jvp(
    f: Function,
    f_jvp: Function,
    args: Any,
    atol: Tolerance = None,
    rtol: Tolerance = None,
    eps: float = _EPS,
    err_msg: str = "",
) -> None:
    """Check a forward derivative in a random direction.

    Args:
      f: the function.
      f_jvp: as ``partial(cotan.jvp, f)``: of arguments and tangents, gives the result and its tangent.
      args: a tuple of arguments.
      atol, rtol: tolerances, each one for all, or a dict of them by dtype; what it leaves out, and None, are those
        that suit the dtypes. They are for one element: those of an array are its size times as large.
      eps: half the width of the differences: the function is evaluated this far to both sides.
      err_msg: is said where the check fails.

    Raises:
      AssertionError: the derivative, or the value, differs.

    >>> import cotan, functools
    >>> f = lambda x: x ** 3
    >>> cotan.test_util.check_jvp(f, functools.partial(cotan.jvp, f), (0.5,), eps=1e-2)
    """
    state = np.random.RandomState(0)
    tangents = _tree_map(lambda x: _random(state, x), args)
    out, moved = f_jvp(args, tangents)
    _close("check_jvp (values)", out, f(*args), atol, rtol, err_msg)
    _close("check_jvp", moved, _numerical(f, args, tangents, eps), atol, rtol, err_msg)


def check_vjp(
    f: Function,
    f_vjp: Function,
    args: Any,
    atol: Tolerance = None,
    rtol: Tolerance = None,
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
    state = np.random.RandomState(0)
    out, pull = f_vjp(*args)
    _close("check_vjp (values)", out, f(*args), atol, rtol, err_msg)
    tangents = _tree_map(lambda x: _random(state, x), args)
    moved = _numerical(f, args, tangents, eps)
    cts = _tree_map(lambda y: _random(state, y), out)
    back = pull(cts)
    forward, reverse = _inner(moved, cts), _inner(tangents, back)
    _close("check_vjp", reverse, forward.astype(reverse.dtype), atol, rtol, err_msg)


def _inner(a: Any, b: Any) -> Any:
    """The real part of the sum of products, in the dtype that the elements have in common."""
    total, kind = 0.0, None
    for x, y in zip(_tree_leaves(a), _tree_leaves(b), strict=True):
        if _dtypes.float0 in (np.asarray(x).dtype, np.asarray(y).dtype):
            continue
        for v in (x, y):
            real = _dtypes.to_real_dtype(_dtypes.canonicalize_dtype(_kind(v)))
            kind = real if kind is None else _dtypes.promote_types(kind, real)
        total += float(np.sum(_wide(np.asarray(x)) * _wide(np.asarray(y))).real)
    return np.asarray(total, kind)


def check_grads(
    f: Function,
    args: Any,
    order: int,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: Tolerance = None,
    rtol: Tolerance = None,
    eps: float | None = None,
) -> None:
    """Check the derivatives of ``f`` up to an order against differences, in random directions.

    Each mode is checked of ``f``, and in turn of the derivatives that each mode gives: at order 2 of ("fwd", "rev") the
    forward derivative is differentiated forward and in reverse, and so is the reverse one.

    Args:
      f: the function, of pytrees of arrays; it is differentiated by all of them that are not of integers.
      args: a tuple of arguments.
      order: of the highest derivatives to be checked.
      modes: "fwd" (``jvp``), "rev" (``vjp``), "lin" (``linearize``), or several.
      atol, rtol: tolerances, as for ``check_jvp``.
      eps: the step of the differences; by default 1e-4.

    Raises:
      AssertionError: a derivative differs. ValueError: an unknown mode.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.test_util.check_grads(cnp.sin, (0.5,), order=2, atol=1e-2, rtol=1e-2, eps=1e-2)
    """
    named = [mode for mode in _CHECKS if mode in modes]
    unknown = set(() if isinstance(modes, str) and named else [modes] if isinstance(modes, str) else modes) - {*_CHECKS}
    if unknown:
        raise ValueError(f"{_where()}: check_grads: unknown mode {min(unknown)!r}; there are 'fwd', 'rev' and 'lin'")
    leaves, structure = _tree_flatten(tuple(args))
    kept = [k for k, x in enumerate(leaves) if _differentiable(x)]

    def of_kept(*xs: Any) -> Any:
        values = list(leaves)
        for k, x in zip(kept, xs, strict=True):
            values[k] = x
        return f(*_tree_unflatten(structure, values))

    def check(g: Function, point: tuple[Any, ...], left: int, said: str) -> None:
        for mode in named:
            text = f"{mode} of {said}" if said else mode
            checker, transform, derivative, doubles = _CHECKS[mode]
            checker(g, partial(transform, g), point, atol, rtol, eps or _EPS, text)
            if left > 1:
                check(partial(derivative, g), (point, point) if doubles else point, left - 1, text)

    check(of_kept, tuple(leaves[k] for k in kept), order, "")


def _linearized(f: Function, primals: Any, tangents: Any) -> Any:
    out, linear = _api.linearize(f, *primals)
    return out, linear(*tangents)


def _pushed(transform: Function, f: Function, primals: Any, tangents: Any) -> Any:
    """The value and its tangents, as a function that can be differentiated: without those of integers."""
    out, moved = transform(f, primals, tangents)
    return out, [t for x, t in zip(_tree_leaves(out), _tree_leaves(moved), strict=True) if _differentiable(x)]


def _pulled(f: Function, *primals: Any) -> Any:
    """The cotangents that the value itself gives, as a function that can be differentiated."""
    out, pull = _api.vjp(f, *primals)
    return pull(_tree_map(lambda y: y if _differentiable(y) else np.zeros(np.shape(y), _dtypes.float0), out))


# Each mode: its check, what is checked, the function to be differentiated further, and whether that takes tangents too.
_CHECKS: dict[str, tuple[Function, Function, Function, bool]] = {
    "fwd": (check_jvp, _api.jvp, partial(_pushed, _api.jvp), True),
    "rev": (check_vjp, _api.vjp, _pulled, False),
    "lin": (check_jvp, _linearized, partial(_pushed, _linearized), True),
}

_tracebacks.guard(globals())
