"""Functions of cotan.scipy.special, against SciPy; over whole domains they are tested against mpmath in tests/scipy."""

from __future__ import annotations

import numpy as np
import scipy.special
from library.table import M, Operand, elementwise, row

X = Operand((2, 3))
P = Operand((2, 3), 0.3, 4.0)
Q = Operand((2, 3), 0.6, 3.0)
U = Operand((2, 3), 0.1, 0.9)
KIND = {"dtypes": "f", "tol": 8, "edges": False}
M_ = "scipy.special"

for names, x in [
    ("erf erfc expit ndtr log_ndtr i0 i0e i1 i1e erfcx", X),
    ("entr digamma gamma gammaln gammasgn exp1 expi spence loggamma", P),
    ("erfinv", Operand((2, 3), -0.9, 0.9)),
    ("logit ndtri", U),
]:
    for name in names.split():
        elementwise(M_, name, x, **{**KIND, "tol": 32})
elementwise(M_, "dawsn", X, **{**KIND, "tol": 32}, oracle=scipy.special.dawsn)
elementwise(M_, "erf expit", X, dtypes="h", tol=4, edges=False)
elementwise(M_, "digamma", Operand((2, 3), -2.4, -2.1), **{**KIND, "tol": 64})
elementwise(M_, "gamma", Operand((2, 3), -1.8, -1.2), **{**KIND, "tol": 64})
elementwise(
    M_, "factorial", Operand((2, 3), 0.3, 4.0), **{**KIND, "tol": 32}, oracle=lambda n: scipy.special.gamma(n + 1)
)
for name in ("beta", "betaln", "poch"):
    elementwise(M_, name, P, P, **{**KIND, "tol": 64})
elementwise(M_, "comb", Operand((2, 3), 3.2, 5.0), Operand((2, 3), 0.5, 2.0), **{**KIND, "tol": 64})
for name in ("kl_div", "rel_entr"):
    elementwise(M_, name, P, P, **{**KIND, "tol": 16}, slope_tol=1e-5)
elementwise(M_, "xlogy xlog1py", X, P, **KIND)
elementwise(M_, "boxcox boxcox1p", P, Operand((2, 3), 0.5, 2), **{**KIND, "tol": 64})
elementwise(M_, "gammainc gammaincc", Q, Q, **{**KIND, "tol": 128}, order=1, slope_tol=1e-5)
row(M_, "betainc", Q, Q, U, tol=128, order=0, specials=False, why="of the last operand alone: next")
row(
    M_,
    "betainc",
    Operand((2, 3), 0.6, 3.0, np.float64),
    Operand((2, 3), 0.6, 3.0, np.float64),
    U,
    tol=1e4,
    order=1,
    specials=False,
    result=np.float64,
    vmap=False,
)
elementwise(M_, "zeta", Operand((2, 3), 1.5, 4.0), P, **{**KIND, "tol": 64}, order=0)
row(M_, "zeta", Operand((2, 3), 2.5, 4.0, np.float64), P, dtypes="f", tol=1e4, result=np.float64, specials=False)
row(M_, "polygamma", 1, P, tol=64, specials=False)
row(M_, "polygamma", 2, P, tol=64, specials=False)
row(M_, "multigammaln", Operand((2, 3), 1.2, 4.0), 3, tol=64, specials=False)
row(M_, "expn", 2, P, tol=64, specials=False, order=1)
row(M_, "bernoulli", 6, dtypes="l", tol=16)
row(
    M_,
    "bessel_jn",
    Operand((3,), 0.5, 4.0),
    kw={"v": 3},
    tol=256,
    order=0,
    specials=False,
    oracle=lambda z, v: np.stack([scipy.special.jv(n, z) for n in range(v + 1)]),
)
elementwise(M_, "fresnel sici", P, **{**KIND, "tol": 64})
elementwise(M_, "owens_t", X, X, **{**KIND, "tol": 64})
elementwise(M_, "wofz", X, dtypes="c", tol=64, edges=False)
row(M_, "hyp1f1", Q, Operand((2, 3), 1.2, 3.0), X, tol=256, order=0, specials=False)
row(M_, "hyp2f1", Q, Q, Operand((2, 3), 1.2, 3.0), Operand((2, 3), -0.6, 0.6), tol=256, order=0, specials=False)
row(
    M_,
    "sph_harm_y",
    Operand((3,), 2, 4, np.int32),
    Operand((3,), -1, 2, np.int32),
    Operand((3,), 0.3, 2),
    Operand((3,), 0.3, 4),
    dtypes="f",
    tol=256,
    kw={"n_max": 5},
    order=1,
    specials=False,
    oracle=lambda n, m, t, p, n_max: scipy.special.sph_harm_y(n, m, t, p),
)
for axis in ({"axis": 1}, {}):
    row(M_, "softmax", M, kw=axis, tol=8, specials=False)
    row(M_, "log_softmax", M, kw=axis, tol=8, specials=False)
row(M_, "logsumexp", M, kw={"axis": 1}, tol=8, specials=False)
row(M_, "logsumexp", M, kw={"axis": 1, "b": Operand((3, 4), 0.2, 2)}, tol=8, specials=False)
