"""From a module to an executable: options, the cache on disk, and what a failure says.

A failure shows the operation in StableHLO and the user's line, where XLA or MLIR say which it was.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from cotan.config import config
from cotan.errors import JaxRuntimeError, where
from cotan_xla_tpu import cache, driver
from cotan_xla_tpu.emit import Written

OPTIONS = "COTAN_XLA_OPTIONS"
"""Environment: options of XLA's compiler for all programs, as ``name=value,name=value``."""


class CompileError(JaxRuntimeError):
    """XLA refused a program."""


def overrides() -> list[tuple[str, Any]]:
    """The compiler options that the environment gives.

    Raises:
      ValueError: one of them is not ``name=value``.
    """
    found: list[tuple[str, Any]] = []
    for part in filter(None, os.environ.get(OPTIONS, "").split(",")):
        name, separator, text = part.strip().partition("=")
        if not separator:
            raise ValueError(f"{OPTIONS} must be name=value,name=value,...; got {part!r}")
        value: Any = {"true": True, "false": False}.get(text.lower(), text)
        found.append((name, int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value))
    return found


def compile_written(
    client: Any, written: Written, devices: Sequence[Any], *, replicas: int = 1, partitions: int = 1
) -> Any:
    """An executable of a module on ``devices``; from the cache on disk, if there is one.

    Raises:
      CompileError: XLA refuses it.
    """
    chosen = overrides()
    efforts = {"speed": config.optimization_level, "memory": config.memory_fitting_level}
    options = driver.compile_options(devices, replicas=replicas, partitions=partitions, overrides=chosen, **efforts)
    asked = (replicas, partitions, chosen, *efforts.values())
    kept = None if written.callbacks else cache.entry(client, written, devices, asked)
    if kept is not None:
        loaded = kept.load(lambda text: driver.deserialize(client, text, devices, options))
        if loaded is not None:
            return loaded
    try:
        loaded = driver.compile_module(client, written.module, devices, options, written.callbacks)
    except (driver.XlaError, driver.MlirError, ValueError) as error:
        raise refused(written, error) from None
    if kept is not None:
        kept.store(lambda: driver.serialize(client, loaded))
    return loaded


def refused(written: Written, error: BaseException) -> CompileError:
    """What users see of a compiler's error: its text, the operation, their line."""
    text = str(error)
    place, lines = near(written, text)
    shown = "\n".join(f"    {line.strip()}" for line in lines)
    at = f"{place}: " if place else f"{where()}: "
    return CompileError(f"{at}XLA cannot compile the program: {text}" + (f"\nIn StableHLO:\n{shown}" if shown else ""))


_PLACE = re.compile(r'"([^"]+\.py)":(\d+)|source_file="([^"]+)" source_line=(\d+)|([^\s"(]+\.py):(\d+)')
_WORD = re.compile(r"[A-Za-z_][\w.]{4,}")
_SHOWN = 4


def near(written: Written, text: str) -> tuple[str, list[str]]:
    """The user's place and the lines of the module of which an error speaks; empty where it does not say."""
    asm = written.text(places=True).splitlines()
    found = _PLACE.search(text)
    if found is not None:
        file, number = next((found[k], found[k + 1]) for k in (1, 3, 5) if found[k])
        names = {m[1] for line in asm if (m := re.match(r"(#loc\d*) = .*", line)) and f'{file}":{number}:' in line}
        names |= {
            m[1] for line in asm if (m := re.match(r"(#loc\d*) = ", line)) and any(f"({n})" in line for n in names)
        }
        lines = [line for line in asm if any(line.endswith(f"loc({name})") for name in names)]
        return f"{os.path.basename(file)}:{number}", lines[:_SHOWN]
    # Otherwise the operations that share with the text the word which the fewest operations have.
    operations = [line for line in asm if re.match(r"\s*%[^=]* = ", line)]
    found_by_word = [[line for line in operations if word in line] for word in set(_WORD.findall(text))]
    lines = min(filter(None, found_by_word), key=len, default=[])
    if not lines or len(lines) > _SHOWN:
        return "", []
    return _place_of(lines[0], asm), lines


def _place_of(line: str, asm: Sequence[str]) -> str:
    """The user's line of one line of a module."""
    reference = re.search(r"loc\((#loc\d*)\)$", line)
    seen = 0
    while reference is not None and seen < 5:
        definition = next((one for one in asm if one.startswith(f"{reference[1]} = ")), "")
        place = re.search(r'"([^"]+)":(\d+):', definition)
        if place is not None:
            return f"{os.path.basename(place[1])}:{place[2]}"
        reference = re.search(r"\((#loc\d*)\)", definition)
        seen += 1
    return ""
