"""A controller with a knob for every reading and order; devices obey the outputs unless a knob says otherwise."""

from collections.abc import Callable

from chargerd.clock import ManualClock
from chargerd.evse.contactor import RECLOSE_S
from chargerd.evse.controller import Controller
from chargerd.evse.types import (
    EvseOrders,
    EvseStatus,
    MeterSession,
    Orders,
    Outputs,
    Readings,
    SelfTest,
    SignFor,
    TokenSeen,
)
from chargerd.limits import Limit
from hal.types import (
    Alarm,
    CableRating,
    EvseFacts,
    ExternalLimit,
    Indication,
    InputName,
    InputsReading,
    LockReading,
    MeterSample,
    PhasesReading,
    PilotMode,
    PilotReading,
    RelayReading,
    ResidualReading,
    Temperature,
)

TICK_S = 0.02
LONG_TICK_S = 0.5
A, B, C, D, E, F = 12.0, 9.0, 6.0, 3.0, 0.0, -12.0
"""Nominal positive peaks of the states."""

PLAIN = EvseFacts(max_amps=32.0, phases=3)
SOCKET = EvseFacts(max_amps=32.0, phases=3, has_proximity=True, has_lock=True, has_residual=True, has_thermometer=True)
WHOLE = EvseFacts(
    max_amps=32.0,
    phases=3,
    has_proximity=True,
    has_lock=True,
    has_residual=True,
    has_thermometer=True,
    has_plug_thermometer=True,
    has_phase_switch=True,
    has_external_limit=True,
    can_disconnect=True,
    unbalance_amps=10.0,
    inputs=tuple(InputName),
)
"""Everything that this part of the core looks at."""


class Rig:
    """Knobs are plain attributes; `tick` takes one step with them and keeps `outputs` and `status`.

    The start is over unless `booting`: the interval after it, in which no contactor closes, and the first test of the
    residual monitor. The monitor answers each test half a second after it was asked, as `self_test` says.
    """

    def __init__(self, facts: EvseFacts = PLAIN, booting: bool = False) -> None:
        self.facts = facts
        self.clock = ManualClock()
        self.controller = Controller(1, facts)
        # Readings.
        self.high_volts = A
        self.low_volts: float | None = None  # None: as a vehicle with a diode gives it
        self.pilot_speaks = True
        self.alarms: tuple[Alarm, ...] = ()
        self.feedback: bool | None = None  # None: the contact follows the coil
        self.feedback_speaks = True
        self.amps: tuple[float, ...] = (0.0, 0.0, 0.0)
        self.volts: tuple[float, ...] | None = None  # None: 230 V for each current
        self.power_w: float | None = None  # None: volts times amps
        self.energy_wh = 1000.0
        self.meter_speaks = True
        self.meter_swapped = ""
        self.session: MeterSession | None = None
        self.sign_for: SignFor | None = None
        self._sample: MeterSample | None = None
        self.cable_amps: float | None = 32.0
        self.cable_ohms = 680.0
        self.cable_speaks = True
        self.lock: bool | None = None  # None: the lock follows its command
        self.lock_has_contact = True
        self.lock_speaks = True
        self.tripped_ac = self.tripped_dc = False
        self.residual_speaks = True
        self.board_lags_s = 0.0  # how old the word of contactor and residual monitor is
        self.self_test: bool | None = True  # None: no answer comes
        self._test_due_mono = 0.0
        self._asked_seq = 0
        self._answer: SelfTest | None = None
        self.celsius = 25.0
        self.thermometer_speaks = True
        self.plug_celsius = 25.0
        self.plug_thermometer_speaks = True
        self.inputs: tuple[InputName, ...] = ()
        self.inputs_speak = True
        self.token: TokenSeen | None = None
        self.external: ExternalLimit | None = ExternalLimit(None, 0.0)  # stamped anew in each tick; None: silent
        self.seen_phases: int | None = None  # None: the phase contactor is where it was told to be
        self.phase_switch_speaks = True
        # Orders.
        self.permit = True
        self.available = True
        self.limits: tuple[Limit, ...] = (Limit("csms", 16.0),)
        self.unlock_seq = 0
        self.hold_plug = False
        self.phases: int | None = None
        self.wake_up = True
        self.message: tuple[str, ...] = ()
        self.orders_come = True
        self.orders_until_mono = 0.0
        self.outputs = Outputs(
            pilot_mode=PilotMode.STEADY_HIGH,
            duty_percent=100.0,
            relay_closed=False,
            relay_hold_s=0.0,
            locked=False,
            indication=Indication.OFF,
        )
        self.status = EvseStatus(evse_id=1)
        if not booting:
            self.run(1.0)
            self.clock.advance(RECLOSE_S)
            self.run(0.2)

    @property
    def now_mono(self) -> float:
        return self.clock.monotonic()

    def is_closed(self) -> bool:
        return self.outputs.relay_closed

    def is_locked(self) -> bool:
        return self.outputs.locked

    def mode(self) -> PilotMode:
        return self.outputs.pilot_mode

    def indication(self) -> Indication:
        return self.outputs.indication

    @property
    def fault_codes(self) -> list[str]:
        return [fault.code for fault in self.status.faults]

    def tick(self, step_s: float = TICK_S) -> Outputs:
        now = self.clock.advance(step_s)
        self.outputs = self.controller.step(self.readings(), self.orders(), now.mono)
        self.status = self.controller.status(now.mono)
        return self.outputs

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.tick()

    def rest(self, seconds: float) -> None:
        """Like `run`, in long ticks, for times in which nothing happens that has to be seen to 20 ms."""
        for _ in range(round(seconds / LONG_TICK_S)):
            self.tick(LONG_TICK_S)

    def run_until(self, reached: Callable[[], bool], within_s: float) -> float:
        """Tick until `reached`; the seconds it took. Fails after `within_s`."""
        began = self.now_mono
        while not reached():
            self.tick()
            waited = self.now_mono - began
            assert waited <= within_s + 1e-6, f"not within {within_s} s: {self.status.why_not} {self.status.faults}"
        return self.now_mono - began

    def charge(self, amps: float = 15.0) -> None:
        """Plug in, let the vehicle ask, and see energy flow."""
        self.high_volts = B
        self.run(1.0)
        self.high_volts = C
        self.run_until(self.is_closed, 3.0)
        self.run(0.1)
        self.amps = (amps, amps, amps)
        self.run(1.0)
        assert self.is_closed(), self.status.why_not

    def readings(self) -> Readings:
        mono, facts = self.now_mono, self.facts
        oscillates = self.outputs.pilot_mode is PilotMode.PWM
        low = self.low_volts if self.low_volts is not None else (-12.0 if oscillates else self.high_volts)
        closed = self.outputs.relay_closed if self.feedback is None else self.feedback
        phases = self.outputs.phases if self.seen_phases is None else self.seen_phases
        locked = self.outputs.locked if self.lock is None else self.lock
        if facts.has_meter and self.meter_speaks:
            self.energy_wh += self.watts() * TICK_S / 3600
            self._sample = self.sample()  # else the last one grows old, as with a poller
        return Readings(
            pilot=PilotReading(self.high_volts, low, mono, self.alarms) if self.pilot_speaks else None,
            relay=RelayReading(closed, mono - self.board_lags_s)
            if facts.has_feedback and self.feedback_speaks
            else None,
            meter=self._sample,
            meter_swapped=self.meter_swapped,
            cable=CableRating(self.cable_ohms, self.cable_amps, mono)
            if facts.has_proximity and self.cable_speaks
            else None,
            lock=LockReading(locked if self.lock_has_contact else None, mono)
            if facts.has_lock and self.lock_speaks
            else None,
            residual=ResidualReading(self.tripped_ac, self.tripped_dc, mono - self.board_lags_s)
            if facts.has_residual and self.residual_speaks
            else None,
            temperature=Temperature(self.celsius, mono) if facts.has_thermometer and self.thermometer_speaks else None,
            plug_temperature=Temperature(self.plug_celsius, mono)
            if facts.has_plug_thermometer and self.plug_thermometer_speaks
            else None,
            inputs=InputsReading(self.inputs, mono) if facts.inputs and self.inputs_speak else None,
            phases=PhasesReading(phases, mono) if facts.has_phase_switch and self.phase_switch_speaks else None,
            external_limit=None if self.external is None else ExternalLimit(self.external.amps, mono),
            self_test=self._tested(),
            session=self.session,
            token=self.token,
        )

    def watts(self) -> float:
        """What flows: at 230 V where nothing else is said."""
        volts = self.volts or (230.0,) * len(self.amps)
        return sum(volt * amp for volt, amp in zip(volts, self.amps, strict=False))

    def sample(self) -> MeterSample:
        volts = (230.0,) * len(self.amps) if self.volts is None else self.volts
        power_w = self.watts() if self.power_w is None else self.power_w
        return MeterSample(self.now_mono, self.energy_wh, power_w, self.amps, volts)

    def _tested(self) -> SelfTest | None:
        if self.outputs.self_test_seq != self._asked_seq:
            self._asked_seq = self.outputs.self_test_seq
            self._test_due_mono = self.now_mono + 0.5
        elif self.self_test is not None and self._asked_seq and self.now_mono >= self._test_due_mono:
            self._answer = SelfTest(self._asked_seq, self.self_test, self._test_due_mono)
        return self._answer

    def orders(self) -> Orders | None:
        if self.orders_come:
            self.orders_until_mono = self.now_mono + 30.0
        return Orders(
            seq=1,
            valid_until_mono=self.orders_until_mono,
            evses=(
                EvseOrders(
                    permit=self.permit,
                    limits=self.limits,
                    available=self.available,
                    unlock_seq=self.unlock_seq,
                    hold_plug=self.hold_plug,
                    indication=Indication.CHARGING,
                    phases=self.phases,
                    wake_up=self.wake_up,
                    message=self.message,
                    sign_for=self.sign_for,
                ),
            ),
        )


def charging(facts: EvseFacts = PLAIN) -> Rig:
    """A rig on which energy flows."""
    rig = Rig(facts)
    rig.charge()
    return rig
