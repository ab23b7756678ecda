"""The compiler's own work: what is equal in many places of a program is done once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from compiler.compiling import staged

from cotan.compiler import compile_to_program, structure_of
from cotan.ir import scalar
from cotan.ir.index import Axis, axis_index
from cotan.ir.primitive import kernel
from cotan.ir.program import Kernel, KernelOperand, KernelStep, Loop, Program, Store
from cotan.primitives import arithmetic, transcendental
from cotan.structural import broadcast_in_dim, reduce_sum

F32 = np.dtype(np.float32)


def array(*extents: int) -> Any:
    return np.ones(extents, F32)


def kernels(program: Program) -> list[Kernel]:
    return [step.kernel for step in program.steps if isinstance(step, KernelStep)]


@pytest.mark.parametrize("length", [20, 80])
def test_the_rule_of_an_elementwise_operation_is_asked_once(length: int) -> None:
    asked = 0

    def counted(i: Any, x: Any, y: Any) -> Any:
        nonlocal asked
        asked += 1
        return kernel[arithmetic.mul_p](i, x, y)

    def chain(x: Any) -> list[Any]:
        y = x
        for _ in range(length):
            y = arithmetic.mul(y, x)
        return [y]

    compile_to_program(staged(chain, array(8, 8)), kernels={arithmetic.mul_p: counted})
    assert asked == length


def test_stores_that_share_a_chain_walk_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes of a kernel with many results are not looked at again for each of them."""
    looked: Counter[str] = Counter()
    uses = scalar.Expr.uses

    class Counted:
        def __get__(self, node: Any, owner: Any) -> Any:
            looked[node.op] += 1
            return uses.__get__(node, owner)

        def __set__(self, node: Any, value: Any) -> None:
            uses.__set__(node, value)

    def looks(results: int) -> int:
        def f(x: Any) -> list[Any]:
            y, found = x, []
            for _ in range(results):
                y = transcendental.exp(arithmetic.mul(y, x))
                found.append(y)
            return found

        looked.clear()
        compile_to_program(staged(f, array(64)))
        return looked["exp"]

    monkeypatch.setattr(scalar.Expr, "uses", Counted())
    assert looks(80) < 3 * looks(40)


def layer(x: Any) -> Any:
    centred = arithmetic.sub(x, broadcast_in_dim(reduce_sum(x, (1,)), x.shape, (0,)))
    return transcendental.exp(arithmetic.mul(centred, 0.5))


def test_equal_kernels_have_equal_structures() -> None:
    made = kernels(compile_to_program(staged(lambda x, y: [layer(x), layer(y)], array(64, 64), array(64, 64))))
    assert len(made) == 2
    assert structure_of(made[0]) == structure_of(made[1])
    other = kernels(compile_to_program(staged(lambda x: [layer(x)], array(64, 32))))
    assert structure_of(other[0]) != structure_of(made[0])


@pytest.mark.parametrize(("one", "other"), [(0.0, -0.0), (1.0, 2.0)])
def test_constants_are_part_of_the_structure(one: float, other: float) -> None:
    def writes(value: float) -> Kernel:
        axis = Axis("i", 8)
        store = Store(0, axis_index(axis), scalar.const(value, F32))
        return Kernel("k", (KernelOperand((8,), F32, True, False),), (Loop(axis, (store,)),))

    assert structure_of(writes(one)) == structure_of(writes(one))
    assert structure_of(writes(one)) != structure_of(writes(other))


def test_what_is_shared_and_what_is_equal_are_told_apart() -> None:
    def writes(first: Axis, second: Axis) -> Kernel:
        index = axis_index(first) * 8 + axis_index(second)
        store = Store(0, index, scalar.index_value(axis_index(first), np.float32))
        loops = Loop(first, (Loop(second, (store,)),))
        return Kernel("k", (KernelOperand((8, 8), F32, True, False),), (loops,))

    i, j, k = (Axis("i", 8) for _ in range(3))
    assert structure_of(writes(i, j)) == structure_of(writes(j, k))
    swapped = writes(i, j)
    [outer] = swapped.tree
    assert isinstance(outer, Loop)
    turned = Kernel("k", swapped.operands, (Loop(j, (Loop(i, outer.body[0].body),)),))  # type: ignore[union-attr]
    assert structure_of(turned) != structure_of(swapped)
