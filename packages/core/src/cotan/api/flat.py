"""From users' functions of pytrees to flat functions of arrays and back, with checks in the user's terms.

No transform is known here, and no mathematics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cotan import dtypes
from cotan.errors import a_type, where
from cotan.ir.avals import get_aval, is_array_like
from cotan.ir.trace import Tracer
from cotan.runtime.dispatch import lift
from cotan.tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path
from cotan.tree.calling import MESSAGE_NAME, fun_name
from cotan.tree.calling import fun_place as fun_place

Function = Callable[..., Any]


def subject(api: str, fun: Function) -> str:
    """How messages begin: ``train.py:12, in step: grad of `loss```."""
    return f"{where()}: {api} of `{fun_name(fun)}`"


def check_callable(api: str, fun: Any) -> None:
    if not callable(fun):
        raise TypeError(f"{where()}: {api} takes a function to transform, got {a_type(fun)}")


def copy_identity(wrapper: Function, fun: Function, api: str) -> Function:
    """Give ``wrapper`` the name, documentation, signature and attributes of ``fun``.

    In messages it has the transform's name as well.
    """
    name = fun_name(fun)
    copy_attributes(wrapper, fun)
    setattr(wrapper, MESSAGE_NAME, name if api == "jit" else f"{api}({name})")
    for attribute in ("__name__", "__qualname__"):
        text = getattr(fun, attribute, name)
        setattr(wrapper, attribute, text if isinstance(text, str) else name)
    wrapper.__module__ = getattr(fun, "__module__", __name__)
    wrapper.__doc__ = getattr(fun, "__doc__", None)
    wrapper.__wrapped__ = fun  # type: ignore[attr-defined]
    return wrapper


_OWN = "__cotan_methods__"


def copy_attributes(wrapper: Any, fun: Any) -> None:
    """Give ``wrapper`` the attributes that users gave ``fun``, without those that a transform gave it."""
    given = {} if isinstance(fun, type) else getattr(fun, "__dict__", {})
    own = given.get(_OWN, ())
    for name, value in given.items():
        if name not in own and not name.startswith("__cotan_"):
            wrapper.__dict__[name] = value


def add_methods(function: Function, **methods: Any) -> None:
    """Give a transformed function attributes that functions made of it do not get."""
    function.__dict__.update(methods)
    function.__dict__[_OWN] = frozenset(methods)


def lift_leaf(x: Any) -> Any:
    """``x`` as an Array, unless it is traced."""
    return x if isinstance(x, Tracer) else lift(x)


def check_argument_leaves(api: str, fun: Function, leaves: Sequence[Any], names: Iterable[str]) -> None:
    """Raise TypeError for the first leaf of the arguments that is not an array, naming it."""
    if all(map(is_array_like, leaves)):
        return
    for name, leaf in zip(names, leaves, strict=True):
        if not is_array_like(leaf):
            advice = "mark it as static (static_argnums or static_argnames)" if api == "jit" else "close over it"
            raise TypeError(
                f"{subject(api, fun)}: argument `{name}` is {a_type(leaf)}, not an array. "
                f"Arguments must be arrays, scalars or pytrees of them; {advice} if it is not data."
            )


def check_result_leaves(api: str, fun: Function, out: Any, leaves: Sequence[Any]) -> None:
    """Raise TypeError for the first leaf of a result that is no array, or OverflowError for an int without dtype."""
    for leaf in leaves:
        if type(leaf) is int and not -(2**31) <= leaf < 2**31:
            dtypes.coerce_scalar(leaf, f"{subject(api, fun)}: its result")
    if all(map(is_array_like, leaves)):
        return
    for path, leaf in tree_flatten_with_path(out)[0]:
        if not is_array_like(leaf):
            at = f"at {keystr(path)} of" if path else "as"
            raise TypeError(
                f"{subject(api, fun)}: the function returned {a_type(leaf)} {at} its "
                "result, which is not an array. Return arrays, scalars or pytrees of them."
            )


_ARRAY = object()


class FlatFunction:
    """``fun`` as a function of the leaves of ``(args, kwargs)``, returning the leaves of its result.

    ``out_tree`` is known after a call. With ``has_aux`` the function returns a pair, whose second part may hold
    anything: its leaves that are arrays come after those of the first part, and ``aux`` puts it together again.
    """

    __slots__ = ("_aux_leaves", "_aux_tree", "api", "fun", "has_aux", "in_tree", "out_tree")
    out_tree: PyTreeDef

    def __init__(self, api: str, fun: Function, in_tree: PyTreeDef, has_aux: bool = False) -> None:
        self.api = api
        self.fun = fun
        self.in_tree = in_tree
        self.has_aux = has_aux

    def result(self, leaves: Sequence[Any]) -> Any:
        """What ``fun`` itself returns."""
        args, kwargs = self.in_tree.unflatten(leaves)
        return self.fun(*args, **kwargs)

    def __call__(self, *leaves: Any) -> list[Any]:
        out = self.result(leaves)
        if not self.has_aux:
            outs, self.out_tree = tree_flatten(out)
            check_result_leaves(self.api, self.fun, out, outs)
            return outs
        if not (isinstance(out, tuple | list) and len(out) == 2):
            raise TypeError(
                f"{subject(self.api, self.fun)} with has_aux=True: the function must return a pair "
                f"(result, aux), got {_described(out)}"
            )
        main, aux = out
        outs, self.out_tree = tree_flatten(main)
        check_result_leaves(self.api, self.fun, main, outs)
        leaves, self._aux_tree = tree_flatten(aux)
        arrays = [x for x in leaves if is_array_like(x)]
        # Traced values are not kept longer than their trace.
        self._aux_leaves = [_ARRAY if is_array_like(x) else x for x in leaves]
        return outs + arrays

    def split(self, flat: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The part of ``flat`` (one value per result leaf) that belongs to the result, and that of aux."""
        count = self.out_tree.num_leaves
        return list(flat[:count]), list(flat[count:])

    def aux(self, values: Sequence[Any]) -> Any:
        """The aux result with its arrays replaced by ``values``."""
        fresh = iter(values)
        return self._aux_tree.unflatten([next(fresh) if x is _ARRAY else x for x in self._aux_leaves])


class FunctionOfSome(FlatFunction):
    """As ``FlatFunction``, of the leaves of ``(chosen, {})``: the other arguments of one call are fixed.

    Args:
      numbers: which positional arguments are chosen.
      args, kwargs: all arguments of the call.
    """

    __slots__ = ("args", "kwargs", "numbers")

    def __init__(
        self,
        api: str,
        fun: Function,
        in_tree: PyTreeDef,
        has_aux: bool,
        numbers: Sequence[int],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.api = api
        self.fun = fun
        self.in_tree = in_tree
        self.has_aux = has_aux
        self.numbers = numbers
        self.args = args
        self.kwargs = kwargs

    def result(self, leaves: Sequence[Any]) -> Any:
        whole = list(self.args)
        for k, value in zip(self.numbers, self.in_tree.unflatten(leaves)[0], strict=True):
            whole[k] = value
        return self.fun(*whole, **self.kwargs)


def _described(x: Any) -> str:
    if isinstance(x, tuple | list):
        return f"{a_type(x)} of length {len(x)}"
    return f"an array {get_aval(x).short()}" if is_array_like(x) else a_type(x)
