"""What repeats is told a few times and then counted: a flapping cause must fill neither the log nor the queue.

The first ones of a series go through; those that follow are counted, and their number is told when a window has passed.
The window doubles while the series goes on, and the series is over when one passes with nothing to count.
"""

import msgspec

from chargerd.clock import Now

FIRST_WINDOW_S = 3600.0
LAST_WINDOW_S = 86_400.0

TOLD_SINGLY = 3
"""A person who tries again, or a CSMS that mends its certificate in steps, is no flapping cause."""

MAX_SERIES_OF_A_KIND = 8
"""Different texts of one kind that are kept apart; beyond, they are one series, or the text alone could flood."""

OTHERS = "and others"


class _Series(msgspec.Struct):
    ends_mono: float
    window_s: float = FIRST_WINDOW_S
    told: int = 1
    more: int = 0
    last_mono: float = 0.0


class EventSeries:
    """The series that go on now, by kind and text."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], _Series] = {}

    def is_to_be_told(self, kind: str, text: str, now: Now) -> bool:
        """Whether this one is to be told; otherwise it has been counted."""
        key = (kind, text)
        if key not in self._open and sum(known == kind for known, _ in self._open) >= MAX_SERIES_OF_A_KIND:
            key = (kind, OTHERS)
        series = self._open.get(key)
        if series is None:
            self._open[key] = _Series(now.mono + FIRST_WINDOW_S)
            return True
        if series.told < TOLD_SINGLY:
            series.told += 1
            return True
        series.more += 1
        series.last_mono = now.mono
        return False

    def next_deadline(self) -> float | None:
        """When the first window ends."""
        return min((series.ends_mono for series in self._open.values()), default=None)

    def ended(self, now: Now) -> list[tuple[str, str]]:
        """What is to be told of the windows that are over: kind and text with the number of those that followed."""
        told = []
        for key, series in list(self._open.items()):
            if now.mono < series.ends_mono:
                continue
            if series.more == 0:
                del self._open[key]
                continue
            kind, text = key
            last = f"{now.utc_at(series.last_mono):%Y-%m-%dT%H:%M:%SZ}"
            told.append((kind, f"{text} ({series.more} more in {series.window_s:.0f} s, the last at {last})".strip()))
            series.window_s = min(series.window_s * 2, LAST_WINDOW_S)
            series.ends_mono = now.mono + series.window_s
            series.more = 0
        return told
