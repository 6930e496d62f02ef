"""When the station has a certificate renewed by itself (A03): within a month of its end, once a day until that is done.

Nothing is computed ahead. Whoever looks compares the wall clock with the certificate, so a clock that is set, a
restart and a certificate that is replaced need no handling of their own.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.messages.enums import CertificateSigningUse as Use

NAMESPACE, KEY = "renewal", "own"

MONTH = timedelta(days=30)  # A03.FR.02
DAY = timedelta(days=1)
"""Stations that were made on one day begin within a day of each other, and each tries once a day."""


class Lifetime(msgspec.Struct, frozen=True):
    """From when to when a certificate is valid."""

    begins_utc: datetime
    ends_utc: datetime

    @property
    def pace(self) -> timedelta:
        """A day, and less where the certificate lives for days only."""
        return min(DAY, (self.ends_utc - self.begins_utc) / 8)

    def is_ending(self, at_utc: datetime) -> bool:
        """Within a month of its end; where it lives for less than two months, in its second half. Else a certificate of
        a few weeks would be renewed the moment it comes, for ever.
        """
        return at_utc >= self.ends_utc - min(MONTH, (self.ends_utc - self.begins_utc) / 2)


class _Record(msgspec.Struct, frozen=True):
    """What is durable. `tried`: when the station last began by itself. `held`: uses that wait for the CSMS."""

    tried: Mapping[Use, datetime] = {}
    held: tuple[Use, ...] = ()


class OwnRenewals:
    """Decides whether it is time."""

    def __init__(self, ctx: StationContext) -> None:
        self._ctx = ctx
        self._record = _Record()
        self._jitter = ctx.random()

    def load(self) -> None:
        """At the start."""
        self._record = self._ctx.store.find(NAMESPACE, KEY, _Record) or _Record()

    def is_due(self, use: Use, lifetime: Lifetime, now: Now) -> bool:
        """Whether it is time; never with a clock that may be wrong."""
        if not now.synced:
            return False
        tried = self._record.tried.get(use)
        if tried is not None and timedelta(0) <= now.utc - tried < lifetime.pace:
            return False
        return now.utc >= lifetime.ends_utc or lifetime.is_ending(now.utc - self._jitter * lifetime.pace)

    def is_held(self, use: Use) -> bool:
        """Whether only the CSMS may begin (A02.FR.20)."""
        return use in self._record.held

    def began(self, use: Use, now: Now) -> None:
        """The station has begun; again in a day, if that comes to nothing."""
        self._keep(msgspec.structs.replace(self._record, tried={**self._record.tried, use: now.utc}))

    def hold(self, use: Use) -> None:
        """The CSMS sent a certificate that is not valid: it has to begin the next time."""
        if use not in self._record.held:
            self._keep(msgspec.structs.replace(self._record, held=(*self._record.held, use)))

    def release(self, use: Use) -> None:
        """It has begun, or all is well again."""
        if use in self._record.held:
            left = tuple(each for each in self._record.held if each is not use)
            self._keep(msgspec.structs.replace(self._record, held=left))

    def _keep(self, record: _Record) -> None:
        self._record = record
        self._ctx.store.put(NAMESPACE, KEY, record)
