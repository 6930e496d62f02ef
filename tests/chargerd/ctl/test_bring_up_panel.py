"""What a user touches and sees, under the eyes of a technician, on the plant."""

import pytest

from chargerd.ctl.bring_up_acts import Result
from chargerd.ctl.bring_up_panel import display, indicator, lock, masked, reader
from chargerd.ctl.terminal import Reply
from hal.sim.devices import SimIndicator, SimLock
from hal.types import Indication, LockReading
from tests.chargerd.ctl.walking import Person, full_world, try_step, values
from tests.hal.plants import World

UID = "04A1B2C3D4E5F6"


def test_a_lock_moves_there_and_back() -> None:
    world = full_world()
    outcome = try_step(world, lock)
    assert outcome.result is Result.OK
    assert list(values(outcome).values()) == pytest.approx([310, 310], abs=15)
    assert not world.evse.locked


def test_a_lock_that_jams_fails_and_is_told_to_unlock() -> None:
    world = full_world()
    world.evse.fault("lock_jam")
    assert try_step(world, lock).note == "not locked within 5 s"
    world.evse.clear_fault("lock_jam")
    world.wait(1.0)
    assert not world.plant.state().evses[0].locked


class Mute(SimLock):
    def read(self) -> LockReading:
        return LockReading(None, super().read().at_mono)


@pytest.mark.parametrize("answer, result", [(Reply.YES, Result.OK), (Reply.NO, Result.FAILED)])
def test_a_lock_without_feedback_is_watched(answer: Reply, result: Result) -> None:
    world = full_world()
    person = Person(world, {"no feedback contact": answer})
    assert try_step(world, lock, person, lock=Mute(world.evse, world.slot("lock"))).result is result


@pytest.mark.parametrize("step", [lock, indicator, reader])
def test_nothing_moves_without_a_yes(step: object) -> None:
    world = full_world()
    before = world.plant.state().evses[0]
    outcome = try_step(world, step, Person(world, otherwise=Reply.NO))  # type: ignore[arg-type]
    assert outcome.result is Result.SKIPPED
    assert world.plant.state().evses[0] == before


class Recording(SimIndicator):
    shown: list[Indication]

    def show(self, indication: Indication, code: int = 0) -> None:
        self.shown.append(indication)
        super().show(indication, code)


def test_every_pattern_is_shown_and_then_darkness() -> None:
    world = full_world()
    lights = Recording(world.evse, world.slot("indicator"))
    lights.shown = []
    assert try_step(world, indicator, indicator=lights).result is Result.OK
    assert lights.shown == [*(each for each in Indication if each is not Indication.OFF), Indication.OFF]


def test_a_wrong_pattern_is_named() -> None:
    world = full_world()
    outcome = try_step(world, indicator, Person(world, {"'faulted'": Reply.NO, "'pending'": Reply.SKIP}))
    assert outcome.note == "not as it should be: faulted"
    assert "pending" not in str(values(outcome)["right"])
    assert world.evse.indication is Indication.OFF


def test_patterns_that_nobody_judged_are_no_success() -> None:
    world = full_world()
    assert try_step(world, indicator, Person(world, {"It shows": Reply.SKIP})).result is Result.SKIPPED


def test_a_display_shows_lines_that_a_person_reads() -> None:
    world = full_world()
    seen: list[tuple[str, ...]] = []
    person = Person(world, hands={"Can you read": lambda: seen.append(world.evse.display)})
    assert try_step(world, display, person).result is Result.OK
    assert seen == [("chargerd", "EVSE 1", "0123456789ABCDEF", "bring-up")]
    assert world.evse.display == ()


def card(world: World, *uids: str) -> Person:
    """A person who holds these cards to the reader, one when first told and one when told again."""
    waiting = list(uids)

    def show() -> None:
        if waiting:
            world.evse.present_token(waiting.pop(0))

    return Person(world, hands={"Hold it to": show, "hold it there again": show})


def test_a_card_that_is_the_same_twice_passes_and_is_never_told_whole() -> None:
    world = full_world()
    person = card(world, UID, UID)
    outcome = try_step(world, reader, person)
    assert (outcome.result, values(outcome)) == (Result.OK, {"card": "04…F6", "digits": 14, "kind": "ISO14443"})
    assert UID not in "".join([*person.heard, *person.asked, repr(outcome)])


def test_a_card_with_another_number_each_time_fails() -> None:
    world = full_world()
    outcome = try_step(world, reader, card(world, UID, "08112233"))
    assert "another number the second time" in outcome.note


def test_a_card_that_was_shown_before_is_not_the_one_that_is_waited_for() -> None:
    world = full_world()
    world.evse.present_token(UID)
    assert try_step(world, reader).note == "no card was seen within 30 s"


def test_a_card_that_is_not_seen_again_fails() -> None:
    world = full_world()
    assert try_step(world, reader, card(world, UID)).note == "it was not seen a second time"


def test_a_masked_number_keeps_its_ends() -> None:
    assert masked(UID) == "04…F6"
