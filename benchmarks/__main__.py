"""Run workloads: all, or those named by group, by name or by a part of a name.

``python -m benchmarks [busy | list] [NAME ...] [--quick] [--rounds N] [--first N] [--json FILE] [--plot FILE]
[--markdown [FILE]]``
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import warnings
from collections.abc import Collection
from pathlib import Path

from benchmarks import busy, contenders, fresh, machine, promises, report
from benchmarks.contenders import Contender
from benchmarks.measure import Settings, measure
from benchmarks.probes import PROBES
from benchmarks.results import Result
from benchmarks.workloads import WORKLOADS

RESULTS = Path(__file__).parent / "results"
QUICK = Settings(rounds=3, budget=0.01, settle=0.01, first=1)
FULL = Settings(first=3)


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks", description="Time workloads side by side.")
    parser.add_argument("names", nargs="*", help="groups, names or parts of names; `busy` or `list` may come first")
    parser.add_argument("--quick", action="store_true", help="few short rounds: to see that all works")
    parser.add_argument("--first", type=int, help="fresh processes of each contender, for first calls and memory")
    parser.add_argument("--no-first", action="store_const", dest="first", const=0, help="none of them")
    parser.add_argument("--rounds", type=int, help="interleaved turns of each contender")
    parser.add_argument("--contenders", default=",".join(contenders.NAMES), help="those to run, with commas between")
    parser.add_argument("--json", type=Path, help="write every number there")
    parser.add_argument("--plot", type=Path, help="draw the ratios there")
    parser.add_argument(
        "--markdown",
        type=Path,
        nargs="?",
        const=RESULTS,
        help="write the tables there (results/MACHINE.md)",
    )
    return parser.parse_args(words)


def chosen(patterns: Collection[str], names: Collection[str]) -> list[str]:
    """Names that are named, whose group is named, or that contain a pattern; all where there is no pattern."""
    return [
        name
        for name in names
        if not patterns or any(p == name.partition("/")[0] or p.lower() in name.lower() for p in patterns)
    ]


def _load(names: str) -> tuple[list[Contender], dict[str, str]]:
    loaded, absent = [], {}
    for name in names.split(","):
        try:
            loaded.append(contenders.load(name))
        except ModuleNotFoundError as error:
            absent[name] = str(error)
    return loaded, absent


def _settings(options: argparse.Namespace) -> Settings:
    settings = QUICK if options.quick else FULL
    if options.rounds:
        settings = dataclasses.replace(settings, rounds=options.rounds)
    return settings if options.first is None else dataclasses.replace(settings, first=options.first)


def _measured(names: list[str], loaded: list[Contender], settings: Settings) -> list[Result]:
    results = []
    for name in names:
        if name in PROBES:
            result = PROBES[name]()
        else:
            result = measure(WORKLOADS[name], loaded, settings)
            fresh.first_calls(result, settings.first)
        results.append(result)
        print(report.line(result), flush=True)
    return results


def main(words: list[str]) -> int:
    """The exit status: 0 where all promises hold that were measured, 1 where some do not, 2 for unknown names."""
    options = _arguments(words)
    mode = options.names.pop(0) if options.names and options.names[0] in ("busy", "list") else "run"
    known = list(WORKLOADS) if mode == "busy" else [*PROBES, *WORKLOADS]
    names = chosen(options.names, known)
    if mode == "list" or not names:
        print("\n".join(names or [f"no workload matches {options.names}; `list` names them all"]))
        return 0 if names else 2
    warnings.filterwarnings("ignore", module="torch")
    loaded, absent = _load(options.contenders)
    settings, description = _settings(options), machine.describe()
    run = f"{settings.rounds} rounds of {settings.budget * 1e3:.0f} ms, {settings.first} fresh processes each"
    for what, value in {**description, "run": run, **{f"without {who}": why for who, why in absent.items()}}.items():
        print(f"{what}: {value}")
    if mode == "busy":
        results, judged = busy.run([WORKLOADS[name] for name in names], loaded, settings)
    else:
        results = _measured(names, loaded, settings)
        judged = promises.judge(results)
    print("\n".join(report.promised(promise) for promise in judged if promise.found is not None))
    if options.json:
        report.save_json(options.json, results, judged, description, run)
    if options.plot:
        from benchmarks import plot

        plot.save(options.plot, results, f"{description['processor']}, {description['date']}")
    if options.markdown and mode == "run":
        path = RESULTS / f"{machine.slug()}.md" if options.markdown == RESULTS else options.markdown
        path.parent.mkdir(exist_ok=True)
        path.write_text(report.markdown(results, judged, description, run))
    return 1 if any(promise.holds is False for promise in judged) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
