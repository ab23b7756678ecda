"""custom_vjp for users: functions whose reverse-mode derivatives are computed by a forward and a backward function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan import dtypes
from cotan.api.custom_rules import (
    Argnums,
    Call,
    CustomVJPPrimal,
    RuledFunction,
    SymbolicZero,
    as_type,
    mismatch,
    whole,
)
from cotan.api.flat import Function
from cotan.errors import UnexpectedTracerError, a_type
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, tangent_aval
from cotan.ir.trace import Tracer
from cotan.primitives.custom_vjp import BatchedVJP, custom_vjp_fun
from cotan.structural import Zero
from cotan.tracebacks import boundary, guarded
from cotan.transforms.batch import AxisData, Dim
from cotan.tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path, tree_leaves, tree_structure
from cotan.tree.calling import fun_name


@guarded
class custom_vjp(RuledFunction):
    """A function whose reverse-mode derivatives are computed by rules of your own; it has no forward mode.

    The rules are given by ``defvjp``. They are written with operations that have derivatives themselves, so that higher
    derivatives come from them.

    Args:
      fun: the function; its keyword arguments are passed to the rules by position, defaults filled in.
      nondiff_argnums, nondiff_argnames: arguments without derivatives, of any type, but not traced; they come first in
        the backward function.

    Raises:
      TypeError: ``fun`` is not callable; (when called) an argument is not an array or does not fit the signature;
        forward-mode differentiation was asked for.
      AttributeError: (when called) there are no rules yet.
      UnexpectedTracerError: (when called) an argument without derivatives is or holds a traced array.

    >>> import cotan, cotan.numpy as cnp
    >>> @cotan.custom_vjp
    ... def clip_gradient(x):
    ...     return x
    >>> def forward(x):
    ...     return x, None
    >>> def backward(residuals, ct):
    ...     return (cnp.clip(ct, -1, 1),)
    >>> clip_gradient.defvjp(forward, backward)
    >>> float(cotan.grad(lambda x: 10 * clip_gradient(x))(0.0))
    1.0
    """

    kind = "custom_vjp"

    @boundary
    def __init__(
        self, fun: Function, nondiff_argnums: Argnums = (), nondiff_argnames: str | Sequence[str] = ()
    ) -> None:
        super().__init__(fun, nondiff_argnums, nondiff_argnames)
        self.fwd: Function | None = None
        self.bwd: Function | None = None
        self.symbolic_zeros = False
        self.optimize_remat = False

    def defvjp(self, fwd: Function, bwd: Function, symbolic_zeros: bool = False, optimize_remat: bool = False) -> None:
        """Give the function its rules.

        Args:
          fwd: takes the arguments of the function and returns ``(out, residuals)``, where residuals are any pytree of
            arrays that the backward function needs.
          bwd: ``bwd(*nondiff_args, residuals, ct) -> tuple`` with one cotangent per argument, of its structure, shapes
            and dtypes. One cotangent in the place of a part of that structure, or of a whole argument, stands for each
            leaf of it, and None for zeros; what is given for integers is ignored.
          symbolic_zeros: whether ``fwd`` gets each leaf as a ``CustomVJPPrimal``, which says if its derivative is
            wanted, and ``bwd`` gets cotangents known to be zero as ``SymbolicZero``.
          optimize_remat: accepted; inside of ``checkpoint`` what ``fwd`` computes and nobody reads is dropped anyway.

        Raises:
          TypeError: a rule is not callable.
        """
        for which, rule in (("fwd", fwd), ("bwd", bwd)):
            if not callable(rule):
                raise TypeError(f"{self.subject}: defvjp takes functions, got {a_type(rule)} for {which}")
        self.fwd, self.bwd = fwd, bwd
        self.symbolic_zeros, self.optimize_remat = bool(symbolic_zeros), bool(optimize_remat)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.fwd is None or self.bwd is None:
            raise AttributeError(
                f"{self.subject}: the function has no rules yet; give it some with {self.__name__}.defvjp"
            )
        resolved = self.positional(args, kwargs)
        for k in self.without_derivatives(len(resolved)):
            if any(isinstance(x, Tracer) and x.settled() is x for x in tree_leaves(resolved[k])):
                raise UnexpectedTracerError(
                    f"{self.subject}: argument number {k} is among nondiff_argnums, but is or holds a traced array. "
                    "Those are for Python values (functions, shapes, names): make an array an ordinary argument, for "
                    "which the backward function returns None."
                )
        call = _Call(self, resolved)
        return call.finish(custom_vjp_fun(call, call.start()))


class _Call(Call):
    """A call, as the primitive knows it; see ``primitives.custom_vjp.VJPFunction``."""

    function: custom_vjp

    def __init__(self, function: custom_vjp, args: tuple[Any, ...]) -> None:
        super().__init__(function, args)
        assert function.fwd is not None
        assert function.bwd is not None
        self.fwd, self.bwd = function.fwd, function.bwd
        self.symbolic_zeros = function.symbolic_zeros

    def batched(self, axis: AxisData, dims: Sequence[Dim]) -> BatchedVJP:
        return BatchedVJP(self, axis, dims)

    def forward(self, args: Sequence[Any], nonzero: tuple[bool, ...]) -> tuple[list[Any], list[Any], _Backward]:
        avals = list(map(get_aval, args))
        if self.symbolic_zeros:
            args = [CustomVJPPrimal(x, n) for x, n in zip(args, nonzero, strict=True)]
        pair = self.function.run(self.fwd, *self.arguments(args))
        what = f"its forward function `{fun_name(self.fwd)}`"
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            shown = f"{len(pair)} values" if isinstance(pair, tuple | list) else a_type(pair)
            raise TypeError(f"{self.function.subject}: {what} must return a pair (result, residuals), got {shown}")
        out, residuals = pair
        outs = self.results(out, what)
        leaves, tree = tree_flatten(residuals)
        for path, leaf in tree_flatten_with_path(residuals)[0]:
            if not is_array_like(leaf):
                raise TypeError(
                    f"{self.function.subject}: {what} returned {a_type(leaf)} among the residuals"
                    f"{' at ' + keystr(path) if path else ''}; residuals must be arrays. What is no data belongs into "
                    "nondiff_argnums, or is closed over by the backward function."
                )
        scalars = [type(x) in _SCALARS for x in leaves]
        fixed = [x if s else None for x, s in zip(leaves, scalars, strict=True)]
        kept = [x for x, s in zip(leaves, scalars, strict=True) if not s]
        return outs, kept, _Backward(self, tree, fixed, avals, nonzero)


_SCALARS = frozenset((bool, int, float, complex))


class _Backward:
    """The user's backward function on flat arrays, for residuals of one structure.

    ``scalars`` are the residuals that are Python numbers, which it gets as they are, so that it may branch on them;
    None stands where there is an array.
    """

    def __init__(
        self,
        call: _Call,
        residuals: PyTreeDef,
        scalars: Sequence[Any],
        avals: Sequence[ShapedArray],
        nonzero: tuple[bool, ...],
    ) -> None:
        self.call = call
        self.name = call.name
        self.residuals = residuals
        self.scalars = scalars
        self.avals = list(map(tangent_aval, avals))
        self.nonzero = nonzero

    def __repr__(self) -> str:
        return fun_name(self.call.bwd)

    def pull(self, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        call = self.call
        assert call.out_tree is not None
        if call.symbolic_zeros:
            given = [SymbolicZero(ct.aval) if type(ct) is Zero else whole(ct) for ct in cts]
        else:
            given = list(map(whole, cts))
        what = f"its backward function `{fun_name(call.bwd)}`"
        arrays = iter(residuals)
        saved = self.residuals.unflatten([next(arrays) if x is None else x for x in self.scalars])
        back = call.function.run(call.bwd, *call.fixed(()), saved, call.out_tree.unflatten(given))
        children = call.tree.children()
        if not (isinstance(back, tuple | list) and len(back) == len(children)):
            shown = f"{len(back)}" if isinstance(back, tuple | list) else a_type(back)
            raise TypeError(
                f"{call.function.subject}: {what} must return a tuple with one cotangent for each differentiable "
                f"argument (None for zero), that is, {len(children)} of them, got {shown}"
            )
        leaves: list[Any] = []
        for position, tree, ct in zip(call.positions, children, back, strict=True):
            leaves += _cotangent_leaves(call, what, position, tree, ct)
        return [self._cotangent(k, ct, what) for k, ct in enumerate(leaves)]

    def _cotangent(self, k: int, ct: Any, what: str) -> Any:
        """The cotangent of leaf ``k`` of the arguments, checked."""
        expected = self.avals[k]
        if ct is None or expected.dtype == dtypes.float0:
            return Zero(expected)
        if isinstance(ct, SymbolicZero):
            problem = "" if ct.shape == expected.shape and ct.dtype == expected.dtype else str(ct)
        elif not is_array_like(ct):
            raise TypeError(
                f"{self.call.function.subject}: {what} returned {a_type(ct)} as the cotangent of "
                f"`{self.call.names[k]}`, which is not an array"
            )
        else:
            problem = mismatch(ct, expected)
        if problem:
            raise ValueError(
                f"{self.call.function.subject}: {what} must return a cotangent of type {expected.short()} for "
                f"`{self.call.names[k]}`, got {problem}"
            )
        if isinstance(ct, SymbolicZero) or not self.nonzero[k]:
            return Zero(expected)
        return as_type(ct, expected)


_LEAF = tree_structure(0)


def _cotangent_leaves(call: _Call, what: str, position: int, tree: PyTreeDef, ct: Any) -> list[Any]:
    """The leaves of the cotangent of an argument of structure ``tree``.

    A leaf, or None for zeros, in the place of a part of it stands for every leaf of that part.
    """
    if ct is None or isinstance(ct, SymbolicZero) or tree_structure(ct) == _LEAF:
        return [ct] * tree.num_leaves
    if tree != _LEAF:
        parts, top = tree_flatten(ct, is_leaf=lambda x: x is not ct)
        expected = tree.children()
        if top.node_data() == tree.node_data() and len(parts) == len(expected):
            return [
                leaf
                for child, part in zip(expected, parts, strict=True)
                for leaf in _cotangent_leaves(call, what, position, child, part)
            ]
    name = call.function.argument_name(position)
    raise TypeError(
        f"{call.function.subject}: {what} must return a cotangent of the structure of the argument `{name}`: where "
        f"that has {tree}, it returned {tree_structure(ct)}"
    )
