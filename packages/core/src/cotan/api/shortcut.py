"""The shortest way of a jitted call: a function written for one kind of arguments.

Checking the structure and types of known arguments, and putting results together, is straight-line code; so it is
written out for the structure and types that a call had, by the backend or here, as Python, and tried first at later
calls. It says ``MISS`` where anything is different. Knows pytrees, Arrays and what ``runtime`` says of a program; no
transform.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.api.arguments import Bound
from cotan.backend.calls import Call, Equal, IsNode, Item, Leaf, Opened, Same, Step
from cotan.config import Config, config, overriding
from cotan.ir.avals import ShapedArray, get_aval
from cotan.ir.trace import current_trace, eval_trace
from cotan.runtime.array import Array
from cotan.runtime.compile import Ready, references_of_a_named_one
from cotan.tree import PyTreeDef, tree_structure
from cotan.tree.treedef import LEAF, expression_of, opener

MOST_LEAVES = 256
MISS: Any = object()
Entry = Callable[..., Any]
_UNSHARED = references_of_a_named_one()


class _Kind:
    """Calls of one kind under construction: the nodes that are met, and what is looked at."""

    def __init__(self, named: bool) -> None:
        self.named = named
        self.steps: list[Step] = []
        self.leaves: list[int] = []
        self.nodes = 2 if named else 1

    def item(self, parent: int, kind: type, key: Any) -> int:
        """A new node, which is an item of another."""
        node = self.nodes
        self.nodes += 1
        self.steps.append(Item(node, parent, kind, key))
        return node

    def take_apart(self, spec: Any, node: int) -> bool:
        """Steps to the leaves of a node; False for a kind of node that is not followed."""
        if spec == LEAF:
            self.leaves.append(node)
            return True
        kind, data, *children = spec
        if kind is type(None):
            self.steps.append(Same(node, None))
            return True
        if kind is dict and not all(type(key) is str for key in data):
            return False
        open_node = opener(kind, data, len(children))
        if open_node is None:
            self.steps.append(IsNode(node, kind, len(children)))
        else:
            self.nodes += 1
            self.steps.append(Opened(self.nodes - 1, node, open_node))
            node = self.nodes - 1
        keys = data if kind is dict else range(len(children))
        holder = kind if kind in (list, dict) else tuple
        return all(
            self.take_apart(child, self.item(node, holder, key)) for child, key in zip(children, keys, strict=True)
        )

    def static(self, node: int, value: Any) -> None:
        """A step that checks a static argument: plain values by type and equality, others by identity."""
        self.steps.append(Equal(node, value) if type(value) in _PLAIN else Same(node, value))


def write_entry(
    bound: Bound,
    leaves: Sequence[Any],
    ready: Ready,
    out_avals: Sequence[ShapedArray],
    out: PyTreeDef,
) -> Entry | None:
    """The function for calls like the one at hand: the backend's, or one in Python; None where none can be written.

    It takes the tuple of positional arguments, and, if there were some, the dictionary of those by name.

    Args:
      bound: the arguments of the call; of those that are not static, the function keeps structure and types only.
      leaves: the leaves of these: Arrays, NumPy arrays, numbers.
      ready: how the program runs where they are.
      out_avals, out: the types of the results, and their structure.
    """
    if not 0 < len(leaves) <= MOST_LEAVES or not config.plain_dispatch:
        return None
    kind = _Kind(bool(bound.static_kwargs or bound.dynamic[1]))
    if not _take_all_apart(kind, bound):
        return None
    for k, (node, leaf) in enumerate(zip(kind.leaves, leaves, strict=True)):
        aval = get_aval(leaf)
        if type(leaf) not in _LEAVES or (type(leaf) is np.ndarray and leaf.dtype != aval.dtype):
            return None
        kind.steps.append(Leaf(node, k, type(leaf), aval, ready.copies(k)))
    donated = ready.donated[len(ready.held) :]
    given = tuple([k for k, leaf in enumerate(leaves) if donated[k] and type(leaf) is Array])
    call = Call(
        config.key, kind.named, kind.nodes, tuple(kind.steps), ready.held, len(leaves), ready.device, given,
        tuple(out_avals), _together(out), MISS, Array,
    )  # fmt: skip
    entry = None if ready.entry is None else ready.entry(call)
    return _Text(call, ready, out).function() if entry is None else entry


_PLAIN = (bool, int, float, str, bytes, type(None))
_LEAVES = (Array, np.ndarray, bool, int, float, complex)


def _take_all_apart(kind: _Kind, bound: Bound) -> bool:
    """Steps to all leaves, in their order, and those that compare static arguments."""
    args, kwargs = bound.dynamic
    positions = range(len(args)) if bound.positions is None else bound.positions
    kind.steps.append(IsNode(0, tuple, bound.count))
    if kind.named:
        kind.steps.append(IsNode(1, dict, len(bound.static_kwargs) + len(kwargs)))
    for k, value in bound.static_args.items():
        kind.static(kind.item(0, tuple, k), value)
    for name, value in bound.static_kwargs.items():
        kind.static(kind.item(1, dict, name), value)
    dynamic = [(0, tuple, k, x) for k, x in zip(positions, args, strict=True)]
    dynamic += [(1, dict, name, kwargs[name]) for name in sorted(kwargs)]
    return all(kind.take_apart(tree_structure(x).spec, kind.item(*place)) for *place, x in dynamic)


def _together(out: PyTreeDef) -> Callable[..., Any] | None:
    """See ``Call.together``."""
    if out.spec == LEAF:
        return None
    kind, _, *children = out.spec
    if kind is tuple and all(child == LEAF for child in children):
        return tuple
    leaves = [f"y{k}" for k in range(out.num_leaves)]
    names: dict[str, Any] = {}
    expression = expression_of(out.spec, leaves, names)
    if expression is None:
        unflatten = out.unflatten
        return lambda *results: unflatten(results)
    made: Callable[..., Any] = eval(f"lambda {', '.join(leaves)}: {expression}", names)
    return made


class _Text:
    """The function for one kind of calls, in Python: its lines, and the values that they name."""

    def __init__(self, call: Call, ready: Ready, out: PyTreeDef) -> None:
        self.call, self.ready, self.out = call, ready, out
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "MISS": call.miss, "Array": Array, "config": config, "Config": Config, "overriding": overriding,
            "KEY": call.key, "current_trace": current_trace, "EVAL": eval_trace, "new": object.__new__,
            "D": call.device, "put": call.device.put, "ndarray": np.ndarray, "array": np.array,
        }  # fmt: skip

    def miss_if(self, condition: str, indent: str = "    ") -> None:
        self.lines.append(f"{indent}if {condition}: return MISS")

    def function(self) -> Entry:
        self.miss_if("current_trace() is not EVAL")
        # Where no thread overrides a flag, the flags of the class are read, which is quicker than those of the thread.
        self.lines.append("    flags = config if overriding else Config")
        self.miss_if("flags.key is not KEY or not flags.plain_dispatch")
        steps = self.call.steps
        leaves = [step for step in steps if isinstance(step, Leaf)]
        self.lines.append("    try:")
        for step in steps:
            if not isinstance(step, Leaf):
                self._find(step)
        self.lines.append("    except KeyError: return MISS")
        # First all checks, then what costs: nothing is converted for a call that goes another way.
        made = [self._check(leaf) for leaf in leaves]
        given = self.call.donated
        for k in given:  # nobody else may refer to their buffers, another argument neither
            self.names["references"] = sys.getrefcount
            self.miss_if(f"references(b{k}) > {_UNSHARED}")
        self.lines.extend(f"    b{k} = {buffer}" for k, buffer in enumerate(made) if buffer)
        # Before it runs: if it fails, it may have overwritten some of them.
        self.lines.extend(f"    n{leaf.node}.delete()" for leaf in leaves if leaf.number in given)
        self._run()
        committed = " or ".join(f"n{leaf.node}._committed" for leaf in leaves if leaf.kind is Array)
        self.lines.append(f"    committed = {committed or 'False'}")
        results = [self._wrap(k, aval) for k, aval in enumerate(self.call.out_avals)]
        expression = expression_of(self.out.spec, results, self.names)
        if expression is None:
            self.names["unflatten"] = self.out.unflatten
            expression = f"unflatten([{', '.join(results)}])"
        head = "def entry(n0, n1):" if self.call.named else "def entry(n0):"
        source = "\n".join([head, *self.lines, f"    return {expression}"])
        exec(compile(source, __file__, "exec"), self.names)
        return self.names["entry"]  # type: ignore[no-any-return]

    def _find(self, step: Step) -> None:
        """Lines for a node on the way to the leaves."""
        node, name = f"n{step.node}", f"V{len(self.names)}"
        if isinstance(step, Item):
            self.lines.append(f"        {node} = n{step.parent}[{step.key!r}]")
        elif isinstance(step, IsNode):
            known = step.node < (2 if self.call.named else 1)
            self.names[name] = step.kind
            kind = "" if known else f"type({node}) is not {name} or "
            self.miss_if(f"{kind}len({node}) != {step.length}", "        ")
        elif isinstance(step, Opened):
            self.names[name] = step.open
            self.lines.append(f"        {node} = {name}(n{step.parent})")
            self.miss_if(f"{node} is None", "        ")
        elif isinstance(step, Same):
            self.names[name] = step.value
            self.miss_if(f"{node} is not {name}", "        ")
        elif isinstance(step, Equal):
            self.names.update({name: step.value, f"T{name}": type(step.value)})
            self.miss_if(f"type({node}) is not T{name} or {node} != {name}", "        ")

    def _check(self, leaf: Leaf) -> str:
        """Lines that check a leaf; the expression that makes its buffer, empty if they name it already."""
        x, k, aval = f"n{leaf.node}", leaf.number, leaf.aval
        if leaf.kind is Array:
            self.names[f"A{k}"] = aval
            self.miss_if(f"type({x}) is not Array or {x}.aval is not A{k} or {x}._device is not D")
            self.lines.append(f"    b{k} = {x}._buffer")
            self.miss_if(f"b{k} is None")
            return ""
        self.names[f"A{k}"] = aval.dtype
        if leaf.kind is np.ndarray:
            self.names[f"W{k}"] = aval.shape
            self.miss_if(f"type({x}) is not ndarray or {x}.shape != W{k} or {x}.dtype != A{k}")
            return f"put({x}, copy={leaf.copied})"
        self.miss_if(f"type({x}) is not {leaf.kind.__name__}")
        if leaf.kind is int:
            limits = np.iinfo(aval.dtype)
            self.miss_if(f"not {limits.min} <= {x} <= {limits.max}")
        return f"put(array({x}, A{k}), copy=False)"

    def _run(self) -> None:
        """Lines that run the program and name the buffers of its results."""
        held, ready, results = self.call.held, self.ready, len(self.call.out_avals)
        self.names.update((f"h{k}", buffer) for k, buffer in enumerate(held))
        operands = ", ".join([*(f"h{k}" for k in range(len(held))), *(f"b{k}" for k in range(self.call.count))])
        if ready.direct is not None:
            self.names["direct"] = ready.direct
            self.lines.append(f"    {', '.join(f'r{k}' for k in range(results)) or '_'} = direct({operands})")
        else:
            self.names["call"] = ready.call
            self.lines.append(f"    [{', '.join(f'r{k}' for k in range(results))}] = call([{operands}])")

    def _wrap(self, k: int, aval: ShapedArray) -> str:
        """Lines that make result ``k`` an Array: what its constructor does, without the call."""
        self.names[f"O{k}"] = aval
        made = (
            f"y{k} = new(Array); y{k}.aval = O{k}; y{k}._buffer = r{k}; y{k}._device = D; y{k}._committed = committed"
        )
        self.lines.append(f"    {made}")
        return f"y{k}"
