"""The kit on sound backends: the references, through door 1 and through door 3."""

from __future__ import annotations

import pytest

from cotan.testing.conformance import run
from cotan.testing.conformance.catalogue import all_cases, counted, missing, read_manifest
from cotan.testing.reference import ReferenceBackend


@pytest.mark.parametrize("door", ["eager", "program"])
def test_the_references_conform(door):
    report = run(ReferenceBackend(door, devices=2))
    assert report.passed, f"{report.summary()}\n{report.failures}"
    assert report.counts()["passed"] > 3000


def test_the_manifest_is_up_to_date():
    assert read_manifest() == counted(all_cases()), "run python -m cotan.testing.conformance --write-manifest"


def test_a_deleted_case_is_noticed(monkeypatch):
    from cotan.testing.conformance import catalogue

    fewer = tuple(case for case in all_cases() if case.name != "transforms/grad/of a loss/jit")
    monkeypatch.setattr(catalogue, "all_cases", lambda: fewer)
    assert missing() == ["transforms/grad: 19 cases, and the manifest says 20"]
