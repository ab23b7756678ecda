"""The Python array API standard, 2024.12, as tables: names, parameters, dtypes. Written from its text; runs nothing."""

from __future__ import annotations

import inspect
from typing import Any

VERSION = "2024.12"

SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGER = SIGNED + UNSIGNED
REAL_FLOATING = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
FLOATING = REAL_FLOATING + COMPLEX
REAL = INTEGER + REAL_FLOATING
NUMERIC = INTEGER + FLOATING
ALL = ("bool", *NUMERIC)

KINDS = {
    "bool": ("bool",),
    "signed integer": SIGNED,
    "unsigned integer": UNSIGNED,
    "integral": INTEGER,
    "real floating": REAL_FLOATING,
    "complex floating": COMPLEX,
    "numeric": NUMERIC,
}

CONSTANTS = ("e", "inf", "nan", "newaxis", "pi")

# What two dtypes promote to, in the order of the names above each table. Other pairs are mixtures of kinds, which the
# standard leaves open.
PROMOTION = {
    SIGNED: """
        int8  int16 int32 int64
        int16 int16 int32 int64
        int32 int32 int32 int64
        int64 int64 int64 int64""",
    UNSIGNED: """
        uint8  uint16 uint32 uint64
        uint16 uint16 uint32 uint64
        uint32 uint32 uint32 uint64
        uint64 uint64 uint64 uint64""",
    ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"): """
        int8  int16 int32 int64 int16  int32  int64
        int16 int16 int32 int64 int16  int32  int64
        int32 int32 int32 int64 int32  int32  int64
        int64 int64 int64 int64 int64  int64  int64
        int16 int16 int32 int64 uint8  uint16 uint32
        int32 int32 int32 int64 uint16 uint16 uint32
        int64 int64 int64 int64 uint32 uint32 uint32""",
    FLOATING: """
        float32    float64    complex64  complex128
        float64    float64    complex128 complex128
        complex64  complex128 complex64  complex128
        complex128 complex128 complex128 complex128""",
    ("bool",): "bool",
}


def promotions() -> dict[tuple[str, str], str]:
    """For each pair of dtypes of the tables, the dtype of both."""
    found = {}
    for names, table in PROMOTION.items():
        rows = [line.split() for line in table.strip().splitlines()]
        for a, row in zip(names, rows, strict=True):
            for b, result in zip(names, row, strict=True):
                found[a, b] = result
    return found


# ---- Functions, with the parameters that the standard gives them

MAIN = """
# creation
arange(start, /, stop=None, step=1, *, dtype=None, device=None)
asarray(obj, /, *, dtype=None, device=None, copy=None)
empty(shape, *, dtype=None, device=None)
empty_like(x, /, *, dtype=None, device=None)
eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None)
from_dlpack(x, /, *, device=None, copy=None)
full(shape, fill_value, *, dtype=None, device=None)
full_like(x, /, fill_value, *, dtype=None, device=None)
linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True)
meshgrid(*arrays, indexing='xy')
ones(shape, *, dtype=None, device=None)
ones_like(x, /, *, dtype=None, device=None)
tril(x, /, *, k=0)
triu(x, /, *, k=0)
zeros(shape, *, dtype=None, device=None)
zeros_like(x, /, *, dtype=None, device=None)
# dtypes
astype(x, dtype, /, *, copy=True, device=None)
can_cast(from_, to, /)
finfo(type, /)
iinfo(type, /)
isdtype(dtype, kind)
result_type(*arrays_and_dtypes)
# indexing
take(x, indices, /, *, axis=None)
take_along_axis(x, indices, /, *, axis=-1)
# inspection
__array_namespace_info__()
# linear algebra
matmul(x1, x2, /)
matrix_transpose(x, /)
tensordot(x1, x2, /, *, axes=2)
vecdot(x1, x2, /, *, axis=-1)
# manipulation
broadcast_arrays(*arrays)
broadcast_to(x, /, shape)
concat(arrays, /, *, axis=0)
expand_dims(x, /, *, axis=0)
flip(x, /, *, axis=None)
moveaxis(x, source, destination, /)
permute_dims(x, /, axes)
repeat(x, repeats, /, *, axis=None)
reshape(x, /, shape, *, copy=None)
roll(x, /, shift, *, axis=None)
squeeze(x, /, axis)
stack(arrays, /, *, axis=0)
tile(x, repetitions, /)
unstack(x, /, *, axis=0)
# searching
argmax(x, /, *, axis=None, keepdims=False)
argmin(x, /, *, axis=None, keepdims=False)
count_nonzero(x, /, *, axis=None, keepdims=False)
nonzero(x, /)
searchsorted(x1, x2, /, *, side='left', sorter=None)
where(condition, x1, x2, /)
# sets
unique_all(x, /)
unique_counts(x, /)
unique_inverse(x, /)
unique_values(x, /)
# sorting
argsort(x, /, *, axis=-1, descending=False, stable=True)
sort(x, /, *, axis=-1, descending=False, stable=True)
# statistics
cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False)
cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False)
max(x, /, *, axis=None, keepdims=False)
mean(x, /, *, axis=None, keepdims=False)
min(x, /, *, axis=None, keepdims=False)
prod(x, /, *, axis=None, dtype=None, keepdims=False)
std(x, /, *, axis=None, correction=0.0, keepdims=False)
sum(x, /, *, axis=None, dtype=None, keepdims=False)
var(x, /, *, axis=None, correction=0.0, keepdims=False)
# utility
all(x, /, *, axis=None, keepdims=False)
any(x, /, *, axis=None, keepdims=False)
diff(x, /, *, axis=-1, n=1, prepend=None, append=None)
"""

LINALG = """
cholesky(x, /, *, upper=False)
cross(x1, x2, /, *, axis=-1)
det(x, /)
diagonal(x, /, *, offset=0)
eigh(x, /)
eigvalsh(x, /)
inv(x, /)
matmul(x1, x2, /)
matrix_norm(x, /, *, keepdims=False, ord='fro')
matrix_power(x, n, /)
matrix_rank(x, /, *, rtol=None)
matrix_transpose(x, /)
outer(x1, x2, /)
pinv(x, /, *, rtol=None)
qr(x, /, *, mode='reduced')
slogdet(x, /)
solve(x1, x2, /)
svd(x, /, *, full_matrices=True)
svdvals(x, /)
tensordot(x1, x2, /, *, axes=2)
trace(x, /, *, offset=0, dtype=None)
vecdot(x1, x2, /, *, axis=-1)
vector_norm(x, /, *, axis=None, keepdims=False, ord=2)
"""

FFT = """
fft(x, /, *, n=None, axis=-1, norm='backward')
ifft(x, /, *, n=None, axis=-1, norm='backward')
fftn(x, /, *, s=None, axes=None, norm='backward')
ifftn(x, /, *, s=None, axes=None, norm='backward')
rfft(x, /, *, n=None, axis=-1, norm='backward')
irfft(x, /, *, n=None, axis=-1, norm='backward')
rfftn(x, /, *, s=None, axes=None, norm='backward')
irfftn(x, /, *, s=None, axes=None, norm='backward')
hfft(x, /, *, n=None, axis=-1, norm='backward')
ihfft(x, /, *, n=None, axis=-1, norm='backward')
fftfreq(n, /, *, d=1.0, dtype=None, device=None)
rfftfreq(n, /, *, d=1.0, dtype=None, device=None)
fftshift(x, /, *, axes=None)
ifftshift(x, /, *, axes=None)
"""

# Elementwise functions: what dtypes they take, and what dtype they give: "same" (as promoted), "bool", or "real" (that
# of the parts of complex numbers).
UNARY = {
    "abs": (NUMERIC, "real"),
    **dict.fromkeys(("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh"), (FLOATING, "same")),
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "log2", "log10"), (FLOATING, "same")),
    **dict.fromkeys(("sin", "sinh", "sqrt", "tan", "tanh", "reciprocal"), (FLOATING, "same")),
    "bitwise_invert": (("bool", *INTEGER), "same"),
    **dict.fromkeys(("ceil", "floor", "trunc"), (REAL, "same")),
    **dict.fromkeys(("conj", "negative", "positive", "round", "sign", "square"), (NUMERIC, "same")),
    **dict.fromkeys(("imag", "real"), (COMPLEX, "real")),
    **dict.fromkeys(("isfinite", "isinf", "isnan"), (NUMERIC, "bool")),
    "logical_not": (("bool",), "bool"),
    "signbit": (REAL_FLOATING, "bool"),
}
BINARY = {
    **dict.fromkeys(("add", "multiply", "pow", "subtract"), (NUMERIC, "same")),
    **dict.fromkeys(("atan2", "copysign", "hypot", "logaddexp", "nextafter"), (REAL_FLOATING, "same")),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), (("bool", *INTEGER), "same")),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), (INTEGER, "same")),
    "divide": (FLOATING, "same"),
    **dict.fromkeys(("equal", "not_equal"), (ALL, "bool")),
    **dict.fromkeys(("floor_divide", "maximum", "minimum", "remainder"), (REAL, "same")),
    **dict.fromkeys(("greater", "greater_equal", "less", "less_equal"), (REAL, "bool")),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), (("bool",), "bool")),
}
CLIP = "clip(x, /, min=None, max=None)"

OPERATORS = {
    "__abs__": "abs", "__add__": "add", "__and__": "bitwise_and", "__eq__": "equal", "__floordiv__": "floor_divide",
    "__ge__": "greater_equal", "__gt__": "greater", "__invert__": "bitwise_invert", "__le__": "less_equal",
    "__lshift__": "bitwise_left_shift", "__lt__": "less", "__mod__": "remainder", "__mul__": "multiply",
    "__ne__": "not_equal", "__neg__": "negative", "__or__": "bitwise_or", "__pos__": "positive", "__pow__": "pow",
    "__rshift__": "bitwise_right_shift", "__sub__": "subtract", "__truediv__": "divide", "__xor__": "bitwise_xor",
}  # fmt: skip

METHODS = """
__array_namespace__(self, /, *, api_version=None)
__bool__(self, /)
__complex__(self, /)
__dlpack__(self, /, *, stream=None, max_version=None, dl_device=None, copy=None)
__dlpack_device__(self, /)
__float__(self, /)
__getitem__(self, key, /)
__index__(self, /)
__int__(self, /)
__matmul__(self, other, /)
__setitem__(self, key, value, /)
to_device(self, device, /, *, stream=None)
"""


def signature(line: str) -> tuple[str, inspect.Signature]:
    """A line of the tables as a name and its parameters."""
    name = line.partition("(")[0]
    made: dict[str, Any] = {}
    exec(f"def {line}: pass", made)
    return name, inspect.signature(made[name])


def signatures(table: str) -> dict[str, inspect.Signature]:
    """All signatures of a table."""
    return dict(signature(line) for line in table.strip().splitlines() if not line.startswith("#"))


def elementwise() -> dict[str, inspect.Signature]:
    """The signatures of the elementwise functions."""
    lines = [f"{name}(x, /)" for name in UNARY] + [f"{name}(x1, x2, /)" for name in BINARY] + [CLIP]
    return dict(map(signature, lines))


def real(dtype: str) -> str:
    """The dtype of the parts of complex numbers."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)
