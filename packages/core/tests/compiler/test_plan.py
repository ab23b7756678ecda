"""The buffer plan: what shares memory, what is updated in place, and what must not be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiler.compiling import check, kinds

from cotan.compiler import explain
from cotan.ir.program import CopyStep, Program
from cotan.primitives import arithmetic, dot, reduce, scatter, transcendental
from cotan.structural import broadcast_in_dim, reduce_sum, transpose

F32 = np.dtype(np.float32)
RNG = np.random.default_rng(0)
MATMUL = (((1,), (0,)), ((), ()))
LIBRARY = (dot.dot_general_p,)


def array(*extents: int) -> Any:
    return RNG.normal(size=extents).astype(F32)


def copies(program: Program) -> int:
    return sum(isinstance(step, CopyStep) for step in program.steps)


def donations(program: Program) -> list[int | None]:
    return [buffer.donated for buffer in program.buffers if buffer.kind == "output"]


def scattered(x: Any, values: Any) -> Any:
    numbers = scatter.ScatterDimensionNumbers((1,), (0,), (0,))
    which = np.int32([[1], [3], [1]])
    return scatter.scatter_add(x, which, values, numbers, mode="drop")


def test_dead_values_give_their_memory_to_later_ones() -> None:
    def chain(x: Any, w: Any) -> list[Any]:
        for _ in range(6):
            x = transcendental.tanh(dot.dot_general(x, w, MATMUL))
        return [x]

    program = check(chain, array(8, 8), array(8, 8), library=LIBRARY)
    assert program.arena == 2 * 256, explain(program)


def test_values_alive_together_lie_apart() -> None:
    def both(x: Any, w: Any) -> list[Any]:
        a = dot.dot_general(x, w, MATMUL)
        b = dot.dot_general(w, x, MATMUL)
        return [dot.dot_general(a, b, MATMUL), dot.dot_general(b, a, MATMUL)]

    assert check(both, array(8, 8), array(8, 8), library=LIBRARY).arena == 2 * 256


def test_a_donated_argument_becomes_a_result_in_place() -> None:
    program = check(lambda x, y: [arithmetic.add(x, y)], array(5), array(5), donated=(False, True))
    assert donations(program) == [1]
    assert program.steps[0].kernel.in_place


def test_an_argument_read_at_other_elements_is_not_overwritten() -> None:
    program = check(lambda x: [arithmetic.add(x, transpose(x, (1, 0)))], array(5, 5), donated=(True,))
    assert donations(program) == [None]


def test_an_argument_that_a_reduction_reads_is_not_overwritten() -> None:
    def centred(x: Any) -> list[Any]:
        return [arithmetic.sub(x, reduce_sum(x, (0,)))] if x.ndim == 0 else [x * 1.0 - _all(x)]

    program = check(centred, array(7), donated=(True,))
    assert donations(program) == [None]


def _all(x: Any) -> Any:
    return broadcast_in_dim(reduce_sum(x, (0,)), x.shape, ())


def test_an_argument_that_died_earlier_lends_its_memory() -> None:
    def fun(x: Any, w: Any) -> list[Any]:
        return [transcendental.exp(dot.dot_general(x, w, MATMUL))]

    program = check(fun, array(6, 6), array(6, 6), donated=(True, True), library=LIBRARY)
    assert donations(program) == [0]


def test_two_results_never_take_the_same_argument() -> None:
    def fun(x: Any) -> list[Any]:
        return [arithmetic.neg(x), transcendental.exp(x)]

    assert donations(check(fun, array(6), donated=(True,))).count(0) <= 1


def test_a_donated_argument_that_is_itself_a_result_stays() -> None:
    program = check(lambda x: [x, arithmetic.neg(x)], array(6), donated=(True,))
    assert program.outputs[0] == program.inputs[0]
    assert donations(program) == [None]


def test_a_scatter_into_a_dying_value_works_in_place() -> None:
    def fun(x: Any, w: Any, values: Any) -> list[Any]:
        return [scattered(dot.dot_general(x, w, MATMUL), values)]

    program = check(fun, array(4, 4), array(4, 4), array(3, 4), library=LIBRARY)
    assert (kinds(program), copies(program)) == ((1, 1, 0), 0), explain(program)


def test_a_scatter_into_a_donated_argument_works_in_place() -> None:
    program = check(lambda x, v: [scattered(x, v)], array(4, 4), array(3, 4), donated=(True, False))
    assert (kinds(program), copies(program), donations(program)) == ((1, 0, 0), 0, [0])


def test_a_scatter_into_a_value_that_lives_on_copies_it() -> None:
    def fun(x: Any, w: Any, values: Any) -> list[Any]:
        y = dot.dot_general(x, w, MATMUL)
        return [scattered(y, values), y]

    program = check(fun, array(4, 4), array(4, 4), array(3, 4), library=LIBRARY)
    assert copies(program) == 1


def test_a_scatter_that_reads_what_it_updates_copies_it() -> None:
    def fun(x: Any, w: Any) -> list[Any]:
        from cotan.primitives import slice as slicing

        y = dot.dot_general(x, w, MATMUL)
        return [scattered(y, slicing.slice(y, (0, 0), (3, 4), (1, 1)))]

    program = check(fun, array(4, 4), array(4, 4), library=LIBRARY)
    assert copies(program) == 1


def test_scatters_one_after_the_other_share_one_buffer() -> None:
    def fun(x: Any, values: Any) -> list[Any]:
        y = arithmetic.mul(x, 2.0)
        for _ in range(3):
            y = scattered(y, values)
        return [y]

    program = check(fun, array(4, 4), array(3, 4))
    assert (copies(program), program.arena) == (0, 0), explain(program)


def test_results_may_be_arguments_constants_and_each_other() -> None:
    table = np.arange(6, dtype=F32)

    def fun(x: Any) -> list[Any]:
        y = arithmetic.neg(x)
        return [y, x, y, arithmetic.mul(table, 1.0), 3.5]

    program = check(fun, array(6))
    assert program.outputs[0] == program.outputs[2]
    assert program.outputs[1] == program.inputs[0]


@pytest.mark.parametrize("extents", [(0,), (3, 0), (0, 4)])
def test_arrays_without_elements(extents: tuple[int, ...]) -> None:
    def fun(x: Any) -> list[Any]:
        return [arithmetic.add(x, x), reduce_sum(x, (0,)), reduce_sum(x, tuple(range(x.ndim)))]

    check(fun, array(*extents))


def softmax(x: Any) -> Any:
    largest = reduce.reduce_max(x, (1,))
    powers = transcendental.exp(arithmetic.sub(x, broadcast_in_dim(largest, x.shape, (0,))))
    return arithmetic.div(powers, broadcast_in_dim(reduce_sum(powers, (1,)), x.shape, (0,)))


@pytest.mark.parametrize("local_bytes", [0, 1 << 14])
def test_rows_are_overwritten_after_they_were_reduced(local_bytes: int) -> None:
    program = check(lambda x: [softmax(x)], array(5, 7), donated=(True,), local_bytes=local_bytes)
    assert donations(program) == [0]
    [step] = program.steps
    assert step.kernel.in_place


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: [arithmetic.sub(x, broadcast_in_dim(reduce.reduce_max(x, (0,)), x.shape, (1,)))],
        lambda x: [arithmetic.sub(x, broadcast_in_dim(reduce.reduce_max(x, (0, 1)), x.shape, ()))],
        lambda x: [arithmetic.sub(x, transpose(x, (1, 0)))],
        lambda x: [arithmetic.sub(transpose(x, (1, 0)), broadcast_in_dim(reduce.reduce_max(x, (1,)), x.shape, (1,)))],
    ],
    ids=["columns", "all", "transposed", "rows into columns"],
)
def test_what_other_iterations_read_is_not_overwritten(fun: Any) -> None:
    program = check(fun, array(6, 6), donated=(True,))
    for step in program.steps:
        assert not getattr(getattr(step, "kernel", None), "in_place", ())


def test_loads_that_several_results_need_come_first_so_that_each_may_take_its_argument() -> None:
    def adam(p: Any, m: Any, v: Any, g: Any) -> list[Any]:
        m = arithmetic.add(arithmetic.mul(m, 0.9), arithmetic.mul(g, 0.1))
        v = arithmetic.add(arithmetic.mul(v, 0.9), arithmetic.mul(arithmetic.mul(g, g), 0.1))
        step = arithmetic.div(m, arithmetic.add(transcendental.exp(v), 1e-3))
        return [arithmetic.sub(p, step), m, v]

    p, m, v, g = array(4, 5), array(4, 5), np.abs(array(4, 5)), array(4, 5)
    program = check(adam, p, m, v, g, donated=(True, True, True, False))
    assert sorted(d for d in donations(program) if d is not None) == [0, 1, 2]


def test_temps_lie_in_results_that_are_not_written_yet() -> None:
    def fun(x: Any, w: Any) -> list[Any]:
        first = dot.dot_general(x, w, MATMUL)
        second = dot.dot_general(transcendental.tanh(first), w, MATMUL)
        return [second, dot.dot_general(second, x, MATMUL)]

    x, w = array(8, 8), array(8, 8)
    apart = check(fun, x, w, library=LIBRARY)
    lent = check(fun, x, w, library=LIBRARY, lend_results=True)
    assert all(buffer.within is None for buffer in apart.buffers)
    assert any(buffer.within is not None for buffer in lent.buffers)
    assert lent.arena < apart.arena


def test_a_temp_that_a_result_is_written_over_has_the_memory_of_the_result() -> None:
    def fun(x: Any, w: Any) -> list[Any]:
        return [arithmetic.add(dot.dot_general(x, w, MATMUL), x)]

    program = check(fun, array(8, 8), array(8, 8), library=LIBRARY, lend_results=True)
    assert program.arena == 0
    assert program.steps[-1].kernel.in_place


def test_what_lives_as_long_as_a_result_lies_apart_from_it() -> None:
    def fun(x: Any, w: Any) -> list[Any]:
        y = dot.dot_general(x, w, MATMUL)
        z = dot.dot_general(y, w, MATMUL)
        return [z, transpose(arithmetic.add(y, z), (1, 0))]

    check(fun, array(8, 8), array(8, 8), library=LIBRARY, lend_results=True)
