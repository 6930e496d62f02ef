"""How many phases are connected: the contactor of L2 and L3 moves only without load and only while nothing is offered.

A change is one sequence that goes through once it has begun: the offer ends, the vehicle stops, the main contactor
opens, the phase contactor moves, and the pilot stays steady long enough for any vehicle to notice. What guards it
(dwell, count, a vehicle that would gain nothing) only ever delays it. Beside that this file tells how many phases a
vehicle uses, from the currents alone.
"""

import math

from chargerd.evse.situation import FEEDBACK_STALE_S, Situation, is_fresh
from hal.types import EvseFacts, MeterSample, PhasesReading

OPEN_S = 0.25
"""The main contactor counts as open this long after its command, feedback or not (feedback time in the field)."""

HOLD_S = 10.0
"""After the phase contactor moved nothing is offered for so long: vehicles that see the phases change under an offer
report an error that lasts (field practice 5 to 10 s)."""

DWELL_S = 600.0
"""A vehicle that was offered current keeps its phases this long: each change stops the charge and wears contactors."""

MOST_SWITCHES = 6
"""So many changes for one vehicle; then it stays as it is until it is unplugged."""

CARRIES_AMPS = 5.0
IDLE_AMPS = 0.5
DETECTION_S = 30.0
"""A phase above 5 A is used, one below 0.5 A is not; when all say one or the other for 30 s, the vehicle is known."""


class PhaseKeeper:
    """`phases`: the command. `connected`: how many are connected, by the feedback where there is one.

    `switching`: a change is under way, no energy. `pending`: the number that is wanted and not yet there (None: all is
    as wanted), `waits_for`: what holds it back ("switching", "one_phase_vehicle", "dwell", "count"). `silent`: the
    phase contactor cannot be read. `off_course`: it is not where it was told to be. `vehicle_phases`: how many the
    vehicle uses, None: not known.
    """

    def __init__(self, facts: EvseFacts) -> None:
        self.phases = facts.phases
        self.connected = facts.phases
        self.switching = False
        self.pending: int | None = None
        self.waits_for = ""
        self.silent = False
        self.off_course = False
        self.vehicle_phases: int | None = None
        self._facts = facts
        self._seen: int | None = None
        self._found = False
        self._moved_mono = -math.inf
        self._switches = 0
        self._offered = False
        self._count: int | None = None
        self._count_since_mono = -math.inf

    def read(self, reading: PhasesReading | None, now_mono: float) -> None:
        """Take the latest reading (None: there was none) and judge it against the command."""
        if not self._facts.has_phase_switch:
            return
        self.silent = reading is None or not is_fresh(reading.at_mono, now_mono, FEEDBACK_STALE_S)
        self._seen = None if reading is None or self.silent else reading.phases
        if self._seen in (1, 3) and not self._found:
            self.phases = self._seen  # as an earlier process left it: nothing is moved without a reason
        self._found = self._found or not self.silent
        self.off_course = self._seen is not None and self._seen != self.phases
        self.connected = self.phases if self._seen is None else self._seen

    def drive(self, situation: Situation, wanted: int | None) -> None:
        """Decide the command for this tick. `wanted`: how many to connect (None: nobody says, it stays)."""
        now_mono = situation.now_mono
        self._watch(situation)
        if not self._facts.has_phase_switch:
            return
        if not situation.connected:
            self._switches, self._offered = 0, False
        self._offered = self._offered or situation.offered_amps > 0
        if self.switching and self.pending is not None:
            self._go_on(situation, self.pending)
        elif now_mono - self._moved_mono >= HOLD_S:
            self.switching = False
            self._begin(situation, wanted if wanted in (1, 3) else self.phases)

    def _begin(self, situation: Situation, wanted: int) -> None:
        """Nothing is under way: begin when another number is wanted and nothing holds it back."""
        self.pending = None if wanted == self.phases else wanted
        self.waits_for = "" if self.pending is None else self._waits_for(situation)
        if self.pending is not None and not self.waits_for:
            self.switching, self.waits_for = True, "switching"

    def _waits_for(self, situation: Situation) -> str:
        if not situation.connected:
            return ""
        if self.vehicle_phases == 1:
            return "one_phase_vehicle"
        if self._switches >= MOST_SWITCHES:
            return "count"
        if self._offered and situation.now_mono - self._moved_mono < DWELL_S:
            return "dwell"
        return ""

    def _go_on(self, situation: Situation, target: int) -> None:
        """Move as soon as there is no load and no offer; the offer comes back HOLD_S later."""
        if not _is_dead(situation):
            return
        self.phases = target
        self.pending, self.waits_for = None, ""
        self._moved_mono = situation.now_mono
        self._switches += situation.connected

    def _watch(self, situation: Situation) -> None:
        """Follow the currents of a vehicle that charges with everything connected."""
        if not situation.connected:
            self.vehicle_phases = None
        full = not situation.has_to_be_open and self.connected == 3
        count = _phases_carrying(situation.meter) if full and situation.meter is not None else None
        if count != self._count:
            self._count, self._count_since_mono = count, situation.now_mono
        elif count is not None and situation.now_mono - self._count_since_mono >= DETECTION_S:
            self.vehicle_phases = count


def _is_dead(situation: Situation) -> bool:
    """Whether nothing can flow and nothing is offered: the main contactor is open, commanded and seen."""
    if situation.offered_amps > 0:
        return False
    if situation.facts.has_feedback and situation.feedback is not False:
        return False
    return situation.now_mono - situation.open_since_mono >= OPEN_S


def _phases_carrying(sample: MeterSample) -> int | None:
    """How many of three phases carry current; None: the currents do not tell."""
    carrying = sum(abs(amps) > CARRIES_AMPS for amps in sample.amps)
    idle = sum(abs(amps) < IDLE_AMPS for amps in sample.amps)
    return carrying if carrying and carrying + idle == 3 else None
