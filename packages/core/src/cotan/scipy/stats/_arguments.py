"""What distributions do with their arguments first: promotion to floats, and moving to loc 0 and scale 1."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.numpy.promotion import as_array, check_arraylike, promote_args_inexact, promote_dtypes_inexact


def promoted(fun_name: str, *args: Any) -> list[Any]:
    """All arguments as floats of one dtype, broadcast against each other."""
    return promote_args_inexact(fun_name, *args)


def inexact(fun_name: str, *args: Any) -> list[Any]:
    """All arguments as floats of one dtype, in their own shapes."""
    check_arraylike(fun_name, *args)
    return [cnp.asarray(x) for x in promote_dtypes_inexact(fun_name, *args)]


def placed(fun_name: str, *args: Any) -> list[Any]:
    """As ``promoted``; a scale, which comes last, that is not positive becomes NaN."""
    *rest, scale = promote_args_inexact(fun_name, *args)
    return [*rest, known(scale, scale > 0)]


def known(x: Any, valid: Any) -> Any:
    """x where the parameters make a distribution; else NaN, which every formula passes on."""
    return cnp.where(valid, x, cnp.nan)


def standardized(fun_name: str, x: Any, loc: Any, scale: Any, *shapes: Any) -> list[Any]:
    """[(x - loc) / scale, scale, *shapes], as floats of one dtype; the first is NaN unless all others are positive."""
    z, scale, *rest = moved(fun_name, x, loc, scale, *shapes)
    for shape in rest:
        z = known(z, shape > 0)
    return [z, scale, *rest]


def moved(fun_name: str, x: Any, loc: Any, scale: Any, *parameters: Any) -> list[Any]:
    """As ``standardized``, for parameters of any sign."""
    # As arrays: NumPy's own scalars of narrow types become wide ones beside Python numbers.
    x, loc, scale, *rest = (as_array(y, fun_name) for y in promote_args_inexact(fun_name, x, loc, scale, *parameters))
    scale = known(scale, scale > 0)
    return [(x - loc) / scale, scale, *rest]


def log_inside(outside: Any, probability: Any) -> Any:
    """The logarithm of a probability that is 0 ``outside`` of the support, where it is minus infinity and flat."""
    return cnp.where(outside, -cnp.inf, cnp.log(cnp.where(outside, 1, probability)))
