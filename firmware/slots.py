"""Two slots, of which one is started: which, how often it may still be tried, and what a power cut leaves of that.

A record of a few bytes, replaced whole. A slot is started only if it is good, or on trial with tries left; writing to a
slot begins by saying that it is empty. So at every moment one good slot is named that nobody writes to. Which slot runs
now is not in here: that is a fact of this start of the machine, and the launcher says it elsewhere.
"""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from firmware import values
from firmware.errors import FirmwareError, Refusal

TRIES = 3
"""Starts of a new slot before the old one is taken again: one may end by a power cut without the slot's fault."""

MAX_RECORD_BYTES = 4096


class Name(StrEnum):
    """Of a slot, and of its directory."""

    A = "a"
    B = "b"

    @property
    def other(self) -> "Name":
        """The one that is not this."""
        return Name.B if self is Name.A else Name.A


class State(StrEnum):
    """Of a slot. STAGED: written and read back, not to be started yet; BAD: tried, and given up."""

    EMPTY = "empty"
    STAGED = "staged"
    ON_TRIAL = "on-trial"
    GOOD = "good"
    BAD = "bad"


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`manifest_sha256`: of the bundle in it, "" where nothing is known; `tries_left` counts while ON_TRIAL only."""

    state: State
    tries_left: Annotated[int, msgspec.Meta(ge=0, le=TRIES)] = 0
    manifest_sha256: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both slots, and the one to start first."""

    format: Literal[1]
    primary: Name
    a: Slot
    b: Slot

    def slot(self, name: Name) -> Slot:
        """By name."""
        return self.a if name is Name.A else self.b

    def with_slot(self, name: Name, slot: Slot, primary: Name | None = None) -> "Record":
        """One slot changed, and perhaps the one to start first."""
        a, b = (slot, self.b) if name is Name.A else (self.a, slot)
        return Record(1, primary or self.primary, a, b)

    def encode(self) -> bytes:
        """As it is stored."""
        return values.encode(self)


UNKNOWN = Record(1, Name.A, Slot(State.GOOD), Slot(State.GOOD))
"""Where no record can be read, as in a new machine: whatever is in a slot and verifies may be started."""


def decode(text: bytes | None) -> Record:
    """UNKNOWN for what is no record."""
    try:
        return UNKNOWN if text is None else values.decode(Record, text)
    except FirmwareError:
        return UNKNOWN


# ---- what the updater does ----


def emptied(record: Record, running: Name) -> Record:
    """Before the first byte is written to the slot that does not run. What runs is started first again."""
    return record.with_slot(running.other, Slot(State.EMPTY), primary=running)


def staged(record: Record, name: Name, manifest_sha256: str) -> Record:
    """Written, and read back."""
    return record.with_slot(name, Slot(State.STAGED, 0, manifest_sha256))


def activated(record: Record, name: Name) -> Record:
    """To be started next, TRIES times at most. Raises FirmwareError(NOTHING_STAGED)."""
    slot = record.slot(name)
    if slot.state is not State.STAGED:
        raise FirmwareError(Refusal.NOTHING_STAGED, f"slot {name} is {slot.state}; stage a bundle first")
    return record.with_slot(name, Slot(State.ON_TRIAL, TRIES, slot.manifest_sha256), primary=name)


def confirmed(record: Record, name: Name) -> Record:
    """It has run well for long enough. One that was good is left alone, for another may be meant to start next."""
    slot = record.slot(name)
    if slot.state not in (State.ON_TRIAL, State.BAD):
        return record
    return record.with_slot(name, Slot(State.GOOD, 0, slot.manifest_sha256), primary=name)


# ---- what the launcher does ----


def order(record: Record) -> tuple[Name, ...]:
    """The slots that may be started, the first one first. Given-up ones come last: signed is better than nothing."""
    names = (record.primary, record.primary.other)
    may = [name for name in names if is_startable(record.slot(name))]
    return (*may, *(name for name in names if record.slot(name).state is State.BAD))


def is_startable(slot: Slot) -> bool:
    """Good, or on trial with a try left."""
    return slot.state is State.GOOD or (slot.state is State.ON_TRIAL and slot.tries_left > 0)


def tried(record: Record, name: Name) -> Record:
    """It is about to be started: one try less, said before it runs."""
    slot = record.slot(name)
    if slot.state is not State.ON_TRIAL:
        return record
    return record.with_slot(name, Slot(State.ON_TRIAL, slot.tries_left - 1, slot.manifest_sha256))


def given_up(record: Record, name: Name) -> Record:
    """Its tries ran out, or what is in it is not what was signed."""
    slot = record.slot(name)
    return record.with_slot(name, Slot(State.BAD, 0, slot.manifest_sha256), primary=name.other)
