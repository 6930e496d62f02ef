"""Steps for what offers and switches power: pilot, contactor, phase contactor.

A contactor closes only after a yes, for a second at a time, and never while a question waits.
"""

from collections.abc import Callable, Generator, Iterator

from chargerd.ctl.bring_up_acts import (
    Act,
    Ask,
    Hang,
    Look,
    Place,
    Say,
    Script,
    Value,
    Wait,
    confirmed,
    failed,
    fitted,
    ok,
    skipped,
    until,
)
from chargerd.ctl.terminal import Reply
from hal.types import HalError, PhasesReading, PilotMode, PilotReading

TICK_S = 0.02
"""The pace of the control loop, which drivers are made for."""

FEEDBACK_PERIOD_S = 0.005
SETTLE_S = 0.2
PILOT_TOLERANCE_VOLTS = 0.6
"""IEC 61851-1 table A.2: the generator gives 11.4 to 12.6 V."""

STATE_TOLERANCE_VOLTS = 1.0

GOLDEN_DUTIES = (
    (6, 10.0), (10, 16.67), (13, 21.67), (16, 26.67), (20, 33.33), (25, 41.67), (32, 53.33), (40, 66.67), (48, 80.0),
    (51, 85.0), (63, 89.2), (80, 96.0),
)  # fmt: skip
"""Amps and the duty in percent that offers them (IEC 61851-1 table A.7), worked out by hand."""

MOST_AMPS, DUTY_OF_MOST_AMPS = 80.0, 96.0

LEASE_S = 1.0
FEEDBACK_WITHIN_S = 0.25
CONTROLLER_CLOSE_WITHIN_S = 15.0  # it tests itself before it closes, and a vehicle takes its time
CONTROLLER_SHOWN_S = 10.0  # without a feedback contact: time enough for it to close and a person to see it
CONTROLLER_OPEN_WITHIN_S = 8.0
HANG_S = 0.8
CONTROLLER_HANG_S = 15.0
PHASES_WITHIN_S = 1.0

ENERGISE = "Mains voltage comes to the outlet for a moment. Is nothing connected, and nobody touching it?"


# ---- pilot ----


def pilot_level(place: Place) -> Script:
    """Steady +12 V with nothing connected, and how long a reading takes."""
    pilot = place.devices.pilot
    pilot.set(PilotMode.STEADY_HIGH, 100.0)
    yield Wait(SETTLE_S)
    readings: list[PilotReading] = []
    slowest_s = 0.0
    for _ in range(20):
        before_mono = place.monotonic()
        readings.append(pilot.read())
        slowest_s = max(slowest_s, place.monotonic() - before_mono)
        yield Look(f"pilot {_volts(readings[-1])}", 0.05)
    lowest, highest = (pick(reading.high_volts for reading in readings) for pick in (min, max))
    values = (
        Value("from", lowest, "V"),
        Value("to", highest, "V"),
        Value("slowest reading", slowest_s * 1000, "ms"),
        *_alarms(readings[-1]),
    )
    if readings[-1].alarms:
        return failed("the controller behind the pilot complains", *values)
    if not 12 - PILOT_TOLERANCE_VOLTS <= lowest <= highest <= 12 + PILOT_TOLERANCE_VOLTS:
        return failed("expected 11.4 to 12.6 V with nothing plugged in", *values)
    return ok(*values)


def pilot_duty(place: Place) -> Script:
    """Every duty up to the rating, and none above it."""
    pilot, facts = place.devices.pilot, place.facts
    instrument = (
        yield Ask("Is an oscilloscope or pilot tester at the outlet? y: each duty waits for you")
    ) is Reply.YES
    values: list[Value] = []
    wrong: list[str] = []
    try:
        for amps, duty_percent in GOLDEN_DUTIES:
            if amps > facts.max_amps:
                break
            pilot.set(PilotMode.PWM, duty_percent)
            yield Wait(SETTLE_S)
            reading = pilot.read()
            values.append(Value(f"{amps} A", f"{duty_percent:g} %, {_volts(reading)}"))
            yield Look(f"{amps} A: duty {duty_percent:.2f} %, {_volts(reading)}", 0.3)
            low_is_right = facts.autonomous or _near(reading.low_volts, -12, PILOT_TOLERANCE_VOLTS)
            if not _near(reading.high_volts, 12, PILOT_TOLERANCE_VOLTS) or not low_is_right:
                wrong.append(f"{amps} A reads {_volts(reading)}")
            elif instrument:
                reply = yield Ask(f"{amps} A: {duty_percent:.2f} % at 1 kHz, between +12 and -12 V?")
                if reply is Reply.NO:
                    wrong.append(f"{amps} A is something else on the instrument")
        if not _refuses_more(place):
            wrong.append(f"took a duty for more than the rating of {facts.max_amps:g} A")
    finally:
        pilot.set(PilotMode.STEADY_HIGH, 100.0)
    if wrong:
        return failed("; ".join(wrong), *values)
    return ok(*values, note="" if instrument else "levels as read back; no instrument looked at the duty")


def pilot_modes(place: Place) -> Script:
    """State F and the open pilot, where the board has them."""
    pilot = place.devices.pilot
    values: list[Value] = []
    try:
        if place.facts.has_state_f:
            pilot.set(PilotMode.STEADY_LOW, 0.0)
            yield Wait(SETTLE_S)
            reading = pilot.read()
            values.append(Value("state F", reading.high_volts, "V"))
            if not _near(reading.high_volts, -12, PILOT_TOLERANCE_VOLTS):
                return failed("state F is -12 V", *values)
        if place.facts.can_disconnect:
            pilot.set(PilotMode.DISCONNECTED, 0.0)
            yield Wait(SETTLE_S)
            values.append(Value("disconnected", _volts(pilot.read())))
    finally:
        pilot.set(PilotMode.STEADY_HIGH, 100.0)
    return ok(*values) if values else skipped("this board has neither")


def pilot_states(place: Place) -> Script:
    """The states of a vehicle simulator, at +12 V or, where the contactor cannot close by it, with the oscillator."""
    pilot = place.devices.pilot
    if (yield Ask("Have you a vehicle simulator to plug in? y: you get 30 s for each state")) is not Reply.YES:
        return skipped("no vehicle simulator")
    values: list[Value] = []
    try:
        if not place.facts.autonomous:
            pilot.set(PilotMode.PWM, GOLDEN_DUTIES[0][1])
        for state, volts in (("B", 9.0), ("C", 6.0), ("A", 12.0)):
            yield Say(f"Set it to state {state}" if state != "A" else "Unplug it")
            reading, seen = yield from until(place, pilot.read, _shows(volts), _volts)
            values.append(Value(f"state {state}", _volts(reading)))
            if not seen:
                return failed(f"state {state} was not seen", *values)
            if state != "A" and not place.facts.autonomous:
                yield Wait(SETTLE_S)
                if not _near(pilot.read().low_volts, -12, STATE_TOLERANCE_VOLTS):
                    return failed(f"no diode seen in state {state}: the low level is not -12 V", *values)
    finally:
        pilot.set(PilotMode.STEADY_HIGH, 100.0)
    return ok(*values)


def _refuses_more(place: Place) -> bool:
    """Whether the driver by itself keeps to the rating of the board."""
    max_amps = place.facts.max_amps
    if max_amps >= MOST_AMPS:
        return True  # there is no duty for more
    duty_percent = (max_amps + 1) / 0.6 if max_amps < 50 else DUTY_OF_MOST_AMPS
    try:
        place.devices.pilot.set(PilotMode.PWM, duty_percent)
    except HalError:
        return True
    return False


def _near(volts: float, wanted: float, tolerance: float) -> bool:
    return abs(volts - wanted) <= tolerance


def _shows(volts: float) -> Callable[[PilotReading], bool]:
    return lambda reading: _near(reading.high_volts, volts, STATE_TOLERANCE_VOLTS)


def _volts(reading: PilotReading) -> str:
    return f"{reading.high_volts:+.2f} V / {reading.low_volts:+.2f} V"


def _alarms(reading: PilotReading) -> Iterator[Value]:
    if reading.alarms:
        yield Value("alarms", ", ".join(reading.alarms))


# ---- contactor ----


def contactor(place: Place) -> Script:
    """It closes and opens, and the feedback says so in time."""
    relays = place.devices.relays
    relays.hold(False, 0.0)
    yield Wait(SETTLE_S)
    if relays.read().closed:
        return failed("the feedback says closed although it was told to open: welded, or the contact is wired wrongly")
    if _for_a_vehicle_only(place):
        yield Say("It closes for nobody but a vehicle: plug the vehicle simulator in and set it to state C.")
    if (yield Ask(ENERGISE)) is not Reply.YES:
        return skipped("not energised")
    try:
        closed_s = yield from _closing(place)
        if closed_s is None:
            return failed("it did not close, or the feedback does not say so")
        open_s = yield from _opening(place)
    finally:
        _open(place)
    if relays.read().closed is None:
        return (yield from confirmed("Did it close and open? (no feedback contact)"))
    values = [Value("closed after", closed_s * 1000, "ms")]
    if open_s is None:
        return failed("it did not open, or the feedback does not say so", *values)
    values.append(Value("open after", open_s * 1000, "ms"))
    if not _for_a_vehicle_only(place) and max(closed_s, open_s) > FEEDBACK_WITHIN_S:
        return failed(f"the feedback must follow within {FEEDBACK_WITHIN_S * 1000:.0f} ms", *values)
    return ok(*values)


def dead_man(place: Place) -> Script:
    """It opens by itself when we hang. For that time nothing of this program runs, and no call reaches the device."""
    relays, controller = place.devices.relays, _for_a_vehicle_only(place)
    hang_s = CONTROLLER_HANG_S if controller else LEASE_S + HANG_S
    yield Say(f"It closes once more; then this program hangs on purpose for {hang_s:.0f} s: it must open by itself.")
    if (yield Ask(ENERGISE)) is not Reply.YES:
        return skipped("not energised")
    try:
        if (yield from _closing(place)) is None:
            return failed("it did not close, or the feedback does not say so")
        relays.hold(True, LEASE_S)
        yield Hang(hang_s)
        # What a controller did meanwhile comes by a line that is only now listened to again: a person has seen it.
        still_closed = None if controller else relays.read().closed
    finally:
        _open(place)
    hung = Value("hung for", hang_s, "s")
    if controller:
        question = "Did it open in that time, or was no more offered than the fallback current of the board file?"
        return (yield from confirmed(question, hung))
    if still_closed is None:
        return (yield from confirmed("Did it open by itself? (no feedback contact)", hung))
    if still_closed:
        why = "it was still closed: what relay_deadman names does not work. Do not put this board into service"
        return failed(why, hung)
    return ok(hung)


def _closing(place: Place) -> Generator[Act, Reply, float | None]:
    """Close, renewing as the control loop does; seconds until the feedback said so (0: there is none), None: never."""
    relays, pilot, for_a_vehicle = place.devices.relays, place.devices.pilot, _for_a_vehicle_only(place)
    within_s = CONTROLLER_CLOSE_WITHIN_S if for_a_vehicle else 2 * FEEDBACK_WITHIN_S
    shown_s = CONTROLLER_SHOWN_S if for_a_vehicle else SETTLE_S
    begin_mono = renew_mono = place.monotonic()
    while place.monotonic() - begin_mono <= within_s:
        if renew_mono <= place.monotonic():
            renew_mono += TICK_S
            if for_a_vehicle:
                pilot.set(PilotMode.PWM, GOLDEN_DUTIES[0][1])
            relays.hold(True, LEASE_S)
        reading = relays.read()
        if reading.closed:
            return reading.at_mono - begin_mono
        if reading.closed is None and place.monotonic() - begin_mono >= shown_s:
            return 0.0
        yield Wait(FEEDBACK_PERIOD_S)
    return None


def _opening(place: Place) -> Generator[Act, Reply, float | None]:
    """Open; seconds until the feedback said so (0: there is none), None: never."""
    within_s = CONTROLLER_OPEN_WITHIN_S if _for_a_vehicle_only(place) else 2 * FEEDBACK_WITHIN_S
    begin_mono = place.monotonic()
    while place.monotonic() - begin_mono <= within_s:
        _open(place)
        reading = place.devices.relays.read()
        if reading.closed is None:
            return 0.0
        if not reading.closed:
            return reading.at_mono - begin_mono
        yield Wait(FEEDBACK_PERIOD_S)
    return None


def _for_a_vehicle_only(place: Place) -> bool:
    """Whether the board itself keeps the contactor open unless a vehicle is offered current and asks."""
    return place.facts.autonomous or place.facts.interlocked


def _open(place: Place) -> None:
    place.devices.relays.hold(False, 0.0)
    if _for_a_vehicle_only(place):
        place.devices.pilot.set(PilotMode.STEADY_HIGH, 100.0)


# ---- phase contactor ----


def phases(place: Place) -> Script:
    """The contactor of L2 and L3 moves to one phase and back, with the main contactor open."""
    switch = fitted(place.devices.phase_switch)
    place.devices.relays.hold(False, 0.0)
    yield Wait(SETTLE_S)
    values: list[Value] = []
    try:
        for count in (1, 3):
            begin_mono = place.monotonic()
            switch.set(count)
            reading, seen = yield from until(
                place,
                switch.read,
                _connects(count),
                lambda found: f"phases {found.phases}",
                within_s=PHASES_WITHIN_S,
                period_s=TICK_S,
            )
            if not seen:
                return failed(f"told to connect {count}, the feedback says {reading.phases}", *values)
            if reading.phases is not None:
                values.append(Value(f"{count} connected after", (reading.at_mono - begin_mono) * 1000, "ms"))
            yield Wait(SETTLE_S)
    finally:
        switch.set(place.facts.phases)
    if not values:
        return (yield from confirmed("Did it move twice? (no feedback contact)"))
    return ok(*values)


def _connects(count: int) -> Callable[[PhasesReading], bool]:
    return lambda reading: reading.phases in {count, None}
