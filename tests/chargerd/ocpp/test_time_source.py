from datetime import UTC, datetime, timedelta

import pytest

from chargerd.clock import ManualClock
from chargerd.ocpp.effects import SetTime
from chargerd.ocpp.time_source import DATE_TIME, HEARTBEAT_INTERVAL, TIME_SOURCE, take_time
from tests.chargerd.ocpp.peer import Peer

START = datetime(2026, 1, 1, tzinfo=UTC)


def times_set(sources: tuple[str, ...], synced: bool, off_by_s: float) -> list[SetTime]:
    peer = Peer(clock=ManualClock(utc=START, synced=synced))
    peer.ctx.variables.declare([TIME_SOURCE, DATE_TIME, HEARTBEAT_INTERVAL])
    peer.ctx.variables.store_value(TIME_SOURCE, sources)
    peer.within(lambda now: take_time(peer.ctx, START + timedelta(seconds=off_by_s), now))
    return peer.took(SetTime)


@pytest.mark.parametrize("off_by_s", [0.0, 0.5, 3600.0])
def test_B01_FR_06_a_clock_nobody_vouches_for_is_set_from_the_csms(off_by_s: float) -> None:
    assert times_set(("NTP", "Heartbeat"), False, off_by_s) == [SetTime(START + timedelta(seconds=off_by_s))]


@pytest.mark.parametrize(
    "sources, off_by_s, is_set",
    [
        (("Heartbeat",), 0.9, False),
        (("Heartbeat",), 1.1, True),
        (("Heartbeat", "NTP"), -5.0, True),
        (("NTP", "Heartbeat"), 5.0, False),
        (("NTP",), 5.0, False),
    ],
)
def test_B01_FR_06_a_clock_that_is_right_is_set_only_by_the_first_source(
    sources: tuple[str, ...], off_by_s: float, is_set: bool
) -> None:
    assert bool(times_set(sources, True, off_by_s)) is is_set


def test_B01_FR_06_the_csms_is_not_heard_when_it_is_no_source() -> None:
    assert not times_set(("NTP",), False, 3600.0)
