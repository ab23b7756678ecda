"""cotan.scipy.signal: convolution and correlation of arrays, and what spectra need of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax, tracebacks
from cotan import numpy as cnp
from cotan.numpy.promotion import as_array, normalize_axes, normalize_axis, promote_dtypes_inexact
from cotan.runtime import nans
from cotan.scipy.spectral import csd as csd
from cotan.scipy.spectral import istft as istft
from cotan.scipy.spectral import stft as stft
from cotan.scipy.spectral import welch as welch

_MODES = ("full", "same", "valid")
_BOUNDARIES = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}


def _check_mode(name: str, mode: str) -> None:
    if mode not in _MODES:
        raise ValueError(f"{name}: mode must be 'full', 'same' or 'valid', got {mode!r}")


def _operands(name: str, in1: Any, in2: Any) -> tuple[Any, Any]:
    x, y = (as_array(v, name) for v in promote_dtypes_inexact(name, in1, in2))
    if x.ndim != y.ndim:
        raise ValueError(f"{name}: in1 and in2 must have equal ranks, got shapes {x.shape} and {y.shape}")
    return x, y


def _ordered(name: str, x: Any, y: Any, mode: str, axes: Sequence[int]) -> tuple[Any, Any]:
    """For 'valid' the larger operand comes first: convolution is commutative."""
    if mode != "valid" or all(x.shape[d] >= y.shape[d] for d in axes):
        return x, y
    if all(y.shape[d] >= x.shape[d] for d in axes):
        return y, x
    raise ValueError(
        f"{name}: for mode 'valid' one operand must be at least as large as the other in every axis, got shapes "
        f"{x.shape} and {y.shape}"
    )


def _direct(x: Any, y: Any, pads: Sequence[tuple[int, int]], precision: Any) -> Any:
    out = lax.conv_general_dilated(x[None, None], cnp.flip(y)[None, None], (1,) * x.ndim, pads, precision=precision)
    return out[0, 0]


def _convolved(name: str, x: Any, y: Any, mode: str, method: str, precision: Any) -> Any:
    _check_mode(name, mode)
    if method not in ("auto", "direct", "fft"):
        raise ValueError(f"{name}: method must be 'auto', 'direct' or 'fft', got {method!r}")
    if x.ndim == 0:
        return x * y
    if method == "fft":
        return fftconvolve(x, y, mode)
    if x.size == 0 or y.size == 0:
        raise ValueError(f"{name}: operands must not be empty, got shapes {x.shape} and {y.shape}")
    x, y = _ordered(name, x, y, mode, range(x.ndim))
    pads = {
        "full": [(k - 1, k - 1) for k in y.shape],
        "same": [(k // 2, (k - 1) // 2) for k in y.shape],
        "valid": [(0, 0) for _ in y.shape],
    }
    return _direct(x, y, pads[mode], precision)


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto", precision: Any = None) -> Any:
    """The convolution of two arrays of any one rank.

    Args:
      in1, in2: arrays; integers become floats.
      mode: 'full': all of it; 'same': its centre, of the shape of ``in1``; 'valid': where both overlap entirely.
      method: 'direct' ('auto') by products, 'fft' by Fourier transforms.
      precision: of the products, see ``lax.conv_general_dilated``.

    Raises:
      ValueError: ranks differ, or there is no such mode or method.

    >>> from cotan.scipy import signal
    >>> import numpy as np
    >>> signal.convolve(np.float32([1, 2, 3]), np.float32([1, 1]))
    Array([1., 3., 5., 3.], dtype=float32)
    """
    x, y = _operands("convolve", in1, in2)
    return _convolved("convolve", x, y, mode, method, precision)


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto", precision: Any = None) -> Any:
    """The correlation of two arrays of any one rank: ``convolve`` with the second reversed and conjugated.

    >>> from cotan.scipy import signal
    >>> import numpy as np
    >>> signal.correlate(np.float32([1, 2, 3]), np.float32([0, 1]))
    Array([1., 2., 3., 0.], dtype=float32)
    """
    x, y = _operands("correlate", in1, in2)
    return _convolved("correlate", x, cnp.conj(cnp.flip(y)), mode, method, precision)


def _convolved2d(name: str, x: Any, y: Any, mode: str, boundary: str, fillvalue: Any, precision: Any) -> Any:
    _check_mode(name, mode)
    if boundary not in _BOUNDARIES:
        raise ValueError(f"{name}: boundary must be 'fill', 'wrap' or 'symm', got {boundary!r}")
    if x.ndim != 2:
        raise ValueError(f"{name}: in1 and in2 must have two axes, got shapes {x.shape} and {y.shape}")
    x, y = _ordered(name, x, y, mode, (0, 1))
    pads = {
        "full": [(k - 1, k - 1) for k in y.shape],
        # The middle of a kernel of even extent is the later of the two for a correlation.
        "same": [((k - 1) // 2, k // 2) if name == "correlate2d" else (k // 2, (k - 1) // 2) for k in y.shape],
        "valid": [(0, 0), (0, 0)],
    }[mode]
    options = {"constant_values": fillvalue} if boundary == "fill" else {}
    return _direct(cnp.pad(x, pads, mode=_BOUNDARIES[boundary], **options), y, [(0, 0), (0, 0)], precision)


def convolve2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0, precision: Any = None
) -> Any:
    """The convolution of two matrices.

    Args:
      mode: as of ``convolve``.
      boundary: what is around ``in1``: 'fill' (``fillvalue``), 'wrap' (itself) or 'symm' (its mirror image).
      fillvalue, precision: see ``boundary``, and ``convolve``.

    Raises:
      ValueError: the operands are no matrices, or there is no such mode or boundary.

    >>> from cotan.scipy import signal
    >>> import numpy as np
    >>> signal.convolve2d(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32), mode="valid")
    Array([[4.]], dtype=float32)
    """
    x, y = _operands("convolve2d", in1, in2)
    return _convolved2d("convolve2d", x, y, mode, boundary, fillvalue, precision)


def correlate2d(
    in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0, precision: Any = None
) -> Any:
    """The correlation of two matrices. Arguments as of ``convolve2d``."""
    x, y = _operands("correlate2d", in1, in2)
    return _convolved2d("correlate2d", x, cnp.conj(cnp.flip(y)), mode, boundary, fillvalue, precision)


def _smooth(n: int) -> int:
    """The smallest number from n on without prime factors above 5."""
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """The convolution of two arrays along axes (None: all), by Fourier transforms; other axes broadcast.

    Raises:
      ValueError: ranks differ, other axes do not broadcast, or there is no such mode.

    >>> from cotan.scipy import signal
    >>> import numpy as np
    >>> signal.fftconvolve(np.float32([1, 2, 3]), np.float32([1, 1])).round(4)
    Array([1., 3., 5., 3.], dtype=float32)
    """
    _check_mode("fftconvolve", mode)
    x, y = _operands("fftconvolve", in1, in2)
    if x.ndim == 0:
        return x * y
    along = normalize_axes(axes, x.ndim, "fftconvolve")
    if any(1 not in (x.shape[d], y.shape[d]) and x.shape[d] != y.shape[d] for d in range(x.ndim) if d not in along):
        raise ValueError(
            f"fftconvolve: axes that are not convolved must broadcast, got shapes {x.shape} and {y.shape} with axes "
            f"{along}"
        )
    x, y = _ordered("fftconvolve", x, y, mode, along)
    dtype = x.dtype
    extents = [x.shape[d] + y.shape[d] - 1 for d in along]
    if any(n < 1 for n in extents) or x.size == 0 or y.size == 0:
        raise ValueError(f"fftconvolve: operands must not be empty, got shapes {x.shape} and {y.shape}")
    lengths = [_smooth(n) for n in extents]
    if dtypes.issubdtype(dtype, np.complexfloating):
        out = cnp.fft.ifftn(cnp.fft.fftn(x, lengths, along) * cnp.fft.fftn(y, lengths, along), lengths, along)
    else:
        out = cnp.fft.irfftn(cnp.fft.rfftn(x, lengths, along) * cnp.fft.rfftn(y, lengths, along), lengths, along)
    for d, n in zip(along, extents, strict=True):
        kept = {"full": n, "same": x.shape[d], "valid": x.shape[d] - y.shape[d] + 1}[mode]
        start = (n - kept) // 2
        out = lax.slice_in_dim(out, start, start + kept, axis=d)
    return out.astype(dtype)


def detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0, overwrite_data: None = None) -> Any:
    """``data`` without its mean, or without the straight line that fits best, along an axis.

    Args:
      axis: along which.
      type: 'linear' or 'constant'.
      bp: where one line ends and the next begins.
      overwrite_data: accepted; arrays are never overwritten.

    Raises:
      ValueError: there is no such type or axis, or a break is outside of the data.

    >>> from cotan.scipy import signal
    >>> import numpy as np
    >>> signal.detrend(np.float32([1, 2, 3]), type="constant")
    Array([-1.,  0.,  1.], dtype=float32)
    """
    x = as_array(promote_dtypes_inexact("detrend", data)[0], "detrend")
    axis = normalize_axis(axis, x.ndim, "detrend")
    if type == "constant":
        return x - cnp.mean(x, axis=axis, keepdims=True)
    if type != "linear":
        raise ValueError(f"detrend: type must be 'linear' or 'constant', got {type!r}")
    n = x.shape[axis]
    breaks = sorted({0, n, *np.atleast_1d(bp).tolist()})
    if breaks[0] < 0 or breaks[-1] > n:
        raise ValueError(f"detrend: breaks bp must lie between 0 and {n}, got {bp!r}")
    x = cnp.moveaxis(x, axis, -1)
    pieces = []
    for start, stop in itertools.pairwise(breaks):
        line = np.stack([np.ones(stop - start), np.arange(1, stop - start + 1) / (stop - start)], 1)
        basis = np.linalg.qr(line)[0].astype(x.dtype)
        piece = x[..., start:stop]
        pieces.append(piece - cnp.matmul(cnp.matmul(piece, basis), basis.T))
    return cnp.moveaxis(cnp.concatenate(pieces, -1), -1, axis)


tracebacks.guard(globals(), "cotan.scipy", again=nans.seen_only)
