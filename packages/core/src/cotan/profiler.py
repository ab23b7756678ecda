"""cotan.profiler: traces of what runs when, for the viewers of Chrome and Perfetto.

A trace holds the runs and compilations of compiled programs, and the parts of a program that annotations name.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from cotan import tracebacks as _tracebacks
from cotan.config import config as _config
from cotan.errors import where as _where
from cotan.forks import opened_by_fork
from cotan.left_out import missing as _missing
from cotan.runtime import recorder as _recorder
from cotan.runtime.memory_profile import memory_profile as _memory_profile
from cotan.runtime.profiles import ProfileData as ProfileData
from cotan.runtime.profiles import ProfileEvent as ProfileEvent
from cotan.runtime.profiles import ProfilePlane as ProfilePlane

if TYPE_CHECKING:
    from cotan.runtime.profile_server import ProfileServer as _ProfileServer

_F = TypeVar("_F", bound=Callable[..., Any])
_lock = opened_by_fork(threading.Lock())
_directory: str | None = None


class ProfileOptions:
    """What to trace. Accepted and kept; there is one level of detail here."""

    def __init__(self) -> None:
        self.host_tracer_level = 2
        self.python_tracer_level = 0
        self.device_tracer_level = 1


def start_trace(
    log_dir: os.PathLike[str] | str,
    create_perfetto_link: bool = False,
    create_perfetto_trace: bool = False,
    profiler_options: ProfileOptions | None = None,
) -> None:
    """Begin to record; ``stop_trace`` writes the file. There is one recording at a time, of all threads.

    Args:
      log_dir: the directory; a file ``plugins/profile/<time>/<host>.trace.json.gz`` is made in it.
      create_perfetto_trace: whether to write the same as ``perfetto_trace.json.gz``, too.
      create_perfetto_link: must be False: nothing is served from here.
      profiler_options: accepted; there is one level of detail.

    Raises:
      RuntimeError: a recording goes on already. ValueError: a link was asked for. OSError: the directory is not there
        and cannot be made.
    """
    global _directory, _perfetto
    if create_perfetto_link:
        raise ValueError(
            f"{_where()}: start_trace: nothing is served from here; leave out create_perfetto_link and open the "
            "file at https://ui.perfetto.dev"
        )
    with _lock:
        if _directory is not None:
            raise RuntimeError(f"{_where()}: start_trace: a trace is being recorded already, to {_directory}; stop it")
        os.makedirs(log_dir, exist_ok=True)  # what cannot be written to is told before anything is recorded
        _directory, _perfetto = os.fspath(log_dir), create_perfetto_trace
        _recorder.take()
        _config.update("record_runs", True)


_perfetto = False


def stop_trace() -> None:
    """End the recording that ``start_trace`` began, and write it.

    Raises:
      RuntimeError: nothing is being recorded.
    """
    global _directory
    with _lock:
        if _directory is None:
            raise RuntimeError(f"{_where()}: stop_trace: no trace is being recorded; call start_trace first")
        directory, _directory = _directory, None
        _config.update("record_runs", False)
        spans = _recorder.take()
    folder = _new_folder(os.path.join(directory, "plugins", "profile", time.strftime("%Y_%m_%d_%H_%M_%S")))
    names = [f"{os.uname().nodename or 'host'}.trace.json.gz", *(["perfetto_trace.json.gz"] if _perfetto else [])]
    text = json.dumps(_trace_of(spans)).encode()
    for name in names:
        with gzip.open(os.path.join(folder, name), "wb") as file:
            file.write(text)


def _new_folder(path: str) -> str:
    """Make that directory, or one with a number behind its name: several recordings may end in one second."""
    numbered = itertools.chain([path], (f"{path}_{number}" for number in itertools.count(2)))
    while True:
        folder = next(numbered)
        with contextlib.suppress(FileExistsError):
            os.makedirs(folder)
            return folder


def _events(spans: list[_recorder.Span]) -> list[dict[str, Any]]:
    """The events of a Chrome trace; times are in microseconds from the first one on."""
    process = os.getpid()
    zero = min((span.began for span in spans), default=0.0)
    named: dict[str, Any] = {"ph": "M", "pid": process, "name": "process_name", "args": {"name": "cotan"}}
    return [named] + [
        {
            "ph": "X",
            "pid": process,
            "tid": span.thread,
            "name": span.name,
            "cat": span.kind,
            "ts": 1e6 * (span.began - zero),
            "dur": 1e6 * (span.ended - span.began),
            "args": {key: v if isinstance(v, int | float | str) else str(v) for key, v in span.details.items()},
        }
        for span in spans
    ]


@contextlib.contextmanager
def trace(
    log_dir: os.PathLike[str] | str,
    create_perfetto_link: bool = False,
    create_perfetto_trace: bool = False,
    profiler_options: ProfileOptions | None = None,
) -> Iterator[None]:
    """A block that is recorded, and written to a file at its end; see ``start_trace``.

    >>> import cotan, os, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with cotan.profiler.trace(directory):
    ...         _ = cotan.jit(lambda x: x + 1)(1.0)
    ...     os.listdir(directory)
    ['plugins']
    """
    start_trace(log_dir, create_perfetto_link, create_perfetto_trace, profiler_options)
    try:
        yield
    finally:
        stop_trace()


class TraceAnnotation:
    """A block that traces show under a name, with values as details.

    >>> import cotan
    >>> with cotan.profiler.TraceAnnotation("load", batch=3):
    ...     pass
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        self._name, self._details = name, kwargs
        self._began: list[float] = []

    def __enter__(self) -> TraceAnnotation:
        self._began.append(time.perf_counter())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        began = self._began.pop()
        if _config.record_runs:
            _recorder.record(self._name, "annotation", began, **self._details)


class StepTraceAnnotation(TraceAnnotation):
    """A block that is one step of a loop of training; give its number as ``step_num``.

    >>> import cotan
    >>> for step in range(2):
    ...     with cotan.profiler.StepTraceAnnotation("train", step_num=step):
    ...         pass
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, _r=1, **kwargs)


def annotate_function(func: _F, name: str | None = None, **decorator_kwargs: Any) -> _F:
    """A function whose calls traces show, under its name or the given one.

    >>> import cotan
    >>> @cotan.profiler.annotate_function
    ... def load(n):
    ...     return n + 1
    >>> load(1)
    2
    """
    shown = name or getattr(func, "__qualname__", type(func).__name__)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with TraceAnnotation(shown, **decorator_kwargs):
            return func(*args, **kwargs)

    return wrapper  # type: ignore[return-value]


def start_server(port: int, requires_backend: bool = True) -> _ProfileServer:
    """Serve recordings of this process over HTTP, to programs on this machine.

    ``GET http://127.0.0.1:<port>/?seconds=2`` records for two seconds, then answers a trace for the viewers of Chrome
    and Perfetto, as JSON. There is one server at a time.

    Args:
      port: where to listen; 0 takes any that is free, which the server's ``port`` tells.
      requires_backend: accepted; backends are opened where they are used.

    Raises:
      RuntimeError: a server runs already. OSError: the port is taken.

    >>> import cotan
    >>> server = cotan.profiler.start_server(0)
    >>> server.port > 0
    True
    >>> cotan.profiler.stop_server()
    """
    global _server
    from cotan.runtime.profile_server import ProfileServer

    with _lock:
        if _server is not None:
            raise RuntimeError(
                f"{_where()}: start_server: a server runs already, at port {_server.port}; stop it first"
            )
        _server = ProfileServer(port, _record)
        return _server


def stop_server() -> None:
    """Stop the server that ``start_server`` began.

    Raises:
      RuntimeError: none is running.
    """
    global _server
    with _lock:
        if _server is None:
            raise RuntimeError(f"{_where()}: stop_server: no profiling server is running; call start_server first")
        server, _server = _server, None
    server.stop()


_server: _ProfileServer | None = None


def _record(seconds: float) -> dict[str, Any]:
    """What happens in so many seconds from now, as a Chrome trace."""
    global _directory
    with _lock:
        if _directory is not None:
            raise RuntimeError(f"a trace is being recorded already, to {_directory}")
        _directory = "a request over HTTP"
        _recorder.take()
        _config.update("record_runs", True)
    time.sleep(seconds)
    with _lock:
        _directory = None
        _config.update("record_runs", False)
        return _trace_of(_recorder.take())


def _trace_of(spans: list[_recorder.Span]) -> dict[str, Any]:
    return {"displayTimeUnit": "ns", "traceEvents": _events(spans)}


def device_memory_profile(backend: str | None = None) -> bytes:
    """What arrays hold memory now, for the tool pprof: how many of each type there are, and their bytes.

    Args:
      backend: the platform; None: the default one.

    >>> import cotan
    >>> cotan.profiler.device_memory_profile()[:2] == bytes([0x1F, 0x8B])  # it is compressed by gzip
    True
    """
    return _memory_profile(backend)


def save_device_memory_profile(filename: os.PathLike[str] | str, backend: str | None = None) -> None:
    """Write what ``device_memory_profile`` gives to a file; show it by ``pprof --web FILE``.

    >>> import cotan, os, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = os.path.join(directory, "memory.prof")
    ...     cotan.profiler.save_device_memory_profile(path)
    ...     os.path.getsize(path) > 0
    True
    """
    with open(filename, "wb") as file:
        file.write(_memory_profile(backend))


def __getattr__(name: str) -> Any:
    raise AttributeError(_missing(__name__, name))


_tracebacks.guard(globals())
