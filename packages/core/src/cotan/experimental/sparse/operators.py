"""Elementwise arithmetic and matrix products of sparse arrays with each other, with arrays and with numbers.

What would store something for every element is refused, unless the other operand does already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan.errors import where
from cotan.experimental.sparse.array import BCOO, sizes_of
from cotan.experimental.sparse.base import JAXSparse
from cotan.experimental.sparse.conversion import bcoo_sum_duplicates
from cotan.experimental.sparse.layout import add_up, batch_places, columns, inside, masked, spread
from cotan.experimental.sparse.products import bcoo_dot_general, bcoo_multiply_dense, bcoo_multiply_sparse, values_at
from cotan.experimental.sparse.relayout import bcoo_update_layout
from cotan.experimental.sparse.shaping import bcoo_broadcast_in_dim, bcoo_transpose
from cotan.ir.avals import is_array_like
from cotan.numpy.promotion import as_array, promote_dtypes


def with_data(mat: BCOO, data: Any) -> BCOO:
    """``mat`` with other stored values."""
    return BCOO((data, mat.indices), **mat._info._asdict())


def apart(mat: BCOO) -> BCOO:
    """``mat`` without elements of equal indices, for functions that are not linear."""
    return mat if mat.unique_indices else bcoo_sum_duplicates(mat, nse=mat.nse)


def as_bcoo(x: Any) -> Any:
    """A sparse array as a BCOO; all else as it is."""
    return x.to_bcoo() if isinstance(x, JAXSparse) and not isinstance(x, BCOO) else x


def would_be_dense(what: str) -> NotImplementedError:
    """The exception for what a sparse array cannot hold."""
    return NotImplementedError(
        f"{where()}: {what} of a sparse array would be dense; if that is meant, use sparse.todense() first"
    )


def to_shape(mat: BCOO, shape: tuple[int, ...]) -> BCOO:
    """``mat`` broadcast to ``shape``, as NumPy does."""
    if mat.shape == shape:
        return mat
    lacking = len(shape) - mat.ndim
    return bcoo_broadcast_in_dim(mat, shape=shape, broadcast_dimensions=tuple(range(lacking, len(shape))))


def _common_shape(name: str, x: Any, y: Any) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        raise TypeError(
            f"{where()}: {name} got incompatible shapes for broadcasting: {tuple(x.shape)}, {tuple(y.shape)}."
        ) from None


def _one_dtype(x: BCOO, y: BCOO) -> tuple[BCOO, BCOO]:
    data = promote_dtypes("add", x.data, y.data)
    return with_data(x, data[0]), with_data(y, data[1])


def add(x: Any, y: Any) -> Any:
    """The sum: of two sparse arrays the elements of both; of a sparse and a dense one dense."""
    x, y = as_bcoo(x), as_bcoo(y)
    if not isinstance(x, BCOO):
        x, y = y, x
    if not isinstance(y, BCOO):
        return _add_dense(x, y)
    shape = _common_shape("add", x, y)
    x, y = _one_dtype(to_shape(x, shape), to_shape(y, shape))
    n_batch, n_dense = min(x.n_batch, y.n_batch), min(x.n_dense, y.n_dense)
    x, y = (bcoo_update_layout(m, n_batch=n_batch, n_dense=n_dense) for m in (x, y))
    batch, _middle, _ = sizes_of(x)
    data = cnp.concatenate([spread(m.data, batch) for m in (x, y)], axis=n_batch)
    indices = [spread(m.indices, batch) for m in (x, y)]
    indices = [i.astype(indices[0].dtype) for i in indices]
    return BCOO((data, cnp.concatenate(indices, axis=n_batch)), shape=shape)


def _add_dense(mat: BCOO, y: Any) -> Any:
    y = as_array(y, "add")
    shape = _common_shape("add", mat, y)
    if y.shape != shape:
        raise NotImplementedError(
            f"{where()}: add: the sum of a sparse array of shape {mat.shape} and an array of shape {y.shape} would be "
            "dense, and larger than both; use sparse.todense() for the sparse one if that is meant"
        )
    data, y = promote_dtypes("add", mat.data, y)
    mat = to_shape(with_data(mat, data), shape)
    batch = sizes_of(mat)[0]
    places = [*batch_places(batch), *columns(mat.indices)]
    values = spread(mat.data, batch)
    if not mat.n_sparse:
        return y + values.sum(axis=mat.n_batch)
    if y.dtype == np.bool_:
        return y | add_up(values, places, shape)
    return y.at[tuple(places)].add(values, mode="drop", wrap_negative_indices=False)


def sub(x: Any, y: Any) -> Any:
    """The difference."""
    return add(x, with_data(y, -y.data) if isinstance(y, BCOO) else _negative(y))


def _negative(y: Any) -> Any:
    y = as_bcoo(y)
    return with_data(y, -y.data) if isinstance(y, BCOO) else -y


def mul(x: Any, y: Any) -> BCOO:
    """The elementwise product, which is sparse if one operand is."""
    x, y = as_bcoo(x), as_bcoo(y)
    if not isinstance(x, BCOO):
        x, y = y, x
    if isinstance(y, BCOO):
        shape = _common_shape("mul", x, y)
        return bcoo_multiply_sparse(to_shape(x, shape), to_shape(y, shape))
    y = as_array(y, "mul") if not isinstance(y, int | float | complex) else y
    if isinstance(y, int | float | complex):
        return with_data(x, x.data * y)
    x = to_shape(x, _common_shape("mul", x, y))
    return with_data(x, bcoo_multiply_dense(x, y))


def div(x: Any, y: Any) -> BCOO:
    """The quotient of a sparse array by a number or a dense array."""
    x, y = as_bcoo(x), as_bcoo(y)
    if isinstance(y, BCOO):
        raise NotImplementedError(
            f"{where()}: div: a quotient by a sparse array would be dense, or 0 / 0; use sparse.todense() for it first"
        )
    if isinstance(y, int | float | complex):
        return with_data(x, x.data / y)
    y = as_array(y, "div")
    if not y.ndim:
        return with_data(x, x.data / y)
    x = to_shape(x, _common_shape("div", x, y))
    divisor = values_at(x, y)
    keep = inside(columns(x.indices), sizes_of(x)[1])
    if keep is None:
        return with_data(x, x.data / divisor)
    # Padding has no divisor: 1 in its place, so that neither values nor derivatives are NaN.
    wide = cnp.expand_dims(keep, tuple(range(keep.ndim, keep.ndim + x.n_dense)))
    return with_data(x, masked(x.data / cnp.where(wide, divisor, cnp.ones((), divisor.dtype)), keep, x.n_dense))


def power(x: BCOO, y: Any) -> BCOO:
    """A positive power, of a number that is known."""
    known = isinstance(y, int | float) or (isinstance(y, np.ndarray | np.generic) and np.ndim(y) == 0)
    if not known or not y > 0:
        raise NotImplementedError(
            f"{where()}: power: sparse arrays have powers by positive numbers only, since others of 0 are not 0; got "
            f"{y!r}"
        )
    x = apart(x)
    return with_data(x, x.data**y)


def matmul(x: Any, y: Any) -> Any:
    """The matrix product, by the rules of ``numpy.matmul``."""
    x, y = (as_bcoo(v) if isinstance(v, JAXSparse) else as_array(v, "matmul") for v in (x, y))
    if not x.ndim or not y.ndim:
        raise ValueError(
            f"{where()}: matmul: operands need at least one axis, got shapes {tuple(x.shape)} and {tuple(y.shape)}"
        )
    extra_x, extra_y = max(x.ndim - 2, 0), max(y.ndim - 2, 0)
    lead = min(extra_x, extra_y)
    x_batch, y_batch = tuple(range(extra_x - lead, extra_x)), tuple(range(extra_y - lead, extra_y))
    x, y = _equal_batches(x, y, x_batch, y_batch)
    over_y = y.ndim - 2 if y.ndim > 1 else 0
    out = bcoo_dot_general(x, y, dimension_numbers=(((x.ndim - 1,), (over_y,)), (x_batch, y_batch)))
    # Axes of the product: common batches, what is left of x, what is left of y. Longer batches come first.
    longer_x, longer_y = extra_x - lead, extra_y - lead
    rows = 1 if x.ndim > 1 else 0
    common = list(range(lead))
    of_x = list(range(lead, lead + longer_x))
    row = list(range(lead + longer_x, lead + longer_x + rows))
    first = lead + longer_x + rows
    of_y = list(range(first, first + longer_y))
    rest = list(range(first + longer_y, out.ndim))
    order = [*of_x, *of_y, *common, *row, *rest]
    if order == list(range(out.ndim)):
        return out
    return bcoo_transpose(out, permutation=order) if isinstance(out, BCOO) else cnp.transpose(out, order)


def _equal_batches(x: Any, y: Any, x_batch: tuple[int, ...], y_batch: tuple[int, ...]) -> tuple[Any, Any]:
    """Operands whose common batch axes, of size 1 perhaps, are broadcast to equal sizes."""
    x_shape, y_shape = list(x.shape), list(y.shape)
    for a, b in zip(x_batch, y_batch, strict=True):
        size = max(x_shape[a], y_shape[b]) if 1 in (x_shape[a], y_shape[b]) else None
        if 0 in (x_shape[a], y_shape[b]):
            size = 0
        if size is not None:
            x_shape[a] = y_shape[b] = size
    return tuple(
        v if list(v.shape) == shape
        else to_shape(v, tuple(shape)) if isinstance(v, BCOO) else cnp.broadcast_to(v, tuple(shape))
        for v, shape in ((x, x_shape), (y, y_shape))
    )  # type: ignore[return-value]  # fmt: skip


_BINARY: dict[str, Callable[..., Any]] = {"add": add, "sub": sub, "mul": mul, "truediv": div, "matmul": matmul}
_UNARY: dict[str, Callable[..., Any]] = {
    "neg": lambda x: with_data(x, lax.neg(x.data)),
    "pos": lambda x: x,
    "abs": lambda x: with_data(apart(x), cnp.abs(apart(x).data)),
}


def operate(name: str, x: BCOO, *others: Any) -> Any:
    """What an operator of a BCOO gives."""
    if name in _UNARY:
        return _UNARY[name](x)
    (other,) = others
    if not (isinstance(other, JAXSparse) or is_array_like(other)):
        return NotImplemented
    reflected = name[1:] in _BINARY and name not in _BINARY
    if reflected:
        name = name[1:]
    if name == "pow":
        return power(x, other)
    if name not in _BINARY:
        raise would_be_dense(name)
    return _BINARY[name](other, x) if reflected else _BINARY[name](x, other)
