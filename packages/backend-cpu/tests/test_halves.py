"""Conversions to half precision in programs."""

from __future__ import annotations

import numpy as np

import cotan
from cotan.config import config


def test_doubles_become_halves_in_one_rounding():
    """The nearest float32 may be the middle between two halves, where the number itself is not."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16)
    middle = (halves[:-1].astype(np.float64) + halves[1:]) / 2
    ends = [np.nan, np.inf, 0.0, 5e-324, 1e300, 65519.99, 65520.0]
    x = np.concatenate([middle, middle * (1 + 2.0**-50), middle * (1 - 2.0**-50), middle * (1 + 2.0**-24), ends])
    x = np.concatenate([x, -x])
    with np.errstate(over="ignore"):
        wanted = x.astype(np.float16)
    with config.override(enable_x64=True):
        found = np.asarray(cotan.jit(lambda x: x.astype(np.float16))(x))
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(wanted))
