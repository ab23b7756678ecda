"""named_scope and named_call: where names show, and that they stay with the operations under transforms."""

from __future__ import annotations

import functools

import pytest

import cotan
import cotan.numpy as cnp
from cotan import named_call, named_scope
from cotan.errors import format_frame, scope_of


def scopes(closed):
    """(primitive, scope) of each equation."""
    return [(eqn.primitive.name, scope_of(eqn.source)) for eqn in closed.eqns]


def attention(x):
    with named_scope("scores"):
        y = cnp.sin(x)
    return cnp.cos(y)


def test_nested_blocks_functions_and_calls():
    @named_scope("encoder")
    def encoder(x):
        return named_call(attention)(x)

    assert encoder.__name__ == "encoder"
    assert scopes(cotan.make_jaxpr(encoder)(1.0)) == [
        ("sin", "encoder/attention/scores"),
        ("cos", "encoder/attention"),
    ]
    assert scopes(cotan.make_jaxpr(attention)(1.0)) == [("sin", "scores"), ("cos", "")]


def test_names_end_with_an_exception():
    def f(x):
        try:
            with named_scope("failing"):
                raise ValueError
        except ValueError:
            return cnp.sin(x)

    assert scopes(cotan.make_jaxpr(f)(1.0)) == [("sin", "")]


def test_a_scope_may_be_entered_again():
    scope = named_scope("again")

    def f(x):
        with scope, scope:
            x = cnp.sin(x)
        return cnp.cos(x)

    assert scopes(cotan.make_jaxpr(f)(1.0)) == [("sin", "again/again"), ("cos", "")]


def test_recursion():
    @named_scope("level")
    def f(x, depth):
        return cnp.sin(f(x, depth - 1)) if depth else cnp.cos(x)

    assert scopes(cotan.make_jaxpr(lambda x: f(x, 1))(1.0)) == [("cos", "level/level"), ("sin", "level")]


def test_printed():
    assert str(cotan.make_jaxpr(attention)(1.0)).splitlines()[1:3] == [
        "    b:~f32[] = sin a  # scores",
        "    c:~f32[] = cos b",
    ]


def test_a_jitted_function_keeps_its_own_names_wherever_it_is_called():
    f = cotan.jit(attention)

    def caller(x):
        with named_scope("outer"):
            return f(x)

    inside = cotan.make_jaxpr(caller)(1.0)
    assert scopes(inside) == [("jit", "outer")]
    assert scopes(inside.eqns[0].params["jaxpr"]) == [("sin", "scores"), ("cos", "")]
    assert scopes(cotan.make_jaxpr(f)(1.0)) == [("jit", "")]


def test_names_go_through_transforms():
    f = cotan.jit(attention)
    mapped = cotan.make_jaxpr(cotan.vmap(f))(cnp.ones(3)).eqns[0].params["jaxpr"]
    assert scopes(mapped) == [("sin", "scores"), ("cos", "")]
    forward, backward = cotan.make_jaxpr(cotan.grad(f))(1.0).eqns
    assert scopes(forward.params["jaxpr"])[0] == ("sin", "scores")
    # The factor cos(x) of the derivative of sin is applied where sin is.
    assert scopes(backward.params["jaxpr"])[-1] == ("mul", "scores")


def test_explain():
    def f(w, x):
        with named_scope("layer"):
            return named_call(cotan.jit(cnp.tanh), name="bend")(w @ x)

    text = cotan.explain(f)(cnp.ones((300, 300)), cnp.ones((300, 300)))
    assert "= dot_general(" in text
    assert "# layer\n" in text
    assert "fused: layer/bend/tanh" in text


def test_named_call_takes_the_name_of_the_function():
    @named_call
    def block(x, *, scale):
        """Documented."""
        return cnp.sin(x) * scale

    assert (block.__name__, block.__doc__) == ("block", "Documented.")
    assert scopes(cotan.make_jaxpr(lambda x: block(x, scale=2.0))(1.0)) == [("sin", "block"), ("mul", "block")]
    assert float(block(0.0, scale=2.0)) == 0


def test_places_with_names():
    assert format_frame(("/a/train.py", 3, "step/encoder")) == "train.py:3, in step/encoder"
    assert format_frame(("/a/train.py", 3, "<module>/encoder")) == "train.py:3, in encoder"
    assert format_frame(("/a/train.py", 3, "<module>")) == "train.py:3"


def test_bad_arguments():
    with pytest.raises(TypeError, match=r"test_names.py:\d+, in .*: named_scope: name must be a string, got 3"):
        named_scope(3)
    with pytest.raises(TypeError, match="named_call of `attention`: name must be a string, got 3"):
        named_call(attention, name=3)
    with pytest.raises(TypeError, match="named_call takes a function"):
        named_call(3)
    with pytest.raises(TypeError, match="named_scope takes a function"):
        named_scope("a")(3)


TRANSFORMS = [
    *(cotan.jit, cotan.vmap, cotan.grad, cotan.value_and_grad, cotan.jacfwd, cotan.jacrev, cotan.hessian),
    *(cotan.checkpoint, cotan.custom_jvp, cotan.custom_vjp, cotan.custom_batching.custom_vmap, cotan.named_call),
]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_transformed_function_has_the_attributes_of_the_function(transform):
    def loss(x):
        """Says what it does."""

    loss.units, loss.trace = "nats", 3
    made = transform(loss)
    assert (made.__name__, made.__qualname__, made.__doc__) == ("loss", loss.__qualname__, "Says what it does.")
    assert made.units == "nats"
    assert made.__wrapped__ is loss or transform is cotan.hessian
    assert callable(made.trace) == (transform is cotan.jit)  # what a jitted function has itself goes before
    made.units = "bits"
    assert loss.units == "nats"


def test_the_methods_of_a_jitted_function_are_its_own():
    inner = cotan.jit(lambda x: 2 * x)
    inner.units = "nats"
    for transform in (cotan.vmap, cotan.grad, cotan.checkpoint, cotan.custom_jvp):
        made = transform(inner)
        assert made.units == "nats"
        assert not any(hasattr(made, name) for name in ("trace", "lower", "eval_shape", "clear_cache", "_cache_size"))
    outer = cotan.jit(cotan.vmap(inner))
    assert outer.lower is not inner.lower
    assert outer.eval_shape(cnp.ones(3)).shape == (3,)


def test_attributes_of_objects_and_partials():
    class Model:
        def __init__(self):
            self.units = "nats"

        def __call__(self, x):
            return x

    assert cotan.vmap(Model()).units == "nats"
    part = functools.partial(lambda x, y: x * y, 2.0)
    part.units = "nats"
    assert cotan.grad(part).units == "nats"


def test_messages_say_how_a_function_was_made():
    def step(x):
        return x

    made = cotan.jit(cotan.vmap(cotan.grad(step)))
    assert made.__name__ == "step"
    with pytest.raises(TypeError, match=r"jit of `vmap\(grad\(step\)\)`"):
        made("text")
    assert cotan.make_jaxpr(cotan.grad(step)).__name__ == "make_jaxpr(grad(step))"


@pytest.mark.parametrize("transform", [cotan.jit, cotan.vmap, cotan.grad, cotan.checkpoint])
def test_names_of_callables_that_are_no_text(transform):
    class Module:
        def __getattr__(self, name):
            return name.encode()

        def __call__(self, x):
            return x

    made = transform(Module())
    assert type(made.__name__) is type(made.__qualname__) is str
