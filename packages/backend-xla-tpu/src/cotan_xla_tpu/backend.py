"""The StableHLO backend: devices of one PJRT client, to which whole programs go. Opened by ``plugin``."""

from __future__ import annotations

import os
from typing import Any

from cotan.backend import Backend, Capabilities, CompileOptions, Device, Executable, LoweringTable
from cotan.errors import UnsupportedError, hide_frames
from cotan.ir.avals import shaped
from cotan.ir.jaxpr import ClosedJaxpr, Jaxpr, Var
from cotan.ir.program import Program
from cotan_xla_tpu import driver
from cotan_xla_tpu.buffers import XlaBuffer, XlaDevice
from cotan_xla_tpu.compilation import compile_written
from cotan_xla_tpu.emit import write_module
from cotan_xla_tpu.executable import XlaExecutable

hide_frames(os.path.dirname(__file__))

_KEPT = 256


class XlaBackend(Backend):
    """See ``cotan.backend.Backend``. One client, whose devices are the backend's.

    Args:
      name: the platform as users name it, ``xla`` or ``tpu``.
      client: a PJRT client.
      client_kind: what rules distinguish: 'cpu', 'tpu', 'cuda', ...; 'cpu' is XLA's own runtime, which shares memory
        with the host and calls LAPACK and host functions.
    """

    dialects = ("stablehlo",)

    def __init__(self, name: str, client: Any, client_kind: str) -> None:
        self.name = name
        self.client = client
        self.client_kind = client_kind
        self.capabilities = Capabilities(
            program=True,
            dtypes=driver.DTYPES,
            donation=True,
            control_flow=True,
            host_steps=client_kind == "cpu",
            collectives="native",
        )
        self.platform_version = f"{driver.versions()}, {client.platform_version}".replace("\n", " ")
        self._all = [XlaDevice(device, number, self) for number, device in enumerate(client.devices())]
        here = {id(device) for device in client.local_devices()}
        self._devices = [device for device in self._all if id(device.native) in here] or self._all
        if client_kind == "cpu":
            driver.settle(self._devices[0].native)
        self._table: LoweringTable | None = None
        self._extensions: list[LoweringTable] = []
        self._copiers: dict[Any, Executable] = {}

    def devices(self) -> list[Device]:
        return list(self._devices)

    def global_devices(self) -> list[Device]:
        """The devices of all processes."""
        return list(self._all)

    def lowerings(self) -> LoweringTable:
        if self._table is None:
            # Filled at first use: the primitives' modules must be complete by then.
            from cotan_xla_tpu.lower import fill

            table = LoweringTable(self.name)
            fill(table)
            self._table = table.merged(self._extensions)
        return self._table

    def extend(self, table: LoweringTable) -> None:
        self._extensions.append(table)
        self._table = None

    # ---- Programs

    def compile(self, program: Program | ClosedJaxpr, options: CompileOptions) -> Executable:
        if not isinstance(program, ClosedJaxpr):
            raise UnsupportedError(self.name, "Programs of kernels; it takes jaxprs")
        device = options.device
        assert isinstance(device, XlaDevice)
        written = write_module(
            program, self.lowerings().native, self.client_kind, donated=options.donated, name=options.name
        )
        loaded = compile_written(self.client, written, [device.native])
        return XlaExecutable(loaded, written, device, options.name or program.jaxpr.name or "program")

    def text(self, program: Program | ClosedJaxpr, options: CompileOptions, dialect: str) -> str:
        assert isinstance(program, ClosedJaxpr)
        native = self.lowerings().native
        written = write_module(program, native, self.client_kind, donated=options.donated, name=options.name)
        return written.text(places=True)

    def copied(self, value: Any, device: XlaDevice) -> Any:
        """A copy of jaxlib's array ``value`` on its own device, made there."""
        kind = value.aval
        key = (device, kind.shape, kind.dtype)
        copier = self._copiers.get(key)
        if copier is None:
            x = Var(shaped(kind.shape, kind.dtype))
            closed = ClosedJaxpr(Jaxpr((), [x], [], [x], name="copy"))
            copier = self._copiers[key] = self.compile(closed, CompileOptions(device, name="copy"))
            while len(self._copiers) > _KEPT:
                self._copiers.pop(next(iter(self._copiers)), None)
        [copy] = copier.run([XlaBuffer(value, device)])
        return copy.value
