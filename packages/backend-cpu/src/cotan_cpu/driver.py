"""Foreign libraries and CPython's own binary interface: the only module that opens libraries and knows struct offsets.

BLAS and LAPACK are Intel's MKL where its package ``mkl`` is installed, else the private OpenBLAS of
``scipy-openblas32``; both on one thread: the parallel-for of ``native`` splits the work. Everything is loaded at first
use.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cotan.config import config
from cotan.forks import importing

_TYPES: dict[str, Any] = {
    "ptr": ctypes.c_void_p,
    "i64": ctypes.c_int64,
    "i32": ctypes.c_int32,
    "f32": ctypes.c_float,
    "f64": ctypes.c_double,
}
_FUTEX_NUMBERS = {"x86_64": 202, "amd64": 202, "aarch64": 98, "arm64": 98}
DATA_OFFSET, RANK_OFFSET, EXTENTS_OFFSET = 16, 24, 32
"""Of the data pointer, the rank (an int) and the pointer to the extents in PyArrayObject, after PyObject_HEAD."""
_METH_FASTCALL, _METH_KEYWORDS = 0x80, 2
_NEW_FROM_DESCR = 94  # the number of PyArray_NewFromDescr in NumPy's table of functions

_kept: list[Any] = []


def keep_for_ever(owner: Any) -> None:
    """Never free ``owner``: threads may still be asleep in its code when the interpreter ends."""
    _kept.append(owner)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))


def function(address: int, result: str | None, *arguments: str, keep_gil: bool = False) -> Callable[..., Any]:
    """The native function at ``address``; types are 'ptr', 'i64', 'i32', 'f32', 'f64'."""
    make = ctypes.PYFUNCTYPE if keep_gil else ctypes.CFUNCTYPE
    return make(None if result is None else _TYPES[result], *(_TYPES[name] for name in arguments))(address)


@dataclass(frozen=True, eq=False)
class Library:
    """A library of BLAS and LAPACK, for integers of 32 bits, set to one thread.

    Attributes:
      name: ``"MKL"`` or ``"OpenBLAS"``.
      prefix: what the names of its functions begin with.
    """

    name: str
    handle: ctypes.CDLL
    prefix: str = ""

    def function(self, name: str) -> Any:
        """A function by its usual name: ``cblas_sgemm``, ``spotrf_``."""
        return getattr(self.handle, self.prefix + name)

    @property
    def version(self) -> str:
        """Its version, and of OpenBLAS the kernels that it chose for this processor."""
        if self.name == "OpenBLAS":
            config = self.function("openblas_get_config")
            config.restype = ctypes.c_char_p
            return str(config().decode())
        text = ctypes.create_string_buffer(200)
        self.handle.MKL_Get_Version_String(text, len(text))
        found = re.search(r"Version ([\d.]+)", text.value.decode())
        return f"{self.name} {found[1] if found else text.value.decode()}"


@functools.cache
def numerics() -> Library:
    """The library of this process: MKL, unless it is not there, not wanted or already set to threads of its own."""
    return (mkl_in(Path(sys.prefix, "lib")) if config.cpu_mkl else None) or _openblas()


def _openblas() -> Library:
    with importing:
        import scipy_openblas32

    library = Library("OpenBLAS", scipy_openblas32.dll, "scipy_")
    library.function("openblas_set_num_threads")(1)
    return library


_LP64, _SEQUENTIAL, _REPRODUCIBLE = 0, 1, 2
_COMPATIBLE = 3  # MKL's slowest code, which is all that it makes reproducible on processors that are not Intel's


def mkl_in(folder: Path) -> Library | None:
    """The newest MKL of a folder; None if there is none, or if this process uses it with other layers than ours.

    Layers can be chosen until MKL computes for the first time; the answer is the one in force. Threads of its own would
    spin, and on a busy machine take many times as long.
    """
    if sys.platform != "linux" or platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    for path in sorted(folder.glob("libmkl_rt.so.*"), key=lambda path: (len(path.name), path.name), reverse=True):
        try:
            handle = ctypes.CDLL(str(path))
        except OSError:
            continue
        chosen = (handle.MKL_Set_Interface_Layer(_LP64), handle.MKL_Set_Threading_Layer(_SEQUENTIAL))
        if chosen != (_LP64, _SEQUENTIAL):
            return None
        if handle.MKL_CBWR_Get_Auto_Branch() > _COMPATIBLE:
            # Only then it promises results that do not depend on where in a line of the cache operands begin.
            handle.MKL_CBWR_Set(_REPRODUCIBLE)
        return Library("MKL", handle)
    return None


def blas_symbols(names: Iterable[str]) -> dict[str, int]:
    """Name -> address of functions of BLAS and LAPACK (``cblas_sgemm``, ``spotrf_``)."""
    library = numerics()
    return {name: address_of(library.function(name)) for name in names}


@functools.cache
def blas_function(name: str, dtype: np.dtype) -> Callable[..., None]:
    """``cblas_?gemm`` or ``cblas_?gemv`` of float32 or float64 as a Python function; pointers are addresses."""
    scalar = ctypes.c_float if dtype == np.float32 else ctypes.c_double
    number, pointer = ctypes.c_int32, ctypes.c_void_p
    before = 6 if name.endswith("gemm") else 4
    made: Callable[..., None] = ctypes.CFUNCTYPE(
        None, *[number] * before, scalar, pointer, number, pointer, number, scalar, pointer, number
    )(address_of(numerics().function(name)))
    return made


@functools.cache
def memory_symbols() -> dict[str, int]:
    """Addresses of functions that give and take memory, for threads that Python does not know."""
    raw = {"cotan_malloc": "PyMem_RawMalloc", "cotan_free": "PyMem_RawFree"}
    return {name: address_of(getattr(ctypes.pythonapi, symbol)) for name, symbol in raw.items()}


def address_of(function: Any) -> int:
    """The address of a ctypes function."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    if address is None:
        raise OSError(f"{function} has no address")
    return address


def python_symbols(names: Iterable[str]) -> dict[str, int]:
    """Name -> address of functions and data of CPython's C API."""
    return {
        name: ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, name))
        if name.startswith("_")
        else address_of(getattr(ctypes.pythonapi, name))
        for name in names
    }


@functools.cache
def syscall_address() -> int:
    """The C library's ``syscall``."""
    return address_of(ctypes.CDLL(None).syscall)


@functools.cache
def affinity_symbols() -> dict[str, int]:
    """The C library's functions that tell and choose a thread's processor; empty if it lacks any."""
    library = ctypes.CDLL(None)
    names = ("getpid", "sched_getcpu", "sched_getaffinity", "sched_setaffinity")
    found = {name: getattr(library, name, None) for name in names}
    return {} if None in found.values() else {name: address_of(function) for name, function in found.items()}


@functools.cache
def futex_number() -> int | None:
    """The number of the futex system call, if this system has it and it answers."""
    number = _FUTEX_NUMBERS.get(platform.machine().lower())
    if sys.platform != "linux" or number is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    word = ctypes.c_int32(0)
    call = ctypes.CDLL(None).syscall
    call.restype = ctypes.c_long
    woken = call(ctypes.c_long(number), ctypes.byref(word), 129, 1, None, None, 0)
    return number if woken == 0 else None


class _MethodDef(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("method", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


@functools.cache
def has_fast_entry() -> bool:
    """Whether native code may read an ndarray's data pointer at its known offset, and be called as a builtin.

    False on other interpreters and on builds whose object header differs (free-threaded ones); ctypes is used there.
    """
    if platform.python_implementation() != "CPython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    samples = [np.empty(3, np.float32), np.empty((), np.int8), np.arange(10, dtype=np.int64)[2:]]
    return object.__basicsize__ == DATA_OFFSET and all(map(_lies_as_known, samples))


def _lies_as_known(array: np.ndarray) -> bool:
    extents = ctypes.c_void_p.from_address(id(array) + EXTENTS_OFFSET).value
    return (
        ctypes.c_void_p.from_address(id(array) + DATA_OFFSET).value == array.ctypes.data
        and ctypes.c_int.from_address(id(array) + RANK_OFFSET).value == array.ndim
        and (array.ndim == 0 or (ctypes.c_ssize_t * array.ndim).from_address(extents or 0)[:] == [*array.shape])
    )


def slot_offsets(kind: type, names: Iterable[str]) -> dict[str, int] | None:
    """Where objects of a class hold the values of its ``__slots__``, in bytes; None if they are not found there.

    Found by looking: a sample holds an object of its own in each, whose address stands in its memory once.
    """
    sample = kind.__new__(kind)
    words = (ctypes.c_size_t * (kind.__basicsize__ // 8)).from_address(id(sample))
    found: dict[str, int] = {}
    for name in names:
        value = object()
        setattr(sample, name, value)
        places = [8 * k for k, word in enumerate(words) if word == id(value)]
        if len(places) != 1:
            return None
        found[name] = places[0]
    return found


def new_ndarray() -> int | None:
    """The address of NumPy's ``PyArray_NewFromDescr``, or None where its table is not found, or is another."""
    try:
        from numpy._core._multiarray_umath import _ARRAY_API  # type: ignore[attr-defined]
    except ImportError:
        return None
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = (ctypes.c_void_p * (_NEW_FROM_DESCR + 1)).from_address(pointer(_ARRAY_API, None))
    address = table[_NEW_FROM_DESCR]
    if table[2] != id(np.ndarray) or address is None:
        return None
    return address


class _Ufunc(ctypes.Structure):
    """The beginning of PyUFuncObject, after PyObject_HEAD."""

    _fields_ = (
        ("nin", ctypes.c_int),
        ("nout", ctypes.c_int),
        ("nargs", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("ntypes", ctypes.c_int),
        ("reserved", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("types", ctypes.POINTER(ctypes.c_char)),
    )


def ufunc_loops(ufunc: np.ufunc) -> dict[tuple[int, ...], tuple[int, int]]:
    """The inner loops of a ufunc: numbers of the dtypes of operands and result -> addresses of a loop and of its data.

    Empty where the object doesn't look as NumPy's headers say. Loops of objects are left out.
    """
    seen = _Ufunc.from_address(id(ufunc) + object.__basicsize__)
    if (seen.nin, seen.nout, seen.nargs, seen.ntypes) != (ufunc.nin, ufunc.nout, ufunc.nargs, ufunc.ntypes):
        return {}
    if seen.name != ufunc.__name__.encode() or not seen.functions or not seen.types:
        return {}
    found: dict[tuple[int, ...], tuple[int, int]] = {}
    for k, text in enumerate(ufunc.types):
        numbers = tuple(seen.types[k * seen.nargs : (k + 1) * seen.nargs])
        named = tuple(np.dtype(letter).num for letter in text.replace("->", ""))
        address = seen.functions[k]
        if numbers != named or address is None:
            return {}
        if "O" not in text:
            found.setdefault(numbers, (address, (seen.data[k] or 0) if seen.data else 0))
    return found


def builtin(address: int, name: str, owner: Any, *, by_name: bool = False) -> Callable[..., Any]:
    """A Python builtin over native ``PyObject *f(PyObject *self, PyObject *const *args, Py_ssize_t n)``.

    ``self`` is ``owner``, which the builtin keeps alive; it must own the code and accept the attribute ``method_def``.
    With ``by_name`` it takes arguments by name too: their values after the others, and their names in a tuple.
    """
    definition = _MethodDef(name.encode(), address, _METH_FASTCALL | (_METH_KEYWORDS if by_name else 0), None)
    owner.method_def = definition
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    made: Callable[..., Any] = make(ctypes.addressof(definition), owner, None)
    return made
