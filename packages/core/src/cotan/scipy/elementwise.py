"""What formulas of special functions share: promotion, narrow floats in float32, series. Knows no function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.api.custom_jvp import custom_jvp
from cotan.numpy.promotion import as_array, promote_args_inexact
from cotan.tree import tree_map

_FLOAT32 = np.dtype(np.float32)


def real_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of real arrays of one shape and dtype, for whatever users hand in; integers become floats.

    Raises (when called):
      ValueError: an argument is complex.
    """
    name = function.__name__

    @functools.wraps(function)
    def called(*args: Any) -> Any:
        arrays = [as_array(x, name) for x in promote_args_inexact(name, *args)]
        dtype = arrays[0].dtype
        if dtypes.issubdtype(dtype, np.complexfloating):
            raise ValueError(f"{name} is defined for real numbers only, got {dtype}; pass its real part")
        if dtype.itemsize >= 4:
            return function(*arrays)
        out = function(*(lax.convert_element_type(x, _FLOAT32) for x in arrays))
        return tree_map(lambda y: lax.convert_element_type(y, dtype), out)

    return called


def chebyshev(t: Any, coefficients: Sequence[float]) -> Any:
    """The Chebyshev series at t in [-1, 1], by Clenshaw's recurrence."""
    double = t + t
    this, before = t * 0 + coefficients[-1], t * 0
    for coefficient in coefficients[-2:0:-1]:
        this, before = double * this - before + coefficient, this
    return t * this - before + coefficients[0]


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """Horner's rule; the coefficient of power 0 comes first."""
    total = x * 0 + coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


@custom_jvp
def zero_with_slope(x: Any, slope: Any) -> Any:
    """0, with that slope along x: the limit of a formula that holds 0 times infinity."""
    return x * 0


zero_with_slope.defjvp(lambda primals, tangents: (zero_with_slope(*primals), primals[1] * tangents[0]))


def sign_of_gamma(x: Any) -> Any:
    """The sign of the gamma function between its poles, where it is that of one side; without derivative."""
    odd = cnp.remainder(cnp.floor(x), 2) != 0
    return lax.stop_gradient(cnp.where((x < 0) & odd, -1.0, 1.0).astype(x.dtype))
