"""Legal nodes: half-precision arithmetic in float32, rounded after each operation, and exact simplifications.

After this a node of dtype float16 or bfloat16 is a load, a cast or a bitcast, nothing else. ``build`` makes every node
of a kernel. Knows scalar operations, no primitives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.dtypes import bfloat16
from cotan.ir.scalar import BOOL, Expr, bitcast, cast, const, make

FLOAT32, FLOAT64, UINT32 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint32)
HALF = frozenset({np.dtype(np.float16), np.dtype(bfloat16)})
_AS_IS = frozenset({"load", "bitcast", "reduce", "project"})


def build(op: str, dtype: Any, args: Sequence[Expr], attr: Any) -> Expr:
    """The legal, simplified node for this operation on legal arguments. Its dtype is ``dtype``."""
    if op == "reduce":
        return make(op, None, [widen(a) for a in args], attr)
    if op == "project":
        state = args[0].args[attr]
        return cast(make("project", state.dtype, args, attr), dtype)
    if op == "cast":
        return convert(args[0], dtype)
    if op == "bitcast":
        return bitcast(args[0], dtype)
    if op == "const" and dtype in HALF:
        return make("cast", dtype, (const(_held(attr, dtype), FLOAT32),))
    if op != "load" and (dtype in HALF or any(a.dtype in HALF for a in args)):
        wide = build(op, FLOAT32 if dtype in HALF else dtype, [widen(a) for a in args], attr)
        return convert(wide, dtype)
    return _simplify(op, dtype, args, attr) or make(op, dtype, args, attr)


def widen(x: Expr) -> Expr:
    """``x``, in float32 if it has half precision."""
    return convert(x, FLOAT32) if x.dtype in HALF else x


def convert(x: Expr, dtype: Any) -> Expr:
    """``x`` as ``dtype``, by way of float32 from and to half precision."""
    if x.dtype == dtype:
        return x
    if x.op == "cast" and dtype == FLOAT32 and x.dtype in HALF and x.args[0].op == "const":
        return const(_held(x.args[0].attr, x.dtype), FLOAT32)
    if x.dtype in HALF or dtype in HALF:
        # Only between float32 and half precision is there a direct way.
        single = _rounded_to_odd if x.dtype == FLOAT64 else _single
        x = make("cast", FLOAT32, (x,)) if x.dtype in HALF else single(x)
        return x if dtype == FLOAT32 else make("cast", dtype, (x,)) if dtype in HALF else cast(x, dtype)
    return cast(x, dtype)


def _held(value: Any, dtype: Any) -> Any:
    """The float32 value that half precision makes of a constant."""
    with np.errstate(all="ignore"):
        return np.asarray(value).astype(dtype).astype(FLOAT32)


def _single(x: Expr) -> Expr:
    return cast(x, FLOAT32)


def _rounded_to_odd(x: Expr) -> Expr:
    """float64 as float32 whose last bit tells whether anything was cut off: rounding that again rounds ``x`` once."""
    nearest = cast(x, FLOAT32)
    back, bits = cast(nearest, FLOAT64), bitcast(nearest, UINT32)
    # One away from 0 comes back by one; then what lies between two neighbours is the one with an odd last bit.
    further = cast(make("gt", BOOL, (make("abs", FLOAT64, (back,)), make("abs", FLOAT64, (x,)))), UINT32)
    odd = make("or", UINT32, (make("sub", UINT32, (bits, further)), const(1, UINT32)))
    inexact = make("ne", BOOL, (back, x))
    number = make("eq", BOOL, (x, x))
    return make("select", FLOAT32, (make("and", BOOL, (inexact, number)), bitcast(odd, FLOAT32), nearest))


def _simplify(op: str, dtype: Any, args: Sequence[Expr], attr: Any) -> Expr | None:
    """An equal, simpler node, exact to the bit (also for -0.0, NaN and infinities); None if there is none."""
    if op == "select":
        condition, then, otherwise = args
        if then is otherwise:
            return then
        return None if condition.op != "const" else then if condition.attr else otherwise
    if len(args) == 2:
        return _simplify_binary(op, dtype, args[0], args[1])
    if len(args) == 1 and args[0].op == op and op in ("neg", "not"):
        return args[0].args[0]
    if op == "neg" and args[0].op == "const" and dtype.kind == "f":
        return const(-args[0].attr, dtype)
    return None


def _simplify_binary(op: str, dtype: Any, a: Expr, b: Expr) -> Expr | None:
    if a.op == "const" and b.op == "const":
        return _fold(op, dtype, a, b)
    if op in ("add", "mul") and a.op == "const":
        a, b = b, a
    if op in ("min", "max"):
        return _clamped(op, a, b)
    if b.op != "const":
        return None
    value = b.attr
    if op in ("mul", "div") and value == 1 and value is not True:
        return a
    if op == "sub" and value == 0 and not math.copysign(1.0, value) < 0:
        return a
    if op == "add" and value == 0 and (dtype.kind in "iu" or math.copysign(1.0, value) < 0):
        return a
    if op == "div" and dtype.kind == "f" and value and math.isfinite(value):
        fraction, exponent = math.frexp(value)
        if abs(fraction) == 0.5 and abs(exponent) < 100:
            return make("mul", dtype, (a, const(1.0 / value, dtype)))
    return None


def _fold(op: str, dtype: Any, a: Expr, b: Expr) -> Expr | None:
    x, y = np.asarray(a.attr, a.dtype), np.asarray(b.attr, b.dtype)
    with np.errstate(all="ignore"):
        if op in ("add", "sub", "mul"):
            return const({"add": np.add, "sub": np.subtract, "mul": np.multiply}[op](x, y), dtype)
        if op == "div" and dtype.kind == "f":
            return const(np.divide(x, y), dtype)
    return None


def _clamped(op: str, a: Expr, b: Expr) -> Expr | None:
    """``min`` and ``max`` of an index with a constant that its range decides."""
    if a.op == "const":
        a, b = b, a
    if a.op != "index" or b.op != "const" or a.dtype.kind not in "iu":
        return None
    lo, hi = a.attr.range
    if not np.iinfo(a.dtype).min <= lo <= hi <= np.iinfo(a.dtype).max:
        return None
    if op == "max":
        return a if lo >= b.attr else b if hi <= b.attr else None
    return a if hi <= b.attr else b if lo >= b.attr else None
