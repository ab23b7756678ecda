"""Samples of the indexing families: slice, dynamic slices, gather and scatters."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from cotan.primitives import scatter as scatters
from cotan.primitives.gather import GatherDimensionNumbers, gather_p
from cotan.primitives.scatter import ScatterDimensionNumbers
from cotan.primitives.slice import dynamic_slice_p, dynamic_update_slice_p, slice_p
from cotan.primitives.windows import GatherScatterMode
from cotan.testing.operators.moves import Sample
from cotan.testing.operators.shape import array

CLIP, FILL, PROMISE = GatherScatterMode.CLIP, GatherScatterMode.FILL_OR_DROP, GatherScatterMode.PROMISE_IN_BOUNDS


def _slices() -> list[Sample]:
    cases: list[tuple[Any, Any, Any, Any]] = [
        ((5,), (1,), (4,), None),
        ((5,), (0,), (5,), (2,)),
        ((3, 4), (1, 0), (3, 4), (1, 3)),
        ((4,), (2,), (2,), None),
        ((0,), (0,), (0,), None),
        ((), (), (), None),
        ((7,), (2,), (7,), (4,)),
        ((6,), (1,), (6,), (3,)),
    ]
    return [
        Sample(
            f"slice {s} {a}:{b}:{c}",
            slice_p,
            (array(*s),),
            {"start_indices": a, "limit_indices": b, "strides": c},
            varying=(0,),
            linear=((0,),),
        )
        for s, a, b, c in cases
    ]


def _dynamic() -> list[Sample]:
    cases: list[tuple[Any, Any, Any]] = [
        ((5,), (1,), (2,)),
        ((5,), (-3,), (2,)),
        ((5,), (9,), (2,)),
        ((3, 4), (1, 2), (2, 1)),
        ((3, 4), (0, 3), (3, 2)),
        ((4,), (2,), (4,)),
        ((8,), (5,), (1,)),
        ((3, 2), (1, 0), (0, 2)),
        ((), (), ()),
        ((6, 5), (4, 1), (2, 3)),
    ]
    found = []
    for shape, starts, sizes in cases:
        scalars = tuple(np.int32(s) for s in starts)
        found.append(
            Sample(
                f"dynamic_slice {shape} {starts} {sizes}",
                dynamic_slice_p,
                (array(*shape), *scalars),
                {"slice_sizes": sizes},
                varying=(0,),
                linear=((0,),),
            )
        )
        found.append(
            Sample(
                f"dynamic_update_slice {shape} {starts} {sizes}",
                dynamic_update_slice_p,
                (array(*shape), array(*sizes, seed=7), *scalars),
                varying=(0, 1),
                linear=((0,), (1,), (0, 1)),
            )
        )
    for dtype in (np.uint8, np.int64, np.uint64, np.int8):
        start = np.asarray(250 if dtype == np.uint8 else 2, dtype)
        found.append(
            Sample(
                f"dynamic_slice start {np.dtype(dtype)}", dynamic_slice_p, (array(300), start), {"slice_sizes": (2,)}
            )
        )
    for dtype in (np.bool_, np.complex64, ml_dtypes.bfloat16, np.int16):
        args = (array(4, dtype=dtype), array(2, dtype=dtype, seed=3), np.int32(1))
        found.append(Sample(f"dynamic_update_slice {np.dtype(dtype)}", dynamic_update_slice_p, args))
    return found


# name, operand, indices, (offset_dims, collapsed, start_index_map, operand_batching, indices_batching), slice_sizes
GATHERS: list[tuple[str, Any, Any, Any, Any]] = [
    ("elements", (5,), [[0], [4], [2]], ((), (0,), (0,), (), ()), (1,)),
    ("rows", (4, 3), [[3], [0]], ((1,), (0,), (0,), (), ()), (1, 3)),
    ("columns", (4, 3), [[2], [0]], ((0,), (1,), (1,), (), ()), (4, 1)),
    ("out of bounds", (5,), [[7], [-1], [2], [-9]], ((), (0,), (0,), (), ()), (1,)),
    ("pairs", (3, 4), [[1, 2], [2, 0], [0, 9]], ((), (0, 1), (0, 1), (), ()), (1, 1)),
    ("pairs reversed", (3, 4), [[1, 2], [2, 0], [5, 1]], ((), (0, 1), (1, 0), (), ()), (1, 1)),
    ("windows", (6,), [[1], [3], [5]], ((1,), (), (0,), (), ()), (2,)),
    ("windows first", (6,), [[1], [3], [5]], ((0,), (), (0,), (), ()), (2,)),
    ("boxes", (4, 5), [[1, 2], [3, 0]], ((1, 2), (), (0, 1), (), ()), (2, 3)),
    ("boxes apart", (4, 5), [[1, 2], [2, 0]], ((0, 2), (), (0, 1), (), ()), (2, 3)),
    ("prefix of an axis", (4, 5), [[1], [3]], ((1,), (0,), (0,), (), ()), (1, 2)),
    ("whole axis with a start", (3, 2), [[0, 1], [1, 0]], ((1,), (1,), (0, 1), (), ()), (3, 1)),
    ("batching", (3, 4), [[1], [3], [0]], ((), (1,), (1,), (0,), (0,)), (1, 1)),
    ("batching inner", (4, 3, 2), [[1], [3], [0]], ((1,), (0,), (0,), (1,), (0,)), (1, 1, 2)),
    ("batching two", (2, 4, 3), [[[1], [0], [3]], [[2], [2], [9]]], ((), (1,), (1,), (0, 2), (0, 1)), (1, 1, 1)),
    ("matrix of indices", (5, 2), [[[1], [2]], [[0], [4]]], ((2,), (0,), (0,), (), ()), (1, 2)),
    ("matrix, window between", (5, 2), [[[1], [2], [1]], [[0], [4], [3]]], ((1,), (0,), (0,), (), ()), (1, 2)),
    ("no start", (2, 3), np.zeros((4, 0)), ((1, 2), (), (), (), ()), (2, 3)),
    ("one index vector", (4, 3), [2], ((0,), (0,), (0,), (), ()), (1, 3)),
    ("no indices", (4, 3), np.zeros((0, 1)), ((1,), (0,), (0,), (), ()), (1, 3)),
    ("empty window", (4, 3), [[1], [2]], ((1, 2), (), (0,), (), ()), (0, 3)),
    ("overlap in a batch", (3, 5), [[[1], [2]], [[0], [0]], [[3], [4]]], ((2,), (), (1,), (0,), (0,)), (1, 2)),
]


def _gathers() -> list[Sample]:
    found = []
    for name, shape, indices, numbers, sizes in GATHERS:
        for mode in (CLIP, FILL, PROMISE):
            params = {
                "dimension_numbers": GatherDimensionNumbers(*numbers),
                "slice_sizes": sizes,
                "unique_indices": False,
                "indices_are_sorted": False,
                "mode": mode,
                "fill_value": 99 if mode is FILL else None,
            }
            args = (array(*shape), np.asarray(indices, np.int32))
            # The fill value is no tangent, so that differences see 99 - 99.
            found.append(Sample(f"gather {name} {mode.name}", gather_p, args, params, varying=(0,)))
            linear = {**params, "fill_value": 0 if mode is FILL else None}
            promised = mode is PROMISE and leaves(shape, indices, numbers, sizes)
            if not promised:  # a gather clamps there and a scatter drops
                found.append(Sample(f"gather {name} {mode.name} linear", gather_p, args, linear, linear=((0,),)))
    params = {
        "dimension_numbers": GatherDimensionNumbers((), (0,), (0,)),
        "slice_sizes": (1,),
        "unique_indices": False,
        "indices_are_sorted": False,
        "mode": FILL,
    }
    for dtype, fill in (
        (np.bool_, True),
        (np.int8, -128),
        (ml_dtypes.bfloat16, float("nan")),
        (np.complex64, float("nan")),
    ):
        args = (array(4, dtype=dtype), np.int32([[1], [7], [3]]))
        found.append(Sample(f"gather {np.dtype(dtype)}", gather_p, args, {**params, "fill_value": fill}))
    for dtype in (np.uint8, np.int64, np.uint32, np.uint64):
        indices = np.asarray([[1], [200], [np.iinfo(dtype).max]], dtype)
        found.append(
            Sample(f"gather by {np.dtype(dtype)}", gather_p, (array(300), indices), {**params, "fill_value": 0})
        )
    return found


def leaves(shape: Any, indices: Any, numbers: Any, sizes: Any) -> bool:
    """Whether a window leaves the operand."""
    indices = np.asarray(indices)
    return any(
        bool(((indices[..., k] < 0) | (indices[..., k] > shape[d] - sizes[d])).any()) for k, d in enumerate(numbers[2])
    )


def updates_shape(shape: Any, indices: Any, numbers: Any, sizes: Any) -> tuple[int, ...]:
    offsets, collapsed, _, batching, _ = numbers
    window = iter(n for d, n in enumerate(sizes) if d not in collapsed and d not in batching)
    rest = iter(np.shape(indices)[:-1])
    rank = len(offsets) + np.ndim(indices) - 1
    return tuple(next(window) if p in offsets else next(rest) for p in range(rank))


def _scatters() -> list[Sample]:
    """Every gather's geometry, turned around."""
    found = []
    for name, shape, indices, numbers, sizes in GATHERS:
        updates = array(*updates_shape(shape, indices, numbers, sizes), seed=11) + np.float32(0.5)
        args = (array(*shape), np.asarray(indices, np.int32), updates)
        for mode in (CLIP, FILL):
            params = {
                "dimension_numbers": ScatterDimensionNumbers(*numbers),
                "indices_are_sorted": False,
                "unique_indices": False,
                "mode": mode,
            }
            both = ((0,), (2,), (0, 2))
            found += [
                Sample(f"scatter {name} {mode.name}", scatters.scatter_p, args, params, (0, 2), both),
                Sample(f"scatter_add {name} {mode.name}", scatters.scatter_add_p, args, params, (0, 2), both, 1e-6),
                Sample(f"scatter_mul {name} {mode.name}", scatters.scatter_mul_p, args, params, (0, 2), ((0,),), 1e-5),
                Sample(f"scatter_min {name} {mode.name}", scatters.scatter_min_p, args, params, (0, 2)),
                Sample(f"scatter_max {name} {mode.name}", scatters.scatter_max_p, args, params, (0, 2)),
            ]
    return found + _special_scatters()


def _special_scatters() -> list[Sample]:
    found = []
    numbers = ScatterDimensionNumbers((), (0,), (0,))
    base = {"dimension_numbers": numbers, "indices_are_sorted": False, "mode": FILL}
    duplicates = np.int32([[1], [1], [3], [1], [7]])
    x, updates = array(5) + np.float32(4.5), np.float32([2, 3, 4, 5, 6])
    for p, linear in ((scatters.scatter_p, ((0,), (2,), (0, 2))), (scatters.scatter_mul_p, ((0,),))):
        args = (x, duplicates, updates)
        found.append(Sample(f"{p} duplicates", p, args, {**base, "unique_indices": False}, (0, 2), linear, 1e-6))
        args = (x, np.int32([[1], [0], [3], [4], [7]]), updates)
        found.append(Sample(f"{p} unique", p, args, {**base, "unique_indices": True}, (0, 2), linear, 1e-6))
    zeros = (x, duplicates, np.float32([0, 3, 0, 5, 6]))
    found.append(
        Sample(
            "scatter_mul one zero", scatters.scatter_mul_p, zeros, {**base, "unique_indices": False}, (0, 2), ((0,),)
        )
    )
    zeros = (x, duplicates, np.float32([0, 3, 0, 0, 6]))
    found.append(
        Sample(
            "scatter_mul two zeros", scatters.scatter_mul_p, zeros, {**base, "unique_indices": False}, (0, 2), ((0,),)
        )
    )
    for dtype in (np.bool_, np.int8, ml_dtypes.bfloat16, np.complex64, np.uint32):
        args = (array(5, dtype=dtype), duplicates, array(5, dtype=dtype, seed=2))
        for p in (scatters.scatter_p, scatters.scatter_add_p, scatters.scatter_max_p):
            small = np.dtype(dtype) == ml_dtypes.bfloat16 and p is scatters.scatter_add_p
            if not (p is scatters.scatter_add_p and dtype == np.bool_) and not (
                p is scatters.scatter_max_p and dtype == np.complex64
            ):
                found.append(
                    Sample(
                        f"{p} {np.dtype(dtype)}", p, args, {**base, "unique_indices": False}, rtol=2e-2 if small else 0
                    )
                )
    for dtype in (np.uint8, np.uint32, np.uint64, np.int64):
        indices = np.asarray([[1], [3], [np.iinfo(dtype).max]], dtype)
        args = (array(5), indices, np.float32([7, 8, 9]))
        found.append(
            Sample(f"scatter by {np.dtype(dtype)}", scatters.scatter_p, args, {**base, "unique_indices": True})
        )
    return found


SAMPLES = [*_slices(), *_dynamic(), *_gathers(), *_scatters()]
