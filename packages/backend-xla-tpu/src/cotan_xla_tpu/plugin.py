"""The plugin module: registers the backends ``xla`` and ``tpu``. Imports no jaxlib.

``xla`` takes the best client there is: a TPU, the PJRT plugin that ``COTAN_PJRT_PLUGIN`` names, XLA's own for the CPU.
``tpu`` is a TPU or nothing.
"""

from __future__ import annotations

import glob
import os
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from cotan.backend import API_VERSION, Backend, BackendEntry, Probe, hookimpl
from cotan.backend.processes import Processes
from cotan.config import config

OLDEST = (0, 8)
INSTALL_TPU = 'pip install "cotan-xla-tpu[tpu]" brings libtpu'


def problem_with_jaxlib() -> str:
    """Why jaxlib cannot be used, or nothing."""
    try:
        found = version("jaxlib")
    except PackageNotFoundError:
        return "jaxlib is not installed: pip install cotan-xla-tpu brings it"
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return f"jaxlib {found} is too old; pip install 'jaxlib>={wanted}'"
    return ""


def tpu_chips() -> list[str]:
    """The device files of TPU chips."""
    return sorted([*glob.glob("/dev/accel*"), *glob.glob("/dev/vfio/[0-9]*")])


def problem_with_tpu() -> str:
    """Why there is no TPU to use, or nothing."""
    if not (os.environ.get("TPU_LIBRARY_PATH") or find_spec("libtpu")):
        return f"libtpu is not installed: {INSTALL_TPU}"
    if not tpu_chips() and not os.environ.get("TPU_WORKER_ID"):
        return "this machine has no TPU (no /dev/accel*, no /dev/vfio)"
    return ""


def probe_xla() -> Probe:
    """jaxlib has a client for the CPU, so that there is always a device."""
    problem = problem_with_jaxlib()
    if problem:
        return Probe(False, reason=problem)
    plugin = os.environ.get("COTAN_PJRT_PLUGIN")
    if plugin:
        words = f"the devices of the PJRT plugin {plugin}"
    elif not problem_with_tpu():
        words = "TPU"
    else:
        words = f"XLA on the CPU, {config.num_cpu_devices} device{'s' if config.num_cpu_devices > 1 else ''}"
    return Probe(True, (words,))


def probe_tpu() -> Probe:
    """Whether there is a TPU."""
    problem = problem_with_jaxlib() or problem_with_tpu()
    return Probe(False, reason=problem) if problem else Probe(True, tuple(tpu_chips()))


def open_xla() -> Backend:
    """The backend on the best client."""
    from cotan_xla_tpu.clients import best_backend

    return best_backend()


def open_tpu() -> Backend:
    """The backend on TPUs."""
    from cotan_xla_tpu.clients import tpu_backend

    return tpu_backend()


def join(run: Processes) -> None:
    """Join a run of several processes."""
    from cotan_xla_tpu import distributed

    distributed.initialize(run.address, run.count, run.index, timeout=run.timeout)


def leave() -> None:
    """Leave it."""
    from cotan_xla_tpu import distributed

    distributed.shutdown()


@hookimpl
def cotan_backends() -> list[BackendEntry]:
    """Both entries: ``xla`` is never the default beside the CPU backend, ``tpu`` always where there is one."""
    return [
        BackendEntry("xla", API_VERSION, open_xla, probe_xla, priority=-10, join=join, leave=leave),
        BackendEntry("tpu", API_VERSION, open_tpu, probe_tpu, priority=100),
    ]
