"""Which dtypes functions give for which, what promotes to what, and what namespace and dtypes say of themselves."""

from __future__ import annotations

import numpy as np
import pytest

import array_api.standard as standard
import cotan
import cotan.numpy as cnp

PAIRS = sorted(standard.promotions().items())


@pytest.fixture(autouse=True)
def wide():
    with cotan.enable_x64():
        yield


def ones(dtype, shape=(2, 2)):
    return cnp.ones(shape, dtype=getattr(cnp, dtype))


def given(name, dtype, asked):
    return {"same": dtype, "bool": "bool", "real": standard.real(dtype)}[asked]


# ---- Elementwise


@pytest.mark.parametrize("name", standard.UNARY)
def test_unary(name):
    dtypes, result = standard.UNARY[name]
    for dtype in dtypes:
        got = getattr(cnp, name)(ones(dtype))
        assert (got.dtype, got.shape) == (np.dtype(given(name, dtype, result)), (2, 2)), dtype


@pytest.mark.parametrize("name", standard.BINARY)
def test_binary(name):
    dtypes, result = standard.BINARY[name]
    function = getattr(cnp, name)
    for (a, b), both in PAIRS:
        if a in dtypes and b in dtypes:
            got = function(ones(a, (2, 1)), ones(b, (1, 3)))
            assert (got.dtype, got.shape) == (np.dtype(given(name, both, result)), (2, 3)), (a, b)


@pytest.mark.parametrize("dtype", standard.REAL)
def test_clip(dtype):
    x = ones(dtype)
    for low, high in ((None, None), (0, None), (None, 1), (0, 1), (ones(dtype, (2,)), ones(dtype))):
        assert cnp.clip(x, low, high).dtype == np.dtype(dtype)
        assert cnp.clip(x, min=low, max=high).shape == (2, 2)


@pytest.mark.parametrize("operator", standard.OPERATORS)
def test_operators_are_the_functions(operator):
    name = standard.OPERATORS[operator]
    if name in standard.UNARY:
        for dtype in standard.UNARY[name][0]:
            got, expected = getattr(ones(dtype), operator)(), getattr(cnp, name)(ones(dtype))
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected)
        return
    for (a, b), _ in PAIRS:
        if a in standard.BINARY[name][0] and b in standard.BINARY[name][0]:
            expected = getattr(cnp, name)(ones(a), ones(b))
            reflected = f"__r{operator[2:]}"
            calls = [getattr(ones(a), operator)(ones(b))]
            calls += [getattr(ones(b), reflected)(ones(a))] if hasattr(cnp.ndarray, reflected) else []
            for got in calls:
                assert got.dtype == expected.dtype, (a, b)
                np.testing.assert_array_equal(got, expected)


ARITHMETIC = ["add", "subtract", "multiply", "maximum", "minimum", "floor_divide", "remainder", "equal", "less", "pow"]


@pytest.mark.parametrize("name", ARITHMETIC)
def test_numbers_take_the_dtype_of_the_array(name):
    dtypes, result = standard.BINARY[name]
    function = getattr(cnp, name)
    for dtype in (d for d in dtypes if d != "bool"):
        numbers = [2]
        numbers += [2.0] if dtype in standard.FLOATING else []
        numbers += [2 + 0j] if dtype in standard.COMPLEX else []
        for number in numbers:
            for got in (function(ones(dtype), number), function(number, ones(dtype))):
                assert got.dtype == np.dtype(given(name, dtype, result)), (dtype, number)


def test_a_complex_number_makes_reals_complex():
    assert (ones("float32") * 1j).dtype == np.complex64
    assert (1j + ones("float64")).dtype == np.complex128
    assert (ones("bool") & True).dtype == np.bool_


def test_operands_of_one_dtype_in_place():
    for dtype in standard.NUMERIC:
        x = ones(dtype)
        x += ones(dtype)
        x *= 2
        x -= 1
        assert x.dtype == np.dtype(dtype)


# ---- Promotion


def test_result_type():
    for (a, b), both in PAIRS:
        left, right = getattr(cnp, a), getattr(cnp, b)
        for x in (left, ones(a)):
            for y in (right, ones(b)):
                assert cnp.result_type(x, y) == np.dtype(both), (a, b)
    assert cnp.result_type(ones("float32"), 1.0, 2) == np.float32
    assert cnp.result_type(cnp.int8, 1) == np.int8
    assert cnp.result_type(cnp.float32, 1j) == np.complex64


def test_concat_stack_and_where_promote():
    for (a, b), both in PAIRS:
        assert cnp.concat([ones(a), ones(b)]).dtype == np.dtype(both)
        assert cnp.stack([ones(a), ones(b)]).dtype == np.dtype(both)
        assert cnp.where(ones("bool"), ones(a), ones(b)).dtype == np.dtype(both)
    assert cnp.where(ones("bool"), ones("float32"), 1.0).dtype == np.float32


def test_can_cast():
    for (a, b), both in PAIRS:
        if both == b:
            assert cnp.can_cast(getattr(cnp, a), getattr(cnp, b)), (a, b)
            assert cnp.can_cast(ones(a), getattr(cnp, b)), (a, b)
        elif both != a or a != b:
            assert not cnp.can_cast(getattr(cnp, a), getattr(cnp, b)), (a, b)


def test_astype():
    for a in standard.ALL:
        for b in standard.ALL:
            if not (a in standard.COMPLEX and b not in standard.COMPLEX):
                got = cnp.astype(ones(a), getattr(cnp, b))
                assert got.dtype == np.dtype(b)
                np.testing.assert_array_equal(got, np.ones((2, 2), b))


# ---- Products, reductions, searches, creation


@pytest.mark.parametrize("name", ["matmul", "tensordot", "vecdot"])
def test_products(name):
    for space in (cnp, cnp.linalg):
        for (a, b), both in PAIRS:
            if a != "bool" and b != "bool":
                assert getattr(space, name)(ones(a), ones(b)).dtype == np.dtype(both), (a, b)


def summed(dtype):
    """Sums of integers have at least the width of the default integer."""
    return "int64" if dtype in standard.SIGNED else "uint64" if dtype in standard.UNSIGNED else dtype


@pytest.mark.parametrize("name", ["sum", "prod", "cumulative_sum", "cumulative_prod"])
def test_sums(name):
    function = getattr(cnp, name)
    for dtype in standard.NUMERIC:
        assert function(ones(dtype), axis=0).dtype == np.dtype(summed(dtype)), dtype
        for asked in standard.NUMERIC:
            if asked in standard.COMPLEX or dtype not in standard.COMPLEX:
                assert function(ones(dtype), axis=0, dtype=getattr(cnp, asked)).dtype == np.dtype(asked)
    included = {"include_initial": True} if "cum" in name else {}
    assert function(ones("int8"), axis=1, **included).shape == ((2, 3) if included else (2,))


@pytest.mark.parametrize("name", ["mean", "std", "var"])
def test_means(name):
    for dtype in standard.REAL_FLOATING + (standard.COMPLEX if name == "mean" else ()):
        assert getattr(cnp, name)(ones(dtype)).dtype == np.dtype(dtype)


@pytest.mark.parametrize("name", ["max", "min"])
def test_extrema(name):
    for dtype in standard.REAL:
        assert getattr(cnp, name)(ones(dtype)).dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", standard.ALL)
def test_indices_have_the_index_dtype(dtype):
    x, index = ones(dtype, (3,)), cnp.__array_namespace_info__().default_dtypes()["indexing"]
    found = [*cnp.nonzero(x), cnp.count_nonzero(x), cnp.unique_counts(x).counts, cnp.unique_inverse(x).inverse_indices]
    everything = cnp.unique_all(x)
    found += [everything.indices, everything.inverse_indices, everything.counts]
    if dtype in standard.REAL:
        found += [cnp.argmax(x), cnp.argmin(x), cnp.argsort(x), cnp.searchsorted(x, x)]
    assert {y.dtype for y in found} == {index}
    assert everything.values.dtype == x.dtype
    assert cnp.all(x).dtype == cnp.any(x).dtype == np.bool_


def test_creation():
    info = cnp.__array_namespace_info__().default_dtypes()
    for made in (cnp.zeros(2), cnp.ones(2), cnp.empty(2), cnp.eye(2), cnp.linspace(0, 1, 3), cnp.full(2, 1.0)):
        assert made.dtype == info["real floating"] == np.float64
    for made in (cnp.arange(3), cnp.full(2, 1), cnp.asarray([1, 2])):
        assert made.dtype == info["integral"] == np.int64
    assert cnp.arange(3.0).dtype == cnp.asarray([1, 2.0]).dtype == np.float64
    assert cnp.asarray([1j]).dtype == cnp.full(2, 1j).dtype == cnp.linspace(0, 1j, 3).dtype == info["complex floating"]
    assert cnp.full(2, True).dtype == cnp.asarray([True]).dtype == np.bool_
    for dtype in standard.ALL:
        asked = getattr(cnp, dtype)
        for made in (cnp.zeros(2, dtype=asked), cnp.eye(2, dtype=asked), cnp.asarray([1], dtype=asked)):
            assert made.dtype == np.dtype(dtype)
        for like in (cnp.zeros_like, cnp.ones_like, cnp.empty_like):
            assert like(ones(dtype)).dtype == np.dtype(dtype)
        assert cnp.full_like(ones(dtype), 1).dtype == np.dtype(dtype)


# ---- linalg and fft


SQUARE = np.array([[4.0, 1.0], [1.0, 3.0]])
FACTORED = {
    "cholesky": ("same",), "det": ("same",), "inv": ("same",), "pinv": ("same",), "qr": ("same", "same"),
    "eigh": ("real", "same"), "eigvalsh": ("real",), "slogdet": ("same", "real"), "svd": ("same", "real", "same"),
    "svdvals": ("real",), "matrix_norm": ("real",), "vector_norm": ("real",), "trace": ("same",),
    "diagonal": ("same",), "matrix_transpose": ("same",),
}  # fmt: skip


@pytest.mark.parametrize("name", FACTORED)
def test_linalg(name):
    for dtype in standard.FLOATING:
        result = getattr(cnp.linalg, name)(cnp.asarray(SQUARE, dtype=getattr(cnp, dtype)))
        parts = result if isinstance(result, tuple) else (result,)
        assert [p.dtype for p in parts] == [np.dtype(given(name, dtype, kind)) for kind in FACTORED[name]], dtype


def test_linalg_of_two():
    for (a, b), both in PAIRS:
        if a in standard.FLOATING and b in standard.FLOATING:
            x = cnp.asarray(SQUARE, dtype=getattr(cnp, a))
            assert cnp.linalg.solve(x, ones(b)).dtype == np.dtype(both)
            assert cnp.linalg.outer(x[0], ones(b)[0]).dtype == np.dtype(both)
            assert cnp.linalg.cross(ones(a, (3,)), ones(b, (3,))).dtype == np.dtype(both)
    for dtype in standard.NUMERIC:
        assert cnp.linalg.trace(ones(dtype)).dtype == np.dtype(summed(dtype))
        assert cnp.linalg.matrix_power(cnp.asarray(SQUARE, dtype=cnp.float32), 2).dtype == np.float32


def test_names_of_results():
    x = cnp.asarray(SQUARE)
    assert cnp.linalg.eigh(x)._fields == ("eigenvalues", "eigenvectors")
    assert cnp.linalg.qr(x)._fields == ("Q", "R")
    assert cnp.linalg.slogdet(x)._fields == ("sign", "logabsdet")
    assert cnp.linalg.svd(x)._fields == ("U", "S", "Vh")
    assert cnp.unique_all(x)._fields == ("values", "indices", "inverse_indices", "counts")
    assert cnp.unique_counts(x)._fields == ("values", "counts")
    assert cnp.unique_inverse(x)._fields == ("values", "inverse_indices")


@pytest.mark.parametrize("width", ["32", "64"])
def test_fft(width):
    real, wide = np.dtype(f"float{width}"), np.dtype(f"complex{2 * int(width)}")
    x, z = cnp.ones((4, 4), dtype=real), cnp.ones((4, 4), dtype=wide)
    for name in ("fft", "ifft", "fftn", "ifftn"):
        assert getattr(cnp.fft, name)(z).dtype == wide
        assert getattr(cnp.fft, name)(x).dtype == wide
    for name in ("rfft", "rfftn", "ihfft"):
        assert getattr(cnp.fft, name)(x).dtype == wide
    for name in ("irfft", "irfftn", "hfft"):
        assert getattr(cnp.fft, name)(z).dtype == real
    for name in ("fftshift", "ifftshift"):
        assert (getattr(cnp.fft, name)(x).dtype, getattr(cnp.fft, name)(z).dtype) == (real, wide)
    for name in ("fftfreq", "rfftfreq"):
        assert getattr(cnp.fft, name)(4).dtype == np.float64
        assert getattr(cnp.fft, name)(4, dtype=real).dtype == real


# ---- What dtypes and the namespace say of themselves


def test_isdtype():
    for dtype in standard.ALL:
        for kind, members in standard.KINDS.items():
            assert cnp.isdtype(cnp.dtype(dtype), kind) is (dtype in members), (dtype, kind)
            assert cnp.isdtype(getattr(cnp, dtype), (kind, cnp.dtype("bool"))) is (dtype in (*members, "bool"))
        for other in standard.ALL:
            assert cnp.isdtype(cnp.dtype(dtype), cnp.dtype(other)) is (dtype == other)


@pytest.mark.parametrize("dtype", standard.FLOATING)
def test_finfo(dtype):
    for argument in (getattr(cnp, dtype), cnp.dtype(dtype), ones(dtype)):
        info, expected = cnp.finfo(argument), np.finfo(dtype)
        assert type(info.bits) is int
        for name in ("eps", "max", "min", "smallest_normal"):
            value = getattr(info, name)
            assert isinstance(value, float), name
            assert value == getattr(expected, name)
        assert (info.bits, info.dtype) == (expected.bits, np.dtype(standard.real(dtype)))


@pytest.mark.parametrize("dtype", standard.INTEGER)
def test_iinfo(dtype):
    for argument in (getattr(cnp, dtype), cnp.dtype(dtype), ones(dtype)):
        info, expected = cnp.iinfo(argument), np.iinfo(dtype)
        for name in ("bits", "max", "min"):
            assert type(getattr(info, name)) is int
            assert getattr(info, name) == getattr(expected, name)
        assert info.dtype == np.dtype(dtype)


def test_namespace_info():
    info = cnp.__array_namespace_info__()
    abilities = info.capabilities()
    assert set(abilities) == {"boolean indexing", "data-dependent shapes", "max dimensions"}
    assert abilities["boolean indexing"] is True
    assert abilities["data-dependent shapes"] is True
    assert cnp.zeros((1,) * abilities["max dimensions"]).ndim == abilities["max dimensions"]
    assert info.default_device() in info.devices()
    assert set(info.default_dtypes()) == {"real floating", "complex floating", "integral", "indexing"}
    for device in info.devices():
        assert info.default_dtypes(device=device) == info.default_dtypes()
        assert list(info.dtypes(device=device)) == [d for d in info.dtypes() if d in standard.ALL]
        assert cnp.zeros(2, device=device).shape == (2,)
    assert set(info.dtypes()) == set(standard.ALL)
    for kind, members in standard.KINDS.items():
        assert info.dtypes(kind=kind) == {name: getattr(cnp, name) for name in members}
    assert set(info.dtypes(kind=("bool", "unsigned integer"))) == {"bool", *standard.UNSIGNED}
    assert info.dtypes(kind=()) == {}


def test_dtype_objects():
    for a in standard.ALL:
        for b in standard.ALL:
            assert (ones(a).dtype == getattr(cnp, b)) is (a == b)
            assert (getattr(cnp, a) == getattr(cnp, b)) is (a == b)
