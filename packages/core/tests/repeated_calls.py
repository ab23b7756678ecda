"""For tests of calls that become programs: nothing is remembered of other tests, and two calls are many."""

from __future__ import annotations

import pytest

from cotan.api import repeated


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    repeated._calls.clear()
    monkeypatch.setattr(repeated, "PAYS_FROM", 2)


def programs():
    """What has become of the calls so far."""
    return [call.program for call in repeated._calls.values() if call.program is not None]
