"""Where the probes of ``coverage`` do not find what NumPy or SciPy gives: cells, functions, and why.

An entry that names a function is strict: it must be needed.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy
import scipy
from oracle_versions import before


class Gap(NamedTuple):
    """Cells of functions (names, or patterns) in which something else is found than the oracle gives."""

    cells: str
    functions: str
    why: str
    there: bool = True  # with the versions of NumPy and SciPy that are installed


OLD_NUMPY, OLD_SCIPY = before(numpy, "2.5"), before(scipy, "1.18")


NAMED = "scipy.linalg.schur scipy.linalg.sqrtm scipy.linalg.eigh scipy.stats.dirichlet.logpdf scipy.stats.dirichlet.pdf"
SETS = (
    "numpy.nonzero numpy.argwhere numpy.flatnonzero numpy.intersect1d numpy.setdiff1d numpy.setxor1d numpy.union1d "
    "numpy.unique numpy.unique_all numpy.unique_counts numpy.unique_inverse numpy.unique_values"
)
GAPS = (
    # ---- Element types
    Gap("b i u h f c", "lax.*", "primitives promote nothing, and take the types that they name"),
    Gap("h", "numpy.linalg.* scipy.linalg.* numpy.polyfit scipy.stats.multivariate_normal.*", "LAPACK has no halves"),
    Gap("h", "numpy.fft.* scipy.signal.*", "transforms of halves are computed, and given, in single precision"),
    Gap("h", "scipy.special.sph_harm_y", "there are no complex numbers of halves"),
    Gap("c", "scipy.special.* scipy.stats.*", "defined for real numbers"),
    Gap("c", "numpy.clip numpy.argmax numpy.argmin numpy.nanargmax numpy.nanargmin numpy.median numpy.nanmedian "
        "numpy.histogram numpy.histogram2d numpy.histogramdd numpy.searchsorted nn.sparse_sigmoid",
        "complex numbers have no order, but that by which they are sorted"),
    Gap("c", "nn.sigmoid nn.silu nn.swish nn.glu nn.standardize", "the oracle takes real parts, or squares for sizes"),
    Gap("b", "numpy.conj numpy.conjugate numpy.vecmat numpy.round numpy.around", "bools stay bools"),
    Gap("b", "numpy.square numpy.fmod numpy.remainder numpy.mod numpy.floor_divide numpy.divmod numpy.power numpy.pow "
        "numpy.left_shift numpy.bitwise_left_shift numpy.right_shift numpy.bitwise_right_shift",
        "NumPy makes int8 of bools, here they become numbers as beside a Python integer"),
    Gap("b i u", "numpy.reciprocal", "integers become floats, where NumPy gives 0"),
    Gap("b i u", "numpy.nextafter", "the neighbour in single precision; NumPy's is in half precision"),
    Gap("b i u", "numpy.histogram", "edges are floats"),
    Gap("b i u", "nn.dot_product_attention", "attention of integers is rounded to integers"),
    Gap("b", "numpy.bincount", "bools are no weights"),
    Gap("i u", "numpy.bincount", "sums have the type of the weights"),
    Gap("b u", "numpy.argpartition", "equal elements come in any order"),
    Gap("b", "numpy.trapezoid", "NumPy adds bools by or"),
    Gap("b", NAMED, "singular matrices, or shares that do not sum to 1: nothing is right there"),
    Gap("b", "scipy.linalg.cholesky scipy.linalg.cho_factor", "of singular matrices, which SciPy has come to refuse",
        there=OLD_SCIPY),
    Gap("b i u", "scipy.special.sph_harm_y", "SciPy computes with bools and 8 bits in single precision",
        there=not OLD_SCIPY),
    Gap("u", "scipy.linalg.schur", "the operand is made with negative numbers, which wrap"),
    Gap("b", "scipy.special.digamma scipy.special.beta scipy.special.betaln", "poles, whose sign is not known"),
    Gap("b", "scipy.special.hyp2f1", "0 / 0 in the series, which SciPy takes for 0"),
    Gap("u", "numpy.unwrap numpy.linspace nn.log_sigmoid nn.log1mexp nn.softmax nn.log_softmax scipy.special.softmax "
        "scipy.special.log_softmax", "the oracle's differences of unsigned integers wrap"),
    Gap("u", "scipy.stats.multivariate_normal.logpdf scipy.stats.multivariate_normal.pdf",
        "the oracle's differences of unsigned integers wrap"),
    Gap("u", "scipy.linalg.companion", "SciPy's negation of unsigned integers wraps"),
    Gap("i u", "numpy.nancumsum numpy.nancumprod", "cumulative sums keep the type"),
    Gap("u", "numpy.cumsum numpy.cumprod", "cumulative sums keep the type"),
    Gap("i u", "scipy.ndimage.map_coordinates", "the coordinates are whole, too, and lie on the edge"),
    Gap("u", "scipy.linalg.funm", "an exponential beyond the largest number"),
    # ---- Shapes
    Gap("broadcast", "lax.*", "primitives broadcast nothing"),
    Gap("broadcast", "nn.dot_product_attention scipy.linalg.solve scipy.stats.dirichlet.logpdf "
        "scipy.stats.dirichlet.pdf scipy.linalg.rsf2csf", "extents of one are no others; the oracle is a formula"),
    Gap("0-d", "lax.*", "parameters are those of an operand with axes"),
    Gap("0-d", "nn.softmax nn.log_softmax numpy.cumulative_sum numpy.cumulative_prod "
        "numpy.nanargmax numpy.nanargmin numpy.argsort numpy.squeeze scipy.stats.mode scipy.stats.sem",
        "a scalar has no axis of the number that is asked for"),
    Gap("0-d", "numpy.convolve numpy.meshgrid scipy.linalg.fiedler_companion scipy.linalg.expm "
        "scipy.stats.dirichlet.logpdf scipy.stats.dirichlet.pdf", "vectors, or matrices, are needed"),
    Gap("0-d", "numpy.fft.fftn numpy.fft.ifftn", "transforms are complex"),
    Gap("0-d", "numpy.shape numpy.isscalar", "of arrays without axes: an empty shape, and no scalars of NumPy's"),
    Gap("empty", "lax.*", "parameters are those of an operand with elements"),
    Gap("empty", "scipy.linalg.lu_solve scipy.linalg.solve_sylvester scipy.stats.dirichlet.logpdf "
        "scipy.stats.dirichlet.pdf", "the operands do not fit each other"),
    Gap("empty", "scipy.signal.fftconvolve scipy.signal.stft scipy.signal.welch scipy.signal.csd",
        "SciPy gives what it was given, here shapes are those of any result, or nothing is refused"),
    Gap("empty", "scipy.linalg.fiedler_companion", "SciPy gives a vector, here it is a matrix"),
    Gap("empty", "scipy.linalg.fiedler", "SciPy gives a vector, here it is a matrix", there=OLD_SCIPY),
    Gap("empty", "scipy.stats.mode", "SciPy counts in integers along axes, and in floats without", there=not OLD_SCIPY),
    Gap("empty", "numpy.interp", "no points to go between are refused, as NumPy did", there=not OLD_NUMPY),
    Gap("empty", "numpy.bincount", "sums have the type of the weights"),
    # ---- Values
    Gap("nan", "lax.top_k lax.approx_max_k lax.approx_min_k", "NaN is the largest of all, as in a sort"),
    Gap("nan inf", "numpy.searchsorted", "what is searched is not sorted then", there=OLD_NUMPY),
    Gap("nan inf", "numpy.convolve numpy.correlate", "products with zeros beside the vectors count"),
    Gap("nan", "scipy.special.comb", "SciPy gives 0"),
    Gap("inf", "nn.log_softmax scipy.special.log_softmax", "infinity less infinity"),
    Gap("inf", "numpy.linspace", "an end that is infinite is kept"),
    Gap("inf", "scipy.special.spence scipy.stats.poisson.entropy", "the limit, which SciPy does not give"),
    Gap("inf", "scipy.special.wofz scipy.special.hyp1f1", "no limit is taken"),
    # ---- Derivatives
    Gap("first second", "lax.stop_gradient", "that is what it is for"),
    Gap("first second", "lax.nextafter numpy.nextafter", "no derivative, by definition"),
    Gap("first second", "lax.convert_element_type lax.reduce_precision numpy.astype", "rounding is more than the step"),
    Gap("first second", "lax.linalg.hessenberg lax.linalg.householder_product lax.linalg.ormqr lax.linalg.tridiagonal "
        "scipy.linalg.hessenberg", "parts of other functions, which have derivatives"),
    Gap("first second", "lax.linalg.qdwh", "an iteration of unknown length: forward mode alone"),
    Gap("first second", "numpy.linalg.eig", "vectors have them by lax.linalg.eig(enable_eigvec_derivs=True)"),
    Gap("first second", "lax.linalg.schur", "sizes of zeros have none; scipy.linalg.schur has a row"),
    Gap("first second", "scipy.linalg.rsf2csf", "off the triangular matrices the form is another"),
    Gap("first second", "scipy.stats.mode", "a step moves equal elements apart"),
    # ---- Transformations
    Gap("vmap jit", SETS, "the size of the result depends on values"),
    Gap("jit", "numpy.empty_like", "what is compared is made of NumPy's array"),
)  # fmt: skip
_PATTERNS = [(gap, function) for gap in GAPS if gap.there for function in gap.functions.split()]


def reason(name: str, cell: str) -> str | None:
    """Why ``cell`` of a function may differ; None if it may not."""
    for gap, function in _PATTERNS:
        if cell in gap.cells.split() and (function == name or fnmatchcase(name, function)):
            return gap.why
    return None


def is_named(name: str, cell: str) -> bool:
    """Whether an entry names the function itself."""
    return any(function == name and cell in gap.cells.split() for gap, function in _PATTERNS)


def names() -> set[str]:
    """All functions that entries name."""
    return {function for _, function in _PATTERNS if "*" not in function}
