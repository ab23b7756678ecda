"""cotan.scipy.optimize: minima of smooth functions. Names only."""

from cotan import tracebacks as _tracebacks
from cotan.scipy.optimize.minimizing import OptimizeResults as OptimizeResults
from cotan.scipy.optimize.minimizing import minimize as minimize

_tracebacks.guard(globals())
