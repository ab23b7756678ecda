"""Primitives are tested by their references, without a backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cotan.config import config
from cotan.ir.trace import slots
from cotan.testing.operators.table import eager


@pytest.fixture(autouse=True)
def by_reference(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run operations by their references, in 64-bit mode, with every program checked."""
    monkeypatch.setattr(slots, "eager", eager)
    with config.override(enable_x64=True, check_jaxprs=True):
        yield
