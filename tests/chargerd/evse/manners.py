"""The part of the hostile world and of the invariants that is about limits, phases and sleeping vehicles.

`Wishes` adds to what the random walk gives in each step; `Manners` judges each step by what was given and put out.
"""

import math
import random

import msgspec

from chargerd.evse.pilot import amps_from_duty
from chargerd.evse.types import EvseOrders, EvseStatus, Orders, Outputs, PilotState, Readings
from chargerd.limits import Limit
from hal.types import (
    EvseFacts,
    ExternalLimit,
    Indication,
    InputsReading,
    PhasesReading,
    PilotMode,
    PilotReading,
    ResidualReading,
    Temperature,
    WakeUp,
)

NUMBERS = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300, 5.9, 6.0, 10.0, 16.0)
BLIND = {PilotMode.DISCONNECTED: 12.0, PilotMode.STEADY_LOW: -12.0}
"""What a board reads of a pilot behind which it cannot see the vehicle."""


def with_more(facts: EvseFacts, chance: random.Random) -> EvseFacts:
    """The same EVSE with or without what this file is about."""
    return msgspec.structs.replace(
        facts,
        contactor_amps=chance.choice((None, 9.0, 40.0)),
        has_phase_switch=facts.phases == 3 and chance.random() < 0.6,
        has_external_limit=chance.random() < 0.3,
        external_fallback_amps=chance.choice((0.0, 7.0, 16.0, 16.0)),
        can_disconnect=chance.random() < 0.5,
        wake_up=chance.choice(tuple(WakeUp)),
    )


def counted_amps(limit: Limit, now_mono: float) -> float:
    """What a row of the station counts now; inf: it limits no more."""
    if limit.until_mono is None or now_mono < limit.until_mono:
        return limit.amps
    if math.isnan(limit.until_mono):
        return 0.0
    return math.inf if limit.then_amps is None else limit.then_amps


class Wishes:
    """Phases, ends of rows, an outside limit and vehicles that stay in state B for minutes.

    `sleepy`: they do so often, and little else goes wrong. `chaotic`: everything is nonsense.
    """

    def __init__(self, chance: random.Random, chaotic: bool, sleepy: bool) -> None:
        self.chance = chance
        self.chaotic = chaotic
        self.sleepy = sleepy
        self.phases: int | None = None
        self.wake_up = True
        self.row: Limit | None = None
        self.external_amps: float | None = None
        self.silent_until_mono = -math.inf
        self.drowsy_until_mono = -math.inf
        self.stuck: int | None = None
        self.reading: ExternalLimit | None = None

    def readings(self, readings: Readings, outputs: Outputs | None, now_mono: float) -> Readings:
        """What the devices say, with phases and outside limit; a blind pilot reads as on a real board."""
        if self.chaotic:
            return self._nonsense(readings, now_mono)
        self._move(readings.pilot, outputs is None or outputs.indication is Indication.FAULTED, now_mono)
        pilot = readings.pilot
        if pilot is not None and now_mono < self.drowsy_until_mono:
            pilot = msgspec.structs.replace(pilot, high_volts=9.0, low_volts=min(-9.0, pilot.low_volts))
        if pilot is not None and outputs is not None and outputs.pilot_mode in BLIND:
            volts = BLIND[outputs.pilot_mode]
            pilot = msgspec.structs.replace(pilot, high_volts=volts, low_volts=volts)
        if self.sleepy:
            readings = _calm(readings, now_mono)
            pilot = None if pilot is None else msgspec.structs.replace(pilot, alarms=())
        told = 3 if outputs is None else outputs.phases
        silent = now_mono < self.silent_until_mono
        if not silent:
            drowsy = now_mono < self.drowsy_until_mono
            self.reading = ExternalLimit(None if drowsy else self.external_amps, now_mono)
        phases = None if silent else PhasesReading(self.stuck or told, now_mono)
        return msgspec.structs.replace(readings, pilot=pilot, phases=phases, external_limit=self.reading)

    def orders(self, orders: Orders | None, now_mono: float) -> Orders | None:
        """The orders with more wishes."""
        if orders is None or not orders.evses:
            return orders
        mine = orders.evses[0]
        if self.chaotic:
            pick = self.chance.choice
            row = Limit("y", pick(NUMBERS), pick((None, now_mono + 1.0, *NUMBERS)), pick((None, *NUMBERS)))
            limits = (*mine.limits, row) if self.chance.random() < 0.2 else mine.limits
            phases = pick((None, 1, 3, 0, -1, 2, 2**80))
            more = msgspec.structs.replace(mine, limits=limits, phases=phases, wake_up=pick((True, False)))
        else:
            drowsy = now_mono < self.drowsy_until_mono
            limits = () if drowsy else mine.limits
            more = msgspec.structs.replace(
                mine,
                permit=mine.permit or drowsy,
                available=mine.available or drowsy,
                limits=limits if self.row is None or drowsy else (*limits, self.row),
                phases=self.phases,
                wake_up=self.wake_up,
            )
        return msgspec.structs.replace(orders, evses=(more,) * len(orders.evses))

    def _move(self, pilot: PilotReading | None, faulted: bool, now_mono: float) -> None:
        chance = self.chance
        if chance.random() < 0.001:
            self.phases = chance.choice((None, 1, 1, 3, 2))
        if chance.random() < 0.0005:
            self.wake_up = chance.random() < 0.8
        if chance.random() < 0.002:
            until_mono = now_mono + chance.uniform(0.0, 20.0)
            self.row = Limit("leased", chance.choice((6.0, 10.0)), until_mono, chance.choice((None, 16.0, 6.0, 5.0)))
        if chance.random() < 0.001:
            self.external_amps = chance.choice((None, None, None, 0.0, 6.0, 13.0))
        if chance.random() < 0.0002:
            self.silent_until_mono = now_mono + chance.choice((0.1, 3.0, 12.0))
        if chance.random() < 0.0005:
            self.stuck = chance.choices((None, 1, 3), (10, 1, 1))[0]
        if faulted:
            self.drowsy_until_mono = -math.inf  # people unplug what does not work
        is_b = pilot is not None and 8.0 <= pilot.high_volts <= 10.0 and not faulted
        if is_b and now_mono >= self.drowsy_until_mono and chance.random() < (0.02 if self.sleepy else 0.001):
            self.drowsy_until_mono = now_mono + chance.uniform(60.0, 400.0)

    def _nonsense(self, readings: Readings, now_mono: float) -> Readings:
        pick = self.chance.choice
        times = (now_mono, now_mono, now_mono - 0.05, now_mono - 60.0, now_mono + 60.0, math.nan)
        return msgspec.structs.replace(
            readings,
            phases=pick((None, PhasesReading(pick((None, 1, 3, 2, -1)), pick(times)))),
            external_limit=pick((None, ExternalLimit(pick((None, *NUMBERS)), pick(times)))),
        )


def _calm(readings: Readings, now_mono: float) -> Readings:
    """The same with a cool, whole and closed station."""
    return msgspec.structs.replace(
        readings,
        temperature=Temperature(20.0, now_mono),
        plug_temperature=Temperature(20.0, now_mono),
        inputs=InputsReading((), now_mono),
        residual=ResidualReading(False, False, now_mono),
    )


class Manners:
    """Remembers only what was given and put out. `wake_ups`, `switches`: what was seen, for the tally."""

    def __init__(self, facts: EvseFacts) -> None:
        self.facts = facts
        self.wake_ups = 0
        self.switches = 0
        self.last: Outputs | None = None
        self.last_mono = -math.inf
        self.blind_since_mono: float | None = None
        self.pwm_since_mono = math.inf
        self.gone_mono: float | None = -math.inf
        self.rungs = 0
        self.moved_mono = -math.inf
        self.found = False
        self.external: ExternalLimit | None = None

    def check(
        self, readings: Readings, mine: EvseOrders | None, outputs: Outputs, status: EvseStatus, now_mono: float
    ) -> None:
        """One step."""
        self._check_waking(mine, outputs, status, now_mono)
        self._check_phases(readings, outputs, now_mono)
        self._check_limits(readings, outputs, status, now_mono)
        self.last, self.last_mono = outputs, now_mono

    def _check_waking(self, mine: EvseOrders | None, outputs: Outputs, status: EvseStatus, now_mono: float) -> None:
        mode, facts = outputs.pilot_mode, self.facts
        assert mode is not PilotMode.DISCONNECTED or facts.can_disconnect
        assert mode is not PilotMode.STEADY_LOW or facts.wake_up is WakeUp.STATE_F
        if status.waking:
            assert mode is not PilotMode.PWM
            assert not outputs.relay_closed, "closed while it is woken"
            assert mine is not None
            assert mine.permit, "woken during a pause"
            assert mine.available
        if status.wake_ups > self.wake_ups:
            self.wake_ups += 1
            self.rungs += 1
            assert status.wake_ups == self.wake_ups
            assert facts.wake_up is not WakeUp.OFF
            assert mine is not None
            assert mine.wake_up, "woken against the orders"
            waited_s = now_mono - self.pwm_since_mono
            assert waited_s >= (60.0 if self.rungs == 1 else 30.0), "woken too soon"
            assert self.rungs <= (3 if facts.wake_up is WakeUp.STATE_F else 2), "woken too often"
        if mode in BLIND:
            assert status.waking, "blind for nothing"
            assert status.ev_connected
            assert status.pilot_state is PilotState.B
            self.blind_since_mono = now_mono if self.blind_since_mono is None else self.blind_since_mono
            assert self.last_mono - self.blind_since_mono < 4.0, "blind for too long"
        else:
            self.blind_since_mono = None
        self._follow_the_offer(mode, status, now_mono)

    def _follow_the_offer(self, mode: PilotMode, status: EvseStatus, now_mono: float) -> None:
        """An offer to the same vehicle that is back within half a second is the one it was."""
        if not status.ev_connected:
            self.gone_mono = -math.inf
        elif mode is PilotMode.PWM or status.waking:
            if self.gone_mono is not None and now_mono - self.gone_mono >= 0.5:
                self.rungs, self.pwm_since_mono = 0, math.inf
            self.gone_mono = None
        elif self.gone_mono is None:
            self.gone_mono = now_mono
        if status.waking:
            self.pwm_since_mono = math.inf
        elif mode is PilotMode.PWM:
            self.pwm_since_mono = min(self.pwm_since_mono, now_mono)

    def _check_phases(self, readings: Readings, outputs: Outputs, now_mono: float) -> None:
        facts, last, seen = self.facts, self.last, readings.phases
        fresh = seen is not None and -0.05 <= now_mono - seen.at_mono <= 0.25
        assert outputs.phases in (1, 3)
        assert facts.has_phase_switch or outputs.phases == facts.phases
        if last is not None and outputs.phases != last.phases and self.found:
            assert facts.has_phase_switch
            assert not last.relay_closed, "phases moved under load"
            assert not outputs.relay_closed, "phases moved under load"
            assert last.duty_percent == outputs.duty_percent == 100.0, "phases moved under an offer"
            relay = readings.relay
            assert not facts.has_feedback or (relay is not None and relay.closed is False), "phases moved blindly"
            assert now_mono - self.moved_mono >= 10.0, "phases moved too soon"
            self.moved_mono = now_mono
            self.switches += 1
        self.found = self.found or fresh
        if outputs.pilot_mode is PilotMode.PWM:
            assert now_mono - self.moved_mono >= 10.0, "offered too soon after the phases moved"
        if outputs.relay_closed and last is not None and not last.relay_closed and facts.has_phase_switch:
            assert fresh, "closed on phases that cannot be read"
            assert seen is not None
            assert seen.phases in (None, outputs.phases), "closed on other phases than were told"

    def _check_limits(self, readings: Readings, outputs: Outputs, status: EvseStatus, now_mono: float) -> None:
        facts = self.facts
        self.external = readings.external_limit or self.external
        if outputs.pilot_mode is not PilotMode.PWM:
            return
        offered_amps = amps_from_duty(outputs.duty_percent)
        assert offered_amps <= (facts.contactor_amps or math.inf)
        assert not facts.has_thermometer or status.celsius is None or offered_amps <= 80 * (65 - status.celsius) / 10
        assert (
            not facts.has_plug_thermometer
            or status.plug_celsius is None
            or offered_amps <= 80 * (80 - status.plug_celsius) / 20
        )
        if facts.has_external_limit:
            assert offered_amps <= self._external_amps(now_mono), "offered more than the outside limit"
        if facts.phases == 3 and outputs.phases == 1 and facts.unbalance_amps is not None:
            assert offered_amps <= facts.unbalance_amps
        assert offered_amps <= min(row.amps for row in status.limits)
        assert any(row.source == status.limit.source for row in status.limits)

    def _external_amps(self, now_mono: float) -> float:
        reading = self.external
        if reading is None or not -0.05 <= now_mono - reading.at_mono <= 5.0:
            return self.facts.external_fallback_amps
        return math.inf if reading.amps is None else reading.amps
