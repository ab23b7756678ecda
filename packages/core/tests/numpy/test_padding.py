"""Borders, and functions that take NumPy's less usual arguments, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

MODES = [(mode, {}) for mode in ("edge", "reflect", "symmetric", "wrap", "linear_ramp", "constant")]
MODES += [(mode, {}) for mode in ("maximum", "mean", "median", "minimum")]
MODES += [
    ("reflect", {"reflect_type": "odd"}),
    ("symmetric", {"reflect_type": "odd"}),
    ("linear_ramp", {"end_values": (5, -4)}),
    ("linear_ramp", {"end_values": 2.7}),
    ("mean", {"stat_length": 2}),
    ("median", {"stat_length": ((2, 1),)}),
    ("constant", {"constant_values": (3, 4)}),
]
ARRAYS = {
    "squares": np.arange(12).reshape(3, 4) ** 2,
    "floats": np.random.default_rng(0).normal(size=(3, 4)),
    "vector": np.arange(5) + 1,
    "bytes": np.arange(250, 255, dtype=np.uint8),
    "one": np.array([[7.0, 8.0]]),
}


@pytest.mark.parametrize("end", [False, True, -3, 0.2])
def test_ramps_of_bools(end):
    x = np.array([[True, False, True], [False, True, True]])
    np.testing.assert_array_equal(
        cnp.pad(x, (2, 3), "linear_ramp", end_values=end), np.pad(x, (2, 3), "linear_ramp", end_values=end)
    )


@pytest.mark.parametrize("mode", ["mean", "median", "maximum", "minimum"])
@pytest.mark.parametrize("width", [1, ((1, 0), (0, 2))])
def test_statistics_of_bools(mode, width):
    x = np.array([[True, False, True], [False, False, True]])
    np.testing.assert_array_equal(cnp.pad(x, width, mode), np.pad(x, width, mode), strict=True)


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("width", [1, (2, 1), (0, 3), (9, 8)])
@pytest.mark.parametrize(("mode", "options"), MODES)
def test_pad(name, width, mode, options):
    x = ARRAYS[name]
    if name == "bytes" and "end_values" in options:
        options = {"end_values": (5, 4)}
    with cotan.enable_x64():
        got = cnp.pad(x, width, mode, **options)
        assert got.dtype == x.dtype
        np.testing.assert_allclose(got, np.pad(x, width, mode, **options), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(cotan.jit(lambda v: cnp.pad(v, width, mode, **options))(x), got, rtol=1e-12)


def test_pad_by_axis_and_by_function():
    x = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(cnp.pad(x, {1: (1, 2)}), np.pad(x, ((0, 0), (1, 2))))

    def ends(vector, width, axis, options):
        return vector.at[: width[0]].set(options["value"] + axis)

    expected = np.pad(x, ((1, 0), (1, 0)))
    expected[0], expected[:, 0] = 5, 6
    np.testing.assert_array_equal(cnp.pad(x, (1, 0), ends, value=5), expected)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cnp.pad(np.ones(3), -1), ValueError, "pad: widths must not be negative"),
        (lambda: cnp.pad(np.ones(3), 1, "mirror"), ValueError, "pad: unknown mode 'mirror'; use one of constant"),
        (lambda: cnp.pad(np.ones(3), 1, "edge", end_values=3), TypeError, "arguments end_values; mode 'edge'"),
        (lambda: cnp.pad(np.ones(3), 1.5), TypeError, "pad: pad_width must be integers, got 1.5"),
        (lambda: cnp.pad(np.ones(3), ((1, 2), (3, 4))), ValueError, "does not fit 1 axes"),
        (lambda: cnp.pad(np.ones(0), 1, "edge"), ValueError, "axis 0 is empty, from which mode 'edge'"),
        (lambda: cnp.pad(np.ones(3), 1, "mean", stat_length=0), ValueError, "stat_length must be at least 1"),
        (lambda: cnp.pad(np.ones(3), 1, "reflect", reflect_type="up"), ValueError, "must be 'even' or 'odd', got 'up'"),
        (lambda: cnp.unravel_index(3, (2, 2), "K"), ValueError, "unravel_index: order must be 'C' or 'F', got 'K'"),
        (lambda: cnp.ravel_multi_index((1, 1), (2, 2), order="K"), ValueError, "ravel_multi_index: order must be"),
        (lambda: cnp.ravel_multi_index((1, 1), (2, 2), "up"), ValueError, "ravel_multi_index: unknown mode 'up'"),
        (lambda: cnp.histogram(np.ones(3), "best"), ValueError, "histogram: unknown rule 'best'; use one of auto"),
        (
            lambda: cnp.histogram(np.ones(3), "fd", weights=np.ones(3)),
            ValueError,
            "no rule chooses a number of weighted",
        ),
        (
            lambda: cotan.jit(lambda x: cnp.histogram(x, "fd"))(np.ones(3)),
            cotan.errors.ConcretizationTypeError,
            "value",
        ),
        (lambda: cnp.partition(np.ones(3), (0, 3)), ValueError, "partition: kth=3 is out of range"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=r"test_padding\.py:") as caught:
        call()
    assert text in str(caught.value)


def test_indices_of_the_flat_array():
    indices = np.array([[3, 6, -6], [4, 5, 1]])
    for order in "CF":
        for mode in ("clip", "wrap", ("clip", "wrap")):
            expected = np.ravel_multi_index(indices, (4, 6), mode=mode, order=order)
            np.testing.assert_array_equal(cnp.ravel_multi_index(indices, (4, 6), mode, order), expected)
        for got, expected in zip(
            cnp.unravel_index(np.array([7, 3]), (2, 4), order), np.unravel_index([7, 3], (2, 4), order), strict=True
        ):
            np.testing.assert_array_equal(got, expected)
    assert cnp.ravel_multi_index((1, 9), (2, 3), "ignore", dtype=np.int8).dtype == np.int8


def test_averages_over_several_axes():
    data, weights = np.arange(24.0).reshape(2, 3, 4), np.arange(1.0, 7).reshape(2, 3)
    for axes, given in (((0, 1), weights), ((1, 0), weights.T)):
        np.testing.assert_allclose(cnp.average(data, axes, given), np.average(data, axes, given), rtol=1e-6)


def test_values_put_in_at_one_place():
    x = np.arange(6).reshape(3, 2)
    for values, axis in (([[7], [8], [9]], 1), ([7, 8, 9], 1), (5, 0), ([5, 6], 0), ([[5, 6]], 0)):
        np.testing.assert_array_equal(cnp.insert(x, 1, np.array(values), axis), np.insert(x, 1, values, axis))


def test_ranges_of_numbers():
    np.testing.assert_array_equal(cnp.arange(0, 5, 0.5, dtype=int), np.arange(0, 5, 0.5, dtype=int))
    np.testing.assert_array_equal(cnp.arange(0, 1, 0.1, dtype=np.float32), np.arange(0, 1, 0.1, dtype=np.float32))
    np.testing.assert_array_equal(cnp.array(range(4)), np.arange(4))
    with cotan.enable_x64():
        np.testing.assert_array_equal(cnp.geomspace(1, 1000, 4), [1, 10, 100, 1000])
        np.testing.assert_allclose(cnp.geomspace(-3, -7j, 5), np.geomspace(-3, -7j, 5), rtol=1e-14)
        for axis in (0, -1):
            base = np.array([2.0, 3.0])
            np.testing.assert_allclose(
                cnp.logspace(2, 3, 4, base=base, axis=axis), np.logspace(2, 3, 4, base=base, axis=axis), rtol=1e-14
            )


def test_sets_in_64_bits():
    """The places of distinct values are counted in one integer type."""
    with cotan.enable_x64():
        x = np.array([3, 1, 3, 2])
        for got, expected in zip(cnp.unique(x, True, True, True), np.unique(x, True, True, True), strict=True):
            np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(cotan.jit(lambda v: cnp.nonzero(v, size=2)[0])(x > 1), [0, 2])


def test_small_ones():
    assert cnp.size(np.ones((2, 3)), (0, 1)) == 6
    assert cnp.isrealobj("text")
    assert cnp.isrealobj(None)
    assert cnp.gcd.reduce(np.array([15, 25, 35])) == 5
    assert cnp.lcm.reduce(np.array([40, 12, 20])) == 120
    np.testing.assert_array_equal(cnp.vectorize(lambda a, b: a + b)([1, 2], 3), [4, 5])
    np.testing.assert_array_equal(cnp.zeros(cnp.array([2, 1])), np.zeros((2, 1)))
    pieces = cnp.split(np.arange(8), cnp.array([3, 5, 6, 10]))
    for piece, expected in zip(pieces, np.split(np.arange(8), [3, 5, 6, 10]), strict=True):
        np.testing.assert_array_equal(piece, expected)
    x, xp, fp = np.array([1.5, 4.0]), np.array([2.0, 3, 5]), np.array([1j, 0, 2 + 3j])
    np.testing.assert_allclose(cnp.interp(x, xp, fp), np.interp(x, xp, fp), rtol=1e-6)
    beyond = cnp.interp(np.array([0.0, 2.5, 6]), xp, np.array([1.0, 4, 5]), left="extrapolate", right="extrapolate")
    np.testing.assert_allclose(beyond, [-5, 2.5, 5.5], rtol=1e-6)
    np.testing.assert_array_equal(cnp.take_along_axis(xp, np.array([-1, 7]), 0, "drop"), [5, np.nan])
    for rule in ("auto", "fd", "sqrt", "stone"):
        counts, edges = cnp.histogram(x, rule)
        np.testing.assert_allclose(counts, np.histogram(x, rule)[0])
        np.testing.assert_allclose(edges, np.histogram(x, rule)[1], rtol=1e-6)
