"""Writing LLVM IR text: typed values, scopes, loops, branches.

Every value knows the scope it was made in, and a pure instruction is written to the outermost scope in which all its
operands exist: code motion out of loops happens while writing, as does removal of equal instructions. Knows no kernels.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "half": 16, "float": 32, "double": 64, "ptr": 64}
_SUFFIX = {"half": "f16", "float": "f32", "double": "f64", "ptr": "p0"}


class Val(NamedTuple):
    """An SSA value or a literal: ``lanes`` values of the LLVM type ``kind``; lanes = 1 is a scalar."""

    text: str
    kind: str
    lanes: int
    depth: int

    @property
    def type(self) -> str:
        return self.kind if self.lanes == 1 else f"<{self.lanes} x {self.kind}>"

    @property
    def is_literal(self) -> bool:
        """Whether it is a constant; a vector may be one of different numbers."""
        return self.text[0] != "%"


def float_literal(value: float, kind: str) -> str:
    """The exact spelling of a float constant: the bits of the double that equals it."""
    if kind == "float":
        try:
            value = struct.unpack("<f", struct.pack("<f", value))[0]
        except OverflowError:
            value = float("inf") if value > 0 else float("-inf")
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def int_literal(value: int, kind: str) -> str:
    """An integer constant, wrapped to the width of ``kind``."""
    if kind == "i1":
        return "true" if value & 1 else "false"
    bits = BITS[kind]
    value &= (1 << bits) - 1
    return str(value - (1 << bits) if value >> (bits - 1) else value)


def literal(value: float | int | bool, kind: str, depth: int = 0) -> Val:
    """A scalar constant. A ``depth`` binds it to a scope, as if it had been computed there."""
    text = float_literal(float(value), kind) if kind in ("float", "double") else int_literal(int(value), kind)
    return Val(text, kind, 1, depth)


def type_name(kind: str, lanes: int) -> str:
    return kind if lanes == 1 else f"<{lanes} x {kind}>"


def suffix(kind: str, lanes: int) -> str:
    """How intrinsics' names spell a type: v16f32."""
    scalar = _SUFFIX.get(kind, kind)
    return scalar if lanes == 1 else f"v{lanes}{scalar}"


class Scope:
    """A region of code with one entry; its lines are appended to the parent's when it closes."""

    __slots__ = ("lines", "memo", "values")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.memo: dict[tuple[str, str], Val] = {}
        self.values: dict[object, Val] = {}


class Builder:
    """One function's text. ``scopes[0]`` is the function's entry."""

    def __init__(self) -> None:
        self.scopes = [Scope()]
        self.label = "entry"
        self.declarations: dict[str, str] = {}
        self._sums: dict[str, tuple[Val, Val]] = {}
        self._count = 0

    # Values and instructions.

    def name(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def new_label(self) -> str:
        self._count += 1
        return f"b{self._count}"

    @property
    def depth(self) -> int:
        return len(self.scopes) - 1

    def emit(self, rhs: str, kind: str, lanes: int, depth: int) -> Val:
        """A pure instruction, in the scope ``depth``; the same text there is written once."""
        scope = self.scopes[depth]
        key = (rhs, kind)
        value = scope.memo.get(key)
        if value is None:
            value = Val(self.name(), kind, lanes, depth)
            scope.lines.append(f"  {value.text} = {rhs}")
            scope.memo[key] = value
        return value

    def impure(self, rhs: str, kind: str, lanes: int) -> Val:
        """An instruction that stays where it is, and is not shared."""
        value = Val(self.name(), kind, lanes, self.depth)
        self.scopes[-1].lines.append(f"  {value.text} = {rhs}")
        return value

    def line(self, text: str) -> None:
        self.scopes[-1].lines.append("  " + text)

    def splat(self, value: Val, lanes: int) -> Val:
        if value.lanes == lanes:
            return value
        if value.lanes != 1:
            raise AssertionError(f"a vector of {value.lanes} lanes where one of {lanes} is wanted")
        if value.is_literal:
            return Val(f"splat ({value.kind} {value.text})", value.kind, lanes, value.depth)
        vector = type_name(value.kind, lanes)
        insertion = f"insertelement {vector} poison, {value.kind} {value.text}, i64 0"
        one = self.emit(insertion, value.kind, lanes, value.depth)
        zeros = f"<{lanes} x i32> zeroinitializer"
        return self.emit(f"shufflevector {vector} {one.text}, {vector} poison, {zeros}", value.kind, lanes, value.depth)

    def match(self, *values: Val) -> list[Val]:
        """The values with equal lane counts: scalars become splats beside vectors."""
        lanes = max([value.lanes for value in values])
        return [value if value.lanes == lanes else self.splat(value, lanes) for value in values]

    def binary(self, op: str, a: Val, b: Val) -> Val:
        if a.lanes != b.lanes:
            a, b = self.match(a, b)
        if op == "add" and a.lanes > 1 and a.depth != b.depth and not (a.is_literal or b.is_literal):
            return self._sum_across_scopes(*sorted((a, b), key=lambda value: value.depth))
        return self.emit(f"{op} {a.type} {a.text}, {b.text}", a.kind, a.lanes, max(a.depth, b.depth))

    def _sum_across_scopes(self, outer: Val, inner: Val) -> Val:
        """Integers outer + inner: what ``inner`` has from outside of its scope is added to ``outer``, outside of it."""
        parts = self._sums.get(inner.text)
        if parts is not None and parts[1].depth == inner.depth:  # else its scope is closed
            outer, inner = self.binary("add", parts[0], outer), parts[1]
        total = self.emit(f"add {outer.type} {outer.text}, {inner.text}", outer.kind, outer.lanes, inner.depth)
        self._sums[total.text] = (outer, inner)
        return total

    def compare(self, op: str, a: Val, b: Val) -> Val:
        """``op`` is such as 'icmp slt' or 'fcmp olt'."""
        if a.lanes != b.lanes:
            a, b = self.match(a, b)
        return self.emit(f"{op} {a.type} {a.text}, {b.text}", "i1", a.lanes, max(a.depth, b.depth))

    def select(self, condition: Val, then: Val, otherwise: Val) -> Val:
        if then == otherwise:
            return then
        if condition.lanes == 1:
            if condition.text == "true":
                return then
            if condition.text == "false":
                return otherwise
            then, otherwise = self.match(then, otherwise)
        else:
            condition, then, otherwise = self.match(condition, then, otherwise)
        depth = max(condition.depth, then.depth, otherwise.depth)
        rhs = f"select {condition.type} {condition.text}, {then.type} {then.text}, {then.type} {otherwise.text}"
        return self.emit(rhs, then.kind, then.lanes, depth)

    def convert(self, op: str, a: Val, kind: str) -> Val:
        """A conversion instruction such as 'sext' or 'fptrunc'."""
        if a.kind == kind:
            return a
        return self.emit(f"{op} {a.type} {a.text} to {type_name(kind, a.lanes)}", kind, a.lanes, a.depth)

    def bitcast(self, a: Val, kind: str) -> Val:
        if a.kind == kind:
            return a
        return self.emit(f"bitcast {a.type} {a.text} to {type_name(kind, a.lanes)}", kind, a.lanes, a.depth)

    def unary(self, op: str, a: Val) -> Val:
        """``fneg`` and the like."""
        return self.emit(f"{op} {a.type} {a.text}", a.kind, a.lanes, a.depth)

    def intrinsic(self, name: str, *args: Val, extra: str = "") -> Val:
        """``llvm.name`` overloaded on the first argument's type; ``extra``, such as 'i1 false', follows the others."""
        matched = self.match(*args)
        first = matched[0]
        full = f"llvm.{name}.{suffix(first.kind, first.lanes)}"
        types = [value.type for value in matched] + ([extra.split()[0]] if extra else [])
        self.declare(full, first.type, types)
        arguments = [f"{value.type} {value.text}" for value in matched] + ([extra] if extra else [])
        rhs = f"call {first.type} @{full}({', '.join(arguments)})"
        return self.emit(rhs, first.kind, first.lanes, max(value.depth for value in matched))

    def declare(self, name: str, result: str, arguments: Sequence[str]) -> None:
        if name not in self.declarations:
            self.declarations[name] = f"declare {result} @{name}({', '.join(arguments)})"

    def step_vector(self, kind: str, lanes: int) -> Val:
        """0, 1, 2, ... in the lanes."""
        name = f"llvm.stepvector.{suffix(kind, lanes)}"
        vector = type_name(kind, lanes)
        self.declare(name, vector, ())
        return self.emit(f"call {vector} @{name}()", kind, lanes, 0)

    def gep(self, kind: str, pointer: Val, offset: Val) -> Val:
        if offset.is_literal and offset.lanes == 1 and offset.text == "0":
            return pointer
        lanes = max(pointer.lanes, offset.lanes)
        rhs = f"getelementptr {kind}, {pointer.type} {pointer.text}, {offset.type} {offset.text}"
        return self.emit(rhs, "ptr", lanes, max(pointer.depth, offset.depth))

    def extract(self, a: Val, lane: int) -> Val:
        return self.emit(f"extractelement {a.type} {a.text}, i64 {lane}", a.kind, 1, a.depth)

    def shuffle(self, a: Val, b: Val | None, lanes: Sequence[int]) -> Val:
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        second = b.text if b is not None else "poison"
        rhs = f"shufflevector {a.type} {a.text}, {a.type} {second}, <{len(lanes)} x i32> <{mask}>"
        return self.emit(rhs, a.kind, len(lanes), max(a.depth, b.depth if b is not None else 0))

    def alloca(self, kind: str, count: int, align: int = 64) -> Val:
        """Scratch memory of the function, at its entry."""
        value = Val(self.name(), "ptr", 1, 0)
        self.scopes[0].lines.insert(0, f"  {value.text} = alloca [{count} x {kind}], align {align}")
        return value

    # Integer arithmetic on i64 scalars, with folding.

    def add(self, a: Val, b: Val) -> Val:
        if a.is_literal and b.is_literal:
            return literal(int(a.text) + int(b.text), a.kind, max(a.depth, b.depth))
        if a.is_literal:
            a, b = b, a
        return a._replace(depth=max(a.depth, b.depth)) if b.text == "0" else self.binary("add", a, b)

    def scale(self, a: Val, factor: int) -> Val:
        if factor == 1:
            return a
        if a.is_literal:
            return literal(int(a.text) * factor, a.kind, a.depth)
        if factor > 1 and factor & (factor - 1) == 0:
            return self.binary("shl", a, literal(factor.bit_length() - 1, a.kind))
        return self.binary("mul", a, literal(factor, a.kind))

    def minimum(self, a: Val, b: Val) -> Val:
        if a.is_literal and b.is_literal:
            return literal(min(int(a.text), int(b.text)), a.kind, max(a.depth, b.depth))
        return self.intrinsic("smin", a, b)

    def maximum(self, a: Val, b: Val) -> Val:
        if a.is_literal and b.is_literal:
            return literal(max(int(a.text), int(b.text)), a.kind, max(a.depth, b.depth))
        return self.intrinsic("smax", a, b)

    # Control flow.

    def loop(
        self,
        start: Val,
        stop: Val,
        step: int,
        carries: Sequence[Val],
        body: Callable[[Val, list[Val]], Sequence[Val]],
    ) -> list[Val]:
        """``for i from start while i < stop, i += step``: carries = body(i, carries); a loop of no rounds is allowed.

        A loop that is known to have one round is written without a loop.
        """
        constant = start.is_literal and stop.is_literal
        if constant and int(start.text) >= int(stop.text):
            return list(carries)
        if constant and int(start.text) + step >= int(stop.text):
            return self.region(lambda: body(start, list(carries)))
        parent_label, header, after = self.label, self.new_label(), self.new_label()
        depth = len(self.scopes)
        induction = Val(self.name(), "i64", 1, depth)
        phis = [Val(self.name(), value.kind, value.lanes, depth) for value in carries]
        self.scopes.append(Scope())
        self.label = header
        results = [self.splat(value, like.lanes) for value, like in zip(body(induction, list(phis)), carries)]
        following = self.name()
        test = self.name()
        inner, latch = self.scopes.pop().lines, self.label
        lines = self.scopes[-1].lines
        if constant:
            lines.append(f"  br label %{header}")
        else:
            entered = self.name()
            lines.append(f"  {entered} = icmp slt i64 {start.text}, {stop.text}")
            lines.append(f"  br i1 {entered}, label %{header}, label %{after}")
        lines.append(f"{header}:")
        lines.append(f"  {induction.text} = phi i64 [ {start.text}, %{parent_label} ], [ {following}, %{latch} ]")
        for phi, first, result in zip(phis, carries, results):
            lines.append(
                f"  {phi.text} = phi {phi.type} [ {first.text}, %{parent_label} ], [ {result.text}, %{latch} ]"
            )
        lines.extend(inner)
        lines.append(f"  {following} = add i64 {induction.text}, {step}")
        lines.append(f"  {test} = icmp slt i64 {following}, {stop.text}")
        lines.append(f"  br i1 {test}, label %{header}, label %{after}")
        lines.append(f"{after}:")
        self.label = after
        if constant:
            return [result._replace(depth=min(result.depth, self.depth)) for result in results]
        merged = []
        for first, result in zip(carries, results):
            value = Val(self.name(), first.kind, first.lanes, self.depth)
            lines.append(
                f"  {value.text} = phi {value.type} [ {first.text}, %{parent_label} ], [ {result.text}, %{latch} ]"
            )
            merged.append(value)
        return merged

    def region(self, body: Callable[[], Sequence[Val]]) -> list[Val]:
        """Run ``body`` in a scope of its own, whose values are forgotten afterwards; no new block."""
        self.scopes.append(Scope())
        results = list(body())
        inner = self.scopes.pop()
        self.scopes[-1].lines.extend(inner.lines)
        return [result._replace(depth=min(result.depth, self.depth)) for result in results]

    def branch(
        self,
        condition: Val,
        then: Callable[[], Sequence[Val]],
        otherwise: Callable[[], Sequence[Val]] | None = None,
    ) -> list[Val]:
        """``then()`` if the i1 ``condition`` holds, else ``otherwise()``; the values of the one that ran."""
        then_label, else_label, after = self.new_label(), self.new_label(), self.new_label()
        parts = []
        for label, body in ((then_label, then), (else_label, otherwise)):
            self.scopes.append(Scope())
            self.label = label
            results = list(body()) if body is not None else []
            parts.append((label, self.label, self.scopes.pop().lines, results))
        lines = self.scopes[-1].lines
        lines.append(f"  br i1 {condition.text}, label %{then_label}, label %{else_label}")
        for label, _, inner, _ in parts:
            lines.append(f"{label}:")
            lines.extend(inner)
            lines.append(f"  br label %{after}")
        lines.append(f"{after}:")
        self.label = after
        merged = []
        (_, then_end, _, a), (_, else_end, _, b) = parts
        for left, right in zip(a, b):
            if left.type != right.type:
                raise AssertionError(f"the branches give {left.type} and {right.type}")
            value = Val(self.name(), left.kind, left.lanes, self.depth)
            sources = f"[ {left.text}, %{then_end} ], [ {right.text}, %{else_end} ]"
            lines.append(f"  {value.text} = phi {value.type} {sources}")
            merged.append(value)
        return merged

    def text(self) -> str:
        """The function's body."""
        if len(self.scopes) != 1:
            raise AssertionError("an open scope remains")
        return "\n".join(self.scopes[0].lines)
