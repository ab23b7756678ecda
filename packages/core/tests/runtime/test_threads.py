"""Threads that trace, transform, compile and run at once: results are right, and memory stays what it is.

``COTAN_TEST_THREADS_SECONDS`` sets how long the mixed work goes on (a few seconds by default; a minute tells more).
"""

from __future__ import annotations

import functools
import gc
import os
import sys
import threading
import time

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import export, lax
from cotan.api import programs
from cotan.config import config
from cotan.runtime import compile as compiling

THREADS = 8
SECONDS = float(os.environ.get("COTAN_TEST_THREADS_SECONDS", "4"))


def together(*works):
    """Run functions in threads, which begin at once; raises what one of them raised."""
    barrier = threading.Barrier(len(works))
    errors = []

    def run(work):
        try:
            barrier.wait()
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_programs_are_kept_and_forgotten_by_many(monkeypatch):
    monkeypatch.setattr(programs, "MOST", 3)
    kept, interval = programs.Programs(), sys.getswitchinterval()

    def work(name):
        for n in range(20_000):
            kept.add((name, n), n)
            if n % 7 == 0:
                kept.clear()
        assert len(kept.by_key) <= 3

    sys.setswitchinterval(1e-6)
    try:
        together(*(functools.partial(work, name) for name in range(4)))
    finally:
        sys.setswitchinterval(interval)


@pytest.fixture
def compilations(monkeypatch):
    names = []
    original = compiling._compile

    def counted(closed, device, donated, name, *options):
        names.append(name)
        time.sleep(0.02)  # so that others come while it compiles
        return original(closed, device, donated, name, *options)

    monkeypatch.setattr(compiling, "_compile", counted)
    return names


def test_a_new_function_is_compiled_once(compilations):
    def shared(x):
        return cnp.sin(x) * 1.0625

    jitted = cotan.jit(shared)
    x = cnp.ones(7)
    together(*[lambda: jitted(x)] * THREADS)
    assert compilations == ["shared"]


def test_closures_of_one_text_are_compiled_once(compilations):
    def make(value):
        def shared(x):
            return cnp.cos(x) * value * 1.03125

        return cotan.jit(shared)

    results = {}

    def work(n):
        results[n] = float(make(cnp.float32(n) + cnp.zeros(()))(0.0))

    together(*[functools.partial(work, n) for n in range(THREADS)])
    assert results == {n: n * 1.03125 for n in range(THREADS)}
    assert compilations == ["shared"]


def test_derivatives_of_one_function_are_derived_once(compilations):
    @cotan.jit
    def shared(x):
        return cnp.sum(cnp.tanh(x) ** 2)

    x = cnp.ones(5)
    together(*[lambda: cotan.grad(shared)(x)] * THREADS)
    assert len(compilations) == 2


def test_flags_that_another_thread_sets_while_a_function_is_traced():
    setting = [lambda: config.update("enable_x64", True)]

    @cotan.jit
    def f(x):
        for update in setting:
            together(update)
        setting.clear()
        return x + cnp.zeros(3, float)

    x = np.ones(3, np.float32)
    try:
        f(x)
    finally:
        config.update("enable_x64", False)
    assert [f(x).dtype for _ in range(3)] == [np.float32] * 3


def test_flags_of_one_thread_are_not_those_of_another():
    x = np.arange(4.0)

    @cotan.jit
    def f(x):
        return x * 2

    def narrow():
        for _ in range(200):
            assert f(x).dtype == np.float32

    def wide():
        for _ in range(200):
            with cotan.enable_x64(True):
                assert f(x).dtype == np.float64

    together(*[narrow, wide] * 3)


def test_caches_may_be_cleared_while_others_work():
    @cotan.jit
    def f(x):
        return cnp.sum(cnp.sin(x) * x)

    x = np.linspace(0, 1, 5, dtype=np.float32)
    done = threading.Event()

    def work():
        for _ in range(30):
            np.testing.assert_allclose(cotan.grad(f)(x), np.sin(x) + x * np.cos(x), rtol=1e-5)
            np.testing.assert_allclose(f(x), np.sum(np.sin(x) * x), rtol=1e-5)
        done.set()

    def clear():
        while not done.is_set():
            cotan.clear_caches()
            time.sleep(0.002)

    together(work, work, clear)


# ---- Mixed work


@cotan.jit
def _shared(x, y):
    return cnp.tanh(x @ y) + x.sum()


@cotan.custom_jvp
def _cube(x):
    return x**3


_cube.defjvp(lambda primals, tangents: (_cube(*primals), 3 * primals[0] ** 2 * tangents[0]))


@cotan.custom_vjp
def _square(x):
    return x * x


_square.defvjp(lambda x: (_square(x), x), lambda x, ct: (2 * x * ct,))


def _close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def _jit_shared(x, n):
    _close(_shared(x, x), np.tanh(x @ x) + x.sum())


def _fresh_closure(x, n):
    held = cnp.asarray(x)
    _close(cotan.jit(lambda y: y @ held + n)(x), x @ x + n)


def _gradient(x, n):
    _close(cotan.grad(lambda y: cnp.sum(cotan.jit(lambda z: cnp.sin(z) * x)(y)))(x), np.cos(x) * x)


def _second_order(x, n):
    _close(cotan.jit(cotan.grad(cotan.grad(lambda v: v**4)))(float(n)), 12.0 * n * n)


def _mapped(x, n):
    _close(cotan.vmap(lambda row: cnp.cumsum(row) * n)(x), np.cumsum(x, axis=1) * n)


def _jacobian(x, n):
    _close(cotan.jacfwd(lambda v: v * v)(x[0]), np.diag(2 * x[0]))


def _loop(x, n):
    def body(c, row):
        return c + row * x[0], c.sum()

    carry, sums = lax.scan(body, cnp.zeros(x.shape[1]), x)
    _close(carry, (x * x[0]).sum(0))
    _close(sums, np.concatenate([[0], np.cumsum((x * x[0]).sum(1))[:-1]]))


def _while(x, n):
    assert int(lax.while_loop(lambda v: v < 100 + n, lambda v: v * 2, 1)) == 128


def _rules(x, n):
    _close(cotan.grad(lambda v: cnp.sum(_cube(v) + _square(v)))(x), 3 * x**2 + 2 * x)


def _static(x, n):
    power = cotan.jit(lambda v, k: v**k, static_argnames="k")
    _close(power(x, k=n % 3 + 1), x ** (n % 3 + 1))


def _eager(x, n):
    y = cnp.sort(cnp.concatenate([x, x * n], axis=0), axis=0)[::-1]
    _close(y, np.sort(np.concatenate([x, x * n]), axis=0)[::-1])


def _donating(x, n):
    y = cnp.asarray(x) + 0
    _close(_twice(y), 2 * x)
    assert y.is_deleted()


_twice = cotan.jit(lambda y: y * 2, donate_argnums=0)


def _ahead(x, n):
    compiled = cotan.jit(lambda y: cnp.exp(y) - n).lower(cotan.ShapeDtypeStruct(x.shape, x.dtype)).compile()
    _close(compiled(x), np.exp(x) - n)


def _exported(x, n):
    made = export.export(cotan.jit(lambda y: cnp.sum(y * x, axis=0)))(x)
    _close(export.deserialize(made.serialize()).call(x), (x * x).sum(0))


def _random(x, n):
    bits = cotan.random.bits(cotan.random.key(n), (3,))
    np.testing.assert_array_equal(bits, cotan.jit(lambda k: cotan.random.bits(k, (3,)))(cotan.random.key(n)))


def _wide(x, n):
    with cotan.enable_x64(True):
        assert cotan.jit(lambda y: y + 1)(x.astype(np.float64)).dtype == np.float64


def _remat(x, n):
    _close(
        cotan.grad(lambda v: cnp.sum(cotan.checkpoint(lambda w: cnp.sin(cnp.sin(w)))(v)))(x),
        np.cos(np.sin(x)) * np.cos(x),
    )


def _errors(x, n):
    with pytest.raises(cotan.errors.TracerBoolConversionError):
        cotan.jit(lambda v: v if v > 0 else -v)(float(n))


JOBS = [
    _jit_shared, _fresh_closure, _gradient, _second_order, _mapped, _jacobian, _loop, _while, _rules, _static, _eager,
    _donating, _ahead, _exported, _random, _wide, _remat, _errors,
]  # fmt: skip


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_jobs_are_right_alone(job):
    for n in range(3):
        job(np.random.default_rng(n).uniform(-1, 1, (3, 3)).astype(np.float32), n)


def _resident() -> int:
    """Bytes of memory that the process has now."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_mixed_work():
    def work(seed, until):
        rng = np.random.default_rng(seed)
        while time.monotonic() < until:
            job = JOBS[rng.integers(len(JOBS))]
            job(rng.uniform(-1, 1, (3, 3)).astype(np.float32), int(rng.integers(4)))

    def round_of(seconds, first_seed):
        until = time.monotonic() + seconds
        together(*[functools.partial(work, first_seed + n, until) for n in range(THREADS)])

    for job in JOBS:  # every program once
        for n in range(4):
            job(np.ones((3, 3), np.float32), n)
    round_of(SECONDS / 2, 0)
    before = _resident()
    round_of(SECONDS, 100)
    grown = _resident() - before
    assert grown < 24e6, f"{grown / 1e6:.1f} MB more after {SECONDS} s"
