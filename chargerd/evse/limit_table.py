"""The limit table of one EVSE: its own rows first, then the station's; the smallest row wins (chargerd/limits.py).

A row of the EVSE stands while it says something: a temperature that costs nothing, a vehicle that obeys and an outside
limit that asks for nothing are no rows. What is missing never widens the table: a silent outside limit falls back to
what the board says, a missing temperature is a reason in the guard.
"""

import math

from chargerd.evse.derating import amps_at
from chargerd.evse.situation import Situation, is_fresh, most_amps
from chargerd.evse.supervision import FOLLOW_S, OVERDRAW_WARNING_S, SignalHistory, allowed_amps
from chargerd.evse.types import EvseOrders
from chargerd.limits import MIN_AMPS, NO_LIMITS, Limit, effective, in_force
from hal.types import DeratePoint, EvseFacts, ExternalLimit

EXTERNAL_STALE_S = 5.0
"""An outside limit is asked twice a second; after 5 s nobody knows it any more, and what the board falls back to
holds."""

HYSTERESIS_KELVIN = 1.0
"""Current comes back only when it has become this much cooler: a thermometer on the edge must not move the duty."""

RELEASE_S = 60.0
"""So long the lower signal stands; then the vehicle gets another chance."""


class LimitTable:
    """`rows`: the whole table as of the last update, `limit`: its winner.

    `unreduced_amps`: while a vehicle is signalled less because it takes too much, what all others allow it; else 0.
    """

    def __init__(self, facts: EvseFacts) -> None:
        self.rows: tuple[Limit, ...] = ()
        self.limit = NO_LIMITS
        self.unreduced_amps = 0.0
        self._facts = facts
        self._fixed = _fixed_rows(facts)
        self._enclosure = Derating("temperature", facts.derating)
        self._plug = Derating("plug temperature", facts.plug_derating)
        self._overdraw = Overdraw()
        self._external: ExternalLimit | None = None

    def update(self, situation: Situation, external: ExternalLimit | None, orders: EvseOrders | None) -> None:
        """Build the table of this tick. `external`: the latest word of the outside limit (None: there was none)."""
        self._external = external or self._external  # a poller that gives up early does not shorten the 5 s
        now_mono = situation.now_mono
        own = (*self._fixed, *self._present_rows(situation))
        wishes = () if orders is None else (in_force(limit, now_mono) for limit in orders.limits)
        stations = tuple(row for row in wishes if row is not None)
        overdraw = self._overdraw.update(situation)
        self.rows = (*own, *stations) if overdraw is None else (*own, overdraw, *stations)
        self.limit = effective(self.rows)
        self.unreduced_amps = 0.0 if overdraw is None else effective((*own, *stations)).amps

    def _present_rows(self, situation: Situation) -> list[Limit]:
        """The EVSE's own rows that come and go."""
        facts, max_amps = self._facts, self._facts.max_amps
        rows: list[Limit | None] = []
        if facts.has_proximity and situation.cable_amps is not None:
            rows.append(Limit("cable", situation.cable_amps))
        if facts.has_thermometer and situation.celsius is not None:
            rows.append(self._enclosure.row(situation.celsius, max_amps))
        if facts.has_plug_thermometer and situation.plug_celsius is not None:
            rows.append(self._plug.row(situation.plug_celsius, max_amps))
        if facts.has_external_limit:
            rows.append(_external_row(self._external, facts.external_fallback_amps, situation.now_mono))
        if facts.unbalance_amps is not None and facts.phases > _phases_used(situation):
            rows.append(Limit("unbalance", facts.unbalance_amps))
        return [row for row in rows if row is not None]


class Derating:
    """Less current when it is warm, along the straight lines of a curve; upwards again only when it has cooled by
    1 K.
    """

    def __init__(self, source: str, curve: tuple[DeratePoint, ...]) -> None:
        self._source = source
        self._curve = curve
        self._celsius = -math.inf

    def row(self, celsius: float, max_amps: float) -> Limit | None:
        """The row at this temperature; None: it leaves `max_amps`."""
        self._celsius = max(celsius, min(self._celsius, celsius + HYSTERESIS_KELVIN))
        amps = amps_at(self._curve, self._celsius)
        return Limit(self._source, amps) if amps < max_amps else None


class Overdraw:
    """A vehicle that takes more than it may is signalled less by the excess when it is warned of, for a while. `row`:
    what stands.
    """

    def __init__(self) -> None:
        self.row: Limit | None = None
        self._signals = SignalHistory(FOLLOW_S)
        self._since_mono: float | None = None

    def update(self, situation: Situation) -> Limit | None:
        """The row of this tick; None: the vehicle obeys, or has gone."""
        now_mono = situation.now_mono
        self._signals.note(situation.held_amps, now_mono)
        excess_amps = _excess_amps(situation)
        if not situation.connected:
            self.row = None
        elif self.row is not None:
            self.row = in_force(self.row, now_mono)
        if excess_amps is None:
            self._since_mono = None
        elif self._since_mono is None:
            self._since_mono = now_mono
        elif now_mono - self._since_mono >= OVERDRAW_WARNING_S and self._is_to_blame(excess_amps + situation.held_amps):
            # It has had its time to follow, and the step after this one takes its own.
            self._since_mono = now_mono
            lower_amps = max(MIN_AMPS, situation.offered_amps - excess_amps)
            self.row = Limit("overdraw", lower_amps, until_mono=now_mono + RELEASE_S)
        return self.row

    def _is_to_blame(self, amps: float) -> bool:
        return amps > allowed_amps(self._signals.highest_amps())


def _fixed_rows(facts: EvseFacts) -> tuple[Limit, ...]:
    board = Limit("board", facts.max_amps)
    return (board,) if facts.contactor_amps is None else (board, Limit("contactor", facts.contactor_amps))


def _external_row(reading: ExternalLimit | None, fallback_amps: float, now_mono: float) -> Limit | None:
    if reading is None or not is_fresh(reading.at_mono, now_mono, EXTERNAL_STALE_S):
        return Limit("external", fallback_amps, fallback=True)
    return None if reading.amps is None else Limit("external", reading.amps)


def _phases_used(situation: Situation) -> int:
    """How many phases the vehicle loads, as far as is known; all that are connected until it is."""
    return min(situation.phases, situation.vehicle_phases or situation.phases)


def _excess_amps(situation: Situation) -> float | None:
    """By how much the vehicle exceeds what it may take; None: it does not, or nothing is offered or measured."""
    sample = situation.meter
    if sample is None or situation.has_to_be_open or situation.offered_amps <= 0:
        return None
    amps = most_amps(sample)
    return amps - situation.held_amps if amps > allowed_amps(situation.held_amps) else None
