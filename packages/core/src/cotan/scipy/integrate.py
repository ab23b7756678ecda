"""cotan.scipy.integrate: integrals of samples."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan import tracebacks as _tracebacks


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of samples by the trapezoidal rule, at places ``x`` or ``dx`` apart.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.integrate import trapezoid
    >>> trapezoid(cnp.array([1.0, 2.0, 4.0]))
    Array(4.5, dtype=float32)
    """
    return cnp.trapezoid(y, x, dx, axis)


_tracebacks.guard(globals())
