"""A scalar interpreter of kernel IR: what expressions, kernel rules and kernels mean, one element at a time.

The oracle for whoever makes or prints kernels. It is slow and strict: every load and store is checked to be in bounds,
every ``Value`` to lie in its claimed range, every divided index to be not negative. It knows no primitive by name.
"""

from __future__ import annotations

import inspect
import itertools
import operator
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import shaped
from cotan.ir.index import ZERO, Axis, FloorDiv, Index, Mod, axis_index, const_index, ravel
from cotan.ir.program import Kernel, Let, Loop, Node, ReduceLoop, ScanLoop, Store
from cotan.ir.scalar import Combiner, Cumulative, Expr, Library, Operand, Scatter


class KernelError(AssertionError):
    """A kernel did what no kernel may do: out of bounds, or out of the range it claims."""


# ---------------------------------------------------------------------------------------------- scalar operations


def _truncating_div(x: Any, y: Any) -> Any:
    if x.dtype.kind not in "iub":
        return np.divide(x, y)
    a, b = int(x), int(y)
    if b == 0:
        return -1
    return -(abs(a) // abs(b)) if (a < 0) != (b < 0) else abs(a) // abs(b)


def _rem(x: Any, y: Any) -> Any:
    if x.dtype.kind not in "iub":
        return np.fmod(x, y)
    a, b = int(x), int(y)
    if b == 0:
        return a
    return -(abs(a) % abs(b)) if a < 0 else abs(a) % abs(b)


def _pow(x: Any, y: Any) -> Any:
    if x.dtype.kind not in "iub":
        return np.power(x, y)
    a, b = int(x), int(y)
    if b >= 0:
        return pow(a, b, 1 << 64) if a >= 0 else pow(a, b)
    return {1: 1, -1: 1 if b % 2 == 0 else -1, 0: -1}.get(a, 0)


def _width(x: Any) -> int:
    return int(x.dtype.itemsize) * 8


def _bits(x: Any) -> int:
    """The operand's bits as a number that is not negative."""
    return int(x) & ((1 << _width(x)) - 1)


def _shl(x: Any, y: Any) -> int:
    return _bits(x) << int(y) if 0 <= int(y) < _width(x) else 0


def _shr_logical(x: Any, y: Any) -> int:
    return _bits(x) >> int(y) if 0 <= int(y) < _width(x) else 0


def _shr_arithmetic(x: Any, y: Any) -> int:
    return int(x) >> (int(y) if 0 <= int(y) < _width(x) else _width(x))


def _sign(x: Any) -> Any:
    return x if x != x or x == 0 else np.sign(x)


def _special(name: str) -> Any:
    def apply(x: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(np.float64(x))

    return apply


_UNARY: dict[str, Any] = {
    "neg": lambda x: -int(x) if x.dtype.kind in "iu" else np.negative(x),
    "abs": np.abs,
    "sign": _sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: x.dtype.type(1) / np.sqrt(x),
    "logistic": lambda x: x.dtype.type(1) / (x.dtype.type(1) + np.exp(-x)),
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": _special("erf"),
    "erfc": _special("erfc"),
    "erf_inv": _special("erfinv"),
    "lgamma": lambda x: np.inf if np.isneginf(x) else _special("gammaln")(x),
    "digamma": lambda x: np.nan if x == 0 else _special("digamma")(x),
    "is_finite": np.isfinite,
    "not": np.invert,
    "popcount": lambda x: _bits(x).bit_count(),
    "clz": lambda x: _width(x) - _bits(x).bit_length(),
}
for _name in ("exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "cbrt"):
    _UNARY[_name] = getattr(np, _name)

_BINARY: dict[str, Any] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _truncating_div,
    "rem": _rem,
    "min": np.minimum,
    "max": np.maximum,
    "pow": _pow,
    "atan2": np.arctan2,
    "nextafter": np.nextafter,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": _shl,
    "shr_logical": _shr_logical,
    "shr_arithmetic": _shr_arithmetic,
}
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _BINARY[_name] = getattr(operator, _name)


def _wrap(value: Any, dtype: Any) -> Any:
    """``value`` as a scalar of ``dtype``; integers wrap around."""
    if dtype.kind in "iu" and isinstance(value, int):
        bits = 8 * dtype.itemsize
        value &= (1 << bits) - 1
        if dtype.kind == "i" and value >> (bits - 1):
            value -= 1 << bits
    return np.asarray(value).astype(dtype)[()] if not isinstance(value, int) else np.asarray(value, dtype)[()]


def cast(value: Any, dtype: Any) -> Any:
    """What the op ``cast`` means for one value: float to int saturates, NaN becomes 0, bool is != 0."""
    source, dtype = np.asarray(value).dtype, np.dtype(dtype)
    if dtype == np.bool_:
        return np.bool_(value != 0)
    if dtype.kind in "iu" and source.kind not in "iub":
        if value != value:
            return dtype.type(0)
        info = np.iinfo(dtype)
        number = float(np.real(value))
        if number <= info.min or number >= info.max:
            return dtype.type(info.min if number <= info.min else info.max)
        return dtype.type(int(number))
    if dtype.kind in "iu":
        return _wrap(int(value), dtype)
    return np.asarray(value).astype(dtype)[()]


# ---------------------------------------------------------------------------------------------------- expressions


class _Scope:
    """Values known inside one iteration of some loops."""

    def __init__(self, parent: _Scope | None, axes: frozenset[Axis]) -> None:
        self.parent = parent
        self.axes = axes
        self.values: dict[Expr, Any] = {}


class Evaluator:
    """Evaluates expressions over flat buffers, one scalar at a time.

    Args:
      buffers: slot -> 1-D NumPy array.
      hoist: keep every value in the outermost loop it depends on (a rule's operands never change). Without it only
        what a ``Let`` or ``ReduceLoop`` names is kept, and all else is computed anew where it is used.

    Attributes:
      axes: the present step of every loop.
    """

    def __init__(self, buffers: dict[Any, Any], hoist: bool = True) -> None:
        self.buffers = buffers
        self.hoist = hoist
        self.axes: dict[Axis, int] = {}
        self.scope = _Scope(None, frozenset())

    def index(self, index: Index) -> int:
        """The number an index stands for now."""
        total = index.const
        for atom, coefficient in index.terms:
            total += coefficient * self._atom(atom)
        return total

    def _atom(self, atom: Any) -> int:
        if isinstance(atom, Axis):
            return self.axes[atom]
        if isinstance(atom, FloorDiv | Mod):
            inner = self.index(atom.index)
            if inner < 0:
                raise KernelError(f"the index {atom} divides {inner}, which is negative")
            return inner // atom.divisor if isinstance(atom, FloorDiv) else inner % atom.divisor
        value = int(self(atom.expr))
        lo, hi = atom.range
        if not lo <= value <= hi:
            raise KernelError(f"{atom} is {value}, outside of the range {lo}..{hi} that it claims")
        return value

    def holds(self, conditions: Sequence[tuple[Index, int, int]]) -> bool:
        return all(lo <= self.index(index) < hi for index, lo, hi in conditions)

    def __call__(self, node: Expr) -> Any:
        """The value of ``node`` now: a NumPy scalar, or a tuple of states for a reduction."""
        scope = self.scope
        while True:
            if node in scope.values:
                return scope.values[node]
            if scope.parent is None:
                break
            scope = scope.parent
        value = self._compute(node)
        home = self.scope
        while self.hoist and home.parent is not None and not (node.free_axes & home.axes):
            home = home.parent
        home.values[node] = value
        return value

    def _compute(self, node: Expr) -> Any:
        op, dtype = node.op, node.dtype
        if op == "const":
            return np.asarray(node.attr).astype(dtype)[()]
        if op == "index":
            return _wrap(self.index(node.attr), dtype)
        if op == "load":
            return self._load(node)
        if op == "guard":
            return self(node.args[0] if self.holds(node.attr) else node.args[1])
        if op == "select":
            return self(node.args[1] if self(node.args[0]) else node.args[2])
        if op == "reduce":
            return self._reduce(node)
        if op == "project":
            return self(node.args[0])[node.attr]
        args = [self(arg) for arg in node.args]
        if op == "cast":
            return cast(args[0], dtype)
        if op == "bitcast":
            return np.asarray(args[0]).reshape(1).view(dtype)[0]
        table = _UNARY if len(args) == 1 else _BINARY
        return _wrap(table[op](*args), dtype)

    def _load(self, node: Expr) -> Any:
        slot, index = node.attr
        buffer, at = self.buffers[slot], self.index(index)
        if not 0 <= at < len(buffer):
            raise KernelError(f"a load of element {at} of operand {slot}, which has {len(buffer)}: {index}")
        if buffer.dtype != node.dtype:
            raise KernelError(f"a load of {node.dtype} from operand {slot}, which holds {buffer.dtype}")
        return buffer[at]

    def combine(
        self, combiner: str | Combiner, old: Sequence[Any], new: Sequence[Any], dtypes: Sequence[Any]
    ) -> tuple[Any, ...]:
        """The states ``old`` and ``new`` combined."""
        if isinstance(combiner, str):
            return (_wrap(_BINARY[combiner](old[0], new[0]), dtypes[0]),)
        states = {("state", k): np.asarray(value).reshape(1) for k, value in enumerate((*old, *new))}
        loads = [scalar.load(place, ZERO, value.dtype) for place, value in states.items()]
        inner = Evaluator(dict(states))
        return tuple(inner(e) for e in combiner.combine(loads[: len(old)], loads[len(old) :]))

    def nested(self, axes: Iterable[Axis]) -> _Nested:
        """A block whose values are forgotten after it; used once per step of a loop."""
        return _Nested(self, frozenset(axes))

    def steps(self, axes: Sequence[Axis]) -> Iterator[None]:
        """Walk all of ``axes``, the last one fastest, in a fresh scope each step."""
        for point in itertools.product(*(range(axis.extent) for axis in axes)):
            self.axes.update(zip(axes, point, strict=True))
            with self.nested(axes):
                yield
        for axis in axes:
            self.axes.pop(axis, None)

    def _reduce(self, node: Expr) -> tuple[Any, ...]:
        if not self.hoist:
            raise KernelError(f"a kernel's tree has no ReduceLoop before this use of {node}")
        combiner, axes = node.attr
        k = len(node.args) // 2
        states = tuple(self(init) for init in node.args[:k])
        dtypes = [init.dtype for init in node.args[:k]]
        for _ in self.steps(axes):
            states = self.combine(combiner, states, [self(body) for body in node.args[k:]], dtypes)
        return states


class _Nested:
    def __init__(self, evaluator: Evaluator, axes: frozenset[Axis]) -> None:
        self.evaluator = evaluator
        self.axes = axes

    def __enter__(self) -> None:
        self.evaluator.scope = _Scope(self.evaluator.scope, self.axes)

    def __exit__(self, *error: Any) -> None:
        parent = self.evaluator.scope.parent
        assert parent is not None
        self.evaluator.scope = parent


# -------------------------------------------------------------------------------------------------------- kernels


_DEEP = 20_000  # expressions are evaluated by recursion here, and may be as deep as a kernel has nodes


@np.errstate(all="ignore")
def run_kernel(kernel: Kernel, buffers: Sequence[np.ndarray]) -> None:
    """Run ``kernel`` on ``buffers`` (one C-contiguous array per operand); the written ones change in place."""
    flat = {slot: _numbers(buffer) for slot, buffer in enumerate(buffers)}
    for slot, operand in enumerate(kernel.operands):
        if flat[slot].shape != (operand.size,) or flat[slot].dtype != operand.dtype:
            raise KernelError(f"operand {slot} should be {operand.shape} {operand.dtype}, got {buffers[slot].dtype}")
    for slot, scratch in enumerate(kernel.scratch, len(kernel.operands)):
        flat[slot] = np.empty(scratch.size, scratch.dtype)
    evaluator = Evaluator(flat, hoist=False)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + _DEEP)
    try:
        for node in kernel.tree:
            run_node(evaluator, node, kernel)
    finally:
        sys.setrecursionlimit(limit)


def _numbers(buffer: np.ndarray) -> np.ndarray:
    """The elements of a buffer in a row; kernels see complex ones as pairs."""
    row = buffer.reshape(-1)
    return row.view(row.real.dtype) if row.dtype.kind == "c" else row


def run_node(evaluator: Evaluator, node: Node, kernel: Kernel) -> None:
    """Run one node of a kernel's tree."""
    if isinstance(node, Loop):
        scratch = _scratch_of(node.body, kernel)
        for _ in evaluator.steps((node.axis,)):
            for slot in scratch:
                evaluator.buffers[slot].view(np.uint8).fill(0x7F)
            for inner in node.body:
                run_node(evaluator, inner, kernel)
    elif isinstance(node, Let):
        with evaluator.nested(()):
            value = evaluator(node.value)
        _pin(evaluator, node.value, value)
    elif isinstance(node, ReduceLoop):
        _reduce_loop(evaluator, node, kernel)
    elif isinstance(node, ScanLoop):
        _scan_loop(evaluator, node, kernel)
    else:
        _store(evaluator, node, kernel)


def _scratch_of(body: Sequence[Node], kernel: Kernel) -> set[int]:
    """The scratch that reductions in this body write: garbage when an iteration begins."""
    reductions = [node for node in body if isinstance(node, ReduceLoop)]
    stores = [n for node in reductions for level in node.levels for n in level if isinstance(n, Store)]
    if any(store.slot < len(kernel.operands) for store in stores):
        raise KernelError("a reduction stores to an operand")
    return {store.slot for store in stores}


def _pin(evaluator: Evaluator, node: Expr, value: Any) -> None:
    evaluator.scope.values[node] = value


def _reduce_loop(evaluator: Evaluator, node: ReduceLoop, kernel: Kernel) -> None:
    """Compute the reduction and its siblings in the same loops."""
    reductions = (node.value, *node.siblings)
    parts = [(r.attr[0], r.args[: len(r.args) // 2], r.args[len(r.args) // 2 :]) for r in reductions]
    for reduction in reductions:
        if reduction.attr[1] != node.axes:
            raise KernelError(f"siblings of one ReduceLoop have other axes: {reduction.attr[1]}, not {node.axes}")
    with evaluator.nested(()):
        states = [tuple(evaluator(init) for init in inits) for _, inits, _ in parts]

    def level(depth: int) -> None:
        if depth == len(node.axes):
            for n, (combiner, inits, bodies) in enumerate(parts):
                new = [evaluator(body) for body in bodies]
                states[n] = evaluator.combine(combiner, states[n], new, [init.dtype for init in inits])
            return
        for _ in evaluator.steps((node.axes[depth],)):
            for inner in node.levels[depth]:
                run_node(evaluator, inner, kernel)
            level(depth + 1)

    level(0)
    for reduction, value in zip(reductions, states, strict=True):
        _pin(evaluator, reduction, value)


def _scan_loop(evaluator: Evaluator, node: ScanLoop, kernel: Kernel) -> None:
    with evaluator.nested(()):
        states = tuple(evaluator(init) for init in node.inits)
    order = range(node.axis.extent)
    for step in reversed(order) if node.reverse else order:
        evaluator.axes[node.axis] = step
        with evaluator.nested((node.axis,)):
            for inner in node.body:
                run_node(evaluator, inner, kernel)
            bodies = [evaluator(body) for body in node.bodies]
            states = evaluator.combine(node.combiner, states, bodies, [init.dtype for init in node.inits])
            for slot, index, which in node.stores:
                value = cast(states[which], kernel.slots[slot].dtype)
                _write(evaluator, kernel, slot, evaluator.index(index), value)
    evaluator.axes.pop(node.axis, None)


def _store(evaluator: Evaluator, node: Store, kernel: Kernel) -> None:
    with evaluator.nested(()):
        if not evaluator.holds(node.conditions):
            return
        at, value = evaluator.index(node.index), evaluator(node.value)
        if node.combine is not None:
            old = evaluator.buffers[node.slot][at]
            if callable(node.combine):
                combiner: Any = Combiner("store", lambda a, b: [node.combine(a[0], b[0])])
            else:
                combiner = node.combine
            value = evaluator.combine(combiner, (old,), (value,), (old.dtype,))[0]
        _write(evaluator, kernel, node.slot, at, value)


def _write(evaluator: Evaluator, kernel: Kernel, slot: int, at: int, value: Any) -> None:
    buffer = evaluator.buffers[slot]
    if not kernel.slots[slot].written:
        raise KernelError(f"a store to operand {slot} of `{kernel.name}`, which is not marked as written")
    if not 0 <= at < len(buffer):
        raise KernelError(f"a store to element {at} of operand {slot}, which has {len(buffer)}")
    if np.asarray(value).dtype != buffer.dtype:
        raise KernelError(f"a store of {np.asarray(value).dtype} to operand {slot}, which holds {buffer.dtype}")
    buffer[at] = value


# --------------------------------------------------------------------------------------------------- kernel rules


def operand(slot: Any, array: np.ndarray) -> Operand:
    """An operand whose elements are loads of buffer ``slot``."""

    def element(indices: tuple[Index, ...]) -> Expr:
        indices = tuple(const_index(i) if isinstance(i, int) else i for i in indices)
        if len(indices) != array.ndim:
            raise KernelError(f"operand {slot} has {array.ndim} dimensions and was indexed by {len(indices)}")
        return scalar.load(slot, ravel(indices, array.shape), array.dtype)

    return Operand(array.shape, array.dtype, element)


@np.errstate(all="ignore")
def run_rule(primitive: Any, *arrays: Any, **params: Any) -> Any:
    """What the ``kernel`` rule of ``primitive`` gives for NumPy arrays: an array, or a tuple of them."""
    arrays = tuple(np.ascontiguousarray(a).reshape(np.shape(a)) for a in arrays)
    outs = tables.abstract[primitive](*(shaped(a.shape, a.dtype) for a in arrays), **params)
    several = primitive.multiple_results
    avals = tuple(outs) if several else (outs,)
    axes = tuple(Axis(f"i{n}", extent) for n, extent in enumerate(avals[0].shape))
    rule = tables.kernel[primitive]
    if "out" in inspect.signature(rule).parameters:
        params = {**params, "out": avals if several else avals[0]}
    operands = [operand(slot, a) for slot, a in enumerate(arrays)]
    evaluator = Evaluator({slot: a.reshape(-1) for slot, a in enumerate(arrays)})
    result = rule(tuple(map(axis_index, axes)), *operands, **params)
    if isinstance(result, Library):
        if result.fallback is None:
            raise KernelError(f"`{primitive}` is a library call without loops to fall back on")
        result = result.fallback()
    if isinstance(result, Scatter):
        return _run_scatter(evaluator, result, arrays[0])
    if isinstance(result, Cumulative):
        found = _run_cumulative(evaluator, result, avals)
        return found if several else found[0]
    expressions = result if isinstance(result, tuple) else (result,)
    if len(expressions) != len(avals):
        raise KernelError(f"the kernel rule of `{primitive}` gives {len(expressions)} results, not {len(avals)}")
    for expression, aval in zip(expressions, avals, strict=True):
        if expression.dtype != aval.dtype:
            raise KernelError(f"the kernel rule of `{primitive}` gives {expression.dtype}, not {aval.dtype}")
    results = tuple(_fill(evaluator, e, axes, aval) for e, aval in zip(expressions, avals, strict=True))
    return results if several else results[0]


def _fill(evaluator: Evaluator, expression: Expr, axes: Sequence[Axis], aval: Any) -> np.ndarray:
    out = np.empty(aval.shape, aval.dtype)
    flat = out.reshape(-1)
    for position, _ in enumerate(evaluator.steps(axes)):
        flat[position] = evaluator(expression)
    return out


def _run_scatter(evaluator: Evaluator, record: Scatter, target: np.ndarray) -> np.ndarray:
    axes = tuple(Axis(f"u{n}", extent) for n, extent in enumerate(record.extents))
    indices = tuple(map(axis_index, axes))
    conditions, where = record.target(indices)
    linear, value, out = ravel(where, target.shape), record.value(indices), target.copy()
    flat = out.reshape(-1)
    combine = record.combine
    seen: set[int] = set()
    for _ in evaluator.steps(axes):
        if not evaluator.holds(conditions):
            continue
        at, new = evaluator.index(linear), evaluator(value)
        if not 0 <= at < flat.size or new.dtype != flat.dtype:
            raise KernelError(f"a scattered {new.dtype} goes to element {at} of {flat.size} of {flat.dtype}")
        if record.unique and at in seen:
            raise KernelError(f"the scatter claims unique targets, but two updates go to element {at}")
        seen.add(at)
        if combine is not None:
            wrapped = Combiner("scatter", lambda a, b: [combine(a[0], b[0])])
            new = evaluator.combine(wrapped, (flat[at],), (new,), (flat.dtype,))[0]
        flat[at] = new
    return out


def _run_cumulative(evaluator: Evaluator, record: Cumulative, avals: Sequence[Any]) -> tuple[np.ndarray, ...]:
    outs = tuple(np.empty(aval.shape, aval.dtype) for aval in avals)
    axes = tuple(Axis(f"i{n}", extent) for n, extent in enumerate(avals[0].shape))
    bodies = record.body(tuple(map(axis_index, axes)))
    along = axes[record.axis]
    others = tuple(axis for axis in axes if axis is not along)
    dtypes = [aval.dtype for aval in avals]
    for _ in evaluator.steps(others):
        states = tuple(evaluator(init) for init in record.inits)
        order = range(along.extent)
        for step in reversed(order) if record.reverse else order:
            evaluator.axes[along] = step
            with evaluator.nested((along,)):
                states = evaluator.combine(record.combiner, states, [evaluator(b) for b in bodies], dtypes)
            point = tuple(evaluator.axes[axis] for axis in axes)
            for out, state in zip(outs, states, strict=True):
                out[point] = state
    return outs
