"""Several processes that compute together: jaxlib's service by which they find each other, and collectives over TCP.

``cotan.distributed.initialize`` calls ``initialize`` before the first device is asked for. Knows no program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cotan.backend.processes import share
from cotan.config import config
from cotan_xla_tpu import driver


@dataclass
class _Run:
    """This process's part in the run."""

    client: Any
    service: Any
    process: int
    processes: int
    hostname: str


_run: _Run | None = None


def initialize(address: str, processes: int, process: int, *, timeout: int = 300) -> None:
    """Join the run of ``processes`` processes as number ``process``; process 0 also holds the service.

    Raises:
      RuntimeError: the others did not come in time, or the address cannot be used.
    """
    global _run
    service = driver.distributed_service(address, processes) if process == 0 else None
    try:
        client = driver.distributed_client(address, process, timeout)
    except driver.XlaError as error:
        raise RuntimeError(f"process {process} of {processes} could not join the run at {address}: {error}") from None
    _run = _Run(client, service, process, processes, address.rpartition(":")[0] if processes > 1 else "127.0.0.1")
    share(driver.Board(client, processes))


def shutdown() -> None:
    """Leave the run."""
    global _run
    if _run is not None:
        _run.client.shutdown()
        if _run.service is not None:
            _run.service.shutdown()
        _run = None


def cpu_options() -> dict[str, Any]:
    """What the CPU's client must be told of the run."""
    if _run is None:
        return {}
    options = {"distributed_client": _run.client, "node_id": _run.process, "num_nodes": _run.processes}
    if config.cpu_collectives_implementation == "gloo":
        options["collectives"] = driver.gloo(_run.client, _run.hostname)
    return options
