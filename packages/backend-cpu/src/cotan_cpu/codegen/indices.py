"""Indices of kernels as code: which lane of a vector looks at which element.

Along the vector axis an index is a scalar base plus ``stride * lane`` plus, where that is too little, a vector of
offsets.
Knows axes and integers; scalar expressions inside of indices are printed by the subclass that knows them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cotan.ir.index import Axis, FloorDiv, Index, Mod, Value
from cotan.ir.scalar import Expr
from cotan_cpu.codegen.builder import Builder, Val, literal
from cotan_cpu.codegen.target import Target
from cotan_cpu.codegen.types import is_signed

_INT32 = 1 << 31


class Binding(NamedTuple):
    """What an axis is at the moment: ``base``, or ``base + lane`` if it is the vector axis.

    The base is ``residue`` modulo ``align``; low..high are the values that occur here.
    """

    base: Val
    lanes: int
    align: int
    low: int
    high: int
    residue: int = 0


@dataclass
class Form:
    """An index: ``const + sum(value * coefficient) + stride * lane + extra[lane]``."""

    const: int
    terms: list[tuple[Val, int]] = field(default_factory=list)
    stride: int = 0
    extras: list[tuple[Val, int, int, int]] = field(default_factory=list)
    """(vector, coefficient, lowest and highest value of the vector)"""

    @property
    def varies(self) -> bool:
        return self.stride != 0 or bool(self.extras)


class IndexPrinter:
    """Prints indices for the present bindings of axes. ``lanes`` is the vector's length, 1 in scalar code."""

    def __init__(self, builder: Builder, target: Target) -> None:
        self.b = builder
        self.target = target
        self.axes: dict[Axis, Binding] = {}
        self.lanes = 1

    def emit(self, expr: Expr) -> Val:
        """The value of a scalar expression; subclasses say how."""
        raise AssertionError(f"no printer for {expr!r}")

    def range_of(self, index: Index) -> tuple[int, int]:
        """The least and the greatest value that ``index`` can have here."""
        low = high = index.const
        for atom, coefficient in index.terms:
            a, z = self._atom_range(atom)
            low += min(a * coefficient, z * coefficient)
            high += max(a * coefficient, z * coefficient)
        return low, high

    def _atom_range(self, atom: Axis | FloorDiv | Mod | Value) -> tuple[int, int]:
        if isinstance(atom, Axis):
            bound = self.axes.get(atom)
            return (bound.low, bound.high) if bound else atom.range
        if isinstance(atom, Value):
            return atom.range
        low, high = self.range_of(atom.index)
        if isinstance(atom, FloorDiv):
            return low // atom.divisor, high // atom.divisor
        whole = low // atom.divisor == high // atom.divisor
        return (low % atom.divisor, high % atom.divisor) if whole else (0, atom.divisor - 1)

    def congruence(self, index: Index) -> tuple[int, int]:
        """(modulus, residue) of the index at lane 0; the modulus is 0 if it is a constant."""
        modulus, residue = 0, index.const
        for atom, coefficient in index.terms:
            bound = self.axes[atom] if isinstance(atom, Axis) else None
            modulus = math.gcd(modulus, coefficient * (bound.align if bound else 1))
            residue += coefficient * (bound.residue if bound else 0)
        return modulus, residue % modulus if modulus else residue

    def form(self, index: Index) -> Form:
        form = Form(index.const)
        for atom, coefficient in index.terms:
            if isinstance(atom, Axis):
                bound = self.axes[atom]
                form.terms.append((bound.base, coefficient))
                if bound.lanes > 1:
                    form.stride += coefficient
            elif isinstance(atom, Value):
                self._add_value(form, atom, coefficient)
            else:
                self._add_quotient(form, atom, coefficient)
        return form

    def _add_value(self, form: Form, atom: Value, coefficient: int) -> None:
        value = self.emit(atom.expr)
        extend = "sext" if is_signed(atom.expr.dtype) else "zext"
        if value.lanes == 1:
            if value.is_literal:
                value = literal(int(value.text), "i64", value.depth)
            form.terms.append((self.b.convert(extend, value, "i64"), coefficient))
        else:
            form.extras.append((self._extended(extend, value), coefficient, *atom.range))

    def _extended(self, extend: str, value: Val) -> Val:
        return value if value.kind in ("i32", "i64") else self.b.convert(extend, value, "i32")

    def _add_quotient(self, form: Form, atom: FloorDiv | Mod, coefficient: int) -> None:
        b, divisor = self.b, atom.divisor
        inner = self.form(atom.index)
        is_div = isinstance(atom, FloorDiv)
        uniform = not inner.varies
        if inner.stride > 0 and not inner.extras:
            modulus, residue = self.congruence(atom.index)
            common = math.gcd(modulus, divisor)
            # All lanes lie between the same two multiples of the divisor.
            uniform = residue % common + (self.lanes - 1) * inner.stride < common
            if not uniform and common == divisor:
                self._add_pattern(form, atom, coefficient, inner, residue % divisor)
                return
        if uniform:
            form.terms.append((self._scalar_quotient(self.total(inner), divisor, is_div), coefficient))
            form.stride += 0 if is_div else inner.stride * coefficient
            return
        low, high = self.range_of(atom.index)
        vector = self.vector(inner, low, high)
        value = b.binary("udiv" if is_div else "urem", vector, literal(divisor, vector.kind))
        form.extras.append((value, coefficient, *self._atom_range(atom)))

    def _scalar_quotient(self, base: Val, divisor: int, is_div: bool) -> Val:
        if base.is_literal:
            known = int(base.text)
            return literal(known // divisor if is_div else known % divisor, "i64", base.depth)
        return self.b.binary("udiv" if is_div else "urem", base, literal(divisor, "i64"))

    def _add_pattern(self, form: Form, atom: FloorDiv | Mod, coefficient: int, inner: Form, residue: int) -> None:
        """Quotients or rests of lanes whose base is always the same modulo the divisor: constants, beside a scalar."""
        offsets = [residue + lane * inner.stride for lane in range(self.lanes)]
        if isinstance(atom, FloorDiv):
            whole = self._scalar_quotient(self.total(inner), atom.divisor, True)
            form.terms.append((whole, coefficient))
            offsets = [offset // atom.divisor for offset in offsets]
        else:
            offsets = [offset % atom.divisor for offset in offsets]
        text = "<" + ", ".join(f"i32 {offset}" for offset in offsets) + ">"
        form.extras.append((Val(text, "i32", self.lanes, 0), coefficient, min(offsets), max(offsets)))

    def total(self, form: Form) -> Val:
        """The scalar part: const + terms, outer loops first."""
        b = self.b
        total = literal(0, "i64")
        for value, coefficient in sorted(form.terms, key=lambda term: term[0].depth):
            total = b.add(total, b.scale(value, coefficient))
        return b.add(total, literal(form.const, "i64"))

    def vector(self, form: Form, low: int, high: int) -> Val:
        """The index in every lane, in i32 if low..high fits."""
        kind = "i32" if low >= -_INT32 and high < _INT32 else "i64"
        base = self.total(form)
        if kind == "i32":
            base = (
                literal(int(base.text), "i32", base.depth) if base.is_literal else self.b.convert("trunc", base, "i32")
            )
        offsets = self.offsets(form, kind)
        return self.b.binary("add", offsets, base) if offsets is not None else self.b.splat(base, self.lanes)

    def offsets(self, form: Form, kind: str | None = None) -> Val | None:
        """``stride * lane + extras``, in i32 if it fits and no ``kind`` is asked for; None if all zero."""
        b = self.b
        if kind is None:
            low = min(0, form.stride * (self.lanes - 1)) + sum(min(c * a, c * z) for _, c, a, z in form.extras)
            high = max(0, form.stride * (self.lanes - 1)) + sum(max(c * a, c * z) for _, c, a, z in form.extras)
            kind = "i32" if low >= -_INT32 and high < _INT32 else "i64"
        parts: list[Val] = []
        if form.stride:
            parts.append(self._scaled(b.step_vector(kind, self.lanes), form.stride))
        for value, coefficient, low, _ in form.extras:
            if value.kind != kind:
                value = b.convert("trunc" if kind == "i32" else "sext" if low < 0 else "zext", value, kind)
            parts.append(self._scaled(value, coefficient))
        if not parts:
            return None
        total = parts[0]
        for part in parts[1:]:
            total = b.binary("add", total, part)
        return total

    def _scaled(self, vector: Val, factor: int) -> Val:
        return vector if factor == 1 else self.b.binary("mul", vector, literal(factor, vector.kind))

    def inside(self, conditions: Sequence[tuple[Index, int, int]]) -> Val:
        """Whether lo <= index < hi for all conditions: one i1, or one per lane. A literal where it is known."""
        b = self.b
        result = literal(True, "i1")
        for index, lo, hi in conditions:
            low, high = self.range_of(index)
            if high < lo or low >= hi:
                return literal(False, "i1")
            if lo <= low and high < hi:
                continue
            form = self.form(index)
            if form.varies:
                value = self.vector(form, min(low, low - lo), max(high, high - lo, hi - lo))
            else:
                value = self.total(form)
            if lo:
                value = (
                    b.add(value, literal(-lo, value.kind))
                    if value.lanes == 1
                    else b.binary("sub", value, literal(lo, value.kind))
                )
            test = b.compare("icmp ult", value, literal(hi - lo, value.kind))
            result = test if result.text == "true" else b.binary("and", result, test)
        return result
