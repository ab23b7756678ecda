"""The exchange of slices of different sizes along a named axis of ``vmap``, by the collectives of equal ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api import vmap
from cotan.api.flat import lift_leaf
from cotan.errors import where
from cotan.lax.composites import dynamic_index_in_dim
from cotan.lax.parallel import AxisIndexGroups, AxisName, all_gather, all_to_all, axis_size
from cotan.primitives.arithmetic import add, max, min, mul, sub
from cotan.primitives.compare import bitwise_and, ge, lt, select_n
from cotan.primitives.reduce import reduce_max
from cotan.primitives.shape import reshape
from cotan.structural import broadcast_in_dim, convert_element_type

_INT = np.dtype(np.int32)


def ragged_all_to_all(
    operand: Any,
    output: Any,
    input_offsets: Any,
    send_sizes: Any,
    output_offsets: Any,
    recv_sizes: Any,
    *,
    axis_name: AxisName,
    axis_index_groups: AxisIndexGroups = None,
) -> Any:
    """Slices of ``operand``, of given places and sizes, written into the ``output`` of the examples they are sent to.

    The four vectors have one length, a multiple of the size of the axis: the first so many entries are about what goes
    to (or comes from) the first example, and so on.

    Args:
      operand: of shape (n, ...): what is sent, slice by slice of the first axis.
      output: of shape (m, ...): what the result is where nothing arrives.
      input_offsets, send_sizes: where in ``operand`` a slice begins, and its size.
      output_offsets: where in the receiver's ``output`` it begins.
      recv_sizes: the sizes of what arrives: those that the senders gave.
      axis_name: the axis of examples.
      axis_index_groups: groups of examples, of equal size, that exchange among themselves.

    Raises:
      TypeError: vectors of different lengths or no integers, or shapes that differ but for the first axis.

    >>> import cotan, cotan.numpy as cnp
    >>> send = lambda x, at: cotan.lax.ragged_all_to_all(
    ...     x, cnp.zeros(2), at, cnp.ones(2, int), cnp.ones(2, int) * cotan.lax.axis_index("i"), cnp.ones(2, int),
    ...     axis_name="i")
    >>> cotan.vmap(send, axis_name="i")(cnp.array([[1.0, 2.0], [3.0, 4.0]]), cnp.array([[0, 1], [0, 1]]))
    Array([[1., 3.],
           [2., 4.]], dtype=float32)
    """
    operand, output = lift_leaf(operand), lift_leaf(output)
    vectors = [lift_leaf(x) for x in (input_offsets, send_sizes, output_offsets, recv_sizes)]
    length = vectors[0].shape
    if any(v.ndim != 1 or v.shape != length or not dtypes.issubdtype(v.dtype, np.integer) for v in vectors):
        raise TypeError(
            f"{where()}: ragged_all_to_all: offsets and sizes must be vectors of integers of one length, got "
            + ", ".join(f"{v.dtype} of shape {tuple(v.shape)}" for v in vectors)
        )
    if operand.ndim < 1 or operand.shape[1:] != output.shape[1:] or operand.dtype != output.dtype:
        raise TypeError(
            f"{where()}: ragged_all_to_all: operand and output must agree but for the first axis, got "
            f"{operand.dtype} of shape {tuple(operand.shape)} and {output.dtype} of shape {tuple(output.shape)}"
        )
    groups = axis_index_groups
    members = axis_size(axis_name) if groups is None else len(groups[0])
    if not length[0] or length[0] % members:
        raise TypeError(
            f"{where()}: ragged_all_to_all: the length {length[0]} of offsets and sizes must be a multiple of the "
            f"{members} examples that exchange"
        )
    whole = all_gather(operand, axis_name, axis_index_groups=groups)
    source, target = (
        all_to_all(convert_element_type(v, _INT), axis_name, 0, 0, axis_index_groups=groups, tiled=True)
        for v in (vectors[0], vectors[2])
    )
    return _placed(whole, output, source, target, convert_element_type(vectors[3], _INT))


def _placed(whole: Any, output: Any, source: Any, target: Any, sizes: Any) -> Any:
    """``output`` with the slices of ``whole`` [members, n, ...]; the slices' members follow from their numbers."""
    members, rows = whole.shape[:2]
    slices, extent = sizes.shape[0], output.shape[0]
    if not rows or not extent:
        return output
    flat = reshape(whole, (members * rows, *whole.shape[2:]))
    sender = np.arange(slices, dtype=_INT) // (slices // members)
    begin = add(source, mul(sender, np.int32(rows)))
    row = np.repeat(np.arange(extent, dtype=_INT)[:, None], slices, 1)

    def spread(x: Any) -> Any:
        return broadcast_in_dim(x, (extent, slices), (1,))

    inside = bitwise_and(ge(row, spread(target)), lt(row, spread(add(target, sizes))))
    number = np.repeat(np.arange(slices, dtype=_INT)[None], extent, 0)
    # Of slices that overlap, the last one is kept, as if they were written in turn.
    chosen = reduce_max(select_n(inside, np.full((extent, slices), -1, _INT), number), (1,))

    def of_row(n: Any, here: Any, old: Any) -> Any:
        k = max(n, np.int32(0))
        place = add(dynamic_index_in_dim(begin, k, 0, False), sub(here, dynamic_index_in_dim(target, k, 0, False)))
        place = min(max(place, np.int32(0)), np.int32(members * rows - 1))
        new = dynamic_index_in_dim(flat, place, 0, False)
        return select_n(broadcast_in_dim(ge(n, np.int32(0)), new.shape, ()), old, new)

    return vmap(of_row)(chosen, np.arange(extent, dtype=_INT), output)
