"""Fresh processes: what an import costs, and the time from start to the first result."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks.runner import Contender, Result, interleave

_CPU_OF_IMPORT = """
import numpy, time
start = time.process_time()
import cotan
print(time.process_time() - start)
"""
IMPORT_LIMIT = 0.25


def _process(code: str, environment: dict[str, str]) -> Contender:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)


def _with_bytecode(folder: str) -> dict[str, str]:
    """The environment of processes that keep compiled modules in ``folder``, as installed packages have them."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environment, "PYTHONPYCACHEPREFIX": folder}


def first_result() -> Result:
    """Wall time of a process that imports, computes ``ones(3) + 1`` and prints it."""
    code = "import {0}, {0}.numpy as n; print(n.ones(3) + 1)"
    with tempfile.TemporaryDirectory() as folder:
        environment = _with_bytecode(folder)
        contenders = {name: _process(code.format(name), environment) for name in ("cotan", "jax")}
        for run in contenders.values():
            run()
        result = interleave("first result of a process", contenders, turns=5, limit=("jax", 0.5))
        command = [sys.executable, "-c", _CPU_OF_IMPORT]
        out = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    result.notes.append(f"import cotan: {float(out.stdout):.3f} s of CPU beyond NumPy's own (limit {IMPORT_LIMIT} s)")
    return result


WORKLOADS = {"startup": first_result}
