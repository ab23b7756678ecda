"""Which primitives a backend knows by itself, and how: three open tables, one per door.

Everything that stands in none of them is fused from kernel rules, or decomposed by core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cotan.ir.primitive import Primitive

AnyRule = Callable[..., Any]


class LoweringTable:
    """Rules of one backend.

    Attributes:
      eager: primitive -> what door 1 calls.
      library: primitive -> what a ``LibraryStep`` of a Program becomes (door 2).
      kernel: primitive -> its elements in kernels (door 2), in place of core's rule and with its signature: for what
        the backend has code of its own for, where core writes it out.
      native: primitive -> what an equation of a jaxpr becomes (door 3). Core decomposes until only these are left.

      on_host: those primitives of ``library`` that the backend does on the host; ``explain`` says so.

    The signature of a rule is the backend's own affair.

    >>> from cotan.ir.primitive import Primitive
    >>> table, twice_p = LoweringTable("acme"), Primitive("doctest_twice")
    >>> @table.rule("native", twice_p)
    ... def _(x):
    ...     return x + x
    >>> twice_p in table.native
    True
    """

    __slots__ = ("backend", "eager", "kernel", "library", "native", "on_host")
    kinds = ("eager", "library", "kernel", "native")

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.eager: dict[Primitive, AnyRule] = {}
        self.library: dict[Primitive, AnyRule] = {}
        self.kernel: dict[Primitive, AnyRule] = {}
        self.native: dict[Primitive, AnyRule] = {}
        self.on_host: set[Primitive] = set()

    def rule(self, kind: str, *primitives: Primitive) -> Callable[[AnyRule], AnyRule]:
        """A decorator that registers the function below it for ``primitives`` in the table ``kind``."""
        table = self.table(kind)

        def register(function: AnyRule) -> AnyRule:
            for primitive in primitives:
                if primitive in table:
                    raise ValueError(f"backend `{self.backend}` already has a rule of kind `{kind}` for `{primitive}`")
                table[primitive] = function
            return function

        return register

    def table(self, kind: str) -> dict[Primitive, AnyRule]:
        """The table of that kind.

        Raises:
          ValueError: there is no such kind.
        """
        if kind not in self.kinds:
            raise ValueError(f"a rule is of kind {', '.join(map(repr, self.kinds))}, not {kind!r}")
        return getattr(self, kind)  # type: ignore[no-any-return]

    def merged(self, others: Iterable[LoweringTable]) -> LoweringTable:
        """A new table in which later ones win: how rules from other packages are added."""
        result = LoweringTable(self.backend)
        for table in (self, *others):
            for kind in self.kinds:
                result.table(kind).update(table.table(kind))
            result.on_host = (result.on_host - table.library.keys()) | table.on_host
        return result

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(self.table(kind))} {kind}" for kind in self.kinds)
        return f"LoweringTable({self.backend!r}: {counts})"
