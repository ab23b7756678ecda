"""The kit notices every wrong backend, and finds nothing in the sound one with the same cases."""

from __future__ import annotations

import functools

import pytest
from testing.edge_faults import EDGES
from testing.faults import FAULTS, Fault

from cotan.testing.conformance import run
from cotan.testing.reference import ReferenceBackend


@functools.cache
def sound(door: str, cases: str) -> tuple[int, dict[str, str]]:
    report = run(ReferenceBackend(door), only=cases)
    return len(report.outcomes), report.failures


@pytest.mark.parametrize("fault", FAULTS + EDGES, ids=lambda fault: fault.name)
def test_the_kit_is_red(fault: Fault) -> None:
    count, failures = sound(fault.door, fault.cases)
    assert count, f"there are no cases {fault.cases}"
    assert not failures
    report = run(fault.make(), only=fault.cases)
    assert report.failures, f"nobody noticed that {fault.name}"
    assert not report.passed
    assert "failed" in report.summary()


def test_there_are_many_faults() -> None:
    every = FAULTS + EDGES
    assert len({fault.name for fault in every}) == len(every) >= 90
