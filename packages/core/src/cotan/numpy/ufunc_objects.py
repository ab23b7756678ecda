"""``ufunc``: elementwise functions as objects that also reduce, accumulate, update in place of indices, and so on.

``frompyfunc`` makes one from any function of scalars. The functions themselves stand in ``ufuncs``; calling an object
costs no more than calling its function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import lax
from cotan.api import eval_shape
from cotan.errors import where as place
from cotan.numpy import creation, functional, manipulation, reductions, ufuncs
from cotan.numpy.promotion import (
    Axis,
    as_array,
    broadcast_to_shape,
    check_arraylike,
    normalize_axes,
    normalize_axis,
    refuse_out,
    user_dtype,
)
from cotan.runtime.nans import seen_only
from cotan.tracebacks import boundary, guarded

Function = Callable[..., Any]
Reduction = Callable[..., Any]


@guarded
class ufunc:
    """An elementwise function of arrays, with the methods of NumPy's.

    Attributes:
      nin, nout, nargs: how many operands it takes, results it gives, and both together.
      identity: what a reduction of nothing gives, or None.

    >>> import cotan.numpy as cnp
    >>> cnp.add.reduce(cnp.arange(4))
    Array(6, dtype=int32)
    >>> cnp.subtract.outer(cnp.arange(2), cnp.arange(2))
    Array([[ 0, -1],
           [ 1,  0]], dtype=int32)
    """

    # A slot of this name is called at once, without a frame of ours in between.
    __slots__ = ("__call__", "__dict__", "__weakref__", "_methods", "identity", "nin", "nout")
    __call__: Function
    _methods: dict[str, Function]

    def __init__(
        self,
        func: Function,
        /,
        nin: int,
        nout: int,
        *,
        name: str | None = None,
        nargs: int | None = None,
        identity: Any = None,
        call: Function | None = None,
        **methods: Function,
    ) -> None:
        if not callable(func):
            raise TypeError(f"{place()}: ufunc takes a function, got {func!r}")
        if nargs not in (None, nin):
            raise ValueError(f"{place()}: ufunc: nargs={nargs} differs from the {nin} operands; leave it out")
        unknown = set(methods) - {"reduce", "accumulate", "at", "reduceat"}
        if unknown:
            raise TypeError(f"{place()}: ufunc has no method {min(unknown)!r}; give reduce, accumulate, at or reduceat")
        self.nin, self.nout, self.identity = nin, nout, identity
        self._methods = methods
        self.__call__ = call if call is not None else self._by_element(func)
        self.__wrapped__ = func
        self.__name__ = name if name is not None else getattr(func, "__name__", "function")
        self.__qualname__ = self.__name__
        self.__module__ = getattr(func, "__module__", __name__)
        self.__doc__ = getattr(func, "__doc__", None)

    def _by_element(self, func: Function) -> Function:
        mapped = functional.vectorize(func)

        @boundary
        def call(*args: Any, out: None = None, where: None = None) -> Any:
            refuse_out(self.__name__, out, where)
            return mapped(*args)

        return call

    @property
    def nargs(self) -> int:
        """How many operands and results."""
        return self.nin + self.nout

    def __repr__(self) -> str:
        return f"<cotan.numpy.ufunc {self.__name__!r}>"

    def __reduce__(self) -> Any:
        return self.__name__ if self.__module__ == "cotan.numpy" else object.__reduce__(self)

    def reduce(
        self,
        a: Any,
        axis: Axis = 0,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Any:
        """The elements of ``a`` combined along ``axis`` (an axis, several, or None: all), from the first on.

        Args:
          initial: what to begin with.
          where: which elements count; needs an identity, or ``initial``.

        Raises:
          TypeError: the function does not take two operands.
          ValueError: there is nothing to reduce and no identity.

        >>> import cotan.numpy as cnp
        >>> cnp.multiply.reduce(cnp.arange(1, 5))
        Array(24, dtype=int32)
        """
        self._check("reduce", a, out)
        x = as_array(a, f"{self.__name__}.reduce")
        start = self.identity if initial is None else initial
        if where is not None and start is None:
            raise ValueError(
                f"{place()}: {self.__name__}.reduce: `where` needs a value to begin with, and this function has no "
                "identity; give `initial`"
            )
        axes = normalize_axes(axis, x.ndim, f"{self.__name__}.reduce")
        asked = user_dtype(dtype, f"{self.__name__}.reduce")
        known = self._methods.get("reduce")
        if known is not None:
            return known(x, axes, asked, keepdims, initial, where)
        rows, mask = _front(x, axes), None if where is None else _front(broadcast_to_shape(where, x.shape), axes)
        rows = rows.astype(self._type(x, asked))
        if rows.shape[0] == 0 and start is None:
            raise ValueError(
                f"{place()}: {self.__name__}.reduce of no elements, and this function has no identity; give `initial`"
            )
        begin_with_first = initial is None and mask is None and rows.shape[0] > 0
        if begin_with_first:
            first, rows = rows[0], rows[1:]
        else:
            first = creation.full(rows.shape[1:], start, rows.dtype)

        def step(carry: Any, row: tuple[Any, Any]) -> tuple[Any, None]:
            value, counts = row
            combined = self(carry, value).astype(carry.dtype)
            return (combined if counts is None else ufuncs.where_(counts, combined, carry)), None

        result, _ = lax.scan(step, first, (rows, mask))
        return manipulation.expand_dims(result, axes) if keepdims else result

    def accumulate(self, a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        """What ``reduce`` gives of the first 1, 2, ... elements along ``axis``.

        Raises:
          TypeError: the function does not take two operands.

        >>> import cotan.numpy as cnp
        >>> cnp.maximum.accumulate(cnp.array([1, 3, 2]))
        Array([1, 3, 3], dtype=int32)
        """
        self._check("accumulate", a, out)
        x = as_array(a, f"{self.__name__}.accumulate")
        axis = normalize_axis(axis, x.ndim, f"{self.__name__}.accumulate")
        asked = user_dtype(dtype, f"{self.__name__}.accumulate")
        known = self._methods.get("accumulate")
        if known is not None:
            return known(x, axis, asked)
        rows = manipulation.moveaxis(x, axis, 0).astype(self._type(x, asked))
        if rows.shape[0] == 0:
            return manipulation.moveaxis(rows, 0, axis)

        def step(carry: Any, row: Any) -> tuple[Any, Any]:
            combined = self(carry, row).astype(carry.dtype)
            return combined, combined

        _, rest = lax.scan(step, rows[0], rows[1:])
        return manipulation.moveaxis(manipulation.concatenate([rows[:1], rest]), 0, axis)

    def at(self, a: Any, indices: Any, b: Any = None, /, *, inplace: bool = True) -> Any:
        """``a`` with the function applied to its indexed elements (and ``b``), once for each time they are named.

        Raises:
          ValueError: ``inplace`` is not False: arrays are immutable, and the result is a new one.
          TypeError: ``b`` is missing, or there are more operands than two.

        >>> import cotan.numpy as cnp
        >>> cnp.add.at(cnp.zeros(3), cnp.array([0, 0, 2]), 1.0, inplace=False)
        Array([2., 0., 1.], dtype=float32)
        """
        name = f"{self.__name__}.at"
        if inplace:
            raise ValueError(
                f"{place()}: {name}: arrays are immutable; write x = {self.__name__}.at(x, ..., inplace=False)"
            )
        if self.nin not in (1, 2) or self.nout != 1 or (b is None) != (self.nin == 1):
            raise TypeError(f"{place()}: {name} takes functions of one or two operands, and values for the second one")
        x = as_array(a, name)
        known = self._methods.get("at")
        if known is not None:
            return known(x, indices, b)
        places = lax.reshape(lax.iota(np.int32, x.size), x.shape)[indices]
        flat = manipulation.ravel(x)
        values = None if b is None else manipulation.ravel(manipulation.broadcast_to(as_array(b, name), places.shape))

        def step(flat: Any, row: tuple[Any, Any]) -> tuple[Any, None]:
            index, value = row
            old = lax.dynamic_index_in_dim(flat, index, keepdims=False)
            new = self(old) if value is None else self(old, value)
            return lax.dynamic_update_index_in_dim(flat, new.astype(flat.dtype), index, 0), None

        flat, _ = lax.scan(step, flat, (manipulation.ravel(places), values))
        return lax.reshape(flat, x.shape)

    def outer(self, A: Any, B: Any, /) -> Any:
        """The function of each element of ``A`` with each of ``B``; the shape is ``A.shape + B.shape``.

        Raises:
          TypeError: the function does not take two operands.

        >>> import cotan.numpy as cnp
        >>> cnp.multiply.outer(cnp.arange(3), cnp.array([1, 10])).shape
        (3, 2)
        """
        if self.nin != 2:
            raise TypeError(
                f"{place()}: {self.__name__}.outer: only functions of two operands have it, not of {self.nin}"
            )
        name = f"{self.__name__}.outer"
        check_arraylike(name, A, B)
        first, second = as_array(A, name), as_array(B, name)
        return self(lax.expand_dims(first, tuple(range(first.ndim, first.ndim + second.ndim))), second)

    def reduceat(self, a: Any, indices: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        """For each index the reduction from it to the next one; the one element if the next is not larger.

        Raises:
          TypeError: the function does not take two operands. ValueError: ``indices`` is no vector.

        >>> import cotan.numpy as cnp
        >>> cnp.add.reduceat(cnp.arange(6), cnp.array([0, 2, 4]))
        Array([1, 5, 9], dtype=int32)
        """
        self._check("reduceat", a, out)
        name = f"{self.__name__}.reduceat"
        x, starts = as_array(a, name), as_array(indices, name)
        if starts.ndim != 1:
            raise ValueError(
                f"{place()}: {name}: indices must be a vector, got shape {tuple(starts.shape)}; ravel them"
            )
        axis = normalize_axis(axis, x.ndim, name)
        asked = user_dtype(dtype, name)
        known = self._methods.get("reduceat")
        if known is not None:
            return known(x, starts, axis, asked)
        rows = manipulation.moveaxis(x, axis, 0).astype(self._type(x, asked))
        length = rows.shape[0]
        if starts.shape[0] == 0 or length == 0:
            return manipulation.moveaxis(rows[:0], 0, axis)
        starts = starts.astype(np.int32)
        stops = manipulation.concatenate([starts[1:], creation.array([length], np.int32)])
        beside = (starts.shape[0], *(1 for _ in rows.shape[1:]))

        def step(carry: Any, row: tuple[Any, Any]) -> tuple[Any, None]:
            value, position = row
            inside = lax.bitwise_and(lax.lt(starts, position), lax.lt(position, stops))
            combined = self(carry, manipulation.broadcast_to(value, carry.shape)).astype(carry.dtype)
            return ufuncs.where_(lax.reshape(inside, beside), combined, carry), None

        result, _ = lax.scan(step, rows[starts], (rows, lax.iota(np.int32, length)))
        return manipulation.moveaxis(result, 0, axis)

    def _check(self, method: str, a: Any, out: Any) -> None:
        if self.nin != 2 or self.nout != 1:
            raise TypeError(
                f"{place()}: {self.__name__}.{method}: only functions of two operands with one result have it, not one "
                f"of {self.nin} operands and {self.nout} results"
            )
        refuse_out(f"{self.__name__}.{method}", out)
        check_arraylike(f"{self.__name__}.{method}", a)

    def _type(self, x: Any, asked: Any) -> Any:
        """The dtype of a reduction: that of the function's result."""
        if asked is not None:
            return asked
        scalar = lax.full((), 0, x.dtype)
        return eval_shape(self.__call__, scalar, scalar).dtype


def _front(x: Any, axes: tuple[int, ...]) -> Any:
    """The ``axes`` of ``x`` as one, the first."""
    moved = manipulation.moveaxis(as_array(x, "reduce"), axes, tuple(range(len(axes))))
    return lax.reshape(moved, (math.prod(moved.shape[: len(axes)]), *moved.shape[len(axes) :]))


def frompyfunc(func: Function, /, nin: int, nout: int, *, identity: Any = None) -> ufunc:
    """A ``ufunc`` of a function of scalars.

    Args:
      func: takes ``nin`` scalars, returns one or a tuple of ``nout``.
      identity: the value that changes nothing, for reductions of nothing.

    Raises:
      TypeError: ``func`` is not callable.

    >>> import cotan.numpy as cnp
    >>> f = cnp.frompyfunc(lambda x, y: 2 * x + y, 2, 1)
    >>> f.accumulate(cnp.array([1, 1, 1]))
    Array([1, 3, 7], dtype=int32)
    """
    return ufunc(func, nin, nout, identity=identity)


# ---- The functions of NumPy


def _reduces(reduction: Reduction, *, typed: bool = False) -> Function:
    """A reduction of ``cotan.numpy`` as the method ``reduce``."""

    def reduce(x: Any, axes: Any, dtype: Any, keepdims: bool, initial: Any, where: Any) -> Any:
        options: dict[str, Any] = {"dtype": dtype} if typed else {}
        if initial is not None:
            options["initial"] = initial
        result = reduction(x, axis=axes, keepdims=keepdims, where=where, **options)
        return result if typed or dtype is None else result.astype(dtype)

    return reduce


def _truth(reduction: Reduction, combine: Function) -> Function:
    def reduce(x: Any, axes: Any, dtype: Any, keepdims: bool, initial: Any, where: Any) -> Any:
        result = reduction(x, axis=axes, keepdims=keepdims, where=where)
        result = result if initial is None else combine(result, initial)
        return result if dtype is None else result.astype(dtype)

    return reduce


def _accumulates(cumulative: Function) -> Function:
    def accumulate(x: Any, axis: int, dtype: Any) -> Any:
        return cumulative(x if dtype is None else x.astype(dtype), axis=axis)

    return accumulate


def _running(primitive: Function) -> Function:
    def accumulate(x: Any, axis: int, dtype: Any) -> Any:
        x = x if dtype is None else x.astype(dtype)
        if x.dtype == np.bool_:
            return primitive(x.astype(np.uint8), axis=axis).astype(np.bool_)
        return primitive(x, axis=axis)

    return accumulate


def _updates(method: str) -> Function:
    def at(x: Any, indices: Any, b: Any) -> Any:
        return getattr(x.at[indices], method)(b)

    return at


def _standard(name: str, nin: int, identity: Any, **methods: Function) -> ufunc:
    function = getattr(ufuncs, name)
    call = function if hasattr(function, "_trims") else boundary(function, seen_only)
    made = ufunc(function, nin, 1, name=name, identity=identity, call=call, **methods)
    made.__module__ = "cotan.numpy"
    return made


add = _standard(
    *("add", 2, 0),
    reduce=_reduces(reductions.sum, typed=True),
    accumulate=_accumulates(reductions.cumsum),
    at=_updates("add"),
)
multiply = _standard(
    *("multiply", 2, 1),
    reduce=_reduces(reductions.prod, typed=True),
    accumulate=_accumulates(reductions.cumprod),
    at=_updates("multiply"),
)
subtract = _standard("subtract", 2, None, at=_updates("subtract"))
maximum = _standard(
    "maximum", 2, None, reduce=_reduces(reductions.max), accumulate=_running(lax.cummax), at=_updates("max")
)
minimum = _standard(
    "minimum", 2, None, reduce=_reduces(reductions.min), accumulate=_running(lax.cummin), at=_updates("min")
)
logical_and = _standard("logical_and", 2, True, reduce=_truth(reductions.all, ufuncs.logical_and))
logical_or = _standard("logical_or", 2, False, reduce=_truth(reductions.any, ufuncs.logical_or))
logical_xor = _standard("logical_xor", 2, False)
bitwise_and = _standard("bitwise_and", 2, -1)
bitwise_or = _standard("bitwise_or", 2, 0)
bitwise_xor = _standard("bitwise_xor", 2, 0)
logaddexp = _standard("logaddexp", 2, -math.inf)
logaddexp2 = _standard("logaddexp2", 2, -math.inf)
gcd = _standard("gcd", 2, 0)
lcm = _standard("lcm", 2, None)
negative = _standard("negative", 1, None)
