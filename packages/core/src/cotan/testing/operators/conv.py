"""Samples of convolution and pooling: strides, dilations, padding of either sign, groups, layouts, nothing at all.

The oracles are loops over every element of every window, from the definitions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.primitives import conv, pooling
from cotan.primitives.compare import ge_p, le_p
from cotan.testing.operators.table import Sample, grads, operator, values

NHWC = ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
MIXED = ((1, 3, 0, 2), (2, 0, 3, 1), (3, 0, 2, 1))


def parameters(
    rank: int,
    strides: Any = None,
    padding: Any = None,
    base: Any = None,
    dilation: Any = None,
    numbers: Any = None,
    features: int = 1,
    batches: int = 1,
    preferred: Any = None,
) -> dict[str, Any]:
    ones = (1,) * rank
    numbers = numbers or (tuple(range(rank + 2)),) * 3
    return {
        "window_strides": strides or ones,
        "padding": padding or ((0, 0),) * rank,
        "lhs_dilation": base or ones,
        "rhs_dilation": dilation or ones,
        "dimension_numbers": conv.ConvDimensionNumbers(*numbers),
        "feature_group_count": features,
        "batch_group_count": batches,
        "precision": None,
        "preferred_element_type": None if preferred is None else np.dtype(preferred),
    }


CONVS: list[tuple[Any, Any, dict[str, Any]]] = [
    ((2, 3), (4, 3), parameters(0)),
    ((2, 3, 7), (4, 3, 3), parameters(1)),
    ((1, 2, 7), (3, 2, 3), parameters(1, (2,), ((1, 2),))),
    ((1, 2, 5), (1, 2, 2), parameters(1, (1,), ((2, 1),), (3,), (2,))),
    ((1, 2, 9), (3, 2, 2), parameters(1, (2,), ((-1, -2),), None, (3,))),
    ((2, 1, 6), (2, 1, 3), parameters(1, (3,), ((-2, 4),), (2,))),
    ((1, 2, 3), (2, 2, 5), parameters(1)),  # the window does not fit
    ((0, 2, 4), (3, 2, 2), parameters(1)),
    ((2, 0, 4), (3, 0, 2), parameters(1)),
    ((2, 2, 4), (0, 2, 2), parameters(1)),
    ((2, 2, 0), (3, 2, 2), parameters(1, None, ((2, 1),))),
    ((2, 6, 5), (4, 3, 2), parameters(1, None, ((1, 0),), features=2)),
    ((2, 3, 5), (6, 1, 3), parameters(1, (2,), ((1, 1),), features=3)),
    ((4, 2, 5), (6, 2, 2), parameters(1, None, ((0, 1),), batches=2)),
    ((1, 2, 5, 6), (3, 2, 3, 2), parameters(2, (1, 2), ((1, 1), (0, 1)))),
    ((1, 5, 4, 3), (3, 3, 3, 5), parameters(2, None, ((1, 1), (1, 1)), numbers=NHWC)),
    ((2, 6, 7, 1), (3, 2, 1, 2), parameters(2, (2, 3), ((2, 0), (-1, 1)), numbers=NHWC)),
    ((1, 6, 6, 4), (2, 2, 2, 6), parameters(2, (2, 2), None, None, (1, 2), NHWC, features=2)),
    ((5, 1, 4, 2), (2, 2, 3, 2), parameters(2, None, ((0, 1), (1, 0)), numbers=MIXED)),
    ((1, 3, 3, 2), (1, 1, 2, 3), parameters(2, numbers=NHWC)),
    ((2, 4, 3, 2), (3, 3, 2, 3), parameters(2, None, ((2, 2), (1, 2)), (2, 2), None, NHWC)),
    ((1, 1, 3, 3, 4), (2, 1, 2, 2, 2), parameters(3, (1, 2, 1), ((0, 1), (1, 0), (0, 0)))),
]
KINDS: list[tuple[Any, Any]] = [
    (np.int8, None),
    (np.int8, np.int32),
    (np.bool_, None),
    (np.float16, None),
    (dtypes.bfloat16, None),
    (dtypes.bfloat16, np.float32),
    (np.complex64, None),
    (np.uint16, None),
    (np.float64, None),
    (np.float32, np.float64),
]


def _spatial(x: Any, y: Any, params: dict[str, Any]) -> Iterator[tuple[Any, Any, list[int]]]:
    """(window, offset, element) for all that there is, in canonical layout."""
    rank = len(params["window_strides"])
    axes = []
    for d in range(rank):
        n, k, s = x.shape[d + 2], y.shape[d + 2], params["window_strides"][d]
        low, high = params["padding"][d]
        base, dilation = params["lhs_dilation"][d], params["rhs_dilation"][d]
        axes.append(list(steps(n, k, s, low, high, base, dilation)[1]))
    for chosen in itertools.product(*axes):
        yield tuple(c[0] for c in chosen), tuple(c[1] for c in chosen), [c[2] for c in chosen]


def steps(
    n: int, k: int, s: int, low: int, high: int, base: int, dilation: int
) -> tuple[int, list[tuple[int, int, int]]]:
    """How many windows fit along an axis, and (window, offset, element)."""
    row: list[int | None] = []
    for e in range(n):
        row += [None] * ((base - 1) if e else 0) + [e]  # type: ignore[list-item]
    row = [None] * max(low, 0) + row + [None] * max(high, 0)
    row = row[max(-low, 0) : len(row) - max(-high, 0)]
    found, count, start = [], 0, 0
    while start + ((k - 1) * dilation + 1 if k else 0) <= len(row):
        found += [(count, j, row[start + j * dilation]) for j in range(k) if row[start + j * dilation] is not None]
        count += 1
        start += s
    return count, found  # type: ignore[return-value]


def convolved(x: Any, y: Any, **params: Any) -> Any:
    lhs, rhs, out = params["dimension_numbers"]
    preferred = params["preferred_element_type"]
    if preferred is not None and x.dtype.kind in "iu":
        x, y = x.astype(preferred), y.astype(preferred)
    x, y = np.transpose(x, lhs), np.transpose(y, rhs)
    features, batches = params["feature_group_count"], params["batch_group_count"]
    counts = [
        steps(n, k, s, *pad, b, d)[0]
        for n, k, s, pad, b, d in zip(
            x.shape[2:], y.shape[2:], params["window_strides"], params["padding"], params["lhs_dilation"],
            params["rhs_dilation"], strict=True,
        )
    ]  # fmt: skip
    total, inputs = y.shape[:2]
    result = np.zeros((x.shape[0] // batches, total, *counts), x.dtype)
    share, rows = max(total // (features * batches), 1), x.shape[0] // batches
    for place, offset, element in _spatial(x, y, params):
        for o in range(total):
            group = o // share
            first = group * inputs if features > 1 else 0
            left = x[
                (
                    slice(group * rows, group * rows + rows) if batches > 1 else slice(None),
                    slice(first, first + inputs),
                    *element,
                )
            ]
            result[(slice(None), o, *place)] += left @ y[(o, slice(None), *offset)]
    return np.moveaxis(result, range(result.ndim), out)


def _conv(x: Any, y: Any, params: dict[str, Any], dtype: Any = np.float32) -> Sample:
    # Integers, of which all sums are exact.
    left, right = values(*x, dtype=np.int32), values(*y, dtype=np.int32, seed=1)
    return Sample((left.astype(dtype), right.astype(dtype)), params)


operator(
    conv.conv_general_dilated_p,
    [
        *(_conv(*case) for case in CONVS),
        *(
            _conv((2, 2, 5), (3, 2, 3), parameters(1, (2,), ((1, 1),), preferred=preferred), dtype)
            for dtype, preferred in KINDS
        ),
    ],
    oracle=convolved,
    grads=[_conv(*case, np.float64) for case in CONVS],
    kernel_tolerance=None,
)


# ---- Pooling


def window(
    dims: Any, strides: Any = None, padding: Any = None, base: Any = None, dilation: Any = None
) -> dict[str, Any]:
    ones = (1,) * len(dims)
    return {
        "window_dimensions": dims,
        "window_strides": strides or ones,
        "padding": padding or ((0, 0),) * len(dims),
        "base_dilation": base or ones,
        "window_dilation": dilation or ones,
    }


WINDOWS: list[tuple[Any, dict[str, Any]]] = [
    ((), window(())),
    ((7,), window((3,))),
    ((7,), window((3,), (2,), ((1, 2),))),
    ((8,), window((3,), (3,), ((-1, -1),))),
    ((5,), window((2,), (1,), ((2, 1),), (3,), (2,))),
    ((6,), window((3,), (2,), ((-2, 4),), (2,))),
    ((3,), window((5,))),  # the window does not fit
    ((3,), window((2,), (1,), ((4, 3),))),  # windows in the padding alone
    ((0,), window((2,), (1,), ((1, 2),))),
    ((4, 5), window((2, 2), (2, 2))),
    ((5, 6), window((3, 2), (2, 1), ((1, 1), (0, 1)))),
    ((1, 5, 6, 2), window((1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (1, 1), (1, 1), (0, 0)))),
    ((2, 3, 4, 4), window((1, 1, 2, 2), (1, 1, 2, 2))),
    ((6, 3), window((6, 1))),
    ((19,), window((9,), (1,), ((8, 0),))),
]


def _windows(shape: Any, params: dict[str, Any]) -> tuple[tuple[int, ...], dict[Any, list[Any]]]:
    """How many windows there are, and for each the places of its elements in their order."""
    axes = [
        steps(n, k, s, *pad, b, d)
        for n, k, s, pad, b, d in zip(shape, *(params[key] for key in window(())), strict=True)
    ]
    counts = tuple(count for count, _ in axes)
    found: dict[Any, list[Any]] = {place: [] for place in np.ndindex(*counts)}
    members: Sequence[Any] = [sorted((j, p, e) for p, j, e in each) for _, each in axes]
    for chosen in itertools.product(*members):
        found[tuple(c[1] for c in chosen)].append((tuple(c[0] for c in chosen), tuple(c[2] for c in chosen)))
    return counts, {place: [e for _, e in sorted(each)] for place, each in found.items()}


def pooled(combine: Callable[[Any, Any], Any], start: Callable[[Any], Any]) -> Callable[..., Any]:
    def oracle(x: Any, **params: Any) -> Any:
        counts, found = _windows(x.shape, params)
        out = np.empty(counts, x.dtype)
        for place, members in found.items():
            total = np.asarray(start(x.dtype)).astype(x.dtype)
            for member in members:
                total = combine(total, x[member])
            out[place] = total
        return out

    return oracle


def _best(operand: Any, members: Any, select_prim: Any) -> Any:
    """Of the places, the first one of an extremum."""
    best = max if select_prim is ge_p else min
    return best(members, key=lambda member: operand[member])  # the first of equal ones


def gathered(tangents: Any, operand: Any, *, select_prim: Any, **params: Any) -> Any:
    counts, found = _windows(operand.shape, params)
    out = np.zeros(counts, tangents.dtype)
    for place, members in found.items():
        if members:
            out[place] = tangents[_best(operand, members, select_prim)]
    return out


def scattered(source: Any, operand: Any, *, select_prim: Any, **params: Any) -> Any:
    out = np.zeros(operand.shape, source.dtype)
    for place, members in _windows(operand.shape, params)[1].items():
        if members:
            out[_best(operand, members, select_prim)] += source[place]
    return out


def distinct(*shape: int, dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    """Values far enough apart that a difference quotient chooses as the derivative does."""
    size = int(np.prod(shape))
    return (np.random.default_rng(seed).permutation(size).reshape(shape) / 4 - size / 8).astype(dtype)


NUMBERS = (np.float32, np.float64, np.float16, dtypes.bfloat16, np.int8, np.uint8, np.int64)
FIXED = window((3,), (2,), ((1, 1),))
operator(
    pooling.reduce_window_sum_p,
    [
        # Quarters of integers, of which all sums are exact.
        *(Sample((distinct(*shape, dtype=np.float32),), params) for shape, params in WINDOWS),
        *(Sample((values(7, dtype=np.int8, low=0).astype(kind),), FIXED) for kind in (*NUMBERS, np.complex64)),
    ],
    oracle=pooled(np.add, lambda dtype: 0),
    grads=[grads(values(*shape, dtype=np.float64), **params) for shape, params in WINDOWS],
    kernel_tolerance=None,
)


def _least(dtype: Any) -> Any:
    return -np.inf if dtype.kind == "f" else 0 if dtype == np.bool_ else dtypes.iinfo(dtype).min


def _most(dtype: Any) -> Any:
    return np.inf if dtype.kind == "f" else 1 if dtype == np.bool_ else dtypes.iinfo(dtype).max


def _has_elements(shape: Any, params: dict[str, Any]) -> bool:
    """Whether no window is empty, so that no result is infinite."""
    return all(_windows(shape, params)[1].values())


WITH_NAN = np.float32([1, np.nan, 2, 3, -np.inf, np.inf, -4])
for _primitive, _ufunc, _start in (
    (pooling.reduce_window_max_p, np.maximum, _least),
    (pooling.reduce_window_min_p, np.minimum, _most),
):
    operator(
        _primitive,
        [
            *(Sample((values(*shape),), params) for shape, params in WINDOWS),
            *(Sample((values(7, dtype=kind, low=0),), FIXED) for kind in (*NUMBERS, np.bool_)),
            Sample((WITH_NAN,), FIXED),
        ],
        oracle=pooled(_ufunc, _start),
        grads=[grads(distinct(*shape), **params) for shape, params in WINDOWS if _has_elements(shape, params)],
        kernel_tolerance=None,
    )

CHOICES = [(shape, {"select_prim": prim, **params}) for shape, params in WINDOWS for prim in (ge_p, le_p)]


def _counts(shape: Any, params: dict[str, Any]) -> tuple[int, ...]:
    rest = {key: value for key, value in params.items() if key != "select_prim"}
    return _windows(shape, rest)[0]


operator(
    pooling.select_and_gather_add_p,
    [
        *(
            Sample((values(*shape), values(*shape, low=-1, high=1, dtype=np.int32)), params)
            for shape, params in CHOICES
        ),
        *(
            Sample((values(7, dtype=kind, low=0), distinct(7, dtype=np.float32)), {"select_prim": ge_p, **FIXED})
            for kind in NUMBERS
        ),
        *(
            Sample((values(7), values(7, dtype=kind, low=0)), {"select_prim": le_p, **FIXED})
            for kind in (*NUMBERS, np.bool_)
        ),
    ],
    oracle=gathered,
    grads=[grads(values(*shape, dtype=np.float64), distinct(*shape), **params) for shape, params in CHOICES],
    kernel_tolerance=None,
)
operator(
    pooling.select_and_scatter_add_p,
    [
        *(
            Sample((values(*_counts(shape, params)), values(*shape, low=-1, high=1, dtype=np.int32)), params)
            for shape, params in CHOICES
        ),
        *(
            Sample((values(4, dtype=kind, low=0), distinct(7, dtype=np.float32)), {"select_prim": ge_p, **FIXED})
            for kind in NUMBERS
        ),
        *(
            Sample((values(4), values(7, dtype=kind, low=0)), {"select_prim": le_p, **FIXED})
            for kind in (*NUMBERS, np.bool_)
        ),
    ],
    oracle=scattered,
    grads=[
        grads(values(*_counts(shape, params), dtype=np.float64), distinct(*shape), **params)
        for shape, params in CHOICES
    ],
    tolerance=16.0,
    kernel_tolerance=16.0,
)
