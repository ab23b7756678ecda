"""Tables of results: one line for a terminal, Markdown for the repository, and everything as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.results import OTHERS, Promise, Ratio, Result, geometric_mean, show_seconds

EXPLANATION = """\
Ratios are cotan's time over the other's: below 1 cotan is faster. They are medians over interleaved rounds; in
brackets stand 95 % intervals. "Of limit" is the least time that the workload's bytes (at the rate of copying as
many) and operations (at BLAS's rate) need, over cotan's time. "First" is the first call in a fresh process (trace,
compile, run; caches off), "memory" the growth of that process. A dash: see the notes under the table."""


def _two(value: float) -> str:
    """Two digits behind the point, and two that say something where the value is small."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return "–"
    return f"{_two(ratio.value)} [{_two(ratio.low)}, {_two(ratio.high)}]"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def line(result: Result) -> str:
    """One workload on a terminal."""
    times = ", ".join(f"{who} {show_seconds(result.median(who))}" for who in result.seconds)
    ratios = ", ".join(f"/{who} {_ratio(found)}" for who in OTHERS if (found := result.ratio(who)) is not None)
    parts = [f"{result.name:<40} {times}".rstrip()]
    if ratios:
        parts.append(f"   {ratios}")
    if result.of_limit() is not None:
        parts.append(f"   {_percent(result.of_limit())} of the limit")
    if result.first:
        calls = ", ".join(f"{who} {show_seconds(median(found))}" for who, found in result.first.items())
        parts.append(f"   first call: {calls}")
    parts += [f"   {who} {why}" for who, why in result.absent.items()]
    parts += [f"   {note}" for note in result.notes]
    parts += [f"   {promised(promise)}" for promise in result.promises]
    return "\n".join(parts)


def promised(promise: Promise) -> str:
    """A promise and whether it holds."""
    verdict = {True: "holds", False: "FALLS SHORT", None: "not measured"}[promise.holds]
    found = "–" if promise.found is None else f"{promise.found:.3g}"
    sign = "≥" if promise.at_least else "≤"
    detail = f" ({promise.detail})" if promise.detail else ""
    return f"{promise.text}: {found} {sign} {promise.limit:.3g}: {verdict}{detail}"


def _bytes(count: int | None) -> str:
    return "–" if count is None else f"{count / 1e6:.1f} MB"


def _row(result: Result) -> str:
    first = show_seconds(median(result.first["cotan"])) if result.first.get("cotan") else "–"
    ratio = result.first_ratio("jax")
    cells = [
        result.name.partition("/")[2],
        show_seconds(result.median("cotan")),
        *(_ratio(result.ratio(other)) for other in OTHERS),
        _percent(result.of_limit()),
        first,
        "–" if ratio is None else _two(ratio),
        f"{_bytes(result.memory.get('cotan'))} / {_bytes(result.memory.get('jax'))}",
    ]
    return "| " + " | ".join(cells) + " |"


COLUMNS = (
    "workload",
    "cotan",
    "to JAX",
    "to PyTorch",
    "to torch.compile",
    "to NumPy",
    "of limit",
    "first",
    "first to JAX",
    "memory / JAX's",
)
HEADER = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def _grouped(results: Sequence[Result]) -> dict[str, list[Result]]:
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.group, []).append(result)
    return groups


def _mean_row(results: Sequence[Result]) -> str:
    means = []
    for other in OTHERS:
        ratios = [ratio.value for result in results if (ratio := result.ratio(other)) is not None]
        mean = geometric_mean(ratios)
        means.append("–" if mean is None else f"**{_two(mean)}**")
    first = geometric_mean(result.first_ratio("jax") for result in results)
    share = geometric_mean(result.of_limit() for result in results)
    tail = [_percent(share), "", "–" if first is None else _two(first), ""]
    return "| *geometric mean* | | " + " | ".join([*means, *tail]) + " |"


def _notes(results: Sequence[Result]) -> Iterator[str]:
    """Why there are dashes: the same reason once for all its workloads."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for result in results:
        for who, why in result.absent.items():
            reasons.setdefault((who, why), []).append(result.name.partition("/")[2])
    for (who, why), names in reasons.items():
        yield f"- {who}, {why}: {', '.join(names)}."
    for result in results:
        yield from (f"- {result.name}: {note}." for note in result.notes)


def markdown(results: Sequence[Result], promises: Sequence[Promise], machine: dict[str, str], run: str) -> str:
    """The whole report."""
    text = ["# Measurements", "", *(f"- {name}: {value}" for name, value in machine.items()), f"- run: {run}", ""]
    text += [EXPLANATION, "", "## Promises", "", "| promise | found | limit | |", "|---|---|---|---|"]
    for promise in promises:
        verdict = {True: "holds", False: "**falls short**", None: "not measured"}[promise.holds]
        found = "–" if promise.found is None else f"{promise.found:.3g}"
        sign = "≥" if promise.at_least else "≤"
        detail = f" ({promise.detail})" if promise.detail else ""
        text.append(f"| {promise.text}{detail} | {found} | {sign} {promise.limit:.3g} | {verdict} |")
    for group, members in _grouped(results).items():
        timed = [result for result in members if result.seconds]
        text += ["", f"## {group}", "", HEADER, *map(_row, timed), _mean_row(timed)]
        notes = list(_notes(members))
        text += ["", *notes] if notes else []
    return "\n".join(text) + "\n"


def save_json(
    path: Path, results: Sequence[Result], promises: Sequence[Promise], machine: dict[str, str], run: str
) -> None:
    """All numbers, round by round."""
    promised = [{**asdict(promise), "holds": promise.holds} for promise in promises]
    everything = {"machine": machine, "run": run, "promises": promised, "results": [asdict(r) for r in results]}
    path.write_text(json.dumps(everything, indent=1) + "\n")
