"""Fourier transforms."""

from __future__ import annotations

from typing import Any

from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.lower.table import rule


@rule("fft")
def _fft(c: Any, x: Any, fft_type: Any, fft_lengths: Any) -> Any:
    if len(fft_lengths) > 3 or 0 in c.ins[0].shape or 0 in c.out.shape:
        return c.decomposed(x)
    return hlo.fft(x, hlo.FftTypeAttr.get(fft_type.name), list(fft_lengths))
