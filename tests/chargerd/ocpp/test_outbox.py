import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargerd.clock import ManualClock, Now
from chargerd.ocpp import outbox
from chargerd.ocpp.block import Answers, Block
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.authorization import Authorize
from chargerd.ocpp.messages.availability import Heartbeat
from chargerd.ocpp.messages.enums import IdTokenEnum, TransactionEventEnum, TriggerReason
from chargerd.ocpp.messages.security import SecurityEventNotification
from chargerd.ocpp.messages.transactions import Transaction, TransactionEvent, TransactionEventResponse
from chargerd.ocpp.messages.types import IdToken
from chargerd.ocpp.outbox import MESSAGE_ATTEMPT_INTERVAL, MESSAGE_ATTEMPTS, QUEUE, QueuedMessage
from chargerd.store import Store
from tests.chargerd.ocpp.peer import Peer

ROOT = Path(__file__).resolve().parents[3]
INTERVAL_S = 7
ATTEMPTS = 3


class Told(Block):
    """Keeps the answers to queued events."""

    seen: list[tuple[int, float]]

    def answers(self) -> Answers:
        self.seen = []
        return {TransactionEvent: self._answered}

    def _answered(self, request: TransactionEvent, response: TransactionEventResponse, _now: Now) -> None:
        self.seen.append((request.seq_no, response.total_cost or 0.0))


def event(number: int, kind: TransactionEventEnum = TransactionEventEnum.UPDATED) -> TransactionEvent:
    return TransactionEvent(
        event_type=kind,
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        trigger_reason=TriggerReason.METER_VALUE_PERIODIC,
        seq_no=number,
        transaction_info=Transaction(transaction_id="tx"),
    )


def make_peer(store: Store | None = None, clock: ManualClock | None = None) -> Peer:
    peer = Peer(lambda ctx: [Told(ctx)], store=store, clock=clock)
    peer.ctx.variables.store_value(MESSAGE_ATTEMPTS, ATTEMPTS)
    peer.ctx.variables.store_value(MESSAGE_ATTEMPT_INTERVAL, INTERVAL_S)
    return peer


def online(peer: Peer) -> Peer:
    peer.link_up()
    peer.accept()
    return peer


def queue(peer: Peer, *numbers: int) -> None:
    for number in numbers:
        peer.within(lambda now, number=number: peer.ctx.queue(event(number), now, "tx"))  # type: ignore[misc]


def numbers_answered(peer: Peer, count: int) -> list[int]:
    """Answer the next `count` frames; their seqNos."""
    found = []
    for _ in range(count):
        frame = peer.taken()
        found.append(frame[3]["seqNo"])
        peer.answer(frame, TransactionEventResponse())
    return found


def told(peer: Peer) -> list[tuple[int, float]]:
    block = peer.blocks[0]
    assert isinstance(block, Told)
    return block.seen


def test_a_queued_message_is_sent_at_once_when_online_and_removed_with_its_answer() -> None:
    peer = online(make_peer())
    queue(peer, 0)
    frame = peer.taken()
    assert frame[2] == "TransactionEvent"
    assert "offline" not in frame[3]
    assert peer.outbox.pending("tx") == 1
    peer.answer(frame, TransactionEventResponse(total_cost=1.5))
    assert peer.outbox.pending() == 0
    assert told(peer) == [(0, 1.5)]


def test_queueing_one_event_costs_one_commit_and_its_answer_another() -> None:
    peer = online(make_peer())
    before = peer.store.commits
    queue(peer, 0)
    assert peer.store.commits == before + 1
    peer.answer(peer.taken(), TransactionEventResponse())
    assert peer.store.commits == before + 2


def test_messages_leave_in_order_and_one_at_a_time() -> None:
    peer = online(make_peer())
    queue(peer, *range(5))
    assert len(peer.frames) == 1
    assert numbers_answered(peer, 5) == [0, 1, 2, 3, 4]
    assert not peer.frames


def test_the_queue_waits_for_other_calls_and_goes_on_after_them() -> None:
    peer = online(make_peer())
    ignore: Any = lambda *_: None  # noqa: E731
    peer.within(lambda now: peer.rpc.call(Heartbeat(), now, ignore, ignore))
    queue(peer, 0)
    beat = peer.taken()
    assert not peer.frames
    peer.receive([3, beat[1], {"currentTime": "2026-01-01T00:00:00Z"}])
    assert numbers_answered(peer, 1) == [0]


def test_nothing_leaves_before_the_csms_has_accepted_the_station() -> None:
    peer = make_peer()
    queue(peer, 0)
    peer.link_up()
    assert not peer.frames
    peer.accept()
    assert len(peer.frames) == 1


def test_E04_FR_03_what_happened_offline_says_so() -> None:
    peer = make_peer()
    queue(peer, 0)
    online(peer)
    assert peer.taken()[3]["offline"] is True


def test_E11_FR_07_what_is_still_queued_when_the_link_goes_down_counts_as_offline() -> None:
    peer = online(make_peer())
    queue(peer, 0, 1)
    assert "offline" not in peer.taken()[3]
    peer.link_down()
    peer.link_up()
    assert [numbers_answered(peer, 1), peer.frames[0][3]["offline"]] == [[0], True]
    numbers_answered(peer, 1)
    queue(peer, 2)
    assert "offline" not in peer.taken()[3]


def test_a_request_that_has_no_offline_field_is_sent_as_it_is() -> None:
    peer = make_peer()
    request = SecurityEventNotification(type="StartupOfTheDevice", timestamp=datetime(2026, 1, 1, tzinfo=UTC))
    peer.within(lambda now: peer.ctx.queue(request, now, "security"))
    online(peer)
    assert peer.taken()[3] == {"type": "StartupOfTheDevice", "timestamp": "2026-01-01T00:00:00Z"}


def test_E13_FR_02_E13_FR_03_E13_FR_04_a_refused_message_is_sent_again_with_growing_waits_then_given_up() -> None:
    peer = online(make_peer())
    queue(peer, 0, 1)
    for failures in range(1, ATTEMPTS):
        peer.refuse(peer.taken())
        peer.pass_time(INTERVAL_S * failures - 0.1)
        assert not peer.frames
        peer.pass_time(0.2)
        assert peer.frames[0][3]["seqNo"] == 0
    peer.refuse(peer.taken())
    assert numbers_answered(peer, 1) == [1]
    assert peer.outbox.pending() == 0
    assert any("given up after 3 attempts" in note for note in peer.notes(Severity.ERROR))
    assert told(peer) == [(1, 0.0)]
    peer.pass_time(INTERVAL_S * 10)
    assert not peer.frames


def test_E13_FR_03_after_a_timeout_the_wait_begins_when_the_timeout_has_passed() -> None:
    peer = online(make_peer())
    queue(peer, 0)
    peer.taken()
    peer.pass_time(30.0 + INTERVAL_S - 0.1)
    assert not peer.frames
    peer.pass_time(0.2)
    assert numbers_answered(peer, 1) == [0]


def test_a_lost_link_uses_up_no_attempt() -> None:
    peer = online(make_peer())
    queue(peer, 0)
    for _ in range(ATTEMPTS * 3):
        peer.taken()
        peer.link_down()
        peer.pass_time(100.0)
        peer.link_up()
    assert numbers_answered(peer, 1) == [0]


def test_attempts_are_counted_over_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    for _ in range(ATTEMPTS):
        store = Store(path)
        peer = make_peer(store)
        if not peer.outbox.pending():
            queue(peer, 0)
        online(peer)
        peer.refuse(peer.taken())
        store.close()
    store = Store(path)
    assert store.count(QUEUE) == 0
    store.close()


def test_a_wait_is_no_deadline_while_something_else_is_in_flight() -> None:
    peer = online(make_peer())
    queue(peer, 0)
    peer.refuse(peer.taken())
    ignore: Any = lambda *_: None  # noqa: E731
    peer.within(lambda now: peer.rpc.call(Heartbeat(), now, ignore, ignore))
    beat = peer.taken()
    assert peer.outbox.next_deadline() is None
    peer.pass_time(20.0)
    peer.receive([3, beat[1], {"currentTime": "2026-01-01T00:00:00Z"}])
    assert numbers_answered(peer, 1) == [0]


def test_a_row_that_cannot_be_read_is_set_aside_and_the_next_is_sent() -> None:
    store = Store(":memory:")
    store.append(QUEUE, {"form": "unknown"})
    row = QueuedMessage(action="NoSuchAction", payload="{}", offline=False, mono=0.0, run=1, synced=True)
    store.append(QUEUE, row)
    peer = make_peer(store)
    queue(peer, 0)
    online(peer)
    assert numbers_answered(peer, 1) == [0]
    assert peer.store.count("outbox.unreadable") == 2
    assert len(peer.notes(Severity.ERROR)) == 2


def test_pending_is_told_by_subject() -> None:
    peer = make_peer()
    queue(peer, 0, 1)
    peer.within(lambda now: peer.ctx.queue(event(0), now, "other"))
    assert peer.outbox.pending("tx") == 2
    assert peer.outbox.pending("other") == 1
    assert peer.outbox.pending("none") == 0
    assert peer.outbox.pending() == 3


def test_the_time_of_queueing_is_kept_with_the_run_it_belongs_to(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    rows = []
    for _ in range(2):
        store = Store(path)
        queue(make_peer(store, ManualClock(mono=77.0, synced=False)), 0)
        rows = [row for _, row in store.rows(QUEUE, QueuedMessage)]
        store.close()
    assert [row.run for row in rows] == [1, 2]
    assert all(row.mono == 77.0 and not row.synced for row in rows)


def test_E04_FR_07_E04_FR_08_a_full_queue_gives_up_every_other_intermediate_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "MAX_ROWS", 6)
    peer = make_peer()
    peer.within(lambda now: peer.ctx.queue(event(0, TransactionEventEnum.STARTED), now, "tx"))
    queue(peer, 1, 2, 3, 4, 5)
    assert peer.outbox.pending() == 6
    peer.within(lambda now: peer.ctx.queue(event(6, TransactionEventEnum.ENDED), now, "tx"))
    assert any("given up" in note for note in peer.notes(Severity.ERROR))
    assert peer.outbox.pending() == 4
    online(peer)
    assert numbers_answered(peer, 4) == [0, 2, 4, 6]


def test_a_full_queue_is_thinned_stretch_by_stretch_and_never_the_message_on_its_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "MAX_ROWS", 6)
    monkeypatch.setattr(outbox, "THIN_ROWS", 4)
    peer = online(make_peer())
    queue(peer, *range(6))  # 0 is on its way
    queue(peer, 6)  # 1 and 3 go
    queue(peer, 7, 8)  # at 6 again: of the next stretch 4, 6
    assert numbers_answered(peer, 5) == [0, 2, 5, 7, 8]
    assert peer.outbox.pending() == 0


def test_times_noted_before_the_clock_was_right_are_sent_right() -> None:
    clock = ManualClock(utc=datetime(1970, 1, 1, tzinfo=UTC), synced=False)
    peer = make_peer(clock=clock)
    peer.within(lambda now: peer.ctx.queue(at(0, now.utc), now, "tx"))
    clock.advance(60.0)
    right = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    clock.set_utc(right)
    peer.within(lambda now: peer.ctx.queue(at(1, now.utc), now, "tx"))
    online(peer)
    first = peer.taken()
    assert first[3]["timestamp"] == "2026-11-26T11:59:00Z"
    peer.answer(first, TransactionEventResponse())
    assert peer.taken()[3]["timestamp"] == "2026-11-26T12:00:00Z"


def test_times_that_nobody_can_put_right_are_left_as_they_are() -> None:
    store = Store(":memory:")
    noted = datetime(1970, 1, 1, tzinfo=UTC)
    before = make_peer(store=store, clock=ManualClock(utc=noted, synced=False))
    before.within(lambda now: before.ctx.queue(at(0, now.utc), now, "tx"))
    after = online(make_peer(store=store))  # another run: its monotonic clock may be another boot's
    assert after.taken()[3]["timestamp"] == "1970-01-01T00:00:00Z"


def at(number: int, utc: datetime) -> TransactionEvent:
    return msgspec.structs.replace(event(number), timestamp=utc)


def test_ten_thousand_messages_wait_and_leave_in_order_without_growing_the_memory() -> None:
    peer = make_peer()
    delivered = 3_000
    with peer.store.transaction():
        for number in range(10_000):
            peer.outbox.append(event(number), peer.now, subject="tx", offline=True)
    tracemalloc.start()
    online(peer)
    before = tracemalloc.get_traced_memory()[0]
    for number in range(delivered):
        frame = peer.taken()
        assert frame[3]["seqNo"] == number
        peer.effects.clear()
        told(peer).clear()
        peer.answer(frame, TransactionEventResponse())
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert peer.outbox.pending() == 10_000 - delivered
    assert after - before < 300_000


KILLED = """
import sys
from chargerd.store import Store
from tests.chargerd.ocpp.test_outbox import event, make_peer, online, queue
peer = online(make_peer(Store(sys.argv[1])))
queue(peer, *range(10))
for _ in range(4):
    frame = peer.taken()
    peer.receive([3, frame[1], {}])
sys.stdout.write("sent")
sys.stdout.flush()
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_loses_no_message_and_keeps_their_order(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    command = [sys.executable, "-c", KILLED, path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "sent", done.stderr
    peer = online(make_peer(Store(path)))
    assert numbers_answered(peer, 6) == [4, 5, 6, 7, 8, 9]
    assert peer.outbox.pending() == 0


def test_any_request_can_be_queued() -> None:
    peer = online(make_peer())
    request = Authorize(id_token=IdToken(id_token="null", type=IdTokenEnum.CENTRAL))
    peer.within(lambda now: peer.ctx.queue(request, now, "x"))
    assert peer.taken()[3] == {"idToken": {"idToken": "null", "type": "Central"}}


actions = st.lists(st.sampled_from(["queue", "answer", "lose link", "link", "time", "restart"]), max_size=60)


@given(actions)
def test_whatever_the_link_does_every_message_arrives_in_order_and_none_is_skipped(steps: list[str]) -> None:
    store = Store(":memory:")
    peer = make_peer(store)
    queued = 0
    arrived: list[int] = []
    # In the end the CSMS answers all there is; a message whose answer was overdue comes again after its interval only.
    for step in [*steps, "link", *["answer", "time"] * 120]:
        match step:
            case "queue":
                queue(peer, queued)
                queued += 1
            case "answer" if peer.frames:
                frame = peer.taken()
                arrived.append(frame[3]["seqNo"])
                peer.answer(frame, TransactionEventResponse())
            case "lose link" if peer.ctx.link_up:
                arrived += [frame[3]["seqNo"] for frame in peer.frames]  # sent, but the answer never came
                peer.frames.clear()
                peer.link_down()
            case "link" if not peer.ctx.link_up:
                online(peer)
            case "time":
                peer.pass_time(20.0)
            case "restart":
                arrived += [frame[3]["seqNo"] for frame in peer.frames]
                peer = make_peer(store)
    assert sorted(set(arrived)) == list(range(queued))
    assert arrived == sorted(arrived)
    assert store.count(QUEUE) == 0
