"""Arithmetic, casts, comparison and bits of every dtype on every target, against NumPy and Python integers."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from kernel_harness import HOST, apply, elementwise, targets

from cotan.ir import scalar

INTS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float32", "float64"]
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
TARGETS = pytest.mark.parametrize("target", targets(), ids=lambda target: target.cpu)


def samples(dtype: str, count: int = 83) -> np.ndarray:
    """Random values with the ends and the small ones among them."""
    rng = np.random.default_rng(len(dtype) + count)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return rng.integers(0, 2, count).astype(bool)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        values = rng.integers(info.min, info.max, count, dtype=kind, endpoint=True)
        values[:8] = [0, 1, 2, 3, info.max, info.min, info.max - 1, info.max // 2]
        values[8:40] = rng.integers(0, 9, 32)
        return rng.permutation(values)
    values = rng.normal(0, 100, count).astype(kind)
    values[:12] = [0.0, -0.0, 1, -1, 0.5, 1.5, 2.5, -2.5, np.inf, -np.inf, np.nan, 1e-40]
    return rng.permutation(values)


def same(got: np.ndarray, want: np.ndarray) -> bool:
    if got.dtype.kind in "biu":
        return bool(np.array_equal(got, want))
    # Signalling NaNs warn as they are widened.
    with np.errstate(invalid="ignore"):
        got, want = got.astype(np.float64), want.astype(np.float64)
    return bool(np.all((got == want) | (np.isnan(got) & np.isnan(want))))


@TARGETS
@pytest.mark.parametrize("dtype", INTS + FLOATS)
def test_arithmetic_wraps_and_propagates(dtype, target):
    x, y = samples(dtype), samples(dtype)[::-1].copy()
    with np.errstate(all="ignore"):
        for op, function in [("add", np.add), ("sub", np.subtract), ("mul", np.multiply)]:
            assert same(apply(op, x, y, target=target), function(x, y)), op
        assert same(apply("max", x, y, target=target), np.maximum(x, y))
        assert same(apply("min", x, y, target=target), np.minimum(x, y))
        assert same(apply("neg", x, target=target), np.negative(x))
        assert same(apply("abs", x, target=target), np.abs(x))
        assert same(apply("sign", x, target=target), np.sign(x))


@TARGETS
@pytest.mark.parametrize("dtype", INTS)
def test_integer_division_truncates_and_is_defined_for_zero(dtype, target):
    x, y = samples(dtype), samples(dtype)[::-1].copy()
    y[3:5] = 0
    info = np.iinfo(dtype)
    if info.min < 0:
        x[7], y[7] = info.min, -1
    quotients, rests = [], []
    for a, b in zip(map(int, x), map(int, y)):
        if b == 0:
            quotients.append(-1)
            rests.append(a)
            continue
        q = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        quotients.append(q)
        rests.append(a - q * b)
    wrap = 1 << (8 * np.dtype(dtype).itemsize)
    want = np.array([q % wrap for q in quotients], np.uint64).astype(dtype)
    assert same(apply("div", x, y, target=target), want)
    assert same(apply("rem", x, y, target=target), np.array([r % wrap for r in rests], np.uint64).astype(dtype))
    by_seven = elementwise(lambda e: scalar.div(e, scalar.const(7, dtype)), [x], dtype, target)
    assert same(by_seven, np.array([(abs(int(a)) // 7 * (1 if a >= 0 else -1)) for a in x]).astype(dtype))


@TARGETS
@pytest.mark.parametrize("dtype", FLOATS)
def test_float_division_remainder_rounding(dtype, target):
    x, y = samples(dtype), samples(dtype)[::-1].copy()
    with np.errstate(all="ignore"):
        assert same(apply("div", x, y, target=target), x / y)
        assert same(apply("rem", x, y, target=target), np.fmod(x, y))
        rng = np.random.default_rng(1)
        many = np.concatenate([rng.normal(0, 1e3, 500), 10.0 ** rng.uniform(-35, 35, 500), np.arange(500) * 0.1])
        many = many.astype(dtype)
        divisors = rng.permutation(many)
        assert same(apply("rem", many, divisors, target=target), np.fmod(many, divisors))
        assert same(apply("rem", many, many[::-1].copy(), target=target), np.fmod(many, many[::-1]))
        for op, function in [("floor", np.floor), ("ceil", np.ceil), ("trunc", np.trunc), ("round", np.round)]:
            got = apply(op, x, target=target)
            assert same(got, function(x)), op
            zero = (got == 0) & ~np.isnan(x)
            assert np.array_equal(np.signbit(got[zero]), np.signbit(function(x)[zero])), op
        assert same(apply("sqrt", x, target=target), np.sqrt(x))
        assert same(apply("nextafter", x, y, target=target), np.nextafter(x, y))
    assert same(apply("is_finite", x, dtype=bool, target=target), np.isfinite(x))


@TARGETS
@pytest.mark.parametrize("dtype", ["bool", *INTS])
def test_logic_and_bits(dtype, target):
    x, y = samples(dtype), samples(dtype)[::-1].copy()
    assert same(apply("and", x, y, target=target), x & y)
    assert same(apply("or", x, y, target=target), x | y)
    assert same(apply("xor", x, y, target=target), x ^ y)
    assert same(apply("not", x, target=target), ~x)
    if dtype == "bool":
        return
    bits = 8 * np.dtype(dtype).itemsize
    unsigned = [int(v) % (1 << bits) for v in x]
    assert same(apply("popcount", x, target=target), np.array([v.bit_count() for v in unsigned]).astype(dtype))
    assert same(apply("clz", x, target=target), np.array([bits - v.bit_length() for v in unsigned]).astype(dtype))


@TARGETS
@pytest.mark.parametrize("dtype", INTS)
def test_shifts_by_any_amount(dtype, target):
    bits = 8 * np.dtype(dtype).itemsize
    x = samples(dtype)
    amount = np.arange(x.size).astype(dtype) % np.array(bits + 3).astype(dtype)
    mask = (1 << bits) - 1
    left, logical, arithmetic = [], [], []
    for a, n in zip(map(int, x), map(int, amount)):
        left.append((a << n) & mask if n < bits else 0)
        logical.append((a & mask) >> n)
        signed = (a & mask) - (1 << bits) if (a & mask) >> (bits - 1) else a & mask
        arithmetic.append((signed >> min(n, bits - 1)) & mask)
    for op, want in [("shl", left), ("shr_logical", logical), ("shr_arithmetic", arithmetic)]:
        assert same(apply(op, x, amount, target=target), np.array(want, np.uint64).astype(dtype)), op


@TARGETS
@pytest.mark.parametrize("dtype", ["bool", *INTS, *FLOATS])
def test_comparison_and_select(dtype, target):
    x, y = samples(dtype), samples(dtype)[::-1].copy()
    y[::3] = x[::3]
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        want = getattr(np, {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
                            "ge": "greater_equal"}[op])(x, y)  # fmt: skip
        assert same(apply(op, x, y, dtype=bool, target=target), want), op
    got = elementwise(lambda a, b: scalar.select(scalar.lt(a, b), a, b), [x, y], dtype, target)
    assert same(got, np.where(x < y, x, y))


def saturating(x: np.ndarray, dtype: str) -> np.ndarray:
    info = np.iinfo(dtype)
    values = x.astype(np.float64)
    return np.array(
        [0 if np.isnan(v) else info.max if v >= info.max else info.min if v <= info.min else int(v) for v in values],
        dtype,
    )


@TARGETS
@pytest.mark.parametrize("source", ["bool", *INTS, "float16", "bfloat16", *FLOATS])
def test_casts(source, target):
    x = samples("float32").astype(BFLOAT16 if source == "bfloat16" else source) if source in (
        "float16", "bfloat16") else samples(source)  # fmt: skip
    if x.dtype.itemsize >= 4 and x.dtype.kind == "f":
        x[:6] = [3e9, -3e9, 1e19, -1e19, 2.0**31, 2.0**63]
    for to in ["bool", *INTS, "float16", "bfloat16", *FLOATS]:
        dtype = BFLOAT16 if to == "bfloat16" else np.dtype(to)
        got = elementwise(lambda e, dtype=dtype: scalar.cast(e, dtype), [x], dtype, target)
        with np.errstate(all="ignore"):
            if to in INTS and x.dtype.kind in "fV":
                want = saturating(x, to)
            elif to in ("float16", "bfloat16"):
                want = x.astype(np.float32).astype(dtype)
            else:
                want = x.astype(dtype)
        assert same(got, want), to


@TARGETS
def test_halves_convert_every_bit_pattern(target):
    for dtype in (np.dtype(np.float16), BFLOAT16):
        every = np.arange(1 << 16, dtype=np.uint16).view(dtype)
        wide = elementwise(lambda e: scalar.cast(e, np.float32), [every], np.float32, target)
        # Values between neighbours, and exactly half way, show the rounding.
        with np.errstate(all="ignore"):
            assert same(wide, every.astype(np.float32))
            near = np.concatenate([np.nextafter(wide, np.float32(np.inf)), wide * np.float32(1 + 2.0**-9), wide])
            near = np.concatenate([near, (wide[:-1] + wide[1:]) * np.float32(0.5)])
            back = elementwise(lambda e, dtype=dtype: scalar.cast(e, dtype), [near], dtype, target)
            assert same(back, near.astype(dtype))


@TARGETS
@pytest.mark.parametrize(("source", "to"), [("float32", "int32"), ("uint64", "float64"), ("int16", "float16"),
                                            ("bfloat16", "uint16"), ("bool", "uint8")])  # fmt: skip
def test_bitcast_keeps_bits(source, to, target):
    source_type = BFLOAT16 if source == "bfloat16" else np.dtype(source)
    x = samples("float32").astype(source_type) if source == "bfloat16" else samples(source)
    got = elementwise(lambda e: scalar.bitcast(e, to), [x], np.dtype(to), target)
    assert np.array_equal(got.view(np.uint8), x.view(np.uint8))


@TARGETS
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_arithmetic_computes_in_float32(dtype, target):
    kind = BFLOAT16 if dtype == "bfloat16" else np.dtype(dtype)
    x, y = samples("float32").astype(kind), samples("float32")[::-1].astype(kind)
    with np.errstate(all="ignore"):
        want = (x.astype(np.float32) * y.astype(np.float32)).astype(kind)
        less = x < y
    assert same(apply("mul", x, y, target=target), want)
    assert same(apply("lt", x, y, dtype=bool, target=target), less)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65, 100, 127, 129, 1000, 1023, 5000])
@TARGETS
def test_odd_sizes(size, target):
    x = np.arange(size, dtype=np.float32)
    assert same(apply("add", x, x, target=target), x + x)
    small = np.arange(size).astype(np.uint8)
    assert same(apply("mul", small, small, target=target), small * small)
    # A body with several element widths.
    got = elementwise(lambda e: scalar.cast(scalar.add(scalar.cast(e, np.float64), scalar.const(0.5, np.float64)),
                                            np.float32), [small], np.float32, target)  # fmt: skip
    assert same(got, small.astype(np.float32) + np.float32(0.5))


def test_constants_of_every_dtype():
    x = np.zeros(5, np.float32)
    for dtype, value in [("float32", np.inf), ("float32", np.nan), ("float64", 0.1), ("uint8", 255),
                         ("int64", -(2**63)), ("bool", True), ("uint64", 2**64 - 1)]:  # fmt: skip
        got = elementwise(lambda e, v=value, d=dtype: scalar.const(v, d), [x], np.dtype(dtype), HOST)
        assert same(got, np.full(5, value, dtype))
