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
    assert jac[1].dtype == np.int32
    assert not np.any(jac[1])
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


def test_jacobians_have_the_types_of_results_and_arguments():
    def f(x, y):
        return x**3 * y

    assert cotan.jacfwd(lambda x: x * x)(2.0).weak_type
    assert cotan.jacrev(lambda x: x * x)(2.0).weak_type
    assert cotan.hessian(lambda x: x**3)(2.0).weak_type
    by_x, by_y = cotan.jacrev(f, (0, 1))(2.0, np.float32(3))
    assert (by_x.weak_type, by_y.weak_type) == (True, False)
    by_x, by_y = cotan.jacfwd(f, (0, 1))(2.0, np.float32(3))
    assert (by_x.weak_type, by_y.weak_type) == (False, False)
    assert cotan.jacfwd(lambda x: x.astype(np.float16))(X).dtype == np.float16
    assert cotan.jacrev(lambda x: x.astype(np.float16))(X).dtype == np.float32


def test_integer_results_have_zero_jacobians_in_forward_mode():
    jac = cotan.jacfwd(lambda x: {"n": x.astype(int), "x": 2 * x})(X)
    assert jac["n"].dtype == np.int32
    np.testing.assert_array_equal(jac["n"], np.zeros((3, 3)))
    np.testing.assert_array_equal(jac["x"], 2 * np.eye(3))
    with pytest.raises(
        TypeError, match=r"jacrev of `.*`: the result must be real and floating-point, but has dtype i32"
    ):
        cotan.jacrev(lambda x: x.astype(int))(X)


def test_complex_results_of_real_arguments():
    jac = cotan.jacfwd(lambda x: cnp.exp(1j * x))(X)
    np.testing.assert_allclose(jac, np.diag(1j * np.exp(1j * X)), rtol=1e-5, atol=1e-7)
    assert jac.dtype == np.complex64


def test_real_results_of_complex_arguments():
    z = np.complex64([1 + 2j, -0.5j])
    np.testing.assert_allclose(cotan.jacrev(lambda z: (z**2).real)(z), np.diag(2 * z), rtol=1e-6)
    np.testing.assert_allclose(cotan.jacrev(lambda z: z.imag)(z), np.diag([-1j, -1j]), rtol=1e-6)


@pytest.mark.parametrize("jacobian", [cotan.jacfwd, cotan.jacrev])
def test_holomorphic(jacobian):
    z = np.complex64([0.3 + 0.1j, -0.5j])
    np.testing.assert_allclose(jacobian(cnp.exp, holomorphic=True)(z), np.diag(np.exp(z)), rtol=1e-5, atol=1e-7)
    for f, x, match in [
        (cnp.exp, X, "argument `.*` has dtype f32; with holomorphic=True arguments must be complex"),
        (lambda z: z.real, z, r"the result must be complex \(holomorphic=True\), but has dtype f32"),
    ]:
        with pytest.raises(TypeError, match=f"{jacobian.__name__} of `.*`: {match}"):
            jacobian(f, holomorphic=True)(x)
    with pytest.raises(TypeError, match="pass holomorphic=True"):
        jacobian(lambda z: z * 1j)(z)


def test_hessians_of_pytrees():
    def f(p, q):
        return {"s": (p["a"] ** 2 * q).sum()}, {"seen": q}

    a, q = np.float32([1, 2]), 3.0
    hess, aux = cotan.hessian(f, argnums=(0, -1), has_aux=True)({"a": a}, q)
    assert float(aux["seen"]) == 3
    (by_p, by_q) = hess["s"]
    np.testing.assert_allclose(by_p["a"][0]["a"], 2 * q * np.eye(2))
    np.testing.assert_allclose(by_p["a"][1], 2 * a)
    np.testing.assert_allclose(by_q[0]["a"], 2 * a)
    assert float(by_q[1]) == 0


def test_holomorphic_hessian():
    z = np.complex64([1j, 2])
    hess = cotan.hessian(lambda z: (z**3).sum(), holomorphic=True)(z)
    np.testing.assert_allclose(hess, np.diag(6 * z), rtol=1e-5, atol=1e-6)


def test_integer_arguments_are_refused_in_forward_mode_with_fitting_advice():
    with pytest.raises(TypeError, match=r"Convert it to float, leave it out of argnums\.$"):
        cotan.jacfwd(lambda n: n)(np.arange(2))
