"""Structures of pytrees as data and back. Classes of the user's are written under names that the user registers."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cotan.errors import a_type
from cotan.tree import PyTreeDef, tree_structure
from cotan.tree.registry import NoneType, is_namedtuple, is_tree_node
from cotan.tree.treedef import LEAF, treedef_of


class NodeType(NamedTuple):
    """How nodes of a class are written."""

    name: str
    cls: type
    write_aux: Callable[[Any], bytes]
    read_aux: Callable[[bytes], Any]
    from_children: Callable[[Any, Sequence[Any]], Any] | None


_by_class: dict[type, NodeType] = {}
_by_name: dict[str, NodeType] = {}


def register_pytree_node_serialization(
    nodetype: type,
    *,
    serialized_name: str,
    serialize_auxdata: Callable[[Any], bytes],
    deserialize_auxdata: Callable[[bytes], Any],
    from_children: Callable[[Any, Sequence[Any]], Any] | None = None,
) -> type:
    """Let arguments and results of exported functions hold nodes of a class, which is registered as a pytree node.

    Args:
      nodetype: the class.
      serialized_name: what it is called in files; may never change.
      serialize_auxdata: a node's auxiliary data as bytes.
      deserialize_auxdata: the auxiliary data again. The bytes may come from a stranger.
      from_children: makes a node from auxiliary data and children; None: as the pytree registration says.

    Returns:
      The class.

    Raises:
      ValueError: the class, or the name, is registered already, or the class is one that needs no registration.

    >>> import cotan, json
    >>> class Point:
    ...     def __init__(self, x, y, unit): self.x, self.y, self.unit = x, y, unit
    >>> cotan.tree_util.register_pytree_node(
    ...     Point, lambda p: ((p.x, p.y), p.unit), lambda unit, xy: Point(*xy, unit))
    >>> _ = register_pytree_node_serialization(
    ...     Point, serialized_name="geometry.Point", serialize_auxdata=lambda unit: json.dumps(unit).encode(),
    ...     deserialize_auxdata=json.loads)
    """
    if nodetype in _PLAIN:
        raise ValueError(f"register_pytree_node_serialization: {nodetype.__name__} needs no registration")
    if nodetype in _by_class:
        raise ValueError(
            f"register_pytree_node_serialization: {nodetype.__name__} is registered already, as "
            f"{_by_class[nodetype].name!r}"
        )
    if serialized_name in _by_name:
        raise ValueError(
            f"register_pytree_node_serialization: the name {serialized_name!r} is taken by "
            f"{_by_name[serialized_name].cls.__name__}"
        )
    entry = NodeType(serialized_name, nodetype, serialize_auxdata, deserialize_auxdata, from_children)
    _by_class[nodetype] = _by_name[serialized_name] = entry
    return nodetype


def register_namedtuple_serialization(nodetype: type, *, serialized_name: str) -> type:
    """Let arguments and results of exported functions hold named tuples of a class.

    Raises:
      ValueError: it is no named tuple, or the class or the name is registered already.

    >>> from typing import NamedTuple
    >>> class Params(NamedTuple):
    ...     w: object
    ...     b: object
    >>> register_namedtuple_serialization(Params, serialized_name="model.Params") is Params
    True
    """
    if not is_namedtuple(nodetype):
        raise ValueError(
            f"register_namedtuple_serialization: {nodetype.__name__} is no named tuple; use "
            "register_pytree_node_serialization"
        )
    return register_pytree_node_serialization(
        nodetype, serialized_name=serialized_name, serialize_auxdata=lambda aux: b"", deserialize_auxdata=_no_aux
    )


def _no_aux(data: bytes) -> None:
    if data:
        raise ValueError("a named tuple has no auxiliary data")


_PLAIN: dict[type, str] = {
    tuple: "tuple",
    list: "list",
    dict: "dict",
    NoneType: "none",
    OrderedDict: "OrderedDict",
    defaultdict: "defaultdict",
}
_PLAIN_TYPES = {name: cls for cls, name in _PLAIN.items()}
_FACTORIES: dict[str, Any] = {"": None, "list": list, "dict": dict, "int": int, "float": float, "tuple": tuple}


def tree_data(tree: PyTreeDef) -> Any:
    """A structure as data: None for a leaf, else (name of the class, auxiliary data, children).

    Raises:
      ValueError: it holds a class that is not registered.
    """
    node = tree.node_data()
    if node is None:
        return None
    kind, aux = node
    children = tuple(map(tree_data, tree.children()))
    if kind in _PLAIN:
        return (_PLAIN[kind], _plain_aux(kind, aux), children)
    known = _by_class.get(kind)
    if known is None:
        advice = "register_namedtuple_serialization" if is_namedtuple(kind) else "register_pytree_node_serialization"
        raise ValueError(
            f"export: the arguments or results hold a {kind.__qualname__}, whose name in files is not known; see "
            f"cotan.export.{advice}"
        )
    data = known.write_aux(aux)
    if not isinstance(data, bytes | bytearray):
        raise ValueError(f"export: serialize_auxdata of {kind.__qualname__} returned {a_type(data)}, not bytes")
    return ("", (known.name, bytes(data)), children)


def _plain_aux(kind: type, aux: Any) -> Any:
    keys = aux
    if kind is defaultdict:
        factory, keys = aux
        name = next((name for name, known in _FACTORIES.items() if known is factory), None)
        if name is None:
            raise ValueError(
                f"export: a defaultdict makes its values by {factory!r}; only {_known_factories()} can be written"
            )
        aux = (name, keys)
    for key in keys or ():
        if type(key) not in (str, int, float, bool, bytes, tuple, type(None)):
            raise ValueError(
                f"export: a dictionary has a key {key!r} of type {type(key).__name__}, which cannot be written"
            )
    return aux


def _known_factories() -> str:
    return ", ".join(name or "None" for name in _FACTORIES)


def tree_from_data(data: Any) -> PyTreeDef:
    """The structure that ``tree_data`` gave.

    Raises:
      ValueError: it is none, or holds a class that is not registered here.
    """
    return treedef_of(_spec(data))


def _spec(data: Any) -> Any:
    if data is None:
        return LEAF
    if not isinstance(data, tuple) or len(data) != 3 or not isinstance(data[2], tuple):
        raise ValueError("a pytree is not written as one")
    name, aux, rest = data
    children = [_spec(child) for child in rest]
    if name in _PLAIN_TYPES:
        return (_PLAIN_TYPES[name], _read_plain_aux(_PLAIN_TYPES[name], aux, len(children)), *children)
    if name != "" or not isinstance(aux, tuple) or len(aux) != 2:
        raise ValueError("a pytree is not written as one")
    known = _by_name.get(aux[0])
    if known is None:
        raise ValueError(
            f"its arguments or results hold a {aux[0]!r}, which is not registered here; import what registers it "
            "(cotan.export.register_pytree_node_serialization)"
        )
    return _node_spec(known, aux[1], children)


def _node_spec(known: NodeType, written: bytes, children: list[Any]) -> Any:
    if not is_tree_node(known.cls):
        raise ValueError(f"the class {known.cls.__qualname__} is not registered as a node of pytrees here")
    try:
        aux = known.read_aux(written)
        if known.from_children is not None:
            node = known.from_children(aux, [treedef_of(c).unflatten([0] * treedef_of(c).num_leaves) for c in children])
            return tree_structure(node).spec
    except Exception as error:
        raise ValueError(f"a {known.name!r} cannot be read: {type(error).__name__}: {error}") from error
    return (known.cls, aux, *children)


def _read_plain_aux(kind: type, aux: Any, count: int) -> Any:
    if kind in (tuple, list, NoneType):
        if aux is not None or (kind is NoneType and count):
            raise ValueError("a pytree is not written as one")
        return None
    factory, keys = (None, aux)
    if kind is defaultdict:
        if not isinstance(aux, tuple) or len(aux) != 2 or aux[0] not in _FACTORIES:
            raise ValueError("a pytree is not written as one")
        factory, keys = _FACTORIES[aux[0]], aux[1]
    if not isinstance(keys, tuple) or len(keys) != count or len(set(keys)) != count:
        raise ValueError("a pytree is not written as one")
    return (factory, keys) if kind is defaultdict else keys
