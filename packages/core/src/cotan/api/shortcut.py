"""The shortest way of a jitted call: a function written for one kind of arguments.

Checking the structure and types of known arguments, and putting results together, is straight-line code; so it is
written out, as text, for the structure and types that a call had, and tried first at later calls. It says ``MISS``
where anything is different. Knows pytrees, Arrays and what ``runtime`` says of a program; no transform.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from cotan.api.arguments import Bound
from cotan.config import Config, config, overriding
from cotan.ir.avals import ShapedArray, get_aval
from cotan.ir.trace import current_trace, eval_trace
from cotan.runtime.array import Array
from cotan.runtime.compile import Ready, references_of_a_named_one
from cotan.tree import PyTreeDef, tree_structure
from cotan.tree.treedef import LEAF

MOST_LEAVES = 256
MISS: Any = object()
Entry = Callable[..., Any]
_UNSHARED = references_of_a_named_one()


class _Text:
    """A function under construction: its lines, and the values that it names."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "MISS": MISS, "Array": Array, "config": config, "Config": Config, "overriding": overriding,
            "KEY": config.key, "current_trace": current_trace, "EVAL": eval_trace, "new": object.__new__,
        }  # fmt: skip
        self.leaves: list[str] = []
        self.fresh = 0

    def name(self) -> str:
        self.fresh += 1
        return f"t{self.fresh}"

    def miss_if(self, condition: str, indent: str = "    ") -> None:
        self.lines.append(f"{indent}if {condition}: return MISS")

    def take_apart(self, spec: Any, source: str) -> bool:
        """Lines that find the leaves of ``source``; False for a kind of node that is not written out."""
        if spec == LEAF:
            leaf = f"x{len(self.leaves)}"
            self.leaves.append(leaf)
            self.lines.append(f"        {leaf} = {source}")
            return True
        kind, data, *children = spec
        node = self.name()
        self.lines.append(f"        {node} = {source}")
        if kind is type(None):
            self.miss_if(f"{node} is not None", "        ")
            return True
        if kind not in (tuple, list, dict) or (kind is dict and not all(type(key) is str for key in data)):
            return False
        self.miss_if(f"type({node}) is not {kind.__name__} or len({node}) != {len(children)}", "        ")
        keys = map(repr, data) if kind is dict else map(str, range(len(children)))
        return all(self.take_apart(child, f"{node}[{key}]") for child, key in zip(children, keys, strict=True))


def _put_together(spec: Any, leaves: Sequence[str]) -> str | None:
    """An expression that makes a tree of ``leaves``; None for a kind of node that is not written out."""
    remaining = iter(leaves)

    def expression(spec: Any) -> str | None:
        if spec == LEAF:
            return next(remaining)
        kind, data, *children = spec
        if kind is type(None):
            return "None"
        parts = [expression(child) for child in children]
        if None in parts or kind not in (tuple, list, dict):
            return None
        if kind is dict:
            pairs = (f"{key!r}: {part}" for key, part in zip(data, parts, strict=True))
            return f"{{{', '.join(pairs)}}}" if all(type(key) is str for key in data) else None
        inside = "".join(f"{part}, " for part in parts)
        return f"({inside})" if kind is tuple else f"[{inside}]"

    return expression(spec)


def write_entry(
    bound: Bound,
    leaves: Sequence[Any],
    ready: Ready,
    out_avals: Sequence[ShapedArray],
    out: PyTreeDef,
) -> Entry | None:
    """The function for calls like the one at hand; None where none can be written.

    It takes the tuple of positional arguments, and, if there were some, the dictionary of those by name.

    Args:
      bound: the arguments of the call; of those that are not static, the function keeps structure and types only.
      leaves: the leaves of these: Arrays, NumPy arrays, numbers.
      ready: how the program runs where they are.
      out_avals, out: the types of the results, and their structure.
    """
    if not 0 < len(leaves) <= MOST_LEAVES or not config.plain_dispatch:
        return None
    text = _Text()
    named = {**bound.static_kwargs, **bound.dynamic[1]}
    text.miss_if(f"len(args) != {bound.count} or current_trace() is not EVAL")
    if named:
        text.miss_if(f"len(kwargs) != {len(named)}")
    # Where no thread overrides a flag, the flags of the class are read, which is quicker than those of the thread.
    text.lines.append("    flags = config if overriding else Config")
    text.miss_if("flags.key is not KEY or not flags.plain_dispatch")
    for k, value in bound.static_args.items():
        _same_static(text, f"args[{k}]", value)
    text.lines.append("    try:")
    if not _take_all_apart(text, bound):
        return None
    text.lines.append("    except KeyError: return MISS")
    text.names["D"] = ready.device
    # First all checks, then what costs: nothing is converted for a call that goes another way.
    made = [_check_leaf(text, k, leaf, ready) for k, leaf in enumerate(leaves)]
    if None in made:
        return None
    given = [k for k, leaf in enumerate(leaves) if ready.donated[k + len(ready.held)] and type(leaf) is Array]
    _check_given(text, given)
    text.lines.extend(f"    b{k} = {buffer}" for k, buffer in enumerate(made) if buffer)
    _run(text, ready, len(leaves), len(out_avals))
    committed = " or ".join(f"x{k}._committed" for k, leaf in enumerate(leaves) if type(leaf) is Array)
    text.lines.append(f"    committed = {committed or 'False'}")
    text.lines.extend(f"    x{k}.delete()" for k in given)
    results = [_wrap(text, k, aval) for k, aval in enumerate(out_avals)]
    expression = _put_together(out.spec, results)
    if expression is None:
        text.names["unflatten"] = out.unflatten
        expression = f"unflatten([{', '.join(results)}])"
    head = "def entry(args, kwargs):" if named else "def entry(args):"
    source = "\n".join([head, *text.lines, f"    return {expression}"])
    exec(compile(source, __file__, "exec"), text.names)
    return text.names["entry"]  # type: ignore[no-any-return]


def _take_all_apart(text: _Text, bound: Bound) -> bool:
    """Lines that find all leaves, in their order, and compare static arguments that are given by name."""
    args, kwargs = bound.dynamic
    positions = range(len(args)) if bound.positions is None else bound.positions
    for name, value in bound.static_kwargs.items():
        _same_static(text, f"kwargs[{name!r}]", value, "        ")
    sources = [(f"args[{k}]", x) for k, x in zip(positions, args, strict=True)]
    sources += [(f"kwargs[{name!r}]", kwargs[name]) for name in sorted(kwargs)]
    return all(text.take_apart(tree_structure(x).spec, source) for source, x in sources)


_PLAIN = (bool, int, float, str, bytes, type(None))


def _same_static(text: _Text, source: str, value: Any, indent: str = "    ") -> None:
    """Lines that check a static argument: plain values by type and equality, others by identity."""
    number = len(text.names)
    text.names[f"S{number}"] = value
    if type(value) in _PLAIN:
        text.names[f"T{number}"] = type(value)
        text.miss_if(f"type({source}) is not T{number} or {source} != S{number}", indent)
    else:
        text.miss_if(f"{source} is not S{number}", indent)


def _check_given(text: _Text, given: Iterable[int]) -> None:
    """Lines that check of donated Arrays that nobody else refers to their buffers, another argument neither."""
    for k in given:
        text.names["references"] = sys.getrefcount
        text.miss_if(f"references(b{k}) > {_UNSHARED}")


def _check_leaf(text: _Text, k: int, leaf: Any, ready: Ready) -> str | None:
    """Lines that check a leaf; the expression that makes its buffer, empty if they name it already. None: not known."""
    if type(leaf) is Array:
        text.names[f"V{k}"] = leaf.aval
        text.miss_if(f"type(x{k}) is not Array or x{k}.aval is not V{k} or x{k}._device is not D")
        text.lines.append(f"    b{k} = x{k}._buffer")
        text.miss_if(f"b{k} is None")
        return ""
    aval = get_aval(leaf)
    text.names.update({f"V{k}": aval.dtype, "put": ready.device.put})
    if type(leaf) is np.ndarray and leaf.dtype == aval.dtype:
        text.names.update({f"W{k}": leaf.shape, "ndarray": np.ndarray})
        text.miss_if(f"type(x{k}) is not ndarray or x{k}.shape != W{k} or x{k}.dtype != V{k}")
        return f"put(x{k}, copy={ready.copies(k)})"
    if type(leaf) in (bool, int, float, complex):
        text.names.update({f"W{k}": type(leaf), "array": np.array})
        text.miss_if(f"type(x{k}) is not W{k}")
        if type(leaf) is int:
            limits = np.iinfo(aval.dtype)
            text.miss_if(f"not {limits.min} <= x{k} <= {limits.max}")
        return f"put(array(x{k}, V{k}), copy=False)"
    return None


def _run(text: _Text, ready: Ready, count: int, results: int) -> None:
    """Lines that run the program and name the buffers of its results."""
    for k, buffer in enumerate(ready.held):
        text.names[f"h{k}"] = buffer
    operands = ", ".join([*(f"h{k}" for k in range(len(ready.held))), *(f"b{k}" for k in range(count))])
    if ready.direct is not None:
        text.names["direct"] = ready.direct
        text.lines.append(f"    {', '.join(f'r{k}' for k in range(results)) or '_'} = direct({operands})")
    else:
        text.names["call"] = ready.call
        text.lines.append(f"    [{', '.join(f'r{k}' for k in range(results))}] = call([{operands}])")


def _wrap(text: _Text, k: int, aval: ShapedArray) -> str:
    """Lines that make result ``k`` an Array: what its constructor does, without the call."""
    text.names[f"A{k}"] = aval
    text.lines.append(
        f"    y{k} = new(Array); y{k}.aval = A{k}; y{k}._buffer = r{k}; y{k}._device = D; y{k}._committed = committed"
    )
    return f"y{k}"
