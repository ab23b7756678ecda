"""What becomes one kernel, and what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiler.compiling import check, kinds, staged
from program_interpreter import run_program

from cotan.compiler import compile_to_program, explain
from cotan.ir import scalar
from cotan.ir.avals import shaped
from cotan.ir.program import KernelStep, Loop, Program, ReduceLoop, Store
from cotan.primitives import arithmetic, compare, dot, reduce, shape, sort, transcendental
from cotan.primitives import slice as slicing
from cotan.structural import broadcast_in_dim, convert_element_type, reduce_sum, transpose

F32 = np.dtype(np.float32)
RNG = np.random.default_rng(0)


def array(*extents: int) -> Any:
    return RNG.normal(size=extents).astype(F32)


def kernels(program: Program) -> list[Any]:
    return [step.kernel for step in program.steps if isinstance(step, KernelStep)]


def rows(x: Any, like: Any) -> Any:
    """A value per row, for every element of the row."""
    return broadcast_in_dim(x, like.shape, (0,))


def softmax(x: Any) -> list[Any]:
    e = transcendental.exp(arithmetic.sub(x, rows(reduce.reduce_max(x, (1,)), x)))
    return [arithmetic.div(e, rows(reduce_sum(e, (1,)), x))]


def layernorm(x: Any) -> list[Any]:
    mean = arithmetic.div(reduce_sum(x, (1,)), float(x.shape[1]))
    centred = arithmetic.sub(x, rows(mean, x))
    variance = arithmetic.div(reduce_sum(arithmetic.square(centred), (1,)), float(x.shape[1]))
    return [arithmetic.mul(centred, rows(arithmetic.rsqrt(arithmetic.add(variance, 1e-5)), x))]


def gelu(x: Any) -> list[Any]:
    inner = arithmetic.mul(arithmetic.add(x, arithmetic.mul(arithmetic.integer_pow(x, 3), 0.044715)), 0.79788456)
    return [arithmetic.mul(arithmetic.mul(x, 0.5), arithmetic.add(transcendental.tanh(inner), 1.0))]


def outer_sum(x: Any) -> list[Any]:
    """Pairwise squared distances: the differences are never stored."""
    n, k = x.shape
    a = broadcast_in_dim(x, (n, n, k), (0, 2))
    b = broadcast_in_dim(x, (n, n, k), (1, 2))
    return [reduce_sum(arithmetic.square(arithmetic.sub(a, b)), (2,))]


def add_transposed(x: Any) -> list[Any]:
    return [arithmetic.add(x, transpose(x, (1, 0)))]


@pytest.mark.parametrize("fun", [softmax, layernorm, gelu, outer_sum, add_transposed])
def test_one_kernel_and_no_workspace(fun: Any) -> None:
    program = check(fun, array(6, 6))
    assert kinds(program) == (1, 0, 0), explain(program)
    assert program.arena == 0


def test_softmax_reduces_each_row_once_inside_one_parallel_loop() -> None:
    [kernel] = kernels(check(softmax, array(6, 10)))
    [loop] = kernel.tree
    assert isinstance(loop, Loop)
    assert loop.axis.extent == 6
    assert [type(node) for node in loop.body] == [ReduceLoop, ReduceLoop, Loop]


def test_contiguous_elementwise_code_has_one_loop() -> None:
    [kernel] = kernels(check(lambda x, y: [arithmetic.add(x, arithmetic.mul(y, 2.0))], array(3, 4, 5), array(3, 4, 5)))
    [loop] = kernel.tree
    assert isinstance(loop, Loop)
    assert loop.axis.extent == 60
    assert isinstance(loop.body[-1], Store)


def test_reshapes_and_permutations_leave_no_division() -> None:
    def heads(x: Any) -> list[Any]:
        split = transpose(shape.reshape(x, (2, 3, 4, 5)), (0, 2, 1, 3))
        joined = shape.reshape(transpose(split, (0, 2, 1, 3)), (6, 20))
        return [transcendental.exp(joined)]

    program = check(heads, array(6, 20))
    assert not {"//", "%"} & set(explain(program).split())


def test_results_over_one_space_share_a_kernel() -> None:
    def two(x: Any, y: Any) -> list[Any]:
        t = transcendental.tanh(x)
        return [arithmetic.mul(t, y), arithmetic.sub(1.0, arithmetic.mul(t, t))]

    assert kinds(check(two, array(5, 7), array(5, 7))) == (1, 0, 0)


def test_sibling_reductions_share_a_loop() -> None:
    def moments(x: Any) -> list[Any]:
        return [reduce_sum(x, (1,)), reduce_sum(arithmetic.mul(x, x), (1,)), reduce.reduce_max(x, (1,))]

    [kernel] = kernels(check(moments, array(5, 16)))
    [loop] = kernel.tree
    [reduction] = [node for node in loop.body if isinstance(node, ReduceLoop)]
    assert len(reduction.siblings) == 2


def test_a_reduction_of_columns_is_not_done_row_by_row() -> None:
    def centred(x: Any) -> list[Any]:
        mean = arithmetic.div(reduce_sum(x, (0,)), float(x.shape[0]))
        return [arithmetic.sub(x, broadcast_in_dim(mean, x.shape, (1,)))]

    assert kinds(check(centred, array(40, 50))) == (2, 0, 0)


def test_a_costly_value_read_many_times_is_stored() -> None:
    def stencil(x: Any) -> list[Any]:
        y = transcendental.tanh(transcendental.tanh(x))
        parts = [slicing.slice(y, (k,), (k + 1000,), (1,)) for k in range(0, 80, 10)]
        total = parts[0]
        for part in parts[1:]:
            total = arithmetic.add(total, part)
        return [total]

    aval = shaped((1080,), F32)
    assert kinds(compile_to_program(staged(stencil, aval))) == (2, 0, 0)


def test_big_reductions_to_a_scalar_come_in_two_stages() -> None:
    program = compile_to_program(staged(lambda x: [reduce_sum(x, (0, 1))], shaped((512, 512), F32)))
    first, second = kernels(program)
    assert isinstance(first.tree[0], Loop)
    assert first.tree[0].axis.extent >= 8
    assert second.operands[0].size < 512


@pytest.mark.parametrize("size", [65537, 40009])
def test_the_stages_of_a_reduction_of_a_prime_extent_agree(size: int) -> None:
    x = (np.arange(size) % 7).astype(np.int32)
    check(lambda x: [reduce_sum(x, (0,)), reduce.argmax(x, 0, np.dtype(np.int32))], x)


def entangled(x: Any) -> list[Any]:
    """A thousand operations, each of which needs those a few before it."""
    values = [x, arithmetic.neg(x)]
    for k in range(500):
        values.append(arithmetic.add(arithmetic.mul(values[-1], 0.25), values[max(0, k - 6)]))
    return [values[-1], values[250]]


def test_long_programs_of_entangled_operations_are_a_few_kernels_with_few_buffers() -> None:
    program = check(entangled, array(5, 7))
    assert len(kernels(program)) <= 4
    stored = sum(operand.written for kernel in kernels(program) for operand in kernel.operands)
    assert stored <= 2 + 10 * (len(kernels(program)) - 1), "what the next kernel needs, and no more"


def test_what_only_its_kernel_reads_is_not_stored() -> None:
    def function(x: Any) -> list[Any]:
        big = entangled(x)[0]  # too big to be substituted
        return [arithmetic.add(big, 1.0), arithmetic.mul(big, 2.0)]

    program = check(function, array(5, 7))
    last = kernels(program)[-1]
    assert sum(operand.written for operand in last.operands) == 2


def test_the_gradient_step_of_a_network_is_a_few_kernels_in_place() -> None:
    def step(w: Any, b: Any, delta: Any, dw: Any) -> list[Any]:
        db = reduce_sum(delta, (0,))
        return [arithmetic.sub(w, arithmetic.mul(dw, 0.1)), arithmetic.sub(b, arithmetic.mul(db, 0.1))]

    program = check(step, array(4, 5), array(5), array(8, 5), array(4, 5), donated=(True, True, False, False))
    assert kinds(program) == (2, 0, 0)
    assert [b.donated for b in program.buffers if b.kind == "output"] == [0, 1]
    assert all(k.in_place for k in kernels(program))


def test_updates_run_as_soon_as_their_gradients_are_there() -> None:
    product = (((1,), (0,)), ((), ()))

    def step(w: Any, v: Any, x: Any) -> list[Any]:
        dw = dot.dot_general(x, x, product)
        dv = dot.dot_general(w, x, product)
        du = dot.dot_general(v, x, product)
        return [arithmetic.sub(w, dw), arithmetic.sub(v, dv), du]

    # In equation order both updates come last; each waits only for the other readers of what it overwrites.
    arrays = array(8, 8), array(8, 8), array(8, 8)
    program = check(step, *arrays, donated=(True, True, False), library=(dot.dot_general_p,))
    made = [type(s).__name__.removesuffix("Step") for s in program.steps]
    assert made == ["Library", "Library", "Kernel", "Library", "Kernel"], explain(program)
    assert [b.donated for b in program.buffers if b.kind == "output"][:2] == [0, 1]


def test_library_calls_take_and_give_permuted_arrays() -> None:
    def weight_gradient(x: Any, delta: Any) -> list[Any]:
        left = dot.dot_general(delta, x, (((0,), (0,)), ((), ())))
        square = dot.dot_general(x, transpose(x, (1, 0)), (((1,), (0,)), ((), ())))
        return [arithmetic.mul(transpose(left, (1, 0)), 0.5), square]

    program = check(weight_gradient, array(4, 6), array(4, 3), library=(dot.dot_general_p,))
    assert kinds(program) == (1, 2, 0), explain(program)


def test_a_product_that_others_read_as_it_is_is_not_permuted() -> None:
    def fun(x: Any, y: Any) -> list[Any]:
        product = shape.copy(dot.dot_general(x, y, (((1,), (0,)), ((), ()))))
        return [arithmetic.mul(transpose(product, (1, 0)), 2.0), arithmetic.add(product, 1.0)]

    check(fun, array(3, 4), array(4, 5), library=(dot.dot_general_p,))


def test_without_a_library_products_are_loops() -> None:
    program = check(lambda x, y: [dot.dot_general(x, y, (((1,), (0,)), ((), ())))], array(3, 9), array(9, 4))
    assert kinds(program) == (1, 0, 0)


def test_products_of_vectors_are_sums_that_fuse_also_where_there_is_a_library() -> None:
    def distance(x: Any, y: Any) -> list[Any]:
        rest = arithmetic.sub(x, y)
        rows = dot.dot_general(x, y, (((1,), (1,)), ((0,), (0,))))
        return [dot.dot_general(rest, rest, (((0, 1), (0, 1)), ((), ()))), arithmetic.neg(rows)]

    program = check(distance, array(5, 9), array(5, 9), library=(dot.dot_general_p,))
    assert kinds(program)[1:] == (0, 0)


def test_what_kernels_cannot_do_runs_on_the_host_and_says_so() -> None:
    program = check(lambda x: [sort.sort((x,), dimension=0, num_keys=1)[0]], array(9))
    assert kinds(program) == (0, 0, 1)
    assert "HOST" in explain(program)
    assert "sort" in program.notes[0]


def test_half_precision_is_rounded_after_each_operation() -> None:
    x = RNG.normal(size=300).astype(np.float16)

    def chain(x: Any) -> list[Any]:
        return [arithmetic.mul(arithmetic.add(arithmetic.mul(x, 3.0), 1.5), x)]

    program = compile_to_program(staged(chain, x))
    h = np.float16
    expected = ((x * h(3)).astype(h) + h(1.5)).astype(h) * x
    np.testing.assert_array_equal(run_program(program, [x])[0], expected)


def test_the_same_program_gives_the_same_text() -> None:
    def fun(x: Any, y: Any) -> list[Any]:
        z = compare.select_n(compare.gt(x, y), x, y)
        return [reduce_sum(z, (0,)), transcendental.exp(z), convert_element_type(z, np.dtype(np.int32))]

    texts = {explain(compile_to_program(staged(fun, shaped((8, 9), F32), shaped((8, 9), F32)))) for _ in range(3)}
    assert len(texts) == 1


def test_a_backends_kernel_rule_takes_the_place_of_cores() -> None:
    def doubled(i: Any, x: Any) -> Any:
        return scalar.add(x[i], x[i])

    x = array(3, 5)
    closed = staged(lambda x: [arithmetic.neg(transcendental.sin(x))], x)
    program = compile_to_program(closed, kernels={transcendental.sin_p: doubled})
    np.testing.assert_array_equal(run_program(program, [x])[0], -(x + x))
    assert len(kernels(program)) == 1


def test_what_is_next_to_a_buffer_has_none_itself() -> None:
    """Of a masked gradient and its multiples, which sums and a result read, the first alone is stored."""

    def backward(x: Any, w: Any, scale: Any) -> list[Any]:
        columns = broadcast_in_dim(scale, x.shape, (1,))
        masked = compare.select_n(compare.le(arithmetic.mul(transcendental.tanh(x), columns), 0.0), w, w * 0.0)
        scaled = arithmetic.mul(masked, columns)
        squares = reduce_sum(arithmetic.mul(scaled, x), (0,))
        spread = arithmetic.add(arithmetic.mul(scaled, columns), broadcast_in_dim(squares, x.shape, (1,)))
        return [reduce_sum(masked, (0,)), squares, spread]

    program = check(backward, array(300, 200), array(300, 200), array(200))
    large = [b for b in program.buffers if b.aval.size == 300 * 200 and b.kind not in ("input", "output")]
    assert len(large) <= 1
    stores = [operand for k in kernels(program) for operand in k.operands if operand.written and operand.size == 60000]
    assert len(stores) <= 2


def test_a_chain_of_values_next_to_one_another_keeps_some_buffers() -> None:
    """Each is used by a sum of its own and by the next one: none may be computed again from the very first."""

    def chain(x: Any) -> list[Any]:
        y, sums = transcendental.tanh(x), []
        for k in range(40):
            y = arithmetic.mul(arithmetic.add(y, 0.5 + k), 1.0 / (k + 2))
            sums.append(reduce_sum(slicing.slice(y, (0, 0), (300, 200 - k), (1, 1)), (0,)))
        return sums

    program = compile_to_program(staged(chain, shaped((300, 200), F32)))
    assert sum(kernel.flops for kernel in kernels(program)) < 40e6
