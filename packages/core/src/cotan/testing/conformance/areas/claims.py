"""Capabilities, both ways: what is claimed is there, and what is not claimed is refused with UnsupportedError."""

from __future__ import annotations

from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.backend import Capabilities, CompileOptions
from cotan.compiler import compile_to_program, decompose_jaxpr
from cotan.errors import UnsupportedError
from cotan.ir.avals import shaped
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive, reference
from cotan.primitives.arithmetic import add_p
from cotan.primitives.reduce import reduce_max
from cotan.structural import reduce_sum
from cotan.testing.conformance.cases import COMPILED, checks, refused
from cotan.testing.conformance.subject import Subject
from cotan.transforms.stage import stage_closed

F = np.float32
X = np.arange(12, dtype=F).reshape(3, 4)
AVAL = shaped((3, 4), np.dtype(F))
_found, case = checks()


def cases() -> list[Any]:
    """The checks below."""
    return _found


def _closed() -> ClosedJaxpr:
    return stage_closed(lambda x: [reduce_sum(x, (0,)), reduce_max(x, (1,))], [AVAL], name="two_reductions")


@case("claims/capabilities/are a record")
def _(subject: Subject) -> None:
    assert isinstance(subject.capabilities, Capabilities)
    assert subject.backend.capabilities == subject.capabilities
    unknown = [name for name in subject.capabilities.dtypes if not isinstance(name, str)]
    assert not unknown, f"dtypes are named by strings, not {unknown}"


@case("claims/door 1/eager")
def _(subject: Subject) -> None:
    buffers = [subject.device.put(X), subject.device.put(X)]

    def run() -> Any:
        return subject.backend.eager(add_p, buffers, {}, [AVAL], subject.device)

    if not subject.capabilities.eager:
        refused(UnsupportedError, run, "door 1, which is not claimed")
        return
    [result] = run()
    np.testing.assert_array_equal(result.to_host(), X + X)
    assert result.to_host().dtype == F


@case("claims/door 1/unknown primitives are refused")
def _(subject: Subject) -> None:
    if subject.capabilities.eager:
        stranger = Primitive("conformance_stranger") if "conformance_stranger" not in Primitive.catalogue else None
        stranger = stranger or Primitive.catalogue["conformance_stranger"]
        Primitive.catalogue.pop("conformance_stranger", None)
        from cotan.ir.rules import MissingRuleError

        try:
            subject.backend.eager(stranger, [subject.device.put(X)], {}, [AVAL], subject.device)
        except (UnsupportedError, MissingRuleError) as error:
            assert "conformance_stranger" in str(error), f"the refusal does not name the primitive: {error}"  # noqa: PT017
        else:
            raise AssertionError("it ran a primitive that does not exist")


@case("claims/door 2/kernels")
def _(subject: Subject) -> None:
    closed = _closed()
    program = compile_to_program(closed, supports_library=subject.backend.lowerings().library, name="two_reductions")

    def run() -> Any:
        executable = subject.backend.compile(program, CompileOptions(subject.device, name="two_reductions"))
        return executable.run([subject.device.put(X)])

    if not subject.capabilities.kernels:
        refused(UnsupportedError, run, "door 2, which is not claimed")
        return
    total, largest = (buffer.to_host() for buffer in run())
    np.testing.assert_array_equal(total, X.sum(0))
    np.testing.assert_array_equal(largest, X.max(1))


@case("claims/door 3/program")
def _(subject: Subject) -> None:
    native = subject.backend.lowerings().native if subject.capabilities.program else list(reference)
    closed = decompose_jaxpr(_closed(), native)

    def run() -> Any:
        executable = subject.backend.compile(closed, CompileOptions(subject.device, name="two_reductions"))
        return executable.run([subject.device.put(X)])

    if not subject.capabilities.program:
        refused(UnsupportedError, run, "door 3, which is not claimed")
        return
    total, largest = (buffer.to_host() for buffer in run())
    np.testing.assert_array_equal(total, X.sum(0))
    np.testing.assert_array_equal(largest, X.max(1))


@case("claims/executables/run again and again", levels=COMPILED)
def _(subject: Subject) -> None:
    f = cotan.jit(lambda x: (x * 2, x.sum(0)))
    results = [f(X + F(k)) for k in range(20)]  # all before the first is read, which an Array remembers
    for k, (double, total) in enumerate(results):
        np.testing.assert_array_equal(np.asarray(double), (X + F(k)) * 2, f"call {k} of 20")
        np.testing.assert_array_equal(np.asarray(total), (X + F(k)).sum(0), f"call {k} of 20")


@case("claims/executables/are apart", levels=COMPILED)
def _(subject: Subject) -> None:
    """Programs of one name and one kind of arguments, which differ in a number, a table or a parameter."""
    tables = [np.array([k, 1, 2, 3], F) for k in range(3)]
    for k, table in enumerate(tables):
        for axis in (0, 1):
            f = cotan.jit(lambda x, k=k, table=table, axis=axis: (x * k + table).sum(axis))
            np.testing.assert_array_equal(np.asarray(f(X)), (X * F(k) + table).sum(axis))
            np.testing.assert_array_equal(np.asarray(f(X.astype(np.int32))), (X * F(k) + table).sum(axis))


@case("claims/executables/what is told of them", levels=COMPILED)
def _(subject: Subject) -> None:
    compiled = cotan.jit(lambda x: cnp.tanh(x) @ x.T).lower(X).compile()
    np.testing.assert_allclose(np.asarray(compiled(X)), np.tanh(X) @ X.T, rtol=1e-4)
    assert isinstance(cotan.explain(lambda x: cnp.tanh(x) @ x.T)(X), str)


@case("claims/dispatch/at once", levels=COMPILED)
def _(subject: Subject) -> None:
    """Operations outside of jit, which a backend without door 1 runs as programs of one equation."""
    x = cotan.device_put(X)
    np.testing.assert_array_equal(np.asarray(x + 1), X + 1)
    np.testing.assert_array_equal(np.asarray(x.sum(0)), X.sum(0))
    np.testing.assert_array_equal(np.asarray(x[1:, ::2]), X[1:, ::2])
    np.testing.assert_array_equal(np.asarray(cnp.arange(5)), np.arange(5))
    carry, _ = lax.scan(lambda c, r: (c + r, None), x[0], x)
    np.testing.assert_array_equal(np.asarray(carry), X[0] + X.sum(0))


@case("claims/control flow/compiled or step by step", levels=COMPILED)
def _(subject: Subject) -> None:
    f = cotan.jit(lambda n, x: lax.fori_loop(0, n, lambda _, x: x * 2, x))
    for n in (0, 1, 5):
        np.testing.assert_array_equal(np.asarray(f(n, X)), X * 2**n)


@case("claims/lowerings/name primitives that exist")
def _(subject: Subject) -> None:
    table = subject.backend.lowerings()
    assert table.backend == subject.backend.name
    known = set(Primitive.catalogue.values())
    for kind in table.kinds:
        strangers = [str(p) for p in table.table(kind) if p not in known]
        assert not strangers, f"rules of kind {kind} for {strangers}"
    assert table.on_host <= set(table.library), "on_host names primitives that the library table has not"
