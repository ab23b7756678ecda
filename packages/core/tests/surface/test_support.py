"""The page of support in the documentation says what is so."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[4] / "docs"


@pytest.fixture(scope="module")
def rows():
    spec = importlib.util.spec_from_file_location("support", DOCS / "support.py")
    support = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(support)
    text = support.page({"jax", "jax.numpy.linalg", "jax.scipy.special"})
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    return {row[0].strip("`"): row[1:] for row in cells}


@pytest.mark.parametrize(
    ("name", "here", "derivatives", "backends"),
    [
        ("svd", "yes", "forward, reverse", "`svd`"),
        ("cross", "yes", "forward, reverse", "all"),
        ("matrix_rank", "yes", "–", "`svd`"),
        ("erf", "yes", "forward, reverse", "all"),
        ("jit", "yes", "–", "–"),
        ("pmap", "no", "", ""),
    ],
)
def test_what_is_here(rows, name, here, derivatives, backends):
    assert rows[name][:3] == [here, derivatives, backends]


def test_differences(rows):
    assert rows["pmap"][3] == "programs run on one device here; use jit, and vmap for a mapped axis"
    assert "also `precision`" in rows["multi_dot"][3]


def test_the_documentation_shows_it():
    assert "reference/support" in (DOCS / "index.md").read_text()
    assert "write()  # reference/support.md" in (DOCS / "conf.py").read_text()
