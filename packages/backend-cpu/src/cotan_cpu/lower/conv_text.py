"""Convolutions as native code, for shapes that are constants: direct, by a product held in registers.

``forward`` and ``weights`` give functions of a kernel's signature. Both copy a tile of the image, with its padding and
holes, to a buffer [depth, height, width, channels] that stays in the cache; what a window sees is then a matter of
offsets in it, which ``conv_product`` takes as a list of contiguous stretches. Knows nothing of programs and arrays.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

from cotan_cpu.lower.conv_product import Product, Shape, all_rows, row_groups, table
from cotan_cpu.lower.text import Text, Value

STRETCH_BYTES = 24 << 10
"""How much of the matrix that all rows share one pass reads: it stays in the nearest cache."""


@dataclass(frozen=True)
class Axis:
    """An axis of the image: of ``extent`` elements with holes (``base``) and padding in front (``low``).

    Element ``outer * outer_step + inner * inner_step - low`` belongs to both; outer positions are what tiles run over.
    """

    extent: int
    low: int
    base: int
    outer: int
    outer_step: int
    inner: int
    inner_step: int

    @property
    def dilated(self) -> int:
        return (self.extent - 1) * self.base + 1

    def reach(self, outer: int) -> int:
        """How many elements so many outer positions see."""
        return (outer - 1) * self.outer_step + (self.inner - 1) * self.inner_step + 1


@dataclass(frozen=True)
class Image:
    """Where the elements of the images are: distances along groups, images, channels, and three axes."""

    groups: int
    images: int
    channels: int
    group_step: int
    image_step: int
    channel_step: int
    steps: tuple[int, int, int]
    axes: tuple[Axis, Axis, Axis]


# ---- The tile of an image


@dataclass(frozen=True)
class Tile:
    """So many outer positions of the second and third axis at a time, and the extents of the buffer for what they see.

    The last tile of a row ends where the row does, and so may overlap the one before; in sums none may.
    """

    image: Image
    rows: int
    columns: int

    @property
    def height(self) -> int:
        return self.image.axes[1].reach(self.rows)

    @property
    def width(self) -> int:
        return self.image.axes[2].reach(self.columns)

    @property
    def direct(self) -> bool:
        """Whether the image is read where it lies: nothing is missing around it, and channels are neighbours."""
        return self.image.channel_step == 1 and all(
            axis.base == 1 and axis.low <= 0 and axis.reach(axis.outer) - axis.low <= axis.extent
            for axis in self.image.axes
        )

    @property
    def pixel(self) -> int:
        """The distance of neighbours along the third axis."""
        return self.image.steps[2] if self.direct else self.image.channels

    @property
    def line(self) -> int:
        """The distance of rows."""
        return self.image.steps[1] if self.direct else self.width * self.image.channels

    @property
    def slab(self) -> int:
        """The distance of inner positions of the first axis."""
        return self.image.steps[0] * self.image.axes[0].inner_step if self.direct else self.height * self.line

    @property
    def sees(self) -> int:
        """How many elements it reads."""
        return self.image.axes[0].inner * self.height * self.width * self.image.channels

    @property
    def size(self) -> int:
        """Elements of the buffer."""
        return 0 if self.direct else self.sees

    @property
    def blocks(self) -> int:
        """Tiles along the second axis."""
        return -(-self.image.axes[1].outer // self.rows)

    @property
    def across(self) -> int:
        """Tiles along the third axis."""
        return -(-self.image.axes[2].outer // self.columns)

    @property
    def count(self) -> int:
        return self.image.groups * self.image.images * self.image.axes[0].outer * self.blocks * self.across

    def place(self, text: Text, tile: Value) -> tuple[Value, Value, Value, Value, Value]:
        """(group, image, depth, first row, first column) of a tile."""
        rest, part = text.divmod(tile, self.across)
        column = text.least(text.mul(part, self.columns), self.image.axes[2].outer - self.columns)
        rest, block = text.divmod(rest, self.blocks)
        rest, depth = text.divmod(rest, self.image.axes[0].outer)
        group, number = text.divmod(rest, self.image.images)
        return group, number, depth, text.mul(block, self.rows), column

    def seen(self, text: Text, source: str, buffer: str, place: tuple[Value, Value, Value]) -> str:
        """Where what a tile sees begins: in the image at ``source``, or copied to the buffer."""
        if not self.direct:
            self._fill(text, source, buffer, *place)
            return buffer
        offset: Value = 0
        for position, axis, step in zip(place, self.image.axes, self.image.steps, strict=True):
            offset = text.add(offset, text.mul(text.sub(text.mul(position, axis.outer_step), axis.low), step))
        return text.at(source, offset)

    def _fill(self, text: Text, source: str, buffer: str, depth: Value, row: Value, column: Value) -> None:
        """Copy what these rows see."""
        image, (first, second, _) = self.image, self.image.axes
        with text.loop(0, first.inner) as k:
            at = text.total((depth, first.outer_step), (k, first.inner_step))
            deep, there = _element(text, first, at, first.reach(first.outer))
            with text.loop(0, self.height) as line:
                position = text.add(text.mul(row, second.outer_step), line)
                high, too = _element(text, second, position, second.reach(self.rows * self.blocks))
                target = text.at(buffer, text.mul(text.add(text.mul(k, self.height), line), self.line))
                begin = text.at(source, text.total((deep, image.steps[0]), (high, image.steps[1])))
                conditions = [c for c in (there, too) if c is not None]
                both = conditions[0] if len(conditions) == 1 else None
                if len(conditions) == 2:
                    both = text.let(f"and i1 {conditions[0]}, {conditions[1]}")
                if both is None:
                    self._line(text, begin, target, column)
                else:
                    text.either(
                        both,
                        functools.partial(self._line, text, begin, target, column),
                        functools.partial(text.clear, target, self.line),
                    )

    def _line(self, text: Text, source: str, target: str, column: Value) -> None:
        """Copy one row, with its padding and holes."""
        axis, channels, step = self.image.axes[2], self.image.channels, self.image.steps[2]
        if self.across > 1:
            self._part_of_line(text, source, target, column)
            return
        begin = max(0, -(axis.low // axis.base))
        end = min(axis.extent, -(-(self.width - axis.low) // axis.base))
        if end <= begin:
            text.clear(target, self.line)
            return
        first, last = begin * axis.base + axis.low, (end - 1) * axis.base + axis.low
        if axis.base > 1:
            text.clear(target, self.line)
        else:
            text.clear(target, first * channels)
            text.clear(text.at(target, (last + 1) * channels), (self.width - last - 1) * channels)
        text.copy_matrix(
            text.at(source, begin * step),
            text.at(target, first * channels),
            (end - begin, channels),
            (step, self.image.channel_step),
            (axis.base * channels, 1),
        )

    def _part_of_line(self, text: Text, source: str, target: str, column: Value) -> None:
        """The same of a row without holes, from a column on."""
        axis, channels, step = self.image.axes[2], self.image.channels, self.image.steps[2]
        skipped = text.sub(text.mul(column, axis.outer_step), axis.low)
        begin = text.least(text.most(text.sub(0, skipped), 0), self.width)
        end = text.most(text.least(text.sub(axis.extent, skipped), self.width), begin)
        text.clear(target, text.mul(begin, channels))
        text.clear(text.at(target, text.mul(end, channels)), text.mul(text.sub(self.width, end), channels))
        text.copy_matrix(
            text.at(source, text.mul(text.add(skipped, begin), step)),
            text.at(target, text.mul(begin, channels)),
            (text.sub(end, begin), channels),
            (step, self.image.channel_step),
            (channels, 1),
        )


def _element(text: Text, axis: Axis, position: Value, limit: int) -> tuple[Value, str | None]:
    """The element at a position (of 0 .. limit - 1) that is counted with padding, and whether there is one."""
    inside = axis.low <= 0 and limit - axis.low <= axis.dilated
    shifted = text.sub(position, axis.low)
    if axis.base == 1 and inside:
        return shifted, None
    if isinstance(shifted, int):
        shifted = text.let(f"add i64 {shifted}, 0")
    conditions = [text.let(f"icmp ult i64 {shifted}, {axis.dilated}")]
    if axis.base > 1:
        quotient, rest = text.divmod(shifted, axis.base)
        conditions.append(text.let(f"icmp eq i64 {rest}, 0"))
        return quotient, text.let(f"and i1 {conditions[0]}, {conditions[1]}")
    return shifted, conditions[0]


def _parts(text: Text, tile: Tile, parts: int, scratch: str, size: int) -> tuple[Value, Value, str]:
    """Of unit %unit: the tiles from and to, and its workspace."""
    first = text.divmod(text.mul("%unit", tile.count), parts)[0]
    last = text.divmod(text.mul(text.add("%unit", 1), tile.count), parts)[0]
    return first, last, text.at(scratch, text.mul("%unit", size))


# ---- Forward: rows are outer positions, columns output features, and the sum runs over the window


@dataclass(frozen=True)
class Forward:
    """A convolution with few window elements and many windows.

    Attributes:
      out_steps: distances in the result along groups, images, output features, and the three axes.
      features: output features per group.
      parts: into how many units the tiles are divided.
    """

    tile: Tile
    shape: Shape
    features: int
    out_steps: tuple[int, int, int, int, int, int]
    parts: int

    @property
    def staged(self) -> bool:
        """Whether results are first put together in the workspace."""
        return self.out_steps[2] != 1 or self.shape.columns != self.features

    @property
    def workspace(self) -> int:
        """Elements per unit, a multiple of a cache line."""
        size = _round(self.tile.size)
        return size + (_round(self.tile.rows * self.tile.columns * self.shape.columns) if self.staged else 0)

    def weights_shape(self) -> tuple[int, ...]:
        """Groups, panels, three axes of the window, channels, columns of a panel."""
        image, shape = self.tile.image, self.shape
        return (image.groups, shape.panels, *(axis.inner for axis in image.axes), image.channels, shape.panel)

    def stretches(self) -> list[tuple[int, int, int]]:
        """(offset in the tile, offset in the weights, length) in the order of the weights."""
        tile, channels, panel = self.tile, self.tile.image.channels, self.shape.panel
        depth, height, width = tile.image.axes
        joined = width.inner_step == 1 and tile.pixel == channels
        most = max(STRETCH_BYTES // (panel * self.shape.bytes), 8)
        found, row = [], 0
        for d in range(depth.inner):
            for h in range(height.inner):
                for w in range(1 if joined else width.inner):
                    begin = d * tile.slab + h * height.inner_step * tile.line + w * width.inner_step * tile.pixel
                    length = channels * (width.inner if joined else 1)
                    # Pieces of equal length.
                    pieces = -(-length // most)
                    ends = [length * n // pieces for n in range(pieces + 1)]
                    for low, high in itertools.pairwise(ends):
                        found.append((begin + low, (row + low) * panel, high - low))
                    row += length
        return found

    def passes(self) -> list[tuple[int, int]]:
        """(first, count) of stretches that are summed at once."""
        most = STRETCH_BYTES // (self.shape.panel * self.shape.bytes)
        found: list[tuple[int, int]] = []
        length = 0
        for n, (_, _, more) in enumerate(self.stretches()):
            if found and length + more <= most:
                found[-1], length = (found[-1][0], found[-1][1] + 1), length + more
            else:
                found.append((n, 1))
                length = more
        return found

    def _groups(self) -> list[tuple[Product, int]]:
        axis = self.tile.image.axes[2]
        c_row = self.shape.columns if self.staged else self.out_steps[5]
        return [
            (Product(self.shape, size, axis.outer_step * self.tile.pixel, 1, self.shape.panel, c_row), times)
            for size, times in row_groups(self.tile.columns, self.shape.most_rows)
        ]

    def products(self) -> list[Product]:
        """What the function calls."""
        return [each for each, _ in self._groups()]

    def text(self, symbol: str) -> str:
        """A function over (image, weights, result, workspace)."""
        tile, shape, image = self.tile, self.shape, self.tile.image
        products, stretches, passes = self._groups(), self.stretches(), self.passes()
        text = Text(f"define internal void @{symbol}(ptr noalias %table, i64 %begin, i64 %end) nounwind", shape.element)
        x, weights, out, scratch = (text.operand("%table", n) for n in range(4))
        inner = sum(length for _, _, length in stretches)
        with text.loop("%begin", "%end") as unit:
            text.emit(f"%unit = add i64 {unit}, 0")
            first, last, buffer = _parts(text, tile, self.parts, scratch, self.workspace)
            with text.loop(first, last) as number:
                group, batch, depth, row, column = tile.place(text, number)
                rows = text.least(tile.rows, text.sub(image.axes[1].outer, row))
                source = text.at(x, text.total((group, image.group_step), (batch, image.image_step)))
                seen = tile.seen(text, source, buffer, (depth, row, column))
                offset = text.total(
                    (group, self.out_steps[0]),
                    (batch, self.out_steps[1]),
                    (depth, self.out_steps[3]),
                    (row, self.out_steps[4]),
                    (column, self.out_steps[5]),
                )
                result = text.at(out, offset)
                target = text.at(buffer, _round(tile.size)) if self.staged else result
                c_line = tile.columns * shape.columns if self.staged else self.out_steps[4]
                with text.loop(0, shape.panels) as panel, text.loop(0, len(passes)) as step:
                    of_panel = text.add(text.mul(group, shape.panels), panel)
                    b = text.at(weights, text.mul(of_panel, inner * shape.panel))
                    at = text.let(f"getelementptr [2 x i64], ptr @{symbol}.passes, i64 {step}")
                    start = text.let(f"load i64, ptr {at}")
                    count = text.let(f"load i64, ptr {text.let(f'getelementptr i64, ptr {at}, i64 1')}")
                    some = text.let(f"getelementptr [3 x i64], ptr @{symbol}.stretches, i64 {start}")
                    fresh = text.let(f"icmp eq i64 {step}, 0")
                    with text.loop(0, rows) as line:
                        a = text.at(seen, text.mul(line, image.axes[1].outer_step * tile.line))
                        c = text.at(target, text.add(text.mul(line, c_line), text.mul(panel, shape.panel)))
                        all_rows(text, products, a, b, c, f"ptr {some}, i64 {count}, i1 {fresh}")
                if self.staged:
                    self._unstage(text, target, result, rows)
        tables = [
            table(f"{symbol}.stretches", [n for triple in stretches for n in triple]),
            table(f"{symbol}.passes", [n for pair in passes for n in pair]),
        ]
        return "\n".join([*tables, text.finish()])

    def _unstage(self, text: Text, stage: str, result: str, rows: Value) -> None:
        columns, width = self.shape.columns, self.tile.columns
        *_, feature, _, line, pixel = self.out_steps
        if line == pixel * width:
            text.copy_matrix(stage, result, (text.mul(rows, width), self.features), (columns, 1), (pixel, feature))
            return
        with text.loop(0, rows) as row:
            source = text.at(stage, text.mul(row, width * columns))
            target = text.at(result, text.mul(row, line))
            text.copy_matrix(source, target, (width, self.features), (columns, 1), (pixel, feature))


# ---- Weights: rows are channels, columns output features, and the sum runs over outer positions


@dataclass(frozen=True)
class Weights:
    """A convolution with many window elements and few windows, such as the gradient of a kernel.

    What the result's windows are is ``inner`` here, and its sum runs over ``outer`` positions. Every unit has a sum of
    its own in the workspace: groups, three axes, channels, columns.

    Attributes:
      features: output features per group.
      factor_steps: distances in the other factor along groups, images, output features, and the three axes.
      parts: into how many units the tiles are divided.
    """

    tile: Tile
    shape: Shape
    features: int
    factor_steps: tuple[int, int, int, int, int, int]
    parts: int

    @property
    def staged(self) -> bool:
        """Whether the other factor is first put in order in the workspace."""
        return self.factor_steps[2] != 1 or self.shape.columns != self.features

    def sums_shape(self) -> tuple[int, ...]:
        image = self.tile.image
        return (image.groups, *(axis.inner for axis in image.axes), image.channels, self.shape.columns)

    @property
    def sums(self) -> int:
        size = 1
        for n in self.sums_shape():
            size *= n
        return size

    @property
    def workspace(self) -> int:
        """Elements per unit beside its sums."""
        size = _round(self.tile.size)
        return size + (_round(self.tile.rows * self.tile.columns * self.shape.columns) if self.staged else 0)

    def _groups(self) -> list[tuple[Product, int]]:
        shape, image = self.shape, self.tile.image
        b_step = shape.columns if self.staged else self.factor_steps[5]
        a_step = image.axes[2].outer_step * self.tile.pixel
        return [
            (Product(shape, size, 1, a_step, b_step, shape.columns), times)
            for size, times in row_groups(image.channels, shape.most_rows)
        ]

    def products(self) -> list[Product]:
        """What the function calls."""
        return [each for each, _ in self._groups()]

    def text(self, symbol: str) -> str:
        """A function over (image, other factor, sums, workspace)."""
        tile, shape, image = self.tile, self.shape, self.tile.image
        depths, heights, widths = image.axes
        *_, deep, line, pixel = self.factor_steps
        b_line = tile.columns * shape.columns if self.staged else line
        a_line = heights.outer_step * tile.line
        together = max(min(STRETCH_BYTES // (shape.panel * shape.bytes * tile.columns), tile.rows), 1)
        products = self._groups()
        text = Text(f"define internal void @{symbol}(ptr noalias %table, i64 %begin, i64 %end) nounwind", shape.element)
        x, factor, sums, scratch = (text.operand("%table", n) for n in range(4))
        with text.loop("%begin", "%end") as unit:
            text.emit(f"%unit = add i64 {unit}, 0")
            first, last, buffer = _parts(text, tile, self.parts, scratch, self.workspace)
            mine = text.at(sums, text.mul("%unit", self.sums))
            text.clear(mine, self.sums)
            with text.loop(first, last) as number:
                group, batch, depth, row, column = tile.place(text, number)
                rows = text.least(tile.rows, text.sub(heights.outer, row))
                source = text.at(x, text.total((group, image.group_step), (batch, image.image_step)))
                seen = tile.seen(text, source, buffer, (depth, row, column))
                offset = text.total(
                    (group, self.factor_steps[0]),
                    (batch, self.factor_steps[1]),
                    (depth, deep),
                    (row, line),
                    (column, pixel),
                )
                other = text.at(factor, offset)
                if self.staged:
                    stage = text.at(buffer, _round(tile.size))
                    self._stage(text, other, stage, rows)
                    other = stage
                with text.loop(0, rows, together) as start, text.loop(0, shape.panels) as panel:
                    count = text.least(together, text.sub(rows, start))
                    b = text.at(other, text.add(text.mul(start, b_line), text.mul(panel, shape.panel)))
                    with (
                        text.loop(0, depths.inner) as d,
                        text.loop(0, heights.inner) as h,
                        text.loop(0, widths.inner) as w,
                    ):
                        moved = text.total(
                            (start, a_line),
                            (d, tile.slab),
                            (h, heights.inner_step * tile.line),
                            (w, widths.inner_step * tile.pixel),
                        )
                        window = text.add(text.mul(text.add(text.mul(d, heights.inner), h), widths.inner), w)
                        all_windows = depths.inner * heights.inner * widths.inner
                        window = text.add(text.mul(group, all_windows), window)
                        c_offset = text.add(
                            text.mul(window, image.channels * shape.columns), text.mul(panel, shape.panel)
                        )
                        a, c = text.at(seen, moved), text.at(mine, c_offset)
                        all_rows(text, products, a, b, c, f"ptr @{symbol}.stretches, i64 {count}, i1 false")
        stretches = [n for k in range(together) for n in (k * a_line, k * b_line, tile.columns)]
        return "\n".join([table(f"{symbol}.stretches", stretches), text.finish()])

    def _stage(self, text: Text, source: str, stage: str, rows: Value) -> None:
        columns, width = self.shape.columns, self.tile.columns
        *_, feature, _, line, pixel = self.factor_steps
        if columns != self.features:
            text.clear(stage, text.mul(rows, width * columns))
        if line == pixel * width:
            text.copy_matrix(source, stage, (text.mul(rows, width), self.features), (pixel, feature), (columns, 1))
            return
        with text.loop(0, rows) as row:
            begin = text.at(source, text.mul(row, line))
            target = text.at(stage, text.mul(row, width * columns))
            text.copy_matrix(begin, target, (width, self.features), (pixel, feature), (columns, 1))


def _round(size: int) -> int:
    return -(-size // 16) * 16
