"""Every primitive on every sample of the operator table: compiled for the CPU, and at once, against its reference."""

from __future__ import annotations

import numpy as np
import pytest
from programs import by_reference, compiled, get_aval, get_backend, one_equation, run

from cotan.config import config
from cotan.ir.primitive import abstract, reference
from cotan.testing.operators.table import Operator, assert_close, load
from cotan_cpu.buffers import CpuBuffer

FENCE = 1 << 12
OPERATORS = [operator for operator in load().values() if not operator.primitive.higher_order]


def identify(operator: Operator) -> str:
    return operator.primitive.name


@pytest.fixture(autouse=True)
def sixty_four_bits():
    with config.override(enable_x64=True, check_jaxprs=True):
        yield


@pytest.mark.parametrize("operator", OPERATORS, ids=identify)
def test_compiled(operator):
    for sample in operator.samples:
        closed = one_equation(operator.primitive, sample.args, sample.params)
        found = run(compiled(closed), sample.args, closed.in_avals)
        wanted = by_reference(closed, [np.asarray(getattr(x, "words", x)) for x in sample.args])
        assert [x.dtype for x in found] == [y.dtype for y in wanted]
        for x, y in zip(operator.comparable(sample, found), operator.comparable(sample, wanted), strict=True):
            assert_close(x, y, operator.kernel_tolerance, f"{operator.primitive} {sample}")


def fenced(shape, dtype, nbytes):
    """An array amid bytes that nobody may touch, and those bytes."""
    memory = np.full(nbytes + 2 * FENCE, 0xA5, np.uint8)
    return np.ndarray(shape, dtype, memory, FENCE), memory[:FENCE], memory[FENCE + nbytes :]


@pytest.mark.parametrize("operator", OPERATORS, ids=identify)
def test_compiled_code_writes_its_results_and_nothing_else(operator):
    for sample in operator.samples:
        closed = one_equation(operator.primitive, sample.args, sample.params)
        executable = compiled(closed)
        inputs = []
        for x, aval in zip(sample.args, closed.in_avals, strict=True):
            value = np.asarray(getattr(x, "words", x), aval.dtype if isinstance(aval.dtype, np.dtype) else None)
            inputs.append(fenced(value.shape, value.dtype, value.nbytes))
            inputs[-1][0][...] = value
        outputs = [fenced(*new) for new in executable._new]
        before = [array.tobytes() for array, _, _ in inputs]
        executable._call(*(array for array, _, _ in (*inputs, *outputs)))
        for _, low, high in (*inputs, *outputs):
            assert (low == 0xA5).all(), sample
            assert (high == 0xA5).all(), sample
        for number, (array, _, _) in enumerate(inputs):
            assert number in executable._overwrites or array.tobytes() == before[number], sample


@pytest.mark.parametrize("operator", OPERATORS, ids=identify)
def test_at_once(operator):
    backend = get_backend("cpu")
    device = backend.devices()[0]
    primitive = operator.primitive
    for sample in operator.samples:
        avals = [get_aval(x) for x in sample.args]
        arrays = [
            np.asarray(getattr(x, "words", x), aval.dtype if isinstance(aval.dtype, np.dtype) else None)
            for x, aval in zip(sample.args, avals, strict=True)
        ]
        out = abstract[primitive](*avals, **sample.params)
        outs = out if primitive.multiple_results else [out]
        found = backend.eager(primitive, [device.put(x) for x in arrays], sample.params, outs, device)
        wanted = reference[primitive](*arrays, **sample.params)
        wanted = wanted if primitive.multiple_results else [wanted]
        assert all(type(buffer) is CpuBuffer and buffer.array.flags.c_contiguous for buffer in found)
        values = [buffer.array for buffer in found]
        assert [x.dtype for x in values] == [y.dtype for y in wanted]
        for x, y in zip(operator.comparable(sample, values), operator.comparable(sample, wanted), strict=True):
            assert_close(x, y, operator.kernel_tolerance, f"{primitive} {sample}")
