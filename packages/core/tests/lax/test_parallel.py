"""Collectives over a named axis of vmap, against NumPy on the whole array, under every transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.config import config
from cotan.primitives import collective

N = 4
X = np.random.default_rng(0).normal(size=(N, 4, 8)).astype(np.float32)
PAIRS = [[0, 2], [3, 1]]
UNEVEN = [[0, 1, 3], [2]]
PERM = [2, 0, 3, 1]  # example k gets that of PERM[k]


@pytest.fixture(autouse=True)
def _checked():
    with config.override(check_jaxprs=True):
        yield


class Case(NamedTuple):
    """A collective ``f`` of one example, named ``i``, and what it is for the whole array."""

    name: str
    f: Callable[[Any], Any]
    whole: Callable[[np.ndarray], np.ndarray]
    linear: bool = True


def everyone(y: np.ndarray, n: int | None = None) -> np.ndarray:
    return np.stack([y] * (n or N))


def grouped(groups: list[list[int]], f: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """``f`` on the rows of each group, put back where they came from."""

    def whole(x: np.ndarray) -> np.ndarray:
        rows: dict[int, np.ndarray] = {}
        for members in groups:
            rows.update(zip(members, f(x[members]), strict=True))
        return np.stack([rows[k] for k in range(len(x))])

    return whole


def exchange(x: np.ndarray, split: int, concat: int) -> np.ndarray:
    """all_to_all with tiles."""
    blocks = [np.split(row, len(x), split) for row in x]
    return np.stack([np.concatenate([row[k] for row in blocks], concat) for k in range(len(x))])


def exchange_rows(x: np.ndarray, split: int, concat: int) -> np.ndarray:
    return np.stack([np.stack([np.take(row, k, split) for row in x], concat) for k in range(len(x))])


def total(x: np.ndarray) -> np.ndarray:
    return everyone(x.sum(0), len(x))


CASES = [
    Case("psum", lambda x: lax.psum(x, "i"), total),
    Case("psum of a tuple of names", lambda x: lax.psum(x, ("i",)), total),
    Case("psum with places", lambda x: lax.psum(x, (0, "i", -1)), lambda x: everyone(x.sum((0, 1, 2)))),
    Case("psum in pairs", lambda x: lax.psum(x, "i", axis_index_groups=PAIRS), grouped(PAIRS, total)),
    Case("psum in groups", lambda x: lax.psum(x, "i", axis_index_groups=UNEVEN), grouped(UNEVEN, total)),
    Case("pmean", lambda x: lax.pmean(x, "i"), lambda x: everyone(x.mean(0))),
    Case("pmean with places", lambda x: lax.pmean(x, ("i", 1)), lambda x: everyone(x.mean((0, 2)))),
    Case(
        "pmean in groups",
        lambda x: lax.pmean(x, "i", axis_index_groups=UNEVEN),
        grouped(UNEVEN, lambda x: everyone(x.mean(0), len(x))),
    ),
    Case("pmax", lambda x: lax.pmax(x, "i"), lambda x: everyone(x.max(0)), linear=False),
    Case("pmax with places", lambda x: lax.pmax(x, ("i", 0)), lambda x: everyone(x.max((0, 1))), linear=False),
    Case(
        "pmin in groups",
        lambda x: lax.pmin(x, "i", axis_index_groups=PAIRS),
        grouped(PAIRS, lambda x: everyone(x.min(0), len(x))),
        linear=False,
    ),
    Case("all_gather", lambda x: lax.all_gather(x, "i"), everyone),
    Case("all_gather, axis 1", lambda x: lax.all_gather(x, "i", axis=1), lambda x: everyone(np.moveaxis(x, 0, 1))),
    Case("all_gather, last axis", lambda x: lax.all_gather(x, "i", axis=-1), lambda x: everyone(np.moveaxis(x, 0, 2))),
    Case(
        "all_gather, tiled",
        lambda x: lax.all_gather(x, "i", axis=1, tiled=True),
        lambda x: everyone(np.concatenate(list(x), 1)),
    ),
    Case(
        "all_gather in pairs",
        lambda x: lax.all_gather(x, "i", axis_index_groups=PAIRS, axis=1),
        grouped(PAIRS, lambda x: everyone(np.moveaxis(x, 0, 1), len(x))),
    ),
    Case("psum_scatter", lambda x: lax.psum_scatter(x, "i"), lambda x: x.sum(0)),
    Case(
        "psum_scatter, tiled",
        lambda x: lax.psum_scatter(x, "i", scatter_dimension=1, tiled=True),
        lambda x: np.stack(np.split(x.sum(0), N, 1)),
    ),
    Case(
        "psum_scatter in pairs",
        lambda x: lax.psum_scatter(x, "i", axis_index_groups=PAIRS, scatter_dimension=-1, tiled=True),
        grouped(PAIRS, lambda x: np.stack(np.split(x.sum(0), len(x), 1))),
    ),
    Case("all_to_all", lambda x: lax.all_to_all(x, "i", 0, 0), lambda x: exchange_rows(x, 0, 0)),
    Case("all_to_all, 0 to 1", lambda x: lax.all_to_all(x, "i", 0, 1), lambda x: exchange_rows(x, 0, 1)),
    Case("all_to_all, tiled", lambda x: lax.all_to_all(x, "i", 0, 0, tiled=True), lambda x: exchange(x, 0, 0)),
    Case("all_to_all, 1 to 0, tiled", lambda x: lax.all_to_all(x, "i", 1, 0, tiled=True), lambda x: exchange(x, 1, 0)),
    Case(
        "all_to_all, 0 to 1, tiled", lambda x: lax.all_to_all(x, "i", -2, -1, tiled=True), lambda x: exchange(x, 0, 1)
    ),
    Case(
        "all_to_all in pairs",
        lambda x: lax.all_to_all(x, "i", 0, 1, axis_index_groups=PAIRS, tiled=True),
        grouped(PAIRS, lambda x: exchange(x, 0, 1)),
    ),
    Case("pswapaxes", lambda x: lax.pswapaxes(x, "i", 0), lambda x: np.swapaxes(x, 0, 1)),
    Case("ppermute", lambda x: lax.ppermute(x, "i", [(s, d) for d, s in enumerate(PERM)]), lambda x: x[PERM]),
    Case("pshuffle", lambda x: lax.pshuffle(x, "i", PERM), lambda x: x[PERM]),
    Case("pbroadcast", lambda x: lax.pbroadcast(x, "i", 2), lambda x: everyone(x[2])),
    Case("pcast", lambda x: lax.pcast(x, "i", to="varying"), lambda x: x),
    Case("axis_index", lambda x: x * lax.axis_index("i"), lambda x: x * np.arange(N, dtype=np.float32)[:, None, None]),
    Case("axis_size", lambda x: x * lax.axis_size("i"), lambda x: x * N),
    Case(
        "several",
        lambda x: lax.ppermute(x / lax.psum(x * x, "i"), "i", [(0, 1), (1, 2), (2, 3), (3, 0)]),
        lambda x: np.roll(x / (x * x).sum(0), 1, 0),
        linear=False,
    ),
]
every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
linear_cases = pytest.mark.parametrize("case", [c for c in CASES if c.linear], ids=[c.name for c in CASES if c.linear])


def mapped(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    return cotan.vmap(f, in_axes, out_axes, axis_name="i")


def close(found: Any, wanted: np.ndarray, rtol: float = 2e-5) -> None:
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol)


# ---- Values


@every_case
@pytest.mark.parametrize("place", [0, 1, -1])
def test_values(case, place):
    close(mapped(case.f, place)(np.moveaxis(X, 0, place)), case.whole(X))


@every_case
def test_of_a_value_that_does_not_vary(case):
    x = cnp.asarray(X[1])
    result = cotan.vmap(lambda y: case.f(y), None, axis_name="i", axis_size=N)(x)
    close(result, case.whole(everyone(X[1])))


@every_case
def test_under_jit_inside_and_outside(case):
    wanted = case.whole(X)
    close(mapped(cotan.jit(case.f))(X), wanted)
    close(cotan.jit(mapped(case.f))(X), wanted)
    close(cotan.jit(mapped(cotan.jit(lambda x: cotan.jit(case.f)(x))))(X), wanted)


@every_case
def test_jitted_of_a_value_that_does_not_vary(case):
    x = cnp.asarray(X[1])
    close(cotan.vmap(lambda: cotan.jit(case.f)(x), axis_name="i", axis_size=N)(), case.whole(everyone(X[1])))


@every_case
def test_in_checkpoint_and_its_derivative(case):
    weights = np.random.default_rng(1).normal(size=case.whole(X).shape).astype(np.float32)

    def loss(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: (cnp.sin(mapped(f)(x)) * weights).sum()

    close(mapped(cotan.checkpoint(case.f))(X), case.whole(X))
    plain = cotan.grad(loss(case.f))(X)
    close(cotan.grad(loss(cotan.checkpoint(case.f)))(X), np.asarray(plain))
    inside = mapped(cotan.grad(lambda x, w: (cnp.sin(cotan.checkpoint(cotan.jit(case.f))(x)) * w).sum()))(X, weights)
    close(inside, np.asarray(plain))


@every_case
def test_beside_another_axis(case):
    many = np.stack([X, X[::-1], 2 * X])
    wanted = np.stack([case.whole(x) for x in many])
    close(cotan.vmap(mapped(case.f), axis_name="j")(many), wanted)
    # The other axis inside: collectives over `i` of values that are mapped over `j`.
    outside = mapped(cotan.vmap(case.f, axis_name="j"))(np.swapaxes(many, 0, 1))
    close(outside, np.swapaxes(wanted, 0, 1))
    last = mapped(cotan.vmap(cotan.jit(case.f), -1, -1))(np.moveaxis(many, 0, -1))
    close(last, np.moveaxis(wanted, 0, -1))


# ---- Derivatives


@linear_cases
def test_forward_derivative_of_a_linear_one(case):
    t = np.random.default_rng(2).normal(size=X.shape).astype(np.float32)
    out, dot = cotan.jvp(mapped(case.f), (X,), (t,))
    close(out, case.whole(X))
    close(dot, case.whole(t))
    inside = mapped(lambda x, t: cotan.jvp(cotan.jit(case.f), (x,), (t,))[1])(X, t)
    close(inside, case.whole(t))


@linear_cases
def test_reverse_is_the_transpose(case):
    rng = np.random.default_rng(3)
    t = rng.normal(size=X.shape).astype(np.float32)
    ct = rng.normal(size=case.whole(X).shape).astype(np.float32)
    pairing = float((ct.astype(np.float64) * case.whole(t)).sum())
    for pull in (
        lambda: cotan.vjp(mapped(case.f), X)[1](ct)[0],
        lambda: mapped(lambda x, c: cotan.vjp(case.f, x)[1](c)[0])(X, ct),
        lambda: mapped(lambda x, c: cotan.vjp(cotan.jit(case.f), x)[1](c)[0])(X, ct),
        lambda: cotan.linear_transpose(mapped(case.f), X)(ct)[0],
        lambda: mapped(lambda x, c: cotan.linear_transpose(cotan.jit(case.f), x)(c)[0])(X, ct),
    ):
        back = pull()
        assert back.shape == X.shape
        np.testing.assert_allclose((np.asarray(back, np.float64) * t).sum(), pairing, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", [c for c in CASES if not c.linear], ids=[c.name for c in CASES if not c.linear])
def test_derivatives_of_the_others_agree_with_differences(case):
    with config.override(enable_x64=True):
        x = X.astype(np.float64)
        rng = np.random.default_rng(4)
        t, ct = rng.normal(size=x.shape), rng.normal(size=case.whole(x).shape)
        h = 1e-6
        wanted = (case.whole(x + h * t) - case.whole(x - h * t)) / (2 * h)
        np.testing.assert_allclose(cotan.jvp(mapped(case.f), (x,), (t,))[1], wanted, rtol=1e-5, atol=1e-5)
        outside = cotan.vjp(mapped(case.f), x)[1](ct)[0]
        np.testing.assert_allclose((outside * t).sum(), (ct * wanted).sum(), rtol=1e-6)
        inside = mapped(lambda x, c: cotan.grad(lambda x: (case.f(x) * c).sum())(x))(x, ct)
        np.testing.assert_allclose(inside, outside, rtol=1e-9, atol=1e-12)


def test_gradient_inside_of_a_sum_counts_every_example():
    x = np.arange(4, dtype=np.float32)
    np.testing.assert_array_equal(mapped(cotan.grad(lambda x: lax.psum(x, "i")))(x), [4, 4, 4, 4])
    np.testing.assert_array_equal(mapped(cotan.grad(lambda x: lax.pmean(x, "i")))(x), [1, 1, 1, 1])
    np.testing.assert_array_equal(mapped(cotan.grad(lambda x: lax.psum(x * x, "i")))(x), 8 * x)


def test_ties_share_the_derivative_of_a_maximum():
    x = np.float32([1, 3, 3, 0])
    np.testing.assert_array_equal(cotan.grad(lambda x: mapped(lambda x: lax.pmax(x, "i"))(x)[0])(x), [0, 0.5, 0.5, 0])


def test_second_derivatives():
    def f(x):
        return mapped(lambda x: lax.psum(cnp.sin(x), "i") * x)(x).sum()

    with config.override(enable_x64=True):
        x = np.linspace(0.1, 0.9, 4)
        cos, sin, total = np.cos(x), np.sin(x), x.sum()
        wanted = np.add.outer(cos, cos) - np.diag(sin * total)
        np.testing.assert_allclose(cotan.hessian(f)(x), wanted, rtol=1e-12)
        np.testing.assert_allclose(cotan.jit(cotan.hessian(f))(x), wanted, rtol=1e-12)


def test_batch_normalisation_inside_and_outside():
    def normalised(x):
        centered = x - lax.pmean(x, "i")
        return centered / cnp.sqrt(lax.pmean(centered**2, "i") + 1e-5)

    def loss(w, x):
        return cnp.tanh(mapped(lambda x: normalised(x @ w))(x)).sum()

    rng = np.random.default_rng(5)
    with config.override(enable_x64=True):
        x, w, t = rng.normal(size=(6, 3)), rng.normal(size=(3, 2)), rng.normal(size=(3, 2))

        def oracle(w):
            y = x @ w
            return np.tanh((y - y.mean(0)) / np.sqrt(y.var(0) + 1e-5)).sum()

        h = 1e-6
        np.testing.assert_allclose(loss(w, x), oracle(w), rtol=1e-10)
        slope = (oracle(w + h * t) - oracle(w - h * t)) / (2 * h)
        for gradient in (cotan.grad(loss), cotan.jit(cotan.grad(loss)), cotan.grad(cotan.jit(loss))):
            np.testing.assert_allclose((gradient(w, x) * t).sum(), slope, rtol=1e-6)


# ---- Several axes


SEVERAL = [
    ("psum", lambda x, n: lax.psum(x, n), total),
    ("pmax", lambda x, n: lax.pmax(x, n), lambda x: everyone(x.max(0), len(x))),
    ("all_gather", lambda x, n: lax.all_gather(x, n, axis=1), lambda x: everyone(np.moveaxis(x, 0, 1), len(x))),
    (
        "all_gather, tiled",
        lambda x, n: lax.all_gather(x, n, axis=1, tiled=True),
        lambda x: everyone(np.concatenate(list(x), 1), len(x)),
    ),
    ("psum_scatter", lambda x, n: lax.psum_scatter(x, n), lambda x: x.sum(0)),
    (
        "psum_scatter, tiled",
        lambda x, n: lax.psum_scatter(x, n, scatter_dimension=1, tiled=True),
        lambda x: np.stack(np.split(x.sum(0), len(x), 1)),
    ),
    ("all_to_all", lambda x, n: lax.all_to_all(x, n, 0, 1), lambda x: exchange_rows(x, 0, 1)),
    ("all_to_all, tiled", lambda x, n: lax.all_to_all(x, n, 1, 0, tiled=True), lambda x: exchange(x, 1, 0)),
    ("ppermute", lambda x, n: lax.ppermute(x, n, [(k, (k + 2) % 6) for k in range(6)]), lambda x: np.roll(x, 2, 0)),
    ("pshuffle", lambda x, n: lax.pshuffle(x, n, [1, 0, 2, 4, 5, 3]), lambda x: x[[1, 0, 2, 4, 5, 3]]),
    ("pbroadcast", lambda x, n: lax.pbroadcast(x, n, 4), lambda x: everyone(x[4], len(x))),
    ("axis_index", lambda x, n: x * lax.axis_index(n), lambda x: x * np.arange(len(x))[:, None, None]),
    ("axis_size", lambda x, n: x * lax.axis_size(n), lambda x: x * 6),
]


@pytest.mark.parametrize(("f", "whole"), [s[1:] for s in SEVERAL], ids=[s[0] for s in SEVERAL])
def test_several_axes_are_one_with_the_last_running_fastest(f, whole):
    x = np.random.default_rng(6).normal(size=(2, 3, 6, 12)).astype(np.float32)

    def nested(inner):
        return cotan.vmap(cotan.vmap(inner, axis_name="b"), axis_name="a")

    first = whole(x.reshape(6, 6, 12))
    last = whole(np.swapaxes(x, 0, 1).reshape(6, 6, 12))
    last = np.swapaxes(last.reshape(3, 2, *last.shape[1:]), 0, 1)
    for form in (f, lambda x, n: cotan.jit(lambda x: f(x, n))(x)):
        close(nested(lambda x, form=form: form(x, ("a", "b")))(x), first.reshape(2, 3, *first.shape[1:]))
        close(nested(lambda x, form=form: form(x, ("b", "a")))(x), last)


def test_names_of_inner_axes_hide_outer_ones():
    inner = cotan.vmap(lambda x: lax.psum(x, "i"), axis_name="i")
    np.testing.assert_array_equal(cotan.vmap(inner, axis_name="i")(np.ones((3, 2), np.float32)), np.full((3, 2), 2))


def test_one_axis_of_several():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    f = cotan.vmap(cotan.vmap(lambda x: (lax.psum(x, "a"), lax.psum(x, "b")), axis_name="b"), axis_name="a")
    over_a, over_b = f(x)
    np.testing.assert_array_equal(over_a, [x.sum(0)] * 2)
    np.testing.assert_array_equal(over_b, np.stack([x.sum(1)] * 3, 1))


# ---- Operands, constants and types


def test_the_sum_of_a_number_is_a_number():
    seen = []

    def f(x):
        seen.append((lax.psum(1, "i"), lax.psum(2.5, "i"), lax.psum(True, "i"), lax.axis_size("i")))
        seen.append(lax.psum(1, "i", axis_index_groups=PAIRS))
        seen.append((lax.pmean(3, "i"), lax.pmax(3, "i"), lax.pmin(2.0, "i")))
        return cnp.ones(lax.psum(1, "i"))

    assert mapped(f)(np.zeros(4)).shape == (4, 4)
    assert mapped(cotan.jit(f))(np.zeros(4)).shape == (4, 4)
    assert seen == [(4, 10.0, 4, 4), 2, (3.0, 3, 2.0)] * 2
    assert [type(v) for v in seen[0]] == [int, float, int, int]
    assert type(seen[2][0]) is float


def test_the_size_of_unequal_groups_varies():
    sizes = mapped(lambda x: lax.psum(1, "i", axis_index_groups=UNEVEN) + 0 * x)(np.zeros(4, np.int32))
    np.testing.assert_array_equal(sizes, [3, 3, 1, 3])


def test_pytrees_and_constants():
    out = mapped(lambda x: lax.psum({"a": x, "b": (1, np.ones(2, np.float32)), "c": None}, "i"), out_axes=0)(
        np.arange(4.0, dtype=np.float32)
    )
    np.testing.assert_array_equal(out["a"], [6] * 4)
    np.testing.assert_array_equal(out["b"][0], [4] * 4)
    np.testing.assert_array_equal(out["b"][1], np.full((4, 2), 4))
    gathered = mapped(lambda x: lax.all_gather([x, 2.0], "i"))(np.arange(4))
    np.testing.assert_array_equal(gathered[1], np.full((4, 4), 2))


@pytest.mark.parametrize(
    ("f", "x", "dtype"),
    [
        (lambda x: lax.psum(x, "i"), np.bool_([1, 0, 1]), np.int32),
        (lambda x: lax.psum(x, "i"), np.int8([1, 2, 3]), np.int8),
        (lambda x: lax.psum(x, "i"), np.complex64([1j, 2, 3]), np.complex64),
        (lambda x: lax.pmean(x, "i"), np.int32([1, 2, 4]), np.float32),
        (lambda x: lax.pmean(x, "i"), np.float16([1, 2, 4]), np.float16),
        (lambda x: lax.pmax(x, "i"), np.bool_([1, 0, 1]), np.bool_),
        (lambda x: lax.all_gather(x, "i")[0], np.int8([1, 2, 3]), np.int8),
        (lambda x: lax.axis_index("i"), np.zeros(3), np.int32),
    ],
)
def test_dtypes(f, x, dtype):
    assert mapped(f)(x).dtype == dtype
    assert mapped(cotan.jit(f))(x).dtype == dtype


def test_results_that_are_the_same_for_all_need_no_axis():
    assert mapped(lambda x: (lax.psum(x, "i"), lax.all_gather(x, "i")), out_axes=None)(X)[1].shape == X.shape


def test_random_keys_are_gathered():
    keys = cotan.random.split(cotan.random.key(0), 3)
    gathered = mapped(lambda k: lax.all_gather(k, "i"))(keys)
    assert gathered.shape == (3, 3)
    np.testing.assert_array_equal(cotan.random.key_data(gathered[1]), cotan.random.key_data(keys))


# ---- Staged programs


def test_a_jitted_function_is_traced_once_for_each_scope():
    traced = []

    @cotan.jit
    def f(x):
        traced.append(lax.axis_size("i"))
        return x / lax.psum(x, "i")

    x = np.arange(1, 5, dtype=np.float32)
    for _ in range(3):
        np.testing.assert_allclose(mapped(f)(x), x / 10)
    np.testing.assert_allclose(mapped(f)(x[:2]), x[:2] / 3)
    np.testing.assert_allclose(mapped(f)(x), x / 10)
    assert traced == [4, 2]
    with pytest.raises(NameError, match="axis_size names the axis 'i', but no named axis is in scope"):
        f(x)


def test_a_program_says_which_axes_are_open():
    seen = []

    def f(x):
        closed = cotan.make_jaxpr(cotan.jit(lambda x: lax.psum(x, ("i", "j")) + lax.axis_index("i")))(x)
        seen.append(closed.jaxpr.named_axes)
        return x

    cotan.vmap(cotan.vmap(f, axis_name="j"), axis_name="i")(np.ones((2, 3), np.float32))
    assert seen == [frozenset("ij")]
    assert cotan.make_jaxpr(mapped(lambda x: lax.psum(x, "i")))(np.ones(3)).jaxpr.named_axes == frozenset()


# ---- In control flow and custom rules


V = np.arange(1, 5, dtype=np.float32)
forms = pytest.mark.parametrize("stage", [lambda f: f, cotan.jit], ids=["plain", "jit"])


def unmapped(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``f`` of the first element alone, for all examples."""
    return lambda x: cotan.vmap(lambda: f(x[0]), axis_name="i", axis_size=N)()


@forms
def test_scan(stage):
    def f(x):
        return lax.scan(lambda c, k: (c + k * lax.psum(c * c, "i"), lax.axis_index("i") + c), x, np.float32([1, 2]))

    last, seen = mapped(stage(f))(V)
    first = V + (V * V).sum()
    close(last, first + 2 * (first * first).sum())
    close(seen, np.stack([V, first], 1) + np.arange(4)[:, None])
    last, seen = unmapped(stage(f))(V)
    close(last, np.full(4, 5 + 2 * 4 * 25, np.float32))
    close(seen, np.float32([[k + 1, k + 5] for k in range(4)]))


@forms
def test_gradient_of_a_scan(stage):
    def f(x):
        return lax.scan(lambda c, k: (cnp.sin(c) + k * lax.psum(c, "i"), None), x, np.float32([0.5, 0.25]))[0]

    def oracle(x):
        for k in (0.5, 0.25):
            x = np.sin(x) + k * x.sum()
        return x.sum()

    h = 1e-5
    wanted = np.array([(oracle(V + h * e) - oracle(V - h * e)) / (2 * h) for e in np.eye(4)])
    np.testing.assert_allclose(mapped(cotan.grad(stage(f)))(V), wanted, rtol=1e-4)
    np.testing.assert_allclose(cotan.grad(stage(lambda x: mapped(stage(f))(x).sum()))(V), wanted, rtol=1e-4)


@forms
def test_branches(stage):
    def choose(predicate):
        return stage(lambda x: lax.cond(predicate(x), lambda y: lax.psum(y, "i"), lambda y: -y, x))

    np.testing.assert_array_equal(mapped(choose(lambda x: True))(V), [10] * 4)
    np.testing.assert_array_equal(mapped(choose(lambda x: x > 2))(V), [-1, -2, 10, 10])
    np.testing.assert_array_equal(unmapped(choose(lambda x: lax.axis_index("i") == 1))(V), [-1, 4, -1, -1])
    np.testing.assert_array_equal(unmapped(choose(lambda x: x > 0))(V), [4] * 4)


@forms
def test_while_loops(stage):
    def until_large(x):
        return lax.while_loop(lambda c: lax.pmax(c, "i") < 20, lambda c: c + lax.psum(c, "i"), x)

    wanted = V
    while wanted.max() < 20:
        wanted = wanted + wanted.sum()
    np.testing.assert_array_equal(mapped(stage(until_large))(V), wanted)
    counted = unmapped(stage(lambda x: lax.fori_loop(0, 3, lambda k, c: c + lax.axis_index("i"), x)))(V)
    np.testing.assert_array_equal(counted, 1 + 3 * np.arange(4))


def with_jvp():
    """A new function with a rule, that nothing knows yet. The rule gives three times what is true."""

    @cotan.custom_jvp
    def f(x):
        return x * lax.psum(x, "i")

    @f.defjvp
    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        return f(x), 3 * (t * lax.psum(x, "i") + x * lax.psum(t, "i"))

    return f


def with_vjp():
    @cotan.custom_vjp
    def f(x):
        return x * lax.psum(x, "i")

    f.defvjp(
        lambda x: (f(x), (x, lax.psum(x, "i"))),
        lambda residuals, ct: (3 * (ct * residuals[1] + lax.psum(ct * residuals[0], "i")),),
    )
    return f


@forms
@pytest.mark.parametrize("make", [with_jvp, with_vjp])
def test_custom_rules(make, stage):
    np.testing.assert_array_equal(mapped(stage(make()))(V), 10 * V)
    np.testing.assert_array_equal(mapped(cotan.grad(stage(make())))(V), [60] * 4)
    f = make()
    np.testing.assert_array_equal(cotan.grad(stage(lambda x: mapped(stage(f))(x).sum()))(V), [60] * 4)
    f = make()
    np.testing.assert_array_equal(unmapped(stage(f))(V), [4] * 4)
    total = cotan.grad(stage(lambda x: unmapped(stage(f))(x).sum()))(V)
    np.testing.assert_array_equal(total, [3 * 4 * (4 + 4), 0, 0, 0])


# ---- Errors


def test_unbound_names():
    with pytest.raises(
        NameError, match=r"test_parallel.py:\d+, in .*: psum names the axis 'k', but .* 'i' \(of size 4\)"
    ):
        mapped(lambda x: lax.psum(x, "k"))(X)
    for f in (
        lambda x: lax.pmean(x, "k"),
        lambda x: lax.pmax(x, "k"),
        lambda x: lax.all_gather(x, "k"),
        lambda x: lax.all_to_all(x, "k", 0, 0),
        lambda x: lax.psum_scatter(x, "k"),
        lambda x: lax.ppermute(x, "k", []),
        lambda x: lax.pbroadcast(x, "k", 0),
        lambda x: lax.pcast(x, "k", to="varying"),
        lambda x: lax.axis_index("k"),
        lambda x: lax.axis_size(("i", "k")),
        lambda x: lax.psum(1, "k"),
    ):
        with pytest.raises(NameError, match="'k'"):
            mapped(f)(X)
        with pytest.raises(NameError, match="'k'"):
            cotan.jit(lambda x, f=f: mapped(cotan.jit(f))(x))(X)


def test_an_equation_outside_of_its_axis():
    kept = []
    mapped(lambda x: kept.append(cotan.make_jaxpr(lambda x: lax.psum(x, "i") * 2)(x)) or x)(X)
    run = collective.psum  # what remains of lax.psum in a program
    with pytest.raises(NameError, match="psum names the axis 'i'"):
        run(cnp.ones(3), ("i",))
    with pytest.raises(NameError, match="psum names the axis 'i'"):
        cotan.jit(lambda x: run(x, ("i",)))(cnp.ones(3))
    assert "psum" in str(kept[0])


@pytest.mark.parametrize(
    ("f", "error", "match"),
    [
        (lambda x: lax.psum(x, ("i", "i")), ValueError, "psum: axis_name names an axis twice"),
        (lambda x: lax.psum(x, None), TypeError, "psum: axis_name must be a name"),
        (lambda x: lax.psum(x, ("i", 2)), ValueError, "psum: axis 2 is out of range for an array with 2 axes"),
        (lambda x: lax.psum(x, "i", axis_index_groups=[[0, 1]]), ValueError, "psum: .* each index .* exactly once"),
        (lambda x: lax.psum(x, ("i", "j"), axis_index_groups=PAIRS), NameError, "'j'"),
        (lambda x: lax.all_gather(x, "i", axis_index_groups=UNEVEN), ValueError, "all_gather: .* equal sizes"),
        (lambda x: lax.all_gather(x, ("i", 0)), TypeError, "all_gather: axis_name must be a name or a tuple of names"),
        (lambda x: lax.all_gather(x, "i", axis=3), ValueError, "all_gather: axis 3 is out of range"),
        (
            lambda x: lax.all_gather(x, "i", to="there"),
            ValueError,
            "all_gather: to must be one of 'varying', 'reduced'",
        ),
        (lambda x: lax.psum_scatter(x[:3], "i"), ValueError, "psum_scatter: .* which is 3, must equal .*, 4"),
        (lambda x: lax.psum_scatter(x[:3], "i", tiled=True), ValueError, "which is 3, must be divisible by .*, 4"),
        (lambda x: lax.all_to_all(x, "i", 1, 0), ValueError, "all_to_all: .* which is 8, .* tiled=True"),
        (lambda x: lax.all_to_all(x, "i", 0, 2), ValueError, "all_to_all: concat_axis 2 is out of range"),
        (lambda x: lax.ppermute(x, "i", [(0, 1)]), ValueError, "ppermute over 'i' under vmap needs a full permutation"),
        (lambda x: lax.ppermute(x, "i", [(0, 1), (0, 2)]), ValueError, "ppermute: no example may be source twice"),
        (
            lambda x: lax.ppermute(x, "i", [(0, 9)]),
            ValueError,
            "ppermute: no example may be destination twice, and all",
        ),
        (lambda x: lax.pshuffle(x, "i", [0, 0, 1, 2]), ValueError, "pshuffle: perm must be a permutation of 0 to 3"),
        (lambda x: lax.pbroadcast(x, "i", 4), ValueError, "pbroadcast: source must be from 0 to 3, got 4"),
        (lambda x: lax.pcast(x, "i", to="there"), ValueError, "pcast: to must be one of"),
    ],
)
def test_bad_arguments(f, error, match):
    with pytest.raises(error, match=match):
        mapped(f)(X)


def test_groups_need_one_axis():
    f = cotan.vmap(cotan.vmap(lambda x: lax.psum(x, ("i", "j"), axis_index_groups=[[0]]), axis_name="j"), axis_name="i")
    with pytest.raises(ValueError, match="axis_index_groups needs exactly one named axis"):
        f(np.ones((2, 2)))
