"""Key paths, prefixes and Partial."""

import functools
import pickle
from collections import OrderedDict, namedtuple
from typing import Any

import pytest

from cotan import tree, tree_util
from cotan.tree.prefix import flatten_axes, prefix_error

Point = namedtuple("Point", ["x", "y"])


class Plain:
    def __init__(self, *items: Any) -> None:
        self.items = items


tree_util.register_pytree_node(Plain, lambda p: (p.items, None), lambda _, items: Plain(*items))


def test_paths() -> None:
    value = {"a": [1, Point(2, (3,))], "b": OrderedDict(z=4), "c": Plain(5)}
    paths = [tree_util.keystr(path) for path, _ in tree.leaves_with_path(value)]
    assert paths == ["['a'][0]", "['a'][1].x", "['a'][1].y[0]", "['b']['z']", "['c'][<flat index 0>]"]
    assert [tree_util.keystr(path) for path in tree.structure(value).paths()] == paths


def test_simple_paths() -> None:
    path = tree.leaves_with_path({"a": [Point(Plain(1), 2)]})[0][0]
    assert tree_util.keystr(path, simple=True, separator="/") == "a/0/x/0"
    assert tree_util.keystr(path, separator=" ") == "['a'] [0] .x [<flat index 0>]"
    assert tree_util.keystr(()) == ""


def test_keys_are_values() -> None:
    assert tree_util.DictKey("a") == tree_util.DictKey("a")
    assert len({tree_util.SequenceKey(0), tree_util.SequenceKey(0), tree_util.FlattenedIndexKey(0)}) == 2
    assert repr(tree_util.GetAttrKey("x")) == "GetAttrKey(name='x')"


def test_keys_of_the_users_own() -> None:
    class Shelf:
        def __init__(self, book: Any) -> None:
            self.book = book

    tree_util.register_pytree_with_keys(Shelf, lambda s: ((("book", s.book),), None), lambda _, c: Shelf(*c))
    path = tree.leaves_with_path([Shelf(1)])[0][0]
    assert tree_util.keystr(path) == "[0]book"


def test_flatten_with_path_of_leaves_and_is_leaf() -> None:
    assert tree.flatten_with_path(5)[0] == [((), 5)]
    pairs, structure = tree.flatten_with_path({"a": (1, 2)}, is_leaf=lambda x: isinstance(x, tuple))
    assert pairs == [((tree_util.DictKey("a"),), (1, 2))]
    assert structure == tree.structure({"a": 0})


def test_map_with_path() -> None:
    found = tree.map_with_path(lambda p, x, y: (tree_util.keystr(p), x, y), [1, {"a": 2}], [3, {"a": [4]}])
    assert found == [("[0]", 1, 3), {"a": ("[1]['a']", 2, [4])}]
    with pytest.raises(ValueError, match=r"differ at \[0\]"):
        tree.map_with_path(lambda *_: 0, [(1,)], [2])


def test_prefixes() -> None:
    full = ({"a": 1, "b": [2, 3]}, None, 4)
    assert tree_util.broadcast_prefix(0, full) == [0, 0, 0, 0]
    assert tree_util.broadcast_prefix(({"a": 7, "b": 8}, None, 9), full) == [7, 8, 8, 9]
    assert tree.broadcast((5, None, 6), full) == ({"a": 5, "b": [5, 5]}, None, 6)
    with pytest.raises(
        ValueError,
        match=r"first tree is not a prefix of the second: prefix_tree\[0\] is a tuple, but the value there is a dict",
    ):
        tree_util.broadcast_prefix(((1, 2), None, 3), full)


def test_none_is_a_leaf_of_axes() -> None:
    structure = tree.structure(((1, {"w": 2, "b": 3}), 4))
    assert flatten_axes("vmap in_axes", structure, None) == [None] * 4
    assert flatten_axes("vmap in_axes", structure, ((0, {"w": 1, "b": None}), None)) == [0, None, 1, None]
    assert flatten_axes("vmap in_axes", tree.structure((None, 1)), (None, 0)) == [0]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ((0,), r"in_axes is a tuple of length 1, but the value there is a tuple of length 2"),
        ([0, 0], r"in_axes is a list, but the value there is a tuple"),
        (((0, {"w": 0}), 0), r"in_axes\[0\]\[1\] has the keys \['w'\], but the value there has the keys \['b', 'w'\]"),
        ((0, (0,)), r"in_axes\[1\] is a tuple, but the value there is a leaf"),
    ],
)
def test_axes_that_do_not_fit(axes: Any, message: str) -> None:
    structure = tree.structure(((1, {"w": 2, "b": 3}), 4))
    with pytest.raises(ValueError, match=rf"^vmap in_axes must have the structure of the value.*{message}"):
        flatten_axes("vmap in_axes", structure, axes)
    assert prefix_error(0, structure) == ""


def test_partial_is_a_tree_of_its_arguments() -> None:
    p = tree_util.Partial(pow, 2, exp=3)
    leaves, structure = tree.flatten(p)
    assert leaves == [2, 3]
    again = structure.unflatten([3, 2])
    assert isinstance(again, tree_util.Partial)
    assert again() == 9
    assert tree.structure(tree_util.Partial(pow, 5, exp=1)) == structure
    assert hash(tree.structure(tree_util.Partial(pow, 5, exp=1))) == hash(structure)
    assert pickle.loads(pickle.dumps(p))() == 8
    assert tree_util.keystr(tree.leaves_with_path(p)[1][0]) == ".keywords['exp']"


def test_partial_of_partials() -> None:
    merged = tree_util.Partial(tree_util.Partial(divmod, 7), 2)
    assert (merged(), tree.leaves(merged)) == ((3, 1), [7, 2])
    fixed = tree_util.Partial(functools.partial(divmod, 7), 2)
    assert (fixed(), tree.leaves(fixed)) == ((3, 1), [2])
    same, other = (tree_util.Partial(functools.partial(divmod, n), 2) for n in (7, 8))
    assert tree.structure(fixed) == tree.structure(same)
    assert tree.structure(fixed) != tree.structure(other)
    assert hash(tree.structure(fixed)) == hash(tree.structure(same))
