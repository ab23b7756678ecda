"""Tests run on XLA's client for the CPU, with the two compile options that make compiling cheap, on 8 devices."""

from __future__ import annotations

import os

os.environ.setdefault("COTAN_TRACEBACK_FILTERING", "off")
os.environ.setdefault("COTAN_XLA_OPTIONS", "xla_backend_optimization_level=0,xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("COTAN_NUM_CPU_DEVICES", "8")

import pytest

import cotan
from cotan.config import config


@pytest.fixture(autouse=True)
def on_xla():
    """New arrays go to XLA."""
    with config.override(platform="xla"):
        yield


@pytest.fixture
def device():
    return cotan.devices("xla")[0]


@pytest.fixture
def cpu():
    """The first device of the other backend."""
    return cotan.devices("cpu")[0]
