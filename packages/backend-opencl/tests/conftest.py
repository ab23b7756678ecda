"""Devices for the tests: those that OpenCL shows here; without any, the tests that need one are skipped."""

import os

import pytest

os.environ.setdefault("COTAN_TRACEBACK_FILTERING", "off")


def pytest_collection_modifyitems(items):
    from cotan_opencl.plugin import probe

    here = os.path.dirname(__file__)
    found = probe()
    if not found.usable:
        for item in items:
            if str(item.path).startswith(here) and "device" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason=found.reason))


@pytest.fixture
def device():
    """The first OpenCL device."""
    from cotan.backend import get_backend

    return get_backend("opencl").devices()[0]
