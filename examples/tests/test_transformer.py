"""The model against loops in NumPy in float64, what it may see, its gradient, what it writes, and a short training."""

from __future__ import annotations

import math

import numpy as np
import pytest
import transformer

import cotan
import cotan.numpy as cnp
from cotan import random


@pytest.fixture
def small(monkeypatch):
    """A model of a few thousand parameters, in float64."""
    for name, value in {"CONTEXT": 12, "WIDTH": 16, "HEADS": 2, "LAYERS": 2, "BATCH": 8}.items():
        monkeypatch.setattr(transformer, name, value)
    with cotan.enable_x64():
        params = transformer.init_params(random.key(0))
        yield cotan.tree.map(lambda p: np.asarray(p, np.float64), params)


TEXT = np.frombuffer(b"what is this", np.uint8).astype(np.int32)


def standardize(x):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5)


def numpy_predict(params, text):
    """Log-probabilities (n, 256), place by place."""
    rows = [params.bytes[byte] + params.places[n] for n, byte in enumerate(text)]
    for number in range(transformer.LAYERS):
        queries, keys, values, mix, widen, narrow = (weights[number] for weights in params.layers)
        normal = [standardize(x) for x in rows]
        mixed = []
        for n, x in enumerate(rows):
            for head in range(transformer.HEADS):
                query = normal[n] @ queries[:, head]
                scores = [query @ (normal[m] @ keys[:, head]) / math.sqrt(query.size) for m in range(n + 1)]
                weights = np.exp(scores) / np.sum(np.exp(scores))
                x = x + sum(w * (normal[m] @ values[:, head]) for m, w in enumerate(weights)) @ mix[head]
            mixed.append(x)
        wide = [standardize(x) @ widen for x in mixed]
        curved = [x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) for x in wide]
        rows = [x + c @ narrow for x, c in zip(mixed, curved, strict=True)]
    logits = np.stack([standardize(x) for x in rows]) @ params.bytes.T
    return logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))


def test_the_model_agrees_with_numpy(small):
    expected = numpy_predict(small, TEXT)
    np.testing.assert_allclose(cotan.jit(transformer.predict)(small, TEXT), expected, rtol=1e-6)
    bits = -np.mean([expected[n, TEXT[n + 1]] for n in range(11)]) / np.log(2)
    np.testing.assert_allclose(transformer.loss(cotan.device_put(small), TEXT[None]), bits, rtol=1e-6)


def test_what_comes_later_is_not_seen(small):
    other = TEXT.copy()
    other[7:] = 33
    found, changed = (np.asarray(transformer.predict(cotan.device_put(small), text)) for text in (TEXT, other))
    np.testing.assert_array_equal(found[:7], changed[:7])
    assert np.all(np.any(found[7:] != changed[7:], axis=1))


def test_the_gradient_is_the_slope_of_the_loss(small):
    rng, texts = np.random.default_rng(1), np.stack([TEXT, TEXT[::-1]])
    along = cotan.tree.map(lambda p: rng.normal(size=p.shape), small)
    slopes = cotan.jit(cotan.grad(transformer.loss))(small, texts)
    slope = sum(np.sum(np.asarray(g) * v) for g, v in zip(*map(cotan.tree.leaves, (slopes, along)), strict=True))
    ends = [
        transformer.loss(cotan.tree.map(lambda p, v, t=t: cnp.asarray(p + t * v), small, along), texts)
        for t in (-1e-5, 1e-5)
    ]
    np.testing.assert_allclose(slope, (ends[1] - ends[0]) / 2e-5, rtol=1e-6)


def test_what_is_written_follows_the_probabilities(small):
    text, expected = TEXT, []
    for _ in range(8):
        expected.append(int(np.argmax(numpy_predict(small, text)[-1])))
        text = np.append(text[1:], expected[-1]).astype(np.int32)
    # Nearly no temperature: always the most probable byte.
    assert np.asarray(transformer.write(small, random.key(0), TEXT, 8, 1e-9)).tolist() == expected
    drawn = cotan.vmap(lambda key: transformer.write(small, key, TEXT, 1, 1.0))(random.split(random.key(1), 20_000))
    found = np.bincount(np.asarray(drawn).ravel(), minlength=256) / 20_000
    probabilities = np.exp(numpy_predict(small, TEXT)[-1])
    assert np.max(np.abs(found - probabilities) / np.sqrt(probabilities / 20_000)) < 5


def test_the_bits_that_frequencies_cost():
    train = np.frombuffer(b"aab" * 4000, np.uint8)
    expected = -(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3))
    assert abs(transformer.unigram_bits(train, train) - expected) < 0.05


def test_training_beats_the_frequencies(small, monkeypatch, tmp_path, capsys):
    for name, value in {"CONTEXT": 16, "WIDTH": 32, "BATCH": 16, "RATE": 1e-2}.items():
        monkeypatch.setattr(transformer, name, value)
    with cotan.enable_x64(False):
        bits = transformer.main(["--steps", "200", "--write", "40", "--out", str(tmp_path)])
    assert 4 < bits["unigram"] < 5.5
    assert bits["after"] < bits["unigram"] - 0.7
    assert (tmp_path / "transformer.png").read_bytes()[:4] == b"\x89PNG"
    assert ">>> " in capsys.readouterr().out
