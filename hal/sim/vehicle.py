"""A scripted vehicle: when it closes S2, how much current it takes, how fast it follows; with habits of real cars.

It sees only what a vehicle sees: the pilot at its inlet and the current it offers, the phases that are connected, and
whether there is power.
"""

import math
from collections.abc import Iterable
from enum import StrEnum

from hal.sim.faults import PlantRefusal
from hal.sim.pictures import EvsePlantState
from hal.types import PilotMode

S2_CLOSE_S = 0.3  # a vehicle asks for energy some tenths of a second after it sees a valid duty
S2_OPEN_S = 0.5  # and opens S2 once its current is gone, never under load by its own will
BOUNCE_S = 0.3

TOGGLE_AFTER_S = 5.0  # without an offer for so long, a vehicle that toggles asks the EVSE to wake
TOGGLE_S = 0.5
TOGGLES = 3  # B to C and back each

WAKES_S = 2.0  # an interruption (or -12 V) of so long is noticed by a vehicle that sleeps
DOZES_S = 120.0  # without an offer for so long, a vehicle that sleeps falls asleep again
SWITCHING_S = 5.0  # a vehicle that minds phase changes wants no offer for so long afterwards

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
    TAKES_MORE = "takes_more"  # takes a fifth more than it is offered
    SLEEPS = "sleeps"  # does not see an offer until it was interrupted
    SLEEPS_DEEP = "sleeps_deep"  # does not see an offer until there was -12 V
    BCB = "bcb"  # toggles B-C-B when nothing is offered
    ONE_PHASE = "one_phase"  # uses L1 only
    UPSET_BY_SWITCHING = "upset_by_switching"  # an offer around a phase change is an error until it is unplugged


def quirks_named(names: Iterable[str]) -> frozenset[Quirk]:
    """The habits of these names, else PlantRefusal naming them all."""
    given = tuple(names)
    for name in given:
        if name not in set(Quirk):
            raise PlantRefusal(f"unknown quirk '{name}'; known quirks: {', '.join(Quirk)}")
    return frozenset(map(Quirk, given))


class Vehicle:
    """One vehicle on one cable. `amps`: current per used phase; `s2_closed`: it asks for energy (C or D).

    `asleep`: it does not see what is offered. `upset`: it does not charge any more until it is unplugged.
    """

    def __init__(self, appetite_amps: float, phases: int, quirks: frozenset[Quirk] = frozenset()) -> None:
        self.appetite_amps = appetite_amps
        self.phases = 1 if Quirk.ONE_PHASE in quirks else phases
        self.quirks = quirks
        self.ready = False
        self.s2_closed = False
        self.amps = 0.0
        self.asleep = not quirks.isdisjoint({Quirk.SLEEPS, Quirk.SLEEPS_DEEP})
        self.upset = False
        self._s2_due_mono = math.inf
        self._pilot = PilotMode.STEADY_HIGH
        self._pilot_since_mono = -math.inf
        self._offered = False
        self._offer_ended_mono: float | None = None  # None: nothing was offered yet
        self._supplied_phases = 0
        self._switched_mono = -math.inf
        self._throws_left = 2 * TOGGLES

    @classmethod
    def restored(cls, before: EvsePlantState) -> "Vehicle":
        """The vehicle of an earlier picture, without current. PlantRefusal for a habit that there is not."""
        vehicle = cls(before.appetite_amps, before.vehicle_phases, quirks_named(before.quirks))
        vehicle.ready, vehicle.s2_closed = before.ready, before.s2_closed
        vehicle.asleep, vehicle.upset = before.asleep, before.upset
        return vehicle

    @property
    def pilot_volts(self) -> float:
        """The positive peak its resistors pull a 12 V pilot down to (states B, C, D)."""
        if not self.s2_closed:
            return 9.0
        return 3.0 if Quirk.VENTILATION in self.quirks else 6.0

    def settle(
        self,
        now_mono: float,
        offer_amps: float,
        powered: bool,
        pilot: PilotMode = PilotMode.PWM,
        supplied_phases: int = 3,
    ) -> None:
        """Do what is due now: notice the pilot and the phases, throw S2, lose the current when its path is open.

        `pilot`: what reaches the inlet (DISCONNECTED: nothing does). `supplied_phases`: behind the phase contactor.
        """
        self._notice(now_mono, offer_amps, pilot, supplied_phases)
        if now_mono >= self._s2_due_mono:
            self.s2_closed = not self.s2_closed
            self._throws_left -= offer_amps <= 0
            self._s2_due_mono = math.inf
        if not (powered and self.s2_closed):
            self.amps = 0.0
        if self._wants_s2(offer_amps) == self.s2_closed:
            self._s2_due_mono = math.inf
        elif self._s2_due_mono == math.inf:
            self._s2_due_mono = now_mono + self._s2_delay_s(offer_amps)

    def aim(self, offer_amps: float, powered: bool) -> tuple[float, float]:
        """The current it is moving to, and how fast in amps per second."""
        if not (powered and self.s2_closed):
            return 0.0, math.inf
        if not self.ready or self.upset:
            return 0.0, STOP_AMPS_PER_S
        if offer_amps <= 0:
            if Quirk.NEVER_STOPS in self.quirks:
                return self.amps, math.inf
            return 0.0, SLOW_STOP_AMPS_PER_S if Quirk.STOPS_SLOWLY in self.quirks else STOP_AMPS_PER_S
        target = self.appetite_amps if Quirk.IGNORES_LIMIT in self.quirks else min(offer_amps, self.appetite_amps)
        if Quirk.TAKES_MORE in self.quirks:
            target *= 1.2
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

    def _notice(self, now_mono: float, offer_amps: float, pilot: PilotMode, supplied_phases: int) -> None:
        """Follow the pilot and the phases. What the vehicle makes of a change it decides when the next one comes."""
        offered = offer_amps > 0
        if supplied_phases != self._supplied_phases:
            if self._supplied_phases:
                self._switched_mono = now_mono
            self._supplied_phases = supplied_phases
        if offered and now_mono - self._switched_mono < SWITCHING_S and Quirk.UPSET_BY_SWITCHING in self.quirks:
            self.upset = True
        if pilot is not self._pilot:
            lasted_s, before = now_mono - self._pilot_since_mono, self._pilot
            self._pilot, self._pilot_since_mono = pilot, now_mono
            if before is PilotMode.STEADY_LOW and lasted_s >= WAKES_S:
                self.asleep = False
        if offered and not self._offered:
            self._throws_left = 2 * TOGGLES
            if self._offer_ended_mono is not None:
                self._look_up(now_mono - self._offer_ended_mono)
        elif self._offered and not offered:
            self._offer_ended_mono = now_mono
        self._offered = offered

    def _look_up(self, away_s: float) -> None:
        """There is an offer again after `away_s` without one."""
        if Quirk.SLEEPS in self.quirks and WAKES_S <= away_s < DOZES_S:
            self.asleep = False
        if away_s >= DOZES_S:
            self.asleep = not self.quirks.isdisjoint({Quirk.SLEEPS, Quirk.SLEEPS_DEEP})

    def _wants_s2(self, offer_amps: float) -> bool:
        willing = self.ready and not self.upset and not self.asleep
        offered = offer_amps > 0
        if Quirk.BOUNCES in self.quirks and willing and offered:
            return not self.s2_closed
        if self.amps > 0:
            return True
        if Quirk.BCB in self.quirks and willing and not offered and self._throws_left > 0:
            return not self.s2_closed
        return willing and (offered or Quirk.EAGER in self.quirks)

    def _s2_delay_s(self, offer_amps: float) -> float:
        if Quirk.BOUNCES in self.quirks:
            return BOUNCE_S
        if Quirk.BCB in self.quirks and offer_amps <= 0:
            return TOGGLE_AFTER_S if self._throws_left == 2 * TOGGLES and not self.s2_closed else TOGGLE_S
        return S2_OPEN_S if self.s2_closed else S2_CLOSE_S
