"""Host functions as XLA's CPU runtime calls them, and how what they raise comes back to the caller of the program.

The runtime hands on the text of an exception only, so the exception waits here under a number that the text carries.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections import OrderedDict
from typing import Any

import numpy as np

from cotan.compiler.keys import words_aval
from cotan.ir.avals import ShapedArray
from cotan_xla_tpu.driver import stored_dtype

_MARK = "cotan host function raised, number "
_KEPT = 64
_raised: OrderedDict[int, BaseException] = OrderedDict()
_numbers = itertools.count(1)
_lock = threading.Lock()


class HostCall:
    """A host function of a program.

    Args:
      function: from NumPy arrays and the types of the results to the results.
      ins, outs: the types of operands and results.
      ordered: whether one more operand comes, and is passed on, by which calls keep their order.
    """

    __slots__ = ("function", "ins", "ordered", "outs")

    def __init__(
        self, function: Any, ins: tuple[ShapedArray, ...], outs: tuple[ShapedArray, ...], ordered: bool
    ) -> None:
        self.function = function
        self.ins = tuple(map(words_aval, ins))
        self.outs = outs
        self.ordered = ordered

    def __call__(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        last = (np.asarray(arrays[-1]),) if self.ordered else ()
        # Memory is the runtime's, for the time of the call.
        given = [
            np.array(x).reshape(aval.shape).astype(aval.dtype, copy=False)
            for x, aval in zip(arrays, self.ins, strict=False)
        ]
        try:
            found = self.function(given, self.outs)
        except BaseException as error:
            raise RuntimeError(f"{_MARK}{_keep(error)}") from None
        results = [np.asarray(x).astype(stored_dtype(x.dtype), copy=False) for x in found]
        return (*results, *last)


def _keep(error: BaseException) -> int:
    with _lock:
        number = next(_numbers)
        _raised[number] = error
        while len(_raised) > _KEPT:
            _raised.popitem(last=False)
    return number


def raised_behind(error: BaseException) -> BaseException | None:
    """The exception of a host function that made a program fail with ``error``."""
    found = re.search(rf"{_MARK}(\d+)", str(error))
    if found is None:
        return None
    with _lock:
        return _raised.get(int(found[1]))
