"""Python functions that run on the host in the middle of a program, as parameters of the callback primitives.

A host function takes and gives NumPy arrays: ``function(arrays, avals)`` returns one array of each of the types
``avals``. What the user's function gets are Arrays. Knows no primitive, no transform and no compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.backend import Device, get_backend
from cotan.errors import BackendUnavailableError, a_type, where
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, shaped
from cotan.ir.trace import eval_trace, set_current_trace
from cotan.runtime.devices import new_array_device
from cotan.runtime.host import from_words
from cotan.tree import PyTreeDef, keystr, tree_flatten_with_path
from cotan.tree.calling import fun_name, fun_place

HostArrays = Sequence[np.ndarray[Any, Any]]


def host_device() -> Device:
    """Where the arguments of callbacks lie: a CPU device if there is one, else where new arrays go."""
    device = new_array_device()
    if device.platform != "cpu":
        try:
            device = get_backend("cpu").devices()[0]
        except BackendUnavailableError:
            return device
    return device


class UserFunction:
    """A user's function of pytrees.

    Args:
      fun: the function.
      api: what messages call the way in which it is called back.
      in_tree: the structure of ``(args, kwargs)``.
      avals: the types of the leaves that are arrays.
      static: (place, value) of the leaves that are not.
      out_tree: the structure of the result; None: the result does not matter.
    """

    __slots__ = ("api", "avals", "fun", "in_tree", "out_tree", "static")

    def __init__(
        self,
        fun: Callable[..., Any],
        api: str,
        in_tree: PyTreeDef,
        avals: Sequence[ShapedArray],
        static: Sequence[tuple[int, Any]] = (),
        out_tree: PyTreeDef | None = None,
    ) -> None:
        self.fun = fun
        self.api = api
        self.in_tree = in_tree
        self.avals = tuple(avals)
        self.static = tuple(static)
        self.out_tree = out_tree

    def __call__(self, arrays: HostArrays, avals: Sequence[ShapedArray]) -> list[np.ndarray[Any, Any]]:
        device = host_device()
        leaves: list[Any] = [from_words(x, _typed(aval, x), device) for aval, x in zip(self.avals, arrays, strict=True)]
        for place, value in self.static:
            leaves.insert(place, value)
        args, kwargs = self.in_tree.unflatten(leaves)
        with set_current_trace(eval_trace):
            result = self.fun(*args, **kwargs)
        return [] if self.out_tree is None else self._checked(result, avals)

    def __repr__(self) -> str:
        return fun_name(self.fun)

    def described(self) -> str:
        """How messages name the function: with the place where it was defined."""
        place = fun_place(self.fun)
        return f"{self.api}: the callback `{fun_name(self.fun)}`{f' ({place})' if place else ''}"

    def _checked(self, result: Any, avals: Sequence[ShapedArray]) -> list[np.ndarray[Any, Any]]:
        found = tree_flatten_with_path(result)[0]
        assert self.out_tree is not None
        declared = [path for path, _ in tree_flatten_with_path(self.out_tree.unflatten(range(len(avals))))[0]]
        paths = [keystr(path) for path, _ in found]
        if paths != list(map(keystr, declared)):
            raise TypeError(
                f"{where()}: {self.described()} returned {_listed(paths)}, but result_shape_dtypes declares "
                f"{_listed(list(map(keystr, declared)))}"
            )
        return [self._checked_leaf(path, x, aval) for path, (_, x), aval in zip(paths, found, avals, strict=True)]

    def _checked_leaf(self, path: str, x: Any, aval: ShapedArray) -> np.ndarray[Any, Any]:
        problem = None
        if not is_array_like(x):
            problem = f"{a_type(x)}, which is not an array"
        elif type(x) in (bool, int, float, complex):
            if not aval.shape and dtypes.promote_types(dtypes.dtype(x), aval.dtype) == aval.dtype:
                return np.asarray(x, aval.dtype)
            problem = f"the number {x!r}"
        else:
            given = get_aval(x)
            if given.shape == aval.shape and given.dtype == aval.dtype:
                return np.asarray(x, aval.dtype)
            problem = given.short()
        raise TypeError(
            f"{where()}: {self.described()} returned {problem}{f' at {path}' if path else ''}, but "
            f"result_shape_dtypes declares {aval.short()} there"
        )


def _typed(aval: ShapedArray, x: np.ndarray[Any, Any]) -> ShapedArray:
    """The type of the Array for ``x``: random keys come as their words, and all else is what it is."""
    if dtypes.is_extended(aval.dtype):
        trailing = len(aval.dtype.trailing)
        return shaped(x.shape[: x.ndim - trailing], aval.dtype)
    return shaped(x.shape, x.dtype)


def _listed(paths: Sequence[str]) -> str:
    if not paths:
        return "no arrays"
    if paths == [""]:
        return "one array"
    return f"arrays at {', '.join(path or 'the top' for path in paths)}"


HostFunction = Callable[[HostArrays, Sequence[ShapedArray]], list[np.ndarray[Any, Any]]]


class PerExample:
    """A host function run once for each example along an axis, in their order.

    Args:
      inner: the function of one example.
      dims: for each operand, the axis of the examples, or None.
      size: how many examples there are.
    """

    __slots__ = ("dims", "inner", "size")

    def __init__(self, inner: HostFunction, dims: Sequence[int | None], size: int) -> None:
        self.inner = inner
        self.dims = tuple(dims)
        self.size = size

    def __call__(self, arrays: HostArrays, avals: Sequence[ShapedArray]) -> list[np.ndarray[Any, Any]]:
        each = [shaped(aval.shape[1:], aval.dtype) for aval in avals]
        results = [np.empty(aval.shape, aval.dtype) for aval in avals]
        for n in range(self.size):
            example = [
                x if dim is None else x[(slice(None),) * dim + (n,)] for x, dim in zip(arrays, self.dims, strict=True)
            ]
            for whole, part in zip(results, self.inner(list(map(np.asarray, example)), each), strict=True):
                whole[n] = part
        return results

    def __repr__(self) -> str:
        return f"PerExample({self.inner})"


class Where:
    """A host function that runs only where its first operand, a bool scalar, is true; else its results are zeros."""

    __slots__ = ("inner",)

    def __init__(self, inner: HostFunction) -> None:
        self.inner = inner

    def __call__(self, arrays: HostArrays, avals: Sequence[ShapedArray]) -> list[np.ndarray[Any, Any]]:
        if bool(arrays[0]):
            return self.inner(arrays[1:], avals)
        return [np.zeros(aval.shape, aval.dtype) for aval in avals]

    def __repr__(self) -> str:
        return f"Where({self.inner})"


def innermost(function: Any) -> UserFunction:
    """The user's function inside of a host function."""
    while not isinstance(function, UserFunction):
        function = function.inner
    return function
