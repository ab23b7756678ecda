"""Threads that put, compute, compile and read at once on one device: every result is right."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.testing.conformance.cases import checks
from cotan.testing.conformance.subject import Subject

F = np.float32
THREADS = 6
_found, case = checks()


def cases() -> list[Any]:
    """The checks below."""
    return _found


def together(subject: Subject, work: Callable[[int], None]) -> None:
    """Run ``work(number)`` in several threads, which change places often; raises what one of them raised."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> None:
        try:
            barrier.wait()
            with subject.place():
                work(number)
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]


def _same(found: Any, wanted: Any) -> None:
    np.testing.assert_array_equal(np.asarray(found), wanted)


@case("threads/transfer/there and back")
def _(subject: Subject) -> None:
    def work(number: int) -> None:
        for k in range(40):
            value = np.full(64 + k, number * 100 + k, F)
            _same(cotan.device_put(value), value)

    together(subject, work)


@case("threads/programs/one program")
def _(subject: Subject) -> None:
    f = cotan.jit(lambda x: (cnp.cumsum(x) * 2, x.max()))

    def work(number: int) -> None:
        x = np.arange(300, dtype=F) % (number + 2)
        for _ in range(15):
            running, largest = f(x)
            _same(running, x.cumsum(dtype=F) * 2)
            _same(largest, x.max())

    together(subject, work)


@case("threads/programs/one for each thread")
def _(subject: Subject) -> None:
    def work(number: int) -> None:
        f = cotan.jit(lambda x: (x * (number + 1)).reshape(-1, 10).sum(0) + number)
        x = np.arange(200, dtype=F)
        for _ in range(5):
            _same(f(x), (x * (number + 1)).reshape(-1, 10).sum(0) + number)

    together(subject, work)


@case("threads/programs/with loops")
def _(subject: Subject) -> None:
    f = cotan.jit(lambda n, x: lax.fori_loop(0, n, lambda _, x: x + 1, x))

    def work(number: int) -> None:
        x = np.arange(50, dtype=F)
        for _ in range(5):
            _same(f(number, x), x + number)

    together(subject, work)


@case("threads/donation/each its own")
def _(subject: Subject) -> None:
    f = cotan.jit(lambda x: x * 2 + 1, donate_argnums=0)

    def work(number: int) -> None:
        wanted = np.full(2000, number, F)
        x = cotan.device_put(wanted)
        for _ in range(8):
            x, wanted = f(x), wanted * 2 + 1
        _same(x, wanted)

    together(subject, work)


@case("threads/eager/operations", levels=frozenset({"eager"}))
def _(subject: Subject) -> None:
    def work(number: int) -> None:
        wanted = np.arange(100, dtype=F)
        x = cotan.device_put(wanted)
        for k in range(25):
            x, wanted = x * 0.5 + F(number + k), wanted * F(0.5) + F(number + k)
        _same(x, wanted)
        _same(x.reshape(10, 10).T.max(0), wanted.reshape(10, 10).T.max(0))

    together(subject, work)
