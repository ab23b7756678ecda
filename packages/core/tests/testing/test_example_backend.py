"""The example backend of the documentation, as the tutorial leaves it: found, run, and held to part of the kit.

``nox -s example`` installs it and holds it to all of the kit.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.backend import get_backend, registry
from cotan.config import config
from cotan.testing.conformance import run

ROOT = Path(__file__).parents[4] / "docs" / "example-backend"

pytestmark = pytest.mark.skipif(
    not ROOT.exists(), reason="the documentation is not here: an installed copy of the tests"
)


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "src"))
    points = [EntryPoint("example", "cotan_example.plugin", registry.GROUP)]
    monkeypatch.setattr(registry, "_entry_points", lambda: points)
    registry.reset()
    yield
    registry.reset()


@pytest.mark.parametrize("name", ["example-first", "example"])
def test_it_runs_what_users_write(installed, name):
    with config.override(platform=name):
        step = cotan.jit(cotan.value_and_grad(lambda w, x: cnp.sum(cnp.tanh(x @ w) ** 2)))
        w, x = np.float32([[0.5], [-0.25]]), np.float32([[1, 2], [3, 4]])
        value, slope = step(w, x)
    y = np.tanh(x @ w)
    np.testing.assert_allclose(value, (y**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(slope, x.T @ (2 * y * (1 - y**2)), rtol=1e-5)


@pytest.mark.parametrize("only", ["literals", "claims", "lifetime", "layouts", "callbacks", "kernels/softmax"])
@pytest.mark.parametrize("name", ["example-first", "example"])
def test_it_conforms(installed, name, only):
    report = run(name, only=only)
    assert report.passed, report.failures


def test_its_programs_are_c(installed):
    with config.override(platform="example"):
        compiled = cotan.jit(lambda x: cnp.exp(x) + 1).lower(np.ones(3, np.float32)).compile()
        assert "void kernel0(" in compiled.as_text()
        assert get_backend("example").capabilities.door == "kernels"


def test_without_a_compiler_it_says_so(installed, monkeypatch):
    import cotan_example.plugin as plugin

    monkeypatch.setattr(plugin, "COMPILER", None)
    with pytest.raises(cotan.errors.BackendUnavailableError, match="no C compiler was found"):
        get_backend("example")
