"""The registry of nodes as an object: what its methods say is what the functions say."""

from __future__ import annotations

import dataclasses

import pytest

import cotan
from cotan.tree_util import DictKey, SequenceKey, default_registry

_TREE = {"b": [1, None, (2, 3)], "a": 4}


def test_trees_come_apart():
    assert default_registry.flatten(_TREE) == cotan.tree.flatten(_TREE)
    is_tuple = lambda x: isinstance(x, tuple)  # noqa: E731
    assert default_registry.flatten(_TREE, is_tuple) == cotan.tree.flatten(_TREE, is_tuple)
    assert default_registry.flatten_with_path(_TREE) == cotan.tree.flatten_with_path(_TREE)
    leaves, tree = default_registry.flatten_with_path(_TREE, lambda path, x: path == (DictKey("b"), SequenceKey(2)))
    assert [leaf for _, leaf in leaves] == [4, 1, (2, 3)]
    assert tree == cotan.tree.structure(_TREE, is_leaf=is_tuple)


def test_one_level():
    assert default_registry.flatten_one_level(_TREE) == ([4, [1, None, (2, 3)]], ("a", "b"))
    assert default_registry.flatten_one_level_with_keys((5, 6))[0] == [(SequenceKey(0), 5), (SequenceKey(1), 6)]
    assert default_registry.flatten_one_level(7) is None
    assert default_registry.flatten_one_level_with_keys("leaf") is None


def test_classes_become_nodes():
    class Pair:
        def __init__(self, x, y):
            self.x, self.y = x, y

    @dataclasses.dataclass
    class Named:
        value: object
        name: str

    assert not default_registry.is_node(Pair)
    default_registry.register_node(Pair, lambda p: ((p.x, p.y), None), lambda _, xy: Pair(*xy))
    default_registry.register_dataclass_node(Named, ["value"], ["name"])
    assert default_registry.is_node(Pair)
    doubled = cotan.tree.map(lambda x: 2 * x, Pair(1, Named(3, "n")))
    assert (doubled.x, doubled.y) == (2, Named(6, "n"))
    with pytest.raises(ValueError, match="already registered"):
        default_registry.register_node(Pair, lambda p: ((), None), lambda _, xy: None)
