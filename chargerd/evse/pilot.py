"""The control pilot of IEC 61851-1 annex A: volts to vehicle state, and amperes to duty cycle and back.

The rule of this file: a step towards safety is believed after two samples, a step towards energy only when it has
lasted, and whatever fits no band of the standard is no state at all.
"""

import math

from chargerd.evse.situation import is_fresh
from chargerd.evse.types import RELAY_LEASE_S, PilotState
from chargerd.limits import MIN_AMPS
from hal.types import Alarm, PilotReading

MAX_AMPS = 80.0
"""The most a pilot can offer (IEC 61851-1 table A.8: 96 % duty)."""

TO_ENERGY_S = 0.3
"""State C (or D) has to last this long; well inside the 3 s the EVSE has for closing (table A.6), longer than contact
bounce."""

TO_CONNECTED_S = 0.1
"""A plug being pushed in bounces; a vehicle counts as connected once state B has lasted this long."""

TO_UNPLUGGED_S = 0.2
"""State A ends energy at once; that the vehicle has gone (not interference) is believed once A has lasted. The plug has
to be free 5 s after that (table A.6)."""

SAMPLES_TO_SAFE = 2
"""One odd sample is noise, two running are the truth: 40 ms at the 20 ms tick, of the 100 ms allowed (table A.6)."""

PWM_SETTLE_S = 0.05
"""Samples of the first 50 ms after the oscillator starts may still show the steady level; they prove nothing about a
diode."""

LOW_PEAK_VOLTS = (-13.0, -10.0)
"""With the oscillator on, a diode in the vehicle leaves the negative peak here (nominal -12 V); anything else is no
diode."""

NOT_OFFERED_PERCENT = 100.0
"""The duty that offers nothing: steady high (table A.8, above 97 %)."""

_STEPS_PER_PERCENT = 100  # duties are multiples of 0.01 %, the finest step the pilot boards' protocols carry
_CONNECTED = (PilotState.B, PilotState.C, PilotState.D)
_ENERGY = (PilotState.C, PilotState.D)

# The sure band of each state (+-1 V round nominal; E reaches up to D), and between two neighbours a gap that keeps
# what was. In a gap entered from elsewhere the neighbour counts that allows less: A before B, B before C, D
# (ventilation) before C.
_BANDS = (
    (11.0, 13.0, PilotState.A),
    (8.0, 10.0, PilotState.B),
    (5.0, 7.0, PilotState.C),
    (2.0, 4.0, PilotState.D),
    (-1.0, 2.0, PilotState.E),
    (-13.0, -11.0, PilotState.F),
)
_GAPS = (
    (10.0, 11.0, PilotState.B, PilotState.A),
    (7.0, 8.0, PilotState.C, PilotState.B),
    (4.0, 5.0, PilotState.C, PilotState.D),
)


def classify(high_volts: float, previous: PilotState) -> PilotState:
    """The state whose band holds the positive peak `high_volts` (table A.4); UNKNOWN outside every band, and for NaN.

    `previous` is the state that stands: between two bands it stays, so that a level on the edge does not flicker.
    """
    for lowest, highest, state in _BANDS:
        if lowest <= high_volts <= highest:
            return state
    for lowest, highest, keep, otherwise in _GAPS:
        if lowest < high_volts < highest:
            return keep if previous is keep else otherwise
    return PilotState.UNKNOWN


def amps_from_duty(duty_percent: float) -> float:
    """Amperes per phase a vehicle may take at this duty (IEC 61851-1 table A.8); 0 where the pilot alone offers none.

    That is: steady or nearly so (below 3 %, above 97 %), the bands that are not allowed, and 3 to 7 % (nominally 5 %),
    where the current is agreed by digital communication (ISO 15118), which this EVSE does not speak.
    """
    if 8.0 <= duty_percent < 10.0:
        return MIN_AMPS
    if 10.0 <= duty_percent <= 85.0:
        return duty_percent * 6.0 / 10.0
    if 85.0 < duty_percent <= 96.0:
        return (duty_percent * 5.0 - 320.0) / 2.0
    if 96.0 < duty_percent <= 97.0:
        return MAX_AMPS
    return 0.0


def duty_from_amps(amps: float) -> float:
    """The duty in percent that offers as much of `amps` (per phase) as a pilot can, and never more (table A.7).

    Rounded down to 0.01 %. Below 6 A and for NaN there is nothing to offer: 100 %, steady high. From 51 to 52.5 A the
    two slopes of the table cannot be told apart, so 51 A it is; above 80 A, 80 A.
    """
    if not amps >= MIN_AMPS:
        return NOT_OFFERED_PERCENT
    if amps <= 51.0:
        return _not_above(amps / 0.6, amps)
    if amps <= 52.5:
        return 85.0
    if amps < MAX_AMPS:
        return max(85.0, _not_above(amps / 2.5 + 64.0, amps))
    return 96.0


def _not_above(duty_percent: float, amps: float) -> float:
    """`duty_percent` on the grid of steps, the highest step that a vehicle reads as no more than `amps`."""
    step = math.floor(duty_percent * _STEPS_PER_PERCENT + 1e-6)
    while amps_from_duty(step / _STEPS_PER_PERCENT) > amps:
        step -= 1
    return step / _STEPS_PER_PERCENT


class PilotWatch:
    """Follows one pilot: which state stands since when, and whether the vehicle's diode was seen. A reading older than
    `stale_s` is none: the contactor has to open within 100 ms of an unplugged vehicle (table A.6).

    `state`: the state believed. `since_mono`: when it began. `settled`: the last sample agrees with it. `missing`:
    nothing fresh to go by (the state is UNKNOWN then). `connected`: a vehicle is there; only an A that lasts says it
    is not, since a short, a wrong level or a silent ADC say nothing about the plug. `diode_proven`: at least two
    samples since it was plugged in showed the negative peak with the oscillator on. `diode_wrong`: the last two did
    not. `volts`: the last sample, for messages. `alarms`: what the controller behind the pilot found by itself.
    """

    def __init__(self, stale_s: float) -> None:
        self.state = PilotState.UNKNOWN
        self.since_mono = -math.inf
        self.settled = False
        self.missing = True
        self.connected = False
        self.diode_proven = False
        self.diode_wrong = False
        self.volts = (math.nan, math.nan)
        self.alarms: tuple[Alarm, ...] = ()
        self._stale_s = stale_s
        self._blind_s = max(stale_s, RELAY_LEASE_S)
        self._read_at_mono = -math.inf
        self._candidate = PilotState.UNKNOWN
        self._candidate_since_mono = 0.0
        self._candidate_samples = 0
        self._odd_samples = 0
        self._diode_good = 0
        self._diode_bad = 0

    def update(
        self, reading: PilotReading | None, pwm_since_mono: float | None, now_mono: float, blind: bool = False
    ) -> None:
        """Take the latest reading (None: there was none). `pwm_since_mono`: when the oscillator was started, None: it
        is off. `blind`: what is read now says nothing about the vehicle; what was known of it stays."""
        is_new = reading is not None and reading.at_mono > self._read_at_mono
        if reading is not None and is_new and is_fresh(reading.at_mono, now_mono, self._stale_s):
            if reading.at_mono - self._read_at_mono > self._blind_s:
                self._lose_sight(now_mono)  # the loop stood still: nobody looked meanwhile
            self.missing = False
            self._read_at_mono = reading.at_mono
            self.alarms = reading.alarms
            if blind:
                self._look_away()
            else:
                self._take(reading, pwm_since_mono, now_mono)
        elif not now_mono - self._read_at_mono <= self._stale_s:
            self._lose_sight(now_mono)

    def _look_away(self) -> None:
        self.settled = False
        self.diode_proven = False  # unseen, another vehicle may have come
        self._diode_good = 0
        self._candidate_samples = self._odd_samples = 0

    def _lose_sight(self, now_mono: float) -> None:
        self.missing = True
        self.alarms = ()
        self._look_away()
        self._settle(PilotState.UNKNOWN, now_mono)

    def _take(self, reading: PilotReading, pwm_since_mono: float | None, now_mono: float) -> None:
        self.volts = (reading.high_volts, reading.low_volts)
        seen = classify(reading.high_volts, self.state)
        self._follow(seen, reading.at_mono, now_mono)
        if pwm_since_mono is None:
            self._diode_good = self._diode_bad = 0
            self.diode_wrong = False
        elif seen in _CONNECTED and reading.at_mono - pwm_since_mono >= PWM_SETTLE_S:
            self._check_diode(reading.low_volts)

    def _follow(self, seen: PilotState, at_mono: float, now_mono: float) -> None:
        self.settled = seen is self.state
        if self.settled:
            self._candidate_samples = self._odd_samples = 0
            if seen is PilotState.A and now_mono - self.since_mono >= TO_UNPLUGGED_S:
                self.connected = False
            return
        self._odd_samples += 1
        if seen is not self._candidate or self._candidate_samples == 0:
            self._candidate, self._candidate_since_mono, self._candidate_samples = seen, at_mono, 0
        self._candidate_samples += 1
        lasted_s = at_mono - self._candidate_since_mono
        if self._candidate_samples >= SAMPLES_TO_SAFE and lasted_s >= _lasting_s(self.state, seen):
            self.settled = True
            self._settle(seen, now_mono)
        elif self._odd_samples >= SAMPLES_TO_SAFE and self.state in _ENERGY and seen not in _ENERGY:
            # A pilot that jumps between two wrong levels must not keep energy alive; what it means is not known.
            self._settle(PilotState.UNKNOWN, now_mono)

    def _settle(self, state: PilotState, now_mono: float) -> None:
        self._candidate_samples = self._odd_samples = 0
        if state is self.state:
            return
        self.state = state
        self.since_mono = now_mono
        if state is PilotState.A:
            self.diode_proven = self.diode_wrong = False
            self._diode_good = self._diode_bad = 0
        elif state in _CONNECTED:
            self.connected = True

    def _check_diode(self, low_volts: float) -> None:
        if LOW_PEAK_VOLTS[0] <= low_volts <= LOW_PEAK_VOLTS[1]:
            self._diode_good += 1
            self._diode_bad = 0
        else:
            self._diode_bad += 1
            self._diode_good = 0
        if self._diode_good >= SAMPLES_TO_SAFE:
            self.diode_proven, self.diode_wrong = True, False
        if self._diode_bad >= SAMPLES_TO_SAFE:
            self.diode_proven, self.diode_wrong = False, True


def _lasting_s(state: PilotState, seen: PilotState) -> float:
    """How long `seen` has to last before it replaces `state`; 0: two samples are enough."""
    if seen is PilotState.C or (seen is PilotState.D and state is not PilotState.C):
        return TO_ENERGY_S
    if seen is PilotState.B and state in (PilotState.A, PilotState.UNKNOWN):
        return TO_CONNECTED_S
    return 0.0
