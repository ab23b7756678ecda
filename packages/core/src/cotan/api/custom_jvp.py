"""custom_jvp for users: functions whose derivatives are computed by a rule for tangents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan import dtypes
from cotan.api.custom_rules import (
    Argnums,
    Call,
    RuledFunction,
    SymbolicZero,
    as_type,
    is_float0,
    mismatch,
    whole,
)
from cotan.api.flat import Function
from cotan.errors import a_type, where
from cotan.ir.avals import get_aval, tangent_aval
from cotan.primitives.custom_jvp import BatchedJVP, custom_jvp_fun
from cotan.structural import Zero, add_tangents, instantiate
from cotan.tracebacks import boundary, guarded
from cotan.transforms.batch import AxisData, Dim
from cotan.tree import keystr, tree_flatten, tree_flatten_with_path, tree_map
from cotan.tree.calling import fun_name


@guarded
class custom_jvp(RuledFunction):
    """A function whose derivatives, forward and reverse, are computed by a rule of your own.

    The rule is given by ``defjvp`` (all arguments at once) or ``defjvps`` (one by one). It is written with operations
    that have derivatives themselves, so that higher derivatives come from it, and it must be linear in the tangents.

    Args:
      fun: the function; its keyword arguments are passed to the rule by position, defaults filled in.
      nondiff_argnums, nondiff_argnames: arguments without derivatives, of any type; they come first in the rule.

    Raises:
      TypeError: ``fun`` is not callable; (when called) an argument is not an array or does not fit the signature.
      AttributeError: (when called) there is no rule yet.

    >>> import cotan, cotan.numpy as cnp
    >>> @cotan.custom_jvp
    ... def f(x, y):
    ...     return cnp.sin(x) * y
    >>> @f.defjvp
    ... def f_jvp(primals, tangents):
    ...     x, y = primals
    ...     dx, dy = tangents
    ...     return f(x, y), cnp.cos(x) * dx * y + cnp.sin(x) * dy
    >>> float(cotan.grad(f)(0.0, 2.0))
    2.0
    """

    kind = "custom_jvp"

    @boundary
    def __init__(
        self, fun: Function, nondiff_argnums: Argnums = (), nondiff_argnames: str | Sequence[str] = ()
    ) -> None:
        super().__init__(fun, nondiff_argnums, nondiff_argnames)
        self.jvp: Function | None = None
        self.symbolic_zeros = False

    def defjvp(self, jvp: Function, symbolic_zeros: bool = False) -> Function:
        """Give the function its rule.

        Args:
          jvp: ``jvp(*nondiff_args, primals, tangents) -> (out, tangent of out)``; primals and tangents are tuples with
            one entry per argument, of its structure; the tangent of the result is of the result's structure, shapes
            and dtypes (``float0`` for integers).
          symbolic_zeros: whether tangents known to be zero come as ``SymbolicZero`` in place of arrays of zeros, and
            may be returned as such.

        Returns:
          ``jvp``, so that this serves as a decorator.

        Raises:
          TypeError: ``jvp`` is not callable.
        """
        if not callable(jvp):
            raise TypeError(f"{self.subject}: defjvp takes the rule, a function, got {a_type(jvp)}")
        self.jvp = jvp
        self.symbolic_zeros = bool(symbolic_zeros)
        return jvp

    def defjvps(self, *jvps: Function | None) -> None:
        """Give the function one rule per argument; the derivative is their sum.

        Args:
          jvps: ``jvp(tangent, out, *args) -> tangent of out`` for each argument; None: it contributes nothing.

        Raises:
          TypeError: the function has arguments without derivatives, or something is not callable.

        >>> import cotan, cotan.numpy as cnp
        >>> f = cotan.custom_jvp(lambda x, y: x * y)
        >>> f.defjvps(lambda dx, out, x, y: dx * y, lambda dy, out, x, y: x * dy)
        >>> [float(g) for g in cotan.grad(f, (0, 1))(2.0, 3.0)]
        [3.0, 2.0]
        """
        if self.nondiff_argnums:
            raise TypeError(
                f"{self.subject}: defjvps has one rule per argument and knows no nondiff_argnums; use defjvp"
            )
        for rule in jvps:
            if not (rule is None or callable(rule)):
                raise TypeError(f"{self.subject}: defjvps takes functions and None, got {a_type(rule)}")

        def jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
            if len(jvps) != len(primals):
                raise TypeError(
                    f"{self.subject}: defjvps was given {len(jvps)} rules, but the function takes {len(primals)} "
                    "arguments; give one per argument, None for one that contributes nothing"
                )
            out = self(*primals)
            parts = [rule(t, out, *primals) for rule, t in zip(jvps, tangents, strict=True) if rule is not None]
            return out, tree_map(_sum, out, *parts)

        jvp.__name__ = jvp.__qualname__ = f"jvps of {self.__name__}"
        self.defjvp(jvp)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.jvp is None:
            raise AttributeError(
                f"{self.subject}: the function has no rule yet; give it one with {self.__name__}.defjvp"
            )
        call = _Call(self, self.positional(args, kwargs))
        return call.finish(custom_jvp_fun(call, call.start()))


def _sum(out: Any, *parts: Any) -> Any:
    """The sum of tangents of ``out``."""
    total: Any = Zero(tangent_aval(get_aval(out)))
    for part in parts:
        total = add_tangents(total, as_type(part, total.aval if type(total) is Zero else get_aval(total)))
    return instantiate(total)


class _Call(Call):
    """A call, as the primitive knows it; see ``primitives.custom_jvp.JVPFunction``."""

    function: custom_jvp

    def __init__(self, function: custom_jvp, args: tuple[Any, ...]) -> None:
        super().__init__(function, args)
        assert function.jvp is not None
        self.rule = function.jvp
        self.symbolic_zeros = function.symbolic_zeros

    def batched(self, axis: AxisData, dims: Sequence[Dim]) -> BatchedJVP:
        return BatchedJVP(self, axis, dims)

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        if self.symbolic_zeros:
            moved = [SymbolicZero(t.aval) if type(t) is Zero else t for t in tangents]
        else:
            moved = list(map(whole, tangents))
        args, dots = self.tree.unflatten(primals[self.hidden :]), self.tree.unflatten(moved[self.hidden :])
        pair = self.function.run(self.rule, *self.fixed(primals), args, dots)
        what = f"its rule `{fun_name(self.rule)}`"
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            shown = f"{len(pair)} values" if isinstance(pair, tuple | list) else a_type(pair)
            raise TypeError(
                f"{self.function.subject}: {what} must return a pair (result, tangent of the result), got {shown}"
            )
        out, dot = pair
        leaves, tree = tree_flatten(dot)
        out_tree = tree_flatten(out)[1]
        if tree != out_tree:
            raise TypeError(
                f"{self.function.subject}: {what} must return a result and a tangent of equal structure, got "
                f"{out_tree} and {tree}"
            )
        outs = self.results(out, what)
        return outs, [self._tangent(t, y, k, out, what) for k, (t, y) in enumerate(zip(leaves, outs, strict=True))]

    def _tangent(self, t: Any, y: Any, k: int, out: Any, what: str) -> Any:
        """Leaf ``k`` of a tangent, checked against the result ``y``; ``Zero`` if it is known to be zero."""
        expected = tangent_aval(get_aval(y))
        if isinstance(t, SymbolicZero):
            problem = "" if t.shape == expected.shape and t.dtype == expected.dtype else str(t)
        else:
            problem = mismatch(t, expected)
        if problem:
            path = keystr(tree_flatten_with_path(out)[0][k][0])
            raise TypeError(
                f"{where()}: {self.kind} of `{self.name}`: {what} must return a tangent of type {expected.short()}"
                f"{' at ' + path if path else ''} (the tangent type of {get_aval(y).short()}), got {problem}"
            )
        if isinstance(t, SymbolicZero) or is_float0(t) or expected.dtype == dtypes.float0:
            return Zero(expected)
        return as_type(t, expected)
