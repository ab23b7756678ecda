"""`default_registry`: which classes are nodes, as an object with methods. There is this one registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cotan.tree import registry
from cotan.tree.keys import KeyPath
from cotan.tree.operations import flatten_one_level, flatten_one_level_with_keys, tree_flatten_with_path
from cotan.tree.treedef import PyTreeDef, is_node, tree_flatten


class PyTreeRegistry:
    """The nodes of pytrees.

    >>> from cotan.tree_util import default_registry
    >>> default_registry.flatten_one_level({"b": 1, "a": (2, 3)})
    ([(2, 3), 1], ('a', 'b'))
    """

    def flatten(self, tree: Any, leaf_predicate: Callable[[Any], bool] | None = None) -> tuple[list[Any], PyTreeDef]:
        """Leaves and structure; as ``cotan.tree.flatten``."""
        return tree_flatten(tree, leaf_predicate)

    def flatten_with_path(
        self, tree: Any, leaf_predicate: Callable[..., bool] | None = None
    ) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
        """Pairs of key path and leaf, and the structure. The predicate is asked of ``(key path, subtree)``."""
        return tree_flatten_with_path(tree, leaf_predicate, is_leaf_takes_path=True)

    def flatten_one_level(self, tree: Any) -> tuple[Iterable[Any], Any] | None:
        """(children, auxiliary data) of a node; None for a leaf."""
        return flatten_one_level(tree) if is_node(tree) else None

    def flatten_one_level_with_keys(self, tree: Any) -> tuple[Iterable[tuple[Any, Any]], Any] | None:
        """(pairs of key and child, auxiliary data) of a node; None for a leaf."""
        return flatten_one_level_with_keys(tree) if is_node(tree) else None

    def is_node(self, type: type) -> bool:
        """Whether instances of a class are nodes."""
        return registry.is_tree_node(type)

    def register_node(
        self,
        type: type,
        to_iterable: Callable[[Any], Any],
        from_iterable: Callable[[Any, Any], Any],
        to_iterable_with_keys: Callable[[Any], Any] | None = None,
    ) -> None:
        """Make a class a node; as ``cotan.tree_util.register_pytree_node``."""
        registry.register_pytree_node(type, to_iterable, from_iterable, to_iterable_with_keys)

    def register_dataclass_node(self, type: type, data_fields: Sequence[str], meta_fields: Sequence[str], /) -> Any:
        """Make a dataclass a node; as ``cotan.tree_util.register_dataclass``."""
        return registry.register_dataclass(type, list(data_fields), list(meta_fields))


default_registry = PyTreeRegistry()
