"""The primitive of gamma numbers: what programs hold, and its rules."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import export, lax, random

A = np.float32([0.3, 1.0, 4.5])
KEY = random.key(7)


@pytest.mark.parametrize(("function", "log_space"), [(random.gamma, False), (random.loggamma, True)])
def test_functions_bind_it(function, log_space):
    found = random.random_gamma_p.bind(KEY, A, log_space=log_space)
    np.testing.assert_array_equal(found, function(KEY, A))
    jaxpr = cotan.make_jaxpr(lambda a: function(KEY, a))(A).jaxpr
    (eqn,) = [eqn for eqn in jaxpr.eqns if eqn.primitive is random.random_gamma_p]
    assert eqn.params == {"log_space": log_space}
    np.testing.assert_array_equal(cotan.jit(lambda k, a: function(k, a))(KEY, A), found)


def test_rules():
    sample = random.gamma(KEY, A)
    slope = cotan.jacrev(lambda a: random.gamma(KEY, a))(A)
    np.testing.assert_allclose(slope, np.diag(lax.random_gamma_grad(A, sample)), rtol=1e-4)
    keys = random.split(KEY, 2)
    both = cotan.vmap(random.gamma, (0, None))(keys, A)
    np.testing.assert_array_equal(both, np.stack([random.gamma(key, A) for key in keys]))
    written = export.export(cotan.jit(lambda data, a: random.gamma(random.wrap_key_data(data), a)))(
        random.key_data(KEY), A
    )
    again = export.deserialize(written.serialize())
    np.testing.assert_array_equal(again.call(random.key_data(KEY), cnp.asarray(A)), sample)
