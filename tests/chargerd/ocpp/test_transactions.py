import itertools
from typing import Any

import pytest

from chargerd.ocpp.transaction_machine import TxPoint
from hal.types import Indication
from tests.chargerd.ocpp.building import GOOD, OTHER, Rig, board, tx_settings

CLASSIC = tx_settings("PowerPathClosed", "EVConnected,Authorized")
FLEET = {"status": "Accepted", "groupIdToken": {"idToken": "FLEET", "type": "Central"}}


def charging(settings: dict[str, str] | None = None, tokens: dict[str, Any] | None = None) -> Rig:
    rig = Rig({**CLASSIC, **(settings or {})})
    rig.csms.tokens.update(tokens or {})
    rig.meter(1000.0)
    rig.plug_in()
    rig.tap()
    rig.charge()
    return rig


# ---- Tokens ----------------------------------------------------------------------------------------------------------


def test_C01_FR_03_the_same_token_stops_without_being_asked_about() -> None:
    rig = charging()
    rig.tap(GOOD.lower())
    assert not rig.orders().permit
    assert len(rig.sent("Authorize")) == 1


def test_C09_FR_03_C09_FR_05_a_token_of_the_same_group_is_asked_about_and_stops() -> None:
    rig = charging(tokens={GOOD: FLEET, OTHER: FLEET})
    rig.tap(OTHER)
    rig.evse_pauses()
    assert len(rig.sent("Authorize")) == 2
    assert rig.story()[-1] == "Ended StopAuthorized EVConnected Local"
    assert rig.events()[-1]["idToken"]["idToken"] == OTHER


def test_C09_FR_11_a_group_token_that_is_not_accepted_stops_nothing() -> None:
    rig = charging(tokens={GOOD: FLEET, OTHER: {**FLEET, "status": "Blocked"}})
    rig.tap(OTHER)
    assert rig.orders().permit
    assert rig.orders().indication is Indication.REFUSED


def test_a_group_can_be_learnt_from_the_answer_to_an_event() -> None:
    rig = Rig(CLASSIC)
    rig.csms.tokens[OTHER] = FLEET
    rig.csms.answers["TransactionEvent"] = {"idTokenInfo": FLEET}
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.tap(OTHER)
    assert not rig.orders().permit


def test_a_token_of_nobody_in_the_group_changes_nothing() -> None:
    rig = charging()
    rig.tap(OTHER)
    assert rig.orders().permit
    assert len(rig.events()) == 2


def test_C01_FR_23_nobody_else_may_go_on_with_a_transaction_whose_authorization_ended() -> None:
    rig = charging(tx_settings("EVConnected", "EVConnected"))
    rig.tap()
    rig.evse_pauses()
    rig.tap(OTHER)
    assert not rig.orders().permit
    rig.tap(GOOD)
    assert rig.orders().permit
    assert rig.story()[-1] == "Updated Authorized EVConnected"


def test_C16_FR_02_C16_FR_07_a_master_pass_stops_every_transaction() -> None:
    rig = Rig({**CLASSIC, "AuthCtrlr.MasterPassGroupId": "MASTER"}, facts=board(evses=2))
    rig.csms.tokens["04MASTER"] = {**FLEET, "groupIdToken": {"idToken": "MASTER", "type": "Central"}}
    for evse_id, uid in ((1, GOOD), (2, OTHER)):
        rig.plug_in(evse_id)
        rig.tap(uid, evse_id)
        rig.charge(evse_id)
    rig.tap("04MASTER", evse_id=1)
    assert not rig.orders(1).permit
    assert not rig.orders(2).permit
    rig.evse_pauses(1)
    rig.evse_pauses(2)
    assert rig.story()[-2:] == ["Ended StopAuthorized EVConnected MasterPass"] * 2


def test_C16_FR_03_a_master_pass_starts_nothing() -> None:
    rig = Rig({**CLASSIC, "AuthCtrlr.MasterPassGroupId": "FLEET"})
    rig.csms.tokens[GOOD] = FLEET
    rig.plug_in()
    rig.tap()
    assert rig.story() == []
    assert not rig.orders().permit


def test_a_token_that_comes_while_another_is_judged_is_ignored() -> None:
    rig = Rig(CLASSIC)
    rig.csms.answers["Authorize"] = None
    rig.plug_in()
    rig.tap()
    rig.tap(OTHER)
    assert len(rig.sent("Authorize")) == 1
    assert rig.orders().indication is Indication.PENDING


def test_a_vehicle_that_left_while_its_token_was_judged_gets_no_permit() -> None:
    rig = Rig(CLASSIC)
    rig.csms.answers["Authorize"] = None
    rig.plug_in()
    rig.tap()
    rig.unplug()
    rig.link_down()
    assert not rig.orders().permit
    assert rig.story() == []


def test_an_evse_with_a_fault_that_only_unplugging_clears_takes_no_token() -> None:
    rig = Rig(CLASSIC)
    rig.plug_in()
    rig.fault("diode")
    rig.tap()
    assert rig.sent("Authorize") == []
    assert not rig.orders().permit


def test_E01_FR_14_an_evse_has_one_transaction_at_a_time() -> None:
    rig = charging(tx_settings("EVConnected,Authorized,EnergyTransfer", "EVConnected"))
    rig.tap()
    rig.evse_pauses()
    rig.tap()
    rig.charge()
    assert [line.split()[0] for line in rig.story()].count("Started") == 1


def test_an_authorization_that_found_the_evse_out_of_service_does_not_start_by_itself_later() -> None:
    rig = Rig(CLASSIC)
    rig.status()
    rig.tap()
    rig.call("ChangeAvailability", operationalStatus="Inoperative")
    rig.plug_in()
    rig.call("ChangeAvailability", operationalStatus="Operative")
    rig.status()
    assert not rig.orders().permit
    assert rig.story() == []
    rig.tap()
    assert rig.story() == ["Started Authorized EVConnected"]


def test_a_token_accepted_after_the_evse_went_out_of_service_starts_nothing() -> None:
    rig = Rig({**CLASSIC, "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    rig.csms.answers["Authorize"] = None
    rig.plug_in()
    rig.tap()
    rig.call("ChangeAvailability", operationalStatus="Inoperative")
    rig.link_down()
    assert not rig.orders().permit
    assert rig.orders().indication is Indication.REFUSED


# ---- What the driver sees --------------------------------------------------------------------------------------------


def test_the_driver_sees_how_it_goes() -> None:
    rig = Rig(CLASSIC)
    seen: list[Indication] = []
    rig.status()
    seen.append(rig.orders().indication)
    rig.plug_in()
    seen.append(rig.orders().indication)
    rig.tap()
    seen.append(rig.orders().indication)
    rig.charge()
    rig.advance(4)
    seen.append(rig.orders().indication)
    rig.ev_pauses()
    seen.append(rig.orders().indication)
    rig.fault("over_temperature")
    seen.append(rig.orders().indication)
    assert seen == [
        Indication.AVAILABLE,
        Indication.CONNECTED,
        Indication.ACCEPTED,
        Indication.CHARGING,
        Indication.SUSPENDED,
        Indication.FAULTED,
    ]


def test_a_refusal_is_shown_for_a_while() -> None:
    rig = Rig(CLASSIC)
    rig.csms.tokens[GOOD] = {"status": "Blocked"}
    rig.plug_in()
    rig.tap()
    assert rig.orders().indication is Indication.REFUSED
    rig.advance(4)
    assert rig.orders().indication is Indication.CONNECTED


def test_no_token_is_ever_in_the_log_in_full() -> None:
    rig = Rig(CLASSIC)
    rig.csms.tokens[GOOD] = {"status": "Blocked"}
    rig.status()
    rig.tap()
    assert any("refused" in note for note in rig.notes())
    assert not any(GOOD in note for note in rig.notes())


# ---- The CSMS --------------------------------------------------------------------------------------------------------


def test_an_answer_about_another_token_ends_nothing() -> None:
    rig = charging(tokens={GOOD: FLEET})
    rig.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Accepted"}}
    rig.ev_pauses()
    assert rig.orders().permit


def test_C15_FR_04_an_answer_to_a_replayed_event_ends_the_running_transaction() -> None:
    rig = Rig({**CLASSIC, "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}, online=False)
    rig.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Unknown"}}
    rig.plug_in()
    rig.tap()
    rig.charge()
    rig.link_up()
    rig.evse_pauses()
    assert rig.story()[-1] == "Ended Deauthorized EVConnected DeAuthorized"
    assert rig.story().count("Ended Deauthorized EVConnected DeAuthorized") == 1


def test_E14_FR_02_E14_FR_04_a_running_transaction_with_messages_waiting() -> None:
    rig = charging()
    rig.csms.answers["TransactionEvent"] = None
    rig.ev_pauses()
    transaction_id = rig.events()[0]["transactionInfo"]["transactionId"]
    assert rig.call("GetTransactionStatus", transactionId=transaction_id) == {
        "ongoingIndicator": True,
        "messagesInQueue": True,
    }


def test_E14_FR_03_E14_FR_05_an_ended_transaction_with_nothing_waiting() -> None:
    rig = charging()
    rig.unplug()
    transaction_id = rig.events()[0]["transactionInfo"]["transactionId"]
    assert rig.call("GetTransactionStatus", transactionId=transaction_id) == {
        "ongoingIndicator": False,
        "messagesInQueue": False,
    }


def test_E14_FR_01_an_unknown_transaction() -> None:
    assert Rig().call("GetTransactionStatus", transactionId="never") == {
        "ongoingIndicator": False,
        "messagesInQueue": False,
    }


def test_E14_FR_06_E14_FR_07_E14_FR_08_without_an_id_only_the_queue_is_told() -> None:
    rig = charging()
    assert rig.call("GetTransactionStatus") == {"messagesInQueue": False}
    rig.csms.answers["TransactionEvent"] = None
    rig.ev_pauses()
    assert rig.call("GetTransactionStatus") == {"messagesInQueue": True}


def test_a_transaction_of_an_evse_that_is_gone_is_left_alone_and_noted() -> None:
    rig = Rig(tx_settings("EVConnected", "EVConnected"), facts=board(evses=2))
    rig.plug_in(2)
    again = Rig(store=rig.store, clock=rig.clock, online=False, first_id=1000)
    assert any("which is gone" in note for note in again.notes())


# ---- All points ------------------------------------------------------------------------------------------------------

SETS = [",".join(some) for count in range(1, len(TxPoint) + 1) for some in itertools.combinations(TxPoint, count)]


@pytest.mark.parametrize("stop", SETS)
@pytest.mark.parametrize("start", SETS)
@pytest.mark.parametrize("token_first", [True, False])
def test_with_any_points_a_charge_is_one_transaction_that_begins_and_ends(
    start: str, stop: str, token_first: bool
) -> None:
    rig = Rig(tx_settings(start, stop))
    rig.meter(1000.0)
    for step in (rig.tap, rig.plug_in) if token_first else (rig.plug_in, rig.tap):
        assert not rig.orders().permit
        step()
    assert rig.orders().permit
    rig.charge()
    rig.run(70, amps=16.0)
    rig.tap()
    assert not rig.orders().permit
    rig.evse_pauses()
    rig.unplug()
    assert [event["seqNo"] for event in rig.events()] == list(range(len(rig.events())))
    assert [line.split()[0] for line in rig.story()].count("Started") == 1
    assert rig.story()[-1].startswith("Ended")
    assert rig.story()[-1].endswith("Local")
    assert rig.station.transactions.running(1) is None


# ---- Before the CSMS has accepted the station ------------------------------------------------------------------------


def unaccepted(start: str, **settings: str) -> Rig:
    rig = Rig(
        {**tx_settings(start, "EVConnected"), "TxCtrlr.TxBeforeAcceptedEnabled": "false", **settings}, online=False
    )
    rig.meter(1000.0)
    return rig


def test_B02_FR_03_no_transaction_starts_before_the_csms_has_accepted_the_station() -> None:
    rig = unaccepted("EVConnected", **{"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    rig.plug_in()
    rig.tap()
    assert rig.station.transactions.running(1) is None
    assert not rig.orders().permit
    rig.link_up()
    assert rig.story() == ["Started CablePluggedIn EVConnected"]
    rig.link_down()
    rig.tap()
    assert rig.orders().permit


def test_where_nobody_needs_a_token_a_vehicle_begins_when_the_csms_has_accepted_the_station() -> None:
    rig = unaccepted("PowerPathClosed", **{"AuthCtrlr.Enabled": "false"})
    rig.plug_in()
    assert not rig.orders().permit
    rig.link_up()
    assert rig.orders().permit
    assert rig.story() == ["Started CablePluggedIn EVConnected"]


def test_a_station_that_need_not_wait_charges_before_it_was_ever_accepted() -> None:
    rig = Rig({**CLASSIC, "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}, online=False)
    rig.status()
    rig.plug_in()
    rig.tap()
    assert rig.orders().permit
