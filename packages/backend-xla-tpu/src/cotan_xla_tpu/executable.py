"""A compiled program on one device: called with buffers, gives buffers; its texts, costs and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cotan.backend import Executable
from cotan_xla_tpu import driver
from cotan_xla_tpu.buffers import NarrowBuffer, XlaBuffer, XlaDevice, explained
from cotan_xla_tpu.emit import Written


class XlaExecutable(Executable):
    """See ``cotan.backend.Executable``."""

    __slots__ = ("__weakref__", "_aliases", "_handlers", "_written", "device", "direct", "fast_call", "loaded", "name")

    def __init__(self, loaded: Any, written: Written, device: XlaDevice, name: str) -> None:
        self.loaded = loaded
        self.device = device
        self.name = name
        self._written = written
        self._aliases = frozenset(written.aliases)
        placement = driver.on_device(device.native)
        kinds = [*written.outs, *[((), _INT32)] * written.hidden]
        self._handlers = [driver.result_handler(driver.aval(*kind), placement) for kind in kinds]
        # What talks to the world has happened when the call returns.
        plain = not (written.callbacks or written.aliases or any(written.narrow))
        self.fast_call = None if not plain else _caller(loaded, self._handlers, device, name)
        self.direct = None
        if self.fast_call is not None:
            make = _caller_of_one if len(kinds) == 1 else _caller_of_several
            self.direct = make(loaded, self._handlers, device, name)

    def run(self, args: Sequence[Any], donated: Sequence[bool] = ()) -> list[Any]:
        values = [x.value for x in args]
        for number in self._aliases:
            if not (donated and donated[number]) or args[number].is_viewed():
                values[number] = self.device.backend.copied(values[number], self.device)
        try:
            results = self.loaded.execute_sharded(values).consume_with_handlers(self._handlers)
            if self._written.callbacks:
                for value in results:
                    value.block_until_ready()
        except driver.XlaError as error:
            raise explained(error, f"`{self.name}` on {self.device}") from None
        device = self.device
        count = len(results) - self._written.hidden
        for x, given in zip(args, donated, strict=False):
            if given:
                x.delete()
        return [
            XlaBuffer(value, device) if narrow is None else NarrowBuffer(value, device, narrow)
            for value, narrow in zip(results[:count], self._written.narrow, strict=True)
        ]

    def donating(self, donated: Sequence[bool]) -> Callable[..., Any] | None:
        if self._written.callbacks or any(self._written.narrow):
            return None
        given = [number for number, gone in enumerate(donated) if gone]
        if not self._aliases <= set(given):
            return None
        one, copied, device, aliases = len(self._handlers) == 1, self.device.backend.copied, self.device, self._aliases
        execute, handlers, name = self.loaded.execute_sharded, self._handlers, self.name

        def call(*buffers: Any) -> Any:
            values = [x.value for x in buffers]
            for number in given:
                x = buffers[number]
                if x.is_viewed() and number in aliases:
                    values[number] = copied(x.value, device)
                x.value = None
            try:
                results = execute(values).consume_with_handlers(handlers)
            except driver.XlaError as error:
                raise explained(error, f"`{name}` on {device}") from None
            made = [XlaBuffer(value, device) for value in results]
            return made[0] if one else tuple(made)

        return call

    def text(self) -> str:
        """StableHLO as it was given to the compiler, then the program as XLA has optimised it."""
        return f"{self._written.text()}\n// As optimised by XLA:\n{self.optimised()}"

    def optimised(self) -> str:
        """The program in HLO, as XLA has optimised it."""
        return driver.optimised_text(self.loaded)

    def analysis(self) -> dict[str, float]:
        """What XLA counts of the program: ``flops``, ``bytes accessed``, ..."""
        return driver.cost_analysis(self.loaded)

    def memory(self) -> dict[str, int]:
        found = driver.memory_analysis(self.loaded)
        return {name: found[name] for name in ("workspace", "code", "donated")}


_INT32 = driver.stored_dtype(driver.np.dtype(driver.np.int32))


def _caller(loaded: Any, handlers: list[Any], device: XlaDevice, name: str) -> Callable[[Sequence[Any]], list[Any]]:
    execute = loaded.execute_sharded

    def call(buffers: Sequence[Any]) -> list[Any]:
        try:
            results = execute([x.value for x in buffers]).consume_with_handlers(handlers)
        except driver.XlaError as error:
            raise explained(error, f"`{name}` on {device}") from None
        return [XlaBuffer(value, device) for value in results]

    return call


def _caller_of_one(loaded: Any, handlers: list[Any], device: XlaDevice, name: str) -> Callable[..., Any]:
    execute = loaded.execute_sharded

    def call(*buffers: Any) -> Any:
        try:
            [value] = execute([x.value for x in buffers]).consume_with_handlers(handlers)
        except driver.XlaError as error:
            raise explained(error, f"`{name}` on {device}") from None
        return XlaBuffer(value, device)

    return call


def _caller_of_several(loaded: Any, handlers: list[Any], device: XlaDevice, name: str) -> Callable[..., Any]:
    call = _caller(loaded, handlers, device, name)
    return lambda *buffers: tuple(call(buffers))
