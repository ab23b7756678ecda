"""Batching: every operation is done for a whole axis of examples at once.

A value that does not vary over the axis is not wrapped. No operation is named except the structural ones by which axes
are moved and repeated; rules come from the ``batch`` table.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan.ir.avals import ShapedArray, get_aval, shaped
from cotan.ir.jaxpr import ClosedJaxpr, axes_named
from cotan.ir.leaks import leak_checked
from cotan.ir.primitive import Primitive, batch, stage
from cotan.ir.trace import Trace, Tracer, current_trace, enter_trace, leave_trace, new_trace
from cotan.structural import broadcast_in_dim, transpose
from cotan.transforms.cache import weakly_cached
from cotan.transforms.routines import Routine, Routines, kind_of, operand_of, recorded
from cotan.transforms.stage import FlatFun, StageTrace, replay, stage_closed

Dim = int | None
not_mapped: Dim = None


class AxisData(NamedTuple):
    """The mapped axis: its name (None if it has none), its size, and the axis of a device mesh that it is laid along.

    Equations that name the axis are batched even if none of their operands is mapped.
    """

    name: Hashable
    size: int
    spmd_name: Hashable = None


class BatchTracer(Tracer):
    """One example of the values along axis ``dim`` of ``val``."""

    __slots__ = ("_aval", "dim", "val")
    _trace: BatchTrace

    def __init__(self, trace: BatchTrace, val: Any, dim: int, aval: ShapedArray | None = None) -> None:
        self._trace = trace
        self.val = val
        self.dim = dim
        self._aval = aval

    @property
    def aval(self) -> ShapedArray:
        aval = self._aval
        if aval is None:
            aval = self._aval = _of_one(get_aval(self.val), self.dim)
        return aval

    def origin(self) -> str:
        return f"It has {self._trace.axis.size} values at once, one for each example along the mapped axis."


def _of_one(whole: ShapedArray, dim: int) -> ShapedArray:
    """The type of one example of an array of type ``whole`` that has them along axis ``dim``."""
    return shaped(whole.shape[:dim] + whole.shape[dim + 1 :], whole.dtype, whole.weak_type)


class BatchTrace(Trace):
    """Applies batching rules in ``parent``."""

    __slots__ = ("axis", "parent")
    name = "vmap"

    def __init__(self, parent: Trace, axis: AxisData) -> None:
        super().__init__()
        self.parent = parent
        self.axis = axis

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        values: list[Any] = []
        dims: list[Dim] = []
        kinds: list[Any] = [primitive, self.axis]
        mapped = False
        for x in args:
            if type(x) is BatchTracer and x._trace is self:
                mapped = True
                val, dim = x.val, x.dim
                values.append(val)
                dims.append(dim)
                kinds.append(dim)
                kinds.append(id(get_aval(val)))
            else:
                values.append(x)
                dims.append(None)
                kinds.append(kind_of(x))
        parent = self.parent
        token = enter_trace(parent)
        try:
            if not mapped and not self.concerns(primitive, params):
                return primitive.bind(*args, **params)
            routine = None if primitive.higher_order else _routines.find(kinds, params)
            if routine is None:
                out, dim = self.by_rule(primitive, values, dims, params, kinds)
                aval = None
            else:
                found, dim, aval = parent.run(routine, values), routine.extra, routine.avals[0]
                out = [found[k] for k in routine.outs] if primitive.multiple_results else found[routine.outs[0]]
        finally:
            leave_trace(token)
        if primitive.multiple_results:
            return [self.wrap(x, d) for x, d in zip(out, dim, strict=True)]
        return out if dim is None else BatchTracer(self, out, dim, aval)

    def by_rule(
        self,
        primitive: Primitive,
        values: Sequence[Any],
        dims: Sequence[Dim],
        params: dict[str, Any],
        kinds: list[Any],
    ) -> tuple[Any, Any]:
        """Results and their mapped axes as the rule has them."""

        def rule(given: list[Any]) -> tuple[list[Any], Any]:
            out, dim = batch[primitive](self.axis, given, dims, **params)
            return (out, tuple(dim)) if primitive.multiple_results else ([out], dim)

        result: tuple[Any, Any] = batch[primitive](self.axis, values, dims, **params)
        if not primitive.higher_order:
            _routines.meet(primitive, kinds, params, lambda: _of_examples(recorded(rule, map(operand_of, values))))
        return result

    def concerns(self, primitive: Primitive, params: dict[str, Any]) -> bool:
        """Whether an operation may depend on the mapped axis though none of its operands is mapped.

        It may name the axis; or it holds a Python function (it has a rule for staging) that closes over mapped values.
        """
        name = self.axis.name
        return (name is not None and name in axes_named(primitive, params)) or stage.get(primitive) is not None

    def wrap(self, val: Any, dim: Dim) -> Any:
        """``val`` as one example along ``dim``; itself if it is not mapped."""
        return val if dim is None else BatchTracer(self, val, dim)

    def unwrap(self, x: Any) -> tuple[Any, Dim]:
        """The whole value of ``x`` and its mapped axis."""
        return (x.val, x.dim) if type(x) is BatchTracer and x._trace is self else (x, None)


_routines = Routines()


def _of_examples(routine: Routine | None) -> Routine | None:
    """With the types of single examples, where it has one result."""
    if routine is None or type(routine.extra) is not int:
        return routine
    return routine._replace(avals=(_of_one(routine.avals[0], routine.extra),))


@leak_checked
def batch_flat(
    fun: FlatFun, axis: AxisData, in_dims: Sequence[Dim], args: Sequence[Any]
) -> tuple[list[Any], list[Dim]]:
    """Values of a flat function for all examples, and the axis along which each has them (None: the same for all)."""
    with new_trace(BatchTrace(current_trace(), axis)) as trace:
        outs = fun(*[trace.wrap(x, d) for x, d in zip(args, in_dims, strict=True)])
        pairs = [trace.unwrap(x) for x in outs]
    return [x for x, _ in pairs], [d for _, d in pairs]


@weakly_cached
def batch_jaxpr(
    closed: ClosedJaxpr,
    axis: AxisData,
    in_dims: tuple[Dim, ...],
    mapped: bool | tuple[bool, ...] = False,
    front: bool = False,
) -> tuple[ClosedJaxpr, tuple[Dim, ...]]:
    """The jaxpr of ``closed`` for all examples of ``axis``.

    Args:
      in_dims: the mapped axis of each argument, or None.
      mapped: for each result, whether it must be mapped in any case; one bool stands for all.
      front: whether mapped axes of results must come first.

    Returns:
      The jaxpr, and the mapped axis of each result (None where it is the same for all examples).
    """
    jaxpr = closed.jaxpr
    forced = (mapped,) * len(jaxpr.outvars) if isinstance(mapped, bool) else mapped
    out_dims: tuple[Dim, ...] = ()

    def fun(*args: Any) -> list[Any]:
        nonlocal out_dims
        outs, dims = batch_flat(lambda *xs: replay(jaxpr, closed.consts, xs), axis, in_dims, args)
        targets = [
            0 if (d is None and f) or (d is not None and front) else d for d, f in zip(dims, forced, strict=True)
        ]
        out_dims = tuple(targets)
        return [x if t is None else matchaxis(axis.size, d, t, x) for x, d, t in zip(outs, dims, targets, strict=True)]

    in_avals = [with_axis(a, axis.size, d) for a, d in zip(closed.in_avals, in_dims, strict=True)]
    return stage_closed(fun, in_avals, name=jaxpr.name), out_dims


def with_axis(aval: ShapedArray, size: int, dim: Dim) -> ShapedArray:
    """``aval`` with an axis of ``size`` inserted at ``dim``; itself if that is None."""
    if dim is None:
        return aval
    return shaped((*aval.shape[:dim], size, *aval.shape[dim:]), aval.dtype, aval.weak_type)


def moveaxis(x: Any, source: int, target: int) -> Any:
    """``x`` with axis ``source`` (non-negative, as ``target``) at place ``target``."""
    if source == target:
        return x
    order = [k for k in range(len(get_aval(x).shape)) if k != source]
    order.insert(target, source)
    return transpose(x, tuple(order))


def matchaxis(size: int, source: Dim, target: int, x: Any) -> Any:
    """``x`` with its mapped axis at ``target``; a value that is not mapped is repeated along a new axis of ``size``."""
    if source is not None:
        return moveaxis(x, source, target)
    aval = get_aval(x)
    shape = list(aval.shape)
    shape.insert(target, size)
    if aval.dtype == dtypes.float0:  # no device knows it: it has no values
        return np.zeros(shape, dtypes.float0)
    return broadcast_in_dim(x, tuple(shape), tuple(k for k in range(len(shape)) if k != target))


def bdim_at_front(x: Any, dim: Dim, size: int) -> Any:
    """``x`` with its mapped axis first, repeated along a new one if it is not mapped."""
    return matchaxis(size, dim, 0, x)


def axes_in_scope(trace: Trace | None = None) -> Iterator[AxisData]:
    """The named axes over which the current trace maps, innermost first.

    A function that is staged later than it was given is in the scope of the place where it was given.
    """
    trace = current_trace() if trace is None else trace
    while trace is not None:
        if isinstance(trace, StageTrace) and trace.axes is not None:
            yield from trace.axes
            return
        if isinstance(trace, BatchTrace) and trace.axis.name is not None:
            yield trace.axis
        trace = getattr(trace, "parent", None)
