"""The runner: contenders of a workload take turns, and what counts is the ratio pair by pair.

Machines drift; interleaving makes both contenders drift alike. Knows no workload.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Contender = Callable[[], object]


@dataclass
class Result:
    """Seconds per turn of each contender, in turn order."""

    name: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    limit: tuple[str, float] | None = None
    """(contender to compare with, largest ratio that the project promises)."""
    agrees: bool | None = None
    """For comparisons of values: whether they agreed."""

    def median(self, who: str) -> float:
        return statistics.median(self.seconds[who])

    def ratio(self, other: str) -> float:
        """Median over the turns of cotan's time over the other's."""
        pairs = zip(self.seconds["cotan"], self.seconds[other], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def holds(self) -> bool | None:
        """Whether the promise holds; None if there is none."""
        if self.agrees is not None:
            return self.agrees
        if self.limit is None or self.limit[0] not in self.seconds:
            return None
        return self.ratio(self.limit[0]) <= self.limit[1]


def interleave(
    name: str, contenders: dict[str, Contender], *, turns: int, calls: int = 1, limit: tuple[str, float] | None = None
) -> Result:
    """Time the contenders in turn after one warm-up each; every turn makes ``calls`` calls."""
    result = Result(name, {who: [] for who in contenders}, limit=limit)
    for contender in contenders.values():
        contender()
    for _ in range(turns):
        for who, contender in contenders.items():
            start = time.perf_counter()
            for _ in range(calls):
                contender()
            result.seconds[who].append((time.perf_counter() - start) / calls)
    return result


def show_seconds(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1 or unit == "µs":
            return f"{seconds * scale:.3g} {unit}"
    raise AssertionError


def report(results: list[Result]) -> str:
    """A table: median per contender, ratios, and whether the promised limit holds."""
    lines = []
    for result in results:
        times = ", ".join(f"{who} {show_seconds(result.median(who))}" for who in result.seconds)
        ratios = ", ".join(f"/{who} {result.ratio(who):.2f}" for who in result.seconds if who != "cotan")
        verdict = {True: "holds", False: "FALLS SHORT", None: ""}[result.holds()]
        promise = f" (limit /{result.limit[0]} {result.limit[1]:.2f}: {verdict})" if result.limit and verdict else ""
        lines.append(f"{result.name:<34} {times}   {ratios}{promise}")
        lines += [f"{'':<34} {note}" for note in result.notes]
    return "\n".join(lines)
