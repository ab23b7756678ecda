"""Names of arguments, keyword resolution, positions, and static arguments."""

import functools
from typing import Any

import numpy as np
import pytest

from cotan import tree
from cotan.tree.calling import (
    ArgNames,
    check_hashable,
    fun_name,
    normalize_argnums,
    positional_names,
    resolve_argnums,
    resolve_kwargs,
)


def loss(params: Any, batch: Any, *rest: Any, scale: float = 1.0, **options: Any) -> None:
    """A function to be named."""


def test_names_of_leaves() -> None:
    args = ({"w": [1, 2]}, 3, (4,))
    names = ArgNames(loss, tree.structure((args, {"scale": 5, "extra": [6]})))
    assert list(names) == ["params['w'][0]", "params['w'][1]", "batch", "rest[0][0]", "extra[0]", "scale"]
    assert len(names) == 6
    assert names[2] == "batch"


def test_names_where_some_arguments_are_left_out() -> None:
    assert list(ArgNames(loss, tree.structure(((1, 2), {})), positions=(1, 3))) == ["batch", "rest[1]"]


def test_names_without_a_signature() -> None:
    assert list(ArgNames(dict.fromkeys, tree.structure(((1, [2]), {})))) != []
    assert positional_names(max, 2) == ["args[0]", "args[1]"]
    assert positional_names(np.add, 2)[0] in ("x1", "args[0]")


def test_names_of_functions() -> None:
    assert fun_name(loss) == "loss"
    assert fun_name(functools.partial(functools.partial(loss, 1), 2)) == "loss"

    class Model:
        def __call__(self) -> None:
            """Callable."""

    assert fun_name(Model()) == "Model"


def test_keywords_become_positions() -> None:
    def f(x: Any, y: Any = 2, *, z: Any = 3) -> None:
        """A function with keyword-only arguments."""

    def g(x: Any, y: Any = 2) -> None:
        """A function without."""

    assert resolve_kwargs(g, (1,), {}) == (1, 2)
    assert resolve_kwargs(g, (), {"y": 5, "x": 4}) == (4, 5)
    assert resolve_kwargs(functools.partial(g, 7), (), {"y": 8}) == (7, 8)
    with pytest.raises(TypeError, match=r"f: the keyword arguments z cannot be passed by position"):
        resolve_kwargs(f, (1,), {})
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        resolve_kwargs(g, (), {})


def test_positions() -> None:
    assert normalize_argnums(1, 3, "grad") == (1,)
    assert normalize_argnums([-1, 0], 3, "grad") == (2, 0)
    assert normalize_argnums(np.int64(2), 3, "grad") == (2,)
    assert normalize_argnums((5, -1), None, "jit") == (5, -1)


@pytest.mark.parametrize(
    ("argnums", "error", "message"),
    [
        (3, ValueError, r"grad\(f\): argnums names argument number 3, but there are 3 positional arguments"),
        ((0, -4), ValueError, "names argument number -4"),
        ((0, 0), ValueError, r"argnums=\(0, 0\) names an argument twice"),
        ((0, -3), ValueError, "names an argument twice"),
        ("x", TypeError, "must be an integer or a sequence of integers, got 'x'"),
        (1.0, TypeError, "must be an integer or a sequence of integers, got 1.0"),
        (None, TypeError, "must be an integer"),
        (True, TypeError, "must be an integer"),
    ],
)
def test_bad_positions(argnums: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        normalize_argnums(argnums, 3, "grad(f)")


def test_positions_and_names_complete_each_other() -> None:
    def f(x: Any, n: int, *, mode: str = "a") -> None:
        """A function with a keyword-only argument."""

    assert resolve_argnums(f, 1, None, "jit") == ((1,), ("n",))
    assert resolve_argnums(f, -1, None, "jit") == ((1,), ("n",))
    assert resolve_argnums(f, None, "n", "jit") == ((1,), ("n",))
    assert resolve_argnums(f, None, ["mode", "n"], "jit") == ((1,), ("mode", "n"))
    assert resolve_argnums(f, 0, "n", "jit") == ((0,), ("n",))
    assert resolve_argnums(f, None, None, "jit") == ((), ())
    assert resolve_argnums(loss, 7, "anything", "jit") == ((7,), ("anything",))
    assert resolve_argnums(max, 4, None, "jit") == ((4,), ())


@pytest.mark.parametrize(
    ("argnums", "argnames", "error", "message"),
    [
        (2, None, ValueError, r"jit\(f\): static_argnums names argument number 2, but there are 2"),
        (
            None,
            "m",
            ValueError,
            r"jit\(f\): static_argnames names `m`, but the function has no such argument; it has x, n",
        ),
        (None, ("n", 3), TypeError, "static_argnames must be a name or a sequence of names, got 3 in it"),
        (None, 3, TypeError, "static_argnames must be a name or a sequence of names, got 3"),
        ("n", None, TypeError, "static_argnums must be an integer or a sequence of integers, got 'n'"),
    ],
)
def test_bad_static_arguments(argnums: Any, argnames: Any, error: type[Exception], message: str) -> None:
    def f(x: Any, n: int) -> None:
        """A function of two arguments."""

    with pytest.raises(error, match=message):
        resolve_argnums(f, argnums, argnames, "jit")


def test_donated_arguments_have_their_own_words() -> None:
    with pytest.raises(ValueError, match="donate_argnames names `q`"):
        resolve_argnums(lambda x: x, None, "q", "jit", "donate")


def test_static_arguments_must_be_hashable() -> None:
    check_hashable((1, "a"), "n", "jit(f)")
    with pytest.raises(
        ValueError, match=r"jit\(f\): the static argument `n` is of type list, which is not hashable.*a tuple"
    ):
        check_hashable([1], "n", "jit(f)")
