"""What operations do to sparse operands: the rules of ``sparsify``, of a primitive's operands and parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import lax
from cotan.api import eval_shape, jit
from cotan.errors import where
from cotan.experimental.sparse import operators
from cotan.experimental.sparse.array import BCOO
from cotan.experimental.sparse.base import JAXSparse
from cotan.experimental.sparse.operators import apart, as_bcoo, with_data, would_be_dense
from cotan.experimental.sparse.pairs import bcoo_conv_general_dilated
from cotan.experimental.sparse.products import bcoo_dot_general
from cotan.experimental.sparse.relayout import bcoo_update_layout
from cotan.experimental.sparse.shaping import (
    bcoo_broadcast_in_dim,
    bcoo_concatenate,
    bcoo_reduce_sum,
    bcoo_reshape,
    bcoo_squeeze,
    bcoo_transpose,
)
from cotan.experimental.sparse.slicing import bcoo_dynamic_slice, bcoo_gather, bcoo_rev, bcoo_slice
from cotan.experimental.sparse.transform import is_sparse, run_sparse, sparse_rules
from cotan.ir.avals import get_aval
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive
from cotan.ir.trace import Tracer
from cotan.primitives import (
    arithmetic,
    bessel,
    call,
    cast,
    compare,
    custom_jvp,
    custom_vjp,
    custom_vmap,
    shape,
    special,
)
from cotan.primitives import transcendental as elementary
from cotan.primitives.control.cond import cond_p
from cotan.primitives.control.scan import scan_p
from cotan.primitives.control.while_loop import while_p
from cotan.primitives.conv import conv_general_dilated_p
from cotan.primitives.dot import dot_general_p
from cotan.primitives.gather import gather_p
from cotan.primitives.slice import dynamic_slice_p, slice_p
from cotan.structural import add_any_p, broadcast_in_dim_p, convert_element_type_p, reduce_sum_p, transpose_p
from cotan.transforms.cache import weakly_cached
from cotan.transforms.stage import replay

# ---- Elementwise


def _by_values(x: Any, fun: Callable[[Any], Any]) -> Any:
    """The array with ``fun`` of its values, in its own format."""
    leaves, static = x.tree_flatten()
    return type(x).tree_unflatten(static, (fun(leaves[0]), *leaves[1:]))


def _linear(primitive: Primitive) -> None:
    @sparse_rules(primitive)
    def rule(x: Any, **params: Any) -> Any:
        return _by_values(x, lambda data: primitive.bind(data, **params))


def _keeps_zero(primitive: Primitive) -> None:
    @sparse_rules(primitive)
    def rule(x: Any, **params: Any) -> Any:
        if not getattr(x, "unique_indices", False):
            x = apart(as_bcoo(x))
        return _by_values(x, lambda data: primitive.bind(data, **params))


for _each in (
    arithmetic.neg_p, arithmetic.real_p, arithmetic.imag_p, arithmetic.conj_p, shape.copy_p, convert_element_type_p,
    call.optimization_barrier_p, call.name_p, cast.stop_gradient_p,
):  # fmt: skip
    _linear(_each)
for _each in (
    arithmetic.abs_p, arithmetic.sign_p, arithmetic.floor_p, arithmetic.ceil_p, arithmetic.round_p, arithmetic.square_p,
    arithmetic.sqrt_p, arithmetic.cbrt_p, bessel.bessel_i1e_p, elementary.expm1_p, elementary.log1p_p, elementary.sin_p,
    elementary.tan_p, elementary.asin_p, elementary.atan_p, elementary.sinh_p, elementary.tanh_p, elementary.asinh_p,
    elementary.atanh_p, special.erf_p, special.erf_inv_p, cast.reduce_precision_p,
):  # fmt: skip
    _keeps_zero(_each)


@sparse_rules(arithmetic.integer_pow_p)
def _integer_pow(x: Any, *, y: int) -> Any:
    if y <= 0:
        raise would_be_dense(f"the power of {y}")
    x = apart(as_bcoo(x))
    return with_data(x, lax.integer_pow(x.data, y))


@sparse_rules(arithmetic.pow_p)
def _pow(x: Any, y: Any) -> Any:
    if is_sparse(y):
        raise would_be_dense("a power")
    known = y.concrete() if isinstance(y, Tracer) else y
    return operators.power(as_bcoo(x), None if known is None else np.asarray(known))


sparse_rules[arithmetic.mul_p] = operators.mul
sparse_rules[arithmetic.add_p] = operators.add
sparse_rules[add_any_p] = operators.add
sparse_rules[arithmetic.sub_p] = operators.sub


@sparse_rules(arithmetic.div_p)
def _div(x: Any, y: Any) -> Any:
    return operators.div(x, y)


def _refused(primitive: Primitive) -> None:
    @sparse_rules(primitive)
    def rule(*args: Any, **params: Any) -> Any:
        raise would_be_dense(primitive.name)


for _each in (
    compare.eq_p, compare.ne_p, compare.lt_p, compare.le_p, compare.gt_p, compare.ge_p, elementary.exp_p,
    elementary.log_p, elementary.cos_p, elementary.cosh_p,
):  # fmt: skip
    _refused(_each)

# ---- Shapes, sums, products


@sparse_rules(reduce_sum_p)
def _reduce_sum(x: Any, *, axes: Sequence[int], **_: Any) -> Any:
    out = bcoo_reduce_sum(as_bcoo(x), axes=axes)
    return out if out.ndim else out.todense()


@sparse_rules(transpose_p)
def _transpose(x: Any, *, permutation: Sequence[int]) -> BCOO:
    return bcoo_transpose(as_bcoo(x), permutation=permutation)


@sparse_rules(broadcast_in_dim_p)
def _broadcast(x: Any, *, shape: Sequence[int], broadcast_dimensions: Sequence[int], **_: Any) -> BCOO:
    return bcoo_broadcast_in_dim(as_bcoo(x), shape=shape, broadcast_dimensions=broadcast_dimensions)


@sparse_rules(shape.reshape_p)
def _reshape(x: Any, *, new_sizes: Sequence[int], **_: Any) -> BCOO:
    return bcoo_reshape(as_bcoo(x), new_sizes=new_sizes)


@sparse_rules(shape.squeeze_p)
def _squeeze(x: Any, *, dimensions: Sequence[int]) -> BCOO:
    return bcoo_squeeze(as_bcoo(x), dimensions=dimensions)


@sparse_rules(shape.rev_p)
def _rev(x: Any, *, dimensions: Sequence[int]) -> BCOO:
    return bcoo_rev(as_bcoo(x), dimensions)


@sparse_rules(shape.concatenate_p)
def _concatenate(*xs: Any, dimension: int) -> BCOO:
    mats = [as_bcoo(x) for x in xs]
    if not all(map(is_sparse, mats)):
        raise NotImplementedError(
            f"{where()}: concatenate: sparse and dense arrays cannot be put together; use sparse.todense() for the "
            "sparse ones, or BCOO.fromdense for the dense ones"
        )
    n_batch, n_dense = min(m.n_batch for m in mats), min(m.n_dense for m in mats)
    return bcoo_concatenate(
        [bcoo_update_layout(m, n_batch=n_batch, n_dense=n_dense) for m in mats], dimension=dimension
    )


@sparse_rules(slice_p)
def _slice(x: Any, **params: Any) -> BCOO:
    return bcoo_slice(as_bcoo(x), **params)


@sparse_rules(dynamic_slice_p)
def _dynamic_slice(x: Any, *starts: Any, slice_sizes: Sequence[int]) -> BCOO:
    return bcoo_dynamic_slice(as_bcoo(x), starts, slice_sizes)


@sparse_rules(gather_p)
def _gather(x: Any, indices: Any, *, dimension_numbers: Any, slice_sizes: Any, **options: Any) -> BCOO:
    return bcoo_gather(as_bcoo(x), indices, dimension_numbers, slice_sizes, **options)


@sparse_rules(dot_general_p)
def _dot_general(x: Any, y: Any, *, dimension_numbers: Any, preferred_element_type: Any = None, **_: Any) -> Any:
    return bcoo_dot_general(
        as_bcoo(x), as_bcoo(y), dimension_numbers=dimension_numbers, preferred_element_type=preferred_element_type
    )


@sparse_rules(conv_general_dilated_p)
def _conv(x: Any, y: Any, **params: Any) -> BCOO:
    if not (is_sparse(x) and is_sparse(y)):
        raise NotImplementedError(
            f"{where()}: conv_general_dilated: both operands must be sparse, or both dense; use sparse.todense()"
        )
    return bcoo_conv_general_dilated(as_bcoo(x), as_bcoo(y), **params)


# ---- Programs: sparse arrays are pytrees, so that calls, loops and branches take them


def _program(closed: ClosedJaxpr) -> Callable[..., list[Any]]:
    """A program as a function of arrays that may be sparse."""
    return lambda *args: run_sparse(lambda *xs: replay(closed.jaxpr, closed.consts, xs), args)


@weakly_cached
def _called(closed: ClosedJaxpr) -> Callable[..., list[Any]]:
    return jit(_program(closed))


@sparse_rules(call.jit_p)
def _jit(*args: Any, jaxpr: ClosedJaxpr, **_: Any) -> list[Any]:
    return _called(jaxpr)(*args)


@sparse_rules(call.remat_p)
def _remat(*args: Any, jaxpr: ClosedJaxpr, **_: Any) -> list[Any]:
    return _program(jaxpr)(*args)


@sparse_rules(custom_jvp.custom_jvp_fun_p, custom_vjp.custom_vjp_fun_p, custom_vmap.custom_vmap_fun_p)
def _custom_fun(*args: Any, function: Any) -> list[Any]:
    return run_sparse(lambda *xs: function.call(xs), args)


@sparse_rules(custom_jvp.custom_jvp_call_p, custom_vjp.custom_vjp_call_p, custom_vmap.custom_vmap_call_p)
def _custom_call(*args: Any, call_jaxpr: ClosedJaxpr, **_: Any) -> list[Any]:
    return _program(call_jaxpr)(*args)


def _plain(values: Sequence[Any], promises: Sequence[tuple[bool, bool] | None]) -> list[Any]:
    """Values without promises about their indices but these: loops and branches must give one type."""
    plain = []
    for x, promise in zip(values, promises, strict=True):
        if not is_sparse(x):
            plain.append(x)
            continue
        x = as_bcoo(x)
        ordered, unique = promise or (False, False)
        plain.append(BCOO((x.data, x.indices), shape=x.shape, indices_sorted=ordered, unique_indices=unique))
    return plain


def _promises(values: Sequence[Any]) -> list[tuple[bool, bool] | None]:
    return [(x.indices_sorted, x.unique_indices) if isinstance(x, JAXSparse) else None for x in map(as_bcoo, values)]


def _kept_promises(step: Callable[[list[Any]], list[Any]], start: Sequence[Any]) -> list[tuple[bool, bool] | None]:
    """Of the promises that the start makes those that every step keeps."""
    promises = _promises(start)
    while True:
        after = _promises(eval_shape(step, _plain(start, promises)))
        both = [
            None if p is None else (p[0] and q[0], p[1] and q[1]) if q is not None else (False, False)
            for p, q in zip(promises, after, strict=True)
        ]
        if both == promises:
            return both
        promises = both


@sparse_rules(while_p)
def _while(
    *args: Any, cond_jaxpr: ClosedJaxpr, body_jaxpr: ClosedJaxpr, cond_nconsts: int, body_nconsts: int, **_: Any
) -> list[Any]:
    first = cond_nconsts + body_nconsts
    cond_consts, body_consts, start = args[:cond_nconsts], args[cond_nconsts:first], list(args[first:])
    cond, body = _program(cond_jaxpr), _program(body_jaxpr)
    step = lambda carry: list(map(as_bcoo, body(*body_consts, *carry)))  # noqa: E731
    promises = _kept_promises(step, start)
    return lax.while_loop(  # type: ignore[no-any-return]
        lambda carry: cond(*cond_consts, *carry)[0],
        lambda carry: _plain(step(carry), promises),
        _plain(start, promises),
    )


@sparse_rules(scan_p)
def _scan(
    *args: Any, jaxpr: ClosedJaxpr, length: int, reverse: bool, num_consts: int, num_carry: int, unroll: int, **_: Any
) -> list[Any]:
    first = num_consts + num_carry
    consts, start, xs = args[:num_consts], list(args[num_consts:first]), [as_bcoo(x) for x in args[first:]]
    for x in xs:
        if is_sparse(x) and not x.n_batch:
            raise NotImplementedError(
                f"{where()}: scan: a sparse array has slices along batch axes only, got n_batch=0; use "
                "update_layout(n_batch=1), or sparse.todense()"
            )
    body = _program(jaxpr)

    def step(carry: list[Any], x: list[Any]) -> list[Any]:
        return list(map(as_bcoo, body(*consts, *carry, *x)))

    one = [x[0] if is_sparse(x) else np.zeros(get_aval(x).shape[1:], get_aval(x).dtype) for x in xs]
    promises = _kept_promises(lambda carry: step(carry, one)[:num_carry], start)

    def run(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        outs = step(carry, x)
        return _plain(outs[:num_carry], promises), outs[num_carry:]

    last, ys = lax.scan(run, _plain(start, promises), xs, length=length, reverse=reverse, unroll=unroll)
    return [*last, *ys]


@sparse_rules(cond_p)
def _cond(index: Any, *args: Any, branches: Sequence[ClosedJaxpr]) -> list[Any]:
    def one(closed: ClosedJaxpr) -> Callable[..., list[Any]]:
        run = _program(closed)

        def branch(*xs: Any) -> list[Any]:
            outs = list(map(as_bcoo, run(*xs)))
            return _plain(outs, [(False, False)] * len(outs))

        return branch

    return lax.switch(index, [one(closed) for closed in branches], *args)  # type: ignore[no-any-return]
