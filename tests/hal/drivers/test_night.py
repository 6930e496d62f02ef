"""Night by the local clock: over midnight or within a day, never by a clock that was not set."""

import pytest

from hal.drivers.night import LOOK_EVERY_S, Night, NightWatch
from hal.types import BoardError
from tests.hal.drivers.wall_clock import WallClock
from tests.hal.plants import World

NIGHT = Night(begins="22:00", ends="06:00")


@pytest.mark.parametrize(
    "hour, minute, is_night", [(21, 59, False), (22, 0, True), (0, 0, True), (5, 59, True), (6, 0, False)]
)
def test_a_night_begins_and_ends_on_the_minute(hour: int, minute: int, is_night: bool) -> None:
    assert NIGHT.is_now(WallClock(hour, minute)()) is is_night


def test_a_night_may_be_within_a_day() -> None:
    night = Night(begins="01:00", ends="05:00")
    assert [night.is_now(WallClock(hour)()) for hour in (0, 1, 4, 5, 23)] == [False, True, True, False, False]


def test_a_clock_that_nobody_has_set_knows_no_night() -> None:
    assert not NIGHT.is_now(WallClock(23, year=1970)())


@pytest.mark.parametrize(
    "begins, ends, message",
    [
        ("22:00", "24:00", "^night.ends: found '24:00'; expected a time such as"),
        ("9:00", "10:00", "^night.begins: found '9:00'"),
        ("22:60", "10:00", "^night.begins: found '22:60'"),
    ],
)
def test_what_is_no_time_of_day_is_refused(begins: str, ends: str, message: str) -> None:
    NIGHT.check()
    with pytest.raises(BoardError, match=message):
        Night(begins=begins, ends=ends).check()


def test_the_clock_is_looked_at_once_a_minute() -> None:
    world, clock = World(), WallClock(21)
    watch = NightWatch(NIGHT, world.monotonic, clock)
    assert not watch.is_night()
    clock.set(22)
    world.wait(LOOK_EVERY_S - 0.5)
    assert not watch.is_night()
    assert clock.looks == 1
    world.wait(0.5)
    assert watch.is_night()
    clock.set(7)
    world.wait(LOOK_EVERY_S)
    assert not watch.is_night()
    assert clock.looks == 3


def test_without_a_night_the_clock_is_left_alone() -> None:
    clock = WallClock(23)
    assert not NightWatch(None, World().monotonic, clock).is_night()
    assert clock.looks == 0
