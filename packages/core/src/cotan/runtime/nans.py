"""The flags ``debug_nans`` and ``debug_infs``: results are checked, and the operation that made a bad one is named.

A compiled program shows its results only. If one is bad, the program is run again, equation by equation, and the bad
value is followed back to the operation that made it of good operands. Knows no primitive by name: what a call, a loop
or a branch holds is looked up in the ``program`` table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan.config import config
from cotan.errors import format_frame, where
from cotan.ir.control import Branch, CountedLoop, WhileLoop
from cotan.ir.evaluate import eval_closed
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Eqn, Literal
from cotan.ir.primitive import program
from cotan.ir.trace import Tracer, eval_trace, set_current_trace
from cotan.transforms.effects import without_effects
from cotan.tree import tree_leaves


class Wanted(NamedTuple):
    """Which values are bad."""

    nans: bool
    infs: bool

    def kind(self, x: Any) -> str:
        """What is bad in ``x``: ``"NaN"``, ``"infinity"`` or nothing."""
        dtype = getattr(x, "dtype", None)
        if dtype is None or not dtypes.issubdtype(dtype, np.inexact):
            return ""
        value = np.asarray(x)
        if value.dtype.kind not in "fc":
            value = value.astype(np.float32)
        if self.nans and bool(np.isnan(value).any()):
            return "NaN"
        return "infinity" if self.infs and bool(np.isinf(value).any()) else ""


def check_results(
    results: Sequence[Any], what: str, closed: ClosedJaxpr | None = None, args: Sequence[Any] = ()
) -> None:
    """Raise for the first result that holds what the flags forbid.

    Args:
      what: what gave the results, for the message.
      closed, args: the program that did, and its arguments; it is run again to find the operation.

    Raises:
      FloatingPointError: names the operation and its place in the user's program.
    """
    wanted = Wanted(config.debug_nans, config.debug_infs)
    for x in results:
        kind = wanted.kind(x)
        if kind:
            flag = "debug_nans" if kind == "NaN" else "debug_infs"
            plain = f"{where()}: {what} gave {kind}"
            found = plain if closed is None else _explain(closed, args, wanted, plain, what)
            error = FloatingPointError(
                f"{found} (cotan.config.{flag} is on). Keep its operands from where it is not defined, or turn the "
                "flag off."
            )
            error._cotan_check = True  # type: ignore[attr-defined]
            raise error


def seen_only(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> tuple[Any] | None:
    """The result of a function of the library that a check stopped, if only values in between are bad.

    So a function does under the flags at once what it does compiled, whatever it is made of. Not for functions that
    call the user's, nor where results are traced: what they hold is not known in full.
    """
    if not hasattr(error, "_cotan_check"):
        return None
    if any(callable(x) and not isinstance(x, type) for x in tree_leaves((args, kwargs))):
        return None
    wanted = Wanted(config.debug_nans, config.debug_infs)
    with config.override(debug_nans=False, debug_infs=False):
        result = function(*args, **kwargs)
    if any(isinstance(x, Tracer) or wanted.kind(x) for x in tree_leaves(result)):
        return None
    return (result,)


def _explain(closed: ClosedJaxpr, args: Sequence[Any], wanted: Wanted, plain: str, what: str) -> str:
    with set_current_trace(eval_trace), config.override(debug_nans=False, debug_infs=False):
        try:
            found = _search(closed, args, wanted)
        except _NotRepeatable:
            return f"{plain}; which of its operations did cannot be found by running it again: it talks to the world"
    if found is None:
        return plain
    eqn = found.eqn
    place = where() if eqn.source is None else format_frame(eqn.source)
    given = f" of operands that held {found.already} already" if found.already else ""
    return f"{place}: `{eqn.primitive}` gave {found.kind}{given}, in {', '.join([*found.inside, what])}"


class _NotRepeatable(Exception):
    pass


class _Culprit(NamedTuple):
    """The equation that made a bad value, what was bad in its operands already, and the loops and branches around."""

    eqn: Eqn
    kind: str
    already: str
    inside: tuple[str, ...] = ()


def _search(closed: ClosedJaxpr, args: Sequence[Any], wanted: Wanted) -> _Culprit | None:
    """Run ``closed`` and follow a bad result back to its origin."""
    jaxpr = closed.jaxpr
    eqns = without_effects(closed.eqns)
    if any(eqn.effects for eqn in eqns):
        raise _NotRepeatable
    env: dict[Atom, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Atom) -> Any:
        return atom.val if isinstance(atom, Literal) else env[atom]

    for eqn in eqns:
        results = eqn.primitive.bind(*map(read, eqn.invars), **eqn.params)
        env.update(zip(eqn.outvars, results if eqn.primitive.multiple_results else (results,), strict=True))
    bad = {atom: kind for atom, value in env.items() if (kind := wanted.kind(value))}
    behind = {v for v in jaxpr.outvars if v in bad}
    chain: list[Eqn] = []
    for eqn in reversed(eqns):
        if not behind.isdisjoint(eqn.outvars):
            chain.append(eqn)
            behind.update(v for v in eqn.invars if v in bad)
    chain.reverse()
    if not chain:
        return None
    eqn = next((e for e in chain if not any(v in bad for v in e.invars)), chain[0])
    inner = _inside(eqn, list(map(read, eqn.invars)), wanted)
    if inner is not None:
        return inner
    kinds = [bad[v] for v in eqn.outvars if v in bad]
    return _Culprit(eqn, kinds[0], next((bad[v] for v in eqn.invars if v in bad), ""))


def _inside(eqn: Eqn, operands: list[Any], wanted: Wanted) -> _Culprit | None:
    """The origin of a bad result of ``eqn`` in the programs that it holds, if it does."""
    rule = program.get(eqn.primitive)
    if rule is None:
        return None
    meaning = rule(**eqn.params)
    if isinstance(meaning, ClosedJaxpr):
        return _search(meaning, operands, wanted)
    if isinstance(meaning, Branch):
        index = min(max(int(operands[0]), 0), len(meaning.branches) - 1)
        found = _search(meaning.branches[index], operands[1:], wanted)
        return found and found._replace(inside=(*found.inside, f"branch {index} of {eqn.primitive}"))
    steps = _counted(meaning, operands) if isinstance(meaning, CountedLoop) else _while(meaning, operands)
    for n, (body, args, results) in enumerate(steps):
        if any(map(wanted.kind, results)):
            found = _search(body, args, wanted)
            return found and found._replace(inside=(*found.inside, f"step {n} of {eqn.primitive}"))
    return None


def _counted(loop: CountedLoop, operands: list[Any]) -> Any:
    """For each step: the body, its arguments and its results."""
    consts, carry = operands[: loop.consts], operands[loop.consts : loop.consts + loop.carry]
    xs = operands[loop.consts + loop.carry :]
    for n in range(loop.length):
        row = loop.length - 1 - n if loop.reverse else n
        args = [*consts, *carry, *(x[row] for x in xs)]
        results = eval_closed(loop.body, *args)
        yield loop.body, args, results
        carry = results[: loop.carry]


def _while(loop: WhileLoop, operands: list[Any]) -> Any:
    first = operands[: loop.cond_consts]
    consts = operands[loop.cond_consts : loop.cond_consts + loop.body_consts]
    carry = operands[loop.cond_consts + loop.body_consts :]
    while bool(eval_closed(loop.cond, *first, *carry)[0]):
        args = [*consts, *carry]
        results = eval_closed(loop.body, *args)
        yield loop.body, args, results
        carry = results
