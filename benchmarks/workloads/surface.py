"""Sixty public functions, drawn by a fixed seed from a table of calls: under jit none is to be slower than JAX's.

A row of the table is a recipe for arguments and the names that are called with them; what follows a name is passed on.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.workload import SURFACE, Inputs, Program, Workload, floats, integers, uniform

SEED = 2024
DRAWN = 60
ROWS, COLUMNS = 256, 1024
NO_VERSION = "only JAX is compared"


def _square(rng: np.random.Generator) -> Inputs:
    return (floats(rng, 128, 128) + 12 * np.eye(128, dtype=np.float32),)


def _definite(rng: np.random.Generator) -> Inputs:
    [a] = _square(rng)
    return (a @ a.T,)


RECIPES: dict[str, Callable[[np.random.Generator], Inputs]] = {
    "normal": lambda rng: (floats(rng, ROWS, COLUMNS),),
    "positive": lambda rng: (uniform(rng, 0.1, 10, ROWS, COLUMNS),),
    "unit": lambda rng: (uniform(rng, -0.99, 0.99, ROWS, COLUMNS),),
    "chance": lambda rng: (uniform(rng, 0.01, 0.99, ROWS, COLUMNS),),
    "two": lambda rng: (floats(rng, ROWS, COLUMNS), floats(rng, ROWS, COLUMNS)),
    "two positive": lambda rng: (uniform(rng, 0.1, 5, ROWS, COLUMNS), uniform(rng, 0.1, 5, ROWS, COLUMNS)),
    "two whole": lambda rng: (integers(rng, 1000, ROWS, COLUMNS), 1 + integers(rng, 20, ROWS, COLUMNS)),
    "flags": lambda rng: (rng.random((ROWS, COLUMNS)) < 0.5,),
    "whole": lambda rng: (integers(rng, 100, ROWS * 16),),
    "vector": lambda rng: (floats(rng, ROWS * COLUMNS),),
    "waves": lambda rng: (floats(rng, 64, 4096),),
    "two vectors": lambda rng: (floats(rng, 1024), floats(rng, 1024)),
    "signal": lambda rng: (floats(rng, 65536), floats(rng, 64)),
    "table": lambda rng: (np.sort(floats(rng, 4096)), floats(rng, ROWS * COLUMNS)),
    "places": lambda rng: (floats(rng, ROWS, COLUMNS), np.argsort(rng.random((ROWS, COLUMNS)), 1).astype(np.int32)),
    "products": lambda rng: (floats(rng, ROWS, COLUMNS), floats(rng, COLUMNS, ROWS)),
    "two of rows": lambda rng: (floats(rng, ROWS, COLUMNS), floats(rng, ROWS, COLUMNS)),
    "triples": lambda rng: (floats(rng, ROWS * 256, 3), floats(rng, ROWS * 256, 3)),
    "square": _square,
    "definite": _definite,
    "system": lambda rng: (*_square(rng), floats(rng, 128, 16)),
    "triangle": lambda rng: (np.tril(_square(rng)[0]), floats(rng, 128, 16)),
}

Call = str | tuple[str, dict[str, Any]]


def _each(module: str, names: str) -> list[Call]:
    return [f"{module}.{name}" for name in names.split()]


CALLS: dict[str, list[Call]] = {
    "normal": [
        *_each("numpy", """
            abs sign sin cos tan sinh cosh tanh arctan arcsinh exp exp2 expm1 floor ceil trunc rint square negative cbrt
            isnan isfinite signbit sinc nan_to_num deg2rad reciprocal sum mean prod max min var std ptp argmax argmin
            count_nonzero nansum nanmean nanmax average cumsum transpose flip fliplr rot90 diff tril triu trace diagonal
            ravel gradient corrcoef cov sort argsort median linalg.norm fft.fftshift"""),
        *_each("nn", """
            relu gelu silu sigmoid softplus elu selu celu leaky_relu log_sigmoid hard_tanh hard_sigmoid hard_swish relu6
            soft_sign mish squareplus softmax log_softmax standardize logsumexp"""),
        *_each("scipy.special", "erf erfc expit ndtr log_ndtr i0 i0e i1 i1e"),
        *_each("lax", "cummax cumlogsumexp logistic"),
        ("numpy.mean", {"axis": 0}), ("numpy.var", {"axis": 1}), ("numpy.cumsum", {"axis": 0}),
        ("numpy.roll", {"shift": 7}), ("numpy.repeat", {"repeats": 2, "axis": 0}), ("numpy.tile", {"reps": (2, 1)}),
        ("numpy.pad", {"pad_width": 3}), ("numpy.clip", {"min": -1.0, "max": 1.0}), ("lax.top_k", {"k": 8}),
        ("numpy.quantile", {"q": 0.3, "axis": 1}), ("numpy.swapaxes", {"axis1": 0, "axis2": 1}),
        ("numpy.round", {"decimals": 2}),
    ],
    "positive": [
        *_each("numpy", "sqrt log log2 log10 log1p"), "lax.rsqrt", "lax.lgamma", "lax.digamma",
        "scipy.special.gamma", "scipy.special.entr",
    ],
    "unit": ["numpy.arcsin", "numpy.arccos", "numpy.arctanh", "lax.erf_inv"],
    "chance": ["scipy.special.logit", "scipy.special.ndtri", "numpy.cumprod", "numpy.histogram"],
    "two": [
        *_each("numpy", """
            add subtract multiply divide maximum minimum fmax hypot arctan2 copysign logaddexp logaddexp2 heaviside
            greater less_equal equal nextafter fmod remainder floor_divide vdot isclose array_equal"""),
    ],
    "two positive": [
        "numpy.power", "numpy.float_power", "scipy.special.xlogy", "scipy.special.xlog1py", "scipy.special.rel_entr",
        "scipy.special.kl_div", "scipy.special.betaln",
    ],
    "two whole": [
        *_each("numpy", """
            bitwise_and bitwise_or bitwise_xor floor_divide remainder gcd left_shift add multiply"""),
    ],
    "flags": _each("numpy", "all any logical_not sum argmax"),
    "whole": [
        ("nn.one_hot", {"num_classes": 100}), ("numpy.bincount", {"length": 100}), "numpy.sort", "numpy.cumsum",
        ("numpy.unique", {"size": 100}), "lax.population_count",
    ],
    "vector": ["numpy.sort", "numpy.cumsum", "numpy.ediff1d", "numpy.trapezoid", "numpy.nanmin"],
    "waves": _each("numpy.fft", "fft rfft ifft fft2"),
    "two vectors": _each("numpy", "outer meshgrid dot"),
    "signal": ["numpy.convolve", "numpy.correlate"],
    "table": ["numpy.searchsorted"],
    "places": [("numpy.take_along_axis", {"axis": 1})],
    "products": ["numpy.matmul", "numpy.dot"],
    "two of rows": ["numpy.inner", ("numpy.concatenate", {"axis": 1}), ("numpy.stack", {"axis": 2}), "numpy.hstack"],
    "triples": ["numpy.cross"],
    "square": [
        *_each("numpy.linalg", "inv det slogdet qr svd pinv matrix_rank"), "scipy.linalg.expm",
        ("numpy.linalg.matrix_power", {"n": 5}),
    ],
    "definite": ["numpy.linalg.cholesky", "numpy.linalg.eigvalsh"],
    "system": ["numpy.linalg.solve"],
    "triangle": [("scipy.linalg.solve_triangular", {"lower": True})],
}  # fmt: skip
LISTS = frozenset({"numpy.concatenate", "numpy.stack", "numpy.hstack"})
"""What takes its arrays as one list."""
LOOSE = {"numpy.linalg.pinv": 1e-2, "numpy.prod": 1.0, "numpy.linalg.det": 1e-2, "lax.digamma": 1e-3}
"""Larger differences than the usual ones: of what is ill-conditioned or overflows."""


def _program(name: str, options: dict[str, Any], library: Any) -> Program:
    function = operator.attrgetter(name)(library)
    if name in LISTS:
        return library.jit(lambda *arrays: function(arrays, **options))  # type: ignore[no-any-return]
    return library.jit(lambda *arrays: function(*arrays, **options))  # type: ignore[no-any-return]


def _workload(recipe: str, call: Call) -> Workload:
    name, options = (call, {}) if isinstance(call, str) else call
    text = "".join(f" {key}={value}" for key, value in options.items())
    return Workload(
        f"surface/{name}{text}, {recipe}",
        RECIPES[recipe],
        functools.partial(_program, name, options),
        NO_VERSION,
        NO_VERSION,
        tags=(SURFACE,),
        tolerance=LOOSE.get(name, 1e-3),
        view=_without_signs if name in ("numpy.linalg.svd", "numpy.linalg.qr") else None,
    )


def _without_signs(results: list[np.ndarray]) -> list[np.ndarray]:
    """Factors but for the signs of their vectors, which are free."""
    return [np.abs(result) for result in results]


ALL = [_workload(recipe, call) for recipe, calls in CALLS.items() for call in calls]
WORKLOADS = [ALL[n] for n in sorted(np.random.default_rng(SEED).permutation(len(ALL))[:DRAWN])]
