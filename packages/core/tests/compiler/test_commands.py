"""Programs as commands: written in C, built by the system's compiler, and run one item after the other."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from compiler.c_harness import COMPILER, compiled

from cotan import lax
from cotan import numpy as cnp
from cotan.backend import LoweringTable
from cotan.compiler import compile_to_program
from cotan.compiler.c import C99, GPU_TILE, SERIAL, Language, fourier, sorting
from cotan.compiler.c.commands import Copy, Frame, HostCall, Launch, Target, write
from cotan.compiler.c.printer import print_kernel
from cotan.config import config
from cotan.errors import UnsupportedError
from cotan.ir.avals import get_aval
from cotan.ir.primitive import reference
from cotan.primitives.fft import FftType, fft_p
from cotan.primitives.sort import sort_p, top_k_p
from cotan.transforms.stage import stage_closed

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler on this machine")
ITEM_BY_ITEM = replace(C99, item="item")


def written(
    function: Any, *args: Any, shared: bool = True, generated: bool = False, language: Language = ITEM_BY_ITEM
) -> tuple[Frame, str]:
    table = LoweringTable("toy")
    for primitive, rule in ((sort_p, sorting.sort), (top_k_p, sorting.top_k), (fft_p, fourier.fft)):
        table.rule("library", primitive)(rule if generated else lambda writer, step: writer.host(step))
    closed = stage_closed(lambda *xs: list(function(*xs)), [get_aval(x) for x in args], name="toy")
    program = compile_to_program(closed, supports_library=table.library)
    return write(program, table, Target("toy", language, SERIAL, shared, units=4))


def run(frame: Frame, text: str, *args: np.ndarray) -> list[np.ndarray]:
    """The results of a program whose loops are all one launch."""
    library = compiled(f"{C99.prelude}\nint64_t item;\n{text}")
    item = ctypes.c_int64.in_dll(library, "item")
    arena = np.zeros(frame.peak + 1, np.uint8)
    buffers: dict[int, np.ndarray] = dict(zip(frame.program.inputs, (x.copy() for x in args), strict=True))
    for number, aval in enumerate(frame.avals):
        if number in frame.places:
            at = frame.places[number]
            buffers[number] = arena[at : at + aval.nbytes].view(aval.dtype).reshape(aval.shape)
        elif number not in buffers:
            buffers[number] = np.array(np.broadcast_to(frame.consts.get(number, 0), aval.shape), aval.dtype)
    for command in frame.commands:
        if isinstance(command, Launch):
            words: list[Any] = []
            for number, _ in command.operands:
                words += [ctypes.c_void_p(buffers[number].ctypes.data), ctypes.c_int64(0)]
            words += [ctypes.c_int32.from_buffer_copy(value) for value in command.scalars]
            for k in range(command.items[0]):
                item.value = k
                getattr(library, command.kernel)(*words)
        elif isinstance(command, Copy):
            buffers[command.target][...] = buffers[command.source]
        else:
            assert isinstance(command, HostCall)
            found = command.function(*(buffers[n] for n in command.operands), **command.params)
            for number, value in zip(command.results, found if command.multiple else [found], strict=True):
                buffers[number][...] = value
    return [buffers[n] for n in frame.program.outputs]


def test_kernels_are_shared_among_items():
    x = np.random.default_rng(0).standard_normal((600, 700)).astype(np.float32)
    frame, text = written(lambda x: [cnp.sum(cnp.exp(x) * 2, 1)], x)
    [launch] = frame.commands
    assert launch.items[0] > 1
    np.testing.assert_allclose(run(frame, text, x)[0], np.sum(np.exp(x) * 2, 1), rtol=1e-5)


LAST = """static int cotan_is_last(volatile int *count, int items) {
  if (++*count < items) return 0;
  *count = 0;
  return 1;
}
"""
WITH_LAST = replace(ITEM_BY_ITEM, prelude=C99.prelude + LAST, last="cotan_is_last({count}, {items})")


def test_the_last_item_does_small_kernels_that_follow():
    x = np.random.default_rng(0).standard_normal((600, 700)).astype(np.float32)

    y = x[0, :50]

    def function(x: Any, y: Any) -> list[Any]:
        mean = cnp.mean(x)
        return [mean, cnp.tanh(y - mean)]

    frame, text = written(function, x, y, language=WITH_LAST)
    [launch] = frame.commands
    assert launch.items[0] > 1
    assert text.count("cotan_is_last(") == 1
    for _ in range(2):
        mean, small = run(frame, LAST + text, x, y)
        np.testing.assert_allclose(mean, x.mean(dtype=np.float64), atol=1e-6)
        np.testing.assert_allclose(small, np.tanh(y - x.mean()), atol=1e-6)


def test_one_item_does_small_kernels_without_counting():
    x = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    frame, text = written(lambda x: [cnp.cumsum(cnp.max(x * 2, 1))], x, language=WITH_LAST)
    assert [type(command) for command in frame.commands] == [Launch]
    assert "cotan_is_last" not in text
    np.testing.assert_array_equal(run(frame, text, x)[0], np.cumsum((x * 2).max(1)))


def test_long_kernels_and_many_operands_are_launches_of_their_own():
    x = np.random.default_rng(0).standard_normal((600, 700)).astype(np.float32)
    frame, text = written(lambda x: [x - cnp.mean(x)], x, language=WITH_LAST)
    assert len(frame.commands) == 2
    np.testing.assert_allclose(run(frame, LAST + text, x)[0], x - x.mean(), atol=1e-6)

    def chain(x: Any) -> list[Any]:
        sums = [x[:40]]
        for _ in range(20):
            sums.append(cnp.cumsum(sums[-1][1:] / 8))
        return sums[1:]

    frame, text = written(chain, x[0], language=WITH_LAST)
    assert 1 < len(frame.commands) < 20
    assert all(isinstance(c, Launch) and len(c.operands) <= 24 for c in frame.commands)
    wanted = x[0][:40]
    for found in run(frame, text, x[0]):
        wanted = np.cumsum(wanted[1:] / 8)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_loops_of_little_work_are_one_launch():
    x = np.linspace(-1, 1, 50, dtype=np.float32)

    def step(carry, a):
        return lax.cond(a > 0, lambda c: c * a, lambda c: c + 1, carry), carry - a

    def function(x):
        count = lax.while_loop(lambda n: n < 40, lambda n: 2 * n + 1, 1)
        return [*lax.scan(step, cnp.float32(0), x, reverse=True), count]

    wanted, carry = [], np.float32(0)
    for a in x[::-1]:
        wanted.append(carry - a)
        carry = carry * a if a > 0 else carry + 1
    frame, text = written(function, x)
    assert all(isinstance(command, Launch) for command in frame.commands)
    last, rows, count = run(frame, text, x)
    np.testing.assert_allclose(rows, wanted[::-1], rtol=1e-5)
    np.testing.assert_allclose(last, carry, rtol=1e-5)
    assert count == 63


def test_steps_on_the_host():
    x = np.random.default_rng(0).standard_normal(70).astype(np.float32)
    frame, text = written(lambda x: [cnp.sort(x * 2) + 1], x)
    assert [type(command) for command in frame.commands] == [Launch, HostCall, Launch]
    np.testing.assert_allclose(run(frame, text, x)[0], np.sort(x * 2) + 1, rtol=1e-6)
    with pytest.raises(UnsupportedError, match=r"toy.*`sort` on this device.*not the host's"):
        written(lambda x: [cnp.sort(x)], x, shared=False)


REDUCTIONS = {
    "sum": lambda x: [cnp.sum(x)],
    "rows": lambda x: [cnp.sum(x, 1), cnp.max(x, 1)],
    "softmax": lambda x: [cnp.exp(x) / cnp.sum(cnp.exp(x), 1, keepdims=True)],
    "variance": lambda x: [cnp.var(x, 1), cnp.var(x)],
    "position": lambda x: [cnp.argmax(x, 1), cnp.argmin(x)],
    "rows and all": lambda x: [cnp.sum(x), cnp.sum(x, 1)],
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_all_items_of_a_group_meet_at_barriers(name: str) -> None:
    language = replace(C99, item="ITEM", group="GROUP", local_item="LOCAL", barrier="MEET;")
    closed = stage_closed(REDUCTIONS[name], [get_aval(np.zeros((3, 1000), np.float32))], name="toy")
    met = 0
    for step in compile_to_program(closed, local_bytes=1 << 14).steps:
        opened: list[str] = []
        for line in print_kernel(step.kernel, language, GPU_TILE).body.splitlines():
            if line.strip() == "}":
                opened.pop()
            if line.endswith("{"):
                opened.append(line)
            if "MEET;" in line:
                met += 1
                # Not by groups either: PoCL loses variables where a barrier is conditional.
                assert not any("LOCAL" in around or "if (" in around for around in opened), opened
    assert met > 0


KEYS = ("float32", "float64", "int8", "uint64", "bool", "complex64")


@pytest.mark.parametrize("dtype", KEYS)
@pytest.mark.parametrize("shape", [(7,), (3, 1, 2), (2, 13, 3)])
def test_sorting_by_merging(dtype: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-4, 4, shape)
    if np.dtype(dtype).kind in "fc":
        values = np.where(values == 3, np.nan, np.where(values == 0, -0.0, values / 2))
    x = (values + 1j * rng.integers(0, 2, shape) if dtype == "complex64" else values).astype(dtype)
    other = rng.integers(0, 3, shape).astype(np.float32)
    place = np.arange(x.size, dtype=np.int16).reshape(shape)
    with config.override(enable_x64=True):
        for keys in (1, 2):
            params = {"dimension": len(shape) - 2 if len(shape) > 1 else 0, "num_keys": keys, "is_stable": True}
            frame, text = written(lambda *xs, p=params: sort_p.bind(*xs, **p), x, other, place, generated=True)
            assert not any(isinstance(command, HostCall) for command in frame.commands)
            for found, wanted in zip(run(frame, text, x, other, place), reference[sort_p](x, other, place, **params)):
                np.testing.assert_array_equal(found, wanted)
                assert (np.signbit(found.real) == np.signbit(wanted.real)).all()
        count = shape[-1] // 2
        frame, text = written(lambda x: top_k_p.bind(x, k=count, axis=len(shape) - 1), x, generated=True)
        for found, wanted in zip(run(frame, text, x), reference[top_k_p](x, k=count, axis=len(shape) - 1)):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("lengths", [(1,), (2,), (12,), (13,), (128,), (210,), (5, 8), (4, 3, 7), (2, 1), (0,)])
@pytest.mark.parametrize("kind", list(FftType), ids=lambda kind: kind.name)
def test_fourier_transforms_by_passes(kind: FftType, lengths: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    shape = (2, *(lengths if kind is not FftType.IRFFT else (*lengths[:-1], lengths[-1] // 2 + 1)))
    x = rng.standard_normal(shape) + (0 if kind is FftType.RFFT else 1j * rng.standard_normal(shape))
    with config.override(enable_x64=True):
        params = {"fft_type": kind, "fft_lengths": lengths}
        frame, text = written(lambda x: [fft_p.bind(x, **params)], x, generated=True)
        assert not any(isinstance(command, HostCall) for command in frame.commands)
        [found], wanted = run(frame, text, x), reference[fft_p](x, **params)
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
