"""Normal vectors and orthogonal matrices: stored values, covariances, transforms, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import random

CASES = json.loads((Path(__file__).parent / "data" / "multivariate.json").read_text())["cases"]
MEAN, COV = np.float32([1.0, 2.0]), np.float32([[2.0, 1.0], [1.0, 3.0]])
KEY = random.key(0)
METHODS = ["cholesky", "eigh", "svd"]


@pytest.mark.parametrize("fn", ["multivariate_normal", "orthogonal"])
def test_stored_values(fn):
    for case in (c for c in CASES if c["fn"] == fn):
        arguments = {k: np.float32(v) if k in ("mean", "cov") else v for k, v in case["arguments"].items()}
        found = np.asarray(getattr(random, fn)(random.PRNGKey(case["seed"]), **arguments))
        expected = np.frombuffer(bytes.fromhex(case["hex"]), case["dtype"]).reshape(case["shape"])
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("method", METHODS)
def test_normal_vectors_have_their_mean_and_covariance(method):
    drawn = np.asarray(random.multivariate_normal(random.key(0), MEAN, COV, (40000,), method=method))
    np.testing.assert_allclose(np.mean(drawn, 0), MEAN, atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), COV, atol=0.1)


def test_batches_of_normal_vectors():
    means, covs = cnp.zeros((3, 1, 2)), cnp.stack([cnp.eye(2), 100 * cnp.eye(2)])
    drawn = random.multivariate_normal(random.key(0), means, covs)
    assert drawn.shape == (3, 2, 2)
    drawn = np.asarray(random.multivariate_normal(random.key(0), means, covs, (500, 3, 2)))
    np.testing.assert_allclose(drawn[..., 0, :].std(), 1, rtol=0.1)
    np.testing.assert_allclose(drawn[..., 1, :].std(), 10, rtol=0.1)


def test_a_singular_covariance_by_its_eigenvectors():
    drawn = random.multivariate_normal(random.key(0), cnp.zeros(2), cnp.diag(cnp.array([1.0, 0.0])), method="svd")
    assert abs(float(drawn[1])) < 1e-6


def test_derivatives_and_transforms_of_normal_vectors():
    def drawn(scale, key=KEY):
        return random.multivariate_normal(key, cnp.asarray(MEAN), scale**2 * cnp.asarray(COV))

    np.testing.assert_allclose(cotan.jacfwd(drawn)(2.0), (drawn(2.0) - MEAN) / 2, rtol=1e-5)
    np.testing.assert_allclose(cotan.jacrev(drawn)(2.0), (drawn(2.0) - MEAN) / 2, rtol=1e-5)
    keys = random.split(random.key(3), 4)
    mapped = cotan.vmap(drawn, (None, 0))(1.0, keys)
    for row, key in zip(mapped, keys, strict=True):
        np.testing.assert_allclose(row, drawn(1.0, key), rtol=1e-5)
        np.testing.assert_allclose(cotan.jit(drawn)(1.0, key), row, rtol=1e-5)


def test_orthogonal_matrices():
    tall = np.asarray(random.orthogonal(random.key(0), 5, (3,), m=2))
    np.testing.assert_allclose(np.swapaxes(tall, -1, -2) @ tall, np.tile(np.eye(2), (3, 1, 1)), atol=1e-6)
    wide = np.asarray(random.orthogonal(random.key(0), 2, m=5))
    np.testing.assert_allclose(wide @ wide.T, np.eye(2), atol=1e-6)
    unitary = np.asarray(random.orthogonal(random.key(0), 3, dtype=np.complex64))
    np.testing.assert_allclose(unitary @ unitary.conj().T, np.eye(3), atol=1e-6)
    many = np.asarray(random.orthogonal(random.key(1), 3, (4000,)))
    np.testing.assert_allclose(np.mean(many, 0), 0, atol=0.05)


BAD = [
    (lambda key: random.orthogonal(key, 2, dtype=np.int32), "orthogonal: dtype must be"),
    (lambda key: random.multivariate_normal(key, cnp.zeros(2), cnp.eye(3)), r"multivariate_normal: mean \(..., n\)"),
    (lambda key: random.multivariate_normal(key, 1.0, cnp.eye(1)), r"multivariate_normal: mean \(..., n\)"),
    (
        lambda key: random.multivariate_normal(key, cnp.zeros(2), cnp.eye(2), method="lu"),
        "multivariate_normal: method must be one of cholesky, eigh, svd; got 'lu'",
    ),
]


@pytest.mark.parametrize(("call", "text"), BAD)
def test_bad_arguments(call, text):
    with pytest.raises(ValueError, match=text):
        call(random.key(0))
