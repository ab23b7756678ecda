"""What LAPACK does for each factorisation: a recipe for one matrix, by operation, variant and element type.

Matrices lie by rows. LAPACK, which has them by columns, sees their transposes: symmetric and triangular ones are the
same with the other triangle; QR by rows is LQ by columns; the singular vectors change sides. Others are copied,
transposed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from cotan_cpu.lower.lapack_text import Recipe

Options = tuple[str, ...]
_BUILDERS: dict[str, Callable[..., Recipe]] = {}


def name_of(operation: str, options: Options, letter: str) -> str:
    """The name of the native function."""
    return "_".join(["cotan_lapack", operation, *options, letter])


@functools.cache
def named(name: str) -> Recipe:
    """The recipe of the native function of this name."""
    operation, *options, letter = name.removeprefix("cotan_lapack_").split("_")
    return _BUILDERS[operation](name, letter, *options)


def _recipe(function: Callable[..., Recipe]) -> Callable[..., Recipe]:
    _BUILDERS[function.__name__.strip("_").replace("_", "")] = function
    return function


def _is_complex(letter: str) -> bool:
    return letter in "cz"


def _unitary(letter: str, routine: str) -> str:
    """The name of a routine of orthogonal matrices for this element type."""
    return ("un" if _is_complex(letter) else "or") + routine


@_recipe
def _cholesky(name: str, letter: str) -> Recipe:
    r = Recipe(name, letter, ("x", "out"), (), ("n", "bytes", "parts"))
    r.do("copy", "&out", "&x", "bytes")
    r.call("potrf", "'U", "#n", "&out", "#n", "info")
    r.spoil("out", "parts")
    r.do("half", "&out", "n", "n", 1)
    return r


@_recipe
def _cholesky_small(name: str, letter: str) -> Recipe:
    r = Recipe(name, letter, ("x", "out"), (), ("n", "bytes", "parts"))
    r.do("copy", "&out", "&x", "bytes")
    r.refuse("root", "out", "n")
    r.spoil("out", "parts")
    r.do("half", "&out", "n", "n", 1)
    return r


@_recipe
def _lu_small(name: str, letter: str) -> Recipe:
    r = Recipe(name, letter, ("x", "out", "pivots", "order"), (), ("m", "n", "k", "bytes"))
    r.do("copy", "&out", "&x", "bytes")
    r.do("eliminate", "&out", "&pivots", "m", "n")
    r.do("permute", "&order", "m", "&pivots", "k")
    return r


@_recipe
def _lu(name: str, letter: str) -> Recipe:
    r = Recipe(name, letter, ("x", "out", "pivots", "order"), ("a",), ("m", "n", "k"))
    r.do("turn", "&a", "&x", "m", "n")
    # A zero pivot is no failure: U is singular then.
    r.call("getrf", "#m", "#n", "&a", "#m", "&pivots", "info")
    r.do("turn", "&out", "&a", "n", "m")
    r.do("from_zero", "&pivots", "k")
    r.do("permute", "&order", "m", "&pivots", "k")
    return r


@_recipe
def _pivots(name: str, letter: str) -> Recipe:
    r = Recipe(name, letter, ("pivots", "order"), (), ("m", "k"))
    r.do("from_zero", "&pivots", "k")
    r.do("permute", "&order", "m", "&pivots", "k")
    return r


@_recipe
def _permutation(name: str, letter: str) -> Recipe:
    r = Recipe(name, letter, ("pivots", "order"), (), ("m", "k"))
    r.do("permute", "&order", "m", "&pivots", "k")
    return r


@_recipe
def _qr(name: str, letter: str) -> Recipe:
    # What lies by rows is its transpose by columns, whose LQ factors are those of QR, transposed.
    r = Recipe(name, letter, ("x", "q", "r"), ("a", "tau", "work"), ("m", "n", "k", "kq", "bytes", "rbytes", "lwork"))
    r.do("copy", "&a", "&x", "bytes")
    r.call("gelqf", "#n", "#m", "&a", "#n", "&tau", "&work", "#lwork", "info")
    r.do("clear", "&r", "rbytes")
    r.do("rows", "&r", "n", "&a", "n", "k", "n")
    r.do("half", "&r", "k", "n", 0)
    r.do("rows", "&q", "kq", "&a", "n", "m", "k")
    r.call(_unitary(letter, "glq"), "#kq", "#m", "#k", "&q", "#kq", "&tau", "&work", "#lwork", "info")
    return r


@_recipe
def _qrt(name: str, letter: str) -> Recipe:
    # For QR, unlike LQ, there is a routine that factors its panels recursively.
    scratch, sizes = ("a", "b", "tau", "work", "t", "twork"), ("m", "n", "k", "kq", "nb", "rbytes", "lwork")
    r = Recipe(name, letter, ("x", "q", "r"), scratch, sizes)
    r.do("turn", "&a", "&x", "m", "n")
    r.call("geqrt", "#m", "#n", "#nb", "&a", "#m", "&t", "#nb", "&twork", "info")
    r.do("diagonals", "&tau", "&t", "nb", "k")
    _split_qr(r, letter)
    return r


def _split_qr(r: Recipe, letter: str) -> None:
    """Q and R, by rows, of the columns and reflectors in ``a`` with the factors ``tau``."""
    r.do("turn", "&b", "&a", "n", "m")
    r.do("clear", "&r", "rbytes")
    r.do("rows", "&r", "n", "&b", "n", "k", "n")
    r.do("half", "&r", "k", "n", 0)
    r.call(_unitary(letter, "gqr"), "#m", "#kq", "#k", "&a", "#m", "&tau", "&work", "#lwork", "info")
    r.do("turn", "&q", "&a", "kq", "m")


@_recipe
def _qrp(name: str, letter: str) -> Recipe:
    scratch = ("a", "b", "tau", "work", "rwork")
    sizes = ("m", "n", "k", "kq", "rbytes", "pbytes", "qcount", "lwork")
    r = Recipe(name, letter, ("x", "q", "r", "order"), scratch, sizes)
    r.do("turn", "&a", "&x", "m", "n")
    r.do("clear", "&order", "pbytes")
    real = ("&rwork",) if _is_complex(letter) else ()
    r.call("geqp3", "#m", "#n", "&a", "#m", "&order", "&tau", "&work", "#lwork", *real, "info")
    r.do("from_zero", "&order", "n")
    _split_qr(r, letter)
    return r


@_recipe
def _geqrf(name: str, letter: str) -> Recipe:
    r = Recipe(name, letter, ("x", "out", "taus"), ("work",), ("m", "n", "k", "bytes", "lwork"))
    r.do("copy", "&out", "&x", "bytes")
    r.call("gelqf", "#n", "#m", "&out", "#n", "&taus", "&work", "#lwork", "info")
    if _is_complex(letter):
        r.do("conj", "&taus", "k")
    return r


@_recipe
def _product(name: str, letter: str) -> Recipe:
    r = Recipe(name, letter, ("x", "taus", "out"), ("tau", "work"), ("m", "n", "k", "bytes", "tbytes", "lwork"))
    r.do("copy", "&out", "&x", "bytes")
    r.do("copy", "&tau", "&taus", "tbytes")
    if _is_complex(letter):
        r.do("conj", "&tau", "k")
    r.call(_unitary(letter, "glq"), "#n", "#m", "#k", "&out", "#n", "&tau", "&work", "#lwork", "info")
    return r


@_recipe
def _ormqr(name: str, letter: str, side: str, trans: str) -> Recipe:
    r = Recipe(
        name,
        letter,
        ("x", "taus", "c", "out"),
        ("a", "tau", "work"),
        ("rows", "columns", "n", "k", "bytes", "abytes", "tbytes", "lwork"),
    )
    r.do("copy", "&out", "&c", "bytes")
    r.do("copy", "&a", "&x", "abytes")
    r.do("copy", "&tau", "&taus", "tbytes")
    if _is_complex(letter):
        r.do("conj", "&tau", "k")
    args = ("#columns", "#rows", "#k", "&a", "#n", "&tau", "&out", "#columns", "&work", "#lwork", "info")
    r.call(_unitary(letter, "mlq"), f"'{side}", f"'{trans}", *args)
    return r


@_recipe
def _eigh(name: str, letter: str, uplo: str) -> Recipe:
    scratch = ("a", "work", "iwork", *(("rwork",) if _is_complex(letter) else ()))
    sizes = ("n", "bytes", "parts", "nparts", "count", "lwork", "liwork", "lrwork")
    r = Recipe(name, letter, ("x", "v", "w"), scratch, sizes)
    r.do("copy", "&a", "&x", "bytes")
    r.refuse("finite", "a", "parts")
    real = ("&rwork", "#lrwork") if _is_complex(letter) else ()
    routine = "heevd" if _is_complex(letter) else "syevd"
    work = ("&work", "#lwork", *real, "&iwork", "#liwork", "info")
    r.call(routine, "'V", f"'{uplo}", "#n", "&a", "#n", "&w", *work)
    r.do("turn", "&v", "&a", "n", "n")
    if _is_complex(letter):
        r.do("conj", "&v", "count")
    r.spoil("v", "parts")
    r.spoil("w", "nparts")
    return r


@_recipe
def _svd(name: str, letter: str, job: str) -> Recipe:
    vectors = () if job == "N" else ("u", "vh")
    scratch = ("a", "work", "iwork", *(("rwork",) if _is_complex(letter) else ()), *(("none",) if job == "N" else ()))
    sizes = ("m", "n", "ldu", "bytes", "parts", "kparts", "uparts", "vparts", "lwork")
    r = Recipe(name, letter, ("x", "s", *vectors), scratch, sizes)
    r.do("copy", "&a", "&x", "bytes")
    r.refuse("finite", "a", "parts")
    left, right = ("&none", "&none") if job == "N" else ("&vh", "&u")
    real = ("&rwork",) if _is_complex(letter) else ()
    work = ("&work", "#lwork", *real, "&iwork", "info")
    r.call("gesdd", f"'{job}", "#n", "#m", "&a", "#n", "&s", left, "#n", right, "#ldu", *work)
    r.spoil("s", "kparts")
    if job != "N":
        r.spoil("u", "uparts")
        r.spoil("vh", "vparts")
    return r


@_recipe
def _eig(name: str, letter: str, left: str, right: str) -> Recipe:
    kept = [side for side, job in (("vl", left), ("vr", right)) if job == "V"]
    real = not _is_complex(letter)
    values = ("wr", "wi") if real else ("rwork",)
    r = Recipe(
        name,
        letter,
        ("x", "w", *kept),
        ("a", "left", "right", "work", *values),
        ("n", "parts", "wparts", "vparts", "lwork"),
    )
    r.do("turn", "&a", "&x", "n", "n")
    r.refuse("finite", "a", "parts")
    vectors = ("&left", "#n", "&right", "#n", "&work", "#lwork")
    if real:
        r.call("geev", f"'{left}", f"'{right}", "#n", "&a", "#n", "&wr", "&wi", *vectors, "info")
        r.do("join", "&w", "&wr", "&wi", "n")
    else:
        r.call("geev", f"'{left}", f"'{right}", "#n", "&a", "#n", "&w", *vectors, "&rwork", "info")
    r.spoil("w", "wparts")
    for side in kept:
        source = "&left" if side == "vl" else "&right"
        if real:
            r.do("vectors", f"&{side}", source, "&wi", "n")
        else:
            r.do("turn", f"&{side}", source, "n", "n")
        r.spoil(side, "vparts")
    return r


@_recipe
def _schur(name: str, letter: str, job: str) -> Recipe:
    real = not _is_complex(letter)
    values = ("wr", "wi") if real else ("w", "rwork")
    vectors = ("q",) if job == "V" else ()
    scratch = ("a", "vs", "work", "bwork", "count", *values)
    r = Recipe(name, letter, ("x", "t", *vectors), scratch, ("n", "parts", "lwork"))
    r.do("turn", "&a", "&x", "n", "n")
    r.refuse("finite", "a", "parts")
    found = ("&wr", "&wi") if real else ("&w",)
    more = () if real else ("&rwork",)
    args = ("#n", "&a", "#n", "&count", *found, "&vs", "#n", "&work", "#lwork", *more, "&bwork", "info")
    r.call("gees", f"'{job}", "'N", "null", *args)
    r.do("turn", "&t", "&a", "n", "n")
    r.spoil("t", "parts")
    if vectors:
        r.do("turn", "&q", "&vs", "n", "n")
        r.spoil("q", "parts")
    return r


@_recipe
def _hessenberg(name: str, letter: str) -> Recipe:
    r = Recipe(name, letter, ("x", "out", "taus"), ("a", "work"), ("n", "first", "lwork"))
    r.do("turn", "&a", "&x", "n", "n")
    r.call("gehrd", "#n", "#first", "#n", "&a", "#n", "&taus", "&work", "#lwork", "info")
    r.do("turn", "&out", "&a", "n", "n")
    return r


@_recipe
def _tridiagonal(name: str, letter: str, uplo: str) -> Recipe:
    r = Recipe(name, letter, ("x", "out", "d", "e", "taus"), ("a", "work"), ("n", "lwork"))
    r.do("turn", "&a", "&x", "n", "n")
    routine = "hetrd" if _is_complex(letter) else "sytrd"
    r.call(routine, f"'{uplo}", "#n", "&a", "#n", "&d", "&e", "&taus", "&work", "#lwork", "info")
    r.do("turn", "&out", "&a", "n", "n")
    return r


@_recipe
def _triangular(name: str, letter: str, side: str, uplo: str, trans: str, conjugate: str, diagonal: str) -> Recipe:
    r = Recipe(name, letter, ("a", "b", "out"), (), ("rows", "columns", "n", "bytes", "count"))
    r.do("copy", "&out", "&b", "bytes")
    # BLAS has no conjugate without transposition: conjugates of both sides are solved instead.
    if conjugate == "Y":
        r.do("conj", "&out", "count")
    flags = (f"'{side}", f"'{uplo}", f"'{trans}", f"'{diagonal}")
    r.call("trsm", *flags, "#columns", "#rows", "one", "&a", "#n", "&out", "#columns")
    if conjugate == "Y":
        r.do("conj", "&out", "count")
    return r


@_recipe
def _triangular_small(
    name: str, letter: str, side: str, uplo: str, trans: str, conjugate: str, diagonal: str
) -> Recipe:
    r = Recipe(name, letter, ("a", "b", "out"), (), ("rows", "columns", "n", "bytes"))
    r.do("copy", "&out", "&b", "bytes")
    # The letters are LAPACK's, which sees transposes. From the right, transposes of both sides are solved.
    left, lower, transposed = side == "R", uplo == "U", trans != "N"
    strides = (1, "n") if transposed == left else ("n", 1)
    vectors = ("columns", 1, "n", "columns") if left else (1, "columns", "n", "rows")
    forward = int((lower != transposed) == left)
    r.do("substitute", "&a", *strides, "&out", *vectors, forward, int(diagonal == "U"))
    return r


@_recipe
def _tridiagonalsolve(name: str, letter: str) -> Recipe:
    scratch = ("below", "middle", "above", "x")
    sizes = ("n", "columns", "bytes", "element", "shorter", "parts")
    r = Recipe(name, letter, ("dl", "d", "du", "b", "out"), scratch, sizes)
    r.lines.append("%p.dl1 = getelementptr i8, ptr %p.dl, i64 %w.element")
    r.do("copy", "&below", "&dl1", "shorter")
    r.do("copy", "&middle", "&d", "bytes")
    r.do("copy", "&above", "&du", "shorter")
    r.do("turn", "&x", "&b", "n", "columns")
    r.call("gtsv", "#n", "#columns", "&below", "&middle", "&above", "&x", "#n", "info")
    r.do("turn", "&out", "&x", "columns", "n")
    r.spoil("out", "parts")
    return r
