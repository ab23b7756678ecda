"""The names that users of JAX's public API know, and where each is found here.

``names.tsv`` lists them: module, name, kind and tier (1: what nearly every program uses; 2: what some do; 3: the rest).
"""

from __future__ import annotations

import csv
import functools
import importlib
from pathlib import Path
from typing import Any, NamedTuple

import cotan
import cotan.numpy as cnp

METHODS, UPDATES, FLAGS = "jax.Array (methods)", "jax.Array.at[...]", "jax.config (flags)"
# How programs are transformed and compiled there: not part of what programs are written with.
INTERNALS = ("jax.core", "jax.extend", "jax.interpreters", "jax.api_util", FLAGS)
# What comes with several devices, and arrays over those of several processes.
LATER = frozenset(
    {
        *(("jax", name) for name in ("pmap", "shard_map")),
        ("jax.experimental", "shard_map"),
        *(("jax.lax", name) for name in ("psend", "precv")),
        *(
            ("jax.experimental.multihost_utils", name)
            for name in (
                *("global_array_to_host_local_array_impl", "host_local_array_to_global_array_impl"),
                *("gtl_abstract_eval", "ltg_abstract_eval", "ltg_batcher"),
            )
        ),
    }
)


class Name(NamedTuple):
    """One public name."""

    module: str
    name: str
    kind: str
    tier: int

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def is_internal(self) -> bool:
        """Whether it belongs to the inside of JAX, which is not asked for. Of its flags those of tier 3 do."""
        if self.module == FLAGS:
            return self.tier == 3
        return any(self.module == m or self.module.startswith(f"{m}.") for m in INTERNALS)

    @property
    def is_asked(self) -> bool:
        """Whether it is wanted here, and now."""
        return not self.is_internal and (self.module, self.name) not in LATER


class Missing(Exception):
    """The name is not here."""


@functools.cache
def table() -> tuple[Name, ...]:
    """All names, but those that JAX itself has removed."""
    with open(Path(__file__).with_name("names.tsv"), newline="") as file:
        rows = csv.reader(file, delimiter="\t")
        next(rows)
        return tuple(Name(m, n, kind, int(tier)) for m, n, kind, tier in rows if kind != "removed")


def here(module: str) -> str:
    """Our module of the same contents."""
    return f"cotan{module.removeprefix('jax')}"


def home(name: Name) -> Any:
    """The object that has ``name`` as an attribute: a module, the class of arrays, that of updates, or the flags.

    Raises:
      Missing: there is no such module.
    """
    if name.module == METHODS:
        return type(cnp.zeros((2, 2)))
    if name.module == UPDATES:
        return type(cnp.zeros((2, 2)).at[0])
    if name.module == FLAGS:
        return cotan.config
    try:
        return importlib.import_module(here(name.module))
    except ModuleNotFoundError as error:
        raise Missing(str(error)) from None


def find(name: Name) -> Any:
    """What stands here under ``name``; of properties, the property.

    Raises:
      Missing: nothing does.
    """
    attribute = name.name.removeprefix("jax_") if name.module == FLAGS else name.name
    try:
        return getattr(home(name), attribute)
    except AttributeError as error:
        raise Missing(str(error)) from None
