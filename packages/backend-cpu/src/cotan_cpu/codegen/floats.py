"""Floating-point arithmetic on values, as elementary functions need it: polynomials, exact products, powers of two.

``Floats`` works in one LLVM type, float or double, for any number of lanes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from cotan.compiler.piece_tables import PIECES
from cotan_cpu.codegen import avx512
from cotan_cpu.codegen.builder import Builder, Val, literal
from cotan_cpu.codegen.math_tables import TABLES
from cotan_cpu.codegen.scalars import Context
from cotan_cpu.codegen.types import INT_OF

INF, NAN = float("inf"), float("nan")


class Floats:
    """Arithmetic in ``kind``; Python numbers are constants."""

    def __init__(self, context: Context, kind: str) -> None:
        self.context = context
        self.b: Builder = context.b
        self.kind = kind
        self.int_kind = INT_OF[kind]
        self.fused = context.target.fma
        self.avx512 = context.target.avx512
        self.few_registers = context.target.registers < 32
        self.mantissa = 23 if kind == "float" else 52
        self.bias = 127 if kind == "float" else 1023
        self.magic = 1.5 * 2.0**self.mantissa
        """Adding it rounds to an integer, which then stands in the low bits."""

    def v(self, x: Val | float) -> Val:
        return x if isinstance(x, Val) else literal(x, self.kind)

    def i(self, x: Val | int) -> Val:
        return x if isinstance(x, Val) else literal(x, self.int_kind)

    # Floats.

    def add(self, x: Val | float, y: Val | float) -> Val:
        return self.b.binary("fadd", self.v(x), self.v(y))

    def sub(self, x: Val | float, y: Val | float) -> Val:
        return self.b.binary("fsub", self.v(x), self.v(y))

    def mul(self, x: Val | float, y: Val | float) -> Val:
        return self.b.binary("fmul", self.v(x), self.v(y))

    def div(self, x: Val | float, y: Val | float) -> Val:
        return self.b.binary("fdiv", self.v(x), self.v(y))

    def neg(self, x: Val) -> Val:
        return self.b.unary("fneg", x)

    def abs(self, x: Val) -> Val:
        return self.b.intrinsic("fabs", x)

    def sqrt(self, x: Val) -> Val:
        return self.b.intrinsic("sqrt", x)

    def copysign(self, x: Val, sign: Val) -> Val:
        return self.b.intrinsic("copysign", *self.b.match(x, sign))

    def fma(self, x: Val | float, y: Val | float, z: Val | float) -> Val:
        """x * y + z, fused where that is one instruction."""
        if self.fused:
            return self.b.intrinsic("fma", *self.b.match(self.v(x), self.v(y), self.v(z)))
        return self.add(self.mul(x, y), z)

    def poly(self, name: str, x: Val, skip: int = 0) -> Val:
        """The polynomial of the table ``name`` without its first ``skip`` coefficients."""
        return self.horner(TABLES[name, self.kind][skip:], x)

    def horner(self, coefficients: tuple[float, ...], x: Val) -> Val:
        """The polynomial with these coefficients, lowest power first."""
        result: Val | float = coefficients[-1]
        for coefficient in reversed(coefficients[:-1]):
            result = self.fma(result, x, coefficient)
        return self.v(result)

    def long_poly(self, name: str, x: Val) -> Val:
        """``poly`` of a long table whose last bits do not matter so much, with even and odd powers as two chains.

        With few registers only two vectors go side by side, and one would wait for the other step of a long chain.
        """
        coefficients = TABLES[name, self.kind]
        if not (self.fused and self.few_registers):
            return self.horner(coefficients, x)
        square = self.mul(x, x)
        return self.fma(self.horner(coefficients[1::2], square), x, self.horner(coefficients[::2], square))

    def table(self, name: str) -> tuple[float, ...]:
        return TABLES[name, self.kind]

    def pieces(self, name: str, index: Val, x: Val | None = None, side_by_side: bool = False) -> Val:
        """The polynomial in x of those of the table ``name`` that the lowest bits of ``index`` choose; if ``avx512``.

        A table of one row has no powers of x. Of a long chain each step waits for the one before: with ``side_by_side``
        there are half as many and a product more, the last and largest sum as before.
        """
        first, *rows = [avx512.looked_up(self.b, numbers, index) for numbers in PIECES[name]]
        if x is None:
            return first
        step = x
        if side_by_side:
            step = self.mul(x, x)
            pairs = [self.fma(high, x, low) for low, high in zip(rows[::2], rows[1::2])]
            rows = [*pairs, *rows[2 * len(pairs) :]]
        result = rows[-1]
        for row in reversed(rows[:-1]):
            result = self.fma(result, step, row)
        return self.fma(result, x, first)

    # Quotients.

    def quotient(self, x: Val | float, y: Val | float) -> Val:
        """x / y to half an ulp and a little, by Newton's steps where they are quicker: vectors have few dividers.

        For a y whose inverse is a normal number; NaN may come of others, 0 and infinity among them.
        """
        x, y = self.v(x), self.v(y)
        if not self.avx512:
            return self.div(x, y)
        inverse = avx512.near_inverse(self.b, y)
        for _ in range(1 if self.kind == "float" else 2):
            inverse = self.fma(inverse, self.fma(self.neg(inverse), y, 1.0), inverse)
        quotient = self.mul(x, inverse)
        return self.fma(self.fma(self.neg(quotient), y, x), inverse, quotient)

    def rough_quotient(self, x: Val, y: Val) -> Val:
        """x / y to 13 bits at least, where y is as for ``quotient``."""
        return self.mul(x, avx512.near_inverse(self.b, y)) if self.avx512 else self.div(x, y)

    def inverse_root(self, x: Val) -> Val:
        """1 / sqrt(x) within 1.5 ulp."""
        if not self.avx512:
            return self.div(1.0, self.sqrt(x))
        near = avx512.near_inverse_root(self.b, x)
        for _ in range(1 if self.kind == "float" else 2):
            missing = self.fma(self.neg(self.mul(x, near)), near, 1.0)
            # NaN of 0 times infinity, where the estimate is right as it is, and where it is NaN itself.
            near = self.where(self.is_nan(missing), near, self.fma(self.mul(near, 0.5), missing, near))
        return near

    # Comparison and choice.

    def lt(self, x: Val | float, y: Val | float) -> Val:
        return self.b.compare("fcmp olt", self.v(x), self.v(y))

    def le(self, x: Val | float, y: Val | float) -> Val:
        return self.b.compare("fcmp ole", self.v(x), self.v(y))

    def gt(self, x: Val | float, y: Val | float) -> Val:
        return self.b.compare("fcmp ogt", self.v(x), self.v(y))

    def ge(self, x: Val | float, y: Val | float) -> Val:
        return self.b.compare("fcmp oge", self.v(x), self.v(y))

    def eq(self, x: Val | float, y: Val | float) -> Val:
        return self.b.compare("fcmp oeq", self.v(x), self.v(y))

    def is_nan(self, x: Val) -> Val:
        return self.b.compare("fcmp uno", x, x)

    def both(self, p: Val, q: Val) -> Val:
        return self.b.binary("and", p, q)

    def either(self, p: Val, q: Val) -> Val:
        return self.b.binary("or", p, q)

    def invert(self, p: Val) -> Val:
        return self.b.binary("xor", p, literal(True, "i1"))

    def where(self, condition: Val, x: Val | float, y: Val | float) -> Val:
        return self.b.select(condition, self.v(x), self.v(y))

    def clamp(self, x: Val, low: float, high: float) -> Val:
        """x between the ends; NaN stays."""
        x = self.where(self.lt(x, low), low, x)
        return self.where(self.gt(x, high), high, x)

    # Bits.

    def bits(self, x: Val) -> Val:
        return self.b.bitcast(x, self.int_kind)

    def from_bits(self, x: Val) -> Val:
        return self.b.bitcast(x, self.kind)

    def int_op(self, op: str, x: Val | int, y: Val | int) -> Val:
        return self.b.binary(op, self.i(x), self.i(y))

    def magic_bits(self) -> int:
        """The bits of ``magic``."""
        return (self.bias + self.mantissa) << self.mantissa | 1 << (self.mantissa - 1)

    def round_to_int(self, scaled: Val) -> tuple[Val, Val]:
        """A value that has ``magic`` added: the integer as a float, and as an integer."""
        return self.sub(scaled, self.magic), self.int_op("sub", self.bits(scaled), self.magic_bits())

    def int_to_float(self, n: Val) -> Val:
        """A small integer as a float; of 64 bits without a conversion, which few processors have for vectors."""
        if self.kind == "float":
            return self.b.convert("sitofp", n, "float")
        return self.sub(self.from_bits(self.int_op("add", n, self.magic_bits())), self.magic)

    def sign_bit(self, x: Val) -> Val:
        """Whether x is below 0, or -0: a choice by it needs no comparison on most processors."""
        return self.b.compare("icmp slt", self.bits(x), self.i(0))

    def power_of_two(self, shifted: Val) -> Val:
        """2**n for an n to which the lowest bits of ``shifted`` add ``bias``."""
        return self.from_bits(self.int_op("shl", self.bits(shifted), self.mantissa))

    def whole(self, x: Val) -> Val:
        """The whole part of a number from 0 to 2**mantissa."""
        limit = 2.0**self.mantissa
        near = self.sub(self.add(x, limit), limit)
        return self.sub(near, self.where(self.gt(near, x), 1.0, 0.0))

    # Sums and products without error.

    def fast_two_sum(self, x: Val | float, y: Val | float) -> tuple[Val, Val]:
        """x + y and its rounding error, for |x| >= |y|."""
        total = self.add(x, y)
        return total, self.sub(y, self.sub(total, x))

    def two_sum(self, x: Val | float, y: Val | float) -> tuple[Val, Val]:
        """x + y and its rounding error."""
        total = self.add(x, y)
        back = self.sub(total, x)
        return total, self.add(self.sub(x, self.sub(total, back)), self.sub(y, back))

    def two_product(self, x: Val | float, y: Val | float) -> tuple[Val, Val]:
        """x * y and its rounding error."""
        x, y = self.v(x), self.v(y)
        product = self.mul(x, y)
        if self.fused:
            return product, self.fma(x, y, self.neg(product))
        (xh, xl), (yh, yl) = self._halves(x), self._halves(y)
        error = self.sub(self.mul(xh, yh), product)
        error = self.add(self.add(error, self.mul(xh, yl)), self.mul(xl, yh))
        return product, self.add(error, self.mul(xl, yl))

    def _halves(self, x: Val) -> tuple[Val, Val]:
        kept = (self.mantissa + 2) // 2
        high = self.from_bits(self.int_op("and", self.bits(x), -1 << kept))
        return high, self.sub(x, high)

    # Other ways to a value.

    def double(self, x: Val) -> Val:
        return self.b.convert("fpext", x, "double")

    def rarely(self, rare: Val, usual: Val, function: str, *arguments: Val) -> Val:
        """``usual``, but where ``rare`` holds the C library's ``function`` of the arguments, called lane by lane."""
        b = self.b
        name = function + ("f" if self.kind == "float" else "")
        b.declare(name, self.kind, [self.kind] * len(arguments))
        rare, usual, *values = b.match(rare, usual, *arguments)

        def called(xs: Sequence[Val]) -> Val:
            operands = ", ".join(f"{self.kind} {x.text}" for x in xs)
            return b.impure(f"call {self.kind} @{name}({operands})", self.kind, 1)

        if usual.lanes == 1:
            return b.branch(rare, lambda: [called(values)], lambda: [usual])[0]
        return self.seldom(rare, usual, lambda *xs: self._one_by_one(called, xs), *values)

    def seldom(self, rare: Val, usual: Val, compute: Callable[..., Val], *arguments: Val) -> Val:
        """``usual``, but where ``rare`` holds ``compute(*arguments)``, which is not done if no lane is rare."""
        return self._where_some(self._some(rare), rare, usual, compute, arguments)

    def seldom_below(self, x: Val, least: float, usual: Val, compute: Callable[..., Val], *arguments: Val) -> Val:
        """``seldom`` where x is below the positive ``least`` or a negative NaN; one comparison for all registers."""
        bits, lowest = self.bits(x), self.i(struct.unpack("<i", struct.pack("<f", least))[0])
        rare, lowest_bits = self.b.compare("icmp slt", bits, lowest), bits
        while lowest_bits.lanes > 16:
            half = lowest_bits.lanes // 2
            halves = [self.b.shuffle(lowest_bits, None, range(start, start + half)) for start in (0, half)]
            lowest_bits = self.b.intrinsic("smin", *halves)
        return self._where_some(
            self._some(self.b.compare("icmp slt", lowest_bits, lowest)), rare, usual, compute, arguments
        )

    def _some(self, rare: Val) -> Val:
        """Whether it holds in any lane."""
        if rare.lanes == 1:
            return rare
        reduce = f"llvm.vector.reduce.or.v{rare.lanes}i1"
        self.b.declare(reduce, "i1", [rare.type])
        return self.b.emit(f"call i1 @{reduce}({rare.type} {rare.text})", "i1", 1, rare.depth)

    def _where_some(
        self, some: Val, rare: Val, usual: Val, compute: Callable[..., Val], arguments: Sequence[Val]
    ) -> Val:
        b = self.b

        def computed() -> list[Val]:
            # As if made here: what is computed of them stays in the branch.
            local = [x._replace(depth=b.depth) for x in arguments]
            return [b.select(rare, compute(*local), usual)]

        return b.branch(some, computed, lambda: [usual])[0]

    def _one_by_one(self, function: Callable[[Sequence[Val]], Val], arguments: Sequence[Val]) -> Val:
        """``function`` of scalars for every lane, by way of memory: a loop is shorter than a row of calls."""
        b, lanes, vector = self.b, arguments[0].lanes, arguments[0].type
        places = [b.alloca(self.kind, lanes) for _ in arguments]
        for place, value in zip(places, arguments):
            b.line(f"store {vector} {value.text}, ptr {place.text}, align 64")

        def one(lane: Val, _: list[Val]) -> list[Val]:
            pointers = [b.gep(self.kind, place, lane) for place in places]
            result = function([b.impure(f"load {self.kind}, ptr {p.text}", self.kind, 1) for p in pointers])
            b.line(f"store {self.kind} {result.text}, ptr {pointers[0].text}")
            return []

        b.loop(literal(0, "i64"), literal(lanes, "i64"), 1, (), one)
        return b.impure(f"load {vector}, ptr {places[0].text}, align 64", self.kind, lanes)
