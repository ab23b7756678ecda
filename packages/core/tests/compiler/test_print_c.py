"""Kernels as C: every operator and random programs, compiled by the system's compiler, against the references."""

from __future__ import annotations

from random import Random

import program_interpreter
import pytest
from compiler.c_harness import COMPILER, Runner
from compiler.compiling import check
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotan.config import config
from cotan.testing.random_programs import random_program

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler on this machine")


@pytest.mark.parametrize("any_size", [False, True], ids=["sizes", "any size"])
def test_random_programs(any_size: bool) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.randoms(use_true_random=False), st.integers(3, 20))
    def run(random: Random, count: int) -> None:
        drawn = random_program(random, count)
        with pytest.MonkeyPatch.context() as patch, config.override(enable_x64=True):
            patch.setattr(program_interpreter, "run_kernel", Runner(any_size))
            check(drawn.fun, *drawn.args, donated=drawn.donated, rtol=1e-7, local_bytes=random.choice((0, 1 << 15)))

    run()
