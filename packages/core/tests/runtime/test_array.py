"""Arrays: what they are, convert to, print as and refuse."""

import copy
import pickle
import sys

import ml_dtypes
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.errors import DeletedArrayError

X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def x():
    return cnp.asarray(X)


# ---- What they print as


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: cnp.asarray([1.0, 2.0]), "Array([1., 2.], dtype=float32)"),
        (lambda: cnp.asarray(X), "Array([[0., 1., 2.],\n       [3., 4., 5.]], dtype=float32)"),
        (lambda: cnp.asarray(1), "Array(1, dtype=int32, weak_type=True)"),
        (lambda: cnp.asarray(np.bool_(True)), "Array(True, dtype=bool)"),
        (lambda: cnp.zeros((3, 0)), "Array([], shape=(3, 0), dtype=float32)"),
        (lambda: cnp.zeros(0), "Array([], shape=(0,), dtype=float32)"),
        (lambda: cnp.zeros((2, 0, 3), cnp.bfloat16), "Array([], shape=(2, 0, 3), dtype=bfloat16)"),
        (lambda: cnp.broadcast_to(cnp.asarray(1.0), (0,)), "Array([], shape=(0,), dtype=float32, weak_type=True)"),
        (lambda: cotan.random.key(7), "Array((), dtype=key<fry>) overlaying:\n[0 7]"),
    ],
)
def test_repr(make, text):
    assert repr(make()) == text


def test_long_arrays_are_abbreviated_within_the_line():
    text = repr(cnp.arange(5000.0))
    assert "..." in text
    assert max(map(len, text.splitlines())) <= 80


def test_formats():
    assert f"{cnp.float32(1.25) * cnp.ones(()):.1f}" == "1.2"
    assert f"{cnp.ones(2)}" == str(cnp.ones(2)) == "[1. 1.]"
    with pytest.raises(TypeError, match=r"format '.2f' needs an array of no dimensions, and this one is f32\[2\]"):
        f"{cnp.ones(2):.2f}"


# ---- What they are


def test_attributes(x):
    assert (x.shape, x.dtype, x.ndim, x.size, x.itemsize, x.nbytes) == ((2, 3), np.float32, 2, 6, 4, 24)
    assert not x.weak_type
    assert cnp.asarray(1.0).weak_type
    assert x.devices() == {x.device} == {cotan.devices()[0]}
    assert x.sharding.device_set == x.devices()
    assert x.platform() == x.device.platform
    assert not x.committed
    assert x.is_ready()
    assert x.block_until_ready() is x
    assert x.addressable_data(0) is x
    with pytest.raises(IndexError, match="1 device"):
        x.addressable_data(1)


def test_traced_arrays_are_arrays():
    seen = []
    cotan.jit(lambda a: seen.append(isinstance(a, cotan.Array)) or a)(1.0)
    assert seen == [True]
    assert not isinstance(np.ones(1), cotan.Array)


def test_array_cannot_be_subclassed():
    with pytest.raises(TypeError, match="cannot be subclassed"):
        type("Mine", (cotan.Array,), {})


# ---- Conversions


@pytest.mark.parametrize("dtype", [np.float32, np.bool_, np.complex64, ml_dtypes.bfloat16, ml_dtypes.int4])
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)])
def test_memory_seen_by_numpy_cannot_be_made_writeable(shape, dtype):
    for x in (cnp.ones(shape, dtype), cotan.jit(lambda x: x)(cnp.ones(shape, dtype))):
        view = np.asarray(x)
        assert (view.shape, view.dtype) == (shape, dtype)
        for part in (view, view.reshape(-1), view[..., None].T):
            with pytest.raises(ValueError, match="cannot set WRITEABLE"):
                part.flags.writeable = True


def test_numpy_conversion_shares_read_only_memory(x):
    view = np.asarray(x)
    np.testing.assert_array_equal(view, X)
    assert not view.flags.writeable
    assert np.shares_memory(view, np.asarray(x))
    assert np.array(x).flags.writeable
    assert np.asarray(x, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):  # where NumPy reads the buffer protocol the words are its own
        np.array(x, dtype=np.float64, copy=False)
    np.testing.assert_array_equal(np.add(x, X), X + X)


def test_arrays_do_not_alias_the_callers_numpy_memory():
    values = np.ones(3, np.float32)
    arrays = [cnp.asarray(values), cotan.device_put(values), cnp.ravel(values), cotan.jit(lambda a: a)(values)]
    values[:] = 7
    for array in arrays:
        np.testing.assert_array_equal(np.asarray(array), [1, 1, 1])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the buffer protocol of Python classes came with 3.12")
def test_buffer_protocol(x):
    assert memoryview(x).readonly
    assert memoryview(x).tolist() == X.tolist()


def test_dlpack_out(x):
    np.testing.assert_array_equal(np.from_dlpack(x), X)
    assert not np.from_dlpack(x).flags.writeable
    assert x.__dlpack_device__() == (1, 0)
    x.__dlpack__()  # an old consumer: a copy
    with pytest.raises(BufferError, match="needs a copy"):
        x.__dlpack__(copy=False)
    with pytest.raises(BufferError, match="streams"):
        x.__dlpack__(stream=1)


def test_dlpack_in():
    class Foreign:
        def __dlpack__(self, **options):
            return X.__dlpack__(**options)

        def __dlpack_device__(self):
            return X.__dlpack_device__()

    for result in (cnp.asarray(Foreign()), cnp.from_dlpack(Foreign()), cnp.from_dlpack(cnp.asarray(X))):
        assert type(result) is cotan.Array
        np.testing.assert_array_equal(np.asarray(result), X)
    values = np.ones(3, np.float32)
    kept = cnp.from_dlpack(values)
    values[:] = 7
    np.testing.assert_array_equal(np.asarray(kept), [1, 1, 1])
    with pytest.raises(TypeError, match="list has no __dlpack__"):
        cnp.from_dlpack([1])
    with pytest.raises(BufferError, match="always copied"):
        cnp.from_dlpack(values, copy=False)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "float16", "bfloat16", "complex64", "float8_e5m2"])
def test_pickle(dtype):
    array = cnp.asarray(np.asarray([[0, 1], [2, 3]]).astype(getattr(ml_dtypes, dtype, dtype)))
    again = pickle.loads(pickle.dumps(array))
    assert type(again) is cotan.Array
    assert again.aval is array.aval
    assert np.asarray(again).tobytes() == np.asarray(array).tobytes()


def test_pickle_keeps_weak_types_and_keys():
    assert pickle.loads(pickle.dumps(cnp.asarray(1))).weak_type
    keys = cotan.random.split(cotan.random.key(0), 3)
    again = pickle.loads(pickle.dumps(keys))
    assert again.aval is keys.aval
    assert repr(again) == repr(keys)


def test_copies_have_memory_of_their_own(x):
    for made in (copy.copy(x), copy.deepcopy([x])[0], x.copy()):
        assert made is not x
        assert not np.shares_memory(np.asarray(made), np.asarray(x))
        np.testing.assert_array_equal(np.asarray(made), X)


def test_python_scalars():
    three = cnp.asarray(np.int32(3))
    assert (int(three), float(three), complex(three), bool(three), three.item()) == (3, 3.0, 3 + 0j, True, 3)
    assert list(range(10))[three] == 3
    assert "abcd"[three] == "d"
    assert cnp.ones((1, 1)).item() == 1.0
    assert bool(cnp.ones((1, 1)))
    assert cnp.asarray(X).tolist() == X.tolist()
    assert cnp.asarray(X).tobytes() == X.tobytes()


@pytest.mark.parametrize(
    ("use", "error", "text"),
    [
        (bool, ValueError, r"truth value of an array of 6 elements \(f32\[2,3\]\) is ambiguous; use .any\(\)"),
        (lambda x: bool(x[:0]), ValueError, "truth value of an array of 0 elements"),
        (float, TypeError, r"float\(\) needs an array of no dimensions"),
        (int, TypeError, r"int\(\) needs an array of no dimensions"),
        (complex, TypeError, r"complex\(\) needs an array of no dimensions"),
        (lambda x: range(x), TypeError, "cannot be used as a Python integer"),
        (lambda x: range(x[0, 0]), TypeError, "only integer arrays of no dimensions can"),
        (hash, TypeError, r"an Array \(f32\[2,3\]\) is not hashable.*x.item\(\)"),
        (lambda x: {x: 1}, TypeError, "not hashable"),
        (lambda x: x.__setitem__(0, 1), TypeError, r"immutable: instead of x\[i\] = y write x = x.at\[i\].set\(y\)"),
        (lambda x: x.__delitem__(0), TypeError, "cannot be deleted"),
        (lambda x: len(x[0, 0]), TypeError, r"len\(\) of an array of no dimensions"),
        (lambda x: iter(x[0, 0]), TypeError, "iteration over an array of no dimensions"),
    ],
)
def test_refusals(x, use, error, text):
    with pytest.raises(error, match=text):
        use(x)
    np.testing.assert_array_equal(np.asarray(x), X)


# ---- Deleted arrays


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + 1, lambda x: 1 + x, lambda x: x[0], lambda x: x.sum(), np.asarray, bool, str.join, pickle.dumps,
        lambda x: x.block_until_ready(), lambda x: x.is_ready(), lambda x: x.copy(), lambda x: x.tolist(), list,
        lambda x: cotan.jit(lambda a: a)(x), lambda x: cotan.grad(lambda a: a.sum())(x), cotan.device_get,
        cotan.device_put, lambda x: x.at[0].set(1), lambda x: np.from_dlpack(x), lambda x: cotan.vmap(cnp.sin)(x),
    ],
)  # fmt: skip
def test_a_deleted_array_says_so(x, use):
    x.delete()
    x.delete()
    assert x.is_deleted()
    assert x.shape == (2, 3)
    assert repr(x) == str(x) == "Array(<deleted>, shape=(2, 3), dtype=float32)"
    if use is str.join:
        return
    with pytest.raises(DeletedArrayError, match=r"f32\[2,3\] is used after it was deleted or donated"):
        use(x)


# ---- Random keys


def test_keys_move_like_numbers():
    words = np.arange(8, dtype=np.uint32).reshape(4, 2)
    keys = cotan.random.wrap_key_data(words)

    def check(result, expected):
        assert result.dtype == keys.dtype
        np.testing.assert_array_equal(np.asarray(cotan.random.key_data(result)), expected)

    check(keys[1], words[1])
    check(keys[::-1], words[::-1])
    check(keys[cnp.asarray([2, 0])], words[[2, 0]])
    check(keys.reshape(2, 2), words.reshape(2, 2, 2))
    check(keys.reshape(2, 2).T, words.reshape(2, 2, 2).transpose(1, 0, 2))
    check(cnp.concatenate([keys, keys[:1]]), np.concatenate([words, words[:1]]))
    check(cnp.broadcast_to(keys[3], (2,)), np.stack([words[3]] * 2))
    check(cnp.where(cnp.asarray([True, False, True, False]), keys, keys[::-1]), words[[0, 2, 2, 0]])
    check(keys.at[0].set(keys[3]), words[[3, 1, 2, 3]])
    check(keys.copy(), words)
    assert (keys.itemsize, keys.nbytes, keys.shape) == (8, 32, (4,))
    for key, word in zip(keys, words, strict=True):
        check(key, word)


def test_keys_are_no_numbers():
    key = cotan.random.key(0)
    with pytest.raises(TypeError, match="key_data"):
        np.asarray(key)
    with pytest.raises((TypeError, ValueError), match="key<fry>"):
        key + 1
    with pytest.raises(TypeError, match="key"):
        cnp.sin(key)
