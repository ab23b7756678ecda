"""Guards of transfers: what the flags ``transfer_guard*`` say of one. Knows no array and no device."""

from __future__ import annotations

import logging
from typing import Any

from cotan.config import config
from cotan.errors import JaxRuntimeError, where
from cotan.ir.trace import current_trace
from cotan.transforms.stage import StageTrace, recorders_of

_log = logging.getLogger("cotan")
_INSTEAD = {
    "host_to_device": "cotan.device_put",
    "device_to_device": "cotan.device_put",
    "device_to_host": "cotan.device_get",
}


def guarded(direction: str, what: Any, *, explicit: bool = False) -> None:
    """Log or refuse a transfer, as the configuration says; called where ``config.plain_dispatch`` is False.

    Args:
      direction: "host_to_device", "device_to_device" or "device_to_host".
      what: whose text names what is transferred, and where to.
      explicit: whether the user asked for it.

    Raises:
      JaxRuntimeError: it is refused.
    """
    level = getattr(config, f"transfer_guard_{direction}") or config.transfer_guard
    if level is None or level == "allow" or (explicit and not level.endswith("_explicit")):
        return
    if any(isinstance(trace, StageTrace) for trace in recorders_of(current_trace())):
        return  # it becomes a part of the program that is traced
    words = f"{'an explicit' if explicit else 'an implicit'} transfer, {direction.replace('_', ' ')}, of {what}"
    if level.startswith("log"):
        _log.warning("%s: %s", where(), words)
        return
    hint = "allow it by cotan.transfer_guard" if explicit else f"ask for it by {_INSTEAD[direction]}"
    raise JaxRuntimeError(f"{where()}: {words} is refused by the flag transfer_guard={level!r}; {hint}")
