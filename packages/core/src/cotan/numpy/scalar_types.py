"""Element types as users name them: equal to NumPy's scalar types, and called to make arrays, of traced values too."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from cotan.numpy import creation
from cotan.tracebacks import boundary


class ScalarType(type):
    """The class of ``cotan.numpy.float32`` and its like.

    >>> import cotan.numpy as cnp
    >>> cnp.float32(1), cnp.int8([1, 2])
    (Array(1., dtype=float32), Array([1, 2], dtype=int8))
    """

    dtype: np.dtype[Any]

    def __hash__(cls) -> int:
        return hash(cls.dtype.type)

    def __eq__(cls, other: object) -> bool:
        return cls is other or bool(cls.dtype.type == other)

    @boundary
    def __call__(cls, x: Any) -> Any:
        """An array of this type; Python numbers, sequences of them, and arrays, whose values are converted."""
        return creation.asarray(x, dtype=cls.dtype)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.dtype.type)

    def __repr__(cls) -> str:
        return f"<class '{cls.__module__}.{cls.__name__}'>"


def _made(scalar: Any) -> Any:
    dtype = np.dtype(scalar)
    return ScalarType(dtype.name, (), {"dtype": dtype, "__module__": "cotan.numpy", "__doc__": f"Elements of {dtype}."})


int8, int16, int32, int64 = map(_made, (np.int8, np.int16, np.int32, np.int64))
uint8, uint16, uint32, uint64 = map(_made, (np.uint8, np.uint16, np.uint32, np.uint64))
float16, float32, float64 = map(_made, (np.float16, np.float32, np.float64))
complex64, complex128 = map(_made, (np.complex64, np.complex128))
bool_ = _made(np.bool_)
bfloat16, int2, int4, uint2, uint4 = map(
    _made, (ml_dtypes.bfloat16, ml_dtypes.int2, ml_dtypes.int4, ml_dtypes.uint2, ml_dtypes.uint4)
)
float8_e3m4, float8_e4m3, float8_e5m2 = map(
    _made, (ml_dtypes.float8_e3m4, ml_dtypes.float8_e4m3, ml_dtypes.float8_e5m2)
)
float8_e4m3fn, float8_e4m3fnuz, float8_e5m2fnuz, float8_e4m3b11fnuz, float8_e8m0fnu = map(
    _made,
    (
        ml_dtypes.float8_e4m3fn,
        ml_dtypes.float8_e4m3fnuz,
        ml_dtypes.float8_e5m2fnuz,
        ml_dtypes.float8_e4m3b11fnuz,
        ml_dtypes.float8_e8m0fnu,
    ),
)
float4_e2m1fn, float6_e2m3fn, float6_e3m2fn = map(
    _made, (ml_dtypes.float4_e2m1fn, ml_dtypes.float6_e2m3fn, ml_dtypes.float6_e3m2fn)
)
