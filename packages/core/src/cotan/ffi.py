"""cotan.ffi: calls of foreign functions, in C or anything that makes such, on the CPU.

A function has the type of XLA's first interface for custom calls, ``void f(void *out, const void **in)``, which the
header in ``include_dir()`` tells; that is ``api_version=0``. Functions written for XLA's typed interface need XLA and
are refused. Programs call a function as they call back to the host: in its turn, on memory of the host.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cotan import tracebacks as _tracebacks
from cotan.api.callbacks import io_callback as _io_callback
from cotan.api.callbacks import pure_callback as _pure_callback
from cotan.errors import where as _where
from cotan.forks import opened_by_fork
from cotan.left_out import missing as _missing

_CAPSULE_NAME = b"cotan._FOREIGN_FUNCTION"
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_name_of = ctypes.pythonapi.PyCapsule_GetName
_name_of.restype, _name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype, _pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_Target = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))

# Name -> the function, and what keeps its code alive.
_targets: dict[str, tuple[Any, Any]] = {}
_lock = opened_by_fork(threading.Lock())


def include_dir() -> str:
    """The directory of the header ``cotan_ffi.h``, for compilers.

    >>> import os
    >>> os.listdir(include_dir())
    ['cotan_ffi.h']
    """
    return str(Path(__file__).parent / "include")


def pycapsule(funcptr: Any) -> Any:
    """A function pointer of ctypes as a capsule, the form in which extension modules hand out pointers.

    >>> import ctypes
    >>> from cotan import ffi
    >>> type(ffi.pycapsule(ctypes.CFUNCTYPE(None)(lambda: None))).__name__
    'PyCapsule'
    """
    return _new_capsule(ctypes.cast(funcptr, ctypes.c_void_p), _CAPSULE_NAME, None)


def _address(fn: Any) -> int:
    if type(fn).__name__ == "PyCapsule":
        return int(_pointer_of(fn, _name_of(fn)) or 0)
    if isinstance(fn, int):
        return fn
    try:
        return int(ctypes.cast(fn, ctypes.c_void_p).value or 0)
    except ctypes.ArgumentError:
        raise TypeError(
            f"{_where()}: register_ffi_target takes a capsule, a function of ctypes or an address, got {fn!r}; for a "
            "Python function use cotan.pure_callback"
        ) from None


def register_ffi_target(name: str, fn: Any, platform: str = "cpu", api_version: int = 1, **kwargs: Any) -> None:
    """Make a foreign function known by a name; the same name again replaces it.

    Args:
      name: by which ``ffi_call`` finds it.
      fn: a capsule, a function of ctypes, or an address, of a function ``void f(void *out, const void **in)``.
      platform: 'cpu'.
      api_version: 0, the interface of that type.

    Raises:
      ValueError: another platform or interface: the default, 1, is XLA's typed one, which needs XLA.
      TypeError: something that has no address, or further arguments.

    >>> import ctypes, cotan.numpy as cnp, cotan
    >>> from cotan import ffi
    >>> Floats = ctypes.POINTER(ctypes.c_float)
    >>> @ctypes.CFUNCTYPE(None, Floats, ctypes.POINTER(Floats))
    ... def triple(out, operands):
    ...     for n in range(3):
    ...         out[n] = 3 * operands[0][n]
    >>> ffi.register_ffi_target("triple", triple, api_version=0)
    >>> x = cnp.arange(3.0)
    >>> cotan.jit(lambda x: ffi.ffi_call("triple", x)(x) + 1)(x)
    Array([1., 4., 7.], dtype=float32)
    """
    if platform.lower() not in ("cpu", "host"):
        raise ValueError(
            f"{_where()}: register_ffi_target: foreign functions run on the platform 'cpu', not {platform!r}"
        )
    if api_version != 0 or isinstance(fn, Mapping):
        raise ValueError(
            f"{_where()}: register_ffi_target: functions of XLA's typed interface need XLA, which is not underneath; "
            "write void f(void *out, const void **in) and register it with api_version=0"
        )
    if kwargs:
        raise TypeError(f"{_where()}: register_ffi_target takes no argument {next(iter(kwargs))!r}")
    address = _address(fn)
    if not address:
        raise ValueError(f"{_where()}: register_ffi_target: {name!r} is a null pointer")
    with _lock:
        _targets[name] = (_Target(address), fn)


def ffi_call(
    target_name: str,
    result_shape_dtypes: Any,
    *,
    has_side_effect: bool = False,
    vmap_method: str | None = None,
    input_layouts: Sequence[Any] | None = None,
    output_layouts: Any = None,
    input_output_aliases: dict[int, int] | None = None,
    custom_call_api_version: int = 4,
    legacy_backend_config: str | None = None,
) -> Callable[..., Any]:
    """A function of arrays that calls a registered foreign function.

    It has no derivative; give it one with ``custom_jvp`` or ``custom_vjp``.

    Args:
      target_name: the name it was registered by, looked up when the program runs.
      result_shape_dtypes: what it returns: something with a ``shape`` and a ``dtype``, or a sequence of such.
      has_side_effect: whether it must be called even if nobody reads its results.
      vmap_method: 'sequential' (also for None) or 'sequential_unrolled': it is called once for each example.
      input_layouts, output_layouts: None, or the order of axes from last to first: arrays are row-major.
      input_output_aliases: operand number -> result number: that result's memory holds the operand before the call.
      custom_call_api_version, legacy_backend_config: accepted; there is one interface.

    Raises:
      ValueError: another layout or way to map, or (when it runs) an alias of different types.
      KeyError: (when it runs) there is no such target.

    >>> import cotan, numpy as np
    >>> from cotan import ffi
    >>> negated = ffi.ffi_call("negated", cotan.ShapeDtypeStruct((3,), np.float32))
    """
    several = isinstance(result_shape_dtypes, tuple | list)
    results = tuple(result_shape_dtypes) if several else (result_shape_dtypes,)
    if vmap_method not in _VMAP_METHODS:
        raise ValueError(
            f"{_where()}: ffi_call: vmap_method must be 'sequential' or 'sequential_unrolled', got {vmap_method!r}: "
            "a foreign function sees no shapes, so it is called once for each example"
        )
    for name, layouts in (("input_layouts", input_layouts), ("output_layouts", output_layouts)):
        _check_layouts(name, layouts)
    target = _Call(
        target_name,
        tuple((tuple(result.shape), np.dtype(result.dtype)) for result in results),
        tuple(sorted((input_output_aliases or {}).items())),
    )

    def call(*args: Any, **attributes: Any) -> Any:
        if attributes:
            raise TypeError(
                f"{_where()}: ffi_call: attributes, such as {next(iter(attributes))!r}, belong to XLA's typed "
                "interface; pass values as arrays"
            )
        if has_side_effect:
            out = _io_callback(target, results, *args)
        else:
            out = _pure_callback(target, results, *args, vmap_method=vmap_method or "sequential")
        return type(result_shape_dtypes)(out) if several else out[0]

    return call


_VMAP_METHODS = (None, "sequential", "sequential_unrolled")


def _check_layouts(name: str, layouts: Any) -> None:
    """Raise ValueError unless every layout is None or row-major: the axes from the last to the first."""
    for layout in layouts or ():
        if layout is not None and (isinstance(layout, int) or list(layout) != list(range(len(layout)))[::-1]):
            raise ValueError(
                f"{_where()}: ffi_call: {name}: arrays are row-major here, which as an order of axes from the last to "
                f"the first is (n - 1, ..., 0); got {layout!r}. Transpose before and after the call."
            )


class _Call:
    """One use of a foreign function, on the host: memory is made for its results, and it is called on addresses.

    Equal uses are equal, so that programs that hold them are found again.
    """

    def __init__(self, name: str, results: tuple[Any, ...], aliases: tuple[tuple[int, int], ...]) -> None:
        self.name, self.results, self.aliases = name, results, aliases
        self.__name__ = name

    def _key(self) -> tuple[Any, ...]:
        return self.name, self.results, self.aliases

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Call) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __call__(self, *args: Any) -> tuple[np.ndarray, ...]:
        with _lock:
            found = _targets.get(self.name)
        if found is None:
            raise KeyError(
                f"ffi_call: there is no foreign function {self.name!r}; make it known by "
                "cotan.ffi.register_ffi_target(name, pointer, api_version=0)"
            )
        operands = [np.require(np.asarray(x), requirements=["C", "A"]) for x in args]
        results = tuple(np.zeros(shape, dtype) for shape, dtype in self.results)
        for operand, result in self.aliases:
            if operands[operand].shape != results[result].shape or operands[operand].dtype != results[result].dtype:
                raise ValueError(
                    f"ffi_call of {self.name!r}: operand {operand} and result {result} cannot share memory: their "
                    f"types differ, {operands[operand].dtype}{operands[operand].shape} and "
                    f"{results[result].dtype}{results[result].shape}"
                )
            results[result][...] = operands[operand]
        ins = (ctypes.c_void_p * max(len(operands), 1))(*(x.ctypes.data for x in operands))
        outs = (ctypes.c_void_p * max(len(results), 1))(*(x.ctypes.data for x in results))
        out = results[0].ctypes.data if len(results) == 1 else ctypes.addressof(outs)
        found[0](out, ins)
        return results


def __getattr__(name: str) -> Any:
    raise AttributeError(_missing(__name__, name))


_tracebacks.guard(globals())
