"""Updates in place that read what they update: their values are computed first, into a buffer of their own.

``x.at[i].multiply(y)`` reads a few elements of x and writes them back. If the reads were substituted into the kernel
that writes, x would have to be copied before. Names no operation: which operand is updated, the ``alias`` table tells.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cotan.compiler.elements import Op
from cotan.compiler.parts import stored
from cotan.ir.jaxpr import Var
from cotan.ir.primitive import alias

SMALLER = 2
"""Updates must be so many times smaller than what is updated to get a buffer."""


def keep_updates(ops: Sequence[Op], stays: Collection[Var]) -> None:
    """Mark the operations that compute updates of a value from that value, if it is not used afterwards.

    Args:
      stays: values that outlive the program or may not be written.
    """
    makers = {stored(v): op for op in ops for v in op.outs}
    last = {v: n for n, op in enumerate(ops) if op.eqn is not None for v in op.eqn.invars if isinstance(v, Var)}
    for n, op in enumerate(ops):
        if op.kind != "scatter" or op.eqn is None or op.eqn.primitive not in alias:
            continue
        number = alias[op.eqn.primitive](**op.eqn.params)
        target = op.eqn.invars[number]
        if not isinstance(target, Var) or target in stays or last[target] > n:
            continue
        for k, atom in enumerate(op.eqn.invars):
            if k != number and isinstance(atom, Var) and SMALLER * atom.aval.size <= target.aval.size:
                maker = makers.get(atom)
                if maker is not None and maker.kind == "map" and _reads(maker, target, makers):
                    maker.keep = True


def _reads(op: Op, target: Var, makers: dict[Var, Op]) -> bool:
    """Whether ``target`` would be read where the results of ``op`` are computed."""
    seen: set[Var] = set()
    waiting = [op]
    while waiting:
        current = waiting.pop()
        for atom in () if current.eqn is None else current.eqn.invars:
            if atom is target:
                return True
            maker = makers.get(atom) if isinstance(atom, Var) and atom not in seen else None
            if maker is not None and maker.kind == "map":
                assert isinstance(atom, Var)
                seen.add(atom)
                waiting.append(maker)
    return False
