"""The OpenCL backend beside backend-cpu, NumPy and pyopencl itself.

``python -m benchmarks.opencl [PART ...] [--rounds N] [--side N]``; parts are loops, launch, matmul, enqueue and mnist.
Loops, over square matrices of that side, are measured as ``python -m benchmarks`` measures: turns of calls that follow
each other, with arguments that vary, and the median of the ratios of turns. Beside it stands the ratio for single calls
that are waited for (the shortest of them), which takes in what the runtime needs to wake its threads and to say that it
is done. ``!`` marks what is above the limit in calls that follow each other, ``w`` what is so only in calls that are
waited for. The part launch says how much the runtime needs: the time of a kernel that does nothing, by pyopencl alone.
The other parts compare the shortest of interleaved times, and the time of all processors, which tells more where a
machine is busy. MNIST is trained on the data of ``examples/mnist.py``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from benchmarks.measure import Settings, settle

LIMIT = 1.5
TURNS = Settings()
CALLS = 200
TURN = 5
PAUSE = 0.005
STEPS = 20


def layer_norm(x: Any) -> Any:
    centred = x - cnp.mean(x, 1, keepdims=True)
    return centred / cnp.sqrt(cnp.mean(centred**2, 1, keepdims=True) + 1e-5)


LOOPS: dict[str, Callable[[Any], Any]] = {
    "x * 2 + 1": lambda x: x * 2 + 1,
    "selu": cotan.nn.selu,
    "gelu": cotan.nn.gelu,
    "tanh(x) * x + exp(-x)": lambda x: cnp.tanh(x) * x + cnp.exp(-x),
    "sin(x) * log1p(x * x)": lambda x: cnp.sin(x) * cnp.log1p(x * x),
    "where, clip, roots": lambda x: cnp.where(x > 0, cnp.sqrt(cnp.abs(x)), cnp.clip(x, -1, 0) ** 3),
    "x.T + x": lambda x: x.T + x,
    "x[::-1, 1:] - x[:, :-1]": lambda x: x[::-1, 1:] - x[:, :-1],
    "sum": cnp.sum,
    "sum of rows": lambda x: cnp.sum(x, 1),
    "sum of columns": lambda x: cnp.sum(x, 0),
    "max": cnp.max,
    "argmax of rows": lambda x: cnp.argmax(x, 1),
    "variance of columns": lambda x: cnp.var(x, 0),
    "softmax": lambda x: cotan.nn.softmax(x, axis=1),
    "logsumexp": lambda x: cotan.nn.logsumexp(x, axis=1),
    "layer norm": layer_norm,
    "gradient of sum(tanh(x)**2)": cotan.grad(lambda x: cnp.sum(cnp.tanh(x) ** 2)),
}
"""Elementwise fusions and reductions of one matrix."""


def shortest(runs: Sequence[Callable[[], Any]], rounds: int) -> list[tuple[float, float]]:
    """Seconds of the shortest call of each, and of all processors for one; they take turns, with pauses in which the
    other's threads go to sleep."""
    best, work = [float("inf")] * len(runs), [0.0] * len(runs)
    for _ in range(rounds):
        for k, run in enumerate(runs):
            time.sleep(PAUSE)
            begin = time.process_time()
            for _ in range(TURN):
                start = time.perf_counter()
                run()
                best[k] = min(best[k], time.perf_counter() - start)
            work[k] += time.process_time() - begin
    return [(best[k], work[k] / rounds / TURN) for k in range(len(runs))]


def in_turns(runs: Sequence[Callable[[int], Any]]) -> list[list[float]]:
    """Seconds per call in each turn of each: a run makes so many calls and waits for the last."""
    counts, found = [], []
    for run in runs:
        start = time.perf_counter()
        run(TURN)
        counts.append(max(TURN, int(TURNS.budget * TURN / (time.perf_counter() - start))))
        found.append([])
    for _ in range(TURNS.rounds):
        for run, count, seconds in zip(runs, counts, found, strict=True):
            settle(TURNS.settle)
            start = time.perf_counter()
            run(count)
            seconds.append((time.perf_counter() - start) / count)
    return found


def show(name: str, found: tuple[float, float], wanted: tuple[float, float], limit: float) -> None:
    """Print the ratios."""
    (time_, work), (other, other_work) = found, wanted
    mark = " " if time_ <= limit * other else "!"
    print(
        f"{mark} {name:30} {time_ * 1e6:10.1f} us {other * 1e6:10.1f} us {time_ / other:7.2f} of {limit}"
        f" {work / other_work:8.2f}",
        flush=True,
    )


def loops(rounds: int, side: int = 1024) -> None:
    """Programs of a matrix beside backend-cpu's."""
    values = np.random.default_rng(0).standard_normal((2, side, side), np.float32)
    print(f"  {'calls in a row':30} {'opencl':>13} {'cpu':>13} {'ratio':>7} {'waited for':>19}")
    for name, function in LOOPS.items():
        runs = []
        for platform in ("opencl", "cpu"):
            f, arrays = cotan.jit(function), cotan.device_put([*values], cotan.devices(platform)[0])

            def run(count: int, f: Callable[[Any], Any] = f, xs: Sequence[Any] = arrays) -> None:
                for k in range(count):
                    y = f(xs[k % len(xs)])
                y.block_until_ready()

            runs.append(run)
            run(2)
        ours, other = in_turns(runs)
        ratio = median(a / b for a, b in zip(ours, other, strict=True))
        (single, _), (other_single, _) = shortest([lambda run=run: run(1) for run in runs], rounds)  # type: ignore[misc]
        alone = single / other_single
        mark = "!" if ratio > LIMIT else "w" if alone > LIMIT else " "
        print(
            f"{mark} {name:30} {median(ours) * 1e6:10.1f} us"
            f" {median(other) * 1e6:10.1f} us {ratio:7.2f} of {LIMIT} {alone:7.2f} of {LIMIT}",
            flush=True,
        )


def launch(rounds: int) -> None:
    """A kernel without work that is waited for, by pyopencl alone: no call that is waited for takes less."""
    import pyopencl as cl

    queue = cotan.devices("opencl")[0].queue.queue
    empty = cl.Kernel(cl.Program(queue.context, "__kernel void empty() {}").build(), "empty")
    found = []
    for _ in range(rounds * TURN):
        time.sleep(PAUSE)
        start = time.perf_counter()
        cl.enqueue_nd_range_kernel(queue, empty, (2,), (1,)).wait()
        found.append((time.perf_counter() - start) * 1e6)
    print(f"  {'an empty kernel, waited for':30} {median(found):10.1f} us (median of {len(found)})", flush=True)


def matmul(rounds: int) -> None:
    """A product of 1024 x 1024 beside NumPy's."""
    value = np.random.default_rng(0).standard_normal((1024, 1024), np.float32)
    x, f = cotan.device_put(value, cotan.devices("opencl")[0]), cotan.jit(cnp.matmul)
    f(x, x)
    show("matmul 1024", *shortest([lambda: f(x, x).block_until_ready(), lambda: value @ value], rounds), 1.5)


def enqueue(rounds: int) -> None:
    """Calls of a jitted function that return, beside pyopencl's own calls for the same kernel."""
    import pyopencl as cl

    device = cotan.devices("opencl")[0]
    f = cotan.jit(lambda x, y: x * 2 + y)
    x, y = (cotan.device_put(np.ones(1000, np.float32), device) for _ in range(2))
    f(x, y)
    queue = device.queue.queue
    text = f.lower(x, y).compile().as_text()
    kernel = cl.Kernel(cl.Program(queue.context, text[text.index("#pragma") :]).build(), "k0")
    buffers = [cl.Buffer(queue.context, cl.mem_flags.READ_WRITE, 4096) for _ in range(3)]
    kernel.set_scalar_arg_dtypes([None, np.int64] * 3 + [np.int32] * 2)
    arguments = [part for buffer in buffers for part in (buffer, 0)]

    def raw() -> None:
        for _ in range(CALLS):
            kernel.set_args(*arguments, 125, 125)
            cl.enqueue_nd_range_kernel(queue, kernel, (1,), (1,))

    def jitted() -> None:
        for _ in range(CALLS):
            f(x, y)

    def timed(calls: Callable[[], None]) -> tuple[float, float]:
        queue.finish()
        start, work = time.perf_counter(), time.thread_time()
        calls()
        return (time.perf_counter() - start) / CALLS, (time.thread_time() - work) / CALLS

    pairs = [(timed(jitted), timed(raw)) for _ in range(rounds)]
    show("enqueue", min(pair[0] for pair in pairs), min(pair[1] for pair in pairs), 2)


def mnist(rounds: int) -> None:
    """Steps of training beside backend-cpu's."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
    import mnist as example
    import mnist_data

    images, labels, *_ = mnist_data.load()
    batches = [slice(n * example.BATCH, (n + 1) * example.BATCH) for n in range(STEPS)]
    runs = []
    for platform in ("opencl", "cpu"):

        def run(platform: str = platform) -> None:
            with cotan.config.override(platform=platform):
                state = states[platform]
                for batch in batches:
                    state = example.jitted_update(state, images[batch], labels[batch])
                states[platform] = cotan.block_until_ready(state)

        runs.append(run)
    states: dict[str, Any] = {}
    for platform in ("opencl", "cpu"):
        with cotan.config.override(platform=platform):
            states[platform] = example.init_params(cotan.random.key(0))
    for run in runs:
        run()
    show("mnist, 20 steps", *shortest(runs, rounds), 3)


PARTS = {"loops": loops, "launch": launch, "matmul": matmul, "enqueue": enqueue, "mnist": mnist}


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--side", type=int, default=1024)
    options = parser.parse_args(words)
    for part in options.parts or PARTS:
        if part == "loops":
            loops(options.rounds, options.side)
        else:
            print(f"  {part:30} {'opencl':>13} {'other':>13} {'ratio':>7} {'work':>15}")
            PARTS[part](options.rounds)


if __name__ == "__main__":
    main()
