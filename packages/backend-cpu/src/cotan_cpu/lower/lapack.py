"""Linear algebra by LAPACK, natively inside of programs and at once: which function, on what sizes.

``plan`` looks at types and parameters only. Matrices of a stack are shared among threads. What LAPACK has no routine
for (perturbed tridiagonal equations), and what has no elements to work on, is done by the reference.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.config import config
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.primitive import Primitive, abstract, cost, reference
from cotan.ir.program import LibraryStep
from cotan_cpu import driver, native
from cotan_cpu.lower import lapack_recipes, lapack_small, lu
from cotan_cpu.lower.lapack_text import Recipe
from cotan_cpu.pool import pool

if TYPE_CHECKING:
    from cotan_cpu.program import Writer

_LETTERS = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}
_SECONDS_PER_FLOP = 1 / 4e9
_ALIGNMENT = 64
_QR_BLOCK = 32
"""Columns that are factored together, recursively; the rest is brought up to date by products."""
_LARGE_QR = 1 << 15
"""Elements from which that pays, with the turning that it needs."""

Sizes = dict[str, int]
Choice = tuple[str, tuple[str, ...], Sizes, Sizes]
"""Operation, variant, sizes by name, and bytes of the pieces of workspace."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A call of a native function: its name, description, units (one for each matrix), rough seconds; result types."""

    function: str
    words: tuple[int, ...]
    units: int
    seconds: float
    results: tuple[ShapedArray, ...]


# ---- Sizes


def _parts(aval: ShapedArray) -> int:
    """How many real numbers a matrix of a stack has."""
    return math.prod(aval.shape[-2:]) * (2 if aval.dtype.kind == "c" else 1)


def _bytes(aval: ShapedArray, rank: int = 2) -> int:
    return math.prod(aval.shape[-rank:]) * int(aval.dtype.itemsize)


def _sized(operation: str, x: ShapedArray) -> str:
    """What does an operation for matrices of that size."""
    small = max(x.shape[-2:]) <= lapack_small.LARGEST and x.dtype.kind == "f"
    return f"{operation}small" if small else operation


def _cholesky(ins: Any, outs: Any) -> Choice:
    (x,) = ins
    return _sized("cholesky", x), (), {"n": x.shape[-1], "bytes": _bytes(x), "parts": _parts(x)}, {}


def _lu(ins: Any, outs: Any) -> Choice:
    (x,) = ins
    m, n = x.shape[-2:]
    return _sized("lu", x), (), {"m": m, "n": n, "k": min(m, n), "bytes": _bytes(x)}, {"a": _bytes(x)}


def _permutation(ins: Any, outs: Any, *, permutation_size: int) -> Choice:
    return "permutation", (), {"m": permutation_size, "k": ins[0].shape[-1]}, {}


def _qr(ins: Any, outs: Any, *, pivoting: bool, full_matrices: bool) -> Choice:
    (x,) = ins
    m, n = x.shape[-2:]
    k, kq, size = min(m, n), outs[0].shape[-1], x.dtype.itemsize
    sizes = {"m": m, "n": n, "k": k, "kq": kq, "rbytes": _bytes(outs[1])}
    if not pivoting and (m < n or m * n < _LARGE_QR):
        return "qr", (), {**sizes, "bytes": _bytes(x)}, {"a": _bytes(x), "tau": k * size}
    scratch = {"a": m * max(n, kq) * size, "b": _bytes(x), "tau": k * size}
    if not pivoting:
        nb = min(_QR_BLOCK, k)
        return "qrt", (), {**sizes, "nb": nb}, {**scratch, "t": nb * k * size, "twork": nb * n * size}
    return "qrp", (), {**sizes, "pbytes": 4 * n, "qcount": m * kq}, {**scratch, "rwork": 2 * n * size}


def _geqrf(ins: Any, outs: Any) -> Choice:
    (x,) = ins
    m, n = x.shape[-2:]
    return "geqrf", (), {"m": m, "n": n, "k": min(m, n), "bytes": _bytes(x)}, {}


def _product(ins: Any, outs: Any) -> Choice:
    x, taus = ins
    m, n = x.shape[-2:]
    tau = _bytes(taus, 1)
    return "product", (), {"m": m, "n": n, "k": taus.shape[-1], "bytes": _bytes(x), "tbytes": tau}, {"tau": tau}


def _ormqr(ins: Any, outs: Any, *, left: bool, transpose: bool) -> Choice:
    a, taus, c = ins
    tau, turned = _bytes(taus, 1), "C" if a.dtype.kind == "c" else "T"
    sizes = {"rows": c.shape[-2], "columns": c.shape[-1], "n": a.shape[-1], "k": taus.shape[-1]}
    sizes.update(bytes=_bytes(c), abytes=_bytes(a), tbytes=tau)
    return "ormqr", ("R" if left else "L", turned if transpose else "N"), sizes, {"a": _bytes(a), "tau": tau}


def _eigh(ins: Any, outs: Any, *, lower: bool) -> Choice:
    (x,) = ins
    n = x.shape[-1]
    sizes = {"n": n, "bytes": _bytes(x), "parts": _parts(x), "nparts": n, "count": n * n}
    sizes.update(liwork=3 + 5 * n, lrwork=1 + 5 * n + 2 * n * n)
    scratch = {"a": _bytes(x), "iwork": 4 * sizes["liwork"]}
    if x.dtype.kind == "c":
        scratch["rwork"] = sizes["lrwork"] * x.dtype.itemsize // 2
    return "eigh", ("U" if lower else "L",), sizes, scratch


def _svd(ins: Any, outs: Any, *, full_matrices: bool, compute_uv: bool) -> Choice:
    (x,) = ins
    m, n = x.shape[-2:]
    k, most = min(m, n), max(m, n)
    job = ("A" if full_matrices else "S") if compute_uv else "N"
    sizes = {"m": m, "n": n, "ldu": m if job == "A" else k, "bytes": _bytes(x), "parts": _parts(x), "kparts": k}
    sizes.update(uparts=_parts(outs[1]), vparts=_parts(outs[2])) if compute_uv else sizes.update(uparts=0, vparts=0)
    scratch = {"a": _bytes(x), "iwork": 32 * k, **({} if compute_uv else {"none": _ALIGNMENT})}
    if x.dtype.kind == "c":
        real = 7 * k if job == "N" else max(5 * k * k + 5 * k, 2 * most * k + 2 * k * k + k)
        scratch["rwork"] = real * x.dtype.itemsize // 2
    return "svd", (job,), sizes, scratch


def _eig(ins: Any, outs: Any, *, left: bool, right: bool, vectors_have_derivatives: bool) -> Choice:
    (x,) = ins
    n, size = x.shape[-1], x.dtype.itemsize
    sizes = {"n": n, "parts": _parts(x), "wparts": 2 * n, "vparts": 2 * n * n}
    scratch = {"a": _bytes(x), "left": _bytes(x) if left else size, "right": _bytes(x) if right else size}
    scratch.update({"rwork": 2 * n * size} if x.dtype.kind == "c" else {"wr": n * size, "wi": n * size})
    return "eig", ("V" if left else "N", "V" if right else "N"), sizes, scratch


def _schur(ins: Any, outs: Any, *, compute_schur_vectors: bool) -> Choice:
    (x,) = ins
    n, size = x.shape[-1], x.dtype.itemsize
    scratch = {"a": _bytes(x), "vs": _bytes(x), "bwork": 4 * n, "count": 4}
    scratch.update({"w": n * size, "rwork": n * size} if x.dtype.kind == "c" else {"wr": n * size, "wi": n * size})
    return "schur", ("V" if compute_schur_vectors else "N",), {"n": n, "parts": _parts(x)}, scratch


def _hessenberg(ins: Any, outs: Any) -> Choice:
    return "hessenberg", (), {"n": ins[0].shape[-1], "first": 1}, {"a": _bytes(ins[0])}


def _tridiagonal(ins: Any, outs: Any, *, lower: bool) -> Choice:
    return "tridiagonal", ("L" if lower else "U",), {"n": ins[0].shape[-1]}, {"a": _bytes(ins[0])}


def _triangular(
    ins: Any, outs: Any, *, left_side: bool, lower: bool, transpose_a: bool, conjugate_a: bool, unit_diagonal: bool
) -> Choice:
    a, b = ins
    conjugate = conjugate_a and a.dtype.kind == "c"
    trans = ("C" if conjugate else "T") if transpose_a else "N"
    sides = ("R" if left_side else "L", "U" if lower else "L", trans)
    flags = (*sides, "Y" if conjugate and not transpose_a else "N", "U" if unit_diagonal else "N")
    sizes = {"rows": b.shape[-2], "columns": b.shape[-1], "n": a.shape[-1], "bytes": _bytes(b)}
    return _sized("triangular", a), flags, {**sizes, "count": math.prod(b.shape[-2:])}, {}


def _tridiagonal_solve(ins: Any, outs: Any, *, perturb_singular: bool) -> Choice | None:
    d, b = ins[1], ins[3]
    if perturb_singular:
        return None
    n, size = d.shape[-1], d.dtype.itemsize
    sizes = {"n": n, "columns": b.shape[-1], "bytes": n * size, "element": size, "shorter": (n - 1) * size}
    scratch = {"below": n * size, "middle": n * size, "above": n * size, "x": _bytes(b)}
    return "tridiagonalsolve", (), {**sizes, "parts": _parts(b)}, scratch


# ---- Plans


def _workspace(recipe: Recipe, sizes: Sizes) -> int:
    """Elements of workspace with which LAPACK works best, as it says itself."""
    most = 1
    for symbol, args in recipe.queries:
        answer = (ctypes.c_char * 64)()
        values: list[Any] = []
        for arg in args:
            if arg[0] == "'":
                values.append(ctypes.c_char_p(arg[1].encode()))
            elif arg[0] == "#":
                values.append(ctypes.byref(ctypes.c_int32(-1 if arg == "#lwork" else sizes[arg[1:]])))
            else:
                values.append(None if arg == "null" else answer if arg == "&work" else (ctypes.c_char * 64)())
        lengths = [ctypes.c_size_t(1) for arg in args if arg[0] == "'"]
        driver.numerics().function(symbol)(*values, *lengths)
        double = recipe.letter in "dz"
        kind = ctypes.c_double if double else ctypes.c_float
        # In single precision large numbers are rounded.
        most = max(most, math.ceil(kind.from_buffer(answer).value * (1 if double else 1 + 1e-6)))
    return most


_CHOICES: dict[str, tuple[Callable[..., Choice | None], tuple[int, ...], tuple[int, ...]]] = {
    "cholesky": (_cholesky, (2,), (2,)),
    "lu": (_lu, (2,), (2, 1, 1)),
    "lu_pivots_to_permutation": (_permutation, (1,), (1,)),
    "qr": (_qr, (2,), (2, 2, 1)),
    "geqrf": (_geqrf, (2,), (2, 1)),
    "householder_product": (_product, (2, 1), (2,)),
    "ormqr": (_ormqr, (2, 1, 2), (2,)),
    "eigh": (_eigh, (2,), (2, 1)),
    "svd": (_svd, (2,), (1, 2, 2)),
    "eig": (_eig, (2,), (1, 2, 2)),
    "schur": (_schur, (2,), (2, 2)),
    "hessenberg": (_hessenberg, (2,), (2, 1)),
    "tridiagonal": (_tridiagonal, (2,), (2, 1, 1, 1)),
    "triangular_solve": (_triangular, (2, 2), (2,)),
    "tridiagonal_solve": (_tridiagonal_solve, (1, 1, 1, 2), (2,)),
}
"""By primitive: its sizes, and how many axes of operands and results belong to one matrix."""


@functools.lru_cache(maxsize=1024)
def _plan(primitive: Primitive, ins: tuple[ShapedArray, ...], params: tuple[tuple[str, Any], ...]) -> Plan | None:
    choose, in_ranks, out_ranks = _CHOICES[primitive.name]
    found = abstract[primitive](*ins, **dict(params))
    outs = tuple(found) if primitive.multiple_results else (found,)
    if any(x.size == 0 for x in ins) or not outs[0].size:
        return None
    choice = choose(ins, outs, **dict(params))
    if choice is None:
        return None
    operation, options, sizes, scratch = choice
    letter = _LETTERS.get(ins[0].dtype.name, "s")
    recipe = lapack_recipes.named(lapack_recipes.name_of(operation, options, letter))
    if "lwork" in recipe.sizes:
        sizes["lwork"] = _workspace(recipe, sizes)
        scratch["work"] = sizes["lwork"] * ins[0].dtype.itemsize
    strides = [_bytes(x, rank) for x, rank in zip(ins, in_ranks, strict=True)]
    strides += [_bytes(x, rank) for x, rank in zip(outs, out_ranks, strict=False)]
    offsets, end = [], 0
    for name in recipe.scratch:
        offsets.append(end)
        end += -(-(scratch[name] + 1) // _ALIGNMENT) * _ALIGNMENT
    units = math.prod(ins[0].shape[: ins[0].ndim - in_ranks[0]])
    words = (*strides, *offsets, max(end, 1), *(sizes[name] for name in recipe.sizes))
    seconds = cost[primitive](ins, outs, **dict(params))[0] * _SECONDS_PER_FLOP if primitive in cost else 1e-7 * units
    return Plan(recipe.name, words, units, seconds + 1e-6 * units, outs)


def plan(primitive: Primitive, ins: tuple[ShapedArray, ...], params: dict[str, Any]) -> Plan | None:
    """The native call for operands of these types; None where the reference does it."""
    return _plan(primitive, ins, tuple(sorted(params.items())))


@functools.lru_cache(maxsize=1024)
def _in_panels(primitive: Primitive, x: ShapedArray) -> tuple[tuple[lu.Launch, ...], int]:
    """The calls by which threads share the factors of one large matrix, and bytes of workspace; none for others.

    The last one, of ``pivots`` and ``order`` alone, makes of pivots that count from 1 what they are.
    """
    letter = _LETTERS.get(x.dtype.name, "")
    if primitive.name != "lu" or letter not in lu.LETTERS or math.prod(x.shape[:-2]) != 1:
        return (), 0
    m, n = x.shape[-2:]
    k = min(m, n)
    if k < lu.LEAST:
        return (), 0
    last = lu.Launch(lapack_recipes.name_of("pivots", (), letter), (0, 0, 1, m, k), 1, 1e-6)
    return (*lu.launches(letter, m, n), last), lu.scratch(letter, m, n)


def write(writer: Writer, step: LibraryStep) -> None:
    """The call that does a step of a program."""
    ins = tuple(map(writer.aval, step.operands))
    found = plan(step.primitive, ins, step.params)
    if found is None:
        writer.host(step)
        return
    pointers = [writer.pointer(number) for number in (*step.operands, *step.results)]
    what = step.primitive.name
    launches, scratch = _in_panels(step.primitive, ins[0])
    if launches:
        table = [pointers[0], writer.scratch(scratch), *pointers[1:]]
        for each in launches:
            operands = table if each is not launches[-1] else table[3:]
            writer.library(each.function, [*operands, writer.words(each.words)], each.units, each.seconds, what)
        return
    writer.library(found.function, [*pointers, writer.words(found.words)], found.units, found.seconds, what)


# ---- At once


@functools.lru_cache(maxsize=1024)
def _description(call: Plan | lu.Launch) -> tuple[int, np.ndarray]:
    return native.runtime().address(call.function), np.array(call.words, np.int64)


def _run(call: Plan | lu.Launch, arrays: Sequence[np.ndarray]) -> None:
    """Do a call on operands, workspace and results, by several threads if worth it."""
    address, words = _description(call)
    table = (ctypes.c_void_p * (len(arrays) + 1))(*(array.ctypes.data for array in (*arrays, words)))
    threads = native.thread_count(config.num_threads)
    runtime = native.runtime()
    chunks = min(call.units, 4 * threads) if threads > 1 and call.seconds > 60e-6 else 1
    if chunks > 1:
        runtime.ensure_threads(threads)
    runtime.parallel_for(address, ctypes.addressof(table), call.units, chunks, threads)


def _eager(primitive: Primitive) -> Callable[..., Any]:
    """The rule of kind eager."""

    def rule(*operands: np.ndarray, **params: Any) -> Any:
        ins = tuple(shaped(x.shape, x.dtype) for x in operands)
        found = plan(primitive, ins, params)
        if found is None:
            return reference[primitive](*operands, **params)
        arrays = [np.require(x, requirements=["C", "A"]) for x in operands]
        outs = [pool.empty(x.shape, np.dtype(x.dtype), x.nbytes) for x in found.results]
        launches, scratch = _in_panels(primitive, ins[0])
        if launches:
            table = [arrays[0], np.empty(scratch // 8 + 1), *outs]
            for each in launches:
                _run(each, table if each is not launches[-1] else table[3:])
        else:
            _run(found, [*arrays, *outs])
        return outs if primitive.multiple_results else outs[0]

    return rule


def _solve_by_lu(a: Any, lu: np.ndarray, permutation: np.ndarray, b: np.ndarray, *, trans: int) -> Any:
    """lu_solve of ndarrays: two triangular equations and a permutation."""
    solve = _eager(Primitive.catalogue["triangular_solve"])
    flags = {"left_side": True, "transpose_a": trans > 0, "conjugate_a": trans == 2}
    order = permutation[..., None].astype(np.intp)
    if trans == 0:
        y = solve(lu, np.take_along_axis(b, order, -2), lower=True, unit_diagonal=True, **flags)
        return solve(lu, y, lower=False, unit_diagonal=False, **flags)
    y = solve(lu, b, lower=False, unit_diagonal=False, **flags)
    z = solve(lu, y, lower=True, unit_diagonal=True, **flags)
    return np.take_along_axis(z, np.argsort(order, axis=-2), -2)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    import cotan.primitives.linalg  # noqa: F401  the primitives

    for name in _CHOICES:
        primitive = Primitive.catalogue[name]
        table.rule("library", primitive)(write)
        table.rule("eager", primitive)(_eager(primitive))
    table.rule("eager", Primitive.catalogue["lu_solve"])(_solve_by_lu)
