"""The command of the contactor: it closes when nothing speaks against it, and opens at once or by the soft stop.
After opening it stays open for a while.

The soft stop (IEC 61851-1 table A.6): the offer has ended already, the vehicle ends its current, then the contactor
opens without load. A vehicle that does not is cut off.
"""

import math

from chargerd.evse.guard import has_fault, must_open_now
from chargerd.evse.metering import OPEN_AMPS
from chargerd.evse.situation import Situation, most_amps

SOFT_STOP_S = 6.0
"""After the offer ends the vehicle has 3 s to stop; after 6 s the EVSE may open under load (table A.6)."""

RECLOSE_S = 5.0
RECLOSE_AFTER_FAULT_S = 30.0
"""After opening, the contactor stays open this long: field practice is 5 to 15 s, 30 s after a fault, and more wears
contactor and vehicle."""


class Contactor:
    """`closed`: the command. `since_mono`: when it last changed; a start counts as an opening, for nobody knows what
    was before. `opened_by`: the reasons it opened for when it did last. `cut_off`: then the vehicle still took current
    at the end of the soft stop. `cycles`: how often it was closed. `reclose_mono`: it does not close before this
    moment.
    """

    def __init__(self) -> None:
        self.closed = False
        self.since_mono = -math.inf
        self.opened_by: tuple[str, ...] = ()
        self.cut_off = False
        self.cycles = 0
        self.reclose_mono = math.inf
        self._stopping_since_mono: float | None = None

    def start(self, now_mono: float) -> None:
        """The first moment there is; later calls do nothing."""
        if self.since_mono == -math.inf:
            self.since_mono = now_mono
            self.reclose_mono = now_mono + RECLOSE_S

    def drive(self, reasons: tuple[str, ...], situation: Situation) -> None:
        """Set the command for this tick. `reasons`: all there are for no energy (guard.why_not)."""
        now_mono = situation.now_mono
        if not self.closed or not reasons:
            self._stopping_since_mono = None
            closed = not reasons
        elif must_open_now(reasons):
            closed = False
        else:
            if self._stopping_since_mono is None:
                self._stopping_since_mono = now_mono
            closed = not _has_stopped(situation, self._stopping_since_mono)
        if closed is not self.closed:
            self.closed = closed
            self.since_mono = now_mono
            self.cycles += closed
            self.cut_off = not closed and self._is_cutting_off(situation)
            if not closed:
                self.opened_by = reasons
                self.reclose_mono = now_mono + RECLOSE_S
        if not closed and has_fault(reasons) and now_mono < self.reclose_mono:
            # Some faults are named only after the opening they caused, all within the shorter interval.
            self.reclose_mono = self.since_mono + RECLOSE_AFTER_FAULT_S

    def _is_cutting_off(self, situation: Situation) -> bool:
        """Whether the time of the soft stop is over and current still flows."""
        sample, since_mono = situation.meter, self._stopping_since_mono
        if sample is None or since_mono is None or situation.now_mono - since_mono < SOFT_STOP_S:
            return False
        return most_amps(sample) >= OPEN_AMPS


def _has_stopped(situation: Situation, stopping_since_mono: float) -> bool:
    """Whether the soft stop is over: the vehicle takes nothing any more, or has had its time."""
    if situation.now_mono - stopping_since_mono >= SOFT_STOP_S:
        return True
    sample = situation.meter
    return sample is not None and sample.at_mono > stopping_since_mono and most_amps(sample) < OPEN_AMPS
