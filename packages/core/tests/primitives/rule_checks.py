"""Checks of the rules of one primitive against each other, on one sample of operands and parameters.

Everything is measured by ``reference``: the types of ``abstract``, the elements of ``kernel`` (by the interpreter), the
values of ``decompose`` (down to the basis), ``batch`` against a loop, ``jvp`` against differences in float64 and
``transpose`` against ``jvp``. Nothing here runs on a backend.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import kernel_interpreter
import numpy as np

import cotan.primitives.cast
import cotan.primitives.reduce  # noqa: F401  the rules of what transposition and derivatives emit
from cotan import dtypes
from cotan.config import config
from cotan.ir import primitive as tables
from cotan.ir.avals import get_aval, shaped, tangent_aval
from cotan.ir.primitive import Primitive
from cotan.ir.trace import slots
from cotan.structural import UndefinedPrimal, Zero, instantiate
from cotan.testing.operators.moves import Sample
from cotan.transforms.batch import AxisData

# ---- Evaluation without a backend -----------------------------------------------------------------------------------


def by_reference(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Run a primitive by its reference, and check the type of what comes out."""
    avals = [get_aval(x) for x in args]
    expected = tables.abstract[primitive](*avals, **params)
    arrays = [np.asarray(x).astype(aval.dtype) for x, aval in zip(args, avals, strict=True)]
    out = tables.reference[primitive](*arrays, **params)
    several = primitive.multiple_results
    for y, aval in zip(out if several else [out], expected if several else [expected], strict=True):
        assert isinstance(y, np.ndarray), f"the reference of {primitive} gives {type(y)}"
        assert (y.shape, y.dtype) == (aval.shape, aval.dtype), f"{primitive}: {y.dtype}{y.shape}, not {aval.short()}"
    return out


def by_basis(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Run a primitive by decomposition, and only those of the basis by their references."""
    if primitive.required:
        return by_reference(primitive, args, params)
    out = tables.decompose[primitive](*args, **params)
    expected = tables.abstract[primitive](*map(get_aval, args), **params)
    for y, aval in zip(out, expected, strict=True) if primitive.multiple_results else [(out, expected)]:
        assert (get_aval(y).shape, get_aval(y).dtype) == (aval.shape, aval.dtype), (
            f"{primitive} decomposes to another type"
        )
    return out


@contextmanager
def evaluated(how: Any = by_reference) -> Iterator[None]:
    """Within the block, primitives run by ``how``, with 64-bit values."""
    before = slots.eager
    slots.eager = how
    try:
        with config.override(enable_x64=True):
            yield
    finally:
        slots.eager = before


# ---- The checks -----------------------------------------------------------------------------------------------------


def close(actual: Any, expected: Any, rtol: float, what: str) -> None:
    """``actual`` has the type of ``expected`` and, bit for bit or to ``rtol``, its values."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype), f"{what}: {actual.dtype}{actual.shape}"
    if rtol == 0:
        same = np.ascontiguousarray(actual).tobytes() == np.ascontiguousarray(expected).tobytes()
        assert same, f"{what}:\n{actual}\nexpected\n{expected}"
    else:
        if expected.dtype.kind not in "fciub":
            actual, expected = actual.astype(np.float64), expected.astype(np.float64)
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol, err_msg=what)


def results(out: Any, primitive: Primitive) -> list[Any]:
    return list(out) if primitive.multiple_results else [out]


def check_kernel(sample: Sample) -> None:
    with evaluated():
        expected = results(by_reference(sample.primitive, sample.args, sample.params), sample.primitive)
        actual = results(kernel_interpreter.run_rule(sample.primitive, *sample.args, **sample.params), sample.primitive)
    for a, e in zip(actual, expected, strict=True):
        close(a, e, sample.rtol, f"kernel of {sample.name}")


def check_decompose(sample: Sample) -> None:
    with evaluated():
        expected = results(by_reference(sample.primitive, sample.args, sample.params), sample.primitive)
    with evaluated(by_basis):
        actual = results(sample.primitive.bind(*sample.args, **sample.params), sample.primitive)
    for a, e in zip(actual, expected, strict=True):
        close(a, e, sample.rtol, f"decomposition of {sample.name}")


def _vary(x: Any, n: int) -> Any:
    """The operand of example ``n``: other values of the same kind."""
    x = np.asarray(x)
    return x if n == 0 else np.roll(x.reshape(-1), n).reshape(x.shape)[...] if x.size > 1 else x + x.dtype.type(n)


def check_batch(sample: Sample, size: int = 3) -> None:
    """Every way to map operands along one axis agrees with a loop."""
    p, rule = sample.primitive, tables.batch[sample.primitive]
    options = [(None, *range(np.ndim(x) + 1)) for x in sample.args]
    for dims in itertools.product(*options):
        if all(dim is None for dim in dims):
            continue
        examples = [
            [np.asarray(x) if d is None else _vary(x, n) for x, d in zip(sample.args, dims, strict=True)]
            for n in range(size)
        ]
        stacked = [
            column[0] if d is None else np.stack(column, d)
            for column, d in zip(zip(*examples, strict=True), dims, strict=True)
        ]
        with evaluated():
            out, out_dims = rule(AxisData(None, size), stacked, dims, **sample.params)
            expected = [results(p.bind(*example, **sample.params), p) for example in examples]
        outs = list(zip(out, out_dims, strict=True)) if p.multiple_results else [(out, out_dims)]
        for k, (y, dim) in enumerate(outs):
            for n in range(size):
                one = np.asarray(y) if dim is None else np.take(np.asarray(y), n, dim)
                close(one, expected[n][k], sample.rtol, f"batch of {sample.name} with {dims}, example {n}")


def _inexact(x: Any) -> bool:
    return dtypes.issubdtype(np.asarray(x).dtype, np.inexact)


def _widened(sample: Sample) -> list[Any]:
    return [np.asarray(x).astype(np.float64) if _inexact(x) else np.asarray(x) for x in sample.args]


def check_jvp(sample: Sample, step: float = 1e-6) -> None:
    """For every set of varying operands, against central differences."""
    p, rng = sample.primitive, np.random.default_rng(0)
    args = _widened(sample)
    rule = tables.jvp[p]
    for count in range(1, len(sample.varying) + 1):
        for chosen in itertools.combinations(sample.varying, count):
            tangents = [rng.normal(size=np.shape(x)) if k in chosen else None for k, x in enumerate(args)]
            with evaluated():
                given = [
                    Zero(tangent_aval(get_aval(x))) if t is None else t for x, t in zip(args, tangents, strict=True)
                ]
                out, dot = rule(args, given, **sample.params)
                close(out, p.bind(*args, **sample.params), 0, f"primal of the jvp of {sample.name}")
                ahead, behind = (
                    p.bind(
                        *(x if t is None else x + h * t for x, t in zip(args, tangents, strict=True)), **sample.params
                    )
                    for h in (step, -step)
                )
                dot = instantiate(dot)
            close(dot, (ahead - behind) / (2 * step), 1e-5, f"jvp of {sample.name} along operands {chosen}")


def check_transpose(sample: Sample) -> None:
    """<ct, f(t)> = <transposed f(ct), t> for every set of operands in which the primitive is linear together."""
    p, rng = sample.primitive, np.random.default_rng(1)
    args = _widened(sample)
    for chosen in sample.linear:
        with evaluated():
            together = {k for group in sample.linear if set(chosen) <= set(group) for k in group}
            tangents = [
                rng.normal(size=np.shape(x)) if k in chosen else np.zeros_like(x) if k in together else x
                for k, x in enumerate(args)
            ]
            out = p.bind(*tangents, **sample.params)
            ct = rng.normal(size=out.shape)
            given = [
                UndefinedPrimal(shaped(np.shape(x), np.dtype(np.float64))) if k in chosen else x
                for k, x in enumerate(args)
            ]
            cts = tables.transpose[p](ct, *given, **sample.params)
        assert len(cts) == len(args)
        assert all(c is None for k, c in enumerate(cts) if k not in chosen)
        total = 0.0
        for k in chosen:
            if type(cts[k]) is not Zero and cts[k] is not None:
                assert np.shape(cts[k]) == np.shape(args[k]), f"cotangent {k} of {sample.name}"
                total += float(np.sum(cts[k] * tangents[k]))
        np.testing.assert_allclose(total, float(np.sum(ct * out)), rtol=1e-9, atol=1e-9, err_msg=sample.name)
