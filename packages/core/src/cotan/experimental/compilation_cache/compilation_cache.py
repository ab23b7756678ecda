"""Where compiled programs are kept for later processes: a directory that backends read and write.

The same is said by ``cotan.config.update("compilation_cache_dir", path)`` and by the environment variable
``COTAN_COMPILATION_CACHE_DIR``. Knows nothing of what is in the files.
"""

from __future__ import annotations

import os
from typing import Any

from cotan import tracebacks as _tracebacks
from cotan.config import config as _config

_VARIABLE = "COTAN_COMPILATION_CACHE_DIR"


def set_cache_dir(path: Any) -> None:
    """Keep what is compiled from now on in the directory ``path``, and look there first.

    Entries depend on the program, the backend's version and the processor; damaged ones are ignored with a warning.
    What lies there is code that will run: let nobody write to the directory whom you do not trust.

    Args:
      path: a directory, which need not exist yet.

    >>> import cotan, tempfile
    >>> from cotan.experimental.compilation_cache import compilation_cache
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     compilation_cache.set_cache_dir(directory)
    ...     result = cotan.jit(lambda x: x * 3 + 1)(2.0)
    ...     compilation_cache.reset_cache()
    >>> float(result)
    7.0
    """
    _config.update("compilation_cache_dir", os.fspath(path))


def reset_cache() -> None:
    """Use the directory that the environment named when the process began, or none. Files stay where they are.

    >>> from cotan.experimental.compilation_cache import compilation_cache
    >>> compilation_cache.reset_cache()
    """
    _config.update("compilation_cache_dir", os.environ.get(_VARIABLE) or None)


_tracebacks.guard(globals())
