"""Facts about primitives that are promised in words: kinks and ties, edges, published vectors, scalars, refusals."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cotan.config import config
from cotan.ir.avals import get_aval
from cotan.primitives import arithmetic as a
from cotan.primitives import cast, compare, cumulative, random_bits, reduce, sort, special, transcendental
from cotan.primitives.operands import quiet
from cotan.structural import Zero
from cotan.testing.operators.table import assert_close, edges, values
from cotan.transforms.jvp import jvp_flat
from cotan.transforms.stage import stage_to_jaxpr


def slope(function: Any, x: Any) -> Any:
    """The derivative of a function of one number, in forward mode."""
    x = np.asarray(x)
    _, (t,) = jvp_flat(lambda x: [function(x)], [x], [np.ones_like(x)])
    return 0.0 if isinstance(t, Zero) else np.asarray(t)[()]


# ---- Derivatives at kinks and ties


@pytest.mark.parametrize(
    ("function", "at", "wanted"),
    [
        (a.abs, 0.0, 1.0),
        (a.abs, -0.0, 1.0),
        (a.sqrt, 0.0, np.inf),
        (lambda x: a.max(x, 0.0), 0.0, 0.5),
        (lambda x: a.max(0.0, x), 0.0, 0.5),
        (lambda x: a.min(x, 0.0), 0.0, 0.5),
        (lambda x: a.max(x, 0.0), 1.0, 1.0),
        (lambda x: a.max(x, 0.0), -1.0, 0.0),
        (lambda x: a.clamp(-1.0, x, 1.0), 0.5, 1.0),
        (lambda x: a.clamp(-1.0, x, 1.0), 2.0, 0.0),
        (lambda x: a.pow(x, 0.0), 0.0, np.nan),
        (lambda x: a.pow(x, 0), 0.0, 0.0),
        (lambda x: a.integer_pow(x, 0), 0.0, 0.0),
        (lambda x: a.integer_pow(x, 2), 0.0, 0.0),
        (a.sign, 0.0, 0.0),
        (a.cbrt, 0.0, np.inf),
        (a.rsqrt, 0.0, -np.inf),
        (a.floor, 0.5, 0.0),
        (cast.stop_gradient, 0.5, 0.0),
        (lambda x: a.mul(x, cast.stop_gradient(x)), 3.0, 3.0),
    ],
)
def test_derivatives_at_kinks_and_ties(function: Any, at: float, wanted: float) -> None:
    np.testing.assert_equal(slope(function, at), wanted)


def test_tied_maxima_share_the_derivative() -> None:
    x, t = np.array([3.0, 1.0, 3.0]), np.array([1.0, 10.0, 5.0])
    _, (out,) = jvp_flat(lambda x: [reduce.reduce_max(x, (0,))], [x], [t])
    assert out == 3.0


def test_cumlogsumexp_has_a_derivative_next_to_minus_infinity() -> None:
    x = np.array([-np.inf, 0.0, 1.0])
    _, (t,) = jvp_flat(lambda x: [cumulative.cumlogsumexp(x, axis=0)], [x], [np.ones(3)])
    np.testing.assert_allclose(t[1:], [1.0, 1.0])


def test_conjugated_derivatives_of_complex_numbers() -> None:
    """d|z| along a direction is the component of the direction."""
    z = np.array(3 + 4j)
    _, (t,) = jvp_flat(lambda z: [a.abs(z)], [z], [np.array(1.0 + 0j)])
    np.testing.assert_allclose(t, 0.6)


# ---- Edges of arithmetic


def test_integers_divide_by_zero_without_warning() -> None:
    x = np.array([-7, 0, 7], np.int32)
    np.testing.assert_array_equal(a.div(x, np.int32(0)), [-1, -1, -1])
    np.testing.assert_array_equal(a.rem(x, np.int32(0)), x)
    np.testing.assert_array_equal(a.div(np.array([5], np.uint8), np.uint8(0)), [255])
    np.testing.assert_array_equal(a.div(x, np.int32(2)), [-3, 0, 3])
    np.testing.assert_array_equal(a.rem(x, np.int32(2)), [-1, 0, 1])
    least = np.array([-(2**31)], np.int32)
    np.testing.assert_array_equal(a.div(least, np.int32(-1)), least)
    np.testing.assert_array_equal(a.rem(least, np.int32(-1)), [0])


def test_floats_become_integers_by_saturation() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 300.7, -300.7, 2.9, -2.9], np.float32)
    np.testing.assert_array_equal(cast.convert_element_type(x, np.int32), [0, 2**31 - 1, -(2**31), 300, -300, 2, -2])
    np.testing.assert_array_equal(cast.convert_element_type(x, np.uint8), [0, 255, 0, 255, 0, 2, 0])
    np.testing.assert_array_equal(cast.convert_element_type(x, np.int8), [0, 127, -128, 127, -128, 2, -2])


def test_rounding_at_the_half() -> None:
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999997], np.float32)
    even = a.round(x, a.RoundingMethod.TO_NEAREST_EVEN)
    away = a.round(x, a.RoundingMethod.AWAY_FROM_ZERO)
    np.testing.assert_array_equal(even, [-2, -2, 0, 0, 2, 2, 0])
    np.testing.assert_array_equal(away, [-3, -2, -1, 1, 2, 3, 0])


def test_no_reference_warns() -> None:
    """Warnings are errors here: what is not finite is a value like any other."""
    x = edges(np.float32)
    for function in (
        transcendental.exp,
        transcendental.log,
        a.sqrt,
        a.rsqrt,
        special.erf_inv,
        transcendental.logistic,
        special.lgamma,
    ):
        function(x)
    a.mul(x, x)
    a.div(x, np.zeros_like(x))
    cast.convert_element_type(x, np.float16)


def test_quiet_may_be_entered_twice() -> None:
    with np.errstate(all="raise"):
        assert np.isnan(quiet(lambda: quiet(np.sqrt, np.float64(-1))))
        with pytest.raises(FloatingPointError):
            np.sqrt(np.float64(-1))


def test_errors_inside_of_quiet_arrive() -> None:
    def fail() -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        quiet(fail)


def test_sums_of_narrow_floats_are_formed_in_float32() -> None:
    x = np.full(4096, 0.1, ml_dtypes.bfloat16)
    exact = np.sum(x.astype(np.float64))
    assert_close(reduce.reduce_sum(x, (0,)), exact.astype(ml_dtypes.bfloat16), 1)


def test_a_long_product_and_its_derivative_at_zeros() -> None:
    x = np.array([2.0, 0.0, 5.0])
    _, (t,) = jvp_flat(lambda x: [reduce.reduce_prod(x, (0,))], [x], [np.array([1.0, 1.0, 1.0])])
    assert t == 10.0


def test_top_k_of_ties_and_nans() -> None:
    found, places = sort.top_k(np.array([1, np.nan, 5, 5, 2], np.float32), 3)
    np.testing.assert_array_equal(found, [np.nan, 5, 5])
    np.testing.assert_array_equal(places, [1, 2, 3])


# ---- Threefry


@pytest.mark.parametrize(
    ("counter", "key", "wanted"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_published_vectors(counter: Any, key: Any, wanted: Any) -> None:
    operands = [np.uint32(v) for v in (*key, *counter)]
    assert [int(x) for x in random_bits.threefry2x32(*operands)] == list(wanted)
    rows = [np.full(20000, v, np.uint32) for v in counter]
    for found, want in zip(random_bits.threefry2x32(*operands[:2], *rows), wanted, strict=True):
        assert found.dtype == np.uint32
        assert np.all(found == want)


def test_keys_wrap_and_unwrap() -> None:
    words = np.array([[1, 2], [3, 4]], np.uint32)
    keys = random_bits.random_wrap(words)
    assert str(get_aval(keys).dtype) == "key<fry>"
    assert get_aval(keys).shape == (2,)
    np.testing.assert_array_equal(random_bits.random_unwrap(keys), words)


def test_keys_are_chosen_whole() -> None:
    first, second = (random_bits.random_wrap(np.array([[n, n + 1], [n + 2, n + 3]], np.uint32)) for n in (0, 10))
    chosen = compare.select_n(np.array([False, True]), first, second)
    np.testing.assert_array_equal(random_bits.random_unwrap(chosen), [[0, 1], [12, 13]])


# ---- Scalars


def test_python_scalars_take_the_dtype_of_the_other_operand() -> None:
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float32, np.complex64, np.int8, np.uint32):
        x = np.ones(3, dtype)
        assert a.add(x, 1).dtype == dtype
        assert a.add(1, x).dtype == dtype
    assert compare.select(np.array([True, False]), 1, np.float32([2, 3])).dtype == np.float32
    assert a.clamp(0, np.float32([2, 3]), 1).dtype == np.float32


def test_weakness_survives_operations_with_python_scalars() -> None:
    jaxpr, _ = stage_to_jaxpr(lambda x: [a.mul(x, 2), a.mul(2.0, x), a.add(x, np.float64(1))], [get_aval(1.0)])
    assert [aval.weak_type for aval in jaxpr.out_avals] == [True, True, False]
    jaxpr, _ = stage_to_jaxpr(lambda x: [a.mul(x, 2)], [get_aval(np.float64(1))])
    assert not jaxpr.out_avals[0].weak_type


def test_scalars_stand_for_any_shape_without_being_broadcast() -> None:
    jaxpr, _ = stage_to_jaxpr(lambda x: [a.add(a.mul(x, 2.0), 1.0)], [get_aval(values(3))])
    assert [eqn.primitive.name for eqn in jaxpr.eqns] == ["mul", "add"]


def test_large_python_integers() -> None:
    with config.override(enable_x64=False), pytest.raises(OverflowError, match="does not fit in int32"):
        a.add(np.ones(2, np.int32), 2**40)
    np.testing.assert_array_equal(a.add(np.zeros(1, np.int8), 300), [44])


# ---- Refusals


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: a.add(np.ones(2), np.ones(3)),
            TypeError,
            r"add got incompatible shapes for broadcasting: \(2,\), \(3,\)",
        ),
        (
            lambda: a.add(np.ones(2), np.ones(2, np.int32)),
            TypeError,
            "add requires operands of equal dtypes, got float64, int32",
        ),
        (
            lambda: a.add(np.ones(2, np.int32), 1.5),
            TypeError,
            "add requires operands of equal dtypes, got int32, float64",
        ),
        (lambda: a.add(np.ones(2, bool), np.ones(2, bool)), TypeError, "add does not accept dtype bool"),
        (
            lambda: transcendental.sin(np.ones(2, np.int32)),
            TypeError,
            "sin does not accept dtype int32; it takes floating",
        ),
        (
            lambda: compare.lt(np.ones(2, complex), np.ones(2, complex)),
            TypeError,
            "lt does not accept dtype complex128",
        ),
        (lambda: a.add([1, 2], np.ones(2)), TypeError, "list"),
        (lambda: reduce.reduce_sum(np.ones(2), (1,)), ValueError, "reduce_sum"),
        (lambda: reduce.reduce_max(np.ones(2), (0, 0)), ValueError, "reduce_max got an axis twice"),
        (lambda: reduce.argmax(np.ones((2, 0)), 1), ValueError, "argmax of an empty axis"),
        (lambda: cumulative.cumsum(np.ones(2), 1), ValueError, "cumsum got axis 1"),
        (lambda: sort.sort(np.ones(2), 1), ValueError, "sort got axis 1"),
        (lambda: sort.sort([np.ones(2), np.ones(3)]), TypeError, "sort: operands must have equal shapes"),
        (lambda: sort.top_k(np.ones(2), 3), ValueError, "top_k: k must be between"),
        (lambda: compare.select_n(np.ones(2), np.ones(2), np.ones(2)), TypeError, "`which` must be bool or int32"),
        (lambda: a.clamp(np.ones(2), np.ones(3), 1.0), TypeError, "clamp: `min` must be a scalar or have the shape"),
        (lambda: a.integer_pow(np.ones(2, np.int32), -1), TypeError, "integers cannot be raised to the negative power"),
        (lambda: cast.bitcast_convert_type(np.ones(3, np.uint8), np.uint32), ValueError, "the last axis"),
        (
            lambda: cast.bitcast_convert_type(np.ones(3, complex), np.uint32),
            TypeError,
            "does not accept dtype complex128",
        ),
        (lambda: random_bits.threefry2x32(*[np.ones(2)] * 4), TypeError, "threefry2x32 does not accept dtype float64"),
        (lambda: random_bits.random_wrap(np.ones(3, np.uint32)), TypeError, "random_wrap: key words must be uint32"),
        (lambda: random_bits.random_unwrap(np.ones(3)), TypeError, "random_unwrap takes typed keys"),
        (lambda: cast.reduce_precision(np.float32(1), 0, 3), ValueError, "exponent_bits must be positive"),
    ],
)
def test_refusals_name_the_function_and_the_argument(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
