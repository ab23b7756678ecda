"""Arguments by the names that programs written for JAX use, and arguments that are accepted for their sake."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import dtypes, random
from cotan.scipy import special, stats

X = np.float32([3, 1, 2])
WORDS = np.uint32([0, 7])
KEY = random.key(7)

# What is called by name, and what the same by position gives.
CALLS = {
    "issubdtype": (lambda: cnp.issubdtype(arg2=np.floating, arg1=np.float32), True),
    "dtypes.issubdtype": (lambda: dtypes.issubdtype(b=np.floating, a=cnp.bfloat16), True),
    "at.set": (lambda: cnp.array(X).at[0].set(values=9, out_sharding=None), [9, 1, 2]),
    "at.add": (lambda: cnp.array(X).at[0].add(values=9, out_sharding=None), [12, 1, 2]),
    "at.get": (lambda: cnp.array(X).at[5].get(mode="fill", fill_value=7, out_sharding=None), 7),
    "at.apply": (lambda: cnp.array(X).at[:2].apply(func=cnp.negative), [-3, -1, 2]),
    "iinfo": (lambda: cnp.iinfo(int_type=np.int8).max, 127),
    "finfo": (lambda: cnp.finfo(dtype=np.float16).bits, 16),
    "canonicalize_dtype": (lambda: dtypes.canonicalize_dtype(dtype=np.float64), np.dtype("float32")),
    "canonicalize_dtype of keys": (lambda: dtypes.canonicalize_dtype(KEY.dtype, allow_extended_dtype=True), KEY.dtype),
    "is_tree_node": (lambda: cotan.tree_util.is_tree_node(typ=list), True),
    "trunc": (lambda: cnp.trunc(x=np.float32([-1.5, 1.5])), [-1, 1]),
    "logistic.isf": (lambda: stats.logistic.isf(x=np.float32(0.3)), stats.logistic.isf(np.float32(0.3))),
    "gumbel": (lambda: random.gumbel(KEY, (2,), mode=None), random.gumbel(KEY, (2,))),
    "wrap_key_data": (lambda: random.key_data(random.wrap_key_data(key_bits_array=WORDS)), WORDS),
    "wrap_key_data of a dtype": (lambda: random.key_data(random.wrap_key_data(WORDS, dtype=KEY.dtype)), WORDS),
    "wrap_key_data by a name": (lambda: random.wrap_key_data(np.arange(4, dtype=np.uint32), dtype="rbg").shape, ()),
    "checkpoint": (lambda: cotan.grad(cotan.checkpoint(fun=cnp.sin))(0.0), 1),
    "remat": (lambda: cotan.remat(fun=cnp.cos, policy=None)(0.0), 1),
    "device_put": (lambda: cotan.device_put(X, src=None), X),
    "SymbolicZero": (lambda: cotan.custom_derivatives.SymbolicZero.from_primal_value(val=X).shape, (3,)),
    "log_ndtr": (lambda: special.log_ndtr(x=X, series_order=5), special.log_ndtr(X)),
    "Array.view": (lambda: cnp.array(X).view(np.int32, type=None), X.view(np.int32)),
    "Array.sort": (lambda: cnp.array(X).sort(kind=None, order=None), [1, 2, 3]),
    "sort": (lambda: cnp.sort(a=X, kind="quicksort"), [1, 2, 3]),
    "Array.argsort": (lambda: cnp.array(X).argsort(kind=None, order=None, descending=True), [0, 2, 1]),
    "Array.reshape": (lambda: cnp.array(X).reshape(3, 1, out_sharding=None), X[:, None]),
    "Array.flatten": (lambda: cnp.array(X).flatten(out_sharding=None), X),
}


@pytest.mark.parametrize("name", CALLS)
def test_names(name):
    call, expected = CALLS[name]
    np.testing.assert_array_equal(call(), expected)


CONTEXTS = {
    "debug_nans": ("debug_nans", True),
    "debug_infs": ("debug_infs", True),
    "check_tracer_leaks": ("check_tracer_leaks", True),
    "log_compiles": ("log_compiles", True),
    "enable_x64": ("enable_x64", True),
    "default_matmul_precision": ("default_matmul_precision", "highest"),
    "numpy_dtype_promotion": ("numpy_dtype_promotion", "strict"),
    "numpy_rank_promotion": ("numpy_rank_promotion", "raise"),
    "no_tracing": ("no_tracing", True),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_contexts(name):
    flag, value = CONTEXTS[name]
    before = getattr(cotan.config, flag)
    with getattr(cotan, name)(new_val=value):
        assert getattr(cotan.config, flag) == value
    assert getattr(cotan.config, flag) == before


def test_the_context_of_a_device():
    device = cotan.devices()[0]
    with cotan.default_device(new_val=device):
        assert cnp.ones(2).device == device


def test_references_are_updated_by_name():
    ref = cotan.ref.new_ref(cnp.zeros(3))
    ref.addupdate(x=2.0, idx=1)
    ref.addupdate(x=1.0)
    np.testing.assert_array_equal(ref[...], [1, 3, 1])


@pytest.mark.parametrize(
    ("value", "weak"), [(cnp.ones((2, 3)), False), (np.ones(2, np.int8), False), (1.0, True), (KEY, False)]
)
def test_the_type_of_what_is_there(value, weak):
    like = cotan.ShapeDtypeStruct.like(value)
    assert (like.shape, like.dtype) == (np.shape(value), cotan.typeof(value).dtype)
    assert (like.weak_type, like.sharding) == (weak, None)
    assert cotan.ShapeDtypeStruct.like(like) == like


def test_the_type_of_a_committed_array_says_where_it_lies():
    there = cotan.device_put(X, cotan.devices()[0])
    assert cotan.ShapeDtypeStruct.like(there).sharding == there.sharding


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "float16", "bfloat16", "float32", "complex64", "bool"])
def test_byteswap(dtype):
    x = np.arange(6).reshape(2, 3).astype(cnp.dtype(dtype))
    for swap in (cnp.ndarray.byteswap, cotan.jit(lambda v: v.byteswap())):
        found = np.asarray(swap(cnp.array(x)))
        assert found.dtype == x.dtype
        assert found.tobytes() == x.byteswap().tobytes()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cnp.sort(X, kind="quick"), TypeError, "sort: unknown kind 'quick'"),
        (lambda: cnp.argsort(X, order="a"), TypeError, "argsort: there are no fields"),
        (lambda: cnp.array(X).view(np.int32, np.ndarray), NotImplementedError, "leave `type` out"),
        (lambda: special.log_ndtr(X, series_order=-1), ValueError, r"series_order must lie in 0\.\.30, got -1"),
        (lambda: special.log_ndtr(X, 31), ValueError, "got 31"),
        (lambda: special.log_ndtr(X, 1.5), TypeError, "must be a Python int, got 1.5"),
        (lambda: random.wrap_key_data(WORDS, impl="rbg", dtype=KEY.dtype), ValueError, "give one of them"),
        (lambda: random.gumbel(KEY, mode="x"), ValueError, "mode must be 'low', 'high' or 'highest'"),
        (
            lambda: cotan.distributed.initialize("host:1", 1, 0, [0]),
            NotImplementedError,
            "local_device_ids is not supported",
        ),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=rf"test_argument_names.py:\d+, in .*{text}"):
        call()
