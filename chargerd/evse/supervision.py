"""What cannot or must not be: readings that contradict commands or each other, and devices that call for help, become
faults here, after the time each needs to be sure.

Every tick lists afresh the causes that are seen; a fault is raised when its cause has lasted, and cleared as the
table says.
"""

import math
from collections.abc import Collection, Iterator

from chargerd.evse.derating import amps_at
from chargerd.evse.faults import ALARMS, FaultCode, cleared, raised
from chargerd.evse.mains import mains_causes, mains_detail
from chargerd.evse.metering import OPEN_AMPS, OPEN_CURRENT_S
from chargerd.evse.situation import Situation, most_amps
from chargerd.evse.types import ActiveFault, PilotState
from hal.types import Alarm, DeratePoint, InputName

FEEDBACK_S = 0.25
"""How long a contactor may take to follow its command, closing or opening (field practice 250 ms)."""

AUTONOMOUS_CLOSE_S = 3.0
"""A controller that closes by itself tests first; the EVSE has 3 s from state C (table A.6)."""

FOLLOW_S = 5.0
"""How long a vehicle has to follow a change (table A.6)."""

OVERDRAW_WARNING_S = 3.5
OVERDRAW_S = 7.0
"""How long a vehicle may exceed what the pilot signals: the time it has to follow, and meters lag."""

OVERDRAW_FACTOR = 1.10
OVERDRAW_AMPS = 0.5
"""Margin over the signalled current: 10 % for duty and meter tolerance, 0.5 A for what the car draws besides."""

OUTPUT_VOLTAGE_S = 2.0
"""So long after opening the vehicle's filters may still hold voltage on the outlet."""

RESUME_KELVIN = 10.0
"""What became too hot has to cool down by this much, which keeps it from cycling."""

DERATING_KELVIN = 1.0
"""A thermometer on the edge must not make a warning come and go."""

SILENT_S = 5.0
"""A device that has said nothing for this long (energy ended long before) is reported as broken."""

PILOT_SILENT_S = 1.0
"""The pilot is read fifty times a second; a second of silence is a broken pilot."""

PILOT_LEVEL_S = 0.1
"""Energy ends at once on a wrong level; to be called a fault it has to outlast the moment of plugging in or out."""

LOCK_S = 3.0
"""A lock that is not where it should be after this time is stuck."""

PHASES_S = 1.0
"""How long the phase contactor may take; meanwhile the main one is open."""

CABLE_S = 0.5
"""A contact being pushed in or pulled out chatters no longer than this."""

INSERTION_S = 1.0
"""Pilot and proximity contact of one plug touch within a second, and part within one."""

HISTORY_LENGTH = 32


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
        if amps < self._amps and len(self._past) < HISTORY_LENGTH:
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
        self._followed = SignalHistory(FOLLOW_S)
        self._signals = SignalHistory(OVERDRAW_S)

    def update(self, situation: Situation) -> tuple[ActiveFault, ...]:
        """Judge one tick; the faults that stand afterwards."""
        self._followed.note(situation.held_amps, situation.now_mono)
        self._signals.note(situation.held_amps, situation.now_mono)
        if situation.stood_still:
            self._since_mono = {}  # what was seen before the gap need not have lasted through it
        causes: dict[FaultCode, float] = {}
        standing = [active.code for active in self.faults]
        for code, lasting_s in self._causes(situation, standing):
            causes[code] = min(lasting_s, causes.get(code, math.inf))
        if not causes and not self._since_mono and not self.faults:
            return ()
        now_mono = situation.now_mono
        self._since_mono = {code: self._since_mono.get(code, now_mono) for code in causes}
        for code, lasting_s in causes.items():
            if now_mono - self._since_mono[code] >= lasting_s and code not in standing:
                self.faults = raised(self.faults, code, now_mono, _detail(code, situation))
        unplugged = situation.pilot_state is PilotState.A and not situation.connected
        self.faults = cleared(self.faults, self._since_mono, unplugged)
        return self.faults

    def _causes(self, situation: Situation, standing: Collection[str]) -> Iterator[tuple[FaultCode, float]]:
        """Each cause seen in this tick, and for how many seconds it has to last; some are seen twice."""
        yield from _pilot_causes(situation)
        yield from _contactor_causes(situation)
        yield from _residual_causes(situation)
        yield from _plug_causes(situation)
        yield from _input_causes(situation)
        yield from _meter_causes(situation)
        yield from mains_causes(situation, standing)
        yield from _heat_causes(situation, standing)
        yield from self._overdraw_causes(situation)
        if _silent_devices(situation):
            yield FaultCode.DEVICE_SILENT, SILENT_S

    def _overdraw_causes(self, situation: Situation) -> Iterator[tuple[FaultCode, float]]:
        sample = situation.meter
        if sample is None or situation.has_to_be_open:
            return
        amps = most_amps(sample)
        if amps > allowed_amps(situation.held_amps):
            # A vehicle that is still following one lowered limit is not blamed for the next: it has to exceed
            # everything it was told within the time it has.
            follows = amps <= allowed_amps(self._followed.highest_amps())
            obeys_late = amps <= allowed_amps(self._signals.highest_amps())
            yield FaultCode.EV_OVERDRAW_WARNING, (math.inf if follows else OVERDRAW_WARNING_S)
            yield FaultCode.EV_OVERDRAW, (math.inf if obeys_late else OVERDRAW_S)


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
        # Where this EVSE puts -12 V on the pilot itself it does not look, so here that is a wrong level like any other.
        yield FaultCode.PILOT_LEVEL, PILOT_LEVEL_S
    elif state is PilotState.D and not situation.facts.ventilated:
        yield FaultCode.VENTILATION, 0.0
    if situation.diode_wrong:
        yield FaultCode.DIODE, 0.0
    for alarm in situation.alarms:
        if alarm not in (Alarm.RESIDUAL_AC, Alarm.RESIDUAL_DC):  # the residual watch judges these
            yield ALARMS[alarm], 0.0


def _contactor_causes(situation: Situation) -> Iterator[tuple[FaultCode, float]]:
    facts = situation.facts
    if situation.relay_commanded and facts.has_feedback and situation.feedback is not True:
        yield FaultCode.CONTACTOR_NO_CLOSE, AUTONOMOUS_CLOSE_S if facts.autonomous else FEEDBACK_S
    if situation.phases_off_course:
        yield FaultCode.PHASE_SWITCH, PHASES_S
    if situation.cut_off and situation.connected:
        yield FaultCode.EV_DOES_NOT_STOP, 0.0
    if not situation.has_to_be_open:
        return
    if situation.feedback is True:
        yield FaultCode.CONTACTOR_WELDED, FEEDBACK_S
    elif situation.inputs is not None and InputName.OUTPUT_VOLTAGE in situation.inputs:
        yield FaultCode.OUTPUT_VOLTAGE, OUTPUT_VOLTAGE_S
    sample = situation.meter
    if sample is None or sample.at_mono < situation.open_since_mono + OPEN_CURRENT_S:
        return
    if most_amps(sample) > OPEN_AMPS:
        yield FaultCode.CURRENT_WHILE_OPEN, OPEN_CURRENT_S


def _residual_causes(situation: Situation) -> Iterator[tuple[FaultCode, float]]:
    seen = (
        (situation.residual_ac, FaultCode.RESIDUAL_AC),
        (situation.residual_dc, FaultCode.RESIDUAL_DC),
        (situation.residual_dc_again, FaultCode.RESIDUAL_DC_AGAIN),
        (situation.test_failed, FaultCode.RESIDUAL_TEST),
    )
    return ((code, 0.0) for is_seen, code in seen if is_seen)


def _plug_causes(situation: Situation) -> Iterator[tuple[FaultCode, float]]:
    if situation.cable_absent:
        yield FaultCode.PARTIAL_INSERTION, INSERTION_S
    if situation.cable_invalid:
        yield FaultCode.CABLE_INVALID, CABLE_S
    if situation.cable_changed:
        yield FaultCode.CABLE_CHANGED, CABLE_S
    if situation.lock_off_course:
        yield FaultCode.LOCK_FAILURE, LOCK_S
    if situation.lock_broken:
        yield FaultCode.LATCH_BROKEN, 0.0
    if situation.not_charging:
        yield FaultCode.EV_NOT_CHARGING, 0.0


_INPUTS = {
    InputName.EMERGENCY_STOP: FaultCode.EMERGENCY_STOP,
    InputName.ENCLOSURE: FaultCode.ENCLOSURE_OPEN,
    InputName.CABLE_CUT: FaultCode.CABLE_CUT,
}


def _input_causes(situation: Situation) -> Iterator[tuple[FaultCode, float]]:
    return ((_INPUTS[name], 0.0) for name in situation.inputs or () if name in _INPUTS)


def _meter_causes(situation: Situation) -> Iterator[tuple[FaultCode, float]]:
    if situation.facts.has_meter and situation.meter_silent:
        yield FaultCode.METER_SILENT, 0.0
    if situation.meter_frozen:
        yield FaultCode.METER_FROZEN, 0.0
    if situation.meter_implausible:
        yield FaultCode.METER_IMPLAUSIBLE, 0.0
    if situation.meter_swapped:
        yield FaultCode.METER_SWAPPED, 0.0


def _heat_causes(situation: Situation, standing: Collection[str]) -> Iterator[tuple[FaultCode, float]]:
    facts = situation.facts
    for celsius, curve, derated, stopped in (
        (situation.celsius, facts.derating, FaultCode.DERATING, FaultCode.OVER_TEMPERATURE),
        (situation.plug_celsius, facts.plug_derating, FaultCode.PLUG_DERATING, FaultCode.PLUG_OVER_TEMPERATURE),
    ):
        if celsius is None:
            continue
        if celsius >= curve[-1].celsius - (RESUME_KELVIN if stopped in standing else 0.0):
            yield stopped, 0.0
        elif _is_derated(celsius, curve, facts.max_amps, derated in standing):
            yield derated, 0.0


def _is_derated(celsius: float, curve: tuple[DeratePoint, ...], max_amps: float, stands: bool) -> bool:
    """Whether this temperature costs current, or did until just now."""
    return amps_at(curve, celsius + (DERATING_KELVIN if stands else 0.0)) < max_amps


def _silent_devices(situation: Situation) -> str:
    """Names of the fitted devices that say nothing, joined for a message; "" when all speak."""
    facts = situation.facts
    silent = (
        (facts.has_feedback and situation.feedback is None, "contactor feedback"),
        (facts.has_residual and situation.residual_silent, "residual current monitor"),
        (facts.has_thermometer and situation.celsius is None, "thermometer"),
        (facts.has_plug_thermometer and situation.plug_celsius is None, "plug thermometer"),
        (bool(facts.inputs) and situation.inputs is None, "input lines"),
        (facts.has_lock and situation.lock_silent, "lock"),
        (facts.has_proximity and situation.cable_silent, "proximity"),
        (situation.phases_silent, "phase contactor"),
    )
    return ", ".join(name for is_silent, name in silent if is_silent)


_MAINS = (
    FaultCode.OVER_VOLTAGE,
    FaultCode.UNDER_VOLTAGE,
    FaultCode.PHASE_LOSS,
    FaultCode.POWER_LOSS,
    FaultCode.PHASE_UNBALANCE,
)


def _detail(code: FaultCode, situation: Situation) -> str:
    """The values behind a fault, for the log and the technician; an alarm of a controller comes without any."""
    meter = situation.meter
    match code:
        case FaultCode.PILOT_LEVEL | FaultCode.PILOT_SHORT | FaultCode.DIODE | FaultCode.VENTILATION:
            return f"high {situation.pilot_volts[0]:.1f} V, low {situation.pilot_volts[1]:.1f} V"
        case FaultCode.EV_OVERDRAW_WARNING | FaultCode.EV_OVERDRAW | FaultCode.CURRENT_WHILE_OPEN if meter is not None:
            return f"{most_amps(meter):.1f} A of {situation.held_amps:.1f} A offered"
        case FaultCode.DERATING | FaultCode.OVER_TEMPERATURE if situation.celsius is not None:
            return f"{situation.celsius:.1f} C"
        case FaultCode.PLUG_DERATING | FaultCode.PLUG_OVER_TEMPERATURE:
            return f"{situation.plug_celsius:.1f} C"
        case FaultCode.METER_IMPLAUSIBLE:
            return situation.meter_implausible
        case FaultCode.METER_SWAPPED:
            return situation.meter_swapped
        case _ if code in _MAINS and meter is not None:
            return mains_detail(meter)
        case FaultCode.PHASE_SWITCH:
            return f"{situation.phases} connected"
        case FaultCode.CABLE_CHANGED:
            return f"now {situation.cable_amps} A"
        case FaultCode.DEVICE_SILENT:
            return _silent_devices(situation)
        case _:
            return ""
