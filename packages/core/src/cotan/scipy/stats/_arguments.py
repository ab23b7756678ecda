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
    """As ``promoted``; of the scale, which comes last, negative values become NaN."""
    *rest, scale = promote_args_inexact(fun_name, *args)
    return [*rest, cnp.where(scale < 0, cnp.nan, scale)]


def standardized(fun_name: str, x: Any, loc: Any, scale: Any, *parameters: Any) -> list[Any]:
    """[(x - loc) / scale, scale, *parameters], as floats of one dtype; negative scales become NaN."""
    # As arrays: NumPy's own scalars of narrow types become wide ones beside Python numbers.
    x, loc, scale, *rest = (as_array(y, fun_name) for y in promote_args_inexact(fun_name, x, loc, scale, *parameters))
    scale = cnp.where(scale < 0, cnp.nan, scale)
    return [(x - loc) / scale, scale, *rest]
