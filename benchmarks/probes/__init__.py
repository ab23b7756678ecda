"""Measurements that are not calls of one program: whole processes, and random numbers bit by bit."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.probes import random_bits, startup
from benchmarks.results import Result

Probe = Callable[[], Result]

PROBES: dict[str, Probe] = {
    "startup/import": startup.imports,
    "startup/first result": startup.first_result,
    "startup/first jitted result": startup.first_jitted_result,
    "sampling/agreement with JAX": random_bits.compare,
}
