"""cotan.scipy.sparse: solvers that see a matrix through its products alone."""

from cotan.scipy.sparse import linalg as linalg
