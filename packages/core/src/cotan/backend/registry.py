"""The registry: finds backends through entry points, remembers what is broken, opens the one that is asked for.

One try per entry point: a plugin that cannot be imported, or whose hook raises, is remembered by name and shown when
asked for; it never disturbs the others. Nothing is looked for before a device is first needed. No backend is known by
name here.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from cotan.backend.contract import API_VERSION, Backend, BackendEntry, Probe
from cotan.config import config
from cotan.errors import BackendUnavailableError
from cotan.forks import importing

GROUP = "cotan.backends"
FAILURES = (Exception, SystemExit)
"""What somebody else's module may raise; one that ends the process, as scripts do, must not end ours."""
INSTALL = 'no backend is installed: pip install "cotan[cpu]" brings the one for the CPU'


@dataclass
class Found:
    """A backend that a plugin registered, or a plugin that could not be used (``entry`` is None then).

    Attributes:
      name: the backend's name, or that of the broken entry point.
      source: the distribution and module that it came from.
      error: why it cannot be used, or "".
      notes: what other plugins added to it, or failed to.
    """

    name: str
    source: str
    entry: BackendEntry | None = None
    error: str = ""
    backend: Backend | None = None
    probed: Probe | None = None
    notes: tuple[str, ...] = ()

    def probe(self) -> Probe:
        """What the backend's own cheap look says; a probe that raises counts as unusable."""
        if self.probed is None:
            with _state.lock:
                self.probed = self._looked() if self.probed is None else self.probed
        return self.probed

    def _looked(self) -> Probe:
        if self.entry is None or self.error:
            return Probe(False, reason=self.error)
        try:
            found = self.entry.probe()
        except FAILURES as error:
            return Probe(False, reason=f"its probe raised {_describe(error)}")
        if not isinstance(found, Probe):
            return Probe(False, reason=f"its probe must return a Probe, not {type(found).__name__}")
        return found


@dataclass
class _State:
    lock: threading.RLock = importing  # plugins and backends are imported under it
    found: dict[str, Found] | None = None
    plugins: Any = None


_state = _State()


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _entry_points() -> Iterable[Any]:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def _load_plugins() -> tuple[Any, list[tuple[str, str, Any]], list[Found]]:
    """(plugin manager, [(entry point's name, source, module)], broken ones)."""
    import pluggy

    from cotan.backend.hookspecs import PROJECT, Specs

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Specs)
    plugins: list[tuple[str, str, Any]] = []
    broken: list[Found] = []
    for point in _entry_points():
        dist = getattr(point, "dist", None)
        source = f"{dist.name} {dist.version} ({point.value})" if dist is not None else str(point.value)
        if any(source == other for _, other, _ in plugins):
            continue  # the same distribution can be on the path twice
        try:
            module = point.load()
            if manager.get_name(module) is None:
                manager.register(module, name=source)
            if not manager.get_hookcallers(module):
                raise TypeError("it has no hook; mark its function cotan_backends, or cotan_lowerings, by @hookimpl")
            plugins.append((point.name, source, module))
        except FAILURES as error:
            broken.append(Found(point.name, source, error=f"its plugin cannot be loaded: {_describe(error)}"))
    return manager, plugins, broken


def _entries_of(manager: Any, source: str) -> list[BackendEntry]:
    entries: list[BackendEntry] = []
    for implementation in manager.hook.cotan_backends.get_hookimpls():
        if implementation.plugin_name == source:
            for entry in implementation.function():
                if not isinstance(entry, BackendEntry):
                    raise TypeError(f"cotan_backends must return BackendEntry records, not {type(entry).__name__}")
                entries.append(entry)
    return entries


def _discover() -> dict[str, Found]:
    manager, plugins, broken = _load_plugins()
    found: dict[str, Found] = {}
    for point_name, source, _ in plugins:
        try:
            entries = _entries_of(manager, source)
        except FAILURES as error:
            broken.append(Found(point_name, source, error=f"its hook cotan_backends failed: {_describe(error)}"))
            continue
        for entry in entries:
            _add(found, entry, source)
    for item in broken:
        _keep(found, item)
    _state.plugins = manager
    return found


def _add(found: dict[str, Found], entry: BackendEntry, source: str) -> None:
    item = Found(entry.name, source, entry)
    if entry.api_version != API_VERSION:
        item.error = (
            f"it was written for version {entry.api_version} of the backend interface and this cotan has version "
            f"{API_VERSION}: install a matching {'cotan' if entry.api_version > API_VERSION else 'release of it'}"
        )
    for name in (entry.name, *entry.aliases):
        other = next((o for o in found.values() if o.entry and name in (o.entry.name, *o.entry.aliases)), None)
        if other is not None:
            clash = f"two backends are named `{name}`: from {other.source} and from {source}; uninstall one of them"
            item.error = other.error = clash
    _keep(found, item)


def _keep(found: dict[str, Found], item: Found) -> None:
    # Two of one name stay apart in the list, so that info shows both; either one is refused when asked for.
    found[item.name if item.name not in found else f"{item.name} ({item.source})"] = item


def backends_found() -> list[Found]:
    """All registered backends and broken plugins, allowed ones only (``COTAN_BACKENDS``), best first."""
    with _state.lock:
        if _state.found is None:
            _state.found = _discover()
        items = list(_state.found.values())
    allowed = config.backends
    if allowed is not None:
        items = [item for item in items if not {item.name, *_aliases(item)}.isdisjoint(allowed)]
    return sorted(items, key=lambda item: (-(item.entry.priority if item.entry else -(10**9)), item.name))


def _aliases(item: Found) -> tuple[str, ...]:
    return item.entry.aliases if item.entry is not None else ()


def discovery() -> object:
    """What discovery has found: the identical object until the next ``reset``; None while nothing was looked for."""
    return _state.found


def get_backend(name: str | None = None) -> Backend:
    """The backend of that name or alias, opened; the default one for None.

    Raises:
      BackendUnavailableError: it is not installed, or cannot be used here; the message says why and what to do.
    """
    if name is None:
        return default_backend()
    items = backends_found()
    for item in items:
        if name == item.name or name in _aliases(item):
            return _open(item)
    raise BackendUnavailableError(_unknown(name, items))


def default_backend() -> Backend:
    """The backend that ``COTAN_PLATFORM`` names, else the usable one of highest priority."""
    if config.platform is not None:
        return get_backend(config.platform)
    items = backends_found()
    for item in items:
        if item.probe().usable:
            return _open(item)
    if not items:
        limit = "" if config.backends is None else f" (COTAN_BACKENDS allows {', '.join(config.backends)} only)"
        raise BackendUnavailableError(INSTALL + limit)
    reasons = "; ".join(f"{item.name}: {item.probe().reason or 'no reason given'}" for item in items)
    raise BackendUnavailableError(
        f"none of the installed backends can be used here: {reasons}. `python -m cotan info` shows details"
    )


def _unknown(name: str, items: list[Found]) -> str:
    names = ", ".join(dict.fromkeys(item.name for item in items)) or "none"
    if config.backends is not None and name not in config.backends:
        return f"backend `{name}` is excluded by COTAN_BACKENDS={','.join(config.backends)}"
    if not items:
        return f"backend `{name}` was asked for and {INSTALL}"
    return f"there is no backend `{name}`; installed: {names}. Check the name, or install the package that brings it"


def _open(item: Found) -> Backend:
    backend = item.backend
    if backend is not None:
        return backend
    with _state.lock:
        if item.backend is not None:
            return item.backend
        probe = item.probe()
        if item.entry is None or not probe.usable:
            raise BackendUnavailableError(
                f"backend `{item.name}` ({item.source}) cannot be used: {probe.reason or 'it gave no reason'}"
            )
        try:
            backend = item.entry.open()
            if not isinstance(backend, Backend):
                raise TypeError(f"`open` must return a Backend, not {type(backend).__name__}")
        except FAILURES as error:
            raise BackendUnavailableError(
                f"backend `{item.name}` ({item.source}) could not be opened: {_describe(error)}"
            ) from error
        item.notes = _extend(backend)
        item.backend = backend
        # Registered after the driver was imported: it runs before whatever the driver does at the end.
        atexit.register(_finish, weakref.ref(backend), os.getpid())
        return backend


def _finish(opened: weakref.ref[Backend], process: int) -> None:
    """Wait for what a backend still runs: drivers crash when the process is taken down under their threads. A forked
    process has no such threads, and would wait for ever."""
    backend = opened()
    for device in backend.devices() if backend is not None and process == os.getpid() else ():
        with suppress(Exception):  # of results that nobody asked for
            device.synchronize()


def _extend(backend: Backend) -> tuple[str, ...]:
    """Give ``backend`` the rules that other plugins have for it; what went wrong in that, in words."""
    notes = []
    for implementation in _state.plugins.hook.cotan_lowerings.get_hookimpls():
        try:
            table = implementation.function(backend)
            if table is not None:
                backend.extend(table)
                notes.append(f"extended by {implementation.plugin_name}: {table}")
        except FAILURES as error:
            notes.append(f"rules of {implementation.plugin_name} are not used: {_describe(error)}")
    return tuple(notes)


def reset() -> None:
    """Forget everything that was found and opened, so that the next use looks again (for tests)."""
    with _state.lock:
        _state.found = None
        _state.plugins = None


@contextmanager
def aside() -> Iterator[None]:
    """Look for backends anew in a ``with`` block (for tests); afterwards those found before are back, still open."""
    with _state.lock:
        before = (_state.found, _state.plugins)
    reset()
    try:
        yield
    finally:
        with _state.lock:
            _state.found, _state.plugins = before
