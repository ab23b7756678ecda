"""What the standard says of NaN, infinities, signed zeros and edges of domains, as arguments and results."""

from __future__ import annotations

import math
from typing import Any

inf, nan, pi = math.inf, math.nan, math.pi
Z, N = 0.0, -0.0
Row = tuple[Any, ...]

# One operand: pairs of argument and result.
UNARY: dict[str, list[tuple[float, float]]] = {
    "abs": [(nan, nan), (N, Z), (-inf, inf)],
    "acos": [(nan, nan), (1.5, nan), (-1.5, nan), (1.0, Z)],
    "acosh": [(nan, nan), (0.5, nan), (1.0, Z), (inf, inf)],
    "asin": [(nan, nan), (1.5, nan), (-1.5, nan), (Z, Z), (N, N)],
    "asinh": [(nan, nan), (Z, Z), (N, N), (inf, inf), (-inf, -inf)],
    "atan": [(nan, nan), (Z, Z), (N, N), (inf, pi / 2), (-inf, -pi / 2)],
    "atanh": [(nan, nan), (-1.5, nan), (1.5, nan), (-1.0, -inf), (1.0, inf), (Z, Z), (N, N)],
    "ceil": [(inf, inf), (-inf, -inf), (Z, Z), (N, N), (nan, nan), (3.0, 3.0), (-0.5, N), (0.5, 1.0)],
    "cos": [(nan, nan), (Z, 1.0), (N, 1.0), (inf, nan), (-inf, nan)],
    "cosh": [(nan, nan), (Z, 1.0), (N, 1.0), (inf, inf), (-inf, inf)],
    "exp": [(nan, nan), (Z, 1.0), (N, 1.0), (inf, inf), (-inf, Z)],
    "expm1": [(nan, nan), (Z, Z), (N, N), (inf, inf), (-inf, -1.0)],
    "floor": [(inf, inf), (-inf, -inf), (Z, Z), (N, N), (nan, nan), (3.0, 3.0), (0.5, Z), (-0.5, -1.0)],
    "log": [(nan, nan), (-1.0, nan), (Z, -inf), (N, -inf), (1.0, Z), (inf, inf)],
    "log1p": [(nan, nan), (-2.0, nan), (-1.0, -inf), (N, N), (Z, Z), (inf, inf)],
    "log2": [(nan, nan), (-1.0, nan), (Z, -inf), (N, -inf), (1.0, Z), (inf, inf)],
    "log10": [(nan, nan), (-1.0, nan), (Z, -inf), (N, -inf), (1.0, Z), (inf, inf)],
    "negative": [(nan, nan), (Z, N), (N, Z), (inf, -inf)],
    "positive": [(nan, nan), (Z, Z), (N, N), (inf, inf)],
    "reciprocal": [(nan, nan), (Z, inf), (N, -inf), (inf, Z), (-inf, N)],
    "round": [(inf, inf), (-inf, -inf), (Z, Z), (N, N), (nan, nan), (0.5, Z), (1.5, 2.0), (2.5, 2.0), (-0.5, N)],
    "sign": [(-3.0, -1.0), (Z, Z), (3.0, 1.0), (nan, nan), (-inf, -1.0)],
    "sin": [(nan, nan), (Z, Z), (N, N), (inf, nan), (-inf, nan)],
    "sinh": [(nan, nan), (Z, Z), (N, N), (inf, inf), (-inf, -inf)],
    "sqrt": [(nan, nan), (-1.0, nan), (Z, Z), (N, N), (inf, inf)],
    "square": [(nan, nan), (N, Z), (-inf, inf)],
    "tan": [(nan, nan), (Z, Z), (N, N), (inf, nan), (-inf, nan)],
    "tanh": [(nan, nan), (Z, Z), (N, N), (inf, 1.0), (-inf, -1.0)],
    "trunc": [(inf, inf), (-inf, -inf), (Z, Z), (N, N), (nan, nan), (3.0, 3.0), (0.5, Z), (-0.5, N), (-1.5, -1.0)],
}
PREDICATES = {
    "isfinite": [(nan, False), (inf, False), (-inf, False), (1.0, True), (N, True)],
    "isinf": [(nan, False), (inf, True), (-inf, True), (1.0, False)],
    "isnan": [(nan, True), (inf, False), (-inf, False), (1.0, False)],
    "signbit": [(Z, False), (N, True), (inf, False), (-inf, True), (2.0, False), (-2.0, True), (nan, False)],
}

# Two operands: both, and the result.
BINARY: dict[str, list[Row]] = {
    "add": [
        (nan, 1.0, nan), (1.0, nan, nan), (inf, -inf, nan), (-inf, inf, nan), (inf, inf, inf), (-inf, -inf, -inf),
        (inf, 1.0, inf), (-inf, 1.0, -inf), (1.0, inf, inf), (1.0, -inf, -inf), (N, N, N), (N, Z, Z), (Z, N, Z),
        (Z, Z, Z), (Z, 2.0, 2.0), (N, 2.0, 2.0), (2.0, -2.0, Z),
    ],
    "atan2": [
        (nan, 1.0, nan), (1.0, nan, nan), (2.0, Z, pi / 2), (2.0, N, pi / 2), (Z, 2.0, Z), (Z, Z, Z), (Z, N, pi),
        (Z, -2.0, pi), (N, 2.0, N), (N, Z, N), (N, N, -pi), (N, -2.0, -pi), (-2.0, Z, -pi / 2), (-2.0, N, -pi / 2),
        (2.0, inf, Z), (2.0, -inf, pi), (-2.0, inf, N), (-2.0, -inf, -pi), (inf, 2.0, pi / 2), (-inf, 2.0, -pi / 2),
        (inf, inf, pi / 4), (inf, -inf, 3 * pi / 4), (-inf, inf, -pi / 4), (-inf, -inf, -3 * pi / 4),
    ],
    "copysign": [
        (2.0, Z, 2.0), (2.0, N, -2.0), (2.0, inf, 2.0), (2.0, -inf, -2.0), (2.0, nan, 2.0), (Z, -1.0, N),
        (nan, -1.0, nan), (N, 1.0, Z), (inf, N, -inf),
    ],
    "divide": [
        (nan, 1.0, nan), (1.0, nan, nan), (inf, inf, nan), (-inf, inf, nan), (Z, Z, nan), (N, Z, nan), (Z, 2.0, Z),
        (N, 2.0, N), (Z, -2.0, N), (N, -2.0, Z), (2.0, Z, inf), (2.0, N, -inf), (-2.0, Z, -inf), (-2.0, N, inf),
        (inf, 2.0, inf), (inf, -2.0, -inf), (-inf, 2.0, -inf), (-inf, -2.0, inf), (2.0, inf, Z), (2.0, -inf, N),
        (-2.0, inf, N), (-2.0, -inf, Z),
    ],
    "floor_divide": [
        (nan, 1.0, nan), (1.0, nan, nan), (inf, inf, nan), (-inf, inf, nan), (Z, Z, nan), (N, Z, nan), (Z, 2.0, Z),
        (N, 2.0, N), (Z, -2.0, N), (N, -2.0, Z), (2.0, inf, Z), (-2.0, -inf, Z), (-2.0, inf, -1.0), (2.0, -inf, -1.0),
        (7.0, 2.0, 3.0), (-7.0, 2.0, -4.0), (7.0, -2.0, -4.0),
    ],
    "hypot": [
        (inf, 1.0, inf), (-inf, nan, inf), (nan, inf, inf), (1.0, -inf, inf), (nan, 1.0, nan), (1.0, nan, nan),
        (nan, nan, nan), (N, 2.0, 2.0), (3.0, 4.0, 5.0), (Z, Z, Z), (1e200, 1e200, math.sqrt(2) * 1e200),
    ],
    "logaddexp": [(nan, 1.0, nan), (1.0, nan, nan), (inf, 1.0, inf), (1.0, inf, inf), (-inf, 1.0, 1.0)],
    "maximum": [(nan, 1.0, nan), (1.0, nan, nan), (inf, 1.0, inf), (-inf, 1.0, 1.0)],
    "minimum": [(nan, 1.0, nan), (1.0, nan, nan), (inf, 1.0, 1.0), (-inf, 1.0, -inf)],
    "multiply": [
        (nan, 1.0, nan), (1.0, nan, nan), (inf, Z, nan), (-inf, N, nan), (Z, inf, nan), (inf, inf, inf),
        (inf, -inf, -inf), (inf, -2.0, -inf), (-2.0, inf, -inf), (N, 2.0, N), (N, -2.0, Z),
    ],
    "nextafter": [(nan, 1.0, nan), (1.0, nan, nan), (Z, Z, Z), (Z, N, N), (N, Z, Z), (2.0, 2.0, 2.0)],
    "pow": [
        (2.0, 1.0, 2.0), (1.0, nan, 1.0), (nan, Z, 1.0), (nan, N, 1.0), (2.0, nan, nan), (nan, 2.0, nan),
        (2.0, inf, inf), (-2.0, inf, inf), (2.0, -inf, Z), (1.0, inf, 1.0), (1.0, -inf, 1.0), (0.5, inf, Z),
        (-0.5, inf, Z), (0.5, -inf, inf), (inf, 2.0, inf), (inf, -2.0, Z), (-inf, 3.0, -inf), (-inf, 2.0, inf),
        (-inf, 2.5, inf), (-inf, -3.0, N), (-inf, -2.0, Z), (-inf, -2.5, Z), (Z, 3.0, Z), (Z, -3.0, inf), (N, 3.0, N),
        (N, 2.0, Z), (N, 2.5, Z), (N, -3.0, -inf), (N, -2.0, inf), (N, -2.5, inf), (-2.0, 2.5, nan), (-2.0, 3.0, -8.0),
    ],
    "remainder": [
        (nan, 1.0, nan), (1.0, nan, nan), (inf, inf, nan), (-inf, inf, nan), (Z, Z, nan), (N, Z, nan), (Z, 2.0, Z),
        (N, 2.0, Z), (Z, -2.0, N), (N, -2.0, N), (2.0, Z, nan), (inf, 2.0, nan), (-inf, 2.0, nan), (2.0, inf, 2.0),
        (2.0, -inf, -inf), (-2.0, inf, inf), (-2.0, -inf, -2.0), (7.0, -3.0, -2.0), (-7.0, 3.0, 2.0),
    ],
    "subtract": [(nan, 1.0, nan), (inf, inf, nan), (-inf, -inf, nan), (inf, -inf, inf), (N, Z, N), (Z, N, Z)],
    "equal": [(nan, nan, False), (inf, inf, True), (-inf, inf, False), (N, Z, True), (1.0, nan, False)],
    "not_equal": [(nan, nan, True), (inf, inf, False), (N, Z, False), (1.0, nan, True)],
    "less": [(nan, 1.0, False), (1.0, nan, False), (N, Z, False), (-inf, inf, True)],
    "greater_equal": [(nan, 1.0, False), (1.0, nan, False), (N, Z, True), (-inf, inf, False)],
}  # fmt: skip


def c(re: float, im: float) -> complex:
    return complex(re, im)


# Complex numbers: as the standard gives them for each function; a result follows for conjugated arguments.
COMPLEX: dict[str, list[tuple[complex, complex]]] = {
    "abs": [(c(inf, nan), inf), (c(nan, -inf), inf), (c(Z, Z), Z), (c(nan, 1), nan), (c(1, nan), nan)],
    "acos": [
        (c(Z, Z), c(pi / 2, N)), (c(Z, nan), c(pi / 2, nan)), (c(2, inf), c(pi / 2, -inf)), (c(2, nan), c(nan, nan)),
        (c(-inf, 1), c(pi, -inf)), (c(inf, 1), c(Z, -inf)), (c(-inf, inf), c(3 * pi / 4, -inf)),
        (c(inf, inf), c(pi / 4, -inf)), (c(nan, 2), c(nan, nan)), (c(nan, inf), c(nan, -inf)),
    ],
    "acosh": [
        (c(Z, Z), c(Z, pi / 2)), (c(2, inf), c(inf, pi / 2)), (c(2, nan), c(nan, nan)), (c(-inf, 1), c(inf, pi)),
        (c(inf, 1), c(inf, Z)), (c(-inf, inf), c(inf, 3 * pi / 4)), (c(inf, inf), c(inf, pi / 4)),
        (c(inf, nan), c(inf, nan)), (c(-inf, nan), c(inf, nan)), (c(nan, 2), c(nan, nan)), (c(nan, inf), c(inf, nan)),
    ],
    "asinh": [
        (c(Z, Z), c(Z, Z)), (c(2, inf), c(inf, pi / 2)), (c(2, nan), c(nan, nan)), (c(inf, 2), c(inf, Z)),
        (c(inf, inf), c(inf, pi / 4)), (c(inf, nan), c(inf, nan)), (c(nan, Z), c(nan, Z)), (c(nan, 2), c(nan, nan)),
    ],
    "atanh": [
        (c(Z, Z), c(Z, Z)), (c(Z, nan), c(Z, nan)), (c(1, Z), c(inf, Z)), (c(2, inf), c(Z, pi / 2)),
        (c(2, nan), c(nan, nan)), (c(inf, 2), c(Z, pi / 2)), (c(inf, inf), c(Z, pi / 2)), (c(inf, nan), c(Z, nan)),
        (c(nan, 2), c(nan, nan)), (c(nan, nan), c(nan, nan)),
    ],
    "cosh": [
        (c(Z, Z), c(1, Z)), (c(Z, inf), c(nan, Z)), (c(Z, nan), c(nan, Z)), (c(2, inf), c(nan, nan)),
        (c(2, nan), c(nan, nan)), (c(inf, Z), c(inf, Z)), (c(inf, 1), c(inf * math.cos(1), inf * math.sin(1))),
        (c(inf, nan), c(inf, nan)), (c(nan, Z), c(nan, Z)), (c(nan, 2), c(nan, nan)),
    ],
    "exp": [
        (c(Z, Z), c(1, Z)), (c(N, Z), c(1, Z)), (c(2, inf), c(nan, nan)), (c(2, nan), c(nan, nan)),
        (c(inf, Z), c(inf, Z)), (c(-inf, 1), c(Z, Z)), (c(inf, 1), c(inf, inf)), (c(-inf, inf), c(Z, Z)),
        (c(inf, nan), c(inf, nan)), (c(nan, Z), c(nan, Z)), (c(nan, 1), c(nan, nan)), (c(-inf, nan), c(Z, Z)),
    ],
    "expm1": [
        (c(Z, Z), c(Z, Z)), (c(2, inf), c(nan, nan)), (c(2, nan), c(nan, nan)), (c(inf, Z), c(inf, Z)),
        (c(-inf, 1), c(-1, Z)), (c(inf, 1), c(inf, inf)), (c(-inf, inf), c(-1, Z)), (c(inf, nan), c(inf, nan)),
        (c(-inf, nan), c(-1, Z)), (c(nan, Z), c(nan, Z)), (c(nan, 1), c(nan, nan)),
    ],
    "log": [
        (c(N, Z), c(-inf, pi)), (c(Z, Z), c(-inf, Z)), (c(2, inf), c(inf, pi / 2)), (c(2, nan), c(nan, nan)),
        (c(-inf, 1), c(inf, pi)), (c(inf, 1), c(inf, Z)), (c(-inf, inf), c(inf, 3 * pi / 4)),
        (c(inf, inf), c(inf, pi / 4)), (c(inf, nan), c(inf, nan)), (c(nan, 2), c(nan, nan)), (c(nan, inf), c(inf, nan)),
    ],
    "log1p": [
        (c(-1, Z), c(-inf, Z)), (c(2, inf), c(inf, pi / 2)), (c(2, nan), c(nan, nan)), (c(-inf, 1), c(inf, pi)),
        (c(inf, 1), c(inf, Z)), (c(-inf, inf), c(inf, 3 * pi / 4)), (c(inf, inf), c(inf, pi / 4)),
        (c(inf, nan), c(inf, nan)), (c(nan, 2), c(nan, nan)), (c(nan, inf), c(inf, nan)),
    ],
    "sign": [(c(Z, Z), c(Z, Z)), (c(nan, 1), c(nan, nan)), (c(3, 4), c(0.6, 0.8))],
    "sinh": [
        (c(Z, Z), c(Z, Z)), (c(Z, inf), c(Z, nan)), (c(Z, nan), c(Z, nan)), (c(2, inf), c(nan, nan)),
        (c(2, nan), c(nan, nan)), (c(inf, Z), c(inf, Z)), (c(inf, 1), c(inf, inf)), (c(inf, nan), c(inf, nan)),
        (c(nan, Z), c(nan, Z)), (c(nan, 2), c(nan, nan)),
    ],
    "sqrt": [
        (c(Z, Z), c(Z, Z)), (c(2, inf), c(inf, inf)), (c(nan, inf), c(inf, inf)), (c(2, nan), c(nan, nan)),
        (c(-inf, 1), c(Z, inf)), (c(inf, 1), c(inf, Z)), (c(-inf, nan), c(nan, inf)), (c(inf, nan), c(inf, nan)),
        (c(nan, 2), c(nan, nan)),
    ],
    "tanh": [
        (c(Z, Z), c(Z, Z)), (c(2, inf), c(nan, nan)), (c(2, nan), c(nan, nan)), (c(inf, 1), c(1, Z)),
        (c(inf, inf), c(1, Z)), (c(inf, nan), c(1, Z)), (c(nan, Z), c(nan, Z)), (c(nan, 2), c(nan, nan)),
    ],
    "isfinite": [(c(1, 2), True), (c(inf, 2), False), (c(1, nan), False)],
    "isinf": [(c(inf, nan), True), (c(nan, -inf), True), (c(nan, 1), False)],
    "isnan": [(c(inf, nan), True), (c(1, 2), False)],
}  # fmt: skip

# Results whose signs the standard leaves open.
OPEN: dict[str, tuple[complex, ...]] = {
    "cosh": (c(Z, inf), c(Z, nan), c(nan, Z)),
    "exp": (c(-inf, inf), c(-inf, nan)),
    "expm1": (c(-inf, inf), c(-inf, nan)),
    "sign": (c(Z, Z),),
    "sinh": (c(Z, inf), c(Z, nan), c(inf, nan)),
    "sqrt": (c(-inf, nan),),
    "tanh": (c(inf, inf), c(inf, nan)),
}
