"""A pytest plugin that records which public functions the tests call; where ``COTAN_SURFACE_CALLS`` names a folder.

A function counts as called if a test that compares something passed, and called it: from the test itself, from what the
test calls outside of cotan, or through a transformation, not from cotan's own libraries. What happens inside of
``pytest.raises`` does not count. Calls are seen by Python's profiling hook, and told apart by code and closure, since
many functions are made by one maker. Every process writes a file of its own.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import inspect
import json
import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest
from surface.names import Missing, find, table

import cotan

CORE = f"{Path(cotan.__file__).parent}{os.sep}"
TESTS = f"{os.sep}tests{os.sep}"
INSTALLED = f"{os.sep}site-packages{os.sep}"  # below an environment that may be called tests
# Rooms that may not know the libraries above them: what they call up there, the user gave them.
BELOW = frozenset(
    [
        *("api", "primitives", "runtime", "compiler", "transforms", "structural", "backend", "ir", "tree", "dtypes"),
        *("tracebacks.py", "config.py", "errors.py"),
    ]
)
CHECKS = ("@pytest_ar", "assert_", "check_grads", "check_jvp", "check_vjp")  # pytest rewrites assertions
ENOUGH = 3  # tests of one function


# ---- Which function it is


def watched(value: Any) -> tuple[CodeType, tuple[int, ...]] | None:
    """The code and the closure by which calls of ``value`` are recognised; None if it is not of Python functions."""
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, MethodType):
        value = value.__func__
    if isinstance(value, FunctionType):
        return value.__code__, tuple(id(cell.cell_contents) for cell in value.__closure__ or ())
    if isinstance(value, type) or value is None or type(value).__module__ in ("typing", "types", "collections.abc"):
        return None  # classes, and what annotations are written with
    call = inspect.getattr_static(type(value), "__call__", None)
    if isinstance(call, FunctionType):
        return call.__code__, (id(value),)
    own = getattr(value, "__call__", None)  # noqa: B004 - a slot of that name holds the function
    return watched(own) if isinstance(own, FunctionType) else None


def _key(frame: FrameType) -> tuple[int, ...]:
    """What tells functions of equal code apart: the contents of the closure, or the object that is called."""
    code = frame.f_code
    values = frame.f_locals
    if code.co_freevars:
        return tuple(id(values.get(name)) for name in code.co_freevars)
    return (id(values[code.co_varnames[0]]),)


# ---- Whose call it is


def _room(filename: str) -> str | None:
    return filename.removeprefix(CORE).split(os.sep)[0] if filename.startswith(CORE) else None


def is_of_a_test(frame: FrameType) -> bool:
    """Whether a call was made by a test, perhaps through a transformation."""
    below = _room(frame.f_code.co_filename) in BELOW
    caller = frame.f_back
    while caller is not None:
        filename = caller.f_code.co_filename
        if filename.startswith("<doctest"):
            return _is_compared(caller)
        if _in_tests(filename):
            return True
        room = _room(filename)
        if room is not None and room != "tracebacks.py" and (below or room not in BELOW):
            return False
        caller = caller.f_back
    return True


def _in_tests(filename: str) -> bool:
    return TESTS in filename and INSTALLED not in filename


def _is_compared(frame: FrameType) -> bool:
    """Whether the example that runs, or one after it, says what it prints."""
    runner: FrameType | None = frame
    while runner is not None and not {"test", "examplenum"} <= set(runner.f_code.co_varnames):
        runner = runner.f_back
    if runner is None:
        return False
    values = runner.f_locals
    return any(example.want and not example.exc_msg for example in values["test"].examples[values["examplenum"] :])


# ---- Whether the test compares anything


def compares(function: Callable[..., Any]) -> bool:
    """Whether ``function``, or a function that it names, has an assertion."""
    return _compares(inspect.unwrap(getattr(getattr(function, "hypothesis", None), "inner_test", function)))


@functools.cache
def _compares(function: Callable[..., Any]) -> bool:
    seen: set[Any] = set()
    waiting: list[Any] = [getattr(function, "__func__", function)]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, FunctionType) or one in seen:
            continue
        seen.add(one)
        for code in _codes(one.__code__):
            if _asserts(code):
                return True
            known = [one.__globals__.get(name) for name in code.co_names]
            waiting += known
            for module in known:
                if isinstance(module, ModuleType) and _in_tests(getattr(module, "__file__", None) or ""):
                    waiting += [vars(module).get(name) for name in code.co_names]
    return False


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _asserts(code: CodeType) -> bool:
    if any(
        name.startswith(("@pytest_ar", "assert_", "check_grads", "check_jvp", "check_vjp")) for name in code.co_names
    ):
        return True
    return any(step.opname == "LOAD_ASSERTION_ERROR" for step in dis.get_instructions(code))


# ---- The plugin


class Recorder:
    """Watches calls while tests run, and keeps what the tests that passed have called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: dict[str, list[str]] = {}
        public = {}
        for name in table():
            with contextlib.suppress(Missing):
                public[str(name)] = find(name)
        self.watch(public)
        self._wrap_raises()

    def watch(self, functions: dict[str, Any]) -> None:
        """Watch these, and nothing else."""
        self.by_code: dict[CodeType, dict[tuple[int, ...], list[str]]] = {}
        self.current: set[str] = set()
        self.refusals = threading.local()
        for name, value in functions.items():
            found = watched(value)
            if found is not None:
                self.by_code.setdefault(found[0], {}).setdefault(found[1], []).append(name)

    def _wrap_raises(self) -> None:
        """Know when a test waits for an error."""
        context = type(pytest.raises(AssertionError))
        enter, leave = context.__enter__, context.__exit__

        def entered(this: Any) -> Any:
            self.refusals.depth = getattr(self.refusals, "depth", 0) + 1
            return enter(this)

        def left(this: Any, *args: Any) -> Any:
            self.refusals.depth -= 1
            return leave(this, *args)

        context.__enter__, context.__exit__ = entered, left  # type: ignore[method-assign]

    def profile(self, frame: FrameType, event: str, arg: Any) -> None:
        """Python's hook: called for every call and return."""
        if event != "call":
            return
        code = frame.f_code
        functions = self.by_code.get(code)
        if functions is None:
            return
        names = functions.get(()) or functions.get(_key(frame))
        if names is None or names[0] in self.current or getattr(self.refusals, "depth", 0):
            return
        if is_of_a_test(frame):
            self.current.update(names)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Any:
        """Watch one test; what it called counts if it passes."""
        if not compares(pyfuncitem.obj):
            return (yield)
        self.current.clear()
        threading.setprofile(self.profile)
        sys.setprofile(self.profile)
        try:
            result = yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
        self._keep(pyfuncitem.nodeid)
        return result

    def _keep(self, test: str) -> None:
        for name in self.current:
            tests = self.calls.setdefault(name, [])
            tests.append(test)
            if len(tests) == ENOUGH:
                self._forget(name)

    def _forget(self, name: str) -> None:
        """No longer watch what enough tests call; the rest runs faster."""
        for code, functions in list(self.by_code.items()):
            for key, names in list(functions.items()):
                if names[0] == name:
                    del functions[key]
            if not functions:
                del self.by_code[code]

    def pytest_sessionfinish(self) -> None:
        """Write what was found."""
        if self.calls:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{uuid.uuid4().hex}.json").write_text(json.dumps(self.calls, indent=0))
