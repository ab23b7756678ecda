"""Functions that take functions: ``vectorize`` by nested ``vmap``, ``apply_along_axis``, ``piecewise``."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from cotan.api.vmap import vmap
from cotan.numpy import creation, manipulation, selection
from cotan.numpy.promotion import as_array, normalize_axis

Function = Callable[..., Any]
Dims = tuple[str, ...]
_GROUP = re.compile(r"\(([^()]*)\)")


def _parsed(signature: str) -> tuple[list[Dims], list[Dims]]:
    """The names of the core axes of every argument and result."""
    sides = signature.replace(" ", "").split("->")
    if len(sides) != 2 or any(not re.fullmatch(r"(\([\w,]*\)(,\([\w,]*\))*)?", side) for side in sides):
        raise ValueError(f"vectorize: {signature!r} is no signature such as '(n,m),(m)->(n)'")
    inputs, outputs = ([tuple(filter(None, group.split(","))) for group in _GROUP.findall(side)] for side in sides)
    return inputs, outputs


def vectorize(
    pyfunc: Function, *, excluded: Collection[int | str] = frozenset(), signature: str | None = None
) -> Function:
    """A function of arrays with broadcasting, from one of scalars, or of the core axes that ``signature`` names.

    Args:
      pyfunc: the function.
      excluded: positions and names of arguments that are passed as they are.
      signature: the core axes, as in '(n,m),(m)->(n)'; without it all arguments and results are scalars.

    Raises:
      ValueError: (when called) the arguments don't fit the signature or each other.

    >>> import cotan.numpy as cnp
    >>> inner = cnp.vectorize(lambda x, y: x @ y, signature="(n),(n)->()")
    >>> inner(cnp.ones((2, 3)), cnp.arange(3.0))
    Array([3., 3.], dtype=float32)
    """
    core = None if signature is None else _parsed(signature)
    if any(not isinstance(name, int | str) for name in excluded):
        raise TypeError(f"vectorize: excluded must be positions and names of arguments, got {set(excluded)}")

    @functools.wraps(pyfunc)
    def function(*args: Any, **kwargs: Any) -> Any:
        names = [name for name in kwargs if name not in excluded]
        places = [place for place in range(len(args)) if place not in excluded]
        arrays = [creation.asarray(x) for x in [*(args[p] for p in places), *(kwargs[n] for n in names)]]
        inputs = [()] * len(arrays) if core is None else core[0]
        if len(inputs) != len(arrays):
            raise ValueError(
                f"vectorize: {len(arrays)} arguments for the signature {signature!r}; exclude those that are no arrays"
            )

        def one(*mapped: Any) -> Any:
            positional, named = list(args), dict(kwargs)
            for place, value in zip(places, mapped, strict=False):
                positional[place] = value
            named.update(zip(names, mapped[len(places) :], strict=True))
            result = pyfunc(*positional, **named)
            _check_results(result, None if core is None else core[1], extents, signature)
            return result

        extents = _core_extents(arrays, inputs, signature)
        return _mapped(one, arrays, [len(dims) for dims in inputs])

    return function


def _core_extents(arrays: Sequence[Any], inputs: Sequence[Dims], signature: str | None) -> dict[str, int]:
    extents: dict[str, int] = {}
    for n, (x, dims) in enumerate(zip(arrays, inputs, strict=True)):
        if x.ndim < len(dims):
            raise ValueError(
                f"vectorize: argument {n} of shape {tuple(x.shape)} has too few axes for {signature!r}; add some with "
                "None"
            )
        for name, extent in zip(dims, x.shape[x.ndim - len(dims) :], strict=True):
            if extents.setdefault(name, extent) != extent:
                raise ValueError(
                    f"vectorize: axis {name!r} of {signature!r} has extents {extents[name]} and {extent}; use two names"
                )
    return extents


def _check_results(result: Any, outputs: list[Dims] | None, extents: dict[str, int], signature: str | None) -> None:
    results = result if isinstance(result, tuple) else (result,)
    outputs = [()] * len(results) if outputs is None else outputs
    if len(results) != len(outputs):
        raise ValueError(f"vectorize: the function returned {len(results)} values for the signature {signature!r}")
    for value, dims in zip(results, outputs, strict=True):
        shape = manipulation.shape(value)
        if len(shape) != len(dims) or any(extents.setdefault(d, n) != n for d, n in zip(dims, shape, strict=True)):
            wanted = f"the axes {dims} of {signature!r}" if signature else "a scalar"
            raise ValueError(
                f"vectorize: the function returned shape {shape}, not {wanted} as the signature {signature!r} says"
            )


def _mapped(one: Function, arrays: Sequence[Any], core_ranks: Sequence[int]) -> Any:
    """Map over the leading axes, which broadcast; an axis of extent 1 that broadcasts is not mapped."""
    loops = [tuple(x.shape[: x.ndim - rank]) for x, rank in zip(arrays, core_ranks, strict=True)]
    common = manipulation.broadcast_shapes(*loops) if loops else ()
    has = [[False] * (len(common) - len(loop)) + [m == n for m, n in zip(loop, common[len(common) - len(loop) :])]
           for loop in loops]  # fmt: skip
    squeezed = []
    for x, loop, mask in zip(arrays, loops, has, strict=True):
        gone = tuple(d for d, kept in enumerate(mask[len(common) - len(loop) :]) if not kept)
        squeezed.append(manipulation.squeeze(x, gone) if gone else x)
    for d in reversed(range(len(common))):
        one = vmap(one, in_axes=tuple(0 if mask[d] else None for mask in has))
    return one(*squeezed)


def apply_along_axis(func1d: Function, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """``func1d`` of every vector along an axis; the axes of its result replace that axis."""
    arr = as_array(arr, "apply_along_axis")
    axis = normalize_axis(axis, arr.ndim, "apply_along_axis")

    def function(x: Any) -> Any:
        return func1d(x, *args, **kwargs)

    for trailing in range(1, arr.ndim - axis):
        function = vmap(function, in_axes=trailing, out_axes=-1)
    for _ in range(axis):
        function = vmap(function)
    return function(arr)


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
    """By element the function (or value) of the first condition that holds; one more function than conditions: else.

    Raises:
      ValueError: the numbers of conditions and functions don't fit.

    >>> import cotan.numpy as cnp
    >>> x = cnp.array([-2.0, 3.0])
    >>> cnp.piecewise(x, [x < 0, x >= 0], [lambda v: -v, 10.0])
    Array([ 2., 10.], dtype=float32)
    """
    x = as_array(x, "piecewise")
    conditions = condlist if isinstance(condlist, list | tuple) else [condlist]
    conditions = [as_array(creation.asarray(c), "piecewise") for c in conditions]
    if len(conditions) == 1 and conditions[0].ndim > x.ndim:
        conditions = list(conditions[0])
    functions = list(funclist)
    if len(functions) == len(conditions):
        functions.append(0)
    elif len(functions) != len(conditions) + 1:
        raise ValueError(
            f"piecewise: {len(functions)} functions for {len(conditions)} conditions; give one each, and perhaps a "
            "default"
        )
    values = [f(x, *args, **kwargs) if callable(f) else f for f in functions]
    *choices, default = (manipulation.broadcast_to(creation.asarray(v), x.shape).astype(x.dtype) for v in values)
    tests = [c.astype(np.bool_) for c in reversed(conditions)]  # where several hold, the last one counts
    return selection.select(tests, choices[::-1], default)
