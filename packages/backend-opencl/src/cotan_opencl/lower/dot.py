"""Matrix products: blocks of registers over packed columns on CPUs, tiles in local memory elsewhere.

The text depends on the dtypes alone; shapes and strides are arguments, so that a transposed operand is read as it lies.
Small products, and those whose dimensions are not rows and columns of one stride each, are loops of core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.compiler.c.products import Product, product_of
from cotan.ir.avals import shaped
from cotan.ir.program import LibraryStep

if TYPE_CHECKING:
    from cotan.compiler.c.commands import Writer

_NAMES = {"float32": "float", "float64": "double", "float16": "half", "bfloat16": "bfloat"}
_SMALL = 1 << 15
"""Products of fewer multiplications are loops, which fuse with what is around them."""
_ROWS = 6
"""Rows of a block of registers; it has two vectors of columns: with one more for B's and one for A's, 16 registers."""
_CHUNK = 96
"""Rows of a CPU's work item."""
_TILE = 64
"""Rows and columns of a group's tile, of which each of 16 x 16 items does 4 x 4."""


def wants(eqn: Any) -> bool:
    """Whether the product of this equation is worth kernels of its own."""
    x, y, out = (v.aval for v in (*eqn.invars, *eqn.outvars))
    if any(np.dtype(aval.dtype).name not in _NAMES for aval in (x, y, out)):
        return False
    if (np.dtype(out.dtype) == np.float64) != (np.dtype(x.dtype) == np.float64 and np.dtype(y.dtype) == np.float64):
        return False
    found = product_of(x, y, eqn.params["dimension_numbers"])
    return (
        found is not None
        and found.rows * found.columns * found.inner >= _SMALL
        and min(found.rows, found.columns) >= 4
        and found.inner >= 8
    )


# ---- Text


_PACK = """
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void NAME(
  __global const MEMY *b0, const long o0, __global REAL *b1, const long o1, INTS) {
  __global const MEMY *y = b0 + o0;
  const int panels = (columns + WIDTH - 1) / WIDTH, item = (int)get_global_id(0);
  const int panel = item % panels, first = panel * WIDTH;
  int rest = item / panels;
  const int k2 = rest % batch2; rest /= batch2;
  const int k1 = rest % batch1; rest /= batch1;
  y += (long)rest * y_batch0 + (long)k1 * y_batch1 + (long)k2 * y_batch2 + (long)first * y_free;
  __global REAL *to = b1 + o1 + (long)item * inner * WIDTH;
  const int whole = columns - first >= WIDTH;
  for (int k = 0; k < inner; k++, to += WIDTH) {
    __global const MEMY *from = y + (long)k * y_inner;
    if (whole) for (int j = 0; j < WIDTH; j++) to[j] = LOADY(from, (long)j * y_free);
    else for (int j = 0; j < WIDTH; j++) to[j] = first + j < columns ? LOADY(from, (long)j * y_free) : 0;
  }
}
"""
_BLOCKS = """
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void NAME(
  __global const MEMX *b0, const long o0, __global const REAL *b1, const long o1, __global MEMZ *b2, const long o2,
  INTS, const int chunk) {
#pragma OPENCL FP_CONTRACT ON
  const int panels = (columns + WIDTH - 1) / WIDTH, chunks = (rows + chunk - 1) / chunk;
  const int item = (int)get_global_id(0), panel = item % panels;
  const int begin = item / panels % chunks * chunk, end = min(begin + chunk, rows), batch = item / panels / chunks;
  const int k2 = batch % batch2, k1 = batch / batch2 % batch1, k0 = batch / batch2 / batch1;
  __global const MEMX *x = b0 + o0 + (long)k0 * x_batch0 + (long)k1 * x_batch1 + (long)k2 * x_batch2;
  __global const REAL *y = b1 + o1 + ((long)batch * panels + panel) * inner * WIDTH;
  __global MEMZ *z = b2 + o2 + (long)batch * rows * columns;
  const int first = panel * WIDTH, whole = columns - first >= WIDTH;
  for (int i = begin; i < end; i += ROWS) {
    POINTERS
    VECTOR SUMS;
    __global const REAL *at = y;
    for (int k = 0; k < inner; k++, at += WIDTH) {
      const VECTOR u = ((__global const VECTOR *)at)[0], v = ((__global const VECTOR *)at)[1];
      STEPS
    }
    REAL row[WIDTH];
    __global MEMZ *to = z + (long)i * columns + first;
    STORES
  }
}
"""
_TILES = """
__kernel __attribute__((reqd_work_group_size(16, 16, 1))) void NAME(
  __global const MEMX *b0, const long o0, __global const MEMY *b1, const long o1, __global MEMZ *b2, const long o2,
  INTS) {
#pragma OPENCL FP_CONTRACT ON
  __local REAL a[16][65], b[16][65];
  const int li = (int)get_local_id(0), lj = (int)get_local_id(1), flat = lj * 16 + li;
  const int across = (columns + 63) / 64, first = (int)get_group_id(0) % across * 64;
  const int top = (int)get_group_id(0) / across * 64, batch = (int)get_group_id(1);
  const int k2 = batch % batch2, k1 = batch / batch2 % batch1, k0 = batch / batch2 / batch1;
  __global const MEMX *x = b0 + o0 + (long)k0 * x_batch0 + (long)k1 * x_batch1 + (long)k2 * x_batch2;
  __global const MEMY *y = b1 + o1 + (long)k0 * y_batch0 + (long)k1 * y_batch1 + (long)k2 * y_batch2;
  __global MEMZ *z = b2 + o2 + (long)batch * rows * columns;
  REAL sums[4][4];
  for (int i = 0; i < 4; i++) for (int j = 0; j < 4; j++) sums[i][j] = 0;
  for (int start = 0; start < inner; start += 16) {
    for (int n = flat; n < 1024; n += 256) {
      // Neighbours read what is contiguous.
      const int xi = x_inner == 1 ? n / 16 : n % 64, xk = x_inner == 1 ? n % 16 : n / 64;
      const int yj = y_inner == 1 ? n / 16 : n % 64, yk = y_inner == 1 ? n % 16 : n / 64;
      a[xk][xi] = top + xi < rows && start + xk < inner
        ? LOADX(x, (long)(top + xi) * x_free + (long)(start + xk) * x_inner) : 0;
      b[yk][yj] = first + yj < columns && start + yk < inner
        ? LOADY(y, (long)(first + yj) * y_free + (long)(start + yk) * y_inner) : 0;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = 0; k < 16; k++)
      for (int i = 0; i < 4; i++) for (int j = 0; j < 4; j++)
        sums[i][j] = a[k][lj + 16 * i] * b[k][li + 16 * j] + sums[i][j];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  for (int i = 0; i < 4; i++) for (int j = 0; j < 4; j++) {
    const int row = top + lj + 16 * i, column = first + li + 16 * j;
    if (row < rows && column < columns) z[(long)row * columns + column] = STOREZ(sums[i][j]);
  }
}
"""
_INTS = (
    "rows", "columns", "inner", "batch1", "batch2", "x_free", "x_inner", "x_batch0", "x_batch1", "x_batch2", "y_free",
    "y_inner", "y_batch0", "y_batch1", "y_batch2",
)  # fmt: skip


def _numbers(p: Product) -> list[int]:
    def three(values: Sequence[int], fill: int) -> list[int]:
        return [fill] * (3 - len(values)) + list(values)

    extents = three(p.batch, 1)
    x, y = three(p.x.batch, 0), three(p.y.batch, 0)
    return [p.rows, p.columns, p.inner, *extents[1:], p.x.free, p.x.inner, *x, p.y.free, p.y.inner, *y]


def _load(dtype: Any) -> str:
    name = _NAMES[dtype.name]
    return "({p}[{i}])" if name in ("float", "double") else f"cotan_float_of_{name}({{p}}[{{i}}])"


def _filled(text: str, name: str, dtypes: Sequence[Any], lanes: int) -> str:
    """The template for operands and a result of ``dtypes``, in functions of that name."""
    x, y, z = dtypes
    real = "double" if z.name == "float64" else "float"
    sums = [f"s{r}{c}" for r in range(_ROWS) for c in "uv"]
    pointers = "\n    ".join(
        f"__global const MEMX *x{r} = x + (long)min(i + {r}, rows - 1) * x_free;" for r in range(_ROWS)
    )
    steps = "\n      ".join(
        f"{{ const REAL w = LOADX(x{r}, (long)k * x_inner); s{r}u = u * w + s{r}u; s{r}v = v * w + s{r}v; }}"
        for r in range(_ROWS)
    )
    plain = z.name in ("float32", "float64")
    stores = "\n    ".join(_stored_row(r, plain) for r in range(_ROWS))
    for old, new in (
        ("NAME", name), ("INTS", ", ".join(f"const int {n}" for n in _INTS)), ("POINTERS", pointers), ("STEPS", steps),
        ("STORES", stores), ("SUMS", ", ".join(f"{s} = 0" for s in sums)), ("ROWS", str(_ROWS)),
        ("WIDTH", str(2 * lanes)), ("VECTOR", f"{real}{lanes}"), ("LANES", str(lanes)), ("REAL", real),
        ("MEMX", _memory(x)), ("MEMY", _memory(y)), ("MEMZ", _memory(z)),
    ):  # fmt: skip
        text = text.replace(old, new)
    for old, dtype in (("LOADX", x), ("LOADY", y)):
        text = _call(text, old, _load(dtype))
    half = _NAMES[z.name]
    return text.replace("STOREZ", "" if plain else f"cotan_{half}_of_float")


def _stored_row(r: int, plain: bool) -> str:
    """The statement that writes one row of a block, whole or the columns that there are."""
    whole = f"*(__global any_VECTOR *)to = s{r}u; *(__global any_VECTOR *)(to + LANES) = s{r}v;" if plain else ""
    rest = f"*(any_VECTOR *)row = s{r}u; *(any_VECTOR *)(row + LANES) = s{r}v;"
    each = "for (int j = 0; j < WIDTH && first + j < columns; j++) to[j] = STOREZ(row[j]);"
    choice = f"if ({'whole' if plain else '0'}) {{ {whole} }} else {{ {rest} {each} }}"
    return f"if (i + {r} < end) {{ {choice} to += columns; }}"


def _memory(dtype: Any) -> str:
    return {"float32": "float", "float64": "double"}.get(dtype.name, "ushort")


def _call(text: str, name: str, template: str) -> str:
    """Replace ``name(p, i)`` by the template; no argument has a comma inside."""
    while name + "(" in text:
        start = text.index(name + "(")
        depth, at = 1, start + len(name) + 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        pointer, index = text[start + len(name) + 1 : at - 1].split(", ", 1)
        text = text[:start] + template.format(p=pointer, i=index) + text[at:]
    return text


def write(writer: Writer, step: LibraryStep) -> None:
    """The launches of one product."""
    x, y = step.operands
    [out] = step.results
    p = product_of(writer.aval(x), writer.aval(y), step.params["dimension_numbers"])
    assert p is not None
    dtypes = [np.dtype(writer.aval(n).dtype) for n in (x, y, out)]
    kind = "_".join(_NAMES[dtype.name] for dtype in dtypes)
    times, numbers = math.prod(p.batch), _numbers(p)
    if writer.target.schedule.group:
        writer.define(_filled(_TILES, f"tiles_{kind}", dtypes, 8))
        groups = -(-p.rows // _TILE) * -(-p.columns // _TILE)
        writer.launch(f"tiles_{kind}", (x, y, out), numbers, (16 * groups, 16 * times), (16, 16))
        return
    real = np.dtype(np.float64 if dtypes[2] == np.float64 else np.float32)
    lanes = writer.target.schedule.vector_bytes // real.itemsize
    width = 2 * lanes
    panels = -(-p.columns // width)
    packed = writer.workspace(shaped((times * panels * p.inner * width,), real))
    writer.define(_filled(_PACK, f"pack_{kind}", dtypes, lanes))
    writer.define(_filled(_BLOCKS, f"blocks_{kind}", dtypes, lanes))
    writer.launch(f"pack_{kind}", (y, packed), numbers, (times * panels,), (1,))
    chunk = min(_CHUNK, -(-p.rows // _ROWS) * _ROWS)
    items = times * panels * -(-p.rows // chunk)
    writer.launch(f"blocks_{kind}", (x, packed, out), [*numbers, chunk], (items,), (1,))


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.dot import dot_general_p

    write.wants = wants  # type: ignore[attr-defined]
    table.rule("library", dot_general_p)(write)
