import pytest

from chargerd.clock import ManualClock
from chargerd.ocpp.event_series import LAST_WINDOW_S, MAX_SERIES_OF_A_KIND, OTHERS, TOLD_SINGLY, EventSeries


class Telling:
    """A series on a clock; `told` is what came through."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.series = EventSeries()
        self.told: list[tuple[str, str]] = []

    def happens(self, kind: str, text: str) -> None:
        if self.series.is_to_be_told(kind, text, self.clock.now()):
            self.told.append((kind, text))

    def advance(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while (due := self.series.next_deadline()) is not None and due <= end:
            self.clock.advance(max(0.0, due - self.clock.monotonic()))
            self.told += self.series.ended(self.clock.now())
        self.clock.advance(end - self.clock.monotonic())


def test_different_texts_are_different_series() -> None:
    telling = Telling()
    for text in ("a", "b") * 10:
        telling.happens("K", text)
    assert telling.told == [("K", "a"), ("K", "b")] * TOLD_SINGLY


def test_the_number_of_the_others_is_told_at_the_end_of_the_window() -> None:
    telling = Telling()
    for _ in range(TOLD_SINGLY + 2):
        telling.happens("K", "a")
        telling.advance(10.0)
    telling.advance(3549.0)
    assert telling.told == [("K", "a")] * TOLD_SINGLY
    telling.advance(2.0)
    assert telling.told[TOLD_SINGLY:] == [("K", "a (2 more in 3600 s, the last at 2026-01-01T00:00:40Z)")]


def test_a_series_that_falls_silent_is_over_and_leaves_nothing() -> None:
    telling = Telling()
    telling.happens("K", "a")
    telling.advance(3600.0)
    assert telling.series.next_deadline() is None
    telling.happens("K", "a")
    assert telling.told == [("K", "a")] * 2


def test_a_week_of_flapping_is_some_lines() -> None:
    telling = Telling()
    for _ in range(7 * 24 * 60):
        telling.happens("K", "a")
        telling.advance(60.0)
    assert 10 < len(telling.told) < 20
    assert telling.told[-1][1].startswith(f"a (1440 more in {LAST_WINDOW_S:.0f} s, the last at ")


def test_what_flaps_too_slowly_for_a_window_is_told_each_time() -> None:
    telling = Telling()
    for _ in range(7 * 24):
        telling.happens("K", "a")
        telling.advance(3601.0)
    assert telling.told == [("K", "a")] * 7 * 24


@pytest.mark.parametrize("texts", [1000])
def test_a_text_that_is_always_another_is_one_series_in_the_end(texts: int) -> None:
    telling = Telling()
    for number in range(texts):
        telling.happens("K", f"text {number}")
    assert len(telling.told) == MAX_SERIES_OF_A_KIND + TOLD_SINGLY
    telling.happens("other kind", "is told")
    assert telling.told[-1] == ("other kind", "is told")
    counted = texts - MAX_SERIES_OF_A_KIND - TOLD_SINGLY
    telling.advance(3600.0)
    assert telling.told[-1][1].startswith(f"{OTHERS} ({counted} more in 3600 s, the last at ")
