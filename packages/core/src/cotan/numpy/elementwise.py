"""What elementwise functions are made of: makers of functions that promote and then call a primitive, and selection.

Knows no function of NumPy by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.numpy.promotion import SCALARS, as_array, promote_args, promote_args_inexact, promote_shapes, refuse_out
from cotan.runtime.array import Array
from cotan.tracebacks import trim, trims

Ufunc = Callable[..., Any]
_BOOL = np.dtype(np.bool_)


def named(function: Ufunc, name: str, doc: str) -> Ufunc:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def trimming(function: Ufunc, name: str, doc: str) -> Ufunc:
    """As ``named``, of a function that trims what leaves it."""
    return named(trims(function), name, doc)


def unary(name: str, primitive: Ufunc, doc: str, *, inexact: bool = False) -> Ufunc:
    promote = promote_args_inexact if inexact else promote_args

    def function(x: Any, /, *, out: None = None, where: None = None) -> Any:
        try:
            if out is not None or where is not None:
                refuse_out(name, out, where)
            return primitive(promote(name, x)[0])
        except Exception as error:
            trim(error)
            raise

    return trimming(function, name, f"{doc}, elementwise.{' Integers become floats.' if inexact else ''}")


def binary(name: str, primitive: Ufunc, doc: str, *, inexact: bool = False) -> Ufunc:
    promote = promote_args_inexact if inexact else promote_args

    def function(x1: Any, x2: Any, /, *, out: None = None, where: None = None) -> Any:
        try:
            if out is not None or where is not None:
                refuse_out(name, out, where)
            a, b = promote(name, x1, x2)
            return primitive(a, b)
        except Exception as error:
            trim(error)
            raise

    return trimming(function, name, f"{doc}, elementwise, with broadcasting and promotion.")


def is_bool(x: Any) -> bool:
    return bool((x.aval.dtype if type(x) is Array else dtypes.dtype(x)) == _BOOL)


def is_complex(x: Any) -> bool:
    return bool(dtypes.issubdtype(dtypes.dtype(x), np.complexfloating))


def is_inexact(x: Any) -> bool:
    return bool(dtypes.issubdtype(dtypes.dtype(x), np.inexact))


def is_unsigned(x: Any) -> bool:
    return bool(dtypes.issubdtype(dtypes.dtype(x), np.unsignedinteger))


def logic(name: str, on_numbers: Ufunc, on_bools: Ufunc, doc: str) -> Ufunc:
    """Arithmetic that NumPy defines on bools as logic."""

    def function(x1: Any, x2: Any, /, *, out: None = None, where: None = None) -> Any:
        try:
            if out is not None or where is not None:
                refuse_out(name, out, where)
            a, b = promote_args(name, x1, x2)
            return on_bools(a, b) if is_bool(a) else on_numbers(a, b)
        except Exception as error:
            trim(error)
            raise

    return trimming(function, name, f"{doc}, elementwise, with broadcasting and promotion; on bools it is logic.")


def ordering(name: str, primitive: Ufunc, strict: Ufunc, doc: str) -> Ufunc:
    """Comparison; complex numbers are ordered by their real, then their imaginary parts."""

    def function(x1: Any, x2: Any, /) -> Any:
        try:
            a, b = promote_args(name, x1, x2)
            if not is_complex(a):
                return primitive(a, b)
            (re1, re2), (im1, im2) = (lax.real(a), lax.real(b)), (lax.imag(a), lax.imag(b))
            return lax.bitwise_or(strict(re1, re2), lax.bitwise_and(lax.eq(re1, re2), primitive(im1, im2)))
        except Exception as error:
            trim(error)
            raise

    return trimming(function, name, f"{doc}, elementwise, with broadcasting and promotion.")


def rounding(name: str, primitive: Ufunc, doc: str) -> Ufunc:
    def function(x: Any, /) -> Any:
        try:
            x = as_array(x, name)
            return primitive(x) if is_inexact(x) else x
        except Exception as error:
            trim(error)
            raise

    return trimming(function, name, f"{doc}, elementwise; integers are returned as they are.")


def where_(condition: Any, x: Any, y: Any) -> Any:
    """Select with broadcasting, of equal dtypes; one of ``x`` and ``y`` may be a Python number, of the other's type."""
    if isinstance(x, SCALARS):
        x = _constant_like(y, x)
    elif isinstance(y, SCALARS):
        y = _constant_like(x, y)
    c, x, y = promote_shapes("where", condition, x, y)
    shape = np.broadcast_shapes(c.shape, x.shape, y.shape)
    x, y = (v if tuple(v.shape) == shape else lax.broadcast_in_dim(v, shape, ()) for v in (x, y))
    return lax.select(c, x, y)


def _constant_like(x: Any, value: Any) -> Any:
    """A scalar of the dtype and weak type of ``x``."""
    weak = getattr(getattr(x, "aval", None), "weak_type", False)
    return lax.convert_element_type(value, x.dtype, weak_type=True) if weak else dtypes.constant(value, x.dtype)


def numbers(name: str, x1: Any, x2: Any) -> tuple[Any, Any]:
    """Promoted operands of arithmetic without a meaning on bools, which become int32."""
    a, b = promote_args(name, x1, x2)
    return (lax.convert_element_type(a, np.int32), lax.convert_element_type(b, np.int32)) if is_bool(a) else (a, b)


def strong(x: Any) -> Any:
    """``x`` without a weak type."""
    return lax.convert_element_type(x, x.dtype) if x.aval.weak_type else x


def settled(x: Any) -> Any:
    """``x``, without a weak type if it has axes: beside the constants of many functions scalars alone stay weak."""
    return strong(x) if x.shape else x


def truth(x: Any, name: str) -> Any:
    x = as_array(x, name)
    return x if is_bool(x) else lax.ne(settled(x), 0)


def logical(name: str, primitive: Ufunc, doc: str) -> Ufunc:
    def function(x1: Any, x2: Any, /, *, out: None = None, where: None = None) -> Any:
        refuse_out(name, out, where)
        return primitive(*promote_shapes(name, truth(x1, name), truth(x2, name)))

    return named(function, name, f"{doc} of truth values, elementwise.")
