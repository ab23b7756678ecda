"""Promotion: the common dtype of several operands, by least upper bounds in a lattice with weak Python scalars.

Weak nodes stand for Python's ``int``, ``float`` and ``complex``, which give way to the dtype of an array of their kind.
Results are remembered, since every operation on arrays of different dtypes asks.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from cotan.config import config
from cotan.dtypes.extended import ExtendedDType, float0
from cotan.dtypes.kinds import (
    as_dtype,
    bool_,
    canonicalize_dtype,
    complex_types,
    default_complex,
    default_float,
    default_int,
    float_types,
    issubdtype,
    short_name,
    signed_types,
    small_floats,
    small_ints,
    unsigned_types,
)
from cotan.errors import TypePromotionError

# Nodes of the lattice: dtypes, and these types for weak values.
_WEAK_NAMES: dict[Any, str] = {int: "Python int", float: "Python float", complex: "Python complex"}
Node = Any


def _edges(strict: bool, x64: bool) -> dict[Node, tuple[Node, ...]]:
    """Each node's next higher ones."""
    if strict:
        edges: dict[Node, tuple[Node, ...]] = dict.fromkeys((bool_, *float_types, *small_floats, *small_ints), ())
        edges |= dict.fromkeys((*signed_types, *unsigned_types, *complex_types), ())
        edges[int] = (float, *signed_types, *unsigned_types, *small_ints)
        edges[float] = (complex, *float_types, *small_floats)
        edges[complex] = complex_types
        return edges
    i8, i16, i32, i64 = signed_types
    u8, u16, u32, u64 = unsigned_types
    bf16, f16, f32, f64 = float_types
    c64, c128 = complex_types
    return {
        bool_: (int,),
        int: (u8, i8, *small_ints),
        **dict.fromkeys((*small_ints, *small_floats), ()),
        u8: (i16, u16), u16: (i32, u32), u32: (i64 if x64 else i32, u64), u64: (float,),
        i8: (i16,), i16: (i32,), i32: (i64,), i64: (float,),
        float: (bf16, f16, *small_floats, complex),
        bf16: (f32,), f16: (f32,), f32: (f64, c64), f64: (c128,),
        complex: (c64,), c64: (c128,), c128: (),
    }  # fmt: skip


@cache
def _upper_bounds(strict: bool, x64: bool) -> dict[Node, frozenset[Node]]:
    """Each node's upper bounds, itself among them."""
    edges = _edges(strict, x64)
    bounds: dict[Node, frozenset[Node]] = {}

    def above(node: Node) -> frozenset[Node]:
        if node not in bounds:
            bounds[node] = frozenset({node}).union(*map(above, edges[node]))
        return bounds[node]

    for node in edges:
        above(node)
    return bounds


@cache
def _least_upper_bound(strict: bool, x64: bool, nodes: frozenset[Node]) -> Node:
    bounds = _upper_bounds(strict, x64)
    for node in nodes:
        if node not in bounds:
            raise TypePromotionError(
                f"values of dtype {short_name(node)} cannot be combined with values of other dtypes: "
                f"{_listed(nodes)}"
            )
    common = frozenset.intersection(*(bounds[node] for node in nodes))
    least = [node for node in common if bounds[node] == common]
    if len(least) == 1:
        return least[0]
    if strict:
        hint = (
            "and cotan.config.numpy_dtype_promotion is 'strict'. Convert them with .astype(...), "
            "or set it to 'standard'"
        )
    else:
        hint = "since floats of 4 or 8 bits and integers of 2 or 4 bits are never promoted. Convert them with .astype(...)"
    raise TypePromotionError(f"there is no common dtype of {_listed(nodes)}, {hint}.")


def _listed(nodes: frozenset[Node]) -> str:
    return " and ".join(sorted(_WEAK_NAMES[node] if node in _WEAK_NAMES else short_name(node) for node in nodes))


def _weak_node(dtype: Any) -> Node:
    return int if issubdtype(dtype, np.integer) else complex if issubdtype(dtype, np.complexfloating) else float


def _default_of(node: Node) -> Any:
    return default_int() if node is int else default_float() if node is float else default_complex()


_results: dict[tuple[Any, ...], tuple[Any, bool]] = {}


def promote(*kinds: tuple[Any, bool]) -> tuple[Any, bool]:
    """The common (dtype, weak) of operands given as (canonical dtype, weak)."""
    x64, mode = config.enable_x64, config.numpy_dtype_promotion
    key = (x64, mode, kinds)
    result = _results.get(key)
    if result is None:
        result = _promote(x64, mode == "strict", kinds)
        if len(_results) > 4096:
            _results.clear()
        _results[key] = result
    return result


def _promote(x64: bool, strict: bool, kinds: tuple[tuple[Any, bool], ...]) -> tuple[Any, bool]:
    if len(kinds) == 1:
        return kinds[0]
    all_weak = all(weak for _, weak in kinds)
    if len({dtype for dtype, _ in kinds}) == 1:
        return kinds[0][0], all_weak
    if all_weak and not strict:
        return _least_upper_bound(strict, x64, frozenset(dtype for dtype, _ in kinds)), True
    bound = _least_upper_bound(strict, x64, frozenset(_weak_node(dtype) if weak else dtype for dtype, weak in kinds))
    if bound in _WEAK_NAMES:
        return _default_of(bound), True
    return canonicalize_dtype(bound), False


def scalar_kind(x: Any) -> str | None:
    """'bool', 'int', 'float' or 'complex' for a Python scalar (exact type), else None."""
    return _SCALARS.get(type(x))


_SCALARS: dict[type, str] = {bool: "bool", int: "int", float: "float", complex: "complex"}
_scalar_dtypes: dict[Any, Any] = {
    bool: lambda: bool_,
    int: default_int,
    float: default_float,
    complex: default_complex,
}


def is_python_scalar(x: Any) -> bool:
    """Whether ``x`` is a Python bool, int, float or complex."""
    return isinstance(x, int | float | complex) and not isinstance(x, np.generic)


def is_weakly_typed(x: Any) -> bool:
    """Whether ``x`` gives way in promotion: a Python scalar other than bool, or an array that came from one."""
    if type(x) in _SCALARS:
        return type(x) is not bool
    return bool(getattr(x, "weak_type", False))


def dtype(x: Any) -> Any:
    """The canonical dtype of a value, or of a dtype or scalar type given instead of one.

    >>> dtype(1.5)
    dtype('float32')

    Raises:
      TypeError: ``x`` is no array, scalar or dtype.
    """
    return kind_of(x)[0]


def kind_of(x: Any) -> tuple[Any, bool]:
    """(canonical dtype, weak) of a value, a dtype, or a scalar type (``int``, ``float``, ``complex`` are weak)."""
    scalar = _scalar_dtypes.get(type(x))
    if scalar is not None:
        return scalar(), type(x) is not bool
    aval = getattr(x, "aval", None)
    if aval is not None:
        return aval.dtype, aval.weak_type
    if isinstance(x, type) and x in _scalar_dtypes:
        return _scalar_dtypes[x](), x is not bool
    if isinstance(x, np.ndarray | np.generic):
        return canonicalize_dtype(x.dtype), False
    if isinstance(x, np.dtype | ExtendedDType | str | type) or hasattr(x, "dtype"):
        return canonicalize_dtype(x), bool(getattr(x, "weak_type", False))
    for base, make in _scalar_dtypes.items():
        if isinstance(x, base):
            return make(), base is not bool
    raise TypeError(f"a value of type {type(x).__name__} has no dtype: it is not an array or a number")


def lattice_result_type(*args: Any) -> tuple[Any, bool]:
    """The common (canonical dtype, weak) of values, abstract values or dtypes.

    Raises:
      TypePromotionError: they have no common dtype.
    """
    if not args:
        raise ValueError("result_type needs at least one array or dtype")
    return promote(*[kind_of(arg) for arg in args])


def result_type(*args: Any, return_weak_type_flag: bool = False) -> Any:
    """The dtype that an operation on ``args`` (arrays, scalars or dtypes) gives; with the flag, (dtype, weak).

    >>> result_type("int8", 1.0)
    dtype('float32')
    """
    found = lattice_result_type(*args)
    return found if return_weak_type_flag else found[0]


def promote_types(a: Any, b: Any) -> Any:
    """The common dtype of two dtypes; ``int``, ``float``, ``complex`` (the types) stand for Python scalars.

    Unlike ``result_type`` it does not turn 64-bit dtypes into 32-bit ones.

    >>> promote_types("int8", "uint8")
    dtype('int16')
    """
    nodes = frozenset(x if x in _WEAK_NAMES else as_dtype(x) for x in (a, b))
    if len(nodes) == 1 and float0 not in nodes:
        (node,) = nodes
    else:
        node = _least_upper_bound(config.numpy_dtype_promotion == "strict", config.enable_x64, nodes)
    return _default_of(node) if node in _WEAK_NAMES else node


def coerce_scalar(value: Any, fun_name: str = "", to: Any = None) -> Any:
    """A Python scalar as a 0-d NumPy array of dtype ``to``, or of the default dtype of its kind.

    An int must fit into the default int dtype first, and then wraps to ``to``.

    Raises:
      OverflowError: the int does not fit.
    """
    default = dtype(value)
    if default.kind == "i":
        limits = np.iinfo(default)
        if not limits.min <= value <= limits.max:
            raise OverflowError(
                f"{fun_name + ': ' if fun_name else ''}the Python int {value} does not fit into {default.name}. "
                "Give it as an array with a dtype that holds it, or turn on 64-bit dtypes "
                "(cotan.config.update('enable_x64', True))."
            )
    array = np.array(value, default)
    if to is None or to == default:
        return array
    with np.errstate(all="ignore"):
        return array.astype(to)
