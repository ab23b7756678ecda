"""What came of all cases: a summary in lines, and the support table for documentation."""

from __future__ import annotations

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

    def summary(self) -> str:
        """One line for each area, and the total."""
        lines = [str(self.subject)]
        areas: dict[str, Counter[str]] = {}
        for case, outcome in self.outcomes.items():
            areas.setdefault(case.name.split("/")[0], Counter())[outcome.status] += 1
        for area, counts in [*areas.items(), ("all", self.counts())]:
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
        reasons = dict.fromkeys(o.message for o in self.outcomes.values() if o.status == "expected")
        if reasons:
            lines += ["", "Expected failures:", "", *(f"- {reason}" for reason in reasons)]
        return "\n".join([*lines, "", "```", self.summary(), "```", ""])


def _sign(statuses: Iterable[str]) -> str:
    """The worst of several outcomes; a dtype that is refused for some operations only is supported in part."""
    found = set(statuses)
    if {"passed", "refused"} == found:
        return "in part"
    return next((SIGNS[status] for status in WORST if status in found), "")
