"""Recorded profiles, read: those of ``cotan.profiler`` (Chrome traces) and those of XLA (the message XSpace).

Only data: planes (a process or a device) hold lines (a thread or a queue), and these hold events.
"""

from __future__ import annotations

import gzip
import json
import os
import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cotan.errors import where

Stats = list[tuple[str | None, Any]]


@dataclass(frozen=True)
class ProfileEvent:
    """Something that lasted.

    Attributes:
      name: what it was. start_ns, duration_ns: when it began and how long it took, in nanoseconds.
    """

    name: str
    start_ns: float
    duration_ns: float
    _stats: Stats = field(default_factory=list, repr=False)

    @property
    def end_ns(self) -> float:
        """When it ended."""
        return self.start_ns + self.duration_ns

    @property
    def stats(self) -> Iterator[tuple[str | None, Any]]:
        """Names and values of what else is known."""
        return iter(self._stats)


@dataclass(frozen=True)
class ProfileLine:
    """The events of one thread or queue.

    Attributes:
      name: which one it is.
    """

    name: str
    _events: list[ProfileEvent] = field(default_factory=list, repr=False)

    @property
    def events(self) -> Iterator[ProfileEvent]:
        """What happened on it, in the order in which it was recorded."""
        return iter(self._events)


@dataclass(frozen=True)
class ProfilePlane:
    """What happened in a process or on a device.

    Attributes:
      name: which one it is.
    """

    name: str
    _lines: list[ProfileLine] = field(default_factory=list, repr=False)
    _stats: Stats = field(default_factory=list, repr=False)

    @property
    def lines(self) -> Iterator[ProfileLine]:
        """Its threads or queues."""
        return iter(self._lines)

    @property
    def stats(self) -> Iterator[tuple[str | None, Any]]:
        """Names and values of what else is known."""
        return iter(self._stats)


class ProfileData:
    """A recorded profile.

    >>> import cotan, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with cotan.profiler.trace(directory), cotan.profiler.TraceAnnotation("step", number=3):
    ...         _ = cotan.jit(lambda x: x + 1)(1.0)
    ...     profile = cotan.profiler.ProfileData.from_file(directory)
    >>> [event] = [e for line in profile.find_plane_with_name("cotan").lines for e in line.events if e.name == "step"]
    >>> event.duration_ns > 0, dict(event.stats)
    (True, {'number': 3})
    """

    def __init__(self, planes: list[ProfilePlane]) -> None:
        self._planes = planes

    @property
    def planes(self) -> Iterator[ProfilePlane]:
        """The processes and devices."""
        return iter(self._planes)

    def find_plane_with_name(self, name: str) -> ProfilePlane | None:
        """The plane of that name, or None."""
        return next((plane for plane in self._planes if plane.name == name), None)

    @classmethod
    def from_file(cls, path: os.PathLike[str] | str) -> ProfileData:
        """The profile in a file: ``*.trace.json.gz``, ``*.xplane.pb``, or the latest below a directory.

        Raises:
          FileNotFoundError: there is none. ValueError: it is no profile.
        """
        file = Path(path)
        if file.is_dir():
            found = [p for pattern in ("*.trace.json.gz", "*.xplane.pb") for p in file.rglob(pattern)]
            if not found:
                raise FileNotFoundError(
                    f"{where()}: ProfileData.from_file: there is no profile below {file}; record one with "
                    "cotan.profiler.trace(directory)"
                )
            file = max(found, key=lambda p: p.stat().st_mtime)
        data = file.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        if data.lstrip()[:1] == b"{":
            return cls(_from_chrome(json.loads(data)))
        return cls.from_serialized_xspace(data)

    @classmethod
    def from_serialized_xspace(cls, serialized_xspace: bytes) -> ProfileData:
        """The profile in a message XSpace, as XLA's profiler writes it (tsl/profiler/protobuf/xplane.proto).

        Raises:
          ValueError: it is no such message.
        """
        try:
            return cls([_plane(_Message(part)) for part in _Message(serialized_xspace).all(1)])
        except (IndexError, struct.error, UnicodeDecodeError, TypeError, AttributeError):
            raise ValueError(
                f"{where()}: ProfileData.from_serialized_xspace: these {len(serialized_xspace)} bytes are no message "
                "XSpace; give the contents of a file *.xplane.pb"
            ) from None


# ---- Chrome traces


def _from_chrome(trace: dict[str, Any]) -> list[ProfilePlane]:
    """Planes of processes and lines of threads; times there are in microseconds."""
    names: dict[Any, str] = {}
    events: dict[Any, dict[Any, list[ProfileEvent]]] = defaultdict(lambda: defaultdict(list))
    for event in trace.get("traceEvents", []):
        process, thread = event.get("pid"), event.get("tid")
        if event.get("ph") == "M" and event.get("name") in ("process_name", "thread_name"):
            key = process if event["name"] == "process_name" else (process, thread)
            names[key] = event["args"]["name"]
        elif event.get("ph") == "X":
            made = ProfileEvent(
                event["name"], 1e3 * event["ts"], 1e3 * event.get("dur", 0), list(event.get("args", {}).items())
            )
            events[process][thread].append(made)
    return [
        ProfilePlane(
            names.get(process, str(process)),
            [ProfileLine(names.get((process, thread), str(thread)), found) for thread, found in threads.items()],
        )
        for process, threads in events.items()
    ]


# ---- XSpace: Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding)


class _Message:
    """The fields of one message: numbers as ints, all else as bytes."""

    def __init__(self, data: bytes) -> None:
        self.fields: dict[int, list[Any]] = defaultdict(list)
        place = 0
        while place < len(data):
            key, place = _varint(data, place)
            number, kind = key >> 3, key & 7
            value: Any
            if kind == 0:
                value, place = _varint(data, place)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
                value, place = data[place : place + size], place + size
            elif kind == 2:
                size, place = _varint(data, place)
                value, place = data[place : place + size], place + size
                if len(value) != size:
                    raise IndexError(place)
            else:
                raise TypeError(kind)
            self.fields[number].append(value)

    def all(self, number: int) -> list[Any]:
        return self.fields.get(number, [])

    def one(self, number: int, default: Any = 0) -> Any:
        return self.fields[number][-1] if number in self.fields else default

    def signed(self, number: int) -> int:
        value: int = self.one(number)
        return value - (1 << 64) if value >> 63 else value

    def text(self, number: int) -> str:
        return str(self.one(number, b"").decode())


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _named(entries: list[bytes]) -> dict[int, str]:
    """A map from numbers to metadata: the names in these."""
    pairs = map(_Message, entries)
    return {pair.one(1): _Message(pair.one(2, b"")).text(2) for pair in pairs}


def _stat(stat: _Message, names: dict[int, str]) -> tuple[str | None, Any]:
    name = names.get(stat.one(1))
    for number, read in (
        (2, lambda: struct.unpack("<d", stat.one(2))[0]),
        (3, lambda: stat.one(3)),
        (4, lambda: stat.signed(4)),
        (5, lambda: stat.text(5)),
        (6, lambda: stat.one(6)),
        (7, lambda: names.get(stat.one(7))),
    ):
        if stat.all(number):
            return name, read()
    return name, None


def _plane(plane: _Message) -> ProfilePlane:
    events, stats = _named(plane.all(4)), _named(plane.all(5))

    def read(line: _Message) -> ProfileLine:
        zero = line.signed(3)
        found = []
        for event in map(_Message, line.all(4)):
            known = [_stat(_Message(stat), stats) for stat in event.all(4)]
            start, duration = zero + event.signed(2) / 1e3, event.signed(3) / 1e3
            found.append(ProfileEvent(events.get(event.one(1), ""), start, duration, known))
        return ProfileLine(line.text(2), found)

    lines = [read(_Message(line)) for line in plane.all(3)]
    return ProfilePlane(plane.text(2), lines, [_stat(_Message(stat), stats) for stat in plane.all(6)])
