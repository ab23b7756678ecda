"""Complex numbers as two real ones: kernels know no others.

What a kernel rule says of complex elements is written out as expressions of their real and imaginary parts, so that
fusion and backends meet real numbers alone. A complex array in memory is an array of pairs, and each of its parts a
variable that lies in every second number of it. Knows scalar operations, no primitives.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.compiler import complex_numbers as numbers
from cotan.compiler.complex_functions import FUNCTIONS
from cotan.compiler.complex_numbers import Pair
from cotan.ir import scalar as s
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.index import ZERO
from cotan.ir.jaxpr import Var
from cotan.ir.scalar import Combiner, Cumulative, Expr, Scatter, const, make


class NoParts(Exception):
    """An operation on complex numbers that is not written out here."""


class Part(Var):
    """The real (0) or imaginary (1) part of the complex variable ``whole``, in whose memory it lies."""

    __slots__ = ("whole", "number")

    def __init__(self, whole: Var, number: int) -> None:
        super().__init__(shaped(whole.aval.shape, _part_dtype(whole.aval.dtype)))
        self.whole = whole
        self.number = number


def stored(var: Var) -> Var:
    """The variable in whose memory ``var`` lies."""
    return var.whole if type(var) is Part else var


def as_pairs(aval: ShapedArray) -> ShapedArray:
    """How kernels see an array in memory: complex numbers are pairs."""
    return shaped((*aval.shape, 2), _part_dtype(aval.dtype)) if is_complex(aval.dtype) else aval


def is_complex(dtype: Any) -> bool:
    """Whether ``dtype`` is complex."""
    return isinstance(dtype, np.dtype) and dtype.kind == "c"


def _part_dtype(dtype: Any) -> Any:
    return np.dtype(f"f{dtype.itemsize // 2}")


def is_separable(record: Cumulative | Scatter, dtype: Any) -> bool:
    """Whether each part of what ``record`` says of complex elements needs that part of what it reads alone: sums and
    moves do."""
    if isinstance(record, Cumulative):
        return record.combiner == "add"
    if record.combine is None:
        return True
    old, new = (make("load", dtype, (), (slot, ZERO)) for slot in ("old", "new"))
    combined = record.combine(old, new)
    return combined.op == "add" and set(combined.args) == {old, new}


class Splitter:
    """Writes expressions out in parts; equal ones once.

    Args:
      load: the parts of a complex load, by its slot.
    """

    def __init__(self, load: Callable[[Any], Pair]) -> None:
        self._load = load
        self._memo: dict[Expr, Expr | Pair] = {}

    def plain(self, node: Expr) -> Expr:
        """``node``, which is real, made of real nodes alone.

        Raises:
          NoParts: it cannot be written out.
        """
        found = self(node)
        assert isinstance(found, Expr)
        return found

    def pair(self, node: Expr) -> Pair:
        """The parts of ``node``; a real one has no imaginary part.

        Raises:
          NoParts: it cannot be written out.
        """
        found = self(node)
        return (found, const(0, found.dtype)) if isinstance(found, Expr) else found

    def __call__(self, node: Expr) -> Expr | Pair:
        found = self._memo.get(node)
        if found is None:
            found = self._memo[node] = self._split(node)
        return found

    def _split(self, node: Expr) -> Expr | Pair:
        if node.op == "project":
            reduction = node.args[0]
            if not any(is_complex(a.dtype) for a in reduction.args):
                return node
            parts = self._reduction(reduction)
            return (parts[0], parts[1])
        if not is_complex(node.dtype) and not any(is_complex(a.dtype) for a in node.args):
            return make(node.op, node.dtype, tuple(map(self.plain, node.args)), node.attr) if node.args else node
        rule = _RULES.get(node.op)
        if rule is None:
            if node.op == "load":
                return self._load(node.attr[0])
            raise NoParts(node.op)
        return rule(node, [self(a) for a in node.args])

    def _reduction(self, node: Expr) -> Sequence[Expr]:
        """The two states of a complex sum, product, maximum or minimum."""
        combiner, axes = node.attr
        if combiner != "add" and combiner not in _COMBINERS:
            raise NoParts(f"reduce {combiner}")
        init, body = map(self.pair, node.args)
        if combiner == "add":
            sums = [make("reduce", None, each, node.attr) for each in zip(init, body, strict=True)]
            return [make("project", part.dtype, (each,), 0) for part, each in zip(init, sums, strict=True)]
        both = make("reduce", None, (*init, *body), (_COMBINERS[combiner], axes))
        return [make("project", part.dtype, (both,), k) for k, part in enumerate(init)]


# ---- Operations of the scalar language


def _conj(x: Pair) -> Pair:
    return x[0], s.neg(x[1])


def _cast(node: Expr, x: Expr | Pair) -> Expr | Pair:
    if isinstance(x, Expr):
        dtype = _part_dtype(node.dtype)
        return s.cast(x, dtype), const(0, dtype)
    if is_complex(node.dtype):
        dtype = _part_dtype(node.dtype)
        return s.cast(x[0], dtype), s.cast(x[1], dtype)
    if node.dtype == s.BOOL:
        return s.or_(s.cast(x[0], s.BOOL), s.cast(x[1], s.BOOL))
    return s.cast(x[0], node.dtype)


def _branches(node: Expr, condition: Sequence[Any], branches: Sequence[Any]) -> Pair:
    """A choice between complex numbers, part by part."""
    then, otherwise = branches
    parts = [make(node.op, a.dtype, (*condition, a, b), node.attr) for a, b in zip(then, otherwise, strict=True)]
    return parts[0], parts[1]


def _called(function: Callable[..., Pair], node: Expr, args: Sequence[Pair]) -> Pair:
    return function(*args)


def _const(node: Expr) -> Pair:
    dtype = _part_dtype(node.dtype)
    return const(node.attr.real, dtype), const(node.attr.imag, dtype)


Rule = Callable[[Expr, Sequence[Any]], "Expr | Pair"]
_RULES: dict[str, Rule] = {
    "const": lambda node, args: _const(node),
    "complex": lambda node, args: (args[0], args[1]),
    "real": lambda node, args: args[0][0],
    "imag": lambda node, args: args[0][1],
    "conj": lambda node, args: _conj(args[0]),
    "neg": lambda node, args: numbers.neg(args[0]),
    "sign": lambda node, args: numbers.sign(args[0]),
    "add": lambda node, args: numbers.add(*args),
    "sub": lambda node, args: numbers.sub(*args),
    "mul": lambda node, args: numbers.mul(*args),
    "div": lambda node, args: numbers.div(*args),
    "max": lambda node, args: numbers.max_(*args),
    "min": lambda node, args: numbers.min_(*args),
    "abs": lambda node, args: numbers.abs_(args[0]),
    "eq": lambda node, args: s.and_(s.eq(args[0][0], args[1][0]), s.eq(args[0][1], args[1][1])),
    "ne": lambda node, args: s.or_(s.ne(args[0][0], args[1][0]), s.ne(args[0][1], args[1][1])),
    "is_finite": lambda node, args: s.and_(s.is_finite(args[0][0]), s.is_finite(args[0][1])),
    "select": lambda node, args: _branches(node, args[:1], args[1:]),
    "guard": lambda node, args: _branches(node, (), args),
    "cast": lambda node, args: _cast(node, args[0]),
    **{name: functools.partial(_called, function) for name, function in FUNCTIONS.items()},
}  # fmt: skip


def _combiner(name: str, function: Callable[[Pair, Pair], Pair]) -> Combiner:
    return Combiner(f"complex_{name}", lambda old, new: function((old[0], old[1]), (new[0], new[1])))


_COMBINERS = {
    "mul": _combiner("mul", numbers.mul),
    "max": _combiner("max", numbers.max_),
    "min": _combiner("min", numbers.min_),
}
