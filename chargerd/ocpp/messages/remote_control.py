"""Messages of block F: what the CSMS can make the station do."""

from chargerd.ocpp.messages.enums import MessageTrigger, RequestStartStopStatus, TriggerMessageStatus, UnlockStatus
from chargerd.ocpp.messages.types import EVSE, ChargingProfile, IdToken, StatusInfo
from chargerd.ocpp.messages.wire import Call, Integer, String36, Wire


class RequestStartTransactionResponse(Wire):
    status: RequestStartStopStatus
    status_info: StatusInfo | None = None
    transaction_id: String36 | None = None
    """If the transaction had started already (F01)."""


class RequestStartTransaction(Call[RequestStartTransactionResponse]):
    """CSMS: start a transaction for this token (F01, F02)."""

    id_token: IdToken
    remote_start_id: Integer
    """Comes back in TransactionEvent."""
    evse_id: Integer | None = None
    """Absent: the station may choose, or refuse (F01)."""
    group_id_token: IdToken | None = None
    charging_profile: ChargingProfile | None = None
    """A TxProfile without transactionId."""


class RequestStopTransactionResponse(Wire):
    status: RequestStartStopStatus
    status_info: StatusInfo | None = None


class RequestStopTransaction(Call[RequestStopTransactionResponse]):
    """CSMS: stop this transaction (F03, F04)."""

    transaction_id: String36


class UnlockConnectorResponse(Wire):
    status: UnlockStatus
    status_info: StatusInfo | None = None


class UnlockConnector(Call[UnlockConnectorResponse]):
    """CSMS: release the cable (F05)."""

    evse_id: Integer
    connector_id: Integer


class TriggerMessageResponse(Wire):
    status: TriggerMessageStatus
    status_info: StatusInfo | None = None


class TriggerMessage(Call[TriggerMessageResponse]):
    """CSMS: send this message now (F06)."""

    requested_message: MessageTrigger
    evse: EVSE | None = None
    """Absent: all it applies to."""
