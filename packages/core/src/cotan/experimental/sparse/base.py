"""JAXSparse, what all sparse arrays are: attributes, the operators' hooks, and how they are shown. Knows no format."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from cotan.errors import where


def _operator(name: str, symbol: str) -> Callable[..., Any]:
    def op(self: JAXSparse, *others: Any) -> Any:
        return self._operate(name, symbol, *others)

    op.__name__ = op.__qualname__ = name
    return op


class JAXSparse:
    """Base of the sparse arrays: ``shape``, ``dtype``, ``ndim``, ``size``, ``nse``, ``T``, ``todense()``.

    A sparse array is a pytree of dense ones: transformations see its stored values and its indices.
    """

    data: Any
    shape: tuple[int, ...]
    __array_ufunc__ = None  # operators between NumPy arrays and sparse ones are the latter's
    __hash__ = None  # type: ignore[assignment]

    @property
    def dtype(self) -> Any:
        """The dtype of the stored values."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements, stored or not."""
        return math.prod(self.shape)

    @property
    def nse(self) -> int:
        """The number of elements that are stored."""
        raise NotImplementedError(f"{where()}: {type(self).__name__} does not say how many elements it stores")

    @property
    def T(self) -> Any:
        """The array with its axes in reverse order."""
        return self.transpose()

    def todense(self) -> Any:
        """The dense array."""
        raise NotImplementedError(f"{where()}: {type(self).__name__} has no dense form")

    def transpose(self, axes: Any = None) -> Any:
        """The array with its axes permuted."""
        raise _missing(self, "transpose")

    def sum(self, *args: Any, **kwargs: Any) -> Any:
        """Sums along axes."""
        raise _missing(self, "sum")

    def tree_flatten(self) -> tuple[tuple[Any, ...], Any]:
        """The arrays it is made of, the stored values first, and what is static."""
        raise NotImplementedError(f"{where()}: {type(self).__name__} is no pytree")

    def block_until_ready(self) -> Any:
        """Wait until its arrays are computed; returns the array itself."""
        for array in self.tree_flatten()[0]:
            array.block_until_ready()
        return self

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{where()}: len() of a sparse array of no axes")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        raise _missing(self, "indexing")

    def __iter__(self) -> Iterator[Any]:
        # Without it Python would count until an index is refused, and none out of bounds is.
        return iter([self[i] for i in range(len(self))])

    def __repr__(self) -> str:
        try:
            inside = f"{self.dtype}{list(self.shape)}, nse={self.nse}{self._layout_text()}"
        except (AttributeError, IndexError, TypeError):
            inside = "<not arrays>"
        return f"{type(self).__name__}({inside})"

    def _layout_text(self) -> str:
        return "".join(f", {n}={getattr(self, n)}" for n in ("n_batch", "n_dense") if getattr(self, n, 0))

    def _operate(self, name: str, symbol: str, *others: Any) -> Any:
        raise _missing(self, symbol)

    __neg__ = _operator("neg", "-x")
    __pos__ = _operator("pos", "+x")
    __abs__ = _operator("abs", "abs")
    __add__ = _operator("add", "+")
    __radd__ = _operator("radd", "+")
    __sub__ = _operator("sub", "-")
    __rsub__ = _operator("rsub", "-")
    __mul__ = _operator("mul", "*")
    __rmul__ = _operator("rmul", "*")
    __truediv__ = _operator("truediv", "/")
    __rtruediv__ = _operator("rtruediv", "/")
    __floordiv__ = _operator("floordiv", "//")
    __rfloordiv__ = _operator("rfloordiv", "//")
    __mod__ = _operator("mod", "%")
    __rmod__ = _operator("rmod", "%")
    __pow__ = _operator("pow", "**")
    __rpow__ = _operator("rpow", "**")
    __matmul__ = _operator("matmul", "@")
    __rmatmul__ = _operator("rmatmul", "@")
    __eq__ = _operator("eq", "==")  # type: ignore[assignment]
    __ne__ = _operator("ne", "!=")  # type: ignore[assignment]
    __lt__ = _operator("lt", "<")
    __le__ = _operator("le", "<=")
    __gt__ = _operator("gt", ">")
    __ge__ = _operator("ge", ">=")


def _missing(x: JAXSparse, what: str) -> NotImplementedError:
    return NotImplementedError(
        f"{where()}: {type(x).__name__} does not do {what}; make a BCOO of it, or a dense array by todense()"
    )
