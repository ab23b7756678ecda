"""The kit as pytest tests, by star import. The file that imports it says which backend is meant::

    from cotan.testing.conformance.suite import *

    BACKEND = "acme"

Optional are ``LEVEL`` ('eager', 'kernels' or 'program'; all that it claims if not told), ``BATCH`` (how many programs
are compiled as one) and ``DEVICE`` (its number). ``expected_failures.toml`` beside the file lists expected failures.
"""

from __future__ import annotations

import functools
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cotan.testing.conformance import BATCH as _BATCH
from cotan.testing.conformance.catalogue import all_cases, missing
from cotan.testing.conformance.expected import Expected, read
from cotan.testing.conformance.runner import Runner
from cotan.testing.conformance.subject import subject

__all__ = [
    "pytest_generate_tests",
    "test_conformance",
    "test_no_case_is_missing",
    "test_no_expected_failure_is_idle",
]


@functools.cache
def _prepared(module: ModuleType) -> tuple[Runner, Expected]:
    if not hasattr(module, "BACKEND"):
        pytest.fail(f"{module.__file__} must say which backend is meant: BACKEND = 'acme'", pytrace=False)
    tested = subject(module.BACKEND, getattr(module, "LEVEL", None), getattr(module, "DEVICE", 0))
    file = Path(str(module.__file__)).with_name("expected_failures.toml")
    known = Expected(read(file), tested)
    return Runner(tested, all_cases(), getattr(module, "BATCH", _BATCH), known.lists), known


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each group of cases."""
    if "conformance_group" in metafunc.fixturenames:
        runner, _ = _prepared(metafunc.module)
        metafunc.parametrize("conformance_group", list(runner.groups()))


def test_conformance(conformance_group: str, request: Any) -> None:
    """All cases of a group do as they must, or fail as they are expected to."""
    runner, expected = _prepared(request.module)
    failed = []
    for case in runner.groups()[conformance_group]:
        outcome = expected.judge(case, runner.outcome(case))
        if outcome.status == "failed":
            failed.append(f"{case.name}\n{outcome.message}")
    if failed:
        pytest.fail(f"{len(failed)} cases of {conformance_group}\n\n" + "\n\n".join(failed), pytrace=False)


def test_no_case_is_missing() -> None:
    """The kit has all the cases that it once had."""
    found = missing()
    assert not found, "\n".join(found)


def test_no_expected_failure_is_idle(request: Any) -> None:
    """Every expected failure names a case."""
    runner, expected = _prepared(request.module)
    found = expected.idle(runner.cases)
    assert not found, f"no case is like {', '.join(found)}"
