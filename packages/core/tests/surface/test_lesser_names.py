"""Names that few programs use, by what they do: ranks, platforms, errors of checks, layouts of sparse arrays."""

from __future__ import annotations

import typing
from typing import NamedTuple

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import export, lax
from cotan.experimental import checkify, sparse

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_ranks_are_promoted_or_not():
    with cotan.numpy_rank_promotion("raise"):
        with pytest.raises(ValueError, match="of different ranks"):
            cnp.add(X, X[0])
        np.testing.assert_array_equal(cnp.add(X, X[:1]), X + X[:1])
    with cotan.numpy_rank_promotion("warn"), pytest.warns(UserWarning, match="of different ranks"):
        found = cnp.add(X, X[0])
    np.testing.assert_array_equal(found, X + X[0])
    with cotan.numpy_rank_promotion("allow"):
        np.testing.assert_array_equal(cnp.add(X, X[0]), X + X[0])


def test_platform_name_is_that_of_the_default_device():
    with cotan.config.override(jax_platform_name="cpu"):
        assert cotan.config.jax_platform_name == cotan.config.platform_name == "cpu"
        assert cnp.add(X, 1).device.platform == cotan.default_backend() == "cpu"


def test_composites_are_their_functions():
    scaled = lax.composite(lambda x, *, by: x * by, "mine.scale", version=2)
    np.testing.assert_array_equal(scaled(X, by=3), 3 * X)
    np.testing.assert_array_equal(cotan.jit(lambda x: scaled(x, by=3))(X), 3 * X)
    np.testing.assert_array_equal(cotan.grad(lambda x: scaled(x, by=3).sum())(X), np.full((2, 3), 3))
    np.testing.assert_array_equal(cotan.vmap(lambda x: scaled(x, by=2))(X), 2 * X)


def test_the_primitive_of_subtraction():
    np.testing.assert_array_equal(lax.sub_p.bind(cnp.asarray(X), cnp.asarray(X[::-1])), X - X[::-1])
    assert [eqn.primitive for eqn in cotan.make_jaxpr(lax.sub)(X, X).jaxpr.eqns] == [lax.sub_p]


def test_errors_of_checks_are_pytrees_of_one_class():
    def root(x):
        checkify.check(x >= 0, "{x} is negative", x=x)
        return x**0.5

    for run in (checkify.checkify(root), cotan.jit(checkify.checkify(root))):
        error, value = run(4.0)
        assert isinstance(error, checkify.Error)
        assert (error.get(), float(value)) == (None, 2.0)
        error, _ = run(-4.0)
        assert "-4.0 is negative" in error.get()
        again = cotan.tree.map(lambda x: x, error)
        assert isinstance(again, checkify.Error)
        assert again.get() == error.get()


def test_categories_are_what_functions_are_checked_for():
    groups = {
        checkify.user_checks: 1, checkify.nan_checks: 1, checkify.div_checks: 1, checkify.index_checks: 1,
        checkify.float_checks: 2, checkify.automatic_checks: 3, checkify.all_checks: 4,
    }  # fmt: skip
    for categories, count in groups.items():
        assert len(categories) == count
        error, value = checkify.checkify(lambda x: 1 / x, errors=categories)(cnp.zeros(()))
        assert (error.get() is None) == (not categories & checkify.div_checks)
        assert float(value) == np.inf
    (base,) = typing.get_args(checkify.ErrorCategory)
    assert all(issubclass(category, base) for category in checkify.all_checks)


M = np.float32([[0, 2, 0], [3, 0, 4]])


def test_layouts_of_sparse_arrays():
    m = sparse.BCOO.fromdense(M)
    for n_batch, n_dense in [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0)]:
        other = sparse.bcoo_update_layout(m, n_batch=n_batch, n_dense=n_dense, on_inefficient=None)
        assert (other.n_batch, other.n_dense, other.shape) == (n_batch, n_dense, M.shape)
        np.testing.assert_array_equal(sparse.bcoo_todense(other), M)
    twice = sparse.BCOO((cnp.array([1.0, 2.0, 4.0]), cnp.array([[0], [2], [0]])), shape=(3,))
    np.testing.assert_array_equal(cotan.jit(sparse.bcoo_todense)(twice), [5, 0, 2])
    slope = cotan.grad(lambda data: sparse.bcoo_todense(sparse.BCOO((data, twice.indices), shape=(3,)))[0])
    np.testing.assert_array_equal(slope(twice.data), [1, 0, 1])


def test_modules_of_sparse_arrays():
    m = sparse.BCOO.fromdense(M)
    slope = sparse.ad.grad(lambda m: sparse.todense(m * m).sum())(m)
    assert isinstance(slope, sparse.BCOO)
    np.testing.assert_array_equal(sparse.api.todense(slope), 2 * M)
    np.testing.assert_array_equal(sparse.api.eye(3, sparse_format="csr").todense(), np.eye(3))
    with pytest.raises(sparse.util.SparseEfficiencyError, match="times the memory"):
        m.update_layout(n_batch=1)


def test_the_primitive_that_makes_dense():
    np.testing.assert_array_equal(sparse.todense_p.bind(cnp.asarray(M)), M)
    program = cotan.make_jaxpr(sparse.todense)(M)
    assert [eqn.primitive for eqn in program.jaxpr.eqns] == [sparse.todense_p]
    back = sparse.sparsify(lambda m: sparse.todense(m) + 1)(sparse.BCOO.fromdense(M))
    np.testing.assert_array_equal(back, M + 1)


class Pair(NamedTuple):
    first: float
    second: float


def test_named_tuples_are_exported():
    export.register_namedtuple_serialization(Pair, serialized_name=f"{__name__}.Pair")
    function = export.export(cotan.jit(lambda p: Pair(p.second, 2 * p.first)))(Pair(1.0, 2.0))
    found = export.deserialize(function.serialize()).call(Pair(3.0, 5.0))
    assert isinstance(found, Pair)
    assert tuple(map(float, found)) == (5.0, 6.0)


@pytest.mark.parametrize(("n", "dtype"), [(0, None), (3, None), (2, "int8")])
def test_identity_matrices(n, dtype):
    found = cnp.identity(n, dtype)
    assert found.dtype == (dtype or "float32")
    np.testing.assert_array_equal(found, np.identity(n, dtype))


def test_modules_of_sparse_formats():
    dense = np.float32([[0, 2], [3, 0]])
    for module, kind in ((sparse.coo, sparse.COO), (sparse.csr, sparse.CSR)):
        made = getattr(module, kind.__name__)
        assert made is kind
        np.testing.assert_array_equal(made.fromdense(dense).todense(), dense)
