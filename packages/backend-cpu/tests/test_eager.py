"""Eager rules of the CPU's own against the primitives' references, and what shares memory."""

import ml_dtypes
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.backend import get_backend
from cotan.ir.avals import shaped
from cotan.ir.primitive import reference
from cotan.primitives.arithmetic import add_p, div_p
from cotan.primitives.cast import convert_element_type_p
from cotan.primitives.compare import select_n_p
from cotan.primitives.shape import broadcast_in_dim_p
from cotan_cpu.buffers import buffer_of
from cotan_cpu.eager import Eager
from cotan_cpu.lower import arithmetic, cast, compare, shape

DTYPES = ["bool", "int8", "uint16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _values(dtype: str, size: int, seed: int) -> np.ndarray:
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    values = (np.random.default_rng(seed).standard_normal(size) * 3).astype(kind)
    if kind.kind not in "biu":
        values[::7], values[1::7] = np.nan, -0.0
    return values


@pytest.mark.parametrize("dtype", [*DTYPES, "complex128"])
@pytest.mark.parametrize("size", [5, 5000, 150_001])
def test_select_is_exact_to_the_bit(dtype: str, size: int) -> None:
    x, y = _values(dtype, size, 0), _values(dtype, size, 1)
    which = np.random.default_rng(2).random(size) < 0.5
    scalars = [np.zeros((), x.dtype), y[1:2].reshape(()), y[2:3].reshape(())]
    for low, high in [(x, y), *[(x, s) for s in scalars], *[(s, y) for s in scalars], (scalars[1], scalars[2])]:
        assert _same_bits(compare.select_n(which, low, high), reference[select_n_p](which, low, high))


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_conversions_are_those_of_the_reference(source: str, target: str) -> None:
    x, new = _values(source, 500, 0), np.dtype(getattr(ml_dtypes, target, target))
    params = {"new_dtype": new, "weak_type": False}
    assert _same_bits(cast.convert_element_type(x, **params), reference[convert_element_type_p](x, **params))


@pytest.mark.parametrize("dtype", ["int32", "uint16", "float16", "float32", "complex64"])
def test_quotients_are_those_of_the_reference(dtype: str) -> None:
    x, y = _values(dtype, 30_000, 0), _values(dtype, 30_000, 1)
    for a, b in ((x, y), (x, y[3:4].reshape(())), (x[3:4].reshape(()), y)):
        assert _same_bits(np.asarray(arithmetic.div(a, b)), reference[div_p](a, b))


def test_the_short_way_does_not_wait_for_the_long_one() -> None:
    """What another thread has noted of an operation is there before that thread has run it."""
    device, aval = cotan.devices("cpu")[0], shaped((3,), np.dtype(np.float32))
    run = Eager(get_backend("cpu").lowerings()).direct(add_p, (aval, aval), aval, {}, device)
    assert run is not None
    one = buffer_of(np.ones(3, np.float32), device)
    np.testing.assert_array_equal(run(one, one).array, np.full(3, 2.0))


@pytest.mark.parametrize(
    ("given", "result", "dims"),
    [((), (3, 4), ()), ((4,), (3, 4), (1,)), ((3,), (3, 4), (0,)), ((3, 1), (3, 4), (0, 1)), ((3,), (1, 3, 1), (1,))],
)
def test_broadcasts_are_those_of_the_reference(given: tuple, result: tuple, dims: tuple) -> None:
    x = np.arange(np.prod(given, dtype=int), dtype=np.float32).reshape(given)
    params = {"shape": result, "broadcast_dimensions": dims}
    assert _same_bits(shape.broadcast_in_dim(x, **params), reference[broadcast_in_dim_p](x, **params))


@pytest.mark.parametrize("size", [64, 65536])
def test_results_that_share_memory_outlive_their_operand(size: int) -> None:
    add_one = cotan.jit(lambda x: x + 1, donate_argnums=0)
    for share in (
        lambda x: lax.reshape(x, (2, size // 2)),
        lambda x: lax.expand_dims(x, 0),
        lambda x: lax.stop_gradient(x),
        lambda x: lax.transpose(lax.reshape(x, (1, size)), (1, 0)),
        lambda x: lax.broadcast_in_dim(x, (size,), (0,)),
    ):
        x = cnp.arange(float(size))
        y = share(x)
        z = add_one(x)
        np.testing.assert_array_equal(np.ravel(y), np.arange(size))
        np.testing.assert_array_equal(z, np.arange(size) + 1)
        again = add_one(y)
        np.testing.assert_array_equal(np.ravel(again), np.arange(size) + 1)
