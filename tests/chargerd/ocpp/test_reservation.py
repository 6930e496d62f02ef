"""Block H on a whole station: what the CSMS asks and hears, and what drivers may do."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from hal.types import BoardFacts, EvseFacts
from tests.chargerd.ocpp.building import GOOD, OTHER, Payload, Rig, board, tx_settings

CLASSIC = tx_settings("PowerPathClosed", "EVConnected,Authorized")
BY_PLUG = tx_settings("EVConnected", "EVConnected,Authorized")
BY_CARD = tx_settings("Authorized", "Authorized")
FLEET = "FLEET"


def ready(settings: dict[str, str] | None = None, evses: int = 1, **options: Any) -> Rig:
    rig = Rig({**CLASSIC, **(settings or {})}, facts=options.pop("facts", board(evses)), **options)
    rig.status()
    rig.csms.answers["ReservationStatusUpdate"] = {}
    return rig


def in_s(rig: Rig, seconds: float) -> str:
    moment = rig.clock.now().utc + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def card(uid: str) -> Payload:
    return {"idToken": uid, "type": "ISO14443"}


def reserve(rig: Rig, number: int = 7, uid: str = GOOD, for_s: float = 3600.0, group: str = "", **more: Any) -> str:
    """The status of the answer to ReserveNow."""
    if group:
        more["groupIdToken"] = {"idToken": group, "type": "Central"}
    answer = rig.call("ReserveNow", id=number, idToken=card(uid), expiryDateTime=in_s(rig, for_s), **more)
    status: str = answer["status"]
    return status


def cancel(rig: Rig, number: int = 7) -> str:
    status: str = rig.call("CancelReservation", reservationId=number)["status"]
    return status


def states(rig: Rig) -> dict[int, str]:
    return {one["evseId"]: one["connectorStatus"] for one in rig.sent("StatusNotification")}


def ends(rig: Rig) -> list[tuple[int, str]]:
    updates = rig.sent("ReservationStatusUpdate")
    return [(one["reservationId"], one["reservationUpdateStatus"]) for one in updates]


def change(rig: Rig, status: str, evse_id: int) -> None:
    rig.call("ChangeAvailability", operationalStatus=status, evse={"id": evse_id})


def again(rig: Rig, **options: Any) -> Rig:
    restarted = Rig(CLASSIC, store=rig.store, facts=rig.board, clock=rig.clock, online=False, **options)
    restarted.evses = rig.evses
    restarted.status()
    restarted.link_up()
    return restarted


# ------------------------------------------------------------------ H01: what is taken


def test_H01_FR_03_H01_FR_23_a_free_evse_is_reserved_and_said_to_be() -> None:
    rig = ready(evses=2)
    assert reserve(rig, evseId=2) == "Accepted"
    assert states(rig) == {1: "Available", 2: "Reserved"}
    rig.advance(1.0)
    assert rig.orders(2).indication == "reserved"
    assert rig.orders(2).message == ("Reserved",)


def test_H01_FR_11_an_evse_that_is_reserved_or_in_use_is_occupied() -> None:
    rig = ready(evses=2)
    reserve(rig, 7, evseId=1)
    assert reserve(rig, 8, OTHER, evseId=1) == "Occupied"
    rig.plug_in(2)
    assert reserve(rig, 8, OTHER, evseId=2) == "Occupied"


def test_an_evse_somebody_is_on_his_way_to_is_occupied() -> None:
    rig = ready()
    rig.tap()
    assert reserve(rig, evseId=1) == "Occupied"


def test_H01_FR_12_H01_FR_14_an_evse_that_is_faulted_or_out_of_service_is_named_so() -> None:
    rig = ready(evses=2)
    rig.fault("over_temperature")
    assert reserve(rig, evseId=1) == "Faulted"
    change(rig, "Inoperative", 2)
    assert reserve(rig, evseId=2) == "Unavailable"
    assert reserve(rig) == "Unavailable"


def test_H01_FR_01_disabled_nothing_is_reserved_and_what_was_comes_back() -> None:
    rig = ready()
    reserve(rig, evseId=1)
    enabled = {"component": {"name": "ReservationCtrlr"}, "variable": {"name": "Enabled"}}
    rig.call("SetVariables", setVariableData=[{**enabled, "attributeValue": "false"}])
    assert states(rig) == {1: "Available"}
    assert reserve(rig, 8, evseId=1) == "Rejected"
    rig.call("SetVariables", setVariableData=[{**enabled, "attributeValue": "true"}])
    assert states(rig) == {1: "Reserved"}


@pytest.mark.parametrize(
    "wish", [{"evseId": 2}, {"connectorType": "cCCS2"}, {"evseId": 1, "connectorType": "cCCS2"}, {"for_s": -1.0}]
)
def test_what_cannot_be_is_rejected(wish: dict[str, Any]) -> None:
    rig = ready()
    assert reserve(rig, **wish) == "Rejected"
    assert states(rig) == {1: "Available"}


def test_H01_FR_04_H01_FR_18_without_an_evse_any_is_reserved() -> None:
    rig = ready(evses=2)
    assert reserve(rig) == "Accepted"
    assert states(rig) == {1: "Available", 2: "Available"}
    assert reserve(rig, 8, OTHER) == "Accepted"
    assert states(rig) == {1: "Reserved", 2: "Reserved"}  # H01.FR.20
    assert reserve(rig, 9, "0011223344") == "Occupied"


def two_kinds() -> BoardFacts:
    evses = tuple(EvseFacts(max_amps=32.0, phases=3, connector_type=kind) for kind in ("sType2", "cType2"))
    return msgspec.structs.replace(board(), evses=evses)


def test_H01_FR_06_H01_FR_24_a_connector_type_is_reserved_where_there_is_one() -> None:
    rig = ready(facts=two_kinds())
    assert reserve(rig, connectorType="cType2") == "Accepted"
    assert states(rig) == {1: "Available", 2: "Reserved"}
    assert reserve(rig, 8, OTHER, connectorType="cType2") == "Occupied"


def test_H01_FR_02_the_same_id_replaces_the_holder() -> None:
    rig = ready()
    reserve(rig, 7, OTHER, evseId=1)
    before = len(rig.sent("StatusNotification"))
    assert reserve(rig, 7, GOOD, evseId=1) == "Accepted"
    assert len(rig.sent("StatusNotification")) == before
    rig.tap(OTHER)
    rig.tap(GOOD)
    rig.plug_in()
    assert rig.orders().permit
    assert rig.events()[0]["idToken"] == card(GOOD)


def test_a_replacement_that_cannot_be_leaves_the_old_one_standing() -> None:
    rig = ready(evses=2)
    reserve(rig, 7, evseId=1)
    rig.plug_in(2)
    assert reserve(rig, 7, OTHER, evseId=2) == "Occupied"
    assert states(rig)[1] == "Reserved"
    rig.plug_in(1)
    assert reserve(rig, 7, OTHER, evseId=1) == "Occupied"


def test_the_device_model_tells_what_can_be_reserved() -> None:
    rig = ready()
    names = ("Available", "Enabled", "NonEvseSpecific")
    wanted = [{"component": {"name": "ReservationCtrlr"}, "variable": {"name": name}} for name in names]
    results = rig.call("GetVariables", getVariableData=wanted)["getVariableResult"]
    assert [result["attributeValue"] for result in results] == ["true"] * 3


# ------------------------------------------------------------------ H02


def test_H02_FR_02_H02_FR_04_a_cancelled_reservation_frees_the_evse_and_is_not_reported() -> None:
    rig = ready()
    reserve(rig, evseId=1)
    assert cancel(rig) == "Accepted"
    assert states(rig) == {1: "Available"}
    assert ends(rig) == []
    rig.plug_in()
    rig.tap(OTHER)
    assert rig.orders().permit


def test_H02_FR_06_one_less_than_all_frees_them_all() -> None:
    rig = ready(evses=2)
    reserve(rig, 7)
    reserve(rig, 8, OTHER)
    cancel(rig, 8)
    assert states(rig) == {1: "Available", 2: "Available"}


def test_H02_FR_01_what_is_not_known_cannot_be_cancelled() -> None:
    rig = ready()
    reserve(rig, evseId=1)
    assert cancel(rig, 8) == "Rejected"
    cancel(rig)
    assert cancel(rig) == "Rejected"


# ------------------------------------------------------------------ H03


def test_H03_FR_10_H01_FR_15_card_first_the_connector_becomes_available_and_the_first_event_names_it() -> None:
    rig = ready()
    reserve(rig, evseId=1)
    rig.tap()
    assert states(rig) == {1: "Available"}
    rig.plug_in()
    rig.charge()
    assert [event.get("reservationId") for event in rig.events()] == [7, None]
    assert ends(rig) == []
    assert cancel(rig) == "Rejected"


def test_G01_FR_06_G01_FR_09_cable_first_the_connector_stays_reserved_until_the_card() -> None:
    rig = ready(BY_PLUG)
    reserve(rig, evseId=1)
    rig.plug_in()
    assert states(rig) == {1: "Reserved"}
    assert rig.story() == ["Started CablePluggedIn EVConnected"]
    rig.tap(OTHER)
    assert states(rig) == {1: "Reserved"}
    assert not rig.orders().permit
    rig.advance(5.0)
    rig.tap()
    assert states(rig) == {1: "Occupied"}
    assert rig.orders().permit
    assert [event.get("reservationId") for event in rig.events()] == [None, 7]


@pytest.mark.parametrize("settings", [CLASSIC, BY_PLUG, BY_CARD])
def test_a_stranger_has_no_energy_from_a_reserved_evse(settings: dict[str, str]) -> None:
    rig = ready(settings)
    reserve(rig, evseId=1)
    rig.tap(OTHER)
    rig.plug_in()
    rig.tap(OTHER)
    assert not rig.orders().permit
    assert all("idToken" not in event for event in rig.events())


def test_without_authorization_a_reserved_evse_is_still_the_holders() -> None:
    rig = ready({"AuthCtrlr.Enabled": "false"}, evses=2)
    reserve(rig, evseId=2)
    rig.plug_in(2)
    assert not rig.orders(2).permit
    rig.plug_in(1)
    assert rig.orders(1).permit


def test_H03_FR_08_the_group_that_the_csms_tells_may_use_it() -> None:
    rig = ready()
    rig.csms.tokens[OTHER] = {"status": "Accepted", "groupIdToken": {"idToken": FLEET, "type": "Central"}}
    reserve(rig, evseId=1, group=FLEET)
    rig.tap("0011223344")
    rig.advance(5.0)
    rig.tap(OTHER)
    rig.plug_in()
    assert rig.orders().permit
    assert rig.events()[0]["reservationId"] == 7


def remote(rig: Rig, uid: str, evse_id: int | None = 1, group: str = "") -> str:
    more: Payload = {} if evse_id is None else {"evseId": evse_id}
    if group:
        more["groupIdToken"] = {"idToken": group, "type": "Central"}
    status: str = rig.call("RequestStartTransaction", idToken=card(uid), remoteStartId=3, **more)["status"]
    return status


@pytest.mark.parametrize(
    "uid, own_group, asked_group, answer",
    [
        (GOOD, "", "", "Accepted"),
        (OTHER, "", "", "Rejected"),
        (OTHER, FLEET, "", "Rejected"),
        (OTHER, FLEET, "ELSE", "Rejected"),
        (OTHER, FLEET, FLEET, "Accepted"),
    ],
)
@pytest.mark.parametrize("plugged", [False, True])
def test_F01_FR_21_F01_FR_22_F02_FR_23_F02_FR_24_a_remote_start_needs_the_token_or_the_group(
    uid: str, own_group: str, asked_group: str, answer: str, plugged: bool
) -> None:
    rig = ready({"AuthCtrlr.AuthorizeRemoteStart": "false"})
    reserve(rig, evseId=1, group=own_group)
    if plugged:
        rig.plug_in()
    assert remote(rig, uid, group=asked_group) == answer
    if not plugged:
        rig.plug_in()
    assert rig.orders().permit is (answer == "Accepted")


def test_a_remote_start_without_an_evse_takes_the_reserved_one() -> None:
    rig = ready(evses=3)
    reserve(rig, evseId=3)
    rig.plug_in(2)
    assert remote(rig, OTHER, None) == "Accepted"
    assert rig.orders(2).permit
    assert remote(rig, GOOD, None) == "Accepted"
    assert states(rig)[3] == "Available"


def test_H03_FR_03_H01_FR_07_the_last_free_evse_is_kept_for_whoever_reserved_any() -> None:
    rig = ready(evses=2)
    reserve(rig)
    rig.tap(OTHER, evse_id=1)
    assert states(rig) == {1: "Available", 2: "Reserved"}
    rig.plug_in(1)
    rig.tap("0011223344", evse_id=2)
    rig.plug_in(2)
    assert not rig.orders(2).permit
    rig.advance(5.0)
    rig.tap(GOOD, evse_id=2)
    assert rig.orders(2).permit
    assert rig.events()[-1]["reservationId"] == 7


def test_an_authorization_that_runs_out_gives_the_others_back() -> None:
    rig = ready(evses=2)
    reserve(rig)
    rig.tap(OTHER, evse_id=1)
    assert states(rig)[2] == "Reserved"
    rig.advance(61.0)
    assert states(rig) == {1: "Available", 2: "Available"}


def test_H03_FR_06_the_group_may_use_any_evse() -> None:
    rig = ready(evses=2)
    rig.csms.tokens[OTHER] = {"status": "Accepted", "groupIdToken": {"idToken": FLEET, "type": "Central"}}
    reserve(rig, group=FLEET)
    rig.plug_in(1)
    rig.tap(OTHER, evse_id=1)
    assert rig.events()[0]["reservationId"] == 7
    assert states(rig) == {1: "Occupied", 2: "Available"}


# ------------------------------------------------------------------ H04 and other ends


def test_H04_FR_01_H04_FR_02_H04_FR_03_an_unused_reservation_expires() -> None:
    rig = ready()
    reserve(rig, for_s=60.0, evseId=1)
    rig.advance(59.0)
    assert states(rig) == {1: "Reserved"}
    rig.advance(1.5)
    assert states(rig) == {1: "Available"}
    assert ends(rig) == [(7, "Expired")]
    rig.tap(OTHER)
    rig.plug_in()
    assert rig.orders().permit


def test_a_clock_that_is_set_moves_the_expiry() -> None:
    rig = ready()
    reserve(rig, for_s=60.0, evseId=1)
    rig.clock.set_utc(rig.clock.now().utc - timedelta(seconds=60))
    rig.advance(100.0)
    assert ends(rig) == []
    rig.clock.set_utc(rig.clock.now().utc + timedelta(seconds=20))
    rig.advance(1.0)
    assert ends(rig) == [(7, "Expired")]


def test_H01_FR_16_H01_FR_17_a_fault_or_the_end_of_service_removes_it_for_good() -> None:
    rig = ready(evses=2)
    reserve(rig, 7, evseId=1)
    reserve(rig, 8, OTHER, evseId=2)
    rig.fault("over_temperature")
    assert ends(rig) == [(7, "Removed")]
    rig.fault()
    change(rig, "Inoperative", 2)
    assert states(rig) == {1: "Available", 2: "Unavailable"}
    assert ends(rig) == [(7, "Removed"), (8, "Removed")]
    change(rig, "Operative", 2)
    assert states(rig) == {1: "Available", 2: "Available"}


def test_any_evse_is_promised_as_long_as_one_is_in_order() -> None:
    rig = ready(evses=2)
    reserve(rig)
    change(rig, "Inoperative", 1)
    assert states(rig) == {1: "Unavailable", 2: "Reserved"}
    assert ends(rig) == []
    change(rig, "Inoperative", 2)
    assert ends(rig) == [(7, "Removed")]


def test_an_end_that_the_csms_could_not_be_told_is_told_when_it_can() -> None:
    rig = ready()
    reserve(rig, for_s=60.0, evseId=1)
    rig.link_down()
    rig.advance(90.0)
    assert ends(rig) == []
    restarted = again(rig)
    assert ends(restarted) == [(7, "Expired")]
    restarted.link_down()
    restarted.link_up()
    assert ends(restarted) == [(7, "Expired")]


def test_an_end_that_was_on_its_way_when_the_link_broke_is_told_again() -> None:
    rig = ready()
    reserve(rig, for_s=60.0, evseId=1)
    rig.csms.answers["ReservationStatusUpdate"] = None
    rig.advance(61.0)
    rig.link_down()
    rig.csms.answers["ReservationStatusUpdate"] = {}
    rig.link_up()
    assert ends(rig) == [(7, "Expired")] * 2


# ------------------------------------------------------------------ restarts


def test_B01_FR_13_B11_FR_05_a_reservation_outlives_restarts_of_both_sides() -> None:
    rig = ready(evses=2)
    reserve(rig, evseId=2)
    restarted = again(rig, run_id="run-2")
    assert states(restarted) == {1: "Available", 2: "Reserved"}
    restarted.tap(OTHER, evse_id=2)
    restarted.plug_in(2)
    assert not restarted.orders(2).permit
    assert ends(restarted) == []


def test_what_expired_while_the_station_was_off_is_told_at_its_start() -> None:
    rig = ready()
    reserve(rig, for_s=60.0, evseId=1)
    rig.clock.advance(120.0)
    restarted = again(rig)
    assert ends(restarted) == [(7, "Expired")]
    assert states(restarted) == {1: "Available"}


def test_a_reservation_outlives_a_reset_that_waits_and_its_holder_may_still_come() -> None:
    rig = ready(evses=2)
    rig.plug_in(1)
    rig.tap(OTHER, evse_id=1)
    rig.charge(1)
    reserve(rig, evseId=2)
    assert rig.call("Reset", type="OnIdle")["status"] == "Scheduled"
    assert states(rig) == {1: "Occupied", 2: "Reserved"}
    rig.tap(GOOD, evse_id=2)
    rig.plug_in(2)
    assert rig.orders(2).permit


def test_an_evse_that_is_reset_is_reserved_again_afterwards() -> None:
    rig = ready()
    reserve(rig, evseId=1)
    rig.call("Reset", type="Immediate", evseId=1)
    assert states(rig) == {1: "Unavailable"}
    rig.advance(5.0)
    assert states(rig) == {1: "Reserved"}
    assert ends(rig) == []


def test_expiry_is_the_moment_that_the_csms_named() -> None:
    rig = ready()
    reserve(rig, for_s=60.0, evseId=1)
    deadline = rig.station.reservations.next_deadline()
    assert deadline == rig.clock.now().mono_at(datetime.fromisoformat(in_s(rig, 60.0)))
