"""Devices, and the way of arrays there and back: every dtype, layout and size, between devices, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import cotan
from cotan import dtypes
from cotan.errors import UnsupportedError
from cotan.testing.conformance.cases import Case, Check, checks, refused
from cotan.testing.conformance.subject import Subject
from cotan.testing.operators.table import edges, values

EVERY_DTYPE = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "bfloat16", "float32", "float64", "complex64", "complex128", "int4", "uint4",
    "float8_e4m3fn", "float8_e5m2",
)  # fmt: skip

SHAPES = ((), (1,), (7,), (0,), (0, 3), (2, 0, 5), (3, 4), (1, 1, 1), (2, 3, 4, 5), (4097,))

_found, case = checks()


def cases() -> Iterator[Case]:
    """Every dtype in every shape and layout, and the checks below."""
    for name in EVERY_DTYPE:
        for shape in SHAPES:
            size = "x".join(map(str, shape)) or "scalar"
            yield Check(
                f"transfer/{name}/{size}",
                dtypes=frozenset({name}),
                cell=("transfer", name),
                check=partial(_there_and_back, name, shape),
            )
        yield Check(
            f"transfer/{name}/edges",
            dtypes=frozenset({name}),
            cell=("transfer", name),
            check=partial(_edges, name),
        )
        yield Check(f"transfer/{name}/buffer", dtypes=frozenset({name}), check=partial(_buffer, name))
    yield from _found


def _dtype(name: str) -> Any:
    return np.dtype(getattr(dtypes, name, name))


def _same(found: Any, wanted: Any) -> None:
    found = np.asarray(found)
    assert found.dtype == wanted.dtype, f"dtype {found.dtype}, not {wanted.dtype}"
    assert found.shape == wanted.shape, f"shape {found.shape}, not {wanted.shape}"
    assert found.tobytes() == wanted.tobytes(), f"{found}\nis not\n{wanted}"


def _there_and_back(name: str, shape: tuple[int, ...], subject: Subject) -> None:
    value = values(*shape, dtype=np.float64, low=0, high=7).astype(_dtype(name))
    with subject.place(x64=True) as device:
        x = cotan.device_put(value, device)
        assert x.devices() == {device}, f"it lies on {x.devices()}"
        assert x.shape == value.shape
        _same(x, value)
        _same(device.put(value).to_host(), value)
        _same(cotan.device_get(x), value)


def _edges(name: str, subject: Subject) -> None:
    dtype = _dtype(name)
    if dtype == np.bool_ or dtypes.issubdtype(dtype, np.complexfloating):
        value = np.array([0, 1, 1, 0], dtype)
    else:
        with np.errstate(all="ignore"):
            value = edges(dtype)
    with subject.place(x64=True):
        _same(cotan.device_put(value), value)


def _buffer(name: str, subject: Subject) -> None:
    """The contract of buffers, without any array."""
    value = values(3, 5, dtype=np.float64, low=0, high=7).astype(_dtype(name))
    buffer = subject.device.put(value)
    assert buffer.nbytes >= 0
    _same(buffer.to_host(), value)
    other = buffer.copy_to(subject.device)
    assert other is not buffer, "a copy is another buffer"
    buffer.wait()
    assert buffer.is_ready(), "wait() has returned, and the buffer is not ready"
    assert not buffer.is_deleted()
    buffer.delete()
    buffer.delete()
    assert buffer.is_deleted(), "delete() has no effect"
    _same(other.to_host(), value)


LAYOUTS = {
    "transposed": lambda x: x.T,
    "fortran": np.asfortranarray,
    "every-second": lambda x: x[::2, 1::2],
    "backwards": lambda x: x[::-1, ::-1],
    "broadcast": lambda x: np.broadcast_to(x[:1], (4, x.shape[1])),
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "column": lambda x: x[:, 1],
    "no-rows": lambda x: x[3:3].T,
}


def _layout(name: str, subject: Subject) -> None:
    for dtype in ("float32", "int16", "bool"):
        value = LAYOUTS[name](values(6, 4, dtype=np.float64, low=0, high=9).astype(dtype))
        native = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("="), order="C").reshape(value.shape)
        for copy in (True, False):
            _same(subject.device.put(value, copy=copy).to_host(), native)
        _same(cotan.device_put(value), native)


_found.extend(Check(f"layouts/{name}/put", check=partial(_layout, name)) for name in LAYOUTS)


@case("transfer/ownership/arguments are copied")
def _(subject: Subject) -> None:
    value = np.arange(2000, dtype=np.float32)
    buffer = subject.device.put(value)
    x = cotan.device_put(value)
    value[:] = -1
    _same(buffer.to_host(), np.arange(2000, dtype=np.float32))
    _same(x, np.arange(2000, dtype=np.float32))


@case("transfer/ownership/what is handed out is the caller's to keep")
def _(subject: Subject) -> None:
    buffer = subject.device.put(np.arange(2000, dtype=np.float32))
    host = buffer.to_host()
    if host.flags.writeable:
        host[:] = -1
        _same(buffer.to_host(), np.arange(2000, dtype=np.float32))
    host = buffer.to_host()
    buffer.delete()
    for _ in range(3):  # fresh buffers, which may take the memory that is free now
        subject.device.put(np.full(2000, 7, np.float32))
    _same(host, np.arange(2000, dtype=np.float32))


@case("transfer/refusals/what is no array")
def _(subject: Subject) -> None:
    for value in (np.array(["a"]), np.array([object()]), np.array(["2020-01-01"], "M8[D]")):
        put = partial(subject.device.put, value)
        refused(UnsupportedError, put, f"an array of dtype {value.dtype}", subject.backend.name)


@case("devices/contract/identity")
def _(subject: Subject) -> None:
    first, second = subject.backend.devices(), subject.backend.devices()
    assert first, "a backend has at least one device"
    assert all(a is b for a, b in zip(first, second, strict=True)), "devices() must give the same objects"
    assert [d.id for d in first] == list(range(len(first))), "devices are numbered from 0"
    assert len(set(first)) == len(first), "two devices are equal"
    for device in first:
        assert device.backend is subject.backend
        assert isinstance(device.platform, str)
        assert device.platform
        assert isinstance(device.device_kind, str)
        assert str(device.id) in repr(device), f"{device!r} does not say which one it is"
        stats = device.memory_stats()
        assert all(isinstance(key, str) and isinstance(number, int) for key, number in stats.items()), stats
        device.synchronize()


@case("devices/registry/found by name")
def _(subject: Subject) -> None:
    if subject.registered:
        assert cotan.devices(subject.backend.name) == subject.backend.devices()
        assert cotan.device_put(np.float32(1), subject.backend.name).devices() == {subject.backend.devices()[0]}
        from cotan.__main__ import info

        assert subject.backend.name in info()


@case("devices/placement/results stay where operands are")
def _(subject: Subject) -> None:
    for device in subject.backend.devices():
        x = cotan.device_put(np.arange(6, dtype=np.float32), device)
        y = x * 2 + 1
        z = cotan.jit(lambda x: x * 2 + 1)(x)
        assert x.devices() == y.devices() == z.devices() == {device}
        _same(y, np.arange(6, dtype=np.float32) * 2 + 1)
        _same(z, np.arange(6, dtype=np.float32) * 2 + 1)


@case("devices/placement/default_device")
def _(subject: Subject) -> None:
    for device in subject.backend.devices():
        with cotan.default_device(device):
            assert cotan.numpy.ones(3).devices() == {device}
            assert cotan.jit(lambda: cotan.numpy.arange(3))().devices() == {device}


@case("devices/placement/each computes")
def _(subject: Subject) -> None:
    """The same programs on every device, after each other: what is kept for one must not run on another."""
    table = np.array([3, 1, 4, 1, 5], np.float32)
    f = cotan.jit(lambda x, n: cotan.lax.fori_loop(0, n, lambda k, x: x * table + k, x).cumsum())
    value = np.arange(5, dtype=np.float32)
    once = value * table
    for device in (*subject.backend.devices(), *subject.backend.devices()):
        x = cotan.device_put(value, device)
        _same(f(x, 2), (once * table + 1).cumsum(dtype=np.float32))
        _same(f(x, 0), value.cumsum(dtype=np.float32))
        _same(cotan.numpy.sort(-x)[1:] + x[::-1][:4], np.sort(-value)[1:] + value[::-1][:4])
        _same(x.reshape(5, 1) * x, value.reshape(5, 1) * value)


@case("devices/placement/between devices")
def _(subject: Subject) -> None:
    value = np.arange(5000, dtype=np.float32)
    for source in subject.backend.devices():
        for target in subject.backend.devices():
            x = cotan.device_put(value, source)
            y = cotan.device_put(x, target)
            assert y.devices() == {target}
            _same(y, value)
            if source is not target:
                x.delete()
            _same(y, value)


@case("devices/placement/to another backend and back")
def _(subject: Subject) -> None:
    from cotan.testing.reference import ReferenceBackend

    value = np.arange(12, dtype=np.float32).reshape(3, 4)
    [other] = ReferenceBackend().devices()
    here = cotan.device_put(value, subject.device)
    there = cotan.device_put(here, other)
    assert there.devices() == {other}
    _same(there, value)
    back = cotan.device_put(there + 1, subject.device)
    assert back.devices() == {subject.device}
    _same(back * 1, value + 1)


@case("devices/placement/arrays that were put apart are refused")
def _(subject: Subject) -> None:
    if len(subject.backend.devices()) > 1:
        first, second = subject.backend.devices()[:2]
        x, y = cotan.device_put(np.ones(3, np.float32), first), cotan.device_put(np.ones(3, np.float32), second)
        refused(ValueError, lambda: x + y, "operands that were put on two devices", "device")


@case("devices/memory/pickle")
def _(subject: Subject) -> None:
    import pickle

    x = cotan.device_put(np.arange(5, dtype=np.int32))
    _same(pickle.loads(pickle.dumps(x)), np.arange(5, dtype=np.int32))
