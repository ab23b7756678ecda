"""select_and_scatter_add (the gradient of maximum pooling) as native code: window after window, channels in vectors.

A unit is one index of the axes before the window: what its windows add to is written by one thread, and lies in the
cache. Windows that are wholly inside are written out element by element; those at the border run in loops. Knows
nothing of arrays.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cotan.backend import LoweringTable
from cotan.ir.program import LibraryStep
from cotan_cpu.lower.text import DECLARATIONS, Text, Value

if TYPE_CHECKING:
    from cotan_cpu.program import Writer

_ELEMENTS = {"float32": "float", "float64": "double"}
_SECONDS_PER_ELEMENT = 0.4e-9
_UNROLLED = 16
"""The most elements of a window that are written out one by one."""


@dataclass(frozen=True)
class Plan:
    """Windows over three axes between ``outer`` and ``inner`` ones that no window covers.

    Attributes:
      axes: per axis (extent, windows, extent of the window, stride, padding in front, distance within the window).
      largest: whether the largest element is chosen, or the smallest.
    """

    outer: int
    axes: tuple[tuple[int, int, int, int, int, int], ...]
    inner: int
    element: str
    lanes: int
    largest: bool

    @property
    def plane(self) -> int:
        """Elements of the operand per unit."""
        return math.prod(axis[0] for axis in self.axes) * self.inner

    @property
    def windows(self) -> int:
        return math.prod(axis[1] for axis in self.axes)

    @property
    def window(self) -> int:
        return math.prod(axis[2] for axis in self.axes)

    @property
    def steps(self) -> tuple[int, ...]:
        """Distances along the axes."""
        _, (n1, *_), (n2, *_) = self.axes
        return (n1 * n2 * self.inner, n2 * self.inner, self.inner)


def plan_for(shape: tuple[int, ...], params: dict[str, Any], element: str, vector_bytes: int) -> Plan | None:
    """How to do it for an operand of this shape; None if there are holes in it, or windows over too many axes."""
    from cotan.primitives.compare import ge_p
    from cotan.primitives.pooling import slides_of

    slides = slides_of(shape, params)
    covered = [k for k, s in enumerate(slides) if (s.window, s.stride, s.low, s.high) != (1, 1, 0, 0) or s.base != 1]
    first = covered[0] if covered else len(shape)
    last = covered[-1] + 1 if covered else len(shape)
    if last - first > 3 or any(s.base > 1 for s in slides):
        return None
    axes = [(1, 1, 1, 1, 0, 1)] * (3 - (last - first))
    axes += [(s.extent, s.count, s.window, s.stride, s.low, s.dilation) for s in slides[first:last]]
    inner = math.prod(shape[last:])
    lanes = vector_bytes // (8 if element == "double" else 4)
    largest = params["select_prim"] is ge_p
    return Plan(math.prod(shape[:first]), tuple(axes), inner, element, lanes, largest)


def write(writer: Writer, step: LibraryStep) -> None:
    """The native function where there is one, else loops."""
    source, operand = (writer.aval(n) for n in step.operands)
    (out,) = step.results
    element = _ELEMENTS.get(operand.dtype.name)
    if source.size == 0 or operand.size == 0:
        if operand.size:
            writer.zero(out)
        return
    plan = None
    if element is not None and source.dtype == operand.dtype:
        plan = plan_for(operand.shape, step.params, element, writer.target.vector_bytes)
    if plan is None:
        writer.loops(step)
        return
    symbol = writer.function(lambda symbol: text(symbol, plan) + DECLARATIONS)
    seconds = (operand.size + source.size * plan.window) * _SECONDS_PER_ELEMENT * (4 if plan.inner == 1 else 1) / 4
    pointers = [writer.pointer(n) for n in (*step.operands, out)]
    writer.launch(symbol, pointers, plan.outer, seconds, "select_and_scatter_add")


# ---- Text


class _Lanes:
    """Elements of ``lanes`` neighbouring channels: loads, comparisons and stores."""

    def __init__(self, text: Text, plan: Plan, lanes: int) -> None:
        self.text, self.plan, self.lanes = text, plan, lanes
        self.bits = 64 if plan.element == "double" else 32
        self.kind = self._many(plan.element)
        self.integer = self._many(f"i{self.bits}")
        self.truth = self._many("i1")

    def _many(self, kind: str) -> str:
        return f"<{self.lanes} x {kind}>" if self.lanes > 1 else kind

    def number(self, value: int) -> str:
        """An integer in all lanes."""
        if self.lanes == 1:
            return str(value)
        return f"<{', '.join([f'i{self.bits} {value}'] * self.lanes)}>"

    def load(self, pointer: str) -> str:
        return self.text.let(f"load {self.kind}, ptr {pointer}, align {self.bits // 8}")

    def better(self, new: str, best: str) -> str:
        """Whether a later element is chosen instead: it is larger, or the first NaN."""
        less = "ugt" if self.plan.largest else "ult"
        beats = self.text.let(f"fcmp {less} {self.kind} {new}, {best}")
        number = self.text.let(f"fcmp ord {self.kind} {best}, {best}")
        return self.text.let(f"and {self.truth} {beats}, {number}")

    def choose(self, condition: str, kind: str, then: str, otherwise: str) -> str:
        return self.text.let(f"select {self.truth} {condition}, {kind} {then}, {kind} {otherwise}")

    def add_where(self, chosen: str, number: str, value: str, pointer: str) -> None:
        """Add ``value`` to what is at a pointer in lanes that chose it."""
        text = self.text
        mine = text.let(f"icmp eq {self.integer} {chosen}, {number}")
        old = self.load(pointer)
        total = text.let(f"fadd {self.kind} {old}, {value}")
        new = self.choose(mine, self.kind, total, old)
        text.emit(f"store {self.kind} {new}, ptr {pointer}, align {self.bits // 8}")


def text(symbol: str, plan: Plan) -> str:
    """A function over (source, operand, result)."""
    body = Text(f"define internal void @{symbol}(ptr noalias %table, i64 %begin, i64 %end) nounwind", plan.element)
    source, operand, out = (body.operand("%table", n) for n in range(3))
    widths = [(plan.lanes, plan.inner // plan.lanes * plan.lanes), (1, plan.inner)]
    slots = {}
    for width in {width for width, _ in widths}:
        each = _Lanes(body, plan, width)
        slots[width] = (body.let(f"alloca {each.kind}, align 64"), body.let(f"alloca {each.integer}, align 64"))
    with body.loop("%begin", "%end") as unit:
        x = body.at(operand, body.mul(unit, plan.plane))
        result = body.at(out, body.mul(unit, plan.plane))
        g = body.at(source, body.mul(unit, plan.windows * plan.inner))
        body.clear(result, plan.plane)
        (_, c0, *_), (_, c1, *_), (_, c2, *_) = plan.axes
        with body.loop(0, c0) as p0, body.loop(0, c1) as p1, body.loop(0, c2) as p2:
            starts = [body.sub(body.mul(p, axis[3]), axis[4]) for p, axis in zip((p0, p1, p2), plan.axes, strict=True)]
            begin = body.total(*zip(starts, plan.steps, strict=True))
            place = body.add(body.mul(body.add(body.mul(p0, c1), p1), c2), p2)
            share = body.at(g, body.mul(place, plan.inner))
            first, target = body.at(x, begin), body.at(result, begin)

            def windows(
                inside: bool, starts: Any = starts, share: str = share, x: str = first, to: str = target
            ) -> None:
                done: Value = 0
                for width, end in widths:
                    if end != done:
                        with body.loop(done, end, width) as channel:
                            lanes = _Lanes(body, plan, width)
                            mine, seen, written = (body.at(pointer, channel) for pointer in (share, x, to))
                            if inside:
                                _inside(lanes, mine, seen, written)
                            else:
                                _at_border(lanes, starts, mine, seen, written, *slots[width])
                    done = end

            condition = _all_inside(body, plan, starts)
            if plan.window > _UNROLLED:
                windows(False)
            elif condition is None:
                windows(True)
            else:
                body.either(condition, functools.partial(windows, True), functools.partial(windows, False))
    return body.finish()


def _all_inside(text: Text, plan: Plan, starts: list[Value]) -> str | None:
    """The condition that all of a window lies inside; None if it always does."""
    found = None
    for start, (extent, count, window, stride, low, dilation) in zip(starts, plan.axes, strict=True):
        last = extent - ((window - 1) * dilation + 1)
        if low <= 0 and (count - 1) * stride - low <= last:
            continue
        start = start if isinstance(start, str) else text.let(f"add i64 {start}, 0")
        # Negative starts are large without a sign.
        here = text.let(f"icmp ule i64 {start}, {last}") if last >= 0 else "false"
        found = here if found is None else text.let(f"and i1 {found}, {here}")
    return found


def _offsets(plan: Plan) -> list[int]:
    """The distances of the window's elements from its first one."""
    return [
        sum(k * axis[5] * step for k, axis, step in zip(ks, plan.axes, plan.steps, strict=True))
        for ks in itertools.product(*(range(axis[2]) for axis in plan.axes))
    ]


def _inside(lanes: _Lanes, share: str, x: str, target: str) -> None:
    text, offsets = lanes.text, _offsets(lanes.plan)
    best, value = lanes.load(x), lanes.load(share)
    if lanes.lanes == 1:
        # One element has a place, which can be computed.
        chosen = "0"
        for offset in offsets[1:]:
            new = lanes.load(text.at(x, offset))
            condition = lanes.better(new, best)
            best = lanes.choose(condition, lanes.kind, new, best)
            chosen = lanes.choose(condition, "i64", str(offset), chosen)
        place = text.at(target, chosen)
        total = text.let(f"fadd {lanes.kind} {lanes.load(place)}, {value}")
        text.emit(f"store {lanes.kind} {total}, ptr {place}, align {lanes.bits // 8}")
        return
    chosen = lanes.number(0)
    for n, offset in enumerate(offsets[1:], 1):
        new = lanes.load(text.at(x, offset))
        condition = lanes.better(new, best)
        best = lanes.choose(condition, lanes.kind, new, best)
        chosen = lanes.choose(condition, lanes.integer, lanes.number(n), chosen)
    for n, offset in enumerate(offsets):
        lanes.add_where(chosen, lanes.number(n), value, text.at(target, offset))


def _at_border(
    lanes: _Lanes, starts: list[Value], share: str, x: str, target: str, best_at: str, chosen_at: str
) -> None:
    """As ``_inside``, for elements that are there, in loops."""
    text, plan = lanes.text, lanes.plan
    value = lanes.load(share)
    text.emit(f"store {lanes.integer} {lanes.number(-1)}, ptr {chosen_at}")
    bounds = []
    for start, (extent, _, window, _, _, dilation) in zip(starts, plan.axes, strict=True):
        # The first offset at or behind the beginning, and the first behind the end.
        low = text.divmod(text.most(text.sub(dilation - 1, start), 0), dilation)[0]
        high = text.divmod(text.most(text.add(text.sub(extent - 1, start), dilation), 0), dilation)[0]
        bounds.append((low, text.least(high, window)))
    (l0, h0), (l1, h1), (l2, h2) = bounds
    for choosing in (True, False):
        with text.loop(l0, h0) as k0, text.loop(l1, h1) as k1, text.loop(l2, h2) as k2:
            ks = (k0, k1, k2)
            offset = text.total(*((k, axis[5] * step) for k, axis, step in zip(ks, plan.axes, plan.steps, strict=True)))
            _, (_, _, w1, *_), (_, _, w2, *_) = plan.axes
            number = _spread(lanes, text.add(text.mul(text.add(text.mul(k0, w1), k1), w2), k2))
            chosen = text.let(f"load {lanes.integer}, ptr {chosen_at}")
            if not choosing:
                lanes.add_where(chosen, number, value, text.at(target, offset))
            else:
                new = lanes.load(text.at(x, offset))
                best = text.let(f"load {lanes.kind}, ptr {best_at}")
                none = text.let(f"icmp eq {lanes.integer} {chosen}, {lanes.number(-1)}")
                condition = text.let(f"or {lanes.truth} {none}, {lanes.better(new, best)}")
                new_best = lanes.choose(condition, lanes.kind, new, best)
                new_chosen = lanes.choose(condition, lanes.integer, number, chosen)
                text.emit(f"store {lanes.kind} {new_best}, ptr {best_at}")
                text.emit(f"store {lanes.integer} {new_chosen}, ptr {chosen_at}")


def _spread(lanes: _Lanes, value: Value) -> str:
    """A 64-bit integer in all lanes."""
    if isinstance(value, int):
        return lanes.number(value)
    text = lanes.text
    narrow = value if lanes.bits == 64 else text.let(f"trunc i64 {value} to i{lanes.bits}")
    if lanes.lanes == 1:
        return narrow
    first = text.let(f"insertelement {lanes.integer} poison, i{lanes.bits} {narrow}, i64 0")
    zeros = f"<{lanes.lanes} x i32> zeroinitializer"
    return text.let(f"shufflevector {lanes.integer} {first}, {lanes.integer} poison, {zeros}")


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.pooling import select_and_scatter_add_p

    table.rule("library", select_and_scatter_add_p)(write)
