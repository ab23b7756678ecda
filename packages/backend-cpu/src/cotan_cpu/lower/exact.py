"""Operations whose values leave no choice: at once they become native code when they have taken long enough.

IEEE 754 rounds sums, products, quotients and roots of real numbers in one way, and integers, comparisons, choices and
what only moves elements do not round at all, so that native code and NumPy give the same bits (but for those of a NaN).
What adds floats up, or multiplies complex numbers, is not among them. Elementwise operations share code for all sizes
(``spans``), others are programs of one step for one shape.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.backend import LoweringTable
from cotan.config import config
from cotan.errors import UnsupportedError
from cotan.ir.primitive import Primitive, abstract, reference
from cotan.primitives.operands import quiet
from cotan_cpu import native
from cotan_cpu.eager import plain
from cotan_cpu.lower import at_once
from cotan_cpu.patience import Patient
from cotan_cpu.pool import SMALLEST, pool

_KEPT = 512
_LEAST = 1024
"""Elements from which it is for operations that NumPy has no vector loop for."""
_LARGE = 1 << 18
"""Elements in half precision from which reductions are programs from the first call on, and never below: their values
depend on who computes them."""
HALF = frozenset({np.dtype(np.float16), np.dtype(dtypes.bfloat16)})
_KNOWN = HALF | frozenset(map(np.dtype, "?bhilBHILfdFD"))

Dtypes = Sequence[np.dtype]


def _any(operands: Dtypes, params: dict[str, Any]) -> bool:
    return True


def _real(operands: Dtypes, params: dict[str, Any]) -> bool:
    return operands[-1].kind != "c"


def _whole(operands: Dtypes, params: dict[str, Any]) -> bool:
    return operands[0].kind in "biu"


def _cast(operands: Dtypes, params: dict[str, Any]) -> bool:
    """All but to half precision from double: programs go by single precision, which rounds twice."""
    return np.dtype(params["new_dtype"]) not in HALF or operands[0].itemsize < (16 if operands[0].kind == "c" else 8)


_ELEMENTWISE: dict[Callable[[Dtypes, dict[str, Any]], bool], str] = {
    _any: """add add_any sub neg max min eq ne lt le gt ge select_n clamp complex real imag and or xor not shift_left
        shift_right_logical shift_right_arithmetic population_count clz is_finite floor ceil round nextafter""",
    _real: "mul div rem square sqrt integer_pow abs sign reduce_precision",
    _cast: "convert_element_type",
}
_OTHERS: dict[Callable[[Dtypes, dict[str, Any]], bool], str] = {
    _any: """transpose rev pad concatenate broadcast_in_dim dynamic_slice dynamic_update_slice gather scatter
        reduce_and reduce_or reduce_xor argmax argmin top_k""",
    # Of floats, the order decides how sums round, and which of two zeros is the largest.
    _whole: """reduce_sum reduce_prod reduce_max reduce_min cumsum cumprod cummax cummin reduce_window_sum
        reduce_window_max reduce_window_min scatter_add scatter_mul scatter_min scatter_max threefry2x32""",
}  # fmt: skip
_REDUCTIONS = frozenset(
    ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "cumsum", "cumprod", "cummax", "cummin"]
)


def _spread(arrays: Sequence[np.ndarray]) -> tuple[int, ...]:
    """The shape of an elementwise result."""
    return max((array.shape for array in arrays), key=len)


def _sized(function: Callable[..., Any], dtype: np.dtype) -> Callable[..., np.ndarray]:
    """``function(*arrays, result)`` as one that makes the elementwise result."""

    def run(*arrays: np.ndarray) -> np.ndarray:
        shape = _spread(arrays)
        out = pool.empty(shape, dtype, math.prod(shape) * dtype.itemsize)
        function(*arrays, out)
        return out

    return run


@functools.lru_cache(maxsize=_KEPT)
def _elementwise(usual: Callable[..., Any], primitive: Primitive, types: Any, params: tuple[Any, ...]) -> Patient:
    """For operands of these dtypes, of which some are scalars, and any sizes."""
    from cotan_cpu.spans import Operation, span

    operation = Operation(primitive, types, params)
    dtype = np.dtype(abstract[primitive](*[var.aval for var in operation.operands()], **dict(params)).dtype)
    ufunc = getattr(usual, "ufunc", None)
    by_numpy = functools.partial(usual, **dict(params))
    if ufunc is not None and not params:
        by_numpy = _sized(lambda *arrays: quiet(ufunc, *arrays[:-1], out=arrays[-1]), dtype)

    def make() -> Callable[..., np.ndarray] | None:
        found = span(operation)
        if found is None:
            return None
        run = _sized(found, found.dtype)
        run.code = found  # type: ignore[attr-defined]
        return run

    return Patient(lambda *arrays: plain(by_numpy(*arrays)), make, compares=False)


@functools.lru_cache(maxsize=_KEPT)
def _other(
    usual: Callable[..., Any], primitive: Primitive, types: Any, params: tuple[Any, ...], threads: int
) -> Patient:
    """For operands of these shapes and dtypes, and so many threads."""
    several = primitive.multiple_results

    def by_numpy(*arrays: np.ndarray) -> Any:
        found = usual(*arrays, **dict(params))
        return [plain(array) for array in found] if several else plain(found)

    def make() -> Callable[..., Any] | None:
        try:
            executable = at_once.compiled(primitive, types, params, threads)
        except UnsupportedError:
            return None
        return executable.on_arrays()

    return Patient(by_numpy, make, compares=True)


def _is_large(operands: Sequence[Any], has_loop: bool) -> bool:
    """Whether so many elements are worth the time that is lost by asking."""
    largest = max(operands, key=lambda x: x.size, default=None)
    if largest is None:
        return False
    if has_loop and largest.dtype not in HALF:
        return bool(largest.nbytes >= SMALLEST)
    return bool(largest.size >= _LEAST)


def _rule(
    primitive: Primitive, usual: Callable[..., Any], allowed: Callable[..., bool], elementwise: bool
) -> Callable[..., Any]:
    """``usual``, an eager rule, as one that becomes native code."""
    inner = getattr(usual, "prepare", None)
    other = getattr(usual, "usual", usual)
    of_floats = getattr(usual, "of_floats", None)
    reduces = primitive.name in _REDUCTIONS
    loops = any(getattr(rule, name, None) is not None for rule in (usual, other) for name in ("ufunc", "folds"))

    def found(operands: Sequence[Any], params: dict[str, Any]) -> Patient | None:
        kinds = [np.dtype(x.dtype) for x in operands]
        has_loop = loops or (of_floats is not None and kinds[-1].kind == "f")
        always = reduces and kinds[0] in HALF and operands[0].size >= _LARGE
        if not _KNOWN.issuperset(kinds) or not (always or allowed(kinds, params)) or not _is_large(operands, has_loop):
            return None
        values = tuple(params.items())
        if any(isinstance(value, float | complex | np.generic) for value in params.values()):
            return None  # 0.0 and -0.0 are equal, and do not compute the same
        if elementwise:
            shape = _spread(operands)
            types: Any = tuple((kind, bool(shape) and not x.shape) for kind, x in zip(kinds, operands, strict=True))
            return _elementwise(other, primitive, types, values)
        types = tuple((x.shape, kind) for kind, x in zip(kinds, operands, strict=True))
        patient = _other(other, primitive, types, values, native.thread_count(config.num_threads))
        if always:
            patient.begin()
        return patient

    def prepare(*operands: Any, **params: Any) -> Callable[..., Any] | None:
        prepared = None if inner is None else inner(*operands, **params)
        if prepared is not None and elementwise:
            return prepared  # type: ignore[no-any-return]
        patient = found(operands, params)
        code = None if patient is None else getattr(patient.native, "code", None)
        if code is not None:
            shape = _spread(operands)
            return at_once.of_size(code, shape, math.prod(shape))
        return prepared if patient is None else patient

    @functools.wraps(usual)
    def rule(*arrays: np.ndarray, **params: Any) -> Any:
        patient = found(arrays, params)
        return usual(*arrays, **params) if patient is None else patient(*arrays)

    rule.prepare = prepare  # type: ignore[attr-defined]
    rule.usual = other  # type: ignore[attr-defined]
    return rule


def register(table: LoweringTable) -> None:
    """Put them around the rules that there are."""
    for names, elementwise in ((_ELEMENTWISE, True), (_OTHERS, False)):
        for allowed, listed in names.items():
            for name in listed.split():
                primitive = Primitive.catalogue[name]
                usual = table.eager.get(primitive) or reference[primitive]
                table.eager[primitive] = _rule(primitive, usual, allowed, elementwise)
