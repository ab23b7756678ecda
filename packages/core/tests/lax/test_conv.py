"""Convolution and pooling as users call them: layouts, words for padding, relatives, any computation, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from user_functions import check_jit

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.primitives.compare import eq_p, ge_p
from cotan.primitives.pooling import select_and_gather_add, select_and_scatter_add

RNG = np.random.default_rng(0)
NHWC = ("NHWC", "HWIO", "NHWC")
X = RNG.integers(-3, 4, (2, 5, 6, 3)).astype(np.float32)
K = RNG.integers(-3, 4, (3, 2, 3, 4)).astype(np.float32)
V = np.arange(5, dtype=np.float32)


def convolved(x, k, strides=(1, 1), pads=((0, 0), (0, 0))):
    """By a loop over windows, channels last."""
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    rows = (x.shape[1] - k.shape[0]) // strides[0] + 1
    columns = (x.shape[2] - k.shape[1]) // strides[1] + 1
    out = np.zeros((x.shape[0], rows, columns, k.shape[3]), x.dtype)
    for r in range(rows):
        for c in range(columns):
            i, j = r * strides[0], c * strides[1]
            out[:, r, c] = np.tensordot(x[:, i : i + k.shape[0], j : j + k.shape[1]], k, 3)
    return out


# ---- Convolution


@pytest.mark.parametrize(
    ("padding", "pads"),
    [
        ("VALID", ((0, 0), (0, 0))),
        ("SAME", ((1, 1), (0, 0))),
        ("same_lower", ((1, 1), (0, 0))),
        ([(2, 0), (0, 1)], ((2, 0), (0, 1))),
    ],
)
def test_padding(padding, pads):
    def call(x, k):
        return lax.conv_general_dilated(x, k, (2, 2), padding, dimension_numbers=NHWC)

    np.testing.assert_array_equal(call(X, K), convolved(X, K, (2, 2), pads))
    check_jit(call, X, K)


def test_odd_padding_lies_at_the_end_or_at_the_beginning():
    assert lax.padtype_to_pads((5, 6), (3, 2), (1, 1), "SAME") == [(1, 1), (0, 1)]
    assert lax.padtype_to_pads((5, 6), (3, 2), (1, 1), "SAME_LOWER") == [(1, 1), (1, 0)]
    assert lax.padtype_to_pads((5, 6), (3, 2), (1, 1), "VALID") == [(0, 0), (0, 0)]


def test_layouts_agree():
    wanted = convolved(X, K)
    channels_first = lax.conv_general_dilated(X.transpose(0, 3, 1, 2), K.transpose(3, 2, 0, 1), (1, 1), "VALID")
    np.testing.assert_array_equal(channels_first, wanted.transpose(0, 3, 1, 2))
    mixed = lax.conv_general_dilated(
        X.transpose(1, 0, 3, 2), K.transpose(2, 1, 3, 0), (1, 1), "VALID", dimension_numbers=("HNCW", "IWOH", "CWHN")
    )
    # The spatial axes are ordered by the kernel's word: W, H.
    np.testing.assert_array_equal(mixed, wanted.transpose(3, 2, 1, 0))
    numbers = lax.conv_dimension_numbers(X.shape, K.shape, NHWC)
    assert numbers == lax.ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
    np.testing.assert_array_equal(lax.conv_general_dilated(X, K, (1, 1), "VALID", dimension_numbers=numbers), wanted)


def test_short_calls():
    x, k = X.transpose(0, 3, 1, 2), K.transpose(3, 2, 0, 1)
    wanted = convolved(X, K, (1, 2)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(lax.conv(x, k, (1, 2), "VALID"), wanted)
    np.testing.assert_array_equal(lax.conv_with_general_padding(x, k, (1, 2), [(0, 0), (0, 0)], None, (1, 1)), wanted)


def test_preferred_element_type():
    x, k = np.full((1, 1, 3), 100, np.int8), np.full((1, 1, 2), 100, np.int8)
    out = lax.conv_general_dilated(x, k, (1,), "VALID", preferred_element_type=np.int32)
    assert out.dtype == np.int32
    assert out.tolist() == [[[20000, 20000]]]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_conv_transpose_is_the_transpose_of_a_convolution(window, stride, padding):
    """With its kernel transposed, of the convolution from the result's shape to the operand's."""
    y = RNG.normal(size=(2, 4, 3)).astype(np.float32)
    k = RNG.normal(size=(window, 5, 3)).astype(np.float32)
    out = lax.conv_transpose(y, k, (stride,), padding, transpose_kernel=True)
    assert out.shape[1] == (4 * stride if padding == "SAME" else 4 * stride + max(window - stride, 0))
    numbers = ("NWC", "WIO", "NWC")

    def forward(x):
        return lax.conv_general_dilated(x, k, (stride,), padding, dimension_numbers=numbers)

    assert forward(out).shape == y.shape
    (wanted,) = cotan.vjp(forward, cnp.zeros(out.shape))[1](cnp.array(y))
    np.testing.assert_allclose(out, wanted, atol=1e-5)


def test_conv_transpose_with_padding_in_numbers():
    y, k = RNG.normal(size=(1, 5, 1)).astype(np.float32), RNG.normal(size=(3, 1, 1)).astype(np.float32)
    widened = np.zeros(9, np.float32)
    widened[::2] = y[0, :, 0]
    plain = np.correlate(np.pad(widened, (1, 2)), k[:, 0, 0], "valid")
    np.testing.assert_allclose(lax.conv_transpose(y, k, (2,), [(1, 2)])[0, :, 0], plain, rtol=1e-5)
    consistent = lax.conv_transpose(y, k, (2,), [(1, 0)], use_consistent_padding=True)
    np.testing.assert_allclose(consistent[0, :, 0], plain, rtol=1e-5)


def test_patches_are_windows_and_local_kernels_multiply_them():
    patches = lax.conv_general_dilated_patches(X, (3, 2), (1, 2), [(0, 1), (1, 0)], dimension_numbers=NHWC)
    padded = np.pad(X, ((0, 0), (0, 1), (1, 0), (0, 0)))
    wanted = np.stack(
        [
            np.stack([padded[:, r : r + 3, c : c + 2].transpose(0, 3, 1, 2).reshape(2, -1) for c in (0, 2, 4)], 1)
            for r in range(4)
        ],
        1,
    )
    np.testing.assert_array_equal(patches, wanted)
    kernels = RNG.integers(-2, 3, (4, 3, 18, 5)).astype(np.float32)
    local = lax.conv_general_dilated_local(X, kernels, (1, 2), [(0, 1), (1, 0)], (3, 2), dimension_numbers=NHWC)
    np.testing.assert_array_equal(local, np.einsum("nhwi,hwio->nhwo", wanted, kernels))


def test_dilated_patches():
    found = lax.conv_general_dilated_patches(V[None, None], (2,), (1,), [(0, 0)], (2,), (3,))
    assert found.tolist() == [[[0, 0, 1, 0, 2, 0], [0, 2, 0, 3, 0, 4]]]
    assert (
        lax.conv_general_dilated_patches(V[None, None], (2,), (1,), "VALID", preferred_element_type="int32").dtype
        == np.int32
    )


def test_shapes():
    assert lax.conv_shape_tuple((4, 3, 5, 5), (7, 3, 3, 3), (2, 2), ((1, 1), (1, 1)), 2) == (2, 7, 3, 3)
    assert lax.conv_general_shape_tuple(X.shape, K.shape, (1, 2), "VALID", NHWC) == (2, 3, 3, 4)
    for padding in ("SAME", "VALID"):
        wanted = lax.conv_transpose(X, K, (2, 3), padding).shape
        assert lax.conv_transpose_shape_tuple(X.shape, K.shape, (2, 3), padding, NHWC) == wanted
    assert lax.reduce_window_shape_tuple((5, 6), (3, 2), (2, 1), [(1, 1), (0, 0)], (2, 1), (1, 2)) == (5, 4)


def test_derivatives_under_vmap_are_those_of_single_examples():
    kernels = RNG.normal(size=(4, 3, 2, 3, 4)).astype(np.float32)

    def loss(x, k):
        return (lax.conv_general_dilated(x[None], k, (2, 1), "SAME", dimension_numbers=NHWC) ** 2).sum()

    per_example = cotan.vmap(cotan.grad(loss, (0, 1)), (0, None))(X, K)
    both = cotan.jit(cotan.vmap(cotan.vmap(cotan.grad(loss, (0, 1)), (None, 0)), (0, None)))(X, kernels)
    for n in range(2):
        for found, wanted in zip(per_example, cotan.grad(loss, (0, 1))(X[n], K), strict=True):
            np.testing.assert_allclose(found[n], wanted, rtol=1e-4, atol=1e-3)
        for m in range(4):
            for found, wanted in zip(both, cotan.grad(loss, (0, 1))(X[n], kernels[m]), strict=True):
                np.testing.assert_allclose(found[n, m], wanted, rtol=1e-4, atol=1e-3)


def _conv(x=X, k=K, strides=(1, 1), padding="VALID", **options):
    options.setdefault("dimension_numbers", NHWC)
    return lambda: lax.conv_general_dilated(x, k, strides, padding, **options)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (_conv(lhs_dilation=(2, 2)), ValueError, "padding in words has no meaning with lhs_dilation"),
        (
            _conv(padding="FOO"),
            RuntimeError,
            "padding must be 'VALID', 'SAME', 'SAME_LOWER' or pairs of integers, got 'FOO'",
        ),
        (_conv(padding=3), TypeError, "a pair (low, high) per axis, got 3"),
        (_conv(padding=[(1, 1), (1,)]), TypeError, "must hold a pair (low, high) per axis"),
        (_conv(padding=[(1, 1)]), ValueError, "padding must hold a pair per spatial axis, 2"),
        (_conv(padding=[(-3, -3), (0, 0)]), ValueError, "cuts off more than there is along spatial axis 0 of extent 5"),
        (_conv(strides=(1,)), ValueError, "window_strides must have one entry per axis of the window, 2, got (1,)"),
        (_conv(strides=(0, 1)), ValueError, "window_strides must be positive, got (0, 1)"),
        (_conv(rhs_dilation=(1, -1)), ValueError, "rhs_dilation must be positive"),
        (_conv(k=K.astype(np.float16)), TypeError, "equal dtypes, got f32 and f16; convert one with .astype"),
        (
            _conv(k=K[:, :, :2]),
            ValueError,
            "3 features must be feature_group_count times the kernel's input features, 1 * 2",
        ),
        (
            _conv(k=K[:, :, :1], feature_group_count=3),
            ValueError,
            "number of groups 3 must divide the 4 output features",
        ),
        (_conv(batch_group_count=3), ValueError, "batch_group_count 3 must divide the batch of 2"),
        (_conv(feature_group_count=0), ValueError, "must be positive, got 0 and 1"),
        (
            _conv(x=X[..., :2], k=K[:, :, :1], feature_group_count=2, batch_group_count=2),
            ValueError,
            "only one may be more than 1",
        ),
        (_conv(dimension_numbers=("NHWC", "HWIO")), TypeError, "must be three words, got 2"),
        (
            _conv(dimension_numbers=("NHWX", "HWIO", "NHWC")),
            TypeError,
            "dimension_numbers[0] must contain the letters 'N' and 'C' once",
        ),
        (
            _conv(dimension_numbers=("NHHC", "HWIO", "NHWC")),
            TypeError,
            "must name each axis by a letter of its own, got 'NHHC'",
        ),
        (_conv(dimension_numbers=("NHVC", "HWIO", "NHWC")), TypeError, "the same spatial letters in all three words"),
        (_conv(dimension_numbers=("NHC", "HWIO", "NHWC")), TypeError, "must be words of 4 letters"),
        (_conv(dimension_numbers=7), TypeError, "must be None, three words or ConvDimensionNumbers, got 7"),
        (
            _conv(dimension_numbers=lax.ConvDimensionNumbers((0, 1, 2, 2), (0, 1, 2, 3), (0, 1, 2, 3))),
            TypeError,
            "permutations of 4 axes",
        ),
        (_conv(x=X[0]), TypeError, "operand and kernel of equal ranks"),
        (_conv(x=V, k=V, strides=(), dimension_numbers=None), TypeError, "batch and feature axes, got shape (5,)"),
        (
            _conv(
                x=cotan.random.split(cotan.random.key(0), (2, 3)),
                k=cotan.random.split(cotan.random.key(0), (2, 3)),
                strides=(),
                dimension_numbers=None,
            ),
            TypeError,
            "does not accept dtype",
        ),
        (
            lambda: lax.conv_transpose(X, K, (1, 1), "SAME_LOWER"),
            ValueError,
            "padding must be 'SAME', 'VALID' or pairs of integers",
        ),
        (
            lambda: lax.conv_transpose(np.ones((1,) * 6), np.ones((1,) * 6), (1,) * 4, "SAME"),
            ValueError,
            "give dimension_numbers for an operand of 6 axes",
        ),
        (
            lambda: lax.padtype_to_pads((3,), (2,), (1,), 3),
            TypeError,
            "padding must be 'VALID', 'SAME' or 'SAME_LOWER', got 3",
        ),
        (
            lambda: lax.conv_shape_tuple((3, 1, 2), (1, 1, 1), (1,), "SAME", 2),
            ValueError,
            "batch_group_count 2 must divide the batch 3",
        ),
        (
            lambda: lax.reduce_window(V, cnp.zeros(2), lax.add, (2,)),
            TypeError,
            "init_value must be a scalar, got f32[2]",
        ),
        (
            lambda: lax.reduce_window(V, np.int32(0), lax.add, (2,)),
            TypeError,
            "init_value is i32[], but the operand is f32[5]",
        ),
        (
            lambda: lax.reduce_window(V, 0.0, lax.add, (2, 2)),
            TypeError,
            "window_dimensions must have one entry per axis",
        ),
        (lambda: lax.reduce_window(V, 0.0, lax.add, (0,)), ValueError, "window_dimensions must be positive, got (0,)"),
        (
            lambda: lax.reduce_window(V, 0.0, lax.add, (1,), padding=[(-4, -4)]),
            ValueError,
            "cuts off more than there is along axis 0",
        ),
        (
            lambda: lax.reduce_window(V, 0.0, lax.add, (1,), padding=[(1, 1)] * 2),
            ValueError,
            "needs one entry per axis",
        ),
        (
            lambda: lax.reduce_window((V, V), 0.0, lax.add, (1,)),
            TypeError,
            "operand and init_value must have one structure",
        ),
        (lambda: lax.reduce_window((), (), lax.add, (1,)), ValueError, "needs at least one operand"),
        (
            lambda: lax.reduce_window((V, V[1:]), (0.0, 0.0), lambda a, b: a, (1,)),
            ValueError,
            "operands must have one shape",
        ),
        (
            lambda: lax.reduce_window(V, 0.0, lambda a, b: (a, b), (1,)),
            TypeError,
            "it must give what it combines, (f32[])",
        ),
        (
            lambda: select_and_gather_add(V, V, eq_p, (2,), (1,), "VALID", None, None),
            TypeError,
            "select_prim must be ge_p or le_p",
        ),
        (
            lambda: select_and_gather_add(V[1:], V, ge_p, (2,), (1,), "VALID", None, None),
            TypeError,
            "tangents and operand must have one shape",
        ),
        (
            lambda: select_and_scatter_add(V, V, ge_p, (2,), (1,), "VALID"),
            TypeError,
            "source must have one element per window, shape (4,)",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


# ---- Pooling


@pytest.mark.parametrize(
    ("init", "computation", "wanted"),
    [
        (0.0, lax.add, [1, 3, 6, 9, 7]),
        (3.0, lax.add, [4, 6, 9, 12, 10]),
        (2.0, lax.mul, [0, 0, 12, 48, 24]),
        (1.0, lax.max, [1, 2, 3, 4, 4]),
        (2.0, lax.min, [0, 0, 1, 2, 2]),
        (-np.inf, lambda a, b: cnp.maximum(a, b), [1, 2, 3, 4, 4]),
        (0.0, lambda a, b: a + b, [1, 3, 6, 9, 7]),
        (0.0, lambda a, b: a + b + a * b, [1, 5, 23, 59, 19]),
    ],
)
def test_computations(init, computation, wanted):
    def call(x):
        return lax.reduce_window(x, init, computation, (3,), (1,), "SAME")

    assert call(V).tolist() == wanted
    check_jit(call, V)


def test_a_tree_of_operands_and_windows_of_padding():
    def combine(a, b):
        return {"sum": a["sum"] + b["sum"], "most": cnp.maximum(a["most"], b["most"])}

    out = lax.reduce_window(
        {"sum": V, "most": -V}, {"sum": 10.0, "most": -7.0}, combine, (2,), (1,), [(2, 1)], (1,), (2,)
    )
    assert out["sum"].tolist() == [10, 11, 12, 14, 16, 13]
    assert out["most"].tolist() == [0, -1, 0, -1, -2, -3]


def test_windows_of_integers_and_bools():
    x = np.int8([-100, 3, 100])
    assert lax.reduce_window(x, np.int8(-128), lax.max, (2,)).tolist() == [3, 100]
    assert lax.reduce_window(x, np.int8(0), lax.min, (2,)).tolist() == [-100, 0]
    flags = np.array([True, False, False])
    assert lax.reduce_window(flags, False, lax.bitwise_or, (2,)).tolist() == [True, False]
    assert lax.reduce_window(flags, False, lax.max, (2,)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("padding", "size", "expected"),
    [("SAME", 4, [1, 2, 3, 3, 4]), ("SAME_LOWER", 4, [1, 2, 2, 3, 4]), ("VALID", 4, [1, 2, 3, 3]), ("SAME", 0, [])],
)
def test_padding_is_meant_for_the_operand_before_its_dilation(padding, size, expected):
    # Dilated by 3 the operand is 1 0 0 2 0 0 3 0 0 4; for four elements 'SAME' adds one on one side.
    x = np.arange(1.0, size + 1, dtype=np.float32)
    found = lax.reduce_window(x, 0.0, lax.add, (3,), (2,), padding, (3,))
    np.testing.assert_array_equal(found, np.float32(expected))


def test_no_windows():
    assert lax.reduce_window(V, 0.0, lax.add, (7,)).shape == (0,)
    assert lax.reduce_window(V, 1.0, lambda a, b: a * b + 0, (7,)).shape == (0,)


@pytest.mark.parametrize("combine", [lax.max, lax.mul, lambda a, b: a + b + a * b])
def test_derivatives_of_windows_are_numerical_ones(combine):
    x = np.array([0.5, -1.5, 2.0, 1.25, -0.25, 0.75])

    def call(x):
        return lax.reduce_window(x, {lax.max: -np.inf, lax.mul: 1.0}.get(combine, 0.0), combine, (3,), (2,), "SAME")

    with cotan.enable_x64(True):
        found = cotan.jacrev(call)(x)
        np.testing.assert_allclose(found, cotan.jacfwd(call)(x))
        h = 1e-6
        columns = [(call(x + h * e) - call(x - h * e)) / (2 * h) for e in np.eye(6)]
        np.testing.assert_allclose(found, np.stack(columns, 1), atol=1e-8)


def test_of_equal_elements_the_first_one_gets_the_gradient():
    gradient = cotan.grad(lambda x: lax.reduce_window(x, -np.inf, lax.max, (3,)).sum())
    assert gradient(cnp.array([1.0, 1.0, 1.0, 0.0, 0.0])).tolist() == [1, 1, 1, 0, 0]


def test_average_pooling_and_its_gradient():
    def mean(x):
        return lax.reduce_window(x, 0.0, lax.add, (1, 2, 3, 1), (1, 2, 3, 1), "VALID") / 6

    wanted = X[:, :4].reshape(2, 2, 2, 2, 3, 3).mean((2, 4))
    np.testing.assert_allclose(mean(X), wanted, rtol=1e-6, atol=1e-6)
    gradient = cotan.grad(lambda x: mean(x).sum())(X)
    assert (gradient[:, 4] == 0).all()
    np.testing.assert_allclose(gradient[:, :4], np.full((2, 4, 6, 3), 1 / 6), rtol=1e-6)
