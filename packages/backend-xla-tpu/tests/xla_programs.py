"""Programs as the backend gets them, run on its first device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.backend import CompileOptions, get_backend
from cotan.ir.avals import get_aval
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive, reference
from cotan.transforms.stage import stage_closed


def one_equation(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> ClosedJaxpr:
    """The program of a single call."""

    def call(*tracers: Any) -> Any:
        found = primitive.bind(*tracers, **params)
        return found if primitive.multiple_results else [found]

    return stage_closed(call, [get_aval(x) for x in args], name=primitive.name)


def stored(args: Sequence[Any], closed: ClosedJaxpr) -> list[np.ndarray]:
    """What buffers hold of the arguments: keys give their words."""
    return [
        np.asarray(getattr(x, "words", x), aval.dtype if isinstance(aval.dtype, np.dtype) else None)
        for x, aval in zip(args, closed.in_avals, strict=True)
    ]


def run(closed: ClosedJaxpr, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The results on the first device, in the program's dtypes."""
    backend = get_backend("xla")
    device = backend.devices()[0]
    executable = backend.compile(closed, CompileOptions(device))
    found = [buffer.to_host() for buffer in executable.run([device.put(x) for x in arrays])]
    return [
        x.astype(aval.dtype).reshape(aval.shape) if isinstance(aval.dtype, np.dtype) else x
        for x, aval in zip(found, closed.out_avals, strict=True)
    ]


def by_reference(primitive: Primitive, arrays: Sequence[np.ndarray], params: dict[str, Any]) -> list[np.ndarray]:
    """The results by the primitive's reference."""
    found = reference[primitive](*arrays, **params)
    return list(found) if primitive.multiple_results else [found]
