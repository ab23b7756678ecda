"""Abstract values: what is known of a value while tracing: shape, dtype, weak type; slots for sharding and mesh axes.

Avals are interned, so that equal ones are nearly always identical and a jit cache compares pointers. No operation is
known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.errors import where

Shape = tuple[int, ...]


class ShapedArray:
    """The abstract value of an array.

    Attributes:
      shape: tuple of ints.
      dtype: a NumPy dtype or an extended dtype (``key<fry>``).
      weak_type: whether the value came from a Python scalar and gives way in promotion.
      sharding: how the value lies on a mesh; undivided, on one without axes, unless something else was said.
      vma: names of mesh axes over which the value varies.
    """

    __slots__ = ("shape", "dtype", "weak_type", "vma", "_hash", "_sharding", "__weakref__")
    shape: Shape
    dtype: Any
    weak_type: bool

    def __init__(
        self,
        shape: Shape,
        dtype: Any,
        weak_type: bool = False,
        sharding: Any = None,
        vma: frozenset[str] = frozenset(),
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.weak_type = weak_type
        if sharding is not None and sharding == undivided[0](len(shape)):
            sharding = None  # as where nothing was said, so that the two are equal
        self._sharding = sharding
        self.vma = vma
        self._hash = hash((shape, dtype, weak_type, sharding, vma))

    @property
    def sharding(self) -> Any:
        return undivided[0](len(self.shape)) if self._sharding is None else self._sharding

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def nbytes(self) -> int:
        return self.size * int(self.dtype.itemsize)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, ShapedArray)
            and self.shape == other.shape
            and self.dtype == other.dtype
            and self.weak_type == other.weak_type
            and self._sharding == other._sharding
            and self.vma == other.vma
        )

    def update(self, **changes: Any) -> ShapedArray:
        """The same abstract value with some attributes changed."""
        fields = {"shape": self.shape, "dtype": self.dtype, "weak_type": self.weak_type}
        return shaped(**{**fields, **changes})

    def strip_weak_type(self) -> ShapedArray:
        return self if not self.weak_type else shaped(self.shape, self.dtype, False)

    def to_tangent_aval(self) -> ShapedArray:
        """The abstract value of tangents and cotangents: that of this one, or of ``float0`` if it is not inexact."""
        return tangent_aval(self)

    def str_short(self, short_dtypes: bool = False) -> str:
        """``float32[4,1000]``; with ``short_dtypes`` ``f32[4,1000]``."""
        short = short_dtypes or self.dtype == dtypes.float0  # which NumPy calls void
        name = dtypes.short_name(self.dtype) if short else self.dtype.name
        return f"{name}[{','.join(map(str, self.shape))}]"

    def short(self) -> str:
        """``f32[4,1000]``; a weak type shows as ``~f32[]``, but that of bools, on which nothing depends."""
        return f"{'~' if self.weak_type and self.dtype != bool else ''}{self.str_short(short_dtypes=True)}"

    def __str__(self) -> str:
        return f"{'~' if self.weak_type else ''}{self.str_short()}"

    def __repr__(self) -> str:
        return f"ShapedArray({self.str_short()}{', weak_type=True' if self.weak_type else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (shaped, (self.shape, self.dtype, self.weak_type))


# One function, which an upper room that knows meshes puts here: the sharding of an undivided array of a given rank.
undivided: list[Callable[[int], Any]] = []

_interned: dict[tuple[Any, ...], ShapedArray] = {}
_INTERNED_LIMIT = 16384


def shaped(shape: Shape, dtype: Any, weak_type: bool = False) -> ShapedArray:
    """The interned abstract value of the given shape (a tuple of ints), dtype and weak type."""
    key = (shape, dtype, weak_type)
    aval = _interned.get(key)
    if aval is None:
        if len(_interned) >= _INTERNED_LIMIT:
            _interned.clear()
        aval = _interned[key] = ShapedArray(shape, dtype, weak_type)
    return aval


def same_type(a: ShapedArray, b: ShapedArray) -> bool:
    """Whether two avals agree in all but weak type."""
    return a.shape == b.shape and bool(a.dtype == b.dtype)


def tangent_dtype(dtype: Any) -> Any:
    """The dtype of tangents of values of ``dtype``: itself if inexact, else ``float0``."""
    return dtype if dtype in dtypes.usual_floats or dtypes.issubdtype(dtype, np.inexact) else dtypes.float0


def tangent_aval(aval: ShapedArray) -> ShapedArray:
    """The abstract value of tangents and cotangents of ``aval``."""
    dtype = tangent_dtype(aval.dtype)
    return aval if dtype is aval.dtype else shaped(aval.shape, dtype)


# type of a value -> its aval. Upper rooms add theirs (tracers, and the runtime's Array).
aval_of_type: dict[type, Callable[[Any], ShapedArray]] = {}

# Types of what only describes an array. A program may be traced with one, as a constant; it cannot be run.
valueless: set[type] = set()


def _of_numpy(x: Any) -> ShapedArray:
    return shaped(x.shape, dtypes.canonicalize_dtype(x.dtype))


def _of_bool(x: bool) -> ShapedArray:
    return shaped((), np.dtype(np.bool_))


aval_of_type[np.ndarray] = _of_numpy
aval_of_type[bool] = _of_bool
aval_of_type[int] = lambda x: shaped((), dtypes.default_int(), True)
aval_of_type[float] = lambda x: shaped((), dtypes.default_float(), True)
aval_of_type[complex] = lambda x: shaped((), dtypes.default_complex(), True)


def get_aval(x: Any) -> ShapedArray:
    """The abstract value of a tracer, an Array, a NumPy array or a scalar.

    Raises:
      TypeError: ``x`` is none of these; the message names its type and the user's line.
    """
    rule = aval_of_type.get(type(x))
    if rule is not None:
        return rule(x)
    aval = getattr(x, "aval", None)
    if isinstance(aval, ShapedArray):
        return aval
    if isinstance(x, np.ndarray | np.generic):
        return _of_numpy(x)
    if dtypes.is_python_scalar(x):
        return get_aval(dtypes.plain_scalar(x))
    raise TypeError(
        f"{where()}: a value of type {type(x).__name__} is not an array; "
        "cotan computes with cotan Arrays, NumPy arrays and Python or NumPy scalars"
    )


def described_aval(x: Any) -> ShapedArray | None:
    """The abstract value of an array or of anything that has a shape and a dtype; None if ``x`` has none."""
    if is_array_like(x):
        return get_aval(x)
    shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
    if not isinstance(shape, tuple) or dtype is None:
        return None
    return shaped(shape, dtypes.canonicalize_dtype(dtype), bool(getattr(x, "weak_type", False)))


def is_array_like(x: Any) -> bool:
    """Whether ``get_aval`` accepts ``x``."""
    return (
        type(x) in aval_of_type
        or isinstance(getattr(x, "aval", None), ShapedArray)
        or isinstance(x, np.ndarray | np.generic)
        or dtypes.is_python_scalar(x)
    )
