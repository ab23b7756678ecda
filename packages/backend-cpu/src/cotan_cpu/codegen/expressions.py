"""Scalar expressions of kernels as scalar or vector code, with loads and stores by lane maps.

A value that does not depend on the vector axis is scalar, and becomes a splat where it meets a vector. Loads under a
guard are masked or redirected, so that nothing out of bounds is ever read. Knows expressions and memory, no loops.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.errors import UnsupportedError
from cotan.ir.index import Index
from cotan.ir.program import Kernel
from cotan.ir.scalar import Combiner, Expr, make
from cotan_cpu.codegen import quotients, types
from cotan_cpu.codegen.builder import BITS, Builder, Val, literal, suffix, type_name
from cotan_cpu.codegen.floats import Floats
from cotan_cpu.codegen.indices import Form, IndexPrinter
from cotan_cpu.codegen.math import FUNCTIONS
from cotan_cpu.codegen.scalars import OPERATIONS, Context, bitcast
from cotan_cpu.codegen.schedule import in_pairs
from cotan_cpu.codegen.target import Target

_INT32, _INT64, _FLOAT32 = np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.float32)
_serial = itertools.count()
_WIDEST_STRIDE = 4
"""Up to this stride, loading all between is cheaper than gathering."""


def placeholder(dtype: Any) -> Expr:
    """A fresh node whose value is bound by hand: an operand of a combiner."""
    return make("placeholder", dtype, (), next(_serial))


class ExpressionPrinter(IndexPrinter):
    """Prints expressions. ``base_mask`` says which lanes exist (at least one does), ``guard`` which may load."""

    def __init__(
        self, builder: Builder, target: Target, kernel: Kernel, streamed: frozenset[int] = frozenset()
    ) -> None:
        super().__init__(builder, target)
        self.streamed = streamed
        self.kernel = kernel
        self.slots = kernel.slots
        self.context = Context(builder, target)
        self.base_mask: Val | None = None
        self.guard: Val | None = None
        self._loads: dict[Expr, bool] = {}
        self.pointers = self._operand_pointers()

    def _operand_pointers(self) -> list[Val]:
        pointers = []
        for slot in range(len(self.kernel.operands)):
            entry = self.b.gep("ptr", Val("%table", "ptr", 1, 0), literal(slot, "i64"))
            pointers.append(self.b.emit(f"load ptr, ptr {entry.text}", "ptr", 1, 0))
        rows = [self.b.alloca(types.memory_kind(row.dtype), row.size) for row in self.kernel.scratch]
        return [*pointers, *rows]

    # Expressions.

    def known(self, expr: Expr) -> Val | None:
        guard, key = self.guard, (expr, None)
        for scope in reversed(self.b.scopes):
            value = scope.values.get(key)
            if value is None and guard is not None:
                value = scope.values.get((expr, guard))
            if value is not None:
                return value
        return None

    def bind(self, expr: Expr, value: Val) -> None:
        """Make ``value`` the value of ``expr`` for the rest of the present scope."""
        self.b.scopes[-1].values[(expr, None)] = value

    def emit(self, expr: Expr) -> Val:
        value = self.known(expr)
        if value is not None:
            return value
        # Without recursion: chains are as long as the user's program.
        pending = [expr]
        while pending:
            node = pending[-1]
            if self.known(node) is not None:
                pending.pop()
                continue
            args: list[Val] = []
            if node.op not in ("guard", "project"):
                values = [self.known(arg) for arg in node.args]
                args = [value for value in values if value is not None]
                if len(args) < len(values):
                    missing = [arg for arg, value in zip(node.args, values, strict=True) if value is None]
                    pending.extend(reversed(missing))
                    continue
            pending.pop()
            value = self._node(node, args)
            key = (node, self.guard if self._reads(node) else None)
            self.b.scopes[self._home(node, value)].values[key] = value
        result = self.known(expr)
        assert result is not None
        return result

    def _home(self, node: Expr, value: Val) -> int:
        """The outermost scope in which ``value`` is what ``node`` is: not outside of the loops that it depends on.

        The instruction may stand further out, where an index or a guard is decided by the part of the loop it is in.
        """
        loops = [self.axes[axis].base.depth for axis in node.free_axes if axis in self.axes]
        return min(max([value.depth, *loops]), self.b.depth)

    def _reads(self, node: Expr) -> bool:
        """Whether the value depends on what may be loaded."""
        found = self._loads.get(node)
        if found is None:
            found = node.op in ("load", "guard", "index") or any(self._loads.get(arg, True) for arg in node.args)
            self._loads[node] = found
        return found

    def _node(self, node: Expr, args: Sequence[Val]) -> Val:
        op = node.op
        if op == "const":
            return types.constant(node.attr, node.dtype)
        if op == "load":
            return self.load(*node.attr)
        if op == "index":
            return self._index_number(node.attr, node.dtype)
        if op == "guard":
            return self._guard(node)
        if op == "project":
            return self.reduction(node.args[0])[int(node.attr)]
        if op == "select":
            return self.b.select(*args)
        if op == "cast":
            return types.cast(self.b, args[0], node.args[0].dtype, node.dtype, self.target)
        if op == "bitcast":
            return bitcast(self.context, args[0], node.args[0].dtype, node.dtype)
        if op == "div" and node.args[0].op == "cast" and node.args[1].op == "const" and self.target.fma:
            quotient = self._quotient_of_integer(node, args[0])
            if quotient is not None:
                return quotient
        return self.apply(op, node.args[0].dtype, node.dtype, args)

    def _quotient_of_integer(self, node: Expr, x: Val) -> Val | None:
        """What was an integer by a constant without a division, if that is exact."""
        if node.dtype != _FLOAT32:
            return None
        divisor = float(node.args[1].attr)
        inverse = quotients.reciprocal(np.dtype(node.args[0].args[0].dtype), divisor)
        return None if inverse is None else quotients.of_integer(Floats(self.context, x.kind), x, divisor, inverse)

    def apply(self, op: str, dtype: Any, result: Any, args: Sequence[Val]) -> Val:
        """The operation ``op`` on operands of ``dtype``; 16-bit floats are computed in float32."""
        function = OPERATIONS.get(op) or FUNCTIONS.get(op)
        if function is None:
            raise UnsupportedError("cpu", f"the scalar operation {op}")
        if types.is_half(dtype):
            wide = [types.widen(self.b, arg, dtype, self.target) for arg in args]
            value = function(self.context, _FLOAT32, *wide)
            return types.narrow(self.b, value, dtype, self.target) if types.is_half(result) else value
        return function(self.context, dtype, *args)

    def combine(
        self, combiner: Any, dtypes: Sequence[Any], old: Sequence[Val], new: Sequence[Val], in_order: bool = False
    ) -> list[Val]:
        """The states after combining: by a name, a Combiner, or a function of two expressions.

        ``in_order``: all of ``new`` comes after all of ``old``.
        """
        if isinstance(combiner, str):
            return [self.apply(combiner, dtypes[0], dtypes[0], (old[0], new[0]))]

        def inner() -> list[Val]:
            olds, news = [placeholder(d) for d in dtypes], [placeholder(d) for d in dtypes]
            for expr, value in zip((*olds, *news), (*old, *new)):
                self.bind(expr, value)
            if isinstance(combiner, Combiner):
                function = combiner.append if in_order and combiner.append is not None else combiner.combine
                return [self.emit(expr) for expr in function(olds, news)]
            return [self.emit(combiner(olds[0], news[0]))]

        return self.b.region(inner)

    def reduction(self, node: Expr) -> list[Val]:
        """The states of a reduce node; the loop printer says how."""
        raise AssertionError(f"no loop computes {node!r}")

    def _index_number(self, index: Index, dtype: Any) -> Val:
        form = self.form(index)
        if not form.varies:
            return types.cast(self.b, self.total(form), _INT64, dtype, self.target)
        vector = self.vector(form, *self.range_of(index))
        return types.cast(self.b, vector, _INT32 if vector.kind == "i32" else _INT64, dtype, self.target)

    def _guard(self, node: Expr) -> Val:
        then, otherwise = node.args
        inside = self.inside(node.attr)
        if inside.text in ("true", "false"):
            return self.emit(then if inside.text == "true" else otherwise)
        chosen = self._guarded(inside, then)
        rest = self._guarded(self.b.binary("xor", inside, literal(True, "i1")), otherwise)
        return self.b.select(inside, chosen, rest)

    def _guarded(self, condition: Val, expr: Expr) -> Val:
        """``expr`` evaluated only where ``condition`` holds, as far as its loads are concerned."""
        outer = self.guard
        self.guard = condition if outer is None else self.b.binary("and", outer, condition)
        try:
            return self.emit(expr)
        finally:
            self.guard = outer

    # Memory.

    def load(self, slot: int, index: Index) -> Val:
        operand = self.slots[slot]
        kind = types.memory_kind(operand.dtype)
        if operand.size == 0:
            value = literal(0, kind)
        else:
            form = self.form(index)
            if form.varies and self.lanes > 1:
                value = self._load_vector(slot, kind, form, index)
            else:
                value = self._load_scalar(slot, kind, form)
        return self.b.compare("icmp ne", value, literal(0, "i8")) if operand.dtype.kind == "b" else value

    def _mask(self) -> Val | None:
        """Which lanes may load or store: one i1 for each, or None for all."""
        masks = [mask for mask in (self.base_mask, self.guard) if mask is not None]
        if not masks:
            return None
        mask = masks[0] if len(masks) == 1 else self.b.binary("and", *masks)
        return self.b.splat(mask, self.lanes)

    def _load_scalar(self, slot: int, kind: str, form: Form) -> Val:
        pointer = self._pointer(slot, kind, form)
        guard = self.guard
        if guard is not None:
            if guard.lanes > 1:
                mask = self._mask()
                assert mask is not None
                name = f"llvm.vector.reduce.or.{suffix('i1', mask.lanes)}"
                self.b.declare(name, "i1", [mask.type])
                guard = self.b.emit(f"call i1 @{name}({mask.type} {mask.text})", "i1", 1, mask.depth)
            pointer = self.b.select(guard, pointer, self.pointers[slot])
        return self._read(slot, f"load {kind}, ptr {pointer.text}", kind, 1, pointer.depth)

    def _read(self, slot: int, rhs: str, kind: str, lanes: int, depth: int) -> Val:
        """A load; one of memory that the kernel also writes stays where it is."""
        if self.slots[slot].written:
            return self.b.impure(rhs, kind, lanes)
        return self.b.emit(rhs, kind, lanes, depth)

    def _pointer(self, slot: int, kind: str, form: Form) -> Val:
        """The address at lane 0, loop by loop so that outer parts are computed outside."""
        b = self.b
        groups: dict[int, Val] = {}
        for value, coefficient in form.terms:
            part = b.scale(value, coefficient)
            groups[value.depth] = b.add(groups[value.depth], part) if value.depth in groups else part
        pointer = self.pointers[slot]
        for depth in sorted(groups):
            pointer = b.gep(kind, pointer, groups[depth])
        return b.gep(kind, pointer, literal(form.const, "i64"))

    def _load_vector(self, slot: int, kind: str, form: Form, index: Index) -> Val:
        b, lanes, mask = self.b, self.lanes, self._mask()
        if form.stride == 2 and not form.extras and in_pairs(index) and self.slots[slot].size % 2 == 0:
            return self._load_of_pairs(slot, kind, form, mask)
        if form.stride == 1 and not form.extras:
            pointer = self._pointer(slot, kind, form)
            if mask is None:
                return self._load_whole(slot, kind, pointer)
            return self._load_masked(slot, kind, pointer, mask)
        if form.stride == -1 and not form.extras and mask is None:
            form.const -= lanes - 1
            forward = self._load_whole(slot, kind, self._pointer(slot, kind, form))
            return b.shuffle(forward, None, range(lanes - 1, -1, -1))
        if 2 <= abs(form.stride) <= _WIDEST_STRIDE and not form.extras and (mask is None or self.target.masked):
            return self._load_strided(slot, kind, form, mask)
        return self._gather(slot, kind, form, mask)

    def _load_whole(self, slot: int, kind: str, pointer: Val, lanes: int = 0) -> Val:
        lanes = lanes or self.lanes
        rhs = f"load {type_name(kind, lanes)}, ptr {pointer.text}, align {BITS[kind] // 8}"
        return self._read(slot, rhs, kind, lanes, pointer.depth)

    def _load_masked(self, slot: int, kind: str, pointer: Val, mask: Val) -> Val:
        vector, align = type_name(kind, mask.lanes), BITS[kind] // 8
        name = f"llvm.masked.load.{suffix(kind, mask.lanes)}.p0"
        self.b.declare(name, vector, ["ptr", "i32", mask.type, vector])
        where = f"ptr {pointer.text}, i32 {align}, {mask.type} {mask.text}, {vector} zeroinitializer"
        rhs = f"call {vector} @{name}({where})"
        return self._read(slot, rhs, kind, mask.lanes, max(pointer.depth, mask.depth))

    def _load_of_pairs(self, slot: int, kind: str, form: Form, mask: Val | None) -> Val:
        """One number of each pair: whole pairs are loaded, which the other number finds again."""
        number = form.const % 2
        form.const -= number
        pointer = self._pointer(slot, kind, form)
        if mask is None:
            pairs = self._load_whole(slot, kind, pointer, 2 * self.lanes)
        else:
            pairs = self._load_masked(slot, kind, pointer, self._twice(mask))
        return self.b.shuffle(pairs, None, range(number, 2 * self.lanes, 2))

    def _twice(self, mask: Val) -> Val:
        """``mask`` for pairs: each lane twice."""
        return self.b.shuffle(mask, None, [lane // 2 for lane in range(2 * mask.lanes)])

    def _load_strided(self, slot: int, kind: str, form: Form, mask: Val | None) -> Val:
        """Every second to fourth element: whole vectors, the last of which ends with the last lane, and shuffles.

        Under a mask only what the lanes look at is loaded: what lies between may not be there.
        """
        b, lanes, step = self.b, self.lanes, abs(form.stride)
        span = step * (lanes - 1) + 1
        places = [step * lane for lane in range(lanes)]
        if form.stride < 0:
            form.const -= span - 1
            places.reverse()
        pointer = self._pointer(slot, kind, form)
        result: Val | None = None
        for start in [*range(0, span - lanes, lanes), span - lanes]:
            where = b.gep(kind, pointer, literal(start, "i64"))
            if mask is None:
                piece = self._load_whole(slot, kind, where)
            else:
                owners = {place - start: lane for lane, place in enumerate(places)}
                chosen = [owners.get(position, lanes) for position in range(lanes)]
                piece = self._load_masked(
                    slot, kind, where, b.shuffle(mask, b.splat(literal(False, "i1"), lanes), chosen)
                )
            if result is None:
                result = b.shuffle(piece, None, [min(place, lanes - 1) for place in places])
            else:
                inside = [start <= place < start + lanes for place in places]
                result = b.shuffle(
                    result,
                    piece,
                    [lanes + p - start if here else lane for lane, (p, here) in enumerate(zip(places, inside))],
                )
        assert result is not None
        return result

    def _gather(self, slot: int, kind: str, form: Form, mask: Val | None) -> Val:
        b, lanes = self.b, self.lanes
        pointers = self._lane_pointers(slot, kind, form)
        if mask is not None:
            # Idle lanes read the first element: cheaper than a masked gather wherever that is not one instruction.
            pointers = b.select(mask, pointers, b.splat(self.pointers[slot], lanes))
        vector = type_name(kind, lanes)
        name = f"llvm.masked.gather.{suffix(kind, lanes)}.{suffix('ptr', lanes)}"
        mask_type = type_name("i1", lanes)
        b.declare(name, vector, [pointers.type, "i32", mask_type, vector])
        all_lanes = f"{mask_type} splat (i1 true)"
        where = f"{pointers.type} {pointers.text}, i32 {BITS[kind] // 8}"
        rhs = f"call {vector} @{name}({where}, {all_lanes}, {vector} poison)"
        return self._read(slot, rhs, kind, lanes, pointers.depth)

    def _lane_pointers(self, slot: int, kind: str, form: Form) -> Val:
        offsets = self.offsets(form)
        pointer = self._pointer(slot, kind, form)
        return self.b.gep(kind, pointer, offsets) if offsets is not None else self.b.splat(pointer, self.lanes)

    def store(self, slot: int, index: Index, value: Val, condition: Val | None = None) -> None:
        """Write the value where the condition holds."""
        b, dtype = self.b, self.slots[slot].dtype
        kind = types.memory_kind(dtype)
        value = b.convert("zext", value, kind) if value.kind == "i1" else value
        form = self.form(index)
        if self.lanes == 1:
            pointer = self._pointer(slot, kind, form)
            if condition is None:
                b.line(f"store {kind} {value.text}, ptr {pointer.text}")
            else:
                self._when(condition, lambda: b.line(f"store {kind} {value.text}, ptr {pointer.text}"))
            return
        mask = self.base_mask
        if condition is not None:
            mask = b.splat(condition if mask is None else b.binary("and", mask, condition), self.lanes)
        self._store_lanes(slot, index, form, b.splat(value, self.lanes), mask)

    def store_pairs(self, slot: int, index: Index, first: Val, second: Val) -> None:
        """Write ``first`` in every second place from ``index`` on, and ``second`` beside it."""
        b, lanes = self.b, self.lanes
        order = [lane // 2 + lane % 2 * lanes for lane in range(2 * lanes)]
        both = b.shuffle(b.splat(first, lanes), b.splat(second, lanes), order)
        form = self.form(index)
        form.stride = 1
        self._store_lanes(slot, index, form, both, None if self.base_mask is None else self._twice(self.base_mask))

    def _store_lanes(self, slot: int, index: Index, form: Form, value: Val, mask: Val | None) -> None:
        kind = value.kind
        if slot in self.streamed and mask is None and form.stride == 1 and not form.extras:
            align = min(64, value.lanes * BITS[kind] // 8)
            if align >= self.target.vector_bytes and self._is_multiple(index, align * 8 // BITS[kind]):
                self._store_streamed(kind, self._pointer(slot, kind, form), value, align)
                return
        self._store_vector(slot, kind, form, value, mask)

    def _is_multiple(self, index: Index, divisor: int) -> bool:
        modulus, residue = self.congruence(index)
        return modulus % divisor == 0 and residue % divisor == 0

    def _store_streamed(self, kind: str, pointer: Val, value: Val, align: int) -> None:
        self.b.declarations["!0"] = "!0 = !{i32 1}"
        self._store_pieces(kind, pointer, value, f"align {align}, !nontemporal !0")

    def _store_pieces(self, kind: str, pointer: Val, value: Val, attributes: str) -> None:
        """Store register by register, upwards: caches know lines that are overwritten as a whole in this order only."""
        b, lanes = self.b, value.lanes
        size = max(1, self.target.vector_bytes * 8 // BITS[kind])
        for start in range(0, lanes, size):
            piece = value
            if lanes > size:
                same = value.text.startswith("splat ")
                piece = value._replace(lanes=size) if same else b.shuffle(value, None, range(start, start + size))
            where = b.gep(kind, pointer, literal(start, "i64"))
            b.line(f"store {piece.type} {piece.text}, ptr {where.text}, {attributes}")

    def finish_streams(self) -> None:
        """Make what was written past the caches visible to other threads: such stores are not ordered with others."""
        if "!0" in self.b.declarations:
            self.b.declare("llvm.x86.sse.sfence", "void", ())
            self.b.line("call void @llvm.x86.sse.sfence()")

    def _when(self, condition: Val, action: Callable[[], None]) -> None:
        def then() -> list[Val]:
            action()
            return []

        self.b.branch(condition, then)

    def _store_vector(self, slot: int, kind: str, form: Form, value: Val, mask: Val | None) -> None:
        b, align = self.b, BITS[kind] // 8
        if form.stride == 1 and not form.extras:
            pointer = self._pointer(slot, kind, form)
            if mask is None:
                self._store_pieces(kind, pointer, value, f"align {align}")
                return
            name = f"llvm.masked.store.{suffix(kind, value.lanes)}.p0"
            b.declare(name, "void", [value.type, "ptr", "i32", mask.type])
            where = f"ptr {pointer.text}, i32 {align}, {mask.type} {mask.text}"
        else:
            pointers = self._lane_pointers(slot, kind, form)
            lanes = b.splat(mask or literal(True, "i1"), value.lanes)
            name = f"llvm.masked.scatter.{suffix(kind, value.lanes)}.{suffix('ptr', value.lanes)}"
            b.declare(name, "void", [value.type, pointers.type, "i32", lanes.type])
            where = f"{pointers.type} {pointers.text}, i32 {align}, {lanes.type} {lanes.text}"
        b.line(f"call void @{name}({value.type} {value.text}, {where})")
