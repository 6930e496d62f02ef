"""The instant that has certainly passed: it grows when a CSMS was verified, seldom, and never by a clock alone."""

from datetime import UTC, datetime, timedelta

from chargerd.clock import Now
from chargerd.ocpp.clock_floor import WRITTEN_EVERY, ClockFloor
from chargerd.store import Store
from tests.chargerd.ocpp.peer import Peer, config

RELEASED = datetime(2025, 11, 1, tzinfo=UTC)


def floor_of(store: Store, released_utc: datetime | None = RELEASED) -> tuple[ClockFloor, Peer]:
    peer = Peer(store=store, settings=config(released_utc=released_utc))
    floor = ClockFloor(peer.ctx)
    floor.load()
    return floor, peer


def test_it_begins_with_the_release_of_the_software() -> None:
    assert floor_of(Store(":memory:"))[0].utc == RELEASED
    assert floor_of(Store(":memory:"), None)[0].utc is None


def test_a_verified_csms_moves_it_and_that_is_known_after_a_restart() -> None:
    store = Store(":memory:")
    floor, peer = floor_of(store)
    floor.verified(peer.now)
    assert floor.utc == peer.now.utc
    assert floor_of(store)[0].utc == peer.now.utc
    newer = peer.now.utc + timedelta(days=1)
    assert floor_of(store, newer)[0].utc == newer


def test_it_is_written_a_few_times_a_day_at_most() -> None:
    floor, peer = floor_of(Store(":memory:"))
    before = peer.store.commits
    for _ in range(24 * 6):
        floor.verified(peer.now)
        peer.clock.advance(600.0)
    assert peer.store.commits - before == timedelta(days=1) / WRITTEN_EVERY


def test_it_never_goes_back_and_does_not_believe_a_clock_that_nobody_has_set() -> None:
    store = Store(":memory:")
    floor, peer = floor_of(store)
    floor.verified(peer.now)
    before = floor.utc
    peer.clock.set_utc(RELEASED)
    floor.verified(peer.now)
    assert floor.utc == before
    unsynced = Now(mono=1.0, utc=RELEASED, synced=False)
    other, _peer = floor_of(Store(":memory:"), None)
    other.verified(unsynced)
    assert other.utc is None
