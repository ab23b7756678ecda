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
from cotan.structural import broadcast_in_dim, reduce_sum

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


def both(x: Any) -> list[Any]:
    """The exponential is a result, and so are the sums of its rows and the shares."""
    e = transcendental.exp(arithmetic.sub(x, rows(reduce.reduce_max(x, (1,)), x)))
    total = reduce_sum(e, (1,))
    return [e, total, arithmetic.div(e, rows(total, x))]


def test_results_and_sums_of_their_rows_share_a_kernel() -> None:
    [kernel] = kernels(check(both, array(40, 33), local_bytes=PLENTY))
    assert times(kernel.tree, "exp") == 1
    assert sum(operand.written for operand in kernel.operands) == 3
    assert kernel.operands[0].read
    assert not any(operand.read for operand in kernel.operands if operand.written)


@pytest.mark.parametrize(("shape_", "local_bytes"), [((40, 33), 0), ((4, 330), PLENTY), ((40, 9000), PLENTY)])
def test_rows_are_read_again_where_scratch_does_not_pay(shape_: tuple[int, ...], local_bytes: int) -> None:
    assert len(kernels(compile_to_program(staged(both, shaped(shape_, F32)), local_bytes=local_bytes))) > 1


def test_a_row_turned_round_is_not_the_same_row() -> None:
    def moment(x: Any) -> list[Any]:
        e = transcendental.exp(x)
        return [e, reduce_sum(arithmetic.mul(shape.rev(e, (1,)), x), (1,))]

    check(moment, array(40, 33), local_bytes=PLENTY)


def layernorm_gradient(x: Any, scale: Any, g: Any) -> list[Any]:
    n = float(x.shape[1])
    centred = arithmetic.sub(x, rows(arithmetic.div(reduce_sum(x, (1,)), n), x))
    variance = arithmetic.div(reduce_sum(arithmetic.square(centred), (1,)), n)
    deviation = rows(arithmetic.sqrt(arithmetic.add(variance, 1e-5)), x)
    normal = arithmetic.div(centred, deviation)
    wanted = arithmetic.div(arithmetic.mul(g, broadcast_in_dim(scale, x.shape, (1,))), deviation)
    along = rows(arithmetic.div(reduce_sum(arithmetic.mul(wanted, normal), (1,)), n), x)
    level = rows(arithmetic.div(reduce_sum(wanted, (1,)), n), x)
    gradient = arithmetic.sub(arithmetic.sub(wanted, level), arithmetic.mul(normal, along))
    return [gradient, reduce_sum(arithmetic.mul(g, normal), (0,)), reduce_sum(g, (0,))]


def test_the_gradient_of_layernorm_is_a_pass_over_rows_and_one_over_columns() -> None:
    program = check(layernorm_gradient, array(40, 48), array(48), array(40, 48), local_bytes=PLENTY, rtol=2e-4)
    assert len(kernels(program)) == 2
    assert program.arena <= 4 * 64 * 4


def batchnorm_gradient(x: Any, g: Any) -> list[Any]:
    def columns(value: Any) -> Any:
        return broadcast_in_dim(arithmetic.div(reduce_sum(value, (0,)), float(x.shape[0])), x.shape, (1,))

    centred = arithmetic.sub(x, columns(x))
    deviation = arithmetic.sqrt(arithmetic.add(columns(arithmetic.square(centred)), 1e-5))
    normal = arithmetic.div(centred, deviation)
    along, level = columns(arithmetic.mul(g, normal)), columns(g)
    gradient = arithmetic.div(arithmetic.sub(arithmetic.sub(g, level), arithmetic.mul(normal, along)), deviation)
    return [gradient, reduce_sum(arithmetic.mul(gradient, normal), (0,))]


@pytest.mark.parametrize("local_bytes", [0, PLENTY])
def test_values_of_columns_are_neither_repeated_in_memory_nor_computed_for_every_row(local_bytes: int) -> None:
    check(batchnorm_gradient, array(40, 33), array(40, 33), local_bytes=local_bytes, rtol=2e-4)
    x = shaped((2048, 512), F32)
    program = compile_to_program(staged(batchnorm_gradient, x, x), local_bytes=local_bytes)
    assert sum(kernel.flops for kernel in kernels(program)) < 60 * x.size
    assert program.arena <= 1.1 * x.nbytes
