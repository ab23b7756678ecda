"""Compute the coefficients of special functions: Chebyshev series, and Temme's expansion of the incomplete gamma.

Writes ``primitives/special_tables.py`` and ``scipy/special_tables.py``, with 40 digits of mpmath behind them. Run it
after a change: python tools/fit_special.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpmath import mp, mpf

mp.dps = 40
Function = Callable[[Any], Any]
ROOT = Path(__file__).parent.parent / "src" / "cotan"


def chebyshev(function: Function, count: int = 96, drop: float = 2e-17) -> list[Any]:
    """Coefficients on [-1, 1], lowest degree first, the first one halved; those below ``drop`` are left out."""
    angles = [mp.pi * (2 * k + 1) / (2 * count) for k in range(count)]
    values = [function(mp.cos(angle)) for angle in angles]
    series = [2 * sum(v * mp.cos(j * a) for v, a in zip(values, angles)) / count for j in range(count)]
    series[0] /= 2
    largest = max(map(abs, series))
    while abs(series[-1]) < drop * largest:
        series.pop()
    if len(series) > count - 8:
        raise ValueError(f"{count} nodes are too few")
    return series


def over(low: Any, high: Any, function: Function) -> list[Any]:
    """The series of ``function`` on [low, high]."""
    middle, radius = (mpf(low) + high) / 2, (mpf(high) - low) / 2
    return chebyshev(lambda t: function(middle + radius * t))


def ei(x: Any) -> Any:
    return x * mp.exp(-x) * mp.ei(x)


def inverse(function: Function) -> Function:
    """Of u = 1 / x, with the limit 1 at infinity."""
    return lambda u: function(1 / u)


def sici_parts(x: Any) -> tuple[Any, Any]:
    """x f and x**2 g, of which Si = pi/2 - f cos - g sin and Ci = f sin - g cos."""
    si, ci = mp.si(x) - mp.pi / 2, mp.ci(x)
    sine, cosine = mp.sin(x), mp.cos(x)
    return x * (ci * sine - si * cosine), -x * x * (ci * cosine + si * sine)


def fresnel_parts(x: Any) -> tuple[Any, Any]:
    """pi x f and pi**2 x**3 g, of which S = 1/2 - f cos - g sin and C = 1/2 + f sin - g cos at pi x**2 / 2."""
    s, c = mp.fresnels(x) - mpf(1) / 2, mp.fresnelc(x) - mpf(1) / 2
    sine, cosine = mp.sin(mp.pi * x * x / 2), mp.cos(mp.pi * x * x / 2)
    return mp.pi * x * (c * sine - s * cosine), -(mp.pi**2) * x**3 * (c * cosine + s * sine)


def dawson(x: Any) -> Any:
    return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)


def temme(orders: int, terms: int) -> list[list[Any]]:
    """Taylor coefficients in eta of c_0 .. of Temme's expansion (DLMF 8.12.8), lowest power first."""
    length = terms + 2 * orders + 3
    # mu = lambda - 1 as a series in eta, from mu - log(1 + mu) = eta**2 / 2, so that mu' mu = eta (1 + mu).
    mu = [mpf(0), mpf(1)]
    for n in range(2, length + 1):
        known = sum(k * mu[k] * mu[n + 1 - k] for k in range(2, n))
        mu.append((mu[n - 1] - known) / (n + 1))
    # 1 / mu = (1 / eta) r
    shifted, r = mu[1:], [mpf(1)]
    for n in range(1, length):
        r.append(-sum(shifted[k] * r[n - k] for k in range(1, n + 1)))
    pole = r  # of 1/mu: the coefficients of eta**-1, eta**0, ...
    stirling = [mpf(1)]  # gamma*(a) = sum of g_k a**-k, from the series of log gamma
    logs = [mpf(0)] + [mp.bernoulli(k + 1) / ((k + 1) * k) if k % 2 else mpf(0) for k in range(1, orders + 1)]
    for n in range(1, orders + 1):
        stirling.append(sum(k * logs[k] * stirling[n - k] for k in range(1, n + 1)) / n)
    found = [pole[1:]]
    for k in range(1, orders):
        before = found[-1]
        # (1/eta) c' + (-1)**k g_k / mu: the terms eta**-1 cancel.
        line = [(n + 2) * before[n + 2] for n in range(len(before) - 2)]
        found.append([c + (-1) ** k * stirling[k] * pole[n + 1] for n, c in enumerate(line)])
        assert abs(before[1] + (-1) ** k * stirling[k] * pole[0]) < mpf(10) ** -25
    return [row[: max(terms - 2 * k, 4)] for k, row in enumerate(found)]


def written(name: str, coefficients: list[Any]) -> str:
    lines, line = [], "   "
    for c in coefficients:
        word = f" {float(c)!r},"
        if len(line) + len(word) > 118:
            lines.append(line)
            line = "   "
        line += word
    return f"{name} = (\n" + "\n".join([*lines, line]) + "\n)  # fmt: skip\n"


def write(path: str, head: str, tables: dict[str, list[Any]]) -> None:
    body = "\n".join(written(name, table) for name, table in tables.items())
    (ROOT / path).write_text(
        f'"""{head}\n\nWritten by tools/fit_special.py; Chebyshev series, lowest degree first.\n"""\n\n{body}'
    )


def main() -> None:
    primitives = {
        "I0E": over(0, 8, lambda x: mp.exp(-x) * mp.besseli(0, x)),
        "I0E_FAR": over(0, mpf(1) / 8, lambda u: mp.exp(-1 / u) * mp.besseli(0, 1 / u) / mp.sqrt(u)),
        "I1E": over(0, 8, lambda x: mp.exp(-x) * mp.besseli(1, x) / x),
        "I1E_FAR": over(0, mpf(1) / 8, lambda u: mp.exp(-1 / u) * mp.besseli(1, 1 / u) / mp.sqrt(u)),
    }
    rows = temme(13, 30)
    primitives.update({f"TEMME_{k}": row for k, row in enumerate(rows)})
    write(
        "primitives/special_tables.py",
        "Coefficients of Bessel functions and of the incomplete gamma functions.",
        primitives,
    )
    functions = {
        "E1": over(mpf(1) / 4, 1, inverse(lambda x: x * mp.exp(x) * mp.e1(x))),
        "E1_FAR": over(0, mpf(1) / 4, inverse(lambda x: x * mp.exp(x) * mp.e1(x))),
        "EI": over(6, 12, ei),
        "EI_MIDDLE": over(mpf(1) / 24, mpf(1) / 12, inverse(ei)),
        "EI_FAR": over(mpf(1) / 48, mpf(1) / 24, inverse(ei)),
        "EI_FARTHEST": over(0, mpf(1) / 48, inverse(ei)),
        "SICI_F": over(0, 1, lambda v: sici_parts(4 / mp.sqrt(v))[0]),
        "SICI_G": over(0, 1, lambda v: sici_parts(4 / mp.sqrt(v))[1]),
        "FRESNEL_F": over(0, 1, lambda v: fresnel_parts(mpf("1.6") / v ** (mpf(1) / 4))[0]),
        "FRESNEL_G": over(0, 1, lambda v: fresnel_parts(mpf("1.6") / v ** (mpf(1) / 4))[1]),
        "DAWSON": over(0, 4, lambda w: dawson(mp.sqrt(w)) / mp.sqrt(w)),
        "DAWSON_MIDDLE": over(2, 5, dawson),
        "DAWSON_FAR": over(0, mpf(1) / 25, lambda v: dawson(1 / mp.sqrt(v)) / mp.sqrt(v)),
    }
    write("scipy/special_tables.py", "Coefficients of integrals and error functions.", functions)
    for name, table in {**primitives, **functions}.items():
        print(name, len(table))


if __name__ == "__main__":
    main()
