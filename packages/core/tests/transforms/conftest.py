"""Every jaxpr that is staged or transformed in these tests is verified."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cotan.config import config
from cotan.ir.trace import trace_state_clean


@pytest.fixture(autouse=True)
def _checked() -> Iterator[None]:
    with config.override(check_jaxprs=True):
        yield
    assert trace_state_clean()
