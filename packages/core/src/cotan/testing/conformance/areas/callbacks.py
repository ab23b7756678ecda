"""Python functions in the middle of programs: values, order, how often, and errors; refused where not claimed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.errors import UnsupportedError
from cotan.primitives.callback import pure_callback_p
from cotan.testing.conformance.cases import Case, Check, refused
from cotan.testing.conformance.subject import Subject

F = np.float32
X = np.arange(6, dtype=F).reshape(2, 3)
_found: list[Case] = []


def cases() -> list[Case]:
    """The checks below."""
    return _found


def case(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """A check of compiled callbacks, for backends that can stop on the host; others must refuse to compile it."""

    def register(function: Callable[[], None]) -> Callable[[], None]:
        def check(subject: Subject) -> None:
            capabilities = subject.capabilities
            native = pure_callback_p in subject.backend.lowerings().native
            if capabilities.door == "eager" or capabilities.host_steps or native:
                function()
            else:
                refused(UnsupportedError, function, "a callback in a compiled program")

        _found.append(Check(f"callbacks/{name}", check=check))
        return function

    return register


def _same(found: Any, wanted: Any) -> None:
    np.testing.assert_array_equal(np.asarray(found), wanted)


@case("pure/values")
def _() -> None:
    shape = cotan.ShapeDtypeStruct(X.shape, F)
    f = cotan.jit(lambda x: cotan.pure_callback(lambda x: np.asarray(x) * 2 + 1, shape, x * 3) - 1)
    _same(f(X), X * 6)
    _same(f(X + 1), X * 6 + 6)


@case("pure/several results of other dtypes")
def _() -> None:
    shapes = (cotan.ShapeDtypeStruct((3,), np.int32), cotan.ShapeDtypeStruct((), np.bool_))
    f = cotan.jit(lambda x: cotan.pure_callback(lambda x: (np.arange(3, dtype=np.int32), np.bool_(True)), shapes, x))
    numbers, truth = f(X)
    _same(numbers, np.arange(3))
    assert bool(truth)


@case("pure/in a loop")
def _() -> None:
    shape = cotan.ShapeDtypeStruct((), F)
    step = lambda c, x: (cotan.pure_callback(lambda c, x: F(c * 2 + x), shape, c, x), c)  # noqa: E731
    last, before = cotan.jit(lambda xs: lax.scan(step, F(1), xs))(X[1])
    _same(last, F(((2 + 3) * 2 + 4) * 2 + 5))
    _same(before, np.array([1, 5, 14], F))


@case("pure/mapped")
def _() -> None:
    shape = cotan.ShapeDtypeStruct((), F)
    f = lambda x: cotan.pure_callback(lambda x: F(np.sum(x)), shape, x, vmap_method="sequential")  # noqa: E731
    _same(cotan.jit(cotan.vmap(f))(X), X.sum(1))


@case("pure/of another thread's results")
def _() -> None:
    """The program must not hold what another thread needs to run its own."""
    on_device = cotan.device_put(X)
    f = cotan.jit(lambda x: cotan.pure_callback(call, cotan.ShapeDtypeStruct(X.shape, F), x * 2) + 1)
    g = cotan.jit(lambda x: x * 3)
    with ThreadPoolExecutor(1) as pool:

        def call(x: Any) -> Any:
            return pool.submit(lambda: np.asarray(g(on_device)) + x).result(timeout=20)

        _same(f(on_device), X * 5 + 1)


@case("io/order")
def _() -> None:
    seen: list[float] = []

    def note(x: Any) -> None:
        seen.append(float(x))

    @cotan.jit
    def f(x: Any) -> Any:
        for k in range(4):
            cotan.experimental.io_callback(note, None, x[0, k % 3] + 10 * k, ordered=True)
        return x.sum()

    f(X).block_until_ready()
    cotan.effects_barrier()
    assert seen == [0, 11, 22, 30], f"ordered callbacks came as {seen}"


@case("io/once for each step")
def _() -> None:
    seen: list[int] = []
    note = lambda k: seen.append(int(k))  # noqa: E731

    @cotan.jit
    def f(x: Any) -> Any:
        return lax.fori_loop(0, 5, lambda k, x: (cotan.debug.callback(note, k, ordered=True), x * 2)[1], x)

    _same(f(X), X * 32)
    cotan.effects_barrier()
    assert seen == [0, 1, 2, 3, 4], f"callbacks in a loop came as {seen}"


@case("io/only in the branch that is taken")
def _() -> None:
    seen: list[str] = []

    @cotan.jit
    def f(p: Any, x: Any) -> Any:
        said = lambda word: lambda x: (cotan.debug.callback(lambda: seen.append(word)), x + 1)[1]  # noqa: E731
        return lax.cond(p, said("yes"), said("no"), x)

    for p in (True, False, True):
        f(p, X).block_until_ready()
        cotan.effects_barrier()
    assert seen == ["yes", "no", "yes"], seen


@case("errors/a callback that raises")
def _() -> None:
    def fails(x: Any) -> Any:
        raise KeyError("from the callback")

    f = cotan.jit(lambda x: cotan.pure_callback(fails, cotan.ShapeDtypeStruct((), F), x) + 1)

    def run() -> None:
        f(F(1)).block_until_ready()
        cotan.effects_barrier()

    try:
        run()
    except UnsupportedError:
        raise
    except Exception as error:
        texts, cause = [str(error)], error.__cause__ or error.__context__
        while cause is not None:
            texts.append(str(cause))
            cause = cause.__cause__ or cause.__context__
        if not any("from the callback" in text for text in texts):
            raise AssertionError(f"the error of the callback is lost: {error!r}") from error
    else:
        raise AssertionError("a callback raised, and the program did not")
    _same(cotan.jit(lambda x: cnp.cumsum(x) * 2)(X[0]), np.array([0, 2, 6], F))
