"""The example backend of the documentation, as the tutorial leaves it: found, run, and held to part of the kit.

``nox -s example`` installs it and holds it to all of the kit.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
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
    with registry.aside():
        yield


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


def shown(file: Path, directive: str) -> str:
    """What a ``literalinclude`` with the options in ``directive`` shows of a file."""
    options = dict(re.findall(r"^:([\w-]+): (.*)$", directive, re.MULTILINE))
    text = file.read_text(encoding="utf-8")
    if "pyobject" in options:
        [node] = [n for n in ast.parse(text).body if getattr(n, "name", "") == options["pyobject"]]
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    text = text[text.index(options.get("start-at", "").strip('"')) :]
    return text.split(options["end-before"])[0] if "end-before" in options else text


def test_the_page_shows_every_line():
    """Who copies what the page shows has the package: every line of its files, besides the docstrings of modules."""
    page = ROOT.parent / "howto" / "write-a-backend.md"
    pieces: dict[Path, str] = {}
    for name, directive in re.findall(
        r"^```\{literalinclude\} (\S+)\n(.*?)```", page.read_text(), re.DOTALL | re.MULTILINE
    ):
        file = (page.parent / name).resolve()
        pieces[file] = pieces.get(file, "") + shown(file, directive) + "\n"
    for file in (
        ROOT / "pyproject.toml",
        *(ROOT / "src" / "cotan_example" / f"{n}.py" for n in ("plugin", "first", "compiled")),
    ):
        text = file.read_text()
        lines = text[text.index("from __future__") :] if file.suffix == ".py" else text
        assert [line for line in lines.splitlines() if line.strip()] == [
            line for line in pieces[file].splitlines() if line.strip()
        ], file.name


def test_its_programs_are_c(installed):
    with config.override(platform="example"):
        compiled = cotan.jit(lambda x: cnp.exp(x) + 1).lower(np.ones(3, np.float32)).compile()
        assert "void kernel0(" in compiled.as_text()
        assert get_backend("example").capabilities.door == "kernels"


def test_without_host_steps_programs_do_not_stop_on_the_host(installed, monkeypatch):
    backend = get_backend("example")
    monkeypatch.setattr(backend, "capabilities", replace(backend.capabilities, eager=False, host_steps=False))
    doubled = cotan.jit(lambda x: cotan.pure_callback(lambda x: np.asarray(x) * 2, x, x) + 1)
    text = (
        "the backend example does not support `pure_callback` in a compiled program. "
        "It would run on the host, and the backend does not claim host_steps"
    )
    with config.override(platform="example"):
        for call in (doubled, lambda x: cotan.lax.fori_loop(0, 2, lambda _, x: doubled(x), x)):
            with pytest.raises(cotan.errors.UnsupportedError, match=re.escape(text)):
                call(np.ones(3, np.float32))
    assert run(backend, only="callbacks").passed


def test_results_of_dtypes_that_are_not_claimed_are_refused(installed):
    small = cotan.dtypes.float8_e5m2
    with config.override(platform="example"):
        x = cnp.ones(3)
        for call in (lambda x: x.astype(small), cotan.jit(lambda x: (x * 2).astype(small))):
            with pytest.raises(
                cotan.errors.UnsupportedError, match="example does not support arrays for dtype float8_e5m2"
            ):
                call(x)


def test_without_a_compiler_it_says_so(installed, monkeypatch):
    import cotan_example.plugin as plugin

    monkeypatch.setattr(plugin, "COMPILER", None)
    with pytest.raises(cotan.errors.BackendUnavailableError, match="no C compiler was found"):
        get_backend("example")
