"""checking_leaks: a traced value that is kept when its trace has ended is reported, with its origin and its keeper."""

from __future__ import annotations

import contextlib

import pytest

import cotan
import cotan.numpy as cnp
from cotan.errors import UnexpectedTracerError

kept_global = None


class Box:
    pass


def keep_in_list(x, box):
    y = cnp.sin(x)
    box.items.append(y)
    return y * 2


def keep_in_attribute(x, box):
    box.value = x * 3
    return x + 1


def keep_in_global(x, box):
    global kept_global
    kept_global = x
    return x + 1


def keep_in_closure(x, box):
    box.function = lambda: x
    return x + 1


def keep_in_dict(x, box):
    box.table["here"] = cnp.exp(x)
    return x + 1


CASES = [
    (keep_in_list, r"f32\[\], made by `sin` at test_leaks\.py:\d+, in keep_in_list, held by a list"),
    (keep_in_attribute, r"made by `mul` at test_leaks\.py:\d+, in keep_in_attribute, held by .*Box"),
    (keep_in_global, r"f32\[\], an argument, held by the global `kept_global` of"),
    (keep_in_closure, "an argument, held by a variable of an enclosing function"),
    (keep_in_dict, r"made by `exp` at .* held by a dict, under 'here'"),
]
TRANSFORMS = {
    "jit": cotan.jit,
    "grad": cotan.grad,
    "vjp": lambda f: lambda x: cotan.vjp(f, x),
    "linearize": lambda f: lambda x: cotan.linearize(f, x),
    "jvp": lambda f: lambda x: cotan.jvp(f, (x,), (1.0,)),
    "vmap": lambda f: lambda x: cotan.vmap(f)(cnp.ones(2) * x),
    "make_jaxpr": cotan.make_jaxpr,
    "eval_shape": lambda f: lambda x: cotan.eval_shape(f, x),
    "grad of jit": lambda f: cotan.grad(cotan.jit(f)),
    "jit of vmap": lambda f: lambda x: cotan.jit(cotan.vmap(f))(cnp.ones(2) * x),
    "checkpoint": lambda f: cotan.grad(cotan.checkpoint(f)),
}


@pytest.fixture
def box():
    global kept_global
    held = Box()
    held.items, held.table = [], {}
    yield held
    kept_global = None


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize(("function", "message"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_leaks_are_reported(function, message, name, box):
    def f(x):
        return function(x, box)

    with (
        cotan.checking_leaks(),
        pytest.raises(UnexpectedTracerError, match=r"test_leaks\.py:\d+, in .* has ended, but 1 of its .*" + message),
    ):
        TRANSFORMS[name](f)(1.0)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_what_is_not_leaked_is_not_reported(name):
    outside = cnp.ones(())

    def f(x):
        table = {"cycle": None, "x": x}
        table["cycle"] = table  # garbage, which only a cycle holds

        def helper(y):
            return x * y + outside

        return helper(cnp.sin(x)) + cotan.jit(cnp.tanh)(x)

    with cotan.checking_leaks():
        TRANSFORMS[name](f)(1.0)


def test_aux_values_and_caught_errors_are_no_leaks():
    def f(x):
        with contextlib.suppress(TypeError):
            cnp.ones(2) * x + cnp.ones(3)
        return x * x, {"aux": cnp.sin(x), "name": "text"}

    with cotan.checking_leaks():
        grads, aux = cotan.grad(f, has_aux=True)(2.0)
        assert (float(grads), aux["name"]) == (4.0, "text")
        cotan.jit(cotan.value_and_grad(lambda x: (x, x), has_aux=True))(1.0)


def test_nothing_is_reported_or_traced_again_without_the_flag(box):
    f = cotan.jit(lambda x: keep_in_list(x, box))
    f(1.0)
    f(1.0)
    assert len(box.items) == 1
    with cotan.checking_leaks(), pytest.raises(UnexpectedTracerError):
        f(1.0)
    with cotan.checking_leaks(False):
        f(1.0)
    assert not cotan.config.check_tracer_leaks


def test_an_error_of_the_function_is_not_hidden_by_a_leak(box):
    def f(x):
        box.items.append(x)
        raise KeyError("mine")

    with cotan.checking_leaks(), pytest.raises(KeyError, match="mine"):
        cotan.jit(f)(1.0)
