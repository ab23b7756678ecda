"""Products of two BCOO: the stored elements that meet are paired by a sorted join, and equal places summed.

Where the indices are known, as many pairs are made as there are; in a program that is traced, as many as there can be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan.api import vmap
from cotan.errors import where
from cotan.experimental.sparse.array import BCOO, check, sizes_of
from cotan.experimental.sparse.conversion import bcoo_sum_duplicates, without_padding
from cotan.experimental.sparse.layout import columns, in_order, inside, is_new, pushed_out, spread, stacked
from cotan.experimental.sparse.relayout import bcoo_update_layout
from cotan.experimental.sparse.shaping import bcoo_transpose
from cotan.experimental.sparse.util import SparseInfo, is_known
from cotan.primitives.composed import composed

Axes = tuple[int, ...]


Numbers = tuple[tuple[Axes, Axes], tuple[Axes, Axes]]


def sparse_dot(lhs: BCOO, rhs: BCOO, numbers: Numbers) -> BCOO:
    """The product of two sparse arrays, with one element for each index; numbers as of ``lax.dot_general``."""
    plan = _Plan(lhs, rhs, numbers)
    found = plan.meetings()
    totals = found[1].sum(axis=-1)
    pairs: int | None = None
    if is_known(totals):
        known = totals.concrete() if hasattr(totals, "concrete") else totals
        pairs = int(np.asarray(known).max(initial=0))
    bufs = bcoo_spdot_general_p.bind(
        lhs.data, lhs.indices, rhs.data, rhs.indices, *(() if pairs is None else found),
        lhs_spinfo=lhs._info, rhs_spinfo=rhs._info, dimension_numbers=numbers, preferred_element_type=None,
        pairs=pairs,
    )  # fmt: skip
    out = BCOO(bufs, shape=plan.shape, indices_sorted=True, unique_indices=True)
    return out if pairs is None else without_padding("bcoo_dot_general", out)


def _spdot_general(
    lhs_data: Any, lhs_indices: Any, rhs_data: Any, rhs_indices: Any, *found: Any, lhs_spinfo: SparseInfo,
    rhs_spinfo: SparseInfo, dimension_numbers: Numbers, preferred_element_type: Any = None, pairs: int | None = None,
) -> tuple[Any, Any]:  # fmt: skip
    """Values and indices of the product; ``found``, where it is known, is which elements meet."""
    lhs = BCOO((lhs_data, lhs_indices), **lhs_spinfo._asdict())
    rhs = BCOO((rhs_data, rhs_indices), **rhs_spinfo._asdict())
    out = _Plan(lhs, rhs, dimension_numbers).product(found, pairs)
    return out.data if preferred_element_type is None else out.data.astype(preferred_element_type), out.indices


bcoo_spdot_general_p = composed("bcoo_spdot_general", _spdot_general, multiple_results=True)


class _Plan:
    """Which axes of two sparse arrays meet, and which ones those of the product are.

    Attributes:
      left, right: the operands, with the shared batch axes and all others sparse.
      shape: the shape of the product.
    """

    def __init__(self, lhs: BCOO, rhs: BCOO, numbers: Numbers) -> None:
        (contracting, rhs_contracting), (batching, rhs_batching) = numbers
        shared = 0
        for a, b in zip(batching, rhs_batching, strict=True):
            if a >= lhs.n_batch or b >= rhs.n_batch:
                break
            shared += 1
        self.left, left_axes = _normalized(lhs, batching[:shared])
        self.right, right_axes = _normalized(rhs, rhs_batching[:shared])
        self.shared = shared
        self.meet = [left_axes.index(k) - shared for k in (*batching[shared:], *contracting)]
        self.rhs_meet = [right_axes.index(k) - shared for k in (*rhs_batching[shared:], *rhs_contracting)]
        self.free = [left_axes.index(k) - shared for k in range(lhs.ndim) if k not in contracting and k not in batching]
        self.rhs_free = [
            right_axes.index(k) - shared for k in range(rhs.ndim) if k not in rhs_contracting and k not in rhs_batching
        ]
        self.batch = self.left.shape[:shared]
        self.sizes, self.rhs_sizes = self.left.shape[shared:], self.right.shape[shared:]
        self.kept = [*self.meet[: len(batching) - shared], *self.free]
        self.own = (*(self.sizes[k] for k in self.kept), *(self.rhs_sizes[k] for k in self.rhs_free))
        self.shape = (*self.batch, *self.own)

    def _indices(self) -> tuple[Any, Any]:
        return spread(self.left.indices, self.batch), spread(self.right.indices, self.batch)

    def meetings(self) -> tuple[Any, Any, Any]:
        """As ``_meetings``, of all batches."""

        def one(a: Any, b: Any) -> tuple[Any, Any, Any]:
            return _meetings(a, b, self.meet, self.rhs_meet, self.sizes, self.rhs_sizes)

        return _mapped(one, self.shared)(*self._indices())  # type: ignore[no-any-return]

    def product(self, found: Sequence[Any], pairs: int | None) -> BCOO:
        """The product, by so many pairs of elements in each batch; None: as many as there can be."""
        left, right = self.left, self.right
        if pairs is None:
            pairs = _most_pairs(
                left, right, [self.sizes[k] for k in self.free], [self.rhs_sizes[k] for k in self.rhs_free]
            )
        count: int = pairs

        def made(x: Any, i: Any, y: Any, j: Any, *meetings: Any) -> tuple[Any, Any]:
            return _paired(x, i, y, j, *meetings, count, self.kept, self.rhs_free, self.own)

        left_indices, right_indices = self._indices()
        values = spread(left.data, self.batch), left_indices, spread(right.data, self.batch), right_indices
        data, indices = _mapped(made, self.shared)(*values, *(found or self.meetings()))
        return bcoo_sum_duplicates(BCOO((data, indices), shape=self.shape), min(count, math.prod(self.own)))


def _normalized(mat: BCOO, batching: Axes) -> tuple[BCOO, list[int]]:
    """``mat`` with the batch axes ``batching`` and all others sparse; which axis each of its axes was."""
    rest = [k for k in range(mat.n_batch) if k not in batching]
    order = [*batching, *rest, *range(mat.n_batch, mat.ndim)]
    if order != list(range(mat.ndim)):
        mat = bcoo_transpose(mat, permutation=order)
    return bcoo_update_layout(mat, n_batch=len(batching), n_dense=0), order


def _mapped(fun: Any, times: int) -> Any:
    for _ in range(times):
        fun = vmap(fun)
    return fun


def _meetings(
    indices: Any, rhs_indices: Any, meet: Sequence[int], rhs_meet: Sequence[int], sizes: Axes, rhs_sizes: Axes
) -> tuple[Any, Any, Any]:
    """The elements of the right operand in an order in which those that meet one of the left stand together.

    Returns:
      For each element of the left where they start, and how many there are; and the order.
    """
    left, right = columns(indices), columns(rhs_indices)
    count, rhs_count = indices.shape[0], rhs_indices.shape[0]
    keys = [cnp.concatenate([left[k], right[j].astype(indices.dtype)]) for k, j in zip(meet, rhs_meet, strict=True)]
    both = cnp.zeros(count + rhs_count, np.int32)
    ordered, permutation = in_order(keys, [sizes[k] for k in meet], both)
    number = cnp.cumsum(is_new(ordered, permutation), dtype=np.int32)
    rank = both.at[permutation].set(number, unique_indices=True)
    mine, theirs = rank[:count], rank[count:]
    valid = inside(right, rhs_sizes)
    if valid is not None:
        theirs = cnp.where(valid, theirs, np.int32(count + rhs_count + 1))
    order = cnp.argsort(theirs)
    theirs = theirs[order]
    start = cnp.searchsorted(theirs, mine, side="left").astype(np.int32)
    counts = cnp.searchsorted(theirs, mine, side="right").astype(np.int32) - start
    valid = inside(left, sizes)
    return start, counts if valid is None else cnp.where(valid, counts, np.int32(0)), order


def _most_pairs(left: BCOO, right: BCOO, free: Sequence[int], rhs_free: Sequence[int]) -> int:
    """How many pairs there can be: an element meets each other one at most once for each free index."""
    for_left = min(right.nse, math.prod(rhs_free)) if right.unique_indices else right.nse
    for_right = min(left.nse, math.prod(free)) if left.unique_indices else left.nse
    return min(left.nse * for_left, right.nse * for_right)


def _paired(
    data: Any, indices: Any, rhs_data: Any, rhs_indices: Any, start: Any, counts: Any, order: Any, pairs: int,
    kept: Sequence[int], rhs_free: Sequence[int], shape: Axes,
) -> tuple[Any, Any]:  # fmt: skip
    """Values and indices of all pairs."""
    if not (pairs and data.shape[0] and rhs_data.shape[0]):
        return cnp.zeros(0, data.dtype), cnp.zeros((0, len(shape)), indices.dtype)
    ends = cnp.cumsum(counts, dtype=np.int32)
    number = np.arange(pairs, dtype=np.int32)
    valid = number < ends[-1]
    one = cnp.minimum(cnp.searchsorted(ends, number, side="right").astype(np.int32), np.int32(data.shape[0] - 1))
    place = start[one] + number - (ends[one] - counts[one])
    other = order[cnp.clip(place, 0, rhs_data.shape[0] - 1)]
    values = data[one] * rhs_data[other]
    values = cnp.where(valid, values, cnp.zeros((), values.dtype))
    cols = [indices[:, k][one] for k in kept] + [rhs_indices[:, k][other].astype(indices.dtype) for k in rhs_free]
    return values, stacked(pushed_out(cols, valid, shape), cnp.zeros(pairs, indices.dtype))


# ---- Convolution


def bcoo_conv_general_dilated(
    lhs: BCOO,
    rhs: BCOO,
    *,
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> BCOO:
    """The convolution of two sparse arrays, as of ``lax.conv_general_dilated``.

    Every stored element of one is paired with every one of the other.

    Args:
      lhs: a BCOO; axes for batches, features, and space. rhs: a BCOO of its dtype.
      feature_group_count, batch_group_count: must be 1.
      precision: has no influence. out_sharding: must be None, or for one device.
      others: as of ``lax.conv_general_dilated``.

    Returns:
      A BCOO, without elements of equal indices; all of its axes are sparse.

    Raises:
      NotImplementedError: there are groups. ValueError: the arguments do not fit together.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> x, w = (sparse.BCOO.fromdense(cnp.array([[v]])) for v in ([0.0, 1.0, 2.0], [3.0, 4.0]))
    >>> sparse.bcoo_conv_general_dilated(x, w, window_strides=(1,), padding="VALID").todense()
    Array([[[ 4., 11.]]], dtype=float32)
    """
    api = "bcoo_conv_general_dilated"
    check(lhs, api)
    check(rhs, api)
    if feature_group_count != 1 or batch_group_count != 1:
        raise NotImplementedError(f"{where()}: {api}: groups of features or batches are not done for sparse arrays")
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    lhs = bcoo_transpose(bcoo_update_layout(lhs, n_batch=0, n_dense=0), permutation=numbers.lhs_spec)
    rhs = bcoo_transpose(bcoo_update_layout(rhs, n_batch=0, n_dense=0), permutation=numbers.rhs_spec)
    space = lhs.ndim - 2
    strides = tuple(map(int, window_strides))
    dilation = tuple(map(int, lhs_dilation or (1,) * space))
    rhs_dilation = tuple(map(int, rhs_dilation or (1,) * space))
    if not len(strides) == len(dilation) == len(rhs_dilation) == space or lhs.shape[1] != rhs.shape[1]:
        raise ValueError(
            f"{where()}: {api}: arrays of shapes {lhs.shape} and {rhs.shape} need equal numbers of features, and one "
            f"stride and dilation for each of {space} axes"
        )
    extents = [max((n - 1) * d + 1, 0) for n, d in zip(lhs.shape[2:], dilation, strict=True)]
    windows = [(n - 1) * d + 1 for n, d in zip(rhs.shape[2:], rhs_dilation, strict=True)]
    pads = lax.padtype_to_pads(extents, windows, strides, padding) if isinstance(padding, str) else list(padding)
    sizes = [
        max((n + lo + hi - w) // s + 1, 0) for n, (lo, hi), w, s in zip(extents, pads, windows, strides, strict=True)
    ]
    shape = (lhs.shape[0], rhs.shape[0], *sizes)
    data, cols, keep = _all_pairs(lhs, rhs)
    (batch, feature, *at), (out_feature, rhs_feature, *window) = cols
    keep = keep & (feature == rhs_feature)
    places = [batch, out_feature]
    for k in range(space):
        position = at[k] * dilation[k] + pads[k][0] - window[k] * rhs_dilation[k]
        keep = keep & (position >= 0) & (position % strides[k] == 0) & (position // strides[k] < sizes[k])
        places.append(position // strides[k])
    values = cnp.where(keep, data, cnp.zeros((), data.dtype)).reshape(-1)
    indices = stacked(pushed_out(places, keep, shape), keep).reshape(-1, len(shape))
    nse = min(values.shape[0], math.prod(shape))
    out = bcoo_sum_duplicates(BCOO((values, indices), shape=shape), nse)
    spec = numbers.out_spec
    out = bcoo_transpose(out, permutation=[spec.index(k) for k in range(len(shape))])
    return out if preferred_element_type is None else out.astype(preferred_element_type)


def _all_pairs(lhs: BCOO, rhs: BCOO) -> tuple[Any, tuple[list[Any], list[Any]], Any]:
    """Products of all elements ``[nse, nse]``, their columns, and whether both are within bounds."""
    left, right = columns(lhs.indices[:, None]), columns(rhs.indices[None, :])
    keep = inside(left, sizes_of(lhs)[1]) & inside(right, sizes_of(rhs)[1])
    shape = keep.shape
    cols = [[cnp.broadcast_to(col, shape) for col in each] for each in (left, right)]
    return lhs.data[:, None] * rhs.data[None, :], (cols[0], cols[1]), keep
