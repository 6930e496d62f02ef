"""The rules that hold for all blocks: one event is one transaction, a reply goes before its consequences, orders are
renewed, every action has one answer, and no fault of ours costs a session."""

import json
from collections import Counter
from typing import Any

import pytest

from chargerd.clock import Now
from chargerd.evse.types import ORDERS_LEASE_S
from chargerd.ocpp.block import Block
from chargerd.ocpp.effects import Effect, Note, OpenLink, SendText, SetOrders, Severity
from chargerd.ocpp.events import JobDone, LinkDown, LinkFailure, LinkUp, Received, StatusArrived, TimeStepped
from chargerd.ocpp.messages import INCOMING
from chargerd.ocpp.messages.provisioning import GetVariables
from chargerd.ocpp.messages.remote_control import RequestStartTransaction
from chargerd.ocpp.messages.smart_charging import SetChargingProfile
from chargerd.ocpp.news import ClockSet, News, SecurityEvent
from chargerd.ocpp.station import ORDERS_EVERY_S, Station
from chargerd.ocpp.variables import VariableError
from chargerd.store import Store, StoreError
from tests.chargerd.ocpp.building import Rig, board, tx_settings
from tests.chargerd.ocpp.messages.oracle import minimal
from tests.chargerd.ocpp.peer import config

HEARTBEAT = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}


def blocks(station: Station) -> tuple[Block, ...]:
    return station._blocks


def frames(effects: list[Effect]) -> list[list[Any]]:
    return [json.loads(effect.text) for effect in effects if isinstance(effect, SendText)]


def ask(rig: Rig, action: str, **payload: Any) -> list[Effect]:
    """One call of the CSMS; what the station does about it, in order, nothing performed."""
    rig.station.feed(Received(json.dumps([2, "csms-1", action, payload])), rig.clock.now())
    return rig.station.effects()


# ---- who answers ----


def test_no_two_blocks_answer_one_action_and_each_answered_action_is_one_of_the_csms() -> None:
    station = Rig().station
    answered = Counter(action for block in blocks(station) for action in block.handlers())
    assert set(answered.values()) == {1}
    assert set(answered) <= set(INCOMING)
    assert {GetVariables, SetChargingProfile, RequestStartTransaction} < set(answered)


def test_no_two_blocks_own_one_trigger_or_one_queued_answer() -> None:
    station = Rig().station
    for table in ("triggers", "answers"):
        owners = Counter(key for block in blocks(station) for key in getattr(block, table)())
        assert set(owners.values()) <= {1}, table


FOR_CONTROLLERS = {"PublishFirmware", "UnpublishFirmware"}
"""They are known, and refused: this station serves no others (L03, L04)."""


@pytest.mark.parametrize("action", sorted(call.action for call in INCOMING))
def test_every_action_of_the_csms_gets_one_answer_which_is_NotImplemented_where_no_block_gives_one(action: str) -> None:
    rig = Rig()
    rig.status()
    handled = {call.action for block in blocks(rig.station) for call in block.handlers()}
    replies = [frame for frame in frames(ask(rig, action, **minimal(f"{action}Request"))) if frame[1] == "csms-1"]
    assert len(replies) == 1
    if action in FOR_CONTROLLERS:
        assert replies[0][2] == "NotSupported"
    elif action in handled:
        assert replies[0][0] == 3, replies
    else:
        assert replies[0][0] == 4
        assert replies[0][2] == "NotImplemented"


@pytest.mark.parametrize("action", ["NoSuchAction", "Heartbeat", "", "bootNotification"])
def test_an_action_that_the_csms_cannot_ask_for_is_not_implemented(action: str) -> None:
    assert Rig().call(action)["errorCode"] == "NotImplemented"


def test_B03_FR_08_a_rejected_station_answers_every_request_with_SecurityError() -> None:
    rig = Rig(online=False)
    rig.csms.answers["BootNotification"] = {
        "currentTime": "2026-01-01T00:00:00Z",
        "interval": 300,
        "status": "Rejected",
    }
    rig.link_up()
    answer = rig.call("GetVariables", getVariableData=[HEARTBEAT])
    assert answer["errorCode"] == "SecurityError"


# ---- reply first ----


def test_a_reply_goes_out_before_anything_that_its_request_caused() -> None:
    rig = Rig()
    effects = ask(rig, "TriggerMessage", requestedMessage="Heartbeat")
    sent = frames(effects)
    assert [frame[0] for frame in sent] == [3, 2]
    assert sent[0][:2] == [3, "csms-1"]
    assert sent[1][2] == "Heartbeat"


def test_a_refusal_goes_out_before_the_notes_about_it() -> None:
    effects = ask(Rig(), "GetVariables")
    assert isinstance(effects[0], SendText)
    assert frames(effects)[0][0] == 4


# ---- nothing of ours costs a session ----


def broken(rig: Rig, error: Exception) -> None:
    """From now on the answer to GetVariables has a bug."""

    def fail(_request: Any, _now: Now) -> Any:
        raise error

    rig.station._handlers = {**rig.station._handlers, GetVariables: fail}


def test_a_handler_that_fails_is_an_InternalError_with_a_trace_in_the_log_and_the_station_lives_on() -> None:
    rig = Rig()
    broken(rig, ZeroDivisionError("a bug"))
    answer = rig.call("GetVariables", getVariableData=[HEARTBEAT])
    assert answer["errorCode"] == "InternalError"
    assert "a bug" not in answer["errorDescription"]
    (note,) = [effect for effect in rig.effects if isinstance(effect, Note) and effect.severity is Severity.ERROR]
    assert "GetVariables failed" in note.text
    assert "ZeroDivisionError: a bug" in note.text
    assert "\n" not in note.text
    rig.plug_in()
    rig.tap()
    rig.charge()
    assert rig.events()


def test_a_store_that_fails_in_a_handler_ends_the_station_and_nothing_is_answered() -> None:
    rig = Rig()
    broken(rig, StoreError("/state", "the disk is full", "free space"))
    with pytest.raises(StoreError, match="free space"):
        ask(rig, "GetVariables", getVariableData=[HEARTBEAT])


def test_what_failed_leaves_nothing_behind_in_the_store() -> None:
    rig = Rig()
    before = rig.store.count("outbox")

    def fails_late(_news: News, now: Now) -> None:
        rig.store.put("test", "key", "kept?")
        raise StoreError("/state", "the disk is full", "free space")

    blocks(rig.station)[-1].on_news = fails_late  # type: ignore[assignment, method-assign]
    rig.station.ctx.publish(SecurityEvent("SettingSystemTime"))
    with pytest.raises(StoreError):
        rig.station.on_time(rig.clock.now())
    assert rig.store.get("test", "key", str) is None
    assert rig.store.count("outbox") == before


def test_two_blocks_that_answer_each_others_news_are_found_out() -> None:
    rig = Rig()
    block = blocks(rig.station)[0]
    block.on_news = lambda _news, _now: rig.station.ctx.publish(ClockSet(1.0))  # type: ignore[assignment, method-assign]
    with pytest.raises(AssertionError, match="answer each other's news"):
        rig.feed(TimeStepped(1.0))


# ---- orders ----


def orders(effects: list[Effect]) -> list[SetOrders]:
    return [effect for effect in effects if isinstance(effect, SetOrders)]


def test_orders_are_given_only_after_the_first_status() -> None:
    rig = Rig()
    rig.advance(5.0)
    assert rig.all_orders == []
    rig.status()
    assert len(rig.all_orders) == 1


def test_orders_are_renewed_each_second_with_a_fresh_lease_and_at_once_when_they_change() -> None:
    rig = Rig(tx_settings("EVConnected", "EVConnected"))
    rig.status()
    given = orders(rig.effects)
    for _ in range(3):
        rig.advance(ORDERS_EVERY_S)
    renewed = orders(rig.effects)[len(given) :]
    assert len(renewed) == 3
    assert [order.orders.seq for order in renewed] == [2, 3, 4]
    assert renewed[-1].orders.valid_until_mono == rig.clock.monotonic() + ORDERS_LEASE_S
    assert len({order.orders.evses for order in renewed}) == 1
    before = len(orders(rig.effects))
    rig.plug_in()
    rig.tap()
    changed = orders(rig.effects)[before:]
    assert changed[-1].orders.evses[0].permit is True


def test_orders_go_on_while_the_control_process_is_silent_and_while_the_link_is_down() -> None:
    rig = Rig()
    rig.status()
    rig.status_lost()
    rig.link_down()
    before = len(rig.all_orders)
    rig.advance(3.0)
    assert len(rig.all_orders) == before + 3


def test_a_restarted_station_repeats_no_unlock() -> None:
    rig = Rig()
    rig.status(unlock_seq=7, unlocked=True)
    assert rig.orders().unlock_seq == 7


@pytest.mark.parametrize("evses, share_amps", [(1, 32.0), (2, 16.0)])
def test_the_site_fuse_is_shared_evenly(evses: int, share_amps: float) -> None:
    store = Store(":memory:")
    facts = board(evses)
    rig = Rig(facts=facts)
    station = Station(
        config(board=facts, fuse_amps=32.0), store, rig.clock.now(), new_id=lambda: "id", random=lambda: 0.0
    )
    station.effects()
    station.feed(StatusArrived(rig.snapshot()), rig.clock.now())
    (given,) = orders(station.effects())
    for evse in given.orders.evses:
        assert [limit.amps for limit in evse.limits if limit.source == "site fuse"] == [share_amps]


def test_without_a_site_fuse_there_is_no_such_row() -> None:
    rig = Rig()
    rig.status()
    assert "site fuse" not in {limit.source for limit in rig.orders().limits}


# ---- the sans-I/O contract ----


def test_an_override_that_no_block_knows_stops_the_start_with_its_name() -> None:
    with pytest.raises(VariableError, match="HeartbeatIntervall"):
        Rig({"OCPPCommCtrlr.HeartbeatIntervall": "5"})


def test_a_new_station_connects_at_once_and_each_effect_is_handed_out_once() -> None:
    rig = Rig(online=False)
    assert [type(effect) for effect in rig.effects if isinstance(effect, OpenLink)] == [OpenLink]
    assert rig.station.effects() == []


def test_the_deadline_is_in_the_past_for_nothing_that_was_just_dealt_with() -> None:
    rig = Rig()
    rig.status()
    for _ in range(50):
        deadline = rig.station.next_deadline()
        assert deadline is not None
        assert deadline > rig.clock.monotonic()
        rig.advance(deadline - rig.clock.monotonic())


def test_the_same_events_give_the_same_effects() -> None:
    def story() -> list[Effect]:
        rig = Rig()
        rig.status()
        rig.plug_in()
        rig.tap()
        rig.charge()
        rig.run(30, amps=16.0)
        rig.unplug()
        return rig.effects

    assert story() == story()


def test_a_link_that_could_not_be_opened_is_told_to_no_block_as_an_end() -> None:
    rig = Rig(online=False)
    ended: list[Now] = []
    blocks(rig.station)[-1].on_link_down = ended.append  # type: ignore[assignment, method-assign]
    rig.feed(LinkDown(1, LinkFailure.UNREACHABLE, "no route"))
    assert ended == []
    rig.feed(LinkUp(1))
    rig.feed(LinkDown(1, LinkFailure.UNREACHABLE, "lost"))
    assert len(ended) == 1


def test_a_job_that_nobody_waits_for_is_noted_and_ignored() -> None:
    rig = Rig()
    rig.feed(JobDone("job-1"))
    assert any("job-1" in note and "ignoring" in note for note in rig.notes())
