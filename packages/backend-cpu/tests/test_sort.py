"""Sorting shared among threads: as NumPy's stable sorts, for every kind of element, axis and number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings

import ml_dtypes
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.config import config
from cotan_cpu import host_threads
from cotan_cpu.lower.sort import sort_in_place

DTYPES = (np.float32, np.float16, ml_dtypes.bfloat16, np.float64, np.int32, np.uint32, np.int8, np.bool_)
SHAPES = [
    ((40_001,), 0),
    ((1, 40_000), 1),
    ((300, 200), 1),
    ((300, 200), 0),
    ((2, 40_000), 1),
    ((40_000, 2), 0),
    ((2, 20_000), 1),
    ((40, 30, 35), 1),
    ((7,), 0),
]


@pytest.fixture(autouse=True)
def wide():
    with cotan.enable_x64(True):
        yield


def draw(shape, dtype):
    x = np.random.default_rng(0).integers(0, 50, shape)
    if np.dtype(dtype).kind in "iu":
        return (x * 60_000_011 if np.dtype(dtype).itemsize == 4 else x).astype(dtype)
    x = ((x - 20) / 4).astype(dtype)
    if np.dtype(dtype).kind != "b":
        flat = x.reshape(-1)
        flat[::97], flat[5::89], flat[6::101], flat[7::103] = np.nan, -0.0, np.inf, -np.inf
    return x


def comparable(x):
    return x.astype(np.float64) if x.dtype.kind in "fV" else x


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_like_stable_sorts(shape, axis, dtype, threads):
    x = draw(shape, dtype)
    order = np.argsort(comparable(x), axis=axis, kind="stable")
    wanted = np.take_along_axis(comparable(x), order, axis)
    with config.override(num_threads=threads):
        np.testing.assert_array_equal(cnp.argsort(x, axis=axis), order)
        found = comparable(np.asarray(cotan.jit(lambda x: cnp.sort(x, axis=axis))(x)))
        keys, places = lax.sort((x, np.broadcast_to(np.arange(x.size).reshape(shape), shape)), dimension=axis)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(comparable(np.asarray(keys)), wanted)
    np.testing.assert_array_equal(places, np.take_along_axis(np.arange(x.size).reshape(shape), order, axis))
    if x.dtype.kind in "fV":
        numbers = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(wanted)[numbers])


def test_a_line_with_gaps_is_sorted_where_it_lies():
    memory = np.random.default_rng(0).standard_normal((40_000, 3)).astype(np.float32)
    wanted = memory.copy()
    wanted[:, 1].sort()
    with config.override(num_threads=2):
        sort_in_place(memory[:, 1], 0)
    np.testing.assert_array_equal(memory, wanted)


def test_what_a_thread_raises_is_raised_after_all_have_ended():
    done = []

    def work(k):
        if k == 1:
            raise ValueError("of the second")
        done.append((k, threading.get_ident()))

    with pytest.raises(ValueError, match="of the second"):
        host_threads.share(work, 3)
    assert sorted(k for k, _ in done) == [0, 2]
    assert dict(done)[0] == threading.get_ident()


def test_at_the_end_of_the_process_this_thread_does_all():
    code = """
import atexit
from cotan_cpu.host_threads import share
share(lambda k: None, 3)
atexit.register(lambda: share(lambda k: print(k, flush=True), 3))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n1\n2\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_starts_threads_of_its_own():
    host_threads.share(lambda k: None, 2)
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        found = []
        host_threads.share(found.append, 2)
        os.write(writing, bytes(sorted(found)))
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    assert os.read(reading, 2) == bytes([0, 1])
