"""top_k for small k as native code: one pass over a row, with the best so far kept in order.

Elements become integers whose order is that of the elements (NaN above all numbers, the two zeros equal). A vector of
them is compared with the least that is kept; only where one is larger are they looked at one by one. Knows nothing of
programs and arrays.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.ir.program import LibraryStep

if TYPE_CHECKING:
    from cotan_cpu.program import Writer

MOST = 128
"""The largest k for which keeping the best in order pays."""
_LANES = 16
_SECONDS_PER_ELEMENT = 0.25e-9
_FLOATS = {"float32": ("float", 32), "float64": ("double", 64)}
_INTEGERS = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))


def is_native(dtype: Any, k: int) -> bool:
    """Whether there is native code for this case."""
    return 0 < k <= MOST and (dtype.name in _FLOATS or dtype.name in _INTEGERS)


def write(writer: Writer, step: LibraryStep) -> None:
    """The native top_k where there is one, else the eager rule or reference."""
    x = writer.aval(step.operands[0])
    k, axis = step.params["k"], step.params["axis"]
    if not is_native(x.dtype, k) or not x.size:
        writer.host(step)
        return
    stride = math.prod(x.shape[axis + 1 :])
    extent = x.shape[axis]
    rows = x.size // extent
    symbol = writer.name("topk")
    writer.define(text(symbol, x.dtype, extent, k, stride))
    pointers = [writer.pointer(n) for n in (*step.operands, *step.results)]
    each = extent * _SECONDS_PER_ELEMENT + k * 20e-9
    writer.launch(symbol, pointers, rows, rows * each, "top_k")


def _keys(dtype: np.dtype, source: str, name: str, lanes: int) -> list[str]:
    """Instructions that make ``%{name}``, integers in the order of the elements ``%{source}``."""
    bits = dtype.itemsize * 8
    many = (lambda kind: f"<{lanes} x {kind}>") if lanes > 1 else (lambda kind: kind)
    integer = many(f"i{bits}")

    def splat(kind: str, value: str) -> str:
        return value if lanes == 1 else f"<{', '.join([f'{kind} {value}'] * lanes)}>"

    if dtype.kind == "i":
        return [f"%{name} = add {integer} %{source}, {splat(f'i{bits}', '0')}"]
    if dtype.kind == "u":
        return [f"%{name} = xor {integer} %{source}, {splat(f'i{bits}', str(-(1 << (bits - 1))))}"]
    kind = _FLOATS[dtype.name][0]
    real, largest = many(kind), str((1 << (bits - 1)) - 1)
    return [
        f"%{name}.z = fadd {real} %{source}, {splat(kind, '0.0')}",  # -0 + 0 is +0
        f"%{name}.i = bitcast {real} %{name}.z to {integer}",
        f"%{name}.s = ashr {integer} %{name}.i, {splat(f'i{bits}', str(bits - 1))}",
        f"%{name}.m = and {integer} %{name}.s, {splat(f'i{bits}', largest)}",
        f"%{name}.o = xor {integer} %{name}.i, %{name}.m",
        f"%{name}.n = fcmp uno {real} %{source}, {splat(kind, '0.0')}",
        f"%{name} = select {many('i1')} %{name}.n, {integer} {splat(f'i{bits}', largest)}, {integer} %{name}.o",
    ]


def text(symbol: str, dtype: np.dtype, extent: int, k: int, stride: int) -> str:
    """A function of a kernel's signature over (x, values, places); a unit is one row of ``extent`` elements.

    ``stride`` is the distance of a row's elements; rows with a stride lie side by side.
    """
    bits = dtype.itemsize * 8
    integer = f"i{bits}"
    element = _FLOATS[dtype.name][0] if dtype.kind == "f" else integer
    blocks = extent // _LANES if stride == 1 else 0
    vector = f"<{_LANES} x {element}>"
    keys = f"<{_LANES} x {integer}>"
    check = [
        f"%least = load {integer}, ptr %last",
        f"%first = insertelement {keys} poison, {integer} %least, i64 0",
        f"%all = shufflevector {keys} %first, {keys} poison, <{_LANES} x i32> zeroinitializer",
        "%at = mul i64 %block, 16",
        f"%here = getelementptr {element}, ptr %row, i64 %at",
        f"%v = load {vector}, ptr %here, align {dtype.itemsize}",
        *_keys(dtype, "v", "ks", _LANES),
        f"%more = icmp sgt {keys} %ks, %all",
        f"%mask = bitcast <{_LANES} x i1> %more to i{_LANES}",
        f"%some = icmp ne i{_LANES} %mask, 0",
    ]
    lines = [
        f"define internal void @{symbol}(ptr noalias %table, i64 %begin, i64 %end) nounwind {{",
        "entry:",
        f"  %kept = alloca [{k} x {integer}], align 64",
        f"  %places = alloca [{k} x i32], align 64",
        f"  %last = getelementptr {integer}, ptr %kept, i64 {k - 1}",
        "  %xp = load ptr, ptr %table",
        "  %vp1 = getelementptr ptr, ptr %table, i64 1",
        "  %vp = load ptr, ptr %vp1",
        "  %pp1 = getelementptr ptr, ptr %table, i64 2",
        "  %pp = load ptr, ptr %pp1",
        "  br label %rows",
        "rows:",
        "  %unit = phi i64 [%begin, %entry], [%unit1, %row.done]",
        "  %more.rows = icmp slt i64 %unit, %end",
        "  br i1 %more.rows, label %row.begin, label %out",
        "row.begin:",
        f"  %outer = udiv i64 %unit, {stride}",
        f"  %inner = urem i64 %unit, {stride}",
        f"  %outer.x = mul i64 %outer, {extent * stride}",
        "  %start = add i64 %outer.x, %inner",
        f"  %row = getelementptr {element}, ptr %xp, i64 %start",
        f"  %outer.k = mul i64 %outer, {k * stride}",
        "  %start.k = add i64 %outer.k, %inner",
        "  br label %blocks",
        # Blocks of lanes; a block with a candidate, the first ones and the rest are done one by one.
        "blocks:",
        "  %block = phi i64 [0, %row.begin], [%block1, %skip], [%block2, %one.done]",
        "  %filled.here = mul i64 %block, 16",
        f"  %in.blocks = icmp slt i64 %block, {blocks}",
        "  br i1 %in.blocks, label %maybe, label %rest",
        "maybe:",
        f"  %early = icmp slt i64 %filled.here, {k}",
        "  br i1 %early, label %block.one, label %compare",
        "compare:",
        *(f"  {line}" for line in check),
        "  br i1 %some, label %block.one, label %skip",
        "skip:",
        "  %block1 = add i64 %block, 1",
        "  br label %blocks",
        "block.one:",
        "  %stop.block = add i64 %filled.here, 16",
        "  br label %one",
        "rest:",
        f"  %any.left = icmp slt i64 %filled.here, {extent}",
        "  br i1 %any.left, label %one, label %write",
        "one:",
        "  %j = phi i64 [%filled.here, %block.one], [%filled.here, %rest], [%j1, %next]",
        f"  %stop = phi i64 [%stop.block, %block.one], [{extent}, %rest], [%stop, %next]",
        f"  %off = mul i64 %j, {stride}",
        f"  %xj = getelementptr {element}, ptr %row, i64 %off",
        f"  %e = load {element}, ptr %xj, align {dtype.itemsize}",
        *(f"  {line}" for line in _keys(dtype, "e", "key", 1)),
        f"  %filling = icmp slt i64 %j, {k}",
        "  br i1 %filling, label %fill, label %test",
        "fill:",
        "  br label %shift",
        "test:",
        f"  %min = load {integer}, ptr %last",
        f"  %better = icmp sgt {integer} %key, %min",
        "  br i1 %better, label %shift, label %next",
        # Move what is smaller one place down, from the end.
        "shift:",
        f"  %p = phi i64 [%j, %fill], [{k - 1}, %test], [%p1, %move]",
        "  %p1 = sub i64 %p, 1",
        "  %top = icmp eq i64 %p, 0",
        "  br i1 %top, label %put, label %look",
        "look:",
        f"  %above.at = getelementptr {integer}, ptr %kept, i64 %p1",
        f"  %above = load {integer}, ptr %above.at",
        f"  %smaller = icmp slt {integer} %above, %key",
        "  br i1 %smaller, label %move, label %put",
        "move:",
        f"  %down = getelementptr {integer}, ptr %kept, i64 %p",
        f"  store {integer} %above, ptr %down",
        "  %place.at = getelementptr i32, ptr %places, i64 %p1",
        "  %place = load i32, ptr %place.at",
        "  %place.down = getelementptr i32, ptr %places, i64 %p",
        "  store i32 %place, ptr %place.down",
        "  br label %shift",
        "put:",
        f"  %mine = getelementptr {integer}, ptr %kept, i64 %p",
        f"  store {integer} %key, ptr %mine",
        "  %mine.place = getelementptr i32, ptr %places, i64 %p",
        "  %j32 = trunc i64 %j to i32",
        "  store i32 %j32, ptr %mine.place",
        "  br label %next",
        "next:",
        "  %j1 = add i64 %j, 1",
        "  %again = icmp slt i64 %j1, %stop",
        "  br i1 %again, label %one, label %one.end",
        "one.end:",
        f"  %was.last = icmp eq i64 %stop, {extent}",
        "  br i1 %was.last, label %write, label %one.done",
        "one.done:",
        "  %block2 = add i64 %block, 1",
        "  br label %blocks",
        "write:",
        "  br label %result",
        "result:",
        "  %r = phi i64 [0, %write], [%r1, %result]",
        "  %r.place = getelementptr i32, ptr %places, i64 %r",
        "  %from = load i32, ptr %r.place",
        "  %from64 = sext i32 %from to i64",
        f"  %from.off = mul i64 %from64, {stride}",
        f"  %source = getelementptr {element}, ptr %row, i64 %from.off",
        f"  %value = load {element}, ptr %source, align {dtype.itemsize}",
        f"  %r.off = mul i64 %r, {stride}",
        "  %target = add i64 %start.k, %r.off",
        f"  %value.to = getelementptr {element}, ptr %vp, i64 %target",
        f"  store {element} %value, ptr %value.to, align {dtype.itemsize}",
        "  %place.to = getelementptr i32, ptr %pp, i64 %target",
        "  store i32 %from, ptr %place.to, align 4",
        "  %r1 = add i64 %r, 1",
        f"  %r.more = icmp slt i64 %r1, {k}",
        "  br i1 %r.more, label %result, label %row.done",
        "row.done:",
        "  %unit1 = add i64 %unit, 1",
        "  br label %rows",
        "out:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)
