"""What a Program does, in words: its steps, what was fused into each kernel, and the loops."""

from __future__ import annotations

from collections.abc import Container, Sequence

from cotan.dtypes import short_name
from cotan.ir.index import Index
from cotan.ir.primitive import Primitive
from cotan.ir.program import (
    BranchStep,
    CopyStep,
    HostStep,
    Kernel,
    KernelStep,
    Let,
    LibraryStep,
    Loop,
    LoopStep,
    Node,
    Program,
    ReduceLoop,
    ScanLoop,
    Step,
    Store,
)
from cotan.ir.scalar import Expr

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "rem": "%", "and": "&", "or": "|", "xor": "^",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "shl": "<<", "shr_logical": ">>",
    "shr_arithmetic": ">>",
}  # fmt: skip
_LONG = 400
_DEEP = 60


def explain(program: Program, on_host: Container[Primitive] = ()) -> str:
    """The steps of ``program`` as text: kernels with their loops, library calls, host steps, and the memory needed.

    Args:
      on_host: primitives whose library calls the backend does on the host.
    """
    lines = _steps(program, on_host)
    if program.notes:
        lines.append("")
        lines.extend(f"note: {note}" for note in program.notes)
    return "\n".join(lines)


def _steps(program: Program, on_host: Container[Primitive], what: str = "program") -> list[str]:
    words = [_word(step, on_host) for step in program.steps]
    lines = [_header(program, words, what)]
    total = len(program.steps)
    for number, step in enumerate(program.steps, 1):
        lines.append("")
        lines.extend(_step(program, step, words[number - 1], f"step {number} of {total}"))
        for name, part in _parts(step):
            lines.extend(f"    {line}".rstrip() for line in _steps(part, on_host, name))
    return lines


def _parts(step: Step) -> list[tuple[str, Program]]:
    """The programs inside a step, and what they are to it."""
    if isinstance(step, LoopStep):
        return ([] if step.cond is None else [("condition", step.cond)]) + [("body", step.body)]
    if isinstance(step, BranchStep):
        return [(f"branch {k}", part) for k, part in enumerate(step.branches)]
    return []


def _word(step: Step, on_host: Container[Primitive]) -> str:
    if isinstance(step, LibraryStep):
        return "host step" if step.primitive in on_host else "library call"
    words = {KernelStep: "kernel", HostStep: "host step", CopyStep: "copy", LoopStep: "loop", BranchStep: "branch"}
    return words[type(step)]


_PLURALS = {
    "kernel": "kernels", "library call": "library calls", "host step": "host steps", "loop": "loops",
    "branch": "branches", "copy": "copy",
}  # fmt: skip


def _header(program: Program, kinds: Sequence[str], what: str) -> str:
    counts = {word: kinds.count(word) for word in _PLURALS}
    words = [f"{n} {word if n == 1 else _PLURALS[word]}" for word, n in counts.items() if n]
    donated = sum(b.donated is not None for b in program.buffers)
    took = f", {donated} results in place of donated arguments" if donated else ""
    return f"{what} {program.name}: {', '.join(words) or 'no steps'}; workspace {_bytes(program.workspace)}{took}"


def _buffer(program: Program, number: int) -> str:
    buffer = program.buffers[number]
    kind = {"input": "in", "output": "out", "const": "const", "temp": "tmp"}[buffer.kind]
    return f"{kind}{number}:{short_name(buffer.aval.dtype)}[{','.join(map(str, buffer.aval.shape))}]"


def _step(program: Program, step: Step, kind: str, head: str) -> list[str]:
    if isinstance(step, KernelStep):
        return _kernel(program, step, head)
    if isinstance(step, CopyStep):
        return [f"{head}   copy   {_buffer(program, step.source)} -> {_buffer(program, step.target)}"]
    if isinstance(step, LoopStep):
        return _loop(program, step, head)
    if isinstance(step, BranchStep):
        chosen = f"one of {len(step.branches)} by {_buffer(program, step.index)}"
        return [
            f"{head}   branch {step.name}   {chosen}",
            f"    operands {_listed(program, step.operands)}",
            f"    results {_listed(program, step.results)}",
        ]
    results = ", ".join(_buffer(program, n) for n in step.results)
    operands = ", ".join(_buffer(program, n) for n in step.operands)
    done = f"{kind.replace('host step', 'HOST STEP')} {step.primitive}   {results} = {step.primitive}({operands})"
    return [f"{head}   {done}{f'   # {step.scope}' if step.scope else ''}"]


def _listed(program: Program, numbers: Sequence[int]) -> str:
    return ", ".join(_buffer(program, n) for n in numbers) or "none"


def _loop(program: Program, step: LoopStep, head: str) -> list[str]:
    runs = "while its condition holds" if step.length is None else f"{step.length} times"
    lines = [f"{head}   loop {step.name}   {runs}{', backwards' if step.reverse else ''}"]
    consts = (*step.cond_consts, *step.consts)
    if consts:
        lines.append(f"    read by all iterations {_listed(program, consts)}")
    for init, final, spare in zip(step.inits, step.finals, step.spares, strict=True):
        how = "in place" if spare is None else f"alternates with {_buffer(program, spare)}"
        lines.append(f"    carry {_buffer(program, init)} -> {_buffer(program, final)}, {how}")
    lines.extend(f"    slices of {_buffer(program, n)}" for n in step.xs)
    lines.extend(f"    stacked in {_buffer(program, n)}" for n in step.ys)
    return lines


def _kernel(program: Program, step: KernelStep, head: str) -> list[str]:
    kernel = step.kernel
    read = sum(o.size * o.dtype.itemsize for o in kernel.operands if o.read)
    written = sum(o.size * o.dtype.itemsize for o in kernel.operands if o.written)
    place = ", in place" if kernel.in_place else ""
    lines = [
        f"{head}   kernel {kernel.name}   fused: {' '.join(kernel.fused)}",
        f"    {_bytes(read)} read, {_bytes(written)} written{place}, {kernel.flops} operations",
    ]
    rows = [f"row{k}" for k in range(len(kernel.scratch))]
    names = _Names(kernel, [*(_buffer(program, n).split(":")[0] for n in step.buffers), *rows])
    lines.extend(f"    {n} = {_buffer(program, b)}" for n, b in zip(names.operands, step.buffers, strict=False))
    for row, scratch in zip(rows, kernel.scratch, strict=True):
        lines.append(f"    {row} = scratch:{short_name(scratch.dtype)}[{scratch.size}]")
    lines.extend(_nodes(kernel.tree, names, "    "))
    return lines


class _Names:
    """Short names for the operands and hoisted values of a kernel."""

    def __init__(self, kernel: Kernel, operands: Sequence[str]) -> None:
        self.operands = list(operands)
        self.kernel = kernel
        self.values: dict[Expr, str] = {}
        self._texts: dict[tuple[Expr, bool], str] = {}
        self._depth = 0
        self._count = 0

    def new(self, node: Expr) -> str:
        name = self.values[node] = f"t{self._count}"
        self._count += 1
        self._texts.clear()
        return name

    def stored(self, store: Store) -> None:
        """From here on a value that scratch holds is written as its element."""
        if store.slot >= len(self.kernel.operands):
            self.values[store.value] = self.element(store.slot, store.index)
            self._texts.clear()

    def element(self, slot: int, index: Index) -> str:
        return f"{self.operands[slot]}[{self.index(index)}]"

    def index(self, index: Index) -> str:
        return index.text(lambda expr: self._text(expr, True))

    def text(self, node: Expr) -> str:
        return self._text(node)

    def _text(self, node: Expr, inside: bool = False) -> str:
        """Texts of shared nodes are made once, and long ones are cut."""
        text = self._texts.get((node, inside))
        if text is None:
            if self._depth >= _DEEP:
                return "..."
            self._depth += 1
            text = self._new_text(node, inside)
            self._depth -= 1
            text = self._texts[node, inside] = text if len(text) <= _LONG else f"{text[:_LONG]}..."
        return text

    def _new_text(self, node: Expr, inside: bool) -> str:
        if node in self.values:
            return self.values[node]
        if node.op == "project":
            reduction = node.args[0]
            name = self.values.get(reduction, "?")
            return name if len(reduction.args) == 2 else f"{name}.{node.attr}"
        if node.op == "const":
            return str(node.attr)
        if node.op == "index":
            return f"({self.index(node.attr)})"
        if node.op == "load":
            return self.element(*node.attr)
        args = [self._text(a, True) for a in node.args]
        if node.op in _INFIX:
            text = f"{args[0]} {_INFIX[node.op]} {args[1]}"
            return f"({text})" if inside else text
        if node.op == "guard":
            checks = " and ".join(f"{lo} <= {self.index(index)} < {hi}" for index, lo, hi in node.attr)
            return f"({args[0]} if {checks} else {args[1]})"
        if node.op in ("cast", "bitcast"):
            return f"{node.op}<{short_name(node.dtype)}>({args[0]})"
        return f"{node.op}({', '.join(args)})"


def _nodes(nodes: Sequence[Node], names: _Names, indent: str) -> list[str]:
    lines: list[str] = []
    for node in nodes:
        if isinstance(node, Loop):
            lines.append(f"{indent}{node.axis.kind} {node.axis} < {node.axis.extent}")
            lines.extend(_nodes(node.body, names, indent + "  "))
        elif isinstance(node, Let):
            text = names.text(node.value)
            lines.append(f"{indent}{names.new(node.value)} = {text}")
        elif isinstance(node, Store):
            checks = "".join(f" if {lo} <= {names.index(index)} < {hi}" for index, lo, hi in node.conditions)
            sign = "combine=" if node.combine is not None else "="
            lines.append(f"{indent}{names.element(node.slot, node.index)} {sign} {names.text(node.value)}{checks}")
            names.stored(node)
        elif isinstance(node, ScanLoop):
            lines.extend(_scan(node, names, indent))
        else:
            lines.extend(_reduction(node, names, indent))
    return lines


def _combiner(combiner: object) -> str:
    return combiner if isinstance(combiner, str) else str(getattr(combiner, "name", combiner))


def _reduction(node: ReduceLoop, names: _Names, indent: str) -> list[str]:
    lines: list[str] = []
    loops = ", ".join(f"{a} < {a.extent}" for a in node.axes)
    depth = indent
    for n, level in enumerate(node.levels):
        if level:
            lines.append(f"{depth}reduction {node.axes[n]} < {node.axes[n].extent}")
            depth += "  "
            lines.extend(_nodes(level, names, depth))
    for value in (node.value, *node.siblings):
        half = len(value.args) // 2
        bodies = ", ".join(names.text(b) for b in value.args[half:])
        lines.append(f"{depth}{names.new(value)} = {_combiner(value.attr[0])}  {loops}   {bodies}")
    return lines


def _scan(node: ScanLoop, names: _Names, indent: str) -> list[str]:
    way = " backwards" if node.reverse else ""
    lines = [f"{indent}sequential {node.axis} < {node.axis.extent}{way}, running {_combiner(node.combiner)}"]
    lines.extend(_nodes(node.body, names, indent + "  "))
    bodies = ", ".join(names.text(b) for b in node.bodies)
    for slot, index, k in node.stores:
        which = f".{k}" if len(node.bodies) > 1 else ""
        lines.append(f"{indent}  {names.element(slot, index)} = {_combiner(node.combiner)}{which} of {bodies}")
    return lines


def _bytes(n: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n} B"
