"""Random programs on the CPU against the references: the compiler's generator, with sizes that fill vectors."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from compiler import test_random_programs as generator
from programs import by_reference, compiled, run, staged

from cotan.config import config

SIZES = {"small": ((1, 2, 3, 5, 8), 400), "vectors": ((1, 2, 3, 7, 16, 17, 33, 64, 100), 20_000)}


class Builder(generator.Builder):
    """With another limit on the size of values."""

    limit = 400

    def step(self):
        out = getattr(self, self.choose(generator.STEPS))(self.pick())
        if out is not None and out.size <= self.limit:
            self.values.append(out)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(25))
def test_random_program(seed, size, threads, monkeypatch):
    extents, limit = SIZES[size]
    monkeypatch.setattr(generator, "EXTENTS", extents)
    draw, rng = Random(seed), np.random.default_rng(seed)
    shapes = [tuple(draw.choice(extents) for _ in range(draw.randrange(3))) for _ in range(2)]
    args = [rng.uniform(-2, 2, shape).astype(np.float32) for shape in shapes]
    count = draw.randint(3, 14)

    def program(*xs):
        builder = Builder(Random(seed), list(xs))
        builder.limit = limit
        for _ in range(count):
            builder.step()
        return builder.values[-3:]

    closed = staged(program, args)
    with config.override(num_threads=threads):
        found = run(compiled(closed), args, closed.in_avals)
    for x, y in zip(found, by_reference(closed, args), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        scale = max(1.0, np.abs(y[np.isfinite(y)]).max(initial=0))
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4 * scale)
