"""The catalogue of errors: each of its programs raises what the page says, and the program after it does not."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import NamedTuple

import pytest

from cotan import errors
from cotan.ir.trace import trace_state_clean

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")


class Entry(NamedTuple):
    """One entry of the page: a program, what it raises, and perhaps a program that does what was meant."""

    title: str
    program: str
    text: str
    instead: str | None


def _entries() -> list[Entry]:
    found = []
    for part in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        title, body = part.split("\n", 1)
        programs = re.findall(r"```python\n(.*?)```", body, flags=re.DOTALL)
        [text] = re.findall(r"```text\n(.*?)```", body, flags=re.DOTALL)
        assert 1 <= len(programs) <= 2, title
        found.append(Entry(title, programs[0], text, programs[1] if len(programs) == 2 else None))
    return found


ENTRIES = _entries()
each = pytest.mark.parametrize("entry", [pytest.param(entry, id=entry.title) for entry in ENTRIES])


def run(program: str) -> None:
    exec(compile(program, "example.py", "exec"), {"__name__": "__main__"})


@each
def test_the_program_raises_what_the_page_says(entry: Entry) -> None:
    with pytest.raises(Exception) as info:  # noqa: PT011  type and text are compared below
        run(entry.program)
    info.value.__notes__ = []
    found = "".join(traceback.format_exception_only(info.value))
    assert found.split() == entry.text.split()
    assert trace_state_clean()


@each
def test_the_text_begins_with_the_place_and_says_what_to_do(entry: Entry) -> None:
    kind, text = entry.text.split(": ", 1)
    assert re.match(r"example\.py:\d+(, in \S+)?: ", text), kind
    assert len(text.split()) > 8


@each
def test_what_to_do_instead_works(entry: Entry) -> None:
    assert entry.instead is not None
    run(entry.instead)
    assert trace_state_clean()


def test_titles_are_different() -> None:
    assert len({entry.title for entry in ENTRIES}) == len(ENTRIES) > 50


def test_all_classes_are_on_the_page() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE, flags=re.MULTILINE))
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.CotanError)]
    assert {c.__name__: ", ".join(f"`{base.__name__}`" for base in c.__bases__) for c in classes} == rows
