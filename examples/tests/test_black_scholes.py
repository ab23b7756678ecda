"""Greeks against differences of an independent price, which checks the closed forms as well; then all against these."""

from __future__ import annotations

import black_scholes
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from black_scholes import Market

import cotan
from cotan import random

MARKET = Market(95.0, 0.25, 0.7, 0.04)


@pytest.fixture(autouse=True)
def doubles():
    with cotan.enable_x64():
        yield


def integrated_price(market, strike):
    """The discounted mean of what the option is worth in the end, by quadrature."""
    spot, volatility, time, rate = market
    width = volatility * np.sqrt(time)
    middle = np.log(spot) + (rate - volatility**2 / 2) * time
    least = (np.log(strike) - middle) / width
    worth = scipy.integrate.quad(
        lambda z: (np.exp(middle + width * z) - strike) * scipy.stats.norm.pdf(z), least, least + 20, epsabs=1e-13
    )
    return np.exp(-rate * time) * worth[0]


@pytest.mark.parametrize("strike", [80.0, 95.0, 130.0])
def test_the_price_is_the_discounted_mean(strike):
    np.testing.assert_allclose(black_scholes.price(MARKET, strike), integrated_price(MARKET, strike), rtol=1e-9)


@pytest.mark.parametrize(("greek", "field", "sign"), [
    ("delta", "spot", 1), ("vega", "volatility", 1), ("theta", "time", -1), ("rho", "rate", 1),
])  # fmt: skip
def test_slopes_are_differences_of_the_integrated_price(greek, field, sign):
    middle, h = getattr(MARKET, field), 1e-3
    ends = [integrated_price(MARKET._replace(**{field: middle + step}), 100.0) for step in (-h, h)]
    expected = sign * (ends[1] - ends[0]) / (2 * h)
    np.testing.assert_allclose(black_scholes.greeks(MARKET, 100.0)[greek], expected, rtol=1e-4)


@pytest.mark.parametrize("strike", [70.0, 95.0, 120.0])
def test_greeks_are_the_closed_forms(strike):
    found, expected = black_scholes.greeks(MARKET, strike), black_scholes.closed_forms(MARKET, strike)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("strike", [60.0, 95.0, 150.0])
def test_the_implied_volatility_is_the_one_that_was_priced_and_has_the_slopes_of_an_inverse(strike):
    paid = black_scholes.price(MARKET, strike)
    unknown = MARKET._replace(volatility=0.0)
    find = cotan.jit(cotan.value_and_grad(black_scholes.implied_volatility, argnums=(0, 1)))
    volatility, (by_paid, by_market) = find(paid, unknown, strike)
    greeks = black_scholes.closed_forms(MARKET, strike)
    np.testing.assert_allclose(volatility, MARKET.volatility, rtol=1e-9)
    np.testing.assert_allclose(by_paid, 1 / greeks["vega"], rtol=1e-7)
    np.testing.assert_allclose(by_market.spot, -greeks["delta"] / greeks["vega"], rtol=1e-7)


def test_random_paths_have_the_price_and_the_slopes_within_their_errors():
    paths = 200_000
    value, slopes = cotan.value_and_grad(black_scholes.monte_carlo, argnums=1)(random.key(5), MARKET, 100.0, paths)
    greeks = black_scholes.closed_forms(MARKET, 100.0)
    assert abs(float(value) - float(black_scholes.price(MARKET, 100.0))) < 4 * 15 / np.sqrt(paths)
    assert abs(float(slopes.spot) - greeks["delta"]) < 4 * 0.7 / np.sqrt(paths)
    assert abs(float(slopes.volatility) - greeks["vega"]) < 4 * 60 / np.sqrt(paths)


def test_the_program_finds_no_error(tmp_path):
    errors = black_scholes.main(["--points", "21", "--paths", "1000", "--out", str(tmp_path)])
    assert max(errors.values()) < 1e-9
    assert (tmp_path / "black_scholes.png").read_bytes()[:4] == b"\x89PNG"
