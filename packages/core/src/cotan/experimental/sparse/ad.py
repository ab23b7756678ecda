"""Derivatives with respect to the stored values of sparse arrays, in the formats of these arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cotan import api, lax
from cotan.api.flat import check_callable, copy_identity
from cotan.errors import where
from cotan.experimental.sparse.array import BCOO
from cotan.experimental.sparse.bcsr import BCSR
from cotan.experimental.sparse.transform import is_sparse
from cotan.tracebacks import boundary
from cotan.tree import register_pytree_node_class, tree_flatten, tree_leaves, tree_map


@register_pytree_node_class
class _Values:
    """What is differentiated: the values of sparse arrays and dense arrays, one after the other."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = list(arrays)

    def tree_flatten(self) -> tuple[list[Any], None]:
        return self.arrays, None

    @classmethod
    def tree_unflatten(cls, _: None, children: Sequence[Any]) -> _Values:
        return cls(children)


class _Chosen:
    """The arguments that are differentiated, and what is left of the sparse ones without their values."""

    def __init__(self, name: str, argnums: int | Sequence[int], args: tuple[Any, ...]) -> None:
        self.single = not isinstance(argnums, Sequence)
        numbers = (argnums,) if self.single else tuple(argnums)  # type: ignore[arg-type]
        for k in numbers:
            if not isinstance(k, int) or not -len(args) <= k < len(args):
                raise ValueError(
                    f"{where()}: {name}: argnums {argnums!r} do not fit a call with {len(args)} positional arguments"
                )
        self.args = args
        self.numbers = tuple(k % len(args) for k in numbers)
        self.leaves, self.tree = tree_flatten(tuple(args[k] for k in self.numbers), is_leaf=is_sparse)
        self.values = _Values([x.tree_flatten()[0][0] if is_sparse(x) else x for x in self.leaves])

    def rebuilt(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The chosen arguments with other values."""
        made = [_with_values(x, v) if is_sparse(x) else v for x, v in zip(self.leaves, values, strict=True)]
        return self.tree.unflatten(made)  # type: ignore[no-any-return]

    def all_args(self, values: _Values) -> list[Any]:
        """All arguments, with other values for the chosen ones."""
        args = list(self.args)
        for k, x in zip(self.numbers, self.rebuilt(values.arrays), strict=True):
            args[k] = x
        return args

    def result(self, parts: tuple[Any, ...]) -> Any:
        return parts[0] if self.single else parts


def _with_values(x: Any, values: Any) -> Any:
    children, static = x.tree_flatten()
    return type(x).tree_unflatten(static, (values, *children[1:]))


def value_and_grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, **kwargs: Any
) -> Callable[..., tuple[Any, Any]]:
    """As ``cotan.value_and_grad``, where gradients by sparse arrays are sparse arrays of the same indices.

    Args:
      fun, argnums, has_aux, kwargs: as of ``cotan.value_and_grad``.

    Raises:
      TypeError: ``fun`` is not callable. ValueError: (when called) ``argnums`` do not fit the arguments.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> x = sparse.BCOO.fromdense(cnp.arange(6.0))
    >>> sparse.value_and_grad(lambda x, y: x @ y)(x, cnp.ones(6))
    (Array(15., dtype=float32), BCOO(float32[6], nse=5))
    """
    check_callable("sparse.value_and_grad", fun)

    @boundary
    def wrapped(*args: Any, **named: Any) -> tuple[Any, Any]:
        chosen = _Chosen("sparse.value_and_grad", argnums, args)
        both = api.value_and_grad(lambda values: fun(*chosen.all_args(values), **named), has_aux=has_aux, **kwargs)
        value, slopes = both(chosen.values)
        return value, chosen.result(chosen.rebuilt(slopes.arrays))

    return copy_identity(wrapped, fun, "value_and_grad")


def grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, **kwargs: Any
) -> Callable[..., Any]:
    """As ``cotan.grad``, where gradients by sparse arrays are sparse arrays of the same indices.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> x = sparse.BCOO.fromdense(cnp.arange(3.0))
    >>> sparse.grad(lambda x, y: x @ y)(x, 5 * cnp.ones(3)).data
    Array([5., 5.], dtype=float32)
    """
    both = value_and_grad(fun, argnums, has_aux, **kwargs)

    @boundary
    def wrapped(*args: Any, **named: Any) -> Any:
        value, slope = both(*args, **named)
        return (slope, value[1]) if has_aux else slope

    return copy_identity(wrapped, fun, "grad")


def _jacobian(
    name: str, transform: Any, fun: Callable[..., Any], argnums: int | Sequence[int], has_aux: bool, kwargs: Any
) -> Callable[..., Any]:
    check_callable(f"sparse.{name}", fun)

    @boundary
    def wrapped(*args: Any, **named: Any) -> Any:
        chosen = _Chosen(f"sparse.{name}", argnums, args)

        def of_values(values: _Values) -> Any:
            out = fun(*chosen.all_args(values), **named)
            if any(map(is_sparse, tree_leaves(out[0] if has_aux else out, is_leaf=is_sparse))):
                raise NotImplementedError(
                    f"{where()}: sparse.{name}: the result of the function must be dense; use todense()"
                )
            return out

        def parts(slopes: _Values) -> Any:
            blocks = [_block(name, x, j) for x, j in zip(chosen.leaves, slopes.arrays, strict=True)]
            return chosen.result(chosen.tree.unflatten(blocks))

        found = transform(of_values, has_aux=has_aux, **kwargs)(chosen.values)
        slopes, aux = found if has_aux else (found, None)
        made = tree_map(parts, slopes, is_leaf=lambda x: isinstance(x, _Values))
        return (made, aux) if has_aux else made

    return copy_identity(wrapped, fun, name)


def _block(name: str, x: Any, slope: Any) -> Any:
    """The derivative ``[*result, *values]`` by ``x``, in its format: the axes of the result are batch axes."""
    if not is_sparse(x):
        return slope
    if not isinstance(x, BCOO | BCSR):
        raise NotImplementedError(f"{where()}: sparse.{name}: {type(x).__name__} has no batch axes; use a BCOO")
    _, *places = x.tree_flatten()[0]
    new = slope.ndim - x.data.ndim
    places = [lax.expand_dims(p, tuple(range(new))) for p in places]
    return type(x)((slope, *places), **x._info._replace(shape=(*slope.shape[:new], *x.shape))._asdict())


def jacfwd(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, **kwargs: Any
) -> Callable[..., Any]:
    """As ``cotan.jacfwd``, where derivatives by sparse arrays are sparse, with batch axes for those of the result.

    Raises:
      NotImplementedError: (when called) the function's result is sparse.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.jacfwd(lambda m: m @ cnp.arange(2.0))(sparse.eye(2))
    BCOO(float32[2, 2, 2], nse=2, n_batch=1)
    """
    return _jacobian("jacfwd", api.jacfwd, fun, argnums, has_aux, kwargs)


def jacrev(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, **kwargs: Any
) -> Callable[..., Any]:
    """As ``cotan.jacrev``, where derivatives by sparse arrays are sparse, with batch axes for those of the result.

    Raises:
      NotImplementedError: (when called) the function's result is sparse.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.jacrev(lambda m: m @ cnp.arange(2.0))(sparse.eye(2)).data
    Array([[0., 0.],
           [0., 1.]], dtype=float32)
    """
    return _jacobian("jacrev", api.jacrev, fun, argnums, has_aux, kwargs)


jacobian = jacrev
