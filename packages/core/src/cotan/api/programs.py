"""Traced functions: which program belongs to a call of a function, and where it is kept.

A program is found by static arguments, structure and types of the others, configuration, and named axes in scope. It
lives as long as the user's function, holds none of its arguments, and is shared by all that trace the same function
with the same options.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from cotan.api.arguments import Bound, Options, bind_static, donated_leaves
from cotan.api.flat import Function, check_argument_leaves, check_result_leaves, fun_place
from cotan.config import config
from cotan.ir.avals import ShapedArray, get_aval
from cotan.ir.jaxpr import ClosedJaxpr, Jaxpr
from cotan.ir.trace import Tracer, current_trace, eval_trace
from cotan.transforms.batch import axes_in_scope
from cotan.transforms.stage import stage_to_jaxpr
from cotan.tree import PyTreeDef, tree_flatten
from cotan.tree.calling import fun_name


class Program(NamedTuple):
    """A traced function.

    Attributes:
      closed: the program, from (closed-over tracers, leaves of the arguments) to leaves of the result.
      out_tree: the structure of the result.
      outer: the closed-over tracers of outer traces, for the call at hand; such a program is not kept.
      donated: for each argument of ``closed``, whether it gives up its buffer.
    """

    closed: ClosedJaxpr
    out_tree: PyTreeDef
    outer: tuple[Any, ...]
    donated: tuple[bool, ...]


class Programs:
    """The programs of one function under one set of options, their compiled forms, and jit's short cuts to them."""

    __slots__ = ("__weakref__", "by_key", "compiled", "fast")

    def __init__(self) -> None:
        self.by_key: dict[Hashable, Program] = {}
        self.compiled: dict[ClosedJaxpr, Any] = {}
        self.fast: dict[Hashable, Any] = {}
        _all_programs.add(self)

    def clear(self) -> None:
        """Forget all of them."""
        self.fast.clear()
        self.compiled.clear()
        self.by_key.clear()


_all_programs: WeakSet[Programs] = WeakSet()
_of_function: WeakKeyDictionary[Any, dict[Hashable, Programs]] = WeakKeyDictionary()
_lock = threading.Lock()


def programs_of(api: str, fun: Function, options: Options) -> Programs:
    """The programs of ``fun``, shared by all that trace the same function alike."""
    with _lock:
        try:
            table = _of_function.get(fun)
            if table is None:
                table = _of_function[fun] = {}
        except TypeError:  # neither hashable nor weakly referable
            return Programs()
        programs = table.get((api, options))
        if programs is None:
            programs = table[(api, options)] = Programs()
        return programs


def clear_programs() -> None:
    """Forget the programs of all functions."""
    for programs in list(_all_programs):
        programs.clear()


def find_program(
    api: str, fun: Function, options: Options, programs: Programs, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Program, list[Any], Bound]:
    """The program for a call, traced now if it is new, the leaves of the dynamic arguments, and the call's parts.

    Raises:
      TypeError: an argument is not an array.
      ValueError: a static argument is not hashable.
    """
    bound = bind_static(api, fun, options, args, kwargs)
    leaves, in_tree = tree_flatten(bound.dynamic)
    try:
        avals = tuple([get_aval(x) for x in leaves])
    except TypeError:
        check_argument_leaves(api, fun, leaves, bound.names(fun, in_tree))
        raise
    axes = () if current_trace() is eval_trace else tuple(axes_in_scope())
    key = (bound.key, in_tree, avals, config.trace_key(), axes)
    program = programs.by_key.get(key)
    if program is None:
        program = trace_program(api, fun, options, bound, in_tree, avals)
        if not program.outer:
            program = programs.by_key.setdefault(key, program)
    return program, leaves, bound


def trace_program(
    api: str, fun: Function, options: Options, bound: Bound, in_tree: PyTreeDef, avals: Sequence[ShapedArray]
) -> Program:
    """Run the function on tracers and record what it does."""
    out_tree: PyTreeDef | None = None

    def flat(*leaves: Any) -> list[Any]:
        nonlocal out_tree
        args, kwargs = bound.complete(*in_tree.unflatten(leaves))
        out = fun(*args, **kwargs)
        outs, out_tree = tree_flatten(out)
        check_result_leaves(api, fun, out, outs)
        return outs

    names = bound.names(fun, in_tree).names
    name = fun_name(fun)
    jaxpr, consts = stage_to_jaxpr(flat, avals, name=name, arg_names=names, by=api, place=fun_place(fun))
    jaxpr, outer, inner = _lift_tracers(jaxpr, consts)
    donated = (False,) * len(outer) + donated_leaves(options, bound, len(avals))
    assert out_tree is not None
    return Program(ClosedJaxpr(jaxpr, inner), out_tree, tuple(outer), donated)


def _lift_tracers(jaxpr: Jaxpr, consts: Sequence[Any]) -> tuple[Jaxpr, list[Any], list[Any]]:
    """Make constants that are tracers of outer traces the first arguments; returns them and the other constants."""
    outer = [(v, c) for v, c in zip(jaxpr.constvars, consts, strict=True) if isinstance(c, Tracer)]
    if not outer:
        return jaxpr, [], list(consts)
    inner = [(v, c) for v, c in zip(jaxpr.constvars, consts, strict=True) if not isinstance(c, Tracer)]
    lifted = jaxpr.replace(
        constvars=[v for v, _ in inner],
        invars=[*(v for v, _ in outer), *jaxpr.invars],
        arg_names=("",) * len(outer) + jaxpr.arg_names,
    )
    return lifted, [c for _, c in outer], [c for _, c in inner]
