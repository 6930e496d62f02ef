"""Block G on a whole station: service, connector states, and who is told."""

from typing import Any

import pytest

from chargerd.clock import ManualClock
from chargerd.ocpp.messages.enums import ConnectorStatus
from chargerd.store import Store
from tests.chargerd.ocpp.building import Payload, Rig, board, tx_settings


def ready(settings: dict[str, str] | None = None, **options: Any) -> Rig:
    """A station whose control process has spoken and whose connectors have been told."""
    rig = Rig(settings, **options)
    rig.status()
    return rig


def told(rig: Rig, since: int = 0) -> list[tuple[int, str]]:
    """(EVSE, status) of every StatusNotification."""
    return [(one["evseId"], one["connectorStatus"]) for one in rig.sent("StatusNotification")[since:]]


def mark(rig: Rig) -> int:
    return len(rig.sent("StatusNotification"))


def change(rig: Rig, status: str, evse_id: int | None = None, connector_id: int | None = None) -> str:
    """The status of the answer to ChangeAvailability."""
    evse: Payload = {} if evse_id is None else {"evse": {"id": evse_id}}
    if connector_id is not None:
        evse["evse"]["connectorId"] = connector_id
    answer: str = rig.call("ChangeAvailability", operationalStatus=status, **evse)["status"]
    return answer


def charging(rig: Rig, evse_id: int = 1) -> None:
    rig.plug_in(evse_id)
    rig.tap(evse_id=evse_id)
    rig.charge(evse_id)


def variable(rig: Rig, component: str, **evse: int) -> str:
    name: Payload = {"component": {"name": component}, "variable": {"name": "AvailabilityState"}}
    if evse:
        name["component"]["evse"] = evse
    value: str = rig.call("GetVariables", getVariableData=[name])["getVariableResult"][0]["attributeValue"]
    return value


# ------------------------------------------------------------------ G01, B01


def test_B01_FR_05_after_the_accepted_boot_every_connector_is_reported() -> None:
    rig = Rig(online=False, facts=board(2))
    rig.plug_in(2)
    rig.link_up()
    assert told(rig) == [(1, "Available"), (2, "Occupied")]
    assert all(one["connectorId"] == 1 for one in rig.sent("StatusNotification"))


def test_B02_FR_02_no_state_is_told_while_the_csms_has_not_accepted_the_station() -> None:
    rig = Rig(online=False)
    rig.csms.answers["BootNotification"] = {
        "currentTime": "2026-01-01T00:00:00Z",
        "interval": 600,
        "status": "Pending",
    }
    rig.link_up()
    rig.plug_in()
    assert told(rig) == []


def test_a_station_that_does_not_know_its_connectors_yet_says_unavailable() -> None:
    rig = Rig()
    assert told(rig) == [(1, "Unavailable")]
    rig.status()
    assert told(rig, 1) == [(1, "Available")]


def test_G01_FR_03_a_vehicle_makes_the_connector_occupied_and_nothing_else_does() -> None:
    rig = ready()
    since = mark(rig)
    rig.plug_in()
    assert told(rig, since) == [(1, "Occupied")]
    rig.tap()
    rig.charge()
    rig.meter(100.0)
    assert told(rig, since) == [(1, "Occupied")]


def test_G01_FR_04_the_vehicle_leaves_and_the_connector_is_available() -> None:
    rig = ready()
    charging(rig)
    since = mark(rig)
    rig.tap()
    assert told(rig, since) == []
    rig.unplug()
    assert told(rig, since) == [(1, "Available")]


def test_G01_a_state_carries_the_time_of_its_begin() -> None:
    rig = ready()
    rig.advance(90.0)
    rig.plug_in()
    assert rig.sent("StatusNotification")[-1]["timestamp"] == "2026-01-01T00:01:30Z"


def test_G03_FR_06_a_faulted_connector_stays_faulted_when_its_evse_goes_out_of_service() -> None:
    rig = ready()
    since = mark(rig)
    rig.fault("over_temperature")
    rig.plug_in()
    change(rig, "Inoperative", 1)
    assert told(rig, since) == [(1, "Faulted")]
    rig.fault()
    assert told(rig, since) == [(1, "Faulted"), (1, "Unavailable")]


def test_G01_unplugging_an_unavailable_connector_changes_nothing() -> None:
    rig = ready()
    change(rig, "Inoperative", 1)
    since = mark(rig)
    rig.plug_in()
    rig.unplug()
    assert told(rig, since) == []


def test_a_silent_control_process_makes_every_connector_faulted() -> None:
    rig = ready(facts=board(2))
    since = mark(rig)
    rig.status_lost()
    assert told(rig, since) == [(1, "Faulted"), (2, "Faulted")]


def test_a_restart_of_the_control_process_does_not_make_an_occupied_connector_available_for_a_moment() -> None:
    rig = ready(facts=board(2))
    rig.plug_in(2)
    since = mark(rig)
    evses = rig.evses
    rig.control_restarts("run-2")
    assert told(rig, since) == []
    rig.evses = evses
    rig.status()
    assert told(rig, since) == []


def test_a_pilot_that_has_never_been_seen_leaves_the_connector_unavailable() -> None:
    rig = Rig()
    rig.control_restarts("run-1")
    assert told(rig) == [(1, "Unavailable")]


def test_G01_FR_08_the_other_evse_is_not_told() -> None:
    rig = ready(facts=board(2))
    since = mark(rig)
    rig.plug_in(2)
    assert told(rig, since) == [(2, "Occupied")]


# ------------------------------------------------------------------ B04


def test_B04_FR_01_after_a_long_outage_every_connector_is_reported() -> None:
    rig = ready({"OCPPCommCtrlr.OfflineThreshold": "60"}, facts=board(2))
    since = mark(rig)
    rig.link_down()
    rig.plug_in(2)
    rig.advance(60.1)
    rig.link_up()
    assert told(rig, since) == [(1, "Available"), (2, "Occupied")]
    assert rig.csms.received[-1][0] == "Heartbeat"
    assert len(rig.sent("BootNotification")) == 1


def test_B04_FR_02_after_a_short_outage_only_what_changed_is_reported() -> None:
    rig = ready({"OCPPCommCtrlr.OfflineThreshold": "60"}, facts=board(2))
    since = mark(rig)
    rig.link_down()
    rig.advance(30.0)
    rig.plug_in(2)
    rig.advance(30.0)
    rig.link_up()
    assert told(rig, since) == [(2, "Occupied")]
    assert rig.sent("StatusNotification")[-1]["timestamp"] == "2026-01-01T00:00:30Z"


def test_B04_a_state_that_came_and_went_offline_is_not_told() -> None:
    rig = ready()
    since = mark(rig)
    rig.link_down()
    rig.plug_in()
    rig.unplug()
    rig.link_up()
    assert told(rig, since) == []


def test_B04_a_state_whose_message_was_cut_off_is_told_again() -> None:
    rig = ready()
    rig.csms.answers["StatusNotification"] = None
    rig.plug_in()
    since = mark(rig)
    rig.link_down()
    rig.csms.answers["StatusNotification"] = {}
    rig.link_up()
    assert told(rig, since) == [(1, "Occupied")]


# ------------------------------------------------------------------ G03, G04


def test_G03_FR_04_an_idle_evse_goes_at_once_and_comes_back() -> None:
    rig = ready(facts=board(2))
    since = mark(rig)
    assert change(rig, "Inoperative", 2) == "Accepted"
    assert [rig.orders(evse_id).available for evse_id in (1, 2)] == [True, False]
    assert told(rig, since) == [(2, "Unavailable")]
    assert change(rig, "Operative", 2) == "Accepted"
    assert rig.orders(2).available
    assert told(rig, since) == [(2, "Unavailable"), (2, "Available")]


def test_G03_FR_03_a_state_it_is_already_in_is_accepted_and_told_nobody() -> None:
    rig = ready()
    since = mark(rig)
    assert change(rig, "Operative", 1) == "Accepted"
    assert [change(rig, "Inoperative", 1) for _ in range(2)] == ["Accepted", "Accepted"]
    assert told(rig, since) == [(1, "Unavailable")]


def test_the_response_to_ChangeAvailability_leaves_before_the_state_is_told() -> None:
    rig = ready()
    before = len(rig.frames)
    change(rig, "Inoperative", 1)
    response, notification = rig.frames[before : before + 2]
    assert response.startswith("[3,")
    assert '"StatusNotification"' in notification


def test_G03_FR_05_during_a_transaction_it_is_scheduled_and_follows_when_that_has_ended() -> None:
    rig = ready(tx_settings("EVConnected", "EVConnected"))
    charging(rig)
    since = mark(rig)
    assert change(rig, "Inoperative", 1) == "Scheduled"
    assert change(rig, "Inoperative", 1) == "Scheduled"
    assert rig.orders().available
    assert rig.orders().permit
    assert told(rig, since) == []
    rig.unplug()
    assert told(rig, since) == [(1, "Unavailable")]  # G01.FR.05
    assert not rig.orders().available


def test_G01_FR_05_the_vehicle_of_an_evse_that_is_to_leave_goes_and_the_connector_is_unavailable() -> None:
    settings = tx_settings("EVConnected", "Authorized", StopTxOnEVSideDisconnect="false")
    rig = ready(settings)
    charging(rig)
    assert change(rig, "Inoperative", 1) == "Scheduled"
    since = mark(rig)
    rig.unplug()
    assert told(rig, since) == [(1, "Unavailable")]


def test_G03_FR_05_an_evse_that_waits_for_its_cable_stays_available_until_the_transaction_has_ended() -> None:
    rig = ready(tx_settings("Authorized", "Authorized", EVConnectionTimeOut="60"))
    rig.tap()
    since = mark(rig)
    assert change(rig, "Inoperative", 1) == "Scheduled"
    rig.meter(0.0)
    assert told(rig, since) == []
    rig.advance(61.0)
    assert told(rig, since) == [(1, "Unavailable")]


def test_G03_FR_05_operative_cancels_what_was_scheduled() -> None:
    rig = ready()
    charging(rig)
    assert change(rig, "Inoperative", 1) == "Scheduled"
    assert change(rig, "Operative", 1) == "Accepted"
    since = mark(rig)
    rig.unplug()
    assert told(rig, since) == [(1, "Available")]
    assert rig.orders().available


def test_G03_FR_07_a_connector_stays_inoperative_when_its_evse_comes_back() -> None:
    rig = ready()
    for connector_id in (1, None):
        change(rig, "Inoperative", 1, connector_id)
    since = mark(rig)
    change(rig, "Operative", 1)
    assert told(rig, since) == []
    change(rig, "Operative", 1, 1)
    assert told(rig, since) == [(1, "Available")]


def test_G04_FR_01_without_an_evse_the_whole_station_is_meant() -> None:
    rig = ready(facts=board(2))
    since = mark(rig)
    assert change(rig, "Inoperative") == "Accepted"
    assert told(rig, since) == [(1, "Unavailable"), (2, "Unavailable")]
    assert [rig.orders(evse_id).available for evse_id in (1, 2)] == [False, False]


def test_G04_FR_06_of_a_whole_station_the_idle_evses_go_at_once_and_the_busy_one_later() -> None:
    rig = ready(facts=board(2))
    charging(rig, 2)
    since = mark(rig)
    assert change(rig, "Inoperative") == "Scheduled"
    assert [rig.orders(evse_id).available for evse_id in (1, 2)] == [False, True]
    assert told(rig, since) == [(1, "Unavailable")]
    rig.unplug(2)
    assert told(rig, since) == [(1, "Unavailable"), (2, "Unavailable")]  # G04.FR.05


def test_G04_FR_08_the_station_comes_back_and_every_evse_to_its_own_state() -> None:
    rig = ready(facts=board(2))
    change(rig, "Inoperative", 2)
    change(rig, "Inoperative")
    since = mark(rig)
    assert change(rig, "Operative") == "Accepted"
    assert told(rig, since) == [(1, "Available")]


def test_G03_FR_08_what_is_out_of_service_is_so_after_a_restart() -> None:
    store = Store(":memory:")
    change(ready(store=store, facts=board(2)), "Inoperative", 1)
    again = ready(store=store, facts=board(2), first_id=1000)
    assert told(again) == [(1, "Unavailable"), (2, "Unavailable"), (2, "Available")]
    assert not again.orders(1).available
    assert again.orders(2).available


def test_G04_FR_09_what_was_scheduled_is_so_after_a_restart_in_mid_charge() -> None:
    store, clock = Store(":memory:"), ManualClock()
    rig = ready(store=store, clock=clock)
    charging(rig)
    assert change(rig, "Inoperative") == "Scheduled"
    again = Rig(store=store, clock=clock, boot_reason="ApplicationReset", first_id=1000)
    again.evses = rig.evses
    again.status()
    assert again.orders().available
    assert told(again)[-1] == (1, "Occupied")
    again.unplug()
    assert told(again)[-1] == (1, "Unavailable")
    assert not again.orders().available


@pytest.mark.parametrize(
    "evse_id,connector_id,reason", [(0, None, "UnknownEvse"), (2, None, "UnknownEvse"), (1, 2, "UnknownConnectorId")]
)
def test_G03_FR_02_an_unknown_target_is_rejected(evse_id: int, connector_id: int | None, reason: str) -> None:
    rig = ready()
    evse: Payload = {"id": evse_id} | ({} if connector_id is None else {"connectorId": connector_id})
    answer = rig.call("ChangeAvailability", operationalStatus="Inoperative", evse=evse)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", reason)
    assert rig.orders().available


# ------------------------------------------------------------------ variables and triggers


def test_AvailabilityState_of_all_three_tiers_is_the_present_one() -> None:
    rig = ready(facts=board(2))
    rig.plug_in(1)
    change(rig, "Inoperative", 2)
    assert variable(rig, "Connector", id=1, connectorId=1) == "Occupied"
    assert variable(rig, "EVSE", id=2) == "Unavailable"
    assert variable(rig, "ChargingStation") == "Occupied"


def test_F06_FR_11_a_triggered_state_is_told_for_one_evse_or_for_all() -> None:
    rig = ready(facts=board(2))
    rig.plug_in(2)
    since = mark(rig)
    rig.call("TriggerMessage", requestedMessage="StatusNotification", evse={"id": 2, "connectorId": 1})
    assert told(rig, since) == [(2, "Occupied")]


def test_F06_a_state_can_be_triggered_while_pending() -> None:
    rig = Rig(online=False)
    rig.csms.answers["BootNotification"] = {
        "currentTime": "2026-01-01T00:00:00Z",
        "interval": 600,
        "status": "Pending",
    }
    rig.link_up()
    rig.status()
    rig.call("TriggerMessage", requestedMessage="StatusNotification", evse={"id": 1, "connectorId": 1})
    assert told(rig) == [(1, "Available")]


def test_other_blocks_can_ask_for_state_and_service() -> None:
    rig = ready()
    assert rig.station.availability.status(1) is ConnectorStatus.AVAILABLE
    change(rig, "Inoperative", 1)
    assert not rig.station.availability.is_operative(1)


# ------------------------------------------------------------------ MinimumStatusDuration


def test_a_state_that_passes_within_MinimumStatusDuration_is_not_told() -> None:
    rig = ready({"ChargingStation.MinimumStatusDuration": "5"})
    assert told(rig) == [(1, "Unavailable")]
    rig.advance(5.0)
    since = mark(rig)
    rig.plug_in()
    rig.advance(3.0)
    rig.unplug()
    rig.advance(10.0)
    assert told(rig, since) == []
    rig.plug_in()
    plugged_at = rig.clock.now().utc
    rig.advance(4.0)
    assert told(rig, since) == []
    rig.advance(1.5)
    assert told(rig, since) == [(1, "Occupied")]
    assert rig.sent("StatusNotification")[-1]["timestamp"].startswith(f"{plugged_at:%Y-%m-%dT%H:%M:%S}")


def test_MinimumStatusDuration_holds_from_the_moment_it_is_set() -> None:
    rig = ready({"ChargingStation.MinimumStatusDuration": "3600"})
    since = mark(rig)
    rig.plug_in()
    name = {"component": {"name": "ChargingStation"}, "variable": {"name": "MinimumStatusDuration"}}
    rig.call("SetVariables", setVariableData=[{**name, "attributeValue": "0"}])
    assert told(rig, since) == [(1, "Occupied")]
