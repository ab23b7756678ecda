"""Random programs: the CPU gives what the references give, and what it gave the first time."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
from compiler.compiling import by_reference, staged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cotan
from cotan import numpy as cnp
from cotan.backend.registry import get_backend
from cotan.compiler import compile_to_program
from cotan.config import config
from cotan.primitives import dot, transcendental
from cotan.structural import broadcast_in_dim
from cotan.testing.random_programs import random_program
from cotan_cpu.backend import LOCAL_BYTES


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.randoms(use_true_random=False), st.integers(3, 20))
def test_random_program(random: Random, count: int) -> None:
    drawn = random_program(random, count)
    backend = get_backend("cpu")
    [device] = backend.devices()[:1]
    with config.override(enable_x64=True):
        closed = staged(drawn.fun, *drawn.args)
        library = (dot.dot_general_p,) if drawn.with_library else ()
        program = compile_to_program(closed, donated=drawn.donated, supports_library=library, local_bytes=LOCAL_BYTES)
        executable = backend.compile(program, SimpleNamespace(device=device))
        expected = by_reference(closed, drawn.args)
        for _ in range(2):
            buffers = [device.put(np.array(a)) for a in drawn.args]
            results = [np.asarray(b.to_host()) for b in executable.run(buffers, drawn.donated)]
            for actual, value in zip(results, expected, strict=True):
                assert (actual.shape, actual.dtype) == (value.shape, value.dtype)
                np.testing.assert_allclose(actual.astype(np.float64), value.astype(np.float64), rtol=1e-7, atol=1e-9)


def test_kernels_of_one_text_run_all_of_their_own_rows() -> None:
    def fun(x: Any) -> list[Any]:
        return [broadcast_in_dim(transcendental.exp(x), (rows, 300), (1,)) for rows in (2, 1000)]

    x = np.linspace(0, 1, 300, dtype=np.float32)
    backend = get_backend("cpu")
    [device] = backend.devices()[:1]
    executable = backend.compile(compile_to_program(staged(fun, x)), SimpleNamespace(device=device))
    for result, rows in zip(executable.run([device.put(x)]), (2, 1000), strict=True):
        np.testing.assert_allclose(result.to_host(), np.tile(np.exp(x), (rows, 1)), rtol=1e-5)


def test_a_reduction_beside_one_in_lanes_is_read_by_another() -> None:
    """Of two reductions in one loop, rows in lanes, one does not depend on the rows; the third reads that one."""

    def fun(d: Any, a: Any, m: Any) -> list[Any]:
        e = cnp.exp(a - cnp.max(a, 0))
        return [d - a, cnp.max(d[None] / m[:, None, None], 0), e / cnp.sum(e, 0)]

    rng = np.random.default_rng(0)
    d, a, m = rng.normal(size=(8, 2)), rng.normal(size=(8, 2)), np.arange(1.0, 9.0)
    args = [x.astype(np.float32) for x in (d, a, m)]
    wanted = [d - a, np.max(d / m[:, None, None], 0), np.exp(a) / np.exp(a).sum(0)]
    for found, value in zip(cotan.jit(fun)(*args), wanted, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)
