"""checkify: the first thing that goes wrong, wherever it happens and however the function is transformed."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.experimental import checkify
from cotan.experimental.checkify import check

X = np.arange(4, dtype=np.float32)


def small(x, limit=2.0):
    check(x < limit, "{x} is not below {limit}", x=x, limit=limit)
    return x * 2


def arrays(args):
    """NumPy arrays as Arrays: checkify gives functions their arguments as they are."""
    return [cnp.asarray(x) if isinstance(x, np.ndarray | np.generic) else x for x in args]


def message_of(fun, *args, errors=checkify.all_checks):
    """The messages of the error, eager and compiled, which must be one."""
    args = arrays(args)
    error, out = checkify.checkify(fun, errors=errors)(*args)
    compiled_error, compiled = cotan.jit(checkify.checkify(fun, errors=errors))(*args)
    assert compiled_error.get() == error.get()
    for a, b in zip(cotan.tree.leaves(out), cotan.tree.leaves(compiled), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-6)
    return error.get()


# ---- Checks


def test_errors_and_results():
    error, y = checkify.checkify(small)(1.0)
    assert (error.get(), error.get_exception(), float(y)) == (None, None, 2.0)
    error.throw()
    checkify.check_error(error)
    error, y = checkify.checkify(small)(3.0)
    assert float(y) == 6.0
    assert re.fullmatch(r"3.0 is not below 2.0 \(`check` failed\) at test_checkify.py:\d+, in small", error.get())
    assert isinstance(error.get_exception(), checkify.FailedCheckError)
    for throw in (error.throw, lambda: checkify.check_error(error)):
        with pytest.raises(checkify.JaxRuntimeError, match=r"3\.0 is not below 2\.0") as raised:
            throw()
        assert isinstance(raised.value, ValueError)
        assert str(raised.value) == error.get()
        assert isinstance(raised.value.__cause__, checkify.FailedCheckError)
    assert str(error) == f"Error({error.get()})"
    assert checkify.init_error.get() is None


def test_checks_that_are_run_at_once():
    small(1.0)
    with pytest.raises(checkify.JaxRuntimeError, match=r"^3.0 is not below 2.0 .*, in small$"):
        small(3.0)
    with pytest.raises(checkify.JaxRuntimeError, match=r"2.0 is not below"):
        cotan.vmap(small)(X)
    with pytest.raises(checkify.JaxRuntimeError, match=r"3.0 is not below 2.0"):
        cotan.grad(small)(3.0)
    checkify.debug_check(False, "unseen")
    cotan.jit(lambda x: (checkify.debug_check(x > 5, "unseen {}", x), x)[1])(1.0)
    cotan.grad(cotan.jit(lambda x: (checkify.debug_check(x > 5, "unseen {}", x), x)[1]))(1.0)
    assert "seen 1.0" in message_of(lambda x: checkify.debug_check(x > 5, "seen {}", x), 1.0)


def test_compiled_checks_must_be_results():
    with pytest.raises(ValueError, match=r"test_checkify\.py:\d+, in small: checkify\.check in a function that is"):
        cotan.jit(small)(1.0)


def test_arguments_are_checked():
    with pytest.raises(TypeError, match=r"test_checkify\.py.*check takes a bool scalar as its first argument, got f32"):
        check(cnp.ones(()), "message")
    with pytest.raises(TypeError, match=r"check takes a bool scalar as its first argument, got bool\[2\]"):
        check(np.ones(2, bool), "message")
    with pytest.raises(TypeError, match=r"debug_check takes a bool scalar.* got a str"):
        checkify.debug_check("s", "message")
    with pytest.raises(TypeError, match=r"arguments of the message must be arrays.* got a str"):
        check(True, "{}", "text")
    with pytest.raises(ValueError, match=r"checkify.check: the format '{y}' uses `y`, but only `x` is given"):
        check(True, "{y}", x=1.0)
    with pytest.raises(TypeError, match=r"checkify.check takes a format, a str, got an? int"):
        check(True, 3)
    check(True, "unused arguments are fine", 1.0)
    with pytest.raises(TypeError, match=r"errors must be a union of user_checks, .* got <class 'int'>"):
        checkify.checkify(small, errors={int})
    with pytest.raises(TypeError, match=r"check_error takes an Error, got an? int"):
        checkify.check_error(3)
    with pytest.raises(TypeError, match="checkify takes a function to transform"):
        checkify.checkify(3)
    with pytest.raises(TypeError, match=r"checkify of `<lambda>`: the function returned a str"):
        checkify.checkify(lambda: "s")()


def test_only_what_was_asked_for_is_reported():
    def f(x):
        check(x > 5, "check")
        return cnp.log(-x) / 0

    names = {"user_checks": "check", "nan_checks": "nan", "div_checks": "division"}
    for name, found in names.items():
        assert found in message_of(f, 1.0, errors=getattr(checkify, name))
    assert message_of(f, 1.0, errors=checkify.index_checks) is None
    assert "check" in message_of(f, 1.0)
    assert "nan" in message_of(f, 1.0, errors=checkify.float_checks)


def test_checks_that_nobody_asked_for_are_dropped_wherever_they_are():
    def f(x):
        y = cotan.jit(small)(x) + lax.cond(x > 0, small, lambda x: x, x)
        y += lax.while_loop(lambda t: t < 5, lambda t: t + small(x), x) + running(cnp.ones(5) * x)[0]
        return y + cotan.checkpoint(small)(x)

    for fun in (f, cotan.jit(f), cotan.grad(lambda x: cotan.jit(small)(x) ** 2)):
        assert message_of(fun, 3.0) is not None
        assert message_of(fun, 3.0, errors=checkify.automatic_checks) is None
        assert message_of(fun, 3.0, errors=()) is None


def test_the_first_error_of_the_program_is_told():
    def f(x):
        check(x[0] > 0, "first {}", x[0])
        check(x[1] > 0, "second {y} of {shape.shape}", y=x[1], shape=x)
        return x.sum()

    for signs, text in (((1, 1), None), ((-1, 1), "first -1.0"), ((1, -1), "second -1.0 of (2,)"), ((-1, -1), "first")):
        found = message_of(f, np.asarray(signs, np.float32))
        assert found is None if text is None else text in found


def test_values_that_are_known_stay_known():
    def f(x, n, flag):
        if flag:
            check(x.sum() > 100, "sum {}", x.sum())
        return cnp.zeros(n).sum() + x.sum()

    assert message_of_static(f, cnp.ones(3), 2, False) is None
    assert "sum 3.0" in message_of_static(f, cnp.ones(3), 2, True)


def message_of_static(fun, *args):
    return checkify.checkify(fun)(*args)[0].get()


# ---- Automatic checks


@pytest.mark.parametrize(
    ("fun", "args", "text"),
    [
        (lambda x: cnp.log(x), (-1.0,), "nan generated by primitive: log."),
        (lambda x: cnp.sqrt(x - 2), (X,), "nan generated by primitive: sqrt"),
        (lambda x: x * cnp.inf, (X,), "nan generated by primitive: mul"),
        (lambda x: cnp.sin(x / 1e-45), (X,), "nan generated by primitive: sin"),
        (lambda x: cnp.where(x > 1, x, cnp.nan), (X,), None),
        (lambda x: cnp.sort(x)[::-1], (np.float32([np.nan, 1]),), None),
        (lambda x: x + 1, (np.float32(np.nan),), "nan generated by primitive: add"),
        (
            lambda x: cotan.pure_callback(np.log, x, x, vmap_method="sequential"),
            (-np.ones(2),),
            "nan generated by primitive: pure_callback",
        ),
        (lambda x: 1 / x, (X,), "division by zero"),
        (lambda x: x / 2, (X,), None),
        (lambda x: 7 // x, (np.arange(3),), "division by zero"),
        (lambda x, i: x[i], (X, 4), "index 4 is out of bounds for axis 0 with size 4"),
        (lambda x, i: x[i], (X, -4), None),
        (lambda x, i: x[i], (X, -5), "index -1 is out of bounds for axis 0 with size 4"),
        (lambda x: x[7], (X,), "index 7 is out of bounds for axis 0 with size 4"),
        (
            lambda x: x.reshape(2, 2)[1, -3],
            (X,),
            "for array of shape (2, 2): index -1 is out of bounds for axis 1",
        ),
        (lambda x, i: x[i], (X, np.asarray([[0, 1], [5, 9]])), "index 5 is out of bounds for axis 0 with size 4"),
        (
            lambda x, i: x.reshape(2, 2)[:, i],
            (X, np.asarray([0, 3])),
            "index 3 is out of bounds for axis 1",
        ),
        (lambda x, i: x.at[i].set(0), (X, 5), "index 5 is out of bounds for axis 0"),
        (lambda x, i: x.at[i].add(1), (X, np.asarray([3, 4])), "index 4 is out of bounds for axis 0"),
        (lambda x, i: x.at[i].add(1), (X, np.asarray([3, 3])), None),
        (lambda x, i: cnp.take(x, i), (X, 6), "index 6 is out of bounds"),
        (lambda x, i: lax.dynamic_slice(x, (i,), (3,)), (X, 2), "index 2 is out of bounds for axis 0 with size 4"),
        (lambda x, i: lax.dynamic_slice(x, (i,), (3,)), (X, 1), None),
        (lambda x, i: lax.dynamic_update_slice(x, x[:2], (i,)), (X, 3), "index 3 is out of bounds"),
    ],
)
def test_automatic_checks(fun, args, text):
    args = arrays(args)
    with np.errstate(all="ignore"):
        found = message_of(fun, *args, errors=checkify.automatic_checks)
        inner = message_of(cotan.jit(fun), *args, errors=checkify.automatic_checks)
        mapped = checkify.checkify(
            lambda *rest: cotan.vmap(lambda _: fun(*rest))(np.ones(2)), errors=checkify.automatic_checks
        )(*args)[0].get()
        each = cotan.vmap(checkify.checkify(fun, errors=checkify.automatic_checks))(
            *(np.stack([x, x]) for x in map(np.asarray, args))
        )[0]
    if text is None:
        assert (found, inner, mapped, each.get()) == (None,) * 4
        return
    assert text in found
    assert text in inner
    assert text in mapped
    assert [line.split(":")[0] for line in each.get().splitlines()] == ["at mapped index 0", "at mapped index 1"]
    assert text in each.get()


def test_categories_of_exceptions():
    for fun, category in (
        (lambda x: cnp.log(x - 5), checkify.NaNError),
        (lambda x: 1 / (x - 1), checkify.DivisionByZeroError),
        (lambda x: cnp.ones(2)[x.astype(int) + 5], checkify.OOBError),
        (lambda x: check(x > 1, "x"), checkify.FailedCheckError),
    ):
        error, _ = checkify.checkify(fun, errors=checkify.all_checks)(1.0 * cnp.ones(()))
        assert type(error.get_exception()) is category


# ---- Transforms


def test_mapped_functions():
    error, y = cotan.vmap(checkify.checkify(small))(X)
    np.testing.assert_array_equal(y, 2 * X)
    lines = error.get().splitlines()
    assert [line[:18] for line in lines] == ["at mapped index 2:", "at mapped index 3:"]
    assert "3.0 is not below 2.0" in lines[1]
    found = error.get_exception()
    assert isinstance(found, checkify.BatchedError)
    assert set(found.error_mapping) == {(2,), (3,)}
    with pytest.raises(checkify.JaxRuntimeError, match=r"^at mapped index 2: "):
        error.throw()
    assert cotan.vmap(checkify.checkify(small))(X[:2])[0].get() is None
    error, _ = cotan.jit(cotan.vmap(cotan.vmap(checkify.checkify(small))))(X.reshape(2, 2))
    assert set(error.get_exception().error_mapping) == {(1, 0), (1, 1)}


def test_checks_in_mapped_functions_tell_the_first_example():
    assert "2.0 is not below 2.0" in message_of(cotan.vmap(small), X)
    assert message_of(cotan.vmap(small), X[:2]) is None
    assert "2.0 is not below" in message_of(cotan.vmap(cotan.vmap(small, 0), 1), X.reshape(2, 2))
    assert "is not below 1.0" in message_of(cotan.vmap(small, (None, 0)), 1.5, np.float32([2, 1]))


@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit, cotan.checkpoint, lambda f: cotan.jit(cotan.checkpoint(f))])
def test_derivatives(wrap):
    def f(x):
        return wrap(lambda y: small(cnp.sin(y) * 3) ** 2)(x)

    plain = lambda x: (6 * cnp.sin(x)) ** 2  # noqa: E731
    for x, failed in ((0.1, False), (1.0, True)):
        x = np.float32(x)
        slope = cotan.grad(plain)(x)
        checked = checkify.checkify(f)
        for g in (checkify.checkify(cotan.grad(f)), cotan.jit(checkify.checkify(cotan.grad(f)))):
            error, found = g(x)
            np.testing.assert_allclose(found, slope, rtol=1e-5)
            assert (error.get() is not None) == failed
        g = cotan.grad(lambda x, checked=checked: checked(x)[::-1], has_aux=True)
        for h in (g, cotan.jit(g)):
            found, error = h(x)
            assert (error.get() is not None) == failed
            np.testing.assert_allclose(found, slope, rtol=1e-5)
        (error, y), (_, dy) = cotan.jvp(checked, (x,), (np.float32(1),))
        np.testing.assert_allclose([y, dy], [plain(x), slope], rtol=1e-5)
        assert (error.get() is not None) == failed


def test_nans_of_derivatives():
    f = lambda x: cnp.sqrt(x) * 0.0  # noqa: E731
    assert message_of(f, 0.0, errors=checkify.nan_checks) is None
    assert "nan generated by primitive: mul" in message_of(cotan.grad(f), 0.0, errors=checkify.nan_checks)


def test_custom_rules_stay():
    @cotan.custom_jvp
    def f(x):
        check(x < 2, "f {}", x)
        return x * 2

    f.defjvp(lambda primals, tangents: (f(*primals), 10 * tangents[0]))

    @cotan.custom_vjp
    def g(x):
        check(x < 2, "g {}", x)
        return x * 2

    g.defvjp(lambda x: (g(x), None), lambda _, ct: (20 * ct,))

    for fun, slope in ((f, 10.0), (g, 20.0)):
        name = "f" if fun is f else "g"
        for x, failed in ((1.0, False), (3.0, True)):
            text = f"{name} {x}" if failed else "None"
            assert text in str(message_of(lambda x, fun=fun: cotan.jit(fun)(x), x))
            checked = checkify.checkify(fun)
            found, error = cotan.grad(lambda x, checked=checked: checked(x)[::-1], has_aux=True)(x)
            assert (float(found), text in str(error.get())) == (slope, True)
            error, found = checkify.checkify(cotan.grad(fun))(x)
            assert (float(found), text in str(error.get())) == (slope, True)
            mapped = cotan.vmap(cotan.grad(lambda x, checked=checked: checked(x)[1]))(np.float32([x, x]))
            np.testing.assert_array_equal(mapped, [slope, slope])


def test_custom_vmap_and_linear_call():
    @cotan.custom_batching.custom_vmap
    def f(x):
        check(x < 2, "f {}", x)
        return x * 2

    f.def_vmap(lambda size, batched, x: (f(x), batched[0]))
    assert "f 3.0" in message_of(f, 3.0)
    assert message_of(f, 1.0) is None
    linear = lambda x: cotan.custom_derivatives.linear_call(  # noqa: E731
        lambda r, x: x / r, lambda r, ct: ct / r, 0.0 * x, x
    )
    assert "division by zero" in message_of(linear, 1.0)


def test_custom_linear_solve():
    def solve(matvec, b):
        check(b[0] < 5, "b {}", b[0])
        return b / matvec(cnp.ones_like(b))

    def matvec(x):
        check(x[0] < 100, "map {}", x[0])
        return cnp.float32([2, 4]) * x

    def f(b):
        return lax.custom_linear_solve(matvec, b, solve, transpose_solve=solve)

    b = np.float32([1, 2])
    assert message_of(f, b) is None
    assert "b 6.0" in message_of(f, b * 6)
    error, slope = checkify.checkify(cotan.grad(lambda b: f(b)[0]))(cnp.asarray(b * 6))
    np.testing.assert_array_equal(slope, [0.5, 0])
    assert "b 6.0" in error.get()
    np.testing.assert_array_equal(cotan.grad(lambda b: checkify.checkify(f)(b)[1][1])(b * 6), [0, 0.25])


# ---- Loops and branches


def running(xs, **options):
    def step(total, x):
        check(total < 3, "total {t} at {x}", t=total, x=x)
        return total + x, total

    return lax.scan(step, np.float32(0), xs, **options)


@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"unroll": 2}, {"unroll": 4}])
def test_scan_tells_the_first_step(options):
    loop = functools.partial(running, **options)
    xs = np.float32([1, 2, 3, 4])
    assert ("total 4.0 at 3.0" if options.get("reverse") else "total 3.0 at 3.0") in message_of(loop, xs)
    assert message_of(loop, xs * 0) is None
    each, _ = cotan.vmap(checkify.checkify(loop))(np.stack([xs, xs * 0, xs * 5]))
    assert set(each.get_exception().error_mapping) == {(0,), (2,)}
    assert "total" in message_of(cotan.vmap(loop), np.stack([xs * 0, xs]))
    loss = lambda xs: loop(xs)[0] ** 2  # noqa: E731
    error, slope = checkify.checkify(cotan.grad(loss))(xs)
    np.testing.assert_allclose(slope, [20] * 4)
    assert "total" in error.get()
    slope, error = cotan.jit(cotan.grad(lambda xs: checkify.checkify(loss)(xs)[::-1], has_aux=True))(xs)
    np.testing.assert_allclose(slope, [20] * 4)
    assert "total" in error.get()


def test_nans_and_indices_in_loops():
    def f(xs):
        return lax.fori_loop(0, 4, lambda i, t: t + cnp.log(xs[i]) + xs[i + 1], np.float32(0))

    assert "nan generated by primitive: log" in message_of(f, np.float32([1, -2, 3, 4]))
    assert "index 4 is out of bounds" in message_of(f, np.float32([1, 2, 3, 4]))
    assert message_of(f, np.float32([1, 2, 3, 4, 5])) is None


def test_while_loops():
    def f(x):
        def cond(x):
            check(x < 30, "condition {}", x)
            return x < 10

        def body(x):
            check(x != 4, "body {}", x)
            return x * 2

        return lax.while_loop(cond, body, x)

    for start, text in ((3, None), (1, "body 4"), (16, None), (31, "condition 31"), (4, "body 4")):
        found = message_of(f, start)
        assert found is None if text is None else text in found
    plain = lambda x: lax.while_loop(lambda x: x < 10, lambda x: x / 0.5, x)  # noqa: E731
    assert message_of(plain, 1.0) is None
    # Examples that are done take no part any more.
    each, _ = cotan.vmap(checkify.checkify(f))(np.asarray([3, 1, 31]))
    assert set(each.get_exception().error_mapping) == {(1,), (2,)}
    assert "body 4" in message_of(cotan.vmap(f), np.asarray([3, 1]))


def test_branches():
    def f(index, x):
        branches = [
            lambda x: small(x),
            lambda x: (check(x > 0, "negative {}", x), x)[1],
            lambda x: x,
        ]
        return lax.switch(index, branches, x)

    for index, x, text in ((0, 3, "3.0 is not below"), (0, 1, None), (1, 3, None), (1, -1, "negative"), (2, 9, None)):
        found = message_of(f, index, np.float32(x))
        assert found is None if text is None else text in found
    each, _ = cotan.vmap(checkify.checkify(f))(np.asarray([0, 1, 2, 1]), np.float32([3, 3, 3, -1]))
    assert set(each.get_exception().error_mapping) == {(0,), (3,)}
    assert "negative" in message_of(cotan.vmap(f), np.asarray([0, 1, 2, 1]), np.float32([1, 3, 3, -1]))
    assert message_of(cotan.vmap(f), np.asarray([2, 1]), np.float32([9, 3])) is None


def test_loops_without_checks_stay_what_they_are():
    def f(xs):
        return lax.scan(lambda t, x: (t + x, t), np.float32(0), xs)

    plain = cotan.make_jaxpr(f)(X)
    assert str(cotan.make_jaxpr(lambda xs: checkify.checkify(f)(xs)[1])(X)) == str(plain)


# ---- Errors as values


def test_errors_go_through_compiled_functions_and_back():
    @cotan.jit
    def inner(x):
        return checkify.checkify(small)(x)

    def outer(x):
        error, y = inner(x)
        checkify.check_error(error)
        return y + 1

    assert float(outer(1.0)) == 3.0
    with pytest.raises(checkify.JaxRuntimeError, match=r"3.0 is not below"):
        outer(3.0)
    assert "3.0 is not below" in message_of(outer, 3.0)
    assert "3.0 is not below" in message_of(lambda x: (inner(x)[0].throw(), x)[1], 3.0)
    both = lambda x: checkify.check_error(cotan.vmap(checkify.checkify(small))(x)[0])  # noqa: E731
    assert "2.0 is not below 2.0" in message_of(both, X)
    with pytest.raises(checkify.JaxRuntimeError, match="at mapped index 3"):
        both(X)


def test_errors_of_other_categories_are_dropped_by_check_error():
    def outer(x):
        error, y = checkify.checkify(lambda x: (check(x < 9, "check"), cnp.log(x))[1], errors=checkify.all_checks)(x)
        checkify.check_error(error)
        return y

    assert "nan" in message_of(outer, -1.0)
    assert message_of(outer, -1.0, errors=checkify.user_checks) is None
    assert "check" in message_of(outer, 10.0, errors=checkify.user_checks)


def test_prints_and_callbacks_happen_under_checkify(capsys):
    def f(x):
        cotan.debug.print("x {}", x)
        return small(x)

    checkify.checkify(cotan.jit(f))(1.0)
    cotan.jit(checkify.checkify(f))(2.0)
    assert capsys.readouterr().out.splitlines() == ["x 1.0", "x 2.0"]


def test_traced_errors_show_themselves():
    shown = []
    cotan.jit(lambda x: shown.append(repr(checkify.checkify(small)(x)[0])))(1.0)
    assert shown == ["Error(of 1 checks)"]


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda f: f,
        cotan.jit,
        lambda f: lambda k: cotan.vmap(f)(k[None]),
        lambda f: lambda k: cotan.lax.cond(True, f, lambda k: None, k),
        lambda f: lambda k: cotan.lax.scan(lambda c, k: (c, f(k)), 0, k[None]),
    ],
)
def test_keys_are_arguments_of_messages(impl, wrap):
    def f(k):
        checkify.check(cnp.array(True), "never {}", k)
        checkify.check(cnp.array(False), "{} of {k}", cnp.int32(1), k=k)

    key = cotan.random.key(7, impl=impl)
    error, _ = checkify.checkify(wrap(f))(key)
    assert error.get().startswith(f"1 of {key!r} (`check` failed)")


def test_keys_of_mapped_checks_are_those_of_their_examples():
    keys = cotan.random.split(cotan.random.key(0))
    error, _ = cotan.vmap(checkify.checkify(lambda k: checkify.check(cnp.array(False), "{}", k)))(keys)
    assert all(repr(key) in error.get() for key in keys)
