"""A person on the spot limits an EVSE: the row, its end, and what a restart makes of it."""

import math
from datetime import timedelta

import pytest

from chargerd.limits import Limit
from chargerd.ocpp.events import TimeStepped
from tests.chargerd.ocpp.building import Rig, board


def limit(rig: Rig, amps: float | None, for_s: float | None = None, evse_id: int = 1) -> None:
    rig.station.limit_by_user(evse_id, amps, for_s, rig.clock.now())
    rig.advance(1.0)


def user_amps(rig: Rig, evse_id: int = 1) -> float | None:
    rows = {row.source: row.amps for row in rig.orders(evse_id).limits}
    return rows.get("user")


def restarted(rig: Rig, down_s: float) -> Rig:
    rig.clock.advance(down_s)
    again = Rig(store=rig.store, clock=rig.clock, facts=rig.board, run_id=rig.run_id, first_id=1000)
    again.status()
    return again


def ready(evses: int = 1) -> Rig:
    rig = Rig(facts=board(evses))
    rig.status()
    return rig


def test_a_limit_is_a_row_of_its_own_evse() -> None:
    rig = ready(2)
    limit(rig, 10.0, evse_id=2)
    assert (user_amps(rig, 1), user_amps(rig, 2)) == (None, 10.0)
    assert Limit("user", 10.0) in [Limit(row.source, row.amps) for row in rig.orders(2).limits]


def test_a_limit_can_be_replaced_and_taken_away() -> None:
    rig = ready()
    limit(rig, 10.0)
    limit(rig, 8.0)
    assert user_amps(rig) == 8.0
    limit(rig, None)
    assert user_amps(rig) is None


def test_taking_away_what_is_not_there_does_nothing() -> None:
    rig = ready()
    limit(rig, None)
    assert user_amps(rig) is None


def test_a_limit_with_an_end_ends_by_itself() -> None:
    rig = ready()
    limit(rig, 10.0, for_s=60.0)
    rig.advance(58.0)
    assert user_amps(rig) == 10.0
    rig.advance(2.0)
    assert user_amps(rig) is None


def test_one_without_an_end_replaces_one_with_an_end() -> None:
    rig = ready()
    limit(rig, 10.0, for_s=60.0)
    limit(rig, 8.0)
    rig.advance(120.0)
    assert user_amps(rig) == 8.0


def test_a_restart_keeps_what_has_not_ended_yet() -> None:
    rig = ready(2)
    limit(rig, 10.0, for_s=600.0)
    limit(rig, 7.0, evse_id=2)
    again = restarted(rig, 300.0)
    assert (user_amps(again, 1), user_amps(again, 2)) == (10.0, 7.0)
    again.advance(300.0)
    assert (user_amps(again, 1), user_amps(again, 2)) == (None, 7.0)


def test_a_restart_after_its_end_finds_it_gone_for_good() -> None:
    rig = ready()
    limit(rig, 10.0, for_s=60.0)
    again = restarted(rig, 61.0)
    assert user_amps(again) is None
    again.clock.set_utc(again.clock.now().utc - timedelta(hours=1))
    assert user_amps(restarted(again, 1.0)) is None


def test_a_clock_that_is_set_does_not_move_the_end() -> None:
    rig = ready()
    limit(rig, 10.0, for_s=60.0)
    rig.clock.set_utc(rig.clock.now().utc + timedelta(days=400))
    rig.feed(TimeStepped(400 * 86400.0))
    assert user_amps(rig) == 10.0
    rig.advance(60.0)
    assert user_amps(rig) is None


@pytest.mark.parametrize(
    "evse_id, amps, for_s, said",
    [
        (0, 10.0, None, "there is no EVSE 0; this station has 1 to 2"),
        (3, 10.0, None, "there is no EVSE 3"),
        (3, None, None, "there is no EVSE 3"),
        (1, -1.0, None, "from 0 to 80 A"),
        (1, 81.0, None, "from 0 to 80 A"),
        (1, math.nan, None, "from 0 to 80 A"),
        (1, 10.0, 0.0, "more than 0 s"),
        (1, 10.0, 1e12, "at most"),
        (1, 10.0, math.nan, "more than 0 s"),
    ],
)
def test_what_cannot_be_a_limit_is_refused_with_what_would_be(
    evse_id: int, amps: float | None, for_s: float | None, said: str
) -> None:
    why = ready(2).station.user_limits.why_not(evse_id, amps, for_s)
    assert why is not None
    assert said in why


@pytest.mark.parametrize("amps, for_s", [(0.0, None), (80.0, 1.0), (None, None)])
def test_what_can_be_a_limit_is_not_refused(amps: float | None, for_s: float | None) -> None:
    assert ready().station.user_limits.why_not(1, amps, for_s) is None
