"""Definers: the kinds of primitive that need no rules of their own.

``unary``, ``binary`` and ``nary`` (elementwise), ``compare``, ``linear`` and ``bilinear`` fill every rule
table from a few functions, so that a usual primitive takes 1-5 lines. Knows the tables, the few structural operations,
and no operation by name.

An elementwise primitive takes operands of equal shapes and dtypes; operands of rank 0 stand for any shape. Python
scalars take the dtype of the other operand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.errors import ShapeError
from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import ShapedArray, get_aval, shaped, tangent_aval
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.primitives import taylor
from cotan.primitives.operands import (
    ANY,
    BOOLEAN,
    PYTHON_SCALARS,
    Dtypes,
    align,
    lift,
    of_own_dtype,
    quiet,
    repeated,
    shape_of,
)
from cotan.structural import UndefinedPrimal, Zero, add_tangents, broadcast_in_dim, instantiate, reduce_sum
from cotan.tracebacks import trim, trims
from cotan.transforms.jvp import jvp_flat

Function = Callable[..., Any]
BASIC = none("basic: every backend knows it")
NOT_LINEAR = none("not linear in any operand")


def BY_DECOMPOSITION(*args: Any, **params: Any) -> Any:
    """In place of a jvp or jet function: differentiate the decomposition."""
    raise TypeError("BY_DECOMPOSITION is a mark for definers, not a rule")


# ---- Making a primitive, and saying what it has not


def first_order(name: str, *, multiple_results: bool = False, required: bool = False) -> Primitive:
    """A new primitive whose parameters hold no program: partial evaluation needs no rule of its own."""
    return close(Primitive(name, multiple_results=multiple_results, required=required))


def close(primitive: Primitive) -> Primitive:
    """Say of an existing primitive that it is first-order."""
    tables.partial_eval[primitive] = none("first-order: known operands are computed, unknown ones staged")
    return primitive


def new_primitive(name: str | Primitive, required: bool) -> Primitive:
    return close(name) if isinstance(name, Primitive) else first_order(name, required=required)


def zero_derivative(primitive: Primitive) -> None:
    """The derivative is zero wherever it exists: rounding, comparisons, bits, indices."""

    @tables.transpose(primitive)
    def transposed(ct: Any, *args: Any, **params: Any) -> list[Any]:
        # Its results depend on linear values where these are only a stand-in for others, in lanes that are not read.
        return [None] * len(args)

    @tables.jvp(primitive)
    def rule(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
        out = primitive.bind(*primals, **params)
        if primitive.multiple_results:
            return out, [Zero(tangent_aval(get_aval(y))) for y in out]
        return out, Zero(tangent_aval(get_aval(out)))

    taylor.constant(primitive)


def jvp_by_decomposition(primitive: Primitive, formula: Function) -> None:
    """Differentiate ``primitive`` through ``formula``, which computes the same from simpler primitives."""
    tables.transpose[primitive] = NOT_LINEAR
    taylor.by_formula(primitive, formula)

    @tables.jvp(primitive)
    def rule(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
        _, dots = jvp_flat(lambda *args: [formula(*args, **params)], list(primals), list(tangents))
        return primitive.bind(*primals, **params), dots[0]


# ---- Elementwise


def elementwise_shape(name: str, avals: Sequence[ShapedArray]) -> tuple[int, ...]:
    """The common shape of operands of equal shapes or rank 0.

    Raises:
      ShapeError: two operands that are not scalars have different shapes.
    """
    shape: tuple[int, ...] = ()
    for aval in avals:
        if aval.shape != shape and aval.shape:
            if shape:
                shapes = ", ".join(str(a.shape) for a in avals)
                raise ShapeError(
                    f"{name} got incompatible shapes for broadcasting: {shapes}. Operands must have equal shapes or be "
                    "scalars; cotan.numpy functions broadcast as NumPy does."
                )
            shape = aval.shape
    return shape


def elementwise_dtype(name: str, accepts: Dtypes, avals: Sequence[ShapedArray]) -> Any:
    """The common dtype of the operands.

    Raises:
      TypeError: the dtypes differ, or ``name`` does not accept them.
    """
    dtype = avals[0].dtype
    for aval in avals:
        if aval.dtype != dtype:
            raise TypeError(
                f"{name} requires operands of equal dtypes, got {', '.join(str(a.dtype) for a in avals)}. "
                "cotan.numpy functions promote dtypes; otherwise convert with .astype."
            )
    if accepts is not ANY and dtype not in accepts:
        raise TypeError(f"{name} does not accept dtype {dtype}; it takes {accepts.words}. Convert with .astype.")
    return dtype


def _result_dtype(result: Any, dtype: Any) -> Any:
    return dtype if result is None else result(dtype) if callable(result) else result


_KNOWN_LIMIT = 4096


def elementwise_abstract(primitive: Primitive, accepts: Dtypes, result: Any = None) -> None:
    """The type of an elementwise primitive of operands of equal dtypes."""
    name = primitive.name
    known: dict[tuple[ShapedArray, ...], ShapedArray] = {}

    @tables.abstract(primitive)
    def rule(*avals: ShapedArray, **params: Any) -> ShapedArray:
        aval = known.get(avals)
        if aval is None:
            if len(known) >= _KNOWN_LIMIT:
                known.clear()
            aval = known[avals] = infer(avals)
        return aval

    def infer(avals: Sequence[ShapedArray]) -> ShapedArray:
        dtype = elementwise_dtype(name, accepts, avals)
        shape = elementwise_shape(name, avals)
        if result is not None:
            dtype = _result_dtype(result, dtype)
        return shaped(shape, dtype, all(aval.weak_type for aval in avals))


def _spread(tangent: Any, shape: tuple[int, ...]) -> Any:
    """A tangent of a scalar operand, in the shape of the result."""
    if type(tangent) is Zero or shape_of(tangent) == shape:
        return tangent
    return broadcast_in_dim(tangent, shape, ())


def _gather_in(ct: Any, aval: ShapedArray) -> Any:
    """A cotangent in the shape of its operand, which may be a scalar."""
    shape = shape_of(ct)
    return ct if shape == aval.shape else reduce_sum(ct, tuple(range(len(shape))))


def elementwise_jvp(primitive: Primitive, rules: Sequence[Function | None]) -> None:
    """Sum the tangents ``rules[k](tangent_k, *primals, out, **params)``; None: zero derivative."""

    @tables.jvp(primitive)
    def rule(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
        out = primitive.bind(*primals, **params)
        terms = [
            partial(t, *primals, out, **params)
            for partial, t in zip(rules, tangents, strict=True)
            if partial is not None and type(t) is not Zero
        ]
        if not terms:
            return out, Zero(tangent_aval(get_aval(out)))
        if len(primals) > 1:
            shape = shape_of(out)
            terms = [_spread(term, shape) for term in terms]
        total = terms[0]
        for term in terms[1:]:
            total = add_tangents(total, term)
        return out, total


def elementwise_transpose(primitive: Primitive, rules: Sequence[Function | None]) -> None:
    """``rules[k](ct, *operands, **params)`` gives the cotangent of operand k; None where not linear in it."""

    @tables.transpose(primitive)
    def rule(ct: Any, *args: Any, **params: Any) -> list[Any]:
        cts: list[Any] = []
        for arg, back in zip(args, rules, strict=True):
            if type(arg) is not UndefinedPrimal:
                cts.append(None)
            elif back is None:
                raise TypeError(f"{primitive.name} is not linear in operand {len(cts)}")
            else:
                cts.append(_gather_in(back(ct, *args, **params), arg.aval))
        return cts


def elementwise_batch(primitive: Primitive) -> None:
    """Map an elementwise primitive: the mapped axis goes to one place in all operands."""

    @tables.batch(primitive)
    def rule(axis: Any, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> Any:
        operands, dim = align(axis, args, dims)
        out = primitive.bind(*operands, **params)
        return (out, [dim] * len(out)) if primitive.multiple_results else (out, dim)


def _unary_ufunc(function: np.ufunc) -> Function:
    def rule(x: Any, **params: Any) -> Any:
        out = quiet(function, x)
        return out if type(out) is np.ndarray else np.asarray(out)

    return rule


def _binary_ufunc(function: np.ufunc) -> Function:
    def rule(x: Any, y: Any, **params: Any) -> Any:
        out = quiet(function, x, y)
        return out if type(out) is np.ndarray else np.asarray(out)

    return rule


def _plain(function: Function) -> Function:
    def rule(*args: Any, **params: Any) -> Any:
        out = function(*args, **params)
        return out if type(out) is np.ndarray else np.asarray(out)

    return rule


def _quiet(function: Function) -> Function:
    def rule(*args: Any, **params: Any) -> Any:
        out = quiet(function, *args, **params)
        return out if type(out) is np.ndarray else np.asarray(out)

    return rule


def elementwise_reference(
    primitive: Primitive, function: Function, *, exact: bool = False, same_dtype: bool = False
) -> None:
    """Register a NumPy function of arrays. It runs without floating-point warnings unless ``exact`` says it has none.

    The rule has an attribute ``ufunc``: the NumPy ufunc that it is, or None; backends may call that with ``out=``.
    """
    rule: Any = _plain(function) if exact else _quiet(function)
    if isinstance(function, np.ufunc):
        rule = _unary_ufunc(function) if function.nin == 1 else _binary_ufunc(function)
    if same_dtype:
        rule = of_own_dtype(rule)
    rule.ufunc = function if isinstance(function, np.ufunc) else None
    tables.reference[primitive] = rule


def elementwise_kernel(primitive: Primitive, function: Function) -> None:
    """Register a function of scalar expressions, one per operand."""

    @tables.kernel(primitive)
    def rule(i: Any, *operands: scalar.Operand, **params: Any) -> Any:
        return function(*(x[i] if x.shape else x[()] for x in operands), **params)


def nary(
    name: str | Primitive,
    accepts: Dtypes,
    arity: int,
    *,
    reference: Function,
    kernel: Function,
    jvp: Sequence[Function | None] | None = None,
    jet: Function | None = None,
    transpose: Sequence[Function | None] | None = None,
    decompose: Function | None = None,
    result: Any = None,
    exact: bool = False,
) -> Primitive:
    """An elementwise primitive of ``arity`` operands of equal dtypes; see ``unary``. Rules come one per operand.

    ``transpose`` without ``jvp`` says that the primitive is linear in all operands together.
    """
    primitive = new_primitive(name, required=decompose is None)
    if primitive not in tables.abstract:
        elementwise_abstract(primitive, accepts, result)
    if jvp is not None and jvp[0] is BY_DECOMPOSITION and decompose is not None:
        jvp_by_decomposition(primitive, decompose)
    elif jvp is not None:
        elementwise_jvp(primitive, jvp)
        if jet is BY_DECOMPOSITION and decompose is not None:
            taylor.by_formula(primitive, decompose)
        else:
            taylor.elementwise(primitive, jet, jvp)
        if transpose is None:
            tables.transpose[primitive] = NOT_LINEAR
    elif transpose is not None:
        _jointly_linear_jvp(primitive)
    else:
        zero_derivative(primitive)
    if transpose is not None:
        elementwise_transpose(primitive, transpose)
    elementwise_batch(primitive)
    elementwise_reference(primitive, reference, exact=exact, same_dtype=result is None)
    elementwise_kernel(primitive, kernel)
    tables.decompose[primitive] = BASIC if decompose is None else decompose
    return primitive


def unary(
    name: str | Primitive,
    accepts: Dtypes,
    *,
    reference: Function,
    kernel: Function,
    jvp: Function | None = None,
    jet: Function | None = None,
    transpose: Function | None = None,
    decompose: Function | None = None,
    result: Any = None,
    exact: bool = False,
    does: str = "",
    public: str = "",
) -> tuple[Primitive, Function]:
    """An elementwise primitive of one operand.

    Args:
      accepts: the dtypes it takes.
      reference: NumPy function of an array (and the parameters).
      kernel: function of a scalar expression.
      jvp: ``(tangent, x, out) -> tangent``; None: zero derivative, or linear where ``transpose`` is given.
      jet: ``(coefficients of x, out) -> terms``, or a mark of ``taylor``; None: by jvp, along the curve;
        BY_DECOMPOSITION: that of ``decompose``.
      transpose: ``(cotangent, x) -> cotangent``, of a linear primitive.
      decompose: ``(x) -> out`` by other primitives; None: basic, every backend must know it.
      result: dtype of the result, or a function from the operand's; None: the same.
      exact: the reference raises no floating-point warnings.
      does: the first line of the function's documentation.
      public: the function's name, if it is not the primitive's.

    Returns:
      The primitive and its public function.
    """
    primitive = nary(
        name,
        accepts,
        1,
        reference=reference,
        kernel=kernel,
        jvp=None if jvp is None else (jvp,),
        jet=jet,
        transpose=None if transpose is None else (transpose,),
        decompose=decompose,
        result=result,
        exact=exact,
    )

    def function(x: Any) -> Any:
        try:
            return primitive.bind(x)
        except Exception as error:
            trim(error)
            raise

    return primitive, describe(function, primitive, f"{does} Elementwise.\n\n  Takes {accepts.words}.", public)


def binary(
    name: str | Primitive,
    accepts: Dtypes,
    *,
    reference: Function,
    kernel: Function,
    jvp: Sequence[Function | None] | None = None,
    jet: Function | None = None,
    transpose: Sequence[Function | None] | None = None,
    decompose: Function | None = None,
    result: Any = None,
    exact: bool = False,
    keys: Function | None = None,
    does: str = "",
    public: str = "",
) -> tuple[Primitive, Function]:
    """An elementwise primitive of two operands; as ``unary``, with one jvp and transpose function per operand.

    ``keys`` is done, by the public function, on two arrays of keys, which the primitive itself refuses.
    """
    primitive = nary(
        name,
        accepts,
        2,
        reference=reference,
        kernel=kernel,
        jvp=jvp,
        jet=jet,
        transpose=transpose,
        decompose=decompose,
        result=result,
        exact=exact,
    )

    def function(x: Any, y: Any) -> Any:
        try:
            if type(x) in PYTHON_SCALARS or type(y) in PYTHON_SCALARS:
                x, y = lift(x, y)
            return primitive.bind(x, y)
        except Exception as error:
            # Looked at here, where a refusal costs nothing to the calls that succeed.
            kind = getattr(x, "dtype", None)
            if keys is not None and dtypes.is_extended(kind) and kind == getattr(y, "dtype", None):
                return keys(x, y)
            wide = repeated((x, y)) if type(error) is ShapeError else None
            if wide is None:
                trim(error)
                raise
        return primitive.bind(*wide)

    words = accepts.words if keys is None else f"{accepts.words}, or keys of one kind"
    takes = (
        f"Takes two arrays of equal dtypes ({words}) and shapes, but that extents of 1 are repeated; either may be a "
        "scalar."
    )
    function.primitive = primitive  # type: ignore[attr-defined]
    return primitive, describe(function, primitive, f"{does} Elementwise.\n\n  {takes}", public)


def compare(
    name: str, accepts: Dtypes, *, reference: Function, kernel: Function, does: str, keys: Function | None = None
) -> tuple[Primitive, Function]:
    """An elementwise comparison: a bool for two operands, with zero derivative."""
    return binary(name, accepts, reference=reference, kernel=kernel, result=BOOLEAN, keys=keys, does=does)


def describe(function: Function, primitive: Primitive, words: str, public: str = "") -> Function:
    function.__name__ = function.__qualname__ = public or primitive.name
    function.__doc__ = words.strip()
    return trims(function)


# ---- Linear


def _jointly_linear_jvp(primitive: Primitive) -> None:
    """Linear in all operands together: apply the primitive to the tangents, and to all terms."""

    @tables.jvp(primitive)
    def rule(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
        out = primitive.bind(*primals, **params)
        if tangent_aval(get_aval(out)).dtype != get_aval(out).dtype:
            return out, Zero(tangent_aval(get_aval(out)))
        return out, primitive.bind(*map(instantiate, tangents), **params)

    taylor.linear(primitive)


def linear(primitive: Primitive) -> Callable[[Function], Function]:
    """Decorates the transpose rule of a primitive that is linear in all operands; gives jvp, jet and transpose.

    The function takes ``(ct, *operands, **params)`` and returns the cotangents: a list, or for one operand the value.
    """
    _jointly_linear_jvp(primitive)

    def register(back: Function) -> Function:
        @tables.transpose(primitive)
        def rule(ct: Any, *args: Any, **params: Any) -> list[Any]:
            cts = back(ct, *args, **params)
            return cts if isinstance(cts, list) else [cts]

        return back

    return register


def bilinear(primitive: Primitive, lhs: Function, rhs: Function) -> None:
    """Two operands, linear in each for itself: gives jvp, jet and transpose.

    ``lhs(ct, x, y, **params)`` is the cotangent of the first operand (``x`` is an UndefinedPrimal then), ``rhs`` that
    of the second.
    """

    @tables.jvp(primitive)
    def forward(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
        (x, y), (tx, ty) = primals, tangents
        out = primitive.bind(x, y, **params)
        left = None if type(tx) is Zero else primitive.bind(tx, y, **params)
        right = None if type(ty) is Zero else primitive.bind(x, ty, **params)
        return out, right if left is None else left if right is None else add_tangents(left, right)

    taylor.bilinear(primitive)

    @tables.transpose(primitive)
    def backward(ct: Any, x: Any, y: Any, **params: Any) -> list[Any]:
        if type(x) is UndefinedPrimal:
            return [lhs(ct, x, y, **params), None]
        return [None, rhs(ct, x, y, **params)]
