"""The table of flags: their names, defaults, allowed values, environment variables, and what each one does.

Data alone: ``cotan.config`` holds the values.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Check = Callable[[Any], Any]


@dataclass(frozen=True)
class Flag:
    """One entry of the table of flags.

    Attributes:
      name: the attribute of ``config``.
      default: the value where neither the environment nor the program says otherwise.
      check: returns the value in its normal form, or raises ValueError saying what is allowed.
      parse: turns the text of the environment variable into a value for ``check``.
      doc: what the flag does.
      traced: whether a traced function may depend on it, so that jit traces again when it changes.
    """

    name: str
    default: Any
    check: Check
    parse: Callable[[str], Any]
    doc: str
    traced: bool = False

    @property
    def env(self) -> str:
        """The environment variable that gives the initial value."""
        return f"COTAN_{self.name.upper()}"


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("allowed are True and False")
    return value


def _parse_boolean(text: str) -> bool:
    word = text.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("allowed are 1, true, yes, on and 0, false, no, off")


def _choice(*allowed: str | None) -> Check:
    def check(value: Any) -> Any:
        if (value is not None and not isinstance(value, str)) or value not in allowed:
            raise ValueError(f"allowed are {', '.join(map(repr, allowed))}")
        return value

    return check


def _count(minimum: int, *, optional: bool) -> Check:
    def check(value: Any) -> int | None:
        if value is None and optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ValueError(f"allowed are integers from {minimum} up{' and None' if optional else ''}")
        return value

    return check


def _text(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str | os.PathLike) or not os.fspath(value)):
        raise ValueError("allowed are a non-empty text and None")
    return None if value is None else str(os.fspath(value))


def _names(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, Iterable):
        raise ValueError("allowed are a sequence of names, or None for all")
    names = tuple(value)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("allowed are a sequence of at least one non-empty name, or None for all")
    return names


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        raise ValueError("allowed are a device, the name of a platform, and None") from None
    return value


def _optional(text: str) -> str | None:
    return None if text.strip().lower() in ("", "none") else text.strip()


def _parse_count(text: str) -> int | None:
    word = _optional(text)
    try:
        return None if word is None else int(word)
    except ValueError:
        raise ValueError("it must be an integer") from None


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError("allowed are numbers from 0 up")
    return float(value)


def _parse_seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("it must be a number") from None


def _flag(name: str, default: Any, check: Check, doc: str, *, traced: bool = False, parse: Any = _optional) -> Flag:
    return Flag(name, default, check, _parse_boolean if check is _boolean else parse, doc, traced)


_PRECISIONS = (None, "default", "high", "highest", "bfloat16", "tensorfloat32", "float32")

_GUARDS = (None, "allow", "log", "disallow", "log_explicit", "disallow_explicit")
_EFFORTS = ("UNKNOWN", "O0", "O1", "O2", "O3")

_FILTERING = ("auto", "off", "tracebackhide", "remove_frames", "quiet_remove_frames")

flags: dict[str, Flag] = {
    flag.name: flag
    for flag in (
        _flag("enable_x64", False, _boolean, "Whether 64-bit dtypes exist; otherwise they become 32-bit ones.",
              traced=True),
        _flag("explicit_x64_dtypes", "warn", _choice("warn", "error", "allow"), "What an explicit request for a 64-bit "
              "dtype does while enable_x64 is off: truncate with a warning, raise, or grant it.", traced=True),
        _flag("numpy_dtype_promotion", "standard", _choice("standard", "strict"), "Which implicit promotions of dtypes "
              "are allowed: all of the lattice, or only those of Python scalars.", traced=True),
        _flag("numpy_rank_promotion", "allow", _choice("allow", "warn", "raise"), "What happens when operands of "
              "different rank are broadcast against each other.", traced=True),
        _flag("default_device", None, _hashable, "The device, or the name of the platform, where arrays are made and "
              "uncommitted computations run; None for the default backend's first.", traced=True),
        _flag("default_matmul_precision", None, _choice(*_PRECISIONS), "The precision of matrix products and "
              "convolutions for which none is given.", traced=True),
        _flag("disable_jit", False, _boolean, "Run jitted functions, loops and branches as plain Python.", traced=True),
        _flag("compile_gradients", True, _boolean, "Whether a gradient that is computed outside of jit again and again "
              "is compiled."),
        _flag("compile_repeated", True, _boolean, "Whether random numbers that are drawn outside of jit again and "
              "again, in the same way, are drawn by a program; so are functions of many operations such as take, and "
              "of large arrays such as var, and single operations that have taken long."),
        _flag("threefry_partitionable", True, _boolean, "Whether Threefry numbers the elements of an array one by "
              "one, so that parts of it can be generated independently.", traced=True),
        _flag("default_prng_impl", "threefry2x32", _text, "The generator of keys for which none is named.",
              traced=True),
        _flag("debug_nans", False, _boolean, "Check every result for NaN and raise where one first appears."),
        _flag("debug_infs", False, _boolean, "Check every result for infinities and raise where one first appears."),
        _flag("check_tracer_leaks", False, _boolean, "Raise where a traced value is still held when its trace ends.",
              traced=True),
        _flag("check_jaxprs", False, _boolean, "Verify every jaxpr after each stage; for tests."),
        _flag("no_tracing", False, _boolean, "Raise where a jitted function would have to be traced."),
        _flag("log_compiles", False, _boolean, "Log, as warnings of the logger `cotan`, what is traced and compiled, "
              "and how long it takes."),
        _flag("explain_cache_misses", False, _boolean, "Log, as warnings of the logger `cotan`, why a jitted "
              "function is traced again."),
        _flag("record_runs", False, _boolean, "Note when each compiled program begins and ends; cotan.profiler "
              "turns it on while it traces."),
        _flag("traceback_filtering", "auto", _choice(*_FILTERING), "What becomes of cotan's own frames in tracebacks: "
              "removed, with a note that says so (quiet_remove_frames) or that has them (remove_frames); marked for "
              "tools that leave out marked frames (tracebackhide); kept (off). auto: marked under IPython, otherwise "
              "removed."),
        _flag("platform", None, _text, "The backend to use by default."),
        _flag("backends", None, _names, "The only backends to look at; separated by commas in the environment."),
        _flag("num_cpu_devices", 1, _count(1, optional=False), "How many devices the CPU is divided into.",
              parse=_parse_count),
        _flag("cpu_mkl", True, _boolean, "Whether the CPU backend uses Intel's MKL where its package is installed; "
              "read once, when a library is first needed."),
        _flag("num_opencl_devices", 0, _count(0, optional=False), "How many devices the first OpenCL device is divided "
              "into; 0: all devices as they are.", parse=_parse_count),
        _flag("opencl_platform", None, _text, "Part of the name of the only OpenCL platforms to look at."),
        _flag("opencl_partition", False, _boolean, "Whether several OpenCL devices are asked for as sub-devices with "
              "units of their own, where these suffice, rather than as queues of one device."),
        _flag("opencl_as_gpu", False, _boolean, "Whether OpenCL's CPUs are taken for GPUs, for tests."),
        _flag("num_threads", None, _count(1, optional=True), "The most threads that a CPU program uses; None for as "
              "many as there are CPUs.", parse=_parse_count),
        _flag("compilation_cache_dir", None, _text, "A directory in which compiled programs are kept."),
        _flag("enable_compilation_cache", True, _boolean, "Whether that directory is used."),
        _flag("persistent_cache_min_compile_time_secs", 0.0, _seconds, "What compiles faster than this is not kept "
              "there.", parse=_parse_seconds),
        _flag("transfer_guard", None, _choice(*_GUARDS), "What becomes of transfers between host and devices: allowed, "
              "logged or refused where they are implicit (log, disallow), or where device_put and device_get ask for "
              "them as well (log_explicit, disallow_explicit). None: allowed."),
        _flag("transfer_guard_host_to_device", None, _choice(*_GUARDS), "The same for transfers from the host; None: "
              "as transfer_guard says."),
        _flag("transfer_guard_device_to_device", None, _choice(*_GUARDS), "The same for transfers between devices."),
        _flag("transfer_guard_device_to_host", None, _choice(*_GUARDS), "The same for transfers to the host, of memory "
              "that it does not share."),
        _flag("softmax_custom_jvp", False, _boolean, "Differentiate nn.softmax by a rule of its own, which keeps the "
              "result alone, not what it was computed from.", traced=True),
        _flag("legacy_prng_key", "allow", _choice("allow", "warn", "error"), "What happens when a random function gets "
              "a raw key, an array uint32, instead of one from random.key.", traced=True),
        _flag("enable_custom_prng", False, _boolean, "Whether random.PRNGKey makes typed keys, as random.key does."),
        _flag("pprint_use_color", True, _boolean, "Whether notebooks and IPython show programs in colours."),
        _flag("cpu_collectives_implementation", "gloo", _choice("gloo", "none"), "By what the processes of a run with "
              "XLA's CPU client exchange arrays; other backends know one way, or none."),
        _flag("optimization_level", "UNKNOWN", _choice(*_EFFORTS), "How hard XLA tries to make programs fast; without "
              "effect on other backends."),
        _flag("memory_fitting_level", "O2", _choice(*_EFFORTS), "How hard XLA tries to make programs fit into memory; "
              "without effect on other backends."),
        _flag("use_shardy_partitioner", True, _boolean, "Accepted: programs over several devices are divided by Shardy "
              "wherever a backend leaves that to XLA."),
        _flag("host_fallback", False, _boolean, "Run primitives that a backend lacks on the host, by NumPy."),
    )
}  # fmt: skip

# Names that users know from elsewhere, apart from the prefix ``jax_``, which every flag may carry.
ALIASES = {"platforms": "platform", "platform_name": "platform", "enable_checks": "check_jaxprs"}
TRACED = tuple(name for name, flag in flags.items() if flag.traced)
