"""cotan.scipy.cluster.vq: vector quantisation."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan import tracebacks as _tracebacks
from cotan.numpy.promotion import as_array, promote_dtypes_inexact


def vq(obs: Any, code_book: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """The nearest code of each observation.

    Args:
      obs: ``(n, d)``, or ``(n,)`` for d = 1. code_book: ``(k, d)``, or ``(k,)``.
      check_finite: accepted, and without influence.

    Returns:
      Numbers of codes ``(n,)`` and the distances to them.

    Raises:
      ValueError: shapes that do not belong together.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.cluster.vq import vq
    >>> vq(cnp.array([0.0, 0.9]), cnp.array([0.0, 1.0]))[0]
    Array([0, 1], dtype=int32)
    """
    obs, codes = promote_dtypes_inexact("vq", as_array(obs, "vq"), as_array(code_book, "vq"))
    if obs.ndim != codes.ndim or obs.ndim not in (1, 2):
        raise ValueError(f"vq: obs and code_book must both have one or two axes, got shapes {obs.shape}, {codes.shape}")
    if obs.ndim == 1:
        obs, codes = obs[:, None], codes[:, None]
    if obs.shape[1] != codes.shape[1]:
        raise ValueError(f"vq: observations have {obs.shape[1]} components, codes {codes.shape[1]}")
    between = obs[:, None] - codes[None]
    squares = cnp.sum(cnp.real(between * cnp.conj(between)), -1)
    found = cnp.argmin(squares, -1)
    return found, cnp.sqrt(cnp.take_along_axis(squares, found[:, None], -1)[:, 0])


_tracebacks.guard(globals())
