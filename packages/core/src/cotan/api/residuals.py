"""print_saved_residuals: what the derivative of a function keeps from its forward pass, and where that comes from."""

from __future__ import annotations

from typing import Any

from cotan.api.flat import FlatFunction, Function, check_argument_leaves, check_callable
from cotan.errors import format_frame
from cotan.ir.avals import get_aval
from cotan.ir.jaxpr import Eqn, Jaxpr, Literal
from cotan.primitives.call import name_p
from cotan.tracebacks import boundary
from cotan.transforms.partial_eval import linearize_flat
from cotan.transforms.prune import prune
from cotan.transforms.stage import stage_to_jaxpr
from cotan.tree import tree_flatten
from cotan.tree.calling import ArgNames, fun_name


@boundary
def print_saved_residuals(f: Function, *args: Any, **kwargs: Any) -> None:
    """Print which values reverse-mode differentiation of ``f`` keeps from the forward pass, one on a line.

    Args:
      args, kwargs: arguments of ``f``, of which only structure, shapes and dtypes matter.

    Raises:
      TypeError: an argument is not an array.

    >>> import cotan, cotan.numpy as cnp
    >>> from cotan.ad_checkpoint import print_saved_residuals
    >>> print_saved_residuals(cotan.checkpoint(lambda w, x: cnp.sin(w @ x)), cnp.ones((2, 3)), cnp.ones(3))
    f32[2,3] from the argument `w`
    f32[3] from the argument `x`
    """
    print("\n".join(saved_residuals(f, *args, **kwargs)))


def saved_residuals(f: Function, *args: Any, **kwargs: Any) -> list[str]:
    """The lines of ``print_saved_residuals``."""
    check_callable("print_saved_residuals", f)
    leaves, tree = tree_flatten((args, kwargs))
    names = ArgNames(f, tree)
    check_argument_leaves("print_saved_residuals", f, leaves, names)

    def forward(*primals: Any) -> list[Any]:
        linear = linearize_flat(FlatFunction("print_saved_residuals", f, tree), primals)
        return prune(linear.jaxpr, linear.residuals)[1]

    jaxpr, _ = stage_to_jaxpr(forward, [get_aval(x) for x in leaves], name=fun_name(f), arg_names=tuple(names))
    made_by = {var: eqn for eqn in jaxpr.eqns for var in eqn.outvars}
    return [f"{atom.aval.short()} {_origin(atom, jaxpr, made_by)}" for atom in dict.fromkeys(jaxpr.outvars)]


def _origin(atom: Any, jaxpr: Jaxpr, made_by: dict[Any, Eqn]) -> str:
    if isinstance(atom, Literal):
        return f"the number {atom.val}"
    if atom in jaxpr.invars:
        return f"from the argument `{jaxpr.arg_names[jaxpr.invars.index(atom)]}`"
    if atom in jaxpr.constvars:
        return "from a constant"
    eqn = made_by[atom]
    place = format_frame(eqn.source)
    if eqn.primitive is name_p:
        return f"named `{eqn.params['name']}` from {place}"
    called = eqn.params.get("name") if eqn.primitive.higher_order else None
    return f"output of {eqn.primitive}{f' of `{called}`' if called else ''} from {place}"
