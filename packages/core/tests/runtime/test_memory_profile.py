"""Profiles of memory say what arrays there are, in the format of pprof."""

from __future__ import annotations

import gzip

import cotan
import cotan.numpy as cnp


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at


def _fields(data):
    """Pairs of field number and value of a protocol buffer."""
    at, out = 0, []
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 2:
            value, at = data[at : at + value], at + value
        out.append((tag >> 3, value))
    return out


def _numbers(data):
    at, out = 0, []
    while at < len(data):
        value, at = _varint(data, at)
        out.append(value)
    return out


def _samples(profile):
    fields = _fields(gzip.decompress(profile))
    strings = [value.decode() for number, value in fields if number == 6]
    functions = {dict(f)[1]: strings[dict(f)[2]] for f in (_fields(v) for n, v in fields if n == 5)}
    locations = {dict(f)[1]: dict(_fields(dict(f)[4]))[1] for f in (_fields(v) for n, v in fields if n == 4)}
    types = [[strings[x] for _, x in _fields(v)] for n, v in fields if n == 1]
    assert types == [["allocations", "count"], ["space", "bytes"]]
    samples = [dict(_fields(v)) for n, v in fields if n == 2]
    return {functions[locations[_numbers(s[1])[0]]]: tuple(_numbers(s[2])) for s in samples}


def test_arrays_are_counted_by_type(tmp_path):
    before = _samples(cotan.profiler.device_memory_profile())
    kept = [cnp.zeros((3, 977)), cnp.ones((3, 977)), cnp.zeros(613, cnp.int8)]
    after = _samples(cotan.profiler.device_memory_profile())
    device = kept[0].device
    assert f"f32[3,977] on {device}" not in before
    assert after[f"f32[3,977] on {device}"] == (2, 2 * 3 * 977 * 4)
    assert after[f"i8[613] on {device}"] == (1, 613)
    path = tmp_path / "memory.prof"
    cotan.profiler.save_device_memory_profile(path, kept[0].platform())
    assert _samples(path.read_bytes())[f"i8[613] on {device}"] == (1, 613)
