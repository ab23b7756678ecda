"""LLVM IR text of functions written by hand: fresh names, loops over integers, and two-dimensional copies.

For library functions whose shapes are constants. Knows nothing of programs and arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Value = str | int


class Text:
    """The body of one function in the making: instructions, and where the current block is."""

    def __init__(self, head: str, element: str = "float") -> None:
        self.lines = [f"{head} {{", "entry:"]
        self.element = element
        self._count = 0
        self._block = "entry"

    def finish(self) -> str:
        return "\n".join([*self.lines, "  ret void", "}"])

    def emit(self, *lines: str) -> None:
        self.lines += [f"  {line}" for line in lines]

    def fresh(self) -> str:
        self._count += 1
        return f"%t{self._count}"

    def let(self, instruction: str) -> str:
        name = self.fresh()
        self.emit(f"{name} = {instruction}")
        return name

    # ---- Integers

    def add(self, a: Value, b: Value) -> Value:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0 or b == 0:
            return b if a == 0 else a
        return self.let(f"add i64 {a}, {b}")

    def sub(self, a: Value, b: Value) -> Value:
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        return a if b == 0 else self.let(f"sub i64 {a}, {b}")

    def mul(self, a: Value, b: Value) -> Value:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 0 or b == 0:
            return 0
        if a == 1 or b == 1:
            return b if a == 1 else a
        return self.let(f"mul i64 {a}, {b}")

    def divmod(self, a: Value, b: int) -> tuple[Value, Value]:
        """Quotient and remainder of a number that is not negative."""
        if b == 1:
            return a, 0
        if isinstance(a, int):
            return a // b, a % b
        return self.let(f"udiv i64 {a}, {b}"), self.let(f"urem i64 {a}, {b}")

    def least(self, a: Value, b: Value) -> Value:
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        return self.let(f"call i64 @llvm.smin.i64(i64 {a}, i64 {b})")

    def most(self, a: Value, b: Value) -> Value:
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        return self.let(f"call i64 @llvm.smax.i64(i64 {a}, i64 {b})")

    def total(self, *terms: tuple[Value, Value]) -> Value:
        """The sum of products."""
        found: Value = 0
        for a, b in terms:
            found = self.add(found, self.mul(a, b))
        return found

    # ---- Memory

    def at(self, pointer: str, offset: Value) -> str:
        """The address of an element."""
        return pointer if offset == 0 else self.let(f"getelementptr {self.element}, ptr {pointer}, i64 {offset}")

    def operand(self, table: str, position: int) -> str:
        """A pointer of a kernel's table."""
        return self.let(f"load ptr, ptr {self.let(f'getelementptr ptr, ptr {table}, i64 {position}')}")

    def bytes_of(self, count: Value) -> Value:
        return self.mul(count, 8 if self.element == "double" else 4)

    def clear(self, pointer: str, count: Value) -> None:
        """Zero elements."""
        if count != 0:
            size = self.bytes_of(count)
            self.emit(f"call void @llvm.memset.p0.i64(ptr {pointer}, i8 0, i64 {size}, i1 false)")

    def copy(self, target: str, source: str, count: Value) -> None:
        """Copy neighbouring elements."""
        if count != 0:
            size = self.bytes_of(count)
            self.emit(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")

    # ---- Control

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")
        self._block = name

    @property
    def block(self) -> str:
        """The label of the current block."""
        return self._block

    @contextmanager
    def loop(self, begin: Value, end: Value, step: int = 1) -> Iterator[str | int]:
        """Runs what is written inside for begin, begin + step, ... while less than ``end``."""
        if isinstance(begin, int) and isinstance(end, int) and begin + step >= end > begin:
            yield begin
            return
        self._count += 1
        number, before = self._count, self._block
        head, body, latch, after = (f"{part}{number}" for part in ("head", "body", "latch", "after"))
        self.emit(f"br label %{head}")
        self.label(head)
        self.emit(
            f"%i{number} = phi i64 [ {begin}, %{before} ], [ %n{number}, %{latch} ]",
            f"%c{number} = icmp slt i64 %i{number}, {end}",
            f"br i1 %c{number}, label %{body}, label %{after}",
        )
        self.label(body)
        yield f"%i{number}"
        self.emit(f"br label %{latch}")
        self.label(latch)
        self.emit(f"%n{number} = add i64 %i{number}, {step}", f"br label %{head}")
        self.label(after)

    def either(self, condition: str, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """Runs one of two."""
        self._count += 1
        yes, no, after = (f"{part}{self._count}" for part in ("yes", "no", "joined"))
        self.emit(f"br i1 {condition}, label %{yes}, label %{no}")
        for label, body in ((yes, then), (no, otherwise)):
            self.label(label)
            body()
            self.emit(f"br label %{after}")
        self.label(after)

    # ---- Copies of matrices

    def copy_matrix(
        self,
        source: str,
        target: str,
        shape: tuple[Value, Value],
        source_steps: tuple[int, int],
        target_steps: tuple[int, int],
    ) -> None:
        """``target[p, q] = source[p, q]``, where steps are the distances along p and q."""
        rows, columns = shape
        (sp, sq), (tp, tq) = source_steps, target_steps
        if sp == 1 and sq != 1:
            rows, columns, sp, sq, tp, tq = columns, rows, sq, sp, tq, tp
        if sq == 1 and tq == 1:
            if sp == columns == tp:
                self.copy(target, source, self.mul(rows, columns))
                return
            with self.loop(0, rows) as p:
                self.copy(self.at(target, self.mul(p, tp)), self.at(source, self.mul(p, sp)), columns)
            return
        if sq == 1 and tp == 1:
            self.emit(
                f"call void @cotan_turn_{self.element}(ptr {source}, i64 {sp}, ptr {target}, i64 {tq}, i64 {rows}, "
                f"i64 {columns})"
            )
            return
        with self.loop(0, rows) as p, self.loop(0, columns) as q:
            value = self.let(f"load {self.element}, ptr {self.at(source, self.total((p, sp), (q, sq)))}")
            self.emit(f"store {self.element} {value}, ptr {self.at(target, self.total((p, tp), (q, tq)))}")


DECLARATIONS = """
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
"""


def turn(element: str, lanes: int) -> str:
    """``cotan_turn_ELEMENT(source, sp, target, tq, rows, columns)``: target[q * tq + p] = source[p * sp + q].

    Blocks of ``lanes`` squared elements are transposed in registers.
    """
    head = (
        f"define internal void @cotan_turn_{element}(ptr noalias %source, i64 %sp, ptr noalias %target, i64 %tq, "
        "i64 %rows, i64 %columns) nounwind"
    )
    text = Text(head, element)
    align = 8 if element == "double" else 4
    vector = f"<{lanes} x {element}>"
    blocks_down, blocks_across = (text.mul(text.divmod(n, lanes)[0], lanes) for n in ("%rows", "%columns"))
    halves = [range(lanes // 2), range(lanes // 2, lanes)]
    masks = [f"<{lanes} x i32> <{', '.join(f'i32 {n}' for k in half for n in (k, k + lanes))}>" for half in halves]

    def single(p: Value, q: Value) -> None:
        value = text.let(f"load {element}, ptr {text.at('%source', text.add(text.mul(p, '%sp'), q))}")
        text.emit(f"store {element} {value}, ptr {text.at('%target', text.add(text.mul(q, '%tq'), p))}")

    with text.loop(0, blocks_down, lanes) as p:
        with text.loop(0, blocks_across, lanes) as q:
            rows = []
            for k in range(lanes):
                place = text.add(text.mul(text.add(p, k), "%sp"), q)
                rows.append(text.let(f"load {vector}, ptr {text.at('%source', place)}, align {align}"))
            width = lanes
            while width > 1:
                mixed = []
                for k in range(lanes // 2):
                    pair = f"{vector} {rows[k]}, {vector} {rows[k + lanes // 2]}"
                    mixed += [text.let(f"shufflevector {pair}, {mask}") for mask in masks]
                rows, width = mixed, width // 2
            for k in range(lanes):
                place = text.add(text.mul(text.add(q, k), "%tq"), p)
                text.emit(f"store {vector} {rows[k]}, ptr {text.at('%target', place)}, align {align}")
        with text.loop(blocks_across, "%columns") as q, text.loop(0, lanes) as down:
            single(text.add(p, down), q)
    with text.loop(blocks_down, "%rows") as p, text.loop(0, "%columns") as q:
        single(p, q)
    return text.finish()
