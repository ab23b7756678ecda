"""Functions of cotan.numpy that move, join, pick and make elements; and those of sets."""

from __future__ import annotations

import numpy as np
from library.table import MN, VN, M, N, Operand, S, T, V, elsewhere, row

ALL = "biuhfc"
I3 = Operand((3,), -3, 2, np.int32)
MASK = Operand((3, 4), dtype=np.bool_)
W = Operand((3,))
SIZE = {"jit": False, "vmap": False, "order": 0, "why": "the size depends on values"}

for name, args, kw in [
    ("reshape", (M, (2, -1)), {}),
    ("reshape", (M, (4, 3)), {"order": "F"}),
    ("ravel", (T,), {}),
    ("ravel", (S,), {}),
    ("transpose", (T,), {}),
    ("transpose", (T, (1, 0, 2)), {}),
    ("permute_dims", (T, (1, 0, 2)), {}),
    ("matrix_transpose", (T,), {}),
    ("swapaxes", (T, 0, -1), {}),
    ("moveaxis", (T, 0, 2), {}),
    ("moveaxis", (T, (0, 1), (-1, 0)), {}),
    ("rollaxis", (T, 2), {}),
    ("expand_dims", (M, (0, 3)), {}),
    ("squeeze", (Operand((1, N, 1)),), {"axis": 0}),
    ("broadcast_to", (Operand((3, 1)), (2, 3, 4)), {}),
    ("broadcast_to", (S, (0, 2)), {}),
    ("flip", (T,), {"axis": (0, 2)}),
    ("flip", (MN,), {}),
    ("fliplr", (M,), {}),
    ("flipud", (VN,), {}),
    ("rot90", (M,), {}),
    ("rot90", (T, 3), {"axes": (1, 2)}),
    ("roll", (M, 5), {}),
    ("roll", (MN, (1, -2)), {"axis": (0, 1)}),
    ("tile", (M, (2, 1, 3)), {}),
    ("repeat", (MN, 2), {"axis": 1}),
    ("repeat", (V, np.array([0, 1, 2, 0, 1])), {"total_repeat_length": 4}),
    ("pad", (M, ((1, 2), (0, 3))), {}),
    ("pad", (M, 1), {"mode": "reflect"}),
    ("pad", (V, (2, 1)), {"mode": "wrap"}),
    ("pad", (V, (2, 1)), {"mode": "edge"}),
    ("pad", (V, (2, 1)), {"mode": "symmetric"}),
    ("diagonal", (T, 1, 1, 2), {}),
    ("diag", (W, 1), {}),
    ("diag", (M,), {}),
    ("diagflat", (M, -1), {}),
    ("trace", (M,), {}),
    ("trace", (T,), {"offset": 1, "axis1": 1, "axis2": 2}),
    ("tril", (MN, -1), {}),
    ("triu", (T, 1), {}),
    ("resize", (M, (2, 7)), {}),
    ("unstack", (T,), {"axis": 1}),
    ("split", (T, 2), {"axis": 2}),
    ("split", (V, [1, 3]), {}),
    ("array_split", (V, 3), {}),
    ("hsplit", (M, 2), {}),
    ("vsplit", (M, 3), {}),
    ("dsplit", (T, 2), {}),
    ("copy", (VN,), {}),
    ("atleast_1d", (S,), {}),
    ("atleast_2d", (W,), {}),
    ("atleast_3d", (M,), {}),
    ("zeros_like", (M,), {}),
    ("ones_like", (VN,), {}),
    ("full_like", (M, 1), {}),
    ("delete", (M, 1), {"axis": 1}),
    ("delete", (V, np.array([0, 3])), {}),
    ("asarray", (M,), {}),
    ("array", (MN,), {}),
]:
    ours = {k: v for k, v in kw.items() if k != "total_repeat_length"}
    oracle = None
    if "total_repeat_length" in kw:
        oracle = lambda x, repeats, total_repeat_length: np.repeat(x, repeats)[:total_repeat_length]  # noqa: E731
    widens = {"result": None, "dtypes": "hfc"} if name == "trace" else {"dtypes": ALL}
    row("numpy", name, *args, kw=kw, oracle=oracle, **widens)
row("numpy", "trace", M, dtypes="iu")
for name, args, kw in [
    ("concatenate", ([M, M],), {}),
    ("concatenate", ([MN, Operand((2, 3))],), {"axis": 0}),
    ("concatenate", ([M, W],), {"axis": None}),
    ("concat", ([M, M],), {"axis": 1}),
    ("stack", ([M, M],), {"axis": -1}),
    ("vstack", ([W, W],), {}),
    ("hstack", ([W, V],), {}),
    ("dstack", ([M, M],), {}),
    ("column_stack", ([W, W],), {}),
    ("append", (M, Operand((1, 4))), {"axis": 0}),
    ("append", (M, V), {}),
    ("block", ([[M, M], [M, M]],), {}),
    ("insert", (V, 2, S), {}),
    ("insert", (M, 1, Operand((4,))), {"axis": 0}),
    ("broadcast_arrays", (Operand((3, 1)), Operand((4,))), {}),
    ("meshgrid", (W, V), {}),
    ("meshgrid", (W, V), {"indexing": "ij", "sparse": True}),
    ("fill_diagonal", (M, S), {"inplace": False}),
    ("where", (MASK, M, S), {}),
    ("select", ([MASK, Operand((3, 4), dtype=np.bool_)], [M, M]), {}),
    ("choose", (Operand((3, 4), 0, 1, np.int32), [M, M]), {"mode": "clip"}),
    ("take_along_axis", (M, Operand((3, 2), 0, 3, np.int64)), {"axis": 1}),
]:
    oracles = {
        "block": lambda arrays: np.block(arrays),
        "fill_diagonal": lambda a, val, inplace: (lambda c: (np.fill_diagonal(c, val), c)[1])(a.copy()),
        "choose": lambda a, choices, mode: np.choose(a, choices),
    }
    row("numpy", name, *args, kw=kw, oracle=oracles.get(name), dtypes=ALL)
row("numpy", "take", M, Operand((2, 2), 0, 2, np.int32), kw={"axis": 0}, dtypes=ALL)
row("numpy", "take", M, Operand((2, 2), -9, 9, np.int32), kw={"mode": "wrap"}, dtypes=ALL)
row("numpy", "take", V, Operand((3,), -9, 9, np.int32), kw={"mode": "clip"}, dtypes="if")
row("numpy", "take", MN, Operand((0,), 0, 2, np.int32), kw={"axis": 0}, dtypes="f")
row(
    "numpy",
    "put_along_axis",
    M,
    Operand((3, 1), 0, 3, np.int64),
    Operand((3, 1)),
    kw={"axis": 1, "inplace": False},
    dtypes=ALL,
    oracle=lambda a, i, v, axis, inplace: (lambda c: (np.put_along_axis(c, i, v, axis), c)[1])(a.copy()),
)
row("numpy", "compress", np.array([True, False, True]), M, kw={"axis": 0}, dtypes=ALL)
row("numpy", "extract", np.arange(12).reshape(3, 4) % 3 == 0, M, dtypes=ALL)
row("numpy", "apply_along_axis", lambda v: v.sum() * v, 0, M, dtypes="fc", tol=2)
row(
    "numpy",
    "apply_over_axes",
    lambda x, axis: x.sum(axis, keepdims=True),
    T,
    [0, 2],
    dtypes="if",
    tol=2,
    oracle=lambda f, x, axes: x.sum((0, 2), keepdims=True),
)
row(
    "numpy",
    "vectorize",
    lambda v: v * v + 1,
    dtypes="f",
    order=0,
    oracle=np.vectorize,
    jit=False,
    vmap=False,
    after=lambda f: f(np.arange(4.0)),
    result=np.float64,
    why="it returns a function",
)
row(
    "numpy",
    "piecewise",
    M,
    [MASK],
    [lambda v: v * v, lambda v: -v],
    dtypes="f",
    oracle=lambda x, c, f: np.where(c[0], x * x, -x),
)
row(
    "numpy",
    "ravel_multi_index",
    (Operand((3,), 0, 2, np.int64), Operand((3,), 0, 3, np.int64)),
    (3, 4),
    kw={"mode": "clip"},
    dtypes="f",
    order=0,
)
row("numpy", "unravel_index", Operand((3,), 0, 11, np.int64), (3, 4), dtypes="f", order=0)
row("numpy", "isin", M, Operand((4,)), dtypes="iuf", order=0, specials=False)
for name in ("ndim", "shape", "size"):
    row(
        "numpy",
        name,
        M,
        dtypes="ifc",
        after=lambda x: np.asarray(x),
        result=np.int64,
        jit=False,
        vmap=False,
        order=0,
        why="known from the type",
    )
for name in ("iscomplexobj", "isrealobj", "isscalar"):
    row(
        "numpy",
        name,
        M,
        dtypes="ifc",
        after=lambda x: np.asarray(x),
        jit=False,
        vmap=False,
        order=0,
        why="known from the type",
    )
row("numpy", "astype", M, np.float32, dtypes="biuhf", result=np.float32, order=0, oracle=lambda x, d: x.astype(d))

# ---- Sets

for name in ("intersect1d", "setdiff1d", "setxor1d", "union1d"):
    row("numpy", name, Operand((6,), 0, 5), Operand((4,), 0, 5), dtypes="iu", **SIZE)
row("numpy", "unique", Operand((3, 4), 0, 3), dtypes="iuf", specials=False, **SIZE)
row(
    "numpy",
    "unique",
    Operand((8,), 0, 3),
    kw={"return_index": True, "return_inverse": True, "return_counts": True},
    dtypes="iu",
    **SIZE,
)
for name in ("unique_all", "unique_counts", "unique_inverse"):
    row("numpy", name, Operand((3, 4), 0, 3), dtypes="iu", after=tuple, **SIZE)
row("numpy", "unique_values", Operand((8,), 0, 3), dtypes="iu", after=lambda x: np.sort(np.asarray(x)), **SIZE)

# ---- Made from numbers

for name, args, kw in [
    ("arange", (2, 11, 3), {"dtype": np.int32}),
    ("arange", (0.0, 2.0, 0.25), {}),
    ("linspace", (0.0, 3.0, 7), {}),
    ("linspace", (1.0, 2.0, 4), {"endpoint": False}),
    ("logspace", (0.0, 2.0, 5), {}),
    ("geomspace", (1.0, 256.0, 9), {}),
    ("eye", (3, 4, 1), {}),
    ("identity", (3,), {}),
    ("tri", (3, 4, -1), {}),
    ("zeros", ((2, 0),), {}),
    ("ones", ((2, 2),), {"dtype": np.int8}),
    ("full", ((2, 2), 3.5), {}),
    ("empty", ((2, 0),), {}),
    ("indices", ((2, 3),), {"dtype": np.int32}),
    ("tril_indices", (3, 1, 4), {}),
    ("triu_indices", (3, -1, 4), {}),
    ("diag_indices", (3, 2), {}),
    ("ix_", (np.array([0, 2]), np.array([1, 3, 4])), {}),
    ("bartlett", (7,), {}),
    ("blackman", (7,), {}),
    ("hamming", (7,), {}),
    ("hanning", (7,), {}),
    ("kaiser", (7, 2.5), {}),
    ("broadcast_shapes", ((2, 1), (3,)), {}),
    ("can_cast", (np.int8, np.int16), {}),
    ("issubdtype", (np.int8, np.integer), {}),
    ("isdtype", (np.dtype(np.float32), "real floating"), {}),
    ("isscalar", (3.0,), {}),
]:
    row("numpy", name, *args, kw=kw, dtypes="l", tol=2, floor=1e-3)
row(
    "numpy",
    "empty_like",
    M,
    dtypes="f",
    after=lambda x: np.asarray(x) * 0,
    oracle=np.zeros_like,
    order=0,
    specials=False,
    jit=False,
    vmap=False,
)
row("numpy", "tril_indices_from", M, dtypes="f", order=0)
row("numpy", "triu_indices_from", M, 1, dtypes="f", order=0)
row("numpy", "diag_indices_from", Operand((3, 3)), dtypes="f", order=0)
row(
    "numpy",
    "linspace",
    S,
    S,
    5,
    dtypes="fc",
    tol=4,
    specials=False,
    oracle=lambda a, b, n: a + (b - a) * np.arange(n) / (n - 1),
)
elsewhere("numpy", "of types, not arrays: tests/dtypes", "promote_types result_type")
elsewhere("numpy", "exchange of memory: tests/surface", "from_dlpack")
