"""What a workload is: a program written once over a library's names, its inputs, and its natural versions elsewhere.

Here stands what is common to all workloads' texts. Knows no library, no clock and no single workload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Program = Callable[..., Any]
Inputs = tuple[Any, ...]
Compile = Callable[[Program], Program]
"""For PyTorch's versions: the identity where PyTorch runs eagerly, and torch.compile."""

LIBRARY_BOUND = "library-bound"
"""One BLAS, LAPACK, FFT or convolution call dominates: a group of its own."""
BANDWIDTH = "bandwidth"
"""A fusion of few operations per byte: what counts is how near it comes to copying."""
MATMUL = "matmul"
"""A matrix product whose rate is compared with BLAS's."""
TRAINING = "training"
"""A training step: its memory counts besides its time."""
SURFACE = "surface"
"""A call of one public function, of a sample: none may be much slower than JAX's."""
DRAWS = "draws"
"""Draws of random numbers whose rate is compared with JAX's."""


@dataclass(frozen=True)
class Key:
    """Stands among inputs for a key of random numbers, or for a generator where a library has no keys."""

    seed: int


@dataclass(frozen=True)
class Workload:
    """One program to time.

    Attributes:
      name: the group, a slash, and what it is.
      inputs: makes one set of arguments from a generator; a ring of such sets is made, so that arguments vary.
      program: given cotan or JAX, the function to call, jitted where the workload is of jitted code.
      torch: given PyTorch's module and a compile function, the natural version; or why there is none.
      numpy: the natural version over NumPy (and SciPy); or why there is none.
      moved: least bytes read and written; by default every argument read once and every result written once.
      flops: least floating-point operations; 0 where bytes say enough.
      tolerance: largest difference of results, as a fraction of the largest element, for which they agree.
      tags: what the promises need to know, see above.
      initial: makes the first argument, which every call replaces by its result (a training state).
      view: what of the results is compared (where, for instance, signs are free).
      drawn: results are random numbers: libraries with other generators agree in mean and deviation.
      placed: whether arguments are put onto the library's device before anything is timed.
      wait_each: whether each call waits for its result; calls of nothing but dispatch wait once a turn.
      ring: how many sets of arguments there are.
    """

    name: str
    inputs: Callable[[np.random.Generator], Inputs]
    program: Callable[[Any], Program]
    torch: Callable[[Any, Compile], Program] | str
    numpy: Program | str
    moved: float | None = None
    flops: float = 0.0
    tolerance: float = 1e-4
    tags: tuple[str, ...] = ()
    initial: Callable[[np.random.Generator], Any] | None = None
    view: Callable[[list[np.ndarray]], list[np.ndarray]] | None = None
    drawn: bool = False
    placed: bool = True
    wait_each: bool = True
    ring: int = 4

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]


def leaves(value: Any) -> Iterator[Any]:
    """The leaves of nested tuples, lists and dictionaries (in the order of sorted keys), None left out."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from leaves(value[key])
    elif isinstance(value, (tuple, list)):
        for element in value:
            yield from leaves(element)
    elif value is not None:
        yield value


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """The same nest with ``function`` of every leaf."""
    if isinstance(value, dict):
        return {key: map_leaves(function, element) for key, element in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(map_leaves(function, element) for element in value)
    return None if value is None else function(value)


def bytes_of(value: Any) -> int:
    """Bytes of all NumPy arrays in a nest."""
    return sum(leaf.nbytes for leaf in leaves(value) if isinstance(leaf, np.ndarray))


def floats(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal float32 numbers."""
    return rng.standard_normal(shape, np.float32) * np.float32(scale)


def uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> np.ndarray:
    """Uniform float32 numbers."""
    return (rng.random(shape, np.float32) * np.float32(high - low) + np.float32(low)).astype(np.float32)


def integers(rng: np.random.Generator, bound: int, *shape: int) -> np.ndarray:
    """Uniform int32 numbers below ``bound``."""
    return rng.integers(0, bound, shape, dtype=np.int32)


def torch_gradient(torch: Any, loss: Program, count: int = 1) -> Program:
    """The gradient of ``loss`` with respect to its first ``count`` arguments, as PyTorch programs take it."""

    def gradient(*args: Any) -> Any:
        wanted = [arg.detach().requires_grad_() for arg in args[:count]]
        found = torch.autograd.grad(loss(*wanted, *args[count:]), wanted)
        return found[0] if count == 1 else found

    return gradient
