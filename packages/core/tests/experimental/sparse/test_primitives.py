"""The primitives of sparse arrays: what programs hold, and every rule of theirs, against dense arrays and loops."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import export, lax
from cotan.experimental import sparse
from cotan.experimental.sparse.util import SparseInfo
from cotan.ir import primitive as tables
from cotan.test_util import check_grads

M = np.float32([[0, 2, 0, 1], [0, 0, 0, 0], [3, 0, 4, 0]])
N = np.float32([[0, 5], [6, 0], [0, 7], [8, 9]])
V, W = np.float32([1, -2, 3, 0.5]), np.float32([2, 1, -1])
ROW, COL = np.int32([0, 0, 2, 2]), np.int32([1, 3, 0, 2])
PTR = np.int32([0, 2, 2, 4])
DATA = M[ROW, COL]
PLACES = np.stack([ROW, COL], axis=-1)
INFO = SparseInfo((3, 4), True, True)
PLAIN = sparse.COO((DATA, ROW, COL), shape=(3, 4))._info
PRODUCT = (((1,), (0,)), ((), ()))
# Out of order, with a double place and padding.
LOOSE, LOOSE_PLACES = np.float32([4, 1, 9, 2, 3]), np.int32([[2, 2], [0, 3], [3, 4], [0, 1], [2, 2]])
SAME = SparseInfo((3, 4))


class Case(NamedTuple):
    """One call of a primitive: what the values of the first result are, and which operands it is linear in."""

    primitive: Any
    operands: tuple[Any, ...]
    params: dict[str, Any]
    expected: Any
    linear: tuple[int, ...]
    function: Any  # the public function, which binds it


FROM = {"nse": 5, "index_dtype": np.dtype(np.int32)}
BATCHED = {**FROM, "n_batch": 0, "n_dense": 0}
RIGHT = sparse.BCOO.fromdense(N)
SORTED = [2, 1, 4, 3, 9]  # the values of LOOSE in the order of their places

CASES = {
    "bcoo_todense": Case(sparse.bcoo_todense_p, (DATA, PLACES), {"spinfo": INFO}, M, (0,), sparse.bcoo_todense),
    "bcoo_fromdense": Case(sparse.bcoo_fromdense_p, (M,), BATCHED, [*DATA, 0], (0,), sparse.bcoo_fromdense),
    "bcoo_extract": Case(
        sparse.bcoo_extract_p, (PLACES, M + 1), {"assume_unique": True}, DATA + 1, (1,), sparse.bcoo_extract
    ),
    "bcoo_extract_first": Case(
        sparse.bcoo_extract_p, (LOOSE_PLACES, M + 1), {"assume_unique": False}, [5, 2, 0, 3, 0], (1,),
        sparse.bcoo_extract,
    ),
    "bcoo_sort_indices": Case(
        sparse.bcoo_sort_indices_p, (LOOSE, LOOSE_PLACES), {"spinfo": SAME}, SORTED, (0,), sparse.bcoo_sort_indices
    ),
    "bcoo_sum_duplicates": Case(
        sparse.bcoo_sum_duplicates_p, (LOOSE, LOOSE_PLACES), {"spinfo": SAME, "nse": 4}, [2, 1, 7, 0], (0,),
        sparse.bcoo_sum_duplicates,
    ),
    "bcoo_transpose": Case(
        sparse.bcoo_transpose_p, (DATA, PLACES), {"permutation": (1, 0), "spinfo": INFO}, DATA, (0,),
        sparse.bcoo_transpose,
    ),
    "bcoo_dot_general": Case(
        sparse.bcoo_dot_general_p, (DATA, PLACES, V), {"dimension_numbers": PRODUCT, "lhs_spinfo": INFO}, M @ V, (0,),
        sparse.bcoo_dot_general,
    ),
    "bcoo_dot_general_sampled": Case(
        sparse.bcoo_dot_general_sampled_p, (M, N, np.int32([[0, 1], [2, 0]])), {"dimension_numbers": PRODUCT},
        (M @ N)[[0, 2], [1, 0]], (0,), sparse.bcoo_dot_general_sampled,
    ),
    "bcoo_spdot_general": Case(
        sparse.bcoo_spdot_general_p, (DATA, PLACES, RIGHT.data, RIGHT.indices),
        {"dimension_numbers": PRODUCT, "lhs_spinfo": INFO, "rhs_spinfo": RIGHT._info}, [20, 9, 43, 0, 0, 0], (0,),
        sparse.bcoo_dot_general,
    ),
    "bcsr_todense": Case(sparse.bcsr_todense_p, (DATA, COL, PTR), {"spinfo": INFO}, M, (0,), sparse.bcsr_todense),
    "bcsr_fromdense": Case(sparse.bcsr_fromdense_p, (M,), BATCHED, [*DATA, 0], (0,), sparse.bcsr_fromdense),
    "bcsr_extract": Case(sparse.bcsr_extract_p, (COL, PTR, M + 1), {}, DATA + 1, (2,), sparse.bcsr_extract),
    "bcsr_dot_general": Case(
        sparse.bcsr_dot_general_p, (DATA, COL, PTR, V), {"dimension_numbers": PRODUCT, "lhs_spinfo": INFO}, M @ V,
        (3,), sparse.bcsr_dot_general,
    ),
    "coo_todense": Case(sparse.coo_todense_p, (DATA, ROW, COL), {"spinfo": PLAIN}, M, (0,), sparse.coo_todense),
    "coo_fromdense": Case(sparse.coo_fromdense_p, (M,), FROM, [*DATA, 0], (0,), sparse.coo_fromdense),
    "coo_matvec": Case(
        sparse.coo_matvec_p, (DATA, ROW, COL, W), {"spinfo": PLAIN, "transpose": True}, M.T @ W, (3,),
        sparse.coo_matvec,
    ),
    "coo_matmat": Case(
        sparse.coo_matmat_p, (DATA, ROW, COL, N), {"spinfo": PLAIN, "transpose": False}, M @ N, (0,),
        sparse.coo_matmat,
    ),
    "csr_todense": Case(sparse.csr_todense_p, (DATA, COL, PTR), {"shape": (3, 4)}, M, (0,), sparse.csr_todense),
    "csr_fromdense": Case(sparse.csr_fromdense_p, (M,), FROM, [*DATA, 0], (0,), sparse.csr_fromdense),
    "csr_matvec": Case(
        sparse.csr_matvec_p, (DATA, COL, PTR, V), {"shape": (3, 4), "transpose": False}, M @ V, (0,),
        sparse.csr_matvec,
    ),
    "csr_matmat": Case(
        sparse.csr_matmat_p, (DATA, COL, PTR, N[:3]), {"shape": (3, 4), "transpose": True}, M.T @ N[:3], (3,),
        sparse.csr_matmat,
    ),
}  # fmt: skip
EACH = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def first(case: Case, *operands: Any) -> Any:
    """The first result: the values."""
    found = case.primitive.bind(*operands, **case.params)
    return found[0] if case.primitive.multiple_results else found


def everything(case: Case, *operands: Any) -> list[Any]:
    found = case.primitive.bind(*operands, **case.params)
    return list(found) if case.primitive.multiple_results else [found]


@EACH
def test_values(case):
    operands = tuple(map(cnp.asarray, case.operands))
    found = first(case, *operands)
    np.testing.assert_allclose(found, case.expected, rtol=1e-6)
    jitted = cotan.jit(lambda *xs: first(case, *xs))(*operands)
    np.testing.assert_allclose(jitted, case.expected, rtol=1e-6)
    by_numpy = tables.reference[case.primitive](*case.operands, **case.params)
    np.testing.assert_allclose(by_numpy[0] if case.primitive.multiple_results else by_numpy, case.expected, rtol=1e-6)


SMOOTH = {name: case for name, case in CASES.items() if not name.endswith("fromdense")}


@pytest.mark.parametrize("case", SMOOTH.values(), ids=SMOOTH)
def test_derivatives(case):
    def of_floats(*floats):
        rest = iter(floats)
        return first(case, *[next(rest) if x.dtype == np.float32 else x for x in case.operands])

    with cotan.enable_x64(True):
        floats = [np.float64(x) for x in case.operands if x.dtype == np.float32]
        check_grads(of_floats, floats, order=2, modes=("fwd", "rev"))


@pytest.mark.parametrize("name", [name for name in CASES if name.endswith("fromdense")])
def test_derivatives_of_what_is_stored(name):
    change = np.arange(12, dtype=np.float32).reshape(3, 4)
    _, slopes = cotan.jvp(lambda x: first(CASES[name], x), (M,), (change,))
    np.testing.assert_array_equal(slopes, [*change[ROW, COL], 0])
    back = cotan.grad(lambda x: (first(CASES[name], x) * np.float32([1, 2, 3, 4, 5])).sum())(M)
    np.testing.assert_array_equal(back, sparse.COO((np.float32([1, 2, 3, 4]), ROW, COL), shape=(3, 4)).todense())


@pytest.mark.parametrize("case", SMOOTH.values(), ids=SMOOTH)
def test_transposes(case):
    (place,) = case.linear
    operands = [cnp.asarray(x) for x in case.operands]

    def linear(x):
        return first(case, *operands[:place], x, *operands[place + 1 :])

    x = operands[place]
    jaxpr = cotan.make_jaxpr(linear)(x)
    assert jaxpr.eqns[0].primitive is case.primitive
    ct = cnp.cos(cnp.arange(linear(x).size, dtype=cnp.float32)).reshape(linear(x).shape)
    (back,) = cotan.linear_transpose(linear, x)(ct)
    # <ct, A x> = <A^T ct, x>, and A of each unit vector is a column.
    np.testing.assert_allclose(cnp.vdot(ct, linear(x)), cnp.vdot(back, x), rtol=1e-5)
    (by_vjp,) = cotan.vjp(linear, x)[1](ct)
    np.testing.assert_allclose(back, by_vjp, rtol=1e-5)


@EACH
def test_mapped_over_every_operand(case):
    for place, x in enumerate(case.operands):
        stacked = np.stack([x, x[::-1] if x.dtype == np.float32 else x])

        def one(y, place=place):
            return everything(case, *case.operands[:place], y, *case.operands[place + 1 :])

        found = cotan.vmap(one, in_axes=x.ndim, out_axes=0)(np.moveaxis(stacked, 0, -1))
        loop = [one(cnp.asarray(y)) for y in stacked]
        for k, together in enumerate(found):
            np.testing.assert_allclose(together, np.stack([outs[k] for outs in loop]), rtol=1e-6)


SPARSE = {
    "bcoo": sparse.BCOO((DATA, PLACES), shape=(3, 4), unique_indices=True),
    "bcsr": sparse.BCSR((DATA, COL, PTR), shape=(3, 4)),
    "coo": sparse.COO((DATA, ROW, COL), shape=(3, 4)),
    "csr": sparse.CSR((DATA, COL, PTR), shape=(3, 4)),
}
CALLS = {
    "bcoo_fromdense": lambda f: lambda: f(M, nse=4),
    "bcoo_extract": lambda f: lambda: f(SPARSE["bcoo"], M),
    "bcoo_transpose": lambda f: lambda: f(SPARSE["bcoo"], permutation=(1, 0)),
    "bcoo_sum_duplicates": lambda f: lambda: f(SPARSE["bcoo"], 4),
    "bcoo_dot_general": lambda f: lambda: f(SPARSE["bcoo"], V, dimension_numbers=PRODUCT),
    "bcoo_dot_general_sampled": lambda f: lambda: f(M, N, PLACES[:, :1], dimension_numbers=PRODUCT),
    "bcoo_spdot_general": lambda f: lambda: f(SPARSE["bcoo"], RIGHT, dimension_numbers=PRODUCT),
    "bcsr_fromdense": lambda f: lambda: f(M, nse=4),
    "bcsr_extract": lambda f: lambda: f(COL, PTR, M),
    "bcsr_dot_general": lambda f: lambda: f(SPARSE["bcsr"], V, dimension_numbers=PRODUCT),
    "coo_fromdense": lambda f: lambda: f(M, nse=4),
    "coo_matvec": lambda f: lambda: f(SPARSE["coo"], V),
    "coo_matmat": lambda f: lambda: f(SPARSE["coo"], N),
    "csr_fromdense": lambda f: lambda: f(M, nse=4),
    "csr_matvec": lambda f: lambda: f(SPARSE["csr"], V),
    "csr_matmat": lambda f: lambda: f(SPARSE["csr"], N),
}


@pytest.mark.parametrize("name", [name for name in CASES if name != "bcoo_extract_first"])
def test_functions_bind_them(name):
    case = CASES[name]
    kind = name.split("_")[0]
    call = CALLS.get(name, lambda f: lambda: f(SPARSE[kind]))(case.function)
    jaxpr = cotan.make_jaxpr(call)().jaxpr
    assert case.primitive in [eqn.primitive for eqn in jaxpr.eqns]
    assert case.primitive.name == name


def test_exported_programs_are_read_by_those_who_do_not_know_them(tmp_path):
    def product(data, v):
        return sparse.BCOO((data, PLACES), shape=(3, 4)) @ v

    path = tmp_path / "product"
    path.write_bytes(export.export(cotan.jit(product))(DATA, V).serialize())
    code = (
        "import sys, numpy as np; from cotan import export; from pathlib import Path\n"
        f"found = export.deserialize(bytearray(Path({str(path)!r}).read_bytes()))\n"
        f"print(np.asarray(found.call(np.float32({DATA.tolist()}), np.float32({V.tolist()}))).tolist())\n"
        "assert 'cotan.experimental.sparse' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == str((M @ V).tolist())


def test_they_stand_for_small_programs_in_loops():
    def step(v, _):
        return sparse.bcoo_dot_general(SPARSE["bcoo"], v, dimension_numbers=PRODUCT)[np.int32([0, 1, 2, 0])], v.sum()

    expected, sums = V, []
    for _ in range(3):
        sums.append(expected.sum())
        expected = (M @ expected)[[0, 1, 2, 0]]
    last, found = lax.scan(step, V, length=3)
    np.testing.assert_allclose(last, expected)
    np.testing.assert_allclose(found, sums)
