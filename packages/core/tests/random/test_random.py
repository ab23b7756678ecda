"""Random numbers: published Threefry vectors, stored reference values, key kinds, transforms, bad input."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import random
from cotan.primitives.random_bits import threefry2x32
from cotan.random import sampling
from cotan.testing.random_vectors import KNOWN_ANSWERS, SAMPLERS, check, ulps, vectors

VECTORS = vectors()


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_threefry_gives_the_published_answers(counter, key, expected, jitted):
    words = [cnp.asarray(np.array([w], np.uint32)) for w in (*key, *counter)]
    cipher = cotan.jit(threefry2x32) if jitted else threefry2x32
    assert tuple(int(w[0]) for w in cipher(*words)) == expected


def test_every_stored_function_is_compared():
    assert {case["fn"] for case in VECTORS} == SAMPLERS.keys()


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("fn", sorted(SAMPLERS))
def test_stored_values(fn, typed):
    for case in (c for c in VECTORS if c["fn"] == fn):
        key = random.key(case["seed"]) if typed else random.PRNGKey(case["seed"])
        found = SAMPLERS[fn](key, case)
        if cotan.dtypes.issubdtype(found.dtype, cotan.dtypes.prng_key):
            found = random.key_data(found)
        check(case, found)


@pytest.mark.parametrize("partitionable", [True, False])
def test_jitted_bits_are_the_eager_ones(partitionable):
    with cotan.config.override(threefry_partitionable=partitionable):
        key = random.key(11)
        for dtype in (np.uint8, np.uint16, np.uint32):
            for shape in [(), (1,), (7,), (3, 5), (2, 3, 17)]:
                eager = random.bits(key, shape, dtype)
                jitted = cotan.jit(lambda k, s=shape, d=dtype: random.bits(k, s, d))(key)
                np.testing.assert_array_equal(eager, jitted)


EVERY_SAMPLER = {
    "split": lambda key, shape: random.key_data(random.split(key, shape or 3)),
    "fold_in": lambda key, shape: random.key_data(random.fold_in(key, len(shape) + 5)),
    "uniform": random.uniform,
    "normal": random.normal,
    "randint": lambda key, shape: random.randint(key, shape, -5, 1000),
    "bernoulli": lambda key, shape: random.bernoulli(key, 0.3, shape),
    "permutation": lambda key, shape: random.permutation(key, 13 + len(shape)),
    "categorical": lambda key, shape: random.categorical(key, np.log(np.float32([0.1, 0.2, 0.7])), shape=shape),
    "choice": lambda key, shape: random.choice(key, 20, shape),
    "gumbel": random.gumbel,
    "exponential": random.exponential,
    "truncated_normal": lambda key, shape: random.truncated_normal(key, -1.0, 2.0, shape),
    "rademacher": random.rademacher,
}


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("name", EVERY_SAMPLER)
def test_jitted_samplers_are_the_eager_ones(name, typed):
    key = random.key(3) if typed else random.PRNGKey(3)
    sampler = EVERY_SAMPLER[name]
    for shape in [(), (1,), (7,), (3, 5), (2, 3, 17)]:
        eager = np.asarray(sampler(key, shape))
        with_key_held = np.asarray(cotan.jit(lambda s=shape: sampler(key, s))())
        with_key_given = np.asarray(cotan.jit(lambda k, s=shape: sampler(k, s))(key))
        assert with_key_held.tobytes() == with_key_given.tobytes()
        if eager.dtype.kind == "f" and name != "uniform":
            assert ulps(with_key_given, eager, 1.0) <= 4
        else:
            np.testing.assert_array_equal(with_key_given, eager)


def test_the_original_layout_differs_and_is_as_documented():
    with cotan.config.override(threefry_partitionable=False):
        words = random.bits(random.PRNGKey(0), (3,))
    # The counters 0..2 and a padding 0, cut in halves: (0, 2) and (1, 0).
    zero = np.zeros(2, np.uint32)
    first, second = threefry2x32(zero, zero, np.array([0, 1], np.uint32), np.array([2, 0], np.uint32))
    np.testing.assert_array_equal(words, np.concatenate([first, second])[:3])


def test_vmap_over_keys_is_the_loop():
    keys = random.split(random.key(5), 4)
    mapped = cotan.vmap(lambda k: random.uniform(k, (3,)))(keys)
    for row, key in zip(mapped, keys, strict=True):
        np.testing.assert_array_equal(row, random.uniform(key, (3,)))


def test_typed_and_raw_keys_draw_the_same():
    np.testing.assert_array_equal(random.normal(random.key(3), (5,)), random.normal(random.PRNGKey(3), (5,)))
    np.testing.assert_array_equal(random.key_data(random.key(3)), random.PRNGKey(3))
    again = random.wrap_key_data(random.PRNGKey(3))
    np.testing.assert_array_equal(random.bits(again, (4,)), random.bits(random.key(3), (4,)))


def test_seeds_of_64_bits():
    np.testing.assert_array_equal(random.PRNGKey(-1), [0, 0xFFFFFFFF])
    with cotan.enable_x64(True):
        np.testing.assert_array_equal(random.PRNGKey(-1), [0xFFFFFFFF, 0xFFFFFFFF])
        np.testing.assert_array_equal(random.PRNGKey(2**40 + 5), [256, 5])


def test_uniform_moments_and_range():
    drawn = np.asarray(random.uniform(random.key(0), (100_000,), minval=2.0, maxval=5.0))
    assert drawn.min() >= 2
    assert drawn.max() < 5
    assert abs(drawn.mean() - 3.5) < 0.02
    assert abs(drawn.var() - 9 / 12) < 0.02


RANGES = [
    (0, 1), (-1, 1), (0.0, 2.0), (-0.0, 4), (1, 3), (-3, 5), (0, 0.001), (5, 1), (1, 1), (0, 2.0**-126), (0, 2.0**-130),
    (-3e38, 3e38), (np.float32(-0.5), np.float16(0.5)), (0, np.inf), (np.nan, 1), (2**24 + 1, 2**25), (np.int8(-4), 4),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_uniform_of_known_ends_rounds_as_that_of_unknown_ends(low, high, dtype):
    if dtype is np.float16 and abs(high) > 6e4 and np.isfinite(high):
        low, high = low / 1e34, high / 1e34
    numbers = np.asarray(random.uniform(random.key(3), (1000,), dtype))
    found = np.asarray(random.uniform(random.key(3), (1000,), dtype, low, high))
    with np.errstate(all="ignore"):
        first, last = dtype(low), dtype(high)
        np.testing.assert_array_equal(found, np.maximum(first, numbers * (last - first) + first))
    unknown = cotan.jit(lambda low, high: random.uniform(random.key(3), (1000,), dtype, low, high))
    np.testing.assert_array_equal(found, unknown(low, high))


@pytest.mark.parametrize(("low", "high"), [(0, 10**400), (-(10**400), 1)])
def test_uniform_refuses_ends_that_no_float_holds(low, high):
    with pytest.raises(OverflowError, match="too large to convert to float; ask for a wider dtype"):
        random.uniform(random.key(0), (2,), None, low, high)


def test_normal_moments():
    drawn = np.asarray(random.normal(random.key(0), (100_000,)))
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.var() - 1) < 0.03


X = np.ones(3, np.float32)
# Functions of a key whose parameters are needed, and the others.
ARGUMENTS = {
    "ball": (2,), "beta": (1.0, 2.0), "binomial": (3, 0.5), "categorical": (X,), "chisquare": (2.0,), "choice": (X,),
    "dirichlet": (X,), "double_sided_maxwell": (0.0, 1.0), "f": (2.0, 3.0), "gamma": (2.0,),
    "generalized_normal": (2.0,), "geometric": (0.5,), "loggamma": (2.0,), "multinomial": (3, X),
    "multivariate_normal": (X, np.eye(3, dtype=np.float32)), "orthogonal": (2,), "pareto": (1.0,), "permutation": (X,),
    "poisson": (2.0,), "randint": ((), 0, 3), "rayleigh": (1.0,), "t": (2.0,), "triangular": (0.0, 0.5, 1.0),
    "truncated_normal": (-1.0, 1.0), "wald": (1.0,), "weibull_min": (1.0, 2.0),
}  # fmt: skip
OF_A_KEY = [
    *ARGUMENTS, "bernoulli", "bits", "cauchy", "exponential", "gumbel", "laplace", "logistic", "lognormal", "maxwell",
    "normal", "rademacher", "uniform",
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: random.normal(7, (2,)), TypeError, "normal needs a key as its first argument"),
        (
            lambda: random.normal(random.split(random.key(0)), (2,)),
            ValueError,
            "takes a single key and got an array of keys",
        ),
        *[
            (
                lambda name=name: getattr(random, name)(7, *ARGUMENTS.get(name, ())),
                TypeError,
                f": {name} needs a key as",
            )
            for name in OF_A_KEY
        ],
        *[
            (
                lambda name=name: getattr(random, name)(random.split(random.key(0)), *ARGUMENTS.get(name, ())),
                ValueError,
                f"{name} takes a single key .*cotan.random.{name}\\(key",
            )
            for name in OF_A_KEY
        ],
        (lambda: random.clone("key"), TypeError, "clone needs a key as its first argument"),
        (lambda: random.bits(np.zeros((3, 2), np.uint32)), ValueError, "takes a single key"),
        (lambda: random.bits(np.zeros(2)), TypeError, "got an array of float64"),
        (lambda: random.key_data(7), TypeError, "key_data needs a key as its first argument"),
        (lambda: random.key_impl(cnp.zeros(2)), TypeError, "got an array of float32"),
        (lambda: random.key(0.5), TypeError, "the seed must be an integer"),
        (lambda: random.key(0, impl="mersenne"), ValueError, "no generator 'mersenne'"),
        (lambda: random.fold_in(random.key(0), -1), OverflowError, "outside of 0..2\\*\\*32-1"),
        (lambda: random.uniform(random.key(0), (2,), np.int32), ValueError, "dtype must be a floating dtype"),
        (lambda: random.randint(random.key(0), (2,), 0j, 5), TypeError, "minval must be a real number, got complex"),
        (lambda: random.bits(random.key(0), (2,), np.int32), ValueError, "unsigned"),
        (lambda: random.uniform(random.key(0), (-1,)), ValueError, "negative extent"),
        (lambda: random.permutation(random.key(0), cnp.ones((2, 2)), axis=5), ValueError, "axis 5 is out of range"),
        (
            lambda: random.choice(random.key(0), np.ones((2, 3)), axis=5),
            ValueError,
            "choice: axis 5 is out of range for an array of 2 dimensions",
        ),
        (
            lambda: random.choice(random.key(0), 3, (5,), replace=False),
            ValueError,
            "5 draws without replacement from 3",
        ),
        (lambda: random.bernoulli(random.key(0), 0.5, (2,), mode="fast"), ValueError, "mode must be"),
        (lambda: random.wrap_key_data(cnp.zeros(3)), TypeError, "uint32"),
    ],
)
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, 10.9), (np.float64(0.5), 10), (False, cnp.float32(10)), (np.zeros(50, np.float16), 10), (-0.9, 10.5)],
)
def test_bounds_of_randint_lose_their_fractions(low, high):
    key = random.key(3)
    found = random.randint(key, (50,), low, high)
    np.testing.assert_array_equal(found, random.randint(key, (50,), 0, 10))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(cotan.jit(lambda a, b: random.randint(key, (50,), a, b))(low, high), found)


def test_samplers_of_twice_the_bits_draw_from_one_key():
    key = random.key(3)
    coarse, fine = np.asarray(random.uniform(key, (2, 1000)), np.float64)
    found = random.bernoulli(key, 0.3, (1000,), mode="high")
    np.testing.assert_array_equal(found, coarse + fine * 2.0**-23 < np.float32(0.3))
    drawn = np.where(coarse >= 0.5, coarse, coarse + fine * 2.0**-23)
    np.testing.assert_allclose(
        random.gumbel(key, (1000,), mode="high"), -np.log(-np.log1p(-drawn)), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(random.bernoulli(key, 0.3, (8,), mode="high"), [1, 0, 0, 0, 1, 0, 1, 0])
    np.testing.assert_allclose(
        random.gumbel(key, (4,), mode="high"), [2.5647573, -1.023512, -0.045782436, -1.3121183], rtol=1e-5
    )
    np.testing.assert_array_equal(
        random.gumbel(key, (9,), "float16", mode="highest"), random.gumbel(key, (9,), "float16", mode="high")
    )


def test_the_finest_gumbel_draws_64_bits(monkeypatch):
    key = random.key(3)
    for words in (
        np.asarray(random.bits(key, (2, 1000), np.uint32)),
        np.array([[0, 0, 0, 0, 1, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 1], [0, 1, 2**31, 2**32 - 1] * 2 + [1, 0]]),
    ):
        drawn = [(int(high) << 32) + int(low) for high, low in words.T]
        # No bit set stands for less than one.
        u = [n * mpmath.mpf(2) ** -64 if n else mpmath.mpf(2) ** -65 for n in drawn]
        expected = [float(-mpmath.log(-mpmath.log1p(-x))) for x in u]
        monkeypatch.setattr(sampling, "bits", lambda *_, words=words: cnp.array(words.astype(np.uint32)))
        found = sampling.gumbel(key, (len(u),), mode="highest")
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
