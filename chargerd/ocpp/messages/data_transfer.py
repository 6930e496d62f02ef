"""Messages of block P: whatever a vendor agrees with a CSMS."""

from typing import Any

from msgspec import UNSET

from chargerd.ocpp.messages.enums import DataTransferStatus
from chargerd.ocpp.messages.types import StatusInfo
from chargerd.ocpp.messages.wire import Call, String50, String255, Wire


class DataTransferResponse(Wire):
    status: DataTransferStatus
    status_info: StatusInfo | None = None
    data: Any = UNSET
    """Any JSON value, null included; UNSET is absent."""


class DataTransfer(Call[DataTransferResponse]):
    """Either side: something only this vendor understands (P01, P02)."""

    vendor_id: String255
    message_id: String50 | None = None
    data: Any = UNSET
    """Any JSON value, null included; UNSET is absent."""
