"""What elements cost: weights of scalar operations, and a survey of an expression with its values hoisted.

Units are roughly the time of one vectorised addition per element. Knows scalar operations, no primitives.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cotan.compiler.elements import Idx, make_op, prefix
from cotan.ir.index import Axis
from cotan.ir.jaxpr import Eqn, Var
from cotan.ir.scalar import Expr, inner_values

READ = 4.0
"""Reading one element of an array that is not in the nearest cache."""
NEAR = 1 << 15
"""Bytes of an array that stays in the nearest cache while others pass by."""
NEAR_READ = 1.0
"""Reading one element of such an array."""
WRITE = 8.0
"""Writing one element of a new array."""
HIDDEN = 4.0
"""Work per element that a kernel does while it waits for memory."""
LAUNCH = 3000.0
"""Starting a kernel."""

FREE = frozenset({"const", "index", "load", "project", "bitcast", "reduce"})
"""What counts as no operation."""
_WEIGHTS = {
    **dict.fromkeys(("div", "sqrt", "rsqrt"), 4.0),
    **dict.fromkeys(("rem",), 8.0),
    **dict.fromkeys(("exp", "exp2", "log", "logistic", "cbrt"), 10.0),
    **dict.fromkeys(("expm1", "log1p", "sin", "cos", "tanh", "erf", "atan", "erfc"), 16.0),
    **dict.fromkeys(("tan", "asin", "acos", "sinh", "cosh", "asinh", "acosh", "atanh", "erf_inv", "atan2"), 24.0),
    **dict.fromkeys(("pow",), 30.0),
    **dict.fromkeys(("lgamma", "digamma", "zeta"), 60.0),
}


def weight(op: str) -> float:
    """The cost of one operation on one element."""
    return 0.0 if op in FREE else _WEIGHTS.get(op, 1.0)


def steps(loops: Iterable[Axis]) -> int:
    """How often the inside of these loops runs."""
    return math.prod([axis.extent for axis in loops])


@dataclass
class Survey:
    """What is in an expression: open loads with the loops that they run in, work over all loops, nodes."""

    loads: list[tuple[Var, Idx, tuple[Axis, ...]]]
    work: float
    nodes: int
    reductions: list[Expr]


def survey(exprs: Sequence[Expr], nest: tuple[Axis, ...]) -> Survey:
    """Look through ``exprs``, evaluated inside the loops ``nest``, every value computed as far out as it can be."""
    loads: dict[tuple[Var, Idx, tuple[Axis, ...]], None] = {}
    reductions: dict[Expr, None] = {}
    seen: set[tuple[Expr, tuple[Axis, ...]]] = set()
    nodes: set[Expr] = set()
    runs: dict[tuple[Axis, ...], int] = {}
    work = 0.0
    stack: list[tuple[Expr, tuple[Axis, ...]]] = [(e, nest) for e in reversed(exprs)]
    while stack:
        node, inside = stack.pop()
        free = node.free_axes
        if not (inside and inside[-1] in free):
            inside = prefix(inside, free)
        if (node, inside) in seen:
            continue
        seen.add((node, inside))
        nodes.add(node)
        op = node.op
        if op == "load":
            var, idx = node.attr[0]
            loads[var, idx, inside] = None
        elif op == "reduce":
            reductions[node] = None
            half = len(node.args) // 2
            loops = inside + node.attr[1]
            work += steps(loops) * half
            stack.extend((arg, inside) for arg in node.args[:half])
            stack.extend((arg, loops) for arg in node.args[half:])
            continue
        elif op not in FREE:
            times = runs.get(inside)
            if times is None:
                times = runs[inside] = steps(inside)
            work += times * weight(op)
        stack.extend([(each, inside) for each in node.uses])
    return Survey(list(loads), work, len(nodes), list(reductions))


def element_cost(eqn: Eqn) -> float:
    """The work for one element of an equation's result; infinite if it takes several elements of an operand."""
    op = make_op(eqn, 0, ())
    if op is None or op.kind != "map":
        return math.inf
    found = survey(op.elements(op.idx), op.axes)
    scattered = any(inner_values(expr) for expr in op.elements(op.idx))
    if found.reductions or scattered or len(found.loads) > len(eqn.invars):
        return math.inf
    return found.work / max(steps(op.axes), 1)
