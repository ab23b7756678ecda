"""The list of workloads, one module per group. Knows no library and no clock."""

from __future__ import annotations

from benchmarks.workload import Workload
from benchmarks.workloads import (
    complexes,
    convolution,
    derivatives,
    dispatch,
    eager,
    fourier,
    fusion,
    indexing,
    layout,
    linalg,
    loops,
    matmul,
    mnist,
    normalization,
    particles,
    reductions,
    sampling,
    sorting,
    stencils,
    surface,
    training,
    transcendental,
)

MODULES = (
    dispatch,
    eager,
    fusion,
    transcendental,
    reductions,
    normalization,
    layout,
    indexing,
    sorting,
    sampling,
    matmul,
    training,
    convolution,
    loops,
    stencils,
    particles,
    linalg,
    fourier,
    complexes,
    derivatives,
    mnist,
    surface,
)

WORKLOADS: dict[str, Workload] = {workload.name: workload for module in MODULES for workload in module.WORKLOADS}
