"""jit for users: programs run as a whole, reached fast.

The first call of a kind goes through flattening and the table of programs; a later one with plain Arrays is looked up
by their types alone, and nothing else stands on that road.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from cotan.api.arguments import Argnames, Argnums, Options, resolve_options
from cotan.api.flat import Function, check_callable, copy_identity
from cotan.api.programs import Programs, clear_programs, find_program, programs_of
from cotan.api.stages import Lowered, Traced, trace_call
from cotan.config import config
from cotan.ir import structure
from cotan.ir.avals import ShapedArray
from cotan.ir.evaluate import eval_closed
from cotan.ir.trace import Tracer, current_trace, escaped, eval_trace
from cotan.primitives.call import call
from cotan.runtime import compile as compiling
from cotan.runtime import dispatch
from cotan.runtime.array import Array
from cotan.tracebacks import boundary, trim, trims
from cotan.tree import PyTreeDef, leaf_treedef
from cotan.tree.calling import fun_name


class ShortCut(NamedTuple):
    """How a call with Arrays of known types runs; found by the ids of their avals, which it keeps alive.

    Attributes:
      key: the configuration for which it holds.
      run: the compiled program.
      out_tree: the structure of the result, or None for a leaf.
      avals: the types.
    """

    key: Hashable
    run: Callable[[Sequence[Any]], list[Any]]
    out_tree: PyTreeDef | None
    avals: list[ShapedArray]


def _jitted(fun: Function, options: Options) -> Function:
    """``fun`` behind a table of programs. A plain function, because calling one is what Python does fastest."""
    programs = programs_of("jit", fun, options)
    name = fun_name(fun)
    find = programs.fast.get

    def jitted(*args: Any, **kwargs: Any) -> Any:
        try:
            if not kwargs and current_trace() is eval_trace:
                entry = find(tuple([id(x.aval) if type(x) is Array else 0 for x in args]))
                if entry is not None and entry[0] is config.key:
                    outs = entry[1](args)
                    tree = entry[2]
                    return outs[0] if tree is None else tree.unflatten(outs)
            if config.disable_jit:
                return fun(*args, **kwargs)
            return _call(fun, name, options, programs, args, kwargs)
        except Exception as error:
            trim(error)
            raise

    copy_identity(trims(jitted), fun, "jit")
    _add_stages(jitted, lambda args, kwargs: trace_call(fun, options, programs, args, kwargs))
    jitted.clear_cache = programs.clear  # type: ignore[attr-defined]
    jitted._cache_size = programs.by_key.__len__  # type: ignore[attr-defined]
    return jitted


def _add_stages(jitted: Function, traced: Callable[[tuple[Any, ...], dict[str, Any]], Traced]) -> None:
    """Give a jitted function what ``stages.Wrapped`` promises."""

    @boundary
    def trace(*args: Any, **kwargs: Any) -> Traced:
        """The program for these arguments (arrays or ``ShapeDtypeStruct``), without running it."""
        return traced(args, kwargs)

    @boundary
    def lower(*args: Any, **kwargs: Any) -> Lowered:
        """The program for these arguments (arrays or ``ShapeDtypeStruct``), ready to be compiled."""
        return traced(args, kwargs).lower()

    @boundary
    def eval_shape(*args: Any, **kwargs: Any) -> Any:
        """The shapes and dtypes of the result for these arguments."""
        return traced(args, kwargs).out_info

    for method in (trace, lower, eval_shape):
        setattr(jitted, method.__name__, method)


def _call(
    fun: Function, name: str, options: Options, programs: Programs, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The long way of a call."""
    program, leaves, bound = find_program("jit", fun, options, programs, args, kwargs)
    if current_trace() is not eval_trace:
        operands = [*program.outer, *leaves]
        if options.inline:
            outs = eval_closed(program.closed, *operands)
        else:
            outs = call(program.closed, operands, name=name, donated=program.donated)
        return program.out_tree.unflatten(outs)
    for x in leaves:
        if isinstance(x, Tracer):
            raise escaped(x)
    run = program.run
    if run is None:
        run = program.run = compiling.compile_closed(program.closed, leaves, program.donated, name).closing_over(
            program.outer
        )
    outs = run(leaves)
    if not kwargs and not bound.key and len(leaves) == len(args) and all(type(x) is Array for x in args):
        tree = None if program.out_tree == leaf_treedef else program.out_tree
        avals = [x.aval for x in leaves]
        programs.fast[tuple(map(id, avals))] = ShortCut(config.key, run, tree, avals)
    return program.out_tree.unflatten(outs)


@boundary
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

    @boundary
    def decorate(function: Function) -> Function:
        check_callable("jit", function)
        options = resolve_options(
            "jit", function, static_argnums, static_argnames, donate_argnums, donate_argnames, inline
        )
        return _jitted(function, options)

    return decorate if fun is None else decorate(fun)


def clear_caches() -> None:
    """Forget all traced and transformed programs; the next call of a jitted function traces it again."""
    clear_programs()
    structure.clear()
    compiling.clear_cache()
    dispatch.clear_cache()
