"""Functions of cotan.numpy that stand in linalg too, with the axes that the array API gives them there."""

from __future__ import annotations

from typing import Any

from cotan.numpy import contractions, manipulation, reductions
from cotan.numpy.promotion import as_array


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Cross products of vectors of 3 components along an axis.

    Raises:
      ValueError: other numbers of components.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.cross(cnp.array([1.0, 0.0, 0.0]), cnp.array([0.0, 1.0, 0.0]))
    Array([0., 0., 1.], dtype=float32)
    """
    x1, x2 = as_array(x1, "linalg.cross"), as_array(x2, "linalg.cross")
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(
            f"linalg.cross: vectors must have 3 components, got {x1.shape[axis]} and {x2.shape[axis]}; "
            "cotan.numpy.cross takes 2 as well"
        )
    return contractions.cross(x1, x2, axis=axis)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Diagonals of matrices in the last two axes.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.diagonal(cnp.array([[1, 2], [3, 4]]))
    Array([1, 4], dtype=int32)
    """
    return manipulation.diagonal(x, offset, -2, -1)


def matmul(x1: Any, x2: Any, /, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """The matrix product, as cotan.numpy.matmul.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.matmul(cnp.ones((1, 2)), cnp.ones((2, 1)))
    Array([[2.]], dtype=float32)
    """
    return contractions.matmul(x1, x2, precision=precision, preferred_element_type=preferred_element_type)


def matrix_transpose(x: Any, /) -> Any:
    """The transposed matrices in the last two axes.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.matrix_transpose(cnp.array([[1, 2]])).shape
    (2, 1)
    """
    return manipulation.matrix_transpose(x)


def outer(x1: Any, x2: Any, /) -> Any:
    """All products of the elements of two vectors.

    Raises:
      ValueError: not two vectors.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.outer(cnp.array([1, 2]), cnp.array([3, 4]))
    Array([[3, 4],
           [6, 8]], dtype=int32)
    """
    x1, x2 = as_array(x1, "linalg.outer"), as_array(x2, "linalg.outer")
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(
            f"linalg.outer needs two vectors, got shapes {tuple(x1.shape)} and {tuple(x2.shape)}; cotan.numpy.outer "
            "flattens what it gets"
        )
    return contractions.outer(x1, x2)


def tensordot(
    x1: Any,
    x2: Any,
    /,
    *,
    axes: Any = 2,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Sums of products over chosen axes, as cotan.numpy.tensordot; on one device ``out_sharding`` changes nothing.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.tensordot(cnp.ones((2, 3)), cnp.ones((2, 3)))
    Array(6., dtype=float32)
    """
    return contractions.tensordot(x1, x2, axes, precision=precision, preferred_element_type=preferred_element_type)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sums of the diagonals of matrices in the last two axes.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.trace(cnp.array([[1, 2], [3, 4]]))
    Array(5, dtype=int32)
    """
    return reductions.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Inner products along an axis, the first conjugated.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.vecdot(cnp.array([1.0, 2.0]), cnp.array([3.0, 4.0]))
    Array(11., dtype=float32)
    """
    out = contractions.vecdot(x1, x2, axis=axis, precision=precision)
    return out if preferred_element_type is None else out.astype(preferred_element_type)
