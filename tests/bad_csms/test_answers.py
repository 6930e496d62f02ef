"""A CSMS that answers one kind of message badly, or never: the other kinds get through, and so does the queue."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chargerd.ocpp.effects import Note, Severity
from chargerd.ocpp.events import Received
from tests.chargerd.ocpp.building import Csms, Payload, Rig, board
from tests.chargerd.ocpp.profiling import profile

KINDS = (
    "Authorize",
    "BootNotification",
    "Heartbeat",
    "MeterValues",
    "NotifyReport",
    "ReportChargingProfiles",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "StatusNotification",
    "TransactionEvent",
)
"""All that a day of this station sends."""

MESSAGE_TIMEOUT_S = 30
ATTEMPTS = 2
SETTINGS = {
    "TxCtrlr.TxStartPoint": "EVConnected",
    "TxCtrlr.TxStopPoint": "EVConnected",
    "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": str(ATTEMPTS),
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "1",
    "AuthCtrlr.LocalPreAuthorize": "false",
    "SampledDataCtrlr.TxUpdatedInterval": "300",
}
METER_S = 4
"""Often enough for a reading never to be stale."""

NEVER_MIND_S = 400
"""A day's worth of messages of one kind, each waited for in vain, has been given up by then."""


class Naughty(Csms):
    """Holds back its answer to every call of one kind; `held`: what it would have said, as (message id, answer)."""

    def __init__(self, kind: str | None) -> None:
        super().__init__()
        self.kind = kind
        self.held: list[tuple[str, Payload]] = []
        self.well_answered: list[str] = []

    def take(self, text: str) -> str | None:
        answer = super().take(text)
        if answer is None:
            return None
        action = self.received[-1][0]
        if action != self.kind:
            self.well_answered.append(action)
            return answer
        _, message_id, payload = json.loads(answer)
        self.held.append((message_id, payload))
        return None


Misdeed = Callable[[Rig, str, Payload], None]
"""What the CSMS does about a call: rig, message id, the answer it should have given."""


class Day:
    """The life of a station with two EVSEs, in which it sends a message of every kind."""

    def __init__(self, kind: str | None, misdeed: Misdeed) -> None:
        self.rig = Rig(SETTINGS, facts=board(2), online=False)
        self.csms = Naughty(kind)
        self.rig.csms = self.csms
        self._misdeed = misdeed

    def live(self) -> None:
        rig = self.rig
        rig.link_up()
        self.pass_time(120)
        rig.meter(0.0)
        rig.meter(0.0, evse_id=2)
        for message in ("Heartbeat", "MeterValues", "StatusNotification"):
            self.ask("TriggerMessage", requestedMessage=message)
        rig.plug_in()
        rig.tap()
        self.pass_time(1)
        rig.charge()
        self.pass_time(40)
        self.ask("SetChargingProfile", evseId=1, chargingProfile=profile({0: 10.0}))
        self.ask("GetChargingProfiles", requestId=1, chargingProfile={"chargingProfilePurpose": "TxDefaultProfile"})
        self.ask("GetBaseReport", requestId=2, reportBase="FullInventory")
        token = {"idToken": "04FFEEDDCC", "type": "ISO14443"}
        self.ask("ReserveNow", id=1, expiryDateTime=self._stamp_in(60), idToken=token, evseId=2)
        self.pass_time(90)
        rig.unplug()
        self.pass_time(NEVER_MIND_S)

    def behave(self) -> None:
        """From now on every call is answered; what was held back is forgotten."""
        self.csms.kind = None
        self.csms.held.clear()

    def pass_time(self, seconds: int) -> None:
        """At least so many; the meter is read every few seconds, and what is held back meets its misdeed."""
        for _ in range(0, seconds, METER_S):
            self.rig.advance(METER_S - 1.0)
            self.rig.run(1)
            while self.csms.held:
                message_id, answer = self.csms.held.pop(0)
                self._misdeed(self.rig, message_id, answer)

    def ask(self, action: str, **payload: Any) -> None:
        """The CSMS asks; `Rig.call` finds exactly one answer, here we only count that there is one."""
        before = len(self.rig.frames)
        self.rig.call(action, **payload)
        replies = [frame for frame in map(json.loads, self.rig.frames[before:]) if frame[0] in {3, 4}]
        assert len(replies) == 1, (action, replies)
        self.pass_time(2)

    def errors(self) -> list[str]:
        notes = [effect for effect in self.rig.effects if isinstance(effect, Note)]
        return [note.text for note in notes if note.severity is Severity.ERROR and "given up after" not in note.text]

    def _stamp_in(self, seconds: float) -> str:
        return (self.rig.clock.now().utc_at(self.rig.clock.monotonic() + seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def never(_rig: Rig, _message_id: str, _answer: Payload) -> None:
    pass


def with_error(code: str) -> Misdeed:
    return lambda rig, message_id, _answer: rig.feed(Received(json.dumps([4, message_id, code, "no", {}])))


def with_text(text: str) -> Misdeed:
    """`text` with the message id in the place of ID."""
    return lambda rig, message_id, _answer: rig.feed(Received(text.replace("ID", message_id)))


def twice(rig: Rig, message_id: str, answer: Payload) -> None:
    for _ in range(2):
        rig.feed(Received(json.dumps([3, message_id, answer])))


def error_after_answer(rig: Rig, message_id: str, answer: Payload) -> None:
    rig.feed(Received(json.dumps([3, message_id, answer])))
    rig.feed(Received(json.dumps([4, message_id, "InternalError", "on second thought", {}])))


def too_late(rig: Rig, message_id: str, answer: Payload) -> None:
    rig.run(MESSAGE_TIMEOUT_S + 1)
    rig.feed(Received(json.dumps([3, message_id, answer])))


MISDEEDS: dict[str, Misdeed] = {
    "never": never,
    "too late": too_late,
    "twice": twice,
    "error after answer": error_after_answer,
    **{
        f"error {code[:20]}": with_error(code)
        for code in ("InternalError", "SecurityError", "NoSuchCode", "", "x" * 5000)
    },
    "unknown field": with_text('[3,"ID",{"notInTheStandard":1}]'),
    "null": with_text('[3,"ID",null]'),
    "no payload": with_text('[3,"ID"]'),
    "not an object": with_text('[3,"ID",[]]'),
    "wrong types": with_text(
        '[3,"ID",{"status":7,"currentTime":"soon","interval":"x","idTokenInfo":[],"totalCost":"free"}]'
    ),
    "one element too many": with_text('[3,"ID",{},{}]'),
    "bare error": with_text('[4,"ID"]'),
    "error of wrong types": with_text('[4,"ID",7,null,"x"]'),
}
ANSWERED_ALL_THE_SAME = {"twice", "error after answer"}


def test_a_good_day_sends_every_kind() -> None:
    day = Day(None, never)
    day.live()
    assert {action for action, _ in day.csms.received} == set(KINDS)
    assert day.rig.station.ctx.outbox.pending() == 0
    assert not day.errors()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_one_kind_answered_badly_holds_up_no_other(misdeed: str, kind: str) -> None:
    day = Day(kind, MISDEEDS[misdeed])
    day.live()
    assert not day.errors()
    if kind != "BootNotification":
        assert set(day.csms.well_answered) == set(KINDS) - {kind}
    elif misdeed not in ANSWERED_ALL_THE_SAME:
        assert {action for action, _ in day.csms.received} == {kind}, "B01.FR.08"
    if kind in {"TransactionEvent", "SecurityEventNotification"} and misdeed not in ANSWERED_ALL_THE_SAME:
        events = day.rig.sent(kind)
        assert all(events.count(event) == ATTEMPTS for event in events), "E13.FR.02: each as often as allowed"
    day.behave()
    day.pass_time(200)
    assert day.rig.station.ctx.outbox.pending() == 0
    assert not day.rig.station.ctx.rpc.busy
    assert {action for action, _ in day.csms.received} == set(KINDS) or kind == "BootNotification"
