"""Gathers, scatters and bits of cotan.lax."""

from __future__ import annotations

import numpy as np
from library.table import M, Operand, V, row

from cotan import lax

AT = Operand((2, 1), 0, 2, np.int32)
ONCE = Operand((2, 1), made=lambda x: np.array([[2], [0]]), dtype=np.int32)
ROWS = lax.GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))
INTO = lax.ScatterDimensionNumbers(
    update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,)
)
NEW = Operand((2, 4))

row("lax", "gather", M, AT, ROWS, (1, 4), dtypes="biuhfc", oracle=lambda x, i, d, sizes: x[i[:, 0]])
row("lax", "gather", M, Operand((2, 1), -1, 3, np.int32), ROWS, (1, 4), dtypes="iuf",
    kw={"mode": lax.GatherScatterMode.CLIP},
    oracle=lambda x, i, d, sizes, mode: x[np.clip(i[:, 0], 0, 2)])  # fmt: skip
row("lax", "gather", M, Operand((3, 1), 1, 9, np.int32), ROWS, (1, 4), dtypes="f",
    kw={"mode": lax.GatherScatterMode.FILL_OR_DROP, "fill_value": 7},
    oracle=lambda x, i, d, sizes, mode, fill_value: np.where(i < 3, x[np.minimum(i[:, 0], 2)], fill_value))  # fmt: skip


def scattered(combine):
    """By a loop over updates."""

    def oracle(x, i, y, d, **_):
        x = x.copy()
        for (k,), new in zip(i, y, strict=True):
            x[k] = combine(x[k], new)
        return x

    return oracle


for name, combine, dtypes in [
    ("scatter_add", np.add, "iuhfc"),
    ("scatter_sub", np.subtract, "iuhfc"),
    ("scatter_mul", np.multiply, "iuhfc"),
    ("scatter_max", np.maximum, "iuhf"),
    ("scatter_min", np.minimum, "iuhf"),
]:
    row("lax", name, M, AT, NEW, INTO, dtypes=dtypes, tol=2, oracle=scattered(combine))
row("lax", "scatter", M, ONCE, NEW, INTO, dtypes="biuhfc", oracle=scattered(lambda old, new: new))
row("lax", "scatter_mul", M, ONCE, NEW, INTO, dtypes="f", kw={"unique_indices": True}, oracle=scattered(np.multiply))
row("lax", "scatter_apply", M, ONCE, lax.square, INTO, kw={"update_shape": (2, 4)}, dtypes="f",
    oracle=lambda x, i, f, d, update_shape: np.where(np.isin(np.arange(3), i[:, 0])[:, None], x * x, x))  # fmt: skip
row("lax", "bitcast_convert_type", Operand((3, 2), dtype=np.float32), np.int32, dtypes="f", native=True,
    result=np.int32, oracle=lambda x, d: np.ascontiguousarray(x).view(d))  # fmt: skip
row("lax", "bitcast_convert_type", V, np.uint8, dtypes="f", native=True, result=np.uint8, specials=False,
    oracle=lambda x, d: np.ascontiguousarray(x)[:, None].view(d))  # fmt: skip
row("lax", "reduce_precision", V, 5, 10, dtypes="f", order=0, tol=0, specials=False,
    oracle=lambda x, exponent, mantissa: x.astype(np.float16))  # fmt: skip
