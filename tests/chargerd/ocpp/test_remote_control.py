import json
from typing import Any

import pytest

from tests.chargerd.ocpp.building import GOOD, OTHER, Payload, Rig, board, tx_settings

CLASSIC = tx_settings("PowerPathClosed", "EVConnected,Authorized")
UNASKED = {"AuthCtrlr.AuthorizeRemoteStart": "false"}
CARD = {"idToken": GOOD, "type": "ISO14443"}


def rig_with(settings: dict[str, str] | None = None, *, evses: int = 1, **facts: Any) -> Rig:
    rig = Rig({**CLASSIC, **(settings or {})}, facts=board(evses, **facts))
    rig.meter(1000.0)
    return rig


def start(rig: Rig, *, token: Payload = CARD, number: int = 7, evse_id: int | None = 1, **more: Any) -> Payload:
    chosen = {} if evse_id is None else {"evseId": evse_id}
    return rig.call("RequestStartTransaction", idToken=token, remoteStartId=number, **chosen, **more)


def profile(purpose: str = "TxProfile", limit: float = 10.0, **more: Any) -> Payload:
    schedule = {
        "id": 1,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    return {
        "id": 5,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
        **more,
    }


# ---- F01, F02 --------------------------------------------------------------------------------------------------------


def test_F01_FR_01_F01_FR_19_cable_first_the_token_is_checked_and_the_next_event_says_remote_start() -> None:
    rig = rig_with(tx_settings("EVConnected", "EVConnected"))
    rig.plug_in()
    answer = start(rig)
    assert answer["status"] == "Accepted"
    assert answer["transactionId"] == rig.events()[0]["transactionInfo"]["transactionId"]  # F01.FR.13
    assert rig.sent("Authorize") == [{"idToken": CARD}]
    assert rig.story()[-1] == "Updated RemoteStart EVConnected"
    assert rig.events()[-1]["transactionInfo"]["remoteStartId"] == 7
    assert rig.events()[-1]["idToken"] == CARD
    assert rig.orders().permit
    rig.charge()
    assert "remoteStartId" not in rig.events()[-1]["transactionInfo"]


def test_F01_FR_13_a_transaction_that_waits_for_its_token_is_named_in_the_answer() -> None:
    rig = rig_with(tx_settings("EVConnected", "EVConnected"))
    rig.plug_in()
    running = rig.station.transactions.running(1)
    assert running is not None
    assert start(rig)["transactionId"] == running.transaction_id


def test_F01_FR_02_F02_FR_10_without_checking_it_goes_ahead() -> None:
    rig = rig_with(UNASKED)
    rig.plug_in()
    assert start(rig)["status"] == "Accepted"
    assert rig.sent("Authorize") == []
    assert rig.story() == ["Started RemoteStart EVConnected"]


def test_F02_FR_01_F02_FR_21_remote_start_first_the_event_of_the_cable_says_remote_start() -> None:
    rig = rig_with()
    assert "transactionId" not in start(rig)
    assert rig.story() == []
    rig.plug_in()
    assert rig.story() == ["Started RemoteStart EVConnected"]
    assert rig.events()[0]["transactionInfo"]["remoteStartId"] == 7


def test_F02_FR_07_without_a_cable_in_time_it_ends() -> None:
    rig = rig_with(tx_settings("Authorized", "EVConnected"))
    start(rig)
    rig.advance(61)
    assert rig.story() == ["Started RemoteStart Idle", "Ended EVConnectTimeout Idle Timeout"]


def test_F02_FR_09_a_refused_token_starts_nothing() -> None:
    rig = rig_with()
    rig.csms.tokens[GOOD] = {"status": "Blocked"}
    rig.plug_in()
    assert start(rig)["status"] == "Accepted"
    assert rig.story() == []
    assert not rig.orders().permit


def test_C05_FR_01_a_central_token_is_not_asked_about() -> None:
    rig = rig_with()
    rig.plug_in()
    start(rig, token={"idToken": "SESSION-1", "type": "Central"})
    assert rig.sent("Authorize") == []
    assert rig.story() == ["Started RemoteStart EVConnected"]


def test_the_answer_leaves_before_what_it_causes() -> None:
    rig = rig_with(UNASKED)
    rig.plug_in()
    before = len(rig.frames)
    start(rig)
    kinds = [json.loads(text)[0] for text in rig.frames[before:]]
    assert kinds[0] == 3
    assert 2 in kinds


def test_the_group_of_a_remote_start_can_stop_it() -> None:
    rig = rig_with(UNASKED)
    rig.csms.tokens[OTHER] = {"status": "Accepted", "groupIdToken": {"idToken": "FLEET", "type": "Central"}}
    rig.plug_in()
    start(rig, groupIdToken={"idToken": "FLEET", "type": "Central"})
    rig.charge()
    rig.tap(OTHER)
    assert not rig.orders().permit


def test_F01_FR_20_without_an_evse_the_one_where_a_vehicle_waits_is_chosen() -> None:
    rig = rig_with(evses=2)
    rig.plug_in(2)
    assert start(rig, evse_id=None)["status"] == "Accepted"
    assert rig.orders(2).permit


def test_F02_FR_22_without_an_evse_and_vehicle_a_free_one_is_chosen() -> None:
    rig = rig_with(evses=2)
    start(rig, evse_id=1)
    assert start(rig, evse_id=None, number=8)["status"] == "Accepted"
    rig.plug_in(2)
    assert rig.events()[0]["transactionInfo"]["remoteStartId"] == 8
    assert start(rig, evse_id=None)["status"] == "Rejected"


@pytest.mark.parametrize("evse_id", [0, 2, -1])
def test_an_evse_that_does_not_exist_is_rejected(evse_id: int) -> None:
    answer = start(rig_with(), evse_id=evse_id)
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "UnknownEvse"


def test_F01_FR_24_F02_FR_26_an_evse_with_somebody_authorized_is_rejected() -> None:
    rig = rig_with()
    rig.tap()
    assert start(rig)["status"] == "Rejected"
    rig.plug_in()
    rig.charge()
    assert start(rig)["statusInfo"]["reasonCode"] == "TxInProgress"


def test_F01_FR_23_F02_FR_25_an_evse_out_of_service_or_faulted_is_rejected() -> None:
    rig = rig_with()
    rig.fault("over_temperature")
    assert start(rig)["status"] == "Rejected"
    rig.fault()
    assert rig.call("ChangeAvailability", operationalStatus="Inoperative")["status"] == "Accepted"
    assert start(rig)["status"] == "Rejected"


def test_a_transaction_whose_authorization_ended_is_not_for_anybody_else() -> None:
    rig = charging(tx_settings("EVConnected", "EVConnected"))
    stop(rig)
    rig.evse_pauses()
    assert start(rig, token={**CARD, "idToken": OTHER})["status"] == "Rejected"
    assert start(rig)["status"] == "Accepted"
    assert rig.orders().permit


def test_a_silent_charging_side_is_rejected() -> None:
    rig = rig_with()
    rig.status_lost()
    assert start(rig)["status"] == "Rejected"


def pending(rig: Rig) -> Rig:
    rig.csms.answers["BootNotification"] = {
        "currentTime": "2026-01-01T00:00:00Z",
        "interval": 300,
        "status": "Pending",
    }
    rig.status()
    rig.link_up()
    return rig


def test_B02_FR_05_before_the_csms_accepts_us_remote_control_is_rejected() -> None:
    rig = pending(Rig(CLASSIC, online=False))
    assert start(rig)["statusInfo"]["reasonCode"] == "CSNotAccepted"
    assert rig.call("RequestStopTransaction", transactionId="any")["statusInfo"]["reasonCode"] == "CSNotAccepted"


def test_F01_FR_10_F02_FR_18_a_profile_belongs_to_the_transaction_of_its_remote_start() -> None:
    rig = rig_with(UNASKED)
    rig.plug_in()
    assert start(rig, chargingProfile=profile(limit=10.0))["status"] == "Accepted"
    assert [limit.amps for limit in rig.orders().limits] == [10.0]
    rig.unplug()
    assert rig.orders().limits == ()


def test_a_profile_waits_for_the_cable() -> None:
    rig = rig_with(UNASKED)
    start(rig, chargingProfile=profile(limit=10.0))
    assert rig.orders().limits == ()
    rig.plug_in()
    assert [limit.amps for limit in rig.orders().limits] == [10.0]


def test_a_profile_whose_remote_start_came_to_nothing_is_not_given_to_another_transaction() -> None:
    rig = rig_with()
    rig.csms.tokens[GOOD] = {"status": "Blocked"}
    rig.plug_in()
    start(rig, chargingProfile=profile(limit=10.0))
    rig.tap(OTHER)
    assert rig.orders().permit
    assert rig.orders().limits == ()


@pytest.mark.parametrize(
    "bad", [profile("TxDefaultProfile"), profile(transactionId="tx-1"), profile(chargingProfileKind="Absolute")]
)
def test_F01_FR_26_F02_FR_27_an_invalid_profile_is_rejected(bad: Payload) -> None:
    rig = rig_with()
    rig.plug_in()
    assert start(rig, chargingProfile=bad)["status"] == "Rejected"
    assert rig.sent("Authorize") == []


# ---- F03 -------------------------------------------------------------------------------------------------------------


def charging(settings: dict[str, str] | None = None, **facts: Any) -> Rig:
    rig = rig_with(settings, **facts)
    rig.plug_in()
    rig.tap()
    rig.charge()
    return rig


def stop(rig: Rig) -> Payload:
    return rig.call("RequestStopTransaction", transactionId=rig.events()[0]["transactionInfo"]["transactionId"])


def test_F03_FR_03_F03_FR_07_a_remote_stop_ends_it_when_energy_is_off() -> None:
    rig = charging()
    assert stop(rig)["status"] == "Accepted"
    assert not rig.orders().permit
    assert stop(rig)["status"] == "Accepted"
    rig.evse_pauses()
    assert rig.story()[-1] == "Ended RemoteStop EVConnected Remote"


def test_F03_FR_02_a_remote_stop_without_stop_point_ends_energy_first_and_keeps_its_reason() -> None:
    rig = charging(tx_settings("EVConnected", "EVConnected"))
    stop(rig)
    rig.evse_pauses()
    rig.unplug()
    assert rig.story()[-3:] == [
        "Updated RemoteStop Charging",
        "Updated ChargingStateChanged EVConnected",
        "Ended EVCommunicationLost Idle Remote",
    ]


def test_F03_FR_08_an_unknown_transaction_is_rejected() -> None:
    rig = charging()
    assert rig.call("RequestStopTransaction", transactionId="other")["status"] == "Rejected"
    assert rig.orders().permit


# ---- F05 -------------------------------------------------------------------------------------------------------------


def unlock(rig: Rig, evse_id: int = 1, connector_id: int = 1) -> Payload:
    return rig.call("UnlockConnector", evseId=evse_id, connectorId=connector_id)


def test_F05_FR_02_an_authorized_transaction_keeps_its_cable() -> None:
    rig = charging()
    assert unlock(rig)["status"] == "OngoingAuthorizedTransaction"
    assert rig.orders().unlock_seq == 0
    assert rig.orders().permit


@pytest.mark.parametrize("evse_id, connector_id", [(2, 1), (1, 2), (0, 0)])
def test_F05_FR_03_a_connector_that_does_not_exist(evse_id: int, connector_id: int) -> None:
    assert unlock(rig_with(), evse_id, connector_id)["status"] == "UnknownConnector"


def test_F05_FR_04_the_answer_says_what_the_lock_did() -> None:
    rig = rig_with()
    answer = rig.ask("UnlockConnector", evseId=1, connectorId=1)
    assert answer() is None
    rig.status(unlock_seq=rig.orders().unlock_seq, unlocked=True)
    assert answer() == {"status": "Unlocked"}


# ---- F06 -------------------------------------------------------------------------------------------------------------


def trigger(rig: Rig, message: str, **evse: int) -> str:
    where = {"evse": evse} if evse else {}
    status: str = rig.call("TriggerMessage", requestedMessage=message, **where)["status"]
    return status


def test_F06_FR_04_F06_FR_07_F06_FR_10_the_answer_comes_before_the_transaction_event() -> None:
    rig = charging()
    before = len(rig.frames)
    assert trigger(rig, "TransactionEvent") == "Accepted"
    assert [json.loads(text)[0] for text in rig.frames[before:]] == [3, 2]
    event = rig.events()[-1]
    assert rig.story()[-1] == "Updated Trigger Charging"
    assert {sampled["context"] for sampled in event["meterValue"][0]["sampledValue"]} == {"Trigger"}


def test_F06_FR_11_without_an_evse_all_transactions_are_meant() -> None:
    rig = rig_with(evses=2)
    for evse_id, uid in ((1, GOOD), (2, OTHER)):
        rig.plug_in(evse_id)
        rig.tap(uid, evse_id)
    trigger(rig, "TransactionEvent")
    assert [line for line in rig.story() if "Trigger" in line] == ["Updated Trigger EVConnected"] * 2
    trigger(rig, "TransactionEvent", id=2)
    assert len([line for line in rig.story() if "Trigger" in line]) == 3


def test_without_a_transaction_its_event_cannot_be_triggered() -> None:
    assert trigger(rig_with(), "TransactionEvent") == "Rejected"


def test_F06_FR_08_messages_the_station_never_sends_are_not_implemented() -> None:
    assert trigger(rig_with(), "PublishFirmwareStatusNotification") == "NotImplemented"


def test_F06_FR_17_boot_notification_is_not_sent_again_when_accepted() -> None:
    rig = rig_with()
    assert trigger(rig, "BootNotification") == "Rejected"
    assert len(rig.sent("BootNotification")) == 1


def test_F06_FR_05_boot_notification_can_be_triggered_while_pending() -> None:
    rig = pending(Rig(CLASSIC, online=False))
    assert trigger(rig, "BootNotification") == "Accepted"
    assert [boot["reason"] for boot in rig.sent("BootNotification")] == ["PowerUp", "Triggered"]


@pytest.mark.parametrize("message", ["Heartbeat", "MeterValues"])
def test_F06_FR_06_messages_of_other_blocks_are_sent(message: str) -> None:
    rig = rig_with()
    assert trigger(rig, message) == "Accepted"
    assert len(rig.sent(message)) == 1


def test_an_evse_or_connector_that_does_not_exist_cannot_be_meant() -> None:
    assert trigger(rig_with(), "MeterValues", id=9) == "Rejected"
    assert trigger(rig_with(), "StatusNotification", id=1, connectorId=2) == "Rejected"


def test_F06_FR_03_an_evse_that_means_nothing_to_the_message_is_ignored() -> None:
    rig = rig_with()
    assert trigger(rig, "Heartbeat", id=9) == "Accepted"
    assert len(rig.sent("Heartbeat")) == 1


def test_the_status_of_a_connector_can_be_triggered() -> None:
    rig = rig_with(evses=2)
    before = len(rig.sent("StatusNotification"))
    assert trigger(rig, "StatusNotification", id=2, connectorId=1) == "Accepted"
    (told,) = rig.sent("StatusNotification")[before:]
    assert (told["evseId"], told["connectorId"], told["connectorStatus"]) == (2, 1, "Available")
