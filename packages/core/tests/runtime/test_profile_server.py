"""Recordings over HTTP: what they hold, and what is refused."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest

import cotan
from cotan import profiler


@pytest.fixture
def server():
    made = profiler.start_server(0)
    yield made
    profiler.stop_server()


def get(server, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_runs_meanwhile_are_recorded(server):
    step = cotan.jit(lambda x: x * 2 + 1)
    found = []
    request = threading.Thread(target=lambda: found.append(get(server, "/?seconds=0.5")))
    request.start()
    while request.is_alive():
        step(np.float32(1)).block_until_ready()
        request.join(0.01)
    [(status, trace)] = found
    assert status == 200
    assert any("<lambda>" in event["name"] for event in trace["traceEvents"])
    assert not cotan.config.record_runs


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/elsewhere", 404, "nothing at /elsewhere"),
        ("/?seconds=long", 400, "a number from 0 to 600, not 'long'"),
        ("/?seconds=-1", 400, "a number from 0 to 600"),
        ("/?seconds=nan", 400, "a number from 0 to 600"),
    ],
)
def test_what_is_refused(server, path, status, text):
    found = get(server, path)
    assert found[0] == status
    assert text in found[1]["error"]


def test_one_recording_at_a_time(server, tmp_path):
    with profiler.trace(tmp_path):
        status, answer = get(server, "/?seconds=0")
    assert status == 409
    assert "being recorded already" in answer["error"]


def test_one_server_at_a_time(server):
    with pytest.raises(RuntimeError, match=f"a server runs already, at port {server.port}"):
        profiler.start_server(0)


def test_a_stopped_server_answers_no_longer():
    server = profiler.start_server(0)
    assert get(server, "/?seconds=0")[0] == 200
    profiler.stop_server()
    with pytest.raises(urllib.error.URLError):
        get(server, "/?seconds=0")
    with pytest.raises(RuntimeError, match="no profiling server is running"):
        profiler.stop_server()
