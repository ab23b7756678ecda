"""The moving primitives in the table of operators, with oracles written as loops from the definitions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cotan.primitives import pad as pads
from cotan.primitives import scatter as scatters
from cotan.primitives import shape, slice
from cotan.primitives.dot import dot_general_p
from cotan.primitives.gather import gather_p
from cotan.primitives.windows import GatherScatterMode
from cotan.testing.operators import dot, index, moves, table
from cotan.testing.operators import shape as shapes
from cotan.testing.operators.table import operator

ALL = [*shapes.SAMPLES, *index.SAMPLES, *dot.SAMPLES]


# ---- Oracles


def padded(x: Any, value: Any, *, padding_config: Any) -> Any:
    for axis, (low, high, gap) in enumerate(padding_config):
        elements = list(np.moveaxis(x, axis, 0))
        hole = np.full(np.delete(x.shape, axis), value, x.dtype)
        row = [piece for k, e in enumerate(elements) for piece in ([hole] * (gap if k else 0) + [e])]
        row = [hole] * max(low, 0) + row + [hole] * max(high, 0)
        row = row[max(-low, 0) : len(row) - max(-high, 0)]
        x = np.moveaxis(np.array(row, x.dtype).reshape(len(row), *hole.shape), 0, axis)
    return x


def repeated(x: Any, *, shape: Any, broadcast_dimensions: Any) -> Any:
    out = np.empty(shape, x.dtype)
    for place in np.ndindex(*shape):
        out[place] = x[tuple(0 if n == 1 else place[d] for d, n in zip(broadcast_dimensions, x.shape, strict=True))]
    return out


def read_window(x: Any, *starts: Any, slice_sizes: Any) -> Any:
    starts = [min(max(int(s), 0), n - size) for s, n, size in zip(starts, x.shape, slice_sizes, strict=True)]
    out = np.empty(slice_sizes, x.dtype)
    for place in np.ndindex(*slice_sizes):
        out[place] = x[tuple(a + b for a, b in zip(starts, place, strict=True))]
    return out


def write_window(x: Any, update: Any, *starts: Any) -> Any:
    starts = [min(max(int(s), 0), n - size) for s, n, size in zip(starts, x.shape, update.shape, strict=True)]
    out = np.array(x)
    for place in np.ndindex(*update.shape):
        out[tuple(a + b for a, b in zip(starts, place, strict=True))] = update[place]
    return out


def correspondence(
    operand: Any, indices: Any, numbers: Any, sizes: Any, mode: Any
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...] | None]]:
    """(place in the result or updates, place in the operand or None if outside), batch by batch."""
    offsets, collapsed, starts, batching, indices_batching = numbers
    window_axes = [d for d in range(len(operand)) if d not in collapsed and d not in batching]
    rank = len(offsets) + indices.ndim - 1
    for batch in np.ndindex(*indices.shape[:-1]):
        begin = [0] * len(operand)
        outside = False
        for k, d in enumerate(starts):
            begin[d] = int(indices[(*batch, k)])
            limit = operand[d] - sizes[d]
            outside |= not 0 <= begin[d] <= limit
            begin[d] = min(max(begin[d], 0), limit)
        for d, axis in zip(batching, indices_batching, strict=True):
            begin[d] = batch[axis]
        for offset in itertools.product(*(range(sizes[d]) for d in window_axes)):
            rest, inner = iter(batch), iter(offset)
            place = [next(inner) if p in offsets else next(rest) for p in range(rank)]
            source = list(begin)
            for d, o in zip(window_axes, offset, strict=True):
                source[d] += o
            drop = outside and mode is not GatherScatterMode.CLIP
            yield tuple(place), None if drop else tuple(source)


def gathered(
    x: Any, indices: Any, *, dimension_numbers: Any, slice_sizes: Any, mode: Any, fill_value: Any, **_: Any
) -> Any:
    found = {}
    clamping = GatherScatterMode.CLIP if mode is GatherScatterMode.PROMISE_IN_BOUNDS else mode
    for place, source in correspondence(x.shape, indices, dimension_numbers, slice_sizes, clamping):
        found[place] = fill_value if source is None else x[source]
    shape = index.updates_shape(x.shape, indices, dimension_numbers, slice_sizes)
    out = np.empty(shape, x.dtype)
    for place, value in found.items():
        out[place] = value
    return out


def scattering(combine: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def scattered(x: Any, indices: Any, updates: Any, *, dimension_numbers: Any, mode: Any, **_: Any) -> Any:
        window = iter(dimension_numbers[0])
        one = {*dimension_numbers[1], *dimension_numbers[3]}
        sizes = [1 if d in one else updates.shape[next(window)] for d in range(x.ndim)]
        out = np.array(x)
        for place, target in correspondence(x.shape, indices, dimension_numbers, sizes, mode):
            if target is not None:
                out[target] = combine(out[target], updates[place])
        return out

    return scattered


def multiplied(x: Any, y: Any, *, dimension_numbers: Any, preferred_element_type: Any, **_: Any) -> Any:
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    letters = iter("abcdefghijklmnop")
    names_x, names_y = [""] * x.ndim, [""] * y.ndim
    for a, b in zip((*x_contract, *x_batch), (*y_contract, *y_batch), strict=True):
        names_x[a] = names_y[b] = next(letters)
    names_x = [n or next(letters) for n in names_x]
    free_x = [n for d, n in enumerate(names_x) if d not in x_contract and d not in x_batch]
    names_y = [n or next(letters) for n in names_y]
    free_y = [n for d, n in enumerate(names_y) if d not in y_contract and d not in y_batch]
    target = "".join([*(names_x[d] for d in x_batch), *free_x, *free_y])
    wide = x.dtype if preferred_element_type is None or x.dtype.kind not in "iu" else preferred_element_type
    return np.einsum(f"{''.join(names_x)},{''.join(names_y)}->{target}", x.astype(wide), y.astype(wide))


ORACLES: dict[Any, Callable[..., Any]] = {
    shape.broadcast_in_dim_p: repeated,
    shape.transpose_p: lambda x, permutation: np.moveaxis(x, permutation, range(x.ndim)),
    shape.reshape_p: lambda x, new_sizes, dimensions: np.array(x.ravel().tolist(), x.dtype).reshape(new_sizes),
    shape.squeeze_p: lambda x, dimensions: np.squeeze(x, dimensions),
    shape.rev_p: lambda x, dimensions: x[tuple(np.s_[::-1] if d in dimensions else np.s_[:] for d in range(x.ndim))],
    shape.concatenate_p: lambda *xs, dimension: np.moveaxis(
        np.array([row for x in xs for row in np.moveaxis(x, dimension, 0)], xs[0].dtype).reshape(
            -1 if xs[0].size else sum(x.shape[dimension] for x in xs), *np.delete(xs[0].shape, dimension)
        ),
        0,
        dimension,
    ),
    shape.iota_p: lambda dtype, shape, dimension: np.indices(shape)[dimension].astype(dtype),
    shape.copy_p: np.array,
    pads.pad_p: padded,
    slice.slice_p: lambda x, start_indices, limit_indices, strides: x[
        tuple(np.s_[a:b:c] for a, b, c in zip(start_indices, limit_indices, strides or [1] * x.ndim, strict=True))
    ],
    slice.dynamic_slice_p: read_window,
    slice.dynamic_update_slice_p: write_window,
    gather_p: gathered,
    scatters.scatter_p: scattering(lambda old, new: new),
    scatters.scatter_add_p: scattering(np.add),
    scatters.scatter_mul_p: scattering(np.multiply),
    scatters.scatter_min_p: scattering(np.minimum),
    scatters.scatter_max_p: scattering(np.maximum),
    dot_general_p: multiplied,
}


def _differentiable(sample: moves.Sample) -> bool:
    """In mode 'promise_in_bounds' a broken promise has no derivative: the gather clamps, its transpose drops."""
    if not sample.varying or sample.primitive is not gather_p:
        return bool(sample.varying)
    x, indices = sample.args
    params = sample.params
    promised = params["mode"] is GatherScatterMode.PROMISE_IN_BOUNDS
    return not (promised and index.leaves(x.shape, indices, params["dimension_numbers"], params["slice_sizes"]))


def _wide(x: Any) -> Any:
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype == np.float32 else x


for _primitive, _oracle in ORACLES.items():
    _chosen = [s for s in ALL if s.primitive is _primitive and not s.name.endswith("linear")]
    operator(
        _primitive,
        [table.Sample(s.args, s.params) for s in _chosen],
        oracle=_oracle,
        grads=[
            table.Sample(tuple(map(_wide, s.args)), s.params)
            for s in _chosen
            if _differentiable(s) and "zero" not in s.name
        ][:12],
        kernel_tolerance=None if all(s.rtol == 0 for s in _chosen) else 64.0,
        tolerance=256.0 if any(s.rtol for s in _chosen) else 1.0,
    )
