"""A change of the current is told once it has come to rest, and only if it is large enough."""

import pytest

from chargerd.limits import Limit
from chargerd.ocpp.charging_rate import NO_REST_S, RESTS_S, ChargingRate
from tests.chargerd.ocpp.building import Rig, tx_settings

SETTINGS = tx_settings("PowerPathClosed", "EVConnected,Authorized")
NEWS = "Updated ChargingRateChanged Charging"


def charging(significance: str = "1") -> Rig:
    rig = Rig({**SETTINGS, "SmartChargingCtrlr.LimitChangeSignificance": significance})
    rig.plug_in()
    rig.tap()
    rig.charge()
    return rig


def offered(rig: Rig, amps: float) -> None:
    rig.status(offered_amps=amps, limit=Limit("csms", amps))


def test_E02_FR_17_a_change_of_the_rate_is_told_when_it_has_come_to_rest() -> None:
    rig = charging()
    offered(rig, 12.0)
    rig.advance(RESTS_S - 1)
    assert NEWS not in rig.story()
    offered(rig, 10.0)
    rig.advance(RESTS_S - 1)
    assert NEWS not in rig.story()
    rig.advance(2)
    assert rig.story().count(NEWS) == 1
    rig.advance(120)
    assert rig.story().count(NEWS) == 1


def test_a_rate_that_came_back_is_no_news() -> None:
    rig = charging()
    offered(rig, 12.0)
    offered(rig, 16.0)
    rig.advance(120)
    assert NEWS not in rig.story()


@pytest.mark.parametrize("amps, is_told", [(15.3, False), (14.3, True), (17.7, True), (16.7, False)])
def test_K11_FR_01_what_is_smaller_than_LimitChangeSignificance_is_not_told(amps: float, is_told: bool) -> None:
    rig = charging("10")
    offered(rig, amps)
    rig.advance(RESTS_S + 1)
    assert (NEWS in rig.story()) is is_told


def test_a_rate_that_never_rests_is_told_once_in_a_while() -> None:
    rig = charging()
    for second in range(int(NO_REST_S) + 2):
        offered(rig, 10.0 + second % 5)
        rig.advance(1)
    assert rig.story().count(NEWS) == 1


def test_a_pause_is_told_as_a_pause_alone() -> None:
    rig = charging()
    rig.status(limit=Limit("csms", 0.0))
    rig.evse_pauses()
    rig.advance(120)
    assert rig.story()[-1] == "Updated ChargingStateChanged SuspendedEVSE"
    assert NEWS not in rig.story()


def test_while_nothing_flows_nothing_is_looked_at() -> None:
    rate = ChargingRate()
    rate.changed(5.0)
    assert rate.next_deadline() is None
    assert not rate.is_news(10.0, 0.0, 100.0)
