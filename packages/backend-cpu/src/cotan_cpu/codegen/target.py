"""What the code generator knows about the machine it prints for: vector widths and a few instruction sets.

Imports no LLVM: a ``Target`` is plain data, made for the host by ``jit.host_target`` or by hand in tests.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass

LINE = 64
"""Bytes of a line of the caches."""


def _last_cache_bytes() -> int:
    try:
        found = os.sysconf("SC_LEVEL3_CACHE_SIZE")
    except (AttributeError, ValueError, OSError):
        found = 0
    return found if found > 0 else 32 << 20


@dataclass(frozen=True)
class Target:
    """A machine to print for.

    Attributes:
      cpu: LLVM's name of the processor.
      features: LLVM feature string, such as '+avx2,+fma'.
      vector_bytes: width of the vector registers that are worth using.
      masked: whether loads and stores under a mask are single instructions for every element width.
      masked_words: whether they are for elements of 4 and 8 bytes that lie side by side.
      fma: whether a fused multiply-add is one instruction.
      half: whether conversions between float16 and float32 are instructions.
      rounding: whether floor, ceil, trunc and round-to-even are instructions.
      registers: how many vector registers there are.
      avx512: whether AVX-512 is there (F, BW, VL and DQ).
      streaming: bytes moved by a kernel from which on what it writes goes past the caches, which could not hold it; 0
        where stores that do so are not known.

    >>> Target.from_features("x86-64", ["sse2"], "x86_64").vector_bytes
    16
    """

    cpu: str = "generic"
    features: str = ""
    vector_bytes: int = 16
    masked: bool = False
    masked_words: bool = False
    fma: bool = False
    half: bool = False
    rounding: bool = False
    registers: int = 16
    avx512: bool = False
    streaming: int = 0

    @staticmethod
    def from_features(cpu: str, enabled: Iterable[str], machine: str | None = None, features: str = "") -> Target:
        """The target of a processor with these LLVM features enabled; ``machine`` is as in ``platform.machine()``."""
        has = set(enabled)
        machine = (machine or platform.machine()).lower()
        if machine in ("arm64", "aarch64"):
            return Target(cpu, features, 16, masked=False, fma=True, half=True, rounding=True, registers=32)
        wide = {"avx512f", "avx512bw", "avx512vl", "avx512dq"} <= has
        return Target(
            cpu,
            features,
            vector_bytes=64 if wide else 32 if "avx2" in has else 16,
            masked=wide,
            masked_words="avx2" in has,
            fma="fma" in has,
            half="f16c" in has,
            rounding="sse4.1" in has,
            registers=32 if wide else 16,
            avx512=wide,
            streaming=_last_cache_bytes(),
        )
