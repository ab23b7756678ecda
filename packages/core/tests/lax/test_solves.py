"""custom_root and custom_linear_solve: values by the solver, derivatives by the equation, under every transform."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax

# ---- Roots


def newton(f, x):
    return lax.while_loop(lambda s: cnp.abs(f(s)) > 1e-5, lambda s: s - f(s) / cotan.grad(f)(s), x)


def cube_root(a, guess=1.0):
    return lax.custom_root(lambda x: x**3 - a, guess, newton, lambda g, y: y / g(1.0))


AS = np.array([1.0, 8.0, 27.0], "f4")


@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit, cotan.checkpoint], ids=["eager", "jit", "checkpoint"])
def test_roots_and_their_derivatives(wrap):
    f = wrap(cube_root)
    slopes = 1 / 3 * AS ** (-2 / 3)
    np.testing.assert_allclose(cotan.vmap(f)(AS), np.cbrt(AS), rtol=1e-5)
    assert float(cotan.grad(f)(8.0)) == pytest.approx(1 / 12, rel=1e-5)
    assert float(cotan.jit(cotan.grad(f))(8.0)) == pytest.approx(1 / 12, rel=1e-5)
    assert float(cotan.jvp(f, (8.0,), (2.0,))[1]) == pytest.approx(1 / 6, rel=1e-5)
    np.testing.assert_allclose(cotan.vmap(cotan.grad(f))(AS), slopes, rtol=1e-5)
    np.testing.assert_allclose(cotan.grad(lambda a: cotan.vmap(f)(a).sum())(AS), slopes, rtol=1e-5)
    for second in (cotan.grad(cotan.grad(f)), cotan.hessian(f), cotan.jacfwd(cotan.jacfwd(f))):
        assert float(second(8.0)) == pytest.approx(-2 / 9 * 8 ** (-5 / 3), rel=1e-4)


def test_the_guess_has_no_derivative():
    assert float(cotan.grad(cube_root, 1)(8.0, 1.5)) == 0


def test_roots_of_pytrees_with_aux():
    def f(x):
        return {"u": x["u"] - x["v"] * a["k"], "v": x["v"] ** 2 - 4}

    def solve(f, x):
        return {"u": a["k"] * 2.0, "v": cnp.float32(2)}, {"residual": f(x), "steps": 3}

    def tangent_solve(g, y):
        leaf = cnp.stack([y["u"], y["v"]])
        columns = cotan.vmap(g)({"u": cnp.array([1.0, 0.0]), "v": cnp.array([0.0, 1.0])})
        (p, q), (r, s) = columns["u"], columns["v"]
        det = p * s - q * r
        return {"u": (s * leaf[0] - q * leaf[1]) / det, "v": (p * leaf[1] - r * leaf[0]) / det}

    def value(k):
        nonlocal a
        a = {"k": k}
        x, aux = lax.custom_root(f, {"u": 1.0, "v": 1.0}, solve, tangent_solve, has_aux=True)
        return x["u"] + x["v"], aux

    a = {}
    (y, aux), slope = cotan.value_and_grad(value, has_aux=True)(5.0)
    assert (float(y), float(slope), int(aux["steps"])) == (12, 2, 3)
    assert isinstance(aux["steps"], cotan.Array)
    assert float(cotan.jit(cotan.grad(value, has_aux=True))(5.0)[0]) == 2


def root(f=lambda x: x, guess=1.0, solve=lambda f, x: x, tangent_solve=lambda g, y: y, **options):
    return lax.custom_root(f, guess, solve, tangent_solve, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"f": 3}, "custom_root takes a function to transform, got an int"),
        ({"guess": "a"}, "custom_root: initial_guess is a str, not an array"),
        ({"f": lambda x: (x, x)}, r"custom_root: f `<lambda>` must return something of the structure \S+, got"),
        ({"f": lambda x: cnp.ones(2)}, r"f `<lambda>` must return ~?f32\[\], got f32\[2\]"),
        ({"f": lambda x: "a"}, "the function returned a str"),
        ({"solve": lambda f, x: [x]}, "solve `<lambda>` must return something of the structure"),
        ({"tangent_solve": lambda g, y: None}, "tangent_solve `<lambda>` must return something of the structure"),
        ({"has_aux": True}, r"has_aux=True: solve `<lambda>` must return a pair \(solution, aux\)"),
    ],
)
def test_roots_of_what_does_not_fit(arguments, message):
    with pytest.raises(TypeError, match=message):
        root(**arguments)


# ---- Linear equations


A = np.array([[2.0, 1.0], [0.5, 3.0]], "f4")
B = np.array([1.0, 2.0], "f4")
W = np.array([3.0, 4.0], "f4")


def cramer(m, b):
    det = m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]
    return cnp.stack([m[1, 1] * b[0] - m[0, 1] * b[1], m[0, 0] * b[1] - m[1, 0] * b[0]]) / det


def by_matrix(f, b):
    """Solve by the matrix of a linear function of {"x": vector}."""
    return {"x": cramer(cotan.jacfwd(lambda v: f({"x": v})["x"])(b["x"]), b["x"])}


def solution(a, b):
    return lax.custom_linear_solve(lambda x: {"x": a @ x["x"]}, {"x": b}, by_matrix, by_matrix)["x"]


def weighted(a, b):
    return W @ solution(a, b)


GRADIENTS = (-np.outer(np.linalg.solve(A.T, W), np.linalg.solve(A, B)), np.linalg.solve(A.T, W))


@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit, cotan.checkpoint], ids=["eager", "jit", "checkpoint"])
def test_solutions_and_their_derivatives(wrap):
    f = wrap(weighted)
    np.testing.assert_allclose(wrap(solution)(A, B), np.linalg.solve(A, B), rtol=1e-6)
    for gradient in (cotan.grad(f, (0, 1)), cotan.jit(cotan.grad(f, (0, 1))), cotan.jacfwd(f, (0, 1))):
        for found, expected in zip(gradient(A, B), GRADIENTS, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5)
    many = np.stack([B, 2 * B, -B])
    np.testing.assert_allclose(cotan.vmap(wrap(solution), (None, 0))(A, many), np.linalg.solve(A, many.T).T, rtol=1e-6)
    mapped = cotan.vmap(cotan.grad(f), (None, 0))(A, many)
    np.testing.assert_allclose(mapped, np.array([1, 2, -1])[:, None, None] * GRADIENTS[0], rtol=1e-5)
    total = cotan.grad(lambda a: cotan.vmap(f, (None, 0))(a, many).sum())
    np.testing.assert_allclose(total(A), 2 * GRADIENTS[0], rtol=1e-5)
    matrices = cotan.vmap(cotan.grad(f, 1), (0, None))(np.stack([A, 2 * A]), B)
    np.testing.assert_allclose(matrices, np.array([1, 0.5])[:, None] * GRADIENTS[1], rtol=1e-5)


def test_second_derivatives():
    step = 1e-3
    direction = np.array([[0.3, -1.0], [2.0, 0.5]], "f8")
    plus, minus = (
        -np.outer(np.linalg.solve(m.T, W), np.linalg.solve(m, B)) for m in (A + step * direction, A - step * direction)
    )
    expected = (plus - minus) / (2 * step)
    for hessian in (
        cotan.hessian(weighted),
        cotan.jacrev(cotan.jacrev(weighted)),
        cotan.jit(cotan.jacrev(cotan.jacfwd(weighted))),
    ):
        np.testing.assert_allclose(np.tensordot(hessian(A, B), direction, 2), expected, rtol=1e-3)


def test_one_solver_for_symmetric_maps():
    def f(a, b):
        return lax.custom_linear_solve(lambda x: a * x, b, lambda f, b: b / f(1.0), symmetric=True)

    for g in (f, cotan.jit(f)):
        assert [float(d) for d in cotan.grad(g, (0, 1))(2.0, 8.0)] == [-2, 0.5]


def test_aux_has_no_derivative():
    def solve(f, b):
        return b / 2, {"norm": b * b, "steps": 3}

    def f(b):
        x, aux = lax.custom_linear_solve(lambda x: 2 * x, b, solve, symmetric=True, has_aux=True)
        return x + aux["norm"], aux

    for g in (f, cotan.jit(f)):
        (y, aux), slope = cotan.value_and_grad(g, has_aux=True)(3.0)
        assert (float(y), float(slope), int(aux["steps"])) == (10.5, 0.5, 3)
        assert isinstance(aux["steps"], cotan.Array)
        _, aux = cotan.vmap(g)(B)
        np.testing.assert_array_equal(aux["norm"], B * B)


def test_inside_of_loops():
    def f(a):
        def body(x, _):
            return lax.custom_linear_solve(lambda v: a * v, x, lambda f, b: b / f(1.0), symmetric=True), None

        return lax.scan(body, 8.0, None, length=3)[0]

    assert float(cotan.grad(f)(2.0)) == pytest.approx(-3 * 8 / 2**4)
    np.testing.assert_allclose(cotan.vmap(cotan.grad(cotan.jit(f)))(B), -24 / B**4, rtol=1e-6)


def test_reverse_mode_needs_a_solver_for_the_transpose():
    def f(b):
        return lax.custom_linear_solve(lambda x: 2 * x, b, lambda f, b: b / 2)

    assert float(cotan.jvp(f, (3.0,), (1.0,))[1]) == 0.5
    assert float(cotan.vmap(f)(B)[1]) == 1
    for g in (f, cotan.jit(f)):
        with pytest.raises(
            TypeError, match=r"test_solves.py:\d+.*reverse-mode .* of `<lambda>` needs a solver for the trans"
        ):
            cotan.grad(g)(3.0)


def solved(matvec=lambda x: x, b=1.0, solve=lambda f, b: b, transpose_solve=None, **options):
    return lax.custom_linear_solve(matvec, b, solve, transpose_solve, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"solve": 3}, "custom_linear_solve takes a function to transform, got an int"),
        ({"b": [1.0, "a"]}, r"custom_linear_solve: b\[1\] is a str, not an array"),
        ({"matvec": lambda x: (x, x)}, "matvec `<lambda>` must return something of the structure"),
        ({"solve": lambda f, b: cnp.ones(2)}, r"solve `<lambda>` must return ~?f32\[\], got f32\[2\]"),
        ({"transpose_solve": lambda f, b: (b,)}, "transpose_solve `<lambda>` must return something of the structure"),
        (
            {"transpose_solve": lambda f, b: f((b, b))},
            "the transpose of matvec, `vecmat` takes something of the struct",
        ),
        ({"has_aux": True}, r"has_aux=True: solve `<lambda>` must return a pair \(solution, aux\)"),
    ],
)
def test_equations_that_do_not_fit(arguments, message):
    with pytest.raises(TypeError, match=message):
        solved(**arguments)
