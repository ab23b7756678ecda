"""Random numbers, against values that were computed elsewhere: the same on every backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import cotan
from cotan import random
from cotan.primitives.random_bits import threefry2x32
from cotan.testing.conformance.cases import ALL, AT_ONCE, Case, ProgramCase, both_ways
from cotan.testing.random_vectors import KNOWN_ANSWERS, SAMPLERS, check, vectors

NEEDED = frozenset({"uint32", "int32", "float32", "bool"})


def cases() -> Iterator[Case]:
    """The published answers of Threefry, the stored results of every sampler, and kinds of keys."""
    for number, (counter, key, answer) in enumerate(KNOWN_ANSWERS):
        words = [np.array([word] * 3, np.uint32) for word in (*key, *counter)]
        wanted = [np.array([word] * 3, np.uint32) for word in answer]
        yield from both_ways(f"random/threefry/published {number}", threefry2x32, words, wanted, tolerance=None)
    yield from _samplers()
    keys = np.array([0, 3], np.uint32)
    yield from both_ways("random/keys/typed as raw", _typed_and_raw, [keys], judge=_equal_halves, dtypes=NEEDED)
    yield from both_ways("random/keys/original layout", _original, [keys], tolerance=None, dtypes=NEEDED)
    yield from both_ways("random/keys/moved whole", _moved, [keys], tolerance=None, dtypes=NEEDED)
    for size in (1, 2, 31, 33, 1000, 4099):
        yield from both_ways(
            f"random/bits/{size}", partial(_bits, size), [keys], tolerance=None, dtypes=(*NEEDED, "uint8", "uint16")
        )


def _samplers() -> Iterator[Case]:
    """Each call at once with the first seed, and compiled with one in turn: another seed is the same program."""
    of_seed: dict[int, list[tuple[int, dict[str, Any]]]] = {}
    for number, stored in enumerate(vectors()):
        of_seed.setdefault(stored["seed"], []).append((number, stored))
    seeds = sorted(of_seed)
    for turn, calls in enumerate(zip(*(of_seed[seed] for seed in seeds), strict=True)):
        yield _sampler(*calls[seeds.index(0)], jit=False)
        yield _sampler(*calls[turn % len(seeds)], jit=True)


def _sampler(number: int, stored: dict[str, Any], jit: bool) -> Case:
    words = np.array([0, stored["seed"] & 0xFFFFFFFF], np.uint32)
    needed = NEEDED | {stored["dtype"]} | ({stored["dtype_arg"]} if stored.get("dtype_arg") else set())

    def sampler(key: Any) -> Any:
        return SAMPLERS[stored["fn"]](random.wrap_key_data(key) if number % 2 else key, stored)

    judge: Callable[[Any], None] = lambda found: check(stored, found[0])  # noqa: E731
    return ProgramCase(
        f"random/{stored['fn']}/{number}/{'jit' if jit else 'eager'}",
        ALL if jit else AT_ONCE,
        needed,
        cell=("random", stored["dtype"]),
        fun=sampler,
        args=(words,),
        judge=judge,
        jit=jit,
    )


def _typed_and_raw(words: Any) -> list[Any]:
    key = random.wrap_key_data(words)
    typed = [random.key_data(random.split(key, 3)), random.normal(key, (5,)), random.permutation(key, 7)]
    return [*typed, random.split(words, 3), random.normal(words, (5,)), random.permutation(words, 7)]


def _equal_halves(found: Any) -> None:
    half = len(found) // 2
    for x, y in zip(found[:half], found[half:], strict=True):
        assert x.tobytes() == y.tobytes(), f"a typed key gives\n{x}\nits words\n{y}"


def _original(words: Any) -> Any:
    with cotan.config.override(threefry_partitionable=False):
        return [random.bits(words, (7,)), random.split(words, 3), random.bits(words, (5,), "uint8")]


def _moved(words: Any) -> list[Any]:
    keys = random.split(random.wrap_key_data(words), (3, 2))
    moved = [keys.T, keys[1], keys.reshape(6)[::2], cotan.numpy.concatenate([keys, keys[:1]])]
    return [random.key_data(k) for k in moved] + [cotan.vmap(lambda k: random.bits(k, (2,)))(keys[0])]


def _bits(size: int, words: Any) -> list[Any]:
    return [random.bits(words, (size,), dtype) for dtype in ("uint8", "uint16", "uint32")]
