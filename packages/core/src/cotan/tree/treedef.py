"""Taking pytrees apart into leaves and a structure, and putting them together again.

A structure is held as nested plain tuples, its *spec*: ``LEAF``, or ``(type, data, *child specs)``; building, hashing
and comparing them is then C code. Structures made of tuples, lists, None and dicts with text keys are kept and shared,
so that a repeated flatten returns the identical ``PyTreeDef``; one that puts trees together again and again writes a
function for that. Knows nothing of arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from cotan.errors import where
from cotan.tree.keys import KeyEntry, KeyPath, keystr
from cotan.tree.registry import Node, NoneType, keys_of_children, nodes, sorted_keys

LEAF = "*"
IsLeaf = Callable[[Any], bool]
Spec = Any

_NONE: Spec = (NoneType, None)


def _take_apart(x: Any, kind: type, leaves: list[Any], own: list[Any]) -> Spec:
    """Append the leaves of the node ``x``, and return its spec; ``own`` gets nodes whose specs cannot be shared."""
    if kind is tuple or kind is list:
        data: Any = None
        children: Iterable[Any] = x
    elif kind is dict:
        keys = list(x) if len(x) < 2 else sorted_keys(x)
        data = tuple(keys)
        children = [x[key] for key in keys]
        for key in keys:
            if type(key) is not str:  # 1, 1.0 and True are equal, but not the same key
                own.append(x)
                break
    elif x is None:
        return _NONE
    else:
        own.append(x)
        node = nodes.get(kind)
        if node is None:  # a namedtuple
            data, children = None, x
        else:
            children, data = _flatten_node(node, x, kind)
    spec: list[Any] = [kind, data]
    for child in children:
        child_kind = type(child)
        if child_kind in nodes or (isinstance(child, tuple) and hasattr(child_kind, "_fields")):
            spec.append(_take_apart(child, child_kind, leaves, own))
        else:
            leaves.append(child)
            spec.append(LEAF)
    return tuple(spec)


def _flatten_node(node: Node, x: Any, kind: type) -> tuple[Iterable[Any], Any]:
    parts = node.flatten(x)
    if not isinstance(parts, tuple) or len(parts) != 2:
        raise TypeError(
            f"the flatten function registered for {kind.__qualname__} must return a pair (children, auxiliary data), "
            f"got {parts!r}"
        )
    return parts


def _take_apart_until(x: Any, leaves: list[Any], own: list[Any], is_leaf: IsLeaf) -> Spec:
    """Like ``_take_apart``, for any ``x``, asking ``is_leaf`` first."""
    kind = type(x)
    if is_leaf(x) or not (kind in nodes or (isinstance(x, tuple) and hasattr(kind, "_fields"))):
        leaves.append(x)
        return LEAF
    kind, data, children = one_level(x)
    if kind not in (tuple, list, NoneType):
        own.append(x)
    return (kind, data, *[_take_apart_until(child, leaves, own, is_leaf) for child in children])


def is_node(x: Any) -> bool:
    """Whether ``x`` is a node, not a leaf."""
    kind = type(x)
    return kind in nodes or (isinstance(x, tuple) and hasattr(kind, "_fields"))


def one_level(x: Any) -> tuple[type, Any, list[Any]]:
    """(type, data, children) of a node."""
    kind = type(x)
    if kind is dict:
        keys = sorted_keys(x)
        return kind, tuple(keys), [x[key] for key in keys]
    if x is None:
        return kind, None, []
    node = nodes.get(kind)
    if kind is tuple or kind is list or node is None:
        return kind, None, list(x)
    children, data = _flatten_node(node, x, kind)
    return kind, data, list(children)


def one_level_with_keys(x: Any) -> tuple[type, Any, list[tuple[KeyEntry, Any]]]:
    """(type, data, pairs of key and child) of a node."""
    node = nodes.get(type(x))
    if node is not None and node.flatten_with_keys is not None:
        pairs, data = node.flatten_with_keys(x)
        return type(x), data, [(key, child) for key, child in pairs]
    kind, data, children = one_level(x)
    return kind, data, list(zip(keys_of_children(kind, data, len(children)), children, strict=True))


def _put_together(spec: Spec, leaves: Iterator[Any]) -> Any:
    kind = spec[0]
    children = [next(leaves) if child is LEAF else _put_together(child, leaves) for child in spec[2:]]
    return make_node(kind, spec[1], children)


def opener(kind: type, data: Any, count: int) -> Callable[[Any], tuple[Any, ...] | None] | None:
    """What takes registered nodes apart that are like one at hand; None for kinds that need no call for that.

    Of any object it gives the children, or None where they are not ``count``, or the type or auxiliary data are others;
    what goes wrong is left to ``tree_flatten`` to tell.
    """
    node = nodes.get(kind)
    if node is None or kind in _BUILT_IN:
        return None
    flatten = node.flatten

    def opened(x: Any) -> tuple[Any, ...] | None:
        if type(x) is not kind:
            return None
        try:
            children, found = flatten(x)
            children = tuple(children)
            return children if len(children) == count and (found is data or bool(found == data)) else None
        except Exception:
            return None

    return opened


_BUILT_IN = (tuple, list, dict, NoneType)


def expression_of(spec: Spec, leaves: Sequence[str], names: dict[str, Any]) -> str | None:
    """A Python expression that makes a tree of ``leaves``, None where it is too deep; ``names`` gets what it names."""
    remaining = iter(leaves)

    def name_of(value: Any) -> str:
        name = f"N{len(names)}"
        names[name] = value
        return name

    def expression(spec: Spec, depth: int) -> str | None:
        if spec == LEAF:
            return next(remaining)
        kind, data, *children = spec
        if kind is NoneType:
            return "None"
        if depth > _DEEPEST:
            return None
        parts = [expression(child, depth + 1) for child in children]
        if None in parts:
            return None
        if kind is dict:
            keys = (repr(key) if type(key) is str else name_of(key) for key in data)
            return f"{{{', '.join(f'{key}: {part}' for key, part in zip(keys, parts, strict=True))}}}"
        inside = "".join(f"{part}, " for part in parts)
        if kind in _BUILT_IN:
            return f"({inside})" if kind is tuple else f"[{inside}]"
        node = nodes.get(kind)
        if node is None:
            return f"{name_of(kind)}({inside})"
        return f"{name_of(node.unflatten)}({name_of(data)}, ({inside}))"

    return expression(spec, 0)


def make_node(kind: type, data: Any, children: list[Any]) -> Any:
    """A node of the given type and data, with the given children."""
    if kind is tuple:
        return tuple(children)
    if kind is list:
        return children
    if kind is dict:
        return dict(zip(data, children, strict=True))
    if kind is NoneType:
        return None
    node = nodes.get(kind)
    if node is None:
        return kind(*children)
    return node.unflatten(data, tuple(children))


def count_nodes(spec: Spec) -> tuple[int, int]:
    """(leaves, nodes including leaves)."""
    if spec is LEAF:
        return 1, 1
    leaves, total = 0, 1
    for child in spec[2:]:
        more_leaves, more = count_nodes(child)
        leaves += more_leaves
        total += more
    return leaves, total


def _show(spec: Spec) -> str:
    if spec is LEAF:
        return "*"
    kind, data, *rest = spec
    children = [_show(child) for child in rest]
    if kind is NoneType:
        return "None"
    if kind is tuple:
        return f"({', '.join(children)}{',' if len(children) == 1 else ''})"
    if kind is list:
        return f"[{', '.join(children)}]"
    if kind is dict:
        return "{" + ", ".join(f"{key!r}: {child}" for key, child in zip(data, children, strict=True)) + "}"
    if kind not in nodes:
        fields = zip(kind._fields, children, strict=True)
        return f"{kind.__name__}({', '.join(f'{name}={child}' for name, child in fields)})"
    return f"{kind.__name__}[{data!r}]({', '.join(children)})"


def _same_node(kind: type, data: Any, spec: Spec) -> bool:
    return kind is spec[0] and (data is spec[1] or bool(data == spec[1]))


def _up_to(spec: Spec, x: Any, out: list[Any]) -> bool:
    """Append the subtrees of ``x`` at the leaves of ``spec``; whether ``x`` has that structure so far."""
    if spec is LEAF:
        out.append(x)
        return True
    if type(x) is not spec[0]:
        return False
    kind, data, children = one_level(x)
    if not _same_node(kind, data, spec) or len(children) != len(spec) - 2:
        return False
    return all(_up_to(child_spec, child, out) for child_spec, child in zip(spec[2:], children, strict=True))


_WRITTEN_FROM = 32
"""Trees of one structure before a function is written that puts them together, which takes as long as ten of them."""
_MOST_WRITTEN, _DEEPEST = 2000, 40


def _written(treedef: PyTreeDef) -> Callable[[Sequence[Any]], Any] | None:
    """A function of the leaves; None where none can be written."""
    if treedef.num_nodes > _MOST_WRITTEN:
        return None
    names: dict[str, Any] = {}
    expression = expression_of(treedef.spec, [f"x[{k}]" for k in range(treedef.num_leaves)], names)
    made: Callable[[Sequence[Any]], Any] | None = expression and eval(f"lambda x: {expression}", names)
    return made


class PyTreeDef:
    """The structure of a pytree: a pytree with its leaves left out. Hashable and comparable.

    Two structures are equal when their nodes have the same types, keys and auxiliary data.

    >>> from cotan.tree import tree_structure
    >>> tree_structure({"b": (1, None), "a": [2]})
    PyTreeDef({'a': [*], 'b': (*, None)})
    """

    __slots__ = ("__weakref__", "_build", "_built", "_counts", "_hash", "spec")
    _build: Callable[[Sequence[Any]], Any] | None
    _built: int
    _counts: tuple[int, int] | None
    _hash: int | None

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._counts = None
        self._hash = None
        self._build = None
        self._built = 0

    @property
    def num_leaves(self) -> int:
        """How many leaves a tree of this structure has."""
        counts = self._counts
        if counts is None:
            counts = self._counts = count_nodes(self.spec)
        return counts[0]

    @property
    def num_nodes(self) -> int:
        """How many nodes, leaves included, a tree of this structure has."""
        counts = self._counts
        if counts is None:
            counts = self._counts = count_nodes(self.spec)
        return counts[1]

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this structure with the given leaves.

        Raises:
          ValueError: there are too few or too many leaves.
        """
        kind = type(leaves)
        given: Sequence[Any] = leaves if kind is list or kind is tuple else list(leaves)  # type: ignore[assignment]
        counts = self._counts
        if len(given) != (self.num_leaves if counts is None else counts[0]):
            raise ValueError(f"{where()}: tree_unflatten: {self} has {self.num_leaves} leaves, got {len(given)}")
        build = self._build
        if build is not None:
            return build(given)
        spec = self.spec
        if spec is LEAF:
            return given[0]
        self._built = built = self._built + 1
        if built == _WRITTEN_FROM:
            self._build = _written(self)
        return _put_together(spec, iter(given))

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """The subtrees of ``tree`` that stand where this structure has leaves.

        Raises:
          ValueError: ``tree`` does not begin with this structure; the message names the place.
        """
        out: list[Any] = []
        if not _up_to(self.spec, tree, out):
            raise ValueError(difference(self.spec, tree, ()))
        return out

    def children(self) -> list[PyTreeDef]:
        """The structures of the root's children."""
        return [] if self.spec is LEAF else [treedef_of(child) for child in self.spec[2:]]

    def node_data(self) -> tuple[type, Any] | None:
        """(type, auxiliary data) of the root, or None for a leaf."""
        return None if self.spec is LEAF else (self.spec[0], self.spec[1])

    def compose(self, inner: PyTreeDef) -> PyTreeDef:
        """This structure with ``inner`` in place of every leaf."""

        def fill(spec: Spec) -> Spec:
            return inner.spec if spec is LEAF else (spec[0], spec[1], *map(fill, spec[2:]))

        return treedef_of(fill(self.spec))

    def paths(self) -> list[KeyPath]:
        """The key path of each leaf, as far as the structure alone tells."""
        out: list[KeyPath] = []

        def walk(spec: Spec, path: KeyPath) -> None:
            if spec is LEAF:
                out.append(path)
                return
            keys = keys_of_children(spec[0], spec[1], len(spec) - 2)
            for key, child in zip(keys, spec[2:], strict=True):
                walk(child, (*path, key))

        walk(self.spec, ())
        return out

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, PyTreeDef) and bool(self.spec == other.spec)

    def __hash__(self) -> int:
        if self._hash is None:
            try:
                self._hash = hash(self.spec)
            except TypeError:  # some auxiliary data cannot be hashed; equality still tells such structures apart
                self._hash = hash(_types(self.spec))
        return self._hash

    def __repr__(self) -> str:
        return f"PyTreeDef({_show(self.spec)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (treedef_of, (self.spec,))


leaf_treedef = PyTreeDef(LEAF)
none_treedef = PyTreeDef(_NONE)
_shared: dict[Spec, PyTreeDef] = {LEAF: leaf_treedef, _NONE: none_treedef}
_SHARED_LIMIT = 4096


def _share(spec: Spec) -> PyTreeDef:
    treedef = _shared.get(spec)
    if treedef is None:
        if len(_shared) >= _SHARED_LIMIT:
            _shared.clear()
            _shared.update({LEAF: leaf_treedef, _NONE: none_treedef})
        treedef = _shared[spec] = PyTreeDef(spec)
    return treedef


def _types(spec: Spec) -> Spec:
    """A spec without auxiliary data."""
    return LEAF if spec is LEAF else (spec[0], *map(_types, spec[2:]))


def treedef_of(spec: Spec) -> PyTreeDef:
    """The structure with the given spec. (Text that came through pickle may equal ``LEAF`` without being it.)"""

    def normal(spec: Spec) -> Spec:
        return LEAF if isinstance(spec, str) else (spec[0], spec[1], *map(normal, spec[2:]))

    return leaf_treedef if isinstance(spec, str) else PyTreeDef(normal(spec))


def tree_flatten(tree: Any, is_leaf: IsLeaf | None = None) -> tuple[list[Any], PyTreeDef]:
    """The leaves of a pytree, in order, and its structure.

    Args:
      tree: any object; what is not a node is a leaf.
      is_leaf: called with every node first; where it returns true, the node counts as a leaf.

    Raises:
      ValueError: the keys of a dict cannot be sorted.

    >>> tree_flatten({"b": 1, "a": (2, None)})
    ([2, 1], PyTreeDef({'a': (*, None), 'b': *}))
    """
    leaves: list[Any] = []
    own: list[Any] = []
    if is_leaf is None:
        kind = type(tree)
        if not (kind in nodes or (isinstance(tree, tuple) and hasattr(kind, "_fields"))):
            return [tree], leaf_treedef
        spec = _take_apart(tree, kind, leaves, own)
    else:
        spec = _take_apart_until(tree, leaves, own, is_leaf)
    return leaves, PyTreeDef(spec) if own else _share(spec)


def difference(spec: Spec, tree: Any, path: KeyPath, what: str = "") -> str:
    """What keeps ``tree`` from beginning with the structure ``spec``, for messages; empty if nothing does."""
    if spec is LEAF:
        return ""
    place = f" at {what}{keystr(path)}" if path or what else ""
    expected = _show(spec)
    if not is_node(tree):
        got = f"a leaf of type {_named(type(tree))}"
        return f"tree structures differ{place}: a {_named(spec[0])} ({expected}) is expected, got {got}"
    kind, data, pairs = one_level_with_keys(tree)
    if kind is not spec[0]:
        return f"tree structures differ{place}: a {_named(spec[0])} ({expected}) is expected, got a {_named(kind)}"
    if kind is dict and data != spec[1]:
        return (
            f"tree structures differ{place}: dict keys {list(spec[1])} are expected, got {list(data)}"
            f"{_missing(spec[1], data)}"
        )
    if len(pairs) != len(spec) - 2:
        return (
            f"tree structures differ{place}: a {_named(kind)} with {len(spec) - 2} children is expected, "
            f"got one with {len(pairs)}"
        )
    if not _same_node(kind, data, spec):
        return (
            f"tree structures differ{place}: a {_named(kind)} with data {spec[1]!r} is expected, got one with {data!r}"
        )
    for (key, child), child_spec in zip(pairs, spec[2:], strict=True):
        found = difference(child_spec, child, (*path, key), what)
        if found:
            return found
    return ""


def _named(kind: type) -> str:
    return "None" if kind is NoneType else kind.__qualname__


def _missing(expected: tuple[Any, ...], got: tuple[Any, ...]) -> str:
    missing = [key for key in expected if key not in got]
    extra = [key for key in got if key not in expected]
    return (f"; missing: {missing}" if missing else "") + (f"; not expected: {extra}" if extra else "")
