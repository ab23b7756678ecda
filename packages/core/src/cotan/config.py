"""Configuration: every flag declared once, with a global value, environment variable and thread-local overrides.

Reading ``config.name`` is one attribute lookup while no override is active anywhere. Knows nothing of what the flags do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(frozen=True)
class Flag:
    """One setting.

    Attributes:
      name: the attribute of ``config``.
      default: its value when nothing is said.
      parse: takes text (of the environment) or a value and returns a good value, or raises ValueError.
      doc: what it does.
      traced: whether a change makes jit trace anew.
    """

    name: str
    default: Any
    parse: Callable[[Any], Any]
    doc: str
    traced: bool = False

    @property
    def env(self) -> str:
        return f"COTAN_{self.name.upper()}"


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off", ""):
        if text or value == "":
            return False
    raise ValueError("a boolean is needed (True or False; 1, 0, true, false, on, off in the environment)")


def _choice(*names: str) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if value in names:
            return value
        raise ValueError(f"one of {', '.join(map(repr, names))} is needed")

    return parse


def _optional(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None or value == "" else parse(value)


def _positive(value: Any) -> int:
    try:
        number = int(value) if isinstance(value, str) else value.__index__()
    except (ValueError, AttributeError):
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ValueError("a positive integer is needed")
    return int(number)


def _text(value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise ValueError("a string is needed")
    return value


def _names(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("names separated by commas, or a list of names, are needed")
    return tuple(item.strip() for item in items if item.strip())


def _device(value: Any) -> Any:
    if isinstance(value, str) or (hasattr(value, "platform") and hasattr(value, "id")):
        return value
    raise ValueError("a device (as cotan.devices() gives) or a platform name is needed")


def _precision(value: Any) -> Any:
    if isinstance(value, str):
        return _choice("default", "high", "highest", "bfloat16", "tensorfloat32", "float32")(value)
    if hasattr(value, "name"):
        return value
    raise ValueError("'default', 'high', 'highest' or a cotan.lax.Precision is needed")


FLAGS: tuple[Flag, ...] = (
    Flag("enable_x64", False, _boolean, "whether 64-bit dtypes exist, and are what Python scalars become", True),
    Flag("numpy_dtype_promotion", "standard", _choice("standard", "strict"),
         "whether operands of different dtypes are promoted, or refused ('strict')", True),
    Flag("numpy_rank_promotion", "allow", _choice("allow", "warn", "raise"),
         "what happens when operands of different rank are broadcast", True),
    Flag("explicit_x64_dtypes", "warn", _choice("error", "warn", "allow"),
         "what happens when a 64-bit dtype is asked for while enable_x64 is off: it becomes the 32-bit one, with "
         "a warning; is refused; or is given", True),
    Flag("default_device", None, _optional(_device), "the device that new arrays are put on", True),
    Flag("default_matmul_precision", None, _optional(_precision), "the precision of matrix products", True),
    Flag("disable_jit", False, _boolean, "run jitted functions operation by operation, as plain Python", True),
    Flag("threefry_partitionable", True, _boolean, "the counter layout of random bits", True),
    Flag("default_prng_impl", "threefry2x32", _choice("threefry2x32"), "the generator of new random keys", True),
    Flag("debug_nans", False, _boolean, "raise as soon as a result contains NaN"),
    Flag("check_jaxprs", False, _boolean, "verify every program after every transformation (for tests)"),
    Flag("host_fallback", False, _boolean,
         "whether a backend may run what it does not know through NumPy on the host"),
    Flag("platform", None, _optional(_text), "the backend used by default"),
    Flag("backends", None, _optional(_names), "the only backends to look at"),
    Flag("num_cpu_devices", 1, _positive, "how many devices the CPU backend shows"),
    Flag("num_threads", None, _optional(_positive), "how many threads one CPU program may use; None: all cores"),
    Flag("compilation_cache_dir", None, _optional(_text), "folder of the persistent compilation cache; None: no cache"),
)
_BY_NAME = {flag.name: flag for flag in FLAGS}
_TRACED = tuple(flag.name for flag in FLAGS if flag.traced)

_overrides: ContextVar[dict[str, Any] | None] = ContextVar("cotan_config_overrides", default=None)
_get_overrides = _overrides.get


def _checked(name: str, value: Any, origin: str = "") -> tuple[str, Any]:
    plain = name.removeprefix("jax_")
    flag = _BY_NAME.get(plain)
    if flag is None:
        raise AttributeError(f"cotan.config has no setting named {name!r}; it has {', '.join(sorted(_BY_NAME))}")
    try:
        return plain, flag.parse(value)
    except ValueError as error:
        raise ValueError(f"{origin or f'cotan.config.{plain}'} cannot be {value!r}: {error}") from None


class Config:
    """All settings as attributes; see ``FLAGS``.

    >>> from cotan.config import config
    >>> config.enable_x64
    False
    >>> with config.override(enable_x64=True):
    ...     config.enable_x64
    True
    """

    __slots__ = ("_values", "_key", "_version")
    enable_x64: bool
    numpy_dtype_promotion: str
    numpy_rank_promotion: str
    explicit_x64_dtypes: str
    default_device: Any
    default_matmul_precision: Any
    disable_jit: bool
    threefry_partitionable: bool
    default_prng_impl: str
    debug_nans: bool
    check_jaxprs: bool
    host_fallback: bool
    platform: str | None
    backends: tuple[str, ...] | None
    num_cpu_devices: int
    num_threads: int | None
    compilation_cache_dir: str | None

    def __init__(self) -> None:
        values = {}
        for flag in FLAGS:
            text = os.environ.get(flag.env)
            values[flag.name] = (
                flag.default if text is None else _checked(flag.name, text, f"the environment variable {flag.env}")[1]
            )
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_key", None)

    def __setattr__(self, name: str, value: Any) -> None:
        self.update(name, value)

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"the setting cotan.config.{name} cannot be deleted")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("jax_") and name[4:] in _BY_NAME:
            return getattr(self, name[4:])
        raise AttributeError(f"cotan.config has no setting named {name!r}; it has {', '.join(sorted(_BY_NAME))}")

    def __dir__(self) -> list[str]:
        return [*_BY_NAME, "update", "override", "trace_key", "read"]

    def update(self, name: str, value: Any) -> None:
        """Set a flag for all threads; ``name`` may carry the prefix ``jax_``.

        Raises:
          AttributeError: there is no such flag.
          ValueError: the flag cannot have this value.
        """
        plain, good = _checked(name, value)
        object.__setattr__(self, "_values", {**self._values, plain: good})
        object.__setattr__(self, "_key", None)

    def read(self, name: str) -> Any:
        """The value of a flag by name, with or without the prefix ``jax_``."""
        return getattr(self, name.removeprefix("jax_"))

    @contextmanager
    def override(self, **settings: Any) -> Iterator[None]:
        """Other values for the time of the block, on this thread only."""
        checked = dict(_checked(name, value) for name, value in settings.items())
        token = _overrides.set(_Overrides({**(_get_overrides() or {}), **checked}))
        try:
            yield
        finally:
            _overrides.reset(token)

    def trace_key(self) -> tuple[Any, ...]:
        """The values of all flags that make jit trace anew: hashable, and the identical object while nothing changes."""
        active = _get_overrides()
        if active is None:
            key = self._key
            if key is None:
                values = self._values
                key = tuple(values[name] for name in _TRACED)
                object.__setattr__(self, "_key", key)
            return key  # type: ignore[no-any-return]
        if active.key is None or active.base is not self._values:  # type: ignore[attr-defined]
            active.base = self._values  # type: ignore[attr-defined]
            active.key = tuple({**self._values, **active}[name] for name in _TRACED)  # type: ignore[attr-defined]
        return active.key  # type: ignore[attr-defined,no-any-return]


class _Overrides(dict[str, Any]):
    """The overrides of one block, with the trace key that they give."""

    __slots__ = ("key", "base")

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.key: tuple[Any, ...] | None = None
        self.base: dict[str, Any] | None = None


def _reader(flag: Flag) -> property:
    name = flag.name

    def read(self: Config) -> Any:
        active = _get_overrides()
        return self._values[name] if active is None or name not in active else active[name]

    return property(read, doc=flag.doc)


for _flag in FLAGS:
    setattr(Config, _flag.name, _reader(_flag))

config = Config()


@contextmanager
def enable_x64(new_val: bool = True) -> Iterator[None]:
    """Give the block 64-bit dtypes (or, with False, take them away), on this thread only.

    >>> import cotan
    >>> with cotan.enable_x64(True):
    ...     cotan.config.enable_x64
    True
    """
    with config.override(enable_x64=new_val):
        yield


@contextmanager
def disable_jit(disable: bool = True) -> Iterator[None]:
    """In the block, run jitted functions operation by operation, so that prints and debuggers see values."""
    with config.override(disable_jit=disable):
        yield
