"""BCOO, batched coordinates: the class, and its functions under the names of operations of ``lax``."""

from cotan.experimental.sparse.array import BCOO as BCOO
from cotan.experimental.sparse.array import BCOOProperties as BCOOProperties
from cotan.experimental.sparse.conversion import bcoo_eliminate_zeros as bcoo_eliminate_zeros
from cotan.experimental.sparse.conversion import bcoo_extract as bcoo_extract
from cotan.experimental.sparse.conversion import bcoo_fromdense as bcoo_fromdense
from cotan.experimental.sparse.conversion import bcoo_sort_indices as bcoo_sort_indices
from cotan.experimental.sparse.conversion import bcoo_sum_duplicates as bcoo_sum_duplicates
from cotan.experimental.sparse.conversion import bcoo_todense as bcoo_todense
from cotan.experimental.sparse.pairs import bcoo_conv_general_dilated as bcoo_conv_general_dilated
from cotan.experimental.sparse.products import bcoo_dot_general as bcoo_dot_general
from cotan.experimental.sparse.products import bcoo_dot_general_sampled as bcoo_dot_general_sampled
from cotan.experimental.sparse.products import bcoo_multiply_dense as bcoo_multiply_dense
from cotan.experimental.sparse.products import bcoo_multiply_sparse as bcoo_multiply_sparse
from cotan.experimental.sparse.relayout import bcoo_update_layout as bcoo_update_layout
from cotan.experimental.sparse.shaping import bcoo_broadcast_in_dim as bcoo_broadcast_in_dim
from cotan.experimental.sparse.shaping import bcoo_concatenate as bcoo_concatenate
from cotan.experimental.sparse.shaping import bcoo_reduce_sum as bcoo_reduce_sum
from cotan.experimental.sparse.shaping import bcoo_reshape as bcoo_reshape
from cotan.experimental.sparse.shaping import bcoo_squeeze as bcoo_squeeze
from cotan.experimental.sparse.shaping import bcoo_transpose as bcoo_transpose
from cotan.experimental.sparse.slicing import bcoo_dynamic_slice as bcoo_dynamic_slice
from cotan.experimental.sparse.slicing import bcoo_gather as bcoo_gather
from cotan.experimental.sparse.slicing import bcoo_rev as bcoo_rev
from cotan.experimental.sparse.slicing import bcoo_slice as bcoo_slice
