"""When meter values are due."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd.clock import ManualClock
from chargerd.ocpp.meter_clocks import AlignedClock, PeriodicClock, next_aligned

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


def at(hours: int, minutes: int = 0, seconds: float = 0.0) -> datetime:
    return MIDNIGHT + timedelta(hours=hours, minutes=minutes, seconds=seconds)


@pytest.mark.parametrize(
    "now,interval_s,expected",
    [
        (at(0), 900, at(0, 15)),
        (at(0, 14, 59.999), 900, at(0, 15)),
        (at(0, 15), 900, at(0, 30)),
        (at(23, 50), 900, at(24)),
        (at(20), 25_000, at(20, 50)),
        (at(22), 25_000, at(24)),
        (at(23, 59, 59.999), 86_400, at(24)),
    ],
)
def test_J01_FR_14_instants_are_multiples_since_midnight_and_begin_anew_each_day(
    now: datetime, interval_s: int, expected: datetime
) -> None:
    assert next_aligned(now, interval_s) == expected


@given(st.integers(0, 10**12).map(lambda ms: MIDNIGHT + timedelta(milliseconds=ms)), st.integers(1, 86_400))
def test_J01_FR_14_the_next_instant_is_later_aligned_and_at_most_one_interval_away(
    now: datetime, interval_s: int
) -> None:
    found = next_aligned(now, interval_s)
    assert now < found <= now + timedelta(seconds=interval_s)
    seconds = (found - found.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    assert seconds % interval_s == 0


def test_an_aligned_clock_gives_each_instant_once() -> None:
    time = ManualClock(utc=at(0, 14, 50.0))
    clock = AlignedClock(900, time.now())
    assert clock.next_deadline() == pytest.approx(time.monotonic() + 10.0)
    assert clock.take(time.advance(9.999)) is None
    assert clock.take(time.advance(0.001)) == at(0, 15)
    assert clock.take(time.now()) is None
    assert clock.next_deadline() == pytest.approx(time.monotonic() + 900.0)


def test_an_instant_that_was_slept_through_is_left_out() -> None:
    time = ManualClock(utc=at(0, 14, 50.0))
    clock = AlignedClock(900, time.now())
    assert clock.take(time.advance(15.001)) is None
    assert clock.take(time.advance(894.999)) == at(0, 30)


def test_instants_jumped_over_by_the_wall_clock_are_never_emitted() -> None:
    time = ManualClock(utc=at(0, 14, 50.0))
    clock = AlignedClock(900, time.now())
    time.set_utc(at(3, 7))
    clock.align(time.now())
    assert clock.next_deadline() == pytest.approx(time.monotonic() + 480.0)
    assert clock.take(time.advance(480.0)) == at(3, 15)


def test_a_jump_nobody_told_of_emits_nothing_false() -> None:
    time = ManualClock(utc=at(0, 14, 50.0))
    clock = AlignedClock(900, time.now())
    time.set_utc(at(3, 7))
    assert clock.take(time.advance(10.0)) is None
    assert clock.take(time.advance(470.0)) == at(3, 15)


@pytest.mark.parametrize("back_s", [0.001, 2.0, 4.999])
def test_a_clock_set_back_by_a_little_does_not_make_the_last_instant_come_twice(back_s: float) -> None:
    time = ManualClock(utc=at(0, 14, 50.0))
    clock = AlignedClock(900, time.now())
    assert clock.take(time.advance(10.0)) == at(0, 15)
    time.set_utc(at(0, 15, -back_s))
    clock.align(time.now())
    assert clock.take(time.advance(back_s + 0.01)) is None
    assert clock.next_deadline() == pytest.approx(time.monotonic() + 900.0, abs=0.02)


def test_an_instant_reached_a_millisecond_early_by_a_slewed_clock_comes_once() -> None:
    time = ManualClock(utc=at(0, 14, 50.0))
    clock = AlignedClock(900, time.now())
    time.set_utc(at(0, 14, 49.998))
    assert clock.take(time.advance(10.0)) == at(0, 15)
    assert clock.take(time.advance(0.01)) is None


def test_an_aligned_clock_of_interval_0_is_never_due() -> None:
    time = ManualClock()
    clock = AlignedClock(0, time.now())
    assert clock.next_deadline() is None
    assert clock.take(time.advance(86_400.0)) is None
    clock.align(time.now(), 60)
    assert clock.take(time.advance(60.0)) is not None


def test_a_periodic_clock_keeps_its_grid_and_makes_up_for_nothing() -> None:
    time = ManualClock(mono=0.0)
    clock = PeriodicClock(60, time.now())
    assert not clock.take(time.advance(59.9))
    assert clock.take(time.advance(5.0))
    assert clock.next_deadline() == 120.0
    assert clock.take(time.advance(200.0))
    assert not clock.take(time.now())
    assert clock.next_deadline() == 300.0


def test_a_periodic_clock_begins_anew_with_another_interval() -> None:
    time = ManualClock(mono=0.0)
    clock = PeriodicClock(0, time.now())
    assert clock.next_deadline() is None
    assert not clock.take(time.advance(100.0))
    clock.begin(30, time.now())
    assert clock.next_deadline() == 130.0
