"""Functional updates: ``x.at[index]`` with NumPy's meanings, by the reads and writes of ``indexing``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cotan.api.repeated import repeated
from cotan.ir.avals import get_aval
from cotan.numpy.index_expression import Array, parse
from cotan.numpy.indexing import FILL_OR_DROP, ONE_HOT, PROMISE, read, write
from cotan.primitives import arithmetic, scatter
from cotan.primitives.operands import PYTHON_SCALARS
from cotan.primitives.windows import GatherScatterMode
from cotan.structural import broadcast_in_dim
from cotan.tracebacks import guarded


class IndexUpdateHelper:
    """``x.at``: index it to say which elements to read or update.

    >>> import cotan.numpy as cnp
    >>> cnp.zeros(3).at[1].set(5.0)
    Array([0., 5., 0.], dtype=float32)
    """

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array

    def __getitem__(self, index: Any) -> IndexUpdateRef:
        return IndexUpdateRef(self.array, index)

    def __repr__(self) -> str:
        return f"IndexUpdateHelper({self.array!r})"


@guarded
class IndexUpdateRef:
    """``x.at[index]``: methods that give an array with the indexed elements changed; ``x`` itself stays as it is.

    All take ``indices_are_sorted`` and ``unique_indices`` (promises that may make them faster), ``mode`` ('drop', the
    default for updates: elements out of bounds are left alone; 'clip'; 'promise_in_bounds'; for ``get``, which clamps
    by default, also 'fill') and ``wrap_negative_indices``. If one element is set several times, the last value stays.
    """

    __slots__ = ("array", "index")

    def __init__(self, array: Any, index: Any) -> None:
        self.array = array
        self.index = index

    def __repr__(self) -> str:
        return f"IndexUpdateRef({self.array!r}, {self.index!r})"

    def get(
        self,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | GatherScatterMode | None = None,
        fill_value: Any = None,
        out_sharding: Any = None,
        wrap_negative_indices: bool = True,
    ) -> Any:
        """The indexed elements, with a say about those out of bounds.

        >>> import cotan.numpy as cnp
        >>> cnp.arange(3.0).at[5].get(mode='fill', fill_value=-1)
        Array(-1., dtype=float32)
        """
        chosen = PROMISE if mode is None else GatherScatterMode.from_any(mode)
        if chosen is ONE_HOT:
            chosen, fill_value = FILL_OR_DROP, 0
        return read(
            self.array,
            parse(self.array.shape, self.index),
            chosen,
            fill_value=fill_value,
            wrap=wrap_negative_indices,
            unique_indices=unique_indices,
            indices_are_sorted=indices_are_sorted,
        )

    def _write(
        self,
        x: Any,
        operation: Callable[..., Any],
        values: Any,
        mode: Any = None,
        out_sharding: Any = None,
        wrap_negative_indices: bool = True,
        **flags: bool,
    ) -> Any:
        chosen = GatherScatterMode.from_any(mode)
        entries = parse(self.array.shape, self.index)
        return write(x, entries, values, operation, chosen, wrap=wrap_negative_indices, **flags)

    def set(self, values: Any, **options: Any) -> Any:
        """``x[index] = values``."""
        return _assigned(self.array, self.index, values, **options)

    def add(self, values: Any, **options: Any) -> Any:
        """``x[index] += values``, also for elements named several times."""
        return self._write(self.array, scatter.scatter_add, values, **options)

    def subtract(self, values: Any, **options: Any) -> Any:
        """``x[index] -= values``."""
        values = -values if type(values) in PYTHON_SCALARS else arithmetic.neg(values)
        return self._write(self.array, scatter.scatter_add, values, **options)

    def multiply(self, values: Any, **options: Any) -> Any:
        """``x[index] *= values``."""
        return self._write(self.array, scatter.scatter_mul, values, **options)

    mul = multiply

    def divide(self, values: Any, **options: Any) -> Any:
        """``x[index] /= values``; integers give floats."""
        from cotan.numpy.ufuncs import true_divide

        return true_divide(self.array, self._write(_ones(self.array), scatter.scatter_mul, values, **options))

    def power(self, values: Any, **options: Any) -> Any:
        """``x[index] **= values``."""
        from cotan.numpy.ufuncs import power

        return power(self.array, self._write(_ones(self.array), scatter.scatter_mul, values, **options))

    def min(self, values: Any, **options: Any) -> Any:
        """``x[index] = minimum(x[index], values)``."""
        return self._write(self.array, scatter.scatter_min, values, **options)

    def max(self, values: Any, **options: Any) -> Any:
        """``x[index] = maximum(x[index], values)``."""
        return self._write(self.array, scatter.scatter_max, values, **options)

    def apply(self, func: Callable[[Any], Any], **options: Any) -> Any:
        """``x[index] = func(x[index])``, for an elementwise function: as often as an element is named.

        >>> import cotan.numpy as cnp
        >>> cnp.ones(3).at[cnp.array([0, 2, 2])].apply(lambda v: 3 * v)
        Array([3., 1., 9.], dtype=float32)
        """
        once = self.set(func(self.get(wrap_negative_indices=options.get("wrap_negative_indices", True))), **options)
        entries = parse(self.array.shape, self.index)
        if options.get("unique_indices") or all(not isinstance(e, Array) or e.mask is not None for e in entries):
            return once
        from cotan.lax.assembly import apply_times

        zeros = broadcast_in_dim(np.int32(0), self.array.shape, ())
        times = self._write(zeros, scatter.scatter_add, np.int32(1), **options)
        return apply_times(func, once, arithmetic.sub(times, np.int32(1)))


@repeated(masks=False)
def _assigned(array: Any, index: Any, values: Any, **options: Any) -> Any:
    return IndexUpdateRef(array, index)._write(array, scatter.scatter, values, **options)


def _ones(x: Any) -> Any:
    aval = get_aval(x)
    return broadcast_in_dim(np.ones((), aval.dtype), aval.shape, ())
