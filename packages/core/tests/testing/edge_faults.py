"""Wrong backends whose faults show at edges alone: signs of zeros, denormals, long rows, second devices, late reads."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from testing.faults import Fault, Runs, devices, operand, result

from cotan.testing.reference import ReferenceBackend, ReferenceBuffer, ReferenceExecutable


def unsigned_zero(results, arrays, params):
    return [x + x.dtype.type(0) if x.dtype.kind == "f" else x for x in results]


def flush(x):
    x = np.array(x)
    if x.dtype.kind == "f":
        x[np.abs(x) < np.finfo(x.dtype).tiny] *= 0
    return x


def flushed(results, arrays, params):
    return [flush(x) for x in results]


def flushed_operands(arrays, params):
    return [flush(x) for x in arrays], params


def rounded_twice(results, arrays, params):
    [x], source = results, arrays[0]
    twice = source.dtype == np.float64 and x.dtype == np.float16
    return source.astype(np.float32).astype(x.dtype) if twice else x


def signed_on_the_way(results, arrays, params):
    [x], source = results, arrays[0]
    return source.astype(np.int64).astype(x.dtype) if source.dtype == np.uint64 and x.dtype.kind == "f" else x


def low_byte(results, arrays, params):
    [x], source = results, arrays[0]
    return source.astype(np.uint8) != 0 if x.dtype == bool and source.dtype.kind in "iu" else x


def real_part_alone(results, arrays, params):
    return arrays[0].real == arrays[1].real if arrays[0].dtype.kind == "c" else results[0]


def saturating_sum(results, arrays, params):
    [total], x = results, arrays[0]
    if x.dtype.kind not in "iu" or x.ndim != 1 or not x.size:
        return total
    info = np.iinfo(x.dtype)
    return np.asarray(np.clip(int(x.astype(object).sum()), info.min, info.max), x.dtype)


def saturating_product(results, arrays, params):
    [x] = results
    if x.dtype.kind not in "iu" or x.dtype.itemsize != 2:
        return x
    info = np.iinfo(x.dtype)
    return np.clip(arrays[0].astype(np.int64) * arrays[1], info.min, info.max).astype(x.dtype)


def late_tie(results, arrays, params):
    """The last of equals in rows that take more than one block of 256."""
    [x], axis = arrays, params["axes"][0]
    if x.ndim != 1 or x.size <= 256 or np.isnan(x).any():
        return results
    return np.asarray(x.shape[axis] - 1 - np.argmax(x[::-1]), results[0].dtype)


def late_nan(results, arrays, params):
    [x] = arrays
    if x.dtype.kind != "f" or x.ndim != 1 or x.size <= 256:
        return results
    return np.fmax.reduce(x)


def bits_in_order(results, arrays, params):
    """Zeros by their bits: the negative ones first."""
    x = arrays[0]
    if x.dtype.kind != "f" or x.ndim != 1:
        return results
    order = np.lexsort([(x == 0) & ~np.signbit(x), x])
    return [y[order] for y in arrays]


def without_rest(results, arrays, params):
    """What lies beyond 2**16 elements is never written."""
    return [np.where(np.arange(x.size).reshape(x.shape) < 1 << 16, x, x * 0) for x in results]


class Elsewhere(ReferenceBackend):
    """Its second device computes sums of its own kind."""

    def __init__(self, door: str = "eager") -> None:
        super().__init__(door, devices=2)

    def eager(self, primitive, buffers, params, out_avals, device):
        results = super().eager(primitive, buffers, params, out_avals, device)
        if device.id and primitive.name == "cumsum":
            return [ReferenceBuffer(np.flip(x.value())) for x in results]
        return results


class Late(ReferenceExecutable):
    """Reads its arguments when its results are read, and not before."""

    __slots__ = ()

    def run(self, args, donated=()):
        if any(donated):
            return super().run(args, donated)
        found: list[Any] = []
        return [LateBuffer(partial(self._results, args, found), k) for k in range(len(self.closed.jaxpr.outvars))]

    def _results(self, args, found):
        if not found:
            found.append(super().run(args))
        return found[0]


class LateBuffer(ReferenceBuffer):
    """A result that is computed when somebody asks for it."""

    __slots__ = ("number", "results")

    def __init__(self, results, number) -> None:
        self.results, self.number, self.array = results, number, np.zeros(0)

    def value(self):
        if self.array is None:
            return super().value()
        return self.results()[self.number].value()


class Restless(ReferenceBuffer):
    """Is never ready, although nothing remains to be done."""

    __slots__ = ()

    def is_ready(self):
        return False


class Swapped(ReferenceExecutable):
    """Writes each result over the argument that is donated in its place, before all of them have been read."""

    __slots__ = ()

    def run(self, args, donated=()):
        results = super().run(args, (False,) * len(args))
        places = [x.value() for x, given in zip(args, donated, strict=False) if given]
        if len(places) == 2 and len(results) == 2:
            places[0][...] = results[0].value()
            results[1] = ReferenceBuffer(places[0] * 2)
        for x, given in zip(args, donated, strict=False):
            if given:
                x.delete()
        return results


class Forgetful(ReferenceBackend):
    """Keeps programs by the primitives that they hold and the types of their results."""

    def __init__(self) -> None:
        super().__init__("program")
        self.kept: dict[Any, Any] = {}

    def compile(self, program, options):
        jaxpr = program.jaxpr
        key = (tuple(eqn.primitive for eqn in jaxpr.eqns), tuple(str(v.aval) for v in (*jaxpr.invars, *jaxpr.outvars)))
        return self.kept.setdefault(key, super().compile(program, options))


def restless() -> ReferenceBackend:
    return devices(lambda sound, value: Restless(sound(value).value()))


EDGES = [
    *(result(f"the sign of zero is lost: {name}", name, f"edges/zeros/{case}*", unsigned_zero) for name, case in (
        ("sin", "sin"), ("cbrt", "cbrt"), ("round", "rounded"), ("rem", "remainder"), ("div", "quotient"),
        ("convert_element_type", "narrowed"), ("sort", "sorted"), ("concatenate", "joined"), ("gather", "read"),
        ("select_n", "chosen"), ("pad", "padded"), ("reduce_max", "largest"),
    )),
    *(result(f"denormals are flushed: {name}", name, f"edges/denormals/{case}*", flushed) for name, case in (
        ("mul", "product"), ("add", "sum"), ("div", "quotient"), ("neg", "negated"),
        ("convert_element_type", "narrowed"), ("sort", "sorted"),
    )),
    operand("denormals equal zero", "eq lt gt", "edges/denormals/compared*", flushed_operands),
    result("half precision is rounded twice", "convert_element_type", "edges/rounded once/float64*", rounded_twice),
    result("large unsigned numbers are signed on the way", "convert_element_type", "edges/rounded once/uint64*",
           signed_on_the_way),
    result("truth is the lowest byte", "convert_element_type", "edges/rounded once/high bytes*", low_byte),
    result("complex numbers are equal if their real parts are", "eq", "edges/rounded once/imaginary parts*",
           real_part_alone),
    result("sums of integers saturate", "reduce_sum", "edges/overflow/int16*", saturating_sum),
    result("products of 16 bits saturate", "mul", "edges/overflow/uint16*", saturating_product),
    result("argmax takes the last of equals in long rows", "argmax", "edges/long/argmax takes*", late_tie),
    result("long rows lose NaN", "reduce_max", "edges/long/maximum*", late_nan),
    result("equal zeros change places", "sort", "edges/zeros/keys*", bits_in_order),
    *(result(f"more than 65536 elements: {name}", name, f"edges/large/{case}*", without_rest) for name, case in (
        ("mul", "elementwise"), ("gather", "read"), ("scatter_add", "written"), ("cumsum", "running"),
        ("transpose", "transposed"), ("threefry2x32", "random"), ("iota", "numbered"),
    )),
    Fault("the second device computes something else", "devices/placement/each*", Elsewhere),
    Fault("buffers are never ready", "transfer/float32/buffer", restless),
    Fault("arguments are read when results are", "lifetime/deletion/while*", partial(Runs, Late), "program"),
    Fault("two donated arguments are overwritten too early", "lifetime/donation/two*", partial(Runs, Swapped),
          "program"),
    Fault("programs are known by their operations alone", "claims/executables/are apart", Forgetful, "program"),
]  # fmt: skip
