"""The printer: a jaxpr as text that is pleasant to read.

{ lambda x:f32[4096,1000] . let
    m:f32[4096] = reduce_max[axes=(1,)] x
  in (m,) }
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from cotan.config import config
from cotan.errors import scope_of
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WIDEST_LEFT = 28


def _letters(n: int) -> str:
    name = ""
    n += 1
    while n:
        n, digit = divmod(n - 1, 26)
        name = _LETTERS[digit] + name
    return name


class _Names:
    def __init__(self) -> None:
        self.of: dict[Var, str] = {}

    def __call__(self, atom: Atom) -> str:
        if isinstance(atom, Literal):
            return _literal(atom)
        if atom not in self.of:
            self.of[atom] = _letters(len(self.of))
        return self.of[atom]

    def typed(self, var: Atom) -> str:
        return f"{self(var)}:{var.aval.short()}"


def _literal(literal: Literal) -> str:
    value = literal.val
    if isinstance(value, np.ndarray | np.generic):
        value = value.item()
    text = str(value)
    return f"{text}:{literal.aval.short()}"


def pretty(program: Jaxpr | ClosedJaxpr, indent: str = "") -> str:
    """The text of a program."""
    jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    names = _Names()
    consts = " ".join(names.typed(v) for v in jaxpr.constvars)
    args = " ".join(names.typed(v) for v in jaxpr.invars)
    head = f"{indent}{{ lambda {consts + ' ; ' if consts else ''}{args} . let"
    lines = [head]
    lefts = [" ".join(names.typed(v) for v in eqn.outvars) for eqn in jaxpr.eqns]
    width = min(max(map(len, lefts), default=0), _WIDEST_LEFT)
    for eqn, left in zip(jaxpr.eqns, lefts, strict=True):
        lines.append(f"{indent}    {left:<{width}} = {_right(eqn, names, indent + '    ')}")
    results = ", ".join(names(v) for v in jaxpr.outvars)
    lines.append(f"{indent}  in ({results}{',' if len(jaxpr.outvars) == 1 else ''}) }}")
    return "\n".join(lines)


# Keywords are bold, types cyan, comments grey, as terminals understand it (ECMA-48).
_COLOURS = {"word": "1", "type": "36", "comment": "90"}
_TOKENS = re.compile(r"(?P<comment>#.*)|(?P<word>\b(?:lambda|let|in)\b)|(?<=:)(?P<type>[a-z]\w*(?:<\w+>)?\[[\d,]*\])")


def shown(program: Jaxpr | ClosedJaxpr) -> str:
    """The text of a program, in colours where the flag ``pprint_use_color`` says so."""
    text = pretty(program)
    if not config.pprint_use_color:
        return text
    return _TOKENS.sub(lambda found: f"\x1b[{_COLOURS[found.lastgroup or 'word']}m{found[0]}\x1b[0m", text)


def _right(eqn: Eqn, names: _Names, indent: str) -> str:
    params = [(key, value) for key, value in eqn.params.items() if _worth_printing(value)]
    inner = any(_holds_jaxpr(value) for _, value in params)
    if inner:
        body = "".join(f"\n{indent}    {key}={_param(value, indent + '    ')}" for key, value in params)
        shown = f"[{body}\n{indent}]"
    else:
        shown = f"[{' '.join(f'{key}={_param(value, indent)}' for key, value in params)}]" if params else ""
    scope = scope_of(eqn.source)
    text = f"{eqn.primitive.name}{shown} {' '.join(map(names, eqn.invars))}".rstrip()
    return f"{text}  # {scope}" if scope else text


def _worth_printing(value: Any) -> bool:
    return value is not None and value != () and value is not False


def _holds_jaxpr(value: Any) -> bool:
    items = value if isinstance(value, tuple | list) else (value,)
    return any(isinstance(item, Jaxpr | ClosedJaxpr) for item in items)


def _param(value: Any, indent: str) -> str:
    if isinstance(value, Jaxpr | ClosedJaxpr):
        return pretty(value, indent).lstrip()
    if _holds_jaxpr(value):
        return "(" + ", ".join(_param(item, indent) for item in value) + ")"
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, tuple):
        return str(value).replace(" ", "")
    if callable(value) and hasattr(value, "__name__"):
        return str(value.__name__)
    return str(value)
