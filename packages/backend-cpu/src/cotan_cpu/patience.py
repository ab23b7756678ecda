"""Operations at once that become native code when they have taken about as long as making it does.

It is for operations whose values leave no choice, so that who computes them shows in time alone. Compiling at the first
call would make a short program slow, and never compiling a long one: this way takes at most twice as long as the better
of the two. What is found to be no quicker as native code stays what it was. Knows no primitive and no table.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cotan.config import config

PAYS_AFTER = 0.02
"""Seconds that an operation takes by its usual way before native code is made, which takes about as long."""
_TRIALS = 4
"""Calls in which native code must once be quicker than the usual way has ever been."""

Run = Callable[..., Any]


def _may_compile() -> bool:
    return config.compile_repeated and not config.compiles_nothing


class Patient:
    """An operation at given types and parameters, as a function of ndarrays.

    Args:
      usual: how it is computed at first.
      make: makes native code for it; None where there is none.
      compares: whether its calls take equally long, so that those of native code are to be compared with them.
    """

    __slots__ = ("_compares", "_made", "_make", "_seconds", "_settled", "_shortest", "_trials", "_usual")

    def __init__(self, usual: Run, make: Callable[[], Run | None], compares: bool) -> None:
        self._usual = usual
        self._make = make
        self._compares = compares
        self._made: Run | None = None
        self._settled: Run | None = None
        self._seconds = 0.0
        self._shortest = math.inf
        self._trials = 0

    @property
    def native(self) -> Run | None:
        """The native code that it has become."""
        return self._settled if self._settled is self._made else None

    def begin(self) -> None:
        """Make native code before the first call, and keep it, unless flags forbid that."""
        if self._settled is None and _may_compile():
            self._made = self._make()
            self._settled = self._made or self._usual

    def __call__(self, *arrays: np.ndarray) -> Any:
        run = self._settled
        if run is not None:
            return run(*arrays)
        made = self._made
        if made is None and self._seconds >= PAYS_AFTER and _may_compile():
            made = self._made = self._make()
            if made is None or not self._compares:
                run = self._settled = made or self._usual
                return run(*arrays)
        begin = time.perf_counter()
        result = (made or self._usual)(*arrays)
        spent = time.perf_counter() - begin
        if made is None:
            self._seconds += spent
            self._shortest = min(self._shortest, spent)
            return result
        self._trials += 1
        if spent < self._shortest:
            self._settled = made
        elif self._trials == _TRIALS:
            self._settled = self._usual
        return result
