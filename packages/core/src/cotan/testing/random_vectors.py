"""Random numbers that were computed elsewhere: the published answers of the cipher, and stored results of samplers.

The data stand in ``data/random_vectors.json``; this module says which call gives each of them, and how near to it a
backend must come. Bits, uniform numbers, integers and permutations are exact everywhere.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import random


@functools.cache
def vectors() -> list[dict[str, Any]]:
    """The stored cases: ``fn``, its arguments, and the result as bytes (the first ones of large results)."""
    found: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "random_vectors.json").read_text())[
        "cases"
    ]
    return found


# Random123's known answers for Threefry-2x32 with 20 rounds: counter, key, result.
KNOWN_ANSWERS = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]

SAMPLERS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "PRNGKey": lambda key, case: key,
    "split": lambda key, case: random.split(key, case["num"]),
    "fold_in": lambda key, case: random.fold_in(key, case["data"]),
    "bits": lambda key, case: random.bits(key, case["shape_arg"], case["dtype_arg"]),
    "uniform": lambda key, case: random.uniform(key, case["shape_arg"], case["dtype_arg"]),
    "randint": lambda key, case: random.randint(
        key, case["shape_arg"], case["minval"], case["maxval"], case.get("dtype_arg")
    ),
    "bernoulli": lambda key, case: random.bernoulli(key, case["p"], case["shape_arg"]),
    "rademacher": lambda key, case: random.rademacher(key, case["shape_arg"]),
    "normal": lambda key, case: random.normal(key, case["shape_arg"]),
    "gumbel": lambda key, case: random.gumbel(key, case["shape_arg"]),
    "exponential": lambda key, case: random.exponential(key, case["shape_arg"]),
    "laplace": lambda key, case: random.laplace(key, case["shape_arg"]),
    "logistic": lambda key, case: random.logistic(key, case["shape_arg"]),
    "cauchy": lambda key, case: random.cauchy(key, case["shape_arg"]),
    "permutation": lambda key, case: random.permutation(key, case["n"]),
    "permutation_matrix": lambda key, case: random.permutation(key, cnp.arange(20).reshape(5, 4)),
    "permutation_independent": lambda key, case: random.permutation(
        key, cnp.arange(20).reshape(5, 4), axis=1, independent=True
    ),
    "choice": lambda key, case: random.choice(key, 10, (7,)),
    "choice_noreplace": lambda key, case: random.choice(key, 10, (7,), replace=False),
    "categorical": lambda key, case: random.categorical(key, cnp.log(cnp.array([0.1, 0.2, 0.3, 0.4])), shape=(33,)),
    "truncated_normal": lambda key, case: random.truncated_normal(key, -1, 2, (9,)),
    "vmap_normal": lambda key, case: cotan.vmap(lambda k: random.normal(k, (3,)))(random.split(key, 4)),
    "gamma": lambda key, case: random.gamma(key, 2.5, (9,)),
    "beta": lambda key, case: random.beta(key, 2, 3, (9,)),
    "dirichlet": lambda key, case: random.dirichlet(key, cnp.array([1.0, 2.0, 3.0]), (3,)),
    "poisson": lambda key, case: random.poisson(key, 4, (9,)),
    "multivariate_normal": lambda key, case: random.multivariate_normal(
        key, cnp.zeros(2), cnp.array([[2.0, 0.5], [0.5, 1.0]]), (4,)
    ),
}

# How far the samplers through log, tan or erf_inv may be from the stored values: so many ulps of max(|x|, floor). The
# floor is 1 where the last step cancels (the logarithm of a number near 1), or where the stored values were made with a
# fused multiply-add in the uniform numbers.
ULPS = {
    "beta": (16, 1e-3),
    "cauchy": (16, 1e-3),
    "dirichlet": (16, 1e-3),
    "exponential": (4, 1e-3),
    "gamma": (8, 1e-3),
    "gumbel": (4, 1.0),
    "laplace": (4, 1.0),
    "logistic": (4, 1.0),
    "multivariate_normal": (4, 1.0),
    "truncated_normal": (4, 1.0),
}


def ulps(found: Any, expected: Any, floor: float) -> float:
    """The largest distance, in units in the last place of the larger of ``expected`` and ``floor``."""
    distance = np.abs(found.astype(np.float64) - expected)
    return float(np.max(distance / np.spacing(np.maximum(np.abs(expected), np.float32(floor))), initial=0))


def check(case: dict[str, Any], found: Any) -> None:
    """Hold a result (keys as their words) to a stored case.

    Raises:
      AssertionError: it is not that.
    """
    found = np.asarray(found)
    assert list(found.shape) == case["shape"], f"{case}: shape {found.shape}"
    assert found.dtype.name == case["dtype"], f"{case}: dtype {found.dtype}"
    expected = np.frombuffer(bytes.fromhex(case["hex"] if "hex" in case else case["head_hex"]), found.dtype)
    part = found.ravel()[: len(expected)]
    if case["exact"]:
        assert part.tobytes() == expected.tobytes(), f"{case}:\n{part}\nis not\n{expected}"
        if "sha256" in case:
            assert hashlib.sha256(found.tobytes()).hexdigest() == case["sha256"], f"{case}: some element is wrong"
    else:
        most, floor = ULPS.get(case["fn"], (4, 1e-3))
        assert ulps(part, expected, floor) <= most, f"{case}:\n{part}\nis not\n{expected}"
