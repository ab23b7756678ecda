"""A complete small backend: door 3, NumPy, and nothing but the documented basis of primitives.

Everything else reaches it decomposed. It calls no ``reference`` rule, so that a wrong decomposition cannot hide.
"""

from __future__ import annotations

import numpy as np

from cotan.backend import (
    API_VERSION,
    Backend,
    BackendEntry,
    Buffer,
    Capabilities,
    Device,
    Executable,
    LoweringTable,
    Probe,
    hookimpl,
)
from cotan.errors import UnsupportedError
from cotan.ir.jaxpr import Literal
from cotan.ir.primitive import Primitive


def divide(x, y):
    if x.dtype.kind not in "iu":
        return np.divide(x, y)
    safe = np.where(y == 0, 1, y)
    quotient = x // safe
    towards_zero = quotient + ((quotient * safe != x) & ((x < 0) != (y < 0)))
    return np.where(y == 0, -1, towards_zero).astype(x.dtype)


def remainder(x, y):
    return np.where(y == 0, x, np.fmod(x, np.where(y == 0, 1, y))) if x.dtype.kind in "iu" else np.fmod(x, y)


def shift(operation):
    def shifted(x, by):
        bits = 8 * x.dtype.itemsize
        unsigned = np.dtype(f"u{x.dtype.itemsize}")
        wide, amount = by.view(unsigned) >= bits, np.minimum(by.view(unsigned), bits - 1)
        if operation == "arithmetic":
            return x >> amount.astype(x.dtype)
        moved = np.left_shift if operation == "left" else np.right_shift
        return np.where(wide, 0, moved(x.view(unsigned), amount)).astype(unsigned).view(x.dtype)

    return shifted


def convert(x, new_dtype, weak_type):
    if x.dtype.kind in "fc" and new_dtype.kind in "iu":
        limits = np.iinfo(new_dtype)
        low, high = float(limits.min), float(limits.max)
        inside = np.where((x > low) & (x < high), np.real(x), 0).astype(new_dtype)
        return np.where(x >= high, limits.max, np.where(x <= low, limits.min, inside)).astype(new_dtype)
    return (np.real(x) if x.dtype.kind == "c" and new_dtype.kind == "f" else x).astype(new_dtype)


def bitcast(x, new_dtype):
    x = np.array(x)
    if x.dtype.itemsize > new_dtype.itemsize:
        return x[..., None].view(new_dtype)
    return x.view(new_dtype).reshape(x.shape if x.dtype.itemsize == new_dtype.itemsize else x.shape[:-1])


def broadcast(x, shape, broadcast_dimensions):
    inner = [1] * len(shape)
    for extent, dim in zip(x.shape, broadcast_dimensions, strict=True):
        inner[dim] = extent
    return np.broadcast_to(x.reshape(inner), shape)


def iota(dtype, shape, dimension):
    return broadcast(np.arange(shape[dimension]).astype(dtype), shape, (dimension,))


def cut(x, start_indices, limit_indices, strides):
    steps = strides or (1,) * x.ndim
    return x[tuple(slice(*triple) for triple in zip(start_indices, limit_indices, steps, strict=True))]


def nearest(x, rounding_method):
    return np.rint(x) if "EVEN" in str(rounding_method) else np.copysign(np.floor(np.abs(x) + 0.5), x)


BASIS = {
    "neg": np.negative, "sign": np.sign, "abs": np.abs, "floor": np.floor, "ceil": np.ceil, "round": nearest,
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": divide, "rem": remainder,
    "max": np.maximum, "min": np.minimum, "pow": np.power, "nextafter": np.nextafter, "is_finite": np.isfinite,
    "sqrt": np.sqrt, "cbrt": np.cbrt, "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log,
    "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
    "atan": np.arctan, "atan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "complex": lambda re, im: re + 1j * im, "real": np.real, "imag": np.imag,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert, "shift_left": shift("left"),
    "shift_right_logical": shift("right"), "shift_right_arithmetic": shift("arithmetic"),
    "select_n": lambda which, *cases: np.choose(which.astype(np.intp), cases, mode="clip"),
    "convert_element_type": convert, "bitcast_convert_type": bitcast, "iota": iota, "broadcast_in_dim": broadcast,
    "reshape": lambda x, new_sizes, dimensions: x.reshape(new_sizes),
    "transpose": lambda x, permutation: x.transpose(permutation), "slice": cut,
    "concatenate": lambda *xs, dimension: np.concatenate(xs, dimension),
    "random_wrap": lambda x, impl: x, "random_unwrap": lambda x: x,
}  # fmt: skip


class ToyBuffer(Buffer):
    def __init__(self, value):
        self.value = value

    nbytes = property(lambda self: self.value.nbytes)

    def to_host(self):
        return self.value

    def copy_to(self, device):
        return device.put(self.value)

    def delete(self):
        self.value = None

    def is_deleted(self):
        return self.value is None


class ToyDevice(Device):
    id, platform, device_kind = 0, "toy", "a list of arrays"

    def __init__(self, backend):
        self.backend = backend

    def put(self, value, *, copy=True):
        return ToyBuffer(np.array(value, order="C"))

    def synchronize(self):
        pass


class ToyExecutable(Executable):
    def __init__(self, closed, table):
        self.closed, self.table = closed, table

    def run(self, args, donated=()):
        jaxpr = self.closed.jaxpr
        values = {**dict(zip(jaxpr.constvars, map(np.asarray, self.closed.consts), strict=True))}
        values.update(zip(jaxpr.invars, (x.value for x in args), strict=True))

        def read(atom):
            return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else values[atom]

        with np.errstate(all="ignore"):
            for eqn in jaxpr.eqns:
                if eqn.primitive not in self.table.native:
                    raise UnsupportedError("toy", f"`{eqn.primitive}`")
                result = self.table.native[eqn.primitive](*map(read, eqn.invars), **eqn.params)
                values[eqn.outvars[0]] = np.asarray(result)
        return [ToyBuffer(read(v)) for v in jaxpr.outvars]


class ToyBackend(Backend):
    name = "toy"
    capabilities = Capabilities(program=True)

    def __init__(self):
        self.table = LoweringTable("toy")
        self.table.native.update((Primitive.catalogue[name], rule) for name, rule in BASIS.items())
        self._devices = [ToyDevice(self)]

    def devices(self):
        return self._devices

    def lowerings(self):
        return self.table

    def compile(self, program, options):
        return ToyExecutable(program, self.table)


@hookimpl
def cotan_backends():
    return [BackendEntry("toy", API_VERSION, ToyBackend, lambda: Probe(True))]
