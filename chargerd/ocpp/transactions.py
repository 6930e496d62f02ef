"""Block E: brings tokens, vehicles, answers of the CSMS and time to the EVSE each belongs to, and shows the driver
what came of it.

What a transaction does is decided in evse_session.py; the events are made in transaction_log.py.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from chargerd.clock import Now
from chargerd.evse.types import EvseStatus, PilotState
from chargerd.ocpp import transaction_variables
from chargerd.ocpp.authorization import (
    AUTH_ENABLED,
    AUTHORIZE_REMOTE_START,
    NO_AUTHORIZATION,
    Authorization,
    Decided,
    Verdict,
    same_group,
    same_token,
    shown,
)
from chargerd.ocpp.block import Answers, Block, Handlers, StationContext, Triggers
from chargerd.ocpp.boot import boot_reason
from chargerd.ocpp.contracts import Contract
from chargerd.ocpp.edges import (
    Change,
    ControlRestarted,
    ControlSilent,
    EnergyOff,
    EnergyOn,
    EvConnected,
    EvDisconnected,
    FaultRaised,
    LimitChanged,
    MeterArrived,
    PilotChanged,
    PlugChanged,
    SuspensionChanged,
    TokenPresented,
    has_stopping_fault,
)
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.evse_session import EvseSession
from chargerd.ocpp.held_plugs import HeldPlugs
from chargerd.ocpp.messages.enums import (
    AuthorizationStatus,
    ChargingState,
    IdTokenEnum,
    MessageTrigger,
    ReadingContext,
    Reason,
    TriggerReason,
)
from chargerd.ocpp.messages.transactions import (
    GetTransactionStatus,
    GetTransactionStatusResponse,
    TransactionEvent,
    TransactionEventResponse,
)
from chargerd.ocpp.messages.types import IdToken
from chargerd.ocpp.meter_values import TX_UPDATED_MEASURANDS, MeterValues
from chargerd.ocpp.news import News, Registration, RegistrationChanged
from chargerd.ocpp.outbox import OF_NO_TRANSACTION
from chargerd.ocpp.reservation_book import ReservationBook
from chargerd.ocpp.signatures import Signatures
from chargerd.ocpp.transaction_log import TransactionLog
from chargerd.ocpp.transaction_machine import Ending, Grant, Running, reason_of_boot, reason_of_fault
from chargerd.ocpp.variables import AnyVariable
from hal.types import Indication

SHOW_S = 3.0
"""How long the driver sees whether a token was accepted or refused."""

_SUSPENDED = (ChargingState.SUSPENDED_EV, ChargingState.SUSPENDED_EVSE)


class _Desk:
    """What an EVSE's reader is busy with. `asking`: the token being judged; `shown`: the last verdict, until
    `shown_until_mono`."""

    def __init__(self) -> None:
        self.asking: IdToken | None = None
        self.shown: Indication | None = None
        self.shown_until_mono = 0.0


class Transactions(Block):
    """All transactions of the station, one per EVSE at most (E01.FR.14)."""

    def __init__(
        self,
        ctx: StationContext,
        authorization: Authorization,
        meter_values: MeterValues,
        signatures: Signatures,
        reservations: ReservationBook,
    ) -> None:
        super().__init__(ctx)
        self._authorization = authorization
        self._meter_values = meter_values
        self._reservations = reservations
        self._signatures = signatures
        self._log = TransactionLog(ctx, meter_values, signatures)
        self._held_plugs = HeldPlugs(ctx)
        self._sessions = {evse_id: EvseSession(ctx, self._log, self._held_plugs, evse_id) for evse_id in ctx.evse_ids}
        self._desks = {evse_id: _Desk() for evse_id in ctx.evse_ids}

    # ------------------------------------------------------------------ what other blocks may know and want

    def running(self, evse_id: int) -> Running | None:
        """The transaction that has started and not ended on this EVSE."""
        tx = self._sessions[evse_id].tx
        if tx is None:
            return None
        return Running(
            transaction_id=tx.transaction_id,
            evse_id=evse_id,
            authorized=tx.grant is not None and tx.ending is None,
            id_token=None if tx.grant is None else tx.grant.id_token,
            remote_start_id=None if tx.grant is None else tx.grant.remote_start_id,
            charging_state=tx.charging_state,
            started_utc=tx.started_utc,
            power_path_utc=tx.power_path_utc,
        )

    def is_busy(self, evse_id: int) -> bool:
        """A transaction runs, or somebody is authorized or being asked about."""
        session = self._sessions[evse_id]
        return session.tx is not None or session.grant is not None or self._desks[evse_id].asking is not None

    def why_not_grant(self, evse_id: int, token: IdToken, group_id_token: IdToken | None = None) -> str | None:
        """Why `token` cannot be authorized here: somebody is, the transaction is another's (C01.FR.23), or the EVSE is
        kept for others.
        """
        session = self._sessions[evse_id]
        if session.is_ending:
            return "the transaction is just ending"
        if session.grant is not None:
            return "somebody is authorized already"
        past = None if session.tx is None else session.tx.past_token
        if past is not None and not same_token(past, token):
            return "the transaction belongs to somebody else"
        owner = self._held_plugs.owner(evse_id)
        if owner is not None and not same_token(owner.id_token, token):
            return "the plug in the socket belongs to somebody else"
        self.review_reservations()
        return self.why_not_usable(evse_id) or self._reservations.why_not(evse_id, token, group_id_token)

    def review_reservations(self) -> None:
        """Tell the book of reservations which EVSEs are free, and where a vehicle waits for somebody to authorize."""
        if not self._reservations.all():
            return
        free, waiting = set[int](), set[int]()
        for evse_id, session in self._sessions.items():
            if session.grant is None and self.ctx.evse(evse_id) is not None and not self.why_not_usable(evse_id):
                if session.connected:
                    waiting.add(evse_id)
                elif session.tx is None:
                    free.add(evse_id)
        self._reservations.review(free, waiting)

    def is_reserved_for(self, evse_id: int, token: IdToken, group_id_token: IdToken | None) -> bool:
        """The EVSE is kept, and this token may use it."""
        kept = self._reservations.is_kept(evse_id)
        return kept and self._reservations.holds(evse_id, token, group_id_token)

    def end_by_reset(self, evse_id: int, now: Now) -> None:
        """End whatever there is on this EVSE, authorizations that wait included (B12.FR.04, B12.FR.08)."""
        session = self._sessions[evse_id]
        if not session.is_ending:
            session.end_at_once(Ending(TriggerReason.RESET_COMMAND, Reason.IMMEDIATE_RESET), now)
        self._show(evse_id, now)

    def is_asking(self, evse_id: int) -> bool:
        """A token is being judged for this EVSE."""
        return self._desks[evse_id].asking is not None

    def why_not_usable(self, evse_id: int) -> str | None:
        """Why nobody can begin here: out of service, not accepted by the CSMS, or a fault that ends transactions."""
        evse = self.ctx.evse(evse_id)
        if not self.ctx.orders.is_available(evse_id):
            return "the EVSE is out of service"
        if not self._sessions[evse_id].may_begin:
            return "the CSMS has not accepted the station yet"
        faults = () if evse is None else evse.faults
        return next((f"fault {fault.code}" for fault in faults if reason_of_fault(fault.code) is not None), None)

    def start_remotely(
        self, evse_id: int, token: IdToken, group_id_token: IdToken | None, remote_start_id: int, now: Now
    ) -> None:
        """Authorize `token` for this EVSE, asking first where AuthorizeRemoteStart says so (F01, F02)."""

        def decided(verdict: Verdict, later: Now) -> None:
            group = verdict.group_id_token or group_id_token
            grant = Grant(id_token=token, group_id_token=group, remote_start_id=remote_start_id)
            self._grant_if_accepted(evse_id, verdict, grant, later)

        if self.ctx.variables[AUTHORIZE_REMOTE_START]:  # F01.FR.01, F02.FR.09
            self._ask(evse_id, token, now, decided)
        else:
            decided(Verdict(accepted=True, id_token=token), now)  # F01.FR.02, F02.FR.10

    def present_contract(
        self, evse_id: int, contract: Contract, now: Now, told: Callable[[bool, str, Now], None]
    ) -> str | None:
        """A vehicle shows its contract certificate (C07); again: it stops nothing. Why nobody is asked about it; None:
        `told` is called once, now or later, with whether it may charge, and why not.
        """
        session, token = self._sessions[evse_id], contract.token
        if session.is_ending or self._desks[evse_id].asking is not None:
            return "too soon, somebody else is just being served"
        if session.grant is not None and same_token(session.grant.id_token, token):
            told(True, "", now)
            return None
        if why := self.why_not_grant(evse_id, token):
            return why

        def decided(verdict: Verdict, later: Now) -> None:
            grant = Grant(id_token=token, group_id_token=verdict.group_id_token)
            self._grant_if_accepted(evse_id, verdict, grant, later)
            accepted = session.grant is not None and same_token(session.grant.id_token, token)
            told(accepted, verdict.why or "the EVSE is not free for it", later)

        self._ask(evse_id, token, now, decided, contract)
        return None

    def stop_remotely(self, transaction_id: str, now: Now) -> bool:
        """End the authorization of this transaction (F03). False: it does not run."""
        for session in self._sessions.values():
            if session.tx is not None and session.tx.transaction_id == transaction_id:
                if not session.is_ending:
                    session.end_authorization(Ending(TriggerReason.REMOTE_STOP, Reason.REMOTE), now)
                self._show(session.evse_id, now)
                return True
        return False

    # ------------------------------------------------------------------ what the station asks of every block

    def variables(self) -> Iterable[AnyVariable]:
        """TxCtrlr."""
        return transaction_variables.ALL

    def checks(self) -> Mapping[AnyVariable, Callable[[Any], str | None]]:
        """Without any point no transaction would ever start, or end."""
        return transaction_variables.CHECKS

    def handlers(self) -> Handlers:
        """GetTransactionStatus."""
        return {GetTransactionStatus: self._get_transaction_status}

    def answers(self) -> Answers:
        """What the CSMS says to a TransactionEvent can end the authorization."""
        return {TransactionEvent: self._answered}

    def triggers(self) -> Triggers:
        """TransactionEvent."""
        return {MessageTrigger.TRANSACTION_EVENT: self._trigger}

    def on_start(self, now: Now) -> None:
        """Take up the transactions that were open."""
        cut_off = reason_of_boot(boot_reason(self.ctx))
        self._held_plugs.reload()
        for tx in self._log.reload(now):
            if tx.evse_id in self._sessions:
                self._sessions[tx.evse_id].reload(tx, cut_off, now)
            else:
                self.ctx.note(
                    Severity.ERROR,
                    f"transactions: {tx.transaction_id} is of EVSE {tx.evse_id}, which is gone, ignoring",
                )

    def on_change(self, change: Change, now: Now) -> None:
        """Something changed on the charging side."""
        if isinstance(change, ControlRestarted | ControlSilent):
            for session in self._sessions.values():
                if isinstance(change, ControlSilent):
                    session.control_silent(now)
                else:
                    session.control_speaks(now)
                self._show(session.evse_id, now)
            return
        self._changed(self._sessions[change.evse_id], change, now)
        self._show(change.evse_id, now)

    def on_news(self, news: News, now: Now) -> None:
        """Vehicles may have waited for the CSMS to accept the station."""
        if news == RegistrationChanged(Registration.ACCEPTED):
            for session in self._sessions.values():
                session.accepted(now, self._grant_without_token(session.evse_id))
                self._show(session.evse_id, now)

    def next_deadline(self) -> float | None:
        """The timers of all EVSEs."""
        deadlines = [session.next_deadline() for session in self._sessions.values()]
        deadlines += [desk.shown_until_mono for desk in self._desks.values() if desk.shown is not None]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def on_time(self, now: Now) -> None:
        """Act on what is due, and send the values whose time has come."""
        for session in self._sessions.values():
            session.on_time(now)
            if session.tx is not None:
                for trigger, values in self._meter_values.updates_due(session.evse_id, now):
                    session.report(trigger, values, now)
            self._show(session.evse_id, now)

    # ------------------------------------------------------------------ changes

    def _changed(self, session: EvseSession, change: Change, now: Now) -> None:  # one line for each change
        match change:
            case EvConnected():
                session.plug_in(now, self._grant_without_token(session.evse_id))
            case EvDisconnected():
                session.unplug(now)
            case EnergyOn():
                session.energy_on(now)
            case EnergyOff(by_ev=by_ev):
                session.energy_off(by_ev, now)
            case SuspensionChanged(by_evse=by_evse):
                session.suspension_changed(by_evse, now)
            case PilotChanged(before=before):
                session.pilot_changed(before is PilotState.A, now)
            case LimitChanged():
                session.limit_changed(now)
            case PlugChanged(plugged=False):
                self._held_plugs.release(session.evse_id)
            case FaultRaised(fault=fault):
                session.fault(fault.code, now)
            case MeterArrived(sample=sample):
                session.metered(sample.energy_wh, now)
            case TokenPresented(token=token):
                self._presented(session, IdToken(id_token=token.uid, type=IdTokenEnum(token.kind.value)), now)
            case _:
                pass

    def _grant_without_token(self, evse_id: int) -> Grant | None:
        self.review_reservations()
        is_needed = self.ctx.variables[AUTH_ENABLED] or self._reservations.is_kept(evse_id)
        return None if is_needed else Grant(id_token=NO_AUTHORIZATION)

    # ------------------------------------------------------------------ tokens

    def _presented(self, session: EvseSession, token: IdToken, now: Now) -> None:
        evse_id, grant, owner = session.evse_id, session.grant, self._held_plugs.owner(session.evse_id)
        if session.is_ending or self._desks[evse_id].asking is not None:
            self.ctx.note(Severity.INFO, f"transactions: {shown(token)} at EVSE {evse_id} came too soon, ignoring")
        elif grant is not None and same_token(grant.id_token, token):  # C01.FR.03, E07.FR.01
            self._stop(session, token, Reason.LOCAL, now)
        elif grant is None and owner is not None and same_token(owner.id_token, token) and not session.connected:
            self._release_plug(evse_id, now)  # E05.FR.11, E09.FR.03
        elif grant is None and (why := self.why_not_usable(evse_id)):
            self._refuse(evse_id, token, why, now)
        else:
            self._ask(evse_id, token, now, lambda verdict, later: self._decided(session, verdict, later))  # C01.FR.02

    def _decided(self, session: EvseSession, verdict: Verdict, now: Now) -> None:
        evse_id, token, grant = session.evse_id, verdict.id_token, session.grant
        self._desks[evse_id].asking = None
        if not verdict.accepted:
            self._refuse(evse_id, token, verdict.why, now)
        elif self._authorization.is_master(verdict):
            self._stop_all(token, now)
            self._flash(evse_id, Indication.ACCEPTED, now)
        elif (
            grant is not None and not session.is_ending and same_group(grant.group_id_token, verdict.group_id_token)
        ):  # C09.FR.03
            self._stop(session, token, Reason.LOCAL, now)
        elif grant is None and not session.connected and self._is_of_owner(evse_id, verdict):
            self._release_plug(evse_id, now)
        else:
            self._grant(evse_id, Grant(id_token=token, group_id_token=verdict.group_id_token), now)

    def _is_of_owner(self, evse_id: int, verdict: Verdict) -> bool:
        owner = self._held_plugs.owner(evse_id)
        return owner is not None and same_group(owner.group_id_token, verdict.group_id_token)

    def _release_plug(self, evse_id: int, now: Now) -> None:
        self._held_plugs.release(evse_id)
        self._flash(evse_id, Indication.ACCEPTED, now)

    def _ask(self, evse_id: int, token: IdToken, now: Now, decided: Decided, contract: Contract | None = None) -> None:
        self._desks[evse_id].asking = token
        self._show(evse_id, now)
        self._authorization.authorize(token, evse_id, now, decided, contract)

    def _grant_if_accepted(self, evse_id: int, verdict: Verdict, grant: Grant, now: Now) -> None:
        """For who is no reader of cards: a token that only stops transactions is of no use there."""
        self._desks[evse_id].asking = None
        if verdict.accepted and not self._authorization.is_master(verdict):
            self._grant(evse_id, grant, now)
        else:
            self._refuse(evse_id, grant.id_token, verdict.why or "only stops transactions", now)

    def _grant(self, evse_id: int, grant: Grant, now: Now) -> None:
        why = self.why_not_grant(evse_id, grant.id_token, grant.group_id_token)
        if why is not None:
            self._refuse(evse_id, grant.id_token, why, now)
            return
        used = self._reservations.use(evse_id, grant.id_token, grant.group_id_token)
        self._sessions[evse_id].authorize(msgspec.structs.replace(grant, reservation_id=used), now)
        self._flash(evse_id, Indication.ACCEPTED, now)

    def _stop(self, session: EvseSession, token: IdToken, reason: Reason, now: Now) -> None:
        session.end_authorization(Ending(TriggerReason.STOP_AUTHORIZED, reason, token), now)  # E07.FR.02
        self._flash(session.evse_id, Indication.ACCEPTED, now)

    def _stop_all(self, token: IdToken, now: Now) -> None:
        for session in self._sessions.values():
            if session.grant is not None and not session.is_ending:
                self._stop(session, token, Reason.MASTER_PASS, now)  # C16.FR.02, C16.FR.07

    def _refuse(self, evse_id: int, token: IdToken, why: str, now: Now) -> None:
        self.ctx.note(Severity.INFO, f"transactions: {shown(token)} refused at EVSE {evse_id} ({why})")
        self._flash(evse_id, Indication.REFUSED, now)

    # ------------------------------------------------------------------ the CSMS

    def _answered(self, request: TransactionEvent, response: TransactionEventResponse, now: Now) -> None:
        """What the CSMS thinks of the token of an event (E05, C15); its group is remembered (C09)."""
        info = response.id_token_info
        self._authorization.answered(request, response, now)
        session = self._session_of(request.transaction_info.transaction_id)
        if info is None or session is None or session.tx is None or session.is_ending:
            return
        grant = session.tx.grant
        if grant is None or (request.id_token is not None and not same_token(request.id_token, grant.id_token)):
            return
        if info.status is AuthorizationStatus.ACCEPTED:
            session.learn_group(info.group_id_token, now)
        else:
            self.ctx.note(Severity.INFO, f"transactions: the CSMS refuses {shown(grant.id_token)} ({info.status})")
            session.refused_by_csms(now)
            self._flash(session.evse_id, Indication.REFUSED, now)

    def _get_transaction_status(self, request: GetTransactionStatus, _now: Now) -> GetTransactionStatusResponse:
        wanted = request.transaction_id
        if wanted is None:  # E14.FR.06, E14.FR.07, E14.FR.08
            others = sum(self.ctx.outbox.pending(subject) for subject in OF_NO_TRANSACTION)
            waiting = self.ctx.outbox.pending() - others
            return GetTransactionStatusResponse(messages_in_queue=waiting > 0 or self._signatures.holds())
        return GetTransactionStatusResponse(
            ongoing_indicator=self._session_of(wanted) is not None,  # E14.FR.01, E14.FR.02, E14.FR.03
            messages_in_queue=self.ctx.outbox.pending(wanted) > 0
            or self._signatures.holds(wanted),  # E14.FR.04, E14.FR.05
        )

    def _trigger(self, evse_id: int | None, now: Now) -> bool:
        """F06.FR.07: an Updated event for each running transaction that is meant; False: none runs."""
        wanted = [self._sessions[evse_id]] if evse_id in self._sessions else list(self._sessions.values())
        meant = [session for session in wanted if session.tx is not None]
        for session in meant:
            values = self._meter_values.sampled(session.evse_id, TX_UPDATED_MEASURANDS, ReadingContext.TRIGGER, now)
            session.report(TriggerReason.TRIGGER, values, now)
        return bool(meant)

    def _session_of(self, transaction_id: str) -> EvseSession | None:
        for session in self._sessions.values():
            if session.tx is not None and session.tx.transaction_id == transaction_id:
                return session
        return None

    # ------------------------------------------------------------------ what the driver sees

    def _flash(self, evse_id: int, indication: Indication, now: Now) -> None:
        desk = self._desks[evse_id]
        desk.shown, desk.shown_until_mono = indication, now.mono + SHOW_S
        self._show(evse_id, now)

    def _show(self, evse_id: int, now: Now) -> None:
        desk = self._desks[evse_id]
        if now.mono >= desk.shown_until_mono:
            desk.shown = None
        if desk.asking is not None:
            indication = Indication.PENDING
        else:
            indication = desk.shown or self._lasting(evse_id, self.ctx.evse(evse_id))
        self.ctx.orders.set_indication(evse_id, indication)

    def _lasting(self, evse_id: int, evse: EvseStatus | None) -> Indication:
        session = self._sessions[evse_id]
        state = None if session.tx is None else session.tx.charging_state
        if evse is not None and has_stopping_fault(evse):
            return Indication.FAULTED
        if state is ChargingState.CHARGING:
            return Indication.CHARGING
        if state in _SUSPENDED:
            return Indication.SUSPENDED
        if session.grant is not None:
            return Indication.ACCEPTED
        if not self.ctx.orders.is_available(evse_id):
            return Indication.UNAVAILABLE
        if self._reservations.is_kept(evse_id):
            return Indication.RESERVED
        return Indication.CONNECTED if session.connected else Indication.AVAILABLE
