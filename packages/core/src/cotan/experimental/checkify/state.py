"""The state of a program under checks: the first error so far, as arrays.

States are values: of two in a row the first that failed stays. Knows no program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import lax
from cotan.experimental.checkify.errors import Error, Site, Sites
from cotan.structural import zeros_like_aval

Payloads = dict[Site, list[Any]]


class State:
    """The first error so far.

    Attributes:
      sites: where it may have happened.
      failed, code: whether and where it did: arrays; None where there are no sites.
      payloads: the values for the message of each site.
    """

    __slots__ = ("code", "failed", "payloads", "sites")

    def __init__(self, sites: Sites, failed: Any, code: Any, payloads: Payloads) -> None:
        self.sites = sites
        self.failed = failed
        self.code = code
        self.payloads = payloads

    @classmethod
    def of_site(cls, site: Site, failed: Any, payload: Sequence[Any]) -> State:
        """The error of one check."""
        held = [lax.stop_gradient(x) for x in payload]
        return cls(Sites([site]), failed, np.int32(site.code), {site: held})

    @classmethod
    def from_flat(cls, sites: Sites, values: Sequence[Any]) -> State:
        """The state that lies in a flat list, in the order of ``sites``."""
        if not sites:
            return none
        failed, code, *rest = values
        payloads: Payloads = {}
        for site in sites.sites:
            payloads[site], rest = list(rest[: len(site.avals)]), rest[len(site.avals) :]
        return cls(sites, failed, code, payloads)

    def then(self, later: State) -> State:
        """This error, or ``later`` if there is none."""
        if not self.sites or not later.sites:
            return later if not self.sites else self
        sites = self.sites | later.sites
        payloads: Payloads = {}
        for site in sites.sites:
            mine, other = self.payloads.get(site), later.payloads.get(site)
            if mine is None or other is None:
                payloads[site] = mine or other or []
            else:
                payloads[site] = [_first(self.failed, a, b) for a, b in zip(mine, other, strict=True)]
        return State(
            sites, lax.bitwise_or(self.failed, later.failed), _first(self.failed, self.code, later.code), payloads
        )

    def flat(self, sites: Sites) -> list[Any]:
        """The state as a flat list in the order of ``sites``, which hold its own."""
        if not self.sites:
            return [zeros_like_aval(aval) for aval in sites.avals]
        values = [self.failed, self.code]
        for site in sites.sites:
            found = self.payloads.get(site)
            values += found if found is not None else [zeros_like_aval(aval) for aval in site.avals]
        return values

    def error(self) -> Error:
        """The state for users."""
        return Error(self.sites, self.flat(self.sites) if self.sites else (np.bool_(False), np.int32(0)))


none = State(Sites(), None, None, {})
"""The state of a program in which nothing can go wrong."""


def _first(failed: Any, a: Any, b: Any) -> Any:
    return lax.select_n(failed, b, a)
