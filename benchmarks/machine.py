"""The machine and the versions that a run's numbers belong to. Knows no workload."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from datetime import date
from pathlib import Path

from benchmarks import contenders, limits
from cotan.backend import get_backend

PACKAGES = ("cotan", "cotan-cpu", "mkl", "jax", "jaxlib", "torch", "numpy", "scipy")
VECTOR_FLAGS = ("avx512f", "avx2", "asimd", "sse4_2")


def _cpu_info(name: str) -> str:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return ""
    found = re.search(rf"^{name}\s*:\s*(.*)$", path.read_text(), re.MULTILINE)
    return found[1] if found else ""


def model() -> str:
    """The processor's name, as well as the system knows it."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def vectors() -> str:
    """The widest vector instructions the system reports."""
    flags = (_cpu_info("flags") or _cpu_info("Features")).split()
    return next((flag for flag in VECTOR_FLAGS if flag in flags), "")


def slug() -> str:
    """The machine as a file's name."""
    text = f"{model()} {contenders.threads()} cores {vectors()}".lower()
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\(r\)|\(tm\)|@|cpu", " ", text)).strip("-")


def versions() -> dict[str, str]:
    """Installed packages that take part."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def describe() -> dict[str, str]:
    """What a reader of the numbers needs to know, with the machine's limits as measured now."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "processor": f"{model()}, {contenders.threads()} cores, {vectors() or 'vectors unknown'}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
        "libraries of cotan": get_backend("cpu").platform_version,
        "copying": f"{limits.bandwidth() / 1e9:.1f} GB/s read and written (64 MB arrays)",
        "BLAS": f"{limits.blas_rate() / 1e9:.0f} Gflop/s (float32, 1024x1024)",
        "load before": f"{load:.2f}",
        "date": date.today().isoformat(),
    }
