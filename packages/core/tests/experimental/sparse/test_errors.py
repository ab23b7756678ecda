"""What sparse arrays refuse, and what they say."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.errors import ConcretizationTypeError
from cotan.experimental import sparse

X = np.float32([[0, 2, 0], [1, 0, 4]])
M = sparse.BCOO.fromdense(X)
B = sparse.BCOO.fromdense(X, n_batch=1)
ONE = np.ones((1, 1), np.int32)
MATMUL = (((1,), (0,)), ((), ()))
ROWS = lax.GatherDimensionNumbers((1,), (0,), (0,))

CASES = {
    "indices float": (
        lambda: sparse.BCOO((np.ones(1), np.ones((1, 1))), shape=(3,)),
        TypeError,
        "indices must be integers",
    ),
    "counts": (lambda: sparse.BCOO((np.ones(2), ONE), shape=(3,)), ValueError, "the same number of elements"),
    "axes": (lambda: sparse.BCOO((np.ones(1), ONE), shape=(3, 3)), ValueError, "must be those of the shape"),
    "vector of indices": (lambda: sparse.BCOO((np.ones(1), ONE[0]), shape=(3,)), ValueError, r"indices need the axes"),
    "dense": (lambda: sparse.BCOO((np.ones((1, 2)), ONE), shape=(3, 3)), ValueError, "dense axes of data must have"),
    "batch": (lambda: sparse.BCOO((np.ones((2, 1)), ONE[None]), shape=(3, 3)), ValueError, "batch axes must have"),
    "shape": (
        lambda: sparse.BCOO((np.ones(1), ONE), shape=3),
        TypeError,
        "the shape must be a sequence of ints, got 3",
    ),
    "negative": (lambda: sparse.empty((-1,)), ValueError, "sizes must not be negative"),
    "mapped": (lambda: cotan.vmap(lambda m: 2 * m)(M), ValueError, "Only batch axes of a sparse array can be mapped"),
    "not sparse": (lambda: sparse.bcoo_todense(X), TypeError, "a BCOO is needed, got ndarray"),
    "layout": (lambda: sparse.BCOO.fromdense(X, n_batch=2, n_dense=1), ValueError, "do not fit an array of shape"),
    "nse traced": (
        lambda: cotan.jit(sparse.BCOO.fromdense)(X),
        ConcretizationTypeError,
        "pass nse, the number of elements",
    ),
    "nse traced too": (lambda: cotan.jit(lambda m: m.sum_duplicates())(M), ConcretizationTypeError, "pass nse"),
    "nse negative": (lambda: sparse.BCOO.fromdense(X, nse=-1), ValueError, "nse must not be negative"),
    "nse float": (lambda: M.sum_duplicates(nse=1.5), TypeError, "nse must be an int that is known while tracing"),
    "extract": (lambda: sparse.bcoo_extract(M, X.T), ValueError, "must be equal"),
    "transpose kinds": (lambda: B.T, NotImplementedError, "permutes axes of different kinds, with n_batch=1"),
    "transpose": (lambda: M.transpose((0, 0)), ValueError, "is not a permutation of the 2 axes"),
    "sum": (lambda: sparse.bcoo_reduce_sum(M, axes=(2,)), ValueError, "axis 2 is out of range for an array of 2 axes"),
    "sum twice": (lambda: sparse.bcoo_reduce_sum(M, axes=(0, -2)), ValueError, "axes must not be repeated"),
    "reshape": (lambda: B.reshape(3, 2), ValueError, "would mix batch, sparse and dense axes"),
    "reshape size": (
        lambda: sparse.bcoo_reshape(M, new_sizes=(5,)),
        ValueError,
        "has not as many elements as the shape",
    ),
    "squeeze": (lambda: sparse.bcoo_squeeze(M, dimensions=(0,)), ValueError, "have not all the size 1"),
    "broadcast": (
        lambda: sparse.bcoo_broadcast_in_dim(M, shape=(2, 4), broadcast_dimensions=(0, 1)),
        ValueError,
        "does not broadcast",
    ),
    "concatenate": (lambda: sparse.bcoo_concatenate([M, B], dimension=0), ValueError, "and equal n_batch and n_dense"),
    "concatenate none": (
        lambda: sparse.bcoo_concatenate([], dimension=0),
        ValueError,
        "there is nothing to concatenate",
    ),
    "concatenate dtypes": (
        lambda: sparse.bcoo_concatenate([M, M.astype(int)], dimension=0),
        TypeError,
        "must have one dtype",
    ),
    "slice": (
        lambda: sparse.bcoo_slice(M, start_indices=(0, 2), limit_indices=(2, 1)),
        ValueError,
        "0 <= start <= limit <= size",
    ),
    "dynamic slice": (
        lambda: sparse.bcoo_dynamic_slice(M, (0, 0), (3, 1)),
        ValueError,
        "0 <= size <= that of the array",
    ),
    "gather": (
        lambda: sparse.bcoo_gather(M, ONE, ROWS, (1, 3), mode="fill", fill_value=1),
        NotImplementedError,
        "filling with something else",
    ),
    "gather axes": (
        lambda: sparse.bcoo_gather(M, ONE, lax.GatherDimensionNumbers((0,), (0,), (0,)), (1, 3), mode="clip"),
        NotImplementedError,
        "before axes of the indices",
    ),
    "inefficient": (lambda: M.update_layout(n_batch=1), sparse.SparseEfficiencyError, "would take 2 times the memory"),
    "on_inefficient": (lambda: M.update_layout(on_inefficient="no"), ValueError, "must be 'error', 'warn' or None"),
    "update_layout": (lambda: M.update_layout(n_batch=3), ValueError, "n_batch=3 and n_dense=0 do not fit"),
    "dot sizes": (lambda: M @ np.ones(4), TypeError, r"contracting axes must have equal sizes, got \(3,\) and \(4,\)"),
    "dot axes": (
        lambda: sparse.bcoo_dot_general(M, X, dimension_numbers=(((2,), (0,)), ((), ()))),
        TypeError,
        "are out of range",
    ),
    "dot twice": (
        lambda: sparse.bcoo_dot_general(M, X, dimension_numbers=(((0,), (0,)), ((0,), (0,)))),
        TypeError,
        "a batch axis once",
    ),
    "sampled": (
        lambda: sparse.bcoo_dot_general_sampled(X, X.T, np.zeros((1, 3), int), dimension_numbers=MATMUL),
        ValueError,
        "do not fit a product of shape",
    ),
    "matmul": (lambda: M @ 2, ValueError, "operands need at least one axis"),
    "multiply": (lambda: sparse.bcoo_multiply_dense(M, np.ones((2, 2, 3))), ValueError, "does not broadcast to"),
    "multiply sparse": (lambda: sparse.bcoo_multiply_sparse(M, M.T), ValueError, "must be equal"),
    "conv groups": (
        lambda: sparse.bcoo_conv_general_dilated(M, M, window_strides=(), padding=[], feature_group_count=2),
        NotImplementedError,
        "groups of features or batches",
    ),
    "conv strides": (
        lambda: sparse.bcoo_conv_general_dilated(M[None], M[None], window_strides=(), padding=[(0, 0)]),
        ValueError,
        "one stride and dilation for each of 1 axes",
    ),
    "add shapes": (lambda: M + M.T, TypeError, r"add got incompatible shapes for broadcasting: \(2, 3\), \(3, 2\)"),
    "add number": (lambda: M + 1, NotImplementedError, "would be dense, and larger than both"),
    "divide by sparse": (lambda: 2 / M, NotImplementedError, "a quotient by a sparse array would be dense"),
    "power": (lambda: M**-1, NotImplementedError, "powers by positive numbers only"),
    "compare": (lambda: M == M, NotImplementedError, "eq of a sparse array would be dense"),
    "sparsify": (lambda: sparse.sparsify(1), TypeError, "takes a function to transform"),
    "sparsify argument": (lambda: sparse.sparsify(cnp.sin)("x"), TypeError, "arguments must be arrays, got str"),
    "exp": (lambda: sparse.sparsify(cnp.exp)(M), NotImplementedError, "exp of a sparse array would be dense"),
    "no rule": (
        lambda: sparse.sparsify(cnp.sort)(M),
        NotImplementedError,
        "there is no rule for `sort` of sparse arrays",
    ),
    "concatenate dense": (
        lambda: sparse.sparsify(lambda m: cnp.concatenate([m, X]))(M),
        NotImplementedError,
        "cannot be put together",
    ),
    "integer power": (
        lambda: sparse.sparsify(lambda m: lax.integer_pow(m, 0))(M),
        NotImplementedError,
        "the power of 0 of a sparse array",
    ),
    "sparse exponent": (
        lambda: sparse.sparsify(lambda m: lax.pow(X, m))(M),
        NotImplementedError,
        "a power of a sparse",
    ),
    "conv dense": (
        lambda: sparse.sparsify(lambda m: lax.conv_general_dilated(m, X[None], (1,), "SAME"))(M[None]),
        NotImplementedError,
        "both operands must be sparse, or both dense",
    ),
    "scan": (
        lambda: sparse.sparsify(lambda m: lax.scan(lambda c, r: (c, r * 2), 0, m))(M),
        NotImplementedError,
        "has slices along batch axes only",
    ),
    "argnums": (
        lambda: sparse.grad(lambda m: m.sum(), 1)(M),
        ValueError,
        "argnums 1 do not fit a call with 1 positional",
    ),
    "grad": (lambda: sparse.grad(1), TypeError, "takes a function to transform"),
    "jacobian": (
        lambda: sparse.jacfwd(lambda m: 2 * m)(M),
        NotImplementedError,
        "the result of the function must be dense",
    ),
    "jacobian format": (
        lambda: sparse.jacrev(lambda m: m.todense())(sparse.COO.fromdense(X)),
        NotImplementedError,
        "COO has no batch axes",
    ),
    "format": (lambda: sparse.eye(2, sparse_format="x"), ValueError, "sparse_format must be one of"),
    "csr empty": (lambda: sparse.empty((2,), sparse_format="csr"), ValueError, "CSR is a format of matrices"),
    "eye layout": (lambda: sparse.eye(2, n_batch=2, n_dense=1), ValueError, "a matrix has 2 axes"),
    "empty layout": (lambda: sparse.empty((2,), n_batch=2), ValueError, "do not fit the shape"),
    "random layout": (
        lambda: sparse.random_bcoo(cotan.random.key(0), (2,), n_batch=2),
        ValueError,
        "do not fit the shape",
    ),
    "random nse": (lambda: sparse.random_bcoo(cotan.random.key(0), (2,), nse=3), ValueError, "without duplicates"),
    "bcsr": (lambda: sparse.BCSR.from_bcoo(B), ValueError, "two sparse axes are needed, got n_sparse=1"),
    "bcsr pointers": (
        lambda: sparse.BCSR((np.ones(1), ONE[0], np.array([0, 1])), shape=(2, 2)),
        ValueError,
        "one entry more than there are rows",
    ),
    "bcsr axes": (
        lambda: sparse.BCSR((np.ones(1), ONE, ONE[0]), shape=(2, 2)),
        ValueError,
        "are needed; got data of shape",
    ),
    "bcsr shape": (
        lambda: sparse.BCSR((np.ones(1), ONE[0], np.zeros(3, int)), shape=(2,)),
        ValueError,
        "two sparse axes, and",
    ),
    "bcsr batch": (
        lambda: sparse.BCSR((np.ones((2, 1)), np.zeros((2, 1), int), np.zeros((2, 3), int)), shape=(3, 2, 2)),
        ValueError,
        "batch axes must have the sizes",
    ),
    "bcsr kind": (lambda: sparse.bcsr_todense(M), TypeError, "a BCSR is needed, got BCOO"),
    "scipy layout": (
        lambda: sparse.BCOO.from_scipy_sparse(None, n_batch=1),
        ValueError,
        "have no batch and dense axes",
    ),
    "scipy layout of rows": (
        lambda: sparse.BCSR.from_scipy_sparse(None, n_dense=1),
        ValueError,
        "have no batch and dense",
    ),
    "coo": (lambda: sparse.COO((np.ones(2), ONE[0], ONE[0]), shape=(2, 2)), ValueError, "three vectors of one length"),
    "csr": (lambda: sparse.CSR((np.ones(1), ONE[0], ONE[0]), shape=(2, 2)), ValueError, "of its rows and one more"),
    "csc": (lambda: sparse.CSC((np.ones(1), ONE[0], ONE[0]), shape=(2, 2)), ValueError, "of its columns and one more"),
    "coo kind": (lambda: sparse.coo_todense(M), TypeError, "a COO is needed, got BCOO"),
    "coo matrix": (lambda: sparse.coo_fromdense(X[0]), ValueError, "a matrix is needed, got an array of shape"),
    "coo transpose": (
        lambda: sparse.COO.fromdense(X).transpose((0, 1)),
        NotImplementedError,
        r"only the axes \(1, 0\) are",
    ),
    "coo sparse": (
        lambda: sparse.COO.fromdense(X) @ M,
        NotImplementedError,
        "products of two sparse matrices are those of",
    ),
    "coo add": (lambda: sparse.COO.fromdense(X) + 1, NotImplementedError, r"COO does not do \+; make a BCOO of it"),
    "coo index": (lambda: sparse.COO.fromdense(X)[0], NotImplementedError, "COO does not do indexing"),
    "csr sum": (lambda: sparse.CSR.fromdense(X).sum(), NotImplementedError, "CSR does not do sum"),
    "length": (lambda: len(sparse.bcoo_reduce_sum(M, axes=(0, 1))), TypeError, r"len\(\) of a sparse array of no axes"),
    "lobpcg": (lambda: sparse.linalg.lobpcg_standard(np.eye(5), np.ones((5, 1))), ValueError, "with 0 < 5 k < n"),
    "lobpcg shape": (
        lambda: sparse.linalg.lobpcg_standard(np.eye(5), np.ones((9, 1))),
        ValueError,
        "A must be of shape",
    ),
    "lobpcg dtype": (
        lambda: sparse.linalg.lobpcg_standard(np.eye(9, dtype=np.float16), np.ones((9, 1))),
        TypeError,
        "must have one dtype",
    ),
    "lobpcg int": (
        lambda: sparse.linalg.lobpcg_standard(np.eye(9), np.ones((9, 1), int)),
        TypeError,
        "X must hold floats, got int32",
    ),
    "lobpcg function": (
        lambda: sparse.linalg.lobpcg_standard(lambda x: x[1:], np.ones((9, 1))),
        ValueError,
        "A must give float32",
    ),
    "spsolve": (
        lambda: sparse.linalg.spsolve(np.ones(1), np.zeros(1, int), np.array([0, 1]), np.ones(2)),
        ValueError,
        "a vector b and a",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refusals_begin_with_the_users_line(name):
    call, error, text = CASES[name]
    with pytest.raises(error, match=rf"^test_errors\.py:\d+.*{text}"):
        call()


def test_a_warning_of_inefficiency():
    with pytest.warns(sparse.SparseEfficiencyWarning, match="would take 3 times the memory"):
        M.update_layout(n_dense=1, on_inefficient="warn")
    assert issubclass(sparse.CuSparseEfficiencyWarning, sparse.SparseEfficiencyWarning)


def test_sparse_arrays_have_no_hash():
    with pytest.raises(TypeError, match="unhashable"):
        hash(M)
    with pytest.raises(TypeError, match="unsupported operand"):
        M + "x"


def test_the_base_says_what_a_format_lacks():
    class Mine(sparse.JAXSparse):
        shape = (2,)

    for call, text in (
        (lambda: Mine().nse, "does not say how many"), (lambda: Mine().todense(), "has no dense form"),
        (lambda: Mine().T, "Mine does not do transpose"), (lambda: Mine().tree_flatten(), "is no pytree"),
    ):  # fmt: skip
        with pytest.raises(NotImplementedError, match=text):
            call()


def test_spsolve_needs_scipy(monkeypatch):
    host = sparse.linalg._Host(False, True)
    real = builtins.__import__
    monkeypatch.setattr(
        builtins,
        "__import__",
        lambda name, *a: (_ for _ in ()).throw(ImportError(name)) if "scipy" in name else real(name, *a),
    )
    with pytest.raises(ImportError, match="install the package scipy"):
        host(np.ones(1), np.zeros(1, int), np.array([0, 1]), np.ones(1))


def test_names_that_are_left_out():
    with pytest.raises(AttributeError, match="it is made of other operations; call spsolve"):
        _ = sparse.linalg.spsolve_p
    with pytest.raises(AttributeError, match=r"has no attribute 'nothing'$"):
        _ = sparse.nothing
