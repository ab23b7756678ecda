"""Runs cases on a backend: programs in batches, one after the other where a batch fails, each outcome once.

A case of something that the backend does not claim must be refused with UnsupportedError; that is then its success.
Knows neither pytest nor the command line.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

import cotan
from cotan import dtypes
from cotan.errors import UnsupportedError
from cotan.testing.conformance.cases import Case, Check, ProgramCase
from cotan.testing.conformance.subject import Subject
from cotan.testing.reference import ReferenceBackend
from cotan.tree import tree_leaves

BATCH = 48
"""How many programs are compiled as one, unless told otherwise."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
      status: 'passed', 'refused' (rightly), or 'failed'.
      message: what failed.
    """

    status: str
    message: str = ""


_references: WeakKeyDictionary[ProgramCase, list[Any]] = WeakKeyDictionary()
"""What the references give, for all runs of the kit in this process."""

PASSED, REFUSED = Outcome("passed"), Outcome("refused")


class Runner:
    """Cases and their outcomes on one backend.

    Args:
      subject: the backend.
      cases: those that are run; the ones at other levels, and those that stand in for others, are left out.
      batch: how many programs are compiled as one. The more, the fewer programs are built.
      apart: which cases are always compiled by themselves: failures that are expected, which must neither make a batch
        fail nor depend on what else is in it.
    """

    def __init__(
        self, subject: Subject, cases: Iterable[Case], batch: int = BATCH, apart: Callable[[Case], bool] | None = None
    ) -> None:
        self.subject = subject
        self.cases = [case for case in cases if case.levels & subject.levels and not self._stood_for(case)]
        self._outcomes: dict[Case, Outcome] = {}
        self._lock = RLock()
        self._batch_of: dict[Case, list[ProgramCase]] = {}
        for wide in (False, True):
            together = [c for c in self.cases if isinstance(c, ProgramCase) and c.jit and c.x64 == wide]
            certain = [c for c in together if self._must_run(c) and not (apart and apart(c))]
            for start in range(0, len(certain), batch):
                part = certain[start : start + batch]
                self._batch_of.update(dict.fromkeys(part, part))

    def groups(self) -> dict[str, list[Case]]:
        """The cases by their groups, in order."""
        found: dict[str, list[Case]] = {}
        for case in self.cases:
            found.setdefault(case.group, []).append(case)
        return found

    def outcome(self, case: Case) -> Outcome:
        """What comes of ``case``; it runs at the first time, with its batch if it has one."""
        with self._lock:
            if case not in self._outcomes:
                batch = self._batch_of.get(case)
                if batch is None:
                    self._outcomes[case] = self._alone(case)
                else:
                    self._together(batch)
            return self._outcomes[case]

    # ---- One case

    def _stood_for(self, case: Case) -> bool:
        return bool(case.instead_of) and self.subject.has(case.instead_of)

    def _must_run(self, case: Case) -> bool:
        known = case.primitive is None or self.subject.knows(case.primitive)
        return known and self.subject.has(case.dtypes)

    def _alone(self, case: Case) -> Outcome:
        """Run one case by itself, and judge what it raises."""
        claimed = self.subject.has(case.dtypes)
        try:
            if isinstance(case, ProgramCase):
                case.compare(self._run([case])[0], self._wanted(case))
            elif isinstance(case, Check):
                with self.subject.place():
                    case.check(self.subject)
        except UnsupportedError as error:
            if self._must_run(case):
                return Outcome("failed", f"it claims to support this, and refuses: {error}")
            return REFUSED
        except Exception as error:
            if claimed and isinstance(error, AssertionError):
                return Outcome("failed", str(error) or "".join(traceback.format_tb(error.__traceback__)[-1:]))
            what = "" if claimed else "it does not claim this, and must raise UnsupportedError, not: "
            return Outcome("failed", what + "".join(traceback.format_exception(error)))
        if not claimed:
            missing = ", ".join(sorted(case.dtypes - self.subject.capabilities.dtypes))
            return Outcome("failed", f"it does not claim {missing}, and must raise UnsupportedError; it gave a result")
        return PASSED

    def _wanted(self, case: ProgramCase) -> Sequence[Any]:
        if case.judge is not None:
            return ()
        if case.wanted is not None:
            with np.errstate(all="ignore"):
                return case.wanted()
        if case not in _references:
            device = ReferenceBackend().devices()[0]
            with cotan.config.override(enable_x64=case.x64, default_device=device):
                _references[case] = [_on_host(x) for x in tree_leaves(case.fun(*map(cotan.device_put, case.args)))]
        return _references[case]

    # ---- Programs

    def _run(self, cases: Sequence[ProgramCase]) -> list[list[Any]]:
        """The results of each case; the cases are all compiled, or all not.

        An operand that several cases have is passed once, so that what they compute alike is compiled once.
        """
        [first, *_] = cases
        operands = {id(x): x for case in cases for x in case.args}

        def program(given: list[Any]) -> list[list[Any]]:
            there = dict(zip(operands, given, strict=True))
            return [tree_leaves(case.fun(*(there[id(x)] for x in case.args))) for case in cases]

        with self.subject.place(first.x64):
            if first.jit:
                outs = cotan.jit(program)(list(operands.values()))
            else:
                outs = program([cotan.device_put(x) for x in operands.values()])
            return [[_on_host(x) for x in part] for part in outs]

    def _together(self, batch: list[ProgramCase]) -> None:
        """Run a batch as one program; where that goes wrong, each of its cases as one."""
        try:
            results = self._run(batch)
        except Exception as error:
            for case in batch:
                self._outcomes[case] = self._alone(case)
            if all(self._outcomes[case].status == "passed" for case in batch):
                text = "each program of the batch passes, all together as one fail: " + "".join(
                    traceback.format_exception(error)
                )
                self._outcomes[batch[0]] = Outcome("failed", text)
            return
        for case, found in zip(batch, results, strict=True):
            try:
                case.compare(found, self._wanted(case))
            except AssertionError as error:
                alone = self._alone(case)
                self._outcomes[case] = (
                    alone
                    if alone.status != "passed"
                    else Outcome("failed", f"right by itself, wrong in one program with others: {error}")
                )
            else:
                self._outcomes[case] = PASSED


def _on_host(x: Any) -> Any:
    if dtypes.issubdtype(x.dtype, dtypes.prng_key):
        x = cotan.random.key_data(x)
    return np.asarray(x)
