"""Attention against a loop over heads in NumPy; products of block-scaled matrices against ml_dtypes; errors."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import nn

B, T, S, N, K, H = 2, 5, 6, 4, 2, 3


def _operands(seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(B, T, N, H), (B, S, K, H), (B, S, K, H)]
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def _expected(query, key, value, bias=None, seen=None, scale=None):
    """In float64, head by head; also the logarithms of the denominators."""
    out, residual = np.zeros(query.shape), np.zeros(query.shape[:3])
    for b in range(B):
        for n in range(N):
            k = n // (N // K)
            logits = query[b, :, n].astype(np.float64) @ key[b, :, k].T * (H**-0.5 if scale is None else scale)
            if bias is not None:
                logits = logits + np.broadcast_to(bias, (B, N, T, S))[b, n]
            if seen is not None:
                logits = np.where(np.broadcast_to(seen, (B, N, T, S))[b, n], logits, -1e30)
            weights = np.exp(logits - logits.max(-1, keepdims=True))
            residual[b, :, n] = np.log(weights.sum(-1)) + logits.max(-1)
            out[b, :, n] = weights / weights.sum(-1, keepdims=True) @ value[b, :, k]
    return out, residual


I, J = np.arange(T)[:, None], np.arange(S)[None, :]
MASK = np.random.default_rng(1).random((B, N, T, S)) < 0.7
MASK[..., 0] = True
BIAS = np.random.default_rng(2).normal(size=(1, N, T, S)).astype(np.float32)
LENGTHS = np.array([3, 6], np.int32)
CASES = [
    ({}, {}),
    ({"scale": 0.3}, {"scale": 0.3}),
    ({"bias": BIAS}, {"bias": BIAS}),
    ({"bias": BIAS[0, 0]}, {"bias": BIAS[0, 0]}),
    ({"mask": MASK}, {"seen": MASK}),
    ({"mask": MASK[:, :1]}, {"seen": MASK[:, :1]}),
    ({"is_causal": True}, {"seen": J <= I}),
    ({"local_window_size": 1}, {"seen": np.abs(I - J) <= 1}),
    ({"local_window_size": (2, 0), "is_causal": True}, {"seen": (J <= I) & (I - J <= 2)}),
    ({"key_value_seq_lengths": LENGTHS}, {"seen": np.broadcast_to(LENGTHS[:, None, None, None] > J, (B, 1, T, S))}),
    ({"implementation": "xla"}, {}),
]


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize(("arguments", "meaning"), CASES)
def test_attention(arguments, meaning, jitted):
    query, key, value = _operands()

    def attend(q, k, v):
        return nn.dot_product_attention(q, k, v, return_residual=True, **arguments)

    out, residual = (cotan.jit(attend) if jitted else attend)(query, key, value)
    expected, logarithms = _expected(query, key, value, **meaning)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(residual, logarithms, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(
        nn.dot_product_attention(query, key, value, **arguments), attend(query, key, value)[0]
    )


def test_queries_that_do_not_count_are_zero():
    query, key, value = _operands()
    counts = np.array([2, 4], np.int32)
    out = np.asarray(nn.dot_product_attention(query, key, value, query_seq_lengths=counts))
    expected, _ = _expected(query, key, value)
    counted = np.arange(T)[None, :, None, None] < counts[:, None, None, None]
    np.testing.assert_allclose(out, np.where(counted, expected, 0), rtol=1e-5, atol=1e-5)


def test_attention_without_a_batch_and_mapped():
    query, key, value = _operands()
    whole = nn.dot_product_attention(query, key, value)
    alone = nn.dot_product_attention(query[1], key[1], value[1], return_residual=True)
    assert alone[1].shape == (T, N)
    np.testing.assert_allclose(alone[0], whole[1], rtol=1e-6)
    np.testing.assert_allclose(cotan.vmap(nn.dot_product_attention)(query, key, value), whole, rtol=1e-5, atol=1e-6)


def test_derivatives_of_attention():
    with cotan.enable_x64(True):
        query, key, value = (x.astype(np.float64) for x in _operands())
        rng = np.random.default_rng(5)
        directions = [rng.normal(size=x.shape) for x in (query, key, value)]

        def loss(q, k, v):
            return cnp.sum(cnp.sin(nn.dot_product_attention(q, k, v, bias=BIAS, is_causal=True)))

        slopes = cotan.grad(loss, (0, 1, 2))(query, key, value)
        found = sum(np.vdot(s, d) for s, d in zip(slopes, directions, strict=True))
        # The softmax is computed in float32, whatever the dtype.
        h = 1e-2
        ahead = loss(*(x + h * d for x, d in zip((query, key, value), directions, strict=True)))
        behind = loss(*(x - h * d for x, d in zip((query, key, value), directions, strict=True)))
    np.testing.assert_allclose(found, (ahead - behind) / (2 * h), rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float16, cnp.bfloat16])
def test_attention_in_half_precision(dtype):
    query, key, value = (x.astype(dtype) for x in _operands())
    out = nn.dot_product_attention(query, key, value)
    assert out.dtype == dtype
    expected, _ = _expected(*(x.astype(np.float32) for x in (query, key, value)))
    np.testing.assert_allclose(np.asarray(out, np.float32), expected, atol=2e-2)


BAD = [
    ({"implementation": "abacus"}, "implementation must be None, 'xla' or 'cudnn', got 'abacus'"),
    ({"mask": np.ones((1, 1, T, S), np.float32)}, "mask must be of dtype bool here, got float32"),
    ({"mask": np.ones((1, 3, T, S), np.bool_)}, r"mask must broadcast to shape \(2, 4, 5, 6\) here"),
    ({"key_value_seq_lengths": np.ones(3, np.int32)}, r"key_value_seq_lengths must be of shape \(2\) here"),
]


@pytest.mark.parametrize(("arguments", "text"), BAD)
def test_bad_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        nn.dot_product_attention(*_operands(), **arguments)


def test_bad_operands():
    query, key, value = _operands()
    with pytest.raises(ValueError, match="the query's 3 heads must be a multiple of the 2 heads"):
        nn.dot_product_attention(query[:, :, :3], key, value)
    with pytest.raises(ValueError, match=r"value must be of shape \(2, 6, 2, 3\) here, got \(2, 5, 2, 3\)"):
        nn.dot_product_attention(query, key, value[:, :5])
    with pytest.raises(ValueError, match="query must be of dtype float32 here, got float16"):
        nn.dot_product_attention(query.astype(np.float16), key, value)


# ---- block-scaled products


def test_scaled_matmul():
    rng = np.random.default_rng(0)
    lhs, rhs = rng.normal(size=(2, 3, 8)), rng.normal(size=(2, 4, 8))
    lhs_scales, rhs_scales = rng.random((2, 3, 2)), rng.random((2, 4, 2))
    arrays = [np.float32(x) for x in (lhs, rhs, lhs_scales, rhs_scales)]
    expected = np.einsum("bmk,bnk->bmn", lhs * np.repeat(lhs_scales, 4, 2), rhs * np.repeat(rhs_scales, 4, 2))
    np.testing.assert_allclose(nn.scaled_matmul(*arrays), expected, rtol=1e-5, atol=1e-6)
    assert nn.scaled_matmul(*arrays, preferred_element_type=np.float16).dtype == np.float16


def _rounded(x, mode):
    """Block-scaled along the last axis, by ml_dtypes."""
    block, data = (32, ml_dtypes.float8_e4m3fn) if mode == "mxfp8" else (16, ml_dtypes.float4_e2m1fn)
    blocks = x.reshape(*x.shape[:-1], -1, block)
    scale = np.abs(blocks).max(-1, keepdims=True) / float(ml_dtypes.finfo(data).max)
    if mode == "mxfp8":
        scale = np.exp2(np.ceil(np.log2(scale)))
    else:
        scale = scale.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    most = float(ml_dtypes.finfo(data).max)
    return (np.clip(blocks / scale, -most, most).astype(data).astype(np.float32) * scale).reshape(x.shape)


@pytest.mark.parametrize("mode", ["mxfp8", "nvfp4"])
def test_scaled_dot_general(mode):
    rng = np.random.default_rng(0)
    lhs, rhs = rng.normal(size=(64, 2, 32)).astype(np.float32), rng.normal(size=(2, 64, 32)).astype(np.float32)
    configs = [nn.get_scaled_dot_general_config(mode)] * 3
    numbers = (((0,), (1,)), ((1,), (0,)))

    def product(a, b):
        return nn.scaled_dot_general(a, b, numbers, configs=configs)

    left, right = _rounded(np.moveaxis(lhs, 0, 2), mode), _rounded(np.swapaxes(rhs, 1, 2), mode)
    expected = np.einsum("bmk,bnk->bmn", left, right)
    np.testing.assert_allclose(product(lhs, rhs), expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(cotan.jit(product)(lhs, rhs), expected, rtol=1e-5, atol=1e-4)
    ct = rng.normal(size=(2, 32, 32)).astype(np.float32)
    _, pull = cotan.vjp(product, lhs, rhs)
    found = pull(ct)
    cts, others = [ct, np.swapaxes(ct, 1, 2)], [rhs, np.moveaxis(lhs, 1, 0)]
    if mode == "mxfp8":
        cts, others = [_rounded(x, mode) for x in cts], [_rounded(x, mode) for x in others]
    slopes = [c @ np.swapaxes(o, 1, 2) for c, o in zip(cts, others, strict=True)]
    np.testing.assert_allclose(found[0], np.moveaxis(slopes[0], 2, 0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1], np.swapaxes(slopes[1], 1, 2), rtol=1e-4, atol=1e-4)


def test_scales_of_whole_operands_and_zeros():
    config = nn.get_scaled_dot_general_config("nvfp4", cnp.array([1e-4]))
    x = np.full((2, 16), 6e-4, np.float32)
    numbers = (((1,), (1,)), ((), ()))
    np.testing.assert_allclose(nn.scaled_dot_general(x, x, numbers, configs=[config] * 3), x @ x.T, rtol=1e-4)
    for mode in ("mxfp8", "nvfp4"):
        configs = [nn.get_scaled_dot_general_config(mode)] * 3
        zeros = nn.scaled_dot_general(
            np.zeros((2, 32), np.float32), np.ones((2, 32), np.float32), numbers, configs=configs
        )
        np.testing.assert_array_equal(zeros, np.zeros((2, 2)))


def test_without_configurations_it_is_dot_general():
    x = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    numbers = (((1,), (1,)), ((), ()))
    np.testing.assert_array_equal(nn.scaled_dot_general(x, x, numbers), x @ x.T)
    with pytest.warns(DeprecationWarning, match="scaled_dot_general: implementation is ignored"):
        nn.scaled_dot_general(x, x, numbers, implementation="cudnn")


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        (((2, 4), (2, 4), (2, 1), (2, 1)), "all operands must have three axes"),
        (((1, 2, 4), (1, 2, 6), (1, 2, 2), (1, 2, 2)), "must agree in B and K"),
        (((1, 2, 4), (1, 2, 4), (1, 3, 2), (1, 2, 2)), "lhs_scales must have one scale for each row and block"),
        (((1, 2, 4), (1, 2, 4), (1, 2, 2), (1, 2, 3)), "rhs_scales must have one scale for each row and block"),
        (((1, 2, 4), (1, 2, 4), (1, 2, 2), (1, 2, 4)), "blocks of one size"),
    ],
)
def test_bad_shapes_of_scaled_products(shapes, text):
    with pytest.raises(ValueError, match=text):
        nn.scaled_matmul(*(np.ones(shape, np.float32) for shape in shapes))


def test_bad_configurations():
    with pytest.raises(ValueError, match="mode must be 'mxfp8' or 'nvfp4', got 'int8'"):
        nn.get_scaled_dot_general_config("int8")
    configs = [nn.get_scaled_dot_general_config("mxfp8")] * 3
    x = np.ones((2, 20), np.float32)
    with pytest.raises(ValueError, match="the contracted extent, 20, must be a multiple of the block size 32"):
        nn.scaled_dot_general(x, x, (((1,), (1,)), ((), ())), configs=configs)
