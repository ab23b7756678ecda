"""checkpoint lowers peak memory: by the compiled program's own plan, and as the process sees it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax

STATUS = Path("/proc/self/status")
STEPS, CHUNK, SIZE = 10_000, 100, 1024


def step(h, _):
    return cnp.sin(h) * 0.99 + 0.1 * cnp.tanh(h), None


def plain(x):
    return cnp.sum(lax.scan(step, x, length=STEPS)[0])


def in_chunks(x):
    chunk = cotan.checkpoint(lambda h: lax.scan(step, h, length=CHUNK)[0])
    return cnp.sum(lax.scan(lambda h, _: (chunk(h), None), x, length=STEPS // CHUNK)[0])


def planned(fun) -> int:
    """Bytes of workspace of the gradient, by its plan."""
    compiled = cotan.jit(cotan.grad(fun)).lower(cnp.zeros(SIZE)).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_a_checkpointed_scan_plans_a_twentieth_of_the_memory():
    assert planned(plain) >= 20 * planned(in_chunks)


def peak() -> int:
    """The largest resident size of this process so far, in kilobytes. (getrusage gives a child its parent's.)"""
    return int(re.search(r"VmHWM:\s*(\d+)", STATUS.read_text()).group(1))


_MEASURE = """
import sys
sys.path.insert(0, {path!r})
from api import test_memory
import cotan, cotan.numpy as cnp
run = cotan.jit(cotan.grad(getattr(test_memory, {name!r})))
x = cnp.linspace(0, 1, test_memory.SIZE)
run.lower(x).compile()
before = test_memory.peak()
run(x).block_until_ready()
print(test_memory.peak() - before)
"""


def measured(name: str) -> int:
    """By how many kilobytes the peak of a fresh process rises when the gradient runs."""
    path = next(p for p in sys.path if p.endswith("tests") and "core" in p)
    command = [sys.executable, "-c", _MEASURE.format(path=path, name=name)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of a process is read from /proc, which Linux has")
def test_a_checkpointed_scan_uses_a_twentieth_of_the_memory():
    assert measured("plain") >= 20 * max(measured("in_chunks"), 1)
