"""From a jaxpr to a StableHLO module: walks the equations, asks the table for their rules, keeps effects in order.

A rule is called with a ``Site`` (the equation and what a rule may do there) and one MLIR value for each operand, and
gives one value, or a list for primitives of several results. No primitive is known here by name, and no client.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cotan.compiler.keys import words_aval
from cotan.compiler.passes import decompose_jaxpr, trace_decomposition
from cotan.errors import UnsupportedError, format_frame, scope_of
from cotan.ir.avals import ShapedArray
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Literal, Var
from cotan.ir.primitive import Primitive
from cotan.ir.trace import eval_trace, set_current_trace
from cotan_xla_tpu import driver
from cotan_xla_tpu.driver import func, hlo, ir

Value = Any
Rule = Callable[..., Any]
INT32 = np.dtype(np.int32)


@dataclass
class Written:
    """A program as a module.

    Attributes:
      module: the MLIR module; its function is ``main``.
      callbacks: the host functions that it calls, in the order of their numbers.
      ins, outs: the types of what is stored of its arguments and results.
      aliases: argument -> the result that takes over its memory.
      narrow: the dtypes of results of less than a byte, None for the others.
      hidden: how many results at the end are nobody's: they only say that all effects have happened.
    """

    module: Any
    callbacks: list[Callable[..., Any]]
    ins: tuple[tuple[tuple[int, ...], np.dtype], ...]
    outs: tuple[tuple[tuple[int, ...], np.dtype], ...]
    narrow: tuple[np.dtype | None, ...]
    aliases: dict[int, int] = field(default_factory=dict)
    hidden: int = 0

    def text(self, *, places: bool = False) -> str:
        """The module in StableHLO, with the user's lines if asked for."""
        return str(self.module.operation.get_asm(enable_debug_info=places))


def write_module(
    closed: ClosedJaxpr,
    native: Mapping[Primitive, Rule],
    platform: str,
    *,
    donated: Sequence[bool] = (),
    name: str = "",
    axes: Any = None,
) -> Written:
    """``closed`` as a module.

    Args:
      closed: the program; its primitives may be any that are native, or decompose into these.
      native: the rules.
      platform: for rules that differ ('cpu', 'tpu', 'cuda', ...).
      donated: which arguments may give their memory to results.
      name: what the module is called.
      axes: for programs that run on several devices, their ``spmd.Layout``.

    Raises:
      UnsupportedError: a primitive or dtype that cannot be lowered; the message begins with the user's place.
    """
    with set_current_trace(eval_trace), driver.context(), ir.Location.unknown():
        return Writer(native, platform, axes).program(closed, donated, name or closed.jaxpr.name or "program")


class Writer:
    """One module under construction."""

    def __init__(self, native: Mapping[Primitive, Rule], platform: str, axes: Any) -> None:
        self.native = native
        self.platform = platform
        self.axes = axes
        self.module = ir.Module.create()
        self.callbacks: list[Callable[..., Any]] = []
        self.chain: Value | None = None  # the last effect so far, as a value on which the next one depends
        self._functions: dict[Hashable, Any] = {}

    # ---- The whole program

    def program(self, closed: ClosedJaxpr, donated: Sequence[bool], name: str) -> Written:
        self.module.operation.attributes["sym_name"] = ir.StringAttr.get(_plain(name))
        ins = tuple(map(stored, closed.in_avals))
        outs = tuple(map(stored, closed.out_avals))
        hidden = int(bool(closed.effects))
        aliases = aliases_of(ins, outs, donated)
        results = [*outs, *[((), INT32)] * hidden]
        types = ir.FunctionType.get([tensor(*x) for x in ins], [tensor(*x) for x in results])
        with ir.InsertionPoint(self.module.body):
            main = func.FuncOp("main", types, visibility="public")
        if aliases:
            main.arg_attrs = ir.ArrayAttr.get(
                [
                    ir.DictAttr.get(
                        {"tf.aliasing_output": ir.IntegerAttr.get(ir.IntegerType.get_signless(32), aliases[k])}
                        if k in aliases
                        else {}
                    )
                    for k in range(len(ins))
                ]
            )
        with ir.InsertionPoint(main.add_entry_block()):
            if hidden:
                self.chain = self.constant(np.zeros((), np.int32))
            arguments = [self.widened(x, aval) for x, aval in zip(main.arguments, closed.in_avals, strict=True)]
            found = self.run(closed, arguments)
            found = [self.narrowed(x, aval) for x, aval in zip(found, closed.out_avals, strict=True)]
            func.ReturnOp([*found, *([self.chain] if hidden else [])])
        narrow = tuple(aval.dtype if is_narrow(aval) else None for aval in closed.out_avals)
        return Written(self.module, self.callbacks, ins, outs, narrow, aliases, hidden)

    def widened(self, x: Value, aval: ShapedArray) -> Value:
        """An argument as the program computes with it, of what buffers hold."""
        return hlo.convert(self.type(aval), x) if is_narrow(aval) else x

    def narrowed(self, x: Value, aval: ShapedArray) -> Value:
        """A result as buffers hold it."""
        return hlo.convert(tensor(*stored(aval)), x) if is_narrow(aval) else x

    def run(self, closed: ClosedJaxpr, args: Sequence[Value]) -> list[Value]:
        """Write the equations of ``closed`` here; its results."""
        plain = decompose_jaxpr(closed, self.native)
        jaxpr = plain.jaxpr
        env: dict[Var, Value] = dict(zip(jaxpr.invars, args, strict=True))
        for var, value in zip(jaxpr.constvars, plain.consts, strict=True):
            env[var] = self.constant(_words(value), words_aval(var.aval))

        def read(atom: Any) -> Value:
            if isinstance(atom, Literal):
                return self.constant(np.asarray(atom.val, atom.aval.dtype), atom.aval)
            return env[atom]

        for eqn in jaxpr.eqns:
            env.update(zip(eqn.outvars, self.equation(eqn, [read(v) for v in eqn.invars]), strict=True))
        return [read(v) for v in jaxpr.outvars]

    def equation(self, eqn: Eqn, operands: Sequence[Value]) -> list[Value]:
        """The results of one equation."""
        with location(eqn):
            try:
                found = self.native[eqn.primitive](Site(self, eqn), *operands, **eqn.params)
            except UnsupportedError as error:
                raise _at(eqn, error) from None
            except driver.MlirError as error:
                raise UnsupportedError(
                    f"xla ({self.platform})", f"`{eqn.primitive}` of {_types(eqn)}", hint=f"{_place(eqn)}{error}"
                ) from error
            except (ValueError, KeyError) as error:
                if isinstance(error, NotLowered):
                    raise
                raise NotLowered(
                    f"{_place(eqn)}`{eqn.primitive}` of {_types(eqn)} cannot be lowered: {error}"
                ) from error
        return list(found) if eqn.primitive.multiple_results else [found]

    # ---- Types and constants

    def type(self, aval: ShapedArray) -> Any:
        """The MLIR type of a value."""
        aval = words_aval(aval)
        return tensor(aval.shape, aval.dtype)

    def constant(self, value: Any, aval: ShapedArray | None = None) -> Value:
        """A constant; of the type of ``aval``, if that is given."""
        array = np.asarray(value) if aval is None else np.asarray(value, aval.dtype)
        return constant(array)

    def function(self, key: Hashable, types: Sequence[Any], body: Callable[..., list[Value]]) -> Any:
        """The private function for ``key``, made by ``body`` from its arguments at the first use."""
        found = self._functions.get(key)
        if found is None:
            chain, self.chain = self.chain, None
            with ir.InsertionPoint.at_block_begin(self.module.body):
                found = func.FuncOp(f"f{len(self._functions)}", ir.FunctionType.get(types, []), visibility="private")
            block = found.add_entry_block()
            with ir.InsertionPoint(block):
                results = body(*block.arguments)
                func.ReturnOp(results)
            found.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, [x.type for x in results]))
            self.chain = chain
            self._functions[key] = found
        return found


class NotLowered(ValueError):
    """A rule failed; the message begins with the user's place."""


class Site:
    """Where a rule writes: the equation, its types, and the module's services."""

    __slots__ = ("eqn", "ins", "outs", "writer")

    def __init__(self, writer: Writer, eqn: Eqn) -> None:
        self.writer = writer
        self.eqn = eqn
        # Keys are their words by now; variables may still say what they were.
        self.ins: list[ShapedArray] = [words_aval(v.aval) for v in eqn.invars]
        self.outs: list[ShapedArray] = [words_aval(v.aval) for v in eqn.outvars]

    @property
    def platform(self) -> str:
        """'cpu', 'tpu', 'cuda', ..."""
        return self.writer.platform

    @property
    def out(self) -> ShapedArray:
        """The type of the only result."""
        return self.outs[0]

    def type(self, aval: ShapedArray | None = None) -> Any:
        """The MLIR type of a value; of the only result by default."""
        return self.writer.type(self.outs[0] if aval is None else aval)

    def equal(self, values: Sequence[Value]) -> list[Value]:
        """Operands of one shape: scalars repeated over that of the result."""
        shape = self.outs[0].shape
        return [broadcast(x, shape) if aval.shape != shape else x for x, aval in zip(values, self.ins, strict=True)]

    def decomposed(self, *operands: Value) -> Any:
        """What core's own decomposition of the equation gives."""
        inner = trace_decomposition(self.eqn)
        if inner is None:
            raise self.unsupported()
        found = self.writer.run(inner, operands)
        return found if self.eqn.primitive.multiple_results else found[0]

    def unsupported(self, why: str = "") -> UnsupportedError:
        """The error for an operation that the platform does not have for these types."""
        return UnsupportedError(f"xla ({self.platform})", f"`{self.eqn.primitive}` of {_types(self.eqn)}", hint=why)


# ---- Small words for rules


def tensor(shape: Sequence[int], dtype: Any) -> Any:
    """The MLIR type of an array."""
    return ir.RankedTensorType.get(list(shape), driver.element_type(np.dtype(dtype)))


def shape_of(x: Value) -> tuple[int, ...]:
    """The shape of a value."""
    return tuple(ir.RankedTensorType(x.type).shape)


def constant(array: np.ndarray) -> Value:
    """A constant array."""
    dtype = array.dtype
    if dtype.name in driver.NARROW:
        wide = constant(array.astype(driver.NARROW[dtype.name]))
        return hlo.convert(tensor(array.shape, dtype), wide)
    if array.size > 1 and (array.strides == (0,) * array.ndim):
        return broadcast(constant(np.array(array.flat[0], dtype)), array.shape)
    array = np.ascontiguousarray(array).reshape(array.shape)
    element = driver.element_type(dtype)
    if dtype == np.bool_:
        bits = np.packbits(array.reshape(-1), bitorder="little")
        if array.size == 1:
            bits = np.array([0xFF if array.reshape(-1)[0] else 0], np.uint8)
        return hlo.constant(ir.DenseElementsAttr.get(bits, type=element, shape=list(array.shape)))
    if dtype.kind == "V" or dtype.name in ("float16", "bfloat16"):
        array = array.view(np.dtype(f"u{dtype.itemsize}"))
    return hlo.constant(ir.DenseElementsAttr.get(array, type=element, shape=list(array.shape)))


def broadcast(x: Value, shape: Sequence[int], dimensions: Sequence[int] = ()) -> Value:
    """``x`` repeated over ``shape``; its axes are ``dimensions`` of it."""
    element = ir.RankedTensorType(x.type).element_type
    return hlo.broadcast_in_dim(ir.RankedTensorType.get(list(shape), element), x, list(dimensions))


def convert(x: Value, dtype: Any) -> Value:
    """``x`` in another dtype."""
    wanted = tensor(shape_of(x), dtype)
    return x if x.type == wanted else hlo.convert(wanted, x)


def reshape(x: Value, shape: Sequence[int]) -> Value:
    """``x`` in another shape of as many elements."""
    element = ir.RankedTensorType(x.type).element_type
    return hlo.reshape(ir.RankedTensorType.get(list(shape), element), x)


def compare(x: Value, y: Value, direction: str, dtype: Any) -> Value:
    """A comparison ('EQ', 'LT', ...) of values of ``dtype``."""
    name = np.dtype(dtype).name
    kind = "UNSIGNED" if name.startswith(("uint", "bool")) else "SIGNED" if name.startswith("int") else "FLOAT"
    return hlo.compare(x, y, hlo.ComparisonDirectionAttr.get(direction), compare_type=hlo.ComparisonTypeAttr.get(kind))


def region(op: Any, number: int, types: Sequence[Any], body: Callable[..., Sequence[Value]]) -> None:
    """Fill a region of ``op`` with what ``body`` makes of its arguments."""
    block = op.regions[number].blocks.append(*types)
    with ir.InsertionPoint(block):
        hlo.return_(list(body(*block.arguments)))


def pairs(array: Any) -> Any:
    """A table of integers as an attribute."""
    table = np.ascontiguousarray(array, np.int64)
    return ir.DenseIntElementsAttr.get(table, type=ir.IntegerType.get_signless(64), shape=list(table.shape))


def stored(aval: ShapedArray) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of what buffers hold of a value."""
    aval = words_aval(aval)
    return aval.shape, driver.stored_dtype(aval.dtype)


def is_narrow(aval: ShapedArray) -> bool:
    """Whether elements are less than a byte, so that buffers hold something else."""
    return getattr(aval.dtype, "name", "") in driver.NARROW


def aliases_of(ins: Sequence[Any], outs: Sequence[Any], donated: Sequence[bool]) -> dict[int, int]:
    """For donated arguments the first result of the same type that no other one has taken."""
    free: dict[Any, list[int]] = {}
    for number, kind in enumerate(outs):
        free.setdefault(kind, []).append(number)
    return {
        number: free[kind].pop(0)
        for number, (kind, given) in enumerate(zip(ins, donated, strict=False))
        if given and free.get(kind)
    }


@contextmanager
def location(eqn: Eqn) -> Any:
    """Write in the name of an equation: its primitive, and its line in the user's program."""
    source = eqn.source
    if source is None:
        with ir.Location.name(eqn.primitive.name):
            yield
        return
    scope = scope_of(source)
    name = f"{scope}/{eqn.primitive.name}" if scope else eqn.primitive.name
    with ir.Location.name(name, ir.Location.file(source[0], source[1], 1)):
        yield


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name)


def _types(eqn: Eqn) -> str:
    return ", ".join(v.aval.short() for v in eqn.invars) or "no operands"


def _place(eqn: Eqn) -> str:
    return "" if eqn.source is None else f"{format_frame(eqn.source)}: "


def _at(eqn: Eqn, error: UnsupportedError) -> UnsupportedError:
    """The error with the user's line, once."""
    place = _place(eqn)
    if not place or error.hint.startswith("At "):
        return error
    return UnsupportedError(error.backend, error.what, error.dtype, f"At {place[:-2]}. {error.hint}".rstrip())


def _words(value: Any) -> Any:
    """A constant's stored value on the host; arrays of keys give their words."""
    words = getattr(value, "_words", None)
    return np.asarray(value) if words is None else words()
