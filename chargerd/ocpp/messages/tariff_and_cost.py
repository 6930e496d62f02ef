"""Messages of block I: what the driver is told about money."""

from chargerd.ocpp.messages.wire import Call, String36, Wire


class CostUpdatedResponse(Wire):
    pass


class CostUpdated(Call[CostUpdatedResponse]):
    """CSMS: what the running transaction has cost so far (I02)."""

    total_cost: float
    """In the currency of TariffCostCtrlr, taxes included."""
    transaction_id: String36
