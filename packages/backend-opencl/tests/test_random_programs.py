"""Random programs: a device gives what the references give, and what it gave the first time, by every schedule."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cotan.backend import CompileOptions
from cotan.compiler import compile_to_program
from cotan.compiler.c import CPU_VECTOR, GPU_TILE
from cotan.config import config
from cotan.ir.avals import get_aval
from cotan.primitives.call import evaluate_by_reference
from cotan.testing.random_programs import random_program
from cotan.transforms.stage import stage_closed


def compiled(closed: Any, device: Any, donated: tuple[bool, ...], any_size: bool) -> Any:
    """The executable of a program for that device."""
    backend = device.backend
    library, scratch = backend.lowerings().library, backend.capabilities.local_bytes
    program = compile_to_program(closed, supports_library=library, donated=donated, local_bytes=scratch)
    return backend.compile(program, CompileOptions(device, donated, program.name, any_size))


@pytest.mark.parametrize("any_size", [False, True], ids=["sizes", "any size"])
@pytest.mark.parametrize("schedule", [None, CPU_VECTOR, GPU_TILE], ids=["own", CPU_VECTOR.name, GPU_TILE.name])
def test_random_programs(schedule: Any, any_size: bool, device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if schedule is not None:
        monkeypatch.setattr(device, "schedule", schedule)

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(st.randoms(use_true_random=False), st.integers(3, 20))
    @example(Random(822), 16)  # a guard in a loop by vectors, around a reduction that is the same for all lanes
    def check(random: Random, count: int) -> None:
        drawn = random_program(random, count)
        with config.override(enable_x64=True):
            avals = [get_aval(x) for x in drawn.args]
            closed = stage_closed(lambda *xs: list(drawn.fun(*xs)), avals, name="program")
            executable = compiled(closed, device, tuple(drawn.donated), any_size)
            with np.errstate(all="ignore"):
                expected = [np.asarray(x) for x in evaluate_by_reference(closed, drawn.args)]
            for _ in range(2):
                found = executable.run([device.put(np.asarray(x)) for x in drawn.args], drawn.donated)
                for actual, value in zip([np.array(x.to_host()) for x in found], expected, strict=True):
                    assert (actual.shape, actual.dtype) == (value.shape, value.dtype)
                    np.testing.assert_allclose(
                        actual.astype(np.float64), value.astype(np.float64), rtol=1e-7, atol=1e-9
                    )

    check()
