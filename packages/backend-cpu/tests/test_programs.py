"""Whole programs, compiled, against their evaluation equation by equation: fusion, odd shapes, threads."""

from __future__ import annotations

import numpy as np
import pytest
from programs import by_reference, compiled, run, staged

from cotan import dtypes
from cotan.config import config
from cotan.primitives import arithmetic as a
from cotan.primitives import compare as c
from cotan.primitives import cumulative, dot, reduce, shape, sort, transcendental
from cotan.primitives import slice as cut
from cotan.primitives.random_bits import threefry2x32
from cotan.structural import broadcast_in_dim, convert_element_type, reduce_sum, transpose
from cotan.testing.operators.table import assert_close

F32 = np.float32


def rows(x, like):
    """A vector of row values, repeated along each row."""
    return broadcast_in_dim(x, like.shape, tuple(range(like.ndim - 1)))


def matmul(x, y):
    return dot.dot_general(x, y, (((x.ndim - 1,), (0,)), ((), ())))


def softmax(x):
    axis = (x.ndim - 1,)
    e = transcendental.exp(a.sub(x, rows(reduce.reduce_max(x, axis), x)))
    return a.div(e, rows(reduce_sum(e, axis), e))


def layernorm(x):
    n = float(x.shape[-1])
    centred = a.sub(x, rows(a.div(reduce_sum(x, (x.ndim - 1,)), n), x))
    variance = a.div(reduce_sum(a.mul(centred, centred), (x.ndim - 1,)), n)
    return a.mul(centred, rows(a.rsqrt(a.add(variance, 1e-5)), x))


def selu(x):
    return c.select(c.gt(x, 0.0), a.mul(x, 1.05), a.mul(a.sub(transcendental.exp(x), 1.0), 1.76))


def statistics(x):
    return (reduce_sum(x, (0,)), reduce_sum(x, (1,)), reduce_sum(x, (0, 1)), reduce.reduce_max(x, (0,)))


def layer(x, w, b):
    return a.max(a.add(matmul(x, w), broadcast_in_dim(b, (x.shape[0], w.shape[1]), (1,))), 0.0)


def backward(x, w, g):
    return matmul(transpose(x, (1, 0)), g), dot.dot_general(g, w, (((1,), (1,)), ((), ()))), reduce_sum(g, (0,))


def turned(x):
    return a.add(x, transpose(x, (1, 0))), transpose(a.mul(x, 2.0), (1, 0))


def mixed_shapes(x):
    first = cut.slice(x, (0, 0), (min(1, x.shape[0]), x.shape[1]))
    joined = shape.concatenate([x, a.neg(x), first], 0)
    return shape.rev(shape.reshape(joined, (joined.shape[0] * x.shape[1],)), (0,)), joined


def bits(x):
    count = shape.broadcasted_iota(np.uint32, (x.shape[0] * 50 + 3,), 0)
    first, second = threefry2x32(np.uint32(7), np.uint32(9), a.sub(count, count), count)
    return c.bitwise_xor(first, second)


def running(x):
    return cumulative.cumsum(x, axis=1), cumulative.cummax(x, axis=0, reverse=True)


def places(x):
    return reduce.argmax(x, 1, np.int32), reduce.argmin(x, 0, np.int32), sort.sort(x, 1)


def narrow(x):
    small = convert_element_type(x, np.dtype(np.int8))
    return a.add(small, small), c.lt(x, 0.5), convert_element_type(c.lt(x, 0.5), np.dtype(np.float32))


def twice(x):
    return x, x, a.add(x, 1.0), a.add(x, 1.0)


ONE_MATRIX = [softmax, layernorm, selu, statistics, mixed_shapes, bits, running, places, narrow, twice]
SHAPES = [(1, 1), (3, 5), (7, 130), (257, 33), (64, 64), (1, 1000), (1000, 1), (300, 1001), (0, 4)]


def check(function, args, tolerance=64.0, donated=()):
    with config.override(check_jaxprs=True):
        closed = staged(function, args)
        executable = compiled(closed, donated)
    found = run(executable, args, closed.in_avals)
    for x, y in zip(found, by_reference(closed, args), strict=True):
        if x.dtype.kind in "biu":
            assert_close(x, y, None, function.__name__)
            continue
        # Relative to the largest result: sums that nearly cancel depend on their order.
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        wide, wanted = x.astype(np.float64), y.astype(np.float64)
        eps = float(dtypes.finfo(x.dtype).eps)
        with np.errstate(invalid="ignore"):
            difference = np.where(wide == wanted, 0, wide - wanted)
        error = np.abs(difference).max(initial=0) / np.abs(wanted).max(initial=1e-3) / eps
        assert error < tolerance, f"{function.__name__} {[np.shape(x) for x in args]}: off by {error:.3g} eps"


# There is no largest of no elements.
CASES = [(f, s) for f in ONE_MATRIX for s in SHAPES if not (f is places and 0 in s)]


@pytest.mark.parametrize(("function", "extents"), CASES, ids=lambda x: getattr(x, "__name__", str(x)))
def test_one_matrix(function, extents):
    x = np.random.default_rng(0).standard_normal(extents).astype(F32)
    check(function, [x])


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("function", [softmax, selu, statistics, running, turned], ids=lambda f: f.__name__)
def test_threads(function, threads):
    x = np.random.default_rng(1).standard_normal((1030, 1030)).astype(F32)
    with config.override(num_threads=threads):
        check(function, [x])


@pytest.mark.parametrize(("batch", "inner", "out"), [(1, 3, 2), (8, 17, 5), (128, 784, 512), (100, 64, 10)])
def test_layers(batch, inner, out):
    rng = np.random.default_rng(2)
    x, w, b, g = (rng.standard_normal(s).astype(F32) for s in ((batch, inner), (inner, out), (out,), (batch, out)))
    check(layer, [x, w, b])
    check(backward, [x, w, g])


@pytest.mark.parametrize("dtype", [np.float64, np.float16, "bfloat16"])
def test_other_floats(dtype):
    import ml_dtypes  # noqa: F401 - makes the name bfloat16 known to NumPy

    with config.override(enable_x64=True):
        x = np.random.default_rng(3).standard_normal((33, 65)).astype(np.dtype(dtype))
        for function in (softmax, selu, statistics):
            check(function, [x])


def test_donation_through_the_compiler():
    def update(w, g):
        return a.sub(w, a.mul(g, 0.1))

    x, g = (np.random.default_rng(n).standard_normal((200, 300)).astype(F32) for n in (4, 5))
    closed = staged(update, [x, g])
    executable = compiled(closed, (True, False))
    from cotan.backend import get_backend

    device = get_backend("cpu").devices()[0]
    w, step = device.put(x), device.put(g)
    address = w.array.ctypes.data
    (new,) = executable.run([w, step], [True, False])
    assert w.is_deleted()
    assert new.array.ctypes.data == address
    np.testing.assert_allclose(new.to_host(), x - F32(0.1) * g, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64, np.float16, "bfloat16", np.complex64, np.float64])
def test_products_of_every_dtype(dtype):
    rng = np.random.default_rng(6)
    with config.override(enable_x64=True):
        for left, right in (((64, 65), (65, 66)), ((1, 300), (300, 200)), ((70, 1), (1, 90))):
            x, y = (rng.integers(-5, 6, extents).astype(np.dtype(dtype)) for extents in (left, right))
            executable = compiled(staged(matmul, [x, y]))
            assert not executable._code.host_calls
            (found,) = run(executable, [x, y], staged(matmul, [x, y]).in_avals)
            wide = np.complex128 if found.dtype.kind == "c" else np.float64 if found.dtype.kind != "u" else np.uint64
            wanted = (x.astype(wide) @ y.astype(wide)).astype(x.dtype)
            assert found.dtype == x.dtype
            np.testing.assert_array_equal(found, wanted)
