"""What custom_jvp and custom_vjp share: calls of functions that carry a rule, and how rules are told of zeros.

Arguments, names and checks in the user's terms. The rules' meaning is in ``primitives``.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api.flat import Function, check_argument_leaves, check_callable, copy_attributes, lift_leaf
from cotan.errors import UnexpectedTracerError, a_type, where
from cotan.forks import cached_property
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, same_type, shaped, tangent_aval
from cotan.ir.trace import Tracer
from cotan.primitives.cast import convert_element_type, stop_gradient
from cotan.primitives.custom import closed_over
from cotan.structural import Zero, instantiate
from cotan.tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path, tree_map
from cotan.tree.calling import ArgNames, fun_name, normalize_argnums, positional_names, resolve_argnums, signature_of

Argnums = int | Sequence[int]


class SymbolicZero:
    """A tangent or cotangent that is known to be zero everywhere, as rules with ``symbolic_zeros=True`` see it.

    It has the ``shape``, ``dtype``, ``ndim`` and ``size`` of the array for which it stands, and no operators.

    >>> from cotan.custom_derivatives import SymbolicZero
    >>> SymbolicZero.from_primal_value(1.0)
    SymbolicZero(~f32[])
    """

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    @staticmethod
    def from_primal_value(val: Any) -> SymbolicZero:
        """The zero tangent of ``val``."""
        return SymbolicZero(tangent_aval(get_aval(val)))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> Any:
        return self.aval.dtype

    @property
    def weak_type(self) -> bool:
        return self.aval.weak_type

    @property
    def ndim(self) -> int:
        return self.aval.ndim

    @property
    def size(self) -> int:
        return self.aval.size

    def __repr__(self) -> str:
        return f"SymbolicZero({self.aval.short()})"


def zero_from_primal(val: Any, symbolic_zeros: bool = False) -> Any:
    """The zero tangent of ``val``: for each of its arrays zeros of its shape and tangent type, or a ``SymbolicZero``.

    Raises:
      TypeError: a leaf of ``val`` is no array.

    >>> from cotan.custom_derivatives import zero_from_primal
    >>> zero_from_primal(1.5, symbolic_zeros=True)
    SymbolicZero(~f32[])
    """

    def of_leaf(leaf: Any) -> Any:
        zero = SymbolicZero.from_primal_value(leaf)
        if symbolic_zeros:
            return zero
        return whole(Zero(zero.aval))

    return tree_map(of_leaf, val)


@dataclass(frozen=True, slots=True)
class CustomVJPPrimal:
    """One leaf of the arguments of a forward rule with ``symbolic_zeros=True``.

    Attributes:
      value: the array.
      perturbed: whether a derivative with respect to it is wanted.
    """

    value: Any
    perturbed: bool


def custom_vjp_primal_tree_values(tree: Any) -> Any:
    """``tree`` with each ``CustomVJPPrimal`` replaced by its value.

    >>> from cotan.custom_derivatives import CustomVJPPrimal, custom_vjp_primal_tree_values
    >>> custom_vjp_primal_tree_values((CustomVJPPrimal(1.0, True), CustomVJPPrimal(2.0, False)))
    (1.0, 2.0)
    """

    def value(x: Any) -> Any:
        if not isinstance(x, CustomVJPPrimal):
            raise TypeError(
                f"{where()}: custom_vjp_primal_tree_values takes a tree of CustomVJPPrimal, as a forward rule with "
                f"symbolic_zeros=True gets them, got {a_type(x)} in it"
            )
        return x.value

    return tree_map(value, tree, is_leaf=lambda x: isinstance(x, CustomVJPPrimal))


# ---- Functions that carry a rule


class RuledFunction:
    """A function that carries a rule; base of ``custom_jvp``, ``custom_vjp`` and ``custom_vmap``."""

    kind = ""
    __class_getitem__: Any = classmethod(types.GenericAlias)

    def __init__(
        self, fun: Function, nondiff_argnums: Argnums = (), nondiff_argnames: str | Sequence[str] = ()
    ) -> None:
        check_callable(self.kind, fun)
        copy_attributes(self, fun)
        functools.update_wrapper(self, fun, updated=())
        self.__name__ = fun_name(fun)
        self.fun = fun
        numbers = resolve_argnums(fun, nondiff_argnums, None, self.kind, "nondiff")[0]
        named = resolve_argnums(fun, None, nondiff_argnames, self.kind, "nondiff")[0]
        self.nondiff_argnums = tuple(dict.fromkeys((*numbers, *named)))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{type(self).__name__} is not to be called")

    def __repr__(self) -> str:
        return f"<{self.kind} of {self.__name__}>"

    @property
    def subject(self) -> str:
        """How messages begin."""
        return f"{where()}: {self.kind} of `{self.__name__}`"

    def argument_name(self, position: int) -> str:
        """The user's name of a positional argument."""
        return positional_names(self.fun, position + 1)[position]

    def without_derivatives(self, n_args: int) -> tuple[int, ...]:
        """The positions of the arguments without derivatives in a call with ``n_args`` arguments, sorted."""
        if not self.nondiff_argnums:
            return ()
        return tuple(sorted(normalize_argnums(self.nondiff_argnums, n_args, self.subject, "nondiff_argnums")))

    @cached_property
    def _signature(self) -> tuple[inspect.Signature | None, int | None]:
        """The signature, and how many positional arguments there are if there are no others."""
        signature = signature_of(self.fun)
        if signature is None:
            return None, None
        kinds = {p.kind for p in signature.parameters.values()}
        simple = kinds <= {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
        return signature, len(signature.parameters) if simple else None

    def positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments of a call, all by position, with defaults filled in.

        Raises:
          TypeError: the call does not fit the signature, or gives arguments that cannot be passed by position.
        """
        signature, count = self._signature
        if not kwargs and (signature is None or len(args) == count):
            return args
        if signature is None:
            raise TypeError(f"{self.subject}: the function's signature is not known: pass arguments by position")
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.subject}: {error}") from None
        if bound.kwargs:
            raise TypeError(
                f"{self.subject}: its rule takes arguments by position, but the call gives "
                f"{', '.join(f'`{name}`' for name in bound.kwargs)} by keyword, which the signature does not allow by "
                "position. Make it a positional parameter (with nondiff_argnames if it is no data)."
            )
        bound.apply_defaults()
        return bound.args

    def run(self, fun: Function, *args: Any) -> Any:
        """Call one of the user's functions, and say in the user's terms if it closes over what it may not."""
        try:
            return fun(*args)
        except UnexpectedTracerError as error:
            if not error.tracing:
                raise
            raise closed_over(self.kind, self.__name__) from None


# ---- Calls of them

_TRACED: Any = object()


class Call:
    """One call: a function of what is traced in its arguments without derivatives, then of the leaves of the others.

    It outlives the call where it becomes part of a program: of arrays it holds those alone that are, or are parts of,
    arguments without derivatives, and are not traced.

    Attributes:
      tree: the structure of the tuple of arguments that have derivatives.
      hidden: how many traced values are in the others.
    """

    def __init__(self, function: RuledFunction, args: tuple[Any, ...]) -> None:
        numbers = function.without_derivatives(len(args))
        self.function = function
        self.kind = function.kind
        self.name = function.__name__
        self.positions = tuple([k for k in range(len(args)) if k not in numbers])
        leaves, self.tree = tree_flatten(tuple([args[k] for k in self.positions]))
        fixed, self._fixed_tree = tree_flatten(tuple([args[k] for k in numbers]))
        traced = [stop_gradient(x) for x in fixed if isinstance(x, Tracer)]
        self._fixed = [_TRACED if isinstance(x, Tracer) else x for x in fixed]
        self._fixed_positions = numbers
        self.hidden = len(traced)
        self.given = [*traced, *leaves]
        self.out_tree: PyTreeDef | None = None
        self.out_avals: list[ShapedArray] = []

    def start(self) -> list[Any]:
        """The leaves of the arguments, checked, which are not held any longer.

        Raises:
          TypeError: one is not an array.
        """
        leaves, self.given = self.given, []
        if not all(map(is_array_like, leaves)):
            check_argument_leaves(self.kind, self.function.fun, leaves[self.hidden :], self.names)
        return leaves

    def finish(self, outs: Sequence[Any]) -> Any:
        """The result."""
        assert self.out_tree is not None
        return self.out_tree.unflatten(list(map(lift_leaf, outs)))

    @property
    def names(self) -> ArgNames:
        """The user's names of the leaves."""
        dynamic = self.tree.unflatten([0] * self.tree.num_leaves)
        return ArgNames(self.function.fun, tree_flatten((dynamic, {}))[1], self.positions)

    def arguments(self, leaves: Sequence[Any]) -> list[Any]:
        """All arguments, in order."""
        by_position = dict(zip(self._fixed_positions, self.fixed(leaves), strict=True))
        by_position.update(zip(self.positions, self.tree.unflatten(leaves[self.hidden :]), strict=True))
        return [by_position[k] for k in range(len(by_position))]

    def fixed(self, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments without derivatives, in order."""
        traced = iter(leaves)
        values = [next(traced) if x is _TRACED else x for x in self._fixed]
        return self._fixed_tree.unflatten(values)  # type: ignore[no-any-return]

    def call(self, args: Sequence[Any]) -> list[Any]:
        """The leaves of the function's result."""
        out = self.function.run(self.function.fun, *self.arguments(args))
        return self.results(out, "the function")

    settled = call

    def results(self, out: Any, rule: str) -> list[Any]:
        """The leaves of a result, which must be of the same type as others of this call.

        Args:
          rule: which function returned it, for messages.

        Raises:
          TypeError: a leaf is not an array, or the result is not what the function itself has returned.
        """
        leaves, tree = tree_flatten(out)
        if not all(map(is_array_like, leaves)):
            for path, leaf in tree_flatten_with_path(out)[0]:
                if not is_array_like(leaf):
                    raise TypeError(
                        f"{self.function.subject}: {rule} returned {a_type(leaf)}"
                        f"{' at ' + keystr(path) if path else ''}, which is not an array"
                    )
        avals = list(map(get_aval, leaves))
        if self.out_tree is None:
            self.out_tree, self.out_avals = tree, avals
        elif tree != self.out_tree:
            raise TypeError(
                f"{self.function.subject}: {rule} must return a result of the function's own structure, "
                f"{self.out_tree}, got {tree}"
            )
        for (path, _), aval, expected in zip(tree_flatten_with_path(out)[0], avals, self.out_avals, strict=True):
            if not same_type(aval, expected):
                raise TypeError(
                    f"{self.function.subject}: {rule} must return what the function itself returns, "
                    f"{expected.short()}{' at ' + keystr(path) if path else ''}, got {aval.short()}"
                )
        return leaves


_NUMBERS = (bool, int, float, complex)


def mismatch(x: Any, expected: ShapedArray) -> str:
    """What a tangent or cotangent ``x`` is, if it is not of the type ``expected``; otherwise empty.

    Python numbers fit every dtype of their kind.
    """
    if type(x) in _NUMBERS:
        fits = not expected.shape and dtypes.issubdtype(
            expected.dtype, np.complexfloating if type(x) is complex else np.inexact
        )
        return "" if fits else f"a Python {type(x).__name__}"
    if not is_array_like(x):
        return a_type(x)
    aval = shaped(x.shape, x.dtype) if is_float0(x) else get_aval(x)
    return "" if same_type(aval, expected) else aval.short()


def as_type(x: Any, aval: ShapedArray) -> Any:
    """``x`` itself; a Python number as an array of type ``aval``."""
    return convert_element_type(x, aval.dtype, aval.weak_type) if type(x) in _NUMBERS else x


def is_float0(x: Any) -> bool:
    """Whether ``x`` is a tangent of an integer."""
    return isinstance(x, np.ndarray) and x.dtype == dtypes.float0


def whole(tangent: Any) -> Any:
    """A tangent or cotangent as rules see it: an Array, or NumPy zeros of dtype float0 where there are integers."""
    made = instantiate(tangent)
    return made if is_float0(made) else lift_leaf(made)
