"""What the table of public functions covers: of every function, which types, layouts, values and transformations.

    PYTHONPATH=packages/core/tests python -m library.coverage [--holes]

A cell is tested by a row of the function, as ``checks`` runs it, or by a probe: the first row that has operands, called
with another type, shape or value than it asks for. What a probe finds is agreement with the oracle, or it is listed in
``gaps`` with a reason. Nothing is left open.
"""

from __future__ import annotations

import argparse
import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from library import checks
from library.table import KINDS, Operand, Row, load

import cotan
from cotan import dtypes
from cotan.ir.rules import MissingRuleError

TYPES = "biuhfc"
SHAPES = ("0-d", "empty", "broadcast")
VALUES = ("nan", "inf")
CELLS = (*TYPES, *SHAPES, "strides", *VALUES, "first", "second", "vmap", "jit")
AGREES, REFUSES, DIFFERS, NONE = "agrees", "refuses", "differs", "none"


@functools.cache
def functions() -> dict[str, list[Row]]:
    """The rows of every function that takes arrays."""
    found: dict[str, list[Row]] = {}
    for row in load():
        if row.operands:
            found.setdefault(row.id(), []).append(row)
    return found


# ---- What rows test


def tested(rows: Sequence[Row]) -> set[str]:
    """The cells that the rows of one function test, read off the arrays with which they are called."""
    found: set[str] = set()
    for row in rows:
        types = row.types()
        free = any(x.dtype is None for x in row.operands)
        found |= set(row.dtypes) & set(TYPES) if free else set()
        for dtype in {np.dtype(t) for t in types if t in (np.float64, np.complex128)} or set(types[:1]):
            for what, arrays in checks.variants(row, dtype):
                found |= _seen(what, arrays)
        order = row.order if row.order and _has_slope(row) else 0
        found |= {cell for cell, least in (("first", 1), ("second", 2)) if order >= least}
        found |= {cell for cell, runs in (("vmap", row.vmap), ("jit", row.jit)) if runs}
    return found


def _seen(what: str, arrays: Sequence[np.ndarray]) -> set[str]:
    """The cells that one call tests."""
    found = {"strides"} if what == "strides" else set()
    shapes = {x.shape for x in arrays}
    found |= {"0-d"} if () in shapes else set()
    found |= {"empty"} if any(x.size == 0 for x in arrays) else set()
    found |= {"broadcast"} if what.startswith("shapes") and len(shapes) > 1 else set()
    for x in arrays:
        if dtypes.issubdtype(x.dtype, np.inexact):
            found |= {"nan"} if np.isnan(x).any() else set()
            found |= {"inf"} if np.isinf(x).any() else set()
    return found


# ---- What probes find


def probes(row: Row, cell: str) -> list[tuple[np.dtype[Any], list[np.ndarray]]]:
    """Calls of ``row`` by which ``cell`` is tested, beyond what the row asks for; none if there are none."""
    free = [k for k, x in enumerate(row.operands) if x.dtype is None]
    if not free:
        return []
    plain = next((t for t in row.types() if t == np.float64), row.types()[-1])
    if cell in TYPES:
        return [(np.dtype(t), checks.plain(row, t)) for t in KINDS[cell]]
    if cell == "strides":
        return [(plain, [checks.backwards(x) for x in checks.plain(row, plain)])]
    if cell in VALUES:
        if not dtypes.issubdtype(plain, np.inexact) or (row.why and not row.specials):  # NumPy's own may never return
            return []
        value = np.nan if cell == "nan" else np.inf
        arrays = checks.plain(row, plain)
        return [(plain, [checks.sown(x, value) if k in free else x for k, x in enumerate(arrays)])]
    if cell == "broadcast" and len(free) < 2:
        return []
    shapes: dict[str, Callable[[int, Operand], tuple[int, ...]]] = {
        "0-d": lambda k, x: (),
        "empty": lambda k, x: (0, *x.shape[1:]) if x.shape else (),
        "broadcast": lambda k, x: x.shape if k else (1,) * len(x.shape),
    }
    try:
        made = [replace(x, shape=shapes[cell](k, x)).values(plain, k) for k, x in enumerate(row.operands)]
    except Exception:  # what makes the operand definite, say, has no meaning there
        return []
    return [(plain, made)]


def outcome(rows: Sequence[Row], cell: str) -> tuple[str, str]:
    """What is found where no row tests a cell, and the text of what was raised."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _outcome(rows, cell)


def _outcome(rows: Sequence[Row], cell: str) -> tuple[str, str]:
    row = next((r for r in rows if any(x.dtype is None for x in r.operands)), rows[0])
    if cell in ("first", "second"):
        return _slopes(row, 1 if cell == "first" else 2)
    if cell in ("vmap", "jit"):
        return _transformed(row, cell)
    found = NONE
    for dtype, arrays in probes(row, cell):
        try:
            wanted = checks.oracle(row, arrays)
        except Exception:  # the oracle does not take it either
            continue
        try:
            mine = row.call(row.function, arrays)
        except (TypeError, ValueError, IndexError) as error:
            return REFUSES, f"{dtype}: {error}"
        asked = _of_any_precision(row, mine) if cell in "biu" else row
        try:
            checks.compare(asked, mine, wanted, dtype, f"{row.id()} {dtype} {cell}")
        except AssertionError as error:
            return DIFFERS, f"{dtype}: {error}"
        found = AGREES
    return found, ""


def _of_any_precision(row: Row, mine: Any) -> Row:
    """Integers become floats of the default precision beside Python numbers, of their own width otherwise."""
    types = {np.asarray(x).dtype for x in checks.leaves(mine)}
    floats = len(types) == 1 and all(dtypes.issubdtype(t, np.inexact) for t in types)
    return replace(row, result=types.pop()) if floats and row.result is None else row


def _wide(row: Row) -> np.dtype[Any] | None:
    return next((t for t in row.types() if t in (np.float64, np.complex128)), None)


def _has_slope(row: Row) -> bool:
    """Whether a float moves, and a float comes out."""
    dtype = _wide(row)
    if dtype is None or not any(x.dtype is None and x.slope for x in row.operands):
        return False
    result = cotan.tree.leaves(row.call(row.function, checks.plain(row, dtype)))
    return any(dtypes.issubdtype(np.asarray(x).dtype, np.inexact) for x in result)


def _slopes(row: Row, order: int) -> tuple[str, str]:
    dtype = _wide(row)
    if dtype is None or not _has_slope(row):
        return NONE, ""
    try:
        checks.check_derivatives(replace(row, order=order, slope_tol=max(row.slope_tol, 1e-5)), dtype)
    except (TypeError, ValueError, MissingRuleError) as error:
        return REFUSES, str(error)
    except AssertionError as error:
        return DIFFERS, str(error)
    return AGREES, ""


def _transformed(row: Row, cell: str) -> tuple[str, str]:
    try:
        (checks.check_vmap if cell == "vmap" else checks.check_jit)(row)
    except (TypeError, ValueError, IndexError) as error:
        return REFUSES, str(error)
    except AssertionError as error:
        return DIFFERS, str(error)
    return AGREES, ""


# ---- The page


def main() -> None:
    from library.gaps import reason

    parser = argparse.ArgumentParser(description=inspect.cleandoc(__doc__ or "").splitlines()[0])
    parser.add_argument("--holes", action="store_true", help="list only what neither agrees nor has a reason")
    options = parser.parse_args()
    signs = {AGREES: "o", REFUSES: "-", DIFFERS: "/", NONE: " "}
    count = dict.fromkeys(("x", "o", "-", "/", " ", "?"), 0)
    print(f"{'':40}{' '.join(f'{cell[:5]:>5}' for cell in CELLS)}" if not options.holes else "")
    with cotan.enable_x64(True):
        for name, rows in functions().items():
            have = tested(rows)
            line = []
            for cell in CELLS:
                found, text = ("x", "") if cell in have else outcome(rows, cell)
                sign = found if found == "x" else signs[found]
                if sign in "-/" and reason(name, cell) is None:
                    sign = "?"
                    if options.holes:
                        print(f"{name} {cell} {found}: {' '.join(text.split())[:200]}")
                line.append(sign)
                count[sign] += 1
            if not options.holes:
                print(f"{name:40}{' '.join(f'{sign:>5}' for sign in line)}")
    print(
        f"{count['x']} cells are tested by rows (x), {count['o']} by probes (o); {count['-']} are refused (-) and "
        f"{count['/']} differ (/) for a reason; {count[' ']} have no meaning; {count['?']} are open (?)"
    )


if __name__ == "__main__":
    main()
