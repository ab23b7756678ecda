"""The primitives themselves under the names that programs which look into jaxprs know them by: ``lax.sin_p``.

They are found when they are asked for. Knows where each stands, nothing of what it does.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PLACES = {
    "primitives.arithmetic": (
        "abs cbrt ceil clamp complex conj floor imag integer_pow is_finite max min nextafter pow real rem round rsqrt "
        "sign sqrt square"
    ),
    "primitives.bessel": "bessel_i0e bessel_i1e",
    "primitives.call": "optimization_barrier",
    "primitives.cast": "bitcast_convert_type reduce_precision stop_gradient",
    "primitives.collective": "all_gather all_to_all axis_index pmax pmin ppermute psum",
    "primitives.compare": (
        "and clz eq ge gt le lt ne not or population_count select_n shift_left shift_right_arithmetic "
        "shift_right_logical xor"
    ),
    "primitives.cumulative": "cumlogsumexp cummax cummin cumprod cumsum",
    "primitives.dot": "dot_general",
    "primitives.gather": "gather",
    "primitives.incomplete": "igamma igammac regularized_incomplete_beta zeta",
    "primitives.pad": "pad",
    "primitives.reduce": "argmax argmin reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_xor",
    "primitives.scatter": "scatter scatter_add scatter_max scatter_min scatter_mul",
    "primitives.shape": "concatenate copy iota reshape rev squeeze",
    "primitives.slice": "dynamic_slice dynamic_update_slice slice",
    "primitives.sort": "sort top_k",
    "primitives.special": "digamma erf erf_inv erfc lgamma",
    "primitives.transcendental": (
        "acos acosh asin asinh atan atan2 atanh cos cosh exp exp2 expm1 log log1p logistic sin sinh tan tanh"
    ),
    "structural": "broadcast_in_dim convert_element_type reduce_sum transpose",
}
_LINALG = {
    "condensed": "hessenberg tridiagonal",
    "eigen": "eig",
    "elimination": "triangular_solve",
    "factors": "cholesky lu lu_pivots_to_permutation",
    "orthogonal": "householder_product ormqr qr",
    "schur": "schur",
    "solves": "tridiagonal_solve",
    "spectral": "eigh svd",
}
# Where the object has another name than the primitive.
_ATTRIBUTES = {"regularized_incomplete_beta_p": "betainc_p"}

LAX = {f"{name}_p": f"cotan.{place}" for place, names in _PLACES.items() for name in names.split()}
LINALG = {f"{name}_p": f"cotan.primitives.linalg.{place}" for place, names in _LINALG.items() for name in names.split()}


def primitive(places: dict[str, str], name: str) -> Any:
    """The primitive of a name in ``places``, or None if it has none.

    >>> primitive(LAX, "sin_p").name
    'sin'
    """
    place = places.get(name)
    return None if place is None else getattr(import_module(place), _ATTRIBUTES.get(name, name))
