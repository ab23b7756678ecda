"""Functions that become programs where they are called again and again: the same bits, whatever they are given."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.linalg
from repeated_calls import fresh as fresh
from repeated_calls import programs

import cotan
import cotan.numpy as cnp
import cotan.scipy.linalg as linalg
from cotan.api import repeated
from cotan.config import config

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 5)).astype(np.float32)
X[2, 3] = np.nan
ROW = np.linspace(-2, 3, 5).astype(np.float32)
CALLS = {
    "take": lambda x, i: cnp.take(x, i, axis=1),
    "take filling": lambda x, i: cnp.take(x, i + 3, axis=1, mode="fill", fill_value=7),
    "take along": lambda x, i: cnp.take_along_axis(x, cnp.argsort(x, 1), 1),
    "index": lambda x, i: x[i],
    "indices": lambda x, i: x[i, i],
    "index and others": lambda x, i: x[..., None, i],
    "index and slice": lambda x, i: x[::-2, i],
    "one index": lambda x, i: x[i[1]],
    "set": lambda x, i: x.at[i].set(x[1]),
    "set twice": lambda x, i: x.at[:, cnp.zeros_like(i)].set(x[:, :3]),
    "set with a mode": lambda x, i: x.at[i + 4].set(2, mode="clip"),
    "select": lambda x, i: cnp.select([x < 0, x > 1], [x, -x], 0.5),
    "allclose": lambda x, i: cnp.allclose(x, x + 1e-9, equal_nan=True),
    "isclose": lambda x, i: cnp.isclose(x, 1.00001 * x, rtol=1e-5),
    "nan_to_num": lambda x, i: cnp.nan_to_num(x / 0, posinf=3.0),
    "count_nonzero": lambda x, i: cnp.count_nonzero(x > 0, axis=1),
    "argsort": lambda x, i: (cnp.argsort(x, axis=0), cnp.argsort(cnp.round(x), axis=None, descending=True)),
    "diag": lambda x, i: cnp.diag(x, -1),
    "diag of a vector": lambda x, i: cnp.diag(x[1], 2),
    "diagonal": lambda x, i: cnp.diagonal(x, 1),
    "tril": lambda x, i: cnp.tril(x, 1),
    "triu": lambda x, i: cnp.triu(x, -2),
    "tri": lambda x, i: cnp.tri(3, 4, 1),
    "eye": lambda x, i: cnp.eye(3, 4, -1),
    "linspace": lambda x, i: cnp.linspace(0.1, 1.7, 7),
    "linspace of arrays": lambda x, i: cnp.linspace(x[0], x[1], 7),
    "logspace": lambda x, i: cnp.logspace(-1, 1.5, 9),
    "median": lambda x, i: cnp.median(x, axis=0),
    "nanmedian": lambda x, i: cnp.nanmedian(x),
    "quantile": lambda x, i: cnp.quantile(x, cnp.array([0.3, 0.9]), axis=1),
    "nanquantile": lambda x, i: cnp.nanquantile(x, 0.35, axis=1),
    "percentile": lambda x, i: cnp.percentile(x, 31.5, axis=0, method="nearest"),
    "nanpercentile": lambda x, i: cnp.nanpercentile(x, 31.5),
    "digitize": lambda x, i: cnp.digitize(x, cnp.asarray(ROW)),
    "searchsorted": lambda x, i: cnp.searchsorted(cnp.asarray(ROW), x, side="right"),
    "interp": lambda x, i: cnp.interp(x, cnp.asarray(ROW), cnp.asarray(ROW) ** 2),
    "interp with a period": lambda x, i: cnp.interp(x, cnp.asarray(ROW), x[0], period=4.5),
    "cross": lambda x, i: cnp.cross(x[:, :3], x[:, 2:]),
    "kron": lambda x, i: cnp.kron(x, x[:2]),
    "one_hot": lambda x, i: cotan.nn.one_hot(i, 4),
    "heaviside": lambda x, i: cnp.heaviside(x, 0.3),
    "gradient": lambda x, i: cnp.gradient(x, 0.3, axis=0),
    "histogram": lambda x, i: cnp.histogram(x[0], 4),
    "pad": lambda x, i: cnp.pad(x, ((1, 2), (0, 3)), "reflect"),
    "pad oddly": lambda x, i: cnp.pad(x, 2, "symmetric", reflect_type="odd"),
    "round": lambda x, i: cnp.round(x, 1),
    "clip": lambda x, i: cnp.clip(x, -1, 1.5),
    "signbit": lambda x, i: cnp.signbit(x / 0),
    "diff": lambda x, i: cnp.diff(x, 2, axis=0),
    "ediff1d": lambda x, i: cnp.ediff1d(x),
    "outer": lambda x, i: cnp.outer(x[0], x[1]),
    "rot90": lambda x, i: cnp.rot90(x),
    "fftshift": lambda x, i: cnp.fft.fftshift(x),
    "leaky_relu": lambda x, i: cotan.nn.leaky_relu(x, 0.1),
    "elu": lambda x, i: cotan.nn.elu(x, 0.7),
    "gelu": lambda x, i: (cotan.nn.gelu(x), cotan.nn.gelu(x, approximate=False)),
    "glu": lambda x, i: cotan.nn.glu(x[:, :4]),
}
of_one = "trunc sinc modf"
of_two = "floor_divide remainder divmod fmod logaddexp logaddexp2 hypot fmax fmin copysign"
activations = (
    "relu relu6 log_sigmoid softplus squareplus sparse_plus soft_sign silu mish celu selu hard_tanh hard_sigmoid"
)
special = "gamma logit entr ndtr ndtri log_ndtr boxcox boxcox1p xlogy xlog1py rel_entr kl_div betaln beta poch"
for name in of_one.split():
    CALLS[name] = lambda x, i, name=name: getattr(cnp, name)(x)
for name in of_two.split():
    CALLS[name] = lambda x, i, name=name: getattr(cnp, name)(x, x[:, ::-1])
for name in f"{activations} hard_silu log1mexp sparse_sigmoid".split():
    CALLS[name] = lambda x, i, name=name: getattr(cotan.nn, name)(x)
for name in special.split():
    CALLS[name] = lambda x, i, name=name: getattr(cotan.scipy.special, name)(
        *(x, cnp.abs(x[::-1]))[: 1 if name in ONE_ARGUMENT else 2]
    )
ONE_ARGUMENT = special.split()[:6]
INTEGERS = {name: lambda x, i, name=name: getattr(cnp, name)(x, x[:, ::-1]) for name in ("gcd", "lcm")}


def bits(x, any_nan):
    """Of an array; ``any_nan``: every NaN is one, for its sign is left open where operations make it."""
    x = np.asarray(x)
    return (np.where(x == x, x, np.array(np.nan).astype(x.dtype)) if any_nan else x).tobytes()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*itertools.product(CALLS, ["float32", "int16", "bfloat16"]), ("gcd", "int16"), ("lcm", "int16")],
)
def test_the_same_bits(name, dtype):
    call, indices = (CALLS | INTEGERS)[name], cnp.array([2, 0, -1])
    values = np.nan_to_num(X) * 3
    operands = [cnp.asarray(x).astype(dtype) for x in ((X if dtype == "float32" else values) + k for k in range(4))]
    with config.override(compile_repeated=False), np.errstate(all="ignore"):
        wanted = [call(x, indices) for x in operands]
    assert not repeated._calls
    found = [call(x, indices) for x in operands]
    assert programs()
    for a, b in zip(cotan.tree.leaves(found), cotan.tree.leaves(wanted), strict=True):
        assert (a.dtype, a.shape, a.weak_type) == (b.dtype, b.shape, b.weak_type)
        assert bits(a, name in ("ndtr", "log_ndtr")) == bits(b, name in ("ndtr", "log_ndtr"))


def test_what_takes_as_long_as_compiling_is_compiled_earlier(monkeypatch):
    monkeypatch.setattr(repeated, "PAYS_FROM", 1000)
    clock = iter(range(1000))
    monkeypatch.setattr(repeated.time, "perf_counter", lambda: next(clock) * 0.007)
    x = cnp.asarray(X)
    for count in range(6):
        # The first call is not counted, and three more take longer than what is enough.
        assert bool(programs()) == (count > 4)
        cnp.fmod(x, 2.5)


def test_what_cannot_be_compiled_is_not_tried_again(monkeypatch):
    monkeypatch.setattr(repeated, "PAYS_AFTER", 0.0)
    tried = []

    @repeated.repeated()
    def by_value(x):
        tried.append(type(x))
        return -x if x[0] > 0 else x

    x = cnp.asarray(ROW)
    for _ in range(6):
        np.testing.assert_array_equal(by_value(x), ROW)
    assert len(tried) == 7
    assert tried.count(type(x)) == 6


SUMS = {
    "var": lambda x: cnp.var(x, axis=1),
    "std": lambda x: cnp.std(x),
    "average": lambda x: cnp.average(x, axis=0),
    "nanmean": lambda x: cnp.nanmean(x),
    "norm": lambda x: cnp.linalg.norm(x, axis=1),
    "cov": lambda x: cnp.cov(x),
    "softmax": lambda x: cotan.nn.softmax(x),
    "log_softmax": lambda x: cotan.nn.log_softmax(x, axis=0),
    "logsumexp": lambda x: cotan.nn.logsumexp(x, where=x > 0, axis=1),
    "standardize": lambda x: cotan.nn.standardize(x),
    "trapezoid": lambda x: cnp.trapezoid(x),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_are_programs_at_once_or_never(name, monkeypatch):
    x = cnp.asarray(np.nan_to_num(X))
    for _ in range(3):
        wanted = SUMS[name](x)
    assert not repeated._calls
    monkeypatch.setattr(repeated, "LARGE", x.size)
    for _ in range(3):
        found = SUMS[name](x)
        assert len(programs()) == 1
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


EQUATIONS = {
    "solve": lambda a, b: cnp.linalg.solve(a, b),
    "solve for a vector": lambda a, b: cnp.linalg.solve(a, b[:, 0]),
    "inv": lambda a, b: cnp.linalg.inv(a),
    "cholesky": lambda a, b: cnp.linalg.cholesky(a @ a.T.conj()),
    "scipy's cholesky": lambda a, b: linalg.cholesky(a @ a.T.conj()),
    "scipy's solve": lambda a, b: linalg.solve(a @ a.T.conj(), b, assume_a="pos"),
    "solve_triangular": lambda a, b: linalg.solve_triangular(a, b, lower=True),
    "lu_factor": lambda a, b: linalg.lu_factor(a),
    "lu_solve": lambda a, b: linalg.lu_solve(linalg.lu_factor(a), b, trans=1),
    "lu": lambda a, b: linalg.lu(a),
    "qr": lambda a, b: (cnp.linalg.qr(b), cnp.linalg.qr(b, "r"), linalg.qr(b, pivoting=True)),
    "svd": lambda a, b: (cnp.linalg.svd(b), cnp.linalg.svdvals(b), linalg.svd(b, compute_uv=False)),
    "eigh": lambda a, b: (cnp.linalg.eigh(a), cnp.linalg.eigvalsh(a, "U"), linalg.eigh(a + a.T.conj())),
    "schur": lambda a, b: (linalg.schur(a), linalg.hessenberg(a)),
    "matrix_rank": lambda a, b: cnp.linalg.matrix_rank(a.at[0].set(a[-1])),
    "cho_solve": lambda a, b: linalg.cho_solve(linalg.cho_factor(a @ a.T.conj()), b),
}


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("extent", [1, 5, 40, 150])
def test_factors_are_those_of_the_same_library(name, dtype, extent):
    values = RNG.normal(size=(2, extent, extent)) + 3 * np.eye(extent)
    a = cnp.asarray((values[0] + (1j * values[1] if dtype == "complex64" else 0)).astype(dtype))
    b = a[:, : max(extent // 3, 1)] + 1
    with config.override(compile_repeated=False):
        wanted = EQUATIONS[name](a, b)
    for _ in range(4):
        found = EQUATIONS[name](a, b)
    assert programs()
    for x, y in zip(cotan.tree.leaves(found), cotan.tree.leaves(wanted), strict=True):
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        assert bits(x, False) == bits(y, False)


@pytest.mark.parametrize("extent", [1, 4, 32])
@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (cnp.linalg.det, np.linalg.det),
        (cnp.linalg.slogdet, np.linalg.slogdet),
        (cnp.linalg.pinv, np.linalg.pinv),
        (cnp.linalg.cond, np.linalg.cond),
        (linalg.expm, scipy.linalg.expm),
        (linalg.sqrtm, scipy.linalg.sqrtm),
        (linalg.polar, scipy.linalg.polar),
    ],
)
def test_functions_of_matrices_are_programs_at_once(function, wanted, extent):
    a = (RNG.normal(size=(extent, extent)) / (4 * extent) + np.eye(extent)).astype(np.float32)
    for _ in range(3):
        found = function(cnp.asarray(a))
        assert [program.__name__ for program in programs()].count(function.__name__) == 1
    theirs = wanted(a)
    for x, y in zip(cotan.tree.leaves(found), theirs if isinstance(theirs, tuple) else [theirs], strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)


def test_calls_that_go_by_values_are_never_compiled():
    x, rows = cnp.asarray(X), []
    for count in (1, 2, 3, 1, 2):
        mask = cnp.arange(6) < count
        rows.append(x[mask].shape[0])
        np.testing.assert_array_equal(x.at[mask].set(0)[:count], np.zeros((count, 5)))
        np.testing.assert_array_equal(cnp.tril(x[:, :3], k=cnp.int32(count)), np.tril(X[:, :3], count))
    assert rows == [1, 2, 3, 1, 2]


def test_what_is_called_often_is_remembered(monkeypatch):
    monkeypatch.setattr(repeated, "_KEPT", 5)
    x, i = cnp.asarray(X), cnp.array([1, 0])
    for count in range(12):
        cnp.take(x, i, axis=0)
        cnp.tri(count)
    [program] = programs()
    assert program._cache_size() == 1
    assert len(repeated._calls) == 5


def test_lists_may_change_after_the_call():
    x, lists = cnp.asarray(ROW), [[0, 1], [1, 2], [0, 1]]
    conditions = [x < 0, x > 1]
    for known in lists * 2:
        np.testing.assert_array_equal(cnp.select(conditions, known), np.select([ROW < 0, ROW > 1], known))
        known.reverse()
        np.testing.assert_array_equal(cnp.select(conditions, known), np.select([ROW < 0, ROW > 1], known))


def test_mistakes_are_refused_as_before():
    x = cnp.asarray(X)
    for _ in range(4):
        cnp.take(x, cnp.array([0]), axis=1)
        with pytest.raises(TypeError, match="take"):
            cnp.take(x, cnp.array([0.5]), axis=1)
        with pytest.raises(IndexError, match="indexed"):
            x[cnp.array([0]), 0, 0]


def test_transformations_see_the_function_itself():
    x, i = cnp.asarray(X), cnp.array([1, 0])
    for _ in range(3):
        np.testing.assert_array_equal(cotan.vmap(lambda row: cnp.take(row, i))(x), X[:, [1, 0]])
        np.testing.assert_array_equal(cotan.jacobian(lambda v: v[i])(x[0]), np.eye(5)[[1, 0]])
        np.testing.assert_array_equal(cotan.grad(lambda v: cnp.median(v))(x[0]), [0, 0, 0, 1, 0])
    assert "pjit" not in str(cotan.make_jaxpr(lambda x: cnp.take(x, i, 0))(x))
