"""Passes over jaxprs: inlining, dead and double equations, decomposition, effects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from compiler.compiling import by_reference, check, staged
from program_interpreter import run_program

import cotan
from cotan.compiler import compile_to_program, decompose_jaxpr, optimise
from cotan.errors import UnsupportedError
from cotan.ir import primitive as tables
from cotan.ir.avals import shaped
from cotan.ir.check import check_jaxpr
from cotan.ir.effects import Effect
from cotan.ir.primitive import Primitive
from cotan.ir.program import HostStep
from cotan.primitives import arithmetic, call, random_bits, reduce, transcendental
from cotan.primitives.dot import dot_general
from cotan.primitives.shape import transpose
from cotan.structural import reduce_sum
from cotan.transforms.stage import stage_closed

F32 = np.dtype(np.float32)
VECTOR = shaped((4,), F32)


def names(closed: Any) -> list[str]:
    return [eqn.primitive.name for eqn in closed.eqns]


def test_calls_are_inlined_however_deep_and_however_often() -> None:
    inner = stage_closed(lambda x: [transcendental.exp(x)], [VECTOR])
    middle = stage_closed(lambda x: call.call(inner, [arithmetic.neg(x)]), [VECTOR])

    def outer(x: Any) -> list[Any]:
        [a] = call.call(middle, [x])
        [b] = call.call(middle, [a])
        return [arithmetic.add(a, b)]

    closed = optimise(staged(outer, VECTOR))
    check_jaxpr(closed)
    assert names(closed) == ["neg", "exp", "neg", "exp", "add"]


def test_equations_that_nobody_reads_are_dropped_with_their_constants() -> None:
    table = np.arange(4, dtype=F32)

    def fun(x: Any) -> list[Any]:
        arithmetic.mul(x, table)
        return [arithmetic.neg(x)]

    closed = optimise(staged(fun, VECTOR))
    assert names(closed) == ["neg"]
    assert closed.consts == ()


def test_equal_equations_are_done_once() -> None:
    def fun(x: Any) -> list[Any]:
        return [
            arithmetic.add(transcendental.exp(x), transcendental.exp(x)),
            arithmetic.mul(x, 2.0),
            arithmetic.mul(x, 2.0),
        ]

    closed = optimise(staged(fun, VECTOR))
    assert names(closed).count("exp") == 1
    assert closed.jaxpr.outvars[1] is closed.jaxpr.outvars[2]


def test_zeros_of_different_sign_are_not_equal() -> None:
    def fun(x: Any) -> list[Any]:
        return [arithmetic.mul(x, 0.0), arithmetic.mul(x, -0.0)]

    check(fun, np.ones(4, F32))
    program = compile_to_program(staged(fun, VECTOR))
    plus, minus = run_program(program, [np.ones(4, F32)])
    assert not np.signbit(plus).any()
    assert np.signbit(minus).all()


def test_scalar_constants_stand_in_the_kernels() -> None:
    half = np.float32(0.5)
    program = check(lambda x: [arithmetic.mul(x, half)], np.ones(4, F32))
    assert not program.consts


def test_exact_operations_on_small_constants_are_done_while_compiling() -> None:
    table = np.arange(6, dtype=np.int32)

    def fun(x: Any) -> list[Any]:
        scale = arithmetic.sub(arithmetic.mul(table, 2), 1)
        return [arithmetic.mul(x, scale)]

    program = check(fun, np.arange(6, dtype=np.int32))
    assert [list(value) for value in program.consts.values()] == [[-1, 1, 3, 5, 7, 9]]
    assert program.steps[0].kernel.fused == ("mul",)


def test_what_rounds_differently_elsewhere_is_not_folded() -> None:
    table = np.linspace(0, 1, 6, dtype=F32)
    program = check(lambda x: [arithmetic.mul(x, transcendental.exp(table))], np.ones(6, F32))
    assert "exp" in program.steps[0].kernel.fused


def test_decomposition_reaches_the_basis_and_means_the_same() -> None:
    def fun(x: Any) -> list[Any]:
        bits = random_bits.threefry2x32(*[np.arange(4, dtype=np.uint32)] * 4)
        return [reduce_sum(arithmetic.square(x), (0,)), reduce.argmax(x, 0, np.dtype(np.int32)), bits[0]]

    basis = {p for p in Primitive.catalogue.values() if p.required}
    closed = staged(fun, VECTOR)
    simple = decompose_jaxpr(closed, basis)
    check_jaxpr(simple)
    assert all(eqn.primitive in basis for eqn in simple.eqns)
    x = np.float32([3, -1, 4, 1])
    for a, b in zip(by_reference(simple, [x]), by_reference(closed, [x]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_what_cannot_be_decomposed_is_named() -> None:
    with pytest.raises(UnsupportedError, match="exp"):
        decompose_jaxpr(staged(lambda x: [transcendental.exp(x)], VECTOR), ())


LOG: list[float] = []


@pytest.fixture(scope="module")
def tell_p() -> Iterator[Primitive]:
    """A primitive with an ordered effect and no result."""
    tell = Primitive("test_tell", multiple_results=True)
    effect = frozenset({Effect("tell", ordered=True)})
    tables.abstract[tell] = lambda x, *, tag: []
    tables.effects[tell] = lambda *, tag: effect

    @tables.reference(tell)
    def _(x: Any, *, tag: int) -> list[Any]:
        LOG.append((tag, float(x.sum())))  # type: ignore[arg-type]
        return []

    yield tell
    del Primitive.catalogue["test_tell"]
    for table in (tables.abstract, tables.effects, tables.reference):
        del table[tell]


def test_effects_stay_all_of_them_and_in_order(tell_p: Primitive) -> None:
    def fun(x: Any) -> list[Any]:
        tell_p.bind(x, tag=1)
        y = transcendental.exp(x)
        tell_p.bind(y, tag=2)
        tell_p.bind(x, tag=1)
        return [arithmetic.neg(y)]

    x = np.zeros(4, F32)
    program = compile_to_program(staged(fun, x))
    LOG.clear()
    run_program(program, [x])
    assert LOG == [(1, 0.0), (2, 4.0), (1, 0.0)]
    assert sum(isinstance(step, HostStep) for step in program.steps) == 3


def test_a_product_that_is_transposed_at_its_source_is_read_as_it_is_by_the_next():
    x, a, b = (np.arange(float(n * m), dtype=np.float32).reshape(n, m) for n, m in ((3, 5), (3, 4), (5, 3)))

    def both(x, a, b):
        between = dot_general(x, a, (((0,), (0,)), ((), ())))
        return dot_general(transpose(between, (1, 0)), b, (((1,), (0,)), ((), ())))

    np.testing.assert_allclose(cotan.jit(both)(x, a, b), (x.T @ a).T @ b, rtol=1e-6)
