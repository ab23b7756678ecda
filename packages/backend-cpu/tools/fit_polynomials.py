"""Fit the polynomials of ``cotan_cpu.codegen.math`` and write ``math_tables.py`` there, ``piece_tables.py`` in core.

Every table but those of ``WEIGHTED`` is a Chebyshev interpolant of a function that is smooth on its interval, computed
with 60 digits and then rewritten in powers of the variable (lowest first). Run it after a change:
python tools/fit_polynomials.py
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mpmath import mp, mpf
from numpy.polynomial import Chebyshev, Polynomial
from numpy.polynomial.chebyshev import chebvander

from cotan_cpu.codegen.special import GILES_FAR, GILES_NEAR

mp.dps = 60
PACKAGE = Path(__file__).resolve().parents[1]
CODEGEN = PACKAGE / "src/cotan_cpu/codegen"
SHARED = PACKAGE.parent / "core/src/cotan/compiler"
Function = Callable[[Any], Any]


def fit(function: Function, low: Any, high: Any, degree: int) -> list[Any]:
    """Coefficients, lowest power first, of the interpolant at the Chebyshev nodes of [low, high]."""
    low, high = mpf(low), mpf(high)
    count = degree + 1
    centre, radius = (low + high) / 2, (high - low) / 2
    angles = [mp.pi * (2 * k + 1) / (2 * count) for k in range(count)]
    values = [function(centre + radius * mp.cos(angle)) for angle in angles]
    series = [2 * sum(v * mp.cos(j * a) for v, a in zip(values, angles)) / count for j in range(count)]
    series[0] /= 2
    before: list[Any] = [mpf(1)]
    now: list[Any] = [-centre / radius, 1 / radius]
    line = list(now)
    total = [series[0]] + [mpf(0)] * degree
    for k in range(1, count):
        for power, coefficient in enumerate(now):
            total[power] += series[k] * coefficient
        following = [mpf(0)] * (len(now) + 1)
        for power, coefficient in enumerate(now):
            following[power] += 2 * line[0] * coefficient
            following[power + 1] += 2 * line[1] * coefficient
        for power, coefficient in enumerate(before):
            following[power] -= coefficient
        before, now = now, following
    return total


def fit_weighted(function: Function, weight: Function, low: float, high: float, degree: int) -> list[Any]:
    """Coefficients, lowest power first, of the polynomial whose error times ``weight`` is least where it is largest.

    By Lawson's algorithm, in float64: for tables of float32.
    """
    t = np.cos(np.linspace(np.pi, 0, 2000))
    points = [low + (high - low) / 2 * (1 + float(v)) for v in t]
    exact = np.array([float(function(v)) for v in points])
    weights = np.array([float(weight(v)) for v in points])
    basis, shares = chebvander(t, degree), np.full(len(t), 1 / len(t))
    best, least = np.zeros(degree + 1), np.inf
    for _ in range(300):
        factors = np.sqrt(shares) * weights
        found = np.linalg.lstsq(basis * factors[:, None], exact * factors, rcond=None)[0]
        errors = np.abs(basis @ found - exact) * weights
        if errors.max() < least:
            best, least = found, errors.max()
        shares *= errors
        shares /= shares.sum()
    return list(Chebyshev(best, domain=[low, high]).convert(kind=Polynomial).coef)


def taylor_safe(function: Function, at: Any = 0) -> Function:
    """``function`` where its formula divides zero by zero at ``at``: a limit by a step of 1e-25."""

    def safe(x: Any) -> Any:
        with mp.workdps(120):
            return function(x if abs(x - at) > mpf(10) ** -25 else at + mpf(10) ** -25)

    return safe


def odd(function: Function) -> Function:
    """z -> (f(x)/x - 1)/z for z = x*x, f odd with slope 1."""
    return taylor_safe(lambda z: (function(mp.sqrt(z)) / mp.sqrt(z) - 1) / z)


def erfcx(t: Any) -> Any:
    """exp(x*x) erfc(x) (1 + 2x) where t = (x - 4) / (x + 4)."""
    x = 4 * (1 + t) / (1 - t)
    return mp.exp(x * x) * mp.erfc(x) * (1 + 2 * x)


def erf_inv_over_x(w: Any) -> Any:
    """erf_inv(x)/x as a function of w = -log(1 - x*x)."""
    with mp.workdps(90):
        x = mp.sqrt(-mp.expm1(-w))
        tail = mp.exp(-w) / (1 + x)
        guess = mp.sqrt(w) * mpf("0.85") if w > 1 else x * mp.sqrt(mp.pi) / 2
        root = mp.findroot(lambda y: mp.log(mp.erfc(y) / tail), guess)
        return root / x


HALF_LN2 = mp.log(2) / 2 + mpf("1e-4")
QUARTER_PI2 = (mp.pi / 4 + mpf("1e-4")) ** 2
TABLES: dict[str, tuple[Function, Any, Any, dict[str, int]]] = {
    "exp": (taylor_safe(lambda r: (mp.expm1(r) - r) / r**2), -HALF_LN2, HALF_LN2, {"float": 4, "double": 10}),
    "exp2": (taylor_safe(lambda r: mp.expm1(r * mp.log(2)) / r), -0.5, 0.5, {"float": 6, "double": 12}),
    "log": (
        taylor_safe(lambda f: (mp.log1p(f) - f + f * f / 2) / f**3),
        mp.sqrt(mpf(1) / 2) - 1,
        mp.sqrt(2) - 1,
        {"float": 8},
    ),
    "log_ratio": (
        taylor_safe(lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z),
        0,
        (mp.sqrt(2) - 1) ** 4,
        {"float": 4, "double": 8},
    ),
    "sin": (odd(mp.sin), 0, QUARTER_PI2, {"float": 3, "double": 7}),
    "cos": (taylor_safe(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2), 0, QUARTER_PI2, {"float": 3, "double": 7}),
    "tanh": (odd(mp.tanh), 0, mpf("0.0901"), {"double": 7}),
    "sinh": (odd(mp.sinh), 0, 1, {"float": 3, "double": 8}),
    "atan": (odd(mp.atan), 0, (mp.sqrt(2) - 1) ** 2, {"float": 5, "double": 13}),
    "asin": (odd(mp.asin), 0, mpf("0.25"), {"float": 6, "double": 15}),
    "erf": (taylor_safe(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1), 0, 1, {"float": 6, "double": 14}),
    "erfcx": (erfcx, (mpf("0.45") - 4) / (mpf("0.45") + 4), mpf(24) / 32, {"double": 22}),
    "erfcx_to_10": (erfcx, (mpf("0.45") - 4) / (mpf("0.45") + 4), mpf("6.2") / mpf("14.2"), {"float": 11}),
    "erf_inv_near": (lambda s: erf_inv_over_x(s + mpf("3.125")), mpf("-3.1249999"), mpf("3.125"), {"double": 26}),
    "erf_inv_middle": (lambda s: erf_inv_over_x((s + mpf("3.25")) ** 2), -0.75, 0.75, {"double": 21}),
    "erf_inv_far": (lambda s: erf_inv_over_x((s + 5) ** 2), -1, mpf("1.1"), {"double": 19}),
    "lgamma": (
        taylor_safe(taylor_safe(lambda t: mp.loggamma(2 + t) / (t * (1 + t))), -1),
        -1,
        1,
        {"double": 30},
    ),
}

# What is small beside the rest, or a power's root where the power is, needs to be less exact.
WEIGHTED: dict[str, tuple[Function, Function, float, float, dict[str, int]]] = {
    "tanh": (odd(mp.tanh), lambda z: z, 0.0, 0.0901, {"float": 2}),
    "erfc_root": (
        lambda t: mp.erfc(t + 2) ** 0.25,
        lambda t: 4 * mp.erfc(t + 2) ** 0.75,
        -1.01,
        2.01,
        {"float": 9},
    ),
}


def parts(value: Any, *bits: int) -> list[Any]:
    """``value`` as a sum of numbers of so many bits, each the rest of those before it."""
    found = []
    for count in bits:
        mantissa, exponent = mp.frexp(value)
        piece = mp.ldexp(mp.nint(mp.ldexp(mantissa, count)), int(exponent) - count)
        found.append(piece)
        value -= piece
    return found


PARTS = {
    # Full parts for machines with a fused multiply-add, short ones whose multiples are exact for the others.
    ("pi_half", "float"): parts(mp.pi / 2, 24, 24, 24),
    ("pi_half", "double"): parts(mp.pi / 2, 53, 53, 53),
    ("pi_half_short", "double"): parts(mp.pi / 2, 30, 30, 53),
    ("ln2", "float"): parts(mp.log(2), 12, 24),
    ("ln2", "double"): parts(mp.log(2), 40, 53),
    ("two_thirds", "float"): parts(mpf(2) / 3, 24, 24),
    ("two_thirds", "double"): parts(mpf(2) / 3, 53, 53),
}


Rows = list[list[float]]
"""For each power of the variable the coefficients of 16 or 32 pieces, by the lowest of an argument's leading bits."""


def tanh_pieces(degree: int = 5, clamp: float = 9.25) -> tuple[Rows, Rows]:
    """tanh by pieces of 1 + 1.6 x, and their centres: where tanh is next to a float32, as Gal has tables (1986)."""
    rows, centres = [[0.0] * 16 for _ in range(degree + 1)], [[0.0] * 16]
    for piece in range(16):
        scale, quarter = 2.0 ** (piece // 4), piece % 4
        low, high = ((scale * (1 + q / 4) - 1) / mpf("1.6") for q in (quarter, quarter + 1))
        high = min(high, mpf(clamp)) + mpf(2) ** -20
        centre = mpf(0) if piece == 0 else mpf(_lucky(float((low + high) / 2)))
        if piece == 0:
            found = [mpf(0), mpf(1), *fit(taylor_safe(lambda x: (mp.tanh(x) / x - 1) / x), 0, high, degree - 2)]
        else:
            middle = mp.tanh(centre)

            def slope(x: Any, centre: Any = centre, middle: Any = middle) -> Any:
                return (mp.tanh(x) - middle) / (x - centre)

            fitted = fit(taylor_safe(slope, centre), low - mpf(2) ** -20, high, degree - 1)
            found = [middle, *moved(fitted, centre)]
        place = (piece + 12) % 16
        centres[0][place] = float(centre)
        for row, value in zip(rows, found):
            row[place] = float(value)
    return rows, centres


def value(coefficients: list[Any], x: Any) -> Any:
    """The polynomial's, lowest power first."""
    return functools.reduce(lambda total, c: total * x + c, reversed(coefficients))


def moved(coefficients: list[Any], centre: Any) -> list[Any]:
    """The polynomial's coefficients in the variable less ``centre``."""
    found = []
    for power in range(len(coefficients)):
        found.append(value(coefficients, centre) / mp.factorial(power))
        coefficients = [k * c for k, c in enumerate(coefficients)][1:]
    return found


def _lucky(near: float, function: Callable[[Any], Any] = np.tanh) -> float:
    """Of the 4096 float32 from ``near`` on that whose value of ``function`` lies nearest to a float32."""
    first = np.float32(near).view(np.int32)
    candidates = np.arange(first, first + 4096, dtype=np.int32).view(np.float32)
    exact = function(candidates.astype(np.float64))
    return float(candidates[np.abs(exact.astype(np.float32) - exact).argmin()])


def giles(rest: Any) -> Any:
    """The approximation of erf_inv(x)/x that ``cotan_cpu.codegen.special`` has, where ``rest`` is 1 - x*x."""
    w = -mp.log(rest)
    coefficients, variable = (GILES_NEAR, w - mpf("2.5")) if w < 5 else (GILES_FAR, mp.sqrt(w) - 3)
    return value([mpf(float(np.float32(c))) for c in coefficients], variable)


def erf_inv_pieces(degree: int = 6) -> dict[str, Rows]:
    """``giles`` by halves of the octaves of 1 - x*x - 2**-24, from 2**-16 on, and centres as those of tanh."""
    rows = [[0.0] * 32 for _ in range(degree + 1)]
    centres = [0.0] * 32

    def ratio(rest: Any) -> Any:
        return giles(rest + mpf(2) ** -24)

    for piece in range(32):
        scale, half = mpf(2) ** (piece // 2 - 16), mpf(piece % 2) / 2
        low, high = scale * (1 + half), scale * (mpf("1.5") + half)
        place = (piece + 30) % 32
        centre = _lucky(float((low + high) / 2), np.vectorize(lambda rest: float(ratio(mpf(rest)))))
        centres[place] = centre

        def from_centre(d: Any, centre: float = centre) -> Any:
            return ratio(d + centre)

        for row, found in zip(rows, fit(from_centre, low - centre, high - centre, degree)):
            row[place] = float(found)
    return {"erf_inv_centres": [centres], "erf_inv": rows}


def log_pieces(degree: int = 3) -> dict[str, Rows]:
    """log by sixteenths of the mantissa m: a short c near 1/m, -log(c) as two parts, and (log(1 + r) - r) / r**2.

    The first part of -log(c) has as many bits after the point as that of log(2), so that sums with it are exact. Next
    to 1 the c are 1 and 1/2, so that nothing is left of both; beside, they are so short that r = m c - 1 is exact.
    """
    inverses, logs = [], []
    short = {0: mpf(1), 1: mpf(15) / 16, 14: mpf(17) / 32, 15: mpf(1) / 2}
    for piece in range(16):
        inverse = short.get(piece, mp.nint(256 / (1 + (piece + mpf("0.5")) / 16)) / 256)
        high = PARTS["ln2", "float"][0] if piece == 15 else mp.nint(-mp.log(inverse) * 2**14) / 2**14
        inverses.append(float(inverse))
        logs.append((float(high), float(-mp.log(inverse) - high)))
    low, high = -1 / mpf(29), 1 / mpf(16)
    series = fit(taylor_safe(lambda r: (mp.log1p(r) - r) / r**2), low, high, degree)
    return {
        "log_inverses": [inverses],
        "log_highs": [[pair[0] for pair in logs]],
        "log_lows": [[pair[1] for pair in logs]],
        "log_series": [[float(c) for c in series]],
    }


def turn_pieces() -> dict[str, Rows]:
    """Sines of the multiples of pi/8 in two parts; (sin(d) - d) / d**3 and (cos(d) - 1) / d**2 in d**2."""
    sines = [mp.sin(k * mp.pi / 8) if k % 8 else mpf(0) for k in range(16)]
    highs = [float(np.float32(float(v))) for v in sines]
    last = (mp.pi / 16 + mpf("1e-4")) ** 2
    cosine = taylor_safe(lambda z: (mp.cos(mp.sqrt(z)) - 1) / z)
    return {
        "sines": [highs],
        "sine_rests": [[float(v - mpf(high)) for v, high in zip(sines, highs)]],
        "sine_series": [[float(c) for c in fit(odd(mp.sin), 0, last, 1)]],
        "cosine_series": [[float(c) for c in fit(cosine, 0, last, 2)]],
    }


def written(numbers: list[float]) -> str:
    """A row as float32, four to a line."""
    short = [repr(float(np.float32(x))) for x in numbers]
    lines = [", ".join(short[k : k + 4]) for k in range(0, len(short), 4)]
    return "        (" + ",\n         ".join(lines) + "),"


def main() -> None:
    out = [
        '"""Polynomial coefficients, lowest power first, written by tools/fit_polynomials.py: change that instead."""\n'
    ]
    out.append("TABLES: dict[tuple[str, str], tuple[float, ...]] = {")
    for key, numbers in PARTS.items():
        out.append(f'    ("{key[0]}", "{key[1]}"): (')
        out.extend(f"        {float(value)!r}," for value in numbers)
        out.append("    ),")
    fits = [
        (name, kind, fit(f, *ends, n)) for name, (f, *ends, degrees) in TABLES.items() for kind, n in degrees.items()
    ]
    fits += [
        (name, kind, fit_weighted(f, weight, *ends, n))
        for name, (f, weight, *ends, degrees) in WEIGHTED.items()
        for kind, n in degrees.items()
    ]
    for name, kind, found in fits:
        values = [float(v) for v in found]
        out.append(f'    ("{name}", "{kind}"): (')
        out.extend(f"        {value!r}," for value in values)
        out.append("    ),")
    out.append("}\n")
    (CODEGEN / "math_tables.py").write_text("\n".join(out))
    write_pieces()


def write_pieces() -> None:
    tanh, centres = tanh_pieces()
    tables = {"tanh": tanh, "tanh_centres": centres, **erf_inv_pieces(), **log_pieces(), **turn_pieces()}

    out = [
        '"""Coefficients of pieces for each power of the variable, written by fit_polynomials.py."""',
        "",
        "# fmt: off",
        "PIECES: dict[str, tuple[tuple[float, ...], ...]] = {",
    ]
    for name, rows in tables.items():
        out += [f'    "{name}": (', *map(written, rows), "    ),"]
    (SHARED / "piece_tables.py").write_text("\n".join([*out, "}", "# fmt: on", ""]))


if __name__ == "__main__":
    main()
