"""Executables on disk: serialised by XLA, in a private directory, keyed by all that they depend on.

Off unless ``config.compilation_cache_dir`` names a directory. Reading an executable can run its code, so files are read
only from a directory and of an owner that nobody else may write; a damaged or foreign entry is ignored with a warning.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cotan.config import config
from cotan.errors import warn
from cotan_xla_tpu import driver
from cotan_xla_tpu.emit import Written

_MAGIC = b"cotan-xla 1\n"


def entry(client: Any, written: Written, devices: Sequence[Any], options: Any) -> Entry | None:
    """Where the executable of a module is kept; None if there is no cache."""
    root = config.compilation_cache_dir
    if root is None:
        return None
    directory = Path(root) / "xla"
    if not _is_private(directory):
        return None
    digest = hashlib.sha256()
    places = [(device.id, device.device_kind) for device in devices]
    for part in (driver.versions(), client.platform, client.platform_version, places, options, _host(client)):
        digest.update(repr(part).encode())
    digest.update(written.text().encode())
    return Entry(directory / digest.hexdigest())


def _host(client: Any) -> str:
    """What code for this machine depends on: its processor's features."""
    if client.platform != "cpu":
        return ""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        import platform

        return platform.processor()
    return next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")


def _is_private(directory: Path) -> bool:
    """Make the directory; whether it is ours, and only we may write there."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except OSError as error:
        warn(f"programs are not kept in {directory}: {error}")
        return False
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        warn(f"programs are not kept in {directory}, where others may write: chmod go-w, or choose another directory")
        return False
    return True


class Entry:
    """One file of the cache."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, read: Callable[[bytes], Any]) -> Any:
        """What ``read`` makes of the bytes that were stored; None if there are none that can be trusted."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            warn(f"the kept program {self.path} cannot be read: {error}")
            return None
        head, body = data[: len(_MAGIC) + 32], data[len(_MAGIC) + 32 :]
        if head != _MAGIC + hashlib.sha256(body).digest():
            warn(f"the kept program {self.path} is damaged; it is compiled again")
            return None
        try:
            return read(body)
        except Exception as error:
            warn(f"the kept program {self.path} cannot be used ({error}); it is compiled again")
            return None

    def store(self, write: Callable[[], bytes]) -> None:
        """Keep what ``write`` gives: whole, or not at all."""
        try:
            body = write()
            handle, name = tempfile.mkstemp(dir=self.path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + hashlib.sha256(body).digest() + body)
            os.replace(name, self.path)
        except (OSError, driver.XlaError) as error:
            warn(f"a program is not kept in {self.path.parent}: {error}")
