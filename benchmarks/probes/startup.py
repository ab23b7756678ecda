"""Fresh processes: what an import costs, and the time from start to the first result."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

from benchmarks.results import Promise, Result

ROUNDS = 5
IMPORTS = {
    "cotan": "import cotan, cotan.numpy",
    "jax": "import jax, jax.numpy",
    "torch": "import torch",
    "numpy": "import numpy",
}
FIRST_RESULTS = {
    "cotan": "import cotan, cotan.numpy as n; print(n.ones(3) + 1)",
    "jax": "import jax, jax.numpy as n; print(n.ones(3) + 1)",
    "torch": "import torch; print(torch.ones(3) + 1)",
    "numpy": "import numpy; print(numpy.ones(3) + 1)",
}
FIRST_JITTED_RESULTS = {
    "cotan": "import cotan, cotan.numpy as n; print(cotan.jit(lambda x: x + 1)(n.ones(3)))",
    "jax": "import jax, jax.numpy as n; print(jax.jit(lambda x: x + 1)(n.ones(3)))",
    "torch": "import torch; print(torch.ones(3) + 1)",
    "numpy": "import numpy; print(numpy.ones(3) + 1)",
}
CPU_OF_IMPORT = """
import numpy, time
start = time.process_time()
import cotan
print(time.process_time() - start)
"""
CPU_LIMIT = 0.25


def _run(code: str, environment: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    ).stdout


def _with_bytecode(folder: str) -> dict[str, str]:
    """The environment of processes that keep compiled modules in ``folder``, as installed packages have them."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environment, "PYTHONPYCACHEPREFIX": folder}


def _processes(name: str, programs: dict[str, str], environment: dict[str, str]) -> Result:
    """Wall time of whole processes, in turn, after one of each that leaves the bytecode."""
    present = {who: code for who, code in programs.items() if importlib.util.find_spec(who) is not None}
    result = Result(name, seconds={who: [] for who in present})
    for code in present.values():
        _run(code, environment)
    for _ in range(ROUNDS):
        for who, code in present.items():
            start = time.perf_counter()
            _run(code, environment)
            result.seconds[who].append(time.perf_counter() - start)
    result.absent = {who: "not installed" for who in programs if who not in present}
    return result


def _promise(result: Result, text: str) -> Result:
    ratio = result.ratio("jax")
    result.promises.append(Promise(text, ratio.value if ratio else None, 0.5))
    return result


def imports() -> Result:
    """Wall time of a process that only imports."""
    with tempfile.TemporaryDirectory() as folder:
        environment = _with_bytecode(folder)
        result = _processes("startup/import", IMPORTS, environment)
        cpu = median(float(_run(CPU_OF_IMPORT, environment)) for _ in range(ROUNDS))
    result.promises.append(Promise("seconds of CPU of `import cotan` beyond NumPy's own", cpu, CPU_LIMIT))
    return _promise(result, "a process that imports, to JAX's")


def first_result() -> Result:
    """Wall time of a process that imports, computes ``ones(3) + 1`` and prints it."""
    with tempfile.TemporaryDirectory() as folder:
        result = _processes("startup/first result", FIRST_RESULTS, _with_bytecode(folder))
    return _promise(result, "a process up to its first result, to JAX's")


def first_jitted_result() -> Result:
    """Wall time of a process that imports, compiles ``x + 1`` and prints its result."""
    with tempfile.TemporaryDirectory() as folder:
        return _processes("startup/first jitted result", FIRST_JITTED_RESULTS, _with_bytecode(folder))
