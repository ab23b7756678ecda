"""Failures that are expected: a TOML file of patterns with reasons, held to strictly.

    [[expected]]
    case = "primitives/div/float64*"
    device = "*Mali*"                       # optional: only on devices whose kind is like this
    version = "acme 2.*"                    # optional: only where the backend's platform_version is like this
    reason = "the device flushes denormals"

A case that is expected to fail and passes is a failure, and so is an entry that no case is like.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from cotan.testing.conformance.cases import Case
from cotan.testing.conformance.runner import Outcome
from cotan.testing.conformance.subject import Subject


@dataclass(frozen=True)
class Entry:
    """One entry of the file."""

    case: str
    reason: str
    device: str = "*"
    version: str = "*"


class Expected:
    """The entries that hold for the device of ``subject``."""

    def __init__(self, entries: Iterable[Entry], subject: Subject) -> None:
        kind, version = subject.device.device_kind, subject.device.backend.platform_version
        self.entries = [
            entry for entry in entries if fnmatchcase(kind, entry.device) and fnmatchcase(version, entry.version)
        ]

    def reason(self, case: Case) -> str | None:
        """Why ``case`` is expected to fail; None if it is not."""
        return next((entry.reason for entry in self.entries if fnmatchcase(case.name, entry.case)), None)

    def lists(self, case: Case) -> bool:
        """Whether ``case`` is expected to fail."""
        return self.reason(case) is not None

    def judge(self, case: Case, outcome: Outcome) -> Outcome:
        """The outcome in the light of what is expected: 'expected' for a failure that was."""
        reason = self.reason(case)
        if reason is None:
            return outcome
        if outcome.status == "failed":
            return Outcome("expected", reason)
        return Outcome("failed", f"it is expected to fail ({reason}) and passes: delete its entry")

    def idle(self, cases: Iterable[Case]) -> list[str]:
        """Entries that no case is like."""
        names = [case.name for case in cases]
        return [entry.case for entry in self.entries if not any(fnmatchcase(name, entry.case) for name in names)]


def read(path: Path | None) -> list[Entry]:
    """The entries of a file; none if there is no file.

    Raises:
      ValueError: the file is no TOML, or an entry has no ``case`` or ``reason``, or something else.
    """
    if path is None or not path.exists():
        return []
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("expected", [])
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no TOML: {error}") from error
    found = []
    for number, entry in enumerate(entries):
        wrong = set(entry) - {"case", "reason", "device", "version"}
        if wrong or not entry.get("case") or not str(entry.get("reason", "")).strip():
            raise ValueError(
                f"{path}: entry {number + 1} must have `case` and a `reason`, and may have `device` and `version`; it "
                f"is {entry}"
            )
        found.append(Entry(**entry))
    return found
