"""Pytrees: nested containers of leaves. Users reach this as ``cotan.tree`` (short names) and ``cotan.tree_util``.

Nodes are tuple, list, dict, None, namedtuples, OrderedDict, defaultdict and registered classes; all else is a leaf.

>>> import cotan.tree
>>> cotan.tree.map(lambda x: x + 1, {"a": (1, None), "b": [2]})
{'a': (2, None), 'b': [3]}
"""

from cotan.tree.default_registry import default_registry as default_registry
from cotan.tree.keys import DictKey, FlattenedIndexKey, GetAttrKey, KeyEntry, KeyPath, SequenceKey, keystr
from cotan.tree.operations import (
    all_leaves,
    build_tree,
    equality_errors,
    flatten_one_level,
    flatten_one_level_with_keys,
    tree_all,
    tree_flatten_with_path,
    tree_leaves,
    tree_leaves_with_path,
    tree_map,
    tree_map_with_path,
    tree_reduce,
    tree_reduce_associative,
    tree_structure,
    tree_transpose,
    tree_unflatten,
    treedef_children,
    treedef_is_leaf,
    treedef_is_strict_leaf,
    treedef_tuple,
)
from cotan.tree.operations import tree_all as all
from cotan.tree.operations import tree_flatten_with_path as flatten_with_path
from cotan.tree.operations import tree_leaves as leaves
from cotan.tree.operations import tree_leaves_with_path as leaves_with_path
from cotan.tree.operations import tree_map as map
from cotan.tree.operations import tree_map_with_path as map_with_path
from cotan.tree.operations import tree_reduce as reduce
from cotan.tree.operations import tree_reduce_associative as reduce_associative
from cotan.tree.operations import tree_structure as structure
from cotan.tree.operations import tree_transpose as transpose
from cotan.tree.operations import tree_unflatten as unflatten
from cotan.tree.partial import Partial
from cotan.tree.prefix import broadcast_prefix, flatten_axes, prefix_error, tree_broadcast
from cotan.tree.prefix import tree_broadcast as broadcast
from cotan.tree.registry import (
    is_tree_node,
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    register_pytree_with_keys_class,
    register_static,
    static,
)
from cotan.tree.treedef import PyTreeDef, leaf_treedef, none_treedef, tree_flatten
from cotan.tree.treedef import tree_flatten as flatten

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "Partial",
    "PyTreeDef",
    "SequenceKey",
    "all",
    "all_leaves",
    "broadcast",
    "broadcast_prefix",
    "build_tree",
    "equality_errors",
    "flatten",
    "flatten_axes",
    "flatten_one_level",
    "flatten_one_level_with_keys",
    "flatten_with_path",
    "is_tree_node",
    "keystr",
    "leaf_treedef",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "none_treedef",
    "prefix_error",
    "reduce",
    "reduce_associative",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "register_pytree_with_keys_class",
    "register_static",
    "static",
    "structure",
    "transpose",
    "tree_all",
    "tree_broadcast",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_with_path",
    "tree_reduce",
    "tree_reduce_associative",
    "tree_structure",
    "tree_transpose",
    "tree_unflatten",
    "treedef_children",
    "treedef_is_leaf",
    "treedef_is_strict_leaf",
    "treedef_tuple",
    "unflatten",
]
