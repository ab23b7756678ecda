"""Which versions of NumPy and SciPy tests compare with: where theirs differ from each other, so do our differences."""

from __future__ import annotations

import re
from types import ModuleType


def before(package: ModuleType, version: str) -> bool:
    """Whether ``package`` is older than ``version`` (of two numbers)."""
    have, other = (tuple(map(int, re.findall(r"\d+", text)[:2])) for text in (package.__version__, version))
    return have < other
