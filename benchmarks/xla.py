"""What a call of the StableHLO backend costs beside jaxlib's own execution: ``python -m benchmarks.xla``.

The raw call is ``execute_sharded`` with handlers that make arrays, of the same executable, in turns with cotan's call.
The turns are short and many, and the least counts, since other processes are about. Small programs, so that the way
there is what is measured. Needs jaxlib.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan.backend import CompileOptions, get_backend
from cotan.config import config

Case = tuple[Callable[..., Any], tuple[Any, ...]]


def _cases() -> dict[str, Case]:
    def dense(params: list[tuple[Any, Any]], x: Any) -> Any:
        for w, b in params:
            x = cnp.tanh(x @ w + b)
        return x

    def moved(params: list[tuple[Any, Any]], x: Any) -> Any:
        slopes = cotan.grad(lambda p: dense(p, x).sum())(params)
        return [(w - 0.1 * dw, b - 0.1 * db) for (w, b), (dw, db) in zip(params, slopes, strict=True)]

    params = [(cnp.ones((4, 4)), cnp.ones(4)) for _ in range(3)]
    return {
        "a sum of two vectors": (cotan.jit(cnp.add), (cnp.ones(4), cnp.ones(4))),
        "the same, eagerly": (lambda x, y: x + y, (cnp.ones(4), cnp.ones(4))),
        "three layers": (cotan.jit(dense), (params, cnp.ones((2, 4)))),
        "their update, six results": (cotan.jit(moved), (params, cnp.ones((2, 4)))),
    }


def _raw(function: Callable[..., Any], args: tuple[Any, ...]) -> Callable[[], Any]:
    """jaxlib's part alone, on the arrays that lie there."""
    backend = get_backend("xla")
    executable: Any = backend.compile(cotan.make_jaxpr(function)(*args), CompileOptions(backend.devices()[0]))
    values = [x._buffer.value for x in cotan.tree.leaves(args)]
    execute, handlers = executable.loaded.execute_sharded, executable._handlers
    return lambda: execute(values).consume_with_handlers(handlers)


def _seconds(call: Callable[[], Any], count: int) -> float:
    begin = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - begin) / count


def measured(rounds: int = 200, count: int = 20) -> dict[str, tuple[float, float]]:
    """For each case the least microseconds of a raw call and of cotan's, over ``rounds`` turns of ``count`` calls."""
    found = {}
    with config.override(platform="xla"):
        for name, (function, args) in _cases().items():
            raw = _raw(function, args)
            call = lambda function=function, args=args: function(*args)  # noqa: E731
            for one in (raw, call, call):
                _seconds(one, 20)
            turns = [(_seconds(raw, count), _seconds(call, count)) for _ in range(rounds)]
            theirs, ours = np.min(turns, axis=0) * 1e6
            found[name] = (float(theirs), float(ours))
    return found


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser("benchmarks.xla", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    print(get_backend("xla").platform_version.split(",")[0])
    print(f"{'':28}{'jaxlib':>12}{'cotan':>12}{'ratio':>8}")
    for name, (raw, ours) in measured(rounds).items():
        print(f"{name:28}{raw:>9.1f} µs{ours:>9.1f} µs{ours / raw:>8.2f}")


if __name__ == "__main__":
    main()
