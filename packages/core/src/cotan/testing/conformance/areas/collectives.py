"""Collectives over named axes of examples: sums, gathers, exchanges, and derivatives through them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.testing.conformance.cases import Case, both_ways

F, I = np.float32, np.int32
X = (np.arange(24, dtype=F).reshape(4, 2, 3) - 7) / 8


def named(f: Any) -> Any:
    """``f`` mapped over the leading axis, which is named i."""
    return cotan.vmap(f, axis_name="i")


def cases() -> Iterator[Case]:
    """Every collective under vmap; axes of examples are the only ones that a single device has."""
    n = len(X)
    everyone = lambda x: np.broadcast_to(x, (n, *x.shape)).copy()  # noqa: E731
    rows: list[tuple[str, Any, list[Any], list[Any]]] = [
        ("psum", named(lambda x: lax.psum(x, "i")), [X], [everyone(X.sum(0))]),
        ("pmean", named(lambda x: x - lax.pmean(x, "i")), [X], [X - X.mean(0)]),
        ("pmax", named(lambda x: lax.pmax(x, "i")), [X], [everyone(X.max(0))]),
        ("pmin", named(lambda x: lax.pmin(x, "i")), [X], [everyone(X.min(0))]),
        ("all_gather", named(lambda x: lax.all_gather(x, "i")), [X], [everyone(X)]),
        ("ppermute", named(lambda x: lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 3), (3, 0)])), [X], [np.roll(X, 1, 0)]),
        ("axis_index", named(lambda x: x[0, 0] * 0 + lax.axis_index("i")), [X], [np.arange(n, dtype=F)]),
        ("axis_size", named(lambda x: x * lax.psum(1, "i")), [X], [X * n]),
        ("all_to_all", named(lambda x: lax.all_to_all(x, "i", 0, 0)), [X.reshape(4, 6)[:, :4].copy()],
         [X.reshape(4, 6)[:, :4].T.copy()]),
        ("psum_scatter", named(lambda x: lax.psum_scatter(x, "i")), [X.reshape(4, 6)[:, :4].copy()],
         [X.reshape(4, 6)[:, :4].sum(0)]),
        ("grad of psum", cotan.grad(lambda x: cnp.sum(named(lambda x: lax.psum(x * x, "i"))(x))), [X], [2 * n * X]),
        ("jit inside", named(lambda x: cotan.jit(lambda x: lax.psum(x, "i") * 2)(x)), [X], [everyone(X.sum(0) * 2)]),
        ("loop inside", named(lambda x: lax.fori_loop(0, 2, lambda _, x: lax.pmean(x, "i"), x)), [X],
         [everyone(X.mean(0))]),
    ]  # fmt: skip
    for name, fun, args, wanted in rows:
        yield from both_ways(f"collectives/{name}/values", fun, args, wanted, dtypes=("int32", "bool"))
