"""Devices: finding them, putting values there, and where operations run."""

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.backend import registry
from cotan.config import config
from cotan.errors import BackendUnavailableError
from cotan.runtime.devices import SingleDeviceSharding


@pytest.fixture
def four():
    """Four CPU devices, for the time of one test."""
    with registry.aside():
        with config.override(num_cpu_devices=4):
            found = cotan.devices("cpu")
        assert [d.id for d in found] == [0, 1, 2, 3]
        yield found


def test_listing():
    found = cotan.devices()
    assert cotan.devices("cpu")[0].platform == "cpu"
    assert cotan.local_devices() == found
    assert cotan.device_count() == cotan.local_device_count() == len(found)
    assert (cotan.process_index(), cotan.process_count()) == (0, 1)
    assert isinstance(cotan.default_backend(), str)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cotan.devices("nonesuch"), BackendUnavailableError, "no backend `nonesuch`"),
        (lambda: cotan.devices(3), TypeError, "backend is a name"),
        (lambda: cotan.local_devices(5), ValueError, "number 0; got 5"),
        (lambda: cotan.device_put("a"), TypeError, "takes arrays, numbers and pytrees of them, and got a str"),
        (lambda: cotan.device_put({"w": [1.0, "b"]}), TypeError, r"got a str at x\['w'\]\[1\]"),
        (lambda: cotan.device_put(1.0, 3), TypeError, "device_put takes a device"),
        (lambda: cotan.device_put([1.0, 2.0], [cotan.devices()[0]]), ValueError, "do not match"),
        (lambda: cotan.device_put(np.array(["a"])), TypeError, "dtype"),
        (lambda: cotan.device_put(2**40), OverflowError, "1099511627776 does not fit"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_device_put_and_get_keep_the_structure():
    tree = {"a": [1, np.arange(2)], "b": (2.5, None, cnp.ones(2))}
    put = cotan.device_put(tree)
    assert type(put["a"][0]) is cotan.Array
    assert put["a"][0].weak_type
    assert put["a"][1].dtype == np.int32
    got = cotan.device_get(put)
    assert type(got["a"][1]) is np.ndarray
    assert got["b"][1] is None
    assert cotan.device_get({"n": 3}) == {"n": 3}
    assert cotan.block_until_ready(put) is put


class _Duck:
    def __array__(self, dtype=None, copy=None):
        return np.arange(3)


def test_device_get_takes_any_leaf():
    leaves = [np.float64(1), _Duck(), X := np.arange(2), 3, "x", len, int, np.ndarray, None]
    got = cotan.device_get(leaves)
    assert [type(a) for a in got[:2]] == [np.ndarray] * 2
    assert got[0].shape == ()
    assert got[1].tolist() == [0, 1, 2]
    assert got[2] is X
    assert got[3:] == leaves[3:]
    keys = cotan.random.split(cotan.random.key(0))
    assert cotan.device_get({"keys": keys})["keys"] is keys


@pytest.mark.parametrize("transform", [cotan.jit, cotan.vmap, cotan.grad, cotan.checkpoint])
def test_device_get_leaves_traced_values_alone(transform):
    got = transform(lambda x: cotan.device_get({"x": x})["x"] * 2.0)(cnp.ones(2) if transform is cotan.vmap else 1.0)
    np.testing.assert_array_equal(got, 2.0)


def test_put_on_a_device_commits():
    x = cotan.device_put(np.ones(2))
    device = cotan.devices()[0]
    assert not x.committed
    for target in (device, SingleDeviceSharding(device), "cpu"):
        y = cotan.device_put(x, target)
        assert y.committed
        assert y.device is device
        assert (y + 1).committed
        assert cotan.jit(cnp.sin)(y).committed
    assert cotan.device_put(y) is y
    assert cotan.device_put(y, device) is y
    assert cotan.device_put(y, may_alias=False) is not y
    assert not np.shares_memory(np.asarray(cotan.device_put(y, may_alias=False)), np.asarray(y))


def test_device_put_under_jit_is_the_identity():
    assert cotan.jit(lambda x: cotan.device_put(x, cotan.devices()[0]) + 1)(1.0) == 2.0


def test_moving(four):
    x = cotan.device_put(np.arange(3.0), four[0])
    y = cotan.device_put(x, four[2])
    assert (x.device, y.device) == (four[0], four[2])
    np.testing.assert_array_equal(np.asarray(y), np.asarray(x))
    a, b = cotan.device_put([1.0, 2.0], [four[1], four[3]])
    assert (a.device, b.device) == (four[1], four[3])
    a, b = cotan.device_put((1.0, 2.0), four[1])
    assert a.device is b.device is four[1]
    assert y.to_device(four[1]).device is four[1]
    gone = cotan.device_put(x, four[3], donate=True)
    assert x.is_deleted()
    np.testing.assert_array_equal(np.asarray(gone), [0, 1, 2])


def test_operations_run_where_the_committed_operands_are(four):
    free = cnp.ones(3)
    there = cotan.device_put(np.ones(3), four[2])
    assert free.device is four[0]
    for result in (there + 1, there + free, free + there, cotan.jit(cnp.add)(free, there), cnp.sin(there), there[0]):
        assert result.device is four[2]
        assert result.committed
    assert (free + 1).device is four[0]
    assert not (free + 1).committed


@pytest.mark.parametrize("how", [lambda f: f, cotan.jit])
def test_operands_on_two_devices_are_refused(four, how):
    x, y = cotan.device_put(np.ones(3), four[1]), cotan.device_put(np.ones(3), four[2])
    with pytest.raises(ValueError, match=r"different devices, CpuDevice\(id=1\) and CpuDevice\(id=2\).*device_put"):
        how(lambda a, b: a + b)(x, y)
    assert how(lambda a, b: a + b)(x, x).device is four[1]


def test_default_device(four):
    x = cnp.ones(2)
    pinned = cotan.device_put(x, four[1])
    add = cotan.jit(lambda a, b: a + b)
    assert add(x, x).device is four[0]
    with cotan.default_device(four[3]):
        assert cnp.ones(2).device is four[3]
        assert cotan.device_put(1.0).device is four[3]
        assert (x + 1).device is four[3]
        assert add(x, x).device is four[3]
        assert cotan.jit(lambda: cnp.ones(2))().device is four[3]
        assert (pinned + 1).device is four[1]
        assert add(pinned, pinned).device is four[1]
    assert add(x, x).device is four[0]
    assert cnp.ones(2).device is four[0]


def test_one_program_serves_all_devices(four):
    traced = []

    @cotan.jit
    def f(x):
        traced.append(1)
        return x * 2

    for device in (*four, *four):
        y = f(cotan.device_put(np.ones(3), device))
        assert y.device is device
        np.testing.assert_array_equal(np.asarray(y), [2, 2, 2])
    assert len(traced) == 1
