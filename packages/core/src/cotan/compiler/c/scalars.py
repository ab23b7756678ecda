"""Scalar operations as text in languages like C, for single values and for vectors of lanes.

A bool is an int, 0 or 1; a vector of them is a vector of int masks, 0 or -1. float16 and bfloat16 are their bits.
Operands are names or literals, so that they may be repeated. Knows no memory, no loops and no kernels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.compiler.c.language import Language
from cotan.dtypes import bfloat16
from cotan.errors import UnsupportedError

FLOAT32, INT32 = np.dtype(np.float32), np.dtype(np.int32)
_HALF = {np.dtype(np.float16): "half", np.dtype(bfloat16): "bfloat"}
_LANES = "0123456789abcdef"
_INFIX = {"add": "+", "sub": "-", "mul": "*", "and": "&", "or": "|", "xor": "^"}
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_OF_BOOLS = {
    "add": "{0} | {1}", "or": "{0} | {1}", "max": "{0} | {1}", "mul": "{0} & {1}", "and": "{0} & {1}",
    "min": "{0} & {1}", "sub": "{0} ^ {1}", "xor": "{0} ^ {1}", "ne": "{0} ^ {1}", "eq": "NOT({0} ^ {1})",
    "lt": "NOT({0}) & {1}", "gt": "{0} & NOT({1})", "le": "NOT({0}) | {1}", "ge": "{0} | NOT({1})",
}  # fmt: skip
_FUNCTIONS = frozenset(
    {"exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"}
    | {"asinh", "acosh", "atanh", "erf", "erfc", "cbrt", "lgamma", "sqrt", "floor", "ceil", "trunc", "atan2"}
    | {"nextafter"}
)
_RENAMED = {"round": "rint", "abs": "fabs", "rem": "fmod", "pow": "pow", "digamma": "cotan_digamma"}


def stored(dtype: Any) -> Any:
    """The dtype as which values are held: the bits of half precision."""
    return np.dtype(np.uint16) if dtype in _HALF else dtype


def lane(text: str, k: int) -> str:
    """Lane ``k`` of the vector that the variable ``text`` names."""
    return f"{text}.s{_LANES[k]}"


class Scalars:
    """Prints operations in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    # ---- Types and literals

    def memory_type(self, dtype: Any) -> str:
        """The type of elements in memory."""
        return self.language.types[stored(dtype).name]

    def type(self, dtype: Any, lanes: int = 1) -> str:
        """The type of values."""
        name = "int" if dtype.kind == "b" else self.memory_type(dtype)
        return name if lanes == 1 else f"{name}{lanes}"

    def splat(self, text: str, dtype: Any, lanes: int) -> str:
        """One value in every lane."""
        return f"(({self.type(dtype, lanes)})({f'-({text})' if dtype.kind == 'b' else text}))"

    def literal(self, value: Any, dtype: Any) -> str:
        kind, size = dtype.kind, dtype.itemsize
        if kind == "b":
            return "1" if value else "0"
        if kind == "f" and dtype not in _HALF:
            return self._real(float(value), dtype)
        if dtype in _HALF:
            return str(int(np.asarray(value).astype(dtype).view(np.uint16)))
        name, number = self.memory_type(dtype), int(value)
        if kind == "i":
            if number == -(1 << 63):
                return f"(({name})(-9223372036854775807L - 1))"
            text = f"{number}L" if abs(number) > 0x7FFFFFFF else str(number)
        else:
            text = f"{number}UL" if number > 0xFFFFFFFF else f"{number}u"
        return text if kind == "i" and size == 4 and number >= 0 else f"(({name}){text})"

    def _real(self, value: float, dtype: Any) -> str:
        suffix = "f" if dtype == FLOAT32 else ""
        if math.isnan(value) or math.isinf(value):
            text = f"(({self.type(dtype)})NAN)" if math.isnan(value) else f"(({self.type(dtype)})INFINITY)"
            return f"(-{text})" if value < 0 else text
        text = (str(np.float32(value)) if suffix else repr(value)) + suffix
        return f"({text})" if math.copysign(1.0, value) < 0 else text

    # ---- Conversions

    def cast(self, x: str, of: Any, to: Any, lanes: int) -> str:
        """``x`` as the dtype ``to``; floats saturate, and anything is True that is not 0."""
        if to.kind == "b":
            return x if of.kind == "b" else self._mask(f"({x} != {self._zero(of, lanes)})", of, lanes)
        if of.kind == "b" and lanes > 1:
            return self._convert(f"({x} & 1)", INT32, to, lanes)
        if of in _HALF:
            return self._half("float_of_" + _HALF[of], x, FLOAT32, lanes)
        if to in _HALF:
            return self._half(_HALF[to] + "_of_float", x, to, lanes)
        if of.kind == "f" and to.kind in "iu":
            found = self._saturated(x, of, to, lanes)
            nan = self._mask(f"({x} != {x})", of, lanes)
            return self.select(nan, lanes > 1, self.one(to, lanes, 0), found, to, lanes)
        return self._convert(x, of, to, lanes)

    def _saturated(self, x: str, of: Any, to: Any, lanes: int) -> str:
        if self.too_wide(of, lanes) or self.too_wide(to, lanes):
            return self.by_halves(lambda x, lanes: self._saturated(x, of, to, lanes), [x], to, lanes)
        return self.language.saturated.format(to=self.type(to, lanes), of=self.type(of, lanes), x=x)

    def _half(self, name: str, x: str, to: Any, lanes: int) -> str:
        if lanes == 1:
            return f"cotan_{name}({x})"
        return f"cotan_{name}{lanes}({x})" if self.language.vectors else self._lanewise(f"cotan_{name}", [x], to, lanes)

    def _zero(self, dtype: Any, lanes: int) -> str:
        zero = "((ushort)0)" if dtype in _HALF else self.literal(0, dtype)
        return zero if lanes == 1 else self.splat(zero, dtype, lanes)

    def _convert(self, x: str, of: Any, to: Any, lanes: int) -> str:
        name = self.type(to, lanes)
        if lanes == 1:
            return f"(({name})({x}))"
        return x if self.type(of, lanes) == name else f"convert_{name}({x})"

    def _mask(self, comparison: str, dtype: Any, lanes: int) -> str:
        """A comparison of values of ``dtype`` as a bool."""
        size = stored(dtype).itemsize
        return comparison if lanes == 1 or size == 4 else f"convert_int{lanes}({comparison})"

    def bitcast(self, x: str, of: Any, to: Any, lanes: int) -> str:
        one, other = self.type(of, lanes), self.type(to, lanes)
        if of.kind == "b" or to.kind == "b":
            return self.cast(x, of, to, lanes)
        if one == other:
            return x
        if lanes == 1 and stored(of).kind in "iu" and stored(to).kind in "iu":
            return f"(({other})({x}))"
        return self.language.bits.format(to=other, of=one, x=x)

    def select(self, condition: str, masked: bool, then: str, otherwise: str, dtype: Any, lanes: int) -> str:
        """The choice of one bool (``masked`` false), or lane by lane."""
        if not masked:
            return f"({condition} ? {then} : {otherwise})"
        size = 4 if dtype.kind == "b" else stored(dtype).itemsize
        kind = {1: "char", 2: "short", 4: "int", 8: "long"}[size]
        mask = condition if size == 4 else f"convert_{kind}{lanes}({condition})"
        if dtype == FLOAT32 and "select" in self.language.own and self.too_wide(dtype, lanes):
            return self.call("select", dtype, lanes, mask, then, otherwise)
        # Not the function `select`: some runtimes call it.
        return f"({mask} ? {then} : {otherwise})"

    # ---- Operations

    def apply(self, op: str, dtype: Any, args: Sequence[str], lanes: int) -> str:
        """The operation on operands of ``dtype``, all with so many lanes."""
        if dtype.kind == "b":
            return self._of_bools(op, args, lanes)
        if op in _COMPARE:
            return self._mask(f"({args[0]} {_COMPARE[op]} {args[1]})", dtype, lanes)
        rule: Callable[..., str] | None = (_ON_REALS if dtype.kind == "f" else _ON_INTEGERS).get(op)
        if rule is not None:
            return rule(self, dtype, lanes, *args)
        if dtype.kind == "f" and (op in _FUNCTIONS or op in _RENAMED):
            return self.call(op, dtype, lanes, *args)
        raise UnsupportedError(self.language.name, f"the scalar operation {op} of {dtype}")

    def _of_bools(self, op: str, args: Sequence[str], lanes: int) -> str:
        if op in ("not", "is_finite"):
            true = "1" if lanes == 1 else f"((int{lanes})(-1))"
            return true if op == "is_finite" else f"(!{args[0]})" if lanes == 1 else f"(~{args[0]})"
        if op not in _OF_BOOLS:
            raise UnsupportedError(self.language.name, f"the scalar operation {op} of bool")
        text = _OF_BOOLS[op].replace("NOT", "!" if lanes == 1 else "~")
        return f"({text.format(*args)})"

    def call(self, op: str, dtype: Any, lanes: int, *args: str) -> str:
        """A function by its name in this language."""
        if dtype == FLOAT32 and op in self.language.own:
            return f"cotan_{op}_float{lanes if lanes > 1 else ''}({', '.join(args)})"
        name = self.language.names.get(op) or _RENAMED.get(op, op)
        if self.language.suffixed and dtype == FLOAT32:
            name += "f"
        if lanes > 1 and op in self.language.lanewise:
            return self._lanewise(name, args, dtype, lanes)
        return self.library(name, args, dtype, lanes)

    def library(self, name: str, args: Sequence[str], dtype: Any, lanes: int) -> str:
        """A call of one of the language's own functions; vectors that are too wide for it are given to it by halves."""
        if not self.too_wide(dtype, lanes):
            return f"{name}({', '.join(args)})"
        return self.by_halves(lambda *rest: self.library(name, rest[:-1], dtype, rest[-1]), args, dtype, lanes)

    def of_lanes(self, name: str, mask: str, lanes: int) -> str:
        """Whether ``all`` or ``any`` lanes of a bool are true."""
        if not self.too_wide(INT32, lanes):
            return f"{name}({mask})"
        halves = (self.of_lanes(name, f"{mask}.{half}", lanes // 2) for half in ("lo", "hi"))
        return f"({(' & ' if name == 'all' else ' | ').join(halves)})"

    def too_wide(self, dtype: Any, lanes: int) -> bool:
        return 0 < self.language.widest < lanes * stored(dtype).itemsize and lanes > 1

    def by_halves(self, call: Callable[..., str], args: Sequence[str], dtype: Any, lanes: int) -> str:
        """What ``call(*args, lanes)`` gives for both halves of the arguments, as a vector of ``dtype``."""
        halves = (call(*(f"{arg}.{half}" for arg in args), lanes // 2) for half in ("lo", "hi"))
        return f"(({self.type(dtype, lanes)})({', '.join(halves)}))"

    def _lanewise(self, name: str, args: Sequence[str], dtype: Any, lanes: int) -> str:
        calls = (f"{name}({', '.join(lane(arg, k) for arg in args)})" for k in range(lanes))
        return f"(({self.type(dtype, lanes)})({', '.join(calls)}))"

    def one(self, dtype: Any, lanes: int, value: Any = 1) -> str:
        text = self.literal(value, dtype)
        return text if lanes == 1 else self.splat(text, dtype, lanes)

    def choose(self, condition: str, then: str, otherwise: str, dtype: Any, lanes: int) -> str:
        """By a comparison of values of ``dtype`` itself."""
        return self.select(self._mask(condition, dtype, lanes), lanes > 1, then, otherwise, dtype, lanes)

    def unsigned(self, dtype: Any) -> Any:
        return np.dtype(f"u{dtype.itemsize}")

    def as_unsigned(self, x: str, dtype: Any, lanes: int) -> str:
        return x if dtype.kind == "u" else self.bitcast(x, dtype, self.unsigned(dtype), lanes)

    def wrapped(self, text: str, dtype: Any, lanes: int) -> str:
        """An unsigned result of C's arithmetic as the integer ``dtype``."""
        return (
            f"(({self.type(dtype)})({text}))"
            if lanes == 1
            else self.bitcast(f"({text})", self.unsigned(dtype), dtype, lanes)
        )


# ---- Integers: all arithmetic is unsigned, where C says what happens


def _arithmetic(op: str) -> Callable[..., str]:
    def rule(s: Scalars, dtype: Any, lanes: int, x: str, y: str) -> str:
        # C would multiply two short unsigned numbers as signed ones.
        one = "1u * " if op == "mul" and dtype.itemsize < 4 and lanes == 1 else ""
        x, y = s.as_unsigned(x, dtype, lanes), s.as_unsigned(y, dtype, lanes)
        return s.wrapped(f"{one}{x} {_INFIX[op]} {y}", dtype, lanes)

    return rule


def _bitwise(op: str) -> Callable[..., str]:
    def rule(s: Scalars, dtype: Any, lanes: int, x: str, y: str) -> str:
        text = f"({x} {_INFIX[op]} {y})"
        return text if lanes > 1 else f"(({s.type(dtype)}){text})"

    return rule


def _safe(s: Scalars, dtype: Any, lanes: int, y: str) -> str:
    """A divisor that is neither 0 nor, if signed, -1."""
    one, zero = s.one(dtype, lanes), s.one(dtype, lanes, 0)
    bad = f"({y} == {zero})" + (f" | ({y} == {s.one(dtype, lanes, -1)})" if dtype.kind == "i" else "")
    return s.choose(f"({bad})", one, y, dtype, lanes)


_LITERALS = re.compile(r": \(\(\w+\)\(\(*(\w+\))?\(?-?\d+[uUL]*\)+$")
"""A divisor that is ``_safe`` and else the same number in all lanes."""


def _divided(s: Scalars, dtype: Any, lanes: int, x: str, y: str) -> str:
    """By a divisor that is ``_safe``; compilers know a better way where it is a literal."""
    kind = s.type(dtype)
    if lanes == 1 or f"quotient {kind}" not in s.language.own or _LITERALS.search(y):
        return f"({x} / {y})"
    return f"cotan_quotient_{kind}{lanes}({x}, {y})"


def _quotient(s: Scalars, dtype: Any, lanes: int, x: str, y: str) -> str:
    quotient = _divided(s, dtype, lanes, x, _safe(s, dtype, lanes, y))
    if lanes == 1:
        quotient = f"(({s.type(dtype)}){quotient})"
    minus = s.one(dtype, lanes, -1 if dtype.kind == "i" else np.iinfo(dtype).max)
    if dtype.kind == "i":
        quotient = s.choose(f"({y} == {minus})", _negated(s, dtype, lanes, x), quotient, dtype, lanes)
    return s.choose(f"({y} == {s.one(dtype, lanes, 0)})", minus, quotient, dtype, lanes)


def _remainder(s: Scalars, dtype: Any, lanes: int, x: str, y: str) -> str:
    safe = _safe(s, dtype, lanes, y)
    if lanes == 1:
        rest = f"(({s.type(dtype)})({x} % {safe}))"
    else:
        rest = f"({x} - {_divided(s, dtype, lanes, x, safe)} * {safe})"
    return s.choose(f"({y} == {s.one(dtype, lanes, 0)})", x, rest, dtype, lanes)


def _negated(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
    return s.wrapped(f"{s.one(s.unsigned(dtype), lanes, 0)} - {s.as_unsigned(x, dtype, lanes)}", dtype, lanes)


def _magnitude(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
    if dtype.kind == "u":
        return x
    return s.choose(f"({x} < {s.one(dtype, lanes, 0)})", _negated(s, dtype, lanes, x), x, dtype, lanes)


def _sign(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
    one, zero = s.one(dtype, lanes), s.one(dtype, lanes, 0)
    positive = s.choose(f"({x} > {zero})", one, zero, dtype, lanes)
    if dtype.kind == "u":
        return positive
    return s.choose(f"({x} < {zero})", s.one(dtype, lanes, -1), positive, dtype, lanes)


def _shift(op: str) -> Callable[..., str]:
    def rule(s: Scalars, dtype: Any, lanes: int, x: str, y: str) -> str:
        unsigned, bits = s.unsigned(dtype), 8 * dtype.itemsize
        amount, last = s.as_unsigned(y, dtype, lanes), s.one(unsigned, lanes, bits - 1)
        small = f"({amount} <= {last})"
        bound = s.choose(small, amount, last, unsigned, lanes)
        if op == "shr_arithmetic":
            if dtype.kind == "u":
                x = s.bitcast(x, unsigned, np.dtype(f"i{dtype.itemsize}"), lanes)
                return s.bitcast(
                    f"({x} >> {_as_signed(s, dtype, lanes, bound)})", np.dtype(f"i{dtype.itemsize}"), dtype, lanes
                )
            text = f"({x} >> {_as_signed(s, dtype, lanes, bound)})"
            return text if lanes > 1 else f"(({s.type(dtype)}){text})"
        shifted = s.wrapped(f"{s.as_unsigned(x, dtype, lanes)} {'<<' if op == 'shl' else '>>'} {bound}", dtype, lanes)
        return s.select(s._mask(small, dtype, lanes), lanes > 1, shifted, s.one(dtype, lanes, 0), dtype, lanes)

    return rule


def _as_signed(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
    return s.bitcast(x, s.unsigned(dtype), np.dtype(f"i{dtype.itemsize}"), lanes)


def _extreme(comparison: str) -> Callable[..., str]:
    def rule(s: Scalars, dtype: Any, lanes: int, x: str, y: str) -> str:
        return s.choose(f"({x} {comparison} {y})", x, y, dtype, lanes)

    return rule


def _count(op: str) -> Callable[..., str]:
    def rule(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
        name = s.language.names.get(op, op)
        x = s.as_unsigned(x, dtype, lanes)
        if lanes > 1 and op == "popcount" and dtype.itemsize == 4 and "ones uint" in s.language.own:
            return s.bitcast(f"cotan_ones_uint{lanes}({x})", s.unsigned(dtype), dtype, lanes)
        if name == op:
            return s.bitcast(s.library(name, [x], s.unsigned(dtype), lanes), s.unsigned(dtype), dtype, lanes)
        width = f", {8 * dtype.itemsize}" if op == "clz" else ""
        return f"(({s.type(dtype)}){name}({x}{width}))"

    return rule


def _integer_power(s: Scalars, dtype: Any, lanes: int, x: str, y: str) -> str:
    name = f"cotan_power_{s.type(dtype)}"
    return f"{name}({x}, {y})" if lanes == 1 else s._lanewise(name, [x, y], dtype, lanes)


def _itself(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
    return x


def _always(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
    return "1" if lanes == 1 else f"((int{lanes})(-1))"


def _not(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
    return f"(~{x})" if lanes > 1 else f"(({s.type(dtype)})(~{x}))"


_ON_INTEGERS: dict[str, Callable[..., str]] = {
    "add": _arithmetic("add"), "sub": _arithmetic("sub"), "mul": _arithmetic("mul"), "div": _quotient,
    "rem": _remainder, "neg": _negated, "abs": _magnitude, "sign": _sign, "pow": _integer_power,
    "and": _bitwise("and"), "or": _bitwise("or"), "xor": _bitwise("xor"), "not": _not,
    "shl": _shift("shl"), "shr_logical": _shift("shr_logical"), "shr_arithmetic": _shift("shr_arithmetic"),
    "min": _extreme("<"), "max": _extreme(">"), "popcount": _count("popcount"), "clz": _count("clz"),
    "floor": _itself, "ceil": _itself, "round": _itself, "trunc": _itself, "is_finite": _always,
}  # fmt: skip


# ---- Reals


def _plain(text: str) -> Callable[..., str]:
    def rule(s: Scalars, dtype: Any, lanes: int, *args: str) -> str:
        return text.format(*args)

    return rule


def _extreme_or_nan(op: str, comparison: str) -> Callable[..., str]:
    def rule(s: Scalars, dtype: Any, lanes: int, x: str, y: str) -> str:
        if op in s.language.own and dtype == FLOAT32 and s.too_wide(dtype, lanes):
            return s.call(op, dtype, lanes, x, y)
        # The inner choice is one instruction of many processors; a reduction's state is x, for which it waits alone.
        extreme = s.choose(f"({y} {comparison} {x})", y, x, dtype, lanes)
        return s.choose(f"({y} != {y})", y, extreme, dtype, lanes)

    return rule


def _sign_of_real(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
    one = s.call("copysign", dtype, lanes, s.one(dtype, lanes), x)
    return s.choose(f"(({x} == {s.one(dtype, lanes, 0)}) | ({x} != {x}))", x, one, dtype, lanes)


def _is_finite(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
    infinity = s.one(dtype, lanes, math.inf)
    return s._mask(f"({s.call('abs', dtype, lanes, x)} < {infinity})", dtype, lanes)


def _rsqrt(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
    return f"({s.one(dtype, lanes)} / {s.call('sqrt', dtype, lanes, x)})"


def _logistic(s: Scalars, dtype: Any, lanes: int, x: str) -> str:
    if dtype == FLOAT32 and "logistic" in s.language.own:
        return s.call("logistic", dtype, lanes, x)
    one = s.one(dtype, lanes)
    return f"({one} / ({one} + {s.call('exp', dtype, lanes, f'(-{x})')}))"


_ON_REALS: dict[str, Callable[..., str]] = {
    "add": _plain("({0} + {1})"), "sub": _plain("({0} - {1})"), "mul": _plain("({0} * {1})"),
    "div": _plain("({0} / {1})"), "neg": _plain("(-{0})"), "min": _extreme_or_nan("min", "<"),
    "max": _extreme_or_nan("max", ">"),
    "sign": _sign_of_real, "is_finite": _is_finite, "rsqrt": _rsqrt, "logistic": _logistic,
}  # fmt: skip
