"""A backend that runs the primitives' references: what the results of other backends are compared with.

It opens door 1, or door 3 if asked to, computes at once in NumPy, and is in no registry. It must know no primitive by
name, and nothing about the tests that use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.backend import (
    Backend,
    Buffer,
    Capabilities,
    CompileOptions,
    Device,
    Executable,
    LoweringTable,
)
from cotan.errors import UnsupportedError
from cotan.ir.avals import ShapedArray
from cotan.ir.jaxpr import ClosedJaxpr, Literal
from cotan.ir.primitive import Primitive, reference
from cotan.ir.program import Program

DTYPES = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "int4", "uint4"}
    | {"float16", "bfloat16", "float32", "float64", "complex64", "complex128"}
)


class ReferenceBuffer(Buffer):
    """``array``: the value, in memory that nothing else refers to; None once it is deleted."""

    __slots__ = ("__weakref__", "array")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array: np.ndarray[Any, Any] | None = array

    @property
    def nbytes(self) -> int:
        return self.value().nbytes

    def value(self) -> np.ndarray[Any, Any]:
        """The array.

        Raises:
          RuntimeError: it has been deleted.
        """
        if self.array is None:
            raise RuntimeError("the buffer has been deleted")
        return self.array

    def to_host(self) -> np.ndarray[Any, Any]:
        return self.value().copy()

    def copy_to(self, device: Device) -> Buffer:
        return device.put(self.value())

    def delete(self) -> None:
        self.array = None

    def is_deleted(self) -> bool:
        return self.array is None


class ReferenceDevice(Device):
    """One of the devices, which are all alike."""

    __slots__ = ("backend", "id")
    platform = "reference"
    device_kind = "NumPy"

    def __init__(self, number: int, backend: ReferenceBackend) -> None:
        self.id = number
        self.backend = backend

    def put(self, value: np.ndarray[Any, Any], *, copy: bool = True) -> ReferenceBuffer:
        value = np.asarray(value)
        if not self.backend.capabilities.supports(value.dtype):
            raise UnsupportedError(self.backend.name, "arrays", value.dtype)
        return ReferenceBuffer(np.array(value, value.dtype.newbyteorder("="), order="C"))

    def synchronize(self) -> None:
        """Nothing to wait for: everything is computed at once."""

    def memory_stats(self) -> dict[str, int]:
        return {}


class ReferenceExecutable(Executable):
    """A jaxpr that is evaluated equation by equation. Results take over the memory of donated arguments."""

    __slots__ = ("backend", "closed")

    def __init__(self, closed: ClosedJaxpr, backend: ReferenceBackend) -> None:
        self.closed = closed
        self.backend = backend

    def run(self, args: Sequence[Any], donated: Sequence[bool] = ()) -> list[Buffer]:
        jaxpr = self.closed.jaxpr
        values: dict[Any, Any] = dict(zip(jaxpr.constvars, map(np.asarray, self.closed.consts), strict=True))
        values.update(zip(jaxpr.invars, (x.value() for x in args), strict=True))

        def read(atom: Any) -> Any:
            return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else values[atom]

        for eqn in jaxpr.eqns:
            results = self.backend.apply(eqn.primitive, [read(v) for v in eqn.invars], eqn.params)
            values.update(zip(eqn.outvars, results, strict=True))
        spare = [x.value() for x, given in zip(args, donated, strict=False) if given]
        outs = [self._placed(np.asarray(read(atom)), spare) for atom in jaxpr.outvars]
        for x, given in zip(args, donated, strict=False):
            if given:
                x.delete()
        return [ReferenceBuffer(out) for out in outs]

    def _placed(self, value: np.ndarray[Any, Any], spare: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """``value`` in memory of its own, which is that of a donated argument if one fits."""
        value = np.array(value, order="C")
        for position, memory in enumerate(spare):
            if memory.shape == value.shape and memory.dtype == value.dtype:
                spare.pop(position)
                memory[...] = value
                return memory
        return value


class ReferenceBackend(Backend):
    """The references as a backend.

    Args:
      door: 'eager' or 'program': which of the two it opens.
      devices: how many.

    >>> import cotan, cotan.numpy as cnp
    >>> with cotan.default_device(ReferenceBackend().devices()[0]):
    ...     print(cnp.arange(3) + 1)
    [1 2 3]
    """

    name = "reference"

    def __init__(self, door: str = "eager", devices: int = 1) -> None:
        whole = door == "program"
        self.capabilities = Capabilities(
            eager=not whole, program=whole, dtypes=DTYPES, donation=whole, host_steps=True, control_flow=whole
        )
        self._devices: list[Device] = [ReferenceDevice(number, self) for number in range(devices)]

    def devices(self) -> list[Device]:
        return list(self._devices)

    def lowerings(self) -> LoweringTable:
        table = LoweringTable(self.name)
        known = {p: reference[p] for p in Primitive.catalogue.values() if p in reference}
        (table.eager if self.capabilities.eager else table.native).update(known)
        return table

    def apply(
        self, primitive: Primitive, arrays: Sequence[np.ndarray[Any, Any]], params: dict[str, Any]
    ) -> list[np.ndarray[Any, Any]]:
        """The results of one primitive."""
        if primitive not in reference:
            raise UnsupportedError(self.name, f"the primitive `{primitive}`")
        with np.errstate(all="ignore"):
            results = reference[primitive](*arrays, **params)
        return [np.asarray(x) for x in (results if primitive.multiple_results else [results])]

    def eager(
        self,
        primitive: Primitive,
        buffers: Sequence[Any],
        params: dict[str, Any],
        out_avals: Sequence[ShapedArray],
        device: Device,
    ) -> list[Buffer]:
        if not self.capabilities.eager:
            return super().eager(primitive, buffers, params, out_avals, device)
        results = self.apply(primitive, [x.value() for x in buffers], params)
        return [ReferenceBuffer(np.array(x, order="C")) for x in results]

    def compile(self, program: Program | ClosedJaxpr, options: CompileOptions) -> Executable:
        if not (self.capabilities.program and isinstance(program, ClosedJaxpr)):
            return super().compile(program, options)
        return ReferenceExecutable(program, self)
