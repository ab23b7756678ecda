"""Rules of Taylor mode given from outside, for primitives of one's own."""

from __future__ import annotations

import numpy as np
import pytest

from cotan import lax
from cotan.experimental import jet
from cotan.ir import primitive as tables
from cotan.ir.primitive import Primitive

X, TERMS = 0.3, [1.0, 0.5, -2.0]


def own(name, compute):
    """A primitive of one operand that nobody has given a rule of Taylor mode."""
    prim = Primitive(name)
    tables.abstract(prim)(lambda x: x)
    tables.reference(prim)(lambda x: np.asarray(compute(x), x.dtype))
    tables.decompose(prim)(compute)
    return prim


def series(function):
    out, terms = jet.jet(function, (X,), (TERMS,))
    return [float(out), *map(float, terms)]


@pytest.mark.parametrize("how", ["def_deriv", "def_comp"])
def test_rules_by_derivatives_and_by_formulas(how):
    prim = own(f"sine_by_{how}", np.sin)
    if how == "def_deriv":
        jet.def_deriv(prim, lax.cos)
    else:
        jet.def_comp(prim, lambda x: lax.sin(x))
    np.testing.assert_allclose(series(prim.bind), series(lax.sin), rtol=1e-5)


def test_linear_and_constant_primitives():
    thrice, step = own("thrice_of_a_test", lambda x: 3 * x), own("floor_of_a_test", np.floor)
    jet.deflinear(thrice)
    jet.defzero(step)
    np.testing.assert_allclose(series(thrice.bind), [3 * X, *(3 * t for t in TERMS)], rtol=1e-6)
    np.testing.assert_allclose(series(lambda x: step.bind(x) + x), [X, *TERMS], rtol=1e-6)


def test_what_the_rules_give():
    np.testing.assert_array_equal(jet.fact(np.arange(5)), [1, 1, 2, 6, 24])
    out, terms = jet.linear_prop(lax.neg_p, (X,), ([1.0, 2.0],))
    np.testing.assert_allclose([out, *terms], [-X, -1, -2], rtol=1e-6)
    out, terms = jet.zero_prop(lax.neg_p, (X,), ([1.0, 2.0],))
    assert float(out) == pytest.approx(-X)
    assert terms is jet.zero_series
    assert isinstance(jet.zero_series, jet.ZeroSeries)
    assert isinstance(jet.zero_term, jet.ZeroTerm)
    # Coefficients of powers: of exp(x) they are the terms divided by factorials.
    exp = own("exponential_of_a_test", np.exp)
    out, terms = jet.deriv_prop(exp, lax.exp, (0.0,), ([1.0, 0.0, 0.0],))
    np.testing.assert_allclose([out, *terms], [1, 1, 1 / 2, 1 / 6], rtol=1e-6)


def test_values_along_a_curve():
    seen = []
    jet.jet(lambda x: seen.append(x) or x, (X,), (TERMS,))
    assert isinstance(seen[0], jet.JetTracer)
    assert isinstance(seen[0]._trace, jet.JetTrace)
