"""named_scope and named_call: names for parts of a program, which show wherever it is written out."""

from __future__ import annotations

import functools
from contextvars import Token
from typing import Any

from cotan.api.flat import Function, check_callable
from cotan.errors import enter_scope, leave_scope, open_scope, where
from cotan.tree.calling import fun_name


class named_scope:
    """A name for the operations inside of a block, or of a function: a context manager and a decorator.

    Names show behind the operations of a jaxpr, in ``explain``, and in messages that say where an operation comes from;
    those of nested blocks follow one another, as in ``encoder/attention``. They change nothing in what is computed.

    Args:
      name: the name.

    Raises:
      TypeError: ``name`` is not a string.

    >>> import cotan, cotan.numpy as cnp
    >>> @cotan.named_scope("twice")
    ... def f(x):
    ...     with cotan.named_scope("bend"):
    ...         y = cnp.sin(x)
    ...     return 2 * y
    >>> cotan.make_jaxpr(f)(1.0)
    { lambda a:~f32[] . let
        b:~f32[] = sin a  # twice/bend
        c:~f32[] = mul 2.0:~f32[] b  # twice
      in (c,) }
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{where()}: named_scope: name must be a string, got {name!r}")
        self.name = name
        self._open: list[Token[str]] = []

    def __enter__(self) -> named_scope:
        self._open.append(enter_scope(f"{open_scope()}/{self.name}" if self.name else open_scope()))
        return self

    def __exit__(self, *exception: Any) -> None:
        leave_scope(self._open.pop())

    def __call__(self, fun: Function) -> Function:
        check_callable("named_scope", fun)
        name = self.name

        @functools.wraps(fun)
        def named(*args: Any, **kwargs: Any) -> Any:
            with named_scope(name):
                return fun(*args, **kwargs)

        return named


def named_call(fun: Function, *, name: str | None = None) -> Function:
    """A function that does what ``fun`` does, with its operations under a name; see ``named_scope``.

    Args:
      name: the name; by default that of ``fun``.

    Raises:
      TypeError: ``fun`` is not callable, or ``name`` is not a string.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.make_jaxpr(cotan.named_call(cnp.sin, name="bend"))(1.0)
    { lambda a:~f32[] . let
        b:~f32[] = sin a  # bend
      in (b,) }
    """
    check_callable("named_call", fun)
    if not (name is None or isinstance(name, str)):
        raise TypeError(f"{where()}: named_call of `{fun_name(fun)}`: name must be a string, got {name!r}")
    return named_scope(fun_name(fun) if name is None else name)(fun)
