"""A step length along a line that meets the strong Wolfe conditions.

Nocedal and Wright, "Numerical Optimization" (2nd ed.), algorithms 3.5 (an interval is found) and 3.6 (it is narrowed),
written as one loop that evaluates the function once per round. Among values that differ by rounding alone, slopes tell
what decreases (W. W. Hager and H. Zhang, A new conjugate gradient method with guaranteed descent and an efficient line
search, SIAM Journal on Optimization 16, 2005: the approximate Wolfe conditions). Knows no method that chooses the line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cotan import lax
from cotan import numpy as cnp

_SUFFICIENT_DECREASE = 1e-4
_CURVATURE = 0.9
# What lies nearer than this part of the interval to one of its ends is not tried.
_MARGIN = 0.1
_ROUNDING = 8
"""Units of the last place that values may differ by and yet be equal."""


class Point(NamedTuple):
    """A place on the line: step length, value, slope along the line, gradient."""

    step: Any
    value: Any
    slope: Any
    gradient: Any


class Search(NamedTuple):
    """The state: rounds done, the next step, the interval's better and other end, and what is known of it."""

    rounds: Any
    step: Any
    best: Point
    other: Point
    bracketed: Any
    done: Any


def _choose(flag: Any, yes: Any, no: Any) -> Any:
    return Point(*(cnp.where(flag, a, b) for a, b in zip(yes, no, strict=True)))


def _inside(low: Point, high: Point) -> Any:
    """The minimum of the cubic through two values and slopes (3.59), or the middle where that is no place within."""
    width = high.step - low.step
    mean = low.slope + high.slope - 3 * (low.value - high.value) / (low.step - high.step)
    square = mean * mean - low.slope * high.slope
    root = cnp.sign(width) * cnp.sqrt(cnp.where(square > 0, square, 0))
    below = high.slope - low.slope + 2 * root
    part = 1 - (high.slope + root - mean) / cnp.where(below == 0, 1, below)
    usable = (square >= 0) & (below != 0) & cnp.isfinite(part) & (part > _MARGIN) & (part < 1 - _MARGIN)
    return low.step + width * cnp.where(usable, part, 0.5)


def line_search(
    value_and_gradient: Callable[[Any], tuple[Any, Any]],
    x: Any,
    direction: Any,
    value: Any,
    gradient: Any,
    first_step: Any,
    most_rounds: Any,
) -> tuple[Point, Any, Any]:
    """A point on ``x + step * direction``, whether it meets the strong Wolfe conditions, and the evaluations made.

    Where rounding leaves no such point within ``most_rounds``, it is the best that decreases the function
    sufficiently; its step is 0 where none did.
    """
    zero = cnp.zeros_like(value)
    rounding = _ROUNDING * float(cnp.finfo(value.dtype).eps) * cnp.abs(value)
    start = Point(zero, value, cnp.dot(gradient, direction), gradient)

    def unfinished(s: Search) -> Any:
        return ~s.done & (s.rounds < most_rounds)

    def round_(s: Search) -> Search:
        reached, its_gradient = value_and_gradient(x + s.step * direction)
        here = Point(s.step, reached, cnp.dot(its_gradient, direction), its_gradient)
        # What is not a number is as bad as what is too large: every comparison is written so that it fails then.
        enough = here.value <= start.value + _SUFFICIENT_DECREASE * here.step * start.slope
        level = cnp.abs(here.value - start.value) <= rounding
        flat = level & (cnp.abs(here.slope) < cnp.abs(s.best.slope))
        enough = enough | (flat & (here.slope <= (2 * _SUFFICIENT_DECREASE - 1) * start.slope))
        better = enough & ((here.value < s.best.value) | flat | ((s.rounds == 0) & cnp.isfinite(here.value)))
        done = better & (cnp.abs(here.slope) <= -_CURVATURE * start.slope)
        # An end beyond which the function rises closes the interval on the other side.
        rises = here.slope * cnp.where(s.bracketed, s.other.step - s.best.step, 1) >= 0
        other = _choose(better & rises, s.best, _choose(better & s.bracketed, s.other, here))
        best = _choose(better, here, s.best)
        bracketed = s.bracketed | ~better | rises
        finite = cnp.isfinite(other.value) & cnp.isfinite(other.slope)
        middle = (best.step + other.step) / 2
        within = cnp.where(finite, _inside(best, _choose(finite, other, start)), middle)
        return Search(s.rounds + 1, cnp.where(bracketed, within, 2 * here.step), best, other, bracketed, done)

    no = cnp.asarray(False)
    state = Search(cnp.asarray(0), cnp.asarray(first_step, value.dtype), start, start, no, no)
    end = lax.while_loop(unfinished, round_, state)
    return end.best, end.done, end.rounds
