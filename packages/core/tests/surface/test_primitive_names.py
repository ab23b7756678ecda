"""Primitives under their public names do what the functions of the same names do, and are what jaxprs hold."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.lax import primitive_names

_X, _Y = np.float32([0.25, 0.5, 0.75]), np.float32([0.5, 0.125, 0.75])
_N, _M = np.int32([6, 3, 5]), np.int32([3, 5, 1])
_MATRIX = np.float32([[4, 1], [1, 3]])

# Primitive -> operands of one call without parameters.
_UNARY = (
    "abs cbrt ceil floor is_finite rsqrt sign sqrt square bessel_i0e bessel_i1e digamma erf erf_inv erfc lgamma acos "
    "asin asinh atan atanh cos cosh exp exp2 expm1 log log1p logistic sin sinh tan tanh"
)
_BINARY = "max min nextafter rem atan2 igamma igammac eq ge gt le lt ne"
_PLAIN = {
    **dict.fromkeys(_UNARY.split(), (_X,)),
    "acosh": (_X + 1,),
    **dict.fromkeys(_BINARY.split(), (_X, _Y)),
    **dict.fromkeys(["shift_left", "shift_right_arithmetic", "shift_right_logical"], (_N, _M)),
    **dict.fromkeys(["clz", "population_count"], (_N,)),
    "pow": (_X, _Y), "complex": (_X, _Y), "zeta": (_X + 2, _Y),
    "real": (_X + 1j * _Y,), "imag": (_X + 1j * _Y,), "clamp": (np.float32(0.3), _X, np.float32(0.6)),
    "select_n": (_X > 0.3, _X, _Y),
}  # fmt: skip
_OTHER_NAMES = {
    "and": (lax.bitwise_and, (_N, _M)), "or": (lax.bitwise_or, (_N, _M)), "xor": (lax.bitwise_xor, (_N, _M)),
    "not": (lax.bitwise_not, (_N,)), "regularized_incomplete_beta": (lax.betainc, (_X, _Y, _X)),
}  # fmt: skip


@pytest.mark.parametrize("name", _PLAIN)
def test_they_compute_what_the_functions_do(name):
    operands = tuple(map(cnp.asarray, _PLAIN[name]))
    np.testing.assert_array_equal(getattr(lax, f"{name}_p").bind(*operands), getattr(lax, name)(*operands))


@pytest.mark.parametrize("name", _OTHER_NAMES)
def test_those_that_have_other_names_than_functions(name):
    function, operands = _OTHER_NAMES[name]
    operands = tuple(map(cnp.asarray, operands))
    np.testing.assert_array_equal(getattr(lax, f"{name}_p").bind(*operands), function(*operands))


_PROGRAMS = {
    lambda x: cnp.sum(x * x): {"mul_p", "reduce_sum_p"},
    lambda x: cnp.cumsum(cnp.sort(x)): {"sort_p", "cumsum_p"},
    lambda x: x.reshape(3, 1) @ x.reshape(1, 3): {"reshape_p", "dot_general_p"},
    lambda x: cnp.concatenate([x, lax.pad(x, np.float32(0), [(1, 0, 0)])])[1:]: {"concatenate_p", "pad_p", "slice_p"},
    lambda x: lax.rev(x, (0,)).astype(np.int32): {"rev_p", "convert_element_type_p"},
}


@pytest.mark.parametrize("program", _PROGRAMS)
def test_programs_hold_them(program):
    found = {id(eqn.primitive) for eqn in _equations(cotan.make_jaxpr(program)(_X).jaxpr)}
    for name in _PROGRAMS[program]:
        assert id(getattr(lax, name)) in found


def _equations(jaxpr):
    for eqn in jaxpr.eqns:
        yield eqn
        for value in eqn.params.values():
            if hasattr(value, "jaxpr"):
                yield from _equations(value.jaxpr)


def test_every_name_is_that_of_its_primitive():
    for names, module in ((primitive_names.LAX, lax), (primitive_names.LINALG, lax.linalg)):
        for name in names:
            assert isinstance(getattr(module, name), type(lax.add_p)), name
    assert lax.linalg.cholesky_p.name == "cholesky"
    np.testing.assert_allclose(lax.linalg.cholesky_p.bind(cnp.asarray(_MATRIX)), np.linalg.cholesky(_MATRIX), rtol=1e-6)
    with pytest.raises(AttributeError, match="no attribute 'nothing_p'"):
        lax.nothing_p  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'nothing_p'"):
        lax.linalg.nothing_p  # noqa: B018


def test_names_at_the_top():
    from cotan.experimental.pjit import pjit

    assert float(pjit(lambda x: x + 1)(1.0)) == 2.0
    with cotan.default_prng_impl("rbg"):
        assert cotan.random.PRNGKey(0).shape == (4,)
    tree = {"a": cnp.ones(2), "b": 3}
    assert cotan.copy_to_host_async(tree) is tree
    assert isinstance(cotan.new_ref(cnp.zeros(2)), cotan.Ref)


@pytest.mark.parametrize(
    ("module", "name", "text"),
    [
        (cotan.random, "random_gamma_p", "under a custom_jvp rule"),
        (cotan.custom_derivatives, "remat_opt_p", "put cotan.checkpoint around it"),
        (cotan.experimental, "EArray", "register classes as pytrees"),
        (cotan.experimental, "pallas", "cotan.experimental.kernel"),
        (cotan.experimental, "rnn", "cotan.lax.scan"),
        (cotan.experimental, "layout", "no foreign compiler underneath"),
        (cotan.lax, "psend", "one device"),
        (cotan.export, "symbolic_shape", "programs have fixed shapes"),
        (cotan.random, "nothing", "no attribute 'nothing'$"),
    ],
)
def test_names_that_are_left_out_say_why(module, name, text):
    with pytest.raises(AttributeError, match=text):
        getattr(module, name)
