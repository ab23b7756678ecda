"""Arguments beside the array: what each does to values and dtypes, and what is refused."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax, random

NAN = np.nan
X = np.array([[1.0, NAN, 3.0], [NAN, NAN, NAN]], np.float32)
WHERE = np.array([[True, True, False], [True, True, False]])
I8 = np.array([[100, 100, 3], [7, 8, 9]], np.int8)
BOOLS = np.array([True, True, False])
LINE = np.arange(6, dtype=np.float32).reshape(2, 3)
MIDDLE = np.array([[1.0], [2.0]], np.float32)

# function, array, keywords; what it gives, and its dtype.
REDUCTIONS = [
    ("nansum", X, {"axis": 1, "where": WHERE}, [1, 0], "float32"),
    ("nansum", X, {"axis": 1, "where": WHERE, "initial": 2}, [3, 2], "float32"),
    ("nansum", I8, {"axis": 1, "initial": 2.5}, [205, 26], "int32"),
    ("nanprod", X, {"axis": 1, "initial": 2.5}, [7.5, 2.5], "float32"),
    ("nanprod", BOOLS, {"where": WHERE[0], "initial": 2}, 2, "int32"),
    ("nanmax", X, {"axis": 1}, [3, NAN], "float32"),
    ("nanmax", X, {"axis": 1, "initial": 2}, [3, 2], "float32"),
    ("nanmax", X, {"axis": 1, "where": WHERE, "initial": -2}, [1, -2], "float32"),
    ("nanmin", I8, {"axis": 1, "where": WHERE, "initial": 50}, [50, 7], "int8"),
    ("nanmin", X, {"axis": 1, "initial": 2, "keepdims": True}, [[1], [2]], "float32"),
    ("nanmean", X, {"axis": 1, "where": WHERE}, [1, NAN], "float32"),
    ("nanmean", I8, {"axis": 1, "where": WHERE}, [100, 7.5], "float32"),
    ("nanvar", X, {"axis": 1, "where": ~WHERE}, [0, NAN], "float32"),
    ("nanvar", X, {"axis": 1, "mean": MIDDLE}, [2, NAN], "float32"),
    ("nanvar", X, {"axis": 1, "mean": MIDDLE, "where": WHERE, "ddof": 1}, [NAN, NAN], "float32"),
    ("nanstd", I8, {"axis": 1, "where": WHERE}, [0, 0.5], "float32"),
    ("nanstd", X, {"axis": 1, "mean": MIDDLE}, [np.sqrt(2), NAN], "float32"),
    ("var", LINE, {"axis": 1, "mean": MIDDLE}, [2 / 3, 14 / 3], "float32"),
    ("var", LINE.astype(np.int32), {"axis": 1, "mean": 2, "where": WHERE}, [2.5, 2.5], "float32"),
    ("var", LINE, {"where": WHERE & False, "ddof": 1, "mean": 1}, NAN, "float32"),
    ("std", LINE, {"axis": 1, "mean": MIDDLE}, [np.sqrt(2 / 3), np.sqrt(14 / 3)], "float32"),
    ("sum", I8, {"promote_integers": False}, -29, "int8"),
    ("sum", I8, {"promote_integers": False, "dtype": np.int16}, 227, "int16"),
    ("sum", BOOLS, {"promote_integers": False}, 2, "int32"),
    ("prod", np.array([200, 100], np.uint8), {"promote_integers": False}, 32, "uint8"),
    ("prod", BOOLS, {"promote_integers": False, "where": BOOLS}, 1, "int32"),
]


@pytest.mark.parametrize(("name", "x", "keywords", "expected", "dtype"), REDUCTIONS)
@pytest.mark.parametrize("jitted", [False, True])
def test_reductions(name, x, keywords, expected, dtype, jitted):
    def call(array):
        return getattr(cnp, name)(array, **keywords)

    result = (cotan.jit(call) if jitted else call)(x)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, np.array(expected, dtype), rtol=1e-6)


OVER_AXES = (
    "sum", "prod", "max", "min", "all", "any", "mean", "var", "std", "nansum", "nanprod", "nanmax", "nanmin", "nanmean",
    "nanvar", "nanstd",
)  # fmt: skip


@pytest.mark.parametrize(
    "name", [*OVER_AXES, "average", "ptp", "count_nonzero", "median", "nanmedian", "percentile", "nanpercentile"]
)
def test_reductions_refuse_in_their_own_names(name):
    function = partial(getattr(cnp, name), **({"q": 30} if name.endswith("percentile") else {}))
    with pytest.raises(ValueError, match=f"[: ]{name}: axis 2 is out of range"):
        function(LINE, axis=2)
    if name in OVER_AXES:
        initial = {"initial": 0} if name.endswith(("max", "min")) else {}
        for mask in (np.array([0, -1, 2]), np.ones(3, np.float32), 1):
            with pytest.raises(ValueError, match=f"[: ]{name}: `where` must be an array of bools"):
                function(LINE, where=mask, **initial)
    if name.endswith(("var", "std")):
        with pytest.raises(ValueError, match=f"[: ]{name}: the dtype must be floating or complex, got int8"):
            function(LINE, dtype=np.int8)


def test_reductions_of_methods_take_the_same_arguments():
    assert cnp.array(I8).sum(promote_integers=False).dtype == np.int8
    np.testing.assert_allclose(cnp.array(LINE).var(axis=1, mean=MIDDLE), [2 / 3, 14 / 3], rtol=1e-6)


def test_a_known_mean_is_differentiated_through():
    x = np.array([1.0, 2.0, 4.0], np.float32)
    np.testing.assert_allclose(cotan.grad(lambda m: cnp.var(x, mean=m))(1.0), -8 / 3, rtol=1e-6)


GRID = np.arange(12, dtype=np.float32).reshape(3, 4)
PLACES = np.array([[-1, 1], [0, -5], [3, 4]])
SMALL = np.array([1, 2, 100], np.int8)
SAMPLES = np.array([[1, 2, 4], [3, 1, 5]], np.int32)

# What is called with an array, what it gives, and its dtype.
OTHERS = [
    (lambda x: cnp.argsort(x[0], dtype=np.uint8), GRID, [0, 1, 2, 3], "uint8"),
    (lambda x: cnp.argsort(x[0], dtype=np.float32, descending=True), GRID, [3, 2, 1, 0], "float32"),
    (lambda x: cnp.cov(x, dtype=np.float16), SAMPLES, [[7 / 3, 2], [2, 4]], "float16"),
    (lambda x: cnp.cov(x, dtype="complex64"), SAMPLES, [[7 / 3, 2], [2, 4]], "complex64"),
    (lambda x: cnp.corrcoef(x[:1], x[:1], dtype=np.float16), SAMPLES, [[1, 1], [1, 1]], "float16"),
    (lambda x: cnp.inner(x, x, preferred_element_type=np.int32), SMALL, 10005, "int32"),
    (lambda x: cnp.inner(2, x, preferred_element_type="float32"), SMALL, [2, 4, 200], "float32"),
    (lambda x: cnp.vdot(x, x, preferred_element_type=np.float32), SMALL, 10005, "float32"),
    (lambda x: cnp.vecdot(x[None], x, preferred_element_type=np.int16), SMALL, [10005], "int16"),
    (lambda x: cnp.take_along_axis(x, PLACES, 1), GRID, [[3, 1], [4, NAN], [11, NAN]], "float32"),
    (
        lambda x: cnp.take_along_axis(x, PLACES, 1, wrap_negative_indices=False),
        GRID,
        [[NAN, 1], [4, NAN], [11, NAN]],
        "float32",
    ),
    (
        lambda x: cnp.take_along_axis(x, PLACES, 1, "clip", wrap_negative_indices=False),
        GRID,
        [[0, 1], [4, 4], [11, 11]],
        "float32",
    ),
    (lambda x: cnp.empty_like(prototype=x, dtype=np.int8, shape=(2,)), GRID, [0, 0], "int8"),
    (lambda x: lax.convert_element_type(operand=x, new_dtype=np.int16), SMALL, [1, 2, 100], "int16"),
    (lambda x: lax.squeeze(array=x[None], dimensions=(0,)), SMALL, [1, 2, 100], "int8"),
    (lambda x: lax.expand_dims(array=x, dimensions=(0,)), SMALL, [[1, 2, 100]], "int8"),
]


@pytest.mark.parametrize(("call", "x", "expected", "dtype"), OTHERS)
@pytest.mark.parametrize("jitted", [False, True])
def test_other_functions(call, x, expected, dtype, jitted):
    result = (cotan.jit(call) if jitted else call)(x)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, np.array(expected, dtype), rtol=2e-3)


# allow_negative_indices, starts that are not known, and those of the window they mean.
STARTS = [
    (True, [-1, -2], (2, 2)),
    (False, [-1, -2], (0, 0)),
    ((True, False), [-1, -2], (2, 0)),
    ([False, True], [-1, -2], (0, 2)),
    (False, [1, 9], (1, 2)),
]


@pytest.mark.parametrize(("allowed", "starts", "window"), STARTS)
@pytest.mark.parametrize("jitted", [False, True])
def test_negative_starts_count_from_the_end_where_they_may(allowed, starts, window, jitted):
    def both(x, at):
        new = -cnp.ones((1, 2), x.dtype)
        return (
            lax.dynamic_slice(x, at, (1, 2), allow_negative_indices=allowed),
            lax.dynamic_update_slice(x, new, (at[0], at[1]), allow_negative_indices=allowed),
        )

    place = np.s_[window[0] : window[0] + 1, window[1] : window[1] + 2]
    read, written = (cotan.jit(both) if jitted else both)(GRID, cnp.array(starts))
    expected = GRID.copy()
    expected[place] = -1
    np.testing.assert_array_equal(read, GRID[place])
    np.testing.assert_array_equal(written, expected)


@pytest.mark.parametrize("index", [-2, np.int32(-2), cnp.array(-2)])
def test_negative_indices_of_one_axis(index):
    def read(allowed):
        return lax.dynamic_index_in_dim(GRID, index, 1, keepdims=False, allow_negative_indices=allowed)

    def written(allowed):
        return lax.dynamic_update_index_in_dim(GRID, -GRID[:, 0], index, 1, allow_negative_indices=allowed)

    np.testing.assert_array_equal(read(True), GRID[:, 2])
    np.testing.assert_array_equal(read(False), GRID[:, 0])
    np.testing.assert_array_equal(written(True)[:, 2], -GRID[:, 0])
    np.testing.assert_array_equal(written(False)[:, 0], -GRID[:, 0])


def test_negative_starts_along_one_axis():
    at = cnp.array(-2)
    expected = np.concatenate([-GRID[:, :2], GRID[:, 2:]], 1)
    np.testing.assert_array_equal(
        lax.dynamic_slice_in_dim(GRID, at, 2, axis=1, allow_negative_indices=False), GRID[:, :2]
    )
    np.testing.assert_array_equal(
        lax.dynamic_update_slice_in_dim(GRID, -GRID[:, :2], at, 1, allow_negative_indices=False), expected
    )


def test_choices_are_drawn_by_the_mode_of_gumbel():
    key, p = random.key(0), cnp.array([0.1, 0.2, 0.7])
    for mode in ("low", "high"):
        _, expected = lax.top_k(random.gumbel(key, (3,), mode=mode) + cnp.log(p), 2)
        np.testing.assert_array_equal(random.choice(key, 3, (2,), replace=False, p=p, mode=mode), expected)


@pytest.mark.parametrize("method", ["scan", "scan_unrolled", "sort", "compare_all", None])
@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("step", [1, -1])
def test_methods_of_searching(method, right, step):
    x, bins = np.float32([-1, 0, 0.5, 1, 2, 9, NAN]), np.float32([0, 1, 1, 2])[::step]
    for transform in (lambda f: f, cotan.jit):
        found = transform(lambda x, bins: cnp.digitize(x, bins, right=right, method=method))(x, bins)
        np.testing.assert_array_equal(found, np.digitize(x, bins, right))
        assert found.dtype == np.int32
    if method is not None and step == 1:
        side = "left" if right else "right"
        found = cnp.searchsorted(bins, x, side, method=method)
        np.testing.assert_array_equal(found, np.searchsorted(bins, x, side))


# Functions whose work another one does, which is named.
DONE_BY = {"around": "round"}
# Functions that take `out`, for programs that pass None, and their other arguments.
METHODS = [
    *("all", "any", "argmax", "argmin", "max", "mean", "min", "prod", "std", "sum", "var"),
    *("cumsum", "cumprod", "round", "trace"),
]
OF_ONE_ARRAY = [
    *("ptp", "nanargmax", "nanargmin", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar"),
    *("nancumsum", "nancumprod", "around", "modf", "isposinf", "isneginf"),
]
WITH_OUT = {
    **dict.fromkeys([*METHODS, *OF_ONE_ARRAY], (GRID,)),
    "take": (GRID, np.array([0, 1])),
    "compress": (np.array([True, False, True]), GRID),
    "choose": (np.array([1, 0]), np.array([[1, 2], [3, 4]])),
    "stack": ((GRID, GRID),),
    "outer": (GRID[0], GRID[1]),
    "einsum": ("ij,ij->i", GRID, GRID),
}


@pytest.mark.parametrize("name", WITH_OUT)
def test_out_may_be_none_and_is_refused_otherwise(name):
    args = WITH_OUT[name]
    for result, expected in zip(
        *(cotan.tree.leaves(x) for x in (getattr(cnp, name)(*args, out=None), getattr(np, name)(*args))), strict=True
    ):
        np.testing.assert_allclose(result, expected, rtol=1e-6)
    with pytest.raises(
        NotImplementedError, match=rf"test_arguments.py:\d+, in .*: {DONE_BY.get(name, name)}: arrays are"
    ):
        getattr(cnp, name)(*args, out=GRID)


@pytest.mark.parametrize("name", METHODS)
def test_methods_take_out_as_functions_do(name):
    np.testing.assert_allclose(getattr(cnp.array(GRID), name)(out=None), getattr(GRID, name)(), rtol=1e-6)
    with pytest.raises(NotImplementedError, match="arrays are immutable, so `out`"):
        getattr(cnp.array(GRID), name)(out=GRID)


def test_compress_as_a_method_takes_what_the_function_takes():
    chosen = cotan.jit(lambda x, c: x.compress(c, axis=1, size=3, fill_value=-1))(GRID, GRID[0] > 1)
    np.testing.assert_array_equal(chosen, [[2, 3, -1], [6, 7, -1], [10, 11, -1]])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: cnp.digitize(LINE, LINE[0], method="x"),
            ValueError,
            "unknown method 'x'; there are scan, scan_unrolled",
        ),
        (lambda: cnp.searchsorted(LINE[0], LINE, method=None), ValueError, "unknown method None"),
        (lambda: cnp.nanmax(X, where=X > 0), ValueError, "max: `where` needs an initial value"),
        (lambda: cnp.var(LINE, axis=1, mean=np.ones(2)), TypeError, r"var: `mean` of shape \(2,\) for an array of"),
        (lambda: cnp.cov(SAMPLES, dtype=int), ValueError, "cov: dtype must be floating or complex, got i64"),
        (lambda: random.choice(random.key(0), 3, (2,), False, np.ones(3), mode="x"), ValueError, "'low', 'high' or"),
        (
            lambda: lax.dynamic_slice(GRID, (1, -1), (1, 2), allow_negative_indices=False),
            ValueError,
            "dynamic_slice: index -1 lies before an axis of extent 4",
        ),
        (
            lambda: lax.dynamic_update_slice(GRID, GRID, (-1, 0), allow_negative_indices=(True,)),
            ValueError,
            r"dynamic_update_slice: allow_negative_indices of 1 axes for an operand of shape \(3, 4\)",
        ),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize(("num", "endpoint"), [(0, True), (0, False), (1, True)])
@pytest.mark.parametrize("start", [0, np.zeros(2, np.float32)])
def test_samples_without_a_distance_have_the_step_nan(num, endpoint, start):
    samples, step = cnp.linspace(start, 1, num, endpoint, retstep=True)
    assert samples.shape == (num, *np.shape(start))
    assert (step.shape, step.dtype, step.weak_type) == ((), np.float32, False)
    assert np.isnan(step)


@pytest.mark.parametrize("dtype", [np.float16, cotan.dtypes.bfloat16])
@pytest.mark.parametrize(("start", "stop", "num"), [(-2, 3, 11), (0, 1, 3000), (5, -7, 701), (0, 1, 70000)])
def test_samples_in_half_precision_are_rounded_once(dtype, start, stop, num):
    found, step = cnp.linspace(np.asarray(start, dtype), np.asarray(stop, dtype), num, retstep=True)
    assert found.dtype == step.dtype == dtype
    single = np.linspace(start, stop, num)
    ulp = float(cnp.finfo(dtype).eps) * np.abs(single) + 1e-6
    assert (np.abs(np.asarray(found).astype(float) - single) <= 0.51 * ulp).all()


@pytest.mark.parametrize("decimals", [-2, 2, 3, 4, 5, 8])
def test_halves_are_rounded_to_places_whose_power_of_ten_they_do_not_hold(decimals):
    x = np.array([0, 10, 0.1237, -123.4, 6e4, np.inf, np.nan], np.float16)
    for function in (cnp.round, cotan.jit(cnp.round, static_argnums=1)):
        found = function(x, decimals)
        assert found.dtype == np.float16
        expected = np.round(x.astype(np.float64), decimals).astype(np.float16)
        np.testing.assert_allclose(np.asarray(found).astype(float), expected.astype(float), rtol=1e-3)


@pytest.mark.parametrize("bins", [np.int64(3), np.array(3), cnp.array(3)])
def test_a_number_of_bins_may_be_an_array_of_no_dimensions(bins):
    x = np.array([0.0, 1.0, 1.0, 3.0])
    np.testing.assert_array_equal(cnp.histogram(x, bins)[0], np.histogram(x, 3)[0])
    np.testing.assert_array_equal(cnp.histogram2d(x, x, bins)[0], np.histogram2d(x, x, 3)[0])
    np.testing.assert_array_equal(cnp.histogramdd(x[:, None], bins)[0], np.histogramdd(x[:, None], 3)[0])


def test_bins_of_halves_are_those_of_numbers():
    x = np.array([1.5, -2, 2.5, 0.25, 3, -1], np.float16)
    np.testing.assert_array_equal(cnp.histogram(x)[0], np.histogram(x)[0])


def test_counts_of_negative_integers_alone_stand_at_0():
    np.testing.assert_array_equal(cnp.bincount(np.array([-1, -3])), [2])
    assert cnp.bincount(np.zeros(0, np.int32)).shape == (0,)
