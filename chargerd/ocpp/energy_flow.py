"""Whether energy flows in a transaction, who holds it back when it does not, and how much is offered while it does."""

from chargerd.clock import Now
from chargerd.evse.types import EvseStatus, PilotState
from chargerd.ocpp.charging_rate import ChargingRate
from chargerd.ocpp.messages.enums import ChargingState
from chargerd.ocpp.transaction_machine import OpenTransaction, without_energy

SETTLE_S = 10.0
"""Time for the vehicle to follow an offer (5 s, IEC 61851-1 table A.6) and for the contactor's pause of 5 s, before a
charge that does not begin is told as suspended."""


class EnergyFlow:
    """Of one EVSE. `on`: energy flows."""

    def __init__(self) -> None:
        self.on = False
        self.rate = ChargingRate()
        self._settled_at_mono: float | None = None

    def begin(self, amps: float) -> None:
        """Energy flows, with so much offered."""
        self.on = True
        self._settled_at_mono = None
        self.rate.begin(amps)

    def end(self) -> None:
        """It does not flow any more."""
        self.on = False
        self.rate.end()

    def cut(self) -> None:
        """It does not flow, and none is to be waited for."""
        self.end()
        self._settled_at_mono = None

    def wait(self, now: Now) -> None:
        """Energy was offered only now: until the vehicle had its time to follow, things stand as they stood."""
        self._settled_at_mono = now.mono + SETTLE_S

    def withhold(self) -> None:
        """No energy is to be waited for; what flows is about to end."""
        self._settled_at_mono = None

    def next_deadline(self) -> float | None:
        """When the vehicle has had its time, or a change of the offer is to be looked at."""
        timers = (self._settled_at_mono, self.rate.next_deadline())
        return min((timer for timer in timers if timer is not None), default=None)

    def has_settled(self, now: Now) -> bool:
        """Whether the vehicle has had its time just now; true once."""
        if self._settled_at_mono is None or now.mono < self._settled_at_mono:
            return False
        self._settled_at_mono = None
        return True

    def state(self, tx: OpenTransaction, evse: EvseStatus | None, connected: bool, now: Now) -> ChargingState:
        """What is to be told of `tx` now. `evse` None: the charging side is silent."""
        if not connected:
            return ChargingState.IDLE
        if self.on:
            return ChargingState.CHARGING
        if evse is not None and evse.pilot_state is PilotState.A and tx.charging_state is not ChargingState.IDLE:
            return tx.charging_state  # the vehicle is leaving, which is told next and says more
        state = without_energy(tx, evse)
        if state is ChargingState.EV_CONNECTED or self._settled_at_mono is None or now.mono >= self._settled_at_mono:
            return state
        had_energy = tx.charging_state is ChargingState.CHARGING
        was_connected = tx.charging_state is not ChargingState.IDLE
        unmoved = tx.charging_state if was_connected else ChargingState.EV_CONNECTED
        return state if had_energy else unmoved
