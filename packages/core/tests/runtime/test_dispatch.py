"""Eager dispatch: values from the host, the ways through a backend's doors, and leaked tracers."""

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.backend import Backend, Buffer, Capabilities, Device, Executable, LoweringTable
from cotan.errors import UnexpectedTracerError, UnsupportedError
from cotan.ir.evaluate import eval_jaxpr
from cotan.ir.primitive import Primitive, abstract, reference
from cotan.runtime import dispatch
from cotan.runtime.array import Array
from cotan.runtime.dispatch import lift


@pytest.mark.parametrize(
    ("value", "dtype", "weak"),
    [
        (True, "bool", False),
        (1, "int32", True),
        (1.5, "float32", True),
        (1j, "complex64", True),
        (np.float64(1), "float32", False),
        (np.int64(1), "int32", False),
        (np.zeros(2, ">i2"), "int16", False),
        (np.zeros((2, 2)).T, "float32", False),
    ],
)
def test_lift(value, dtype, weak):
    array = lift(value)
    assert type(array) is Array
    assert array.dtype == dtype
    assert array.weak_type is weak
    np.testing.assert_array_equal(np.asarray(array), np.asarray(value).astype(dtype))


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("a", TypeError, "a value of type str is not an array"),
        ([1], TypeError, "list"),
        (None, TypeError, "NoneType"),
        (np.array([None]), TypeError, "object"),
        (2**31, OverflowError, "2147483648 does not fit"),
        (np.zeros(2, cotan.dtypes.float0), TypeError, "float0"),
    ],
)
def test_lift_refuses(value, error, text):
    with pytest.raises(error, match=text):
        lift(value)


def test_64_bit_values_where_they_exist():
    with cotan.enable_x64(True):
        assert lift(2**40).dtype == np.int64
        assert lift(np.ones(1)).dtype == np.float64
        assert (lift(1.0) * 2).dtype == np.float64
    assert (cnp.asarray(1.0) * 2).dtype == np.float32


def test_remembered_numbers_keep_their_sign_and_kind():
    x = cnp.ones(1)
    for _ in range(2):
        assert np.signbit(np.asarray(lax.mul(x, 0.0))) == [False]
        assert np.signbit(np.asarray(lax.mul(x, -0.0))) == [True]
    ints = cnp.asarray([3])
    assert (ints * 1).dtype == np.int32
    assert (ints * 1.0).dtype == np.float32
    assert np.isnan(np.asarray(x * float("nan")))


def test_arrays_of_no_dimensions_are_remembered_by_their_bits():
    x = cnp.ones(1)
    for value in (0.0, -0.0, 2.0):
        for dtype in (np.float32, np.float32, np.int32):
            number = np.asarray(value, dtype)
            result = np.asarray(cnp.copysign(x, number) if dtype is np.float32 else x * number)
            wanted = np.copysign(1, number) if dtype is np.float32 else number
            np.testing.assert_array_equal(result, np.float32([wanted]))
    changed = np.zeros((), np.float32)
    assert np.asarray(x + changed) == [1]
    changed[...] = 5
    assert np.asarray(x + changed) == [6]


def test_leaked_tracers_are_refused():
    kept = []
    cotan.jit(lambda x: kept.append(x) or x)(1.0)
    for use in (lambda t: t + 1, lambda t: lax.add(cnp.ones(()), t), lift, lambda t: cotan.jit(lambda x: x)(t)):
        with pytest.raises(UnexpectedTracerError, match="leaked"):
            use(kept[0])
    assert float(cnp.asarray(1.0) + 1) == 2.0


def test_errors_of_operations_leave_nothing_behind():
    x = cnp.ones(3)
    for _ in range(2):
        with pytest.raises(TypeError, match=r"incompatible shapes.*\(3,\).*\(4,\)"):
            lax.add(x, cnp.ones(4))
    np.testing.assert_array_equal(np.asarray(lax.add(x, x)), [2, 2, 2])


def test_the_memo_is_bounded(monkeypatch):
    monkeypatch.setattr(dispatch, "_MEMO_LIMIT", 8)
    for n in range(40):
        assert cnp.ones(n).shape == (n,)
        assert float(cnp.asarray(1.0) + float(n)) == 1.0 + n
    assert len(dispatch._memo) <= 8
    assert len(dispatch._scalars) <= 8


@pytest.fixture
def shift_p():
    """``x * factor + offset``; both are parameters."""
    name = "shift_for_this_test"
    primitive = Primitive(name)
    abstract[primitive] = lambda x, *, factor, offset: x
    reference[primitive] = lambda x, *, factor, offset: np.asarray(x * factor + offset, x.dtype)
    yield primitive
    del Primitive.catalogue[name]


def test_the_short_way_keeps_parameters_apart(shift_p):
    x = cnp.ones(2)
    for _ in range(3):
        np.testing.assert_array_equal(shift_p.bind(x, factor=2, offset=3), 5)
        np.testing.assert_array_equal(shift_p.bind(x, offset=2, factor=3), 5)
        np.testing.assert_array_equal(shift_p.bind(x, offset=3, factor=-2), 1)
        np.testing.assert_array_equal(shift_p.bind(cnp.ones(3, int), factor=2, offset=3), [5, 5, 5])
    assert len([key for key in dispatch._direct if key[0] is shift_p]) == 4


def test_equal_numbers_of_two_signs_have_no_short_way(shift_p):
    x = -cnp.ones(1)
    for _ in range(2):
        for zero, sign in ((0.0, True), (-0.0, False), (0.0, True)):
            assert np.signbit(np.asarray(shift_p.bind(x, factor=zero, offset=-0.0))) == [sign]
    assert not [key for key in dispatch._direct if key[0] is shift_p]


def test_equal_parameters_of_two_types_are_kept_apart(shift_p):
    x = -cnp.ones(1)
    for _ in range(2):
        np.testing.assert_array_equal(shift_p.bind(x, factor=0, offset=0), 0)  # remembered
        assert np.signbit(np.asarray(shift_p.bind(-x, factor=-0.0, offset=-0.0))) == [True]


def test_operations_of_three_operands_have_a_short_way():
    where, x, y = cnp.asarray([True, False]), cnp.ones(2), cnp.zeros(2)
    dispatch.clear_cache()
    for _ in range(3):
        np.testing.assert_array_equal(lax.select_n(where, x, y), [0, 1])
    assert [key[0].name for key in dispatch._direct] == ["select_n"]
    y.delete()
    with pytest.raises(cotan.errors.DeletedArrayError):
        lax.select_n(where, x, y)
    placed = cotan.device_put(cnp.zeros(2), cotan.devices("cpu")[0])
    assert lax.select_n(where, x, placed).committed


# ---- Backends with one door each


class HostBuffer(Buffer):
    def __init__(self, array):
        self.array = array

    nbytes = property(lambda self: self.array.nbytes)

    def to_host(self):
        return self.array.copy()

    def copy_to(self, device):
        return device.put(self.array)

    def delete(self):
        self.array = None

    def is_deleted(self):
        return self.array is None


class HostDevice(Device):
    platform, device_kind, id = "toy", "toy", 0

    def __init__(self, backend):
        self.backend = backend

    def put(self, value, *, copy=True):
        return HostBuffer(np.array(value))

    def synchronize(self):
        pass


def by_reference(eqn_primitive, buffers, params):
    results = reference[eqn_primitive](*[b.array for b in buffers], **params)
    return [HostBuffer(np.asarray(r)) for r in (results if eqn_primitive.multiple_results else [results])]


class EagerOnly(Backend):
    """Knows a few primitives, at once, and nothing else."""

    name = "eager-only"
    capabilities = Capabilities(eager=True)

    def __init__(self, known):
        self.known = known
        self.device = HostDevice(self)
        self.ran = []

    def devices(self):
        return [self.device]

    def eager(self, primitive, buffers, params, out_avals, device):
        if primitive.name not in self.known:
            raise UnsupportedError(self.name, f"`{primitive}`")
        self.ran.append(primitive.name)
        return by_reference(primitive, buffers, params)


class ProgramOnly(Backend):
    """Takes whole jaxprs of a few primitives."""

    name = "program-only"
    capabilities = Capabilities(program=True)

    def __init__(self, known):
        self.table = LoweringTable(self.name)
        for name in known:
            self.table.native[Primitive.catalogue[name]] = by_reference
        self.device = HostDevice(self)
        self.compiled = []

    def devices(self):
        return [self.device]

    def lowerings(self):
        return self.table

    def compile(self, program, options):
        names = [eqn.primitive.name for eqn in program.eqns]
        assert all(eqn.primitive in self.table.native for eqn in program.eqns)
        self.compiled.append(names)
        return ProgramExecutable(program)


class ProgramExecutable(Executable):
    def __init__(self, program):
        self.program = program

    def run(self, args, donated=()):
        jaxpr = self.program.jaxpr
        with cotan.default_device(cotan.devices("cpu")[0]):
            arrays = [cnp.asarray(b.array) for b in args]
            return [HostBuffer(np.asarray(x)) for x in eval_jaxpr(jaxpr, self.program.consts, *arrays)]


def test_eager_rules_only():
    backend = EagerOnly({"add", "mul", "neg", "square"})
    x = cotan.device_put(np.arange(3.0), backend.device)
    y = x + x * 2
    assert y.device is backend.device
    np.testing.assert_array_equal(np.asarray(y), [0, 3, 6])
    assert backend.ran == ["mul", "add"]
    # Compiled functions run operation by operation there.
    f = cotan.jit(lambda a: -(a * a) + a)
    np.testing.assert_array_equal(np.asarray(f(x)), [0, 0, -2])
    assert f(x).device is backend.device


def test_what_has_no_eager_rule_is_decomposed_or_refused():
    backend = EagerOnly({"mul"})
    x = cotan.device_put(np.arange(3.0), backend.device)
    np.testing.assert_array_equal(np.asarray(lax.integer_pow(x, 3)), [0, 1, 8])
    assert set(backend.ran) == {"mul"}
    with pytest.raises(UnsupportedError, match=r"eager-only.*`sin`"):
        lax.sin(x)
    np.testing.assert_array_equal(np.asarray(lax.integer_pow(x, 2)), [0, 1, 4])


def test_whole_programs_only():
    backend = ProgramOnly({"add", "mul", "broadcast_in_dim"})
    x = cotan.device_put(np.arange(3.0), backend.device)
    for _ in range(2):
        y = x + x * 2
        np.testing.assert_array_equal(np.asarray(y), [0, 3, 6])
    assert backend.compiled == [["mul"], ["add"]]  # each operation is compiled once
    f = cotan.jit(lambda a: a * a + a)
    np.testing.assert_array_equal(np.asarray(f(x)), [0, 2, 6])
    assert backend.compiled[2:] == [["mul", "add"]]


def test_one_equation_programs_tell_equal_parameters_apart():
    fill_p = Primitive("fill_for_this_test")
    abstract[fill_p] = lambda x, *, value: x
    reference[fill_p] = lambda x, *, value: np.full_like(x, value)
    backend = ProgramOnly({"fill_for_this_test"})
    x = cotan.device_put(np.ones(1), backend.device)
    for value, sign in ((0.0, False), (-0.0, True), (0.0, False)):
        assert np.signbit(np.asarray(fill_p.bind(x, value=value))) == [sign]
    assert len(backend.compiled) == 2
