"""What is asked of every row: the value and type of the oracle, derivatives that are differences, loops and jit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from library.table import TOLERANCE, N, Row

import cotan
from cotan import dtypes

COMPLEX = {4: np.dtype(np.complex64), 8: np.dtype(np.complex128)}
REAL = {8: np.dtype(np.float32), 16: np.dtype(np.float64)}


def leaves(value: Any) -> list[Any]:
    """The arrays of a result, in order."""
    if isinstance(value, tuple | list):
        return [leaf for one in value for leaf in leaves(one)]
    return [] if value is None else [value]


# ---- Values and types


def wide(array: np.ndarray) -> np.ndarray:
    """The values in double precision; integers and bools as they are."""
    if dtypes.issubdtype(array.dtype, np.complexfloating):
        return array.astype(np.complex128)
    return array.astype(np.float64) if dtypes.issubdtype(array.dtype, np.floating) else array


def expected_type(row: Row, given: np.dtype[Any], oracle: np.dtype[Any]) -> np.dtype[Any]:
    """The element type of a result: NumPy's, with the precision of the operands.

    Where integers become floats, those of 64 bits become float64, narrower ones float32.
    """
    if isinstance(row.result, np.dtype | type):
        return np.dtype(row.result)
    if row.result == "given":
        return given
    if not dtypes.issubdtype(given, np.inexact):
        wide = given.itemsize == 8
        if oracle.kind == "c":
            return np.dtype(np.complex128 if wide else np.complex64)
        return np.dtype(np.float64 if wide else np.float32) if oracle.kind == "f" or row.result == "inexact" else oracle
    if oracle.kind == "c":
        return given if given.kind == "c" else COMPLEX.get(given.itemsize, np.dtype(np.complex64))
    if oracle.kind == "f":
        return REAL[given.itemsize] if given.kind == "c" else given
    return oracle


def compare(row: Row, found: Any, wanted: Any, given: np.dtype[Any], what: str) -> None:
    """Shapes, element types and values of all results."""
    found, wanted = leaves(found), leaves(wanted)
    assert len(found) == len(wanted), f"{what}: {len(found)} results, {len(wanted)} expected"
    for a, b in zip(found, wanted, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape, f"{what}: shape {a.shape}, expected {b.shape}"
        kind = expected_type(row, given, b.dtype)
        assert a.dtype == kind, f"{what}: {a.dtype}, expected {kind}"
        close(a, b, given, row, what)


def close(a: np.ndarray, b: np.ndarray, given: np.dtype[Any], row: Row, what: str) -> None:
    """Equal, or within the tolerance of the least precise type involved; NaN equals NaN."""
    if not dtypes.issubdtype(a.dtype, np.inexact):
        assert np.array_equal(a, b.astype(a.dtype)), f"{what}:\n{a}\n{b}"
        return
    coarse = given if dtypes.issubdtype(given, np.inexact) else a.dtype
    with np.errstate(all="ignore"):
        b = b.astype(a.dtype)
        a, b = wide(a), wide(b)
        size = np.abs(np.where(np.isfinite(b), b, 0))
        floor = row.floor * (1.0 if row.elementwise else size.max(initial=1e-3))
        error = np.abs(a - b) / np.maximum(size, floor)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        if np.iscomplexobj(a):  # of parts, which are infinite and which no number is anybody's choice
            same |= ~np.isfinite(a) & ~np.isfinite(b)
    limit = TOLERANCE[coarse] * row.tol * float(dtypes.finfo(coarse).eps)
    fine = same | (error <= limit)
    assert np.all(fine), f"{what}: error {np.nanmax(np.where(fine, 0, error)) / limit:.3g} times allowed\n{a}\n{b}"


def oracle(row: Row, arrays: Sequence[np.ndarray]) -> Any:
    """The reference, in double precision."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if row.native:
            return row.call(row.reference, arrays)
        found = row.call(row.reference, [wide(x) for x in arrays])
        if any(np.asarray(x).dtype in (np.float16, np.float32) for x in leaves(found)):  # of narrow integers
            found = row.call(row.reference, [x.astype(np.int64) if x.dtype.kind in "biu" else x for x in arrays])
        return found


def check_value(row: Row, arrays: Sequence[np.ndarray], given: np.dtype[Any], what: str) -> None:
    """One eager call against the oracle."""
    compare(row, row.call(row.function, arrays), oracle(row, arrays), given, f"{row.id()} {given} {what}")


def plain(row: Row, dtype: Any, seed: int = 0, extent: int = 4) -> list[np.ndarray]:
    """Operands as the row describes them."""
    return [x.values(dtype, seed + 10 * k, extent) for k, x in enumerate(row.operands)]


def variants(row: Row, dtype: np.dtype[Any]) -> Iterator[tuple[str, list[np.ndarray]]]:
    """The operands of every shape, layout and awkward value that the row is tried with."""
    arrays = plain(row, dtype)
    yield "plain", arrays
    yield "strides", [backwards(x) for x in arrays]
    if any(N in x.shape for x in row.operands):
        yield "empty", plain(row, dtype, extent=0)
    inexact = dtypes.issubdtype(dtype, np.inexact)
    if row.elementwise:
        yield from shapes(row, dtype)
        if row.edges and not dtypes.issubdtype(dtype, np.complexfloating) and dtype != np.bool_:
            yield "edges", grid(awkward(dtype), len(arrays), row)
    elif inexact and row.specials:
        for value in (np.nan, np.inf):
            yield f"with {value}", [sown(x, value) if o.dtype is None else x for x, o in zip(arrays, row.operands)]


def backwards(x: np.ndarray) -> np.ndarray:
    """The same values behind negative strides, and not in C order."""
    turned = np.ascontiguousarray(np.flip(x).T) if x.ndim else x
    return np.flip(turned.T)


def shapes(row: Row, dtype: np.dtype[Any]) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Scalars, nothing, and broadcasting in both directions."""
    count = len(row.operands)
    patterns = [((),) * count, ((0, 3),) * count]
    if count > 1:
        patterns += [
            ((2, 3), (3,), *((1,),) * (count - 2)),
            ((), (2, 1), *((3,),) * (count - 2)),
            ((2, 1), (0,), *((),) * (count - 2)),
        ]
    for pattern in patterns:
        made = [
            type(x)(shape, x.low, x.high, x.dtype, x.made).values(dtype, k)
            for k, (x, shape) in enumerate(zip(row.operands, pattern, strict=True))
        ]
        yield f"shapes {pattern}", made


def awkward(dtype: np.dtype[Any]) -> np.ndarray:
    """Where a type ends, and what is no number."""
    if dtypes.issubdtype(dtype, np.integer):
        info = dtypes.iinfo(dtype)
        return np.array(sorted({v for v in (info.min, -1, 0, 1, 7, info.max) if info.min <= v}), dtype)
    return np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 40.0]).astype(dtype)


def grid(values: np.ndarray, count: int, row: Row) -> list[np.ndarray]:
    """All combinations of ``values``."""
    if any(x.dtype is not None for x in row.operands):
        return [values if x.dtype is None else x.values(None, 0)[:1, :1] for x in row.operands]
    return [x.ravel() for x in np.meshgrid(*[values] * count)]


def sown(x: np.ndarray, value: float) -> np.ndarray:
    """``value`` in the place of one element."""
    x = x.copy()
    if x.size:
        x.flat[x.size // 2] = value
    return x


# ---- jit and vmap


def same(row: Row, found: Any, wanted: Any, what: str, tol: float = 4.0) -> None:
    """Two ways of computing give one type and nearly one value."""
    found, wanted = cotan.tree.leaves(found), cotan.tree.leaves(wanted)
    assert len(found) == len(wanted)
    eps = max((float(dtypes.finfo(x.dtype).eps) for x in wanted if dtypes.issubdtype(x.dtype, np.inexact)), default=0)
    for a, b in zip(found, wanted, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{row.id()} {what}: {a.dtype}{a.shape}, {b.dtype}{b.shape}"
        a, b = np.asarray(a), np.asarray(b)
        if not dtypes.issubdtype(a.dtype, np.inexact):
            assert np.array_equal(a, b), f"{row.id()} {what}:\n{a}\n{b}"
            continue
        a, b = wide(a), wide(b)
        limit = 50 * tol * row.tol * eps
        size = max(1e-3, np.abs(b[np.isfinite(b)]).max(initial=0))
        np.testing.assert_allclose(a, b, rtol=limit, atol=limit * size, err_msg=f"{row.id()} {what}")


def check_jit(row: Row) -> None:
    """One program of the row for a few types does what eager calls do."""
    types = [t for t in row.types() if t in JITTED] or row.types()[:1]
    arguments = [plain(row, t) for t in types]
    together = cotan.jit(lambda groups: [row.call(row.function, arrays) for arrays in groups])(arguments)
    for t, arrays, found in zip(types, arguments, together, strict=True):
        same(row, found, row.call(row.function, arrays), f"jit {t}")


JITTED = frozenset(map(np.dtype, (np.float32, np.int32, np.complex64, dtypes.bfloat16)))


def check_vmap(row: Row) -> None:
    """Mapped over each position alone, over all, and along the last axis, the function does what a loop does."""
    dtype = next((t for t in row.types() if t == np.float32), row.types()[0])
    first, second = plain(row, dtype, 0), plain(row, dtype, 1)
    count = len(first)
    call = lambda *arrays: row.call(row.function, arrays)  # noqa: E731
    loops: dict[int, list[Any]] = {}
    for mask in [*(1 << k for k in range(count)), (1 << count) - 1]:
        if mask in loops:
            continue
        mapped = [bool(mask >> k & 1) for k in range(count)]
        stacked = [np.stack([a, b]) if m else a for a, b, m in zip(first, second, mapped, strict=True)]
        loops[mask] = [call(*(x[n] if m else x for x, m in zip(stacked, mapped, strict=True))) for n in range(2)]
        found = cotan.vmap(call, in_axes=tuple(0 if m else None for m in mapped))(*stacked)
        _same_rows(row, found, loops[mask], f"vmap over {mapped}")
    last = [np.stack([a, b], -1) for a, b in zip(first, second, strict=True)]
    _same_rows(row, cotan.vmap(call, in_axes=-1)(*last), loops[(1 << count) - 1], "vmap over the last axis")


def _same_rows(row: Row, found: Any, rows: list[Any], what: str) -> None:
    for n, wanted in enumerate(rows):
        same(row, [x[n] for x in cotan.tree.leaves(found)], wanted, what)


# ---- Derivatives


def check_derivatives(row: Row, dtype: Any = np.float64) -> None:
    """Along a random direction: forward mode is a difference, reverse mode is forward mode, and so again."""
    arrays = plain(row, dtype)
    moving = [k for k, x in enumerate(row.operands) if x.dtype is None and x.slope]
    rng = np.random.default_rng(1)

    def function(*values: Any) -> Any:
        full: list[Any] = list(arrays)
        for k, value in zip(moving, values, strict=True):
            full[k] = value
        found = cotan.tree.leaves(row.call(row.function, full))
        return [x for x in found if dtypes.issubdtype(x.dtype, np.inexact)]

    point = [arrays[k] for k in moving]
    direction = [_random(rng, x) for x in point]
    for order in range(1, row.order + 1):
        what = f"{row.id()} order {order}"
        slope = [wide(np.asarray(x)) for x in cotan.jvp(function, tuple(point), tuple(direction))[1]]
        step = 1e-6 if order == 1 else 1e-5
        ends = [
            function(*(np.asarray(x + sign * step * v) for x, v in zip(point, direction, strict=True)))
            for sign in (1, -1)
        ]
        for one, ahead, behind in zip(slope, *ends, strict=True):
            difference = (np.asarray(ahead) - np.asarray(behind)) / (2 * step)
            size = max(1.0, np.abs(difference).max(initial=0), np.abs(np.asarray(ahead)).max(initial=0))
            limit = row.slope_tol * (1 if order == 1 else 20)
            np.testing.assert_allclose(one, difference, rtol=limit, atol=limit * size, err_msg=what)
        _check_reverse(function, point, direction, slope, rng, what)
        function = _along(function, direction)


def _along(function: Any, direction: Any) -> Any:
    return lambda *values: cotan.jvp(function, values, tuple(direction))[1]


def _check_reverse(function: Any, point: Any, direction: Any, slope: Any, rng: Any, what: str) -> None:
    out, pull = cotan.vjp(function, *point)
    cotangents = [_random(rng, np.asarray(x)) for x in out]
    back = pull(cotangents)
    # The transpose of a real-linear map: the pairing takes no conjugate.
    forward = sum(np.real(np.sum(c * s)) for c, s in zip(cotangents, slope, strict=True))
    reverse = sum(np.real(np.sum(np.asarray(b) * d)) for b, d in zip(back, direction, strict=True))
    size = sum(np.sum(np.abs(c * s)) for c, s in zip(cotangents, slope, strict=True))
    assert abs(forward - reverse) <= 1e-9 * max(1.0, size), f"{what}, reverse: {forward}, {reverse}"


def _random(rng: Any, x: np.ndarray) -> np.ndarray:
    values = rng.standard_normal(x.shape)
    if np.iscomplexobj(x):
        values = values + 1j * rng.standard_normal(x.shape)
    return np.asarray(values, x.dtype)
