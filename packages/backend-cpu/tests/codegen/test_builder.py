"""The text that a builder writes: where sums are made."""

from __future__ import annotations

from cotan_cpu.codegen.builder import Builder, Val, literal


def sums_in_a_loop(invariant_first: bool) -> list[str]:
    """The additions inside of a loop which adds two vectors from outside to its counter, and uses every sum."""
    b = Builder()
    lanes = b.step_vector("i64", 8)
    key = b.splat(Val("%key", "i64", 1, 0), 8)
    start = len(b.scopes[0].lines)

    def body(counter: Val, _: list[Val]) -> list[Val]:
        position = b.binary("add", lanes, b.splat(counter, 8))
        first = b.binary("add", key, position) if invariant_first else b.binary("add", position, key)
        b.impure(f"freeze {first.type} {first.text}", "i64", 8)
        return []

    b.loop(literal(0, "i64"), Val("%n", "i64", 1, 0), 8, (), body)
    lines = b.scopes[0].lines[start:]
    header = next(n for n, line in enumerate(lines) if line.endswith(":"))
    return [line for line in lines[header:] if " add <8 x i64>" in line]


def test_what_two_sums_have_from_outside_of_a_loop_is_added_outside():
    for invariant_first in (False, True):
        position, with_key = sums_in_a_loop(invariant_first)
        name = position.split()[0]
        assert name not in with_key.split("=")[1], "the second sum waits for the first"


def test_a_sum_made_in_a_region_is_added_to_outside_of_it():
    b = Builder()
    lanes, key = b.step_vector("i64", 8), b.splat(Val("%key", "i64", 1, 0), 8)

    def body(counter: Val, _: list[Val]) -> list[Val]:
        [position] = b.region(lambda: [b.binary("add", lanes, b.impure("freeze <8 x i64> %x", "i64", 8))])
        assert b.binary("add", position, key).depth == b.depth
        return []

    b.loop(literal(0, "i64"), Val("%n", "i64", 1, 0), 8, (), body)
