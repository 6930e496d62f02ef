"""The command of the contactor: it closes when nothing speaks against it, and opens at once or by the soft stop.

The soft stop (IEC 61851-1 table A.6): the offer has ended already, the vehicle ends its current, then the contactor
opens without load. A vehicle that does not is cut off.
"""

import math

from chargerd.evse.guard import must_open_now
from chargerd.evse.situation import Situation, most_amps

SOFT_STOP_S = 6.0
"""After the offer ends the vehicle has 3 s to stop; after 6 s the EVSE may open under load (table A.6)."""

IDLE_AMPS = 1.0
"""Below this current a contactor opens without wear."""


class Contactor:
    """`closed`: the command. `since_mono`: when it last changed (-inf: never). `cycles`: how often it was closed."""

    def __init__(self) -> None:
        self.closed = False
        self.since_mono = -math.inf
        self.cycles = 0
        self._stopping_since_mono: float | None = None

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


def _has_stopped(situation: Situation, stopping_since_mono: float) -> bool:
    """Whether the soft stop is over: the vehicle takes nothing any more, or has had its time."""
    if situation.now_mono - stopping_since_mono >= SOFT_STOP_S:
        return True
    sample = situation.meter
    return sample is not None and sample.at_mono > stopping_since_mono and most_amps(sample) < IDLE_AMPS
