"""linear_call for users: linear functions with a transpose of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cotan.api.flat import Function, check_callable, check_result_leaves, lift_leaf, subject
from cotan.errors import a_type, where
from cotan.ir.avals import get_aval, is_array_like, same_type, tangent_aval
from cotan.ir.jaxpr import ClosedJaxpr, Var
from cotan.primitives.linear_call import linear_call as call
from cotan.structural import convert_element_type
from cotan.transforms.custom import Lifted, stage_lifted
from cotan.tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path, tree_structure
from cotan.tree.calling import fun_name


def linear_call(
    fun: Callable[[Any, Any], Any], fun_transpose: Callable[[Any, Any], Any], residual_args: Any, linear_args: Any
) -> Any:
    """Call a linear function whose transpose is given; the transpose of that is ``fun`` again.

    Args:
      fun: ``fun(residual_args, linear_args) -> out``, linear in its second argument.
      fun_transpose: ``fun_transpose(residual_args, ct) -> cotangents``, of the structure, shapes and dtypes of
        linear_args, linear in ct, which is like out.
      residual_args, linear_args: arrays or pytrees of them.

    Returns:
      ``fun(residual_args, linear_args)``.

    Raises:
      TypeError: something is not an array, or the transpose does not fit ``fun``.

    >>> import cotan, cotan.numpy as cnp
    >>> from cotan.custom_derivatives import linear_call
    >>> def halved(x):
    ...     return linear_call(lambda r, x: x / r, lambda r, ct: ct / r, 2.0, x)
    >>> float(cotan.grad(halved)(3.0))
    0.5
    """
    check_callable("linear_call", fun)
    check_callable("linear_call", fun_transpose)
    residuals, res_tree = tree_flatten(residual_args)
    operands, in_tree = tree_flatten(linear_args)
    for what, tree, leaves in (("residual_args", residual_args, residuals), ("linear_args", linear_args, operands)):
        _check_arrays(fun, what, tree, leaves)
    count = len(residuals)
    out_tree: Any = None

    def forward(*flat: Any) -> list[Any]:
        nonlocal out_tree
        out = fun(res_tree.unflatten(flat[:count]), in_tree.unflatten(flat[count:]))
        outs, out_tree = tree_flatten(out)
        check_result_leaves("linear_call", fun, out, outs)
        return list(map(lift_leaf, outs))

    res_avals, in_avals = [get_aval(x) for x in residuals], [get_aval(x) for x in operands]
    one = stage_lifted(forward, [*res_avals, *in_avals], name=fun_name(fun), by="linear_call")

    def backward(*flat: Any) -> list[Any]:
        back = fun_transpose(res_tree.unflatten(flat[:count]), out_tree.unflatten(flat[count:]))
        return _fitting(fun, fun_transpose, back, in_tree, in_avals)

    ct_avals = [tangent_aval(a) for a in one.closed.out_avals]
    two = stage_lifted(
        backward, [*res_avals, *ct_avals], name=fun_name(fun_transpose), by="linear_call", adopted=one.tracers
    )
    outs = call(_taking(one, two), two.closed, [*two.tracers, *residuals], operands)
    return out_tree.unflatten(outs)


def _check_arrays(fun: Function, what: str, tree: Any, leaves: list[Any]) -> None:
    if all(map(is_array_like, leaves)):
        return
    for path, leaf in tree_flatten_with_path(tree)[0]:
        if not is_array_like(leaf):
            raise TypeError(f"{subject('linear_call', fun)}: {what}{keystr(path)} is {a_type(leaf)}, not an array")


def _fitting(fun: Function, fun_transpose: Function, back: Any, in_tree: PyTreeDef, in_avals: list[Any]) -> list[Any]:
    """The leaves of cotangents, which must be like the linear arguments."""
    who = f"{where()}: linear_call of `{fun_name(fun)}`: its transpose `{fun_name(fun_transpose)}`"
    tree = tree_structure(back)
    if tree != in_tree:
        raise TypeError(f"{who} must return something of the structure of linear_args, {in_tree}, got {tree}")
    done = []
    for (path, ct), aval in zip(tree_flatten_with_path(back)[0], in_avals, strict=True):
        if type(ct) in (int, float, complex) and not aval.shape:
            ct = convert_element_type(ct, aval.dtype, aval.weak_type)
        if not is_array_like(ct) or not same_type(get_aval(ct), tangent_aval(aval)):
            got = get_aval(ct).short() if is_array_like(ct) else a_type(ct)
            raise TypeError(f"{who} must return {tangent_aval(aval).short()} for linear_args{keystr(path)}, got {got}")
        done.append(ct)
    return done


def _taking(one: Lifted, two: Lifted) -> ClosedJaxpr:
    """The first function with what only the second closes over as further, unused arguments."""
    jaxpr = one.closed.jaxpr
    known = len(one.tracers)
    more = [Var(x.aval) for x in two.tracers[known:]]
    if not more:
        return one.closed
    invars = [*jaxpr.invars[:known], *more, *jaxpr.invars[known:]]
    return ClosedJaxpr(jaxpr.replace(invars=invars, arg_names=()), one.closed.consts)
