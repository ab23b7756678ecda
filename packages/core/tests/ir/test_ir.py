"""The language: avals, jaxprs, the checker, the printer, rule tables, traces."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.errors import JaxprTypeError, UnexpectedTracerError
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, same_type, shaped, tangent_aval
from cotan.ir.check import check_jaxpr
from cotan.ir.evaluate import eval_closed
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var, convert_constvars, sub_jaxprs
from cotan.ir.primitive import Primitive, jvp
from cotan.ir.rules import MissingRuleError, RuleTable, none
from cotan.ir.trace import eval_trace, trace_state_clean
from cotan.primitives.arithmetic import add_p
from cotan.primitives.transcendental import sin_p

F32 = np.dtype(np.float32)
SCALAR = shaped((), F32)


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (1, "~i32[]"),
        (1.5, "~f32[]"),
        (1j, "~c64[]"),
        (True, "bool[]"),
        (np.float64(1), "f32[]"),
        (np.zeros((2, 3), np.int64), "i32[2,3]"),
    ],
)
def test_aval_of_host_values(value, short):
    assert get_aval(value).short() == short


def test_avals_are_interned_and_compare_by_value():
    assert shaped((2,), F32) is shaped((2,), F32)
    assert shaped((2,), F32) == ShapedArray((2,), F32)
    assert shaped((2,), F32) != shaped((2,), F32, True)
    assert same_type(shaped((2,), F32), shaped((2,), F32, True))
    assert tangent_aval(shaped((2,), np.dtype(np.int32))).dtype == cotan.float0


@pytest.mark.parametrize(
    ("value", "long", "tangent"),
    [
        (1, "~int32[]", "float0[]"),
        (1.5, "~float32[]", "~float32[]"),
        (np.zeros((2, 3), cotan.numpy.bfloat16), "bfloat16[2,3]", "bfloat16[2,3]"),
        (np.zeros(2, bool), "bool[2]", "float0[2]"),
        (cotan.random.key(0), "key<fry>[]", "float0[]"),
    ],
)
def test_avals_as_text(value, long, tangent):
    aval = cotan.typeof(value)
    assert str(aval) == long
    assert repr(aval) == f"ShapedArray({long.strip('~')}{', weak_type=True' if long[0] == '~' else ''})"
    assert aval.str_short() == long.strip("~")
    assert aval.str_short(short_dtypes=True) == aval.short().strip("~")
    assert str(aval.to_tangent_aval()) == tangent


@pytest.mark.parametrize("value", ["text", [1.0], None, object()])
def test_what_is_no_array_is_refused_by_type(value):
    assert not is_array_like(value)
    with pytest.raises(TypeError, match=type(value).__name__):
        get_aval(value)


def _program() -> Jaxpr:
    x, y, z = Var(SCALAR), Var(SCALAR), Var(SCALAR)
    eqns = [Eqn(sin_p, [x], [y], {}), Eqn(add_p, [y, Literal(np.float32(1))], [z], {})]
    return Jaxpr((), [x], eqns, [z], name="f", arg_names=["x"])


def test_evaluate_and_print():
    jaxpr = _program()
    check_jaxpr(jaxpr)
    assert float(eval_closed(ClosedJaxpr(jaxpr), np.float32(0.5))[0]) == pytest.approx(np.sin(0.5) + 1)
    text = "{ lambda a:f32[] . let\n    b:f32[] = sin a\n    c:f32[] = add b 1.0:f32[]\n  in (c,) }"
    assert str(jaxpr) == text


def test_constants_of_a_closed_program():
    values = cnp.arange(3)
    closed = cotan.make_jaxpr(lambda x: x + values)(1)
    assert closed.literals == closed.consts
    assert [x.tolist() for x in closed.literals] == [[0, 1, 2]]


def test_checker_finds_wrong_types():
    jaxpr = _program()
    wrong = jaxpr.replace(eqns=[jaxpr.eqns[0].replace(outvars=[Var(shaped((2,), F32))]), jaxpr.eqns[1]])
    with pytest.raises(JaxprTypeError, match=r"equation 0 \(sin\) claims a result f32\[2\], but gives f32\[\]"):
        check_jaxpr(wrong)


def test_checker_finds_undefined_and_doubly_defined_variables():
    jaxpr = _program()
    with pytest.raises(JaxprTypeError, match="used before it is defined"):
        check_jaxpr(jaxpr.replace(eqns=jaxpr.eqns[::-1]))
    with pytest.raises(JaxprTypeError, match="defined twice"):
        check_jaxpr(jaxpr.replace(eqns=[jaxpr.eqns[0], jaxpr.eqns[0]]))


def test_constvars_become_arguments():
    c = Var(SCALAR)
    jaxpr = _program().replace(constvars=[c])
    assert convert_constvars(jaxpr).invars[0] is c
    with pytest.raises(ValueError, match="1 constvars but 0 constants"):
        ClosedJaxpr(jaxpr)


def test_sub_jaxprs_are_found():
    inner = ClosedJaxpr(_program())
    assert sub_jaxprs({"a": inner, "b": (inner, 3), "c": "x"}) == [inner.jaxpr, inner.jaxpr]


def test_a_program_that_outlives_the_caches_holds_nothing_that_was_forgotten():
    class Derived:
        """Such as compiled code."""

    closed = ClosedJaxpr(_program())
    derived = closed.kept("code")[0] = Derived()
    held = weakref.ref(derived)
    assert closed.kept("code") == {0: derived}
    del derived
    cotan.clear_caches()
    assert closed.kept("code") == {}
    assert held() is None


def test_rule_tables_say_what_is_missing_and_refuse_doubles():
    table: RuleTable = RuleTable("smoothness_of_tests", "smoothness rule")
    with pytest.raises(MissingRuleError, match="primitive `sin` has no smoothness rule; register one with"):
        table[sin_p]
    table[sin_p] = none("it is a test")
    with pytest.raises(MissingRuleError, match="no smoothness rule: it is a test"):
        table[sin_p]
    with pytest.raises(ValueError, match="already has an entry"):
        table[sin_p] = lambda: None
    del RuleTable.tables["smoothness_of_tests"]
    assert sin_p in jvp


def test_primitive_names_are_unique():
    with pytest.raises(ValueError, match="already a primitive named `sin`"):
        Primitive("sin")


@pytest.mark.parametrize("transform", [cotan.jit, cotan.vmap, cotan.grad, cotan.make_jaxpr])
def test_leaked_tracer_is_named(transform):
    kept = []

    def leaky(x):
        kept.append(x * 2)
        return (x * 2).sum() if transform is cotan.grad else x * 2

    transform(leaky)(cnp.ones(3))
    with pytest.raises(UnexpectedTracerError, match=r"test_ir.py:\d+.*leaked out of a function"):
        cnp.sin(kept[0])
    with pytest.raises(UnexpectedTracerError, match="leaked out of a function"):
        cotan.jit(lambda x: x + kept[0])(1.0)
    with pytest.raises(UnexpectedTracerError, match="leaked out of a function"):
        cotan.jit(lambda x: x)(kept[0])
    assert float(cotan.jit(lambda x: x + 1)(1.0)) == 2


def test_error_while_tracing_leaves_no_trace():
    def bad(x):
        raise KeyError("mine")

    for transform in (cotan.jit, cotan.grad, cotan.vmap, cotan.checkpoint, cotan.make_jaxpr):
        with pytest.raises(KeyError, match="mine"):
            transform(bad)(cnp.ones(2))
        assert trace_state_clean()


def test_traces_belong_to_their_thread():
    seen = []

    def f(x):
        thread = threading.Thread(target=lambda: seen.append((trace_state_clean(), float(cnp.sin(0.0)))))
        thread.start()
        thread.join()
        return x

    cotan.jit(f)(1.0)
    assert seen == [(True, 0.0)]


def test_traces_die_with_their_function():
    traces = []
    cotan.grad(lambda x: traces.append(weakref.ref(x._trace)) or x * x)(1.0)
    gc.collect()
    assert traces[0]() is None
    assert eval_trace.alive
