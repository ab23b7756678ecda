"""custom_vmap for users: functions that vmap maps by a rule of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan.api.custom_rules import Call, RuledFunction
from cotan.api.flat import Function
from cotan.errors import UnexpectedTracerError, a_type
from cotan.ir.avals import get_aval, same_type
from cotan.primitives.custom_vmap import custom_vmap_fun
from cotan.tracebacks import guarded
from cotan.tree import keystr, tree_flatten, tree_flatten_with_path
from cotan.tree.calling import fun_name


@guarded
class custom_vmap(RuledFunction):
    """A function that vmap maps by a rule of your own.

    Derivatives in forward mode are mapped by the derivative of the rule. In reverse mode inside of vmap the operations
    of the function itself are mapped: to have rules there, write the rules of a ``custom_vjp`` with such functions.

    Args:
      fun: the function; its keyword arguments are passed to the rule by position, defaults filled in.

    Raises:
      TypeError: ``fun`` is not callable; (when called) an argument is not an array or does not fit the signature.
      AttributeError: (when called) there is no rule yet.
      ValueError: (when mapped) the rule's results do not fit.

    >>> import cotan, cotan.numpy as cnp
    >>> from cotan.custom_batching import custom_vmap
    >>> @custom_vmap
    ... def product(x, y):
    ...     return x @ y
    >>> @product.def_vmap
    ... def product_rule(axis_size, in_batched, x, y):
    ...     x_mapped, y_mapped = in_batched
    ...     return (x @ y if not y_mapped else cnp.einsum("ni,ni->n", x, y)), True
    >>> cotan.vmap(product, (0, None))(cnp.ones((2, 3)), cnp.ones(3))
    Array([3., 3.], dtype=float32)
    """

    kind = "custom_vmap"

    def __init__(self, fun: Function) -> None:
        super().__init__(fun)
        self.vmap_rule: Function | None = None

    def def_vmap(self, vmap_rule: Function) -> Function:
        """Give the function its rule.

        Args:
          vmap_rule: ``vmap_rule(axis_size, in_batched, *args) -> (out, out_batched)``. in_batched has the structure of
            args and says of each array whether it is mapped; those that are have the examples along axis 0. out_batched
            has the structure of out and says the same of the results.

        Returns:
          ``vmap_rule``, so that this serves as a decorator.

        Raises:
          TypeError: ``vmap_rule`` is not callable.
        """
        if not callable(vmap_rule):
            raise TypeError(f"{self.subject}: def_vmap takes the rule, a function, got {a_type(vmap_rule)}")
        self.vmap_rule = vmap_rule
        return vmap_rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.vmap_rule is None:
            raise AttributeError(
                f"{self.subject}: the function has no rule yet; give it one with {self.__name__}.def_vmap"
            )
        call = _Call(self, self.positional(args, kwargs))
        return call.finish(custom_vmap_fun(call, call.start()))


class _Call(Call):
    """A call, as the primitive knows it; see ``primitives.custom_vmap.VmapFunction``."""

    function: custom_vmap

    def __init__(self, function: custom_vmap, args: tuple[Any, ...]) -> None:
        super().__init__(function, args)
        assert function.vmap_rule is not None
        self.rule = function.vmap_rule

    def mapped(self, size: int, batched: Sequence[bool], args: Sequence[Any]) -> tuple[list[Any], list[bool]]:
        who = self.function.subject
        what = f"its rule `{fun_name(self.rule)}`"
        try:
            pair = self.rule(size, list(self.tree.unflatten(batched)), *self.tree.unflatten(args))
        except UnexpectedTracerError as error:
            if not error.tracing:
                raise
            raise UnexpectedTracerError(
                f"{who}: the function or {what} closes over a value that is being mapped or differentiated. The rule "
                "sees only the arguments: pass that value as one."
            ) from None
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            shown = f"{len(pair)} values" if isinstance(pair, tuple | list) else a_type(pair)
            raise TypeError(f"{who}: {what} must return a pair (result, which results are mapped), got {shown}")
        out, out_batched = pair
        leaves, tree = tree_flatten(out)
        flags, flag_tree = tree_flatten(out_batched)
        if flag_tree != tree:
            raise ValueError(
                f"{who}: {what} must say of each result whether it is mapped, in the structure of the result, {tree}, "
                f"got {flag_tree}"
            )
        if self.out_tree is not None and tree != self.out_tree:
            raise ValueError(
                f"{who}: {what} must return a result of the function's own structure, {self.out_tree}, got {tree}"
            )
        self.out_tree = tree
        expected = iter(self.out_avals)
        for (path, x), flag in zip(tree_flatten_with_path(out)[0], flags, strict=True):
            aval, place = get_aval(x), f" at {keystr(path)}" if path else ""
            if flag:
                if aval.shape[:1] != (size,):
                    raise ValueError(
                        f"{who}: {what} says that its result{place} is mapped, but its first axis does not hold the "
                        f"{size} examples: it has shape {aval.shape}"
                    )
                aval = aval.update(shape=aval.shape[1:])
            known = next(expected, None)  # not known if the function itself has not run
            if known is not None and not same_type(aval, known):
                raise ValueError(
                    f"{who}: {what} must return for each example what the function itself returns, "
                    f"{known.short()}{place}, got {aval.short()}"
                )
        return leaves, list(map(bool, flags))
