"""What every block is made of: nothing by default, and a context that keeps the order of things."""

from typing import Any

from chargerd.limits import Limit
from chargerd.ocpp.block import Block
from chargerd.ocpp.effects import CloseLink, Note, SendText, Severity
from chargerd.ocpp.messages.availability import Heartbeat, HeartbeatResponse
from chargerd.ocpp.messages.enums import MessageTrigger
from chargerd.ocpp.news import ClockSet, Registration
from chargerd.ocpp.rpc import CallFailure, FailureKind
from tests.chargerd.ocpp.peer import Peer


class Answer:
    """Who waits for an answer."""

    def __init__(self) -> None:
        self.came: list[HeartbeatResponse | CallFailure] = []

    def take(self, what: Any, _now: object) -> None:
        self.came.append(what)


def test_a_block_that_overrides_nothing_does_nothing() -> None:
    peer = Peer(lambda ctx: [Block(ctx)])
    (block,) = peer.blocks
    peer.link_up()
    peer.accept()
    peer.link_down()
    block.on_time(peer.now)
    assert (list(block.variables()), block.readers(), block.checks()) == ([], {}, {})
    assert (block.handlers(), block.answers(), block.triggers()) == ({}, {}, {})
    assert block.next_deadline() is None
    assert peer.frames == []
    assert MessageTrigger.HEARTBEAT not in block.triggers()


def test_a_call_before_acceptance_fails_at_once_and_is_never_sent() -> None:
    peer, answer = Peer(), Answer()
    peer.link_up()
    peer.within(lambda now: peer.ctx.call(Heartbeat(), now, answer.take, answer.take))
    assert answer.came == [CallFailure(FailureKind.OFFLINE)]
    peer.accept()
    assert peer.frames == []


def test_a_call_while_accepted_is_sent_and_its_answer_brought() -> None:
    peer, answer = Peer(), Answer()
    peer.link_up()
    peer.accept()
    peer.within(lambda now: peer.ctx.call(Heartbeat(), now, answer.take, answer.take))
    response = HeartbeatResponse(current_time=peer.now.utc)
    peer.answer(peer.taken(), response)
    assert answer.came == [response]


def test_what_is_told_needs_no_answer_and_what_is_queued_waits_for_the_link() -> None:
    peer = Peer()
    peer.within(lambda now: peer.ctx.tell(Heartbeat(), now))
    peer.within(lambda now: peer.ctx.queue(Heartbeat(), now, "s"))
    assert peer.frames == []
    assert peer.outbox.pending("s") == 1
    peer.link_up()
    peer.accept()
    peer.within(lambda now: peer.ctx.tell(Heartbeat(), now))
    peer.refuse(peer.taken())


def test_online_means_a_link_and_an_accepted_registration() -> None:
    ctx = Peer().ctx
    ctx.link_up = True
    for registration in Registration:
        ctx.registration = registration
        assert ctx.online is (registration is Registration.ACCEPTED)
    ctx.link_up = False
    assert not ctx.online


def test_effects_and_news_are_handed_out_once_in_order_and_a_reply_can_be_placed_first() -> None:
    ctx = Peer().ctx
    ctx.note(Severity.INFO, "before")
    mark = ctx.effect_mark
    ctx.do(CloseLink("caused"))
    ctx.insert_effect(mark, SendText("reply"))
    ctx.publish(ClockSet(1.0))
    ctx.publish(ClockSet(2.0))
    assert ctx.drain_effects() == [Note(Severity.INFO, "before"), SendText("reply"), CloseLink("caused")]
    assert ctx.drain_effects() == []
    assert ctx.drain_news() == [ClockSet(1.0), ClockSet(2.0)]
    assert ctx.drain_news() == []


def test_evses_count_from_one_and_are_unknown_without_a_status() -> None:
    ctx = Peer().ctx
    assert list(ctx.evse_ids) == [1, 2]
    assert ctx.evse(2) is None


def test_a_limit_goes_to_the_orders_of_its_evse_and_none_takes_it_away() -> None:
    peer = Peer()
    peer.ctx.limit(2, Limit("csms", 10.0), "csms")
    assert peer.ctx.orders.snapshot(peer.now).evses[1].limits == (Limit("csms", 10.0),)
    peer.ctx.limit(2, None, "csms")
    assert peer.ctx.orders.snapshot(peer.now).evses[1].limits == ()
