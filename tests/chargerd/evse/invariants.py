"""A hostile world for the controller, from one seed, and what has to hold in every step of it.

The world moves in random walks (vehicles that come, lie and go, devices that fall silent, orders that lapse and
limits that flap) or, when chaotic, draws every reading from a bag of nonsense. The checks know the readings that were
given and judge the outputs by them alone, or by the status where only the controller can know.
"""

import math
import random
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from chargerd.clock import ManualClock
from chargerd.evse.controller import Controller
from chargerd.evse.faults import Severity, fault
from chargerd.evse.pilot import amps_from_duty
from chargerd.evse.types import EvseOrders, EvseStatus, Orders, Outputs, PilotState, Readings, SelfTest
from chargerd.limits import Limit
from hal.types import (
    Alarm,
    CableRating,
    EvseFacts,
    Indication,
    InputName,
    InputsReading,
    LockReading,
    MeterSample,
    PilotMode,
    PilotReading,
    RelayReading,
    ResidualReading,
    Temperature,
)
from tests.chargerd.evse.manners import Manners, Wishes, counted_amps, with_more

T = TypeVar("T")

DANGERS = frozenset({InputName.EMERGENCY_STOP, InputName.ENCLOSURE, InputName.POWER_FAIL, InputName.CABLE_CUT})
LEVELS = (12.0, 9.0, 6.0, 3.0, 0.0, -12.0, 10.5, 7.5, 4.5, 15.0, -6.0)
LEVEL_WEIGHTS = (20, 20, 60, 2, 2, 1, 1, 1, 1, 1, 1)
NONSENSE = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300, -1e300, 6.0, 9.0, 12.0, -12.0, 16.0, 65.0, 5e-324)


@dataclass
class Tally:
    """What a walk came across. `faults_seen`: codes."""

    steps: int = 0
    closings: int = 0
    soft_stops: int = 0
    wake_ups: int = 0
    switches: int = 0
    faults_seen: set[str] = field(default_factory=set)


def walk(seed: int, steps: int, chaotic: bool, tick_s: float = 0.02, sleepy: bool = False) -> Tally:
    """Take `steps` steps of about `tick_s` in the world of `seed`; AssertionError with seed and step when an invariant
    breaks. `sleepy`: of vehicles that sleep."""
    chance = random.Random(seed)
    more = random.Random(seed + 1_000_000)
    facts = with_more(_facts(chance), more)
    wishes, manners = Wishes(more, chaotic, sleepy), Manners(facts)
    world = Chaos(chance, facts) if chaotic else World(chance, facts)
    controller = Controller(1, facts)
    twin = Controller(1, facts) if seed % 3 == 0 else None
    clock = ManualClock()
    checker = Checker(facts)
    outputs: Outputs | None = None
    for step in range(steps):
        now = clock.advance(tick_s * chance.choice((1.0, 1.0, 1.0, 1.0, 0.9, 1.25, 1.0, 3.0)))
        if chance.random() < 0.0005:
            now = clock.advance(chance.uniform(0.1, 8.0))
        readings = wishes.readings(world.readings(now.mono, outputs), outputs, now.mono)
        orders = wishes.orders(world.orders(now.mono), now.mono)
        outputs = controller.step(readings, orders, now.mono)
        status = controller.status(now.mono)
        try:
            if twin is not None:
                assert twin.step(readings, orders, now.mono) == outputs, "same inputs, other outputs"
                assert step % 50 or repr(twin.status(now.mono)) == repr(status), "same inputs, other status"
            checker.check(readings, orders, outputs, status, now.mono)
            manners.check(readings, checker.mine(orders, now.mono), outputs, status, now.mono)
        except AssertionError as problem:
            raise AssertionError(f"seed {seed}, step {step}: {problem}\n{readings}\n{orders}\n{status}") from problem
    checker.tally.steps, checker.tally.wake_ups, checker.tally.switches = steps, manners.wake_ups, manners.switches
    return checker.tally


def _facts(chance: random.Random) -> EvseFacts:
    def sometimes() -> bool:
        return chance.random() < 0.5

    return EvseFacts(
        max_amps=chance.choice((10.0, 16.0, 32.0, 63.0, 80.0)),
        phases=chance.choice((1, 3)),
        ventilated=sometimes(),
        has_feedback=chance.random() < 0.8,
        has_meter=chance.random() < 0.8,
        has_proximity=sometimes(),
        has_lock=sometimes(),
        has_residual=sometimes(),
        has_thermometer=sometimes(),
        has_plug_thermometer=sometimes(),
        unbalance_amps=chance.choice((None, 3.0, 3.0, 3.0)),
        inputs=chance.choice(((), tuple(InputName))),
        autonomous=chance.random() < 0.2,
        pilot_stale_s=0.1,
    )


class World:
    """Random walks: each thing keeps its course for a while, then changes it."""

    def __init__(self, chance: random.Random, facts: EvseFacts) -> None:
        self.chance = chance
        self.facts = facts
        self.high_volts = 12.0
        self.diode = True
        self.contact = "follows"
        self.amps = 0.0
        self.appetite = 1.0
        self.silent: dict[str, float] = {}
        self.tripped = False
        self.celsius = chance.uniform(10.0, 60.0)
        self.plug_celsius = chance.uniform(10.0, 70.0)
        self.volts = 230.0
        self.lost: int | None = None  # the phase that is missing; 3: all of them
        self.meter = "works"
        self.energy_wh = 1000.0
        self.inputs: tuple[InputName, ...] = ()
        self.alarms: tuple[Alarm, ...] = ()
        self.tester = "passes"
        self.asked_seq = 0
        self.test_due_mono = 0.0
        self.answer: SelfTest | None = None
        self.sample: MeterSample | None = None
        self.trips_dc = chance.random() < 0.5
        self.cable_amps: float | None = 20.0
        self.cable_ohms = 680.0
        self.uneven = 1.0
        self.lock = "follows"
        self.permit = True
        self.available = True
        self.limits: tuple[Limit, ...] = (Limit("csms", 16.0),)
        self.unlock_seq = 0
        self.valid_until_mono = 0.0
        self.mute_until_mono = 0.0

    def readings(self, now_mono: float, outputs: Outputs | None) -> Readings:
        self._move(outputs is not None and outputs.indication is Indication.FAULTED)
        chance, facts = self.chance, self.facts
        pwm = outputs is not None and outputs.pilot_mode is PilotMode.PWM
        closed = outputs is not None and outputs.relay_closed
        offered = amps_from_duty(outputs.duty_percent) if outputs is not None else 0.0
        contact = {"follows": closed, "welded": True, "dead": False, "leaks": closed}[self.contact]
        flows = (contact or self.contact == "leaks") and 2.0 <= self.high_volts <= 7.0
        # A vehicle with more appetite than it may have takes 24 A whatever is offered, also of a welded contactor.
        target = (24.0 if self.appetite > 1.0 else offered * self.appetite) if flows else 0.0
        self.amps += max(-1.0, min(0.5, target - self.amps)) if flows else -self.amps
        high = chance.choice(LEVELS) if chance.random() < 0.002 else self.high_volts + chance.uniform(-0.2, 0.2)
        low = (-12.0 if self.diode else -high) if pwm else high
        locked = {"follows": outputs is not None and outputs.locked, "stuck": True, "broken": False, "blind": None}
        return Readings(
            pilot=self._of("pilot", now_mono, PilotReading(high, low, now_mono, self.alarms)),
            relay=self._of("relay", now_mono, RelayReading(contact, now_mono)) if facts.has_feedback else None,
            meter=self._of("meter", now_mono, self._sample(now_mono)),
            meter_swapped="another" if self.meter == "swapped" and facts.has_meter else "",
            cable=self._of("cable", now_mono, self._cable(now_mono)),
            lock=self._of("lock", now_mono, LockReading(locked[self.lock], now_mono)),
            residual=self._of(
                "residual",
                now_mono,
                ResidualReading(self.tripped and not self.trips_dc, self.tripped and self.trips_dc, now_mono),
            ),
            temperature=self._of("temperature", now_mono, Temperature(self.celsius, now_mono)),
            plug_temperature=self._of("plug", now_mono, Temperature(self.plug_celsius, now_mono)),
            inputs=self._of("inputs", now_mono, InputsReading(self.inputs, now_mono)),
            self_test=self._tested(now_mono, outputs),
        )

    def _cable(self, now_mono: float) -> CableRating:
        return CableRating(self.cable_ohms, self.cable_amps if self.cable_ohms == 680.0 else None, now_mono)

    def _sample(self, now_mono: float) -> MeterSample:
        """What the meter shows: each phase as the vehicle loads it, unless it is frozen, odd or restarted."""
        phases = self.facts.phases
        self.energy_wh += self.amps * phases * 230.0 * 0.02 / 3600
        if self.meter == "frozen" and self.sample is not None:
            return msgspec.structs.replace(self.sample, at_mono=now_mono)
        volts = tuple(0.0 if self.lost in (phase, 3) else self.volts for phase in range(phases))
        amps = (self.amps, *(self.amps * self.uneven,) * (phases - 1))
        watts = sum(volt * amp for volt, amp in zip(volts, amps, strict=True))
        power_w = watts + (5000.0 if self.meter == "odd" else 0.0)
        self.sample = MeterSample(now_mono, self.energy_wh, power_w, amps, volts)
        return self.sample

    def _tested(self, now_mono: float, outputs: Outputs | None) -> SelfTest | None:
        wanted_seq = 0 if outputs is None else outputs.self_test_seq
        if wanted_seq != self.asked_seq:
            self.asked_seq, self.test_due_mono = wanted_seq, now_mono + 0.3
        elif wanted_seq and now_mono >= self.test_due_mono and self.tester != "silent":
            self.answer = SelfTest(wanted_seq, self.tester == "passes", self.test_due_mono)
        return self.answer

    def orders(self, now_mono: float) -> Orders | None:
        chance = self.chance
        if chance.random() < 0.0003:
            self.mute_until_mono = now_mono + chance.uniform(1.0, 60.0)
        if now_mono >= self.mute_until_mono:
            self.valid_until_mono = now_mono + 30.0
        mine = EvseOrders(permit=self.permit, limits=self.limits, available=self.available, unlock_seq=self.unlock_seq)
        return Orders(seq=1, valid_until_mono=self.valid_until_mono, evses=(mine,))

    def _of(self, name: str, now_mono: float, reading: T) -> T | None:
        """The reading, unless this device is silent for a while."""
        if self.chance.random() < 0.0002:
            self.silent[name] = now_mono + self.chance.choice((0.05, 0.3, 2.0, 10.0))
        return None if now_mono < self.silent.get(name, 0.0) else reading

    def _move(self, faulted: bool) -> None:
        chance = self.chance
        if faulted and chance.random() < 0.005:
            self.high_volts = 12.0  # people unplug what does not work
        if chance.random() < 0.003:
            self.high_volts = chance.choices(LEVELS, LEVEL_WEIGHTS)[0]
        if self.high_volts == 12.0 and chance.random() < 0.02:
            self.diode = chance.random() < 0.9
            self.contact = chance.choices(("follows", "welded", "dead", "leaks"), (30, 1, 1, 2))[0]
            self.appetite = chance.choices((1.0, 0.8, 1.5), (8, 4, 2))[0]
            self.cable_amps = chance.choice((13.0, 20.0, 32.0, 63.0))
            self.lock = chance.choices(("follows", "stuck", "broken", "blind"), (10, 1, 1, 1))[0]
            self.tester = chance.choices(("passes", "fails", "silent"), (20, 1, 1))[0]
            self.uneven = chance.choices((1.0, 0.3), (2, 1))[0]
        if chance.random() < 0.0002:
            self.contact = chance.choice(("follows", "welded", "dead", "leaks"))
        if chance.random() < 0.0003:
            self.cable_amps = chance.choice((13.0, 20.0, None, math.nan))
        if chance.random() < 0.002:
            self.cable_ohms = chance.choices((680.0, 1_000_000.0), (30, 1))[0]
        self._move_mains_and_meter()
        self._move_signals()
        self.tripped = chance.random() < (0.95 if self.tripped else 0.00005)
        self.celsius = min(90.0, max(-10.0, self.celsius + chance.uniform(-0.3, 0.3)))
        self.plug_celsius = min(100.0, max(-10.0, self.plug_celsius + chance.uniform(-0.8, 0.8)))
        self.permit = chance.random() > 0.002 if self.permit else chance.random() < 0.03
        self.available = chance.random() > 0.0003 if self.available else chance.random() < 0.02
        if chance.random() < 0.003:
            names = ("site", "csms", "user")[: chance.randint(0, 3)]
            self.limits = tuple(
                Limit(name, chance.choice((0.0, 5.9, 6.0, 8.5, 10.0, 16.0, 32.0, 52.0))) for name in names
            )
        if chance.random() < 0.001:
            self.unlock_seq += 1

    def _move_mains_and_meter(self) -> None:
        chance = self.chance
        if chance.random() < 0.001:
            self.volts = chance.choices((230.0, 280.0, 170.0), (20, 1, 1))[0]
            self.lost = chance.choices((None, 1, 3), (20, 2, 1))[0]
        if chance.random() < 0.0005:
            self.meter = chance.choices(("works", "odd", "frozen", "swapped"), (10, 1, 2, 1))[0]
        if chance.random() < 0.00005:
            self.energy_wh = 0.0

    def _move_signals(self) -> None:
        chance = self.chance
        if self.inputs or self.alarms:
            if chance.random() < 0.01:
                self.inputs, self.alarms = (), ()
        elif chance.random() < 0.0005:
            self.inputs = (chance.choice(tuple(InputName)),)
        elif chance.random() < 0.0005:
            self.alarms = (chance.choice(tuple(Alarm)),)


class Chaos(World):
    """Every value out of a bag of nonsense, every time stamp a little or very wrong."""

    def readings(self, now_mono: float, outputs: Outputs | None) -> Readings:
        pick, number, at = self.chance.choice, self._number, self._at
        flag = (True, False)
        return Readings(
            pilot=self._maybe(PilotReading(number(), number(), at(now_mono), pick(((), (pick(tuple(Alarm)),))))),
            relay=self._maybe(RelayReading(pick((True, False, None)), at(now_mono))),
            meter=self._maybe(
                MeterSample(at(now_mono), number(), number(), self._numbers(), self._numbers(), number())
            ),
            meter_swapped=pick(("", "", "", "", "another")),
            cable=self._maybe(CableRating(number(), pick((None, number())), at(now_mono))),
            lock=self._maybe(LockReading(pick((True, False, None)), at(now_mono))),
            residual=self._maybe(ResidualReading(pick(flag), pick(flag), at(now_mono))),
            temperature=self._maybe(Temperature(number(), at(now_mono))),
            plug_temperature=self._maybe(Temperature(number(), at(now_mono))),
            inputs=self._maybe(InputsReading(pick(((), (), (pick(tuple(InputName)),))), at(now_mono))),
            self_test=self._maybe(SelfTest(pick((0, 1, 2, 3, -1, 2**80)), pick(flag), at(now_mono))),
        )

    def orders(self, now_mono: float) -> Orders | None:
        pick = self.chance.choice
        mine = EvseOrders(
            permit=pick((True, True, False)),
            limits=tuple(Limit("x", self._number()) for _ in range(pick((0, 0, 1)))),
            available=pick((True, True, True, False)),
            unlock_seq=pick((-1, 0, 1, 2, 2**80)),
        )
        until_mono = pick((now_mono + 30.0, now_mono + 1.0, now_mono, self._number()))
        return self._maybe(Orders(seq=1, valid_until_mono=until_mono, evses=(mine,) * pick((1, 1, 1, 0, 2))))

    def _number(self) -> float:
        return self.chance.choice(NONSENSE)

    def _numbers(self) -> tuple[float, ...]:
        return tuple(self._number() for _ in range(self.chance.choice((0, 1, 3, 3, 4))))

    def _at(self, now_mono: float) -> float:
        return self.chance.choice((now_mono, now_mono, now_mono - 0.05, now_mono - 60.0, now_mono + 60.0, math.nan))

    def _maybe(self, value: T) -> T | None:
        return value if self.chance.random() < 0.9 else None


class Checker:
    """Judges each step; remembers only what was given and put out."""

    def __init__(self, facts: EvseFacts) -> None:
        self.facts = facts
        self.tally = Tally()
        self.closed = False
        self.stopping_mono: float | None = None
        self.opened_mono: float | None = None  # None: nothing was seen yet
        self.reclose_s = 5.0
        self.plugged_mono = 0.0
        self.self_test_seq = 0
        self.inputs: InputsReading | None = None
        self.pilots: list[PilotReading] = []
        self.proofs = 0
        self.duty = 100.0
        self.duty_changed_mono = -math.inf
        self.last: EvseStatus | None = None

    def check(
        self, readings: Readings, orders: Orders | None, outputs: Outputs, status: EvseStatus, now_mono: float
    ) -> None:
        self._take_pilot(readings.pilot, now_mono)
        if self.opened_mono is None:
            self.opened_mono = now_mono
        if self.last is not None and status.plug_count != self.last.plug_count:
            self.plugged_mono = now_mono
        mine = self.mine(orders, now_mono)
        least_amps = 0.0 if mine is None else self._least(mine, status, now_mono)
        consent = mine is not None and mine.permit and mine.available and least_amps >= 6.0
        self._check_pilot(outputs, status, mine, consent, now_mono)
        if outputs.relay_closed:
            self._check_closed(readings, outputs, status, consent, now_mono)
        else:
            self.stopping_mono = None
            assert outputs.relay_hold_s == 0.0
            if self.closed:
                self.opened_mono = now_mono
                faulted = any(not active.warning for active in status.faults)
                self.reclose_s = 30.0 if faulted else 5.0
        self._check_test(outputs, status)
        blocking = any(not active.warning for active in status.faults)
        assert (outputs.blink_code > 0) is blocking, "blinks for nothing, or not for a fault"
        assert (outputs.indication is Indication.FAULTED) is blocking
        self.closed = outputs.relay_closed
        self._check_counters(status)
        self.tally.faults_seen |= {active.code for active in status.faults}

    def _take_pilot(self, reading: PilotReading | None, now_mono: float) -> None:
        if reading is None or not -0.05 <= now_mono - reading.at_mono <= 0.1:
            return
        if self.pilots and reading.at_mono <= self.pilots[-1].at_mono:
            return
        if self.pilots and now_mono - self.pilots[-1].at_mono > 1.0:
            self.proofs = 0
        self.pilots = [*self.pilots[-1:], reading]
        if all(11.0 <= pilot.high_volts <= 13.0 for pilot in self.pilots):
            self.proofs = 0
        if 2.0 <= reading.high_volts < 11.0 and -13.0 <= reading.low_volts <= -10.0:
            self.proofs += 1

    def mine(self, orders: Orders | None, now_mono: float) -> EvseOrders | None:
        """The orders that hold now."""
        if orders is None or not orders.evses or not now_mono <= orders.valid_until_mono <= now_mono + 31.0:
            return None
        return orders.evses[0]

    def _least(self, mine: EvseOrders, status: EvseStatus, now_mono: float) -> float:
        """The smallest current anybody allows; NaN allows none."""
        amps = [self.facts.max_amps, *(counted_amps(limit, now_mono) for limit in mine.limits)]
        if self.facts.has_proximity:
            amps.append(status.cable_amps or 0.0)
        return 0.0 if any(math.isnan(one) for one in amps) else min(amps)

    def _check_pilot(
        self, outputs: Outputs, status: EvseStatus, mine: EvseOrders | None, consent: bool, now_mono: float
    ) -> None:
        duty = outputs.duty_percent
        if outputs.pilot_mode is PilotMode.PWM:
            assert consent, "offered without consent"
            assert mine is not None
            assert 10.0 <= duty <= 96.0
            assert 6.0 <= amps_from_duty(duty) <= self._least(mine, status, now_mono), (
                "offered more than the least limit"
            )
            assert status.ev_connected
            assert all(active.warning for active in status.faults), "offered with a fault"
            if self.facts.has_residual:
                tested_mono = status.self_tested_mono
                assert tested_mono is not None, "offered before any test"
                assert tested_mono >= self.plugged_mono, "offered before the test of this session"
            if self.duty != 100.0 and duty > self.duty:
                assert now_mono - self.duty_changed_mono >= 5.0, "raised too soon"
        else:
            assert duty == 100.0
        if duty != self.duty:
            self.duty, self.duty_changed_mono = duty, now_mono

    def _check_closed(
        self, readings: Readings, outputs: Outputs, status: EvseStatus, consent: bool, now_mono: float
    ) -> None:
        facts = self.facts
        assert outputs.relay_hold_s == 1.0
        assert now_mono - self.pilots[-1].at_mono <= 0.1, "closed without a fresh pilot"
        lowest = 2.0 if facts.ventilated else 4.0
        assert any(lowest <= pilot.high_volts <= 8.0 for pilot in self.pilots), "closed two samples after C"
        assert status.pilot_state is PilotState.C or (facts.ventilated and status.pilot_state is PilotState.D)
        assert self.proofs >= 2, "closed without a proven diode"
        assert all(fault(active.code).severity is not Severity.OPEN for active in status.faults), "closed with a fault"
        assert not facts.has_feedback or status.relay_closed is not None, "closed without feedback"
        assert not facts.has_lock or outputs.locked, "closed and not locked"
        if facts.has_residual and readings.residual is not None:
            fresh = abs(now_mono - readings.residual.at_mono) <= 0.04
            assert not (fresh and (readings.residual.tripped_ac or readings.residual.tripped_dc)), "closed and tripped"
        assert not facts.has_thermometer or status.celsius is None or status.celsius < 65.0, "closed and too hot"
        assert not facts.has_plug_thermometer or status.plug_celsius is None or status.plug_celsius < 80.0
        assert not DANGERS.intersection(status.inputs), "closed although an input line says no"
        assert not facts.inputs or readings.inputs is not None or self._is_recent(now_mono)
        self.inputs = readings.inputs or self.inputs
        if not status.why_not:
            assert consent, "energy without consent"
            assert outputs.pilot_mode is PilotMode.PWM
            assert not facts.has_meter or readings.meter is not None, "energy that nobody measures"
            assert readings.meter is None or not facts.has_meter or now_mono - readings.meter.at_mono <= 2.5
            assert not facts.has_meter or not readings.meter_swapped, "energy that another meter measures"
            self.stopping_mono = None
        else:
            assert outputs.pilot_mode is PilotMode.STEADY_HIGH, "a soft stop begins with the end of the offer"
            if self.stopping_mono is None:
                self.stopping_mono = now_mono
                self.tally.soft_stops += 1
            assert now_mono - self.stopping_mono < 6.0, "soft stop without end"
        if not self.closed:
            assert not status.why_not, "closed although there was a reason not to"
            assert self.opened_mono is not None
            assert now_mono - self.opened_mono >= self.reclose_s, "closed again too soon"
            self.tally.closings += 1

    def _is_recent(self, now_mono: float) -> bool:
        """Whether the input lines were read a moment ago."""
        return self.inputs is not None and now_mono - self.inputs.at_mono <= 0.25

    def _check_test(self, outputs: Outputs, status: EvseStatus) -> None:
        """The monitor is tested with the contactor open and nothing offered."""
        if outputs.self_test_seq != self.self_test_seq:
            assert outputs.self_test_seq == self.self_test_seq + 1
            assert {self.closed, outputs.relay_closed, status.relay_closed} <= {False, None}
            assert outputs.pilot_mode is PilotMode.STEADY_HIGH
            self.self_test_seq = outputs.self_test_seq

    def _check_counters(self, status: EvseStatus) -> None:
        last, self.last = self.last, status
        if last is None:
            return
        for name in ("plug_count", "energy_on_count", "contactor_cycles", "lock_cycles"):
            assert 0 <= getattr(status, name) - getattr(last, name) <= 1, f"{name} jumped"
        assert status.energy_on_count <= status.contactor_cycles
