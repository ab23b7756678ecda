"""Exported functions: what ``export`` makes of a jitted function, and how files of them look.

A file is a magic line, a version, the length and a checksum of what follows, then one record of plain data (see
``encoding``). Knows the machinery by its public ways only: tracing, calling, differentiating.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api import custom_vjp, jit, vjp
from cotan.api.reports import call_changes
from cotan.api.stages import Traced
from cotan.api.tracing import struct_of
from cotan.errors import a_type, where
from cotan.export.programs import ProgramReader, ProgramWriter, plain
from cotan.export.trees import tree_data, tree_from_data
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, same_type, tangent_aval
from cotan.ir.effects import Effect
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.trace import Tracer
from cotan.primitives.call import call as call_program
from cotan.runtime.array import Array
from cotan.runtime.devices import default_backend, new_array_device
from cotan.tracebacks import guarded
from cotan.tree import PyTreeDef, tree_flatten, tree_structure
from cotan.tree.calling import fun_name

minimum_supported_calling_convention_version = 1
maximum_supported_calling_convention_version = 1


@dataclass(frozen=True)
class DisabledSafetyCheck:
    """A check that ``export`` and calls of exported functions leave out. Made by its class methods.

    >>> DisabledSafetyCheck.platform()
    DisabledSafetyCheck.platform()
    """

    _name: str

    @classmethod
    def platform(cls) -> DisabledSafetyCheck:
        """Allow a call on a platform that the function was not exported for."""
        return cls("platform")

    @classmethod
    def custom_call(cls, target_name: str) -> DisabledSafetyCheck:
        """Allow calls of ``target_name``, a function outside of the program. Exported programs have none."""
        return cls(f"custom_call:{target_name}")

    def is_custom_call(self) -> str | None:
        """The name of the function whose calls are allowed; None if it is another check."""
        kind, _, target = self._name.partition(":")
        return target if kind == "custom_call" else None

    def __repr__(self) -> str:
        target = self.is_custom_call()
        return "DisabledSafetyCheck." + ("platform()" if target is None else f"custom_call({target!r})")


def default_export_platform() -> str:
    """The platform that functions are exported for where none is named: that of the default backend.

    >>> default_export_platform()
    'cpu'
    """
    return default_backend()


@guarded
@dataclass(frozen=True, eq=False)
class Exported:
    """A function as a program that can be kept, sent and loaded elsewhere. Made by ``export`` and ``deserialize``.

    Attributes:
      fun_name: the function's name.
      in_tree: the structure of ``(args, kwargs)``, without static arguments.
      in_avals: the types of the arrays among the arguments.
      out_tree, out_avals: the same of the result.
      platforms: where it may be called.
      disabled_safety_checks: what is not checked.
      calling_convention_version: the version of how calls are made.
      jaxpr: the program. Arrays of dtype float0, which have no bits, are no arguments or results of it.
      rules_left_out: the primitives whose custom derivative rules were left out when it was written into a file; such
        a program has no derivative but the one that was written with it.
    """

    fun_name: str
    in_tree: PyTreeDef
    in_avals: tuple[ShapedArray, ...]
    out_tree: PyTreeDef
    out_avals: tuple[ShapedArray, ...]
    platforms: tuple[str, ...]
    disabled_safety_checks: tuple[DisabledSafetyCheck, ...]
    jaxpr: ClosedJaxpr = field(repr=False)
    calling_convention_version: int = maximum_supported_calling_convention_version
    rules_left_out: tuple[str, ...] = ()
    _vjp: Exported | None = field(default=None, repr=False)

    @property
    def nr_devices(self) -> int:
        """How many devices it runs on: one."""
        return 1

    @property
    def ordered_effects(self) -> tuple[Effect, ...]:
        """What it does besides computing, in order."""
        return tuple(e for e in self.jaxpr.effects if e.ordered)

    @property
    def unordered_effects(self) -> tuple[Effect, ...]:
        """What it does besides computing, in any order."""
        return tuple(e for e in self.jaxpr.effects if not e.ordered)

    def __str__(self) -> str:
        types = ", ".join(aval.short() for aval in self.in_avals)
        results = ", ".join(aval.short() for aval in self.out_avals)
        return f"Exported(fun_name={self.fun_name}, ({types}) -> ({results}), platforms={self.platforms})"

    # ---- Calls

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, as a jitted function is called; it can be transformed as well.

        Args:
          args, kwargs: arguments of exactly the structure and types that it was exported for.

        Raises:
          TypeError: one is not an array.
          ValueError: they have another structure or other types; the platform is another one; a derivative is asked
            for that was not kept.
        """
        leaves, in_tree = tree_flatten((args, kwargs))
        self._check(leaves, in_tree)
        return self.out_tree.unflatten(self._flat(leaves))

    def _flat(self, leaves: Sequence[Any]) -> list[Any]:
        if not self.rules_left_out:
            return self._run(*leaves)
        function = custom_vjp(self._run)
        function.defvjp(lambda *xs: (self._run(*xs), xs), self._pull)
        return list(function(*leaves))

    def _run(self, *leaves: Any) -> list[Any]:
        given = [x for x, aval in zip(leaves, self.in_avals, strict=True) if aval.dtype != dtypes.float0]
        results = iter(call_program(self.jaxpr, given, name=self.fun_name))
        return [
            np.zeros(aval.shape, dtypes.float0) if aval.dtype == dtypes.float0 else next(results)
            for aval in self.out_avals
        ]

    def _pull(self, primals: Sequence[Any], cts: Sequence[Any]) -> tuple[Any, ...]:
        derivative = self.vjp()
        zeros = [
            np.zeros(aval.shape, dtypes.float0) if tangent_aval(aval).dtype == dtypes.float0 else ct
            for ct, aval in zip(cts, self.out_avals, strict=True)
        ]
        return tuple(derivative.call(*primals, *zeros))

    def _subject(self) -> str:
        return f"{where()}: the exported function `{self.fun_name}`"

    def _check(self, leaves: Sequence[Any], in_tree: PyTreeDef) -> None:
        if in_tree != self.in_tree:
            changes = "; ".join(call_changes(None, self.in_tree, in_tree, None))
            raise ValueError(f"{self._subject()} is called with other arguments than it was exported for: {changes}")
        names = self.jaxpr.jaxpr.arg_names
        wrong = []
        for position, (x, aval) in enumerate(zip(leaves, self.in_avals, strict=True)):
            name = f"`{names[position]}`" if len(names) == len(leaves) else f"number {position}"
            if not is_array_like(x):
                raise TypeError(f"{self._subject()}: argument {name} is {a_type(x)}, not an array")
            if getattr(x, "dtype", None) == dtypes.float0:
                found = ShapedArray(x.shape, dtypes.float0)
            else:
                found = get_aval(x)
            if not same_type(found, aval):
                wrong.append(f"{name} is {aval.short()}, got {found.short()}")
        if wrong:
            more = f"; and {len(wrong) - 4} more" if len(wrong) > 4 else ""
            raise ValueError(f"{self._subject()} takes arrays of the types of its export: {'; '.join(wrong[:4])}{more}")
        self._check_platform(leaves)

    def _check_platform(self, leaves: Sequence[Any]) -> None:
        if DisabledSafetyCheck.platform() in self.disabled_safety_checks:
            return
        arrays = [x for x in leaves if type(x) is Array]
        device = arrays[0].device if arrays else new_array_device()
        if device.platform not in self.platforms and not any(isinstance(x, Tracer) for x in leaves):
            raise ValueError(
                f"{self._subject()} was exported for {', '.join(self.platforms)}, and is called on {device.platform}; "
                "export it for that platform as well (platforms=...), or disable the check "
                "(DisabledSafetyCheck.platform())"
            )

    # ---- Derivatives

    def has_vjp(self) -> bool:
        """Whether ``vjp`` gives a derivative."""
        return self._vjp is not None or not self.rules_left_out

    def vjp(self) -> Exported:
        """The derivative, for reverse mode, as an exported function.

        It takes the arrays of the arguments, then a cotangent for each array of the result, and returns a tuple of one
        cotangent for each array of the arguments; those of integers and booleans have dtype float0.

        Raises:
          ValueError: custom derivative rules were left out when the function was serialised without its derivative.
        """
        if self._vjp is not None:
            return self._vjp
        if self.rules_left_out:
            raise ValueError(
                f"{self._subject()} has no derivative: its rules for {', '.join(self.rules_left_out)} are Python "
                "functions, which files do not hold. Serialise it with its derivative: serialize(vjp_order=1)"
            )
        return self._derivative()

    def _derivative(self) -> Exported:
        count = len(self.in_avals)
        out_zero = [tangent_aval(aval).dtype == dtypes.float0 for aval in self.out_avals]
        in_zero = [tangent_aval(aval).dtype == dtypes.float0 for aval in self.in_avals]

        def pull(*flat: Any) -> list[Any]:
            cts = iter(flat[count:])
            _, back = vjp(lambda *xs: self._run(*xs), *flat[:count])
            whole = [
                np.zeros(aval.shape, dtypes.float0) if z else next(cts)
                for z, aval in zip(out_zero, self.out_avals, strict=True)
            ]
            return [ct for ct, z in zip(back(whole), in_zero, strict=True) if not z]

        in_avals = (*self.in_avals, *map(tangent_aval, self.out_avals))
        out_avals = tuple(map(tangent_aval, self.in_avals))
        name = f"{self.fun_name}_vjp"
        pull.__name__ = name
        given = [struct_of(aval) for aval in in_avals if aval.dtype != dtypes.float0]
        return Exported(
            fun_name=name,
            in_tree=tree_structure(((0,) * len(in_avals), {})),
            in_avals=in_avals,
            out_tree=tree_structure((0,) * len(out_avals)),
            out_avals=out_avals,
            platforms=self.platforms,
            disabled_safety_checks=self.disabled_safety_checks,
            jaxpr=jit(pull).trace(*given).jaxpr,
        )

    # ---- Files

    def serialize(self, vjp_order: int = 0) -> bytearray:
        """It as bytes, from which ``deserialize`` makes it again, in another process or on another machine.

        Custom derivative rules are Python functions and are not written. Where a program has some, what is loaded has
        as many derivatives (in reverse mode) as ``vjp_order`` says; any other program can be differentiated all the
        same.

        Args:
          vjp_order: of how many orders derivatives are written with it.

        Raises:
          ValueError: ``vjp_order`` is negative; the program does what only Python code can do, such as callbacks; a
            class among the arguments or results has no name in files.
        """
        if vjp_order < 0:
            raise ValueError(f"{where()}: serialize: vjp_order must not be negative, got {vjp_order}")
        writer = ProgramWriter()
        self._write(writer, vjp_order)
        return pack(bytes(writer.out))

    def _write(self, writer: ProgramWriter, vjp_order: int) -> None:
        program, dropped = plain(self.jaxpr)
        writer.value(self.fun_name)
        writer.value(tree_data(self.in_tree))
        writer.value(tree_data(self.out_tree))
        writer.value(self.in_avals)
        writer.value(self.out_avals)
        writer.value(self.platforms)
        writer.value(tuple(check._name for check in self.disabled_safety_checks))
        writer.value(self.calling_convention_version)
        writer.value(tuple(sorted({*dropped, *self.rules_left_out})))
        writer.closed(program)
        derivative = self.vjp() if vjp_order else None
        writer.value(derivative is not None)
        if derivative is not None:
            derivative._write(writer, vjp_order - 1)

    @classmethod
    def _read(cls, reader: ProgramReader, depth: int = 0) -> Exported:
        fun_name = _expect(reader.value(), str)
        in_tree, out_tree = tree_from_data(reader.value()), tree_from_data(reader.value())
        in_avals = _expect_all(reader.value(), ShapedArray)
        out_avals = _expect_all(reader.value(), ShapedArray)
        platforms = _expect_all(reader.value(), str)
        checks = tuple(map(DisabledSafetyCheck, _expect_all(reader.value(), str)))
        version = _expect(reader.value(), int)
        if not minimum_supported_calling_convention_version <= version <= maximum_supported_calling_convention_version:
            raise ValueError(f"its calling convention has version {version}, which is not supported here")
        left_out = _expect_all(reader.value(), str)
        program = reader.program()
        for tree, avals, types in ((in_tree, in_avals, program.in_avals), (out_tree, out_avals, program.out_avals)):
            kept = [aval for aval in avals if aval.dtype != dtypes.float0]
            if tree.num_leaves != len(avals) or len(kept) != len(types) or not all(map(same_type, kept, types)):
                raise ValueError("the types of its arguments and results are not those of its program")
        derivative = None
        if _expect(reader.value(), bool):
            if depth > 100:
                raise ValueError("it has too many derivatives")
            derivative = cls._read(reader, depth + 1)
        return cls(
            fun_name, in_tree, in_avals, out_tree, out_avals, platforms, checks, program, version, left_out, derivative
        )


def _expect(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{a_type(value)} stands where a {kind.__name__} should")
    return value


def _expect_all(values: Any, kind: type) -> tuple[Any, ...]:
    return tuple(_expect(value, kind) for value in _expect(values, tuple))


# ---- From a jitted function


def export(
    fun_jit: Callable[..., Any],
    *,
    platforms: Sequence[str] | None = None,
    disabled_checks: Sequence[DisabledSafetyCheck] = (),
) -> Callable[..., Exported]:
    """A function that makes an ``Exported`` of a jitted function, for given types of arguments.

    Args:
      fun_jit: the jitted function.
      platforms: the names of the platforms where it may be called; None for ``default_export_platform()``.
      disabled_checks: what is not to be checked.

    Returns:
      A function that takes what ``fun_jit`` takes; arrays may be given as ``ShapeDtypeStruct``.

    Raises:
      ValueError: ``fun_jit`` is not jitted, or ``platforms`` are no names.
      TypeError: (when called) an argument is not an array; the function closes over values that are being traced.

    >>> import cotan, cotan.numpy as cnp
    >>> from cotan import export
    >>> exported = export.export(cotan.jit(cnp.sin))(cotan.ShapeDtypeStruct((2,), "float32"))
    >>> data = exported.serialize()
    >>> export.deserialize(data).call(cnp.zeros(2))
    Array([0., 0.], dtype=float32)
    """
    trace = getattr(fun_jit, "trace", None)
    if not callable(trace):
        raise ValueError(
            f"{where()}: export takes a jitted function, and `{fun_name(fun_jit)}` is none: export(jit(f))(...)"
        )
    if platforms is not None and (
        isinstance(platforms, str) or not platforms or not all(isinstance(p, str) and p for p in platforms)
    ):
        raise ValueError(f"{where()}: export: platforms must be a sequence of names, got {platforms!r}")

    def exported(*args: Any, **kwargs: Any) -> Exported:
        traced: Traced = trace(*args, **kwargs)
        if not traced._call.program.kept:
            traced.lower()  # raises, and says why
        closed = traced.jaxpr
        return Exported(
            fun_name=traced.fun_name,
            in_tree=traced.in_tree,
            in_avals=closed.in_avals,
            out_tree=traced.out_tree,
            out_avals=closed.out_avals,
            platforms=tuple(platforms) if platforms is not None else (default_export_platform(),),
            disabled_safety_checks=tuple(disabled_checks),
            jaxpr=closed,
        )

    return exported


def deserialize(blob: bytes | bytearray) -> Exported:
    """The exported function that ``Exported.serialize`` wrote. It runs no code from the bytes.

    Raises:
      TypeError: ``blob`` is not bytes.
      ValueError: it is not what ``serialize`` wrote, or only a part of it, or damaged, or from a newer version; or it
        uses what is not known here. The message says which.
    """
    if not isinstance(blob, bytes | bytearray | memoryview):
        raise TypeError(f"{where()}: deserialize takes bytes, got {a_type(blob)}")
    reader = ProgramReader(unpack(bytes(blob)))
    try:
        exported = Exported._read(reader)
        if reader.place != len(reader.data):
            raise ValueError("there is more in it than a program")
    except (RecursionError, MemoryError, OverflowError) as error:
        raise ValueError(f"{where()}: deserialize: the program cannot be read: {type(error).__name__}") from error
    except ValueError as error:
        raise ValueError(f"{where()}: deserialize: the program cannot be read: {error}") from error
    return exported


# ---- The envelope

_MAGIC = b"\x93COTAN\r\n"
_VERSION = 1
_HEAD = struct.Struct("<8sHQ16s")


def _digest(version: int, payload: bytes) -> bytes:
    import hashlib

    return hashlib.blake2b(payload, digest_size=16, salt=version.to_bytes(2, "little")).digest()


def pack(payload: bytes) -> bytearray:
    """``payload`` as a file: with the magic line, the version, its length and a checksum of all."""
    return bytearray(_HEAD.pack(_MAGIC, _VERSION, len(payload), _digest(_VERSION, payload)) + payload)


def unpack(blob: bytes) -> bytes:
    """The payload of a file.

    Raises:
      ValueError: foreign, truncated, damaged, or of a newer version.
    """
    head = blob[: len(_MAGIC)]
    if not blob or head != _MAGIC[: len(head)]:
        raise ValueError(
            f"{where()}: deserialize: this is not a program that cotan exported; give what Exported.serialize returned"
        )
    if len(blob) < _HEAD.size:
        raise ValueError(f"{where()}: deserialize: the program is truncated: only {len(blob)} bytes are there")
    _, version, length, digest = _HEAD.unpack_from(blob)
    payload = blob[_HEAD.size :]
    if len(payload) < length:
        raise ValueError(
            f"{where()}: deserialize: the program is truncated: {len(blob)} of {_HEAD.size + length} bytes are there"
        )
    if len(payload) > length or _digest(version, payload) != digest:
        raise ValueError(f"{where()}: deserialize: the program is damaged: its checksum does not fit")
    if version != _VERSION:
        raise ValueError(
            f"{where()}: deserialize: the program has the format of another version of cotan ({version}; this one "
            f"reads {_VERSION}); update cotan"
        )
    return payload
