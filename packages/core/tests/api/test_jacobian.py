"""jacfwd, jacrev and hessian: values and shapes."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

X = np.linspace(0.1, 1.0, 3).astype(np.float32)


def f(x):
    return cnp.stack([x[0] * x[1], cnp.sin(x[2])])


JACOBIAN = np.array([[X[1], X[0], 0], [0, 0, np.cos(X[2])]])


@pytest.mark.parametrize("jacobian", [cotan.jacfwd, cotan.jacrev])
def test_jacobian(jacobian):
    np.testing.assert_allclose(jacobian(f)(X), JACOBIAN, rtol=1e-5)
    np.testing.assert_allclose(cotan.jit(jacobian(f))(X), JACOBIAN, rtol=1e-5)


@pytest.mark.parametrize("jacobian", [cotan.jacfwd, cotan.jacrev])
def test_jacobian_of_pytrees(jacobian):
    def g(p, scale):
        return {"y": p["w"] @ p["x"], "z": scale * p["x"]}

    params = {"w": cnp.ones((2, 3)), "x": cnp.arange(3.0)}
    jac, by_scale = jacobian(g, argnums=(0, 1))(params, 2.0)["y"]
    assert jac["w"].shape == (2, 2, 3)
    np.testing.assert_allclose(jac["w"], np.einsum("ik,j->ikj", np.eye(2), np.arange(3)))
    np.testing.assert_allclose(jac["x"], np.ones((2, 3)))
    np.testing.assert_allclose(by_scale, [0, 0])
    np.testing.assert_allclose(jacobian(g, argnums=1)(params, 2.0)["z"], [0, 1, 2])


@pytest.mark.parametrize("jacobian", [cotan.jacfwd, cotan.jacrev])
def test_aux_and_scalars(jacobian):
    jac, aux = jacobian(lambda x: (x * x, {"seen": x + 1}), has_aux=True)(3.0)
    assert (float(jac), float(aux["seen"])) == (6, 4)


def test_integer_and_empty_arguments():
    jac = cotan.jacrev(lambda x, n: x * n, argnums=(0, 1), allow_int=True)(X, np.array([1, 2, 3]))
    np.testing.assert_allclose(jac[0], np.diag([1, 2, 3]))
    assert jac[1].shape == (3, 3)
    assert jac[1].dtype == np.int32 and not np.any(jac[1])
    assert cotan.jacfwd(lambda x: x)(cnp.zeros((0, 2))).shape == (0, 2, 0, 2)


def test_complex_jacobian():
    z = cnp.asarray([1 + 2j, 3j])
    for jacobian in (cotan.jacfwd, cotan.jacrev):
        np.testing.assert_allclose(jacobian(lambda z: z * z, holomorphic=True)(z), np.diag([2 + 4j, 6j]), rtol=1e-6)


def test_hessian():
    def g(x):
        return (x**3).sum() + x[0] * x[1]

    expected = np.diag(6 * X)
    expected[0, 1] = expected[1, 0] = 1
    np.testing.assert_allclose(cotan.hessian(g)(X), expected, rtol=1e-5)
    np.testing.assert_allclose(cotan.jit(cotan.hessian(g))(X), expected, rtol=1e-5)
    np.testing.assert_allclose(cotan.jacrev(cotan.jacfwd(g))(X), expected, rtol=1e-5)
    both = cotan.hessian(lambda a, b: a * a * b, argnums=(0, 1))(2.0, 3.0)
    np.testing.assert_allclose(np.asarray([[float(v) for v in row] for row in both]), [[6, 4], [4, 0]])
