"""Library rules for sorting, in any language like C, by merging: for devices whose memory the host does not share.

Every element of two sorted runs looks up its place among those of the other run, in parallel; what is moved meanwhile
are places, so that any number of operands of any dtype follows them. Equal elements keep their order. The primitives
are known by their parameters alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cotan.compiler.c.commands import Writer
from cotan.ir.avals import shaped
from cotan.ir.program import LibraryStep

GROUP = 64
"""Items of a group."""
_PLAIN = frozenset({"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})
_KEYS = {
    "float32": ("float32", ("{x}",)),
    "float64": ("float64", ("{x}",)),
    "float16": ("uint16", ("cotan_float_of_half({x})",)),
    "bfloat16": ("uint16", ("cotan_float_of_bfloat({x})",)),
    "complex64": ("float32", ("{x}", "{x}")),
    "complex128": ("float64", ("{x}", "{x}")),
} | {name: (name, ("{x}",)) for name in _PLAIN}
"""Name of a dtype -> how its elements lie in memory, and what is compared of each of their parts."""
_MERGE = """
static inline INT NAME_before(POINTERS, LONG a, LONG b) {
COMPARISONS  return 0;
}
KERNEL NAME(PARAMETERS, const INT extent, const INT inner, const INT width, const INT total) {
HEAD  const LONG g = ITEM;
  if (g >= total) return;
  const LONG p = g % extent, line = g / extent, row = line * extent;
  const LONG base = line / inner * extent * inner + line % inner;
  const LONG both = 2 * (LONG)width, start = p - p % both, end = start + both < extent ? start + both : extent;
  const LONG middle = start + width < end ? start + width : end;
  const INT left = p < middle, mine = width > 1 ? from[row + p] : (INT)p;
  const LONG me = base + mine * (LONG)inner, first = left ? middle : start;
  LONG low = first, high = left ? end : middle;
  while (low < high) {
    const LONG half_way = (low + high) / 2;
    const LONG other = base + (width > 1 ? from[row + half_way] : (INT)half_way) * (LONG)inner;
    const INT earlier = left ? NAME_before(KEYS, other, me) : !NAME_before(KEYS, me, other);
    if (earlier) low = half_way + 1; else high = half_way;
  }
  to[row + start + (p - (left ? start : middle)) + (low - first)] = mine;
}
"""
"""One pass: runs of ``width`` places become runs of twice as many. In the first pass they are in order."""
_TAKE = """
KERNEL NAME(PARAMETERS, const INT extent, const INT kept, const INT inner, const INT parts, const INT total) {
HEAD  const LONG g = ITEM;
  if (g >= total) return;
  const LONG part = g % parts, at = g / parts, in = at % inner, p = at / inner % kept, outer = at / inner / kept;
  const LONG place = order[(outer * inner + in) * extent + p];
  target[g] = VALUE;
}
"""
_ELEMENT = "source[((outer * extent + place) * inner + in) * parts + part]"


def can_sort(writer: Writer, keys: Sequence[int]) -> bool:
    """Whether there is an order of all these operands."""
    return all(np.dtype(writer.aval(key).dtype).name in _KEYS for key in keys)


def sort(writer: Writer, step: LibraryStep) -> bool:
    """Write a step of ``lax.sort``; False if its keys have no order here."""
    keys = step.operands[: step.params["num_keys"]]
    if not can_sort(writer, keys):
        return False
    if writer.aval(keys[0]).size:
        axis = step.params["dimension"]
        order = _order(writer, keys, axis, descending=False)
        for source, target in zip(step.operands, step.results, strict=True):
            _take(writer, source, order, target, axis)
    return True


def top_k(writer: Writer, step: LibraryStep) -> bool:
    """Write a step of ``lax.top_k``; False if its operand has no order here."""
    [operand], (values, places) = step.operands, step.results
    if not can_sort(writer, (operand,)):
        return False
    if writer.aval(values).size:
        axis = step.params["axis"]
        order = _order(writer, (operand,), axis, descending=True)
        _take(writer, operand, order, values, axis)
        _take(writer, None, order, places, axis, writer.aval(operand).shape[axis])
    return True


def filled(writer: Writer, text: str, operands: Sequence[tuple[str, str]], **words: str) -> str:
    """A kernel's text for pointers ``operands`` (type, name) to buffers that are launched ``bytewise``."""
    language = writer.language
    byte = f"{language.memory} {language.types['uint8']}"
    long = language.types["int64"]
    words |= {
        "KERNEL": language.kernel.format(items=GROUP),
        "PARAMETERS": ", ".join(f"{byte} *b{k}, const {long} o{k}" for k in range(len(operands))),
        "HEAD": "".join(
            f"  {language.memory} {kind} *{name} = ({language.memory} {kind} *)(b{k} + o{k});\n"
            for k, (kind, name) in enumerate(operands)
        ),
        "ITEM": language.item,
        "LONG": long,
        "INT": language.types["int32"],
    }
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def launch(writer: Writer, kernel: str, operands: Sequence[int], scalars: Sequence[int], total: int) -> None:
    """Launch a kernel of ``total`` items, which it gets as its last argument."""
    writer.launch(kernel, operands, (*scalars, total), (-(-total // GROUP) * GROUP,), (GROUP,), bytewise=True)


def _order(writer: Writer, keys: Sequence[int], axis: int, descending: bool) -> int:
    """A buffer of places: those of each line along ``axis`` one after the other, in the order of the keys."""
    aval, types = writer.aval(keys[0]), writer.language.types
    extent, inner = aval.shape[axis], math.prod(aval.shape[axis + 1 :])
    names = [np.dtype(writer.aval(key).dtype).name for key in keys]
    lines, pointers = [], []
    for k, name in enumerate(names):
        stored, parts = _KEYS[name]
        pointers.append((types[stored], f"k{k}"))
        kind = types[stored] if parts[0] == "{x}" else types["float32"]
        for n, part in enumerate(parts):
            x, y = (part.format(x=f"k{k}[{len(parts)} * {at} + {n}]") for at in "ab")
            lines.append(f"  {{ const {kind} x = {x}, y = {y};\n")
            # NaN comes last: it is the only value that is not equal to itself.
            lines.append("    if (x < y || (x == x && y != y)) return 1;\n")
            lines.append("    if (!(x == y || (x != x && y != y))) return 0; }\n")
    name = f"merge_{'down' if descending else 'up'}_{'_'.join(names)}"
    places = types["int32"]
    text = filled(
        writer, _MERGE.replace("LONG a, LONG b", "LONG b, LONG a") if descending else _MERGE,
        [*pointers, (places, "from"), (places, "to")],
        NAME=name, COMPARISONS="".join(lines), KEYS=", ".join(pointer for _, pointer in pointers),
        POINTERS=", ".join(f"{writer.language.memory} const {kind} *{pointer}" for kind, pointer in pointers),
    )  # fmt: skip
    writer.define(text)
    source, target = (writer.workspace(shaped((aval.size,), np.dtype(np.int32))) for _ in range(2))
    width = 1
    while True:
        launch(writer, name, (*keys, source, target), (extent, inner, width), aval.size)
        source, target, width = target, source, 2 * width
        if width >= extent:
            return source


def _take(writer: Writer, source: int | None, order: int, target: int, axis: int, extent: int = 0) -> None:
    """Elements by their places; without a ``source`` the places themselves, of lines of that extent."""
    aval = writer.aval(target)
    size = np.dtype(aval.dtype).itemsize
    kind = writer.language.types[f"uint{8 * min(size, 8)}"]
    name = f"take_{min(size, 8)}" if source is not None else "take_places"
    pointers = [(kind, "source")] if source is not None else []
    value = _ELEMENT if source is not None else "place"
    pointers += [(writer.language.types["int32"], "order"), (kind, "target")]
    writer.define(filled(writer, _TAKE, pointers, NAME=name, VALUE=value))
    parts = -(-size // 8)
    inner = math.prod(aval.shape[axis + 1 :])
    operands = [order, target] if source is None else [source, order, target]
    scalars = (extent if source is None else writer.aval(source).shape[axis], aval.shape[axis], inner, parts)
    launch(writer, name, operands, scalars, aval.size * parts)
