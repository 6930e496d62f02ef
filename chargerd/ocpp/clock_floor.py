"""An instant that has certainly passed, for the validity of certificates on a machine that may wake up years back.

It grows only when a CSMS has just been verified by a certificate that is valid now: who could set the clock forward by
years could otherwise make every certificate look expired for good.
"""

from datetime import datetime, timedelta

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.block import StationContext

NAMESPACE, KEY = "network_state", "clock_floor"

WRITTEN_EVERY = timedelta(hours=6)
"""A floor of some hours ago rejects what it has to; the storage need not be worn for more."""


class _Floor(msgspec.Struct, frozen=True):
    utc: datetime


class ClockFloor:
    """It is certainly later than `utc`."""

    def __init__(self, ctx: StationContext) -> None:
        self._ctx = ctx
        self.utc: datetime | None = ctx.config.released_utc

    def load(self) -> None:
        """At the start: the store's, or the release of the software, whichever is later."""
        kept = self._ctx.store.find(NAMESPACE, KEY, _Floor)
        if kept is not None and (self.utc is None or kept.utc > self.utc):
            self.utc = kept.utc

    def verified(self, now: Now) -> None:
        """A CSMS was verified just now."""
        if now.synced and (self.utc is None or now.utc - self.utc >= WRITTEN_EVERY):
            self.utc = now.utc
            self._ctx.store.put(NAMESPACE, KEY, _Floor(now.utc))
