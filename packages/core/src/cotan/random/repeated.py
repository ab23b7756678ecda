"""Which functions of a key become programs where they are called again and again: all that are public, but a few.

Random numbers stay what they were, where programs round as single operations do. Knows no distribution.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import FunctionType
from typing import Any

from cotan.api.repeated import repeated


def samplers(namespace: dict[str, Any], integers: Mapping[str, int], without: Collection[str]) -> None:
    """Make the functions of a key in a public module such.

    ``integers``: how many follow on the key, by their names, whose values are not part of what is known of a call.
    """
    for name, value in list(namespace.items()):
        if type(value) is FunctionType and value.__code__.co_varnames[:1] == ("key",) and name not in without:
            namespace[name] = repeated(varying=1 + integers.get(name, 0))(value)
