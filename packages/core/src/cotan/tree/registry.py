"""Which classes are nodes of pytrees, and how they come apart and together. Knows nodes one at a time, never a tree.

tuple, list, dict and None are taken apart in ``treedef`` by code of their own; this table says that they are nodes, and
holds everything else. Namedtuples need no registration.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from cotan.errors import a_type, where
from cotan.tree.keys import DictKey, FlattenedIndexKey, GetAttrKey, KeyEntry, SequenceKey

C = TypeVar("C", bound=type)


class Node(NamedTuple):
    """How a registered class is taken apart and put together.

    Attributes:
      flatten: object -> (children, auxiliary data).
      unflatten: (auxiliary data, children) -> object.
      flatten_with_keys: object -> (pairs of key and child, auxiliary data), or None.
      child_keys: auxiliary data, number of children -> the keys, where they do not depend on the object; or None.
    """

    flatten: Callable[[Any], tuple[Iterable[Any], Any]]
    unflatten: Callable[[Any, Any], Any]
    flatten_with_keys: Callable[[Any], tuple[Iterable[tuple[KeyEntry, Any]], Any]] | None = None
    child_keys: Callable[[Any, int], Sequence[KeyEntry]] | None = None


NoneType = type(None)


def sorted_keys(node: dict[Any, Any]) -> list[Any]:
    """The keys of a dict in the order of its children.

    Raises:
      ValueError: the keys cannot be compared with each other.
    """
    try:
        return sorted(node)
    except TypeError as error:
        raise ValueError(
            f"the keys of a dict in a pytree must be sortable, and {list(node)} are not ({error}); "
            "use keys of one type, or an OrderedDict"
        ) from None


def _unused(*args: Any) -> Any:
    raise AssertionError("tuple, list, dict and None are handled in cotan.tree.treedef")


def _dict_keys(data: Any, _: int) -> Sequence[KeyEntry]:
    return [DictKey(key) for key in data]


def _sequence_keys(_: Any, n: int) -> Sequence[KeyEntry]:
    return [SequenceKey(i) for i in range(n)]


def _flatten_defaultdict(d: defaultdict[Any, Any]) -> tuple[list[Any], Any]:
    keys = sorted_keys(d)
    return [d[key] for key in keys], (d.default_factory, tuple(keys))


nodes: dict[type, Node] = {
    tuple: Node(_unused, _unused, child_keys=_sequence_keys),
    list: Node(_unused, _unused, child_keys=_sequence_keys),
    dict: Node(_unused, _unused, child_keys=_dict_keys),
    NoneType: Node(_unused, _unused, child_keys=lambda data, n: ()),
    OrderedDict: Node(
        lambda d: (list(d.values()), tuple(d)),
        lambda keys, children: OrderedDict(zip(keys, children, strict=True)),
        child_keys=_dict_keys,
    ),
    defaultdict: Node(
        _flatten_defaultdict,
        lambda data, children: defaultdict(data[0], zip(data[1], children, strict=True)),
        child_keys=lambda data, n: _dict_keys(data[1], n),
    ),
}


def is_namedtuple(node_type: type) -> bool:
    """Whether a class is a namedtuple."""
    return (
        issubclass(node_type, tuple)
        and node_type is not tuple
        and isinstance(getattr(node_type, "_fields", None), tuple)
    )


def is_tree_node(typ: type) -> bool:
    """Whether instances of exactly this class are nodes, not leaves.

    >>> is_tree_node(dict), is_tree_node(str)
    (True, False)
    """
    return typ in nodes or is_namedtuple(typ)


def keys_of_children(node_type: type, data: Any, n: int) -> Sequence[KeyEntry]:
    """The keys of a node's children, as far as they are known without the object."""
    node = nodes.get(node_type)
    if node is None:
        return [GetAttrKey(field) for field in node_type._fields]  # type: ignore[attr-defined]
    if node.child_keys is not None:
        return node.child_keys(data, n)
    return [FlattenedIndexKey(i) for i in range(n)]


def _register(nodetype: type, node: Node, caller: str) -> None:
    if not isinstance(nodetype, type):
        raise TypeError(f"{caller}: a class is needed, got {nodetype!r} of type {type(nodetype).__name__}")
    if nodetype in nodes:
        raise ValueError(
            f"{caller}: {nodetype.__module__}.{nodetype.__qualname__} is already registered as a pytree node"
        )
    nodes[nodetype] = node


def register_pytree_node(
    nodetype: type,
    flatten_func: Callable[[Any], tuple[Iterable[Any], Hashable]],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_with_keys_func: Callable[[Any], tuple[Iterable[tuple[KeyEntry, Any]], Any]] | None = None,
) -> None:
    """Make a class a node of pytrees.

    Args:
      nodetype: the class; its subclasses stay leaves.
      flatten_func: object -> (children, auxiliary data). The data must be comparable for use with jit, and is
        found sooner if it is hashable.
      unflatten_func: (auxiliary data, children) -> object. Children may be any objects, not only arrays.
      flatten_with_keys_func: object -> (pairs of key and child, auxiliary data), for messages and key paths.

    Raises:
      ValueError: the class is registered already. TypeError: it is not a class.

    >>> class Point:
    ...     def __init__(self, x, y): self.x, self.y = x, y
    >>> register_pytree_node(Point, lambda p: ((p.x, p.y), None), lambda _, xy: Point(*xy))
    """
    _register(nodetype, Node(flatten_func, unflatten_func, flatten_with_keys_func), "register_pytree_node")


def _check_node_class(name: str, cls: Any, flatten: str) -> None:
    if not isinstance(cls, type) or not (hasattr(cls, flatten) and hasattr(cls, "tree_unflatten")):
        got = f"the class {cls.__qualname__}, which has not both" if isinstance(cls, type) else a_type(cls)
        raise TypeError(
            f"{where()}: {name} takes a class with {flatten}() and tree_unflatten(aux, children), not {got}"
        )


def register_pytree_node_class(cls: C) -> C:
    """Class decorator: register a class that has ``tree_flatten()`` and ``tree_unflatten(aux, children)``.

    The second is a class method.
    """
    _check_node_class("register_pytree_node_class", cls, "tree_flatten")
    _register(cls, Node(lambda x: x.tree_flatten(), cls.tree_unflatten), "register_pytree_node_class")  # type: ignore[attr-defined]
    return cls


def register_pytree_with_keys(
    nodetype: type,
    flatten_with_keys: Callable[[Any], tuple[Iterable[tuple[KeyEntry, Any]], Hashable]],
    unflatten_func: Callable[[Any, Any], Any],
    flatten_func: Callable[[Any], tuple[Iterable[Any], Hashable]] | None = None,
) -> None:
    """Make a class a node of pytrees whose children have names.

    Args:
      nodetype: the class.
      flatten_with_keys: object -> (pairs of key and child, auxiliary data).
      unflatten_func: (auxiliary data, children) -> object.
      flatten_func: object -> (children, auxiliary data), if it can be done faster than with keys.
    """
    if flatten_func is None:

        def flatten_func(x: Any) -> tuple[Iterable[Any], Hashable]:
            pairs, data = flatten_with_keys(x)
            return [child for _, child in pairs], data

    _register(nodetype, Node(flatten_func, unflatten_func, flatten_with_keys), "register_pytree_with_keys")


def register_pytree_with_keys_class(cls: C) -> C:
    """Class decorator: register a class that has ``tree_flatten_with_keys()`` and ``tree_unflatten(aux, children)``.

    Its ``tree_flatten()`` is used where keys are not needed, if it has one.
    """
    _check_node_class("register_pytree_with_keys_class", cls, "tree_flatten_with_keys")
    flatten = (lambda x: x.tree_flatten()) if hasattr(cls, "tree_flatten") else None
    register_pytree_with_keys(cls, lambda x: x.tree_flatten_with_keys(), cls.tree_unflatten, flatten)  # type: ignore[attr-defined]
    return cls


def register_static(cls: C) -> C:
    """Class decorator: instances are nodes without leaves; the instance itself is part of the structure.

    Under jit such an argument is static, so the class must be hashable and comparable.
    """
    _register(cls, Node(lambda x: ((), x), lambda x, _: x, child_keys=lambda data, n: ()), "register_static")
    return cls


def _dataclass_fields(
    nodetype: type, data_fields: Sequence[str] | None, meta_fields: Sequence[str] | None, drop_fields: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not isinstance(nodetype, type):
        raise TypeError(f"{where()}: register_dataclass takes a class, not {a_type(nodetype)}")
    name = nodetype.__qualname__
    if not dataclasses.is_dataclass(nodetype):
        if data_fields is None or meta_fields is None:
            raise TypeError(
                f"register_dataclass: {name} is not a dataclass, so data_fields and meta_fields must be given"
            )
        return tuple(data_fields), tuple(meta_fields)
    fields = {field.name: field for field in dataclasses.fields(nodetype) if field.init}
    if (data_fields is None) != (meta_fields is None):
        raise TypeError("register_dataclass: give both data_fields and meta_fields, or neither")
    if data_fields is None or meta_fields is None:
        meta_fields = [n for n, f in fields.items() if f.metadata.get("static", False) and n not in drop_fields]
        data_fields = [n for n in fields if n not in meta_fields and n not in drop_fields]
    named = [*data_fields, *meta_fields, *drop_fields]
    if missing := [n for n in fields if n not in named]:
        raise ValueError(f"register_dataclass: {name} has fields that are in none of the lists: {', '.join(missing)}")
    if unknown := [n for n in (*data_fields, *meta_fields) if n not in fields]:
        raise ValueError(f"register_dataclass: {name} has no fields named {', '.join(unknown)} that __init__ takes")
    return tuple(data_fields), tuple(meta_fields)


def static(**kwargs: Any) -> Any:
    """A field of a dataclass that is part of the structure of a pytree; as ``dataclasses.field`` otherwise.

    >>> from dataclasses import dataclass
    >>> @register_dataclass
    ... @dataclass
    ... class Layer:
    ...     w: object
    ...     name: str = static(default="dense")
    """
    metadata = {**(kwargs.pop("metadata", None) or {}), "static": True}
    return dataclasses.field(metadata=metadata, **kwargs)


def register_dataclass(
    nodetype: Any = None,
    data_fields: Sequence[str] | None = None,
    meta_fields: Sequence[str] | None = None,
    drop_fields: Sequence[str] = (),
) -> Any:
    """Make a dataclass a node of pytrees; usable as a class decorator.

    Args:
      nodetype: the dataclass (or another class with these attributes whose constructor takes them by keyword).
      data_fields: the fields that are children. By default all that are not marked as static.
      meta_fields: the fields that are part of the structure; they must be comparable. By default those
        declared with ``field(metadata={"static": True})``.
      drop_fields: fields that are left out, and get their default when the object is put together again.

    Returns:
      The class.

    Raises:
      ValueError: the lists do not cover the fields, or name others.

    >>> from dataclasses import dataclass
    >>> @register_dataclass
    ... @dataclass
    ... class Layer:
    ...     w: object
    ...     b: object
    """
    if nodetype is None:
        return lambda cls: register_dataclass(cls, data_fields, meta_fields, drop_fields)
    data, meta = _dataclass_fields(nodetype, data_fields, meta_fields, drop_fields)
    names = (*meta, *data)
    keys = tuple(GetAttrKey(name) for name in data)

    def flatten(x: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return tuple([getattr(x, name) for name in data]), tuple([getattr(x, name) for name in meta])

    def unflatten(aux: tuple[Any, ...], children: Iterable[Any]) -> Any:
        return nodetype(**dict(zip(names, (*aux, *children), strict=True)))

    _register(nodetype, Node(flatten, unflatten, child_keys=lambda aux, n: keys), "register_dataclass")
    return nodetype
