"""cotan.ref: arrays that can be written to, while a function runs in one piece.

A reference holds a value and gives it a new one. It belongs to the call in which it was made: eager code, or one
function that is being traced. There, reading and writing are recorded as what they do to values, so that a function
which makes, changes and reads references of its own can be compiled, differentiated and mapped. Loops, branches and
other transformed functions cannot write to a reference from outside; pass values in and out of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cotan import lax as _lax
from cotan import numpy as _numpy
from cotan import tracebacks as _tracebacks
from cotan.api.flat import lift_leaf as _lift_leaf
from cotan.errors import where as _where
from cotan.ir.avals import ShapedArray
from cotan.ir.trace import Trace as _Trace
from cotan.ir.trace import current_trace as _current_trace


@dataclass(frozen=True)
class AbstractRef:
    """The type of a reference: that of the value that it holds."""

    inner_aval: ShapedArray
    memory_space: Any = None
    kind: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents of the value."""
        return self.inner_aval.shape

    @property
    def dtype(self) -> Any:
        """The dtype of the value."""
        return self.inner_aval.dtype

    @property
    def ndim(self) -> int:
        """The number of axes of the value."""
        return len(self.inner_aval.shape)


@_tracebacks.guarded
class Ref:
    """A reference to an array: ``ref[...]`` reads, ``ref[...] = x`` writes. Made by ``new_ref``.

    >>> import cotan, cotan.numpy as cnp
    >>> ref = cotan.new_ref(cnp.zeros(3))
    >>> ref[1] = 5.0
    >>> ref[...]
    Array([0., 5., 0.], dtype=float32)
    """

    __slots__ = ("_trace", "_value")
    __hash__ = None  # type: ignore[assignment]
    _value: Any
    _trace: _Trace

    def __init__(self, value: Any) -> None:
        self._value = value
        self._trace = _current_trace()

    @property
    def aval(self) -> AbstractRef:
        """Its type."""
        return AbstractRef(self._now("read").aval)

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents of the value."""
        return tuple(self._now("read").shape)

    @property
    def dtype(self) -> Any:
        """The dtype of the value."""
        return self._now("read").dtype

    @property
    def ndim(self) -> int:
        """The number of axes of the value."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements of the value."""
        return int(self._now("read").size)

    def __len__(self) -> int:
        return len(self._now("read"))

    def __getitem__(self, index: Any) -> Any:
        value = self._now("read")
        return value if index is Ellipsis else value[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._write(index, "set", value)

    def get(self, index: Any = None) -> Any:
        """The value, or the indexed part of it."""
        return self[... if index is None else index]

    def set(self, value: Any, index: Any = None) -> None:
        """Write all of the value, or the indexed part of it."""
        self._write(... if index is None else index, "set", value)

    def swap(self, value: Any, index: Any = None) -> Any:
        """Write, and return what was there."""
        where = ... if index is None else index
        before = self[where]
        self[where] = value
        return before

    def addupdate(self, x: Any, idx: Any = ()) -> None:
        """Add to the value, or to the indexed part of it."""
        self._write(... if idx is None else idx, "add", x)

    def _write(self, index: Any, method: str, value: Any) -> None:
        held = self._now("written to")
        self._value = getattr(held.at[index], method)(value)

    def _now(self, done: str) -> Any:
        if self._value is None:
            raise ValueError(f"{_where()}: a reference is {done} after it was frozen or freed; use the array it gave")
        here = _current_trace()
        if here is not self._trace:
            raise ValueError(
                f"{_where()}: a reference that was made in {self._trace.name} is {done} in {here.name}; a "
                "reference can be used only by the call that made it. Pass its value (ref[...]) in as an argument or a "
                "carry, and write what comes back."
            )
        return self._value

    def __repr__(self) -> str:
        return "Ref(<freed>)" if self._value is None else f"Ref({self._value!r})"


def new_ref(init_val: Any, *, memory_space: Any = None, kind: str | None = None) -> Ref:
    """A reference that holds ``init_val``.

    Args:
      init_val: an array or a scalar.
      memory_space, kind: accepted; there is one of each.

    Raises:
      TypeError: it is no array.

    >>> import cotan, cotan.numpy as cnp
    >>> @cotan.jit
    ... def f(x):
    ...     total = cotan.new_ref(0.0)
    ...     for k in range(3):
    ...         total[...] += x[k]
    ...     return total[...]
    >>> f(cnp.arange(3.0))
    Array(3., dtype=float32)
    """
    if isinstance(init_val, Ref):
        raise TypeError(f"{_where()}: new_ref takes an array, got a reference; read it first: ref[...]")
    value = _numpy.asarray(_lift_leaf(init_val))
    return Ref(_lax.convert_element_type(value, value.dtype))  # what is written has that type, never a weak one


def empty_ref(ty: Any, memory_space: Any = None) -> Ref:
    """A reference for values of a type (anything with ``shape`` and ``dtype``); it holds zeros.

    >>> import cotan
    >>> cotan.empty_ref(cotan.ShapeDtypeStruct((2,), "float32"))[...]
    Array([0., 0.], dtype=float32)
    """
    return Ref(_lax.full(ty.shape, 0, ty.dtype))


def _checked(api: str, ref: Any) -> Ref:
    if not isinstance(ref, Ref):
        raise TypeError(f"{_where()}: {api} takes a reference (cotan.new_ref), got {type(ref).__name__}")
    return ref


def freeze(ref: Ref) -> Any:
    """The last value of a reference, which cannot be used any more.

    >>> import cotan
    >>> ref = cotan.new_ref(1.0)
    >>> ref[...] += 2
    >>> cotan.freeze(ref)
    Array(3., dtype=float32)
    """
    value = _checked("freeze", ref)._now("read")
    ref._value = None
    return value


def free_ref(ref: Ref) -> None:
    """Give back the memory of a reference, which cannot be used any more."""
    _checked("free_ref", ref)._now("freed")
    ref._value = None


def get(ref: Ref, idx: Any = None) -> Any:
    """The value of a reference, or the indexed part of it."""
    return _checked("get", ref).get(idx)


def set(ref: Ref, idx: Any, value: Any) -> None:
    """Write the value of a reference, or the indexed part of it."""
    _checked("set", ref).set(value, idx)


def swap(ref: Ref, idx: Any, value: Any) -> Any:
    """Write the value of a reference, or the indexed part of it, and return what was there.

    >>> import cotan
    >>> ref = cotan.new_ref(cotan.numpy.arange(3))
    >>> cotan.ref.swap(ref, 0, 7), ref[...]
    (Array(0, dtype=int32), Array([7, 1, 2], dtype=int32))
    """
    return _checked("swap", ref).swap(value, idx)


def addupdate(ref: Ref, idx: Any, x: Any) -> None:
    """Add to the value of a reference, or to the indexed part of it."""
    _checked("addupdate", ref).addupdate(x, idx)


_tracebacks.guard(globals())
