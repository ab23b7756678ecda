"""Bodies of control flow: users' functions of pytrees as programs of flat arrays, with checks in the user's terms.

A body is traced once for its function object and the types of what it gets, so that an eager loop around a loop traces
and compiles nothing anew. That a variable which a function closes over has got another value is noticed, and so is a
NumPy array, its own or a module's, with other elements (``present_variables``, for ``checkpoint`` as well). Knows no
primitive.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from cotan.api.arguments import Bound, Options
from cotan.api.flat import Function, check_argument_leaves, lift_leaf, subject
from cotan.api.programs import Program, Programs, program_for, programs_of
from cotan.dtypes import result_type
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, same_type
from cotan.ir.trace import Tracer
from cotan.runtime.array import Array
from cotan.structural import convert_element_type
from cotan.tree import PyTreeDef, equality_errors, keystr, tree_flatten, treedef_tuple
from cotan.tree.calling import ArgNames, positional_names

_PLAIN = Options((), (), (), (), False)
_NO_KEYWORDS = tree_flatten({})[1]


def trace_body(api: str, fun: Function, trees: Sequence[PyTreeDef], avals: Sequence[ShapedArray]) -> Program:
    """The program of ``fun`` for arguments of the given structures and types.

    Raises:
      TypeError: the function returned something that is no array.
    """
    in_tree = treedef_tuple((treedef_tuple(trees), _NO_KEYWORDS))
    programs = programs_of(api, fun, _PLAIN)
    with present_variables(fun, programs):
        bound = Bound(((), {}), None, {}, {}, ())
        program = program_for(api, fun, _PLAIN, programs, bound, in_tree, tuple(avals))
    return program


@contextmanager
def present_variables(fun: Function, programs: Programs) -> Iterator[None]:
    """In it ``programs`` holds none of ``fun`` that was traced when a variable it closes over had another value."""
    present = _closed_over(fun)
    if _closures.setdefault(programs, present) != present:
        programs.clear()
        programs.gone = "a variable that it closes over has another value"
        _closures[programs] = present
    count = len(programs.by_key)
    yield
    if len(programs.by_key) > count:
        # What tracing itself changes (a list that it appends to) is no reason to trace again.
        _closures[programs] = _closed_over(fun)


def check_leaves(api: str, fun: Function, trees: Sequence[PyTreeDef], leaves: Sequence[Any]) -> None:
    """Raise TypeError for the first leaf of the arguments of ``fun`` that is not an array, naming it."""
    if not all(map(is_array_like, leaves)):
        check_argument_leaves(api, fun, leaves, ArgNames(fun, treedef_tuple((treedef_tuple(trees), _NO_KEYWORDS))))


def finish(tree: PyTreeDef, leaves: Sequence[Any]) -> Any:
    """The user's result: ``leaves`` as Arrays (or tracers) in their structure."""
    return tree.unflatten([x if type(x) is Array or isinstance(x, Tracer) else lift_leaf(x) for x in leaves])


# ---- Functions as keys: by their object, and what they close over


class _Same:
    """Stands for an object in a key: equal to what stands for the same object, as long as that lives.

    What cannot be referred to weakly is kept alive: its id alone might be another object's the next time.
    """

    __slots__ = ("_hash", "_ref")
    _ref: Callable[[], Any]

    def __init__(self, x: Any) -> None:
        try:
            self._ref = ref(x)
        except TypeError:
            self._ref = lambda: x
        self._hash = id(x)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        x = self._ref()
        return x is not None and isinstance(other, _Same) and other._ref() is x


_VALUES = (int, float, complex, str, bytes, type(None))


def _closed_over(fun: Any) -> tuple[Hashable, ...]:
    """What tells the present values of the variables that ``fun`` closes over from earlier ones."""
    return tuple(_variables(fun, set()))


def _variables(fun: Any, seen: set[int]) -> Iterator[Hashable]:
    while isinstance(fun, functools.partial):
        yield from _values((fun.args, fun.keywords), seen)
        fun = fun.func
    if not isinstance(fun, types.FunctionType) or id(fun) in seen:
        return
    seen.add(id(fun))
    yield from _values((fun.__defaults__, fun.__kwdefaults__), seen)
    for cell in fun.__closure__ or ():
        try:
            yield from _values(cell.cell_contents, seen)
        except ValueError:  # the variable has no value yet
            yield None
    yield from _arrays_of_module(fun.__code__, fun.__globals__)


def _values(value: Any, seen: set[int]) -> Iterator[Hashable]:
    try:
        leaves, tree = tree_flatten(value)
    except ValueError:  # keys that cannot be ordered
        yield None
        return
    yield tree
    for x in leaves:
        yield _token(x)
        yield from _variables(x, seen)


def _arrays_of_module(code: types.CodeType, variables: dict[str, Any]) -> Iterator[Hashable]:
    """What tells the elements of the NumPy arrays that code names, which may change in place, from earlier ones."""
    for name in code.co_names:
        if isinstance(x := variables.get(name), np.ndarray):
            yield _token(x)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _arrays_of_module(inner, variables)


def _token(x: Any) -> Hashable:
    if isinstance(x, _VALUES):
        return type(x), repr(x)
    if isinstance(x, np.generic | np.ndarray):
        return x.dtype, x.shape, hash(x.tobytes())  # the bytes themselves would be a copy that is kept
    return _Same(x)


_closures: WeakKeyDictionary[Programs, tuple[Hashable, ...]] = WeakKeyDictionary()


# ---- Carries


def trace_carrying(
    api: str,
    fun: Function,
    trees: Sequence[PyTreeDef],
    carry: Sequence[Any],
    more: Sequence[ShapedArray],
    *,
    first: int = 0,
    pair: bool = False,
) -> tuple[Program, list[Any]]:
    """The program of a body that takes a carry and returns the next one, and the initial carry, perhaps promoted.

    Args:
      trees: the structures of the arguments; number ``first`` is the carry.
      carry: leaves of the initial carry.
      more: types of the leaves of the other arguments: those before the carry, then those after it.
      pair: whether the function returns (carry, something else), not only a carry.

    Raises:
      TypeError: the carry that is returned differs from the one that was given; the message names what does.
    """
    carry = list(carry)
    before = sum(tree.num_leaves for tree in trees[:first])
    while True:
        avals = [get_aval(x) for x in carry]
        program = trace_body(api, fun, trees, [*more[:before], *avals, *more[before:]])
        out_tree = _carry_tree(api, fun, program.out_tree) if pair else program.out_tree
        name = positional_names(fun, first + 1)[first]
        if out_tree != trees[first]:
            raise TypeError(_structures_differ(api, fun, name, trees[first], out_tree))
        outs = program.closed.out_avals[: len(carry)]
        weak = [k for k, (a, b) in enumerate(zip(avals, outs, strict=True)) if a.weak_type and not same_type(a, b)]
        # A Python scalar gives way to the type that it gets in the first step.
        if not weak:
            break
        for k in weak:
            carry[k] = convert_element_type(carry[k], result_type(avals[k], outs[k]))
    if not all(map(same_type, avals, outs)):
        raise TypeError(_types_differ(api, fun, name, trees[first], avals, outs))
    return program, carry


def _carry_tree(api: str, fun: Function, out_tree: PyTreeDef) -> PyTreeDef:
    """The structure of the first of two results."""
    data = out_tree.node_data()
    children = out_tree.children()
    if data is None or issubclass(data[0], dict) or len(children) != 2:
        raise TypeError(
            f"{subject(api, fun)}: the function must return a pair (carry, y), got "
            f"{'an array' if data is None else f'a {data[0].__name__} of {len(children)}'}; y may be None"
        )
    return children[0]


def _structures_differ(api: str, fun: Function, name: str, given: PyTreeDef, returned: PyTreeDef) -> str:
    return (
        f"{subject(api, fun)}: the carry must be returned with the structure with which it is given, but they differ "
        f"(given, returned):\n{differences(name, given, returned)}"
    )


def differences(name: str, a: PyTreeDef, b: PyTreeDef) -> str:
    """Where two structures differ, one line each."""
    marks = [tree.unflatten([0] * tree.num_leaves) for tree in (a, b)]
    lines = [line[3:] if line.startswith("at ") else f": {line}" for line in equality_errors(*marks)]
    return "\n".join(f"  {name}{line}" for line in lines) or f"  {name}: {a} against {b}"


def _types_differ(
    api: str, fun: Function, name: str, tree: PyTreeDef, given: Sequence[ShapedArray], returned: Sequence[ShapedArray]
) -> str:
    lines = "\n".join(
        f"  {name}{keystr(path)} is given as {a.short()} and returned as {b.short()}"
        for path, a, b in zip(tree.paths(), given, returned, strict=True)
        if not same_type(a, b)
    )
    return (
        f"{subject(api, fun)}: the carry must be returned with the types with which it is given, but they differ:\n"
        f"{lines}\nConvert in the function (.astype) or the initial value, so that they agree"
    )
