"""`minimize`: arguments, methods and the record of results. Knows the methods by name, not how they work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan import numpy as cnp


class OptimizeResults(NamedTuple):
    """What `minimize` found.

    Attributes:
      x: the best point, of the shape and dtype of ``x0``.
      success: whether the norm of the gradient fell below ``gtol``.
      status: 0 converged, 1 ``maxiter`` reached, 2 or 3 too many evaluations, 4 no more progress, 5 the line search
        found no acceptable step.
      fun: the function's value at ``x``.
      jac: its gradient there.
      hess_inv: the approximate inverse of its Hessian (None for the method of limited memory).
      nfev: how often the function was evaluated.
      njev: how often its gradient was.
      nit: how many steps were made.
    """

    x: Any
    success: Any
    status: Any
    fun: Any
    jac: Any
    hess_inv: Any
    nfev: Any
    njev: Any
    nit: Any


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: tuple[Any, ...] = (),
    *,
    method: str,
    tol: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> OptimizeResults:
    """A local minimum of a smooth function of a vector, by quasi-Newton steps and a line search.

    It can be compiled, mapped, and differentiated forward (the number of steps depends on values, so there is no
    reverse mode through it; for a gradient of the minimum use `cotan.lax.custom_root` on the gradient of ``fun``).

    Args:
      fun: ``fun(x, *args)``, a real scalar, differentiable.
      x0: where to begin, of shape (n,), real.
      args: a tuple of further arguments.
      method: 'BFGS', or 'l-bfgs-experimental-do-not-use' for the form that keeps only the last few steps.
      tol: the bound of the gradient's norm, if ``options`` has no 'gtol'.
      options: 'maxiter' (default 200 n; unbounded for the second method), 'gtol' (1e-5), 'norm' (the order of the
        gradient's norm, infinity) and 'line_search_maxiter' (10); for the second method also 'maxcor' (10 steps are
        kept), 'ftol' (the least progress of a step), 'maxfun', 'maxgrad', and 'maxls' (20) for the line search.

    Raises:
      TypeError: ``args`` is no tuple, ``x0`` no real vector, ``fun`` gives no real scalar, or an unknown option.
      ValueError: another method.

    Source: Nocedal and Wright, "Numerical Optimization" (2nd ed.), algorithms 6.1 and 7.4.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.optimize import minimize
    >>> found = minimize(lambda x: cnp.sum((x - cnp.array([1.0, 2.0])) ** 2), cnp.zeros(2), method="BFGS")
    >>> cnp.round(found.x, 3), bool(found.success)
    (Array([1., 2.], dtype=float32), True)
    """
    if not isinstance(args, tuple):
        raise TypeError(f"minimize: args must be a tuple of further arguments of fun, got {args!r}; write (value,)")
    x0 = cnp.asarray(x0)
    if x0.ndim != 1 or dtypes.issubdtype(x0.dtype, np.complexfloating):
        raise TypeError(
            f"minimize: x0 must be a real vector, got {x0.dtype} of shape {x0.shape}; "
            "flatten other arguments by cotan.flatten_util.ravel_pytree"
        )
    if not dtypes.issubdtype(x0.dtype, np.inexact):
        x0 = x0.astype(cnp.result_type(x0.dtype, float))

    def of_one_argument(x: Any) -> Any:
        value = cnp.asarray(fun(x, *args))
        if value.ndim or dtypes.issubdtype(value.dtype, np.complexfloating):
            raise TypeError(
                f"minimize: fun must give a real scalar, and gave {value.dtype} of shape {value.shape}; "
                "reduce it, by cotan.numpy.sum or mean"
            )
        return value.astype(x.dtype)

    given = dict(options or {})
    if tol is not None:
        given.setdefault("gtol", tol)
    solver = _solver(method)
    known = solver.__kwdefaults__
    if unknown := sorted(set(given) - set(known)):
        raise TypeError(f"minimize: {method} has no option {unknown[0]!r}; it has {', '.join(sorted(known))}")
    x, success, status, value, gradient, inverse, evaluations, steps = solver(of_one_argument, x0, **given)
    return OptimizeResults(x, success, status, value, gradient, inverse, evaluations, evaluations, steps)


def _solver(method: str) -> Callable[..., Any]:
    from cotan.scipy.optimize.quasi_newton import bfgs, limited_memory_bfgs

    solvers = {"bfgs": bfgs, "l-bfgs-experimental-do-not-use": limited_memory_bfgs}
    try:
        return solvers[method.lower()]
    except KeyError:
        raise ValueError(
            f"minimize: there is no method {method!r}; 'BFGS' is one, and 'l-bfgs-experimental-do-not-use'"
        ) from None
