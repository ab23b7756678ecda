"""Primitives: the words of the language, without their meanings.

A primitive is a name and a way to be bound. Its meanings live in rule tables (see ``rules``); the tables that every
room may read are declared here so that rules of one primitive can stand side by side in one file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from cotan.ir.rules import RuleTable
from cotan.ir.trace import current_trace
from cotan.tracebacks import trim


class Primitive:
    """One operation of the language.

    Args:
      name: what the printer writes; unique.
      multiple_results: whether ``bind`` and the rules deal in lists of results.
      required: whether every backend must know it. All others are decomposed where a backend has no rule for them.
      higher_order: whether it stands for a program: a parameter holds a jaxpr (jit, remat, loops), or its ``decompose``
        rule gives one, as which it runs at once.
    """

    __slots__ = ("name", "multiple_results", "required", "higher_order", "bind", "__weakref__")
    catalogue: ClassVar[dict[str, Primitive]] = {}

    def __init__(
        self, name: str, *, multiple_results: bool = False, required: bool = False, higher_order: bool = False
    ) -> None:
        if name in Primitive.catalogue:
            raise ValueError(f"there is already a primitive named `{name}`")
        self.name = name
        self.multiple_results = multiple_results
        self.required = required
        self.higher_order = higher_order
        Primitive.catalogue[name] = self
        self.bind: Callable[..., Any] = self.usual
        """Applies the primitive to values of the current trace: ``usual``, or what does the same in less time."""

    def usual(self, *args: Any, **params: Any) -> Any:
        """Apply the primitive to values of the current trace; parameters are hashable."""
        try:
            return current_trace().process(self, args, params)
        except Exception as error:
            trim(error)
            raise

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return (_by_name, (self.name,))


def _by_name(name: str) -> Primitive:
    return Primitive.catalogue[name]


AnyRule = Callable[..., Any]

# In the order in which a primitive's rules stand in its file.
abstract: RuleTable[AnyRule] = RuleTable("abstract", "abstract evaluation rule (shape, dtype, weak type)")
jvp: RuleTable[AnyRule] = RuleTable("jvp", "differentiation rule")
jet: RuleTable[AnyRule] = RuleTable("jet", "Taylor rule (derivatives of higher order along a curve)")
transpose: RuleTable[AnyRule] = RuleTable("transpose", "transposition rule")
partial_eval: RuleTable[AnyRule] = RuleTable("partial_eval", "partial evaluation rule")
batch: RuleTable[AnyRule] = RuleTable("batch", "batching rule")
reference: RuleTable[AnyRule] = RuleTable("reference", "reference implementation in NumPy")
kernel: RuleTable[AnyRule] = RuleTable("kernel", "kernel rule (its meaning for one element)")
decompose: RuleTable[AnyRule] = RuleTable("decompose", "decomposition into simpler primitives")
cost: RuleTable[AnyRule] = RuleTable("cost", "cost rule (flops, bytes)")

# What machinery must treat specially it asks of a table, never of a name.
program: RuleTable[AnyRule] = RuleTable("program", "program rule (inline, loop, branch, host step)")
alias: RuleTable[AnyRule] = RuleTable("alias", "aliasing rule (which operand a result may overwrite)")
permute: RuleTable[AnyRule] = RuleTable("permute", "rule for permuted operands and results")
over_steps: RuleTable[AnyRule] = RuleTable(
    "over_steps", "rule for sums over steps (its parameters on stacked operands)"
)
dce: RuleTable[AnyRule] = RuleTable("dce", "dead code rule")
effects: RuleTable[AnyRule] = RuleTable("effects", "effects rule")
eager: RuleTable[AnyRule] = RuleTable("eager", "eager rule (how a higher-order primitive runs at once)")
named_axes: RuleTable[AnyRule] = RuleTable("named_axes", "named axes rule (the axes of vmap that an equation names)")
predicate: RuleTable[AnyRule] = RuleTable("predicate", "rule for running an effect under a condition only")
stage: RuleTable[AnyRule] = RuleTable("stage", "staging rule (how Python functions among its parameters become jaxprs)")
