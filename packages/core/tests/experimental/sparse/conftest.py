"""Every test draws its numbers from the same seed, whatever ran before it."""

import numpy as np
import pytest

from . import test_layouts


@pytest.fixture(autouse=True)
def seeded(monkeypatch):
    monkeypatch.setattr(test_layouts, "rng", np.random.default_rng(0))
