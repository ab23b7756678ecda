"""What was measured, and the statistics over it: medians of ratios round by round, with intervals.

Knows no library and no clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

import numpy as np

OTHERS = ("jax", "torch", "torch.compile", "numpy")
RESAMPLES = 2000


@dataclass(frozen=True)
class Ratio:
    """A median of ratios and the 95 % interval of that median, by resampling the rounds."""

    value: float
    low: float
    high: float


@dataclass
class Promise:
    """What the project promises, and what was found."""

    text: str
    found: float | None
    limit: float
    at_least: bool = False
    """Whether the limit is a floor; otherwise it is a ceiling."""
    detail: str = ""

    @property
    def holds(self) -> bool | None:
        """None where nothing was measured."""
        if self.found is None:
            return None
        return self.found >= self.limit if self.at_least else self.found <= self.limit


@dataclass
class Result:
    """Everything about one workload, in the order of rounds.

    Attributes:
      seconds: seconds per call of each contender, one per round.
      limits: least seconds by bytes and operations, one per round; 0 where there is no such limit.
      absent: why contenders have no part.
      differences: of values, from the reference's.
      first: seconds of the first call in fresh processes.
      memory: growth of such a process, in bytes: its peak over the first call and some more.
      planned: bytes of temporaries and outputs that the compiled program plans, where the library tells.
      promises: those that belong to this workload alone.
    """

    name: str
    tags: tuple[str, ...] = ()
    flops: float = 0.0
    moved: float = 0.0
    seconds: dict[str, list[float]] = field(default_factory=dict)
    limits: list[float] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    first: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]

    def median(self, who: str) -> float | None:
        """Seconds per call, None where the contender has no part."""
        return median(self.seconds[who]) if self.seconds.get(who) else None

    def ratio(self, other: str) -> Ratio | None:
        """cotan's time over the other's."""
        if not self.seconds.get("cotan") or not self.seconds.get(other):
            return None
        return resampled(a / b for a, b in zip(self.seconds["cotan"], self.seconds[other], strict=True))

    def ratio_to_best(self, others: Iterable[str]) -> Ratio | None:
        """cotan's time over that of the fastest (by median) of the others."""
        found = {name: self.median(name) for name in others}
        present = {name: seconds for name, seconds in found.items() if seconds is not None}
        return self.ratio(min(present, key=present.__getitem__)) if present else None

    def of_limit(self, who: str = "cotan") -> float | None:
        """The fraction of the machine's limit that a contender reaches."""
        if not self.seconds.get(who) or not self.limits or not all(self.limits):
            return None
        return median(limit / seconds for limit, seconds in zip(self.limits, self.seconds[who]))

    def first_ratio(self, other: str) -> float | None:
        """cotan's first call over the other's."""
        if not self.first.get("cotan") or not self.first.get(other):
            return None
        return median(self.first["cotan"]) / median(self.first[other])


def resampled(ratios: Iterable[float]) -> Ratio:
    """The median and its interval: the same rounds drawn again with replacement, many times."""
    values = np.array(list(ratios))
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(np.median(values[drawn], axis=1), [2.5, 97.5])
    return Ratio(float(np.median(values)), float(low), float(high))


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Of those that are there."""
    present = [value for value in values if value is not None]
    return math.exp(sum(map(math.log, present)) / len(present)) if present else None


def show_seconds(seconds: float | None) -> str:
    """Three digits with a fitting unit."""
    if seconds is None:
        return "–"
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
