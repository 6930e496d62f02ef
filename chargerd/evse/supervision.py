"""What cannot be: readings that contradict commands or each other become faults here, after the time each needs to be
sure.

Every tick lists afresh the causes that are seen; a fault is raised when its cause has lasted, and cleared as the
table says.
"""

import math
from collections.abc import Iterator

from chargerd.evse.faults import FaultCode, cleared, raised
from chargerd.evse.situation import Situation, most_amps
from chargerd.evse.types import ActiveFault, PilotState

FEEDBACK_S = 0.25
"""How long a contactor may take to follow its command, closing or opening (field practice 250 ms)."""

OVERDRAW_S = 7.0
"""How long a vehicle may exceed what the pilot signals: it has 5 s to follow a change (table A.6), and meters lag."""

OVERDRAW_FACTOR = 1.10
OVERDRAW_AMPS = 0.5
"""Margin over the signalled current: 10 % for duty and meter tolerance, 0.5 A for what the car draws besides."""

OPEN_AMPS = 1.0
OPEN_CURRENT_S = 2.0
"""Above this current an open contactor is not open; the meter's averaging is over 2 s after opening."""

STOP_CELSIUS = 65.0
RESUME_CELSIUS = 55.0
"""Stop and resume temperatures, as used in the field; the ten degrees between keep it from cycling."""

SILENT_S = 5.0
"""A device that has said nothing for this long (energy ended long before) is reported as broken."""

PILOT_SILENT_S = 1.0
"""The pilot is read fifty times a second; a second of silence is a broken pilot."""

PILOT_LEVEL_S = 0.1
"""Energy ends at once on a wrong level; to be called a fault it has to outlast the moment of plugging in or out."""

LOCK_S = 3.0
"""A lock that is not where it should be after this time is stuck."""

CABLE_S = 0.5
"""A contact being pushed in or pulled out chatters no longer than this."""

_HISTORY_LENGTH = 32


class SignalHistory:
    """What the pilot signalled of late: the highest current of the last `span_s` seconds, in bounded memory."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._amps = 0.0
        self._past: list[
            tuple[float, float]
        ] = []  # (when it ended, amps): falling, and all above what is signalled now

    def note(self, amps: float, now_mono: float) -> None:
        """The pilot signals `amps` from now on."""
        if amps < self._amps and len(self._past) < _HISTORY_LENGTH:
            # When full, a step is forgotten, which makes the verdict stricter, never laxer.
            self._past.append((now_mono, self._amps))
        self._amps = amps
        self._past = [past for past in self._past if past[1] > amps and now_mono - past[0] < self._span_s]

    def highest_amps(self) -> float:
        """The highest current within the span, as of the last note."""
        return max(self._amps, self._past[0][1]) if self._past else self._amps


class Supervision:
    """Holds the faults of one EVSE. `faults`: those that stand, oldest first."""

    def __init__(self) -> None:
        self.faults: tuple[ActiveFault, ...] = ()
        self._since_mono: dict[FaultCode, float] = {}
        self._signals = SignalHistory(OVERDRAW_S)

    def update(self, situation: Situation) -> tuple[ActiveFault, ...]:
        """Judge one tick; the faults that stand afterwards."""
        self._signals.note(situation.offered_amps, situation.now_mono)
        causes = dict(self._causes(situation))
        if not causes and not self._since_mono and not self.faults:
            return ()
        now_mono = situation.now_mono
        self._since_mono = {code: self._since_mono.get(code, now_mono) for code in causes}
        for code, lasting_s in causes.items():
            if now_mono - self._since_mono[code] >= lasting_s:
                self.faults = raised(self.faults, code, now_mono, _detail(code, situation))
        unplugged = situation.pilot_state is PilotState.A and not situation.connected
        self.faults = cleared(self.faults, self._since_mono, unplugged)
        return self.faults

    def _causes(self, situation: Situation) -> Iterator[tuple[FaultCode, float]]:
        """Each cause seen in this tick, and for how many seconds it has to last."""
        yield from _pilot_causes(situation)
        yield from _contactor_causes(situation)
        yield from _silent_causes(situation)
        sample = situation.meter
        if sample is not None and situation.relay_commanded:
            amps = most_amps(sample)
            if amps > allowed_amps(situation.offered_amps):
                # A vehicle that is still following one lowered limit is not blamed for the next: it has to exceed
                # everything it was told within the time it has.
                obeys_late = amps <= allowed_amps(self._signals.highest_amps())
                yield FaultCode.EV_OVERDRAW, (math.inf if obeys_late else OVERDRAW_S)
        if situation.residual is not None:
            if situation.residual.tripped_ac:
                yield FaultCode.RESIDUAL_AC, 0.0
            if situation.residual.tripped_dc:
                yield FaultCode.RESIDUAL_DC, 0.0
        if situation.celsius is not None:
            stands = any(active.code == FaultCode.OVER_TEMPERATURE for active in self.faults)
            if situation.celsius >= (RESUME_CELSIUS if stands else STOP_CELSIUS):
                yield FaultCode.OVER_TEMPERATURE, 0.0


def allowed_amps(signalled_amps: float) -> float:
    """What a meter may show while the pilot signals `signalled_amps`."""
    return signalled_amps * OVERDRAW_FACTOR + OVERDRAW_AMPS


def _pilot_causes(situation: Situation) -> Iterator[tuple[FaultCode, float]]:
    state = situation.pilot_state
    if situation.pilot_missing:
        yield FaultCode.PILOT_SILENT, PILOT_SILENT_S
    elif state is PilotState.E:
        yield FaultCode.PILOT_SHORT, PILOT_LEVEL_S
    elif state is PilotState.F or (state is PilotState.UNKNOWN and situation.pilot_settled):
        # This EVSE never puts state F on the pilot itself, so -12 V is a wrong level like any other.
        yield FaultCode.PILOT_LEVEL, PILOT_LEVEL_S
    elif state is PilotState.D and not situation.facts.ventilated:
        yield FaultCode.VENTILATION, 0.0
    if situation.diode_wrong:
        yield FaultCode.DIODE, 0.0


def _contactor_causes(situation: Situation) -> Iterator[tuple[FaultCode, float]]:
    if situation.relay_commanded:
        if situation.facts.has_feedback and situation.feedback is not True:
            yield FaultCode.CONTACTOR_NO_CLOSE, FEEDBACK_S
        return
    if situation.feedback is True:
        yield FaultCode.CONTACTOR_WELDED, FEEDBACK_S
    sample = situation.meter
    taken_after_opening = sample is not None and sample.at_mono >= situation.relay_since_mono + OPEN_CURRENT_S
    if sample is not None and taken_after_opening and most_amps(sample) > OPEN_AMPS:
        yield FaultCode.CURRENT_WHILE_OPEN, OPEN_CURRENT_S


def _silent_causes(situation: Situation) -> Iterator[tuple[FaultCode, float]]:
    if situation.facts.has_meter and situation.meter is None:
        yield FaultCode.METER_SILENT, SILENT_S
    if _silent_devices(situation):
        yield FaultCode.DEVICE_SILENT, SILENT_S
    if situation.cable_invalid:
        yield FaultCode.CABLE_INVALID, CABLE_S
    if situation.cable_changed:
        yield FaultCode.CABLE_CHANGED, CABLE_S
    if situation.lock_off_course:
        yield FaultCode.LOCK_FAILURE, LOCK_S


def _silent_devices(situation: Situation) -> str:
    """Names of the fitted devices that say nothing, joined for a message; "" when all speak."""
    facts = situation.facts
    if not (facts.has_feedback or facts.has_residual or facts.has_thermometer or facts.has_lock or facts.has_proximity):
        return ""
    silent = (
        (facts.has_feedback and situation.feedback is None, "contactor feedback"),
        (facts.has_residual and situation.residual is None, "residual current monitor"),
        (facts.has_thermometer and situation.celsius is None, "thermometer"),
        (facts.has_lock and situation.lock_silent, "lock"),
        (facts.has_proximity and situation.cable_silent, "proximity"),
    )
    return ", ".join(name for is_silent, name in silent if is_silent)


def _detail(code: FaultCode, situation: Situation) -> str:
    """The values behind a fault, for the log and the technician."""
    match code:
        case FaultCode.PILOT_LEVEL | FaultCode.PILOT_SHORT | FaultCode.DIODE | FaultCode.VENTILATION:
            return f"high {situation.pilot_volts[0]:.1f} V, low {situation.pilot_volts[1]:.1f} V"
        case FaultCode.EV_OVERDRAW | FaultCode.CURRENT_WHILE_OPEN:
            assert situation.meter is not None, "can't happen: these two are seen in a sample"
            return f"{most_amps(situation.meter):.1f} A of {situation.offered_amps:.1f} A offered"
        case FaultCode.OVER_TEMPERATURE:
            return f"{situation.celsius:.1f} C"
        case FaultCode.CABLE_CHANGED:
            return f"now {situation.cable_amps} A"
        case FaultCode.DEVICE_SILENT:
            return _silent_devices(situation)
        case _:
            return ""
