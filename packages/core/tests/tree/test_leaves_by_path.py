"""Walks with key paths where ``is_leaf`` is told the path as well."""

from collections import OrderedDict, namedtuple

import pytest

import cotan
from cotan.tree_util import (
    keystr,
    tree_flatten_with_path,
    tree_leaves_with_path,
    tree_map_with_path,
    tree_structure,
    tree_unflatten,
)

Pair = namedtuple("Pair", "x y")
TREES = [
    {"b": [(3,), 4], "a": (1, 2)},
    (1, (2, (3, (4,)))),
    OrderedDict(z=[1, None], a={"q": ()}),
    Pair([1, 2], {"k": Pair(3, 4)}),
    [None, (), {}],
    5,
    None,
]


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("depth", [0, 1, 2, 9])
def test_leaves_at_a_depth(tree, depth):
    def deep(path, x):
        return len(path) >= depth

    pairs, treedef = tree_flatten_with_path(tree, deep, True)
    assert all(len(path) <= depth for path, _ in pairs)
    assert tree_unflatten(treedef, [leaf for _, leaf in pairs]) == tree
    assert treedef.num_leaves == len(pairs)
    assert tree_leaves_with_path(tree, is_leaf=deep, is_leaf_takes_path=True) == pairs
    assert tree_map_with_path(lambda path, x: x, tree, is_leaf=deep, is_leaf_takes_path=True) == tree
    if depth == 9:
        assert treedef == tree_structure(tree)


def test_a_path_says_which_is_a_leaf():
    tree = {"a": (1, 2), "b": [(3,), 4]}

    def tuple_at_top(path, x):
        return isinstance(x, tuple) and len(path) == 1

    pairs, treedef = tree_flatten_with_path(tree, is_leaf=tuple_at_top, is_leaf_takes_path=True)
    assert [(keystr(path), leaf) for path, leaf in pairs] == [("['a']", (1, 2)), ("['b'][0][0]", 3), ("['b'][1]", 4)]
    assert str(treedef) == "PyTreeDef({'a': *, 'b': [(*,), *]})"
    others = {"a": "A", "b": [("B",), "C"]}
    mapped = cotan.tree.map_with_path(
        lambda path, x, y: (len(path), y), tree, others, is_leaf=tuple_at_top, is_leaf_takes_path=True
    )
    assert mapped == {"a": (1, "A"), "b": [((3, "B"),), (2, "C")]}


def test_without_a_function_the_option_means_nothing():
    assert tree_leaves_with_path({"a": 1}, None, True) == tree_leaves_with_path({"a": 1})
