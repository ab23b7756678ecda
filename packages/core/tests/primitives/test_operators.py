"""What the table of operators is for: each primitive's rules against each other, and against independent oracles."""

from __future__ import annotations

from typing import Any

import kernel_interpreter
import numpy as np
import pytest

from cotan import dtypes
from cotan.ir import primitive as tables
from cotan.ir.avals import get_aval
from cotan.ir.check import check_jaxpr
from cotan.ir.evaluate import eval_jaxpr
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive
from cotan.primitives.linalg.common import OF_A_LIBRARY
from cotan.structural import Zero
from cotan.testing.operators.table import Keys, Operator, Sample, assert_close, eager, load
from cotan.transforms.batch import AxisData, batch_flat
from cotan.transforms.jvp import jvp_flat
from cotan.transforms.partial_eval import linearize_flat
from cotan.transforms.stage import stage_to_jaxpr
from cotan.transforms.transpose import backward_pass

TABLE = load()


def cases(which: Any) -> list[Any]:
    """One test per primitive for which ``which(operator)`` gives samples."""
    return [pytest.param(op, id=op.primitive.name) for op in TABLE.values() if which(op)]


def flat(primitive: Primitive, params: dict[str, Any]) -> Any:
    def function(*args: Any) -> list[Any]:
        out = primitive.bind(*args, **params)
        return list(out) if primitive.multiple_results else [out]

    return function


def run(primitive: Primitive, sample: Sample) -> list[Any]:
    return flat(primitive, sample.params)(*sample.args)


def inexact(x: Any) -> bool:
    return bool(dtypes.issubdtype(get_aval(x).dtype, np.inexact))


def words(x: Any) -> Any:
    return x.words if isinstance(x, Keys) else x


# ---- Values


def widened(x: Any) -> Any:
    x = np.asarray(x)
    if dtypes.issubdtype(x.dtype, np.complexfloating):
        return x.astype(np.complex128)
    return x.astype(np.float64) if dtypes.issubdtype(x.dtype, np.floating) else x


@pytest.mark.parametrize("op", cases(lambda op: op.oracle))
def test_reference_agrees_with_the_oracle(op: Operator) -> None:
    for sample in op.samples:
        outs = run(op.primitive, sample)
        with np.errstate(all="ignore"):
            wanted = op.oracle(*map(widened, sample.args), **sample.params)
        for out, want in zip(outs, wanted if op.primitive.multiple_results else [wanted], strict=True):
            assert_close(out, want, op.tolerance, f"{op.primitive} {sample}")


@pytest.mark.parametrize("op", cases(lambda op: op.samples))
def test_references_change_no_operand_and_share_no_memory(op: Operator) -> None:
    """An operation may not write into its operands, nor give an array that later writes could change."""
    for sample in op.samples:
        if any(isinstance(x, Keys) for x in sample.args):
            continue
        args = [np.array(x) for x in sample.args]
        before = [x.tobytes() for x in args]
        for out in flat(op.primitive, sample.params)(*args):
            if isinstance(out, np.ndarray):
                assert not any(np.shares_memory(out, x) for x in args if x.size), f"{op.primitive} {sample}"
        assert [x.tobytes() for x in args] == before, f"{op.primitive} {sample}"


@pytest.mark.parametrize("op", cases(lambda op: op.samples))
def test_staging_gives_the_same_program_result(op: Operator) -> None:
    for sample in op.samples:
        jaxpr, consts = stage_to_jaxpr(flat(op.primitive, sample.params), [get_aval(x) for x in sample.args])
        check_jaxpr(jaxpr)
        for a, b in zip(eval_jaxpr(jaxpr, consts, *sample.args), run(op.primitive, sample), strict=True):
            assert_close(words(a), words(b), None, f"{op.primitive} {sample}")


# ---- Kernels and decompositions


def in_kernel_dtypes(sample: Sample) -> bool:
    return all(isinstance(get_aval(x).dtype, np.dtype) and np.asarray(x).dtype.kind in "biuf" for x in sample.args)


@pytest.mark.parametrize("op", cases(lambda op: op.kernel and op.primitive in tables.kernel))
def test_kernel_agrees_with_the_reference(op: Operator) -> None:
    for sample in op.samples:
        outs = run(op.primitive, sample)
        if not in_kernel_dtypes(sample) or any(np.asarray(x).dtype.kind not in "biuf" for x in outs):
            continue
        found = kernel_interpreter.run_rule(op.primitive, *sample.args, **sample.params)
        for a, b in zip(found if op.primitive.multiple_results else [found], outs, strict=True):
            assert_close(a, b, op.kernel_tolerance, f"{op.primitive} {sample}")


def decomposed(primitive: Primitive, args: Any, params: dict[str, Any]) -> Any:
    """Run ``primitive`` by decompositions all the way down to what every backend must know."""
    rule = tables.decompose.get(primitive)
    if rule is None:
        known = primitive.required or tables.decompose.absent(primitive) is OF_A_LIBRARY
        assert known, f"{primitive} does not decompose, and is not required either"
        return eager(primitive, args, params)
    return rule(*args, **params)


@pytest.mark.parametrize("op", cases(lambda op: op.decomposes and op.primitive in tables.decompose))
def test_decomposition_agrees_with_the_reference(op: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    for sample in op.samples:
        outs = run(op.primitive, sample)
        with monkeypatch.context() as patch:
            patch.setattr("cotan.ir.trace.slots.eager", decomposed)
            found = run(op.primitive, sample)
        for a, b in zip(found, outs, strict=True):
            assert get_aval(a).dtype == get_aval(b).dtype
            assert_close(words(a), words(b), op.kernel_tolerance, f"{op.primitive} {sample}")


# ---- vmap


def stacked(x: Any, dim: int, size: int) -> np.ndarray:
    """``size`` variations of ``x`` along ``dim``: its elements rolled."""
    x = np.asarray(x)
    return np.stack([np.roll(x, n) if x.ndim else x for n in range(size)], axis=dim)


def one(x: Any, dim: int | None, n: int) -> Any:
    return x if dim is None else np.take(x, n, dim)


@pytest.mark.parametrize("op", cases(lambda op: op.samples))
def test_vmap_is_a_loop(op: Operator) -> None:
    size = 3
    for sample in op.samples:
        if not sample.args or any(isinstance(x, Keys) for x in sample.args):
            continue
        patterns = [[0] * len(sample.args), [np.ndim(x) for x in sample.args]]
        patterns += [
            [1 if k == n and np.ndim(sample.args[n]) else 0 if k == n else None for k in range(len(sample.args))]
            for n in range(len(sample.args))
        ]
        for dims in patterns:
            args = [x if d is None else stacked(x, d, size) for x, d in zip(sample.args, dims, strict=True)]
            function = flat(op.primitive, sample.params)
            outs, out_dims = batch_flat(function, AxisData(None, size), dims, args)
            for n in range(size):
                wanted = function(*(one(x, d, n) for x, d in zip(args, dims, strict=True)))
                for out, dim, want in zip(outs, out_dims, wanted, strict=True):
                    got = one(words(out), dim, n)
                    assert_close(got, words(want), op.kernel_tolerance, f"{op.primitive} {sample} {dims}")


# ---- Derivatives


def directions(sample: Sample, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    found: list[Any] = []
    for x in sample.args:
        shape = np.shape(x)
        if not inexact(x):
            found.append(None)
        elif np.iscomplexobj(x):
            found.append(rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
        else:
            found.append(rng.standard_normal(shape))
    return found


def as_tangent(x: Any, t: Any) -> Any:
    from cotan.ir.avals import tangent_aval

    return Zero(tangent_aval(get_aval(x))) if t is None else t


def dense(t: Any) -> np.ndarray:
    return np.zeros(t.aval.shape) if isinstance(t, Zero) else np.asarray(t)


@pytest.mark.parametrize("op", cases(lambda op: op.grads))
def test_jvp_agrees_with_differences(op: Operator) -> None:
    for sample in op.grads:
        function = flat(op.primitive, sample.params)
        ts = directions(sample, 1)
        # Every operand alone, and all together: symbolic zeros take other ways.
        masks = [[True] * len(ts)] + [[k == n for k in range(len(ts))] for n in range(len(ts)) if ts[n] is not None]
        for mask in masks:
            active = [t if on else None for t, on in zip(ts, mask, strict=True)]
            if all(t is None for t in active):
                continue
            tangents = [as_tangent(x, t) for x, t in zip(sample.args, active, strict=True)]
            outs, out_tangents = jvp_flat(function, list(sample.args), tangents)
            h = 1e-6
            up, down = (
                function(
                    *(x if t is None else np.asarray(x + s * h * t) for x, t in zip(sample.args, active, strict=True))
                )
                for s in (1, -1)
            )
            for out, t, a, b in zip(outs, out_tangents, up, down, strict=True):
                if inexact(out):
                    np.testing.assert_allclose(
                        dense(t), (np.asarray(a) - np.asarray(b)) / (2 * h), rtol=2e-5, atol=2e-6
                    )
                else:
                    assert isinstance(t, Zero)


def pairing(xs: Any, ys: Any) -> float:
    return float(sum(np.sum(dense(x) * dense(y)).real for x, y in zip(xs, ys, strict=True)))


@pytest.mark.parametrize("op", cases(lambda op: op.grads))
def test_reverse_is_the_transpose_of_forward(op: Operator) -> None:
    for sample in op.grads:
        function = flat(op.primitive, sample.params)
        linearized = linearize_flat(function, list(sample.args))
        ts = directions(sample, 2)
        tangents = [as_tangent(x, t) for x, t in zip(sample.args, ts, strict=True)]
        _, forward = jvp_flat(function, list(sample.args), tangents)
        forward = [t for t in forward if not isinstance(t, Zero)]
        check_jaxpr(linearized.jaxpr)
        rng = np.random.default_rng(3)
        cts = [rng.standard_normal(v.aval.shape).astype(v.aval.dtype) for v in linearized.jaxpr.outvars]
        back = backward_pass(linearized.jaxpr, linearized.residuals, cts)
        used = [(ct, t) for ct, t in zip(back, ts, strict=True) if t is not None]
        np.testing.assert_allclose(
            pairing(cts, forward), pairing([c for c, _ in used], [t for _, t in used]), rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("op", cases(lambda op: op.grads))
def test_second_derivatives_agree_with_differences(op: Operator) -> None:
    for sample in op.grads:
        function = flat(op.primitive, sample.params)
        ts, ss = directions(sample, 4), directions(sample, 5)
        places = [k for k, t in enumerate(ts) if t is not None]

        def slope(
            *xs: Any, function: Any = function, sample: Sample = sample, ts: Any = ts, places: Any = places
        ) -> Any:
            args = list(sample.args)
            for k, x in zip(places, xs, strict=True):
                args[k] = x
            outs, out_tangents = jvp_flat(
                function, args, [as_tangent(x, t) for x, t in zip(sample.args, ts, strict=True)]
            )
            return [t for out, t in zip(outs, out_tangents, strict=True) if inexact(out) and not isinstance(t, Zero)]

        xs, dxs = [sample.args[k] for k in places], [ss[k] for k in places]
        _, second = jvp_flat(slope, xs, dxs)
        h = 1e-6
        up, down = (slope(*(np.asarray(x + s * h * d) for x, d in zip(xs, dxs, strict=True))) for s in (1, -1))
        for t, a, b in zip(second, up, down, strict=True):
            np.testing.assert_allclose(dense(t), (np.asarray(a) - np.asarray(b)) / (2 * h), rtol=1e-4, atol=1e-5)


def test_closed_jaxpr_of_a_sample_prints() -> None:
    op = TABLE[Primitive.catalogue["mul"]]
    jaxpr, consts = stage_to_jaxpr(flat(op.primitive, {}), [get_aval(x) for x in op.samples[0].args])
    assert "mul" in str(ClosedJaxpr(jaxpr, consts))
