"""Elementwise functions of cotan.numpy."""

from __future__ import annotations

import numpy as np
import scipy.special
from library.table import Operand, elementwise, row

X = Operand((2, 3))
Y = Operand((2, 3))
POSITIVE = Operand((2, 3), 0.2, 3.0)
AWAY = Operand((2, 3), 0.5, 3.0)  # a divisor
UNIT = Operand((2, 3), -0.9, 0.9)
ABOVE = Operand((2, 3), 1.2, 3.0)
SMALL = Operand((2, 3), 0, 3)
REAL, ALL, WHOLE = "iuhf", "biuhfc", "biu"

# ---- Of one operand

elementwise("numpy", "exp sin cos tanh sinh cosh arctan atan", X, dtypes="biuhfc", tol=2, edges=False)
elementwise("numpy", "tan arcsinh asinh", X, dtypes="biuhfc", tol=4, edges=False)
elementwise("numpy", "exp sin cos tanh sinh cosh arctan atan tan arcsinh asinh exp2 expm1", X, dtypes="hf", tol=2)
elementwise("numpy", "exp2 expm1", X, dtypes="biuhfc", tol=8, edges=False)
elementwise("numpy", "log sqrt log2 log10 log1p", POSITIVE, dtypes="biuhfc", tol=2, edges=False)
elementwise("numpy", "log sqrt log2 log10 log1p", POSITIVE, dtypes="hf", tol=2)
elementwise("numpy", "cbrt", POSITIVE, dtypes="biuhf", tol=2)
elementwise("numpy", "arcsin asin arccos acos arctanh atanh", UNIT, dtypes="hfc", tol=4, edges=False)
elementwise("numpy", "arcsin asin arccos acos arctanh atanh", UNIT, dtypes="hf", tol=2)
elementwise("numpy", "arccosh acosh", ABOVE, dtypes="hfc", tol=4, edges=False)
elementwise("numpy", "arccosh acosh", ABOVE, dtypes="hf", tol=2)
elementwise("numpy", "sinc", X, dtypes="hfc", tol=8, edges=False, floor=0.1)
elementwise("numpy", "sinc", X, dtypes="iu", tol=8, edges=False, floor=0.1)
elementwise("numpy", "i0", X, dtypes="hf", tol=4, edges=False)
elementwise("numpy", "absolute abs", X, dtypes="biuhf")
elementwise("numpy", "absolute abs", X, dtypes="c", tol=2)
elementwise("numpy", "fabs", X, dtypes="biuhf")
elementwise("numpy", "negative", X, dtypes="iuhfc")
elementwise("numpy", "positive conj conjugate real imag", X, dtypes="iuhfc")
elementwise("numpy", "square reciprocal", AWAY, dtypes="hfc", tol=2)
elementwise("numpy", "square", X, dtypes="iu")
elementwise("numpy", "sign", X, dtypes="iuhf")
elementwise("numpy", "sign", X, dtypes="c", tol=2, order=0)
elementwise("numpy", "floor ceil trunc rint", X, dtypes="hf")
elementwise("numpy", "floor ceil trunc", X, dtypes="iu")
elementwise("numpy", "around round", X, dtypes="iuhf")
elementwise("numpy", "deg2rad rad2deg degrees radians", X, dtypes="hf", tol=2)
elementwise("numpy", "deg2rad rad2deg degrees radians", X, dtypes="iu", edges=False)
elementwise("numpy", "isfinite isinf isnan", X, dtypes="iuhfc")
elementwise("numpy", "isneginf isposinf signbit", X, dtypes="hf")
elementwise("numpy", "iscomplex isreal", X, dtypes="iuhfc")
elementwise("numpy", "logical_not", X, dtypes="biuhfc")
elementwise("numpy", "invert bitwise_not bitwise_invert", X, dtypes="biu")
elementwise("numpy", "bitwise_count", X, dtypes="iu")
elementwise("numpy", "nan_to_num", X, dtypes="biufc", edges=False)
row("numpy", "nan_to_num", X, dtypes="f", kw={"nan": 1.0, "posinf": 2.0, "neginf": -3.0}, order=0)
elementwise("numpy", "angle", X, dtypes="fc", tol=2)
elementwise("numpy", "frexp", POSITIVE, dtypes="hf", edges=False)
elementwise("numpy", "modf", X, dtypes="hf")
row("numpy", "angle", X, dtypes="c", kw={"deg": True})
row("numpy", "round", X, 1, dtypes="f", tol=2, order=1)
row("numpy", "ldexp", X, Operand((2, 3), -3, 3, np.int32), dtypes="f")

# ---- Of two

elementwise("numpy", "add multiply", X, Y, dtypes="biuhf")
elementwise("numpy", "add subtract", X, Y, dtypes="c")
elementwise("numpy", "subtract", X, Y, dtypes="iuhf")
elementwise("numpy", "multiply", X, Y, dtypes="c", tol=4)
elementwise("numpy", "divide true_divide", X, AWAY, dtypes="iuhf")
elementwise("numpy", "divide true_divide", X, AWAY, dtypes="c", tol=4)
elementwise("numpy", "maximum minimum", X, Y, dtypes="biuhf")
elementwise("numpy", "fmax fmin", X, Y, dtypes="biuhf")
elementwise("numpy", "arctan2 hypot logaddexp", X, Y, dtypes="hf", tol=2)
elementwise("numpy", "atan2", X, Y, dtypes="hf", tol=2, oracle=np.arctan2)
elementwise("numpy", "logaddexp2", X, Y, dtypes="hf", tol=4)
elementwise("numpy", "logaddexp", X, Y, dtypes="c", tol=4, order=2, oracle=lambda a, b: np.log(np.exp(a) + np.exp(b)))
elementwise("numpy", "copysign", X, Y, dtypes="hf")
elementwise("numpy", "nextafter", X, Y, dtypes="f", order=0, native=True, tol=0)
elementwise("numpy", "heaviside", X, Y, dtypes="hf")
elementwise("numpy", "fmod remainder mod floor_divide", X, AWAY, dtypes="hf", edges=False, tol=4)
elementwise("numpy", "fmod remainder mod floor_divide", X, AWAY, dtypes="iu", edges=False)
elementwise("numpy", "divmod", X, AWAY, dtypes="iuhf", edges=False, tol=4)
elementwise("numpy", "power pow", POSITIVE, Y, dtypes="hf", tol=4)
elementwise("numpy", "power pow", POSITIVE, Y, dtypes="c", tol=16)
elementwise("numpy", "power pow", SMALL, SMALL, dtypes="iu", edges=False)
elementwise("numpy", "float_power", POSITIVE, Y, dtypes="f", tol=4, edges=False)
elementwise("numpy", "equal not_equal", X, Y, dtypes="biuhfc")
elementwise("numpy", "less less_equal greater greater_equal", X, Y, dtypes="biuhf")
elementwise("numpy", "logical_and logical_or logical_xor", X, Y, dtypes="biuhfc")
elementwise("numpy", "bitwise_and bitwise_or bitwise_xor", X, Y, dtypes="biu")
elementwise(
    "numpy", "left_shift bitwise_left_shift right_shift bitwise_right_shift", X, SMALL, dtypes="iu", edges=False
)
elementwise("numpy", "gcd lcm", X, Y, dtypes="iu", edges=False)
elementwise("numpy", "isclose", X, Y, dtypes="iuhf", edges=False)
row("numpy", "isclose", X, X, dtypes="fc", kw={"equal_nan": True})
elementwise("numpy", "clip", X, Operand((2, 3), -2, -0.5), Operand((2, 3), 0.5, 2), dtypes="iuhf", edges=False)
elementwise("numpy", "where", Operand((2, 3), dtype=np.bool_), X, Y, dtypes="biuhfc", edges=False)

# ---- Sums, as functions of reals beside these

row("numpy", "sinc", Operand((3,), 0.0, 0.0), dtypes="f", order=2)
row("numpy", "i0", Operand((9,), -30, 30), oracle=scipy.special.i0, tol=4, floor=1e-12)
