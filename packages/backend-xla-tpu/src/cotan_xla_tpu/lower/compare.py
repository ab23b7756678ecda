"""Comparison, logic, shifts, choices."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.emit import broadcast, compare, constant
from cotan_xla_tpu.lower.table import elementwise, rule

for _name, _operation in {
    "and": hlo.and_, "or": hlo.or_, "xor": hlo.xor, "not": hlo.not_, "shift_left": hlo.shift_left,
    "shift_right_logical": hlo.shift_right_logical, "shift_right_arithmetic": hlo.shift_right_arithmetic,
    "population_count": hlo.popcnt, "clz": hlo.count_leading_zeros,
}.items():  # fmt: skip
    elementwise(_name, _operation)


def _comparison(c: Any, x: Any, y: Any, *, direction: str) -> Any:
    x, y = c.equal((x, y))
    return compare(x, y, direction, c.ins[0].dtype)


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    rule(_name)(partial(_comparison, direction=_name.upper()))


@rule("select_n")
def _select(c: Any, which: Any, *cases: Any) -> Any:
    cases = tuple(broadcast(x, c.out.shape) if a.shape != c.out.shape else x for x, a in zip(cases, c.ins[1:]))
    dtype = c.ins[0].dtype
    if len(cases) == 1:
        return cases[0]
    if dtype == np.bool_:
        return hlo.select(which, cases[1], cases[0])
    found = cases[-1]
    for number in reversed(range(len(cases) - 1)):
        limit = broadcast(constant(np.array(number, dtype)), c.ins[0].shape)
        found = hlo.select(compare(which, limit, "LE", dtype), cases[number], found)
    return found
