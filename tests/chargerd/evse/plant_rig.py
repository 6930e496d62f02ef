"""The controller on the simulated plant: the same devices as on the bench, on virtual time, without processes."""

import contextlib
from collections.abc import Callable
from typing import TypeVar

from chargerd.clock import ManualClock
from chargerd.evse.contactor import RECLOSE_S
from chargerd.evse.controller import Controller
from chargerd.evse.types import EvseOrders, EvseStatus, Orders, Outputs, Readings, SelfTest
from chargerd.limits import Limit
from hal.sim.devices import (
    SimInputs,
    SimLimitSource,
    SimLock,
    SimMeter,
    SimPhaseSwitch,
    SimPilot,
    SimPlugThermometer,
    SimProximity,
    SimRelays,
    SimResidual,
    SimThermometer,
)
from hal.sim.plant import Plant
from hal.sim.settings import PlantSettings
from hal.slot import DeviceSlot
from hal.types import DeviceSwapped, EvseFacts, ExternalLimit, HalError, MeterSample
from tests.chargerd.evse.provoking import Step, take
from tests.chargerd.evse.rig import LONG_TICK_S, TICK_S, WHOLE

T = TypeVar("T")

METER_PERIOD_S = 1.0
SELF_TEST_S = 0.5


class PlantRig:
    """Turn `evse` (the plant's verbs), `permit` and `limit_amps`; `run` lets time pass; `status` tells what came of
    it."""

    def __init__(self, facts: EvseFacts = WHOLE, seed: int = 1) -> None:
        self.clock = ManualClock()
        self.plant = Plant(PlantSettings(seed=seed), [facts], self.clock.monotonic)
        self.evse = self.plant.evse(1)
        self.controller = Controller(1, facts)
        self.permit = True
        self.limit_amps = 16.0
        self.phases: int | None = None
        self.wake_up = True
        self.status = EvseStatus(evse_id=1)
        self.outputs: Outputs | None = None
        slot = DeviceSlot("evse[0]", facts, self.clock.monotonic)
        self._pilot = SimPilot(self.evse, slot)
        self._relays = SimRelays(self.evse, slot)
        self._meter = SimMeter(self.evse, slot)
        self._lock = SimLock(self.evse, slot)
        self._proximity = SimProximity(self.evse, slot)
        self._residual = SimResidual(self.evse, slot)
        self._thermometer = SimThermometer(self.evse, slot)
        self._plug_thermometer = SimPlugThermometer(self.evse, slot)
        self._inputs = SimInputs(self.evse, slot)
        self._switch = SimPhaseSwitch(self.evse, slot)
        self._external = SimLimitSource(self.evse, slot)
        self._limit: ExternalLimit | None = None
        self._asked_seq = 0
        self._test_due_mono = 0.0
        self._answer: SelfTest | None = None
        self._sample: MeterSample | None = None
        self._sample_due_mono = 0.0
        self._meter_swapped = ""
        # The start is over: the first test of the residual monitor, and the interval in which no contactor closes.
        self.run(1.0)
        self.clock.advance(RECLOSE_S)
        self.run(0.2)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.tick()

    def charge(self, *quirks: str) -> None:
        """A vehicle comes, asks, and takes what it is offered."""
        self.evse.plug_in(quirks=quirks)
        self.evse.ev_ready()
        self.run(15.0)
        assert self.is_closed(), (self.status.why_not, self.status.faults)

    def is_closed(self) -> bool:
        """What the contact says, not what was commanded."""
        return self._relays.read().closed is True

    def measured_amps(self) -> tuple[float, ...]:
        return self._meter.read().amps

    def rest(self, seconds: float) -> None:
        """Like `run`, in long ticks, for times in which nothing happens that has to be seen to 20 ms."""
        for _ in range(round(seconds / LONG_TICK_S)):
            self.tick(LONG_TICK_S)

    def tick(self, step_s: float = TICK_S) -> None:
        now = self.clock.advance(step_s)
        if now.mono >= self._sample_due_mono:
            self._sample_due_mono = now.mono + METER_PERIOD_S
            self._meter_swapped = ""
            try:
                self._sample = self._meter.read()
            except HalError as error:  # the last sample grows old, as with a poller
                self._meter_swapped = error.why if isinstance(error, DeviceSwapped) else ""
        with contextlib.suppress(HalError):
            self._limit = self._external.read()
        readings = Readings(
            pilot=_asked(self._pilot.read),
            relay=self._relays.read(),
            meter=self._sample,
            meter_swapped=self._meter_swapped,
            cable=self._proximity.read(),
            lock=self._lock.read(),
            residual=_asked(self._residual.read),
            temperature=self._thermometer.read(),
            plug_temperature=self._plug_thermometer.read(),
            phases=self._switch.read(),
            inputs=self._inputs.read(),
            external_limit=self._limit,
            self_test=self._tested(),
        )
        limits = (Limit("csms", self.limit_amps),)
        mine = EvseOrders(permit=self.permit, limits=limits, phases=self.phases, wake_up=self.wake_up)
        outputs = self.controller.step(readings, Orders(seq=1, valid_until_mono=now.mono + 30, evses=(mine,)), now.mono)
        self._pilot.set(outputs.pilot_mode, outputs.duty_percent)
        self._relays.hold(outputs.relay_closed, outputs.relay_hold_s)
        self._lock.set(outputs.locked)
        if self.evse.facts.has_phase_switch:
            self._switch.set(outputs.phases)
        self.outputs = outputs
        self.status = self.controller.status(now.mono)

    def take(self, steps: tuple[Step, ...]) -> None:
        """Take the steps of a provocation."""
        for step in steps:
            if step[0] == "wait":
                self.run(float(step[1]))
            else:
                take(self.evse, step)

    def stands_within(self, code: str, within_s: float, stands: bool = True) -> bool:
        """Whether a fault stands (or has gone) after `within_s` at most; time passes until then."""
        for _ in range(round(within_s / TICK_S) + 1):
            if any(fault.code == code for fault in self.status.faults) is stands:
                return True
            self.tick()
        return False

    def _tested(self) -> SelfTest | None:
        """The monitor's own test takes its time, as it does in a thread of its own."""
        wanted_seq = 0 if self.outputs is None else self.outputs.self_test_seq
        now_mono = self.clock.monotonic()
        if wanted_seq != self._asked_seq:
            self._asked_seq, self._test_due_mono = wanted_seq, now_mono + SELF_TEST_S
        elif wanted_seq and now_mono >= self._test_due_mono and (not self._answer or self._answer.seq != wanted_seq):
            self._answer = SelfTest(wanted_seq, self._residual.self_test(), now_mono)
        return self._answer


def _asked(read: Callable[[], T]) -> T | None:
    """A device that fails is a missing value, as in the control loop."""
    try:
        return read()
    except HalError:
        return None
