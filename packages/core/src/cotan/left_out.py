"""What is said of names that programs may look for and that are not here. Knows the names, imports nothing above."""

from __future__ import annotations

_REASONS: dict[str, dict[str, str]] = {
    "cotan.numpy": {
        **dict.fromkeys(("int1", "uint1"), "one-bit integers have no dtype here; use bool, or int2 and uint2"),
    },
}


def missing(module: str, name: str) -> str:
    """The text of the AttributeError for a name that a module does not have."""
    reason = _REASONS.get(module, {}).get(name)
    text = f"module {module!r} has no attribute {name!r}"
    return text if reason is None else f"{text}: {reason}"
