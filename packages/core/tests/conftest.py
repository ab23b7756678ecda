"""Failures of tests show whole tracebacks; what users see is tested in ``config/test_tracebacks.py``."""

import os
from pathlib import Path

os.environ.setdefault("COTAN_TRACEBACK_FILTERING", "off")


def pytest_configure(config):
    folder = os.environ.get("COTAN_SURFACE_CALLS")
    if folder:
        from surface.recorder import Recorder

        config.pluginmanager.register(Recorder(Path(folder)))
