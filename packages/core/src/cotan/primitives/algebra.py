"""One formula, three readings: over NumPy arrays, over bound primitives, over the scalar expressions of kernels.

A composite whose reference, kernel and decomposition must agree bit for bit is written once, as a function of an
``Algebra``. The operations have the names of the primitives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan.ir import scalar
from cotan.primitives import arithmetic, compare, transcendental
from cotan.primitives.cast import bitcast_convert_type
from cotan.primitives.operands import dtype_of


class Algebra:
    """The operations of formulas; ``const(value, like)`` is a constant of the dtype of ``like``."""

    def __init__(self, **operations: Any) -> None:
        self.__dict__.update(operations)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"formulas have no operation `{name}`")

    def polynomial(self, x: Any, coefficients: Any) -> Any:
        """Horner's rule; the coefficient of the highest power comes first."""
        value = self.const(coefficients[0], x)
        for coefficient in coefficients[1:]:
            value = self.add(self.mul(value, x), self.const(coefficient, x))
        return value


ARRAYS = Algebra(
    add=np.add, sub=np.subtract, mul=np.multiply, div=np.divide, neg=np.negative, abs=np.abs, sqrt=np.sqrt, exp=np.exp,
    log=np.log, log1p=np.log1p, sin=np.sin, cos=np.cos, floor=np.floor, lt=np.less, le=np.less_equal, gt=np.greater,
    ge=np.greater_equal, eq=np.equal, bit_and=np.bitwise_and, bit_or=np.bitwise_or, bit_xor=np.bitwise_xor,
    bit_not=np.invert, shl=np.left_shift, shr=np.right_shift, select=np.where,
    const=lambda value, x: x.dtype.type(value), bitcast=lambda x, dtype: x.view(dtype),
)  # fmt: skip
ELEMENTS = Algebra(
    add=scalar.add, sub=scalar.sub, mul=scalar.mul, div=scalar.div, neg=scalar.neg, abs=scalar.abs_, sqrt=scalar.sqrt,
    exp=scalar.exp, log=scalar.log, log1p=scalar.log1p, sin=scalar.sin, cos=scalar.cos, floor=scalar.floor,
    lt=scalar.lt, le=scalar.le, gt=scalar.gt, ge=scalar.ge, eq=scalar.eq, bit_and=scalar.and_, bit_or=scalar.or_,
    bit_xor=scalar.xor, bit_not=scalar.not_, shl=scalar.shl, shr=scalar.shr_logical, select=scalar.select,
    const=lambda value, x: scalar.const(value, x.dtype), bitcast=scalar.bitcast,
)  # fmt: skip
PRIMITIVES = Algebra(
    add=arithmetic.add, sub=arithmetic.sub, mul=arithmetic.mul, div=arithmetic.div, neg=arithmetic.neg,
    abs=arithmetic.abs, sqrt=arithmetic.sqrt, exp=transcendental.exp, log=transcendental.log,
    log1p=transcendental.log1p, sin=transcendental.sin, cos=transcendental.cos, floor=arithmetic.floor, lt=compare.lt,
    le=compare.le, gt=compare.gt, ge=compare.ge, eq=compare.eq, bit_and=compare.bitwise_and, bit_or=compare.bitwise_or,
    bit_xor=compare.bitwise_xor, bit_not=compare.bitwise_not, shl=compare.shift_left, shr=compare.shift_right_logical,
    select=compare.select, const=lambda value, x: np.asarray(value, dtype_of(x))[()],
    bitcast=bitcast_convert_type,
)  # fmt: skip
