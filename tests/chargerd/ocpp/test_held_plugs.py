"""A socket keeps the cable for the one who charged, after the vehicle has gone."""

import msgspec
import pytest

from chargerd.evse.types import PilotState
from chargerd.ocpp.held_plugs import NAMESPACE
from chargerd.store import Store
from hal.types import PilotMode
from tests.chargerd.ocpp.building import GOOD, OTHER, Rig, board, tx_settings

KEEPS = {
    **tx_settings("PowerPathClosed", "Authorized"),
    "OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false",
}
SUSPENDS = {**tx_settings("PowerPathClosed", "Authorized", StopTxOnEVSideDisconnect="false")}


def charging(settings: dict[str, str], **facts: bool) -> Rig:
    rig = Rig(settings, facts=board(1, **facts))
    rig.meter(1000.0)
    rig.status(plugged=True)
    rig.plug_in()
    rig.tap()
    rig.charge()
    return rig


def vehicle_leaves(rig: Rig) -> None:
    rig.status(
        pilot_state=PilotState.A,
        ev_connected=False,
        relay_commanded=False,
        relay_closed=False,
        pilot_mode=PilotMode.STEADY_HIGH,
        offered_amps=0.0,
    )


def pulled(rig: Rig) -> None:
    rig.status(plugged=False)


def test_E09_FR_03_the_plug_stays_locked_until_its_owner_shows_the_token() -> None:
    rig = charging(KEEPS)
    vehicle_leaves(rig)
    assert rig.story()[-1] == "Ended EVCommunicationLost Idle EVDisconnected"
    assert rig.orders().hold_plug
    assert not rig.orders().permit
    rig.tap(OTHER)
    assert rig.orders().hold_plug
    rig.tap(GOOD)
    assert not rig.orders().hold_plug
    assert len([line for line in rig.story() if line.startswith("Started")]) == 1


def test_E09_FR_02_the_plug_is_let_go_at_once_where_the_variable_says_so() -> None:
    rig = charging({**KEEPS, "OCPPCommCtrlr.UnlockOnEVSideDisconnect": "true"})
    vehicle_leaves(rig)
    assert not rig.orders().hold_plug


def test_E10_FR_01_a_transaction_that_goes_on_keeps_the_plug_until_the_token_is_shown() -> None:
    rig = charging(SUSPENDS)
    vehicle_leaves(rig)
    assert rig.story()[-1] == "Updated EVCommunicationLost Idle"
    assert rig.orders().hold_plug
    rig.tap(GOOD)
    assert rig.story()[-1] == "Ended StopAuthorized Idle Local"
    assert not rig.orders().hold_plug


def test_E10_FR_01_the_plug_stays_when_the_wait_for_the_vehicle_is_over() -> None:
    rig = charging(SUSPENDS)
    vehicle_leaves(rig)
    rig.advance(61)
    assert rig.story()[-1] == "Ended EVConnectTimeout Idle Timeout"
    assert rig.orders().hold_plug
    rig.tap(GOOD)
    assert not rig.orders().hold_plug


def test_E05_FR_11_the_plug_of_a_refused_driver_stays_locked_until_he_shows_his_token() -> None:
    rig = charging(KEEPS)
    rig.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Blocked"}}
    rig.call("TriggerMessage", requestedMessage="TransactionEvent")
    rig.evse_pauses()
    vehicle_leaves(rig)
    assert rig.story()[-1] == "Ended Deauthorized EVConnected DeAuthorized"
    assert rig.orders().hold_plug
    rig.tap(GOOD)
    assert not rig.orders().hold_plug


def test_E07_FR_07_a_driver_who_stopped_may_take_the_cable() -> None:
    rig = charging(KEEPS)
    rig.tap()
    rig.evse_pauses()
    vehicle_leaves(rig)
    assert not rig.orders().hold_plug


def test_a_token_of_the_same_group_releases_the_plug() -> None:
    rig = Rig(KEEPS)
    group = {"status": "Accepted", "groupIdToken": {"idToken": "family", "type": "Central"}}
    rig.csms.tokens.update({GOOD: group, OTHER: group})
    rig.status(plugged=True)
    rig.plug_in()
    rig.tap()
    rig.charge()
    vehicle_leaves(rig)
    rig.tap(OTHER)
    assert not rig.orders().hold_plug


def test_whoever_comes_next_cannot_charge_by_the_cable_of_another() -> None:
    rig = charging(KEEPS)
    vehicle_leaves(rig)
    rig.plug_in()
    rig.tap(OTHER)
    assert not rig.orders().permit
    rig.tap(GOOD)
    assert rig.orders().permit
    assert not rig.orders().hold_plug


def test_a_plug_that_was_pulled_is_nobodys() -> None:
    rig = charging(KEEPS)
    vehicle_leaves(rig)
    pulled(rig)
    assert not rig.orders().hold_plug
    rig.plug_in()
    rig.tap(OTHER)
    assert rig.orders().permit


def test_a_plug_that_is_unlocked_for_the_csms_is_nobodys() -> None:
    rig = charging(KEEPS)
    vehicle_leaves(rig)
    rig.station.ctx.orders.request_unlock(1)
    rig.advance(1)
    assert not rig.orders().hold_plug
    rig.plug_in()
    rig.tap(OTHER)
    assert rig.orders().permit


@pytest.mark.parametrize("facts", [{"has_lock": False}, {}])
def test_what_cannot_be_locked_or_is_not_seen_is_not_held(facts: dict[str, bool]) -> None:
    rig = charging(KEEPS, **facts)
    if not facts:
        rig.status(plugged=None)
    vehicle_leaves(rig)
    assert not rig.orders().hold_plug


def test_the_connector_is_occupied_as_long_as_a_plug_is_in_it() -> None:
    rig = charging(KEEPS)
    vehicle_leaves(rig)
    rig.tap(GOOD)
    assert rig.sent("StatusNotification")[-1]["connectorStatus"] == "Occupied"
    pulled(rig)
    assert rig.sent("StatusNotification")[-1]["connectorStatus"] == "Available"


def test_a_restart_keeps_the_plug_for_its_owner() -> None:
    rig = charging(KEEPS)
    vehicle_leaves(rig)
    again = Rig(KEEPS, store=rig.store, clock=rig.clock, first_id=1000)
    again.evses = [msgspec.structs.replace(evse, token=None) for evse in rig.evses]
    again.status()
    assert again.orders().hold_plug
    again.tap(GOOD)
    assert not again.orders().hold_plug
    assert again.store.keys(NAMESPACE) == []


def test_a_note_about_an_evse_that_is_gone_holds_nothing() -> None:
    store = Store(":memory:")
    store.put(NAMESPACE, "7", {"id_token": {"idToken": "04AA", "type": "ISO14443"}})
    rig = Rig(KEEPS, store=store)
    rig.status()
    assert not rig.orders().hold_plug
