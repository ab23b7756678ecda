"""Moving primitives refuse what does not fit, and say which function and argument it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cotan import lax
from cotan.ir.avals import get_aval
from cotan.transforms.stage import stage_to_jaxpr

X = np.zeros((2, 3), np.float32)
V = np.zeros(5, np.float32)
I = np.int32([[0], [1]])
ROWS = lax.GatherDimensionNumbers((1,), (0,), (0,))
WRITE = lax.ScatterDimensionNumbers((1,), (0,), (0,))

CASES: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("size", lambda: lax.reshape(X, (4,)), TypeError, r"reshape.*shape \(2, 3\) \(size 6\) into shape \(4,\)"),
    ("minus one", lambda: lax.reshape(X, (-1,)), TypeError, "reshape: new_sizes must not be negative.*numpy.reshape"),
    ("order", lambda: lax.reshape(X, (6,), (0,)), ValueError, "reshape: dimensions must name each axis"),
    ("not ints", lambda: lax.reshape(X, (2.0, 3)), TypeError, "reshape: new_sizes must be integers"),
    ("permutation", lambda: lax.transpose(X, (0, 0)), ValueError, "transpose: permutation"),
    ("broadcast", lambda: lax.broadcast_in_dim(X, (2, 4), (0, 1)), ValueError, "broadcast_in_dim.*does not broadcast"),
    ("squeeze", lambda: lax.squeeze(X, (0,)), ValueError, "squeeze: cannot drop axis 0.*extent is 2, not 1"),
    ("axis", lambda: lax.squeeze(X, (5,)), ValueError, "squeeze: dimensions holds 5, which is out of range"),
    ("twice", lambda: lax.rev(X, (1, -1)), ValueError, "rev: dimensions holds an axis twice"),
    ("expand", lambda: lax.expand_dims(X, (4,)), ValueError, "expand_dims: dimensions holds 4"),
    (
        "pad dtype",
        lambda: lax.pad(X, np.int32(0), [(0, 0, 0)] * 2),
        TypeError,
        "pad: padding_value must be a scalar of",
    ),
    ("pad rank", lambda: lax.pad(X, 0.0, [(0, 0, 0)]), ValueError, "pad: padding_config must hold"),
    (
        "pad interior",
        lambda: lax.pad(V, 0.0, [(0, 0, -1)]),
        ValueError,
        "pad: the interior padding must not be negative",
    ),
    ("pad extent", lambda: lax.pad(V, 0.0, [(-9, 0, 0)]), ValueError, "pad: .*negative extent -4 for axis 0"),
    ("concat none", lambda: lax.concatenate([], 0), ValueError, "concatenate: needs at least one operand"),
    (
        "concat dtype",
        lambda: lax.concatenate([V, np.int32([1])], 0),
        TypeError,
        "concatenate.*equal dtypes, got f32, i32",
    ),
    ("concat shape", lambda: lax.concatenate([X, X[:1]], 1), TypeError, r"concatenate.*axis 1: \(2, 3\), \(1, 3\)"),
    ("iota", lambda: lax.broadcasted_iota(np.int32, (2,), 1), ValueError, "iota: dimension holds 1"),
    ("iota dtype", lambda: lax.iota(np.bool_, 3), TypeError, "iota does not make bool"),
    ("slice bounds", lambda: lax.slice(V, (3,), (7,)), TypeError, "slice.*got start 3 and limit 7"),
    ("slice rank", lambda: lax.slice(X, (0,), (1,)), TypeError, "slice: start_indices needs one entry per axis"),
    ("slice stride", lambda: lax.slice(V, (0,), (3,), (0,)), TypeError, "slice: strides must be positive"),
    ("window", lambda: lax.dynamic_slice(V, (0,), (6,)), TypeError, r"dynamic_slice: slice_sizes \(6,\) do not fit"),
    ("starts", lambda: lax.dynamic_slice(X, (0,), (1, 1)), TypeError, "dynamic_slice: needs a start index per axis"),
    (
        "start dtype",
        lambda: lax.dynamic_slice(V, (0.5,), (1,)),
        TypeError,
        "dynamic_slice: start indices must be integer",
    ),
    ("update", lambda: lax.dynamic_update_slice(V, X, (0,)), TypeError, "dynamic_update_slice: an update of shape"),
    (
        "update dtype",
        lambda: lax.dynamic_update_slice(V, I[0], (0,)),
        TypeError,
        "dynamic_update_slice.*dtype f32, got i32",
    ),
    (
        "gather float",
        lambda: lax.gather(X, V[:, None], ROWS, (1, 3)),
        TypeError,
        "gather: indices must be integers, got f32",
    ),
    (
        "gather vectors",
        lambda: lax.gather(X, I[:, :0], ROWS, (1, 3)),
        TypeError,
        "gather: the last axis of the indices",
    ),
    ("gather sizes", lambda: lax.gather(X, I, ROWS, (1, 4)), TypeError, r"gather: slice_sizes \(1, 4\) do not fit"),
    ("gather collapsed", lambda: lax.gather(X, I, ROWS, (2, 3)), TypeError, "gather: slice_sizes must be 1"),
    ("gather rank", lambda: lax.gather(X, I, ROWS._replace(offset_dims=()), (1, 3)), TypeError, "gather: offset_dims"),
    (
        "gather fill",
        lambda: lax.gather(X, I, ROWS, (1, 3), mode="fill", fill_value=V),
        TypeError,
        "gather: fill_value must be a scalar",
    ),
    ("mode", lambda: lax.gather(X, I, ROWS, (1, 3), mode="wrap"), ValueError, "unknown gather/scatter mode 'wrap'"),
    ("scatter shape", lambda: lax.scatter(X, I, X[:1], WRITE), TypeError, "scatter: the axes of the updates"),
    ("scatter rank", lambda: lax.scatter_add(X, I, X[None], WRITE), TypeError, "scatter_add: updates of shape"),
    (
        "scatter dtype",
        lambda: lax.scatter_max(X, I, np.int32(X), WRITE),
        TypeError,
        "scatter_max: updates.*f32, got i32",
    ),
    (
        "scatter bool",
        lambda: lax.scatter_add(X > 0, I, X > 0, WRITE),
        TypeError,
        "scatter_add does not accept dtype bool",
    ),
    (
        "dot dtype",
        lambda: lax.dot_general_p.bind(
            X, np.int32(X), dimension_numbers=(((0,), (0,)), ((), ())), precision=None, preferred_element_type=None
        ),
        TypeError,
        "dot_general.*f32 and i32",
    ),
    ("dot extents", lambda: lax.dot_general(X, X, (((1,), (0,)), ((), ()))), TypeError, "contracting.*equal extents"),
    (
        "dot pairs",
        lambda: lax.dot_general(X, X, (((1,), ()), ((), ()))),
        TypeError,
        "contracting dimensions come in pairs",
    ),
    (
        "dot twice",
        lambda: lax.dot_general(X, X, (((0, 0), (0, 0)), ((), ()))),
        TypeError,
        "an axis of lhs stands twice",
    ),
    (
        "precision",
        lambda: lax.dot_general(X, X, (((0,), (0,)), ((), ())), "exact"),
        ValueError,
        "unknown precision 'exact'",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), [pytest.param(c, e, t, id=n) for n, c, e, t in CASES])
def test_refusals(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_a_traced_extent_is_refused_with_a_way_out() -> None:
    with pytest.raises(TypeError, match="static"):
        stage_to_jaxpr(lambda n: [lax.reshape(V, (n,))], [get_aval(5)])
