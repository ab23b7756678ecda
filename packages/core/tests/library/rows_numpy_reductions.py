"""Reductions, cumulatives, statistics, orders and searches of cotan.numpy."""

from __future__ import annotations

import numpy as np
from library.table import MN, M, Operand, S, T, V, row

B = Operand((3, 4), dtype=np.bool_)
WEIGHTS = Operand((3,), 0.2, 2.0)
ALL, REAL, FLOAT = "biuhfc", "biuhf", "f"
INTS = "iu"

for name in ("sum", "prod"):
    row("numpy", name, M, dtypes="biu")
    row("numpy", name, T, dtypes="hfc", kw={"axis": (0, -1)}, tol=2)
    row("numpy", name, MN, dtypes="fc", kw={"axis": 0, "keepdims": True})
    row("numpy", name, M, dtypes="f", kw={"axis": 1, "where": B, "initial": 2.0})
    row("numpy", name, S, dtypes="ifc")
    row("numpy", f"nan{name}", M, dtypes="biufc", kw={"axis": 1})
    row("numpy", f"cum{name}", M, dtypes="hfc", kw={"axis": 1}, tol=2)
    row("numpy", f"cum{name}", M, dtypes="f", tol=2)
    row(
        "numpy",
        f"cum{name}",
        MN,
        dtypes="fi",
        kw={"axis": 0},
        oracle=lambda x, axis, n=name: getattr(np, f"cum{n}")(x, axis, dtype=x.dtype),
    )
    row("numpy", f"nancum{name}", M, dtypes="fc", kw={"axis": 0}, tol=2)
    row("numpy", f"cumulative_{name}", M, dtypes="fc", kw={"axis": 0}, tol=2)
    row("numpy", f"cumulative_{name}", V, dtypes="f", kw={"include_initial": True})
for name in ("max", "min", "amax", "amin"):
    row("numpy", name, M, dtypes="biuhf")
    row("numpy", name, T, dtypes="iuhf", kw={"axis": (0, 2), "keepdims": True})
    row("numpy", name, MN, dtypes="f", kw={"axis": 1, "initial": 0.5, "where": Operand((1, 3), dtype=np.bool_)})
for name in ("nanmax", "nanmin"):
    row("numpy", name, M, dtypes="iuhf", kw={"axis": 1})
for name in ("argmax", "argmin"):
    row("numpy", name, M, dtypes="biuhf")
    row("numpy", name, M, dtypes="iuf", kw={"axis": 1, "keepdims": True})
    row("numpy", f"nan{name}", M, dtypes="if", kw={"axis": 0})
for name in ("all", "any"):
    row("numpy", name, M, dtypes="biuhfc")
    row("numpy", name, MN, dtypes="b", kw={"axis": 0, "keepdims": True})
    row("numpy", name, M, dtypes="b", kw={"axis": -1, "where": B})
row("numpy", "count_nonzero", M, dtypes="biuhfc", kw={"axis": 1})
row("numpy", "count_nonzero", M, dtypes="b", kw={"axis": (0, 1), "keepdims": True})
for name in ("mean", "var", "std"):
    row("numpy", name, M, dtypes="biufc", kw={"axis": 0}, tol=2, slope_tol=1e-5)
    row("numpy", name, T, dtypes="hf", kw={"axis": (0, 2), "keepdims": True}, tol=2, slope_tol=1e-5)
    row("numpy", name, M, dtypes="f", kw={"where": Operand((1, 4), 1, 1, np.bool_)}, slope_tol=1e-5)
    row("numpy", f"nan{name}", M, dtypes="f", kw={"axis": 1}, slope_tol=1e-5)
for name in ("var", "std"):
    row("numpy", name, M, dtypes="f", kw={"axis": 1, "ddof": 1}, slope_tol=1e-5)
row("numpy", "ptp", M, dtypes="iuhf", kw={"axis": 1})
row("numpy", "average", M, dtypes="fc", kw={"axis": 1}, tol=2)
row("numpy", "average", M, dtypes="f", kw={"axis": 0, "weights": WEIGHTS}, tol=2)
for name in ("median", "nanmedian"):
    row("numpy", name, M, dtypes="hf", kw={"axis": 1})
    row("numpy", name, T, dtypes="f", kw={"axis": (0, 2), "keepdims": True})
for name, at in (("quantile", 0.3), ("percentile", 30.0), ("nanquantile", 0.3), ("nanpercentile", 30.0)):
    row("numpy", name, M, at, dtypes="f", kw={"axis": 1}, tol=4)
    row(
        "numpy",
        name,
        M,
        Operand((2,), dtype=np.float32, made=lambda x, at=at: np.array([0.25, 0.75]) * (1 if at < 1 else 100)),
        dtypes="f",
        tol=4,
        order=1,
    )
    for method in ("lower", "higher", "nearest", "midpoint"):
        row("numpy", name, V, at, dtypes="f", kw={"method": method}, tol=4, order=1)
row("numpy", "cov", M, dtypes="fc", tol=2)
row("numpy", "cov", M, dtypes="f", kw={"rowvar": False, "ddof": 0}, tol=2)
row(
    "numpy",
    "corrcoef",
    M,
    dtypes="f",
    tol=4,
    specials=False,
    why="the result is clipped, which NumPy does not do to NaN",
)
row("numpy", "histogram", V, dtypes="f", kw={"bins": 4, "range": (-2, 2)}, order=0, specials=False, result="given")
row("numpy", "histogram", V, dtypes="f", kw={"bins": 4, "range": (-2, 2), "weights": V}, order=0, specials=False)
row("numpy", "histogram_bin_edges", V, dtypes="f", kw={"bins": 5}, specials=False, order=1)
row(
    "numpy",
    "histogram2d",
    V,
    V,
    dtypes="f",
    kw={"bins": 3, "range": [[-2, 2], [-2, 2]]},
    order=0,
    specials=False,
    result=np.float64,
)
row(
    "numpy",
    "histogramdd",
    Operand((5, 2)),
    dtypes="f",
    kw={"bins": 3, "range": [[-2, 2], [-2, 2]]},
    order=0,
    specials=False,
    result=np.float64,
)
row(
    "numpy",
    "bincount",
    Operand((6,), 0, 4, np.int32),
    dtypes="f",
    kw={"minlength": 3, "length": 5},
    vmap=True,
    oracle=lambda x, minlength, length: np.bincount(x, minlength=length),
    result=np.int64,
)
row(
    "numpy",
    "bincount",
    Operand((6,), 0, 4, np.int32),
    kw={"weights": Operand((6,)), "length": 5},
    dtypes="f",
    oracle=lambda x, weights, length: np.bincount(x, weights, length),
)
row("numpy", "digitize", V, Operand((4,), made=np.sort), dtypes="if", specials=False, order=0, result=np.int32)
row("numpy", "searchsorted", Operand((6,), made=np.sort), V, dtypes="if", specials=False, order=0)
row(
    "numpy",
    "searchsorted",
    Operand((6,), made=np.sort),
    M,
    dtypes="f",
    kw={"side": "right"},
    specials=False,
    order=0,
)
for shape, axis in ((M, -1), (M, 0), (MN, 0), (M, None)):
    row("numpy", "sort", shape, dtypes="biuhf", kw={"axis": axis})
    row(
        "numpy",
        "argsort",
        shape,
        dtypes="f",
        kw={"axis": axis},
        oracle=lambda x, axis: np.argsort(x, axis, kind="stable"),
    )
row("numpy", "argsort", M, dtypes="iu", oracle=lambda x: np.argsort(x, kind="stable"))
row("numpy", "sort", M, dtypes="c")
row("numpy", "sort_complex", M, dtypes="fc", order=0)
row("numpy", "lexsort", [V, V], dtypes="f", oracle=np.lexsort)
row("numpy", "partition", V, 2, dtypes="if", after=lambda x: x[2], order=0)
row("numpy", "argpartition", V, 2, dtypes="f", after=lambda x: x[2], order=0, result=np.int32)
row("numpy", "nonzero", Operand((4,)), dtypes="bif", jit=False, vmap=False, order=0, why="the size depends on values")
row("numpy", "argwhere", M, dtypes="b", jit=False, vmap=False, order=0, why="the size depends on values")
row("numpy", "flatnonzero", M, dtypes="b", jit=False, vmap=False, order=0, why="the size depends on values")
row("numpy", "array_equal", V, V, dtypes="biufc", order=0)
row("numpy", "array_equiv", Operand((4,)), M, dtypes="iuf", order=0)
row("numpy", "allclose", V, V, dtypes="ifc", order=0)
row("numpy", "diff", M, dtypes="biufc", order=2)
row("numpy", "diff", M, dtypes="f", kw={"n": 2, "axis": 0})
row("numpy", "ediff1d", M, dtypes="if")
row("numpy", "gradient", M, dtypes="f", tol=2)
row("numpy", "gradient", M, 0.5, dtypes="f", kw={"axis": 1}, tol=2)
row("numpy", "trapezoid", M, dtypes="f", kw={"dx": 0.5}, tol=2)
row("numpy", "trapezoid", M, Operand((4,)), dtypes="f", tol=2)
row("numpy", "interp", V, Operand((4,), made=np.sort), Operand((4,)), dtypes="f", tol=4, specials=False, slope_tol=1e-5)
row("numpy", "unwrap", Operand((7,), -9, 9), dtypes="f", tol=4, specials=False)
row("numpy", "convolve", V, Operand((3,)), dtypes="iufc", tol=2, result="inexact", specials=False)
row("numpy", "convolve", V, Operand((3,)), dtypes="f", kw={"mode": "same"}, tol=2, specials=False)
row("numpy", "correlate", V, Operand((3,)), dtypes="iufc", kw={"mode": "full"}, tol=2, result="inexact", specials=False)
row("numpy", "correlate", V, Operand((3,)), dtypes="f", tol=2, specials=False)
row("numpy", "polyval", Operand((3,)), V, dtypes="ifc", tol=4)
row("numpy", "vander", V, 3, dtypes="ifc", tol=4, result="given")
row(
    "numpy",
    "polyfit",
    Operand((6,), 0, 4, made=np.sort),
    Operand((6,)),
    2,
    dtypes="f",
    tol=400,
    specials=False,
    why="a factorisation of what is no number gives none",
    slope_tol=1e-4,
    order=1,
)
