"""The generators behind `rng_bit_generator` and the keys 'rbg' and 'unsafe_rbg': published values and distributions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

import cotan
import cotan.numpy as cnp
from cotan import lax, random

_PHILOX, _THREEFRY = lax.RandomAlgorithm.RNG_PHILOX, lax.RandomAlgorithm.RNG_THREE_FRY
_ALL = 0xFFFFFFFF


def _state(*words):
    return cnp.array(words, np.uint32)


def _tolist(pair):
    return [np.asarray(x).tolist() for x in pair]


# Vectors of the Random123 distribution (philox4x32-10); the key is also the upper half of the counter here.
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((_ALL, _ALL, _ALL, _ALL), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ],
)
def test_published_values_of_philox(words, expected):
    _, bits = lax.rng_bit_generator(_state(*words), (4,), algorithm=_PHILOX)
    assert tuple(np.asarray(bits).tolist()) == expected


def test_published_values_of_threefry():
    _, bits = lax.rng_bit_generator(_state(0, 0, 0, 0), (2,), algorithm=_THREEFRY)
    assert np.asarray(bits).tolist() == [0x6B200159, 0x99BA4EFE]


def test_streams_that_other_implementations_give():
    stream = [895509795, 3230209149, 3834998268, 2007387529, 550253412, 3629164905, 884685582, 1607917910, 10686132]
    assert _tolist(lax.rng_bit_generator(_state(0, 1, 2, 3), (9,))) == [[0, 1, 5, 3], stream]
    assert _tolist(lax.rng_bit_generator(_state(0, 1, 2, 3), (3, 3)))[1] == np.reshape(stream, (3, 3)).tolist()
    narrow = [word & 0xFF for word in stream]
    assert _tolist(lax.rng_bit_generator(_state(0, 1, 2, 3), (9,), np.uint8)) == [[0, 1, 5, 3], narrow]
    with cotan.enable_x64(True):
        wide = [stream[2 * n] | stream[2 * n + 1] << 32 for n in range(3)]
        assert _tolist(lax.rng_bit_generator(_state(0, 1, 2, 3), (3,), np.uint64)) == [[0, 1, 4, 3], wide]
    three = [2689575991, 2205648888, 150810639, 1537324351, 1815543426]
    assert _tolist(lax.rng_bit_generator(_state(0, 1, 2, 3), (5,), algorithm=_THREEFRY)) == [[0, 1, 5, 3], three]


def test_the_counter_carries():
    after, bits = lax.rng_bit_generator(_state(1, 2, _ALL, 3), (6,))
    assert np.asarray(after).tolist() == [1, 2, 1, 4]
    assert np.asarray(bits).tolist() == [1568313382, 2838174368, 3052931777, 1536359648, 2875794537, 690322899]
    after, bits = lax.rng_bit_generator(_state(1, 2, _ALL, _ALL), (6,), algorithm=_THREEFRY)
    assert np.asarray(after).tolist() == [1, 2, 2, 0]
    assert np.asarray(bits).tolist() == [3850963268, 2619805951, 629071667, 2343584484, 2271449651, 1211544305]


def test_a_stream_in_pieces_is_the_stream():
    state = _state(5, 6, 7, 8)
    _, whole = lax.rng_bit_generator(state, (12,))
    state, first = lax.rng_bit_generator(state, (8,))
    _, rest = cotan.jit(lambda state: lax.rng_bit_generator(state, (4,)))(state)
    np.testing.assert_array_equal(np.concatenate([first, rest]), whole)
    state, none = lax.rng_bit_generator(_state(1, 2, 3, 4), (0, 2))
    assert (none.shape, np.asarray(state).tolist()) == ((0, 2), [1, 2, 3, 4])


def test_errors_of_the_bit_generator():
    with pytest.raises(TypeError, match=r"takes a state uint32\[4\]"):
        lax.rng_bit_generator(cnp.zeros(2, np.uint32), (3,))
    with pytest.raises(TypeError, match="unsigned integers of 8 to 64 bits, not int32"):
        lax.rng_bit_generator(_state(0, 0, 0, 0), (3,), np.int32)


def test_numbers_without_keys_differ_and_are_uniform():
    draw = cotan.jit(lambda: lax.rng_uniform(np.float32(2), np.float32(5), (4000,)))
    first, second = np.asarray(draw()), np.asarray(draw())
    assert first.dtype == np.float32
    assert not np.array_equal(first, second)
    assert scipy.stats.kstest(first, "uniform", (2, 3)).pvalue > 1e-6
    whole = np.asarray(lax.rng_uniform(np.int8(-3), np.int8(2), (500,)))
    assert set(whole.tolist()) == {-3, -2, -1, 0, 1}
    with pytest.raises(TypeError, match="scalars of one real dtype"):
        lax.rng_uniform(np.float32(0), np.int32(1), ())


# ---- Keys

# Values that jax.random gives on the CPU for the same seeds.
_VALUES = {
    "rbg": {
        "split": [[3625411723, 1954958720] * 2, [195045567, 4062205631] * 2, [966301609, 1948237315] * 2],
        "fold_in": [3583082021, 1947592014] * 2,
        "randint": [33, 53, 0, 73],
        "permutation": [0, 6, 5, 3, 1, 7, 4, 2],
        "folded bits": [[1302192950, 2897963356], [1264859155, 685441841], [1352740289, 2859539565]],
    },
    "unsafe_rbg": {
        "split": [
            [3109483441, 1367189518, 2515982561, 3310080778], [3848958661, 3271070264, 2639373597, 23941900],
            [284021501, 2052574751, 3806814422, 128699926],
        ],
        "fold_in": [3810769997, 2355009018, 1837142617, 748193193],
        "randint": [23, 44, 75, 29],
        "permutation": [3, 1, 0, 6, 7, 5, 4, 2],
        "folded bits": [[1905105479, 3556104227], [559882596, 3786307285], [3168553322, 4081259925]],
    },
}  # fmt: skip


@pytest.mark.parametrize("impl", _VALUES)
def test_keys_of_four_words(impl):
    expected, key = _VALUES[impl], random.key(7, impl=impl)
    words = lambda keys: np.asarray(random.key_data(keys)).tolist()  # noqa: E731
    assert words(key) == [0, 7, 0, 7]
    assert words(random.split(key, 3)) == expected["split"]
    assert words(random.split(key, (3, 1))) == [[row] for row in expected["split"]]
    assert words(random.fold_in(key, 5)) == expected["fold_in"]
    assert random.bits(key, (5,)).tolist() == [3109483441, 1367189518, 2515982561, 3310080778, 2824504284]
    assert random.bits(key, (3,), np.uint16).tolist() == [62385, 43022, 55521]
    assert random.bits(random.fold_in(key, 5), (3, 2)).tolist() == expected["folded bits"]
    assert random.uniform(key, (2,)).tolist() == [0.7239829301834106, 0.31832361221313477]
    assert random.randint(key, (4,), 0, 100).tolist() == expected["randint"]
    assert random.permutation(key, 8).tolist() == expected["permutation"]


@pytest.mark.parametrize(("impl", "name"), [("rbg", "key<rbg>"), ("unsafe_rbg", "key<urbg>")])
def test_types_of_keys(impl, name):
    key = random.key(7, impl=impl)
    assert repr(key.dtype) == name
    assert random.key_impl(key) == impl
    assert random.key(7, dtype=key.dtype).dtype == random.key_dtype(impl) == key.dtype
    assert random.PRNGKey(7, impl=impl).tolist() == [0, 7, 0, 7]
    assert random.wrap_key_data(random.key_data(key), impl=impl).dtype == key.dtype
    kept = cnp.where(cnp.array([True, False]), random.split(key), random.split(random.key(8, impl=impl)))
    assert random.key_data(kept)[0].tolist() == random.key_data(random.split(key))[0].tolist()
    looped = lax.fori_loop(0, 3, lambda n, k: random.fold_in(k, n), key)
    assert looped.dtype == key.dtype
    with pytest.raises(TypeError, match=r"words of keys, uint32\[..., 4\]"):
        random.wrap_key_data(cnp.zeros(2, np.uint32), impl=impl)
    with pytest.raises(ValueError, match="by impl or by dtype, not by both"):
        random.key(0, impl=impl, dtype=key.dtype)


@pytest.mark.parametrize("impl", _VALUES)
def test_mapping_gives_what_each_key_gives(impl):
    keys = random.split(random.key(3, impl=impl), 4)
    mapped = cotan.vmap(lambda key: random.normal(key, (5,)))(keys)
    np.testing.assert_array_equal(mapped, [random.normal(keys[n], (5,)) for n in range(4)])


@pytest.mark.parametrize("impl", _VALUES)
def test_numbers_are_distributed_as_they_should(impl):
    keys = random.split(random.key(11, impl=impl), 200)
    drawn = np.asarray(cotan.vmap(lambda key: random.normal(key, (50,)))(keys))
    assert scipy.stats.kstest(drawn.ravel(), "norm").pvalue > 1e-4
    # Neither along a key's numbers nor from key to key is there a correlation.
    for pairs in ((drawn[:, :-1], drawn[:, 1:]), (drawn[:-1], drawn[1:])):
        assert abs(np.corrcoef(pairs[0].ravel(), pairs[1].ravel())[0, 1]) < 0.05
    gammas = np.asarray(random.gamma(random.key(1, impl=impl), 2.5, (2000,)))
    assert scipy.stats.kstest(gammas, "gamma", (2.5,)).pvalue > 1e-4


def test_raw_keys_are_of_the_configured_generator():
    with cotan.config.override(default_prng_impl="rbg"):
        raw = random.PRNGKey(7)
        assert raw.shape == (4,)
        assert random.key_impl(random.key(0)) == "rbg"
        assert random.bits(raw, (2,)).tolist() == [3109483441, 1367189518]
    for read in (random.bits, random.key_data, random.key_impl):
        with pytest.raises(TypeError, match=r"'threefry2x32' are uint32\[\.\.\., 2\], got shape \(4,\)"):
            read(raw)
