"""The C of functions of float32 that a program names, from their texts, and what else stands in front of it.

Knows no kernels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cotan.compiler.c.function_texts import BY_AVX512, HALVES, IN_DOUBLES, POLYNOMIALS, TEXTS
from cotan.compiler.c.language import digamma_text, integer_power_text
from cotan.compiler.piece_tables import PIECES

_SIZES = {
    "char": 1, "uchar": 1, "short": 2, "ushort": 2, "int": 4, "uint": 4, "long": 8, "ulong": 8, "float": 4, "double": 8,
}  # fmt: skip
_INTEGERS = (("char", "uint"), ("short", "uint"), ("int", "uint"), ("long", "ulong"))


def _horner(values: Sequence[float], x: str, suffix: str) -> str:
    *rest, last = values
    text = f"{last!r}{suffix}"
    for value in reversed(rest):
        text = f"({text} * {x} + {value!r}{suffix})"
    return text


def _of_pieces(match: re.Match[str]) -> str:
    """Horner's scheme with coefficients that are looked up in one register or two, by an instruction each."""
    _, name, x, piece = match.groups()
    looked_up = []
    for row in PIECES[name]:
        tables = [f"(float16)({', '.join(f'{v!r}f' for v in row[k : k + 16])})" for k in range(0, len(row), 16)]
        call = "permvarsf512({0}, {1})" if len(tables) == 1 else "vpermi2varps512({0}, {1}, {2})"
        looked_up.append(f"__builtin_ia32_{call.format(tables[0], piece, *tables[1:])}")
    text = looked_up.pop()
    while looked_up:
        text = f"({text} * {x} + {looked_up.pop()})"
    return text


def _polynomial(match: re.Match[str]) -> str:
    """Horner's scheme; in doubles even and odd powers apart, as few vectors go side by side."""
    if match[4]:
        return _of_pieces(match)
    values, x = POLYNOMIALS[match[2]], match[3]
    if not match[1]:
        return _horner(values, x, "f")
    even, odd = (_horner(values[first::2], f"({x} * {x})", "") for first in (0, 1))
    return f"({even} + {x} * {odd})"


def _for_lanes(text: str, lanes: str) -> str:
    """The text for vectors of so many lanes; '' means none."""
    each = [f".s{k:x}" for k in range(int(lanes))] if lanes else [""]
    if lanes == "16":
        text = text.replace("@IF16", "#ifdef COTAN_AVX512")
    else:
        text = re.sub(r"^@IF16\n.*?^#else\n(.*?)^#endif\n", r"\1", text, flags=re.DOTALL | re.MULTILINE)
        text = re.sub(r"^@IF16\n.*?^#elif", "#if", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\$(\$?)(\w+)\((\w+)(?:, (\w+))?\)", _polynomial, text)
    text = text.replace("@ANY", f"({' | '.join(f'm{k}' for k in each)}) != 0")
    text = re.sub(r"@PAIRS\((\w+)\)", lambda found: ", ".join(f"{found[1]}(x{k}, y{k})" for k in each), text)
    text = re.sub(r"@WIDENED\((\w+)\)", lambda found: ", ".join(f"(float){found[1]}((double)x{k})" for k in each), text)
    text = re.sub(r"@EACH\((\w+)\)", lambda found: ", ".join(f"{found[1]}(x{k})" for k in each), text)
    for token, kind in (("@F", "float"), ("@I", "int"), ("@U", "uint"), ("@D", "double"), ("@L", "long")):
        text = text.replace(token, kind + lanes)
    return text.replace("@", lanes)


def _narrower(name: str, text: str, lanes: int) -> str:
    """A function that computes in doubles, by halves: some compilers cannot convert vectors of eight."""
    head, body = text.split("{\n", 1)
    calls = (
        f"{_called(name)}{lanes // 2}({', '.join(f'{x}.{half}' for x in re.findall(r'[xy]', head))})"
        for half in ("lo", "hi")
    )
    halves = f"return ({head[:2]})({', '.join(calls)});"
    if lanes > 8:
        return f"{head}{{ {halves} }}"
    return f"{head}{{\n#ifdef COTAN_AVX512\n{body[: body.rindex('}')]}\n#else\n{halves}\n#endif\n}}"


def _called(name: str) -> str:
    """The name in programs, without the lanes, of what ``TEXTS`` has under ``name``."""
    return f"cotan_{name.replace(' ', '_') if ' ' in name else f'{name}_float'}"


def _named(text: str) -> list[tuple[str, str]]:
    """Our functions that a text names, by their keys in ``TEXTS``, with their lanes."""
    found = re.findall(r"\bcotan_([a-z0-9]+)_(float|double|u?int)(\d*)\(", text)
    named = [(name if kind == "float" else f"{name} {kind}", lanes) for name, kind, lanes in found]
    return [(key, lanes) for key, lanes in named if key in TEXTS]


def functions(text: str) -> str:
    """The functions of float32 that ``text`` names, and those that these need, in an order that C accepts."""
    found: dict[tuple[str, str], str] = {}
    pending = _named(text)
    while pending:
        name, lanes = pending[-1]
        if (name, lanes) in found:
            pending.pop()
            continue
        text = TEXTS[name]
        if name in IN_DOUBLES and int(lanes or 1) > 4:
            text = _narrower(name, text, int(lanes))
        kind, rest = _for_lanes(text, lanes).split(" (", 1)
        needed = [each for each in _named(rest) if each not in found]
        if needed:
            pending += needed
            continue
        whole = f"static inline {kind} {_called(name)}{lanes}({rest}"
        found[name, lanes] = f"#ifdef COTAN_AVX512\n{whole}\n#endif" if name in BY_AVX512 else whole
    return "\n".join(found.values())


def prelude(text: str, reals: tuple[str, ...] = ("float", "double")) -> str:
    """What stands in front of a program's ``text``: of our types and functions those that it names."""
    parts = []
    for vector in sorted(set(re.findall(r"\bany_([a-z]+[0-9]+)\b", text))):
        size = _SIZES[vector.rstrip("0123456789")]
        parts.append(f"typedef {vector} __attribute__((aligned({size}))) any_{vector};")
    for kind, unsigned in _INTEGERS:
        named = [name for name in (kind, f"u{kind}") if f"cotan_power_{name}(" in text]
        parts.extend(integer_power_text("static inline", name, unsigned) for name in named)
    if "cotan_digamma(" in text:
        parts.extend(digamma_text("static inline __attribute__((overloadable))", real, "") for real in reals)
    halves = set(re.findall(r"\bcotan_(?:float_of_half|float_of_bfloat|half_of_float|bfloat_of_float)(\d*)\(", text))
    parts.extend(_for_lanes(HALVES, lanes) for lanes in sorted(halves))
    return "\n".join([*parts, functions(text)])
