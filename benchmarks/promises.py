"""What the project promises of all workloads together, judged over what was measured.

Knows the tags of workloads and the names of those that a promise is about; measures nothing itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

from benchmarks.results import Promise, Result, geometric_mean
from benchmarks.workload import BANDWIDTH, DRAWS, LIBRARY_BOUND, MATMUL, SURFACE, TRAINING

ALSO = ("torch", "torch.compile", "numpy")
SINGLE = (
    ("dispatch/two arguments", 1 / 4),
    ("dispatch/40-leaf pytree", 1 / 4),
    ("eager/elementwise", 1 / 3),
    ("eager/gradient", 1 / 3),
    ("mnist/10 steps without jit", 1 / 3),
    ("mnist/one step", 1.0),
)
"""Ratios to JAX of single workloads."""
WITHOUT_MEAN = ("startup", "surface")
"""Groups that have promises of their own."""


def _worst(found: Iterable[tuple[str, float | None]], largest: bool = True) -> tuple[float | None, str]:
    present = [(value, name) for name, value in found if value is not None]
    if not present:
        return None, ""
    value, name = max(present) if largest else min(present)
    return value, name


def _value(result: Result, other: str) -> float | None:
    ratio = result.ratio(other)
    return ratio.value if ratio else None


def _best(result: Result, others: Iterable[str] = ALSO) -> float | None:
    ratio = result.ratio_to_best(others)
    return ratio.value if ratio else None


def _mean(text: str, results: Sequence[Result], limit: float, value: Callable[[Result], float | None]) -> Promise:
    found = [value(result) for result in results]
    count = sum(each is not None for each in found)
    return Promise(text, geometric_mean(found), limit, detail=f"{count} workloads")


def _library_bound(results: list[Result]) -> list[Promise]:
    bound = [result for result in results if LIBRARY_BOUND in result.tags]
    found = []
    for other in ("jax", "torch", "torch.compile", "numpy"):
        found.append(
            _mean(f"library-bound, to {other}: geometric mean", bound, 1.1, functools.partial(_value, other=other))
        )
        worst, name = _worst((result.name, _value(result, other)) for result in bound)
        found.append(Promise(f"library-bound, to {other}: worst", worst, 1.3, detail=name))
    return found


def _others(results: list[Result]) -> list[Promise]:
    free = [r for r in results if LIBRARY_BOUND not in r.tags and r.group not in WITHOUT_MEAN and r.seconds]
    above = []
    for result in free:
        ratios = [ratio for other in ("jax", *ALSO) if (ratio := result.ratio(other)) is not None]
        if any(ratio.value > 1.05 and ratio.low > 1 for ratio in ratios):
            above.append(result.name)
    return [
        _mean("all others, to JAX: geometric mean", free, 0.5, lambda r: _value(r, "jax")),
        _mean("all others, to the best of PyTorch and NumPy: geometric mean", free, 0.6, _best),
        Promise("all others: how many are above 1.05, parity excluded", len(above), 0, detail="; ".join(above)),
    ]


def _singles(results: list[Result]) -> list[Promise]:
    named = {result.name: result for result in results}
    found = [Promise(f"{name}, to JAX", _value(named[name], "jax"), limit) for name, limit in SINGLE if name in named]
    if "mnist/epoch" in named:
        epoch = _best(named["mnist/epoch"], ("jax", *ALSO))
        found.append(Promise("mnist/epoch, to the smallest of JAX's and PyTorch's", epoch, 1.0))
    return found


def _limits(results: list[Result]) -> list[Promise]:
    def lowest(tag: str) -> tuple[float | None, str]:
        return _worst(((r.name, r.of_limit()) for r in results if tag in r.tags), largest=False)

    copying, slowest = lowest(BANDWIDTH)
    rate, least = lowest(MATMUL)
    drawn, name = _worst((r.name, _value(r, "jax")) for r in results if DRAWS in r.tags)
    return [
        Promise("bandwidth-bound: least fraction of copying", copying, 0.8, at_least=True, detail=slowest),
        Promise("matrix products: least fraction of BLAS's rate", rate, 0.9, at_least=True, detail=least),
        Promise("normal and uniform: to JAX, the worse", drawn, 0.1, detail=name),
    ]


def _surface(results: list[Result]) -> list[Promise]:
    drawn = [result for result in results if SURFACE in result.tags]
    worst, name = _worst((result.name, _value(result, "jax")) for result in drawn)
    slower = sum(value is not None and value > 1.1 for value in (_value(result, "jax") for result in drawn))
    return [
        _mean("sample of public functions, to JAX: geometric mean", drawn, 1.0, lambda r: _value(r, "jax")),
        Promise("sample of public functions, to JAX: worst", worst, 1.1, detail=f"{name}; {slower} above"),
    ]


def _first(results: list[Result]) -> list[Promise]:
    called = [result for result in results if result.first]
    return [_mean("first call, to JAX's: geometric mean", called, 0.5, lambda r: r.first_ratio("jax"))]


def _memory(results: list[Result]) -> list[Promise]:
    def share(found: dict[str, int]) -> float | None:
        ours, theirs = found.get("cotan"), found.get("jax")
        return None if ours is None or not theirs else ours / theirs

    training = [result for result in results if TRAINING in result.tags]
    planned, largest = _worst((r.name, share(r.planned)) for r in training)
    growth, most = _worst((r.name, share(r.memory)) for r in training)
    return [
        Promise("training: planned temporaries and outputs, to JAX's, worst", planned, 1.0, detail=largest),
        Promise("training: growth of the process, to JAX's, worst", growth, 1.0, detail=most),
    ]


def judge(results: list[Result]) -> list[Promise]:
    """All promises, those of single results last."""
    parts = (_others, _library_bound, _singles, _limits, _surface, _first, _memory)
    together = [promise for part in parts for promise in part(results)]
    return together + [promise for result in results for promise in result.promises]
