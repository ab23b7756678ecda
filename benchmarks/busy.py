"""A busy machine: every workload with all cores free, and with half of them taken by other processes.

The other processes spin, each on a core of its own, and are stopped and continued between turns, so that quiet and
busy turns alternate.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks import measure
from benchmarks.contenders import Contender, threads
from benchmarks.measure import Runner, Settings
from benchmarks.results import Promise, Result, resampled, show_seconds
from benchmarks.workload import Workload

SPIN = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
LIMIT = 2.5
CHANGE = 0.05
"""Seconds for the scheduler to see that a core was taken or given back."""


class Hogs:
    """Processes that take half of the cores (at least one), stopped at first."""

    def __init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self.processes = [
            subprocess.Popen([sys.executable, "-c", SPIN, str(core)]) for core in cores[: max(1, threads() // 2)]
        ]
        self._signal(signal.SIGSTOP)

    def _signal(self, number: int) -> None:
        for process in self.processes:
            process.send_signal(number)

    @contextlib.contextmanager
    def taking(self) -> Iterator[None]:
        """The cores are taken inside the block."""
        self._signal(signal.SIGCONT)
        time.sleep(CHANGE)
        try:
            yield
        finally:
            self._signal(signal.SIGSTOP)
            time.sleep(CHANGE)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def _turn(runner: Runner, settings: Settings) -> float:
    time.sleep(settings.settle)
    if runner.single < measure.LONG:
        runner.step()
    return runner.turn()


def slowdown(workload: Workload, loaded: list[Contender], settings: Settings, hogs: Hogs) -> Result:
    """Seconds quiet and busy; keys of ``seconds`` are contenders, and contenders with `` busy`` after them."""
    result = Result(workload.name, workload.tags)
    ready = measure.runners(workload, loaded, result)
    for runner in ready.values():
        runner.calibrate(settings.budget)
    for _ in range(settings.rounds):
        for name, runner in ready.items():
            result.seconds.setdefault(name, []).append(_turn(runner, settings))
            with hogs.taking():
                result.seconds.setdefault(f"{name} busy", []).append(_turn(runner, settings))
    for contender in loaded:
        contender.forget()
    return result


def _line(result: Result) -> str:
    parts = []
    for name in [name for name in result.seconds if not name.endswith(" busy")]:
        quiet, busy = result.seconds[name], result.seconds[f"{name} busy"]
        ratio = resampled(b / q for q, b in zip(quiet, busy))
        parts.append(
            f"{name} {show_seconds(median(quiet))} → {show_seconds(median(busy))}: "
            f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
        )
    absent = [f"   {who} {why}" for who, why in result.absent.items()]
    return "\n".join([f"{result.name:<40} {',  '.join(parts)}", *absent])


def run(
    workloads: Sequence[Workload], loaded: list[Contender], settings: Settings
) -> tuple[list[Result], list[Promise]]:
    """All workloads, quiet and busy; the promise is of cotan's worst slow-down."""
    hogs = Hogs()
    results = []
    worst: tuple[float, str] | None = None
    try:
        for workload in workloads:
            result = slowdown(workload, loaded, settings, hogs)
            results.append(result)
            print(_line(result), flush=True)
            if "cotan busy" in result.seconds:
                ratios = zip(result.seconds["cotan"], result.seconds["cotan busy"])
                found = median(busy / quiet for quiet, busy in ratios)
                worst = max(worst or (0.0, ""), (found, workload.name))
    finally:
        hogs.end()
    text = "busy over quiet, half of the cores taken: worst"
    return results, [Promise(text, worst[0] if worst else None, LIMIT, detail=worst[1] if worst else "")]
