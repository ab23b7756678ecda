"""LAPACK on stacks of matrices: the text of native functions from recipes.

A ``Recipe`` is what is done for one matrix of a stack: copies, transpositions and calls of LAPACK, in a straight line.
``text`` makes a function with the signature of a kernel of it, ``void f(ptr table, i64 begin, i64 end)``: the table
points to the operands, the results and the description, an array of 64-bit words with the sizes. One unit is one
matrix. Matrices lie by rows, which LAPACK reads as their transposes. Knows nothing of programs and arrays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from cotan_cpu.lower import lapack_small

WORD_OF_LETTER = {"s": ("float", 4, 4), "d": ("double", 8, 8), "c": ("float", 4, 8), "z": ("double", 8, 16)}
"""Letter of LAPACK -> (LLVM type of a part, its bytes, bytes of an element)."""


@dataclass
class Recipe:
    """What a native function does with each matrix.

    Attributes:
      name: of the function. letter: that of LAPACK's element type.
      pointers: names of the operands and results, as they stand in the table.
      scratch: names of pieces of workspace.
      words: names of the words of the description: ``stride.X`` (bytes from one matrix of X to the next) and
        ``offset.X`` (of scratch) come first, then ``scratch`` (bytes of all), then sizes.
      symbols: LAPACK's functions that it calls, with the types of their arguments.
      lines: instructions. characters, numbers: what they pass by address. queries: calls that take workspace.
    """

    name: str
    letter: str
    pointers: tuple[str, ...]
    scratch: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    symbols: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    characters: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)
    queries: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    _count: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        strides = (f"stride.{name}" for name in self.pointers)
        offsets = (f"offset.{name}" for name in self.scratch)
        return (*strides, *offsets, "scratch", *self.sizes)

    def size(self, name: str | int) -> str:
        """A number of the description, or a literal, as an operand."""
        return str(name) if isinstance(name, int) else f"%w.{name}"

    def call(self, routine: str, *args: str) -> None:
        """Call LAPACK's ``routine``, whose first letter is added. Arguments are passed by address:

        ``'U`` a character, ``#n`` a number (of the description), ``&x`` a pointer or piece of scratch, ``one`` the
        number 1 of the element type, ``info`` where it says how it went.
        """
        symbol = f"{self.letter}{routine}_"
        values = []
        for arg in args:
            if arg[0] == "'":
                self.characters.add(arg[1])
                values.append(f"ptr @cotan_char_{arg[1]}")
            elif arg[0] == "#":
                self.numbers.add(arg[1:])
                values.append(f"ptr %i.{arg[1:]}")
            elif arg == "one":
                values.append("ptr @cotan_one")
            else:
                values.append("ptr %info" if arg == "info" else "ptr null" if arg == "null" else f"ptr %p.{arg[1:]}")
        # Lengths of characters, which Fortran passes after all.
        lengths = ["i64 1"] * sum(arg[0] == "'" for arg in args)
        self.symbols[symbol] = ", ".join(["ptr"] * len(values) + ["i64"] * len(lengths))
        self.lines.append(f"call void @{symbol}({', '.join([*values, *lengths])})")
        if "#lwork" in args:
            self.queries.append((symbol, args))
        if "info" in args:
            self._count += 1
            n = self._count
            self.lines += [
                f"%info.{n} = load i32, ptr %info",
                f"%bad.{n} = icmp ne i32 %info.{n}, 0",
                f"%was.{n} = load i1, ptr %failed",
                f"%now.{n} = or i1 %was.{n}, %bad.{n}",
                f"store i1 %now.{n}, ptr %failed",
            ]

    def do(self, helper: str, *args: str | int) -> None:
        """Call a function of ``HELPERS``; strings with & are pointers, others sizes."""
        values = [
            f"ptr %p.{arg[1:]}" if isinstance(arg, str) and arg[0] == "&" else f"i64 {self.size(arg)}" for arg in args
        ]
        self.lines.append(f"call void @cotan_{helper}({', '.join(values)})")

    def refuse(self, helper: str, pointer: str, count: str) -> None:
        """Take a matrix that is not finite for zeros, and count it as failed."""
        self.lines.append(f"call void @cotan_{helper}(ptr %p.{pointer}, i64 {self.size(count)}, ptr %failed)")

    def spoil(self, pointer: str, count: str) -> None:
        """NaN for so many parts of a result, where something failed."""
        self.refuse("spoil", pointer, count)


HELPERS = """
@cotan_one = internal constant [2 x PART] [PART 1.0, PART 0.0], align 16
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare i64 @llvm.umin.i64(i64, i64)
declare PART @llvm.fabs.FKIND(PART)
declare PART @llvm.sqrt.FKIND(PART)
declare PART @llvm.fmuladd.FKIND(PART, PART, PART)
declare ptr @cotan_malloc(i64)
declare void @cotan_free(ptr)

define internal void @cotan_copy(ptr %to, ptr %from, i64 %bytes) {
  call void @llvm.memmove.p0.p0.i64(ptr %to, ptr %from, i64 %bytes, i1 false)
  ret void
}

define internal void @cotan_clear(ptr %to, i64 %bytes) {
  call void @llvm.memset.p0.i64(ptr %to, i8 0, i64 %bytes, i1 false)
  ret void
}

; to[c, r] = from[r, c], by squares that stay in the cache.
define internal void @cotan_turn(ptr %to, ptr %from, i64 %rows, i64 %columns) {
entry:
  br label %outer
outer:
  %r0 = phi i64 [0, %entry], [%r0.next, %outer.next]
  %r0.more = icmp ult i64 %r0, %rows
  br i1 %r0.more, label %middle.begin, label %exit
middle.begin:
  %r0.next = add i64 %r0, 16
  %r.end = call i64 @llvm.umin.i64(i64 %r0.next, i64 %rows)
  br label %middle
middle:
  %c0 = phi i64 [0, %middle.begin], [%c0.next, %middle.next]
  %c0.more = icmp ult i64 %c0, %columns
  br i1 %c0.more, label %rows.begin, label %outer.next
rows.begin:
  %c0.next = add i64 %c0, 16
  %c.end = call i64 @llvm.umin.i64(i64 %c0.next, i64 %columns)
  br label %row
row:
  %r = phi i64 [%r0, %rows.begin], [%r.next, %row.next]
  %r.more = icmp ult i64 %r, %r.end
  br i1 %r.more, label %column.begin, label %middle.next
column.begin:
  %r.next = add i64 %r, 1
  %start = mul i64 %r, %columns
  br label %column
column:
  %c = phi i64 [%c0, %column.begin], [%c.next, %move]
  %c.more = icmp ult i64 %c, %c.end
  br i1 %c.more, label %move, label %row.next
move:
  %at = add i64 %start, %c
  %source = getelementptr BITS, ptr %from, i64 %at
  %value = load BITS, ptr %source, align 4
  %c.rows = mul i64 %c, %rows
  %place = add i64 %c.rows, %r
  %target = getelementptr BITS, ptr %to, i64 %place
  store BITS %value, ptr %target, align 4
  %c.next = add i64 %c, 1
  br label %column
row.next:
  br label %row
middle.next:
  br label %middle
outer.next:
  br label %outer
exit:
  ret void
}

; to[r, :count] = from[r, :count] for rows of other lengths.
define internal void @cotan_rows(ptr %to, i64 %to.columns, ptr %from, i64 %from.columns, i64 %rows, i64 %count) {
entry:
  %bytes = mul i64 %count, SIZE
  br label %head
head:
  %r = phi i64 [0, %entry], [%r.next, %body]
  %more = icmp ult i64 %r, %rows
  br i1 %more, label %body, label %exit
body:
  %a = mul i64 %r, %to.columns
  %b = mul i64 %r, %from.columns
  %target = getelementptr BITS, ptr %to, i64 %a
  %source = getelementptr BITS, ptr %from, i64 %b
  call void @llvm.memmove.p0.p0.i64(ptr %target, ptr %source, i64 %bytes, i1 false)
  %r.next = add i64 %r, 1
  br label %head
exit:
  ret void
}

; Zeros above the diagonal (%above 1), or below it (0).
define internal void @cotan_half(ptr %x, i64 %rows, i64 %columns, i64 %above) {
entry:
  %upper = icmp ne i64 %above, 0
  br label %head
head:
  %r = phi i64 [0, %entry], [%r.next, %body]
  %more = icmp ult i64 %r, %rows
  br i1 %more, label %body, label %exit
body:
  %r.next = add i64 %r, 1
  %first = select i1 %upper, i64 %r.next, i64 0
  %last = select i1 %upper, i64 %columns, i64 %r
  %begin = call i64 @llvm.umin.i64(i64 %first, i64 %columns)
  %end = call i64 @llvm.umin.i64(i64 %last, i64 %columns)
  %count = sub i64 %end, %begin
  %bytes = mul i64 %count, SIZE
  %row = mul i64 %r, %columns
  %at = add i64 %row, %begin
  %target = getelementptr BITS, ptr %x, i64 %at
  call void @llvm.memset.p0.i64(ptr %target, i8 0, i64 %bytes, i1 false)
  br label %head
exit:
  ret void
}

; to[i] = from[i % block, i]: the diagonals of triangles that lie side by side, by columns.
define internal void @cotan_diagonals(ptr %to, ptr %from, i64 %block, i64 %count) {
entry:
  br label %head
head:
  %i = phi i64 [0, %entry], [%i.next, %body]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %exit
body:
  %row = urem i64 %i, %block
  %column = mul i64 %i, %block
  %at = add i64 %row, %column
  %from.at = getelementptr [SIZE x i8], ptr %from, i64 %at
  %x = load BITS, ptr %from.at
  %to.at = getelementptr [SIZE x i8], ptr %to, i64 %i
  store BITS %x, ptr %to.at
  %i.next = add i64 %i, 1
  br label %head
exit:
  ret void
}

; Conjugates of elements, whose parts lie side by side.
define internal void @cotan_conj(ptr %x, i64 %count) {
entry:
  br label %head
head:
  %k = phi i64 [0, %entry], [%k.next, %body]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %body, label %exit
body:
  %twice = shl i64 %k, 1
  %at = add i64 %twice, 1
  %place = getelementptr PART, ptr %x, i64 %at
  %value = load PART, ptr %place
  %turned = fneg PART %value
  store PART %turned, ptr %place
  %k.next = add i64 %k, 1
  br label %head
exit:
  ret void
}

define internal void @cotan_spoil(ptr %x, i64 %count, ptr %failed) {
entry:
  %bad = load i1, ptr %failed
  br i1 %bad, label %head, label %exit
head:
  %k = phi i64 [0, %entry], [%k.next, %body]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %body, label %exit
body:
  %place = getelementptr PART, ptr %x, i64 %k
  store PART 0x7FF8000000000000, ptr %place
  %k.next = add i64 %k, 1
  br label %head
exit:
  ret void
}

define internal void @cotan_finite(ptr %x, i64 %count, ptr %failed) {
entry:
  br label %head
head:
  %k = phi i64 [0, %entry], [%k.next, %body]
  %sum = phi PART [0.0, %entry], [%sum.next, %body]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %body, label %check
body:
  %place = getelementptr PART, ptr %x, i64 %k
  %value = load PART, ptr %place
  ; Zero for what is finite, else NaN.
  %nothing = fmul PART %value, 0.0
  %sum.next = fadd PART %sum, %nothing
  %k.next = add i64 %k, 1
  br label %head
check:
  %bad = fcmp uno PART %sum, 0.0
  br i1 %bad, label %refuse, label %exit
refuse:
  store i1 true, ptr %failed
  %bytes = mul i64 %count, PARTSIZE
  call void @llvm.memset.p0.i64(ptr %x, i8 0, i64 %bytes, i1 false)
  br label %exit
exit:
  ret void
}

; Numbers that count from 1 as numbers that count from 0.
define internal void @cotan_from_zero(ptr %x, i64 %count) {
entry:
  br label %head
head:
  %k = phi i64 [0, %entry], [%k.next, %body]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %body, label %exit
body:
  %place = getelementptr i32, ptr %x, i64 %k
  %value = load i32, ptr %place
  %less = sub i32 %value, 1
  store i32 %less, ptr %place
  %k.next = add i64 %k, 1
  br label %head
exit:
  ret void
}

; The permutation that exchanges of rows make.
define internal void @cotan_permute(ptr %to, i64 %size, ptr %pivots, i64 %count) {
entry:
  br label %fill
fill:
  %f = phi i64 [0, %entry], [%f.next, %fill.body]
  %fill.more = icmp ult i64 %f, %size
  br i1 %fill.more, label %fill.body, label %head
fill.body:
  %f.at = getelementptr i32, ptr %to, i64 %f
  %f32 = trunc i64 %f to i32
  store i32 %f32, ptr %f.at
  %f.next = add i64 %f, 1
  br label %fill
head:
  %k = phi i64 [0, %fill], [%k.next, %body]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %body, label %exit
body:
  %p.at = getelementptr i32, ptr %pivots, i64 %k
  %p32 = load i32, ptr %p.at
  %p = sext i32 %p32 to i64
  %a = getelementptr i32, ptr %to, i64 %k
  %b = getelementptr i32, ptr %to, i64 %p
  %first = load i32, ptr %a
  %second = load i32, ptr %b
  store i32 %second, ptr %a
  store i32 %first, ptr %b
  %k.next = add i64 %k, 1
  br label %head
exit:
  ret void
}

; Complex numbers of their parts.
define internal void @cotan_join(ptr %to, ptr %real, ptr %imag, i64 %count) {
entry:
  br label %head
head:
  %k = phi i64 [0, %entry], [%k.next, %body]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %body, label %exit
body:
  %a = getelementptr PART, ptr %real, i64 %k
  %b = getelementptr PART, ptr %imag, i64 %k
  %x = load PART, ptr %a
  %y = load PART, ptr %b
  %at = shl i64 %k, 1
  %to.x = getelementptr PART, ptr %to, i64 %at
  %to.y = getelementptr PART, ptr %to.x, i64 1
  store PART %x, ptr %to.x
  store PART %y, ptr %to.y
  %k.next = add i64 %k, 1
  br label %head
exit:
  ret void
}

; Complex eigenvectors, by rows, of real columns: a pair of columns is the parts of two conjugate vectors.
define internal void @cotan_vectors(ptr %to, ptr %from, ptr %imag, i64 %n) {
entry:
  br label %column
column:
  %c = phi i64 [0, %entry], [%c.next, %column.done]
  %c.more = icmp ult i64 %c, %n
  br i1 %c.more, label %look, label %exit
look:
  %w.at = getelementptr PART, ptr %imag, i64 %c
  %w = load PART, ptr %w.at
  %first = fcmp ogt PART %w, 0.0
  %second = fcmp olt PART %w, 0.0
  %pair = or i1 %first, %second
  %before = sub i64 %c, 1
  %after = add i64 %c, 1
  %re.c = select i1 %second, i64 %before, i64 %c
  %im.c = select i1 %first, i64 %after, i64 %c
  %re.start = mul i64 %re.c, %n
  %im.start = mul i64 %im.c, %n
  br label %row
row:
  %r = phi i64 [0, %look], [%r.next, %body]
  %r.more = icmp ult i64 %r, %n
  br i1 %r.more, label %body, label %column.done
body:
  %re.at = add i64 %re.start, %r
  %im.at = add i64 %im.start, %r
  %re.place = getelementptr PART, ptr %from, i64 %re.at
  %im.place = getelementptr PART, ptr %from, i64 %im.at
  %re = load PART, ptr %re.place
  %im = load PART, ptr %im.place
  %im.neg = fneg PART %im
  %im.signed = select i1 %second, PART %im.neg, PART %im
  %im.value = select i1 %pair, PART %im.signed, PART 0.0
  %r.n = mul i64 %r, %n
  %place = add i64 %r.n, %c
  %twice = shl i64 %place, 1
  %to.re = getelementptr PART, ptr %to, i64 %twice
  %to.im = getelementptr PART, ptr %to.re, i64 1
  store PART %re, ptr %to.re
  store PART %im.value, ptr %to.im
  %r.next = add i64 %r, 1
  br label %row
column.done:
  %c.next = add i64 %c, 1
  br label %column
exit:
  ret void
}
"""


_HEAD = re.compile(r"define internal (void @\w+)")


def text(recipe: Recipe) -> str:
    """The IR of the function of a recipe."""
    part, part_bytes, size = WORD_OF_LETTER[recipe.letter]
    names, *functions = (HELPERS + lapack_small.HELPERS).split("\n\n")
    called = {line.split("(")[0] for line in recipe.lines}
    helpers = "\n\n".join([names, *(f for f in functions if f"call {_HEAD.search(f)[1]}" in called)])  # type: ignore[index]
    for word, meaning in (
        ("PARTSIZE", str(part_bytes)), ("PART", part), ("BITS", f"i{8 * size}"), ("SIZE", str(size)),
        ("FKIND", f"f{8 * part_bytes}"),
    ):  # fmt: skip
        helpers = helpers.replace(word, meaning)
    top = [f"declare void @{symbol}({types})" for symbol, types in recipe.symbols.items()]
    top += [f"@cotan_char_{c} = internal constant i8 {ord(c)}" for c in sorted(recipe.characters)]
    return "\n".join([helpers, *top, *_function(recipe)]) + "\n"


def _function(recipe: Recipe) -> Sequence[str]:
    lines = [
        f"define void @{recipe.name}(ptr %table, i64 %begin, i64 %end) {{",
        "entry:",
        "  %info = alloca i32, align 8",
        "  %failed = alloca i1, align 8",
        f"  %desc.at = getelementptr ptr, ptr %table, i64 {len(recipe.pointers)}",
        "  %desc = load ptr, ptr %desc.at",
    ]
    for place, word in enumerate(recipe.words):
        lines += [f"  %w.{word}.at = getelementptr i64, ptr %desc, i64 {place}"]
        lines += [f"  %w.{word} = load i64, ptr %w.{word}.at"]
    for number in sorted(recipe.numbers):
        lines += [f"  %i.{number} = alloca i32, align 8", f"  %n.{number} = trunc i64 {recipe.size(number)} to i32"]
        lines += [f"  store i32 %n.{number}, ptr %i.{number}"]
    for place, name in enumerate(recipe.pointers):
        lines += [f"  %t.{name}.at = getelementptr ptr, ptr %table, i64 {place}"]
        lines += [f"  %t.{name} = load ptr, ptr %t.{name}.at"]
    lines += ["  %memory = call ptr @cotan_malloc(i64 %w.scratch)"]
    lines += [f"  %p.{name} = getelementptr i8, ptr %memory, i64 %w.offset.{name}" for name in recipe.scratch]
    lines += [
        "  br label %head",
        "head:",
        "  %unit = phi i64 [%begin, %entry], [%unit.next, %body]",
        "  %more = icmp slt i64 %unit, %end",
        "  br i1 %more, label %body, label %exit",
        "body:",
        "  store i1 false, ptr %failed",
    ]
    for name in recipe.pointers:
        lines += [f"  %o.{name} = mul i64 %unit, %w.stride.{name}"]
        lines += [f"  %p.{name} = getelementptr i8, ptr %t.{name}, i64 %o.{name}"]
    lines += [f"  {line}" for line in recipe.lines]
    return [
        *lines,
        "  %unit.next = add i64 %unit, 1",
        "  br label %head",
        "exit:",
        "  call void @cotan_free(ptr %memory)",
        "  ret void",
        "}",
    ]
