"""Wrong backends: each is the reference backend with one fault, and the cases of the kit that must notice it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cotan.errors import UnsupportedError
from cotan.testing.reference import ReferenceBackend, ReferenceBuffer, ReferenceDevice, ReferenceExecutable

Change = Callable[..., Any]


@dataclass(frozen=True)
class Fault:
    """A wrong backend.

    Attributes:
      name: what is wrong with it.
      cases: those that must notice, as ``run(only=...)`` takes them.
      make: the backend.
      door: that of the sound backend, on which the same cases pass.
    """

    name: str
    cases: str
    make: Callable[[], ReferenceBackend]
    door: str = "eager"


# ---- Faults of single primitives: what comes out is changed


class Changed(ReferenceBackend):
    """Results of some primitives are what ``change(results, operands, params)`` makes of them."""

    def __init__(self, names: Sequence[str], change: Change, door: str = "eager") -> None:
        super().__init__(door)
        self.names, self.change = names, change

    def apply(self, primitive, arrays, params):
        results = super().apply(primitive, arrays, params)
        if primitive.name not in self.names:
            return results
        with np.errstate(all="ignore"):
            changed = self.change(results, arrays, params)
        changed = changed if isinstance(changed, list) else [changed]
        return [np.asarray(x) for x in changed]


class Operands(ReferenceBackend):
    """Some primitives get ``change(operands, params)``: operands and parameters that are not theirs."""

    def __init__(self, names: Sequence[str], change: Change, door: str = "eager") -> None:
        super().__init__(door)
        self.names, self.change = names, change

    def apply(self, primitive, arrays, params):
        if primitive.name in self.names:
            arrays, params = self.change(list(arrays), dict(params))
        return super().apply(primitive, arrays, params)


def result(name: str, primitives: str, cases: str, change: Change, door: str = "eager") -> Fault:
    """A fault of the results of ``primitives``."""
    return Fault(name, cases, partial(Changed, primitives.split(), change, door), door)


def operand(name: str, primitives: str, cases: str, change: Change, door: str = "eager") -> Fault:
    """A fault in how ``primitives`` read their operands."""
    return Fault(name, cases, partial(Operands, primitives.split(), change, door), door)


def no_nan(results, arrays, params):
    return np.nan_to_num(results[0])


def signed(x):
    return x.view(f"i{x.itemsize}") if x.dtype.kind == "u" else x


def truncated(results, arrays, params):
    [x] = results
    if x.dtype != np.float16:
        return x
    wide = np.asarray(arrays[0], np.float32)
    towards_zero = np.where(np.abs(x.astype(np.float32)) > np.abs(wide), np.nextafter(x, np.float16(0)), x)
    return towards_zero.astype(x.dtype)


def unsaturated(results, arrays, params):
    [x], source = results, arrays[0]
    if source.dtype.kind != "f" or x.dtype.kind not in "iu":
        return x
    return np.trunc(np.nan_to_num(source, nan=0, posinf=2**62, neginf=-(2**62))).astype(np.int64).astype(x.dtype)


def nan_as_least(results, arrays, params):
    [x], source = results, arrays[0]
    if source.dtype.kind != "f" or x.dtype.kind != "i":
        return x
    return np.where(np.isnan(source), np.iinfo(x.dtype).min, x).astype(x.dtype)


def without_tail(results, arrays, params):
    """A reduction over more than 32 elements that forgets what does not fill a block of 32."""
    [total], x = results, arrays[0]
    axes = params["axes"]
    if len(axes) != 1 or x.shape[axes[0]] <= 32:
        return total
    kept = x.shape[axes[0]] // 32 * 32
    return np.take(x, range(kept), axes[0]).sum(axes[0], dtype=x.dtype)


def unstable(results, arrays, params):
    """Equal keys in the opposite order."""
    if len(arrays) < 2 or arrays[0].ndim != 1 or params.get("num_keys") != 1:
        return results
    order = np.argsort(arrays[0][::-1], kind="stable")
    return [x[::-1][order] for x in arrays]


def last_tie(results, arrays, params):
    axis, x = params["axes"][0], arrays[0]
    if x.ndim != 1 or np.isnan(x.astype(np.float64)).any():
        return results
    return np.asarray(x.shape[axis] - 1 - np.argmax(x[::-1]), results[0].dtype)


def clamped_drop(arrays, params):
    """Updates that lie outside are clamped, not dropped."""
    return arrays, {**params, "mode": type(params["mode"]).CLIP}


def words_swapped(arrays, params):
    return [arrays[1], arrays[0], *arrays[2:]], params


def counter_from_one(arrays, params):
    return [*arrays[:3], arrays[3] + np.uint32(1)], params


def nearest_even_lost(results, arrays, params):
    x = arrays[0]
    return (np.sign(x) * np.floor(np.abs(x) + x.dtype.type(0.5))).astype(x.dtype)


def other_branch(arrays, params):
    branches = params["branches"]
    return arrays, {**params, "branches": (branches[-1], *branches[1:-1], branches[0])}


def one_step_less(results, arrays, params):
    """The last slice of a scan's results is missing: what the loop before the last step gave."""
    stacked = [x for x in results if x.ndim and x.shape[0] == params["length"] and params["length"] > 1]
    if not stacked:
        return results
    return [np.concatenate([x[:-1], x[-2:-1]]) if any(x is y for y in stacked) else x for x in results]


def carries_swapped(results, arrays, params):
    found = list(results)
    for k in range(len(found) - 1):
        a, b = found[k], found[k + 1]
        if a.shape == b.shape and a.dtype == b.dtype:
            found[k], found[k + 1] = b, a
            break
    return found


RESULTS = [
    result("iota begins at one", "iota", "literals/indices/iota*", lambda r, a, p: r[0] + r[0].dtype.type(1)),
    result("a slice is one off", "slice", "literals/indices/slice*", lambda r, a, p: np.roll(r[0], 1)),
    result("a sum has another dtype", "reduce_sum", "types/summed/float16*", lambda r, a, p: r[0].astype(np.float32)),
    result("maximum loses NaN", "max", "literals/floats/maximum keeps NaN*", lambda r, a, p: np.fmax(*a)),
    result("minimum loses NaN in reductions", "reduce_min", "literals/floats/minimum of all*",
           lambda r, a, p: np.fmin.reduce(a[0], p["axes"][0])),
    result("negation loses the sign of zero", "neg", "literals/floats/negative zero*",
           lambda r, a, p: a[0].dtype.type(0) - a[0]),
    result("a reduction leaves its last block out", "reduce_sum", "kernels/reductions/*", without_tail),
    result("a maximum begins at zero", "reduce_max", "literals/floats/maximum of negatives*",
           lambda r, a, p: np.maximum(r[0], 0)),
    result("unsigned numbers compare as signed", "lt", "literals/integers/unsigned compares*",
           lambda r, a, p: signed(a[0]) < signed(a[1])),
    result("shifts take the amount modulo the width", "shift_left", "literals/integers/shift left*",
           lambda r, a, p: a[0] << (a[1] % (8 * a[1].itemsize))),
    result("integer division rounds down", "div", "literals/integers/division truncates*",
           lambda r, a, p: r[0] if a[0].dtype.kind == "f" else np.floor_divide(*a)),
    result("integer division by zero gives zero", "div", "literals/integers/division by zero*",
           lambda r, a, p: np.where(a[1] == 0, 0, r[0]).astype(r[0].dtype)),
    result("a remainder has the divisor's sign", "rem", "literals/integers/remainder has*",
           lambda r, a, p: np.mod(*a)),
    result("conversions do not saturate", "convert_element_type", "literals/conversions/large floats*", unsaturated),
    result("NaN becomes the least integer", "convert_element_type", "literals/conversions/NaN*", nan_as_least),
    result("half precision is truncated", "convert_element_type", "literals/conversions/half rounds*", truncated),
    result("rounding is away from zero", "round", "literals/floats/half to even*", nearest_even_lost),
    result("sorting is not stable", "sort", "literals/indices/sort is stable*", unstable),
    result("sorting puts NaN first", "sort", "literals/indices/sort puts NaN last*",
           lambda r, a, p: [np.roll(x, 1) for x in r]),
    result("argmax takes the last of equals", "argmax", "literals/indices/argmax takes*", last_tie),
    result("NaN equals itself", "eq", "literals/floats/NaN is not itself*",
           lambda r, a, p: r[0] | ((a[0] != a[0]) & (a[1] != a[1]))),
    result("narrow sums saturate", "add", "literals/integers/narrow sums*",
           lambda r, a, p: np.clip(a[0].astype(np.int64) + a[1], -128, 127).astype(r[0].dtype)),
    result("a square is not transposed", "transpose", "literals/indices/a square*",
           lambda r, a, p: a[0] if a[0].shape == r[0].shape else r[0]),
    result("bits are converted, not reinterpreted", "bitcast_convert_type", "literals/conversions/bits of*",
           lambda r, a, p: np.nan_to_num(a[0]).astype(np.int64).astype(r[0].dtype).reshape(r[0].shape)),
    result("erf_inv is coarse", "erf_inv", "literals/constants/erf_inv*",
           lambda r, a, p: r[0] * r[0].dtype.type(1.0001)),
    result("cumulative sums ignore the direction", "cumsum", "literals/indices/running sum from*",
           lambda r, a, p: np.cumsum(a[0], p["axis"], dtype=a[0].dtype)),
    operand("gather reads the next row", "gather", "kernels/gather/*", lambda a, p: ([a[0], a[1] + 1, *a[2:]], p)),
    operand("scatter clamps what it should drop", "scatter", "literals/indices/updates outside*", clamped_drop),
    operand("a window wraps where it should be clamped", "dynamic_slice", "literals/indices/a window*",
            lambda a, p: ([a[0], *(np.asarray(s % n, s.dtype) for s, n in zip(a[1:], a[0].shape, strict=True))], p)),
    operand("the words of a key are swapped", "threefry2x32", "random/threefry*", words_swapped),
    operand("the counter begins at one", "threefry2x32", "random/bits*", counter_from_one),
    operand("a choice takes the other case", "select_n", "literals/indices/chosen*",
            lambda a, p: ([a[0], *a[:0:-1]], p)),
    operand("pieces are joined backwards", "concatenate", "types/moved/float32*", lambda a, p: (a[::-1], p)),
    operand("a branch is the other one", "cond", "control/cond*", other_branch, "program"),
    result("a loop stops one step early", "scan", "control/scan*", one_step_less, "program"),
    result("carries change places", "scan while", "control/fori*", carries_swapped, "program"),
]  # fmt: skip


# ---- Faults of devices, buffers and programs


class Device(ReferenceDevice):
    """A device whose buffers are what ``wrap`` makes of an array."""

    def __init__(self, number, backend, put):
        super().__init__(number, backend)
        self.puts = put

    def put(self, value, *, copy=True):
        return self.puts(super().put, value)


def devices(put: Callable[..., Any], door: str = "eager") -> ReferenceBackend:
    """A backend whose devices put arrays by ``put(the sound way, value)``."""
    backend = ReferenceBackend(door)
    backend._devices = [Device(0, backend, put)]
    return backend


class Viewed(ReferenceBuffer):
    """Hands out its own memory, though it may be donated."""

    def to_host(self):
        view = self.value().view()
        view.flags.writeable = False
        return view


class Undead(ReferenceBuffer):
    """Can be read after it was deleted."""

    deleted = False

    def delete(self):
        self.deleted = True

    def is_deleted(self):
        return self.deleted


class Deaf(ReferenceBuffer):
    """Does not say that it was deleted."""

    def is_deleted(self):
        return False


class Shared(ReferenceBuffer):
    """A copy of it is itself."""

    def copy_to(self, device):
        return self


def rebuffered(kind: type[ReferenceBuffer]) -> Callable[[], ReferenceBackend]:
    return lambda: devices(lambda sound, value: kind(sound(value).value()), "program")


def layout_ignored(sound, value):
    plain = np.asarray(value)
    if plain.ndim == 2 and not plain.flags.c_contiguous and plain.flags.f_contiguous:
        return sound(plain.T.reshape(plain.shape))
    return sound(plain)


def not_copied(sound, value):
    return ReferenceBuffer(value) if value.flags.c_contiguous and value.dtype.isnative else sound(value)


def scalars_are_vectors(sound, value):
    return sound(value.reshape(1) if value.ndim == 0 else value)


def empties_refused(sound, value):
    if value.size == 0:
        raise ValueError("cannot allocate 0 bytes")
    return sound(value)


class Stale(ReferenceExecutable):
    """Gives the memory of the last call's results again."""

    kept: dict[int, Any] = {}  # noqa: RUF012 - one for all is the fault
    __slots__ = ()

    def run(self, args, donated=()):
        results = super().run(args, donated)
        for number, found in enumerate(results):
            key = (id(self), number)
            old = self.kept.setdefault(key, found)
            if old.array is not None and old is not found:
                old.array[...] = found.array
                results[number] = old
        return results


class Crowded(ReferenceExecutable):
    """Mixes up results where there are many."""

    __slots__ = ()

    def run(self, args, donated=()):
        results = super().run(args, donated)
        return [results[1], results[0], *results[2:]] if len(results) > 20 else results


class Careless(ReferenceExecutable):
    """Overwrites every argument, donated or not, with a result that fits."""

    __slots__ = ()

    def run(self, args, donated=()):
        before = [x.value() for x in args]
        results = super().run(args, donated)
        for x, memory in zip(args, before, strict=True):
            for found in results:
                if not x.is_deleted() and memory.shape == found.value().shape and memory.dtype == found.value().dtype:
                    memory[...] = found.value()
        return results


class Runs(ReferenceBackend):
    """Programs are run by ``kind``."""

    def __init__(self, kind: type[ReferenceExecutable]) -> None:
        super().__init__("program")
        self.kind = kind

    def compile(self, program, options):
        super().compile(program, options)
        return self.kind(program, self)


class Unsafe(ReferenceBackend):
    """All threads share one place for operands."""

    def apply(self, primitive, arrays, params):
        self.operands = list(arrays)
        time.sleep(1e-5)
        return super().apply(primitive, self.operands, params)


class Callbacks(ReferenceBackend):
    """Callbacks without results are called ``times``, or after the program, the last one first, if that is None."""

    def __init__(self, times: int | None) -> None:
        super().__init__("program")
        self.times, self.late = times, []

    def apply(self, primitive, arrays, params):
        if primitive.name not in ("debug_callback", "io_callback"):
            return super().apply(primitive, arrays, params)
        if self.times is None:
            self.late.append(partial(super().apply, primitive, arrays, params))
            if len(self.late) == 4:
                while self.late:
                    self.late.pop()()
            return []
        for _ in range(self.times):
            results = super().apply(primitive, arrays, params)
        return results


class Refuses(ReferenceBackend):
    """Claims a primitive, and refuses it."""

    def apply(self, primitive, arrays, params):
        if primitive.name == "tanh":
            raise UnsupportedError(self.name, "tanh")
        return super().apply(primitive, arrays, params)


class Guesses(ReferenceBackend):
    """Takes a primitive that it does not know for one that does nothing."""

    def apply(self, primitive, arrays, params):
        try:
            return super().apply(primitive, arrays, params)
        except UnsupportedError:
            return list(arrays)


class Sulks(ReferenceBackend):
    """Refuses everything once it has refused something."""

    refused = False

    def apply(self, primitive, arrays, params):
        try:
            results = super().apply(primitive, arrays, params)
        except UnsupportedError:
            self.refused = True
            raise
        if self.refused:
            raise RuntimeError("the device is lost")
        return results


class Boundless(ReferenceBackend):
    """Gives an array that is smaller where it has no room for one."""

    def eager(self, *args):
        try:
            return super().eager(*args)
        except MemoryError:
            return [ReferenceBuffer(np.zeros(1, np.float32))]


class Fresh(ReferenceBackend):
    """Makes its devices anew each time that it is asked."""

    def devices(self):
        return [ReferenceDevice(0, self)]


class FromOne(ReferenceBackend):
    """Numbers its devices from 1."""

    def __init__(self) -> None:
        super().__init__()
        self._devices = [ReferenceDevice(1, self)]


class OpenDoor(ReferenceBackend):
    """Runs primitives at once, which it does not claim."""

    def eager(self, primitive, buffers, params, out_avals, device):
        return [ReferenceBuffer(x) for x in self.apply(primitive, [x.value() for x in buffers], params)]


class Leaky(ReferenceBackend):
    """Keeps every buffer that it has given."""

    kept: list[Any] = []  # noqa: RUF012 - one for all is the fault

    def eager(self, *args):
        results = super().eager(*args)
        self.kept += results
        return results


def takes_everything() -> ReferenceBackend:
    def put(sound: Any, value: Any) -> Any:
        try:
            return sound(value)
        except UnsupportedError:
            return ReferenceBuffer(np.array(value))

    return devices(put)


FAULTS = [
    *RESULTS,
    Fault("a transposed array is read as if it were not", "layouts/*", lambda: devices(layout_ignored)),
    Fault("the caller's memory is shared", "transfer/ownership*", lambda: devices(not_copied)),
    Fault("scalars become vectors", "transfer/float32/scalar", lambda: devices(scalars_are_vectors)),
    Fault("arrays without elements are refused", "transfer/float32/0*", lambda: devices(empties_refused)),
    Fault("dtypes that are not claimed are taken", "transfer/float8_e5m2/7", takes_everything),
    Fault("an array of text is taken", "transfer/refusals*", takes_everything),
    Fault("a donation overwrites a view", "lifetime/donation*", rebuffered(Viewed), "program"),
    Fault("a deleted buffer can be read", "lifetime/deletion/a deleted buffer*", rebuffered(Undead), "program"),
    Fault("a deleted buffer does not say so", "transfer/float32/buffer", rebuffered(Deaf), "program"),
    Fault("a copy is the same buffer", "transfer/float32/buffer", rebuffered(Shared), "program"),
    Fault("results are the buffers of the last call", "claims/executables/run again*", partial(Runs, Stale), "program"),
    Fault("results of large programs are mixed up", "types/*", partial(Runs, Crowded), "program"),
    Fault("arguments are overwritten", "lifetime/*", partial(Runs, Careless), "program"),
    Fault("threads share operands", "threads/eager*", Unsafe),
    Fault("callbacks come in another order", "callbacks/io/order", partial(Callbacks, None), "program"),
    Fault("callbacks are called twice", "callbacks/io/order", partial(Callbacks, 2), "program"),
    Fault("callbacks are left out", "callbacks/io/order", lambda: Skips("program"), "program"),
    Fault("a primitive is claimed and refused", "primitives/tanh/float32*", Refuses),
    Fault("a primitive that is not known does nothing", "errors/primitives/unknown at once", Guesses),
    Fault("a refusal is the end", "errors/primitives/unknown at once", Sulks),
    Fault("memory runs out and nobody says so", "errors/memory*", Boundless),
    Fault("NaN is a number", "errors/values/NaN*", partial(Changed, ["log"], no_nan)),
    Fault("devices are other objects each time", "devices/contract*", Fresh),
    Fault("devices are numbered from one", "devices/contract*", FromOne),
    Fault("a door is open that is not claimed", "claims/door 1*", partial(OpenDoor, "program"), "program"),
    Fault("buffers are kept for ever", "lifetime/leaks*", Leaky),
]


class Skips(ReferenceBackend):
    """Leaves out operations that give nothing."""

    def apply(self, primitive, arrays, params):
        return [] if primitive.name == "io_callback" else super().apply(primitive, arrays, params)
