"""Callers written out for one executable: straight-line code from buffers to buffers, without lists and loops.

Making a result costs more than many programs do, so what is known of it (its size, whether it lies in an argument's
memory) is decided when the text is written. Knows buffers and memory; no program and no native code.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from cotan_cpu.buffers import CpuBuffer, is_exclusive
from cotan_cpu.pool import SMALLEST, Block, pool


class Made(NamedTuple):
    """An array that native code fills: new memory, or that of argument ``taken``."""

    shape: tuple[int, ...]
    dtype: np.dtype
    nbytes: int
    taken: int | None = None


def shaped(array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The same memory as an array of another type of the same size."""
    if array.shape == shape and array.dtype == dtype:
        return array
    if type(array.base) is Block:
        return np.ndarray(shape, dtype, array.base)
    return np.ndarray(shape, dtype, array)


@functools.lru_cache(256)
def _compiled(source: str) -> CodeType:
    return compile(source, __file__, "exec")


def write_caller(
    call: Callable[..., None],
    device: Any,
    count: int,
    made: Sequence[Made],
    results: Sequence[tuple[str, int]],
    constants: Sequence[np.ndarray],
    overwrites: Sequence[int] = (),
    otherwise: Callable[[list[CpuBuffer]], list[CpuBuffer]] | None = None,
) -> Callable[..., Any]:
    """A function of ``count`` buffers that returns the buffer of the only result, or those of several in a tuple.

    Args:
      call: the native code, as a function of the arrays of arguments and of ``made``.
      results: where each is found: ('new', number in ``made``), ('input', argument) or ('const', number).
      overwrites: arguments whose memory the code writes to; where something else can see one of them, ``otherwise``
        does the whole call.
    """
    names: dict[str, Any] = {
        "call": call, "device": device, "CpuBuffer": CpuBuffer, "empty": np.empty,
        "pooled": pool.empty, "shaped": shaped, "is_exclusive": is_exclusive, "otherwise": otherwise,
    }  # fmt: skip
    buffers = [f"b{k}" for k in range(count)]
    lines = [f"def caller({', '.join(buffers)}):"]
    fallback = _returned("otherwise", buffers, len(results))
    lines.extend(f"    if not is_exclusive(b{k}): return {fallback}" for k in overwrites)
    for slot, (shape, dtype, nbytes, taken) in enumerate(made):
        names.update({f"S{slot}": shape, f"T{slot}": dtype})
        if taken is not None:
            value = f"shaped(b{taken}.array, S{slot}, T{slot})"
        else:
            value = f"empty(S{slot}, T{slot})" if nbytes < SMALLEST else f"pooled(S{slot}, T{slot}, {nbytes})"
        lines.append(f"    a{slot} = {value}")
    arrays = [*(f"{b}.array" for b in buffers), *(f"a{slot}" for slot in range(len(made)))]
    lines.append(f"    call({', '.join(arrays)})")
    found: dict[tuple[str, int], str] = {}
    for place, number in results:
        if (place, number) in found:
            continue
        name = found[(place, number)] = f"r{len(found)}"
        if place == "const":
            names[f"c{number}"] = constants[number]
        array = {"new": f"a{number}", "input": f"b{number}.array", "const": f"c{number}"}[place]
        lines.append(f"    {name} = CpuBuffer(); {name}.array = {array}; {name}.device = device")
    returned = [found[place] for place in results]
    lines.append(f"    return {returned[0] if len(returned) == 1 else '(' + ''.join(r + ', ' for r in returned) + ')'}")
    exec(_compiled("\n".join(lines)), names)
    return names["caller"]  # type: ignore[no-any-return]


def _returned(function: str, buffers: Sequence[str], count: int) -> str:
    found = f"{function}([{', '.join(buffers)}])"
    return f"{found}[0]" if count == 1 else f"tuple({found})"
