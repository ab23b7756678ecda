"""Random programs: what the compiler makes of them equals the references."""

from __future__ import annotations

from random import Random

import pytest
from compiler.compiling import check
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotan.compiler import scratch
from cotan.config import config
from cotan.primitives import dot
from cotan.testing.random_programs import random_program


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.randoms(use_true_random=False), st.integers(3, 20))
def test_random_program(random: Random, count: int) -> None:
    drawn = random_program(random, count)
    library = (dot.dot_general_p,) if drawn.with_library else ()
    with config.override(enable_x64=True):
        check(drawn.fun, *drawn.args, donated=drawn.donated, library=library, rtol=1e-7)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.randoms(use_true_random=False), st.integers(6, 20))
def test_random_program_with_scratch(random: Random, count: int) -> None:
    drawn = random_program(random, count)
    with pytest.MonkeyPatch.context() as patch, config.override(enable_x64=True):
        patch.setattr(scratch, "LONG", 2)
        patch.setattr(scratch, "WORTH", 1.0)
        check(drawn.fun, *drawn.args, donated=drawn.donated, rtol=1e-7, local_bytes=random.choice((128, 1 << 15)))
