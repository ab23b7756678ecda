"""Jacobians and Hessians for users: derivatives in all unit directions at once, and the shapes of the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api.autodiff import Argnums, chosen_arguments, in_argument_tree
from cotan.api.flat import Function, check_callable, copy_identity, subject
from cotan.api.vmap import vmap
from cotan.ir.avals import ShapedArray, get_aval, shaped, tangent_aval
from cotan.primitives.arithmetic import add
from cotan.primitives.cast import convert_element_type
from cotan.primitives.compare import eq
from cotan.primitives.shape import broadcasted_iota, reshape
from cotan.primitives.slice import slice
from cotan.structural import Zero, instantiate, zeros_like_aval
from cotan.tracebacks import boundary
from cotan.transforms.jvp import jvp_flat
from cotan.transforms.partial_eval import linearize_flat
from cotan.transforms.transpose import backward_pass


@boundary
def jacfwd(fun: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> Function:
    """A function that computes the Jacobian of ``fun``, column by column in forward mode.

    Cheaper than ``jacrev`` where the argument is not larger than the result.

    Args:
      argnums: the positional argument, or arguments, to differentiate.
      has_aux: whether ``fun`` returns a pair ``(result, aux)``; then the Jacobian comes with aux.
      holomorphic: whether ``fun`` is promised to be holomorphic; then arguments and result are complex. Otherwise the
        arguments are real; a complex result has a complex Jacobian, and an integer one zeros.

    Returns:
      A function whose result has the structure of the result of ``fun``, at each leaf the structure of the argument,
      and arrays of shape ``result.shape + argument.shape``.

    Raises:
      TypeError: (when called) an argument to differentiate is not floating-point.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.jacfwd(lambda x: cnp.stack([x[0] * x[1], x[1]]))(cnp.array([2.0, 3.0]))
    Array([[3., 2.],
           [0., 1.]], dtype=float32)
    """
    check_callable("jacfwd", fun)

    @boundary
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        leaves, flat = chosen_arguments("jacfwd", fun, argnums, args, kwargs, has_aux, holomorphic)

        types: list[ShapedArray] = []

        def push(*tangents: Any) -> tuple[list[Any], list[Any]]:
            outs, moved = jvp_flat(flat, leaves, list(tangents))
            outs, aux = flat.split(outs)
            if holomorphic:
                _check_results("jacfwd", fun, outs, True)
            types.extend(map(get_aval, outs))
            return [_dense(t, y) for t, y in zip(flat.split(moved)[0], types, strict=True)], aux

        columns, aux = vmap(push, out_axes=(-1, None))(*_standard_basis(leaves))
        rows = [
            [_typed(piece, y) for piece in _cut(column, leaves, len(get_aval(column).shape) - 1)]
            for column, y in zip(columns, types, strict=True)
        ]
        jac = flat.out_tree.unflatten([in_argument_tree(flat, row, argnums) for row in rows])
        return (jac, flat.aux(aux)) if has_aux else jac

    return copy_identity(jacobian, fun, "jacfwd")


@boundary
def jacrev(
    fun: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False, allow_int: bool = False
) -> Function:
    """A function that computes the Jacobian of ``fun``, row by row in reverse mode; see ``jacfwd``.

    Cheaper than ``jacfwd`` where the argument is larger than the result.

    Args:
      allow_int: whether integer arguments are accepted; their Jacobians are zeros of their dtype.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.jacrev(lambda x: cnp.stack([x[0] * x[1], x[1]]))(cnp.array([2.0, 3.0]))
    Array([[3., 2.],
           [0., 1.]], dtype=float32)
    """
    check_callable("jacrev", fun)

    @boundary
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        leaves, flat = chosen_arguments("jacrev", fun, argnums, args, kwargs, has_aux, holomorphic, allow_int)
        lin = linearize_flat(flat, leaves, passing=True)
        outs, aux = flat.split(lin.outs)
        _check_results("jacrev", fun, outs, holomorphic)
        zeros = lin.out_zeros[: len(outs)]
        jaxpr = lin.jaxpr.replace(outvars=lin.jaxpr.outvars[: zeros.count(False)])

        inexact = [tangent_aval(get_aval(x)).dtype != dtypes.float0 for x in leaves]

        def pull(*cts: Any) -> list[Any]:
            given = [ct for ct, zero in zip(cts, zeros, strict=True) if not zero]
            back = backward_pass(jaxpr, lin.residuals, given)
            return [instantiate(ct) for ct, n in zip(back, inexact, strict=True) if n]

        rows = iter(vmap(pull)(*_standard_basis(outs)))
        by_argument = [
            [_typed(piece, get_aval(x)) for piece in _cut(next(rows), outs, 0)] if n else _no_rows(outs, x)
            for x, n in zip(leaves, inexact, strict=True)
        ]
        by_result = zip(*by_argument, strict=True) if by_argument else [()] * len(outs)
        jac = flat.out_tree.unflatten([in_argument_tree(flat, list(row), argnums) for row in by_result])
        return (jac, flat.aux(aux)) if has_aux else jac

    return copy_identity(jacobian, fun, "jacrev")


jacobian = jacrev


@boundary
def hessian(fun: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> Function:
    """A function that computes the Hessian of ``fun``: forward mode over reverse mode. See ``jacfwd``.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.hessian(lambda x: x[0] ** 2 * x[1])(cnp.array([2.0, 3.0]))
    Array([[6., 4.],
           [4., 0.]], dtype=float32)
    """
    inner = jacrev(fun, argnums, has_aux=has_aux, holomorphic=holomorphic)
    return jacfwd(inner, argnums, has_aux=has_aux, holomorphic=holomorphic)


def _check_results(api: str, fun: Function, outs: Sequence[Any], holomorphic: bool) -> None:
    for y in outs:
        dtype = get_aval(y).dtype
        if dtypes.issubdtype(dtype, np.complexfloating if holomorphic else np.floating):
            continue
        if dtypes.issubdtype(dtype, np.complexfloating):
            advice = "pass holomorphic=True if the function is holomorphic, or take its real and imaginary parts"
        else:
            advice = "return what has no derivative as aux (has_aux=True)"
        kind = "complex (holomorphic=True)" if holomorphic else "real and floating-point"
        raise TypeError(
            f"{subject(api, fun)}: the result must be {kind}, but has dtype {dtypes.short_name(dtype)}; {advice}"
        )


def _dense(tangent: Any, result: ShapedArray) -> Any:
    """``tangent`` as an array; that of an integer result as zeros of its dtype."""
    if type(tangent) is Zero and tangent.aval.dtype == dtypes.float0:
        return zeros_like_aval(result)
    return instantiate(tangent)


def _no_rows(outs: Sequence[Any], x: Any) -> list[Any]:
    """The derivatives by an integer argument: zeros of its dtype."""
    aval = get_aval(x)
    return [zeros_like_aval(shaped(get_aval(y).shape + aval.shape, aval.dtype)) for y in outs]


def _typed(x: Any, like: ShapedArray) -> Any:
    """``x`` with the dtype and the weak type of ``like``."""
    return convert_element_type(x, like.dtype, weak_type=like.weak_type)


def _standard_basis(leaves: Sequence[Any]) -> list[Any]:
    """For each leaf the unit directions of all leaves together, along a new first axis."""
    avals = [get_aval(x) for x in leaves]
    total = sum(a.size for a in avals)
    basis: list[Any] = []
    offset = 0
    for aval in avals:
        if aval.size:
            shape = (total, aval.size)
            rows, columns = (broadcasted_iota(np.dtype(np.int32), shape, axis) for axis in (0, 1))
            units = convert_element_type(eq(rows, add(columns, offset)), aval.dtype)
            basis.append(reshape(units, (total, *aval.shape)))
        else:
            basis.append(zeros_like_aval(shaped((total, *aval.shape), aval.dtype)))
        offset += aval.size
    return basis


def _cut(stacked: Any, leaves: Sequence[Any], axis: int) -> list[Any]:
    """``stacked``, whose ``axis`` runs over the elements of all leaves, as one array per leaf with its axes there."""
    pieces: list[Any] = []
    start = 0
    for leaf in leaves:
        aval = get_aval(leaf)
        shape = get_aval(stacked).shape
        lower = tuple(start if k == axis else 0 for k in range(len(shape)))
        upper = tuple(start + aval.size if k == axis else n for k, n in enumerate(shape))
        piece = slice(stacked, lower, upper)
        pieces.append(reshape(piece, (*shape[:axis], *aval.shape, *shape[axis + 1 :])))
        start += aval.size
    return pieces
