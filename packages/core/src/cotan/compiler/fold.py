"""Constant folding: what does not depend on the arguments, is small, and is exact is computed while compiling.

Exact means that every machine gives the same bits: moves, integers, comparisons, and the float operations that IEEE 754
rounds correctly. Which of them an equation consists of, its kernel rule tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cotan.compiler.elements import Op, physical
from cotan.compiler.tree import topological
from cotan.dtypes import ExtendedDType, bfloat16
from cotan.ir.jaxpr import Eqn, Literal, Var
from cotan.ir.primitive import reference

LIMIT = 1024
"""Results of more bytes are left to the program."""

_EXACT = frozenset(
    [
        "const",
        "index",
        "load",
        "add",
        "sub",
        "mul",
        "div",
        "rem",
        "min",
        "max",
        "neg",
        "abs",
        "sign",
        "floor",
        "ceil",
        "round",
        "trunc",
        "sqrt",
        "and",
        "or",
        "xor",
        "not",
        "shl",
        "shr_logical",
        "shr_arithmetic",
        "popcount",
        "clz",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "is_finite",
        "select",
        "cast",
        "bitcast",
        "guard",
    ]
)
_HALF = frozenset({np.dtype(np.float16), bfloat16})


def folded(op: Op, eqn: Eqn, consts: Mapping[Var, Any]) -> Any:
    """The value of the one result of ``eqn`` if it is to be computed now, else None.

    A result of several elements that comes from scalars alone stays an expression: it needs no memory at all.
    """
    aval = eqn.outvars[0].aval
    if len(eqn.outvars) != 1 or not eqn.invars or aval.nbytes > LIMIT:
        return None
    arrays = [v for v in eqn.invars if isinstance(v, Var)]
    if any(v not in consts or v.aval.nbytes > LIMIT for v in arrays) or (aval.shape and not arrays):
        return None
    if any(isinstance(v.aval.dtype, ExtendedDType) or v.aval.dtype in _HALF for v in (*eqn.invars, *eqn.outvars)):
        return None
    rule = reference.get(eqn.primitive)
    if rule is None or any(node.op not in _EXACT for node in topological(op.elements(op.idx))):
        return None
    operands = [np.asarray(v.val if isinstance(v, Literal) else consts[v], physical(v.aval).dtype) for v in eqn.invars]
    with np.errstate(all="ignore"):
        value = np.asarray(rule(*operands, **eqn.params))
    return value if value.shape == aval.shape and value.dtype == aval.dtype else None
