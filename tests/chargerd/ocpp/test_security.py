from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from chargerd.clock import ManualClock
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.messages.security import SecurityEventNotificationResponse
from chargerd.ocpp.news import ClockSet, SecurityEvent
from chargerd.ocpp.provisioning import Provisioning
from chargerd.ocpp.security import CRITICAL, LOG, LOG_ROWS, LoggedEvent, Security
from chargerd.store import Store
from tests.chargerd.ocpp.peer import Peer, config, network_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_peer(store: Store | None = None, *, synced: bool = True, boot_reason: str = "PowerUp") -> Peer:
    def build(ctx: StationContext) -> Sequence[Block]:
        credentials, network = network_of(ctx)
        return credentials, network, Provisioning(ctx, network), Security(ctx)

    clock = ManualClock(utc=START, synced=synced)
    return Peer(build, store=store, clock=clock, settings=config(boot_reason=boot_reason))


def online(peer: Peer) -> Peer:
    peer.link_up()
    boot = peer.taken()
    answer = {"currentTime": peer.now.utc.isoformat(), "interval": 60, "status": "Accepted"}
    peer.receive([3, boot[1], answer])
    return peer


def publish(peer: Peer, kind: str, tech_info: str = "") -> None:
    def act(_now: object) -> None:
        peer.ctx.publish(SecurityEvent(kind, tech_info))

    peer.within(act)


def logged(peer: Peer) -> list[str]:
    return [event.kind for _, event in peer.store.rows(LOG, LoggedEvent, limit=10_000)]


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
    peer = online(make_peer())
    peer.answer(peer.taken(), SecurityEventNotificationResponse())
    peer.link_down()
    peer.link_up()
    assert not peer.frames
    assert logged(peer) == ["StartupOfTheDevice"]


def test_A04_FR_01_A04_FR_02_a_critical_event_is_delivered_even_if_it_happened_offline_before_a_restart() -> None:
    store = Store(":memory:")
    offline = make_peer(store)
    publish(offline, "TamperDetectionActivated", "lid open" + "!" * 300)
    peer = online(make_peer(store))
    found = []
    while peer.frames:
        frame = peer.taken()
        found.append((frame[3]["type"], len(frame[3]["techInfo"])))
        peer.answer(frame, SecurityEventNotificationResponse())
    kinds = [kind for kind, _ in found]
    assert kinds == ["StartupOfTheDevice", "TamperDetectionActivated", "StartupOfTheDevice"]
    assert found[1][1] == 255


def test_A04_FR_04_every_event_is_logged_and_one_that_is_not_critical_goes_no_further() -> None:
    peer = online(make_peer())
    peer.answer(peer.taken(), SecurityEventNotificationResponse())
    publish(peer, "InvalidMessages")
    assert not peer.frames
    assert peer.outbox.pending() == 0
    assert logged(peer) == ["StartupOfTheDevice", "InvalidMessages"]


def test_A04_FR_04_the_log_rolls() -> None:
    peer = make_peer()
    with peer.store.transaction():
        for number in range(LOG_ROWS + 5):
            peer.store.append(LOG, LoggedEvent(f"e{number}", START))
    publish(peer, "newest")
    kinds = logged(peer)
    assert len(kinds) == LOG_ROWS
    assert kinds[-1] == "newest"


@pytest.mark.parametrize("by_s, told", [(19.0, False), (-21.0, True), (3600.0, True)])
def test_setting_the_clock_far_is_a_security_event(by_s: float, told: bool) -> None:
    peer = make_peer()
    peer.ctx.publish(ClockSet(by_s))
    peer.within(lambda _now: None)
    assert ("SettingSystemTime" in logged(peer)) is told


def test_the_critical_events_are_those_of_the_appendix() -> None:
    assert len(CRITICAL) == 16
    assert "FailedToAuthenticateAtCsms" not in CRITICAL
