"""Nothing outlives its user: functions, arrays and programs die with what holds them, also in reference cycles."""

from __future__ import annotations

import functools
import gc
import weakref

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.ir import structure
from cotan.ir.jaxpr import ClosedJaxpr


class Anything:
    """Something that can be referred to weakly."""


def dead(*refs):
    gc.collect()
    return [r() is None for r in refs] == [True] * len(refs)


def test_functions_arguments_and_constants():
    def make():
        table = cnp.arange(5000.0)
        host = np.arange(5000.0)
        fun = lambda x: x * table + host.shape[0]  # noqa: E731
        jitted = cotan.jit(fun)
        x = cnp.ones(5000)
        y = jitted(x)
        cotan.grad(lambda x: jitted(x).sum())(x)
        cotan.vmap(jitted)(x[None])
        return [weakref.ref(v) for v in (table, host, fun, jitted, x, y)]

    assert dead(*make())


def test_compiled_programs_hold_no_arrays_of_dead_functions():
    def make(value):
        table = cnp.full((1000,), value)
        cotan.jit(lambda x: x + table)(1.0)
        return weakref.ref(table._buffer)

    first = make(1.0)
    second = make(2.0)
    assert dead(first, second)


def test_the_program_of_a_closure_is_kept_for_the_next_one():
    """The programs, not what was closed over."""

    def make(value):
        table = cnp.full((4,), value)
        jitted = cotan.jit(lambda x: x * table)
        assert jitted(2.0).tolist() == [2 * value] * 4
        traced = jitted.trace(2.0)
        return weakref.ref(traced._call.program.closed), weakref.ref(table)

    closed, table = make(1.0)
    assert dead(table)
    assert closed() is not None
    again, _ = make(3.0)
    assert again() is closed()
    cotan.clear_caches()
    assert dead(closed)


def test_only_so_many_programs_are_kept(monkeypatch):
    monkeypatch.setattr(structure, "RECENT", 10)
    refs = []
    for n in range(30):
        closed = cotan.jit(lambda x, n=n: x + n, static_argnames="n").trace(1.0)._call.program.closed
        refs.append(weakref.ref(closed))
    del closed
    gc.collect()
    assert sum(r() is not None for r in refs) == 10


def test_transformed_programs_die_with_the_first_one():
    def make():
        jitted = cotan.jit(lambda x: cnp.sin(x) * 2)
        cotan.grad(jitted)(1.0)
        closed = jitted.trace(1.0)._call.program.closed
        derived = [
            weakref.ref(part)
            for results in closed._kept[1].values()
            for result in results.values()
            for part in (result if isinstance(result, tuple) else (result,))
            if isinstance(part, ClosedJaxpr)
        ]
        assert derived
        return [weakref.ref(closed), *derived]

    refs = make()
    structure.clear()
    assert dead(*refs)


def test_objects_whose_methods_are_jitted_and_called_back():
    """The program refers to the object, which refers to the jitted method."""

    class Trainer:
        def __init__(self):
            self.seen = []
            self.step = cotan.jit(self._step)

        def _step(self, x):
            cotan.debug.callback(self.seen.append, x)
            return x * 2

    def make():
        trainer = Trainer()
        trainer.step(1.0)
        cotan.effects_barrier()
        assert len(trainer.seen) == 1
        return weakref.ref(trainer)

    assert dead(make())


def test_functions_that_are_called_back_by_their_own_programs():
    def make():
        def f(x):
            return cotan.pure_callback(lambda v: v + (f is None), cotan.ShapeDtypeStruct((), "float32"), x)

        jitted = cotan.jit(f)
        jitted(1.0)
        return weakref.ref(f), weakref.ref(jitted)

    assert dead(*make())


def test_functions_with_rules():
    def make():
        held = Anything()

        @cotan.custom_jvp
        def f(x):
            held  # noqa: B018
            return x * 2

        f.defjvp(lambda primals, tangents: (f(*primals), 2 * tangents[0]))

        @cotan.custom_vjp
        def g(x):
            held  # noqa: B018
            return x * 2

        g.defvjp(lambda x: (g(x), x), lambda x, ct: (2 * ct,))
        for fun in (f, g):
            jitted = cotan.jit(fun)
            jitted(1.0)
            cotan.grad(jitted)(1.0)
            cotan.grad(fun)(1.0)
            cotan.jit(cotan.grad(jitted))(1.0)
        return weakref.ref(held)

    assert dead(make())


def test_bodies_of_loops():
    def make():
        held = Anything()
        table = cnp.ones(5000)

        def body(c, x):
            held  # noqa: B018
            return c + table[0] * x, c

        def loss(x):
            return cotan.lax.scan(body, x, cnp.arange(3.0))[0]

        loss(1.0)
        cotan.grad(loss)(1.0)
        cotan.jit(cotan.grad(loss))(1.0)
        return weakref.ref(held), weakref.ref(table), weakref.ref(table._buffer), weakref.ref(loss)

    assert dead(*make())


def test_eager_callbacks():
    def make():
        held = Anything()

        def called(x):
            held  # noqa: B018
            return x

        cotan.pure_callback(called, cotan.ShapeDtypeStruct((), "float32"), cnp.float32(1))
        return weakref.ref(held)

    assert dead(make())


def test_static_arguments_die_with_the_function():
    def make():
        static = Anything()

        def f(x, s):
            return x

        cotan.jit(f, static_argnums=1)(1.0, static)
        return weakref.ref(static)

    assert dead(make())


def test_tracers_and_traces_of_failed_calls():
    refs = []

    @cotan.jit
    def f(x):
        refs.append(weakref.ref(x))
        refs.append(weakref.ref(x._trace))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        f(1.0)
    assert dead(*refs)


def test_ahead_of_time_stages():
    def make():
        table = cnp.arange(3000.0)
        compiled = cotan.jit(lambda x: x + table).lower(1.0).compile()
        compiled(1.0)
        return weakref.ref(compiled._call), weakref.ref(table)

    assert dead(*make())


# ---- Where programs are kept


def test_copies_of_functions_have_programs_of_their_own():
    def f(x):
        return x + 1

    cotan.jit(f)(1.0)

    @functools.wraps(f)
    def g(x):
        return x + 2

    assert cotan.jit(g)(1.0) == 3
    assert cotan.jit(f)(1.0) == 2


def test_functions_with_programs_can_be_copied_and_pickled():
    import copy
    import pickle

    partial = functools.partial(max, 1)
    cotan.jit(functools.partial(cnp.add, 1))(2.0)
    held = functools.partial(cnp.add, 1)
    cotan.jit(held)(2.0)
    for again in (copy.copy(held), copy.deepcopy(held), pickle.loads(pickle.dumps(held))):
        assert again(2.0) == 3
        assert cotan.jit(again)(2.0) == 3
    assert partial(2) == 2
