"""Values as bytes and back: the plain data that parameters of programs consist of.

Only data is read, never code: reading bytes from a stranger builds numbers, texts, tuples and records of types that are
known here, and raises ``ValueError`` for all else. Knows no programs and no files.
"""

from __future__ import annotations

import dataclasses
import enum
import struct
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan.ir.avals import ShapedArray, shaped

DEEPEST = 200
"""How deep values may be nested."""
_WIDEST = 1 << 13


class NotData(TypeError):
    """A value that cannot be written; ``value`` is the innermost one that is the reason."""

    def __init__(self, value: Any) -> None:
        self.value = value
        super().__init__(f"a value of type {type(value).__name__} cannot be written as data")


# ---- Types that others add


class ParamType(NamedTuple):
    """How values of a class are written: under which name, and as which data."""

    name: str
    cls: type
    to_data: Callable[[Any], Any]
    from_data: Callable[[Any], Any]


_by_class: dict[type, ParamType] = {}
_by_name: dict[str, ParamType] = {}
_object_names: dict[int, str] = {}
_objects: dict[str, Any] = {}


def register_param_type(
    cls: type, *, name: str, to_data: Callable[[Any], Any], from_data: Callable[[Any], Any]
) -> None:
    """Let values of a class be parameters of exported programs.

    Enumerations, named tuples and frozen dataclasses of cotan's own modules need no registration.

    Args:
      cls: the class; its subclasses are not meant.
      name: what it is called in files; may never change.
      to_data: gives a value's data: numbers, texts, dtypes, tuples of these.
      from_data: makes the value again, or raises ValueError. The data may come from a stranger.

    Raises:
      ValueError: the class or the name is registered already.

    >>> import fractions
    >>> register_param_type(
    ...     fractions.Fraction, name="Fraction", to_data=lambda f: (f.numerator, f.denominator),
    ...     from_data=lambda d: fractions.Fraction(*d),
    ... )
    """
    if cls in _by_class:
        raise ValueError(f"register_param_type: {cls.__name__} is registered already, as {_by_class[cls].name!r}")
    if name in _by_name:
        raise ValueError(f"register_param_type: the name {name!r} is taken by {_by_name[name].cls.__name__}")
    _by_class[cls] = _by_name[name] = ParamType(name, cls, to_data, from_data)


def register_param_object(value: Any, *, name: str) -> None:
    """Let one object, such as a function of a module, be a parameter of exported programs, by name.

    Raises:
      ValueError: the name is registered already.
    """
    if name in _objects:
        raise ValueError(f"register_param_object: the name {name!r} is registered already")
    _objects[name] = value
    _object_names.setdefault(id(value), name)  # held by `_objects`: the id stays its own


# Records (enumerations, named tuples, frozen dataclasses) of these rooms are found by the names of their classes.
_ROOMS = ("cotan.primitives", "cotan.ir", "cotan.lax", "cotan.api", "cotan.dtypes")
_records: dict[str, type] = {}
_searched: set[str] = set()


def _is_record(cls: type) -> bool:
    if issubclass(cls, enum.Enum):
        return True
    if issubclass(cls, tuple):
        return hasattr(cls, "_fields")
    return dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen  # type: ignore[attr-defined,no-any-return]


def record_types() -> dict[str, type]:
    """The public records that need no registration, by name. A name that two classes have means neither of them."""
    for name, module in list(sys.modules.items()):
        if name in _searched or not name.startswith(_ROOMS):
            continue
        _searched.add(name)
        for key, cls in list(vars(module).items()):
            if (
                key[0] != "_"
                and isinstance(cls, type)
                and (cls.__module__, cls.__name__) == (name, key)
                and _is_record(cls)
            ):
                _records[key] = cls if _records.get(key, cls) is cls else object
    return _records


def _record_named(name: str) -> type | None:
    found = _records.get(name) or record_types().get(name)
    return None if found is object else found


# ---- Writing


class Writer:
    """Appends values to ``out``. Texts and types that occur again are written as the number of the first one."""

    def __init__(self) -> None:
        self.out = bytearray()
        self._texts: dict[str, int] = {}
        self._avals: dict[ShapedArray, int] = {}
        self._depth = 0

    def uint(self, value: int) -> None:
        """A non-negative integer, seven bits to a byte."""
        while value > 127:
            self.out.append(value & 127 | 128)
            value >>= 7
        self.out.append(value)

    def text(self, value: str) -> None:
        number = self._texts.get(value)
        if number is not None:
            self.uint(number + 1)
            return
        self._texts[value] = len(self._texts)
        data = value.encode("utf-8", "surrogatepass")
        self.uint(0)
        self.blob(data)

    def blob(self, data: bytes) -> None:
        self.uint(len(data))
        self.out += data

    def dtype(self, dtype: Any) -> None:
        self.text(name_of_dtype(dtype))

    def aval(self, aval: ShapedArray) -> None:
        if aval != shaped(aval.shape, aval.dtype, aval.weak_type):
            raise NotData(aval.vma or aval.sharding)
        number = self._avals.get(aval)
        if number is not None:
            self.uint(number + 1)
            return
        self._avals[aval] = len(self._avals)
        self.uint(0)
        self.dtype(aval.dtype)
        self.uint(aval.weak_type)
        self.uint(len(aval.shape))
        for extent in aval.shape:
            self.uint(extent)

    def array(self, value: np.ndarray[Any, Any]) -> None:
        """A NumPy array: dtype, shape, elements in little-endian order."""
        self.dtype(value.dtype)
        self.uint(value.ndim)
        for extent in value.shape:
            self.uint(extent)
        ordered = value if value.dtype.byteorder != ">" else value.astype(value.dtype.newbyteorder("<"))
        if sys.byteorder == "big" and ordered.dtype.itemsize > 1:
            ordered = ordered.byteswap()
        self.blob(ordered.tobytes())

    def value(self, value: Any) -> None:
        """Any data.

        Raises:
          NotData: it is none.
        """
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotData(value)
        rule = _WRITERS.get(type(value))
        if rule is not None:
            rule(self, value)
        else:
            self._other(value)
        self._depth -= 1

    def tagged(self, tag: bytes, name: str) -> None:
        self.out += tag
        self.text(name)

    def values(self, tag: bytes, values: Any) -> None:
        self.out += tag
        self.uint(len(values))
        for value in values:
            self.value(value)

    def _other(self, value: Any) -> None:
        kind = type(value)
        known = _by_class.get(kind)
        if known is not None:
            self.tagged(b"R", known.name)
            self.value(known.to_data(value))
        elif id(value) in _object_names and _objects[_object_names[id(value)]] is value:
            self.tagged(b"O", _object_names[id(value)])
        elif isinstance(value, np.dtype | dtypes.ExtendedDType):
            self.out += b"d"
            self.dtype(value)
        elif isinstance(value, np.generic):
            self.out += b"g"
            self.array(np.asarray(value))
        elif _is_record(kind) and _record_named(kind.__name__) is kind:
            self._record(value)
        else:
            raise NotData(value)

    def _record(self, value: Any) -> None:
        self.tagged(b"N", type(value).__name__)
        if isinstance(value, enum.Enum):
            self.value(value.name)
            return
        names = value._fields if isinstance(value, tuple) else [f.name for f in dataclasses.fields(value)]
        self.value(tuple((name, getattr(value, name)) for name in names))


def _write_float(writer: Writer, value: float) -> None:
    writer.out += b"f" + struct.pack("<d", value)


def _write_complex(writer: Writer, value: complex) -> None:
    writer.out += b"c" + struct.pack("<dd", value.real, value.imag)


def _write_int(writer: Writer, value: int) -> None:
    writer.out += b"i" if value >= 0 else b"I"
    writer.uint(value if value >= 0 else -1 - value)


def _write_text(writer: Writer, value: str) -> None:
    writer.tagged(b"s", value)


def _write_bytes(writer: Writer, value: bytes) -> None:
    writer.out += b"b"
    writer.blob(value)


def _write_array(writer: Writer, value: np.ndarray[Any, Any]) -> None:
    writer.out += b"a"
    writer.array(value)


def _write_aval(writer: Writer, value: ShapedArray) -> None:
    writer.out += b"v"
    writer.aval(value)


def _write_set(writer: Writer, value: frozenset[Any]) -> None:
    writer.values(b"F", sorted(value, key=repr))


_WRITERS: dict[type, Callable[[Writer, Any], None]] = {
    type(None): lambda writer, value: writer.out.extend(b"n"),
    bool: lambda writer, value: writer.out.extend(b"t" if value else b"u"),
    int: _write_int,
    float: _write_float,
    complex: _write_complex,
    str: _write_text,
    bytes: _write_bytes,
    tuple: lambda writer, value: writer.values(b"T", value),
    list: lambda writer, value: writer.values(b"L", value),
    frozenset: _write_set,
    np.ndarray: _write_array,
    ShapedArray: _write_aval,
}


def name_of_dtype(dtype: Any) -> str:
    """What a dtype is called in files.

    >>> name_of_dtype(np.dtype("float32")), name_of_dtype(dtypes.float0)
    ('float32', 'float0')
    """
    if dtype == dtypes.float0:
        return "float0"
    if isinstance(dtype, dtypes.KeyType):
        return f"key:{dtype.impl}"
    name = getattr(dtype, "name", None)
    if not isinstance(dtype, np.dtype) or dtype.hasobject or not _is_known_dtype(name):
        raise NotData(dtype)
    return str(name)


def _is_known_dtype(name: Any) -> bool:
    try:
        dtypes.as_dtype(name)
    except (TypeError, ValueError):
        return False
    return True


# ---- Reading


class Reader:
    """Reads what a ``Writer`` wrote.

    Raises:
      ValueError: from every method, if the bytes are not such.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0
        self._texts: list[str] = []
        self._avals: list[ShapedArray] = []
        self._depth = 0

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.place:
            raise ValueError("it ends too early")
        self.place += count
        return self.data[self.place - count : self.place]

    def uint(self) -> int:
        value = shift = 0
        while True:
            (byte,) = self.take(1)
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > _WIDEST:
                raise ValueError("it holds a number that is too large")

    def count(self) -> int:
        """The number of things that follow, each of at least one byte."""
        count = self.uint()
        if count > len(self.data) - self.place:
            raise ValueError("it ends too early")
        return count

    def text(self) -> str:
        number = self.uint()
        if number:
            return self._earlier(self._texts, number)
        text = self.blob().decode("utf-8", "surrogatepass")
        self._texts.append(text)
        return text

    @staticmethod
    def _earlier(seen: list[Any], number: int) -> Any:
        if number > len(seen):
            raise ValueError("it refers to what does not precede")
        return seen[number - 1]

    def blob(self) -> bytes:
        return self.take(self.uint())

    def dtype(self) -> Any:
        name = self.text()
        if name == "float0":
            return dtypes.float0
        if name.startswith("key:"):
            return dtypes.KeyType(name.removeprefix("key:"))
        if not name.isidentifier() or not _is_known_dtype(name) or name_of_dtype(dtypes.as_dtype(name)) != name:
            raise ValueError(f"there is no dtype {name!r} here")
        return dtypes.as_dtype(name)

    def shape(self) -> tuple[int, ...]:
        return tuple([self.uint() for _ in range(self.count())])

    def aval(self) -> ShapedArray:
        number = self.uint()
        if number:
            found: ShapedArray = self._earlier(self._avals, number)
            return found
        dtype, weak = self.dtype(), self.uint()
        aval = shaped(self.shape(), dtype, bool(weak))
        self._avals.append(aval)
        return aval

    def array(self) -> np.ndarray[Any, Any]:
        dtype, shape, data = self.dtype(), self.shape(), self.blob()
        if not isinstance(dtype, np.dtype) or len(data) != dtype.itemsize * int(np.prod(shape, dtype=object)):
            raise ValueError("an array has not the size that its type says")
        array = np.frombuffer(data, dtype).reshape(shape).copy() if dtype.itemsize else np.zeros(shape, dtype)
        return array.byteswap() if sys.byteorder == "big" and dtype.itemsize > 1 else array

    def value(self) -> Any:
        """One value."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError("values are nested too deeply")
        tag = self.take(1)
        rule = _READERS.get(tag)
        if rule is None:
            raise ValueError(f"there is no kind of value {tag!r}")
        value = rule(self)
        self._depth -= 1
        return value

    def values(self) -> list[Any]:
        return [self.value() for _ in range(self.count())]

    def registered(self) -> Any:
        name = self.text()
        known = _by_name.get(name)
        if known is None:
            raise ValueError(f"it holds a value of type {name!r}, which is not registered here (register_param_type)")
        data = self.value()
        try:
            return known.from_data(data)
        except Exception as error:
            raise ValueError(f"a value of type {name!r} cannot be read: {error}") from error

    def object(self) -> Any:
        name = self.text()
        if name not in _objects:
            raise ValueError(f"it refers to {name!r}, which is not known here")
        return _objects[name]

    def record(self) -> Any:
        name, data = self.text(), self.value()
        cls: Any = _record_named(name)
        if cls is None:
            raise ValueError(f"it holds a {name!r}, which is not known here")
        try:
            return cls[data] if issubclass(cls, enum.Enum) else cls(**dict(data))
        except Exception as error:
            raise ValueError(f"a {name!r} cannot be read: {type(error).__name__}: {error}") from error


_READERS: dict[bytes, Callable[[Reader], Any]] = {
    b"n": lambda reader: None,
    b"t": lambda reader: True,
    b"u": lambda reader: False,
    b"i": Reader.uint,
    b"I": lambda reader: -1 - reader.uint(),
    b"f": lambda reader: struct.unpack("<d", reader.take(8))[0],
    b"c": lambda reader: complex(*struct.unpack("<dd", reader.take(16))),
    b"s": Reader.text,
    b"b": Reader.blob,
    b"T": lambda reader: tuple(reader.values()),
    b"L": Reader.values,
    b"F": lambda reader: frozenset(reader.values()),
    b"a": Reader.array,
    b"g": lambda reader: reader.array()[()],
    b"v": Reader.aval,
    b"d": Reader.dtype,
    b"R": Reader.registered,
    b"O": Reader.object,
    b"N": Reader.record,
}
