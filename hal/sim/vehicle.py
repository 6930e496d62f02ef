"""A scripted vehicle: when it closes S2, how much current it takes, how fast it follows; with habits of real cars.

It sees only what a vehicle sees: the current the pilot offers and whether there is power on its inlet.
"""

import math
from enum import StrEnum

S2_CLOSE_S = 0.3  # a vehicle asks for energy some tenths of a second after it sees a valid duty
S2_OPEN_S = 0.5  # and opens S2 once its current is gone, never under load by its own will
BOUNCE_S = 0.3

RAMP_UP_AMPS_PER_S = 4.0
RAMP_DOWN_AMPS_PER_S = 12.0  # a lower limit is followed within 5 s (IEC 61851-1 table A.6), even from 63 A
STOP_AMPS_PER_S = 60.0  # oscillator off: the current ends within about 1 s; the standard allows 3 s
SLOW_AMPS_PER_S = 0.5
SLOW_STOP_AMPS_PER_S = 3.0


class Quirk(StrEnum):
    """Habits of vehicles in the field that a charging station has to live with."""

    SLOW_TO_FOLLOW = "slow_to_follow"  # takes far longer than 5 s to reach a new limit
    IGNORES_LIMIT = "ignores_limit"  # takes its appetite as soon as anything is offered
    NO_DIODE = "no_diode"
    STOPS_SLOWLY = "stops_slowly"  # needs longer than the 6 s an EVSE waits
    NEVER_STOPS = "never_stops"  # draws until the contactor opens
    BOUNCES = "bounces"  # toggles between B and C
    VENTILATION = "ventilation"  # asks for state D
    EAGER = "eager"  # closes S2 without waiting for the oscillator (state C1)


class Vehicle:
    """One vehicle on one cable. `amps`: current per used phase; `s2_closed`: it asks for energy (C or D)."""

    def __init__(self, appetite_amps: float, phases: int, quirks: frozenset[Quirk] = frozenset()) -> None:
        self.appetite_amps = appetite_amps
        self.phases = phases
        self.quirks = quirks
        self.ready = False
        self.s2_closed = False
        self.amps = 0.0
        self._s2_due_mono = math.inf

    @property
    def pilot_volts(self) -> float:
        """The positive peak its resistors pull a 12 V pilot down to (states B, C, D)."""
        if not self.s2_closed:
            return 9.0
        return 3.0 if Quirk.VENTILATION in self.quirks else 6.0

    def settle(self, now_mono: float, offer_amps: float, powered: bool) -> None:
        """Do what is due now: throw S2, and lose the current when its path is open."""
        if now_mono >= self._s2_due_mono:
            self.s2_closed = not self.s2_closed
            self._s2_due_mono = math.inf
        if not (powered and self.s2_closed):
            self.amps = 0.0
        if self._wants_s2(offer_amps) == self.s2_closed:
            self._s2_due_mono = math.inf
        elif self._s2_due_mono == math.inf:
            self._s2_due_mono = now_mono + self._s2_delay_s()

    def aim(self, offer_amps: float, powered: bool) -> tuple[float, float]:
        """The current it is moving to, and how fast in amps per second."""
        if not (powered and self.s2_closed):
            return 0.0, math.inf
        if not self.ready:
            return 0.0, STOP_AMPS_PER_S
        if offer_amps <= 0:
            if Quirk.NEVER_STOPS in self.quirks:
                return self.amps, math.inf
            return 0.0, SLOW_STOP_AMPS_PER_S if Quirk.STOPS_SLOWLY in self.quirks else STOP_AMPS_PER_S
        target = self.appetite_amps if Quirk.IGNORES_LIMIT in self.quirks else min(offer_amps, self.appetite_amps)
        if Quirk.SLOW_TO_FOLLOW in self.quirks:
            return target, SLOW_AMPS_PER_S
        return target, RAMP_UP_AMPS_PER_S if target > self.amps else RAMP_DOWN_AMPS_PER_S

    def next_due_mono(self, now_mono: float, offer_amps: float, powered: bool) -> float:
        """When it next does something by itself: throws S2, or ends a ramp."""
        target, amps_per_s = self.aim(offer_amps, powered)
        gap_amps = abs(target - self.amps)
        ramp_end = now_mono + gap_amps / amps_per_s if gap_amps else math.inf
        return min(self._s2_due_mono, ramp_end)

    def amps_after(self, seconds: float, offer_amps: float, powered: bool) -> float:
        """The current after so many seconds under the same offer; reaches its target exactly."""
        target, amps_per_s = self.aim(offer_amps, powered)
        step = amps_per_s * seconds if seconds > 0 else 0.0
        if abs(target - self.amps) <= step + 1e-9:
            return target
        return self.amps + math.copysign(step, target - self.amps)

    def _wants_s2(self, offer_amps: float) -> bool:
        if Quirk.BOUNCES in self.quirks and self.ready and offer_amps > 0:
            return not self.s2_closed
        if self.amps > 0:
            return True
        return self.ready and (offer_amps > 0 or Quirk.EAGER in self.quirks)

    def _s2_delay_s(self) -> float:
        if Quirk.BOUNCES in self.quirks:
            return BOUNCE_S
        return S2_OPEN_S if self.s2_closed else S2_CLOSE_S
