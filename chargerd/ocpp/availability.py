"""Block G: what is in service, what state each connector is in, and proof of life.

A connector's state is computed anew from faults, service flags, reservations and cable whenever something happens, and
told when the CSMS knows another one. A transaction makes no difference to it, but for putting off the end of service
(G03.FR.05).
"""

from collections.abc import Collection, Iterable, Mapping
from functools import partial

from chargerd.clock import Now
from chargerd.evse.types import PilotState
from chargerd.ocpp.block import Block, Handlers, StationContext, Triggers
from chargerd.ocpp.connector_states import ConnectorState, ConnectorStates, summary
from chargerd.ocpp.edges import Change, LimitChanged, MeterArrived, has_stopping_fault
from chargerd.ocpp.heartbeats import Heartbeats
from chargerd.ocpp.messages.availability import (
    ChangeAvailability,
    ChangeAvailabilityResponse,
    StatusNotification,
    StatusNotificationResponse,
)
from chargerd.ocpp.messages.enums import (
    ChangeAvailabilityStatus,
    ConnectorStatus,
    MessageTrigger,
    OperationalStatus,
)
from chargerd.ocpp.messages.types import EVSE, StatusInfo
from chargerd.ocpp.news import (
    AvailabilityChanged,
    News,
    Registration,
    RegistrationChanged,
    ReservationsChanged,
    TransactionEnded,
    TransactionStarted,
    VariableChanged,
)
from chargerd.ocpp.reservation_book import RESERVATION_ENABLED, ReservationBook
from chargerd.ocpp.rpc import CallFailure, FailureKind
from chargerd.ocpp.service_flags import CONNECTOR_ID, ServiceFlags
from chargerd.ocpp.transactions import Transactions
from chargerd.ocpp.variables import AnyVariable, Reader, Tier, integer, option_list

_STATES = tuple(ConnectorStatus)
_IN_USE_OR_FREE = (ConnectorStatus.AVAILABLE, ConnectorStatus.OCCUPIED)

STATION_STATE = option_list(
    "ChargingStation",
    "AvailabilityState",
    ConnectorStatus.UNAVAILABLE,
    values=_STATES,
    doc="State of the station: the best of its EVSEs.",
)
EVSE_STATE = option_list(
    "EVSE",
    "AvailabilityState",
    ConnectorStatus.UNAVAILABLE,
    values=_STATES,
    tier=Tier.EVSE,
    doc="State of the EVSE: that of its connector.",
)
CONNECTOR_STATE = option_list(
    "Connector",
    "AvailabilityState",
    ConnectorStatus.UNAVAILABLE,
    values=_STATES,
    tier=Tier.CONNECTOR,
    doc="State of the connector, as StatusNotification tells it.",
)
OFFLINE_THRESHOLD = integer(
    "OCPPCommCtrlr",
    "OfflineThreshold",
    60,
    unit="s",
    writable=True,
    minimum=0,
    doc="After a longer outage the state of every connector is told again, else only what changed (B04).",
)
MINIMUM_STATUS_DURATION = integer(
    "ChargingStation",
    "MinimumStatusDuration",
    0,
    unit="s",
    writable=True,
    required=False,
    minimum=0,
    maximum=3600,
    doc="How long a connector must be in a state before StatusNotification tells it.",
)


class Availability(Block):
    """Service flags, connector states and Heartbeat."""

    def __init__(self, ctx: StationContext, transactions: Transactions, reservations: ReservationBook) -> None:
        super().__init__(ctx)
        self._transactions = transactions
        self._reservations = reservations
        self._flags = ServiceFlags(ctx.store)
        self._states = ConnectorStates()
        self._heartbeats = Heartbeats(ctx)
        self._control_has_spoken = False
        self._offline_since_mono: float | None = None
        self._closed: frozenset[int] = frozenset()
        self._resetting: frozenset[int] = frozenset()
        self._held: frozenset[int] = frozenset()

    # ------------------------------------------------------------------ what the station asks of every block

    def variables(self) -> Iterable[AnyVariable]:
        return (STATION_STATE, EVSE_STATE, CONNECTOR_STATE, OFFLINE_THRESHOLD, MINIMUM_STATUS_DURATION)

    def readers(self) -> Mapping[AnyVariable, Reader]:
        return {
            STATION_STATE: lambda _evse_id, _connector_id: summary(map(self._state_now, self.ctx.evse_ids)),
            EVSE_STATE: self._read_state,
            CONNECTOR_STATE: self._read_state,
        }

    def handlers(self) -> Handlers:
        return {ChangeAvailability: self._change_availability}

    def triggers(self) -> Triggers:
        return {
            MessageTrigger.STATUS_NOTIFICATION: self._send_triggered,
            MessageTrigger.HEARTBEAT: self._heartbeats.send_triggered,
        }

    def on_start(self, now: Now) -> None:
        self._flags.reload()
        self._reservations.reload()
        self.review(now)

    def on_link_up(self, now: Now) -> None:
        if not self.ctx.online:
            return  # Everything is told when the CSMS accepts us.
        since_mono = self._offline_since_mono
        if since_mono is not None and now.mono - since_mono > self.ctx.variables[OFFLINE_THRESHOLD]:
            self._states.forget_told(now)  # B04.FR.01
        self.review(now)  # B04.FR.02
        self._heartbeats.send(now)

    def on_link_down(self, now: Now) -> None:
        self._offline_since_mono = now.mono

    def on_change(self, change: Change, now: Now) -> None:
        self._control_has_spoken = self._control_has_spoken or self.ctx.status is not None
        if not isinstance(change, MeterArrived | LimitChanged):
            self.review(now)

    def on_news(self, news: News, now: Now) -> None:
        match news:
            case RegistrationChanged(Registration.ACCEPTED):
                self._states.forget_told(now)  # B01.FR.05
                self._heartbeats.begin(now)
            case TransactionStarted() | TransactionEnded() | ReservationsChanged():
                pass
            case VariableChanged(variable) if variable in (RESERVATION_ENABLED, MINIMUM_STATUS_DURATION):
                pass
            case _:
                return
        self.review(now)

    def next_deadline(self) -> float | None:
        deadlines = (
            self._heartbeats.next_deadline(),
            self._states.next_deadline(self._settle_s()) if self.ctx.online else None,
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def on_time(self, now: Now) -> None:
        # An authorization that ran out leaves an EVSE to others; a state may have settled.
        if self._reservations.all() or self._states.next_deadline(self._settle_s()) is not None:
            self.review(now)
        self._heartbeats.on_time(now)

    # ------------------------------------------------------------------ for the blocks above

    def status(self, evse_id: int) -> ConnectorStatus:
        """The state of the connector of this EVSE."""
        return self._state_now(evse_id)

    def is_operative(self, evse_id: int) -> bool:
        """Whether the EVSE is in service; one that leaves after its transaction still is."""
        return self._flags.is_operative(evse_id)

    def close(self, evse_ids: Collection[int]) -> None:
        """Take these EVSEs out of service until another call, as far as nobody uses them or has reserved them."""
        self._closed = frozenset(evse_ids)

    def hold_for_update(self, evse_ids: Collection[int]) -> bool:
        """As `close`, for an update of the firmware. Whether that is something new."""
        before, self._held = self._held, frozenset(evse_ids)
        return self._held != before

    def reset(self, evse_ids: Collection[int]) -> None:
        """Exactly these EVSEs are just being reset: out of service, whatever else holds."""
        self._resetting = frozenset(evse_ids)

    # ------------------------------------------------------------------ G03, G04

    def _change_availability(self, request: ChangeAvailability, now: Now) -> ChangeAvailabilityResponse:
        reason = self._why_not_target(request.evse)
        if reason is not None:
            return ChangeAvailabilityResponse(status=ChangeAvailabilityStatus.REJECTED, status_info=reason)
        evse_ids = self.ctx.evse_ids if request.evse is None else (request.evse.id,)  # G04.FR.01
        were_operative = {evse_id for evse_id in evse_ids if self._flags.is_operative(evse_id)}
        self._flags.set(request.evse, request.operational_status)
        for evse_id in evse_ids:
            if self._flags.is_wanted(evse_id):
                self._flags.leave_now(evse_id)
            elif evse_id in were_operative and self._transactions.running(evse_id) is not None:
                self._flags.leave_later(evse_id)
        self.review(now)
        self.ctx.publish(AvailabilityChanged())
        going_out = request.operational_status is OperationalStatus.INOPERATIVE
        if going_out and any(map(self._flags.is_leaving, evse_ids)):
            return ChangeAvailabilityResponse(status=ChangeAvailabilityStatus.SCHEDULED)  # G03.FR.05, G04.FR.06
        return ChangeAvailabilityResponse(status=ChangeAvailabilityStatus.ACCEPTED)

    def _why_not_target(self, target: EVSE | None) -> StatusInfo | None:
        if target is None:
            return None
        if target.id not in self.ctx.evse_ids:
            return StatusInfo(reason_code="UnknownEvse")
        if target.connector_id not in {None, CONNECTOR_ID}:
            return StatusInfo(reason_code="UnknownConnectorId")
        return None

    # ------------------------------------------------------------------ G01

    def review(self, now: Now) -> None:
        """Bring service and states up to date and tell what the CSMS does not know."""
        for evse_id in self.ctx.evse_ids:
            if self._transactions.running(evse_id) is None:
                self._flags.leave_now(evse_id)  # G03.FR.05, G04.FR.06
            self.ctx.orders.set_available(evse_id, self._is_in_service(evse_id))
        self._transactions.review_reservations()
        for evse_id in self.ctx.evse_ids:
            self._states.enter(evse_id, self._state_now(evse_id), now)
        if not self.ctx.online:
            return
        for evse_id, state in self._states.untold(now, self._settle_s()):
            lost = partial(self._lost, evse_id, state.status)
            self.ctx.call(_notification(evse_id, state), now, _heard, lost)

    def _is_in_service(self, evse_id: int) -> bool:
        if evse_id in self._resetting or not self._flags.is_operative(evse_id):
            return False
        in_use = self._transactions.is_busy(evse_id) or self._reservations.is_kept(evse_id)
        return evse_id not in self._closed | self._held or in_use

    def _state_now(self, evse_id: int) -> ConnectorStatus:
        """G01: a fault outweighs the flags (G03.FR.06), the flags outweigh reservations, those the cable."""
        evse = self.ctx.evse(evse_id)
        if evse is None:  # Nothing can be served without the control process: it is starting, or broken.
            return ConnectorStatus.FAULTED if self._control_has_spoken else ConnectorStatus.UNAVAILABLE
        if has_stopping_fault(evse):
            return ConnectorStatus.FAULTED
        if evse_id in self._resetting or not self._flags.is_operative(evse_id):
            return ConnectorStatus.UNAVAILABLE
        if self._reservations.is_kept(evse_id):
            return ConnectorStatus.RESERVED  # G01.FR.09: whatever is plugged in
        if evse.ev_connected or evse.plugged:
            return ConnectorStatus.OCCUPIED
        if not self._is_in_service(evse_id):
            return ConnectorStatus.UNAVAILABLE
        if (
            evse.pilot_state is PilotState.UNKNOWN
        ):  # A control process that has just started has not seen the cable yet.
            last = self._states.status(evse_id)
            return last if last in _IN_USE_OR_FREE else ConnectorStatus.UNAVAILABLE
        if self._flags.is_leaving(evse_id) and self._states.status(evse_id) is not ConnectorStatus.AVAILABLE:
            return (
                ConnectorStatus.UNAVAILABLE
            )  # G01.FR.05: its vehicle has gone, whether its transaction has yet or not
        return ConnectorStatus.AVAILABLE

    def _settle_s(self) -> float:
        return float(self.ctx.variables[MINIMUM_STATUS_DURATION])

    def _read_state(self, evse_id: int | None, _connector_id: int | None) -> ConnectorStatus:
        assert evse_id is not None, "can't happen because both variables belong to an EVSE"
        return self._state_now(evse_id)

    def _lost(self, evse_id: int, status: ConnectorStatus, failure: CallFailure, _now: Now) -> None:
        if failure.kind is FailureKind.OFFLINE:
            self._states.was_lost(evse_id, status)

    def _send_triggered(self, evse_id: int | None, now: Now) -> bool:
        """F06.FR.09, 11: the present state of one EVSE's connector or of all, even before the CSMS has accepted us."""
        evse_ids = [one for one in self.ctx.evse_ids if evse_id in {None, one}]
        for one in evse_ids:
            present = ConnectorState(self._state_now(one), now.utc, now.mono)
            self.ctx.rpc.call(_notification(one, present), now, _heard, _unheard)
        return bool(evse_ids)


def _notification(evse_id: int, state: ConnectorState) -> StatusNotification:
    return StatusNotification(
        timestamp=state.since_utc,
        connector_status=state.status,
        evse_id=evse_id,
        connector_id=CONNECTOR_ID,
    )


def _heard(_response: StatusNotificationResponse, _now: Now) -> None:
    pass


def _unheard(_failure: CallFailure, _now: Now) -> None:
    pass
