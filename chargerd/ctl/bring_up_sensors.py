"""Steps for what measures or reports: meter, residual current, input lines, temperatures, proximity, outside limit."""

from collections.abc import Callable
from itertools import pairwise

import msgspec

from chargerd.ctl.bring_up_acts import (
    Ask,
    Look,
    Outcome,
    Place,
    Result,
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
from hal.iec61851 import NO_CABLE_OHMS
from hal.interfaces import Thermometer
from hal.types import CableRating, ExternalLimit, HalError, InputName, InputsReading, LineQuality, MeterSample

METER_READS = 8
METER_PAUSE_S = 0.2
SLOWEST_METER_S = 2.0
"""A reading that takes longer is nearly stale when it comes."""

IDLE_AMPS = 0.5
VOLTS_TOLERANCE = 0.15
NO_CABLE_FROM_OHMS = 2700.0
RELEASE_WITHIN_S = 2.0
COLDEST_CELSIUS, HOTTEST_CELSIUS = -40.0, 85.0

TRIES = {
    InputName.EMERGENCY_STOP: ("press the emergency stop", "release it"),
    InputName.ENCLOSURE: ("open the enclosure", "close it"),
    InputName.POWER_FAIL: ("take the mains away from the power-fail input", "give it back"),
    InputName.OUTPUT_VOLTAGE: ("put voltage on the voltage sense behind the contactor", "take it away"),
    InputName.CABLE_CUT: ("break the loop through the cable", "close it again"),
    InputName.BUTTON: ("press the button", "release it"),
}
"""Input -> what a person does to assert it, and to end that."""


def meter(place: Place) -> Script:
    """Several readings: how many come, how fast, and whether they can be true with no vehicle."""
    device = fitted(place.devices.meter)
    samples: list[MeterSample] = []
    errors: list[HalError] = []
    slowest_s = 0.0
    for number in range(METER_READS):
        before_mono = place.monotonic()
        try:
            samples.append(device.read())
        except HalError as error:
            errors.append(error)
        slowest_s = max(slowest_s, place.monotonic() - before_mono)
        shown = _sample(samples[-1]) if samples else "no answer yet"
        yield Look(f"reading {number + 1} of {METER_READS}: {shown}", METER_PAUSE_S)
    quality = (
        Value("good readings", f"{len(samples)} of {METER_READS}"),
        Value("slowest", slowest_s * 1000, "ms"),
        *_line_quality(device),
    )
    if not samples:
        return failed(f"no reading at all: {errors[-1]}", *quality)
    values = (*quality, *_measured(samples[-1]))
    wrong = [*(str(error) for error in errors[-1:]), *_impossible(place, samples, slowest_s)]
    if wrong:
        return failed("; ".join(wrong), *values)
    kwh = samples[-1].energy_wh / 1000
    return (yield from confirmed(f"Does the meter itself show {kwh:.2f} kWh?", *values))


def _line_quality(device: object) -> tuple[Value, ...]:
    """What a device on a shared line (hal/interfaces.py, OnSharedLine) tells of it: the counts that are not zero."""
    ask: Callable[[], LineQuality] | None = getattr(device, "quality", None)
    if ask is None:
        return ()
    counts = msgspec.structs.asdict(ask())
    return (Value("line", ", ".join(f"{count} {name}" for name, count in counts.items() if count)),)


def _sample(sample: MeterSample) -> str:
    volts = " / ".join(f"{volts:.1f}" for volts in sample.volts)
    amps = " / ".join(f"{amps:.2f}" for amps in sample.amps)
    return f"{volts} V, {amps} A, {sample.power_w:.0f} W, {sample.energy_wh / 1000:.2f} kWh"


def _measured(sample: MeterSample) -> tuple[Value, ...]:
    return (
        Value("volts", " / ".join(f"{volts:.1f}" for volts in sample.volts), "V"),
        Value("amps", " / ".join(f"{amps:.2f}" for amps in sample.amps), "A"),
        Value("power", round(sample.power_w, 1), "W"),
        Value("register", f"{sample.energy_wh / 1000:.2f}", "kWh"),
        *(() if sample.frequency_hz is None else (Value("frequency", round(sample.frequency_hz, 2), "Hz"),)),
    )


def _impossible(place: Place, samples: list[MeterSample], slowest_s: float) -> list[str]:
    """What cannot be with the contactor open."""
    nominal = place.facts.nominal_volts
    last = samples[-1]
    wrong = [
        f"L{phase} has {volts:.0f} V, expected {nominal * (1 - VOLTS_TOLERANCE):.0f} to "
        f"{nominal * (1 + VOLTS_TOLERANCE):.0f} V: is the phase connected?"
        for phase, volts in enumerate(last.volts, 1)
        if abs(volts - nominal) > nominal * VOLTS_TOLERANCE
    ]
    wrong += [
        f"L{phase} has {amps:.1f} A although the contactor is open: does the meter count this outlet alone?"
        for phase, amps in enumerate(last.amps, 1)
        if abs(amps) > IDLE_AMPS
    ]
    if any(later.energy_wh < earlier.energy_wh for earlier, later in pairwise(samples)):
        wrong.append("its register ran backwards")
    if slowest_s > SLOWEST_METER_S:
        wrong.append(f"a reading takes {slowest_s:.1f} s, {SLOWEST_METER_S:g} s are allowed")
    return wrong


def residual(place: Place) -> Script:
    """It has not tripped, trips at its own test with the contactor open, and lets go again."""
    device = fitted(place.devices.residual)
    place.devices.relays.hold(False, 0.0)
    yield Wait(METER_PAUSE_S)
    reading = device.read()
    if reading.tripped_ac or reading.tripped_dc:
        which = "AC" if reading.tripped_ac else "DC"
        return failed(f"it has tripped ({which}) before anything was tried: is it wired and powered?")
    before_mono = place.monotonic()
    passed = device.self_test()
    took = Value("self-test took", (place.monotonic() - before_mono) * 1000, "ms")
    if not passed:
        return failed("it did not trip at its own test", took)
    _, released = yield from until(
        place,
        device.read,
        lambda found: not (found.tripped_ac or found.tripped_dc),
        lambda found: f"tripped AC {found.tripped_ac}, DC {found.tripped_dc}",
        within_s=RELEASE_WITHIN_S,
    )
    return ok(took) if released else failed(f"still tripped {RELEASE_WITHIN_S:g} s after its test", took)


def inputs(place: Place) -> Script:
    """Each line is quiet, asserts when a person does what it is for, and goes quiet again."""
    device = fitted(place.devices.inputs)
    asserted = device.read().asserted
    if asserted:
        return failed(f"asserted before anything was tried: {', '.join(asserted)}: is it wired the right way round?")
    outcomes: dict[InputName, Outcome] = {}
    for name in place.facts.inputs:
        outcomes[name] = yield from _try_line(place, name)
    values = tuple(Value(name, outcome.result) for name, outcome in outcomes.items())
    wrong = [outcome.note for outcome in outcomes.values() if outcome.result is Result.FAILED]
    if wrong:
        return failed("; ".join(wrong), *values)
    if all(outcome.result is Result.SKIPPED for outcome in outcomes.values()):
        return skipped("no line was tried", *values)
    return ok(*values)


def _try_line(place: Place, name: InputName) -> Script:
    device = fitted(place.devices.inputs)
    do, undo = TRIES[name]
    if (yield Ask(f"{name}: can you {do}? y: you have 30 s for it")) is not Reply.YES:
        return skipped("not tried")
    for what, wanted in ((do, True), (undo, False)):
        yield Say(f"Now {what}")
        _, seen = yield from until(
            place,
            device.read,
            _has(name, wanted),
            lambda found: f"asserted: {', '.join(found.asserted) or 'none'}",
        )
        if not seen:
            return failed(f"{name} was not seen to {'assert' if wanted else 'go quiet'}")
    return ok()


def _has(name: InputName, wanted: bool) -> Callable[[InputsReading], bool]:
    return lambda found: (name in found.asserted) is wanted


def thermometer(place: Place) -> Script:
    """The enclosure's."""
    return (yield from _temperature(fitted(place.devices.thermometer)))


def plug_thermometer(place: Place) -> Script:
    """The plug's."""
    return (yield from _temperature(fitted(place.devices.plug_thermometer)))


def _temperature(device: Thermometer) -> Script:
    celsius = device.read().celsius
    value = Value("temperature", round(celsius, 1), "°C")
    yield Look(f"{celsius:.1f} °C")
    if not COLDEST_CELSIUS <= celsius <= HOTTEST_CELSIUS:
        return failed(f"expected {COLDEST_CELSIUS:g} to {HOTTEST_CELSIUS:g} °C on a bench", value)
    return (yield from confirmed(f"It reads {celsius:.1f} °C. Can that be?", value))


def proximity(place: Place) -> Script:
    """Open without a cable, and the right class with one."""
    device = fitted(place.devices.proximity)
    reading = device.read()
    empty = Value("empty socket", _ohms(reading))
    if reading.amps is not None or reading.ohms < NO_CABLE_FROM_OHMS:
        return failed("expected an open contact: is a cable plugged in, or the contact shorted?", empty)
    if (yield Ask("Have you a cable for the socket? y: you have 30 s to plug it in")) is not Reply.YES:
        return skipped("no cable was tried", empty)
    yield Say("Plug it in")
    reading, seen = yield from until(
        place,
        device.read,
        lambda found: found.amps is not None,
        _ohms,
    )
    cable = Value("with a cable", _ohms(reading))
    if not seen:
        return failed("no cable was seen: no resistor of a known class", empty, cable)
    outcome: Outcome = yield from confirmed(f"Does the cable carry {reading.amps:g} A?", empty, cable)
    yield Say("Take it out again")
    yield from until(place, device.read, lambda found: found.amps is None, _ohms)
    return outcome


def _ohms(reading: CableRating) -> str:
    return f"{reading.ohms:.0f} ohm" if reading.ohms < NO_CABLE_OHMS else "open"


def external_limit(place: Place) -> Script:
    """What it says now, and whether it changes when somebody outside wants it."""
    device = fitted(place.devices.external_limit)
    first = device.read()
    now = Value("now", _limit(first))
    if (yield Ask(f"It says: {_limit(first)}. Can you change it? y: you have 30 s for it")) is not Reply.YES:
        return skipped("not changed", now)
    reading, seen = yield from until(place, device.read, lambda found: found.amps != first.amps, _limit)
    then = Value("then", _limit(reading))
    return ok(now, then) if seen else failed("it did not change", now, then)


def _limit(reading: ExternalLimit) -> str:
    return "no limit" if reading.amps is None else f"{reading.amps:g} A"
