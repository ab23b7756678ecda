"""What came of all cases: a summary in lines, and the support table for documentation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cotan.testing.conformance.cases import Case
from cotan.testing.conformance.runner import Outcome
from cotan.testing.conformance.subject import Subject

COLUMNS = (
    "bool", "int4", "uint4", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float8_e4m3fn", "float8_e5m2", "bfloat16", "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip

SIGNS = {"passed": "yes", "refused": "–", "expected": "no", "failed": "WRONG"}
MEANINGS = {"passed": "passed", "refused": "rightly refused", "expected": "expected to fail", "failed": "failed"}
WORST = ("failed", "expected", "refused", "passed")


@dataclass(frozen=True)
class Report:
    """The outcomes of cases on one backend.

    Attributes:
      complaints: what is wrong with the kit itself, or with the list of expected failures.
    """

    subject: Subject
    outcomes: dict[Case, Outcome]
    complaints: Sequence[str] = ()

    @property
    def failures(self) -> dict[str, str]:
        """Name of a case -> what is wrong."""
        return {case.name: o.message for case, o in self.outcomes.items() if o.status == "failed"}

    @property
    def passed(self) -> bool:
        """Whether nothing failed that was not expected to, and everything was run."""
        return not self.failures and not self.complaints

    def counts(self) -> Counter[str]:
        """How many cases have each status."""
        return Counter(outcome.status for outcome in self.outcomes.values())

    def areas(self) -> dict[str, Counter[str]]:
        """The same for each area, and at last for all of them."""
        found: dict[str, Counter[str]] = {}
        for case, outcome in self.outcomes.items():
            found.setdefault(case.name.split("/")[0], Counter())[outcome.status] += 1
        return {**dict(sorted(found.items())), "all": self.counts()}

    def summary(self) -> str:
        """One line for each area, and the total."""
        lines = [str(self.subject)]
        for area, counts in self.areas().items():
            told = ", ".join(f"{counts[status]} {status}" for status in reversed(WORST) if counts[status])
            lines.append(f"  {area:<12} {told}")
        return "\n".join([*lines, *self.complaints])

    def table(self) -> str:
        """The support table in Markdown: primitives and areas down, dtypes across."""
        cells: dict[tuple[str, str], set[str]] = {}
        for case, outcome in self.outcomes.items():
            if case.cell is not None:
                cells.setdefault(case.cell, set()).add(outcome.status)
        columns = [name for name in COLUMNS if any(column == name for _, column in cells)]
        rows = list(dict.fromkeys(row for row, _ in cells))
        lines = [
            f"# What the backend `{self.subject.backend.name}` supports",
            "",
            f"Found by the conformance kit on: {self.subject}.",
            "yes: as the reference; –: refused with UnsupportedError; no: an expected failure; empty: no case.",
            "",
            "| | " + " | ".join(columns) + " |",
            "|---|" + "---|" * len(columns),
        ]
        for row in rows:
            signs = [_sign(cells.get((row, column), set())) for column in columns]
            lines.append(f"| {row} | " + " | ".join(signs) + " |")
        return "\n".join([*lines, *self._expected(), "", "```", self.summary(), "```", ""])

    def _expected(self) -> list[str]:
        """Each reason of expected failures, with the cases that fail for it."""
        reasons: dict[str, list[str]] = {}
        for case, outcome in self.outcomes.items():
            if outcome.status == "expected":
                reasons.setdefault(outcome.message, []).append(f"`{case.name}`")
        listed = [f"- {reason}: {', '.join(cases)}" for reason, cases in reasons.items()]
        return ["", "Expected failures:", "", *listed] if listed else []

    def section(self) -> str:
        """The counts of each area in Markdown, and expected failures: this backend's section in a page of several."""
        devices = len(self.subject.backend.devices())
        where = f"device number {self.subject.device.id}" if devices > 1 else "its only device"
        version = self.subject.backend.platform_version
        lines = [
            f"## {self._heading()}",
            "",
            f"Tested as {', '.join(sorted(self.subject.levels))}, on {where}{f', with {version}' if version else ''}.",
            "",
            "| area | " + " | ".join(MEANINGS.values()) + " |",
            "|---|" + "---|" * len(MEANINGS),
        ]
        for area, counts in self.areas().items():
            lines.append(f"| {area} | " + " | ".join(str(counts[status] or "") for status in MEANINGS) + " |")
        return "\n".join([*lines, *self._expected(), ""])

    def _heading(self) -> str:
        devices = len(self.subject.backend.devices())
        plural = f", {devices} devices" if devices > 1 else ""
        return f"{self.subject.backend.name} ({self.subject.device.device_kind}{plural})"

    def into(self, page: str) -> str:
        """``page``, in which this backend's section is new; its other sections stay, and are in alphabetical order."""
        head, *others = re.split(r"^(?=## )", page, flags=re.MULTILINE)
        kept = [other for other in others if other.splitlines()[0] != f"## {self._heading()}"]
        sections = sorted(part.strip() for part in [*kept, self.section()])
        return "\n\n".join([head.strip() or "# Conformance", *sections]) + "\n"


def _sign(statuses: Iterable[str]) -> str:
    """The worst of several outcomes; a dtype that is refused for some operations only is supported in part."""
    found = set(statuses)
    if {"passed", "refused"} == found:
        return "in part"
    return next((SIGNS[status] for status in WORST if status in found), "")
