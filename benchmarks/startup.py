"""Fresh processes: what an import costs, and the time from start to the first result."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.runner import Contender, Result, interleave

_CPU_OF_IMPORT = """
import numpy, time
start = time.process_time()
import cotan
print(time.process_time() - start)
"""
IMPORT_LIMIT = 0.25


def _process(code: str) -> Contender:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def first_result() -> Result:
    """Wall time of a process that imports, computes ``ones(3) + 1`` and prints it."""
    code = "import {0}, {0}.numpy as n; print(n.ones(3) + 1)"
    contenders = {"cotan": _process(code.format("cotan")), "jax": _process(code.format("jax"))}
    result = interleave("first result of a process", contenders, turns=5, limit=("jax", 0.5))
    out = subprocess.run([sys.executable, "-c", _CPU_OF_IMPORT], check=True, capture_output=True, text=True)
    result.notes.append(f"import cotan: {float(out.stdout):.3f} s of CPU beyond NumPy's own (limit {IMPORT_LIMIT} s)")
    return result


WORKLOADS = {"startup": first_result}
