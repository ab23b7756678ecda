"""Arithmetic of large arrays that is put off: the values, and what may be done with arrays meanwhile."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.config import config
from cotan.errors import DeletedArrayError
from cotan_cpu import later
from cotan_cpu.later import LaterBuffer

RNG = np.random.default_rng(0)
SIZE = (1 << 18) + 13
A, B = (RNG.standard_normal(SIZE).astype(np.float32) for _ in range(2))


@pytest.fixture(autouse=True)
def _at_the_second_meeting(monkeypatch):
    monkeypatch.setattr(later, "PAYS_FROM", 2)
    later._pair.cache_clear()
    yield
    later._pair.cache_clear()


def put_off(x, factor=0.5):
    """A product that is put off: operations take their short way from the second time on."""
    for _ in range(2):
        result = x * factor
    assert type(result._buffer) is LaterBuffer
    assert result._buffer.work is not None
    return result


def made():
    """How many pairs of operations have code of their own."""
    return later._pair.cache_info().currsize


ROWS = [
    ("a - 0.5 * b", lambda a, b: a - 0.5 * b),
    ("0.5 * b - a", lambda a, b: 0.5 * b - a),
    ("a * 2 + b / 3", lambda a, b: a * 2 + b / 3),
    ("(a - 1) * (b + 1)", lambda a, b: (a - 1) * (b + 1)),
    ("-a / b", lambda a, b: -a / b),
    ("(a * 3 + 1) * 2", lambda a, b: (a * 3 + 1) * 2),
    ("2 * a - a", lambda a, b: 2 * a - a),
    ("a * 0.1 * a", lambda a, b: a * 0.1 * a),
    ("a * b + a", lambda a, b: a * b + a),
    ("(a - b) * (a - b)", lambda a, b: (a - b) * (a - b)),
    ("a * b - b / a", lambda a, b: a * b - b / a),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(SIZE,), (513, 513), (3, 2, 50021)])
@pytest.mark.parametrize(("name", "function"), ROWS, ids=[name for name, _ in ROWS])
def test_values_are_those_of_single_operations(name, function, shape, dtype):
    with config.override(enable_x64=dtype is np.float64):
        a, b = (RNG.standard_normal(shape).astype(dtype) for _ in range(2))
        expected = function(a, b)
        assert expected.dtype == dtype
        for _ in range(5):
            np.testing.assert_array_equal(function(cnp.asarray(a), cnp.asarray(b)), expected)
    assert made()


@pytest.mark.parametrize("threads", [1, 2])
def test_by_one_and_by_two_threads(threads):
    with config.override(num_threads=threads):
        for _ in range(5):
            np.testing.assert_array_equal(cnp.asarray(A) - 0.25 * cnp.asarray(B), A - np.float32(0.25) * B)


def test_a_result_is_there_for_whoever_asks():
    b = cnp.asarray(B)
    half = np.float32(0.5) * B
    np.testing.assert_array_equal(np.asarray(put_off(b)), half)
    np.testing.assert_array_equal(cotan.jit(lambda x: x + 1)(put_off(b)), half + 1)
    np.testing.assert_array_equal(cotan.vmap(cnp.negative)(put_off(b)), -half)
    np.testing.assert_array_equal(np.from_dlpack(put_off(b)), half)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(put_off(b))), half)
    np.testing.assert_array_equal(put_off(b)[3:9], half[3:9])
    np.testing.assert_array_equal(cnp.sin(put_off(b)), cnp.sin(half))
    assert float(put_off(b)[7]) == half[7]
    assert repr(put_off(b)).startswith("Array(")
    assert "float32" in repr(put_off(b)._buffer)
    assert put_off(b)._buffer.nbytes == b.nbytes
    assert put_off(b).on_device_size_in_bytes() == b.nbytes
    assert put_off(b).unsafe_buffer_pointer() > 0


def test_waiting_computes():
    y = put_off(cnp.asarray(B))
    assert not y.is_ready()
    y.block_until_ready()
    assert y.is_ready()
    assert y._buffer.work is None


def test_what_is_read_twice_is_the_same_twice():
    a, b = cnp.asarray(A), cnp.asarray(B)
    half = np.float32(0.5) * B
    for _ in range(4):
        y = put_off(b)
        np.testing.assert_array_equal(a - y, A - half)
        np.testing.assert_array_equal(a + y, A + half)
        np.testing.assert_array_equal(y, half)
        np.testing.assert_array_equal(a - y, A - half)


def test_operands_keep_their_values_until_they_are_read():
    replace = cotan.jit(lambda x: x + 1, donate_argnums=0)
    b = cnp.asarray(B)
    y = put_off(b)
    z = replace(b)
    assert b.is_deleted()
    np.testing.assert_array_equal(z, B + 1)
    np.testing.assert_array_equal(y, np.float32(0.5) * B)
    y = put_off(z)
    z.delete()
    np.testing.assert_array_equal(y, np.float32(0.5) * (B + 1))


def test_what_is_put_off_may_be_donated_and_deleted():
    replace = cotan.jit(lambda x: x + 1, donate_argnums=0)
    y = put_off(cnp.asarray(B))
    np.testing.assert_array_equal(replace(y), np.float32(0.5) * B + 1)
    with pytest.raises(DeletedArrayError):
        np.asarray(y)
    y = put_off(cnp.asarray(B))
    buffer = y._buffer
    y.delete()
    assert y.is_deleted()
    buffer.delete()
    assert buffer.is_deleted()
    with pytest.raises(AttributeError):
        _ = buffer.array
    with pytest.raises(AttributeError):
        _ = buffer.something


def test_memory_comes_back():
    gc.collect()
    gc.disable()
    try:
        b = cnp.asarray(B)
        y = put_off(b)
        held = weakref.ref(b._buffer.array)
        del b
        assert held() is not None
        z = y + 1
        np.asarray(y)
        del y, z
        assert held() is None
    finally:
        gc.enable()


def test_nothing_is_put_off_where_results_are_checked():
    b = cnp.asarray(B)
    put_off(b)
    with config.override(debug_nans=True):
        y = b * 0.5
        assert type(y._buffer) is not LaterBuffer
        with pytest.raises(FloatingPointError, match="mul"):
            _ = b * float("nan")


def test_small_arrays_and_integers_are_computed_at_once():
    for x in (cnp.asarray(A[:100]), cnp.arange(SIZE)):
        for _ in range(3):
            y = x * 2
            assert type(y._buffer) is not LaterBuffer


def test_operations_that_have_no_code_together_are_single_ones(monkeypatch):
    from cotan_cpu import spans

    monkeypatch.setattr(spans, "joined", lambda *args: None)
    for _ in range(5):
        np.testing.assert_array_equal(cnp.asarray(A) - 0.5 * cnp.asarray(B), A - np.float32(0.5) * B)


def test_threads_may_ask_at_once():
    b = cnp.asarray(B)
    for _ in range(10):
        y, found = put_off(b), []
        threads = [
            threading.Thread(target=lambda y=y, found=found: found.append(np.asarray(y).copy())) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        for values in found:
            np.testing.assert_array_equal(values, np.float32(0.5) * B)


def test_another_thread_may_be_faster():
    buffer = put_off(cnp.asarray(B))._buffer
    array = buffer.array
    # What a thread does that found the slot empty just before.
    assert buffer.__getattr__("array") is array
