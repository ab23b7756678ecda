"""What every function of cotan.numpy.linalg does first: promote to floats, look at shapes."""

from __future__ import annotations

from typing import Any

from cotan.numpy.promotion import as_array, check_arraylike, promote_dtypes_inexact


def inexact(name: str, *args: Any) -> list[Any]:
    """The arguments as arrays of their common floating or complex dtype."""
    check_arraylike(name, *args)
    return [as_array(x, name) for x in promote_dtypes_inexact(name, *args)]


def matrix(name: str, x: Any, *, square: bool = False) -> Any:
    """One argument as a stack of matrices of floats.

    Raises:
      ValueError: fewer than two axes, or not square where that is asked for.
    """
    [x] = inexact(name, x)
    check(name, x, square=square)
    return x


def check(name: str, x: Any, *, square: bool = False, what: str = "the operand") -> None:
    """Refuse what is no stack of (square) matrices.

    Raises:
      ValueError: it says the shape.
    """
    if x.ndim < 2:
        raise ValueError(f"{name}: {what} must be a matrix or a stack of them, got shape {tuple(x.shape)}; add axes")
    if square and x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name}: {what} must be a square matrix or a stack of them, got shape {tuple(x.shape)}")
