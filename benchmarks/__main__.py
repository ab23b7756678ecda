"""Run all workloads, or those whose names contain one of the arguments: ``python -m benchmarks mnist``."""

from __future__ import annotations

import platform
import sys

from benchmarks import control_flow, dispatch, mnist, random_bits, startup
from benchmarks.runner import report

WORKLOADS = {
    **startup.WORKLOADS,
    **dispatch.WORKLOADS,
    **random_bits.WORKLOADS,
    **control_flow.WORKLOADS,
    **mnist.WORKLOADS,
}


def main(patterns: list[str]) -> int:
    chosen = {name: run for name, run in WORKLOADS.items() if not patterns or any(p in name for p in patterns)}
    if not chosen:
        print(f"no workload matches {patterns}; there are {', '.join(WORKLOADS)}")
        return 2
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    results = []
    for run in chosen.values():
        found = run()
        results.append(found)
        print(report([found]), flush=True)
    return 1 if any(found.holds() is False for found in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
