"""B11 and B12 on a whole station: who is reset, when, and what is left of it."""

from typing import Any

import pytest

from chargerd.ocpp.effects import Reboot
from chargerd.ocpp.resets import EVSE_RESET_S, RESTART_WITHIN_S
from tests.chargerd.ocpp.building import OTHER, Payload, Rig, board, tx_settings

CLASSIC = tx_settings("PowerPathClosed", "EVConnected,Authorized")
BY_PLUG = tx_settings("EVConnected", "EVConnected")


def ready(settings: dict[str, str] | None = None, evses: int = 2, **options: Any) -> Rig:
    rig = Rig({**CLASSIC, **(settings or {})}, facts=board(evses), **options)
    rig.status()
    return rig


def charging(rig: Rig, evse_id: int = 1) -> None:
    rig.plug_in(evse_id)
    rig.tap(evse_id=evse_id)
    rig.charge(evse_id)
    assert rig.orders(evse_id).permit


def reset(rig: Rig, kind: str, evse_id: int | None = None) -> Payload:
    return rig.call("Reset", type=kind, **({} if evse_id is None else {"evseId": evse_id}))


def reboots(rig: Rig) -> int:
    return sum(isinstance(effect, Reboot) for effect in rig.effects)


def states(rig: Rig) -> dict[int, str]:
    """What the CSMS last heard of each connector."""
    return {one["evseId"]: one["connectorStatus"] for one in rig.sent("StatusNotification")}


def again(rig: Rig, boot_reason: str = "ApplicationReset", *, online: bool = True) -> Rig:
    """The station process after a restart; the charging side has lived on."""
    restarted = Rig(CLASSIC, store=rig.store, facts=rig.board, clock=rig.clock, boot_reason=boot_reason, online=False)
    restarted.evses = rig.evses
    restarted.status()
    if online:
        restarted.link_up()
    return restarted


def told_reason(rig: Rig) -> str:
    reason: str = rig.sent("BootNotification")[0]["reason"]
    return reason


# ------------------------------------------------------------------ the station, with nobody there


@pytest.mark.parametrize("kind", ["Immediate", "OnIdle"])
def test_B11_FR_01_B11_FR_03_B11_FR_04_an_idle_station_restarts_at_once_and_boots(kind: str) -> None:
    rig = ready()
    before = len(rig.sent("StatusNotification"))
    assert reset(rig, kind) == {"status": "Accepted"}
    assert reboots(rig) == 1
    kinds = [type(effect).__name__ for effect in rig.effects]
    assert kinds.index("Reboot") > max(index for index, name in enumerate(kinds) if name == "SendText")
    assert len(rig.sent("StatusNotification")) == before
    restarted = again(rig)
    assert told_reason(restarted) == "RemoteReset"
    assert states(restarted) == {1: "Available", 2: "Available"}
    assert reboots(restarted) == 0


def test_B11_FR_06_an_evse_cannot_be_reset_while_the_charging_side_is_silent() -> None:
    rig = ready()
    rig.status_lost()
    assert reset(rig, "Immediate", 1)["status"] == "Rejected"
    assert reset(rig, "Immediate")["status"] == "Accepted"


def test_an_evse_that_is_not_there_is_not_reset() -> None:
    rig = ready()
    answer = reset(rig, "Immediate", 3)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "UnknownEvse")


def test_what_was_put_out_of_service_still_is_after_a_reset() -> None:
    rig = ready()
    rig.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 2})
    reset(rig, "OnIdle")
    assert states(again(rig)) == {1: "Available", 2: "Unavailable"}


# ------------------------------------------------------------------ the station, with a transaction


def test_B12_FR_01_B12_FR_03_on_idle_waits_for_the_normal_end_and_says_scheduled() -> None:
    rig = ready()
    charging(rig)
    assert reset(rig, "OnIdle") == {"status": "Scheduled"}
    assert states(rig) == {1: "Occupied", 2: "Unavailable"}
    assert rig.orders(1).permit
    assert not rig.orders(2).available
    rig.advance(120.0)
    assert reboots(rig) == 0
    rig.tap()
    rig.evse_pauses()
    assert rig.story()[-1] == "Ended StopAuthorized EVConnected Local"
    rig.advance(1.0)
    assert reboots(rig) == 1
    restarted = again(rig)
    assert told_reason(restarted) == "ScheduledReset"
    assert states(restarted) == {1: "Occupied", 2: "Available"}


def test_on_idle_waits_for_all_transactions_and_for_whoever_is_on_his_way() -> None:
    rig = ready()
    charging(rig, 1)
    rig.tap(OTHER, evse_id=2)
    assert reset(rig, "OnIdle") == {"status": "Scheduled"}
    rig.unplug(1)
    rig.advance(1.0)
    assert reboots(rig) == 0
    assert rig.orders(2).available
    rig.advance(60.0)
    assert reboots(rig) == 1


def test_nobody_begins_while_a_reset_waits() -> None:
    rig = ready()
    charging(rig, 1)
    reset(rig, "OnIdle")
    rig.plug_in(2)
    rig.tap(OTHER, evse_id=2)
    assert not rig.orders(2).permit
    assert (
        rig.call("RequestStartTransaction", idToken={"idToken": OTHER, "type": "ISO14443"}, remoteStartId=1, evseId=2)[
            "status"
        ]
        == "Rejected"
    )
    assert {event["transactionInfo"]["transactionId"] for event in rig.events()} == {
        rig.events()[0]["transactionInfo"]["transactionId"]
    }


def test_B12_FR_02_B12_FR_04_at_once_ends_the_transactions_first() -> None:
    rig = ready()
    charging(rig, 1)
    charging(rig, 2)
    assert reset(rig, "Immediate") == {"status": "Accepted"}
    assert not rig.orders(1).permit
    assert not rig.orders(2).permit
    assert reboots(rig) == 0
    rig.evse_pauses(1)
    rig.evse_pauses(2)
    ends = [event for event in rig.events() if event["eventType"] == "Ended"]
    assert [one for one in rig.story() if one.startswith("Ended")] == [
        "Ended ResetCommand EVConnected ImmediateReset"
    ] * 2
    assert all("idToken" not in end for end in ends)
    rig.advance(1.0)
    assert reboots(rig) == 1
    restarted = again(rig)
    assert told_reason(restarted) == "RemoteReset"
    assert states(restarted) == {1: "Occupied", 2: "Occupied"}
    assert restarted.events() == []


def test_at_once_ends_a_transaction_that_goes_on_without_authorization_as_well() -> None:
    rig = ready(BY_PLUG)
    charging(rig)
    rig.tap()
    rig.evse_pauses()
    assert rig.story()[-1].startswith("Updated")
    reset(rig, "Immediate")
    assert rig.story()[-1] == "Ended ResetCommand EVConnected ImmediateReset"


def test_a_vehicle_that_goes_on_drawing_does_not_hold_the_reset_up_for_ever() -> None:
    rig = ready()
    charging(rig)
    reset(rig, "Immediate")
    rig.advance(15.0)
    assert reboots(rig) == 1


def test_B12_FR_05_an_end_that_is_not_answered_is_sent_again_after_the_restart() -> None:
    rig = ready()
    charging(rig)
    rig.csms.answers["TransactionEvent"] = None
    reset(rig, "Immediate")
    rig.evse_pauses()
    rig.advance(20.0)
    assert reboots(rig) == 0
    rig.advance(40.0)
    assert reboots(rig) == 1
    assert again(rig).story() == ["Ended ResetCommand EVConnected ImmediateReset"]


def test_without_a_csms_a_reset_waits_for_no_answer() -> None:
    rig = ready()
    charging(rig)
    assert reset(rig, "OnIdle")["status"] == "Scheduled"
    rig.link_down()
    rig.unplug()
    assert reboots(rig) == 1
    assert told_reason(again(rig)) == "ScheduledReset"


def test_at_once_overtakes_on_idle_and_is_not_taken_back_by_it() -> None:
    rig = ready()
    charging(rig)
    assert reset(rig, "OnIdle")["status"] == "Scheduled"
    assert reset(rig, "Immediate")["status"] == "Accepted"
    assert reset(rig, "OnIdle")["status"] == "Accepted"
    rig.evse_pauses()
    rig.advance(1.0)
    assert reboots(rig) == 1
    assert told_reason(again(rig)) == "RemoteReset"


def test_a_reset_that_waits_outlives_a_crash_of_the_station_and_not_a_power_cut() -> None:
    rig = ready()
    charging(rig)
    reset(rig, "OnIdle")
    crashed = again(rig)
    assert crashed.orders(1).permit
    assert states(crashed) == {1: "Occupied", 2: "Unavailable"}
    assert again(crashed, "PowerUp").orders(2).available
    rig = ready()
    charging(rig)
    reset(rig, "OnIdle")
    crashed = again(rig)
    crashed.unplug()
    crashed.advance(1.0)
    assert reboots(crashed) == 1


def test_a_station_that_does_not_restart_is_told_again_ResetRetries_times_and_then_goes_on() -> None:
    rig = ready({"OCPPCommCtrlr.ResetRetries": "2"})
    reset(rig, "Immediate")
    rig.advance(RESTART_WITHIN_S * 2 + 1.0)
    assert reboots(rig) == 3
    rig.advance(RESTART_WITHIN_S * 3)
    assert reboots(rig) == 3
    assert any("did not restart in 3 attempts" in note for note in rig.notes())
    charging(rig)
    assert told_reason(again(rig)) == "ApplicationReset"


# ------------------------------------------------------------------ one EVSE


@pytest.mark.parametrize("kind", ["Immediate", "OnIdle"])
def test_B11_FR_08_one_evse_is_out_of_service_for_a_moment_and_the_station_does_not_restart(kind: str) -> None:
    rig = ready()
    assert reset(rig, kind, 2) == {"status": "Accepted"}
    assert states(rig) == {1: "Available", 2: "Unavailable"}
    assert not rig.orders(2).available
    assert rig.orders(1).available
    rig.advance(EVSE_RESET_S)
    assert states(rig) == {1: "Available", 2: "Available"}
    assert rig.orders(2).available
    assert reboots(rig) == 0
    assert len(rig.sent("BootNotification")) == 1


def test_B11_FR_10_the_device_model_says_that_an_evse_can_be_reset() -> None:
    name = {"component": {"name": "EVSE", "evse": {"id": 2}}, "variable": {"name": "AllowReset"}}
    (result,) = ready().call("GetVariables", getVariableData=[name])["getVariableResult"]
    assert result["attributeValue"] == "true"


def test_B12_FR_07_one_evse_waits_for_its_own_transaction_only() -> None:
    rig = ready()
    charging(rig, 1)
    charging(rig, 2)
    assert reset(rig, "OnIdle", 1) == {"status": "Scheduled"}
    rig.advance(60.0)
    assert states(rig) == {1: "Occupied", 2: "Occupied"}
    rig.tap(evse_id=1)
    rig.evse_pauses(1)
    assert states(rig) == {1: "Unavailable", 2: "Occupied"}
    rig.advance(EVSE_RESET_S)
    assert states(rig) == {1: "Occupied", 2: "Occupied"}
    assert rig.orders(2).permit
    assert reboots(rig) == 0


def test_B12_FR_08_one_evse_at_once_ends_its_own_transaction_first() -> None:
    rig = ready()
    charging(rig, 1)
    charging(rig, 2)
    assert reset(rig, "Immediate", 1) == {"status": "Accepted"}
    rig.evse_pauses(1)
    assert rig.story()[-1] == "Ended ResetCommand EVConnected ImmediateReset"
    assert states(rig) == {1: "Unavailable", 2: "Occupied"}
    rig.advance(EVSE_RESET_S)
    assert states(rig) == {1: "Occupied", 2: "Occupied"}
    assert rig.orders(2).permit
    rig.tap(evse_id=1)
    assert rig.orders(1).permit


def test_whoever_waits_at_an_evse_that_is_reset_is_forgotten() -> None:
    rig = ready()
    rig.tap(evse_id=1)
    reset(rig, "Immediate", 1)
    rig.advance(EVSE_RESET_S)
    rig.plug_in(1)
    assert not rig.orders(1).permit


def test_a_token_that_is_being_judged_meanwhile_begins_nothing() -> None:
    rig = ready({"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"})
    rig.csms.answers["Authorize"] = None
    rig.plug_in(1)
    rig.tap(evse_id=1)
    reset(rig, "Immediate", 1)
    rig.advance(EVSE_RESET_S - 1.0)
    assert not rig.orders(1).available
    rig.link_down()
    assert not rig.orders(1).permit


def test_a_transaction_that_began_with_the_plug_ends_and_does_not_begin_again() -> None:
    rig = ready(BY_PLUG)
    rig.plug_in(1)
    assert rig.story() == ["Started CablePluggedIn EVConnected"]
    reset(rig, "Immediate", 1)
    assert rig.story()[-1] == "Ended ResetCommand EVConnected ImmediateReset"
    rig.advance(EVSE_RESET_S)
    assert len(rig.events()) == 2
