"""Configuration: one table of flags, global values, and overrides for a block of code on one thread.

Knows no backend, array or trace. ``config.NAME`` reads a flag in about 50 ns: the object is thread-local, its class
attributes are the global values, and an override is an attribute of the calling thread. Flags that change what a traced
function means are part of ``config.trace_key()``, by which jit decides whether to trace again.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Hashable
from typing import Any, Literal

from cotan import absl_flags
from cotan.config_flags import ALIASES, TRACED, Flag, flags
from cotan.errors import where
from cotan.forks import opened_by_fork


def traced_flags() -> tuple[str, ...]:
    """The names of the flags whose values ``config.trace_key()`` gives, in its order."""
    return TRACED


def _find(name: str) -> Flag:
    if not isinstance(name, str):
        raise TypeError(f"{where()}: cotan.config: a flag is named by a text such as 'enable_x64', not by {name!r}")
    plain = name.removeprefix("jax_")
    flag = flags.get(ALIASES.get(plain, plain))
    if flag is None:
        import difflib

        close = difflib.get_close_matches(plain, flags, 1)
        hint = f"; did you mean `{close[0]}`?" if close else "."
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


_lock = opened_by_fork(threading.RLock())
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
        absl_flags.define_for_app(flags, ALIASES, self.update)

    def parse_flags_with_absl(self) -> None:
        """Set what arguments ``--jax_...`` of this process say, as absl reads them; for programs without ``run``."""
        absl_flags.parse_own(flags, ALIASES, self.update)

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


class _Override(contextlib.ContextDecorator):
    """Sets attributes of the calling thread for a block. Threads may enter it, repeatedly.

    Blocks need not end as they nest: a generator that is in one may be closed after others began, or by another thread
    than entered it. So each thread keeps the blocks that it is in, and what holds is what the last of them says.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self._entered: list[dict[str, Any]] = []  # the attributes of the threads that entered

    def _recreate_cm(self) -> _Override:
        return _Override(self._values)  # one per call of a decorated function, so that threads do not meet

    def __enter__(self) -> None:
        local = config.__dict__
        self._entered.append(local)
        local.setdefault("blocks", []).append(self._values)
        local.update(self._values)
        _refresh_key(local)

    def __exit__(self, *exc: object) -> None:
        here = config.__dict__
        with _lock:
            local = self._entered.pop(_last(self._entered, here))
            blocks = local["blocks"]
            del blocks[_last(blocks, self._values)]
            for name in self._values:
                del local[name]
            for block in blocks:
                local.update((name, block[name]) for name in self._values if name in block)
            if not blocks:
                del local["blocks"]
            _refresh_key(local)


def _last(values: list[Any], value: Any) -> int:
    """The place of the last of ``values`` that is ``value``, or else of the last one."""
    return next((at for at in reversed(range(len(values))) if values[at] is value), -1)


def _key_of(local: dict[str, Any]) -> tuple[Hashable, ...]:
    key = tuple(local[name] if name in local else getattr(Config, name) for name in TRACED)
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
