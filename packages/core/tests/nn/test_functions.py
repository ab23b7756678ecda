"""cotan.nn: values against formulas in float64, types, transforms, derivatives at kinks, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from user_functions import check_derivatives, check_jit, check_vmap, type_of

import cotan
import cotan.numpy as cnp
from cotan import nn

X = np.array([[-4.0, -1.5, -0.6, -0.1], [0.2, 0.7, 1.3, 5.5]], np.float32)
ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805
POINTWISE = (nn.softmax, nn.log_softmax)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _normal_cdf(x):
    return 0.5 * special.erfc(-x / np.sqrt(2))


ELEMENTWISE = {
    "identity": (nn.identity, lambda x: x),
    "relu": (nn.relu, lambda x: np.maximum(x, 0)),
    "relu6": (nn.relu6, lambda x: np.clip(x, 0, 6)),
    "sigmoid": (nn.sigmoid, _sigmoid),
    "log_sigmoid": (nn.log_sigmoid, lambda x: np.log(_sigmoid(x))),
    "softplus": (nn.softplus, lambda x: np.log1p(np.exp(x))),
    "squareplus": (nn.squareplus, lambda x: (x + np.sqrt(x * x + 4)) / 2),
    "sparse_plus": (nn.sparse_plus, lambda x: np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4))),
    "sparse_sigmoid": (nn.sparse_sigmoid, lambda x: np.clip((x + 1) / 2, 0, 1)),
    "soft_sign": (nn.soft_sign, lambda x: x / (1 + np.abs(x))),
    "silu": (nn.silu, lambda x: x * _sigmoid(x)),
    "swish": (nn.swish, lambda x: x * _sigmoid(x)),
    "mish": (nn.mish, lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    "tanh": (nn.tanh, np.tanh),
    "elu": (nn.elu, lambda x: np.where(x > 0, x, np.expm1(x))),
    "elu 0.3": (lambda x: nn.elu(x, 0.3), lambda x: np.where(x > 0, x, 0.3 * np.expm1(x))),
    "celu 0.3": (lambda x: nn.celu(x, 0.3), lambda x: np.where(x > 0, x, 0.3 * np.expm1(x / 0.3))),
    "selu": (nn.selu, lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(x))),
    "leaky_relu": (nn.leaky_relu, lambda x: np.where(x >= 0, x, 0.01 * x)),
    "gelu by tanh": (nn.gelu, lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
    "gelu": (lambda x: nn.gelu(x, approximate=False), lambda x: x * _normal_cdf(x)),
    "hard_tanh": (nn.hard_tanh, lambda x: np.clip(x, -1, 1)),
    "hard_sigmoid": (nn.hard_sigmoid, lambda x: np.clip(x + 3, 0, 6) / 6),
    "hard_silu": (nn.hard_silu, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "hard_swish": (nn.hard_swish, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "log1mexp": (lambda x: nn.log1mexp(cnp.abs(x)), lambda x: np.log(-np.expm1(-np.abs(x)))),
}
ALONG_AXES = {
    "softmax": (nn.softmax, lambda x: special.softmax(x, -1)),
    "softmax 0": (lambda x: nn.softmax(x, axis=0), lambda x: special.softmax(x, 0)),
    "softmax all": (lambda x: nn.softmax(x, axis=(0, 1)), lambda x: special.softmax(x)),
    "log_softmax": (nn.log_softmax, lambda x: special.log_softmax(x, -1)),
    "logsumexp": (nn.logsumexp, special.logsumexp),
    "logsumexp 1": (
        lambda x: nn.logsumexp(x, axis=1, keepdims=True),
        lambda x: special.logsumexp(x, 1, keepdims=True),
    ),
    "logsumexp b": (lambda x: nn.logsumexp(x, b=0.5), lambda x: special.logsumexp(x, b=0.5)),
    "logmeanexp": (lambda x: nn.logmeanexp(x, axis=1), lambda x: np.log(np.mean(np.exp(x), 1))),
    "standardize": (
        nn.standardize,
        lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5),
    ),
    "standardize given": (lambda x: nn.standardize(x, mean=1.0, variance=4.0), lambda x: (x - 1) / np.sqrt(4 + 1e-5)),
    "glu": (nn.glu, lambda x: x[..., :2] * _sigmoid(x[..., 2:])),
    "glu 0": (lambda x: nn.glu(x, axis=0), lambda x: x[:1] * _sigmoid(x[1:])),
}
ALL = ELEMENTWISE | ALONG_AXES


IN_ATTENTION_TESTS = {"dot_product_attention", "get_scaled_dot_general_config", "scaled_dot_general", "scaled_matmul"}


def test_every_function_is_checked():
    functions = {name for name in dir(nn) if callable(getattr(nn, name)) and not name.startswith("_")}
    assert functions - {name.split()[0] for name in ALL} - IN_ATTENTION_TESTS == {"one_hot"}


@pytest.mark.parametrize("name", ALL)
def test_values(name):
    function, oracle = ALL[name]
    found = function(X)
    expected = oracle(X.astype(np.float64))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_values_in_double_precision(name):
    function, oracle = ALL[name]
    with cotan.enable_x64(True):
        found = function(X.astype(np.float64))
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, oracle(X.astype(np.float64)), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_kept(name, dtype):
    function, oracle = ALL[name]
    found = function(cnp.asarray(X, dtype))
    assert type_of(found) == dtype
    expected = oracle(np.asarray(cnp.asarray(X, dtype)).astype(np.float64))
    coarse = 0.004 if dtype == "float16" else 0.04
    np.testing.assert_allclose(np.asarray(found, np.float64), expected, rtol=coarse, atol=coarse)


@pytest.mark.parametrize("name", ALL)
def test_jit_and_vmap(name):
    function, _ = ALL[name]
    check_jit(function, X)
    check_vmap(function, X)


@pytest.mark.parametrize("name", ALL)
def test_derivatives(name):
    check_derivatives(ALL[name][0], X)


@pytest.mark.parametrize(
    ("function", "point", "slope"),
    [
        (nn.relu, 0.0, 0.0),
        (nn.relu6, 0.0, 0.0),
        (nn.relu6, 6.0, 0.0),
        (nn.relu, np.nan, 0.0),
        (nn.relu6, np.nan, 0.0),
        (nn.elu, 0.0, 1.0),
        (nn.celu, 0.0, 1.0),
        (nn.selu, 0.0, ALPHA * SCALE),
        (nn.leaky_relu, 0.0, 1.0),
        (nn.hard_tanh, 1.0, 1.0),
        (nn.hard_sigmoid, 3.0, 0.0),
        (nn.sparse_plus, 1.0, 1.0),
        (nn.sparse_plus, -1.0, 0.0),
        (nn.soft_sign, 0.0, 1.0),
        (nn.softplus, 0.0, 0.5),
        (nn.log_sigmoid, 0.0, 0.5),
        (nn.squareplus, 0.0, 0.5),
        (nn.silu, 0.0, 0.5),
        (nn.mish, 0.0, 0.6),
        (nn.gelu, 0.0, 0.5),
    ],
)
def test_slopes_at_kinks_and_origins(function, point, slope):
    for derivative in (cotan.grad(function), cotan.jit(cotan.grad(function))):
        np.testing.assert_allclose(derivative(np.float32(point)), slope, rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "point", "value", "slope"),
    [
        (nn.softplus, 500.0, 500.0, 1.0),
        (nn.softplus, -500.0, 0.0, 0.0),
        (nn.log_sigmoid, -500.0, -500.0, 1.0),
        (nn.log_sigmoid, 500.0, 0.0, 0.0),
        (nn.sigmoid, 500.0, 1.0, 0.0),
        (nn.sigmoid, -500.0, 0.0, 0.0),
        (nn.elu, 500.0, 500.0, 1.0),
        (nn.selu, 500.0, 500 * SCALE, SCALE),
        (nn.mish, 500.0, 500.0, 1.0),
        (nn.gelu, 500.0, 500.0, 1.0),
        (nn.logsumexp, 500.0, 500.0, 1.0),
        (nn.log1mexp, 500.0, 0.0, 0.0),
    ],
)
def test_no_overflow_far_out(function, point, value, slope):
    found, derivative = cotan.value_and_grad(function)(np.float32(point))
    np.testing.assert_allclose([found, derivative], [value, slope], rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "of_int", "of_scalar"),
    [
        (nn.relu, "int32", "~float32"),
        (nn.relu6, "~float32", "~float32"),
        (nn.elu, "~float32", "~float32"),
        (nn.celu, "~float32", "~float32"),
        (nn.selu, "~float32", "~float32"),
        (nn.leaky_relu, "~float32", "~float32"),
        (nn.hard_sigmoid, "~float32", "~float32"),
        (nn.hard_silu, "~float32", "~float32"),
        (nn.hard_tanh, "int32", "~float32"),
        (nn.sparse_plus, "~float32", "~float32"),
        (nn.squareplus, "float32", "~float32"),
        (nn.soft_sign, "float32", "~float32"),
        (nn.log_sigmoid, "float32", "~float32"),
        (nn.mish, "float32", "~float32"),
        (nn.softmax, "float32", None),
        (nn.log_softmax, "float32", None),
    ],
)
def test_types_of_integers_and_scalars(function, of_int, of_scalar):
    assert type_of(function(np.arange(4, dtype=np.int32))) == of_int
    assert of_scalar is None or type_of(function(0.5)) == of_scalar


def test_nan_passes_through():
    for name, (function, _) in ALL.items():
        assert np.isnan(function(np.full((2, 4), np.nan, np.float32))).all(), name


def test_softmax_in_extreme_places():
    huge = np.array([1e30, -1e30, 0.0], np.float32)
    np.testing.assert_array_equal(nn.softmax(huge), [1, 0, 0])
    np.testing.assert_array_equal(nn.log_softmax(huge), np.array([0, -2e30, -1e30], np.float32))
    np.testing.assert_array_equal(nn.softmax(np.array([-np.inf, 0.0], np.float32)), [0, 1])
    np.testing.assert_array_equal(nn.log_softmax(np.array([-np.inf, 0.0], np.float32)), [-np.inf, 0])


def test_logsumexp_in_extreme_places():
    assert float(nn.logsumexp(np.array([1000.0, 1000.0], np.float32))) == pytest.approx(1000.6931)
    assert float(nn.logsumexp(np.full(3, -np.inf, np.float32))) == -np.inf
    assert float(nn.logsumexp(np.array([np.inf, 1.0], np.float32))) == np.inf
    assert float(nn.logsumexp(np.zeros(0, np.float32))) == -np.inf
    value, sign = nn.logsumexp(np.array([1.0, 2.0]), b=np.array([1.0, -1.0]), return_sign=True)
    np.testing.assert_allclose([value, sign], [np.log(np.e**2 - np.e), -1], rtol=1e-6)
    assert np.isnan(nn.logsumexp(np.float32(1.0), b=-1.0))


def test_where_leaves_elements_out():
    x, mask = np.array([1.0, 2.0, np.nan], np.float32), np.array([True, True, False])
    np.testing.assert_allclose(nn.softmax(x, where=mask), [0.26894143, 0.7310586, 0], rtol=1e-6)
    np.testing.assert_allclose(nn.log_softmax(x, where=mask), [-1.3132617, -0.31326166, -np.inf], rtol=1e-6)
    np.testing.assert_allclose(nn.logsumexp(x, where=mask), np.log(np.e + np.e**2), rtol=1e-6)
    np.testing.assert_allclose(nn.logmeanexp(x, where=mask), np.log((np.e + np.e**2) / 2), rtol=1e-6)
    np.testing.assert_allclose(nn.standardize(x, where=mask)[:2], [-0.99998, 0.99998], rtol=1e-5)
    slope = cotan.grad(lambda x: (nn.softmax(x, where=mask) ** 2).sum())(np.array([1.0, 2.0, 50.0], np.float32))
    # s = softmax of (1, 2): the derivative of the sum of squares is 2 s (s - sum s^2).
    s = np.array([0.26894143, 0.7310586])
    np.testing.assert_allclose(slope, [*(2 * s * (s - (s * s).sum())), 0], rtol=1e-5)


@pytest.mark.parametrize("by_rule", [True, False])
@pytest.mark.parametrize("jitted", [True, False])
@pytest.mark.parametrize("function", [nn.softmax, nn.log_softmax, nn.logsumexp, nn.logmeanexp])
def test_elements_left_out_change_no_value_and_no_derivative(function, jitted, by_rule):
    inside = np.array([0.5, 1.0], np.float32)
    weights = np.array([1.0, -3.0], np.float32)

    def loss(x, where=None):
        return (
            function(x, where=where)[..., :2] * weights if function in POINTWISE else function(x, where=where)
        ).sum()

    with cotan.softmax_custom_jvp(by_rule):
        value_and_slope = cotan.value_and_grad(cotan.jit(loss) if jitted else loss)
        value, slope = value_and_slope(inside)
        for outside in (1000.0, np.inf, -np.inf, np.nan):
            found = value_and_slope(np.array([*inside, outside], np.float32), np.array([True, True, False]))
            np.testing.assert_allclose(found[0], value, rtol=1e-6)
            np.testing.assert_allclose(found[1], [*slope, 0.0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("by_rule", [True, False])
def test_rows_left_out_as_a_whole(by_rule):
    x, rows = np.array([[1.0, 2.0], [3.0, 5.0]], np.float32), np.array([[True], [False]])
    with cotan.softmax_custom_jvp(by_rule):
        np.testing.assert_allclose(nn.softmax(x, where=rows), [[0.26894143, 0.7310586], [0, 0]], rtol=1e-6)
        np.testing.assert_allclose(nn.log_softmax(x, where=rows)[1], [-np.inf, -np.inf])
        for function in POINTWISE:
            slope = cotan.grad(lambda x, f=function: cnp.where(rows, f(x, where=rows), 0.0)[:, 0].sum())(x)
            assert np.all(slope[0] != 0)
            np.testing.assert_array_equal(slope[1], [0, 0])
    # What is left is infinite: that is no reason for the others to be NaN.
    x = np.array([-np.inf, 0.0], np.float32)
    np.testing.assert_array_equal(nn.softmax(x, where=np.array([True, False])), [np.nan, 0])


def test_one_hot():
    np.testing.assert_array_equal(nn.one_hot(np.array([0, 2, -1, 3]), 3), [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(nn.one_hot(np.array([0, 2]), 3, axis=0, dtype=np.int8), [[1, 0], [0, 0], [0, 1]])
    assert nn.one_hot(np.array([1]), 2).dtype == np.float32
    assert nn.one_hot(np.array([1]), 2, dtype=np.int8).dtype == np.int8
    check_jit(lambda x: nn.one_hot(x, 4), np.array([[1, 3], [0, 9]]))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nn.relu([1.0]), TypeError, "relu needs arrays or scalars, got list"),
        (lambda: nn.softmax("a"), TypeError, "softmax needs arrays or scalars, got str"),
        (lambda: nn.glu(np.ones(3)), ValueError, "glu: axis -1 must have an even extent, got 3"),
        (lambda: nn.softmax(np.ones(3), axis=1), ValueError, "axis 1 is out of range"),
        (lambda: nn.one_hot(np.array([1]), 3, axis=5), ValueError, "one_hot: axis 5 is out of range"),
    ],
)
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("shift", [0, 1e4])
@pytest.mark.parametrize("axis", [-1, 0, (0, 1), None])
def test_standardize_by_the_stable_algorithm(shift, axis):
    x = (np.random.default_rng(3).normal(size=(4, 5)) + shift).astype(np.float32)
    mask = np.arange(20).reshape(4, 5) % 3 != 0
    for where in (None, mask):
        options = {} if where is None else {"where": where}
        wide = x.astype(np.float64)
        mean, variance = (f(wide, axis=axis, keepdims=True, **options) for f in (np.mean, np.var))
        found = cotan.jit(lambda x, w=where: nn.standardize(x, axis, where=w, algorithm="stable"))(x)
        np.testing.assert_allclose(found, (wide - mean) / np.sqrt(variance + 1e-5), rtol=1e-3, atol=2e-3)
        given = nn.standardize(x, axis, mean, variance, where=where, algorithm="stable")
        np.testing.assert_array_equal(given, nn.standardize(x, axis, mean, variance, where=where))


def test_standardize_has_two_algorithms():
    with pytest.raises(ValueError, match=r"test_functions.py:\d+, in .* algorithm must be 'fast' or 'stable', got 'x'"):
        nn.standardize(np.ones(3), algorithm="x")


@pytest.mark.parametrize("function", [nn.softmax, nn.log_softmax])
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2)])
def test_softmax_of_no_elements(function, shape):
    found = function(np.zeros(shape, np.int32), axis=-1)
    assert (found.shape, found.dtype) == (shape, np.float32)


def test_the_number_of_classes_is_an_integer():
    with pytest.raises(TypeError, match="integer"):
        nn.one_hot(np.array([0, 1]), 2.5)
