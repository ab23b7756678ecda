"""The examples in docstrings of all public modules of the installed packages run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import inspect
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


class _Finder(doctest.DocTestFinder):
    """Finds examples of wrapped functions too, in the module where they were written."""

    def _from_module(self, module, value):
        return super()._from_module(module, inspect.unwrap(value) if inspect.isfunction(value) else value)


def _examples(name):
    return [test for test in _Finder().find(importlib.import_module(name)) if test.examples]


@pytest.mark.parametrize("name", _modules())
def test_examples(name):
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in _examples(name):
        runner.run(test)
    assert runner.summarize().failed == 0


def test_there_are_examples():
    found = [test for name in _modules() for test in _examples(name)]
    assert len(found) > 100
