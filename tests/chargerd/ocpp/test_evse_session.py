"""The life of a transaction, told as stories on an assembled station."""

import pytest

from chargerd.evse.types import PilotState
from chargerd.store import Store
from tests.chargerd.ocpp.building import GOOD, OTHER, Rig, tx_settings

CLASSIC = tx_settings("PowerPathClosed", "EVConnected,Authorized")


def ready(settings: dict[str, str] | None = None, *, store: Store | None = None) -> Rig:
    rig = Rig(settings or CLASSIC, store=store)
    rig.meter(1000.0)
    return rig


def charging(settings: dict[str, str] | None = None) -> Rig:
    rig = ready(settings)
    rig.plug_in()
    rig.tap()
    rig.charge()
    return rig


def restarted(rig: Rig, *, run_id: str, boot_reason: str = "PowerUp") -> Rig:
    """A new station process on the same state; the charging side stands where it stood, and has not spoken yet."""
    settings = rig.station.ctx.config.overrides
    again = Rig(
        settings, store=rig.store, clock=rig.clock, run_id=run_id, boot_reason=boot_reason, online=False, first_id=1000
    )
    again.evses = list(rig.evses)
    return again


# ---- Starting --------------------------------------------------------------------------------------------------------


def test_a_first_charge_from_plug_to_unplug() -> None:
    rig = charging()
    rig.run(10, amps=16.0)
    rig.tap()
    assert not rig.orders().permit
    rig.evse_pauses()
    rig.unplug()
    assert rig.story() == [
        "Started Authorized EVConnected",
        "Updated ChargingStateChanged Charging",
        "Ended StopAuthorized EVConnected Local",
    ]
    assert [event["seqNo"] for event in rig.events()] == [0, 1, 2]


def test_E01_FR_02_E02_FR_01_E02_FR_20_cable_first_with_start_point_ev_connected() -> None:
    rig = ready(tx_settings("EVConnected", "EVConnected"))
    rig.plug_in()
    rig.tap()
    rig.charge()
    assert rig.story() == [
        "Started CablePluggedIn EVConnected",
        "Updated Authorized EVConnected",
        "Updated ChargingStateChanged Charging",
    ]
    assert ["idToken" in event for event in rig.events()] == [False, True, False]


def test_E01_FR_03_E03_FR_01_token_first_with_start_point_authorized() -> None:
    rig = ready(tx_settings("Authorized", "Authorized"))
    rig.tap()
    rig.plug_in()
    rig.charge()
    assert rig.story() == [
        "Started Authorized Idle",
        "Updated CablePluggedIn EVConnected",
        "Updated ChargingStateChanged Charging",
    ]
    assert [event.get("idToken", {}).get("idToken") for event in rig.events()] == [GOOD, None, None]


@pytest.mark.parametrize("token_first", [True, False])
def test_E01_FR_05_power_path_closed_needs_both_in_any_order(token_first: bool) -> None:
    rig = ready(tx_settings("PowerPathClosed", "PowerPathClosed"))
    first, second = (rig.tap, rig.plug_in) if token_first else (rig.plug_in, rig.tap)
    first()
    assert rig.story() == []
    assert not rig.orders().permit
    second()
    assert rig.story() == [f"Started {'CablePluggedIn' if token_first else 'Authorized'} EVConnected"]
    assert rig.orders().permit
    assert rig.events()[0]["idToken"]["idToken"] == GOOD


def test_E01_FR_06_energy_transfer_starts_when_energy_flows() -> None:
    rig = ready(tx_settings("EnergyTransfer", "EVConnected"))
    rig.plug_in()
    rig.tap()
    assert rig.story() == []
    assert rig.orders().permit
    rig.charge()
    assert rig.story() == ["Started ChargingStateChanged Charging"]
    assert rig.events()[0]["idToken"]["idToken"] == GOOD
    assert rig.events()[0]["evse"] == {"id": 1, "connectorId": 1}


def test_only_the_first_listed_start_point_starts() -> None:
    rig = ready(tx_settings("EVConnected,Authorized,PowerPathClosed,EnergyTransfer", "EVConnected"))
    rig.plug_in()
    rig.tap()
    rig.charge()
    assert [line.split()[0] for line in rig.story()] == ["Started", "Updated", "Updated"]


def test_C01_FR_01_no_energy_is_permitted_before_somebody_is_authorized() -> None:
    rig = ready(tx_settings("EVConnected", "EVConnected"))
    rig.plug_in()
    assert rig.station.transactions.running(1) is not None
    assert not any(orders[0].permit for orders in rig.all_orders)
    rig.tap()
    assert rig.orders().permit


def test_E02_FR_20_a_refused_token_makes_no_event() -> None:
    rig = ready(tx_settings("EVConnected", "EVConnected"))
    rig.csms.tokens[GOOD] = {"status": "Invalid"}
    rig.plug_in()
    rig.tap()
    assert rig.story() == ["Started CablePluggedIn EVConnected"]
    assert not rig.orders().permit


def test_C02_FR_01_with_authorization_off_plugging_in_is_enough() -> None:
    rig = ready({**CLASSIC, "AuthCtrlr.Enabled": "false"})
    rig.plug_in()
    rig.charge()
    assert rig.story() == ["Started CablePluggedIn EVConnected", "Updated ChargingStateChanged Charging"]
    assert rig.events()[0]["idToken"] == {"idToken": "", "type": "NoAuthorization"}
    assert rig.sent("Authorize") == []


def test_an_evse_out_of_service_starts_nothing() -> None:
    rig = ready(tx_settings("EVConnected", "EVConnected"))
    assert rig.call("ChangeAvailability", operationalStatus="Inoperative")["status"] == "Accepted"
    rig.plug_in()
    rig.tap()
    assert rig.story() == []
    assert rig.sent("Authorize") == []
    assert not rig.orders().permit


# ---- While it runs ---------------------------------------------------------------------------------------------------


def test_E01_FR_19_pauses_of_either_side_are_told_and_end_nothing() -> None:
    rig = charging()
    rig.ev_pauses()
    rig.charge()
    rig.evse_pauses()
    rig.charge()
    assert rig.story()[1:] == [
        "Updated ChargingStateChanged Charging",
        "Updated ChargingStateChanged SuspendedEV",
        "Updated ChargingStateChanged Charging",
        "Updated ChargingStateChanged SuspendedEVSE",
        "Updated ChargingStateChanged Charging",
    ]
    assert rig.orders().permit


def test_a_new_offer_gives_the_vehicle_time_before_it_counts_as_paused() -> None:
    rig = charging()
    rig.evse_pauses()
    rig.offer()
    rig.advance(9)
    assert rig.story()[-1] == "Updated ChargingStateChanged SuspendedEVSE"
    rig.advance(2)
    assert rig.story()[-1] == "Updated ChargingStateChanged SuspendedEV"


def test_an_offer_that_never_comes_is_told_as_our_suspension() -> None:
    rig = ready()
    rig.plug_in()
    rig.tap()
    rig.advance(11)
    assert rig.story() == ["Started Authorized EVConnected", "Updated ChargingStateChanged SuspendedEVSE"]


def test_who_suspends_can_change_without_energy_between() -> None:
    rig = charging()
    rig.ev_pauses()
    rig.status(offered_amps=0.0)
    assert rig.story()[-1] == "Updated ChargingStateChanged SuspendedEVSE"


def test_a_fault_that_clears_itself_suspends_only() -> None:
    rig = charging()
    rig.fault("over_temperature")
    rig.fault()
    rig.charge()
    assert rig.story()[1:] == [
        "Updated ChargingStateChanged Charging",
        "Updated ChargingStateChanged SuspendedEVSE",
        "Updated ChargingStateChanged Charging",
    ]


# ---- Ending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code, reason",
    [("residual_dc_again", "GroundFault"), ("ev_overdraw", "OvercurrentFault"), ("contactor_welded", "Other")],
)
def test_E06_FR_16_a_latched_fault_ends_it_with_its_reason(code: str, reason: str) -> None:
    rig = charging()
    rig.fault(code)
    assert rig.story()[-1] == f"Ended AbnormalCondition EVConnected {reason}"
    assert not rig.orders().permit


@pytest.mark.parametrize("points", ["Authorized", "PowerPathClosed", "EnergyTransfer", "EVConnected,Authorized"])
def test_E07_FR_01_E07_FR_02_the_same_token_ends_it_when_energy_is_off(points: str) -> None:
    rig = charging(tx_settings("PowerPathClosed", points))
    rig.run(5, amps=16.0)
    rig.tap()
    assert not rig.orders().permit
    assert len(rig.events()) == 2
    rig.meter(1500.0, 16.0)
    rig.evse_pauses()
    assert rig.story()[-1] == "Ended StopAuthorized EVConnected Local"
    assert rig.events()[-1]["idToken"]["idToken"] == GOOD
    assert rig.events()[-1]["meterValue"][-1]["sampledValue"][0]["value"] == 1500.0
    assert len(rig.sent("Authorize")) == 1


def test_E07_FR_02_without_such_a_stop_point_it_goes_on_until_the_vehicle_leaves() -> None:
    rig = charging(tx_settings("EVConnected", "EVConnected"))
    rig.tap()
    rig.evse_pauses()
    rig.unplug()
    assert rig.story()[2:] == [
        "Updated ChargingStateChanged Charging",
        "Updated StopAuthorized Charging",
        "Updated ChargingStateChanged EVConnected",
        "Ended EVCommunicationLost Idle Local",
    ]


def test_a_vehicle_that_leaves_during_the_ending_ends_it_at_once() -> None:
    rig = charging()
    rig.tap()
    rig.unplug()
    assert rig.story()[-1] == "Ended StopAuthorized Idle Local"


def test_a_contactor_that_stays_closed_does_not_hold_the_end_back_for_ever() -> None:
    rig = charging()
    rig.tap()
    rig.advance(11)
    assert rig.story()[-1] == "Ended StopAuthorized EVConnected Local"
    assert any("had energy" in note for note in rig.notes())


def test_a_silent_control_process_ends_what_was_ending() -> None:
    rig = charging()
    rig.tap()
    rig.status_lost()
    assert rig.story()[-1] == "Ended StopAuthorized EVConnected Local"


def test_after_the_end_the_same_cable_needs_a_new_token() -> None:
    rig = charging(tx_settings("EVConnected", "Authorized"))
    rig.tap()
    rig.evse_pauses()
    rig.run(30)
    assert rig.story()[-1].startswith("Ended")
    rig.tap(OTHER)
    assert rig.story()[-1] == "Started Authorized EVConnected"
    assert rig.orders().permit


@pytest.mark.parametrize("by_ev, reason", [(True, "StoppedByEV"), (False, "Other")])
def test_E06_FR_07_a_pause_ends_it_only_where_energy_transfer_is_a_stop_point(by_ev: bool, reason: str) -> None:
    rig = charging(tx_settings("PowerPathClosed", "EnergyTransfer"))
    (rig.ev_pauses if by_ev else rig.evse_pauses)()
    assert rig.story()[-1] == f"Ended ChargingStateChanged EVConnected {reason}"
    assert not rig.orders().permit


@pytest.mark.parametrize("points", ["EVConnected", "Authorized", "PowerPathClosed"])
def test_E06_FR_02_E09_FR_01_unplugging_ends_the_authorization_and_with_it_the_transaction(points: str) -> None:
    rig = charging(tx_settings("PowerPathClosed", points))
    rig.unplug()
    assert rig.story()[-1] == "Ended EVCommunicationLost Idle EVDisconnected"
    rig.plug_in()
    assert not rig.orders().permit


@pytest.mark.parametrize("points", ["EVConnected", "PowerPathClosed"])
def test_unplugging_ends_it_at_these_points_even_where_the_authorization_would_stay(points: str) -> None:
    rig = charging(tx_settings("PowerPathClosed", points, StopTxOnEVSideDisconnect="false"))
    rig.unplug()
    assert rig.story()[-1] == "Ended EVCommunicationLost Idle EVDisconnected"


def test_E10_FR_02_an_authorization_that_stays_waits_for_the_cable_and_then_lapses() -> None:
    rig = charging(tx_settings("PowerPathClosed", "Authorized", StopTxOnEVSideDisconnect="false"))
    rig.unplug()
    assert not rig.orders().permit
    rig.advance(61)
    assert rig.story()[-2:] == [
        "Updated EVCommunicationLost Idle",
        "Ended EVConnectTimeout Idle Timeout",
    ]


def test_a_cable_that_comes_back_in_time_resumes_the_transaction() -> None:
    rig = charging(tx_settings("PowerPathClosed", "Authorized", StopTxOnEVSideDisconnect="false"))
    rig.unplug()
    rig.advance(30)
    rig.plug_in()
    assert rig.orders().permit
    rig.charge()
    rig.advance(60)
    assert rig.story()[2:] == [
        "Updated EVCommunicationLost Idle",
        "Updated CablePluggedIn EVConnected",
        "Updated ChargingStateChanged Charging",
    ]


def test_a_vehicle_that_leaves_before_anybody_was_authorized_ends_it() -> None:
    rig = ready(tx_settings("EVConnected", "Authorized"))
    rig.plug_in()
    rig.unplug()
    assert rig.story()[-1] == "Ended EVCommunicationLost Idle EVDisconnected"


def test_E03_FR_05_a_transaction_ends_when_no_vehicle_comes_in_time() -> None:
    rig = ready(tx_settings("Authorized", "Authorized", EVConnectionTimeOut="20"))
    rig.tap()
    rig.advance(19)
    assert len(rig.events()) == 1
    rig.advance(2)
    assert rig.story()[-1] == "Ended EVConnectTimeout Idle Timeout"


def test_C01_FR_26_an_authorization_without_transaction_lapses_when_no_vehicle_comes_in_time() -> None:
    rig = ready()
    rig.tap()
    assert rig.station.transactions.is_busy(1)
    rig.advance(61)
    assert not rig.station.transactions.is_busy(1)
    rig.plug_in()
    assert rig.story() == []
    assert not rig.orders().permit


def test_the_same_token_again_while_waiting_for_the_cable_ends_the_authorization() -> None:
    rig = ready(tx_settings("Authorized", "EVConnected"))
    rig.tap()
    rig.tap()
    assert rig.story() == ["Started Authorized Idle", "Ended StopAuthorized Idle Local"]


# ---- E05: the CSMS refuses the token afterwards ----------------------------------------------------------------------


def refused(settings: dict[str, str]) -> Rig:
    """Accepted by the offline policy, charging, and then refused in the answer to the first event with the token."""
    rig = Rig({**settings, "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}, online=False)
    rig.csms.answers["TransactionEvent"] = lambda request: (
        {"idTokenInfo": {"status": "Invalid"}} if "idToken" in request else {}
    )
    rig.meter(1000.0)
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.run(1, amps=16.0)
    rig.link_up()
    return rig


@pytest.mark.parametrize("points", ["Authorized", "PowerPathClosed", "EnergyTransfer"])
def test_E05_FR_10_a_refused_token_ends_the_transaction(points: str) -> None:
    rig = refused(tx_settings("PowerPathClosed", points))
    assert not rig.orders().permit
    rig.evse_pauses()
    assert rig.story()[-1] == "Ended Deauthorized EVConnected DeAuthorized"


def test_E05_FR_09_a_refused_token_ends_energy_where_no_stop_point_ends_the_transaction() -> None:
    rig = refused(tx_settings("EVConnected", "EVConnected"))
    assert not rig.orders().permit
    rig.evse_pauses()
    rig.unplug()
    assert rig.story()[-3:] == [
        "Updated Deauthorized Charging",
        "Updated ChargingStateChanged EVConnected",
        "Ended EVCommunicationLost Idle DeAuthorized",
    ]


def test_E05_FR_02_without_stopping_a_refused_token_gets_no_more_energy() -> None:
    rig = refused(tx_settings("EVConnected", "EVConnected", StopTxOnInvalidId="false"))
    assert not rig.orders().permit
    rig.evse_pauses()
    assert rig.story()[-1] == "Updated ChargingStateChanged SuspendedEVSE"
    running = rig.station.transactions.running(1)
    assert running is not None
    assert running.authorized


def test_E05_FR_03_a_refused_token_may_have_some_energy_and_no_more() -> None:
    rig = refused(tx_settings("EVConnected", "EVConnected", StopTxOnInvalidId="false", MaxEnergyOnInvalidId="500"))
    assert rig.orders().permit
    rig.meter(1499.0, 16.0)
    assert rig.orders().permit
    rig.meter(1500.0, 16.0)
    assert not rig.orders().permit
    rig.evse_pauses()
    assert rig.story()[-1] == "Updated ChargingStateChanged SuspendedEVSE"


def test_energy_after_a_refusal_counts_what_was_taken_before_it() -> None:
    rig = Rig(
        {
            **tx_settings("EVConnected", "EVConnected", StopTxOnInvalidId="false", MaxEnergyOnInvalidId="500"),
            "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
        },
        online=False,
    )
    rig.csms.tokens[GOOD] = {"status": "Invalid"}
    rig.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Blocked"}}
    rig.meter(1000.0)
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.meter(1600.0, 16.0)
    rig.link_up()
    assert not rig.orders().permit


# ---- Restarts --------------------------------------------------------------------------------------------------------


def test_a_restart_of_the_station_alone_does_not_touch_the_charge() -> None:
    rig = charging()
    again = restarted(rig, run_id="run-1")
    again.status()
    assert all(orders[0].permit for orders in again.all_orders)
    again.link_up()
    assert again.story() == []
    again.run(5, amps=16.0)
    again.tap()
    again.evse_pauses()
    assert again.story() == ["Ended StopAuthorized EVConnected Local"]
    assert again.events()[0]["seqNo"] == 2
    assert again.events()[0]["transactionInfo"]["transactionId"] == rig.events()[0]["transactionInfo"]["transactionId"]


def test_a_vehicle_that_left_during_a_restart_of_the_station_is_noticed() -> None:
    rig = charging()
    again = restarted(rig, run_id="run-1")
    again.link_up()
    again.unplug()
    assert again.story() == ["Ended EVCommunicationLost Idle EVDisconnected"]
    assert not again.orders().permit


def test_another_vehicle_after_a_restart_of_the_station_is_noticed_by_the_count() -> None:
    rig = charging()
    again = restarted(rig, run_id="run-1")
    again.link_up()
    again.plug_in()
    assert again.story() == ["Ended EVCommunicationLost Idle EVDisconnected"]
    assert not again.orders().permit


def test_a_cable_whose_transaction_has_ended_starts_none_after_a_restart_of_the_station() -> None:
    rig = charging(tx_settings("EVConnected", "Authorized"))
    rig.tap()
    rig.evse_pauses()
    again = restarted(rig, run_id="run-1")
    again.link_up()
    again.status()
    assert again.story() == []
    again.unplug()
    again.plug_in()
    assert again.story() == ["Started CablePluggedIn EVConnected"]


def test_a_restart_of_the_control_process_suspends_and_resumes() -> None:
    rig = charging()
    rig.status_lost()
    assert rig.story()[-1] == "Updated ChargingStateChanged SuspendedEVSE"
    rig.control_restarts("run-2")
    rig.plug_in()
    assert rig.orders().permit
    rig.charge()
    assert rig.story()[-1] == "Updated ChargingStateChanged Charging"
    assert len([line for line in rig.story() if line.startswith("Started")]) == 1


def test_a_restart_of_the_station_soon_after_one_of_the_control_process_does_not_touch_the_charge() -> None:
    rig = charging()
    rig.control_restarts("run-2")
    rig.plug_in()
    again = restarted(rig, run_id="run-2")
    again.link_up()
    again.charge()
    assert again.story() == ["Updated ChargingStateChanged Charging"]
    assert again.orders().permit


def test_a_quick_restart_of_the_control_process_is_told_as_our_suspension() -> None:
    rig = charging()
    rig.control_restarts("run-2")
    assert rig.story()[-1] == "Updated ChargingStateChanged SuspendedEVSE"


def test_a_vehicle_that_left_during_a_restart_of_the_control_process_is_noticed() -> None:
    rig = charging()
    rig.control_restarts("run-2")
    rig.status(pilot_state=PilotState.A)
    assert rig.story()[-1] == "Ended EVCommunicationLost Idle EVDisconnected"


def test_a_control_process_that_was_only_silent_goes_on() -> None:
    rig = charging()
    rig.status_lost()
    rig.status()
    assert rig.story()[-2:] == [
        "Updated ChargingStateChanged SuspendedEVSE",
        "Updated ChargingStateChanged Charging",
    ]


@pytest.mark.parametrize("boot_reason, reason", [("PowerUp", "PowerLoss"), ("Watchdog", "Reboot")])
def test_after_a_restart_of_both_it_ends_with_the_last_register_on_disk(boot_reason: str, reason: str) -> None:
    rig = charging({"SampledDataCtrlr.TxUpdatedInterval": "0"})
    rig.run(140, amps=16.0)
    again = restarted(rig, run_id="run-2", boot_reason=boot_reason)
    again.evses = [type(rig.evses[0])(evse_id=1)]
    again.link_up()
    again.status()
    assert again.story() == [f"Ended AbnormalCondition Idle {reason}"]
    first, last = (value["sampledValue"][0] for value in again.events()[0]["meterValue"])
    assert (first["context"], first["value"]) == ("Transaction.Begin", 1000.0)
    assert (last["context"], last["value"]) == ("Transaction.End", 1429.333)
    assert not again.orders().permit


def test_after_a_power_loss_a_vehicle_that_is_still_there_is_a_new_one() -> None:
    rig = charging(tx_settings("EVConnected", "EVConnected"))
    again = restarted(rig, run_id="run-2")
    again.link_up()
    again.evses = [type(rig.evses[0])(evse_id=1)]
    again.plug_in()
    assert again.story() == ["Ended AbnormalCondition Idle PowerLoss", "Started CablePluggedIn EVConnected"]
    assert not again.orders().permit


def test_an_ending_survives_a_restart_of_the_station() -> None:
    rig = charging()
    rig.tap()
    again = restarted(rig, run_id="run-1")
    again.link_up()
    again.status()
    assert not again.orders().permit
    again.evse_pauses()
    assert again.story() == ["Ended StopAuthorized EVConnected Local"]


def test_an_authorization_that_waits_for_its_vehicle_survives_a_restart_of_the_station() -> None:
    rig = ready(tx_settings("Authorized", "Authorized"))
    rig.tap()
    again = restarted(rig, run_id="run-1")
    again.link_up()
    again.status()
    again.plug_in()
    assert again.story() == ["Updated CablePluggedIn EVConnected"]
    assert again.orders().permit
