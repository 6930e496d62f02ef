"""What the readings of one tick amount to: only what is fresh and sane gets in, everything else is None, "missing".

Guard and supervision judge a Situation and never a raw reading, so the question "how old is it" is answered in one
place.
"""

import math

import msgspec

from chargerd.evse.types import MeterSession, PilotState
from hal.types import (
    Alarm,
    EvseFacts,
    InputName,
    InputsReading,
    LockReading,
    MeterSample,
    RelayReading,
    ResidualReading,
    Temperature,
)

AHEAD_S = 0.05
"""A reading can be taken just after the tick asked for the time; stamped later than this it is wrong."""

FEEDBACK_STALE_S = 0.25
"""Contactor feedback, residual monitor and input lines are read each tick; silent for this long they are missing
(feedback time, 250 ms)."""

LOCK_STALE_S = 1.0
"""A motor lock takes about half a second for its way; its contact is read each tick."""

METER_STALE_S = 2.5
"""Meters are polled each second, and one lost answer is asked for again; after this the current is unknown, and so is
whether the vehicle obeys."""

TEMPERATURE_STALE_S = 30.0
"""Temperature moves in minutes and is polled slowly."""

_SANE_AMPS = 1000.0
_SANE_VOLTS = 1000.0
_SANE_CELSIUS = (-60.0, 200.0)


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """One EVSE at one instant, as far as it is known.

    `stood_still`: no tick for so long that the board opened by itself meanwhile. `connected`, `pilot_*`, `diode_*`,
    `alarms`: see pilot.PilotWatch. `relay_commanded`: the contactor is told to be closed. `reclose_mono`, `cut_off`:
    see contactor.Contactor. `open_since_mono`: since when it has to be open, inf: it may be closed. `offered_amps`:
    what the pilot signalled when the readings were taken. `unreduced_amps`: see limit_table.LimitTable. `phases`,
    `vehicle_phases`, `phase*`: see phases.PhaseKeeper. `waking`, `not_charging`: see wakeup.WakeUpLadder. `feedback`,
    `meter`, `celsius`, `plug_celsius`, `inputs`: None when missing or not fitted (`facts` tells which). `meter_*`: see
    metering.MeterWatch. `residual_*`, `test_failed`: see residual.ResidualWatch. `cable_*`: see cable.CableWatch.
    `lock_*`: see lock.LockKeeper. `session`: that of a meter that signs. `*_silent`: nothing fresh was read of it.
    """

    facts: EvseFacts
    now_mono: float
    stood_still: bool = False
    pilot_state: PilotState = PilotState.UNKNOWN
    pilot_missing: bool = True
    pilot_settled: bool = False
    pilot_volts: tuple[float, float] = (math.nan, math.nan)
    connected: bool = False
    diode_proven: bool = False
    diode_wrong: bool = False
    alarms: tuple[Alarm, ...] = ()
    relay_commanded: bool = False
    reclose_mono: float = -math.inf
    cut_off: bool = False
    open_since_mono: float = -math.inf
    offered_amps: float = 0.0
    unreduced_amps: float = 0.0
    phases: int = 3
    vehicle_phases: int | None = None
    phase_switching: bool = False
    phases_silent: bool = False
    phases_off_course: bool = False
    waking: bool = False
    not_charging: bool = False
    feedback: bool | None = None
    meter: MeterSample | None = None
    meter_silent: bool = False
    meter_frozen: bool = False
    meter_implausible: str = ""
    meter_swapped: str = ""
    residual_silent: bool = False
    residual_ready: bool = False
    residual_tripped: bool = False
    residual_ac: bool = False
    residual_dc: bool = False
    residual_dc_again: bool = False
    test_failed: bool = False
    celsius: float | None = None
    plug_celsius: float | None = None
    inputs: tuple[InputName, ...] | None = None
    cable_amps: float | None = None
    cable_silent: bool = False
    cable_absent: bool = False
    cable_invalid: bool = False
    cable_changed: bool = False
    lock_confirmed: bool = False
    lock_silent: bool = False
    lock_off_course: bool = False
    lock_broken: bool = False
    session: MeterSession | None = None

    @property
    def has_to_be_open(self) -> bool:
        """Whether the contactor may not be closed now."""
        return self.now_mono >= self.open_since_mono

    @property
    def held_amps(self) -> float:
        """What the vehicle may take before it is to blame: what is signalled, or would be if it had obeyed."""
        return max(self.offered_amps, self.unreduced_amps) if self.offered_amps > 0 else 0.0


def is_fresh(at_mono: float, now_mono: float, stale_s: float) -> bool:
    """Whether something stamped `at_mono` counts: neither older than `stale_s` nor from the future (nor NaN)."""
    return -AHEAD_S <= now_mono - at_mono <= stale_s


def board_stale_s(facts: EvseFacts) -> float:
    """How old the word of contactor and residual monitor may be. A controller that opens by itself, and is polled, may
    be silent for longer: it tells them together with the pilot.
    """
    return max(FEEDBACK_STALE_S, facts.pilot_stale_s)


def feedback_of(reading: RelayReading | None, now_mono: float, stale_s: float = FEEDBACK_STALE_S) -> bool | None:
    """Whether the contactor is closed, None when nobody knows."""
    if reading is None or not is_fresh(reading.at_mono, now_mono, stale_s):
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
        if not 0 <= volts <= _SANE_VOLTS:
            return None
    return sample


def residual_of(
    reading: ResidualReading | None, now_mono: float, stale_s: float = FEEDBACK_STALE_S
) -> ResidualReading | None:
    """The residual monitor's word, None when it is missing."""
    if reading is None or not is_fresh(reading.at_mono, now_mono, stale_s):
        return None
    return reading


def inputs_of(reading: InputsReading | None, now_mono: float) -> tuple[InputName, ...] | None:
    """The input lines that are asserted, None when they are missing."""
    if reading is None or not is_fresh(reading.at_mono, now_mono, FEEDBACK_STALE_S):
        return None
    return reading.asserted


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
