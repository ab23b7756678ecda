"""Failures of tests show whole tracebacks; what users see is tested in ``config/test_tracebacks.py``."""

import os

os.environ.setdefault("COTAN_TRACEBACK_FILTERING", "off")
