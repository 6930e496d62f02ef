"""The wake-up ladder for a vehicle that is offered current and stays in state B (IEC 61851-1 clause A.5.3).

Its rungs, each with a time to wait before: the offer is interrupted, once more, and state F where the board says so.
After the last one the ladder rests until the vehicle is unplugged or somebody takes the offer away and gives it anew
(for a moment only: that was a reading that came late, and the offer is the one it was).
It works under an offer only, so it never acts against a pause of a user or of the CSMS, and a vehicle that has asked
for energy under this offer is awake: it stopped by its own will.

While the pilot is cut off or at -12 V, what is read of it says nothing about the vehicle (`is_blind`).
"""

import math

from chargerd.evse.pilot import classify
from chargerd.evse.situation import Situation
from chargerd.evse.types import PilotState
from hal.types import EvseFacts, PilotMode, WakeUp

FIRST_S = 60.0
"""A vehicle that wakes by itself does so within seconds of the offer; some take most of a minute."""

NEXT_S = 30.0
"""Between two rungs: as long as a vehicle needs to start up."""

PULSE_S = 4.0
"""How long a rung takes the offer away (clause A.5.3 allows 4 s once; state F has to last 300 ms at least)."""

SETTLE_S = 1.0
"""After a rung that blinds the EVSE the pilot rests at +12 V for so long, and is not believed yet."""

INTERRUPTIONS = 2

SAME_OFFER_S = 0.5
"""An offer that comes back within this is the same one: a vehicle hardly sees the gap, and nobody decides so fast."""

FAR_AWAKE_S = 3600.0
"""State F comes only when the vehicle last asked for energy longer ago than this: some take it for an error that
lasts, and one that was awake just now does not need it."""

NOT_CHARGING_S = 120.0
"""After the last rung; a vehicle that still does not ask will not charge."""

TOGGLE_S = (0.2, 3.0)
"""From B to C and back within these: a vehicle that asks the EVSE to wake (BCB toggle), not one that asks for
energy."""

MOST_TOGGLES = 3
"""A vehicle toggles one to three times; more is no request, and does not hold the ladder up."""

_BLINDING = (PilotMode.DISCONNECTED, PilotMode.STEADY_LOW)
_ASKING = (PilotState.C, PilotState.D)


class WakeUpLadder:
    """`waking`: a rung is under way, nothing is offered. `mode`: what the pilot shows while nothing is offered.

    `wake_ups`: rungs taken, `toggles`: BCB toggles seen, both since the process began. `not_charging`: the ladder is
    through and the vehicle still does not ask, until it does or is unplugged.
    """

    def __init__(self, facts: EvseFacts) -> None:
        self.waking = False
        self.mode = PilotMode.STEADY_HIGH
        self.wake_ups = 0
        self.toggles = 0
        self.not_charging = False
        self._interruption = PilotMode.DISCONNECTED if facts.can_disconnect else PilotMode.STEADY_HIGH
        self._wake_up = facts.wake_up
        self._blinded_mono = -math.inf
        self._rung_mono = -math.inf
        # Of this vehicle.
        self._asked_mono = -math.inf
        self._low_mono = -math.inf
        self._asking_since_mono: float | None = None
        # Of this offer. `_gone_mono`: since when there is none; -inf: there was none to this vehicle.
        self._gone_mono: float | None = -math.inf
        self._since_mono = -math.inf
        self._rungs = 0
        self._toggles = 0
        self._is_awake = False

    def is_blind(self, now_mono: float) -> bool:
        """Whether what is read of the pilot says nothing about the vehicle."""
        return self.mode in _BLINDING or now_mono - self._blinded_mono < SETTLE_S

    def drive(self, situation: Situation, offered: bool, allowed: bool) -> None:
        """Decide for this tick. `offered`: nothing but the vehicle holds energy back. `allowed`: it may be woken."""
        now_mono = situation.now_mono
        if self.mode in _BLINDING:
            self._blinded_mono = now_mono
        if not situation.connected:
            self._asked_mono = self._low_mono = self._gone_mono = -math.inf
            self.not_charging = False
        if self.is_blind(now_mono):
            self._asking_since_mono = None
        else:
            self._listen(situation)
        if not offered:
            self.waking, self.mode = False, PilotMode.STEADY_HIGH
            self._gone_mono = now_mono if self._gone_mono is None else self._gone_mono
            return
        if self._gone_mono is not None:
            self._resume(now_mono - self._gone_mono, now_mono)
        if self.waking:
            self._go_on(now_mono)
        elif not self._is_awake and situation.pilot_state is PilotState.B and situation.pilot_settled:
            self._wait(allowed, now_mono)

    def _resume(self, gone_s: float, now_mono: float) -> None:
        """There is an offer again, after `gone_s`."""
        self._gone_mono = None
        if gone_s >= SAME_OFFER_S:
            self._since_mono, self._rungs, self._toggles, self._is_awake = now_mono, 0, 0, False
        elif self._since_mono < self._rung_mono:
            self._since_mono = now_mono  # the gap ended a rung

    def _listen(self, situation: Situation) -> None:
        """Tell a toggle from a vehicle that asks for energy by how long it lasts."""
        now_mono = situation.now_mono
        if situation.pilot_state in _ASKING:
            self._asked_mono = now_mono
            self.not_charging = False
        seen = PilotState.UNKNOWN
        if not situation.pilot_missing:
            seen = classify(situation.pilot_volts[0], situation.pilot_state)
        if seen in _ASKING:
            if self._asking_since_mono is None:
                self._asking_since_mono = now_mono
            elif now_mono - self._asking_since_mono > TOGGLE_S[1]:
                self._is_awake = True
            return
        since_mono, self._asking_since_mono = self._asking_since_mono, None
        if seen is PilotState.B and since_mono is not None and TOGGLE_S[0] <= now_mono - since_mono <= TOGGLE_S[1]:
            self.toggles += 1
            self._toggles += 1
            if self._toggles <= MOST_TOGGLES:
                self._since_mono = now_mono

    def _wait(self, allowed: bool, now_mono: float) -> None:
        """Take the next rung when its time has come."""
        waited_s = now_mono - self._since_mono
        rung = self._next_rung() if allowed else None
        if rung is None:
            self.not_charging = self.not_charging or waited_s >= NOT_CHARGING_S
        elif waited_s >= (FIRST_S if self._rungs == 0 else NEXT_S):
            self._rungs += 1
            self.wake_ups += 1
            self.waking, self.mode = True, rung
            self._rung_mono = now_mono
            if rung is PilotMode.STEADY_LOW:
                self._low_mono = now_mono

    def _next_rung(self) -> PilotMode | None:
        """What the next rung puts on the pilot; None: there is none."""
        if self._wake_up is WakeUp.OFF:
            return None
        if self._rungs < INTERRUPTIONS:
            return self._interruption
        if self._wake_up is WakeUp.STATE_F and self._rungs == INTERRUPTIONS:
            slept_s = self._since_mono - max(self._asked_mono, self._low_mono)
            return PilotMode.STEADY_LOW if slept_s >= FAR_AWAKE_S else None
        return None

    def _go_on(self, now_mono: float) -> None:
        """End the rung in its time; then the vehicle is waited for anew."""
        if now_mono - self._rung_mono < PULSE_S:
            return
        self.mode = PilotMode.STEADY_HIGH
        if not self.is_blind(now_mono):
            self.waking = False
            self._since_mono = now_mono
