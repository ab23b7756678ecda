"""The examples whose values differ, each with its reason. An entry that agrees again is an error, as is one too few."""

from __future__ import annotations

import numpy
from oracle_versions import before

_TRACED = "the function that is mapped runs once, on traced values, and branches on them"
_OPTIONS = "results have the type that the function gives them; there are no options `otypes` and `doc`"
_KIND = "a result has one dtype for all values, as NumPy's from 2.5 on: eigenvalues are complex, though these are real"
_COUNTS = "counts have the dtype of the weights, which is floating"
_EDGES = "edges have the floating dtype of the samples, whatever that of those which are given"
_LATTICE = "an integer and a float promote to that float, however many bits the integer has"
_HERMITIAN = "the matrix is made Hermitian first, where NumPy takes one triangle of one that is not"
_ROUNDING = "the matrix is singular: its inverse and its condition number are made of rounding errors"
_UFUNC = "elementwise functions have no argument `dtype`"
_EIGENVALUES = (
    *("linalg.eig:3", "linalg.eig:4", "linalg.eig:14", "linalg.eig:15"),
    *("linalg.eigvals:6", "linalg.eigvals:9"),
)

REASONS: dict[str, str] = {
    "apply_along_axis:6": _TRACED,
    **dict.fromkeys(("vectorize:3", "vectorize:7", "vectorize:8", "vectorize:10", "vectorize:11"), _TRACED),
    **dict.fromkeys(("vectorize:5", "vectorize:9", "vectorize:23", "vectorize:24"), _OPTIONS),
    **dict.fromkeys(("float_power:12", "pow:15"), _UFUNC),
    **dict.fromkeys(("histogram:1", "histogram:3", "histogram_bin_edges:10", "histogram_bin_edges:13"), _COUNTS),
    **dict.fromkeys(("histogram:2", "histogram_bin_edges:4"), _EDGES),
    **dict.fromkeys(("promote_types:2", "promote_types:3", "result_type:2"), _LATTICE),
    **(dict.fromkeys(_EIGENVALUES, _KIND) if before(numpy, "2.5") else {}),
    **dict.fromkeys(("linalg.eigh:20", "linalg.eigh:22", "linalg.eigvalsh:10"), _HERMITIAN),
    "linalg.eigh:6": "eigenvectors have other phases, which are not determined",
    **dict.fromkeys([f"linalg.inv:{n}" for n in (11, 12, 14, 17)], _ROUNDING),
    "fromiter:4": "the dtype has a shape of its own",
    "isin:12": "a set is no array, and NumPy takes it for one object",
    "isscalar:2": "an array of no dimensions is a scalar",
    "partition:5": "the elements between the places asked for have no determined order; here they are sorted",
    "polydiv:3": "leading zeros of the remainder are kept, since its length must not depend on values",
    "polymul:1": "coefficients of products are floating",
    "unique_values:1": "values are sorted, where NumPy leaves them in the order of a table of hashes",
    "ndarray.astype:5": "conversions are not refused, so that there is no argument `casting`",
    "ndarray.flat:6": "`flat` is an array, no iterator",
}
