"""Pytrees: which nodes there are, taking them apart and together, and what is refused."""

import copy
import dataclasses
import pickle
from collections import OrderedDict, defaultdict, deque, namedtuple
from typing import Any

import numpy as np
import pytest

from cotan import tree, tree_util

Point = namedtuple("Point", ["x", "y"])


class Mapping(dict[str, int]):
    pass


class SubPoint(Point):
    pass


@tree_util.register_pytree_node_class
class Box:
    def __init__(self, items: Any, label: Any = None) -> None:
        self.items, self.label = items, label

    def tree_flatten(self) -> tuple[Any, Any]:
        return self.items, self.label

    @classmethod
    def tree_unflatten(cls, label: Any, items: Any) -> "Box":
        return cls(items, label)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and (list(self.items), self.label) == (list(other.items), other.label)

    __hash__ = None  # type: ignore[assignment]


@tree_util.register_pytree_with_keys_class
class Pair:
    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second

    def tree_flatten_with_keys(self) -> Any:
        return [(tree_util.GetAttrKey("first"), self.first), (tree_util.GetAttrKey("second"), self.second)], None

    @classmethod
    def tree_unflatten(cls, _: Any, children: Any) -> "Pair":
        return cls(*children)


@tree_util.register_dataclass
@dataclasses.dataclass
class Layer:
    w: Any
    b: Any
    name: str = dataclasses.field(default="layer", metadata={"static": True})


@tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Setting:
    n: int


TREES: list[tuple[Any, list[Any], str]] = [
    (1, [1], "*"),
    (None, [], "None"),
    ((), [], "()"),
    ((1,), [1], "(*,)"),
    ([1, (2, None)], [1, 2], "[*, (*, None)]"),
    ({"b": 1, "a": {"d": 2, "c": 3}}, [3, 2, 1], "{'a': {'c': *, 'd': *}, 'b': *}"),
    ({2: "x", 1: "y"}, ["y", "x"], "{1: *, 2: *}"),
    (Point(1, [2]), [1, 2], "Point(x=*, y=[*])"),
    (SubPoint(1, 2), [1, 2], "SubPoint(x=*, y=*)"),
    (OrderedDict([("b", 1), ("a", 2)]), [1, 2], "OrderedDict[('b', 'a')](*, *)"),
    (defaultdict(list, {"b": 1, "a": 2}), [2, 1], f"defaultdict[({list!r}, ('a', 'b'))](*, *)"),
    (Box([1, (2, 3)], "label"), [1, 2, 3], "Box['label'](*, (*, *))"),
    (Layer(1, {"x": 2}, "n"), [1, 2], "Layer[('n',)](*, {'x': *})"),
    ([Setting(3), 1], [1], "[Setting[Setting(n=3)](), *]"),
]


@pytest.mark.parametrize(("value", "leaves", "shown"), TREES, ids=[shown for *_, shown in TREES])
def test_apart_and_together(value: Any, leaves: list[Any], shown: str) -> None:
    found, structure = tree.flatten(value)
    assert found == leaves
    assert repr(structure) == f"PyTreeDef({shown})"
    again = tree.unflatten(structure, found)
    assert type(again) is type(value)
    assert again == value
    assert structure.num_leaves == len(leaves)
    assert tree.structure(again) == structure
    assert hash(tree.structure(again)) == hash(structure)
    assert pickle.loads(pickle.dumps(structure)) == structure
    assert copy.deepcopy(structure).unflatten(leaves) == value
    assert [leaf for _, leaf in tree.leaves_with_path(value)] == leaves
    assert len(structure.paths()) == len(leaves)
    for _ in range(100):  # structures that put trees together again and again do it in another way
        again = structure.unflatten(leaves)
        assert type(again) is type(value)
        assert again == value
    with pytest.raises(ValueError, match=f"has {len(leaves)} leaves, got {len(leaves) + 1}"):
        structure.unflatten([*leaves, 1])


def test_together_again_and_again_keeps_what_equals_and_is_not_the_same() -> None:
    deep: Any = 0
    for _ in range(300):
        deep = [deep]
    for value in (deep, {1: 5, 2: {True: 6}}, {"a'\n{x}": 1, "b": [(), {}, None]}, [0] * 3000):
        leaves, structure = tree.flatten(value)
        for _ in range(100):
            assert repr(structure.unflatten(iter(leaves))) == repr(value)
    first, second = (structure.unflatten(leaves) for _ in range(2))
    assert first is not second


def test_all_structures_are_different() -> None:
    structures = [tree.structure(value) for value, *_ in TREES]
    assert len(set(structures)) == len(structures)


@pytest.mark.parametrize("leaf", ["text", {1, 2}, deque([1]), range(3), np.ones(2), Mapping(a=1), object(), 1.5])
def test_leaves(leaf: Any) -> None:
    assert tree.leaves(leaf)[0] is leaf
    assert tree_util.all_leaves([leaf])
    assert not tree_util.is_tree_node(type(leaf))


def test_dicts_come_back_sorted_and_plain() -> None:
    structure = tree.structure({"b": 1, "a": 2})
    assert list(structure.unflatten([1, 2])) == ["a", "b"]
    factory = tree.map(lambda x: x, defaultdict(list, b=1)).default_factory
    assert factory is list


def test_keys_that_are_equal_but_not_the_same_stay_themselves() -> None:
    assert repr(tree.map(lambda x: x, {1: 0})) == "{1: 0}"
    assert repr(tree.map(lambda x: x, {True: 0})) == "{True: 0}"
    assert repr(tree.map(lambda x: x, [{1.0: 0}])) == "[{1.0: 0}]"
    assert tree.map(lambda x: x, Box([1], True)).label is True
    assert tree.map(lambda x: x, (Box([1], 1),))[0].label == 1


def test_unsortable_keys() -> None:
    with pytest.raises(ValueError, match=r"keys of a dict in a pytree must be sortable, and \[1, 'a'\] are not"):
        tree.flatten({1: 0, "a": 0})


def test_structures_of_common_trees_are_shared() -> None:
    assert tree.structure([{"a": 1}, (2, None)]) is tree.structure([{"a": 3}, (4, None)])


def test_equality_of_structures() -> None:
    assert tree.structure((1, 2)) != tree.structure([1, 2])
    assert tree.structure(1) != tree.structure(None)
    assert tree.structure(Box([1], "a")) != tree.structure(Box([1], "b"))
    assert tree.structure(OrderedDict(a=1, b=2)) != tree.structure(OrderedDict(b=1, a=2))
    assert tree.structure(defaultdict(list, a=1)) != tree.structure(defaultdict(int, a=1))
    assert tree.structure(Point(1, 2)) != tree.structure((1, 2))
    assert tree.structure((1,)) != "PyTreeDef((*,))"


def test_structures_with_unhashable_data_are_keys() -> None:
    table = {tree.structure((Box([1], [name]), n)): name for name in "xy" for n in (0, [0])}
    assert len(table) == 4
    assert table[tree.structure((Box([2], ["y"]), 3))] == "y"
    assert tree.structure((Box([2], ["z"]), 3)) not in table


def test_is_leaf_is_asked_first() -> None:
    value = {"a": None, "b": (1, 2)}
    assert tree.leaves(value, is_leaf=lambda x: x is None) == [None, 1, 2]
    assert tree.leaves(value, is_leaf=lambda x: isinstance(x, tuple)) == [(1, 2)]
    assert tree.leaves(value, is_leaf=lambda x: True) == [value]
    assert tree.map(lambda x: 0, value, is_leaf=lambda x: x is None) == {"a": 0, "b": (0, 0)}
    assert tree.structure(value, is_leaf=lambda x: isinstance(x, tuple)).unflatten([7]) == {"a": None, "b": 7}


def test_map_with_subtrees_in_the_rest() -> None:
    assert tree.map(lambda x, y: (x, y), [1, {"a": 2}], [[3, 4], {"a": None}]) == [(1, [3, 4]), {"a": (2, None)}]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            [1, 2],
            (1, 2),
            r"tree_map: the first tree and tree number 2 do not match: .* a list .* expected, got a tuple",
        ),
        ((1, 2), (1, 2, 3), r"a tuple with 2 children is expected, got one with 3"),
        ({"a": [1]}, {"a": 1}, r"differ at \['a'\]: a list \(\[\*\]\) is expected, got a leaf of type int"),
        (
            {"a": 1, "b": 2},
            {"a": 1, "c": 2},
            r"\['a', 'b'\] are expected, got \['a', 'c'\]; missing: \['b'\]; not expected: \['c'\]",
        ),
        ([None], [1], r"at \[0\]: a None \(None\) is expected, got a leaf of type int"),
        ([Point(1, (2,))], [Point(1, [2])], r"at \[0\]\.y: a tuple .* is expected, got a list"),
        (Box([1], "a"), Box([1], "b"), r"a Box with data 'a' is expected, got one with 'b'"),
        (Pair(1, [2]), Pair(1, 2), r"at \.second: a list"),
    ],
)
def test_map_refuses_other_structures(first: Any, second: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tree.map(lambda x, y: x, first, second)


def test_too_few_and_too_many_leaves() -> None:
    structure = tree.structure((1, [2]))
    for leaves in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match=rf"tree_unflatten: PyTreeDef.* has 2 leaves, got {len(leaves)}"):
            structure.unflatten(leaves)
    with pytest.raises(ValueError, match="has 1 leaves, got 0"):
        tree.structure(0).unflatten([])
    assert tree.unflatten(structure, iter("ab")) == ("a", ["b"])


def test_reductions() -> None:
    value = {"a": 1, "b": (2, [3])}
    assert tree.reduce(lambda x, y: x + y, value) == 6
    assert tree.reduce(lambda x, y: x + [y], value, []) == [1, 2, 3]
    assert tree.reduce(lambda x, y: x + y, (), 5) == 5
    with pytest.raises(TypeError, match="tree_reduce: the tree has no leaves"):
        tree.reduce(lambda x, y: x, None)
    assert tree.reduce_associative(lambda x, y: f"({x}{y})", list("abcde")) == "(((ab)(cd))e)"
    assert tree.reduce_associative(lambda x, y: x, [], identity=0) == 0
    with pytest.raises(TypeError, match="no leaves, and no identity"):
        tree.reduce_associative(lambda x, y: x, [])
    assert tree.all(((), None))
    assert not tree.all([1, {"a": 0}])


def test_transpose() -> None:
    value = [{"a": (1, 2), "b": 3}, {"a": (4, 5), "b": 6}]
    inner = tree.structure({"a": (0, 0), "b": 0})
    expected = {"a": ([1, 4], [2, 5]), "b": [3, 6]}
    assert tree.transpose(tree.structure([0, 0]), inner, value) == expected
    assert tree.transpose(tree.structure([0, 0]), None, value) == expected
    with pytest.raises(TypeError, match=r"tree_transpose: a tree with the structure PyTreeDef\(\[\*\]\) that has"):
        tree.transpose(tree.structure([0]), inner, value)
    assert tree.transpose(tree.structure([0, 0]), tree.structure((0, 0)), [[1, 2], (3, 4)]) == ([1, 3], [2, 4])


def test_structures_as_trees() -> None:
    structure = tree.structure((1, [2, None]))
    assert tree_util.treedef_children(structure) == [tree.structure(1), tree.structure([2, None])]
    assert tree_util.treedef_tuple(structure.children()) == structure
    assert structure.num_nodes == 5
    assert structure.node_data() == (tuple, None)
    assert tree.structure(1).node_data() is None
    assert tree.structure(1).children() == []
    assert tree_util.treedef_is_leaf(tree.structure(1))
    assert not tree_util.treedef_is_leaf(structure)
    assert tree_util.treedef_is_strict_leaf(tree.structure(1))
    assert not tree_util.treedef_is_strict_leaf(tree.structure(None))
    assert tree.structure([1, 2]).compose(tree.structure((3,))) == tree.structure([(1,), (2,)])
    assert tree_util.build_tree(structure, [1, [2, []]]) == (1, [2, None])
    with pytest.raises(ValueError, match=r"build_tree: .* has 2 children at its root, got 1 items"):
        tree_util.build_tree(structure, [1])


def test_registering_twice_or_what_is_no_class() -> None:
    with pytest.raises(ValueError, match=r"register_pytree_node_class: .*Box is already registered"):
        tree_util.register_pytree_node_class(Box)
    with pytest.raises(ValueError, match="tuple is already registered"):
        tree_util.register_pytree_node(tuple, lambda x: (x, None), lambda _, x: x)
    with pytest.raises(TypeError, match="a class is needed, got 3"):
        tree_util.register_pytree_node(3, lambda x: (x, None), lambda _, x: x)  # type: ignore[arg-type]


def test_subclasses_of_registered_classes_are_leaves() -> None:
    class Small(Box):
        pass

    small = Small([1])
    assert tree.leaves(small)[0] is small


def test_a_flatten_function_that_returns_no_pair() -> None:
    class Odd:
        pass

    tree_util.register_pytree_node(Odd, lambda x: [1, 2, 3], lambda _, x: Odd())  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match=r"registered for .*Odd must return a pair .*got \[1, 2, 3\]"):
        tree.flatten([Odd()])


def test_dataclasses() -> None:
    layer = tree.map(lambda x: 10 * x, Layer(1, 2, "n"))
    assert layer == Layer(10, 20, "n")
    assert tree_util.keystr(tree.leaves_with_path([layer])[1][0]) == "[0].b"

    @dataclasses.dataclass
    class Half:
        a: Any
        b: Any
        c: int = 7

    for data, meta, message in (
        (["a"], ["b"], "fields that are in none of the lists: c"),
        (["a", "b", "d"], ["c"], "no fields named d"),
    ):
        with pytest.raises(ValueError, match=message):
            tree_util.register_dataclass(Half, data, meta)
    with pytest.raises(TypeError, match="give both"):
        tree_util.register_dataclass(Half, ["a"])
    tree_util.register_dataclass(data_fields=["a"], meta_fields=["b"], drop_fields=["c"])(Half)
    assert tree.map(lambda x: x + 1, Half(1, "m", 3)) == Half(2, "m", 7)


def test_classes_that_are_no_dataclass_need_their_fields_named() -> None:
    class Plain:
        def __init__(self, a: Any, b: Any) -> None:
            self.a, self.b = a, b

    with pytest.raises(TypeError, match="Plain is not a dataclass, so data_fields and meta_fields must be given"):
        tree_util.register_dataclass(Plain)
    tree_util.register_dataclass(Plain, ["a"], ["b"])
    assert tree.map(lambda x: -x, Plain(1, "s")).a == -1


def test_one_level() -> None:
    assert tree_util.flatten_one_level({"b": [1], "a": 2}) == ([2, [1]], ("a", "b"))
    pairs, data = tree_util.flatten_one_level_with_keys(Point(1, 2))
    assert [(str(key), child) for key, child in pairs] == [(".x", 1), (".y", 2)]
    assert data is None
    with pytest.raises(ValueError, match="type int is a leaf"):
        tree_util.flatten_one_level(1)


def test_what_differs_in_words() -> None:
    errors = tree_util.equality_errors
    assert errors([1, {"a": 2}], [3, {"a": 4}]) == []
    assert errors([1, 2], [1]) == ["a list of length 2 against one of length 1"]
    assert errors({"a": (1, None)}, {"a": (1, 2)}) == ["at ['a'][1]: None against a leaf of type int"]
    assert errors({"a": 1}, {"b": 1}) == ["dict keys ['a'] against ['b']"]
    assert errors(Box([1], "a"), Box([1], "b")) == ["a Box with data 'a' against one with 'b'"]
    assert len(errors([1, (2,)], [(1,), 2])) == 2


def test_deep_trees() -> None:
    value: Any = 0
    for _ in range(200):
        value = [value]
    leaves, structure = tree.flatten(value)
    assert structure.unflatten(leaves) == value
    assert structure == tree.structure(value)
