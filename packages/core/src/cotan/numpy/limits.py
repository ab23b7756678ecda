"""What NumPy says of dtypes: limits, as Python numbers as the array API standard has them; kinds. Knows no arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes
from cotan.tracebacks import boundary

_FLOATS = ("eps", "epsneg", "max", "min", "resolution", "smallest_normal", "smallest_subnormal", "tiny")
_INTS = ("bits", "iexp", "machep", "maxexp", "minexp", "negep", "nexp", "nmant", "precision")


class finfo:
    """The limits of a floating dtype, or of the parts of a complex one.

    Args:
      dtype: a dtype, a scalar type, a name, or an array.

    Attributes:
      bits, nexp, nmant: the widths of a number, its exponent and its fraction.
      eps: the distance from 1 to the next larger number.
      max, min: the largest and the least finite number.
      smallest_normal (tiny), smallest_subnormal: the least positive ones.
      dtype: the dtype itself.

    Raises:
      ValueError: another kind of dtype.

    >>> import cotan.numpy as cnp
    >>> cnp.finfo(cnp.float32).eps == 2.0**-23, cnp.finfo("bfloat16").max
    (True, 3.3895313892515355e+38)
    """

    __slots__ = ("_text", "dtype", *_FLOATS, *_INTS)

    dtype: np.dtype
    eps: float
    max: float
    min: float
    smallest_normal: float
    tiny: float
    bits: int
    nmant: int

    @boundary
    def __init__(self, dtype: Any) -> None:
        found = dtypes.finfo(dtype)
        for name in _FLOATS:
            setattr(self, name, float(getattr(found, name)))
        for name in _INTS:
            setattr(self, name, int(getattr(found, name)))
        self.dtype = np.dtype(found.dtype)
        self._text = repr(found)

    def __repr__(self) -> str:
        return self._text


def issubdtype(arg1: Any, arg2: Any) -> bool:
    """Whether the dtype ``arg1`` is ``arg2`` or of that kind; as ``cotan.dtypes.issubdtype``.

    >>> import cotan.numpy as cnp
    >>> cnp.issubdtype(cnp.bfloat16, cnp.floating), cnp.issubdtype("int32", cnp.inexact)
    (True, False)
    """
    return dtypes.issubdtype(arg1, arg2)
