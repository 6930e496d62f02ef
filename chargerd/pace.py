"""Keeping time: a loop that wakes on absolute monotonic deadlines, and a small histogram of how late it woke."""

import time
from bisect import bisect_left
from collections.abc import Callable

import msgspec

_FIRST_BOUND_S = 10e-6
_GROWTH = 1.2
BOUNDS_S = tuple(_FIRST_BOUND_S * _GROWTH**step for step in range(80))
"""Upper bounds of the histogram's buckets, 10 us to 18 s, each 20 % above the last: percentiles are that precise."""


class Histogram:
    """Counts of durations in BOUNDS_S; constant memory however long it runs."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.max_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one."""
        self._counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self.max_s = max(self.max_s, duration_s)

    def percentile_s(self, percent: float) -> float:
        """The duration that `percent` of all are not above, rounded up to its bucket; 0 when nothing was counted."""
        wanted = sum(self._counts) * percent / 100.0
        seen = 0
        for count, bound_s in zip(self._counts, BOUNDS_S, strict=False):
            seen += count
            if count and seen >= wanted:
                return min(bound_s, self.max_s)
        return self.max_s


class Wake(msgspec.Struct, frozen=True, gc=False):
    """One waking: `at_mono` when it was, `late_s` after the deadline, `missed` periods that passed meanwhile unused."""

    at_mono: float
    late_s: float
    missed: int


class Pacer:
    """Deadlines every `period_s`, which may change from one to the next. A late waking does not shift the later ones;
    whole periods missed are skipped.

    time.sleep waits on an absolute monotonic deadline by itself (clock_nanosleep, CPython >= 3.11), so a waking is as
    exact as with a timerfd and needs no descriptor.
    """

    def __init__(
        self,
        period_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.period_s = period_s
        self._monotonic = monotonic
        self._sleep = sleep
        self._deadline = monotonic()

    def wait(self) -> Wake:
        """Sleep until the next deadline; returns at once when it has passed."""
        self._deadline += self.period_s
        rest_s = self._deadline - self._monotonic()
        if rest_s > 0:
            self._sleep(rest_s)
        at_mono = self._monotonic()
        late_s = max(0.0, at_mono - self._deadline)
        missed = int(late_s / self.period_s)
        self._deadline += missed * self.period_s
        return Wake(at_mono, late_s, missed)
