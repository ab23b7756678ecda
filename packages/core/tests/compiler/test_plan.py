"""The buffer plan: what shares memory, what is updated in place, and what must not be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiler.compiling import check, kinds

from cotan.compiler import explain
from cotan.compiler.plan import _Arena
from cotan.ir.program import CopyStep, Program
from cotan.primitives import arithmetic, dot, scatter, transcendental
from cotan.structural import reduce_sum, transpose

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
    from cotan.structural import broadcast_in_dim

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


def test_gaps_of_the_arena_join() -> None:
    arena = _Arena()
    offsets = [arena.take(100) for _ in range(3)]
    assert offsets == [0, 128, 256]
    arena.give(0, 100)
    arena.give(256, 100)
    arena.give(128, 100)
    assert arena.take(300) == 0
    assert arena.size == 384
