"""Operators and methods: the same for Arrays and traced arrays, with NumPy's meanings."""

import operator

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.ir.trace import Tracer
from cotan.numpy import array_methods

X = np.asarray([[3.0, -1.5, 2.0], [0.5, 4.0, -2.0]], np.float32)
Y = np.asarray([[1.0, 2.0, 0.5], [-3.0, 0.25, 2.0]], np.float32)
I = np.asarray([7, 2, -5], np.int32)
J = np.asarray([2, 3, 2], np.int32)
B = np.asarray([True, False, True])


def both(function, *args):
    """The result at once and under jit, which must agree."""
    eager = function(*map(cnp.asarray, args))
    traced = cotan.jit(function)(*args)
    assert type(eager) is cotan.Array
    assert eager.aval is traced.aval
    np.testing.assert_allclose(np.asarray(eager), np.asarray(traced), rtol=1e-6)
    return eager


ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod]
BITWISE = [operator.and_, operator.or_, operator.xor]
SHIFTS = [operator.lshift, operator.rshift]
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("op", [*ARITHMETIC, *COMPARISONS], ids=lambda op: op.__name__)
@pytest.mark.parametrize(("x", "y"), [(X, Y), (I, J), (X, X[0]), (I, Y), (I.astype(np.int8), J.astype(np.uint8))])
def test_binary(op, x, y):
    np.testing.assert_allclose(np.asarray(both(op, x, y)), op(x, y), rtol=1e-6)


@pytest.mark.parametrize("op", [*BITWISE, *SHIFTS], ids=lambda op: op.__name__)
def test_integers(op):
    np.testing.assert_array_equal(np.asarray(both(op, I, J)), op(I, J))
    np.testing.assert_array_equal(np.asarray(both(lambda x: op(x, 2), I)), op(I, 2))
    np.testing.assert_array_equal(np.asarray(both(lambda x: op(9, x), J)), op(9, J))


@pytest.mark.parametrize("op", BITWISE, ids=lambda op: op.__name__)
def test_booleans(op):
    np.testing.assert_array_equal(np.asarray(both(op, B, ~B)), op(B, ~B))
    np.testing.assert_array_equal(np.asarray(both(lambda x: op(x, True), B)), op(B, True))


@pytest.mark.parametrize("op", [*ARITHMETIC, operator.pow, *COMPARISONS], ids=lambda op: op.__name__)
@pytest.mark.parametrize("scalar", [2, 2.0, True, np.float32(2), np.int8(2)], ids=repr)
def test_with_scalars(op, scalar):
    positive = np.abs(X)
    for function, expected in (
        (lambda x: op(x, scalar), op(positive, scalar)),
        (lambda x: op(scalar, x), op(scalar, positive)),
    ):
        result = both(function, positive)
        assert result.dtype in (np.float32, np.bool_)
        np.testing.assert_allclose(np.asarray(result), expected, rtol=2e-6)


@pytest.mark.parametrize(
    ("function", "dtype", "weak"),
    [
        (lambda: cnp.asarray(I.astype(np.int8)) + 1, "int8", False),
        (lambda: cnp.asarray(I.astype(np.int8)) + 1.0, "float32", True),
        (lambda: cnp.asarray(X.astype(np.float16)) + 1.0, "float16", False),
        (lambda: cnp.asarray(1.0) + 1, "float32", True),
        (lambda: cnp.asarray(1) + 1, "int32", True),
        (lambda: cnp.asarray(1) * 2.0, "float32", True),
        (lambda: 2.0 * cnp.asarray(X), "float32", False),
        (lambda: cnp.asarray(True) + 1, "int32", True),
        (lambda: cnp.asarray(I) / 2, "float32", False),
        (lambda: cnp.asarray(I) / cnp.asarray(J), "float32", False),
        (lambda: cnp.asarray(X) + 1j, "complex64", False),
        (lambda: cnp.asarray(B) + cnp.asarray(B), "bool", False),
        (lambda: cnp.asarray(I) ** 2, "int32", False),
        (lambda: cnp.asarray(X) < 1, "bool", False),
    ],
)
def test_promotion(function, dtype, weak):
    result = function()
    assert result.dtype == dtype
    assert result.weak_type is weak


def test_unary():
    for op in (operator.neg, operator.pos, abs):
        np.testing.assert_array_equal(np.asarray(both(op, X)), op(X))
        np.testing.assert_array_equal(np.asarray(both(op, I)), op(I))
    np.testing.assert_array_equal(np.asarray(both(operator.invert, I)), ~I)
    np.testing.assert_array_equal(np.asarray(both(operator.invert, B)), ~B)
    np.testing.assert_array_equal(np.asarray(abs(cnp.asarray([3 + 4j]))), [5])
    np.testing.assert_allclose(np.asarray(round(cnp.asarray(X) * 1.234, 1)), np.round(X * 1.234, 1), rtol=1e-6)


def test_matmul_and_divmod():
    np.testing.assert_allclose(np.asarray(both(operator.matmul, X, Y.T)), X @ Y.T, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(X @ cnp.asarray(Y.T)), X @ Y.T, rtol=1e-5)
    for got, expected in zip(divmod(cnp.asarray(I), 2), divmod(I, 2), strict=True):
        np.testing.assert_array_equal(np.asarray(got), expected)
    for got, expected in zip(divmod(20, cnp.asarray(J)), divmod(20, J), strict=True):
        np.testing.assert_array_equal(np.asarray(got), expected)


def test_numpy_gives_way():
    for result in (X + cnp.asarray(Y), np.float32(2) * cnp.asarray(Y), cnp.asarray(Y) > X, X @ cnp.asarray(Y.T)):
        assert type(result) is cotan.Array
    result = cotan.make_jaxpr(lambda y: X + y)(Y)
    assert result.out_avals[0].shape == X.shape


@pytest.mark.parametrize("other", [[1, 2], (1, 2), "a", None, {}, object()], ids=lambda x: type(x).__name__)
def test_operators_refuse_what_is_no_array(other):
    x = cnp.ones(2)
    for op in ARITHMETIC:
        with pytest.raises(TypeError):
            op(x, other)
        if not (op is operator.mod and other == "a"):  # which formats
            with pytest.raises(TypeError):
                op(other, x)
    with pytest.raises(TypeError):
        x < other  # noqa: B015


def test_shape_errors_name_the_operation():
    with pytest.raises(TypeError, match=r"add got incompatible shapes for broadcasting: \(2, 3\), \(4,\)"):
        cnp.asarray(X) + cnp.ones(4)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.sum(),
        lambda x: x.sum(axis=0),
        lambda x: x.mean(axis=1, keepdims=True),
        lambda x: x.max(),
        lambda x: x.min(0),
        lambda x: x.prod(),
        lambda x: x.var(),
        lambda x: x.std(axis=1),
        lambda x: x.argmax(),
        lambda x: x.argmin(axis=1),
        lambda x: x.cumsum(axis=1),
        lambda x: x.cumprod(axis=0),
        lambda x: x.reshape(3, 2),
        lambda x: x.reshape((3, 2)),
        lambda x: x.reshape(-1),
        lambda x: x.ravel(),
        lambda x: x.flatten(),
        lambda x: x.T,
        lambda x: x.transpose(),
        lambda x: x.transpose(1, 0),
        lambda x: x.transpose((1, 0)),
        lambda x: x.swapaxes(0, 1),
        lambda x: x.astype("int32"),
        lambda x: x.clip(0, 1),
        lambda x: x.round(),
        lambda x: x.squeeze(),
        lambda x: x.repeat(2, axis=0),
        lambda x: x.dot(x.T),
        lambda x: x.diagonal(),
        lambda x: x.trace(),
        lambda x: x.real,
        lambda x: x.imag,
        lambda x: x.conj(),
        lambda x: x.copy(),
        lambda x: x.any(),
        lambda x: x.all(),
        lambda x: x[0],
        lambda x: x[:, 1:],
        lambda x: x[..., None],
        lambda x: x[1, 2],
        lambda x: x.astype(bool),
    ],
)
def test_methods_as_numpy(function):
    np.testing.assert_allclose(np.asarray(both(function, X)), function(X), rtol=1e-5, atol=1e-6)


def test_methods_that_numpy_has_not_or_does_in_place():
    x = cnp.asarray(X)
    np.testing.assert_array_equal(np.asarray(both(lambda a: a.mT, X)), X.T)
    np.testing.assert_array_equal(np.asarray(both(lambda a: a.sort(), X)), np.sort(X))
    np.testing.assert_array_equal(np.asarray(both(lambda a: a.sort(descending=True), X)), -np.sort(-X))
    np.testing.assert_array_equal(np.asarray(both(lambda a: a.argsort(axis=0), X)), np.argsort(X, axis=0))
    np.testing.assert_array_equal(np.asarray(both(lambda a: a.take(cnp.asarray([0, 5])), X)), X.take([0, 5]))
    np.testing.assert_array_equal(np.asarray(x.flat), X.ravel())
    np.testing.assert_array_equal(np.asarray(x.compress(cnp.asarray([False, True]), axis=0)), X[1:])
    np.testing.assert_array_equal(np.asarray(cnp.asarray([1, 3, 5]).searchsorted(cnp.asarray([2, 5]))), [1, 2])
    assert [np.asarray(i).tolist() for i in x.nonzero()] == [i.tolist() for i in X.nonzero()]
    choices = [np.asarray([0, 1, 2]), np.asarray([10, 11, 12])]
    picked = cnp.asarray([1, 0, 3]).choose(choices, mode="wrap")
    np.testing.assert_array_equal(np.asarray(picked), [10, 1, 12])
    np.testing.assert_array_equal(cnp.asarray([1]).choose(choices), [10, 11, 12])
    with pytest.raises(ValueError, match="choose: unknown mode"):
        cnp.asarray([1]).choose(choices, mode="oops")


def test_view_reads_bits():
    x = cnp.asarray(X)
    np.testing.assert_array_equal(np.asarray(x.view("int32")), X.view(np.int32))
    np.testing.assert_array_equal(np.asarray(x.view("uint8")), X.view(np.uint8))
    np.testing.assert_array_equal(np.asarray(x.view("uint8").view("float32")), X)
    assert x.view("float32") is x
    with pytest.raises(ValueError, match="no whole number"):
        cnp.ones(3, "uint8").view("int32")
    with pytest.raises(ValueError, match="no dimensions"):
        cnp.ones(()).view("int8")
    with pytest.raises(ValueError, match="no whole number of complex64"):
        cnp.ones(3).view("complex64")
    with pytest.raises(ValueError, match="no dimensions"):
        cnp.ones((), complex).view("float32")


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (np.array([True, False, True, True]), "int8"),
        (np.array([True, False, True, True]), "int16"),
        (np.array([1.5 - 2j, 0.25 + 7j], np.complex64), "float32"),
        (np.array([1.5 - 2j, 0.25 + 7j], np.complex64), "int16"),
        (np.array([[1.5, -2.0, 0.25, 7.0]], np.float32), "complex64"),
        (np.array([[1, 2, 3, 4]], np.int16), "complex64"),
        (np.array(3, np.int32), "uint32"),
        (np.array(True), "uint8"),
    ],
)
def test_view_reads_bytes_of_bools_and_parts_of_complex_numbers(value, dtype):
    found = np.asarray(cnp.asarray(value).view(dtype))
    expected = value.view(dtype)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(cotan.jit(lambda x: x.view(dtype))(value), expected)
    # Back again; every byte but 0 is true.
    np.testing.assert_array_equal(cnp.asarray(expected).view(value.dtype), value)


def test_view_as_bool():
    np.testing.assert_array_equal(cnp.asarray([0, 1, 256, -1], "int16").view(bool), [0, 0, 1, 0, 0, 1, 1, 1])


@pytest.mark.parametrize(
    ("x", "targets"),
    [
        (np.array([[True, False, True, True]]), ["uint8", "int8", "bool", "float32"]),
        (np.array([0, 1, 1], np.uint8), ["bool"]),
        (np.array([[1 + 2j, -3], [0, -1j]], np.complex64), ["float32", "uint8", "int32", "complex64"]),
        (np.array([1.5, 2, -0.0, np.nan], np.float32), ["complex64"]),
        (np.arange(16, dtype=np.uint8), ["complex64"]),
    ],
)
def test_view_of_bools_and_complex_numbers(x, targets):
    for target in targets:
        np.testing.assert_array_equal(both(lambda a: a.view(target), x), x.view(target), strict=True)  # noqa: B023


def test_containers_protocols():
    x = cnp.asarray(X)
    assert len(x) == 2
    for got, expected in zip(x, X, strict=True):
        np.testing.assert_array_equal(np.asarray(got), expected)
    np.testing.assert_array_equal(np.asarray(next(iter(reversed(x)))), X[1])
    assert 4.0 in x
    assert 5.0 not in x
    _, second = cotan.jit(lambda a: tuple(a))(X)
    np.testing.assert_array_equal(np.asarray(second), X[1])
    assert x.__array_namespace__() is cnp
    with pytest.raises(ValueError, match="array API"):
        x.__array_namespace__(api_version="1999")


def test_iteration_over_the_extent_of_a_traced_array():
    assert float(cotan.jit(lambda a: sum(a, start=0.0).sum())(X)) == X.sum()


def test_assignment_to_traced_arrays_points_to_at():
    def f(x):
        x[0] = 1.0
        return x

    with pytest.raises(TypeError, match=r"x.at\[i\].set\(y\)"):
        cotan.jit(f)(X)
    np.testing.assert_array_equal(np.asarray(cotan.jit(lambda x: x.at[0].set(1.0))(X))[0], [1, 1, 1])


def test_power_with_a_modulus_is_refused():
    with pytest.raises(TypeError):
        pow(cnp.ones(2), 2, 3)


@pytest.mark.parametrize("container", [[1.0, 2.0], (1.0,), {}, {1}], ids=str)
@pytest.mark.parametrize("op", [operator.eq, operator.ne], ids=lambda op: op.__name__)
def test_containers_are_not_compared_with(op, container):
    """Python would say that they are different objects: a value, and not what was asked."""
    for compare in (lambda x: op(x, container), lambda x: op(container, x)):
        for function in (compare, cotan.jit(compare)):
            with pytest.raises(TypeError, match=f"{'==' if op is operator.eq else '!='} of an array"):
                function(cnp.ones(2))


def test_other_objects_are_different_from_arrays():
    x = cnp.ones(2)
    for other in (None, "a", object(), print):
        assert (x == other) is False
        assert (x != other) is True


def _kinds_of_tracers(cls=Tracer):
    for kind in cls.__subclasses__():
        yield kind
        yield from _kinds_of_tracers(kind)


def test_no_kind_of_tracer_hides_a_method():
    methods = {name for name, value in vars(cotan.Array).items() if value is vars(Tracer).get(name) or name == "at"}
    assert {"reshape", "__len__", "__getitem__", "at"} <= methods
    for kind in _kinds_of_tracers():
        assert not {*vars(kind)} & {*methods, *(function.__name__ for function in array_methods._FUNCTIONS)}, kind


def test_64_bit_arrays_that_outlive_x64():
    with cotan.enable_x64(True):
        x = cnp.ones(2)
        assert (x * 2).dtype == (2 * x).dtype == np.float64
    assert (x + x).dtype == np.float64
    for result in (x + 1, 1.5 * x, x > 0):
        assert result.dtype in (np.float32, np.bool_)
