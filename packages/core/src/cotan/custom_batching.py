"""cotan.custom_batching: rules of your own for vmap, and mapping one example at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from cotan import lax
from cotan import tracebacks as _tracebacks
from cotan.api.custom_vmap import custom_vmap as custom_vmap
from cotan.tree import tree_flatten, tree_map


def sequential_vmap(f: Callable[..., Any]) -> custom_vmap:
    """``f`` as a function that vmap maps by a loop: one example after the other, as ``lax.map`` does.

    >>> import cotan, cotan.numpy as cnp
    >>> from cotan.custom_batching import sequential_vmap
    >>> cotan.vmap(sequential_vmap(lambda x: x + 1))(cnp.arange(3.0))
    Array([1., 2., 3.], dtype=float32)
    """
    mapped = custom_vmap(f)

    @mapped.def_vmap
    @functools.wraps(f, updated=())
    def rule(axis_size: int, in_batched: list[Any], *args: Any) -> tuple[Any, Any]:
        flags, tree = tree_flatten(tuple(in_batched))
        leaves = tree.flatten_up_to(args)

        def one(examples: list[Any]) -> Any:
            rest = iter(examples)
            return mapped(*tree.unflatten([next(rest) if b else x for x, b in zip(leaves, flags, strict=True)]))

        out = lax.map(one, [x for x, b in zip(leaves, flags, strict=True) if b])
        return out, tree_map(lambda _: True, out)

    return mapped


_tracebacks.guard(globals())
