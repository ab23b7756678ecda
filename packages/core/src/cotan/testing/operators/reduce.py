"""Samples of reductions, cumulative operations, sorting and random bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes
from cotan.primitives import cumulative, random_bits, reduce, sort
from cotan.testing.operators.table import FLOATS, SIGNED, UNSIGNED, Sample, edges, grads, operator, values

X = values(3, 4, dtype=np.float64)
C = values(2, 3, dtype=np.complex128)
SHAPES = (
    ((4,), (0,)),
    ((2, 3), (0,)),
    ((2, 3), (1,)),
    ((2, 3, 5), (0, 2)),
    ((2, 3), (0, 1)),
    ((3, 0), (1,)),
    ((2, 3), ()),
    ((), ()),
    ((9,), (0,)),
)
NUMBERS = (*FLOATS, *SIGNED, *UNSIGNED, np.complex64)


def reductions(kinds: Any, low: float = -2, high: float = 2) -> list[Sample]:
    found = [Sample((values(*shape, dtype=kinds[0], low=low, high=high),), {"axes": axes}) for shape, axes in SHAPES]
    low = max(low, 0)
    return found + [Sample((values(3, 7, dtype=kind, low=low, high=high),), {"axes": (1,)}) for kind in kinds]


def specials(*kinds: Any) -> list[Sample]:
    """With NaN, without it, and nothing but the neutral element."""
    found = []
    for kind in kinds:
        edge = edges(kind)
        found += [Sample((x,), {"axes": (0,)}) for x in (edge, edge[1:], np.full(6, edge[2], kind))]
    return found


def oracle(ufunc: Any, initial: Any = None) -> Any:
    def function(x: Any, axes: tuple[int, ...]) -> Any:
        wide = x.astype(np.int64) if x.dtype.kind == "i" else x
        return (
            ufunc.reduce(wide, axis=axes) if initial is None or x.size else ufunc.reduce(x, axis=axes, initial=initial)
        )

    return function


AXES = ((0,), (1,), (0, 1))
DERIVATIVES = [grads(X, axes=axes) for axes in AXES]
operator(
    reduce.reduce_sum_p,
    reductions(NUMBERS),
    oracle=oracle(np.add),
    grads=[*DERIVATIVES, grads(C, axes=(0,))],
    tolerance=8,
)
operator(
    reduce.reduce_prod_p,
    reductions(NUMBERS),
    oracle=oracle(np.multiply),
    tolerance=16,
    grads=[*DERIVATIVES, grads(np.array([2.0, 0.0, 3.0]), axes=(0,)), grads(C, axes=(1,))],
)
ORDERED = (*FLOATS, *SIGNED, *UNSIGNED, np.bool_)
operator(
    reduce.reduce_max_p,
    reductions(ORDERED) + specials(np.float32, np.float64),
    oracle=oracle(np.maximum, -np.inf),
    grads=DERIVATIVES,
    tolerance=0,
    kernel_tolerance=0,
)
operator(
    reduce.reduce_min_p,
    reductions(ORDERED) + specials(np.float32, np.float64),
    oracle=oracle(np.minimum, np.inf),
    grads=DERIVATIVES,
    tolerance=0,
    kernel_tolerance=0,
)
for _name, _ufunc in (("and", np.bitwise_and), ("or", np.bitwise_or), ("xor", np.bitwise_xor)):
    operator(
        getattr(reduce, f"reduce_{_name}_p"),
        reductions((np.bool_, *SIGNED, *UNSIGNED), 0, 90),
        oracle=lambda x, axes, ufunc=_ufunc: ufunc.reduce(x, axis=axes),
    )

TIES = np.array([[1, 3, 3, 0], [2, 2, 2, 2], [np.nan, 5, np.nan, 7], [-np.inf, -np.inf, np.inf, np.inf]], np.float32)
PLACES = (
    [
        Sample((values(3, 5, dtype=kind, low=0, high=4),), {"axes": (axis,), "index_dtype": np.dtype(index)})
        for kind in ORDERED
        for axis, index in ((0, np.int32), (1, np.int64))
    ]
    + [
        Sample((TIES.astype(kind),), {"axes": (1,), "index_dtype": np.dtype(np.int32)})
        for kind in (np.float32, np.float64, dtypes.bfloat16)
    ]
    + [
        Sample((np.full((2, 7), value, np.float32),), {"axes": (1,), "index_dtype": np.dtype(np.int32)})
        for value in (-np.inf, np.inf, np.nan)
    ]
    + [
        Sample((edges(kind),), {"axes": (0,), "index_dtype": np.dtype(np.int32)})
        for kind in (np.float32, np.int32, np.uint8)
    ]
)
PLACE_GRADS = [grads(X, axes=(1,), index_dtype=np.dtype(np.int32))]
operator(reduce.argmax_p, PLACES, oracle=lambda x, axes, index_dtype: np.argmax(x, axes[0]), grads=PLACE_GRADS)
operator(reduce.argmin_p, PLACES, oracle=lambda x, axes, index_dtype: np.argmin(x, axes[0]), grads=PLACE_GRADS)

# ---- Cumulative


def runs(kinds: Any, low: float = -2, high: float = 2) -> list[Sample]:
    found = []
    for reverse in (False, True):
        for shape, axis in (((5,), 0), ((2, 7), 1), ((4, 3), 0), ((1, 2), 0), ((0, 2), 0), ((2, 3, 2), 1)):
            x = values(*shape, dtype=kinds[0], low=low, high=high)
            found.append(Sample((x,), {"axis": axis, "reverse": reverse}))
        found += [
            Sample((values(2, 6, dtype=kind, low=max(low, 0), high=high),), {"axis": 1, "reverse": reverse})
            for kind in kinds
        ]
    return found


def running(ufunc: Any) -> Any:
    def function(x: Any, axis: int, reverse: bool) -> Any:
        x = x.astype(np.int64) if x.dtype.kind == "i" else x
        return np.flip(ufunc.accumulate(np.flip(x, axis), axis), axis) if reverse else ufunc.accumulate(x, axis)

    return function


RUNS = [grads(X, axis=axis, reverse=reverse) for axis in (0, 1) for reverse in (False, True)]
STRICT = (np.float32, np.float64, np.int32, np.uint32, np.complex64)
operator(
    cumulative.cumsum_p,
    runs(STRICT, 0.5),
    oracle=running(np.add),
    grads=[*RUNS, grads(C, axis=0, reverse=False)],
    tolerance=8,
)
operator(cumulative.cumprod_p, runs(STRICT), oracle=running(np.multiply), grads=RUNS, tolerance=16)
EDGE_RUNS = [
    Sample((edges(np.float32)[order],), {"axis": 0, "reverse": False})
    for order in (slice(1, None), slice(None, None, -1))
]
operator(
    cumulative.cummax_p,
    runs(ORDERED[:-1]) + EDGE_RUNS,
    oracle=running(np.maximum),
    grads=RUNS,
    tolerance=0,
    kernel_tolerance=0,
)
operator(
    cumulative.cummin_p,
    runs(ORDERED[:-1]) + EDGE_RUNS,
    oracle=running(np.minimum),
    grads=RUNS,
    tolerance=0,
    kernel_tolerance=0,
)
INFINITE = [Sample((np.array([-np.inf, -np.inf, 1.0, 2.0, np.inf, 3.0], np.float32),), {"axis": 0, "reverse": False})]
operator(
    cumulative.cumlogsumexp_p,
    runs((np.float32, np.float64)) + INFINITE,
    oracle=running(np.logaddexp),
    grads=RUNS,
    tolerance=8,
)

# ---- Sorting


def ordered(*operands: Any, dimension: int, is_stable: bool, num_keys: int) -> list[Any]:
    """By Python's sort, row by row."""
    moved = [np.moveaxis(x, dimension, -1) for x in operands]
    outs = [np.empty_like(x) for x in moved]

    def key(*parts: Any) -> Any:
        return tuple(
            (v != v, 0 if v != v else v)
            for part in parts
            for v in ((part.real, part.imag) if np.iscomplexobj(part) else (part,))
        )

    for row in np.ndindex(moved[0].shape[:-1]):
        places = sorted(range(moved[0].shape[-1]), key=lambda n: key(*(x[row][n] for x in moved[:num_keys])))
        for out, x in zip(outs, moved, strict=True):
            out[row] = x[row][places]
    return [np.moveaxis(out, -1, dimension) for out in outs]


def orders(*operands: Any, dimension: int, num_keys: int = 1) -> Sample:
    return Sample(operands, {"dimension": dimension, "is_stable": True, "num_keys": num_keys})


NANS = np.array([[3, np.nan, -1, 0, -0.0, np.inf, -np.inf, np.nan, 0.0]], np.float32)
FEW = values(3, 6, dtype=np.int32, low=0, high=2)
operator(
    sort.sort_p,
    [
        orders(values(3, 5, dtype=kind, low=0, high=4), dimension=dim)
        for kind in (*ORDERED, np.complex64)
        for dim in (0, 1)
    ]
    + [
        orders(NANS, dimension=1),
        orders(NANS, np.arange(9, dtype=np.int32)[None], dimension=1),
        orders(NANS.astype(dtypes.bfloat16), dimension=1),
        orders(NANS.astype(dtypes.bfloat16), NANS, dimension=1),
        orders(FEW, values(3, 6), dimension=0),
        orders(FEW, FEW[::-1].copy(), values(3, 6), dimension=1, num_keys=2),
        orders(values(0), dimension=0),
        orders(values(1), dimension=0),
        orders(values(3, 6, dtype=np.bool_), values(3, 6), dimension=1),
    ],
    oracle=ordered,
    tolerance=0,
    kernel=False,
    kernel_tolerance=None,
    grads=[
        grads(X, dimension=1, is_stable=True, num_keys=1),
        grads(X, X * 2, dimension=0, is_stable=True, num_keys=1),
        grads(np.array([2, 1, 3], np.int32), X[0, :3], dimension=0, is_stable=True, num_keys=1),
    ],
)


def largest(x: Any, k: int, axis: int) -> list[Any]:
    moved = np.moveaxis(x, axis, -1)
    places = np.empty((*moved.shape[:-1], k), np.int64)
    for row in np.ndindex(moved.shape[:-1]):
        places[row] = sorted(
            range(moved.shape[-1]), key=lambda n: (moved[row][n] == moved[row][n], -np.nan_to_num(moved[row][n]))
        )[:k]
    places = np.moveaxis(places, -1, axis)
    return [np.take_along_axis(x, places, axis), places]


operator(
    sort.top_k_p,
    [
        Sample((values(3, 6, dtype=kind, low=0, high=4),), {"k": k, "axis": axis})
        for kind in (np.float32, np.int32, dtypes.bfloat16)
        for k, axis in ((2, 1), (1, 0), (3, 0), (0, 1))
    ]
    + [Sample((np.array([1, np.nan, 5, 5, 2], np.float32),), {"k": 3, "axis": 0})],
    oracle=largest,
    kernel=False,
    kernel_tolerance=None,
    grads=[grads(X, k=2, axis=1)],
)

# ---- Random bits


def words(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).integers(0, 2**32, shape, np.uint32)


operator(
    random_bits.threefry2x32_p,
    [
        Sample((np.uint32(7), np.uint32(9), words(5), words(5, seed=1))),
        Sample(tuple(words(2, 3, seed=n) for n in range(4))),
        Sample(tuple(np.uint32(n) for n in range(4))),
        Sample((words(), words(), words(0), words(0))),
    ],
    kernel_tolerance=None,
)
operator(
    random_bits.random_wrap_p,
    [Sample((words(3, 2),), {"impl": "threefry2x32"}), Sample((words(2),), {"impl": "threefry2x32"})],
    kernel=False,
)
operator(random_bits.random_unwrap_p, [])
