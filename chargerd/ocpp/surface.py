"""What the display of each EVSE says when nobody sent it a message: where one stands, in two short lines."""

from chargerd.clock import Now
from chargerd.evse.types import EvseStatus
from chargerd.ocpp.availability import Availability
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.edges import has_stopping_fault
from chargerd.ocpp.messages.enums import ChargingState, ConnectorStatus
from chargerd.ocpp.transactions import Transactions

FIGURES_EVERY_S = 2.0
"""How often the running figures move: a display that flickers is not read."""

_BY_CHARGING_STATE = {
    ChargingState.CHARGING: "Charging",
    ChargingState.EV_CONNECTED: "Starting",
    ChargingState.SUSPENDED_EV: "Car is pausing",
    ChargingState.SUSPENDED_EVSE: "Charging paused",
    ChargingState.IDLE: "Plug in",
}
_BY_CONNECTOR = {
    ConnectorStatus.AVAILABLE: "Available",
    ConnectorStatus.OCCUPIED: "Show your card",
    ConnectorStatus.RESERVED: "Reserved",
    ConnectorStatus.UNAVAILABLE: "Out of service",
    ConnectorStatus.FAULTED: "Fault",
}


class Surface(Block):
    """Keeps the lines of all displays fresh."""

    def __init__(self, ctx: StationContext, transactions: Transactions, availability: Availability) -> None:
        super().__init__(ctx)
        self._transactions = transactions
        self._availability = availability
        self._figures: dict[int, tuple[str, ...]] = {}
        self._figured_mono = float("-inf")

    def refresh(self, now: Now) -> None:
        """Bring all lines up to date; station.py calls it after every event."""
        if now.mono - self._figured_mono >= FIGURES_EVERY_S:
            self._figured_mono = now.mono
            self._figures = {evse_id: _figures(self.ctx.evse(evse_id)) for evse_id in self.ctx.evse_ids}
        for evse_id in self.ctx.evse_ids:
            self.ctx.orders.set_message(evse_id, self._lines(evse_id))

    def _lines(self, evse_id: int) -> tuple[str, ...]:
        evse, running = self.ctx.evse(evse_id), self._transactions.running(evse_id)
        connector = self._availability.status(evse_id)
        if evse is not None and has_stopping_fault(evse):
            return (_BY_CONNECTOR[ConnectorStatus.FAULTED], next(one.code for one in evse.faults if not one.warning))
        if running is None or evse is None:
            return (_BY_CONNECTOR[connector],)
        return (_BY_CHARGING_STATE[running.charging_state], *self._figures[evse_id])


def _figures(evse: EvseStatus | None) -> tuple[str, ...]:
    """Power, and energy since the vehicle was plugged in."""
    if evse is None or evse.meter is None:
        return ()
    power = f"{max(0.0, evse.meter.power_w) / 1000:.1f} kW"
    if evse.plugged_wh is None:
        return (power,)
    return (f"{power}  {(evse.meter.energy_wh - evse.plugged_wh) / 1000:.2f} kWh",)
