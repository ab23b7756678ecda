"""cotan.flatten_util: a pytree of arrays as one vector, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cotan import dtypes as _dtypes
from cotan import lax as _lax
from cotan import numpy as _numpy
from cotan import tracebacks as _tracebacks
from cotan.errors import where as _where
from cotan.ir.avals import get_aval as _get_aval
from cotan.numpy.promotion import as_array as _as_array
from cotan.tree import Partial as _Partial
from cotan.tree import PyTreeDef
from cotan.tree import tree_flatten as _tree_flatten


def ravel_pytree(pytree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """All arrays of a pytree as one vector, and the function that makes the pytree of such a vector.

    Args:
      pytree: of arrays and scalars; their dtypes are promoted to a common one.

    Returns:
      The vector, and a function (itself a pytree) from vectors of that length to pytrees with the original dtypes.

    Raises:
      TypeError: a leaf is no array. ValueError: (of the function) a vector of another length.

    >>> import cotan, cotan.numpy as cnp
    >>> vector, restore = cotan.flatten_util.ravel_pytree({"a": cnp.ones(2), "b": 3.0})
    >>> vector
    Array([1., 1., 3.], dtype=float32)
    >>> restore(2 * vector)
    {'a': Array([2., 2.], dtype=float32), 'b': Array(6., dtype=float32)}
    """
    leaves, tree = _tree_flatten(pytree)
    if not leaves:
        return _numpy.zeros(0), _Partial(_Restore(tree, (), (), _dtypes.default_float()))
    arrays = [_as_array(leaf, "ravel_pytree") for leaf in leaves]
    shapes = tuple(tuple(x.shape) for x in arrays)
    kinds = tuple(_get_aval(x).dtype for x in arrays)
    if len(set(kinds)) > 1:  # by dtypes alone, for a weakly typed leaf is to come back as it was
        common = _numpy.result_type(*kinds)
        arrays = [_lax.convert_element_type(x, common) for x in arrays]
    vector = _lax.concatenate([_numpy.ravel(x) for x in arrays], 0)
    return vector, _Partial(_Restore(tree, shapes, kinds, vector.dtype))


class _Restore:
    """From vectors back to pytrees; equal for equal structures, so that programs that hold it are found again."""

    __slots__ = ("_key",)

    def __init__(self, tree: PyTreeDef, shapes: tuple[Any, ...], kinds: tuple[Any, ...], dtype: Any) -> None:
        self._key = (tree, shapes, kinds, dtype)

    def __call__(self, vector: Any) -> Any:
        tree, shapes, kinds, dtype = self._key
        x = _as_array(vector, "the inverse of ravel_pytree")
        sizes = [math.prod(shape) for shape in shapes]
        if tuple(x.shape) != (sum(sizes),):
            raise ValueError(
                f"{_where()}: the inverse of ravel_pytree takes a vector of {sum(sizes)} elements, got shape "
                f"{tuple(x.shape)}"
            )
        if len(set(kinds)) > 1 and x.dtype != dtype:
            raise TypeError(
                f"{_where()}: the inverse of ravel_pytree of leaves of several dtypes takes a vector of dtype {dtype}, "
                f"got {x.dtype}; convert it with .astype"
            )
        leaves, start = [], 0
        for size, shape, kind in zip(sizes, shapes, kinds, strict=True):
            part = _lax.reshape(x[start : start + size], shape)
            leaves.append(part if len(set(kinds)) == 1 else _numpy.astype(part, kind))
            start += size
        return tree.unflatten(leaves)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Restore) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


_tracebacks.guard(globals())
