"""A library rule for Fourier transforms, in any language like C: for devices whose memory the host does not share.

An axis is transformed by one pass for each factor of its length (Stockham's order, which needs no permutation): every
item computes one element, a sum over the factor. Real input and output, and the half of the frequencies that is stored
for them, are matters of what the first pass reads and the last one writes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cotan.compiler.c.commands import Writer
from cotan.compiler.c.sorting import filled, launch
from cotan.ir.avals import Shape, shaped
from cotan.ir.program import LibraryStep

_REAL_SOURCE, _HALF_SOURCE, _REAL_TARGET = 1, 2, 4
_LARGEST = 8
"""Prime factors are put together up to this."""
_PASS = """
KERNEL NAME(PARAMETERS, const INT extent, const INT inner, const INT radix, const INT done, const INT span,
            const INT step, const INT given, const INT kept, const INT kind, const INT total) {
HEAD  const LONG g = ITEM;
  if (g >= total) return;
  const LONG in = g % inner, o = g / inner % kept, outer = g / inner / kept;
  const LONG at = o % span, turn = extent / span, first = o / span * done + o % done;
  TYPE re = 0, im = 0;
  LONG w = 0;
  for (INT m = 0; m < radix; m++) {
    const LONG q = first + m * (LONG)step;
    const INT mirrored = (kind & 2) && 2 * q > extent;
    const LONG e = (outer * given + (mirrored ? extent - q : q)) * inner + in;
    const TYPE x = kind & 1 ? source[e] : source[2 * e];
    TYPE y = kind & 1 ? 0 : source[2 * e + 1];
    if (mirrored) y = -y;
    if ((kind & 2) && (q == 0 || 2 * q == extent)) y = 0;
    const TYPE c = roots[2 * w * turn], s = roots[2 * w * turn + 1];
    re += x * c - y * s;
    im += x * s + y * c;
    w += at;
    if (w >= span) w -= span;
  }
  if (kind & 4) target[g] = re * factor[0];
  else { target[2 * g] = re * factor[0]; target[2 * g + 1] = im * factor[0]; }
}
"""


def _radices(n: int) -> Iterator[int]:
    """Factors of n: its primes, small ones multiplied together; for 0 and 1 itself."""
    if n < 2:
        yield n
    factor, prime = 1, 2
    while n > 1:
        if prime * prime > n:
            prime = n
        while n % prime == 0:
            if factor * prime > _LARGEST and factor > 1:
                yield factor
                factor = 1
            factor, n = factor * prime, n // prime
        prime += 1
    if factor > 1:
        yield factor


@functools.lru_cache(maxsize=16)
def _roots(n: int, inverse: bool, dtype: Any) -> Any:
    """exp(-2 pi i k / n), or its conjugates, as pairs of numbers."""
    angles = np.arange(n) * ((2 if inverse else -2) * np.pi / max(n, 1))
    return np.stack([np.cos(angles), np.sin(angles)], -1).astype(dtype)


def fft(writer: Writer, step: LibraryStep) -> bool:
    """Write a step of ``lax.fft``."""
    [source], [target] = step.operands, step.results
    aval, lengths = writer.aval(target), step.params["fft_lengths"]
    kind = step.params["fft_type"].name
    rank, ndim = len(lengths), aval.ndim
    axes = list(range(ndim - rank, ndim))
    if not aval.size:
        return True
    # The axis of which half the frequencies are stored is the first where they are made, the last where they are read.
    for axis in axes if kind.startswith("I") else axes[::-1]:
        last = axis == axes[0 if not kind.startswith("I") else -1]
        stored = axis == ndim - 1
        reads = _REAL_SOURCE if kind == "RFFT" and stored else _HALF_SOURCE if kind == "IRFFT" and stored else 0
        writes = _REAL_TARGET if kind == "IRFFT" and stored else 0
        factor = 1 / max(math.prod(lengths), 1) if last and kind.startswith("I") else 1.0
        shape = list(writer.aval(source).shape)
        shape[axis] = aval.shape[axis]
        result = target if last else _complex(writer, shape, aval.dtype)
        _axis(writer, source, result, axis, lengths[axis - ndim], (reads, writes), kind.startswith("I"), factor)
        source = result
    return True


def _complex(writer: Writer, shape: Any, dtype: Any) -> int:
    """Memory for complex numbers of that precision."""
    return writer.workspace(shaped(tuple(shape), np.result_type(dtype, np.complex64)))


def _axis(
    writer: Writer,
    source: int,
    target: int,
    axis: int,
    extent: int,
    kinds: tuple[int, int],
    inverse: bool,
    factor: float,
) -> None:
    """Transform one axis."""
    given, kept = writer.aval(source).shape, writer.aval(target).shape
    real = np.dtype(np.float64 if np.dtype(writer.aval(target).dtype).name in ("float64", "complex128") else np.float32)
    kind = writer.language.types[real.name]
    name = f"fourier_{kind}"
    words = [(kind, pointer) for pointer in ("source", "roots", "factor", "target")]
    writer.define(filled(writer, _PASS, words, NAME=name, TYPE=kind))
    table = _roots(extent, inverse, real)
    roots = writer.constant(shaped(table.shape, real), table)
    radices = list(_radices(extent))
    between: Shape = (*given[:axis], extent, *given[axis + 1 :])
    done = 1
    spare: list[int] = []
    for number, radix in enumerate(radices):
        first, last = number == 0, number == len(radices) - 1
        result = target if last else spare.pop() if len(spare) > 1 else _complex(writer, between, real)
        scale = writer.constant(shaped((1,), real), np.full(1, factor if last else 1, real))
        span = max(done * radix, 1)
        extents = writer.aval(source).shape[axis], writer.aval(result).shape[axis]
        flags = (kinds[0] if first else 0) | (kinds[1] if last else 0)
        inner = math.prod(kept[axis + 1 :])
        scalars = (max(extent, 1), inner, radix, done, span, extent // max(radix, 1), *extents, flags)
        launch(writer, name, (source, roots, scale, result), scalars, writer.aval(result).size)
        if not first:
            spare.append(source)
        source, done = result, span
