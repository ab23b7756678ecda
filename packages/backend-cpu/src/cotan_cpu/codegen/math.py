"""The elementary and special functions of kernels, by name; each is inline code for vectors or scalars.

Nothing here calls the C library but sin, cos and tan of very large arguments, and rem for very large quotients. Results
are within 2 ulp unless ``trigonometry`` or ``special`` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cotan_cpu.codegen import exponential, pieces, special, trigonometry, zeta
from cotan_cpu.codegen.builder import Val
from cotan_cpu.codegen.floats import Floats
from cotan_cpu.codegen.scalars import Context, Operation, rem_of_ints
from cotan_cpu.codegen.types import is_float

_NATIVE: dict[str, Callable[..., Val]] = {
    "exp": exponential.exp, "exp2": exponential.exp2, "expm1": exponential.expm1, "log": exponential.log,
    "log1p": exponential.log1p, "tanh": exponential.tanh, "logistic": exponential.logistic, "sinh": exponential.sinh,
    "cosh": exponential.cosh, "atan": trigonometry.atan, "atan2": trigonometry.atan2, "asin": trigonometry.asin,
    "acos": trigonometry.acos, "erf": special.erf, "erf_inv": special.erf_inv, "pow": exponential.pow_,
    "rsqrt": Floats.inverse_root,
}  # fmt: skip
_NEEDS_FMA: dict[str, Callable[..., Val]] = {"sin": trigonometry.sin, "cos": trigonometry.cos, "erfc": special.erfc}
"""In float32 only with a fused multiply-add, for the reduction of the argument or to keep what a quotient loses."""
_DOUBLE: dict[str, Callable[..., Val]] = {
    "tan": trigonometry.tan, "asinh": exponential.asinh, "acosh": exponential.acosh, "atanh": exponential.atanh,
    "cbrt": exponential.cbrt, "lgamma": special.lgamma, "digamma": special.digamma,
}  # fmt: skip
"""Computed in float64 also for float32."""
_BY_PIECES: dict[str, Callable[..., Val]] = {
    "tanh": pieces.tanh, "erf_inv": pieces.erf_inv, "log": pieces.log, "log1p": pieces.log1p, "sin": pieces.sin,
    "cos": pieces.cos,
}  # fmt: skip
"""In float32 on targets with AVX-512."""


def _operation(function: Callable[..., Val], natively: Callable[[Context], bool]) -> Operation:
    def apply(c: Context, dtype: Any, *args: Val) -> Val:
        if args[0].kind == "double" or natively(c):
            return function(Floats(c, args[0].kind), *args)
        wide = [c.b.convert("fpext", arg, "double") for arg in args]
        return c.b.convert("fptrunc", function(Floats(c, "double"), *wide), "float")

    return apply


def _by_precision(of_doubles: Callable[..., Val], of_singles: Callable[..., Val]) -> Operation:
    """Computed in float64, with less effort for float32."""

    def apply(c: Context, dtype: Any, *args: Val) -> Val:
        f = Floats(c, "double")
        if args[0].kind == "double":
            return of_doubles(f, *args)
        return c.b.convert("fptrunc", of_singles(f, *map(f.double, args)), "float")

    return apply


def _by_pieces(quick: Callable[..., Val], otherwise: Operation) -> Operation:
    def apply(c: Context, dtype: Any, x: Val) -> Val:
        if x.kind == "float" and c.target.avx512:
            return quick(Floats(c, x.kind), x)
        return otherwise(c, dtype, x)

    return apply


def _rem(c: Context, dtype: Any, x: Val, y: Val) -> Val:
    return exponential.rem(Floats(c, x.kind), x, y) if is_float(dtype) else rem_of_ints(c, dtype, x, y)


FUNCTIONS: dict[str, Operation] = {
    "rem": _rem,
    "zeta": _by_precision(zeta.of_doubles, zeta.of_singles),
    **{name: _operation(function, lambda c: True) for name, function in _NATIVE.items()},
    **{name: _operation(function, lambda c: c.target.fma) for name, function in _NEEDS_FMA.items()},
    **{name: _operation(function, lambda c: False) for name, function in _DOUBLE.items()},
}
FUNCTIONS |= {name: _by_pieces(quick, FUNCTIONS[name]) for name, quick in _BY_PIECES.items()}
