"""Products of operands in narrow formats that carry factors for blocks of their contracted axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api.flat import lift_leaf
from cotan.errors import where
from cotan.primitives.arithmetic import mul
from cotan.primitives.dot import dot_general
from cotan.primitives.shape import reshape
from cotan.structural import broadcast_in_dim, convert_element_type

_USUAL = {2: (((1,), (0,)), ((), ())), 3: (((2,), (1,)), ((0,), (0,)))}


def scaled_dot(
    lhs: Any,
    rhs: Any,
    *,
    lhs_scale: Any = None,
    rhs_scale: Any = None,
    dimension_numbers: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """``dot_general`` of ``lhs * lhs_scale`` and ``rhs * rhs_scale``, where one factor serves a block of elements.

    Args:
      lhs, rhs: arrays, usually of 8- or 4-bit floats.
      lhs_scale, rhs_scale: factors with the extents of the operand, but for contracted axes, whose extent divides the
        operand's; None: all 1.
      dimension_numbers: as of ``dot_general``; None: a product of matrices, or of stacks of matrices.
      preferred_element_type: bfloat16 (default) or float32: in which the operands are multiplied, and of the result.

    Raises:
      TypeError: factors of another shape, no dimension numbers for operands of other ranks than 2 or 3.

    >>> import cotan.numpy as cnp
    >>> from cotan import lax
    >>> lax.scaled_dot(cnp.ones((1, 4)), cnp.ones((4, 1)), lhs_scale=cnp.array([[2.0, 3.0]]))
    Array([[10]], dtype=bfloat16)
    """
    dtype = np.dtype(dtypes.bfloat16 if preferred_element_type is None else preferred_element_type)
    x, y = lift_leaf(lhs), lift_leaf(rhs)
    if dimension_numbers is None:
        if x.ndim != y.ndim or x.ndim not in _USUAL:
            raise TypeError(
                f"{where()}: scaled_dot: operands of shapes {tuple(x.shape)} and {tuple(y.shape)} need "
                "dimension_numbers"
            )
        dimension_numbers = _USUAL[x.ndim]
    contracted = dimension_numbers[0]
    left = _scaled("lhs", x, lhs_scale, contracted[0], dtype)
    right = _scaled("rhs", y, rhs_scale, contracted[1], dtype)
    return dot_general(left, right, dimension_numbers, preferred_element_type=dtype)


def _scaled(name: str, x: Any, scale: Any, contracted: Sequence[int], dtype: Any) -> Any:
    x = convert_element_type(x, dtype)
    if scale is None:
        return x
    factors = convert_element_type(lift_leaf(scale), dtype)
    fits = factors.ndim == x.ndim and all(
        (n > 0 and extent % n == 0) if d in contracted else n == extent
        for d, (n, extent) in enumerate(zip(factors.shape, x.shape, strict=True))
    )
    if not fits:
        raise TypeError(
            f"{where()}: scaled_dot: {name}_scale must have the shape {tuple(x.shape)} of its operand, but for axes "
            f"{tuple(contracted)}, whose extents it divides; got {tuple(factors.shape)}"
        )
    spread: list[int] = []
    axes: list[int] = []
    for n, extent in zip(factors.shape, x.shape, strict=True):
        axes.append(len(spread))
        spread += [n, extent // n if n else 1]
    return mul(x, reshape(broadcast_in_dim(factors, tuple(spread), tuple(axes)), tuple(x.shape)))
