"""A picture of all ratios: one row per workload, one mark per contender, parity in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import OTHERS, Result

MARKS = {
    "jax": ("o", "tab:blue"),
    "torch": ("^", "tab:red"),
    "torch.compile": ("v", "tab:orange"),
    "numpy": ("s", "tab:green"),
}
ROW = 0.17
"""Inches."""


def save(path: Path, results: Sequence[Result], title: str) -> None:
    """Draw cotan's time over the others', with intervals, on a logarithmic axis."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    shown = [result for result in results if any(result.ratio(other) for other in OTHERS)]
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + ROW * max(4, len(shown))), layout="constrained")
    for other in OTHERS:
        rows, ratios = [], []
        for row, result in enumerate(shown):
            ratio = result.ratio(other)
            if ratio is not None:
                rows.append(row)
                ratios.append(ratio)
        if not ratios:
            continue
        mark, colour = MARKS[other]
        axes.hlines(rows, [r.low for r in ratios], [r.high for r in ratios], colors=colour, linewidth=1)
        axes.plot([r.value for r in ratios], rows, mark, color=colour, markersize=4, label=f"to {other}")
    for row in range(1, len(shown)):
        if shown[row].group != shown[row - 1].group:
            axes.axhline(row - 0.5, color="0.8", linewidth=0.8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks(range(len(shown)), [result.name for result in shown], fontsize=7)
    axes.set_xlabel("cotan's time over the other's (left of 1: cotan is faster)")
    axes.set_title(title, fontsize=9)
    axes.grid(axis="x", which="both", linewidth=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=7)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
