"""Products of a BCOO and a dense array, and dense products at given places. The sparse operand is never made dense.

The dense operand is read at the places of the stored elements, multiplied, and added up at their places in the result:
memory grows with the number of stored elements times the size of what is left of the dense operand for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan.api import jit
from cotan.errors import where
from cotan.experimental.sparse.array import BCOO, check
from cotan.experimental.sparse.base import JAXSparse
from cotan.experimental.sparse.layout import add_up, batch_places, columns, take
from cotan.experimental.sparse.pairs import sparse_dot
from cotan.experimental.sparse.util import SparseInfo, check_integers
from cotan.numpy.promotion import as_array, promote_dtypes
from cotan.primitives.composed import composed

Axes = tuple[int, ...]
Numbers = tuple[tuple[Axes, Axes], tuple[Axes, Axes]]
NSE = -1  # the label of the axis of stored elements


def checked_numbers(api: str, numbers: Any, lhs: Sequence[int], rhs: Sequence[int]) -> Numbers:
    """Dimension numbers of a product, axes counted from the front.

    Raises:
      TypeError: they do not fit operands of these shapes.
    """
    (left, right), (left_batch, right_batch) = numbers
    pairs: list[Axes] = []
    for axes, shape in ((left, lhs), (right, rhs), (left_batch, lhs), (right_batch, rhs)):
        found = tuple(int(k) for k in axes)
        if any(not -len(shape) <= k < len(shape) for k in found):
            raise TypeError(f"{where()}: {api}: axes {found} are out of range for an operand of shape {tuple(shape)}")
        pairs.append(tuple(k % len(shape) for k in found))
    a, b, c, d = pairs
    for what, ours, theirs in (("contracting", a, b), ("batch", c, d)):
        sizes = tuple(lhs[k] for k in ours), tuple(rhs[k] for k in theirs)
        if sizes[0] != sizes[1]:
            raise TypeError(
                f"{where()}: {api}: {what} axes must have equal sizes, got {sizes[0]} and {sizes[1]} for operands of "
                f"shapes {tuple(lhs)} and {tuple(rhs)}"
            )
    if len({*a, *c}) != len(a) + len(c) or len({*b, *d}) != len(b) + len(d):
        raise TypeError(f"{where()}: {api}: an axis may be contracted or a batch axis once, got {numbers}")
    return (a, b), (c, d)


def bcoo_dot_general(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """A product as of ``lax.dot_general``, of operands of which one or both are sparse.

    Args:
      lhs, rhs: BCOO or arrays; dtypes are promoted.
      dimension_numbers: ``((lhs_contracting, rhs_contracting), (lhs_batch, rhs_batch))``.
      precision: has no influence. preferred_element_type: the dtype of the result.
      out_sharding: must be None, or for one device.

    Returns:
      A BCOO if both are sparse, without elements of equal indices; else an array.

    Raises:
      TypeError: the numbers do not fit the shapes.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> numbers = (((1,), (0,)), ((), ()))
    >>> sparse.bcoo_dot_general(2 * sparse.eye(2, 3), cnp.arange(3.0), dimension_numbers=numbers)
    Array([0., 2.], dtype=float32)
    """
    api = "bcoo_dot_general"
    operands = [x if isinstance(x, JAXSparse) else as_array(x, api) for x in (lhs, rhs)]
    for x in operands:
        if isinstance(x, JAXSparse):
            check(x, api)
    numbers = checked_numbers(api, dimension_numbers, *(x.shape for x in operands))
    lhs, rhs = (x if dtype is None else x.astype(dtype) for x, dtype in zip(operands, _common(operands), strict=True))
    if isinstance(lhs, BCOO) and isinstance(rhs, BCOO):
        out: Any = sparse_dot(lhs, rhs, numbers)
    elif isinstance(lhs, BCOO):
        out = _sparse_dense(lhs, rhs, numbers=numbers)
    elif isinstance(rhs, BCOO):
        (a, b), (c, d) = numbers
        out = _sparse_dense(rhs, lhs, numbers=((b, a), (d, c)))
        first, free = len(c), rhs.ndim - len(b) - len(d)
        out = cnp.moveaxis(out, range(first, first + free), range(out.ndim - free, out.ndim))
    else:
        out = lax.dot_general(lhs, rhs, numbers)
    return out if preferred_element_type is None else out.astype(preferred_element_type)


def _common(operands: Sequence[Any]) -> list[Any]:
    """The dtype to which each operand is converted; None if it has it already."""
    values = [x.data if isinstance(x, BCOO) else x for x in operands]
    if values[0].dtype == values[1].dtype:
        return [None, None]
    dtype = promote_dtypes("bcoo_dot_general", *(cnp.zeros((), x.dtype) for x in values))[0].dtype
    return [None if x.dtype == dtype else dtype for x in values]


def _sparse_dense(mat: BCOO, rhs: Any, numbers: Numbers) -> Any:
    return bcoo_dot_general_p.bind(
        mat.data, mat.indices, rhs, dimension_numbers=numbers, preferred_element_type=None, lhs_spinfo=mat._info
    )


def _product(mat: BCOO, rhs: Any, numbers: Numbers) -> Any:
    """The product of a sparse and a dense array: axes of batch, then those left of the sparse and of the dense one."""
    (contracting, rhs_contracting), (batching, rhs_batching) = numbers
    n_batch, _n_sparse = mat.n_batch, mat.n_sparse
    batch, first_dense = mat.shape[:n_batch], mat.n_batch + mat.n_sparse
    partner = dict(zip((*contracting, *batching), (*rhs_contracting, *rhs_batching), strict=True))
    cols = columns(mat.indices)
    kept = [k for k in range(mat.ndim) if k not in contracting]
    scatters = any(n_batch <= k < first_dense for k in kept)

    # Labels: an axis of the sparse operand is its number, one of the dense operand's own comes after them.
    values, value_labels = _named(mat.data, batch, [*range(n_batch), NSE, *range(first_dense, mat.ndim)])
    rhs_free = [j for j in range(rhs.ndim) if j not in partner.values()]
    own = {j: mat.ndim + i for i, j in enumerate(rhs_free)}
    read = [k for k in range(first_dense) if k in partner]
    rest = [j for j in range(rhs.ndim) if j not in [partner[k] for k in read]]
    back = {j: k for k, j in partner.items()}
    rest_labels = [back.get(j, own.get(j, 0)) for j in rest]
    moved = cnp.transpose(rhs, [*(partner[k] for k in read), *rest])
    if any(k >= n_batch for k in read):
        places = batch_places(batch)
        moved = take(moved, [places[k] if k < n_batch else cols[k - n_batch] for k in read])
        moved, rhs_labels = _named(moved, batch, [*range(n_batch), NSE, *rest_labels])
    else:
        rhs_labels = [*read, *rest_labels]

    order = [*batching, *(k for k in kept if k not in batching)]
    tail = [*(k for k in order if k >= first_dense), *(own[j] for j in rhs_free)]
    if not scatters:
        wanted = [*(k for k in order if k < n_batch), *tail]
        out = _contract(values, value_labels, moved, rhs_labels, wanted, batch)
        labels = wanted
    else:
        out = _contract(values, value_labels, moved, rhs_labels, [*range(n_batch), NSE, *tail], batch)
        head = [k for k in order if k < first_dense]
        places = batch_places(batch)
        where_to = [places[k] if k < n_batch else cols[k - n_batch] for k in head]
        shape = (*(mat.shape[k] for k in head), *out.shape[n_batch + 1 :])
        out = add_up(out, _spanning(where_to, out.shape[: n_batch + 1]), shape)
        labels = [*head, *tail]
    target = [*order, *(own[j] for j in rhs_free)]
    return cnp.transpose(out, [labels.index(label) for label in target])


_compiled = jit(_product, static_argnames=("numbers",))


def _dot_general(
    lhs_data: Any,
    lhs_indices: Any,
    rhs: Any,
    *,
    dimension_numbers: Numbers,
    lhs_spinfo: SparseInfo,
    preferred_element_type: Any = None,
) -> Any:
    out = _compiled(BCOO((lhs_data, lhs_indices), **lhs_spinfo._asdict()), rhs, numbers=dimension_numbers)
    return out if preferred_element_type is None else out.astype(preferred_element_type)


bcoo_dot_general_p = composed("bcoo_dot_general", _dot_general)


def _spanning(places: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
    """Places of the common shape ``shape``: one of them at least must have it, for the values to fit."""
    if np.broadcast_shapes(*(p.shape for p in places)) == shape:
        return list(places)
    return [cnp.broadcast_to(p, shape) for p in places]


def _named(x: Any, batch: Sequence[int], labels: list[int]) -> tuple[Any, list[int]]:
    """``x`` with a label for each axis; batch axes of size 1 that stand for more are taken away."""
    gone = tuple(i for i, k in enumerate(labels) if 0 <= k < len(batch) and x.shape[i] == 1 != batch[k])
    return cnp.squeeze(x, gone), [k for i, k in enumerate(labels) if i not in gone]


def _contract(x: Any, x_labels: list[int], y: Any, y_labels: list[int], wanted: list[int], batch: Sequence[int]) -> Any:
    """The product of labelled arrays, summed over the labels that are not wanted; batch labels may be in neither."""
    out = _multiply(x, x_labels, y, y_labels, wanted)
    absent = [k for k in wanted if k not in x_labels and k not in y_labels]
    if absent:
        out = cnp.expand_dims(out, tuple(wanted.index(k) for k in absent))
    sizes = [batch[k] if k in absent else n for k, n in zip(wanted, out.shape, strict=True)]
    summed = [k for k in range(len(batch)) if k not in wanted and k not in x_labels and k not in y_labels]
    times = int(np.prod([batch[k] for k in summed], dtype=np.int64))
    out = cnp.broadcast_to(out, sizes) if absent else out
    return out * np.asarray(times, out.dtype) if times != 1 else out


def _multiply(x: Any, x_labels: list[int], y: Any, y_labels: list[int], wanted: list[int]) -> Any:
    present = [k for k in wanted if k in x_labels or k in y_labels]
    summed = {*x_labels, *y_labels} - set(present)
    if not summed:
        return _aligned(x, x_labels, present) * _aligned(y, y_labels, present)
    return cnp.einsum(x, _letters(x_labels), y, _letters(y_labels), _letters(present))


def _letters(labels: Sequence[int]) -> list[int]:
    return [label + 1 for label in labels]


def _aligned(x: Any, labels: list[int], order: list[int]) -> Any:
    """``x`` with its axes in the order of labels, and axes of size 1 for those that it has not."""
    x = cnp.transpose(x, [labels.index(k) for k in order if k in labels])
    return cnp.expand_dims(x, tuple(i for i, k in enumerate(order) if k not in labels))


# ---- Dense products at given places


def bcoo_dot_general_sampled(A: Any, B: Any, indices: Any, *, dimension_numbers: Any) -> Any:
    """The elements of a product of dense arrays at given places; the others are not computed.

    Args:
      A, B: arrays. indices: integers ``[*batch, nse, n_sparse]``, as those of a BCOO of the product's shape.
      dimension_numbers: as of ``lax.dot_general``.

    Returns:
      The stored values of such a BCOO, ``[*batch, nse, *dense]``; 0 for padding.

    Raises:
      TypeError: the numbers do not fit the shapes. ValueError: the indices do not fit the product.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> a, b = cnp.arange(6.0).reshape(2, 3), cnp.ones((3, 2))
    >>> sparse.bcoo_dot_general_sampled(a, b, cnp.array([[1, 0]]), dimension_numbers=(((1,), (0,)), ((), ())))
    Array([12.], dtype=float32)
    """
    api = "bcoo_dot_general_sampled"
    indices = as_array(indices, api)
    check_integers(api, "indices", indices)
    A, B = promote_dtypes(api, as_array(A, api), as_array(B, api))
    (a, b), (c, d) = numbers = checked_numbers(api, dimension_numbers, A.shape, B.shape)
    n_batch = indices.ndim - 2
    shape = [A.shape[k] for k in (*c, *_free(A, a, c))] + [B.shape[k] for k in _free(B, b, d)]
    sampled = n_batch + (indices.shape[-1] if n_batch >= 0 else 0)
    if (
        n_batch < 0
        or sampled > len(shape)
        or any(n not in (1, m) for n, m in zip(indices.shape[:n_batch], shape[:n_batch], strict=True))
    ):
        raise ValueError(
            f"{where()}: {api}: indices of shape {indices.shape} do not fit a product of shape {tuple(shape)}; they "
            "are [*batch, nse, n_sparse]"
        )
    return bcoo_dot_general_sampled_p.bind(A, B, indices, dimension_numbers=numbers)


def _free(x: Any, contracting: Axes, batching: Axes) -> list[int]:
    return [k for k in range(x.ndim) if k not in contracting and k not in batching]


def _dot_general_sampled(A: Any, B: Any, indices: Any, *, dimension_numbers: Numbers) -> Any:
    (a, b), (c, d) = dimension_numbers
    n_batch = indices.ndim - 2
    a_axes, b_free = [*c, *_free(A, a, c)], _free(B, b, d)
    shape = [*(A.shape[k] for k in a_axes), *(B.shape[k] for k in b_free)]
    sampled = n_batch + indices.shape[-1]
    batch = tuple(shape[:n_batch])
    places = [*batch_places(batch), *columns(indices)]
    of_b = [*d, *(None for _ in a_axes[len(c) :]), *b_free]
    of_a = [*a_axes, *(None for _ in b_free)]
    contracted = [len(shape) + i for i in range(len(a))]
    x, x_labels = _sampled(A, of_a, a, places, sampled, n_batch, contracted)
    y, y_labels = _sampled(B, of_b, b, places, sampled, n_batch, contracted)
    tail = list(range(sampled, len(shape)))
    nse = indices.shape[-2]
    x, x_labels = _named(x, batch, x_labels)
    y, y_labels = _named(y, batch, y_labels)
    wanted = [*range(n_batch), NSE, *tail]
    out = _multiply(x, x_labels, y, y_labels, wanted)
    present = [k for k in wanted if k in x_labels or k in y_labels]
    out = _aligned(out, present, wanted)
    return cnp.broadcast_to(out, (*batch, nse, *shape[sampled:]))


bcoo_dot_general_sampled_p = composed("bcoo_dot_general_sampled", _dot_general_sampled)


def _sampled(
    x: Any, axes: Sequence[int | None], contracting: Axes, places: Sequence[Any], sampled: int, n_batch: int,
    contracted: list[int],
) -> tuple[Any, list[int]]:  # fmt: skip
    """``x`` at the places, with labels: ``axes`` says for each axis of the product which one of ``x`` it is."""
    read = [k for k in range(sampled) if axes[k] is not None]
    rest = [k for k in range(sampled, len(axes)) if axes[k] is not None]
    x = cnp.transpose(x, [axes[k] for k in (*read, *rest)] + list(contracting))
    labels = [*rest, *contracted]
    if all(k < n_batch for k in read):
        return x, [*read, *labels]
    x = take(x, [places[k] for k in read])
    return x, [*range(n_batch), NSE, *labels]


# ---- Elementwise products


def bcoo_multiply_dense(sp_mat: BCOO, v: Any) -> Any:
    """The stored values of the elementwise product of a sparse and a dense array.

    Args:
      sp_mat: a BCOO. v: an array that broadcasts to its shape.

    Returns:
      Values ``[*batch, nse, *dense]`` for the indices of ``sp_mat``.

    Raises:
      ValueError: ``v`` does not broadcast to the shape of ``sp_mat``.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_multiply_dense(sparse.eye(3), cnp.arange(3.0))
    Array([0., 1., 2.], dtype=float32)
    """
    check(sp_mat, "bcoo_multiply_dense")
    v = as_array(v, "bcoo_multiply_dense")
    shape, lacking = sp_mat.shape, sp_mat.ndim - v.ndim
    if lacking < 0 or any(n not in (1, m) for n, m in zip(v.shape, shape[lacking:], strict=True)):
        raise ValueError(
            f"{where()}: bcoo_multiply_dense: an array of shape {v.shape} does not broadcast to {shape}, that of the "
            "sparse one; a larger result would have to be stored for every element: broadcast the sparse array first"
        )
    data, v = promote_dtypes("bcoo_multiply_dense", sp_mat.data, v)
    return data * values_at(sp_mat, v)


def values_at(mat: BCOO, v: Any) -> Any:
    """The values of ``v``, which broadcasts to the shape of ``mat``, for its stored elements; 0 for padding.

    Returns:
      An array that broadcasts with ``mat.data``; ``v`` is not repeated along its axes of size 1.
    """
    if not v.ndim:
        return v
    n_batch, shape, lacking = mat.n_batch, mat.shape, mat.ndim - v.ndim
    first_dense = n_batch + mat.n_sparse
    has = [k >= lacking and (v.shape[k - lacking] != 1 or shape[k] == 1) for k in range(len(shape))]
    v = cnp.squeeze(v, tuple(k - lacking for k in range(lacking, len(shape)) if not has[k]))
    read = [k for k in range(first_dense) if has[k]]
    rest = [k for k in range(first_dense, len(shape)) if has[k]]
    labels = [*read, *rest]
    if any(k >= n_batch for k in read):
        cols, places = columns(mat.indices), batch_places(shape[:n_batch])
        v = take(v, [places[k] if k < n_batch else cols[k - n_batch] for k in read])
        labels = [*range(n_batch), NSE, *rest]
    return _aligned(v, labels, [*range(n_batch), NSE, *range(first_dense, len(shape))])


def bcoo_multiply_sparse(lhs: BCOO, rhs: BCOO) -> BCOO:
    """The elementwise product of two sparse arrays of one shape.

    Raises:
      ValueError: the shapes differ.

    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_multiply_sparse(sparse.eye(3), 2 * sparse.eye(3)).data
    Array([2., 2., 2.], dtype=float32)
    """
    check(lhs, "bcoo_multiply_sparse")
    check(rhs, "bcoo_multiply_sparse")
    if lhs.shape != rhs.shape:
        raise ValueError(f"{where()}: bcoo_multiply_sparse: the shapes {lhs.shape} and {rhs.shape} must be equal")
    axes = tuple(range(lhs.ndim))
    return bcoo_dot_general(lhs, rhs, dimension_numbers=(((), ()), (axes, axes)))  # type: ignore[no-any-return]
