"""Random sparse arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan import numpy as cnp
from cotan import random as _random
from cotan.api import vmap
from cotan.errors import where
from cotan.experimental.sparse.array import BCOO
from cotan.experimental.sparse.conversion import bcoo_sort_indices
from cotan.experimental.sparse.layout import stacked, unravelled
from cotan.experimental.sparse.util import checked_shape


def random_bcoo(
    key: Any,
    shape: Sequence[int],
    *,
    dtype: Any = np.float64,
    indices_dtype: Any = None,
    nse: float | int = 0.2,
    n_batch: int = 0,
    n_dense: int = 0,
    unique_indices: bool = True,
    sorted_indices: bool = False,
    generator: Callable[..., Any] = _random.uniform,
    **kwds: Any,
) -> BCOO:
    """A BCOO of random values at random places.

    Args:
      key: a random key. shape, dtype: those of the array.
      indices_dtype: the dtype of the indices.
      nse: how many elements are stored for each batch, or, between 0 and 1, which part of the sparse axes' elements.
      n_batch, n_dense: numbers of batch and dense axes.
      unique_indices: whether no two elements are at one place. sorted_indices: whether they are in order.
      generator: of values: a function of a key, a shape and a dtype, and ``kwds``.

    Raises:
      ValueError: numbers of axes or of elements do not fit the shape.

    >>> import cotan
    >>> from cotan.experimental import sparse
    >>> sparse.random_bcoo(cotan.random.key(0), (4, 5), nse=3)
    BCOO(float32[4, 5], nse=3)
    """
    sizes = checked_shape("random_bcoo", shape)
    n_sparse = len(sizes) - n_batch - n_dense
    if n_batch < 0 or n_dense < 0 or n_sparse < 0:
        raise ValueError(
            f"{where()}: random_bcoo: n_batch={n_batch} and n_dense={n_dense} do not fit the shape {sizes}"
        )
    batch, middle, dense = sizes[:n_batch], sizes[n_batch : n_batch + n_sparse], sizes[n_batch + n_sparse :]
    room = math.prod(middle)
    count = math.ceil(nse * room) if 0 < nse < 1 else int(nse)
    if count < 0 or (unique_indices and count > room):
        raise ValueError(
            f"{where()}: random_bcoo: nse={nse} elements do not fit the sparse axes {middle}"
            f"{' without duplicates (unique_indices=False allows them)' if count > 0 else ''}"
        )
    places_key, values_key = _random.split(key)
    keys = _random.split(places_key, math.prod(batch))
    if unique_indices:
        places = vmap(lambda k: _random.permutation(k, room)[:count])(keys)
    else:
        places = vmap(lambda k: _random.randint(k, (count,), 0, max(room, 1)))(keys)
    places = places.reshape(*batch, count).astype(indices_dtype or np.int32)
    indices = stacked(unravelled(places, middle), places)
    kind = dtypes.canonicalize_dtype(dtype)
    data = generator(values_key, (*batch, count, *dense), kind, **kwds).astype(kind)
    made = BCOO((data, cnp.asarray(indices)), shape=sizes, unique_indices=unique_indices)
    return bcoo_sort_indices(made) if sorted_indices else made
