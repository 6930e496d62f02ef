from datetime import UTC, datetime, timedelta

from chargerd.ocpp.messages.enums import TransactionEventEnum, TriggerReason
from chargerd.ocpp.messages.transactions import Transaction, TransactionEvent
from chargerd.ocpp.messages.types import MeterValue, SampledValue
from chargerd.ocpp.restamp import restamped

NOTED = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)


def test_every_time_in_a_message_moves_and_nothing_else() -> None:
    value = MeterValue(sampled_value=(SampledValue(value=7.0),), timestamp=NOTED - timedelta(seconds=1))
    event = TransactionEvent(
        event_type=TransactionEventEnum.UPDATED,
        timestamp=NOTED,
        trigger_reason=TriggerReason.METER_VALUE_PERIODIC,
        seq_no=4,
        transaction_info=Transaction(transaction_id="tx"),
        meter_value=(value,),
    )
    moved = restamped(event, timedelta(days=365))
    assert moved.timestamp == NOTED + timedelta(days=365)
    assert moved.meter_value is not None
    assert moved.meter_value[0].timestamp == NOTED + timedelta(days=365, seconds=-1)
    assert moved.meter_value[0].sampled_value == value.sampled_value
    assert (moved.seq_no, moved.transaction_info) == (4, event.transaction_info)
