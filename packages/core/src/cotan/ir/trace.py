"""Traces and tracers: who interprets the operations that run now.

There is one current trace per thread. Every ``Primitive.bind`` goes to it; a value that belongs to another, outer trace
is a constant to it. Knows no transform and no operation. Upper rooms fill two slots at import: ``eager`` (how a
primitive runs at once) and ``operators`` (what ``tracer + 1`` means).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from cotan import errors
from cotan.config import config
from cotan.ir.avals import ShapedArray, aval_of_type

if TYPE_CHECKING:
    from cotan.ir.primitive import Primitive


class Trace:
    """An interpreter of primitives. Subclasses say what ``process`` does with operands that may be their tracers."""

    __slots__ = ("alive", "__weakref__")
    name = "trace"

    def __init__(self) -> None:
        self.alive = True

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        raise TypeError(f"{type(self).__name__} does not process primitives")

    def run(self, routine: Any, operands: Sequence[Any]) -> Any:
        """The values of a recorded sequence of operations (``transforms.routines``), this trace being the current one.

        Values that are no results may be missing.
        """
        return routine.run(operands, self)

    def owns(self, tracer: Tracer) -> bool:
        """Whether ``tracer`` is one of this trace's own."""
        return tracer._trace is self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class _Slots:
    """What upper rooms fill in at import."""

    __slots__ = ("eager", "operators")
    eager: Callable[[Any, Sequence[Any], dict[str, Any]], Any] | None
    operators: type | None

    def __init__(self) -> None:
        self.eager = None
        self.operators = None


slots = _Slots()


class EvalTrace(Trace):
    """The outermost trace: runs each primitive at once on a device."""

    __slots__ = ()
    name = "eager evaluation"

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if slots.eager is None:
            raise RuntimeError("nothing can run yet: import cotan first, which fills in how primitives run")
        return slots.eager(primitive, args, params)  # refuses tracers that mean nothing outside


eval_trace = EvalTrace()
current_trace_variable: ContextVar[Trace] = ContextVar("cotan_current_trace", default=eval_trace)
current_trace: Callable[[], Trace] = current_trace_variable.get
# For machinery that switches traces at every operation, where a context manager would cost more than the work:
# ``token = enter_trace(t); try: ...; finally: leave_trace(token)``.
enter_trace: Callable[[Trace], Token[Trace]] = current_trace_variable.set
leave_trace: Callable[[Token[Trace]], None] = current_trace_variable.reset


@contextmanager
def set_current_trace(trace: Trace) -> Iterator[None]:
    """Make ``trace`` the current one for the time of the block."""
    token = current_trace_variable.set(trace)
    try:
        yield
    finally:
        current_trace_variable.reset(token)


class new_trace:
    """Make ``trace`` the current one for the block, and end it after: its tracers are dead then."""

    __slots__ = ("_token", "_trace")

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __enter__(self) -> Any:
        trace = self._trace
        if config.check_tracer_leaks:
            from cotan.ir.leaks import watch

            watch(trace)
        self._token = current_trace_variable.set(trace)
        return trace

    def __exit__(self, *error: object) -> None:
        current_trace_variable.reset(self._token)
        self._trace.alive = False


def trace_state_clean() -> bool:
    """Whether nothing is being traced on this thread."""
    return current_trace_variable.get() is eval_trace


def escaped(tracer: Tracer) -> errors.UnexpectedTracerError:
    """The error for a tracer met outside of the function whose tracing made it."""
    error = errors.UnexpectedTracerError(
        f"{errors.where()}: a value ({tracer.aval.short()}) leaked out of a function that was being traced by "
        f"{tracer._trace.name}; it was kept in a global, an attribute or a closure and is used after (or outside of) "
        "that call. Return it from the function instead of storing it."
    )
    error.tracing = tracer._trace.alive
    return error


class Tracer:
    """A stand-in for an array while a function is traced.

    Subclasses have ``aval`` and, where the value is known (under grad and jvp), override ``concrete``.
    """

    __slots__ = ("_trace", "__weakref__")
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]
    _trace: Trace

    def __init_subclass__(cls) -> None:
        aval_of_type[cls] = attrgetter("aval")

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    @property
    def aval(self) -> ShapedArray:
        raise TypeError(f"{type(self).__name__} has no abstract value")

    def concrete(self) -> Any:
        """The concrete value behind the tracer (an Array), or None where it is not known while tracing."""
        return None

    def settled(self) -> Any:
        """The array, for one that only waits to be computed (``transforms.deferred``); others are what they are."""
        return self

    def outside(self) -> Any:
        """The array that it is outside of its trace.

        Raises:
          UnexpectedTracerError: there is none.
        """
        found = self.settled()
        if found is self:
            raise escaped(self)
        return found

    def origin(self) -> str:
        """Where the value comes from, for messages; may be empty."""
        return ""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> Any:
        return self.aval.dtype

    @property
    def weak_type(self) -> bool:
        return self.aval.weak_type

    @property
    def ndim(self) -> int:
        return len(self.aval.shape)

    @property
    def size(self) -> int:
        return self.aval.size

    @property
    def itemsize(self) -> int:
        return int(self.aval.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        return self.aval.nbytes

    def __getattr__(self, name: str) -> Any:
        # Only reached when normal lookup fails. Array methods and operators are filled in by the numpy room.
        raise AttributeError(f"a traced array has no attribute `{name}`")

    def _known(self, error: type[Exception], what: str, hint: str) -> Any:
        value = self.concrete()
        if value is None:
            origin = self.origin()
            raise error(
                f"{errors.where()}: {what} needs the value of a traced array ({self.aval.short()}), which is not known "
                f"while the function is being traced by {self._trace.name}.{' ' + origin if origin else ''} {hint}"
            )
        return value

    def __bool__(self) -> bool:
        hint = (
            "Use cotan.lax.cond or cotan.numpy.where for a choice inside the program, cotan.lax.while_loop for a "
            "loop, or mark the argument that decides it as static (static_argnames)."
        )
        return bool(self._known(errors.TracerBoolConversionError, "a branch or bool()", hint))

    def __int__(self) -> int:
        return int(self._known(errors.ConcretizationTypeError, "int()", "Use .astype(int) to stay inside the program."))

    def __float__(self) -> float:
        hint = "Use .astype(float) to stay inside the program."
        return float(self._known(errors.ConcretizationTypeError, "float()", hint))

    def __complex__(self) -> complex:
        hint = "Use .astype(complex) to stay inside the program."
        return complex(self._known(errors.ConcretizationTypeError, "complex()", hint))

    def __index__(self) -> int:
        hint = (
            "A Python index, range or shape must be known: mark the argument as static, or use "
            "cotan.lax.dynamic_slice or cotan.numpy.take for an index, cotan.lax.fori_loop or while_loop for a range."
        )
        return int(self._known(errors.TracerIntegerConversionError, "a Python integer", hint).__index__())

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        hint = "cotan.debug.print shows values while the program runs."
        return format(self._known(errors.ConcretizationTypeError, f"the format {spec!r}", hint), spec)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        hint = (
            "A NumPy function was called on it: use the cotan.numpy function of the same name. (To index a NumPy array "
            "by it, make that a cotan array: cotan.numpy.asarray.)"
        )
        return np.asarray(self._known(errors.TracerArrayConversionError, "conversion to a NumPy array", hint), dtype)

    def tolist(self) -> Any:
        hint = "Return the array and convert it outside."
        return self._known(errors.ConcretizationTypeError, "tolist()", hint).tolist()

    def item(self, *args: Any) -> Any:
        hint = "Return the array and convert it outside."
        return self._known(errors.ConcretizationTypeError, "item()", hint).item(*args)

    # A traced value never changes, and means nothing outside of its trace: it is its own copy.

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        return f"Tracer<{self.aval.short()}> of {self._trace.name}"
