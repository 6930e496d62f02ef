"""Deadlines that do not drift, missed periods, and percentiles that are as precise as they say."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd.clock import ManualClock
from chargerd.pace import Histogram, Pacer


class Sleeper:
    """A clock whose sleeps take as long as told plus the next of `overshoots`."""

    def __init__(self, *overshoots_s: float) -> None:
        self.clock = ManualClock(mono=100.0)
        self._overshoots_s = list(overshoots_s)

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds + (self._overshoots_s.pop(0) if self._overshoots_s else 0.0))

    def pacer(self, period_s: float = 0.02) -> Pacer:
        return Pacer(period_s, self.clock.monotonic, self.sleep)


def test_a_late_waking_does_not_shift_the_later_ones() -> None:
    pacer = Sleeper(0.003, 0.0, 0.015, 0.0).pacer()
    wakes = [pacer.wait() for _ in range(4)]
    assert [wake.at_mono for wake in wakes] == pytest.approx([100.023, 100.04, 100.075, 100.08])
    assert [wake.late_s for wake in wakes] == pytest.approx([0.003, 0.0, 0.015, 0.0])
    assert [wake.missed for wake in wakes] == [0, 0, 0, 0]


def test_periods_missed_are_counted_and_skipped_in_phase() -> None:
    pacer = Sleeper(0.055).pacer()
    first, second = pacer.wait(), pacer.wait()
    assert (first.missed, second.missed) == (2, 0)
    assert first.late_s == pytest.approx(0.055)
    assert second.at_mono == pytest.approx(100.08)


def test_work_longer_than_a_period_returns_at_once_and_is_late() -> None:
    sleeper = Sleeper()
    pacer = sleeper.pacer()
    pacer.wait()
    sleeper.clock.advance(0.03)
    wake = pacer.wait()
    assert wake.at_mono == pytest.approx(100.05)
    assert wake.late_s == pytest.approx(0.01)


def test_on_the_real_clock_it_never_wakes_before_the_deadline_and_keeps_the_rate() -> None:
    began = time.monotonic()
    pacer = Pacer(0.002)
    wakes = [pacer.wait() for _ in range(50)]
    ticks = sum(1 + wake.missed for wake in wakes)
    assert ticks * 0.002 <= wakes[-1].at_mono - began
    assert wakes[-1].at_mono - began - wakes[-1].late_s == pytest.approx(ticks * 0.002, abs=0.002)


def test_an_empty_histogram_says_zero() -> None:
    assert Histogram().percentile_s(50.0) == 0.0


@given(st.lists(st.floats(0.0, 30.0), min_size=1, max_size=200), st.sampled_from([1.0, 50.0, 99.0, 99.9, 100.0]))
def test_a_percentile_is_never_below_the_true_one_nor_a_bucket_above_it(
    durations_s: list[float], percent: float
) -> None:
    histogram = Histogram()
    for duration_s in durations_s:
        histogram.add(duration_s)
    ordered = sorted(durations_s)
    true_s = next(value for rank, value in enumerate(ordered, 1) if rank >= len(ordered) * percent / 100.0)
    told_s = histogram.percentile_s(percent)
    assert told_s >= true_s
    assert told_s <= max(true_s * 1.2001, 10e-6) or true_s > 15.0
    assert histogram.percentile_s(100.0) == pytest.approx(max(durations_s), rel=0.2, abs=10e-6)
