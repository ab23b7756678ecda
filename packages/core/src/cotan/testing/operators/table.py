"""The table of operators: sample calls of every primitive, from which its tests and those of backends are made.

A family's samples stand in the module of its name beside this one; ``OPERATORS`` holds them all. A primitive without
an entry fails core's tests. ``eager`` runs a primitive by its reference and holds it to its abstract rule, so that
rules can be tested without any backend.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import cotan.primitives
from cotan import dtypes
from cotan.ir import primitive as tables
from cotan.ir.avals import get_aval
from cotan.ir.primitive import Primitive
from cotan.testing import operators


@dataclass(frozen=True)
class Sample:
    """One call: NumPy arrays (or scalars) and parameters."""

    args: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        shapes = ",".join(f"{np.asarray(x).dtype}{list(np.shape(x))}" for x in self.args)
        params = ",".join(f"{k}={v}" for k, v in self.params.items())
        return f"{shapes};{params}" if params else shapes


class Normwise(float):
    """A tolerance relative to the largest of an array's values, which is what backward stable algorithms promise."""

    def __add__(self, other: float) -> Normwise:
        return Normwise(float(self) + float(other))

    def __rmul__(self, factor: float) -> Normwise:
        return Normwise(factor * float(self))


@dataclass(frozen=True)
class Operator:
    """What is known of a primitive for its tests.

    Attributes:
      samples: calls that are run, mapped and decomposed.
      oracle: an independent implementation: ``(*args, **params) -> array`` (or a list of them); floating operands come
        in float64 and complex ones in complex128.
      grads: float64 calls at which derivatives are compared with numerical ones.
      tolerance: relative error in units of the dtype's eps, of each value, or ``Normwise``.
      kernel_tolerance: likewise, of the kernel rule and the decomposition against the reference; None: bit for bit.
      decomposes: whether the samples' decomposition is to be run (some are only sensible for small arrays).
      kernel: whether the kernel rule is an expression that can be run on every sample.
      unique: where results are not unique (signs of eigenvectors), what is:
        ``(args, params, results) -> arrays``, by which implementations are compared.
    """

    primitive: Primitive
    samples: Sequence[Sample]
    oracle: Callable[..., Any] | None = None
    grads: Sequence[Sample] = ()
    tolerance: float = 4.0
    kernel_tolerance: float | None = 8.0
    decomposes: bool = True
    kernel: bool = True
    unique: Callable[..., list[Any]] | None = None

    def comparable(self, sample: Sample, results: Sequence[Any]) -> Sequence[Any]:
        """What any implementation must give, of its results."""
        return results if self.unique is None else self.unique(sample.args, sample.params, list(results))


OPERATORS: dict[Primitive, Operator] = {}


def operator(primitive: Primitive, samples: Iterable[Sample], **attributes: Any) -> None:
    """Enter a primitive into the table."""
    if primitive in OPERATORS:
        raise ValueError(f"{primitive} is already in the table")
    OPERATORS[primitive] = Operator(primitive, tuple(samples), **attributes)


def load() -> dict[Primitive, Operator]:
    """The whole table, with the samples of every family."""
    for module in pkgutil.iter_modules(cotan.primitives.__path__, "cotan.primitives."):
        importlib.import_module(module.name)
    for family in sorted(module.name for module in pkgutil.iter_modules(operators.__path__)):
        with np.errstate(all="ignore"):
            importlib.import_module(f"{operators.__name__}.{family}")
    return OPERATORS


# ---- Values


def values(*shape: int, dtype: Any = np.float32, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """Reproducible random values of any dtype; integers are drawn from low..high."""
    rng = np.random.default_rng((seed, *shape))
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return rng.random(shape) < 0.5
    if dtypes.issubdtype(dtype, np.integer):
        return rng.integers(int(low), int(high), shape, endpoint=True).astype(dtype)
    if dtypes.issubdtype(dtype, np.complexfloating):
        return (rng.uniform(low, high, shape) + 1j * rng.uniform(low, high, shape)).astype(dtype)
    return rng.uniform(low, high, shape).astype(dtype)


def edges(dtype: Any) -> np.ndarray:
    """The values at which a dtype is awkward."""
    dtype = np.dtype(dtype)
    if dtypes.issubdtype(dtype, np.integer):
        info = dtypes.iinfo(dtype)
        found = [info.min, info.min + 1, -1, 0, 1, 2, 7, info.max - 1, info.max]
        return np.array(sorted({int(v) for v in found if info.min <= v <= info.max}), object).astype(dtype)
    info = dtypes.finfo(dtype)
    found = [
        np.nan,
        np.inf,
        -np.inf,
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.5,
        -2.5,
        info.tiny,
        info.max,
        info.min,
        info.eps,
    ]
    with np.errstate(all="ignore"):
        return np.array([float(v) for v in found]).astype(dtype)


FLOATS = (np.float32, np.float64, np.float16, dtypes.bfloat16)
INEXACT = (*FLOATS, np.complex64, np.complex128)
SIGNED = (np.int8, np.int32, np.int64)
UNSIGNED = (np.uint8, np.uint32)


def unary_samples(kinds: Iterable[Any], low: float = -2.0, high: float = 2.0, **params: Any) -> list[Sample]:
    """For each dtype a matrix and the edges; in float32 also a scalar and an empty array."""
    found = []
    for dtype in kinds:
        found.append(Sample((values(2, 3, dtype=dtype, low=low, high=high),), params))
        if not dtypes.issubdtype(dtype, np.complexfloating) and np.dtype(dtype) != np.bool_:
            found.append(Sample((edges(dtype),), params))
    first = next(iter(kinds))
    found += [Sample((values(*shape, dtype=first, low=low, high=high),), params) for shape in ((), (0, 2))]
    return found


def binary_samples(
    kinds: Iterable[Any], low: float = -2.0, high: float = 2.0, *, with_edges: bool = True
) -> list[Sample]:
    """For each dtype two matrices and all pairs of edges; also scalars, mixed with an array or not; no elements."""
    found = []
    for dtype in kinds:
        found.append(
            Sample(
                (values(2, 3, dtype=dtype, low=low, high=high), values(2, 3, dtype=dtype, low=low, high=high, seed=1))
            )
        )
        if with_edges and not dtypes.issubdtype(dtype, np.complexfloating) and np.dtype(dtype) != np.bool_:
            edge = edges(dtype)
            pairs = np.meshgrid(edge, edge)
            found.append(Sample((pairs[0].reshape(-1), pairs[1].reshape(-1))))
    first = next(iter(kinds))
    for left, right in (((), ()), ((3,), ()), ((), (3,)), ((0, 2), (0, 2))):
        x = values(*left, dtype=first, low=low, high=high)
        y = values(*right, dtype=first, low=low, high=high, seed=1)
        found.append(Sample((x, y)))
    return found


def grads(*args: Any, **params: Any) -> Sample:
    """A call for derivatives, in float64 (complex128 for complex operands)."""
    return Sample(tuple(args), params)


# ---- Running without a backend


def eager(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Run ``primitive`` by its reference (keys: on their words), and check the result against the abstract rule."""
    avals = [get_aval(x) for x in args]
    arrays = [x if _is_key(a) else np.asarray(x, a.dtype) for x, a in zip(args, avals, strict=True)]
    expected = tables.abstract[primitive](*avals, **params)
    rule = tables.reference.get(primitive)
    if rule is None:
        raise AssertionError(f"{primitive} has no reference")
    found = rule(*(x.words if isinstance(x, Keys) else x for x in arrays), **params)
    if not primitive.multiple_results:
        return _checked(primitive, found, expected)
    assert len(found) == len(expected), f"{primitive} gives {len(found)} results, its abstract rule {len(expected)}"
    return [_checked(primitive, x, aval) for x, aval in zip(found, expected, strict=True)]


class Keys:
    """An array of typed keys: words, and the aval of keys."""

    def __init__(self, words: np.ndarray, aval: Any) -> None:
        self.words = words
        self.aval = aval

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.aval.shape)

    @property
    def dtype(self) -> Any:
        return self.aval.dtype


def _is_key(aval: Any) -> bool:
    return not isinstance(aval.dtype, np.dtype)


def _checked(primitive: Primitive, found: Any, aval: Any) -> Any:
    assert type(found) is np.ndarray, f"the reference of {primitive} gave a {type(found).__name__}"
    if _is_key(aval):
        assert found.shape == (*aval.shape, 2)
        return Keys(found, aval)
    assert found.shape == aval.shape, f"the reference of {primitive} gave shape {found.shape}, its abstract rule {aval}"
    assert found.dtype == aval.dtype, f"the reference of {primitive} gave dtype {found.dtype}, its abstract rule {aval}"
    # A weak result goes on as one: only Python scalars are weak without a runtime.
    return found.item() if aval.weak_type and not aval.shape else found


def assert_close(found: Any, wanted: Any, units: float | None, what: str = "") -> None:
    """Equal shapes and dtypes, and values within ``units`` eps, relative to the larger of 1e-3 and the value, or, if
    ``units`` are ``Normwise``, to the larger of 1e-3 and the largest value.

    NaN equals NaN; None asks for equal bits (but for the signs of NaN).
    """
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape, f"{what}: shapes {found.shape} and {wanted.shape}"
    if found.dtype.kind in "iu" and wanted.dtype.kind in "iu":
        wanted = wanted.astype(found.dtype)  # oracles compute with wide integers, which wrap to narrow ones
    if found.dtype.kind in "biu" or units is None:
        same = (found == wanted) | ((found != found) & (wanted != wanted))
        assert np.all(same), f"{what}:\n{found}\n{wanted}"
        return
    eps = float(dtypes.finfo(found.dtype).eps)
    wide = np.complex128 if found.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        a, b = found.astype(wide), wanted.astype(found.dtype).astype(wide)
        size = np.abs(b)
        if isinstance(units, Normwise):
            size = np.max(size, initial=0.0, where=np.isfinite(size))
        error = np.abs(a - b) / np.maximum(size, 1e-3)
    fine = (a == b) | ((a != a) & (b != b)) | (error <= units * eps)
    assert np.all(fine), f"{what}: off by {np.nanmax(np.where(fine, 0, error)) / eps:.3g} eps:\n{found}\n{wanted}"
