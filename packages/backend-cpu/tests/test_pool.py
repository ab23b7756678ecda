"""Memory that is used again, and when an array may be overwritten."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cotan.backend.host_memory import size_class
from cotan_cpu.buffers import buffer_of, is_exclusive
from cotan_cpu.pool import SMALLEST, Pool, pool

MEGABYTE = 1 << 20


def test_size_classes_waste_at_most_an_eighth():
    for nbytes in (SMALLEST, 70_000, 100_001, MEGABYTE, MEGABYTE + 1, 3 * MEGABYTE + 17, 10**9):
        assert nbytes <= size_class(nbytes) <= nbytes * 1.125 + 4096


@pytest.mark.parametrize(
    ("shape", "dtype"), [((), np.float32), ((3, 4), np.int8), ((300, 1000), np.float64), ((0, 5), np.bool_)]
)
def test_arrays_are_plain_and_aligned(shape, dtype):
    array = pool.empty(shape, np.dtype(dtype), int(np.prod(shape)) * np.dtype(dtype).itemsize)
    assert (array.shape, array.dtype, type(array)) == (shape, dtype, np.ndarray)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    if array.nbytes >= SMALLEST:
        assert array.ctypes.data % 64 == 0


@pytest.mark.parametrize(
    "hold",
    [
        lambda array: array,
        lambda array: array[5:9],
        lambda array: array.reshape(2, -1).T,
        lambda array: memoryview(array),
        lambda array: np.from_dlpack(array),
        lambda array: array.view(np.int32)[1:].reshape(-1, 1),
    ],
)
def test_memory_comes_back_only_when_nothing_holds_it(hold):
    own = Pool()
    array = own.empty((MEGABYTE,), np.dtype(np.int8), MEGABYTE)
    address = array.ctypes.data
    held = hold(array)
    del array
    assert own.unused() == 0
    other = own.empty((MEGABYTE,), np.dtype(np.int8), MEGABYTE)
    assert other.ctypes.data != address
    del held
    assert own.unused() == MEGABYTE
    assert own.empty((1000, 1000), np.dtype(np.int8), 1000_000).ctypes.data == address


def test_unused_memory_is_limited():
    own = Pool(limit=3 * MEGABYTE)
    kept = [own.empty((size,), np.dtype(np.int8), size) for size in (MEGABYTE, MEGABYTE, 2 * MEGABYTE)]
    del kept
    assert own.unused() == 4 * MEGABYTE
    own.empty((MEGABYTE // 2,), np.dtype(np.int8), MEGABYTE // 2)
    assert own.unused() <= 3 * MEGABYTE + MEGABYTE // 2
    own.clear()
    assert own.unused() == 0


def test_workspaces_grow_and_are_reused():
    own = Pool()
    small = own.take_workspace(1000)
    own.return_workspace(small)
    assert own.take_workspace(500) is small
    own.return_workspace(small)
    assert own.take_workspace(10**6).nbytes >= 10**6


@pytest.mark.parametrize("size", [8, 10**6])
def test_what_others_see_is_not_exclusive(size):
    array = pool.empty((size,), np.dtype(np.float32), 4 * size)
    buffer = buffer_of(array, None)
    del array
    assert is_exclusive(buffer)
    host = buffer.to_host()
    assert not is_exclusive(buffer)
    assert not host.flags.writeable
    del host
    assert is_exclusive(buffer)
    other = buffer_of(buffer.array, None)
    assert not is_exclusive(buffer)
    other.delete()
    assert is_exclusive(buffer)
    view = memoryview(buffer.array)
    assert not is_exclusive(buffer)
    view.release()


def test_memory_of_the_user_is_never_exclusive():
    users = np.zeros(10)
    assert not is_exclusive(buffer_of(users, None))
    assert not is_exclusive(buffer_of(users[2:5], None))
    assert not is_exclusive(buffer_of(np.frombuffer(bytearray(80)), None))


def test_blocks_lie_at_different_places_of_a_page():
    own = Pool()
    kept = [own.empty((MEGABYTE,), np.dtype(np.int8), MEGABYTE) for _ in range(16)]
    places = [array.ctypes.data % 4096 for array in kept]
    assert len(set(places)) == 16
    apart = [(a - b) % 4096 for a, b in itertools.pairwise(places)]
    assert all(1024 <= distance <= 3072 for distance in apart)
