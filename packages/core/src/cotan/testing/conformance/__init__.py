"""The conformance kit: tests that every backend must pass, for whoever writes one.

By command::

    python -m cotan.testing.conformance --backend acme [--level eager] [--report table.md]

in pytest, by a file of three lines beside which ``expected_failures.toml`` may lie::

    from cotan.testing.conformance.suite import *

    BACKEND = "acme"

and by function:

>>> from cotan.testing.conformance import run
>>> from cotan.testing.reference import ReferenceBackend
>>> report = run(ReferenceBackend(), only="transforms/grad")
>>> report.passed, report.failures
(True, {})
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

from cotan.backend import Backend
from cotan.testing.conformance.cases import LEVELS, Case
from cotan.testing.conformance.catalogue import all_cases, missing
from cotan.testing.conformance.expected import Expected, read
from cotan.testing.conformance.patience import watched
from cotan.testing.conformance.report import Report
from cotan.testing.conformance.runner import BATCH, Outcome, Runner
from cotan.testing.conformance.subject import subject

__all__ = ["BATCH", "LEVELS", "Case", "Outcome", "Report", "run"]


def chosen(only: str) -> list[Case]:
    """The cases whose names begin with ``only``, or are like it (``primitives/*/float64*``)."""
    return [case for case in all_cases() if case.name.startswith(only) or fnmatchcase(case.name, only)]


def run(
    backend: str | Backend,
    level: str | None = None,
    *,
    only: str = "",
    expected: Path | None = None,
    batch: int = BATCH,
    device: int = 0,
    progress: Callable[[Case, Outcome], None] | None = None,
    patience: float | None = None,
) -> Report:
    """Run the kit on a backend.

    Args:
      backend: its name, or the backend itself.
      level: 'eager', 'kernels' or 'program'; None for all that it claims.
      only: the beginning of names of cases, or a pattern: the others are not run.
      expected: a file of expected failures (see ``cotan.testing.conformance.expected``).
      batch: how many programs are compiled as one.
      device: the number of the device on which it runs.
      progress: called with every case and its outcome.
      patience: seconds after which a case that has not ended ends the process, and is named; None: wait for ever.

    Returns:
      The report; ``report.passed`` says whether all is well.

    Raises:
      BackendUnavailableError: there is no such backend. ValueError: it does not claim the level, or a bad entry.
    """
    tested = subject(backend, level, device)
    known = Expected(read(expected), tested)
    runner = Runner(tested, chosen(only), batch, known.lists)
    outcomes = {}
    for case in runner.cases:
        with watched(case.name, patience):
            outcomes[case] = known.judge(case, runner.outcome(case))
        if progress is not None:
            progress(case, outcomes[case])
    complaints = [f"cases are missing: {text}" for text in missing()]
    if not only:
        complaints += [f"an expected failure that no case is like: {entry}" for entry in known.idle(runner.cases)]
    if not outcomes:
        complaints.append(f"no case is named {only!r}")
    return Report(tested, outcomes, complaints)
