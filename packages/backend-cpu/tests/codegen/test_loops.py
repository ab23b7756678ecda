"""Loop trees by hand on every target: strides, guards, gathers, scatters, scans, several outputs, units of work."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_harness import run_tree, targets

from cotan.ir import scalar
from cotan.ir.index import Axis, axis_index, const_index
from cotan.ir.program import Let, Loop, ReduceLoop, ScanLoop, Store
from cotan.ir.scalar import Combiner, Expr

F32 = np.dtype(np.float32)
I32 = np.dtype(np.int32)
TARGETS = pytest.mark.parametrize("target", targets(), ids=lambda target: target.cpu)
RNG = np.random.default_rng(3)


def rand(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def nest(axes: list[Axis], *body: object) -> list:
    nodes: tuple = body
    for axis in reversed(axes):
        nodes = (Loop(axis, nodes),)
    return list(nodes)


def grid(*shape: int) -> tuple[list[Axis], list]:
    axes = [Axis(f"i{n}", extent) for n, extent in enumerate(shape)]
    return axes, [axis_index(axis) for axis in axes]


@TARGETS
@pytest.mark.parametrize("shape", [(3, 5), (17, 33), (64, 64), (100, 7), (1, 40), (40, 1), (130, 129)])
def test_transposed_operand(shape, target):
    m, n = shape
    x, y = rand(m, n), rand(n, m)
    out = np.zeros((m, n), np.float32)
    axes, (i, j) = grid(m, n)
    value = scalar.add(scalar.load(0, i * n + j, F32), scalar.load(1, j * m + i, F32))
    run_tree(nest(axes, Store(2, i * n + j, value)), [x, y, out], [2], target)
    assert np.array_equal(out, x + y.T)


@TARGETS
@pytest.mark.parametrize("stride", [-3, -1, 1, 2, 3, 7])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "bool", "float64"])
def test_strided_loads(stride, dtype, target):
    n = 77
    x = (RNG.normal(size=abs(stride) * n) * 50).astype(np.int32).astype(dtype)
    out = np.zeros(n, dtype)
    axes, (i,) = grid(n)
    start = 0 if stride > 0 else -stride * (n - 1)
    run_tree(nest(axes, Store(1, i, scalar.load(0, i * stride + start, x.dtype))), [x, out], [1], target)
    assert np.array_equal(out, x[start::stride][:n])


@TARGETS
@pytest.mark.parametrize("shape", [(6, 50), (5, 3), (4, 16), (2, 129)])
def test_strided_stores(shape, target):
    m, n = shape
    x = rand(m, n)
    out = np.zeros((n, m), np.float32)
    axes, (i, j) = grid(m, n)
    run_tree(nest(axes, Store(1, j * m + i, scalar.load(0, i * n + j, F32))), [x, out], [1], target)
    assert np.array_equal(out, x.T)


@TARGETS
@pytest.mark.parametrize(("m", "n"), [(4, 3), (7, 16), (9, 32), (3, 100), (5, 64)])
def test_quotients_of_a_collapsed_axis(m, n, target):
    x, row, column = rand(m, n), rand(n), rand(m)
    out = np.zeros((m, n), np.float32)
    axes, (i,) = grid(m * n)
    value = scalar.mul(scalar.load(0, i, F32), scalar.load(1, i % n, F32))
    value = scalar.add(value, scalar.load(2, i // n, F32))
    run_tree(nest(axes, Store(3, i, value)), [x, row, column, out], [3], target)
    assert np.allclose(out, x * row + column[:, None], rtol=1e-6)


@TARGETS
@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64"])
@pytest.mark.parametrize(("m", "n"), [(100, 3), (1190, 3), (211, 6), (333, 2), (90, 5), (77, 7), (1000, 12)])
def test_short_inner_axis(m, n, dtype, target):
    x, row, column = (RNG.integers(0, 9, shape).astype(dtype) for shape in ((m, n), (n,), (n, m)))
    out = np.zeros((m, n), dtype)
    guarded = at_page_end(out)
    axes, (i, j) = grid(m, n)
    value = scalar.mul(scalar.load(0, i * n + j, x.dtype), scalar.load(1, j, x.dtype))
    value = scalar.add(value, scalar.load(2, j * m + i, x.dtype))
    run_tree(nest(axes, Store(3, i * n + j, value)), [x, row, column, guarded], [3], target)
    assert np.array_equal(guarded, x * row + column.T)


@TARGETS
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64"])
@pytest.mark.parametrize("n", [1, 5, 40, 200])
def test_pad_reads_nothing_outside(n, dtype, target):
    x = (RNG.normal(size=n) * 50).astype(np.int32).astype(dtype)
    low, high = 3, 4
    out = np.zeros(n + low + high, dtype)
    axes, (i,) = grid(out.size)
    value = scalar.guard([(i - low, 0, n)], scalar.load(0, i - low, x.dtype), scalar.const(9, dtype))
    run_tree(nest(axes, Store(1, i, value)), [x, out], [1], target)
    assert np.array_equal(out, np.pad(x, (low, high), constant_values=9))


def at_page_end(array: np.ndarray) -> np.ndarray:
    """A copy that ends where memory ends: reading behind it, or before its page, is a fault."""
    import ctypes
    import mmap

    page = mmap.PAGESIZE
    count = -(-array.nbytes // page)
    area = mmap.mmap(-1, (count + 2) * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc = ctypes.CDLL(None)
    for place in (address, address + (count + 1) * page):
        if libc.mprotect(ctypes.c_void_p(place), ctypes.c_size_t(page), 0):
            pytest.skip("this system does not protect pages")
    view = np.frombuffer(area, array.dtype, array.size, (count + 1) * page - array.nbytes)
    view[:] = array.ravel()
    return view.reshape(array.shape)


@TARGETS
@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64", "int16"])
@pytest.mark.parametrize("n", [1, 3, 15, 16, 17, 63, 65, 100, 333])
def test_nothing_is_read_behind_the_end(n, dtype, target):
    x = at_page_end((RNG.normal(size=n) * 50).astype(np.int32).astype(dtype))
    out = at_page_end(np.zeros(2 * n + 5, dtype))
    axes, (i,) = grid(out.size)
    inner = scalar.guard([(i - n, 0, n)], scalar.load(0, i - n, x.dtype), scalar.const(1, dtype))
    value = scalar.guard([(i, 0, n)], scalar.load(0, i * -1 + (n - 1), x.dtype), inner)
    run_tree(nest(axes, Store(1, i, value)), [x, out], [1], target)
    assert np.array_equal(out, np.concatenate([x[::-1], x, np.ones(5, dtype)]))


@TARGETS
@pytest.mark.parametrize("n", [5, 16, 50])
def test_two_dimensional_pad_and_windows(n, target):
    m = 6
    x = at_page_end(rand(m, n))
    out = np.zeros((m + 2, n + 2), np.float32)
    axes, (i, j) = grid(m + 2, n + 2)
    inside = [(i - 1, 0, m), (j - 1, 0, n)]
    value = scalar.guard(inside, scalar.load(0, (i - 1) * n + j - 1, F32), scalar.const(0, F32))
    run_tree(nest(axes, Store(1, i * (n + 2) + j, value)), [x, out], [1], target)
    assert np.array_equal(out, np.pad(x, 1))


@TARGETS
@pytest.mark.parametrize(("window", "low"), [((3, 3), 1), ((4, 4), 2), ((1, 9), 4), ((2, 5), 0), ((5, 5), 2)])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 5), (7, 16), (5, 23), (3, 70)])
@pytest.mark.parametrize("stride", [1, 2])
def test_sums_over_windows_that_reach_out(window, low, m, n, stride, target):
    """Every element of a small window is written out, and the loops are cut where windows begin to reach out."""
    x, w = at_page_end(rand(m, n)), rand(*window)
    wanted = np.lib.stride_tricks.sliding_window_view(np.pad(x.astype(np.float64), 5), window)
    wanted = np.einsum("ijkl,kl->ij", wanted, w)[5 - low : 5 - low + m, 5 - low : 5 - low + n : stride]
    out = np.zeros((m, -(-n // stride)), np.float32)
    axes, (i, j) = grid(*out.shape)

    def element(k, c):
        row, column = i + k - low, j * stride + c - low
        read = scalar.load(0, row * n + column, F32)
        value = scalar.guard([(row, 0, m), (column, 0, n)], read, scalar.const(0, F32))
        return [scalar.mul(value, scalar.load(1, k * window[1] + c, F32))]

    [total] = scalar.reduce("add", window, [scalar.const(0, F32)], element)
    store = Store(2, i * out.shape[1] + j, total)
    node = total.args[0]
    run_tree(nest(axes, ReduceLoop(node, node.attr[1], ((),) * len(node.attr[1])), store), [x, w, out], [2], target)
    np.testing.assert_allclose(out, wanted, rtol=1e-5, atol=1e-5)


@TARGETS
def test_empty_operand_behind_a_guard(target):
    x, y = np.zeros(0, np.float32), rand(20)
    out = np.zeros(20, np.float32)
    axes, (i,) = grid(20)
    value = scalar.make("guard", F32, (scalar.load(0, i, F32), scalar.load(1, i, F32)), ((i, 0, 0),))
    run_tree(nest(axes, Store(2, i, value)), [x, y, out], [2], target)
    assert np.array_equal(out, y)


@TARGETS
@pytest.mark.parametrize("index_dtype", ["int32", "int64", "uint8"])
@pytest.mark.parametrize("n", [3, 16, 75])
def test_gather_rows_and_elements(n, index_dtype, target):
    table = at_page_end(rand(9, n))
    picks = RNG.integers(0, 9, 21).astype(index_dtype)
    out = np.zeros((21, n), np.float32)
    axes, (i, j) = grid(21, n)
    row = scalar.as_index(scalar.load(1, i, picks.dtype), 0, 8)
    run_tree(nest(axes, Store(2, i * n + j, scalar.load(0, row * n + j, F32))), [table, picks, out], [2], target)
    assert np.array_equal(out, table[picks])
    one = np.zeros(21, np.float32)
    axes, (i,) = grid(21)
    row = scalar.as_index(scalar.load(1, i, picks.dtype), 0, 8)
    run_tree(nest(axes, Store(2, i, scalar.load(0, row * n + 1, F32))), [table, picks, one], [2], target)
    assert np.array_equal(one, table[picks, 1])


@TARGETS
def test_scatter_with_conditions_in_order(target):
    updates, places = rand(40), RNG.integers(-3, 12, 40).astype(np.int32)
    for combine, name in [(None, "set"), (scalar.add, "add"), ("max", "max")]:
        out = rand(10)
        want = out.copy()
        axis = Axis("u", 40, "sequential")
        u = axis_index(axis)
        target_index = scalar.as_index(scalar.load(1, u, I32), -3, 11)
        store = Store(2, target_index, scalar.load(0, u, F32), ((target_index, 0, 10),), combine)
        run_tree([Loop(axis, (store,))], [updates, places, out], [2], target)
        for value, place in zip(updates, places):
            if 0 <= place < 10:
                old = want[place]
                want[place] = value if name == "set" else old + value if name == "add" else max(old, value)
        assert np.array_equal(out, want), name


@TARGETS
@pytest.mark.parametrize("shape", [(4, 6), (33, 20), (1, 9), (50, 50)])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("along", [0, 1])
def test_scans(shape, reverse, along, target):
    x = RNG.integers(-9, 9, shape).astype(np.int32)
    out = np.zeros(shape, np.int32)
    n = shape[1]
    outer, inner = Axis("o", shape[1 - along]), Axis("k", shape[along], "sequential")
    o, k = axis_index(outer), axis_index(inner)
    index = o * n + k if along else k * n + o
    scan = ScanLoop(inner, "add", (scalar.const(0, I32),), (scalar.load(0, index, I32),), ((1, index, 0),), reverse)
    run_tree([Loop(outer, (scan,))], [x, out], [1], target)
    view = np.flip(x, along) if reverse else x
    want = np.cumsum(view, along, dtype=np.int32)
    assert np.array_equal(out, np.flip(want, along) if reverse else want)


def argmax() -> Combiner:
    def combine(a: list[Expr], b: list[Expr]) -> list[Expr]:
        better = scalar.or_(scalar.gt(a[0], b[0]), scalar.and_(scalar.eq(a[0], b[0]), scalar.lt(a[1], b[1])))
        return [scalar.select(better, a[0], b[0]), scalar.select(better, a[1], b[1])]

    return Combiner("argmax", lambda a, b: combine(list(a), list(b)))


@TARGETS
@pytest.mark.parametrize("shape", [(5, 9), (6, 100), (40, 17), (5, 1000), (20, 5)])
@pytest.mark.parametrize("along", [0, 1])
def test_argmax_has_two_states(shape, along, target):
    x = RNG.integers(0, 5, shape).astype(np.float32)
    n = shape[1]
    outer = Axis("o", shape[1 - along])
    o = axis_index(outer)
    inits = [scalar.const(-np.inf, F32), scalar.const(np.iinfo(np.int32).max, I32)]
    results = scalar.reduce(
        argmax(), (shape[along],), inits,
        lambda r: [scalar.load(0, o * n + r if along else r * n + o, F32), scalar.index_value(r)],
    )  # fmt: skip
    node = results[0].args[0]
    values, places = np.zeros(outer.extent, np.float32), np.zeros(outer.extent, np.int32)
    tree = [Loop(outer, (ReduceLoop(node, node.attr[1], ((),)), Store(1, o, results[0]), Store(2, o, results[1])))]
    run_tree(tree, [x, values, places], [1, 2], target)
    assert np.array_equal(places, x.argmax(along))
    assert np.array_equal(values, x.max(along))


@TARGETS
@pytest.mark.parametrize("shape", [(3, 10), (20, 100), (5, 1000), (70, 16), (4, 3)])
def test_softmax_is_one_tree(shape, target):
    m, n = shape
    x, out = rand(m, n) * 3, np.zeros(shape, np.float32)
    axis, inner = Axis("i", m), Axis("j", n)
    i, j = axis_index(axis), axis_index(inner)
    element = lambda r: scalar.load(0, i * n + r, F32)  # noqa: E731
    (top,) = scalar.reduce("max", (n,), [scalar.const(-np.inf, F32)], lambda r: [element(r)])
    (total,) = scalar.reduce("add", (n,), [scalar.const(0, F32)], lambda r: [scalar.exp(scalar.sub(element(r), top))])
    body = [Loop(inner, (Store(1, i * n + j, scalar.div(scalar.exp(scalar.sub(element(j), top)), total)),))]
    loops = [ReduceLoop(e.args[0], e.args[0].attr[1], ((),)) for e in (top, total) if e.op == "project"]
    run_tree([Loop(axis, (*loops, Let(total), *body))], [x, out], [1], target)
    e = np.exp(x.astype(np.float64) - x.max(1, keepdims=True))
    assert np.allclose(out, e / e.sum(1, keepdims=True), rtol=2e-6)


@TARGETS
def test_several_outputs_of_several_widths(target):
    x = rand(150)
    half, flag, wide = np.zeros(150, np.float16), np.zeros(150, bool), np.zeros(150, np.float64)
    axes, (i,) = grid(150)
    e = scalar.load(0, i, F32)
    stores = [
        Store(1, i, scalar.cast(e, np.float16)),
        Store(2, i, scalar.gt(e, scalar.const(0, F32))),
        Store(3, i, scalar.cast(e, np.float64)),
    ]
    run_tree(nest(axes, *stores), [x, half, flag, wide], [1, 2, 3], target)
    assert np.array_equal(half, x.astype(np.float16))
    assert np.array_equal(flag, x > 0)
    assert np.array_equal(wide, x.astype(np.float64))


@TARGETS
@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 50, 2), (2, 2, 200), (70, 3, 3), (1, 1, 1)])
@pytest.mark.parametrize("parts", [1, 3])
def test_units_cover_everything_once(shape, parts, target):
    out = np.zeros(shape, np.int32)
    axes, (i, j, k) = grid(*shape)
    index = (i * shape[1] + j) * shape[2] + k
    value = scalar.add(scalar.load(0, index, I32), scalar.index_value(i * 10000 + j * 100 + k))
    run_tree(nest(axes, Store(0, index, value)), [out], [0], target)
    a, b, c = np.indices(shape)
    assert np.array_equal(out, a * 10000 + b * 100 + c)


@TARGETS
def test_scalar_kernel_and_broadcast(target):
    x, out = rand(1), np.zeros(1, np.float32)
    run_tree([Store(1, const_index(0), scalar.neg(scalar.load(0, const_index(0), F32)))], [x, out], [1], target)
    assert out[0] == -x[0]
    wide = np.zeros((7, 90), np.float32)
    axes, (i, j) = grid(7, 90)
    run_tree(nest(axes, Store(1, i * 90 + j, scalar.load(0, const_index(0), F32))), [x, wide], [1], target)
    assert np.all(wide == x[0])
