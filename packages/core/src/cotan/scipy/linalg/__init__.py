"""cotan.scipy.linalg: linear algebra with the names and meanings of scipy.linalg, for stacks too. Names only."""

from cotan import tracebacks as _tracebacks
from cotan.runtime.nans import seen_only as _seen_only
from cotan.scipy.linalg.equations import cho_factor as cho_factor
from cotan.scipy.linalg.equations import cho_solve as cho_solve
from cotan.scipy.linalg.equations import cholesky as cholesky
from cotan.scipy.linalg.equations import det as det
from cotan.scipy.linalg.equations import inv as inv
from cotan.scipy.linalg.equations import lu as lu
from cotan.scipy.linalg.equations import lu_factor as lu_factor
from cotan.scipy.linalg.equations import lu_solve as lu_solve
from cotan.scipy.linalg.equations import solve as solve
from cotan.scipy.linalg.equations import solve_sylvester as solve_sylvester
from cotan.scipy.linalg.equations import solve_triangular as solve_triangular
from cotan.scipy.linalg.forms import eigh as eigh
from cotan.scipy.linalg.forms import eigh_tridiagonal as eigh_tridiagonal
from cotan.scipy.linalg.forms import hessenberg as hessenberg
from cotan.scipy.linalg.forms import polar as polar
from cotan.scipy.linalg.forms import qr as qr
from cotan.scipy.linalg.forms import qr_multiply as qr_multiply
from cotan.scipy.linalg.forms import schur as schur
from cotan.scipy.linalg.forms import svd as svd
from cotan.scipy.linalg.functions import expm as expm
from cotan.scipy.linalg.functions import expm_frechet as expm_frechet
from cotan.scipy.linalg.functions import funm as funm
from cotan.scipy.linalg.functions import rsf2csf as rsf2csf
from cotan.scipy.linalg.functions import sqrtm as sqrtm
from cotan.scipy.linalg.special import block_diag as block_diag
from cotan.scipy.linalg.special import circulant as circulant
from cotan.scipy.linalg.special import companion as companion
from cotan.scipy.linalg.special import convolution_matrix as convolution_matrix
from cotan.scipy.linalg.special import dft as dft
from cotan.scipy.linalg.special import fiedler as fiedler
from cotan.scipy.linalg.special import fiedler_companion as fiedler_companion
from cotan.scipy.linalg.special import hadamard as hadamard
from cotan.scipy.linalg.special import hankel as hankel
from cotan.scipy.linalg.special import helmert as helmert
from cotan.scipy.linalg.special import hilbert as hilbert
from cotan.scipy.linalg.special import invhilbert as invhilbert
from cotan.scipy.linalg.special import invpascal as invpascal
from cotan.scipy.linalg.special import leslie as leslie
from cotan.scipy.linalg.special import pascal as pascal
from cotan.scipy.linalg.special import toeplitz as toeplitz

_tracebacks.guard(globals(), again=_seen_only)
