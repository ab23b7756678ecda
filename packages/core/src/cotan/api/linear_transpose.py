"""linear_transpose for users: the transpose of a function that is promised to be linear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api.autodiff import refuse_reduce_axes
from cotan.api.flat import FlatFunction, Function, check_callable, lift_leaf, subject
from cotan.api.tracing import avals_of
from cotan.errors import a_type, where
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, same_type
from cotan.ir.evaluate import eval_jaxpr
from cotan.ir.jaxpr import Jaxpr
from cotan.ir.rules import MissingRuleError
from cotan.structural import NotLinearError, Zero, zeros_like_aval
from cotan.tracebacks import boundary
from cotan.transforms.stage import stage_to_jaxpr
from cotan.transforms.transpose import backward_pass
from cotan.tree import keystr, tree_flatten, tree_flatten_with_path
from cotan.tree.calling import ArgNames, fun_name


@boundary
def linear_transpose(fun: Function, *primals: Any, reduce_axes: Sequence[Any] = ()) -> Function:
    """The transpose of a linear function, which maps cotangents of its result to those of its arguments.

    It is what ``vjp`` gives for such a function, without values at which to differentiate. Terms that do not depend on
    the arguments count for nothing.

    Args:
      fun: linear in all of its arguments together; from floating-point or complex arrays to such, or from integers to
        integers.
      primals: examples of the arguments, of which only structure, shapes and dtypes matter: arrays, or anything with a
        ``shape`` and a ``dtype``.
      reduce_axes: must be empty; sum cotangents over named axes with ``lax.psum``.

    Returns:
      A function of one cotangent, with the structure, shapes and dtypes of the result of ``fun``, that returns a tuple
      of cotangents, one per argument.

    Raises:
      TypeError: ``fun`` is not linear, dtypes are mixed, or (when called) the cotangent does not fit the result.

    >>> import cotan, cotan.numpy as cnp
    >>> transposed = cotan.linear_transpose(lambda x: cnp.stack([x[0] + x[1], 3 * x[1]]), cnp.zeros(2))
    >>> transposed(cnp.array([1.0, 10.0]))
    (Array([ 1., 31.], dtype=float32),)
    """
    check_callable("linear_transpose", fun)
    refuse_reduce_axes("linear_transpose", fun, reduce_axes)
    leaves, tree = tree_flatten((primals, {}))
    known = avals_of("linear_transpose", fun, leaves, ArgNames(fun, tree))
    flat = FlatFunction("linear_transpose", fun, tree)
    jaxpr, consts = stage_to_jaxpr(flat, known, name=fun_name(fun), by="linear_transpose")
    _check_dtypes(fun, known, jaxpr.out_avals)
    turned, residuals = _turned(fun, jaxpr, consts)

    @boundary
    def transposed(ct: Any) -> Any:
        given, given_tree = tree_flatten(ct)
        if given_tree != flat.out_tree:
            raise TypeError(
                f"{where()}: the transpose of `{fun_name(fun)}` takes one cotangent of the structure of its result, "
                f"{flat.out_tree}, got {given_tree}"
            )
        for k, (aval, leaf) in enumerate(zip(jaxpr.out_avals, given, strict=True)):
            if not is_array_like(leaf) or not same_type(get_aval(leaf), aval):
                path = keystr(tree_flatten_with_path(ct)[0][k][0])
                got = get_aval(leaf).short() if is_array_like(leaf) else a_type(leaf)
                raise TypeError(
                    f"{where()}: the transpose of `{fun_name(fun)}` takes a cotangent {aval.short()}"
                    f"{' at ' + path if path else ''}, got {got}"
                )
        back = eval_jaxpr(turned, residuals, *map(lift_leaf, given))
        return tree.children()[0].unflatten(list(map(lift_leaf, back)))

    return transposed


def _check_dtypes(fun: Function, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> None:
    for kind in (np.inexact, np.integer):
        if all(dtypes.issubdtype(aval.dtype, kind) for aval in (*ins, *outs)):
            return
    shown = [", ".join(dtypes.short_name(aval.dtype) for aval in avals) for avals in (ins, outs)]
    raise TypeError(
        f"{subject('linear_transpose', fun)}: a linear function maps floating-point and complex arrays to such, or "
        f"integers to integers, but this one maps ({shown[0]}) to ({shown[1]}). Close over arguments that it is not "
        "linear in."
    )


def _turned(fun: Function, jaxpr: Jaxpr, consts: Sequence[Any]) -> tuple[Jaxpr, list[Any]]:
    """The transposed program, from cotangents of the results to those of the arguments, and its constants."""

    def backward(*cts: Any) -> list[Any]:
        back = backward_pass(jaxpr, consts, cts)
        return [zeros_like_aval(v.aval) if type(c) is Zero else c for v, c in zip(jaxpr.invars, back, strict=True)]

    problem = f"{subject('linear_transpose', fun)}: the function is not linear in its arguments"
    try:
        return stage_to_jaxpr(backward, jaxpr.out_avals, name=jaxpr.name, by="linear_transpose")
    except MissingRuleError as error:
        raise TypeError(f"{problem}: {error}") from error
    except NotLinearError:
        raise TypeError(f"{problem}: it combines two values that depend on them, as a product does") from None
