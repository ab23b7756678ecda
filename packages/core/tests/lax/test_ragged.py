"""Products and exchanges of groups of different sizes, against loops over the groups in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.test_util import check_grads

_Numbers = lax.RaggedDotDimensionNumbers


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _by_rows(lhs, rhs, sizes):
    out, start = np.zeros((len(lhs), rhs.shape[2])), 0
    for g, size in enumerate(sizes):
        out[start : start + size] = lhs[start : start + size].astype(np.float64) @ rhs[g]
        start += size
    return out


# One block and several; groups of no rows, of many blocks, beside each other in one block; rows of no group.
_SIZES = [
    (6, [2, 3]), (5, [5, 0]), (5, [0, 5]), (7, [0, 0, 0]), (1, [1]), (128, [128]), (300, [100, 0, 150, 20]),
    (300, [1, 1, 1, 290]), (257, [128, 128, 1]), (400, [399, 1]), (400, [0, 130, 0, 260]),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "sizes"), _SIZES)
def test_rows_in_groups(rows, sizes):
    lhs, rhs = _random(rows, 3), _random(len(sizes), 3, 4, seed=1)
    expected = _by_rows(lhs, rhs, sizes)
    np.testing.assert_allclose(lax.ragged_dot(lhs, rhs, np.array(sizes)), expected, rtol=1e-5, atol=1e-5)
    compiled = cotan.jit(lax.ragged_dot)(lhs, rhs, np.array(sizes, np.int8 if max(sizes) < 128 else np.uint16))
    np.testing.assert_allclose(compiled, expected, rtol=1e-5, atol=1e-5)


def test_infinite_matrices_of_other_groups_leave_rows_alone():
    rhs = _random(2, 3, 4)
    rhs[1] = np.inf
    out = np.asarray(lax.ragged_dot(_random(5, 3), rhs, np.array([5, 0])))
    assert np.isfinite(out).all()


def test_derivatives_of_products_of_groups():
    lhs, rhs, sizes = _random(7, 3), _random(2, 3, 4, seed=1), np.array([3, 2])
    check_grads(lambda x, y: lax.ragged_dot(x, y, sizes), (lhs, rhs), order=1, atol=2e-2, rtol=2e-2)
    ct = _random(7, 4, seed=2)
    dx, dy = cotan.vjp(lambda x, y: lax.ragged_dot(x, y, sizes), lhs, rhs)[1](ct)
    np.testing.assert_allclose(dx[:3], ct[:3] @ rhs[0].T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dx[5:], 0)
    np.testing.assert_allclose(dy, [lhs[:3].T @ ct[:3], lhs[3:5].T @ ct[3:5]], rtol=1e-5, atol=1e-6)


def test_mapping_over_stacks_of_products():
    lhs, rhs, sizes = _random(2, 5, 3), _random(2, 2, 3, 4, seed=1), np.array([[2, 3], [4, 0]])
    out = cotan.vmap(lax.ragged_dot)(lhs, rhs, sizes)
    expected = [_by_rows(*example) for example in zip(lhs, rhs, sizes, strict=True)]
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


def test_offsets_begin_with_a_later_group():
    lhs, rhs, sizes = _random(9, 3), _random(4, 3, 2, seed=1), np.array([2, 3, 1, 3])
    out = lax.ragged_dot(lhs, rhs[1:3], sizes, group_offset=np.array([1]))
    expected = _by_rows(lhs, rhs, sizes)
    expected[:2] = expected[6:] = 0
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


def test_dtypes_of_results():
    lhs, rhs = _random(5, 3).astype(cotan.dtypes.bfloat16), _random(2, 3, 4).astype(cotan.dtypes.bfloat16)
    assert lax.ragged_dot(lhs, rhs, np.array([2, 3])).dtype == cotan.dtypes.bfloat16
    wide = lax.ragged_dot(lhs, rhs, np.array([2, 3]), preferred_element_type=np.float32)
    assert wide.dtype == np.float32
    expected = _by_rows(lhs.astype(np.float32), rhs.astype(np.float32), [2, 3])
    np.testing.assert_allclose(wide, expected, rtol=1e-5, atol=1e-6)
    assert lax.ragged_dot(np.zeros((0, 3)), np.zeros((2, 3, 4)), np.array([0, 0])).shape == (0, 4)


@pytest.mark.parametrize("own_sizes", [False, True])
def test_a_free_axis_among_batches_and_other_free_axes(own_sizes):
    # lhs: batch, outer free, contracted, ragged, inner free; rhs: columns, batch, contracted, groups
    lhs, rhs = _random(2, 3, 4, 6, 5), _random(7, 2, 4, 3, seed=1)
    sizes = np.random.default_rng(0).integers(0, 3, (2, 3, 3)) if own_sizes else np.array([2, 0, 3])
    numbers = _Numbers((((2,), (2,)), ((0,), (1,))), [3], [3])
    out = lax.ragged_dot_general(lhs, rhs, sizes, numbers)
    assert out.shape == (2, 3, 6, 5, 7)
    every = np.broadcast_to(sizes, (2, 3, 3))
    for b in range(2):
        for x in range(3):
            for y in range(5):
                expected = _by_rows(lhs[b, x, :, :, y].T, rhs[:, b].transpose(2, 1, 0), every[b, x])
                np.testing.assert_allclose(out[b, x, :, y], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("own_sizes", [False, True])
@pytest.mark.parametrize("extent", [6, 300])
def test_a_contracted_axis_gives_sums_within_groups(own_sizes, extent):
    # lhs: m, batch, outer contracted, ragged, inner contracted; rhs in another order
    lhs, rhs = _random(3, 2, 2, extent, 2), _random(2, extent, 4, 2, 2, seed=1)
    many = extent // 3
    sizes = np.random.default_rng(0).integers(0, many, (2, 2, 3)) if own_sizes else np.array([many, 0, many])
    numbers = _Numbers((((4, 2, 3), (0, 4, 1)), ((1,), (3,))), [3], [])
    out = lax.ragged_dot_general(lhs, rhs, sizes, numbers)
    assert out.shape == (3, 2, 3, 4)
    every = np.broadcast_to(sizes, (2, 2, 3))
    expected = np.zeros((3, 2, 3, 4))
    for b in range(2):
        for x in range(2):
            ends = np.cumsum(every[b, x])
            for g, (low, high) in enumerate(zip(ends - every[b, x], ends, strict=True)):
                left, right = lhs[:, b, x, low:high].astype(np.float64), rhs[:, low:high, :, b, x]
                expected[g, b] += np.einsum("mry,yrn->mn", left, right)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


def test_a_batch_axis_in_groups_changes_nothing():
    lhs, rhs = _random(5, 6, 3), _random(5, 3, 4, seed=1)
    numbers = _Numbers((((2,), (1,)), ((0,), (0,))), [0], [])
    out = lax.ragged_dot_general(lhs, rhs, np.array([2, 1]), numbers)
    np.testing.assert_allclose(out, lhs @ rhs, rtol=1e-5, atol=1e-6)


def test_errors_of_ragged_products_say_what_is_wrong():
    lhs, rhs, sizes = np.zeros((5, 3)), np.zeros((2, 3, 4)), np.array([2, 3])
    plain = (((1,), (1,)), ((), ()))
    with pytest.raises(TypeError, match="one ragged axis"):
        lax.ragged_dot_general(lhs, rhs, sizes, _Numbers(plain, [0, 1], [0]))
    with pytest.raises(TypeError, match="sizes must be integers"):
        lax.ragged_dot(lhs, rhs, np.array([2.0, 3.0]))
    with pytest.raises(TypeError, match="an axis of groups exactly if"):
        lax.ragged_dot_general(lhs, rhs, sizes, _Numbers(plain, [0], []))
    with pytest.raises(TypeError, match="group_sizes must have shape"):
        lax.ragged_dot(lhs, rhs, np.array([[2, 3]]))


def test_exchange_of_slices():
    operand = np.array([[1.0, 2, 2], [3, 4, 0]], np.float32)
    arrays = [np.array(x) for x in ([[0, 1], [0, 1]], [[1, 2], [1, 1]], [[0, 0], [1, 2]], [[1, 1], [2, 1]])]

    def exchange(operand, *vectors):
        return lax.ragged_all_to_all(operand, cnp.zeros(4), *vectors, axis_name="i")

    out = cotan.vmap(exchange, axis_name="i")(operand, *arrays)
    np.testing.assert_array_equal(out, [[1, 3, 0, 0], [2, 2, 4, 0]])
    slopes = cotan.grad(lambda x: (cotan.vmap(exchange, axis_name="i")(x, *arrays) ** 2).sum())(cnp.asarray(operand))
    np.testing.assert_array_equal(slopes, 2 * operand)


def test_exchange_of_random_slices_equals_its_definition():
    rng = np.random.default_rng(0)
    members, slots, rows, extent = 3, 2, 9, 12
    count = members * slots
    operand, start = rng.normal(size=(members, rows, 2)), rng.normal(size=(members, extent, 2))
    send = rng.integers(0, 3, (members, count))
    source = rng.integers(0, rows - 2, (members, count))
    # Where each slice lands: beside each other, in the order of senders.
    target = np.zeros((members, count), int)
    receive = np.zeros((members, count), int)
    expected = start.copy()
    for to in range(members):
        here = 0
        for sender in range(members):
            for k in range(slots):
                mine = to * slots + k
                size = send[sender, mine]
                target[sender, mine], receive[to, sender * slots + k] = here, size
                first = source[sender, mine]
                expected[to, here : here + size] = operand[sender, first : first + size]
                here += size

    def exchange(*args):
        return lax.ragged_all_to_all(*args, axis_name="i")

    with cotan.enable_x64(True):
        out = cotan.vmap(exchange, axis_name="i")(operand, start, source, send, target, receive)
        np.testing.assert_array_equal(out, expected)


def test_exchange_within_groups():
    operand = np.arange(8.0, dtype=np.float32).reshape(4, 2)

    def exchange(x):
        vectors = cnp.arange(2), cnp.ones(2, int), cnp.zeros(2, int) + lax.axis_index("i") % 2, cnp.ones(2, int)
        groups = [[0, 1], [2, 3]]
        return lax.ragged_all_to_all(x, cnp.zeros(2), *vectors, axis_name="i", axis_index_groups=groups)

    out = cotan.vmap(exchange, axis_name="i")(operand)
    np.testing.assert_array_equal(out, [[0, 2], [1, 3], [4, 6], [5, 7]])


def test_errors_of_exchanges_say_what_is_wrong():
    def run(operand, output, vectors):
        return cotan.vmap(lambda x: lax.ragged_all_to_all(x, output, *vectors, axis_name="i"), axis_name="i")(operand)

    two, three = np.zeros(2, int), np.zeros(3, int)
    with pytest.raises(TypeError, match="vectors of integers of one length"):
        run(np.zeros((2, 3)), np.zeros(3), (two, three, two, two))
    with pytest.raises(TypeError, match="multiple of the 2 examples"):
        run(np.zeros((2, 3)), np.zeros(3), (three,) * 4)
    with pytest.raises(TypeError, match="agree but for the first axis"):
        run(np.zeros((2, 3)), np.zeros((3, 2)), (two,) * 4)
