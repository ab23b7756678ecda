"""Runs every docstring twice, with NumPy and with cotan.numpy, and compares the values of its expressions."""

from __future__ import annotations

import ast
import contextlib
import copy
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from numpy_examples.categories import NOT_RUN, by_text, by_value
from numpy_examples.converter import GIVEN, INDEX, as_index, catch_up, namespaces, of_imports, of_lists
from numpy_examples.examples import Example, bound, documented, loaded


@dataclass(frozen=True)
class Outcome:
    """What came of an example: excluded by a category, or compared; ``difference`` is "" where the two agree."""

    example: Example
    category: str | None = None
    difference: str = ""


def outcomes() -> Iterator[Outcome]:
    """Of all examples that have a value, or that one of the runs cannot do."""
    with cotan.enable_x64(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for _, examples in documented():
            yield from Docstring().run(examples)


class Docstring:
    """The two runs of a docstring, and what is only in the run on NumPy since cotan.numpy was not asked for it."""

    def __init__(self) -> None:
        theirs, ours = namespaces()
        self.theirs: dict[str, Any] = {"np": theirs, GIVEN: theirs}
        self.ours: dict[str, Any] = {"np": ours, GIVEN: ours, INDEX: as_index}
        self.lost: dict[str, str] = {}  # names without a value in the second run, with the category that took it
        self.given: dict[str, str] = {}  # names whose arrays were made by NumPy in an example of that category

    def run(self, examples: list[Example]) -> Iterator[Outcome]:
        for example in examples:
            found = self._one(example)
            if found is not None:
                yield found

    def _one(self, example: Example) -> Outcome | None:
        before = {name: copy.copy(v) for name, v in self.theirs.items() if isinstance(v, np.ndarray | list | dict)}
        category = by_text(example) or self._inherited(example)
        expected, failed = (None, None) if category in NOT_RUN else _execute(example.tree, self.theirs)
        if category is None and failed is not None:
            category = "broken"
        names = bound(example.tree)
        category = category or by_value([expected, *(self.theirs.get(name) for name in names)])
        if category is not None:
            changed = {name for name, value in before.items() if not _same(value, self.theirs.get(name))}
            self._hand_over(names | changed, category)
            return Outcome(example, category)
        for name in names:
            self.lost.pop(name, None)
            self.given.pop(name, None)
        got, error = _execute(of_lists(copy.deepcopy(example.tree)), self.ours)
        self.theirs["_"], self.ours["_"] = expected, got
        if error is not None:
            return Outcome(example, None, f"{type(error).__name__}: {error}")
        if expected is None and got is None:
            return None
        return Outcome(example, None, compare(got, expected))

    def _inherited(self, example: Example) -> str | None:
        """The category of an example that needs what an excluded one made, or that merely shows it."""
        needed = sorted(loaded(example.tree))
        shown = example.tree.body[-1].value if example.is_expression else None
        if isinstance(shown, ast.Name) and shown.id in self.given:
            return self.given[shown.id]
        return next((self.lost[name] for name in needed if name in self.lost), None)

    def _hand_over(self, names: set[str], category: str) -> None:
        """Arrays of numbers that an excluded example made or changed are given to the second run."""
        for name in names:
            value = self.theirs.get(name)
            if isinstance(value, np.ndarray) and by_value([value]) is None:
                self.ours[name] = cnp.asarray(value)
                self.given[name] = category
                self.lost.pop(name, None)
            else:
                self.lost[name] = category
        for name, value in self.theirs.items():
            catch_up(self.ours.get(name), value)


def _execute(tree: ast.Module, names: dict[str, Any]) -> tuple[Any, Exception | None]:
    """Run statements; the value is that of the last one if it is an expression. What they print is not shown."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return _value_of(of_imports(copy.deepcopy(tree)), names), None
    except Exception as error:
        return None, error


def _value_of(tree: ast.Module, names: dict[str, Any]) -> Any:
    *first, last = tree.body
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "<example>", "exec"), names)
        return None
    exec(compile(ast.Module(first, []), "<example>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<example>", "eval"), names)


def _same(a: Any, b: Any) -> bool:
    try:
        return type(a) is type(b) and not compare(a, b)
    except Exception:
        return False


# ---- Comparison


def compare(got: Any, expected: Any) -> str:
    """Where two values differ, in words; "" if they agree in structure, shape, kind and value."""
    if isinstance(expected, dict):
        if not isinstance(got, dict) or set(got) != set(expected):
            return f"{got!r} instead of {expected!r}"
        return next((d for key in expected if (d := compare(got[key], expected[key]))), "")
    if isinstance(expected, list) and isinstance(got, cnp.ndarray):
        return _numbers(got, np.asarray(expected))  # the converter made an array of the list that was given
    if isinstance(expected, list | tuple):
        if isinstance(got, cnp.ndarray) or not isinstance(got, list | tuple) or len(got) != len(expected):
            return f"{got!r} instead of {expected!r}"
        return next((d for pair in zip(got, expected, strict=True) if (d := compare(*pair))), "")
    if isinstance(expected, np.ndarray | np.generic | int | float | complex):
        return _numbers(got, expected)
    try:
        agree = bool(got == expected)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "" if agree else f"{got!r} instead of {expected!r}"


def _numbers(got: Any, expected: Any) -> str:
    if not isinstance(got, cnp.ndarray | np.ndarray | np.generic | int | float | complex):
        return f"{got!r} instead of {expected!r}"
    a, b = np.asarray(got), np.asarray(expected)
    if a.shape != b.shape:
        return f"shape {a.shape} instead of {b.shape}"
    kinds = {a.dtype.kind, b.dtype.kind}
    if a.dtype.kind != b.dtype.kind and not kinds <= {"i", "u"}:
        return f"dtype {a.dtype} instead of {b.dtype}"
    if b.dtype.kind in "fc":
        coarse = max(np.finfo(x.dtype).eps for x in (a, b) if x.dtype.kind in "fc")
        scale = max(1.0, float(np.max(np.abs(b[np.isfinite(b)]), initial=0.0)))
        relative = 1e-9 if coarse < 1e-12 else 30 * coarse
        agree = np.allclose(a, b, rtol=relative, atol=50 * coarse * scale, equal_nan=True)
    else:
        agree = np.array_equal(a, b)
    return "" if agree else f"{a.tolist()!r} instead of {b.tolist()!r}"
