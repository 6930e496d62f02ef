"""Whatever the CSMS sends, and whenever: each CALL gets exactly one answer, nothing of ours breaks, and work goes on.

Messages and their faults are made from the official schemas, for every action there is.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chargerd.codec import MAX_BYTES, MAX_DEPTH, ErrorCode
from chargerd.ocpp.effects import Note, Severity
from chargerd.ocpp.events import Received
from chargerd.ocpp.messages import INCOMING
from chargerd.ocpp.rpc import UNREADABLE_ID
from tests.chargerd.ocpp.building import Payload, Rig, board
from tests.chargerd.ocpp.messages import oracle

ACTIONS = [call.action for call in INCOMING]
RANDOM_INSTANCES = 6
DEFERRED_S = 10.0
"""Longer than any answer may be put off."""

MESSAGE_TIMEOUT_S = 30.0


def station(**how: Any) -> Rig:
    """Two EVSEs, and at the first a vehicle that charges."""
    rig = Rig(facts=board(2), **how)
    rig.meter(1000.0)
    rig.plug_in()
    rig.tap()
    rig.charge()
    return rig


class Asker:
    """Sends texts and collects what answers each."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._numbers = 0

    def new_id(self) -> str:
        self._numbers += 1
        return f"bad-{self._numbers}"

    def ask(self, text: str, message_id: str) -> list[Any]:
        """The one reply to `text`, put off or not; it may bear the id for what could not be read."""
        before = len(self.rig.frames)
        self.rig.feed(Received(text))
        if not self._replies(before, message_id):
            self.rig.advance(DEFERRED_S)
        replies = self._replies(before, message_id)
        assert len(replies) == 1, (text[:200], replies)
        return replies[0]

    def call(self, action: str, payload: Payload) -> list[Any]:
        message_id = self.new_id()
        return self.ask(call_text(message_id, action, payload), message_id)

    def _replies(self, since: int, message_id: str) -> list[list[Any]]:
        frames = [json.loads(text) for text in self.rig.frames[since:]]
        return [frame for frame in frames if frame[0] in {3, 4} and frame[1] in {message_id, UNREADABLE_ID}]


def call_text(message_id: str, action: str, payload: Payload) -> str:
    return json.dumps([2, message_id, action, payload], ensure_ascii=False)


def assert_nothing_broke(rig: Rig) -> None:
    broken = [effect.text for effect in rig.effects if isinstance(effect, Note) and effect.severity is Severity.ERROR]
    assert not broken, broken


def assert_alive(asker: Asker) -> None:
    """It answers, it sends, and nothing waits."""
    assert asker.call("GetLocalListVersion", {})[0] == 3
    before = len(asker.rig.sent("Heartbeat"))
    assert asker.call("TriggerMessage", {"requestedMessage": "Heartbeat"})[2] == {"status": "Accepted"}
    assert len(asker.rig.sent("Heartbeat")) == before + 1
    assert asker.rig.station.ctx.outbox.pending() == 0
    assert_nothing_broke(asker.rig)


# ---------------------------------------------------------------------- faults


@pytest.mark.parametrize("action", ACTIONS)
def test_every_fault_of_every_action_is_named_in_one_answer_and_changes_nothing(action: str) -> None:
    asker = Asker(station())
    stored = contents(asker.rig)
    instance = oracle.maximal(f"{action}Request")
    for fault in oracle.faults(f"{action}Request", instance):
        message_id = asker.new_id()
        text = call_text(message_id, action, instance)
        wanted = [message_id, fault.code] if len(text.encode()) <= MAX_BYTES else too_large()
        reply = asker.ask(text, message_id)
        assert reply[:3] == [4, *wanted], (fault, reply)
        if fault.path != "$" and wanted[0] == message_id:
            assert fault.path[2:255] in reply[3], (fault, reply)
    assert contents(asker.rig) == stored
    assert asker.rig.orders().permit
    assert_alive(asker)


def too_large() -> list[str]:
    return [UNREADABLE_ID, ErrorCode.RPC_FRAMEWORK_ERROR]


def contents(rig: Rig) -> list[tuple[Any, ...]]:
    """All but the security log, in which what was wrong is told (InvalidMessages)."""
    rows = rig.store._db.execute("SELECT namespace, key, json FROM value ORDER BY namespace, key")
    return [row for row in rows if row[0] != "security"]


def spoilt_texts(action: str) -> Iterator[tuple[str, ErrorCode, bool]]:
    """Faults of the text rather than of a value: what stands for customData, the code, and whether the id is read."""
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    yield "null", ErrorCode.TYPE_CONSTRAINT_VIOLATION, True
    yield '{"vendorId":"v"},"customData":{"vendorId":"v"}', ErrorCode.FORMAT_VIOLATION, True
    yield '{"vendorId":"v","x":1,"x":1}', ErrorCode.FORMAT_VIOLATION, True
    yield f'{{"vendorId":"v","x":{deep}}}', ErrorCode.FORMAT_VIOLATION, True
    yield '{"vendorId":"v","x":NaN}', ErrorCode.RPC_FRAMEWORK_ERROR, False
    yield '{"vendorId":"v","x":Infinity}', ErrorCode.RPC_FRAMEWORK_ERROR, False
    yield '{"vendorId":"\ud800"}', ErrorCode.RPC_FRAMEWORK_ERROR, False
    yield f'{{"vendorId":"v","x":"{"x" * MAX_BYTES}"}}', ErrorCode.RPC_FRAMEWORK_ERROR, False
    yield f'{{"vendorId":"v","x":{"[" * 20_000}{"]" * 20_000}}}', ErrorCode.RPC_FRAMEWORK_ERROR, False


@pytest.mark.parametrize("action", ACTIONS)
def test_what_json_should_not_carry_is_refused_in_every_action(action: str) -> None:
    asker = Asker(station())
    payload = json.dumps(oracle.minimal(f"{action}Request"))[:-1]
    comma = "," if payload != "{" else ""
    for spoilt, code, has_id in spoilt_texts(action):
        message_id = asker.new_id()
        text = f'[2,"{message_id}","{action}",{payload}{comma}"customData":{spoilt}}}]'
        reply = asker.ask(text, message_id)
        assert (reply[0], reply[2]) == (4, code), (spoilt[:80], reply)
        assert (reply[1] == message_id) is has_id
    assert_alive(asker)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_text_that_ends_anywhere_gets_one_answer(action: str) -> None:
    asker = Asker(station())
    message_id = asker.new_id()
    whole = call_text(message_id, action, oracle.random_instance(f"{action}Request", 1))[:600]
    for length in range(len(whole) - 1):
        assert asker.ask(whole[:length], message_id)[0] == 4
    assert_alive(asker)


# ---------------------------------------------------------------------- at any time


def instances(action: str) -> Iterator[Payload]:
    name = f"{action}Request"
    yield oracle.minimal(name)
    yield oracle.maximal(name)
    for seed in range(RANDOM_INSTANCES):
        yield oracle.random_instance(name, seed)


def booting(status: str | None) -> Rig:
    """Connected, and the CSMS has said `status` to the BootNotification; None: nothing yet."""
    rig = Rig(facts=board(2), online=False)
    answer = {"currentTime": "2026-01-01T00:00:00Z", "interval": 86400, "status": status}
    rig.csms.answers["BootNotification"] = answer if status is not None else None
    rig.link_up()
    rig.status()
    return rig


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("when", ["accepted", "unanswered", "Pending", "Rejected"])
def test_a_valid_message_with_any_values_gets_one_valid_answer_at_any_time(when: str, action: str) -> None:
    for payload in instances(action):
        rig = station() if when == "accepted" else booting(None if when == "unanswered" else when)
        asker = Asker(rig)
        reply = asker.call(action, payload)
        if reply[0] == 3:
            oracle.validator_of(f"{action}Response").validate(reply[2])
        else:
            assert reply[2] in set(ErrorCode), reply
            assert reply[2] != ErrorCode.INTERNAL_ERROR
        if when == "Rejected":
            assert reply[2] == ErrorCode.SECURITY_ERROR  # B03.FR.08
        rig.advance(DEFERRED_S)
        assert_nothing_broke(rig)
        if when == "unanswered":
            rig.csms.answers["BootNotification"] = {}  # not an answer either, but the station may send again
            rig.advance(MESSAGE_TIMEOUT_S)
        if when not in {"accepted", "Pending"}:
            assert {kind for kind, _ in rig.csms.received} == {"BootNotification"}, "B01.FR.08"


@pytest.mark.parametrize("action", ACTIONS)
def test_what_arrives_after_the_link_went_down_is_answered_at_most_once(action: str) -> None:
    rig = station()
    rig.link_down()
    for payload in instances(action):
        before = len(rig.frames)
        rig.feed(Received(call_text("late", action, payload)))
        rig.advance(1.0)
        replies = [frame for frame in map(json.loads, rig.frames[before:]) if frame[0] in {3, 4}]
        assert len(replies) <= 1
    assert_nothing_broke(rig)
