"""cotan.experimental.kernel: operations of your own, by saying what ONE element of the result is.

The compiler does with such an operation what it does with others: fuses it with what comes before and after, finds its
loops, and prints them for the device. It is mapped by ``vmap``; a derivative is given by ``custom_jvp`` or
``custom_vjp`` around it. Knows no device.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes as _dtypes
from cotan import tracebacks as _tracebacks
from cotan.api import ShapeDtypeStruct as _ShapeDtypeStruct
from cotan.api import jit as _jit
from cotan.errors import where as _where
from cotan.ir import primitive as _tables
from cotan.ir import scalar as _scalar
from cotan.ir.avals import ShapedArray as _ShapedArray
from cotan.ir.avals import shaped as _shaped
from cotan.ir.index import Index
from cotan.ir.rules import none as _none
from cotan.primitives.define import first_order as _first_order
from cotan.primitives.operands import move_axis as _move_axis

# The extent of a mapped axis, and which operands have it as their first one.
_Level = tuple[int, tuple[bool, ...]]


class Element:
    """A number that a kernel computes with: an element of an operand, or what was made of some.

    It has the operators of arithmetic and comparison; the other side may be a Python number, which takes its dtype.
    """

    __slots__ = ("expr",)

    def __init__(self, expr: _scalar.Expr) -> None:
        self.expr = expr

    @property
    def dtype(self) -> Any:
        """The dtype of the number."""
        return self.expr.dtype

    def astype(self, dtype: Any) -> Element:
        """The number in another dtype."""
        return Element(_scalar.cast(self.expr, np.dtype(dtype)))

    def _with(self, other: Any) -> _scalar.Expr:
        if isinstance(other, Element):
            if other.dtype != self.dtype:
                raise TypeError(
                    f"{_where()}: a kernel computes with numbers of one dtype, got {self.dtype} and {other.dtype}; "
                    "convert one with .astype"
                )
            return other.expr
        if isinstance(other, Index):
            return _scalar.cast(_scalar.index_value(other), self.dtype)
        return _scalar.const(other, self.dtype)

    def __neg__(self) -> Element:
        return Element(_scalar.unary_op("neg")(self.expr))

    def __abs__(self) -> Element:
        return Element(_scalar.unary_op("abs")(self.expr))

    def __invert__(self) -> Element:
        return Element(_scalar.unary_op("not")(self.expr))


def _operator(op: str, *, swapped: bool = False, compare: bool = False) -> Callable[[Element, Any], Element]:
    build = (_scalar.compare_op if compare else _scalar.binary_op)(op)

    def method(self: Element, other: Any) -> Element:
        left, right = self.expr, self._with(other)
        return Element(build(right, left) if swapped else build(left, right))

    return method


for _name, _op in (("add", "add"), ("sub", "sub"), ("mul", "mul"), ("truediv", "div"), ("mod", "rem"), ("pow", "pow"),
                   ("and", "and"), ("or", "or"), ("xor", "xor")):  # fmt: skip
    setattr(Element, f"__{_name}__", _operator(_op))
    setattr(Element, f"__r{_name}__", _operator(_op, swapped=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Element, f"__{_name}__", _operator(_name, compare=True))
Element.__hash__ = None  # type: ignore[assignment]


def function(name: str) -> Callable[[Element], Element]:
    """An elementary function of one number: 'exp', 'log', 'sin', 'tanh', 'sqrt', 'floor', 'erf', ...

    >>> from cotan.experimental import kernel
    >>> exp = kernel.function("exp")
    """
    build = _scalar.unary_op(name)
    return lambda x: Element(build(x.expr))


def maximum(x: Element, y: Any) -> Element:
    """The larger of two numbers."""
    return Element(_scalar.binary_op("max")(x.expr, x._with(y)))


def minimum(x: Element, y: Any) -> Element:
    """The smaller of two numbers."""
    return Element(_scalar.binary_op("min")(x.expr, x._with(y)))


def select(condition: Element, then: Element, otherwise: Any) -> Element:
    """``then`` where the condition holds; both are computed."""
    return Element(_scalar.select(condition.expr, then.expr, then._with(otherwise)))


def inside(bounds: Sequence[tuple[Index, int, int]], then: Callable[[], Element], otherwise: Any) -> Element:
    """``then()`` where low <= index < high for each (index, low, high); only there are its operands read."""
    value = then()
    return Element(_scalar.guard(list(bounds), value.expr, value._with(otherwise)))


def number(index: Index | int, dtype: Any = np.int32) -> Element:
    """An index, or a Python integer, as a number to compute with."""
    if isinstance(index, int):
        return Element(_scalar.const(index, np.dtype(dtype)))
    return Element(_scalar.cast(_scalar.index_value(index), dtype))


def _neutral(kind: str, dtype: Any) -> Any:
    if kind in ("add", "mul"):
        return int(kind == "mul")
    low, high = (-np.inf, np.inf) if _dtypes.issubdtype(dtype, np.floating) else _limits(dtype)
    return low if kind == "max" else high


def _limits(dtype: Any) -> tuple[int, int]:
    info = _dtypes.iinfo(dtype)
    return int(info.min), int(info.max)


def reduce(kind: str, extents: Sequence[int], body: Callable[..., Element], dtype: Any = np.float32) -> Element:
    """``body(*indices)`` over loops of the given extents, put together by 'add', 'mul', 'max' or 'min' in ``dtype``.

    Raises:
      ValueError: another kind.
    """
    if kind not in ("add", "mul", "max", "min"):
        raise ValueError(f"{_where()}: a kernel puts numbers together by 'add', 'mul', 'max' or 'min', not {kind!r}")
    dtype = np.dtype(dtype)

    def bodies(*indices: Index) -> list[_scalar.Expr]:
        return [body(*indices).astype(dtype).expr]

    [total] = _scalar.reduce(kind, list(extents), [_scalar.const(_neutral(kind, dtype), dtype)], bodies)
    return Element(total)


class Operand:
    """An operand as a kernel sees it: ``x[i, j]`` is an element; there is no other way to read it.

    Attributes:
      shape: its shape, of one example where it is mapped.
      dtype: its dtype.
    """

    __slots__ = ("_operand", "_prefix", "dtype", "shape")

    def __init__(self, operand: _scalar.Operand, prefix: tuple[Index, ...]) -> None:
        self._operand, self._prefix = operand, prefix
        self.shape, self.dtype = operand.shape[len(prefix) :], operand.dtype

    def __getitem__(self, index: Any) -> Element:
        index = index if isinstance(index, tuple) else (index,)
        if len(index) != len(self.shape):
            raise IndexError(
                f"{_where()}: a kernel reads one element, by {len(self.shape)} indices of an operand of shape "
                f"{self.shape}; got {len(index)}"
            )
        return Element(self._operand[(*self._prefix, *index)])


# ---- The primitive: params function, result (a function of the operands' types), levels (of vmap, the newest last)

_user_kernel_p = _first_order("user_kernel")
# The catalogue holds what means something by its name alone, and can be written to files.
del _tables.Primitive.catalogue["user_kernel"]


def _example(x: Any, number: int, levels: tuple[_Level, ...]) -> _ShapeDtypeStruct:
    """The type of one example of operand ``number``."""
    return _ShapeDtypeStruct(x.shape[sum(flags[number] for _, flags in levels) :], x.dtype)


@_tables.abstract(_user_kernel_p)
def _(*xs: _ShapedArray, function: Any, result: Any, levels: tuple[_Level, ...]) -> _ShapedArray:
    one = result(*(_example(x, n, levels) for n, x in enumerate(xs)))
    if not hasattr(one, "shape") or not hasattr(one, "dtype"):
        raise TypeError(
            f"{_where()}: kernel: the type of the result must have a shape and a dtype "
            f"(cotan.ShapeDtypeStruct), got {one!r}"
        )
    outer = tuple(extent for extent, _ in reversed(levels))
    return _shaped((*outer, *one.shape), _dtypes.canonicalize_dtype(one.dtype))


@_tables.batch(_user_kernel_p)
def _(axis: Any, args: Sequence[Any], dims: Sequence[Any], *, levels: tuple[_Level, ...], **params: Any) -> Any:
    moved = [x if dim is None else _move_axis(x, dim, 0) for x, dim in zip(args, dims, strict=True)]
    level = (axis.size, tuple(dim is not None for dim in dims))
    return _user_kernel_p.bind(*moved, levels=(*levels, level), **params), 0


@_tables.kernel(_user_kernel_p)
def _(i: Any, *xs: _scalar.Operand, function: Any, result: Any, levels: tuple[_Level, ...]) -> Any:
    outer, inner = i[: len(levels)], i[len(levels) :]
    newest_first = list(zip(outer, reversed(levels), strict=True))
    operands = [Operand(x, tuple(at for at, (_, flags) in newest_first if flags[n])) for n, x in enumerate(xs)]
    made = function(inner, *operands)
    dtype = result(*(_example(x, n, levels) for n, x in enumerate(xs))).dtype
    if not isinstance(made, Element):
        raise TypeError(
            f"{_where()}: kernel: the function must give an Element, made of elements it read; got {made!r}"
        )
    return _scalar.cast(made.expr, _dtypes.canonicalize_dtype(dtype))


_BY_RULE = _none("give the operation a rule, by cotan.custom_jvp or cotan.custom_vjp around it")
_tables.jvp[_user_kernel_p] = _BY_RULE
_tables.jet[_user_kernel_p] = _BY_RULE
_tables.transpose[_user_kernel_p] = _BY_RULE
_tables.reference[_user_kernel_p] = _none("its meaning is its kernel; use a backend that compiles kernels")
_tables.decompose[_user_kernel_p] = _none("its meaning is its kernel; use a backend that compiles kernels")


def kernel(result: Callable[..., Any]) -> Callable[[Callable[..., Element]], Callable[..., Any]]:
    """Make an operation on arrays of a function that says what one element of the result is.

    Args:
      result: the operands' types (with shape and dtype) -> the result's, a ``ShapeDtypeStruct``.

    Returns:
      A decorator. The function takes the index of an element, a tuple, and the operands, which it reads by
      indices that lie in their shapes; it computes with `Element` and the functions of this module. An index can be
      added to, and multiplied, divided (``//``) and reduced (``%``) by integers.

    Raises:
      TypeError: the result's type has no shape or dtype, or the function gives something else than an `Element`.

    >>> import cotan, cotan.numpy as cnp
    >>> from cotan.experimental.kernel import kernel
    >>> @kernel(lambda x: cotan.ShapeDtypeStruct((x.shape[0] - 1,), x.dtype))
    ... def differences(i, x):
    ...     return x[i[0] + 1] - x[i[0]]
    >>> differences(cnp.array([1.0, 4.0, 9.0]))
    Array([3., 5.], dtype=float32)
    """

    def decorate(body: Callable[..., Element]) -> Callable[..., Any]:
        def call(*operands: Any) -> Any:
            return _user_kernel_p.bind(*operands, function=body, result=result, levels=())

        compiled = _jit(functools.wraps(body)(call))
        # Its signature is of indices and operands of the kernel, not of arrays.
        del call.__wrapped__  # type: ignore[attr-defined]

        @functools.wraps(body)
        def operation(*operands: Any) -> Any:
            return compiled(*operands)

        return operation

    return decorate


_tracebacks.guard(globals(), "cotan.api")
