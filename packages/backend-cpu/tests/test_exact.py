"""Operations at once that become native code: the same bits by either, and when they do."""

from __future__ import annotations

import functools
import itertools

import ml_dtypes
import numpy as np
import pytest
from programs import get_aval, get_backend

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.config import config
from cotan.ir.primitive import Primitive, abstract
from cotan.primitives.operands import quiet
from cotan.testing.operators.table import load
from cotan_cpu import patience
from cotan_cpu.lower import exact
from cotan_cpu.patience import Patient

OPERATORS = {operator.primitive.name: operator for operator in load().values()}
ELEMENTWISE = sorted(name for names in exact._ELEMENTWISE.values() for name in names.split())
OTHERS = sorted(name for names in exact._OTHERS.values() for name in names.split())
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
KINDS = [np.dtype(kind) for kind in "?bhilBHILefdFD"] + [BFLOAT16]
SIZE = 1003
PARAMETERS = {
    "integer_pow": [{"y": y} for y in (-3, 0, 1, 2, 5)],
    "reduce_precision": [{"exponent_bits": 5, "mantissa_bits": 7}],
    "round": [{"rounding_method": method} for method in lax.RoundingMethod],
    "convert_element_type": [{"new_dtype": kind, "weak_type": False} for kind in KINDS],
}


@pytest.fixture(autouse=True)
def sixty_four_bits():
    with config.override(enable_x64=True):
        yield


def awkward(kind: np.dtype, seed: int) -> np.ndarray:
    """Any bits at all, small and whole numbers, and what is special of the dtype."""
    rng = np.random.default_rng(seed)
    if kind.kind == "c":
        part = np.dtype(f"f{kind.itemsize // 2}")
        return np.stack([awkward(part, seed), awkward(part, seed + 50)], -1).view(kind)[:, 0]
    if kind.kind == "b":
        return rng.random(SIZE) < 0.5
    found = rng.integers(0, 256, SIZE * kind.itemsize, np.uint8).view(kind)
    with np.errstate(all="ignore"):
        numbers = (rng.standard_normal(SIZE) * 10).astype(kind if kind.kind != "u" else np.int8).astype(kind)
        found = np.where(rng.random(SIZE) < 0.6, numbers, found)
        whole = rng.integers(0, 5, SIZE).astype(kind)
        found = np.where(rng.random(SIZE) < 0.2, whole, found)
        if kind.kind not in "iu":
            special = np.asarray([0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, -0.5, 1.5, 2.5, -1.0]).astype(kind)
            found = np.where(rng.random(SIZE) < 0.2, special[rng.integers(0, len(special), SIZE)], found)
    return found


def assert_same_bits(found: np.ndarray, wanted: np.ndarray, what: str) -> None:
    """But for NaNs, which may have any."""
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), what
    if found.dtype.kind == "c":
        part = f"f{found.dtype.itemsize // 2}"
        found, wanted = found.reshape(-1).view(part), wanted.reshape(-1).view(part)
    word = f"u{found.dtype.itemsize}"
    same = found.reshape(-1).view(word) == wanted.reshape(-1).view(word)
    if found.dtype.kind not in "biu":
        with np.errstate(invalid="ignore"):
            same |= (found != found).reshape(-1) & (wanted != wanted).reshape(-1)
    where = np.flatnonzero(~same)[:3]
    assert same.all(), f"{what}: {found.reshape(-1)[where]} for {wanted.reshape(-1)[where]}"


def patient_of(monkeypatch, name: str, arrays, params) -> Patient | None:
    """The operation on these arrays as one that may become native code, however small they are."""
    monkeypatch.setattr(exact, "_LEAST", 0)
    monkeypatch.setattr(exact, "SMALLEST", 0)
    rule = get_backend("cpu").lowerings().eager[Primitive.catalogue[name]]
    found = rule.prepare(*map(get_aval, arrays), **params)
    return found if isinstance(found, Patient) else None


def both_ways(patient: Patient, arrays):
    native = patient._make()
    if native is None:
        return None
    found, wanted = native(*arrays), quiet(patient._usual, *arrays)
    return (found, wanted) if isinstance(found, list) else ([found], [wanted])


def elementwise_calls(name: str):
    count = max(len(sample.args) for sample in OPERATORS[name].samples if len(sample.args) < 4)
    for kind, params in itertools.product(KINDS, PARAMETERS.get(name, [{}])):
        if name == "integer_pow" and params["y"] < 0 and kind.kind in "iu":
            continue
        arrays = [awkward(kind, seed) for seed in range(count)]
        if name == "select_n":
            arrays[0] = awkward(np.dtype(bool), 7)
        try:
            abstract[Primitive.catalogue[name]](*map(get_aval, arrays), **params)
        except (TypeError, ValueError):
            continue  # it does not accept the dtype
        yield arrays, params
        if count == 2 and name != "complex":
            for number in (0, -0.0, 3):
                scalar = np.asarray(number).astype(kind)
                yield [arrays[0], scalar], params
                yield [scalar, arrays[0]], params


def other_calls(name: str):
    """The operator table's samples, and of each with floats, one with integers and one of half precision."""
    for sample in OPERATORS[name].samples:
        avals = [get_aval(x) for x in sample.args]
        if all(isinstance(aval.dtype, np.dtype) for aval in avals):
            arrays = [np.array(x, aval.dtype, order="C") for x, aval in zip(sample.args, avals, strict=True)]
            yield arrays, sample.params
            if any(x.dtype == np.float32 for x in arrays):
                for kind in (np.int32, np.float16):
                    with np.errstate(all="ignore"):
                        others = [np.asarray(x * 4, kind) if x.dtype.kind == "f" else x for x in arrays]
                    yield others, sample.params


@pytest.mark.parametrize("name", ELEMENTWISE + OTHERS)
def test_values_are_the_same_bits_by_either_way(monkeypatch, name):
    compared = 0
    for arrays, params in (elementwise_calls if name in ELEMENTWISE else other_calls)(name):
        patient = patient_of(monkeypatch, name, arrays, params)
        both = None if patient is None else both_ways(patient, arrays)
        if both is not None:
            compared += 1
            for found, wanted in zip(*both, strict=True):
                assert_same_bits(found, wanted, f"{name} {[x.dtype.name for x in arrays]} {params}")
    assert compared, name


# ---- When they do


class Clock:
    """Stands in for ``time``: what is run says how long it took."""

    def __init__(self, monkeypatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(patience, "time", self)

    def perf_counter(self) -> float:
        return self.now

    def taking(self, seconds: float, result: str):
        def run(*arrays):
            self.now += seconds
            return result

        return run


def test_an_operation_becomes_native_when_it_has_taken_as_long_as_compiling(monkeypatch):
    clock = Clock(monkeypatch)
    patient = Patient(clock.taking(0.3 * patience.PAYS_AFTER, "usual"), lambda: clock.taking(0.1, "native"), False)
    assert [patient() for _ in range(6)] == ["usual"] * 4 + ["native"] * 2
    assert patient.native is not None


@pytest.mark.parametrize(("seconds", "ends"), [(0.2, "native"), (2.0, "usual")])
def test_native_code_that_is_no_quicker_is_given_up(monkeypatch, seconds, ends):
    clock, unit = Clock(monkeypatch), patience.PAYS_AFTER
    patient = Patient(clock.taking(unit, "usual"), lambda: clock.taking(seconds * unit, "native"), True)
    assert [patient() for _ in range(2)] == ["usual", "native"]
    found = [patient() for _ in range(10)]
    assert set(found[patience._TRIALS :]) == {ends}
    assert (patient.native is not None) == (ends == "native")


def test_what_has_no_native_code_is_asked_for_it_once(monkeypatch):
    clock, asked = Clock(monkeypatch), []
    patient = Patient(clock.taking(1.0, "usual"), lambda: asked.append(1), True)
    assert [patient() for _ in range(5)] == ["usual"] * 5
    assert len(asked) == 1
    assert patient.native is None


@pytest.mark.parametrize("flag", [{"compile_repeated": False}, {"disable_jit": True}])
def test_flags_that_forbid_compiling_are_heeded(monkeypatch, flag):
    clock = Clock(monkeypatch)
    patient = Patient(clock.taking(1.0, "usual"), lambda: clock.taking(0.1, "native"), False)
    with config.override(**flag):
        assert [patient() for _ in range(4)] == ["usual"] * 4
    assert patient() == "native"


@pytest.fixture
def eager_patients(monkeypatch):
    """Operations at once that were called so, which become native at the second call."""
    met = []

    class Seen(Patient):
        __slots__ = ()

        def __call__(self, *arrays):
            if self not in met:
                met.append(self)
            return super().__call__(*arrays)

    monkeypatch.setattr(patience, "PAYS_AFTER", 0.0)
    monkeypatch.setattr(exact, "Patient", Seen)
    for known in (exact._elementwise, exact._other):
        known.cache_clear()
    cotan.clear_caches()
    yield met
    for known in (exact._elementwise, exact._other):
        known.cache_clear()
    cotan.clear_caches()


X = np.linspace(-2, 2, 1 << 15, dtype=np.float32).reshape(128, 256)
LARGE_CALLS = {
    "nextafter": (cnp.nextafter, (X, X[::-1].copy()), np.nextafter(X, X[::-1])),
    "sign": (cnp.sign, (X,), np.sign(X)),
    "transpose": (cnp.transpose, (X,), X.T),
    "half precision": (cnp.add, (X.astype(np.float16),) * 2, (2 * X.astype(np.float16))),
    "largest": (lambda x: cnp.max(x, axis=0), (X.astype(np.int32),), X.astype(np.int32).max(0)),
    "sum of integers": (lambda x: lax.cumsum(x, 1), (X.astype(np.int32),), np.cumsum(X.astype(np.int32), 1)),
    "top_k": (lambda x: lax.top_k(x, 3)[0], (X,), X[:, :-4:-1]),
    "gather": (lambda x, i: lax.dynamic_slice(x, (i, i), (64, 64)), (X, np.int32(3)), X[3:67, 3:67]),
}


@pytest.mark.parametrize("name", LARGE_CALLS)
def test_large_operations_at_once_become_native(eager_patients, name):
    function, args, wanted = LARGE_CALLS[name]
    args = [cnp.asarray(x) for x in args]
    for _ in range(12):  # until native code was quicker once, which the first calls need not be
        np.testing.assert_array_equal(np.asarray(function(*args)), wanted)
    assert any(patient._made is not None for patient in eager_patients)


@pytest.mark.parametrize("call", [lambda x: x + x, cnp.sign, lambda x: x.T, lambda x: cnp.max(x, axis=0)])
def test_small_ones_stay_what_they_are(eager_patients, call):
    x = cnp.ones((8, 8))
    for _ in range(4):
        call(x)
    assert not eager_patients


def test_sums_of_floats_stay_numpy_s(eager_patients):
    """A program may add in another order."""
    x, z = cnp.asarray(X), cnp.asarray(X.astype(np.complex64))
    for _ in range(4):
        found = lax.cumsum(x, 1), lax.reduce_sum(x, (0, 1)), z * z
    assert not [patient for patient in eager_patients if patient._made is not None]
    np.testing.assert_array_equal(np.asarray(found[0]), np.cumsum(X, 1))


@pytest.mark.parametrize("name", sorted(exact._REDUCTIONS))
@pytest.mark.parametrize("kind", [np.dtype(np.float16), BFLOAT16])
def test_reductions_in_half_precision_are_programs_at_once_or_never(monkeypatch, eager_patients, name, kind):
    """So that the same call gives the same bits: of zeros, too, of which either may be the largest."""
    x = cnp.asarray(np.where(X > 0, 0.0, -0.0).astype(kind) if "sum" not in name else X.astype(kind))

    def function(x):
        return getattr(lax, name)(x, 1 if name.startswith("cum") else (1,))

    small = [np.asarray(function(x)).tobytes() for _ in range(4)]
    assert not eager_patients
    monkeypatch.setattr(exact, "_LARGE", x.size)
    cotan.clear_caches()
    large = [np.asarray(function(x)) for _ in range(4)]
    assert [patient.native is not None for patient in eager_patients] == [True]
    assert len(set(small)) == 1
    for found in large:
        assert found.tobytes() == np.asarray(cotan.jit(function)(x)).tobytes()


COMPLEX = awkward(np.dtype(np.complex64), 3), awkward(np.dtype(np.complex64), 4)


@pytest.mark.parametrize("name", ["sqrt", "rsqrt", "sign", "div", "integer_pow"])
@pytest.mark.parametrize("size", [1, 7, SIZE])
def test_complex_quotients_and_roots_are_those_of_programs(name, size):
    args = [cnp.asarray(x[:size]) for x in COMPLEX[: 1 + (name == "div")]]
    function = getattr(lax, name)
    if name == "integer_pow":
        function = functools.partial(lax.integer_pow, y=-1)
    for _ in range(2):
        assert_same_bits(np.asarray(function(*args)), np.asarray(cotan.jit(function)(*args)), name)


@pytest.mark.parametrize("name", ["rsqrt", "max", "min", "clamp"])
@pytest.mark.parametrize("kind", [np.dtype(np.float16), BFLOAT16])
def test_half_precision_is_that_of_programs(name, kind):
    count = {"rsqrt": 1, "clamp": 3}.get(name, 2)
    args = [cnp.asarray(awkward(kind, seed)) for seed in range(count)]
    function = getattr(lax, name)
    for _ in range(2):
        assert_same_bits(np.asarray(function(*args)), np.asarray(cotan.jit(function)(*args)), name)
