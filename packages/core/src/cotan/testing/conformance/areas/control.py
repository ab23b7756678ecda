"""Loops and branches: at once, compiled, mapped and differentiated, against Python's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.testing.conformance.cases import Case, both_ways

F, I = np.float32, np.int32
NEEDED = ("bool", "int32", "float32", "uint8")
X = np.array([[1.5, -0.5, 2.0], [0.25, 1.0, -1.0], [3.0, 0.5, 0.125], [-2.0, 1.0, 4.0]], F)


def running(x: Any) -> Any:
    """A scan with a carry, an unused slice and two results."""
    return lax.scan(lambda c, row: (c * 0.5 + row, (c, row * 2)), x[0], x)


def running_wanted(x: np.ndarray[Any, Any], reverse: bool = False) -> list[Any]:
    """What ``running`` is."""
    carry, befores = x[0], []
    for row in x[::-1] if reverse else x:
        befores.append(carry)
        carry = carry * F(0.5) + row
    return [carry, np.stack(befores[::-1] if reverse else befores), x * 2]


def collatz(n: Any) -> Any:
    """How many steps to 1."""
    step = lambda s: (lax.select(s[0] % 2 == 0, s[0] // 2, 3 * s[0] + 1), s[1] + 1)  # noqa: E731
    return lax.while_loop(lambda s: s[0] != 1, step, (n, I(0)))[1]


def swapped(x: Any, y: Any) -> Any:
    """Carries that change places: each must be read before either is written."""
    return lax.fori_loop(0, 5, lambda k, c: (c[1], c[0] + c[1], c[2]), (x, y, x * 2))


def swapped_wanted(x: Any, y: Any) -> list[Any]:
    """What ``swapped`` is."""
    a, b = x, y
    for _ in range(5):
        a, b = b, a + b
    return [a, b, x * 2]


def filled(x: Any) -> Any:
    """A carry that is updated row by row, in its place if the compiler will."""
    return lax.fori_loop(0, 3, lambda k, c: c.at[k + 1].set(c[k] * 2 + 1), x)


def filled_wanted(x: np.ndarray[Any, Any]) -> Any:
    """What ``filled`` is."""
    out = x.copy()
    for k in range(3):
        out[k + 1] = out[k] * 2 + 1
    return out


def chosen(p: Any, x: Any) -> Any:
    """A branch with results that one side passes on."""
    return lax.cond(p, lambda x: (x * 2, x), lambda x: (x, x - 1), x)


def switched(k: Any, x: Any) -> Any:
    """One of three, clamped."""
    return lax.switch(k, [lambda x: x, lambda x: x * 10, lambda x: -x], x)


def powers(x: Any) -> Any:
    """x ** 8 by a loop inside of a loop."""
    return lax.fori_loop(0, 2, lambda _, a: lax.fori_loop(0, 2, lambda _, b: b * cnp.sqrt(b * b), a), x)


def recurrent_loss(w: Any, xs: Any) -> Any:
    """A recurrence whose weights get a gradient from every step."""
    h, _ = lax.scan(lambda h, x: (cnp.tanh(h * w + x), None), xs[0] * 0, xs)
    return cnp.sum(h)


def recurrent_gradient(w: Any, xs: np.ndarray[Any, Any]) -> Any:
    """Its derivative, forward: dh = (1 - h^2) (h + w dh)."""
    w64, h, dh = w.astype(np.float64), np.zeros(3), np.zeros(3)
    for x in xs.astype(np.float64):
        new = np.tanh(h * w64 + x)
        dh, h = (1 - new**2) * (h + w64 * dh), new
    return dh.astype(F)


def steps(n: int) -> int:
    """Collatz, in Python."""
    count = 0
    while n != 1:
        n, count = (n // 2 if n % 2 == 0 else 3 * n + 1), count + 1
    return count


def cases() -> Iterator[Case]:
    """Every kind of loop and branch."""
    n = np.array([1, 6, 7, 27], I)
    w = np.array([0.5, -0.25, 1.0], F)
    total = X.cumsum(0, dtype=F)
    rows: list[tuple[str, Any, list[Any], list[Any]]] = [
        ("scan/carry and results", running, [X], running_wanted(X)),
        ("scan/in reverse", lambda x: lax.scan(lambda c, r: (c * 0.5 + r, (c, r * 2)), x[0], x, reverse=True), [X],
         running_wanted(X, reverse=True)),
        ("scan/no steps", lambda x: lax.scan(lambda c, r: (c + r, c), x[0], x[:0]), [X], [X[0], X[:0]]),
        ("scan/one step", lambda x: lax.scan(lambda c, r: (c + r, c), x[0], x[:1]), [X], [2 * X[0], X[:1]]),
        ("scan/no slices", lambda x: lax.scan(lambda c, _: (c * 2, None), x, None, 5)[0], [X], [X * 32]),
        ("scan/unrolled", lambda x: lax.scan(lambda c, r: (c + r, c + r), x[0] * 0, x, unroll=3)[1], [X], [total]),
        ("scan/mapped", cotan.vmap(lambda x: lax.scan(lambda c, r: (c + r, c + r), 0.0 * x[0], x)[1]), [X],
         [X.cumsum(1, dtype=F)]),
        ("scan/differentiated", cotan.grad(recurrent_loss), [w, X / 5], [recurrent_gradient(w, X / 5)]),
        ("scan/associative", lambda x: lax.associative_scan(lax.add, x), [np.arange(13, dtype=I)],
         [np.arange(13, dtype=I).cumsum(dtype=I)]),
        ("while/counts", collatz, [I(27)], [I(steps(27))]),
        ("while/no steps", collatz, [I(1)], [I(0)]),
        ("while/mapped", cotan.vmap(collatz), [n], [np.array([steps(int(k)) for k in n], I)]),
        ("while/differentiated forward", lambda x: cotan.jvp(powers, (x,), (x,)), [F(1.25)],
         [F(1.25**16), F(16 * 1.25**16)]),
        ("fori/carries change places", swapped, [X[0], X[1]], swapped_wanted(X[0], X[1])),
        ("fori/updates in place", filled, [X], [filled_wanted(X)]),
        ("fori/updates in place, argument kept", lambda x: (filled(x), x), [X], [filled_wanted(X), X]),
        ("fori/nested", lambda x: lax.fori_loop(0, 3, lambda i, a: lax.fori_loop(0, i, lambda j, b: b + i * j, a), x),
         [I(0)], [I(2)]),
        ("fori/bound is an argument", lambda k: lax.fori_loop(0, k, lambda i, a: a + i, 0), [I(10)], [I(45)]),
        ("cond/true", chosen, [np.True_, X], [X * 2, X]),
        ("cond/false", chosen, [np.False_, X], [X, X - 1]),
        ("cond/mapped", cotan.vmap(chosen, (0, 0)), [np.array([1, 0, 0, 1], bool), X],
         [np.where([[1], [0], [0], [1]], X * 2, X), np.where([[1], [0], [0], [1]], X, X - 1)]),
        ("cond/differentiated", cotan.grad(lambda x: lax.cond(x > 0, lambda x: x * x, lambda x: -3 * x, x)), [F(-2)],
         [F(-3)]),
        ("cond/inside of a loop", lambda x: lax.scan(lambda c, r: (lax.cond(r[0] > 1, lambda c: c * 2, lambda c: c + 1,
         c), c), F(1), x), [X], [F(7), np.array([1, 2, 3, 6], F)]),
        ("map/of rows", lambda x: lax.map(lambda r: r[::-1] * 2, x), [X], [X[:, ::-1] * 2]),
        ("loops/of many dtypes", lambda k: lax.fori_loop(0, 3, lambda i, s: (~s[0], s[1] + 1, s[2] * 2, s[3] ^ 5),
         (k > 0, k, F(1.5), cnp.uint8(9))), [I(4)], [np.False_, I(7), F(12), np.uint8(12)]),
    ]  # fmt: skip
    for name, fun, args, wanted in rows:
        yield from both_ways(f"control/{name}", fun, args, wanted, tolerance=16.0, dtypes=NEEDED)
    for k in (-5, 0, 1, 2, 9):
        wanted = [[X, X * 10, -X][min(max(k, 0), 2)]]
        yield from both_ways(f"control/switch/{k}", switched, [I(k), X], wanted, tolerance=None)
