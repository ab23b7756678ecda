"""BLAS by tiles: for each element type a native function that does units ``begin..end`` of a batched matrix product.

Such a function has the signature of a kernel, ``void f(ptr table, i64 begin, i64 end)``, with the table (A, B, C,
description); one unit is one tile of one matrix of the batch, done by one call of CBLAS. The description is an array of
64-bit words; see ``WORDS``.
"""

from __future__ import annotations

from dataclasses import dataclass

ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE = 101, 111, 112

WORDS = (
    "rows", "columns", "inner", "lda", "ldb", "ldc", "transpose_a", "transpose_b",
    "tile_rows", "tile_columns", "tiles_across", "tiles",
    "batch1", "batch2", "a0", "a1", "a2", "b0", "b1", "b2",
)  # fmt: skip
"""Names of the words: the product's shape, leading dimensions, CBLAS' transposition flags, the size of a tile, tiles
per row of tiles and per matrix, the two inner extents of the batch (of three), and the strides of A and B along
each."""


@dataclass(frozen=True)
class ElementType:
    """An element type of BLAS: its letter, LLVM type, bytes, and how a scalar argument is passed."""

    letter: str
    llvm: str
    bytes: int
    one: str
    zero: str


_COMPLEX = "ptr @cotan_blas_{value}_{letter}"
ELEMENTS = {
    "float32": ElementType("s", "float", 4, "float 1.0", "float 0.0"),
    "float64": ElementType("d", "double", 8, "double 1.0", "double 0.0"),
    "complex64": ElementType(
        "c", "i64", 8, _COMPLEX.format(value="one", letter="c"), _COMPLEX.format(value="zero", letter="c")
    ),
    "complex128": ElementType(
        "z", "i128", 16, _COMPLEX.format(value="one", letter="z"), _COMPLEX.format(value="zero", letter="z")
    ),
}
FUNCTIONS = tuple(f"cotan_{kind}_{e.letter}" for e in ELEMENTS.values() for kind in ("gemm", "gemv"))

_CONSTANTS = """
@cotan_blas_one_L = internal constant [2 x PART] [PART 1.0, PART 0.0], align 16
@cotan_blas_zero_L = internal constant [2 x PART] zeroinitializer, align 16
"""

_OPERANDS = """\
  %a_at = load ptr, ptr %table
  %b_slot = getelementptr ptr, ptr %table, i64 1
  %b_at = load ptr, ptr %b_slot
  %c_slot = getelementptr ptr, ptr %table, i64 2
  %c_at = load ptr, ptr %c_slot
"""

_OFFSETS = """\
  %i2 = urem i64 %batch, %batch2
  %q2 = udiv i64 %batch, %batch2
  %i1 = urem i64 %q2, %batch1
  %i0 = udiv i64 %q2, %batch1
  %a_0 = mul i64 %i0, %a0
  %a_1 = mul i64 %i1, %a1
  %a_2 = mul i64 %i2, %a2
  %a_01 = add i64 %a_0, %a_1
  %a_012 = add i64 %a_01, %a_2
  %a_r = mul i64 %row, %a_row
  %a_offset = add i64 %a_012, %a_r
  %a = getelementptr TYPE, ptr %a_at, i64 %a_offset
  %b_0 = mul i64 %i0, %b0
  %b_1 = mul i64 %i1, %b1
  %b_2 = mul i64 %i2, %b2
  %b_01 = add i64 %b_0, %b_1
  %b_012 = add i64 %b_01, %b_2
"""
"""Where the matrices of this product of the batch begin; %a at the first row of the tile."""

TILE = (
    """\
  %batch = udiv i64 %unit, %tiles
  %tile = urem i64 %unit, %tiles
  %row = mul i64 %tile, %tile_rows
  %rows_left = sub i64 %rows, %row
  %m = call i64 @llvm.umin.i64(i64 %rows_left, i64 %tile_rows)
"""
    + _OFFSETS
)
"""The rows of a unit whose tiles are as wide as the result, and its matrices."""

READ = (
    "  %desc_at = getelementptr ptr, ptr %table, i64 3\n  %desc = load ptr, ptr %desc_at\n"
    + "".join(
        f"  %{name}_at = getelementptr i64, ptr %desc, i64 {position}\n  %{name} = load i64, ptr %{name}_at\n"
        for position, name in enumerate(WORDS)
    )
    + _OPERANDS
)
"""The description and the operands of a function's table, by name."""

# A matrix times a vector is a product with one column (its vector B may have a stride: ldb); see ``dot.plan``.
_TEMPLATE = """
declare void @cblas_Lgemm(i32, i32, i32, i32, i32, i32, SCALAR, ptr, i32, ptr, i32, SCALAR, ptr, i32)
declare void @cblas_Lgemv(i32, i32, i32, i32, SCALAR, ptr, i32, ptr, i32, SCALAR, ptr, i32)

define void @cotan_gemm_L(ptr %table, i64 %begin, i64 %end) {
entry:
READ
  %ta32 = trunc i64 %transpose_a to i32
  %tb32 = trunc i64 %transpose_b to i32
  %lda32 = trunc i64 %lda to i32
  %ldb32 = trunc i64 %ldb to i32
  %ldc32 = trunc i64 %ldc to i32
  %inner32 = trunc i64 %inner to i32
  %a_turned = icmp eq i64 %transpose_a, 112
  %a_row = select i1 %a_turned, i64 1, i64 %lda
  %b_turned = icmp eq i64 %transpose_b, 112
  %b_column = select i1 %b_turned, i64 %ldb, i64 1
  %c_matrix = mul i64 %rows, %ldc
  br label %head
head:
  %unit = phi i64 [ %begin, %entry ], [ %unit1, %body ]
  %more = icmp slt i64 %unit, %end
  br i1 %more, label %body, label %exit
body:
  %batch = udiv i64 %unit, %tiles
  %tile = urem i64 %unit, %tiles
  %down = udiv i64 %tile, %tiles_across
  %across = urem i64 %tile, %tiles_across
  %row = mul i64 %down, %tile_rows
  %column = mul i64 %across, %tile_columns
  %rows_left = sub i64 %rows, %row
  %m = call i64 @llvm.umin.i64(i64 %rows_left, i64 %tile_rows)
  %columns_left = sub i64 %columns, %column
  %n = call i64 @llvm.umin.i64(i64 %columns_left, i64 %tile_columns)
OFFSETS
  %b_c = mul i64 %column, %b_column
  %b_offset = add i64 %b_012, %b_c
  %b = getelementptr TYPE, ptr %b_at, i64 %b_offset
  %c_b = mul i64 %batch, %c_matrix
  %c_r = mul i64 %row, %ldc
  %c_br = add i64 %c_b, %c_r
  %c_offset = add i64 %c_br, %column
  %c = getelementptr TYPE, ptr %c_at, i64 %c_offset
  %m32 = trunc i64 %m to i32
  %n32 = trunc i64 %n to i32
  call void @cblas_Lgemm(i32 101, i32 %ta32, i32 %tb32, i32 %m32, i32 %n32, i32 %inner32, ONE, ptr %a, i32 %lda32,
      ptr %b, i32 %ldb32, ZERO, ptr %c, i32 %ldc32)
  %unit1 = add i64 %unit, 1
  br label %head
exit:
  ret void
}

define void @cotan_gemv_L(ptr %table, i64 %begin, i64 %end) {
entry:
READ
  %ta32 = trunc i64 %transpose_a to i32
  %lda32 = trunc i64 %lda to i32
  %ldb32 = trunc i64 %ldb to i32
  %inner32 = trunc i64 %inner to i32
  %a_turned = icmp eq i64 %transpose_a, 112
  %a_row = select i1 %a_turned, i64 1, i64 %lda
  br label %head
head:
  %unit = phi i64 [ %begin, %entry ], [ %unit1, %body ]
  %more = icmp slt i64 %unit, %end
  br i1 %more, label %body, label %exit
body:
TILE
  %b = getelementptr TYPE, ptr %b_at, i64 %b_012
  %c_b = mul i64 %batch, %rows
  %c_offset = add i64 %c_b, %row
  %c = getelementptr TYPE, ptr %c_at, i64 %c_offset
  %m32 = trunc i64 %m to i32
  %first = select i1 %a_turned, i32 %inner32, i32 %m32
  %second = select i1 %a_turned, i32 %m32, i32 %inner32
  call void @cblas_Lgemv(i32 101, i32 %ta32, i32 %first, i32 %second, ONE, ptr %a, i32 %lda32, ptr %b, i32 %ldb32,
      ZERO, ptr %c, i32 1)
  %unit1 = add i64 %unit, 1
  br label %head
exit:
  ret void
}
"""


def element_of(function: str) -> ElementType:
    """The element type of a function in ``FUNCTIONS``, by its letter."""
    return next(element for element in ELEMENTS.values() if element.letter == function[-1])


def text(element: ElementType) -> str:
    """The IR of the functions of one element type."""
    body = (_CONSTANTS if element.letter in "cz" else "") + "declare i64 @llvm.umin.i64(i64, i64)\n" + _TEMPLATE
    part = "double" if element.letter == "z" else "float"
    for word, meaning in (
        ("READ\n", READ),
        ("TILE\n", TILE),
        ("OFFSETS\n", _OFFSETS),
        ("_L(", f"_{element.letter}("),
        ("_L ", f"_{element.letter} "),
        ("PART", part),
        ("cblas_L", f"cblas_{element.letter}"),
        ("ONE", element.one),
        ("ZERO", element.zero),
        ("SCALAR", element.one.split(" ")[0]),
        ("TYPE", element.llvm),
    ):
        body = body.replace(word, meaning)
    return body
