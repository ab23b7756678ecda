"""Index algebra: whatever is simplified keeps its value and its range, on all points of the loops."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from cotan.ir.index import Axis, FloorDiv, Index, Mod, axis_index, linear_index, ravel, substitute, unravel

Meaning = Callable[[dict[Axis, int]], int]


def value(index: Index, at: dict[Axis, int]) -> int:
    total = index.const
    for atom, coefficient in index.terms:
        if isinstance(atom, Axis):
            total += coefficient * at[atom]
        else:
            assert isinstance(atom, FloorDiv | Mod)
            inner = value(atom.index, at)
            total += coefficient * (inner // atom.divisor if isinstance(atom, FloorDiv) else inner % atom.divisor)
    return total


def points(axes: list[Axis]) -> list[dict[Axis, int]]:
    return [dict(zip(axes, p, strict=True)) for p in itertools.product(*(range(a.extent) for a in axes))]


def generate(random: Random, axes: list[Axis], depth: int) -> tuple[Index, Meaning]:
    """A random index that is not negative, and what it should mean."""
    if depth == 0:
        axis = random.choice(axes)
        return axis_index(axis), lambda at: at[axis]
    index, f = generate(random, axes, depth - 1)
    n = random.choice((2, 3, 4, 6, 8, 12))
    kind = random.choice(("sum", "sum", "scale", "shift", "quotient", "quotient", "rest", "rest"))
    if kind == "sum":
        other, g = generate(random, axes, depth - 1)
        return index + other, lambda at: f(at) + g(at)
    if kind == "scale":
        return index * n, lambda at: f(at) * n
    if kind == "shift":
        shift = max(random.choice((-3, -1, 1, 5)), -index.range[0])
        return index + shift, lambda at: f(at) + shift
    if kind == "quotient":
        return index // n, lambda at: f(at) // n
    return index % n, lambda at: f(at) % n


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.randoms(use_true_random=False))
def test_simplification_keeps_values_and_ranges(random: Random) -> None:
    axes = [Axis(f"a{n}", random.choice((1, 2, 3, 4, 6, 8))) for n in range(3)]
    index, meaning = generate(random, axes, 5)
    split = Axis("outer", axes[0].extent), Axis("inner", 4)
    wide = Axis("wide", axes[0].extent * 4)
    walked, walked_meaning = generate(random, [wide, *axes[1:]], 4)
    moved = substitute(walked, {wide: axis_index(split[0]) * 4 + axis_index(split[1])})
    for at in points(axes):
        assert value(index, at) == meaning(at)
        assert index.range[0] <= meaning(at) <= index.range[1]
    for at in points([*split, *axes[1:]]):
        full = {**at, wide: at[split[0]] * 4 + at[split[1]]}
        assert value(moved, at) == walked_meaning(full)


def test_reshapes_come_back_to_where_they_started() -> None:
    n = axis_index(Axis("n", 120))
    parts = unravel(n, (2, 3, 4, 5))
    assert linear_index(parts, (2, 3, 4, 5)) == n
    assert ravel(parts, (2, 3, 4, 5)) == n
    i, j = axis_index(Axis("i", 6)), axis_index(Axis("j", 20))
    assert unravel(i * 20 + j, (6, 20)) == (i, j)
    assert unravel(i * 20 + j, (6, 4, 5)) == (i, j // 5, j % 5)
