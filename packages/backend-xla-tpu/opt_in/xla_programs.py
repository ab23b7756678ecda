"""Programs of one call, from samples of the operator table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.ir.avals import get_aval
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive
from cotan.transforms.stage import stage_closed

WIDE = frozenset({"int64", "uint64", "float64", "complex128"})


def one_equation(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> ClosedJaxpr:
    """The program of a single call."""

    def call(*tracers: Any) -> Any:
        found = primitive.bind(*tracers, **params)
        return found if primitive.multiple_results else [found]

    return stage_closed(call, [get_aval(x) for x in args], name=primitive.name)


def by_dtypes(samples: Sequence[Any]) -> list[Any]:
    """The first sample of each combination of dtypes, without 64-bit ones."""
    found: dict[tuple[str, ...], Any] = {}
    for sample in samples:
        kinds = tuple(str(np.asarray(getattr(x, "words", x)).dtype) for x in sample.args)
        if not WIDE & set(kinds):
            found.setdefault(kinds, sample)
    return list(found.values())
