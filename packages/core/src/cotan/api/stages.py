"""Ahead-of-time stages of a jitted function: traced, lowered, compiled; each can be looked at before the next.

``jit`` hands them out. The program and its compiled code are the ones that an ordinary call uses: what was done here is
not done again there. Nothing is computed before the compiled function is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from cotan.api.arguments import Bound, Options, bind_static
from cotan.api.flat import Function, lift_leaf
from cotan.api.programs import Program, Programs, program_for
from cotan.api.reports import call_changes, described
from cotan.api.tracing import ShapeDtypeStruct, avals_of, struct_of
from cotan.backend import Device
from cotan.config import config
from cotan.errors import a_type, format_frame, where
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, same_type
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.trace import Tracer
from cotan.primitives.call import call as call_program
from cotan.runtime import compile as compiling
from cotan.runtime.array import Array
from cotan.runtime.devices import SingleDeviceSharding, as_device, committed_device, new_array_device
from cotan.tracebacks import guarded, trim
from cotan.tree import PyTreeDef, tree_flatten
from cotan.tree.calling import ArgNames

CompilerOptions = dict[str, str | bool]


@dataclass(frozen=True, slots=True)
class ArgInfo:
    """What is known of one array among the arguments: its type, and whether it gives up its memory."""

    _aval: ShapedArray
    donated: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Its extents."""
        return self._aval.shape

    @property
    def dtype(self) -> Any:
        """The dtype of its elements."""
        return self._aval.dtype


@dataclass(frozen=True, eq=False)
class _Call:
    """A call as it was traced: what the stages share.

    Attributes:
      fun: the user's function.
      program: what it became.
      in_tree: the structure of the dynamic ``(args, kwargs)``.
      positions: which positional arguments of ``fun`` the dynamic ones are, or None for the first ones.
      device: where it will run; None if the arguments leave that open.
      compiler_options: flags of the compiler that jit was given.
    """

    fun: Function
    program: Program
    in_tree: PyTreeDef
    positions: tuple[int, ...] | None
    device: Device | None
    compiler_options: tuple[tuple[str, Any], ...] = ()

    @property
    def avals(self) -> tuple[ShapedArray, ...]:
        return self.program.closed.in_avals[len(self.program.outer) :]

    @property
    def name(self) -> str:
        return self.program.closed.jaxpr.name

    @property
    def names(self) -> ArgNames:
        return ArgNames(self.fun, self.in_tree, self.positions)

    def other_structure(self, in_tree: PyTreeDef) -> str:
        """How the structure of a call differs from this one's, in words; empty if it does not."""
        if in_tree == self.in_tree:
            return ""
        return "; ".join(call_changes(self.fun, self.in_tree, in_tree, self.positions))

    def wrong_types(self, leaves: Sequence[Any]) -> str:
        """Which of the arguments have other types, in words; empty if none has."""
        wrong = []
        for name, x, aval in zip(self.names, leaves, self.avals, strict=True):
            if not is_array_like(x):
                wrong.append(f"`{name}` is {aval.short()}, got {a_type(x)}")
            elif not same_type(get_aval(x), aval):
                wrong.append(f"`{name}` is {aval.short()}, got {get_aval(x).short()}")
        return "; ".join(wrong[:4]) + (f"; and {len(wrong) - 4} more" if len(wrong) > 4 else "")


class _Stage:
    """What all stages tell of arguments and results."""

    __slots__ = ("_call",)

    def __init__(self, call: _Call) -> None:
        self._call = call

    @property
    def args_info(self) -> Any:
        """``(args, kwargs)``, without static ones, with an ``ArgInfo`` for each array."""
        call = self._call
        donated = call.program.donated[len(call.program.outer) :]
        return call.in_tree.unflatten(map(ArgInfo, call.avals, donated))

    @property
    def in_tree(self) -> PyTreeDef:
        """The structure of ``(args, kwargs)``, without static ones."""
        return self._call.in_tree

    @property
    def in_avals(self) -> Any:
        """``(args, kwargs)`` with the abstract value of each array."""
        return self._call.in_tree.unflatten(self._call.avals)

    @property
    def donate_argnums(self) -> tuple[int, ...]:
        """The numbers of the arrays among the arguments that give up their memory."""
        return tuple(k for k, given in enumerate(self._call.program.donated[len(self._call.program.outer) :]) if given)

    @property
    def out_tree(self) -> PyTreeDef:
        """The structure of the result."""
        return self._call.program.out_tree

    @property
    def out_avals(self) -> Any:
        """The result with the abstract value of each array."""
        return self.out_tree.unflatten(self._call.program.closed.out_avals)

    @property
    def out_info(self) -> Any:
        """The result with a ``ShapeDtypeStruct`` for each array."""
        return self.out_tree.unflatten(map(struct_of, self._call.program.closed.out_avals))

    def __repr__(self) -> str:
        types = ", ".join(
            f"{name}: {aval.short()}" for name, aval in zip(self._call.names, self._call.avals, strict=True)
        )
        return f"<{type(self).__name__} `{self._call.name}` ({types})>"


@guarded
class Traced(_Stage):
    """A function at given types of arguments, as a program that nothing was made of yet; see ``jit(f).trace``.

    >>> import cotan, cotan.numpy as cnp
    >>> traced = cotan.jit(lambda x: cnp.sin(x) * 2).trace(cotan.ShapeDtypeStruct((3,), "float32"))
    >>> traced.out_info
    ShapeDtypeStruct(shape=(3,), dtype=float32)
    >>> traced.jaxpr
    { lambda a:f32[3] . let
        b:f32[3] = sin a
        c:f32[3] = mul b 2.0:~f32[]
      in (c,) }
    """

    __slots__ = ()

    @property
    def jaxpr(self) -> ClosedJaxpr:
        """The program, from the arrays among the arguments to those of the result."""
        return self._call.program.whole()

    @property
    def fun_name(self) -> str:
        """The name of the function."""
        return self._call.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the program, for arguments of the types it was traced for; it can be transformed.

        Raises:
          TypeError: they have another structure, or other types.
        """
        call = self._call
        leaves, in_tree = tree_flatten((args, kwargs))
        wrong = call.other_structure(in_tree) or call.wrong_types(leaves)
        if wrong:
            raise TypeError(
                f"{where()}: the traced function {described(call.fun)} takes arguments as it was traced for: {wrong}. "
                "Trace it for these as well, or call the jitted function, which does"
            )
        program = call.program
        return self.out_tree.unflatten(call_program(program.closed, [*program.outer, *leaves], name=self.fun_name))

    def lower(self, *, lowering_platforms: Sequence[str] | None = None) -> Lowered:
        """The program as it is given to the compiler of the device where it will run.

        Args:
          lowering_platforms: the name of the one platform to lower for; None for that of the arguments' device, or of
            the default one.

        Raises:
          BackendUnavailableError: no backend is installed.
          TypeError: the function closes over values that are being traced, or over a ``ShapeDtypeStruct``.
          ValueError: several platforms, or one that has not the arguments' device.
        """
        call = self._call
        if not call.program.kept:
            raise TypeError(
                f"{where()}: {described(call.fun)} closes over values that an outer function is being traced with; it "
                "can be traced, but not lowered or compiled by itself. Pass these values as arguments"
            )
        for value in call.program.outer:
            lift_leaf(value)  # raises where a ShapeDtypeStruct stands for an array
        device = call.device
        if lowering_platforms is not None:
            device = _device_of_platform(lowering_platforms, device)
        return Lowered(call, new_array_device() if device is None else device)


def _device_of_platform(platforms: Sequence[str], device: Device | None) -> Device:
    names = [platforms] if isinstance(platforms, str) else list(platforms)
    if len(names) != 1:
        raise ValueError(
            f"{where()}: lowering_platforms={tuple(names)}: a program is lowered for one platform at a time; "
            "cotan.export makes programs that run on all"
        )
    if device is None or names[0] not in (device.platform, device.backend.name):
        wanted = as_device(names[0], "lowering_platforms")
        if device is not None:
            raise ValueError(f"{where()}: lowering_platforms={names[0]!r}, but an argument lies on {device}")
        return wanted
    return device


_DIALECTS = ("program", "jaxpr")


@guarded
class Lowered(_Stage):
    """A program as it is given to a device's compiler; see ``jit(f).lower``."""

    __slots__ = ("_device",)

    def __init__(self, call: _Call, device: Device) -> None:
        super().__init__(call)
        self._device = device

    def compile(
        self,
        compiler_options: CompilerOptions | None = None,
        *,
        device_assignment: Sequence[Device] | None = None,
    ) -> Compiled:
        """The program compiled: a function of arrays of exactly these types.

        Args:
          compiler_options: values, for this program, of flags that the compiler reads (``num_threads``, ...).
          device_assignment: a sequence of the one device to run on instead.

        Raises:
          ValueError: there is no such option, or not one device.
        """
        device = self._device
        if device_assignment is not None:
            if len(device_assignment) != 1:
                raise ValueError(
                    f"{where()}: device_assignment names {len(device_assignment)} devices, and the program runs on one"
                )
            device = device_assignment[0]
        program = self._call.program
        flags = dict((*self._call.compiler_options, *check_options(compiler_options or {})))
        if not flags:
            compiled = compiling.compile_closed(program.closed, donated=program.donated, name=self._call.name)
            compiled.on(device)
        else:
            compiled = compiling.Compiled(program.closed, program.donated, self._call.name)
            with config.override(**flags):
                compiled.on(device)
        return Compiled(self._call, compiled, device)

    def as_text(self, dialect: str | None = None, *, debug_info: bool = False) -> str:
        """The lowered program as text.

        Args:
          dialect: ``"program"``: the steps that the device's compiler is given (the default); ``"jaxpr"``: the program
            as it was traced; or a language of the device's backend, such as ``"stablehlo"``.
          debug_info: for a jaxpr, say also where in the user's program each equation was written.

        Raises:
          ValueError: there is no such dialect.
        """
        call = self._call
        dialect = self._dialect(dialect)
        if dialect == "program":
            return compiling.explain_closed(call.program.closed, call.name, self._device, call.program.donated)
        if dialect not in _DIALECTS:
            return compiling.text_of_closed(call.program.closed, dialect, self._device, call.program.donated, call.name)
        whole = call.program.whole()
        text = str(whole)
        if debug_info:
            places = [f"{n} {eqn.primitive}: {format_frame(eqn.source)}" for n, eqn in enumerate(whole.eqns)]
            text += "\nplaces of its equations:\n" + "\n".join(f"    {line}" for line in places)
        return text

    def _dialect(self, dialect: str | None) -> str:
        dialect = _DIALECTS[0] if dialect is None else dialect
        known = (*_DIALECTS, *self._device.backend.dialects)
        if dialect not in known:
            raise ValueError(f"{where()}: there is no dialect {dialect!r}; known are {', '.join(map(repr, known))}")
        return dialect

    def compiler_ir(self, dialect: str | None = None) -> Any:
        """The lowered program as an object; for debugging, its form may change.

        Args:
          dialect: as in ``as_text``. ``"program"`` gives None where the device runs operation by operation.
        """
        call = self._call
        dialect = self._dialect(dialect)
        if dialect == "jaxpr":
            return call.program.whole()
        if dialect != "program":
            return self.as_text(dialect)
        return compiling.lower_closed(call.program.closed, self._device, call.program.donated, call.name)

    def cost_analysis(self) -> dict[str, Any]:
        """Estimates for the program as it was traced, before anything is fused: ``flops``, ``bytes accessed``."""
        from cotan.compiler.analysis import work_of_jaxpr

        work = work_of_jaxpr(self._call.program.closed)
        return {"flops": float(work.flops), "bytes accessed": float(work.bytes)}


def check_options(options: CompilerOptions) -> tuple[tuple[str, Any], ...]:
    """Names and values of options that the compiler has, in order.

    Raises:
      ValueError: there is no such option.
    """
    for name in options:
        if name.removeprefix("jax_") not in compiling.OPTIONS:
            raise ValueError(
                f"{where()}: compiler_options: there is no option {name!r}; there are {', '.join(compiling.OPTIONS)}"
            )
    return tuple(sorted((name.removeprefix("jax_"), value) for name, value in options.items()))


@dataclass(frozen=True)
class CompiledMemoryStats:
    """Bytes that a compiled program needs. ``peak_memory_in_bytes`` counts arguments and results as well."""

    argument_size_in_bytes: int
    output_size_in_bytes: int
    alias_size_in_bytes: int
    temp_size_in_bytes: int
    generated_code_size_in_bytes: int
    peak_memory_in_bytes: int


class Compiled(_Stage):
    """A compiled function, of arrays of exactly the types that it was compiled for; see ``jit(f).lower(x).compile()``.

    Static arguments are part of it and are not given again. It cannot be transformed.

    >>> import cotan, cotan.numpy as cnp
    >>> compiled = cotan.jit(lambda x: cnp.sum(x * x)).lower(cnp.ones(3)).compile()
    >>> compiled(cnp.arange(3.0))
    Array(5., dtype=float32)
    >>> compiled.memory_analysis().argument_size_in_bytes
    12
    """

    __slots__ = ("_compiled", "_device", "_run")

    def __init__(self, call: _Call, compiled: compiling.Compiled, device: Device) -> None:
        super().__init__(call)
        self._compiled = compiled
        self._device = device
        self._run = compiled.bound_to(device, call.program.outer)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            call = self._call
            leaves, in_tree = tree_flatten((args, kwargs))
            changes = call.other_structure(in_tree)
            if changes:
                raise TypeError(f"{self._subject()} is called with other arguments than it was compiled for: {changes}")
            for x, aval in zip(leaves, call.avals, strict=True):
                if type(x) is not Array or x.aval is not aval:
                    self._check(leaves)
                    break
            return self.out_tree.unflatten(self._run(leaves))
        except Exception as error:
            trim(error)
            raise

    def _subject(self) -> str:
        return f"{where()}: the compiled function {described(self._call.fun)}"

    def _check(self, leaves: Sequence[Any]) -> None:
        for name, x in zip(self._call.names, leaves, strict=True):
            if isinstance(x, Tracer) and x.settled() is x:
                raise TypeError(
                    f"{self._subject()} is called while `{name}` is traced by {x._trace.name}. What is compiled for "
                    "one type of arguments cannot be transformed: transform the function, then lower and compile it"
                )
        wrong = self._call.wrong_types(leaves)
        if wrong:
            raise TypeError(
                f"{self._subject()} takes arrays of the types it was compiled for: {wrong}. "
                "Compile it for these as well, or call the jitted function, which does"
            )

    def as_text(self) -> str:
        """The steps of the program, and below them the code that the backend generated, if it tells."""
        call = self._call
        steps = compiling.explain_closed(call.program.closed, call.name, self._device, call.program.donated)
        executable = self.runtime_executable()
        code = "" if executable is None else executable.text()
        return f"{steps}\n\n{code}" if code else steps

    def cost_analysis(self) -> dict[str, Any]:
        """Estimates for one call.

        Returns:
          ``flops`` and ``bytes accessed``; ``optimal_seconds``, the time on one thread as far as the backend knows it;
          ``steps``: for each step its name (``step``), ``flops``, ``bytes accessed`` and, if known, ``seconds``. Loops
          whose length is not known count once; of branches the longest counts.
        """
        from cotan.compiler.analysis import work_of_jaxpr, work_of_steps
        from cotan.ir.program import Program as Steps

        call = self._call
        made = compiling.lower_closed(call.program.closed, self._device, call.program.donated, call.name)
        if not isinstance(made, Steps):
            work = work_of_jaxpr(call.program.closed)
            found: dict[str, Any] = {"flops": float(work.flops), "bytes accessed": float(work.bytes), "steps": []}
            executable = self.runtime_executable()
            return found if executable is None else {**found, **executable.analysis()}
        executable = self.runtime_executable()
        timed = [] if executable is None else executable.cost()
        steps: list[dict[str, Any]] = [
            {"step": name, "flops": float(work.flops), "bytes accessed": float(work.bytes)}
            for name, work in work_of_steps(made)
        ]
        if len(timed) == len(steps):
            for step, (_, seconds) in zip(steps, timed, strict=True):
                step["seconds"] = seconds
        return {
            "flops": sum(step["flops"] for step in steps),
            "bytes accessed": sum(step["bytes accessed"] for step in steps),
            "optimal_seconds": sum(seconds for _, seconds in timed),
            "steps": steps,
        }

    def memory_analysis(self) -> CompiledMemoryStats:
        """How much memory a call needs: arguments, results, results in the place of donated arguments, workspace."""
        from cotan.ir.program import Program as Steps

        call = self._call
        closed = call.program.closed
        made = compiling.lower_closed(closed, self._device, call.program.donated, call.name)
        executable = self.runtime_executable()
        told = {} if executable is None else executable.memory()
        arguments = sum(aval.nbytes for aval in closed.in_avals)
        results = sum(aval.nbytes for aval in closed.out_avals)
        shared = workspace = 0
        if isinstance(made, Steps):
            shared = sum(b.aval.nbytes for b in made.buffers if b.kind == "output" and b.donated is not None)
            workspace = made.workspace
        else:
            shared = told.get("donated", 0)
        workspace = max(workspace, told.get("workspace", 0))
        return CompiledMemoryStats(
            argument_size_in_bytes=arguments,
            output_size_in_bytes=results,
            alias_size_in_bytes=shared,
            temp_size_in_bytes=workspace,
            generated_code_size_in_bytes=told.get("code", 0),
            peak_memory_in_bytes=arguments + results - shared + workspace,
        )

    @property
    def out_info(self) -> Any:
        """The result with a ``ShapeDtypeStruct``, which tells the device as well, for each array."""
        sharding = SingleDeviceSharding(self._device)
        return self.out_tree.unflatten(
            [struct_of(aval).update(sharding=sharding) for aval in self._call.program.closed.out_avals]
        )

    @property
    def input_shardings(self) -> Any:
        """``(args, kwargs)`` with the place of each array."""
        return self.in_tree.unflatten([SingleDeviceSharding(self._device)] * self.in_tree.num_leaves)

    @property
    def output_shardings(self) -> Any:
        """The result with the place of each array."""
        return self.out_tree.unflatten([SingleDeviceSharding(self._device)] * self.out_tree.num_leaves)

    def runtime_executable(self) -> Any:
        """The backend's executable; None where the backend runs operation by operation."""
        return self._compiled.executable(self._device)


@runtime_checkable
class Wrapped(Protocol):
    """A function as ``jit`` returns it: it can be called, or traced and lowered ahead of time."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it."""

    def trace(self, *args: Any, **kwargs: Any) -> Traced:
        """Trace it for these arguments, which may be ``ShapeDtypeStruct``."""

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Trace and lower it for these arguments, which may be ``ShapeDtypeStruct``."""

    def eval_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The shapes and dtypes of its result."""


def trace_call(
    fun: Function, options: Options, programs: Programs, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Traced:
    """The first stage of a call of a jitted function.

    Raises:
      TypeError: an argument is no array and has no shape and dtype.
      ValueError: a static argument is not hashable, or arrays lie on different devices.
    """
    bound: Bound = bind_static("jit", fun, options, args, kwargs)
    leaves, in_tree = tree_flatten(bound.dynamic)
    avals = avals_of("jit", fun, leaves, bound.names(fun, in_tree))
    program = program_for("jit", fun, options, programs, bound, in_tree, avals)
    return Traced(_Call(fun, program, in_tree, bound.positions, _device_of(fun, leaves), options.compiler_options))


def _device_of(fun: Function, leaves: Sequence[Any]) -> Device | None:
    """The device that arguments are said to be on, or committed to; else the first one's that is on any."""
    what = f"jit of {described(fun)}"
    named = {x.sharding.device for x in leaves if isinstance(x, ShapeDtypeStruct) and x.sharding is not None}
    arrays = [x for x in leaves if type(x) is Array]
    found = committed_device(arrays, what)
    if found is not None:
        named.add(found)
    if len(named) > 1:
        raise ValueError(f"{where()}: {what} got arguments on different devices: {', '.join(map(str, named))}")
    if named:
        return named.pop()
    return arrays[0].device if arrays and config.default_device is None else None
