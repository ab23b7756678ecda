"""The kernels of random programs, at sizes that fill vectors and leave rests, against the references of primitives."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import program_interpreter
import pytest
from compiler.compiling import by_reference, staged
from kernel_harness import run_fenced, targets

from cotan.compiler import compile_to_program, scratch
from cotan.config import config
from cotan.ir.program import Kernel
from cotan.primitives import dot
from cotan.testing import random_programs

EXTENTS = (1, 2, 3, 5, 16, 17, 40, 70)
LARGEST = 6000


class LargeBuilder(random_programs.Builder):
    """Draws values that are larger than an interpreter could do."""

    def step(self) -> None:
        x = self.pick()
        out = getattr(self, self.choose(random_programs.STEPS))(x)
        if out is not None and out.size <= LARGEST:
            self.values.append(out)


@pytest.mark.parametrize("seed", range(45))
def test_random_kernels(seed: int, monkeypatch: Any) -> None:
    random = Random(seed)
    rng = np.random.default_rng(seed)
    target = targets()[seed % len(targets())]
    shapes = [tuple(random.choice(EXTENTS) for _ in range(random.randrange(1, 4))) for _ in range(2)]
    args = [rng.normal(size=shape) for shape in shapes if np.prod(shape) <= LARGEST] or [rng.normal(size=33)]

    def program_of(*xs: Any) -> list[Any]:
        builder = LargeBuilder(random, list(xs))
        for _ in range(14):
            builder.step()
        return builder.values[len(xs) :][-3:] or builder.values

    def native(kernel: Kernel, arrays: list[np.ndarray]) -> None:
        run_fenced(kernel, arrays, target, parts=random.choice((1, 2, 3)))

    monkeypatch.setattr(random_programs, "EXTENTS", EXTENTS)
    monkeypatch.setattr(scratch, "LONG", 2)
    monkeypatch.setattr(scratch, "WORTH", 1.0)
    monkeypatch.setattr(program_interpreter, "run_kernel", native)
    with config.override(enable_x64=True):
        closed = staged(program_of, *args)
        program = compile_to_program(closed, supports_library=(dot.dot_general_p,), local_bytes=1 << 15)
        found = program_interpreter.run_program(program, args)
        for actual, expected in zip(found, by_reference(closed, args), strict=True):
            np.testing.assert_allclose(actual, np.asarray(expected), rtol=1e-9, atol=1e-9)
