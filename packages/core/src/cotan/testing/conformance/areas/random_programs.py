"""Random programs over many families of primitives, against the references of what they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np

from cotan.config import config
from cotan.ir.avals import get_aval
from cotan.ir.evaluate import eval_closed
from cotan.testing.conformance.cases import ALL, AT_ONCE, Case, ProgramCase
from cotan.testing.random_programs import random_program
from cotan.transforms.stage import stage_closed

COUNT = 32


def cases() -> Iterator[Case]:
    """Programs of 4 to 24 operations, the same ones every time."""
    for number in range(COUNT):
        with config.override(enable_x64=True):
            drawn = random_program(Random(number), 4 + number * 20 // COUNT)
            closed = stage_closed(drawn.fun, [get_aval(x) for x in drawn.args], name=f"random_{number}")

        def fun(*args: Any, closed: Any = closed) -> Any:
            return eval_closed(closed, *args)

        for jit in (False, True):
            yield ProgramCase(
                f"programs/random/{number}/{'jit' if jit else 'eager'}",
                ALL if jit else AT_ONCE,
                frozenset({"float64", "int32", "bool"}),
                fun=fun,
                args=tuple(np.asarray(x) for x in drawn.args),
                tolerance=1e7,
                x64=True,
                jit=jit,
            )
