"""Time is an argument: two clocks that are never mixed, and a third that moves only when told."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from chargerd.clock import ManualClock, Now, SystemClock, whole_milliseconds

NOON = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def test_monotonic_seconds_and_utc_convert_both_ways() -> None:
    now = Now(1000.0, NOON, True)
    assert now.utc_at(1000.0) == NOON
    assert now.utc_at(940.5) == NOON - timedelta(seconds=59.5)
    assert now.mono_at(NOON + timedelta(hours=1)) == 4600.0
    assert now.mono_at(now.utc_at(1234.567)) == pytest.approx(1234.567)


def test_a_converted_time_carries_whole_milliseconds() -> None:
    assert Now(0.0, NOON, True).utc_at(0.0019) == NOON + timedelta(milliseconds=1)


def test_microseconds_are_cut_and_other_zones_become_utc() -> None:
    in_berlin = datetime(2026, 5, 1, 14, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))
    assert whole_milliseconds(in_berlin) == NOON + timedelta(milliseconds=123)
    assert whole_milliseconds(in_berlin).tzinfo is UTC


def test_the_system_clock_is_the_machines() -> None:
    before = time.monotonic()
    now = SystemClock().now()
    assert before <= now.mono <= time.monotonic()
    assert abs((now.utc - datetime.now(UTC)).total_seconds()) < 5
    assert now.utc.microsecond % 1000 == 0
    assert not now.synced
    assert SystemClock(synced=True).now().synced


def test_a_corrected_system_clock_shows_the_given_time_and_leaves_monotonic_alone() -> None:
    clock = SystemClock()
    before = clock.now()
    clock.set_utc(NOON)
    after = clock.now()
    assert abs((after.utc - NOON).total_seconds()) < 5
    assert after.synced
    assert 0 <= after.mono - before.mono < 5


def test_a_manual_clock_moves_when_told_and_at_no_other_time() -> None:
    clock = ManualClock(mono=5.0, utc=NOON)
    assert clock.now() == clock.now() == Now(5.0, NOON, True)
    now = clock.advance(1.5)
    assert now == Now(6.5, NOON + timedelta(seconds=1.5), True)
    assert clock.monotonic() == 6.5


def test_a_manual_clock_never_goes_back() -> None:
    with pytest.raises(AssertionError, match="never"):
        ManualClock().advance(-0.1)


def test_a_step_of_the_wall_clock_moves_no_deadline() -> None:
    clock = ManualClock(mono=5.0, utc=NOON, synced=False)
    clock.set_utc(NOON - timedelta(days=365))
    assert clock.now() == Now(5.0, NOON - timedelta(days=365), True)
