"""sparsify: functions of arrays applied to sparse ones, operation by operation. Rules are in ``rules``.

``SparseTrace`` is a transform like the others: its tracers stand for arrays, and hold sparse ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cotan.api.flat import check_callable, copy_identity, lift_leaf
from cotan.errors import where
from cotan.experimental.sparse.base import JAXSparse
from cotan.ir.avals import ShapedArray, is_array_like, shaped
from cotan.ir.primitive import Primitive
from cotan.ir.rules import RuleTable
from cotan.ir.trace import Trace, Tracer, current_trace, enter_trace, leave_trace, new_trace
from cotan.tracebacks import boundary
from cotan.tree import tree_flatten, tree_map

sparse_rules: RuleTable[Callable[..., Any]] = RuleTable("sparse", "rule for sparse operands")


def is_sparse(x: Any) -> bool:
    """Whether ``x`` is a sparse array."""
    return isinstance(x, JAXSparse)


class SparseTracer(Tracer):
    """A sparse array in a function that is sparsified, which sees a dense one of its shape and dtype."""

    __slots__ = ("aval", "value")
    aval: ShapedArray

    def __init__(self, trace: SparseTrace, value: JAXSparse) -> None:
        self._trace = trace
        self.value = value
        self.aval = shaped(value.shape, value.dtype)


class SparseTrace(Trace):
    """Applies rules for sparse operands; operations of dense ones are done in ``parent``."""

    __slots__ = ("parent",)
    name = "sparsify"

    def __init__(self, parent: Trace) -> None:
        super().__init__()
        self.parent = parent

    def unwrap(self, x: Any) -> Any:
        """The sparse array behind a tracer of this trace; all else as it is."""
        return x.value if type(x) is SparseTracer and x._trace is self else x

    def wrap(self, x: Any) -> Any:
        """What the function sees of ``x``."""
        return SparseTracer(self, x) if isinstance(x, JAXSparse) else x

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        token = enter_trace(self.parent)
        try:
            values = [self.unwrap(x) for x in args]
            if not any(map(is_sparse, values)):
                return self.parent.process(primitive, values, params)
            rule = sparse_rules.get(primitive)
            if rule is None:
                raise NotImplementedError(
                    f"{where()}: sparsify: there is no rule for `{primitive.name}` of sparse arrays, since its result "
                    "would be dense in general; use sparse.todense() on them first if that is meant"
                )
            out = rule(*values, **params)
        finally:
            leave_trace(token)
        return [self.wrap(x) for x in out] if primitive.multiple_results else self.wrap(out)


def run_sparse(fun: Callable[..., Sequence[Any]], args: Sequence[Any]) -> list[Any]:
    """The results, sparse or dense, of a flat function of arrays for arguments that may be sparse."""
    with new_trace(SparseTrace(current_trace())) as trace:
        return [trace.unwrap(x) for x in fun(*[trace.wrap(x) for x in args])]


def sparsify(f: Callable[..., Any], use_tracer: bool = False) -> Callable[..., Any]:
    """A function that does what ``f`` does, and takes sparse arrays where ``f`` takes arrays.

    Operations are done on sparse arrays one by one: those that keep zeros give sparse arrays; others are refused.
    Calls of compiled functions, loops and branches may hold and carry them.

    Args:
      f: a function of arrays, or pytrees of them.
      use_tracer: has no influence: there is one way.

    Returns:
      A function whose results are sparse or dense, as the operations give them.

    Raises:
      TypeError: ``f`` is not callable, or (when called) an argument is not an array.
      NotImplementedError: (when called) there is no rule for an operation of sparse arrays.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> @sparse.sparsify
    ... def f(m, v):
    ...     return 2 * m.T @ v
    >>> f(sparse.BCOO.fromdense(cnp.arange(12).reshape(3, 4)), cnp.array([3, 4, 2]))
    Array([ 64,  82, 100, 118], dtype=int32)
    """
    from cotan.experimental.sparse import rules as _rules  # noqa: F401  (imported for its rules)

    check_callable("sparsify", f)

    @boundary
    def sparsified(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = tree_flatten((args, kwargs), is_leaf=is_sparse)
        for leaf in leaves:
            if not is_sparse(leaf) and not is_array_like(leaf):
                raise TypeError(f"{where()}: sparsify: arguments must be arrays, got {type(leaf).__name__}")
        out_tree: Any = None

        def flat(*values: Any) -> list[Any]:
            nonlocal out_tree
            inner_args, inner_kwargs = tree.unflatten(values)
            outs, out_tree = tree_flatten(f(*inner_args, **inner_kwargs), is_leaf=is_sparse)
            return outs

        outs = run_sparse(flat, [x if is_sparse(x) else lift_leaf(x) for x in leaves])
        return out_tree.unflatten([x if is_sparse(x) else tree_map(lift_leaf, x) for x in outs])

    return copy_identity(sparsified, f, "sparsify")
