"""Densities, distribution functions and quantiles of cotan.scipy.stats, and statistics of samples, against SciPy.

Of every function there are two rows: one of the points alone, with awkward ones, and one of the parameters as well.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.special
import scipy.stats
from library.table import M, Operand, T, elementwise, row

S = "scipy.stats"
E = (2, 3)
LOC, SCALE = Operand(E, -0.1, 0.1), Operand(E, 0.9, 1.2)
UNIT = Operand(E, 0.1, 0.9)
INSIDE = Operand(E, 0.3, 2.0)
DENSITY, BELOW, QUANTILE = "logpdf pdf", "cdf logcdf logsf sf", "ppf"
HOW = {"dtypes": "f", "tol": 256, "slope_tol": 1e-5}
# Parameters of the first row and operands of the second; points inside of the support; functions; loc and scale.
CONTINUOUS = {
    "beta": ((1.5, 0.8), (Operand(E, 1.2, 2.5), Operand(E, 0.6, 1.5)), Operand(E, 0.3, 0.7), "pdf-cdf", True),
    "cauchy": ((), (), INSIDE, "pdf-cdf-ppf-isf", True),
    "chi2": ((3.5,), (Operand(E, 2.5, 4.5),), INSIDE, "pdf-cdf", True),
    "expon": ((), (), INSIDE, "pdf-cdf-ppf", True),
    "gamma": ((2.2,), (Operand(E, 1.5, 3.0),), INSIDE, "pdf-cdf", True),
    "gennorm": ((1.7,), (Operand(E, 1.2, 2.5),), INSIDE, "pdf-cdf alone", False),
    "gumbel_l": ((), (), INSIDE, "pdf-cdf-ppf", True),
    "gumbel_r": ((), (), INSIDE, "pdf-cdf-ppf", True),
    "laplace": ((), (), INSIDE, "pdf-cdf alone", True),
    "logistic": ((), (), INSIDE, "pdf-cdf and sf-ppf-isf", True),
    "norm": ((), (), INSIDE, "pdf-cdf-ppf-isf", True),
    "pareto": ((2.5,), (Operand(E, 1.5, 3.0),), Operand(E, 1.6, 4.0), "pdf-cdf-ppf", True),
    "t": ((3.5,), (Operand(E, 2.5, 4.5),), INSIDE, "pdf", True),
    "truncnorm": (
        (-0.7, 1.9), (Operand(E, -1.5, -0.8), Operand(E, 1.5, 2.5)), Operand(E, -0.4, 0.9), "pdf-cdf", True,
    ),
    "uniform": ((), (), Operand(E, 0.3, 0.7), "pdf-cdf alone-ppf", True),
    "vonmises": ((1.5,), (Operand(E, 0.5, 3.0),), Operand(E, -2.5, 2.5), "pdf", False),
    "wrapcauchy": ((0.6,), (Operand(E, 0.2, 0.7),), Operand(E, 0.4, 5.0), "pdf", False),
}  # fmt: skip
PARTS = {
    "pdf": DENSITY, "cdf": BELOW, "cdf alone": "cdf", "cdf and sf": "cdf sf", "ppf": QUANTILE, "isf": "isf",
}  # fmt: skip
# Incomplete gamma and beta functions have one derivative with respect to their parameters.
ONCE = {"beta", "chi2", "gamma", "gennorm"}

for name, (fixed, parameters, x, groups, placed) in CONTINUOUS.items():
    for function in " ".join(PARTS[group] for group in groups.split("-")).split():
        points = UNIT if function in ("ppf", "isf") else x
        incomplete = {"order": 1} if name in ONCE and function not in DENSITY else {}
        elementwise(f"{S}.{name}", function, points, *fixed, **HOW)
        rest = (*parameters, *((LOC, SCALE) if placed else ()))
        elementwise(f"{S}.{name}", function, points, *rest, **{**HOW, "edges": False, "jit": False, **incomplete})

WHOLE = Operand(E, 0, 5, made=np.round, slope=False)
DISCRETE = {
    "bernoulli": ((0.3,), (UNIT,), Operand(E, 0, 1, made=np.round, slope=False)),
    "betabinom": (
        (6, 1.5, 2.5), (Operand(E, 5, 8, made=np.round, slope=False), Operand(E, 1, 2), Operand(E, 1, 3)), WHOLE,
    ),
    "binom": ((6, 0.3), (Operand(E, 5, 8, made=np.round, slope=False), UNIT), WHOLE),
    "geom": ((0.3,), (UNIT,), Operand(E, 1, 6, made=np.round, slope=False)),
    "nbinom": ((2.5, 0.4), (Operand(E, 1.5, 3.0), UNIT), WHOLE),
    "poisson": ((3.3,), (Operand(E, 1.0, 4.0),), WHOLE),
}  # fmt: skip
for name, (fixed, parameters, k) in DISCRETE.items():
    for function in ("logpmf", "pmf"):
        # What SciPy gives beside the whole numbers is what it makes of rounding.
        elementwise(f"{S}.{name}", function, k, *fixed, **HOW, edges=False)
        elementwise(f"{S}.{name}", function, k, *parameters, **HOW, edges=False, jit=False)
elementwise(f"{S}.bernoulli", "cdf", DISCRETE["bernoulli"][2], UNIT, **HOW, edges=False)
elementwise(f"{S}.bernoulli", "ppf", UNIT, UNIT, **HOW, edges=False, order=0)
elementwise(f"{S}.poisson", "cdf", WHOLE, Operand(E, 1.0, 4.0), **HOW, edges=False, order=1)
elementwise(f"{S}.poisson", "entropy", Operand(E, 0.5, 4.0), **HOW, edges=False,
    oracle=lambda mu: scipy.special.entr(scipy.stats.poisson.pmf(np.arange(60), mu[..., None])).sum(-1))  # fmt: skip

# ---- Vectors

# Beside the shares that sum to 1 there are no derivatives.
SHARES = Operand((3,), 0.2, 2.0, made=lambda x: x / x.sum(), slope=False)
NO = {"specials": False, "why": "the parts of a distribution that are no numbers are refused by SciPy"}
for function in ("logpdf", "pdf"):
    row(f"{S}.dirichlet", function, SHARES, Operand((3,), 0.7, 3.0), **{**HOW, **NO}, order=2,
        oracle=lambda x, alpha, f=function: DIRICHLET[f](x, alpha))  # fmt: skip
    row(f"{S}.multivariate_normal", function, Operand((3,)), Operand((3,)),
        Operand((3, 3), made=lambda x: x @ x.T + 2 * np.eye(3)), **{**HOW, **NO},
        oracle=lambda x, m, c, f=function: NORMAL[f](x, m, c))  # fmt: skip
for function in ("logpmf", "pmf"):
    row(f"{S}.multinomial", function, np.array([1, 2, 3]), 6, replace(SHARES, slope=True), **{**HOW, **NO},
        oracle=lambda x, n, p, f=function: MULTINOMIAL[f](x, p))  # fmt: skip


def _log_dirichlet(x, alpha):
    constant = scipy.special.gammaln(alpha.sum()) - scipy.special.gammaln(alpha).sum()
    return constant + ((alpha - 1) * np.log(x)).sum()


def _log_normal(x, mean, cov):
    apart = x - mean
    return -0.5 * (apart @ np.linalg.solve(cov, apart) + np.linalg.slogdet(2 * np.pi * cov)[1])


def _log_multinomial(x, p):
    return scipy.special.gammaln(x.sum() + 1) - scipy.special.gammaln(x + 1).sum() + (x * np.log(p)).sum()


# By their formulas: SciPy asks that shares of single precision sum to 1 in double precision.
DIRICHLET = {"logpdf": _log_dirichlet, "pdf": lambda *a: np.exp(_log_dirichlet(*a))}
NORMAL = {"logpdf": _log_normal, "pdf": lambda *a: np.exp(_log_normal(*a))}
MULTINOMIAL = {"logpmf": _log_multinomial, "pmf": lambda *a: np.exp(_log_multinomial(*a))}

# ---- Samples

row(S, "mode", Operand((5, 3), 0, 3, made=np.round), dtypes="iuf", order=0, specials=False, after=tuple,
    oracle=lambda x: (scipy.stats.mode(x).mode, scipy.stats.mode(x).count))  # fmt: skip
row(S, "rankdata", M, kw={"axis": 1}, dtypes="iuf", order=0, result=np.float64)
row(S, "rankdata", T, "dense", dtypes="f", order=0, specials=False, result=np.float64)
row(S, "sem", M, dtypes="f", tol=4)
row(S, "sem", M, 1, 0, dtypes="f", tol=4)
