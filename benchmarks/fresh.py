"""The first call of a workload in a process of its own, with caches off, and how that process grows.

Every contender has compiled one trivial program before, so that loading a compiler is not part of it: what that takes
is the row ``startup/first jitted result``. Modules have bytecode, as installed packages have.

``python -m benchmarks.fresh WORKLOAD CONTENDER`` prints what it found as JSON; `first_calls` starts such processes.
"""

from __future__ import annotations

import compileall
import contextlib
import functools
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import contenders
from benchmarks.results import Result
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).parent.parent
MORE_CALLS = 4
TIMEOUT = 600
SLOW = 3.0
"""Seconds of a first call above which one process is enough."""
NO_CACHES = {"JAX_ENABLE_COMPILATION_CACHE": "false", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
NOT_PASSED_ON = ("COTAN_COMPILATION_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR", "PYTHONDONTWRITEBYTECODE")


def _memory(line: str) -> int:
    """Bytes from a line of /proc/self/status; 0 on systems without it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    found = [text.split()[1] for text in status.read_text().splitlines() if text.startswith(line + ":")]
    return int(found[0]) * 1024 if found else 0


def _forget_peak() -> None:
    """Let the peak of this process begin anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _planned(program: Any, arguments: Any) -> int | None:
    """Temporaries and outputs of the compiled program, less what is written over arguments; None if it cannot say."""
    if not hasattr(program, "lower"):
        return None
    found = program.lower(*arguments).compile().memory_analysis()
    if found is None:
        return None
    return int(found.temp_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes)


def observe(name: str, who: str) -> dict[str, Any]:
    """Run the workload's first call here: seconds, growth, planned memory."""
    workload, contender = WORKLOADS[name], contenders.load(who)
    contender.wait(contender.compile(lambda x: x + 1)(contender.place(np.ones(8, np.float32))))
    program = contender.build(workload)
    ring = [contenders.arguments(workload, contender, index) for index in range(workload.ring)]
    state = contenders.initial_state(workload, contender)
    _forget_peak()
    before = _memory("VmRSS")
    start = time.perf_counter()
    result = program(*ring[0]) if state is None else program(state, *ring[0])
    contender.wait(result)
    first = time.perf_counter() - start
    for k in range(MORE_CALLS):
        result = program(*ring[k % len(ring)]) if state is None else program(result, *ring[k % len(ring)])
        contender.wait(result)
    growth = max(0, _memory("VmHWM") - before)
    again = ring[0] if state is None else (contenders.initial_state(workload, contender), *ring[0])
    return {"first": first, "memory": growth, "planned": _planned(program, again)}


@functools.cache
def _write_bytecode() -> None:
    """Compile the project's modules, as installing does: in a checkout they are sources alone."""
    for name in ("cotan", "cotan_cpu"):
        spec = importlib.util.find_spec(name)
        for folder in (spec and spec.submodule_search_locations) or ():
            compileall.compile_dir(folder, quiet=2)


def first_calls(result: Result, times: int) -> None:
    """Fill in first calls, memory and plans of all contenders that have a part in the workload, in turn."""
    _write_bytecode()
    environment = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON} | NO_CACHES
    for number in range(times):
        for who in result.seconds:
            if number and result.first.get(who, [SLOW])[0] >= SLOW:
                continue
            command = [sys.executable, "-m", "benchmarks.fresh", result.name, who]
            out = subprocess.run(
                command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=TIMEOUT, check=False
            )
            if out.returncode:
                lines = out.stderr.strip().splitlines() or ["?"]
                result.notes.append(f"first call of {who} failed: {lines[-1]}")
                continue
            found = json.loads(out.stdout.splitlines()[-1])
            result.first.setdefault(who, []).append(found["first"])
            result.memory[who] = max(result.memory.get(who, 0), found["memory"])
            if found["planned"] is not None:
                result.planned[who] = found["planned"]


if __name__ == "__main__":
    print(json.dumps(observe(sys.argv[1], sys.argv[2])))
