"""Rules for the CPU backend, from another package: products of integer matrices by BLAS, in double precision.

NumPy multiplies matrices of integers one element at a time. Sums that stay below 2 ** 53 are exact in doubles.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan.backend import Backend, LoweringTable, hookimpl
from cotan.ir.primitive import Primitive

EXACT = 2**53


def fits(x: np.ndarray, y: np.ndarray, dimension_numbers: Any) -> bool:
    """Whether doubles hold all sums of the product."""
    (contracted, _), _ = dimension_numbers
    terms = int(np.prod([x.shape[axis] for axis in contracted], dtype=np.int64))
    largest_x, largest_y = (max(int(a.max()), -int(a.min())) for a in (x, y))
    return terms * largest_x * largest_y < EXACT


@hookimpl
def cotan_lowerings(backend: Backend) -> LoweringTable | None:
    """The rules for the backend ``cpu``; None for all others."""
    if backend.name != "cpu":
        return None
    dot_general_p = Primitive.catalogue["dot_general"]
    usual = backend.lowerings().eager[dot_general_p]
    table = LoweringTable(backend.name)

    @table.rule("eager", dot_general_p)
    def dot_general(x: np.ndarray, y: np.ndarray, *, preferred_element_type: Any = None, **params: Any) -> np.ndarray:
        wanted = np.dtype(preferred_element_type or x.dtype)
        kinds = {x.dtype.kind, y.dtype.kind, wanted.kind}
        if kinds <= {"i", "u"} and x.size and y.size and fits(x, y, params["dimension_numbers"]):
            x, y = x.astype(np.float64), y.astype(np.float64)
            return usual(x, y, preferred_element_type=None, **params).astype(np.int64).astype(wanted)
        return usual(x, y, preferred_element_type=preferred_element_type, **params)

    return table
