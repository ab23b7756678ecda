"""Index expressions of kernels: affine sums over atoms, with ranges and div/mod simplification.

``Index = const + sum of coefficient * atom``; an atom is a loop ``Axis``, a ``FloorDiv`` or ``Mod`` of an index by a
positive constant, or a ``Value``: an integer computed by a scalar expression (a gather's start), with a proven range.
Immutable, hash-consed by structure. Knows loops and integers, no arrays and no operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any


class Axis:
    """One loop: an extent and a kind ('parallel', 'reduction' or 'sequential'). Equal only to itself."""

    __slots__ = ("extent", "kind", "name", "range")

    def __init__(self, name: str, extent: int, kind: str = "parallel") -> None:
        self.name = name
        self.extent = extent
        self.kind = kind
        self.range = (0, max(extent - 1, 0))

    def __repr__(self) -> str:
        return self.name


class _Quotient:
    __slots__ = ("_hash", "divisor", "index", "range")
    range: tuple[int, int]

    def __init__(self, index: Index, divisor: int) -> None:
        self.index = index
        self.divisor = divisor
        self.range = self._range(*index.range)
        self._hash = hash((type(self).__name__, index, divisor))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Quotient)
            and type(other) is type(self)
            and self.divisor == other.divisor
            and self.index == other.index
        )

    def _range(self, lo: int, hi: int) -> tuple[int, int]:
        raise AssertionError("FloorDiv and Mod say which values they take")


class FloorDiv(_Quotient):
    """``index // divisor``, both not negative."""

    __slots__ = ()

    def _range(self, lo: int, hi: int) -> tuple[int, int]:
        return (lo // self.divisor, hi // self.divisor)

    def __repr__(self) -> str:
        return f"({self.index} // {self.divisor})"


class Mod(_Quotient):
    """``index % divisor``, in 0..divisor-1."""

    __slots__ = ()

    def _range(self, lo: int, hi: int) -> tuple[int, int]:
        return (lo, hi) if lo >= 0 and hi < self.divisor else (0, self.divisor - 1)

    def __repr__(self) -> str:
        return f"({self.index} % {self.divisor})"


class Value:
    """The integer value of a scalar expression, known to lie in lo..hi."""

    __slots__ = ("_hash", "expr", "range")

    def __init__(self, expr: Any, lo: int, hi: int) -> None:
        self.expr = expr
        self.range = (lo, hi)
        self._hash = hash(("Value", expr, lo, hi))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and self.expr == other.expr and self.range == other.range

    def __repr__(self) -> str:
        return f"value({self.expr})"


Atom = Axis | FloorDiv | Mod | Value


class Index:
    """``const + sum(coefficient * atom)``; ``terms`` is a tuple of (atom, coefficient), coefficients not zero."""

    __slots__ = ("_hash", "const", "range", "terms")
    range: tuple[int, int]
    terms: tuple[tuple[Atom, int], ...]

    def __init__(self, terms: tuple[tuple[Atom, int], ...], const: int = 0) -> None:
        self.terms = terms
        self.const = const
        lo = hi = const
        for atom, coefficient in terms:
            a, b = atom.range
            if coefficient < 0:
                a, b = b, a
            lo += a * coefficient
            hi += b * coefficient
        self.range = (lo, hi)
        self._hash = hash((frozenset(terms), const))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Index)
            and self._hash == other._hash
            and self.const == other.const
            and len(self.terms) == len(other.terms)
            and dict(self.terms) == dict(other.terms)
        )

    def __add__(self, other: Index | int) -> Index:
        if isinstance(other, int):
            return Index(self.terms, self.const + other) if other else self
        sums = dict(self.terms)
        for atom, coefficient in other.terms:
            sums[atom] = sums.get(atom, 0) + coefficient
        return _rejoin(sums, self.const + other.const)

    __radd__ = __add__

    def __sub__(self, other: Index | int) -> Index:
        return self + (-other if isinstance(other, int) else other * -1)

    def __rsub__(self, other: int) -> Index:
        return self * -1 + other

    def __neg__(self) -> Index:
        return self * -1

    def __mul__(self, factor: int) -> Index:
        if factor == 0:
            return ZERO
        return self if factor == 1 else Index(tuple((a, c * factor) for a, c in self.terms), self.const * factor)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Index:
        """Floor division; where the quotient can be taken term by term it is. The index must not be negative."""
        if divisor == 1:
            return self
        lo, hi = self.range
        if lo >= 0 and hi < divisor:
            return ZERO
        whole, rest = _split(self, divisor)
        rest_lo, rest_hi = rest.range
        if rest_lo >= 0 and rest_hi < divisor:
            return whole
        if rest_lo >= 0:
            return whole + _div_atom(rest, divisor)
        return Index(((FloorDiv(self, divisor), 1),))

    def __mod__(self, divisor: int) -> Index:
        """Remainder by a positive constant. The index must not be negative."""
        if divisor == 1:
            return ZERO
        lo, hi = self.range
        if lo >= 0 and hi < divisor:
            return self
        _, rest = _split(self, divisor)
        rest_lo, rest_hi = rest.range
        if rest_lo >= 0:
            return rest if rest_hi < divisor else _mod_atom(rest, divisor)
        return Index(((Mod(self, divisor), 1),))

    @property
    def is_const(self) -> bool:
        return not self.terms

    def coefficient(self, atom: Atom) -> int:
        """The coefficient of ``atom`` where it stands directly in the sum."""
        for other, coefficient in self.terms:
            if other is atom or other == atom:
                return coefficient
        return 0

    def text(self, show: Callable[[Any], str]) -> str:
        """The index in words; ``show`` says how to write the scalar expression of a Value."""
        parts: list[str] = []
        for atom, coefficient in self.terms:
            if isinstance(atom, FloorDiv | Mod):
                sign = "//" if isinstance(atom, FloorDiv) else "%"
                name = f"(({atom.index.text(show)}) {sign} {atom.divisor})"
            else:
                name = show(atom.expr) if isinstance(atom, Value) else str(atom)
            parts.append(f"{coefficient}*{name}" if coefficient != 1 else name)
        if self.const or not parts:
            parts.append(str(self.const))
        return " + ".join(parts).replace("+ -", "- ")

    def __repr__(self) -> str:
        return self.text(repr)


ZERO = Index((), 0)


def const_index(value: int) -> Index:
    return Index((), value)


def axis_index(axis: Axis) -> Index:
    """The index that walks ``axis``; a loop of one step is the constant 0."""
    return ZERO if axis.extent == 1 else Index(((axis, 1),))


def ravel(indices: Sequence[Index], shape: Sequence[int]) -> Index:
    """The row-major linear index of element ``indices`` of an array of ``shape``."""
    linear, stride = ZERO, 1
    for index, extent in zip(reversed(indices), reversed(shape), strict=True):
        linear = linear + index * stride
        stride *= extent
    return linear


def unravel(linear: Index, shape: Sequence[int]) -> tuple[Index, ...]:
    """The element of an array of ``shape`` that lies at the row-major position ``linear``."""
    indices: list[Index] = []
    for extent in reversed(shape[1:]):
        indices.append(linear % extent if extent else ZERO)
        linear = linear // extent if extent else ZERO
    return (linear, *reversed(indices)) if shape else ()


def _rejoin(sums: dict[Atom, int], const: int) -> Index:
    """Drop zero terms, and turn ``d*c*(x // d) + c*(x % d)`` back into ``c*x``."""
    again = any(isinstance(atom, Mod) for atom in sums)
    while again:
        again = False
        for atom, coefficient in list(sums.items()):
            if isinstance(atom, Mod) and coefficient:
                quotient = _only_atom(atom.index // atom.divisor)
                if quotient is not None and sums.get(quotient) == coefficient * atom.divisor:
                    del sums[quotient], sums[atom]
                    const += coefficient * atom.index.const
                    for inner, factor in atom.index.terms:
                        sums[inner] = sums.get(inner, 0) + coefficient * factor
                    again = True
                    break
    return Index(tuple([term for term in sums.items() if term[1]]), const)


def _only_atom(index: Index) -> Atom | None:
    """The atom that ``index`` is, if it is nothing else."""
    return index.terms[0][0] if len(index.terms) == 1 and index.const == 0 and index.terms[0][1] == 1 else None


def linear_index(idx: Sequence[Index], shape: Sequence[int]) -> Index:
    """The row-major position of element ``idx`` in an array of the given shape."""
    sums: dict[Atom, int] = {}
    const, stride = 0, 1
    for index, extent in zip(reversed(idx), reversed(shape), strict=True):
        if extent != 1:
            const += index.const * stride
            for atom, coefficient in reversed(index.terms):
                sums[atom] = sums.get(atom, 0) + coefficient * stride
        stride *= extent
    return _rejoin(dict(reversed(sums.items())), const)


def substitute(index: Index, new: Mapping[Axis, Index], value: Callable[[Value], Index] | None = None) -> Index:
    """``index`` with loops replaced by indices, simplified; ``value`` says what a Value becomes (itself if None)."""
    result = Index((), index.const)
    for atom, coefficient in index.terms:
        if isinstance(atom, Axis):
            replaced = new[atom] if atom in new else Index(((atom, 1),))
        elif isinstance(atom, FloorDiv):
            replaced = substitute(atom.index, new, value) // atom.divisor
        elif isinstance(atom, Mod):
            replaced = substitute(atom.index, new, value) % atom.divisor
        else:
            replaced = Index(((atom, 1),)) if value is None else value(atom)
        result = result + replaced * coefficient
    return result


def _split(index: Index, divisor: int) -> tuple[Index, Index]:
    """``index = divisor * whole + rest`` with every term of ``rest`` not divisible by ``divisor``."""
    whole: dict[Atom, int] = {}
    rest: dict[Atom, int] = {}
    for atom, coefficient in index.terms:
        if coefficient % divisor == 0:
            whole[atom] = coefficient // divisor
        else:
            rest[atom] = coefficient
    rest_index = Index(tuple(rest.items()), index.const)
    lo = rest_index.range[0]
    shift = lo // divisor if lo < 0 or not rest else 0
    constant = index.const // divisor if not rest else (shift if lo < 0 else _safe_carry(rest_index, divisor))
    return Index(tuple(whole.items()), constant), rest_index + -constant * divisor


def _safe_carry(rest: Index, divisor: int) -> int:
    """How many whole divisors the constant of ``rest`` holds such that the remainder stays not negative."""
    return max(0, min(rest.const // divisor, rest.range[0] // divisor))


def _common(index: Index, divisor: int) -> int:
    """The largest common factor of ``divisor`` and all coefficients."""
    common = divisor
    for _, coefficient in index.terms:
        common = math.gcd(common, coefficient)
    return common


def _div_atom(index: Index, divisor: int) -> Index:
    common = _common(index, divisor)
    if common > 1:
        index = Index(tuple((a, c // common) for a, c in index.terms), index.const // common)
        divisor //= common
        if divisor == 1:
            return index
        lo, hi = index.range
        if lo >= 0 and hi < divisor:
            return ZERO
    if (
        len(index.terms) == 1
        and index.const == 0
        and isinstance(index.terms[0][0], FloorDiv)
        and index.terms[0][1] == 1
    ):
        inner = index.terms[0][0]
        return inner.index // (inner.divisor * divisor)
    return Index(((FloorDiv(index, divisor), 1),))


def _mod_atom(index: Index, divisor: int) -> Index:
    common = _common(index, divisor)
    if common > 1:
        offset = index.const % common
        inner = Index(tuple((a, c // common) for a, c in index.terms), index.const // common)
        return (inner % (divisor // common)) * common + offset
    if len(index.terms) == 1 and index.const == 0 and isinstance(index.terms[0][0], Mod) and index.terms[0][1] == 1:
        inner_mod = index.terms[0][0]
        if inner_mod.divisor % divisor == 0:
            return inner_mod.index % divisor
    return Index(((Mod(index, divisor), 1),))
