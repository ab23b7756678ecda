"""What core's kernels do on a device: functions of float32 within 2 ulp of float64's, columns, new ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import special

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.ir import scalar
from cotan.primitives.define import unary
from cotan.primitives.operands import FLOAT

SPECIAL = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-45, 3e38, -3e38, 0.5, -2.5, 1.5, 8388609], np.float32)
ZEROS = (np.arange(1, 2600) * (np.pi / 2)).astype(np.float32)
"""Next to zeros of sine and cosine."""
FUNCTIONS = {
    "abs": np.abs, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.rint,
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
    "sinh": np.sinh, "cosh": np.cosh, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "sqrt": np.sqrt, "erf": special.erf, "logistic": lambda x: np.exp(-np.logaddexp(0, -x)),
    "exp2": np.exp2, "tan": np.tan, "erfc": special.erfc,
    "lgamma": lambda x: np.where(np.isinf(x), np.inf, special.gammaln(x)),
    "digamma": lambda x: np.where(x == 0, np.nan, special.psi(x)),
}  # fmt: skip


def numbers(count=20_003):
    """Of all magnitudes, the usual ones more often; and special ones."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 32, count // 2, np.uint32).view(np.float32)
    return np.concatenate([SPECIAL, bits, rng.normal(0, 3, count // 2).astype(np.float32)])


def check(found, wanted, bound):
    with np.errstate(all="ignore"):
        wanted, exact = wanted.astype(np.float32), wanted
        step = np.spacing(np.maximum(np.abs(wanted), np.float32(2**-126)))
        errors = np.abs(found.astype(np.float64) - exact) / step
    same = (
        (found == wanted)
        | (np.isnan(found) & np.isnan(wanted))
        | (np.abs(wanted) < 2**-126) & (np.abs(found) < 2**-125)
    )
    assert np.all(same | (errors <= bound)), [
        (found[~same][k], wanted[~same][k]) for k in np.argsort(-errors[~same])[:9]
    ]
    assert np.array_equal(np.signbit(found)[wanted == 0], np.signbit(wanted)[wanted == 0])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, device):
    x = np.concatenate([numbers(), ZEROS])
    function = getattr(cnp, {"round": "rint"}.get(name, name), None) or getattr(lax, name)
    with np.errstate(all="ignore"):
        wanted = FUNCTIONS[name](x.astype(np.float64))
    check(np.asarray(cotan.jit(function)(cotan.device_put(x, device))), wanted, 2)


@pytest.mark.parametrize(("name", "bound"), [("power", 2), ("arctan2", 2), ("fmod", 0)])
def test_functions_of_two(name, bound, device):
    x, y = np.meshgrid(np.concatenate([SPECIAL, numbers(600)]), np.concatenate([SPECIAL, numbers(300)]))
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(x.astype(np.float64), y.astype(np.float64))
    function = cotan.jit(getattr(cnp, name))
    check(np.asarray(function(cotan.device_put(x, device), cotan.device_put(y, device))), wanted, bound)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint32], ids=lambda dtype: dtype.__name__)
def test_integers(dtype, device):
    limits, rng = np.iinfo(dtype), np.random.default_rng(0)
    some = [limits.min, limits.min + 1, limits.max - 1, limits.max, 0, 1, 2, 3, limits.max // 2, limits.max // 2 + 1]
    x, y = np.meshgrid(*(np.append(some, rng.integers(limits.min, limits.max, 40)).astype(dtype) for _ in range(2)))
    x, y = x.ravel(), np.where(rng.random(x.size) < 0.1, ~dtype(0), y.ravel()).astype(dtype)
    bits = lax.population_count
    f = cotan.jit(lambda x, y: (lax.div(x, y), lax.rem(x, y), lax.div(x, dtype(7)), lax.rem(x, dtype(7)), bits(x)))
    found = f(cotan.device_put(x, device), cotan.device_put(y, device))
    np.testing.assert_array_equal(found[4], [bin(bits).count("1") for bits in x.view(f"u{x.itemsize}").tolist()])
    for k, divisor in enumerate((y, np.full_like(y, 7))):
        wide, by = x.astype(object), divisor.astype(object)
        whole = [-1 if not b else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) for a, b in zip(wide, by)]
        np.testing.assert_array_equal(found[2 * k], np.array([q & (2 * limits.max + 1) for q in whole]).astype(dtype))
        np.testing.assert_array_equal(found[2 * k + 1], [a - q * b if b else a for a, q, b in zip(wide, whole, by)])


@pytest.mark.parametrize("shape", [(70, 530), (1030, 40), (3, 300, 9)], ids=str)
def test_reductions_of_columns(shape, device):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = cotan.jit(lambda x: (cnp.sum(x, 0), cnp.var(x, 0), cnp.argmax(x, 0), cotan.nn.softmax(x, 0)))(
        cotan.device_put(x, device)
    )
    powers = np.exp(x - x.max(0))
    wanted = (x.sum(0), x.var(0), x.argmax(0), powers / powers.sum(0))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int16], ids=lambda dtype: dtype.__name__)
def test_transpositions_and_shifts(dtype, device):
    x = np.random.default_rng(0).normal(0, 20, (150, 190)).astype(dtype)
    found = cotan.jit(lambda x: (x.T + x[0], x[::-1, 3:] - x[:, :-3]))(cotan.device_put(x[:, :150], device))
    np.testing.assert_array_equal(found[0], x[:, :150].T + x[0, :150])
    np.testing.assert_array_equal(found[1], x[::-1, 3:150] - x[:, :147])
    wide = cotan.jit(lambda x, y: x.T * 2 + y)(cotan.device_put(x, device), cotan.device_put(x.T.copy(), device))
    np.testing.assert_array_equal(wide, x.T * 2 + x.T)


@pytest.mark.parametrize("dtype", [np.complex64, np.float32, np.int16, np.bool_], ids=lambda dtype: dtype.__name__)
def test_pairs(dtype, device):
    x = np.random.default_rng(0).integers(-3, 4, (3, 2, 1003)).astype(dtype) * dtype(1j if dtype is np.complex64 else 1)
    f = cotan.jit(lambda x: (cnp.stack([x, x[::-1]], -1), x[:, :, 1::2] * x[:, :, :-1:2], x[:, :, ::2][:, :, 500:]))
    there = cotan.device_put(x, device)
    wanted = np.stack([x, x[::-1]], -1), x[:, :, 1::2] * x[:, :, :-1:2], x[:, :, ::2][:, :, 500:]
    for a, b in zip(f(there), wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    shown = ".odd = " if dtype is np.complex64 else ".odd"
    assert shown in f.lower(there).compile().as_text() or not device.queue.found.is_cpu


def test_reductions_of_whole_arrays_are_one_launch(device):
    x = np.random.default_rng(0).integers(0, 9, (700, 900)).astype(np.float32)
    f, on_device = cotan.jit(cnp.sum), [cotan.device_put(x + k, device) for k in range(8)]
    if device.queue.found.is_cpu:
        assert f.lower(on_device[0]).compile().as_text().count("__kernel ") == 1

    def ask(k):
        return {float(y) for y in [f(on_device[k]) for _ in range(100)]}

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [{float((x + k).sum(dtype=np.float64))} for k in range(8)]


def test_a_primitive_from_outside(device):
    softsign_p, softsign = unary(
        "outside_softsign",
        FLOAT,
        reference=lambda x: x / (1 + np.abs(x)),
        kernel=lambda x: scalar.div(x, scalar.add(scalar.const(1, x.dtype), scalar.abs_(x))),
        jvp=lambda t, x, y: lax.mul(t, lax.square(lax.sub(1, lax.abs(y)))),
    )
    x = numbers(2000)[len(SPECIAL) + 1000 :]
    on_device = cotan.device_put(x, device)
    wanted = x / (1 + np.abs(x))
    f = cotan.jit(lambda x: softsign(x) * 2)
    np.testing.assert_allclose(f(on_device), 2 * wanted, rtol=1e-6)
    assert "1 kernel" in f.lower(on_device).compile().as_text()
    np.testing.assert_allclose(softsign(on_device), wanted, rtol=1e-6)
    slopes = cotan.vmap(cotan.grad(softsign))(on_device)
    assert slopes.device is device
    np.testing.assert_allclose(slopes, 1 / (1 + np.abs(x)) ** 2, rtol=1e-5)
    assert softsign_p not in device.backend.lowerings().library
