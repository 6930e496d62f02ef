from typing import Any

import pytest

from chargerd.ocpp.data_transfer import MAX_FAILURES
from chargerd.ocpp.vendor import Reply
from tests.chargerd.ocpp.building import Payload, Rig
from tests.chargerd.ocpp.vendors import Echo


def transfer(rig: Rig, message_id: str | None = None, vendor: str = "org.example", **more: Any) -> Payload:
    named = {} if message_id is None else {"messageId": message_id}
    return rig.call("DataTransfer", vendorId=vendor, **named, **more)


def extended() -> tuple[Rig, Echo]:
    echo = Echo()
    rig = Rig(vendors=(echo,))
    rig.status()
    return rig, echo


# ---- P01 ----


def test_P01_FR_05_without_an_extension_every_vendor_is_unknown() -> None:
    assert transfer(Rig()) == {"status": "UnknownVendorId"}
    assert transfer(extended()[0], "echo", vendor="com.other") == {"status": "UnknownVendorId"}


def test_P01_FR_06_a_message_that_the_extension_does_not_know() -> None:
    assert transfer(extended()[0], "what") == {"status": "UnknownMessageId"}
    assert transfer(extended()[0]) == {"status": "UnknownMessageId"}


@pytest.mark.parametrize("data", ["text", 7, [1, {"a": None}], {"b": True}])
def test_what_the_extension_says_is_the_answer(data: object) -> None:
    assert transfer(extended()[0], "echo", vendor="ORG.example", data=data) == {"status": "Accepted", "data": data}


def test_an_answer_need_not_carry_data() -> None:
    rig, _ = extended()
    assert transfer(rig, "echo") == {"status": "Accepted"}
    assert transfer(rig, "no") == {"status": "Rejected"}


@pytest.mark.parametrize("message_id", ["huge", "unsayable", "wrong", "break"])
def test_an_extension_that_fails_has_rejected_and_the_station_lives_on(message_id: str) -> None:
    rig, _ = extended()
    answer = transfer(rig, message_id)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InternalError")
    assert transfer(rig, "echo", data=1) == {"status": "Accepted", "data": 1}


def test_an_extension_that_fails_again_and_again_is_heard_no_more() -> None:
    rig, _ = extended()
    for _failure in range(MAX_FAILURES):
        assert transfer(rig, "break")["status"] == "Rejected"
    assert transfer(rig, "echo", data=1) == {"status": "UnknownVendorId"}
    notes = [note for note in rig.notes() if note.startswith("vendor: ")]
    assert len(notes) == MAX_FAILURES
    assert "ZeroDivisionError" in notes[0]
    assert notes[-1].endswith("switched off until the next start")


def test_the_csms_can_switch_an_extension_off() -> None:
    rig, echo = extended()
    switch = {
        "component": {"name": "CustomizationCtrlr"},
        "variable": {"name": "CustomImplementationEnabled", "instance": "org.example"},
    }
    answer = rig.call("SetVariables", setVariableData=[switch | {"attributeValue": "false"}])
    assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"
    assert transfer(rig, "echo", data=1) == {"status": "UnknownVendorId"}
    seen = len(echo.seen)
    rig.plug_in()
    rig.advance(2.0)
    assert len(echo.seen) == seen


# ---- P02 ----


def test_an_extension_sees_changes_once_a_second_at_most() -> None:
    rig, echo = extended()
    rig.advance(5.0)
    seen = len(echo.seen)
    rig.plug_in()
    rig.advance(0.0)
    rig.unplug()
    rig.plug_in()
    rig.advance(0.5)
    assert len(echo.seen) == seen + 1
    rig.advance(0.6)
    assert len(echo.seen) == seen + 2
    assert echo.seen[-1].evses[0].plug_count == 2
    rig.advance(10.0)
    assert len(echo.seen) == seen + 2


def test_a_message_of_the_extension_is_sent_and_its_answer_told() -> None:
    rig, echo = extended()
    rig.csms.answers["DataTransfer"] = {"status": "Accepted", "data": [1]}
    echo.to_send = [{"warm": True}]
    rig.advance(2.0)
    rig.plug_in()
    rig.advance(0.0)
    assert rig.sent("DataTransfer") == [{"vendorId": "org.example", "messageId": "news", "data": {"warm": True}}]
    assert echo.taken == [True]
    assert echo.answers == [("news", Reply(accepted=True, data=[1]))]


@pytest.mark.parametrize("status, reply", [("Rejected", Reply(accepted=False)), ("UnknownVendorId", None)])
def test_what_the_csms_does_not_know_is_no_reply(status: str, reply: Reply | None) -> None:
    rig, echo = extended()
    rig.csms.answers["DataTransfer"] = {"status": status}
    echo.to_send = [1]
    rig.plug_in()
    rig.advance(1.0)
    assert echo.answers == [("news", reply)]


def test_one_message_at_a_time_and_none_without_a_csms_or_too_large() -> None:
    rig, echo = extended()
    rig.csms.answers["DataTransfer"] = None
    echo.to_send = ["x" * 20_000, 1, 2]
    rig.plug_in()
    rig.advance(1.0)
    assert echo.taken == [False, True, False]
    rig.link_down()
    assert echo.answers == [("news", None)]
    echo.to_send = [3]
    rig.unplug()
    rig.advance(2.0)
    assert echo.taken == [False, True, False, False]
    assert len(rig.sent("DataTransfer")) == 1


def test_two_extensions_of_one_vendor_are_a_mistake() -> None:
    with pytest.raises(AssertionError, match="same vendor"):
        Rig(vendors=(Echo(), Echo()))
