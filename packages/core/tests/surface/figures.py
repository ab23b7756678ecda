"""The figures of the public surface: of every module and tier, which names are here, and which of them tests use.

    COTAN_SURFACE_CALLS=calls pytest
    python packages/core/tests/surface/figures.py calls

Functions are used if a test called them (``recorder``); constants, classes, modules and flags if a file of tests reads
them. Aliases of one object are used together.
"""

from __future__ import annotations

import argparse
import ast
import collections
import importlib
import inspect
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from library.table import load
from surface.names import FLAGS, INTERNALS, LATER, METHODS, UPDATES, Missing, Name, find, here, table
from surface.recorder import watched

ROOT = Path(__file__).parents[4]
PLAIN = (int, float, complex, str, type(None))  # objects that are equal by chance
WANTED = {1: 1.0, 2: 0.98, 3: 0.6}


# ---- What files of tests read


class Reads(ast.NodeVisitor):
    """Dotted names under ``cotan``, attributes, words and keywords of one file."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}
        self.dotted: set[str] = set()
        self.words: set[str] = set()
        self.by_name: set[str] = set()  # modules whose names are looked up by strings

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "getattr" and isinstance(node.args[0], ast.Name):
            self.by_name.add(self.aliases.get(node.args[0].id, ""))
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for name in node.names:
            if name.name.split(".")[0] == "cotan":
                self.aliases[name.asname or "cotan"] = name.name if name.asname else "cotan"
                self.dotted.add(name.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module and node.module.split(".")[0] == "cotan":
            for name in node.names:
                self.aliases[name.asname or name.name] = f"{node.module}.{name.name}"
                self.dotted.add(f"{node.module}.{name.name}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.words.add(node.attr)
        parts: list[str] = []
        value: ast.expr = node
        while isinstance(value, ast.Attribute):
            parts.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name) and value.id in self.aliases:
            path = self.aliases[value.id]
            for part in reversed(parts):
                path = f"{path}.{part}"
                self.dotted.add(path)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.words.update(node.value.split())

    def visit_keyword(self, node: ast.keyword) -> None:
        self.words.add(node.arg or "")
        self.generic_visit(node)


def reads() -> tuple[set[str], set[str]]:
    """Dotted names and words in all files of tests."""
    dotted: set[str] = set()
    words: set[str] = set()
    for folder in ("packages/core/tests", "packages/backend-cpu/tests", "examples/tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.parent.name == "surface" and path.name in {"names.py", "recorder.py", "figures.py"}:
                continue
            visitor = Reads()
            visitor.visit(ast.parse(path.read_text()))
            dotted |= visitor.dotted
            dotted |= {f"{module}.{word}" for module in visitor.by_name - {""} for word in visitor.words}
            words |= visitor.words
    return dotted, words


def objects(dotted: set[str]) -> set[int]:
    """The identities of what is read."""
    found = set()
    for path in dotted:
        value = _resolve(path.split("."))
        if not isinstance(value, PLAIN):
            found.add(id(value))
    return found


def _resolve(parts: list[str]) -> Any:
    """The object at a dotted path; None where there is none."""
    value: Any = None
    for count in range(1, len(parts) + 1):
        path = ".".join(parts[:count])
        try:
            value = getattr(value, parts[count - 1]) if value is not None else importlib.import_module(path)
        except AttributeError:
            try:
                value = importlib.import_module(path)
            except ImportError:
                return None
    return value


# ---- Figures


class Figures:
    """Every name's state: missing, unused or used."""

    def __init__(self, calls: set[str]) -> None:
        dotted, words = reads()
        dotted |= {f"cotan.{row.module}.{row.name}" for row in load()}
        identities = objects(dotted)
        self.state: dict[Name, str] = {}
        for name in table():
            try:
                value = find(name)
            except Missing:
                self.state[name] = "missing"
                continue
            if watched(value) is not None:
                used = str(name) in calls
            elif name.module in (METHODS, UPDATES, FLAGS):
                used = bool({name.name, name.name.removeprefix("jax_")} & words)
            elif inspect.ismodule(value):
                path = f"{here(name.module)}.{name.name}"
                inside = str(name) + "."
                used = id(value) in identities or any(d.startswith(f"{path}.") for d in dotted)
                used = used or any(call.startswith(inside) for call in calls)
            else:
                used = f"{here(name.module)}.{name.name}" in dotted or id(value) in identities
            self.state[name] = "used" if used else "unused"

    def of(self, tier: int, module: str | None = None, *, asked: bool = False) -> dict[str, list[Name]]:
        """The names of a tier (of one module), by state; ``asked``: those that are asked for."""
        found: dict[str, list[Name]] = collections.defaultdict(list)
        for name, state in self.state.items():
            if name.tier == tier and module in (None, name.module) and (name.is_asked or not asked):
                found[state].append(name)
        return found


def lines(figures: Figures, *, names: bool) -> Iterator[str]:
    """The report."""
    head = f"{'':46}{'tier':>5}{'names':>7}{'here':>7}{'tested':>8}"
    yield head
    for module in dict.fromkeys(name.module for name in figures.state):
        for tier in WANTED:
            found = figures.of(tier, module, asked=tier == 3)
            total = sum(map(len, found.values()))
            if total:
                present = total - len(found["missing"])
                yield f"{module:46}{tier:5}{total:7}{present:7}{len(found['used']):8}"
                if names:
                    for state in ("missing", "unused"):
                        if found[state]:
                            yield f"    {state}: {' '.join(n.name for n in found[state])}"
    yield head
    for tier in WANTED:
        yield _sum("all", tier, figures.of(tier))
    yield f"asked for: without JAX's inside ({', '.join(m for m in INTERNALS if m != FLAGS)}, flags of tier 3),"
    yield f"and without what comes with several devices ({', '.join(sorted(name for _, name in LATER))}):"
    for tier, wanted in WANTED.items():
        yield f"{_sum('asked for', tier, figures.of(tier, asked=True))} (wanted {wanted:.0%} here)"


def _sum(what: str, tier: int, found: dict[str, list[Name]]) -> str:
    total = sum(map(len, found.values()))
    present, used = total - len(found["missing"]), len(found["used"])
    return (
        f"{what:46}{tier:5}{total:7}{present:7}{used:8}   {present / total:.1%} here, {used / max(present, 1):.1%} of "
        "these tested"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("calls", nargs="?", type=Path, help="the folder that the tests wrote; none: only what is here")
    parser.add_argument("--names", action="store_true", help="list the missing names, and those without a test")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    files = sorted(options.calls.glob("*.json")) if options.calls else []
    calls = {name for file in files for name in json.loads(file.read_text())}
    print("\n".join(lines(Figures(calls), names=options.names)))


if __name__ == "__main__":
    main()
