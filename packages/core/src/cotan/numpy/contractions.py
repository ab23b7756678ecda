"""Products of arrays: matmul, dot, tensordot, einsum and their kin, all by ``lax.dot_general``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.api.repeated import repeated
from cotan.errors import ShapeError, where
from cotan.ir.trace import Tracer
from cotan.numpy import manipulation, reductions, ufuncs
from cotan.numpy.promotion import (
    as_array,
    broadcast_to_shape,
    check_arraylike,
    normalize_axis,
    promote_dtypes,
    promote_dtypes_inexact,
    refuse_out,
    spread,
)
from cotan.primitives.dot import dot_general_p
from cotan.runtime.array import Array

_ARRAYS = (Tracer, Array)


def _operands(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    check_arraylike(name, a, b)
    a, b = promote_dtypes(name, a, b)
    return as_array(a, name), as_array(b, name)


def matmul(
    a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None, out_sharding: Any = None
) -> Any:
    """Matrix product over the last two axes, leading ones broadcast; vectors are rows left, columns right.

    Raises:
      ValueError: a scalar operand.
      TypeError: extents that don't match.

    >>> import cotan.numpy as cnp
    >>> cnp.matmul(cnp.ones((2, 3)), cnp.ones(3))
    Array([3., 3.], dtype=float32)
    """
    if isinstance(a, _ARRAYS) and isinstance(b, _ARRAYS) and precision is None and preferred_element_type is None:
        x, y = a.aval, b.aval
        alike = x.dtype is y.dtype and x.weak_type is y.weak_type
        if alike and x.shape and len(y.shape) == 2 and x.shape[-1] == y.shape[0]:
            # As below, in the shortest way.
            numbers = (((len(x.shape) - 1,), (0,)), ((), ()))
            return dot_general_p.bind(a, b, dimension_numbers=numbers, precision=None, preferred_element_type=None)
    a, b = _operands("matmul", a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(
            f"matmul does not take scalars, got shapes {tuple(a.shape)} and {tuple(b.shape)}; use multiply"
        )
    inner = b.shape[0] if b.ndim == 1 else b.shape[-2]
    if a.shape[-1] != inner:
        raise TypeError(
            f"matmul: the last axis of the first operand must match the {'only' if b.ndim == 1 else 'second-last'} "
            f"axis of the second, got shapes {tuple(a.shape)} and {tuple(b.shape)}; transpose one, or use einsum"
        )
    extra: dict[str, Any] = {"precision": precision, "preferred_element_type": preferred_element_type}
    if b.ndim <= 2 or a.ndim == 1:
        if b.ndim <= 2:
            numbers = (((a.ndim - 1,), (max(b.ndim - 2, 0),)), ((), ()))
            return lax.dot_general(a, b, numbers, **extra)
        product = lax.dot_general(b, a, (((b.ndim - 2,), (0,)), ((), ())), **extra)
        return product
    batch = _batch_shape(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
    a = broadcast_to_shape(a, batch + tuple(a.shape[-2:]))
    b = broadcast_to_shape(b, batch + tuple(b.shape[-2:]))
    dims = tuple(range(len(batch)))
    return lax.dot_general(a, b, (((a.ndim - 1,), (b.ndim - 2,)), (dims, dims)), **extra)


def _batch_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return tuple(np.broadcast_shapes(a, b))
    except ValueError:
        raise TypeError(
            f"matmul: leading shapes {a} and {b} do not broadcast: extents must be equal or 1; insert axes with None"
        ) from None


def dot(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None, out_sharding: Any = None) -> Any:
    """Sum product over the last axis of ``a`` and the second-last of ``b`` (the only one of a vector)."""
    a, b = _operands("dot", a, b)
    if a.ndim == 0 or b.ndim == 0:
        return ufuncs.multiply(a, b)
    contracted = ((a.ndim - 1,), (max(b.ndim - 2, 0),))
    if a.shape[-1] != b.shape[contracted[1][0]]:
        raise TypeError(
            f"dot: shapes {tuple(a.shape)} and {tuple(b.shape)} do not match: the last axis of the first must have the "
            f"extent of the {'only' if b.ndim == 1 else 'second-last'} axis of the second; transpose one, or use "
            "tensordot"
        )
    return lax.dot_general(
        a, b, (contracted, ((), ())), precision=precision, preferred_element_type=preferred_element_type
    )


def vdot(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Inner product of the flat arrays, the first conjugated, summed in ``preferred_element_type``."""
    extra = {"precision": precision, "preferred_element_type": preferred_element_type}
    return dot(ufuncs.conj(manipulation.ravel(a)), manipulation.ravel(b), **extra)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Inner products along an axis, the first conjugated, the others broadcast."""
    x1, x2 = _operands("vecdot", x1, x2)
    x1 = manipulation.moveaxis(ufuncs.conj(x1), axis, -1)
    x2 = manipulation.moveaxis(x2, axis, -1)
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"vecdot: the vectors have different lengths: {x1.shape[-1]} and {x2.shape[-1]}")
    extra = {"precision": precision, "preferred_element_type": preferred_element_type}
    product = matmul(manipulation.expand_dims(x1, -2), manipulation.expand_dims(x2, -1), **extra)
    return manipulation.squeeze(product, (-2, -1))


def matvec(x1: Any, x2: Any, /) -> Any:
    """Products of matrices (the last two axes) with vectors (the last axis); leading axes broadcast.

    Raises:
      TypeError: too few dimensions, or extents that do not fit.

    >>> import cotan.numpy as cnp
    >>> cnp.matvec(cnp.eye(2), cnp.array([1.0, 2.0]))
    Array([1., 2.], dtype=float32)
    """
    x1, x2 = _operands("matvec", x1, x2)
    _check_ranks("matvec", x1, 2, x2, 1)
    return manipulation.squeeze(matmul(x1, manipulation.expand_dims(x2, -1)), -1)


def vecmat(x1: Any, x2: Any, /) -> Any:
    """Products of vectors (the last axis), conjugated, with matrices (the last two axes); leading axes broadcast.

    Raises:
      TypeError: too few dimensions, or extents that do not fit.

    >>> import cotan.numpy as cnp
    >>> cnp.vecmat(cnp.array([1.0, 2.0]), cnp.eye(2))
    Array([1., 2.], dtype=float32)
    """
    x1, x2 = _operands("vecmat", x1, x2)
    _check_ranks("vecmat", x1, 1, x2, 2)
    return manipulation.squeeze(matmul(manipulation.expand_dims(ufuncs.conj(x1), -2), x2), -2)


def _check_ranks(name: str, a: Any, rank_a: int, b: Any, rank_b: int) -> None:
    if a.ndim < rank_a or b.ndim < rank_b:
        raise TypeError(
            f"{name} needs at least {rank_a} and {rank_b} dimensions, got shapes {tuple(a.shape)} and {tuple(b.shape)}"
        )


def inner(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """Sum product over the last axes of both."""
    a, b = _operands("inner", a, b)
    if a.ndim == 0 or b.ndim == 0:
        if preferred_element_type is not None:
            a, b = a.astype(preferred_element_type), b.astype(preferred_element_type)
        return ufuncs.multiply(a, b)
    return tensordot(a, b, ((-1,), (-1,)), precision=precision, preferred_element_type=preferred_element_type)


@repeated()
def outer(a: Any, b: Any, out: None = None) -> Any:
    """All products of the elements of two flat arrays."""
    refuse_out("outer", out)
    return ufuncs.multiply(manipulation.ravel(a)[:, None], manipulation.ravel(b)[None, :])


def tensordot(
    a: Any,
    b: Any,
    axes: Any = 2,
    *,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Sum product over chosen axes: the last ``axes`` of ``a`` with the first of ``b``, or two lists of axes."""
    a, b = _operands("tensordot", a, b)
    if isinstance(axes, int | np.integer):
        count = operator.index(axes)
        if count > min(a.ndim, b.ndim):
            raise TypeError(
                f"tensordot: axes={count} is more than arrays of shapes {tuple(a.shape)} and {tuple(b.shape)} have"
            )
        left, right = tuple(range(a.ndim - count, a.ndim)), tuple(range(count))
    else:
        pair = spread(axes)
        if len(pair) != 2:
            raise TypeError(f"tensordot: axes must be a number, or a pair of axes or of lists of axes, got {axes!r}")
        first, second = map(spread, pair)
        left = tuple(normalize_axis(d, a.ndim, "tensordot") for d in first)
        right = tuple(normalize_axis(d, b.ndim, "tensordot") for d in second)
    if len(left) != len(right) or any(a.shape[m] != b.shape[n] for m, n in zip(left, right, strict=False)):
        raise TypeError(
            f"tensordot: axes {left} of shape {tuple(a.shape)} do not match axes {right} of shape {tuple(b.shape)}; "
            "they go in pairs of equal extents"
        )
    return lax.dot_general(
        a, b, ((left, right), ((), ())), precision=precision, preferred_element_type=preferred_element_type
    )


@repeated()
def kron(a: Any, b: Any) -> Any:
    """Kronecker product."""
    a, b = _operands("kron", a, b)
    rank = max(a.ndim, b.ndim)
    a, b = (lax.broadcast_to_rank(x, rank) for x in (a, b))
    wide_a = lax.expand_dims(a, tuple(range(1, 2 * rank, 2)))
    wide_b = lax.expand_dims(b, tuple(range(0, 2 * rank, 2)))
    return lax.reshape(ufuncs.multiply(wide_a, wide_b), tuple(m * n for m, n in zip(a.shape, b.shape, strict=True)))


def einsum(
    subscripts: Any,
    /,
    *operands: Any,
    out: None = None,
    optimize: Any = "auto",
    precision: Any = None,
    preferred_element_type: Any = None,
    _dot_general: Callable[..., Any] = lax.dot_general,
    out_sharding: Any = None,
) -> Any:
    """Sums of products by Einstein's convention, in an order of pairwise contractions found by opt_einsum.

    Args:
      optimize: how hard to look for the order; as opt_einsum's ``optimize``.
      precision: as that of ``lax.dot_general``.
      preferred_element_type: dtype in which to sum and of the result; None: that of the operands.
      _dot_general: what computes the products of two operands, in place of ``lax.dot_general``.
      out_sharding: accepted, and without meaning on one device.

    Raises:
      ValueError: the subscripts do not fit the operands.

    >>> import cotan.numpy as cnp
    >>> cnp.einsum("ij,jk->ik", cnp.ones((2, 3)), cnp.ones((3, 4))).shape
    (2, 4)
    """
    refuse_out("einsum", out)
    if not isinstance(subscripts, str):
        operands = (subscripts, *operands)
        shaped = [as_array(x, "einsum") if hasattr(x, "shape") or np.isscalar(x) else x for x in operands]
    else:
        shaped = [subscripts, *promote_dtypes("einsum", *(as_array(x, "einsum") for x in operands))]
    arrays, contractions = _path("einsum", shaped, optimize, einsum_call=True, use_blas=True)
    remaining = [as_array(x, "einsum") for x in promote_dtypes("einsum", *arrays)]
    preferred = None
    if preferred_element_type is not None:
        preferred = dtypes.check_user_dtype(preferred_element_type, "einsum")
    # A product of the user's own is told the dtype in any case.
    wanted = preferred if _dot_general is lax.dot_general else preferred or remaining[0].dtype

    def product(a: Any, b: Any, numbers: Any) -> Any:
        a, b = promote_dtypes("einsum", a, b)
        return _dot_general(a, b, numbers, precision, preferred_element_type=wanted)

    for picked, _, expression, *_ in contractions:
        chosen = [remaining.pop(n) for n in picked]
        inputs, kept = expression.split("->")
        remaining.append(_contract(inputs.split(","), kept, chosen, product, preferred))
    (result,) = remaining
    return result if preferred is None else result.astype(preferred)


def einsum_path(subscripts: Any, /, *operands: Any, optimize: Any = "auto") -> tuple[list[tuple[int, ...]], Any]:
    """The order in which ``einsum`` contracts its operands, pair by pair, and a report of what that saves.

    >>> import cotan.numpy as cnp
    >>> path, _ = cnp.einsum_path("ij,jk,kl->il", cnp.ones((2, 3)), cnp.ones((3, 4)), cnp.ones((4, 5)))
    >>> path
    [(0, 1), (0, 1)]
    """
    found: tuple[list[tuple[int, ...]], Any] = _path("einsum_path", (subscripts, *operands), optimize)
    return found


def _path(name: str, given: Sequence[Any], optimize: Any, **how: Any) -> tuple[Any, Any]:
    """What opt_einsum finds for the arguments of a call of ``name``."""
    import opt_einsum

    path = "optimal" if optimize is True else ("auto" if optimize is None or optimize is False else optimize)
    try:
        found: tuple[Any, Any] = opt_einsum.contract_path(*given, optimize=path, **how)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    except (TypeError, LookupError, AttributeError) as error:
        raise TypeError(
            f"{where()}: {name} takes subscripts as text, such as 'ij,jk->ik', and then the operands, or after each "
            f"operand the list of its labels; and `optimize` as opt_einsum does, which says: {error!r}"
        ) from None
    return found


def _contract(names: list[str], result: str, operands: list[Any], product: Callable[..., Any], preferred: Any) -> Any:
    """One step of an einsum: one or two operands (more are folded)."""
    while len(operands) > 2:
        kept = "".join(sorted(set(names[0] + names[1]) & set("".join(names[2:]) + result)))
        pair = _contract(names[:2], kept, operands[:2], product, preferred)
        names, operands = [kept, *names[2:]], [pair, *operands[2:]]
    for n, (labels, x) in enumerate(zip(names, operands, strict=True)):
        names[n], operands[n] = _take_diagonals(labels, x)
    others = [set(result) | set("".join(names[:n] + names[n + 1 :])) for n in range(len(names))]
    for n, needed in enumerate(others):
        gone = "".join(label for label in names[n] if label not in needed)
        operands[n], names[n] = _sum_labels(operands[n], names[n], gone, preferred)
    if len(operands) == 1:
        labels, x = names[0], operands[0]
    else:
        labels, x = _pair(names, operands, result, product, preferred)
    return manipulation.transpose(x, [labels.index(label) for label in result])


def _take_diagonals(labels: str, x: Any) -> tuple[str, Any]:
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = manipulation.diagonal(x, 0, first, second)
            labels = "".join(c for d, c in enumerate(labels) if d not in (first, second)) + label
    return labels, x


def _pair(
    names: list[str], operands: list[Any], result: str, product: Callable[..., Any], preferred: Any
) -> tuple[str, Any]:
    (left, right), (a, b) = names, operands
    shared = [label for label in left if label in right]
    # A shared label of extent 1 on one side broadcasts; it is no batch or contraction there.
    for label in list(shared):
        m, n = a.shape[left.index(label)], b.shape[right.index(label)]
        if m == n:
            continue
        if m != 1 and n != 1:
            raise ValueError(f"einsum: label {label!r} has extents {m} and {n}; give different axes different labels")
        if m == 1:
            a, left = lax.squeeze(a, (left.index(label),)), left.replace(label, "")
            if label not in result:
                b, right = _sum_labels(b, right, label, preferred)
        else:
            b, right = lax.squeeze(b, (right.index(label),)), right.replace(label, "")
            if label not in result:
                a, left = _sum_labels(a, left, label, preferred)
        shared.remove(label)
    batch = "".join(label for label in shared if label in result)
    contracted = [label for label in shared if label not in result]
    free = ["".join(label for label in labels if label not in shared) for labels in (left, right)]
    if batch + free[1] + free[0] == result:
        left, right, a, b = right, left, b, a  # so that the result need not be transposed
        free.reverse()
    numbers = (
        (tuple(map(left.index, contracted)), tuple(map(right.index, contracted))),
        (tuple(map(left.index, batch)), tuple(map(right.index, batch))),
    )
    return batch + free[0] + free[1], product(a, b, numbers)


def _sum_labels(x: Any, labels: str, gone: str, preferred: Any) -> tuple[Any, str]:
    if not gone:
        return x, labels
    dtype = x.dtype if preferred is None else dtypes.result_type(x.dtype, preferred)
    left = "".join(label for label in labels if label not in gone)
    return reductions.sum(x, axis=tuple(map(labels.index, gone)), dtype=dtype), left


@repeated()
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Cross product of vectors of 2 or 3 components."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = promote_dtypes("cross", a, b)
    a, b = manipulation.moveaxis(a, axisa, -1), manipulation.moveaxis(b, axisb, -1)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ValueError(f"cross: vectors must have 2 or 3 components, got {a.shape[-1]} and {b.shape[-1]}")
    if a.shape[-1] == 2 and b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    zero = [(0, 0, 0)]
    a, b = (lax.pad(x, np.asarray(0, x.dtype), zero * (x.ndim - 1) + [(0, 3 - x.shape[-1], 0)]) for x in (a, b))
    rolled = [
        manipulation.roll(a, -1, -1) * manipulation.roll(b, -2, -1),
        manipulation.roll(a, -2, -1) * manipulation.roll(b, -1, -1),
    ]
    return manipulation.moveaxis(rolled[0] - rolled[1], -1, axisc)


def convolve(a: Any, v: Any, mode: str = "full", *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """The convolution of two vectors: 'full', 'same' (the extent of the longer one) or 'valid' (where they overlap).

    Raises:
      ValueError: not two vectors with elements, or an unknown mode.

    >>> import cotan.numpy as cnp
    >>> cnp.convolve(cnp.array([1.0, 2.0, 3.0]), cnp.array([1.0, 1.0]))
    Array([1., 3., 5., 3.], dtype=float32)
    """
    return _sliding_products("convolve", a, v, mode, precision, preferred_element_type)


def correlate(a: Any, v: Any, mode: str = "valid", *, precision: Any = None, preferred_element_type: Any = None) -> Any:
    """The correlation of two vectors: sums of products of ``a`` and the conjugate of ``v``, moved along it.

    Modes are those of ``convolve``.

    Raises:
      ValueError: not two vectors with elements, or an unknown mode.

    >>> import cotan.numpy as cnp
    >>> cnp.correlate(cnp.array([1.0, 2.0, 3.0]), cnp.array([1.0, 0.5]))
    Array([2. , 3.5], dtype=float32)
    """
    return _sliding_products("correlate", a, v, mode, precision, preferred_element_type)


def _sliding_products(name: str, a: Any, v: Any, mode: str, precision: Any, preferred_element_type: Any) -> Any:
    check_arraylike(name, a, v)
    a, v = promote_dtypes_inexact(name, a, v)
    a, v = as_array(a, name), as_array(v, name)
    if a.ndim != 1 or v.ndim != 1 or not a.size or not v.size:
        raise ValueError(f"{name} needs two vectors that are not empty, got shapes {tuple(a.shape)}, {tuple(v.shape)}")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{name}: mode must be 'full', 'same' or 'valid', got {mode!r}")
    turned = name == "correlate"
    if turned:
        v = manipulation.flip(ufuncs.conj(v))
    swapped = a.shape[0] < v.shape[0]
    if swapped:
        a, v = v, a
    n = v.shape[0]
    # Where its operands change places, NumPy's correlation runs backwards, and so does its middle.
    before = n - 1 - n // 2 if turned and swapped else n // 2
    pads = {"full": (n - 1, n - 1), "same": (before, n - 1 - before), "valid": (0, 0)}[mode]
    return lax.conv_general_dilated(
        a[None, None, :],
        manipulation.flip(v)[None, None, :],
        (1,),
        [pads],
        precision=precision,
        preferred_element_type=preferred_element_type,
    )[0, 0]
