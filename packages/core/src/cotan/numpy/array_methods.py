"""NumPy's operators and methods for Arrays and traced arrays: one set, attached to both.

Operators on operands of one type, or on a float array and a number, go to the primitive at once; all others through the
functions of ``cotan.numpy``, which promote. Nothing is computed here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.config import config
from cotan.errors import where
from cotan.ir.trace import Tracer, slots
from cotan.numpy import (
    contractions,
    editing,
    index_update,
    indexing,
    manipulation,
    reductions,
    searching,
    selection,
    ufuncs,
)
from cotan.numpy.promotion import normalize_axis, stands_for_array
from cotan.runtime.array import Array
from cotan.runtime.devices import device_put
from cotan.tracebacks import boundary, trim

Function = Callable[..., Any]

# ---- Operators

_NUMBERS = frozenset({bool, int, float, complex})
_REAL = frozenset({bool, int, float})
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_INT32, _INT32_BOUND = np.dtype(np.int32), 1 << 31
_FLOATS = frozenset({np.dtype(np.float32), _FLOAT64, np.dtype(np.float16), dtypes.bfloat16})
_INTS = frozenset(map(np.dtype, (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)))
_ARITHMETIC = _FLOATS | _INTS
_OPERANDS = (Tracer, Array, np.ndarray, np.generic, int, float, complex)


def _accepts(other: Any) -> bool:
    """Whether an operator takes ``other``; of all else Python asks whether it can do the operation itself."""
    return type(other) in _NUMBERS or isinstance(other, _OPERANDS) or stands_for_array(other)


def _takes(number: Any, kind: type, dtype: Any, of: frozenset[Any]) -> bool:
    """Whether a number beside an array of ``dtype`` gets that dtype; float64 made under x64 may have outlived it."""
    if dtype is _INT32:
        return kind is int and dtype in of and -_INT32_BOUND <= number < _INT32_BOUND
    return dtype in _FLOATS and (dtype != _FLOAT64 or config.enable_x64)


def _binary(
    name: str, function: Function, at_once: Function | None = None, of: frozenset[Any] = _ARITHMETIC
) -> Function:
    """``self op other``; ``at_once`` does it for operands of one type in ``of``, and for an array beside a number."""
    primitive = None if at_once is None else at_once.primitive  # type: ignore[attr-defined]

    def op(self: Any, other: Any) -> Any:
        try:
            if primitive is not None:
                kind = type(other)
                if kind is Array or isinstance(other, Array):
                    aval = self.aval
                    if other.aval is aval and aval.dtype in of:
                        return primitive.bind(self, other)
                elif kind in _REAL:
                    dtype = self.aval.dtype
                    if dtype is _FLOAT32 and not config.enable_x64:
                        return primitive.bind(self, float(other))
                    if _takes(other, kind, dtype, of):
                        return at_once(self, other)  # type: ignore[misc]
            return function(self, other) if _accepts(other) else NotImplemented
        except Exception as error:
            trim(error)
            raise

    op.__name__ = op.__qualname__ = f"__{name}__"
    return op


def _reflected(
    name: str, function: Function, at_once: Function | None = None, of: frozenset[Any] = _ARITHMETIC
) -> Function:
    """``other op self``, where ``other`` is no Array."""
    primitive = None if at_once is None else at_once.primitive  # type: ignore[attr-defined]

    def op(self: Any, other: Any) -> Any:
        try:
            kind = type(other)
            if primitive is not None and kind in _REAL:
                dtype = self.aval.dtype
                if dtype is _FLOAT32 and not config.enable_x64:
                    return primitive.bind(float(other), self)
                if _takes(other, kind, dtype, of):
                    return at_once(other, self)  # type: ignore[misc]
            return function(other, self) if _accepts(other) else NotImplemented
        except Exception as error:
            trim(error)
            raise

    op.__name__ = op.__qualname__ = f"__r{name}__"
    return op


def _comparison(name: str, sign: str, *how: Any) -> Function:
    """``self == other`` or ``self != other``: of a container, Python would say that it is another object."""
    compare = _binary(name, *how)

    def op(self: Any, other: Any) -> Any:
        found = compare(self, other)
        if found is NotImplemented and isinstance(other, list | tuple | set | dict):
            raise TypeError(
                f"{where()}: {sign} of an array ({self.aval.short()}) and a {type(other).__name__}; make it an array "
                "by cotan.numpy.asarray"
            )
        return found

    op.__name__ = op.__qualname__ = f"__{name}__"
    return op


def _unary(name: str, function: Function, at_once: Function | None = None) -> Function:
    def op(self: Any) -> Any:
        try:
            if at_once is not None and self.aval.dtype in _ARITHMETIC:
                return at_once(self)
            return function(self)
        except Exception as error:
            trim(error)
            raise

    op.__name__ = op.__qualname__ = f"__{name}__"
    return op


def _length(self: Any) -> int:
    """The extent of the first axis."""
    if not self.shape:
        raise TypeError(
            f"{where()}: len() of an array of no dimensions ({self.aval.short()}), which has no axis to count; use "
            ".size"
        )
    return int(self.shape[0])


_FEW = 64
"""Elements of an axis that are indexed one by one as users index, which remembers each index."""


def _iterate(self: Any) -> Iterator[Any]:
    """The arrays along the first axis."""
    if not self.shape:
        raise TypeError(
            f"{where()}: iteration over an array of no dimensions ({self.aval.short()}); it is one value, not several"
        )
    extent = self.shape[0]
    if type(self) is Array and extent <= _FEW:
        return (indexing.getitem(self, k) for k in range(extent))
    return (lax.index_in_dim(self, k, 0, keepdims=False) for k in range(extent))


def _reversed(self: Any) -> Iterator[Any]:
    return iter(manipulation.flip(self, 0))


def _contains(self: Any, item: Any) -> bool:
    return bool(reductions.any(ufuncs.equal(self, item)))


def _round(self: Any, ndigits: int | None = None) -> Any:
    """As of Python's numbers: without ``ndigits`` integers, else numbers of the same dtype."""
    if ndigits is not None:
        return ufuncs.round(self, ndigits)
    if ufuncs.is_complex(self):
        raise TypeError(f"{where()}: round() of a complex array ({self.aval.short()}); take its .real")
    return ufuncs.round(self).astype(dtypes.default_int())


def _power(self: Any, other: Any, modulo: Any = None) -> Any:
    if modulo is not None:
        return NotImplemented
    try:
        if type(other) is int and self.aval.dtype in _FLOATS:
            return lax.integer_pow(self, other)
        return ufuncs.power(self, other) if _accepts(other) else NotImplemented
    except Exception as error:
        trim(error)
        raise


_BINARY: dict[str, tuple[Any, ...]] = {
    "add": (ufuncs.add, lax.add),
    "sub": (ufuncs.subtract, lax.sub),
    "mul": (ufuncs.multiply, lax.mul),
    "truediv": (ufuncs.true_divide, lax.div, _FLOATS),
    "floordiv": (ufuncs.floor_divide,),
    "mod": (ufuncs.remainder,),
    "divmod": (ufuncs.divmod,),
    "matmul": (contractions.matmul,),
    "and": (ufuncs.bitwise_and, None),
    "or": (ufuncs.bitwise_or, None),
    "xor": (ufuncs.bitwise_xor, None),
    "lshift": (ufuncs.left_shift, None),
    "rshift": (ufuncs.right_shift, None),
}
_COMPARISONS: dict[str, tuple[Any, ...]] = {
    "eq": (ufuncs.equal, lax.eq),
    "ne": (ufuncs.not_equal, lax.ne),
    "lt": (ufuncs.less, lax.lt),
    "le": (ufuncs.less_equal, lax.le),
    "gt": (ufuncs.greater, lax.gt),
    "ge": (ufuncs.greater_equal, lax.ge),
}
_UNARY: dict[str, tuple[Any, ...]] = {
    "neg": (ufuncs.negative, lax.neg),
    "pos": (ufuncs.positive,),
    "abs": (ufuncs.absolute,),
    "invert": (ufuncs.bitwise_not,),
}


def _method(name: str, function: Function) -> Function:
    """``function`` as a method; ``name`` is that in errors."""
    function.__name__ = function.__qualname__ = name
    return boundary(function)


def _operators() -> dict[str, Any]:
    found: dict[str, Any] = {
        "__pow__": _power,
        "__rpow__": _reflected("pow", ufuncs.power),
        "__len__": _length,
        "__iter__": _iterate,
        "__reversed__": _reversed,
        "__contains__": _contains,
        "__round__": _method("round", _round),
        "__getitem__": indexing.getitem,
    }
    for name, how in _BINARY.items():
        found[f"__{name}__"] = _binary(name, *how)
        found[f"__r{name}__"] = _reflected(name, *how)
    for name, how in _COMPARISONS.items():
        sign = {"eq": "==", "ne": "!="}.get(name)
        found[f"__{name}__"] = _comparison(name, sign, *how) if sign else _binary(name, *how)
    for name, how in _UNARY.items():
        found[f"__{name}__"] = _unary(name, *how)
    return found


# ---- Methods


def _first_is_self(function: Function) -> Function:
    """A function of ``cotan.numpy`` as a method."""

    method = boundary(function)
    method.__name__ = method.__qualname__ = function.__name__
    method.__doc__ = f"As ``cotan.numpy.{function.__name__}`` of this array."
    return method


def _ints(args: tuple[Any, ...]) -> Any:
    """``x.reshape(2, 3)`` and ``x.reshape((2, 3))`` mean the same."""
    return args[0] if len(args) == 1 and (args[0] is None or not _is_int(args[0])) else args


def _is_int(x: Any) -> bool:
    try:
        operator.index(x)
    except TypeError:
        return False
    return True


def _reshape(self: Any, *shape: Any, order: str = "C", copy: bool | None = None, out_sharding: Any = None) -> Any:
    """The same elements in another shape; one extent may be -1.

    Raises:
      TypeError: the number of elements differs.
    """
    return manipulation.reshape(self, _ints(shape), order, copy=copy)


def _transpose(self: Any, *axes: Any) -> Any:
    """The array with its axes reversed, or in the given order."""
    return manipulation.transpose(self, _ints(axes) if axes else None)


def _astype(self: Any, dtype: Any, copy: bool = False, device: Any = None) -> Any:
    """The values converted to ``dtype``. Floats become integers by truncation, and saturate."""
    return manipulation.astype(self, dtype, copy=copy, device=device)


def _copy(self: Any) -> Any:
    """An array of equal value in memory of its own, which stays when this one is deleted or donated."""
    return lax.copy(self)


def _flatten(self: Any, order: str = "C", *, out_sharding: Any = None) -> Any:
    """All elements in one dimension."""
    return manipulation.ravel(self, order)


def _clip(self: Any, min: Any = None, max: Any = None) -> Any:
    """The values limited to min..max."""
    return ufuncs.clip(self, min, max)


def _view(self: Any, dtype: Any = None, type: None = None) -> Any:
    """The elements' bits read as another dtype; the last axis grows or shrinks if its width differs.

    A bool is a byte, and every byte but 0 is true. Elements of ``int4`` and narrower lie side by side.

    Raises:
      ValueError: the widths do not fit the last axis. NotImplementedError: ``type`` is given.
    """
    if type is not None:
        raise NotImplementedError(f"{where()}: view: arrays are of one class; leave `type` out")
    if dtype is None:
        return self
    target = dtypes.check_user_dtype(dtype, "view")
    if self.dtype == target:
        return self
    have, want = _bits_in_memory(self.dtype), _bits_in_memory(target)
    if not self.shape and have != want:
        raise ValueError(
            f"{where()}: view: an array of no dimensions has no axis to change ({have} to {want} bits); reshape it "
            "first"
        )
    if have != want and self.shape[-1] * have % want:
        raise ValueError(
            f"{where()}: view: the last axis has {self.shape[-1]} elements of {have} bits, which are no whole number "
            f"of {target.name} elements; cut or pad it, or convert the values with astype"
        )
    if not self.shape:
        return manipulation.reshape(_read_as(manipulation.reshape(self, (1,)), target), ())
    return _read_as(self, target)


def _bits_in_memory(dtype: Any) -> int:
    return 8 if dtype == np.bool_ else dtypes.itemsize_bits(dtype)


def _read_as(x: Any, target: Any) -> Any:
    """The bits along the last axis, of which there is a whole number of elements."""
    if x.dtype == target:
        return x
    if x.dtype == np.bool_:
        return _read_as(lax.convert_element_type(x, np.uint8), target)
    if target == np.bool_:
        return lax.ne(_read_as(x, np.dtype(np.uint8)), 0)
    if ufuncs.is_complex(x):
        pairs = manipulation.stack([lax.real(x), lax.imag(x)], -1)
        return _read_as(manipulation.reshape(pairs, (*x.shape[:-1], 2 * x.shape[-1])), target)
    if dtypes.issubdtype(target, np.complexfloating):
        parts = _read_as(x, dtypes.to_real_dtype(target))
        return lax.complex(parts[..., ::2], parts[..., 1::2])
    have, want = dtypes.itemsize_bits(x.dtype), dtypes.itemsize_bits(target)
    if have == want:
        return lax.bitcast_convert_type(x, target)
    if have > want:
        parts = lax.bitcast_convert_type(x, target)
        return manipulation.reshape(parts, (*x.shape[:-1], x.shape[-1] * (have // want)))
    ratio = want // have
    grouped = manipulation.reshape(x, (*x.shape[:-1], x.shape[-1] // ratio, ratio))
    return lax.bitcast_convert_type(grouped, target)


def _to_device(self: Any, device: Any, *, stream: Any = None) -> Any:
    """This array on another device."""
    if stream is not None:
        raise NotImplementedError("to_device: streams are the backend's own affair; leave `stream` out")
    return device_put(self, device)


def _searchsorted(self: Any, v: Any, side: str = "left", sorter: Any = None, *, method: str = "scan") -> Any:
    """Where the elements of ``v`` would be inserted into this sorted array."""
    return searching.searchsorted(self, v, side, sorter, method=method)


def _sort(
    self: Any,
    axis: int | None = -1,
    *,
    kind: str | None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Any:
    """A sorted copy; NaN comes last."""
    return selection.sort(self, axis, kind=kind, order=order, stable=stable, descending=descending)


def _argsort(
    self: Any,
    axis: int | None = -1,
    *,
    kind: str | None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Any:
    """The indices that sort the array."""
    return selection.argsort(self, axis, kind=kind, order=order, stable=stable, descending=descending)


def _byteswap(self: Any) -> Any:
    """The elements with the bytes of each (of each part of a complex one) in reverse."""
    if ufuncs.is_complex(self):
        return lax.complex(_byteswap(lax.real(self)), _byteswap(lax.imag(self)))
    if self.dtype.itemsize == 1:
        return self
    parts = lax.bitcast_convert_type(self, np.uint8)
    return lax.bitcast_convert_type(lax.rev(parts, (self.ndim,)), self.dtype)


def _compress(
    self: Any,
    condition: Any,
    axis: int | None = None,
    *,
    out: None = None,
    size: int | None = None,
    fill_value: Any = 0,
) -> Any:
    """The elements (along ``axis``) where ``condition`` holds, known while tracing, or its ``size``."""
    return selection.compress(condition, self, axis, size=size, fill_value=fill_value, out=out)


def _mT(self: Any) -> Any:
    """The matrix transpose: the last two axes exchanged."""
    return manipulation.matrix_transpose(self)


def _split_axis(self: Any, axis: int = 0) -> tuple[Any, ...]:
    """The arrays along ``axis``."""
    axis = normalize_axis(axis, self.ndim, "unstack")
    return tuple(manipulation.unstack(self, axis=axis))


def _namespace(self: Any, *, api_version: str | None = None) -> Any:
    """The module of functions that go with arrays: ``cotan.numpy``."""
    import cotan.numpy

    if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
        raise ValueError(
            f"__array_namespace__: version {api_version!r} of the array API standard is not here; leave it out"
        )
    return cotan.numpy


_FUNCTIONS: tuple[Function, ...] = (
    reductions.all, reductions.any, reductions.argmax, reductions.argmin, reductions.cumprod, reductions.cumsum,
    reductions.max, reductions.mean, reductions.min, reductions.prod, reductions.ptp, reductions.std, reductions.sum,
    reductions.var,
    manipulation.diagonal, manipulation.ravel, manipulation.repeat, manipulation.squeeze, manipulation.swapaxes,
    manipulation.trace,
    selection.nonzero, selection.take,
    contractions.dot, editing.argpartition, editing.choose,
    ufuncs.conjugate, ufuncs.round,
)  # fmt: skip

_METHODS: dict[str, Any] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "astype": _astype,
    "copy": _copy,
    "clone": _copy,
    "flatten": _flatten,
    "clip": _clip,
    "view": _view,
    "to_device": _to_device,
    "searchsorted": _searchsorted,
    "sort": _sort,
    "byteswap": _byteswap,
    "argsort": _argsort,
    "compress": _compress,
    "conj": _first_is_self(ufuncs.conjugate),
    "_unstack": _split_axis,
    "__array_namespace__": _namespace,
    "T": property(lambda self: manipulation.transpose(self), doc="The array with its axes reversed."),
    "mT": property(_mT, doc="The matrix transpose: the last two axes exchanged."),
    "real": property(lambda self: ufuncs.real(self), doc="The real part."),
    "imag": property(lambda self: ufuncs.imag(self), doc="The imaginary part."),
    "flat": property(lambda self: manipulation.ravel(self), doc="All elements in one dimension."),
    "at": property(
        lambda self: index_update.IndexUpdateHelper(self), doc="Indexed updates: ``x.at[i].set(y)``, ``.add`` ..."
    ),
}


_METHODS.update({name: _method(name, one) for name, one in _METHODS.items() if callable(one)})


def _assign(self: Any, index: Any, value: Any) -> None:
    raise TypeError(
        f"{where()}: traced arrays are immutable: instead of x[i] = y write x = x.at[i].set(y), and instead of x[i] += "
        "y write x = x.at[i].add(y)"
    )


def attach(cls: type) -> None:
    """Give a class of arrays the operators and methods."""
    for name, method in (*_operators().items(), *_METHODS.items()):
        setattr(cls, name, method)
    for function in _FUNCTIONS:
        setattr(cls, function.__name__, _first_is_self(function))


attach(Array)
attach(Tracer)
Tracer.__setitem__ = _assign  # type: ignore[attr-defined]
slots.operators = Array
