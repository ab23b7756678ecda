"""jit for users: programs run as a whole, reached fast.

The first calls of a kind go through flattening and the table of programs; later ones with Arrays find a function that
was written for their structure and types (``shortcut``), and nothing else stands on that road.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cotan.api.arguments import Argnames, Argnums, Bound, Options, resolve_options
from cotan.api.flat import Function, add_methods, check_callable, copy_identity, lift_leaf
from cotan.api.placement import Placement, resolve_placement
from cotan.api.programs import Program, Programs, clear_programs, find_program, programs_of
from cotan.api.shortcut import MISS, write_entry
from cotan.api.stages import CompilerOptions, Lowered, Traced, check_options, trace_call
from cotan.config import config
from cotan.ir import structure
from cotan.ir.evaluate import eval_closed
from cotan.ir.trace import Tracer, current_trace, eval_trace
from cotan.primitives.call import call
from cotan.runtime import compile as compiling
from cotan.runtime import dispatch
from cotan.runtime.array import Array
from cotan.tracebacks import boundary, trim, trims
from cotan.transforms import deferred, gradients, routines
from cotan.tree.calling import fun_name, signature_of


def _jitted(fun: Function, options: Options, placement: Placement | None = None) -> Function:
    """``fun`` behind a table of programs. A plain function, because calling one is what Python does fastest."""
    programs = programs_of("jit", fun, options)
    name = fun_name(fun)

    def jitted(*args: Any, **kwargs: Any) -> Any:
        try:
            if not kwargs:
                for entry in programs.fast:
                    result = entry(args)
                    if result is not MISS:
                        return result
            else:
                for entry in programs.named:
                    result = entry(args, kwargs)
                    if result is not MISS:
                        return result
            if config.disable_jit:
                return fun(*args, **kwargs)
            return _call(fun, name, options, programs, args, kwargs)
        except Exception as error:
            trim(error)
            raise

    whole = jitted if placement is None else _placed(jitted, fun, options, placement)
    copy_identity(trims(whole), fun, "jit")
    signature = signature_of(fun)
    if signature is not None:  # for programs that ask for it without following __wrapped__
        whole.__signature__ = signature  # type: ignore[attr-defined]

    def traced(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Traced:
        if placement is not None:
            args, kwargs = placement.arguments(fun, options, args, kwargs)
        return trace_call(fun, options, programs, args, kwargs)

    add_methods(whole, **_stages(traced), clear_cache=programs.clear, _cache_size=programs.by_key.__len__)
    return whole


def _placed(jitted: Function, fun: Function, options: Options, placement: Placement) -> Function:
    """``jitted`` with arguments and results brought to where they are asked for, under its compiler options."""
    flags = dict(options.compiler_options)

    def placed(*args: Any, **kwargs: Any) -> Any:
        try:
            args, kwargs = placement.arguments(fun, options, args, kwargs)
            with config.override(**flags):
                return placement.results(fun, jitted(*args, **kwargs))
        except Exception as error:
            trim(error)
            raise

    return placed


def _stages(traced: Callable[[tuple[Any, ...], dict[str, Any]], Traced]) -> dict[str, Function]:
    """What ``stages.Wrapped`` promises of a jitted function."""

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

    return {"trace": trace, "lower": lower, "eval_shape": eval_shape}


def _call(
    fun: Function, name: str, options: Options, programs: Programs, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The long way of a call."""
    flags = config.trace_key()
    program, leaves, bound = find_program("jit", fun, options, programs, args, kwargs)
    if current_trace() is not eval_trace:
        operands = [*program.outer, *leaves]
        if options.inline:
            outs = eval_closed(program.closed, *operands)
        else:
            outs = call(program.closed, operands, name=name, donated=program.donated)
        return program.out_tree.unflatten(outs)
    leaves = [x.outside() if isinstance(x, Tracer) else x for x in leaves]
    run = program.run
    known = run is not None
    if run is None:
        if options.compiler_options:  # which programs of the same text do not share
            made = compiling.Compiled(program.closed, program.donated, name)
        else:
            made = compiling.compile_closed(program.closed, leaves, program.donated, name)
        run = program.run = made.closing_over([lift_leaf(x) for x in program.outer])
    outs = run(leaves)
    if known and len(program.short) < _MOST_ENTRIES and config.trace_key() == flags:
        # At the second call, since most programs that are called once are never called again.
        _add_entry(programs, program, bound, leaves)
    return program.out_tree.unflatten(outs)


_MOST_ENTRIES = 8


def _add_entry(programs: Programs, program: Program, bound: Bound, leaves: Sequence[Any]) -> None:
    """Give calls like this one a way of their own, which is tried before all others."""
    kinds = (program.run.device, *map(type, leaves))
    if kinds in program.short:
        return
    program.short = {*program.short, kinds}
    ready = program.run.ready()
    if ready is None or any(type(x) is Array and x._device is not ready.device for x in leaves):
        return
    entry = write_entry(bound, leaves, ready, program.closed.out_avals, program.out_tree)
    if entry is None:
        return
    if bound.dynamic[1] or bound.static_kwargs:
        programs.named = (entry, *programs.named[: _MOST_ENTRIES - 1])
    else:
        programs.fast = (entry, *programs.fast[: _MOST_ENTRIES - 1])


@boundary
def jit(
    fun: Function | None = None,
    /,
    *,
    in_shardings: Any = None,
    out_shardings: Any = None,
    static_argnums: Argnums = None,
    static_argnames: Argnames = None,
    donate_argnums: Argnums = None,
    donate_argnames: Argnames = None,
    keep_unused: bool = False,
    device: Any = None,
    backend: str | None = None,
    inline: bool = False,
    compiler_options: CompilerOptions | None = None,
) -> Any:
    """A function that does what ``fun`` does, as one compiled program.

    ``fun`` is run on tracers once for each kind of arguments (structure, shapes, dtypes, static values); what it does
    with arrays is recorded and compiled. It should be pure: whatever else it does happens only while it is traced.

    Args:
      fun: the function; without it the result is a decorator with these options.
      in_shardings, out_shardings: shardings on one device, or PartitionSpecs for the current mesh, or pytrees of them
        and None: prefixes of the tuple of positional arguments and of the result, which are brought there.
      static_argnums, static_argnames: positions or names of arguments that are Python values, not data: the program is
        made for their values, which must be hashable. Either completes the other from the signature.
      donate_argnums, donate_argnames: arguments whose buffers may become results; their arrays are deleted by the call.
      keep_unused: accepted; arguments that the program does not use cost nothing.
      device, backend: a device, or a platform's name: where the program runs, wherever its arguments are.
      inline: when traced inside another program, become part of it instead of a call.
      compiler_options: values, for this program, of flags that the compiler reads (``num_threads``, ...).

    Raises:
      TypeError: ``fun`` is not callable, or a sharding is none; (when called) an argument or result is not an array.
      ValueError: there is no such argument or compiler option, or options exclude each other; (when called) a static
        argument is not hashable, or shardings do not fit the structure of arguments or result.
      RuntimeError: (when called) there is a PartitionSpec and no current mesh.

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
        flags = check_options(compiler_options or {})
        options = resolve_options(
            "jit", function, static_argnums, static_argnames, donate_argnums, donate_argnames, inline, flags
        )
        placement = resolve_placement(function, in_shardings, out_shardings, device, backend)
        return _jitted(function, options, Placement() if flags and placement is None else placement)

    return decorate if fun is None else decorate(fun)


def clear_caches() -> None:
    """Forget all traced and transformed programs; the next call of a jitted function traces it again."""
    clear_programs()
    structure.clear()
    compiling.clear_cache()
    dispatch.clear_cache()
    routines.forget()
    deferred.forget()
    gradients.forget()
