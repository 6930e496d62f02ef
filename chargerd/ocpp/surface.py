"""What the display of each EVSE says when nobody sent it a message: where one stands, in two short lines."""

from chargerd.clock import Now
from chargerd.evse.types import EvseStatus
from chargerd.ocpp.availability import Availability
from chargerd.ocpp.block import Block, StationContext
from chargerd.ocpp.driver_notices import DriverNotices
from chargerd.ocpp.edges import has_stopping_fault
from chargerd.ocpp.messages.enums import ChargingState, ConnectorStatus
from chargerd.ocpp.transactions import Transactions
from chargerd.ocpp.words import Word, said
from hal.types import Indication

FIGURES_EVERY_S = 2.0
"""How often the running figures move: a display that flickers is not read."""

_BY_CHARGING_STATE = {
    ChargingState.CHARGING: Word.CHARGING,
    ChargingState.EV_CONNECTED: Word.STARTING,
    ChargingState.SUSPENDED_EV: Word.CAR_PAUSES,
    ChargingState.SUSPENDED_EVSE: Word.PAUSED,
    ChargingState.IDLE: Word.PLUG_IN,
}
_BY_CONNECTOR = {
    ConnectorStatus.AVAILABLE: Word.AVAILABLE,
    ConnectorStatus.OCCUPIED: Word.SHOW_CARD,
    ConnectorStatus.RESERVED: Word.RESERVED,
    ConnectorStatus.UNAVAILABLE: Word.OUT_OF_SERVICE,
    ConnectorStatus.FAULTED: Word.FAULT,
}
_ANSWERS = {Indication.PENDING: Word.ONE_MOMENT, Indication.REFUSED: Word.REFUSED}
"""What somebody who shows a card is told before anything else."""


class Surface(Block):
    """Keeps the lines of all displays fresh."""

    def __init__(
        self, ctx: StationContext, transactions: Transactions, availability: Availability, notices: DriverNotices
    ) -> None:
        super().__init__(ctx)
        self._notices = notices
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
            self.ctx.orders.set_message(evse_id, self._lines(evse_id, now))

    def _lines(self, evse_id: int, now: Now) -> tuple[str, ...]:
        evse, languages = self.ctx.evse(evse_id), self._notices.languages(evse_id, now)
        first = said(self._word(evse_id, evse), languages)
        if evse is not None and has_stopping_fault(evse):
            return (first, next(one.code for one in evse.faults if not one.warning))
        if message := self._notices.message(evse_id, now):
            return (first, message)
        cost = self._notices.cost(evse_id, now)
        priced = () if cost is None else (f"{said(Word.COST, languages)} {cost:.2f}",)
        is_running = evse is not None and self._transactions.running(evse_id) is not None
        return (first, *(self._figures[evse_id] if is_running else ()), *priced)

    def _word(self, evse_id: int, evse: EvseStatus | None) -> Word:
        running, indication = self._transactions.running(evse_id), self.ctx.orders.indication(evse_id)
        if evse is None:
            return _BY_CONNECTOR[self._availability.status(evse_id)]
        if has_stopping_fault(evse):
            return Word.FAULT
        if indication in _ANSWERS:
            return _ANSWERS[indication]
        if running is not None:
            return _BY_CHARGING_STATE[running.charging_state]
        if indication is Indication.ACCEPTED:
            return Word.ACCEPTED if evse.ev_connected else Word.PLUG_IN
        return _BY_CONNECTOR[self._availability.status(evse_id)]


def _figures(evse: EvseStatus | None) -> tuple[str, ...]:
    """Power, and energy since the vehicle was plugged in."""
    if evse is None or evse.meter is None:
        return ()
    power = f"{max(0.0, evse.meter.power_w) / 1000:.1f} kW"
    if evse.plugged_wh is None:
        return (power,)
    return (f"{power}  {(evse.meter.energy_wh - evse.plugged_wh) / 1000:.2f} kWh",)
