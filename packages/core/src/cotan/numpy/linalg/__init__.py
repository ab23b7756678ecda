"""cotan.numpy.linalg: linear algebra on the last two axes, with the names and meanings of numpy.linalg. Names only."""

from cotan import tracebacks as _tracebacks
from cotan.numpy.linalg.aliases import cross as cross
from cotan.numpy.linalg.aliases import diagonal as diagonal
from cotan.numpy.linalg.aliases import matmul as matmul
from cotan.numpy.linalg.aliases import matrix_transpose as matrix_transpose
from cotan.numpy.linalg.aliases import outer as outer
from cotan.numpy.linalg.aliases import tensordot as tensordot
from cotan.numpy.linalg.aliases import trace as trace
from cotan.numpy.linalg.aliases import vecdot as vecdot
from cotan.numpy.linalg.decompositions import cholesky as cholesky
from cotan.numpy.linalg.decompositions import eig as eig
from cotan.numpy.linalg.decompositions import eigh as eigh
from cotan.numpy.linalg.decompositions import eigvals as eigvals
from cotan.numpy.linalg.decompositions import eigvalsh as eigvalsh
from cotan.numpy.linalg.decompositions import qr as qr
from cotan.numpy.linalg.decompositions import svd as svd
from cotan.numpy.linalg.decompositions import svdvals as svdvals
from cotan.numpy.linalg.determinants import det as det
from cotan.numpy.linalg.determinants import slogdet as slogdet
from cotan.numpy.linalg.equations import inv as inv
from cotan.numpy.linalg.equations import lstsq as lstsq
from cotan.numpy.linalg.equations import pinv as pinv
from cotan.numpy.linalg.equations import solve as solve
from cotan.numpy.linalg.equations import tensorinv as tensorinv
from cotan.numpy.linalg.equations import tensorsolve as tensorsolve
from cotan.numpy.linalg.norms import cond as cond
from cotan.numpy.linalg.norms import matrix_norm as matrix_norm
from cotan.numpy.linalg.norms import matrix_rank as matrix_rank
from cotan.numpy.linalg.norms import norm as norm
from cotan.numpy.linalg.norms import vector_norm as vector_norm
from cotan.numpy.linalg.products import matrix_power as matrix_power
from cotan.numpy.linalg.products import multi_dot as multi_dot
from cotan.runtime.nans import seen_only as _seen_only

_tracebacks.guard(globals(), again=_seen_only)
