"""Element and weak types of cotan.numpy results: literal facts about the promotion that programs rely on."""

from __future__ import annotations

import enum

import numpy as np
import pytest
from user_functions import type_of

import cotan
import cotan.numpy as cnp
from cotan import lax

I8, U8, I32, U32 = (np.array([1, 2, 3], d) for d in ("int8", "uint8", "int32", "uint32"))
F16, F32, C64 = (np.array([1, 2, 3], d) for d in ("float16", "float32", "complex64"))
BF16 = cnp.array([1, 2, 3], "bfloat16")
BOOL = np.array([True, False, True])
WEAK = cnp.full(3, 0.5)
STRUCT = cotan.ShapeDtypeStruct((3,), "float32", weak_type=True)

TYPES = [
    (lambda: cnp.add(I8, 1), "int8"),
    (lambda: cnp.add(I8, 1.0), "~float32"),
    (lambda: cnp.add(F16, 1.0), "float16"),
    (lambda: cnp.add(BF16, 1j), "complex64"),
    (lambda: cnp.add(BF16, F16), "float32"),
    (lambda: cnp.add(I8, U8), "int16"),
    (lambda: cnp.add(I32, U32), "int32"),
    (lambda: cnp.add(I32, F16), "float16"),
    (lambda: cnp.add(BOOL, 1), "~int32"),
    (lambda: cnp.add(2, 3), "~int32"),
    (lambda: cnp.divide(I8, I8), "float32"),
    (lambda: cnp.divide(1, 2), "~float32"),
    (lambda: cnp.floor_divide(2.0, 3), "~float32"),
    (lambda: cnp.floor_divide(BOOL, True), "int32"),
    (lambda: cnp.remainder(BOOL, BOOL), "int32"),
    (lambda: cnp.fmod(BOOL, BOOL), "int32"),
    (lambda: cnp.left_shift(BOOL, 1), "~int32"),
    (lambda: cnp.square(BOOL), "int32"),
    (lambda: cnp.sin(1), "~float32"),
    (lambda: cnp.sin(I8), "float32"),
    (lambda: cnp.sinc(0.5), "~float32"),
    (lambda: cnp.deg2rad(2), "~float32"),
    (lambda: cnp.hypot(2, 3), "~float32"),
    (lambda: cnp.heaviside(2.0, 3), "~float32"),
    (lambda: cnp.modf(WEAK)[0], "~float32"),
    (lambda: cnp.gcd(2, 3), "~int32"),
    (lambda: cnp.rint(I32), "float32"),
    (lambda: cnp.rint(BOOL), "float32"),
    (lambda: cnp.floor(I8), "int8"),
    (lambda: cnp.floor(True), "bool"),
    (lambda: cnp.absolute(True), "bool"),
    (lambda: cnp.bitwise_count(BOOL), "uint8"),
    (lambda: cnp.isnan(0.5), "~bool"),
    (lambda: cnp.equal(1, 2), "~bool"),
    (lambda: cnp.where(BOOL, I8, 1), "int8"),
    (lambda: cnp.where(BOOL, 1, 0), "~int32"),
    (lambda: cnp.where(I32, F16, 0), "float16"),
    (lambda: cnp.clip(I8, 0, 2), "int8"),
    (lambda: cnp.clip(I8, 0.5, 2), "~float32"),
    (lambda: cnp.power(I32, 2.0), "~float32"),
    (lambda: cnp.power(I32, 2), "int32"),
    (lambda: cnp.float_power(I32, 2), "float32"),
    (lambda: cnp.sum(WEAK), "float32"),
    (lambda: cnp.sum(I8), "int32"),
    (lambda: cnp.sum(BOOL), "int32"),
    (lambda: cnp.prod(U8), "uint32"),
    (lambda: cnp.sum(F16), "float16"),
    (lambda: cnp.cumsum(I8), "int8"),
    (lambda: cnp.cumsum(WEAK), "float32"),
    (lambda: cnp.cumprod(WEAK), "float32"),
    (lambda: cnp.mean(I8), "float32"),
    (lambda: cnp.median(I32), "float32"),
    (lambda: cnp.argmax(F32), "int32"),
    (lambda: cnp.nan_to_num(WEAK), "float32"),
    (lambda: cnp.asarray(1), "~int32"),
    (lambda: cnp.asarray([1, 2]), "int32"),
    (lambda: cnp.asarray(np.float64(1)), "float32"),
    (lambda: cnp.full((), 1), "~int32"),
    (lambda: cnp.full(2, 1.0), "~float32"),
    (lambda: cnp.full_like(2.0, 3), "~float32"),
    (lambda: cnp.ones_like(1), "~int32"),
    (lambda: cnp.ones_like(STRUCT), "float32"),
    (lambda: cnp.full_like(STRUCT, np.arange(3)), "float32"),
    (lambda: cnp.zeros_like(STRUCT, dtype="int8"), "int8"),
    (lambda: cnp.zeros(2), "float32"),
    (lambda: cnp.arange(3), "int32"),
    (lambda: cnp.arange(3.0), "float32"),
    (lambda: cnp.linspace(0, 1, 3), "float32"),
    (lambda: cnp.eye(2), "float32"),
    (lambda: cnp.concatenate([I8, F16]), "float16"),
    (lambda: cnp.stack([WEAK, cnp.full(3, 1)]), "~float32"),
    (lambda: cnp.take(I8, np.array([0])), "int8"),
    (lambda: cnp.matmul(I8, I8), "int8"),
    (lambda: cnp.matmul(F16, F32), "float32"),
    (lambda: cnp.einsum("i,i", F32, I32), "float32"),
    (lambda: cnp.real(C64), "float32"),
    (lambda: cnp.abs(C64), "float32"),
    (lambda: cnp.histogram(I32)[0], "float32"),
    (lambda: cnp.cov(I32), "float32"),
    (lambda: cnp.tril_indices(2)[0], "int32"),
]


@pytest.mark.parametrize("case", range(len(TYPES)))
@pytest.mark.parametrize("jitted", [False, True])
def test_types(case, jitted):
    call, expected = TYPES[case]
    assert type_of((cotan.jit(call) if jitted else call)()) == expected


def test_everything_returned_is_an_array():
    for call, _ in TYPES:
        assert isinstance(call(), cotan.Array)


def test_integers_divided_by_zero():
    x, zero = np.array([7, -7], np.int32), np.int32(0)
    for divide in (cnp.remainder, cotan.jit(cnp.remainder), cnp.fmod, cotan.jit(cnp.fmod)):
        np.testing.assert_array_equal(divide(x, zero), [0, 0])


def test_floats_divided_by_zero():
    x = np.array([7.0, -7.0, 0.0], np.float32)
    np.testing.assert_array_equal(cnp.floor_divide(x, 0.0), [np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal(cnp.divmod(x, 0.0)[1], [np.nan] * 3)


def test_complex_numbers_are_ordered_by_their_parts():
    a, b = np.array([1 + 2j, 1 + 2j, 2 + 0j], np.complex64), np.array([1 + 3j, 1 + 2j, 1 + 9j], np.complex64)
    np.testing.assert_array_equal(cnp.less(a, b), [True, False, False])
    np.testing.assert_array_equal(cnp.less_equal(a, b), [True, True, False])
    np.testing.assert_array_equal(cnp.greater(a, b), [False, False, True])
    np.testing.assert_array_equal(cnp.greater_equal(a, b), [False, True, True])


def test_logarithms_of_complex_zero_stay_infinite():
    np.testing.assert_array_equal(cnp.log2(np.complex64(0)), complex(-np.inf, 0))


def test_small_integers_index_long_axes():
    x = np.arange(300, dtype=np.float32)
    np.testing.assert_array_equal(cnp.take(x, np.array([-1, 5], np.int8)), [299, 5])
    np.testing.assert_array_equal(cnp.take_along_axis(x, np.array([-2], np.int8), 0), [298])
    for dtype in (np.int8, np.uint8):
        numbers = np.array([-1, 5]).astype(dtype)
        for mode in ("wrap", "clip"):
            np.testing.assert_array_equal(cnp.take(x, numbers, mode=mode), np.take(x, numbers, mode=mode))
        for shape in ((100, 3), (2, 300)):
            for got, expected in zip(
                cnp.unravel_index(numbers[1:], shape), np.unravel_index(numbers[1:], shape), strict=True
            ):
                np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(cnp.unravel_index(np.array([200, 3], np.uint8), (4, 100)), [[2, 0], [0, 3]])


def test_indices_of_the_flat_array_fit_their_type():
    small = (np.array([200, 3], np.uint8), np.array([1, 2], np.uint8))
    flat = cnp.ravel_multi_index(small, (256, 300), dtype=np.int32)
    np.testing.assert_array_equal(flat, np.ravel_multi_index(small, (256, 300)))
    assert cnp.ravel_multi_index((small[1], small[1]), (3, 4)).dtype == np.uint8
    with pytest.raises(ValueError, match=r"ravel_multi_index: uint8 does not hold the indices .* give a wider `dtype`"):
        cnp.ravel_multi_index(small, (256, 300))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cnp.power(I32, -1), TypeError, "integers cannot be raised to negative powers"),
        (lambda: cnp.fabs(C64), TypeError, "fabs is not defined on complex numbers"),
        (lambda: cnp.isposinf(C64), ValueError, "isposinf is not defined on complex numbers"),
        (lambda: cnp.hypot(C64, 1.0), ValueError, "hypot is not defined on complex numbers"),
        (lambda: cnp.clip(C64, 0, 1), ValueError, "clip is not defined on complex numbers"),
    ],
)
def test_what_has_no_meaning(call, error, text):
    with pytest.raises(error, match=text):
        call()


class Described:
    """No array, and nothing that could become one."""

    shape, dtype = (2, 3), np.dtype("int16")


@pytest.mark.parametrize(
    "like", [Described(), cotan.ShapeDtypeStruct((2, 3), "int16"), cotan.typeof(cnp.ones((2, 3), "int16"))]
)
def test_what_only_describes_an_array_serves_as_a_pattern(like):
    for filled, value in (
        (cnp.zeros_like(like), 0),
        (cnp.empty_like(like), 0),
        (cnp.ones_like(like), 1),
        (cnp.full_like(like, 7), 7),
        (cnp.full_like(like, [7, 8, 9]), [7, 8, 9]),
        (lax.full_like(like, 7), 7),
    ):
        np.testing.assert_array_equal(filled, np.full((2, 3), value))
        assert filled.dtype == np.int16
    assert cnp.zeros_like(like, shape=4).shape == (4,)
    assert (cnp.shape(like), cnp.ndim(like), cnp.size(like), cnp.size(like, 1)) == ((2, 3), 2, 6, 3)
    with pytest.raises(TypeError, match=r"sin needs arrays or scalars|only describes one"):
        cnp.sin(like)


def test_patterns_need_a_shape_and_a_dtype():
    class Shapely:
        shape = (2, 3)

    assert cnp.shape(Shapely()) == (2, 3)
    for call in (cnp.zeros_like, cnp.ones_like, lambda x: cnp.full_like(x, 1), lambda x: cnp.full_like(x, [1])):
        with pytest.raises(TypeError, match="_like needs arrays or scalars, got Shapely"):
            call(Shapely())
    with pytest.raises(TypeError, match="a value of type Shapely is not an array"):
        lax.full_like(Shapely(), 1)


@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit], ids=["eager", "jit"])
def test_arrays_of_keys_are_filled_word_by_word(wrap):
    keys = cotan.random.split(cotan.random.key(1), 3)
    words = cotan.random.key_data
    for like in (keys, cotan.ShapeDtypeStruct((3,), keys.dtype)):
        np.testing.assert_array_equal(words(wrap(lambda like=like: cnp.zeros_like(like))()), np.zeros((3, 2)))
        np.testing.assert_array_equal(words(wrap(lambda like=like: cnp.full_like(like, 7))()), np.full((3, 2), 7))
        np.testing.assert_array_equal(words(cnp.full_like(like, keys[1])), np.tile(words(keys[1]), (3, 1)))
    np.testing.assert_array_equal(words(cnp.ones(2, keys.dtype)), np.ones((2, 2)))
    np.testing.assert_array_equal(words(cotan.vmap(cnp.zeros_like)(keys)), np.zeros((3, 2)))
    assert lax.full((2,), 3, keys.dtype).dtype == keys.dtype


class Whole(enum.IntEnum):
    THREE = 3


class Part(float):
    pass


class Turn(complex):
    pass


NUMBERS = [(Whole.THREE, 3), (Part(1.5), 1.5), (Turn(1j), 1j)]
WITH_A_NUMBER = {
    "asarray": cnp.asarray,
    "add": lambda x: cnp.add(I8, x),
    "operator": lambda x: F16 * cnp.ones(3, "float16") + x,
    "reflected": lambda x: x - cnp.ones(3, "float16"),
    "where": lambda x: cnp.where(BOOL, x, 0),
    "full": lambda x: cnp.full(2, x),
    "stack": lambda x: cnp.stack([x, F32[0]]),
    "list": lambda x: cnp.array([x, x]),
    "update": lambda x: cnp.zeros(3, "complex64").at[0].subtract(x),
    "jit": cotan.jit(lambda x: x),
    "constant": lambda x: cotan.jit(lambda y: y + x)(C64),
    "result": lambda x: cotan.jit(lambda: x)(),
    "branch": lambda x: lax.cond(True, lambda: x, lambda: x),
    "carry": lambda x: lax.fori_loop(0, 3, lambda i, y: y + 1, x),
    "mapped": lambda x: cotan.vmap(lambda y, z: y * z, (0, None))(C64, x),
    "evaluated": lambda x: cotan.eval_shape(lambda y: y, x),
    "tangent": lambda x: cotan.jvp(lambda y: y * 2, (1j,), (Turn(x),))[1],
    "put": cotan.device_put,
}


@pytest.mark.parametrize(("derived", "plain"), NUMBERS, ids=["int", "float", "complex"])
@pytest.mark.parametrize("name", WITH_A_NUMBER)
def test_numbers_of_derived_types_are_the_numbers_they_are(name, derived, plain):
    call = WITH_A_NUMBER[name]
    found, expected = call(derived), call(plain)
    assert type_of(found) == type_of(expected)
    if name != "evaluated":
        np.testing.assert_array_equal(found, expected)


def test_an_integer_of_a_derived_type_must_fit():
    class Large(enum.IntEnum):
        MANY = 2**40

    with pytest.raises(OverflowError, match="1099511627776 does not fit"):
        cnp.asarray(Large.MANY)


@pytest.mark.parametrize(
    ("values", "number"),
    [
        ([2**31], 2**31),
        ([[1, 2], [3, -(2**31) - 1]], -(2**31) - 1),
        ((True, 2**40), 2**40),
        ([np.int64(2**40)], 2**40),
        ([1, 2**63], 2**63),
        ([-(2**70), 1], -(2**70)),
    ],
)
def test_integers_of_lists_must_fit(values, number):
    for function in (cnp.array, cnp.asarray):
        with pytest.raises(OverflowError, match=f"the Python int {number} does not fit the integer dtype int32"):
            function(values)
    with cotan.enable_x64(True):
        if abs(number) < 2**63:
            np.testing.assert_array_equal(cnp.array(values), values)
        else:
            with pytest.raises(OverflowError, match="does not fit the integer dtype int64"):
                cnp.array(values)


def test_integers_of_lists_that_fit():
    assert cnp.array([2**31 - 1, -(2**31)]).tolist() == [2**31 - 1, -(2**31)]
    assert cnp.array([np.uint32(2**32 - 1)]).tolist() == [2**32 - 1]
    assert cnp.array([2**40, 0.5]).tolist() == [2.0**40, 0.5]
    assert cnp.array([2**40], float).tolist() == [2.0**40]
    with pytest.raises(OverflowError, match="300 out of bounds for int8; ask for a wider dtype"):
        cnp.array([300], "int8")
