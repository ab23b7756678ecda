"""`minimize` against known minima and SciPy, in both methods: values, derivatives, mapping, statuses, errors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize as oracle

import cotan
import cotan.numpy as cnp
from cotan.scipy.optimize import OptimizeResults, minimize

_METHODS = ("BFGS", "l-bfgs-experimental-do-not-use")
# The second method ends by default where a step gains little.
_TIGHT = {"BFGS": {}, "l-bfgs-experimental-do-not-use": {"ftol": 0.0}}


def _rosenbrock(x):
    return cnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def _himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def _matyas(x):
    return 0.26 * (x[0] ** 2 + x[1] ** 2) - 0.48 * x[0] * x[1]


@pytest.mark.parametrize("method", _METHODS)
@pytest.mark.parametrize(
    ("fun", "start"),
    [(_rosenbrock, [0.0, 0]), (_rosenbrock, [-1.2, 1, 0.5, 2]), (_himmelblau, [1.0, 1]), (_matyas, [4.0, -3])],
)
def test_minima_are_those_that_scipy_finds(fun, start, method):
    with cotan.enable_x64(True):
        ours = minimize(fun, np.array(start), method=method, options={"gtol": 1e-7, **_TIGHT[method]})
        theirs = oracle.minimize(
            lambda x: float(fun(cnp.asarray(x))), start, jac=cotan.grad(fun), options={"gtol": 1e-12}
        )
    assert isinstance(ours, OptimizeResults)
    assert bool(ours.success)
    assert int(ours.status) == 0
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-5)
    np.testing.assert_allclose(ours.fun, theirs.fun, atol=1e-10)
    np.testing.assert_allclose(ours.jac, 0, atol=1e-7)
    assert ours.nfev == ours.njev <= 3 * theirs.nfev
    assert ours.nit <= 2 * theirs.nit


@pytest.mark.parametrize("method", _METHODS)
def test_single_precision_reaches_the_minimum(method):
    found = minimize(_rosenbrock, cnp.zeros(3), method=method)
    assert found.x.dtype == np.float32
    np.testing.assert_allclose(found.x, 1, atol=2e-3)


def test_the_inverse_hessian_of_a_quadratic():
    half = np.random.default_rng(0).normal(size=(4, 4))
    matrix = half @ half.T + np.eye(4)
    with cotan.enable_x64(True):
        found = minimize(
            lambda x, a: x @ a @ x / 2 - x.sum(), np.ones(4), (matrix,), method="bfgs", options={"gtol": 1e-12}
        )
    assert found.success
    np.testing.assert_allclose(found.x, np.linalg.solve(matrix, np.ones(4)), rtol=1e-10)
    np.testing.assert_allclose(found.hess_inv, np.linalg.inv(matrix), atol=0.02)
    limited = minimize(lambda x: cnp.sum(x**2), cnp.ones(2), method=_METHODS[1])
    assert limited.hess_inv is None


@pytest.mark.parametrize("method", _METHODS)
def test_it_compiles_maps_and_differentiates_forward(method):
    def root(c):
        fun = lambda x: cnp.sum((x**2 - c) ** 2)  # noqa: E731
        return minimize(fun, cnp.array([1.0, 2.0]), method=method, options={"gtol": 1e-9, **_TIGHT[method]}).x

    with cotan.enable_x64(True):
        cs = np.array([0.5, 2.0, 7.0])
        np.testing.assert_allclose(cotan.jit(root)(2.0), np.sqrt(2.0), rtol=1e-8)
        np.testing.assert_allclose(cotan.vmap(root)(cs), np.sqrt(cs)[:, None] * [1, 1], rtol=1e-8)
        np.testing.assert_allclose(cotan.jacfwd(root)(2.0), 0.5 / np.sqrt(2.0), rtol=1e-4)


@pytest.mark.parametrize("method", _METHODS)
def test_what_is_outside_of_the_domain_is_not_entered(method):
    # x log x is not a number left of 0, where long steps would go.
    with cotan.enable_x64(True):
        found = minimize(lambda x: cnp.sum(x * cnp.log(x)), np.array([30.0]), method=method)
        np.testing.assert_allclose(found.x, np.exp(-1), rtol=1e-4)


@pytest.mark.parametrize("method", _METHODS)
def test_statuses(method):
    few = minimize(_rosenbrock, cnp.zeros(2), method=method, options={"maxiter": 3})
    assert (int(few.status), bool(few.success), int(few.nit)) == (1, False, 3)
    at_once = minimize(_matyas, cnp.zeros(2), method=method)
    assert (int(at_once.status), bool(at_once.success), int(at_once.nit), int(at_once.nfev)) == (0, True, 0, 1)
    # The function falls without bound beside a point at which nothing falls: its gradient is wrong.
    kinked = cotan.custom_jvp(lambda x: cnp.sum(cnp.abs(x)))
    kinked.defjvp(lambda x, t: (kinked(*x), cnp.sum(-t[0])))
    assert int(minimize(kinked, cnp.full(1, 1.0), method=method).status) == 5
    assert int(minimize(_rosenbrock, cnp.zeros(2), method=method, tol=10.0).nit) == 0


def test_limits_of_the_second_method():
    run = lambda **options: int(minimize(_rosenbrock, cnp.zeros(2), method=_METHODS[1], options=options).status)  # noqa: E731
    assert run(maxfun=4) == 2
    assert run(maxgrad=4) == 3
    assert run(ftol=10.0) == 4
    assert run(maxiter=0) == 1


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="no method 'newton'"):
        minimize(_matyas, cnp.zeros(2), method="newton")
    with pytest.raises(TypeError, match="args must be a tuple"):
        minimize(_matyas, cnp.zeros(2), 3.0, method="BFGS")
    with pytest.raises(TypeError, match="real vector"):
        minimize(_matyas, cnp.zeros((2, 2)), method="BFGS")
    with pytest.raises(TypeError, match="real scalar"):
        minimize(lambda x: x, cnp.zeros(2), method="BFGS")
    with pytest.raises(TypeError, match="has no option 'step'"):
        minimize(_matyas, cnp.zeros(2), method="BFGS", options={"step": 1})
