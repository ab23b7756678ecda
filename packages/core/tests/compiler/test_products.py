"""Products taken apart: what the strides say is what einsum computes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cotan.compiler.c.products import Strides, product_of
from cotan.ir.avals import get_aval

CASES = [
    ((4, 5), (5, 6), (((1,), (0,)), ((), ()))),
    ((5, 4), (6, 5), (((0,), (1,)), ((), ()))),
    ((3, 4, 5), (3, 5, 6), (((2,), (1,)), ((0,), (0,)))),
    ((4, 2, 3), (2, 3, 7), (((1, 2), (0, 1)), ((), ()))),
    ((2, 3, 5), (5, 1, 6), (((2,), (0,)), ((), ()))),
    ((5,), (5, 6), (((0,), (0,)), ((), ()))),
]


def at(x: np.ndarray, strides: Strides, free: int, inner: int, batch: tuple[int, ...]) -> float:
    steps = zip(strides.batch, batch, strict=True)
    return x.ravel()[strides.free * free + strides.inner * inner + sum(s * b for s, b in steps)]


@pytest.mark.parametrize(("left", "right", "numbers"), CASES, ids=str)
def test_strides(left, right, numbers):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=left), rng.normal(size=right)
    p = product_of(get_aval(x), get_aval(y), numbers)
    assert p is not None
    letters = dict(enumerate("abcd"))
    others = dict(enumerate("efgh"))
    for group in numbers[0], numbers[1]:
        others |= {b: letters[a] for a, b in zip(*group, strict=True)}
    used = {letters[a] for a in (*numbers[0][0], *numbers[1][0])}
    first, second = "".join(letters[k] for k in range(x.ndim)), "".join(others[k] for k in range(y.ndim))
    out = "".join(letters[a] for a in numbers[1][0])
    out += "".join(c for c in first + second if c not in used)
    wanted = np.einsum(f"{first},{second}->{out}", x, y).ravel()
    found = [
        sum(at(x, p.x, i, k, batch) * at(y, p.y, j, k, batch) for k in range(p.inner))
        for *batch, i, j in itertools.product(*map(range, (*p.batch, p.rows, p.columns)))
        for batch in [tuple(batch)]
    ]
    np.testing.assert_allclose(found, wanted)


def test_what_does_not_join():
    x, y = get_aval(np.ones((2, 3, 4))), get_aval(np.ones((3, 5)))
    assert product_of(x, y, (((1,), (0,)), ((), ()))) is None
