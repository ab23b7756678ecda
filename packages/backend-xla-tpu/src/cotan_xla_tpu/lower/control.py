"""Loops and branches, as the records of ``ir.control`` say them. Their parts are written in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.ir.control import Branch, CountedLoop, WhileLoop
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import program
from cotan_xla_tpu.driver import hlo, ir
from cotan_xla_tpu.emit import broadcast, compare, constant, reshape
from cotan_xla_tpu.lower.slice import at, put_at
from cotan_xla_tpu.lower.table import rule

INT32 = np.dtype(np.int32)


@rule("scan", "while", "cond")
def _control(c: Any, *operands: Any, **params: Any) -> list[Any]:
    record = program[c.eqn.primitive](**params)
    if isinstance(record, ClosedJaxpr):  # a loop of few steps may be written as these
        return c.writer.run(record, operands)
    if isinstance(record, CountedLoop):
        return _counted(c, record, operands)
    return _while(c, record, operands) if isinstance(record, WhileLoop) else _branch(c, record, operands)


def _part(c: Any, closed: ClosedJaxpr, args: Sequence[Any], chain: Any) -> tuple[list[Any], list[Any]]:
    """The results of a part of a loop or branch, and the last effect after it: nothing, where effects have no order."""
    writer = c.writer
    before, writer.chain = writer.chain, chain
    try:
        found = writer.run(closed, args)
        return found, [] if chain is None else [writer.chain]
    finally:
        writer.chain = before


def loop(starts: Sequence[Any], condition: Any, body: Any) -> list[Any]:
    """The state of a loop after it has ended."""
    types = [x.type for x in starts]
    op = hlo.WhileOp(types, list(starts))
    for number, part in enumerate((condition, body)):
        block = op.regions[number].blocks.append(*types)
        with ir.InsertionPoint(block):
            hlo.return_(list(part(list(block.arguments))))
    return list(op.results)


def _chained(c: Any, effects: Any) -> Any:
    """The last effect so far if there are effects to come; None otherwise."""
    return c.writer.chain if effects else None


def _counted(c: Any, record: CountedLoop, operands: Sequence[Any]) -> list[Any]:
    consts = operands[: record.consts]
    carry = operands[record.consts : record.consts + record.carry]
    slices = operands[record.consts + record.carry :]
    stacked = c.outs[record.carry :]
    chain = _chained(c, record.body.effects)
    extra = [] if chain is None else [chain]
    blank = [_zeros(aval) for aval in stacked]
    if record.length == 0:
        return [*carry, *blank]
    zero, length = constant(np.zeros((), INT32)), record.length

    def condition(state: list[Any]) -> list[Any]:
        return [compare(state[0], constant(np.array(length, INT32)), "LT", INT32)]

    def body(state: list[Any]) -> list[Any]:
        step, rest = state[0], state[1:]
        place = hlo.subtract(constant(np.array(length - 1, INT32)), step) if record.reverse else step
        now, rest = rest[: len(carry)], rest[len(carry) :]
        before, written = rest[: len(extra)], rest[len(extra) :]
        taken = [_slice(x, place) for x in slices]
        found, after = _part(c, record.body, [*consts, *now, *taken], before[0] if before else None)
        updated = [
            put_at(whole, reshape(one, (1, *aval.shape[1:])), len(aval.shape), place)
            for whole, one, aval in zip(written, found[len(carry) :], stacked, strict=True)
        ]
        return [hlo.add(step, constant(np.ones((), INT32))), *found[: len(carry)], *after, *updated]

    state = loop([zero, *carry, *extra, *blank], condition, body)[1:]
    if extra:
        c.writer.chain = state.pop(len(carry))
    return state


def _zeros(aval: Any) -> Any:
    return broadcast(constant(np.zeros((), aval.dtype)), aval.shape)


def _slice(x: Any, place: Any) -> Any:
    shape = tuple(ir.RankedTensorType(x.type).shape)
    return reshape(at(x, (1, *shape[1:]), place), shape[1:])


def _while(c: Any, record: WhileLoop, operands: Sequence[Any]) -> list[Any]:
    first, second = record.cond_consts, record.cond_consts + record.body_consts
    cond_consts, body_consts, carry = operands[:first], operands[first:second], operands[second:]
    chain = _chained(c, record.cond.effects | record.body.effects)
    extra = [] if chain is None else [chain]
    count = len(carry)
    if not record.cond.effects:

        def condition(state: list[Any]) -> list[Any]:
            return _part(c, record.cond, [*cond_consts, *state[:count]], None)[0]

        def body(state: list[Any]) -> list[Any]:
            found, after = _part(c, record.body, [*body_consts, *state[:count]], state[count] if extra else None)
            return [*found, *after]

        state = loop([*carry, *extra], condition, body)
    else:
        # A condition with effects cannot hand on that they have happened: it is evaluated before the loop, and after
        # each step of it.
        [goes_on], after = _part(c, record.cond, [*cond_consts, *carry], chain)

        def step(state: list[Any]) -> list[Any]:
            found, done = _part(c, record.body, [*body_consts, *state[:count]], state[count])
            [more], done = _part(c, record.cond, [*cond_consts, *found], done[0])
            return [*found, *done, more]

        state = loop([*carry, *after, goes_on], lambda state: [state[-1]], step)[:-1]
    if extra:
        c.writer.chain = state.pop()
    return state


def _branch(c: Any, record: Branch, operands: Sequence[Any]) -> list[Any]:
    index, args = operands[0], operands[1:]
    last = len(record.branches) - 1
    index = hlo.clamp(constant(np.zeros((), INT32)), index, constant(np.array(last, INT32)))
    chain = _chained(c, any(one.effects for one in record.branches))
    types = [c.type(aval) for aval in c.outs]
    if chain is not None:
        types.append(chain.type)
    op = hlo.CaseOp(types, index, len(record.branches))
    for number, one in enumerate(record.branches):
        block = op.regions[number].blocks.append()
        with ir.InsertionPoint(block):
            found, after = _part(c, one, args, chain)
            hlo.return_([*found, *after])
    results = list(op.results)
    if chain is not None:
        c.writer.chain = results.pop()
    return results
