"""Loops and branches for users: scan, while_loop, fori_loop, map, cond, switch.

Bodies are traced once and become parts of the program (``api.bodies``); under ``disable_jit`` they run as plain Python.
No mathematics: what transforms do with loops and branches stands with the primitives.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api.bodies import check_leaves, differences, finish, trace_body, trace_carrying
from cotan.api.flat import check_callable, subject
from cotan.api.programs import Program
from cotan.config import config
from cotan.errors import ConcretizationTypeError, TracerIntegerConversionError, a_type, where
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, same_type, shaped
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.trace import Tracer
from cotan.primitives.arithmetic import add, clamp
from cotan.primitives.call import call
from cotan.primitives.compare import lt, ne
from cotan.primitives.control.bodies import taking
from cotan.primitives.control.cond import branch
from cotan.primitives.control.scan import loop
from cotan.primitives.control.while_loop import run_while
from cotan.primitives.shape import concatenate, expand_dims, reshape, squeeze
from cotan.primitives.slice import slice as slice_of
from cotan.structural import convert_element_type
from cotan.tracebacks import boundary
from cotan.transforms.batch import AxisData, batch_jaxpr
from cotan.transforms.cache import weakly_cached
from cotan.transforms.stage import replay, stage_closed
from cotan.tree import PyTreeDef, keystr, leaf_treedef, tree_flatten, tree_map
from cotan.tree.calling import fun_name, fun_place

Function = Callable[..., Any]
_UNSET: Any = object()


# ---- scan and map


@boundary
def scan(
    f: Function,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    _split_transpose: bool = False,
) -> tuple[Any, Any]:
    """Run ``f`` for each slice of ``xs`` along its first axis, carrying a value from one run to the next.

    It does what this does, as a loop inside the program::

        carry, ys = init, []
        for x in xs:
            carry, y = f(carry, x)
            ys.append(y)
        return carry, stack(ys)

    Args:
      f: ``(carry, x) -> (carry, y)``; carry, x and y are pytrees of arrays. The carry keeps its structure, shapes and
        dtypes (a Python scalar takes the dtype that the first run gives it).
      init: the first carry.
      xs: a pytree of arrays with first axes of one size; None (or without arrays): ``length`` says how many runs.
      length: how many runs; may be left out where ``xs`` says it.
      reverse: run from the last slice to the first; ``ys`` lie as ``xs`` do.
      unroll: how many runs make up one of the compiled loop; True: all of them.
      _split_transpose: accepted, and without influence on results.

    Returns:
      The last carry, and the values ``y`` stacked along new first axes.

    Raises:
      TypeError: the carry that ``f`` returns differs in structure or types from the one it gets; something is no array.
      ValueError: first axes differ in size, or nothing says how many runs there are.

    >>> import cotan.numpy as cnp
    >>> from cotan import lax
    >>> lax.scan(lambda total, x: (total + x, total * x), 0, cnp.arange(4))
    (Array(6, dtype=int32), Array([0, 0, 2, 9], dtype=int32))
    """
    check_callable("scan", f)
    rows, xs_tree = tree_flatten(xs)
    carry, carry_tree = tree_flatten(init)
    trees = (carry_tree, xs_tree)
    check_leaves("scan", f, trees, [*carry, *rows])
    steps = _length("scan", f, xs, rows, length)
    count = _unroll("scan", f, unroll, steps)
    if config.disable_jit and steps:
        return _scan_in_python("scan", f, init, xs, steps, reverse)
    program, carry = trace_carrying("scan", f, trees, carry, _slices(rows), pair=True)
    results = loop(
        program.closed,
        [*program.outer, *carry, *rows],
        consts=len(program.outer),
        carry=len(carry),
        length=steps,
        reverse=bool(reverse),
        unroll=count,
    )
    done: tuple[Any, Any] = finish(program.out_tree, results)
    return done[0], done[1]


def _length(api: str, f: Function, xs: Any, rows: Sequence[Any], length: Any) -> int:
    """How many slices ``xs`` has."""
    sizes: dict[str, int] = {}
    for path, x in zip(tree_flatten(xs)[1].paths(), rows, strict=True):
        shape, name = get_aval(x).shape, f"xs{keystr(path)}"
        if not shape:
            raise ValueError(
                f"{subject(api, f)}: the loop goes along the first axes of xs, but {name} is a scalar; close over "
                "it, or make it part of the carry"
            )
        sizes[name] = shape[0]
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise ValueError(f"{subject(api, f)}: the first axes of xs must be of one size, but {shown}")
    if length is None:
        if not sizes:
            raise ValueError(f"{subject(api, f)}: there are no xs to go along; say how many runs by `length`")
        return next(iter(sizes.values()))
    steps = _static_int("scan", f, "length", length)
    if steps < 0:
        raise ValueError(f"{subject('scan', f)}: length must not be negative, got {steps}")
    if sizes and steps not in sizes.values():
        name, size = next(iter(sizes.items()))
        raise ValueError(f"{subject('scan', f)}: length is {steps}, but {name} has {size} slices")
    return steps


def _static_int(api: str, f: Function, name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TracerIntegerConversionError:
        raise
    except TypeError:
        raise TypeError(f"{subject(api, f)}: {name} must be an integer, got {value!r}") from None


def _unroll(api: str, f: Function, unroll: Any, steps: int) -> int:
    if isinstance(unroll, bool):
        return max(steps, 1) if unroll else 1
    count = _static_int(api, f, "unroll", unroll)
    if count < 0:
        raise ValueError(f"{subject(api, f)}: unroll must be a positive integer or a bool, got {count}")
    return max(count, 1)


def _scan_in_python(api: str, f: Function, init: Any, xs: Any, steps: int, reverse: bool) -> tuple[Any, Any]:
    carry = init
    ys: list[Any] = [None] * steps
    for k in range(steps - 1, -1, -1) if reverse else range(steps):
        result = f(carry, tree_map(functools.partial(_row, k), xs))
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise TypeError(f"{subject(api, f)}: the function must return a pair (carry, y); y may be None")
        carry, ys[k] = result
    return carry, tree_map(lambda *rows: concatenate([expand_dims(row, (0,)) for row in rows], 0), *ys)


def _rows(x: Any, start: int, count: int) -> Any:
    """``count`` slices of ``x`` along its first axis."""
    shape = get_aval(x).shape
    rest = (0,) * (len(shape) - 1)
    return slice_of(x, (start, *rest), (start + count, *shape[1:]))


def _row(k: int, x: Any) -> Any:
    return squeeze(_rows(x, k, 1), (0,))


@boundary
def map(f: Function, xs: Any, *, batch_size: int | None = None) -> Any:
    """``f`` of each slice of ``xs`` along its first axis, one after the other, results stacked.

    As ``vmap``, but a loop: it needs the memory of one call only.

    Args:
      f: a function of a pytree of arrays.
      xs: a pytree of arrays with first axes of one size.
      batch_size: how many slices are done at once, by ``vmap``; None: one.

    Raises:
      ValueError: first axes differ in size.

    >>> import cotan.numpy as cnp
    >>> from cotan import lax
    >>> lax.map(lambda row: row / row.sum(), cnp.ones((2, 4)))
    Array([[0.25, 0.25, 0.25, 0.25],
           [0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """
    check_callable("map", f)
    rows, xs_tree = tree_flatten(xs)
    check_leaves("map", f, (xs_tree,), rows)
    steps = _length("map", f, xs, rows, None)
    size = _static_int("map", f, "batch_size", batch_size or 1)
    if size < 1:
        raise ValueError(f"{subject('map', f)}: batch_size must be positive, got {size}")
    if config.disable_jit and steps:
        return _scan_in_python("map", lambda carry, x: (carry, f(x)), (), xs, steps, False)[1]
    program = trace_body("map", f, (xs_tree,), _slices(rows))
    outer, closed = program.outer, program.closed
    if size == 1:
        ys = loop(closed, [*outer, *rows], consts=len(outer), carry=0, length=steps)
        return finish(program.out_tree, ys)
    blocks, left = divmod(steps, size)
    parts = []
    if blocks or not left:
        done = [_blocks(x, blocks, size) for x in rows]
        ys = loop(_together(closed, len(outer), size), [*outer, *done], consts=len(outer), carry=0, length=blocks)
        parts.append([_merged(y) for y in ys])
    if left:
        part = _together(closed, len(outer), left)
        parts.append(call(part, [*outer, *(_rows(x, blocks * size, left) for x in rows)], name=fun_name(f)))
    whole = [ys[0] if len(parts) == 1 else concatenate(ys, 0) for ys in zip(*parts, strict=True)]
    return finish(program.out_tree, whole)


def _slices(rows: Sequence[Any]) -> list[ShapedArray]:
    """The types of slices along first axes."""
    avals = [get_aval(x) for x in rows]
    return [shaped(a.shape[1:], a.dtype, a.weak_type) for a in avals]


def _together(closed: ClosedJaxpr, consts: int, size: int) -> ClosedJaxpr:
    """The program of ``size`` slices at once."""
    dims = tuple(None if k < consts else 0 for k in range(len(closed.jaxpr.invars)))
    return batch_jaxpr(closed, AxisData(None, size), dims, True, front=True)[0]


def _blocks(x: Any, blocks: int, size: int) -> Any:
    return reshape(_rows(x, 0, blocks * size), (blocks, size, *get_aval(x).shape[1:]))


def _merged(y: Any) -> Any:
    shape = get_aval(y).shape
    return reshape(y, (shape[0] * shape[1], *shape[2:]))


# ---- Loops that end when a condition fails, or after a number of steps


@boundary
def while_loop(cond_fun: Function, body_fun: Function, init_val: Any) -> Any:
    """Run ``body_fun`` on a value again and again while ``cond_fun`` of it is true, as a loop inside the program.

    Args:
      cond_fun: from the value to one bool.
      body_fun: from the value to the next one, of the same structure, shapes and dtypes.
      init_val: the first value, a pytree of arrays.

    Returns:
      The first value for which ``cond_fun`` is false.

    It can be differentiated forward (``jvp``, ``jacfwd``); for reverse mode use ``scan``, or ``fori_loop`` with bounds
    that are Python integers.

    Raises:
      TypeError: ``cond_fun`` does not give one bool, ``body_fun`` changes the type of the value, or something is no
        array.

    >>> from cotan import lax
    >>> lax.while_loop(lambda n: n < 100, lambda n: n * 2, 3)
    Array(192, dtype=int32, weak_type=True)
    """
    check_callable("while_loop", cond_fun)
    check_callable("while_loop", body_fun)
    carry, tree = tree_flatten(init_val)
    check_leaves("while_loop", body_fun, (tree,), carry)
    if config.disable_jit:
        try:
            return _while_in_python(cond_fun, body_fun, init_val)
        except ConcretizationTypeError:  # under vmap, say: the condition has no single value
            pass
    body, carry = trace_carrying("while_loop", body_fun, (tree,), carry, ())
    cond = trace_body("while_loop", cond_fun, (tree,), [get_aval(x) for x in carry])
    _check_condition(cond_fun, cond.out_tree, cond.closed.out_avals)
    return finish(tree, run_while(cond.closed, body.closed, cond.outer, body.outer, carry))


def _while_in_python(cond_fun: Function, body_fun: Function, value: Any) -> Any:
    while bool(cond_fun(value)):
        value = body_fun(value)
    return value


def _check_condition(cond_fun: Function, tree: PyTreeDef, avals: Sequence[ShapedArray]) -> None:
    if tree != leaf_treedef:
        got = f"a value of structure {tree}"
    elif avals[0].shape or avals[0].dtype != np.bool_:
        got = avals[0].short()
    else:
        return
    raise TypeError(
        f"{subject('while_loop', cond_fun)}: the condition must give one bool scalar, got {got}; compare (x > 0), and "
        "reduce arrays by .any() or .all()"
    )


@boundary
def fori_loop(lower: Any, upper: Any, body_fun: Function, init_val: Any, *, unroll: int | bool | None = None) -> Any:
    """Run ``body_fun`` for each integer from ``lower`` to ``upper`` - 1, as a loop inside the program.

    It does what this does::

        value = init_val
        for i in range(lower, upper):
            value = body_fun(i, value)
        return value

    Args:
      lower, upper: integers, or both floats. If their values are known while tracing, the loop can be differentiated in
        reverse mode, ``i`` promotes as a Python integer, and floats are truncated; otherwise ``i`` is of their dtype.
      body_fun: ``(i, value) -> value``, with one structure, shapes and dtypes.
      init_val: the first value, a pytree of arrays.
      unroll: how many runs make up one of the compiled loop, True: all of them; only for bounds that are known.

    Raises:
      TypeError: bounds are no real scalars of one dtype, or ``body_fun`` changes the type of the value.
      ValueError: ``unroll`` is given, and the bounds are not known.

    >>> from cotan import lax
    >>> lax.fori_loop(0, 5, lambda i, total: total + i, 0)
    Array(10, dtype=int32, weak_type=True)
    """
    check_callable("fori_loop", body_fun)
    carry, tree = tree_flatten(init_val)
    trees = (leaf_treedef, tree)
    bounds = [_bound(body_fun, name, x) for name, x in (("lower", lower), ("upper", upper))]
    static = all(type(b) is int for b in bounds)
    counter = _counter_type(body_fun, lower, upper, bounds if static else None)
    check_leaves("fori_loop", body_fun, trees, [lower, *carry])
    if unroll is not None and not static:
        raise ValueError(
            f"{subject('fori_loop', body_fun)}: a loop can only be unrolled if its bounds are known while tracing"
        )
    if config.disable_jit and static:
        value = init_val
        for i in range(*bounds):
            value = body_fun(_as(counter, i), value)
        return value
    program, carry = trace_carrying("fori_loop", body_fun, trees, carry, [counter], first=1)
    outer, closed = program.outer, program.closed
    if static:
        steps = max(bounds[1] - bounds[0], 0)
        count = 1 if unroll is None else _unroll("fori_loop", body_fun, unroll, steps)
        body = _counting(closed, len(outer), counter)
        operands = [*outer, _as(counter, bounds[0]), *carry]
        return finish(
            tree, loop(body, operands, consts=len(outer), carry=len(carry) + 1, length=steps, unroll=count)[1:]
        )
    first, last = (_as(counter, b) for b in bounds)
    avals = (counter, counter, *(get_aval(x) for x in carry))
    cond = taking(_below(counter), (0, 1, *[None] * len(carry)), avals)
    body = _counting(closed, len(outer), counter)
    return finish(tree, run_while(cond, body, [last], outer, [first, *carry])[1:])


def _bound(body_fun: Function, name: str, x: Any) -> Any:
    """A bound as an int if it is known, else itself."""
    if not is_array_like(x):
        raise TypeError(f"{subject('fori_loop', body_fun)}: {name} must be an integer, got {a_type(x)}")
    aval = get_aval(x)
    value = x.concrete() if isinstance(x, Tracer) else x
    kinds = (np.integer, np.floating) if value is None else (np.integer, np.floating, np.bool_)
    if aval.shape or not any(dtypes.issubdtype(aval.dtype, kind) for kind in kinds):
        raise TypeError(f"{subject('fori_loop', body_fun)}: {name} must be an integer scalar, got {aval.short()}")
    return x if value is None else int(value)


def _counter_type(body_fun: Function, lower: Any, upper: Any, known: Sequence[int] | None) -> ShapedArray:
    """The type of the counter: that of a Python integer between ``known`` bounds, else that of the bounds.

    One bound may be a Python number of the other's kind.
    """
    a, b = get_aval(lower), get_aval(upper)
    weak = a.weak_type or b.weak_type
    one_kind = dtypes.issubdtype(a.dtype, np.floating) == dtypes.issubdtype(b.dtype, np.floating)
    if a.dtype != b.dtype and not (weak and one_kind):
        raise TypeError(
            f"{subject('fori_loop', body_fun)}: lower and upper must have one dtype, got {a.short()} and {b.short()}"
        )
    plain = get_aval(0)
    if known is not None and max(abs(bound) for bound in known) <= np.iinfo(plain.dtype).max:
        return plain
    strong = a if b.weak_type else b
    return strong if weak else strong.strip_weak_type()


def _as(counter: ShapedArray, x: Any) -> Any:
    """A bound as a value of the counter's type."""
    if type(x) is int and counter.weak_type and counter.dtype == dtypes.default_int():
        return x
    if type(x) is int:
        return np.asarray(x).astype(counter.dtype)
    return convert_element_type(x, counter.dtype, weak_type=counter.weak_type)


@weakly_cached
def _counting(closed: ClosedJaxpr, consts: int, counter: ShapedArray) -> ClosedJaxpr:
    """A body of (consts, i, carry) that also gives i + 1."""

    def fun(*args: Any) -> list[Any]:
        return [add(args[consts], 1), *replay(closed.jaxpr, closed.consts, args)]

    return stage_closed(fun, closed.in_avals, name=closed.jaxpr.name)


@functools.lru_cache(maxsize=64)
def _below(counter: ShapedArray) -> ClosedJaxpr:
    """The condition of (upper, i): i < upper."""
    return stage_closed(lambda upper, i: [lt(i, upper)], [counter, counter], name="fori_loop")


# ---- cond and switch


@boundary
def cond(pred: Any, true_fun: Any, false_fun: Any, *operands: Any, operand: Any = _UNSET) -> Any:
    """``true_fun(*operands)`` if ``pred`` is true, else ``false_fun(*operands)``; only that one runs.

    Under ``vmap``, if ``pred`` varies over the examples, both run and results are chosen.

    Args:
      pred: a scalar; numbers are true unless 0.
      true_fun, false_fun: functions of ``operands`` that give results of one structure, shapes and dtypes.
      operands: pytrees of arrays.
      operand: the only operand, in an older form of the call. (``cond(pred, true_operand, true_fun, false_operand,
        false_fun)`` is understood as well.)

    Raises:
      TypeError: ``pred`` is no scalar, or the results of the two differ in structure, shapes or dtypes.

    >>> import cotan
    >>> from cotan import lax
    >>> safe_log = lambda x: lax.cond(x > 0, lambda x: cotan.numpy.log(x), lambda x: -cotan.numpy.inf, x)
    >>> safe_log(1.0), safe_log(-1.0)
    (Array(0., dtype=float32, weak_type=True), Array(-inf, dtype=float32, weak_type=True))
    """
    if operand is not _UNSET:
        if operands:
            raise TypeError(f"{where()}: cond takes operands by position or as `operand`, not both")
        operands = (operand,)
    elif len(operands) == 2 and callable(operands[1]) and callable(false_fun) and not callable(true_fun):
        return _cond_of_two(pred, true_fun, false_fun, *operands)
    check_callable("cond", true_fun)
    check_callable("cond", false_fun)
    aval = _scalar_of("cond", "pred", pred)
    known = pred.concrete() if isinstance(pred, Tracer) else pred
    if config.disable_jit and known is not None:
        return (true_fun if bool(known) else false_fun)(*operands)
    if type(pred) in (bool, int, float, complex):
        index: Any = np.int32(bool(pred))
    else:
        index = convert_element_type(pred if aval.dtype == np.bool_ else ne(pred, 0), np.int32)
    return _choose("cond", index, (false_fun, true_fun), ("false_fun", "true_fun"), operands)


def _cond_of_two(pred: Any, true_operand: Any, true_fun: Function, false_operand: Any, false_fun: Function) -> Any:
    """The oldest form: an operand for each function."""
    both = (true_operand, false_operand)
    return cond(pred, lambda two: true_fun(two[0]), lambda two: false_fun(two[1]), both)


@boundary
def switch(index: Any, branches: Sequence[Function], *operands: Any, operand: Any = _UNSET) -> Any:
    """``branches[index](*operands)``; only that one runs. An index out of range means the first or the last.

    Args:
      index: an integer scalar.
      branches: functions of ``operands`` that give results of one structure, shapes and dtypes.
      operands: pytrees of arrays.
      operand: the only operand, in an older form of the call.

    Raises:
      TypeError: ``index`` is no integer scalar, or results of branches differ in structure, shapes or dtypes.
      ValueError: there are no branches.

    >>> from cotan import lax
    >>> lax.switch(2, [lambda x: x, lambda x: -x, lambda x: x * x], 3)
    Array(9, dtype=int32, weak_type=True)
    """
    branches = tuple(branches)
    if operand is not _UNSET:
        if operands:
            raise TypeError(f"{where()}: switch takes operands by position or as `operand`, not both")
        operands = (operand,)
    if not branches:
        raise ValueError(f"{where()}: switch needs at least one branch")
    for fun in branches:
        check_callable("switch", fun)
    aval = _scalar_of("switch", "index", index)
    if not dtypes.issubdtype(aval.dtype, np.integer):
        raise TypeError(f"{where()}: switch: index must be an integer, got {aval.short()}")
    known = index.concrete() if isinstance(index, Tracer) else index
    last = len(branches) - 1
    if last == 0 or (config.disable_jit and known is not None):
        return branches[0 if last == 0 else min(max(int(known), 0), last)](*operands)
    if type(index) is int:
        place: Any = np.int32(min(max(index, 0), last))
    else:
        most = min(last, int(dtypes.iinfo(aval.dtype).max))
        place = convert_element_type(clamp(_as(aval, 0), index, _as(aval, most)), np.int32)
    return _choose("switch", place, branches, [f"branches[{k}]" for k in range(last + 1)], operands)


def _scalar_of(api: str, name: str, x: Any) -> ShapedArray:
    if not is_array_like(x):
        raise TypeError(f"{where()}: {api}: {name} must be a scalar, got {a_type(x)}")
    aval = get_aval(x)
    if aval.shape:
        raise TypeError(
            f"{where()}: {api}: {name} must be a scalar, got {aval.short()}; use vmap to choose for each element, or "
            "cotan.numpy.where"
        )
    return aval


def _choose(api: str, index: Any, funs: Sequence[Function], names: Sequence[str], operands: Sequence[Any]) -> Any:
    """Trace all branches and bind the choice."""
    flat = [tree_flatten(x) for x in operands]
    trees = [tree for _, tree in flat]
    leaves = [x for part, _ in flat for x in part]
    check_leaves(api, funs[0], trees, leaves)
    avals = [get_aval(x) for x in leaves]
    programs = [trace_body(api, fun, trees, avals) for fun in funs]
    for k in range(1, len(funs)):
        _check_alike(api, (funs[0], funs[k]), (names[0], names[k]), (programs[0], programs[k]))
    # What several branches close over is one operand.
    outer = list({id(x): x for program in programs for x in program.outer}.values())
    place = {id(x): k for k, x in enumerate(outer)}
    types = (*(get_aval(x) for x in outer), *avals)
    branches = []
    for program in programs:
        places: list[int | None] = [None] * len(outer)
        for k, x in enumerate(program.outer):
            places[place[id(x)]] = k
        first = len(program.outer)
        branches.append(taking(program.closed, (*places, *range(first, first + len(avals))), types))
    return finish(programs[0].out_tree, branch(index, tuple(branches), [*outer, *leaves]))


def _check_alike(
    api: str, funs: tuple[Function, Function], names: tuple[str, str], programs: tuple[Program, Program]
) -> None:
    """Raise TypeError if the results of two branches differ in structure or types."""
    a, b = (program.out_tree for program in programs)
    types = [program.closed.out_avals for program in programs]
    alike = [same_type(x, y) for x, y in zip(*types, strict=False)]
    if a == b and all(alike):
        return
    who = " and ".join(
        f"{name} (`{fun_name(fun)}`{f', {fun_place(fun)}' if fun_place(fun) else ''})"
        for name, fun in zip(names, funs, strict=True)
    )
    if a != b:
        lines = differences("result", a, b)
        raise TypeError(
            f"{where()}: {api}: {who} must give results of one structure, but they differ:\n{lines}\n"
            "Return the same in all of them, zeros where one has nothing to give"
        )
    lines = "\n".join(
        f"  result{keystr(path)} is {x.short()} and {y.short()}"
        for path, x, y in zip(a.paths(), *types, strict=True)
        if not same_type(x, y)
    )
    raise TypeError(
        f"{where()}: {api}: {who} must give results of the same types, but they differ:\n{lines}\n"
        "Convert in the functions (.astype), or broadcast, so that they agree"
    )
