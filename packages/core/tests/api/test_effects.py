"""What docs/effects.md promises of effects: when they happen, with which values, in which order, how often."""

from __future__ import annotations

import functools
import logging
import random

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.experimental import io_callback

F32 = cotan.ShapeDtypeStruct((), "float32")
X = np.arange(3, dtype=np.float32)


@pytest.fixture
def printed(capsys):
    """The lines printed since it was last called."""
    return lambda: capsys.readouterr().out.splitlines()


def square(x, tag="x"):
    cotan.debug.print("{} = {}", tag, x)
    return x * x


# ---- Eager and jit


def test_eager_prints_at_once(printed):
    square(cnp.asarray(2.0))
    assert printed() == ["x = 2.0"]


def test_jit_prints_each_time_it_runs_and_not_while_it_traces(printed):
    f = cotan.jit(lambda x: square(square(x, "a") + 1, "b"))
    cotan.make_jaxpr(f)(2.0)
    cotan.eval_shape(f, 2.0)
    f.lower(2.0).compile()
    assert printed() == []
    for x in (2.0, 3.0):
        f(x)
        assert printed() == [f"a = {x}", f"b = {x * x + 1}"]


def test_what_nobody_uses_is_printed_all_the_same(printed):
    @cotan.jit
    def f(x):
        cotan.debug.print("sum {s} of {n}", s=cnp.sum(x), n="three")
        cotan.debug.print("constant")

    f(X)
    assert printed() == ["sum 3.0 of three", "constant"]


def test_formats(printed):
    f = cotan.jit(lambda x: cotan.debug.print("{0:.2f} {x.shape} {{}} {0!r:>3} {y[1]}", x[0], x=x, y=[1, "s"]))
    f(X)
    assert printed() == ["0.00 (3,) {} Array(0., dtype=float32) s"]
    cotan.debug.print("{:{}}|{}", "a", 3, None)
    cotan.debug.print("values", X, n=2, skip_format_check=True)
    cotan.debug.print(ordered=True)("{ordered}", ordered=1)
    assert printed() == ["a  |None", "values [0. 1. 2.] n=2", "1"]
    with np.printoptions(precision=2):
        g = cotan.jit(lambda x: cotan.debug.print("{}", x))
        g(X / 3)
    g(X / 3)
    assert printed() == ["[0.   0.33 0.67]"] * 2


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (("{} {}", 1), {}, "uses argument 1, but only argument 0 is given"),
        (("{x} {y}",), {}, "uses `x`, `y`, but no arguments are given"),
        (("{}", 1, 2), {}, "does not use argument 1. If it is an f-string"),
        (("x = 3",), {"x": 3}, "does not use `x`. If it is an f-string, make it a plain one"),
        (("{0.shape} {}", 1), {}, "names some arguments by number and leaves others to be counted"),
        (("{", 1), {}, "is not valid: Single '{'"),
        (("{:{w}}", 1), {}, "uses `w`"),
    ],
)
def test_formats_are_checked_before_anything_runs(args, kwargs, message):
    def traced(x):
        cotan.debug.print(*args, **kwargs)

    with pytest.raises(ValueError, match=r"test_effects\.py:\d+, in traced: debug\.print: the format") as error:
        cotan.make_jaxpr(traced)(1.0)
    assert message in str(error.value)


def test_other_arguments_are_checked():
    with pytest.raises(TypeError, match=r"debug\.print takes a format, a str, got an? int"):
        cotan.debug.print(3)
    with pytest.raises(TypeError, match=r"test_effects\.py:\d+.*debug\.callback takes a function to call, got an? int"):
        cotan.debug.callback(3)
    for call in (cotan.debug.callback, cotan.debug.print, cotan.debug.log):
        with pytest.raises(TypeError, match="got arguments, but neither a callback nor a format"):
            call(x=3)


def test_log(caplog):
    f = cotan.jit(lambda x: cotan.debug.log("x is {}", x))
    with caplog.at_level(logging.INFO, "cotan.debug"):
        f(2.0)
    [record] = caplog.records
    assert (record.getMessage(), record.levelno, record.name) == ("x is 2.0", logging.INFO, "cotan.debug")
    assert record.pathname.endswith("test_effects.py")
    with caplog.at_level(logging.WARNING, "cotan.debug"):
        f(3.0)
    assert len(caplog.records) == 1


def test_effects_are_part_of_a_program():
    closed = cotan.make_jaxpr(cotan.jit(lambda x: cotan.debug.print("{}", x, ordered=True)))(1.0)
    [effect] = closed.effects
    assert isinstance(effect, cotan.debug.OrderedDebugEffect)
    assert effect.ordered
    [effect] = cotan.make_jaxpr(square)(1.0).effects
    assert isinstance(effect, cotan.debug.DebugEffect)
    assert not cotan.make_jaxpr(lambda x: cotan.pure_callback(np.sin, F32, x))(1.0).effects


# ---- vmap


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_vmap_prints_each_example_in_order(printed, ordered, compiled):
    def f(x, y):
        cotan.debug.print("x {} y {}", x, y, ordered=ordered)
        cotan.debug.print("y {}", y, ordered=ordered)
        return x

    mapped = cotan.vmap(f, (0, None))
    (cotan.jit(mapped) if compiled else mapped)(X, 5.0)
    # What is the same for all examples is shown once.
    assert printed() == ["x 0.0 y 5.0", "x 1.0 y 5.0", "x 2.0 y 5.0", "y 5.0"]


def test_nested_vmap_prints_row_by_row(printed):
    table = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    f = cotan.vmap(cotan.vmap(lambda x: cotan.debug.print("{}", x)))
    f(table)
    cotan.jit(f)(table)
    assert printed() == [f"{n}.0" for n in range(6)] * 2
    cotan.vmap(cotan.vmap(lambda x: cotan.debug.print("{}", x)), 1)(table)
    assert printed() == ["0.0", "3.0", "1.0", "4.0", "2.0", "5.0"]


# ---- Derivatives

DERIVATIVES = {
    "grad": lambda f: cotan.grad(f),
    "value_and_grad": lambda f: cotan.value_and_grad(f),
    "jit of grad": lambda f: cotan.jit(cotan.grad(f)),
    "grad of jit": lambda f: cotan.grad(cotan.jit(f)),
    "vjp": lambda f: lambda x: cotan.vjp(f, x)[1](1.0),
    "jvp": lambda f: lambda x: cotan.jvp(f, (x,), (1.0,)),
    "jit of jvp": lambda f: cotan.jit(lambda x: cotan.jvp(f, (x,), (1.0,))),
    "linearize": lambda f: lambda x: cotan.linearize(f, x)[1](1.0),
    "second derivative": lambda f: cotan.grad(cotan.grad(f)),
    "hessian": lambda f: cotan.hessian(f),
    "checkpoint": lambda f: cotan.grad(cotan.checkpoint(f)),
    "checkpoint of jit": lambda f: cotan.grad(cotan.checkpoint(cotan.jit(f))),
    "jit of checkpoint": lambda f: cotan.jit(cotan.grad(cotan.checkpoint(f))),
    "saving all": lambda f: cotan.grad(cotan.checkpoint(f, policy=cotan.checkpoint_policies.everything_saveable)),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_print_once_with_the_values_of_the_forward_pass(printed, name):
    def f(x):
        y = cnp.sin(square(x, "a"))
        return square(y + 1, "b") * y

    values = printed_values(f, printed)
    DERIVATIVES[name](f)(np.float32(2.0))
    assert printed() == values


def printed_values(f, printed):
    f(cnp.asarray(2.0))
    return printed()


def test_io_under_checkpoint_happens_once_and_its_result_is_kept():
    numbers = iter(range(100))

    def f(x):
        n = io_callback(lambda: np.float32(next(numbers)), F32)
        return cnp.sin(x * n) * n

    for transform in (cotan.checkpoint, lambda f: cotan.checkpoint(cotan.jit(f))):
        for compiled in (lambda f: f, cotan.jit):
            n = next(numbers) + 1
            slope = compiled(cotan.grad(transform(f)))(np.float32(0.5))
            np.testing.assert_allclose(slope, n * n * np.cos(0.5 * n), rtol=1e-5)


def test_tangents_are_printed_where_they_are_computed(printed):
    @cotan.custom_jvp
    def f(x):
        cotan.debug.print("f {}", x)
        return x * x

    @f.defjvp
    def rule(primals, tangents):
        cotan.debug.print("tangent {}", tangents[0])
        return primals[0] ** 2, 2 * primals[0] * tangents[0]

    for g in (f, cotan.jit(f)):
        g(3.0)
        assert printed() == ["f 3.0"]
        cotan.jvp(g, (3.0,), (0.5,))
        assert printed() == ["tangent 0.5"]
        # The reverse pass has cotangents, and never these tangents.
        cotan.grad(g)(3.0)
        assert printed() == []
        _, linear = cotan.linearize(g, 3.0)
        assert printed() == []
        linear(1.0)
        linear(2.0)
        assert printed() == ["tangent 1.0", "tangent 2.0"]


def test_cotangents_are_printed_in_the_reverse_pass(printed):
    @cotan.custom_vjp
    def f(x):
        return x * x

    def forward(x):
        cotan.debug.print("forward {}", x)
        return x * x, x

    def backward(x, ct):
        cotan.debug.print("cotangent {}", ct)
        return (2 * x * ct,)

    f.defvjp(forward, backward)
    for g in (lambda x: 3 * f(x), cotan.jit(lambda x: 3 * f(x))):
        for derivative in (cotan.grad(g), cotan.jit(cotan.grad(g))):
            derivative(2.0)
            assert printed() == ["forward 2.0", "cotangent 3.0"]


# ---- Loops and branches


def running_sum(xs, **options):
    def step(total, x):
        total = total + x
        cotan.debug.print("x {} total {}", x, total)
        return total, cnp.sin(total) * x

    return cotan.lax.scan(step, np.float32(0), xs, **options)


@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"unroll": 2}, {"unroll": 3}])
def test_scan_prints_step_by_step(printed, options):
    order = X[::-1] if options.get("reverse") else X
    expected = [f"x {x} total {order[: k + 1].sum()}" for k, x in enumerate(order)]
    loop = functools.partial(running_sum, **options)
    loss = lambda xs: loop(xs)[0] + loop(xs * 1)[1].sum()  # noqa: E731
    for fun, times in (
        (loop, 1),
        (cotan.jit(loop), 1),
        (cotan.grad(loss), 2),
        (cotan.jit(cotan.grad(loss)), 2),
        (cotan.grad(cotan.checkpoint(loss)), 2),
        (lambda xs: cotan.jvp(loss, (xs,), (xs,)), 2),
    ):
        fun(X)
        assert printed() == expected * times
    with cotan.disable_jit():
        loop(X)
    assert printed() == expected


def test_scan_of_checkpointed_steps_prints_once(printed):
    @cotan.checkpoint
    def step(total, x):
        cotan.debug.print("x {}", x)
        return cnp.sin(total + x), total

    f = lambda xs: cotan.lax.scan(step, np.float32(0), xs)[0]  # noqa: E731
    for fun in (cotan.grad(f), cotan.jit(cotan.grad(f))):
        fun(X)
        assert printed() == ["x 0.0", "x 1.0", "x 2.0"]


def test_mapped_scan_prints_all_examples_of_a_step(printed):
    xs = np.arange(4, dtype=np.float32).reshape(2, 2)
    expected = ["x 0.0 total 0.0", "x 2.0 total 2.0", "x 1.0 total 1.0", "x 3.0 total 5.0"]
    for fun in (cotan.vmap(running_sum), cotan.jit(cotan.vmap(running_sum))):
        fun(xs)
        assert printed() == expected


def counted_down(n):
    def body(n):
        cotan.debug.print("n {}", n)
        return n - 1

    return cotan.lax.while_loop(lambda n: n > 0, body, n)


def test_while_loops_print_step_by_step(printed):
    for fun in (counted_down, cotan.jit(counted_down)):
        fun(3)
        assert printed() == ["n 3", "n 2", "n 1"]
        fun(0)
        assert printed() == []
    for fun in (cotan.vmap(counted_down), cotan.jit(cotan.vmap(counted_down))):
        # An example that is done takes no part any more.
        fun(np.asarray([2, 0, 3]))
        assert printed() == ["n 2", "n 3", "n 1", "n 2", "n 1"]


def test_nested_vmap_of_while_loops_and_effects_of_conditions(printed):
    table = np.asarray([[1, 0], [0, 2]])
    cotan.jit(cotan.vmap(cotan.vmap(counted_down)))(table)
    assert printed() == ["n 1", "n 2", "n 1"]

    def asked(n):
        def cond(n):
            cotan.debug.print("asked {}", n)
            return n > 0

        return cotan.lax.while_loop(cond, lambda n: n - 1, n)

    for fun in (cotan.vmap(asked), cotan.jit(cotan.vmap(asked))):
        fun(np.asarray([1, 0, 2]))
        assert printed() == ["asked 1", "asked 0", "asked 2", "asked 0", "asked 1", "asked 0"]


def test_io_in_mapped_while_loops_happens_for_the_examples_that_go_on():
    seen = []

    def host(x):
        seen.append(int(x))
        return np.asarray(x) - 1

    def f(n):
        return cotan.lax.while_loop(lambda n: n > 0, lambda n: io_callback(host, n, n), n)

    for fun in (cotan.vmap(f), cotan.jit(cotan.vmap(f))):
        seen.clear()
        np.testing.assert_array_equal(fun(np.asarray([1, -5, 2])), [0, -5, 0])
        assert seen == [1, 2, 1]


def test_fori_loops_print_step_by_step(printed):
    def f(upper):
        def body(i, x):
            cotan.debug.print("i {} x {}", i, x)
            return x * 2

        return cotan.lax.fori_loop(0, upper, body, 1)

    for fun in (lambda: f(3), cotan.jit(lambda: f(3)), lambda: cotan.jit(f)(3)):
        fun()
        assert printed() == ["i 0 x 1", "i 1 x 2", "i 2 x 4"]


def signed(x):
    return cotan.lax.cond(x > 1, lambda x: square(x, "big"), lambda x: -square(x, "small"), x)


def test_branches_print_only_if_they_are_taken(printed):
    for fun in (signed, cotan.jit(signed), cotan.grad(signed), cotan.jit(cotan.grad(signed))):
        fun(0.0)
        fun(2.0)
        assert printed() == ["small = 0.0", "big = 2.0"]


def test_mapped_branches_print_for_the_examples_that_take_them(printed):
    for fun in (cotan.vmap(signed), cotan.jit(cotan.vmap(signed)), cotan.vmap(cotan.jit(signed))):
        fun(np.asarray([2.0, 0.0, 3.0, 1.0], np.float32))
        assert sorted(printed()) == ["big = 2.0", "big = 3.0", "small = 0.0", "small = 1.0"]
    # A choice that is the same for all is one.
    cotan.vmap(lambda x: cotan.lax.cond(True, square, lambda x: -square(x, "not"), x))(X)
    assert printed() == ["x = 0.0", "x = 1.0", "x = 2.0"]


def test_functions_with_rules_in_mapped_branches(printed):
    @cotan.custom_jvp
    def f(x):
        return square(x, "f")

    @f.defjvp
    def f_rule(primals, tangents):
        cotan.debug.print("f rule {}", primals[0])
        return primals[0] ** 2, 10 * tangents[0]

    @cotan.custom_vjp
    def g(x):
        return square(x, "g")

    def backward(x, ct):
        cotan.debug.print("backward {}", x)
        return (20 * ct,)

    g.defvjp(lambda x: (square(x, "forward"), x), backward)

    def h(x):
        return cotan.lax.cond(x > 1, lambda x: f(x) + g(x), lambda x: x, x)

    xs = np.asarray([0.0, 2.0, 3.0], np.float32)
    for fun in (cotan.vmap(h), cotan.jit(cotan.vmap(h)), cotan.vmap(cotan.jit(h))):
        np.testing.assert_array_equal(fun(xs), [0, 8, 18])
        assert printed() == ["f = 2.0", "f = 3.0", "g = 2.0", "g = 3.0"]
    total = lambda xs: cotan.vmap(h)(xs).sum()  # noqa: E731
    for fun in (cotan.vmap(cotan.grad(h)), cotan.grad(total), cotan.jit(cotan.grad(total))):
        np.testing.assert_array_equal(fun(xs), [1, 30, 30])
        assert printed() == [
            "f rule 2.0", "f rule 3.0", "forward = 2.0", "forward = 3.0", "backward 2.0", "backward 3.0",
        ]  # fmt: skip


def test_io_in_mapped_branches_happens_for_the_examples_that_take_them():
    seen = []

    def f(x):
        return cotan.lax.cond(x > 0, lambda x: io_callback(host, F32, x), lambda x: x - 1, x)

    def host(x):
        seen.append(float(x))
        return x * 10

    for fun in (cotan.vmap(f), cotan.jit(cotan.vmap(f))):
        seen.clear()
        np.testing.assert_array_equal(fun(np.asarray([1.0, -1.0, 2.0], np.float32)), [10, -2, 20])
        assert seen == [1.0, 2.0]


def test_a_callback_that_raises_in_a_loop_ends_it(printed):
    class Mine(Exception):
        pass

    def check(x):
        if x > 1:
            raise Mine(float(x))

    def f(xs):
        def step(total, x):
            cotan.debug.print("x {}", x)
            cotan.debug.callback(check, x)
            return total + x, total

        return cotan.lax.scan(step, np.float32(0), xs)

    for fun in (f, cotan.jit(f)):
        with pytest.raises(Mine, match="2"):
            fun(np.arange(5, dtype=np.float32))
        assert printed() == ["x 0.0", "x 1.0", "x 2.0"]


# ---- Order


class Story:
    """A random program of arithmetic, prints, callbacks and calls; ``told`` is what its effects saw, in their order."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.told: list[tuple[int, float]] = []

    def tell(self, tag):
        return lambda x: self.told.append((tag, round(float(np.sum(x)), 3)))

    def answer(self, tag):
        def host(x):
            self.tell(tag)(x)
            return np.asarray(x) * np.float32(0.5)

        return host

    def __call__(self, x):
        rng = random.Random(self.seed)
        return self.part(rng, [x], 2)

    def part(self, rng, values, depth):
        values = list(values)
        for _ in range(6):
            tag = rng.randrange(1000)
            x = rng.choice(values)
            kind = rng.randrange(12)
            if kind == 0:
                cotan.debug.callback(self.tell(tag), x, ordered=bool(tag % 2))
            elif kind == 1:
                stopped = cotan.lax.stop_gradient(x)
                values.append(x + io_callback(self.answer(tag), stopped, stopped, ordered=bool(tag % 2)))
            elif kind == 2:
                values.append(cnp.sin(x) + 1)
            elif kind == 3:
                values.append(x - cnp.sum(x))
            elif kind == 4:
                values.append(x.at[tag % 4].add(1.0))
            elif kind == 5:
                values.append(cnp.sort(x) * rng.choice(values))
            elif kind == 6:
                values.append(cnp.cumsum(x) / 4)
            elif depth:
                inner = rng.randrange(10**9)

                def part(x, inner=inner):
                    return self.part(random.Random(inner), [x], depth - 1)

                if kind in (7, 8):
                    values.append((cotan.jit if kind == 7 else cotan.checkpoint)(part)(x))
                elif kind == 9:
                    values.append(cotan.lax.cond(cnp.sum(x) > 1, part, lambda x: x * 2, x))
                elif kind == 10:
                    values.append(cotan.lax.fori_loop(0, 2, lambda i, x, part=part: part(x) / 2 + i, x))
                else:
                    step = lambda total, x, part=part: (total + part(x), cnp.sum(total))  # noqa: E731
                    values.append(cotan.lax.scan(step, x, cnp.stack([x, x * 2, x + 1]), reverse=bool(tag % 2))[0])
        return sum(values) / len(values)


@pytest.mark.parametrize("seed", range(16))
def test_effects_keep_the_order_of_the_program(seed):
    story = Story(seed)
    x = cnp.linspace(0.1, 0.7, 4)
    with cotan.disable_jit():
        story(x)
    expected, story.told = story.told, []
    loss = lambda x: cnp.sum(story(x))  # noqa: E731
    for fun in (
        story,
        cotan.jit(story),
        cotan.grad(loss),
        cotan.jit(cotan.grad(loss)),
        cotan.grad(cotan.jit(loss)),
        lambda x: cotan.jvp(loss, (x,), (x,)),
        cotan.grad(cotan.checkpoint(loss)),
    ):
        fun(x)
        tags = [tag for tag, _ in story.told]
        assert tags == [tag for tag, _ in expected]
        np.testing.assert_allclose([v for _, v in story.told], [v for _, v in expected], rtol=1e-3, atol=2e-3)
        story.told.clear()
