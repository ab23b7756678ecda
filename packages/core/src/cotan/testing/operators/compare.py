"""Samples of comparisons, logic, shifts, bit counts, choice and casts."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes
from cotan.primitives import cast, compare
from cotan.testing.operators.table import (
    FLOATS,
    INEXACT,
    SIGNED,
    UNSIGNED,
    Sample,
    binary_samples,
    edges,
    grads,
    operator,
    unary_samples,
    values,
)

ORDERED = (*FLOATS, *SIGNED, *UNSIGNED, np.bool_)
INTEGERS = (*SIGNED, *UNSIGNED, np.int16, np.uint64)
X, Y = values(2, 3, dtype=np.float64), values(2, 3, dtype=np.float64, seed=1)
C = values(2, 3, dtype=np.complex128)

for _name, _ufunc in (
    ("eq", np.equal),
    ("ne", np.not_equal),
    ("lt", np.less),
    ("le", np.less_equal),
    ("gt", np.greater),
    ("ge", np.greater_equal),
):
    _kinds = (*ORDERED, np.complex64) if _name in ("eq", "ne") else ORDERED
    operator(getattr(compare, f"{_name}_p"), binary_samples(_kinds, 0), oracle=_ufunc, grads=[grads(X, Y)])

for _name, _ufunc in (("and", np.bitwise_and), ("or", np.bitwise_or), ("xor", np.bitwise_xor)):
    operator(getattr(compare, f"{_name}_p"), binary_samples((np.bool_, *INTEGERS), 0, 100), oracle=_ufunc)
operator(compare.not_p, unary_samples((np.bool_, *INTEGERS), 0, 100), oracle=np.invert)


def by_integers(function: Any) -> Any:
    """An oracle over Python integers: ``function(value, bits of the value, amount, width)``."""

    def oracle(x: Any, *amounts: Any) -> Any:
        width = 8 * x.dtype.itemsize
        mask = (1 << width) - 1
        rows = zip(*(np.ravel(z).tolist() for z in np.broadcast_arrays(x, *amounts)), strict=True)
        out = [int(function(value, value & mask, *(n & mask for n in rest), width)) & mask for value, *rest in rows]
        return (
            np.array(out, f"u{x.dtype.itemsize}")
            .reshape(np.broadcast_shapes(x.shape, *(a.shape for a in amounts)))
            .view(x.dtype)
        )

    return oracle


def sign_fill(value: int, bits: int, amount: int, width: int) -> int:
    signed = bits - (1 << width) if bits >> (width - 1) else bits
    return signed >> min(amount, width)


def shifts(kinds: Any) -> list[Sample]:
    found = binary_samples(kinds, 0, 100)
    for dtype in kinds:
        width = 8 * np.dtype(dtype).itemsize
        amounts = np.array([0, 1, width - 1, width, width + 1, 100]).astype(dtype)
        x, y = np.meshgrid(edges(dtype), amounts)
        found.append(Sample((x.reshape(-1), y.reshape(-1))))
    return found


operator(compare.shift_left_p, shifts(INTEGERS), oracle=by_integers(lambda v, b, n, w: b << n if n < w else 0))
operator(compare.shift_right_logical_p, shifts(INTEGERS), oracle=by_integers(lambda v, b, n, w: b >> n if n < w else 0))
operator(compare.shift_right_arithmetic_p, shifts(INTEGERS), oracle=by_integers(sign_fill))
operator(compare.population_count_p, unary_samples(INTEGERS, 0, 100), oracle=by_integers(lambda v, b, w: b.bit_count()))
operator(compare.clz_p, unary_samples(INTEGERS, 0, 100), oracle=by_integers(lambda v, b, w: w - b.bit_length()))

WHICH = values(2, 3, dtype=np.bool_)
NUMBER = values(2, 3, dtype=np.int32, low=-1, high=3)


def chosen(which: Any, *cases: Any) -> Any:
    return np.select([np.clip(which.astype(int), 0, len(cases) - 1) == k for k in range(len(cases))], cases)


operator(
    compare.select_n_p,
    [
        Sample((WHICH, X, Y)),
        Sample((np.bool_(True), X, Y)),
        Sample((WHICH, np.float32(1), np.float32(2))),
        Sample((WHICH, C, C + 1)),
        Sample((WHICH, WHICH, ~WHICH)),
        Sample((WHICH, X, np.float64(3))),
        Sample((WHICH, values(2, 3, dtype=dtypes.bfloat16), values(2, 3, dtype=dtypes.bfloat16, seed=1))),
        Sample((NUMBER, X, Y, X * Y)),
        Sample((np.int32(7), X, Y, X * Y)),
        Sample((np.array([True, False]), *np.full((2, 2), np.nan))),
    ],
    oracle=chosen,
    grads=[
        grads(WHICH, X, Y),
        grads(np.bool_(False), X, Y),
        grads(WHICH, X, np.float64(2)),
        grads(NUMBER, X, Y, X * Y),
        grads(np.bool_(True), X, np.float64(2)),
        grads(WHICH, C, C * 2),
    ],
    kernel_tolerance=None,
)

# ---- Casts

KINDS = (
    np.bool_,
    np.int8,
    np.int32,
    np.int64,
    np.uint8,
    np.uint32,
    np.float16,
    dtypes.bfloat16,
    np.float32,
    np.float64,
)


def converted(x: Any, new_dtype: Any, weak_type: bool) -> Any:
    """Element by element over Python numbers. Floats come in float64."""
    if new_dtype == np.bool_:
        return x != 0
    if dtypes.issubdtype(new_dtype, np.complexfloating):
        return x.astype(np.complex128)
    if np.iscomplexobj(x):
        x = x.real
    if not dtypes.issubdtype(new_dtype, np.integer):
        return x.astype(np.float64)
    info = dtypes.iinfo(new_dtype)
    lo, hi, span = int(info.min), int(info.max), int(info.max) - int(info.min) + 1
    out = []
    for v in np.ravel(x).tolist():
        if isinstance(v, float):
            out.append(0 if v != v else hi if v >= hi else lo if v <= lo else int(v))
        else:
            out.append((int(v) - lo) % span + lo)
    return np.array(out, new_dtype).reshape(x.shape)


LARGE = np.array([3e9, -3e9, 1e20, -1e20, 255.5, 256.0, -0.9, 0.9, 127.9, 2147483520.0, 4294967040.0], np.float32)
operator(
    cast.convert_element_type_p,
    [
        Sample((values(2, 3, dtype=source, low=0, high=9),), {"new_dtype": np.dtype(target), "weak_type": False})
        for source in (*KINDS, np.complex64)
        for target in (*KINDS, np.complex64)
    ]
    + [
        Sample((edges(source),), {"new_dtype": np.dtype(target), "weak_type": False})
        for source in (np.int32, np.uint8, np.int64, np.float32, np.float64, np.float16, dtypes.bfloat16)
        for target in KINDS
        # A double that rounds to a float32 half-way is rounded twice by no one but the oracle.
        if not (source in (np.float64, np.int64, np.int32) and target in (np.float16, dtypes.bfloat16))
    ]
    + [
        Sample((x,), {"new_dtype": np.dtype(target), "weak_type": False})
        for target in (np.int8, np.int32, np.int64, np.uint8, np.uint32)
        for x in (LARGE, LARGE.astype(np.float64))
    ]
    + [Sample((np.float32(2.5),), {"new_dtype": np.dtype(np.int32), "weak_type": False})],
    oracle=converted,
    tolerance=1,
    kernel_tolerance=None,
    grads=[
        grads(X, new_dtype=np.dtype(np.complex128), weak_type=False),
        grads(C, new_dtype=np.dtype(np.float64), weak_type=False),
        grads(X, new_dtype=np.dtype(np.int32), weak_type=False),
    ],
)


def by_bytes(x: Any, new_dtype: Any) -> Any:
    raw = np.frombuffer(x.tobytes(), new_dtype)
    if x.dtype.itemsize == new_dtype.itemsize:
        return raw.reshape(x.shape)
    parts = x.dtype.itemsize // new_dtype.itemsize
    return raw.reshape((*x.shape, parts) if parts else x.shape[:-1])


BITS = values(2, 4, dtype=np.uint32, low=0, high=2**32 - 1)
operator(
    cast.bitcast_convert_type_p,
    [Sample((BITS,), {"new_dtype": np.dtype(kind)}) for kind in (np.int32, np.float32, np.uint8, np.int16, np.uint32)]
    + [
        Sample((values(2, 4, dtype=np.uint8, low=0, high=255),), {"new_dtype": np.dtype(kind)})
        for kind in (np.int8, np.uint32, np.float32)
    ]
    + [
        Sample((values(3, 2, dtype=np.int32, low=-9, high=9),), {"new_dtype": np.dtype(np.int64)}),
        Sample((np.uint32(7),), {"new_dtype": np.dtype(np.uint16)}),
        Sample((BITS[:0],), {"new_dtype": np.dtype(np.uint8)}),
    ],
    oracle=by_bytes,
    kernel_tolerance=None,
)


def reduced(x: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    """Through the dtypes that have the format."""
    kind = {(8, 7): dtypes.bfloat16, (5, 10): np.float16, (8, 23): np.float32}[exponent_bits, mantissa_bits]
    out = x.astype(kind).astype(np.float64)
    # The format has no denormals here.
    return np.where(np.abs(out) < float(dtypes.finfo(kind).tiny), np.copysign(0.0, out), out)


SPREAD = values(50, dtype=np.float32, low=-3, high=3) * np.float32(10.0) ** values(
    50, dtype=np.int32, low=-7, high=6, seed=1
)
operator(
    cast.reduce_precision_p,
    [
        Sample((x,), {"exponent_bits": e, "mantissa_bits": m})
        for e, m in ((8, 7), (5, 10), (8, 23))
        for x in (edges(np.float32), SPREAD)
    ]
    + [Sample((values(3, dtype=np.float64),), {"exponent_bits": 8, "mantissa_bits": 23})],
    oracle=reduced,
    tolerance=0,
    kernel_tolerance=None,
)
operator(cast.stop_gradient_p, unary_samples((*INEXACT, np.int32)), oracle=np.array, tolerance=0)
