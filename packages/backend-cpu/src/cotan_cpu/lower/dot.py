"""dot_general as a batched matrix product of BLAS, or of ``direct``, without copies where the layout allows it.

``plan`` looks at shapes only. Transposed operands are read in place through BLAS' transposition flags; an operand whose
dimensions do not merge into batch, rows and columns must first be packed (``Plan.pack_lhs``, ``pack_rhs``): transposed
to (batch, free, contracted). Knows nothing of programs and arrays.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.config import config
from cotan.ir import scalar
from cotan.ir.avals import ShapedArray
from cotan.ir.index import Axis, axis_index, const_index
from cotan.ir.primitive import reference
from cotan.ir.program import Kernel, KernelOperand, LibraryStep, Loop, Node, Store
from cotan.primitives.operands import quiet
from cotan_cpu import driver, native, ways
from cotan_cpu.lower import blas, direct
from cotan_cpu.lower.at_once import by_program
from cotan_cpu.pool import pool

if TYPE_CHECKING:
    from cotan_cpu.program import Writer

Dims = tuple[int, ...]
DimensionNumbers = tuple[tuple[Dims, Dims], tuple[Dims, Dims]]

_SECONDS_PER_FLOP = {"float32": 1 / 60e9, "float64": 1 / 30e9, "complex64": 1 / 15e9, "complex128": 1 / 8e9}
_SECONDS_PER_BYTE = 1 / 8e9
_LEAST_TILE = 64
_MOST_PARTS = 8
_LONG = 16
"""A contracted extent so many times as long as the others is cut into parts, whose products are added."""
_LEAST_LONG = 1 << 21
"""Flops from which that is worth it."""
_SMALL, _SMALL_SIDE = 1 << 12, 16
"""Many products of fewer multiplications, or of no longer sides, are loops: each takes less time than BLAS's call."""
_MANY = 2048
"""So many of them at once are a program, which takes 10 ms to compile; NumPy takes 0.1 us and more for each."""
_REAL = ("float16", "bfloat16", "float32", "float64")
_NATIVE_FROM = 1 << 19
_NATIVE_FROM_VECTOR = 1 << 14
"""Flops from which a product at once is ours: where NumPy's BLAS would begin to use several threads of its own, which
spin, and on a busy machine were seen to take a thousand times as long."""


@dataclass(frozen=True)
class Matrix:
    """One operand: strides (in elements) of rows and columns, and of up to three batch dimensions."""

    row: int
    column: int
    batch: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Plan:
    """How a dot_general is done. There is one for the same shapes and numbers, so that it is a quick key of caches.

    Attributes:
      batch: extents of the three batch dimensions (1 where there are fewer).
      rows, columns, inner: the shape of one product.
      lhs, rhs: how the operands lie.
      pack_lhs, pack_rhs: the permutation that an operand must be copied with first, or None.
      out_shape: the shape of the result.
    """

    batch: tuple[int, int, int]
    rows: int
    columns: int
    inner: int
    lhs: Matrix
    rhs: Matrix
    pack_lhs: Dims | None
    pack_rhs: Dims | None
    out_shape: Dims

    @property
    def flops(self) -> float:
        return 2.0 * self.products * self.rows * self.columns * self.inner

    @property
    def products(self) -> int:
        return math.prod(self.batch)

    @property
    def is_vector(self) -> bool:
        """Whether a matrix-vector product does it."""
        return min(self.rows, self.columns) == 1

    @property
    def is_small(self) -> bool:
        """Whether it is many small products."""
        extents = (self.rows, self.columns, self.inner)
        return self.products > 1 and (math.prod(extents) < _SMALL or max(extents) <= _SMALL_SIDE)

    def seconds(self, dtype: np.dtype) -> float:
        """A rough estimate on one thread."""
        read = self.products * (self.rows * self.inner + self.inner * self.columns + self.rows * self.columns)
        return max(self.flops * _SECONDS_PER_FLOP[dtype.name], read * dtype.itemsize * _SECONDS_PER_BYTE)


def _strides(shape: Dims) -> Dims:
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def _merge(dims: Dims, shape: Dims, strides: Dims) -> tuple[int, int] | None:
    """(extent, stride) of the dimensions taken together in this order, or None if they do not lie evenly."""
    extent, stride = 1, 1
    for dim in reversed(dims):
        if shape[dim] == 1:
            continue
        if extent == 1:
            stride = strides[dim]
        elif strides[dim] != stride * extent:
            return None
        extent *= shape[dim]
    return extent, stride


def _merge_batch(lhs: Dims, rhs: Dims, lhs_shape: Dims, rhs_shape: Dims) -> tuple[Dims, Dims, Dims] | None:
    """(extents, strides of lhs, strides of rhs) of at most three batch dimensions, left-filled with 1."""
    left, right = _strides(lhs_shape), _strides(rhs_shape)
    merged: list[list[int]] = []
    for a, b in zip(lhs, rhs, strict=True):
        extent = lhs_shape[a]
        if extent == 1:
            continue
        if merged and merged[-1][1] == left[a] * extent and merged[-1][2] == right[b] * extent:
            merged[-1] = [merged[-1][0] * extent, left[a], right[b]]
        else:
            merged.append([extent, left[a], right[b]])
    if len(merged) > 3:
        return None
    merged = [[1, 0, 0]] * (3 - len(merged)) + merged
    extents, first, second = zip(*merged, strict=True)
    return tuple(extents), tuple(first), tuple(second)


def _evenly(free: Dims, contracted: Dims, shape: Dims) -> tuple[int, int] | None:
    """(stride of the free index, stride of the contracted one) if BLAS can read the operand in place."""
    strides = _strides(shape)
    rows, columns = _merge(free, shape, strides), _merge(contracted, shape, strides)
    if rows is None or columns is None:
        return None
    if rows[0] == 1:
        return max(columns[0], 1) * columns[1], columns[1]
    if columns[0] == 1:
        return rows[1], 1 if rows[1] != 1 else max(rows[0], 1)
    if 1 not in (rows[1], columns[1]):
        return None
    # Leading dimensions must reach over a whole row, which they do wherever dimensions lie evenly and apart.
    if rows[1] == 1:
        return (rows[1], columns[1]) if columns[1] >= rows[0] else None
    return (rows[1], columns[1]) if rows[1] >= columns[0] else None


@functools.lru_cache(maxsize=4096)
def plan(lhs_shape: Dims, rhs_shape: Dims, dimension_numbers: DimensionNumbers) -> Plan:
    """The plan for these shapes."""
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    lhs_free = tuple(d for d in range(len(lhs_shape)) if d not in (*lhs_contract, *lhs_batch))
    rhs_free = tuple(d for d in range(len(rhs_shape)) if d not in (*rhs_contract, *rhs_batch))
    rows = math.prod(lhs_shape[d] for d in lhs_free)
    columns = math.prod(rhs_shape[d] for d in rhs_free)
    inner = math.prod(lhs_shape[d] for d in lhs_contract)
    left = _evenly(lhs_free, lhs_contract, lhs_shape)
    right = _evenly(rhs_free, rhs_contract, rhs_shape)
    pack_lhs = None if left is not None else (*lhs_batch, *lhs_free, *lhs_contract)
    pack_rhs = None if right is not None else (*rhs_batch, *rhs_free, *rhs_contract)
    batch = _merge_batch(lhs_batch, rhs_batch, lhs_shape, rhs_shape) if not (pack_lhs or pack_rhs) else None
    if batch is None and len(lhs_batch) > 0:
        # One packed operand, or a batch of too many strides: pack both, so that the batch is one dimension.
        pack_lhs, pack_rhs = (*lhs_batch, *lhs_free, *lhs_contract), (*rhs_batch, *rhs_free, *rhs_contract)
    if pack_lhs is not None:
        left = (inner, 1)
    if pack_rhs is not None:
        right = (inner, 1)
    products = math.prod(lhs_shape[d] for d in lhs_batch)
    extents, first, second = batch or ((1, 1, products), (0, 0, rows * inner), (0, 0, inner * columns))
    assert left is not None
    assert right is not None
    return Plan(
        extents,  # type: ignore[arg-type]
        rows,
        columns,
        inner,
        Matrix(*left, first),  # type: ignore[arg-type]
        Matrix(right[1], right[0], second),  # type: ignore[arg-type]
        pack_lhs,
        pack_rhs,
        tuple(lhs_shape[d] for d in (*lhs_batch, *lhs_free)) + tuple(rhs_shape[d] for d in rhs_free),
    )


@dataclass(frozen=True)
class Call:
    """A call of a function of ``blas``: which one, its description, its units, and whether A is the right operand."""

    function: str
    words: tuple[int, ...]
    units: int
    swapped: bool


def _leading(row: int, column: int, rows: int, columns: int) -> tuple[int, int]:
    """(leading dimension, transposition flag) of a matrix with these strides, of which one is 1."""
    if column == 1 and (row >= columns or rows == 1):
        return max(row, columns, 1), blas.NO_TRANSPOSE
    return max(column, rows, 1), blas.TRANSPOSE


def _tiles(extent: int, parts: int, least: int) -> int:
    """The size of a tile (a multiple of 16, at least ``least``) such that there are about ``parts`` tiles."""
    size = -(-extent // max(parts, 1))
    return max(-(-size // 16) * 16, least) if extent > least else max(extent, 1)


@functools.lru_cache(maxsize=1024)
def in_parts(chosen: Plan) -> Plan | None:
    """Products of parts of the contracted dimension in place of a long one, or None where that is of no use.

    Then every thread reads its part of both operands alone. The parts depend on the shape only, and so do the sums.
    """
    longest = max(chosen.rows, chosen.columns)
    if chosen.products > 1 or chosen.is_vector or chosen.inner < _LONG * longest or chosen.flops < _LEAST_LONG:
        return None
    parts = next((n for n in range(_MOST_PARTS, 1, -1) if chosen.inner % n == 0), 1)
    if parts == 1:
        return None
    inner = chosen.inner // parts
    lhs = replace(chosen.lhs, batch=(chosen.lhs.column * inner, 0, 0))
    rhs = replace(chosen.rhs, batch=(chosen.rhs.row * inner, 0, 0))
    return replace(chosen, batch=(parts, 1, 1), inner=inner, lhs=lhs, rhs=rhs)


def _sum_kernel(parts: int, size: int, dtype: np.dtype) -> Kernel:
    """A kernel that adds ``parts`` results of ``size`` elements in operand 0 up to operand 1."""
    axis = Axis("i0", size, "parallel")
    read = axis_index(axis)
    value = scalar.load(0, read, dtype)
    for part in range(1, parts):
        value = scalar.add(value, scalar.load(0, read + part * size, dtype))
    operands = (KernelOperand((parts * size,), dtype, False, True), KernelOperand((size,), dtype, True, False))
    tree = (Loop(axis, (Store(1, read, value),)),)
    return Kernel("sum", operands, tree, ("add",), parts * size, (parts + 1) * size * dtype.itemsize)


def call(chosen: Plan, dtype: np.dtype, threads: int) -> Call:
    """The native call for a plan, by BLAS or by ``direct``; split finely enough for that many threads where the work is
    worth it."""
    letter = blas.ELEMENTS[dtype.name].letter
    parts = 1
    if threads > 1 and chosen.seconds(dtype) > 50e-6:
        # Twice as many parts as threads: a thread that lost its core leaves little undone.
        parts = max(1, -(-2 * threads // chosen.products))
    if chosen.is_vector:
        return _vector_call(chosen, letter, parts)
    rows, columns = chosen.rows, chosen.columns
    tile_rows, tile_columns = rows, columns
    lda, transpose_a = _leading(chosen.lhs.row, chosen.lhs.column, rows, chosen.inner)
    ldb, transpose_b = _leading(chosen.rhs.row, chosen.rhs.column, chosen.inner, columns)
    in_place = direct.suits(rows, chosen.inner, columns, transpose_b == blas.TRANSPOSE, blas.ELEMENTS[dtype.name])
    # By rows, the small operand is packed again for every tile; by columns the large one is, and less evenly.
    if in_place or rows >= columns or rows >= parts * _LEAST_TILE:
        tile_rows = _tiles(rows, parts, _LEAST_TILE)
    else:
        tile_columns = _tiles(columns, parts, _LEAST_TILE)
    down, across = -(-rows // max(tile_rows, 1)), -(-columns // max(tile_columns, 1))
    words = (
        rows, columns, chosen.inner, lda, ldb, max(columns, 1), transpose_a, transpose_b,
        tile_rows, tile_columns, across, down * across,
        chosen.batch[1], chosen.batch[2], *chosen.lhs.batch, *chosen.rhs.batch,
    )  # fmt: skip
    kind = "direct" if in_place else "gemm"
    return Call(f"cotan_{kind}_{letter}", words, chosen.products * down * across, False)


def _vector_call(chosen: Plan, letter: str, parts: int) -> Call:
    swapped = chosen.rows == 1 and chosen.columns != 1
    rows = chosen.columns if swapped else chosen.rows
    if swapped:
        matrix = Matrix(chosen.rhs.column, chosen.rhs.row, chosen.rhs.batch)
        step, batch = chosen.lhs.column, chosen.lhs.batch
    else:
        matrix = chosen.lhs
        step, batch = chosen.rhs.row, chosen.rhs.batch
    tile = _tiles(rows, parts, _LEAST_TILE)
    lda, transpose_a = _leading(matrix.row, matrix.column, rows, chosen.inner)
    tiles = -(-rows // max(tile, 1))
    words = (
        rows, 1, chosen.inner, lda, max(step, 1), 1, transpose_a, blas.NO_TRANSPOSE,
        tile, 1, 1, tiles,
        chosen.batch[1], chosen.batch[2], *matrix.batch, *batch,
    )  # fmt: skip
    return Call(f"cotan_gemv_{letter}", words, chosen.products * tiles, swapped)


# ---- In programs


def compute_dtype(*dtypes: Any) -> np.dtype | None:
    """The element type in which BLAS computes a product of these operand types and result type (last), or None."""
    result = np.dtype(dtypes[-1])
    if all(np.dtype(dtype) == result for dtype in dtypes) and result.name in blas.ELEMENTS:
        return result
    if any(np.dtype(dtype).name not in _REAL for dtype in dtypes):
        return None
    return np.dtype(np.float64 if result == np.float64 else np.float32)


def pack_kernel(shape: Dims, permutation: Dims, source: np.dtype, target: np.dtype) -> Kernel:
    """A kernel that copies operand 0 of this shape, transposed and converted, to operand 1."""
    strides = _strides(shape)
    # Dimensions that stay neighbours are one loop.
    groups: list[list[int]] = []
    for dim in permutation:
        if shape[dim] == 1:
            continue
        if groups and strides[groups[-1][-1]] == strides[dim] * shape[dim]:
            groups[-1].append(dim)
        else:
            groups.append([dim])
    axes = [Axis(f"i{n}", math.prod(shape[d] for d in group), "parallel") for n, group in enumerate(groups)]
    read = write = const_index(0)
    for axis, group, step in zip(axes, groups, _strides(tuple(axis.extent for axis in axes)), strict=True):
        read = read + axis_index(axis) * strides[group[-1]]
        write = write + axis_index(axis) * step
    size = math.prod(shape)
    tree: tuple[Node, ...] = (Store(1, write, scalar.cast(scalar.load(0, read, source), target)),)
    for axis in reversed(axes):
        tree = (Loop(axis, tree),)
    packed = tuple(shape[d] for d in permutation)
    operands = (KernelOperand(shape, source, False, True), KernelOperand(packed, target, True, False))
    return Kernel("pack", operands, tree, ("transpose",), 0, size * (source.itemsize + target.itemsize))


def _operand(writer: Writer, number: int, permutation: Dims | None, dtype: np.dtype) -> str:
    """The pointer to an operand as the product reads it: in place, or packed and converted in workspace."""
    aval = writer.aval(number)
    if permutation is None and aval.dtype == dtype:
        return writer.pointer(number)
    order = permutation or tuple(range(len(aval.shape)))
    target = writer.scratch(aval.size * dtype.itemsize)
    writer.kernel(pack_kernel(aval.shape, order, aval.dtype, dtype), [writer.pointer(number), target])
    return target


def write(writer: Writer, step: LibraryStep) -> None:
    """The calls that do a dot_general in a program."""
    left, right = step.operands
    (out,) = step.results
    lhs, rhs, result = writer.aval(left), writer.aval(right), writer.aval(out)
    if result.size == 0:
        return
    if lhs.size == 0:
        writer.zero(out)
        return
    dtype = compute_dtype(lhs.dtype, rhs.dtype, result.dtype)
    if dtype is None:
        writer.loops(step)
        return
    chosen = plan(lhs.shape, rhs.shape, step.params["dimension_numbers"])
    if chosen.is_small and dtype.kind == "f":
        writer.loops(step)
        return
    a = _operand(writer, left, chosen.pack_lhs, dtype)
    b = _operand(writer, right, chosen.pack_rhs, dtype)
    converted = result.dtype != dtype
    target = writer.scratch(result.size * dtype.itemsize) if converted else writer.pointer(out)
    parted = in_parts(chosen) if dtype.kind == "f" else None
    sums = target if parted is None else writer.scratch(parted.products * result.size * dtype.itemsize)
    done = call(parted or chosen, dtype, writer.threads)
    operands = [b, a] if done.swapped else [a, b]
    what = f"{'x'.join(map(str, (chosen.rows, chosen.inner, chosen.columns)))} product"
    words = writer.words(done.words)
    writer.library(done.function, [*operands, sums, words], done.units, chosen.seconds(dtype), what)
    if parted is not None:
        writer.kernel(_sum_kernel(parted.products, result.size, dtype), [sums, target])
    if converted:
        order = tuple(range(len(result.shape)))
        writer.kernel(pack_kernel(result.shape, order, dtype, result.dtype), [target, writer.pointer(out)])


# ---- At once


@functools.lru_cache(maxsize=1024)
def _description(chosen: Plan, dtype: np.dtype, threads: int) -> tuple[Call, np.ndarray]:
    done = call(chosen, dtype, threads)
    return done, np.array(done.words, np.int64)


def _in_order(operand: np.ndarray, permutation: Dims | None, dtype: np.dtype) -> np.ndarray:
    if permutation is not None:
        operand = operand.transpose(permutation)
    return np.asarray(operand, dtype, order="C")


def _native(chosen: Plan, lhs: np.ndarray, rhs: np.ndarray, shape: Dims) -> np.ndarray:
    parted = in_parts(chosen)
    if parted is not None:
        sums = _products(parted, lhs, rhs, (parted.products, *shape))
        out = pool.empty(shape, lhs.dtype, math.prod(shape) * lhs.dtype.itemsize)
        return quiet(np.add.reduce, sums, 0, None, out)  # type: ignore[no-any-return]
    return _products(chosen, lhs, rhs, shape)


def _products(chosen: Plan, lhs: np.ndarray, rhs: np.ndarray, shape: Dims) -> np.ndarray:
    dtype = lhs.dtype
    threads = native.thread_count(config.num_threads)
    done, words = _description(chosen, dtype, threads)
    out = pool.empty(shape, dtype, math.prod(shape) * dtype.itemsize)
    first, second = (rhs, lhs) if done.swapped else (lhs, rhs)
    if done.units == 1 and done.function in blas.FUNCTIONS and dtype.kind == "f":
        _one_call(done, dtype, first, second, out)
        return out
    runtime = native.runtime()
    if done.units > 1:
        runtime.ensure_threads(threads)
    pointers = (array.ctypes.data for array in (first, second, out, words))
    table = (ctypes.c_void_p * 4)(*pointers)
    runtime.parallel_for(runtime.address(done.function), ctypes.addressof(table), done.units, done.units, threads)
    return out


def _one_call(done: Call, dtype: np.dtype, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    """What the function would do for its only unit, without compiling it."""
    rows, columns, inner, lda, ldb, ldc, transpose_a, transpose_b = done.words[:8]
    kind = done.function.removeprefix("cotan_")[:4]
    function = driver.blas_function(f"cblas_{done.function[-1]}{kind}", dtype)
    pointers = (a.ctypes.data, b.ctypes.data, c.ctypes.data)
    if kind == "gemv":
        shape = (inner, rows) if transpose_a == blas.TRANSPOSE else (rows, inner)
        function(blas.ROW_MAJOR, transpose_a, *shape, 1.0, pointers[0], lda, pointers[1], ldb, 0.0, pointers[2], 1)
    else:
        flags = (blas.ROW_MAJOR, transpose_a, transpose_b, rows, columns, inner)
        function(*flags, 1.0, pointers[0], lda, pointers[1], ldb, 0.0, pointers[2], ldc)


def _strided(array: np.ndarray, chosen: Plan, matrix: Matrix, extents: tuple[int, int]) -> np.ndarray:
    """The operand as a stack of matrices, in place."""
    size = array.dtype.itemsize
    strides = (matrix.row * size, matrix.column * size)
    if chosen.products == 1:
        return np.ndarray(extents, array.dtype, array, strides=strides)
    return np.ndarray(
        chosen.batch + extents, array.dtype, array, strides=tuple(step * size for step in matrix.batch) + strides
    )


@dataclass(frozen=True)
class _Recipe:
    """How a product at once is done: computed in ``dtype`` by ``plan``.

    Attributes:
      native: by our own BLAS, not NumPy's.
      compiled: as a program, where many small products are loops.
    """

    plan: Plan
    dtype: np.dtype
    result: np.dtype
    native: bool
    compiled: bool


@functools.lru_cache(maxsize=1024)
def _recipe(
    lhs_shape: Dims,
    lhs_dtype: np.dtype,
    rhs_shape: Dims,
    rhs_dtype: np.dtype,
    numbers: DimensionNumbers,
    preferred: Any,
) -> _Recipe | None:
    """None where there is nothing to sum, or BLAS does not know the dtypes."""
    result = np.dtype(lhs_dtype if preferred is None else preferred)
    dtype = compute_dtype(lhs_dtype, rhs_dtype, result)
    if dtype is None or 0 in lhs_shape or 0 in rhs_shape:
        return None
    chosen = plan(lhs_shape, rhs_shape, numbers)
    least = _NATIVE_FROM_VECTOR if 1 in (chosen.rows, chosen.columns) else _NATIVE_FROM
    native = chosen.flops > least and not chosen.is_small
    known = all(np.dtype(each).kind == "f" for each in (lhs_dtype, rhs_dtype, result))
    compiled = chosen.is_small and chosen.products >= _MANY and known
    return _Recipe(chosen, dtype, result, native, compiled)


def eager(
    lhs: np.ndarray, rhs: np.ndarray, *, dimension_numbers: DimensionNumbers, preferred_element_type: Any, **params: Any
) -> np.ndarray:
    """dot_general of ndarrays: the private BLAS on our own threads for large ones, NumPy's for small ones."""
    recipe = _recipe(lhs.shape, lhs.dtype, rhs.shape, rhs.dtype, dimension_numbers, preferred_element_type)
    if recipe is None:
        return _reference(
            lhs, rhs, dimension_numbers=dimension_numbers, preferred_element_type=preferred_element_type, **params
        )
    if recipe.compiled:
        params.update(dimension_numbers=dimension_numbers, preferred_element_type=preferred_element_type)
        return _loops()(lhs, rhs, **params)
    chosen, dtype = recipe.plan, recipe.dtype
    if chosen.pack_lhs is not None or lhs.dtype != dtype:
        lhs = _in_order(lhs, chosen.pack_lhs, dtype)
    if chosen.pack_rhs is not None or rhs.dtype != dtype:
        rhs = _in_order(rhs, chosen.pack_rhs, dtype)
    shape = chosen.out_shape
    if recipe.native:
        out = _native(chosen, lhs, rhs, shape)
    else:
        a = _strided(lhs, chosen, chosen.lhs, (chosen.rows, chosen.inner))
        b = _strided(rhs, chosen, chosen.rhs, (chosen.inner, chosen.columns))
        out = quiet(np.matmul, a, b).reshape(shape)
    return out if dtype == recipe.result else quiet(out.astype, recipe.result)


def _prepare(
    lhs: ShapedArray, rhs: ShapedArray, *, dimension_numbers: DimensionNumbers, preferred_element_type: Any, **_: Any
) -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
    """The product of small matrices that lie as NumPy's matmul wants them; None for all others."""
    recipe = _recipe(lhs.shape, lhs.dtype, rhs.shape, rhs.dtype, dimension_numbers, preferred_element_type)
    plain = dimension_numbers == (((1,), (0,)), ((), ())) and len(lhs.shape) == len(rhs.shape) == 2
    if recipe is None or recipe.native or not plain or not lhs.dtype == rhs.dtype == recipe.dtype == recipe.result:
        return None

    def run(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return quiet(np.matmul, a, b)  # type: ignore[no-any-return]

    run.way = ways.product(lhs, rhs)  # type: ignore[attr-defined]
    return run


eager.prepare = _prepare  # type: ignore[attr-defined]


@functools.cache
def _loops() -> Callable[..., np.ndarray]:
    from cotan.primitives.dot import dot_general_p

    return by_program(dot_general_p, from_flops=0)


def _reference(lhs: np.ndarray, rhs: np.ndarray, **params: Any) -> np.ndarray:
    from cotan.primitives.dot import dot_general_p

    return reference[dot_general_p](lhs, rhs, **params)  # type: ignore[no-any-return]


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.dot import dot_general_p

    table.rule("library", dot_general_p)(write)
    table.rule("eager", dot_general_p)(eager)
