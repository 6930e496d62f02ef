"""Which slot is started, after whatever happened to both."""

import pytest

from firmware import slots
from firmware.errors import FirmwareError, Refusal
from firmware.slots import TRIES, UNKNOWN, Name, Record, Slot, State

A, B = Name.A, Name.B
NEW = Record(1, A, Slot(State.GOOD), Slot(State.EMPTY))


def on_trial() -> Record:
    return slots.activated(slots.staged(slots.emptied(NEW, A), B, "b" * 64), B)


def test_an_update_goes_from_empty_to_good() -> None:
    record = slots.emptied(NEW, A)
    assert (record.b.state, slots.order(record)) == (State.EMPTY, (A,))
    record = slots.staged(record, B, "b" * 64)
    assert (record.b.state, slots.order(record)) == (State.STAGED, (A,))
    record = slots.activated(record, B)
    assert (record.b, slots.order(record)) == (Slot(State.ON_TRIAL, TRIES, "b" * 64), (B, A))
    record = slots.confirmed(slots.tried(record, B), B)
    assert (record.b, slots.order(record)) == (Slot(State.GOOD, 0, "b" * 64), (B, A))


def test_a_slot_that_is_not_confirmed_is_tried_so_often_and_then_no_more() -> None:
    record = on_trial()
    for left in range(TRIES, 0, -1):
        assert slots.is_startable(record.b)
        assert record.b.tries_left == left
        record = slots.tried(record, B)
    assert not slots.is_startable(record.b)
    assert slots.order(record) == (A,)
    assert slots.order(slots.given_up(record, B)) == (A, B)


def test_only_what_was_staged_can_be_activated() -> None:
    for state in (State.EMPTY, State.GOOD, State.BAD, State.ON_TRIAL):
        with pytest.raises(FirmwareError) as refused:
            slots.activated(NEW.with_slot(B, Slot(state)), B)
        assert refused.value.refusal is Refusal.NOTHING_STAGED


def test_writing_a_slot_makes_the_running_one_the_first_again() -> None:
    assert slots.emptied(on_trial(), A).primary is A


def test_what_is_good_already_does_not_take_the_turn_of_a_new_slot() -> None:
    assert slots.confirmed(on_trial(), A) == on_trial()


def test_a_slot_that_was_given_up_and_runs_well_is_good_again() -> None:
    record = slots.given_up(NEW, A)
    assert record.primary is B
    record = slots.confirmed(record, A)
    assert (record.primary, record.a.state) == (A, State.GOOD)


def test_a_good_slot_has_no_tries_to_lose() -> None:
    assert slots.tried(NEW, A) == NEW


def test_a_record_is_read_back_and_anything_else_is_unknown() -> None:
    assert slots.decode(on_trial().encode()) == on_trial()
    for text in (None, b"", b"{}", on_trial().encode()[:-1], on_trial().encode() + b" ", b"\0" * 100):
        assert slots.decode(text) == UNKNOWN
    assert slots.order(UNKNOWN) == (A, B)


def test_each_slot_has_another() -> None:
    assert (A.other, B.other) == (B, A)
