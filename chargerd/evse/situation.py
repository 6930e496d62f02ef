"""What the readings of one tick amount to: only what is fresh and sane gets in, everything else is None, "missing".

Guard and supervision judge a Situation and never a raw reading, so the question "how old is it" is answered in one
place.
"""

import math

import msgspec

from chargerd.evse.types import PilotState
from hal.types import EvseFacts, LockReading, MeterSample, RelayReading, ResidualReading, Temperature

AHEAD_S = 0.05
"""A reading can be taken just after the tick asked for the time; stamped later than this it is wrong."""

FEEDBACK_STALE_S = 0.25
"""Contactor feedback and residual monitor are read each tick; silent for this long they are missing (feedback time,
250 ms)."""

LOCK_STALE_S = 1.0
"""A motor lock takes about half a second for its way; its contact is read each tick."""

METER_STALE_S = 5.0
"""Meters are polled each second; after 5 s the current is unknown, and so is whether the vehicle obeys."""

TEMPERATURE_STALE_S = 30.0
"""Temperature moves in minutes and is polled slowly."""

_SANE_AMPS = 1000.0
_SANE_CELSIUS = (-60.0, 200.0)


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """One EVSE at one instant, as far as it is known.

    `connected`, `pilot_*`, `diode_*`: see pilot.PilotWatch. `relay_commanded` stands since `relay_since_mono` (-inf:
    since the start). `offered_amps`: what the pilot signalled when the readings were taken. `feedback`, `meter`,
    `residual`, `celsius`: None when missing or not fitted (`facts` tells which). `cable_*`: see cable.CableWatch.
    `lock_confirmed`, `lock_off_course`: see lock.LockKeeper. `*_silent`: nothing fresh was read of it.
    """

    facts: EvseFacts
    now_mono: float
    pilot_state: PilotState = PilotState.UNKNOWN
    pilot_missing: bool = True
    pilot_settled: bool = False
    pilot_volts: tuple[float, float] = (math.nan, math.nan)
    connected: bool = False
    diode_proven: bool = False
    diode_wrong: bool = False
    relay_commanded: bool = False
    relay_since_mono: float = -math.inf
    offered_amps: float = 0.0
    feedback: bool | None = None
    meter: MeterSample | None = None
    residual: ResidualReading | None = None
    celsius: float | None = None
    cable_amps: float | None = None
    cable_silent: bool = False
    cable_invalid: bool = False
    cable_changed: bool = False
    lock_confirmed: bool = False
    lock_silent: bool = False
    lock_off_course: bool = False


def is_fresh(at_mono: float, now_mono: float, stale_s: float) -> bool:
    """Whether something stamped `at_mono` counts: neither older than `stale_s` nor from the future (nor NaN)."""
    return -AHEAD_S <= now_mono - at_mono <= stale_s


def feedback_of(reading: RelayReading | None, now_mono: float) -> bool | None:
    """Whether the contactor is closed, None when nobody knows."""
    if reading is None or not is_fresh(reading.at_mono, now_mono, FEEDBACK_STALE_S):
        return None
    return reading.closed


def meter_of(sample: MeterSample | None, now_mono: float) -> MeterSample | None:
    """The sample if it is fresh and every value in it can be true."""
    if sample is None or not is_fresh(sample.at_mono, now_mono, METER_STALE_S):
        return None
    if not (math.isfinite(sample.energy_wh) and math.isfinite(sample.power_w) and 1 <= len(sample.amps) <= 3):
        return None
    for amps in sample.amps:
        if not -_SANE_AMPS <= amps <= _SANE_AMPS:
            return None
    for volts in sample.volts:
        if not math.isfinite(volts):
            return None
    return sample


def residual_of(reading: ResidualReading | None, now_mono: float) -> ResidualReading | None:
    """The residual monitor's word, None when it is missing."""
    if reading is None or not is_fresh(reading.at_mono, now_mono, FEEDBACK_STALE_S):
        return None
    return reading


def celsius_of(reading: Temperature | None, now_mono: float) -> float | None:
    """Degrees Celsius, None when missing or beyond what a thermometer can show."""
    if reading is None or not is_fresh(reading.at_mono, now_mono, TEMPERATURE_STALE_S):
        return None
    return reading.celsius if _SANE_CELSIUS[0] <= reading.celsius <= _SANE_CELSIUS[1] else None


def lock_of(reading: LockReading | None, now_mono: float) -> LockReading | None:
    """The lock's word, None when it is missing."""
    if reading is None or not is_fresh(reading.at_mono, now_mono, LOCK_STALE_S):
        return None
    return reading


def most_amps(sample: MeterSample) -> float:
    """The current of the phase that carries most, whichever way it flows."""
    return max(abs(amps) for amps in sample.amps)
