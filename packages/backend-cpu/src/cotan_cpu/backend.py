"""The CPU backend: devices that share one memory, eager operations by NumPy, whole programs as native code."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.backend import Backend, Capabilities, CompileOptions, Device, Executable, LoweringTable
from cotan.backend.calls import Shortcuts
from cotan.config import config
from cotan.errors import UnsupportedError, hide_frames
from cotan.forks import cached_property, importing
from cotan.ir.avals import ShapedArray
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive
from cotan.ir.program import Program
from cotan_cpu.buffers import CpuBuffer, buffer_of
from cotan_cpu.eager import Eager, plain
from cotan_cpu.pool import SMALLEST, pool
from cotan_cpu.ways import Way

hide_frames(os.path.dirname(__file__))

LOCAL_BYTES = 1 << 15
"""Scratch on the stack of a kernel: it should stay in the nearest cache beside what the row reads."""

_DTYPES = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
    | {"float16", "float32", "float64", "complex64", "complex128", "bfloat16", "int4", "uint4", "int2", "uint2"}
    | {"float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2"}
    | {"float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"}
)


_accepted: set[np.dtype] = set()  # dtypes known to be among them: their names are slow to make


class CpuDevice(Device):
    """One CPU device. Several of them (``COTAN_NUM_CPU_DEVICES``) share memory and cores."""

    __slots__ = ("backend", "id")
    platform = "cpu"
    device_kind = "cpu"

    def __init__(self, number: int, backend: CpuBackend) -> None:
        self.id = number
        self.backend = backend

    def put(self, value: np.ndarray, *, copy: bool = True) -> CpuBuffer:
        if type(value) is not np.ndarray:
            value = np.asarray(value)
        dtype = value.dtype
        if not copy and value.flags.c_contiguous and value.flags.aligned and dtype.isnative:
            self._check(dtype)
            return buffer_of(value, self)
        if not dtype.isnative:
            dtype = dtype.newbyteorder("=")
        self._check(dtype)
        if value.nbytes < SMALLEST and dtype is value.dtype:
            return buffer_of(value.copy(), self)
        array = pool.empty(value.shape, dtype, value.nbytes)
        np.copyto(array, value)
        return buffer_of(array, self)

    def _check(self, dtype: np.dtype) -> None:
        if dtype not in _accepted:
            if dtype.name not in _DTYPES:
                raise UnsupportedError("cpu", "arrays", dtype)
            _accepted.add(dtype)

    def synchronize(self) -> None:
        """Nothing to wait for: programs have run when their call returns."""

    def memory_stats(self) -> dict[str, int]:
        return {"bytes_pooled": pool.unused()}

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __reduce__(self) -> tuple[Any, ...]:
        return (_device, (self.id,))


class CpuBackend(Backend):
    """See ``cotan.backend.Backend``."""

    name = "cpu"
    capabilities = Capabilities(
        eager=True,
        kernels=True,
        dtypes=_DTYPES,
        donation=True,
        host_steps=True,
        control_flow=True,
        local_bytes=LOCAL_BYTES,
        lends_results=True,
    )

    def __init__(self) -> None:
        self._devices = [CpuDevice(number, self) for number in range(config.num_cpu_devices)]
        self._table = LoweringTable(self.name)
        self._eager: Eager | None = None

    @cached_property
    def platform_version(self) -> str:  # type: ignore[override]
        import llvmlite.binding

        from cotan_cpu import driver

        return f"LLVM {'.'.join(map(str, llvmlite.binding.llvm_version_info))}, {driver.numerics().version}"

    def devices(self) -> list[Device]:
        return list(self._devices)

    def lowerings(self) -> LoweringTable:
        if self._eager is None:
            with importing:
                self._fill()
        return self._table

    def _fill(self) -> None:
        if self._eager is not None:
            return
        # Filled at first use: the primitives' modules must be complete by then.
        from cotan_cpu.lower import fill

        table = LoweringTable(self.name)
        fill(table)
        self._table = table.merged([self._table])
        self._eager = Eager(self._table)

    def extend(self, table: LoweringTable) -> None:
        self._table = self.lowerings().merged([table])
        self._eager = Eager(self._table)

    def compile(self, program: Program | ClosedJaxpr, options: CompileOptions) -> Executable:
        if not isinstance(program, Program):
            raise UnsupportedError(self.name, "jaxprs that are not compiled to a Program first")
        with importing:
            from cotan_cpu.executable import CpuExecutable
        device = options.device
        assert isinstance(device, CpuDevice)
        return CpuExecutable(program, device, self.lowerings())

    def eager(
        self,
        primitive: Primitive,
        buffers: Sequence[Any],
        params: dict[str, Any],
        out_avals: Sequence[ShapedArray],
        device: Device,
    ) -> list[Any]:
        run = self._eager
        if run is None:
            self.lowerings()
            run = self._eager
            assert run is not None
        return run(primitive, buffers, params, out_avals, device)

    def shortcuts(self, array: type) -> Shortcuts | None:
        with importing:
            from cotan_cpu.entry.binding import quick_binds

        self.lowerings()
        return quick_binds(array, self._way, plain)

    def _way(self, *what: Any) -> Way | None:
        assert self._eager is not None
        return self._eager.way(*what)

    def direct(
        self,
        primitive: Primitive,
        in_avals: Sequence[ShapedArray],
        out_aval: ShapedArray,
        params: dict[str, Any],
        device: Device,
    ) -> Callable[..., CpuBuffer] | None:
        self.lowerings()
        assert self._eager is not None
        return self._eager.direct(primitive, in_avals, out_aval, params, device)


@functools.cache
def _device(number: int) -> Device:
    from cotan.backend import get_backend

    return get_backend("cpu").devices()[number]
