"""What several sweeps over a row need is computed once, and only what is equal, safe, dear and not too large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compiler.compiling import check, staged
from compiler.test_fusion import RNG, array, kernels, rows, softmax

from cotan.compiler import compile_to_program, explain
from cotan.ir.avals import shaped
from cotan.ir.program import KernelStep, Loop, Node, ReduceLoop, Store
from cotan.ir.scalar import Expr
from cotan.primitives import arithmetic, reduce, shape, transcendental
from cotan.primitives.pad import pad
from cotan.structural import reduce_sum

F32 = np.dtype(np.float32)
PLENTY = 1 << 15


def logsumexp_gradient(x: Any) -> list[Any]:
    """Two values are needed twice: the exponential, and the hyperbolic tangent of what makes the sum."""
    e = transcendental.exp(arithmetic.sub(x, rows(reduce.reduce_max(x, (1,)), x)))
    share = transcendental.tanh(arithmetic.div(e, rows(reduce_sum(e, (1,)), x)))
    return [arithmetic.mul(arithmetic.sub(share, rows(reduce_sum(share, (1,)), x)), e)]


def times(tree: tuple[Node, ...], op: str) -> int:
    """How often ``op`` is evaluated for an element: equal nodes in one body count once."""
    total = 0
    for node in tree:
        seen: set[Expr] = set()
        if isinstance(node, Loop):
            direct = tuple(n for n in node.body if isinstance(n, Loop | ReduceLoop))
            total += times(direct, op)
            exprs = [n.value for n in node.body if isinstance(n, Store)]
        elif isinstance(node, ReduceLoop):
            exprs = [n.value for level in node.levels for n in level if isinstance(n, Store)]
            exprs += [arg for r in (node.value, *node.siblings) for arg in r.args]
        else:
            continue
        while exprs:
            expr = exprs.pop()
            if expr not in seen and expr.op != "project":
                seen.add(expr)
                exprs.extend(expr.args)
        total += sum(expr.op == op for expr in seen)
    return total


@pytest.mark.parametrize("extents", [(3, 32), (5, 33), (2, 100)])
@pytest.mark.parametrize("fun", [softmax, logsumexp_gradient])
def test_a_row_is_computed_once(fun: Callable[[Any], list[Any]], extents: tuple[int, ...]) -> None:
    without = check(fun, array(*extents))
    with_scratch = check(fun, array(*extents), local_bytes=PLENTY)
    [before], [after] = kernels(without), kernels(with_scratch)
    assert before.scratch == ()
    assert times(before.tree, "exp") > 1
    assert times(after.tree, "exp") == 1
    assert all(operand.shape == extents[1:] and operand.dtype == F32 for operand in after.scratch)
    assert after.flops < before.flops
    if fun is logsumexp_gradient:
        assert times(after.tree, "tanh") == 1
        assert len(after.scratch) == 2


def test_explain_shows_what_is_kept() -> None:
    text = explain(compile_to_program(staged(softmax, shaped((4, 40), F32)), local_bytes=PLENTY))
    assert "row0 = scratch:f32[40]" in text
    assert text.count("exp(") == 1
    assert "= add  r0 < 40   row0[r0]" in text


@pytest.mark.parametrize(("columns", "local_bytes"), [(31, PLENTY), (64, 192), (9000, PLENTY)])
def test_short_rows_and_rows_too_long_keep_nothing(columns: int, local_bytes: int) -> None:
    closed = staged(softmax, shaped((64, columns), F32))
    [kernel] = kernels(compile_to_program(closed, local_bytes=local_bytes))
    assert kernel.scratch == ()


def test_what_costs_little_is_computed_again() -> None:
    def centred(x: Any) -> list[Any]:
        difference = arithmetic.sub(x, rows(reduce.reduce_max(x, (1,)), x))
        return [arithmetic.mul(difference, rows(reduce_sum(difference, (1,)), x))]

    [kernel] = kernels(check(centred, array(3, 40), local_bytes=PLENTY))
    assert kernel.scratch == ()


def test_what_is_alike_in_other_places_of_the_row_is_computed_again() -> None:
    def reversed_share(x: Any) -> list[Any]:
        e = transcendental.exp(x)
        return [arithmetic.div(shape.rev(e, (1,)), rows(reduce_sum(e, (1,)), x))]

    [kernel] = kernels(check(reversed_share, array(3, 40), local_bytes=PLENTY))
    assert kernel.scratch == ()


def test_one_row_is_shared_by_no_threads() -> None:
    def share(x: Any) -> list[Any]:
        e = transcendental.exp(x)
        return [arithmetic.div(e, reduce_sum(e, (0,)))]

    for kernel in kernels(check(share, array(64), local_bytes=PLENTY)):
        assert kernel.scratch == ()


def test_padded_rows_do_not_read_out_of_bounds() -> None:
    def padded(x: Any) -> list[Any]:
        wide = pad(transcendental.exp(x), np.float32(0), ((0, 0, 0), (3, 5, 0)))
        return [arithmetic.div(wide, rows(reduce_sum(wide, (1,)), wide))]

    check(padded, array(3, 40), local_bytes=PLENTY)


def test_half_precision_keeps_what_is_wide() -> None:
    x = RNG.normal(size=(3, 48)).astype(np.float16)
    program = check(softmax, x, rtol=2e-3, local_bytes=PLENTY)
    [kernel] = [step.kernel for step in program.steps if isinstance(step, KernelStep)]
    assert all(operand.dtype == F32 for operand in kernel.scratch)
