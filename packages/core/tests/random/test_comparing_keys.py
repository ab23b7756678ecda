"""Comparisons of typed keys: a key is equal to another if all of its words are."""

import operator

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax, random

ONE = random.key(0)
THREE = random.split(ONE, 3)
MIXED = cnp.stack([THREE[0], ONE, THREE[2]])
CASES = [
    (ONE, ONE, True),
    (ONE, random.key(1), False),
    (THREE, THREE, [True] * 3),
    (THREE, MIXED, [True, False, True]),
    (THREE, THREE[1], [False, True, False]),
    (THREE[2], THREE, [False, False, True]),
    (THREE[:, None], MIXED, [[True, False, False], [False] * 3, [False, False, True]]),
    (random.key(2, impl="rbg"), random.key(2, impl="rbg"), True),
    (THREE[:0], THREE[:0], []),
]


@pytest.mark.parametrize("run", [lambda f: f, cotan.jit], ids=["at once", "jit"])
@pytest.mark.parametrize(("a", "b", "expected"), CASES)
def test_equality(a, b, expected, run):
    expected = np.array(expected, bool)
    for function, answer in (
        (lambda x, y: x == y, expected),
        (lambda x, y: x != y, ~expected),
        (cnp.equal, expected),
        (cnp.not_equal, ~expected),
        (cnp.isclose, expected),
        (cnp.allclose, expected.all()),
    ):
        result = run(function)(a, b)
        assert result.dtype == np.bool_
        np.testing.assert_array_equal(result, answer)
    assert bool(run(cnp.array_equal)(a, b)) == (a.shape == b.shape and bool(expected.all()))


def test_lax():
    np.testing.assert_array_equal(lax.eq(THREE, MIXED), [True, False, True])
    np.testing.assert_array_equal(lax.ne(THREE, MIXED), [False, True, False])


def test_transforms():
    np.testing.assert_array_equal(cotan.vmap(lambda x: x == THREE[1])(THREE), [False, True, False])
    np.testing.assert_array_equal(cotan.vmap(lax.ne)(THREE, MIXED), [False, True, False])
    assert cotan.grad(lambda x: cnp.where(ONE == ONE, x, 0.0))(2.0) == 1.0
    count = lax.while_loop(lambda s: s[0] != THREE[2], lambda s: (THREE[s[1]], s[1] + 1), (ONE, 0))[1]
    assert count == 3


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ONE < ONE, "lt does not accept dtype key<fry>"),
        (lambda: lax.eq(ONE, 1), "key<fry>"),
        (lambda: lax.eq(ONE, random.key(0, impl="rbg")), "key<fry>"),
        (lambda: lax.eq(THREE, THREE[:2]), "incompatible shapes"),
    ],
)
def test_what_cannot_be_compared(call, text):
    with pytest.raises(TypeError, match=text):
        call()


@pytest.mark.parametrize("other", [1, 1.0, np.ones(2, np.float32), cnp.float32(1), cotan.random.key(0, impl="rbg")])
@pytest.mark.parametrize("operation", [operator.eq, operator.ne, operator.add, operator.lt, cnp.equal])
@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit])
def test_keys_and_numbers_are_no_operands_of_one_operation(other, operation, wrap):
    with pytest.raises(TypeError, match=r"mix only with operands of the same dtype"):
        wrap(lambda k: operation(k, other))(cotan.random.key(0))


def test_keys_and_numbers_have_no_common_dtype():
    for refused in (lambda k: cnp.where(True, k, 1), lambda k: cnp.result_type(k, 1)):
        with pytest.raises(ValueError, match="mix only with operands of the same dtype"):
            refused(cotan.random.key(0))
