"""Block P: data transfer. No vendor has agreed anything with this station, so that nobody's data is understood."""

from chargerd.clock import Now
from chargerd.ocpp.block import Block, Handlers
from chargerd.ocpp.messages.data_transfer import DataTransfer, DataTransferResponse
from chargerd.ocpp.messages.enums import DataTransferStatus


class DataTransfers(Block):
    """Says of every vendor that it is unknown (P01.FR.05)."""

    def handlers(self) -> Handlers:
        return {DataTransfer: self._on_data}

    def _on_data(self, _request: DataTransfer, _now: Now) -> DataTransferResponse:
        return DataTransferResponse(status=DataTransferStatus.UNKNOWN_VENDOR_ID)
