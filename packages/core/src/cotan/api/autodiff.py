"""Derivatives for users: jvp, vjp, linearize, grad, value_and_grad.

Argument handling, pytrees and messages. The mathematics is in the primitives' rules, the machinery in ``transforms``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api.flat import (
    FlatFunction,
    Function,
    FunctionOfSome,
    check_argument_leaves,
    check_callable,
    copy_identity,
    lift_leaf,
    subject,
)
from cotan.api.jit import jit
from cotan.errors import a_type, where
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, shaped, tangent_aval
from cotan.ir.evaluate import eval_jaxpr
from cotan.ir.jaxpr import Jaxpr
from cotan.runtime.array import Array
from cotan.runtime.host import lift_to
from cotan.structural import Zero, instantiate
from cotan.tracebacks import boundary, trim, trims
from cotan.transforms.gradients import value_and_cotangents
from cotan.transforms.jvp import jvp_flat
from cotan.transforms.partial_eval import linearize_flat
from cotan.transforms.prune import prune
from cotan.transforms.transpose import backward_pass
from cotan.tree import Partial, PyTreeDef, keystr, leaf_treedef, tree_flatten, tree_flatten_with_path, tree_structure
from cotan.tree.calling import ArgNames, fun_code, fun_name, normalize_argnums

Argnums = int | Sequence[int]


# ---- Forward mode


@boundary
def jvp(fun: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> tuple[Any, ...]:
    """The value of ``fun`` and its derivative in one direction.

    Args:
      primals: the positional arguments, each an array or a pytree of arrays.
      tangents: the direction: of the same structure, shapes and dtypes (``float0`` for integer arguments).
      has_aux: whether ``fun`` returns a pair, whose second part is returned as it is.

    Returns:
      ``(out, tangent of out)``, and the aux part if there is one.

    Raises:
      TypeError: the structures or dtypes do not match, or something is not an array.
      ValueError: a tangent has another shape than its primal.

    >>> import cotan, cotan.numpy as cnp
    >>> y, dy = cotan.jvp(cnp.square, (3.0,), (1.0,))
    >>> float(y), float(dy)
    (9.0, 6.0)
    """
    check_callable("jvp", fun)
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple | list):
            raise TypeError(f"{where()}: jvp: {what} must be a tuple or list of arguments, got {a_type(given)}")
    args = tuple(primals)
    leaves, tree = tree_flatten((args, {}))
    names = ArgNames(fun, tree)
    check_argument_leaves("jvp", fun, leaves, names)
    directions = _tangent_leaves(fun, leaves, tree, names, tuple(tangents))
    flat = FlatFunction("jvp", fun, tree, has_aux)
    outs, out_tangents = jvp_flat(flat, list(map(lift_leaf, leaves)), directions)
    outs, aux = flat.split(outs)
    moved = [lift_leaf(instantiate(t)) if _has_tangent(t) else instantiate(t) for t in flat.split(out_tangents)[0]]
    result = (flat.out_tree.unflatten(outs), flat.out_tree.unflatten(moved))
    return (*result, flat.aux(aux)) if has_aux else result


def _has_tangent(t: Any) -> bool:
    return bool((t.aval if type(t) is Zero else get_aval(t)).dtype != dtypes.float0)


def _tangent_leaves(
    fun: Function, leaves: Sequence[Any], tree: PyTreeDef, names: ArgNames, tangents: tuple[Any, ...]
) -> list[Any]:
    """The leaves of ``tangents``, checked against the arguments; those of integers become symbolic zeros."""
    given, given_tree = tree_flatten((tangents, {}))
    if given_tree != tree:
        shown = [t.children()[0] for t in (tree, given_tree)]
        raise TypeError(
            f"{subject('jvp', fun)}: primals and tangents must have the same structure, got {shown[0]} and {shown[1]}; "
            "give one tangent for each array"
        )
    checked: list[Any] = []
    for k, (x, t) in enumerate(zip(leaves, given, strict=True)):
        expected = tangent_aval(get_aval(x))
        problem = _mismatch(t, expected)
        if problem:
            raise problem[0](
                f"{subject('jvp', fun)}: the tangent of argument `{names[k]}` must be "
                f"{expected.short()}, got {problem[1]}. Tangents have the types of their primals."
            )
        checked.append(Zero(expected) if expected.dtype == dtypes.float0 else lift_leaf(t))
    return checked


def _mismatch(x: Any, expected: ShapedArray) -> tuple[type[Exception], str] | None:
    """The exception for an ``x`` that is no (co)tangent of type ``expected``, and what it is; None if it is one."""
    if not is_array_like(x):
        return TypeError, a_type(x)
    if getattr(x, "dtype", None) == dtypes.float0:
        aval = shaped(np.shape(x), dtypes.float0)
    else:
        aval = get_aval(x)
    if aval.shape != expected.shape:
        return ValueError, aval.short()
    return None if aval.dtype == expected.dtype else (TypeError, aval.short())


class _Pushforward:
    """The linear part of a linearised function, as aux data of a pytree: compared by identity."""

    def __init__(self, fun: Function, jaxpr: Jaxpr, in_tree: PyTreeDef, out_tree: PyTreeDef, zeros: Any) -> None:
        self.fun, self.jaxpr, self.in_tree, self.out_tree, self.zeros = fun, jaxpr, in_tree, out_tree, zeros

    @boundary
    def __call__(self, residuals: list[Any], *tangents: Any) -> Any:
        leaves, tree = tree_flatten(tangents)
        name = fun_name(self.fun)
        if tree != self.in_tree:
            raise TypeError(
                f"{where()}: the linear function of `{name}` takes tangents of structure {self.in_tree}, got {tree}"
            )
        for var, t in zip(self.jaxpr.invars, leaves, strict=True):
            problem = _mismatch(t, var.aval)
            if problem:
                raise (ValueError if is_array_like(t) else TypeError)(
                    f"{where()}: the linear function of `{name}` takes a tangent {var.aval.short()}, got {problem[1]}"
                )
        results = iter(eval_jaxpr(self.jaxpr, residuals, *leaves))
        moved = [instantiate(z) if type(z) is Zero else next(results) for z in self.zeros]
        return self.out_tree.unflatten([lift_leaf(t) if _has_tangent(t) else t for t in moved])


@boundary
def linearize(fun: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of ``fun`` and its derivative at a point, as a linear function of tangents.

    ``fun`` is run once; the linear function may be called many times.

    Returns:
      ``(out, f_jvp)`` where ``f_jvp(*tangents)`` gives the tangent of ``out``; then the aux part if there is one.

    Raises:
      TypeError: an argument is not an array.

    >>> import cotan, cotan.numpy as cnp
    >>> y, f_jvp = cotan.linearize(cnp.square, 3.0)
    >>> float(f_jvp(1.0)), float(f_jvp(2.0))
    (6.0, 12.0)
    """
    check_callable("linearize", fun)
    leaves, tree = tree_flatten((primals, {}))
    check_argument_leaves("linearize", fun, leaves, ArgNames(fun, tree))
    flat = FlatFunction("linearize", fun, tree, has_aux)
    lin = linearize_flat(flat, list(map(lift_leaf, leaves)))
    outs, aux = flat.split(lin.outs)
    count = sum(not zero for zero in lin.out_zeros[: len(outs)])
    jaxpr, residuals = prune(lin.jaxpr.replace(outvars=lin.jaxpr.outvars[:count]), lin.residuals)
    zeros = [
        Zero(tangent_aval(get_aval(y))) if zero else None
        for y, zero in zip(outs, lin.out_zeros[: len(outs)], strict=True)
    ]
    f_jvp = Partial(_Pushforward(fun, jaxpr, tree.children()[0], flat.out_tree, zeros), residuals)
    out = flat.out_tree.unflatten(outs)
    return (out, f_jvp, flat.aux(aux)) if has_aux else (out, f_jvp)


# ---- Reverse mode


def refuse_reduce_axes(api: str, fun: Function, reduce_axes: Sequence[Any]) -> None:
    """Raise for names of axes over which cotangents were to be summed."""
    if tuple(reduce_axes):
        raise NotImplementedError(
            f"{subject(api, fun)}: reduce_axes={reduce_axes!r} is no longer a part of the interface. Sum over named "
            "axes with cotan.lax.psum, of the result before it is differentiated or of the gradient after."
        )


class _Pullback:
    """The transposed linear part of a function, as aux data of a pytree: compared by identity."""

    def __init__(
        self, fun: Function, jaxpr: Jaxpr, in_tree: PyTreeDef, out_tree: PyTreeDef, avals: Any, zeros: Any
    ) -> None:
        self.fun, self.jaxpr, self.in_tree, self.out_tree = fun, jaxpr, in_tree, out_tree
        self.avals, self.zeros = avals, zeros

    @boundary
    def __call__(self, residuals: list[Any], *cts_given: Any) -> Any:
        name = fun_name(self.fun)
        if len(cts_given) != 1:
            raise TypeError(
                f"{where()}: the vjp function of `{name}` takes one cotangent, of the structure of its result, got "
                f"{len(cts_given)} arguments; give a tuple for a result that is one"
            )
        (ct,) = cts_given
        leaves, tree = tree_flatten(ct)
        if tree != self.out_tree:
            raise ValueError(
                f"{where()}: the vjp function of `{name}` takes one cotangent of the structure of its result, "
                f"{self.out_tree}, got {tree}. Give one cotangent for each array of the result."
            )
        for k, (aval, leaf) in enumerate(zip(self.avals, leaves, strict=True)):
            problem = _mismatch(leaf, aval)
            if problem and not (aval.dtype == dtypes.float0 and is_array_like(leaf) and np.shape(leaf) == aval.shape):
                path = keystr(tree_flatten_with_path(ct)[0][k][0])
                raise (ValueError if is_array_like(leaf) else TypeError)(
                    f"{where()}: the vjp function of `{name}` takes a cotangent {aval.short()}"
                    f"{' at ' + path if path else ''}, got {problem[1]}"
                )
        cts = [lift_leaf(leaf) for leaf, zero in zip(leaves, self.zeros, strict=True) if not zero]
        back = backward_pass(self.jaxpr, residuals, cts)
        return self.in_tree.unflatten(list(map(_cotangent, back)))


def _cotangent(ct: Any) -> Any:
    """A cotangent as users get it: an Array, or NumPy zeros of dtype float0 for an integer argument."""
    if type(ct) is Zero and ct.aval.dtype == dtypes.float0:
        return np.zeros(ct.aval.shape, dtypes.float0)
    return lift_leaf(instantiate(ct))


@boundary
def vjp(fun: Function, *primals: Any, has_aux: bool = False, reduce_axes: Sequence[Any] = ()) -> tuple[Any, ...]:
    """The value of ``fun`` and its reverse-mode derivative at a point, as a function of cotangents.

    Args:
      has_aux: whether ``fun`` returns a pair, whose second part is returned as it is.
      reduce_axes: must be empty; sum cotangents over named axes with ``lax.psum``.

    Returns:
      ``(out, vjp_fun)`` where ``vjp_fun(ct)`` gives a tuple of cotangents, one per argument, for a cotangent ``ct`` of
      the structure, shapes and dtypes of ``out``; then the aux part if there is one. ``vjp_fun`` is a pytree. What it
      is given for integers, keys or bools of ``out`` has the shape of these, and counts for nothing.

    Raises:
      TypeError: an argument is not an array.

    >>> import cotan, cotan.numpy as cnp
    >>> y, vjp_fun = cotan.vjp(cnp.multiply, 3.0, 4.0)
    >>> [float(ct) for ct in vjp_fun(1.0)]
    [4.0, 3.0]
    """
    check_callable("vjp", fun)
    refuse_reduce_axes("vjp", fun, reduce_axes)
    leaves, tree = tree_flatten((primals, {}))
    check_argument_leaves("vjp", fun, leaves, ArgNames(fun, tree))
    flat = FlatFunction("vjp", fun, tree, has_aux)
    lin = linearize_flat(flat, list(map(lift_leaf, leaves)))
    outs, aux = flat.split(lin.outs)
    zeros = lin.out_zeros[: len(outs)]
    jaxpr, residuals = prune(lin.jaxpr.replace(outvars=lin.jaxpr.outvars[: zeros.count(False)]), lin.residuals)
    avals = [tangent_aval(get_aval(y)) for y in outs]
    vjp_fun = Partial(_Pullback(fun, jaxpr, tree.children()[0], flat.out_tree, avals, zeros), residuals)
    out = flat.out_tree.unflatten(outs)
    return (out, vjp_fun, flat.aux(aux)) if has_aux else (out, vjp_fun)


@boundary
def value_and_grad(
    fun: Function,
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    reduce_axes: Sequence[Any] = (),
) -> Function:
    """A function that computes both ``fun`` and its gradient.

    Args:
      fun: returns a real scalar (with ``has_aux`` a pair of it and anything else).
      argnums: the positional argument, or arguments, to differentiate.
      has_aux: whether ``fun`` returns a pair.
      holomorphic: whether ``fun`` is promised to be holomorphic; then arguments and result are complex.
      allow_int: whether integer arguments are accepted; their gradients have dtype ``float0``.
      reduce_axes: must be empty; sum gradients over named axes with ``lax.psum``.

    Returns:
      A function of the arguments of ``fun`` that returns ``(value, gradient)``, where the gradient has the structure of
      the argument (a tuple of such if ``argnums`` is a sequence) and value is ``(value, aux)`` with ``has_aux``.

    Raises:
      TypeError: (when called) an argument to differentiate is not a floating-point array, or the result no real scalar.

    >>> import cotan
    >>> value, gradient = cotan.value_and_grad(lambda x: x * x)(3.0)
    >>> float(value), float(gradient)
    (9.0, 6.0)
    """
    refuse_reduce_axes("value_and_grad", fun, reduce_axes)
    return _gradient("value_and_grad", fun, argnums, has_aux, holomorphic, allow_int, lambda out, grads: (out, grads))


@boundary
def grad(
    fun: Function,
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    reduce_axes: Sequence[Any] = (),
) -> Function:
    """A function that computes the gradient of ``fun``; see ``value_and_grad`` for the arguments.

    Returns:
      A function that returns the gradient; with ``has_aux`` the pair ``(gradient, aux)``.

    Raises:
      TypeError: (when called) an argument to differentiate is not a floating-point array, or the result no real scalar.

    >>> import cotan, cotan.numpy as cnp
    >>> float(cotan.grad(cnp.tanh)(0.0))
    1.0
    >>> float(cotan.grad(cotan.grad(lambda x: x**3))(2.0))
    12.0
    """
    refuse_reduce_axes("grad", fun, reduce_axes)
    if has_aux:
        return _gradient("grad", fun, argnums, True, holomorphic, allow_int, lambda out, grads: (grads, out[1]))
    return _gradient("grad", fun, argnums, False, holomorphic, allow_int, lambda out, grads: grads)


def _gradient(
    api: str,
    fun: Function,
    argnums: Argnums,
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
    result: Callable[[Any, Any], Any],
) -> Function:
    check_callable(api, fun)
    owner = fun_code(fun) or type(fun)  # closures that differ in their values alone do alike

    def compiled(program: Function) -> Function:
        program.__name__ = f"{api}({fun_name(fun)})"
        return jit(program)  # type: ignore[no-any-return]

    def checked(flat: FlatFunction, outs: Sequence[Any]) -> ShapedArray:
        return _check_output(api, fun, flat.split(outs)[0] if has_aux else outs, flat.out_tree, holomorphic)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        try:
            leaves, flat = chosen_arguments(api, fun, argnums, args, kwargs, has_aux, holomorphic, allow_int)

            def hold(x: Any) -> Any:
                if type(x) is Array:
                    return x._alias()
                return lift_to(x, leaves[0].device) if isinstance(x, np.ndarray | np.generic) else None

            outs, back = value_and_cotangents(flat, leaves, checked, _one, hold, compiled, owner)
            grads = in_argument_tree(flat, [ct if type(ct) is Array else _cotangent(ct) for ct in back], argnums)
            value = outs[0] if type(outs[0]) is Array else lift_leaf(outs[0])
            return result((value, flat.aux(flat.split(outs)[1])) if has_aux else value, grads)
        except Exception as error:
            trim(error)
            raise

    return copy_identity(trims(gradient), fun, api)


def _one(aval: ShapedArray) -> Any:
    """The cotangent of a scalar result: 1, of its type."""
    one: Any = np.array(1, aval.dtype)
    return one.item() if aval.weak_type else one


def _check_inputs(
    api: str, fun: Function, leaves: Sequence[Any], names: Callable[[], ArgNames], holomorphic: bool, allow_int: bool
) -> None:
    for k, leaf in enumerate(leaves):
        if not is_array_like(leaf):
            problem = f"is {a_type(leaf)}, not an array. Leave it out of argnums if it is not data."
        else:
            dtype = get_aval(leaf).dtype
            if holomorphic:
                if dtypes.issubdtype(dtype, np.complexfloating):
                    continue
                problem = f"has dtype {dtypes.short_name(dtype)}; with holomorphic=True arguments must be complex."
            elif api == "jacfwd" and dtypes.issubdtype(dtype, np.complexfloating):
                problem = "is complex; pass holomorphic=True if the function is holomorphic, or use jacrev."
            elif allow_int or dtypes.issubdtype(dtype, np.inexact):
                continue
            else:
                advice = "leave it out of argnums" + ("" if api == "jacfwd" else ", or pass allow_int=True")
                problem = (
                    f"has dtype {dtypes.short_name(dtype)}, but derivatives exist for floating-point arguments only. "
                    f"Convert it to float, {advice}."
                )
        raise TypeError(f"{subject(api, fun)}: argument `{names()[k]}` {problem}")


def _check_output(api: str, fun: Function, outs: Sequence[Any], tree: PyTreeDef, holomorphic: bool) -> ShapedArray:
    if len(outs) != 1 or tree != leaf_treedef:
        raise TypeError(
            f"{subject(api, fun)}: gradients are defined for functions that return one scalar, but the result has "
            f"the structure {tree}. Return the scalar only, or (scalar, other things) with has_aux=True."
        )
    aval = get_aval(outs[0])
    if aval.shape:
        raise TypeError(
            f"{subject(api, fun)}: gradients are defined for functions that return a scalar, but the result has "
            f"shape {aval.shape}. Reduce it (with .sum() or .mean()), or use jacrev, jacfwd or vjp."
        )
    if aval.dtype in dtypes.usual_floats and not holomorphic:
        return aval
    wanted: Any = np.complexfloating if holomorphic else np.floating
    if not dtypes.issubdtype(aval.dtype, wanted):
        kind = "complex (holomorphic=True)" if holomorphic else "real and floating-point"
        more = "" if holomorphic else " For a holomorphic function pass holomorphic=True."
        raise TypeError(
            f"{subject(api, fun)}: the result must be {kind}, but has dtype {dtypes.short_name(aval.dtype)}."
            f"{more if dtypes.issubdtype(aval.dtype, np.complexfloating) else ''}"
        )
    return aval


# ---- The arguments to differentiate, for gradients and Jacobians


def chosen_arguments(
    api: str,
    fun: Function,
    argnums: Argnums,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool = False,
) -> tuple[list[Any], FlatFunction]:
    """The leaves of the arguments to differentiate, checked, and ``fun`` as a flat function of them."""
    numbers = normalize_argnums(argnums, len(args), lambda: subject(api, fun), out_of_range=TypeError)
    chosen = tuple([args[k] for k in numbers])
    plain = True
    for x in chosen:
        if type(x) is not Array:
            plain = False
    leaves, tree = (list(chosen), _tree_of_leaves(len(chosen))) if plain else tree_flatten((chosen, {}))
    flat = FunctionOfSome(api, fun, tree, has_aux, numbers, args, kwargs)
    for x in leaves:
        if type(x) is not Array or x.aval.dtype not in dtypes.usual_floats or holomorphic:
            break
    else:
        return leaves, flat
    _check_inputs(api, fun, leaves, lambda: ArgNames(fun, tree, numbers), holomorphic, allow_int)
    return list(map(lift_leaf, leaves)), flat


@functools.lru_cache(maxsize=64)
def _tree_of_leaves(count: int) -> PyTreeDef:
    """The structure of arguments that are so many leaves."""
    return tree_structure((((0,) * count), {}))


def in_argument_tree(flat: FlatFunction, per_leaf: list[Any], argnums: Argnums) -> Any:
    """What was computed for each leaf, in the structure of the differentiated arguments."""
    by_argument = flat.in_tree.unflatten(per_leaf)[0]
    return by_argument if isinstance(argnums, Sequence) else by_argument[0]
