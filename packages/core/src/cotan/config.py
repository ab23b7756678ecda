"""Configuration: one table of flags, global values, and overrides for a block of code on one thread.

Knows no backend, array or trace. ``config.NAME`` reads a flag in about 50 ns: the object is thread-local, its class
attributes are the global values, and an override is an attribute of the calling thread. Flags that change what a traced
function means are part of ``config.trace_key()``, by which jit decides whether to trace again.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from cotan import absl_flags
from cotan.errors import where

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
_ALIASES = {"platforms": "platform", "platform_name": "platform", "enable_checks": "check_jaxprs"}
_TRACED = tuple(name for name, flag in flags.items() if flag.traced)


def traced_flags() -> tuple[str, ...]:
    """The names of the flags whose values ``config.trace_key()`` gives, in its order."""
    return _TRACED


def _find(name: str) -> Flag:
    plain = name.removeprefix("jax_")
    flag = flags.get(_ALIASES.get(plain, plain))
    if flag is None:
        import difflib

        close = difflib.get_close_matches(plain, flags, 1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        raise AttributeError(f"{where()}: cotan.config has no flag `{name}`{hint} Flags: {', '.join(flags)}")
    return flag


def _checked(flag: Flag, value: Any) -> Any:
    try:
        return flag.check(value)
    except ValueError as error:
        raise ValueError(f"{where()}: config flag {flag.name}: {value!r} is not a valid value; {error}") from None


def _initial(flag: Flag) -> Any:
    text = os.environ.get(flag.env)
    if text is None:
        return flag.default
    try:
        return flag.check(flag.parse(text))
    except ValueError as error:
        raise ValueError(f"the environment variable {flag.env}={text!r} is not valid: {error}") from None


_lock = threading.RLock()
_keys: dict[tuple[Hashable, ...], tuple[Hashable, ...]] = {}  # interned, so that equal keys are mostly identical
overriding: dict[int, dict[str, Any]] = {}
"""The attributes of each thread that overrides a flag just now. While it is empty, those of the class hold for all."""


class Config(threading.local):
    """The flags, as attributes. Reading gives the calling thread's value; assigning or ``update`` sets it for all.

    >>> from cotan.config import config
    >>> config.enable_x64
    False
    >>> with config.override(enable_x64=True):
    ...     config.enable_x64
    True
    """

    enable_x64: bool
    explicit_x64_dtypes: Literal["warn", "error", "allow"]
    numpy_dtype_promotion: Literal["standard", "strict"]
    numpy_rank_promotion: Literal["allow", "warn", "raise"]
    default_device: Any
    default_matmul_precision: str | None
    disable_jit: bool
    compile_gradients: bool
    compile_repeated: bool
    threefry_partitionable: bool
    default_prng_impl: str
    debug_nans: bool
    debug_infs: bool
    check_tracer_leaks: bool
    check_jaxprs: bool
    no_tracing: bool
    log_compiles: bool
    explain_cache_misses: bool
    traceback_filtering: Literal["auto", "off", "tracebackhide", "remove_frames", "quiet_remove_frames"]
    platform: str | None
    backends: tuple[str, ...] | None
    num_cpu_devices: int
    cpu_mkl: bool
    num_opencl_devices: int
    opencl_platform: str | None
    opencl_partition: bool
    opencl_as_gpu: bool
    num_threads: int | None
    compilation_cache_dir: str | None
    enable_compilation_cache: bool
    persistent_cache_min_compile_time_secs: float
    transfer_guard: str | None
    transfer_guard_host_to_device: str | None
    transfer_guard_device_to_device: str | None
    transfer_guard_device_to_host: str | None
    softmax_custom_jvp: bool
    legacy_prng_key: Literal["allow", "warn", "error"]
    enable_custom_prng: bool
    pprint_use_color: bool
    cpu_collectives_implementation: Literal["gloo", "none"]
    optimization_level: str
    memory_fitting_level: str
    use_shardy_partitioner: bool
    host_fallback: bool
    plain_dispatch: bool
    """Whether nothing asks operations for more than to run where their operands are (see ``_DISPATCH``). Derived."""
    key: tuple[Hashable, ...]
    """What ``trace_key()`` returns, for the road where a method call would show. Derived."""
    numbers: tuple[bool, bool]
    """Under which flags a number on a device may stand for an equal one: 64 bits, and guarded transfers. Derived."""

    @property
    def compiles_nothing(self) -> bool:
        """Whether nothing is to be compiled that the user did not ask for."""
        return compiles_nothing(self)

    def trace_key(self) -> Hashable:
        """The values, on this thread, of the flags on which a traced function may depend."""
        return self.key

    def update(self, name: str, value: Any) -> None:
        """Set a flag for all threads (a thread inside ``override`` keeps its own value until it leaves).

        Args:
          name: a flag, with or without the prefix ``jax_``.
          value: its new value.

        Raises:
          AttributeError: there is no such flag.
          ValueError: the flag does not take that value.

        >>> config.update("jax_numpy_rank_promotion", "allow")
        """
        flag = _find(name)
        value = _checked(flag, value)
        with _lock:
            setattr(Config, flag.name, value)
            if flag.traced or flag.name in _DISPATCH:
                _refresh_keys()

    def override(self, **values: Any) -> _Override:
        """A context manager, also usable as a decorator, that sets flags for a block on this thread.

        >>> with config.override(numpy_rank_promotion="raise", enable_x64=True):
        ...     config.numpy_rank_promotion
        'raise'
        """
        return _Override({(flag := _find(name)).name: _checked(flag, value) for name, value in values.items()})

    def read(self, name: str) -> Any:
        """The value of the flag ``name``, which may carry the prefix ``jax_``."""
        return getattr(self, _find(name).name)

    @property
    def x64_enabled(self) -> bool:
        """Whether 64-bit dtypes exist on this thread."""
        return self.enable_x64

    def config_with_absl(self) -> None:
        """Define absl's flags ``--jax_...`` for all flags here, which take effect when ``absl.app.run`` begins."""
        absl_flags.define_for_app(flags, _ALIASES, self.update)

    def parse_flags_with_absl(self) -> None:
        """Set what arguments ``--jax_...`` of this process say, as absl reads them; for programs without ``run``."""
        absl_flags.parse_own(flags, _ALIASES, self.update)

    @property
    def values(self) -> dict[str, Any]:
        """All flags with their values on this thread."""
        return {name: getattr(self, name) for name in flags}

    def __setattr__(self, name: str, value: Any) -> None:
        self.update(name, value)

    def __getattr__(self, name: str) -> Any:
        # Reached only for names that are not flags: the prefixed ones, and mistakes.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self, _find(name).name)

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{name}={value!r}' for name, value in self.values.items())})"


class _Override(threading.local, contextlib.ContextDecorator):
    """Sets attributes of the calling thread on entry and restores them on exit. Threads may enter it, repeatedly."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self._saved: list[dict[str, Any]] = []

    def _recreate_cm(self) -> _Override:
        return _Override(self._values)  # one per call of a decorated function, so that threads do not meet

    def __enter__(self) -> None:
        local = config.__dict__
        self._saved.append({name: local[name] for name in self._values if name in local})
        local.update(self._values)
        _refresh_key(local)

    def __exit__(self, *exc: object) -> None:
        local = config.__dict__
        for name in self._values:
            del local[name]
        local.update(self._saved.pop())
        _refresh_key(local)


def _key_of(local: dict[str, Any]) -> tuple[Hashable, ...]:
    key = tuple(local[name] if name in local else getattr(Config, name) for name in _TRACED)
    return _keys.setdefault(key, key)


# Flags that every operation would have to read; one derived attribute says whether all have their defaults.
_TRANSFERS = tuple(name for name in flags if name.startswith("transfer_guard"))
_DISPATCH = ("default_device", "debug_nans", "debug_infs", "record_runs", *_TRANSFERS)
_DERIVED = ("key", "plain_dispatch", "numbers")


_NUMBERS = {(wide, guarded): (wide, guarded) for wide in (False, True) for guarded in (False, True)}


def _derive(local: dict[str, Any]) -> tuple[tuple[Hashable, ...], bool, tuple[bool, bool]]:
    def read(name: str) -> Any:
        return local[name] if name in local else getattr(Config, name)

    return _key_of(local), not any(map(read, _DISPATCH)), _NUMBERS[read("enable_x64"), any(map(read, _TRANSFERS))]


def _refresh_key(local: dict[str, Any]) -> None:
    with _lock:
        for name in _DERIVED:
            local.pop(name, None)
        if local:
            local.update(zip(_DERIVED, _derive(local), strict=True))
            overriding[id(local)] = local
        else:
            overriding.pop(id(local), None)


def _refresh_keys() -> None:
    Config.key, Config.plain_dispatch, Config.numbers = _derive({})
    for local in overriding.values():
        local.update(zip(_DERIVED, _derive(local), strict=True))


for _declared in flags.values():
    setattr(Config, _declared.name, _initial(_declared))
_refresh_keys()
config = Config()


def compiles_nothing(flags: Config | type[Config]) -> bool:
    """As the property of that name, of the class as well, whose flags hold where no thread overrides one."""
    return flags.disable_jit or flags.no_tracing or flags.check_tracer_leaks


def enable_x64(new_val: bool = True) -> _Override:
    """A context manager under which 64-bit dtypes exist (or do not).

    >>> with enable_x64(True):
    ...     config.enable_x64
    True
    """
    return config.override(enable_x64=new_val)


def disable_jit(disable: bool = True) -> _Override:
    """A context manager under which jitted functions, loops and branches run as plain Python, op by op."""
    return config.override(disable_jit=disable)


def default_device(new_val: Any) -> _Override:
    """A context manager under which arrays are made, and uncommitted computations run, on ``new_val``."""
    return config.override(default_device=new_val)


def default_matmul_precision(new_val: str | None) -> _Override:
    """A context manager that sets the precision of matrix products for which none is given."""
    return config.override(default_matmul_precision=new_val)


def numpy_dtype_promotion(new_val: str) -> _Override:
    """A context manager that allows (``"standard"``) or forbids (``"strict"``) implicit promotion of dtypes."""
    return config.override(numpy_dtype_promotion=new_val)


def numpy_rank_promotion(new_val: str) -> _Override:
    """A context manager that says what broadcasting of different ranks does: ``"allow"``, ``"warn"`` or ``"raise"``."""
    return config.override(numpy_rank_promotion=new_val)


def debug_nans(new_val: bool = True) -> _Override:
    """A context manager under which every result is checked for NaN."""
    return config.override(debug_nans=new_val)


def no_tracing(new_val: bool = True) -> _Override:
    """A context manager under which a jitted function that would have to be traced, or traced again, is an error."""
    return config.override(no_tracing=new_val)


def log_compiles(new_val: bool = True) -> _Override:
    """A context manager under which the logger `cotan` says what is traced and compiled, and how long it takes."""
    return config.override(log_compiles=new_val)


def explain_cache_misses(enable: bool = True) -> _Override:
    """A context manager under which the logger `cotan` says why a jitted function is traced again."""
    return config.override(explain_cache_misses=enable)


def debug_infs(new_val: bool = True) -> _Override:
    """A context manager under which every result is checked for infinities."""
    return config.override(debug_infs=new_val)


def checking_leaks(enable: bool = True) -> _Override:
    """A context manager under which a traced value that is still held when its trace ends is an error."""
    return config.override(check_tracer_leaks=enable)


def threefry_partitionable(enable: bool = True) -> _Override:
    """A context manager that chooses how Threefry numbers the elements of an array."""
    return config.override(threefry_partitionable=enable)


def default_prng_impl(impl: str) -> _Override:
    """A context manager that chooses the generator of keys for which none is named."""
    return config.override(default_prng_impl=impl)


def enable_checks(new_val: bool = True) -> _Override:
    """A context manager under which every jaxpr is verified after each stage."""
    return config.override(check_jaxprs=new_val)


def check_tracer_leaks(new_val: bool = True) -> _Override:
    """As ``checking_leaks``: a context manager under which a traced value that outlives its trace is an error."""
    return config.override(check_tracer_leaks=new_val)


def transfer_guard(new_val: str | None) -> _Override:
    """A context manager that allows, logs or refuses transfers between host and devices, in all directions.

    Args:
      new_val: ``"allow"``; ``"log"`` or ``"disallow"`` for what is not asked for by device_put and device_get;
        ``"log_explicit"`` or ``"disallow_explicit"`` for all transfers.

    >>> import cotan, cotan.numpy as cnp, numpy as np
    >>> x = cnp.arange(3.0)
    >>> with cotan.transfer_guard("disallow"):
    ...     y = x * cotan.device_put(np.float32(2))
    >>> y
    Array([0., 2., 4.], dtype=float32)
    """
    return config.override(**dict.fromkeys(_TRANSFERS, new_val))


def transfer_guard_host_to_device(new_val: str | None) -> _Override:
    """As ``transfer_guard``, for transfers from the host alone."""
    return config.override(transfer_guard_host_to_device=new_val)


def transfer_guard_device_to_device(new_val: str | None) -> _Override:
    """As ``transfer_guard``, for transfers between devices alone."""
    return config.override(transfer_guard_device_to_device=new_val)


def transfer_guard_device_to_host(new_val: str | None) -> _Override:
    """As ``transfer_guard``, for transfers to the host alone."""
    return config.override(transfer_guard_device_to_host=new_val)


def softmax_custom_jvp(new_val: bool = True) -> _Override:
    """A context manager under which ``nn.softmax`` is differentiated by a rule of its own."""
    return config.override(softmax_custom_jvp=new_val)


def legacy_prng_key(new_val: str) -> _Override:
    """A context manager that allows (``"allow"``), reports (``"warn"``) or refuses (``"error"``) raw random keys."""
    return config.override(legacy_prng_key=new_val)


def enable_custom_prng(new_val: bool = True) -> _Override:
    """A context manager under which ``random.PRNGKey`` makes typed keys, as ``random.key`` does."""
    return config.override(enable_custom_prng=new_val)
