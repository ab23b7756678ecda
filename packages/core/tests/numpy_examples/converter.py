"""What a program written for NumPy becomes before it runs on cotan.numpy: its ``np``, and its lists.

cotan.numpy refuses lists and tuples where arrays are meant. So a list that NumPy's documentation of a parameter calls
``array_like`` is made an array, as are lists as operands beside something else and as indices. Random numbers are
NumPy's in both runs, from one seed.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import re
import types
from collections.abc import Callable
from typing import Any

import numpy as np

import cotan.numpy as cnp

Run = Callable[..., Any]
GIVEN = "given_numpy"  # the name of a run's own NumPy
INDEX = "as_index"  # the name of the function that makes arrays of lists as indices
# Lists for these are no arrays: shapes, pairs of axes, subscripts between operands, what becomes an array by itself.
_NO_ARRAYS = frozenset({"shape", "newshape", "new_shape", "axes", "operands", "object", "reps", "pad_width"})


def of_lists(tree: ast.Module) -> ast.Module:
    """The program with ``np.array`` around list displays that stand as operands or indices."""
    return ast.fix_missing_locations(_Lists().visit(tree))


class _Lists(ast.NodeTransformer):
    def _index(self, node: ast.expr) -> ast.expr:
        """A list as an index, a display or behind a name, which may hold something else."""
        if isinstance(node, ast.Name):
            return ast.Call(ast.Name(INDEX, ast.Load()), [node], [])
        return self._array(node)

    def _array(self, node: ast.expr) -> ast.expr:
        if not isinstance(node, ast.List):
            return node
        return ast.Call(ast.Attribute(ast.Name("np", ast.Load()), "array", ast.Load()), [node], [])

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.slice, ast.Tuple):
            node.slice.elts = [self._index(item) for item in node.slice.elts]
        else:
            node.slice = self._index(node.slice)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not all(isinstance(side, ast.List | ast.Constant) for side in (node.left, node.right)):
            node.left, node.right = self._array(node.left), self._array(node.right)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if not all(isinstance(side, ast.List | ast.Constant) for side in (node.left, *node.comparators)):
            node.left, node.comparators = self._array(node.left), [self._array(item) for item in node.comparators]
        return node


def of_imports(tree: ast.Module) -> ast.Module:
    """The program with imports from NumPy as assignments, from the ``np`` that it is given."""
    return ast.fix_missing_locations(_Imports().visit(tree))


class _Imports(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> Any:
        if any(alias.name.split(".")[0] != "numpy" for alias in node.names):
            return node
        return [_assigned(a.asname, a.name) if a.asname else _assigned("numpy", "numpy") for a in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        if (node.module or "").split(".")[0] != "numpy":
            return node
        return [_assigned(a.asname or a.name, f"{node.module}.{a.name}") for a in node.names]


def _assigned(name: str, path: str) -> ast.stmt:
    return ast.parse(f"{name} = {path.replace('numpy', GIVEN, 1)}").body[0]


def as_index(index: Any) -> Any:
    """A list as an index becomes an array."""
    return cnp.array(index) if isinstance(index, list) else index


# ---- Parameters that NumPy documents as array_like


@functools.cache
def _documented(doc: str) -> dict[str, str]:
    """For each documented parameter, "array", "arrays" (a sequence of them) or ""."""
    section = re.search(r"^ *Parameters\n *-+\n(.*?)(?=^ *\w[^\n]*\n *-{3,}|\Z)", doc, re.S | re.M)
    found: dict[str, str] = {}
    for line in inspect.cleandoc(section.group(1)).splitlines() if section else ():
        said = re.match(r"([\w*][\w*, .]*?)\s*:\s*(.+)", line)
        if said is None or line.startswith(" "):
            continue
        kind = said.group(2).lower()
        several = re.search(r"(sequence|tuple|list)s? of[\w ,-]*(array|ndarray|1-d)", kind) and "nested" not in kind
        single = "nested" not in kind and re.search(r"array|poly1d or seq|sequence of (scalars|floats)|1-d seq", kind)
        for name in re.split(r",\s*", said.group(1)):
            name = name.strip("*. ")
            found[name] = "" if name in _NO_ARRAYS else "arrays" if several else "array" if single else ""
    return found


@functools.cache
def _parameters(function: Any, how: tuple[str, ...]) -> tuple[list[str], str]:
    """The names of positional parameters, and of what takes the rest of them ("" if nothing does)."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return list(how), ""
    several = next((p.name for p in found if p.kind is p.VAR_POSITIONAL), "")
    return [p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)], several


def _converted(value: Any, how: str) -> Any:
    if not isinstance(value, list | tuple | range) or not how:
        return value
    ragged = len({np.shape(item) for item in value}) > 1
    if how == "arrays" or ragged:
        return type(value)(_converted(item, "array") for item in value)
    return cnp.array(value)


def _call(theirs: Any, ours: Run) -> Run:
    """``ours``, called as ``theirs`` is: lists are made arrays where the documentation says so."""
    how = _documented(theirs.__doc__ or "")
    names, several = _parameters(theirs, tuple(how))
    # Where nothing is documented, as for functions that refer to others, the first parameter is an array.
    how = how or dict.fromkeys(names[:1], "array")
    rest = how.get(several, "array") if several else ""

    @functools.wraps(ours, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        kinds = [how.get(names[k], "") if k < len(names) else rest for k in range(len(args))]
        given = [_converted(value, kind) for value, kind in zip(args, kinds, strict=True)]
        return ours(*given, **{name: _converted(value, how.get(name, "")) for name, value in kwargs.items()})

    return call


class _Function:
    """A function of cotan.numpy that takes lists; of ufuncs, their methods too."""

    def __init__(self, theirs: Any, ours: Run) -> None:
        self._theirs, self._ours, self._run = theirs, ours, _call(theirs, ours)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ours, name)
        theirs = getattr(self._theirs, name, None)
        return _call(theirs, found) if callable(found) and theirs is not None else found


# ---- The namespaces


class Random:
    """NumPy's generators from one seed; what they draw is given to ``made``."""

    def __init__(self, made: Callable[[Any], Any]) -> None:
        self._made = made
        self._legacy = np.random.RandomState(7)

    def default_rng(self, seed: Any = 7) -> Any:
        return _Drawing(np.random.default_rng(seed), self._made)

    def RandomState(self, seed: Any = 7) -> Any:
        return _Drawing(np.random.RandomState(seed), self._made)

    def seed(self, seed: Any) -> None:
        self._legacy.seed(seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(_Drawing(self._legacy, self._made), name)


class _Drawing:
    def __init__(self, generator: Any, made: Callable[[Any], Any]) -> None:
        self._generator, self._made = generator, made

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._generator, name)

        def draw(*args: Any, **kwargs: Any) -> Any:
            plain = [np.asarray(a) if isinstance(a, cnp.ndarray) else a for a in args]
            value = method(*plain, **kwargs)
            return self._made(value) if isinstance(value, np.ndarray) else value

        return draw


def catch_up(ours: Any, theirs: Any) -> None:
    """Bring a generator, or the namespace that holds one, to the state of the one in the other run."""
    if isinstance(ours, _Drawing) and isinstance(theirs, _Drawing):
        ours._generator = copy.deepcopy(theirs._generator)
    elif isinstance(ours, Namespace) and isinstance(theirs, Namespace) and ours._random and theirs._random:
        ours._random._legacy = copy.deepcopy(theirs._random._legacy)


class Namespace:
    """A module as examples see it: ``np.random`` is drawn from one seed, and the rest may be wrapped."""

    def __init__(self, theirs: types.ModuleType, ours: types.ModuleType, random: Random | None) -> None:
        self._theirs, self._ours, self._random = theirs, ours, random

    def __getattr__(self, name: str) -> Any:
        if name == "random" and self._random is not None:
            return self._random
        theirs = getattr(self._theirs, name, None)
        if self._ours is self._theirs:
            return getattr(self._theirs, name)
        if isinstance(theirs, type) and issubclass(theirs, np.generic):
            return theirs  # dtypes are NumPy's scalar types
        ours = getattr(self._ours, name)
        if isinstance(ours, types.ModuleType):
            return Namespace(theirs, ours, None) if theirs is not None else ours
        return _Function(theirs, ours) if callable(theirs) and not isinstance(ours, type) else ours


def namespaces() -> tuple[Namespace, Namespace]:
    """``np`` of the two runs of a docstring."""
    return Namespace(np, np, Random(lambda value: value)), Namespace(np, cnp, Random(cnp.asarray))
