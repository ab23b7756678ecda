"""Moving elements: transposes, permutations, joins, padding, reversals."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import BANDWIDTH, Compile, Inputs, Program, Workload, floats

SIDE = 2048
PICTURES = (32, 56, 56, 64)


def _matrix(rng: np.random.Generator) -> Inputs:
    return (floats(rng, SIDE, SIDE),)


def _heads(library: Any) -> Program:
    """What attention does to its queries: split the channels into heads and put the heads first."""
    return library.jit(lambda x: x.reshape(16, 256, 8, 64).transpose(0, 2, 1, 3))


def _heads_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x: x.reshape(16, 256, 8, 64).permute(0, 2, 1, 3).contiguous())


def _heads_numpy(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.reshape(16, 256, 8, 64).transpose(0, 2, 1, 3))


def _join(library: Any) -> Program:
    lnp = library.numpy
    return library.jit(lambda x, y, z: lnp.concatenate([x * 2, y, z + 1], axis=1))


def _join_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x, y, z: torch.cat([x * 2, y, z + 1], 1))


def _mirror(library: Any) -> Program:
    return library.jit(lambda x: x[:, ::-1] - x[::-1])


def _mirror_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x: x.flip(1) - x.flip(0))


WORKLOADS = [
    Workload(
        "layout/transpose",
        _matrix,
        lambda library: library.jit(lambda x: x.T),
        lambda torch, compiled: compiled(lambda x: x.T.contiguous()),
        lambda x: np.ascontiguousarray(x.T),
    ),
    Workload(
        "layout/transpose and add",
        _matrix,
        lambda library: library.jit(lambda x: x + x.T),
        lambda torch, compiled: compiled(lambda x: x + x.T),
        lambda x: x + x.T,
    ),
    Workload(
        "layout/channels first",
        lambda rng: (floats(rng, *PICTURES),),
        lambda library: library.jit(lambda x: x.transpose(0, 3, 1, 2)),
        lambda torch, compiled: compiled(lambda x: x.permute(0, 3, 1, 2).contiguous()),
        lambda x: np.ascontiguousarray(x.transpose(0, 3, 1, 2)),
    ),
    Workload(
        "layout/split heads",
        lambda rng: (floats(rng, 16, 256, 512),),
        _heads,
        _heads_torch,
        _heads_numpy,
    ),
    Workload(
        "layout/concatenate",
        lambda rng: tuple(floats(rng, SIDE, 512) for _ in range(3)),
        _join,
        _join_torch,
        lambda x, y, z: np.concatenate([x * 2, y, z + 1], axis=1),
        tags=(BANDWIDTH,),
    ),
    Workload(
        "layout/pad",
        lambda rng: (floats(rng, 32, 128, 128, 8),),
        lambda library: library.jit(lambda x: library.numpy.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))),
        lambda torch, compiled: compiled(lambda x: torch.nn.functional.pad(x, (0, 0, 1, 1, 1, 1))),
        lambda x: np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))),
    ),
    Workload(
        "layout/mirror",
        _matrix,
        _mirror,
        _mirror_torch,
        lambda x: x[:, ::-1] - x[::-1],
    ),
    Workload(
        "layout/strided slice",
        _matrix,
        lambda library: library.jit(lambda x: x[::2, 1::2] + x[1::2, ::2]),
        lambda torch, compiled: compiled(lambda x: x[::2, 1::2] + x[1::2, ::2]),
        lambda x: x[::2, 1::2] + x[1::2, ::2],
    ),
]
