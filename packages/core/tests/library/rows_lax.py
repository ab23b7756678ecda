"""Functions of cotan.lax on arrays: operands of one type, no promotion."""

from __future__ import annotations

import numpy as np
import scipy.special
from library.table import MN, M, Operand, S, T, V, elementwise, elsewhere, row

from cotan import lax

X = Operand((2, 3))
P = Operand((2, 3), 0.3, 3.0)
AWAY = Operand((2, 3), 0.5, 3.0)
U = Operand((2, 3), -0.9, 0.9)
ABOVE = Operand((2, 3), 1.2, 3.0)
# Operands broadcast only if one has no axes.
PLAIN = {"elementwise": False, "floor": 1e-3}
INDEX = Operand((), 0, 2, np.int32)
BOOL = Operand((2, 3), dtype=np.bool_)
REAL, ALL = "iuhf", "iuhfc"

# ---- Elementwise

for names, x, dtypes in [
    ("exp sin cos tanh sinh cosh atan", X, "hfc"),
    ("tan asinh", X, "hfc"),
    ("exp2 expm1", X, "hf"),
    ("log log1p sqrt", P, "hfc"),
    ("asin acos atanh", U, "hfc"),
    ("acosh", ABOVE, "hfc"),
    ("cbrt", P, "hf"),
    ("ceil floor", X, "hf"),
    ("sign", X, "iuhf"),
    ("abs", X, "iuhfc"),
    ("square", X, "iuhfc"),
    ("reciprocal", AWAY, "hfc"),
    ("conj real imag", X, "c"),
]:
    for name in names.split():
        elementwise("lax", name, x, dtypes=dtypes, oracle=getattr(np, name), tol=8, edges=False)
for name, oracle, x, dtypes in [
    ("neg", np.negative, X, "iuhfc"),
    ("bitwise_not", np.invert, X, "biu"),
    ("is_finite", np.isfinite, X, "hf"),
    ("rsqrt", lambda x: 1 / np.sqrt(x), P, "hfc"),
    ("logistic", lambda x: 1 / (1 + np.exp(-x)), X, "hfc"),
    ("erf", scipy.special.erf, X, "hf"),
    ("erfc", scipy.special.erfc, X, "f"),
    ("erf_inv", scipy.special.erfinv, U, "f"),
    ("lgamma", scipy.special.gammaln, P, "f"),
    ("digamma", scipy.special.digamma, P, "f"),
    ("bessel_i0e", scipy.special.i0e, X, "f"),
    ("bessel_i1e", scipy.special.i1e, X, "f"),
    ("round", lambda x: np.trunc(x + np.copysign(0.5, x)), X, "hf"),
    ("population_count", np.bitwise_count, X, "iu"),
    ("stop_gradient", lambda x: x, X, "iuhfc"),
    ("optimization_barrier", lambda x: x, X, "iuhfc"),
]:
    still = {"order": 0} if name == "stop_gradient" else {}
    given = {"result": "given"} if name == "population_count" else {}
    elementwise("lax", name, x, dtypes=dtypes, oracle=oracle, tol=16, edges=False, **still, **given)
row(
    "lax",
    "clz",
    Operand((3,), 1, 9),
    dtypes="iu",
    native=True,
    oracle=lambda x: np.array(
        [x.dtype.itemsize * 8 - int(v).bit_length() if v >= 0 else 0 for v in x.tolist()], x.dtype
    ),
)
row("lax", "integer_pow", AWAY, 3, oracle=lambda x, n: x**n, dtypes="iuhfc", tol=4)
row("lax", "integer_pow", AWAY, -2, oracle=lambda x, n: x**n, dtypes="fc", tol=4)
for names, x, y, dtypes in [
    ("add subtract:sub multiply:mul", X, X, "iuhfc"),
    ("divide:div", X, AWAY, "fhc"),
    ("fmod:rem", X, AWAY, "iuhf"),
    ("maximum:max minimum:min", X, X, "biuhf"),
    ("power:pow", P, X, "hfc"),
    ("arctan2:atan2", X, X, "hf"),
    ("nextafter", X, X, "f"),
    ("bitwise_and bitwise_or bitwise_xor", X, X, "biu"),
    ("equal:eq not_equal:ne", X, X, "biuhfc"),
    ("greater:gt greater_equal:ge less:lt less_equal:le", X, X, "biuhf"),
]:
    for pair in names.split():
        theirs, _, ours = pair.partition(":")
        own = {"native": True, "order": 0} if theirs == "nextafter" else {}
        row("lax", ours or theirs, x, y, dtypes=dtypes, oracle=getattr(np, theirs), tol=16, **PLAIN, **own)
        row(
            "lax",
            ours or theirs,
            x,
            Operand((), y.low, y.high),
            dtypes="f" if "f" in dtypes else dtypes,
            oracle=getattr(np, theirs),
            tol=16,
            **PLAIN,
            **own,
        )
row("lax", "complex", X, X, oracle=lambda a, b: a + 1j * b, **PLAIN, specials=False)
row("lax", "shift_left", X, Operand((2, 3), 0, 3), dtypes="iu", oracle=np.left_shift)
row("lax", "shift_right_arithmetic", X, Operand((2, 3), 0, 3), dtypes="i", oracle=np.right_shift)
row("lax", "shift_right_logical", X, Operand((2, 3), 0, 3), dtypes="u", oracle=np.right_shift)
row(
    "lax",
    "mulhi",
    Operand((3,), 10**6, 10**9, np.int32),
    Operand((3,), 10**6, 10**9, np.int32),
    dtypes="f",
    native=True,
    result=np.int32,
    oracle=lambda a, b: (a.astype(np.int64) * b >> 32).astype(np.int32),
)
row(
    "lax",
    "clamp",
    Operand((), -2, -0.5),
    X,
    Operand((), 0.5, 2),
    dtypes="iuhf",
    oracle=lambda a, x, b: np.clip(x, a, b),
)
row("lax", "igamma", P, P, oracle=scipy.special.gammainc, tol=128, order=1, slope_tol=1e-5, specials=False)
row("lax", "igammac", P, P, oracle=scipy.special.gammaincc, tol=128, order=1, slope_tol=1e-5, specials=False)
row("lax", "polygamma", Operand((2, 3), 1, 1, slope=False), P, oracle=scipy.special.polygamma, tol=64, specials=False)
row("lax", "betainc", P, P, Operand((2, 3), 0.1, 0.9), oracle=scipy.special.betainc, tol=128, order=0, specials=False)
row("lax", "zeta", Operand((2, 3), 1.5, 4), P, oracle=scipy.special.zeta, tol=64, order=0, specials=False)
row("lax", "select", BOOL, X, X, dtypes="biuhfc", oracle=np.where)
row("lax", "select_n", Operand((2, 3), 0, 2, np.int32), X, X, X, dtypes="biuhfc", oracle=lambda w, *c: np.choose(w, c))
row(
    "lax",
    "convert_element_type",
    M,
    np.float32,
    dtypes="biuhf",
    result=np.float32,
    order=0,
    oracle=lambda x, d: x.astype(d),
)
elsewhere(
    "lax",
    "derivatives of the incomplete gamma function: tests/primitives/test_incomplete.py",
    "igamma_grad_a random_gamma_grad",
)

# ---- Shapes

BT = np.broadcast_to
for name, args, kw, oracle in [
    ("broadcast", (M, (2,)), {}, lambda x, s: BT(x, (2, 3, 4))),
    ("broadcast_in_dim", (V, (2, 5), (1,)), {}, lambda x, s, d: BT(x, s)),
    ("broadcast_in_dim", (M, (3, 2, 4), (0, 2)), {}, lambda x, s, d: BT(x[:, None], s)),
    ("broadcast_to_rank", (V, 3), {}, lambda x, r: x[None, None]),
    ("collapse", (T, 1, 3), {}, lambda x, a, b: x.reshape(2, 12)),
    ("concatenate", ([M, M], 1), {}, np.concatenate),
    ("concatenate", ([MN, MN], 0), {}, np.concatenate),
    ("expand_dims", (M, (0, 3)), {}, np.expand_dims),
    ("reshape", (M, (2, 6)), {}, np.reshape),
    ("rev", (T, (0, 2)), {}, np.flip),
    ("slice", (M, (1, 0), (3, 4), (1, 2)), {}, lambda x, a, b, s: x[1:3, 0:4:2]),
    ("slice_in_dim", (M, 1, 4, 2), {"axis": 1}, lambda x, a, b, s, axis: x[:, 1:4:2]),
    ("index_in_dim", (M, 1), {"axis": 1, "keepdims": False}, lambda x, i, axis, keepdims: x[:, 1]),
    ("split", (V, (2, 3)), {}, lambda x, s: [x[:2], x[2:]]),
    ("squeeze", (Operand((1, 3, 1)), (0, 2)), {}, np.squeeze),
    ("stack", ([V, V], 1), {}, np.stack),
    ("tile", (M, (2, 1)), {}, np.tile),
    ("transpose", (T, (2, 0, 1)), {}, np.transpose),
    ("unstack", (M, 1), {}, lambda x, axis: list(np.moveaxis(x, axis, 0))),
    ("full_like", (M, 2), {}, np.full_like),
    ("stage", (M,), {}, lambda x: x),
]:
    row("lax", name, *args, kw=kw, oracle=oracle, dtypes="biuhfc")
row("lax", "broadcast_like", V, M.__class__((3, 5)), oracle=lambda x, y: BT(x, y.shape), dtypes="iuhfc")
row("lax", "pad", M, S, ((1, 0, 1), (-1, 2, 0)), dtypes="iuhfc", oracle=lambda x, v, c: _padded(x, v))
row(
    "lax",
    "top_k",
    Operand((3, 6)),
    2,
    dtypes="iuhf",
    specials=False,
    result=None,
    oracle=lambda x, k: (
        np.sort(x)[:, ::-1][:, :k],
        np.argsort(-x.astype(np.float64), kind="stable")[:, :k].astype(np.int32),
    ),
)
for name, flip in (("approx_max_k", 1), ("approx_min_k", -1)):
    row(
        "lax",
        name,
        Operand((3, 6)),
        2,
        dtypes="f",
        specials=False,
        oracle=lambda x, k, f=flip: (
            f * np.sort(f * x)[:, ::-1][:, :k],
            np.argsort(-f * x, kind="stable")[:, :k].astype(np.int32),
        ),
    )
row("lax", "sort", M, 0, dtypes="biuhf", oracle=np.sort)
row(
    "lax",
    "sort_key_val",
    V,
    V,
    dtypes="iuhf",
    specials=False,
    oracle=lambda k, v: (np.sort(k), v[np.argsort(k, kind="stable")]),
)
row(
    "lax",
    "dynamic_index_in_dim",
    M,
    INDEX,
    kw={"axis": 0, "keepdims": False},
    dtypes="iuhfc",
    oracle=lambda x, i, axis, keepdims: x[i],
)
row(
    "lax",
    "dynamic_slice",
    M,
    (INDEX, Operand((), 0, 9, np.int32)),
    (2, 3),
    dtypes="iuhfc",
    oracle=lambda x, at, sizes: x[min(at[0], 1) : min(at[0], 1) + 2, min(at[1], 1) : min(at[1], 1) + 3],
)
row("lax", "dynamic_slice_in_dim", M, INDEX, 2, dtypes="iuhfc", oracle=lambda x, i, n: x[min(i, 1) : min(i, 1) + 2])
row(
    "lax", "dynamic_update_slice", V, Operand((2,)), (INDEX,), dtypes="iuhfc", oracle=lambda x, y, at: _put(x, y, at[0])
)
row(
    "lax",
    "dynamic_update_slice_in_dim",
    V,
    Operand((2,)),
    INDEX,
    0,
    dtypes="iuhfc",
    oracle=lambda x, y, i, axis: _put(x, y, i),
)
row("lax", "dynamic_update_index_in_dim", V, S, INDEX, 0, dtypes="iuhfc", oracle=lambda x, y, i, axis: _put(x, [y], i))
row("lax", "index_take", M, [Operand((2,), 0, 2, np.int32)], (0,), dtypes="iuhfc", oracle=lambda x, i, axes: x[i[0]])


def _padded(x, value):
    """Edges 1 and 0 with one between rows; one column off, two added."""
    result = np.full((6, 5), value, np.result_type(x))
    result[1::2, :3] = x[:, 1:]
    return result


def _put(x, y, at):
    x = x.copy()
    x[at : at + len(y)] = y
    return x


# ---- Reductions and products

for ours, theirs, dtypes in [
    ("sum", np.sum, "iuhfc"),
    ("prod", np.prod, "iuhfc"),
    ("max", np.max, "iuhf"),
    ("min", np.min, "iuhf"),
    ("and", np.bitwise_and.reduce, "biu"),
    ("or", np.bitwise_or.reduce, "biu"),
    ("xor", np.bitwise_xor.reduce, "biu"),
]:
    row("lax", f"reduce_{ours}", T, (0, 2), dtypes=dtypes, oracle=theirs, result="given", tol=2)
    row("lax", f"reduce_{ours}", MN, (1,), dtypes=dtypes, oracle=theirs, result="given", tol=2)
for ours, theirs in [
    ("cumsum", np.cumsum),
    ("cumprod", np.cumprod),
    ("cummax", np.maximum.accumulate),
    ("cummin", np.minimum.accumulate),
    ("cumlogsumexp", np.logaddexp.accumulate),
]:
    dtypes = {"cumsum": "iuhfc", "cumprod": "iuhfc", "cumlogsumexp": "f"}.get(ours, "iuhf")
    row("lax", ours, M, 1, dtypes=dtypes, oracle=theirs, result="given", tol=4)
    row(
        "lax",
        ours,
        M,
        kw={"axis": 0, "reverse": True},
        dtypes="f",
        tol=4,
        oracle=lambda x, axis, reverse, f=theirs: np.flip(f(np.flip(x, 0), 0), 0),
    )
for name, f in (("argmax", np.argmax), ("argmin", np.argmin)):
    row("lax", name, M, 1, np.int32, dtypes="iuhf", oracle=lambda x, axis, d, f=f: f(x, axis), result=np.int32)
row("lax", "dot", M, Operand((4, 2)), dtypes="iuhfc", oracle=np.dot, tol=4)
row("lax", "batch_matmul", T, Operand((2, 4, 2)), dtypes="iuhfc", oracle=np.matmul, tol=4)
row(
    "lax",
    "dot_general",
    T,
    Operand((4, 2, 5)),
    (((2,), (0,)), ((0,), (1,))),
    dtypes="iuhfc",
    tol=4,
    oracle=lambda a, b, d: np.einsum("bik,kbj->bij", a, b),
)
row(
    "lax",
    "fft",
    Operand((3, 6)),
    "FFT",
    (6,),
    dtypes="c",
    tol=8,
    specials=False,
    oracle=lambda x, kind, n: np.fft.fft(x),
)
row(
    "lax",
    "fft",
    Operand((3, 6)),
    "RFFT",
    (6,),
    dtypes="f",
    tol=8,
    specials=False,
    oracle=lambda x, kind, n: np.fft.rfft(x),
)


def _windows(x, w):
    """Correlation of the last axes, without padding."""
    seen = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    return np.einsum("ncijkl,ockl->noij", seen, w)


IMAGE, KERNEL = Operand((2, 2, 4, 5)), Operand((3, 2, 2, 3))
CONV = {"tol": 16, "specials": False, "dtypes": "fc"}
row("lax", "conv", IMAGE, KERNEL, (1, 1), "VALID", **CONV, oracle=lambda x, w, s, p: _windows(x, w))
row(
    "lax",
    "conv_with_general_padding",
    IMAGE,
    KERNEL,
    (1, 1),
    ((1, 0), (0, 2)),
    None,
    None,
    **CONV,
    oracle=lambda x, w, s, p, a, b: _windows(np.pad(x, ((0, 0), (0, 0), *p)), w),
)
row(
    "lax",
    "conv_general_dilated",
    IMAGE,
    KERNEL,
    (2, 1),
    "VALID",
    **CONV,
    oracle=lambda x, w, s, p: _windows(x, w)[:, :, ::2],
)
row(
    "lax",
    "conv_transpose",
    IMAGE,
    Operand((2, 3, 3, 2)),
    (1, 1),
    "VALID",
    kw={"dimension_numbers": ("NCHW", "HWOI", "NCHW")},
    **CONV,
    oracle=lambda x, w, s, p, dimension_numbers: _windows(
        np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2))), np.transpose(w, (2, 3, 0, 1))
    ),
)
row(
    "lax",
    "conv_general_dilated_patches",
    IMAGE,
    (2, 3),
    (1, 1),
    "VALID",
    **CONV,
    oracle=lambda x, f, s, p: np.moveaxis(
        np.lib.stride_tricks.sliding_window_view(x, f, axis=(2, 3)).reshape(2, 2, 3, 3, 6), -1, 2
    ).reshape(2, 12, 3, 3),
)
row(
    "lax",
    "reduce_window",
    MN.__class__((4, 5)),
    -np.inf,
    lax.max,
    (2, 2),
    (1, 1),
    "VALID",
    dtypes="f",
    specials=False,
    oracle=lambda x, i, f, w, s, p: np.lib.stride_tricks.sliding_window_view(x, w).max((-1, -2)),
)

# ---- From numbers

for name, args, oracle in [
    ("broadcasted_iota", (np.int32, (2, 3), 1), lambda d, s, k: BT(np.arange(3, dtype=d), s)),
    ("iota", (np.float32, 4), lambda d, n: np.arange(n, dtype=d)),
    ("full", ((2, 3), 7, np.float32), np.full),
    ("empty", ((2, 0), np.float32), np.empty),
    ("broadcast_shapes", ((2, 1), (3,)), np.broadcast_shapes),
    ("shape_as_value", ((2, 3),), lambda s: np.array(s)),
    ("padtype_to_pads", ((5, 5), (3, 2), (2, 1), "SAME"), lambda *_: [(1, 1), (0, 1)]),
    ("conv_shape_tuple", ((2, 2, 4, 5), (3, 2, 2, 3), (1, 1), ((0, 0), (0, 0))), lambda *_: (2, 3, 3, 3)),
    (
        "conv_general_shape_tuple",
        ((2, 2, 4, 5), (3, 2, 2, 3), (1, 1), "VALID", ("NCHW", "OIHW", "NCHW")),
        lambda *_: (2, 3, 3, 3),
    ),
    (
        "conv_transpose_shape_tuple",
        ((2, 2, 4, 5), (3, 2, 2, 3), (1, 1), "VALID", ("NCHW", "OIHW", "NCHW")),
        lambda *_: (2, 3, 5, 7),
    ),
    ("reduce_window_shape_tuple", ((4, 5), (2, 2), (1, 2), ((0, 0), (0, 1))), lambda *_: (3, 3)),
    ("conv_general_permutations", (("NHWC", "HWIO", "NHWC"),), lambda _: ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))),
]:
    typed = {"result": np.float32} if np.float32 in args else {}
    row("lax", name, *args, oracle=oracle, dtypes="l", **typed)
elsewhere(
    "lax",
    "control flow: tests/lax/test_control_flow.py and test_solves.py",
    "associative_scan cond custom_linear_solve custom_root fori_loop map scan switch while_loop platform_dependent "
    "reduce",
)
elsewhere(
    "lax",
    "collectives, over named axes: tests/lax/test_parallel.py",
    "all_gather all_to_all axis_index axis_size pbroadcast pcast pmax pmean pmin ppermute pshuffle psum psum_scatter "
    "pswapaxes",
)
elsewhere(
    "lax",
    "marks in programs: tests/lax/test_marks.py",
    "after_all composite create_token dce_sink with_sharding_constraint",
)
elsewhere(
    "lax",
    "names of types: tests/lax",
    "ConvGeneralDilatedDimensionNumbers DotDimensionNumbers PrecisionLike dtype conv_dimension_numbers",
)
elsewhere("lax", "a kernel at every place: tests/lax/test_conv.py", "conv_general_dilated_local")
elsewhere(
    "lax",
    "ragged and scaled groups, raw generators: tests/lax/test_ragged.py, test_products_by_algorithm.py, tests/random",
    "ragged_all_to_all ragged_dot ragged_dot_general rng_bit_generator rng_uniform scaled_dot",
)
