"""When eager operations get native code of a backend in their place: its ``Shortcuts``, once making them pays.

Knows no primitive and no backend by name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from cotan.backend import Backend, Device
from cotan.backend.calls import Shortcuts
from cotan.config import config
from cotan.forks import opened_by_fork
from cotan.ir.avals import ShapedArray
from cotan.ir.primitive import Primitive
from cotan.runtime.array import Array

PAYS_FROM = 10_000
"""Operations of a process by the short way in Python before native code is asked for: that is compiled first, in
some 20 ms (60 where LLVM must be loaded for it), and takes one to two microseconds less for each."""


class Quick:
    """What is known of backends' shortcuts. A primitive belongs to those that learn it first.

    Args:
      begin_again: makes dispatch forget what it knows, so that new shortcuts get to learn all of it.
    """

    def __init__(self, begin_again: Callable[[], None]) -> None:
        self._begin_again = begin_again
        self._left: WeakKeyDictionary[Backend, int] = WeakKeyDictionary()
        self._shortcuts: WeakKeyDictionary[Backend, Shortcuts | None] = WeakKeyDictionary()
        self._owners: dict[Primitive, Shortcuts] = {}
        self._asking = opened_by_fork(threading.Lock())

    def counted(self, run: Callable[..., Any], backend: Backend) -> Callable[..., Any]:
        """``run``, with its calls counted until the backend's shortcuts are asked for."""
        if backend in self._shortcuts:
            return run

        def counting(*buffers: Any) -> Any:
            self.passed(backend)
            return run(*buffers)

        return counting

    def passed(self, backend: Backend, operations: int = 1) -> None:
        """Note that operations have run; after ``PAYS_FROM`` of them the backend is asked for shortcuts."""
        left = self._left[backend] = self._left.get(backend, PAYS_FROM) - operations
        if left > 0 or backend in self._shortcuts:
            return
        with self._asking:
            if backend not in self._shortcuts:
                self._shortcuts[backend] = backend.shortcuts(Array)
                self._begin_again()

    def learn(
        self,
        primitive: Primitive,
        operands: Sequence[ShapedArray],
        params: dict[str, Any],
        out: ShapedArray,
        device: Device,
    ) -> None:
        """Let the shortcuts of the device's backend, if there are any, learn what has just run."""
        shortcuts = self._shortcuts.get(device.backend)
        if shortcuts is None or self._owners.setdefault(primitive, shortcuts) is not shortcuts:
            return
        bind = shortcuts.learn(primitive, operands, params, out, device)
        if bind is not None:
            primitive.bind = bind

    def number(self, value: Any, array: Array) -> None:
        """Let the shortcuts of its device's backend know what stands for a number under this configuration."""
        shortcuts = self._shortcuts.get(array.device.backend)
        if shortcuts is not None:
            shortcuts.number(value, array, config.numbers)

    def forget(self) -> None:
        """Let all shortcuts forget what they have learnt."""
        for shortcuts in list(self._shortcuts.values()):
            if shortcuts is not None:
                shortcuts.forget()
