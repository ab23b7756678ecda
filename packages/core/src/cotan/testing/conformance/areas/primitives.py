"""Every sample of every primitive, at once and compiled, against its reference; then what it becomes under transforms.

The samples are those of the operator table, so that a new primitive is tested here as soon as it has an entry there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import cotan
from cotan import dtypes
from cotan.config import config
from cotan.ir.avals import get_aval
from cotan.ir.primitive import Primitive, abstract, reference
from cotan.testing.conformance.cases import ALL, AT_ONCE, COMPILED, Case, ProgramCase, names
from cotan.testing.operators.table import Normwise, Operator, Sample, load

SINGLES = {"float64": "float32", "complex128": "complex64", "int64": "int32", "uint64": "uint32"}
SINGLE = 1e4
"""In eps: what slopes in single precision may be off, on backends that have no double precision too."""
WIDE = frozenset({"int64", "uint64", "float64", "complex128"})


def operators() -> list[Operator]:
    """The operators that have samples of their own; those that hold programs are in other areas."""
    return [operator for operator in load().values() if not operator.primitive.higher_order]


def cases() -> Iterator[Case]:
    """All samples, and the derivatives and maps of one sample per primitive."""
    for operator in operators():
        for number, sample in enumerate(operator.samples):
            yield from _values(operator, number, sample)
    for operator in operators():
        yield from _transformed(operator)


def call(primitive: Primitive, params: dict[str, Any]) -> Callable[..., list[Any]]:
    """The primitive as a function that returns a list."""

    def run(*args: Any) -> list[Any]:
        out = primitive.bind(*args, **params)
        return list(out) if primitive.multiple_results else [out]

    return run


def allowed(operator: Operator) -> float | None:
    """How far a backend may be from the reference, which itself is as far from the truth as the table says."""
    return None if operator.kernel_tolerance is None else operator.kernel_tolerance + operator.tolerance


def _of_derivatives(operator: Operator) -> float:
    least, own = 256.0, 4 * (operator.kernel_tolerance or 8.0)
    return Normwise(max(least, own)) if isinstance(own, Normwise) else max(least, own)


def typed(sample: Sample) -> tuple[tuple[np.ndarray[Any, Any], ...], list[Any]]:
    """The operands of a sample as arrays of the dtypes that they have with 64-bit ones on, and the types of results."""
    with config.override(enable_x64=True), np.errstate(all="ignore"):
        args = tuple(np.asarray(x, get_aval(x).dtype) for x in sample.args)
        return args, [get_aval(x) for x in args]


def _results(primitive: Primitive, avals: list[Any], params: dict[str, Any]) -> list[Any]:
    """The types of what a call gives."""
    with config.override(enable_x64=True):
        out = abstract[primitive](*avals, **params)
    return list(out) if primitive.multiple_results else [out]


def _values(operator: Operator, number: int, sample: Sample) -> Iterator[Case]:
    primitive = operator.primitive
    args, avals = typed(sample)
    needed = names([*avals, *_results(primitive, avals, sample.params)])

    def wanted() -> list[Any]:
        results = reference[primitive](*args, **sample.params)
        return list(results) if primitive.multiple_results else [results]

    column = str(args[0].dtype) if args else sorted(needed)[0]
    for jit in (False, True):
        yield ProgramCase(
            f"primitives/{primitive}/{column}.{number}/{'jit' if jit else 'eager'}",
            COMPILED if jit else AT_ONCE,
            needed,
            primitive,
            (primitive.name, column),
            fun=call(primitive, sample.params),
            args=args,
            wanted=wanted,
            tolerance=allowed(operator),
            unique=operator.unique and partial(operator.comparable, sample),
            x64=bool(needed & WIDE),
            jit=jit,
        )


# ---- Under transforms


def _transformed(operator: Operator) -> Iterator[Case]:
    primitive = operator.primitive
    for sample in operator.grads[:1] if operator.unique is None else ():
        wide, avals = typed(sample)
        results = names(_results(primitive, avals, sample.params))
        asked = {np.dtype(v).name for v in sample.params.values() if isinstance(v, np.dtype)}
        function = call(primitive, sample.params)
        for double in (True,) if asked & WIDE else (True, False):
            args = wide if double else tuple(map(_single, wide))
            for what, fun in (("jvp", partial(_forward, function)), ("vjp", partial(_backward, function))):
                yield ProgramCase(
                    f"derivatives/{primitive}/{what}{'' if double else ' in single precision'}",
                    ALL,
                    names(args) | ({SINGLES.get(name, name) for name in results} if not double else results),
                    primitive,
                    instead_of=frozenset() if double else names(wide) | results,
                    fun=fun,
                    args=args,
                    tolerance=_of_derivatives(operator) if double else SINGLE,
                    x64=double,
                    jit=True,
                )
    mapped = next((s for s in operator.samples if s.args and all(0 not in np.shape(x) for x in s.args)), None)
    if mapped is not None and operator.unique is None:
        args, avals = typed(mapped)
        needed = names(avals) | names(_results(primitive, avals, mapped.params))
        yield ProgramCase(
            f"maps/{primitive}/vmap",
            ALL,
            needed,
            primitive,
            fun=cotan.vmap(call(primitive, mapped.params)),
            args=tuple(np.stack([x, x, x], 0) for x in args),
            wanted=partial(_stacked, primitive, args, mapped.params),
            tolerance=allowed(operator),
            x64=bool(needed & WIDE),
            jit=True,
        )


def _stacked(primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> list[Any]:
    results = reference[primitive](*args, **params)
    return [np.stack([x, x, x]) for x in (results if primitive.multiple_results else [results])]


def _single(x: Any) -> Any:
    """An operand in single precision."""
    return x.astype(SINGLES.get(x.dtype.name, x.dtype))


def _inexact(x: Any) -> bool:
    return bool(dtypes.issubdtype(x.dtype, np.inexact))


def _tangents(args: tuple[Any, ...]) -> list[Any]:
    """A direction for each operand: small and irregular."""
    found: list[Any] = []
    for position, x in enumerate(args):
        line = np.cos(1.0 + position + 2.0 * np.arange(np.size(x))).reshape(np.shape(x))
        found.append(line.astype(x.dtype) if _inexact(x) else np.zeros(np.shape(x), dtypes.float0))
    return found


def _forward(function: Callable[..., list[Any]], *args: Any) -> list[Any]:
    outs, tangents = cotan.jvp(function, args, tuple(_tangents(args)))
    return [t for out, t in zip(outs, tangents, strict=True) if _inexact(out)]


def _backward(function: Callable[..., list[Any]], *args: Any) -> list[Any]:
    places = [k for k, x in enumerate(args) if _inexact(x)]

    def smooth(*xs: Any) -> list[Any]:
        given = list(args)
        for k, x in zip(places, xs, strict=True):
            given[k] = x
        return [out for out in function(*given) if _inexact(out)]

    outs, pull = cotan.vjp(smooth, *(args[k] for k in places))
    return list(pull(_tangents(tuple(outs))))
