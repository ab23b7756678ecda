"""Grids and index helpers: ``mgrid``, ``r_``, ``ix_``, indices of triangles and diagonals. All extents are known."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.errors import where
from cotan.numpy import creation, manipulation, reductions, ufuncs
from cotan.numpy.elementwise import strong
from cotan.numpy.promotion import as_array

s_, index_exp = np.s_, np.index_exp


class _Grid:
    """An object whose slices are coordinates: ``grid[0:3, 0:1:5j]``; a complex step counts the samples."""

    def __init__(self, name: str, sparse: bool) -> None:
        self._name, self._sparse = name, sparse

    def __repr__(self) -> str:
        return f"cotan.numpy.{self._name}"

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, tuple):
            return _samples(key, self._name)
        vectors = [_samples(piece, self._name) for piece in key]
        common = np.dtype(dtypes.lattice_result_type(*vectors)[0]) if vectors else None
        grids = creation.meshgrid(*(v.astype(common) for v in vectors), indexing="ij", sparse=self._sparse)
        return grids if self._sparse else manipulation.stack(grids)


def _samples(piece: Any, name: str) -> Any:
    if not isinstance(piece, slice):
        raise TypeError(f"{name} takes slices, got {type(piece).__name__}; write start:stop:step")
    start = 0 if piece.start is None else piece.start
    if isinstance(piece.step, complex):
        return creation.linspace(start, piece.stop, int(abs(piece.step)))
    return creation.arange(start, piece.stop, piece.step)


mgrid, ogrid = _Grid("mgrid", False), _Grid("ogrid", True)


class _Joined:
    """An object whose pieces, slices or arrays, are joined: ``r_[0:3, 7, x]``.

    A directive may come first: 'axis,ndim,start', the axis of joining, how many axes pieces have at least, and where
    the axes of a piece that has fewer begin; or 'r' or 'c', which make a row or a column of a vector.
    """

    def __init__(self, name: str, axis: int, ndim: int, start: int) -> None:
        self._name, self._layout = name, (axis, ndim, start)

    def __repr__(self) -> str:
        return f"cotan.numpy.{self._name}"

    def __getitem__(self, key: Any) -> Any:
        pieces = key if isinstance(key, tuple) else (key,)
        directive = pieces[0] if pieces and isinstance(pieces[0], str) else ""
        vector = {"r": (1, -1), "c": (-1, 1)}.get(directive)
        axis, ndim, start = self._layout if vector or not directive else self._parsed(directive)
        arrays = [self._array(piece, ndim, start) for piece in pieces[bool(directive) :]]
        joined = manipulation.concatenate(arrays, axis)
        return manipulation.reshape(joined, vector) if vector and joined.ndim == 1 else joined

    def _parsed(self, directive: str) -> tuple[int, int, int]:
        try:
            given = [int(part) for part in directive.split(",")]
        except ValueError:
            given = []
        if not 1 <= len(given) <= 3:
            raise ValueError(
                f"{where()}: {self._name} does not know the directive {directive!r}; use 'r', 'c' or "
                "'axis,ndim,start', integers of which the last ones may be left out"
            )
        axis, ndim, start = (*given, *self._layout[len(given) :])
        return axis, ndim, start

    def _array(self, piece: Any, ndim: int, start: int) -> Any:
        x = _samples(piece, self._name) if isinstance(piece, slice) else creation.asarray(piece)
        missing = ndim - x.ndim
        if missing <= 0:
            return x
        before = start if start >= 0 else start + missing + 1
        if not x.ndim:
            return manipulation.reshape(x, (1,) * ndim)
        if not 0 <= before <= missing:
            raise ValueError(
                f"{where()}: {self._name}: the axes of a piece of shape {tuple(x.shape)} cannot begin at {start} of "
                f"{ndim}; begin at 0 to {missing}, or at -1"
            )
        return manipulation.reshape(x, (1,) * before + tuple(x.shape) + (1,) * (missing - before))


r_, c_ = _Joined("r_", 0, 1, -1), _Joined("c_", -1, 2, 0)


def ix_(*args: Any) -> tuple[Any, ...]:
    """Vectors shaped so that, as indices, they pick the grid of their products; masks become positions.

    >>> import cotan.numpy as cnp
    >>> rows, columns = cnp.ix_(cnp.array([0, 2]), cnp.array([1, 2, 3]))
    >>> rows.shape, columns.shape
    ((2, 1), (1, 3))
    """
    result = []
    for place, arg in enumerate(args):
        vector = as_array(arg, "ix_")
        if vector.ndim != 1:
            raise ValueError(f"ix_ needs vectors, got shape {tuple(vector.shape)} at position {place}")
        if vector.dtype == np.bool_:
            vector = creation.asarray(np.nonzero(np.asarray(vector))[0])
        result.append(manipulation.reshape(vector, (1,) * place + (-1,) + (1,) * (len(args) - place - 1)))
    return tuple(result)


def _known(places: tuple[np.ndarray, ...]) -> tuple[Any, ...]:
    return tuple(creation.asarray(place.astype(dtypes.default_int())) for place in places)


def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, Any]:
    """The indices of the elements at and below diagonal ``k`` of an n x m matrix.

    >>> import cotan.numpy as cnp
    >>> cnp.tril_indices(2)
    (Array([0, 1, 1], dtype=int32), Array([0, 0, 1], dtype=int32))
    """
    rows, columns = _known(
        np.tril_indices(operator.index(n), operator.index(k), None if m is None else operator.index(m))
    )
    return rows, columns


def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Any, Any]:
    """The indices of the elements at and above diagonal ``k`` of an n x m matrix."""
    rows, columns = _known(
        np.triu_indices(operator.index(n), operator.index(k), None if m is None else operator.index(m))
    )
    return rows, columns


def _matrix_shape(arr: Any, name: str) -> tuple[int, int]:
    shape = manipulation.shape(arr)
    if len(shape) != 2:
        raise ValueError(f"{name} needs a matrix, got shape {shape}; map it over more axes with cotan.vmap")
    return shape[0], shape[1]


def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, Any]:
    """``tril_indices`` of the shape of a matrix."""
    n, m = _matrix_shape(arr, "tril_indices_from")
    return tril_indices(n, k, m)


def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, Any]:
    """``triu_indices`` of the shape of a matrix."""
    n, m = _matrix_shape(arr, "triu_indices_from")
    return triu_indices(n, k, m)


def diag_indices(n: int, ndim: int = 2) -> tuple[Any, ...]:
    """The indices of the main diagonal of an array of ``ndim`` axes of extent ``n``."""
    return (creation.arange(operator.index(n)),) * operator.index(ndim)


def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """``diag_indices`` of the shape of an array whose extents are equal."""
    shape = manipulation.shape(arr)
    if len(shape) < 2 or len(set(shape)) != 1:
        raise ValueError(f"diag_indices_from needs at least two axes of equal extents, got shape {shape}")
    return diag_indices(shape[0], len(shape))


def diagflat(v: Any, k: int = 0) -> Any:
    """A matrix with the elements of ``v`` on diagonal ``k``."""
    return manipulation.diag(strong(manipulation.ravel(v)), k)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of a vector as columns, the highest first.

    >>> import cotan.numpy as cnp
    >>> cnp.vander(cnp.array([2, 3]), 3)
    Array([[4, 2, 1],
           [9, 3, 1]], dtype=int32)
    """
    x = as_array(x, "vander")
    if x.ndim != 1:
        raise ValueError(f"vander needs a vector, got shape {tuple(x.shape)}")
    count = x.shape[0] if N is None else operator.index(N)
    if count < 0:
        raise ValueError(f"vander: the number of columns must not be negative, got {count}")
    exponents = np.arange(count, dtype=np.int32)
    return ufuncs.power(x[:, None], exponents if increasing else exponents[::-1]).astype(x.dtype)


def block(arrays: Any) -> Any:
    """An array assembled from nested lists of blocks: the innermost lists join along the last axis, and so outwards.

    Raises:
      ValueError: the lists are nested to different depths, or one is empty.
    """
    depth = _depth(arrays)
    leaves = [as_array(leaf, "block") for leaf in _leaves(arrays)]
    rank = max(depth, *(leaf.ndim for leaf in leaves))
    return _assembled(arrays, depth, rank)


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(item) for item in arrays}
    if len(depths) != 1:
        raise ValueError("block: lists are empty or nested to different depths; nest all of them alike")
    return depths.pop() + 1


def _leaves(arrays: Any) -> list[Any]:
    return list(itertools.chain.from_iterable(map(_leaves, arrays))) if isinstance(arrays, list) else [arrays]


def _assembled(arrays: Any, depth: int, rank: int) -> Any:
    if depth:
        return manipulation.concatenate([_assembled(item, depth - 1, rank) for item in arrays], rank - depth)
    leaf = as_array(arrays, "block")
    return manipulation.reshape(leaf, (1,) * (rank - leaf.ndim) + tuple(leaf.shape))


def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = True) -> Any:
    """A copy of ``a`` with ``val`` on its main diagonal; ``inplace=False`` says that a copy is meant.

    Raises:
      ValueError: ``inplace`` (arrays are immutable), fewer than two axes, or unequal extents of more than two.
    """
    if inplace:
        raise ValueError("fill_diagonal: arrays are immutable; give inplace=False and use the returned array")
    a = as_array(a, "fill_diagonal")
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) != 1):
        raise ValueError(f"fill_diagonal needs a matrix or equal extents, got shape {tuple(a.shape)}")
    length = min(a.shape)
    if wrap and a.ndim == 2 and a.shape[0] > a.shape[1]:
        places = np.arange(0, a.size, a.shape[1] + 1)
        index = tuple(np.unravel_index(places, a.shape))
    else:
        index = (np.arange(length),) * a.ndim
    values = manipulation.ravel(val)
    count = len(index[0])
    repeated = values[np.arange(count) % values.shape[0]] if values.shape[0] > 1 else values
    return a.at[index].set(repeated.astype(a.dtype))


def put_along_axis(
    arr: Any, indices: Any, values: Any, axis: int | None, inplace: bool = True, *, mode: str | None = None
) -> Any:
    """A copy of ``arr`` with ``values`` written at an index array of its rank; ``inplace=False`` says a copy is meant.

    Raises:
      ValueError: ``inplace`` (arrays are immutable), or other ranks.
    """
    if inplace:
        raise ValueError("put_along_axis: arrays are immutable; give inplace=False and use the returned array")
    arr, indices = as_array(arr, "put_along_axis"), as_array(indices, "put_along_axis")
    if axis is None:
        return put_along_axis(manipulation.ravel(arr), indices, values, 0, False, mode=mode).reshape(arr.shape)
    if arr.ndim != indices.ndim:
        raise ValueError(
            f"put_along_axis: indices of {indices.ndim} dimensions for an array of {arr.ndim}; they must have as many"
        )
    axis = axis % arr.ndim
    extents = [indices.shape[d] if d == axis else n for d, n in enumerate(arr.shape)]
    places: list[Any] = [
        manipulation.reshape(np.arange(n, dtype=np.int32), tuple(n if e == d else 1 for e in range(arr.ndim)))
        for d, n in enumerate(extents)
    ]
    places[axis] = indices
    return arr.at[tuple(places)].set(values, mode=mode)


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Running sum along an axis, which vectors need not name; ``include_initial`` puts a 0 before it."""
    return _cumulative("cumulative_sum", reductions.cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Running product along an axis, which vectors need not name; ``include_initial`` puts a 1 before it."""
    return _cumulative("cumulative_prod", reductions.cumprod, 1, x, axis, dtype, include_initial)


def _cumulative(
    name: str, running: Any, initial: int, x: Any, axis: int | None, dtype: Any, include_initial: bool
) -> Any:
    x = as_array(x, name)
    if x.ndim == 0 or (axis is None and x.ndim > 1):
        raise ValueError(f"{name}: an array of {x.ndim} dimensions needs an axis, got {axis}")
    axis = 0 if axis is None else axis
    if dtype is None and x.dtype.kind in "biu":
        # As sums do, and unlike `cumsum`, narrow integers widen.
        dtype = reductions.accumulator(x.dtype)
    result = running(x, axis=axis, dtype=dtype)
    if not include_initial:
        return result
    shape = [1 if d == axis % x.ndim else n for d, n in enumerate(x.shape)]
    return manipulation.concatenate([creation.full(shape, initial, result.dtype), result], axis)
