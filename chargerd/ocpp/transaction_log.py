"""The one place where TransactionEvents are made: numbered, told once what is told once, and on disk together with
the transaction.

Every event first writes the transaction with its next seqNo and then queues the message, in the database transaction
of whatever caused it; so a restart at any moment neither repeats nor skips a number.
"""

from datetime import datetime
from typing import Any

import msgspec

from chargerd import codec
from chargerd.clock import Now
from chargerd.codec import CodecError
from chargerd.ocpp.block import StationContext
from chargerd.ocpp.effects import Severity
from chargerd.ocpp.messages.enums import (
    ChargingState,
    Measurand,
    ReadingContext,
    Reason,
    TransactionEventEnum,
    TriggerReason,
)
from chargerd.ocpp.messages.transactions import Transaction, TransactionEvent
from chargerd.ocpp.messages.types import EVSE, IdToken, MeterValue, SampledValue
from chargerd.ocpp.meter_values import SAMPLED_ENABLED, TX_ENDED_MEASURANDS, TX_STARTED_MEASURANDS, MeterValues
from chargerd.ocpp.signatures import Signatures
from chargerd.ocpp.transaction_machine import Ending, OpenTransaction, PlugIn
from chargerd.store import StoredValueError

NAMESPACE = "transactions"

ENDED_PLUGS = "ended_plugs"
"""Namespace of the store: EVSE id -> the plugging-in whose transaction has ended, so that a restart begins no second
one."""

CARRIES_CURRENT_AMPS = 1.0
"""A phase with less than this is not counted as used: what remains is the vehicle's filter."""


class _Remains(msgspec.Struct, frozen=True, kw_only=True):
    """What every version of OpenTransaction has had."""

    transaction_id: str
    evse_id: int
    seq_no: int
    started_utc: datetime


class TransactionLog:
    """Open transactions on disk and their events in the outbox."""

    def __init__(self, ctx: StationContext, meter_values: MeterValues, signatures: Signatures) -> None:
        self._ctx = ctx
        self._meter_values = meter_values
        self._signatures = signatures

    def reload(self, now: Now) -> list[OpenTransaction]:
        """What was open when the station last ran. What another version wrote and this one cannot read is over."""
        found: list[OpenTransaction] = []
        for key in self._ctx.store.keys(NAMESPACE):
            tx = self._ctx.store.find(NAMESPACE, key, OpenTransaction)
            if tx is None:
                self._end_unreadable(key, now)
            else:
                found.append(tx)
        return found

    def has_ended(self, evse_id: int, plug: PlugIn) -> bool:
        """The transaction of this plugging-in is over."""
        return self._ctx.store.find(ENDED_PLUGS, str(evse_id), PlugIn) == plug

    def mark_ended(self, evse_id: int, plug: PlugIn) -> None:
        """Remember that it is."""
        self._ctx.store.put(ENDED_PLUGS, str(evse_id), plug)

    def keep(self, tx: OpenTransaction, now: Now) -> OpenTransaction:
        """Write `tx` with the meter's present register; returns it as written."""
        tx = self._with_register(tx, now)
        self._ctx.store.put(NAMESPACE, str(tx.evse_id), tx)
        return tx

    def start(self, tx: OpenTransaction, trigger: TriggerReason, now: Now) -> OpenTransaction:
        """Started, with the values at the beginning. Returns the transaction as it goes on."""
        tx = self._with_register(tx, now)
        tx = msgspec.structs.replace(tx, begin_wh=tx.register_wh)
        begin = ReadingContext.TRANSACTION_BEGIN
        values = self._meter_values.sampled(tx.evse_id, TX_STARTED_MEASURANDS, begin, now)  # E01.FR.09
        self._meter_values.transaction_began(tx.evse_id, now)
        self._ctx.note(Severity.INFO, f"transactions: {tx.transaction_id} started at EVSE {tx.evse_id} ({trigger})")
        return self._event(tx, TransactionEventEnum.STARTED, trigger, now, values=values)

    def update(
        self,
        tx: OpenTransaction,
        trigger: TriggerReason,
        now: Now,
        *,
        token: IdToken | None = None,
        values: tuple[MeterValue, ...] = (),
    ) -> OpenTransaction:
        """Updated. `token`: one that did something other than starting. Returns the transaction as it goes on."""
        return self._event(
            self._with_register(tx, now), TransactionEventEnum.UPDATED, trigger, now, token=token, values=values
        )

    def end(self, tx: OpenTransaction, ending: Ending, now: Now) -> None:
        """Ended, with all values that belong there; nothing is kept of the transaction but this message."""
        tx = self._with_register(tx, now)
        values = self._meter_values.transaction_ended(tx.evse_id, now)
        if not any(_is_end(value) for value in values):
            values += self._last_register(tx)
        self._last_event(tx, ending, now, values)

    def end_cut_off(self, tx: OpenTransaction, reason: Reason, now: Now) -> None:
        """Ended for a transaction that a restart of the whole station cut off, with the last register on disk."""
        kept = self._meter_values.transaction_ended(tx.evse_id, now)
        # What the meter shows now may belong to somebody else already.
        values = tuple(value for value in kept if not _is_end(value)) + self._last_register(tx)
        self._last_event(tx, Ending(TriggerReason.ABNORMAL_CONDITION, reason), now, values)

    def _end_unreadable(self, key: str, now: Now) -> None:
        """End what is known by its name alone, so that the CSMS does not wait for it for ever."""
        try:
            rest = codec.convert(_Remains, self._ctx.store.get(f"{NAMESPACE}.unreadable", key, dict[str, Any]))
        except (CodecError, StoredValueError):
            return
        tx = OpenTransaction(
            transaction_id=rest.transaction_id,
            evse_id=rest.evse_id,
            seq_no=rest.seq_no,
            started_utc=rest.started_utc,
            plug=PlugIn("", 0),
            evse_told=True,
        )
        self._last_event(tx, Ending(TriggerReason.ABNORMAL_CONDITION, Reason.REBOOT), now, ())

    def _last_register(self, tx: OpenTransaction) -> tuple[MeterValue, ...]:
        """The newest register that is known, with the time of its reading; for an end at which the meter is not
        fresh."""
        variables = self._ctx.variables
        wanted = Measurand.ENERGY_ACTIVE_IMPORT_REGISTER in variables[TX_ENDED_MEASURANDS]
        if not (variables[SAMPLED_ENABLED] and wanted) or tx.register_wh is None or tx.register_utc is None:
            return ()
        sampled = SampledValue(value=tx.register_wh, context=ReadingContext.TRANSACTION_END)
        return (MeterValue(sampled_value=(sampled,), timestamp=tx.register_utc),)

    def _last_event(self, tx: OpenTransaction, ending: Ending, now: Now, values: tuple[MeterValue, ...]) -> None:
        reason = tx.stopped_reason or ending.reason
        what = f"transactions: {tx.transaction_id} ended at EVSE {tx.evse_id} ({ending.trigger}, {reason})"
        self._ctx.note(Severity.INFO, what)
        tx = msgspec.structs.replace(tx, grant=None)
        self._event(
            tx, TransactionEventEnum.ENDED, ending.trigger, now, token=ending.token, values=values, reason=reason
        )
        self._ctx.store.delete(NAMESPACE, str(tx.evse_id))

    def _event(
        self,
        tx: OpenTransaction,
        event_type: TransactionEventEnum,
        trigger: TriggerReason,
        now: Now,
        *,
        token: IdToken | None = None,
        values: tuple[MeterValue, ...] = (),
        reason: Reason | None = None,
    ) -> OpenTransaction:
        news = tx.grant if not tx.grant_told else None
        remote_start_id = None if news is None else news.remote_start_id
        tells_evse = not tx.evse_told and tx.charging_state is not ChargingState.IDLE  # E01.FR.16
        phases = self._phases_used(tx)
        request = TransactionEvent(
            event_type=event_type,
            timestamp=now.utc,
            # Whatever occasion the message has: the first one after a remote start says so (F01.FR.19, F02.FR.21).
            trigger_reason=trigger if remote_start_id is None else TriggerReason.REMOTE_START,
            seq_no=tx.seq_no,
            transaction_info=Transaction(
                transaction_id=tx.transaction_id,
                charging_state=tx.charging_state,
                stopped_reason=reason,
                remote_start_id=remote_start_id,
            ),
            meter_value=values or None,
            number_of_phases_used=phases if phases != tx.phases_used else None,  # E02.FR.18
            reservation_id=None if news is None else news.reservation_id,  # H01.FR.15
            evse=EVSE(id=tx.evse_id, connector_id=tx.connector_id) if tells_evse else None,
            id_token=token if news is None else news.id_token,
        )
        tx = msgspec.structs.replace(
            tx,
            seq_no=tx.seq_no + 1,
            grant_told=tx.grant is not None,
            evse_told=tx.evse_told or tells_evse,
            phases_used=phases,
        )
        self._ctx.store.put(NAMESPACE, str(tx.evse_id), tx)
        if event_type is TransactionEventEnum.ENDED:
            self._signatures.end(tx.evse_id, request, now)
            return tx
        if tx.grant is not None:
            self._signatures.begin(tx.evse_id, tx.transaction_id, tx.grant.id_token)
        self._ctx.queue(request, now, subject=tx.transaction_id)
        return tx

    def _phases_used(self, tx: OpenTransaction) -> int | None:
        """How many phases carry current now; the last known number while none does."""
        evse = self._ctx.evse(tx.evse_id)
        if tx.charging_state is not ChargingState.CHARGING or evse is None or evse.meter is None:
            return tx.phases_used
        used = sum(amps >= CARRIES_CURRENT_AMPS for amps in evse.meter.amps)
        return used or tx.phases_used

    def _with_register(self, tx: OpenTransaction, now: Now) -> OpenTransaction:
        evse = self._ctx.evse(tx.evse_id)
        if evse is None or evse.meter is None:
            return tx
        sample = evse.meter
        return msgspec.structs.replace(
            tx, register_wh=round(sample.energy_wh, 3), register_utc=now.utc_at(sample.at_mono)
        )


def _is_end(value: MeterValue) -> bool:
    return any(sampled.context is ReadingContext.TRANSACTION_END for sampled in value.sampled_value)
