"""cotan.experimental.sparse: arrays of which only some elements are stored.

``BCOO`` is the format that does most: coordinates of elements, with batch axes before and dense axes after; ``BCSR``
has compressed rows. Both are pytrees of arrays and go through all transformations. ``sparsify`` makes functions of
arrays into such of sparse arrays. ``COO``, ``CSR`` and ``CSC`` are plain formats of matrices.
"""

from __future__ import annotations

from typing import Any

from cotan import tracebacks as _tracebacks
from cotan.experimental.sparse import ad as ad
from cotan.experimental.sparse import api as api
from cotan.experimental.sparse import bcoo as bcoo
from cotan.experimental.sparse import bcsr as bcsr
from cotan.experimental.sparse import coo as coo
from cotan.experimental.sparse import csr as csr
from cotan.experimental.sparse import linalg as linalg
from cotan.experimental.sparse import random as random
from cotan.experimental.sparse import transform as transform
from cotan.experimental.sparse import util as util
from cotan.experimental.sparse.ad import grad as grad
from cotan.experimental.sparse.ad import jacfwd as jacfwd
from cotan.experimental.sparse.ad import jacobian as jacobian
from cotan.experimental.sparse.ad import jacrev as jacrev
from cotan.experimental.sparse.ad import value_and_grad as value_and_grad
from cotan.experimental.sparse.api import empty as empty
from cotan.experimental.sparse.api import eye as eye
from cotan.experimental.sparse.api import todense as todense
from cotan.experimental.sparse.api import todense_p as todense_p
from cotan.experimental.sparse.base import JAXSparse as JAXSparse
from cotan.experimental.sparse.bcoo import BCOO as BCOO
from cotan.experimental.sparse.bcoo import bcoo_broadcast_in_dim as bcoo_broadcast_in_dim
from cotan.experimental.sparse.bcoo import bcoo_concatenate as bcoo_concatenate
from cotan.experimental.sparse.bcoo import bcoo_conv_general_dilated as bcoo_conv_general_dilated
from cotan.experimental.sparse.bcoo import bcoo_dot_general as bcoo_dot_general
from cotan.experimental.sparse.bcoo import bcoo_dot_general_p as bcoo_dot_general_p
from cotan.experimental.sparse.bcoo import bcoo_dot_general_sampled as bcoo_dot_general_sampled
from cotan.experimental.sparse.bcoo import bcoo_dot_general_sampled_p as bcoo_dot_general_sampled_p
from cotan.experimental.sparse.bcoo import bcoo_dynamic_slice as bcoo_dynamic_slice
from cotan.experimental.sparse.bcoo import bcoo_extract as bcoo_extract
from cotan.experimental.sparse.bcoo import bcoo_extract_p as bcoo_extract_p
from cotan.experimental.sparse.bcoo import bcoo_fromdense as bcoo_fromdense
from cotan.experimental.sparse.bcoo import bcoo_fromdense_p as bcoo_fromdense_p
from cotan.experimental.sparse.bcoo import bcoo_gather as bcoo_gather
from cotan.experimental.sparse.bcoo import bcoo_multiply_dense as bcoo_multiply_dense
from cotan.experimental.sparse.bcoo import bcoo_multiply_sparse as bcoo_multiply_sparse
from cotan.experimental.sparse.bcoo import bcoo_reduce_sum as bcoo_reduce_sum
from cotan.experimental.sparse.bcoo import bcoo_reshape as bcoo_reshape
from cotan.experimental.sparse.bcoo import bcoo_rev as bcoo_rev
from cotan.experimental.sparse.bcoo import bcoo_slice as bcoo_slice
from cotan.experimental.sparse.bcoo import bcoo_sort_indices as bcoo_sort_indices
from cotan.experimental.sparse.bcoo import bcoo_sort_indices_p as bcoo_sort_indices_p
from cotan.experimental.sparse.bcoo import bcoo_spdot_general_p as bcoo_spdot_general_p
from cotan.experimental.sparse.bcoo import bcoo_squeeze as bcoo_squeeze
from cotan.experimental.sparse.bcoo import bcoo_sum_duplicates as bcoo_sum_duplicates
from cotan.experimental.sparse.bcoo import bcoo_sum_duplicates_p as bcoo_sum_duplicates_p
from cotan.experimental.sparse.bcoo import bcoo_todense as bcoo_todense
from cotan.experimental.sparse.bcoo import bcoo_todense_p as bcoo_todense_p
from cotan.experimental.sparse.bcoo import bcoo_transpose as bcoo_transpose
from cotan.experimental.sparse.bcoo import bcoo_transpose_p as bcoo_transpose_p
from cotan.experimental.sparse.bcoo import bcoo_update_layout as bcoo_update_layout
from cotan.experimental.sparse.bcsr import BCSR as BCSR
from cotan.experimental.sparse.bcsr import bcsr_broadcast_in_dim as bcsr_broadcast_in_dim
from cotan.experimental.sparse.bcsr import bcsr_concatenate as bcsr_concatenate
from cotan.experimental.sparse.bcsr import bcsr_dot_general as bcsr_dot_general
from cotan.experimental.sparse.bcsr import bcsr_dot_general_p as bcsr_dot_general_p
from cotan.experimental.sparse.bcsr import bcsr_extract as bcsr_extract
from cotan.experimental.sparse.bcsr import bcsr_extract_p as bcsr_extract_p
from cotan.experimental.sparse.bcsr import bcsr_fromdense as bcsr_fromdense
from cotan.experimental.sparse.bcsr import bcsr_fromdense_p as bcsr_fromdense_p
from cotan.experimental.sparse.bcsr import bcsr_sum_duplicates as bcsr_sum_duplicates
from cotan.experimental.sparse.bcsr import bcsr_todense as bcsr_todense
from cotan.experimental.sparse.bcsr import bcsr_todense_p as bcsr_todense_p
from cotan.experimental.sparse.coo import COO as COO
from cotan.experimental.sparse.coo import coo_fromdense as coo_fromdense
from cotan.experimental.sparse.coo import coo_fromdense_p as coo_fromdense_p
from cotan.experimental.sparse.coo import coo_matmat as coo_matmat
from cotan.experimental.sparse.coo import coo_matmat_p as coo_matmat_p
from cotan.experimental.sparse.coo import coo_matvec as coo_matvec
from cotan.experimental.sparse.coo import coo_matvec_p as coo_matvec_p
from cotan.experimental.sparse.coo import coo_todense as coo_todense
from cotan.experimental.sparse.coo import coo_todense_p as coo_todense_p
from cotan.experimental.sparse.csr import CSC as CSC
from cotan.experimental.sparse.csr import CSR as CSR
from cotan.experimental.sparse.csr import csr_fromdense as csr_fromdense
from cotan.experimental.sparse.csr import csr_fromdense_p as csr_fromdense_p
from cotan.experimental.sparse.csr import csr_matmat as csr_matmat
from cotan.experimental.sparse.csr import csr_matmat_p as csr_matmat_p
from cotan.experimental.sparse.csr import csr_matvec as csr_matvec
from cotan.experimental.sparse.csr import csr_matvec_p as csr_matvec_p
from cotan.experimental.sparse.csr import csr_todense as csr_todense
from cotan.experimental.sparse.csr import csr_todense_p as csr_todense_p
from cotan.experimental.sparse.random import random_bcoo as random_bcoo
from cotan.experimental.sparse.transform import SparseTracer as SparseTracer
from cotan.experimental.sparse.transform import sparsify as sparsify
from cotan.experimental.sparse.util import CuSparseEfficiencyWarning as CuSparseEfficiencyWarning
from cotan.experimental.sparse.util import SparseEfficiencyError as SparseEfficiencyError
from cotan.experimental.sparse.util import SparseEfficiencyWarning as SparseEfficiencyWarning


def __getattr__(name: str) -> Any:
    from cotan.left_out import missing

    raise AttributeError(missing(__name__, name))


_tracebacks.guard(globals())
