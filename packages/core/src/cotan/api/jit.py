"""jit for users: programs run as a whole, reached fast.

The first call of a kind goes through flattening and the table of programs; a later one with plain Arrays is looked up
by their types alone, and nothing else stands on that road.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

from cotan.api.arguments import Argnames, Argnums, Options, resolve_options
from cotan.api.flat import Function, check_callable
from cotan.api.programs import clear_programs, find_program, programs_of
from cotan.config import config
from cotan.ir.evaluate import eval_closed
from cotan.ir.trace import Tracer, current_trace, escaped, eval_trace
from cotan.primitives.call import call
from cotan.runtime import compile as compiling
from cotan.runtime import dispatch
from cotan.runtime.array import Array
from cotan.transforms.cache import clear as clear_transformed
from cotan.tree import leaf_treedef
from cotan.tree.calling import fun_name


class JitFunction:
    """A function that is traced once per kind of arguments, compiled as a whole, and run as one program."""

    def __init__(self, fun: Function, options: Options) -> None:
        self._fun = fun
        self._options = options
        self._programs = programs_of("jit", fun, options)
        # types of Array arguments -> (configuration, compiled program, structure of the result, None for a leaf)
        self._fast = self._programs.fast
        self.__wrapped__ = fun
        self.__name__ = fun_name(fun)
        self.__qualname__ = getattr(fun, "__qualname__", self.__name__)
        self.__module__ = getattr(fun, "__module__", __name__)
        self.__doc__ = getattr(fun, "__doc__", None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs and current_trace() is eval_trace:
            entry = self._fast.get(tuple([x.aval if type(x) is Array else None for x in args]))
            if entry is not None and entry[0] is config.trace_key():
                outs = entry[1](args)
                tree = entry[2]
                return outs[0] if tree is None else tree.unflatten(outs)
        return self._call(args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<jit of {self._fun!r}>"

    def clear_cache(self) -> None:
        """Forget all programs of the function."""
        self._programs.clear()

    def _cache_size(self) -> int:
        return len(self._programs.by_key)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The long way of a call."""
        if config.disable_jit:
            return self._fun(*args, **kwargs)
        program, leaves, bound = find_program("jit", self._fun, self._options, self._programs, args, kwargs)
        if current_trace() is not eval_trace:
            operands = [*program.outer, *leaves]
            if self._options.inline:
                outs = eval_closed(program.closed, *operands)
            else:
                outs = call(program.closed, operands, name=self.__name__, donated=program.donated)
            return program.out_tree.unflatten(outs)
        for x in leaves:
            if isinstance(x, Tracer):
                raise escaped(x)
        compiled = compiling.compile_closed(program.closed, leaves, program.donated, self.__name__)
        outs = compiled(leaves)
        if not kwargs and not bound.key and len(leaves) == len(args) and all(type(x) is Array for x in args):
            tree = None if program.out_tree == leaf_treedef else program.out_tree
            self._fast[tuple([x.aval for x in leaves])] = (config.trace_key(), compiled, tree)
        return program.out_tree.unflatten(outs)


def jit(
    fun: Function | None = None,
    /,
    *,
    static_argnums: Argnums = None,
    static_argnames: Argnames = None,
    donate_argnums: Argnums = None,
    donate_argnames: Argnames = None,
    inline: bool = False,
) -> Any:
    """A function that does what ``fun`` does, as one compiled program.

    ``fun`` is run on tracers once for each kind of arguments (structure, shapes, dtypes, static values); what it does
    with arrays is recorded and compiled. It should be pure: whatever else it does happens only while it is traced.

    Args:
      fun: the function; without it the result is a decorator with these options.
      static_argnums, static_argnames: positions or names of arguments that are Python values, not data: the program is
        made for their values, which must be hashable. Either completes the other from the signature.
      donate_argnums, donate_argnames: arguments whose buffers may become results; their arrays are deleted by the call.
      inline: when traced inside another program, become part of it instead of a call.

    Raises:
      TypeError: ``fun`` is not callable; (when called) an argument or result is not an array.
      ValueError: there is no such argument; (when called) a static argument is not hashable.

    >>> import cotan, cotan.numpy as cnp
    >>> @cotan.jit
    ... def selu(x, alpha=1.67, scale=1.05):
    ...     return scale * cnp.where(x > 0, x, alpha * cnp.exp(x) - alpha)
    >>> selu(cnp.arange(3.0))
    Array([0.  , 1.05, 2.1 ], dtype=float32)
    """

    def decorate(function: Function) -> JitFunction:
        check_callable("jit", function)
        options = resolve_options(
            "jit", function, static_argnums, static_argnames, donate_argnums, donate_argnames, inline
        )
        return JitFunction(function, options)

    return decorate if fun is None else decorate(fun)


def clear_caches() -> None:
    """Forget all traced and transformed programs; the next call of a jitted function traces it again."""
    clear_programs()
    clear_transformed()
    compiling.clear_cache()
    dispatch.clear_cache()
