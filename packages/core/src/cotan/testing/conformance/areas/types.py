"""Every dtype in the operations that any program needs: moved, selected, compared, added up, converted, reduced."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import cotan.numpy as cnp
from cotan import dtypes, lax
from cotan.testing.conformance.cases import Case, ProgramCase, both_ways
from cotan.testing.operators.table import values

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
SMALL = ("int4", "uint4")
WIDE = frozenset({"int64", "uint64", "float64", "complex128"})


def _dtype(name: str) -> Any:
    return np.dtype(getattr(dtypes, name, name))


def moved(x: Any) -> list[Any]:
    """What leaves values as they are."""
    picked = cnp.stack([x[1], x[0]])
    return [x.T, x[:, ::-1], x[1:, ::2], cnp.concatenate([x, x], 1), cnp.broadcast_to(x[0], (2, 4)), picked, x.ravel()]


def arithmetic(x: Any, y: Any) -> list[Any]:
    """The ring operations."""
    return [x + y, x - y, x * y, -x]


def ordered(x: Any, y: Any) -> list[Any]:
    """Comparisons and choices."""
    return [x < y, x >= y, x == y, lax.max(x, y), lax.min(x, y), cnp.where(x > y, x, y)]


def bits(x: Any, y: Any) -> list[Any]:
    """Bitwise operations."""
    return [x & y, x | y, x ^ y, ~x, x << 1, x >> 1]


def reduced(x: Any) -> list[Any]:
    """Reductions that keep the dtype."""
    return [x.max(0), x.min(1), x.max(), cnp.sort(x, 1), x.argmax(1)]


def summed(x: Any) -> list[Any]:
    """Sums and running sums, in the dtype."""
    return [lax.reduce_sum(x, (0,)), lax.reduce_sum(x, (0, 1)), lax.cumsum(x, 1)]


def product(x: Any) -> list[Any]:
    """A matrix product."""
    return [lax.dot(x, x.T)]


def _converted(dtype: Any, x: Any) -> Any:
    return lax.convert_element_type(x, dtype)


def cases() -> Iterator[Case]:
    """Every group of operations in every dtype where it has a meaning, and every conversion."""
    numbers = (*INTEGERS, *FLOATS)
    groups: tuple[tuple[str, Any, int, tuple[str, ...]], ...] = (
        ("moved", moved, 1, ("bool", *SMALL, *numbers, *COMPLEX)),
        ("arithmetic", arithmetic, 2, (*numbers, *COMPLEX)),
        ("ordered", ordered, 2, numbers),
        ("bits", bits, 2, INTEGERS),
        ("reduced", reduced, 1, numbers),
        ("summed", summed, 1, (*numbers, *COMPLEX)),
        ("product", product, 1, (*numbers, *COMPLEX)),
    )
    for group, fun, count, kinds in groups:
        for name in kinds:
            yield from _case(f"types/{group}/{name}", fun, count, name)
    for source in ("bool", *numbers):
        for target in ("bool", *numbers):
            convert = partial(_converted, _dtype(target))
            yield from _case(f"types/from {source}/{target}", convert, 1, source, target)


def _case(name: str, fun: Any, count: int, dtype: str, target: str = "bool") -> list[Case]:
    # Small numbers: sums and products of them are exact in every dtype.
    low = 0 if dtype.startswith("u") or target.startswith("u") else -2
    args = [values(3, 4, dtype=np.float64, low=low, high=3, seed=n).round().astype(_dtype(dtype)) for n in range(count)]
    found = both_ways(
        name, fun, args, tolerance=None, dtypes=("bool", "int32", target), x64=bool(WIDE & {dtype, target}),
        cell=(name.split("/")[1] if target == "bool" and "from" not in name else f"to {target}", dtype),
    )  # fmt: skip
    return [case for case in found if isinstance(case, ProgramCase)]
