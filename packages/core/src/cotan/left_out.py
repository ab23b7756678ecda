"""What is said of names that programs may look for and that are not here. Knows the names, imports nothing above."""

from __future__ import annotations

_ONE_DEVICE = "programs run on one device here; use jit, and vmap for a mapped axis"
_ONE_PROCESS = "programs run in one process here"

_REASONS: dict[str, dict[str, str]] = {
    "cotan": {
        **dict.fromkeys(("pmap", "shard_map"), _ONE_DEVICE),
        **dict.fromkeys(("ffi", "lib"), "there is no foreign compiler underneath; use pure_callback for other code"),
        "memory": "devices have one kind of memory here",
        "transfer_guard": "arrays on the CPU are not transferred; device_put says explicitly where they go",
        **dict.fromkeys(("extend", "interpreters", "api_util"), "how programs are transformed inside is not public"),
    },
    "cotan.lax": {
        **dict.fromkeys(("psend", "precv"), _ONE_DEVICE),
    },
    "cotan.profiler": {
        **dict.fromkeys(
            ("ProfileData", "ProfileEvent", "ProfilePlane"),
            "traces are Chrome traces here: JSON, compressed by gzip, which json.load reads",
        ),
        **dict.fromkeys(
            ("device_memory_profile", "save_device_memory_profile"), "cotan.live_arrays() says which arrays hold memory"
        ),
        "register_subprocess": _ONE_PROCESS,
    },
    "cotan.numpy": {
        **dict.fromkeys(("int1", "uint1"), "one-bit integers have no dtype here; use bool, or int2 and uint2"),
    },
}


def missing(module: str, name: str) -> str:
    """The text of the AttributeError for a name that a module does not have."""
    reason = _REASONS.get(module, {}).get(name)
    text = f"module {module!r} has no attribute {name!r}"
    return text if reason is None else f"{text}: {reason}"
