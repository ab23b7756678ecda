"""Samplers that become programs: the same numbers, whatever else is asked for in between."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from repeated_calls import fresh as fresh
from repeated_calls import programs

import cotan
import cotan.numpy as cnp
from cotan import random
from cotan.api import repeated
from cotan.api.repeated import PAYS_FROM
from cotan.config import config

CALLS = {
    "bits": lambda k: random.bits(k, (11,)),
    "narrow bits": lambda k: random.bits(k, (7, 3), "uint8"),
    "uniform": lambda k: random.uniform(k, (11,)),
    "uniform between": lambda k: random.uniform(k, (3, 5), minval=-2.5, maxval=7),
    "uniform of half precision": lambda k: random.uniform(k, [3], cnp.bfloat16),
    "normal": lambda k: random.normal(k, (1001,)),
    "complex normal": lambda k: random.normal(k, (33,), "complex64"),
    "randint": lambda k: random.randint(k, (11,), -5, 1000),
    "bernoulli": lambda k: random.bernoulli(k, 0.3, (11,)),
    "permutation": lambda k: random.permutation(k, 101),
    "choice": lambda k: random.choice(k, 10, (3,), False),
    "exponential": lambda k: random.exponential(k, (101,)),
    "gumbel": lambda k: random.gumbel(k, (101,)),
    "truncated normal": lambda k: random.truncated_normal(k, -1.0, 2.0, (101,)),
    "gamma": lambda k: random.gamma(k, 2.5, (21,)),
    "poisson": lambda k: random.poisson(k, 4.0, (21,)),
    "split": lambda k: random.key_data(random.split(k)),
    "split into a shape": lambda k: random.key_data(random.split(k, (2, 3))),
    "fold_in": lambda k: random.key_data(random.fold_in(k, 3)),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("make", [random.key, random.PRNGKey])
def test_the_same_numbers(name, make):
    run, keys = CALLS[name], [make(seed) for seed in range(4)]
    with config.override(compile_repeated=False):
        wanted = [np.asarray(run(key)) for key in keys]
    assert not repeated._calls
    found = [np.asarray(run(key)) for key in keys]
    assert len(programs()) == 1
    for a, b in zip(found, wanted, strict=True):
        assert a.tobytes() == b.tobytes()
        assert a.dtype == b.dtype


def test_a_few_calls_are_not_compiled(monkeypatch):
    monkeypatch.setattr(repeated, "PAYS_FROM", PAYS_FROM)
    monkeypatch.setattr(repeated, "PAYS_AFTER", float("inf"))  # on a busy machine few calls take long
    key = random.key(0)
    for _ in range(PAYS_FROM - 1):
        random.uniform(key)
    assert not programs()
    random.uniform(key)
    assert len(programs()) == 1


def test_arguments_that_are_equal_but_of_other_types_or_signs_are_others():
    key = random.key(0)
    for maximum in (1, 1.0, True, 2, 2.0):
        for _ in range(3):
            random.uniform(key, (2,), minval=0.0, maxval=maximum)
            random.uniform(key, (2,), minval=-0.0, maxval=maximum)
    assert len(repeated._calls) == 10


def test_what_single_calls_warn_of_programs_warn_of_too():
    for _ in range(5):
        with pytest.warns(UserWarning, match="normal: the dtype float64 was asked for") as seen:
            assert random.normal(random.key(0), (2,), np.float64).dtype == np.float32
        assert [w.filename for w in seen] == [__file__]
    assert len(programs()) == 1


def test_other_keys_and_configurations_are_others():
    for _ in range(3):
        random.bits(random.key(0), (2,))
        random.bits(random.split(random.key(0))[0], (2,))
        random.bits(random.PRNGKey(0), (2,))
        with cotan.enable_x64(True):
            assert random.bits(random.key(0), (2,)).dtype == np.uint64
        with config.override(threefry_partitionable=False):
            random.bits(random.key(0), (2,))
    assert len(repeated._calls) == 5  # with that of split
    assert random.bits(random.key(0), (2,)).dtype == np.uint32


def test_what_is_folded_in_is_no_part_of_the_call():
    key = random.key(0)
    found = [random.key_data(random.fold_in(key, k)) for k in range(5)]
    assert len(repeated._calls) == 1
    with config.override(compile_repeated=False):
        for k, words in enumerate(found):
            np.testing.assert_array_equal(words, random.key_data(random.fold_in(key, k)))
        large = random.key_data(random.fold_in(key, 2**32 - 1))
    np.testing.assert_array_equal(random.key_data(random.fold_in(key, 2**32 - 1)), large)
    with pytest.raises(OverflowError, match="outside of"):
        random.fold_in(key, -1)


def test_numpy_and_named_keys_go_the_usual_way():
    key = random.key(0)
    for _ in range(4):
        random.bernoulli(key, np.array([0.5]), (1,))
        random.uniform(key, (np.int64(2),))
        random.uniform(key=key)
    assert not repeated._calls


def test_arrays_among_the_arguments_are_operands():
    key = random.key(0)
    for p in (0.0, 1.0, 0.0, 1.0):
        assert np.all(np.asarray(random.bernoulli(key, cnp.float32(p), (2,))) == p)
    assert len(repeated._calls) == len(programs()) == 1


def test_transformations_see_the_sampler_itself():
    keys = random.split(random.key(0), 3)
    rows = cotan.vmap(random.normal)(keys)
    assert rows.shape == (3,)
    jaxpr = cotan.make_jaxpr(lambda key: random.bits(key, (2,)))(keys[0])
    assert "pjit" not in str(jaxpr)
    assert cotan.jit(lambda key: random.normal(key))(keys[0]) == rows[0]
    assert cotan.grad(lambda x: x * random.normal(keys[0]))(1.0) == rows[0]
    assert not [call for call in repeated._calls.values() if call.met > 3]


@pytest.mark.parametrize("flag", ["disable_jit", "no_tracing", "debug_nans", "check_tracer_leaks"])
def test_flags_that_compile_nothing(flag):
    key = random.key(0)
    with config.override(**{flag: True}):
        for _ in range(4):
            random.normal(key)
    assert not programs()


def test_mistakes_are_refused_as_before():
    key = random.key(0)
    for _ in range(4):
        random.normal(key, (2,))
        with pytest.raises(TypeError, match="shape"):
            random.normal(key, (2.0,))
        with pytest.raises(ValueError, match="unsigned"):
            random.bits(key, (2,), "int32")
    assert len(repeated._calls) == 1
    key.delete()
    with pytest.raises(cotan.errors.DeletedArrayError):
        random.normal(key, (2,))


def test_what_is_remembered_is_bounded():
    key = random.key(0)
    for extent in range(repeated._KEPT + 9):
        random.bits(key, (extent,))
    assert len(repeated._calls) == repeated._KEPT


def test_results_follow_committed_keys():
    key = cotan.device_put(random.key(0), cotan.devices()[0])
    for _ in range(4):
        assert random.normal(key).committed
        assert not random.normal(random.key(0)).committed


def test_several_threads():
    key = random.key(0)
    wanted = np.asarray(random.normal(key, (100,)))

    def draw(_):
        return [np.asarray(random.normal(key, (100,))).tobytes() for _ in range(50)]

    with ThreadPoolExecutor(4) as pool:
        assert all(found == [wanted.tobytes()] * 50 for found in pool.map(draw, range(4)))


def test_names_and_pickles():
    assert random.normal.__name__ == "normal"
    assert random.normal.__module__ == "cotan.random"
    assert pickle.loads(pickle.dumps(random.normal)) is random.normal


def test_some_of_an_array_of_keys():
    keys = random.split(random.key(0), (3, 4))
    words = np.asarray(random.key_data(keys))
    for index in (0, -1, (1, 2), (..., 1), (slice(None), 2), (None, 1), slice(1, 3), (slice(None, None, -1), 0)):
        whole = (*index, slice(None)) if type(index) is tuple else (index,)
        np.testing.assert_array_equal(random.key_data(keys[index]), words[whole])
    np.testing.assert_array_equal(cnp.stack([random.key_data(key) for key in keys]), words)
    with pytest.raises(IndexError, match="2 dimensions, but 3 were indexed"):
        keys[0, 0, 0]
