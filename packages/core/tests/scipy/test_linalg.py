"""cotan.scipy.linalg against SciPy, definitions and differences; errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg as S

import cotan
import cotan.numpy as cnp
import cotan.scipy.linalg as L

RNG = np.random.default_rng(0)
A, B, C = RNG.normal(size=(5, 5)), RNG.normal(size=(4, 4)), RNG.normal(size=(5, 4))
Z = A + 1j * RNG.normal(size=(5, 5))
P = A @ A.T + np.eye(5)


@pytest.fixture(autouse=True)
def wide() -> Iterator[None]:
    with cotan.enable_x64(True):
        yield


def close(found: Any, wanted: Any, tolerance: float = 1e-8) -> None:
    if isinstance(wanted, tuple | list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            close(one, other, tolerance)
    else:
        np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("x", [A, Z], ids=["real", "complex"])
def test_factorisations_and_equations(x: Any) -> None:
    close(L.lu(x[:, :3]), S.lu(x[:, :3]))
    close(L.lu(x[:3], permute_l=True), S.lu(x[:3], permute_l=True))
    for trans in (0, 1, 2):
        close(L.lu_solve(L.lu_factor(x), C, trans), S.lu_solve(S.lu_factor(x), C, trans))
        for lower in (True, False):
            close(L.solve_triangular(x, C, trans, lower), S.solve_triangular(x, C, trans, lower))
    h, q = L.hessenberg(x, calc_q=True)
    close((h, q), S.hessenberg(x, calc_q=True))
    close(L.hessenberg(x), h)
    close(L.qr(x[:, :3], mode="economic", pivoting=True), S.qr(x[:, :3], mode="economic", pivoting=True))
    close(L.qr(x, mode="r")[0], L.qr(x)[1])
    for method in ("qdwh", "svd"):
        for side in ("left", "right"):
            close(L.polar(x, side, method=method), S.polar(x, side))
    for method in ("schur", "eigen"):
        found = np.asarray(L.solve_sylvester(x, B, C, method=method))
        close(x @ found + found @ B, C)
    for conjugate in (False, True):
        close(L.qr_multiply(x, C.T, conjugate=conjugate), S.qr_multiply(x, C.T, conjugate=conjugate))
        close(L.qr_multiply(x, C, "left", conjugate=conjugate), S.qr_multiply(x, C, "left", conjugate=conjugate))
    for kind in (1, 2, 3):
        for lower in (True, False):
            w, v = L.eigh(x + x.conj().T, P, type=kind, lower=lower)
            wanted = S.eigh(x + x.conj().T, P, type=kind, lower=lower)
            close(w, wanted[0])
            close(abs(v), abs(wanted[1]))
    close(L.det(x), S.det(x))
    close(L.inv(x), S.inv(x))
    close(L.svd(x, compute_uv=False), S.svdvals(x))
    t, z = (np.asarray(y) for y in L.schur(x, output="complex"))
    close(z @ t @ z.conj().T, x)
    close(np.tril(t, -1), 0)


def test_positive_definite_equations_and_rotations() -> None:
    close(L.cholesky(P), S.cholesky(P))
    close(L.cho_solve(L.cho_factor(P), C), S.solve(P, C))
    close(L.cho_solve(L.cho_factor(P, True), C[:, 0]), S.solve(P, C[:, 0]))
    for assumption in ("gen", "sym", "her", "pos"):
        close(L.solve(P, C, assume_a=assumption), S.solve(P, C))
    t, z = (np.asarray(y) for y in L.rsf2csf(*S.schur(A)))
    close(z @ t @ z.conj().T, A)
    close(z @ z.conj().T, np.eye(5))
    close(np.tril(t, -1), 0)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("a", [P, P + 0.1j * (A - A.T)], ids=["real", "complex"])
def test_derivatives_of_positive_definite_equations_are_those_of_any(a, lower) -> None:
    """Along every entry of the matrix, though only one triangle is factored."""
    b = np.asarray(C, a.dtype)

    def solution(assumption):
        return lambda a, b: L.solve(a, b, lower=lower, assume_a=assumption)

    def loss(assumption):
        return lambda a, b: cnp.sum(cnp.abs(solution(assumption)(a, b)) ** 2)

    direction = np.random.default_rng(3).normal(size=a.shape)
    found, wanted = (cotan.jvp(solution(kind), (a, b), (direction + 0 * a, b)) for kind in ("pos", "gen"))
    close(found[1], wanted[1])
    for one, other in zip(*(cotan.grad(loss(kind), (0, 1))(a, b) for kind in ("pos", "gen")), strict=True):
        close(one, other)
    stack = np.stack([a, 2 * a])
    close(cotan.vmap(solution("pos"), (0, None))(stack, b), cotan.vmap(solution("gen"), (0, None))(stack, b))
    close(L.solve(stack, b[:, 0], lower=lower, assume_a="pos"), L.solve(stack, b[:, 0]))


@pytest.mark.parametrize("x", [A, Z], ids=["real", "complex"])
def test_functions_of_matrices(x: Any) -> None:
    for scale in (1e-3, 1.0, 10.0):
        close(L.expm(x * scale), S.expm(x * scale), 1e-7)
        close(cotan.jit(L.expm)(x * scale), S.expm(x * scale), 1e-7)
    close(L.expm(np.triu(x), upper_triangular=True), S.expm(np.triu(x)))
    close(L.expm(np.stack([x, 2 * x])), np.stack([S.expm(x), S.expm(2 * x)]), 1e-7)
    close(L.sqrtm(x), S.sqrtm(x))
    close(L.sqrtm(np.stack([x, P])), np.stack([S.sqrtm(x), S.sqrtm(P)]))
    close(L.funm(x, cnp.exp), S.expm(x))
    out, error = L.funm(x, cnp.sin, disp=False)
    close(out, S.sinm(x))
    assert float(error) < 1e-8
    close(L.expm_frechet(x, A), S.expm_frechet(x, A))
    close(L.expm_frechet(x, A, compute_expm=False), S.expm_frechet(x, A, compute_expm=False))
    assert np.isnan(L.expm(x * 1e9)).all()
    assert L.expm(np.zeros((0, 0))).shape == (0, 0)


def test_singular_matrices_and_equal_eigenvalues() -> None:
    twice = np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    for x in (np.zeros((3, 3)), np.diag([0.0, 0.0, 4.0]), np.eye(2), np.diag([2.0, 3.0, 2.0]), twice):
        root = L.sqrtm(x)
        close(root @ root, x)
        close(L.funm(x, cnp.cos), S.cosm(x))
    nilpotent = np.array([[0.0, 1.0], [0.0, 0.0]])
    assert np.isnan(L.sqrtm(nilpotent)).all()
    assert np.isnan(L.funm(nilpotent + 4 * np.eye(2), cnp.cos)).all()


def test_single_precision() -> None:
    x = A.astype(np.float32)
    assert L.expm(x).dtype == np.float32
    assert L.sqrtm(x).dtype == np.complex64
    close(L.expm(x), S.expm(x), 1e-4)
    close(L.sqrtm(x), S.sqrtm(A), 1e-3)


@pytest.mark.parametrize("n", range(1, 7))
def test_matrices_with_names(n: int) -> None:
    rng = np.random.default_rng(n)
    v, w = rng.normal(size=n), rng.normal(size=n + 1)
    for name in ("hilbert", "invhilbert", "helmert", "pascal", "invpascal", "dft"):
        close(getattr(L, name)(n), getattr(S, name)(n))
    for kind in ("lower", "upper"):
        close(L.pascal(n, kind), S.pascal(n, kind))
        close(L.invpascal(n, kind), S.invpascal(n, kind))
    close(L.helmert(n, True), S.helmert(n, True))
    for scale in ("n", "sqrtn"):
        close(L.dft(n, scale), S.dft(n, scale))
    close(L.toeplitz(v, w), S.toeplitz(v, w))
    close(L.toeplitz(v * 1j), S.toeplitz(v * 1j))
    close(L.toeplitz(np.stack([v, -v]))[1], S.toeplitz(-v))
    close(L.hankel(v, w), S.hankel(v, w))
    close(L.hankel(v), S.hankel(v))
    for name, x in (("circulant", v), ("fiedler", v), ("fiedler_companion", w), ("companion", w)):
        close(getattr(L, name)(x), getattr(S, name)(x))
    close(L.companion(np.array([4, 2, 1], np.uint8)), S.companion(np.array([4.0, 2, 1])))
    close(L.leslie(w, v), S.leslie(w, v))
    for mode in ("full", "same", "valid"):
        for k in (1, 2, 5):
            close(L.convolution_matrix(v, k, mode), S.convolution_matrix(v, k, mode))
    for select in ("a", "i"):
        found = L.eigh_tridiagonal(w, v, select=select, select_range=(0, n // 2))
        close(found[0], S.eigh_tridiagonal(w, v, select=select, select_range=(0, n // 2))[0])
    close(L.eigh_tridiagonal(w, v, eigvals_only=True), S.eigh_tridiagonal(w, v, eigvals_only=True))


def test_blocks_and_signs() -> None:
    close(L.hadamard(8), S.hadamard(8))
    close(L.block_diag(A, 3, C[0], B), S.block_diag(A, 3, C[0], B))
    close(L.block_diag(), S.block_diag())


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sqrtm": lambda x: abs(L.sqrtm(x)).sum(),
    "expm": lambda x: L.expm(x * 3).sum(),
    "funm": lambda x: abs(L.funm(x, cnp.sin)).sum(),
    "sylvester": lambda x: (L.solve_sylvester(x, B, C) ** 2).sum(),
    "polar": lambda x: L.polar(x, method="svd")[1].sum(),
    "eigh": lambda x: L.eigh(x + x.T, P)[0].sum(),
    "lu_solve": lambda x: (L.lu_solve(L.lu_factor(x), C, 1) ** 2).sum(),
    "cho_solve": lambda x: (L.cho_solve(L.cho_factor(x @ x.T + P), C) ** 2).sum(),
    "toeplitz": lambda x: (L.toeplitz(x[0]) ** 3).sum(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_agree_with_differences(name: str) -> None:
    f, h = FUNCTIONS[name], 1e-6
    along = np.random.default_rng(1).normal(size=A.shape)
    wanted = (float(f(A + h * along)) - float(f(A - h * along))) / (2 * h)
    gradient = cotan.grad(f)(A)
    np.testing.assert_allclose(float((gradient * along).sum()), wanted, rtol=1e-5)
    np.testing.assert_allclose(cotan.jit(cotan.grad(f))(A), gradient, rtol=1e-7, atol=1e-7)


V = np.ones((2, 3))
ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: L.cho_solve((P, True), np.ones(3)), "does not fit b"),
    (lambda: L.lu_solve(L.lu_factor(P), C, 3), "trans must be 0, 1 or 2"),
    (lambda: L.solve(P, C, assume_a="x"), "assume_a must be"),
    (lambda: L.solve_triangular(P, C, trans="X"), "trans must be 0, 1, 2"),
    (lambda: L.solve_sylvester(A, B, C.T), "do not fit"),
    (lambda: L.solve_sylvester(A, B, C, method="x"), "method must be 'schur' or 'eigen'"),
    (lambda: L.eigh(P, eigvals=(0, 1)), "eigvals must be None"),
    (lambda: L.eigh(P, P, type=4), "type must be 1, 2 or 3"),
    (lambda: L.qr(P, mode="x"), "mode must be 'full'"),
    (lambda: L.qr_multiply(P, C, "x"), "mode must be 'left' or 'right'"),
    (lambda: L.schur(P, output="x"), "output must be 'real' or 'complex'"),
    (lambda: L.rsf2csf(V, V), "must be square and of one shape"),
    (lambda: L.polar(V), "use method='svd'"),
    (lambda: L.polar(V, "x"), "side must be"),
    (lambda: L.polar(V, method="x"), "method must be"),
    (lambda: L.polar(np.ones((1, 2, 2))), "polar needs a matrix"),
    (lambda: L.eigh_tridiagonal(V[0], V[0]), "needs vectors"),
    (lambda: L.eigh_tridiagonal(V[0], V[0, :2], select="v"), "select must be 'a' or 'i'"),
    (lambda: L.eigh_tridiagonal(V[0], V[0, :2], select="i"), "needs select_range"),
    (lambda: L.eigh_tridiagonal(V[0] * 1j, V[0, :2]), "takes real diagonals"),
    (lambda: L.expm(V), "must be a square matrix"),
    (lambda: L.expm_frechet(P, B), "must be square and of one shape"),
    (lambda: L.expm_frechet(P, P, method="x"), "method must be 'SPS'"),
    (lambda: L.sqrtm(P, 2), "only blocksize=1"),
    (lambda: L.funm(np.ones((1, 2, 2)), cnp.exp), "needs one square matrix"),
    (lambda: L.block_diag(np.ones((1, 1, 1))), "takes matrices at most"),
    (lambda: L.companion(np.ones(1)), "two coefficients or more"),
    (lambda: L.fiedler_companion(V), "needs a vector"),
    (lambda: L.convolution_matrix(np.ones(2), 0), "n must be positive"),
    (lambda: L.convolution_matrix(np.ones(0), 2), "has no elements"),
    (lambda: L.convolution_matrix(np.ones(2), 2, "x"), "mode must be"),
    (lambda: L.dft(2, "x"), "scale must be"),
    (lambda: L.hadamard(3), "must be a power of two"),
    (lambda: L.pascal(3, "x"), "kind must be"),
    (lambda: L.leslie(np.ones(2), np.ones(2)), "one element more"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors_say_what_is_wrong(case: int) -> None:
    call, words = ERRORS[case]
    with pytest.raises(ValueError, match=words):
        call()
