"""Powers of matrices, and products of several of them in the cheapest order."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

from cotan.numpy import creation, manipulation
from cotan.numpy.contractions import matmul
from cotan.numpy.linalg.equations import inv
from cotan.numpy.linalg.operands import check
from cotan.numpy.promotion import as_array, check_arraylike, promote_dtypes


def matrix_power(a: Any, n: int) -> Any:
    """Square matrices to an integer power, by repeated squaring; negative powers are those of the inverse.

    Raises:
      TypeError: n is not an integer. ValueError: not square matrices.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.matrix_power(cnp.array([[1, 1], [0, 1]]), 5)
    Array([[1, 5],
           [0, 1]], dtype=int32)
    """
    a = as_array(a, "matrix_power")
    check("matrix_power", a, square=True)
    try:
        n = operator.index(n)
    except TypeError as error:
        raise TypeError(f"matrix_power: the exponent must be an integer, got {n!r}") from error
    if n < 0:
        a, n = inv(a), -n
    if n == 0:
        return manipulation.broadcast_to(creation.eye(a.shape[-1], dtype=a.dtype), a.shape)
    result: Any = None
    while n:
        if n & 1:
            result = a if result is None else matmul(result, a, precision="highest")
        n >>= 1
        if n:
            a = matmul(a, a, precision="highest")
    return result


def multi_dot(arrays: Sequence[Any], *, precision: Any = None) -> Any:
    """The product of two or more matrices, in the order of multiplications that needs the fewest.

    Args:
      arrays: matrices; the first and the last may be vectors, a row and a column.

    Raises:
      ValueError: fewer than two arrays, others than matrices between, or extents that do not fit.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.multi_dot([cnp.ones((2, 3)), cnp.ones((3, 4)), cnp.ones(4)])
    Array([12., 12.], dtype=float32)
    """
    if len(arrays) < 2:
        raise ValueError(f"multi_dot needs at least two arrays, got {len(arrays)}")
    check_arraylike("multi_dot", *arrays)
    matrices = [as_array(x, "multi_dot") for x in promote_dtypes("multi_dot", *arrays)]
    row, column = matrices[0].ndim == 1, matrices[-1].ndim == 1
    if row:
        matrices[0] = matrices[0][None, :]
    if column:
        matrices[-1] = matrices[-1][:, None]
    shapes = [tuple(x.shape) for x in matrices]
    if any(len(s) != 2 for s in shapes) or any(s[1] != t[0] for s, t in itertools.pairwise(shapes)):
        raise ValueError(
            f"multi_dot: shapes {', '.join(map(str, shapes))} do not make a product; all must be matrices (vectors at "
            "the ends), each with as many rows as the one before has columns"
        )
    splits = _cheapest([s[0] for s in shapes] + [shapes[-1][1]])

    def product(first: int, last: int) -> Any:
        if first == last:
            return matrices[first]
        split = splits[first, last]
        return matmul(product(first, split), product(split + 1, last), precision=precision)

    out = product(0, len(matrices) - 1)
    gone = (*((0,) if row else ()), *((1,) if column else ()))
    return manipulation.squeeze(out, gone) if gone else out


def _cheapest(extents: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to part the product of matrices first..last, for each such pair."""
    count = len(extents) - 1
    costs: dict[tuple[int, int], int] = {(k, k): 0 for k in range(count)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for first in range(count - length):
            last = first + length
            costs[first, last], splits[first, last] = min(
                (costs[first, k] + costs[k + 1, last] + extents[first] * extents[k + 1] * extents[last + 1], k)
                for k in range(first, last)
            )
    return splits
