"""Places in memory for blocks that live for a time: offsets in one arena, and in given regions while these are free.

Knows sizes and times only, nothing of programs. The largest block is placed first, in the smallest gap between those
that live at the same time (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ALIGNMENT = 64


class Block(NamedTuple):
    """Memory that is needed from step ``first`` to step ``last``, both included."""

    nbytes: int
    first: int
    last: int


class Region(NamedTuple):
    """Memory of someone else, free before step ``until``."""

    nbytes: int
    until: int


class Place(NamedTuple):
    """An offset in the arena (``region`` None) or in the region of that number."""

    region: int | None
    offset: int


def pack(blocks: Sequence[Block], regions: Sequence[Region] = ()) -> tuple[list[Place], int]:
    """A place for each block, so that blocks that live at the same time are apart; and the size of the arena."""
    places = [Place(None, 0)] * len(blocks)
    lent = [_Taken() for _ in regions]
    arena = _Taken()
    size = 0
    smallest_first = sorted(range(len(regions)), key=lambda n: regions[n].nbytes)
    for n in sorted(range(len(blocks)), key=lambda n: (-blocks[n].nbytes, blocks[n].first)):
        block = blocks[n]
        if not block.nbytes:
            continue
        for number in smallest_first:
            region = regions[number]
            if region.until > block.last and region.nbytes >= block.nbytes:
                offset = lent[number].gap(block)
                if offset + block.nbytes <= region.nbytes:
                    places[n] = Place(number, offset)
                    lent[number].add(block, offset)
                    break
        else:
            offset = arena.gap(block)
            places[n] = Place(None, offset)
            arena.add(block, offset)
            size = max(size, _aligned(offset + block.nbytes))
    return places, size


class _Taken:
    """The blocks that have a place in one memory, as rows of numbers: thousands may live at the same time."""

    def __init__(self) -> None:
        # Where each begins, in order, where the next may begin, its first step and its last.
        self.blocks = np.empty((4, 0), np.int64)

    def gap(self, block: Block) -> int:
        """The beginning of the smallest gap that holds ``block`` all its life, else the end of all."""
        begins, nexts, firsts, lasts = self.blocks
        meanwhile = (firsts <= block.last) & (lasts >= block.first)
        if not meanwhile.any():
            return 0
        free = np.zeros(np.count_nonzero(meanwhile) + 1, np.int64)
        np.maximum.accumulate(nexts[meanwhile], out=free[1:])
        room = begins[meanwhile] - free[:-1]
        [fitting] = np.nonzero(room >= block.nbytes)
        return int(free[fitting[np.argmin(room[fitting])] if fitting.size else -1])

    def add(self, block: Block, offset: int) -> None:
        row = [[offset], [_aligned(offset + block.nbytes)], [block.first], [block.last]]
        place = np.searchsorted(self.blocks[0], offset)
        self.blocks = np.concatenate((self.blocks[:, :place], row, self.blocks[:, place:]), axis=1)


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
