"""Traced functions: which program belongs to a call of a function, and where it is kept.

A program is found by static arguments, structure and types of the others, configuration, and named axes in scope. It
lives as long as the user's function, holds none of its arguments, and is shared by all that trace the same function
with the same options. Arrays that the function closes over are the program's first arguments, so that closures which
differ in them alone share one program, with its derivatives and its compiled code.
"""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

import numpy as np

from cotan.api.arguments import Bound, Options, bind_static, donated_leaves
from cotan.api.flat import Function, check_argument_leaves, check_result_leaves, fun_place, lift_leaf
from cotan.api.reports import log_miss, log_trace
from cotan.config import config
from cotan.errors import where
from cotan.forks import opened_by_fork
from cotan.ir.avals import ShapedArray, get_aval, valueless
from cotan.ir.jaxpr import ClosedJaxpr, Jaxpr
from cotan.ir.structure import SMALL, intern
from cotan.ir.trace import Tracer, current_trace, eval_trace
from cotan.runtime.array import Array
from cotan.transforms.batch import AxisData, axes_in_scope
from cotan.transforms.stage import stage_to_jaxpr
from cotan.tree import PyTreeDef, tree_flatten
from cotan.tree.calling import fun_name


@dataclass(slots=True, eq=False)
class Program:
    """A traced function.

    Attributes:
      closed: the program, from (closed-over values, leaves of the arguments) to leaves of the result.
      out_tree: the structure of the result.
      outer: the closed-over values: arrays, and tracers of outer traces.
      donated: for each argument of ``closed``, whether it gives up its buffer.
      run: what a call with Arrays runs: the leaves of the arguments to those of the result. None before the first one.
      short: the devices and the Python types of leaves for which a short cut to it was written, or cannot be.
    """

    closed: ClosedJaxpr
    out_tree: PyTreeDef
    outer: tuple[Any, ...]
    donated: tuple[bool, ...]
    run: Any = None
    short: frozenset[tuple[Any, ...]] | set[tuple[Any, ...]] = frozenset()

    @property
    def kept(self) -> bool:
        """Whether later calls may use it: not if it was made for the tracers of the call at hand."""
        return not any(isinstance(x, Tracer) for x in self.outer)

    def whole(self) -> ClosedJaxpr:
        """The program with the closed-over values as its constants: from the leaves of the arguments alone."""
        jaxpr, count = self.closed.jaxpr, len(self.outer)
        if not count:
            return self.closed
        opened = jaxpr.replace(
            constvars=jaxpr.invars[:count] + jaxpr.constvars,
            invars=jaxpr.invars[count:],
            arg_names=jaxpr.arg_names[count:],
        )
        return ClosedJaxpr(opened, self.outer + self.closed.consts)


MOST = 4096
"""How many programs of one function are kept."""


class Programs:
    """The programs of one function under one set of options, and jit's short cuts to them: ``fast`` for calls by
    position alone, ``named`` for those with arguments by name.

    ``gone`` says why programs that were traced are not here, for reports; empty where none was.
    """

    __slots__ = ("__weakref__", "by_key", "fast", "gone", "named")

    def __init__(self) -> None:
        self.by_key: dict[tuple[Any, ...], Program] = {}
        self.fast: tuple[Callable[..., Any], ...] = ()
        self.named: tuple[Callable[..., Any], ...] = ()
        self.gone = ""
        with _lock:
            _all_programs.add(self)

    def add(self, key: tuple[Any, ...], program: Program) -> Program:
        """Keep ``program``, or find the one that another thread made meanwhile. If there are many, the oldest goes."""
        with _lock:  # calls only read, but what another thread adds or clears would end the search for the oldest
            kept = self.by_key.setdefault(key, program)
            if len(self.by_key) > MOST:
                del self.by_key[next(iter(self.by_key))]
                self.fast = self.named = ()
        return kept

    def clear(self) -> None:
        """Forget all of them."""
        with _lock:
            if self.by_key:
                self.gone = "its programs were forgotten (clear_caches, clear_cache)"
            self.fast = self.named = ()
            self.by_key.clear()


_all_programs: WeakSet[Programs] = WeakSet()
# The code of functions that were traced: a function object that is not known may still be one made again.
_traced_code: WeakSet[Any] = WeakSet()
_of_function: WeakKeyDictionary[Any, dict[Hashable, Programs]] = WeakKeyDictionary()
_lock = opened_by_fork(threading.RLock())


class _Tables:
    """The programs of one function, kept with it: a program may refer back to its function (by a callback, a rule), and
    a table beside both would never let go of them. Copies of the function begin with nothing."""

    __slots__ = ("by_options", "owner")

    def __init__(self, owner: Any = None) -> None:
        self.owner = (lambda: None) if owner is None else ref(owner)
        self.by_options: dict[Hashable, Programs] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return (_Tables, ())


_TABLES = "__cotan_programs__"


def programs_of(api: str, fun: Function, options: Options) -> Programs:
    """The programs of ``fun``, shared by all that trace the same function alike."""
    if isinstance(fun, types.MethodType):
        return Programs()  # made anew by every access
    with _lock:
        try:
            table = _table_of(fun)
        except TypeError:  # neither hashable nor weakly referable
            return Programs()
        programs = table.get((api, options))
        if programs is None:
            programs = table[(api, options)] = Programs()
        return programs


def _table_of(fun: Function) -> dict[Hashable, Programs]:
    if isinstance(fun, types.FunctionType | functools.partial) or type(fun).__module__.startswith("cotan."):
        attributes = getattr(fun, "__dict__", None)
        if attributes is not None:
            tables = attributes.get(_TABLES)
            if tables is None or tables.owner() is not fun:  # or it is another's, copied by functools.wraps
                tables = attributes[_TABLES] = _Tables(fun)
            return tables.by_options  # type: ignore[no-any-return]
    table = _of_function.get(fun)
    if table is None:
        table = _of_function[fun] = {}
    return table


def clear_programs() -> None:
    """Forget the programs of all functions."""
    with _lock:
        known = list(_all_programs)
    for programs in known:
        programs.clear()


def find_program(
    api: str,
    fun: Function,
    options: Options,
    programs: Programs,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    keyed: bool = True,
) -> tuple[Program, list[Any], Bound]:
    """The program for a call, traced now if it is new, the leaves of the dynamic arguments, and the call's parts.

    Args:
      keyed: static arguments must be hashable; if not, a program for one that is not is traced for every call.

    Raises:
      TypeError: an argument is not an array.
      ValueError: a static argument is not hashable and must be.
    """
    bound = bind_static(api, fun, options, args, kwargs, keyed=keyed)
    leaves, in_tree = tree_flatten(bound.dynamic)
    try:
        avals = tuple([get_aval(x) for x in leaves])
    except TypeError:
        check_argument_leaves(api, fun, leaves, bound.names(fun, in_tree))
        raise
    return program_for(api, fun, options, programs, bound, in_tree, avals), leaves, bound


def program_for(
    api: str,
    fun: Function,
    options: Options,
    programs: Programs,
    bound: Bound,
    in_tree: PyTreeDef,
    avals: tuple[ShapedArray, ...],
) -> Program:
    """The program for arguments of the given structure and types, traced now if it is new."""
    axes = () if current_trace() is eval_trace else tuple(axes_in_scope())
    flags = config.trace_key()
    key: tuple[Any, ...] = (bound.key, in_tree, avals, flags, axes)
    shared = bound.key is not None
    program = programs.by_key.get(key) if shared else None
    if program is not None:
        return program
    if config.no_tracing:
        raise RuntimeError(
            f"{where()}: {api} would have to trace `{fun_name(fun)}` ({fun_place(fun)}) for these arguments, and "
            "cotan.no_tracing forbids it; call it with arguments of these types before"
        )
    if config.explain_cache_misses:
        _explain(api, fun, programs, key, bound)
    start = perf_counter()
    program = trace_program(api, fun, options, bound, in_tree, avals)
    if config.log_compiles:
        log_trace(api, fun, bound.names(fun, in_tree), avals, perf_counter() - start)
    with _lock:
        _traced_code.update(_code(fun))
    if not shared:
        return program
    if config.trace_key() != flags:
        programs.gone = "a flag was set for all threads while it was traced"
        return program
    if program.kept:
        return programs.add(key, program)
    programs.gone = "it closes over values that an outer function is being traced with, which differ every time"
    return program


def _code(fun: Function) -> list[Any]:
    code = getattr(inspect.unwrap(fun), "__code__", None)
    return [] if code is None else [code]


def _explain(api: str, fun: Function, programs: Programs, key: tuple[Any, ...], bound: Bound) -> None:
    if bound.key is None:
        log_miss(api, fun, key, [], "a static argument is not hashable, so that it is traced by every call", None)
        return
    why = programs.gone
    if not programs.by_key and not why and all(code in _traced_code for code in _code(fun)) and _code(fun):
        why = (
            f"the function object is new: it was defined at {fun_place(fun)} before, and jitted functions are known by "
            f"their object. Is it defined, or {api} called, in a loop? Do that once, outside"
        )
    log_miss(api, fun, key, list(programs.by_key), why, bound.positions)


def trace_program(
    api: str,
    fun: Function,
    options: Options,
    bound: Bound,
    in_tree: PyTreeDef,
    avals: Sequence[ShapedArray],
    axes: Sequence[AxisData] | None = None,
) -> Program:
    """Run the function on tracers and record what it does; ``axes`` are in scope, or those that are around the call."""
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
    jaxpr, consts = stage_to_jaxpr(flat, avals, name=name, arg_names=names, by=api, place=fun_place(fun), axes=axes)
    jaxpr, outer, inner = _lift_constants(jaxpr, consts)
    donated = (False,) * len(outer) + donated_leaves(options, bound, len(avals))
    assert out_tree is not None
    return Program(intern(ClosedJaxpr(jaxpr, inner)), out_tree, tuple(outer), donated)


def _lift_constants(jaxpr: Jaxpr, consts: Sequence[Any]) -> tuple[Jaxpr, list[Any], list[Any]]:
    """Make closed-over values the first arguments; returns them and the constants that stay."""
    stays = [_stays(c) for c in consts]
    if all(stays):
        return jaxpr, [], list(consts)
    pairs = list(zip(jaxpr.constvars, consts, stays, strict=True))
    outer = [v for v, _, s in pairs if not s]
    lifted = jaxpr.replace(
        constvars=[v for v, _, s in pairs if s],
        invars=[*outer, *jaxpr.invars],
        arg_names=("",) * len(outer) + jaxpr.arg_names,
    )
    return lifted, [_operand(c) for _, c, s in pairs if not s], [c for _, c, s in pairs if s]


def _stays(value: Any) -> bool:
    """Whether a constant is part of the program's text: small tables of indices and masks, which compilers fold."""
    return type(value) is np.ndarray and value.nbytes <= SMALL and value.dtype.kind in "biu"


def _operand(value: Any) -> Any:
    """A closed-over value as an operand: on a device once and for all, and free to follow the arguments to theirs."""
    if isinstance(value, Tracer) or type(value) in valueless:
        return value
    value = lift_leaf(value)
    return Array(value.aval, value._live(), value._device) if value._committed else value
