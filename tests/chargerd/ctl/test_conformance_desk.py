"""A person with a charger does what a case wants."""

from pathlib import Path
from typing import Any

import pytest

from chargerd.conformance.authority import CSMS_ROOT
from chargerd.conformance.station import OTHER, VALID, CaseFailed, StationUnderTest
from chargerd.ctl.conformance_desk import CaseSkipped
from chargerd.ctl.terminal import Ended, Reply
from tests.chargerd.ctl.conformance_table import REAL_CARDS, Table

SETTABLE = {
    "GetVariables": {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "60"}]},
    "SetVariables": {"setVariableResult": [{"attributeStatus": "Accepted"}]},
    "Reset": {"status": "Accepted"},
}


@pytest.mark.parametrize(
    "verb, arguments, words",
    [
        ("plug_in", {"evse": 2}, "Plug the vehicle in at EVSE 2"),
        ("plug_out", {"evse": 1}, "Unplug the vehicle at EVSE 1"),
        ("ev_pause", {"evse": 1}, "no more energy"),
        ("ev_draw", {"evse": 1, "amps": 10.0}, "take 10 A"),
        ("fault", {"evse": 1, "name": "lock_jam"}, "lock_jam"),
        (
            "present_token",
            {"evse": 1, "uid": VALID, "kind": "ISO14443"},
            "Hold your first card to the reader of EVSE 1",
        ),
        ("present_token", {"evse": 1, "uid": OTHER}, "your second card"),
        ("present_token", {"evse": 1, "uid": "AB"}, "a card that reads AB"),
        ("present_token", {"evse": 1, "uid": "1234", "kind": "KeyCode"}, "Give KeyCode 1234 to EVSE 1"),
        ("present_token", {"evse": 1, "uid": "", "kind": "NoAuthorization"}, "Press the start button of EVSE 1"),
    ],
)
def test_each_act_is_a_sentence(verb: str, arguments: dict[str, Any], words: str) -> None:
    table = Table()
    assert table.around.act(verb, arguments) is None
    assert words in table.person.asked[0]
    assert table.person.asked[0].endswith("Done?")


def test_what_cannot_be_done_is_asked_again_and_what_is_skipped_ends_the_case() -> None:
    table = Table(Reply.NO, Reply.YES)
    StationUnderTest(table.around).plug_in()
    assert len(table.person.asked) == 2
    with pytest.raises(CaseSkipped, match="skipped by the person"):
        Table(Reply.SKIP).around.act("plug_in", {"evse": 1})
    with pytest.raises(CaseSkipped, match="a person cannot do this: user_limit"):
        Table().around.act("user_limit", {"evse": 1})
    with pytest.raises(Ended):
        Table(None).around.act("plug_in", {"evse": 1})


def test_a_case_knows_the_real_cards_by_its_own_names() -> None:
    table = Table(answers={"SendLocalList": {"status": "Accepted"}})
    sut = StationUnderTest(table.around)
    table.station.say("Authorize", {"idToken": {"idToken": REAL_CARDS[1]}})
    assert sut.expect("Authorize") == {"idToken": {"idToken": OTHER}}
    sut.call("SendLocalList", {"idToken": VALID})
    assert table.station.asked == [("SendLocalList", {"idToken": REAL_CARDS[0]})]


def test_power_on_sets_the_station_up_and_restarts_it_and_the_end_sets_it_back() -> None:
    table = Table(answers=SETTABLE)
    table.around.begin({"TxCtrlr.EVConnectionTimeOut": "3", "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "1"})
    table.around.power_on()
    set_to = [payload["setVariableData"][0] for action, payload in table.station.asked if action == "SetVariables"]
    assert [(each["variable"], each["attributeValue"]) for each in set_to] == [
        ({"name": "EVConnectionTimeOut"}, "3"),
        ({"name": "MessageAttempts", "instance": "TransactionEvent"}, "1"),
    ]
    assert table.station.asked[-1] == ("Reset", {"type": "Immediate"})
    table.around.end()
    assert [payload["setVariableData"][0]["attributeValue"] for _action, payload in table.station.asked[-2:]] == [
        "60",
        "60",
    ]


def test_a_station_that_cannot_be_set_up_is_skipped_and_one_that_cannot_be_set_back_is_told() -> None:
    table = Table(answers=SETTABLE)
    table.around.begin({"A.B": "1"})
    table.station.answers["SetVariables"] = {"setVariableResult": [{"attributeStatus": "Rejected"}]}
    with pytest.raises(CaseSkipped, match=r"cannot be set up: A\.B = 1 is refused"):
        table.around.power_on()
    table.around.end()
    assert "cannot be set back" in table.person.heard[0]


def test_what_is_plugged_in_is_unplugged_before_the_next_case() -> None:
    table = Table()
    table.around.begin({})
    table.around.act("plug_in", {"evse": 1})
    table.around.begin({})
    assert "Unplug the vehicle at EVSE 1" in table.person.asked[1]
    table.around.begin({})
    assert len(table.person.asked) == 2


def test_a_station_that_does_not_come_is_not_waited_for_for_ever() -> None:
    table = Table()
    table.around.peer.closed(1)
    table.station.reconnects = False
    with pytest.raises(CaseSkipped, match="does not connect"):
        table.around.begin({})


def test_the_mains_are_taken_by_the_person() -> None:
    table = Table()
    table.around.power_cycle(1.0)
    assert "Take the mains from the charger for 5 s" in table.person.asked[0]


def test_a_second_csms_is_there_until_the_end_of_the_case_or_the_case_is_skipped() -> None:
    with pytest.raises(CaseSkipped, match="needs a second CSMS"):
        Table().around.another_csms(1, CSMS_ROOT)


def test_a_bench_does_what_a_person_would() -> None:
    table = Table(bench=Path("/nowhere/control"))
    with pytest.raises(CaseFailed, match="nobody listens there"):
        StationUnderTest(table.around).plug_in()
    assert table.person.asked == []
