"""What arrays hold memory, as a profile that the tool pprof reads: how many there are of each type, and their bytes.

The format is that of ``profile.proto`` of github.com/google/pprof, compressed by gzip. Knows arrays, and nothing of
where programs made them.
"""

from __future__ import annotations

import gzip
import time
from collections import Counter
from collections.abc import Iterable

from cotan import dtypes
from cotan.runtime.placed import live_arrays


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _packed(field: int, values: Iterable[int]) -> bytes:
    return _bytes(field, b"".join(map(_varint, values)))


def memory_profile(platform: str | None) -> bytes:
    """The profile of the arrays of a platform that exist, by default of the default backend."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for x in live_arrays(platform):
        extents = ",".join(map(str, x.shape))
        name = f"{dtypes.short_name(x.dtype)}[{extents}] on {x.device}"
        counts[name] += 1
        sizes[name] += x.nbytes
    strings = {text: n for n, text in enumerate(("", "allocations", "count", "space", "bytes", *counts))}
    out = [
        _bytes(1, _number(1, strings[kind]) + _number(2, strings[unit]))
        for kind, unit in (("allocations", "count"), ("space", "bytes"))
    ]
    for number, name in enumerate(counts, 1):
        out.append(_bytes(2, _packed(1, [number]) + _packed(2, [counts[name], sizes[name]])))
        out.append(_bytes(4, _number(1, number) + _bytes(4, _number(1, number))))
        out.append(_bytes(5, _number(1, number) + _number(2, strings[name])))
    out += [_bytes(6, text.encode()) for text in strings]
    out += [_number(9, time.time_ns()), _number(14, strings["space"])]
    return gzip.compress(b"".join(out))
