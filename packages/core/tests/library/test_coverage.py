"""Every cell of the table of public functions is tested, agrees with the oracle, or has a reason not to."""

from __future__ import annotations

import pytest
from library import coverage, gaps

import cotan


@pytest.mark.parametrize("name", coverage.functions())
def test_nothing_is_left_open(name):
    rows = coverage.functions()[name]
    with cotan.enable_x64(True):
        have = coverage.tested(rows)
        for cell in coverage.CELLS:
            found, text = (coverage.AGREES, "") if cell in have else coverage.outcome(rows, cell)
            if found in (coverage.AGREES, coverage.NONE):
                assert not gaps.is_named(name, cell), f"{name} {cell}: the reason is no longer needed"
            else:
                assert gaps.reason(name, cell) is not None, f"{name} {cell} {found}: {text}"


def test_reasons_are_of_functions():
    assert gaps.names() <= set(coverage.functions())


def test_what_rows_test_is_read_off_their_calls():
    with cotan.enable_x64(True):
        found = {name: coverage.tested(coverage.functions()[f"numpy.{name}"]) for name in ("add", "equal", "interp")}
    assert found["add"] == set(coverage.CELLS)
    assert found["equal"] == set(coverage.CELLS) - {"first", "second"}
    assert {"f", "strides", "jit", "second"} <= found["interp"]
    assert not {"nan", "inf", "i"} & found["interp"]
