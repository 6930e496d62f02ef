import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from hal.drivers.lock_gpio import PULSES, GpioLock, Settings
from hal.sim.plant import LOCK_S
from hal.types import DeviceMissing
from tests.hal.drivers.fake_gpiod import WIRINGS, FakeKernel, gpiod_wiring
from tests.hal.drivers.gpio_bench import Bench, Pin, Wiring
from tests.hal.plants import World

DRIVE_S = 0.25
TICK_S = 1 / 64  # so that sums of it are exact


@pytest.fixture(params=WIRINGS)
def wiring(request: pytest.FixtureRequest) -> Wiring:
    return WIRINGS[request.param](Bench(World()))


def open_lock(wiring: Wiring, **keys: Any) -> GpioLock:
    tables = {
        "lock": wiring.output(Pin.LOCK),
        "unlock": wiring.output(Pin.UNLOCK),
        "feedback": wiring.input(Pin.LOCKED),
        "drive_ms": round(DRIVE_S * 1000),
    }
    return GpioLock(Settings(**{**tables, **keys}), wiring.slot("lock"))


def run(wiring: Wiring, lock: GpioLock, locked: bool, seconds: float) -> list[set[int]]:
    """What is driven in each tick while the loop asks for `locked`."""
    driven = []
    for _ in range(round(seconds / TICK_S)):
        lock.set(locked)
        lock.read()
        driven.append(wiring.bench.high & {Pin.LOCK, Pin.UNLOCK})
        wiring.bench.world.wait(TICK_S)
    return driven


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5.0
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    return condition()


def test_one_pulse_moves_it_and_ends_in_time(wiring: Wiring) -> None:
    lock = open_lock(wiring)
    driven = run(wiring, lock, True, 2.0)
    assert lock.read().locked is True
    assert driven.count({Pin.LOCK}) == round(DRIVE_S / TICK_S)
    assert driven[0] == {Pin.LOCK}
    assert driven[-1] == set()
    assert {Pin.UNLOCK} in run(wiring, lock, False, 2.0)
    assert lock.read().locked is False


def test_nothing_moves_before_somebody_asks_or_when_it_is_there_already(wiring: Wiring) -> None:
    lock = open_lock(wiring)
    lock.read()
    assert not any(run(wiring, lock, False, 1.0))


def test_a_lock_that_does_not_arrive_is_driven_a_few_times_with_pauses(wiring: Wiring) -> None:
    wiring.bench.world.evse.fault("lock_jam")
    lock = open_lock(wiring)
    driven = run(wiring, lock, True, 10.0)
    begins = [now for before, now in itertools.pairwise([set(), *driven]) if now and not before]
    assert len(begins) == PULSES
    assert driven.count({Pin.LOCK}) == PULSES * round(DRIVE_S / TICK_S)
    assert lock.read().locked is False


def test_a_lock_without_contact_gets_one_pulse(wiring: Wiring) -> None:
    lock = open_lock(wiring, feedback=None)
    driven = run(wiring, lock, True, 3.0)
    assert driven.count({Pin.LOCK}) == round(DRIVE_S / TICK_S)
    assert lock.read().locked is None


def test_it_never_drives_both_ways_at_once_however_often_the_wish_changes(wiring: Wiring) -> None:
    lock = open_lock(wiring)
    for locked in (True, False) * 20:
        for driven in run(wiring, lock, locked, 0.1):
            assert driven <= {Pin.LOCK if locked else Pin.UNLOCK}


def test_a_pulse_ends_by_itself_when_the_loop_does_not_come_back(wiring: Wiring) -> None:
    lock = open_lock(wiring, drive_ms=20)
    lock.set(True)
    assert until(lambda: Pin.LOCK not in wiring.bench.high)


def test_the_timer_of_an_old_pulse_does_not_cut_a_new_one(wiring: Wiring) -> None:
    lock = open_lock(wiring, drive_ms=1000)
    before = threading.active_count()
    others = set(threading.enumerate())
    lock.set(True)
    (timer,) = set(threading.enumerate()) - others
    assert isinstance(timer, threading.Timer)
    lock.set(False)  # the plant has not moved yet: already unlocked, nothing to drive
    lock.set(True)
    timer.function()  # the old one comes late
    assert Pin.LOCK in wiring.bench.high
    lock.close()
    assert until(lambda: threading.active_count() <= before)


def test_a_solenoid_without_unlock_line_is_held_while_locked(wiring: Wiring) -> None:
    lock = open_lock(wiring, unlock=None, feedback=None)
    assert set(map(tuple, run(wiring, lock, True, 2.0))) == {(Pin.LOCK,)}
    assert not any(run(wiring, lock, False, 0.1))


def test_closing_it_leaves_no_current_and_no_timer(wiring: Wiring) -> None:
    before = threading.active_count()
    lock = open_lock(wiring)
    lock.set(True)
    lock.close()
    assert not wiring.bench.high
    assert until(lambda: threading.active_count() <= before)


def test_the_contact_follows_some_time_after_the_pulse_began(wiring: Wiring) -> None:
    lock = open_lock(wiring)
    lock.set(True)
    assert lock.read().locked is False
    wiring.bench.world.wait(LOCK_S)
    assert lock.read().locked is True
    lock.close()


def test_a_chip_that_vanishes_in_the_middle_of_a_pulse_is_told_and_the_pulse_is_made_up_for() -> None:
    kernel = FakeKernel(Bench(World()))
    wiring = gpiod_wiring(kernel.bench, kernel)
    kernel.bench.world.evse.fault("lock_jam")
    lock = open_lock(wiring)
    lock.set(True)
    kernel.gone = True
    kernel.bench.world.wait(DRIVE_S)
    with pytest.raises(DeviceMissing, match=r"evse\[0\].lock"):
        lock.set(True)
    kernel.gone = False
    kernel.bench.world.evse.clear_fault("lock_jam")
    run(wiring, lock, True, 2.0)
    assert lock.read().locked is True
