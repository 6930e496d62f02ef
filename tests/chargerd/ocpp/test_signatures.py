"""What a meter signs, on a whole station: from the wish for a session to the signed value in the Ended event."""

import base64
from typing import Any

import pytest

from chargerd.evse.types import MeterSession
from chargerd.ocpp.signatures import NAMESPACE, SIGNED_WITHIN_S
from hal.types import SigningPhase
from tests.chargerd.ocpp.building import GOOD, Payload, Rig, board, tx_settings

WHOLE = tx_settings("EVConnected", "EVConnected,Authorized")
DOCUMENT, BEGIN_DOCUMENT, KEY = b"OCMF|end|sig", b"OCMF|begin|sig", b"der"
ENERGY = "Energy.Active.Import.Register"


def rig_with(settings: dict[str, str] | None = None, **options: Any) -> Rig:
    rig = Rig({**WHOLE, **(settings or {})}, facts=board(signs=True), **options)
    rig.meter(1000.0)
    return rig


def session(rig: Rig, phase: SigningPhase, **more: Any) -> None:
    """The meter is so far with the session that is wanted, or was last."""
    last = rig.evses[0].session
    wanted = rig.orders().sign_for or (None if last is None else last.sign_for)
    rig.status(session=MeterSession(sign_for=wanted, phase=phase, public_key=KEY, **more))


def charged(settings: dict[str, str] | None = None, **options: Any) -> Rig:
    """Charging, then stopped by the card; the contactor is open and the meter at work."""
    rig = rig_with(settings, **options)
    rig.plug_in()
    rig.tap()
    session(rig, SigningPhase.ACTIVE)
    rig.charge()
    rig.run(3, amps=16.0)
    rig.tap()
    rig.evse_pauses()
    return rig


def ended(rig: Rig) -> Payload | None:
    last = rig.events()[-1]
    return last if last["eventType"] == "Ended" else None


def signed_values(event: Payload | None) -> dict[str, Payload]:
    """Context -> what is signed, of all values that are."""
    assert event is not None
    return {
        one["context"]: one["signedMeterValue"]
        for value in event["meterValue"]
        for one in value["sampledValue"]
        if "signedMeterValue" in one
    }


def test_a_session_is_wanted_as_soon_as_somebody_is_authorized_and_no_longer_than_that() -> None:
    rig = rig_with()
    rig.plug_in()
    assert rig.orders().sign_for is None
    rig.tap()
    wanted = rig.orders().sign_for
    assert wanted is not None
    assert (wanted.key, wanted.text) == (rig.events()[0]["transactionInfo"]["transactionId"], GOOD)
    session(rig, SigningPhase.ACTIVE)
    rig.charge()
    assert rig.orders().sign_for == wanted
    rig.tap()
    rig.evse_pauses()
    assert rig.orders().sign_for is None


def test_J02_FR_21_the_end_waits_for_the_document_and_carries_it() -> None:
    rig = charged()
    assert ended(rig) is None
    transaction_id = rig.events()[0]["transactionInfo"]["transactionId"]
    assert rig.call("GetTransactionStatus", transactionId=transaction_id)["messagesInQueue"] is True
    rig.advance(5.0)
    session(rig, SigningPhase.IDLE, end=DOCUMENT)
    (told,) = signed_values(ended(rig)).values()
    assert base64.b64decode(told["signedMeterData"]) == DOCUMENT
    assert (told["encodingMethod"], told["signingMethod"]) == ("OCMF", "")
    assert base64.b64decode(told["publicKey"]) == KEY
    assert rig.call("GetTransactionStatus", transactionId=transaction_id)["messagesInQueue"] is False
    assert rig.story().count("Ended StopAuthorized EVConnected Local") == 1


@pytest.mark.parametrize(
    "how_often, keys", [("Never", ["", ""]), ("OncePerTransaction", [KEY, ""]), ("EveryMeterValue", [KEY, KEY])]
)
def test_a_meter_with_two_documents_signs_begin_and_end_and_the_key_comes_as_often_as_wanted(
    how_often: str, keys: list[bytes | str]
) -> None:
    rig = charged({"OCPPCommCtrlr.PublicKeyWithSignedMeterValue": how_often})
    session(rig, SigningPhase.IDLE, begin=BEGIN_DOCUMENT, end=DOCUMENT)
    told = signed_values(ended(rig))
    assert list(told) == ["Transaction.Begin", "Transaction.End"]
    assert [base64.b64decode(one["signedMeterData"]) for one in told.values()] == [BEGIN_DOCUMENT, DOCUMENT]
    assert [base64.b64decode(one["publicKey"]) or "" for one in told.values()] == keys


def test_only_the_register_is_signed() -> None:
    rig = charged({"SampledDataCtrlr.TxEndedMeasurands": f"{ENERGY},Voltage"})
    session(rig, SigningPhase.IDLE, end=DOCUMENT)
    last = ended(rig)
    assert last is not None
    samples = last["meterValue"][-1]["sampledValue"]
    assert [one.get("measurand", ENERGY) for one in samples if "signedMeterValue" in one] == [ENERGY]
    assert len(samples) == 4


@pytest.mark.parametrize(
    "phase, more, why",
    [
        (SigningPhase.FAILED, {"why": "no signature within 30 s"}, "no signature within 30 s"),
        (SigningPhase.IDLE, {}, "the meter made no document"),
        (SigningPhase.IDLE, {"end": b"x" * 3000}, "the meter made no document"),
    ],
)
def test_without_a_document_that_can_be_carried_the_end_goes_unsigned_and_says_so_in_the_log(
    phase: SigningPhase, more: dict[str, Any], why: str
) -> None:
    rig = charged()
    session(rig, phase, **more)
    assert signed_values(ended(rig)) == {}
    assert any(note.endswith(f"ends without a signed value ({why})") for note in rig.notes())


def test_an_end_waits_so_long_and_no_longer() -> None:
    rig = charged()
    rig.advance(SIGNED_WITHIN_S - 1.0)
    assert ended(rig) is None
    rig.advance(1.1)
    assert signed_values(ended(rig)) == {}
    session(rig, SigningPhase.IDLE, end=DOCUMENT)
    assert rig.story().count("Ended StopAuthorized EVConnected Local") == 1


def test_the_next_vehicle_does_not_wait_for_the_document_of_the_last_one() -> None:
    rig = charged()
    first = rig.events()[0]["transactionInfo"]["transactionId"]
    rig.unplug()
    rig.plug_in()
    rig.tap()
    wanted = rig.orders().sign_for
    assert wanted is not None
    assert wanted.key != first
    session_of_first = rig.evses[0].session
    assert session_of_first is not None
    rig.status(session=MeterSession(sign_for=session_of_first.sign_for, phase=SigningPhase.IDLE, end=DOCUMENT))
    (last,) = [event for event in rig.events() if event["eventType"] == "Ended"]
    assert last["transactionInfo"]["transactionId"] == first
    assert signed_values(last)


def test_an_end_that_waits_survives_a_restart_of_the_station() -> None:
    rig = charged()
    again = Rig(WHOLE, facts=rig.board, store=rig.store, clock=rig.clock, first_id=1000)
    assert again.events() == []
    again.evses[0] = rig.evses[0]
    again.status()
    session(again, SigningPhase.IDLE, end=DOCUMENT)
    assert signed_values(ended(again))
    assert rig.store.items(NAMESPACE, dict) == []


def test_a_session_goes_on_over_a_restart_of_the_station_while_the_meter_has_it_open() -> None:
    rig = rig_with()
    rig.plug_in()
    rig.tap()
    session(rig, SigningPhase.ACTIVE)
    rig.charge()
    wanted = rig.orders().sign_for
    again = Rig(WHOLE, facts=rig.board, store=rig.store, clock=rig.clock, first_id=1000)
    again.evses[0] = rig.evses[0]
    again.status()
    assert again.orders().sign_for == wanted
    again.meter(1100.0)
    again.tap()
    again.evse_pauses()
    assert again.events() == [] or ended(again) is None
    session(again, SigningPhase.IDLE, end=DOCUMENT)
    assert signed_values(ended(again))


def test_a_session_that_the_control_process_lost_signs_nothing() -> None:
    rig = rig_with()
    rig.plug_in()
    rig.tap()
    session(rig, SigningPhase.ACTIVE)
    rig.charge()
    rig.control_restarts("run-2")
    rig.plug_in()
    rig.meter(1100.0)
    rig.tap()
    rig.evse_pauses()
    rig.advance(15.0)
    assert signed_values(ended(rig)) == {}


@pytest.mark.parametrize("settings", [{"SampledDataCtrlr.SignReadings": "false"}, None])
def test_without_the_wish_or_such_a_meter_nothing_waits_and_nothing_is_signed(settings: dict[str, str] | None) -> None:
    rig = rig_with(settings) if settings else Rig(WHOLE)
    rig.meter(1000.0)
    rig.plug_in()
    rig.tap()
    assert rig.orders().sign_for is None
    rig.charge()
    rig.run(2, amps=16.0)
    rig.tap()
    rig.evse_pauses()
    assert signed_values(ended(rig)) == {}


def test_energy_that_flows_already_cannot_be_signed_any_more() -> None:
    rig = rig_with(tx_settings("EnergyTransfer", "EnergyTransfer,Authorized"))
    rig.plug_in()
    rig.tap()
    rig.charge()
    assert rig.events()
    assert rig.orders().sign_for is None


def test_the_variables_are_there_only_where_a_meter_signs() -> None:
    def status(rig: Rig) -> str:
        name = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "SignReadings"}}
        answer: str = rig.call("GetVariables", getVariableData=[name])["getVariableResult"][0]["attributeStatus"]
        return answer

    assert status(rig_with()) == "Accepted"
    assert status(Rig()) == "UnknownVariable"


def test_a_token_is_told_as_the_meter_can_sign_it() -> None:
    rig = rig_with()
    rig.plug_in()
    rig.call("RequestStartTransaction", idToken={"idToken": 'a|b"c', "type": "Central"}, remoteStartId=1, evseId=1)
    wanted = rig.orders().sign_for
    assert wanted is not None
    assert wanted.text == "a_b_c"
