"""Native binds: they give what Python dispatch gives, and leave to it whatever is unusual."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.backend import get_backend
from cotan.ir.primitive import Primitive, abstract, reference
from cotan.primitives import arithmetic, compare, reduce, shape, slice
from cotan.runtime import dispatch
from cotan.runtime.quick import PAYS_FROM
from cotan_cpu import driver
from cotan_cpu.entry import binding_text

pytestmark = pytest.mark.skipif(not driver.has_fast_entry(), reason="this interpreter's objects are others")


@pytest.fixture(autouse=True, scope="module")
def _asked() -> None:
    dispatch.quick.passed(get_backend("cpu"), PAYS_FROM)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[Primitive]:
    """The primitives that went the usual way since."""
    seen: list[Primitive] = []
    usual = dispatch.slots.eager
    assert usual is not None

    def noting(primitive: Primitive, args: Any, params: Any) -> Any:
        seen.append(primitive)
        return usual(primitive, args, params)

    monkeypatch.setattr(dispatch.slots, "eager", noting)
    return seen


def _array(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).uniform(0.5, 20, shape)
    return cnp.asarray(values.astype(dtype))


X, Y = _array((3, 5), np.float32), _array((3, 5), np.float32, 1)
K = _array((3, 5), np.int32)
OPERATIONS: dict[str, Callable[[], Any]] = {
    "a loop": lambda: arithmetic.add(X, Y),
    "a loop of integers": lambda: arithmetic.mul(K, K),
    "a loop of another result": lambda: compare.lt(X, Y),
    "a loop of one operand": lambda: arithmetic.neg(X),
    "a scalar first": lambda: arithmetic.sub(X[0, 0], Y),
    "a scalar last": lambda: arithmetic.sub(X, Y[1, 1]),
    "scalars": lambda: arithmetic.add(X[0, 0], Y[0, 0]),
    "nothing": lambda: arithmetic.add(X[:0], Y[:0]),
    "a float": lambda: arithmetic.add(X, 1.5),
    "a float first": lambda: arithmetic.sub(-0.0, X),
    "an integer": lambda: arithmetic.add(K, 7),
    "a constant": lambda: cnp.where(X > 3, X, 2),
    "a quotient of floats": lambda: X / Y,
    "a quotient of integers": lambda: arithmetic.div(K, K[::-1]),
    "a span": lambda: lax.exp(X),
    "a rule of three": lambda: compare.select_n(X > 3, X, Y),
    "parameters": lambda: reduce.reduce_sum(X, (1,)),
    "a fold": lambda: reduce.reduce_sum(X, (0, 1)),
    "a fold from the first element": lambda: reduce.reduce_max(-X, (0, 1)),
    "a fold of integers": lambda: reduce.reduce_prod(K, (0, 1)),
    "a fold of bools": lambda: reduce.reduce_and(X > 1, (0, 1)),
    "a fold of one": lambda: reduce.reduce_min(X[:1, :1], (0, 1)),
    "no fold of nothing": lambda: reduce.reduce_sum(X[:0], (0, 1)),
    "no fold of a narrow float": lambda: reduce.reduce_sum(X.astype("float16"), (0, 1)),
    "parameters of one operand": lambda: slice.slice(X, (0, 1), (3, 4)),
    "a view of an operand": lambda: shape.expand_dims(X, (0,)),
    "a result with gaps": lambda: shape.transpose(X, (1, 0)),
    "bfloat16": lambda: arithmetic.add(X.astype("bfloat16"), Y.astype("bfloat16")),
    "pooled": lambda: arithmetic.add(BIG, BIG),
    "a large span": lambda: lax.sin(BIG),
}
BIG = _array((300, 500), np.float32)


@pytest.mark.parametrize("name", OPERATIONS)
def test_second_calls_are_native_and_give_the_same(name: str, slow: list[Primitive]) -> None:
    run = OPERATIONS[name]
    dispatch.clear_cache()
    first = run()
    assert slow
    run()
    del slow[:]
    again = run()
    assert not slow, "the second call was to be native"
    assert type(again) is cotan.Array
    assert again.aval is first.aval
    assert again.device is first.device
    assert again._committed is first._committed
    assert np.asarray(again).tobytes() == np.asarray(first).tobytes()
    assert np.asarray(again).flags.c_contiguous


@pytest.mark.parametrize("name", ["a loop", "a span", "parameters", "a rule of three"])
def test_committed_operands_give_committed_results(name: str) -> None:
    device = cotan.devices("cpu")[0]
    x, y = cotan.device_put(X, device), Y
    runs = {
        "a loop": lambda: arithmetic.add(x, y),
        "a span": lambda: lax.exp(x),
        "parameters": lambda: reduce.reduce_sum(x, (1,)),
        "a rule of three": lambda: compare.select_n(X > 3, y, x),
    }
    for _ in range(3):
        assert runs[name]().committed
        assert not OPERATIONS[name]().committed


def test_parameters_that_are_equal_but_of_other_types_are_others(slow: list[Primitive]) -> None:
    for _ in range(3):
        arithmetic.integer_pow_p.bind(X, y=1)
    del slow[:]
    arithmetic.integer_pow_p.bind(X, y=1)
    assert not slow
    arithmetic.integer_pow_p.bind(X, y=True)
    assert slow


def test_signs_of_zero_are_kept() -> None:
    zero = cnp.zeros(3)
    for _ in range(4):
        assert not np.signbit(np.asarray(arithmetic.mul(zero, 1.0))).any()
        assert np.signbit(np.asarray(arithmetic.mul(zero, -1.0))).all()
        assert np.signbit(np.asarray(arithmetic.max(cnp.full(3, -1.0), -0.0))).all()
        assert not np.signbit(np.asarray(arithmetic.max(cnp.full(3, -1.0), 0.0))).any()


def test_what_is_unusual_goes_the_usual_way() -> None:
    for _ in range(3):
        arithmetic.add(X, Y)
    gone = cnp.ones((3, 5)) + 0
    gone.delete()
    with pytest.raises(cotan.errors.DeletedArrayError):
        arithmetic.add(gone, Y)
    with pytest.raises(TypeError, match="add"):
        arithmetic.add_p.bind(X, K)
    with pytest.raises(TypeError):
        arithmetic.add_p.bind(X, "text")
    np.testing.assert_array_equal(arithmetic.add(np.asarray(X), Y), np.asarray(X) + np.asarray(Y))


def test_transforms_see_every_operation() -> None:
    for _ in range(3):
        X * Y + 1.5
    jaxpr = cotan.make_jaxpr(lambda x: x * Y + 1.5)(X)
    assert [str(eqn.primitive) for eqn in jaxpr.jaxpr.eqns] == ["mul", "add"]
    tangent = cotan.jvp(lambda x: x * x, (X,), (Y,))[1]
    np.testing.assert_allclose(tangent, 2 * np.asarray(X) * np.asarray(Y), rtol=1e-6)
    # Arrays alone while something is traced belong to the trace too.
    assert len(cotan.make_jaxpr(lambda x: x + X * Y)(X).jaxpr.eqns) == 2


def test_flags_are_heeded() -> None:
    zero = cnp.zeros(3)
    with np.errstate(all="ignore"):
        for _ in range(3):
            zero / zero
    with cotan.debug_nans(True), pytest.raises(FloatingPointError):
        zero / zero
    for _ in range(3):
        arithmetic.add(X, 2.5)
    with cotan.enable_x64(True):
        wide = cnp.ones(3, "float64")
        assert (wide + 0.1).dtype == np.float64
        np.testing.assert_array_equal(wide + 0.1, np.ones(3) + 0.1)
        assert arithmetic.add(X, 2.5).dtype == np.float32
    with cotan.transfer_guard("disallow"), pytest.raises(Exception, match="transfer"):
        X + 2.5


_SEVERAL_DEVICES = """
import cotan
import cotan.numpy as cnp
from cotan.backend import get_backend
from cotan.primitives import arithmetic
from cotan.runtime import dispatch
from cotan.runtime.quick import PAYS_FROM

dispatch.quick.passed(get_backend("cpu"), PAYS_FROM)
first, second = cotan.devices("cpu")
x, y = cnp.ones(3), cotan.device_put(cnp.ones(3), second)
for _ in range(3):
    assert arithmetic.add(x, x).device is first
    assert arithmetic.add(y, y).device is second
    assert arithmetic.add(x, y).device is second
    assert arithmetic.add(y, 1.5).device is second
    assert arithmetic.add(1.5, x).device is first
    assert cnp.zeros(3).device is first
    with cotan.default_device(second):
        assert cnp.zeros(3).device is second
"""


def test_devices_are_kept_apart() -> None:
    environment = {**os.environ, "COTAN_NUM_CPU_DEVICES": "2"}
    subprocess.run([sys.executable, "-c", _SEVERAL_DEVICES], env=environment, check=True)


def test_more_kinds_than_rows(slow: list[Primitive]) -> None:
    arrays = [cnp.ones(n) for n in range(1, 4 * binding_text.ROWS)]
    for _, x in itertools.product(range(3), arrays):
        np.testing.assert_array_equal(arithmetic.add(x, x), 2 * np.ones(x.shape))
    del slow[:]
    for x in arrays:
        arithmetic.add(x, x)
    assert 0 < len(slow) < len(arrays), "some of them have rows, the others do without"


def test_references_are_given_back() -> None:
    runs = [OPERATIONS[name] for name in OPERATIONS]
    for run in runs * 3:
        run()
    gc.collect()
    operands = [X, Y, X._buffer.array, X.aval, X.device, (X > 3).aval, np.dtype(np.float32), None, True, False]
    before = [sys.getrefcount(x) for x in operands]
    for _ in range(200):
        for run in runs:
            run()
    gc.collect()
    after = [sys.getrefcount(x) for x in operands]
    assert all(abs(a - b) < 100 for a, b in zip(before, after, strict=True)), (before, after)


def test_errors_of_rules_are_told_as_usual_and_interrupts_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusal(Exception):
        pass

    raised: list[type[BaseException]] = []

    def rule(x: np.ndarray, *, axes: tuple[int, ...]) -> np.ndarray:
        if raised:
            raise raised[0]
        return x.copy()

    primitive = Primitive("raising_at_will")
    abstract[primitive] = lambda x, *, axes: x
    reference[primitive] = rule
    try:
        for _ in range(3):
            np.testing.assert_array_equal(primitive.bind(X, axes=(0,)), X)
        for kind in (Refusal, KeyboardInterrupt):
            raised[:] = [kind]
            with pytest.raises(kind):
                primitive.bind(X, axes=(0,))
            del raised[:]
            np.testing.assert_array_equal(primitive.bind(X, axes=(0,)), X)
    finally:
        del Primitive.catalogue[primitive.name]


def test_threads_learn_and_run_at_once() -> None:
    dispatch.clear_cache()
    wrong: list[Any] = []

    def work(seed: int) -> None:
        generator = np.random.default_rng(seed)
        for _ in range(300):
            n = int(generator.integers(1, 200))
            x = cnp.ones(n)
            values = np.asarray(lax.exp(x * 2.0 - x) + reduce.reduce_sum(x, (0,)))
            if not np.allclose(values, np.e + n):
                wrong.append((n, values))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_ufunc_loops_are_numpys() -> None:
    loops = driver.ufunc_loops(np.add)
    number = np.dtype(np.float32).num
    assert (number, number, number) in loops
    assert driver.ufunc_loops(np.frompyfunc(lambda x, y: x, 2, 1)) == {}


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "bool", "complex64", "float64"])
@pytest.mark.parametrize("shape", [(1,), (7,), (129,), (33, 31), (8, 16, 9), (5000,)], ids=str)
def test_folds_give_what_numpy_reduces_to(shape: tuple[int, ...], dtype: str, slow: list[Primitive]) -> None:
    dispatch.clear_cache()
    with cotan.enable_x64(True):
        values = (np.random.default_rng(0).standard_normal(shape) * 3).astype(dtype)
        x, axes = cnp.asarray(values), tuple(range(len(shape)))
        functions = {"add": reduce.reduce_sum, "multiply": reduce.reduce_prod}
        functions |= {"maximum": reduce.reduce_max, "minimum": reduce.reduce_min} if dtype != "complex64" else {}
        if dtype == "bool":
            functions = {"bitwise_and": reduce.reduce_and, "bitwise_or": reduce.reduce_or}
        for name, function in functions.items():
            function(x, axes), function(x, axes)
            del slow[:]
            found = np.asarray(function(x, axes))
            assert not slow
            with np.errstate(all="ignore"):
                assert found.tobytes() == getattr(np, name).reduce(values, axis=axes, dtype=dtype).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("extents", [(1, 1, 1), (5, 7, 3), (1, 9, 4), (6, 9, 1), (64, 64, 64), (2, 300, 33)], ids=str)
def test_small_products_are_numpys(extents: tuple[int, int, int], dtype: str, slow: list[Primitive]) -> None:
    rows, inner, columns = extents
    dispatch.clear_cache()
    with cotan.enable_x64(True):
        rng = np.random.default_rng(1)
        a, b = (rng.standard_normal(shape).astype(dtype) for shape in ((rows, inner), (inner, columns)))
        x, y = cnp.asarray(a), cnp.asarray(b)
        first = x @ y
        assert slow
        assert x @ y is not None
        del slow[:]
        found = np.asarray(x @ y)
        assert not slow
        assert found.tobytes() == np.matmul(a, b).tobytes() == np.asarray(first).tobytes()


def test_results_whose_dtype_numpy_does_not_know(slow: list[Primitive]) -> None:
    dispatch.clear_cache()
    words = cnp.asarray(np.arange(6, dtype=np.uint32).reshape(3, 2))
    keys = [cotan.random.wrap_key_data(words) for _ in range(2)]
    del slow[:]
    keys.append(cotan.random.wrap_key_data(words))
    assert not slow
    for key in keys:
        np.testing.assert_array_equal(np.asarray(cotan.random.key_data(key)), np.asarray(words))
