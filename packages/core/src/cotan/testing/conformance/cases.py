"""What the kit runs: cases, each a small program with known results, or a check of its own; and their comparison.

A case that is a program can be compiled together with many others, which matters where building a program is dear.
Knows no backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan import dtypes
from cotan.ir.primitive import Primitive
from cotan.testing.operators.table import assert_close

if TYPE_CHECKING:
    from cotan.testing.conformance.subject import Subject

LEVELS = ("eager", "kernels", "program")
"""What a backend can be tested at: the doors that it may open."""

COMPILED = frozenset({"kernels", "program"})
ALL = frozenset(LEVELS)
AT_ONCE = frozenset({"eager"})


@dataclass(frozen=True, eq=False)
class Case:
    """One test of a backend.

    Attributes:
      name: ``area/group/what``, unique.
      levels: at which of the levels it is run.
      dtypes: names of the dtypes that it needs. A backend that does not claim one of them must refuse.
      instead_of: names of dtypes; the case stands in for another one that needs these, and is run only on backends
        that do not claim them.
      primitive: the one that it tests, if it tests one.
      cell: its row and column in the support table.
    """

    name: str
    levels: frozenset[str] = ALL
    dtypes: frozenset[str] = frozenset()
    primitive: Primitive | None = None
    cell: tuple[str, str] | None = None
    instead_of: frozenset[str] = frozenset()

    @property
    def group(self) -> str:
        """``area/group``: what is one test for pytest."""
        return "/".join(self.name.split("/")[:2])


@dataclass(frozen=True, eq=False)
class Check(Case):
    """A case that does as it likes.

    Attributes:
      check: raises AssertionError if the backend is wrong. It runs where arrays go to the backend's first device.
    """

    check: Callable[[Subject], None] = field(default=lambda subject: None)


@dataclass(frozen=True, eq=False)
class ProgramCase(Case):
    """A function of arrays whose results are known.

    Attributes:
      fun: traceable; a pytree of arrays of its operands.
      args: NumPy arrays.
      wanted: gives the results, flat; None: what the references of its primitives give.
      tolerance: in eps of the dtype, relative to the larger of a result and 1e-3; None for equal, "bits" also for the
        signs of zeros.
      judge: holds the results to what is known of them, instead of ``wanted``; raises AssertionError.
      unique: what must agree, of results that are not unique.
      x64: whether 64-bit dtypes are on.
      jit: whether it is compiled, together with others, or runs at once.
    """

    fun: Callable[..., Any] = field(default=lambda *args: args)
    args: tuple[Any, ...] = ()
    wanted: Callable[[], Sequence[Any]] | None = None
    judge: Callable[[Sequence[Any]], None] | None = None
    tolerance: float | str | None = 4.0
    unique: Callable[[list[Any]], Sequence[Any]] | None = None
    x64: bool = False
    jit: bool = False

    def compare(self, found: Sequence[Any], wanted: Sequence[Any]) -> None:
        """Hold ``found`` to ``wanted``.

        Raises:
          AssertionError: they differ; the message shows both.
        """
        if self.judge is not None:
            self.judge(found)
            return
        assert len(found) == len(wanted), f"{len(found)} results, not {len(wanted)}"
        for x, y in zip(found, wanted, strict=True):
            x, y = np.asarray(x), np.asarray(y)
            assert x.dtype == y.dtype, f"a result of dtype {x.dtype}, not {y.dtype}"
            assert x.shape == y.shape, f"a result of shape {x.shape}, not {y.shape}"
        with np.errstate(all="ignore"):
            if self.unique is not None:
                found, wanted = self.unique(list(found)), self.unique(list(wanted))
            for number, (x, y) in enumerate(zip(found, wanted, strict=True)):
                what = f"result {number}"
                assert_close(x, y, None if self.tolerance == "bits" else self.tolerance, what)  # type: ignore[arg-type]
                if self.tolerance == "bits":
                    assert_same_signs(np.asarray(x), np.asarray(y), what)


def assert_same_signs(found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any], what: str) -> None:
    """Equal signs, also of zeros; not of NaN."""
    if dtypes.issubdtype(found.dtype, np.floating):
        other = (np.signbit(found) != np.signbit(wanted)) & (found == found)
        assert not other.any(), f"{what}: signs differ:\n{found}\n{wanted}"


def refused(kind: type[Exception], call: Callable[[], Any], what: str, text: str = "") -> None:
    """Hold ``call`` to raising ``kind`` with ``text`` in its message; ``what`` says what it would accept otherwise."""
    try:
        call()
    except kind as error:
        if text not in str(error):
            raise AssertionError(f"the message about {what} does not say {text!r}: {error}") from error
    else:
        raise AssertionError(f"{what}: it must raise {kind.__name__}")


def names(arrays: Iterable[Any]) -> frozenset[str]:
    """The names of the dtypes of arrays or abstract values; keys count as their words."""
    return frozenset(np.dtype(x.dtype).name if isinstance(x.dtype, np.dtype) else "uint32" for x in arrays)


def both_ways(
    name: str,
    fun: Callable[..., Any],
    args: Sequence[Any],
    wanted: Sequence[Any] | Callable[[], Sequence[Any]] | None = None,
    *,
    dtypes: Iterable[str] = (),
    **attributes: Any,
) -> list[Case]:
    """A program at once (for backends of door 1), and the same one under ``jit``.

    ``dtypes`` are those that it needs besides its operands'.
    """
    args = tuple(np.asarray(x) for x in args)
    results = wanted if callable(wanted) or wanted is None else (lambda: [np.asarray(x) for x in wanted])
    needed = names(args) | frozenset(dtypes)
    return [
        ProgramCase(
            f"{name}/{'jit' if jit else 'eager'}", ALL if jit else AT_ONCE, needed,
            fun=fun, args=args, wanted=results, jit=jit, **attributes,
        )
        for jit in (False, True)
    ]  # fmt: skip


def checks() -> tuple[list[Case], Callable[..., Any]]:
    """A list, and a decorator ``case(name, **attributes)`` that makes the function below it a check in that list."""
    found: list[Case] = []

    def case(name: str, **attributes: Any) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
        def register(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
            found.append(Check(name, check=function, **attributes))
            return function

        return register

    return found, case
