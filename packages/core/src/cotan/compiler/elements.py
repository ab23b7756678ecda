"""Values as functions of an index: what a kernel rule says of one element, with its operands left open.

An ``Op`` is one equation as the fuser sees it. ``op.elements(idx)`` asks the primitive's kernel rule for the elements
at ``idx``; in the answer, an operand's element is an open load whose slot is ``(variable, index tuple)``. Whether the
variable becomes a buffer or is replaced by its own element is decided later. Knows no primitive by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from cotan.compiler.complex_numbers import Pair
from cotan.compiler.parts import NoParts, Part, Splitter, is_complex, is_separable
from cotan.dtypes import ExtendedDType, bfloat16, float0
from cotan.errors import scope_of
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.index import ZERO, Axis, Index, axis_index, const_index, linear_index
from cotan.ir.jaxpr import Atom as JaxprAtom
from cotan.ir.jaxpr import Eqn, Literal, Var
from cotan.ir.primitive import Primitive, kernel
from cotan.ir.scalar import Cumulative, Expr, Library, Operand, Scatter, const, make

Idx = tuple[Index, ...]
Rule = Callable[..., Any]
NO_RULES: Mapping[Primitive, Rule] = MappingProxyType({})
SCALARS = frozenset(
    np.dtype(t)
    for t in ("bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", bfloat16, "f4", "f8")
)  # fmt: skip


def physical(aval: ShapedArray) -> ShapedArray:
    """How ``aval`` is stored: keys are arrays of their words."""
    dtype = aval.dtype
    return shaped(aval.shape + dtype.trailing, dtype.base) if isinstance(dtype, ExtendedDType) else aval


def is_empty(aval: ShapedArray) -> bool:
    """Whether there is nothing to compute: no elements, or elements without bytes."""
    return 0 in aval.shape or aval.dtype == float0


def has_scalars(aval: ShapedArray) -> bool:
    """Whether kernels can deal with elements of this type, complex ones by their parts."""
    dtype = physical(aval).dtype
    return dtype in SCALARS or is_complex(dtype) or aval.dtype == float0


def iteration(shape: Sequence[int], name: str = "i") -> tuple[tuple[Axis, ...], Idx]:
    """Fresh parallel loops over ``shape``, and the index tuple that they walk; loops of one step are left out."""
    axes = tuple(Axis(f"{name}{n}", extent) for n, extent in enumerate(shape))
    return tuple(axis for axis in axes if axis.extent != 1), tuple(map(axis_index, axes))


def normal_index(idx: Sequence[Index | int], shape: Sequence[int]) -> Idx:
    """``idx`` with ints as indices, and 0 where there is but one element."""
    return tuple(
        ZERO if extent == 1 else const_index(i) if isinstance(i, int) else i
        for i, extent in zip(idx, shape, strict=True)
    )


class Common:
    """What the operations of one compilation share: equal loops and equal loads are made once.

    Operations over one shape walk the same loops, so that what one says of its elements holds where another reads them.
    """

    def __init__(self) -> None:
        self._spaces: dict[tuple[int, ...], tuple[tuple[Axis, ...], Idx]] = {}
        self._places: dict[tuple[tuple[Index | int, ...], tuple[int, ...]], tuple[Idx, Index]] = {}
        self._operands: dict[JaxprAtom, Operand] = {}
        self._parts: dict[Var, tuple[Part, Part]] = {}
        self._split = Splitter(self._load_parts)

    def parts(self, atoms: Sequence[JaxprAtom]) -> tuple[Var, ...]:
        """The variables among ``atoms`` as the fuser knows them: the parts of complex ones, and others themselves."""
        found: list[Var] = []
        for atom in atoms:
            if isinstance(atom, Var):
                found.extend(self._both(atom) if is_complex(atom.aval.dtype) else (atom,))
        return tuple(found)

    def part(self, atom: JaxprAtom, number: int) -> JaxprAtom:
        """One part of a complex variable or constant; what is real stays."""
        if not is_complex(atom.aval.dtype):
            return atom
        if isinstance(atom, Var):
            return self._both(atom)[number]
        value = np.asarray(atom.val, atom.aval.dtype)
        return Literal(value.imag if number else value.real)

    def _both(self, var: Var) -> tuple[Part, Part]:
        found = self._parts.get(var)
        if found is None:
            found = self._parts[var] = (Part(var, 0), Part(var, 1))
        return found

    def in_parts(self, elements: Sequence[Expr], outs: Sequence[Var]) -> tuple[Expr, ...]:
        """What a rule says of ``outs`` in real numbers: the parts of complex elements, and others themselves.

        Raises:
          NoParts: an operation on complex numbers cannot be written out.
        """
        found: list[Expr] = []
        for element, out in zip(elements, outs, strict=True):
            found.extend(self._split.pair(element) if is_complex(out.aval.dtype) else (self._split.plain(element),))
        return tuple(found)

    def _load_parts(self, slot: Any) -> Pair:
        var, idx = slot
        real, imag = self._both(var)
        return self.load(real, idx), self.load(imag, idx)

    def space(self, shape: tuple[int, ...]) -> tuple[tuple[Axis, ...], Idx]:
        """The parallel loops over ``shape``, and the index tuple that they walk."""
        found = self._spaces.get(shape)
        if found is None:
            found = self._spaces[shape] = iteration(shape)
        return found

    def operand(self, atom: JaxprAtom) -> Operand:
        """``atom`` for a kernel rule; a key array shows its words."""
        found = self._operands.get(atom)
        if found is None:
            if isinstance(atom, Literal):
                value = literal_value(atom)
                found = Operand((), atom.aval.dtype, lambda idx: value)
            else:
                aval = physical(atom.aval)
                found = Operand(aval.shape, aval.dtype, lambda idx: self.load(atom, idx))
            self._operands[atom] = found
        return found

    def load(self, var: Var, idx: tuple[Index | int, ...]) -> Expr:
        """``open_load(var, idx)``."""
        aval = physical(var.aval)
        place = self._places.get((idx, aval.shape))
        if place is None:
            place = self._places[idx, aval.shape] = _place(idx, aval.shape)
        return _load(var, aval.dtype, *place)


def _place(idx: Sequence[Index | int], shape: tuple[int, ...]) -> tuple[Idx, Index]:
    """The element at ``idx`` as an open load names it, and where it lies."""
    index = normal_index(idx, shape)
    return index, linear_index(index, shape)


def open_load(var: Var, idx: Sequence[Index | int]) -> Expr:
    """The element of ``var`` at the physical index ``idx``, to be resolved later."""
    aval = physical(var.aval)
    return _load(var, aval.dtype, *_place(idx, aval.shape))


def _load(var: Var, dtype: Any, index: Idx, linear: Index) -> Expr:
    return make("load", dtype, (), ((var, index), in_memory(var, linear)))


def in_memory(var: Var, linear: Index) -> Index:
    """Where the element ``linear`` of ``var`` lies, counted in numbers: the parts of complex ones alternate."""
    return linear * 2 + var.number if type(var) is Part else linear


def literal_value(literal: Literal) -> Expr:
    value = literal.val
    return const(value.item() if isinstance(value, np.ndarray | np.generic) else value, literal.aval.dtype)


def _operand(atom: JaxprAtom, words: Idx | None, common: Common) -> Operand:
    """``atom`` for a kernel rule; a key array shows its words if ``words`` is None, else only those at ``words``."""
    if words is not None and isinstance(atom, Var) and isinstance(atom.aval.dtype, ExtendedDType):
        return Operand(atom.aval.shape, atom.aval.dtype, lambda idx: common.load(atom, (*idx, *words)))
    return common.operand(atom)


_wants_out: dict[Rule, bool] = {}


def _call(rule: Rule, eqn: Eqn, idx: Idx, common: Common) -> Any:
    """What ``rule`` answers for the physical index ``idx`` of the result."""
    out_dtype = eqn.outvars[0].aval.dtype
    words: Idx | None = None
    if isinstance(out_dtype, ExtendedDType) and any(isinstance(v.aval.dtype, ExtendedDType) for v in eqn.invars):
        # Keys to keys: the rule moves whole keys, and so it says the same of each word.
        n = len(out_dtype.trailing)
        idx, words = idx[: len(idx) - n], idx[len(idx) - n :]
    operands = [_operand(atom, words, common) for atom in eqn.invars]
    wants = _wants_out.get(rule)
    if wants is None:
        wants = _wants_out[rule] = "out" in inspect.signature(rule).parameters
    if wants:
        avals = tuple(v.aval for v in eqn.outvars)
        return rule(idx, *operands, out=avals if eqn.primitive.multiple_results else avals[0], **eqn.params)
    return rule(idx, *operands, **eqn.params)


def _of_words(record: Scatter, rule: Rule, eqn: Eqn, idx: Idx, common: Common) -> Scatter:
    """A scatter of keys, as its rule describes it, as one of their words: each update walks the words of its key."""
    trailing = eqn.outvars[0].aval.dtype.trailing
    rank, n = len(record.extents), len(trailing)

    def target(update: Idx) -> tuple[Sequence[tuple[Index, int, int]], Idx]:
        conditions, place = record.target(update[:rank])
        return conditions, (*place, *update[rank:])

    def value(update: Idx) -> Expr:
        word: Scatter = _call(rule, eqn, (*idx[: len(idx) - n], *update[rank:]), common)
        return word.value(update[:rank])

    return Scatter((*record.extents, *trailing), target, value, record.combine, record.unique)


class Op:
    """One equation as the fuser sees it.

    Attributes:
      kind: 'map' (elements are expressions), 'cumulative', 'scatter', 'library', 'host', 'control'; 'parts', if the
        same equation of the real and of the imaginary parts is to stand for it.
      record: the rule's Cumulative, Scatter or Library; what a loop or branch is.
      outs, operands: the results, and the variables of the equation that it reads; of complex ones the parts.
      axes, idx: its own loops over the result's shape and the index tuple that they walk.
      eqn: the equation.
      keep: whether its results must be in memory.
    """

    __slots__ = (
        "_elements",
        "_memo",
        "axes",
        "eqn",
        "idx",
        "keep",
        "kind",
        "name",
        "operands",
        "outs",
        "position",
        "record",
    )

    def __init__(
        self,
        name: str,
        kind: str,
        outs: Sequence[Var],
        elements: Callable[[Idx], tuple[Expr, ...]] | None,
        eqn: Eqn | None = None,
        record: Any = None,
        space: tuple[tuple[Axis, ...], Idx] | None = None,
        position: int = 0,
        keep: bool = False,
        operands: Sequence[Var] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.outs = tuple(outs)
        if operands is None:
            operands = () if eqn is None else [v for v in eqn.invars if isinstance(v, Var)]
        self.operands = tuple(operands)
        self.eqn = eqn
        self.record = record
        self.position = position
        self.keep = keep
        self._elements = elements
        self._memo: dict[Idx, tuple[Expr, ...]] = {}
        self.axes, self.idx = space or iteration(physical(outs[0].aval).shape if outs else ())

    @property
    def label(self) -> str:
        """The operation's name behind those of the named scopes that it is in, for people."""
        scope = "" if self.eqn is None else scope_of(self.eqn.source)
        return f"{scope}/{self.name}" if scope else self.name

    def elements(self, idx: Idx) -> tuple[Expr, ...]:
        """The elements of all results at ``idx`` (one index tuple for all: their shapes are equal)."""
        found = self._memo.get(idx)
        if found is None:
            assert self._elements is not None
            found = self._memo[idx] = self._elements(idx)
        return found

    def preset(self, idx: Idx, elements: tuple[Expr, ...]) -> None:
        """Remember what the rule already said at ``idx``."""
        self._memo[idx] = elements

    def __repr__(self) -> str:
        return f"Op({self.name}, {self.kind})"


def make_op(
    eqn: Eqn,
    position: int,
    supports_library: Any,
    kernels: Mapping[Primitive, Rule] = NO_RULES,
    common: Common | None = None,
) -> Op | None:
    """The Op of an equation; None if there is no kernel rule for it and it must be decomposed or left to the host.

    ``common`` is what it shares with other operations (nothing if None).
    """
    common = common or Common()
    avals = [v.aval for v in eqn.outvars]
    space = common.space(physical(avals[0]).shape) if avals else None

    def made(kind: str, elements: Callable[[Idx], tuple[Expr, ...]] | None = None, record: Any = None) -> Op:
        outs, operands = common.parts(eqn.outvars), common.parts(eqn.invars)
        return Op(eqn.primitive.name, kind, outs, elements, eqn, record, space, position, operands=operands)

    if eqn.effects:
        return made("host")
    if avals and all(map(is_empty, avals)):
        return made("empty")
    avals.extend(v.aval for v in eqn.invars)
    rule = kernels.get(eqn.primitive) or kernel.get(eqn.primitive)
    if rule is None or space is None or not all(map(has_scalars, avals)):
        # Libraries may know more than kernels do.
        plain = all(isinstance(aval.dtype, np.dtype) for aval in avals)
        known = rule is not None and plain and _by_library(eqn, supports_library)
        return made("library") if known else None
    complexes = any(is_complex(aval.dtype) for aval in avals)

    def expressions(answer: Any) -> tuple[Expr, ...]:
        found = answer.fallback() if isinstance(answer, Library) and answer.fallback is not None else answer
        found = tuple(found) if isinstance(found, tuple | list) else (found,)
        return common.in_parts(found, eqn.outvars) if complexes else found

    answer = _call(rule, eqn, space[1], common)
    if isinstance(answer, Cumulative | Scatter) and complexes:
        return made("parts") if is_separable(answer, avals[0].dtype) else None
    if isinstance(answer, Cumulative):
        return made("cumulative", record=answer)
    if isinstance(answer, Scatter):
        if isinstance(avals[0].dtype, ExtendedDType):
            answer = _of_words(answer, rule, eqn, space[1], common)
        return made("scatter", record=answer)
    if isinstance(answer, Library) and _by_library(eqn, supports_library):
        return made("library", record=answer)
    if isinstance(answer, Library) and answer.fallback is None:
        return None
    op = made("map", lambda idx: expressions(_call(rule, eqn, idx, common)))
    try:
        op.preset(space[1], expressions(answer))
    except NoParts:
        return None
    return op


def _by_library(eqn: Eqn, supports_library: Any) -> bool:
    """Whether the backend's library is to do ``eqn``: a rule's ``wants(eqn)`` may leave small ones to loops."""
    if eqn.primitive not in supports_library:
        return False
    wants = getattr(supports_library[eqn.primitive], "wants", None) if isinstance(supports_library, dict) else None
    return wants is None or bool(wants(eqn))


def prefix(nest: tuple[Axis, ...], free: frozenset[Axis]) -> tuple[Axis, ...]:
    """The loops of ``nest`` down to the last one in ``free``: where a value with these free axes is computed."""
    for depth in range(len(nest), 0, -1):
        if nest[depth - 1] in free:
            return nest[:depth]
    return ()
