"""checkpoint for users: derivatives that recompute values in the backward pass, and policies of what they keep."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from cotan.api.arguments import Argnums, resolve_options
from cotan.api.flat import Function, check_callable, copy_identity
from cotan.api.programs import find_program, programs_of
from cotan.ir.primitive import Primitive
from cotan.primitives.call import checkpoint_name, name_p, remat_p
from cotan.primitives.dot import dot_general_p
from cotan.transforms.remat import Policy


def checkpoint(
    fun: Function | None = None,
    /,
    *,
    prevent_cse: bool = True,
    policy: Policy | None = None,
    static_argnums: Argnums = None,
) -> Any:
    """A function that does what ``fun`` does, but whose reverse-mode derivative keeps only its arguments.

    The other values that the backward pass needs are computed again there: less memory for more work.

    Args:
      fun: the function; without it the result is a decorator with these options.
      prevent_cse: keep the compiler from recognising the recomputation and undoing it.
      policy: which values may be kept all the same; see ``checkpoint_policies``. None: none of them.
      static_argnums: positions of arguments that are Python values, not data; they must be hashable.

    Raises:
      TypeError: ``fun`` is not callable; (when called) an argument or result is not an array.

    >>> import cotan, cotan.numpy as cnp
    >>> f = cotan.checkpoint(lambda x: cnp.sin(cnp.sin(x)))
    >>> bool(cotan.grad(f)(0.0) == 1.0)
    True
    """

    def decorate(function: Function) -> Function:
        check_callable("checkpoint", function)
        options = resolve_options("checkpoint", function, static_argnums, None)
        programs = programs_of("checkpoint", function, options)

        def recomputed(*args: Any, **kwargs: Any) -> Any:
            program, leaves, _ = find_program("checkpoint", function, options, programs, args, kwargs)
            operands = [*program.outer, *leaves]
            outs = remat_p.bind(*operands, jaxpr=program.closed, policy=policy, prevent_cse=prevent_cse)
            return program.out_tree.unflatten(outs)

        return copy_identity(recomputed, function, "checkpoint")

    return decorate if fun is None else decorate(fun)


remat = checkpoint


# ---- Policies: (primitive, *operand avals, **params) -> whether its results may be kept


def _everything(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    return True


def _nothing(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    return False


def _dots(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    return primitive is dot_general_p


def _dots_without_batch(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    return primitive is dot_general_p and not params["dimension_numbers"][1][0]


def _save_only_these_names(*names: str) -> Policy:
    """Keep only values marked by ``checkpoint_name`` with one of ``names``."""
    wanted = frozenset(names)
    return lambda primitive, *avals, **params: primitive is name_p and params["name"] in wanted


def _save_any_names_but_these(*names: str) -> Policy:
    """Keep all values marked by ``checkpoint_name``, but for these ``names``."""
    unwanted = frozenset(names)
    return lambda primitive, *avals, **params: primitive is name_p and params["name"] not in unwanted


def _save_from_both_policies(first: Policy, second: Policy) -> Policy:
    """Keep what either policy allows."""
    return lambda primitive, *avals, **params: first(primitive, *avals, **params) or second(primitive, *avals, **params)


checkpoint_policies = SimpleNamespace(
    everything_saveable=_everything,
    nothing_saveable=_nothing,
    dots_saveable=_dots,
    checkpoint_dots=_dots,
    dots_with_no_batch_dims_saveable=_dots_without_batch,
    checkpoint_dots_with_no_batch_dims=_dots_without_batch,
    save_only_these_names=_save_only_these_names,
    save_any_names_but_these=_save_any_names_but_these,
    save_from_both_policies=_save_from_both_policies,
)

__all__ = ["checkpoint", "checkpoint_name", "checkpoint_policies", "remat"]
