"""Places in memory for blocks that live for a time: offsets in one arena, and in given regions while these are free.

Knows sizes and times only, nothing of programs. The largest block is placed first, in the smallest gap between those
that live at the same time (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
    lent: list[list[tuple[int, int, int]]] = [[] for _ in regions]  # block, its beginning and end
    arena: list[tuple[int, int, int]] = []
    size = 0
    smallest_first = sorted(range(len(regions)), key=lambda n: regions[n].nbytes)
    for n in sorted(range(len(blocks)), key=lambda n: (-blocks[n].nbytes, blocks[n].first)):
        block = blocks[n]
        if not block.nbytes:
            continue
        for number in smallest_first:
            region = regions[number]
            if region.until > block.last and region.nbytes >= block.nbytes:
                offset = _gap(block, lent[number], blocks, region.nbytes)
                if offset is not None:
                    places[n] = Place(number, offset)
                    lent[number].append((n, offset, offset + block.nbytes))
                    break
        else:
            offset = _gap(block, arena, blocks, None)
            assert offset is not None
            places[n] = Place(None, offset)
            arena.append((n, offset, offset + block.nbytes))
            size = max(size, _aligned(offset + block.nbytes))
    return places, size


def _gap(block: Block, taken: list[tuple[int, int, int]], blocks: Sequence[Block], limit: int | None) -> int | None:
    """The beginning of the smallest gap that holds the block all its life; else the end, if it is within the limit."""
    _, first, last = block
    meanwhile = sorted((begin, end) for n, begin, end in taken if blocks[n].first <= last and blocks[n].last >= first)
    best: tuple[int, int] | None = None
    free = 0
    for begin, end in meanwhile:
        room = begin - free
        if room >= block.nbytes and (best is None or room < best[0]):
            best = (room, free)
        free = max(free, _aligned(end))
    if best is not None:
        return best[1]
    return free if limit is None or free + block.nbytes <= limit else None


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
