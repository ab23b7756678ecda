"""Flags on the command line of programs that use absl: ``--jax_enable_x64``, ``--jax_platforms=cpu``.

absl is the program's own, and imported when it asks for its flags. Knows no configuration: it is handed a table.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Option(Protocol):
    """What the command line may set: its value where nothing is given, what it does, and how texts are read."""

    @property
    def default(self) -> Any: ...
    @property
    def doc(self) -> str: ...
    @property
    def parse(self) -> Callable[[str], Any]: ...


Options = Mapping[str, Option]
Names = Mapping[str, str]
Update = Callable[[str, Any], None]


def _named(options: Options, aliases: Names) -> dict[str, Option]:
    return {f"jax_{name}": options[aliases.get(name, name)] for name in (*options, *aliases)}


def _define(options: Options, aliases: Names) -> Any:
    from absl import flags as absl

    for name, option in _named(options, aliases).items():
        if name not in absl.FLAGS:
            if isinstance(option.default, bool):
                absl.DEFINE_bool(name, option.default, option.doc)
            else:
                absl.DEFINE_string(name, None, option.doc)
    return absl.FLAGS


def _apply(options: Options, aliases: Names, update: Update, found: Any) -> None:
    for name, option in _named(options, aliases).items():
        flag = found[name]
        if flag.present:
            update(name, option.parse(flag.value) if isinstance(flag.value, str) else flag.value)


def define_for_app(options: Options, aliases: Names, update: Update) -> None:
    """Define the flags now, and set what was given once ``absl.app.run`` has read the command line.

    Args:
      options: by name; absl's flags are called ``jax_`` and that.
      aliases: other names -> names of options.
      update: is called with the flag's name and value where one is given.

    Raises:
      ModuleNotFoundError: absl is not installed.
    """
    from absl import app

    found = _define(options, aliases)
    app.call_after_init(lambda: _apply(options, aliases, update, found))


def parse_own(options: Options, aliases: Names, update: Update) -> None:
    """Set what the arguments of this process that begin with ``--jax`` say; those after ``--`` are not looked at.

    Arguments and errors are those of ``define_for_app``.
    """
    found = _define(options, aliases)
    given = itertools.takewhile(lambda argument: argument != "--", sys.argv)
    found(["", *(argument for argument in given if argument.startswith("--jax"))], known_only=True)
    _apply(options, aliases, update, found)
