"""The socket's lock: held while energy may flow, released on request, judged by its contact."""

import pytest

from chargerd.evse.lock import TRAVEL_S, TRIES_S, UNLOCK_S, LockKeeper
from hal.types import LockReading


class Socket:
    """A lock keeper and the clock of its ticks."""

    def __init__(self, fitted: bool = True) -> None:
        self.keeper = LockKeeper(fitted)
        self.mono = 1000.0

    def tick(
        self,
        seen: bool | str | None,
        hold: bool,
        unlock_seq: int = 0,
        energy: bool = False,
        *,
        seconds: float = 0.02,
        connected: bool = True,
    ) -> bool:
        self.mono += seconds
        reading = None if isinstance(seen, str) else LockReading(seen, self.mono)
        self.keeper.read(reading, connected, self.mono)
        self.keeper.request(unlock_seq, energy, self.mono)
        return self.keeper.drive(hold, self.mono)

    def confirmed(self) -> bool:
        return self.keeper.confirmed

    def off_course(self) -> bool:
        return self.keeper.off_course

    def silent(self) -> bool:
        return self.keeper.silent

    def unlocked(self) -> bool | None:
        return self.keeper.unlocked

    def broken(self) -> bool:
        return self.keeper.broken

    def session(self, seen: bool | str, tries_s: float = TRIES_S) -> None:
        """A plug comes, the lock is to hold it, and shows `seen` all the while; then the plug goes."""
        self.tick(False, hold=True)
        self.tick(seen, hold=True, seconds=tries_s)
        self.tick(seen, hold=False)
        self.tick(False, hold=False, connected=False)


def test_the_plug_is_held_when_asked_and_let_go_otherwise() -> None:
    socket = Socket()
    assert socket.tick(False, hold=True)
    assert not socket.confirmed()
    assert socket.tick(True, hold=True)
    assert socket.confirmed()
    assert not socket.tick(True, hold=False)
    socket.tick(False, hold=False)
    assert not socket.confirmed()


def test_a_lock_that_is_not_fitted_is_never_driven() -> None:
    socket = Socket(fitted=False)
    assert not socket.tick(True, hold=True)
    assert not socket.confirmed()
    assert not socket.off_course()


def test_a_silent_lock_confirms_nothing() -> None:
    socket = Socket()
    socket.tick(True, hold=True)
    socket.tick("silent", hold=True)
    assert socket.silent()
    assert not socket.confirmed()
    assert socket.keeper.seen is None


def test_a_lock_off_its_course_is_seen_in_both_directions() -> None:
    socket = Socket()
    socket.tick(False, hold=True)
    socket.tick(False, hold=True)
    assert socket.off_course()
    socket.tick(True, hold=False)
    assert not socket.off_course()
    socket.tick(True, hold=False)
    assert socket.off_course()


def test_a_lock_without_contact_is_confirmed_after_its_travel_time() -> None:
    socket = Socket()
    socket.tick(None, hold=True)
    socket.tick(None, hold=True, seconds=TRAVEL_S - 0.01)
    assert not socket.confirmed()
    socket.tick(None, hold=True)
    assert socket.confirmed()
    assert not socket.off_course()


def test_the_first_counter_seen_is_no_request() -> None:
    socket = Socket()
    socket.tick(False, hold=False, unlock_seq=7)
    assert socket.keeper.unlock_seq == 7
    assert socket.unlocked() is None


def test_a_request_is_dealt_with_once_the_lock_is_seen_open() -> None:
    socket = Socket()
    socket.tick(True, hold=True)
    assert not socket.tick(True, hold=True, unlock_seq=1)
    socket.tick(True, hold=True, unlock_seq=1)
    assert socket.keeper.unlock_seq == 0
    socket.tick(False, hold=True, unlock_seq=1)
    assert socket.keeper.unlock_seq == 1
    assert socket.unlocked() is True


def test_a_request_fails_after_3_seconds() -> None:
    socket = Socket()
    socket.tick(True, hold=False)
    socket.tick(True, hold=False, unlock_seq=1)
    socket.tick(True, hold=False, unlock_seq=1, seconds=UNLOCK_S - 0.01)
    assert socket.unlocked() is None
    socket.tick(True, hold=False, unlock_seq=1)
    assert socket.keeper.unlock_seq == 1
    assert socket.unlocked() is False


def test_a_silent_lock_fails_a_request() -> None:
    socket = Socket()
    socket.tick("silent", hold=False)
    socket.tick("silent", hold=False, unlock_seq=1)
    socket.tick("silent", hold=False, unlock_seq=1, seconds=UNLOCK_S)
    assert socket.unlocked() is False


def test_a_lock_without_contact_is_taken_to_have_opened_after_its_travel_time() -> None:
    socket = Socket()
    socket.tick(None, hold=True)
    socket.tick(None, hold=True, seconds=5.0)
    assert not socket.tick(None, hold=True, unlock_seq=1)
    socket.tick(None, hold=True, unlock_seq=1, seconds=TRAVEL_S - 0.01)
    assert socket.unlocked() is None
    socket.tick(None, hold=True, unlock_seq=1)
    assert socket.unlocked() is True


def test_a_request_while_energy_is_allowed_is_refused() -> None:
    socket = Socket()
    socket.tick(True, hold=True, energy=True)
    assert socket.tick(True, hold=True, unlock_seq=1, energy=True)
    assert socket.keeper.unlock_seq == 1
    assert socket.unlocked() is False


def test_without_a_lock_a_request_succeeds_since_nothing_is_held() -> None:
    socket = Socket(fitted=False)
    socket.tick("silent", hold=False)
    socket.tick("silent", hold=False, unlock_seq=1)
    assert socket.keeper.unlock_seq == 1
    assert socket.unlocked() is True


def test_a_counter_that_fell_is_a_new_station_and_no_request() -> None:
    socket = Socket()
    socket.tick(True, hold=True, unlock_seq=5)
    assert socket.tick(True, hold=True, unlock_seq=2)
    assert socket.keeper.unlock_seq == 2
    assert socket.unlocked() is None


@pytest.mark.parametrize("repeats", [1, 5])
def test_the_same_counter_again_is_no_new_request(repeats: int) -> None:
    socket = Socket()
    socket.tick(False, hold=False)
    socket.tick(False, hold=False, unlock_seq=1)
    socket.tick(False, hold=False, unlock_seq=1)
    for _ in range(repeats):
        assert socket.tick(True, hold=True, unlock_seq=1)
    assert socket.unlocked() is True


def test_each_locking_is_counted() -> None:
    socket = Socket()
    for _ in range(3):
        socket.tick(False, hold=True)
        socket.tick(True, hold=True)
        socket.tick(True, hold=False)
    assert socket.keeper.cycles == 3


def test_a_lock_that_holds_none_of_three_plugs_in_a_row_is_broken_until_it_holds_one() -> None:
    socket = Socket()
    socket.session(False)
    socket.session(False)
    assert not socket.broken()
    socket.session(False)
    assert socket.broken()
    socket.tick(False, hold=True)
    assert socket.broken()
    socket.tick(True, hold=True)
    assert not socket.broken()


def test_a_plug_that_was_held_ends_the_row_of_those_that_were_not() -> None:
    socket = Socket()
    for seen in (False, False, True, False, False):
        socket.session(seen)
    assert not socket.broken()


def test_a_lock_that_had_no_time_or_says_nothing_is_not_blamed() -> None:
    socket = Socket()
    for _ in range(4):
        socket.session(False, tries_s=TRIES_S - 0.03)
        socket.session("silent")
    assert not socket.broken()


def test_a_plug_that_stays_counts_once_however_often_it_is_tried() -> None:
    socket = Socket()
    for _ in range(5):
        socket.tick(False, hold=True)
        socket.tick(False, hold=True, seconds=TRIES_S)
        socket.tick(False, hold=False)
    assert not socket.broken()


def test_before_anything_was_read_nothing_is_held_and_nothing_is_wrong() -> None:
    keeper = LockKeeper(fitted=True)
    assert (keeper.locked, keeper.confirmed, keeper.off_course, keeper.broken) == (False, False, False, False)
    assert (keeper.silent, keeper.seen, keeper.cycles, keeper.unlock_seq) == (True, None, 0, -1)
    assert (TRAVEL_S, UNLOCK_S, TRIES_S) == (1.0, 3.0, 3.0)


def test_a_lock_has_arrived_and_has_tried_from_the_very_moment_on() -> None:
    keeper = LockKeeper(fitted=True)
    keeper.drive(True, 0.0)
    keeper.read(LockReading(None, TRAVEL_S), True, TRAVEL_S)
    assert keeper.confirmed
    for session in range(3):
        began = 100.0 * session
        keeper.drive(False, began)
        keeper.read(LockReading(False, began), False, began)
        keeper.drive(True, began)
        keeper.read(LockReading(False, began + TRIES_S), True, began + TRIES_S)
    keeper.read(LockReading(False, 300.0), False, 300.0)
    assert keeper.broken


def test_the_result_of_a_release_stands_while_energy_is_allowed_again() -> None:
    socket = Socket()
    socket.tick(False, hold=False)
    socket.tick(False, hold=False, unlock_seq=1)
    socket.tick(False, hold=False, unlock_seq=1)
    assert socket.unlocked() is True
    socket.tick(True, hold=True, unlock_seq=1, energy=True)
    assert socket.unlocked() is True
