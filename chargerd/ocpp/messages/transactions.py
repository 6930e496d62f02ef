"""Messages of block E: the life of a transaction."""

from chargerd.ocpp.messages.enums import ChargingState, Reason, TransactionEventEnum, TriggerReason
from chargerd.ocpp.messages.types import EVSE, IdToken, IdTokenInfo, MessageContent, MeterValue
from chargerd.ocpp.messages.wire import Call, Integer, OneOrMore, Seconds, String36, Timestamp, Wire


class Transaction(Wire):
    """A transaction and what there is to tell about it."""

    transaction_id: String36
    charging_state: ChargingState | None = None
    time_spent_charging: Seconds | None = None
    """While energy flowed."""
    stopped_reason: Reason | None = None
    """In the last event only; absent means Local."""
    remote_start_id: Integer | None = None
    """Of the RequestStartTransaction that led here."""


class TransactionEventResponse(Wire):
    total_cost: float | None = None
    """In the currency of TariffCostCtrlr, taxes included; final in the answer to Ended."""
    charging_priority: Integer | None = None
    """For this transaction, over the token's own."""
    id_token_info: IdTokenInfo | None = None
    updated_personal_message: MessageContent | None = None


class TransactionEvent(Call[TransactionEventResponse]):
    """Station: a transaction started, went on or ended (E01 to E15). Kept until answered."""

    event_type: TransactionEventEnum
    timestamp: Timestamp
    """When it happened, not when it was sent."""
    trigger_reason: TriggerReason
    seq_no: Integer
    """From 0 within the transaction, without gaps, in the order of happening."""
    transaction_info: Transaction
    meter_value: OneOrMore[MeterValue] | None = None
    offline: bool | None = None
    """It happened while the CSMS could not be reached; absent means False."""
    number_of_phases_used: Integer | None = None
    """Absent: not known."""
    cable_max_current: Integer | None = None
    """A, as coded in the cable."""
    reservation_id: Integer | None = None
    evse: EVSE | None = None
    """In the first event after it becomes known."""
    id_token: IdToken | None = None
    """In the first event after it was presented."""


class GetTransactionStatusResponse(Wire):
    messages_in_queue: bool
    ongoing_indicator: bool | None = None
    """Absent unless a transactionId was given."""


class GetTransactionStatus(Call[GetTransactionStatusResponse]):
    """CSMS: does this transaction still run, and is anything yet to be delivered? (E14)"""

    transaction_id: String36 | None = None
    """Absent: any transaction message in the queue?"""
