from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chargerd.clock import ManualClock
from chargerd.evse.faults import FaultCode
from chargerd.evse.types import ActiveFault
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.edges import Change, FaultCleared, FaultRaised
from chargerd.ocpp.events import MemoryMeasured
from chargerd.ocpp.messages.enums import SetVariableStatus
from chargerd.ocpp.messages.provisioning import SetVariableData, SetVariables
from chargerd.ocpp.messages.security import SecurityEventNotificationResponse
from chargerd.ocpp.messages.types import Component, Variable
from chargerd.ocpp.news import ClockSet, SecurityEvent
from chargerd.ocpp.outbox import MAX_ROWS as QUEUE_ROWS
from chargerd.ocpp.outbox import SECURITY_EVENTS
from chargerd.ocpp.provisioning import Provisioning
from chargerd.ocpp.security import DISK_FREE_AGAIN_BYTES, DISK_FREE_BYTES, MAX_UNDELIVERED, Security
from chargerd.ocpp.security_log import MAX_ROWS, QUEUE, LoggedEvent, SecurityLog
from chargerd.ocpp.settings import NetworkSlot, StationConfig
from chargerd.store import Store
from tests.chargerd.ocpp.peer import Peer, config, network_of

START = datetime(2026, 1, 1, tzinfo=UTC)
ROOM = MemoryMeasured(ram_used=0.2, disk_free_bytes=DISK_FREE_AGAIN_BYTES)


def make_peer(
    store: Store | None = None,
    *,
    synced: bool = True,
    boot_reason: str = "PowerUp",
    settings: StationConfig | None = None,
) -> Peer:
    def build(ctx: StationContext) -> Sequence[Block]:
        credentials, network = network_of(ctx)
        return credentials, network, Provisioning(ctx, network), Security(ctx, SecurityLog(ctx.store))

    clock = ManualClock(utc=START, synced=synced)
    return Peer(build, store=store, clock=clock, settings=settings or config(boot_reason=boot_reason))


def online(peer: Peer) -> Peer:
    peer.link_up()
    boot = peer.taken()
    answer = {"currentTime": peer.now.utc.isoformat(), "interval": 60, "status": "Accepted"}
    peer.receive([3, boot[1], answer])
    return peer


def started() -> Peer:
    """Online, and the CSMS has heard of the start."""
    peer = online(make_peer())
    peer.answer(peer.taken(), SecurityEventNotificationResponse())
    return peer


def security(peer: Peer) -> Security:
    return next(block for block in peer.blocks if isinstance(block, Security))


def publish(peer: Peer, kind: str, tech_info: str = "") -> None:
    def act(_now: object) -> None:
        peer.ctx.publish(SecurityEvent(kind, tech_info))

    peer.within(act)


def changed(peer: Peer, *changes: Change) -> None:
    for change in changes:
        peer.within(lambda now, change=change: security(peer).on_change(change, now))  # type: ignore[misc]


def measured(peer: Peer, **fields: Any) -> None:
    event = MemoryMeasured(**{"ram_used": ROOM.ram_used, "disk_free_bytes": ROOM.disk_free_bytes} | fields)
    peer.within(lambda now: security(peer).memory_measured(event, now))


def logged(peer: Peer) -> list[str]:
    return [event.kind for _, event in peer.store.rows(QUEUE, LoggedEvent, limit=10_000)]


def infos(peer: Peer, kind: str) -> list[str]:
    return [event.tech_info for _, event in peer.store.rows(QUEUE, LoggedEvent, limit=10_000) if event.kind == kind]


def delivered(peer: Peer) -> list[tuple[str, str]]:
    """The events that the CSMS is told, all answered: type and techInfo."""
    found = []
    while peer.frames:
        frame = peer.taken()
        found.append((frame[3]["type"], frame[3].get("techInfo", "")))
        peer.answer(frame, SecurityEventNotificationResponse())
    return found


# ---- the start, delivery, the log ----


@pytest.mark.parametrize(
    "reason, kind",
    [
        ("PowerUp", "StartupOfTheDevice"),
        ("Unknown", "StartupOfTheDevice"),
        ("Watchdog", "ResetOrReboot"),
        ("RemoteReset", "ResetOrReboot"),
    ],
)
def test_the_start_is_an_event_that_follows_the_accepted_boot(reason: str, kind: str) -> None:
    frame = online(make_peer(boot_reason=reason)).taken()
    assert frame[2] == "SecurityEventNotification"
    assert frame[3]["type"] == kind
    assert frame[3]["timestamp"] == "2026-01-01T00:00:00Z"


def test_a_start_with_a_wrong_clock_is_told_with_the_time_found_out_later() -> None:
    peer = make_peer(synced=False)
    assert logged(peer) == []
    peer.clock.advance(10.0)
    peer.clock.set_utc(START + timedelta(days=3))
    assert online(peer).taken()[3]["timestamp"] == "2026-01-03T23:59:50Z"
    assert logged(peer) == ["StartupOfTheDevice"]


def test_a_reconnect_is_no_start() -> None:
    peer = started()
    peer.link_down()
    peer.link_up()
    assert not peer.frames
    assert logged(peer) == ["StartupOfTheDevice"]


def test_A04_FR_01_A04_FR_02_a_critical_event_is_delivered_even_if_it_happened_offline_before_a_restart() -> None:
    store = Store(":memory:")
    offline = make_peer(store)
    publish(offline, "TamperDetectionActivated", "lid open" + "!" * 300)
    found = delivered(online(make_peer(store)))
    assert [kind for kind, _ in found] == ["StartupOfTheDevice", "TamperDetectionActivated", "StartupOfTheDevice"]
    assert len(found[1][1]) == 255


def test_A04_FR_04_every_event_is_logged_and_one_that_is_not_critical_goes_no_further() -> None:
    peer = started()
    publish(peer, "InvalidMessages")
    assert not peer.frames
    assert peer.outbox.pending() == 0
    assert logged(peer) == ["StartupOfTheDevice", "InvalidMessages"]


def test_A04_FR_04_the_log_rolls() -> None:
    peer = make_peer()
    for number in range(MAX_ROWS + 5):
        publish(peer, f"e{number}")
    kinds = logged(peer)
    assert len(kinds) == MAX_ROWS
    assert (kinds[0], kinds[-1]) == ("e5", f"e{MAX_ROWS + 4}")


# ---- what flaps ----


def test_what_repeats_is_told_a_few_times_and_then_counted() -> None:
    peer = started()
    for _ in range(50):
        publish(peer, "MaintenanceLoginFailed", "uid 1000")
        peer.clock.advance(1.0)
    assert delivered(peer) == [("MaintenanceLoginFailed", "uid 1000")] * 3
    peer.pass_time(3600.0 - 50.0 + 1.0)
    more = ("MaintenanceLoginFailed", "uid 1000 (47 more in 3600 s, the last at 2026-01-01T00:00:49Z)")
    assert delivered(peer) == [more]
    assert infos(peer, "MaintenanceLoginFailed") == [*["uid 1000"] * 3, more[1]]
    peer.pass_time(7200.0)
    publish(peer, "MaintenanceLoginFailed", "uid 1000")
    assert delivered(peer) == [("MaintenanceLoginFailed", "uid 1000")]


def test_a_cause_that_flaps_for_a_day_offline_fills_neither_log_nor_queue() -> None:
    peer = make_peer()
    for number in range(24 * 60):
        for _ in range(3):
            publish(peer, "TamperDetectionActivated", f"text {number}")
        peer.pass_time(60.0)
    publish(peer, "MaintenanceLoginAccepted", "the first of its kind")
    assert peer.outbox.pending() <= MAX_UNDELIVERED + 5
    found = delivered(online(peer))
    assert ("MaintenanceLoginAccepted", "the first of its kind") in found
    more = [info for kind, info in found if kind == "TamperDetectionActivated" and "more of these" in info]
    assert len(more) == 1


def test_what_was_held_back_is_known_over_a_restart() -> None:
    store = Store(":memory:")
    peer = make_peer(store)
    for number in range(MAX_UNDELIVERED + 20):
        publish(peer, "TamperDetectionActivated", f"text {number}")
        peer.pass_time(3601.0)
    held = MAX_UNDELIVERED + 20 - (peer.outbox.pending(SECURITY_EVENTS) - 1)
    assert held > 10
    found = delivered(online(make_peer(store)))
    assert found[-1] == ("TamperDetectionActivated", f"{held} more of these; the security log has them")


# ---- causes ----


@pytest.mark.parametrize("by_s, told", [(19.0, False), (-21.0, True), (3600.0, True)])
def test_setting_the_clock_far_is_a_security_event(by_s: float, told: bool) -> None:
    peer = make_peer()
    peer.ctx.publish(ClockSet(by_s))
    peer.within(lambda _now: None)
    assert ("SettingSystemTime" in logged(peer)) is told


def test_an_open_enclosure_is_one_event_however_many_evses_tell_of_it() -> None:
    peer = started()
    fault = ActiveFault(FaultCode.ENCLOSURE_OPEN, 0.0)
    changed(peer, FaultRaised(1, fault), FaultRaised(2, fault))
    assert delivered(peer) == [("TamperDetectionActivated", "the enclosure is open")]
    changed(peer, FaultCleared(1, FaultCode.ENCLOSURE_OPEN), FaultRaised(1, fault))
    assert delivered(peer) == []
    changed(peer, FaultCleared(1, FaultCode.ENCLOSURE_OPEN), FaultCleared(2, FaultCode.ENCLOSURE_OPEN))
    peer.pass_time(3601.0)
    changed(peer, FaultRaised(2, fault))
    assert delivered(peer) == [("TamperDetectionActivated", "the enclosure is open")]


def test_another_fault_is_no_tampering() -> None:
    peer = started()
    changed(peer, FaultRaised(1, ActiveFault(FaultCode.OVER_TEMPERATURE, 0.0)))
    assert logged(peer) == ["StartupOfTheDevice"]


@pytest.mark.parametrize(
    "little, info",
    [
        ({"ram_used": 0.93}, "memory: 93% used"),
        ({"disk_free_bytes": 1024 * 1024}, "disk: 1024 KiB free"),
    ],
)
def test_room_that_runs_out_is_an_event_once_until_there_was_room_again(little: dict[str, Any], info: str) -> None:
    peer = started()
    measured(peer)
    measured(peer, **little)
    measured(peer, **little)
    assert delivered(peer) == [("MemoryExhaustion", info)]
    peer.pass_time(3600.0)
    measured(peer, ram_used=0.85, disk_free_bytes=DISK_FREE_BYTES)  # neither little nor enough
    measured(peer, **little)
    assert delivered(peer) == []
    measured(peer)
    measured(peer, **little)
    assert delivered(peer) == [("MemoryExhaustion", info)]


def test_what_cannot_be_measured_is_not_exhausted() -> None:
    peer = started()
    measured(peer, ram_used=None, disk_free_bytes=None)
    assert logged(peer) == ["StartupOfTheDevice"]


def test_a_queue_without_room_is_memory_that_ran_out() -> None:
    peer = started()
    peer.outbox._count = QUEUE_ROWS
    measured(peer)
    assert infos(peer, "MemoryExhaustion") == ["message queue: full"]


@pytest.mark.parametrize(
    "frame, info",
    [
        ("{", "no message: RpcFrameworkError"),
        ([], "no message: RpcFrameworkError"),
        ([7, "x"], "no message: MessageTypeNotSupported"),
        ([2, "x", "Reset"], "no CALL: RpcFrameworkError"),
        ([2, "x", "Bogus\n<b>", {}], "unknown action: NotImplemented"),
        ([2, "x", "Reset", {"type": "Sideways"}], "Reset: PropertyConstraintViolation"),
        ([2, "x", "Reset", {}], "Reset: OccurrenceConstraintViolation"),
    ],
)
def test_a_frame_that_is_no_ocpp_is_logged_in_words_of_ours(frame: object, info: str) -> None:
    peer = started()
    for _ in range(100):
        peer.receive(frame)
    assert infos(peer, "InvalidMessages") == [info] * 3
    assert peer.outbox.pending() == 0


def test_an_answer_that_is_none_is_an_invalid_message_and_a_refusal_is_not() -> None:
    peer = online(make_peer())
    frame = peer.taken()
    peer.receive([3, frame[1], {"status": "whatever"}])
    assert infos(peer, "InvalidMessages") == ["answer to SecurityEventNotification: FormatViolation"]
    peer.receive([2, "x", "Reset", {"type": "Immediate"}])  # right, and nobody here does it
    assert infos(peer, "InvalidMessages") == ["answer to SecurityEventNotification: FormatViolation"]


def test_A01_FR_11_a_variable_that_matters_for_security_is_told_by_its_name_alone() -> None:
    peer = started()
    name = SetVariableData(
        component=Component(name="SecurityCtrlr"), variable=Variable(name="OrganizationName"), attribute_value="ACME"
    )
    secret = SetVariableData(
        component=Component(name="SecurityCtrlr"),
        variable=Variable(name="BasicAuthPassword"),
        attribute_value="0123456789abcdef",
    )
    answer = peer.asked(SetVariables(set_variable_data=(name, secret)))
    assert {each.attribute_status for each in answer.set_variable_result} == {SetVariableStatus.ACCEPTED}
    assert infos(peer, "ReconfigurationOfSecurityParameters") == ["OrganizationName", "BasicAuthPassword"]


def test_a_change_of_the_order_of_networks_is_told() -> None:
    peer = started()
    name = SetVariableData(
        component=Component(name="OCPPCommCtrlr"),
        variable=Variable(name="NetworkConfigurationPriority"),
        attribute_value="1",
    )
    peer.asked(SetVariables(set_variable_data=(name,)))
    assert infos(peer, "ReconfigurationOfSecurityParameters") == ["NetworkConfigurationPriority"]


def test_a_connection_on_another_security_profile_is_told_even_after_a_restart() -> None:
    store = Store(":memory:")
    online(make_peer(store))
    online(make_peer(store))
    settings = config(network=NetworkSlot(url="wss://csms.example/ocpp", security_profile=2))
    peer = online(make_peer(store, settings=settings))
    assert infos(peer, "ReconfigurationOfSecurityParameters") == ["SecurityProfile from 1 to 2"]


# ---- a log that is not as it was left ----


def test_a_log_that_lost_rows_is_an_event_at_the_next_start_and_at_no_other() -> None:
    store = Store(":memory:")
    peer = online(make_peer(store))
    publish(peer, "MaintenanceLoginAccepted", "uid 0")
    publish(peer, "MaintenanceLoginFailed", "uid 1")
    store.remove(QUEUE, store.rows(QUEUE, LoggedEvent)[1][0])
    make_peer(store)
    again = make_peer(store)
    assert infos(again, "SecurityLogWasCleared") == ["row 2 is missing"]


def test_a_log_that_was_emptied_is_an_event() -> None:
    store = Store(":memory:")
    online(make_peer(store))
    store.remove(QUEUE, store.rows(QUEUE, LoggedEvent)[0][0])
    found = delivered(online(make_peer(store)))
    assert ("SecurityLogWasCleared", "row 1 is missing") in found


def test_a_new_store_was_not_cleared() -> None:
    assert logged(make_peer()) == ["StartupOfTheDevice"]
