"""Layers: shapes as promised, values against NumPy, networks with several paths, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import cotan
import cotan.numpy as cnp
from cotan import random
from cotan.example_libraries import stax

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
IMAGES = np.random.default_rng(1).normal(size=(2, 8, 6, 3)).astype(np.float32)


def _run(layer, x, **kwargs):
    """The result; its shape must be as ``init`` said."""
    init, apply = layer
    shape, params = init(random.key(0), (-1, *x.shape[1:]))
    out = apply(params, x, **kwargs)
    assert shape == (-1, *out.shape[1:])
    return params, np.asarray(out)


ELEMENTWISE = {
    "Tanh": np.tanh,
    "Relu": lambda x: np.maximum(x, 0),
    "Exp": np.exp,
    "LogSoftmax": lambda x: scipy.special.log_softmax(x, -1),
    "Softmax": lambda x: scipy.special.softmax(x, -1),
    "Softplus": lambda x: np.log1p(np.exp(x)),
    "Sigmoid": scipy.special.expit,
    "Elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "LeakyRelu": lambda x: np.where(x > 0, x, 0.01 * x),
    "Selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "Gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "Identity": lambda x: x,
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_layers(name):
    np.testing.assert_allclose(_run(getattr(stax, name), X)[1], ELEMENTWISE[name](X), rtol=1e-5, atol=1e-6)


def test_dense_and_own_functions():
    (w, b), out = _run(stax.Dense(5), X)
    np.testing.assert_allclose(out, X @ w + b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(_run(stax.elementwise(lambda x, scale: scale * x, scale=2), X)[1], 2 * X, rtol=1e-5)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_convolutions(padding):
    for layer in (stax.Conv(4, (3, 3), (2, 1), padding), stax.ConvTranspose(4, (3, 3), (2, 1), padding)):
        params, out = _run(layer, IMAGES)
        assert out.shape[-1] == 4
        np.testing.assert_allclose(
            np.asarray(layer[1](params, 2 * IMAGES)) - params[1], 2 * (out - params[1]), rtol=1e-3, atol=1e-4
        )
    (w, b), out = _run(stax.GeneralConv(("NHWC", "HWIO", "NHWC"), 2, (1, 1)), IMAGES)
    np.testing.assert_allclose(out, IMAGES @ np.asarray(w)[0, 0] + b, rtol=1e-4, atol=1e-5)


def test_pooling():
    windows = IMAGES.reshape(2, 4, 2, 3, 2, 3)
    for name, reduce in (("MaxPool", np.max), ("SumPool", np.sum), ("AvgPool", np.mean)):
        out = _run(getattr(stax, name)((2, 2), (2, 2)), IMAGES)[1]
        np.testing.assert_allclose(out, reduce(windows, axis=(2, 4)), rtol=1e-5, atol=1e-6)
    # At the border a mean is of what is there.
    np.testing.assert_allclose(
        _run(stax.AvgPool((3, 3), padding="SAME"), np.ones((1, 4, 4, 1), np.float32))[1], 1, rtol=1e-6
    )
    out = _run(stax.MaxPool((2,), (2,), spec="NWC"), X.reshape(2, 2, 3))[1]
    np.testing.assert_allclose(out, X.reshape(2, 2, 3).max(1, keepdims=True))


def test_batch_norm_and_flatten():
    (beta, gamma), out = _run(stax.BatchNorm(), IMAGES)
    assert beta.shape == gamma.shape == (3,)
    mean, variance = IMAGES.mean((0, 1, 2)), IMAGES.var((0, 1, 2))
    np.testing.assert_allclose(out, (IMAGES - mean) / np.sqrt(variance + 1e-5), rtol=1e-3, atol=1e-4)
    assert _run(stax.BatchNorm(0, center=False, scale=False), X)[0] == ((), ())
    np.testing.assert_array_equal(_run(stax.Flatten, IMAGES)[1], IMAGES.reshape(2, -1))


def test_dropout():
    layer, ones = stax.Dropout(0.8), np.ones((100, 100), np.float32)
    out = _run(layer, ones, rng=random.key(3))[1]
    assert set(np.unique(out).round(3)) == {0, 1.25}
    assert abs((out > 0).mean() - 0.8) < 0.02
    np.testing.assert_array_equal(_run(stax.Dropout(0.8, mode="test"), ones, rng=random.key(3))[1], ones)
    with pytest.raises(ValueError, match="Dropout: applying it needs a key"):
        layer[1]((), ones)


def test_paths_side_by_side():
    network = stax.serial(
        stax.FanOut(2),
        stax.parallel(stax.serial(stax.Dense(4), stax.Relu), stax.Dense(2)),
        stax.FanInConcat(),
        stax.FanOut(3),
        stax.FanInSum,
    )
    params, out = _run(network, X)
    (w, b), _ = params[1][0]
    v, c = params[1][1]
    expected = np.concatenate([np.maximum(X @ w + b, 0), X @ v + c], -1)
    np.testing.assert_allclose(out, 3 * expected, rtol=1e-5, atol=1e-5)
    slopes = cotan.grad(lambda p: cnp.sum(network[1](p, X)))(params)
    np.testing.assert_allclose(slopes[1][1][1], 3 * 4 * np.ones(2), rtol=1e-5)


def test_layers_that_depend_on_the_shape_and_keys():
    layer = stax.shape_dependent(lambda shape: stax.Dense(2 * shape[-1]))
    assert _run(layer, X)[1].shape == (4, 6)
    network = stax.serial(stax.Dropout(0.5), stax.Dense(3))
    first, second = (_run(network, X, rng=random.key(k))[1] for k in (0, 1))
    assert not np.array_equal(first, second)
