"""Steps for what a user touches and sees: lock, lights, display, card reader."""

import operator
from collections.abc import Generator
from functools import partial

from chargerd.ctl.bring_up_acts import (
    TRY_S,
    Act,
    Ask,
    Look,
    Place,
    Say,
    Script,
    Value,
    confirmed,
    failed,
    fitted,
    ok,
    skipped,
    until,
)
from chargerd.ctl.terminal import Reply
from hal.interfaces import Lock
from hal.types import Indication, Token

MOST_WAITING = 10
TICK_S = 0.02
LOCK_WITHIN_S = 5.0
DISPLAY_LINES = ("chargerd", "EVSE {evse_id}", "0123456789ABCDEF", "bring-up")


def lock(place: Place) -> Script:
    """It locks and unlocks, and its feedback says so. Told again and again, as the control loop does."""
    device = fitted(place.devices.lock)
    if (yield Ask("The lock will move: fingers away. Go on?")) is not Reply.YES:
        return skipped("not moved")
    values: list[Value] = []
    try:
        for wanted in (True, False):
            begin_mono = place.monotonic()

            locked, seen = yield from until(
                place,
                partial(_drive, device, wanted),
                partial(operator.contains, (wanted, None)),
                lambda found: f"locked {found}",
                within_s=LOCK_WITHIN_S,
                period_s=TICK_S,
            )
            word = "locked" if wanted else "unlocked"
            if locked is None:
                yield Look(f"should be {word} now", 1.0)
            elif not seen:
                return failed(f"not {word} within {LOCK_WITHIN_S:g} s", *values)
            else:
                values.append(Value(f"{word} after", (place.monotonic() - begin_mono) * 1000, "ms"))
    finally:
        device.set(False)
    if not values:
        return (yield from confirmed("Did it lock and unlock? (no feedback contact)"))
    return ok(*values)


def _drive(device: Lock, wanted: bool) -> bool | None:
    device.set(wanted)
    return device.read().locked


def indicator(place: Place) -> Script:
    """Everything it can show, one after the other, animated as in use, judged by a person."""
    device = fitted(place.devices.indicator)
    shown = [indication for indication in Indication if indication is not Indication.OFF]
    if (yield Ask(f"It will show {len(shown)} patterns, each until you answer. Go on?")) is not Reply.YES:
        return skipped("not shown")
    answers: dict[Indication, Reply] = {}
    try:
        for indication in shown:
            answers[indication] = yield Ask(f"It shows '{indication}'. Right?", partial(device.show, indication))
    finally:
        device.show(Indication.OFF)
    wrong = [indication for indication, reply in answers.items() if reply is Reply.NO]
    values = (Value("right", ", ".join(name for name, reply in answers.items() if reply is Reply.YES) or "none"),)
    if wrong:
        return failed(f"not as it should be: {', '.join(wrong)}", *values)
    return (
        ok(*values) if any(reply is Reply.YES for reply in answers.values()) else skipped("judged by nobody", *values)
    )


def display(place: Place) -> Script:
    """Four lines of text, judged by a person."""
    device = fitted(place.devices.display)
    lines = tuple(line.format(evse_id=place.evse_id) for line in DISPLAY_LINES)
    try:
        device.show(lines)
        return (yield from confirmed(f"Can you read on it: {' | '.join(lines)} (as far as it has lines)?"))
    finally:
        device.show(())


def reader(place: Place) -> Script:
    """The same card twice, and the same number both times; the number itself is told to nobody."""
    if (yield Ask("Have you a card? y: you have 30 s to hold it to the reader")) is not Reply.YES:
        return skipped("no card was tried")
    first = yield from _token(place, "Hold it to the reader")
    if first is None:
        return failed(f"no card was seen within {TRY_S:.0f} s")
    values = (Value("card", masked(first.uid)), Value("digits", len(first.uid)), Value("kind", first.kind))
    second = yield from _token(place, f"Seen: {masked(first.uid)}. Take it away, then hold it there again")
    if second is None:
        return failed("it was not seen a second time", *values)
    if second.uid != first.uid:
        return failed("another number the second time: a card with random numbers, or misread", *values)
    return ok(*values)


def _token(place: Place, told: str) -> Generator[Act, Reply, Token | None]:
    device = fitted(place.devices.reader)
    for _ in range(MOST_WAITING):
        if device.read() is None:  # what was shown before is not what is being waited for
            break
    yield Say(told)
    token, _ = yield from until(place, device.read, lambda found: found is not None, lambda _: "waiting for a card")
    return token


def masked(uid: str) -> str:
    """Enough of a card's number to tell it from another on the desk, too little to copy it."""
    return f"{uid[:2]}…{uid[-2:]}"
