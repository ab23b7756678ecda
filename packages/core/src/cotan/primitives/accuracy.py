"""What a program may ask of the accuracy of elementary functions.

Each has one implementation per backend, the accurate one, so that what is asked is checked and then satisfied: a mode
or a tolerance permits less, it never changes a result.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from cotan.ir.primitive import Primitive
from cotan.primitives.define import unary
from cotan.primitives.operands import Dtypes
from cotan.tracebacks import boundary, trim, trims


class AccuracyMode(enum.Enum):
    """As accurate as can be, or as usual; the same here."""

    HIGHEST = 1
    DEFAULT = 2


class Tolerance:
    """The error that is allowed: absolute, relative, and in units of the last place.

    Raises:
      ValueError: a negative bound, or none at all.

    >>> from cotan import lax
    >>> lax.exp(1.0, accuracy=lax.Tolerance(rtol=1e-3))
    Array(2.7182817, dtype=float32, weak_type=True)
    """

    __slots__ = ("atol", "rtol", "ulps")

    @boundary
    def __init__(self, atol: float = 0.0, rtol: float = 0.0, ulps: int = 0) -> None:
        if min(atol, rtol, ulps) < 0:
            raise ValueError(f"Tolerance: bounds must not be negative, got atol={atol}, rtol={rtol}, ulps={ulps}")
        if not (atol or rtol or ulps):
            raise ValueError("Tolerance: no result is exact; give atol, rtol or ulps")
        self.atol, self.rtol, self.ulps = atol, rtol, ulps

    def __repr__(self) -> str:
        return f"Tolerance(atol={self.atol}, rtol={self.rtol}, ulps={self.ulps})"

    def _bounds(self) -> tuple[float, float, int]:
        return self.atol, self.rtol, self.ulps

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tolerance) and self._bounds() == other._bounds()

    def __hash__(self) -> int:
        return hash(self._bounds())


def _check(name: str, accuracy: Any) -> None:
    if not isinstance(accuracy, AccuracyMode | Tolerance):
        raise TypeError(
            f"{name}: accuracy must be a cotan.lax.Tolerance or a cotan.lax.AccuracyMode, got {accuracy!r}; leave it "
            "out for the accurate function"
        )


def elementary(name: str, accepts: Dtypes, **rules: Any) -> tuple[Primitive, Callable[..., Any]]:
    """As ``define.unary``; the public function takes ``accuracy`` too."""
    primitive, plain = unary(name, accepts, **rules)

    def function(x: Any, *, accuracy: Any = None) -> Any:
        try:
            if accuracy is not None:
                _check(name, accuracy)
            return primitive.bind(x)
        except Exception as error:
            trim(error)
            raise

    function.__name__ = function.__qualname__ = plain.__name__
    function.__doc__ = f"{plain.__doc__} ``accuracy`` may permit errors; none are made for it."
    return primitive, trims(function)
