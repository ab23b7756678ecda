"""The examples of NumPy's docstrings: found, parsed, and what of their syntax the rest asks for.

Knows NumPy, whose documentation it reads, and the names of cotan.numpy; runs nothing.
"""

from __future__ import annotations

import ast
import doctest
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import cotan.numpy as cnp

SPACES: tuple[tuple[str, Any, Any], ...] = (
    ("", np, cnp),
    ("linalg.", np.linalg, cnp.linalg),
    ("fft.", np.fft, cnp.fft),
    ("ndarray.", np.ndarray, cnp.ndarray),
)


@dataclass(frozen=True)
class Example:
    """One ``>>>`` of a docstring."""

    function: str
    number: int
    source: str
    want: str
    raises: bool
    tree: ast.Module

    @property
    def name(self) -> str:
        return f"{self.function}:{self.number}"

    @property
    def is_expression(self) -> bool:
        return bool(self.tree.body) and isinstance(self.tree.body[-1], ast.Expr)


def documented() -> Iterator[tuple[str, list[Example]]]:
    """For each function and method of NumPy that cotan.numpy has, its examples in order; a text is read once."""
    seen: set[str] = set()
    for prefix, theirs, ours in SPACES:
        for name in sorted(dir(ours)):
            if name.startswith("_") or not hasattr(theirs, name) or inspect.ismodule(getattr(theirs, name)):
                continue
            documented_thing = getattr(theirs, name)
            text = getattr(documented_thing, "__doc__", None)
            if not isinstance(text, str) or text in seen:
                continue
            if theirs is not np.ndarray and not callable(documented_thing):
                continue
            seen.add(text)
            found = list(parse(f"{prefix}{name}", text))
            if found:
                yield f"{prefix}{name}", found


def parse(function: str, text: str) -> Iterator[Example]:
    for number, example in enumerate(doctest.DocTestParser().get_examples(text)):
        try:
            tree = ast.parse(example.source)
        except SyntaxError:
            continue
        yield Example(function, number, example.source, example.want, example.exc_msg is not None, tree)


def loaded(tree: ast.AST) -> set[str]:
    """The names that a piece of program reads."""
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def bound(tree: ast.AST) -> set[str]:
    """The names that a piece of program binds."""
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    names |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names


def attributes(tree: ast.AST) -> set[str]:
    """Dotted names under ``np`` (``linalg.norm``), each prefix too."""
    return {path for node in ast.walk(tree) if isinstance(node, ast.Attribute) for path in _dotted(node)}


def _dotted(node: ast.AST) -> list[str]:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not (isinstance(node, ast.Name) and node.id in ("np", "numpy")):
        return []
    parts.reverse()
    return [".".join(parts[: k + 1]) for k in range(len(parts))]


def methods(tree: ast.AST) -> set[str]:
    """Names of attributes of anything but ``np`` itself."""
    return {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and not _dotted(n)}


def keywords(tree: ast.AST) -> dict[str, Any]:
    """The keyword arguments of all calls, as syntax."""
    return {k.arg: k.value for n in ast.walk(tree) if isinstance(n, ast.Call) for k in n.keywords if k.arg}
