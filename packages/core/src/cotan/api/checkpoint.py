"""checkpoint for users: derivatives that recompute values in the backward pass, and policies of what they keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan.api.arguments import Argnames, Argnums, resolve_options
from cotan.api.bodies import present_variables
from cotan.api.flat import Function, check_callable, copy_identity, subject
from cotan.api.policies import MAKERS, checkpoint_policies
from cotan.api.programs import find_program, programs_of
from cotan.errors import where
from cotan.primitives.call import name_p, remat_p
from cotan.tracebacks import boundary
from cotan.transforms.remat import Policy
from cotan.tree import tree_map

_REMOVED: Any = object()


@boundary
def checkpoint(
    fun: Function | None = None,
    *,
    prevent_cse: bool | Sequence[bool] = True,
    policy: Policy | None = None,
    static_argnums: Argnums = None,
    static_argnames: Argnames = None,
    concrete: Any = _REMOVED,
) -> Any:
    """A function that does what ``fun`` does, but whose reverse-mode derivative keeps only its arguments.

    The other values that the backward pass needs are computed again there: less memory for more work.

    Args:
      fun: the function; without it the result is a decorator with these options.
      prevent_cse: keep the compiler from recognising the recomputation and undoing it. (A sequence counts as true if
        one of its entries is.)
      policy: which values may be kept all the same; see ``checkpoint_policies``. None: none of them.
      static_argnums, static_argnames: positions or names of arguments that are Python values, not data. Where one is
        not hashable, ``fun`` is traced anew by every call.
      concrete: no longer accepted; name arguments on whose values Python branches as static.

    Raises:
      TypeError: ``fun`` or ``policy`` is not callable; (when called) an argument or result is not an array.

    >>> import cotan, cotan.numpy as cnp
    >>> f = cotan.checkpoint(lambda x: cnp.sin(cnp.sin(x)))
    >>> bool(cotan.grad(f)(0.0) == 1.0)
    True
    """

    guarded = any(prevent_cse) if isinstance(prevent_cse, Sequence) else bool(prevent_cse)

    def decorate(function: Function) -> Function:
        check_callable("checkpoint", function)
        _check_options(function, policy, concrete)
        options = resolve_options("checkpoint", function, static_argnums or None, static_argnames or None)
        programs = programs_of("checkpoint", function, options)

        @boundary
        def recomputed(*args: Any, **kwargs: Any) -> Any:
            with present_variables(function, programs):
                program, leaves, _ = find_program("checkpoint", function, options, programs, args, kwargs, keyed=False)
            operands = [*program.outer, *leaves]
            outs = remat_p.bind(*operands, jaxpr=program.closed, policy=policy, prevent_cse=guarded)
            return program.out_tree.unflatten(outs)

        return copy_identity(recomputed, function, "checkpoint")

    return decorate if fun is None else decorate(fun)


remat = checkpoint


def _check_options(fun: Function, policy: Any, concrete: Any) -> None:
    if concrete is not _REMOVED:
        raise NotImplementedError(
            f"{subject('checkpoint', fun)}: the option concrete has been removed. Name the arguments on whose values "
            "the function branches in static_argnums."
        )
    if any(policy is maker for maker in MAKERS):
        raise TypeError(
            f"{subject('checkpoint', fun)}: policy={policy.__name__.removeprefix('_')} makes a policy and is none "
            "itself: call it first"
        )
    if not (policy is None or callable(policy)):
        raise TypeError(
            f"{subject('checkpoint', fun)}: policy must be None or a function such as "
            f"cotan.checkpoint_policies.dots_saveable, got {policy!r}"
        )


def checkpoint_name(x: Any, name: str) -> Any:
    """A pytree of arrays as it is, each under a name by which a policy of ``checkpoint`` may keep it.

    Raises:
      TypeError: ``name`` is not a string.

    >>> import cotan, cotan.numpy as cnp
    >>> policy = cotan.checkpoint_policies.save_only_these_names("bent")
    >>> f = cotan.checkpoint(lambda x: cnp.sin(cotan.ad_checkpoint.checkpoint_name(cnp.sin(x), "bent")), policy=policy)
    >>> cotan.ad_checkpoint.print_saved_residuals(f, 1.0)  # doctest: +ELLIPSIS
    ~f32[] from the argument `x`
    ~f32[] named `bent` from ...
    """
    if not isinstance(name, str):
        raise TypeError(f"{where()}: checkpoint_name: name must be a string, got {name!r}")
    return tree_map(lambda leaf: name_p.bind(leaf, name=name), x)


__all__ = ["checkpoint", "checkpoint_name", "checkpoint_policies", "remat"]
