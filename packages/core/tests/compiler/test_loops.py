"""Loops and branches in programs: values, what stays in place, what is copied, and sums that leave the loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiler.compiling import check

import cotan.numpy as cnp
from cotan import lax
from cotan.compiler import explain
from cotan.ir.program import BranchStep, CopyStep, KernelStep, LibraryStep, LoopStep, Program
from cotan.primitives.dot import dot_general_p
from cotan.structural import add_any

RNG = np.random.default_rng(0)
F32 = np.float32
LIBRARY = (dot_general_p,)


def array(*extents: int) -> Any:
    return RNG.normal(size=extents).astype(F32)


def the(kind: type, program: Program) -> Any:
    [step] = [s for s in program.steps if isinstance(s, kind)]
    return step


def every(kind: type, program: Program) -> list[Any]:
    """All steps of a kind, in loops and branches too."""
    found = [s for s in program.steps if isinstance(s, kind)]
    return found + [s for part in program.parts() for s in every(kind, part)]


def scanned(step: Any, *init: Any, xs: Any = None, length: int | None = None, reverse: bool = False) -> list[Any]:
    carry, ys = lax.scan(step, init, xs, length=length, reverse=reverse)
    return [*carry, *(() if ys is None else ys)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_carries_slices_and_stacked_results(length, reverse):
    def body(carry: Any, x: Any) -> Any:
        a, n = carry
        return (cnp.tanh(a * 0.5 + x), n + 1), (a + x, n)

    def fun(a: Any, n: Any, xs: Any) -> Any:
        return scanned(body, a, n, xs=xs, reverse=reverse)

    check(fun, array(4), np.int32(3), array(length, 4))


@pytest.mark.parametrize("length", [2, 3, 4])
def test_swapped_carries_alternate(length):
    program = check(
        lambda a, b: scanned(lambda c, _: ((c[1], c[0] + c[1]), None), a, b, length=length), array(3), array(3)
    )
    assert any(spare is not None for spare in the(LoopStep, program).spares)


def test_elementwise_carries_stay_in_place():
    program = check(lambda a: scanned(lambda c, _: ((cnp.sin(c[0]) + 1,), None), a, length=5), array(7))
    assert the(LoopStep, program).spares == (None,)
    assert not every(CopyStep, program)


def test_carries_of_products_alternate():
    program = check(
        lambda a, w: scanned(lambda c, _: ((c[0] @ w,), None), a, length=5), array(3, 3), array(3, 3), library=LIBRARY
    )
    assert the(LoopStep, program).spares[0] is not None


def test_a_carry_that_is_a_result_too_is_written_by_the_same_kernel():
    def body(carry: Any, x: Any) -> Any:
        h = cnp.tanh(carry[0] + x)
        return (h,), (h,)

    program = check(lambda a, xs: scanned(body, a, xs=xs), array(4), array(3, 4))
    assert len(every(KernelStep, program)) == 1, explain(program)
    assert not every(CopyStep, program)


def test_updates_of_a_carried_array_are_in_place():
    def body(carry: Any, k: Any) -> Any:
        (buffer,) = carry
        return (lax.dynamic_update_slice(buffer, lax.dynamic_slice(buffer, (k,), (1,)) * 2, (k,)),), None

    program = check(lambda a: scanned(body, a * 2.0, xs=np.arange(6, dtype=np.int32)), array(6))
    assert the(LoopStep, program).spares == (None,)
    assert not every(CopyStep, program), explain(program)


def test_arguments_are_not_overwritten_unless_donated():
    def fun(a: Any) -> Any:
        return scanned(lambda c, _: ((c[0] + 1,), None), a, length=3)

    assert check(fun, array(5)).buffers[1].donated is None
    [result] = [b for b in check(fun, array(5), donated=(True,)).buffers if b.kind == "output"]
    assert result.donated == 0


def test_results_that_are_constants_or_arguments():
    def body(carry: Any, x: Any) -> Any:
        a, b, c = carry
        return (b, cnp.ones(3, F32), c), (x, a, cnp.float32(2.0), a)

    check(lambda a, b, c, xs: scanned(body, a, b, c, xs=xs), array(3), array(3), array(3), array(4, 2))


def test_arrays_without_elements():
    check(lambda a, xs: scanned(lambda c, x: ((c[0] * 2,), (x + 1, c[0])), a, xs=xs), array(0, 3), array(4, 0))


def test_loops_in_loops():
    def inner(c: Any, x: Any) -> Any:
        return (c[0] * x + 0.1, c[1] + 1), (c[0],)

    def outer(c: Any, xs: Any) -> Any:
        a, n, ys = scanned(inner, *c, xs=xs)
        return (a, n), (ys, cnp.sum(xs))

    check(lambda a, n, xs: scanned(outer, a, n, xs=xs), array(2), np.int32(0), array(3, 4, 2))


@pytest.mark.parametrize("limit", [0, 1, 2, 5])
def test_while(limit):
    def fun(n: Any, x: Any) -> Any:
        return list(
            lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * 2 + cnp.flip(c[1])), (np.int32(0), x))
        )

    check(fun, np.int32(limit), array(4))


def test_a_condition_that_is_part_of_the_carry():
    def fun(x: Any) -> Any:
        return list(lax.while_loop(lambda c: c[0], lambda c: (cnp.sum(c[1]) < 50, c[1] * 2), (np.bool_(True), x)))

    check(fun, np.abs(array(4)) + 0.1)


BRANCHES = [
    lambda a, b: (a + b, a, cnp.float32(1.0)),
    lambda a, b: (b, a * b, a[0]),
    lambda a, b: (cnp.ones(3, F32), cnp.flip(b), b[1] * 2),
]


@pytest.mark.parametrize("index", [-3, 0, 1, 2, 9])
def test_branches(index):
    check(lambda k, a, b: list(lax.switch(k, BRANCHES, a, b)), np.int32(index), array(3), array(3))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_branches_update_what_dies_in_place(index):
    def fun(k: Any, a: Any) -> Any:
        state = a * 2.0
        branches = [
            lambda s: lax.dynamic_update_slice(s, s[:1] + 1, (np.int32(2),)),
            lambda s: s,
            lambda s: lax.dynamic_update_slice(cnp.flip(s), s[:1], (np.int32(0),)),
        ]
        return [lax.switch(k, branches[:2], state), lax.switch(k, branches, a * 3.0)]

    program = check(fun, np.int32(index), array(5))
    first, second = (s for s in program.steps if isinstance(s, BranchStep))
    assert first.takes == (0,)
    assert first.spares == (None,)
    assert second.takes == (None,)


def test_operands_that_live_on_are_not_overwritten():
    def fun(k: Any, a: Any) -> Any:
        state = a * 2.0
        return [lax.switch(k, [lambda s: s + 1, lambda s: s], state), state]

    for index in (0, 1):
        check(fun, np.int32(index), array(5))


# ---- Sums of products


def gradient_like(c: Any, x: Any) -> Any:
    """What the transposed body of a recurrence looks like: a cotangent, and products added to that of the weights."""
    g, w = c
    a, h = x
    return (g * a, add_any(w, lax.dot_general(g, h, (((), ()), ((), ()))))), None


@pytest.mark.parametrize("reverse", [False, True])
def test_sums_of_products_leave_the_loop(reverse):
    def fun(g: Any, w: Any, a: Any, h: Any) -> Any:
        return scanned(gradient_like, g, w, xs=(a, h), reverse=reverse)

    program = check(fun, array(5), array(5, 4), array(6, 5), array(6, 4), library=LIBRARY, rtol=1e-4)
    assert not every(LibraryStep, the(LoopStep, program).body), explain(program)
    assert len(every(LibraryStep, program)) == 1


def test_two_products_and_another_term_for_one_carry():
    def body(c: Any, x: Any) -> Any:
        g, w = c
        a, h = x
        product = lax.dot_general(g, h, (((0,), (0,)), ((), ())))
        other = lax.dot_general(a, h, (((0,), (0,)), ((), ())))
        rows = lax.broadcast_in_dim(a[0], (5, 4), (0,))
        return (g * a, add_any(add_any(product, w), add_any(other, rows))), None

    program = check(
        lambda g, w, a, h: scanned(body, g, w, xs=(a, h)),
        array(2, 5), array(5, 4), array(6, 2, 5), array(6, 2, 4), library=LIBRARY, rtol=1e-4,
    )  # fmt: skip
    assert len(every(LibraryStep, program)) == 2


def test_sums_that_the_loop_reads_stay():
    def body(c: Any, x: Any) -> Any:
        g, w = c
        a, h = x
        return (g * a + w[:, 0], add_any(w, lax.dot_general(g, h, (((), ()), ((), ()))))), None

    program = check(
        lambda g, w, a, h: scanned(body, g, w, xs=(a, h)), array(5), array(5, 4), array(6, 5), array(6, 4),
        library=LIBRARY, rtol=1e-4,
    )  # fmt: skip
    assert every(LibraryStep, the(LoopStep, program).body)


def test_explain_tells_of_loops_and_branches():
    def fun(k: Any, a: Any) -> Any:
        (b,) = scanned(lambda c, _: ((cnp.sin(c[0]),), None), a, length=3)
        return [lax.switch(k, [lambda s: s + 1, lambda s: s * 2], b)]

    text = explain(check(fun, np.int32(0), array(5)))
    for words in ("1 loop", "1 branch", "3 times", "in place", "body", "branch 0", "one of 2"):
        assert words in text, text


# ---- Products of slices


@pytest.mark.parametrize("reverse", [False, True])
def test_products_of_slices_come_before_the_loop(reverse):
    def body(c: Any, x: Any, w: Any, u: Any) -> Any:
        h = cnp.tanh(x @ w.T + c[0] @ u)
        return (h,), (h, x)

    def fun(h: Any, w: Any, u: Any, xs: Any) -> Any:
        return scanned(lambda c, x: body(c, x, w, u), h, xs=xs, reverse=reverse)

    args = array(2, 3), array(3, 4), array(3, 3), array(5, 2, 4)
    program = check(fun, *args, library=LIBRARY, rtol=1e-4)
    assert len(every(LibraryStep, the(LoopStep, program).body)) == 1, explain(program)
    assert len([s for s in program.steps if isinstance(s, LibraryStep)]) == 1


def test_products_much_larger_than_their_slices_stay():
    def fun(w: Any, xs: Any) -> Any:
        return scanned(lambda c, x: ((c[0] + cnp.sum(x @ w),), None), cnp.float32(0), xs=xs)

    program = check(fun, array(2, 50), array(5, 2), library=LIBRARY, rtol=1e-4)
    assert every(LibraryStep, the(LoopStep, program).body)
