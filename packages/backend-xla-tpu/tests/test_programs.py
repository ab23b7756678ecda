"""Programs that users write, on XLA and on the CPU backend: loops, branches, keys, callbacks, derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax, random

X = np.arange(12, dtype=np.float32).reshape(4, 3) / 8


def scanned(x):
    return lax.scan(lambda carry, row: (carry * 0.9 + row, carry + row), x[0], x, reverse=True)


def repeated(x):
    return lax.while_loop(lambda state: state[0] < 5, lambda state: (state[0] + 1, state[1] * 1.5), (0, x))


def chosen(x):
    branches = [lambda x: x + 1, lambda x: x * 2, cnp.sin]
    return [lax.switch(i, branches, x) for i in (-3, 0, 1, 2, 9)]


def nested(x):
    def row(carry, a):
        inner = lax.fori_loop(0, 3, lambda i, c: c * a + i, carry)
        return lax.cond(inner.sum() > 2, cnp.tanh, cnp.exp, -inner), inner

    return lax.scan(row, x[0], x)


def slopes(x):
    return cotan.grad(lambda x: lax.scan(lambda c, a: (cnp.tanh(c * 0.9 + a), c.sum()), x[0], x)[0].sum())(x)


def curvature(x):
    return cotan.hessian(lambda v: cnp.sum(cnp.sin(v) * cnp.exp(-v[::-1])))(x[1])


def indexed(x):
    return (
        x.at[1, ::2].add(5)[cnp.array([3, 1, -1])],
        cnp.sort(x, axis=0)[::-1],
        cnp.argmax(x, 1),
        x[x[:, 0].astype(int)],
    )


def empty_loop(x):
    return lax.scan(lambda c, a: (c + a, c), x[0], x[:0])


def batched(x):
    return cotan.vmap(lambda row: lax.while_loop(lambda v: v.sum() < 3, lambda v: v + 1, row))(x)


PROGRAMS = [scanned, repeated, chosen, nested, slopes, curvature, indexed, empty_loop, batched]


@pytest.mark.parametrize("how", [cotan.jit, lambda f: f], ids=["jit", "eager"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_equals_the_cpu_backend(program, how, cpu):
    found = cotan.tree.leaves(how(program)(cotan.device_put(X, "xla")))
    wanted = cotan.tree.leaves(cotan.jit(program)(cotan.device_put(X, cpu)))
    assert {x.device.platform for x in found} == {"xla"}
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=1e-6)


EXACT = {
    "bits": lambda key: random.bits(key, (7, 3)),
    "uniform": lambda key: random.uniform(key, (1000,)),
    "randint": lambda key: random.randint(key, (50,), -3, 1000),
    "split": lambda key: random.key_data(random.split(key, (2, 3))),
    "permutation": lambda key: random.permutation(key, 100),
    "moved keys": lambda key: random.key_data(random.split(key, 6).reshape(2, 3)[::-1].T),
    "keys in a loop": lambda key: lax.scan(lambda k, _: (random.split(k)[0], random.bits(k)), key, None, length=4)[1],
    "chosen keys": lambda key: random.key_data(
        cnp.where(cnp.arange(4) > 1, random.split(key, 4), random.split(key, 4)[::-1])
    ),
}


@pytest.mark.parametrize("draw", EXACT.values(), ids=EXACT.keys())
def test_bits_are_those_of_the_cpu_backend(draw, cpu):
    with cotan.default_device(cpu):
        wanted = np.asarray(cotan.jit(draw)(random.key(3)))
    key = random.key(3)
    assert key.device.platform == "xla"
    np.testing.assert_array_equal(cotan.jit(draw)(key), wanted)
    np.testing.assert_array_equal(draw(key), wanted)


@pytest.mark.parametrize("draw", [random.normal, random.exponential, random.gumbel, random.laplace, random.logistic])
def test_samplers_are_close(draw, cpu):
    sample = cotan.jit(lambda key: draw(key, (1000,)))
    with cotan.default_device(cpu):
        wanted = np.asarray(sample(random.key(5)))
    found = np.asarray(sample(random.key(5)))
    # Where a logarithm is near zero, an ulp of its argument is many of its own.
    error = np.abs(found - wanted) / np.spacing(np.maximum(np.abs(wanted), np.float32(0.25)))
    assert error.max() <= 4


# ---- Host functions


def test_callbacks_keep_their_order(capfd):
    @cotan.jit
    def program(x):
        cotan.debug.print("start {x}", x=x, ordered=True)

        def body(i, c):
            cotan.debug.print("step {i}", i=i, ordered=True)
            return lax.cond(i > 0, lambda c: (cotan.debug.print("yes", ordered=True), c + 1)[1], lambda c: c, c)

        y = lax.fori_loop(0, 2, body, x)
        cotan.debug.print("end {y}", y=y, ordered=True)
        return y

    assert program(np.float32(1)) == 2
    cotan.effects_barrier()
    assert capfd.readouterr().out.split("\n")[:-1] == ["start 1.0", "step 0", "step 1", "yes", "end 2.0"]


def test_a_condition_with_effects(capfd):
    def condition(i):
        cotan.debug.print("is {i} small?", i=i, ordered=True)
        return i < 2

    assert cotan.jit(lambda i: lax.while_loop(condition, lambda i: i + 1, i))(0) == 2
    assert capfd.readouterr().out.split("\n")[:-1] == ["is 0 small?", "is 1 small?", "is 2 small?"]


def test_a_program_that_only_prints(capfd):
    cotan.jit(lambda x: cotan.debug.print("seen {x}", x=x))(np.int32(3))
    assert capfd.readouterr().out == "seen 3\n"


def test_pure_callback_of_many_dtypes():
    for dtype in (np.bool_, np.int8, np.uint32, np.float16, cnp.bfloat16, np.complex64, cnp.int4):
        x = cotan.device_put(np.array([[1, 0, 3]]).astype(dtype))
        kind = cotan.ShapeDtypeStruct((3, 1), x.dtype)
        found = cotan.jit(lambda x, kind=kind: cotan.pure_callback(lambda a: np.asarray(a).T, kind, x))(x)
        assert found.dtype == x.dtype
        assert np.array_equal(np.asarray(found).astype(complex), np.asarray(x).T.astype(complex))


class Mine(Exception):
    pass


def test_what_a_callback_raises_is_raised_by_the_call():
    def fails(x):
        raise Mine("no")

    kind = cotan.ShapeDtypeStruct((), np.float32)
    program = cotan.jit(lambda x: cotan.pure_callback(fails, kind, x) + 1)
    with pytest.raises(Mine, match="no"):
        program(np.float32(1))
