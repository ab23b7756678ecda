"""All cases of the kit, and the manifest: how many there must be of each group, so that none is lost unnoticed.

``python -m cotan.testing.conformance --write-manifest`` writes the manifest anew, where cases were added or are meant
to go.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from cotan.testing.conformance import areas
from cotan.testing.conformance.cases import Case

MANIFEST = Path(__file__).parent / "manifest.txt"


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case of every area.

    Raises:
      ValueError: two have one name.
    """
    found: list[Case] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of NumPy, about the edges that the operands hold
        for module in sorted(m.name for m in pkgutil.iter_modules(areas.__path__)):
            found += importlib.import_module(f"{areas.__name__}.{module}").cases()
    twice = [name for name, count in Counter(case.name for case in found).items() if count > 1]
    if twice:
        raise ValueError(f"several cases are named {', '.join(twice)}")
    return tuple(found)


def counted(cases: Iterable[Case]) -> dict[str, int]:
    """How many cases each group has."""
    return dict(sorted(Counter(case.group for case in cases).items()))


def write_manifest() -> None:
    """Make the manifest what the cases are now."""
    lines = [f"{count:4} {group}\n" for group, count in counted(all_cases()).items()]
    MANIFEST.write_text("".join(lines), encoding="utf-8")


def read_manifest() -> dict[str, int]:
    """How many cases each group must have."""
    pairs = [line.split(maxsplit=1) for line in MANIFEST.read_text(encoding="utf-8").splitlines()]
    return {group: int(count) for count, group in pairs}


def missing() -> list[str]:
    """Groups that have fewer cases than the manifest says, in words."""
    there = counted(all_cases())
    return [
        f"{group}: {there.get(group, 0)} cases, and the manifest says {count}"
        for group, count in read_manifest().items()
        if there.get(group, 0) < count
    ]
