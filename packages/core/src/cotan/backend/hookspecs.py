"""The two hooks of the plugin system. Both only register: they return records, and plain method calls do the rest.

Importing this module imports pluggy; ``cotan.backend`` does so when a device is first needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from cotan.backend.contract import BackendEntry
    from cotan.backend.lowering import LoweringTable

PROJECT = "cotan"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Specs:
    """What a plugin module may define."""

    @hookspec
    def cotan_backends(self) -> Iterable[BackendEntry]:  # type: ignore[empty-body]
        """The backends that the package brings. Called once; must be cheap and import no driver."""

    @hookspec
    def cotan_lowerings(self, backend: Any) -> LoweringTable | None:
        """Extra or faster rules for ``backend``, which another package provides; None for all others.

        Called once per backend, after it has been opened.
        """
