"""The plan of a convolution: a product of BLAS where it is one, else native code (``conv_text``), or loops.

Which way, how operands lie, and how the work is divided. Half precision is computed in float32.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.ir import scalar
from cotan.ir.index import ZERO, Axis, Index, axis_index
from cotan.ir.program import Kernel, KernelOperand, LibraryStep, Loop, Node, Store
from cotan_cpu.lower import conv_product, conv_text, dot
from cotan_cpu.lower.conv_product import Shape
from cotan_cpu.lower.conv_text import Forward, Image, Tile, Weights
from cotan_cpu.lower.text import DECLARATIONS, turn

if TYPE_CHECKING:
    from cotan_cpu.program import Writer

Dims = tuple[int, ...]
_ELEMENTS = {"float32": "float", "float64": "double"}
_SECONDS_PER_FLOP = {"float32": 1 / 60e9, "float64": 1 / 30e9}
_TILE_BYTES = 192 << 10
_LEAST_CHANNELS = 4
_LEAST_COLUMNS = 96
_LEAST_FLOPS = 1 << 15
_SUMS_BYTES = 8 << 20
"""How much the sums of all units of a gradient of weights may take; each unit has its own."""


def _strides(shape: Dims) -> Dims:
    return tuple(math.prod(shape[k + 1 :]) for k in range(len(shape)))


class Problem:
    """A convolution of three spatial axes (those that are missing have extent 1), with shapes and distances."""

    def __init__(self, lhs: Dims, rhs: Dims, out: Dims, params: dict[str, Any]) -> None:
        from cotan.primitives.conv import slides_of

        lhs_spec, rhs_spec, out_spec = params["dimension_numbers"]
        slides = slides_of(lhs, rhs, params)
        self.slides = slides
        self.rank = len(slides)
        self.features_groups, self.batch_groups = params["feature_group_count"], params["batch_group_count"]
        self.groups = self.features_groups * self.batch_groups
        self.batch, self.inputs = lhs[lhs_spec[0]], lhs[lhs_spec[1]]
        self.outputs = rhs[rhs_spec[0]]
        more = (0,) * (3 - self.rank)
        steps = _strides(lhs), _strides(rhs), _strides(out)
        self.lhs, self.rhs, self.out = (
            (*(step[d] for d in spec[:2]), *more, *(step[d] for d in spec[2:]))
            for step, spec in zip(steps, (lhs_spec, rhs_spec, out_spec), strict=True)
        )
        self.result = math.prod(out)
        self.flops = 2.0 * self.result * math.prod(rhs[d] for d in rhs_spec[1:])

    @property
    def windows(self) -> int:
        return math.prod(slide.count for slide in self.slides)

    @property
    def window(self) -> int:
        return math.prod(slide.window for slide in self.slides)

    def axes(self, swapped: bool) -> tuple[conv_text.Axis, conv_text.Axis, conv_text.Axis]:
        """The image's axes, with windows as outer positions; ``swapped``: the window's elements."""
        found = [conv_text.Axis(1, 0, 1, 1, 1, 1, 1)] * (3 - self.rank)
        for s in self.slides:
            pairs = [(s.count, s.stride), (s.window, s.dilation)]
            outer, inner = pairs[::-1] if swapped else pairs
            found.append(conv_text.Axis(s.extent, s.low, s.base, *outer, *inner))
        return tuple(found)  # type: ignore[return-value]

    def image(self, swapped: bool) -> Image:
        """The operand as images; ``swapped``: with features as images and the batch as channels."""
        images, channels, image_step, channel_step = self.batch, self.inputs, self.lhs[0], self.lhs[1]
        in_images = self.batch_groups > 1
        if swapped:
            images, channels, image_step, channel_step = channels, images, channel_step, image_step
            in_images = self.features_groups > 1
        share = self.groups
        if in_images:
            images //= share
            group_step = images * image_step
        else:
            channels //= share
            group_step = channels * channel_step
        return Image(
            share,
            images,
            channels,
            group_step,
            image_step,
            channel_step,
            self.lhs[2:],
            self.axes(swapped),
        )


# ---- Which way


def write(writer: Writer, step: LibraryStep) -> None:
    """The calls that do a convolution in a program."""
    left, right = step.operands
    (out,) = step.results
    lhs, rhs, result = writer.aval(left), writer.aval(right), writer.aval(out)
    dtype = dot.compute_dtype(lhs.dtype, rhs.dtype, result.dtype)
    if result.size == 0 or lhs.size == 0 or rhs.size == 0:
        if result.size:
            writer.zero(out)
        return
    if dtype is None or dtype.name not in _ELEMENTS or len(lhs.shape) > 5:
        writer.loops(step)
        return
    problem = Problem(lhs.shape, rhs.shape, result.shape, step.params)
    if not _worth_it(problem):
        writer.loops(step)
        return
    a, b = (_converted(writer, n, dtype) for n in (left, right))
    converted = result.dtype != dtype
    target = writer.scratch(result.size * dtype.itemsize) if converted else writer.pointer(out)
    if problem.windows >= problem.window:
        _forward(writer, problem, dtype, a, b, target)
    else:
        _weights(writer, problem, dtype, a, b, target)
    if converted:
        order = tuple(range(len(result.shape)))
        writer.kernel(dot.pack_kernel(result.shape, order, dtype, result.dtype), [target, writer.pointer(out)])


def _worth_it(problem: Problem) -> bool:
    """Whether registers would be full enough; else, as with one channel per group, loops are as quick."""
    channels, features = problem.inputs // problem.features_groups, problem.outputs // problem.groups
    return bool(
        features >= _LEAST_CHANNELS
        and problem.flops >= _LEAST_FLOPS
        and (problem.groups == 1 or channels * problem.window >= _LEAST_CHANNELS)
    )


def _converted(writer: Writer, number: int, dtype: np.dtype) -> str:
    aval = writer.aval(number)
    if aval.dtype == dtype:
        return writer.pointer(number)
    target = writer.scratch(aval.size * dtype.itemsize)
    order = tuple(range(len(aval.shape)))
    writer.kernel(dot.pack_kernel(aval.shape, order, aval.dtype, dtype), [writer.pointer(number), target])
    return target


# ---- Natively


def _tile(image: Image, shape: Shape, staged: bool, threads: int) -> Tile:
    """As many rows at once as fit the cache, but enough tiles for all threads; parts of rows that are too long."""
    rows, columns = image.axes[1].outer, image.axes[2].outer
    wanted = 4 * threads if threads > 1 else 1

    def fits(tile: Tile) -> bool:
        results = tile.rows * tile.columns * shape.columns if staged else 0
        return bool((tile.sees + results) * shape.bytes <= _TILE_BYTES)

    while rows > 1:
        tile = Tile(image, rows, columns)
        if fits(tile) and (tile.count >= wanted or rows <= 2):
            break
        rows = -(-rows // 2)
    while columns > _LEAST_COLUMNS and image.axes[2].base == 1:
        tile = Tile(image, rows, columns)
        if fits(tile) and tile.count >= wanted:
            break
        columns = -(-columns // 2)
    return Tile(image, rows, columns)


def _parts(tile: Tile, threads: int) -> int:
    return 1 if threads == 1 else min(tile.count, 8 * threads)


def _defined(writer: Writer, plan: Forward | Weights) -> str:
    """The symbol of the plan's function, which is added to the program with what it calls."""
    shape = plan.shape
    writer.define_once(f"cotan_turn_{shape.element}", turn(shape.element, shape.lanes) + DECLARATIONS)
    for each in plan.products():
        writer.define_once(each.symbol, each.text())
    return writer.function(plan.text)


@dataclass(frozen=True)
class _Phase:
    """Every ``step``-th window along an axis, beginning with ``first``, of an operand with holes: which elements of the
    window meet elements of it, and the axis without holes that they see."""

    axis: conv_text.Axis
    first: int
    step: int
    element: int
    element_step: int


_WHOLE = _Phase(conv_text.Axis(1, 0, 1, 1, 1, 1, 1), 0, 1, 0, 1)


def _phases(slide: Any) -> list[_Phase]:
    """What takes the place of an axis with holes: without those windows that see holes alone."""
    base = slide.base
    step, element_step = (base // math.gcd(n, base) for n in (slide.stride, slide.dilation))
    found = []
    for first in range(min(step, slide.count)):
        for element in range(min(element_step, slide.window)):
            place = first * slide.stride + element * slide.dilation - slide.low
            if place % base == 0:
                windows, elements = -(-(slide.count - first) // step), -(-(slide.window - element) // element_step)
                moves = slide.stride * step // base, slide.dilation * element_step // base
                axis = conv_text.Axis(slide.extent, -place // base, 1, windows, moves[0], elements, moves[1])
                found.append(_Phase(axis, first, step, element, element_step))
    return found


def _forward(writer: Writer, problem: Problem, dtype: np.dtype, x: str, y: str, out: str) -> None:
    phases = [[_WHOLE]] * (3 - problem.rank) + [_phases(slide) for slide in problem.slides]
    covered = math.prod(sum(phase.axis.outer for phase in axis) for axis in phases)
    if covered != problem.windows:
        nbytes = problem.result * dtype.itemsize
        writer.emit(f"call void @llvm.memset.p0.i64(ptr {out}, i8 0, i64 {nbytes}, i1 false)")
    for chosen in itertools.product(*phases):
        _forward_phase(writer, problem, chosen, dtype, (x, y, out))


def _forward_phase(
    writer: Writer, problem: Problem, phases: Sequence[_Phase], dtype: np.dtype, pointers: tuple[str, str, str]
) -> None:
    x, y, out = pointers
    depth, height, width = (phase.axis for phase in phases)
    image = replace(problem.image(False), axes=(depth, height, width))
    features = problem.outputs // problem.groups
    shape = conv_product.shape_for(writer.target, _ELEMENTS[dtype.name], features)
    staged = problem.out[1] != 1 or shape.columns != features
    tile = _tile(image, shape, staged, writer.threads)
    batch, feature, *steps = problem.out
    begin = sum(phase.first * step for phase, step in zip(phases, steps, strict=True))
    moves = (phase.step * step for phase, step in zip(phases, steps, strict=True))
    out_steps = (features * feature, batch, feature, *moves)
    plan = Forward(tile, shape, features, out_steps, _parts(tile, writer.threads))
    packed = plan.weights_shape()
    weights = writer.scratch(math.prod(packed) * dtype.itemsize)
    writer.kernel(_pack_weights(problem, phases, plan, dtype), [y, weights])
    scratch = writer.scratch(plan.parts * plan.workspace * dtype.itemsize)
    symbol, target = _defined(writer, plan), writer.fresh()
    writer.emit(f"{target} = getelementptr i8, ptr {out}, i64 {begin * dtype.itemsize}")
    share = math.prod(axis.outer * axis.inner for axis in image.axes) / (problem.windows * problem.window)
    seconds = share * problem.flops * _SECONDS_PER_FLOP[dtype.name]
    writer.launch(symbol, [x, weights, target, scratch], plan.parts, seconds, "convolution")


def _nest(axes: Sequence[Axis], inner: Node) -> tuple[Node, ...]:
    tree: tuple[Node, ...] = (inner,)
    for axis in reversed(axes):
        if axis.extent != 1:
            tree = (Loop(axis, tree),)
    return tree


def _loops(shape: Dims) -> tuple[list[Axis], list[Index]]:
    axes = [Axis(f"i{n}", extent, "parallel") for n, extent in enumerate(shape)]
    return axes, [axis_index(axis) for axis in axes]


def _total(terms: Sequence[tuple[Index, int]]) -> Index:
    found = ZERO
    for index, step in terms:
        found = found + index * step
    return found


def _pack_weights(problem: Problem, phases: Sequence[_Phase], plan: Forward, dtype: np.dtype) -> Kernel:
    """A kernel that puts the weights in the order of ``Forward.weights_shape``, with zeros where columns are none."""
    shape = plan.weights_shape()
    axes, (g, p, *window, c, lane) = _loops(shape)
    features = plan.features
    output, inputs, *steps = problem.rhs
    o = p * plan.shape.panel + lane
    begin = sum(phase.element * step for phase, step in zip(phases, steps, strict=True))
    moves = [phase.element_step * step for phase, step in zip(phases, steps, strict=True)]
    read = _total([(g, features * output), (o, output), (c, inputs), *zip(window, moves, strict=True)]) + begin
    size = problem.outputs * (problem.inputs // problem.features_groups) * problem.window
    value = scalar.guard([(o, 0, features)], scalar.load(0, read, dtype), scalar.const(0, dtype))
    write = _total(list(zip((g, p, *window, c, lane), _strides(shape), strict=True)))
    operands = (KernelOperand((size,), dtype, False, True), KernelOperand(shape, dtype, True, False))
    return Kernel("pack", operands, _nest(axes, Store(1, write, value)), ("transpose",), 0, 2 * size * dtype.itemsize)


def _weights(writer: Writer, problem: Problem, dtype: np.dtype, x: str, y: str, out: str) -> None:
    image = problem.image(True)
    features = problem.outputs // problem.groups
    shape = conv_product.shape_for(writer.target, _ELEMENTS[dtype.name], features)
    output, inputs, *steps = problem.rhs
    staged = output != 1 or shape.columns != features
    tile = _tile(image, shape, staged, writer.threads)
    tile = replace(tile, columns=_divisor(image.axes[2], tile.columns))
    factor_steps = (features * output, inputs, output, *steps)
    plan = Weights(tile, shape, features, factor_steps, 1)
    if writer.threads > 1:
        most = max(_SUMS_BYTES // (plan.sums * dtype.itemsize), writer.threads)
        parts = min(tile.count, 4 * writer.threads, most)
        plan = Weights(tile, shape, features, factor_steps, parts)
    sums = writer.scratch(plan.parts * plan.sums * dtype.itemsize)
    scratch = writer.scratch(plan.parts * plan.workspace * dtype.itemsize)
    symbol = _defined(writer, plan)
    seconds = problem.flops * _SECONDS_PER_FLOP[dtype.name]
    writer.launch(symbol, [x, y, sums, scratch], plan.parts, seconds, "convolution (gradient of the kernel)")
    writer.kernel(_sum_parts(problem, plan, dtype), [sums, out])


def _divisor(axis: conv_text.Axis, most: int) -> int:
    """The size of parts of equal size: at most about ``most``, or the whole row where there is none."""
    if axis.base > 1:
        return axis.outer
    return next((n for n in range(most, most // 4, -1) if axis.outer % n == 0), axis.outer)


def _sum_parts(problem: Problem, plan: Weights, dtype: np.dtype) -> Kernel:
    """A kernel that adds the sums of all units and puts them where the result wants them."""
    groups, *window, channels, columns = plan.sums_shape()
    axes, (g, *places, c, o) = _loops((groups, *window, channels, plan.features))
    read = _total(list(zip((g, *places, c, o), _strides((groups, *window, channels, columns)), strict=True)))
    value = scalar.load(0, read, dtype)
    for part in range(1, plan.parts):
        value = scalar.add(value, scalar.load(0, read + part * plan.sums, dtype))
    batch, feature, *steps = problem.out
    write = _total([(c, batch), (g, plan.features * feature), (o, feature), *zip(places, steps, strict=True)])
    size = groups * math.prod(window) * channels * plan.features
    operands = (
        KernelOperand((plan.parts * plan.sums,), dtype, False, True),
        KernelOperand((size,), dtype, True, False),
    )
    nbytes = (plan.parts + 1) * size * dtype.itemsize
    return Kernel("sum", operands, _nest(axes, Store(1, write, value)), ("add",), plan.parts * size, nbytes)
