"""Messages of block J: readings outside of transactions."""

from chargerd.ocpp.messages.types import MeterValue
from chargerd.ocpp.messages.wire import Call, Integer, OneOrMore, Wire


class MeterValuesResponse(Wire):
    pass


class MeterValues(Call[MeterValuesResponse]):
    """Station: readings that belong to no transaction (J01)."""

    evse_id: Integer
    """0: the main meter."""
    meter_value: OneOrMore[MeterValue]
