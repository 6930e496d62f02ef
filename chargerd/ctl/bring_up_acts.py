"""What the steps of a bring-up are made of: a step is a generator that drives devices and yields what it wants of the
person and of time. Whoever plays it owns the terminal and the clock, so a test can be that.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import msgspec

from chargerd.ctl.terminal import Reply
from hal.board import EvseDevices
from hal.types import EvseFacts

LOOK_PERIOD_S = 0.1
TRY_S = 30.0
"""How long a person is given to do something with their hands."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the person something."""

    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A question; the reply is YES, NO or SKIP. `meanwhile` is called at the pace of the control loop until then."""

    question: str
    meanwhile: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass without a call to any device."""

    for_s: float


@dataclass(frozen=True, slots=True)
class Hang:
    """Let time pass as if this program hung: no thread of it runs, those of drivers included."""

    for_s: float


@dataclass(frozen=True, slots=True)
class Look:
    """Show this in the line that changes, for so long; the reply is DONE when a key was pressed."""

    text: str
    for_s: float = LOOK_PERIOD_S


Act = Say | Ask | Wait | Hang | Look


class Result(StrEnum):
    """How a step ended. SKIPPED: not tried, or not for this board."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class Value(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was measured or seen."""

    name: str
    value: float | str | bool
    unit: str = ""

    def __str__(self) -> str:
        shown = f"{self.value:.2f}" if isinstance(self.value, float) else str(self.value)
        return f"{self.name} {shown} {self.unit}".rstrip()


class Outcome(msgspec.Struct, frozen=True):
    """What came of a step. `note`: why it failed or was skipped, or what else is to be said."""

    result: Result
    values: tuple[Value, ...] = ()
    note: str = ""


Script = Generator[Act, Reply, Outcome]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step works: the devices and facts of one EVSE, and the clock."""

    evse_id: int
    facts: EvseFacts
    devices: EvseDevices
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to try with one device."""

    name: str
    run: Callable[[Place], Script]


def fitted(device: T | None) -> T:
    """The device of a step: steps run for devices that are there."""
    assert device is not None, "can't happen because steps run for fitted devices only"
    return device


def ok(*values: Value, note: str = "") -> Outcome:
    """It works."""
    return Outcome(Result.OK, values, note)


def failed(note: str, *values: Value) -> Outcome:
    """It does not."""
    return Outcome(Result.FAILED, values, note)


def skipped(note: str, *values: Value) -> Outcome:
    """It was not tried."""
    return Outcome(Result.SKIPPED, values, note)


def confirmed(question: str, *values: Value) -> Script:
    """A person judges what was measured."""
    match (yield Ask(question)):
        case Reply.YES:
            return ok(*values)
        case Reply.NO:
            return failed(f"answered no to: {question}", *values)
        case _:
            return skipped("measured, but judged by nobody", *values)


def until(
    place: Place,
    read: Callable[[], T],
    is_it: Callable[[T], bool],
    shown: Callable[[T], str],
    *,
    within_s: float = TRY_S,
    period_s: float = LOOK_PERIOD_S,
) -> Generator[Act, Reply, tuple[T, bool]]:
    """Read until it is so, time is up or a key is pressed: the last reading, and whether it is so."""
    end_mono = place.monotonic() + within_s
    while True:
        reading = read()
        if is_it(reading):
            return reading, True
        if (yield Look(shown(reading), period_s)) is Reply.DONE or place.monotonic() >= end_mono:
            return reading, False
