"""When backends are asked for shortcuts, and whom primitives belong to then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import cotan.numpy as cnp
from cotan.backend import Backend, Capabilities, Device
from cotan.backend.calls import Shortcuts
from cotan.config import config
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.primitive import Primitive
from cotan.runtime.quick import PAYS_FROM, Quick


class Known(Shortcuts):
    """Remembers what it is told; its binds say so."""

    def __init__(self) -> None:
        self.learnt: list[Any] = []
        self.numbers: list[Any] = []
        self.forgotten = 0

    def learn(
        self,
        primitive: Primitive,
        operands: Sequence[ShapedArray],
        params: dict[str, Any],
        out: ShapedArray,
        device: Device,
    ) -> Callable[..., Any] | None:
        self.learnt.append((primitive, tuple(operands), params, out, device))
        return None if params else lambda *args: (self, primitive.usual)

    def number(self, value: Any, array: Any, mark: Any) -> None:
        self.numbers.append((value, array, mark))

    def forget(self) -> None:
        self.forgotten += 1


class Plain(Backend):
    name = "plain"
    capabilities = Capabilities(eager=True)

    def __init__(self, shortcuts: Shortcuts | None = None) -> None:
        self.given = shortcuts
        self.asked = 0

    def devices(self) -> list[Device]:
        return [Place(self)]

    def shortcuts(self, array: type) -> Shortcuts | None:
        self.asked += 1
        return self.given

    def compile(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("nothing is compiled here")


class Place(Device):
    id = 0
    platform = device_kind = "plain"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def put(self, value: np.ndarray, *, copy: bool = True) -> Any:
        raise AssertionError("nothing is put here")

    def synchronize(self) -> None:
        """Nothing runs here."""


@pytest.fixture
def primitive() -> Any:
    made = Primitive("of_shortcuts")
    yield made
    del Primitive.catalogue[made.name]


X = shaped((3,), np.dtype(np.float32))


def test_they_are_asked_for_once_when_they_pay() -> None:
    begun: list[None] = []
    quick = Quick(lambda: begun.append(None))
    backend = Plain(Known())
    run = quick.counted(lambda x: x + 1, backend)
    for k in range(PAYS_FROM - 1):
        assert run(k) == k + 1
    assert not backend.asked
    assert not begun
    for k in range(5):
        assert run(k) == k + 1
    assert backend.asked == 1
    assert len(begun) == 1
    other = len
    assert quick.counted(other, backend) is other


def test_threads_that_ask_at_once_get_the_same() -> None:
    quick = Quick(lambda: None)
    together = threading.Barrier(4)

    class Slow(Plain):
        def shortcuts(self, array: type) -> Shortcuts | None:
            time.sleep(0.05)
            return super().shortcuts(array)

    backend = Slow(Known())

    def work() -> None:
        together.wait()
        quick.passed(backend, PAYS_FROM)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.asked == 1


def test_a_primitive_belongs_to_those_that_learn_it_first(primitive: Primitive) -> None:
    quick = Quick(lambda: None)
    first, second, nothing = Plain(Known()), Plain(Known()), Plain()
    quick.learn(primitive, (X,), {}, X, Place(first))
    assert primitive.bind == primitive.usual, "no shortcuts have been asked for"
    for backend in (first, second, nothing):
        quick.passed(backend, PAYS_FROM)
    quick.learn(primitive, (X,), {"axes": (0,)}, X, Place(first))
    assert primitive.bind == primitive.usual, "there is no shorter way with parameters"
    quick.learn(primitive, (X,), {}, X, Place(nothing))
    quick.learn(primitive, (X,), {}, X, Place(second))
    assert primitive.bind == primitive.usual
    quick.learn(primitive, (X,), {}, X, Place(first))
    assert primitive.bind() == (first.given, primitive.usual)
    assert isinstance(second.given, Known)
    assert not second.given.learnt


def test_numbers_and_forgetting_are_handed_on() -> None:
    quick = Quick(lambda: None)
    array = cnp.ones(())
    known = Known()

    class Mine(Plain):
        pass

    backend = Mine(known)
    quick.passed(backend, PAYS_FROM)
    quick.passed(array.device.backend, 0)
    quick.number(1.0, array)  # of another backend
    assert not known.numbers
    array._device = Place(backend)
    quick.number(2.5, array)
    assert known.numbers == [(2.5, array, config.numbers)]
    quick.forget()
    assert known.forgotten == 1
