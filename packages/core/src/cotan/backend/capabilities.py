"""What a backend says that it can do. Safe defaults: what is not claimed is not asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_COMMON = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


@dataclass(frozen=True)
class Capabilities:
    """The doors that a backend opens, and their limits.

    At least one of ``eager``, ``kernels`` and ``program`` must be true.

    >>> Capabilities(program=True).door
    'program'
    """

    eager: bool = False
    """Door 1: ``Backend.eager`` runs one primitive on buffers."""
    kernels: bool = False
    """Door 2: ``Backend.compile`` takes a ``cotan.ir.program.Program``."""
    program: bool = False
    """Door 3: ``Backend.compile`` takes a ``ClosedJaxpr`` of the primitives in ``lowerings().native``."""
    dtypes: frozenset[str] = frozenset(_COMMON)
    """Names of the dtypes that buffers may have."""
    donation: bool = False
    """Whether outputs may take over the memory of donated inputs."""
    host_steps: bool = False
    """Whether a Program may hold steps that run a reference on the host."""
    control_flow: bool = False
    """Whether compiled programs may hold loops and branches (``cotan.ir.control``). Programs that do are otherwise run
    operation by operation, and loops by Python, with compiled bodies."""
    local_bytes: int = 0
    """Bytes of memory of its own that a kernel may use in each iteration of its parallel loops, to keep values of a row
    that it needs more than once (``Kernel.scratch``)."""
    lends_results: bool = False
    """Whether temps of a Program may lie in the memory of results that are not written yet (``Buffer.within``)."""
    collectives: str = "none"
    """'native', 'host' or 'none'."""

    def __post_init__(self) -> None:
        if not (self.eager or self.kernels or self.program):
            raise ValueError("a backend must open at least one door: eager, kernels or program")
        if self.collectives not in ("native", "host", "none"):
            raise ValueError(f"collectives is 'native', 'host' or 'none', not {self.collectives!r}")

    @property
    def door(self) -> str:
        """How compiled code reaches the backend: 'program', 'kernels', or 'eager' if it has nothing else."""
        return "program" if self.program else "kernels" if self.kernels else "eager"

    def supports(self, dtype: Any) -> bool:
        """Whether buffers of ``dtype`` can exist."""
        return np.dtype(dtype).name in self.dtypes
