"""Iterative solvers against direct ones, with derivatives; trapezoids and vector quantisation against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.cluster.vq
import scipy.integrate

import cotan
import cotan.numpy as cnp
from cotan.scipy.cluster.vq import vq
from cotan.scipy.integrate import trapezoid
from cotan.scipy.sparse import linalg

RNG = np.random.default_rng(0)
GENERAL = np.eye(6) * 4 + RNG.normal(size=(6, 6))
POSITIVE = GENERAL @ GENERAL.T
B = RNG.normal(size=6)
SOLVERS = {"cg": (linalg.cg, POSITIVE), "bicgstab": (linalg.bicgstab, GENERAL), "gmres": (linalg.gmres, GENERAL)}


@pytest.mark.parametrize("preconditioned", [False, True])
@pytest.mark.parametrize("complex_numbers", [False, True])
@pytest.mark.parametrize("name", SOLVERS)
def test_solutions(name, complex_numbers, preconditioned):
    solver, matrix = SOLVERS[name]
    if complex_numbers:
        matrix = matrix + 1j * (GENERAL - GENERAL.T)
    b = B + 0.5j * B[::-1] if complex_numbers else B
    diagonal = np.diag(1 / np.diag(matrix))
    with cotan.enable_x64(True):
        m = diagonal if preconditioned else None
        found, info = solver(matrix, b, tol=1e-10, M=m)
        jitted = cotan.jit(lambda a, b: solver(lambda x: a @ x, b, tol=1e-10)[0])(matrix, b)
        guessed, _ = solver(matrix, b, np.linalg.solve(matrix, b), tol=1e-6, maxiter=0)
    assert info is None
    expected = np.linalg.solve(matrix, b)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(jitted, expected, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(guessed, expected)


@pytest.mark.parametrize("name", SOLVERS)
def test_derivatives_pytrees_and_batches(name):
    solver, matrix = SOLVERS[name]

    def solved(scale, b):
        return solver(lambda x: {"x": scale * cnp.asarray(matrix) @ x["x"]}, {"x": b}, tol=1e-12)[0]["x"]

    expected = np.linalg.solve(matrix, B)
    with cotan.enable_x64(True):
        np.testing.assert_allclose(cotan.jacfwd(solved)(2.0, B), -expected / 4, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(cotan.jacrev(solved)(2.0, B), -expected / 4, rtol=1e-6, atol=1e-8)
        inverse = np.linalg.inv(matrix)
        np.testing.assert_allclose(cotan.jacrev(solved, 1)(1.0, B), inverse, rtol=1e-6, atol=1e-8)
        many = cotan.vmap(solved, (None, 0))(1.0, np.eye(6))
        np.testing.assert_allclose(many, inverse.T, rtol=1e-6, atol=1e-8)


def test_restarts_of_gmres():
    with cotan.enable_x64(True):
        found, _ = linalg.gmres(GENERAL, B, restart=2, tol=1e-10, solve_method="incremental")
    np.testing.assert_allclose(found, np.linalg.solve(GENERAL, B), rtol=1e-6, atol=1e-8)


def test_trapezoid():
    y, x = RNG.normal(size=(3, 5)), np.sort(RNG.normal(size=5))
    np.testing.assert_allclose(trapezoid(y, x), scipy.integrate.trapezoid(y, x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trapezoid(y, dx=0.5, axis=0), scipy.integrate.trapezoid(y, dx=0.5, axis=0), rtol=1e-5)


def test_vq():
    obs, codes = RNG.normal(size=(20, 3)).astype(np.float32), RNG.normal(size=(4, 3)).astype(np.float32)
    for points, book in ((obs, codes), (obs[:, 0], codes[:, 0])):
        ours, theirs = vq(points, book), scipy.cluster.vq.vq(points, book)
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-4, atol=1e-6)
    points, book = np.complex64([[1 + 2j], [3], [-1j]]), np.complex64([[1], [-2j]])
    assert [x.tolist() for x in vq(points, book)] == [[0, 0, 1], [2, 2, 1]]


def test_bad_arguments():
    with pytest.raises(ValueError, match="cg: x0 must have the structure and shapes of b"):
        linalg.cg(GENERAL, B, np.ones(3))
    with pytest.raises(ValueError, match=r"gmres: a matrix must be square, got shape \(2, 3\)"):
        linalg.gmres(np.ones((2, 3)), np.ones(3))
    with pytest.raises(ValueError, match="gmres: solve_method must be 'batched' or 'incremental', got 'x'"):
        linalg.gmres(GENERAL, B, solve_method="x")
    with pytest.raises(ValueError, match="vq: obs and code_book must both have one or two axes"):
        vq(np.ones((2, 2)), np.ones(2))
    with pytest.raises(ValueError, match="vq: observations have 2 components, codes 3"):
        vq(np.ones((2, 2)), np.ones((2, 3)))
