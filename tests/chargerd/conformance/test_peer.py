"""The test system's end of the wire: what it answers, what it asks, what it complains of."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from chargerd.conformance.peer import Asked, Late, Peer, Refusal, Silence, stamp

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def peer() -> Peer:
    peer = Peer(lambda: NOON)
    peer.opened()
    return peer


def sent(peer: Peer) -> list[object]:
    return [json.loads(text) for text in peer.due()]


def fates(*asked: Asked) -> list[bool]:
    return [each.done for each in asked]


def call(peer: Peer, action: str, payload: object = None) -> list[object]:
    peer.receive(json.dumps([2, "1", action, payload or {}]), 0.0)
    return sent(peer)


@pytest.mark.parametrize(
    "action, answer",
    [
        ("BootNotification", {"currentTime": "2026-01-01T12:00:00.000Z", "interval": 300, "status": "Accepted"}),
        ("Heartbeat", {"currentTime": "2026-01-01T12:00:00.000Z"}),
        ("Authorize", {"idTokenInfo": {"status": "Accepted"}}),
        ("DataTransfer", {"status": "UnknownVendorId"}),
        ("StatusNotification", {}),
    ],
)
def test_what_no_case_says_is_answered_as_a_friendly_csms_does(peer: Peer, action: str, answer: object) -> None:
    assert call(peer, action) == [[3, "1", answer]]


def test_a_case_says_what_is_answered_the_next_times_and_from_then_on(peer: Peer) -> None:
    peer.answer("Authorize", {"idTokenInfo": {"status": "Blocked"}})
    peer.answer("Authorize", Refusal("InternalError", "no"), 1)
    peer.answer("Authorize", Silence(), 1)
    peer.answer("Authorize", lambda request: {"idTokenInfo": {"status": request["idToken"]["idToken"]}}, 1)
    request = {"idToken": {"idToken": "Expired"}}
    assert call(peer, "Authorize", request) == [[4, "1", "InternalError", "no", {}]]
    assert call(peer, "Authorize", request) == []
    assert call(peer, "Authorize", request) == [[3, "1", {"idTokenInfo": {"status": "Expired"}}]]
    assert call(peer, "Authorize", request) == [[3, "1", {"idTokenInfo": {"status": "Blocked"}}]]


def test_a_request_of_ours_learns_its_answer_or_its_refusal(peer: Peer) -> None:
    right, wrong = peer.ask("GetVariables", {"a": 1}), peer.ask("Reset", {})
    assert sent(peer) == [[2, "test-1", "GetVariables", {"a": 1}], [2, "test-2", "Reset", {}]]
    assert fates(right, wrong) == [False, False]
    peer.receive('[3,"test-1",{"b":2}]', 0.0)
    peer.receive('[4,"test-2","SecurityError","not yet",{}]', 0.0)
    assert fates(right, wrong) == [True, True]
    assert right.result == {"b": 2}
    assert wrong.refusal == Refusal("SecurityError", "not yet")


def test_an_answer_nobody_waits_for_is_a_problem_and_so_is_one_after_a_new_connection(peer: Peer) -> None:
    peer.receive('[3,"nothing",{}]', 0.0)
    peer.ask("Reset", {})
    peer.opened()
    peer.receive('[3,"test-1",{}]', 0.0)
    assert len(peer.problems) == 2
    assert "'nothing', which is not open" in peer.problems[0]


def test_what_the_schemas_say_against_a_message_is_a_problem() -> None:
    peer = Peer(lambda: NOON, lambda kind, action, _payload: f"{kind} {action}" if action != "Heartbeat" else None)
    call(peer, "Heartbeat")
    assert peer.problems == []
    call(peer, "StatusNotification")
    peer.ask("Reset", {})
    peer.receive('[3,"test-1",{}]', 0.0)
    assert peer.problems == ["request StatusNotification", "response Reset"]


def test_the_connection_is_counted_and_nothing_of_the_last_one_goes_out_on_the_next(peer: Peer) -> None:
    peer.send("any text")
    peer.closed(1)
    assert (peer.connected, peer.connections) == (False, 1)
    peer.opened()
    assert (peer.connected, peer.connections) == (True, 2)
    assert peer.due() == []


def test_the_end_of_an_old_connection_does_not_end_the_new_one(peer: Peer) -> None:
    assert peer.opened() == 2
    peer.closed(1)
    assert peer.connected


def test_the_next_case_starts_over_on_the_same_connection(peer: Peer) -> None:
    peer.answer("Heartbeat", Silence())
    peer.receive('[3,"nothing",{}]', 0.0)
    assert call(peer, "Heartbeat") == []
    peer.start_over()
    assert (peer.heard, peer.problems, peer.connected) == ([], [], True)
    assert len(call(peer, "Heartbeat")) == 1


def test_a_time_is_written_with_milliseconds_and_a_z() -> None:
    assert stamp(NOON) == "2026-01-01T12:00:00.000Z"


def test_a_late_answer_comes_when_its_time_has_come_and_not_on_another_connection() -> None:
    moments = iter([NOON, NOON, NOON + timedelta(seconds=2), NOON, NOON + timedelta(seconds=9)])
    peer = Peer(lambda: next(moments))
    number = peer.opened()
    peer.answer("TransactionEvent", Late({}, 2.0))
    assert call(peer, "TransactionEvent") == []
    assert sent(peer) == [[3, "1", {}]]
    peer.receive('[2,"2","TransactionEvent",{}]', 0.0)
    peer.closed(number)
    peer.opened()
    assert sent(peer) == []
