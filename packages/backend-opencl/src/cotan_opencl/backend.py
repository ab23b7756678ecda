"""The OpenCL backend: its devices, and how programs and values get there."""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from typing import Any

import numpy as np

from cotan.backend import Backend, Capabilities, CompileOptions, Device, Executable, LoweringTable
from cotan.compiler.c import CPU_VECTOR, GPU_TILE, Schedule
from cotan.compiler.c.opencl import WIDE_BYTES, probe_of_wide
from cotan.errors import UnsupportedError, hide_frames
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.program import Program
from cotan_opencl import driver
from cotan_opencl.memory import OpenclBuffer, Pool

hide_frames(os.path.dirname(__file__))

LOCAL_BYTES = 1 << 14
"""Scratch of one row: on the stack of a CPU, in the local memory of a group elsewhere."""
_IN_KERNELS = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
    | {"float16", "float32", "float64", "bfloat16", "complex64", "complex128"}
)
_ON_HOST = frozenset(
    {"int4", "uint4", "int2", "uint2", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz"}
    | {"float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn"}
    | {"float6_e2m3fn", "float6_e3m2fn"}
)
"""Stored on devices; arithmetic on them is a step on the host."""
_BORROWED_FROM = 1 << 16
"""Bytes from which the host's own array serves as memory of a device that shares it."""


class OpenclDevice(Device):
    """One OpenCL device, with a context and a queue of its own.

    Attributes:
      schedule: how kernels are divided there: cpu-vector on CPUs, gpu-tile elsewhere. Vectors of ``WIDE_BYTES`` bytes
        are more than the compiler would choose by itself.
    """

    __slots__ = ("backend", "device_kind", "id", "pool", "queue", "schedule")
    platform = "opencl"

    def __init__(self, number: int, found: driver.Found, backend: OpenclBackend) -> None:
        self.id = number
        self.backend = backend
        self.device_kind = found.handle.name.strip()
        self.queue = driver.Queue(found)
        self.pool = Pool(self.queue)
        wide = found.underrated and self.queue.builds(probe_of_wide())
        vectors = replace(CPU_VECTOR, vector_bytes=WIDE_BYTES) if wide else CPU_VECTOR
        self.schedule: Schedule = vectors if found.is_cpu else GPU_TILE

    def check(self, dtype: Any) -> None:
        """Refuse dtypes that this device cannot hold or compute with."""
        name = dtype.name
        if name not in _IN_KERNELS and name not in _ON_HOST:
            raise UnsupportedError("opencl", "arrays", dtype)
        if name in ("float64", "complex128") and not self.queue.found.doubles:
            hint = "It has no cl_khr_fp64: use float32 (config.enable_x64 = False), or another device"
            raise UnsupportedError("opencl", f"arrays on {self.device_kind}", dtype, hint=hint)

    def put(self, value: np.ndarray, *, copy: bool = True) -> OpenclBuffer:
        if type(value) is not np.ndarray:
            value = np.asarray(value)
        dtype = value.dtype if value.dtype.isnative else value.dtype.newbyteorder("=")
        self.check(dtype)
        queue, shared = self.queue, self.queue.found.shared
        straight = value.flags.c_contiguous and value.dtype.isnative
        if shared and not copy and straight and value.nbytes >= _BORROWED_FROM and value.ctypes.data % 128 == 0:
            return OpenclBuffer(self.pool.borrow(value.reshape(-1).view(np.uint8)), value.shape, dtype, self, None)
        loan = self.pool.take(value.nbytes, idle=shared)
        if shared:
            np.copyto(np.ndarray(value.shape, dtype, loan.memory.host), value)
        elif value.nbytes:
            plain = np.ascontiguousarray(value, dtype).reshape(-1).view(np.uint8)
            with queue.translating("writing an array"):
                queue.write(loan.memory, 0, plain)
        return OpenclBuffer(loan, value.shape, dtype, self, None)

    def synchronize(self) -> None:
        self.queue.synchronize()

    def memory_stats(self) -> dict[str, int]:
        unused = self.pool.unused()
        limit = int(self.queue.found.handle.global_mem_size)
        return {"bytes_in_use": self.pool.held - unused, "bytes_pooled": unused, "bytes_limit": limit}

    def __repr__(self) -> str:
        return f"OpenclDevice(id={self.id})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_device, (self.id,))


class OpenclBackend(Backend):
    """See ``cotan.backend.Backend``."""

    name = "opencl"
    capabilities = Capabilities(
        kernels=True,
        dtypes=_IN_KERNELS | _ON_HOST,
        donation=True,
        host_steps=True,
        control_flow=True,
        local_bytes=LOCAL_BYTES,
    )

    def __init__(self) -> None:
        configured = driver.configured_devices()
        self.platform_version = configured.version
        self._devices = [OpenclDevice(number, found, self) for number, found in enumerate(configured.devices)]
        self._table: LoweringTable | None = None

    def devices(self) -> list[Device]:
        return list(self._devices)

    def lowerings(self) -> LoweringTable:
        if self._table is None:
            # Filled at first use: the primitives' modules must be complete by then.
            from cotan_opencl.lower import fill

            table = LoweringTable(self.name)
            fill(table, any(device.queue.found.shared for device in self._devices))
            self._table = table
        return self._table

    def extend(self, table: LoweringTable) -> None:
        self._table = self.lowerings().merged([table])

    def compile(self, program: Program | ClosedJaxpr, options: CompileOptions) -> Executable:
        if not isinstance(program, Program):
            raise UnsupportedError(self.name, "jaxprs that are not compiled to a Program first")
        from cotan_opencl.executable import OpenclExecutable

        device = options.device
        assert isinstance(device, OpenclDevice)
        return OpenclExecutable(program, device, self.lowerings(), any_size=options.any_size)


@functools.cache
def _device(number: int) -> Device:
    from cotan.backend import get_backend

    return get_backend("opencl").devices()[number]
