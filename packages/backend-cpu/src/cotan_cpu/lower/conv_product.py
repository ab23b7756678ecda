"""The heart of native convolutions: a product whose results are held in registers.

Rows of accumulators run over a list of contiguous stretches of one operand and a matrix that all rows share. Knows
nothing of images and windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cotan_cpu.codegen import Target
from cotan_cpu.lower.text import Text


@dataclass(frozen=True)
class Shape:
    """The shape of the product in registers: ``vectors`` of ``lanes`` columns; ``panels`` of them make the matrix."""

    element: str
    lanes: int
    vectors: int
    panels: int
    most_rows: int

    @property
    def panel(self) -> int:
        return self.lanes * self.vectors

    @property
    def columns(self) -> int:
        return self.panel * self.panels

    @property
    def bytes(self) -> int:
        return 8 if self.element == "double" else 4


def shape_for(target: Target, element: str, columns: int) -> Shape:
    """The product in registers for so many columns."""
    size = 8 if element == "double" else 4
    lanes = max(target.vector_bytes // size, 2)
    many = target.registers >= 32
    count = -(-columns // lanes)
    panels = -(-count // (4 if many else 2))
    vectors = -(-count // panels)
    rows = min((target.registers - vectors - 2) // vectors, 14)
    return Shape(element, lanes, vectors, panels, rows)


def row_groups(count: int, most: int) -> list[tuple[int, int]]:
    """(size, how many) of groups of about equal size, at most ``most`` each, that make ``count`` rows."""
    groups = -(-count // most)
    size, larger = divmod(count, groups)
    return [(n, times) for n, times in ((size + 1, larger), (size, groups - larger)) if times and n]


@dataclass(frozen=True)
class Product:
    """``symbol(a, b, c, stretches, count, fresh)``: c[r, :] (+)= sum over t of a[r, t] * b[t, :], for ``rows`` rows.

    t runs over ``count`` stretches, triples (offset in a, offset in b, length). ``fresh``: c is not read.

    Attributes:
      a_row, a_step, b_step, c_row: distances of a's rows and terms, b's terms, and c's rows.
    """

    shape: Shape
    rows: int
    a_row: int
    a_step: int
    b_step: int
    c_row: int

    @property
    def symbol(self) -> str:
        """A name that says all that the function depends on."""
        shape = self.shape
        numbers = (shape.lanes, shape.vectors, self.rows, self.a_row, self.a_step, self.b_step, self.c_row)
        return f"cotan_product_{shape.element}_{'_'.join(map(str, numbers))}"

    def text(self) -> str:
        return _product(self)


def _product(product: Product) -> str:
    shape, rows, symbol = product.shape, product.rows, product.symbol
    element, lanes, vectors = shape.element, shape.lanes, shape.vectors
    vector, size = f"<{lanes} x {element}>", shape.bytes
    places = [(r, v) for r in range(rows) for v in range(vectors)]
    suffix = f"v{lanes}{'f64' if element == 'double' else 'f32'}"
    lines = [
        f"define internal void @{symbol}(ptr %a, ptr noalias %b, ptr noalias %c, ptr %stretches, i64 %count, "
        "i1 %fresh) nounwind {",
        "entry:",
    ]
    for r, v in places:
        lines.append(f"  %c.{r}.{v} = getelementptr {element}, ptr %c, i64 {r * product.c_row + v * lanes}")
    lines += ["  br i1 %fresh, label %start, label %read", "read:"]
    lines += [f"  %old.{r}.{v} = load {vector}, ptr %c.{r}.{v}, align {size}" for r, v in places]
    lines += ["  br label %start", "start:"]
    for r, v in places:
        lines.append(f"  %begin.{r}.{v} = phi {vector} [ zeroinitializer, %entry ], [ %old.{r}.{v}, %read ]")
    lines += ["  br label %stretch", "stretch:", "  %s = phi i64 [ 0, %start ], [ %s1, %done ]"]
    for r, v in places:
        lines.append(f"  %acc.{r}.{v} = phi {vector} [ %begin.{r}.{v}, %start ], [ %new.{r}.{v}, %done ]")
    lines.append("  %triple = getelementptr [3 x i64], ptr %stretches, i64 %s")
    for n, name in enumerate(("ao", "bo", "length")):
        lines.append(f"  %{name}.at = getelementptr i64, ptr %triple, i64 {n}")
        lines.append(f"  %{name} = load i64, ptr %{name}.at")
    lines += [
        f"  %a0 = getelementptr {element}, ptr %a, i64 %ao",
        f"  %b0 = getelementptr {element}, ptr %b, i64 %bo",
        "  br label %step",
        "step:",
        "  %t = phi i64 [ 0, %stretch ], [ %t1, %step ]",
        "  %pa = phi ptr [ %a0, %stretch ], [ %pa1, %step ]",
        "  %pb = phi ptr [ %b0, %stretch ], [ %pb1, %step ]",
    ]
    for r, v in places:
        lines.append(f"  %sum.{r}.{v} = phi {vector} [ %acc.{r}.{v}, %stretch ], [ %new.{r}.{v}, %step ]")
    for v in range(vectors):
        lines.append(f"  %b.{v}.at = getelementptr {element}, ptr %pb, i64 {v * lanes}")
        lines.append(f"  %b.{v} = load {vector}, ptr %b.{v}.at, align {size}")
    for r in range(rows):
        lines += [
            f"  %a.{r}.at = getelementptr {element}, ptr %pa, i64 {r * product.a_row}",
            f"  %a.{r} = load {element}, ptr %a.{r}.at, align {size}",
            f"  %first.{r} = insertelement {vector} poison, {element} %a.{r}, i64 0",
            f"  %all.{r} = shufflevector {vector} %first.{r}, {vector} poison, <{lanes} x i32> zeroinitializer",
        ]
        for v in range(vectors):
            lines.append(
                f"  %new.{r}.{v} = call {vector} @llvm.fmuladd.{suffix}({vector} %all.{r}, {vector} %b.{v}, "
                f"{vector} %sum.{r}.{v})"
            )
    lines += [
        f"  %pa1 = getelementptr {element}, ptr %pa, i64 {product.a_step}",
        f"  %pb1 = getelementptr {element}, ptr %pb, i64 {product.b_step}",
        "  %t1 = add i64 %t, 1",
        "  %more = icmp slt i64 %t1, %length",
        "  br i1 %more, label %step, label %done",
        "done:",
        "  %s1 = add i64 %s, 1",
        "  %again = icmp slt i64 %s1, %count",
        "  br i1 %again, label %stretch, label %write",
        "write:",
    ]
    lines += [f"  store {vector} %new.{r}.{v}, ptr %c.{r}.{v}, align {size}" for r, v in places]
    lines += ["  ret void", "}", f"declare {vector} @llvm.fmuladd.{suffix}({vector}, {vector}, {vector})"]
    return "\n".join(lines)


def all_rows(text: Text, groups: Sequence[tuple[Product, int]], a: str, b: str, c: str, rest: str) -> None:
    """Call products, each so many times, for rows one after another."""
    begin = 0
    for product, times in groups:
        with text.loop(0, times) as n:
            row = text.add(begin, text.mul(n, product.rows))
            here, there = text.at(a, text.mul(row, product.a_row)), text.at(c, text.mul(row, product.c_row))
            text.emit(f"call void @{product.symbol}(ptr {here}, ptr {b}, ptr {there}, {rest})")
        begin += product.rows * times


def table(name: str, values: Sequence[int]) -> str:
    items = ", ".join(f"i64 {value}" for value in values)
    return f"@{name} = internal constant [{len(values)} x i64] [{items}], align 64"
