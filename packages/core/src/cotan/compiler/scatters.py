"""Scatters by several threads: what may run at once, decided from where updates go, and the same for any thread count.

Loops that write different elements whatever the others do are parallel as they are. Otherwise, where updates are rows,
the result is cut into ranges: each takes, in order, the updates that go to it, and begins with its part of the start.
Where the result is small, several copies of it collect a part of the updates each, and are combined afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cotan.compiler.cost import steps
from cotan.compiler.elements import Idx, Op, literal_value, open_load, physical
from cotan.compiler.legalize import HALF
from cotan.ir.avals import shaped
from cotan.ir.index import ZERO, Axis, Index, axis_index
from cotan.ir.jaxpr import Eqn, Literal, Var
from cotan.ir.scalar import Expr, Scatter, as_index, const, index_axes, index_value, load, make, reduce

MANY = 1 << 16
"""Scatters of fewer elements are left to one thread."""
COPIES = 8
RANGES = 8
RANGE_BYTES = 1 << 20
"""A range should stay in the cache between its start and its updates."""
MOST_RANGES = 64
ENOUGH_PARALLEL = 8
_NEUTRAL: dict[str, Any] = {"add": -0.0, "mul": 1.0, "min": np.inf, "max": -np.inf}
_NEUTRAL_INT: dict[str, Any] = {"add": 0, "mul": 1, "min": "max", "max": "min", "and": -1, "or": 0, "xor": 0}


@dataclass(frozen=True)
class Space:
    """A scatter's loops over its updates, what they evaluate, and how they may run.

    Attributes:
      axes: all loops, in the order in which updates are taken.
      update, target: the index tuples into the updates and the result.
      conditions: what an update must fulfil.
      value: the update's element.
      first: the first dimension of the result in which different updates may meet.
      outer, inner: the loops that never meet, by whether their dimension comes before ``first``.
    """

    axes: tuple[Axis, ...]
    update: Idx
    target: Idx
    conditions: tuple[tuple[Index, int, int], ...]
    value: Expr
    first: int
    outer: tuple[Axis, ...]
    inner: tuple[Axis, ...]

    @property
    def shared(self) -> tuple[Axis, ...]:
        """The loops whose steps may meet: they stay in their order."""
        apart = {*self.outer, *self.inner}
        return tuple(a for a in self.axes if a not in apart)


def space_of(op: Op) -> Space:
    """The loops of a scatter."""
    record = op.record
    assert isinstance(record, Scatter)
    all_axes = tuple(Axis(f"u{n}", extent, "sequential") for n, extent in enumerate(record.extents))
    update = tuple(map(axis_index, all_axes))
    conditions, target = record.target(update)
    axes = tuple(a for a in all_axes if a.extent != 1)
    private: dict[Axis, int] = {}
    for dim, index in enumerate(target):
        if len(index.terms) == 1 and isinstance(index.terms[0][0], Axis):
            private.setdefault(index.terms[0][0], dim)
    if record.unique:
        private = dict.fromkeys(axes, 0)
    shape = physical(op.outs[0].aval).shape
    fixed = set(private.values())
    first = next((d for d, n in enumerate(shape) if n != 1 and d not in fixed), len(shape))
    outer = tuple(a for a in axes if a in private and private[a] < first)
    inner = tuple(a for a in axes if a in private and private[a] >= first)
    return Space(axes, update, tuple(target), tuple(conditions), record.value(update), first, outer, inner)


def start_of(op: Op, idx: Idx | None = None) -> Expr:
    """The element of a scatter's operand 0 from which its result starts."""
    assert op.eqn is not None
    start = op.eqn.invars[0]
    if isinstance(start, Literal):
        return literal_value(start)
    return open_load(start, op.idx if idx is None else idx)


@dataclass(frozen=True)
class Ranges:
    """The result cut into ``count`` ranges of ``size`` along dimension ``dim``; the last one may be shorter."""

    dim: int
    count: int
    size: int
    whole: bool


def ranges_of(op: Op, space: Space) -> Ranges | None:
    """The ranges by which to share a scatter among threads, if it pays that each looks at all updates."""
    aval = physical(op.outs[0].aval)
    if op.record.unique or space.first >= len(aval.shape) or not space.shared:
        return None
    row = steps(space.inner)
    looked_at = steps(space.shared)
    work = looked_at * row + aval.size
    along = space.target[space.first]
    known = index_axes(along)
    if steps(space.outer) > 1 or work < MANY or not known or not known <= set(space.shared):
        return None
    extent = aval.shape[space.first]
    wanted = min(max(RANGES, aval.nbytes // RANGE_BYTES), MOST_RANGES, extent, work // (4 * looked_at))
    if wanted < RANGES:
        return None
    count = next((c for c in range(wanted, wanted // 2, -1) if extent % c == 0), wanted)
    size = -(-extent // count)
    return Ranges(space.first, -(-extent // size), size, extent % count == 0)


# --- copies ---


def in_copies(op: Op) -> Sequence[Op]:
    """A scatter of many updates into a small result as one into several copies of it, and their combination."""
    record = op.record
    aval = physical(op.outs[0].aval)
    name = combiner_of(record, aval.dtype)
    updates = math.prod(record.extents)
    count = min(COPIES, updates // (4 * max(aval.size, 1)))
    if name is None or updates < MANY or count < 2 or aval.dtype in HALF:
        return (op,)
    space = space_of(op)
    if steps(space.outer) >= ENOUGH_PARALLEL or ranges_of(op, space) is not None:
        return (op,)
    extents = record.extents
    cut = next((n for n, extent in enumerate(extents) if extent >= 4 * count), None)
    if cut is None or op.eqn is None:
        return (op,)
    neutral = _neutral(name, aval.dtype)
    partial = Var(shaped((count, *aval.shape), aval.dtype))
    begin = Literal(np.asarray(neutral, aval.dtype), shaped((), aval.dtype))
    eqn = Eqn(op.eqn.primitive, (begin, *op.eqn.invars[1:]), (partial,), op.eqn.params, source=op.eqn.source)
    first = Op(op.name, "scatter", (partial,), None, eqn, _into_copies(record, cut, count))

    def whole(idx: Idx) -> tuple[Expr, ...]:
        init = const(neutral, aval.dtype)
        [state] = reduce(name, (count,), [init], lambda copy: [open_load(partial, (copy, *idx))])
        return (record.combine(start_of(op, idx), state),)

    return (first, Op(op.name, "map", op.outs, whole, op.eqn, None, (op.axes, op.idx)))


def _into_copies(record: Scatter, cut: int, count: int) -> Scatter:
    """``record`` with its axis ``cut`` in ``count`` parts, each of which goes to a copy of its own."""
    extent = record.extents[cut]
    size = -(-extent // count)

    def walked(u: Idx) -> tuple[Index, Idx]:
        copy, *rest = u
        position = copy * size + rest[cut]
        rest[cut] = position
        if size * count > extent:
            last = const(extent - 1, np.int64)
            rest[cut] = as_index(make("min", last.dtype, (index_value(position, np.int64), last)), 0, extent - 1)
        return position, tuple(rest)

    def target(u: Idx) -> tuple[Sequence[tuple[Index, int, int]], Idx]:
        position, inner = walked(u)
        conditions, where = record.target(inner)
        within = [(position, 0, extent)] if size * count > extent else []
        return (*within, *conditions), (u[0], *where)

    extents = (count, *(size if n == cut else e for n, e in enumerate(record.extents)))
    return replace(record, extents=extents, target=target, value=lambda u: record.value(walked(u)[1]))


def combiner_of(record: Scatter, dtype: Any) -> str | None:
    """The name of the associative operation that combines old and new elements, if it is one."""
    if record.combine is None or record.unique:
        return None
    old, new = load("old", ZERO, dtype), load("new", ZERO, dtype)
    combined = record.combine(old, new)
    known = _NEUTRAL if dtype.kind == "f" else _NEUTRAL_INT
    return combined.op if combined.op in known and set(combined.args) == {old, new} else None


def _neutral(name: str, dtype: Any) -> Any:
    """What ``name`` combines with anything to that."""
    if dtype.kind == "f":
        return _NEUTRAL[name]
    value = _NEUTRAL_INT[name]
    if dtype.kind == "b":
        return name in ("and", "min", "mul")
    if name == "and":
        return np.invert(dtype.type(0))
    return getattr(np.iinfo(dtype), value) if isinstance(value, str) else value
