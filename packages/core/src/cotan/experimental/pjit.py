"""cotan.experimental.pjit: an older name of ``cotan.jit``. Names only."""

from cotan import tracebacks as _tracebacks
from cotan.api import jit as pjit

__all__ = ["pjit"]

_tracebacks.guard(globals(), "cotan.api")
