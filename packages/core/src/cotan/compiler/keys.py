"""Random keys as their words, for compilers that know arrays of numbers only.

A primitive that moves whole keys moves their words alike, so it is mapped over the words. Knows no primitive.
"""

from __future__ import annotations

from typing import Any

from cotan import dtypes
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.jaxpr import ClosedJaxpr, Eqn
from cotan.ir.primitive import batch
from cotan.structural import broadcast_in_dim, transpose
from cotan.transforms.batch import AxisData
from cotan.transforms.stage import stage_to_jaxpr


def words_aval(aval: ShapedArray) -> ShapedArray:
    """The type of what is stored for a value: itself, or, for keys, that of their words."""
    if not dtypes.is_extended(aval.dtype):
        return aval
    return shaped(aval.shape + aval.dtype.trailing, aval.dtype.base)


def over_words(eqn: Eqn) -> ClosedJaxpr | None:
    """The program from words to words that stands for an equation from keys to keys; None for any other equation.

    A primitive that changes the type alone (it has keys on one side only) is none of these.
    """
    operands = [v.aval for v in eqn.invars]
    keys = [dtypes.is_extended(aval.dtype) for aval in operands]
    types = [aval.dtype for aval in (*operands, *(v.aval for v in eqn.outvars)) if dtypes.is_extended(aval.dtype)]
    moves = any(keys) and any(dtypes.is_extended(v.aval.dtype) for v in eqn.outvars)
    if not moves or eqn.primitive.higher_order or eqn.primitive not in batch:
        return None
    trailing = types[0].trailing

    def moved(*values: Any) -> list[Any]:
        dims = [aval.ndim if is_keys else None for aval, is_keys in zip(operands, keys, strict=True)]
        outs, places = batch[eqn.primitive](AxisData(None, trailing[0]), values, dims, **eqn.params)
        if not eqn.primitive.multiple_results:
            outs, places = [outs], [places]
        return [
            _words_last(x, place, trailing) if dtypes.is_extended(v.aval.dtype) else x
            for x, place, v in zip(outs, places, eqn.outvars, strict=True)
        ]

    return ClosedJaxpr(*stage_to_jaxpr(moved, [words_aval(aval) for aval in operands], name=eqn.primitive.name))


def _words_last(x: Any, place: int | None, trailing: tuple[int, ...]) -> Any:
    rank = len(x.shape)
    if place is None:
        return broadcast_in_dim(x, x.shape + trailing, tuple(range(rank)))
    return x if place == rank - 1 else transpose(x, (*(k for k in range(rank) if k != place), place))
