"""``python -m cotan.testing.differential``: random programs must mean the same everywhere.

Each is run by the references, and on every backend asked for at once, operation by operation, and compiled. What
differs is made as short as it gets, and printed. It must know nothing of any backend.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

import cotan
from cotan import lax
from cotan import numpy as cnp
from cotan.backend import get_backend
from cotan.config import config
from cotan.ir.avals import get_aval
from cotan.ir.evaluate import eval_closed
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.testing.random_programs import STEPS, Builder, random_program
from cotan.testing.reference import ReferenceBackend
from cotan.transforms.stage import stage_closed

RTOL, ATOL = 1e-6, 1e-8
LONGEST = 24
BATCH = 40
FAMILIES = (
    "convolved", "pooled", "ordered", "largest", "looped", "scanned", "awaited", "branched", "softmax", "bits", "spun",
    "integers", "mapped", "slope", "narrowed", "spectrum",
)  # fmt: skip


class User(Builder):
    """Programs as users write them: also derivatives, loops, branches, sorting, pooling, convolution, random bits."""

    steps = (*STEPS, *FAMILIES)

    def _matrix(self, x: Any) -> Any:
        return cnp.reshape(x, (x.shape[0] if x.ndim else 1, -1)) if x.size else None

    def convolved(self, x: Any) -> Any:
        image = self._matrix(x)
        if image is None:
            return None
        kernel = image[: self.choose((1, 2)), : self.choose((1, 2, 3))]
        stride, padding = self.choose(((1, 1), (2, 1))), self.choose(("SAME", ((1, 0), (0, 2))))
        out = lax.conv_general_dilated(image[None, None], cnp.tanh(kernel)[None, None], stride, padding)
        return out[0, 0] * 0.25

    def pooled(self, x: Any) -> Any:
        if x.ndim == 0 or 0 in x.shape:
            return None
        size = tuple(self.choose(range(1, min(n, 3) + 1)) for n in x.shape)
        start, fold = self.choose(((-np.inf, lax.max), (0.0, lax.add)))
        return lax.reduce_window(x, start, fold, size, (1,) * x.ndim, self.choose(("SAME", "VALID")))

    def ordered(self, x: Any) -> Any:
        return cnp.sort(x, self.choose(range(x.ndim)), descending=self.coin()) if x.ndim else None

    def largest(self, x: Any) -> Any:
        return lax.top_k(x, self.choose(range(1, x.shape[-1] + 1)))[0] if x.ndim and x.shape[-1] else None

    def looped(self, x: Any) -> Any:
        y = self.scalar()
        return lax.fori_loop(0, self.choose((0, 1, 3, 4)), lambda i, c: cnp.tanh(c + y * 0.1) - i * 0.1, x)

    def scanned(self, x: Any) -> Any:
        if x.ndim == 0 or x.shape[0] == 0:
            return None
        last, rows = lax.scan(lambda c, row: (cnp.sin(c + row), c * 0.5), x[0] * 0, x, reverse=self.coin())
        return rows if self.coin() else last

    def awaited(self, x: Any) -> Any:
        return lax.while_loop(lambda c: cnp.sum(abs(c)) > 1, lambda c: c * 0.375, x)

    def branched(self, x: Any) -> Any:
        branches = [cnp.sin, lambda v: v + 1, lambda v: -v]
        return lax.switch(cast_to_index(self.scalar()), branches, x)

    def softmax(self, x: Any) -> Any:
        return cotan.nn.softmax(x, self.choose(range(x.ndim))) if x.ndim and x.size else None

    def bits(self, x: Any) -> Any:
        key = cotan.random.fold_in(cotan.random.key(self.choose(range(9))), cast_to_index(self.scalar()))
        return x + cotan.random.uniform(key, x.shape, dtype=x.dtype)

    def spun(self, x: Any) -> Any:
        return cnp.roll(x, self.choose(range(-2, 4)), self.choose(range(x.ndim))) if x.ndim else None

    def integers(self, x: Any) -> Any:
        n = (x * 64 + 0.37).astype(self.choose((np.int8, np.int32, np.int64)))
        k = self.choose((1, 3, 7))
        f = self.choose((lambda: n ^ (n >> k % 5), lambda: n % k, lambda: n // k, lambda: ~n & k, lambda: n * n + k))
        return f().astype(np.float64) / 64

    def mapped(self, x: Any) -> Any:
        return cotan.vmap(lambda row: row / (1 + cnp.sum(row * row)))(x) if x.ndim else None

    def slope(self, x: Any) -> Any:
        scale = self.scalar()
        f = self.choose((lambda v: cnp.sum(cnp.tanh(v) * v), lambda v: cnp.sum(cnp.cumsum(cnp.ravel(v)) ** 2)))
        return cotan.grad(lambda v: f(v) * cnp.tanh(scale))(x) * 0.1

    def narrowed(self, x: Any) -> Any:
        return cnp.round(x * 8).astype(self.choose((np.float32, np.float16, cnp.bfloat16, bool))).astype(np.float64) / 8

    def spectrum(self, x: Any) -> Any:
        return cnp.real(cnp.fft.ifft(cnp.fft.fft(x) * (1 + 0.5j))) if x.ndim and x.shape[-1] else None


def cast_to_index(x: Any) -> Any:
    """A small number from any value, the same one everywhere but at rare edges: not at the whole ones of plain sums."""
    return cnp.clip(cnp.nan_to_num(x * 2 + 0.37, posinf=3, neginf=-3), -3, 3).astype(np.int32)


@dataclass(frozen=True)
class Program:
    """One random program: ``closed`` with ``args``; it is drawn by ``seed``, ``count`` operations long."""

    seed: int
    count: int
    closed: ClosedJaxpr
    args: tuple[Any, ...]
    donated: tuple[bool, ...]

    def __call__(self, *args: Any) -> list[Any]:
        return eval_closed(self.closed, *args)


def draw(seed: int, count: int | None = None) -> Program:
    """The program of that number, or its first ``count`` operations; under ``enable_x64``."""
    random = Random(seed)
    length = random.randrange(3, LONGEST)
    drawn = random_program(random, length if count is None else count, User)
    closed = stage_closed(drawn.fun, [get_aval(x) for x in drawn.args], name=f"random_{seed}")
    return Program(seed, length if count is None else count, closed, tuple(drawn.args), tuple(drawn.donated))


def _on_host(values: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(x) for x in values]


def by_reference(program: Program) -> list[np.ndarray[Any, Any]]:
    """What the references give."""
    with config.override(default_device=ReferenceBackend().devices()[0]):
        return _on_host(program(*map(cotan.device_put, program.args)))


def at_once(device: Any, programs: Sequence[Program]) -> list[list[np.ndarray[Any, Any]]]:
    """What a device gives, operation by operation."""
    with config.override(default_device=device):
        return [_on_host(program(*map(cotan.device_put, program.args))) for program in programs]


def compiled(device: Any, programs: Sequence[Program]) -> list[list[np.ndarray[Any, Any]]]:
    """What a device gives for all of them compiled as one, with donated arguments."""
    flat = [x for program in programs for x in program.args]
    donated = [d for program in programs for d in program.donated]

    def together(*values: Any) -> list[list[Any]]:
        rest = iter(values)
        return [program(*(next(rest) for _ in program.args)) for program in programs]

    with config.override(default_device=device):
        call = cotan.jit(together, donate_argnums=[k for k, given in enumerate(donated) if given])
        return [_on_host(values) for values in call(*map(cotan.device_put, flat))]


def difference(found: Sequence[Any], wanted: Sequence[Any]) -> str | None:
    """What is wrong with the results, or None."""
    for number, (x, y) in enumerate(zip(found, wanted, strict=True)):
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            return f"result {number} is {x.dtype}{list(x.shape)}, not {y.dtype}{list(y.shape)}"
        if not np.allclose(x, y, RTOL, ATOL, equal_nan=True):
            return f"result {number} is\n{x}\nnot\n{y}"
    return None


Way = Callable[[Sequence[Program]], list[list[np.ndarray[Any, Any]]]]


def failure(way: Way, program: Program) -> str | None:
    """What is wrong with one program run that way, or None."""
    try:
        [found] = way([program])
    except Exception as error:
        return "".join(traceback.format_exception(error))
    return difference(found, by_reference(program))


def shortest(way: Way, program: Program) -> tuple[Program, str]:
    """The first operations of a program that fail already, and how they do."""
    for count in range(1, program.count):
        shorter = draw(program.seed, count)
        text = failure(way, shorter)
        if text is not None:
            return shorter, text
    return program, failure(way, program) or "it is wrong in one program with others alone"


def failing(ways: dict[str, Way], seeds: Sequence[int]) -> list[str]:
    """What is wrong with the programs of these seeds, which are compiled as one: a text for each way and program."""
    programs = [draw(seed) for seed in seeds]
    wanted = [by_reference(program) for program in programs]
    texts = []
    for name, way in ways.items():
        try:
            found = way(programs)
        except Exception:
            bad = list(programs)
        else:
            bad = [p for p, x, y in zip(programs, found, wanted, strict=True) if difference(x, y) is not None]
        if len(bad) == len(programs) > 1:
            bad = [program for program in programs if failure(way, program) is not None] or programs[:1]
        for program in bad:
            short, text = shortest(way, program)
            texts.append(f"seed {program.seed}, {short.count} operations, {name}: {text}\n{short.closed}")
    return texts


def main(arguments: list[str]) -> int:
    """Run the command; its exit status is 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m cotan.testing.differential", description="Run random programs.")
    parser.add_argument("--backend", action="append", required=True, help="one of those that must agree")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--count", type=int, default=100, help="how many programs (100)")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"programs that are compiled as one ({BATCH})")
    parser.add_argument("--compiled-only", action="store_true", help="not operation by operation")
    given = parser.parse_args(arguments)
    ways: dict[str, Way] = {}
    for name in given.backend:
        device = get_backend(name).devices()[0]
        ways[f"{name} compiled"] = lambda programs, device=device: compiled(device, programs)  # type: ignore[misc]
        if not given.compiled_only:
            ways[f"{name} at once"] = lambda programs, device=device: at_once(device, programs)  # type: ignore[misc]
    seeds = range(given.first, given.first + given.count)
    wrong = 0
    with config.override(enable_x64=True):
        for start in range(0, len(seeds), given.batch):
            for text in failing(ways, seeds[start : start + given.batch]):
                wrong += 1
                print(text, flush=True)
    print(f"{given.count} programs, {', '.join(ways)}: {wrong} differ")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
