"""Instructions of AVX-512 that LLVM has no general name for, on vectors of any number of lanes.

float32 and float64, where nothing else is said. Only for targets with ``avx512``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cotan_cpu.codegen.builder import Builder, Val, float_literal, literal

_WIDTHS = {"float": 16, "double": 8}
_SUFFIXES = {"float": "ps.512", "double": "pd.512"}


def looked_up(b: Builder, numbers: Sequence[float], index: Val) -> Val:
    """That of 16 or 32 numbers of float32 which the lowest bits of ``index`` name."""
    spelt = [f"float {float_literal(x, 'float')}" for x in numbers]
    first, *second = [f"<16 x float> <{', '.join(spelt[k : k + 16])}>" for k in range(0, len(spelt), 16)]
    name = "llvm.x86.avx512.vpermi2var.ps.512" if second else "llvm.x86.avx512.permvar.sf.512"
    b.declare(name, "<16 x float>", ["<16 x float>", "<16 x i32>", *["<16 x float>" for _ in second]])

    def one(places: Val) -> Val:
        operands = [first, f"<16 x i32> {places.text}", *second]
        return b.emit(f"call <16 x float> @{name}({', '.join(operands)})", "float", 16, places.depth)

    return _by_registers(b, one, index)


def scaled(b: Builder, x: Val, n: Val, kept: Val) -> Val:
    """x 2**n for a whole n however large, rounded once; 0 where ``kept`` does not hold."""
    x, n, kept = b.match(x, n, kept)
    kind, lanes = x.kind, _WIDTHS[x.kind]

    def one(x: Val, n: Val, kept: Val) -> Val:
        mask = b.emit(f"bitcast <{lanes} x i1> {kept.text} to i{lanes}", f"i{lanes}", 1, kept.depth)
        zeros = Val("zeroinitializer", kind, lanes, 0)
        return _call(b, "mask.scalef", x, n, zeros, mask, literal(_CURRENT, "i32"))

    return _by_registers(b, one, x, n, kept)


def near_inverse(b: Builder, x: Val) -> Val:
    """1 / x to 14 bits."""
    return _of_one(b, "rcp14", x)


def near_inverse_root(b: Builder, x: Val) -> Val:
    """1 / sqrt(x) to 14 bits."""
    return _of_one(b, "rsqrt14", x)


def exponent(b: Builder, x: Val) -> Val:
    """The whole part of log2(|x|), that of denormal numbers too; -infinity for 0, infinity for itself."""
    return _of_one(b, "mask.getexp", x, after=(literal(_CURRENT, "i32"),))


def mantissa(b: Builder, x: Val) -> Val:
    """x without its exponent: from 1 up to 2, 1 for infinity, NaN below 0."""
    return _of_one(b, "mask.getmant", x, (literal(_FROM_1 | _NAN_BELOW_0, "i32"),), (literal(_CURRENT, "i32"),))


_CURRENT = 4
"""Rounding as the processor is set."""
_FROM_1, _NAN_BELOW_0 = 0, 8


def _of_one(b: Builder, name: str, x: Val, before: Sequence[Val] = (), after: Sequence[Val] = ()) -> Val:
    lanes = _WIDTHS[x.kind]
    zeros, all_lanes = Val("zeroinitializer", x.kind, lanes, 0), literal(-1, f"i{lanes}")
    return _by_registers(b, lambda part: _call(b, name, part, *before, zeros, all_lanes, *after), x)


def _call(b: Builder, name: str, x: Val, *rest: Val) -> Val:
    full = f"llvm.x86.avx512.{name}.{_SUFFIXES[x.kind]}"
    operands = (x, *rest)
    b.declare(full, x.type, [value.type for value in operands])
    call = f"call {x.type} @{full}({', '.join(f'{value.type} {value.text}' for value in operands)})"
    return b.emit(call, x.kind, x.lanes, max(value.depth for value in operands))


def _by_registers(b: Builder, function: Callable[..., Val], *arguments: Val) -> Val:
    """``function`` of vectors of one register of 64 bytes each."""
    lanes, width = arguments[0].lanes, 64 // (8 if arguments[0].kind == "double" else 4)
    if lanes == width:
        return function(*arguments)
    if lanes == 1:
        return b.extract(function(*[b.splat(x, width) for x in arguments]), 0)
    if lanes < width:
        wide = [b.shuffle(x, None, [lane % lanes for lane in range(width)]) for x in arguments]
        return b.shuffle(function(*wide), None, range(lanes))
    starts = range(0, lanes, width)
    found = [function(*[b.shuffle(x, None, range(start, start + width)) for x in arguments]) for start in starts]
    while len(found) > 1:
        found = [b.shuffle(x, y, range(2 * x.lanes)) for x, y in zip(found[::2], found[1::2])]
    return found[0]
