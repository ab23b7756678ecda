"""The table of public functions: sample calls, from which values, types, derivatives, mapping and jit are tested.

A row is one call: an operand stands where an array goes, everything else is static. Families of rows stand in
``rows_<family>.py`` beside this file. The oracles are NumPy, SciPy and definitions, computed in double precision.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from cotan import dtypes

Function = Callable[..., Any]

KINDS: dict[str, tuple[Any, ...]] = {
    "b": (np.bool_,),
    "i": (np.int8, np.int16, np.int32, np.int64),
    "l": (np.int64,),  # where there is no operand
    "u": (np.uint8, np.uint16, np.uint32, np.uint64),
    "h": (np.float16, dtypes.bfloat16),
    "f": (np.float32, np.float64),
    "c": (np.complex64, np.complex128),
}
# Relative errors in units of the element type's eps; a row multiplies them.
TOLERANCE: dict[Any, float] = {
    np.dtype(np.float16): 8,
    np.dtype(dtypes.bfloat16): 8,
    np.dtype(np.float32): 8,
    np.dtype(np.float64): 32,  # the oracle has errors of its own
    np.dtype(np.complex64): 16,
    np.dtype(np.complex128): 64,
}
N = -1  # an extent that is 4, and 0 where empty arrays are tried


@dataclass(frozen=True)
class Operand:
    """An array argument: values between ``low`` and ``high``, then ``made`` into what the call needs.

    Attributes:
      shape: extents; ``N`` is one that may be 0.
      dtype: the only element type; None: whatever type the row is tried with.
      made: ``array -> array``, to sort or to make definite.
      slope: whether there is a derivative with respect to it.
    """

    shape: tuple[int, ...] = (2, 3)
    low: float = -2.0
    high: float = 2.0
    dtype: Any = None
    made: Function | None = None
    slope: bool = True

    def values(self, dtype: Any, seed: int, extent: int = 4) -> np.ndarray:
        """Reproducible values of ``dtype``."""
        dtype = np.dtype(dtype if self.dtype is None else self.dtype)
        shape = tuple(extent if n == N else n for n in self.shape)
        rng = np.random.default_rng((seed, len(shape), *shape))
        low, high = self.low, self.high
        if dtype == np.bool_:
            array = rng.random(shape) < 0.5
        elif dtypes.issubdtype(dtype, np.integer):
            # Integers of a narrow range are too few: they get a wider one, positive where the range is.
            wide = (2 * low if low else 0, 2 * high) if self.dtype is None else (low, high)
            first = max(int(np.ceil(wide[0])), 0 if dtype.kind == "u" else int(wide[0]) - 1)
            array = rng.integers(first, max(int(wide[1]), first), shape, endpoint=True)
        elif dtypes.issubdtype(dtype, np.complexfloating):
            array = rng.uniform(low, high, shape) + 1j * rng.uniform(low, high, shape)
        else:
            array = rng.uniform(low, high, shape)
        array = np.asarray(array)
        return np.asarray(array if self.made is None else self.made(array)).astype(dtype)


@dataclass(frozen=True)
class Row:
    """One call of a public function.

    Attributes:
      module, name: the function.
      args, kwargs: the call; operands may stand in lists and tuples.
      dtypes: letters of ``KINDS``.
      oracle: the same call in NumPy; None: the function of that name in NumPy or SciPy.
      elementwise: every shape is tried, broadcast, and all pairs of awkward values.
      result: the element type of results where it is not NumPy's: one, "given" (that of the operands) or "inexact".
      native: whether the oracle computes in the operands' own type.
      tol: multiplies the tolerances.
      floor: values below this part of the largest one are compared absolutely (elementwise: below 1e-3).
      order: up to which order derivatives are compared.
      slope_tol: relative error of derivatives.
      specials: whether NaN and infinities are tried.
      edges: whether the limits of the element type are (elementwise functions).
      jit, vmap: whether arguments may be traced, or mapped.
      after: what of the results is unique, or compared: ``results -> results``, for both sides.
      why: why something is left out.
    """

    module: str
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    dtypes: str = "f"
    oracle: Function | None = None
    elementwise: bool = False
    result: Any = None
    native: bool = False
    tol: float = 1.0
    floor: float = 1.0
    order: int = 2
    slope_tol: float = 2e-6
    specials: bool = True
    edges: bool = True
    jit: bool = True
    vmap: bool = True
    after: Function | None = None
    why: str = ""

    @property
    def function(self) -> Function:
        """The public function."""
        return getattr(importlib.import_module(f"cotan.{self.module}"), self.name)

    @property
    def reference(self) -> Function:
        """The oracle."""
        return getattr(_theirs(self.module), self.name) if self.oracle is None else self.oracle

    @property
    def operands(self) -> list[Operand]:
        """The array arguments in order."""
        return list(_operands((self.args, self.kwargs)))

    def types(self) -> list[np.dtype[Any]]:
        """The element types with which the row is tried."""
        return [np.dtype(d) for letter in self.dtypes for d in KINDS[letter]]

    def call(self, function: Function, arrays: Any, *, after: bool = True) -> Any:
        """``function`` called with ``arrays`` for the operands."""
        given = iter(arrays)
        args = _filled(self.args, given)
        found = function(*args, **_filled(self.kwargs, given))
        return found if self.after is None or not after else self.after(found)

    def id(self) -> str:
        """For the names of tests."""
        return f"{self.module}.{self.name}"


def _theirs(module: str) -> Any:
    """The module of NumPy or SciPy of a name, or the distribution."""
    home, _, last = module.rpartition(".")
    return getattr(scipy.stats, last) if home == "scipy.stats" else importlib.import_module(module)


def _operands(value: Any) -> Iterator[Operand]:
    if isinstance(value, Operand):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _operands(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _operands(one)


def _filled(value: Any, arrays: Iterator[Any]) -> Any:
    if isinstance(value, Operand):
        return next(arrays)
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return type(value)(_filled(one, arrays) for one in value)
    if isinstance(value, dict):
        return {key: _filled(one, arrays) for key, one in value.items()}
    return value


ROWS: list[Row] = []
# Functions that no row can stand for: why, and where they are tested.
ELSEWHERE: dict[str, dict[str, str]] = {}


def row(module: str, name: str, *args: Any, kw: dict[str, Any] | None = None, **attributes: Any) -> None:
    """Enter a call."""
    ROWS.append(Row(module, name, args, kw or {}, **attributes))


def elementwise(module: str, names: str, *args: Any, **attributes: Any) -> None:
    """Enter elementwise functions of the same operands."""
    for name in names.split():
        row(module, name, *args, **{"elementwise": True, "floor": 1e-3, **attributes})


def elsewhere(module: str, reason: str, names: str) -> None:
    """Say why functions have no row."""
    ELSEWHERE.setdefault(module, {}).update(dict.fromkeys(names.split(), reason))


def load() -> list[Row]:
    """The whole table."""
    if not ROWS:
        for path in sorted(Path(__file__).parent.glob("rows_*.py")):
            importlib.import_module(f"library.{path.stem}")
    return ROWS


def of(shape: tuple[int, ...], **attributes: Any) -> Operand:
    return Operand(shape, **attributes)


def positive(x: Operand, low: float = 0.2, high: float = 3.0) -> Operand:
    return replace(x, low=low, high=high)


S = Operand(())
V = Operand((5,))
M = Operand((3, 4))
T = Operand((2, 3, 4))
VN = Operand((N,))
MN = Operand((N, 3))
