"""cotan.numpy.linalg and cotan.lax.linalg against NumPy, their definitions and differences; errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax

L = cnp.linalg
KINDS = (np.float32, np.float64, np.complex64, np.complex128)
SIZES = (0, 1, 2, 5, 17)


@pytest.fixture(autouse=True)
def wide() -> Iterator[None]:
    with cotan.enable_x64(True):
        yield


def draw(*shape: int, dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng((seed, *shape))
    x = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.normal(size=shape)
    return x.astype(dtype)


def definite(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    a = draw(*shape, dtype=dtype)
    return a @ a.conj().swapaxes(-1, -2) + np.eye(shape[-1], dtype=dtype)


def close(found: Any, wanted: Any, tolerance: float | None = None) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    if tolerance is None:
        tolerance = 1e-9 if found.dtype.itemsize > 4 and found.dtype != np.complex64 else 2e-3
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("jit", [False, True])
def test_square_matrices(n: int, dtype: Any, jit: bool) -> None:
    run: Callable[[Any], Any] = cotan.jit if jit else lambda f: f
    a, p, b = draw(2, n, n, dtype=dtype), definite(2, n, n, dtype=dtype), draw(2, n, 3, dtype=dtype, seed=1)
    factor = np.asarray(run(L.cholesky)(p))
    assert factor.dtype == dtype
    close(factor @ factor.conj().swapaxes(-1, -2), p)
    close(run(lambda x: L.cholesky(x, upper=True))(p), factor.conj().swapaxes(-1, -2))
    close(a @ np.asarray(run(L.solve)(a, b)), b)
    close(run(L.eigvalsh)(p), np.linalg.eigvalsh(p))
    w, v = (np.asarray(x) for x in run(L.eigh)(p))
    close(v * w[..., None, :], p @ v)
    w, v = (np.asarray(x) for x in run(L.eig)(a))
    close(v * w[..., None, :], a @ v)
    q, r = (np.asarray(x) for x in run(L.qr)(a))
    close(q @ r, a)
    packed, _, order = (np.asarray(x) for x in run(lax.linalg.lu)(a))
    product = (np.tril(packed, -1) + np.eye(n, dtype=dtype)) @ np.triu(packed)
    close(product, np.take_along_axis(a, order[..., None], -2))
    t, z = (np.asarray(x) for x in run(lax.linalg.schur)(a))
    close(z @ t @ z.conj().swapaxes(-1, -2), a)
    for name in ("det", "inv", "pinv"):
        if n or name == "det":
            close(run(getattr(L, name))(a), getattr(np.linalg, name)(a), 5e-2 if dtype in KINDS[::2] else 1e-7)


@pytest.mark.parametrize("shape", [(3000, 11), (257, 130), (2, 190, 181), (181, 190)])
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("mode", ["reduced", "complete"])
def test_qr_of_large_matrices(shape: tuple[int, ...], dtype: Any, mode: str) -> None:
    if mode == "complete" and shape[-2] > 1000:
        shape = (1000, 40)
    a = draw(*shape, dtype=dtype)
    q, r = (np.asarray(x) for x in cotan.jit(lambda a: L.qr(a, mode=mode))(a))
    wide = np.linalg.qr(a, mode=mode)
    assert (q.shape, r.shape) == (wide[0].shape, wide[1].shape)
    close(q @ r, a)
    close(q.conj().swapaxes(-1, -2) @ q, np.broadcast_to(np.eye(q.shape[-1]), (*q.shape[:-2], *q.shape[-1:] * 2)))
    np.testing.assert_array_equal(np.tril(r, -1), 0)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 4, 4), (0, 3), (3, 0), (1, 1), (17, 6)])
@pytest.mark.parametrize("dtype", KINDS)
def test_singular_values(shape: tuple[int, ...], dtype: Any) -> None:
    a = draw(*shape, dtype=dtype)
    for full in (False, True):
        u, s, vh = (np.asarray(x) for x in L.svd(a, full_matrices=full))
        k = s.shape[-1]
        close((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], a)
        close(u.conj().swapaxes(-1, -2) @ u, np.broadcast_to(np.eye(u.shape[-1]), (*shape[:-2], *(u.shape[-1],) * 2)))
    close(cotan.jit(L.svdvals)(a), np.linalg.svd(a, compute_uv=False))


def test_many_functions_agree_with_numpy() -> None:
    for a in (draw(3, 4, 4), draw(3, 4, 4, dtype=np.complex128)):
        for method in ("lu", "qr"):
            for found, wanted in zip(L.slogdet(a, method=method), np.linalg.slogdet(a), strict=True):
                close(found, wanted)
        close(L.matrix_power(a, -3), np.linalg.matrix_power(a, -3))
        close(L.matrix_power(a, 0), np.linalg.matrix_power(a, 0))
        for p in (None, "fro", 1, -1, np.inf, -np.inf, 2, -2):
            close(L.cond(a, p), np.linalg.cond(a, p))
        for order in (None, 1, 2, -1, -2, np.inf, -np.inf, "nuc", "fro"):
            close(L.norm(a, order, axis=(0, 2)), np.linalg.norm(a, order, axis=(0, 2)))
            close(L.norm(a, order, (2, 1), True), np.linalg.norm(a, order, (2, 1), True))
            close(L.matrix_norm(a, ord=order or "fro"), np.linalg.matrix_norm(a, ord=order or "fro"))
        for order in (0, 1, 2, 3, -1, np.inf, -np.inf):
            close(L.norm(a, order, axis=1), np.linalg.norm(a, order, axis=1))
            close(L.vector_norm(a, ord=order, axis=(0, 1)), np.linalg.vector_norm(a, ord=order, axis=(0, 1)))
        h = a + a.conj().swapaxes(-1, -2)
        u, s, vh = (np.asarray(x) for x in L.svd(h, hermitian=True))
        close((u * s[..., None, :]) @ vh, h)
        close(L.svd(h, hermitian=True, compute_uv=False), np.linalg.svd(h, compute_uv=False))
        close(L.pinv(h, hermitian=True), np.linalg.pinv(h))
        close(L.trace(a), np.trace(a, axis1=1, axis2=2))
        close(L.diagonal(a, offset=1), np.linalg.diagonal(a, offset=1))
        close(L.vecdot(a, h), np.linalg.vecdot(a, h))
        q, r = L.qr(a, mode="complete")
        close(q @ r, a)
        close(L.qr(a, mode="r"), r)
        for found, wanted in zip(L.qr(a, mode="raw"), np.linalg.qr(a, mode="raw"), strict=True):
            close(found, wanted)
    x, y = draw(5, 3), draw(3, 5)
    for b in (x[:, 0], x):
        for a in (x, np.hstack([x, x[:, :1]])):
            for found, wanted in zip(L.lstsq(a, b, numpy_resid=True), np.linalg.lstsq(a, b), strict=True):
                close(found, wanted)
    close(L.multi_dot([x, y, x, y[:, 0]]), x @ y @ x @ y[:, 0])
    tensor = draw(2, 3, 6)
    close(L.tensorinv(tensor), np.linalg.tensorinv(tensor))
    close(L.tensorsolve(tensor, y[:2, :3]), np.linalg.tensorsolve(tensor, y[:2, :3]))
    close(L.cross(x, x[::-1]), np.linalg.cross(x, x[::-1]))
    close(L.outer(x[0], x[1]), np.outer(x[0], x[1]))
    close(L.matmul(x, y), x @ y)
    close(L.tensordot(x, y, axes=1), x @ y)
    close(L.matrix_transpose(x), x.T)
    for m in (np.ones((3, 3)), np.zeros((2, 2)), x, np.ones(3)):
        assert int(L.matrix_rank(m)) == np.linalg.matrix_rank(m)
    assert int(L.matrix_rank(np.ones((3, 3)), hermitian=True)) == 1


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 0, 3)])
@pytest.mark.parametrize("ord", [None, 1, 2, np.inf, "fro", "nuc"])
def test_norms_of_matrices_without_elements(shape: tuple[int, ...], ord: Any) -> None:
    x = np.zeros(shape)
    for keepdims in (False, True):
        np.testing.assert_array_equal(
            cnp.linalg.norm(x, ord, axis=(-2, -1), keepdims=keepdims),
            np.linalg.norm(x, ord, axis=(-2, -1), keepdims=keepdims),
        )


@pytest.mark.parametrize("p", [None, 2, -2, 1, "fro"])
def test_a_matrix_of_zeros_has_no_inverse(p: Any) -> None:
    assert cnp.linalg.cond(np.zeros((2, 2)), p) == np.linalg.cond(np.zeros((2, 2)), p) == np.inf
    assert cnp.linalg.cond(np.zeros((0, 2, 2)), p).shape == np.linalg.cond(np.zeros((0, 2, 2)), p).shape == (0,)


def test_qr_in_full_is_the_reduced_one() -> None:
    for a, b in zip(cnp.linalg.qr(np.ones((5, 3)), "full"), cnp.linalg.qr(np.ones((5, 3))), strict=True):
        np.testing.assert_array_equal(a, b)


def test_failures_are_nan() -> None:
    bad = np.float64([[1, 2], [2, 1]])
    found = np.asarray(cotan.jit(L.cholesky)(np.stack([bad, np.eye(2)])))
    assert np.isnan(found[0][np.tril_indices(2)]).all()
    assert found[0, 0, 1] == 0
    close(found[1], np.eye(2))
    nan = np.full((2, 2), np.nan)
    for f in (L.eigvalsh, L.svdvals, L.eigvals, lambda a: lax.linalg.schur(a)[0]):
        out = np.asarray(f(np.stack([nan, np.eye(2)])))
        assert np.isnan(out[0]).all()
        assert np.isfinite(out[1]).all()
    assert not np.isfinite(L.inv(np.zeros((2, 2)))).any()
    assert float(L.det(np.zeros((5, 5)))) == 0
    assert tuple(map(float, L.slogdet(np.zeros((2, 2))))) == (0, -np.inf)
    d = np.zeros(2)
    assert np.isnan(lax.linalg.tridiagonal_solve(d, d, d, np.ones((2, 1)))).all()
    assert np.isfinite(lax.linalg.tridiagonal_solve(d, d, d, np.ones((2, 1)), perturb_singular=True)).all()


def test_threads_share_stacks() -> None:
    p = definite(200, 24, 24)
    for run in (L.cholesky, cotan.jit(L.cholesky)):
        factor = np.asarray(run(p))
        close(factor @ factor.swapaxes(-1, -2), p)
    text = cotan.explain(L.cholesky)(p)
    assert "cholesky" in text
    assert "host" not in text


B, C = draw(3, 4, 2, seed=1), draw(4, 2, seed=2)
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "solve": lambda x: (L.solve(x, C) ** 2).sum(),
    "solve both": lambda x: (L.solve(x, x @ x) ** 2).sum(),
    "solve many": lambda x: (L.solve(x, B) ** 2).sum(),
    "inv": lambda x: L.inv(x).sum(),
    "det": L.det,
    "det 3": lambda x: L.det(x[:3, :3]),
    "slogdet": lambda x: L.slogdet(x)[1],
    "slogdet qr": lambda x: L.slogdet(x, method="qr")[1],
    "pinv": lambda x: (L.pinv(x[:, :2]) ** 3).sum(),
    "lstsq": lambda x: (L.lstsq(x[:, :2], C)[0] ** 2).sum(),
    "lstsq wide": lambda x: (L.lstsq(x[:2], C[:2])[0] ** 2).sum(),
    "lstsq s": lambda x: (L.lstsq(x[:, :2], C)[3] ** 3).sum(),
    "nuclear": lambda x: L.norm(x, "nuc"),
    "norm 3": lambda x: L.norm(x.ravel(), 3),
    "power": lambda x: L.matrix_power(x, 3).sum(),
    "svd hermitian": lambda x: L.svd(x + x.T, hermitian=True)[1].sum(),
    "eigvals": lambda x: abs(L.eigvals(x)).sum(),
    "cholesky": lambda x: (L.cholesky(x @ x.T + cnp.eye(4)) ** 3).sum(),
    "svd full": lambda x: (L.svd(x[:, :2], full_matrices=True)[0][:, 2:] @ L.svd(x[:, :2])[0][:, 2:].T)[0, 1],
    "eigh": lambda x: abs(L.eigh(x + x.T)[1]).sum(),
    "schur": lambda x: (lax.linalg.schur(x)[0] ** 4).sum(),
    "complex schur": lambda x: (abs(lax.linalg.schur(x + 1j * x @ x)[0]) ** 3).sum(),
    "update": lambda x: (lax.linalg.cholesky_update(cnp.triu(x) + 3 * cnp.eye(4), C[:, 0]) ** 2).sum(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_both_orders_agree_with_differences(name: str) -> None:
    f, x, h = FUNCTIONS[name], draw(4, 4), 1e-6
    gradient = cotan.jit(cotan.grad(f))
    along, other = draw(4, 4, seed=3), draw(4, 4, seed=4)
    slope = (float(f(x + h * along)) - float(f(x - h * along))) / (2 * h)
    np.testing.assert_allclose(float((gradient(x) * along).sum()), slope, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(cotan.grad(f)(x), gradient(x), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(float(cotan.jvp(f, (x,), (along,))[1]), slope, rtol=1e-4, atol=1e-5)
    bend = cotan.jvp(gradient, (x,), (other,))[1]
    wanted = (np.asarray(gradient(x + h * other)) - np.asarray(gradient(x - h * other))) / (2 * h)
    np.testing.assert_allclose(bend, wanted, rtol=1e-3, atol=1e-3)
    mapped = cotan.vmap(f)(np.stack([x, x.T]))
    np.testing.assert_allclose(mapped, [f(x), f(x.T)], rtol=1e-8, atol=1e-8)


def test_the_gradient_of_a_singular_determinant_is_its_adjugate() -> None:
    a = np.float64([[1, 2], [2, 4]])
    np.testing.assert_allclose(cotan.grad(L.det)(a), [[4, -2], [-2, 1]])
    s = draw(5, 5)
    s[-1] = s[0]
    found, along, h = cotan.grad(L.det)(s), draw(5, 5, seed=1), 1e-6
    wanted = (float(L.det(s + h * along)) - float(L.det(s - h * along))) / (2 * h)
    np.testing.assert_allclose(float((found * along).sum()), wanted, rtol=1e-5)


def test_composites_of_lax() -> None:
    for dtype in KINDS:
        x = draw(6, 4, dtype=dtype)
        u, h, count, done = (np.asarray(y) for y in lax.linalg.qdwh(x))
        assert done
        assert 0 < count <= 10
        close(u @ h, x)
        close(u.conj().T @ u, np.eye(4))
    r, w = np.triu(draw(5, 5)), draw(5)
    updated = np.asarray(lax.linalg.cholesky_update(r, w))
    close(updated.T @ updated, r.T @ r + np.outer(w, w))
    close(np.tril(updated, -1), 0)
    a, c = draw(2, 3, 2), definite(2, 3, 3)
    wanted = 2 * a @ a.swapaxes(-1, -2) + 3 * c
    close(lax.linalg.symmetric_product(a, c, alpha=2, beta=3, symmetrize_output=True), wanted)
    v, e = lax.linalg.eigh(c, subset_by_index=(1, 3))
    assert v.shape == (2, 3, 2)
    assert e.shape == (2, 2)
    u, s, vh = lax.linalg.svd(c, full_matrices=False, subset_by_index=(0, 1))
    assert (u.shape, s.shape, vh.shape) == ((2, 3, 1), (2, 1), (2, 1, 3))
    close(lax.linalg.triangular_solve(r + 5 * np.eye(5), w, left_side=True), np.linalg.solve(r + 5 * np.eye(5), w))
    assert lax.linalg.EigImplementation.LAPACK.value == "lapack"
    assert lax.linalg.EighImplementation.QR.value == "qr"
    assert lax.linalg.SvdAlgorithm.QR.value == "QR"


S, V = np.ones((2, 2)), np.ones((2, 3))
ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: L.cholesky(V), ValueError, "must be a square matrix"),
    (lambda: L.cholesky(np.ones(3)), ValueError, "must be a matrix or a stack"),
    (lambda: L.cholesky(cnp.ones((2, 2), np.float16)), TypeError, "does not accept dtype float16"),
    (lambda: L.solve(S, np.ones(3)), ValueError, "does not fit b of shape"),
    (lambda: L.solve(np.ones((2, 2, 2)), np.ones((3, 2, 1))), ValueError, "do not broadcast"),
    (lambda: L.eigh(S, UPLO="X"), ValueError, "UPLO must be 'L' or 'U'"),
    (lambda: L.qr(S, mode="x"), ValueError, "mode must be"),
    (lambda: L.slogdet(S, method="x"), ValueError, "method must be 'lu' or 'qr'"),
    (lambda: L.pinv(S, 1e-3, rcond=1e-3), ValueError, "rtol and rcond mean the same"),
    (lambda: L.lstsq(np.ones((1, 2, 2)), S), ValueError, "a must be a matrix"),
    (lambda: L.lstsq(S, np.ones(3)), ValueError, "does not fit a of shape"),
    (lambda: L.matrix_power(S, 0.5), TypeError, "must be an integer"),
    (lambda: L.multi_dot([S]), ValueError, "at least two arrays"),
    (lambda: L.multi_dot([S, np.ones((3, 2))]), ValueError, "do not make a product"),
    (lambda: L.norm(np.ones((2, 2, 2)), 2), ValueError, "give an axis or two"),
    (lambda: L.norm(S, "x"), ValueError, "matrices have no norm of order 'x'"),
    (lambda: L.norm(np.ones(2), "x"), ValueError, "vectors have no norm of order 'x'"),
    (lambda: L.norm(S, axis=(0, 0)), ValueError, "two different ones"),
    (lambda: cnp.linalg.cond(np.ones((0, 0))), ValueError, "matrices without elements"),
    (lambda: L.cross(S, S), ValueError, "must have 3 components"),
    (lambda: L.outer(S, S), ValueError, "needs two vectors"),
    (lambda: L.tensorinv(V, 1), ValueError, "as many elements as the rest"),
    (lambda: L.tensorsolve(V, np.ones(3)), ValueError, "does not map arrays"),
    (lambda: cotan.grad(lambda a: abs(L.eig(a)[1]).sum())(S), TypeError, "enable_eigvec_derivs=True"),
    (lambda: lax.linalg.eigh(S, subset_by_index=(0, 3)), ValueError, "must be a range"),
    (lambda: lax.linalg.svd(S, subset_by_index=(0, 1)), ValueError, "needs full_matrices=False"),
    (lambda: lax.linalg.schur(S, sort_eig_vals=True), ValueError, "cannot be sorted"),
    (lambda: lax.linalg.triangular_solve(S, np.ones((3, 3))), ValueError, "does not fit b"),
    (lambda: lax.linalg.triangular_solve(S, S.astype(np.float32)), TypeError, "equal dtypes"),
    (lambda: lax.linalg.triangular_solve(S[None], np.ones((2, 2, 2))), ValueError, "leading axes"),
    (lambda: lax.linalg.tridiagonal_solve(S[0], S[0], np.ones(3), S), ValueError, "must have one shape"),
    (lambda: lax.linalg.tridiagonal_solve(S[0], S[0], S[0], np.ones((3, 1))), ValueError, "it must be"),
    (lambda: lax.linalg.lu_pivots_to_permutation(np.int64([1]), 2), TypeError, "needs int32 pivots"),
    (lambda: lax.linalg.lu_pivots_to_permutation(np.int32([1, 1]), 1), ValueError, "one for each row at most"),
    (lambda: lax.linalg.householder_product(V, np.ones(1)), ValueError, "as many rows as columns"),
    (lambda: lax.linalg.householder_product(S, np.ones(3)), ValueError, "one for each column at most"),
    (lambda: lax.linalg.ormqr(S, S[0], np.ones((3, 3))), ValueError, "does not fit c"),
    (
        lambda: cotan.grad(lambda a: lax.linalg.ormqr(a, S[0], S).sum())(S),
        TypeError,
        "has a derivative with respect to c only",
    ),
    (lambda: lax.linalg.symmetric_product(V, np.ones((3, 3))), ValueError, "equally many rows"),
    (lambda: lax.linalg.cholesky_update(S, np.ones(3)), ValueError, "and a vector"),
    (lambda: lax.linalg.cholesky_update(S + 0j, S[0] + 0j), TypeError, "takes float32 and float64"),
    (lambda: lax.linalg.qdwh(V), ValueError, "as many rows as columns"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors_say_what_is_wrong(case: int) -> None:
    call, kind, words = ERRORS[case]
    with pytest.raises(kind, match=words):
        call()
