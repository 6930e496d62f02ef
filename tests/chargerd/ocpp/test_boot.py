from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chargerd.clock import ManualClock
from chargerd.ocpp import network_profiles, variables
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.boot import MAX_INTERVAL_S, RETRY_S, forget_boot_reason, keep_boot_reason
from chargerd.ocpp.effects import OpenLink, SetTime
from chargerd.ocpp.messages.data_transfer import DataTransfer
from chargerd.ocpp.messages.enums import (
    BootReason,
    GenericDeviceModelStatus,
    MessageTrigger,
    RegistrationStatus,
    ReportBase,
    TransactionEventEnum,
    TriggerReason,
)
from chargerd.ocpp.messages.provisioning import BootNotificationResponse, GetBaseReport, GetVariableData, GetVariables
from chargerd.ocpp.messages.transactions import Transaction, TransactionEvent
from chargerd.ocpp.messages.types import Component, Variable
from chargerd.ocpp.network_variables import NETWORK_CONFIGURATION_PRIORITY
from chargerd.ocpp.news import KeysReleased, Registration, RegistrationChanged
from chargerd.ocpp.provisioning import Provisioning
from chargerd.ocpp.settings import NetworkSlot
from chargerd.ocpp.time_source import HEARTBEAT_INTERVAL
from chargerd.store import Store
from tests.chargerd.ocpp.peer import Peer, config, network_of

UTC_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_peer(store: Store | None = None, clock: ManualClock | None = None, **settings: Any) -> Peer:
    def build(ctx: StationContext) -> Sequence[Block]:
        credentials, network = network_of(ctx)
        return credentials, network, Provisioning(ctx, network)

    return Peer(build, store=store, clock=clock, settings=config(**settings))


def answer(peer: Peer, status: RegistrationStatus, interval: int = 0, **changes: Any) -> None:
    """Answer the BootNotification that must be the oldest frame."""
    frame = peer.taken()
    assert frame[2] == "BootNotification"
    fields: dict[str, Any] = {"current_time": peer.now.utc, "interval": interval, "status": status}
    peer.answer(frame, BootNotificationResponse(**(fields | changes)))


def accepted(store: Store | None = None) -> Peer:
    peer = make_peer(store)
    peer.link_up()
    answer(peer, RegistrationStatus.ACCEPTED, 120)
    return peer


def trigger(peer: Peer) -> bool:
    triggers = {message: send for block in peer.blocks for message, send in block.triggers().items()}
    done: list[bool] = []
    peer.within(lambda now: done.append(triggers[MessageTrigger.BOOT_NOTIFICATION](None, now)))
    return done[0]


def queue_event(peer: Peer) -> None:
    event = TransactionEvent(
        event_type=TransactionEventEnum.STARTED,
        timestamp=UTC_NOW,
        trigger_reason=TriggerReason.AUTHORIZED,
        seq_no=0,
        transaction_info=Transaction(transaction_id="tx"),
    )
    peer.within(lambda now: peer.ctx.queue(event, now, "tx"))


def test_B01_FR_01_B01_FR_09_the_first_word_is_boot_notification_with_its_reason() -> None:
    peer = make_peer(boot_reason="Watchdog")
    assert not peer.frames
    peer.link_up()
    assert peer.taken()[2:] == [
        "BootNotification",
        {
            "chargingStation": {
                "model": "Model",
                "vendorName": "Maker",
                "serialNumber": "SN-1",
                "firmwareVersion": "1.0",
            },
            "reason": "Watchdog",
        },
    ]


def test_B01_FR_04_the_interval_of_an_accepted_boot_becomes_the_heartbeat_interval() -> None:
    peer = accepted()
    assert peer.ctx.variables[HEARTBEAT_INTERVAL] == 120
    assert peer.ctx.registration is Registration.ACCEPTED
    assert peer.ctx.online
    assert [news for news in peer.news if not isinstance(news, KeysReleased)] == [
        RegistrationChanged(Registration.ACCEPTED)
    ]


def test_an_interval_of_zero_leaves_the_heartbeat_interval_alone() -> None:
    peer = make_peer()
    before = peer.ctx.variables[HEARTBEAT_INTERVAL]
    peer.link_up()
    answer(peer, RegistrationStatus.ACCEPTED, 0)
    assert peer.ctx.variables[HEARTBEAT_INTERVAL] == before


def test_B01_FR_06_the_clock_is_set_from_the_answer() -> None:
    peer = make_peer(clock=ManualClock(synced=False))
    peer.link_up()
    answer(peer, RegistrationStatus.ACCEPTED, current_time=UTC_NOW + timedelta(days=9))
    assert peer.took(SetTime) == [SetTime(UTC_NOW + timedelta(days=9))]


def test_B01_FR_08_nothing_else_leaves_before_the_csms_has_accepted() -> None:
    peer = make_peer()
    queue_event(peer)
    peer.link_up()
    assert [frame[2] for frame in peer.frames] == ["BootNotification"]
    answer(peer, RegistrationStatus.PENDING, 60)
    peer.pass_time(59.0)
    assert not peer.frames
    peer.pass_time(2.0)
    answer(peer, RegistrationStatus.ACCEPTED, 60)
    assert [frame[2] for frame in peer.frames] == ["TransactionEvent"]


@pytest.mark.parametrize("status", [RegistrationStatus.PENDING, RegistrationStatus.REJECTED])
def test_B02_FR_08_B03_FR_06_a_station_not_accepted_asks_again_after_the_interval(status: RegistrationStatus) -> None:
    peer = make_peer()
    peer.link_up()
    answer(peer, status, 45)
    assert peer.ctx.registration == status.value
    assert not peer.ctx.online
    peer.pass_time(44.9)
    assert not peer.frames
    peer.pass_time(0.2)
    answer(peer, RegistrationStatus.ACCEPTED, 45)
    assert peer.ctx.online


@pytest.mark.parametrize("interval, wait_s", [(0, RETRY_S), (-5, RETRY_S), (10_000_000, MAX_INTERVAL_S)])
def test_B02_FR_07_without_a_sensible_interval_the_wait_is_our_own(interval: int, wait_s: float) -> None:
    peer = make_peer()
    peer.link_up()
    answer(peer, RegistrationStatus.PENDING, interval)
    peer.pass_time(wait_s - 0.1)
    assert not peer.frames
    peer.pass_time(0.2)
    assert peer.taken()[2] == "BootNotification"


def test_B02_FR_01_B02_FR_02_while_pending_questions_are_answered_and_reports_sent() -> None:
    peer = make_peer()
    peer.link_up()
    answer(peer, RegistrationStatus.PENDING, 60)
    wanted = GetVariableData(component=Component(name="ClockCtrlr"), variable=Variable(name="TimeSource"))
    results = peer.asked(GetVariables(get_variable_data=(wanted,))).get_variable_result
    assert results[0].attribute_value == "NTP,Heartbeat"
    report = GetBaseReport(request_id=4, report_base=ReportBase.CONFIGURATION_INVENTORY)
    assert peer.asked(report).status is GenericDeviceModelStatus.ACCEPTED
    assert peer.taken()[2] == "NotifyReport"


def test_B02_FR_04_F06_FR_17_a_triggered_boot_ignores_the_interval_until_accepted() -> None:
    peer = make_peer()
    peer.link_up()
    answer(peer, RegistrationStatus.PENDING, 600)
    assert trigger(peer)
    frame = peer.frames[0]
    assert frame[3]["reason"] == "Triggered"
    assert not trigger(peer)
    answer(peer, RegistrationStatus.ACCEPTED, 60)
    assert not trigger(peer)
    peer.pass_time(600.0)
    assert not peer.frames


def test_B03_FR_08_a_rejected_station_refuses_every_request() -> None:
    peer = make_peer()
    peer.link_up()
    answer(peer, RegistrationStatus.REJECTED, 60)
    assert peer.ask(DataTransfer(vendor_id="x"))[2] == "SecurityError"


def test_B03_FR_02_the_interval_holds_over_a_reconnect() -> None:
    peer = make_peer()
    peer.link_up()
    answer(peer, RegistrationStatus.REJECTED, 60)
    peer.link_down()
    peer.pass_time(20.0)
    peer.link_up()
    assert not peer.frames
    peer.pass_time(39.0)
    assert not peer.frames
    peer.pass_time(1.1)
    assert peer.taken()[2] == "BootNotification"


def test_an_interval_that_ran_out_while_the_link_was_down_is_made_good_with_the_next_link() -> None:
    peer = make_peer()
    peer.link_up()
    answer(peer, RegistrationStatus.PENDING, 60)
    peer.link_down()
    peer.pass_time(200.0)
    assert not peer.frames
    peer.link_up()
    assert [frame[2] for frame in peer.frames] == ["BootNotification"]


def test_a_boot_without_answer_is_sent_again_after_a_while() -> None:
    peer = make_peer()
    peer.link_up()
    peer.taken()
    peer.pass_time(30.0 + RETRY_S - 0.1)
    assert not peer.frames
    peer.pass_time(0.2)
    peer.refuse(peer.taken())
    peer.pass_time(RETRY_S + 0.1)
    answer(peer, RegistrationStatus.ACCEPTED)
    assert peer.ctx.online


def test_a_link_lost_before_the_answer_boots_again_with_the_next_link() -> None:
    peer = make_peer()
    peer.link_up()
    peer.taken()
    peer.link_down()
    peer.pass_time(3.0)
    peer.link_up()
    assert peer.taken()[2] == "BootNotification"


def test_a_reconnect_is_no_boot() -> None:
    peer = accepted()
    peer.link_down()
    peer.link_up()
    assert peer.ctx.online
    assert not peer.frames


def test_B10_FR_10_another_network_profile_needs_a_boot() -> None:
    store = Store(":memory:")
    store.put(network_profiles.NAMESPACE, "2", NetworkSlot(url="ws://second.example", security_profile=1))
    store.put(variables.NAMESPACE, str(NETWORK_CONFIGURATION_PRIORITY), "1,2")
    peer = accepted(store)
    queue_event(peer)
    peer.taken()
    while peer.took(OpenLink)[-1].slot != 2:
        peer.link_down()
        peer.pass_time(200.0)
    peer.link_up(slot=2)
    assert [frame[2] for frame in peer.frames] == ["BootNotification"]
    answer(peer, RegistrationStatus.ACCEPTED)
    assert peer.taken()[2] == "TransactionEvent"


def test_B01_FR_09_a_reason_noted_before_the_restart_is_told_until_a_boot_was_accepted() -> None:
    store = Store(":memory:")
    keep_boot_reason(make_peer(store).ctx, BootReason.SCHEDULED_RESET)
    for _ in range(2):
        peer = make_peer(store)
        peer.link_up()
        assert peer.frames[0][3]["reason"] == "ScheduledReset"
    answer(peer, RegistrationStatus.ACCEPTED)
    peer = make_peer(store)
    peer.link_up()
    assert peer.frames[0][3]["reason"] == "PowerUp"


def test_a_reason_for_a_restart_that_did_not_come_is_forgotten() -> None:
    store = Store(":memory:")
    peer = make_peer(store)
    keep_boot_reason(peer.ctx, BootReason.SCHEDULED_RESET)
    forget_boot_reason(peer.ctx)
    peer = make_peer(store)
    peer.link_up()
    assert peer.frames[0][3]["reason"] == "PowerUp"
