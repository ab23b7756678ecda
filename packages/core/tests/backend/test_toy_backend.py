"""The toy backend: found through its entry point, it runs what it has never heard of by decomposition alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from backend import toy_backend

import cotan
from cotan import lax
from cotan.backend import CompileOptions, get_backend
from cotan.compiler import decompose_jaxpr
from cotan.config import config
from cotan.errors import UnsupportedError
from cotan.ir import primitive as tables
from cotan.ir.avals import get_aval
from cotan.ir.primitive import Primitive
from cotan.primitives.arithmetic import add, mul
from cotan.primitives.dot import dot_general
from cotan.primitives.gather import GatherDimensionNumbers, gather
from cotan.primitives.linalg.common import OF_A_LIBRARY
from cotan.primitives.random_bits import threefry2x32
from cotan.primitives.reduce import argmax, reduce_max
from cotan.structural import broadcast_in_dim, convert_element_type
from cotan.testing.operators.table import OPERATORS, assert_close, load
from cotan.transforms.stage import stage_closed


def of_a_library(primitive: Primitive) -> bool:
    """Whether only libraries compute it: a factorisation, or what decomposes into one."""
    return primitive.name == "lu_solve" or tables.decompose.absent(primitive) is OF_A_LIBRARY


COMPOSITES = [o for o in load().values() if o.decomposes and not (o.primitive.required or o.primitive.higher_order)]


@pytest.fixture
def toy(site):
    site.install("toy-backend", Path(toy_backend.__file__).read_text(), entry="toy")
    return get_backend("toy")


def run(backend, function, args):
    """Trace, decompose to what the backend knows, compile and run: what the runtime does."""
    closed = stage_closed(lambda *xs: list(function(*xs)), [get_aval(x) for x in args])
    closed = decompose_jaxpr(closed, backend.lowerings().native)
    device = backend.devices()[0]
    executable = backend.compile(closed, CompileOptions(device))
    return [x.to_host() for x in executable.run([device.put(np.asarray(x)) for x in args])]


def program(x, w, places):
    product = dot_general(x, w, (((1,), (0,)), ((), ())))
    top = reduce_max(product, (1,))
    numbers = GatherDimensionNumbers((1,), (0,), (0,))
    rows = gather(product, places, numbers, (1, product.shape[1]), mode="clip")
    words = threefry2x32(*(broadcast_in_dim(np.uint32(n), (4,), ()) for n in (1, 2, 3, 4)))
    return (
        top,
        argmax(product, 1, np.int32),
        rows,
        add(*words),
        mul(convert_element_type(top, np.dtype(np.float32)), 2.0),
    )


def test_a_program_of_composites(toy):
    rng = np.random.default_rng(0)
    x, w = rng.integers(-4, 5, (5, 3)).astype(np.float32), rng.integers(-4, 5, (3, 6)).astype(np.float32)
    places = np.int32([[4], [0], [99], [2]])
    top, where, rows, words, double = run(toy, program, [x, w, places])
    product = x @ w
    assert (top == product.max(1)).all()
    assert (where == product.argmax(1)).all()
    assert (rows == product[[4, 0, 4, 2]]).all()
    expected = tables.reference[Primitive.catalogue["threefry2x32"]](*(np.full(4, n, np.uint32) for n in (1, 2, 3, 4)))
    assert (words == expected[0] + expected[1]).all()
    assert (double == 2 * top).all()


def test_the_basis_is_what_every_backend_must_know(toy):
    required = {primitive for primitive in OPERATORS if primitive.required}
    assert set(toy.lowerings().native) == required


def test_it_calls_no_reference(toy, monkeypatch):
    for primitive in list(tables.reference):
        monkeypatch.delitem(tables.reference, primitive)
    x = np.ones((2, 3), np.float32)
    assert run(toy, lambda x: [reduce_max(x, (0,))], [x])[0].tolist() == [1, 1, 1]


def test_it_runs_what_users_write(toy):
    import cotan

    with config.override(platform="toy"):
        step = cotan.jit(cotan.value_and_grad(lambda w, x: cotan.numpy.sum(cotan.numpy.tanh(x @ w) ** 2)))
        w, x = np.float32([[0.5], [-0.25]]), np.float32([[1, 2], [3, 4]])
        value, slope = step(w, x)
        assert "Toy" in str(value.devices())
        y = np.tanh(x @ w)
        np.testing.assert_allclose(value, (y**2).sum(), rtol=1e-5)
        np.testing.assert_allclose(slope, x.T @ (2 * y * (1 - y**2)), rtol=1e-5)
        assert (cotan.numpy.arange(3) + 1).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "operator",
    [o for o in OPERATORS.values() if o.decomposes and not o.primitive.required and not of_a_library(o.primitive)],
    ids=lambda o: o.primitive.name,
)
def test_every_primitive_of_the_table(toy, operator):
    primitive = operator.primitive
    with config.override(enable_x64=True):
        for sample in operator.samples:
            args = [np.asarray(getattr(x, "words", x)) for x in sample.args]
            if any(isinstance(getattr(x, "words", None), np.ndarray) for x in sample.args) or primitive.higher_order:
                continue

            def call(*xs, primitive=primitive, sample=sample):
                out = primitive.bind(*xs, **sample.params)
                return out if primitive.multiple_results else [out]

            found = run(toy, call, args)
            wanted = tables.reference[primitive](*args, **sample.params)
            wanted = wanted if primitive.multiple_results else [wanted]
            for x, y in zip(found, wanted, strict=True):
                tolerance = operator.kernel_tolerance and max(64.0, operator.kernel_tolerance)
                assert_close(x, y, tolerance, f"{primitive} {sample}")


def test_what_only_libraries_compute_is_refused_by_name(toy):
    matrix = np.float32([[2, 1], [1, 3]])
    with pytest.raises(UnsupportedError, match=r"the primitive `cholesky`.* the backend must lower it"):
        run(toy, lambda x: [cotan.numpy.linalg.cholesky(x)], [matrix])


def with_loops(x):
    def step(c, row):
        c = lax.cond(row[0] > 0, lambda c: c * row, lambda c: c - row, c)
        return c, c * 2

    c, ys = lax.scan(step, x, np.float32([[1, 2], [-1, 3], [2, 2]]), reverse=True)
    count, _ = lax.while_loop(lambda v: v[1][0] < 100, lambda v: (v[0] + 1, v[1] * 3), (0, x * x))
    empty = lax.scan(lambda c, _: (c, c * 2), x, None, 0)[1]
    return c, ys, count, lax.fori_loop(0, 3, lambda i, v: v * i + x, x), empty


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit])
def test_a_backend_without_loops_runs_them_step_by_step(toy, wrap, mapped):
    assert not toy.capabilities.control_flow
    x = np.float32([[3, 5], [2, 7]]) if mapped else np.float32([3, 5])
    wrap = (lambda f, outer=wrap: outer(cotan.vmap(f))) if mapped else wrap
    wanted = wrap(with_loops)(x)
    with cotan.default_device(toy.devices()[0]):
        found = wrap(with_loops)(x)
    for a, b in zip(found, wanted, strict=True):
        assert a.device.backend is toy
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_derivatives_of_loops_without_loops(toy):
    loss = lambda x: with_loops(x)[1].sum() + with_loops(x)[3].sum()  # noqa: E731
    x = np.float32([3, 5])
    with cotan.default_device(toy.devices()[0]):
        found = cotan.jit(cotan.grad(loss))(x)
    np.testing.assert_allclose(np.asarray(found), np.asarray(cotan.grad(loss)(x)), rtol=1e-6)
