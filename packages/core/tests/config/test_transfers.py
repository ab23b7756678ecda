"""Guards of transfers, and memory spaces: what is refused, logged and allowed, in every direction."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import memory
from cotan.errors import JaxRuntimeError
from cotan.runtime.array import Array

X = cnp.arange(3.0)
N = np.arange(3, dtype=np.float32)
double = cotan.jit(lambda x: x * 2)

IMPLICIT = {
    "an operand": lambda: X + N,
    "a number": lambda: X + 7.25,
    "a second number": lambda: X + 1.5,
    "an argument": lambda: double(N),
    "a new array": lambda: cnp.array([1.0, 2.0]),
}
FREE = {
    "device_put": lambda: cotan.device_put(N),
    "arrays": lambda: X * X,
    "a compiled call": lambda: double(X),
    "to the host": lambda: np.asarray(X),
    "device_get": lambda: cotan.device_get(X),
}


@pytest.mark.parametrize("call", IMPLICIT.values(), ids=IMPLICIT)
def test_implicit_transfers_are_refused(call):
    expected = np.asarray(call())
    refused = r"test_transfers.py:\d+.*: an implicit transfer, host to device, of \S+ to .* is refused by the flag "
    refused += "transfer_guard='disallow'; ask for it by cotan.device_put"
    with cotan.transfer_guard("disallow"), pytest.raises(JaxRuntimeError, match=refused):
        call()
    with cotan.transfer_guard("disallow"), cotan.transfer_guard_host_to_device("allow"):
        np.testing.assert_array_equal(call(), expected)
    with cotan.transfer_guard_device_to_host("disallow_explicit"), cotan.transfer_guard_device_to_device("disallow"):
        np.testing.assert_array_equal(call(), expected)
    np.testing.assert_array_equal(call(), expected)


@pytest.mark.parametrize("call", FREE.values(), ids=FREE)
def test_what_is_asked_for_or_lies_there_is_allowed(call):
    expected = np.asarray(call())
    with cotan.transfer_guard("disallow"):
        np.testing.assert_array_equal(call(), expected)


def test_explicit_transfers_are_refused_where_all_are():
    refused = pytest.raises(JaxRuntimeError, match=r"an explicit transfer.* allow it by cotan\.transfer_guard")
    with cotan.transfer_guard_host_to_device("disallow_explicit"), refused:
        cotan.device_put(N)


def test_programs_may_hold_arrays():
    with cotan.transfer_guard("disallow"):
        np.testing.assert_array_equal(cotan.jit(lambda x: x + N + 2.5)(X), [2.5, 4.5, 6.5])


def test_transfers_are_logged(caplog):
    with caplog.at_level(logging.WARNING, "cotan"), cotan.transfer_guard("log"):
        np.testing.assert_array_equal(cotan.device_put(N) + N, [0, 2, 4])
    assert [r.message.split(": ", 1)[1] for r in caplog.records] == [
        "an implicit transfer, host to device, of f32[3] to CpuDevice(id=0)"
    ]
    caplog.clear()
    with caplog.at_level(logging.WARNING, "cotan"), cotan.transfer_guard("log_explicit"):
        cotan.device_put(N)
    assert "an explicit transfer, host to device" in caplog.text


def test_transfers_to_the_host_of_memory_that_it_does_not_share():
    class Far:
        """A buffer that is copied when it is read."""

        def to_host(self):
            return N.copy()

    def far():
        return Array(X.aval, Far(), X.device)

    with cotan.transfer_guard("disallow"):
        with pytest.raises(JaxRuntimeError, match=r"device to host, of f32\[3\] .*; ask for it by cotan.device_get"):
            np.asarray(far())
        np.testing.assert_array_equal(cotan.device_get(far()), N)


def test_transfers_between_devices():
    from cotan.runtime.devices import move

    (device,) = cotan.devices("cpu")[:1]
    with cotan.transfer_guard_device_to_device("disallow"):
        with pytest.raises(JaxRuntimeError, match="an implicit transfer, device to device, of f32"):
            move(X, device)
        np.testing.assert_array_equal(move(X, device, explicit=True), N)


def test_levels():
    with pytest.raises(ValueError, match="config flag transfer_guard: 'never' is not a valid value; allowed are"):
        cotan.config.update("jax_transfer_guard", "never")
    assert cotan.config.jax_transfer_guard is None


def test_memory_spaces():
    assert [space.name for space in memory.Space] == ["Device", "Host", "Any"]
    for space in (memory.Space.Device, memory.Space.Host):
        assert repr(space) == f"Space.{space.name}"
        assert cotan.device_put(X, space) is X
        np.testing.assert_array_equal(cotan.device_put({"a": N}, space)["a"], N)
        np.testing.assert_array_equal(cotan.jit(lambda x, s=space: cotan.device_put(x, s) + 1)(X), N + 1)
    with pytest.raises(ValueError, match=r"device_put: Space\.Any is not one memory; give Space\.Device or"):
        cotan.device_put(X, memory.Space.Any)

    class Accelerator:
        platform = "gpu"

    from cotan.runtime.memories import check_space

    with pytest.raises(ValueError, match=r"lie in its own memory only; bring them to the host by cotan\.device_get"):
        check_space(memory.Space.Host, Accelerator())
