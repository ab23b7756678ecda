"""What compilers fuse: odd sizes, reductions over any axes, rows that are used twice, many results; in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.testing.conformance.cases import Case, both_ways

F, I = np.float32, np.int32
SIZES = (1, 2, 3, 7, 15, 16, 17, 31, 33, 64, 100, 127, 255, 257, 1000, 1025, 4099)
MATRICES = ((1, 1), (1, 257), (257, 1), (3, 5), (7, 33), (33, 7), (16, 16), (17, 1000), (1000, 17), (129, 65))


def data(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Values of a few binary digits, so that sums of them are exact."""
    return (np.random.default_rng((seed, *shape)).integers(-64, 65, shape) / 16).astype(F)


def chain(x: Any, y: Any) -> Any:
    """Elementwise operations, with one value that several results read."""
    shared = x * 0.5 + y
    return shared, cnp.where(shared > 0, shared * x, -y), cnp.abs(shared) - 2.0


def chain_wanted(x: Any, y: Any) -> list[Any]:
    """What ``chain`` is; exact."""
    shared = x * F(0.5) + y
    return [shared, np.where(shared > 0, shared * x, -y), np.abs(shared) - F(2)]


def sums(x: Any) -> Any:
    """All reductions of a matrix."""
    return [x.sum(), x.sum(0), x.sum(1), x.max(0), x.min(1), (x * 2 + 1).sum(), x.argmax(1), x.argmin(0)]


def sums_wanted(x: Any) -> list[Any]:
    """What ``sums`` is; exact, since the values have few digits."""
    found = [x.sum(), x.sum(0), x.sum(1), x.max(0), x.min(1), (x * 2 + 1).sum()]
    return [np.asarray(v, F) for v in found] + [x.argmax(1).astype(I), x.argmin(0).astype(I)]


def wide(function: Any, *args: Any) -> list[Any]:
    """A NumPy function in double precision, rounded."""
    out = function(*(np.asarray(a, np.float64) for a in args))
    return [np.asarray(v, F) for v in (out if isinstance(out, list | tuple) else [out])]


def layernorm(x: Any, g: Any, xp: Any = cnp) -> Any:
    """Rows of mean 0 and variance 1, times a row."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / xp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3) * g


def logsumexp(x: Any, xp: Any = cnp) -> Any:
    """The logarithm of the sum of exponentials of rows."""
    m = x.max(-1, keepdims=True)
    return xp.log(xp.exp(x - m).sum(-1)) + m[..., 0]


def attention(q: Any, k: Any, v: Any, xp: Any = cnp) -> Any:
    """Softmax of products, times values."""
    scores = q @ k.T / 4.0
    e = xp.exp(scores - scores.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)) @ v


def variance(x: Any) -> Any:
    """Mean and variance of columns, of which the mean is read twice."""
    mean = x.mean(0)
    return mean, ((x - mean) ** 2).mean(0)


def cases() -> Iterator[Case]:
    """Chains at odd sizes, reductions of odd matrices, trees like softmax, movements, and products."""
    exact = partial(both_ways, tolerance=None, dtypes=("bool", "int32"))
    near = partial(both_ways, tolerance=64.0, dtypes=("bool", "int32"))
    for n in SIZES:
        x, y = data(n), data(n, seed=1)
        yield from exact(f"kernels/chain/{n}", chain, [x, y], chain_wanted(x, y))
        yield from exact(f"kernels/running/{n}", lambda x: (cnp.cumsum(x), x[::-1].sum()), [x],
                         [x.cumsum(dtype=F), np.asarray(x.sum(), F)])  # fmt: skip
        yield from exact(f"kernels/iota/{n}", lambda x: cnp.arange(x.size) * 3 - x.astype("int32"), [x],
                         [np.arange(n, dtype=I) * 3 - x.astype(I)])  # fmt: skip
        yield from exact(f"kernels/sort/{n}", lambda x: (cnp.sort(x), cnp.argsort(x)), [x],
                         [np.sort(x), np.argsort(x, kind="stable").astype(I)])  # fmt: skip
    for rows, columns in MATRICES:
        x, size = data(rows, columns), f"{rows}x{columns}"
        g = data(columns, seed=2)
        yield from exact(f"kernels/reductions/{size}", sums, [x], sums_wanted(x))
        yield from exact(f"kernels/transposed/{size}", lambda x: (x.T * 2, (x.T + 1).sum(1)), [x],
                         [np.ascontiguousarray(x.T) * 2, np.asarray((x + 1).sum(0), F)])  # fmt: skip
        yield from near(f"kernels/softmax/{size}", cotan.nn.softmax, [x], wide(_softmax, x))
        yield from near(f"kernels/logsumexp/{size}", logsumexp, [x], wide(partial(logsumexp, xp=np), x))
        yield from near(f"kernels/layernorm/{size}", layernorm, [x, g], wide(partial(layernorm, xp=np), x, g))
        yield from near(f"kernels/variance/{size}", variance, [x], wide(lambda x: (x.mean(0), x.var(0)), x))
        yield from near(f"kernels/product/{size}", lambda x, y: cnp.tanh((x @ y) / 256), [x, data(columns, 9, seed=3)],
                        wide(lambda x, y: np.tanh((x @ y) / 256), x, data(columns, 9, seed=3)))  # fmt: skip
    yield from _singles(exact, near)


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _singles(exact: Any, near: Any) -> Iterator[Case]:
    q, k, v = data(9, 16), data(13, 16, seed=1), data(13, 5, seed=2)
    yield from near("kernels/attention/9x13", attention, [q, k, v], wide(partial(attention, xp=np), q, k, v))
    cube = data(5, 6, 7)
    for axes in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        yield from exact(f"kernels/axes/{''.join(map(str, axes))}", lambda x, axes=axes: (x.sum(axes), x.max(axes)),
                         [cube], [np.asarray(cube.sum(axes), F), cube.max(axes)])  # fmt: skip
    long = data(100_003)
    yield from exact("kernels/long/sum", lambda x: (x.sum(), x.max(), x.argmin()), [long],
                     [F(long.astype(np.float64).sum()), long.max(), I(long.argmin())])  # fmt: skip
    yield from exact("kernels/long/map", lambda x: x * 2 - 1, [long], [long * 2 - 1])
    counts = np.random.default_rng(5).integers(0, 7, 5000).astype(I)
    yield from exact("kernels/scatter/histogram", lambda k: cnp.zeros(7, "int32").at[k].add(1), [counts],
                     [np.bincount(counts, minlength=7).astype(I)])  # fmt: skip
    table = data(50, 3)
    yield from exact("kernels/gather/rows", lambda t, k: t[k] * 2, [table, counts], [table[counts] * 2])
    image = data(2, 9, 9, 3)
    kernel = data(3, 3, 3, 4, seed=1)
    yield from exact("kernels/conv/3x3", _conv, [image, kernel], [_conv_wanted(image, kernel)])
    yield from exact("kernels/window/max", lambda x: lax.reduce_window(x, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1),
                     "VALID"), [image], [image[:, :8, :8].reshape(2, 4, 2, 4, 2, 3).max((2, 4))])  # fmt: skip
    yield from exact("kernels/pads/shifted", lambda x: cnp.pad(x, 1)[:, 2:] - x[0, 0], [table[:4]],
                     [np.pad(table[:4], 1)[:, 2:] - table[0, 0]])  # fmt: skip
    scalar = F(0.5)
    yield from exact("kernels/scalars/mixed", lambda s, x: (s + x, s * s, x - s), [scalar, table],
                     [scalar + table, scalar * scalar, table - scalar])  # fmt: skip


def _conv(x: Any, w: Any) -> Any:
    return lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _conv_wanted(x: np.ndarray[Any, Any], w: np.ndarray[Any, Any]) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (3, 3), (1, 2))
    return np.einsum("nijchw,hwco->nijo", windows, w).astype(F)
