"""Prefixes: a small tree that speaks for a larger one, as ``in_axes`` does for the arguments of vmap.

A prefix has the structure of the full tree down to some depth, and each of its leaves stands for a whole subtree there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cotan.tree.keys import KeyPath, keystr
from cotan.tree.treedef import (
    LEAF,
    IsLeaf,
    PyTreeDef,
    Spec,
    count_nodes,
    is_node,
    one_level,
    one_level_with_keys,
    tree_flatten,
)


def _spread(prefix: Any, spec: Spec, is_leaf: IsLeaf | None, out: list[Any]) -> bool:
    """Append each leaf of ``prefix`` as often as ``spec`` has leaves there; whether it is a prefix so far."""
    if not is_node(prefix) or (is_leaf is not None and is_leaf(prefix)):
        out.extend([prefix] * count_nodes(spec)[0])
        return True
    if spec is LEAF:
        return False
    kind, data, children = one_level(prefix)
    if kind is not spec[0] or len(children) != len(spec) - 2 or data != spec[1]:
        return False
    return all(_spread(child, child_spec, is_leaf, out) for child, child_spec in zip(children, spec[2:], strict=True))


def _named(kind: type) -> str:
    return "None" if kind is type(None) else f"a {kind.__qualname__}"


def prefix_error(prefix: Any, treedef: PyTreeDef, is_leaf: IsLeaf | None = None, name: str = "prefix") -> str:
    """In words, why ``prefix`` is no prefix of the structure; empty if it is one.

    >>> from cotan.tree import tree_structure
    >>> prefix_error((0, [1, 2]), tree_structure((0, [0])), name="in_axes")
    'in_axes[1] is a list of length 2, but the value there is a list of length 1'
    """

    def walk(x: Any, spec: Spec, path: KeyPath) -> str:
        if not is_node(x) or (is_leaf is not None and is_leaf(x)):
            return ""
        place = name + keystr(path)
        kind, data, pairs = one_level_with_keys(x)
        if spec is LEAF:
            return f"{place} is {_named(kind)}, but the value there is a leaf"
        if kind is not spec[0]:
            return f"{place} is {_named(kind)}, but the value there is {_named(spec[0])}"
        if kind is dict and data != spec[1]:
            return f"{place} has the keys {list(data)}, but the value there has the keys {list(spec[1])}"
        if len(pairs) != len(spec) - 2:
            there = f"{_named(kind)} of length {len(spec) - 2}"
            return f"{place} is {_named(kind)} of length {len(pairs)}, but the value there is {there}"
        if data != spec[1]:
            return f"{place} is {_named(kind)} with data {data!r}, but the value there has {spec[1]!r}"
        for (key, child), child_spec in zip(pairs, spec[2:], strict=True):
            if found := walk(child, child_spec, (*path, key)):
                return found
        return ""

    return walk(prefix, treedef.spec, ())


def broadcast_prefix(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf | None = None) -> list[Any]:
    """For each leaf of ``full_tree``, the leaf of ``prefix_tree`` that stands for it.

    Args:
      prefix_tree: a tree that ``full_tree`` continues.
      full_tree: the tree.
      is_leaf: what counts as a leaf, in both.

    Raises:
      ValueError: ``prefix_tree`` is no prefix; the message names the place.

    >>> broadcast_prefix((1, 2), ([0, 0], {"a": 0}))
    [1, 1, 2]
    """
    treedef = tree_flatten(full_tree, is_leaf)[1]
    out: list[Any] = []
    if not _spread(prefix_tree, treedef.spec, is_leaf, out):
        error = prefix_error(prefix_tree, treedef, is_leaf, "prefix_tree")
        raise ValueError(f"broadcast_prefix: the first tree is not a prefix of the second: {error}")
    return out


def tree_broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf | None = None) -> Any:
    """A tree of the structure of ``full_tree`` whose leaves are those of ``prefix_tree`` that stand for them.

    >>> tree_broadcast((1, 2), ([0, 0], {"a": 0}))
    ([1, 1], {'a': 2})
    """
    return tree_flatten(full_tree, is_leaf)[1].unflatten(broadcast_prefix(prefix_tree, full_tree, is_leaf))


def _is_none(x: Any) -> bool:
    return x is None


def flatten_axes(name: str | Callable[[], str], treedef: PyTreeDef, axes_tree: Any) -> list[Any]:
    """For each leaf of a structure, what a prefix such as ``in_axes`` says of it; None is a leaf there.

    Args:
      name: what the prefix is, for messages: ``"vmap in_axes"``; or a function that says it.
      treedef: the structure of the value.
      axes_tree: the prefix.

    Raises:
      ValueError: ``axes_tree`` is no prefix of the structure; the message names the place.

    >>> from cotan.tree import tree_structure
    >>> flatten_axes("vmap in_axes", tree_structure(((1, 2), 3)), (None, 0))
    [None, None, 0]
    """
    out: list[Any] = []
    if not _spread(axes_tree, treedef.spec, _is_none, out):
        name = name if isinstance(name, str) else name()
        error = prefix_error(axes_tree, treedef, _is_none, name.split()[-1])
        raise ValueError(
            f"{name} must have the structure of the value, or of its upper part: {error}. "
            f"Got {axes_tree!r} for a value of the structure {treedef}"
        )
    return out
