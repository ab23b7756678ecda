"""Threefry by its own rounds, so that bits are those of every other backend; keys are their words."""

from __future__ import annotations

from typing import Any

from cotan_xla_tpu.driver import func
from cotan_xla_tpu.lower.table import rule


@rule("threefry2x32")
def _threefry(c: Any, *words: Any) -> list[Any]:
    types = [x.type for x in words]
    key = ("threefry2x32", *map(str, types))
    function = c.writer.function(key, types, c.decomposed)
    return list(func.CallOp(function, list(words)).results)


@rule("random_wrap")
def _wrap(c: Any, x: Any, impl: str) -> Any:
    return x


@rule("random_unwrap")
def _unwrap(c: Any, x: Any) -> Any:
    return x
