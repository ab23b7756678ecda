"""The rule is used, changes no result, and the CPU backend still conforms where it stands."""

from __future__ import annotations

import cotan_example_lowerings
import numpy as np
import pytest

import cotan.numpy as cnp
from cotan.__main__ import info
from cotan.backend import get_backend
from cotan.testing.conformance import run


def test_the_registry_says_who_extended_the_backend():
    get_backend("cpu")
    assert "extended by cotan-example-lowerings 0.1.0 (cotan_example_lowerings)" in info()


def test_the_rule_is_called_and_exact(monkeypatch):
    asked = []
    fits = cotan_example_lowerings.fits
    monkeypatch.setattr(cotan_example_lowerings, "fits", lambda *args: asked.append(fits(*args)) or asked[-1])
    rng = np.random.default_rng(0)
    for dtype, high in ((np.int8, 127), (np.int32, 1000), (np.uint8, 255), (np.int32, 2**31 - 1)):
        x = rng.integers(0, high, (30, 70), endpoint=True).astype(dtype)
        y = rng.integers(0, high, (70, 20), endpoint=True).astype(dtype)
        np.testing.assert_array_equal(np.asarray(cnp.asarray(x) @ cnp.asarray(y)), x @ y)
    assert asked == [True, True, True, False]


@pytest.mark.parametrize("only", ["primitives/dot_general", "types/product", "maps/dot_general", "threads/eager"])
def test_the_backend_conforms(only):
    report = run("cpu", only=only)
    assert report.passed, report.failures
