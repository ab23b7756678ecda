"""Forward and backward passes as two functions for users, which are compiled once."""

from __future__ import annotations

from typing import Any

from cotan.api.autodiff import Argnums, vjp
from cotan.api.flat import Function, check_callable
from cotan.api.jit import jit
from cotan.errors import where
from cotan.tracebacks import boundary
from cotan.tree.calling import fun_name


@boundary
def fwd_and_bwd(
    fun: Function, argnums: Argnums, has_aux: bool = False, jitted: bool = True
) -> tuple[Function, Function]:
    """Two functions: ``fun`` that also gives what its backward pass needs, and the backward pass.

    Unlike the function that ``vjp`` gives, the backward pass is one function for all calls, so it is compiled once.

    Args:
      argnums: the positional argument, or arguments, to differentiate.
      has_aux: whether ``fun`` returns a pair, whose second part is passed on.
      jitted: whether both are compiled.

    Returns:
      ``fwd(*args)``, which gives ``(out, residuals)``, and aux if there is one, and ``bwd(residuals, ct)``, which gives
      the cotangent of the argument, or a tuple of those of the arguments.

    Raises:
      TypeError: ``fun`` is not callable. ValueError: (when called) there is no such argument.

    >>> import cotan
    >>> fwd, bwd = cotan.fwd_and_bwd(lambda x, y: x * y, argnums=(0, 1))
    >>> out, residuals = fwd(3.0, 4.0)
    >>> [float(ct) for ct in bwd(residuals, 1.0)]
    [4.0, 3.0]
    """
    check_callable("fwd_and_bwd", fun)
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def fwd(*args: Any, **kwargs: Any) -> Any:
        for number in numbers:
            if not -len(args) <= number < len(args):
                raise ValueError(
                    f"{where()}: fwd_and_bwd of `{fun_name(fun)}`: argnums names argument {number}, and there are "
                    f"{len(args)} positional ones"
                )
        places = [number % len(args) for number in numbers]

        def of_chosen(*chosen: Any) -> Any:
            every = list(args)
            for place, value in zip(places, chosen, strict=True):
                every[place] = value
            return fun(*every, **kwargs)

        return vjp(of_chosen, *(args[place] for place in places), has_aux=has_aux)

    def bwd(residuals: Any, ct: Any) -> Any:
        found = residuals(ct)
        return found[0] if isinstance(argnums, int) else found

    return (jit(fwd), jit(bwd)) if jitted else (fwd, bwd)
