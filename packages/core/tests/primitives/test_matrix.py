"""Every primitive has a rule, or an explicit reason for none, in every table; and samples."""

from __future__ import annotations

import pytest

from cotan.ir import primitive as tables
from cotan.ir.primitive import Primitive
from cotan.primitives.linalg.common import OF_A_LIBRARY
from cotan.testing.operators.table import load

TABLES = ("abstract", "jvp", "jet", "transpose", "partial_eval", "batch", "reference", "kernel", "decompose")
OPERATORS = load()
PRIMITIVES = sorted(Primitive.catalogue)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_every_table_has_a_rule_or_a_reason(name: str) -> None:
    primitive = Primitive.catalogue[name]
    missing = []
    for table_name in TABLES:
        table = getattr(tables, table_name)
        if table is tables.jet and tables.jvp.absent(primitive) is not None:
            continue  # for the same reason
        reason = table.absent(primitive)
        if primitive not in table and (reason is None or not reason.reason):
            missing.append(table_name)
    assert not missing, f"`{name}` has neither a rule nor none(reason) in: {', '.join(missing)}"


@pytest.mark.parametrize("name", PRIMITIVES)
def test_required_primitives_are_those_that_do_not_decompose(name: str) -> None:
    primitive = Primitive.catalogue[name]
    if tables.decompose.absent(primitive) is OF_A_LIBRARY:
        assert not primitive.required
    else:
        assert primitive.required == (primitive not in tables.decompose) or primitive.higher_order


@pytest.mark.parametrize("name", [name for name in PRIMITIVES if not Primitive.catalogue[name].higher_order])
def test_every_primitive_is_in_the_table_of_operators(name: str) -> None:
    assert Primitive.catalogue[name] in OPERATORS, f"add samples of `{name}` to cotan/testing/operators/<family>.py"
