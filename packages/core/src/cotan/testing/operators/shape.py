"""Samples of the shape family: broadcast_in_dim, transpose, reshape, squeeze, rev, pad, concatenate, iota, copy."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from cotan.primitives import pad, shape
from cotan.testing.operators.moves import Sample


def array(*extents: int, dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    """Values that differ, also NaN-free negative ones, of any dtype."""
    rng = np.random.default_rng(seed + sum(extents))
    values = rng.permutation(int(np.prod(extents))).reshape(extents) - 3
    if dtype == np.bool_:
        return values % 3 == 0
    return values.astype(dtype) if np.dtype(dtype).kind != "u" else np.abs(values).astype(dtype)


def _linear(name: str, primitive: Any, x: Any, **params: Any) -> Sample:
    inexact = x.dtype.kind == "f"
    return Sample(name, primitive, (x,), params, varying=(0,) if inexact else (), linear=((0,),) if inexact else ())


def _broadcasts() -> list[Sample]:
    cases = [
        ((), (2, 3), ()),
        ((3,), (2, 3), (1,)),
        ((2,), (2, 3), (0,)),
        ((1, 3), (2, 3), (0, 1)),
        ((2, 1), (2, 4, 3), (0, 2)),
        ((), (), ()),
        ((0,), (2, 0), (1,)),
        ((1,), (5,), (0,)),
        ((2, 3), (2, 3), (0, 1)),
    ]
    return [
        _linear(
            f"broadcast {source}->{target}",
            shape.broadcast_in_dim_p,
            array(*source),
            shape=target,
            broadcast_dimensions=dims,
        )
        for source, target, dims in cases
    ]


def _transposes() -> list[Sample]:
    cases = [
        ((2, 3), (1, 0)),
        ((2, 3, 4), (2, 0, 1)),
        ((2, 3, 4), (0, 1, 2)),
        ((), ()),
        ((0, 2), (1, 0)),
        ((1, 3, 1, 2), (3, 2, 1, 0)),
    ]
    return [_linear(f"transpose {s} {p}", shape.transpose_p, array(*s), permutation=p) for s, p in cases]


def _reshapes() -> list[Sample]:
    cases = [
        ((2, 3), (3, 2)),
        ((6,), (2, 3)),
        ((2, 3, 4), (6, 4)),
        ((2, 3, 4), (2, 12)),
        ((4, 6), (2, 2, 3, 2)),
        ((), (1, 1)),
        ((1,), ()),
        ((0, 3), (3, 0)),
        ((2, 3, 4), (4, 3, 2)),
        ((0,), (0, 5)),
    ]
    return [_linear(f"reshape {s}->{t}", shape.reshape_p, array(*s), new_sizes=t, dimensions=None) for s, t in cases]


def _moves() -> list[Sample]:
    squeezes = [((1, 3), (0,)), ((2, 1, 3, 1), (1, 3)), ((1,), (0,)), ((0, 1), (1,))]
    reversals = [
        ((5,), (0,)),
        ((2, 3), (0, 1)),
        ((4, 3, 1), (0, 2)),
        ((8, 2), (0,)),
        ((0,), (0,)),
        ((3,), ()),
        ((1,), (0,)),
    ]
    return [
        *(_linear(f"squeeze {s} {d}", shape.squeeze_p, array(*s), dimensions=d) for s, d in squeezes),
        *(_linear(f"rev {s} {d}", shape.rev_p, array(*s), dimensions=d) for s, d in reversals),
        *(_linear(f"copy {s}", shape.copy_p, array(*s)) for s in ((), (2, 3), (0,))),
    ]


def _pads() -> list[Sample]:
    cases = [
        ((3,), ((1, 2, 0),)),
        ((3,), ((0, 0, 2),)),
        ((3,), ((-1, 0, 0),)),
        ((3,), ((2, -1, 1),)),
        ((5,), ((-2, -2, 1),)),
        ((2, 3), ((1, 0, 1), (-1, 2, 2))),
        ((2,), ((-3, 4, 0),)),
        ((0,), ((1, 2, 3),)),
        ((1,), ((1, 0, 2),)),
        ((), ()),
        ((4,), ((-3, 0, 2),)),
        ((2, 2), ((0, 0, 0), (5, -5, 0))),
        ((3, 0), ((1, 1, 0), (0, 0, 0))),
        ((2,), ((-1, -1, 0),)),
    ]
    value = np.float32(0.5)
    return [
        Sample(
            f"pad {s} {c}",
            pad.pad_p,
            (array(*s), value),
            {"padding_config": c},
            varying=(0, 1),
            linear=((0,), (1,), (0, 1)),
        )
        for s, c in cases
    ]


def _concatenations() -> list[Sample]:
    cases = [
        ([(2,), (3,)], 0),
        ([(2, 1), (2, 3), (2, 2)], 1),
        ([(1, 2), (3, 2)], 0),
        ([(0,), (2,)], 0),
        ([(2,), (0,), (1,), (0,)], 0),
        ([(0,), (0,)], 0),
        ([(1,), (1,), (1,)], 0),
        ([(2, 0), (2, 0)], 1),
    ]
    return [
        Sample(
            f"concatenate {shapes} {dim}",
            shape.concatenate_p,
            tuple(array(*s, seed=k) for k, s in enumerate(shapes)),
            {"dimension": dim},
            varying=tuple(range(len(shapes))),
            linear=((0,), (1,), tuple(range(len(shapes)))),
        )
        for shapes, dim in cases
    ]


def _iotas() -> list[Sample]:
    cases = [
        (np.int32, (4,), 0),
        (np.float32, (2, 3), 1),
        (np.uint8, (300, 1), 0),
        (np.float16, (3,), 0),
        (ml_dtypes.bfloat16, (3, 2), 0),
        (np.int64, (0,), 0),
        (np.complex64, (3,), 0),
    ]
    return [
        Sample(f"iota {np.dtype(d)} {s}", shape.iota_p, (), {"dtype": np.dtype(d), "shape": s, "dimension": dim})
        for d, s, dim in cases
    ]


_DTYPES = [np.bool_, np.int8, np.uint16, np.int64, np.float16, ml_dtypes.bfloat16, np.float64, np.complex64]


def _other_dtypes() -> list[Sample]:
    found = []
    for dtype in map(np.dtype, _DTYPES):
        x, y = array(2, 3, dtype=dtype), array(2, 1, dtype=dtype, seed=5)
        one = np.ones((), dtype)
        found += [
            Sample(f"rev {dtype}", shape.rev_p, (x,), {"dimensions": (1,)}),
            Sample(f"pad {dtype}", pad.pad_p, (x, one), {"padding_config": ((1, 0, 0), (-1, 1, 1))}),
            Sample(f"concatenate {dtype}", shape.concatenate_p, (x, y), {"dimension": 1}),
        ]
    return found


SAMPLES = [
    *_broadcasts(),
    *_transposes(),
    *_reshapes(),
    *_moves(),
    *_pads(),
    *_concatenations(),
    *_iotas(),
    *_other_dtypes(),
]
