"""Types and shapes that NumPy and JAX fix in corners: quantiles of integers, one variable, one observation."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import nn

FUNCTIONS = {
    "quantile": lambda x: cnp.quantile(x, 0.3),
    "nanquantile": lambda x: cnp.nanquantile(x, np.float32(0.3)),
    "percentile": lambda x: cnp.percentile(x, cnp.array([10.0, 50.0])),
    "nanpercentile": lambda x: cnp.nanpercentile(x, 30),
    "median": cnp.median,
    "nanmedian": cnp.nanmedian,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_quantiles_have_the_precision_of_the_data(name):
    with cotan.enable_x64(True):
        for given, wanted in [
            (np.int8, np.float32), (np.int32, np.float32), (np.uint32, np.float32), (np.int64, np.float64),
            (np.float16, np.float16), (np.float32, np.float32), (np.float64, np.float64),
        ]:  # fmt: skip
            found = FUNCTIONS[name](cnp.array([3, 1, 2, 7], given))
            assert found.dtype == wanted
            exact = FUNCTIONS[name](cnp.array([3.0, 1.0, 2.0, 7.0], np.float64))
            np.testing.assert_allclose(found, exact, rtol=1e-3 if wanted == np.float16 else 1e-6)


def test_softplus_of_integers():
    with cotan.enable_x64(True):
        assert nn.softplus(np.int32([1])).dtype == np.float32
        assert nn.softplus(np.int64([1])).dtype == np.float64


@pytest.mark.parametrize("function", [cnp.cov, cnp.corrcoef], ids=["cov", "corrcoef"])
def test_one_observation_of_one_variable(function):
    for x in (np.float32(2), np.float32([2])):
        found = function(x)
        assert found.shape == ()
        assert np.isnan(found)


def test_argpartition_gives_int32():
    with cotan.enable_x64(True):
        for dtype in (np.uint8, np.float64):
            found = cnp.argpartition(cnp.array([3, 1, 2], dtype), 1)
            assert found.dtype == np.int32
            np.testing.assert_array_equal(found, [1, 2, 0])


@pytest.mark.parametrize("subscripts", ["ij,jk->ik", "ij,jk->k", "ij,jk", "ji,kj->ik", "ij,jk->ijk", "ij,jk->"])
def test_extents_of_one_broadcast_in_einsum(subscripts):
    rng = np.random.default_rng(0)
    first, second = subscripts.split("->")[0].split(",")
    for one in "ijk":
        extents = {"i": 2, "j": 3, "k": 4}
        shapes = [[extents[c] for c in term] for term in (first, second)]
        for k, term in enumerate((first, second)):
            if one not in term:
                continue
            shape = [1 if c == one else extents[c] for c in term]
            pair = [rng.normal(size=shape if n == k else s) for n, s in enumerate(shapes)]
            wanted = np.einsum(subscripts, *pair)
            with cotan.enable_x64(True):
                np.testing.assert_allclose(cnp.einsum(subscripts, *pair), wanted, rtol=1e-12)


@pytest.mark.parametrize("function", [cnp.mean, cnp.var, cnp.std, cnp.nanmean, cnp.nanvar, cnp.nanstd])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "complex64"])
def test_moments_of_nothing_have_the_dtype_that_those_of_numbers_have(function, dtype):
    wanted = function(cnp.ones((3, 2), dtype), axis=0).dtype
    for options in ({"axis": 0}, {"axis": 0, "keepdims": True}):
        found = function(cnp.ones((0, 2), dtype), **options)
        assert found.dtype == wanted
        assert np.isnan(np.asarray(found)).all()


@pytest.mark.parametrize("function", [np.var, np.std, np.nanvar, np.nanstd])
@pytest.mark.parametrize("x", [np.array([3, 1, 2]), np.array([3.0, 1.0, 2.5]), np.array([3, 1j, 2])])
def test_variances_have_the_dtype_that_is_asked_for(function, x):
    if function in (np.var, np.std) or x.dtype.kind == "c":
        expected = function(x, dtype=np.complex64)
    else:  # NumPy's nanvar warns of a cast that it makes itself
        expected = function(x.astype(np.complex64), dtype=np.complex64)
    found = getattr(cnp, function.__name__)(x, dtype=np.complex64)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    if x.dtype.kind == "c":
        with pytest.raises(ValueError, match="in float16, of the complex numbers only real parts are left"):
            getattr(cnp, function.__name__)(x, dtype=np.float16)


@pytest.mark.parametrize("function", [cnp.var, cnp.nanvar])
def test_a_scalar_has_a_variance_for_each_place_of_a_mask(function):
    np.testing.assert_array_equal(function(2, where=np.array([True, False])), [0, np.nan])


def test_arange_of_weak_arrays_counts_in_the_dtype_of_the_others():
    for start, stop, step, wanted in [
        (np.int8(3), cnp.asarray(5), 1, np.int8),
        (cnp.asarray(1), np.uint8(3), cnp.asarray(2), np.uint8),
        (0, cnp.asarray(2.0), np.float16(0.5), np.float16),
        (0, cnp.asarray(2), 1, np.int32),
    ]:
        assert cnp.arange(start, stop, step).dtype == wanted


@pytest.mark.parametrize(
    "number", [1e10, -1e10, np.inf, -np.inf, np.nan, 2.7, -2.7, np.float32(1e10), np.float64(-300)]
)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32"])
def test_floats_that_fill_integers_saturate_as_in_conversions(number, dtype):
    wanted = cnp.asarray(number).astype(dtype)
    for found in (cnp.full((), number, dtype), cnp.full_like(cnp.ones((), dtype), number)):
        assert found.dtype == dtype
        assert found.item() == wanted.item()


WEAK, WEAK_VECTOR, INTS = cnp.asarray(2.0), cnp.full(3, 2.0), cnp.array([1, 2, 5])

# What of weakly typed operands is: (call, dtype, weak). Constants of many functions are weak beside scalars alone.
WEAK_TYPES = {
    "comparison": (lambda: WEAK < 1, "bool", True),
    "comparison with axes": (lambda: cnp.less(WEAK_VECTOR, WEAK), "bool", True),
    "comparison with an array": (lambda: INTS < 1, "bool", False),
    "isnan": (lambda: cnp.isnan(WEAK), "bool", True),
    "isinf": (lambda: cnp.isinf(WEAK), "bool", False),
    "isposinf": (lambda: cnp.isposinf(WEAK), "bool", False),
    "signbit of an integer": (lambda: cnp.signbit(2), "bool", False),
    "diagflat": (lambda: cnp.diagflat(WEAK_VECTOR), "float32", False),
    "diag of bools": (lambda: cnp.diag(cnp.array([True])), "bool", False),
    "logical_not": (lambda: cnp.logical_not(WEAK), "bool", True),
    "logical_not with axes": (lambda: cnp.logical_not(WEAK_VECTOR), "bool", False),
    "isreal with axes": (lambda: cnp.isreal(WEAK_VECTOR), "bool", False),
    "selection by it": (lambda: cnp.where(WEAK < 1, INTS, 2.0), "float32", True),
    "log2": (lambda: cnp.log2(2), "float32", False),
    "log10": (lambda: cnp.log10(WEAK), "float32", False),
    "log": (lambda: cnp.log(WEAK), "float32", True),
    "hypot": (lambda: cnp.hypot(1, WEAK), "float32", True),
    "hypot with axes": (lambda: cnp.hypot(1, INTS < 3), "float32", False),
    "sinc with axes": (lambda: cnp.sinc(WEAK_VECTOR), "float32", False),
    "deg2rad": (lambda: cnp.deg2rad(WEAK), "float32", True),
    "deg2rad with axes": (lambda: cnp.deg2rad(WEAK_VECTOR), "float32", False),
    "heaviside": (lambda: cnp.heaviside(WEAK, WEAK_VECTOR), "float32", True),
    "heaviside with axes": (lambda: cnp.heaviside(WEAK_VECTOR, WEAK), "float32", False),
    "gcd with axes": (lambda: cnp.gcd(4, cnp.full(3, 2)), "int32", False),
    "rint of integers": (lambda: cnp.rint(2), "float32", False),
    "rint": (lambda: cnp.rint(WEAK), "float32", True),
    "angle": (lambda: cnp.angle(2), "float32", False),
    "angle of a half": (lambda: cnp.angle(cnp.float16(2)), "float16", False),
    "gradient": (lambda: cnp.gradient(WEAK_VECTOR), "float32", True),
    "diag": (lambda: cnp.diag(WEAK_VECTOR), "float32", True),
    "power by integers": (lambda: 1.5 ** cnp.array([1, 2], np.uint32), "float32", False),
    "power by one integer": (lambda: cnp.power(cnp.array([1, 2], np.int8), np.int32(2)), "int8", False),
    "power of a weak one": (lambda: cnp.asarray(2) ** np.int8(3), "int32", True),
    "power of bools": (lambda: cnp.power(True, np.int8(3)), "int32", False),
    "gelu": (lambda: nn.gelu(2), "float32", False),
    "ldexp by bools": (lambda: cnp.ldexp(1.0, True), "float32", False),
}


@pytest.mark.parametrize("name", WEAK_TYPES)
def test_weak_types_of_results(name):
    call, dtype, weak = WEAK_TYPES[name]
    for found in (call(), cotan.eval_shape(call)):
        assert found.dtype == dtype
        assert found.weak_type is weak


def test_comparisons_of_weak_types_leave_loops_alone():
    def body(carry):
        x, _ = carry
        return x + 1, x < 1

    x, going_on = cotan.lax.while_loop(lambda carry: carry[1], body, (cnp.asarray(0), True))
    assert (int(x), bool(going_on)) == (2, False)


@pytest.mark.parametrize("exponent", [2, np.int32(2), cnp.asarray(2), np.array(2, np.uint8), True])
def test_a_power_by_one_known_integer_is_multiplied_out(exponent):
    text = str(cotan.make_jaxpr(lambda x: cnp.power(x, exponent))(cnp.ones(2)))
    assert f"integer_pow[y={int(exponent)}]" in text


def test_a_power_by_integers_has_a_slope_at_0():
    slopes = cotan.grad(lambda x: cnp.sum(x ** cnp.array([0, 1, 2, 3])))(0.0)
    assert float(slopes) == 1.0


def test_edges_are_of_the_dtype_of_the_samples():
    for given, wanted in [(np.int32, np.float32), (np.float16, np.float16)]:
        counts, edges = cnp.histogram(cnp.array([1, 2], given), bins=np.array([0, 2, 3]))
        np.testing.assert_array_equal(edges, [0, 2, 3])
        np.testing.assert_array_equal(counts, [1, 1])
        assert edges.dtype == wanted


def test_what_is_put_together_of_numbers_is_not_weak():
    for found in (cnp.choose(np.array([1, 0]), [3, 4]), cnp.ravel_multi_index((1, 2), (2, 5))):
        assert (found.dtype, found.weak_type) == (np.int32, False)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([np.uint8(1), 2], np.uint8),
        ([np.float16(1), 2.5], np.float16),
        ([np.float16(1), np.int32(2)], np.float16),
        ([[np.int8(1), 2], [3, 4]], np.int8),
        ([np.array([1, 2], np.int8), [3, 4]], np.int8),
        ([np.uint8(1), 2.5], np.float32),
        ([np.int8(1), np.uint8(2)], np.int16),
        ([np.float32(1), np.int64(2)], np.float32),
        ([np.bool_(True), 2], np.int32),
    ],
)
def test_lists_of_numbers_and_values_have_the_dtype_to_which_they_promote(values, wanted):
    found = cnp.array(values)
    assert (found.dtype, found.weak_type) == (wanted, False)
    np.testing.assert_array_equal(found, np.array(values))


def test_a_number_that_does_not_fit_beside_values_is_refused():
    with pytest.raises(OverflowError, match="300 out of bounds for uint8"):
        cnp.array([np.uint8(1), 300])
