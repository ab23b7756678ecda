"""Memory: donation, deletion, views that outlive their arrays, results that stay, and that nothing is kept for ever."""

from __future__ import annotations

import gc
import weakref
from functools import partial
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.backend import CompileOptions
from cotan.errors import DeletedArrayError
from cotan.runtime.compile import lower_closed
from cotan.testing.conformance.cases import COMPILED, checks, refused
from cotan.testing.conformance.subject import Subject
from cotan.transforms.stage import stage_closed

F = np.float32
N = 5000
VALUE = np.arange(N, dtype=F)
_found, case = checks()


def cases() -> list[Any]:
    """The checks below."""
    return _found


def _same(found: Any, wanted: Any, what: str = "") -> None:
    np.testing.assert_array_equal(np.asarray(found), wanted, what)


def _incremented(**options: Any) -> Any:
    return cotan.jit(lambda x: x + 1, **options)


@case("lifetime/deletion/a deleted array cannot be read")
def _(subject: Subject) -> None:
    x = cotan.device_put(VALUE)
    x.delete()
    x.delete()
    assert x.is_deleted()
    for use in (lambda: np.asarray(x), lambda: x + 1, lambda: _incremented()(x), lambda: cotan.device_get(x)):
        refused(DeletedArrayError, use, "a deleted array")


@case("lifetime/deletion/a deleted buffer cannot be read")
def _(subject: Subject) -> None:
    buffer = subject.device.put(VALUE)
    buffer.delete()
    assert buffer.is_deleted()
    refused(Exception, buffer.to_host, "to_host() of a deleted buffer")
    refused(Exception, lambda: buffer.copy_to(subject.device), "copy_to() of a deleted buffer")


@case("lifetime/deletion/others stay")
def _(subject: Subject) -> None:
    x = cotan.device_put(VALUE)
    y, z = x + 0, x.reshape(50, 100)
    same = cotan.jit(lambda x: x)(x)
    x.delete()
    for _ in range(3):
        cotan.device_put(VALUE * 0 - 1)
    _same(y, VALUE)
    _same(z, VALUE.reshape(50, 100))
    if not same.is_deleted():
        _same(same, VALUE)


@case("lifetime/deletion/while a program reads it")
def _(subject: Subject) -> None:
    """A program that may still run has its arguments until it ends, whoever takes memory in the meantime."""
    f = cotan.jit(lambda x: lax.fori_loop(0, 300, lambda _, y: cnp.cos(y) * 0.5 + x, x))
    wanted = np.asarray(f(VALUE))
    for _ in range(3):
        x = cotan.device_put(VALUE)
        y, buffer = f(x), x._buffer
        x.delete()
        buffer.delete()
        del buffer
        others = [cotan.device_put(VALUE * 0 - k) for k in range(4)]
        _same(y, wanted)
        for k, other in enumerate(others):
            _same(other, VALUE * 0 - k)


@case("lifetime/donation/two that change places")
def _(subject: Subject) -> None:
    """Each result could take over the argument that the other one still reads."""
    f = cotan.jit(lambda x, y: (y + 1, x * 2), donate_argnums=(0, 1))
    x, y = cotan.device_put(VALUE), cotan.device_put(-VALUE)
    wanted = VALUE, -VALUE
    for _ in range(5):
        x, y = f(x, y)
        wanted = wanted[1] + 1, wanted[0] * 2
    _same(x, wanted[0])
    _same(y, wanted[1])


@case("lifetime/donation/the argument is gone")
def _(subject: Subject) -> None:
    f = _incremented(donate_argnums=0)
    x = cotan.device_put(VALUE)
    y = f(x)
    assert x.is_deleted(), "a donated array is still there"
    refused(DeletedArrayError, lambda: np.asarray(x), "a donated array")
    _same(y, VALUE + 1)


@case("lifetime/donation/again and again")
def _(subject: Subject) -> None:
    f = _incremented(donate_argnums=0)
    x = cotan.device_put(VALUE)
    for _ in range(10):
        x = f(x)
    _same(x, VALUE + 10)


@case("lifetime/donation/a view that was handed out stays")
def _(subject: Subject) -> None:
    f = _incremented(donate_argnums=0)
    x = cotan.device_put(VALUE)
    view = np.asarray(x)
    y = f(x)
    _same(view, VALUE, "a donation has overwritten an array that the host still sees")
    _same(y, VALUE + 1)


@case("lifetime/donation/of a buffer that two arrays hold")
def _(subject: Subject) -> None:
    f = _incremented(donate_argnums=0)
    x = cotan.device_put(VALUE)
    other = cotan.device_put(x, subject.device)
    y = f(x)
    if not other.is_deleted():
        _same(other, VALUE, "a donation has overwritten another array")
    _same(y, VALUE + 1)


@case("lifetime/donation/of what is also a plain argument")
def _(subject: Subject) -> None:
    f = cotan.jit(lambda x, y: (x + 1, y * 2), donate_argnums=0)
    x = cotan.device_put(VALUE)
    first, second = f(x, cotan.device_put(x, subject.device))
    _same(first, VALUE + 1)
    _same(second, VALUE * 2)


@case("lifetime/donation/results that read it late")
def _(subject: Subject) -> None:
    """The first result could take over x, which the second one still reads, shifted."""
    f = cotan.jit(lambda x: (x * 2, x[::-1] + x, x.sum()), donate_argnums=0)
    double, folded, total = f(cotan.device_put(VALUE))
    _same(double, VALUE * 2)
    _same(folded, VALUE[::-1] + VALUE)
    assert abs(float(total) - VALUE.astype(np.float64).sum()) < 1e-5 * VALUE.astype(np.float64).sum()


@case("lifetime/donation/in executables", levels=COMPILED)
def _(subject: Subject) -> None:
    """The contract itself: a buffer that is held elsewhere is copied, not overwritten; donated ones are deleted."""
    avals = [cotan.typeof(cotan.device_put(VALUE))]
    closed = stage_closed(lambda x: [x + 1], avals, name="increment")
    donated = (True,)
    made = lower_closed(closed, subject.device, donated)
    if made is None:
        return
    options = CompileOptions(subject.device, donated if subject.capabilities.donation else ())
    executable = subject.backend.compile(made, options)
    for held in (False, True):
        buffer = subject.device.put(VALUE)
        view = buffer.to_host() if held else None
        [result] = executable.run([buffer], donated)
        _same(result.to_host(), VALUE + 1)
        if view is not None:
            _same(view, VALUE, "a donation has overwritten memory that the host still sees")
        if subject.capabilities.donation:
            assert buffer.is_deleted(), "donation is claimed, and the buffer is not deleted"
    kept = subject.device.put(VALUE)
    executable.run([kept], (False,))
    _same(kept.to_host(), VALUE, "an argument that was not donated has changed")


@case("lifetime/arguments/are not changed")
def _(subject: Subject) -> None:
    f = cotan.jit(lambda x, y: (x.at[3].set(-1.0), cnp.sort(-x), y.T * 2, cnp.cumsum(x)))
    x, y = cotan.device_put(VALUE), cotan.device_put(VALUE.reshape(50, 100))
    f(x, y)
    x.at[0].set(9.0)
    _same(x, VALUE)
    _same(y, VALUE.reshape(50, 100))


@case("lifetime/arguments/of NumPy may be written to afterwards")
def _(subject: Subject) -> None:
    value = VALUE.copy()
    results = [cotan.jit(lambda x: x)(value), cotan.jit(lambda x: x * 2)(value), cnp.asarray(value) + 1]
    value[:] = -7
    for found, wanted in zip(results, (VALUE, VALUE * 2, VALUE + 1), strict=True):
        _same(found, wanted, "a result has changed with the caller's NumPy array")


@case("lifetime/results/are apart")
def _(subject: Subject) -> None:
    a, b, c = cotan.jit(lambda x: (x + 1, x + 1, x))(VALUE)
    a.delete()
    _same(b, VALUE + 1)
    _same(c, VALUE)


@case("lifetime/leaks/buffers die with their arrays")
def _(subject: Subject) -> None:
    f = cotan.jit(lambda x: (x * 2).sum() + x)
    f(VALUE)

    def made() -> Any:
        y = f(cotan.device_put(VALUE))
        try:
            return weakref.ref(y._buffer)
        except TypeError:  # buffers need not be weakly referable
            return lambda: None

    found = [made() for _ in range(3)]
    gc.collect()
    assert all(ref() is None for ref in found), "a result's buffer is still there though no array holds it"


@case("lifetime/leaks/memory in use")
def _(subject: Subject) -> None:
    f = cotan.jit(lambda x: cnp.tanh(x) * x.sum())
    stats = partial(subject.device.memory_stats)
    for _ in range(3):
        f(VALUE).block_until_ready()
    gc.collect()
    before = stats().get("bytes_in_use")
    for _ in range(30):
        f(cotan.device_put(VALUE)).block_until_ready()
    gc.collect()
    after = stats().get("bytes_in_use")
    if before is not None and after is not None:
        assert after - before < 3 * VALUE.nbytes, f"{after - before} bytes more are in use after 30 calls"
