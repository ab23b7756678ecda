"""checkpoint lowers peak memory: by the compiled program's own plan, and as the process sees it."""

from __future__ import annotations

import subprocess
import sys

import cotan
import cotan.numpy as cnp
from cotan import lax

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


_MEASURE = """
import resource, sys
sys.path.insert(0, {path!r})
from api import test_memory
import cotan, cotan.numpy as cnp
run = cotan.jit(cotan.grad(getattr(test_memory, {name!r})))
x = cnp.linspace(0, 1, test_memory.SIZE)
run.lower(x).compile()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def measured(name: str) -> int:
    """By how many kilobytes the peak of a fresh process rises when the gradient runs."""
    path = next(p for p in sys.path if p.endswith("tests") and "core" in p)
    command = [sys.executable, "-c", _MEASURE.format(path=path, name=name)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_a_checkpointed_scan_uses_a_twentieth_of_the_memory():
    assert measured("plain") >= 20 * max(measured("in_chunks"), 1)
