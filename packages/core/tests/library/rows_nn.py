"""Functions of cotan.nn, by their definitions."""

from __future__ import annotations

import numpy as np
import scipy.special
from library.table import M, Operand, T, elementwise, elsewhere, row

X = Operand((2, 3))
AWAY = Operand((2, 3), 0.3, 2.0)
LAMBDA, ALPHA = 1.0507009873554805, 1.6732632423543772


def sigmoid(x):
    return scipy.special.expit(np.asarray(x, np.float64))


def squash(x):
    return np.clip(x + 3, 0, 6) / 6


def sparse_plus(x):
    return np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4))


def gelu(x, approximate=True):
    if approximate:
        return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
    return x * scipy.special.ndtr(x)


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "swish": lambda x: x * sigmoid(x),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "soft_sign": lambda x: x / (1 + np.abs(x)),
    "log_sigmoid": lambda x: -np.logaddexp(-x, 0.0),
    "hard_sigmoid": squash,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_silu": lambda x: x * squash(x),
    "hard_swish": lambda x: x * squash(x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "celu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: LAMBDA * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0))),
    "leaky_relu": lambda x: np.where(x >= 0, x, 0.01 * x),
    "gelu": gelu,
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0.0)),
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
    "sparse_plus": sparse_plus,
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "identity": lambda x: x,
}
for name, oracle in ACTIVATIONS.items():
    elementwise("nn", name, X, dtypes="hf", oracle=oracle, tol=8, edges=False, floor=0.1)
row("nn", "gelu", X, False, oracle=gelu, tol=8)
row(
    "nn",
    "elu",
    X,
    Operand((2, 3), 0.5, 2),
    oracle=lambda x, a: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0))),
    tol=4,
)
row("nn", "leaky_relu", X, 0.3, oracle=lambda x, a: np.where(x >= 0, x, a * x), tol=4)
elementwise("nn", "log1mexp", AWAY, dtypes="f", oracle=lambda x: np.log(-np.expm1(-x)), tol=8, edges=False)
row("nn", "glu", M, kw={"axis": 1}, oracle=lambda x, axis: x[:, :2] * sigmoid(x[:, 2:]), tol=4)
for name, oracle in {"softmax": scipy.special.softmax, "log_softmax": scipy.special.log_softmax}.items():
    row("nn", name, M, oracle=lambda x, f=oracle: f(x, axis=-1), dtypes="hf", tol=8, specials=False)
    row("nn", name, T, kw={"axis": (0, 2)}, oracle=oracle, tol=8, specials=False)
for name, shift in (("logsumexp", 0.0), ("logmeanexp", 1.0)):
    row(
        "nn",
        name,
        M,
        kw={"axis": 1},
        tol=8,
        specials=False,
        oracle=lambda x, axis, s=shift: scipy.special.logsumexp(x, axis=axis) - s * np.log(x.shape[axis]),
    )
    row(
        "nn",
        name,
        T,
        kw={"axis": (0, 2), "keepdims": True},
        tol=8,
        specials=False,
        oracle=lambda x, axis, keepdims, s=shift: (
            scipy.special.logsumexp(x, axis=axis, keepdims=keepdims) - s * np.log(8)
        ),
    )
row(
    "nn",
    "standardize",
    M,
    kw={"axis": 1},
    tol=16,
    specials=False,
    slope_tol=1e-5,
    oracle=lambda x, axis: (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + 1e-5),
)
row(
    "nn",
    "one_hot",
    Operand((3,), 0, 4, np.int32),
    4,
    kw={"dtype": np.float32},
    dtypes="f",
    result=np.float32,
    order=0,
    oracle=lambda x, n, dtype: (x[:, None] == np.arange(n)).astype(np.float64),
)


def attention(q, k, v):
    logits = np.einsum("btnh,bsnh->bnts", q, k) / np.sqrt(q.shape[-1])
    return np.einsum("bnts,bsnh->btnh", scipy.special.softmax(logits, axis=-1), v)


row(
    "nn",
    "dot_product_attention",
    Operand((2, 3, 2, 4)),
    Operand((2, 5, 2, 4)),
    Operand((2, 5, 2, 4)),
    oracle=attention,
    tol=32,
    specials=False,
    slope_tol=1e-5,
)
elsewhere(
    "nn",
    "products of scaled blocks, narrow types only: tests/nn/test_attention.py",
    "get_scaled_dot_general_config scaled_dot_general scaled_matmul",
)
