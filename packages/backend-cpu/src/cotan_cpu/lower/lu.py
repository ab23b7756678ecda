"""LU factors of one large matrix, shared among threads: panels by LAPACK, the rest brought up to date by products.

Right-looking, with one panel ahead: while threads bring the columns right of a panel up to date, one of them does so
with the next panel's columns first, and factors these. Columns change by the same steps however many threads there are.
Matrices lie by rows; inside, ``a`` is turned, since LAPACK factors columns. Exchanges of rows reach the columns left of
a panel at the end: these are turned back, and their rows copied to where they belong.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from cotan_cpu.codegen.target import Target
from cotan_cpu.lower.text import DECLARATIONS, Text, Value, turn

LETTERS = "sd"
LEAST = 192
"""Columns and rows from which it pays."""
PANEL = STRIPE = 64
"""Columns of a panel, and columns or rows that a unit does."""
WORDS = ("m", "n", "k", "ld", "step")
_BYTES = {"s": 4, "d": 8}
_RATE = {"s": 1 / 100e9, "d": 1 / 50e9}
_MOVED = 1 / 8e9
"""Seconds for an operation of a product, and for a byte that is turned, on one thread."""


@dataclass(frozen=True)
class Launch:
    """One native call: its function's name, the words of its description, units, and roughly its seconds."""

    function: str
    words: tuple[int, ...]
    units: int
    seconds: float


def _leading(m: int) -> int:
    """The distance of columns inside: no power of two, which few lines of a cache could hold."""
    return (m + 31) // 16 * 16


def scratch(letter: str, m: int, n: int) -> int:
    """Bytes of workspace: the turned matrix, its factors turned back, and an order of rows for each unit."""
    return (_leading(m) + m) * n * _BYTES[letter] + -(-n // STRIPE) * m * 4


def launches(letter: str, m: int, n: int) -> Iterator[Launch]:
    """The calls, in their order, that factor an m x n matrix.

    Their table is (x, workspace, out, pivots, order, words); pivots count from 1.
    """
    k, ld = min(m, n), _leading(m)
    moved = m * n * _BYTES[letter] * _MOVED

    def launch(stage: str, units: int, seconds: float, step: int = 0) -> Launch:
        return Launch(f"cotan_lu_{stage}_{letter}", (m, n, k, ld, step), units, seconds)

    yield launch("turn", -(-m // STRIPE), moved)
    for step in range(-1, -(-k // PANEL)):
        done = max(0, min(k, (step + 1) * PANEL))
        ahead = min(PANEL, k - done)
        flops = 2.0 * (m - done) * (n - done) * PANEL * (step >= 0) + 4.0 * (m - done) * ahead * ahead
        stripes = -(-(n - done - ahead) // STRIPE) if step >= 0 else 0
        if stripes or ahead:
            yield launch("step", stripes + 1, flops * _RATE[letter], step)
    yield launch("finish", -(-n // STRIPE), moved)


# ---- Text

_EXTERNAL = """
declare void @LETTERgetrf_(ptr, ptr, ptr, ptr, ptr, ptr)
declare void @LETTERlaswp_(ptr, ptr, ptr, ptr, ptr, ptr, ptr)
declare void @LETTERtrsm_(ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, i64, i64, i64, i64)
declare void @LETTERgemm_(ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, i64, i64)
@one = internal constant KIND 1.0
@minus = internal constant KIND -1.0
@unit = internal constant i32 1
"""


def symbols(letter: str) -> list[str]:
    """The functions of BLAS and LAPACK that the text calls."""
    return [f"{letter}{name}_" for name in ("getrf", "laswp", "trsm", "gemm")]


def functions(letter: str) -> list[str]:
    """The names of the functions in the text."""
    return [f"cotan_lu_{stage}_{letter}" for stage in ("turn", "step", "finish")]


def text(target: Target, letter: str) -> str:
    """The IR of the functions for an element type."""
    kind = "float" if letter == "s" else "double"
    lanes = max(2, min(target.vector_bytes, 64) // _BYTES[letter])
    external = _EXTERNAL.replace("LETTER", letter).replace("KIND", kind)
    external += "\n".join(f"@char_{c} = internal constant i8 {ord(c)}" for c in "LNU")
    parts = [_exchange(letter, kind), _panel(letter, kind), _update(letter, kind)]
    parts += [_turned(letter, kind), _step(letter, kind), _order(kind), _finished(letter, kind)]
    return "\n\n".join([DECLARATIONS, external, turn(kind, lanes), *parts]) + "\n"


class _Body(Text):
    """A function that calls LAPACK, whose arguments are passed by address."""

    def address(self, value: Value) -> str:
        """Where a number lies as LAPACK wants it."""
        place = self.let("alloca i32, align 4")
        narrow = value if isinstance(value, int) else self.let(f"trunc i64 {value} to i32")
        self.emit(f"store i32 {narrow}, ptr {place}")
        return place

    def call(self, name: str, *args: str, lengths: int = 0) -> None:
        values = [f"ptr {arg}" for arg in args] + ["i64 1"] * lengths
        self.emit(f"call void @{name}({', '.join(values)})")

    def element_at(self, row: Value, column: Value) -> str:
        """The address of an element of the turned matrix."""
        return self.at("%a", self.add(self.mul(column, "%ld"), row))

    def pivot_at(self, number: Value) -> str:
        return self.let(f"getelementptr i32, ptr %pivots, i64 {number}")


def _exchange(letter: str, kind: str) -> str:
    """Exchange rows of columns ``first`` to ``first + count``, as pivots ``low`` to ``high`` say."""
    b = _Body(
        "define internal void @exchange(ptr %a, ptr %pivots, i64 %ld, i64 %first, i64 %count, i64 %low, i64 %high)",
        kind,
    )
    place = b.element_at(0, "%first")
    low = b.address(b.add("%low", 1))
    b.call(f"{letter}laswp_", b.address("%count"), place, b.address("%ld"), low, b.address("%high"), "%pivots", "@unit")
    return b.finish()


def _panel(letter: str, kind: str) -> str:
    """Factor columns ``j`` to ``j + width`` from row j on. A zero pivot is no failure: U is singular then."""
    b = _Body("define internal void @panel(ptr %a, ptr %pivots, i64 %m, i64 %ld, i64 %j, i64 %width)", kind)
    rows, width, ld, info = b.address(b.sub("%m", "%j")), b.address("%width"), b.address("%ld"), b.address(0)
    b.call(f"{letter}getrf_", rows, width, b.element_at("%j", "%j"), ld, b.pivot_at("%j"), info)
    shift = b.let("trunc i64 %j to i32")
    with b.loop(0, "%width") as i:
        place = b.pivot_at(b.add("%j", i))
        pivot = b.let(f"load i32, ptr {place}")
        b.emit(f"store i32 {b.let(f'add i32 {pivot}, {shift}')}, ptr {place}")
    return b.finish()


def _update(letter: str, kind: str) -> str:
    """Bring columns ``first`` to ``first + count`` up to date with the panel of columns ``j`` to ``end``."""
    b = _Body(
        "define internal void @update(ptr %a, ptr %pivots, i64 %m, i64 %ld, i64 %j, i64 %end, i64 %first, i64 %count)",
        kind,
    )
    b.emit("call void @exchange(ptr %a, ptr %pivots, i64 %ld, i64 %first, i64 %count, i64 %j, i64 %end)")
    ld, width, count = b.address("%ld"), b.address(b.sub("%end", "%j")), b.address("%count")
    above = b.element_at("%j", "%first")
    sides = ("@char_L", "@char_L", "@char_N", "@char_U")
    triangle = b.element_at("%j", "%j")
    b.call(f"{letter}trsm_", *sides, width, count, "@one", triangle, ld, above, ld, lengths=4)
    below, rows = b.element_at("%end", "%first"), b.address(b.sub("%m", "%end"))
    panel = b.element_at("%end", "%j")
    sizes = (rows, count, width)
    b.call(f"{letter}gemm_", "@char_N", "@char_N", *sizes, "@minus", panel, ld, above, ld, "@one", below, ld, lengths=2)
    return b.finish()


def _begun(stage: str, letter: str, kind: str) -> _Body:
    """A function over units, with its operands and words by name."""
    b = _Body(f"define void @cotan_lu_{stage}_{letter}(ptr %table, i64 %begin, i64 %end)", kind)
    for position, name in enumerate(("x", "a", "out", "pivots", "order", "words")):
        b.emit(f"%{name} = load ptr, ptr {b.let(f'getelementptr ptr, ptr %table, i64 {position}')}")
    for position, name in enumerate(WORDS):
        b.emit(f"%{name} = load i64, ptr {b.let(f'getelementptr i64, ptr %words, i64 {position}')}")
    return b


def _turned(letter: str, kind: str) -> str:
    """A unit turns some rows of ``x`` into ``a``."""
    b = _begun("turn", letter, kind)
    with b.loop("%begin", "%end") as unit:
        row = b.mul(unit, STRIPE)
        rows = b.least(b.sub("%m", row), STRIPE)
        source, target = b.at("%x", b.mul(row, "%n")), b.at("%a", row)
        b.emit(f"call void @cotan_turn_{kind}(ptr {source}, i64 %n, ptr {target}, i64 %ld, i64 {rows}, i64 %n)")
    return b.finish()


def _step(letter: str, kind: str) -> str:
    """A unit brings a stripe of columns up to date with a panel; the last one, which begins first, does so with the
    next panel, and factors that."""
    b = _begun("step", letter, kind)
    j = b.mul("%step", PANEL)
    done = b.least(b.add(j, PANEL), "%k")
    ahead = b.least(b.sub("%k", done), PANEL)
    rest = b.add(done, ahead)
    stripes = b.let(f"sdiv i64 {b.add(b.sub('%n', rest), STRIPE - 1)}, {STRIPE}")
    first = b.let("icmp slt i64 %step, 0")
    last = b.let(f"select i1 {first}, i64 0, i64 {stripes}")

    def update(begin: Value, count: Value) -> None:
        pointers = "ptr %a, ptr %pivots, i64 %m, i64 %ld"
        b.emit(f"call void @update({pointers}, i64 {j}, i64 {done}, i64 {begin}, i64 {count})")

    def look_ahead() -> None:
        b.either(first, lambda: None, lambda: update(done, ahead))
        b.emit(f"call void @panel(ptr %a, ptr %pivots, i64 %m, i64 %ld, i64 {done}, i64 {ahead})")

    def stripe(unit: Value) -> None:
        begin = b.add(rest, b.mul(unit, STRIPE))
        update(begin, b.least(b.sub("%n", begin), STRIPE))

    none = b.let(f"icmp eq i64 {ahead}, 0")
    with b.loop("%begin", "%end") as unit:
        is_last = b.let(f"icmp eq i64 {unit}, {last}")
        b.either(is_last, lambda: b.either(none, lambda: None, look_ahead), lambda: stripe(unit))
    return b.finish()


def _finished(letter: str, kind: str) -> str:
    """A unit turns some columns back, and copies their rows to where the panels right of them say."""
    b = _begun("finish", letter, kind)
    back = b.at("%a", b.mul("%ld", "%n"))
    orders = b.at(back, b.mul("%m", "%n"))
    with b.loop("%begin", "%end") as unit:
        column = b.mul(unit, STRIPE)
        count = b.least(b.sub("%n", column), STRIPE)
        rows = b.at(back, b.mul(column, "%m"))
        b.emit(
            f"call void @cotan_turn_{kind}(ptr {b.element_at(0, column)}, i64 %ld, ptr {rows}, i64 {count}, "
            f"i64 {count}, i64 %m)"
        )
        order = b.let(f"getelementptr i32, ptr {orders}, i64 {b.mul(unit, '%m')}")
        b.emit(f"call void @order(ptr {order}, ptr %pivots, i64 %m, i64 {b.add(column, PANEL)}, i64 %k)")
        whole = b.let(f"icmp eq i64 {count}, {STRIPE}")

        def copy(width: Value, rows: str = rows, column: Value = column, order: str = order) -> None:
            with b.loop(0, "%m") as row:
                number = b.let(f"load i32, ptr {b.let(f'getelementptr i32, ptr {order}, i64 {row}')}")
                source = b.at(rows, b.mul(b.let(f"zext i32 {number} to i64"), width))
                b.copy(b.at("%out", b.add(b.mul(row, "%n"), column)), source, width)

        b.either(whole, functools.partial(copy, STRIPE), functools.partial(copy, count))
    return b.finish()


def _order(kind: str) -> str:
    """Which row comes to each place, by the exchanges ``first`` to ``end``."""
    b = _Body("define internal void @order(ptr %order, ptr %pivots, i64 %m, i64 %first, i64 %end)", kind)

    def place(number: Value) -> str:
        return b.let(f"getelementptr i32, ptr %order, i64 {number}")

    with b.loop(0, "%m") as row:
        b.emit(f"store i32 {b.let(f'trunc i64 {row} to i32')}, ptr {place(row)}")
    with b.loop("%first", "%end") as row:
        pivot = b.let(f"load i32, ptr {b.pivot_at(row)}")
        here, there = place(row), place(b.sub(b.let(f"zext i32 {pivot} to i64"), 1))
        one, other = b.let(f"load i32, ptr {here}"), b.let(f"load i32, ptr {there}")
        b.emit(f"store i32 {other}, ptr {here}", f"store i32 {one}, ptr {there}")
    return b.finish()
