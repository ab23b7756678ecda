"""Products of matrices that the nearest caches hold: results in registers, operands read where they lie.

BLAS copies its operands into panels first, which pays where they are read often; of a small matrix, or of one beside a
small one, that is much of the time. ``text`` gives a function ``cotan_direct_?`` with the table and the description of
``blas``'s ``cotan_gemm_?``. It wants whole vectors of columns, and tiles as wide as C. Of a B that the nearest cache
would not hold, or whose columns are neighbours, some columns at a time are brought together in scratch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotan_cpu.lower import blas

if TYPE_CHECKING:
    from cotan_cpu.codegen import Target

ROWS = 6
"""Rows of results in registers, as many pointers as the registers for addresses allow."""
MOST_INNER, MOST_COLUMNS = 512, 1024
"""The largest B, in bytes of a column and of a row: a panel of it stays in the nearest cache, all of it in the next."""
_BLOCK = 4096
"""Elements of A that go with each panel of B while they are in the nearest cache."""
_TURNED = 8192
"""Elements of B that are brought together at a time."""
_ROWS_TO_TURN = 32
"""Rows of A for which that is worth it."""

_PANEL = """
define internal void @cotan_panel_L(ptr %a, ptr %b, ptr %c, i64 %rows, i64 %vectors, i64 %inner, i64 %a_row,
    i64 %a_step, i64 %b_row, i64 %c_row) nounwind {
entry:
  %more = add i64 %rows, ROWS_LESS_1
  %groups = udiv i64 %more, ROWS
  %of_width = sub i64 %vectors, 1
  br label %group
group:
  %g = phi i64 [ %groups, %entry ], [ %g1, %group ]
  %left = phi i64 [ %rows, %entry ], [ %left1, %group ]
  %pa = phi ptr [ %a, %entry ], [ %pa1, %group ]
  %pc = phi ptr [ %c, %entry ], [ %pc1, %group ]
  %size = udiv i64 %left, %g
  %which = sub i64 %size, 1
  %entry_at = getelementptr [ROWS x ptr], ptr @cotan_rows_L, i64 %of_width, i64 %which
  %function = load ptr, ptr %entry_at
  call void %function(ptr %pa, ptr %b, ptr %pc, i64 %inner, i64 %a_row, i64 %a_step, i64 %b_row, i64 %c_row)
  %a_moved = mul i64 %size, %a_row
  %c_moved = mul i64 %size, %c_row
  %pa1 = getelementptr TYPE, ptr %pa, i64 %a_moved
  %pc1 = getelementptr TYPE, ptr %pc, i64 %c_moved
  %left1 = sub i64 %left, %size
  %g1 = sub i64 %g, 1
  %again = icmp sgt i64 %left1, 0
  br i1 %again, label %group, label %done
done:
  ret void
}

define void @cotan_direct_L(ptr %table, i64 %begin, i64 %end) {
entry:
READ
  %a_turned = icmp eq i64 %transpose_a, 112
  %a_row = select i1 %a_turned, i64 1, i64 %lda
  %a_step = select i1 %a_turned, i64 %lda, i64 1
  %c_matrix = mul i64 %rows, %ldc
  %scratch = alloca [TURNED x TYPE], align 64
  %b_turned = icmp eq i64 %transpose_b, 112
  %fit = udiv i64 TURNED, %inner
  %vectors_fit = udiv i64 %fit, LANES
  %columns_fit = mul i64 %vectors_fit, LANES
  %b_size = mul i64 %inner, %columns
  %b_large = icmp ugt i64 %b_size, TURNED
  %b_moved = or i1 %b_turned, %b_large
  %b_column = select i1 %b_turned, i64 %ldb, i64 1
  %chunk = select i1 %b_moved, i64 %columns_fit, i64 %columns
  %held = udiv i64 BLOCK, %inner
  %held_groups = udiv i64 %held, ROWS
  %some_groups = call i64 @llvm.umax.i64(i64 %held_groups, i64 1)
  %block = mul i64 %some_groups, ROWS
  br label %head
head:
  %unit = phi i64 [ %begin, %entry ], [ %unit1, %next ]
  %more = icmp slt i64 %unit, %end
  br i1 %more, label %body, label %exit
body:
TILE
  %b = getelementptr TYPE, ptr %b_at, i64 %b_012
  %c_b = mul i64 %batch, %c_matrix
  %c_r = mul i64 %row, %ldc
  %c_offset = add i64 %c_b, %c_r
  %c = getelementptr TYPE, ptr %c_at, i64 %c_offset
  br label %columns_of_chunk
columns_of_chunk:
  %start = phi i64 [ 0, %body ], [ %start1, %chunk_done ]
  %ahead = sub i64 %columns, %start
  %width = call i64 @llvm.umin.i64(i64 %ahead, i64 %chunk)
  br i1 %b_moved, label %move, label %ready
move:
  %from = mul i64 %start, %b_column
  %source = getelementptr TYPE, ptr %b, i64 %from
  br i1 %b_turned, label %turn, label %copy
turn:
  call void @cotan_turn_L(ptr %source, ptr %scratch, i64 %inner, i64 %width, i64 %ldb)
  br label %ready
copy:
  %t = phi i64 [ 0, %move ], [ %t1, %copy ]
  %line = mul i64 %t, %ldb
  %line_from = getelementptr TYPE, ptr %source, i64 %line
  %place = mul i64 %t, %width
  %line_to = getelementptr TYPE, ptr %scratch, i64 %place
  %bytes = mul i64 %width, BYTES
  call void @llvm.memcpy.p0.p0.i64(ptr %line_to, ptr %line_from, i64 %bytes, i1 false)
  %t1 = add i64 %t, 1
  %more_lines = icmp slt i64 %t1, %inner
  br i1 %more_lines, label %copy, label %ready
ready:
  %b_here = phi ptr [ %b, %columns_of_chunk ], [ %scratch, %turn ], [ %scratch, %copy ]
  %b_row = phi i64 [ %ldb, %columns_of_chunk ], [ %width, %turn ], [ %width, %copy ]
  br label %rows_of_block
rows_of_block:
  %first = phi i64 [ 0, %ready ], [ %first1, %block_done ]
  %after = sub i64 %m, %first
  %count = call i64 @llvm.umin.i64(i64 %after, i64 %block)
  %a_first = mul i64 %first, %a_row
  %pa = getelementptr TYPE, ptr %a, i64 %a_first
  %c_row_first = mul i64 %first, %ldc
  %c_first = add i64 %c_row_first, %start
  br label %columns_of_panel
columns_of_panel:
  %column = phi i64 [ 0, %rows_of_block ], [ %column1, %columns_of_panel ]
  %columns_left = sub i64 %width, %column
  %vectors_left = udiv i64 %columns_left, LANES
  %vectors = call i64 @llvm.umin.i64(i64 %vectors_left, i64 VECTORS)
  %pb = getelementptr TYPE, ptr %b_here, i64 %column
  %c_place = add i64 %c_first, %column
  %pc = getelementptr TYPE, ptr %c, i64 %c_place
  call void @cotan_panel_L(ptr %pa, ptr %pb, ptr %pc, i64 %count, i64 %vectors, i64 %inner, i64 %a_row, i64 %a_step,
      i64 %b_row, i64 %ldc)
  %wide = mul i64 %vectors, LANES
  %column1 = add i64 %column, %wide
  %more_columns = icmp slt i64 %column1, %width
  br i1 %more_columns, label %columns_of_panel, label %block_done
block_done:
  %first1 = add i64 %first, %count
  %more_rows = icmp slt i64 %first1, %m
  br i1 %more_rows, label %rows_of_block, label %chunk_done
chunk_done:
  %start1 = add i64 %start, %width
  %more_chunks = icmp slt i64 %start1, %columns
  br i1 %more_chunks, label %columns_of_chunk, label %next
next:
  %unit1 = add i64 %unit, 1
  br label %head
exit:
  ret void
}

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.umax.i64(i64, i64)
"""


def suits(rows: int, inner: int, columns: int, turned: bool, element: blas.ElementType) -> bool:
    """Whether this processor multiplies best so; ``turned`` if the columns of B, not its rows, are neighbours."""
    from cotan_cpu.codegen import jit  # which takes LLVM along

    target = jit.host_target()
    if not target.fma or element.letter not in "sd" or not 0 < inner * element.bytes <= MOST_INNER:
        return False
    if turned and rows < _ROWS_TO_TURN:
        return False
    return columns * element.bytes <= MOST_COLUMNS and columns % lanes(target, element) == 0


def lanes(target: Target, element: blas.ElementType) -> int:
    return target.vector_bytes // element.bytes


def _vectors(target: Target) -> int:
    """How many vectors of columns fit beside ``ROWS`` rows of them, and what is multiplied."""
    return 4 if target.registers >= 32 else 2


def text(target: Target, element: blas.ElementType) -> str:
    """The IR of ``cotan_direct_?`` for one element type; ``target`` has a fused multiply-add."""
    most, letter = _vectors(target), element.letter
    functions = [
        _rows(element, lanes(target, element), rows, vectors)
        for vectors in range(1, most + 1)
        for rows in range(1, ROWS + 1)
    ]
    entries = [
        "[" + ", ".join(f"ptr @cotan_rows_{letter}_{rows}_{vectors}" for rows in range(1, ROWS + 1)) + "]"
        for vectors in range(1, most + 1)
    ]
    row = f"[{ROWS} x ptr]"
    table = f"@cotan_rows_{letter} = internal constant [{most} x {row}] [{', '.join(f'{row} {e}' for e in entries)}]"
    vector, suffix = _vector(element, lanes(target, element))
    declaration = f"declare {vector} @llvm.fma.{suffix}({vector}, {vector}, {vector})"
    body = _PANEL
    for word, meaning in (
        ("READ\n", blas.READ),
        ("TILE\n", blas.TILE),
        ("ROWS_LESS_1", str(ROWS - 1)),
        ("ROWS", str(ROWS)),
        ("LANES", str(lanes(target, element))),
        ("VECTORS", str(most)),
        ("BLOCK", str(_BLOCK)),
        ("TURNED", str(_TURNED)),
        ("BYTES", str(element.bytes)),
        ("_L", f"_{letter}"),
        ("TYPE", element.llvm),
    ):
        body = body.replace(word, meaning)
    turn = _turn(element, lanes(target, element))
    return "\n".join([table, *functions, turn, declaration, body])


def _vector(element: blas.ElementType, count: int) -> tuple[str, str]:
    return f"<{count} x {element.llvm}>", f"v{count}{'f64' if element.llvm == 'double' else 'f32'}"


def _rows(element: blas.ElementType, count: int, rows: int, vectors: int) -> str:
    """c[r, :] = sum over t of a[r, t] * b[t, :], for so many rows of so many vectors."""
    vector, suffix = _vector(element, count)
    scalar, align = element.llvm, element.bytes
    places = [(r, v) for r in range(rows) for v in range(vectors)]
    lines = [
        f"define internal void @cotan_rows_{element.letter}_{rows}_{vectors}(ptr %a, ptr %b, ptr %c, i64 %inner, "
        "i64 %a_row, i64 %a_step, i64 %b_row, i64 %c_row) nounwind {",
        "entry:",
        "  %a.0 = getelementptr i8, ptr %a, i64 0",
    ]
    lines += [f"  %a.{r} = getelementptr {scalar}, ptr %a.{r - 1}, i64 %a_row" for r in range(1, rows)]
    lines += [
        "  br label %step",
        "step:",
        "  %t = phi i64 [ 0, %entry ], [ %t1, %step ]",
        "  %at = phi i64 [ 0, %entry ], [ %at1, %step ]",
        "  %pb = phi ptr [ %b, %entry ], [ %pb1, %step ]",
    ]
    lines += [f"  %sum.{r}.{v} = phi {vector} [ zeroinitializer, %entry ], [ %new.{r}.{v}, %step ]" for r, v in places]
    for v in range(vectors):
        lines.append(f"  %b.{v}.at = getelementptr {scalar}, ptr %pb, i64 {v * count}")
        lines.append(f"  %b.{v} = load {vector}, ptr %b.{v}.at, align {align}")
    for r in range(rows):
        lines += [
            f"  %a.{r}.at = getelementptr {scalar}, ptr %a.{r}, i64 %at",
            f"  %one.{r} = load {scalar}, ptr %a.{r}.at, align {align}",
            f"  %first.{r} = insertelement {vector} poison, {scalar} %one.{r}, i64 0",
            f"  %all.{r} = shufflevector {vector} %first.{r}, {vector} poison, <{count} x i32> zeroinitializer",
        ]
        for v in range(vectors):
            operands = f"{vector} %all.{r}, {vector} %b.{v}, {vector} %sum.{r}.{v}"
            lines.append(f"  %new.{r}.{v} = call {vector} @llvm.fma.{suffix}({operands})")
    lines += [
        "  %at1 = add i64 %at, %a_step",
        f"  %pb1 = getelementptr {scalar}, ptr %pb, i64 %b_row",
        "  %t1 = add i64 %t, 1",
        "  %more = icmp slt i64 %t1, %inner",
        "  br i1 %more, label %step, label %done",
        "done:",
        "  %c.0 = getelementptr i8, ptr %c, i64 0",
    ]
    lines += [f"  %c.{r} = getelementptr {scalar}, ptr %c.{r - 1}, i64 %c_row" for r in range(1, rows)]
    for r, v in places:
        lines.append(f"  %c.{r}.{v} = getelementptr {scalar}, ptr %c.{r}, i64 {v * count}")
        lines.append(f"  store {vector} %new.{r}.{v}, ptr %c.{r}.{v}, align {align}")
    return "\n".join([*lines, "  ret void", "}"])


def _turn(element: blas.ElementType, count: int) -> str:
    """target[t, c] = source[c, t], for whole vectors of columns c; rows of the target lie side by side."""
    vector, _ = _vector(element, count)
    scalar, align = element.llvm, element.bytes
    rows = [f"%row.{c}" for c in range(count)]
    turned, lines = _exchanged(vector, count, rows)
    reads = [
        line
        for c in range(count)
        for line in (
            f"  %from.{c} = getelementptr {scalar}, ptr %source.{c}, i64 %t",
            f"  %row.{c} = load {vector}, ptr %from.{c}, align {align}",
        )
    ]
    writes = [
        line
        for t in range(count)
        for line in (
            f"  %line.{t} = add i64 %t, {t}",
            f"  %place.{t} = mul i64 %line.{t}, %columns",
            f"  %at.{t} = add i64 %place.{t}, %c",
            f"  %to.{t} = getelementptr {scalar}, ptr %target, i64 %at.{t}",
            f"  store {vector} {turned[t]}, ptr %to.{t}, align {align}",
        )
    ]
    heads = [f"  %head.{c} = add i64 %c, {c}\n  %begin.{c} = mul i64 %head.{c}, %ldb\n"
             f"  %source.{c} = getelementptr {scalar}, ptr %source, i64 %begin.{c}" for c in range(count)]  # fmt: skip
    single = [
        line
        for c in range(count)
        for line in (
            f"  %one.from.{c} = getelementptr {scalar}, ptr %source.{c}, i64 %u",
            f"  %one.{c} = load {scalar}, ptr %one.from.{c}, align {align}",
            f"  %one.at.{c} = getelementptr {scalar}, ptr %one.line, i64 {c}",
            f"  store {scalar} %one.{c}, ptr %one.at.{c}, align {align}",
        )
    ]
    body = "\n".join
    return f"""
define internal void @cotan_turn_{element.letter}(ptr %source, ptr %target, i64 %inner, i64 %columns, i64 %ldb)
    nounwind {{
entry:
  %vectors = udiv i64 %inner, {count}
  %whole = mul i64 %vectors, {count}
  br label %next_columns
next_columns:
  %c = phi i64 [ 0, %entry ], [ %c1, %columns_done ]
{body(heads)}
  br label %test
test:
  %t = phi i64 [ 0, %next_columns ], [ %t1, %square ]
  %some = icmp slt i64 %t, %whole
  br i1 %some, label %square, label %rest
square:
{body(reads)}
{body(lines)}
{body(writes)}
  %t1 = add i64 %t, {count}
  br label %test
rest:
  %u = phi i64 [ %t, %test ], [ %u1, %single ]
  %more = icmp slt i64 %u, %inner
  br i1 %more, label %single, label %columns_done
single:
  %one.place = mul i64 %u, %columns
  %one.offset = add i64 %one.place, %c
  %one.line = getelementptr {scalar}, ptr %target, i64 %one.offset
{body(single)}
  %u1 = add i64 %u, 1
  br label %rest
columns_done:
  %c1 = add i64 %c, {count}
  %again = icmp slt i64 %c1, %columns
  br i1 %again, label %next_columns, label %done
done:
  ret void
}}
"""


def _exchanged(vector: str, count: int, rows: list[str]) -> tuple[list[str], list[str]]:
    """The columns of a square of vectors, and the instructions that make them."""
    from cotan_cpu.codegen.tiles import exchanges

    rows, lines = list(rows), []
    for step, (place, partner, upper, lower) in enumerate(exchanges(count)):
        above, below = rows[place], rows[partner]
        for target, chosen in ((place, upper), (partner, lower)):
            rows[target] = f"%turned.{step}.{target}"
            mask = ", ".join(f"i32 {lane}" for lane in chosen)
            lines.append(
                f"  {rows[target]} = shufflevector {vector} {above}, {vector} {below}, <{count} x i32> <{mask}>"
            )
    return rows, lines
