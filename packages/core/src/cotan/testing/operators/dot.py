"""Samples of dot_general: ranks, batch axes in odd places, several contracted axes, dtypes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from cotan.primitives.dot import dot_general_p
from cotan.testing.operators.moves import Sample
from cotan.testing.operators.shape import array

CASES: list[tuple[str, Any, Any, Any]] = [
    ("matrices", (2, 3), (3, 4), (((1,), (0,)), ((), ()))),
    ("transposed left", (3, 2), (3, 4), (((0,), (0,)), ((), ()))),
    ("transposed right", (2, 3), (4, 3), (((1,), (1,)), ((), ()))),
    ("inner", (3,), (3,), (((0,), (0,)), ((), ()))),
    ("outer", (3,), (2,), (((), ()), ((), ()))),
    ("matrix vector", (2, 3), (3,), (((1,), (0,)), ((), ()))),
    ("scalars", (), (), (((), ()), ((), ()))),
    ("batch", (2, 3, 4), (2, 4, 5), (((2,), (1,)), ((0,), (0,)))),
    ("batch in odd places", (3, 2, 4), (4, 5, 2), (((2,), (0,)), ((1,), (2,)))),
    ("two batch axes", (2, 3, 4), (3, 4, 2), (((2,), (1,)), ((0, 1), (2, 0)))),
    ("two contracted", (2, 3, 4), (4, 3, 5), (((1, 2), (1, 0)), ((), ()))),
    ("two contracted, larger right", (3, 2), (4, 2, 5, 3), (((1, 0), (1, 3)), ((), ()))),
    ("all contracted", (2, 3), (3, 2), (((0, 1), (1, 0)), ((), ()))),
    ("empty inner", (2, 0), (0, 3), (((1,), (0,)), ((), ()))),
    ("empty rows", (0, 2), (2, 3), (((1,), (0,)), ((), ()))),
    ("elementwise", (2, 3), (2, 3), (((), ()), ((0, 1), (0, 1)))),
    ("free axes several", (2, 3, 4), (4, 1, 5), (((2,), (0,)), ((), ()))),
]


def _params(numbers: Any, preferred: Any = None) -> dict[str, Any]:
    preferred = None if preferred is None else np.dtype(preferred)
    return {"dimension_numbers": numbers, "precision": None, "preferred_element_type": preferred}


def _dtypes() -> list[Sample]:
    numbers = CASES[0][3]
    found = []
    for dtype, preferred in (
        (np.int8, None),
        (np.int8, np.int32),
        (np.bool_, None),
        (np.float16, None),
        (ml_dtypes.bfloat16, None),
        (ml_dtypes.bfloat16, np.float32),
        (np.complex64, None),
        (np.uint16, None),
        (np.float64, None),
        (np.float32, np.float64),
    ):
        args = (array(2, 3, dtype=dtype), array(3, 4, dtype=dtype, seed=1))
        found.append(
            Sample(
                f"dot {np.dtype(dtype)} {preferred and np.dtype(preferred)}",
                dot_general_p,
                args,
                _params(numbers, preferred),
            )
        )
    return found


SAMPLES = [
    *(
        Sample(
            f"dot {name}", dot_general_p, (array(*a), array(*b, seed=1)), _params(numbers), (0, 1), ((0,), (1,)), 1e-5
        )
        for name, a, b, numbers in CASES
    ),
    *_dtypes(),
]
