"""What a control-flow equation means to a compiler: loops and branches over closed jaxprs.

The ``program`` rule of such a primitive returns one of these records (or a plain closed jaxpr that stands for the
equation), so that compilers handle loops and branches without knowing a primitive by name. Pure data.
"""

from __future__ import annotations

from dataclasses import dataclass

from cotan.ir.jaxpr import ClosedJaxpr


@dataclass(frozen=True, eq=False)
class CountedLoop:
    """``length`` runs of ``body``, from (consts, carry, one slice of each xs) to (new carry, one slice of each ys).

    The equation's operands are (consts, initial carry, xs), its results (final carry, ys). Slices lie along axis 0 of
    xs and ys; ``reverse`` runs from the last one to the first.
    """

    body: ClosedJaxpr
    length: int
    reverse: bool
    consts: int
    carry: int


@dataclass(frozen=True, eq=False)
class WhileLoop:
    """Runs of ``body``, from (body consts, carry) to the new carry, while ``cond``, of (cond consts, carry), is true.

    The equation's operands are (cond consts, body consts, initial carry), its results the final carry. ``cond`` has one
    result, a bool scalar.
    """

    cond: ClosedJaxpr
    body: ClosedJaxpr
    cond_consts: int
    body_consts: int


@dataclass(frozen=True, eq=False)
class Branch:
    """One of ``branches``, chosen by the equation's first operand (an int32 scalar, clamped to their number).

    Every branch takes all other operands and gives all results.
    """

    branches: tuple[ClosedJaxpr, ...]


Control = CountedLoop | WhileLoop | Branch
