"""Places in memory: apart while both are needed, within their regions, and no more than needed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cotan.compiler.packing import ALIGNMENT, Block, Place, Region, pack


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    first = draw(st.integers(0, 20))
    return Block(draw(st.integers(0, 1000)), first, first + draw(st.integers(0, 8)))


regions = st.builds(Region, st.integers(0, 2000), st.integers(0, 25))


@settings(max_examples=200, deadline=None)
@given(st.lists(blocks(), max_size=30), st.lists(regions, max_size=4))
def test_blocks_are_apart_and_inside(wanted: list[Block], lent: list[Region]) -> None:
    places, size = pack(wanted, lent)
    for n, (block, place) in enumerate(zip(wanted, places, strict=True)):
        if not block.nbytes:
            continue
        assert place.offset % ALIGNMENT == 0
        assert place.offset + block.nbytes <= (size if place.region is None else lent[place.region].nbytes)
        assert place.region is None or lent[place.region].until > block.last
        for other, there in zip(wanted[:n], places[:n], strict=True):
            together = other.first <= block.last and block.first <= other.last and other.nbytes
            if together and there.region == place.region:
                assert place.offset + block.nbytes <= there.offset or there.offset + other.nbytes <= place.offset
    busiest = max((sum(b.nbytes for b in wanted if b.first <= t <= b.last) for t in range(30)), default=0)
    assert lent or size >= busiest


def test_blocks_one_after_the_other_share_their_memory() -> None:
    places, size = pack([Block(100, 0, 1), Block(50, 2, 3), Block(60, 2, 4), Block(100, 4, 5)])
    assert size == 192
    assert [p.offset for p in places] == [0, 0, 128, 0]


def test_a_block_lies_in_the_smallest_region_that_is_free_long_enough() -> None:
    places, size = pack([Block(100, 0, 3)], [Region(400, 9), Region(128, 3), Region(200, 4)])
    assert places == [Place(2, 0)]
    assert size == 0
