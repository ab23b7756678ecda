"""Random numbers as functions of explicit keys. Splittable, and the same bits on every backend."""

from cotan import tracebacks as _tracebacks
from cotan.random.keys import PRNGKey as PRNGKey
from cotan.random.keys import clone as clone
from cotan.random.keys import fold_in as fold_in
from cotan.random.keys import key as key
from cotan.random.keys import key_data as key_data
from cotan.random.keys import key_impl as key_impl
from cotan.random.keys import split as split
from cotan.random.keys import wrap_key_data as wrap_key_data
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

_tracebacks.guard(globals())
