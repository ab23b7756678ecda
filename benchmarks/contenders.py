"""The libraries that run workloads: how each is imported, given arguments, waited for and read.

Knows no workload and no clock. Nothing is imported before a contender is loaded, so that processes which run one
contender pay for that one alone.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.workload import Key, Program, Workload, leaves, map_leaves

SUBMODULES = (
    "numpy",
    "numpy.fft",
    "numpy.linalg",
    "lax",
    "nn",
    "random",
    "scipy.linalg",
    "scipy.special",
    "tree_util",
)


class Absent(Exception):
    """A contender has no part in a workload; the text says why."""


@dataclass(frozen=True)
class Contender:
    """A library, loaded.

    Attributes:
      name: as in tables.
      build: the program of a workload, or Absent.
      compile: a function as the library compiles one; itself where it compiles nothing.
      place: a NumPy array, NumPy scalar or Key as the library's own.
      wait: returns when a result is there.
      fetch: the leaves of a result as NumPy arrays that share no memory with it.
      forget: drops what was compiled for the workloads so far.
    """

    name: str
    build: Callable[[Workload], Program]
    compile: Callable[[Callable[..., Any]], Callable[..., Any]]
    place: Callable[[Any], Any]
    wait: Callable[[Any], Any]
    fetch: Callable[[Any], list[np.ndarray]]
    forget: Callable[[], Any]


def threads() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _nothing(*_: Any) -> None:
    pass


def _functional(name: str) -> Contender:
    """cotan or JAX: the same program over either's names."""
    library = importlib.import_module(name)
    for submodule in SUBMODULES:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f"{name}.{submodule}")

    def place(leaf: Any) -> Any:
        return library.random.key(leaf.seed) if isinstance(leaf, Key) else library.numpy.asarray(leaf)

    def fetch(result: Any) -> list[np.ndarray]:
        return [np.array(leaf) for leaf in library.tree_util.tree_leaves(result)]

    def build(workload: Workload) -> Program:
        return workload.program(library)

    return Contender(name, build, library.jit, place, library.block_until_ready, fetch, library.clear_caches)


def _torch(name: str) -> Contender:
    """PyTorch on the CPU with all cores, eager or compiled."""
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(threads())
    compiled = torch.compile if name == "torch.compile" else lambda function: function

    def place(leaf: Any) -> Any:
        if isinstance(leaf, Key):
            return leaf.seed
        tensor = torch.from_numpy(np.array(leaf))
        return tensor.long() if tensor.dtype == torch.int32 else tensor

    def fetch(result: Any) -> list[np.ndarray]:
        return [np.array(leaf.detach() if isinstance(leaf, torch.Tensor) else leaf) for leaf in leaves(result)]

    def build(workload: Workload) -> Program:
        if isinstance(workload.torch, str):
            raise Absent(f"none: {workload.torch}")
        return workload.torch(torch, compiled)

    def forget() -> None:
        if name == "torch.compile":
            torch.compiler.reset()

    return Contender(name, build, compiled, place, _nothing, fetch, forget)


def _numpy(name: str) -> Contender:
    def place(leaf: Any) -> Any:
        return np.random.default_rng(leaf.seed) if isinstance(leaf, Key) else leaf

    def fetch(result: Any) -> list[np.ndarray]:
        return [np.array(leaf) for leaf in leaves(result)]

    def build(workload: Workload) -> Program:
        if isinstance(workload.numpy, str):
            raise Absent(f"none: {workload.numpy}")
        return workload.numpy

    return Contender(name, build, lambda function: function, place, _nothing, fetch, _nothing)


LOADERS: dict[str, Callable[[str], Contender]] = {
    "cotan": _functional,
    "jax": _functional,
    "torch": _torch,
    "torch.compile": _torch,
    "numpy": _numpy,
}
NAMES = tuple(LOADERS)


def load(name: str) -> Contender:
    """The contender of that name; ModuleNotFoundError where its library is not installed."""
    return LOADERS[name](name)


def arguments(workload: Workload, contender: Contender, index: int) -> Any:
    """The ``index``-th set of arguments, the same numbers for every contender."""

    def place(leaf: Any) -> Any:
        wanted = isinstance(leaf, Key) or (workload.placed and isinstance(leaf, (np.ndarray, np.generic)))
        return contender.place(leaf) if wanted else leaf

    return map_leaves(place, workload.inputs(np.random.default_rng(index)))


def initial_state(workload: Workload, contender: Contender) -> Any:
    """The first state of a workload that has one, else None."""
    if workload.initial is None:
        return None
    return map_leaves(contender.place, workload.initial(np.random.default_rng(1000)))


def reason(error: Exception) -> str:
    """Why a contender has no part, in one line: it lacks a name (missing), or something else went wrong (failed)."""
    if isinstance(error, Absent):
        return str(error)
    lines = str(error).strip().splitlines() or [""]
    of_module = isinstance(error, AttributeError) and isinstance(error.obj, ModuleType)
    if of_module or isinstance(error, ImportError):
        return f"missing: {lines[0]}"
    return f"failed: {type(error).__name__}: {lines[0][:200]}"
