"""Shape, slice, gather, scatter and dot: every rule of every sample against the reference."""

from __future__ import annotations

import pytest
from primitives import rule_checks

from cotan.testing.operators import dot, index, shape
from cotan.testing.operators.moves import Sample

SAMPLES = [*shape.SAMPLES, *index.SAMPLES, *dot.SAMPLES]


def named(samples: list[Sample]) -> list[object]:
    return [pytest.param(sample, id=sample.name.replace(" ", "_")) for sample in samples]


@pytest.mark.parametrize("sample", named(SAMPLES))
def test_kernel(sample: Sample) -> None:
    rule_checks.check_kernel(sample)


@pytest.mark.parametrize("sample", named([s for s in SAMPLES if not s.primitive.required]))
def test_decompose(sample: Sample) -> None:
    rule_checks.check_decompose(sample)


@pytest.mark.parametrize("sample", named([s for s in SAMPLES if s.args]))
def test_batch(sample: Sample) -> None:
    rule_checks.check_batch(sample)


@pytest.mark.parametrize("sample", named([s for s in SAMPLES if s.varying]))
def test_jvp(sample: Sample) -> None:
    rule_checks.check_jvp(sample)


@pytest.mark.parametrize("sample", named([s for s in SAMPLES if s.linear]))
def test_transpose(sample: Sample) -> None:
    rule_checks.check_transpose(sample)
