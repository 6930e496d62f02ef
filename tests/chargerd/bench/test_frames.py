"""Frames for people: what each is, what it answers, in short and whole; no text can break it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd.bench.frames import CALLS_REMEMBERED, FrameReader, FrameView, in_short


def read(*texts: str, direction: str = "out") -> list[FrameView]:
    reader = FrameReader()
    return [
        reader.read({"direction": direction, "at_utc": "2026-11-23T12:00:00.5+00:00", "text": text}) for text in texts
    ]


def test_a_call_shows_its_action_and_what_it_is_about() -> None:
    [view] = read('[2,"7","StatusNotification",{"connectorStatus":"Occupied","evseId":1,"connectorId":1}]')
    assert (view.kind, view.action, view.short) == ("call", "StatusNotification", "Occupied · evseId 1")
    assert json.loads(view.whole)[1] == "7"
    assert "\n" in view.whole


def test_an_answer_shows_the_action_of_its_call() -> None:
    _, view = read('[2,"7","Heartbeat",{}]', '[3,"7",{"currentTime":"2026-01-01T00:00:00Z"}]')
    assert (view.kind, view.action) == ("result", "Heartbeat")


def test_an_error_shows_its_code_and_description() -> None:
    _, view = read('[2,"7","Reset",{"type":"Immediate"}]', '[4,"7","NotImplemented","not here",{}]')
    assert (view.kind, view.action, view.short) == ("error", "Reset", "NotImplemented not here")


def test_an_answer_to_nothing_is_shown_as_such() -> None:
    [view] = read('[3,"8",{"status":"Accepted"}]')
    assert (view.kind, view.action, view.short) == ("result", "?", "Accepted")


def test_calls_that_are_never_answered_are_forgotten() -> None:
    calls = [f'[2,"{number}","Heartbeat",{{}}]' for number in range(CALLS_REMEMBERED + 1)]
    views = read(*calls, '[3,"0",{}]', '[3,"1",{}]')
    assert [view.action for view in views[-2:]] == ["?", "Heartbeat"]


@pytest.mark.parametrize("text", ["", "nonsense", "{}", "[]", "[2]", '[9,"1",{}]', "7", "null", '[2,"1"]', "[" * 5000])
def test_garbage_is_shown_as_garbage(text: str) -> None:
    [view] = read(text, direction="in")
    assert view.kind == "garbage"
    assert view.whole == text


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_json_breaks_the_reader(value: object) -> None:
    [view] = read(json.dumps(value))
    assert view.kind in {"call", "result", "error", "garbage"}


def test_a_transaction_event_is_told_in_one_line() -> None:
    payload = {
        "eventType": "Updated",
        "triggerReason": "ChargingStateChanged",
        "seqNo": 1,
        "offline": True,
        "transactionInfo": {"transactionId": "x", "chargingState": "Charging"},
        "idTokenInfo": {"status": "Accepted"},
    }
    assert in_short(payload) == "Updated · ChargingStateChanged · seqNo 1 · offline · Accepted · Charging"


def test_a_flag_that_is_down_is_told_too() -> None:
    assert in_short({"offline": False}) == "not offline"
