"""The price of an option after Black and Scholes, and its greeks: derivatives of any order, by ``grad`` of ``grad``,
``jacfwd`` and ``vmap``; then the way back, from prices to volatilities, with a derivative too.

python examples/black_scholes.py

(F. Black and M. Scholes, "The pricing of options and corporate liabilities", 1973.)
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import grad, jacfwd, jit, lax, random, vmap
from cotan.scipy.stats import norm


class Market(NamedTuple):
    """What a price depends on, besides the strike."""

    spot: float
    volatility: float
    time: float
    rate: float


def price(market, strike):
    """A call: the right to buy at the strike when the time has passed."""
    spot, volatility, time, rate = market
    width = volatility * cnp.sqrt(time)
    d1 = (cnp.log(spot / strike) + rate * time) / width + width / 2
    return spot * norm.cdf(d1) - strike * cnp.exp(-rate * time) * norm.cdf(d1 - width)


def greeks(market, strike):
    """Slopes and curvatures by name, each a derivative of ``price``."""
    slopes = grad(price)(market, strike)
    # All curvatures at once: the Jacobian of the gradient is a Market of Markets.
    curvatures = jacfwd(grad(price))(market, strike)
    return {
        "delta": slopes.spot,
        "vega": slopes.volatility,
        "theta": -slopes.time,
        "rho": slopes.rate,
        "gamma": curvatures.spot.spot,
        "vanna": curvatures.spot.volatility,
        "volga": curvatures.volatility.volatility,
        "charm": -curvatures.spot.time,
        # The third order, by one more grad.
        "speed": grad(grad(grad(lambda spot: price(market._replace(spot=spot), strike))))(market.spot),
    }


def closed_forms(market, strike):
    """The greeks as textbooks have them, without cotan."""
    spot, volatility, time, rate = market
    root = np.sqrt(time)
    d1 = (np.log(spot / strike) + rate * time) / (volatility * root) + volatility * root / 2
    d2 = d1 - volatility * root
    cdf, density = np.vectorize(NormalDist().cdf), np.exp(-(d1**2) / 2) / np.sqrt(2 * np.pi)
    discount = np.exp(-rate * time)
    gamma = density / (spot * volatility * root)
    return {
        "delta": cdf(d1),
        "vega": spot * density * root,
        "theta": -spot * density * volatility / (2 * root) - rate * strike * discount * cdf(d2),
        "rho": strike * time * discount * cdf(d2),
        "gamma": gamma,
        "vanna": -density * d2 / volatility,
        "volga": spot * density * root * d1 * d2 / volatility,
        "charm": -density * (2 * rate * time - d2 * volatility * root) / (2 * time * volatility * root),
        "speed": -gamma / spot * (d1 / (volatility * root) + 1),
    }


def implied_volatility(paid, market, strike):
    """The volatility at which the option costs what was paid, by Newton's method. What derivatives it has follows from
    the equation that it solves (``lax.custom_root``), not from the steps."""

    def excess(volatility):
        return price(market._replace(volatility=volatility), strike) - paid

    def newton(f, volatility):
        def step(state):
            volatility, _ = state
            move = f(volatility) / grad(f)(volatility)
            return volatility - move, cnp.abs(move)

        return lax.while_loop(lambda state: state[1] > 1e-10, step, (volatility, np.inf))[0]

    # Where vega is greatest the price has its inflexion, from where Newton's method always arrives.
    start = cnp.sqrt(2 * cnp.abs(cnp.log(market.spot / strike) + market.rate * market.time) / market.time)
    return lax.custom_root(excess, cnp.maximum(start, 0.1), newton, lambda f, y: y / f(1.0))


def monte_carlo(key, market, strike, paths: int):
    """The price as a mean over random ends; the same in every derivative, so delta and vega come by ``grad``."""
    spot, volatility, time, rate = market
    shocks = random.normal(key, (paths,)) * cnp.sqrt(time)
    ends = spot * cnp.exp((rate - volatility**2 / 2) * time + volatility * shocks)
    return cnp.exp(-rate * time) * cnp.mean(cnp.maximum(ends - strike, 0))


def plot(path: Path, spots, curves, times, strike: float) -> None:
    """Every greek over the spot, a line for each time that is left."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(3, 3, figsize=(11, 8), sharex=True, layout="constrained")
    for axes, (name, curve) in zip(panels.ravel(), curves.items(), strict=True):
        for time, line in zip(times, np.asarray(curve), strict=True):
            axes.plot(spots, line, label=f"{time:g} years")
        axes.set(title=name)
        axes.grid(alpha=0.3)
    panels[0, 0].legend()
    figure.supxlabel(f"spot (strike {strike:g})")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns the largest error of each greek, relative to its largest value, and of what else is printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=201, help="spots between 50 and 150")
    parser.add_argument("--paths", type=int, default=1_000_000, help="random paths of the Monte Carlo price")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args(arguments)

    strike, times, spots = 100.0, np.array([0.1, 0.5, 1.0]), np.linspace(50.0, 150.0, options.points)
    with cotan.enable_x64():
        over_spots = vmap(greeks, in_axes=(Market(0, None, None, None), None))
        over_times = vmap(over_spots, in_axes=(Market(None, None, 0, None), None))
        curves = jit(over_times)(Market(spots, 0.2, times, 0.03), strike)
        expected = closed_forms(Market(spots, 0.2, times[:, None], 0.03), strike)
        errors = {n: float(np.max(np.abs(curves[n] - e)) / np.max(np.abs(e))) for n, e in expected.items()}
        for name, error in errors.items():
            print(f"{name}: largest error {error:.1e} of the largest value")

        market = Market(105.0, 0.2, 0.5, 0.03)
        solve = jit(cotan.value_and_grad(implied_volatility))
        volatility, slope = solve(price(market, strike), market._replace(volatility=0.0), strike)
        one_over_vega = 1 / float(greeks(market, strike)["vega"])
        print(f"implied volatility {volatility:.12f}, its slope {slope:.8f}, 1 / vega {one_over_vega:.8f}")
        simulate = jit(grad(monte_carlo, argnums=1), static_argnums=3)
        slopes = simulate(random.key(options.seed), market, strike, options.paths)
        print(
            f"delta of {options.paths} paths {slopes.spot:.4f}, closed form {closed_forms(market, strike)['delta']:.4f}"
        )
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "black_scholes.png"
    plot(path, spots, {name: curves[name] for name in expected}, times, strike)
    print(f"wrote {path}")
    return errors | {"implied": abs(float(volatility) - 0.2), "slope": abs(float(slope) - one_over_vega)}


if __name__ == "__main__":
    main()
