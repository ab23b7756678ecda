"""check: an error of the user's, as an equation that does nothing else.

Its operands are (failed, code, values for the message ...); its parameter ``report`` raises what they mean. Compiled
programs do not raise: a transform must take the checks out first. Knows no message and no transform.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from cotan.errors import where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval
from cotan.ir.effects import Effect, Effects
from cotan.ir.jaxpr import ClosedJaxpr, Jaxpr, Var
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.primitives.compare import bitwise_and
from cotan.primitives.reduce import argmax, reduce_or
from cotan.primitives.shape import squeeze
from cotan.primitives.slice import dynamic_slice
from cotan.primitives.taylor import BY_JVP
from cotan.runtime.dispatch import lift
from cotan.transforms.batch import AxisData, bdim_at_front

check_p = Primitive("check", multiple_results=True, higher_order=True)
check_effect = Effect("check")


class Report(Protocol):
    """What a check means."""

    def raise_error(self, values: Sequence[np.ndarray[Any, Any]]) -> None:
        """Raise if the first value, ``failed``, is true."""

    def where(self) -> str:
        """The place of the check in the user's program."""

    @property
    def avals(self) -> Sequence[ShapedArray]:
        """The types of the values."""


def check(values: Sequence[Any], report: Report, debug: bool = False) -> None:
    """Fail if the first value is true. With ``debug`` nothing happens unless a transform takes the check out."""
    check_p.bind(*values, report=report, debug=debug)


@tables.abstract(check_p)
def _abstract(*avals: ShapedArray, **params: Any) -> list[ShapedArray]:
    return []


@tables.jvp(check_p)
def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
    return check_p.bind(*primals, **params), []


tables.jet[check_p] = BY_JVP


@tables.transpose(check_p)
def _transpose(cts: Sequence[Any], *args: Any, **params: Any) -> list[None]:
    return [None] * len(args)


tables.partial_eval[check_p] = none("nothing in it could be split: it is done where all its operands are known")


@tables.batch(check_p)
def _batch(axis: AxisData, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> Any:
    """One check for all examples: that of the first one that fails."""
    whole = [bdim_at_front(x, d, axis.size) for x, d in zip(args, dims, strict=True)]
    failed = reduce_or(whole[0], (0,))
    first = argmax(whole[0], 0, np.int32)
    return check_p.bind(failed, *(_row(x, first) for x in whole[1:]), **params), []


def _row(x: Any, index: Any) -> Any:
    shape = get_aval(x).shape
    return squeeze(dynamic_slice(x, [index, *[0] * (len(shape) - 1)], (1, *shape[1:])), (0,))


@tables.reference(check_p)
def _reference(*arrays: Any, report: Report, debug: bool) -> list[Any]:
    if not debug:
        report.raise_error(arrays)
    return []


tables.kernel[check_p] = none("an error has no meaning for one element")
tables.decompose[check_p] = none("it computes nothing")


@tables.program(check_p)
def _program(*, report: Report, debug: bool) -> ClosedJaxpr:
    if not debug:
        raise ValueError(
            f"{report.where()}: checkify.check in a function that is compiled ({where()}): a compiled program raises "
            "no errors. Make them a result of the function before it is compiled: cotan.jit(checkify.checkify(fun)), "
            "or use checkify.debug_check, which does nothing otherwise"
        )
    return ClosedJaxpr(Jaxpr((), [Var(aval) for aval in report.avals], (), ()))


@tables.effects(check_p)
def _effects(**params: Any) -> Effects:
    return frozenset((check_effect,))


@tables.predicate(check_p)
def _predicate(condition: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    failed, *values = args
    return check_p.bind(bitwise_and(condition, failed), *values, **params)  # type: ignore[no-any-return]


@tables.eager(check_p)
def _eager(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    return _reference(*(lift(x)._words() for x in args), **params)
