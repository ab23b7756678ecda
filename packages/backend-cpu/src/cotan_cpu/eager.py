"""Door 1: one primitive at once, by its NumPy reference or a rule of the CPU's own table.

Results are C-contiguous arrays of their own, except where a rule returns a contiguous view of an operand: buffers are
immutable, so sharing is harmless.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.ir.avals import ShapedArray
from cotan.ir.primitive import Primitive, reference
from cotan.primitives.operands import quiet
from cotan_cpu import later
from cotan_cpu.buffers import CpuBuffer, buffer_of
from cotan_cpu.pool import SMALLEST, pool
from cotan_cpu.ways import Way, fold, loop

Rule = Callable[..., Any]
_FLOATS = frozenset(map(np.dtype, (np.float32, np.float64)))


class Eager:
    """Runs primitives; remembers the rule found for each."""

    def __init__(self, table: LoweringTable) -> None:
        self._table = table
        self._rules: dict[Primitive, tuple[Rule, Any, frozenset[np.dtype]]] = {}

    def __call__(
        self,
        primitive: Primitive,
        buffers: Sequence[CpuBuffer],
        params: dict[str, Any],
        out_avals: Sequence[ShapedArray],
        device: Any,
    ) -> list[CpuBuffer]:
        rule, ufunc, others = self._rules.get(primitive) or self._find(primitive)
        arrays = [buffer.array for buffer in buffers]
        if ufunc is not None and not params and arrays[-1].dtype not in others:
            if arrays[0].nbytes < SMALLEST and arrays[-1].nbytes < SMALLEST:
                array = quiet(ufunc, *arrays)
                return [buffer_of(array if type(array) is np.ndarray else np.asarray(array), device)]
            aval = out_avals[0]
            array = pool.empty(aval.shape, aval.dtype, aval.nbytes)
            quiet(ufunc, *arrays, out=array)
            return [buffer_of(array, device)]
        result = rule(*arrays, **params)
        if not primitive.multiple_results:
            return [buffer_of(result if _is_plain(result) else plain(result), device)]
        return [buffer_of(array if _is_plain(array) else plain(array), device) for array in result]

    def direct(
        self,
        primitive: Primitive,
        in_avals: Sequence[ShapedArray],
        out_aval: ShapedArray,
        params: dict[str, Any],
        device: Any,
    ) -> Callable[..., CpuBuffer] | None:
        """The shortest way: the rule as it is prepared for these types, or with its parameters, or its ufunc.

        A rule that prepares nothing for them goes on to its ``usual`` one, which need not be found out again.
        """
        rule, ufunc, _ = self._rules.get(primitive) or self._find(primitive)
        prepare = getattr(rule, "prepare", None)
        prepared = None if prepare is None else prepare(*in_avals, **params)
        if prepared is not None:
            operation = getattr(prepared, "operation", None)
            if operation is not None:
                return later.direct(operation, out_aval, prepared, device)
            return _prepared(prepared, device)
        if ufunc is None or params:
            return _bound(getattr(rule, "usual", rule), params, device)
        if any(aval.nbytes >= SMALLEST for aval in (*in_avals, out_aval)):
            return None

        def one(x: CpuBuffer) -> CpuBuffer:
            array = quiet(ufunc, x.array)
            result = CpuBuffer()
            result.array = array if type(array) is np.ndarray else np.asarray(array)
            result.device = device
            return result

        def two(x: CpuBuffer, y: CpuBuffer) -> CpuBuffer:
            array = quiet(ufunc, x.array, y.array)
            result = CpuBuffer()
            result.array = array if type(array) is np.ndarray else np.asarray(array)
            result.device = device
            return result

        return {1: one, 2: two}.get(len(in_avals))

    def way(
        self, primitive: Primitive, in_avals: Sequence[ShapedArray], out_aval: ShapedArray, params: dict[str, Any]
    ) -> Way | None:
        """How quick binds compute: as ``direct``, by what native code can call itself where there is such."""
        rule, ufunc, _ = self._rules.get(primitive) or self._find(primitive)
        prepare = getattr(rule, "prepare", None)
        prepared = None if prepare is None else prepare(*in_avals, **params)
        if hasattr(prepared, "operation"):
            return None  # it may be put off, which takes a buffer of its own
        if prepared is not None:
            span = getattr(prepared, "span", None)
            if span is not None and span.entry is not None:
                return Way("SPAN", span.entry, span)
            return getattr(prepared, "way", None) or Way("RULE", prepared)
        if ufunc is None and out_aval.dtype in _FLOATS:
            ufunc = getattr(rule, "of_floats", None)
        folds = getattr(rule, "folds", None)
        if folds is not None and len(params["axes"]) == len(in_avals[0].shape) and in_avals[0].nbytes < SMALLEST:
            found = fold(folds, in_avals[0], out_aval)
            if found is not None:
                return found
        if ufunc is None or params:
            return Way("RULE", getattr(rule, "usual", rule), takes_parameters=True)
        if any(aval.nbytes >= SMALLEST for aval in (*in_avals, out_aval)):
            return Way("RULE", _pooled(ufunc, out_aval))
        return loop(ufunc, in_avals, out_aval) or Way("RULE", functools.partial(quiet, ufunc))

    def _find(self, primitive: Primitive) -> tuple[Rule, Any, frozenset[np.dtype]]:
        """A primitive's rule, its ufunc, and the dtypes for which it is not that."""
        rule = self._table.eager.get(primitive)
        if rule is None:
            rule = reference[primitive]
        others = getattr(rule, "always", frozenset())
        found = self._rules[primitive] = (rule, getattr(rule, "ufunc", None), others)
        return found


def _pooled(ufunc: np.ufunc, out: ShapedArray) -> Callable[..., np.ndarray]:
    """A ufunc whose result lies in pooled memory."""
    shape, dtype, nbytes = out.shape, out.dtype, out.nbytes

    def run(*arrays: np.ndarray) -> np.ndarray:
        return quiet(ufunc, *arrays, out=pool.empty(shape, dtype, nbytes))  # type: ignore[no-any-return]

    return run


def _prepared(run: Callable[..., np.ndarray], device: Any) -> Callable[..., CpuBuffer]:
    def direct(*buffers: CpuBuffer) -> CpuBuffer:
        result = CpuBuffer()
        result.array = run(*[buffer.array for buffer in buffers])
        result.device = device
        return result

    return direct


def _bound(rule: Rule, params: dict[str, Any], device: Any) -> Callable[..., CpuBuffer]:
    """A rule with its parameters."""

    def direct(*buffers: CpuBuffer) -> CpuBuffer:
        array = rule(*[buffer.array for buffer in buffers], **params)
        result = CpuBuffer()
        result.array = array if _is_plain(array) else plain(array)
        result.device = device
        return result

    return direct


def _is_plain(array: Any) -> bool:
    return type(array) is np.ndarray and array.flags.c_contiguous


def plain(result: Any) -> np.ndarray:
    """A C-contiguous copy of a view, or the array of a NumPy scalar."""
    array = np.asarray(result)
    if array.flags.c_contiguous:
        return array
    copy = pool.empty(array.shape, array.dtype, array.nbytes)
    copy[...] = array
    return copy
