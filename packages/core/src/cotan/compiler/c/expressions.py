"""Expressions of kernels as text: values, indices, loads and stores, for one element or for a vector of lanes.

A value is a variable of the block it is computed in. Inside of a vector loop, what depends on its axis is a vector, all
else stays scalar. Where a guard differs from lane to lane, loads are redirected to places in bounds. Knows no loops.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cotan.compiler.c.language import Language
from cotan.compiler.c.scalars import Scalars, lane
from cotan.compiler.c.schedule import splits_evenly, walk
from cotan.ir.index import Axis, FloorDiv, Index, Mod
from cotan.ir.program import Kernel
from cotan.ir.scalar import BOOL, Combiner, Expr, inner_values, make

_serial = itertools.count()
_FITS = (1 << 31) - 1


class Val(NamedTuple):
    """A value: the name of a variable, or a literal, and how many lanes it has."""

    text: str
    lanes: int = 1


@dataclass
class Form:
    """An index in a vector loop: ``base + stride * lane``, and ``extra``, a vector, if it is not so simple."""

    base: str
    stride: int
    extra: str

    @property
    def varies(self) -> bool:
        return bool(self.stride or self.extra)


def placeholder(dtype: Any) -> Expr:
    """A fresh node whose value is bound by hand: an operand of a combiner."""
    return make("placeholder", dtype, (), next(_serial))


class Expressions:
    """Prints expressions of one kernel.

    With ``any_size`` numbers that come from shapes are arguments of the kernel (``sizes``), so that the text serves all
    sizes.
    """

    def __init__(self, kernel: Kernel, language: Language, any_size: bool) -> None:
        self.kernel = kernel
        self.slots = kernel.slots
        self.language = language
        self.scalars = Scalars(language)
        self.any_size = any_size
        self.sizes: list[int] = []
        wide = max((operand.size for operand in self.slots), default=0) > _FITS
        self.index_dtype = np.dtype(np.int64 if wide else np.int32)
        self.index_type = self.scalars.type(self.index_dtype)
        self.lines: list[str] = []
        self.indent = 1
        self.scopes: list[dict[Expr, Any]] = [{}]
        self.axes: dict[Axis, str] = {}
        self.lane_axis: Axis | None = None
        self.lanes = 1
        self.mask: Val | None = None
        self._count = itertools.count()

    # ---- Lines

    def line(self, text: str) -> None:
        self.lines.append("  " * self.indent + text)

    def open(self, text: str) -> None:
        """Begin a block."""
        self.line(text + " {")
        self.indent += 1
        self.scopes.append({})

    def close(self, text: str = "}") -> None:
        self.indent -= 1
        self.scopes.pop()
        self.line(text)

    def fresh(self, prefix: str = "v") -> str:
        return f"{prefix}{next(self._count)}"

    def variable(self, text: str, dtype: Any, lanes: int) -> Val:
        """A new variable with that value."""
        name = self.fresh()
        self.line(f"const {self.scalars.type(dtype, lanes)} {name} = {text};")
        return Val(name, lanes)

    # ---- Numbers and indices

    def number(self, value: int) -> str:
        """A number that comes from shapes."""
        if self.any_size:
            self.sizes.append(value)
            return f"n{len(self.sizes) - 1}"
        return str(value) if abs(value) <= _FITS else f"{value}L"

    def _product(self, text: str, coefficient: int) -> str:
        if coefficient in (1, -1):
            return text if coefficient == 1 else f"-{text}"
        return f"{self.number(coefficient)} * {text}"

    def _sum(self, parts: Sequence[str], const: int) -> str:
        parts = [*parts, *([self.number(const)] if const else [])]
        return " + ".join(parts) if parts else "0"

    def _of_type(self, text: str, lanes: int) -> str:
        return f"(({self.index_type}{lanes if lanes > 1 else ''})({text}))"

    def _atom(self, atom: Any) -> tuple[Val, int]:
        """Its value, or that at lane 0 and the stride."""
        if isinstance(atom, Axis):
            return Val(self.axes[atom]), int(atom is self.lane_axis)
        if isinstance(atom, FloorDiv | Mod):
            sign = "/" if isinstance(atom, FloorDiv) else "%"
            form = self.form(atom.index)
            axis = self.lane_axis
            even = axis is not None and not self.any_size and splits_evenly(atom, axis, self.lanes)
            if not form.varies or (even and form.stride == 1 and not form.extra):
                text = f"(({form.base}) {sign} {self.number(atom.divisor)})"
                return Val(text), int(form.varies and isinstance(atom, Mod))
            return Val(f"({self.vector(form)} {sign} {self.number(atom.divisor)})", self.lanes), 0
        value = self.emit(atom.expr)
        return Val(self.scalars.cast(value.text, atom.expr.dtype, self.index_dtype, value.lanes), value.lanes), 0

    def form(self, index: Index) -> Form:
        """``index`` in the present loops."""
        base: list[str] = []
        extra: list[str] = []
        stride = 0
        for atom, coefficient in index.terms:
            value, step = self._atom(atom)
            (extra if value.lanes > 1 else base).append(self._product(value.text, coefficient))
            stride += step * coefficient
        return Form(self._sum(base, index.const), stride, " + ".join(extra))

    def vector(self, form: Form) -> str:
        """An index as a vector."""
        parts = [self._of_type(form.base, self.lanes)]
        if form.stride:
            numbers = self._of_type(", ".join(map(str, range(self.lanes))), self.lanes)
            parts.append(self._product(numbers, form.stride))
        parts += [form.extra] if form.extra else []
        return f"({' + '.join(parts)})"

    def index(self, index: Index) -> str:
        """An index that is the same in all lanes."""
        return self.form(index).base

    # ---- Expressions

    def known(self, expr: Expr) -> Any:
        if expr.op == "const":
            return self._constant(expr)
        for scope in reversed(self.scopes):
            found = scope.get(expr)
            if found is not None:
                return found
        return None

    def _constant(self, expr: Expr) -> Val:
        if self.any_size and expr.dtype.kind == "i" and expr.dtype.itemsize >= 4 and abs(expr.attr) > 1:
            # It may be a shape's.
            return Val(f"(({self.scalars.type(expr.dtype)}){self.number(expr.attr)})")
        return Val(self.scalars.literal(expr.attr, expr.dtype))

    def bind(self, expr: Expr, value: Any) -> None:
        """Make ``value`` the value of ``expr`` for the rest of the present block."""
        self.scopes[-1][expr] = value

    def emit(self, expr: Expr) -> Val:
        """Compute ``expr`` here, unless it is known. Without recursion: chains are as long as the user's program."""
        pending = [expr]
        while pending:
            node = pending[-1]
            if self.known(node) is not None:
                pending.pop()
                continue
            needed = [] if node.op in ("guard", "project") else list(node.args)
            missing = [e for e in (*needed, *inner_values(node)) if self.known(e) is None]
            if missing:
                pending.extend(reversed(missing))
                continue
            pending.pop()
            self.bind(node, self._compute(node))
        value: Val = self.known(expr)
        return value

    def _compute(self, node: Expr) -> Val:
        op, dtype = node.op, node.dtype
        if op == "load":
            return self.load(*node.attr)
        if op == "index":
            form = self.form(node.attr)
            if not form.varies:
                return self.variable(self.scalars.cast(f"({form.base})", self.index_dtype, dtype, 1), dtype, 1)
            return self.variable(
                self.scalars.cast(self.vector(form), self.index_dtype, dtype, self.lanes), dtype, self.lanes
            )
        if op == "guard":
            return self._guard(node)
        if op == "project":
            states: tuple[Val, ...] | None = self.known(node.args[0])
            assert states is not None, f"no loop computes {node.args[0]!r}"
            state: Val = states[node.attr]
            return state
        args = [self.known(arg) for arg in node.args]
        return self.operation(op, [arg.dtype for arg in node.args], dtype, args)

    def operation(self, op: str, dtypes: Sequence[Any], dtype: Any, args: Sequence[Val]) -> Val:
        """One operation on values, in a new variable."""
        scalars = self.scalars
        lanes = max(arg.lanes for arg in args)
        if op == "select":
            then, otherwise = (self._in_lanes(a, d, lanes) for a, d in zip(args[1:], dtypes[1:], strict=True))
            text = scalars.select(args[0].text, args[0].lanes > 1, then, otherwise, dtype, lanes)
        elif op in ("cast", "bitcast"):
            text = getattr(scalars, op)(args[0].text, dtypes[0], dtype, lanes)
        else:
            texts = [self._in_lanes(a, d, lanes) for a, d in zip(args, dtypes, strict=True)]
            text = scalars.apply(op, dtypes[0], texts, lanes)
        return self.variable(text, dtype, lanes)

    def _in_lanes(self, value: Val, dtype: Any, lanes: int) -> str:
        return value.text if value.lanes == lanes else self.scalars.splat(value.text, dtype, lanes)

    def in_lanes(self, value: Val, dtype: Any) -> str:
        """The value with as many lanes as the present loop has."""
        return self._in_lanes(value, dtype, self.lanes)

    def combine(
        self, combiner: Any, dtypes: Sequence[Any], old: Sequence[Val], new: Sequence[Val], in_order: bool = False
    ) -> list[Val]:
        """The states after combining: by a name, a Combiner, or a function of two expressions.

        ``in_order``: all of ``new`` comes after all of ``old``.
        """
        if isinstance(combiner, str):
            return [self.operation(combiner, [dtypes[0]] * 2, dtypes[0], (old[0], new[0]))]
        self.scopes.append({})
        olds, news = [placeholder(d) for d in dtypes], [placeholder(d) for d in dtypes]
        for expr, value in zip((*olds, *news), (*old, *new), strict=True):
            self.bind(expr, value)
        if isinstance(combiner, Combiner):
            made = ((in_order and combiner.append) or combiner.combine)(olds, news)
        else:
            made = [combiner(olds[0], news[0])]
        values = [self.emit(expr) for expr in made]
        self.scopes.pop()
        return values

    # ---- Guards

    def conditions(self, conditions: Sequence[tuple[Index, int, int]]) -> Val:
        """Whether lo <= index < hi for all of them."""
        uniform: list[str] = []
        masks: list[str] = []
        for index, lo, hi in conditions:
            form = self.form(index)
            low, high = index.range
            text = f"({form.base})" if not form.varies else self.vector(form)
            for needed, sign, bound in ((low < lo, ">=", lo), (high >= hi, "<", hi)):
                if needed or self.any_size:
                    test = f"({text} {sign} {self.number(bound)})"
                    (masks if form.varies else uniform).append(test)
        whole = " && ".join(uniform) or "1"
        if not masks:
            return self.variable(whole, BOOL, 1)
        mask = self.scalars._mask(f"({' & '.join(masks)})", self.index_dtype, self.lanes)
        if uniform:
            mask += f" & (int{self.lanes})(-({whole}))"
        return self.variable(mask, BOOL, self.lanes)

    def _guard(self, node: Expr) -> Val:
        then, otherwise = node.args
        inside = self.conditions(node.attr)
        if inside.lanes > 1:
            return self._guarded_lanes(node, inside)
        varies = self.lanes > 1 and (self.lane_axis in node.free_axes or self._has_vectors(node))
        lanes = self.lanes if varies else 1
        name = self.fresh()
        self.line(f"{self.scalars.type(node.dtype, lanes)} {name};")
        for head, expr in ((f"if ({inside.text})", then), ("else", otherwise)):
            self.open(head)
            value = self.emit(expr)
            self.line(f"{name} = {self._in_lanes(value, node.dtype, lanes)};")
            self.close()
        return Val(name, lanes)

    def _has_vectors(self, node: Expr) -> bool:
        """Whether something known in ``node`` is a vector though it is no function of the vector loop: a combiner's
        operand, or a state of a reduction inside of that loop."""
        pending, seen = [node], set()
        while pending:
            expr = pending.pop()
            if expr in seen:
                continue
            seen.add(expr)
            value = self.known(expr)
            if value is None:
                pending.extend(expr.uses)
            elif any(each.lanes > 1 for each in (value if expr.op == "reduce" else (value,))):
                return True
        return False

    def _guarded_lanes(self, node: Expr, inside: Val) -> Val:
        """One branch where all lanes agree, else both, each with its loads kept in bounds, and the choice by lane."""
        then, otherwise = node.args
        if self.mask is not None or self._guards_within(node) > 2:
            return self._chosen_by_lane(then, otherwise, inside)
        name, dtype = self.fresh(), node.dtype
        self.line(f"{self.scalars.type(dtype, inside.lanes)} {name};")
        for head, branch in (
            (f"if ({self.scalars.of_lanes('all', inside.text, inside.lanes)})", then),
            (f"else if (!{self.scalars.of_lanes('any', inside.text, inside.lanes)})", otherwise),
            ("else", None),
        ):
            self.open(head)
            value = self._chosen_by_lane(then, otherwise, inside) if branch is None else self.emit(branch)
            self.line(f"{name} = {self._in_lanes(value, dtype, inside.lanes)};")
            self.close()
        return Val(name, inside.lanes)

    def _guards_within(self, node: Expr) -> int:
        """How many guards are nested in one another, itself included."""
        depth: dict[Expr, int] = {}
        for each in reversed(list(walk([node], set()))):
            depth[each] = max((depth.get(arg, 0) for arg in each.args), default=0) + (each.op == "guard")
        return depth[node]

    def _chosen_by_lane(self, then: Expr, otherwise: Expr, inside: Val) -> Val:
        outer = self.mask
        values = []
        for condition, expr in ((inside.text, then), (f"~{inside.text}", otherwise)):
            text = condition if outer is None else f"{condition} & {outer.text}"
            self.scopes.append({})
            self.mask = self.variable(text, BOOL, inside.lanes)
            values.append(self.emit(expr))
            self.scopes.pop()
        self.mask = outer
        return self.operation("select", [BOOL, then.dtype, then.dtype], then.dtype, [inside, *values])

    # ---- Memory

    def pointer(self, slot: int) -> str:
        return f"p{slot}"

    def load(self, slot: int, index: Index) -> Val:
        operand = self.slots[slot]
        memory, dtype = self.scalars.memory_type(operand.dtype), operand.dtype
        if operand.size == 0:
            return Val(self.scalars.literal(0, dtype))
        form = self.form(index)
        if not form.varies:
            at = form.base
            if self.mask is not None:
                # No lane may want it.
                at = f"clamp({at}, ({self.index_type})0, ({self.index_type}){self.number(operand.size - 1)})"
            return self.variable(f"{self.pointer(slot)}[{at}]{' != 0' if dtype.kind == 'b' else ''}", dtype, 1)
        lanes = self.lanes
        name = self.fresh()
        self.line(f"{memory}{lanes} {name};")
        straight = form.stride in (1, -1) and not form.extra
        if straight and self.mask is not None:
            self.open(f"if ({self.scalars.of_lanes('all', self.mask.text, self.mask.lanes)})")
        if straight:
            back = "" if form.stride == 1 else f" - {lanes - 1}"
            turned = "" if form.stride == 1 else ".s" + "0123456789abcdef"[lanes - 1 :: -1]
            place = self._vector_place(slot, f"{form.base}{back}")
            self.line(f"{name} = {self.language.vector_load.format(**place)}{turned};")
        if straight and self.mask is not None:
            self.close()
            self.open("else")
        if form.stride == 2 and not form.extra and self.mask is None:
            self._load_every_second(name, slot, form.base)
        elif not straight or self.mask is not None:
            self._gather(name, slot, form)
        if straight and self.mask is not None:
            self.close()
        if dtype.kind != "b":
            return Val(name, lanes)
        return self.variable(f"(convert_int{lanes}({name}) != 0)", dtype, lanes)

    def _vector_place(self, slot: int, at: str) -> dict[str, Any]:
        """What the templates for vectors in memory are told."""
        outside = slot < len(self.kernel.operands)
        return {
            "pointer": f"({self.pointer(slot)} + ({at}))",
            "type": self.scalars.memory_type(self.slots[slot].dtype),
            "lanes": self.lanes,
            "memory": self.language.memory if outside else "",
        }

    def _load_every_second(self, name: str, slot: int, base: str) -> None:
        """Elements such as the parts of complex numbers, out of two vectors that end where the last one is."""
        halves = (
            f"{self.language.vector_load.format(**self._vector_place(slot, at))}.{which}"
            for at, which in ((base, "even"), (f"{base} + {self.lanes - 1}", "odd"))
        )
        memory = self.scalars.memory_type(self.slots[slot].dtype)
        self.line(f"{name} = ({memory}{self.lanes})({', '.join(halves)});")

    def _gather(self, name: str, slot: int, form: Form) -> None:
        memory, lanes = self.scalars.memory_type(self.slots[slot].dtype), self.lanes
        if self.mask is None and not form.extra:
            # A constant apart: compilers make one address of it.
            base = self.variable(f"({form.base})", self.index_dtype, 1).text
            step = self.number(form.stride)
            places = (f"{base} + {k} * {step}" for k in range(lanes))
            elements = ", ".join(f"{self.pointer(slot)}[{place}]" for place in places)
            self.line(f"{name} = ({memory}{lanes})({elements});")
            return
        at = self.vector(form)
        if self.mask is not None:
            last = self.number(self.slots[slot].size - 1)
            bounds = [self._of_type(bound, lanes) for bound in ("0", last)]
            free = self.variable(at, self.index_dtype, lanes).text
            at = self.scalars.library("clamp", [free, *bounds], self.index_dtype, lanes)
        place = self.variable(at, self.index_dtype, lanes).text
        elements = ", ".join(f"{self.pointer(slot)}[{lane(place, k)}]" for k in range(lanes))
        self.line(f"{name} = ({memory}{lanes})({elements});")

    def _as_stored(self, value: Val, dtype: Any) -> str:
        """The value with as many lanes as the present loop has, as it lies in memory."""
        text = self.in_lanes(value, dtype)
        return f"convert_{self.scalars.memory_type(dtype)}{self.lanes}({text} & 1)" if dtype.kind == "b" else text

    def is_every_second(self, index: Index) -> bool:
        """Whether it goes on by 2 from lane to lane."""
        steps = [step for atom, step in index.terms if atom is self.lane_axis]
        return self.lanes > 1 and steps == [2] and all(isinstance(atom, Axis) for atom, _ in index.terms)

    def store_pairs(self, slot: int, index: Index, first: Val, second: Val) -> None:
        """Write both, such as the parts of complex numbers: ``first`` at every second place, ``second`` behind it."""
        dtype, lanes, base = self.slots[slot].dtype, self.lanes, self.form(index).base
        kind = f"{self.scalars.memory_type(dtype)}{lanes}"
        names = [self.fresh(), self.fresh()]
        for name, value in zip(names, (first, second), strict=True):
            self.line(f"const {kind} {name} = {self._as_stored(value, dtype)};")
        for half, at in (("lo", base), ("hi", f"{base} + {lanes}")):
            both = self.fresh()
            self.line(f"{kind} {both};")
            self.line(f"{both}.even = {names[0]}.{half};")
            self.line(f"{both}.odd = {names[1]}.{half};")
            self.line(f"{self.language.vector_store.format(x=both, **self._vector_place(slot, at))};")

    def store(self, slot: int, index: Index, value: Val, condition: Val | None = None, combine: Any = None) -> None:
        """Write the value where the condition holds, or combine it with what is there."""
        dtype = self.slots[slot].dtype
        form = self.form(index)
        if self.lanes == 1 or not form.varies:
            if condition is not None:
                self.open(f"if ({condition.text})")
            at = form.base
            if combine is not None:
                place = self.variable(f"({at})", self.index_dtype, 1).text
                at = place
                test = " != 0" if dtype.kind == "b" else ""
                old = self.variable(f"{self.pointer(slot)}[{at}]{test}", dtype, 1)
                [value] = self.combine(combine, [dtype], [old], [value])
            self.line(f"{self.pointer(slot)}[{at}] = {value.text};")
            if condition is not None:
                self.close()
            return
        assert combine is None
        memory, lanes = self.scalars.memory_type(dtype), self.lanes
        text = self._as_stored(value, dtype)
        if form.stride == 1 and not form.extra and condition is None:
            where = self._vector_place(slot, form.base)
            self.line(f"{self.language.vector_store.format(x=text, **where)};")
            return
        elements = self.fresh()
        self.line(f"const {memory}{lanes} {elements} = {text};")
        place = self.variable(self.vector(form), self.index_dtype, lanes).text
        for k in range(lanes):
            test = ""
            if condition is not None:
                test = f"if ({condition.text if condition.lanes == 1 else lane(condition.text, k)}) "
            self.line(f"{test}{self.pointer(slot)}[{lane(place, k)}] = {lane(elements, k)};")


ReduceParts = tuple[Any, Sequence[Expr], Sequence[Expr]]


def parts_of(reduce: Expr) -> ReduceParts:
    """(combiner, inits, bodies) of a reduce node."""
    half = len(reduce.args) // 2
    return reduce.attr[0], reduce.args[:half], reduce.args[half:]
