"""Random numbers as functions of explicit keys. Splittable, and the same bits on every backend."""

from typing import Any as _Any

from cotan import tracebacks as _tracebacks
from cotan.left_out import missing as _missing
from cotan.random.continuous import lognormal as lognormal
from cotan.random.continuous import pareto as pareto
from cotan.random.continuous import rayleigh as rayleigh
from cotan.random.continuous import triangular as triangular
from cotan.random.continuous import wald as wald
from cotan.random.continuous import weibull_min as weibull_min
from cotan.random.discrete import binomial as binomial
from cotan.random.discrete import geometric as geometric
from cotan.random.discrete import multinomial as multinomial
from cotan.random.discrete import poisson as poisson
from cotan.random.gamma import ball as ball
from cotan.random.gamma import beta as beta
from cotan.random.gamma import chisquare as chisquare
from cotan.random.gamma import dirichlet as dirichlet
from cotan.random.gamma import double_sided_maxwell as double_sided_maxwell
from cotan.random.gamma import f as f
from cotan.random.gamma import gamma as gamma
from cotan.random.gamma import generalized_normal as generalized_normal
from cotan.random.gamma import loggamma as loggamma
from cotan.random.gamma import maxwell as maxwell
from cotan.random.gamma import random_gamma_p as random_gamma_p
from cotan.random.gamma import t as t
from cotan.random.keys import PRNGKey as PRNGKey
from cotan.random.keys import clone as clone
from cotan.random.keys import fold_in as fold_in
from cotan.random.keys import key as key
from cotan.random.keys import key_data as key_data
from cotan.random.keys import key_dtype as key_dtype
from cotan.random.keys import key_impl as key_impl
from cotan.random.keys import split as split
from cotan.random.keys import wrap_key_data as wrap_key_data
from cotan.random.multivariate import multivariate_normal as multivariate_normal
from cotan.random.multivariate import orthogonal as orthogonal
from cotan.random.repeated import samplers as _often
from cotan.random.sampling import bernoulli as bernoulli
from cotan.random.sampling import bits as bits
from cotan.random.sampling import categorical as categorical
from cotan.random.sampling import cauchy as cauchy
from cotan.random.sampling import choice as choice
from cotan.random.sampling import exponential as exponential
from cotan.random.sampling import gumbel as gumbel
from cotan.random.sampling import laplace as laplace
from cotan.random.sampling import logistic as logistic
from cotan.random.sampling import normal as normal
from cotan.random.sampling import permutation as permutation
from cotan.random.sampling import rademacher as rademacher
from cotan.random.sampling import randint as randint
from cotan.random.sampling import truncated_normal as truncated_normal
from cotan.random.sampling import uniform as uniform


def __getattr__(name: str) -> _Any:
    raise AttributeError(_missing(__name__, name))


_often(globals(), integers={"fold_in": 1}, without={"clone"})
_tracebacks.guard(globals())
