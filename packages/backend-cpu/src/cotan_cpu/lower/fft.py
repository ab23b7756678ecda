"""Fourier transforms by MKL where it is used, else by SciPy's pocketfft, whose threads sleep when idle.

In programs a step on the host.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.config import config
from cotan.ir.primitive import reference
from cotan.ir.program import LibraryStep
from cotan.primitives.operands import complex_dtype, quiet, real_dtype
from cotan_cpu import driver, native
from cotan_cpu.lower import dfti
from cotan_cpu.pool import pool

if TYPE_CHECKING:
    from cotan_cpu.program import Writer


_SHARED_FROM = 1 << 16
"""Elements from which a transform is shared among threads; lines of less cost less than waking them."""
_AS_IT_IS, _BY_LENGTH = 0, 2
"""How pocketfft scales: not at all, or by one over the length."""


@functools.cache
def _reference() -> Any:
    from cotan.primitives.fft import fft_p

    return reference[fft_p]


def eager(x: np.ndarray, *, fft_type: Any, fft_lengths: tuple[int, ...]) -> np.ndarray:
    """The transform of an ndarray over its last axes, in its own precision."""
    if x.size == 0 or 0 in fft_lengths:
        return _reference()(x, fft_type=fft_type, fft_lengths=fft_lengths)  # type: ignore[no-any-return]
    name = fft_type.name
    last = fft_lengths[-1] // 2 + 1 if name == "RFFT" else fft_lengths[-1]
    shape, dtype = (*x.shape[:-1], last), real_dtype(x.dtype) if name == "IRFFT" else complex_dtype(x.dtype)
    out = pool.empty(shape, dtype, math.prod(shape) * dtype.itemsize)
    if not _into(x, out, fft_type=fft_type, fft_lengths=fft_lengths):
        from scipy import fft

        axes = tuple(range(-len(fft_lengths), 0))
        return quiet(getattr(fft, f"{name.lower()}n"), x, fft_lengths, axes)  # type: ignore[no-any-return]
    return out


@functools.cache
def _pocketfft() -> Any:
    """What SciPy's functions call, which can write where it is told to; None in versions that have another one."""
    name = "scipy.fft._pocketfft.pypocketfft"
    found = sys.modules.get(name) or _alone(name)
    return found if all(hasattr(found, function) for function in ("c2c", "r2c", "c2r")) else None


def _alone(name: str) -> Any:
    """An extension module of SciPy, without the packages around it: they import for 100 ms what no transform needs."""
    scipy = importlib.util.find_spec("scipy")
    if scipy is None or not scipy.submodule_search_locations:
        return None
    folder = Path(scipy.submodule_search_locations[0]).joinpath(*name.split(".")[1:-1])
    spec = PathFinder.find_spec(name, [str(folder)])
    if spec is None or spec.loader is None:
        return None
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError:
        return None
    return module


def _into(x: np.ndarray, out: np.ndarray, *, fft_type: Any, fft_lengths: tuple[int, ...]) -> bool:
    """Write the transform to ``out``, without an array between; False where that cannot be."""
    if x.size == 0 or out.size == 0:
        return False
    workers = native.thread_count(config.num_threads) if x.size >= _SHARED_FROM else 1
    name = fft_type.name
    if driver.numerics().name == "MKL" and out.flags.c_contiguous:
        source = np.require(x, requirements=["C", "A"])
        if dfti.into(source, out, name, fft_lengths, workers):
            return True
    library = _pocketfft()
    if library is None:
        return False
    axes = tuple(range(-len(fft_lengths), 0))
    if name == "IRFFT":
        quiet(library.c2r, x, axes, fft_lengths[-1], False, _BY_LENGTH, out, workers)
    elif name == "RFFT":
        quiet(library.r2c, x, axes, True, _AS_IT_IS, out, workers)
    else:
        quiet(library.c2c, x, axes, name == "FFT", _AS_IT_IS if name == "FFT" else _BY_LENGTH, out, workers)
    return True


eager.into = _into  # type: ignore[attr-defined]


def write(writer: Writer, step: LibraryStep) -> None:
    """A call of the eager rule."""
    writer.host(step)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.fft import fft_p

    table.rule("eager", fft_p)(eager)
    table.rule("library", fft_p)(write)
    table.on_host.add(fft_p)
