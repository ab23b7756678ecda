"""``cotan.distributed``: what is refused, and that the backend which can is asked to join."""

from __future__ import annotations

import pytest
from backend import toy_backend

import cotan
from cotan import distributed
from cotan.backend import API_VERSION, BackendEntry, Probe, registry
from cotan.config import config
from cotan.errors import BackendUnavailableError


class Point:
    """An entry point that gives a plugin."""

    name, value, dist = "able", "able.plugin", None

    def __init__(self, calls):
        self.calls = calls

    def load(self):
        from types import ModuleType

        from cotan.backend import hookimpl

        plugin = ModuleType("able.plugin")
        calls = self.calls

        @hookimpl
        def cotan_backends():
            def join(run):
                calls.append(run)

            def leave():
                calls.append("left")

            return [
                BackendEntry("able", API_VERSION, toy_backend.ToyBackend, lambda: Probe(True), join=join, leave=leave)
            ]

        plugin.cotan_backends = cotan_backends
        return plugin


@pytest.fixture
def calls(monkeypatch):
    found = []
    monkeypatch.setattr(registry, "_entry_points", lambda: [Point(found)])
    with registry.aside():
        yield found
        distributed.shutdown()


def test_the_backend_joins_and_leaves(calls):
    assert not distributed.is_initialized()
    distributed.initialize("host:12", 3, 1)
    [run] = calls
    assert (run.address, run.count, run.index) == ("host:12", 3, 1)
    assert distributed.is_initialized()
    assert (cotan.process_index(), cotan.process_count(), cotan.process_indices()) == (1, 3, [0, 1, 2])
    with pytest.raises(RuntimeError, match="called before"):
        distributed.initialize("host:12", 3, 1)
    distributed.shutdown()
    assert calls[1:] == ["left"]
    assert (cotan.process_index(), cotan.process_count()) == (0, 1)


def test_the_environment_says_what_is_left_out(calls, monkeypatch):
    monkeypatch.setenv("COTAN_COORDINATOR_ADDRESS", "host:1")
    monkeypatch.setenv("COTAN_NUM_PROCESSES", "2")
    monkeypatch.setenv("COTAN_PROCESS_ID", "0")
    distributed.initialize()
    assert calls[0].count == 2


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((None, 2, 0), "needs coordinator_address; give it, or set COTAN_COORDINATOR_ADDRESS"),
        (("host", 2, 0), "is host:port"),
        (("host:1", 0, 0), "num_processes is an integer from 1 up, not 0"),
        (("host:1", 2, "x"), "process_id is an integer from 0 up, not 'x'"),
        (("host:1", 2, 2), "process_id is 2, but there are 2 processes"),
    ],
)
def test_bad_input(calls, args, text):
    with pytest.raises(ValueError, match=text):
        distributed.initialize(*args)
    assert not distributed.is_initialized()


def test_too_late(calls):
    cotan.devices("able")
    with pytest.raises(RuntimeError, match="must be called before arrays are made"):
        distributed.initialize("host:1", 2, 0)


def test_no_backend_can():
    with config.override(backends=("cpu",)), pytest.raises(BackendUnavailableError, match="no installed backend knows"):
        distributed.initialize("host:1", 2, 0)
    with (
        config.override(platform="cpu"),
        pytest.raises(BackendUnavailableError, match="the backend `cpu` does not know"),
    ):
        distributed.initialize("host:1", 2, 0)
