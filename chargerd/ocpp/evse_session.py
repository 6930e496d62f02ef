"""The life of transactions on one EVSE: what each happening does to authorization, permit and transaction.

Energy is permitted exactly while a vehicle is connected, somebody is authorized, and neither the CSMS nor an ending
withholds it. A transaction that ends while energy flows ends when energy is off, so that its last register is the
true one.
"""

import msgspec

from chargerd.clock import Now
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.charging_rate import LIMIT_CHANGE_SIGNIFICANCE
from chargerd.ocpp.edges import is_energy_on
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.energy_flow import EnergyFlow
from chargerd.ocpp.held_plugs import HeldPlugs, Owner
from chargerd.ocpp.messages.enums import ChargingState, Reason, TriggerReason
from chargerd.ocpp.messages.types import IdToken, MeterValue
from chargerd.ocpp.news import Registration, TransactionAuthorized, TransactionEnded, TransactionStarted
from chargerd.ocpp.transaction_limits import TransactionLimits
from chargerd.ocpp.transaction_log import TransactionLog
from chargerd.ocpp.transaction_machine import (
    Ending,
    Grant,
    OpenTransaction,
    PlugIn,
    TxPoint,
    has_ceased,
    may_start,
    reason_of_fault,
    without_grant,
)
from chargerd.ocpp.transaction_variables import (
    EV_CONNECTION_TIME_OUT,
    MAX_ENERGY_ON_INVALID_ID,
    STOP_TX_ON_EV_SIDE_DISCONNECT,
    STOP_TX_ON_INVALID_ID,
    TX_BEFORE_ACCEPTED,
    TX_START_POINT,
    TX_STOP_POINT,
    UNLOCK_ON_EV_SIDE_DISCONNECT,
)

ENDING_LIMIT_S = 10.0
"""The soft stop takes 6 s at most (table A.6); a transaction does not wait longer for energy to be off."""

REGISTER_EVERY_S = 70.0
"""How often the register is written for the case of a power loss: so much energy at most is not billed. A reading that
is sent writes it as well; this is longer than the usual minute between those, so that nothing is written twice."""


class EvseSession:
    """One EVSE from the station's side. `tx`: the open transaction, None when there is none."""

    def __init__(self, ctx: StationContext, log: TransactionLog, held_plugs: HeldPlugs, evse_id: int) -> None:
        self.evse_id = evse_id
        self.tx: OpenTransaction | None = None
        self.connected = False
        self._ctx = ctx
        self._log = log
        self._held_plugs = held_plugs
        self._flow = EnergyFlow()
        self._limits = TransactionLimits(ctx.variables)
        self._waiting: Grant | None = None
        self._plug: PlugIn | None = None
        self._cut_off_reason: Reason | None = None
        self._doubtful = False
        self._connect_by_mono: float | None = None
        self._end_by_mono: float | None = None
        self._kept_mono = 0.0

    @property
    def grant(self) -> Grant | None:
        """The authorization that stands, with or without a transaction."""
        return self._waiting if self.tx is None else self.tx.grant

    @property
    def is_ending(self) -> bool:
        """The transaction waits for energy to be off and takes no more orders."""
        return self.tx is not None and self.tx.ending is not None

    @property
    def may_begin(self) -> bool:
        """The CSMS has accepted the station, or need not have (TxBeforeAcceptedEnabled)."""
        return self._ctx.variables[TX_BEFORE_ACCEPTED] or self._ctx.registration is Registration.ACCEPTED

    # ------------------------------------------------------------------ authorization

    def authorize(self, grant: Grant, now: Now) -> None:
        """`grant` stands from now on; with it a transaction may start."""
        assert not self.is_ending, "can't happen because an ending transaction takes no token"
        self._held_plugs.release(self.evse_id)
        self._take(grant, now)
        if not self.connected:
            self._connect_by_mono = now.mono + self._ctx.variables[EV_CONNECTION_TIME_OUT]
        self._advance(TriggerReason.AUTHORIZED, now)

    def end_authorization(self, ending: Ending, now: Now) -> None:
        """Nobody is authorized any more: the transaction ends, or goes on without energy if no stop point says so."""
        self._let_go()
        if self.tx is not None:
            self.tx = without_grant(self.tx, ending.reason)
            points = self._ctx.variables[TX_STOP_POINT]
            if has_ceased(points, connected=self.connected, authorized=False):
                self._begin_end(ending, now)
            else:
                self.tx = self._log.update(self._as_of(now), ending.trigger, now, token=ending.token)
        self._set_permit()

    def end_at_once(self, ending: Ending, now: Now) -> None:
        """Nobody is authorized any more and the transaction ends, whatever the stop points say."""
        self._let_go()
        if self.tx is not None:
            self.tx = msgspec.structs.replace(without_grant(self.tx, ending.reason), stopped_reason=ending.reason)
            self._begin_end(ending, now)
        self._set_permit()

    def _let_go(self) -> None:
        """Nobody is waited for, nothing of the authorization stays, and the plug is free (E07.FR.07)."""
        self._connect_by_mono = None
        self._waiting = None
        self._limits.end()
        self._held_plugs.release(self.evse_id)

    def learn_group(self, group_id_token: IdToken | None, now: Now) -> None:
        """The CSMS says which group the authorized token belongs to; None: it says nothing."""
        assert self.tx is not None, "can't happen because only an open transaction has an answer that counts"
        grant = self.tx.grant
        if grant is not None and group_id_token is not None and grant.group_id_token != group_id_token:
            told = msgspec.structs.replace(grant, group_id_token=group_id_token)
            self.tx = self._log.keep(msgspec.structs.replace(self.tx, grant=told), now)

    def refused_by_csms(self, now: Now) -> None:
        """The CSMS does not accept the token of this transaction after all (E05)."""
        variables, tx = self._ctx.variables, self.tx
        assert tx is not None, "can't happen because only an open transaction has an answer that counts"
        if variables[STOP_TX_ON_INVALID_ID]:  # E05.FR.09, E05.FR.10
            grant = tx.grant
            self.end_authorization(Ending(TriggerReason.DEAUTHORIZED, Reason.DE_AUTHORIZED), now)
            self._hold_plug(grant)  # E05.FR.11
            return
        allowed_wh = variables[MAX_ENERGY_ON_INVALID_ID]
        if tx.begin_wh is not None and tx.register_wh is not None and tx.register_wh - tx.begin_wh < allowed_wh:
            self.tx = self._log.keep(msgspec.structs.replace(tx, cap_wh=tx.begin_wh + allowed_wh), now)  # E05.FR.03
        else:
            self._withhold(now)

    # ------------------------------------------------------------------ the vehicle

    def plug_in(self, now: Now, grant: Grant | None = None) -> None:
        """A vehicle is there. `grant`: what it needs no token for (authorization switched off), else None."""
        plug = self._present_plug()
        is_news, self.connected, self._doubtful = not self.connected, True, False
        self._plug = plug
        if self.tx is not None:
            self.tx = self._log.keep(msgspec.structs.replace(self.tx, plug=plug), now)
        if not is_news:
            if self.tx is None:
                self._log.mark_ended(self.evse_id, plug)
            self._follow(now)
            return
        self._connect_by_mono = None
        if self._has_ended_here():
            return
        if grant is not None and self.grant is None and (self.tx is None or self.tx.past_token is None):
            self._take(grant, now)
        self._flow.wait(now)
        self._advance(TriggerReason.CABLE_PLUGGED_IN, now)
        if self.tx is None and not self._may_wait_for_energy():
            self._waiting = None  # out of service: what does not start now must not start by itself later

    def accepted(self, now: Now, grant: Grant | None) -> None:
        """The CSMS accepts the station: a vehicle that had to wait for that may begin. `grant`: as for plug_in."""
        waits = self.connected and self.tx is None and not self._has_ended_here()
        if not waits or self._ctx.variables[TX_BEFORE_ACCEPTED]:
            return
        if grant is not None and self.grant is None:
            self._take(grant, now)
        self._advance(TriggerReason.CABLE_PLUGGED_IN, now)

    def unplug(self, now: Now) -> None:
        """The vehicle is gone."""
        self.connected, self._doubtful = False, False
        self._flow.cut()
        ends_authorization = self._ctx.variables[STOP_TX_ON_EV_SIDE_DISCONNECT]
        if not self.is_ending and not (ends_authorization and self._ctx.variables[UNLOCK_ON_EV_SIDE_DISCONNECT]):
            self._hold_plug(None if self.tx is None else self.tx.grant)  # E09.FR.03, E10.FR.01
        if ends_authorization:
            self._waiting = None
        if self.tx is not None and self.tx.ending is not None:
            self._end(self.tx.ending, now)
        elif self.tx is not None:
            if ends_authorization and self.tx.grant is not None:  # E09.FR.01
                self.tx = without_grant(self.tx, Reason.EV_DISCONNECTED)
                self._limits.end()
            authorized = self.tx.grant is not None
            if has_ceased(self._ctx.variables[TX_STOP_POINT], connected=False, authorized=authorized):
                self._end(Ending(TriggerReason.EV_COMMUNICATION_LOST, Reason.EV_DISCONNECTED), now)
            else:
                self.tx = self._log.update(self._as_of(now), TriggerReason.EV_COMMUNICATION_LOST, now)
        if self.grant is not None:
            # Whoever plugs in next must not charge on this account: the authorization waits no longer than any other.
            self._connect_by_mono = now.mono + self._ctx.variables[EV_CONNECTION_TIME_OUT]  # E10.FR.02
        self._set_permit()

    def energy_on(self, now: Now) -> None:
        """Energy flows."""
        self._flow.begin(self._offered_amps())
        if self.tx is None:
            self._advance(TriggerReason.CHARGING_STATE_CHANGED, now)
        else:
            self._follow(now)

    def energy_off(self, by_ev: bool, now: Now) -> None:
        """Energy stopped. `by_ev`: the vehicle does not want any for now."""
        self._flow.end()
        evse = self._ctx.evse(self.evse_id)
        if self.tx is None or (evse is not None and not evse.ev_connected):
            return  # the vehicle's leaving is told next, and says more
        if self.tx.ending is not None:
            self._end(self.tx.ending, now)
        elif TxPoint.ENERGY_TRANSFER in self._ctx.variables[TX_STOP_POINT]:  # E06.FR.07
            own = Reason.DE_AUTHORIZED if self.tx.withheld else Reason.OTHER
            reason = Reason.STOPPED_BY_EV if by_ev else own
            self._end(Ending(TriggerReason.CHARGING_STATE_CHANGED, reason), now)
        else:
            self._follow(now)

    def suspension_changed(self, by_evse: bool, now: Now) -> None:
        """With no energy flowing, another side holds it back now."""
        if not by_evse:
            self._flow.wait(now)
        self._follow(now)

    def limit_changed(self, now: Now) -> None:
        """The offer is about to be another one."""
        self._flow.rate.changed(now.mono)

    def fault(self, code: str, now: Now) -> None:
        """A fault began to stand; some end the transaction."""
        reason = reason_of_fault(code)
        if reason is None:
            return
        self._waiting = None
        if self.tx is not None:
            self._end(self.tx.ending or Ending(TriggerReason.ABNORMAL_CONDITION, reason), now)  # E06.FR.16
        self._set_permit()

    def metered(self, energy_wh: float, now: Now) -> None:
        """The meter shows `energy_wh`."""
        if self.tx is None:
            return
        if not self.is_ending and (reached := self._limits.reached(energy_wh, now)):
            self.end_authorization(reached, now)
        elif self.tx.cap_wh is not None and energy_wh >= self.tx.cap_wh:
            self._withhold(now)
        elif now.mono - self._kept_mono >= REGISTER_EVERY_S and self.tx.register_wh != energy_wh:
            self._kept_mono = now.mono
            self.tx = self._log.keep(self.tx, now)

    # ------------------------------------------------------------------ restarts

    def reload(self, tx: OpenTransaction, cut_off: Reason, now: Now) -> None:
        """`tx` was open when the station process last ran; the first Status tells what has become of its vehicle.

        `cut_off`: the stoppedReason in case the control process is a new one too.
        """
        self.tx = tx
        self._plug = tx.plug
        self._cut_off_reason = cut_off
        self.connected = tx.charging_state is not ChargingState.IDLE
        if tx.grant is not None:
            self._limits.begin(tx, now)
        if tx.grant is not None and not self.connected:
            self._connect_by_mono = now.mono + self._ctx.variables[EV_CONNECTION_TIME_OUT]

    def control_speaks(self, now: Now) -> None:
        """The control process speaks for the first time, or again: find out whether it, we, or both were restarted."""
        before, plug = self._plug, self._present_plug()
        cut_off, self._cut_off_reason = self._cut_off_reason, None
        self._plug = plug
        if before is None:
            return
        if before.run_id == plug.run_id:
            self._control_lived(before, plug, now)
        elif cut_off is not None:
            self._cut_off(cut_off, now)
        else:
            self._control_restarted(plug, now)
        self._set_permit()

    def pilot_changed(self, came_back: bool, now: Now) -> None:
        """After a restart of the control process the first valid pilot tells whether the vehicle is still there.
        `came_back`: it seemed to leave."""
        evse = self._ctx.evse(self.evse_id)
        if self._doubtful and evse is not None and not evse.ev_connected:
            self.unplug(now)
        elif came_back and self.connected:
            self._follow(now)

    def control_silent(self, now: Now) -> None:
        """Nothing is known of the charging side; its leases run out, so no energy is assumed."""
        self._flow.cut()
        if self.tx is not None and self.tx.ending is not None:
            self._end(self.tx.ending, now)
        else:
            self._follow(now)

    def _control_lived(self, before: PlugIn, plug: PlugIn, now: Now) -> None:
        evse = self._ctx.evse(self.evse_id)
        assert evse is not None, "can't be silent: it has just spoken"
        if not self.connected:
            return
        if plug != before or not evse.ev_connected:
            self.unplug(now)
            return
        if is_energy_on(evse):
            self._flow.begin(evse.offered_amps)
        else:
            self._flow.end()
            self._flow.wait(now)
        if self.tx is not None and self.tx.ending is not None:
            self._begin_end(self.tx.ending, now)
        else:
            self._follow(now)

    def _cut_off(self, reason: Reason, now: Now) -> None:
        """Both processes are new: power was lost, or the machine restarted. Nobody watched, so nothing goes on."""
        self.connected = False
        self._connect_by_mono = None
        if self.tx is not None:
            self._log.end_cut_off(self._as_of(now), reason, now)
            self._forget()

    def _control_restarted(self, plug: PlugIn, now: Now) -> None:
        """The contactor was open meanwhile; the transaction waits for the vehicle to be seen again and then goes on."""
        self._flow.cut()
        self._doubtful = self.connected
        if self.tx is None:
            return
        self.tx = self._log.keep(msgspec.structs.replace(self.tx, plug=plug), now)
        if self.tx.ending is not None:
            self._end(self.tx.ending, now)
        else:
            self._follow(now)

    # ------------------------------------------------------------------ time

    def next_deadline(self) -> float | None:
        """The next of the timers below."""
        timers = (self._connect_by_mono, self._end_by_mono, self._flow.next_deadline(), self._limits.next_deadline())
        return min((timer for timer in timers if timer is not None), default=None)

    def on_time(self, now: Now) -> None:
        """Act on what is due."""
        if self._flow.has_settled(now):
            self._follow(now)
        if self._end_by_mono is not None and now.mono >= self._end_by_mono:
            assert self.tx is not None, "can't happen because the timer ends with the transaction"
            assert self.tx.ending is not None, "can't happen because only an ending transaction has the timer"
            self._ctx.note(
                Severity.WARNING, f"transactions: EVSE {self.evse_id} had energy {ENDING_LIMIT_S:g} s after the stop"
            )
            self._end(self.tx.ending, now)
        if self._connect_by_mono is not None and now.mono >= self._connect_by_mono:
            self._no_vehicle_came(now)
        if not self.is_ending and (reached := self._limits.reached(None, now)):
            self.end_authorization(reached, now)
        significance = self._ctx.variables[LIMIT_CHANGE_SIGNIFICANCE]
        if self._flow.rate.is_news(self._offered_amps(), significance, now.mono) and self.tx is not None:
            self.report(TriggerReason.CHARGING_RATE_CHANGED, (), now)

    def _no_vehicle_came(self, now: Now) -> None:
        self._connect_by_mono = None
        self._waiting = None  # C01.FR.26
        if self.tx is not None:
            self._end(Ending(TriggerReason.EV_CONNECT_TIMEOUT, Reason.TIMEOUT), now)  # E03.FR.05, E10.FR.02, F02.FR.07
        self._set_permit()

    # ------------------------------------------------------------------ what they all use

    def report(self, trigger: TriggerReason, values: tuple[MeterValue, ...], now: Now) -> None:
        """An Updated event with `values`, for a reason that lies outside the transaction."""
        self.tx = self._log.update(self._as_of(now), trigger, now, values=values)
        self._kept_mono = now.mono

    def _take(self, grant: Grant, now: Now) -> None:
        self._flow.wait(now)
        if self.tx is None:
            self._waiting = grant
        else:
            self.tx = msgspec.structs.replace(
                self.tx, grant=grant, grant_told=False, withheld=False, cap_wh=None, stopped_reason=None
            )
            self._limits.begin(self.tx, now)

    def _advance(self, trigger: TriggerReason, now: Now) -> None:
        """Something was reached: start the transaction if that starts one, else tell of it."""
        if self.tx is not None:
            self.tx = self._log.update(self._as_of(now), trigger, now)
            if trigger is TriggerReason.AUTHORIZED:
                self._ctx.publish(TransactionAuthorized(self.evse_id, self.tx.transaction_id))
        elif self.may_begin and self._ctx.orders.is_available(self.evse_id):
            points, authorized = self._ctx.variables[TX_START_POINT], self._waiting is not None
            if may_start(points, connected=self.connected, authorized=authorized, energy=self._flow.on):
                self._start(trigger, now)
        self._set_permit()

    def _start(self, trigger: TriggerReason, now: Now) -> None:
        grant, self._waiting = self._waiting, None
        self.tx = OpenTransaction(
            transaction_id=self._ctx.new_id(),
            evse_id=self.evse_id,
            started_utc=now.utc,
            plug=self._plug or PlugIn("", 0),
            grant=grant,
        )
        self.tx = self._log.start(self._as_of(now), trigger, now)
        self._kept_mono = now.mono
        self._ctx.publish(TransactionStarted(self.evse_id, self.tx.transaction_id))
        if grant is not None:
            self._limits.begin(self.tx, now)
            self._ctx.publish(TransactionAuthorized(self.evse_id, self.tx.transaction_id))

    def _withhold(self, now: Now) -> None:
        assert self.tx is not None, "can't happen because only a transaction has energy to withhold"
        self._flow.withhold()
        self.tx = self._log.keep(msgspec.structs.replace(self.tx, withheld=True, cap_wh=None), now)
        self._set_permit()
        self._follow(now)  # E05.FR.02

    def _follow(self, now: Now) -> None:
        """Tell of the charging state if it is another one now."""
        if self.tx is None or self.tx.ending is not None:
            return
        tx = self._as_of(now)
        if tx.charging_state is not self.tx.charging_state:
            self.tx = self._log.update(tx, TriggerReason.CHARGING_STATE_CHANGED, now)

    def _begin_end(self, ending: Ending, now: Now) -> None:
        assert self.tx is not None, "can't happen because only an open transaction ends"
        if self._flow.on:
            self.tx = self._log.keep(msgspec.structs.replace(self.tx, ending=ending), now)
            self._end_by_mono = now.mono + ENDING_LIMIT_S
        else:
            self._end(ending, now)

    def _end(self, ending: Ending, now: Now) -> None:
        assert self.tx is not None, "can't happen because only an open transaction ends"
        state = ChargingState.EV_CONNECTED if self.connected else ChargingState.IDLE
        self._log.end(msgspec.structs.replace(self.tx, charging_state=state), ending, now)
        self._forget()
        self._set_permit()

    def _forget(self) -> None:
        assert self.tx is not None, "can't happen because only an open transaction ends"
        if self.connected and self._plug is not None:
            self._log.mark_ended(self.evse_id, self._plug)
        self._ctx.publish(TransactionEnded(self.evse_id, self.tx.transaction_id))
        self.tx = None
        self._limits.end()
        self._connect_by_mono = self._end_by_mono = None
        self._flow.withhold()

    def _as_of(self, now: Now) -> OpenTransaction:
        assert self.tx is not None, "can't happen because only an open transaction has a state"
        is_closed = self.connected and self.tx.grant is not None
        return msgspec.structs.replace(
            self.tx,
            charging_state=self._flow.state(self.tx, self._ctx.evse(self.evse_id), self.connected, now),
            power_path_utc=self.tx.power_path_utc or (now.utc if is_closed else None),
        )

    def _offered_amps(self) -> float:
        evse = self._ctx.evse(self.evse_id)
        return 0.0 if evse is None else evse.offered_amps

    def _hold_plug(self, grant: Grant | None) -> None:
        if grant is not None:
            self._held_plugs.hold(self.evse_id, Owner(grant.id_token, grant.group_id_token))

    def _has_ended_here(self) -> bool:
        """The transaction of this plugging-in is over, and no second one begins by itself."""
        return self.tx is None and self._plug is not None and self._log.has_ended(self.evse_id, self._plug)

    def _present_plug(self) -> PlugIn:
        status = self._ctx.status
        assert status is not None, "can't be silent: its change is being told"
        return PlugIn(status.run_id, status.evses[self.evse_id - 1].plug_count)

    def _set_permit(self) -> None:
        if self.tx is None:
            permit = self._waiting is not None and self._may_wait_for_energy()
        else:
            permit = self.tx.grant is not None and not self.tx.withheld and self.tx.ending is None
        self._ctx.orders.set_permit(self.evse_id, permit and self.connected)

    def _may_wait_for_energy(self) -> bool:
        """Only this start point lets energy begin before the transaction does."""
        return TxPoint.ENERGY_TRANSFER in self._ctx.variables[TX_START_POINT]
