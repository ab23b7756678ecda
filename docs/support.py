"""Writes the table of support, ``reference/support.md``: every name that users of NumPy, SciPy and JAX may look for.

Nothing is said by hand: names come from the table of the tests, what is here from the modules, derivatives from taking
them at the tests' sample calls, backends from the programs of these calls, differences from signatures and docstrings.
"""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from library import checks
from library.table import Row, load
from surface.names import Missing, Name, find, here, table

import cotan
from cotan.compiler.passes import decompose_jaxpr
from cotan.ir.primitive import Primitive, decompose, program

ORIGINALS = {
    "jax.numpy": "numpy",
    "jax.numpy.linalg": "numpy.linalg",
    "jax.numpy.fft": "numpy.fft",
    **{
        f"jax.scipy.{room}": f"scipy.{room}"
        for room in (
            *("special", "linalg", "stats", "signal", "ndimage", "optimize", "integrate", "interpolate", "fft"),
            *("cluster.vq", "sparse.linalg", "spatial.transform"),
        )
    },
}
HERE = Path(__file__).parent
# What says where results go, and what ufuncs of NumPy take for types and layouts: arrays here are immutable.
NOWHERE = frozenset({"out", "where", "casting", "order", "dtype", "subok", "signature", "like"})
CONTROL = frozenset({"scan", "while", "cond"})  # of their programs, loops and branches
HEAD = """# Support

What is here of the names that programs written for NumPy, SciPy and JAX use. This page is written by `docs/support.py`
when the documentation is built, from the code, the installed NumPy and SciPy, and the calls by which functions are
tested.

- **derivatives**: modes in which the function is differentiated at a sample call: `forward`, `reverse`. A dash: its
  results have no slope, or there is no sample call (transformations, classes, control flow).
- **backends**: `all` if the program of a sample call falls into the basis of primitives that every backend knows; else
  the primitives that a backend must know besides. `cpu: host` if the CPU backend leaves a part to Python,
  as it does arithmetic on complex numbers (calls are of float32 where the function takes it).
- **differences**: parameters that the function has in NumPy or SciPy and not here (without), or here alone (also), what
  its docstring says, and for what is not here the reason. Arrays are immutable: `out` is nowhere taken, nor is what
  NumPy's ufuncs take besides operands.
"""


# ---- Of one function


class Samples:
    """What calls of functions show."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[Row]] = {}
        for row in load():
            self.rows.setdefault((f"jax.{row.module}", row.name), []).append(row)

    def of(self, name: Name) -> tuple[str, str]:
        """Modes of derivatives, and backends."""
        rows = self.rows.get((name.module, name.name), [])
        modes: set[str] = set()
        needs: set[str] = set()
        known = False
        for row in [row for row in rows if "f" in row.dtypes][:2] or rows[:1]:
            arrays = checks.plain(row, next(iter(row.types())) if "f" not in row.dtypes else np.float32)
            modes |= _modes(row, arrays)
            if row.jit and row.operands:
                known = True
                needs |= _needs(row, arrays)
        backends = "–" if not known else ", ".join(sorted(needs)) or "all"
        return ", ".join(mode for mode in ("forward", "reverse") if mode in modes) or "–", backends


def _modes(row: Row, arrays: list[np.ndarray]) -> set[str]:
    """The modes that work."""
    moving = [k for k, x in enumerate(row.operands) if x.dtype is None and arrays[k].dtype.kind in "fc"]
    if not moving:
        return set()

    def function(*values: Any) -> Any:
        full: list[Any] = list(arrays)
        for k, value in zip(moving, values, strict=True):
            full[k] = value
        return [x for x in cotan.tree.leaves(row.call(row.function, full)) if np.dtype(x.dtype).kind in "fc"]

    point = tuple(arrays[k] for k in moving)
    found = set()
    try:
        out, _ = cotan.jvp(function, point, point)
        if out:
            found.add("forward")
            out, pull = cotan.vjp(function, *point)
            pull([np.ones(x.shape, x.dtype) for x in out])
            found.add("reverse")
    except (TypeError, ValueError, NotImplementedError):
        pass
    return found


def _needs(row: Row, arrays: list[np.ndarray]) -> set[str]:
    """What a backend must know besides the basis."""

    def call(*values: Any) -> Any:
        return row.call(row.function, values)

    closed = decompose_jaxpr(cotan.make_jaxpr(call)(*arrays), _Whole())
    found = {f"`{eqn.primitive.name}`" for eqn in closed.jaxpr.eqns if not eqn.primitive.required}
    if "host step" in cotan.explain(call)(*arrays):
        found.add("cpu: host")
    return found


class _Whole:
    """The primitives that are not taken apart: those of the basis, and what has neither parts nor a program."""

    def __contains__(self, primitive: object) -> bool:
        if not isinstance(primitive, Primitive):
            return False
        alone = decompose.get(primitive) is None and program.get(primitive) is None
        return primitive.required or alone or primitive.name in CONTROL


def _differences(name: Name, value: Any) -> str:
    """What differs from the original, in words."""
    found = []
    original = _original(name)
    if original is not None:
        missing, added = _parameters(original, value)
        found += [f"without {_listed(missing)}"] if missing else []
        found += [f"also {_listed(added)}"] if added else []
    text = inspect.getdoc(value) if callable(value) else None
    told = re.split(r">>>|Args:|Raises:|Returns:", text or "")[0]
    for sentence in re.split(r"(?<=[.;:])\s+", " ".join(told.split())):
        if re.search(r"\b(unlike|NumPy|SciPy)\b", sentence) and len(sentence) < 200:
            found.append(sentence.rstrip("."))
    return "; ".join(found).replace("|", "\\|").replace("``", "`")


def _original(name: Name) -> Any:
    module = ORIGINALS.get(name.module)
    return None if module is None else getattr(importlib.import_module(module), name.name, None)


def _parameters(original: Any, value: Any) -> tuple[list[str], list[str]]:
    """Parameters of the original that are not here, and of ours that are not there."""
    try:
        theirs, ours = inspect.signature(original).parameters, inspect.signature(value).parameters
    except (TypeError, ValueError):
        return [], []
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if any(p.kind in kinds for p in (*theirs.values(), *ours.values())):
        return [], []
    named = [{n: p for n, p in one.items() if p.kind is not p.POSITIONAL_ONLY} for one in (theirs, ours)]
    if any(p.kind is p.POSITIONAL_ONLY for p in (*theirs.values(), *ours.values())):
        # Names of positional parameters mean nothing.
        named = [{n: p for n, p in one.items() if p.default is not p.empty} for one in named]
    first, second = named
    required = {n for one in named for n, p in one.items() if p.default is p.empty}
    return [n for n in first if n not in second and n not in required and n not in NOWHERE], [
        n for n in second if n not in first and n not in required
    ]


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# ---- The page


def _section(module: str, names: list[Name], samples: Samples) -> Iterator[str]:
    yield f"\n## {here(module) if ' ' not in module and '[' not in module else module.replace('jax.', '')}\n"
    yield "| name | here | derivatives | backends | differences |"
    yield "|---|---|---|---|---|"
    for name in names:
        try:
            value = find(name)
        except Missing as error:
            reason = str(error).partition("': ")[2] if "has no attribute" in str(error) else ""
            yield f"| `{name.name}` | no | | | {reason} |"
            continue
        modes, backends = samples.of(name) if name.kind == "function" else ("–", "–")
        yield f"| `{name.name}` | yes | {modes} | {backends} | {_differences(name, value)} |"
    yield from _besides(module, names)


def _besides(module: str, names: list[Name]) -> Iterator[str]:
    """Names of NumPy and SciPy that JAX does not have."""
    if module not in ORIGINALS:
        return
    original, ours = importlib.import_module(ORIGINALS[module]), importlib.import_module(here(module))
    listed = {name.name for name in names}
    others = [n for n in getattr(original, "__all__", ()) if n not in listed and callable(getattr(original, n, None))]
    for state, present in (("Also here", True), ("Not here", False)):
        found = sorted(n for n in others if hasattr(ours, n) == present)
        if found:
            yield f"\n{state}, of {ORIGINALS[module]}: {_listed(found)}."


def page(modules: set[str] | None = None) -> str:
    """The text (of some modules)."""
    samples = Samples()
    by_module: dict[str, list[Name]] = {}
    for name in table():
        if not name.is_internal and (modules is None or name.module in modules):
            by_module.setdefault(name.module, []).append(name)
    lines = [HEAD]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for module, names in by_module.items():
            lines += _section(module, names, samples)
    return "\n".join(lines) + "\n"


def write() -> None:
    """Write the page beside the others, if it has changed."""
    path, text = HERE / "reference" / "support.md", page()
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


if __name__ == "__main__":
    write()
