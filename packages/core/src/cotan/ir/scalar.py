"""Scalar expressions of kernels: what one element of a result is. Shared nodes (a DAG), not text.

Every primitive's ``kernel`` rule builds these; the compiler fuses by substitution; backends print them. Nodes are
hash-consed, so that equal expressions are the same object and a producer stands once however many loads ask for it.

Ops (``dtype`` is the result's, a NumPy dtype):
  const            attr = Python bool/int/float
  index            attr = Index; its value as an integer of ``dtype``
  load             attr = (slot, Index): element of a kernel operand, the index linear (row-major, in elements)
  add sub mul div rem min max pow atan2 nextafter zeta
                   (div of ints truncates; rem has the dividend's sign; min and max propagate NaN)
  neg abs sign floor ceil round (half to even) trunc sqrt rsqrt exp exp2 expm1 log log1p sin cos tan asin acos atan
  sinh cosh tanh asinh acosh atanh erf erfc erf_inv lgamma digamma cbrt logistic is_finite
  and or xor not shl shr_logical shr_arithmetic popcount clz     (shl/shr by >= width give 0, arithmetic: sign fill)
  eq ne lt le gt ge                                     -> bool; ne is true for NaN
  select           args = (condition, then, else)
  cast             to ``dtype``; float to int saturates, NaN to 0; anything to bool is != 0
  bitcast          same width
  guard            attr = tuple of (Index, lo, hi); args = (then, otherwise): ``then`` where lo <= index < hi for all,
                   and only there is it evaluated (its loads may be out of bounds elsewhere)
  reduce           attr = (combiner, axes); args = inits + bodies (k and k). Its value is k states; read one by:
  project          attr = k; args = (reduce,)
  complex real imag conj    the parts of complex numbers. They, and whatever else has a complex dtype, occur in the
                   answers of kernel rules alone: the compiler writes them out in real numbers

A combiner is a name ('add', 'mul', 'max', 'min', 'and', 'or', 'xor') for k = 1, or a ``Combiner`` with any k.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from cotan.ir.index import Axis, FloorDiv, Index, Mod, Value, axis_index, const_index

BOOL = np.dtype(np.bool_)


class Expr:
    """One node. Make nodes with the functions of this module, never directly."""

    __slots__ = ("op", "dtype", "args", "attr", "free_axes", "uses", "__weakref__")
    op: str
    dtype: Any
    args: tuple[Expr, ...]
    attr: Any
    free_axes: frozenset[Axis]
    """The loops that the value depends on (a reduction binds its own)."""
    uses: tuple[Expr, ...]
    """All expressions that it needs: its arguments, then those inside its indices."""

    def __init__(self, op: str, dtype: Any, args: tuple[Expr, ...], attr: Any) -> None:
        self.op = op
        self.dtype = dtype
        self.args = args
        self.attr = attr
        self.free_axes = _free_axes(op, args, attr)
        self.uses = (*args, *_values_in(op, attr)) if op in _INDEXED else args

    def __repr__(self) -> str:
        return _show(self, _SHOWN_DEPTH)


_NO_AXES: frozenset[Axis] = frozenset()


def _free_axes(op: str, args: tuple[Expr, ...], attr: Any) -> frozenset[Axis]:
    """Computed at birth, so that nothing recurs into deep expressions later; most nodes share an operand's."""
    axes = _NO_AXES
    for arg in args:
        more = arg.free_axes
        if more is not axes and more:
            axes = more if not axes or axes <= more else axes if more <= axes else axes | more
    if op == "load":
        return index_axes(attr[1])
    if op == "index":
        return index_axes(attr)
    if op == "guard":
        return axes.union(*(index_axes(index) for index, _, _ in attr))
    return axes.difference(attr[1]) if op == "reduce" else axes


_INDEXED = frozenset({"load", "index", "guard"})


def node_indices(op: str, attr: Any) -> tuple[Index, ...]:
    """The indices that stand in a node of this ``op`` and ``attr``."""
    if op == "load":
        return (attr[1],)
    if op == "index":
        return (attr,)
    if op == "guard":
        return tuple(index for index, _, _ in attr)
    return ()


def index_values(index: Index) -> Iterator[Expr]:
    """The scalar expressions inside ``index``."""
    for atom, _ in index.terms:
        if isinstance(atom, Value):
            yield atom.expr
        elif isinstance(atom, FloorDiv | Mod):
            yield from index_values(atom.index)


def inner_values(node: Expr) -> tuple[Expr, ...]:
    """The expressions inside the indices of ``node``."""
    return node.uses[len(node.args) :]


def _values_in(op: str, attr: Any) -> list[Expr]:
    return [
        value
        for index in node_indices(op, attr)
        if any(not isinstance(atom, Axis) for atom, _ in index.terms)
        for value in index_values(index)
    ]


_SHOWN_DEPTH = 5


def _show(node: Expr, depth: int) -> str:
    """The text of ``node``, cut off where it nests deeper: shared nodes would make it grow without bound."""
    if depth == 0:
        return "..."
    attr = ""
    if node.op == "const":
        attr = f"[{node.attr!r}]"
    elif node.op == "load":
        attr = f"[{node.attr[0]!r}, {node.attr[1].text(lambda e: _show(e, depth - 1))}]"
    elif node.op == "index":
        attr = f"[{node.attr.text(lambda e: _show(e, depth - 1))}]"
    elif node.op in ("reduce", "project"):
        attr = f"[{node.attr!r}]"
    args = ", ".join(_show(arg, depth - 1) for arg in node.args)
    return f"{node.op}{attr}({args})" if node.args else f"{node.op}{attr}"


@dataclass(frozen=True)
class Combiner:
    """An associative combination of tuple states: ``combine(a, b)`` takes and returns lists of k expressions.

    ``append``, where there is one, may stand for it where all that b is made of comes after what a is made of: it is
    the shorter way for loops that go through elements in their order.
    """

    name: str
    combine: Callable[[Sequence[Expr], Sequence[Expr]], Sequence[Expr]]
    commutative: bool = True
    append: Callable[[Sequence[Expr], Sequence[Expr]], Sequence[Expr]] | None = None


_nodes: WeakValueDictionary[tuple[Any, ...], Expr] = WeakValueDictionary()


def make(op: str, dtype: Any, args: Sequence[Expr] = (), attr: Any = None) -> Expr:
    """The one node of this structure."""
    args = tuple(args)
    # repr keeps 0.0 and -0.0, 1 and True apart, and NaN equal to itself.
    key = (op, dtype, args, repr(attr) if op == "const" else attr)
    node = _nodes.get(key)
    return _nodes.setdefault(key, Expr(op, dtype, args, attr)) if node is None else node


def index_axes(index: Index) -> frozenset[Axis]:
    """The loops that occur in ``index``, also inside div, mod and values."""
    axes: set[Axis] = set()
    for atom, _ in index.terms:
        if isinstance(atom, Axis):
            axes.add(atom)
        elif isinstance(atom, FloorDiv | Mod):
            axes |= index_axes(atom.index)
        else:
            axes |= atom.expr.free_axes
    return frozenset(axes)


def const(value: Any, dtype: Any) -> Expr:
    """A constant; ``value`` is anything that converts to ``dtype``."""
    dtype = np.dtype(dtype)
    return make("const", dtype, (), np.asarray(value, dtype).item() if dtype.kind != "V" else float(value))


def load(slot: Any, index: Index, dtype: Any) -> Expr:
    return make("load", np.dtype(dtype), (), (slot, index))


def index_value(index: Index, dtype: Any = np.int32) -> Expr:
    """An index as a number (iota)."""
    return const(index.const, dtype) if index.is_const else make("index", np.dtype(dtype), (), index)


def as_index(expr: Expr, lo: int, hi: int) -> Index:
    """An integer expression as an index, known to lie in lo..hi (clamp it first if it may not)."""
    if expr.op == "index":
        return expr.attr  # type: ignore[no-any-return]
    if expr.op == "const":
        return Index((), int(expr.attr))
    return Index(((Value(expr, lo, hi), 1),))


def unary_op(op: str) -> Callable[[Expr], Expr]:
    """``f(x)`` of the operand's dtype."""

    def apply(x: Expr) -> Expr:
        return make(op, x.dtype, (x,))

    apply.__name__ = op
    return apply


def binary_op(op: str) -> Callable[[Expr, Expr], Expr]:
    """``f(x, y)`` of the operands' common dtype."""

    def apply(x: Expr, y: Expr) -> Expr:
        return make(op, x.dtype, (x, y))

    apply.__name__ = op
    return apply


def compare_op(op: str) -> Callable[[Expr, Expr], Expr]:
    """``f(x, y)`` that gives a bool."""

    def apply(x: Expr, y: Expr) -> Expr:
        return make(op, BOOL, (x, y))

    apply.__name__ = op
    return apply


neg, abs_, sign, floor, ceil, round_, trunc = map(unary_op, ("neg", "abs", "sign", "floor", "ceil", "round", "trunc"))
sqrt, rsqrt, exp, exp2, expm1, log, log1p = map(unary_op, ("sqrt", "rsqrt", "exp", "exp2", "expm1", "log", "log1p"))
sin, cos, tan, asin, acos, atan = map(unary_op, ("sin", "cos", "tan", "asin", "acos", "atan"))
sinh, cosh, tanh, asinh, acosh, atanh = map(unary_op, ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"))
erf, erfc, erf_inv, lgamma, digamma = map(unary_op, ("erf", "erfc", "erf_inv", "lgamma", "digamma"))
cbrt, logistic, not_, popcount, clz = map(unary_op, ("cbrt", "logistic", "not", "popcount", "clz"))
add, sub, mul, div, rem, min_, max_ = map(binary_op, ("add", "sub", "mul", "div", "rem", "min", "max"))
pow_, atan2, nextafter, zeta = map(binary_op, ("pow", "atan2", "nextafter", "zeta"))
and_, or_, xor, shl = map(binary_op, ("and", "or", "xor", "shl"))
shr_logical, shr_arithmetic = map(binary_op, ("shr_logical", "shr_arithmetic"))
conj = unary_op("conj")
eq, ne, lt, le, gt, ge = map(compare_op, ("eq", "ne", "lt", "le", "gt", "ge"))


def complex_(x: Expr, y: Expr) -> Expr:
    """The complex number of these parts."""
    return make("complex", np.result_type(x.dtype, np.complex64), (x, y))


def real(x: Expr) -> Expr:
    return make("real", x.dtype.type(0).real.dtype, (x,))


def imag(x: Expr) -> Expr:
    return make("imag", x.dtype.type(0).real.dtype, (x,))


def is_finite(x: Expr) -> Expr:
    return make("is_finite", BOOL, (x,))


def select(condition: Expr, then: Expr, otherwise: Expr) -> Expr:
    return then if then is otherwise else make("select", then.dtype, (condition, then, otherwise))


def cast(x: Expr, dtype: Any) -> Expr:
    dtype = np.dtype(dtype)
    if x.dtype == dtype:
        return x
    if x.op == "const":
        with np.errstate(all="ignore"):
            if not (dtype.kind in "iu" and x.dtype.kind not in "iub"):
                return const(np.asarray(x.attr, x.dtype).astype(dtype).item(), dtype)
    return make("cast", dtype, (x,))


def bitcast(x: Expr, dtype: Any) -> Expr:
    return x if x.dtype == np.dtype(dtype) else make("bitcast", np.dtype(dtype), (x,))


def guard(conditions: Sequence[tuple[Index, int, int]], then: Callable[[], Expr] | Expr, otherwise: Expr) -> Expr:
    """``then`` where every (index, lo, hi) has lo <= index < hi, else ``otherwise``; what always holds drops out."""
    kept = []
    for index, lo, hi in conditions:
        low, high = index.range
        if high < lo or low >= hi:
            return otherwise
        if not (lo <= low and high < hi):
            kept.append((index, lo, hi))
    value = then() if callable(then) else then
    return make("guard", value.dtype, (value, otherwise), tuple(kept)) if kept else value


UNROLL = 4
"""Reductions over at most so many elements are written out, without a loop."""


def combine(combiner: str | Combiner, old: Sequence[Expr], new: Sequence[Expr]) -> list[Expr]:
    """The states after combining ``old`` with ``new``."""
    if isinstance(combiner, Combiner):
        return list(combiner.combine(old, new))
    return [make(combiner, old[0].dtype, (old[0], new[0]))]


def reduce(
    combiner: str | Combiner, extents: Sequence[int], inits: Sequence[Expr], body: Callable[..., Sequence[Expr]]
) -> list[Expr]:
    """States after combining ``body(*indices)`` over all of ``extents``, beginning with ``inits``.

    ``body`` gets one Index per extent and returns as many expressions as there are states. ``inits`` must be neutral
    (combining with them changes nothing), so that a reduction may be done in parts.
    """
    size = math.prod(extents)
    if size == 0:
        return list(inits)
    if size <= UNROLL:
        state = None
        for position in itertools.product(*map(range, extents)):
            new = list(body(*map(const_index, position)))
            state = new if state is None else combine(combiner, state, new)
        return list(state or inits)
    axes = tuple(Axis(f"r{n}", extent, "reduction") for n, extent in enumerate(extents))
    bodies = list(body(*map(axis_index, axes)))
    axes = tuple(axis for axis in axes if axis.extent != 1)
    node = make("reduce", None, (*inits, *bodies), (combiner, axes))
    return [make("project", init.dtype, (node,), k) for k, init in enumerate(inits)]


@dataclass(frozen=True)
class Operand:
    """An operand as a kernel rule sees it: ``x[i, j]`` is the expression of that element."""

    shape: tuple[int, ...]
    dtype: Any
    element: Callable[[tuple[Index, ...]], Expr]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Index | tuple[Index, ...]) -> Expr:
        return self.element(index if isinstance(index, tuple) else (index,))


@dataclass(frozen=True)
class Cumulative:
    """A running reduction along one axis: out[.., k, ..] = combine over body(0..k) (or k.. if ``reverse``).

    ``body(indices)`` gives the element at the full index tuple.
    """

    axis: int
    combiner: str | Combiner
    inits: tuple[Expr, ...]
    body: Callable[[tuple[Index, ...]], Sequence[Expr]]
    reverse: bool = False


@dataclass(frozen=True)
class Scatter:
    """Start from operand 0, then for every update u (in order) combine ``value(u)`` into element ``target(u)``.

    Attributes:
      extents: the iteration space of the updates.
      target: update indices -> (conditions, index tuple into the result); an update whose conditions fail is dropped.
      value: update indices -> the update's expression.
      combine: (old, new) -> stored expression; None stores the new one.
      unique: whether no two updates have the same target.
    """

    extents: tuple[int, ...]
    target: Callable[[tuple[Index, ...]], tuple[Sequence[tuple[Index, int, int]], tuple[Index, ...]]]
    value: Callable[[tuple[Index, ...]], Expr]
    combine: Callable[[Expr, Expr], Expr] | None
    unique: bool = False


@dataclass(frozen=True)
class Library:
    """Best done by a library (matmul, sort): the backend's choice. ``fallback`` may give the elements by loops."""

    name: str
    fallback: Callable[[], Expr] | None = None
