"""``cotan.Array``: an immutable array in the memory of a device.

An abstract value, a backend's buffer, a device. What it converts to, prints as and refuses stands here; NumPy's
operators, methods and indexing are attached by ``cotan.numpy.array_methods``. Knows no operation and no backend.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NoReturn

import numpy as np

from cotan import dtypes
from cotan.backend import Buffer, Device
from cotan.config import config
from cotan.errors import DeletedArrayError, a_type, where
from cotan.ir.avals import ShapedArray, aval_of_type
from cotan.ir.trace import Tracer
from cotan.runtime.transfers import guarded
from cotan.tracebacks import boundary, trim


class _ArrayType(type):
    """Traced arrays count as Arrays for ``isinstance``, so that programs that check their arguments can be traced."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return type(instance) is cls or isinstance(instance, Tracer)


class Array(metaclass=_ArrayType):
    """An array on a device. Made by ``cotan.numpy`` functions and ``cotan.device_put``, not by calling this class.

    Arrays are immutable; ``x.at[...]`` gives updated copies. Results may still be being computed when they are handed
    out: ``block_until_ready`` waits.

    >>> import cotan.numpy as cnp
    >>> x = cnp.arange(3.0)
    >>> x * 2
    Array([0., 2., 4.], dtype=float32)
    >>> x.shape, x.dtype
    ((3,), dtype('float32'))
    """

    __slots__ = ("__weakref__", "_buffer", "_committed", "_device", "_host", "aval")
    __array_priority__ = 1000
    aval: ShapedArray
    _buffer: Buffer | None  # None once deleted
    _device: Device
    _committed: bool  # whether the user chose the device
    _host: np.ndarray[Any, Any]  # the value on the host, once it has been asked for where that is a copy

    def __init__(self, aval: ShapedArray, buffer: Buffer, device: Device, committed: bool = False) -> None:
        self.aval = aval
        self._buffer = buffer
        self._device = device
        self._committed = committed

    def __init_subclass__(cls, **kwargs: Any) -> NoReturn:
        raise TypeError("cotan.Array cannot be subclassed")

    # ---- What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """Its extents."""
        return self.aval.shape

    @property
    def dtype(self) -> Any:
        """The dtype of its elements."""
        return self.aval.dtype

    @property
    def __numpy_dtype__(self) -> Any:
        return self.aval.dtype

    @property
    def weak_type(self) -> bool:
        """Whether it came from a Python scalar, and gives way in promotion."""
        return self.aval.weak_type

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return len(self.aval.shape)

    @property
    def size(self) -> int:
        """The number of its elements."""
        return self.aval.size

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self.aval.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.aval.nbytes

    # ---- Where it is

    @property
    def device(self) -> Device:
        """The device it lies on."""
        return self._device

    def devices(self) -> set[Device]:
        """The devices it lies on: one."""
        return {self._device}

    @property
    def sharding(self) -> Any:
        """How it lies on its devices: ``SingleDeviceSharding(device)``."""
        from cotan.runtime.devices import SingleDeviceSharding

        return SingleDeviceSharding(self._device)

    @property
    def committed(self) -> bool:
        """Whether its device was chosen by the user; if not, it follows the arrays that it is combined with."""
        return self._committed

    @property
    def is_fully_addressable(self) -> bool:
        """Whether this process can reach all of it: always."""
        return True

    @property
    def is_fully_replicated(self) -> bool:
        """Whether each of its devices holds all of it: always, as there is one."""
        return True

    @boundary
    def addressable_data(self, index: int) -> Array:
        """The part on device number ``index`` of those that hold it, as an Array.

        Raises:
          IndexError: there is no such device.
        """
        if not isinstance(index, int | np.integer):
            raise TypeError(f"{where()}: addressable_data takes the number of a device, not {a_type(index)}")
        if index not in (0, -1):
            raise IndexError(f"{where()}: the array lies on 1 device; there is no part {index}")
        return self

    @property
    def addressable_shards(self) -> list[Any]:
        """The parts on devices that this process can reach: one ``Shard`` with all of it."""
        from cotan.runtime.placed import shards_of

        return list(shards_of(self))

    @property
    def global_shards(self) -> list[Any]:
        """The parts on all devices: one ``Shard`` with all of it."""
        return self.addressable_shards

    def on_device_size_in_bytes(self) -> int:
        """How many bytes of its device's memory it takes."""
        return self.nbytes

    def platform(self) -> str:
        """The name of its device's platform, as ``'cpu'``."""
        return self._device.platform

    def unsafe_buffer_pointer(self) -> int:
        """The address of its first element in host memory, where its device's memory is the host's."""
        return int(self._words().ctypes.data)

    # ---- Its value, in time

    def _live(self) -> Buffer:
        buffer = self._buffer
        if buffer is None:
            raise self._deleted()
        return buffer

    def _alias(self) -> Array:
        """An array of the same memory, which outlives this one's deletion or donation."""
        return Array(self.aval, self._live(), self._device, self._committed)

    def _deleted(self, what: str = "an array of type") -> DeletedArrayError:
        return DeletedArrayError(
            f"{where()}: {what} {self.aval.short()} is used after it was deleted or donated "
            "(donate_argnums, donate_argnames). A donated argument's memory becomes a result's: use the result, or do "
            "not donate it."
        )

    def is_deleted(self) -> bool:
        """Whether it has been deleted, or donated to a computation."""
        return self._buffer is None

    def delete(self) -> None:
        """Give its memory back now. Every later use of the value raises ``DeletedArrayError``."""
        self._buffer = None
        if hasattr(self, "_host"):
            del self._host

    def block_until_ready(self) -> Array:
        """Wait until it has been computed; raises what went wrong in computing it. Returns the array.

        >>> import cotan.numpy as cnp
        >>> cnp.ones(2).block_until_ready()
        Array([1., 1.], dtype=float32)
        """
        self._live().wait()
        return self

    def is_ready(self) -> bool:
        """Whether it has been computed."""
        return self._live().is_ready()

    def copy_to_host_async(self) -> None:
        """Begin to bring the value to the host; it is kept for later conversions."""
        self._words(explicit=True)

    def _words(self, explicit: bool = False) -> np.ndarray[Any, Any]:
        """The stored value on the host, read-only; for random keys their words."""
        buffer = self._buffer
        if buffer is None:
            buffer = self._live()  # which raises
        host: np.ndarray[Any, Any] | None = getattr(self, "_host", None)
        if host is not None:
            return host
        host = buffer.to_host()
        aval = self.aval
        shape, dtype = aval.shape, aval.dtype
        if (host.dtype is not dtype and host.dtype != dtype) or host.shape != shape:
            if dtypes.is_extended(dtype):
                shape, dtype = shape + dtype.trailing, dtype.base
            host = host.reshape(-1).view(dtype).reshape(shape)
        if host.base is None:
            if not config.plain_dispatch:
                guarded("device_to_host", f"{aval.short()} from {self._device}", explicit=explicit)
            self._host = host  # a copy, from memory that the host does not share
        return host

    def _value(self) -> np.ndarray[Any, Any]:
        """The value as a read-only ndarray.

        Raises:
          TypeError: the elements are random keys, which are no numbers.
        """
        if self._buffer is not None and dtypes.is_extended(self.aval.dtype):
            raise TypeError(
                f"{where()}: an array of random keys ({self.aval.short()}) is not an array of numbers; "
                "cotan.random.key_data(keys) gives the words that keys consist of"
            )
        return self._words()

    # ---- Conversions

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        value = self._value()
        if dtype is not None and np.dtype(dtype) != value.dtype:
            if copy is False:
                raise ValueError(
                    f"converting {value.dtype} to {np.dtype(dtype)} needs a copy, but copy=False was given"
                )
            return value.astype(dtype)
        return value.copy() if copy else value

    def __buffer__(self, flags: int) -> memoryview:
        if flags & 1:
            raise BufferError("cotan Arrays are immutable: they give read-only buffers")
        return memoryview(self._value())  # type: ignore[arg-type]

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if stream is not None:
            raise BufferError(f"{where()}: arrays in host memory have no streams: call __dlpack__ without one")
        value = self._value()
        if max_version is None or max_version < (1, 0):
            # Old consumers cannot be told that memory is read-only, so they get memory of their own.
            if copy is False:
                raise BufferError("the consumer knows no read-only arrays (DLPack before 1.0), so it needs a copy")
            return value.copy().__dlpack__()
        return value.__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._words().__dlpack_device__()

    def tolist(self) -> Any:
        """The value as nested lists of Python scalars."""
        return self._value().tolist()

    def item(self, *args: int) -> Any:
        """One element as a Python scalar; ``args`` say which, if there are several."""
        value = self._value()
        try:
            return value.item(*args)
        except Exception as error:
            error.args = (
                f"item({', '.join(map(repr, args))}) of an array of type {self.aval.short()}: {error}. An array of one "
                "element needs no argument; others take an index for each axis, or one into all elements",
            )
            trim(error)
            raise

    @boundary
    def tobytes(self, order: Any = "C") -> bytes:
        """The elements' bytes."""
        if not isinstance(order, str | None) or order not in (None, *"CFAKcfak"):
            raise ValueError(f"{where()}: tobytes: order must be 'C', 'F', 'A' or 'K', got {order!r}")
        return self._value().tobytes(order)

    def _scalar(self, what: str) -> np.ndarray[Any, Any]:
        if self.aval.shape:
            raise TypeError(
                f"{where()}: {what} needs an array of no dimensions, and this one is {self.aval.short()}; "
                "use .item() for an array of one element"
            )
        return self._value()

    def __bool__(self) -> bool:
        value = self._value()
        if value.size != 1:
            raise ValueError(
                f"{where()}: the truth value of an array of {value.size} elements ({self.aval.short()}) is ambiguous; "
                "use .any() or .all()"
            )
        return bool(value.reshape(())[()])

    def __int__(self) -> int:
        return int(self._real_scalar("int()")[()])

    def __float__(self) -> float:
        return float(self._real_scalar("float()")[()])

    def _real_scalar(self, what: str) -> np.ndarray[Any, Any]:
        if dtypes.issubdtype(self.aval.dtype, np.complexfloating):
            raise TypeError(
                f"{where()}: {what} of a complex array ({self.aval.short()}); take its .real, or complex() of it"
            )
        return self._scalar(what)

    def __complex__(self) -> complex:
        return complex(self._scalar("complex()")[()])

    def __index__(self) -> int:
        if self.aval.shape or not dtypes.issubdtype(self.aval.dtype, np.integer):
            raise TypeError(
                f"{where()}: an array of type {self.aval.short()} cannot be used as a Python integer (an index, a "
                "range, a shape); only integer arrays of no dimensions can"
            )
        return int(self._value()[()])

    def __format__(self, spec: str) -> str:
        if not spec and (self.aval.shape or self._buffer is None or dtypes.is_extended(self.aval.dtype)):
            return str(self)
        # Of one value all digits, as NumPy and Python show it, also without a format.
        return format(self._scalar(f"the format {spec!r}")[()], spec)

    def __str__(self) -> str:
        if self._buffer is None or dtypes.is_extended(self.aval.dtype):
            return repr(self)
        return str(self._value())

    def __repr__(self) -> str:
        aval = self.aval
        if self._buffer is None:
            return f"Array(<deleted>, shape={aval.shape}, dtype={_name(aval.dtype)})"
        words = self._words()
        if dtypes.is_extended(aval.dtype):
            return f"Array({aval.shape}, dtype={aval.dtype}) overlaying:\n{words}"
        text = np.array2string(words, prefix="Array(", separator=", ")
        notes = [text]
        if words.size == 0:
            notes = ["[]", f"shape={aval.shape}"]
        notes.append(f"dtype={_name(aval.dtype)}")
        if aval.weak_type:
            notes.append("weak_type=True")
        last_line = text[text.rfind("\n") + 1 :]
        tail = ", ".join(notes[1:])
        fits = "\n" not in text or len(last_line) + len(tail) + 3 <= _LINE_WIDTH
        return f"Array({notes[0]},{' ' if fits else chr(10) + '      '}{tail})"

    # ---- What it refuses

    def __hash__(self) -> int:
        raise TypeError(
            f"{where()}: an Array ({self.aval.short()}) is not hashable: it cannot be a key, an element of a set or a "
            "static argument of jit. Use a Python number or tuple (x.item(), tuple(x.tolist()))."
        )

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError(
            f"{where()}: cotan Arrays are immutable: instead of x[i] = y write x = x.at[i].set(y), and instead of "
            "x[i] += y write x = x.at[i].add(y)"
        )

    def __delitem__(self, index: Any) -> NoReturn:
        raise TypeError(f"{where()}: elements of a cotan Array cannot be deleted; cotan.numpy.delete gives a new array")

    # ---- Copies

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (_unpickled, (np.array(self._words()), self.aval))

    def __copy__(self) -> Array:
        return self.copy()  # type: ignore[attr-defined,no-any-return]

    def __deepcopy__(self, memo: dict[int, Any]) -> Array:
        return self.copy()  # type: ignore[attr-defined,no-any-return]


_LINE_WIDTH = 75


def _name(dtype: Any) -> str:
    return dtype.name if isinstance(dtype, np.dtype) else str(dtype)


def _unpickled(words: np.ndarray[Any, Any], aval: ShapedArray) -> Array:
    from cotan.runtime.devices import unpickled

    return unpickled(words, aval)


aval_of_type[Array] = attrgetter("aval")
