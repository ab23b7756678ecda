"""Object code in files, so that a process finds what an earlier one compiled.

An entry is named by a digest of all that the code depends on. It is written beside its place and then moved there, and
carries a checksum: an entry that is damaged, cut short or not ours is left aside with a warning, and made anew. The
checksum finds accidents, not intruders: whoever may write to the directory decides what runs. Knows no compiler.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import warnings
from collections.abc import Iterable
from pathlib import Path

from cotan.forks import opened_by_fork

_MAGIC = b"cotan object 1\n"
_DIGEST = hashlib.sha256().digest_size
_SUFFIX = ".cotan-object"
_told: set[str] = set()
_lock = opened_by_fork(threading.Lock())


def digest(parts: Iterable[str]) -> str:
    """A name for what depends on ``parts``, and on their order.

    >>> digest(["a", "b"]) == digest(["a", "b"]) != digest(["ab"])
    True
    """
    found = hashlib.sha256()
    for part in parts:
        data = part.encode()
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.hexdigest()


def _path(directory: str, key: str) -> Path:
    return Path(directory).expanduser() / f"{key}{_SUFFIX}"


def _warn(directory: str, text: str) -> None:
    """Say it once for each directory and text."""
    with _lock:
        if (told := f"{directory}: {text}") in _told:
            return
        _told.add(told)
    warnings.warn(f"the compilation cache in {directory!r} {text}", RuntimeWarning, stacklevel=2)


def forget_warnings() -> None:
    """Say again what has been said already, if it is still so."""
    with _lock:
        _told.clear()


def _sealed(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def read(directory: str, key: str) -> bytes | None:
    """The code of an entry, or None if there is none that can be used."""
    path = _path(directory, key)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _warn(directory, f"cannot be read ({error.strerror}); programs are compiled without it")
        return None
    start = len(_MAGIC) + _DIGEST
    code = data[start:]
    if not data.startswith(_MAGIC) or data[len(_MAGIC) : start] != _sealed(key, code) or not code:
        _warn(directory, f"has a damaged entry, {path.name}, which is ignored and made anew")
        return None
    return code


def write(directory: str, key: str, code: bytes) -> None:
    """Keep code, whole or not at all; that it cannot be kept is told, and no error."""
    path = _path(directory, key)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".making-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + _sealed(key, code) + code)
        Path(temporary).replace(path)
    except OSError as error:
        _warn(directory, f"cannot be written ({error.strerror}); what is compiled now is not kept")
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
