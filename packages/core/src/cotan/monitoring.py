"""cotan.monitoring: events that libraries report, and listeners that count, time or log them.

A leaf: knows nothing of what is reported. A listener that raises stops the one who reports.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from cotan.errors import where as _where
from cotan.forks import opened_by_fork

Listener = Callable[..., None]

_lock = opened_by_fork(threading.Lock())
# Tuples are replaced, never changed, so that they can be walked while others register.
_listeners: dict[str, tuple[Listener, ...]] = {"event": (), "duration": (), "span": (), "scalar": ()}


def _register(kind: str, callback: Listener) -> None:
    if not callable(callback):
        raise TypeError(f"{_where()}: a listener is a function, got {callback!r}")
    with _lock:
        _listeners[kind] = (*_listeners[kind], callback)


def _unregister(kind: str, callback: Listener) -> None:
    with _lock:
        known = list(_listeners[kind])
        if callback not in known:
            raise ValueError(f"{_where()}: {callback!r} is not registered as a listener; register it first")
        known.remove(callback)
        _listeners[kind] = tuple(known)


def record_event(event: str, **kwargs: str | int) -> None:
    """Tell the listeners of events that one has happened.

    >>> import cotan
    >>> seen = []
    >>> def listener(event, **kwargs):
    ...     seen.append((event, kwargs))
    >>> cotan.monitoring.register_event_listener(listener)
    >>> cotan.monitoring.record_event("/mine/step", number=3)
    >>> cotan.monitoring.unregister_event_listener(listener)
    >>> seen
    [('/mine/step', {'number': 3})]
    """
    for listener in _listeners["event"]:
        listener(event, **kwargs)


def record_event_duration_secs(event: str, duration: float, **kwargs: str | int) -> None:
    """Tell the listeners of durations how many seconds an event took."""
    for listener in _listeners["duration"]:
        listener(event, duration, **kwargs)


def record_event_time_span(event: str, start_time: float, end_time: float, **kwargs: str | int) -> None:
    """Tell the listeners of time spans from when to when an event lasted."""
    for listener in _listeners["span"]:
        listener(event, start_time, end_time, **kwargs)


def record_scalar(event: str, value: float | int, **kwargs: str | int) -> None:
    """Tell the listeners of scalars a value."""
    for listener in _listeners["scalar"]:
        listener(event, value, **kwargs)


def register_event_listener(callback: Listener) -> None:
    """Call ``callback(event, **kwargs)`` at each event."""
    _register("event", callback)


def register_event_duration_secs_listener(callback: Listener) -> None:
    """Call ``callback(event, seconds, **kwargs)`` at each event with a duration."""
    _register("duration", callback)


def register_event_time_span_listener(callback: Listener) -> None:
    """Call ``callback(event, start, end, **kwargs)`` at each event with a time span."""
    _register("span", callback)


def register_scalar_listener(callback: Listener) -> None:
    """Call ``callback(event, value, **kwargs)`` at each scalar."""
    _register("scalar", callback)


def unregister_event_listener(callback: Listener) -> None:
    """Undo ``register_event_listener``.

    Raises:
      ValueError: it is not registered.
    """
    _unregister("event", callback)


def unregister_event_duration_listener(callback: Listener) -> None:
    """Undo ``register_event_duration_secs_listener``.

    Raises:
      ValueError: it is not registered.
    """
    _unregister("duration", callback)


def unregister_event_time_span_listener(callback: Listener) -> None:
    """Undo ``register_event_time_span_listener``.

    Raises:
      ValueError: it is not registered.
    """
    _unregister("span", callback)


def unregister_scalar_listener(callback: Listener) -> None:
    """Undo ``register_scalar_listener``.

    Raises:
      ValueError: it is not registered.
    """
    _unregister("scalar", callback)


def clear_event_listeners() -> None:
    """Forget all listeners."""
    with _lock:
        for kind in _listeners:
            _listeners[kind] = ()


def has_duration_listeners() -> bool:
    """Whether anybody wants to know how long events take."""
    return bool(_listeners["duration"])
