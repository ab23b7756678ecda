"""Resizing: stored values, sums by hand, transforms, derivatives, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import image

DATA = json.loads((Path(__file__).parent / "resized.json").read_text())
IMAGE = np.array(DATA["image"], np.float32)


@pytest.mark.parametrize("case", DATA["resize"], ids=lambda c: f"{c['method']}-{c['antialias']}-{c['shape']}")
def test_stored_values_of_resize(case):
    found = image.resize(IMAGE, case["shape"], case["method"], case["antialias"])
    np.testing.assert_allclose(found, case["values"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", DATA["scale_and_translate"], ids=lambda c: f"{c['method']}-{c['antialias']}")
def test_stored_values_of_scale_and_translate(case):
    arguments = ((4, 6), (0, 1), np.float32([1.5, 0.7]), np.float32([-0.3, 1.2]), case["method"], case["antialias"])
    found = image.scale_and_translate(IMAGE, *arguments)
    np.testing.assert_allclose(found, case["values"], rtol=1e-5, atol=1e-5)


def test_by_hand():
    np.testing.assert_array_equal(image.resize(np.arange(4), (8,), "nearest"), np.repeat(np.arange(4), 2))
    assert image.resize(np.arange(4), (8,), "nearest").dtype == np.int32
    assert image.resize(np.arange(4), (8,), "linear").dtype == np.float32
    halves = np.arange(24.0, dtype=np.float32).reshape(4, 6)
    np.testing.assert_allclose(image.resize(halves, (2, 3), "area"), halves.reshape(2, 2, 3, 2).mean((1, 3)), rtol=1e-6)
    for method in ("linear", "cubic", "lanczos3", "area"):
        np.testing.assert_allclose(
            image.resize(np.ones((3, 5), np.float32), (7, 2), method), np.ones((7, 2)), rtol=1e-5
        )
    assert image.resize(np.ones((3, 5), np.float32), (0, 5), "linear").shape == (0, 5)
    assert image.resize(IMAGE.astype(np.float16), (2, 2), image.ResizeMethod.LINEAR).dtype == np.float16


def test_transforms_and_derivatives():
    def resized(x):
        return image.resize(x, (4, 3), "cubic")

    np.testing.assert_allclose(cotan.jit(resized)(IMAGE), resized(IMAGE), rtol=1e-5, atol=1e-5)
    batch = np.stack([IMAGE, 2 * IMAGE])
    np.testing.assert_allclose(cotan.vmap(resized)(batch)[1], resized(2 * IMAGE), rtol=1e-5, atol=1e-5)
    jacobian = np.asarray(cotan.jacrev(resized)(IMAGE))
    np.testing.assert_allclose(np.einsum("ijkl,kl->ij", jacobian, IMAGE), resized(IMAGE), rtol=1e-4, atol=1e-4)


def test_slopes_of_scale_and_translation():
    with cotan.enable_x64(True):
        x = IMAGE.astype(np.float64)

        def moved(scale, shift):
            return cnp.sum(cnp.sin(image.scale_and_translate(x, (4, 6), (0, 1), scale, shift, "cubic")))

        point = (np.array([1.13, 0.71]), np.array([-0.31, 0.57]))
        slopes = cotan.grad(moved, (0, 1))(*point)
        for i in range(2):
            for k in range(2):
                step = np.zeros((2, 2))
                step[i, k] = 1e-6
                numeric = (moved(*(point + step)) - moved(*(point - step))) / 2e-6
                np.testing.assert_allclose(slopes[i][k], numeric, rtol=1e-5, atol=1e-7)


def test_names_of_methods():
    assert image.ResizeMethod.from_string("triangle") is image.ResizeMethod.LINEAR
    assert image.ResizeMethod.from_string("bicubic-pytorch") is image.ResizeMethod.CUBIC_PYTORCH
    assert [m.value for m in image.ResizeMethod] == list(range(7))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: image.resize(IMAGE, (2,), "linear"),
            r"resize: shape \(2,\) must have one extent for each of the 2 axes",
        ),
        (lambda: image.resize(IMAGE, (2, 2), "sharp"), "there is no method 'sharp'; known: nearest, linear"),
        (
            lambda: image.scale_and_translate(IMAGE, (2, 2), (0,), np.ones(1), np.ones(1), "nearest"),
            "nearest neighbours cannot be sampled",
        ),
        (
            lambda: image.scale_and_translate(IMAGE, (2, 2), (0, 1), np.ones(1), np.ones(2), "linear"),
            "one number for each of 2 axes",
        ),
    ],
)
def test_bad_arguments(call, text):
    with pytest.raises(ValueError, match=text):
        call()
