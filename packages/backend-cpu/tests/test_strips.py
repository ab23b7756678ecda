"""Loops by strips: which they are, and that they give what whole iterations give, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan_cpu import strips

N = 4 * 4096 + 37  # not a multiple of any strip
Function = Callable[..., Any]


def values(*shape: int, seed: int = 0) -> Any:
    return cnp.asarray(np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32))


def _in_place(x: Any, y: Any) -> Any:
    return lax.fori_loop(0, 7, lambda k, s: s * 0.5 + cnp.sin(y), x)


def _exchanged(x: Any, y: Any) -> Any:
    return lax.fori_loop(0, 8, lambda k, s: (s[1], s[0] * 0.5 + s[1]), (x, y))


def _counted(x: Any, y: Any) -> Any:
    return lax.fori_loop(2, 9, lambda k, s: s * k + y, x)


def _several_kinds(x: Any, y: Any) -> Any:
    def body(state: Any, row: Any) -> Any:
        total, steps, inside = state
        fresh = total * 0.9 + row
        return (fresh, steps + inside.astype(cnp.int8), cnp.abs(fresh) < 1), (fresh > y, steps.sum() * 0 + 1)

    steps = cnp.zeros(x.shape, cnp.int8)
    rows = cnp.stack([x * 0.1, y * 0.2, x - y])
    return lax.scan(lambda s, r: (body(s, r)[0], body(s, r)[1][0]), (x, steps, x > 0), rows)


def _reversed(x: Any, y: Any) -> Any:
    return lax.scan(lambda s, r: (s * r[1] + r[0], s - y), x, (cnp.stack([x, y, y]), cnp.arange(3.0)), reverse=True)


def _scalar_state(x: Any, y: Any) -> Any:
    def body(k: Any, state: Any) -> Any:
        rate, s = state
        return rate * 0.7 + 0.01, s - rate * y

    return lax.fori_loop(0, 11, body, (cnp.float32(0.3), x))


def _small_in_its_place(x: Any, y: Any) -> Any:
    """The last value of the rate is written where the first one lay, which every strip begins with."""

    def body(k: Any, state: Any) -> Any:
        rate, s = state
        rate = rate * 0.7 + 0.01
        return rate, s - rate * y

    return lax.fori_loop(0, 11, body, (x.sum() * 0.001 + 0.3, x))[1]


def _kept_rows(x: Any, y: Any) -> Any:
    """Reverse mode keeps what every step computes, and copies."""
    return cotan.grad(lambda x: lax.fori_loop(0, 5, lambda k, s: cnp.tanh(s) * y, x).sum())(x)


def _looked_up(x: Any, y: Any) -> Any:
    places = (cnp.abs(x) * 100).astype(int)
    return lax.fori_loop(0, 4, lambda k, s: s + y[places] * s, x)


def _matrices(x: Any, y: Any) -> Any:
    m = cnp.outer(x[:200], y[:150])
    return lax.fori_loop(0, 4, lambda k, s: s * 0.5 + m, m)


def _double(x: Any, y: Any) -> Any:
    with cotan.enable_x64(True):
        wide = x.astype("float64")
        return lax.fori_loop(0, 4, lambda k, s: cnp.exp(-s * s) + y.astype("float64"), wide)


def _half(x: Any, y: Any) -> Any:
    return lax.fori_loop(0, 4, lambda k, s: s * y.astype("bfloat16") + s, x.astype("bfloat16"))


def _nested(x: Any, y: Any) -> Any:
    def outer(k: Any, s: Any) -> Any:
        s = lax.fori_loop(0, 3, lambda j, t: t * 0.5 + y, s)
        return s - s.sum() / N

    return lax.fori_loop(0, 3, outer, x)


def _complex(x: Any, y: Any) -> Any:
    def body(k: Any, state: Any) -> Any:
        z, steps = state
        return z * z * 0.5 + lax.complex(x, y), steps + (cnp.abs(z) < 0.5)

    z, steps = lax.fori_loop(0, 6, body, (lax.complex(y, x), cnp.zeros(N, int)))
    return z.real, z.imag, steps


BY_STRIPS: dict[str, Function] = {
    "in place": _in_place,
    "exchanged": _exchanged,
    "counted": _counted,
    "several kinds": _several_kinds,
    "reversed": _reversed,
    "scalar state": _scalar_state,
    "small in its place": _small_in_its_place,
    "kept rows": _kept_rows,
    "looked up": _looked_up,
    "matrices": _matrices,
    "float64": _double,
    "bfloat16": _half,
    "nested": _nested,
    "complex": _complex,
}


def _neighbours(x: Any, y: Any) -> Any:
    return lax.fori_loop(0, 5, lambda k, s: (cnp.roll(s, 1) + s) * 0.5, x)


def _sums(x: Any, y: Any) -> Any:
    return lax.fori_loop(0, 5, lambda k, s: s - s.mean() + y, x)


def _gathered(x: Any, y: Any) -> Any:
    places = (cnp.abs(y) * 100).astype(int)
    return lax.fori_loop(0, 5, lambda k, s: s[places] + y, x)


def _complex_neighbours(x: Any, y: Any) -> Any:
    return lax.fori_loop(0, 5, lambda k, z: (z + z[::-1]) * (0.5 + 0.1j), lax.complex(x, y)).imag


def _first_halves(x: Any, y: Any) -> Any:
    """Every second number of a real array is no complex number."""
    return lax.fori_loop(0, 5, lambda k, s: cnp.pad(s[::2], (0, N // 2)) + y, x)


def _until(x: Any, y: Any) -> Any:
    return lax.while_loop(lambda s: cnp.any(s < 3), lambda s: s + 0.5, x)


def _products(x: Any, y: Any) -> Any:
    m = x[:16384].reshape(128, 128)
    return lax.fori_loop(0, 3, lambda k, s: s @ m * 0.1, m)


WHOLE: dict[str, Function] = {
    "neighbours": _neighbours,
    "sums": _sums,
    "gathered": _gathered,
    "complex neighbours": _complex_neighbours,
    "first halves": _first_halves,
    "until": _until,
    "products": _products,
}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What ``strips.find`` said since."""
    seen: list[Any] = []
    usual = strips.find

    def noting(step: Any, threads: int) -> Any:
        seen.append(usual(step, threads))
        return seen[-1]

    monkeypatch.setattr(strips, "find", noting)
    return seen


def _same(got: Any, wanted: Any) -> None:
    for a, b in zip(cotan.tree.leaves(got), cotan.tree.leaves(wanted), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(np.asarray(a).astype(np.float64), np.asarray(b).astype(np.float64))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", BY_STRIPS)
def test_strips_give_what_whole_iterations_give(
    name: str, threads: int, found: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    function = BY_STRIPS[name]
    x, y = values(N), values(N, seed=1)
    with cotan.config.override(num_threads=threads):
        cotan.clear_caches()
        got = cotan.jit(lambda x, y: function(x, y))(x, y)
        assert any(found), "the loop was to be done by strips"
        with monkeypatch.context() as patch:
            patch.setattr(strips, "find", lambda step, threads: None)
            cotan.clear_caches()
            wanted = cotan.jit(lambda x, y: function(x, y))(x, y)
    cotan.clear_caches()
    _same(got, wanted)


@pytest.mark.parametrize("name", WHOLE)
def test_where_elements_meet_iterations_are_whole(name: str, found: list[Any]) -> None:
    function = WHOLE[name]
    x, y = values(N), values(N, seed=1)
    cotan.clear_caches()
    got = cotan.jit(lambda x, y: function(x, y))(x, y)
    assert found
    assert not any(found)
    with cotan.disable_jit():
        wanted = function(x, y)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_short_arrays_are_shared_by_threads_where_there_is_much_to_do(found: list[Any]) -> None:
    with cotan.config.override(num_threads=2):
        for length, shared in ((3, False), (1000, True)):
            cotan.clear_caches()
            del found[:]
            cotan.jit(lambda x, n=length: lax.fori_loop(0, n, lambda k, s: s * 0.5 + x, x))(values(2000))
            assert bool(found[0]) == shared
    cotan.clear_caches()


@pytest.mark.parametrize("n", [1, 255, 4 * 256 - 1, 4 * 256, 1500, 4 * 4096, 5 * 4096 + 1])
def test_extents_at_the_edge(n: int) -> None:
    x, y = values(n), values(n, seed=1)
    wanted = np.asarray(x, np.float64)
    for _ in range(7):
        wanted = wanted * 0.5 + np.asarray(y)
    got = cotan.jit(lambda x: lax.fori_loop(0, 7, lambda k, s: s * 0.5 + y, x))(x)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_small_donated_carries_begin_every_strip_with_their_first_value() -> None:
    def steps(rate: Any, x: Any, y: Any) -> Any:
        def body(k: Any, state: Any) -> Any:
            rate, s = state
            rate = rate * 0.5 + 0.25
            return rate, s - rate * y

        return lax.fori_loop(0, 11, body, (rate, x))

    x, y = values(N), values(N, seed=1)
    rate, wanted = np.float32(0.75), np.asarray(x)
    for _ in range(11):
        rate = rate * np.float32(0.5) + np.float32(0.25)
        wanted = wanted - rate * np.asarray(y)
    got_rate, got = cotan.jit(steps, donate_argnums=0)(cnp.float32(0.75) * 1, x, y)
    assert got_rate == rate
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_donated_arguments_stay_in_their_place() -> None:
    step = cotan.jit(lambda x, y: lax.fori_loop(0, 7, lambda k, s: s * 0.5 + y, x), donate_argnums=0)
    y = values(N, seed=1)
    for _ in range(3):
        x = values(N) * 1
        wanted = np.array(x)
        for _ in range(7):
            wanted = wanted * np.float32(0.5) + np.asarray(y)
        np.testing.assert_allclose(step(x, y), wanted, rtol=1e-6, atol=1e-6)
        assert x.is_deleted()
