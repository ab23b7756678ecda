"""Functions that take ``out_sharding``: on one device it changes nothing, whether it is given or not."""

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax, random
from cotan.nn import initializers

X = np.arange(6, dtype=np.float32).reshape(2, 3)
NUMPY = {
    "arange": (5,), "array": (X,), "asarray": (X,), "bincount": (np.array([0, 1, 1]),), "broadcast_to": (X, (2, 2, 3)),
    "dot": (X, X.T), "einsum": ("ij,kj->ik", X, X), "empty": ((2, 3),), "full": ((2,), 1.5), "full_like": (X, 2),
    "matmul": (X, X.T), "ones": ((2,),), "ones_like": (X,), "percentile": (X, 30.0), "ravel": (X,),
    "repeat": (X, 2), "reshape": (X, (3, 2)), "tensordot": (X, X), "zeros": ((2,),), "zeros_like": (X,),
}  # fmt: skip
LAX = {
    "broadcast": (X, (2,)), "broadcast_in_dim": (X, (2, 3, 1), (0, 1)), "broadcasted_iota": ("int32", (2, 3), 1),
    "dot": (X, X.T), "dot_general": (X, X, (((1,), (1,)), ((), ()))), "empty": ((2,), "float32"),
    "reduce_sum": (X, (0,)), "reshape": (X, (3, 2)),
}  # fmt: skip
RANDOM = {
    "ball": (3,), "bernoulli": (), "beta": (1.0, 2.0), "bits": (), "categorical": (X,), "cauchy": (),
    "chisquare": (2.0,), "dirichlet": (np.ones(3, np.float32),), "exponential": (), "f": (2.0, 3.0), "gamma": (2.0,),
    "generalized_normal": (2.0,), "geometric": (0.5,), "gumbel": (), "laplace": (), "loggamma": (2.0,), "logistic": (),
    "lognormal": (), "maxwell": (), "multivariate_normal": (np.zeros(2, np.float32), np.eye(2, dtype=np.float32)),
    "normal": (), "orthogonal": (2,), "pareto": (2.0,), "permutation": (X,), "poisson": (2.0,), "rademacher": (),
    "randint": ((2,), 0, 9), "rayleigh": (1.0,), "t": (2.0,), "triangular": (0.0, 0.5, 1.0),
    "truncated_normal": (-1.0, 1.0), "uniform": (), "wald": (1.0,),
}  # fmt: skip
SEGMENTS = (X, np.array([0, 1]), 2)
KEY = random.key(0)
CALLS = [
    *((getattr(cnp, name), args, "out_sharding") for name, args in NUMPY.items()),
    *((getattr(lax, name), args, "out_sharding") for name, args in LAX.items()),
    *((getattr(random, name), (KEY, *args), "out_sharding") for name, args in RANDOM.items()),
    *((getattr(cotan.ops, f"segment_{name}"), SEGMENTS, "out_sharding") for name in ("sum", "prod", "max", "min")),
    *((make, (KEY, (2,)), "out_sharding") for make in (initializers.zeros, initializers.ones)),
    (lax.full, ((2,), 1.0), "sharding"),
    (lax.full_like, (X, 1.0), "sharding"),
]


@pytest.mark.parametrize(("function", "args", "name"), CALLS, ids=lambda x: getattr(x, "__name__", ""))
def test_a_sharding_on_one_device_changes_nothing(function, args, name):
    expected = np.asarray(function(*args))
    sharding = cotan.sharding.SingleDeviceSharding(cotan.devices()[0])
    for given in (None, sharding):
        result = function(*args, **{name: given})
        assert result.dtype == expected.dtype
        np.testing.assert_array_equal(result, expected)
