"""Time is an argument: every core takes a `Now`, nobody below the shell asks the machine for the time.

Durations and deadlines use `mono` (CLOCK_MONOTONIC seconds, shared by all processes of one boot); records and the
wire use `utc`. The two are never mixed: a wall clock that jumps must not lengthen a lease.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec


class Now(msgspec.Struct, frozen=True):
    """One instant on both clocks.

    `mono`: monotonic seconds. `utc`: aware UTC, whole milliseconds (the finest the wire carries). `synced`: whether
    `utc` has been confirmed by NTP or by the CSMS since boot; False means "may be off by years".
    """

    mono: float
    utc: datetime
    synced: bool

    def utc_at(self, mono: float) -> datetime:
        """The UTC time that belongs to the monotonic second `mono`, as far as is known now."""
        return whole_milliseconds(self.utc + timedelta(seconds=mono - self.mono))

    def mono_at(self, utc: datetime) -> float:
        """The monotonic second at which the wall clock will show (or showed) `utc`, as far as is known now."""
        return self.mono + (utc - self.utc).total_seconds()


class Clock(Protocol):
    """Where the shell gets its `Now` from."""

    def now(self) -> Now:
        """The present instant."""
        ...


class SystemClock:
    """The machine's clocks, with the wall clock corrected by `set_utc` where the process may not set the machine's
    own.
    """

    def __init__(self, synced: bool = False) -> None:
        self._offset = timedelta(0)
        self._synced = synced

    def now(self) -> Now:
        """The present instant."""
        return Now(time.monotonic(), whole_milliseconds(datetime.now(UTC) + self._offset), self._synced)

    def set_utc(self, utc: datetime) -> None:
        """From now on the wall clock shows `utc` and counts as synchronised."""
        self._offset = utc - datetime.now(UTC)
        self._synced = True


class ManualClock:
    """A clock for tests and the simulator: it moves when told and at no other time."""

    def __init__(
        self, mono: float = 1000.0, utc: datetime = datetime(2026, 1, 1, tzinfo=UTC), synced: bool = True
    ) -> None:
        self._mono = mono
        self._utc = utc
        self._synced = synced

    def now(self) -> Now:
        """The present instant."""
        return Now(self._mono, whole_milliseconds(self._utc), self._synced)

    def monotonic(self) -> float:
        """The monotonic seconds alone, for devices."""
        return self._mono

    def advance(self, seconds: float) -> Now:
        """Let `seconds` (never negative) pass on both clocks."""
        assert seconds >= 0, "can't go back: the monotonic clock never does"
        self._mono += seconds
        self._utc += timedelta(seconds=seconds)
        return self.now()

    def set_utc(self, utc: datetime) -> None:
        """Step the wall clock alone, as NTP or an operator does."""
        self._utc = utc
        self._synced = True


def whole_milliseconds(moment: datetime) -> datetime:
    """`moment` in UTC without the microseconds that the wire must not carry (OCPP part 1, 3 fractional digits at
    most).
    """
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return in_utc.replace(microsecond=in_utc.microsecond // 1000 * 1000)
