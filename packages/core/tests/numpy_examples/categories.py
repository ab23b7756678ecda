"""Which examples are not about values of functions, by what they say; each category has its reason.

A category is a property of an example's text, its syntax, or the values that NumPy makes of it. None looks at what
cotan.numpy does, so that nothing is here because it fails.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from numpy_examples.examples import Example, attributes, keywords, loaded, methods


@dataclass(frozen=True)
class Category:
    name: str
    reason: str
    said: Callable[[Example], bool]
    made: Callable[[Any], bool] = lambda value: False


def _uses(*names: str) -> Callable[[Example], bool]:
    return lambda example: bool(attributes(example.tree) & set(names))


def _calls_method(tree: ast.AST, names: Iterable[str]) -> bool:
    wanted = set(names)
    return any(isinstance(n, ast.Call) and methods(n.func) & wanted for n in ast.walk(tree) if isinstance(n, ast.Call))


def _texts(tree: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def _leaves(value: Any, depth: int = 8) -> list[Any]:
    """What lists, tuples and dicts hold, to a depth: a list may hold itself."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple) and depth:
        return [leaf for item in value for leaf in _leaves(item, depth - 1)]
    return [value]


def _has_dtype(test: Callable[[np.dtype], bool]) -> Callable[[Any], bool]:
    def made(value: Any) -> bool:
        for leaf in _leaves(value):
            dtype = leaf if isinstance(leaf, np.dtype) else getattr(leaf, "dtype", None)
            if isinstance(leaf, type) and issubclass(leaf, np.generic) and leaf not in _ABSTRACT:
                dtype = np.dtype(leaf)
            if isinstance(dtype, np.dtype) and test(dtype):
                return True
        return False

    return made


_ABSTRACT = {np.generic, np.number, np.integer, np.signedinteger, np.unsignedinteger, np.inexact, np.floating}
_ABSTRACT |= {np.complexfloating, np.flexible, np.character}
_PRINTING = ("array2string", "array_repr", "array_str", "set_printoptions", "get_printoptions", "printoptions", "info")
_FORMATTING = ("format_float_positional", "format_float_scientific", "binary_repr", "base_repr", "show_config")
_IN_PLACE = ("copyto", "put", "place", "putmask", "put_along_axis", "fill_diagonal", "random.shuffle")
_IN_PLACE_METHODS = ("fill", "sort", "partition", "resize", "put", "itemset", "setflags", "setfield", "shuffle", "at")
_FILES = ("save", "savez", "savez_compressed", "load", "loadtxt", "savetxt", "genfromtxt", "fromfile", "memmap")
_LAYOUT = ("shares_memory", "may_share_memory", "isfortran", "asfortranarray", "ascontiguousarray", "require")
_LAYOUT_METHODS = ("flags", "strides", "base", "ctypes", "data", "__array_interface__", "byteswap", "newbyteorder")
# What the surface that cotan.numpy follows has none of.
NOT_OFFERED = ("nditer", "ndenumerate", "ndindex", "broadcast", "flatiter", "nested_iters", "poly1d", "testing")
_SUBCLASSES = ("matrix", "asmatrix", "bmat", "ma", "rec", "recarray", "asanyarray", "mat", "lib")
_STRINGS = ("str_", "bytes_", "char", "strings", "datetime64", "timedelta64", "datetime_as_string", "dtypes")
_MODULES = frozenset({"numpy", "math", "operator", "functools", "itertools", "cmath"})


def _says_object(example: Example) -> bool:
    dtype = keywords(example.tree).get("dtype")
    named = isinstance(dtype, ast.Name) and dtype.id == "object"
    return named or bool(attributes(example.tree) & {"object_"}) or bool(loaded(example.tree) & {"Fraction", "Decimal"})


def _assigns_parts(example: Example) -> bool:
    """Subscripts and attributes as targets, arguments ``out=``, functions and methods that change an array."""
    nodes = list(ast.walk(example.tree))
    return (
        any(isinstance(n, ast.Subscript | ast.Attribute) and not isinstance(n.ctx, ast.Load) for n in nodes)
        or any(isinstance(n, ast.Expr) and _calls_method(n, _IN_PLACE_METHODS) for n in nodes)
        or any(_gives_out(n) for n in nodes)
        or bool({"out", "overwrite_input"} & set(keywords(example.tree)))
        or bool(attributes(example.tree) & set(_IN_PLACE))
    )


def _gives_out(node: ast.AST) -> bool:
    """A call of a function of NumPy with so many positional arguments that one of them is ``out``."""
    if not (isinstance(node, ast.Call) and attributes(node.func)):
        return False
    function: Any = np
    for part in max(attributes(node.func), key=len).split("."):
        function = getattr(function, part, None)
    if isinstance(function, np.ufunc):
        return len(node.args) > function.nin
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return False
    return "out" in names[: len(node.args)]


def _imports_others(example: Example) -> bool:
    for node in ast.walk(example.tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.split(".")[0] not in _MODULES for name in names):
            return True
        if any(name.startswith("numpy.") and name not in ("numpy.linalg", "numpy.fft") for name in names):
            return True
    return False


CATEGORIES = (
    Category(
        "text",
        "what arrays look like in print is cotan's own; tests of repr are elsewhere",
        lambda e: (
            bool(loaded(e.tree) & {"print", "repr", "str", "help", "format"})
            or bool(attributes(e.tree) & {*_PRINTING, *_FORMATTING})
        ),
        lambda value: any(isinstance(leaf, str | bytes) for leaf in _leaves(value)),
    ),
    Category(
        "objects",
        "arrays hold numbers, never Python objects",
        _says_object,
        _has_dtype(lambda d: d.kind == "O"),
    ),
    Category("structured", "arrays have no fields", lambda e: False, _has_dtype(lambda d: d.names is not None)),
    Category(
        "strings and dates",
        "arrays hold numbers, no text and no dates",
        _uses(*_STRINGS),
        _has_dtype(lambda d: d.kind in "USTMmV" and d.names is None),
    ),
    Category("in place", "arrays are values; .at[] makes new ones", _assigns_parts),
    Category(
        "layout",
        "how an array lies in memory, and what shares it, is not visible",
        lambda e: (
            bool(attributes(e.tree) & {*_LAYOUT, "lib.stride_tricks"})
            or bool(methods(e.tree) & set(_LAYOUT_METHODS))
            or "id" in loaded(e.tree)
            or any(isinstance(n, ast.Call) and "ndarray" in attributes(n.func) for n in ast.walk(e.tree))
            or {"A", "K"} & {getattr(keywords(e.tree).get("order"), "value", None)} != set()
            or any(isinstance(n, ast.Is | ast.IsNot) for n in ast.walk(e.tree))
        ),
    ),
    Category("not offered", "it is about functions and classes that are not implemented", _uses(*NOT_OFFERED)),
    Category(
        "subclasses",
        "there is one class of arrays",
        lambda e: (
            bool(attributes(e.tree) & set(_SUBCLASSES)) or any(isinstance(n, ast.ClassDef) for n in ast.walk(e.tree))
        ),
        lambda value: any(isinstance(leaf, np.ndarray) and type(leaf) is not np.ndarray for leaf in _leaves(value)),
    ),
    Category(
        "warnings",
        "arithmetic does not warn, so that there is no state of errors",
        lambda e: (
            bool(attributes(e.tree) & {"errstate", "seterr", "geterr", "seterrcall", "geterrcall", "exceptions"})
            or "warnings" in loaded(e.tree)
        ),
    ),
    Category("files", "reading and writing files has tests of its own", _uses(*_FILES)),
    Category("other packages", "plots and other libraries", _imports_others),
    Category("unset memory", "what an uninitialised array holds is not determined", _uses("empty", "empty_like")),
    Category("broken", "NumPy itself does not run it, or it is marked as not to be run", lambda e: "+SKIP" in e.source),
    Category("errors", "the example shows an exception; errors have tests of their own", lambda e: e.raises),
)

NOT_RUN = frozenset({"files", "other packages"})  # with NumPy neither


def by_text(example: Example) -> str | None:
    """The first category that an example's text falls in."""
    return next((c.name for c in CATEGORIES if c.said(example)), None)


def by_value(values: Iterable[Any]) -> str | None:
    """The first category that one of NumPy's values falls in."""
    kept = list(values)
    return next((c.name for c in CATEGORIES for value in kept if c.made(value)), None)
