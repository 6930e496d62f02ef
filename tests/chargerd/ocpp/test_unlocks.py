from collections.abc import Callable
from typing import Any

from chargerd.ocpp.unlocks import ANSWER_S
from tests.chargerd.ocpp.building import Payload, Rig, board


def unlock(rig: Rig) -> Callable[[], Payload | None]:
    return rig.ask("UnlockConnector", evseId=1, connectorId=1)


def info(answer: Payload | None) -> tuple[str, str]:
    assert answer is not None
    return answer["status"], answer["statusInfo"]["reasonCode"]


def ready(**facts: Any) -> Rig:
    rig = Rig(facts=board(**facts))
    rig.status()
    return rig


def test_F05_FR_06_a_free_connector_is_tried_and_the_answer_waits_for_the_lock() -> None:
    rig = ready()
    answer = unlock(rig)
    assert rig.orders().unlock_seq == 1
    rig.advance(1.0)
    assert answer() is None
    rig.status(unlock_seq=1, unlocked=True)
    assert answer() == {"status": "Unlocked"}


def test_F05_FR_05_a_lock_that_holds_although_it_should_not() -> None:
    rig = ready()
    answer = unlock(rig)
    rig.status(unlock_seq=1, unlocked=False)
    assert info(answer()) == ("UnlockFailed", "Unspecified")


def test_a_lock_of_which_nothing_is_heard_has_failed_after_its_time() -> None:
    rig = ready()
    answer = unlock(rig)
    rig.advance(ANSWER_S - 0.1)
    assert answer() is None
    rig.advance(0.2)
    assert info(answer()) == ("UnlockFailed", "Unspecified")
    rig.status(unlock_seq=1, unlocked=True)  # too late: no second answer
    assert info(answer()) == ("UnlockFailed", "Unspecified")


def test_a_control_process_that_falls_silent_or_is_a_new_one_has_unlocked_nothing() -> None:
    rig = ready()
    answer = unlock(rig)
    rig.status_lost()
    assert info(answer()) == ("UnlockFailed", "Unspecified")
    assert info(unlock(rig)()) == ("UnlockFailed", "Unspecified")

    rig = ready()
    answer = unlock(rig)
    rig.control_restarts("run-2")
    rig.status(unlock_seq=1, unlocked=None)
    assert info(answer()) == ("UnlockFailed", "Unspecified")


def test_a_release_asked_for_before_the_control_process_has_seen_orders_waits_until_it_has() -> None:
    rig = Rig(facts=board())
    rig.status(unlock_seq=-1)
    answer = unlock(rig)
    told = [rig.orders().unlock_seq]
    rig.status(unlock_seq=0)
    told.append(rig.orders().unlock_seq)
    assert told == [0, 1]
    assert answer() is None
    rig.status(unlock_seq=1, unlocked=True)
    assert answer() == {"status": "Unlocked"}


def test_one_release_at_a_time() -> None:
    rig = ready()
    first, second = unlock(rig), unlock(rig)
    assert info(second()) == ("UnlockFailed", "Unspecified")
    assert rig.orders().unlock_seq == 1
    rig.status(unlock_seq=1, unlocked=True)
    assert first() == {"status": "Unlocked"}
    third = unlock(rig)
    assert rig.orders().unlock_seq == 2
    assert third() is None


def test_F05_FR_05_what_has_no_lock_cannot_be_released() -> None:
    assert info(unlock(ready(tethered=True, has_lock=False))()) == ("UnlockFailed", "FixedCable")
    assert info(unlock(ready(has_lock=False))()) == ("UnlockFailed", "Unspecified")


def test_the_answer_belongs_to_the_connection_of_its_question() -> None:
    rig = ready()
    answer = unlock(rig)
    rig.link_down()
    rig.link_up()
    rig.status(unlock_seq=1, unlocked=True)
    assert answer() is None
