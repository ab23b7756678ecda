"""Arithmetic, comparison, logic and shifts of kernels as instructions. Elementary functions stand in ``math``.

An operation gets a ``Context`` (builder and target), the operands' common dtype and their values; lanes may differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cotan_cpu.codegen.builder import BITS, Builder, Val, literal
from cotan_cpu.codegen.target import Target
from cotan_cpu.codegen.types import INT_OF, cast, is_float, is_signed, kind_of


class Context(NamedTuple):
    """What an operation's printer needs."""

    b: Builder
    target: Target


Operation = Callable[..., Val]


def _arithmetic(on_float: str, on_int: str) -> Operation:
    def apply(c: Context, dtype: Any, x: Val, y: Val) -> Val:
        if dtype.kind == "b":
            return c.b.binary("or" if on_int == "add" else "and" if on_int == "mul" else "xor", x, y)
        return c.b.binary(on_float if is_float(dtype) else on_int, x, y)

    return apply


def _div(c: Context, dtype: Any, x: Val, y: Val) -> Val:
    b = c.b
    if is_float(dtype):
        return b.binary("fdiv", x, y)
    quotient = _quotient(c, dtype, x, y)
    return b.select(b.compare("icmp eq", y, literal(0, y.kind)), literal(-1, y.kind), quotient)


def rem_of_ints(c: Context, dtype: Any, x: Val, y: Val) -> Val:
    """The rest with the dividend's sign; the dividend itself for a divisor 0."""
    b = c.b
    quotient = _quotient(c, dtype, x, y)
    rest = b.binary("sub", x, b.binary("mul", quotient, y))
    return b.select(b.compare("icmp eq", y, literal(0, y.kind)), x, rest)


def _quotient(c: Context, dtype: Any, x: Val, y: Val) -> Val:
    """The truncated quotient of integers; anything for a divisor 0; the least integer by -1 is itself."""
    b = c.b
    signed = is_signed(dtype)
    if y.is_literal and y.text not in ("0", "-1"):
        return b.binary("sdiv" if signed else "udiv", x, y)
    if max(x.lanes, y.lanes) > 1 and BITS[x.kind] <= 32:
        # Exact in float64, and vectors have no integer division.
        up = "sitofp" if signed else "uitofp"
        safe = b.select(b.compare("icmp eq", y, literal(0, y.kind)), literal(1, y.kind), y)
        ratio = b.binary("fdiv", *b.match(b.convert(up, x, "double"), b.convert(up, safe, "double")))
        return b.convert("trunc", b.convert("fptosi", ratio, "i64"), x.kind)
    bad = b.compare("icmp eq", y, literal(0, y.kind))
    if signed:
        minus = b.compare("icmp eq", y, literal(-1, y.kind))
        negated = b.binary("sub", literal(0, x.kind), x)
        safe = b.select(b.binary("or", bad, minus), literal(1, y.kind), y)
        return b.select(minus, negated, b.binary("sdiv", x, safe))
    return b.binary("udiv", x, b.select(bad, literal(1, y.kind), y))


def _extremum(c: Context, dtype: Any, x: Val, y: Val, name: str) -> Val:
    b = c.b
    if is_float(dtype):
        chosen = b.select(b.compare("fcmp ogt" if name == "max" else "fcmp olt", x, y), x, y)
        # An unordered comparison chose y, so that only a NaN in x is still missing.
        return b.select(b.compare("fcmp uno", x, x), x, chosen)
    if dtype.kind == "b":
        return b.binary("or" if name == "max" else "and", x, y)
    return b.intrinsic(("s" if is_signed(dtype) else "u") + name, x, y)


def _max(c: Context, dtype: Any, x: Val, y: Val) -> Val:
    return _extremum(c, dtype, x, y, "max")


def _min(c: Context, dtype: Any, x: Val, y: Val) -> Val:
    return _extremum(c, dtype, x, y, "min")


def _neg(c: Context, dtype: Any, x: Val) -> Val:
    return c.b.unary("fneg", x) if is_float(dtype) else c.b.binary("sub", literal(0, x.kind), x)


def _abs(c: Context, dtype: Any, x: Val) -> Val:
    if is_float(dtype):
        return c.b.intrinsic("fabs", x)
    return c.b.intrinsic("abs", x, extra="i1 false") if is_signed(dtype) else x


def _sign(c: Context, dtype: Any, x: Val) -> Val:
    b = c.b
    if is_float(dtype):
        one = b.intrinsic("copysign", *b.match(literal(1.0, x.kind), x))
        ordered = b.compare("fcmp one", x, literal(0.0, x.kind))
        return b.select(ordered, one, x)
    positive = b.convert("zext", b.compare("icmp ne", x, literal(0, x.kind)), x.kind)
    if not is_signed(dtype):
        return positive
    return b.binary("or", positive, b.binary("ashr", x, literal(BITS[x.kind] - 1, x.kind)))


def _rounding(name: str) -> Operation:
    def apply(c: Context, dtype: Any, x: Val) -> Val:
        if not is_float(dtype):
            return x
        if c.target.rounding:
            return c.b.intrinsic("roundeven" if name == "round" else name, x)
        return _rounded_by_addition(c, x, name)

    return apply


def _rounded_by_addition(c: Context, x: Val, name: str) -> Val:
    """Adding and taking away 2**mantissa rounds to even; a step of one then mends the direction."""
    b = c.b
    magic = literal(2.0**23 if x.kind == "float" else 2.0**52, x.kind)
    size = b.intrinsic("fabs", x)
    near = b.binary("fsub", b.binary("fadd", size, magic), magic)
    one, zero = literal(1.0, x.kind), literal(0.0, x.kind)
    if name == "trunc":
        near = b.binary("fsub", near, b.select(b.compare("fcmp ogt", near, size), one, zero))
    near = b.intrinsic("copysign", near, x)
    if name == "floor":
        near = b.binary("fsub", near, b.select(b.compare("fcmp ogt", near, x), one, zero))
    elif name == "ceil":
        near = b.binary("fadd", near, b.select(b.compare("fcmp olt", near, x), one, zero))
        near = b.intrinsic("copysign", near, x)
    return b.select(b.compare("fcmp olt", size, magic), near, x)


def _sqrt(c: Context, dtype: Any, x: Val) -> Val:
    return c.b.intrinsic("sqrt", x)


def _is_finite(c: Context, dtype: Any, x: Val) -> Val:
    if not is_float(dtype):
        return literal(True, "i1")
    return c.b.compare("fcmp olt", c.b.intrinsic("fabs", x), literal(float("inf"), x.kind))


def _nextafter(c: Context, dtype: Any, x: Val, y: Val) -> Val:
    b = c.b
    x, y = b.match(x, y)
    kind = INT_OF[x.kind]
    top = literal(1 << (BITS[kind] - 1), kind)
    bits = b.bitcast(x, kind)
    away = b.compare("fcmp ogt", y, x)
    positive = b.compare("fcmp ogt", x, literal(0.0, x.kind))
    grows = b.binary("xor", b.binary("xor", away, positive), literal(True, "i1"))
    stepped = b.binary("add", bits, b.select(grows, literal(1, kind), literal(-1, kind)))
    least = b.binary("or", b.binary("and", b.bitcast(y, kind), top), literal(1, kind))
    stepped = b.select(b.compare("fcmp oeq", x, literal(0.0, x.kind)), least, stepped)
    moved = b.select(b.compare("fcmp oeq", x, y), y, b.bitcast(stepped, x.kind))
    return b.select(b.compare("fcmp uno", x, y), b.binary("fadd", x, y), moved)


def _logic(op: str) -> Operation:
    def apply(c: Context, dtype: Any, x: Val, y: Val) -> Val:
        return c.b.binary(op, x, y)

    return apply


def _not(c: Context, dtype: Any, x: Val) -> Val:
    return c.b.binary("xor", x, literal(-1, x.kind))


def _shift(op: str) -> Operation:
    def apply(c: Context, dtype: Any, x: Val, y: Val) -> Val:
        b, bits = c.b, BITS[x.kind]
        if y.is_literal and 0 <= int(y.text) < bits:
            return b.binary(op, x, y)
        last = literal(bits - 1, y.kind)
        safe = b.intrinsic("umin", *b.match(y, last))
        shifted = b.binary(op, x, safe)
        if op == "ashr":
            return shifted
        return b.select(b.compare("icmp ugt", y, last), literal(0, x.kind), shifted)

    return apply


def _popcount(c: Context, dtype: Any, x: Val) -> Val:
    return c.b.intrinsic("ctpop", x)


def _clz(c: Context, dtype: Any, x: Val) -> Val:
    return c.b.intrinsic("ctlz", x, extra="i1 false")


def _comparison(on_float: str, on_signed: str, on_unsigned: str) -> Operation:
    def apply(c: Context, dtype: Any, x: Val, y: Val) -> Val:
        if is_float(dtype):
            return c.b.compare("fcmp " + on_float, x, y)
        return c.b.compare("icmp " + (on_signed if is_signed(dtype) else on_unsigned), x, y)

    return apply


OPERATIONS: dict[str, Operation] = {
    "add": _arithmetic("fadd", "add"), "sub": _arithmetic("fsub", "sub"), "mul": _arithmetic("fmul", "mul"),
    "div": _div, "min": _min, "max": _max, "neg": _neg, "abs": _abs, "sign": _sign,
    "floor": _rounding("floor"), "ceil": _rounding("ceil"), "round": _rounding("round"), "trunc": _rounding("trunc"),
    "sqrt": _sqrt, "is_finite": _is_finite, "nextafter": _nextafter,
    "and": _logic("and"), "or": _logic("or"), "xor": _logic("xor"), "not": _not,
    "shl": _shift("shl"), "shr_logical": _shift("lshr"), "shr_arithmetic": _shift("ashr"),
    "popcount": _popcount, "clz": _clz,
    "eq": _comparison("oeq", "eq", "eq"), "ne": _comparison("une", "ne", "ne"),
    "lt": _comparison("olt", "slt", "ult"), "le": _comparison("ole", "sle", "ule"),
    "gt": _comparison("ogt", "sgt", "ugt"), "ge": _comparison("oge", "sge", "uge"),
}  # fmt: skip


def bitcast(c: Context, x: Val, source: Any, to: Any) -> Val:
    """The same bits as another dtype of the same width."""
    if source.kind == "b":
        x = c.b.convert("zext", x, "i8")
    elif to.kind == "b":
        return cast(c.b, x, source, to, c.target)
    return c.b.bitcast(x, kind_of(to))
