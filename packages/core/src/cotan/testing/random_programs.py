"""Random programs over many families of primitives, with small odd shapes.

Values are shared between several consumers, and results are taken from the middle, so that fusion, shared loops,
in-place updates and the buffer plan are all put to the test. Everything is in double precision, so that cancellations
are no matter: run them with ``enable_x64``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from cotan.primitives import (
    arithmetic,
    cast,
    compare,
    cumulative,
    dot,
    gather,
    pad,
    reduce,
    scatter,
    shape,
    transcendental,
)
from cotan.primitives import slice as slicing
from cotan.structural import broadcast_in_dim, convert_element_type, reduce_sum, transpose

FLOAT = np.dtype(np.float64)
I32 = np.dtype(np.int32)
EXTENTS = (1, 2, 3, 5, 8)
STEPS = (
    "unary", "binary", "binary", "product", "choice", "reduction", "reduction", "position", "broadcast", "broadcast",
    "back", "permute", "flatten", "split", "part", "backwards", "padded", "joined", "running", "window", "update",
    "rows", "scattered", "multiplied", "turned",
)  # fmt: skip
"""What a program is drawn from: names of methods of ``Builder``."""


class Builder:
    """Draws one operation after the other on the values there are.

    Attributes:
      steps: names of the methods that it draws from.
    """

    steps: tuple[str, ...] = STEPS

    def __init__(self, random: Random, values: list[Any]) -> None:
        self.random = random
        self.values = values

    def pick(self) -> Any:
        # The newest half of the time, so that chains grow long.
        return self.values[-1] if self.coin() else self.choose(self.values)

    def choose(self, options: Any) -> Any:
        return self.random.choice(list(options))

    def coin(self) -> bool:
        return self.random.random() < 0.5

    def step(self) -> None:
        x = self.pick()
        out = getattr(self, self.choose(self.steps))(x)
        if out is not None and out.size <= 400:
            self.values.append(out)

    def unary(self, x: Any) -> Any:
        f = self.choose((arithmetic.neg, transcendental.tanh, transcendental.sin, arithmetic.abs, arithmetic.sign))
        return f(x)

    def binary(self, x: Any) -> Any:
        y = self.choose([v for v in self.values if v.shape == x.shape])
        f = self.choose((arithmetic.add, arithmetic.sub, arithmetic.max, arithmetic.min))
        return f(x, y)

    def product(self, x: Any) -> Any:
        return arithmetic.mul(transcendental.tanh(x), 0.5)

    def choice(self, x: Any) -> Any:
        y = self.choose([v for v in self.values if v.shape == x.shape])
        return compare.select_n(compare.gt(x, y), y, x)

    def reduction(self, x: Any) -> Any:
        if x.ndim == 0:
            return None
        axes = tuple(d for d in range(x.ndim) if self.coin()) or (self.choose(range(x.ndim)),)
        return self.choose((reduce_sum, reduce.reduce_max, reduce.reduce_min))(x, axes)

    def position(self, x: Any) -> Any:
        if x.ndim == 0 or 0 in x.shape:
            return None
        axis = self.choose(range(x.ndim))
        return convert_element_type(reduce.argmax(x, axis, I32), FLOAT)

    def broadcast(self, x: Any) -> Any:
        extra = self.choose(EXTENTS)
        place = self.choose(range(x.ndim + 1))
        dims = tuple(d + (d >= place) for d in range(x.ndim))
        return broadcast_in_dim(x, (*x.shape[:place], extra, *x.shape[place:]), dims)

    def back(self, x: Any) -> Any:
        """Subtract a row statistic, as a softmax does."""
        if x.ndim == 0 or 0 in x.shape:
            return None
        axis = self.choose(range(x.ndim))
        kept = tuple(d for d in range(x.ndim) if d != axis)
        return arithmetic.sub(x, broadcast_in_dim(reduce.reduce_max(x, (axis,)), x.shape, kept))

    def permute(self, x: Any) -> Any:
        return transpose(x, tuple(self.random.sample(range(x.ndim), x.ndim)))

    def flatten(self, x: Any) -> Any:
        return shape.reshape(x, (x.size,))

    def split(self, x: Any) -> Any:
        if x.ndim == 0:
            return None
        n = x.shape[-1]
        k = self.choose([d for d in range(1, n + 1) if n % d == 0] or [1])
        return shape.reshape(x, (*x.shape[:-1], k, n // k)) if n else None

    def part(self, x: Any) -> Any:
        if x.ndim == 0 or 0 in x.shape:
            return None
        lo = [self.choose(range(n)) for n in x.shape]
        hi = [self.choose(range(a + 1, n + 1)) for a, n in zip(lo, x.shape, strict=True)]
        steps = [self.choose((1, 1, 2)) for _ in x.shape]
        return slicing.slice(x, lo, hi, steps)

    def backwards(self, x: Any) -> Any:
        return shape.rev(x, tuple(d for d in range(x.ndim) if self.coin()))

    def padded(self, x: Any) -> Any:
        config = [(self.choose((-1, 0, 2)), self.choose((0, 1)), self.choose((0, 0, 1))) for _ in x.shape]
        if any(lo + hi + max(n - 1, 0) * inner + n < 0 for (lo, hi, inner), n in zip(config, x.shape, strict=True)):
            return None
        return pad.pad(x, np.float64(-0.25), config)

    def joined(self, x: Any) -> Any:
        if x.ndim == 0 or 0 in x.shape:
            return None
        axis = self.choose(range(x.ndim))
        return shape.concatenate([x, self.unary(x), self.back(x)], axis)

    def running(self, x: Any) -> Any:
        if x.ndim == 0:
            return None
        f = self.choose((cumulative.cumsum, cumulative.cummax))
        return f(x, self.choose(range(x.ndim)), self.coin())

    def window(self, x: Any) -> Any:
        if x.ndim == 0 or 0 in x.shape:
            return None
        sizes = tuple(self.choose(range(1, n + 1)) for n in x.shape)
        start = whole(self.scalar())
        return slicing.dynamic_slice(x, (start,) * x.ndim, sizes)

    def update(self, x: Any) -> Any:
        if x.ndim == 0 or 0 in x.shape:
            return None
        start = whole(self.scalar())
        part = slicing.slice(x, (0,) * x.ndim, tuple((n + 1) // 2 for n in x.shape), (1,) * x.ndim)
        return slicing.dynamic_update_slice(x, self.unary(part), (start,) * x.ndim)

    def scalar(self) -> Any:
        x = self.pick()
        return reduce_sum(x, tuple(range(x.ndim))) if x.ndim else x

    def rows(self, x: Any) -> Any:
        if x.ndim == 0 or 0 in x.shape:
            return None
        which = whole(arithmetic.mul(self.flatten(self.pick()), 3.0))
        which = shape.reshape(which, (which.shape[0], 1))
        numbers = gather.GatherDimensionNumbers(tuple(range(1, x.ndim)), (0,), (0,))
        return gather.gather(x, which, numbers, (1, *x.shape[1:]), mode=self.choose(("clip", "fill")), fill_value=0.5)

    def scattered(self, x: Any) -> Any:
        if x.ndim == 0 or 0 in x.shape:
            return None
        which = whole(arithmetic.mul(self.flatten(self.pick()), 2.0))
        which = shape.reshape(which, (which.shape[0], 1))
        values = broadcast_in_dim(self.scalar(), (which.shape[0], *x.shape[1:]), ())
        numbers = scatter.ScatterDimensionNumbers(tuple(range(1, x.ndim)), (0,), (0,))
        f = self.choose((scatter.scatter, scatter.scatter_add))
        return f(x, which, values, numbers, mode=self.choose(("clip", "drop")))

    def multiplied(self, x: Any) -> Any:
        y = self.choose([v for v in self.values if v.ndim == 2] or [None])
        if y is None or x.ndim != 2 or x.shape[1] != y.shape[1]:
            return None
        return arithmetic.mul(dot.dot_general(x, y, (((1,), (1,)), ((), ()))), 0.125)

    def turned(self, x: Any) -> Any:
        """By way of complex numbers, which are moved, chosen and added up meanwhile."""
        y = self.choose([v for v in self.values if v.shape == x.shape])
        z = transcendental.exp(arithmetic.complex(transcendental.tanh(x), y))
        for _ in range(self.choose((1, 2, 3))):
            w = arithmetic.conj(z) if self.coin() else z
            if self.coin():
                w = arithmetic.div(w, arithmetic.add(arithmetic.mul(w, arithmetic.conj(w)), 1 + 0.5j))
            elif w.ndim and self.coin():
                w = self.choose((self.flatten, self.permute, self.backwards, self.part))(w)
            elif w.ndim:
                w = reduce_sum(w, (self.choose(range(w.ndim)),))
            z = self.choose((w, compare.select_n(compare.gt(arithmetic.real(w), 0.25), w, arithmetic.neg(w))))
        return self.choose((arithmetic.real, arithmetic.imag, arithmetic.abs))(z)


def whole(x: Any) -> Any:
    """Whole numbers from any values, the same ones everywhere but at rare edges: plain sums are often whole, but for
    their rounding."""
    return cast.convert_element_type(arithmetic.add(x, 0.37), I32)


@dataclass(frozen=True)
class Drawn:
    """A program with arguments for it. ``fun`` draws anew each time: trace it once."""

    fun: Callable[..., list[Any]]
    args: list[Any]
    donated: list[bool]
    with_library: bool


def random_program(random: Random, count: int, kind: type[Builder] = Builder) -> Drawn:
    """A program of about ``count`` operations, of those that ``kind`` draws."""
    rng = np.random.default_rng(random.randrange(1000))
    shapes = [tuple(random.choice(EXTENTS) for _ in range(random.randrange(4))) for _ in range(random.randrange(1, 4))]
    args = [rng.normal(size=s).astype(FLOAT) for s in shapes]

    def fun(*xs: Any) -> list[Any]:
        builder = kind(random, list(xs))
        for _ in range(count):
            builder.step()
        results = [v for v in builder.values[len(xs) :] if random.random() < 0.25]
        return [builder.values[-1], *results]

    return Drawn(fun, args, [random.random() < 0.5 for _ in args], random.random() < 0.5)
