"""One EVSE: readings and orders in, outputs out, every output computed from scratch in every tick.

Nothing is toggled and nothing is remembered that the world can tell again. What is remembered (when the contactor
moved, when a soft stop began, counters) only ever delays or withholds energy; whether it may flow is asked of
guard.why_not each time.

x1 is what stops a vehicle. Behind a steady -12 V or a pilot that is cut off the EVSE could not see the vehicle go, and
the plug has to be released within 5 s of that (IEC 61851-1 table A.6): only the wake-up ladder goes there, for 4 s.
"""

import math

from chargerd.evse.cable import CableWatch
from chargerd.evse.contactor import SOFT_STOP_S, Contactor
from chargerd.evse.faults import blink_code
from chargerd.evse.guard import may_offer, valid_orders, why_not
from chargerd.evse.limit_table import LimitTable
from chargerd.evse.lock import LockKeeper
from chargerd.evse.metering import MeterWatch
from chargerd.evse.phases import PhaseKeeper
from chargerd.evse.pilot import NOT_OFFERED_PERCENT, PilotWatch, amps_from_duty, duty_from_amps
from chargerd.evse.residual import ResidualWatch
from chargerd.evse.signing import SigningKeeper
from chargerd.evse.situation import Situation, board_stale_s, celsius_of, feedback_of, inputs_of
from chargerd.evse.supervision import Supervision
from chargerd.evse.types import RELAY_LEASE_S, EvseOrders, EvseStatus, Orders, Outputs, Readings
from chargerd.evse.wakeup import WakeUpLadder
from hal.types import EvseFacts, Indication, PilotMode

DUTY_UP_S = 5.0
"""A vehicle needs up to 5 s to follow a change (table A.6), so raises come no faster; a cut never waits."""


class Controller:
    """The charging core of one EVSE: `step` each tick, `status` whenever it is wanted. Same inputs, same outputs."""

    def __init__(self, evse_id: int, facts: EvseFacts) -> None:
        self._evse_id = evse_id
        self._facts = facts
        self._pilot = PilotWatch(facts.pilot_stale_s)
        self._cable = CableWatch()
        self._lock = LockKeeper(facts.has_lock)
        self._contactor = Contactor()
        self._meter = MeterWatch()
        self._residual = ResidualWatch(facts.has_residual, board_stale_s(facts))
        self._supervision = Supervision()
        self._table = LimitTable(facts)
        self._phases = PhaseKeeper(facts)
        self._ladder = WakeUpLadder(facts)
        self._readings = Readings()
        self._why_not: tuple[str, ...] = ()
        self._situation = Situation(facts=facts, now_mono=-math.inf)
        # What was put out last.
        self._mode = PilotMode.STEADY_HIGH
        self._duty_percent = NOT_OFFERED_PERCENT
        self._duty_since_mono = -math.inf
        self._pwm_since_mono: float | None = None
        self._offered_mono = -math.inf  # when current was offered last
        # Counters and the meter's register at their last edge.
        self._signing = SigningKeeper()
        self._connected = False
        self._energy_on = False
        self._plug_count = 0
        self._energy_on_count = 0
        self._plugged_wh: float | None = None
        self._energy_on_wh: float | None = None
        self._energy_off_wh: float | None = None

    def step(self, readings: Readings, orders: Orders | None, now_mono: float) -> Outputs:
        """One tick. `readings`: what the devices said last; `orders`: the station's last word for the whole board,
        None: none.

        Never raises for anything a reading or an order can hold.
        """
        mine = valid_orders(orders, self._evse_id, now_mono)
        self._look(readings, now_mono)
        situation = self._situation
        faults = self._supervision.update(situation)
        self._table.update(situation, readings.external_limit, mine)
        self._why_not = why_not(situation, mine, self._table.limit, faults)
        self._phases.drive(situation, _phases_wanted(mine, self._facts))
        offer = may_offer(self._why_not, self._facts)
        self._ladder.drive(situation, offer, allowed=mine is not None and mine.wake_up)
        self._drive_pilot(offer and not self._ladder.waking, now_mono)
        self._contactor.drive(self._why_not, situation)
        locked = self._drive_lock(mine, now_mono)
        is_open = not self._contactor.closed and situation.feedback is not True and situation.has_to_be_open
        self._signing.update(mine, is_open)
        self._count(situation)
        faulted = any(not active.warning for active in faults)
        wanted = Indication.UNAVAILABLE if mine is None else mine.indication
        return Outputs(
            pilot_mode=self._mode,
            duty_percent=self._duty_percent,
            relay_closed=self._contactor.closed,
            relay_hold_s=RELAY_LEASE_S if self._contactor.closed else 0.0,
            locked=locked,
            indication=Indication.FAULTED if faulted else wanted,
            self_test_seq=self._residual.test_seq,
            blink_code=blink_code(faults),
            sign_for=self._signing.wanted,
            phases=self._phases.phases,
            message=() if mine is None else mine.message,
        )

    def status(self, now_mono: float) -> EvseStatus:
        """What is known as of the last step. `now_mono` only dates a state that has not been seen to begin yet."""
        pilot, situation = self._pilot, self._situation
        return EvseStatus(
            evse_id=self._evse_id,
            pilot_state=pilot.state,
            pilot_since_mono=pilot.since_mono if math.isfinite(pilot.since_mono) else now_mono,
            ev_connected=self._connected,
            pilot_mode=self._mode,
            duty_percent=self._duty_percent,
            offered_amps=amps_from_duty(self._duty_percent),
            limit=self._table.limit,
            limits=self._table.rows,
            why_not=self._why_not,
            faults=self._supervision.faults,
            relay_commanded=self._contactor.closed,
            relay_closed=situation.feedback,
            meter=self._readings.meter,
            session=self._readings.session,
            token=self._readings.token,
            cable_amps=self._cable.amps,
            locked=self._lock.seen,
            celsius=situation.celsius,
            plug_celsius=situation.plug_celsius,
            inputs=situation.inputs or (),
            self_tested_mono=self._residual.tested_mono,
            plug_count=self._plug_count,
            energy_on_count=self._energy_on_count,
            plugged_wh=self._plugged_wh,
            energy_on_wh=self._energy_on_wh,
            energy_off_wh=self._energy_off_wh,
            contactor_cycles=self._contactor.cycles,
            lock_cycles=self._lock.cycles,
            opened_by=self._contactor.opened_by,
            unlock_seq=self._lock.unlock_seq,
            unlocked=self._lock.unlocked,
            plugged=self._cable.plugged,
            phases=self._phases.connected,
            phases_pending=self._phases.pending,
            phases_wait=self._phases.waits_for,
            vehicle_phases=self._phases.vehicle_phases,
            waking=self._ladder.waking,
            wake_ups=self._ladder.wake_ups,
            toggles=self._ladder.toggles,
        )

    def _look(self, readings: Readings, now_mono: float) -> None:
        """Take the readings in, each by the one that follows it."""
        pilot, cable, lock, meter, residual = self._pilot, self._cable, self._lock, self._meter, self._residual
        self._readings = readings
        self._contactor.start(now_mono)
        stood_still = RELAY_LEASE_S < now_mono - self._situation.now_mono < math.inf
        if stood_still:
            meter.resume(now_mono)
            residual.resume(now_mono)
        pilot.update(readings.pilot, self._pwm_since_mono, now_mono, self._ladder.is_blind(now_mono))
        self._phases.read(readings.phases, now_mono)
        cable.update(readings.cable, pilot.connected, now_mono)
        lock.read(readings.lock, pilot.connected, now_mono)
        meter.update(readings.meter, readings.meter_swapped, pilot.connected, self._open_since_mono(), now_mono)
        feedback = feedback_of(readings.relay, now_mono, board_stale_s(self._facts))
        idle = self._mode is not PilotMode.PWM and not self._contactor.closed and feedback is not True
        residual.update(readings.residual, pilot.alarms, pilot.connected, now_mono)
        residual.test(readings.self_test, pilot.connected, idle, now_mono)
        self._situation = self._sum_up(readings, feedback, stood_still, now_mono)

    def _sum_up(self, readings: Readings, feedback: bool | None, stood_still: bool, now_mono: float) -> Situation:
        """What the readings amount to."""
        pilot, cable, lock, meter, residual = self._pilot, self._cable, self._lock, self._meter, self._residual
        phases, ladder = self._phases, self._ladder
        return Situation(
            facts=self._facts,
            now_mono=now_mono,
            stood_still=stood_still,
            pilot_state=pilot.state,
            pilot_missing=pilot.missing,
            pilot_settled=pilot.settled,
            pilot_volts=pilot.volts,
            connected=pilot.connected,
            diode_proven=pilot.diode_proven,
            diode_wrong=pilot.diode_wrong,
            alarms=pilot.alarms,
            relay_commanded=self._contactor.closed,
            reclose_mono=self._contactor.reclose_mono,
            cut_off=self._contactor.cut_off,
            open_since_mono=self._open_since_mono(),
            offered_amps=amps_from_duty(self._duty_percent),
            unreduced_amps=self._table.unreduced_amps,
            phases=phases.connected,
            vehicle_phases=phases.vehicle_phases,
            phase_switching=phases.switching,
            phases_silent=phases.silent,
            phases_off_course=phases.off_course,
            waking=ladder.waking,
            not_charging=ladder.not_charging,
            feedback=feedback,
            meter=meter.sample,
            meter_silent=meter.silent,
            meter_frozen=meter.frozen,
            meter_implausible=meter.implausible,
            meter_swapped=meter.swapped,
            residual_silent=residual.silent,
            residual_ready=residual.ready,
            residual_tripped=residual.tripped,
            residual_ac=residual.ac,
            residual_dc=residual.dc,
            residual_dc_again=residual.dc_again,
            test_failed=residual.failed,
            celsius=celsius_of(readings.temperature, now_mono),
            plug_celsius=celsius_of(readings.plug_temperature, now_mono),
            inputs=inputs_of(readings.inputs, now_mono),
            cable_amps=cable.amps,
            cable_silent=cable.silent,
            cable_absent=cable.absent,
            cable_invalid=cable.invalid,
            cable_changed=cable.changed,
            lock_confirmed=lock.confirmed,
            lock_silent=lock.silent,
            lock_off_course=lock.off_course,
            lock_broken=lock.broken,
            session=readings.session,
        )

    def _open_since_mono(self) -> float:
        """Since when the contactor has to be open; inf while it may be closed.

        Not only our command closes it where a controller does so by itself: there it may be closed while current is
        offered, and as long after as a soft stop takes.
        """
        if self._contactor.closed:
            return math.inf
        if not self._facts.autonomous:
            return self._contactor.since_mono
        if self._mode is PilotMode.PWM:
            return math.inf
        return max(self._contactor.since_mono, self._offered_mono) + SOFT_STOP_S

    def _drive_pilot(self, offer: bool, now_mono: float) -> None:
        wanted_percent = duty_from_amps(self._table.limit.amps) if offer else NOT_OFFERED_PERCENT
        if not offer:
            self._mode = self._ladder.mode
            self._pwm_since_mono = None
        elif self._mode is not PilotMode.PWM:
            self._mode = PilotMode.PWM
            self._pwm_since_mono = now_mono
        elif wanted_percent > self._duty_percent and now_mono - self._duty_since_mono < DUTY_UP_S:
            wanted_percent = self._duty_percent
        if offer:
            self._offered_mono = now_mono
        if wanted_percent != self._duty_percent:
            self._duty_percent = wanted_percent
            self._duty_since_mono = now_mono

    def _drive_lock(self, orders: EvseOrders | None, now_mono: float) -> bool:
        """Held while energy is or may be on the plug, and as long as its owner wants. With a contactor that did not
        open that lasts, vehicle or not."""
        permitted = orders is not None and orders.permit
        owned = orders is not None and orders.hold_plug and self._cable.plugged is not False
        live = self._contactor.closed or self._situation.feedback is True
        if orders is not None:
            self._lock.request(orders.unlock_seq, permitted or live, now_mono)
        return self._lock.drive(live or owned or (permitted and self._pilot.connected), now_mono)

    def _count(self, situation: Situation) -> None:
        """Move the counters on their edges, with the meter's register at that moment."""
        register_wh = None if situation.meter is None else situation.meter.energy_wh
        if situation.connected and not self._connected:
            self._plug_count += 1
            self._plugged_wh = register_wh
        self._connected = situation.connected
        confirmed = situation.feedback is True or not self._facts.has_feedback
        if self._contactor.closed and confirmed and not self._energy_on:
            self._energy_on = True
            self._energy_on_count += 1
            self._energy_on_wh = register_wh
        elif self._energy_on and not self._contactor.closed:
            self._energy_on = False
            self._energy_off_wh = register_wh


def _phases_wanted(orders: EvseOrders | None, facts: EvseFacts) -> int | None:
    """How many phases the station wants; None: nobody says."""
    if orders is None:
        return None
    return facts.phases if orders.phases is None else orders.phases
