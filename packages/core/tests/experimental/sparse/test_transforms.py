"""Sparse arrays under jit, vmap, grad, jvp, loops and branches; sparsify; derivatives by stored values."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.experimental import sparse
from cotan.test_util import check_grads

from .test_layouts import check, padded, random

rng = np.random.default_rng(2)


def smooth(m):
    return sparse.BCOO((m.data + 0.25, m.indices), **m._info._asdict())


OPERATIONS = {
    "todense": lambda m, y: m.todense(),
    "product": lambda m, y: m @ y,
    "turned product": lambda m, y: y.T @ m.update_layout(n_batch=0).T,
    "sparse product": lambda m, y: (m @ m.T).todense() if m.n_batch == 0 else m @ y,
    "sum": lambda m, y: m.sum(0).todense(),
    "elementwise": lambda m, y: (m * y.T / (2 + y.T)).todense(),
    "sum of both": lambda m, y: (m + m * 2).sum_duplicates(nse=12, remove_zeros=False).todense() + y.T,
    "extraction": lambda m, y: sparse.bcoo_extract(m, y.T).data,
    "values": lambda m, y: sparse.sparsify(cnp.tanh)(m).todense(),
    "sampled": lambda m, y: sparse.bcoo_dot_general_sampled(
        y[:, :3], y, m.indices, dimension_numbers=(((0,), (0,)), ((), ()))
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("n_batch", [0, 1])
def test_derivatives(name, n_batch):
    operation = OPERATIONS[name]
    with cotan.enable_x64(True):
        m = smooth(padded(random((3, 4)).astype(np.float64), n_batch))
        y = rng.random((4, 3)) + 0.5
        if name == "sampled":
            y = rng.random((2, 4))

        def f(data, y):
            return operation(sparse.BCOO((data, m.indices), **m._info._asdict()), y)

        check_grads(f, (m.data, y), 2, modes=("fwd", "rev"))
        np.testing.assert_allclose(cotan.jit(f)(m.data, y), f(m.data, y), rtol=1e-12, atol=1e-14)
        slopes = cotan.jit(cotan.grad(lambda *args: f(*args).sum(), (0, 1)))(m.data, y)
        for a, b in zip(slopes, cotan.grad(lambda *args: f(*args).sum(), (0, 1))(m.data, y), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("n_batch", [1, 2])
def test_mapped_equals_the_loop(n_batch):
    x, y = random((3, 2, 4)), rng.random((3, 4)).astype(np.float32)
    m = padded(x, n_batch)
    expected = np.stack([x[k] @ y[k] for k in range(3)])
    np.testing.assert_allclose(cotan.vmap(lambda m, y: m @ y)(m, y), expected, rtol=1e-6)
    np.testing.assert_allclose(cotan.jit(cotan.vmap(lambda m, y: m @ y))(m, y), expected, rtol=1e-6)
    check(cotan.vmap(lambda m: 2 * m)(m), 2 * x)
    check(cotan.vmap(lambda m: m[0])(m), x[:, 0])
    check(cotan.vmap(lambda m: m.reshape(2, 2, 2))(m), x.reshape(3, 2, 2, 2))
    check(cotan.vmap(lambda m: m.sum_duplicates(nse=8))(m), x)
    np.testing.assert_allclose(cotan.vmap(lambda m, y: m @ y, (None, 0))(m[0], y), y @ x[0].T, rtol=1e-6)
    if n_batch == 2:
        check(cotan.vmap(lambda m: m * 3, in_axes=1, out_axes=1)(m), 3 * x)


def test_mapped_products_of_sparse_arrays():
    x, y = random((3, 2, 4)), random((3, 4, 5))
    out = cotan.vmap(lambda a, b: a @ b)(padded(x, 1), padded(y, 1))
    check(out, x @ y)
    made = cotan.vmap(lambda x: sparse.BCOO.fromdense(x, nse=8))(x)
    assert (made.n_batch, made.shape) == (1, x.shape)
    check(made, x)


def test_mapped_rows_in_other_formats():
    x = random((3, 2, 4))
    m = sparse.BCSR.from_bcoo(padded(x, 1))
    y = rng.random(4).astype(np.float32)
    np.testing.assert_allclose(cotan.vmap(lambda m: m @ y)(m), x @ y, rtol=1e-6)
    assert cotan.vmap(lambda m: m)(m).shape == (3, 2, 4)


def test_sparse_arrays_cross_jit_as_pytrees():
    x = random((3, 4))
    m = sparse.BCOO.fromdense(x)
    out = cotan.jit(lambda m: (2 * m, m.T))(m)
    check(out[0], 2 * x)
    check(out[1], x.T)
    assert out[0].unique_indices
    assert out[0].indices_sorted
    leaves, tree = cotan.tree.flatten(m)
    assert len(leaves) == 2
    check(tree.unflatten(leaves), x)
    assert cotan.tree.map(lambda x: None, m, is_leaf=lambda x: x is m) is None
    assert "BCOO" in repr(cotan.tree.unflatten(tree, [1, 2]))


def test_scanning_over_batches():
    x = random((3, 2, 4))
    y = rng.random(4).astype(np.float32)
    total, rows = lax.scan(lambda c, m: (c + m @ y, 2 * m), cnp.zeros(2), padded(x, 1))
    np.testing.assert_allclose(total, (x @ y).sum(0), rtol=1e-6)
    check(rows, 2 * x)


# ---- sparsify


def both(f, *args):
    """Results of ``f`` for dense arrays and of the sparsified one for sparse ones."""
    sparse_args = [sparse.BCOO.fromdense(x) if x.ndim else x for x in args]
    found = sparse.sparsify(f)(*sparse_args)
    np.testing.assert_allclose(sparse.todense(found), f(*args), rtol=1e-5, atol=1e-6)
    compiled = cotan.jit(sparse.sparsify(f))(*sparse_args)
    np.testing.assert_allclose(sparse.todense(compiled), f(*args), rtol=1e-5, atol=1e-6)
    return found


@pytest.mark.parametrize(
    "f",
    [
        cnp.sin, cnp.tan, cnp.arcsin, cnp.arctan, cnp.sinh, cnp.tanh, cnp.arcsinh, cnp.expm1, cnp.log1p, cnp.sqrt,
        cnp.cbrt, cnp.abs, cnp.sign, cnp.floor, cnp.ceil, cnp.round, cnp.square, cnp.negative, cnp.real, lax.erf,
        lax.bessel_i1e, lambda x: x**3, lambda x: x**2.5, lambda x: x.astype(int), lambda x: lax.stop_gradient(x),
        lambda x: lax.reduce_precision(x, 8, 10), cnp.imag, cnp.conj, lax.erf_inv, cnp.arctanh,
    ],
    ids=lambda f: f.__name__.strip("<>"),
)  # fmt: skip
def test_elementwise_functions(f):
    x = random((3, 4)) / 16
    assert isinstance(both(f, x), sparse.BCOO) or f is cnp.imag  # zeros for real numbers
    half = sparse.BCOO.fromdense(x / 2)
    for other in (half + half, sparse.BCSR.fromdense(x)):
        np.testing.assert_allclose(sparse.todense(sparse.sparsify(f)(other)), f(x), rtol=1e-6)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x + y, lambda x, y: x - 2 * y, lambda x, y: x * y,
        lambda x, y: x @ y.T, lambda x, y: (x.T @ y).sum(),
        lambda x, y: cnp.concatenate([x, y]), lambda x, y: cnp.stack([x, y], 1), lambda x, y: x[1:] * y[:-1],
        lambda x, y: cnp.imag(x + 1j * y),
        lambda x, y: cnp.dot(x, y[0]), lambda x, y: cnp.einsum("ij,kj->ik", x, y),
        lambda x, y: x.reshape(2, 6)[:, ::-1],
        lambda x, y: cnp.mean(x, axis=0) + y.sum(0), lambda x, y: cotan.jit(lambda a: a * 2)(x) + y,
        lambda x, y: cotan.checkpoint(cnp.sin)(x), lambda x, y: cnp.squeeze(x[:, None, 2:3]),
        lambda x, y: x[np.array([2, 0])], lambda x, y: cnp.broadcast_to(x[None], (2, 3, 4)) * y,
        lambda x, y: sparse.todense(x) + cnp.exp(sparse.todense(y)), lambda x, y: x / 3.0,
        lambda x, y: lax.dynamic_slice(x, (1, 0), (2, 3)), lambda x, y: cnp.flip(y), lambda x, y: x.swapaxes(0, 1),
    ],
)  # fmt: skip
def test_programs(f):
    both(f, random((3, 4)), random((3, 4)))


def test_custom_rules_are_left_aside():
    @cotan.custom_jvp
    def f(x):
        return cnp.sin(x) * 2

    f.defjvp(lambda p, t: (f(*p), t[0]))

    @cotan.custom_vjp
    def g(x):
        return cnp.sin(x) * 3

    g.defvjp(lambda x: (g(x), None), lambda _, ct: (ct,))
    x = random((3, 4)) / 8
    for function in (f, g):
        both(function, x)
        both(cotan.jit(function), x)


def test_loops_and_branches():
    x = random((3, 4))
    m, y = sparse.BCOO.fromdense(x), rng.random(4).astype(np.float32)

    @sparse.sparsify
    def loop(m):
        return lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * 2), (0, m))[1]

    assert loop(m).unique_indices
    check(loop(m), 8 * x)
    check(cotan.jit(loop)(m), 8 * x)

    @sparse.sparsify
    def forget(m):
        return lax.fori_loop(0, 2, lambda i, m: -m[::-1], m)

    assert not forget(m).indices_sorted
    check(forget(m), x)

    @sparse.sparsify
    def scan(m, ys):
        return lax.scan(lambda c, y: (c * 2, (c @ y, c)), m, ys)

    last, (products, carries) = scan(m, cnp.stack([y, 2 * y]))
    check(last, 4 * x)
    np.testing.assert_allclose(products, [x @ y, 4 * x @ y], rtol=1e-6)
    check(carries, np.stack([x, 2 * x]))
    _, rows = sparse.sparsify(lambda m: lax.scan(lambda c, r: (c, 3 * r), 0, m))(padded(x, 1))
    check(rows, 3 * x)

    @sparse.sparsify
    def branch(i, m, y):
        return lax.cond(i > 0, lambda m: (m * 2, m @ y), lambda m: (m * 3, y[:3]), m)

    for i in (0, 1):
        for f in (branch, cotan.jit(branch)):
            out, product = f(i, m, y)
            check(out, (2 if i else 3) * x)
            np.testing.assert_allclose(product, x @ y if i else y[:3], rtol=1e-6)


def test_sparsify_keeps_structure_and_passes_dense_arguments():
    x = random((3, 4))
    m = sparse.BCOO.fromdense(x)
    out = sparse.sparsify(lambda args, *, s: {"a": args["m"] * s, "b": s, "c": 3})({"m": m}, s=2.0)
    check(out["a"], 2 * x)
    assert float(out["b"]) == 2
    assert int(out["c"]) == 3
    assert sparse.sparsify(lambda m: m, use_tracer=True)(m) is m
    seen = []
    sparse.sparsify(lambda m: seen.append(m))(m)
    assert isinstance(seen[0], sparse.SparseTracer)
    assert (seen[0].shape, seen[0].dtype) == ((3, 4), np.float32)


def test_sparsify_under_other_transforms():
    x, y = random((3, 4)), rng.random(4).astype(np.float32)
    m = sparse.BCOO.fromdense(x)
    f = sparse.sparsify(lambda m, y: cnp.sum(cnp.sin(m) @ y))
    np.testing.assert_allclose(cotan.grad(f, 1)(m, y), np.sin(x).sum(0), rtol=1e-5)
    slope = sparse.grad(f)(m, y)
    np.testing.assert_allclose(slope.todense(), np.where(x != 0, np.cos(x) * y, 0), rtol=1e-5)
    np.testing.assert_allclose(cotan.vmap(f, (None, 0))(m, cnp.stack([y, -y])), [f(m, y), -f(m, y)], rtol=1e-5)
    inside = sparse.sparsify(lambda m, y: cotan.grad(lambda y: (m @ y).sum())(y))
    np.testing.assert_allclose(inside(m, y), x.sum(0), rtol=1e-6)


# ---- Derivatives by stored values


def test_gradients_by_stored_values():
    x, y = random((3, 4)), rng.random(4).astype(np.float32)
    m = sparse.BCOO.fromdense(x)

    def f(m, y):
        return ((m @ y) ** 2).sum()

    dense = cotan.grad(f, (0, 1))(x, y)
    value, (by_m, by_y) = sparse.value_and_grad(f, (0, 1))(m, y)
    np.testing.assert_allclose(value, f(x, y), rtol=1e-6)
    assert by_m.unique_indices
    np.testing.assert_array_equal(by_m.indices, m.indices)
    np.testing.assert_allclose(by_m.todense(), np.where(x != 0, dense[0], 0), rtol=1e-5)
    np.testing.assert_allclose(by_y, dense[1], rtol=1e-5)
    for kind in (sparse.BCSR, sparse.COO, sparse.CSR, sparse.CSC):
        slope = cotan.jit(sparse.grad(f))(kind.fromdense(x, nse=m.nse), y)
        assert isinstance(slope, kind)
        np.testing.assert_allclose(slope.todense(), by_m.todense(), rtol=1e-5)
    slope, aux = sparse.grad(lambda p, y: (f(p["m"], y), y), has_aux=True)({"m": m}, y)
    np.testing.assert_allclose(slope["m"].data, by_m.data, rtol=1e-5)
    np.testing.assert_array_equal(aux, y)
    only_y = sparse.grad(f, -1)(m, y)
    np.testing.assert_allclose(only_y, dense[1], rtol=1e-5)


@pytest.mark.parametrize("transform", ["jacfwd", "jacrev", "jacobian"])
def test_jacobians_by_stored_values(transform):
    x, y = random((3, 4)), rng.random(4).astype(np.float32)
    kinds = sparse.BCOO.fromdense(x), padded(x, 1), sparse.BCSR.fromdense(x)
    for m in kinds:
        by_m, by_y = getattr(sparse, transform)(lambda m, y: m @ y, (0, 1))(m, y)
        assert by_m.shape == (3, 3, 4)
        expected = np.where(x != 0, cotan.jacrev(lambda m: m @ y)(x), 0)
        np.testing.assert_allclose(by_m.todense(), expected)
        np.testing.assert_allclose(by_y, x)
    found, aux = getattr(sparse, transform)(lambda m: ({"a": m @ y}, 5.0), has_aux=True)(kinds[0])
    np.testing.assert_allclose(found["a"].todense(), expected)
    assert float(aux) == 5
