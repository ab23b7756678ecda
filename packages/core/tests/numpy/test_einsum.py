"""What einsum does besides its values: the dtype that sums are made in, and a product of the user's own."""

import numpy as np
import pytest

import cotan.numpy as cnp
from cotan import lax

NARROW = np.full((2, 100), 100, np.int8)


@pytest.mark.parametrize(
    ("subscripts", "operands"),
    [
        ("ij,kj->ik", (NARROW, NARROW)),
        ("ij->i", (NARROW,)),
        ("ij,k->ik", (NARROW, NARROW[0])),
        ("ij,kj,ij->k", (NARROW, NARROW, NARROW)),
        ("ij,ik->jk", (NARROW[:1], NARROW)),
    ],
)
def test_sums_are_made_in_the_preferred_dtype(subscripts, operands):
    expected = np.einsum(subscripts, *(x.astype(np.int32) for x in operands))
    result = cnp.einsum(subscripts, *operands, preferred_element_type="int32")
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [("ij,jk->ik", ((2, 3), (3, 4))), ("ij,jk->ki", ((2, 3), (3, 4))), ("bij,bjk->bik", ((5, 2, 3), (5, 3, 4))),
     ("bqhd,bkhd->bhqk", ((5, 2, 3, 4), (5, 6, 3, 4)))],
)  # fmt: skip
def test_a_product_of_the_users_own(subscripts, shapes):
    calls = []

    def product(lhs, rhs, dimension_numbers, precision, preferred_element_type):
        calls.append((lhs.shape, rhs.shape, precision, preferred_element_type))
        return 2 * lax.dot_general(lhs, rhs, dimension_numbers)

    a, b = (np.arange(np.prod(shape), dtype=np.float32).reshape(shape) for shape in shapes)
    result = cnp.einsum(subscripts, a, b, precision="highest", _dot_general=product)
    np.testing.assert_array_equal(result, 2 * np.einsum(subscripts, a, b))
    # The operand whose axes lead in the result comes first, so that nothing is transposed afterwards.
    first, second = shapes if subscripts.endswith(("ik", "qk")) else shapes[::-1]
    assert calls == [(first, second, "highest", np.float32)]
