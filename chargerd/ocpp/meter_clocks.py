"""When meter values are due: every so many seconds from a start, or on the wall clock's multiples since midnight UTC.
Pure.

An instant that was missed (the clock jumped, the machine slept) is left out, never made up for: a value belongs to its
instant.
"""

from datetime import datetime, timedelta

from chargerd.clock import Now

LATE_S = 5.0
"""An aligned instant found later than this has been missed; as old as a reading may be."""


class PeriodicClock:
    """Due every `interval_s` from a start on the monotonic clock; 0: never."""

    def __init__(self, interval_s: int, now: Now) -> None:
        self._interval_s = interval_s
        self._due_mono = now.mono + interval_s

    def begin(self, interval_s: int, now: Now) -> None:
        """Count anew from now, with another interval."""
        self._interval_s = interval_s
        self._due_mono = now.mono + interval_s

    def next_deadline(self) -> float | None:
        """Monotonic second of the next instant."""
        return self._due_mono if self._interval_s > 0 else None

    def take(self, now: Now) -> bool:
        """Whether an instant has come since the last call; several at once count as one."""
        if self._interval_s <= 0 or now.mono < self._due_mono:
            return False
        missed = (now.mono - self._due_mono) // self._interval_s
        self._due_mono += (missed + 1) * self._interval_s
        return True


class AlignedClock:
    """Due at 00:00:00 UTC and every `interval_s` after it, day by day (J01.FR.14); 0: never."""

    def __init__(self, interval_s: int, now: Now) -> None:
        self._interval_s = interval_s
        self._at_utc = self._taken_utc = now.utc
        self._due_mono = now.mono
        self.align(now)

    def align(self, now: Now, interval_s: int | None = None) -> None:
        """Find the next instant anew: the wall clock was set, or the interval is to be `interval_s`."""
        if interval_s is not None:
            self._interval_s = interval_s
        if self._interval_s > 0:
            # A clock slewed or set back by a little must not make the last instant come twice.
            is_again = timedelta(0) < self._taken_utc - now.utc <= timedelta(seconds=LATE_S)
            self._at_utc = next_aligned(self._taken_utc if is_again else now.utc, self._interval_s)
            self._due_mono = now.mono_at(self._at_utc)

    def next_deadline(self) -> float | None:
        """Monotonic second of the next instant."""
        return self._due_mono if self._interval_s > 0 else None

    def take(self, now: Now) -> datetime | None:
        """The aligned instant that has just come; None: none has, or it was missed."""
        if self._interval_s <= 0 or now.mono < self._due_mono:
            return None
        at_utc = self._taken_utc = self._at_utc
        self.align(now)
        return at_utc if abs((now.utc - at_utc).total_seconds()) <= LATE_S else None


def next_aligned(utc: datetime, interval_s: int) -> datetime:
    """The first multiple of `interval_s` since midnight after `utc`; midnight itself always is one."""
    midnight = utc.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = (utc - midnight) // timedelta(seconds=interval_s)
    return midnight + min(timedelta(seconds=(passed + 1) * interval_s), timedelta(days=1))
