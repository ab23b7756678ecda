"""Primitives under their public names do what the functions of the same names do, and are what jaxprs hold."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.lax import linalg, primitive_names

_X, _Y = np.float32([0.25, 0.5, 0.75]), np.float32([0.5, 0.125, 0.75])
_N, _M = np.int32([6, 3, 5]), np.int32([3, 5, 1])
_MATRIX = np.float32([[4, 1], [1, 3]])

# Primitive -> operands of one call without parameters.
_UNARY = (
    "abs_p cbrt_p ceil_p floor_p is_finite_p rsqrt_p sign_p sqrt_p square_p bessel_i0e_p bessel_i1e_p digamma_p erf_p "
    "erf_inv_p erfc_p lgamma_p acos_p asin_p asinh_p atan_p atanh_p cos_p cosh_p exp_p exp2_p expm1_p log_p log1p_p "
    "logistic_p sin_p sinh_p tan_p tanh_p"
)
_BINARY = "max_p min_p nextafter_p rem_p atan2_p igamma_p igammac_p eq_p ge_p gt_p le_p lt_p ne_p"
_PLAIN = {
    **dict.fromkeys(_UNARY.split(), (_X,)),
    "acosh_p": (_X + 1,),
    **dict.fromkeys(_BINARY.split(), (_X, _Y)),
    **dict.fromkeys(["shift_left_p", "shift_right_arithmetic_p", "shift_right_logical_p"], (_N, _M)),
    **dict.fromkeys(["clz_p", "population_count_p"], (_N,)),
    "pow_p": (_X, _Y), "complex_p": (_X, _Y), "zeta_p": (_X + 2, _Y),
    "real_p": (_X + 1j * _Y,), "imag_p": (_X + 1j * _Y,),
    "clamp_p": (np.float32(0.3), _X, np.float32(0.6)), "select_n_p": (_X > 0.3, _X, _Y),
}  # fmt: skip
_OTHER_NAMES = {
    "and_p": (lax.bitwise_and, (_N, _M)), "or_p": (lax.bitwise_or, (_N, _M)), "xor_p": (lax.bitwise_xor, (_N, _M)),
    "not_p": (lax.bitwise_not, (_N,)), "regularized_incomplete_beta_p": (lax.betainc, (_X, _Y, _X)),
    "copy_p": (np.copy, (_X,)), "stop_gradient_p": (np.copy, (_X,)), "optimization_barrier_p": (np.copy, (_X,)),
}  # fmt: skip


@pytest.mark.parametrize("name", _PLAIN)
def test_they_compute_what_the_functions_do(name):
    operands = tuple(map(cnp.asarray, _PLAIN[name]))
    function = getattr(lax, name.removesuffix("_p"))
    np.testing.assert_array_equal(getattr(lax, name).bind(*operands), function(*operands))


@pytest.mark.parametrize("name", _OTHER_NAMES)
def test_those_that_have_other_names_than_functions(name):
    function, operands = _OTHER_NAMES[name]
    operands = tuple(map(cnp.asarray, operands))
    np.testing.assert_array_equal(getattr(lax, name).bind(*operands), function(*operands))


# ---- What programs hold, and what these programs compute

_XS = np.float32([[3, 1, 2], [0.5, 5, -1]])
_BOOLS = _XS > 0.75
_PLACES = np.int32([[1], [0], [1]])
_NUMBERS = lax.ScatterDimensionNumbers((), (0,), (0,))


def _scattered(scatter, expected):
    def program(x):
        return scatter(x, _PLACES, np.float32([4, -2, 0.5]), _NUMBERS)

    return program, _X, expected


def _set(operator, start):
    found = start.copy()
    for place, value in zip(_PLACES[:, 0], np.float32([4, -2, 0.5]), strict=True):
        found[place] = operator(found[place], value)
    return found


def _log_cumulative(x):
    return np.log(np.cumsum(np.exp(x), axis=1))


# Names -> a program that holds these primitives, its argument, and what NumPy says of it.
_PROGRAMS = {
    "mul_p reduce_sum_p": (lambda x: cnp.sum(x * x), _X, np.float32(0.875)),
    "sub_p": (lambda x: x - 1, _X, _X - 1),
    "cumsum_p sort_p": (lambda x: cnp.cumsum(cnp.sort(x)), _X[::-1], np.cumsum(_X)),
    "cumprod_p": (lambda x: lax.cumprod(x, 1), _XS, np.cumprod(_XS, 1)),
    "cummax_p cummin_p": (
        lambda x: lax.cummax(x, 1) + lax.cummin(x, 1), _XS,
        np.maximum.accumulate(_XS, 1) + np.minimum.accumulate(_XS, 1),
    ),
    "cumlogsumexp_p": (lambda x: lax.cumlogsumexp(x, 1), _XS, _log_cumulative(_XS)),
    "reshape_p dot_general_p": (lambda x: x.reshape(3, 1) @ x.reshape(1, 3), _X, np.outer(_X, _X)),
    "transpose_p": (lambda x: x.T, _XS, _XS.T),
    "squeeze_p": (lambda x: lax.squeeze(x, (0,)), _XS[:1], _XS[0]),
    "concatenate_p pad_p slice_p": (
        lambda x: cnp.concatenate([x, lax.pad(x, np.float32(0), [(1, 0, 0)])])[1:], _X, np.float32([0.5, 0.75, 0, *_X]),
    ),
    "rev_p convert_element_type_p": (lambda x: lax.rev(x, (0,)).astype(np.int32), _X + 3, np.int32([3, 3, 3])),
    "iota_p": (lambda x: lax.iota(np.float32, 3) + x, _X, np.arange(3) + _X),
    "broadcast_in_dim_p": (lambda x: lax.broadcast_in_dim(x, (2, 3), (1,)), _X, np.stack([_X, _X])),
    "bitcast_convert_type_p": (lambda x: lax.bitcast_convert_type(x, np.int32), _X, _X.view(np.int32)),
    "reduce_precision_p": (
        lambda x: lax.reduce_precision(x, 8, 7), _X + 1 / 512, np.float32((_X + 1 / 512).astype(cnp.bfloat16)),
    ),
    "conj_p": (lambda x: lax.conj(x), np.complex64(_X + 2j), np.complex64(_X - 2j)),
    "integer_pow_p": (lambda x: lax.integer_pow(x, -3), _X, _X**-3.0),
    "round_p": (lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), _XS, np.round(_XS)),
    "argmax_p argmin_p": (
        lambda x: lax.argmax(x, 1, np.int32) - lax.argmin(x, 1, np.int32), _XS, np.int32([-1, -1]),
    ),
    "reduce_max_p reduce_min_p": (
        lambda x: lax.reduce_max(x, (1,)) - lax.reduce_min(x, (1,)), _XS, np.ptp(_XS, axis=1),
    ),
    "reduce_prod_p": (lambda x: lax.reduce_prod(x, (0,)), _XS, _XS.prod(0)),
    "reduce_and_p reduce_or_p": (
        lambda x: lax.reduce_or(x, (0,)) ^ lax.reduce_and(x, (0,)), _BOOLS, _BOOLS.any(0) ^ _BOOLS.all(0),
    ),
    "reduce_xor_p": (lambda x: lax.reduce_xor(x, (1,)), _BOOLS, np.logical_xor.reduce(_BOOLS, axis=1)),
    "top_k_p": (lambda x: lax.top_k(x, 2)[0], _XS, np.float32([[3, 2], [5, 0.5]])),
    "gather_p": (lambda x: x[np.int32([2, 0, 2])], _X, _X[[2, 0, 2]]),
    "dynamic_slice_p": (lambda x: lax.dynamic_slice(x, (np.int32(1),), (2,)), _X, _X[1:]),
    "dynamic_update_slice_p": (
        lambda x: lax.dynamic_update_slice(x, np.float32([7]), (np.int32(1),)), _X, np.float32([0.25, 7, 0.75]),
    ),
    "scatter_add_p": _scattered(lax.scatter_add, _set(np.add, _X)),
    "scatter_mul_p": _scattered(lax.scatter_mul, _set(np.multiply, _X)),
    "scatter_max_p": _scattered(lax.scatter_max, _set(np.maximum, _X)),
    "scatter_min_p": _scattered(lax.scatter_min, _set(np.minimum, _X)),
    "scatter_p": (lambda x: cnp.asarray(x).at[np.int32([0, 2])].set(np.float32([4, 5])), _X, np.float32([4, 0.5, 5])),
    "scan_p": (lambda x: lax.scan(lambda c, v: (c * v, c), np.float32(2), x)[0], _X, 2 * _X.prod()),
    "while_p": (lambda x: lax.while_loop(lambda v: v[0] < 5, lambda v: v * 2, x), _X, _X * 32),
    "cond_p": (lambda x: lax.cond(x[0] > 0, lambda v: v + 1, lambda v: v - 1, x), _X, _X + 1),
}  # fmt: skip
# In a mapped function, whose program is the same but for one example.
_COLLECTIVES = {
    "psum_p": (lambda x: lax.psum(x, "i"), np.broadcast_to(_X.sum(), 3)),
    "pmax_p": (lambda x: lax.pmax(x, "i"), np.broadcast_to(_X.max(), 3)),
    "pmin_p": (lambda x: lax.pmin(x, "i"), np.broadcast_to(_X.min(), 3)),
    "axis_index_p": (lambda x: x + lax.axis_index("i"), _X + np.arange(3)),
    "all_gather_p": (lambda x: lax.all_gather(x, "i"), np.stack([_X] * 3)),
    "ppermute_p": (lambda x: lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 0)]), np.roll(_X, 1)),
    "all_to_all_p": (
        lambda x: lax.all_to_all(x * cnp.arange(3.0), "i", 0, 0), np.arange(3)[:, None] * _X,
    ),
}  # fmt: skip


@pytest.mark.parametrize("names", _PROGRAMS)
def test_programs_hold_them(names):
    program, x, expected = _PROGRAMS[names]
    found = {id(eqn.primitive) for eqn in _equations(cotan.make_jaxpr(program)(x).jaxpr)}
    for name in names.split():
        assert id(getattr(lax, name)) in found, name
    for run in (program, cotan.jit(program)):
        np.testing.assert_allclose(run(x), expected, rtol=1e-6)


@pytest.mark.parametrize("name", _COLLECTIVES)
def test_mapped_programs_hold_them(name):
    program, expected = _COLLECTIVES[name]
    held = []

    def one(x):
        held.extend(eqn.primitive for eqn in _equations(cotan.make_jaxpr(program)(x).jaxpr))
        return program(x)

    np.testing.assert_allclose(cotan.vmap(one, axis_name="i")(_X), expected, rtol=1e-6)
    assert getattr(lax, name) in held


def _equations(jaxpr):
    for eqn in jaxpr.eqns:
        yield eqn
        for value in eqn.params.values():
            for inner in value if isinstance(value, tuple) else (value,):
                if hasattr(inner, "jaxpr"):
                    yield from _equations(inner.jaxpr)


# ---- Linear algebra: the results of a program put together again

_GENERAL = np.float32([[4, 1, 0], [2, 3, 1], [0, 1, 5]])
_SYMMETRIC = _GENERAL + _GENERAL.T
_B = np.float32([[1, 2], [0, 1], [3, -1]])


def _eig(a):
    values, vectors = linalg.eig(a, compute_left_eigenvectors=False)
    return (vectors * values[None]) @ cnp.linalg.inv(vectors)


def _eigh(a):
    vectors, values = linalg.eigh(a)
    return (vectors * values[None]) @ vectors.T


def _hessenberg(a):
    h, taus = linalg.hessenberg(a)
    q = linalg.householder_product(cnp.tril(h[1:, :-1], -1) + cnp.eye(2), taus)
    whole = cnp.eye(3).at[1:, 1:].set(q)
    return whole @ cnp.triu(h, -1) @ whole.T


def _lu(a):
    lu, _, permutation = linalg.lu(a)
    return ((cnp.tril(lu, -1) + cnp.eye(3)) @ cnp.triu(lu))[cnp.argsort(permutation)]


def _tridiagonal(a):
    t, d, e, _ = linalg.tridiagonal(a, lower=True)
    made = cnp.diag(d) + cnp.diag(e, 1) + cnp.diag(e, -1)
    return cnp.sort(cnp.linalg.eigvalsh(made)) + 0 * t[0, 0]


def _qr(a):
    q, r = linalg.qr(a, full_matrices=False)
    return q @ r


def _schur(a):
    t, q = linalg.schur(a)
    return q @ t @ q.T


def _svd(a):
    u, s, vt = linalg.svd(a, full_matrices=False)
    return (u * s[None]) @ vt


def _ormqr(a):
    packed, taus = linalg.geqrf(a)
    return linalg.ormqr(packed, taus, cnp.triu(packed))


_FACTORS = {
    "cholesky_p": (lambda a: linalg.cholesky(a), _SYMMETRIC, np.linalg.cholesky(_SYMMETRIC)),
    "eig_p": (_eig, _GENERAL, _GENERAL),
    "eigh_p": (_eigh, _SYMMETRIC, _SYMMETRIC),
    "hessenberg_p householder_product_p": (_hessenberg, _GENERAL, _GENERAL),
    "lu_p": (_lu, _GENERAL, _GENERAL),
    "qr_p": (_qr, _GENERAL, _GENERAL),
    "schur_p": (_schur, _GENERAL, _GENERAL),
    "svd_p": (_svd, _GENERAL, _GENERAL),
    "ormqr_p": (_ormqr, _GENERAL, _GENERAL),
    "tridiagonal_p": (_tridiagonal, _SYMMETRIC, np.linalg.eigvalsh(_SYMMETRIC)),
    "triangular_solve_p": (
        lambda a: linalg.triangular_solve(a, _B, left_side=True, lower=True), _GENERAL,
        scipy.linalg.solve_triangular(_GENERAL, _B, lower=True),
    ),
    "tridiagonal_solve_p": (
        lambda d: linalg.tridiagonal_solve(np.float32([0, 1, 2]), d, np.float32([1, 1, 0]), _B),
        np.float32([4, 5, 6]), np.linalg.solve(np.float32([[4, 1, 0], [1, 5, 1], [0, 2, 6]]), _B),
    ),
    "lu_pivots_to_permutation_p": (
        lambda p: linalg.lu_pivots_to_permutation(p, 4), np.int32([2, 3, 3]), np.int32([2, 3, 0, 1])[[0, 1, 3, 2]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("names", _FACTORS)
def test_factors_put_together_again(names):
    program, a, expected = _FACTORS[names]
    held = [eqn.primitive for eqn in _equations(cotan.make_jaxpr(program)(a).jaxpr)]
    for name in names.split():
        assert getattr(linalg, name) in held, name
    for run in (program, cotan.jit(program)):
        np.testing.assert_allclose(run(a), expected, rtol=2e-5, atol=2e-5)


def test_every_name_is_that_of_its_primitive():
    for names, module in ((primitive_names.LAX, lax), (primitive_names.LINALG, linalg)):
        for name in names:
            assert isinstance(getattr(module, name), type(lax.add_p)), name
    assert linalg.cholesky_p.name == "cholesky"
    np.testing.assert_allclose(linalg.cholesky_p.bind(cnp.asarray(_MATRIX)), np.linalg.cholesky(_MATRIX), rtol=1e-6)
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
        (cotan.custom_derivatives, "remat_opt_p", "put cotan.checkpoint around it"),
        (cotan.experimental, "EArray", "register classes as pytrees"),
        (cotan.experimental, "pallas", "cotan.experimental.kernel"),
        (cotan.experimental, "rnn", "cotan.lax.scan"),
        (cotan.experimental, "layout", "no foreign compiler underneath"),
        (cotan.lax, "psend", "one device"),
        (cotan.export, "symbolic_shape", "programs have fixed shapes"),
        (cotan.profiler, "register_subprocess", "in one process here"),
        (cotan.random, "nothing", "no attribute 'nothing'$"),
    ],
)
def test_names_that_are_left_out_say_why(module, name, text):
    with pytest.raises(AttributeError, match=text):
        getattr(module, name)
