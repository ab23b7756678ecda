"""What dtype an operation on mixed operands has: the promotion lattice, and the dtype of any value.

The lattice is a table of edges; the answers are its least upper bounds, remembered per combination, so that
the hot path (eager operations) is one dictionary lookup. Python scalars are weak: they take part as a kind without a
width.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan.config import config
from cotan.dtypes import kinds
from cotan.dtypes.extension import ExtendedDType
from cotan.dtypes.kinds import (
    SCALAR_DEFAULTS,
    DType,
    bool_,
    complex_types,
    float_types,
    signed_types,
    small_floats,
    small_ints,
    unsigned_types,
)
from cotan.errors import OpaqueOperandError, TypePromotionError, where

Node = np.dtype[Any] | type  # a dtype, or one of the weak nodes int, float, complex
_Edges = dict[Node, set[Node]]

_NO_IMPLICIT = (*small_ints, *small_floats)


def _edges(x64: bool) -> _Edges:
    """The next-higher nodes of every node, in standard promotion."""
    i8, i16, i32, i64 = signed_types
    u8, u16, u32, u64 = unsigned_types
    bf16, f16, f32, f64 = float_types
    c64, c128 = complex_types
    edges: _Edges = {
        bool_: {int},
        int: {i8, u8, *small_ints},
        u8: {i16, u16}, u16: {i32, u32}, u32: {i64 if x64 else i32, u64}, u64: {float},
        i8: {i16}, i16: {i32}, i32: {i64}, i64: {float},
        float: {bf16, f16, complex, *small_floats},
        bf16: {f32}, f16: {f32}, f32: {f64, c64}, f64: {c128},
        complex: {c64}, c64: {c128}, c128: set(),
    }  # fmt: skip
    return edges | {narrow: set() for narrow in _NO_IMPLICIT}


def _strict_edges() -> _Edges:
    """Strict promotion: weak nodes rise to every dtype of their own or a higher kind, and nothing else moves."""
    edges: _Edges = {d: set() for d in kinds.all_types}
    edges[int] = {float, *signed_types, *unsigned_types, *small_ints}
    edges[float] = {complex, *float_types, *small_floats}
    edges[complex] = set(complex_types)
    return edges


def _upper_bounds(edges: _Edges) -> dict[Node, frozenset[Node]]:
    bounds: dict[Node, frozenset[Node]] = {}

    def above(node: Node) -> frozenset[Node]:
        if node not in bounds:
            bounds[node] = frozenset({node}).union(*map(above, edges[node]))
        return bounds[node]

    for node in edges:
        above(node)
    return bounds


# by (strict, x64)
_bounds = {
    (False, False): _upper_bounds(_edges(False)),
    (False, True): _upper_bounds(_edges(True)),
    (True, False): _upper_bounds(_strict_edges()),
    (True, True): _upper_bounds(_strict_edges()),
}


def _node_name(node: Node) -> str:
    return f"Python {node.__name__}" if isinstance(node, type) else node.name


def _least_upper_bound(nodes: tuple[Node, ...], strict: bool, x64: bool) -> Node:
    bounds = _bounds[strict, x64]
    for node in nodes:
        if node not in bounds:
            raise OpaqueOperandError(
                f"{where()}: operands of dtype {kinds.short_name(node)} mix only with operands of the same dtype"
            )
    common = frozenset.intersection(*(bounds[node] for node in nodes))
    for node in common:
        if bounds[node] == common:
            return node
    names = ", ".join(_node_name(node) for node in dict.fromkeys(nodes))
    narrow = [node for node in nodes if node in _NO_IMPLICIT]
    if strict:
        why = 'while config.numpy_dtype_promotion is "strict". Cast the operands, or set it to "standard"'
    elif narrow:
        why = f"because {_node_name(narrow[0])} is never promoted implicitly. Cast the operands, e.g. with x.astype"
    else:
        why = "because they have no common type. Cast the operands, e.g. with x.astype"
    raise TypePromotionError(f"{where()}: operands of the dtypes {names} are not promoted to a common dtype, {why}")


def _weak_node(dtype: DType) -> Any:
    """The weak node as which a weakly typed operand of ``dtype`` enters."""
    for abstract, node in ((np.integer, int), (np.floating, float), (np.complexfloating, complex)):
        if kinds.issubdtype(dtype, abstract):
            return node
    return dtype


def is_python_scalar(x: Any) -> bool:
    """Whether ``x`` is a Python bool, int, float or complex (and not a NumPy scalar, though some are subclasses)."""
    return type(x) in SCALAR_DEFAULTS or (isinstance(x, bool | int | float | complex) and not isinstance(x, np.generic))


def plain_scalar(x: Any) -> Any:
    """``x``, but an instance of a subclass of Python's numbers (such as IntEnum) as the number that it is.

    >>> class Flag(int): ...
    >>> type(plain_scalar(Flag(1)))
    <class 'int'>
    """
    if type(x) in SCALAR_DEFAULTS or not is_python_scalar(x):
        return x
    return next(t for t in (int, float, complex) if isinstance(x, t))(x)


def scalar_kind(x: Any) -> str | None:
    """``"bool"``, ``"int"``, ``"float"`` or ``"complex"`` for Python scalars, else None.

    >>> scalar_kind(1), scalar_kind(True), scalar_kind(np.float32(1))
    ('int', 'bool', None)
    """
    if not is_python_scalar(x):
        return None
    return next(t.__name__ for t in (bool, int, float, complex) if isinstance(x, t))


def scalar_type_of(x: Any) -> type:
    """The Python type (bool, int, float or complex) of the elements of any array or scalar."""
    d = dtype(x)
    return bool if d == bool_ else _weak_node_or_refuse(d)


def _weak_node_or_refuse(d: DType) -> type:
    node = _weak_node(d)
    if not isinstance(node, type):
        raise TypeError(f"no Python scalar corresponds to the dtype {kinds.short_name(d)}")
    return node


def is_weakly_typed(x: Any) -> bool:
    """Whether ``x`` gives way in promotion: a Python int, float or complex, or an array whose ``weak_type`` is true."""
    t = type(x)
    if t in SCALAR_DEFAULTS:
        return t is not bool
    weak = getattr(x, "weak_type", None)
    if weak is not None:
        return bool(weak)
    return is_python_scalar(x) and not isinstance(x, bool)


def dtype(x: Any) -> DType:
    """The dtype of a value as cotan computes with it (arrays, scalars), or of a dtype, scalar type or name.

    Raises:
      TypeError: ``x`` has no dtype, or one that arrays cannot have.

    >>> dtype(1.0), dtype(np.ones(2)), dtype("int64")
    (dtype('float32'), dtype('float32'), dtype('int32'))
    """
    if x is None:
        raise _no_dtype(x)
    return _typed(x)[0]


def _no_dtype(x: Any) -> TypeError:
    return TypeError(f"{where()}: a value of type {type(x).__name__} has no dtype; give an array, a scalar or a dtype")


def _typed(x: Any) -> tuple[DType, bool]:
    """(dtype, weak) of an array, aval, scalar, dtype, scalar type or name."""
    t = type(x)
    default = SCALAR_DEFAULTS.get(t)
    if default is not None:
        return default(), t is not bool
    if t is not np.ndarray and not isinstance(x, type | np.generic | np.dtype):
        weak = getattr(x, "weak_type", None)
        if weak is not None:
            return x.dtype, weak
    return _typed_slow(x)


def _typed_slow(x: Any) -> tuple[DType, bool]:
    if x is None:  # as in NumPy: no dtype given is the default float
        return kinds.default_float(), False
    if isinstance(x, type) and x in SCALAR_DEFAULTS:
        return SCALAR_DEFAULTS[x](), x is not bool
    if is_python_scalar(x):  # instances of subclasses, such as IntEnum
        base = next(b for b in (bool, int, float, complex) if isinstance(x, b))
        return SCALAR_DEFAULTS[base](), base is not bool
    if isinstance(x, type | str | np.dtype | ExtendedDType) or hasattr(x, "dtype"):
        return kinds.canonicalize_dtype(x if isinstance(x, type | str) else getattr(x, "dtype", x)), False
    raise _no_dtype(x)


_results: dict[tuple[Any, ...], tuple[DType, bool]] = {}
_RESULTS_LIMIT = 4096


def lattice_result_type(*values: Any) -> tuple[DType, bool]:
    """The dtype and weak type of a combination of arrays, avals, scalars or dtypes.

    The dtype is the least upper bound in the lattice; where the result is weak, it is the default one of its kind,
    unless the operands are all weak and of narrower dtypes.

    Raises:
      TypePromotionError: the operands are not promoted to a common dtype implicitly.
      TypeError: a value has no dtype.

    >>> lattice_result_type(np.int8(1), 2.0)
    (dtype('float32'), True)
    """
    if not values:
        raise ValueError("lattice_result_type: at least one array, scalar or dtype is needed")
    operands = tuple([_typed(value) for value in values])
    if len(operands) == 2:
        (a, a_weak), (b, b_weak) = operands
        if a is b:
            return a, a_weak and b_weak
    key = (config.enable_x64, config.numpy_dtype_promotion, operands)
    result = _results.get(key)
    if result is None:
        if len(_results) >= _RESULTS_LIMIT:
            _results.clear()
        result = _results[key] = _join(operands)
    return result


def _join(operands: tuple[tuple[DType, bool], ...]) -> tuple[DType, bool]:
    types = [d for d, _ in operands]
    all_weak = all(weak for _, weak in operands)
    strict, x64 = config.numpy_dtype_promotion == "strict", config.enable_x64
    if all(d == types[0] for d in types):  # also the only combination that extended dtypes allow
        return types[0], all_weak and types[0] != bool_
    if all_weak and not strict:
        bound: Any = _least_upper_bound(tuple(types), strict, x64)
        weak = True
    else:
        bound = _least_upper_bound(tuple(_weak_node(d) if w else d for d, w in operands), strict, x64)
        weak = isinstance(bound, type)
    if isinstance(bound, type):
        return SCALAR_DEFAULTS[bound](), weak
    return kinds.canonicalize_dtype(bound), weak and bound != bool_


def result_type(*args: Any, return_weak_type_flag: bool = False) -> Any:
    """The dtype that combining the arguments gives.

    Args:
      *args: arrays, scalars, dtypes, scalar types or names; Python scalars and weakly typed arrays give way.
      return_weak_type_flag: return ``(dtype, weak_type)`` instead of the dtype.

    Raises:
      ValueError: no arguments; TypePromotionError: no implicit promotion.

    >>> result_type("int8", 1), result_type("int32", np.float16(1)), result_type("uint32", "int32")
    (dtype('int8'), dtype('float16'), dtype('int32'))
    """
    if not args:
        raise ValueError("result_type: at least one array, scalar or dtype is needed")
    d, weak = lattice_result_type(*args)
    if weak:
        d = SCALAR_DEFAULTS[_weak_node(d)]()
    return (d, weak) if return_weak_type_flag else d


def promote_types(a: Any, b: Any) -> DType:
    """The least dtype to which both dtypes are promoted, as they are given (no truncation of 64-bit ones).

    ``int``, ``float`` and ``complex`` stand for Python scalars.

    >>> promote_types("bfloat16", "float16"), promote_types("uint8", "int8"), promote_types(int, "int8")
    (dtype('float32'), dtype('int16'), dtype('int8'))
    """
    nodes = tuple(d if isinstance(d, type) and d in (int, float, complex) else kinds.as_dtype(d) for d in (a, b))
    if nodes[0] == nodes[1]:
        return kinds.as_dtype(nodes[0])
    strict = config.numpy_dtype_promotion == "strict"
    return kinds.as_dtype(_least_upper_bound(nodes, strict, config.enable_x64))


_NEVER_OVERFLOWS = 60000  # in any floating dtype for which NumPy warns of overflow


def coerce_scalar(x: Any, fun_name: str, dtype: Any = None) -> np.ndarray[Any, Any]:
    """A Python scalar as a 0-d NumPy array of ``dtype`` (default: that of its kind).

    An int must fit the default integer dtype; cast from there to a narrower ``dtype`` it wraps around.

    Raises:
      OverflowError: the int does not fit, naming ``fun_name``.

    >>> coerce_scalar(300, "add", "int8")
    array(44, dtype=int8)
    """
    default = SCALAR_DEFAULTS[next(t for t in (bool, int, float, complex) if isinstance(x, t))]()
    target = default if dtype is None else dtype
    if abs(x) < _NEVER_OVERFLOWS:
        value = np.array(x, default)
        return value if target == default else value.astype(target)
    try:
        with np.errstate(all="ignore"):  # not entered for every scalar, since it takes as long as all the rest
            return np.array(x, default).astype(target)
    except OverflowError:
        more = "" if config.enable_x64 else "; for wider integers turn 64-bit types on (cotan.enable_x64)"
        raise OverflowError(
            f"{where()}: {fun_name}: the Python int {x} does not fit the integer dtype {default}{more}, or give a "
            "NumPy scalar or an array of the dtype you mean"
        ) from None
