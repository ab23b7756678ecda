"""The examples in docstrings of all public modules of the installed packages run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

PACKAGES = ["cotan", "cotan_cpu"]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def _modules() -> list[str]:
    found = []
    for name in PACKAGES:
        package = importlib.import_module(name)
        found.append(name)
        found += [m.name for m in pkgutil.walk_packages(package.__path__, f"{name}.") if "__main__" not in m.name]
    return found


@pytest.mark.parametrize("name", _modules())
def test_examples(name):
    results = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert results.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    found = [test for name in _modules() for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) > 100
