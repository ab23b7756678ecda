"""Floats of 8 bits and fewer and integers of 2 and 4 bits: every value, eagerly and in programs, against ml_dtypes.

Floats are computed in float32 and rounded once; integers wrap as wider ones do, and are computed in int32 here.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.errors import TypePromotionError

_FLOATS = [
    *("float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2"),
    *("float8_e5m2fnuz", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn"),
]
_INTEGERS = ["int2", "uint2", "int4", "uint4"]
_ALL = [*_FLOATS, *_INTEGERS]
_STAGES = {"eager": lambda f: f, "jit": cotan.jit}


def _kind(name):
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def _wide(x):
    return x.astype(np.float32 if x.dtype in map(_kind, _FLOATS) else np.int32)


def _every(name, nans=True):
    kind = _kind(name)
    if name in _INTEGERS:
        info = ml_dtypes.iinfo(kind)
        return np.arange(info.min, info.max + 1).astype(kind)
    x = np.arange(1 << ml_dtypes.finfo(kind).bits, dtype=np.uint8).view(kind)
    return x if nans else x[~np.isnan(_wide(x))]


def _pairs(name):
    x = _every(name)
    return x, np.random.default_rng(0).permutation(x)


def _same(found, expected):
    found = np.asarray(found)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found.astype(np.float64), expected.astype(np.float64))


@pytest.fixture(params=_STAGES)
def stage(request):
    return _STAGES[request.param]


_QUIET = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@_QUIET
@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "max", "min"])
@pytest.mark.parametrize("name", _FLOATS)
def test_arithmetic_of_floats(name, op, stage):
    x, y = _pairs(name)
    oracle = {"sub": np.subtract, "mul": np.multiply, "div": np.divide, "max": np.maximum, "min": np.minimum}
    expected = oracle.get(op, np.add)(_wide(x), _wide(y)).astype(x.dtype)
    _same(stage(getattr(lax, op))(x, y), expected)


@_QUIET
@pytest.mark.parametrize("op", ["exp", "neg", "abs", "sqrt", "tanh", "sin", "floor"])
@pytest.mark.parametrize("name", _FLOATS)
def test_functions_of_floats(name, op, stage):
    x = _every(name)
    expected = {"neg": np.negative}.get(op, getattr(np, op, None))(_wide(x)).astype(x.dtype)
    _same(stage(getattr(lax, op))(x), expected)


def _quotient(x, y):
    return np.where(y == 0, -1, (x / np.where(y == 0, 1, y)).astype(np.int32))


_INTEGER_OPS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "div": _quotient,
    "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor,
}  # fmt: skip


@pytest.mark.parametrize("op", _INTEGER_OPS)
@pytest.mark.parametrize("name", _INTEGERS)
def test_arithmetic_of_integers(name, op, stage):
    x, y = (side.ravel() for side in np.meshgrid(_every(name), _every(name)))
    _same(stage(getattr(lax, op))(x, y), _INTEGER_OPS[op](_wide(x), _wide(y)).astype(x.dtype))


@pytest.mark.parametrize("name", _INTEGERS)
def test_functions_of_integers(name, stage):
    x = _every(name)
    _same(stage(lax.neg)(x), (-_wide(x)).astype(x.dtype))
    _same(stage(lax.bitwise_not)(x), (~_wide(x)).astype(x.dtype))
    _same(stage(cnp.sum)(x), np.asarray(_wide(x).sum(), np.uint32 if name[0] == "u" else np.int32))


@_QUIET
@pytest.mark.parametrize("name", _ALL)
def test_comparisons_choices_and_order(name, stage):
    x, y = _pairs(name)
    for op, oracle in ((lax.lt, np.less), (lax.eq, np.equal), (lax.ge, np.greater_equal)):
        np.testing.assert_array_equal(stage(op)(x, y), oracle(_wide(x), _wide(y)))
    x = _every(name, nans=False)
    y = x[::-1].copy()
    _same(stage(cnp.sort)(y), np.sort(_wide(x), kind="stable").astype(x.dtype))
    _same(stage(lambda x, y: cnp.where(x > y, x, y))(x, y), np.where(_wide(x) > _wide(y), x, y))
    assert int(stage(cnp.argmax)(y)) == np.argmax(_wide(y))
    even = x[: len(x) // 2 * 2].reshape(2, -1)
    _same(stage(lambda x: x.T)(even), even.T)


@_QUIET
@pytest.mark.parametrize("to", ["float32", "float16", "bfloat16", "float8_e5m2", "float4_e2m1fn", "bool"])
@pytest.mark.parametrize("name", _ALL)
def test_conversion_to_floats_and_bool(name, to, stage):
    x = _every(name)
    _same(stage(lambda x: lax.convert_element_type(x, _kind(to)))(x), _wide(x).astype(np.float32).astype(_kind(to)))


@pytest.mark.parametrize("to", ["int32", "int8", "uint8", "int4", "uint2"])
@pytest.mark.parametrize("name", _ALL)
def test_conversion_to_integers(name, to, stage):
    x, kind = _every(name), _kind(to)
    expected = _wide(x)
    if name in _FLOATS:
        # From floats to the nearest end of the range, from integers modulo it.
        x = x[np.isfinite(expected)]
        info = ml_dtypes.iinfo(kind)
        expected = np.clip(np.trunc(_wide(x).astype(np.float64)), int(info.min), int(info.max)).astype(np.int64)
    _same(stage(lambda x: lax.convert_element_type(x, kind))(x), expected.astype(kind))


@_QUIET
@pytest.mark.parametrize("source", ["float32", "float16", "bfloat16", "int32"])
@pytest.mark.parametrize("name", _ALL)
def test_conversion_from_wider_ones(name, source, stage):
    kind = _kind(name)
    values = np.array([0, 1, -1, 2, 3, 0.5, -0.25, 5, 7, 1.3, 0.1, 100, -7, 6]).astype(_kind(source))
    expected = values
    if name in _INTEGERS and source != "int32":
        info = ml_dtypes.iinfo(kind)
        expected = np.clip(np.trunc(values.astype(np.float64)), int(info.min), int(info.max)).astype(np.int32)
    _same(stage(lambda x: lax.convert_element_type(x, kind))(values), expected.astype(kind))


@_QUIET
@pytest.mark.parametrize("name", ["float16", "bfloat16", *(name for name in _FLOATS if name != "float8_e8m0fnu")])
def test_conversion_from_float64_rounds_once(name, stage):
    kind = _kind(name)
    bits = np.arange(1 << ml_dtypes.finfo(kind).bits, dtype=np.uint8 if kind.itemsize == 1 else np.uint16)
    values = bits.view(kind).astype(np.float64)
    values = np.unique(values[np.isfinite(values)])
    ties = (values[1:] + values[:-1]) / 2  # exact, and a neighbour in float64 is a tie in float32
    with cotan.enable_x64():
        convert = stage(lambda x: lax.convert_element_type(x, kind))
        for x, expected in (
            (values, values),
            (np.nextafter(ties, np.inf), values[1:]),
            (np.nextafter(ties, -np.inf), values[:-1]),
            (ties, ties.astype(kind)),
            (ties + 0j, ties.astype(kind)),
        ):
            np.testing.assert_array_equal(np.asarray(convert(x)).astype(np.float64), expected.astype(np.float64))
        edges = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e300, -1e300, 5e-324, -1e-300])
        found, expected = np.asarray(convert(edges)), edges.astype(kind)
        np.testing.assert_array_equal(found.view(np.uint8), expected.view(np.uint8))


@_QUIET
@pytest.mark.parametrize("bits", [(2, 1), (4, 3), (5, 2), (8, 3), (8, 23)])
@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float4_e2m1fn"])
def test_reduced_precision(name, bits, stage):
    kind = _kind(name)
    x = np.array([1.1, -3.7, 200, 448, 57344, 0.0, -0.0, 1.5, 2.5, 0.01, 2.0**-9, np.inf, np.nan]).astype(kind)
    expected = np.asarray(lax.reduce_precision(x.astype(np.float32), *bits)).astype(kind)
    _same(stage(lambda x: lax.reduce_precision(x, *bits))(x), expected)


def test_reduced_precision_rounds_to_even():
    x = np.array([1.0, 1.125, 1.375, -2.25, 3.3e38]).astype(_kind("bfloat16"))
    expected = np.array([1.0, 1.0, 1.5, -2.0, np.inf]).astype(_kind("bfloat16"))
    _same(lax.reduce_precision(x, 8, 2), expected)


def _bits(x):
    """The bits of each element, the lowest first: those that carry information."""
    raw = np.ascontiguousarray(x)[..., None].view(np.uint8)
    return np.unpackbits(raw, axis=-1, bitorder="little")[..., : cotan.dtypes.itemsize_bits(x.dtype)]


_READ = ["int2", "uint4", "int4", "float4_e2m1fn", "float8_e5m2", "int8", "uint16", "bfloat16", "int32", "float32"]


@pytest.mark.parametrize("to", _READ)
@pytest.mark.parametrize("name", _READ)
def test_bits_of_narrow_kinds(name, to, stage):
    have, want = (cotan.dtypes.itemsize_bits(_kind(kind)) for kind in (name, to))
    raw = np.random.default_rng(0).integers(0, 256, (3, max(want // have, 1), _kind(name).itemsize), dtype=np.uint8)
    x = raw.view(_kind(name))[..., 0]
    x = x[:, 0] if have >= want else x
    found = np.asarray(stage(lambda x: lax.bitcast_convert_type(x, _kind(to)))(x))
    assert found.dtype == _kind(to)
    assert found.shape == ((3, have // want) if have > want else (3,))
    np.testing.assert_array_equal(_bits(found).reshape(3, -1), _bits(x).reshape(3, -1))
    row = cnp.asarray(x.reshape(1, -1))
    view = np.asarray(stage(lambda x: x.view(_kind(to)))(row))
    assert view.shape == (1, 3 * max(have, want) // want)
    np.testing.assert_array_equal(_bits(view).ravel(), _bits(x).ravel())


def test_widths_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="do not divide"):
        lax.bitcast_convert_type(np.zeros(4, ml_dtypes.float6_e2m3fn), np.uint8)


@pytest.mark.parametrize("name", ["float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"])
def test_signs_and_exponents_of_the_narrowest(name, stage):
    x = np.array([-2.0, 1.5, -0.0, 0.0, 1.0]).astype(_kind(name))
    np.testing.assert_array_equal(stage(cnp.signbit)(x), np.signbit(_wide(x)))
    fraction, exponent = stage(cnp.frexp)(x)
    expected = np.frexp(_wide(x))
    _same(fraction, expected[0].astype(x.dtype))
    np.testing.assert_array_equal(exponent, expected[1])


@pytest.mark.parametrize("name", _ALL)
def test_products_in_wider_sums(name, stage):
    rows = _every(name, nans=False)[-8:] if name in _INTEGERS else _every(name, nans=False)[:8]
    rows = rows.reshape(2, -1)
    total = np.dtype(np.int32 if name in _INTEGERS else np.float32)
    product = stage(lambda x: lax.dot_general(x, x, (((1,), (1,)), ((), ())), preferred_element_type=total))
    _same(product(rows), _wide(rows) @ _wide(rows).T)


@pytest.mark.parametrize("name", _ALL)
def test_promotion(name):
    x = cnp.asarray(_every(name, nans=False)[:4])
    assert (x + 1).dtype == x.dtype
    assert cnp.add(x, x).dtype == x.dtype
    for other in ("float32", "bfloat16", "float16"):
        with pytest.raises(TypePromotionError):
            cnp.add(x, cnp.ones(4, other))
    if name in _INTEGERS:
        with pytest.raises(TypePromotionError):
            cnp.add(x, cnp.ones(4, np.int8))
    else:
        # Integers are below every float in the order of kinds.
        assert cnp.add(x, cnp.ones(4, np.int8)).dtype == x.dtype


@pytest.mark.parametrize("name", [name for name in _FLOATS if name != "float8_e8m0fnu"])
def test_derivatives_have_the_kind_of_the_argument(name):
    x = cnp.asarray(np.array([0.5, 1.0, -2.0]), _kind(name))
    slope = cotan.jit(cotan.grad(lambda x: (x * x).astype(np.float32).sum()))(x)
    _same(slope, (2 * _wide(np.asarray(x))).astype(_kind(name)))
    mapped = cotan.vmap(lambda x: x * x)(x)
    _same(mapped, (_wide(np.asarray(x)) ** 2).astype(_kind(name)))
