"""cotan.test_util: steps, tolerances by dtype, modes, and derivatives of derivatives across them."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import test_util

X = np.linspace(-1, 2, 12, dtype=np.float32).reshape(3, 4)
COARSE = {"eps": 1e-2, "atol": 1e-2, "rtol": 1e-2}


@cotan.custom_jvp
def sine(x):
    return cnp.sin(x)


@cotan.custom_jvp
def wrong_cosine(x):
    return cnp.cos(x)


# The first derivative of sine is right, the second has the wrong sign.
sine.defjvp(lambda primals, tangents: (sine(*primals), tangents[0] * wrong_cosine(*primals)))
wrong_cosine.defjvp(lambda primals, tangents: (wrong_cosine(*primals), tangents[0] * cnp.sin(primals[0])))


@pytest.mark.parametrize("modes", ["fwd", "rev", "lin", ("fwd",), ["rev", "lin"], "fwd,rev", ("fwd", "rev", "lin")])
def test_modes_are_names_or_one(modes):
    test_util.check_grads(lambda x, y: {"z": cnp.sin(x["a"]) * y[0]}, ({"a": X}, [X]), 2, modes=modes, **COARSE)
    test_util.check_grads(sine, (X[0],), 1, modes=modes, **COARSE)
    with pytest.raises(AssertionError, match="differs from differences"):
        test_util.check_grads(sine, (X[0],), 2, modes=modes, **COARSE)


@pytest.mark.parametrize("modes", [("fwd", "rev"), ("rev", "lin"), ("lin", "fwd")])
def test_modes_are_mixed(modes, monkeypatch):
    said = []
    for name, (_, *rest) in dict(test_util._CHECKS).items():
        monkeypatch.setitem(test_util._CHECKS, name, (lambda *args: said.append(args[-1]), *rest))
    test_util.check_grads(cnp.sin, (0.5,), 2, modes=modes)
    assert sorted(said) == sorted([*modes, *(f"{a} of {b}" for a in modes for b in modes)])


def test_an_order_of_mixed_modes_is_a_derivative():
    test_util.check_grads(lambda x, n: cnp.exp(x / 3) * n, (X, 3), 3, **COARSE)


def test_functions_are_evaluated_a_step_to_both_sides():
    points = []

    def f(x):
        points.append(float(x))
        return x

    test_util.check_jvp(f, lambda p, t: (p[0], t[0]), (1.0,), eps=0.25)
    step = 0.25 * np.random.RandomState(0).standard_normal()
    np.testing.assert_allclose(points[1:], [1 + step, 1 - step])


# dtype, error of the tangent, tolerances; whether that passes.
TOLERANCES = [
    ("float32", 1e-3, {}, True),
    ("float32", 5e-3, {}, False),
    ("float32", 5e-3, {"atol": 1e-2}, True),
    ("float32", 5e-3, {"atol": {np.float32: 1e-2}}, True),
    ("float32", 5e-3, {"atol": {np.float64: 1e-2}}, False),
    ("float32", 5e-3, {"rtol": {"float32": 1e-1}}, True),
    ("float32", 1e-3, {"atol": 0, "rtol": 0}, False),
    ("float16", 5e-3, {}, True),
    ("float16", 5e-2, {}, False),
    ("bfloat16", 5e-2, {}, True),
    ("bfloat16", 5e-1, {}, False),
    ("complex64", 5e-4, {}, True),
    ("complex64", 5e-3, {}, False),
    ("float8_e4m3fn", 5e-2, {}, True),
    ("float8_e4m3fn", 1.0, {}, False),
]


@pytest.mark.parametrize(("dtype", "error", "tolerances", "passes"), TOLERANCES)
def test_tolerances_go_by_dtype(dtype, error, tolerances, passes):
    zero = cnp.zeros((), dtype)

    def moved(primals, tangents):  # the differences of a constant are 0
        return zero, cnp.asarray(error, dtype)

    check = functools.partial(test_util.check_jvp, lambda x: zero * 1, moved, (zero,))
    if tolerances.get("rtol"):  # relative to a derivative of 1
        unit = np.float32(np.random.RandomState(0).standard_normal())
        check = functools.partial(test_util.check_jvp, lambda x: x, lambda p, t: (p[0], t[0] + error * unit), (zero,))
    if passes:
        check(eps=1e-2, **tolerances)
    else:
        with pytest.raises(AssertionError, match="check_jvp: the derivative differs"):
            check(eps=1e-2, **tolerances)


def test_tolerances_grow_with_the_size():
    def check(n):
        test_util.check_jvp(lambda x: x, lambda p, t: (p[0], t[0] + 0.01), (np.zeros(n, np.float32),), rtol=1e-9)

    check(100)
    with pytest.raises(AssertionError):
        check(1)


def test_infinities_on_both_sides_have_no_slope():
    test_util.check_grads(lambda x: cnp.where(x > -9, cnp.inf, x), (X,), 1)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: test_util.check_grads(cnp.sin, (1.0,), 1, modes="up"), ValueError, "unknown mode 'up'"),
        (lambda: test_util.check_grads(cnp.sin, (1.0,), 1, modes=("fwd", "up")), ValueError, "unknown mode 'up'"),
        (
            lambda: test_util.check_jvp(lambda x: x, lambda p, t: (p[0], 2 * t[0]), (1.0,), err_msg="of mine"),
            AssertionError,
            "check_jvp: of mine; the derivative differs",
        ),
        (
            lambda: test_util.check_jvp(lambda x: x, lambda p, t: (p[0], t[0] * np.ones(2)), (1.0,)),
            AssertionError,
            r"check_jvp: got float\d+\[2\] where float32\[\] is due",
        ),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
