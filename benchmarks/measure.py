"""One workload, measured: values compared first, then contenders in turn, with copying and BLAS as the limits.

Machines drift; interleaving makes all contenders drift alike, and what counts is the ratio round by round.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import contenders, limits
from benchmarks.contenders import Contender
from benchmarks.results import Result
from benchmarks.workload import Program, Workload, bytes_of

COMPARED_CALLS = 2
DRAWN_TOLERANCE = 0.02
MOST_CALLS = 5000
LONG = 0.05
"""Seconds after which a call needs no warming up."""
IDLE = 0.1
"""Processors' time in a pause, as a fraction of it, up to which all threads count as asleep."""
MOST_PAUSES = 20


@dataclass(frozen=True)
class Settings:
    """How thoroughly to measure.

    Attributes:
      rounds: turns of each contender.
      budget: seconds of a turn; calls are repeated to fill it.
      settle: seconds of pause before a turn, again and again until other contenders' threads sleep.
      first: fresh processes per contender for the first call and for memory; 0 measures neither.
    """

    rounds: int = 7
    budget: float = 0.05
    settle: float = 0.03
    first: int = 1


@dataclass
class Runner:
    """A workload in one contender's hands."""

    workload: Workload
    contender: Contender
    program: Program
    ring: list[Any]
    state: Any
    position: int = 0
    calls: int = 1
    single: float = field(default=0.0)

    def step(self) -> Any:
        """One call with the next arguments of the ring; its result, waited for."""
        arguments = self.ring[self.position % len(self.ring)]
        self.position += 1
        if self.state is None:
            result = self.program(*arguments)
        else:
            result = self.state = self.program(self.state, *arguments)
        self.contender.wait(result)
        return result

    def calibrate(self, budget: float) -> None:
        """Choose how many calls fill the budget; the program has run before."""
        start = time.perf_counter()
        self.step()
        self.single = time.perf_counter() - start
        self.calls = max(1, min(MOST_CALLS, int(budget / max(self.single, 1e-7))))
        if self.calls > 1:
            self.single = self.turn()
            self.calls = max(1, min(MOST_CALLS, int(budget / max(self.single, 1e-7))))

    def turn(self) -> float:
        """Seconds per call over one turn."""
        chosen = list(itertools.islice(itertools.cycle(self.ring), self.position, self.position + self.calls))
        self.position = (self.position + self.calls) % len(self.ring)
        program, wait, each = self.program, self.contender.wait, self.workload.wait_each
        if self.state is not None:
            return self._turn_of_states(chosen)
        result = None
        start = time.perf_counter()
        if each:
            for arguments in chosen:
                wait(program(*arguments))
        else:
            for arguments in chosen:
                result = program(*arguments)
            wait(result)
        return (time.perf_counter() - start) / self.calls

    def _turn_of_states(self, chosen: Iterable[Any]) -> float:
        program, wait, each, state = self.program, self.contender.wait, self.workload.wait_each, self.state
        start = time.perf_counter()
        for arguments in chosen:
            state = program(state, *arguments)
            if each:
                wait(state)
        wait(state)
        self.state = state
        return (time.perf_counter() - start) / self.calls


def prepare(workload: Workload, contender: Contender) -> Runner:
    """Build the program and place the ring of arguments."""
    program = contender.build(workload)
    ring = [contenders.arguments(workload, contender, index) for index in range(workload.ring)]
    return Runner(workload, contender, program, ring, contenders.initial_state(workload, contender))


def _results(runner: Runner) -> list[np.ndarray]:
    """What two calls with different arguments return, one after the other, as NumPy arrays."""
    return [array for _ in range(COMPARED_CALLS) for array in runner.contender.fetch(runner.step())]


def _moments(results: list[np.ndarray]) -> list[np.ndarray]:
    return [np.array([result.mean(dtype=np.float64), result.std(dtype=np.float64)]) for result in results]


def difference(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest difference of elements as a fraction of the largest element of its array."""
    if [a.shape for a in found] != [b.shape for b in expected]:
        return float("inf")
    worst = 0.0
    for a, b in zip(found, expected):
        kind = np.complex128 if np.iscomplexobj(b) else np.float64
        ours, theirs = a.astype(kind), b.astype(kind)
        if not np.array_equal(np.isfinite(ours), np.isfinite(theirs)):
            return float("inf")
        apart = np.abs(np.where(np.isfinite(ours), ours - theirs, 0)).max(initial=0)
        worst = max(worst, float(apart / (np.abs(np.where(np.isfinite(theirs), theirs, 0)).max(initial=0) or 1)))
    return worst


def _compare(workload: Workload, values: dict[str, list[np.ndarray]], result: Result) -> None:
    """Difference of each contender from the first of JAX, NumPy and PyTorch that has results."""
    reference = next((name for name in ("jax", "numpy", "torch") if name in values), None)
    for name, found in values.items():
        if reference is None or name == reference:
            continue
        expected, tolerance = values[reference], workload.tolerance
        if workload.drawn and {name, reference} != {"cotan", "jax"}:
            found, expected = _moments(found), _moments(expected)
            tolerance = max(tolerance, DRAWN_TOLERANCE)
        elif workload.view is not None:
            found, expected = workload.view(found), workload.view(expected)
        result.differences[name] = difference(found, expected)
        if not result.differences[name] <= tolerance:
            result.absent[name] = (
                f"disagrees: differs from {reference} by {result.differences[name]:.1e} (tolerance {tolerance:.0e})"
            )


def _attempt(name: str, result: Result, action: Callable[[], Any]) -> Any:
    """What the action returns; an exception takes the contender out of the workload and is told in the table."""
    try:
        return action()
    except Exception as error:  # any failure of a contender is a finding
        result.absent[name] = contenders.reason(error)
        return None


def runners(workload: Workload, loaded: list[Contender], result: Result) -> dict[str, Runner]:
    """The contenders that have a part in the workload, their values compared."""
    ready: dict[str, Runner] = {}
    values: dict[str, list[np.ndarray]] = {}
    for contender in loaded:
        runner = _attempt(contender.name, result, functools.partial(prepare, workload, contender))
        if runner is None:
            continue
        found = _attempt(contender.name, result, functools.partial(_results, runner))
        if found is not None:
            ready[contender.name], values[contender.name] = runner, found
    result.moved = _least_bytes(workload, values)
    _compare(workload, values, result)
    return {name: runner for name, runner in ready.items() if name not in result.absent}


def _least_bytes(workload: Workload, values: dict[str, list[np.ndarray]]) -> float:
    """Every argument read once, every result written once, unless the workload says otherwise."""
    if workload.moved is not None:
        return workload.moved
    rng = np.random.default_rng(0)
    read = bytes_of(workload.inputs(rng)) + (bytes_of(workload.initial(rng)) if workload.initial else 0)
    for found in values.values():
        return float(read + sum(array.nbytes for array in found) / COMPARED_CALLS)
    return float(read)


def settle(seconds: float) -> None:
    """Pause until no thread works any more: some libraries' threads spin for 100 ms after a call."""
    for _ in range(MOST_PAUSES):
        begin = time.process_time()
        time.sleep(seconds)
        if time.process_time() - begin <= IDLE * seconds:
            return


def measure(workload: Workload, loaded: list[Contender], settings: Settings) -> Result:
    """Seconds of every contender in every round, and of the limits beside them."""
    result = Result(workload.name, workload.tags, flops=workload.flops)
    ready = runners(workload, loaded, result)
    for name, runner in list(ready.items()):
        _attempt(name, result, functools.partial(runner.calibrate, settings.budget))
        if name in result.absent:
            del ready[name]
    copying, blas = limits.of(result.moved, workload.flops)
    order = list(ready)
    result.seconds = {name: [] for name in order}
    for number in range(settings.rounds):
        for name in order[number % max(1, len(order)) :] + order[: number % max(1, len(order))]:
            settle(settings.settle)
            runner = ready[name]
            if runner.single < LONG:
                runner.step()
            result.seconds[name].append(runner.turn())
        settle(settings.settle)
        result.limits.append(max(copying(), blas()))
    for contender in loaded:
        contender.forget()
    return result
