import math

from hal.sim.movement import Movement


def test_it_arrives_when_it_is_due_and_not_before() -> None:
    lock = Movement(False)
    assert lock.drive(True, 5.0)
    lock.settle(4.9)
    assert (lock.at, lock.wanted, lock.due_mono) == (False, True, 5.0)
    lock.settle(5.0)
    assert (lock.at, lock.due_mono) == (True, math.inf)


def test_being_told_again_does_not_delay_it() -> None:
    lock = Movement(False)
    lock.drive(True, 5.0)
    assert not lock.drive(True, 6.0)
    lock.settle(5.0)
    assert lock.at


def test_one_that_turns_back_on_its_way_was_never_there() -> None:
    phases = Movement(3)
    phases.drive(1, 5.0)
    assert phases.drive(3, 7.0)
    phases.settle(6.0)
    assert (phases.at, phases.due_mono) == (3, 7.0)


def test_one_that_is_put_somewhere_rests_there() -> None:
    phases = Movement(3)
    phases.drive(1, 5.0)
    phases.put(2)
    phases.settle(9.0)
    assert (phases.at, phases.wanted, phases.due_mono) == (2, 2, math.inf)
