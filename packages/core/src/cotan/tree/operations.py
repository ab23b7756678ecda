"""What users do with whole pytrees: map, reduce, transpose, leaves with their paths. Knows nothing of arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from cotan.errors import a_type, where
from cotan.tree.keys import KeyPath, keystr
from cotan.tree.treedef import (
    LEAF,
    IsLeaf,
    PyTreeDef,
    is_node,
    make_node,
    one_level,
    one_level_with_keys,
    tree_flatten,
    treedef_of,
)


class _Missing:
    def __repr__(self) -> str:
        return "<not given>"


_missing = _Missing()


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The tree of the given structure with the given leaves.

    Raises:
      ValueError: there are too few or too many leaves.

    >>> tree_unflatten(tree_structure((0, [0])), [1, 2])
    (1, [2])
    """
    return _structure("tree_unflatten", treedef).unflatten(leaves)


def _structure(name: str, given: Any) -> PyTreeDef:
    if not isinstance(given, PyTreeDef):
        raise TypeError(f"{where()}: {name} takes a structure, such as tree_structure(tree) gives, not {a_type(given)}")
    return given


def tree_leaves(tree: Any, is_leaf: IsLeaf | None = None) -> list[Any]:
    """The leaves of a pytree, in order.

    >>> tree_leaves({"b": 1, "a": (2, None)})
    [2, 1]
    """
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf | None = None) -> PyTreeDef:
    """The structure of a pytree.

    >>> tree_structure((1, [2]))
    PyTreeDef((*, [*]))
    """
    return tree_flatten(tree, is_leaf)[1]


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf | None = None) -> Any:
    """A tree with ``f`` applied to each leaf.

    Args:
      f: takes a leaf of ``tree`` and what stands at the same place in each of ``rest``.
      tree: decides the structure of the result.
      *rest: trees that begin with the structure of ``tree``; where it has a leaf they may have a subtree.
      is_leaf: called with every node of ``tree`` first; where it returns true, the node counts as a leaf.

    Raises:
      ValueError: one of ``rest`` has another structure; the message names the place.

    >>> tree_map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
    {'a': 11, 'b': (22, 33)}
    """
    leaves, treedef = tree_flatten(tree, is_leaf)
    if not rest:
        return treedef.unflatten([f(leaf) for leaf in leaves])
    columns = [_matching(treedef, i, r) for i, r in enumerate(rest)]
    return treedef.unflatten([f(*row) for row in zip(leaves, *columns, strict=True)])


def _matching(treedef: PyTreeDef, i: int, tree: Any) -> list[Any]:
    try:
        return treedef.flatten_up_to(tree)
    except ValueError as error:
        raise ValueError(
            f"{where()}: tree_map: the first tree and tree number {i + 2} do not match: {error}. Trees must have one "
            "structure."
        ) from None


def tree_reduce(
    function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _missing, is_leaf: IsLeaf | None = None
) -> Any:
    """``functools.reduce`` over the leaves.

    >>> tree_reduce(lambda x, y: x + y, {"a": 1, "b": (2, 3)})
    6
    """
    leaves = tree_leaves(tree, is_leaf)
    if initializer is not _missing:
        return functools.reduce(function, leaves, initializer)
    if not leaves:
        raise TypeError(f"{where()}: tree_reduce: the tree has no leaves, and no initializer is given")
    return functools.reduce(function, leaves)


def tree_reduce_associative(
    operation: Callable[[Any, Any], Any], tree: Any, *, identity: Any = _missing, is_leaf: IsLeaf | None = None
) -> Any:
    """Reduce the leaves pairwise, in a balanced way; ``operation`` must be associative.

    >>> tree_reduce_associative(lambda x, y: x + y, [1, 2, 3, 4, 5])
    15
    """
    leaves = tree_leaves(tree, is_leaf)
    if not leaves:
        if identity is _missing:
            raise TypeError(f"{where()}: tree_reduce_associative: the tree has no leaves, and no identity is given")
        return identity
    while len(leaves) > 1:
        odd = [leaves[-1]] if len(leaves) % 2 else []
        leaves = [operation(x, y) for x, y in zip(leaves[::2], leaves[1::2], strict=False)] + odd
    return leaves[0]


def tree_all(tree: Any, *, is_leaf: IsLeaf | None = None) -> bool:
    """Whether all leaves are true.

    >>> tree_all([True, {"a": 1}]), tree_all([0, 1])
    (True, False)
    """
    return all(tree_leaves(tree, is_leaf))


def tree_transpose(outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, pytree_to_transpose: Any) -> Any:
    """A tree of trees turned inside out.

    Args:
      outer_treedef: the structure of the outside now.
      inner_treedef: the structure at each of its leaves, which will be outside; None: that of the first of them.
      pytree_to_transpose: the tree.

    Raises:
      TypeError: the tree does not have as many leaves as that.

    >>> tree_transpose(tree_structure([0, 0]), tree_structure({"a": 0, "b": 0}), [{"a": 1, "b": 2}, {"a": 3, "b": 4}])
    {'a': [1, 3], 'b': [2, 4]}
    """
    _structure("tree_transpose", outer_treedef)
    if inner_treedef is not None:
        _structure("tree_transpose", inner_treedef)
    leaves, treedef = tree_flatten(pytree_to_transpose)
    if inner_treedef is None:
        inner_treedef = tree_structure(outer_treedef.flatten_up_to(pytree_to_transpose)[0])
    if treedef.num_leaves != outer_treedef.num_leaves * inner_treedef.num_leaves:
        raise TypeError(
            f"{where()}: tree_transpose: a tree with the structure {outer_treedef} that has {inner_treedef} at each "
            f"leaf is expected, got {treedef}"
        )
    n = inner_treedef.num_leaves
    return inner_treedef.unflatten([outer_treedef.unflatten(leaves[i::n]) for i in range(n)])


def tree_flatten_with_path(
    tree: Any, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """Like ``tree_flatten``, with pairs of key path and leaf.

    With ``is_leaf_takes_path``, ``is_leaf`` is called with a key path and what stands there.

    >>> tree_flatten_with_path({"a": [1]})[0]
    [((DictKey(key='a'), SequenceKey(idx=0)), 1)]
    """
    out: list[tuple[KeyPath, Any]] = []
    if is_leaf is None:
        _walk(tree, (), out, None)
        return out, tree_structure(tree)
    decisions: list[bool] = []

    def ends(path: KeyPath, x: Any) -> bool:
        decisions.append(bool(is_leaf(path, x) if is_leaf_takes_path else is_leaf(x)))
        return decisions[-1]

    _walk(tree, (), out, ends)
    # The structure is found by a walk in the same order, which knows no paths.
    known = iter(decisions)
    return out, tree_structure(tree, lambda x: next(known))


def _walk(x: Any, path: KeyPath, out: list[tuple[KeyPath, Any]], ends: Callable[[KeyPath, Any], bool] | None) -> None:
    if (ends is not None and ends(path, x)) or not is_node(x):
        out.append((path, x))
        return
    for key, child in one_level_with_keys(x)[2]:
        _walk(child, (*path, key), out, ends)


def tree_leaves_with_path(
    tree: Any, is_leaf: Callable[..., bool] | None = None, is_leaf_takes_path: bool = False
) -> list[tuple[KeyPath, Any]]:
    """Pairs of key path and leaf; ``is_leaf_takes_path`` as in ``tree_flatten_with_path``.

    >>> [(keystr(path), leaf) for path, leaf in tree_leaves_with_path({"a": [1], "b": 2})]
    [("['a'][0]", 1), ("['b']", 2)]
    """
    return tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)[0]


def tree_map_with_path(
    f: Callable[..., Any],
    tree: Any,
    *rest: Any,
    is_leaf: Callable[..., bool] | None = None,
    is_leaf_takes_path: bool = False,
) -> Any:
    """Like ``tree_map``; ``f`` takes the key path of the leaf before the leaves.

    ``is_leaf_takes_path`` as in ``tree_flatten_with_path``.

    >>> tree_map_with_path(lambda path, x: keystr(path) + f"={x}", {"a": [1]})
    {'a': ["['a'][0]=1"]}
    """
    pairs, treedef = tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    columns = [_matching(treedef, i, r) for i, r in enumerate(rest)]
    rows = zip(pairs, *columns, strict=True)
    return treedef.unflatten([f(path, leaf, *others) for (path, leaf), *others in rows])


def all_leaves(iterable: Iterable[Any], is_leaf: IsLeaf | None = None) -> bool:
    """Whether none of the items is a node (or ``is_leaf`` makes leaves of those that are).

    >>> all_leaves([1, "a"]), all_leaves([1, (2,)])
    (True, False)
    """
    return all(not is_node(x) or (is_leaf is not None and is_leaf(x)) for x in iterable)


def flatten_one_level(tree: Any) -> tuple[list[Any], Any]:
    """(children, auxiliary data) of a node.

    Raises:
      ValueError: ``tree`` is a leaf.
    """
    if not is_node(tree):
        raise ValueError(f"flatten_one_level: a value of type {type(tree).__name__} is a leaf")
    _, data, children = one_level(tree)
    return children, data


def flatten_one_level_with_keys(tree: Any) -> tuple[list[tuple[Any, Any]], Any]:
    """(pairs of key and child, auxiliary data) of a node.

    Raises:
      ValueError: ``tree`` is a leaf.
    """
    if not is_node(tree):
        raise ValueError(f"flatten_one_level_with_keys: a value of type {type(tree).__name__} is a leaf")
    _, data, pairs = one_level_with_keys(tree)
    return pairs, data


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether the structure is a single node: a leaf, None or an empty container."""
    return _structure("treedef_is_leaf", treedef).num_nodes == 1


def treedef_is_strict_leaf(treedef: PyTreeDef) -> bool:
    """Whether the structure is that of a leaf."""
    return _structure("treedef_is_strict_leaf", treedef).spec is LEAF


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of trees of the given structures.

    >>> treedef_tuple([tree_structure(1), tree_structure([1])])
    PyTreeDef((*, [*]))
    """
    return treedef_of((tuple, None, *[_structure("treedef_tuple", treedef).spec for treedef in treedefs]))


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """The structures of the root's children.

    >>> treedef_children(tree_structure((1, [2])))
    [PyTreeDef(*), PyTreeDef([*])]
    """
    return _structure("treedef_children", treedef).children()


def build_tree(treedef: PyTreeDef, xs: Any) -> Any:
    """A tree of the given structure from nested iterables of the same shape.

    >>> build_tree(tree_structure({"a": 0, "b": (0, 0)}), [1, [2, 3]])
    {'a': 1, 'b': (2, 3)}
    """
    if _structure("build_tree", treedef).spec is LEAF:
        return xs
    children, items = treedef.children(), list(xs)
    if len(children) != len(items):
        raise ValueError(
            f"{where()}: build_tree: {treedef} has {len(children)} children at its root, got {len(items)} items"
        )
    kind, data = treedef.spec[:2]
    return make_node(kind, data, [build_tree(child, x) for child, x in zip(children, items, strict=True)])


def equality_errors(tree1: Any, tree2: Any, is_leaf: IsLeaf | None = None) -> list[str]:
    """In words, where and how the structures of two trees differ; empty if they are equal.

    >>> equality_errors({"a": 1}, {"a": (1,)})
    ["at ['a']: a leaf of type int against a tuple"]
    """
    out: list[str] = []
    _compare(tree1, tree2, (), out, is_leaf)
    return out


def _describe(x: Any, leaf: bool) -> str:
    return f"a leaf of type {type(x).__name__}" if leaf else "None" if x is None else a_type(x)


def _compare(a: Any, b: Any, path: KeyPath, out: list[str], is_leaf: Callable[..., bool] | None) -> None:
    place = f"at {keystr(path)}: " if path else ""
    leaf_a, leaf_b = (not is_node(x) or bool(is_leaf and is_leaf(x)) for x in (a, b))
    if leaf_a and leaf_b:
        return
    if leaf_a or leaf_b or type(a) is not type(b):
        out.append(f"{place}{_describe(a, leaf_a)} against {_describe(b, leaf_b)}")
        return
    (_, data_a, pairs_a), (_, data_b, pairs_b) = one_level_with_keys(a), one_level_with_keys(b)
    if type(a) is dict and data_a != data_b:
        out.append(f"{place}dict keys {list(data_a)} against {list(data_b)}")
    elif len(pairs_a) != len(pairs_b):
        out.append(f"{place}{a_type(a)} of length {len(pairs_a)} against one of length {len(pairs_b)}")
    elif data_a != data_b:
        out.append(f"{place}{a_type(a)} with data {data_a!r} against one with {data_b!r}")
    else:
        for (key, x), (_, y) in zip(pairs_a, pairs_b, strict=True):
            _compare(x, y, (*path, key), out, is_leaf)
