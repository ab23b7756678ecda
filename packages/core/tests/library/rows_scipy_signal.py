"""Filters, spectra and cosine transforms, and interpolation of images, against SciPy."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from library.table import M, Operand, T, V, row

W = Operand((3,))
LONG = Operand((2, 24))
SPREADS = {"specials": False, "why": "one NaN makes all of them that a window sees, by products with zeros as well"}
HOW = {"tol": 16, **SPREADS}

for mode in ("full", "same", "valid"):
    row("scipy.signal", "convolve", V, W, mode, dtypes="fc", **HOW)
    row("scipy.signal", "correlate", V, W, mode, dtypes="fc", **HOW)
    row("scipy.signal", "convolve2d", Operand((4, 5)), Operand((3, 3)), mode, dtypes="f", **HOW)
    row("scipy.signal", "correlate2d", Operand((4, 5)), Operand((3, 3)), mode, dtypes="f", **HOW)
    row("scipy.signal", "fftconvolve", T, Operand((2, 2, 3)), mode, kw={"axes": (1, 2)}, dtypes="fc", **HOW)
row("scipy.signal", "convolve", M, Operand((2, 2)), kw={"method": "fft"}, dtypes="f", **HOW)
row("scipy.signal", "convolve2d", M, Operand((2, 3)), "same", "wrap", dtypes="f", **HOW)
row("scipy.signal", "detrend", LONG, dtypes="f", **HOW)
row("scipy.signal", "detrend", M, 0, "constant", dtypes="f", **HOW)
for name, count in (("stft", 1), ("welch", 1), ("csd", 2)):
    row("scipy.signal", name, *(LONG,) * count, kw={"nperseg": 8}, dtypes="f", **HOW, after=lambda x: x[-1])
row("scipy.signal", "stft", LONG, kw={"nperseg": 8, "return_onesided": False}, dtypes="c", **HOW,
    after=lambda x: x[-1])  # fmt: skip
row("scipy.signal", "istft", Operand((5, 6)), kw={"nperseg": 8}, dtypes="c", **HOW, after=lambda x: x[-1])
for name in ("dct", "idct", "dctn", "idctn"):
    for kind in (1, 2, 3, 4):
        row("scipy.fft", name, M, kind, dtypes="f", **HOW)
    row("scipy.fft", name, T, kw={"norm": "ortho"}, dtypes="fc", **HOW)


def _between(x, coordinates, order, mode, cval):
    return scipy.ndimage.map_coordinates(x, np.array(coordinates), order=order, mode=f"grid-{mode}", cval=cval)


for order in (0, 1):
    row("scipy.ndimage", "map_coordinates", M, [Operand((5,), 0.1, 1.9), Operand((5,), 0.1, 2.9)], order, "constant",
        0.5, dtypes="f", tol=16, **SPREADS, oracle=_between)  # fmt: skip
