"""What may go wrong in a program, as data: where and why (sites), whether it did (Error), and the exceptions for it.

An ``Error`` is a pytree of arrays, so that programs compute it; what its code means is static. Knows no transform.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import lax
from cotan.errors import CotanError, SourceFrame, format_frame
from cotan.ir.avals import ShapedArray, get_aval, shaped
from cotan.ir.trace import Tracer, current_trace, eval_trace
from cotan.primitives.check import check as bind_check
from cotan.tree import register_pytree_node


class CheckifyRuntimeError(CotanError, ValueError):
    """A check failed: raised by ``Error.throw``, ``check_error``, and a check that is run at once.

    Its text is that of ``Error.get``.
    """

    keeps_text = True


class CheckifyException(Exception):
    """Base of the categories of errors: what ``Error.get_exception`` returns."""


class FailedCheckError(CheckifyException):
    """A check of the user's failed."""


class NaNError(CheckifyException):
    """An operation gave NaN."""


class DivisionByZeroError(CheckifyException):
    """A division by zero."""


class OOBError(CheckifyException):
    """An index out of bounds."""


class BatchedError(CheckifyException):
    """Errors of mapped examples.

    Attributes:
      error_mapping: index along the mapped axes -> the exception.
    """

    def __init__(self, error_mapping: dict[tuple[int, ...], CheckifyException]) -> None:
        self.error_mapping = error_mapping
        super().__init__(
            "\n".join(f"at mapped index {', '.join(map(str, index))}: {e}" for index, e in error_mapping.items())
        )


Category = type[CheckifyException]
_codes = itertools.count(1)


class Site:
    """One thing that may go wrong at one place.

    Args:
      category: what kind of error it is.
      describe: the message, given the values of the payload.
      source: the place in the user's program.
      avals: the types of the payload.
    """

    __slots__ = ("avals", "category", "code", "describe", "source")

    def __init__(
        self,
        category: Category,
        describe: Callable[[Sequence[Any]], str],
        source: SourceFrame | None,
        avals: Sequence[ShapedArray],
    ) -> None:
        self.category = category
        self.describe = describe
        self.source = source
        self.avals = tuple(avals)
        self.code = next(_codes)

    def exception(self, payload: Sequence[Any]) -> CheckifyException:
        """The exception for values of the payload."""
        text = self.describe(payload)
        if self.source is None:
            return self.category(text)
        place = format_frame(self.source)
        # A message of the user's own comes first, as programs that look for it expect.
        return self.category(f"{text} at {place}" if self.category is FailedCheckError else f"{place}: {text}")

    def __repr__(self) -> str:
        return f"<{self.category.__name__} at {format_frame(self.source)}>"


_BOOL, _CODE = shaped((), np.dtype(np.bool_)), shaped((), np.dtype(np.int32))


class Sites:
    """Several sites, and how an error among them lies in a flat list: (failed, code, payloads in the sites' order)."""

    __slots__ = ("_hash", "sites")

    def __init__(self, sites: Sequence[Site] = ()) -> None:
        self.sites = tuple(sorted(sites, key=lambda site: site.code))
        self._hash = hash(self.sites)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sites) and self.sites == other.sites

    def __bool__(self) -> bool:
        return bool(self.sites)

    def __or__(self, other: Sites) -> Sites:
        return self if self.sites == other.sites else Sites({*self.sites, *other.sites})

    @property
    def avals(self) -> list[ShapedArray]:
        """The types of the flat list."""
        return [_BOOL, _CODE, *(aval for site in self.sites for aval in site.avals)]

    def __len__(self) -> int:
        return 2 + sum(len(site.avals) for site in self.sites)

    def exception(self, values: Sequence[np.ndarray[Any, Any]]) -> CheckifyException | None:
        """The exception that a flat list means; several in one if its values have axes of examples."""
        failed, code, *payload = values
        if not failed.ndim:
            return self._one(failed, code, payload)
        shape = failed.shape
        wide = [np.broadcast_to(x, shape + x.shape[failed.ndim :]) for x in (code, *payload)]
        found = {
            index: error
            for index in np.ndindex(*shape)
            if (error := self._one(failed[index], wide[0][index], [x[index] for x in wide[1:]])) is not None
        }
        return BatchedError(found) if found else None

    def _one(self, failed: Any, code: Any, payload: Sequence[Any]) -> CheckifyException | None:
        if not failed:
            return None
        start = 0
        for site in self.sites:
            if site.code == int(code):
                return site.exception(payload[start : start + len(site.avals)])
            start += len(site.avals)
        raise AssertionError(f"an error with the unknown code {int(code)}")

    def raise_error(self, values: Sequence[np.ndarray[Any, Any]]) -> None:
        """Raise if the values say that something failed."""
        found = self.exception(values)
        if found is not None:
            raise CheckifyRuntimeError(str(found)) from found

    def where(self) -> str:
        """The first place where something may go wrong."""
        return format_frame(self.sites[0].source if self.sites else None)

    def __repr__(self) -> str:
        return ", ".join(map(repr, self.sites))


class Error:
    """Whether and how a checked function failed: a pytree of arrays, for the time when the program has run.

    Mapped over examples (``vmap`` of a checked function) it holds the error of each.

    >>> from cotan.experimental import checkify
    >>> def root(x):
    ...     checkify.check(x >= 0, "{x} is negative", x=x)
    ...     return x**0.5
    >>> error, _ = checkify.checkify(root)(4.0)
    >>> error.get() is None
    True
    """

    __slots__ = ("_sites", "_values")

    def __init__(self, sites: Sites, values: Sequence[Any]) -> None:
        self._sites = sites
        self._values = tuple(values)

    def get(self) -> str | None:
        """The message of the first error; None if there was none. Of mapped examples: one line for each that failed."""
        found = self.get_exception()
        return None if found is None else str(found)

    def get_exception(self) -> CheckifyException | None:
        """The first error as an exception of its category; None if there was none."""
        return self._sites.exception([np.asarray(x) for x in self._values]) if self._sites else None

    def throw(self) -> None:
        """Raise if there was an error.

        Raises:
          CheckifyRuntimeError: with the message; its cause is the exception of the category.
        """
        if not self._sites:
            return
        if current_trace() is eval_trace:
            self._sites.raise_error([np.asarray(x) for x in self._values])
        else:
            bind_check(first_of_examples(self._values), self._sites)

    def __str__(self) -> str:
        return f"Error({self.get()})"

    def __repr__(self) -> str:
        if any(isinstance(x, Tracer) for x in self._values):
            return f"Error(of {len(self._sites.sites)} checks)"
        return str(self)


def first_of_examples(values: Sequence[Any]) -> list[Any]:
    """The values of one error, of mapped examples those of the first one that failed."""
    shape = get_aval(values[0]).shape
    if not shape:
        return list(values)
    size = int(np.prod(shape))
    index = lax.argmax(lax.reshape(values[0], (size,)), 0, np.int32)

    def one(x: Any) -> Any:
        rest = get_aval(x).shape[len(shape) :]
        row = lax.dynamic_slice(lax.reshape(x, (size, *rest)), [index, *[0] * len(rest)], (1, *rest))
        return lax.squeeze(row, (0,))

    return [one(x) for x in values]


register_pytree_node(Error, lambda e: (e._values, e._sites), lambda sites, values: Error(sites, tuple(values)))
init_error = Error(Sites(), (np.bool_(False), np.int32(0)))
"""The error of nothing."""
