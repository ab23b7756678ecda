"""Derivatives of complex functions: conventions, against differences along both real directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.config import config

Z = np.array([0.6 + 0.4j, 0.8 - 0.3j, -0.5 + 0.7j])
W = np.array([[0.2 + 0.1j, 0.5j, -0.3], [0.4, 0.1 - 0.2j, 0.3 + 0.3j], [1j, 0.2, 0.1]])

HOLOMORPHIC: dict[str, Callable[[Any], Any]] = {
    "exp": cnp.exp,
    "log": cnp.log,
    "sqrt": cnp.sqrt,
    "sin": cnp.sin,
    "cosh": cnp.cosh,
    "tanh": cnp.tanh,
    "cube": lambda z: z**3,
    "complex power": lambda z: z ** (0.5 + 0.2j),
    "reciprocal": lambda z: 1 / z,
    "quotient": lambda z: (z + 1j) / (z * z + 3),
    "product of matrices": lambda z: W @ cnp.sin(W @ z),
    "product of all": lambda z: cnp.prod(z)[None],
    "running product": cnp.cumprod,
    "running sum": lambda z: cnp.cumsum(z * z),
    "indexed": lambda z: (z * z)[np.array([2, 0, 0])],
    "updated": lambda z: cnp.sin(z).at[1].add(z[0] * z[2]).at[0].set(z[1]),
    "chosen": lambda z: cnp.where(np.array([True, False, True]), z * z, 3 * z),
    "contracted": lambda z: cnp.einsum("i,ij,j->i", z, W, z),
    "stacked and reversed": lambda z: cnp.concatenate([z[::-1], cnp.stack([z[0] * z[1]])]),
}
OTHERS: dict[str, Callable[[Any], Any]] = {
    "real": cnp.real,
    "imag": lambda z: cnp.imag(z) ** 2,
    "abs": cnp.abs,
    "angle": cnp.angle,
    "conj": lambda z: cnp.conj(z) * z * z,
    "norm": lambda z: cnp.sqrt(cnp.sum(cnp.abs(W @ z) ** 2)),
    "of its parts": lambda z: z.real * cnp.exp(1j * z.imag),
    "inner product": lambda z: cnp.vdot(z, W @ z),
    "cast to real and back": lambda z: (z * z).real.astype(complex) * z,
}
FUNCTIONS = {**HOLOMORPHIC, **OTHERS}


@pytest.fixture(autouse=True)
def _wide():
    with config.override(enable_x64=True):
        yield


def difference(f: Callable[[Any], Any], z: np.ndarray, t: np.ndarray) -> np.ndarray:
    h = 1e-6
    return (np.asarray(f(z + h * t)) - np.asarray(f(z - h * t))) / (2 * h)


def direction(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.mark.parametrize("stage", [lambda f: f, cotan.jit], ids=["plain", "jit"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_forward_and_reverse_mode(name, stage):
    f = FUNCTIONS[name]
    t = direction(1, Z.shape)
    out, dot = cotan.jvp(stage(f), (Z,), (t,))
    np.testing.assert_allclose(dot, difference(f, Z, t), rtol=1e-7, atol=1e-8)
    assert np.asarray(dot).dtype == np.asarray(out).dtype
    ct = direction(2, out.shape)
    ct = ct if np.iscomplexobj(out) else ct.real
    (back,) = cotan.vjp(stage(f), Z)[1](ct)
    # The pairing of complex numbers is the real part of the product, without conjugation.
    np.testing.assert_allclose((back * t).sum().real, (ct * dot).sum().real, rtol=1e-10)
    np.testing.assert_allclose(cotan.linearize(stage(f), Z)[1](t), dot, rtol=1e-10)


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_holomorphic_derivatives(name):
    f = HOLOMORPHIC[name]
    columns = np.stack([difference(f, Z, e) for e in np.eye(3)], -1)
    for jacobian in (cotan.jacfwd, cotan.jacrev):
        np.testing.assert_allclose(jacobian(f, holomorphic=True)(Z), columns, rtol=1e-7, atol=1e-8)
    gradient = cotan.grad(lambda z: f(z).sum(), holomorphic=True)(Z)
    np.testing.assert_allclose(gradient, columns.sum(0), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_real_functions_are_conjugated(name):
    """grad f = df/dx - i df/dy."""

    def f(z):
        out = FUNCTIONS[name](z)
        return (out.real + 2 * out.imag).sum()

    wanted = [difference(f, Z, e) - 1j * difference(f, Z, 1j * e) for e in np.eye(3)]
    np.testing.assert_allclose(cotan.grad(f)(Z), wanted, rtol=1e-6, atol=1e-8)
    value, gradient = cotan.jit(cotan.value_and_grad(f))(Z)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(value, f(Z), rtol=1e-12)


def test_known_values():
    z = 1 + 2j
    assert complex(cotan.grad(lambda z: (z**2).real)(z)) == 2 + 4j
    assert complex(cotan.grad(lambda z: z.imag)(z)) == -1j
    assert complex(cotan.grad(lambda z: (z * cnp.conj(z)).real)(z)) == 2 - 4j
    assert complex(cotan.grad(cnp.abs)(3 + 4j)) == pytest.approx(0.6 - 0.8j)
    assert complex(cotan.jvp(cnp.conj, (z,), (1j,))[1]) == -1j
    assert complex(cotan.vjp(cnp.conj, z)[1](1j)[0]) == -1j
    assert float(cotan.grad(lambda x: (x * (1 + 2j)).imag)(3.0)) == 2
    assert complex(cotan.hessian(lambda z: z**3, holomorphic=True)(z)) == pytest.approx(6 * z)
