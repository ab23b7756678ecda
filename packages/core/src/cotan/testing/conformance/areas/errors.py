"""What users see where something goes wrong: refusals that say who refuses what, and backends that stay usable after.

Knows the texts only as far as every backend must give them: its own name, the primitive, the dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import dtypes, lax
from cotan.config import config
from cotan.errors import UnsupportedError
from cotan.experimental import checkify
from cotan.ir.avals import shaped
from cotan.ir.primitive import Primitive, abstract
from cotan.testing.conformance.cases import checks, refused
from cotan.testing.conformance.subject import Subject

F = np.float32
X = np.arange(6, dtype=F).reshape(2, 3)
STRANGER = "conformance_stranger"
_found, case = checks()


def cases() -> list[Any]:
    """The checks below."""
    return _found


def stranger(x: Any) -> Any:
    """A call of a primitive for which nobody has a rule but its type."""
    primitive = Primitive.catalogue.get(STRANGER)
    if primitive is None:
        primitive = Primitive(STRANGER)
        abstract(primitive)(lambda x: shaped(x.shape, x.dtype))
    try:
        return primitive.bind(x)
    finally:
        Primitive.catalogue.pop(STRANGER, None)


def usable(subject: Subject) -> None:
    """Hold the backend to working still, at once and compiled."""
    f = cotan.jit(lambda x: cnp.cumsum(x * 2, 1).sum(0))
    np.testing.assert_array_equal(np.asarray(f(X)), (X * 2).cumsum(1).sum(0))
    np.testing.assert_array_equal(np.asarray(cotan.device_put(X) + 1), X + 1)
    subject.device.synchronize()


def _unknown(subject: Subject, call: Callable[[Any], Any]) -> None:
    refused(Exception, lambda: call(X), "a primitive that nobody knows", STRANGER)
    usable(subject)


@case("errors/primitives/unknown at once")
def _(subject: Subject) -> None:
    _unknown(subject, lambda x: stranger(cotan.device_put(x)))


@case("errors/primitives/unknown in a program")
def _(subject: Subject) -> None:
    _unknown(subject, cotan.jit(lambda x: stranger(x * 2) + 1))


@case("errors/primitives/unknown in a loop")
def _(subject: Subject) -> None:
    _unknown(subject, cotan.jit(lambda x: lax.fori_loop(0, 3, lambda _, c: stranger(c), x)))


def _unclaimed(subject: Subject, call: Callable[[np.dtype[Any]], Any]) -> None:
    """A dtype that is not claimed is refused by a text that names it, and the backend; nothing if all are claimed."""
    for name in ("int4", "float8_e5m2", "float16", "bfloat16", "complex64", "complex128", "float64", "int64"):
        if name not in subject.capabilities.dtypes:
            with config.override(enable_x64=True):
                for text in (name, subject.backend.name):
                    refused(
                        UnsupportedError,
                        partial(call, np.dtype(getattr(dtypes, name, name))),
                        f"the dtype {name}",
                        text,
                    )
    usable(subject)


@case("errors/dtypes/of arguments")
def _(subject: Subject) -> None:
    _unclaimed(subject, lambda dtype: cotan.device_put(np.zeros(3, dtype)))


@case("errors/dtypes/of results at once")
def _(subject: Subject) -> None:
    x = cotan.device_put(X)
    _unclaimed(subject, lambda dtype: lax.convert_element_type(x, dtype))


@case("errors/dtypes/of results of programs")
def _(subject: Subject) -> None:
    _unclaimed(subject, lambda dtype: cotan.jit(lambda x: lax.convert_element_type(x * 2, dtype))(X))


@case("errors/values/NaN is found where it arises")
def _(subject: Subject) -> None:
    with config.override(debug_nans=True):
        for call in (lambda x: cnp.log(x - 4), cotan.jit(lambda x: cnp.log(x - 4) * 2)):
            refused(FloatingPointError, partial(call, cotan.device_put(X)), "a NaN under debug_nans", "log")
        usable(subject)


@case("errors/values/checks in programs")
def _(subject: Subject) -> None:
    def positive(x: Any) -> Any:
        checkify.check(cnp.all(x >= 0), "an element is negative: {least}", least=x.min())
        return cnp.sqrt(x)

    checked = cotan.jit(checkify.checkify(positive))
    error, root = checked(X)
    error.throw()
    np.testing.assert_allclose(np.asarray(root), np.sqrt(X), rtol=1e-6)
    error, _ = checked(X - 4)
    refused(Exception, error.throw, "a check that fails", "an element is negative: -4")


@case("errors/memory/more than there is")
def _(subject: Subject) -> None:
    """An allocation that no device has room for is an error, and the next one is not."""
    refused(Exception, lambda: cnp.zeros((1 << 30, 1 << 15), F).block_until_ready(), "an array of 128 TiB is no array")
    usable(subject)


@case("errors/arguments/of other shapes than the program's")
def _(subject: Subject) -> None:
    """A program that is called with other shapes is compiled anew; what is compiled ahead of time refuses."""
    compiled = cotan.jit(lambda x: x + 1).lower(X).compile()
    np.testing.assert_array_equal(np.asarray(compiled(X)), X + 1)
    refused(TypeError, lambda: compiled(X[:1]), "an argument of another shape than it was compiled for")
    np.testing.assert_array_equal(np.asarray(compiled(X * 2)), X * 2 + 1)
