"""Fourier transforms: one and two dimensions, real and complex, and a filter between two of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.workload import LIBRARY_BOUND, Compile, Inputs, Program, Workload, floats

ROWS, LENGTH = 64, 4096
SIDE = 512


def _complex(*shape: int) -> Any:
    def inputs(rng: np.random.Generator) -> Inputs:
        return ((floats(rng, *shape) + 1j * floats(rng, *shape)).astype(np.complex64),)

    return inputs


def _filter(fft: Any) -> Program:
    """Convolution along rows by way of the spectrum."""
    return lambda x, response: fft.irfft(fft.rfft(x) * response, LENGTH)


def _filter_inputs(rng: np.random.Generator) -> Inputs:
    half = LENGTH // 2 + 1
    return floats(rng, ROWS, LENGTH), (floats(rng, half) + 1j * floats(rng, half)).astype(np.complex64)


def _work(*lengths: int) -> float:
    """The customary count of a complex transform's operations."""
    size = math.prod(lengths)
    return 5.0 * size * math.log2(size)


def _spectrum(library: Any) -> Program:
    fft, lnp = library.numpy.fft, library.numpy
    return library.jit(lambda x: lnp.abs(fft.rfft(x)) ** 2)


def _spectrum_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x: torch.abs(torch.fft.rfft(x)) ** 2)


WORKLOADS = [
    Workload(
        "fourier/one dimension",
        _complex(ROWS, LENGTH),
        lambda library: library.jit(library.numpy.fft.fft),
        lambda torch, compiled: compiled(lambda x: torch.fft.fft(x)),
        np.fft.fft,
        flops=ROWS * _work(LENGTH),
        tags=(LIBRARY_BOUND,),
    ),
    Workload(
        "fourier/two dimensions",
        _complex(SIDE, SIDE),
        lambda library: library.jit(library.numpy.fft.fft2),
        lambda torch, compiled: compiled(lambda x: torch.fft.fft2(x)),
        np.fft.fft2,
        flops=_work(SIDE, SIDE),
        tags=(LIBRARY_BOUND,),
    ),
    Workload(
        "fourier/real input",
        lambda rng: (floats(rng, ROWS, LENGTH),),
        lambda library: library.jit(library.numpy.fft.rfft),
        lambda torch, compiled: compiled(lambda x: torch.fft.rfft(x)),
        np.fft.rfft,
        flops=ROWS * _work(LENGTH) / 2,
        tags=(LIBRARY_BOUND,),
    ),
    Workload(
        "fourier/filter",
        _filter_inputs,
        lambda library: library.jit(_filter(library.numpy.fft)),
        lambda torch, compiled: compiled(_filter(torch.fft)),
        _filter(np.fft),
        flops=ROWS * _work(LENGTH),
        tags=(LIBRARY_BOUND,),
    ),
    Workload(
        "fourier/power spectrum",
        lambda rng: (floats(rng, ROWS, LENGTH),),
        _spectrum,
        _spectrum_torch,
        lambda x: np.abs(np.fft.rfft(x)) ** 2,
        flops=ROWS * _work(LENGTH) / 2,
        tags=(LIBRARY_BOUND,),
    ),
]
